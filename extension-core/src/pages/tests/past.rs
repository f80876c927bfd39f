//! What the tools tell of a page's past: of what was before its debugger came, or came again, and
//! of what another owner was told.

use super::*;
use crate::house::MARK;

const CHILD: &str = "S1";
const GRANDCHILD: &str = "S2";

fn line(at: u64, words: &str) -> Value {
    json!({"type": "log", "timestamp": at, "args": [{"type": "string", "value": words}]})
}

/// At a millisecond, as Chrome counts them; also what it tells again.
fn says(chrome: &mut Chrome, at: u64, words: &str) {
    chrome.event("Runtime.consoleAPICalled", line(at, words));
}

/// As [`says`], of what Chrome itself notes.
fn notes(chrome: &mut Chrome, at: u64, words: &str) {
    let entry = json!({"level": "error", "timestamp": at, "text": words});
    chrome.event("Log.entryAdded", json!({"entry": entry}));
}

/// An event of a child session.
fn told(chrome: &mut Chrome, session: &str, method: &str, params: Value) {
    let now = chrome.now;
    let pages = &mut chrome.pages;
    pages.handle_debugger(TAB, Some(session), method, &params, now);
    chrome.drain();
}

/// A frame that another process draws, at `parent`.
fn frame(chrome: &mut Chrome, parent: Option<&str>, session: &str) {
    let target = json!({"type": "iframe", "targetId": session, "url": "http://other.test/"});
    let params = json!({"sessionId": session, "targetInfo": target});
    match parent {
        Some(parent) => told(chrome, parent, "Target.attachedToTarget", params),
        None => chrome.event("Target.attachedToTarget", params),
    }
}

/// Lets a session be told to speak, as far as `method`, and says what it tells until its answer.
fn speaks_at(
    chrome: &mut Chrome,
    session: Option<&str>,
    method: &'static str,
    tell: impl FnOnce(&mut Chrome),
) {
    let due = |chrome: &Chrome| {
        let open = chrome.requests(method).into_iter();
        open.filter(|one| chrome.session_at(*one).as_deref() == session)
            .count()
    };
    chrome.deaf.insert(method);
    chrome.serve();
    assert_eq!(due(chrome), 1, "{method}");
    tell(chrome);
    chrome.answer_in(session, method, json!({}));
    chrome.deaf.remove(method);
}

/// A tab's first call with its owner; `tell` says what Chrome tells while it is told to speak.
fn claimed(tell: impl FnOnce(&mut Chrome)) -> Chrome {
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    speaks_at(&mut chrome, None, "Runtime.enable", tell);
    finish_evaluate(&mut chrome);
    chrome
}

fn finish_evaluate(chrome: &mut Chrome) {
    chrome.serve();
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert!(chrome.result().1);
}

/// Begins to go through the history.
fn goes_back(chrome: &mut Chrome) {
    let start = json!({"frameId": "F", "navigationType": "historyDifferentDocument"});
    chrome.event("Page.frameStartedNavigating", start);
}

fn comes_out_of_the_history(chrome: &mut Chrome) {
    let back = json!({"type": "BackForwardCacheRestore",
        "frame": {"id": "F", "loaderId": "L1", "url": PAGE}});
    chrome.event("Page.frameNavigated", back);
}

fn says_what_is_missing(notes: &[String]) -> bool {
    notes.len() == 1 && notes[0].contains("reload")
}

fn asks_for(chrome: &mut Chrome, id: &str, url: &str) {
    let request = json!({"requestId": id, "type": "Fetch",
        "request": {"method": "GET", "url": url}});
    chrome.event("Network.requestWillBeSent", request);
}

/// The lines that are told, and the notes with them.
fn console(chrome: &mut Chrome) -> (Vec<String>, Vec<String>) {
    chrome.begin("browser_console_messages", json!({}));
    chrome.serve();
    let result = chrome.result().0;
    let lines = result.console.unwrap().into_iter();
    (lines.map(|line| line.text).collect(), result.notes)
}

/// The addresses that are told, and the notes with them.
fn network(chrome: &mut Chrome) -> (Vec<String>, Vec<String>) {
    chrome.begin("browser_network_requests", json!({"static": true}));
    chrome.serve();
    let result = chrome.result().0;
    let requests = result.requests.unwrap().into_iter();
    (requests.map(|request| request.url).collect(), result.notes)
}

/// While a call runs that may simply be begun again.
fn lose_debugger(chrome: &mut Chrome) {
    chrome.begin("browser_snapshot", json!({}));
    chrome.asks.clear();
    let thrown_off = DetachReason::TargetClosed;
    chrome.pages.handle_detached(TAB, thrown_off, chrome.now);
    chrome.drain();
}

fn finish_snapshot(chrome: &mut Chrome) {
    chrome.serve();
    chrome.answer("DOMSnapshot.captureSnapshot", json!({}));
    chrome.serve();
    assert!(chrome.result().1);
}

