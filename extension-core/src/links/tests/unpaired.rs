//! Servers that prove nothing, on ports where the user lets them in.

use super::*;

const HELLO: &str = r#"{"type":"hello","wants":"instanceId"}"#;
const ACK: &str = r#"{"type":"helloAck","instanceId":"27262-a333","port":8765}"#;

fn text(event: &LinkEvent) -> Option<&str> {
    match event {
        LinkEvent::Send { text, .. } => Some(text),
        LinkEvent::Dial { .. }
        | LinkEvent::Close { .. }
        | LinkEvent::Up { .. }
        | LinkEvent::UpUnpaired { .. }
        | LinkEvent::Request { .. }
        | LinkEvent::Frame { .. }
        | LinkEvent::PortList { .. }
        | LinkEvent::Alive { .. }
        | LinkEvent::Down { .. }
        | LinkEvent::NotPaired { .. }
        | LinkEvent::ReadSecret => None,
    }
}

fn texts(events: &[LinkEvent]) -> Vec<&str> {
    events.iter().filter_map(text).collect()
}

fn same(said: &str, expected: &str) {
    let value = |text| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(said), value(expected));
}

/// Up to its name.
fn named(links: &mut Links, now: Instant) -> (SocketId, Vec<LinkEvent>) {
    let socket = links.dial(PORT, Dialect::V1, now);
    links.handle_opened(socket, now);
    drain(links);
    links.handle_text(socket, ACK, now);
    (socket, drain(links))
}

#[test]
fn an_unpaired_server_is_asked_who_it_is_and_for_its_siblings() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V1, secs(0));
    assert_eq!(
        drain(&mut links),
        [LinkEvent::Dial {
            socket,
            port: PORT,
            dialect: Dialect::V1
        }]
    );
    links.handle_opened(socket, secs(0));
    let events = drain(&mut links);
    same(texts(&events)[0], HELLO);
    assert_eq!(events.len(), 1);
    links.handle_text(socket, ACK, secs(0));
    let events = drain(&mut links);
    let [
        LinkEvent::UpUnpaired { instance, .. },
        LinkEvent::Send { text, .. },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(instance, "27262-a333");
    same(text, PORT_LIST);
}

#[test]
fn it_is_pinged_and_asked_and_never_lost_for_its_silence() {
    let mut links = links();
    let (socket, _) = named(&mut links, secs(0));
    let (mut pings, mut lists) = (0, 0);
    for at in 1..=600 {
        links.handle_timeout(secs(at));
        let events = drain(&mut links);
        for text in texts(&events) {
            pings += usize::from(text == PING);
            lists += usize::from(text == PORT_LIST);
        }
        assert!(links.port(socket).is_some(), "at {at} s");
    }
    assert_eq!((pings, lists), (20, 40));
}

#[test]
fn who_gives_no_name_in_time_is_let_go() {
    let long = format!(
        r#"{{"type":"helloAck","instanceId":"a","pad":"{}"}}"#,
        "x".repeat(5_000)
    );
    for text in [
        r#"{"type":"pong"}"#,
        r#"{"type":"helloAck"}"#,
        "null",
        "",
        &long,
    ] {
        let mut links = links();
        let socket = links.dial(PORT, Dialect::V1, secs(0));
        links.handle_opened(socket, secs(0));
        links.handle_text(socket, text, secs(0));
        assert!(
            drain(&mut links).contains(&down(socket, PORT, DownReason::Failed)),
            "{text}"
        );
    }
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V1, secs(0));
    links.handle_opened(socket, secs(0));
    links.handle_timeout(secs(5));
    assert!(drain(&mut links).contains(&down(socket, PORT, DownReason::Failed)));
}

#[test]
fn its_requests_are_heard_and_answered_and_nothing_that_it_says_is_a_frame_of_a_proven_server() {
    let mut links = links();
    let (socket, _) = named(&mut links, secs(0));
    for text in [
        r#"{"id":1,"type":"tabs.list","payload":{}}"#,
        r#"{"type":"sessionOpen","sessionId":"s","resumeToken":"t","label":"x"}"#,
        r#"{"type":"command","wireId":"w","sessionId":"s","name":"browser_snapshot","payload":{}}"#,
        r#"{"type":"goodbye","reason":"final"}"#,
    ] {
        links.handle_text(socket, text, secs(1));
        let events = drain(&mut links);
        assert!(
            matches!(events[..], [LinkEvent::Request { .. }]),
            "{text}: {events:?}"
        );
    }
    let reply = protocol::dialect::v1::Reply {
        id: json!(0),
        outcome: protocol::dialect::v1::Outcome::Failed("no".into()),
    };
    assert_eq!(links.reply(socket, &reply), Sent::Yes);
    same(texts(&drain(&mut links))[0], r#"{"id":0,"error":"no"}"#);
    // And no frame for a proven one goes to it.
    assert_eq!(links.send(socket, &Frame::Ping {}), Sent::Gone);
}

#[test]
fn one_that_was_dialled_to_prove_itself_cannot_fall_back_to_an_introduction() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    links.handle_opened(socket, secs(0));
    drain(&mut links);
    links.handle_text(socket, ACK, secs(0));
    let events = drain(&mut links);
    assert!(
        events.contains(&down(socket, PORT, DownReason::Failed)),
        "{events:?}"
    );
    // Nor is a reply sent to one that has proven itself.
    let socket = up(&mut links, PORT, secs(1));
    let reply = protocol::dialect::v1::Reply {
        id: json!(0),
        outcome: protocol::dialect::v1::Outcome::Failed("no".into()),
    };
    assert_eq!(links.reply(socket, &reply), Sent::Gone);
}

#[test]
fn two_sockets_of_one_name_have_epochs_of_their_own() {
    let mut links = links();
    let epoch = |events: &[LinkEvent]| match events {
        [LinkEvent::UpUnpaired { epoch, .. }, ..] => *epoch,
        other => panic!("{other:?}"),
    };
    let (socket, first) = named(&mut links, secs(0));
    links.handle_closed(socket, 1006, secs(1));
    drain(&mut links);
    let (_, second) = named(&mut links, secs(2));
    assert_ne!(epoch(&first), epoch(&second));
}

#[test]
fn it_names_its_siblings_when_it_is_asked_and_at_no_other_time() {
    let mut links = links();
    let (socket, _) = named(&mut links, secs(0));
    let list = r#"{"type":"portListResponse","ports":[8766]}"#;
    let mut heard = Vec::new();
    for at in 1..=40 {
        links.handle_timeout(secs(at));
        links.handle_text(socket, list, secs(at));
        let events = drain(&mut links);
        if events
            .iter()
            .any(|event| matches!(event, LinkEvent::PortList { .. }))
        {
            heard.push(at);
        }
    }
    assert_eq!(heard, [1, 15, 30]);
}

#[test]
fn what_it_asks_is_a_megabyte_at_most() {
    for (length, lives) in [(UNPAIRED_FRAME_MAX, true), (UNPAIRED_FRAME_MAX + 1, false)] {
        let mut links = links();
        let (socket, _) = named(&mut links, secs(0));
        let frame = r#"{"id":1,"type":"tabs.list","payload":{"pad":""}}"#;
        let pad = "x".repeat(length - frame.len());
        links.handle_text(
            socket,
            &frame.replace(r#""""#, &format!(r#""{pad}""#)),
            secs(1),
        );
        assert_eq!(links.port(socket).is_some(), lives, "{length} bytes");
    }
}
