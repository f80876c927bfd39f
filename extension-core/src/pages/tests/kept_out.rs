//! Another extension's frame in the page: Chrome refuses whatever the debugger is asked, `detach`
//! too, and the debugger stays where it is, untold.

use super::*;

const KEPT_OUT: &str = "Cannot access a chrome-extension:// URL of different extension";
const CLEARED: PageEvent = PageEvent::Cleared { tab: TAB };
const DIALOG_CLOSED: PageEvent = PageEvent::DialogClosed { tab: TAB };

/// The debugger was let in; the frame is there before it can enable anything.
fn kept_out_of_a_new_attachment() -> Chrome {
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    let tab = chrome.tab.clone();
    chrome.answer("get", tab);
    chrome.answer("attach", Value::Null);
    chrome.refuse("Inspector.enable", KEPT_OUT);
    assert_eq!(
        chrome.fault(),
        (Fault::PageBlockedByExtension { tab: TAB }, true)
    );
    chrome
}

/// The frame comes to a page where the debugger was at work.
fn kept_out_of_an_old_attachment() -> Chrome {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    let tab = chrome.tab.clone();
    chrome.answer("get", tab.clone());
    chrome.refuse("Runtime.evaluate", KEPT_OUT);
    chrome.pass(1);
    chrome.answer("get", tab);
    let (fault, settled) = chrome.fault();
    assert!(matches!(fault, Fault::OutcomeUnknown { .. }), "{fault:?}");
    assert!(settled);
    chrome
}

/// Its owner went while the frame was there: the tab is free, the debugger still on it.
fn let_go_under_the_frame() -> Chrome {
    let mut chrome = kept_out_of_a_new_attachment();
    clear(&mut chrome);
    chrome.refuse("Page.handleJavaScriptDialog", KEPT_OUT);
    chrome.refuse("detach", KEPT_OUT);
    assert_eq!(chrome.told(), [CLEARED]);
    chrome
}

fn clear(chrome: &mut Chrome) {
    chrome.pages.clear(TAB, chrome.now);
    chrome.drain();
}

fn commit_told_by_the_browser(chrome: &mut Chrome) {
    chrome.pages.handle_committed(TAB, PAGE, chrome.now);
    chrome.drain();
}

fn nothing_is_left(chrome: &Chrome) {
    assert!(chrome.pages.is_empty(), "{:?}", chrome.pages);
    assert_eq!(chrome.pages.poll_timeout(), None);
}

#[test]
fn a_debugger_that_was_let_in_and_kept_from_everything_goes_with_its_owner() {
    for mut chrome in [
        kept_out_of_a_new_attachment(),
        kept_out_of_an_old_attachment(),
    ] {
        clear(&mut chrome);
        assert_eq!(chrome.told(), [], "before Chrome was asked");
        // A dialog that nobody was told of must not be open when the debugger goes.
        let dismissed = chrome.asked("Page.handleJavaScriptDialog");
        assert!(dismissed < chrome.asked("detach"));
        chrome.answer("detach", Value::Null);
        assert_eq!(chrome.told(), [CLEARED]);
        nothing_is_left(&chrome);
    }
}

#[test]
fn a_debugger_that_was_thrown_off_after_all_is_not_detached() {
    let mut chrome = kept_out_of_a_new_attachment();
    let other = DetachReason::Other;
    chrome.pages.handle_detached(TAB, other, chrome.now);
    chrome.drain();
    clear(&mut chrome);
    assert!(chrome.asks.is_empty(), "{:?}", chrome.asks);
    assert_eq!(chrome.told(), [CLEARED]);
    nothing_is_left(&chrome);
}

#[test]
fn an_owner_does_not_wait_until_a_refused_detach_succeeds_with_the_next_page() {
    let mut chrome = let_go_under_the_frame();
    assert!(!chrome.is_asked("detach"));
    commit_told_by_the_browser(&mut chrome);
    chrome.answer("detach", Value::Null);
    assert_eq!(chrome.told(), []);
    nothing_is_left(&chrome);
}

#[test]
fn a_debugger_at_rest_that_may_not_be_detached_is_told_to_go_again() {
    let mut chrome = Chrome::attached();
    clear(&mut chrome);
    chrome.refuse("detach", KEPT_OUT);
    assert_eq!(chrome.told(), [CLEARED]);
    chrome.pass(2);
    chrome.refuse("detach", KEPT_OUT);
    chrome.pass(2);
    chrome.refuse("detach", "Debugger is not attached to the tab with id: 7.");
    nothing_is_left(&chrome);
}

