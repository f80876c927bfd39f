//! Facts about an extension that proves nothing, where the user lets it in.

use super::rig::{Rig, lost};
use crate::{
    Answer, CallId, CallRequest, Config, ConnId, Effect, Identity, Input, Server, SessionKey,
    close, fresh_identity,
};
use protocol::frame::Outcome;
use protocol::{Instant, limits};
use serde_json::{Value, json};
use std::time::Duration;

/// A server and one extension of the original's.
struct Scene {
    server: Server,
    now: Instant,
    said: Vec<(ConnId, Value)>,
    closed: Vec<(ConnId, u16)>,
    answers: Vec<(CallId, Answer)>,
    saved: Vec<Identity>,
}

impl Scene {
    fn new() -> Self {
        let now = Instant(1_000);
        let mut scene = Self {
            server: Server::new(Config::default(), [5; 32], now),
            now,
            said: Vec::new(),
            closed: Vec::new(),
            answers: Vec::new(),
            saved: Vec::new(),
        };
        scene.input(Input::Listening { port: 8765 });
        scene.input(Input::Identity {
            session: SessionKey::ONLY,
            identity: fresh_identity([1; 32]),
        });
        scene
    }

    fn input(&mut self, input: Input) {
        self.server.handle_input(input, self.now);
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::Send { conn, text } => {
                    self.said.push((conn, serde_json::from_str(&text).unwrap()));
                }
                Effect::Close { conn, code } => self.closed.push((conn, code)),
                Effect::Answer { call, answer } => self.answers.push((call, answer)),
                Effect::SaveIdentity { identity, .. } => self.saved.push(identity),
                Effect::Admit { .. }
                | Effect::ReadSecret { .. }
                | Effect::Progress { .. }
                | Effect::MarkEnding { .. }
                | Effect::Note(_)
                | Effect::StopListening
                | Effect::Exit => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.server.poll_timeout().filter(|(at, _)| *at < end) {
            self.now = at;
            self.input(Input::Tick);
        }
        self.now = end;
        self.input(Input::Tick);
    }

    fn dials(&mut self, conn: u64) -> ConnId {
        let conn = ConnId(conn);
        self.input(Input::AcceptedUnpaired { conn, port: 8765 });
        conn
    }

    fn says(&mut self, conn: ConnId, frame: &Value) {
        let text = frame.to_string();
        self.input(Input::Frame { conn, text });
    }

    /// Up to its name.
    fn comes(&mut self, conn: u64) -> ConnId {
        let conn = self.dials(conn);
        self.says(conn, &json!({"type": "hello", "wants": "instanceId"}));
        conn
    }

    fn calls(&mut self, id: u64, name: &str, payload: Value) -> CallId {
        let call = CallId(id);
        self.input(Input::Call {
            session: SessionKey::ONLY,
            call,
            request: CallRequest {
                name: name.into(),
                payload,
                tab: None,
                wait_ms: None,
                deadline_ms: None,
            },
        });
        call
    }

    fn last(&self) -> &Value {
        &self.said.last().expect("something was said").1
    }

    fn answer(&self, call: CallId) -> Option<Result<Value, &'static str>> {
        let found = self.answers.iter().find(|(id, _)| *id == call);
        let outcome = found.map(|(_, answer)| answer.outcome.clone());
        outcome.map(|outcome| outcome.map_err(|error| error.code.as_str()))
    }
}