#[test]
fn a_new_owner_is_told_nothing_of_before_even_where_chrome_still_owes_an_answer() {
    let mut chrome = Chrome::attached();
    says(&mut chrome, 1_001, "a secret");
    asks_for(&mut chrome, "1", "http://a.test/secret");
    evaluate(&mut chrome);
    chrome.asks.clear();
    let thrown_off = DetachReason::TargetClosed;
    chrome.pages.handle_detached(TAB, thrown_off, chrome.now);
    chrome.drain();
    // Where the tab is now; the answer comes after the change of owner.
    assert!(chrome.is_asked("get"));
    chrome.pages.clear(TAB, chrome.now);
    chrome.drain();
    assert!(chrome.told().contains(&PageEvent::Cleared { tab: TAB }));
    assert!(chrome.pages.is_empty());
    assert!(console(&mut chrome).0.is_empty());
    assert!(network(&mut chrome).0.is_empty());
}

/// Chrome's clock is the computer's, which somebody may have put back or forward since; ours was
/// at 1,000 when the owner came.
const CLOCKS: [u64; 3] = [10, 1_000, 5_000_000];

#[test]
fn what_a_page_said_before_its_owner_came_is_not_told_and_that_is_said_whatever_the_clocks() {
    for (before, after) in CLOCKS.into_iter().flat_map(|a| CLOCKS.map(|b| (a, b))) {
        let mut chrome = Chrome::new();
        evaluate(&mut chrome);
        let told_again = |chrome: &mut Chrome| says(chrome, before, "old");
        speaks_at(&mut chrome, None, "Runtime.enable", told_again);
        speaks_at(&mut chrome, None, "Log.enable", |chrome| {
            notes(chrome, before, "noted");
            says(chrome, after, "while Chrome tells its notes");
        });
        finish_evaluate(&mut chrome);
        says(&mut chrome, after, "new");
        notes(&mut chrome, after, "noted anew");
        let (lines, notes) = console(&mut chrome);
        let now = ["while Chrome tells its notes", "new", "noted anew"];
        assert_eq!(lines, now, "{before}, {after}");
        assert!(says_what_is_missing(&notes), "{notes:?}");
        assert_eq!(console(&mut chrome), (vec![], vec![]));
    }
}

#[test]
fn what_a_frame_said_before_its_owner_came_is_not_told_and_what_a_later_frame_says_is() {
    for at in CLOCKS {
        let mut chrome = claimed(|chrome| {
            frame(chrome, None, CHILD);
            // Slower than the tab itself: answered when that speaks already.
            chrome.deaf.insert("Runtime.disable");
        });
        chrome.deaf.remove("Runtime.disable");
        speaks_at(&mut chrome, Some(CHILD), "Target.setAutoAttach", |chrome| {
            frame(chrome, Some(CHILD), GRANDCHILD);
        });
        for session in [CHILD, GRANDCHILD] {
            speaks_at(&mut chrome, Some(session), "Runtime.enable", |chrome| {
                told(chrome, session, "Runtime.consoleAPICalled", line(at, "old"));
            });
            let new = line(at, session);
            told(&mut chrome, session, "Runtime.consoleAPICalled", new);
        }
        frame(&mut chrome, None, "S3");
        speaks_at(&mut chrome, Some("S3"), "Runtime.enable", |chrome| {
            let first = line(at, "a frame of the owner's time");
            told(chrome, "S3", "Runtime.consoleAPICalled", first);
        });
        chrome.serve();
        let (lines, notes) = console(&mut chrome);
        let owned = [CHILD, GRANDCHILD, "a frame of the owner's time"];
        assert_eq!(lines, owned, "at {at}");
        assert!(says_what_is_missing(&notes), "{notes:?}");
    }
}

#[test]
fn what_was_said_before_the_debugger_came_is_told_where_the_tab_was_made_for_its_owner() {
    let from_the_start = |chrome: &mut Chrome| {
        evaluate(chrome);
        let told_again = |chrome: &mut Chrome| says(chrome, 900, "from the start");
        speaks_at(chrome, None, "Runtime.enable", told_again);
        finish_evaluate(chrome);
        console(chrome)
    };
    let mut chrome = Chrome::new();
    chrome.pages.handle_own_past(TAB);
    let told = vec!["from the start".to_owned()];
    assert_eq!(from_the_start(&mut chrome), (told, vec![]));
    // For the next owner it is a tab like any other.
    chrome.pages.clear(TAB, chrome.now);
    chrome.serve();
    chrome.told();
    assert!(from_the_start(&mut chrome).0.is_empty());
}

