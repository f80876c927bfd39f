//! The pages against a scripted Chrome: it answers when told, out of order, or never.

mod acting;
mod frames;
mod kept_out;
mod mend;
mod past;
mod place;
mod rig;
mod tools;

use super::*;
use rig::*;
use serde_json::json;

#[test]
fn the_first_call_attaches_and_enables_one_step_after_another() {
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    let answer = chrome.tab.clone();
    chrome.answer("get", answer);
    chrome.answer("attach", Value::Null);
    for (method, answer) in [
        ("Inspector.enable", json!({})),
        ("Target.setAutoAttach", json!({})),
        ("Runtime.disable", json!({})),
        ("Page.enable", json!({})),
        (
            "Page.getFrameTree",
            json!({"frameTree": {"frame": {"id": "F", "loaderId": "L", "url": PAGE}}}),
        ),
        ("Target.setAutoAttach", json!({})),
        ("Runtime.enable", json!({})),
        ("Log.enable", json!({})),
        ("Network.enable", json!({})),
        ("Emulation.setFocusEmulationEnabled", json!({})),
    ] {
        assert_eq!(chrome.asks.len(), 1, "{method}");
        chrome.answer(method, answer);
    }
    chrome.answer("Runtime.evaluate", number(5));
    chrome.serve();
    let (result, settled) = chrome.result();
    assert_eq!(result.value, Some(json!(5)));
    assert_eq!(result.url.as_deref(), Some(PAGE));
    assert_eq!(result.title.as_deref(), Some("A"));
    assert!(settled);
    assert_eq!(chrome.pages.poll_timeout(), None);
}

#[test]
fn an_attachment_of_the_workers_former_life_is_adopted() {
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    let answer = chrome.tab.clone();
    chrome.answer("get", answer);
    chrome.refuse(
        "attach",
        "Another debugger is already attached to the tab with id: 7.",
    );
    chrome.in_order();
    assert!(chrome.is_asked("Runtime.evaluate"));
}

#[test]
fn a_tab_that_is_not_attached_any_more_is_not_attached_by_adopting_it() {
    let mut chrome = Chrome::new();
    chrome.adopt(Former::default());
    chrome.refuse_all("Debugger is not attached to the tab with id: 7.");
    assert!(chrome.asks.is_empty() && chrome.told().is_empty());
    assert!(chrome.pages.tabs.is_empty());
    // Nor does a call that came meanwhile suffer for it.
    chrome.adopt(Former::default());
    evaluate(&mut chrome);
    chrome.refuse_all("Debugger is not attached to the tab with id: 7.");
    chrome.serve();
    assert!(chrome.is_asked("Runtime.evaluate"));
}

#[test]
fn a_frame_of_another_extension_keeps_the_debugger_out() {
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    let answer = chrome.tab.clone();
    chrome.answer("get", answer);
    chrome.refuse(
        "attach",
        "Cannot access a chrome-extension:// URL of different extension",
    );
    assert_eq!(
        chrome.fault(),
        (Fault::PageBlockedByExtension { tab: TAB }, true)
    );
}

#[test]
fn a_frame_of_another_extension_may_come_while_the_debugger_does() {
    const KEPT_OUT: &str = "Cannot access a chrome-extension:// URL of different extension";
    let mut chrome = Chrome::new();
    evaluate(&mut chrome);
    let tab = chrome.tab.clone();
    chrome.answer("get", tab.clone());
    chrome.answer("attach", Value::Null);
    chrome.refuse("Inspector.enable", KEPT_OUT);
    let blocked = Fault::PageBlockedByExtension { tab: TAB };
    assert_eq!(chrome.fault(), (blocked.clone(), true));
    // It goes, and the debugger is still there; it comes again, and nobody says that it is off.
    chrome.begin("browser_console_messages", json!({}));
    chrome.answer("get", tab.clone());
    chrome.refuse("attach", "Another debugger is already attached to the tab");
    chrome.in_order();
    assert!(chrome.answered().0.is_ok());
    chrome.begin("browser_snapshot", json!({}));
    chrome.answer("get", tab.clone());
    chrome.refuse("DOMSnapshot.captureSnapshot", KEPT_OUT);
    chrome.pass(1);
    chrome.answer("get", tab);
    chrome.refuse("attach", KEPT_OUT);
    assert_eq!(chrome.fault(), (blocked, true));
}

