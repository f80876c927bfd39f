//! What each tool asks of the page.

use super::*;

/// A ref of the page as it is attached.
fn reference(node: i64) -> String {
    element::name(node, &element::mark("L1"))
}

fn resolved(chrome: &mut Chrome) {
    chrome.answer("DOM.resolveNode", json!({"object": {"objectId": "O"}}));
}

/// Answers the warm-up picture.
fn warmed(chrome: &mut Chrome) {
    chrome.serve();
    chrome.answer("Page.captureScreenshot", json!({"data": "AA=="}));
}

#[test]
fn a_ref_of_an_earlier_document_is_stale_and_chrome_is_not_even_asked() {
    let mut chrome = Chrome::attached();
    let old = reference(5);
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    chrome.begin("browser_click", json!({"target": old}));
    assert_eq!(chrome.fault(), (Fault::StaleRef { target: old }, true));
    assert!(chrome.asks.is_empty());
}

#[test]
fn a_ref_whose_element_is_gone_is_stale() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_click", json!({"target": reference(5)}));
    chrome.refuse("DOM.resolveNode", "No node with given id found");
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::StaleRef);
}

#[test]
fn a_click_warms_the_tab_up_waits_for_the_element_and_presses_where_it_is() {
    let mut chrome = Chrome::attached();
    let arguments = json!({"target": reference(5), "modifiers": ["Shift"]});
    chrome.deaf.insert("Input.dispatchMouseEvent");
    chrome.begin("browser_click", arguments);
    assert_eq!(chrome.params("DOM.resolveNode")["backendNodeId"], 5);
    resolved(&mut chrome);
    warmed(&mut chrome);
    assert!(!chrome.is_asked("Input.dispatchMouseEvent"));
    chrome.answer(
        "Runtime.callFunctionOn",
        json!({"result": {"value": {"x": 10.5, "y": 20, "mac": false}}}),
    );
    chrome.serve();
    let events = chrome.all("Input.dispatchMouseEvent");
    let kinds: Vec<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    assert_eq!(kinds, ["mouseMoved", "mousePressed", "mouseReleased"]);
    assert!(events.iter().all(|e| e["x"] == 10.5 && e["modifiers"] == 8));
    chrome.deaf.clear();
    chrome.serve();
    // One painted frame, then the navigation that the click began.
    chrome.event(
        "Page.frameStartedNavigating",
        json!({"frameId": "F", "navigationType": "differentDocument"}),
    );
    chrome.answer("Runtime.evaluate", json!({}));
    chrome.answer("Runtime.releaseObjectGroup", json!({}));
    chrome.serve();
    assert!(chrome.told().is_empty());
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    chrome.serve();
    let (result, settled) = chrome.result();
    assert_eq!(result.url.as_deref(), Some("http://b.test/"));
    assert!(settled);
}

#[test]
fn an_element_that_stays_covered_is_not_actionable_and_nothing_is_pressed() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_click", json!({"target": reference(5)}));
    resolved(&mut chrome);
    warmed(&mut chrome);
    chrome.answer(
        "Runtime.callFunctionOn",
        json!({"result": {"value": {"why": "it is covered by this\n<div>"}}}),
    );
    chrome.serve();
    assert!(!chrome.is_asked("Input.dispatchMouseEvent"));
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::NotActionable);
    assert!(settled, "the screencast is stopped: {:?}", chrome.asks);
}

/// The mouse is pressed and nothing of it answered. The tab is in window 2, `active` there; the
/// person is in window `persons`, if Chrome has one in front.
fn pressed(active: bool, persons: Option<i64>) -> Chrome {
    let mut chrome = Chrome::attached();
    chrome.tab["active"] = json!(active);
    chrome.tab["windowId"] = json!(2);
    chrome.deaf.insert("Input.dispatchMouseEvent");
    chrome.begin("browser_click", json!({"target": reference(5)}));
    resolved(&mut chrome);
    warmed(&mut chrome);
    let place = json!({"result": {"value": {"x": 1, "y": 1}}});
    chrome.answer("Runtime.callFunctionOn", place);
    chrome.serve();
    if active {
        let front = json!({"id": persons.unwrap_or(1), "focused": persons.is_some()});
        chrome.answer("front", front);
    }
    assert!(!chrome.all("Input.dispatchMouseEvent").is_empty());
    chrome
}

/// How often the front was given back since the last look.
fn given_back(chrome: &mut Chrome) -> usize {
    let (own, persons) = (2, 1);
    let taken = PageEvent::FrontTaken { own, persons };
    chrome.told().iter().filter(|told| **told == taken).count()
}

