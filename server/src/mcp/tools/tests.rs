use super::*;
use protocol::error::ErrorCode;
use std::collections::BTreeSet;

fn prepared(name: &str, arguments: Value) -> Result<Prepared, Fault> {
    let Value::Object(arguments) = arguments else {
        panic!("arguments are an object")
    };
    prepare(name, arguments).expect("a tool")
}

/// Arguments that are good in themselves, to which one property at a time is added.
fn ground(name: &str, property: &str) -> Value {
    match (name, property) {
        ("browser_navigate", "action") => json!({}),
        ("browser_navigate", _) => json!({"url": "https://a.test"}),
        ("browser_click", _) => json!({"target": "e1"}),
        ("browser_type", _) => json!({"target": "e1", "text": "x"}),
        ("browser_press_key", _) => json!({"key": "a"}),
        ("browser_hover", _) => json!({"target": "e1"}),
        ("browser_mouse_wheel", _) => json!({"deltaY": 100}),
        ("browser_select_option", _) => json!({"target": "e1", "values": ["x"]}),
        ("browser_wait_for", _) => json!({"time": 1}),
        ("browser_evaluate", _) => json!({"function": "() => 1"}),
        ("browser_handle_dialog", _) => json!({"accept": true}),
        ("browser_tabs", "url" | "activate") => json!({"action": "new"}),
        ("browser_tabs", "to") => json!({"action": "handoff"}),
        ("browser_tabs", "after") => json!({"action": "release"}),
        ("browser_tabs", "tabId") => json!({"action": "select"}),
        ("browser_tabs", _) => json!({"action": "list"}),
        _ => json!({}),
    }
}

fn good_value(name: &str, property: &str, schema: &Value) -> Value {
    match (name, property) {
        ("browser_navigate" | "browser_tabs", "url") => json!("https://b.test"),
        ("browser_navigate", "action") => json!("reload"),
        _ => match schema["type"].as_str() {
            Some("string") if schema.get("enum").is_some() => schema["enum"][0].clone(),
            Some("string") => json!("x"),
            Some("integer" | "number") => json!(3),
            Some("boolean") => json!(true),
            Some("array") if schema["items"].get("enum").is_none() => json!(["x"]),
            Some("array") => json!([schema["items"]["enum"][0]]),
            other => panic!("{name}.{property} has type {other:?}"),
        },
    }
}

fn with(mut arguments: Value, property: &str, value: Value) -> Value {
    arguments[property] = value;
    arguments
}

fn properties(tool: &Tool) -> &Map<String, Value> {
    tool.input_schema["properties"].as_object().unwrap()
}

#[test]
fn every_command_has_a_tool_and_every_tool_a_command() {
    let tools: BTreeSet<_> = all().iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(tools, NAMES.iter().copied().collect());
    assert_eq!(tools.len(), all().len());
}

#[test]
fn a_good_value_of_every_property_decodes_and_a_wrong_type_does_not() {
    for tool in all() {
        for (property, schema) in properties(tool) {
            let name = &tool.name;
            let ground = ground(name, property);
            let good = with(ground.clone(), property, good_value(name, property, schema));
            if let Err(fault) = prepared(name, good.clone()) {
                panic!("{name} refuses {good}: {}", fault.message());
            }
            let bad = with(ground, property, json!({"no": "such type"}));
            let fault = prepared(name, bad).expect_err(property);
            assert_eq!(fault.code(), ErrorCode::BadArguments, "{name}.{property}");
        }
    }
}

#[test]
fn every_word_of_every_list_decodes() {
    for tool in all() {
        for (property, schema) in properties(tool) {
            for word in schema["enum"].as_array().into_iter().flatten() {
                let name = tool.name.as_ref();
                let arguments = match (name, property.as_str(), word.as_str()) {
                    ("browser_navigate", "action", Some("goto")) => {
                        json!({"url": "https://a.test"})
                    }
                    ("browser_tabs", "action", Some("select")) => json!({"tabId": 1}),
                    ("browser_tabs", "action", Some("handoff")) => json!({"to": "a1"}),
                    _ => ground(name, property),
                };
                let arguments = with(arguments, property, word.clone());
                assert!(
                    prepared(name, arguments).is_ok(),
                    "{name} {property} {word}"
                );
            }
        }
    }
}

#[test]
fn what_is_required_is_missed_and_what_is_unknown_is_named() {
    for tool in all() {
        let required = tool.input_schema.get("required").and_then(Value::as_array);
        for property in required.into_iter().flatten().filter_map(Value::as_str) {
            let mut arguments = ground(&tool.name, property);
            arguments.as_object_mut().unwrap().remove(property);
            let fault = prepared(&tool.name, arguments).expect_err(property);
            assert!(fault.message().contains(property), "{}", fault.message());
        }
        let unknown = with(ground(&tool.name, ""), "tagret", json!(1));
        let fault = prepared(&tool.name, unknown).expect_err("an unknown argument");
        assert!(fault.message().contains("tagret"), "{}", fault.message());
    }
}

