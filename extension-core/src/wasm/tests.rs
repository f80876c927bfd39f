//! What Chrome's objects become, and what the core's values become, in a JavaScript engine.
//! `cargo test -p interlock-extension-core --lib --target wasm32-unknown-unknown`, with the runner
//! of `tools/wasm-bindgen`.

use super::{convert, events, facade, log, probe, socket, storage};
use crate::dialect::Dialect;
use crate::input::{BrowserEvent, DetachReason, ProbeAnswer};
use crate::links::UNPAIRED_FRAME_MAX;
use crate::view::{InstanceState, InstanceView, TabView, View};
use js_sys::{Array, JSON, Map, Reflect};
use protocol::limits::{FRAME_MAX, HANDSHAKE_FRAME_MAX};
use protocol::{Alias, SessionId, TabId};
use serde_json::json;
use std::collections::BTreeMap;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

fn js(text: &str) -> JsValue {
    JSON::parse(text).unwrap()
}

fn event(name: &str, arguments: &str) -> Option<BrowserEvent> {
    events::browser_event(name, js(arguments).unchecked_ref::<Array>())
}

#[wasm_bindgen_test]
fn a_debugger_error_is_its_inner_message() {
    let inner = js_sys::Error::new(r#"{"code":-32000,"message":"No node with given id found"}"#);
    let plain = js_sys::Error::new("No tab with id: 7.");
    assert_eq!(
        convert::chrome_error(&inner).message,
        "No node with given id found"
    );
    assert_eq!(convert::chrome_error(&plain).message, "No tab with id: 7.");
    assert_eq!(convert::chrome_error(&"thrown".into()).message, "thrown");
}

#[wasm_bindgen_test]
fn what_json_cannot_hold_is_null() {
    let cycle = js_sys::Object::new();
    Reflect::set(&cycle, &"me".into(), &cycle).unwrap();
    assert_eq!(convert::to_json(&JsValue::UNDEFINED), json!(null));
    assert_eq!(convert::to_json(&cycle), json!(null));
    assert_eq!(convert::to_json(&js_sys::Function::default()), json!(null));
    assert_eq!(convert::to_json(&js("1201593508")), json!(1_201_593_508));
}

/// Arrays in arrays, deeper than serde_json reads.
fn deep() -> JsValue {
    js(&format!("{}{}", "[".repeat(200), "]".repeat(200)))
}

#[wasm_bindgen_test]
fn an_entity_nested_too_deep_is_null_under_its_key_and_hides_no_other() {
    let stored = js(r#"{"tab/7":{"v":1,"e":{"url":"u"}},"paused":{"v":1,"e":true}}"#);
    Reflect::set(&stored, &"call/deep".into(), &deep()).unwrap();
    let read = storage::entities(&stored);
    assert_eq!(read.len(), 3);
    assert_eq!(read["tab/7"], json!({"v": 1, "e": {"url": "u"}}));
    assert_eq!(read["paused"], json!({"v": 1, "e": true}));
    assert_eq!(read["call/deep"], json!(null));
    assert!(storage::entities(&JsValue::NULL).is_empty());
}

/// A store that takes, or refuses, each of its two calls.
fn store_that_takes(set: bool, remove: bool) {
    let answer = |taken| {
        if taken {
            "resolve()"
        } else {
            "reject(Error('full'))"
        }
    };
    let call = |name, taken| {
        let answer = answer(taken);
        format!("{name}: (what) => {{ asked.push('{name}', what); return Promise.{answer}; }}")
    };
    let calls = [("set", set), ("remove", remove), ("clear", true)];
    let calls = calls.map(|(name, taken)| call(name, taken)).join(", ");
    let store =
        format!("globalThis.asked = []; globalThis.chrome = {{storage: {{local: {{{calls}}}}}}};");
    js_sys::eval(&store).unwrap();
}

/// What such a store was asked, and with what.
fn asked() -> serde_json::Value {
    convert::to_json(&js_sys::eval("asked").unwrap())
}

/// In which order it is asked, and what becomes of a write that is both.
async fn written(set: bool, remove: bool) -> (String, Option<bool>) {
    store_that_takes(set, remove);
    let gone = [("new".to_owned(), json!(1)), ("old".to_owned(), json!(0))];
    let ok = storage::write(&gone.into(), &["old".to_owned()]).await;
    let asked = js_sys::eval("asked.filter((one) => typeof one === 'string').join()").unwrap();
    (asked.as_string().unwrap(), ok)
}

#[wasm_bindgen_test]
async fn what_is_kept_of_the_whole_store_is_in_it_before_anything_goes() {
    let stored = BTreeMap::from([("old".to_owned(), json!(1)), ("kept".to_owned(), json!(2))]);
    let kept = BTreeMap::from([("kept".to_owned(), json!(3))]);
    let set = json!(["set", {"kept": 3, "old": {"v": 1, "gone": true}}]);
    store_that_takes(false, true);
    assert!(storage::replace_all(&stored, &kept).await.is_err());
    assert_eq!(asked(), set);
    store_that_takes(true, true);
    assert!(storage::replace_all(&stored, &kept).await.is_ok());
    assert_eq!(asked(), json!([set[0], set[1], "remove", ["old"]]));
}

#[wasm_bindgen_test]
async fn nothing_is_removed_before_the_store_has_taken_what_is_set() {
    let refused = ("set".to_owned(), Some(false));
    assert_eq!(written(false, true).await, refused);
    let both = ("set,remove".to_owned(), Some(true));
    assert_eq!(written(true, true).await, both);
    assert_eq!(written(true, false).await, both);
}

#[wasm_bindgen_test]
fn an_answer_nested_too_deep_is_an_error_and_no_empty_answer() {
    let error = convert::answer(&deep()).unwrap_err();
    assert_eq!(error.message, "the answer is nested too deep");
    assert_eq!(convert::answer(&JsValue::UNDEFINED), Ok(json!(null)));
    assert_eq!(convert::answer(&JsValue::NULL), Ok(json!(null)));
    assert_eq!(convert::answer(&js(r#"{"a":[1]}"#)), Ok(json!({"a": [1]})));
}

#[wasm_bindgen_test]
fn what_nobody_reads_of_an_answer_is_not_brought_home() {
    let documents = json!([
        {"textBoxes": {"bounds": [0.5]}, "layout": {"bounds": [[0.5]], "styles": [[1]]}},
        {"layout": null},
        7,
    ]);
    let value = js(&json!({"documents": documents, "strings": ["x"]}).to_string());
    for path in crate::pages::unread("DOMSnapshot.captureSnapshot") {
        convert::leave_out(&value, path);
    }
    let left = json!([{"layout": {"styles": [[1]]}}, {"layout": null}, 7]);
    assert_eq!(
        convert::answer(&value),
        Ok(json!({"documents": left, "strings": ["x"]}))
    );
    convert::leave_out(&JsValue::UNDEFINED, &["documents"]);
    convert::leave_out(&JsValue::NULL, &["documents"]);
}

#[wasm_bindgen_test]
fn a_message_that_is_too_large_is_not_copied_and_the_handshake_has_a_lower_bound() {
    let of = |length: usize| JsValue::from_str(&"x".repeat(length));
    let small = HANDSHAKE_FRAME_MAX;
    for (length, dialect, short, passes) in [
        (small, Dialect::V2, true, true),
        (small + 1, Dialect::V2, true, false),
        (small + 1, Dialect::V1, true, false),
        (small + 1, Dialect::V2, false, true),
        (FRAME_MAX, Dialect::V2, false, true),
        (FRAME_MAX + 1, Dialect::V2, false, false),
        (UNPAIRED_FRAME_MAX, Dialect::V1, false, true),
        (UNPAIRED_FRAME_MAX + 1, Dialect::V1, false, false),
    ] {
        let text = socket::frame(&of(length), socket::frame_max(dialect, short));
        assert_eq!(
            text.is_some(),
            passes,
            "{length}, {dialect:?}, short: {short}"
        );
    }
    assert_eq!(socket::frame(&js_sys::ArrayBuffer::new(4), FRAME_MAX), None);
}

#[wasm_bindgen_test]
fn objects_for_chrome_are_plain_and_no_maps() {
    let object = convert::to_js(&json!({"active": false, "windowId": 3}));
    assert!(!object.is_instance_of::<Map>());
    assert_eq!(
        Reflect::get(&object, &"windowId".into()).unwrap(),
        JsValue::from(3)
    );
}

#[wasm_bindgen_test]
fn a_tab_is_read_by_the_fields_that_matter_and_the_others_may_miss() {
    let tab = js(
        r#"{"id":1201593508,"windowId":4,"active":true,"title":"T","favIconUrl":"data:x",
        "mutedInfo":{"muted":false},"status":"complete","groupId":-1,"incognito":false}"#,
    );
    // As Chrome gives it for a field that it does not fill.
    Reflect::set(&tab, &"url".into(), &JsValue::UNDEFINED).unwrap();
    let facts = events::tab_facts(&tab).unwrap();
    assert_eq!(facts.tab(), Some(TabId(1_201_593_508)));
    assert_eq!((facts.window_id, facts.group_id), (4, -1));
    assert_eq!((facts.url.as_str(), facts.title.as_str()), ("", "T"));
}

#[wasm_bindgen_test]
fn a_window_of_devtools_is_no_tab() {
    assert!(event("tabs.onCreated", r#"[{"id":-1,"windowId":4}]"#).is_none());
}

#[wasm_bindgen_test]
fn only_commits_of_the_main_frame_count() {
    let commit = |frame: i32| {
        event(
            "webNavigation.onCommitted",
            &format!(
                r#"[{{"tabId":5,"frameId":{frame},"url":"https://a.example/",
                "transitionType":"typed","transitionQualifiers":["from_address_bar"]}}]"#
            ),
        )
    };
    assert!(commit(3).is_none());
    let Some(BrowserEvent::Committed {
        tab,
        url,
        transition,
        qualifiers,
    }) = commit(0)
    else {
        panic!("no commit");
    };
    assert_eq!((tab, url.as_str()), (TabId(5), "https://a.example/"));
    assert_eq!((transition.as_str(), qualifiers.len()), ("typed", 1));
}

#[wasm_bindgen_test]
fn a_debugger_event_says_its_child_session() {
    let Some(BrowserEvent::Debugger {
        tab,
        session,
        method,
        params,
    }) = event(
        "debugger.onEvent",
        r#"[{"tabId":5,"sessionId":"S"},"Page.frameNavigated",{"frame":{"id":"F"}}]"#,
    )
    else {
        panic!("no event");
    };
    assert_eq!((tab, session.as_deref()), (TabId(5), Some("S")));
    assert_eq!(method, "Page.frameNavigated");
    assert_eq!(params, json!({"frame": {"id": "F"}}));
}

#[wasm_bindgen_test]
fn a_debugger_event_nested_too_deep_is_left_out_and_one_without_parameters_is_not() {
    let source = js(r#"{"tabId":5}"#);
    let told = |params: &JsValue| {
        let arguments = Array::of3(&source, &"Runtime.consoleAPICalled".into(), params);
        events::browser_event("debugger.onEvent", &arguments)
    };
    assert!(told(&deep()).is_none());
    let noted = |line: &String| line.contains("Runtime.consoleAPICalled is nested too deep");
    assert_eq!(log::lines().iter().filter(|line| noted(line)).count(), 1);
    for empty in [JsValue::UNDEFINED, JsValue::NULL] {
        let Some(BrowserEvent::Debugger { params, .. }) = told(&empty) else {
            panic!("no event");
        };
        assert_eq!(params, json!(null));
    }
}

#[wasm_bindgen_test]
fn what_the_debugger_says_of_no_tab_is_left_out() {
    assert!(event("debugger.onEvent", r#"[{"targetId":"W"},"X.y",{}]"#).is_none());
}

#[wasm_bindgen_test]
fn an_unknown_reason_to_detach_is_another() {
    let reason =
        |word: &str| match event("debugger.onDetach", &format!(r#"[{{"tabId":5}},"{word}"]"#)) {
            Some(BrowserEvent::Detached { reason, .. }) => reason,
            other => panic!("{other:?}"),
        };
    assert_eq!(reason("target_closed"), DetachReason::TargetClosed);
    assert_eq!(reason("canceled_by_user"), DetachReason::CanceledByUser);
    assert_eq!(reason("something_new"), DetachReason::Other);
}

#[wasm_bindgen_test]
fn only_our_own_answer_is_ours() {
    let understand = |text: &str| probe::understand(text.as_bytes());
    let ours = |daemon| ProbeAnswer::Interlock { daemon };
    assert_eq!(understand(protocol::ports::PROBE_ANSWER), ours(false));
    assert_eq!(understand(protocol::ports::PROBE_ANSWER_DAEMON), ours(true));
    let later = r#"{"interlock":1,"later":[]}"#;
    assert_eq!(understand(later), ours(false), "a field of a later version");
    for foreign in ["", "<html>", "{}", r#"{"interlock":2}"#, "1"] {
        assert_eq!(understand(foreign), ProbeAnswer::Foreign, "{foreign}");
    }
}

#[wasm_bindgen_test]
fn the_facade_shows_owners_and_who_waits() {
    let tab = |id, waiters: &[&str]| TabView {
        tab_id: TabId(id),
        title: String::new(),
        url: String::new(),
        made: true,
        current: false,
        turn: None,
        waiters: waiters.iter().map(|a| Alias((*a).to_owned())).collect(),
    };
    let instance = |id: &str, alias: &str, state, tabs| InstanceView {
        session_id: SessionId::new(id).unwrap(),
        alias: Alias(alias.to_owned()),
        label: String::new(),
        unpaired: false,
        state,
        port: Some(8765),
        since_ms: 0,
        idle_ms: 0,
        tabs,
    };
    let view = View {
        instances: vec![
            instance(
                "one",
                "a1",
                InstanceState::Connected,
                vec![tab(7, &["a2"]), tab(8, &[])],
            ),
            instance("two", "a2", InstanceState::Connected, vec![]),
            instance("lost", "a3", InstanceState::Orphaned, vec![]),
        ],
        ..View::default()
    };
    let read = |name| -> Map { facade::drawn(name, &view).unchecked_into() };
    assert_eq!(read("tabLocks").size(), 2);
    assert_eq!(
        convert::to_json(&read("tabLocks").get(&7.into())),
        json!("one")
    );
    assert_eq!(read("waitQueues").size(), 1);
    assert_eq!(
        convert::to_json(&read("waitQueues").get(&7.into())),
        json!(["two"])
    );
    let sockets = read("socketToInstance");
    assert_eq!(sockets.size(), 1);
    assert_eq!(
        convert::to_json(&sockets.get(&"ws://127.0.0.1:8765/".into())),
        json!(["one", "two"])
    );
    assert!(facade::drawn("nothing", &view).is_undefined());
}
