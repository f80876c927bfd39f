//! What every error tells its receiver (`design/errors.md`): what happened, with the thing at hand,
//! and the next step: a tool to call, or what to ask of the person.

use protocol::error::{ErrorCode, Fault, Peer, Unpaired};
use protocol::{Alias, TabId};
use std::collections::BTreeSet;

/// One fault of each kind, what its message names, and what its advice names.
fn faults() -> Vec<(Fault, &'static str, &'static str)> {
    let owner = || Peer {
        alias: Alias("a7".into()),
        label: "other".into(),
    };
    let tab = TabId(5);
    let text = String::from;
    vec![
        (
            Fault::BadArguments {
                what: text("`wait` is 0 to 300"),
            },
            "`wait`",
            "argument",
        ),
        (Fault::SessionRequired, "session", "session"),
        (
            Fault::SessionUnknown {
                session: text("s9"),
            },
            "s9",
            "new session",
        ),
        (Fault::SessionEnded, "closed", "new session"),
        (
            Fault::NotConnected {
                seen: text("nothing has dialled"),
            },
            "nothing has dialled",
            "open Chrome",
        ),
        (
            Fault::NotPaired {
                extension: Unpaired::HasNoSecret,
            },
            "pairing.json",
            "interlock extension DIR --pair-only",
        ),
        (
            Fault::NotPaired {
                extension: Unpaired::HasAnotherSecret,
            },
            "do not share a secret",
            "interlock extension DIR --pair-only",
        ),
        (
            Fault::NotInDialect {
                what: "answering a dialog",
            },
            "answering a dialog",
            "Interlock's own extension",
        ),
        (
            Fault::SecretUnreadable {
                why: text("/s/secret: it does not hold 64 hex digits"),
            },
            "/s/secret",
            "interlock pair --rotate",
        ),
        (
            Fault::BrowserGone {
                browser: text("Work"),
                standbys: vec![],
            },
            "Work",
            "open that browser",
        ),
        (
            Fault::BrowserGone {
                browser: text("Work"),
                standbys: vec![text("Home")],
            },
            "Work",
            "Home",
        ),
        (
            Fault::BrowserGone {
                browser: text("Work"),
                standbys: vec![text("Home")],
            },
            "Work",
            "browser_session",
        ),
        (
            Fault::TabOwned {
                tab,
                owner: owner(),
            },
            "a7",
            "`wait`",
        ),
        (
            Fault::TabOwned {
                tab,
                owner: owner(),
            },
            "Tab 5",
            "a7",
        ),
        (
            Fault::ClaimTimeout {
                tab,
                owner: Some(owner()),
                position: 2,
                waited_s: 30,
            },
            "position 2",
            "`wait`",
        ),
        (
            Fault::ClaimTimeout {
                tab,
                owner: None,
                position: 1,
                waited_s: 30,
            },
            "30 s for tab 5",
            "browser_tabs",
        ),
        (
            Fault::Deadlock {
                tab,
                owner: owner(),
                held: TabId(6),
            },
            "a7",
            "Release tab 6",
        ),
        (Fault::TabOfPerson { tab }, "Tab 5", "popup"),
        (Fault::TabReturned { tab }, "Tab 5", "browser_tabs"),
        (Fault::TabTaken { tab }, "tab 5", "browser_tabs"),
        (Fault::TabReleased { tab }, "Tab 5", "browser_tabs"),
        (
            Fault::TabGone {
                tab,
                url: Some(text("http://a/")),
            },
            "http://a/",
            "browser_tabs",
        ),
        (
            Fault::TabGone { tab, url: None },
            "no tab 5",
            "browser_tabs",
        ),
        (Fault::NoTab, "no current tab", "browser_tabs"),
        (
            Fault::TabsLost {
                urls: vec![text("http://a/")],
            },
            "http://a/",
            "browser_tabs",
        ),
        (
            Fault::StoppedByUser,
            "user",
            "resumes in the Interlock popup",
        ),
        (
            Fault::UrlRefused {
                url: text("file:///x"),
            },
            "file:",
            "http, https",
        ),
        (
            Fault::NavigationFailed {
                url: text("http://a/"),
                error: text("net::ERR_X"),
            },
            "net::ERR_X",
            "address",
        ),
        (
            Fault::NoEarlierPage {
                url: text("http://a/"),
            },
            "http://a/",
            "browser_navigate",
        ),
        (
            Fault::StaleRef {
                target: text("e5_abcd"),
            },
            "e5_abcd",
            "browser_snapshot",
        ),
        (
            Fault::NotActionable {
                target: text("e5_abcd"),
                why: text("it is covered by this"),
                named: Some(text("<div>")),
            },
            "it is covered by this:\n<div>",
            "browser_snapshot",
        ),
        (
            Fault::DialogOpen {
                kind: text("alert"),
                message: text("Hi"),
            },
            "Hi",
            "browser_handle_dialog",
        ),
        (
            Fault::PageError {
                message: text("TypeError: x"),
            },
            "TypeError: x",
            "script",
        ),
        (Fault::PageCrashed { tab }, "tab 5", "reload"),
        (
            Fault::PageBlockedByExtension { tab },
            "tab 5",
            "Close that frame",
        ),
        (
            Fault::Timeout {
                after_s: 30,
                waiting_for: text("\"Done\" to appear"),
            },
            "\"Done\" to appear",
            "browser_wait_for",
        ),
        (
            Fault::Cancelled {
                may_still: Some(text("it may still load")),
            },
            "it may still load",
            "Nothing more",
        ),
        (
            Fault::OutcomeUnknown {
                url: Some(text("http://a/")),
                title: Some(text("A page")),
            },
            "http://a/ (\"A page\")",
            "browser_snapshot",
        ),
        (
            Fault::OutcomeUnknown {
                url: None,
                title: None,
            },
            "lost",
            "before doing it again",
        ),
        (
            Fault::ResultTooLarge {
                bytes: 12,
                limit: 10,
            },
            "12 bytes; 10",
            "a part of the value",
        ),
        (
            Fault::LimitReached {
                bound: "tabs of one session",
                limit: 100,
                frees: "Close one first",
            },
            "100 tabs of one session",
            "Close one first.",
        ),
        (
            Fault::Internal {
                what: text("it broke"),
            },
            "it broke",
            "fault of Interlock",
        ),
        (
            Fault::PolicyRefused {
                rule: "No gifts are taken",
                instead: "Keep it",
            },
            "No gifts are taken.",
            "Keep it.",
        ),
    ]
}

#[test]
fn every_error_names_the_thing_at_hand_and_the_next_step() {
    for (fault, happened, next) in faults() {
        let (message, advice) = (fault.message(), fault.advice());
        assert!(message.contains(happened), "{}: {message}", fault.code());
        assert!(advice.contains(next), "{}: {advice}", fault.code());
        assert!(advice.ends_with('.'), "a sentence: {advice}");
    }
}

#[test]
fn every_code_that_is_given_is_looked_at_here() {
    let seen: BTreeSet<ErrorCode> = faults().iter().map(|(fault, _, _)| fault.code()).collect();
    let unseen: Vec<_> = ErrorCode::ALL
        .iter()
        .filter(|code| !seen.contains(*code))
        .collect();
    assert_eq!(unseen, [] as [&ErrorCode; 0]);
}