#[test]
fn it_says_hello_is_named_an_instance_and_does_what_the_agent_asks() {
    let mut scene = Scene::new();
    let early = scene.calls(1, "browser_navigate", json!({"url": "http://a/"}));
    let conn = scene.comes(1);
    let ack = &scene.said[0].1;
    assert_eq!(
        (&ack["type"], &ack["port"]),
        (&json!("helloAck"), &json!(8765))
    );
    assert!(
        ack["instanceId"]
            .as_str()
            .is_some_and(|name| !name.is_empty())
    );
    let request = scene.last().clone();
    assert_eq!(
        request["type"], "browser_navigate",
        "it waited for a browser"
    );
    assert_eq!(request["instanceId"], ack["instanceId"]);
    let reply = json!({"id": request["id"], "type": "browser_navigate",
        "payload": {"_debug": {"tabId": 7}}});
    scene.says(conn, &reply);
    assert_eq!(scene.answer(early).unwrap().unwrap()["url"], "http://a/");
    scene.says(conn, &json!({"type": "portListRequest"}));
    assert_eq!(
        *scene.last(),
        json!({"type": "portListResponse", "ports": [8765]})
    );
    scene.says(conn, &json!({"type": "ping"}));
    assert_eq!(*scene.last(), json!({"type": "pong"}));
    // What a session belongs to is proven.
    assert!(scene.saved.iter().all(|kept| kept.browser.is_none()));
    let refused = scene.calls(2, "browser_handle_dialog", json!({"accept": true}));
    assert_eq!(scene.answer(refused), Some(Err("not_paired")));
}

#[test]
fn what_does_not_say_hello_is_let_go() {
    for text in [
        json!({"type": "ping"}),
        json!({"id": 1, "type": "x", "payload": {}}),
        json!({"type": "hello", "pad": "x".repeat(5_000)}),
    ] {
        let mut scene = Scene::new();
        let conn = scene.dials(1);
        scene.says(conn, &text);
        assert_eq!(scene.closed, [(conn, close::BAD_FRAME)]);
        assert!(scene.said.is_empty());
    }
    let mut scene = Scene::new();
    let conn = scene.dials(1);
    scene.pass(limits::HANDSHAKE_MAX);
    assert_eq!(scene.closed, [(conn, close::TIMEOUT)]);
}

#[test]
fn there_is_one_at_a_time_and_a_silent_one_is_lost() {
    let mut scene = Scene::new();
    let first = scene.comes(1);
    let second = scene.comes(2);
    assert_eq!(scene.closed, [(second, close::TOO_MANY)]);
    scene.pass(Duration::from_secs(30));
    scene.says(first, &json!({"type": "ping"}));
    scene.pass(Duration::from_secs(30));
    scene.pass(Duration::from_secs(30));
    scene.pass(Duration::from_secs(30));
    assert_eq!(scene.closed.last(), Some(&(first, close::TIMEOUT)));
    scene.comes(3);
    assert_eq!(scene.last()["type"], "helloAck");
}

fn a_stranger_comes(rig: &mut Rig) -> ConnId {
    let conn = ConnId(900);
    rig.unpaired = Some(conn);
    rig.input(Input::AcceptedUnpaired { conn, port: 8765 });
    let text = r#"{"type":"hello","wants":"instanceId"}"#.to_owned();
    rig.input(Input::Frame { conn, text });
    conn
}

#[test]
fn a_browser_that_proves_itself_takes_its_place_and_lets_none_beside_it() {
    let mut rig = Rig::new();
    let stranger = a_stranger_comes(&mut rig);
    let click = rig.click(1);
    let conn = rig.pair("b1");
    assert!(rig.closed.contains(&(stranger, close::REPLACED)));
    rig.opened(conn, Outcome::New, vec![]);
    assert_eq!(
        rig.code(click),
        Some("outcome_unknown"),
        "it may have clicked"
    );
    let other = rig.click(2);
    let (to, command) = rig.commands().remove(0);
    assert_eq!(to, conn);
    rig.respond(conn, &command, json!({"success": true}));
    assert!(rig.answer(other).unwrap().is_ok());
    let again = ConnId(901);
    rig.input(Input::AcceptedUnpaired {
        conn: again,
        port: 8765,
    });
    assert!(rig.closed.contains(&(again, close::TOO_MANY)));
    rig.input(lost(conn));
}

#[test]
fn a_session_that_belongs_to_a_proven_browser_waits_for_it_and_is_no_strangers() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.input(lost(conn));
    a_stranger_comes(&mut rig);
    let click = rig.click(1);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.code(click), Some("browser_gone"));
    let back = rig.pair("b1");
    rig.opened(back, Outcome::Resumed, vec![]);
    rig.click(2);
    assert_eq!(rig.commands().len(), 1);
}
