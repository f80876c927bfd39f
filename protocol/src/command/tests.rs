use super::*;
use crate::error::ErrorCode;
use serde_json::json;

fn code(name: &str, payload: &Value) -> ErrorCode {
    Command::decode(name, payload).unwrap_err().code()
}

#[test]
fn every_name_decodes_with_its_smallest_payload() {
    let payloads = [
        json!({"url": "https://a"}),
        json!(null),
        json!({}),
        json!({"target": "e1"}),
        json!({"target": "e1", "text": ""}),
        json!({"key": "a"}),
        json!({"target": "e1"}),
        json!({"deltaX": 1}),
        json!({"target": "e1", "values": []}),
        json!({"function": "() => 1"}),
        json!({"time": 0}),
        json!({}),
        json!({"accept": true}),
        json!({}),
        json!({}),
        json!({"action": "list"}),
        json!({}),
    ];
    for (name, payload) in NAMES.iter().zip(&payloads) {
        assert!(Command::decode(name, payload).is_ok(), "{name}");
    }
}

#[test]
fn an_unknown_name_or_argument_is_said_to_be_so() {
    let fault = Command::decode("browser_fly", &json!({})).unwrap_err();
    assert!(fault.message().contains("browser_fly"));
    let fault =
        Command::decode("browser_click", &json!({"target": "e1", "tagret": 1})).unwrap_err();
    assert!(fault.message().contains("tagret"));
}

#[test]
fn a_ref_may_be_called_ref() {
    let Ok(Command::Click(click)) = Command::decode("browser_click", &json!({"ref": "e1"})) else {
        panic!("a click")
    };
    assert_eq!(click.target, Target("e1".into()));
}

#[test]
fn a_refused_url_is_refused_in_every_command_that_takes_one() {
    for url in [
        "javascript:alert(1)",
        "chrome://settings",
        "file:///etc/passwd",
        "data:text/html,x",
    ] {
        assert_eq!(
            code("browser_navigate", &json!({"url": url})),
            ErrorCode::UrlRefused
        );
        let new = json!({"action": "new", "url": url});
        assert_eq!(code("browser_tabs", &new), ErrorCode::UrlRefused);
    }
}

#[test]
fn bounds_are_kept() {
    for (name, payload) in [
        ("browser_navigate", json!({})),
        (
            "browser_navigate",
            json!({"url": "https://a", "action": "back"}),
        ),
        (
            "browser_evaluate",
            json!({"function": "1", "timeoutMs": 30_001}),
        ),
        ("browser_evaluate", json!({"function": "1", "timeoutMs": 0})),
        ("browser_evaluate", json!({"function": "  "})),
        ("browser_wait_for", json!({})),
        ("browser_wait_for", json!({"time": 271})),
        ("browser_wait_for", json!({"time": -1})),
        ("browser_wait_for", json!({"text": ""})),
        (
            "browser_take_screenshot",
            json!({"fullPage": true, "target": "e1"}),
        ),
        ("browser_tabs", json!({"action": "select"})),
        ("browser_tabs", json!({"action": "handoff"})),
        ("browser_tabs", json!({"action": "release", "after": 0})),
        ("browser_tabs", json!({"action": "release", "after": 301})),
        ("browser_tabs", json!({"action": "list", "tabId": 1})),
        ("browser_tabs", json!({"action": "close", "activate": true})),
        ("browser_press_key", json!({"key": "Entre"})),
        ("browser_hover", json!({"target": ""})),
        ("browser_mouse_wheel", json!({})),
        ("browser_mouse_wheel", json!({"deltaX": 0, "deltaY": 0})),
        ("browser_mouse_wheel", json!({"deltaY": 100_001})),
        ("browser_mouse_wheel", json!({"deltaY": "1"})),
        ("browser_mouse_wheel", json!({"target": "", "deltaY": 1})),
        ("browser_select_option", json!({"target": "e1"})),
        (
            "browser_select_option",
            json!({"target": "e1", "values": vec!["x"; 101]}),
        ),
        ("browser_console_messages", json!({"level": "loud"})),
        ("browser_network_requests", json!({"static": "yes"})),
        ("browser_click", json!({"target": ""})),
        ("browser_click", json!({"target": "e".repeat(129)})),
        ("browser_snapshot", json!([])),
    ] {
        assert_eq!(
            code(name, &payload),
            ErrorCode::BadArguments,
            "{name} {payload}"
        );
    }
}

#[test]
fn an_argument_of_a_wrong_type_is_named() {
    for (name, payload, told) in [
        (
            "browser_click",
            json!({"target": 7}),
            "`target`: invalid type",
        ),
        (
            "browser_click",
            json!({"button": "left", "target": {}}),
            "`target`",
        ),
        ("browser_navigate", json!({"url": ["http://a/"]}), "`url`"),
        (
            "browser_wait_for",
            json!({"text": "x", "time": "2"}),
            "`time`",
        ),
        (
            "browser_select_option",
            json!({"target": "e1", "values": "x"}),
            "`values`",
        ),
        (
            "browser_evaluate",
            json!({"function": "1", "timeoutMs": -1}),
            "`timeoutMs`",
        ),
        ("browser_tabs", json!({"action": "new", "url": 7}), "`url`"),
    ] {
        let fault = Command::decode(name, &payload).unwrap_err();
        let message = fault.message();
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn what_acts_is_never_called_read_only() {
    for (name, payload, reads) in [
        ("browser_click", json!({"target": "e1"}), false),
        ("browser_evaluate", json!({"function": "1"}), false),
        ("browser_tabs", json!({"action": "new"}), false),
        ("browser_tabs", json!({"action": "list"}), true),
        ("browser_snapshot", json!({}), true),
        ("browser_press_key", json!({"key": "a"}), false),
        ("browser_hover", json!({"target": "e1"}), false),
        ("browser_mouse_wheel", json!({"deltaY": 300}), false),
        (
            "browser_select_option",
            json!({"target": "e1", "values": ["x"]}),
            false,
        ),
        ("browser_console_messages", json!({}), false),
        ("browser_network_requests", json!({}), true),
    ] {
        assert_eq!(
            Command::decode(name, &payload).unwrap().reads_only(),
            reads,
            "{name}"
        );
    }
}
