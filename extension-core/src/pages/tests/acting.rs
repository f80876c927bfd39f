//! What keys, mouse and lists ask of the page.

use super::*;

/// The open key events, as `rawKeyDown Control 2`.
fn keys(chrome: &Chrome) -> Vec<String> {
    let line = |event: &Value| {
        let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", word("type"), word("key"), event["modifiers"])
    };
    chrome
        .all("Input.dispatchKeyEvent")
        .iter()
        .map(line)
        .collect()
}

/// Begins a call on an element and answers the warm-up picture.
fn begin_on_element(chrome: &mut Chrome, name: &str, mut arguments: Value) {
    arguments["target"] = json!(element::name(5, &element::mark("L1")));
    chrome.begin(name, arguments);
    chrome.answer("DOM.resolveNode", json!({"object": {"objectId": "O"}}));
    warmed(chrome);
}

fn warmed(chrome: &mut Chrome) {
    chrome.serve();
    chrome.answer("Page.captureScreenshot", json!({"data": "AA=="}));
}

#[test]
fn a_chord_goes_down_key_by_key_and_up_again_the_other_way() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.dispatchKeyEvent");
    chrome.begin("browser_press_key", json!({"key": "Control+Shift+k"}));
    warmed(&mut chrome);
    assert_eq!(
        keys(&chrome),
        [
            "rawKeyDown Control 2",
            "rawKeyDown Shift 10",
            "rawKeyDown K 10",
            "keyUp K 10",
            "keyUp Shift 2",
            "keyUp Control 0",
        ]
    );
}

#[test]
fn a_character_is_typed_and_enter_ends_a_line() {
    for (key, text, code, number) in [
        ("a", "a", "KeyA", 65),
        ("ж", "ж", "", 0),
        ("Enter", "\r", "Enter", 13),
    ] {
        let mut chrome = Chrome::attached();
        chrome.deaf.insert("Input.dispatchKeyEvent");
        chrome.begin("browser_press_key", json!({"key": key}));
        warmed(&mut chrome);
        let down = &chrome.all("Input.dispatchKeyEvent")[0];
        assert_eq!(
            (&down["type"], &down["text"]),
            (&json!("keyDown"), &json!(text))
        );
        assert_eq!(
            (&down["code"], &down["windowsVirtualKeyCode"]),
            (&json!(code), &json!(number))
        );
    }
}

#[test]
fn a_call_that_is_cancelled_leaves_no_key_down() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.dispatchKeyEvent");
    chrome.begin("browser_press_key", json!({"key": "Shift+a"}));
    warmed(&mut chrome);
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.drain();
    let asked = keys(&chrome);
    let count = |kind: &str| asked.iter().filter(|line| line.contains(kind)).count();
    assert_eq!((count("Down"), count("Up")), (2, 2), "{asked:?}");
    chrome.deaf.clear();
    chrome.serve();
    assert!(
        chrome.settled(),
        "the turn ends when they are: {:?}",
        chrome.asks
    );
}

#[test]
fn a_key_that_was_down_when_the_debugger_was_thrown_off_goes_up_with_the_next_debugger() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.dispatchKeyEvent");
    chrome.begin("browser_press_key", json!({"key": "Control"}));
    warmed(&mut chrome);
    let reason = DetachReason::TargetClosed;
    chrome.pages.handle_detached(TAB, reason, chrome.now);
    chrome.serve();
    let (fault, _) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::OutcomeUnknown);
    evaluate(&mut chrome);
    chrome.serve();
    let heard = chrome.all("Runtime.evaluate");
    let asks = |one: &Value| {
        one["expression"]
            .as_str()
            .is_some_and(|text| text.contains("eventCounts"))
    };
    assert!(heard.iter().any(asks), "{heard:?}");
}

#[test]
fn what_is_control_elsewhere_is_command_on_a_mac() {
    for (mac, held, commands) in [
        (true, "rawKeyDown Meta 4", json!(["selectAll"])),
        (false, "rawKeyDown Control 2", Value::Null),
    ] {
        let mut chrome = Chrome::attached();
        chrome.deaf.insert("Input.dispatchKeyEvent");
        chrome.begin("browser_press_key", json!({"key": "ControlOrMeta+a"}));
        chrome.answer("Runtime.evaluate", json!({"result": {"value": mac}}));
        warmed(&mut chrome);
        assert_eq!(keys(&chrome)[0], held);
        let down = &chrome.all("Input.dispatchKeyEvent")[1];
        assert_eq!(down["commands"], commands);
        assert!(down.get("text").is_none(), "a command types nothing");
    }
}

