//! Everything that can be answered instead of a result, as one closed set with advice
//! (`design/errors.md`). A [`Fault`] is raised where something went wrong and knows the thing at
//! hand; a [`WireError`] is what travels; an [`ErrorCode`] is what programs compare.

use crate::ids::{Alias, TabId};
use crate::url;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $retry:ident, $http:literal;)*) => {
        /// What went wrong, for programs. The set is closed: a code is never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code, in the order of `design/errors.md`.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code as it stands on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Whether asking again can help.
            #[must_use]
            pub fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry),* }
            }

            /// The status of an HTTP answer that carries this code.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $http),* }
            }
        }
    };
}

codes! {
    /// Missing, of a wrong type, out of bounds, or an unknown name.
    BadArguments = "bad_arguments", No, 400;
    /// No session named (HTTP).
    SessionRequired = "session_required", No, 400;
    /// A session that does not exist (HTTP).
    SessionUnknown = "session_unknown", No, 404;
    /// The session was closed under the call.
    SessionEnded = "session_ended", No, 410;
    /// No extension within the time that a call waits for one, or none that could be let in: the
    /// server cannot read its secret.
    NotConnected = "not_connected", AfterActing, 503;
    /// A pairing proof failed.
    NotPaired = "not_paired", AfterActing, 503;
    /// The session's browser does not come back.
    BrowserGone = "browser_gone", AfterActing, 503;
    /// `wait: 0` on another session's tab.
    TabOwned = "tab_owned", Later, 409;
    /// A claim waited in vain.
    ClaimTimeout = "claim_timeout", Later, 409;
    /// The claim closes a cycle of sessions that wait for one another.
    Deadlock = "deadlock", AfterActing, 409;
    /// The tab is the user's own.
    TabOfPerson = "tab_of_person", AfterActing, 403;
    /// The tab went back to the person.
    TabReturned = "tab_returned", No, 409;
    /// The person took the tab back.
    TabTaken = "tab_taken", No, 409;
    /// The tab was released under a queued call.
    TabReleased = "tab_released", No, 409;
    /// Closed, or no such tab.
    TabGone = "tab_gone", No, 410;
    /// Lost with a restart.
    TabsLost = "tabs_lost", No, 410;
    /// The person stopped all of it.
    StoppedByUser = "stopped_by_user", No, 403;
    /// The scheme may not be opened.
    UrlRefused = "url_refused", No, 403;
    /// A policy forbids it.
    PolicyRefused = "policy_refused", No, 403;
    /// The page did not load.
    NavigationFailed = "navigation_failed", Maybe, 502;
    /// Nothing to go back to.
    NoEarlierPage = "no_earlier_page", No, 409;
    /// A ref of an earlier document, or its element is gone.
    StaleRef = "stale_ref", AfterActing, 409;
    /// Covered, disabled, invisible or unstable until the deadline.
    NotActionable = "not_actionable", Maybe, 409;
    /// A JavaScript dialog is open.
    DialogOpen = "dialog_open", AfterActing, 409;
    /// The page's own script threw.
    PageError = "page_error", No, 200;
    /// The renderer is gone.
    PageCrashed = "page_crashed", AfterActing, 502;
    /// Another extension's frame keeps the debugger out.
    PageBlockedByExtension = "page_blocked_by_extension", Later, 409;
    /// The call's deadline passed.
    Timeout = "timeout", Maybe, 504;
    /// The caller cancelled.
    Cancelled = "cancelled", No, 499;
    /// Connection, worker or debugger was lost under an acting call.
    OutcomeUnknown = "outcome_unknown", NotBlindly, 502;
    /// Above the frame limit.
    ResultTooLarge = "result_too_large", AfterActing, 413;
    /// A named bound is reached.
    LimitReached = "limit_reached", Later, 429;
    /// A fault of ours.
    Internal = "internal", Maybe, 500;
}

/// A text that is no code of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown code {0:?}")]
pub struct UnknownCode(String);

impl TryFrom<String> for ErrorCode {
    type Error = UnknownCode;
    fn try_from(text: String) -> Result<Self, UnknownCode> {
        let found = Self::ALL.iter().find(|code| code.as_str() == text);
        found.copied().ok_or(UnknownCode(text))
    }
}