#[test]
fn a_navigation_leads_away_from_where_another_extension_keeps_the_debugger_out() {
    let mut chrome = Chrome::new();
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    let tab = chrome.tab.clone();
    chrome.answer("get", tab);
    chrome.refuse(
        "attach",
        "Cannot access a chrome-extension:// URL of different extension",
    );
    chrome.answer("go", Value::Null);
    chrome.tab = json!({"url": "about:blank"});
    chrome
        .pages
        .handle_committed(TAB, "about:blank", chrome.now);
    chrome.serve();
    assert_eq!(chrome.params("Page.navigate")["url"], "http://b.test/");
}

#[test]
fn nothing_is_attached_where_no_agent_may_be() {
    let mut chrome = Chrome::new();
    chrome.tab = json!({"url": "chrome://settings/", "title": "Settings"});
    evaluate(&mut chrome);
    chrome.serve();
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::UrlRefused);
    assert!(settled && chrome.asks.is_empty());
}

#[test]
fn a_navigation_leads_away_from_where_no_debugger_may_go() {
    let mut chrome = Chrome::new();
    chrome.tab = json!({"url": "chrome://newtab/"});
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.serve();
    chrome.answer("go", Value::Null);
    assert!(chrome.asks.is_empty());
    chrome.tab = json!({"url": "about:blank"});
    chrome
        .pages
        .handle_committed(TAB, "about:blank", chrome.now);
    chrome.serve();
    assert_eq!(chrome.params("Page.navigate")["url"], "http://b.test/");
}

#[test]
fn an_agents_navigation_is_not_taken_for_one_that_a_person_typed() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    assert_eq!(chrome.params("Page.navigate")["transitionType"], "link");
}

#[test]
fn a_navigation_waits_for_its_commit_and_its_load_event() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.answer("Page.navigate", json!({"frameId": "F", "loaderId": "L2"}));
    assert!(chrome.told().is_empty());
    chrome.commit("L2", "http://b.test/");
    chrome.serve();
    assert!(chrome.told().is_empty());
    chrome.load();
    chrome.serve();
    let (result, settled) = chrome.result();
    assert_eq!(result.url.as_deref(), Some("http://b.test/"));
    assert!(settled && result.notes.is_empty());
}

#[test]
fn a_commit_that_overtakes_its_commands_result_is_not_missed() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    chrome.answer("Page.navigate", json!({"frameId": "F", "loaderId": "L2"}));
    chrome.serve();
    assert!(chrome.result().1);
}

#[test]
fn a_page_that_never_finishes_loading_is_answered_with_a_note() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.answer("Page.navigate", json!({"frameId": "F", "loaderId": "L2"}));
    chrome.commit("L2", "http://b.test/");
    chrome.pass(10);
    chrome.serve();
    let (result, settled) = chrome.result();
    assert_eq!((result.notes.len(), settled), (1, true));
}

#[test]
fn a_failed_navigation_names_the_net_error() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.answer(
        "Page.navigate",
        json!({"loaderId": "L2", "errorText": "net::ERR_CONNECTION_REFUSED"}),
    );
    chrome.commit("L2", "chrome-error://chromewebdata/");
    let (fault, settled) = chrome.fault();
    assert_eq!(
        fault,
        Fault::NavigationFailed {
            url: "http://b.test/".into(),
            error: "net::ERR_CONNECTION_REFUSED".into()
        }
    );
    assert!(settled);
}

#[test]
fn going_back_onto_the_mark_of_a_made_tab_is_no_earlier_page() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate_back", json!({}));
    chrome.answer(
        "Page.getNavigationHistory",
        json!({"currentIndex": 1, "entries": [
            {"id": 1, "url": "about:blank#il-4f"}, {"id": 2, "url": PAGE}]}),
    );
    assert_eq!(
        chrome.fault(),
        (Fault::NoEarlierPage { url: PAGE.into() }, true)
    );
}