#[test]
fn the_mouse_is_brought_over_an_element_while_the_tab_paints_and_nothing_is_pressed() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.dispatchMouseEvent");
    chrome.deaf.insert("Page.stopScreencast");
    begin_on_element(&mut chrome, "browser_hover", json!({}));
    let spot = chrome.params("Runtime.callFunctionOn");
    assert_eq!(
        spot["arguments"][3]["value"], false,
        "it may be disabled: its tip says why"
    );
    let place = json!({"result": {"value": {"x": 10.5, "y": 20, "mac": false}}});
    chrome.answer("Runtime.callFunctionOn", place);
    let moved = chrome.params("Input.dispatchMouseEvent");
    assert_eq!(
        (&moved["type"], &moved["x"], &moved["buttons"]),
        (&json!("mouseMoved"), &json!(10.5), &json!(0))
    );
    assert!(!chrome.is_asked("Page.stopScreencast"));
    chrome.answer("Input.dispatchMouseEvent", json!({}));
    chrome.answer("Runtime.evaluate", json!({}));
    assert!(chrome.is_asked("Page.stopScreencast"));
    chrome.serve();
    assert!(chrome.result().1);
}

#[test]
fn a_hover_that_is_cancelled_stops_its_screencast() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Page.stopScreencast");
    begin_on_element(&mut chrome, "browser_hover", json!({}));
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.drain();
    assert!(chrome.is_asked("Page.stopScreencast"));
}

#[test]
fn a_page_that_crashes_under_a_hover_leaves_no_screencast_to_the_next() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Page.stopScreencast");
    begin_on_element(&mut chrome, "browser_hover", json!({}));
    chrome.event("Inspector.targetCrashed", json!({}));
    assert!(chrome.is_asked("Page.stopScreencast"));
    assert_eq!(chrome.fault(), (Fault::PageCrashed { tab: TAB }, true));
}

#[test]
fn the_wheel_is_turned_in_the_middle_of_the_view_while_the_tab_paints() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Page.getLayoutMetrics");
    chrome.deaf.insert("Input.dispatchMouseEvent");
    chrome.deaf.insert("Page.stopScreencast");
    chrome.begin("browser_mouse_wheel", json!({"deltaY": 300}));
    warmed(&mut chrome);
    let view = json!({"cssVisualViewport": {"clientWidth": 800, "clientHeight": 600}});
    chrome.answer("Page.getLayoutMetrics", view);
    let turned = chrome.params("Input.dispatchMouseEvent");
    assert_eq!(
        (
            &turned["type"],
            &turned["x"],
            &turned["y"],
            &turned["deltaX"],
            &turned["deltaY"]
        ),
        (
            &json!("mouseWheel"),
            &json!(400.0),
            &json!(300.0),
            &json!(0.0),
            &json!(300.0)
        )
    );
    chrome.answer("Input.dispatchMouseEvent", json!({}));
    assert!(
        !chrome.is_asked("Page.stopScreencast"),
        "it scrolls as long as it paints"
    );
    chrome.answer("Runtime.evaluate", json!({}));
    assert!(chrome.is_asked("Page.stopScreencast"));
    chrome.serve();
    assert!(chrome.result().1);
}

#[test]
fn the_wheel_is_turned_over_the_element_that_is_named() {
    let mut chrome = Chrome::attached();
    chrome.deaf.insert("Input.dispatchMouseEvent");
    begin_on_element(&mut chrome, "browser_mouse_wheel", json!({"deltaX": -40}));
    let place = json!({"result": {"value": {"x": 10.5, "y": 20, "mac": false}}});
    chrome.answer("Runtime.callFunctionOn", place);
    let turned = chrome.params("Input.dispatchMouseEvent");
    assert_eq!(
        (&turned["x"], &turned["y"], &turned["deltaX"]),
        (&json!(10.5), &json!(20.0), &json!(-40.0))
    );
}

