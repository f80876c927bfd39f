//! What a page asked the network for since it was loaded: where it went and what came of it.
//! Headers and bodies are never kept; they hold what only the page should know.

use super::{address, clip, text};
use crate::house::MARK;
use protocol::command::NetworkRequest;
use protocol::url::{self, UrlKind};
use serde_json::Value;
use std::collections::VecDeque;

/// Requests kept of one page; the oldest go first. Pages that poll make any number.
pub(crate) const REQUESTS_MAX: usize = 500;
/// Longest URL kept, in characters (`NetworkRequest`).
const URL_MAX: usize = 1_000;
/// Longest reason of a failure kept, in characters.
const FAILED_MAX: usize = 200;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::pages) struct Network {
    /// With Chrome's ids; one that was redirected is followed by another of the same id.
    requests: VecDeque<(String, NetworkRequest)>,
    /// Dropped at [`REQUESTS_MAX`] since the page was loaded.
    lost: usize,
    /// `loaderId` of the page; its own request has the same id.
    loader: String,
    /// All that the page asked for could be seen, from its own request on.
    whole: bool,
}

impl Network {
    /// Nothing that the tab's pages asked for was another owner's.
    pub(super) fn with_own_past() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// Takes a debugger event; those of other domains are passed by.
    pub(super) fn event(&mut self, method: &str, params: &Value) {
        let id = text(params, "requestId");
        match method {
            "Network.requestWillBeSent" => self.sent(id, params),
            "Network.webSocketCreated" => self.add(id, "GET", text(params, "url"), "websocket"),
            "Network.responseReceived" | "Network.webSocketHandshakeResponseReceived" => {
                let status = status(&params["response"]);
                self.change(id, |request| request.status = status);
            }
            "Network.loadingFailed" => self.change(id, |request| {
                // A page that does not read an answer to its end cancels the rest.
                if params["canceled"] == true && request.status.is_some() {
                    return;
                }
                let why = ["blockedReason", "errorText"].map(|name| text(params, name));
                let cors = text(&params["corsErrorStatus"], "corsError");
                let why = match (why, cors) {
                    (["", error], "") => error.to_owned(),
                    (["", error], cors) => format!("{error} (CORS: {cors})"),
                    ([blocked, error], _) => format!("{error} (blocked: {blocked})"),
                };
                request.failed = Some(clip(&why, FAILED_MAX));
            }),
            "Network.webSocketFrameError" => self.change(id, |request| {
                request.failed = Some(clip(text(params, "errorMessage"), FAILED_MAX));
            }),
            _ => {}
        }
    }

    /// A document took the page's place.
    pub(super) fn committed(&mut self, loader: &str, url: &str, restored: bool) {
        // A blank page has no request of its own; one out of the history was asked for long ago.
        self.whole = self.shows(loader) || !restored && url::classify(url) != UrlKind::Web;
    }

    /// The debugger came to this page, which has been there for nobody knows how long. Only of a tab
    /// that is as it was made is it known that it asked for nothing; a blank page that another
    /// opened may be written by that.
    pub(super) fn found(&mut self, loader: &str, url: &str) {
        self.shows(loader);
        self.whole &= url.starts_with(MARK);
    }

    /// The page shows this document. If it is another one than
    /// before, what was asked before its own request is another page's. Gives whether that request
    /// was seen.
    fn shows(&mut self, loader: &str) -> bool {
        let own = |entry: &(String, NetworkRequest)| entry.0 == loader;
        let first = self.requests.iter().position(own);
        if self.loader != loader {
            loader.clone_into(&mut self.loader);
            self.requests.drain(..first.unwrap_or(self.requests.len()));
            self.lost = 0;
        }
        first.is_some()
    }

    /// Whether a page was shown before, and it was another than this document.
    pub(super) fn knows_another(&self, loader: &str) -> bool {
        !self.loader.is_empty() && self.loader != loader
    }

