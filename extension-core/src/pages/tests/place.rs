//! Where the page is, which Chrome looks up while a call acts.

use super::*;

fn tab(title: &str) -> Value {
    json!({"url": PAGE, "title": title})
}

fn title(chrome: &mut Chrome) -> String {
    chrome.result().0.title.unwrap()
}

#[test]
fn chrome_looks_up_where_the_page_is_while_the_script_runs() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    assert!(chrome.asked("Runtime.evaluate") < chrome.asked("get"));
    chrome.answer("get", tab("A"));
    chrome.answer("Runtime.evaluate", number(1));
    assert!(chrome.asks.is_empty(), "{:?}", chrome.asks);
    let (result, settled) = chrome.result();
    assert_eq!(result.url.as_deref(), Some(PAGE));
    assert_eq!(result.title.as_deref(), Some("A"));
    assert!(settled);
}

#[test]
fn after_keys_chrome_looks_up_where_the_page_is_when_all_is_done() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_press_key", json!({"key": "a"}));
    chrome.deaf.insert("get");
    chrome.serve();
    chrome.answer("Page.captureScreenshot", json!({"data": "AA=="}));
    chrome.serve();
    assert!(!chrome.is_asked("get"), "{:?}", chrome.asks);
    chrome.answer("Runtime.evaluate", json!({"result": {}}));
    chrome.serve();
    chrome.answer("get", tab("at the end"));
    assert_eq!(title(&mut chrome), "at the end");
}

#[test]
fn what_chrome_told_of_the_tab_since_is_looked_up_again() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.answer("get", tab("before the script"));
    chrome.pages.handle_updated(TAB);
    chrome.answer("Runtime.evaluate", number(1));
    chrome.answer("get", tab("after it"));
    assert_eq!(title(&mut chrome), "after it");
}

#[test]
fn news_that_come_before_an_answer_that_was_late_make_it_old() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.answer("Runtime.evaluate", number(1));
    chrome.pages.handle_updated(TAB);
    chrome.answer("get", tab("before"));
    chrome.answer("get", tab("after"));
    assert_eq!(title(&mut chrome), "after");
}

#[test]
fn a_move_that_the_debugger_told_is_news_of_the_tab() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.answer("get", tab("before"));
    chrome.event(
        "Page.navigatedWithinDocument",
        json!({"frameId": "F", "url": "http://a.test/#x"}),
    );
    chrome.answer("Runtime.evaluate", number(1));
    chrome.answer("get", tab("after"));
    assert_eq!(title(&mut chrome), "after");
}

#[test]
fn after_a_long_call_the_place_is_looked_up_again() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.answer("get", tab("long ago"));
    chrome.pass(1);
    chrome.answer("Runtime.evaluate", number(1));
    chrome.answer("get", tab("now"));
    assert_eq!(title(&mut chrome), "now");
}

#[test]
fn a_look_that_chrome_refused_is_asked_once_more_and_then_the_tab_is_gone() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.refuse("get", "Tabs cannot be queried right now.");
    chrome.answer("Runtime.evaluate", number(1));
    chrome.refuse("get", "No tab with id: 7.");
    let url = Some(PAGE.to_owned());
    assert_eq!(chrome.fault(), (Fault::TabGone { tab: TAB, url }, true));
}

#[test]
fn no_turn_waits_for_a_look_whose_call_has_failed() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    let thrown = json!({"exceptionDetails": {"text": "Uncaught"}});
    chrome.answer("Runtime.evaluate", thrown);
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::PageError);
    assert!(settled);
    chrome.answer("get", tab("late"));
    assert_eq!(chrome.told(), []);
}