#[test]
fn options_are_chosen_in_the_page_and_what_cannot_be_is_told_with_what_can() {
    let mut chrome = Chrome::attached();
    let values = json!({"values": ["Blue", "g"]});
    begin_on_element(&mut chrome, "browser_select_option", values.clone());
    let asked = chrome.params("Runtime.callFunctionOn");
    assert_eq!(asked["arguments"][3]["value"], values["values"]);
    let why = "it has no option \"g\"; it has \"Red\", \"Blue\"";
    let refused = json!({"result": {"value": {"why": why}}});
    chrome.answer("Runtime.callFunctionOn", refused);
    chrome.serve();
    let (fault, settled) = chrome.fault();
    assert_eq!(fault.code(), protocol::ErrorCode::NotActionable);
    assert!(fault.message().contains("\"Red\", \"Blue\"") && settled);
}

#[test]
fn a_list_that_has_its_options_late_is_asked_again_before_they_are_chosen() {
    let mut chrome = Chrome::attached();
    let values = json!({"values": ["Blue"]});
    begin_on_element(&mut chrome, "browser_select_option", values);
    let first = chrome.params("Runtime.callFunctionOn");
    assert_eq!(first["arguments"][1]["value"], 5_000);
    assert_eq!(first["arguments"][2]["value"], false);
    chrome.now = chrome.now + Duration::from_secs(2);
    let late = json!({"result": {"value": {"again": true}}});
    chrome.answer("Runtime.callFunctionOn", late);
    let second = chrome.params("Runtime.callFunctionOn");
    assert_eq!(second["arguments"][1]["value"], 3_000);
    assert_eq!(second["arguments"][2]["value"], true);
    chrome.answer("Runtime.callFunctionOn", json!({"result": {"value": {}}}));
    chrome.answer("Runtime.evaluate", json!({}));
    chrome.serve();
    assert!(chrome.result().1);
}

#[test]
fn what_a_busy_page_gets_to_late_is_done_again_and_only_while_its_call_lasts() {
    let mut chrome = Chrome::attached();
    let values = json!({"values": ["Blue"]});
    begin_on_element(&mut chrome, "browser_select_option", values);
    let latest = |chrome: &Chrome| {
        let asked = chrome.params("Runtime.callFunctionOn");
        asked["arguments"][0]["value"].as_u64().unwrap() - chrome.now.0
    };
    // As long as the turn keeps for it when the call is cancelled.
    assert_eq!(latest(&chrome), 2_000);
    chrome.now = chrome.now + Duration::from_secs(3);
    let late = json!({"result": {"value": {"late": true}}});
    chrome.answer("Runtime.callFunctionOn", late.clone());
    assert_eq!(latest(&chrome), 2_000);
    chrome.pages.stop(CALL, TAB, chrome.now);
    chrome.drain();
    chrome.answer("Runtime.callFunctionOn", late);
    assert!(!chrome.is_asked("Runtime.callFunctionOn"));
}

#[test]
fn a_page_with_a_clock_of_its_own_is_acted_on_all_the_same() {
    let mut chrome = Chrome::attached();
    let values = json!({"values": ["Blue"]});
    begin_on_element(&mut chrome, "browser_select_option", values);
    let late = json!({"result": {"value": {"late": true}}});
    chrome.answer("Runtime.callFunctionOn", late);
    let asked = chrome.params("Runtime.callFunctionOn");
    assert_eq!(asked["arguments"][0]["value"], false);
}

/// Of its commit the browser alone tells, and its frame is another.
#[test]
fn a_prerendered_page_that_a_click_leads_to_is_worked_on_at_once() {
    for (frame, arrived) in [("F", false), ("G", true)] {
        let mut chrome = Chrome::attached();
        let going = json!({"frameId": "F", "navigationType": "differentDocument"});
        chrome.event("Page.frameStartedNavigating", going);
        chrome.deaf.insert("Page.getFrameTree");
        let url = "https://a.example/next";
        chrome.pages.handle_committed(TAB, url, chrome.now);
        chrome.drain();
        let tree = json!({"id": frame, "loaderId": "L2", "url": url});
        let tree = json!({"frameTree": {"frame": tree}});
        chrome.answer("Page.getFrameTree", tree);
        chrome.begin("browser_snapshot", json!({}));
        chrome.serve();
        assert_eq!(chrome.is_asked("DOMSnapshot.captureSnapshot"), arrived);
        // What the debugger tells by itself needs no asking.
        chrome.commit("L3", url);
        chrome.load();
        chrome.serve();
        assert!(chrome.is_asked("DOMSnapshot.captureSnapshot"));
        chrome.pages.handle_committed(TAB, url, chrome.now);
        chrome.drain();
        assert!(
            chrome.all("Page.getFrameTree").len() <= 1,
            "of the snapshot"
        );
    }
}