    /// The debugger is off: from now on requests pass unseen.
    pub(super) fn detached(&mut self) {
        self.whole = false;
    }

    /// What is kept, oldest first, and how many were dropped.
    pub(in crate::pages) fn requests(&self) -> (impl Iterator<Item = &NetworkRequest>, usize) {
        (self.requests.iter().map(|(_, request)| request), self.lost)
    }

    /// Whether the page asked for nothing unseen.
    pub(in crate::pages) fn is_whole(&self) -> bool {
        self.whole
    }

    fn sent(&mut self, id: &str, params: &Value) {
        let redirect = status(&params["redirectResponse"]);
        if redirect.is_some() {
            self.change(id, |request| request.status = redirect);
        }
        let request = &params["request"];
        let kind = text(params, "type").to_ascii_lowercase();
        self.add(id, text(request, "method"), text(request, "url"), &kind);
    }

    fn add(&mut self, id: &str, method: &str, url: &str, kind: &str) {
        // What stands in the page itself does not come over the network.
        if url.starts_with("data:") {
            return;
        }
        if self.requests.len() == REQUESTS_MAX {
            self.requests.pop_front();
            self.lost += 1;
        }
        let request = NetworkRequest {
            method: clip(method, 20),
            url: address(url, URL_MAX),
            kind: clip(kind, 30),
            status: None,
            failed: None,
        };
        self.requests.push_back((id.to_owned(), request));
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut NetworkRequest)) {
        let mut newest_first = self.requests.iter_mut().rev();
        if let Some((_, request)) = newest_first.find(|(known, _)| known == id) {
            change(request);
        }
    }
}