#[test]
fn a_forbidden_entry_of_the_history_is_told_by_its_scheme_alone() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate_back", json!({}));
    chrome.answer(
        "Page.getNavigationHistory",
        json!({"currentIndex": 1, "entries": [
            {"id": 1, "url": "chrome-extension://vault/unlock?key=hunter2"}, {"id": 2}]}),
    );
    let (fault, settled) = chrome.fault();
    assert!(settled && !chrome.is_asked("Page.navigateToHistoryEntry"));
    let error = protocol::WireError::from(fault);
    assert_eq!(error.code, protocol::ErrorCode::UrlRefused);
    assert!(error.message.contains("chrome-extension:"), "{error}");
    assert!(!error.message.contains("vault"), "{error}");
}

#[test]
fn going_back_out_of_the_cache_settles_though_no_load_event_comes() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate_back", json!({}));
    chrome.answer(
        "Page.getNavigationHistory",
        json!({"currentIndex": 1, "entries": [{"id": 1, "url": "http://z.test/"}, {"id": 2}]}),
    );
    assert_eq!(chrome.params("Page.navigateToHistoryEntry")["entryId"], 1);
    chrome.answer("Page.navigateToHistoryEntry", json!({}));
    chrome.event(
        "Page.frameNavigated",
        json!({"type": "BackForwardCacheRestore",
            "frame": {"id": "F", "loaderId": "L0", "url": "http://z.test/"}}),
    );
    chrome.serve();
    assert!(chrome.result().1);
}

#[test]
fn a_call_that_a_machine_slept_in_has_as_long_afterwards_as_it_had_left() {
    for asleep in [23, 34, 3_600] {
        let mut chrome = Chrome::attached();
        chrome.begin("browser_evaluate", json!({"function": "() => 1"}));
        chrome.pass(10);
        chrome.sleep(asleep);
        chrome.pass(19);
        assert!(chrome.told().is_empty(), "{asleep} s");
        chrome.pass(1);
        let after_s = 30;
        let waiting_for = "the script".into();
        let timeout = Fault::Timeout {
            after_s,
            waiting_for,
        };
        assert_eq!(chrome.fault().0, timeout);
    }
}

#[test]
fn a_call_past_its_deadline_stops_its_navigation_and_settles_when_chrome_has() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.pass(30);
    let (fault, settled) = chrome.fault();
    assert_eq!(
        fault,
        Fault::Timeout {
            after_s: 30,
            waiting_for: "the page to answer".into()
        }
    );
    assert!(!settled);
    chrome.answer("Page.stopLoading", json!({}));
    assert!(chrome.told().is_empty());
    chrome.answer("Page.navigate", json!({"errorText": "net::ERR_ABORTED"}));
    assert!(chrome.settled());
}

#[test]
fn a_command_that_does_not_settle_in_two_seconds_is_left_by_detaching() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Page.navigate");
    chrome.begin("browser_navigate", json!({"url": "http://b.test/"}));
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.serve();
    chrome.pass(1);
    assert!(chrome.told().is_empty() && !chrome.is_asked("detach"));
    chrome.pass(1);
    assert!(chrome.told().is_empty());
    chrome.answer("detach", Value::Null);
    assert!(chrome.settled());
}

#[test]
fn a_cancelled_script_keeps_its_turn_until_the_page_answers_again() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    let script = chrome.asked("Runtime.evaluate");
    chrome.asks.remove(&script);
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.drain();
    chrome.pass(4);
    assert!(chrome.told().is_empty());
    assert_eq!(chrome.params("Runtime.evaluate")["expression"], "0");
    chrome.answer("Runtime.evaluate", number(0));
    assert!(chrome.settled());
    // What the promise brought is polite.
    chrome.pages.handle_done(script, Ok(number(1)), chrome.now);
    chrome.drain();
    assert!(chrome.told().is_empty() && !chrome.is_asked("detach"));
}

