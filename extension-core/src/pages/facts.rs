//! What is known of the page in one tab, from the debugger's events and from commits. It asks
//! nothing and decides nothing; procedures wait for it to change.

mod console;
pub(super) mod frames;
mod network;

use console::Console;
use frames::{FrameNews, Frames, Session};
use network::Network;
use protocol::Instant;
use protocol::command::Dialog;
use protocol::url::{tellable, tellable_script};
use serde_json::Value;
use std::borrow::Cow;
use std::rc::Rc;

/// Downloads kept until a call tells of them; a page may start any number.
const DOWNLOADS_MAX: usize = 20;
/// Longest list that one answer tells, in bytes: as much as a snapshot may have.
const LIST_MAX: usize = 60_000;
/// Longest dialog text kept, in characters: enough to decide on, too short to flood a context.
const DIALOG_TEXT_MAX: usize = 2_000;

/// A navigation of the main frame that has begun and not yet committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// Asked for by the page; Chrome begins it within milliseconds, or refuses it silently.
    Requested,
    /// Begun. Until it commits or stops, Chrome holds back every command that needs the page.
    Started {
        /// Through the history: its end of loading is told before its commit.
        history: bool,
    },
    /// Out of the history, and loaded: commits within milliseconds, or was stopped.
    Loaded,
}

/// The debugger's events that mean something here; the others are not worth their reading. A page
/// of 200 pictures makes 1,400 events of the network, 800 KB with all cookies; 400 are heard.
const HEARD: [&str; 27] = [
    "Inspector.targetCrashed",
    "Inspector.targetReloadedAfterCrash",
    "Log.entryAdded",
    "Network.loadingFailed",
    "Network.requestWillBeSent",
    "Network.responseReceived",
    "Network.webSocketCreated",
    "Network.webSocketFrameError",
    "Network.webSocketHandshakeResponseReceived",
    "Page.domContentEventFired",
    "Page.downloadWillBegin",
    "Page.frameNavigated",
    "Page.frameRequestedNavigation",
    "Page.frameStartedNavigating",
    "Page.frameStoppedLoading",
    "Page.javascriptDialogClosed",
    "Page.javascriptDialogOpening",
    "Page.loadEventFired",
    "Page.navigatedWithinDocument",
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
    "Runtime.executionContextCreated",
    "Runtime.executionContextDestroyed",
    "Runtime.executionContextsCleared",
    "Target.attachedToTarget",
    "Target.detachedFromTarget",
    "Target.targetInfoChanged",
];

/// Whether a debugger event of this name need be told at all.
pub(super) fn hears(method: &str) -> bool {
    HEARD.binary_search(&method).is_ok()
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Id of the main frame; empty before the attachment learnt it.
    pub(super) frame: String,
    /// `loaderId` of the main frame's document.
    pub(super) loader: String,
    /// Where the tab is, as far as told.
    pub(super) url: String,
    /// Counts commits of the main frame.
    pub(super) commits: u64,
    /// Counts commits and moves within a document.
    pub(super) moves: u64,
    /// Counts what Chrome has told of the tab: each may be another address or title.
    pub(super) told: u64,
    /// The URL that Chrome's error page stands for.
    pub(super) unreachable: Option<String>,
    /// `DOMContentLoaded` has fired.
    pub(super) parsed: bool,
    /// `load` has fired.
    pub(super) loaded: bool,
    pub(super) going: Option<Going>,
    /// Downloads that began.
    pub(super) downloads: Vec<String>,
    /// The open dialog, with its number.
    pub(super) dialog: Option<(u64, Dialog)>,
    dialogs: u64,
    /// The renderer is gone.
    pub(super) crashed: bool,
    pub(super) console: Console,
    pub(super) network: Network,
    pub(super) frames: Frames,
    /// A first picture of this document was taken: input arrives.
    pub(super) warm: bool,
    /// Tabs that the running call opened.
    pub(super) new_tabs: Vec<protocol::TabId>,
}

/// What an event means beyond the facts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// Nothing more.
    None,
    /// The main frame shows another URL.
    Moved {
        /// Which.
        url: String,
    },
    DialogOpened(Dialog),
    DialogClosed,
    Crashed,
    /// A frame that another process draws speaks by this session, once it is told to.
    ChildAttached(Rc<str>),
    ChildDetached,
}

