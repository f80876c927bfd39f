//! What the tools tell of a page's past: of what was before its debugger came, or came again, and
//! of what another owner was told.

use super::*;

const HISTORY: &str = "historyDifferentDocument";

/// At a millisecond, as Chrome counts them; also what it tells again.
fn says(chrome: &mut Chrome, at: u64, words: &str) {
    let said = json!({"type": "log", "timestamp": at,
        "args": [{"type": "string", "value": words}]});
    chrome.event("Runtime.consoleAPICalled", said);
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
    chrome.serve();
}

fn finish_snapshot(chrome: &mut Chrome) {
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

#[test]
fn what_a_page_said_before_the_debugger_came_is_not_told_and_that_is_said() {
    let mut chrome = Chrome::attached();
    says(&mut chrome, 900, "old");
    says(&mut chrome, 1_001, "new");
    let (lines, notes) = console(&mut chrome);
    assert_eq!(lines, ["new"]);
    assert!(notes.len() == 1 && notes[0].contains("reload"), "{notes:?}");
    assert_eq!(console(&mut chrome), (vec![], vec![]));
}

#[test]
fn what_was_said_before_the_debugger_came_is_told_where_the_tab_was_made_for_its_owner() {
    let mut chrome = Chrome::new();
    chrome.pages.handle_own_past(TAB);
    evaluate(&mut chrome);
    chrome.serve();
    says(&mut chrome, 900, "from the start");
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert!(chrome.result().1);
    assert_eq!(
        console(&mut chrome),
        (vec!["from the start".to_owned()], vec![])
    );
    // For the next owner it is a tab like any other.
    chrome.pages.clear(TAB, chrome.now);
    chrome.serve();
    chrome.told();
    evaluate(&mut chrome);
    chrome.serve();
    says(&mut chrome, 900, "from the start");
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert!(chrome.result().1);
    assert!(console(&mut chrome).0.is_empty());
}

#[test]
fn a_debugger_that_comes_back_brings_no_line_twice_and_those_between() {
    let mut chrome = Chrome::attached();
    says(&mut chrome, 1_001, "a");
    lose_debugger(&mut chrome);
    says(&mut chrome, 1_001, "a");
    says(&mut chrome, 1_002, "between");
    finish_snapshot(&mut chrome);
    let told = vec!["a".to_owned(), "between".to_owned()];
    assert_eq!(console(&mut chrome), (told, vec![]));
}

#[test]
fn a_page_that_comes_back_out_of_the_history_says_nothing_again() {
    let mut chrome = Chrome::attached();
    says(&mut chrome, 1_001, "a");
    assert_eq!(console(&mut chrome).0, ["a"]);
    chrome.commit("L2", "http://b.test/");
    let start = json!({"frameId": "F", "navigationType": HISTORY});
    chrome.event("Page.frameStartedNavigating", start);
    says(&mut chrome, 1_001, "a");
    let back = json!({"type": "BackForwardCacheRestore",
        "frame": {"id": "F", "loaderId": "L1", "url": PAGE}});
    chrome.event("Page.frameNavigated", back);
    says(&mut chrome, 1_001, "a");
    says(&mut chrome, 1_005, "b");
    assert_eq!(console(&mut chrome), (vec!["b".to_owned()], vec![]));
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
