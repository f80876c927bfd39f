//! PROTOCOL.md, the golden files and the code say the same. Whoever writes another client has only
//! the document, so each of its examples is read here with the real code, and each of its tables is
//! compared with what the code does.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets nothing where something must be has failed"
)]

use protocol::command::{NAMES, PageResult, SessionResult, TabsResult};
use protocol::dialect::v1::{FromExtension, FromServer};
use protocol::frame::{Body, Progress, TYPES};
use protocol::pairing::{PairingFile, Secret, Transcript};
use protocol::{Command, ErrorCode, Frame, ports};
use protocol::{close, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const DOCUMENT: &str = include_str!("../PROTOCOL.md");

/// Every golden file below `folder`, by name without `.json`.
fn golden(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(folder);
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        files.insert(name, std::fs::read_to_string(&path).unwrap());
    }
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn frames() -> BTreeMap<String, Frame> {
    golden("frame")
        .into_iter()
        .map(|(name, text)| {
            let frame = Frame::parse(&text, limits::FRAME_MAX);
            let frame = frame.unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, frame)
        })
        .collect()
}

fn round_trips<T: DeserializeOwned + Serialize>(name: &str, data: &Value) {
    let read: T =
        serde_json::from_value(data.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(serde_json::to_value(read).unwrap(), *data, "{name}");
}

#[test]
fn every_golden_frame_reads_and_is_written_as_it_stands() {
    for (name, text) in golden("frame") {
        let frame = Frame::parse(&text, limits::FRAME_MAX).unwrap();
        assert_eq!(value(&frame.to_text()), value(&text), "{name}");
    }
}

/// Whatever either side may say in v1, and every line of a transcript.
#[test]
fn every_frame_of_the_first_dialect_reads_and_is_written_as_it_stands() {
    let reads = |name: &str, frame: &Value, by_server: bool| {
        let text = frame.to_string();
        let back = if by_server {
            FromServer::parse(&text, limits::FRAME_MAX).map(|said| said.to_text())
        } else {
            FromExtension::parse(&text, limits::FRAME_MAX).map(|said| said.to_text())
        };
        let back = back.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(value(&back), *frame, "{name}");
    };
    for (name, text) in golden("v1/frame") {
        let by_server = ["helloAck", "portListResponse", "pong", "request"];
        reads(&name, &value(&text), by_server.contains(&name.as_str()));
    }
    let transcripts = golden("v1/server")
        .into_iter()
        .chain(golden("v1/extension"));
    for (name, text) in transcripts {
        for line in value(&text).as_array().unwrap() {
            match line.as_object().unwrap().iter().next().unwrap() {
                (what, frame) if what == "request" => {
                    reads(&name, frame, true);
                    let kind = frame["type"].as_str().unwrap();
                    let cell = format!("`{kind}`");
                    let row = |line: &str| line.starts_with("| ") && line.contains(&cell);
                    let told = DOCUMENT.lines().any(row);
                    assert!(told || name == "unknown", "{kind} stands in the table");
                }
                (what, frame) if what == "reply" => reads(&name, frame, false),
                _ => {}
            }
        }
    }
}

#[test]
fn every_type_of_frame_has_an_example_and_every_example_a_known_type() {
    let texts = golden("frame");
    let types: BTreeSet<String> = texts
        .values()
        .map(|text| value(text)["type"].as_str().unwrap().to_owned())
        .collect();
    let known: BTreeSet<String> = TYPES.iter().map(|&kind| kind.to_owned()).collect();
    assert_eq!(types, known);
}

#[test]
fn an_envelope_needs_its_ids_and_its_content_and_nothing_else() {
    for (name, needed) in [
        ("command-navigate", ["wireId", "sessionId", "payload"]),
        ("response-navigate", ["wireId", "sessionId", "data"]),
        ("response-error", ["wireId", "sessionId", "error"]),
    ] {
        let whole = value(&golden("frame")[name]);
        let fields = whole.as_object().unwrap();
        for field in fields.keys().filter(|field| *field != "type") {
            let mut rest = fields.clone();
            rest.remove(field);
            let read = Frame::parse(&Value::from(rest).to_string(), limits::FRAME_MAX);
            let must = needed.contains(&field.as_str());
            assert_eq!(read.is_err(), must, "{name} without {field}");
        }
    }
}

#[test]
fn the_document_holds_each_golden_file_and_no_other_json() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for folder in ["frame", "other", "v1/frame"] {
        for (name, text) in golden(folder) {
            files.insert(format!("{folder}/{name}"), text);
        }
    }
    let mut blocks = 0;
    for part in DOCUMENT.split("```json\n").skip(1) {
        let body = part.split("```").next().unwrap();
        blocks += 1;
        let same = files.values().any(|file| value(file) == value(body));
        assert!(same, "no golden file is this block:\n{body}");
    }
    assert_eq!(blocks, files.len(), "each file stands in the document once");
    for (name, text) in &files {
        let block = format!("<!-- golden: {name} -->\n```json\n{text}```");
        assert!(DOCUMENT.contains(&block), "{name} differs or is missing");
    }
}