impl Facts {
    /// Of a tab whose past is its owner's.
    pub(super) fn with_own_past() -> Self {
        Self {
            console: Console::with_own_past(),
            network: Network::with_own_past(),
            frames: Frames::with_own_past(),
            ..Self::default()
        }
    }

    /// Forgets what an attachment taught; what the tab shows stays known.
    pub(super) fn detached(&mut self) {
        self.network.detached();
        *self = Self {
            url: std::mem::take(&mut self.url),
            commits: self.commits,
            moves: self.moves,
            told: self.told,
            crashed: self.crashed,
            dialogs: self.dialogs,
            console: std::mem::take(&mut self.console),
            network: std::mem::take(&mut self.network),
            frames: self.frames.detached(),
            new_tabs: std::mem::take(&mut self.new_tabs),
            ..Self::default()
        };
    }

    /// A debugger comes to the tab, or comes back.
    pub(super) fn attaching(&mut self, now: Instant) {
        self.console.attaching(now);
    }

    /// A session is asked a step of its burst.
    pub(super) fn enabling(&mut self, session: &Session, method: &'static str) {
        if let Some(past) = self.frames.past_mut(session) {
            past.asks(method);
        }
        // What an adopted debugger told meanwhile is known.
        if session.is_none() && method == "Runtime.enable" {
            self.console.expect_again();
        }
    }

    /// The step was answered.
    pub(super) fn enabled(&mut self, session: &Session) {
        if let Some(past) = self.frames.past_mut(session) {
            past.answered();
        }
    }

    /// Takes the answer to `Page.getFrameTree`: the page as it is when the debugger comes.
    pub(super) fn frame_tree(&mut self, result: &Value) {
        // Events overtake results: a commit told meanwhile is newer than the tree.
        if !self.loader.is_empty() {
            return;
        }
        let frame = &result["frameTree"]["frame"];
        self.frame = text(frame, "id").to_owned();
        self.loader = text(frame, "loaderId").to_owned();
        self.url = frame_url(frame);
        if self.network.knows_another(&self.loader) {
            self.console.expect_history();
        }
        self.network.found(&self.loader, &self.url);
        self.unreachable = frame["unreachableUrl"].as_str().map(str::to_owned);
        self.parsed = true;
        self.loaded = true;
    }

    /// Takes a debugger event, of the tab's own session or of a child's.
    pub(super) fn event(&mut self, session: &Session, method: &str, params: &Value) -> News {
        match self.frames.event(session, method, params) {
            FrameNews::Attached(child) => return News::ChildAttached(child),
            FrameNews::Detached => return News::ChildDetached,
            FrameNews::None if !self.frames.is_heard(session) => return News::None,
            FrameNews::None => {}
        }
        self.console
            .event(self.frames.past(session), method, params);
        self.network.event(method, params);
        match session {
            // A frame moves, crashes and loads for itself.
            Some(_) => News::None,
            None => self.page_event(method, params),
        }
    }

    fn page_event(&mut self, method: &str, params: &Value) -> News {
        match method {
            "Page.frameNavigated" => return self.navigated(params),
            "Page.navigatedWithinDocument" if self.is_main(params) => {
                self.moves += 1;
                self.told += 1;
                self.going = None;
                self.url = text(params, "url").to_owned();
                return News::Moved {
                    url: self.url.clone(),
                };
            }
            "Page.frameStartedNavigating" if self.is_main(params) => {
                match text(params, "navigationType") {
                    "sameDocument" | "historySameDocument" => {}
                    kind => {
                        let history = kind.starts_with("history");
                        if history {
                            self.console.expect_history();
                        }
                        self.going = Some(Going::Started { history });
                    }
                }
            }
            "Page.frameRequestedNavigation"
                if self.is_main(params) && text(params, "disposition") == "currentTab" =>
            {
                self.going.get_or_insert(Going::Requested);
            }
            // A history navigation out of the back-forward cache stops loading before it
            // commits; any other that stops without a commit was a download, a 204 or stopped.
            "Page.frameStoppedLoading" if self.is_main(params) => match self.going {
                Some(Going::Started { history: false }) => self.going = None,
                Some(Going::Started { history: true }) => self.going = Some(Going::Loaded),
                Some(Going::Requested | Going::Loaded) | None => {}
            },
            "Page.domContentEventFired" => self.parsed = true,
            "Page.loadEventFired" => {
                self.parsed = true;
                self.loaded = true;
            }
            "Page.downloadWillBegin" => {
                self.going = None;
                if self.downloads.len() < DOWNLOADS_MAX {
                    self.downloads
                        .push(clip(text(params, "suggestedFilename"), 200));
                }
            }
            "Page.javascriptDialogOpening" => return self.dialog_opened(params),
            "Page.javascriptDialogClosed" if self.dialog.take().is_some() => {
                return News::DialogClosed;
            }
            "Inspector.targetCrashed" => {
                self.crashed = true;
                self.going = None;
                return News::Crashed;
            }
            "Inspector.targetReloadedAfterCrash" => self.crashed = false,
            _ => {}
        }
        News::None
    }

