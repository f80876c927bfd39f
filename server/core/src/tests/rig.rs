//! A server, a clock and the other end of its sockets.

use crate::{
    Answer, CallId, CallProgress, CallRequest, Config, ConnId, Effect, Identity, Input, Note,
    Server, SessionKey, fresh_identity,
};
use protocol::frame::{Begun, Envelope, Frame, Hello, Outcome, SessionOpen, SessionOpened};
use protocol::pairing::{Secret, Transcript};
use protocol::{Alias, BrowserId, EXTENSION_ID, Instant, TabId, limits};
use serde_json::{Value, json};
use std::time::Duration;

/// The network took a socket away.
pub(super) fn lost(conn: ConnId) -> Input {
    Input::Closed { conn, code: 1006 }
}

pub(super) fn secret() -> Secret {
    Secret::new([9; 32])
}

pub(super) struct Rig {
    pub(super) server: Server,
    pub(super) now: Instant,
    pub(super) frames: Vec<(ConnId, Frame)>,
    pub(super) closed: Vec<(ConnId, u16)>,
    pub(super) answers: Vec<(CallId, Answer)>,
    pub(super) progress: Vec<(CallId, CallProgress)>,
    pub(super) saved: Vec<Identity>,
    pub(super) notes: Vec<Note>,
    pub(super) asked_secret: Vec<ConnId>,
    pub(super) admitted: Vec<ConnId>,
    pub(super) marked: bool,
    pub(super) deaf: bool,
    pub(super) exited: bool,
    /// What is said to this one is of an older dialect.
    pub(super) unpaired: Option<ConnId>,
    /// And that is what was said.
    pub(super) said: Vec<String>,
    next_conn: u64,
}

impl Rig {
    /// A server that listens and knows who it is.
    pub(super) fn new() -> Self {
        Self::with(Config::default(), fresh_identity([1; 32]))
    }

    pub(super) fn with(config: Config, identity: Identity) -> Self {
        let mut rig = Self::unnamed(config);
        rig.input(Input::Identity {
            session: SessionKey::ONLY,
            identity,
        });
        rig
    }

    /// A server that does not know yet who it is.
    pub(super) fn unnamed(config: Config) -> Self {
        let now = Instant(1_000);
        let mut rig = Self {
            server: Server::new(config, [5; 32], now),
            now,
            frames: Vec::new(),
            closed: Vec::new(),
            answers: Vec::new(),
            progress: Vec::new(),
            saved: Vec::new(),
            notes: Vec::new(),
            asked_secret: Vec::new(),
            admitted: Vec::new(),
            marked: false,
            deaf: false,
            exited: false,
            unpaired: None,
            said: Vec::new(),
            next_conn: 1,
        };
        rig.input(Input::Listening { port: 8765 });
        rig
    }

