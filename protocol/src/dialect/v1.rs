//! v1, the dialect of the first multi-instance manager (seed 000): one socket is one instance,
//! nothing is proven, the server asks `{id, type, payload}` and the extension replies with the same
//! `id`.
//!
//! Two departures from what its own programs do, both on purpose: an `id` that JavaScript takes for
//! false (`0`, `""`, `null`) is an id like any other, and what has none at all is a notification.

use crate::frame::{BadFrame, depth};
use crate::json;
use crate::limits::{DEPTH_MAX, ORIGIN_ID_MAX};
use serde_json::{Map, Value, json};

/// Longest `instanceId`; the original's have some 40 characters.
pub const INSTANCE_MAX: usize = 256;

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromServer {
    /// The answer to [`FromExtension::Hello`]: from here on both may speak.
    HelloAck {
        /// How it calls itself, 1 to [`INSTANCE_MAX`] bytes. A name, which proves nothing.
        instance: String,
        /// Its own port, which whoever dialled it knows better.
        port: Option<u16>,
    },
    /// The answer to [`FromExtension::PortListRequest`].
    PortListResponse {
        /// Not to be believed before `PortRange::sanitise`.
        ports: Vec<Value>,
    },
    /// The answer to [`FromExtension::Ping`]; some servers give none.
    Pong,
    /// Anything else: something is to be done.
    Request(Request),
}

/// A server wants something done.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Comes home with the reply as it was. What has none gets no reply.
    pub id: Option<Value>,
    /// What to do, such as `dom.click`.
    pub kind: String,
    /// The arguments; `{}` where there are none.
    pub payload: Value,
    /// Whom the server takes itself for; a reader goes by the socket instead.
    pub instance: Option<String>,
}

/// What an extension says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromExtension {
    /// First of all: who are you?
    Hello,
    /// I am here.
    Ping,
    /// Which other servers are there?
    PortListRequest,
    /// What became of a request.
    Reply(Reply),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The request's.
    pub id: Value,
    /// See [`Outcome`].
    pub outcome: Outcome,
}

/// See [`Reply`].
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done {
        /// The request's type once more.
        kind: String,
        /// What it brought.
        payload: Value,
    },
    /// It failed; words for whoever asked.
    Failed(String),
    /// The request was a `ping`.
    Pong {
        /// Milliseconds since 1970.
        timestamp: u64,
    },
}

impl FromServer {
    /// Reads one message of at most `max` bytes.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str, max: usize) -> Result<Self, BadFrame> {
        let mut frame = object(text, max)?;
        let kind = kind(&frame)?;
        Ok(match kind.as_str() {
            "helloAck" => Self::HelloAck {
                instance: instance(frame.get("instanceId"))
                    .ok_or_else(|| bad("helloAck names no instanceId"))?,
                port: frame
                    .get("port")
                    .and_then(Value::as_u64)
                    .and_then(|port| u16::try_from(port).ok()),
            },
            "portListResponse" => match frame.remove("ports") {
                Some(Value::Array(ports)) => Self::PortListResponse { ports },
                Some(_) | None => return Err(bad("portListResponse has no list")),
            },
            "pong" => Self::Pong,
            _ => Self::Request(Request {
                id: id(&mut frame)?,
                kind,
                payload: frame
                    .remove("payload")
                    .filter(|payload| !payload.is_null())
                    .unwrap_or_else(|| json!({})),
                instance: instance(frame.get("instanceId")),
            }),
        })
    }

    /// The message as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let message = match self {
            Self::HelloAck { instance, port } => {
                json!({"type": "helloAck", "instanceId": instance, "port": port})
            }
            Self::PortListResponse { ports } => json!({"type": "portListResponse", "ports": ports}),
            Self::Pong => json!({"type": "pong"}),
            Self::Request(Request {
                id,
                kind,
                payload,
                instance,
            }) => {
                let mut frame = json!({"type": kind, "payload": payload});
                if let Some(id) = id {
                    frame["id"] = id.clone();
                }
                if let Some(instance) = instance {
                    frame["instanceId"] = json!(instance);
                }
                frame
            }
        };
        json::text(&message)
    }
}

impl FromExtension {
    /// Reads one message of at most `max` bytes. A reply is known by its `id`; what it brings may
    /// stand in `payload`, in `data`, or beside the id, as different versions have it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str, max: usize) -> Result<Self, BadFrame> {
        let mut frame = object(text, max)?;
        let Some(id) = id(&mut frame)? else {
            return match kind(&frame)?.as_str() {
                "hello" => Ok(Self::Hello),
                "ping" => Ok(Self::Ping),
                "portListRequest" => Ok(Self::PortListRequest),
                _ => Err(BadFrame::UnknownType),
            };
        };
        let kind = kind(&frame).unwrap_or_default();
        if let Some(error) = frame.get("error").filter(|error| is_truthy(error)) {
            let words = error
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned);
            let outcome = Outcome::Failed(words);
            return Ok(Self::Reply(Reply { id, outcome }));
        }
        let timestamp = frame.get("timestamp").and_then(Value::as_u64);
        let outcome = match (kind.as_str(), timestamp) {
            ("pong", Some(timestamp)) => Outcome::Pong { timestamp },
            _ => Outcome::Done {
                payload: frame
                    .remove("payload")
                    .or_else(|| frame.remove("data"))
                    .unwrap_or_else(|| {
                        frame.remove("type");
                        Value::Object(frame)
                    }),
                kind,
            },
        };
        Ok(Self::Reply(Reply { id, outcome }))
    }

    /// The message as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let message = match self {
            Self::Hello => json!({"type": "hello", "wants": "instanceId"}),
            Self::Ping => json!({"type": "ping"}),
            Self::PortListRequest => json!({"type": "portListRequest"}),
            Self::Reply(Reply { id, outcome }) => match outcome {
                Outcome::Done { kind, payload } => {
                    json!({"id": id, "type": kind, "payload": payload})
                }
                Outcome::Failed(words) => json!({"id": id, "error": words}),
                Outcome::Pong { timestamp } => {
                    json!({"id": id, "type": "pong", "timestamp": timestamp})
                }
            },
        };
        json::text(&message)
    }
}