#[test]
fn a_detach_that_is_not_answered_is_asked_again() {
    let mut chrome = Chrome::attached();
    clear(&mut chrome);
    chrome.asks.clear();
    chrome.pass(5);
    assert_eq!(chrome.told(), [CLEARED]);
    chrome.pass(2);
    chrome.answer("detach", Value::Null);
    nothing_is_left(&chrome);
}

#[test]
fn a_frame_that_stays_is_given_up_after_five_minutes() {
    let mut chrome = let_go_under_the_frame();
    for _ in 1..149 {
        chrome.pass(2);
        chrome.refuse("detach", KEPT_OUT);
    }
    // The last try is never answered.
    chrome.pass(2);
    let last = chrome.asked("detach");
    assert!(!chrome.pages.is_empty());
    chrome.pass(2);
    assert_eq!(chrome.asked("detach"), last);
    nothing_is_left(&chrome);
}

#[test]
fn the_debugger_that_the_next_owner_finds_there_is_its_own() {
    let mut chrome = let_go_under_the_frame();
    evaluate(&mut chrome);
    // The time of the next try comes while its call is on the way.
    chrome.pass(2);
    let tab = chrome.tab.clone();
    chrome.answer("get", tab);
    chrome.refuse(
        "attach",
        "Another debugger is already attached to the tab with id: 7.",
    );
    chrome.in_order();
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert!(chrome.answered().0.is_ok());
    chrome.asks.clear();
    chrome.pass(4);
    commit_told_by_the_browser(&mut chrome);
    assert!(chrome.asks.is_empty(), "{:?}", chrome.asks);
    assert_eq!(chrome.pages.poll_timeout(), None);
}

#[test]
fn the_debugger_that_the_next_owner_cannot_reach_goes_with_that_owner() {
    let mut chrome = let_go_under_the_frame();
    for _ in 0..145 {
        chrome.pass(2);
        chrome.refuse("detach", KEPT_OUT);
    }
    evaluate(&mut chrome);
    let tab = chrome.tab.clone();
    chrome.answer("get", tab);
    chrome.refuse("attach", KEPT_OUT);
    assert!(chrome.fault().1);
    chrome.pass(60);
    clear(&mut chrome);
    chrome.answer("detach", Value::Null);
    assert_eq!(chrome.told(), [CLEARED]);
    nothing_is_left(&chrome);
}

#[test]
fn what_the_page_told_one_owner_is_not_told_to_the_next_while_the_debugger_stays() {
    let mut chrome = Chrome::attached();
    let said =
        json!({"type": "log", "timestamp": 1, "args": [{"type": "string", "value": "secret"}]});
    chrome.event("Runtime.consoleAPICalled", said);
    clear(&mut chrome);
    chrome.refuse("detach", KEPT_OUT);
    assert_eq!(chrome.told(), [CLEARED]);
    chrome.begin("browser_console_messages", json!({}));
    chrome.serve();
    let told = format!("{:?}", chrome.result());
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn an_attach_that_is_answered_too_late_is_undone() {
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    let tab = chrome.tab.clone();
    chrome.answer("get", tab);
    chrome.pass(5);
    assert!(chrome.fault().1);
    chrome.answer("attach", Value::Null);
    clear(&mut chrome);
    chrome.answer("detach", Value::Null);
    assert_eq!(chrome.told(), [CLEARED]);
    nothing_is_left(&chrome);
}

#[test]
fn a_dialog_is_over_for_its_owner_when_the_debugger_is_kept_out() {
    let mut chrome = Chrome::new();
    chrome.deaf.insert("Network.enable");
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.serve();
    chrome.dialog();
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::DialogOpen);
    chrome.refuse("Network.enable", KEPT_OUT);
    // The call was answered with the dialog: nothing leads the tab away for it any more.
    assert!(chrome.asks.is_empty(), "{:?}", chrome.asks);
    assert_eq!(chrome.told(), [DIALOG_CLOSED]);
}

#[test]
fn a_tab_that_closes_takes_its_leftover_debugger_along() {
    let mut chrome = let_go_under_the_frame();
    chrome.pages.handle_closed(TAB, chrome.now);
    chrome.drain();
    assert_eq!(chrome.told(), []);
    nothing_is_left(&chrome);
}
