//! What travels over a socket between extension and server: bare control frames and the v2
//! envelope (seed 001, *Protocol v2 Envelope*), one JSON object a message.
//!
//! `Frame::parse` accepts what PROTOCOL.md allows and names what is wrong with anything else; it
//! ignores fields it does not know, so that a later minor version can add some.

use crate::error::WireError;
use crate::ids::{Alias, BrowserId, SessionId, TabId, WireId};
use crate::json::{self, Unreadable};
use crate::limits;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// One message. The tag is `type`. Read by [`Frame::parse`] alone: what serde makes of a tagged enum
/// reads every message twice, and is compiled twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Frame {
    /// Extension → server, first of all.
    Hello(Hello),
    /// Server → extension.
    Challenge {
        /// 64 hex digits.
        nonce_srv: String,
        /// The version chosen among those offered.
        version: String,
    },
    /// Extension → server.
    Proof {
        /// 64 hex digits.
        mac: String,
    },
    /// Server → extension; the handshake is complete. Names no session.
    HelloAck(HelloAck),
    /// Server → extension: opens a session on this socket, or says anew its label or standby.
    SessionOpen(SessionOpen),
    /// Extension → server: what became of it.
    SessionOpened(SessionOpened),
    /// Server → extension: the session ends for good; clean up now.
    SessionClose {
        /// Which one.
        session_id: SessionId,
    },
    /// Either way; answered by `pong`.
    Ping {},
    /// The answer to `ping`.
    Pong {},
    /// Extension → server (seed 000).
    PortListRequest {},
    /// Server → extension: the ports of this server and its siblings; also sent unasked on change.
    PortListResponse {
        /// Not to be believed before `PortRange::sanitise`.
        ports: Vec<Value>,
    },
    /// Server → extension (seed 001): make a tab for the session. Answered by a `response` whose
    /// data is `{success, tabId}`.
    CreateTab {
        /// Echoed by the response.
        wire_id: WireId,
        /// For whom.
        session_id: SessionId,
    },
    /// Server → extension: the caller no longer wants the answer. The command is answered all the
    /// same, with what became of it.
    Cancel {
        /// The command's id.
        wire_id: WireId,
    },
    /// Either way: this socket closes on purpose.
    Goodbye(Goodbye),
    /// Server → extension: do something for a session.
    Command(Envelope),
    /// Extension → server: the one answer to a command.
    Response(Envelope),
    /// Extension → server: something happened that nobody asked for.
    Event(Envelope),
}

/// The extension introduces itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Versions it speaks, newest first.
    pub versions: Vec<String>,
    /// 64 hex digits, fresh for this socket.
    pub nonce_ext: String,
    /// Its own id.
    pub extension_id: String,
    /// The browser profile.
    pub browser_id: BrowserId,
    /// The profile's name for people.
    pub browser_name: String,
}

/// The server proves itself and says what it can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloAck {
    /// 64 hex digits; covers `features` and `limits` too.
    pub mac: String,
    /// Names of optional abilities; none yet.
    pub features: Vec<String>,
    /// Agreed bounds.
    pub limits: Limits,
}

/// Bounds that the server states. In the proof they stand as the compact JSON of this object, in
/// the order of the fields here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Largest frame in bytes.
    pub frame_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_max: limits::FRAME_MAX,
        }
    }
}

impl Limits {
    /// As the proof covers it.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("{{\"frameMax\":{}}}", self.frame_max)
    }
}

/// Opens a session on the socket that carries it. `Debug` shows nothing of the token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionOpen {
    /// Public name.
    pub session_id: SessionId,
    /// Whoever shows it again resumes the session. The extension stores only its hash.
    pub resume_token: String,
    /// For people; cut to `limits::LABEL_MAX` characters.
    pub label: String,
    /// The session is bound to another browser; this one only knows of it.
    #[serde(default)]
    pub standby: bool,
}

impl fmt::Debug for SessionOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionOpen")
            .field("session_id", &self.session_id)
            .field("label", &self.label)
            .field("standby", &self.standby)
            .finish_non_exhaustive()
    }
}