#[test]
fn a_dialog_answers_its_call_at_once_and_keeps_the_turn_until_it_is_closed() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.dialog();
    let told = chrome.told();
    assert!(matches!(told[0], PageEvent::DialogOpened { tab: TAB, .. }));
    chrome.told = told;
    let (result, settled) = chrome.result();
    assert_eq!(result.dialog.unwrap().message, "hi");
    assert!(!settled);
    // Not even its deadline ends it.
    chrome.pass(60);
    assert!(chrome.told().is_empty());
    let handle = HandleDialog {
        accept: true,
        prompt_text: None,
    };
    let (call, open) = (CallId(2), chrome.pages.open_dialog(TAB));
    chrome
        .pages
        .handle_dialog(call, TAB, &handle, open, chrome.now);
    chrome.drain();
    assert_eq!(chrome.params("Page.handleJavaScriptDialog")["accept"], true);
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    let told = chrome.told();
    assert!(
        matches!(
            told[..],
            [
                PageEvent::Answer {
                    call: CallId(2),
                    ..
                },
                PageEvent::DialogClosed { .. }
            ]
        ),
        "{told:?}"
    );
    chrome.event("Page.javascriptDialogClosed", json!({}));
    let scripts: Vec<u64> = chrome.asks.keys().copied().collect();
    for script in scripts {
        chrome.pages.handle_done(script, Ok(number(1)), chrome.now);
    }
    chrome.drain();
    assert!(chrome.settled());
}

#[test]
fn a_dialog_that_opens_while_another_is_being_closed_stays_open() {
    let mut chrome = Chrome::attached();
    chrome.dialog();
    let handle = HandleDialog {
        accept: true,
        prompt_text: None,
    };
    let (call, open) = (CallId(2), chrome.pages.open_dialog(TAB));
    chrome
        .pages
        .handle_dialog(call, TAB, &handle, open, chrome.now);
    chrome.drain();
    chrome.event("Page.javascriptDialogClosed", json!({}));
    chrome.dialog();
    chrome.told();
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    let told = chrome.told();
    assert!(
        matches!(told[..], [PageEvent::Answer { .. }]),
        "only the caller hears: {told:?}"
    );
    evaluate(&mut chrome);
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::DialogOpen);
}

#[test]
fn the_debugger_is_never_detached_while_a_dialog_is_open() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    let script = chrome.asked("Runtime.evaluate");
    chrome.asks.remove(&script);
    chrome.dialog();
    chrome.pages.clear(TAB, chrome.now);
    chrome.drain();
    chrome.pass(30);
    assert!(!chrome.is_asked("detach"));
    assert_eq!(
        chrome.params("Page.handleJavaScriptDialog")["accept"],
        false
    );
    chrome.answer("Page.handleJavaScriptDialog", json!({}));
    chrome.answer("Runtime.evaluate", number(0));
    chrome.told();
    chrome.answer("detach", Value::Null);
    assert_eq!(chrome.told(), [PageEvent::Cleared { tab: TAB }]);
}

#[test]
fn clearing_a_tab_without_a_debugger_says_so_at_once() {
    let mut chrome = Chrome::new();
    chrome.pages.clear(TAB, chrome.now);
    chrome.drain();
    assert_eq!(chrome.told(), [PageEvent::Cleared { tab: TAB }]);
    assert!(chrome.asks.is_empty());
}

#[test]
fn a_reading_call_attaches_again_once_and_an_acting_one_says_that_its_outcome_is_unknown() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.asks.clear();
    chrome
        .pages
        .handle_detached(TAB, DetachReason::TargetClosed, chrome.now);
    chrome.serve();
    assert_eq!(
        chrome.fault(),
        (
            Fault::OutcomeUnknown {
                url: Some(PAGE.into()),
                title: Some("A".into())
            },
            true
        )
    );
    chrome.begin("browser_wait_for", json!({"time": 9}));
    chrome.serve();
    for _ in 0..2 {
        assert!(chrome.told().is_empty());
        chrome
            .pages
            .handle_detached(TAB, DetachReason::TargetClosed, chrome.now);
        chrome.serve();
    }
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::OutcomeUnknown);
}

#[test]
fn a_tab_that_closes_under_its_call_is_gone() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.pages.handle_closed(TAB, chrome.now);
    chrome.drain();
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::TabGone);
    assert!(settled && chrome.pages.poll_timeout().is_none());
    assert!(chrome.pages.tabs.is_empty() && chrome.pages.out.homes.is_empty());
}

