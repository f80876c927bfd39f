//! The server's core, whatever browsers, its client and its disk do.

use crate::world::secret;
use protocol::frame::{Envelope, Frame, Hello, Outcome, SessionOpened};
use protocol::limits::{FRAME_MAX, LABEL_MAX, ORPHAN_GRACE};
use protocol::pairing::{Secret, Transcript};
use protocol::{Alias, BrowserId, EXTENSION_ID, Instant, SessionId, WireId};
use serde_json::{Value, json};
use server_core::{
    Answer, CallId, CallRequest, Config, ConnId, Effect, Input, Server, SessionKey, fresh_identity,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where the server listens.
const PORT: u16 = 8765;
/// Lines that are played of one script.
const LINES_MAX: usize = 64;
/// The longest that one line waits.
const WAIT_MAX: u64 = 400_000;
/// Sockets that have not proven themselves (PROTOCOL.md, *Limits*).
const UNPROVEN_MAX: usize = 16;
/// From the end of stdin to the last word.
const ENDING_MAX: Duration = Duration::from_secs(1);

/// Plays a script of nonsense, a step a line; a line that is none is passed over. In what is said,
/// `$session` is the session's name and `$wire` the newest command's id.
///
/// | line | |
/// |---|---|
/// | `accept`, `pair NAME` | a socket comes; or a browser of this name, which proves itself |
/// | `say TEXT`, `old TEXT` | the newest socket says this; the oldest does |
/// | `close CODE` | the newest socket closes |
/// | `call NAME JSON`, `cancel N` | the client calls a tool; wants the Nth answer no more |
/// | `wait MS` | time passes |
/// | `label TEXT`, `siblings JSON`, `rotate`, `deaf TEXT`, `secret TEXT` | what the rest of the process tells: the last is why the secret cannot be read, from now on |
/// | `end` | stdin ends |
///
/// Whatever it was: who has not proven itself hears nothing but the handshake, every call is answered
/// once, a good browser is then used for a good call, and after the end nothing is left to do.
pub fn conversation(bytes: &[u8]) {
    let mut talk = Talk::new();
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().take(LINES_MAX) {
        // None is a line that is no step.
        let _ = talk.step(line);
    }
    talk.come_to_rest();
    if !talk.ending {
        talk.serve_a_good_call();
    }
    talk.end();
}

struct Talk {
    server: Server,
    now: Instant,
    conns: BTreeSet<ConnId>,
    admitted: BTreeSet<ConnId>,
    last_conn: u64,
    calls: u64,
    answers: BTreeMap<CallId, Answer>,
    /// What was said and is not looked at yet.
    said: Vec<(ConnId, Frame)>,
    session: String,
    wire: String,
    /// The browser that the session belongs to.
    browser: String,
    secret: Result<Secret, String>,
    ending: bool,
    exited: bool,
}

impl Talk {
    fn new() -> Self {
        let now = Instant(1_000);
        let mut talk = Self {
            server: Server::new(Config::default(), [5; 32], now),
            now,
            conns: BTreeSet::new(),
            admitted: BTreeSet::new(),
            last_conn: 0,
            calls: 0,
            answers: BTreeMap::new(),
            said: Vec::new(),
            session: String::new(),
            wire: String::new(),
            browser: "b1".into(),
            secret: Ok(secret()),
            ending: false,
            exited: false,
        };
        talk.tell(Input::Listening { port: PORT });
        talk.tell(Input::Identity {
            session: SessionKey::ONLY,
            identity: fresh_identity([1; 32]),
        });
        talk
    }

    fn step(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "accept" => drop(self.accept()),
            "pair" => drop(self.pair(rest)),
            "say" => self.say(self.conns.last().copied()?, rest),
            "old" => self.say(self.conns.first().copied()?, rest),
            "close" => {
                let conn = self.conns.last().copied()?;
                let code = rest.parse().ok()?;
                self.close(conn, code);
            }
            "call" => {
                let (name, payload) = rest.split_once(' ')?;
                self.call(name, serde_json::from_str(payload).ok()?);
            }
            "cancel" => {
                let call = CallId(rest.parse().ok()?);
                self.tell(Input::Cancel { call });
            }
            "wait" => {
                let millis: u64 = rest.parse().ok()?;
                self.pass(Duration::from_millis(millis.min(WAIT_MAX)));
            }
            "label" => self.tell(Input::Label {
                session: SessionKey::ONLY,
                label: rest.to_owned(),
            }),
            "siblings" => {
                let ports = serde_json::from_str(rest).ok()?;
                self.tell(Input::Siblings { ports });
            }
            "rotate" => self.tell(Input::SecretRotated),
            "deaf" => self.tell(Input::NotListening {
                why: rest.to_owned(),
            }),
            "secret" => self.secret = Err(rest.to_owned()),
            "end" => {
                self.ending = true;
                self.tell(Input::End);
            }
            _ => return None,
        }
        Some(())
    }

    fn tell(&mut self, input: Input) {
        self.server.handle_input(input, self.now);
        while let Some(effect) = self.server.poll_effect() {
            self.perform(effect);
        }
        let unproven = self.conns.difference(&self.admitted).count();
        assert!(unproven <= UNPROVEN_MAX, "{unproven} unproven sockets");
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Send { conn, text } => {
                let frame = Frame::parse(&text, FRAME_MAX).expect("the server says frames");
                let handshake = matches!(frame, Frame::Challenge { .. } | Frame::HelloAck(_));
                let proven = self.admitted.contains(&conn);
                assert!(handshake || proven, "a stranger hears {frame:?}");
                if let Frame::SessionOpen(open) = &frame {
                    assert!(open.label.chars().count() <= LABEL_MAX, "{}", open.label);
                    self.session = open.session_id.to_string();
                }
                if let Frame::Command(command) = &frame {
                    self.wire = command.wire_id.as_str().to_owned();
                }
                self.said.push((conn, frame));
            }
            Effect::Close { conn, code: _ } => {
                self.conns.remove(&conn);
            }
            Effect::Admit { conn } => {
                self.admitted.insert(conn);
            }
            Effect::ReadSecret { conn } => {
                // The driver, too, tells it after this step.
                let secret = self.secret.clone();
                self.tell(Input::Secret { conn, secret });
            }
            Effect::Answer { call, answer } => {
                let before = self.answers.insert(call, answer);
                assert!(before.is_none(), "{call:?} is answered twice");
                assert!(call.0 <= self.calls, "nobody called {call:?}");
            }
            Effect::SaveIdentity { identity, .. } => {
                if let Some(browser) = identity.browser {
                    self.browser = browser.id.0;
                }
            }
            Effect::Exit => self.exited = true,
            Effect::Progress { .. }
            | Effect::MarkEnding { .. }
            | Effect::StopListening
            | Effect::Note(_) => {}
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, why)) = self.server.poll_timeout() {
            if at > end {
                break;
            }
            assert!(at >= self.now, "{why} was due and is not done");
            self.now = at;
            self.tell(Input::Tick);
        }
        self.now = end;
    }

    fn accept(&mut self) -> ConnId {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.conns.insert(conn);
        self.tell(Input::Accepted {
            conn,
            address: "127.0.0.1".into(),
            port: PORT,
            path: "/".into(),
        });
        conn
    }

    fn close(&mut self, conn: ConnId, code: u16) {
        self.conns.remove(&conn);
        self.tell(Input::Closed { conn, code });
    }

    fn say(&mut self, conn: ConnId, text: &str) {
        let text = text
            .replace("$session", &self.session)
            .replace("$wire", &self.wire);
        self.tell(Input::Frame { conn, text });
    }

    fn call(&mut self, name: &str, payload: Value) -> CallId {
        self.calls += 1;
        let call = CallId(self.calls);
        let request = CallRequest {
            name: name.to_owned(),
            payload,
            tab: None,
            wait_ms: None,
            deadline_ms: None,
        };
        self.tell(Input::Call {
            session: SessionKey::ONLY,
            call,
            request,
        });
        call
    }

    /// A handshake as `PROTOCOL.md` has it; what comes of it is in `said`.
    fn pair(&mut self, browser: &str) -> ConnId {
        let conn = self.accept();
        let hello = Hello {
            versions: vec!["2.0".into()],
            nonce_ext: "ab".repeat(32),
            extension_id: EXTENSION_ID.into(),
            browser_id: BrowserId(browser.to_owned()),
            browser_name: browser.to_owned(),
        };
        self.say(conn, &Frame::Hello(hello.clone()).to_text());
        if let Some((to, Frame::Challenge { nonce_srv, version })) = self.said.pop()
            && to == conn
        {
            let said = Transcript {
                address: "127.0.0.1".into(),
                port: PORT,
                path: "/".into(),
                nonce_ext: hello.nonce_ext,
                nonce_srv,
                extension_id: hello.extension_id,
                browser_id: hello.browser_id.0,
                versions: hello.versions,
                version,
            };
            let mac = said.extension_mac(&secret());
            self.say(conn, &Frame::Proof { mac }.to_text());
        }
        conn
    }

    /// Everybody leaves, and every call that waits for them has its time.
    fn come_to_rest(&mut self) {
        self.secret = Ok(secret());
        while let Some(conn) = self.conns.last().copied() {
            self.close(conn, 1006);
        }
        self.pass(2 * ORPHAN_GRACE);
        for call in 1..=self.calls {
            assert!(self.answers.contains_key(&CallId(call)), "call {call}");
        }
    }

    /// The session's browser comes, opens the session, and answers all that it is asked.
    fn serve_a_good_call(&mut self) {
        self.tell(Input::Listening { port: PORT });
        self.said.clear();
        let browser = self.browser.clone();
        let conn = self.pair(&browser);
        let session_id = SessionId::new(&self.session).expect("a session was to be opened");
        let opened = SessionOpened {
            session_id: session_id.clone(),
            alias: Alias("a1".into()),
            outcome: Outcome::Resumed,
            incarnation: None,
            tabs: Vec::new(),
            lost: Vec::new(),
            begun: Vec::new(),
        };
        self.say(conn, &Frame::SessionOpened(opened).to_text());
        // One that needs no tab: of those that the nonsense lost, the agent has to choose another first.
        let call = self.call("browser_tabs", json!({"action": "list"}));
        let wire_id = WireId::new(self.wire.clone()).expect("a command was sent");
        let data = json!({"success": true, "tabs": []});
        let response = Envelope::response(wire_id, session_id, Ok(data.clone()));
        self.say(conn, &Frame::Response(response).to_text());
        let answer = self.answers.get(&call).expect("a good call is answered");
        assert_eq!(answer.outcome, Ok(data));
    }

    fn end(&mut self) {
        self.tell(Input::End);
        self.pass(ENDING_MAX);
        assert!(self.exited, "it does not end");
        assert_eq!(self.server.poll_timeout(), None);
        for call in 1..=self.calls {
            assert!(self.answers.contains_key(&CallId(call)), "call {call}");
        }
    }
}