#[test]
fn a_line_said_while_a_debugger_is_adopted_is_told_once_whoevers_the_past_is() {
    for own_past in [false, true] {
        let mut chrome = Chrome::new();
        if own_past {
            chrome.pages.handle_own_past(TAB);
        }
        chrome.deaf.insert("Runtime.disable");
        chrome.adopt(Former::default());
        chrome.in_order();
        chrome.deaf.clear();
        let meanwhile = |chrome: &mut Chrome| says(chrome, 1_001, "meanwhile");
        speaks_at(&mut chrome, None, "Runtime.disable", meanwhile);
        speaks_at(&mut chrome, None, "Runtime.enable", meanwhile);
        chrome.serve();
        assert_eq!(console(&mut chrome).0, ["meanwhile"]);
    }
}

#[test]
fn a_debugger_that_comes_back_brings_no_line_twice_and_those_between() {
    let mut chrome = claimed(|chrome| says(chrome, 900, "old"));
    says(&mut chrome, 1_001, "a");
    lose_debugger(&mut chrome);
    speaks_at(&mut chrome, None, "Runtime.enable", |chrome| {
        says(chrome, 900, "old");
        says(chrome, 1_001, "a");
        says(chrome, 1_002, "between");
    });
    finish_snapshot(&mut chrome);
    // The computer's clock is put back.
    says(&mut chrome, 10, "later");
    let (lines, notes) = console(&mut chrome);
    assert_eq!(lines, ["a", "between", "later"]);
    assert!(says_what_is_missing(&notes), "{notes:?}");
}

#[test]
fn what_a_former_debugger_still_tells_while_the_next_comes_is_nobodys() {
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    let tab = chrome.tab.clone();
    chrome.answer("get", tab);
    says(&mut chrome, 2_000, "old");
    chrome.dialog();
    assert_eq!(chrome.told(), []);
    finish_evaluate(&mut chrome);
    assert_eq!(console(&mut chrome), (vec![], vec![]));
}

#[test]
fn what_was_not_told_to_an_owner_is_not_told_when_its_debugger_comes_back() {
    for at in CLOCKS {
        let mut chrome = claimed(|chrome| says(chrome, at, "old"));
        lose_debugger(&mut chrome);
        let told_again = |chrome: &mut Chrome| says(chrome, at, "old");
        speaks_at(&mut chrome, None, "Runtime.enable", told_again);
        finish_snapshot(&mut chrome);
        let (lines, notes) = console(&mut chrome);
        assert!(lines.is_empty() && says_what_is_missing(&notes), "at {at}");
    }
}

#[test]
fn a_debugger_that_comes_back_before_all_frames_spoke_tells_nothing_of_before() {
    let mut chrome = claimed(|chrome| {
        frame(chrome, None, CHILD);
        chrome.deaf.insert("Runtime.disable");
    });
    chrome.deaf.remove("Runtime.disable");
    lose_debugger(&mut chrome);
    speaks_at(&mut chrome, None, "Runtime.enable", |chrome| {
        frame(chrome, None, CHILD);
    });
    speaks_at(&mut chrome, Some(CHILD), "Runtime.enable", |chrome| {
        told(
            chrome,
            CHILD,
            "Runtime.consoleAPICalled",
            line(2_000, "old"),
        );
    });
    let gone = json!({"sessionId": CHILD});
    chrome.event("Target.detachedFromTarget", gone);
    finish_snapshot(&mut chrome);
    let (lines, notes) = console(&mut chrome);
    assert!(lines.is_empty() && says_what_is_missing(&notes));
}

#[test]
fn a_debugger_that_comes_back_to_another_page_tells_nothing_of_before_its_owner() {
    let mut chrome = Chrome::attached();
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    // Its frame tree names another document: out of the history, for all that is known.
    lose_debugger(&mut chrome);
    speaks_at(&mut chrome, None, "Runtime.enable", |chrome| {
        says(chrome, 900, "old");
        says(chrome, 1_001, "new");
    });
    finish_snapshot(&mut chrome);
    let (lines, notes) = console(&mut chrome);
    assert_eq!(lines, ["new"]);
    assert!(says_what_is_missing(&notes), "{notes:?}");
}

#[test]
fn a_page_that_comes_back_out_of_the_history_says_nothing_again() {
    let mut chrome = Chrome::attached();
    says(&mut chrome, 1_001, "a");
    assert_eq!(console(&mut chrome).0, ["a"]);
    chrome.commit("L2", "http://b.test/");
    goes_back(&mut chrome);
    says(&mut chrome, 1_001, "a");
    comes_out_of_the_history(&mut chrome);
    says(&mut chrome, 1_001, "a");
    says(&mut chrome, 1_005, "b");
    assert_eq!(console(&mut chrome), (vec!["b".to_owned()], vec![]));
}

