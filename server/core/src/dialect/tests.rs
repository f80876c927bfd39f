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

/// One that has opened the session.
fn peer() -> V1 {
    let mut v1 = V1::new(INSTANCE.into(), 8765);
    let open = Frame::SessionOpen(SessionOpen {
        session_id: session(),
        resume_token: "t".into(),
        label: "claude".into(),
        standby: false,
    });
    let steps = v1.hear_frame(&open);
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
                    steps = v1.hear_frame(&command("w", line));
                }
                "request" => assert_eq!(said(&mut steps), *line, "{name}"),
                "reply" => steps = v1.hear_text(&line.to_string(), FRAME_MAX),
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
    let first = said(&mut v1.hear_frame(&command("one", &snapshot)));
    assert!(v1.hear_frame(&command("two", &snapshot)).is_empty());
    let reply = |id: &Value| {
        json!({"id": id, "type": "x", "payload": {"snapshot": "s", "tabId": 7}}).to_string()
    };
    for late in [json!(0), json!(99), json!("1"), json!(null)] {
        assert!(v1.hear_text(&reply(&late), FRAME_MAX).is_empty(), "{late}");
    }
    let mut steps = v1.hear_text(&reply(&first["id"]), FRAME_MAX);
    assert_eq!(answer(&mut steps).wire_id.as_str(), "one");
    let second = said(&mut steps);
    assert_ne!(second["id"], first["id"]);
    assert!(v1.hear_text(&reply(&first["id"]), FRAME_MAX).is_empty());
    let mut steps = v1.hear_text(&reply(&second["id"]), FRAME_MAX);
    assert_eq!(answer(&mut steps).wire_id.as_str(), "two");
}

#[test]
fn a_call_that_is_given_up_holds_up_no_other() {
    let mut v1 = peer();
    v1.learn(Some(TabId(7)));
    let click = json!({"name": "browser_click", "payload": {"target": "el_1"}});
    for wire in ["one", "two", "three"] {
        v1.hear_frame(&command(wire, &click));
    }
    let cancel = |wire: &str| Frame::Cancel {
        wire_id: WireId::new(wire).unwrap(),
    };
    let mut steps = v1.hear_frame(&cancel("two"));
    assert_eq!(code(&answer(&mut steps)), Some("cancelled"));
    assert!(steps.is_empty(), "one still runs");
    let mut steps = v1.hear_frame(&cancel("one"));
    let Body::Error(error) = answer(&mut steps).body else {
        panic!("cancelled");
    };
    assert!(error.message.contains("may still happen"), "{error}");
    assert_eq!(said(&mut steps)["id"], 2, "three is next");
    assert!(v1.hear_frame(&cancel("two")).is_empty());
}

#[test]
fn it_is_told_the_ports_when_it_asks_and_not_otherwise() {
    let mut v1 = peer();
    let list = Frame::PortListResponse {
        ports: vec![json!(8765)],
    };
    assert!(v1.hear_frame(&list).is_empty());
    let steps = v1.hear_text(r#"{"type":"portListRequest"}"#, FRAME_MAX);
    assert_eq!(steps, [hear(Frame::PortListRequest {})]);
    let mut steps = v1.hear_frame(&list);
    let ports = json!({"type": "portListResponse", "ports": [8765]});
    assert_eq!(said(&mut steps), ports);
    assert!(v1.hear_frame(&list).is_empty());
}