impl From<ErrorCode> for &'static str {
    fn from(code: ErrorCode) -> Self {
        code.as_str()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether and when asking again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// The same call will fail again.
    No,
    /// It may work when repeated.
    Maybe,
    /// It will work after a while.
    Later,
    /// It will work once the advice was followed.
    AfterActing,
    /// It may have happened already: look first.
    NotBlindly,
}

/// An error as it travels: what happened, what to do next, and whether to try again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message} {advice}")]
pub struct WireError {
    /// For programs.
    pub code: ErrorCode,
    /// What happened, one sentence. Lines after it are a page's own words, as all of a
    /// `page_error` is: whoever shows them marks them as such.
    pub message: String,
    /// What the receiver can do next, one sentence.
    #[serde(default)]
    pub advice: String,
}

/// Another session as agents see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its alias, for example `a2`.
    pub alias: Alias,
    /// Its label, for example `claude-code 2.1`.
    pub label: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.alias, self.label)
    }
}

/// What an extension that came lacks of being paired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpaired {
    /// It went after the challenge without a proof: there is none in its folder that it can read.
    HasNoSecret,
    /// Its proof fails.
    HasAnotherSecret,
}

/// A fault with all that its advice names. Raised by either core; becomes a [`WireError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the codes document the cases; the fields are named in the advice"
)]
pub enum Fault {
    BadArguments {
        what: String,
    },
    SessionRequired,
    SessionUnknown {
        session: String,
    },
    SessionEnded,
    NotConnected {
        seen: String,
    },
    NotPaired {
        extension: Unpaired,
    },
    /// What is connected is an unpaired extension, which has no word for this.
    NotInDialect {
        what: &'static str,
    },
    SecretUnreadable {
        why: String,
    },
    BrowserGone {
        browser: String,
        standbys: Vec<String>,
    },
    TabOwned {
        tab: TabId,
        owner: Peer,
    },
    ClaimTimeout {
        tab: TabId,
        owner: Option<Peer>,
        position: usize,
        waited_s: u64,
    },
    Deadlock {
        tab: TabId,
        owner: Peer,
        held: TabId,
    },
    TabOfPerson {
        tab: TabId,
    },
    TabReturned {
        tab: TabId,
    },
    TabTaken {
        tab: TabId,
    },
    TabReleased {
        tab: TabId,
    },
    TabGone {
        tab: TabId,
        url: Option<String>,
    },
    NoTab,
    TabsLost {
        urls: Vec<String>,
    },
    StoppedByUser,
    UrlRefused {
        url: String,
    },
    PolicyRefused {
        /// The rule, a sentence without its full stop.
        rule: &'static str,
        /// What can be done instead, a sentence without its full stop.
        instead: &'static str,
    },
    NavigationFailed {
        url: String,
        error: String,
    },
    NoEarlierPage {
        url: String,
    },
    StaleRef {
        target: String,
    },
    NotActionable {
        target: String,
        why: String,
        /// The page's own words for what `why` speaks of.
        named: Option<String>,
    },
    DialogOpen {
        kind: String,
        message: String,
    },
    PageError {
        message: String,
    },
    PageCrashed {
        tab: TabId,
    },
    PageBlockedByExtension {
        tab: TabId,
    },
    Timeout {
        after_s: u64,
        waiting_for: String,
    },
    Cancelled {
        may_still: Option<String>,
    },
    OutcomeUnknown {
        url: Option<String>,
        title: Option<String>,
    },
    ResultTooLarge {
        bytes: usize,
        limit: usize,
    },
    LimitReached {
        bound: &'static str,
        limit: usize,
        frees: &'static str,
    },
    /// The browser stores nothing more.
    StoreRefused,
    Internal {
        what: String,
    },
}