#[test]
fn every_command_has_an_example_that_decodes() {
    let mut seen = BTreeSet::new();
    for (name, frame) in frames() {
        if let Frame::Command(envelope) = frame {
            let (Some(command), Body::Payload(payload)) = (&envelope.name, &envelope.body) else {
                panic!("{name}: a command has a name and a payload")
            };
            Command::decode(command, payload).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
            seen.insert(command.clone());
        }
    }
    let known: BTreeSet<String> = NAMES.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(seen, known);
    for name in NAMES {
        let row = format!("| `{name}` |");
        let row = DOCUMENT.lines().find(|line| line.starts_with(&row));
        assert!(row.is_some(), "{name} stands in the table");
    }
}

#[test]
fn the_data_of_every_answer_is_of_its_kind() {
    for (name, frame) in frames() {
        if let Frame::Response(envelope) = frame
            && let Body::Data(data) = &envelope.body
        {
            match name.strip_prefix("response-").unwrap() {
                "tabs" => round_trips::<TabsResult>(&name, data),
                "session" => round_trips::<SessionResult>(&name, data),
                "createTab" => assert_eq!(data, &json!({"success": true, "tabId": 105})),
                _ => round_trips::<PageResult>(&name, data),
            }
        }
        if name == "event-progress"
            && let Frame::Event(event) = frames().remove(&name).unwrap()
            && let Body::Payload(payload) = &event.body
        {
            round_trips::<Progress>(&name, payload);
        }
    }
}

#[test]
fn the_worked_example_is_what_the_code_computes() {
    let frames = frames();
    let pairing: PairingFile = serde_json::from_str(&golden("other")["pairing-example"]).unwrap();
    let secret = Secret::from_hex(&pairing.secret).unwrap();
    let (
        Some(Frame::Hello(hello)),
        Some(Frame::Challenge { nonce_srv, version }),
        Some(Frame::Proof { mac }),
        Some(Frame::HelloAck(ack)),
    ) = (
        frames.get("hello"),
        frames.get("challenge"),
        frames.get("proof"),
        frames.get("helloAck"),
    )
    else {
        panic!("the four frames of the handshake")
    };
    let transcript = Transcript {
        address: "127.0.0.1".into(),
        port: 8765,
        path: "/".into(),
        nonce_ext: hello.nonce_ext.clone(),
        nonce_srv: nonce_srv.clone(),
        extension_id: hello.extension_id.clone(),
        browser_id: hello.browser_id.0.clone(),
        versions: hello.versions.clone(),
        version: version.clone(),
    };
    assert_eq!(transcript.extension_mac(&secret), *mac);
    let limits = ack.limits.canonical();
    let server = transcript.server_mac(&secret, &ack.features, &limits);
    assert_eq!(server, ack.mac);
    for number in [mac, &ack.mac] {
        let cell = format!("| `{number}` |");
        assert!(DOCUMENT.contains(&cell), "{number} stands in the table");
    }
    assert!(DOCUMENT.contains(&format!("| `{limits}` |")));
    assert_eq!(hello.extension_id, protocol::EXTENSION_ID);
    assert!(protocol::VERSIONS.contains(&version.as_str()));
}

#[test]
fn the_answers_of_a_bare_port_are_the_documents() {
    let other = golden("other");
    assert_eq!(value(&other["probe"]), value(ports::PROBE_ANSWER));
    let daemon = value(ports::PROBE_ANSWER_DAEMON);
    assert_eq!(value(&other["probe-daemon"]), daemon);
    assert!(DOCUMENT.contains(&format!("GET {} HTTP/1.1", ports::PROBE_PATH)));
    assert!(DOCUMENT.contains(&format!(
        "Sec-WebSocket-Protocol: {}",
        protocol::SUBPROTOCOL
    )));
}