#[test]
fn cancel_on_the_debugging_bar_stops_the_call() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome
        .pages
        .handle_detached(TAB, DetachReason::CanceledByUser, chrome.now);
    chrome.drain();
    assert!(chrome.told.contains(&PageEvent::CanceledByUser));
    assert_eq!(chrome.fault(), (Fault::StoppedByUser, true));
}

#[test]
fn a_commit_where_no_agent_may_be_ends_the_call_and_detaches() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    let script = chrome.asked("Runtime.evaluate");
    chrome
        .pages
        .handle_committed(TAB, "file:///etc/passwd", chrome.now);
    chrome.drain();
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::UrlRefused);
    assert!(!settled);
    // What it has read meanwhile goes nowhere.
    chrome.asks.remove(&script);
    chrome.pages.handle_done(script, Ok(number(1)), chrome.now);
    chrome.answer("detach", Value::Null);
    assert!(chrome.settled());
}

#[test]
fn a_crashed_page_fails_its_call_at_once_and_a_reload_brings_it_back() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.asks.clear();
    chrome.event("Inspector.targetCrashed", json!({}));
    assert_eq!(chrome.fault(), (Fault::PageCrashed { tab: TAB }, true));
    evaluate(&mut chrome);
    assert_eq!(chrome.fault(), (Fault::PageCrashed { tab: TAB }, true));
    chrome.begin("browser_navigate", json!({"action": "reload"}));
    chrome.answer("Page.reload", json!({}));
    chrome.commit("L9", PAGE);
    chrome.load();
    chrome.serve();
    assert!(chrome.result().1);
    evaluate(&mut chrome);
    assert!(chrome.is_asked("Runtime.evaluate"));
}

#[test]
fn a_page_that_does_not_answer_the_debugger_costs_its_call_a_time_out_and_not_the_tab() {
    let mut chrome = Chrome::new();
    chrome.deaf.insert("Runtime.enable");
    evaluate(&mut chrome);
    chrome.serve();
    chrome.pass(10);
    chrome.pass(2);
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::Timeout);
    assert!(format!("{fault:?}").contains("opened before"), "{fault:?}");
    assert!(settled);
    chrome.answer("detach", Value::Null);
    assert!(chrome.pages.tabs.is_empty());
}

#[test]
fn the_console_is_told_once() {
    let mut chrome = Chrome::attached();
    chrome.event(
        "Runtime.consoleAPICalled",
        json!({"type": "warning", "timestamp": 2_000, "args": [
            {"type": "string", "value": "a"}, {"type": "number", "value": 3, "description": "3"}]}),
    );
    for expected in [1, 0] {
        chrome.begin("browser_console_messages", json!({}));
        chrome.serve();
        let messages = chrome.result().0.console.unwrap();
        assert_eq!(messages.len(), expected);
        assert!(
            messages
                .iter()
                .all(|m| m.level == "warning" && m.text == "a 3")
        );
    }
}

#[test]
fn requests_are_told_as_often_as_one_asks_and_parts_of_the_page_only_when_wanted() {
    let mut chrome = Chrome::attached();
    // Seen from its beginning.
    chrome.commit("L0", "about:blank");
    for (id, kind, status) in [
        ("1", "Script", 200),
        ("2", "Fetch", 500),
        ("3", "Image", 404),
    ] {
        let url = format!("http://a.test/{id}?{kind}");
        let request = json!({"requestId": id, "type": kind,
            "request": {"method": "GET", "url": url}});
        chrome.event("Network.requestWillBeSent", request);
        let response = json!({"requestId": id, "response": {"status": status}});
        chrome.event("Network.responseReceived", response);
    }
    for (arguments, expected, notes) in [
        (json!({}), vec!["fetch", "image"], 1),
        (json!({}), vec!["fetch", "image"], 1),
        (json!({"static": true}), vec!["script", "fetch", "image"], 0),
        (
            json!({"includeStatic": true, "filter": "Scr"}),
            vec!["script"],
            0,
        ),
    ] {
        chrome.begin("browser_network_requests", arguments);
        chrome.serve();
        let result = chrome.result().0;
        let requests = result.requests.unwrap();
        let kinds: Vec<&str> = requests.iter().map(|r| r.kind.as_str()).collect();
        assert_eq!((kinds, result.notes.len()), (expected, notes));
    }
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    chrome.begin("browser_network_requests", json!({"static": true}));
    chrome.serve();
    assert_eq!(chrome.result().0.requests, Some(vec![]));
}