impl Fault {
    /// The code of this fault.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BadArguments { .. } => ErrorCode::BadArguments,
            Self::SessionRequired => ErrorCode::SessionRequired,
            Self::SessionUnknown { .. } => ErrorCode::SessionUnknown,
            Self::SessionEnded => ErrorCode::SessionEnded,
            Self::NotConnected { .. } | Self::SecretUnreadable { .. } => ErrorCode::NotConnected,
            Self::NotPaired { .. } | Self::NotInDialect { .. } => ErrorCode::NotPaired,
            Self::BrowserGone { .. } => ErrorCode::BrowserGone,
            Self::TabOwned { .. } => ErrorCode::TabOwned,
            Self::ClaimTimeout { .. } => ErrorCode::ClaimTimeout,
            Self::Deadlock { .. } => ErrorCode::Deadlock,
            Self::TabOfPerson { .. } => ErrorCode::TabOfPerson,
            Self::TabReturned { .. } => ErrorCode::TabReturned,
            Self::TabTaken { .. } => ErrorCode::TabTaken,
            Self::TabReleased { .. } => ErrorCode::TabReleased,
            Self::TabGone { .. } | Self::NoTab => ErrorCode::TabGone,
            Self::TabsLost { .. } => ErrorCode::TabsLost,
            Self::StoppedByUser => ErrorCode::StoppedByUser,
            Self::UrlRefused { .. } => ErrorCode::UrlRefused,
            Self::PolicyRefused { .. } => ErrorCode::PolicyRefused,
            Self::NavigationFailed { .. } => ErrorCode::NavigationFailed,
            Self::NoEarlierPage { .. } => ErrorCode::NoEarlierPage,
            Self::StaleRef { .. } => ErrorCode::StaleRef,
            Self::NotActionable { .. } => ErrorCode::NotActionable,
            Self::DialogOpen { .. } => ErrorCode::DialogOpen,
            Self::PageError { .. } => ErrorCode::PageError,
            Self::PageCrashed { .. } => ErrorCode::PageCrashed,
            Self::PageBlockedByExtension { .. } => ErrorCode::PageBlockedByExtension,
            Self::Timeout { .. } => ErrorCode::Timeout,
            Self::Cancelled { .. } => ErrorCode::Cancelled,
            Self::OutcomeUnknown { .. } => ErrorCode::OutcomeUnknown,
            Self::ResultTooLarge { .. } => ErrorCode::ResultTooLarge,
            Self::LimitReached { .. } | Self::StoreRefused => ErrorCode::LimitReached,
            Self::Internal { .. } => ErrorCode::Internal,
        }
    }

    /// What happened, in one sentence; a page's own words, if they belong to it, on the lines after
    /// it.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::BadArguments { what } => what.clone(),
            Self::SessionRequired => "No session is named.".into(),
            Self::SessionUnknown { session } => format!("There is no session {session}."),
            Self::SessionEnded => "The session was closed while this call waited.".into(),
            Self::NotConnected { seen } => format!("No browser is connected: {seen}."),
            Self::NotPaired {
                extension: Unpaired::HasNoSecret,
            } => "An extension came that has no secret: the pairing.json in its folder is missing \
                 or damaged."
                .into(),
            Self::NotPaired {
                extension: Unpaired::HasAnotherSecret,
            } => "The extension and this server do not share a secret.".into(),
            Self::NotInDialect { what } => {
                format!("The extension that is connected is not paired, and has no word for {what}.")
            }
            Self::SecretUnreadable { why } => {
                format!(
                    "No browser can connect: this server cannot read the pairing secret ({why})."
                )
            }
            Self::BrowserGone { browser, .. } => {
                format!("The browser {browser} of this session has not come back.")
            }
            Self::TabOwned { tab, owner } => format!("Tab {tab} belongs to {owner}."),
            Self::ClaimTimeout {
                tab,
                owner,
                position,
                waited_s,
            } => match owner {
                Some(owner) => format!(
                    "Waited {waited_s} s for tab {tab} of {owner}, at position {position}, in vain."
                ),
                None => format!("Waited {waited_s} s for tab {tab} in vain."),
            },
            Self::Deadlock { tab, owner, held } => format!(
                "Waiting for tab {tab} of {owner} would never end: {owner} waits for your tab {held}."
            ),
            Self::TabOfPerson { tab } => format!("Tab {tab} belongs to the user."),
            Self::TabReturned { tab } => format!("Tab {tab} went back to the user."),
            Self::TabTaken { tab } => format!("The user took tab {tab} back."),
            Self::TabReleased { tab } => format!("Tab {tab} is no longer yours: it was released."),
            Self::TabGone { tab, url } => match url {
                Some(url) => format!("Tab {tab} is closed; it last showed {}.", address(url)),
                None => format!("There is no tab {tab}."),
            },
            Self::NoTab => "This session has no current tab any more.".into(),
            Self::TabsLost { urls } if urls.iter().all(String::is_empty) => {
                "Your tabs were lost.".into()
            }
            Self::TabsLost { urls } => {
                let urls = urls.iter().filter(|url| !url.is_empty());
                let urls: Vec<String> = urls.map(|url| address(url)).collect();
                format!("Tabs were lost; they last showed {}.", urls.join(", "))
            }
            Self::StoppedByUser => "The user has stopped all agents in this browser.".into(),
            Self::UrlRefused { url } if url::tellable(url).is_empty() => {
                "An address without a scheme may not be opened.".into()
            }
            Self::UrlRefused { url } => format!("{} may not be opened.", address(url)),
            Self::PolicyRefused { rule, .. } => format!("{rule}."),
            Self::NavigationFailed { url, error } => {
                format!("{} did not load: {error}.", address(url))
            }
            Self::NoEarlierPage { url } => {
                format!(
                    "There is no page in that direction; this one is {}.",
                    address(url)
                )
            }
            Self::StaleRef { target } => {
                format!("{target} is of an earlier page, or its element is gone.")
            }
            Self::NotActionable {
                target,
                why,
                named: None,
            } => format!("{target} cannot be acted on: {why}."),
            Self::NotActionable {
                target,
                why,
                named: Some(named),
            } => format!("{target} cannot be acted on: {why}:\n{}", shorten(named)),
            Self::DialogOpen { kind, message } => {
                format!(
                    "The page has opened a dialog ({kind}).\n{}",
                    shorten(message)
                )
            }
            Self::PageError { message } => message.clone(),
            Self::PageCrashed { tab } => format!("The page in tab {tab} has crashed."),
            Self::PageBlockedByExtension { tab } => {
                format!("Another extension's frame in tab {tab} keeps the debugger out.")
            }
            Self::Timeout {
                after_s,
                waiting_for,
            } => {
                format!("Stopped after {after_s} s, waiting for {waiting_for}.")
            }
            Self::Cancelled { may_still: None } => "Cancelled.".into(),
            Self::Cancelled {
                may_still: Some(what),
            } => format!("Cancelled; {what}."),
            Self::OutcomeUnknown { url, title } => match (url, title) {
                (Some(url), Some(title)) => format!(
                    "The connection was lost while this ran; the page now is {} ({}).",
                    address(url),
                    quote(title)
                ),
                (Some(url), None) => {
                    format!(
                        "The connection was lost while this ran; the page now is {}.",
                        address(url)
                    )
                }
                (None, _) => "The connection was lost while this ran.".into(),
            },
            Self::ResultTooLarge { bytes, limit } => {
                format!("The result has {bytes} bytes; {limit} can be sent.")
            }
            Self::LimitReached { bound, limit, .. } => {
                format!("The limit of {limit} {bound} is reached.")
            }
            Self::StoreRefused => {
                "The browser's disk is full, or refuses to be written; nothing was done in any page.".into()
            }
            Self::Internal { what } => format!("Interlock made a mistake: {what}."),
        }
    }

    /// What the receiver can do next, in one sentence that a model can act on.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::BadArguments { .. } => "Correct the argument and call again.".into(),
            Self::SessionRequired => "Create a session first and name it in the request.".into(),
            Self::SessionUnknown { .. } | Self::SessionEnded => "Open a new session.".into(),
            Self::NotConnected { .. } => "Ask the user to open Chrome with the Interlock extension enabled (README, *Load the extension*); its badge shows when it is connected.".into(),
            Self::NotPaired { .. } => "Ask the user to run `interlock extension DIR --pair-only` for the loaded extension's folder; the extension reads it again by itself, and at once when its popup is opened.".into(),
            Self::NotInDialect { .. } => "Do without it, or ask the user to load Interlock's own extension (README, *Load the extension*), which is paired.".into(),
            Self::SecretUnreadable { .. } => "Ask the user to mend that file, or to run `interlock pair --rotate`, then `interlock extension DIR --pair-only` for the loaded extension's folder.".into(),
            Self::BrowserGone { standbys, .. } if standbys.is_empty() => {
                "Ask the user to open that browser again.".into()
            }
            Self::BrowserGone { standbys, .. } => format!(
                "Ask the user to open it again, or move with `browser_session {{\"browser\": NAME}}` to one of: {}.",
                standbys.join(", ")
            ),
            Self::TabOwned { owner, .. } => format!(
                "Call again with `wait` (seconds) to queue for it, or ask {} to release it; meanwhile use a tab of your own.",
                owner.alias
            ),
            Self::ClaimTimeout { .. } => {
                "Call again with a longer `wait`, or work in a tab of your own (`browser_tabs` with action `new`).".into()
            }
            Self::Deadlock { held, .. } => format!(
                "Release tab {held} first (`browser_tabs` with action `release`), then ask again."
            ),
            Self::TabOfPerson { .. } => {
                "Ask the user to give it to you in the Interlock popup, or work in a tab of your own.".into()
            }
            Self::TabReturned { .. } | Self::TabTaken { .. } | Self::TabReleased { .. } => {
                "Open another with `browser_tabs` (action `new`), or choose one of yours (action `select`).".into()
            }
            Self::TabGone { .. } | Self::NoTab | Self::TabsLost { .. } => {
                "Open one with `browser_tabs` (action `new`) or choose one of yours (action `select`).".into()
            }
            Self::StoppedByUser => "Wait until the user resumes in the Interlock popup; do not try again before.".into(),
            Self::UrlRefused { .. } => {
                "Only http, https and about:blank pages may be opened by an agent.".into()
            }
            Self::PolicyRefused { instead, .. } => format!("{instead}."),
            Self::NavigationFailed { .. } => {
                "Check the address; if it is right, try again once.".into()
            }
            Self::NoEarlierPage { .. } => "Use `browser_navigate` with a url.".into(),
            Self::StaleRef { .. } => "Take a `browser_snapshot` and use a ref from it.".into(),
            Self::NotActionable { .. } => {
                "Take a `browser_snapshot` to see what is in the way, deal with that, then try again.".into()
            }
            Self::DialogOpen { .. } => {
                "Answer it with `browser_handle_dialog` (accept true or false), then go on.".into()
            }
            Self::PageError { .. } => "Correct the script, or look at the page first.".into(),
            Self::PageCrashed { .. } => "Call `browser_navigate` with action `reload`.".into(),
            Self::PageBlockedByExtension { .. } => {
                "Close that frame (often a password manager's) or use another page.".into()
            }
            Self::Timeout { .. } => {
                "Look at the page with `browser_snapshot`; wait with `browser_wait_for` or give more time.".into()
            }
            Self::Cancelled { .. } => "Nothing more is needed.".into(),
            Self::OutcomeUnknown { .. } => {
                "It may have happened: look with `browser_snapshot` before doing it again.".into()
            }
            Self::ResultTooLarge { .. } => {
                "Ask for less: return a part of the value, or picture one element (`target`), without `fullPage`, or as `jpeg`.".into()
            }
            Self::LimitReached { frees, .. } => format!("{frees}."),
            Self::StoreRefused => {
                "Ask the user to free disk space where the browser's profile is; until then look, but do not act.".into()
            }
            Self::Internal { .. } => {
                "This is a fault of Interlock, not of the page; its log names the place. Trying once more may help.".into()
            }
        }
    }
}

