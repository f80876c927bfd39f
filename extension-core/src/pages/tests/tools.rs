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
        json!({"result": {"value": {"why": "it is covered by <div>"}}}),
    );
    chrome.serve();
    assert!(!chrome.is_asked("Input.dispatchMouseEvent"));
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::NotActionable);
    assert!(settled, "the screencast is stopped: {:?}", chrome.asks);
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
    let name = put["arguments"][0]["value"].as_str().unwrap().to_owned();
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
    assert!(chrome.told().is_empty() && chrome.asks.is_empty());
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