/// What became of a `sessionOpen`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionOpened {
    /// Which session.
    pub session_id: SessionId,
    /// What other agents call it.
    pub alias: Alias,
    /// See [`Outcome`].
    pub outcome: Outcome,
    /// Drawn when the browser made the session: one that ended and was made anew has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u32>,
    /// Its tabs.
    #[serde(default)]
    pub tabs: Vec<TabId>,
    /// Tabs lost while it was away, with their last URLs. A report only: the agent is told with
    /// the next answer.
    #[serde(default)]
    pub lost: Vec<LostTab>,
    /// Calls whose turn had begun when the last socket was lost.
    #[serde(default)]
    pub begun: Vec<Begun>,
}

/// How a session was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It did not exist, or its server has not shown yet that it knows.
    New,
    /// It existed and the token fits.
    Resumed,
    /// It exists and the token does not fit: open again under a fresh id.
    Refused,
    /// Noted as standby.
    Standby,
}

/// A tab that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LostTab {
    /// Its id, never used again.
    pub tab_id: TabId,
    /// What it last showed.
    pub url: String,
}

/// A call whose turn had begun when its socket was lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Value")]
pub struct Begun {
    /// The command.
    pub wire_id: WireId,
    /// What is known of it.
    #[serde(flatten)]
    pub state: BegunState,
}

/// See [`Begun`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    tag = "state",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum BegunState {
    /// Its response follows.
    Running,
    /// It ended with this answer.
    Ended {
        /// The response as it would have been sent.
        response: Box<Envelope>,
    },
    /// The worker died under it.
    Unknown {
        /// The page's present URL.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// The page's present title.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
}

/// Why a socket is closed on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Goodbye {
    /// See [`GoodbyeReason`].
    pub reason: GoodbyeReason,
    /// With `ending`: seconds for which the sessions may come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_s: Option<u32>,
    /// With `moved`: the port to dial instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<u16>,
}

/// See [`Goodbye`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GoodbyeReason {
    /// The sessions are over: clean up at once.
    Final,
    /// End of stdin or a signal: they may come back within `graceS`.
    Ending,
    /// Another socket carries this session.
    Duplicate,
    /// Another listener serves it now.
    Moved,
}

/// The v2 envelope of commands, responses and events. Which fields stand in which is said in
/// PROTOCOL.md; `type` is the frame's tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Value")]
pub struct Envelope {
    /// Made by the command's sender; its response and its progress events repeat it.
    pub wire_id: WireId,
    /// The caller's own id, carried home as it was. `null`, `0` and `""` are ids too: absent and
    /// `null` differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<Value>,
    /// Opened on this same socket.
    pub session_id: SessionId,
    /// The command's or event's name; responses have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Command: the tab it names. Response and event: the tab it happened in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tab_id: Option<TabId>,
    /// Command: milliseconds from the start of its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Command: milliseconds that it may wait for another's tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Response: how many claims wait for this tab of yours.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiters: usize,
    /// Response: tabs that were lost, told once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostTab>,
    /// See [`Body`].
    #[serde(flatten)]
    pub body: Body,
}

/// The one content of an envelope.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// Of a command or an event.
    Payload(Value),
    /// Of a response that succeeded.
    Data(Value),
    /// Of a response that failed.
    Error(WireError),
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Why a text is no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Longer than allowed at this stage.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    /// Not the JSON that PROTOCOL.md describes.
    #[error("not a frame: {0}")]
    Malformed(String),
    /// A `type` that this version does not know: of a later one, and to be ignored.
    #[error("a frame of an unknown type")]
    UnknownType,
}

impl From<Unreadable> for BadFrame {
    fn from(why: Unreadable) -> Self {
        Self::Malformed(why.to_string())
    }
}

/// Every `type` of a frame.
pub const TYPES: &[&str] = &[
    "hello",
    "challenge",
    "proof",
    "helloAck",
    "sessionOpen",
    "sessionOpened",
    "sessionClose",
    "ping",
    "pong",
    "portListRequest",
    "portListResponse",
    "createTab",
    "cancel",
    "goodbye",
    "command",
    "response",
    "event",
];