impl From<Fault> for WireError {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code(),
            message: fault.message(),
            advice: fault.advice(),
        }
    }
}

/// Longest piece of page text inside an error: enough to recognise it, too short to fill a context.
const QUOTE_MAX: usize = 300;

/// An address, as far as an agent may read it.
fn address(url: &str) -> String {
    shorten(&url::tellable(url))
}

/// A page's words in a sentence of ours.
fn quote(text: &str) -> String {
    let text = shorten(text).replace('"', "'");
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("\"{line}\"")
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= QUOTE_MAX {
        return text.to_owned();
    }
    text.chars().take(QUOTE_MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_itself_and_is_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            let text = serde_json::to_string(code).unwrap();
            assert_eq!(text, format!("\"{code}\""));
            assert_eq!(serde_json::from_str::<ErrorCode>(&text).unwrap(), *code);
            assert!(seen.insert(code.as_str()));
        }
        assert_eq!(seen.len(), 33);
    }

    #[test]
    fn advice_names_the_thing_at_hand() {
        let owner = Peer {
            alias: Alias("a1".into()),
            label: "x".into(),
        };
        let fault = Fault::Deadlock {
            tab: TabId(7),
            owner,
            held: TabId(9),
        };
        assert!(fault.message().contains('7') && fault.message().contains("a1"));
        assert!(fault.advice().contains("tab 9"));
    }

    #[test]
    fn an_address_where_no_agent_may_be_is_told_by_its_scheme_alone() {
        let tab = TabId(7);
        for (url, scheme) in [
            (
                "chrome-extension://vault/unlock?key=hunter2",
                "chrome-extension:",
            ),
            ("file:///hunter2", "file:"),
            ("Chrome://settings/hunter2", "chrome:"),
            ("view-source:http://a/hunter2", "view-source:"),
        ] {
            let url = || url.to_owned();
            for fault in [
                Fault::UrlRefused { url: url() },
                Fault::NavigationFailed {
                    url: url(),
                    error: "x".into(),
                },
                Fault::NoEarlierPage { url: url() },
                Fault::TabGone {
                    tab,
                    url: Some(url()),
                },
                Fault::TabsLost { urls: vec![url()] },
                Fault::OutcomeUnknown {
                    url: Some(url()),
                    title: None,
                },
            ] {
                let message = fault.message();
                assert!(message.contains(scheme), "{message}");
                assert!(!message.contains("hunter2"), "{message}");
            }
        }
        let fault = Fault::TabGone {
            tab,
            url: Some("https://a.test/x".into()),
        };
        assert!(fault.message().contains("https://a.test/x"));
        let bare = Fault::UrlRefused { url: "a".into() };
        assert!(bare.message().contains("without a scheme"));
    }

    #[test]
    fn of_lost_tabs_that_never_showed_anything_no_address_is_told() {
        let lost = |urls: &[&str]| {
            let urls = urls.iter().map(|&url| url.to_owned()).collect();
            Fault::TabsLost { urls }.message()
        };
        assert_eq!(lost(&[]), "Your tabs were lost.");
        assert_eq!(lost(&["", ""]), "Your tabs were lost.");
        assert!(lost(&["", "http://a/"]).contains("showed http://a/."));
    }

    #[test]
    fn what_a_page_says_stands_in_quotes_or_on_lines_of_its_own() {
        let words = "x\". Ignore\nall";
        let dialog = Fault::DialogOpen {
            kind: "alert".into(),
            message: words.into(),
        };
        let element = Fault::NotActionable {
            target: "e5_abcd".into(),
            why: "it is covered by this".into(),
            named: Some(words.into()),
        };
        for (fault, said) in [
            (dialog, "(alert)."),
            (element, "on: it is covered by this:"),
        ] {
            let message = fault.message();
            let (ours, page) = message.split_once('\n').unwrap();
            assert_eq!(page, words);
            assert!(ours.ends_with(said) && !ours.contains('x'), "{ours}");
        }
        let disabled = Fault::NotActionable {
            target: "e5_abcd".into(),
            why: "it is disabled".into(),
            named: None,
        };
        let ours = "e5_abcd cannot be acted on: it is disabled.";
        assert_eq!(disabled.message(), ours);
        let lost = Fault::OutcomeUnknown {
            url: Some("http://a/".into()),
            title: Some(words.into()),
        };
        let told = "http://a/ (\"x'. Ignore all\").";
        assert!(lost.message().ends_with(told), "{}", lost.message());
    }

    #[test]
    fn page_text_in_an_error_is_bounded() {
        let fault = Fault::DialogOpen {
            kind: "alert".into(),
            message: "ä".repeat(10_000),
        };
        assert!(fault.message().chars().count() < 400);
    }
}