#[test]
fn a_press_gives_the_front_back_to_the_window_that_it_takes_it_from() {
    for (active, persons, back) in [
        (true, Some(1), 1),
        (true, Some(2), 0),
        (true, None, 0),
        (false, Some(1), 0),
    ] {
        let mut chrome = pressed(active, persons);
        assert_eq!(given_back(&mut chrome), 0, "before the press is through");
        chrome.deaf.clear();
        chrome.serve();
        assert_eq!(given_back(&mut chrome), back);
        chrome.pages.stop(CALL, TAB, chrome.now);
        chrome.drain();
        assert_eq!(given_back(&mut chrome), 0, "once");
    }
}

#[test]
fn a_press_gives_the_front_back_however_its_call_ends() {
    type End = fn(&mut Chrome);
    let ends: [(&str, End); 7] = [
        ("a dialog", Chrome::dialog),
        ("the tab closed", |chrome| {
            chrome.pages.handle_closed(TAB, chrome.now);
        }),
        ("cancelled", |chrome| {
            chrome.pages.stop(CALL, TAB, chrome.now);
        }),
        ("too late", |chrome| chrome.pass(30)),
        ("thrown off", |chrome| {
            let reason = DetachReason::TargetClosed;
            chrome.pages.handle_detached(TAB, reason, chrome.now);
        }),
        ("crashed", |chrome| {
            chrome.event("Inspector.targetCrashed", json!({}));
        }),
        ("gone where no agent may be", |chrome| {
            chrome.commit("L2", "chrome://settings/");
        }),
    ];
    for (name, end) in ends {
        let mut chrome = pressed(true, Some(1));
        end(&mut chrome);
        chrome.drain();
        assert_eq!(given_back(&mut chrome), 1, "{name}");
    }
}

#[test]
fn a_second_click_in_a_document_needs_no_warm_up() {
    let mut chrome = Chrome::attached();
    for again in [false, true] {
        chrome.begin("browser_click", json!({"target": reference(5)}));
        resolved(&mut chrome);
        chrome.serve();
        assert_eq!(chrome.is_asked("Page.captureScreenshot"), !again);
        if !again {
            warmed(&mut chrome);
        }
        let gone = json!({"result": {"value": {"gone": true}}});
        chrome.answer("Runtime.callFunctionOn", gone);
        chrome.serve();
        assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::StaleRef);
    }
}

#[test]
fn text_replaces_what_stands_in_the_field_and_submit_presses_enter() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.insertText");
    let arguments = json!({"target": reference(5), "text": "new", "submit": true});
    chrome.begin("browser_type", arguments);
    resolved(&mut chrome);
    warmed(&mut chrome);
    chrome.answer(
        "Runtime.callFunctionOn",
        json!({"result": {"value": {"empty": false}}}),
    );
    assert_eq!(chrome.params("Input.insertText")["text"], "new");
    chrome.deaf.insert("Input.dispatchKeyEvent");
    chrome.answer("Input.insertText", json!({}));
    let keys: Vec<String> = chrome
        .all("Input.dispatchKeyEvent")
        .iter()
        .map(|params| format!("{} {}", params["type"], params["key"]))
        .collect();
    assert_eq!(keys, ["\"keyDown\" \"Enter\"", "\"keyUp\" \"Enter\""]);
}

#[test]
fn an_element_is_handed_to_a_script_under_a_name_that_it_reads_and_deletes() {
    let mut chrome = Chrome::attached();
    chrome.begin(
        "browser_evaluate",
        json!({"function": "(e) => e.id", "target": reference(5)}),
    );
    resolved(&mut chrome);
    let put = chrome.params("Runtime.callFunctionOn");
    let name = put["arguments"][1]["value"].as_str().unwrap().to_owned();
    chrome.answer("Runtime.callFunctionOn", json!({"result": {"value": {}}}));
    let script = chrome.params("Runtime.evaluate")["expression"].to_string();
    assert!(
        script.contains(&format!("delete globalThis.{name}")),
        "{script}"
    );
    assert!(name.len() > 20);
}

#[test]
fn a_capture_that_hangs_is_answered_and_its_screencast_stopped() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_take_screenshot", json!({}));
    warmed(&mut chrome);
    chrome.serve();
    chrome.deaf.insert("Page.stopScreencast");
    chrome.pass(10);
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::Timeout);
    assert!(chrome.is_asked("Page.stopScreencast"));
    // It is in the way of every later one: two seconds, then the debugger goes.
    chrome.pass(2);
    chrome.answer("detach", Value::Null);
    assert!(chrome.settled());
}