impl Frame {
    /// Reads one message of at most `max` bytes.
    pub fn parse(text: &str, max: usize) -> Result<Self, BadFrame> {
        if text.len() > max {
            return Err(BadFrame::TooLarge(text.len()));
        }
        let message: Value =
            serde_json::from_str(text).map_err(|error| BadFrame::Malformed(error.to_string()))?;
        let frame = Self::read(message)?;
        if let Self::Command(envelope) | Self::Response(envelope) | Self::Event(envelope) = &frame
            && let Some(origin) = &envelope.origin_id
            && (json::text(origin).len() > limits::ORIGIN_ID_MAX
                || depth(origin) > limits::DEPTH_MAX)
        {
            return Err(BadFrame::Malformed("originId is too long".into()));
        }
        Ok(frame)
    }

    fn read(message: Value) -> Result<Self, BadFrame> {
        if !message.is_object() {
            return Err(BadFrame::Malformed("not a JSON object".into()));
        }
        let it = &message;
        let kind: String = json::field(it, "type")?;
        Ok(match kind.as_str() {
            "hello" => Self::Hello(json::read(it)?),
            "challenge" => Self::Challenge {
                nonce_srv: json::field(it, "nonceSrv")?,
                version: json::field(it, "version")?,
            },
            "proof" => Self::Proof {
                mac: json::field(it, "mac")?,
            },
            "helloAck" => Self::HelloAck(json::read(it)?),
            "sessionOpen" => Self::SessionOpen(json::read(it)?),
            "sessionOpened" => Self::SessionOpened(json::read(it)?),
            "sessionClose" => Self::SessionClose {
                session_id: json::field(it, "sessionId")?,
            },
            "ping" => Self::Ping {},
            "pong" => Self::Pong {},
            "portListRequest" => Self::PortListRequest {},
            "portListResponse" => Self::PortListResponse {
                ports: json::field(it, "ports")?,
            },
            "createTab" => Self::CreateTab {
                wire_id: json::field(it, "wireId")?,
                session_id: json::field(it, "sessionId")?,
            },
            "cancel" => Self::Cancel {
                wire_id: json::field(it, "wireId")?,
            },
            "goodbye" => Self::Goodbye(json::read(it)?),
            "command" => Self::Command(Envelope::try_from(message)?),
            "response" => Self::Response(Envelope::try_from(message)?),
            "event" => Self::Event(Envelope::try_from(message)?),
            _ => return Err(BadFrame::UnknownType),
        })
    }

    /// The message as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Every type in a frame serialises to JSON: string keys, no maps of other keys.
        serde_json::to_string(self).unwrap_or_else(|_| String::from("{\"type\":\"pong\"}"))
    }
}

impl TryFrom<Value> for Envelope {
    type Error = Unreadable;

    /// What is large in it moves.
    fn try_from(mut message: Value) -> Result<Self, Unreadable> {
        let mut take = |name| message.as_object_mut()?.remove(name);
        let origin_id = take("originId");
        let (payload, data, error) = (take("payload"), take("data"), take("error"));
        let it = &message;
        Ok(Self {
            wire_id: json::field(it, "wireId")?,
            origin_id,
            session_id: json::field(it, "sessionId")?,
            name: json::field(it, "name")?,
            tab_id: json::field(it, "tabId")?,
            deadline_ms: json::field(it, "deadlineMs")?,
            wait_ms: json::field(it, "waitMs")?,
            waiters: json::field_or_default(it, "waiters")?,
            lost: json::field_or_default(it, "lost")?,
            // A failure is none the less one that something stands beside it.
            body: match (error.filter(|error| !error.is_null()), payload, data) {
                (Some(error), _, _) => Body::Error(json::read(&error)?),
                (None, Some(payload), _) => Body::Payload(payload),
                (None, None, Some(data)) => Body::Data(data),
                (None, None, None) => {
                    return Err(Unreadable::new("neither payload nor data nor error".into()));
                }
            },
        })
    }
}

impl TryFrom<Value> for Begun {
    type Error = Unreadable;