    fn is_main(&self, params: &Value) -> bool {
        // Before the attachment learnt it, only the main frame's navigation matters.
        self.frame.is_empty() || text(params, "frameId") == self.frame
    }

    fn navigated(&mut self, params: &Value) -> News {
        let frame = &params["frame"];
        if frame["parentId"].is_string() || !frame["id"].is_string() {
            return News::None;
        }
        self.committed(frame, text(params, "type") == "BackForwardCacheRestore")
    }

    /// Takes the answer to `Page.getFrameTree` after a commit that the browser told. Of a prerendered
    /// page that took the page's place the debugger tells nothing; the page has a frame of its own.
    pub(super) fn commit_found(&mut self, result: &Value) -> News {
        let frame = &result["frameTree"]["frame"];
        if !frame["id"].is_string() || text(frame, "id") == self.frame {
            return News::None;
        }
        self.committed(frame, true)
    }

    /// `restored`: it was loaded before it was shown.
    fn committed(&mut self, frame: &Value, restored: bool) -> News {
        self.frame = text(frame, "id").to_owned();
        self.loader = text(frame, "loaderId").to_owned();
        self.console.committed(restored);
        self.url = frame_url(frame);
        self.network.committed(&self.loader, &self.url, restored);
        self.unreachable = frame["unreachableUrl"].as_str().map(str::to_owned);
        self.commits += 1;
        self.moves += 1;
        self.told += 1;
        self.going = None;
        self.crashed = false;
        self.warm = false;
        self.parsed = restored;
        self.loaded = restored;
        News::Moved {
            url: self.url.clone(),
        }
    }

    fn dialog_opened(&mut self, params: &Value) -> News {
        let dialog = Dialog {
            kind: clip(text(params, "type"), 20),
            message: clip(text(params, "message"), DIALOG_TEXT_MAX),
            default_text: clip(text(params, "defaultPrompt"), DIALOG_TEXT_MAX),
        };
        self.dialog_restored(dialog.clone());
        News::DialogOpened(dialog)
    }

    /// A dialog is open; its number is no other's.
    pub(super) fn dialog_restored(&mut self, dialog: Dialog) -> u64 {
        self.dialogs += 1;
        self.dialog = Some((self.dialogs, dialog));
        self.dialogs
    }
}

/// A string field, empty when missing.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// How many of a list's newest entries one answer may tell, given what each takes, in bytes.
pub(super) fn newest(sizes: impl DoubleEndedIterator<Item = usize>) -> usize {
    let mut left = LIST_MAX;
    let fits = |size: &usize| match left.checked_sub(*size) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    sizes.rev().take_while(fits).count()
}

/// At most `longest` characters of a text that others wrote.
pub(super) fn clip(text: &str, longest: usize) -> String {
    if text.chars().nth(longest).is_none() {
        return text.to_owned();
    }
    let kept = longest.saturating_sub(1);
    text.chars().take(kept).chain(['…']).collect()
}

/// An address that a page asks for, as far as an agent may read it: at most `longest` characters,
/// see [`tellable`].
fn address(url: &str, longest: usize) -> String {
    // What is no page is asked for like one.
    let socket = ["ws:", "wss:"].iter().any(|scheme| url.starts_with(scheme));
    let told = if socket {
        Cow::Borrowed(url)
    } else {
        tellable(url)
    };
    clip(&without_user(&told), longest)
}

