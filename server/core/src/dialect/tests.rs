//! The transcripts of `protocol/tests/golden/v1/extension`: what an agent asks, what an extension of
//! the original is asked then, what it replies, and what the agent gets.

use super::*;
use protocol::command::NAMES;
use protocol::frame::SessionOpen;
use protocol::limits::FRAME_MAX;
use std::path::Path;

const INSTANCE: &str = "27262-a3338dbf494c7892-1795230983135";

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

/// At a time that does not matter.
impl V1 {
    fn takes(&mut self, frame: &Frame) -> Vec<Step> {
        self.hear_frame(frame, Instant(0))
    }

    fn replied(&mut self, text: &str) -> Vec<Step> {
        self.hear_text(text, FRAME_MAX, Instant(0))
    }
}

/// One that has opened the session.
fn peer() -> V1 {
    let mut v1 = V1::new(INSTANCE.into(), 8765);
    let open = Frame::SessionOpen(SessionOpen {
        session_id: session(),
        resume_token: "t".into(),
        label: "claude".into(),
        standby: false,
    });
    let steps = v1.takes(&open);
    let [Step::Hear(frame)] = &steps[..] else {
        panic!("{steps:?}");
    };
    assert!(matches!(&**frame, Frame::SessionOpened(opened) if opened.outcome == Opened::New));
    v1
}

fn command(wire: &str, said: &Value) -> Frame {
    let name = said["name"].as_str().unwrap();
    let wire_id = WireId::new(wire).unwrap();
    let mut envelope = Envelope::command(wire_id, session(), name, said["payload"].clone());
    envelope.tab_id = tab_in(&said["tabId"]);
    Frame::Command(envelope)
}

fn cancel(wire: &str) -> Frame {
    Frame::Cancel {
        wire_id: WireId::new(wire).unwrap(),
    }
}

fn click(tab: u32) -> Value {
    json!({"name": "browser_click", "payload": {"target": "e1"}, "tabId": tab})
}

/// What an extension replies to `request`.
fn reply(request: &Value, payload: &Value) -> String {
    json!({"id": request["id"], "type": "x", "payload": payload}).to_string()
}

fn said(steps: &mut Vec<Step>) -> Value {
    match steps.remove(0) {
        Step::Say(text) => serde_json::from_str(&text).unwrap(),
        Step::Hear(_) | Step::Bad => panic!("something said was expected"),
    }
}

fn answer(steps: &mut Vec<Step>) -> Envelope {
    let Step::Hear(frame) = steps.remove(0) else {
        panic!("an answer expected: {steps:?}");
    };
    let Frame::Response(envelope) = *frame else {
        panic!("an answer expected: {frame:?}");
    };
    envelope
}

fn code(envelope: &Envelope) -> Option<&'static str> {
    match &envelope.body {
        Body::Error(error) => Some(error.code.as_str()),
        Body::Data(_) | Body::Payload(_) => None,
    }
}

#[test]
fn every_transcript_of_an_extension_comes_out_to_the_letter() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../protocol/tests/golden/v1/extension");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let transcript: Vec<Value> = serde_json::from_str(&text).unwrap();
        let (mut v1, mut steps) = (peer(), Vec::new());
        for line in &transcript {
            let (what, line) = line.as_object().unwrap().iter().next().unwrap();
            match what.as_str() {
                "knows" => v1.learn(tab_in(line)),
                "command" => {
                    names.insert(line["name"].as_str().unwrap().to_owned());
                    steps = v1.takes(&command("w", line));
                }
                "request" => assert_eq!(said(&mut steps), *line, "{name}"),
                "reply" => steps = v1.replied(&line.to_string()),
                "answer" => {
                    let envelope = answer(&mut steps);
                    assert_eq!(json!(envelope.tab_id), line["tabId"], "{name}");
                    assert_eq!(json!(code(&envelope)), line["code"], "{name}");
                    if let Body::Data(data) = envelope.body {
                        assert_eq!(data, line["data"], "{name}");
                    }
                }
                other => panic!("{name}: {other}"),
            }
        }
        assert!(
            steps.is_empty() && v1.running.is_none(),
            "{name}: {steps:?}"
        );
    }
    for name in NAMES {
        assert!(names.contains(*name), "{name} has no transcript");
    }
}