    fn try_from(mut begun: Value) -> Result<Self, Unreadable> {
        let state: String = json::field(&begun, "state")?;
        Ok(Self {
            wire_id: json::field(&begun, "wireId")?,
            state: match state.as_str() {
                "running" => BegunState::Running,
                "ended" => BegunState::Ended {
                    response: Box::new(Envelope::try_from(begun["response"].take())?),
                },
                "unknown" => BegunState::Unknown {
                    url: json::field(&begun, "url")?,
                    title: json::field(&begun, "title")?,
                },
                _ => return Err(Unreadable::new(format!("unknown state {state:?}"))),
            },
        })
    }
}

impl Envelope {
    /// A command with nothing optional.
    #[must_use]
    pub fn command(wire_id: WireId, session_id: SessionId, name: &str, payload: Value) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::bare(wire_id, session_id, Body::Payload(payload))
        }
    }

    /// A response with nothing optional.
    #[must_use]
    pub fn response(
        wire_id: WireId,
        session_id: SessionId,
        outcome: Result<Value, WireError>,
    ) -> Self {
        let body = match outcome {
            Ok(data) => Body::Data(data),
            Err(error) => Body::Error(error),
        };
        Self::bare(wire_id, session_id, body)
    }

    /// An event with nothing optional.
    #[must_use]
    pub fn event(wire_id: WireId, session_id: SessionId, name: &str, payload: Value) -> Self {
        Self::command(wire_id, session_id, name, payload)
    }

    fn bare(wire_id: WireId, session_id: SessionId, body: Body) -> Self {
        Self {
            wire_id,
            origin_id: None,
            session_id,
            name: None,
            tab_id: None,
            deadline_ms: None,
            wait_ms: None,
            waiters: 0,
            lost: Vec::new(),
            body,
        }
    }
}

/// How many containers stand inside one another in `value`.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
    }
}