#[test]
fn new_tabs_of_the_running_call_are_named_in_its_answer() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.pages.new_tab_opened(TAB, TabId(8));
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert_eq!(chrome.result().0.new_tabs, [TabId(8)]);
}

#[test]
fn a_page_that_crashed_before_the_debugger_came_is_led_back_to_life_by_a_reload() {
    let mut chrome = Chrome::new();
    chrome.deaf.insert("Page.enable");
    for (name, arguments) in [
        ("browser_snapshot", json!({})),
        ("browser_navigate", json!({"action": "reload"})),
    ] {
        chrome.begin(name, arguments);
        chrome.serve();
        assert!(chrome.is_asked("Page.enable"));
        chrome.asks.clear();
        chrome.event("Inspector.targetCrashed", json!({}));
        if name == "browser_snapshot" {
            assert_eq!(chrome.fault(), (Fault::PageCrashed { tab: TAB }, true));
        }
        chrome.serve();
    }
    // Not by the debugger, which this page would never answer.
    chrome.answer("go", Value::Null);
    chrome.deaf.clear();
    chrome.pages.handle_committed(TAB, PAGE, chrome.now);
    chrome.serve();
    assert!(chrome.is_asked("Page.reload"), "{:?}", chrome.asks);
}

#[test]
fn a_discarded_page_is_loaded_again_before_the_debugger_comes() {
    let mut chrome = Chrome::new();
    chrome.tab["discarded"] = json!(true);
    chrome.begin("browser_snapshot", json!({}));
    chrome.serve();
    assert!(!chrome.is_asked("attach"));
    chrome.answer("go", Value::Null);
    chrome.pages.handle_committed(TAB, PAGE, chrome.now);
    chrome.serve();
    assert!(
        chrome.is_asked("DOMSnapshot.captureSnapshot"),
        "{:?}",
        chrome.asks
    );
}

#[test]
fn a_page_without_a_renderer_that_nobody_unloaded_is_not_loaded_behind_its_agents_back() {
    let mut chrome = Chrome::new();
    chrome.tab["status"] = json!("unloaded");
    chrome.begin("browser_snapshot", json!({}));
    chrome.serve();
    assert!(
        chrome.is_asked("DOMSnapshot.captureSnapshot"),
        "{:?}",
        chrome.asks
    );
    assert!(!chrome.is_asked("go"));
}

fn slow_and_discarded() -> Chrome {
    let mut chrome = Chrome::new();
    chrome.tab["discarded"] = json!(true);
    chrome.begin("browser_snapshot", json!({}));
    chrome.serve();
    chrome.answer("go", Value::Null);
    for _ in 0..4 {
        chrome.pass(5);
    }
    assert!(chrome.told().is_empty());
    chrome
}

#[test]
fn a_discarded_page_may_take_as_long_to_load_as_its_call() {
    let mut chrome = slow_and_discarded();
    chrome.pages.handle_committed(TAB, PAGE, chrome.now);
    chrome.serve();
    assert!(chrome.is_asked("DOMSnapshot.captureSnapshot"));
    let mut chrome = slow_and_discarded();
    chrome.pass(5);
    chrome.pass(5);
    let fault = Fault::Timeout {
        after_s: 30,
        waiting_for: "the page to load again".into(),
    };
    assert_eq!(chrome.fault(), (fault, true));
    chrome.pass(5);
    assert!(chrome.pages.is_empty());
}

#[test]
fn a_tab_changes_hands_though_its_discarded_page_does_not_load() {
    let mut chrome = slow_and_discarded();
    chrome.pages.clear(TAB, chrome.now);
    chrome.pass(5);
    assert!(chrome.told().contains(&PageEvent::Cleared { tab: TAB }));
    assert!(chrome.pages.is_empty());
}