#[test]
fn it_is_asked_one_thing_at_a_time_and_late_replies_change_nothing() {
    let mut v1 = peer();
    v1.learn(Some(TabId(7)));
    let snapshot = json!({"name": "browser_snapshot", "payload": {}});
    let first = said(&mut v1.takes(&command("one", &snapshot)));
    assert!(v1.takes(&command("two", &snapshot)).is_empty());
    let reply = |id: &Value| {
        json!({"id": id, "type": "x", "payload": {"snapshot": "s", "tabId": 7}}).to_string()
    };
    for late in [json!(0), json!(99), json!("1"), json!(null)] {
        assert!(v1.replied(&reply(&late)).is_empty(), "{late}");
    }
    let mut steps = v1.replied(&reply(&first["id"]));
    assert_eq!(answer(&mut steps).wire_id.as_str(), "one");
    let second = said(&mut steps);
    assert_ne!(second["id"], first["id"]);
    assert!(v1.replied(&reply(&first["id"])).is_empty());
    let mut steps = v1.replied(&reply(&second["id"]));
    assert_eq!(answer(&mut steps).wire_id.as_str(), "two");
}

#[test]
fn a_call_that_is_given_up_holds_up_no_other_in_its_tab() {
    let mut v1 = peer();
    v1.learn(Some(TabId(7)));
    let click = json!({"name": "browser_click", "payload": {"target": "el_1"}});
    for wire in ["one", "two", "three"] {
        v1.takes(&command(wire, &click));
    }
    let mut steps = v1.takes(&cancel("two"));
    assert_eq!(code(&answer(&mut steps)), Some("cancelled"));
    assert!(steps.is_empty(), "one still runs");
    let mut steps = v1.takes(&cancel("one"));
    let Body::Error(error) = answer(&mut steps).body else {
        panic!("cancelled");
    };
    assert!(error.message.contains("may still happen"), "{error}");
    assert_eq!(said(&mut steps)["id"], 2, "three is next");
    assert!(v1.takes(&cancel("two")).is_empty());
}

/// It knows tabs 7, the current one, and 8, and was asked for this by a call that was cancelled.
fn left_with(command_of_it: &Value) -> (V1, Value) {
    let mut v1 = peer();
    v1.learn(Some(TabId(8)));
    v1.learn(Some(TabId(7)));
    let left = said(&mut v1.takes(&command("left", command_of_it)));
    v1.takes(&cancel("left"));
    (v1, left)
}

fn new_tab() -> Value {
    json!({"name": "browser_tabs", "payload": {"action": "new", "url": "http://a/"}})
}

#[test]
fn nothing_is_asked_of_a_tab_while_what_was_cancelled_may_lead_elsewhere() {
    let (mut v1, left) = left_with(&new_tab());
    assert!(v1.takes(&command("one", &click(7))).is_empty());
    let mut steps = v1.replied(&reply(&left, &json!({"tabId": 9})));
    let select = said(&mut steps);
    assert_eq!(select["type"], "tabs.select", "it is in 9 now");
    let acts = said(&mut v1.replied(&reply(&select, &json!({}))));
    assert_eq!(acts["type"], "dom.click");
}

#[test]
fn nothing_is_asked_of_another_tab_while_what_was_cancelled_is_under_way() {
    let (mut v1, left) = left_with(&click(7));
    assert!(v1.takes(&command("one", &click(8))).is_empty());
    let mut list = v1.takes(&command(
        "two",
        &json!({"name": "browser_session", "payload": {}}),
    ));
    assert!(list.is_empty(), "in order of arrival: {list:?}");
    list.extend(v1.replied(&reply(&left, &json!({}))));
    assert_eq!(said(&mut list)["payload"], json!({"tabId": 8}));
}

#[test]
fn what_is_never_replied_to_holds_up_other_tabs_for_twenty_seconds() {
    let (mut v1, left) = left_with(&click(7));
    assert_eq!(v1.poll_timeout(), None, "nothing waits for it");
    let waiting = command("one", &click(8));
    assert!(v1.hear_frame(&waiting, Instant(5_000)).is_empty());
    assert_eq!(v1.poll_timeout(), Some(Instant(20_000)));
    assert!(v1.hear_time(Instant(19_999)).is_empty());
    let select = said(&mut v1.hear_time(Instant(20_000)));
    assert_eq!(select["payload"], json!({"tabId": 8}));
    assert_eq!(v1.poll_timeout(), None);
    let acts = said(&mut v1.replied(&reply(&select, &json!({}))));
    v1.replied(&reply(&acts, &json!({"success": true})));
    // It is done after all: nobody knows where that left the extension.
    v1.replied(&reply(&left, &json!({})));
    let next = said(&mut v1.takes(&command("two", &click(8))));
    assert_eq!(next["type"], "tabs.select");
}