#[test]
fn schemas_hold_nothing_that_strict_clients_refuse() {
    fn check(at: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    let forbidden = ["format", "$ref", "$schema", "anyOf", "oneOf", "default"];
                    assert!(!forbidden.contains(&key.as_str()), "{at}: {key}");
                    if key == "type" {
                        assert!(value.is_string(), "{at}: a union of types");
                    }
                    check(at, value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| check(at, item)),
            Value::Null => panic!("{at}: null"),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    for tool in all() {
        assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
        assert_eq!(tool.input_schema["additionalProperties"], false);
        // A property may be called `type`; the schemas themselves are looked at one by one.
        for (property, schema) in properties(tool) {
            check(&format!("{}.{property}", tool.name), schema);
        }
        assert!(tool.output_schema.is_none());
    }
}

#[test]
fn every_tool_has_a_title_and_all_four_hints() {
    for tool in all() {
        let hints = tool.annotations.as_ref().unwrap();
        assert!(tool.title.is_some() && hints.title == tool.title);
        let (Some(reads), Some(destroys), Some(_), Some(_)) = (
            hints.read_only_hint,
            hints.destructive_hint,
            hints.idempotent_hint,
            hints.open_world_hint,
        ) else {
            panic!("{} lacks a hint", tool.name)
        };
        assert!(!(reads && destroys), "{}", tool.name);
    }
}

#[test]
fn what_the_protocol_calls_read_only_is_what_clients_are_told() {
    for tool in all() {
        // Their hints speak for all that they can do, the console's for the page.
        let others = [
            "browser_tabs",
            "browser_session",
            "browser_console_messages",
        ];
        if others.contains(&tool.name.as_ref()) {
            continue;
        }
        let mut arguments = ground(&tool.name, "");
        if tool.name == "browser_navigate" {
            arguments = json!({"action": "reload"});
        }
        let command = prepared(&tool.name, arguments).unwrap().command;
        let hint = tool.annotations.as_ref().unwrap().read_only_hint;
        assert_eq!(hint, Some(command.reads_only()), "{}", tool.name);
    }
}

#[test]
fn tab_wait_and_filename_do_not_travel_as_arguments() {
    let shot = json!({"tabId": 7, "wait": 1.5, "filename": "a.png", "type": "png"});
    let shot = prepared("browser_take_screenshot", shot).unwrap();
    assert_eq!(shot.request.tab, Some(TabId(7)));
    assert_eq!(shot.request.wait_ms, Some(1500));
    assert_eq!(shot.filename.as_deref(), Some("a.png"));
    assert_eq!(shot.request.payload, json!({"type": "png"}));
    let tabs = prepared("browser_tabs", json!({"action": "close", "tabId": 7})).unwrap();
    assert_eq!(tabs.request.tab, None);
    assert_eq!(tabs.request.payload["tabId"], 7);
}

#[test]
fn the_browser_to_move_to_is_handed_to_the_session() {
    let session = prepared("browser_session", json!({"browser": "Work"})).unwrap();
    assert_eq!(session.request.payload, json!({"browser": "Work"}));
    let session = prepared("browser_session", json!({})).unwrap();
    assert_eq!(session.request.payload, json!({}));
}

#[test]
fn a_wait_out_of_bounds_is_refused() {
    for wait in [json!(-1), json!(300.5), json!("30")] {
        let fault = prepared("browser_snapshot", json!({"wait": wait})).expect_err("bounds");
        assert_eq!(fault.code(), ErrorCode::BadArguments);
    }
    assert!(prepared("browser_snapshot", json!({"wait": 300})).is_ok());
    assert!(prepared("browser_session", json!({"wait": 1})).is_err());
}

#[test]
fn null_is_an_argument_left_out() {
    let click = json!({"target": "e1", "button": null, "tabId": null, "wait": null});
    let click = prepared("browser_click", click).unwrap();
    assert_eq!(click.request.payload, json!({"target": "e1"}));
}

#[test]
fn a_script_that_may_last_gets_a_longer_deadline_and_a_wait_has_its_own() {
    let deadline = |name, arguments| prepared(name, arguments).unwrap().request.deadline_ms;
    assert_eq!(deadline("browser_wait_for", json!({"time": 60})), None);
    assert_eq!(
        deadline(
            "browser_evaluate",
            json!({"function": "1", "timeoutMs": 30_000})
        ),
        Some(60_000)
    );
    assert_eq!(deadline("browser_snapshot", json!({})), None);
}

#[test]
fn the_list_of_tools_stays_small() {
    let bytes = serde_json::to_vec(all()).unwrap().len();
    assert!(bytes <= 12 * 1024, "{bytes} bytes of 12 KB");
}

#[test]
fn no_key_is_offered_at_which_only_the_browser_acts() {
    // A page hears F5 like any key, and is not loaded again: that is browser_navigate.
    let tools = serde_json::to_string(&all()).unwrap();
    assert!(tools.contains("ArrowDown") && !tools.contains("F5"));
}