fn bad(why: &str) -> BadFrame {
    BadFrame::Malformed(why.into())
}

fn object(text: &str, max: usize) -> Result<Map<String, Value>, BadFrame> {
    if text.len() > max {
        return Err(BadFrame::TooLarge(text.len()));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(frame)) => Ok(frame),
        Ok(_) => Err(bad("not a JSON object")),
        Err(error) => Err(BadFrame::Malformed(error.to_string())),
    }
}

fn kind(frame: &Map<String, Value>) -> Result<String, BadFrame> {
    let kind = frame.get("type").and_then(Value::as_str);
    kind.map(str::to_owned).ok_or_else(|| bad("no type"))
}

fn id(frame: &mut Map<String, Value>) -> Result<Option<Value>, BadFrame> {
    let id = frame.remove("id");
    let long = |id: &Value| json::text(id).len() > ORIGIN_ID_MAX || depth(id) > DEPTH_MAX;
    if id.as_ref().is_some_and(long) {
        return Err(bad("the id is too long"));
    }
    Ok(id)
}

fn instance(named: Option<&Value>) -> Option<String> {
    let name = named?.as_str()?;
    (!name.is_empty() && name.len() <= INSTANCE_MAX).then(|| name.to_owned())
}

/// As JavaScript takes a value.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 10_000;

    fn said(text: &str) -> FromServer {
        FromServer::parse(text, MAX).unwrap()
    }

    #[test]
    fn an_id_is_an_id_whatever_javascript_makes_of_it_and_comes_home_as_it_was() {
        for id in [
            json!(0),
            json!(""),
            json!(null),
            json!(false),
            json!("7"),
            json!([1]),
        ] {
            let text = json!({"id": id, "type": "tabs.list", "payload": {}}).to_string();
            let FromServer::Request(request) = said(&text) else {
                panic!("{text}");
            };
            assert_eq!(request.id, Some(id.clone()));
            let outcome = Outcome::Done {
                kind: request.kind,
                payload: json!({}),
            };
            let reply = FromExtension::Reply(Reply { id, outcome }).to_text();
            let back: Value = serde_json::from_str(&reply).unwrap();
            assert_eq!(back, serde_json::from_str::<Value>(&text).unwrap());
        }
        let FromServer::Request(request) = said(r#"{"type":"tabs.list"}"#) else {
            panic!("a request");
        };
        assert_eq!((request.id, request.payload), (None, json!({})));
    }

    #[test]
    fn who_does_not_say_who_it_is_has_not_shaken_hands() {
        for instance in ["\"\"", "null", "0", "{}"] {
            let text = format!(r#"{{"type":"helloAck","instanceId":{instance}}}"#);
            assert!(FromServer::parse(&text, MAX).is_err(), "{text}");
        }
        let long = "x".repeat(INSTANCE_MAX + 1);
        let text = format!(r#"{{"type":"helloAck","instanceId":"{long}"}}"#);
        assert!(FromServer::parse(&text, MAX).is_err());
    }

    #[test]
    fn a_reply_is_read_wherever_its_version_puts_what_it_brings() {
        let done = |kind: &str| Outcome::Done {
            kind: kind.into(),
            payload: json!({"success": true}),
        };
        for (text, outcome) in [
            (
                r#"{"id":1,"type":"dom.click","payload":{"success":true}}"#,
                done("dom.click"),
            ),
            (
                r#"{"id":1,"type":"response","data":{"success":true}}"#,
                done("response"),
            ),
            (
                r#"{"id":1,"type":"response","success":true}"#,
                done("response"),
            ),
            (r#"{"id":1,"error":"no"}"#, Outcome::Failed("no".into())),
            (
                r#"{"id":1,"type":"error","error":{"a":1}}"#,
                Outcome::Failed(r#"{"a":1}"#.into()),
            ),
            (
                r#"{"id":1,"error":"","payload":{"success":true}}"#,
                done(""),
            ),
        ] {
            let id = json!(1);
            let reply = FromExtension::Reply(Reply { id, outcome });
            assert_eq!(FromExtension::parse(text, MAX), Ok(reply), "{text}");
        }
    }

    #[test]
    fn nonsense_is_an_error_with_a_reason() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":3}"#,
            r#"{"type":"helloAck"}"#,
        ] {
            assert!(FromServer::parse(text, MAX).is_err(), "{text}");
            assert!(FromExtension::parse(text, MAX).is_err(), "{text}");
        }
        let nested = format!("{}{}", "[".repeat(DEPTH_MAX + 1), "]".repeat(DEPTH_MAX + 1));
        for id in [nested, format!("\"{}\"", "x".repeat(ORIGIN_ID_MAX))] {
            let text = format!(r#"{{"id":{id},"type":"tabs.list"}}"#);
            assert!(FromServer::parse(&text, MAX).is_err(), "{text}");
        }
        let long = r#"{"type":"pong"}"#;
        assert_eq!(
            FromServer::parse(long, 5),
            Err(BadFrame::TooLarge(long.len()))
        );
    }
}