#[test]
fn a_picture_comes_with_its_kind() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_take_screenshot", json!({"type": "jpeg"}));
    warmed(&mut chrome);
    assert_eq!(
        chrome.params("Page.captureScreenshot"),
        json!({"format": "jpeg", "quality": 80})
    );
    chrome.answer("Page.captureScreenshot", json!({"data": "QUJD"}));
    chrome.serve();
    let image = chrome.result().0.image.unwrap();
    assert_eq!(
        (image.mime.as_str(), image.data.as_str()),
        ("image/jpeg", "QUJD")
    );
}

#[test]
fn a_snapshot_that_a_commit_overtook_is_taken_again() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_snapshot", json!({}));
    let tree = json!({"strings": ["BUTTON", "aria-label", "B", "visible"], "documents": [{
        "nodes": {"parentIndex": [-1, 0], "nodeType": [9, 1], "nodeName": [-1, 0],
            "attributes": [[], [1, 2]], "backendNodeId": [1, 9]},
        "layout": {"nodeIndex": [0, 1], "styles": [[], [3]]}}]});
    chrome.commit("L2", "http://b.test/");
    chrome.answer("DOMSnapshot.captureSnapshot", tree.clone());
    chrome.serve();
    chrome.load();
    chrome.answer("DOMSnapshot.captureSnapshot", tree);
    chrome.serve();
    let mark = element::mark("L2");
    assert_eq!(
        chrome.result().0.snapshot.unwrap(),
        format!("- button \"B\" [ref=e9_{mark}]\n")
    );
}

#[test]
fn a_wait_for_a_text_is_set_again_in_the_next_document() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_wait_for", json!({"text": "Done"}));
    chrome.refuse("Runtime.evaluate", "Inspected target navigated or closed");
    chrome.commit("L2", "http://b.test/");
    chrome.pass(1);
    assert!(!chrome.is_asked("Runtime.evaluate"));
    chrome.load();
    let script = chrome.params("Runtime.evaluate")["expression"].to_string();
    assert!(script.contains("Done"));
    chrome.answer("Runtime.evaluate", json!({"result": {"value": true}}));
    chrome.serve();
    assert!(chrome.result().1);
}

#[test]
fn a_wait_ends_at_its_calls_deadline_and_names_the_text() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_wait_for", json!({"textGone": "Loading"}));
    chrome.pass(30);
    let (fault, settled) = chrome.fault();
    assert_eq!(
        fault,
        Fault::Timeout {
            after_s: 30,
            waiting_for: "\"Loading\" to go".into()
        }
    );
    assert!(!settled);
}

#[test]
fn a_time_that_the_caller_asked_to_pass_does_not_count_against_its_call() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_wait_for", json!({"time": 40, "text": "x"}));
    chrome.pass(39);
    assert!(chrome.told().is_empty() && chrome.asks_no_page());
    chrome.pass(1);
    assert!(chrome.is_asked("Runtime.evaluate"));
    chrome.pass(30);
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::Timeout);
}

#[test]
fn statements_run_once_after_chrome_said_that_they_are_no_expression() {
    let mut chrome = Chrome::attached();
    chrome.begin(
        "browser_evaluate",
        json!({"function": "const a = 2; a * 2"}),
    );
    let no_script = json!({"exceptionDetails": {"text": "Uncaught",
        "exception": {"className": "SyntaxError", "description": "SyntaxError: no"}}});
    chrome.answer("Runtime.evaluate", no_script.clone());
    chrome.answer("Runtime.compileScript", no_script);
    chrome.answer("Runtime.compileScript", json!({}));
    assert_eq!(
        chrome.params("Runtime.evaluate")["expression"],
        "const a = 2; a * 2"
    );
    chrome.answer("Runtime.evaluate", number(4));
    chrome.serve();
    assert_eq!(chrome.result().0.value, Some(json!(4)));
}

#[test]
fn a_script_that_throws_a_syntax_error_itself_does_not_run_twice() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.answer(
        "Runtime.evaluate",
        json!({"exceptionDetails": {"text": "Uncaught",
            "exception": {"className": "SyntaxError", "description": "SyntaxError: in JSON"}}}),
    );
    chrome.answer("Runtime.compileScript", json!({"scriptId": "3"}));
    assert_eq!(
        chrome.fault(),
        (
            Fault::PageError {
                message: "SyntaxError: in JSON".into()
            },
            true
        )
    );
}