#[test]
fn that_a_page_out_of_the_history_spoke_before_its_owner_came_is_said() {
    let mut chrome = Chrome::attached();
    chrome.commit("L2", "http://b.test/");
    goes_back(&mut chrome);
    says(&mut chrome, 900, "old");
    comes_out_of_the_history(&mut chrome);
    let (lines, notes) = console(&mut chrome);
    assert!(lines.is_empty() && says_what_is_missing(&notes));
}

#[test]
fn time_counts_only_while_a_page_out_of_the_history_is_shown() {
    let mut chrome = Chrome::attached();
    says(&mut chrome, 1_001, "a");
    chrome.commit("L2", "http://b.test/");
    says(&mut chrome, 10, "the clock was put back");
    goes_back(&mut chrome);
    comes_out_of_the_history(&mut chrome);
    chrome.commit("L3", "http://c.test/");
    says(&mut chrome, 11, "and stays so");
    let told = ["a", "the clock was put back", "and stays so"].map(str::to_owned);
    assert_eq!(console(&mut chrome), (told.to_vec(), vec![]));
}

#[test]
fn requests_that_nobody_could_see_are_said_to_be_missing_until_the_page_is_loaded_anew() {
    let mut chrome = Chrome::attached();
    let partly = |(_, notes): (Vec<String>, Vec<String>)| {
        notes.iter().filter(|note| note.contains("reload")).count() == 1
    };
    assert!(partly(network(&mut chrome)), "the debugger came late");
    asks_for(&mut chrome, "L2", "http://b.test/");
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    assert_eq!(
        network(&mut chrome),
        (vec!["http://b.test/".into()], vec![])
    );
    chrome.commit("L3", "about:blank");
    chrome.load();
    assert_eq!(
        network(&mut chrome),
        (vec![], vec![]),
        "it asks for nothing"
    );
    chrome.commit("L4", "http://cached.test/");
    chrome.load();
    assert!(partly(network(&mut chrome)), "out of the history");
}

#[test]
fn of_a_fresh_blank_tab_no_request_is_missing_until_it_is_lost_from_sight() {
    let blank = format!("{MARK}4f");
    for (own_past, url) in [(true, &*blank), (false, &*blank), (true, "about:blank")] {
        let mut chrome = Chrome::new();
        chrome.tab["url"] = json!(url);
        if own_past {
            chrome.pages.handle_own_past(TAB);
        }
        let fresh = own_past && url == blank;
        let (_, notes) = network(&mut chrome);
        assert_eq!(!says_what_is_missing(&notes), fresh, "{own_past} {url}");
        lose_debugger(&mut chrome);
        finish_snapshot(&mut chrome);
        assert!(says_what_is_missing(&network(&mut chrome).1));
    }
}

#[test]
fn a_debugger_that_comes_back_to_the_same_page_knows_its_requests_and_says_that_some_may_miss() {
    let mut chrome = Chrome::attached();
    asks_for(&mut chrome, "1", "http://a.test/x");
    lose_debugger(&mut chrome);
    finish_snapshot(&mut chrome);
    let (requests, notes) = network(&mut chrome);
    assert_eq!(
        (requests.as_slice(), notes.len()),
        (&["http://a.test/x".into()][..], 1)
    );
}

#[test]
fn a_debugger_that_comes_back_to_another_page_tells_nothing_of_the_former_ones_requests() {
    let mut chrome = Chrome::attached();
    asks_for(&mut chrome, "L2", "http://b.test/");
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    // Its frame tree names another document.
    lose_debugger(&mut chrome);
    finish_snapshot(&mut chrome);
    assert!(network(&mut chrome).0.is_empty());
}

#[test]
fn an_answer_is_bounded_the_newest_come_first_and_the_rest_when_asked_again() {
    let mut chrome = Chrome::attached();
    for number in 0..100 {
        says(
            &mut chrome,
            2_000 + number,
            &format!("{number} {}", "x".repeat(1_000)),
        );
        let url = format!("http://a.test/{number}?{}", "x".repeat(900));
        asks_for(&mut chrome, &number.to_string(), &url);
    }
    let size = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
    let (lines, notes) = console(&mut chrome);
    assert!((40_000..60_000).contains(&size(&lines)), "{}", size(&lines));
    assert!(lines.last().unwrap().starts_with("99 "));
    let left = 100 - lines.len();
    assert!(notes[0].contains(&format!("{left} older")) && notes[0].contains("level"));
    let (rest, notes) = console(&mut chrome);
    assert_eq!((rest.len(), notes), (left, vec![]));
    assert!(rest[0].starts_with("0 "));

    let (requests, notes) = network(&mut chrome);
    assert!((40_000..60_000).contains(&size(&requests)));
    assert!(requests.last().unwrap().contains("/99?"));
    let left = 100 - requests.len();
    let cut = |note: &String| note.contains(&format!("{left} older")) && note.contains("filter");
    assert!(notes.iter().any(cut), "{notes:?}");
}