#[test]
fn the_table_of_errors_is_the_code() {
    let mut rows = BTreeMap::new();
    for line in DOCUMENT.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, code, when, retry, http, _] = cells[..]
            && let Ok(http) = http.parse::<u16>()
        {
            assert!(!when.is_empty());
            rows.insert(code.trim_matches('`').to_owned(), (retry.to_owned(), http));
        }
    }
    for code in ErrorCode::ALL {
        let retry = serde_json::to_value(code.retry()).unwrap();
        let expected = (retry.as_str().unwrap().to_owned(), code.http_status());
        assert_eq!(rows.remove(code.as_str()), Some(expected), "{code}");
    }
    assert!(rows.is_empty(), "codes that do not exist: {rows:?}");
}

#[test]
fn the_table_of_close_codes_is_the_code() {
    for (code, name) in [
        (close::NORMAL, "NORMAL"),
        (close::GOING_AWAY, "GOING_AWAY"),
        (close::BAD_FRAME, "BAD_FRAME"),
        (close::NOT_PAIRED, "NOT_PAIRED"),
        (close::NO_VERSION, "NO_VERSION"),
        (close::TIMEOUT, "TIMEOUT"),
        (close::REPLACED, "REPLACED"),
        (close::TOO_MANY, "TOO_MANY"),
    ] {
        let row = format!("| {code} | `{name}` |");
        assert!(DOCUMENT.contains(&row), "{row}");
    }
}

#[test]
fn the_table_of_limits_is_the_code() {
    let thousands = |n: usize| {
        let digits = n.to_string();
        let groups: Vec<&str> = digits
            .as_bytes()
            .rchunks(3)
            .rev()
            .map(|group| std::str::from_utf8(group).unwrap())
            .collect();
        groups.join(",")
    };
    let s = |time: std::time::Duration| time.as_secs();
    for row in [
        format!("| {} bytes |", thousands(limits::FRAME_MAX)),
        format!(
            "| frame in the handshake | {} bytes |",
            thousands(limits::HANDSHAKE_FRAME_MAX)
        ),
        format!(
            "| connecting; the handshake | {} s each |",
            s(limits::CONNECT_MAX)
        ),
        format!(
            "| {} s; {} s |",
            s(limits::HEARTBEAT),
            s(limits::SILENCE_MAX)
        ),
        format!(
            "| port list | every {} s, {} ports |",
            s(limits::PORT_LIST_EVERY),
            ports::PORT_LIST_MAX
        ),
        format!(
            "| wait for a tab | {} s, at most {} s |",
            s(limits::CLAIM_WAIT),
            s(limits::CLAIM_WAIT_MAX)
        ),
        format!(
            "| a call, from the start of its turn | {} s, at most {} s |",
            s(limits::CALL_DEADLINE),
            s(limits::CALL_DEADLINE_MAX)
        ),
        format!(
            "| synchronous work of a script | {} s, at most {} s |",
            s(limits::SCRIPT_MAX_DEFAULT),
            s(limits::SCRIPT_MAX)
        ),
        format!("for its return | {} s |", s(limits::RECONNECT_WAIT)),
        format!(
            "| orphaned sessions are kept | {} s |",
            s(limits::ORPHAN_GRACE)
        ),
        format!(
            "| sessions on one browser | {} |",
            thousands(limits::SESSIONS_MAX)
        ),
        format!(
            "| calls of one session under way | {} |",
            limits::CALLS_PER_SESSION_MAX
        ),
        format!(
            "| claims waiting for one tab | {} |",
            limits::CLAIMS_PER_TAB_MAX
        ),
        format!("| tabs of one session | {} |", limits::TABS_PER_SESSION_MAX),
        format!("| `label` | {} characters |", limits::LABEL_MAX),
        format!("| `originId` | {} bytes |", limits::ORIGIN_ID_MAX),
        format!(
            "`time` (seconds, 0 to {};",
            s(limits::CALL_DEADLINE_MAX - limits::CALL_DEADLINE)
        ),
    ] {
        assert!(DOCUMENT.contains(&row), "{row}");
    }
}

#[test]
fn every_link_inside_the_document_has_its_heading() {
    let headings: BTreeSet<String> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            words.replace(' ', "-").replace([',', '.'], "")
        })
        .collect();
    for link in DOCUMENT.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(headings.contains(anchor), "#{anchor}: {headings:?}");
    }
}
