//! A tab comes back from the worker's former life: with a dialog, in mid-call, or with nothing that
//! anybody knows of.

use super::*;
use crate::presses::Presses;
use protocol::ErrorCode;
use protocol::command::{Button, Dialog};

const LEFT: Presses = Presses::Button(Button::Left);
const CLOSED: PageEvent = PageEvent::DialogClosed { tab: TAB };
const CLEARED: PageEvent = PageEvent::Cleared { tab: TAB };

/// Calls may come; the page answers, or not yet.
fn mended(drained: bool) -> PageEvent {
    PageEvent::Mended { tab: TAB, drained }
}

fn confirm() -> Option<Dialog> {
    Some(Dialog {
        kind: "confirm".into(),
        message: "Delete?".into(),
        default_text: String::new(),
    })
}

/// The debugger is on the tab, and whatever needs the page is not answered.
fn reborn(presses: Presses, dialog: Option<Dialog>) -> Chrome {
    let mut chrome = Chrome::new();
    chrome.deaf.insert("Input.dispatchMouseEvent");
    chrome.deaf.insert("Input.dispatchKeyEvent");
    chrome.adopt(Former { presses, dialog });
    chrome.pages.wait_for_mend(TAB, chrome.now);
    chrome.serve();
    chrome
}

fn wait(chrome: &mut Chrome, millis: u64) {
    chrome.now = chrome.now + Duration::from_millis(millis);
    chrome.pages.handle_timeout(chrome.now);
    chrome.serve();
}

fn handle(chrome: &mut Chrome, accept: bool) {
    let handle = HandleDialog {
        accept,
        prompt_text: None,
    };
    let (call, open, now) = (CallId(2), chrome.pages.open_dialog(TAB), chrome.now);
    chrome.pages.handle_dialog(call, TAB, &handle, open, now);
    chrome.drain();
}

fn refused_by_a_dialog(chrome: &mut Chrome) -> String {
    evaluate(chrome);
    let (fault, settled) = chrome.fault();
    assert!(settled);
    let Fault::DialogOpen { message, .. } = fault else {
        panic!("{fault:?}");
    };
    message
}

#[test]
fn a_picture_that_was_being_cast_is_stopped_and_the_page_asked_before_anything_else() {
    let mut chrome = Chrome::new();
    chrome.deaf.insert("Page.stopScreencast");
    chrome.deaf.insert("Inspector.enable");
    chrome.adopt(Former::default());
    assert_eq!(chrome.asks.len(), 3, "{:?}", chrome.asks);
    let stopped = chrome.asked("Page.stopScreencast");
    let looked = chrome.asked("Inspector.enable");
    let asked = chrome.asked("Runtime.evaluate");
    assert!(stopped < looked && looked < asked);
    chrome.answer("Runtime.evaluate", number(1));
    chrome.answer("Page.stopScreencast", json!({}));
    assert_eq!(chrome.asks.len(), 1, "{:?}", chrome.asks);
    chrome.answer("Inspector.enable", json!({}));
    assert!(chrome.is_asked("Target.setAutoAttach"));
}

#[test]
fn the_button_that_a_call_pressed_goes_up_and_no_other() {
    for (pressed, name) in [
        (None, None),
        (Some(Button::Left), Some("left")),
        (Some(Button::Right), Some("right")),
        (Some(Button::Middle), Some("middle")),
    ] {
        let chrome = reborn(pressed.map_or(Presses::Nothing, Presses::Button), None);
        let mouse = chrome.all("Input.dispatchMouseEvent");
        let buttons: Vec<_> = mouse.iter().map(|one| one["button"].as_str()).collect();
        assert_eq!(buttons, Vec::from_iter(name.map(Some)));
        for one in mouse {
            assert!(
                one["type"] == "mouseReleased" && one["modifiers"] == 0,
                "{one}"
            );
        }
        for request in chrome.requests("Input.dispatchMouseEvent") {
            assert!(request < chrome.asked("Runtime.evaluate"));
        }
        assert!(!chrome.is_asked("Input.dispatchKeyEvent"));
    }
}