/// Payload of the `progress` event of a waiting claim. `wireId` is the command's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Place in the queue, 1 = next.
    pub position: usize,
    /// Who owns the tab now; none while it changes hands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<crate::error::Peer>,
    /// Seconds until the owner's announced release, when it announced one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_in_s: Option<u64>,
    /// Seconds that are left of the wait.
    pub left_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: &Value) -> Result<Frame, BadFrame> {
        Frame::parse(&value.to_string(), limits::FRAME_MAX)
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_counts() {
        let text = r#"{"type": "ping", "type": "pong"}"#;
        assert_eq!(Frame::parse(text, limits::FRAME_MAX), Ok(Frame::Pong {}));
    }

    #[test]
    fn a_response_with_an_error_is_one_whatever_stands_beside_it() {
        let error =
            json!({"code": "tab_gone", "message": "gone", "advice": "look", "retry": "never"});
        let said = |error: Value| json!({"type": "response", "wireId": "w", "sessionId": "s", "data": {}, "error": error});
        let body = |frame| match frame {
            Ok(Frame::Response(envelope)) => envelope.body,
            other => panic!("{other:?}"),
        };
        assert!(matches!(body(parse(&said(error))), Body::Error(_)));
        assert_eq!(body(parse(&said(json!(null)))), Body::Data(json!({})));
    }

    #[test]
    fn a_frame_is_an_object_and_nothing_else() {
        assert_eq!(Frame::parse(" {\"type\":\"ping\"}", 99), Ok(Frame::Ping {}));
        for text in [
            "[\"ping\"]",
            "[\"of a later version\"]",
            "\"ping\"",
            "null",
            "",
        ] {
            let read = Frame::parse(text, 99);
            assert!(
                matches!(read, Err(BadFrame::Malformed(_))),
                "{text}: {read:?}"
            );
        }
    }

    #[test]
    fn a_resume_token_is_not_shown() {
        let text = json!({
            "type": "sessionOpen", "sessionId": "s1", "resumeToken": "hunter2", "label": "a label"
        });
        let frame = parse(&text).unwrap();
        let shown = format!("{frame:?}");
        assert!(shown.contains("s1") && shown.contains("a label"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn the_seeds_command_reads_as_it_stands_in_the_document() {
        let text = json!({
            "wireId": "f3a2c1b0-1", "originId": "42", "sessionId": "7f2d946a-1", "type": "command",
            "name": "browser_navigate", "payload": {"url": "https://google.com"}, "tabId": 123
        });
        let Ok(Frame::Command(envelope)) = parse(&text) else {
            panic!("a command")
        };
        assert_eq!(envelope.tab_id, Some(TabId(123)));
        assert_eq!(
            envelope.body,
            Body::Payload(json!({"url": "https://google.com"}))
        );
        assert_eq!(
            serde_json::from_str::<Value>(&Frame::Command(envelope).to_text()).unwrap(),
            text
        );
    }

    #[test]
    fn an_origin_id_comes_home_as_it_was() {
        for origin in [
            json!(0),
            json!(""),
            json!(null),
            json!({"a": [1]}),
            json!(false),
        ] {
            let text = json!({"type": "response", "wireId": "w", "sessionId": "s",
                "originId": origin, "data": {}});
            let Ok(Frame::Response(envelope)) = parse(&text) else {
                panic!("{text}")
            };
            assert_eq!(envelope.origin_id, Some(origin.clone()));
            let back: Value = serde_json::from_str(&Frame::Response(envelope).to_text()).unwrap();
            assert_eq!(back.get("originId"), Some(&origin));
        }
        let text = json!({"type": "response", "wireId": "w", "sessionId": "s", "data": {}});
        let Ok(Frame::Response(envelope)) = parse(&text) else {
            panic!("{text}")
        };
        assert_eq!(envelope.origin_id, None);
    }

    #[test]
    fn control_frames_keep_the_seeds_bare_shape() {
        assert_eq!(parse(&json!({"type": "ping"})), Ok(Frame::Ping {}));
        assert_eq!(
            Frame::PortListRequest {}.to_text(),
            r#"{"type":"portListRequest"}"#
        );
        let ports = parse(&json!({"type": "portListResponse", "ports": [8765, "x"]})).unwrap();
        assert_eq!(
            ports,
            Frame::PortListResponse {
                ports: vec![json!(8765), json!("x")]
            }
        );
    }

    #[test]
    fn nonsense_is_an_error_with_a_reason() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "{\"type\":\"command\"}",
            "{\"type\":3}",
            "\u{0}",
        ] {
            assert!(
                matches!(Frame::parse(text, 100), Err(BadFrame::Malformed(_))),
                "{text}"
            );
        }
        assert_eq!(
            Frame::parse("{\"type\":\"ping\"}", 5),
            Err(BadFrame::TooLarge(15))
        );
        assert_eq!(
            Frame::parse("{\"type\":\"nope\"}", 100),
            Err(BadFrame::UnknownType)
        );
        let deep = "[".repeat(100_000);
        assert!(Frame::parse(&deep, limits::FRAME_MAX).is_err());
    }

    #[test]
    fn an_origin_id_nested_beyond_what_a_store_can_read_is_refused() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let text = |levels| {
            format!(
                r#"{{"type":"response","wireId":"w","sessionId":"s","data":{{}},"originId":{}}}"#,
                nested(levels)
            )
        };
        assert!(Frame::parse(&text(limits::DEPTH_MAX), limits::FRAME_MAX).is_ok());
        assert!(Frame::parse(&text(limits::DEPTH_MAX + 1), limits::FRAME_MAX).is_err());
    }

    #[test]
    fn unknown_fields_are_let_pass() {
        assert_eq!(
            parse(&json!({"type": "pong", "timestamp": 5})),
            Ok(Frame::Pong {})
        );
    }

    #[test]
    fn the_limits_in_the_proof_are_the_limits_in_the_frame() {
        let limits = Limits { frame_max: 77 };
        assert_eq!(limits.canonical(), serde_json::to_string(&limits).unwrap());
    }

    #[test]
    fn begun_calls_carry_their_state() {
        let begun = Begun {
            wire_id: WireId::new("w").unwrap(),
            state: BegunState::Running,
        };
        assert_eq!(
            serde_json::to_value(&begun).unwrap(),
            json!({"wireId": "w", "state": "running"})
        );
    }
}