#[test]
fn of_requests_that_are_never_replied_to_few_are_remembered() {
    let mut v1 = peer();
    v1.learn(Some(TabId(7)));
    let mut asked = 0;
    for call in 0..1_000 {
        let wire = format!("w{call}");
        asked += v1.takes(&command(&wire, &click(7))).len();
        v1.takes(&cancel(&wire));
    }
    assert_eq!(asked, 64, "then it is given time");
    let waiting = v1.takes(&command("late", &click(7)));
    assert!(waiting.is_empty() && v1.poll_timeout() == Some(Instant(20_000)));
    assert_eq!(v1.hear_time(Instant(20_000)).len(), 1);
}

#[test]
fn a_tab_that_a_cancelled_call_made_is_known_and_one_that_it_closed_is_not() {
    let (mut v1, left) = left_with(&new_tab());
    v1.replied(&reply(&left, &json!({"tabId": 9})));
    assert!(v1.own.contains(&TabId(9)));
    let close = json!({"name": "browser_tabs", "payload": {"action": "close", "tabId": 7}});
    let (mut v1, left) = left_with(&close);
    let list = json!({"name": "browser_tabs", "payload": {"action": "list"}});
    let listed = said(&mut v1.takes(&command("one", &list)));
    let tabs = json!({"tabs": [{"id": 8, "url": "http://a/"}]});
    v1.replied(&reply(&listed, &tabs));
    v1.replied(&reply(&left, &json!({"success": true, "tabId": 7})));
    assert!(!v1.own.contains(&TabId(7)));
}

#[test]
fn a_waiting_call_that_is_given_up_lets_the_next_go() {
    let (mut v1, _) = left_with(&click(7));
    assert!(v1.takes(&command("one", &click(8))).is_empty());
    assert!(v1.takes(&command("two", &click(7))).is_empty());
    let mut steps = v1.takes(&cancel("one"));
    assert_eq!(code(&answer(&mut steps)), Some("cancelled"));
    assert_eq!(said(&mut steps)["type"], "tabs.select", "7 is free");
}

fn list() -> Value {
    json!({"name": "browser_tabs", "payload": {"action": "list"}})
}

#[test]
fn what_leads_nowhere_takes_no_room_of_what_may_lead_astray() {
    let (mut v1, _) = left_with(&click(7));
    let mut last = Value::Null;
    for call in 0..64 {
        let wire = format!("w{call}");
        last = said(&mut v1.takes(&command(&wire, &list())));
        v1.takes(&cancel(&wire));
    }
    v1.replied(&reply(&last, &json!({"tabs": []})));
    let steps = v1.takes(&command("other", &click(8)));
    assert!(steps.is_empty(), "the click in 7 is under way: {steps:?}");
}

#[test]
fn a_tab_that_a_cancelled_call_makes_is_in_the_next_list() {
    let (mut v1, left) = left_with(&new_tab());
    assert!(v1.takes(&command("list", &list())).is_empty());
    let asked = said(&mut v1.replied(&reply(&left, &json!({"tabId": 9}))));
    assert_eq!(asked["type"], "tabs.list");
    v1.replied(&reply(&asked, &json!({"tabs": [{"id": 7}, {"id": 9}]})));
    assert_eq!(v1.own, BTreeSet::from([TabId(7), TabId(9)]));
}

#[test]
fn it_is_told_the_ports_when_it_asks_and_not_otherwise() {
    let mut v1 = peer();
    let list = Frame::PortListResponse {
        ports: vec![json!(8765)],
    };
    assert!(v1.takes(&list).is_empty());
    let steps = v1.replied(r#"{"type":"portListRequest"}"#);
    assert_eq!(steps, [hear(Frame::PortListRequest {})]);
    let mut steps = v1.takes(&list);
    let ports = json!({"type": "portListResponse", "ports": [8765]});
    assert_eq!(said(&mut steps), ports);
    assert!(v1.takes(&list).is_empty());
}