#[test]
fn a_tab_without_a_size_gets_one_and_no_other_is_resized() {
    for (width, sized) in [(0, true), (1200, false)] {
        let mut chrome = Chrome::new();
        chrome.tab["width"] = json!(width);
        chrome.deaf.insert("Emulation.setDeviceMetricsOverride");
        chrome.begin("browser_snapshot", json!({}));
        chrome.serve();
        assert_eq!(chrome.is_asked("Emulation.setDeviceMetricsOverride"), sized);
        if sized {
            chrome.answer("Emulation.setDeviceMetricsOverride", json!({}));
            chrome.serve();
        }
        assert!(chrome.is_asked("DOMSnapshot.captureSnapshot"));
    }
}

const CLEAR_SIZE: &str = "Emulation.clearDeviceMetricsOverride";

#[test]
fn a_tab_that_the_person_shows_is_as_large_as_their_window() {
    for step in [
        "get",
        "attach",
        "Page.enable",
        "Emulation.setDeviceMetricsOverride",
        "",
    ] {
        let mut chrome = Chrome::new();
        chrome.tab["width"] = json!(0);
        chrome.deaf.extend([step, CLEAR_SIZE]);
        chrome.begin("browser_snapshot", json!({}));
        chrome.serve();
        chrome.pages.handle_shown(TAB, chrome.now);
        chrome.drain();
        assert_eq!(chrome.is_asked(CLEAR_SIZE), step.is_empty(), "at {step}");
        chrome.deaf.remove(step);
        chrome.serve();
        assert!(chrome.is_asked(CLEAR_SIZE), "shown at {step}");
        assert!(chrome.is_asked("DOMSnapshot.captureSnapshot"));
    }
}

#[test]
fn a_size_that_a_former_life_of_the_worker_gave_is_taken_back_where_the_person_looks() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert(CLEAR_SIZE);
    chrome.pages.handle_shown(TAB, chrome.now);
    chrome.drain();
    assert!(chrome.is_asked(CLEAR_SIZE));
}

#[test]
fn a_call_that_is_stopped_stops_the_navigation_that_holds_its_commands_back() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_snapshot", json!({}));
    chrome.event(
        "Page.frameStartedNavigating",
        json!({"frameId": "F", "navigationType": "differentDocument"}),
    );
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.drain();
    assert!(chrome.is_asked("Page.stopLoading"));
    chrome.answer("Page.stopLoading", json!({}));
    assert!(chrome.told().is_empty());
    chrome.answer("DOMSnapshot.captureSnapshot", json!({}));
    assert!(chrome.settled());
}

#[test]
fn a_call_waits_for_a_navigation_that_has_begun_before_it_asks_the_page() {
    let mut chrome = Chrome::attached();
    chrome.event(
        "Page.frameStartedNavigating",
        json!({"frameId": "F", "navigationType": "differentDocument"}),
    );
    evaluate(&mut chrome);
    assert!(chrome.asks_no_page());
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    assert!(chrome.is_asked("Runtime.evaluate"));
}

#[test]
fn a_debugger_that_chrome_took_off_a_forbidden_page_is_a_refusal() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.asks.clear();
    chrome.tab = json!({"url": "chrome-extension://invalid/"});
    chrome
        .pages
        .handle_detached(TAB, DetachReason::TargetClosed, chrome.now);
    chrome.serve();
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::UrlRefused);
}

#[test]
fn a_late_look_at_a_tab_that_lost_its_debugger_answers_no_later_call() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.asks.clear();
    let thrown_off = DetachReason::TargetClosed;
    chrome.pages.handle_detached(TAB, thrown_off, chrome.now);
    chrome.drain();
    let look = chrome.asked("get");
    chrome.asks.remove(&look);
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.drain();
    assert!(chrome.settled());
    chrome.begin_as(
        CallId(2),
        "browser_evaluate",
        json!({"function": "() => 1"}),
    );
    let tab = chrome.tab.clone();
    chrome.pages.handle_done(look, Ok(tab), chrome.now);
    chrome.serve();
    assert!(chrome.told().is_empty(), "it goes on");
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    let told = chrome.told();
    let PageEvent::Answer { call, outcome } = &told[0] else {
        panic!("{told:?}");
    };
    assert!(*call == CallId(2) && outcome.is_ok(), "{told:?}");
}