/// A page in which the worker died while a call pressed these keys, and which tells how many are down.
fn with_keys_down(keys: &str, told: &Value) -> Chrome {
    let mut chrome = reborn(Presses::Keys(keys.into()), None);
    assert!(!chrome.is_asked("Input.dispatchMouseEvent"));
    assert!(
        !chrome.is_asked("Input.dispatchKeyEvent"),
        "before it tells"
    );
    chrome.answer_first("Runtime.evaluate", json!({"result": {"value": told}}));
    chrome
}

#[test]
fn of_the_keys_that_a_call_pressed_those_go_up_that_are_down() {
    let all = [("Enter", 10), ("Shift", 2), ("Control", 0)];
    for down in 0..4 {
        let told = json!({"down": down, "mac": false});
        let chrome = with_keys_down("Control+Shift+Enter", &told);
        let keys = chrome.all("Input.dispatchKeyEvent");
        assert!(keys.iter().all(|one| one["type"] == "keyUp"), "{keys:?}");
        let ups: Vec<_> = keys
            .iter()
            .map(|one| {
                (
                    one["key"].as_str().unwrap(),
                    one["modifiers"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(ups, all[all.len().saturating_sub(down)..]);
    }
}

#[test]
fn where_more_keys_are_down_than_the_call_pressed_none_goes_up() {
    let chrome = with_keys_down("Control+Enter", &json!({"down": 3, "mac": false}));
    assert!(!chrome.is_asked("Input.dispatchKeyEvent"));
}

#[test]
fn a_page_that_does_not_tell_which_keys_are_down_hears_of_none() {
    for told in [json!(null), json!({"down": -1}), json!({"down": "2"})] {
        let chrome = with_keys_down("Enter", &told);
        assert!(!chrome.is_asked("Input.dispatchKeyEvent"), "{told}");
    }
}

#[test]
fn on_a_mac_the_command_key_goes_up() {
    let told = json!({"down": 1, "mac": true});
    let chrome = with_keys_down("ControlOrMeta+a", &told);
    assert_eq!(chrome.params("Input.dispatchKeyEvent")["key"], "Meta");
}

#[test]
fn no_call_acts_before_the_keys_are_up() {
    let mut chrome = with_keys_down("Enter", &json!({"down": 1}));
    evaluate(&mut chrome);
    chrome.answer("Runtime.evaluate", number(1));
    assert!(chrome.told().is_empty() && !chrome.is_asked("Runtime.enable"));
    chrome.deaf.clear();
    chrome.serve();
    assert_eq!(chrome.told(), [mended(true)]);
    assert!(chrome.is_asked("Runtime.evaluate"), "the call");
}

#[test]
fn what_a_call_pressed_goes_up_when_a_debugger_that_is_gone_comes_again() {
    const GONE: &str = "Debugger is not attached to the tab with id: 7.";
    for presses in [Presses::Nothing, LEFT, Presses::Keys("Enter".into())] {
        let mut chrome = reborn(presses.clone(), None);
        chrome.refuse_all(GONE);
        assert_eq!(chrome.told(), [mended(true)]);
        for first in [true, false] {
            chrome.deaf.insert("Target.setAutoAttach");
            evaluate(&mut chrome);
            chrome.serve();
            if first && let Presses::Keys(_) = presses {
                let told = json!({"down": 1});
                chrome.answer("Runtime.evaluate", json!({"result": {"value": told}}));
            }
            let up = |method| usize::from(chrome.is_asked(method));
            let (mouse, keys) = match presses {
                Presses::Nothing => (0, 0),
                Presses::Button(_) => (1, 0),
                Presses::Keys(_) => (0, 1),
            };
            let times = usize::from(first);
            assert_eq!(up("Input.dispatchMouseEvent"), times * mouse);
            assert_eq!(up("Input.dispatchKeyEvent"), times * keys);
            chrome.deaf.remove("Target.setAutoAttach");
            chrome.serve();
            chrome.answer("Runtime.evaluate", number(7));
            chrome.serve();
            assert!(chrome.result().0.success);
            chrome
                .pages
                .handle_detached(TAB, DetachReason::Other, chrome.now);
            chrome.asks.clear();
        }
    }
}

#[test]
fn no_call_acts_before_the_input_of_the_former_life_has_come_to_the_page() {
    let mut chrome = reborn(LEFT, None);
    evaluate(&mut chrome);
    chrome.answer("Runtime.evaluate", number(1));
    assert!(chrome.told().is_empty() && !chrome.is_asked("Runtime.enable"));
    chrome.deaf.clear();
    chrome.serve();
    assert_eq!(chrome.told(), [mended(true)]);
    assert!(chrome.is_asked("Runtime.evaluate"), "the call");
}

#[test]
fn input_that_is_never_acknowledged_holds_a_page_that_answers_for_no_more_than_200_ms() {
    let mut chrome = reborn(LEFT, None);
    chrome.answer("Runtime.evaluate", number(1));
    wait(&mut chrome, 199);
    assert!(chrome.told().is_empty());
    wait(&mut chrome, 1);
    assert_eq!(chrome.told(), [mended(true)]);
}

#[test]
fn a_page_that_is_busy_lets_calls_come_and_wait_until_it_answers() {
    let mut chrome = reborn(LEFT, None);
    wait(&mut chrome, 200);
    assert_eq!(chrome.told(), [mended(false)]);
    evaluate(&mut chrome);
    chrome.pass(5);
    assert!(chrome.told().is_empty() && !chrome.is_asked("Runtime.enable"));
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert_eq!(chrome.told(), [mended(true)]);
    chrome.answer("Runtime.evaluate", number(7));
    chrome.serve();
    assert_eq!(chrome.result().0.value, Some(json!(7)));
}

#[test]
fn a_recorded_dialog_is_open_until_the_page_answers() {
    let mut chrome = reborn(Presses::Nothing, confirm());
    wait(&mut chrome, 200);
    assert_eq!(chrome.told(), [mended(false)]);
    chrome.pass(60);
    assert_eq!(refused_by_a_dialog(&mut chrome), "Delete?");
    assert!(
        !chrome.is_asked("Page.handleJavaScriptDialog"),
        "nobody did"
    );
    handle(&mut chrome, true);
    assert_eq!(chrome.params("Page.handleJavaScriptDialog")["accept"], true);
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    let told = chrome.told();
    assert!(matches!(told[..], [PageEvent::Answer { .. }, CLOSED]));
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert_eq!(chrome.told(), [mended(true)]);
    evaluate(&mut chrome);
    assert!(chrome.is_asked("Runtime.evaluate"));
}

#[test]
fn a_recorded_dialog_that_somebody_closed_meanwhile_stops_nobody() {
    let mut chrome = reborn(Presses::Nothing, confirm());
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert_eq!(chrome.told(), [CLOSED, mended(true)]);
}

#[test]
fn a_dialog_that_opens_behind_the_pages_answer_is_not_taken_for_the_recorded_one() {
    let mut chrome = reborn(Presses::Nothing, confirm());
    // Told before the answer, which left the page before it opened.
    chrome.dialog();
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert!(!chrome.told().contains(&CLOSED));
    assert_eq!(refused_by_a_dialog(&mut chrome), "hi");
}

#[test]
fn a_dialog_that_opened_while_no_worker_lived_is_told() {
    let mut chrome = reborn(Presses::Nothing, None);
    evaluate(&mut chrome);
    chrome.dialog();
    let told = chrome.told();
    assert!(matches!(
        told[..],
        [
            PageEvent::DialogOpened { .. },
            PageEvent::Answer { .. },
            PageEvent::Settled { .. }
        ]
    ));
    assert_eq!(refused_by_a_dialog(&mut chrome), "hi");
}

#[test]
fn of_a_dialog_that_nobody_was_told_of_the_caller_learns_what_may_be_and_answers_it() {
    let mut chrome = reborn(Presses::Nothing, None);
    wait(&mut chrome, 200);
    chrome.told();
    evaluate(&mut chrome);
    chrome.pass(10);
    let (fault, settled) = chrome.fault();
    assert!(settled && fault.code() == ErrorCode::Timeout);
    let said = format!("{fault:?}");
    assert!(said.contains("browser_handle_dialog"), "{said}");
    chrome.pass(600);
    assert!(
        !chrome.is_asked("Page.handleJavaScriptDialog"),
        "nobody did"
    );
    assert!(!chrome.is_asked("detach"));
    handle(&mut chrome, true);
    assert_eq!(chrome.params("Page.handleJavaScriptDialog")["accept"], true);
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    assert!(chrome.result().0.success);
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert_eq!(chrome.told(), [mended(true)]);
}

#[test]
fn a_page_that_is_only_busy_shows_no_dialog_to_whoever_asks() {
    let mut chrome = reborn(Presses::Nothing, None);
    handle(&mut chrome, true);
    chrome.refuse("Page.handleJavaScriptDialog", "No dialog is showing");
    assert_eq!(
        chrome.fault().0,
        Fault::BadArguments {
            what: "No dialog is open in this tab.".into()
        }
    );
}

#[test]
fn a_navigation_of_the_former_life_that_holds_the_page_back_is_stopped_after_ten_seconds() {
    let mut chrome = reborn(LEFT, None);
    chrome.deaf.insert("Page.stopLoading");
    evaluate(&mut chrome);
    chrome.pass(1);
    assert_eq!(chrome.told(), [mended(false)]);
    chrome.pass(10);
    assert_eq!(chrome.fault().0.code(), ErrorCode::Timeout);
    assert!(chrome.is_asked("Page.stopLoading"));
}

#[test]
fn a_call_that_was_cancelled_stops_nothing_that_the_page_still_loads() {
    let mut chrome = reborn(LEFT, None);
    wait(&mut chrome, 200);
    evaluate(&mut chrome);
    chrome.pass(1);
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.pass(60);
    assert!(!chrome.is_asked("Page.stopLoading"));
}

#[test]
fn an_owner_that_goes_dismisses_the_recorded_dialog_before_the_debugger_goes() {
    let mut chrome = reborn(LEFT, confirm());
    chrome.pages.clear(TAB, chrome.now);
    chrome.serve();
    assert_eq!(
        chrome.params("Page.handleJavaScriptDialog")["accept"],
        false
    );
    assert!(!chrome.is_asked("detach"));
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    assert!(!chrome.is_asked("detach"), "before the page has answered");
    chrome.answer("Runtime.evaluate", number(1));
    chrome.deaf.clear();
    chrome.serve();
    assert_eq!(chrome.told(), [CLOSED, mended(true), CLEARED]);
}

#[test]
fn an_owner_that_goes_from_a_silent_page_first_dismisses_what_may_be_open() {
    let mut chrome = reborn(Presses::Nothing, None);
    chrome.deaf.insert("attach");
    chrome.pages.clear(TAB, chrome.now);
    chrome.serve();
    assert!(
        !chrome.is_asked("Page.handleJavaScriptDialog"),
        "it may be quick"
    );
    wait(&mut chrome, 200);
    assert_eq!(
        chrome.params("Page.handleJavaScriptDialog")["accept"],
        false
    );
    assert!(!chrome.is_asked("detach"));
    // There was one: the page goes on, and is drained.
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    assert!(!chrome.is_asked("detach"));
    chrome.answer("Runtime.evaluate", number(1));
    assert!(chrome.is_asked("detach"));
}

#[test]
fn an_owner_that_goes_from_a_busy_page_does_not_wait_for_it() {
    for answers in [true, false] {
        let mut chrome = reborn(Presses::Nothing, None);
        chrome.deaf.insert("attach");
        chrome.pages.clear(TAB, chrome.now);
        wait(&mut chrome, 200);
        if answers {
            chrome.refuse("Page.handleJavaScriptDialog", "No dialog is showing");
        } else {
            wait(&mut chrome, 1_999);
            assert!(!chrome.is_asked("detach"));
            wait(&mut chrome, 1);
        }
        assert!(chrome.is_asked("detach"));
    }
}

#[test]
fn a_page_that_opens_one_dialog_after_another_has_each_dismissed_before_the_debugger_goes() {
    let mut chrome = reborn(Presses::Nothing, confirm());
    chrome.deaf.insert("attach");
    chrome.pages.clear(TAB, chrome.now);
    chrome.drain();
    for _ in 0..3 {
        chrome.answer("Page.handleJavaScriptDialog", json!({}));
        wait(&mut chrome, 100);
        chrome.dialog();
        assert!(!chrome.is_asked("detach"));
    }
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    chrome.answer("Runtime.evaluate", number(1));
    assert!(chrome.is_asked("detach"));
}

#[test]
fn a_page_that_opens_dialogs_for_ever_keeps_nobody_longer_than_two_seconds() {
    let mut chrome = reborn(Presses::Nothing, confirm());
    chrome.deaf.insert("attach");
    chrome.pages.clear(TAB, chrome.now);
    chrome.drain();
    let asked = chrome.now;
    loop {
        chrome.answer("Page.handleJavaScriptDialog", json!({}));
        if chrome.is_asked("detach") {
            break;
        }
        assert!(chrome.now < asked + Duration::from_secs(3), "for ever");
        wait(&mut chrome, 150);
        chrome.dialog();
        assert!(!chrome.is_asked("detach"), "under a dialog");
    }
    assert!(chrome.now >= asked + Duration::from_secs(2));
}

#[test]
fn the_debugger_leaves_a_tab_that_is_nobodys_and_a_dialog_there_to_the_person() {
    let mut chrome = Chrome::new();
    chrome.deaf.insert("attach");
    chrome.pages.let_go(TAB, chrome.now);
    chrome.serve();
    chrome.pass(600);
    assert!(!chrome.is_asked("Page.handleJavaScriptDialog") && !chrome.is_asked("detach"));
    chrome.answer("Runtime.evaluate", number(1));
    assert!(chrome.is_asked("detach"));
    chrome.answer("detach", Value::Null);
    assert!(chrome.pages.is_empty() && chrome.told().is_empty());
}

#[test]
fn a_debugger_of_somebody_elses_on_a_tab_that_is_nobodys_is_left_alone() {
    let mut chrome = Chrome::new();
    chrome.pages.let_go(TAB, chrome.now);
    chrome.drain();
    chrome.refuse_all("Debugger is not attached to the tab with id: 7.");
    assert!(chrome.pages.is_empty() && chrome.asks.is_empty());
}

#[test]
fn a_tab_that_was_being_let_go_keeps_its_debugger_for_whoever_gets_it() {
    let mut chrome = Chrome::new();
    chrome.pages.let_go(TAB, chrome.now);
    chrome.serve();
    evaluate(&mut chrome);
    chrome.in_order();
    assert!(!chrome.is_asked("detach") && chrome.is_asked("Runtime.evaluate"));
}

#[test]
fn a_page_that_crashed_while_no_worker_lived_says_so_to_the_next_call() {
    let mut chrome = reborn(LEFT, confirm());
    chrome.deaf.insert("attach");
    chrome.event("Inspector.targetCrashed", json!({}));
    assert_eq!(chrome.told(), [CLOSED, mended(true)]);
    chrome.answer("detach", Value::Null);
    chrome.deaf.clear();
    evaluate(&mut chrome);
    chrome.deaf.insert("Target.setAutoAttach");
    chrome.serve();
    chrome.event("Inspector.targetCrashed", json!({}));
    chrome.serve();
    assert_eq!(chrome.fault(), (Fault::PageCrashed { tab: TAB }, true));
}

#[test]
fn a_debugger_that_was_thrown_off_meanwhile_leaves_no_dialog_and_nothing_to_mend() {
    let mut chrome = reborn(Presses::Nothing, confirm());
    chrome.refuse_all("Debugger is not attached to the tab with id: 7.");
    assert_eq!(chrome.told(), [CLOSED, mended(true)]);
    assert!(chrome.pages.is_empty());
    assert_eq!(chrome.pages.poll_timeout(), None);
}

#[test]
fn a_debugger_that_is_thrown_off_while_its_tab_is_mended_takes_no_call_along() {
    let mut chrome = reborn(LEFT, None);
    evaluate(&mut chrome);
    let reason = DetachReason::Other;
    chrome.pages.handle_detached(TAB, reason, chrome.now);
    chrome.serve();
    assert_eq!(chrome.told(), [mended(true)]);
    assert!(chrome.is_asked("Runtime.evaluate"), "attached again");
}

#[test]
fn a_frame_of_another_extension_that_came_meanwhile_keeps_the_debugger_out() {
    let mut chrome = reborn(LEFT, None);
    evaluate(&mut chrome);
    chrome.refuse(
        "Runtime.evaluate",
        "Cannot access a chrome-extension:// URL of different extension",
    );
    let told = chrome.told();
    assert!(told.contains(&mended(true)), "{told:?}");
    chrome.told = told;
    let blocked = Fault::PageBlockedByExtension { tab: TAB };
    assert_eq!(chrome.fault(), (blocked, true));
}