fn status(response: &Value) -> Option<u16> {
    let status = response["status"].as_u64()?;
    u16::try_from(status).ok().filter(|status| *status > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn send(network: &mut Network, id: &str, url: &str, kind: &str) {
        let params = json!({"requestId": id, "type": kind, "request": {"method": "GET",
            "url": url, "headers": {"Cookie": "crumb"}, "postData": "word"}});
        network.event("Network.requestWillBeSent", &params);
    }

    fn shown(network: &Network) -> Vec<String> {
        let (requests, _) = network.requests();
        let line = |r: &NetworkRequest| {
            format!(
                "{} {} {} {:?} {:?}",
                r.method, r.url, r.kind, r.status, r.failed
            )
        };
        requests.map(line).collect()
    }

    #[test]
    fn a_request_tells_what_came_of_it() {
        let mut network = Network::default();
        for (id, url) in [
            ("1", "http://a/x"),
            ("2", "http://a/y"),
            ("3", "http://a/z"),
        ] {
            send(&mut network, id, url, "Fetch");
        }
        let answer = json!({"requestId": "1", "response": {"status": 404}});
        network.event("Network.responseReceived", &answer);
        let failed = json!({"requestId": "2", "errorText": "net::ERR_FAILED",
            "corsErrorStatus": {"corsError": "MissingAllowOriginHeader"}});
        network.event("Network.loadingFailed", &failed);
        assert_eq!(
            shown(&network),
            [
                "GET http://a/x fetch Some(404) None",
                "GET http://a/y fetch None Some(\"net::ERR_FAILED (CORS: MissingAllowOriginHeader)\")",
                "GET http://a/z fetch None None",
            ]
        );
    }

    #[test]
    fn an_answer_whose_rest_nobody_read_is_no_failure() {
        let mut network = Network::default();
        let canceled =
            |id| json!({"requestId": id, "errorText": "net::ERR_ABORTED", "canceled": true});
        for id in ["1", "2"] {
            send(&mut network, id, "http://a/x", "Fetch");
        }
        let answer = json!({"requestId": "1", "response": {"status": 204}});
        network.event("Network.responseReceived", &answer);
        network.event("Network.loadingFailed", &canceled("1"));
        network.event("Network.loadingFailed", &canceled("2"));
        assert_eq!(
            shown(&network),
            [
                "GET http://a/x fetch Some(204) None",
                "GET http://a/x fetch None Some(\"net::ERR_ABORTED\")"
            ]
        );
    }

    #[test]
    fn neither_headers_nor_bodies_nor_passwords_are_kept() {
        let mut network = Network::default();
        send(&mut network, "1", "http://me:word@a/x@y", "XHR");
        let all = format!("{network:?}");
        assert!(!all.contains("crumb") && !all.contains("word"), "{all}");
        assert_eq!(shown(&network), ["GET http://a/x@y xhr None None"]);
    }

    #[test]
    fn of_an_address_where_no_agent_may_be_only_the_scheme_is_kept() {
        let mut network = Network::default();
        for url in [
            "chrome-extension://id/secret",
            "file:///home/me",
            "wss://me:word@a/x",
            "blob:http://a/1",
        ] {
            send(&mut network, url, url, "Fetch");
        }
        let (requests, _) = network.requests();
        let urls: Vec<&str> = requests.map(|request| request.url.as_str()).collect();
        assert_eq!(
            urls,
            ["chrome-extension:", "file:", "wss://a/x", "blob:http://a/1"]
        );
    }

    #[test]
    fn a_redirect_is_a_request_of_its_own() {
        let mut network = Network::default();
        send(&mut network, "1", "http://a/x", "Document");
        let on = json!({"requestId": "1", "type": "Document",
            "redirectResponse": {"status": 302}, "request": {"method": "GET", "url": "http://a/y"}});
        network.event("Network.requestWillBeSent", &on);
        let answer = json!({"requestId": "1", "response": {"status": 200}});
        network.event("Network.responseReceived", &answer);
        assert_eq!(
            shown(&network),
            [
                "GET http://a/x document Some(302) None",
                "GET http://a/y document Some(200) None"
            ]
        );
    }

    #[test]
    fn a_new_document_keeps_its_own_request_and_what_came_after() {
        let mut network = Network::default();
        send(&mut network, "1", "http://a/", "Document");
        network.committed("1", "http://a/", false);
        send(&mut network, "2", "http://a/x", "Fetch");
        send(&mut network, "L2", "http://b/", "Document");
        send(&mut network, "3", "http://b/x", "Script");
        network.committed("L2", "http://b/", false);
        assert_eq!(
            shown(&network),
            [
                "GET http://b/ document None None",
                "GET http://b/x script None None"
            ]
        );
        network.committed("from the cache", "http://a/", true);
        assert!(shown(&network).is_empty());
    }

    #[test]
    fn a_page_that_needs_no_request_of_its_own_is_whole_unless_it_comes_out_of_the_history() {
        for url in ["about:blank", "data:text/html,x", "blob:http://a/1"] {
            for restored in [false, true] {
                let mut network = Network::default();
                network.committed("L", url, restored);
                assert_eq!(network.is_whole(), !restored, "{url}");
            }
        }
    }

    #[test]
    fn it_is_bounded_in_requests_and_in_length() {
        let mut network = Network::default();
        let long = format!("http://a/{}", "x".repeat(5_000));
        for id in 0..REQUESTS_MAX + 3 {
            send(&mut network, &id.to_string(), &long, "Image");
        }
        send(&mut network, "data", "data:image/png;base64,AAAA", "Image");
        let (requests, lost) = network.requests();
        assert_eq!((requests.count(), lost), (REQUESTS_MAX, 3));
        assert!(shown(&network).iter().all(|line| line.len() < 2 * URL_MAX));
    }

    #[test]
    fn a_socket_is_told_like_a_request() {
        let mut network = Network::default();
        let made = json!({"requestId": "1", "url": "ws://a/x"});
        network.event("Network.webSocketCreated", &made);
        let open = json!({"requestId": "1", "response": {"status": 101}});
        network.event("Network.webSocketHandshakeResponseReceived", &open);
        assert_eq!(shown(&network), ["GET ws://a/x websocket Some(101) None"]);
    }
}