    pub(super) fn input(&mut self, input: Input) {
        self.server.handle_input(input, self.now);
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::Send { conn, text } if self.unpaired == Some(conn) => self.said.push(text),
                Effect::Send { conn, text } => {
                    let frame = Frame::parse(&text, limits::FRAME_MAX).unwrap();
                    self.frames.push((conn, frame));
                }
                Effect::Close { conn, code } => self.closed.push((conn, code)),
                Effect::Admit { conn } => self.admitted.push(conn),
                Effect::ReadSecret { conn } => self.asked_secret.push(conn),
                Effect::Answer { call, answer } => self.answers.push((call, answer)),
                Effect::Progress { call, progress } => self.progress.push((call, progress)),
                Effect::SaveIdentity { identity, .. } => self.saved.push(identity),
                Effect::MarkEnding { .. } => self.marked = true,
                Effect::Note(note) => self.notes.push(note),
                Effect::StopListening => self.deaf = true,
                Effect::Exit => self.exited = true,
            }
        }
    }

    /// Lets time pass, stopping wherever the server wants to be woken.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.server.poll_timeout() {
            if at > end {
                break;
            }
            assert!(at >= self.now, "a deadline in the past was not handled");
            self.now = at;
            self.input(Input::Tick);
        }
        self.now = end;
        self.input(Input::Tick);
    }

    /// The machine sleeps: nobody ticks.
    pub(super) fn sleep(&mut self, time: Duration) {
        self.now = self.now + time;
        self.input(Input::Tick);
    }

    pub(super) fn accept(&mut self) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.input(Input::Accepted {
            conn,
            address: "127.0.0.1".into(),
            port: 8765,
            path: "/".into(),
        });
        conn
    }

    pub(super) fn says(&mut self, conn: ConnId, frame: &Frame) {
        let text = frame.to_text();
        self.input(Input::Frame { conn, text });
    }

    pub(super) fn hello(browser: &str) -> Hello {
        Hello {
            versions: vec!["2.0".into()],
            nonce_ext: "ab".repeat(32),
            extension_id: EXTENSION_ID.into(),
            browser_id: BrowserId(browser.into()),
            browser_name: format!("name of {browser}"),
        }
    }

    /// What was said so far, as the honest side sees it.
    pub(super) fn transcript(hello: &Hello, nonce_srv: String, version: String) -> Transcript {
        Transcript {
            address: "127.0.0.1".into(),
            port: 8765,
            path: "/".into(),
            nonce_ext: hello.nonce_ext.clone(),
            nonce_srv,
            extension_id: hello.extension_id.clone(),
            browser_id: hello.browser_id.0.clone(),
            versions: hello.versions.clone(),
            version,
        }
    }

    /// The transcript after hello and challenge.
    pub(super) fn challenged(&mut self, conn: ConnId, hello: &Hello) -> Transcript {
        self.says(conn, &Frame::Hello(hello.clone()));
        match self.frames.pop() {
            Some((to, Frame::Challenge { nonce_srv, version })) if to == conn => {
                Self::transcript(hello, nonce_srv, version)
            }
            other => panic!("no challenge but {other:?}"),
        }
    }

    /// A whole handshake on a new socket; the frames that follow it are in `frames`.
    pub(super) fn pair(&mut self, browser: &str) -> ConnId {
        let conn = self.accept();
        let said = self.challenged(conn, &Self::hello(browser));
        let mac = said.extension_mac(&secret());
        self.says(conn, &Frame::Proof { mac });
        assert_eq!(self.asked_secret.pop(), Some(conn));
        self.input(Input::Secret {
            conn,
            secret: Ok(secret()),
        });
        conn
    }

    /// The `sessionOpen` that was sent last to `conn`.
    pub(super) fn session_open(&self, conn: ConnId) -> Option<SessionOpen> {
        self.frames.iter().rev().find_map(|(to, frame)| {
            let Frame::SessionOpen(open) = frame else {
                return None;
            };
            (*to == conn).then(|| open.clone())
        })
    }

    pub(super) fn opened(&mut self, conn: ConnId, outcome: Outcome, begun: Vec<Begun>) {
        let open = self.session_open(conn).expect("a sessionOpen was sent");
        self.says(
            conn,
            &Frame::SessionOpened(SessionOpened {
                session_id: open.session_id,
                alias: Alias("a1".into()),
                outcome,
                incarnation: None,
                tabs: vec![],
                lost: vec![],
                begun,
            }),
        );
    }

    /// A browser with the session open.
    pub(super) fn connect(&mut self, browser: &str) -> ConnId {
        let conn = self.pair(browser);
        self.opened(conn, Outcome::New, vec![]);
        self.frames.clear();
        conn
    }

    pub(super) fn call(&mut self, id: u64, name: &str, payload: Value) -> CallId {
        self.call_with(
            id,
            CallRequest {
                name: name.into(),
                payload,
                tab: None,
                wait_ms: None,
                deadline_ms: None,
            },
        )
    }

    pub(super) fn call_with(&mut self, id: u64, request: CallRequest) -> CallId {
        let call = CallId(id);
        self.input(Input::Call {
            session: SessionKey::ONLY,
            call,
            request,
        });
        call
    }

    pub(super) fn click(&mut self, id: u64) -> CallId {
        self.call(id, "browser_click", json!({ "target": "e1" }))
    }

    pub(super) fn snapshot(&mut self, id: u64) -> CallId {
        self.call(id, "browser_snapshot", json!({}))
    }

    /// Takes the commands sent so far, oldest first.
    pub(super) fn commands(&mut self) -> Vec<(ConnId, Envelope)> {
        let mut commands = Vec::new();
        for (conn, frame) in std::mem::take(&mut self.frames) {
            if let Frame::Command(envelope) = frame {
                commands.push((conn, envelope));
            }
        }
        commands
    }

    pub(super) fn respond(&mut self, conn: ConnId, command: &Envelope, data: Value) {
        let response = Envelope {
            tab_id: Some(TabId(7)),
            ..Envelope::response(
                command.wire_id.clone(),
                command.session_id.clone(),
                Ok(data),
            )
        };
        self.says(conn, &Frame::Response(response));
    }

    /// The answer to a call: its data, or its code.
    pub(super) fn answer(&self, call: CallId) -> Option<Result<Value, &'static str>> {
        let mut found = self.answers.iter().filter(|(id, _)| *id == call);
        let answer = found.next().map(|(_, answer)| match &answer.outcome {
            Ok(data) => Ok(data.clone()),
            Err(error) => Err(error.code.as_str()),
        });
        assert!(found.next().is_none(), "a call was answered twice");
        answer
    }

    pub(super) fn code(&self, call: CallId) -> Option<&'static str> {
        self.answer(call)?.err()
    }
}
