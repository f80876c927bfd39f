//! `browser_network_requests`: what the page asked the network for since it was loaded, as far as it
//! was seen. Reading takes nothing away.

use crate::pages::facts::newest;
use crate::pages::poller::Page;
use protocol::command::{NetworkRequest, NetworkRequests, PageResult};

/// What a request takes besides its URL and failure, in bytes: method, status and kind.
const LINE: usize = 40;

pub(super) fn run(page: &Page, wanted: &NetworkRequests) -> PageResult {
    let facts = page.facts();
    let (requests, lost) = facts.network.requests();
    let filter = wanted.filter.as_deref().unwrap_or_default();
    let (mut told, mut parts) = (Vec::new(), 0);
    for request in requests.filter(|request| request.url.contains(filter)) {
        if wanted.include_static || !is_part(request) {
            told.push(request.clone());
        } else {
            parts += 1;
        }
    }
    let older = told.len() - newest(told.iter().map(size));
    told.drain(..older);
    let mut result = PageResult {
        requests: Some(told),
        ..PageResult::default()
    };
    if older > 0 {
        let note = format!("{older} older requests are left out; `filter` narrows it.");
        result.notes.push(note);
    }
    if parts > 0 {
        result.notes.push(format!(
            "{parts} successful requests for parts of the page (scripts, styles, images, fonts) \
             are left out; `static` shows them."
        ));
    }
    if !facts.network.is_whole() {
        let note = "Requests of before this page was watched for you were not seen; \
            browser_navigate {\"action\": \"reload\"} shows all.";
        result.notes.push(note.into());
    }
    if lost > 0 {
        result
            .notes
            .push(format!("{lost} older requests were dropped."));
    }
    result
}

/// What a request takes in an answer, in bytes.
fn size(request: &NetworkRequest) -> usize {
    let failed = request.failed.as_deref().unwrap_or_default();
    LINE + request.url.len() + failed.len()
}

/// One of the many that every page makes and that tell nothing when they succeed.
fn is_part(request: &NetworkRequest) -> bool {
    let kind = matches!(
        request.kind.as_str(),
        "stylesheet"
            | "image"
            | "media"
            | "font"
            | "script"
            | "texttrack"
            | "manifest"
            | "prefetch"
    );
    let succeeded = request.status.is_some_and(|status| status < 400);
    kind && succeeded && request.failed.is_none()
}
