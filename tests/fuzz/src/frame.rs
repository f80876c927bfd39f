//! A message of a socket, as both sides read it.

use protocol::command::{Navigate, TabsAction};
use protocol::frame::{BadFrame, TYPES, depth};
use protocol::ports::PortRange;
use protocol::{Body, Command, Envelope, ErrorCode, Frame, limits, url};
use serde_json::Value;

/// Reads `bytes` as a frame, and what it carries as a command. What is read is what was said: said
/// again it reads the same. What is refused is refused for the reason given.
pub fn frame(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return; // The socket itself refuses it.
    };
    if let Some(shorter) = text.len().checked_sub(1) {
        let refused = Frame::parse(text, shorter);
        assert_eq!(refused, Err(BadFrame::TooLarge(text.len())));
    }
    match Frame::parse(text, text.len()) {
        Ok(frame) => {
            let again = Frame::parse(&frame.to_text(), limits::FRAME_MAX);
            assert_eq!(again.as_ref(), Ok(&frame), "said again it is another");
            check(&frame);
        }
        Err(BadFrame::UnknownType) => {
            // What has a number that no float holds is skipped, yet is no value.
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                let kind = value["type"].as_str().expect("a type is a text");
                assert!(!TYPES.contains(&kind), "{kind} is known");
            }
        }
        Err(BadFrame::Malformed(why)) => assert!(!why.is_empty()),
        Err(BadFrame::TooLarge(size)) => panic!("{size} bytes were allowed"),
    }
}

fn check(frame: &Frame) {
    match frame {
        Frame::Command(envelope) => {
            check_origin(envelope);
            if let (Some(name), Body::Payload(payload)) = (&envelope.name, &envelope.body) {
                check_command(name, payload);
            }
        }
        Frame::Response(envelope) | Frame::Event(envelope) => check_origin(envelope),
        Frame::PortListResponse { ports } => {
            let range = PortRange::default();
            let clean = range.sanitise(ports);
            assert!(clean.is_sorted_by(|a, b| a < b), "{clean:?}");
            assert!(clean.iter().all(|port| range.contains(*port)), "{clean:?}");
            let told = |port: &u16| ports.contains(&Value::from(*port));
            assert!(clean.iter().all(told), "{clean:?} of {ports:?}");
        }
        Frame::Hello(_)
        | Frame::Challenge { .. }
        | Frame::Proof { .. }
        | Frame::HelloAck(_)
        | Frame::SessionOpen(_)
        | Frame::SessionOpened(_)
        | Frame::SessionClose { .. }
        | Frame::Ping {}
        | Frame::Pong {}
        | Frame::PortListRequest {}
        | Frame::CreateTab { .. }
        | Frame::Cancel { .. }
        | Frame::Goodbye(_) => {}
    }
}

fn check_origin(envelope: &Envelope) {
    if let Some(origin) = &envelope.origin_id {
        assert!(origin.to_string().len() <= limits::ORIGIN_ID_MAX);
        assert!(depth(origin) <= limits::DEPTH_MAX);
    }
}

fn check_command(name: &str, payload: &Value) {
    match Command::decode(name, payload) {
        Ok(
            Command::Navigate(Navigate::To(url))
            | Command::Tabs(TabsAction::New { url: Some(url), .. }),
        ) => {
            assert!(url::may_request(&url), "{url} may not be opened");
        }
        Ok(_) => {}
        Err(fault) => {
            let codes = [ErrorCode::BadArguments, ErrorCode::UrlRefused];
            assert!(codes.contains(&fault.code()), "{fault:?}");
            assert!(!fault.message().is_empty() && !fault.advice().is_empty());
        }
    }
}