/// The name of a script, as far as an agent may read it: at most `longest` characters, see
/// [`tellable_script`].
fn script(name: &str, longest: usize) -> String {
    clip(&without_user(&tellable_script(name)), longest)
}

/// `https://user:word@host/` without the user and the word.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let user = rest[..host].rsplit_once('@').map(|(user, _)| user);
    // Chrome's own schemes have users; in a tool's, `@scope` is a name.
    let has_users = ["http", "https", "ws", "wss"]
        .iter()
        .any(|known| scheme.to_ascii_lowercase().ends_with(known));
    match user {
        Some(user) if has_users || user.contains(':') => {
            format!("{scheme}://{}", &rest[user.len() + 1..])
        }
        Some(_) | None => url.to_owned(),
    }
}

fn frame_url(frame: &Value) -> String {
    format!("{}{}", text(frame, "url"), text(frame, "urlFragment"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_heard_is_found_and_what_is_not_is_left_out() {
        assert!(HEARD.is_sorted() && HEARD.iter().all(|method| hears(method)));
        for method in [
            "Network.requestWillBeSentExtraInfo",
            "Network.dataReceived",
            "Page.screencastFrame",
        ] {
            assert!(!hears(method), "{method}");
        }
    }

    fn page() -> Facts {
        let mut facts = Facts::default();
        facts.frame_tree(&json!({"frameTree": {"frame": {
            "id": "F", "loaderId": "L", "url": "http://a/", "urlFragment": "#x"}}}));
        facts
    }

    #[test]
    fn a_commit_told_before_the_frame_tree_arrives_is_kept() {
        let mut facts = Facts::default();
        let frame = json!({"frame": {"id": "F", "loaderId": "L2", "url": "http://b/"}});
        assert_eq!(
            facts.event(&None, "Page.frameNavigated", &frame),
            News::Moved {
                url: "http://b/".into()
            }
        );
        facts.frame_tree(&json!({"frameTree": {"frame": {"id": "F", "loaderId": "L"}}}));
        assert_eq!(facts.loader, "L2");
    }

    #[test]
    fn a_history_navigation_that_stops_loading_may_still_commit_and_a_download_does_not() {
        let mut facts = page();
        let start = |kind| json!({"frameId": "F", "navigationType": kind});
        let stop = json!({"frameId": "F"});
        facts.event(
            &None,
            "Page.frameStartedNavigating",
            &start("historyDifferentDocument"),
        );
        facts.event(&None, "Page.frameStoppedLoading", &stop);
        assert_eq!(facts.going, Some(Going::Loaded));
        facts.event(
            &None,
            "Page.frameStartedNavigating",
            &start("differentDocument"),
        );
        facts.event(&None, "Page.frameStoppedLoading", &stop);
        assert_eq!(facts.going, None);
    }

    #[test]
    fn an_event_without_its_parameters_moves_nothing() {
        for method in [
            "Page.frameNavigated",
            "Page.navigatedWithinDocument",
            "Page.frameStartedNavigating",
            "Page.frameRequestedNavigation",
            "Page.frameStoppedLoading",
        ] {
            for params in [json!(null), json!([]), json!({"frame": null}), json!(1)] {
                let mut facts = page();
                assert_eq!(facts.event(&None, method, &params), News::None, "{method}");
                assert_eq!(facts.url, "http://a/#x", "{method}");
                assert_eq!((facts.commits, facts.moves, facts.going), (0, 0, None));
            }
        }
    }

    #[test]
    fn a_child_frame_moves_nothing() {
        let mut facts = page();
        let child = json!({"frame": {"id": "C", "parentId": "F", "url": "http://c/"}});
        assert_eq!(
            facts.event(&None, "Page.frameNavigated", &child),
            News::None
        );
        facts.event(
            &None,
            "Page.frameStartedNavigating",
            &json!({"frameId": "C", "navigationType": "differentDocument"}),
        );
        assert_eq!(
            (facts.url.as_str(), facts.going),
            ("http://a/#x", None::<Going>)
        );
    }
}