#[test]
fn statements_that_return_run_in_a_function_of_their_own() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_evaluate", json!({"function": "return 5"}));
    let no_script = json!({"exceptionDetails": {"text": "Uncaught",
        "exception": {"className": "SyntaxError", "description": "SyntaxError: no"}}});
    chrome.answer("Runtime.evaluate", no_script.clone());
    for answer in [&no_script, &no_script, &no_script, &json!({})] {
        chrome.answer("Runtime.compileScript", answer.clone());
    }
    let script = chrome.params("Runtime.evaluate")["expression"].clone();
    assert_eq!(script, "(async (element) => {\nreturn 5\n})()");
}

#[test]
fn a_double_click_is_two_clicks_with_the_button_that_was_asked_for() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.dispatchMouseEvent");
    let arguments = json!({"target": reference(5), "button": "right", "doubleClick": true});
    chrome.begin("browser_click", arguments);
    resolved(&mut chrome);
    warmed(&mut chrome);
    let place = json!({"result": {"value": {"x": 1, "y": 2, "mac": false}}});
    chrome.answer("Runtime.callFunctionOn", place);
    chrome.serve();
    let events = chrome.all("Input.dispatchMouseEvent");
    let events: Vec<Value> = events
        .iter()
        .map(|e| json!([e["type"], e["button"], e["buttons"], e["clickCount"]]))
        .collect();
    assert_eq!(
        events,
        [
            json!(["mouseMoved", "none", 0, 0]),
            json!(["mousePressed", "right", 2, 1]),
            json!(["mouseReleased", "right", 0, 1]),
            json!(["mousePressed", "right", 2, 2]),
            json!(["mouseReleased", "right", 0, 2]),
        ]
    );
}

/// The keys that typing `text` into a field presses, as type, key and modifiers.
fn keys(arguments: Value, field: Value) -> Vec<Value> {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.dispatchKeyEvent");
    chrome.begin("browser_type", arguments);
    resolved(&mut chrome);
    warmed(&mut chrome);
    let answer = json!({"result": {"value": field}});
    chrome.answer("Runtime.callFunctionOn", answer);
    let keys = chrome.all("Input.dispatchKeyEvent");
    keys.iter()
        .map(|e| json!([e["type"], e["key"], e["modifiers"]]))
        .collect()
}

#[test]
fn slow_text_is_pressed_key_by_key() {
    let arguments = json!({"target": reference(5), "text": "B", "slowly": true});
    assert_eq!(
        keys(arguments, json!({"empty": true})),
        [
            json!(["rawKeyDown", "Shift", 8]),
            json!(["keyDown", "B", 8]),
            json!(["keyUp", "B", 8]),
            json!(["keyUp", "Shift", 0])
        ]
    );
}

#[test]
fn an_empty_text_deletes_what_stands_in_the_field() {
    let arguments = json!({"target": reference(5), "text": ""});
    assert_eq!(
        keys(arguments.clone(), json!({"empty": false})),
        [
            json!(["rawKeyDown", "Delete", 0]),
            json!(["keyUp", "Delete", 0])
        ]
    );
    assert!(keys(arguments, json!({"empty": true})).is_empty());
}

#[test]
fn going_forward_takes_the_next_entry_until_there_is_none() {
    let mut chrome = Chrome::attached();
    let history = |current: i64| {
        json!({"currentIndex": current, "entries": [
            {"id": 4, "url": PAGE}, {"id": 9, "url": "http://b.test/"}]})
    };
    chrome.begin("browser_navigate", json!({"action": "forward"}));
    chrome.answer("Page.getNavigationHistory", history(0));
    assert_eq!(chrome.params("Page.navigateToHistoryEntry")["entryId"], 9);
    chrome.answer("Page.navigateToHistoryEntry", json!({}));
    chrome.commit("L2", "http://b.test/");
    chrome.load();
    chrome.serve();
    assert!(chrome.result().1);
    chrome.begin("browser_navigate", json!({"action": "forward"}));
    chrome.answer("Page.getNavigationHistory", history(1));
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::NoEarlierPage);
}

#[test]
fn a_history_entry_where_no_agent_may_be_is_refused() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_navigate_back", json!({}));
    let entries = json!([{"id": 1, "url": "chrome://settings/"}, {"id": 2, "url": PAGE}]);
    chrome.answer(
        "Page.getNavigationHistory",
        json!({"currentIndex": 1, "entries": entries}),
    );
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::UrlRefused);
    assert!(!chrome.is_asked("Page.navigateToHistoryEntry"));
}

#[test]
fn a_value_that_is_too_large_or_too_deep_is_said_to_be_so() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    let large = "x".repeat(protocol::limits::FRAME_MAX);
    chrome.answer("Runtime.evaluate", json!({"result": {"value": large}}));
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::ResultTooLarge);
    evaluate(&mut chrome);
    let deep = (0..=protocol::limits::DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
    chrome.answer("Runtime.evaluate", json!({"result": {"value": deep}}));
    let fault = chrome.fault().0;
    assert_eq!(fault.code(), protocol::ErrorCode::PageError);
    assert!(fault.message().contains("nested"), "{}", fault.message());
}

#[test]
fn what_chrome_says_of_a_scripts_result_becomes_advice() {
    let mut chrome = Chrome::attached();
    for (said, means) in [
        ("Object reference chain is too long", "refers to itself"),
        ("Object couldn't be returned by value", "JSON"),
        ("Inspected target navigated or closed", "navigated away"),
        // Before its time is over, as a clock shows it that was put back.
        ("Internal error", "before it was done"),
    ] {
        evaluate(&mut chrome);
        chrome.refuse("Runtime.evaluate", said);
        let fault = chrome.fault().0;
        assert_eq!(fault.code(), protocol::ErrorCode::PageError, "{said}");
        assert!(fault.message().contains(means), "{}", fault.message());
    }
}

#[test]
fn a_script_that_chrome_ended_after_its_time_is_a_time_out() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    chrome.now = chrome.now + protocol::limits::SCRIPT_MAX_DEFAULT;
    chrome.refuse("Runtime.evaluate", "Internal error");
    let fault = chrome.fault().0;
    assert_eq!(fault.code(), protocol::ErrorCode::Timeout);
    let message = fault.message();
    assert!(message.contains("synchronous work"), "{message}");
}

#[test]
fn the_whole_page_is_taken_beyond_what_is_in_view_up_to_chromes_limit() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_take_screenshot", json!({"fullPage": true}));
    warmed(&mut chrome);
    let size = json!({"cssContentSize": {"width": 800, "height": 20_000}});
    chrome.answer("Page.getLayoutMetrics", size);
    let params = chrome.params("Page.captureScreenshot");
    assert_eq!(params["captureBeyondViewport"], true);
    assert_eq!(
        params["clip"],
        json!({"x": 0, "y": 0, "width": 800, "height": 16_384, "scale": 1})
    );
    chrome.answer("Page.captureScreenshot", json!({"data": "QUJD"}));
    chrome.serve();
    let notes = chrome.result().0.notes;
    assert!(notes.len() == 1 && notes[0].contains("16384"), "{notes:?}");
}

#[test]
fn a_picture_of_an_element_shows_its_place_and_nothing_else() {
    let mut chrome = Chrome::attached();
    let place = json!({"x": 1, "y": 2, "width": 30, "height": 40, "scrollX": 5, "scrollY": 600});
    let clip = json!({"x": 6.0, "y": 602.0, "width": 30.0, "height": 40.0, "scale": 1});
    let unseen = json!({"width": 0, "height": 0});
    for (at, code) in [
        (&place, None),
        (&unseen, Some(protocol::ErrorCode::NotActionable)),
    ] {
        let arguments = json!({"target": reference(5)});
        chrome.begin("browser_take_screenshot", arguments);
        resolved(&mut chrome);
        chrome.serve();
        if code.is_none() {
            warmed(&mut chrome);
        }
        chrome.answer("Runtime.callFunctionOn", json!({"result": {"value": at}}));
        if let Some(code) = code {
            chrome.serve();
            assert_eq!(chrome.fault().0.code(), code);
            continue;
        }
        assert_eq!(chrome.params("Page.captureScreenshot")["clip"], clip);
        chrome.answer("Page.captureScreenshot", json!({"data": "QUJD"}));
        chrome.serve();
        chrome.result();
        chrome.asks.clear();
    }
}

#[test]
fn a_picture_above_the_limit_of_a_frame_is_too_large() {
    let mut chrome = Chrome::attached();
    chrome.begin("browser_take_screenshot", json!({}));
    warmed(&mut chrome);
    let data = "A".repeat(protocol::limits::FRAME_MAX);
    chrome.answer("Page.captureScreenshot", json!({"data": data}));
    chrome.serve();
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::ResultTooLarge);
}

#[test]
fn nothing_is_told_of_a_page_that_has_come_to_where_no_agent_may_be() {
    let mut chrome = Chrome::attached();
    evaluate(&mut chrome);
    // Nobody has heard of the commit yet.
    chrome.tab = json!({"url": "file:///etc/passwd", "title": "passwd"});
    chrome.answer("Runtime.evaluate", number(1));
    chrome.serve();
    assert_eq!(chrome.fault().0.code(), protocol::ErrorCode::UrlRefused);
}
