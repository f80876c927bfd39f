//! Facts about the server's side of the handshake, heartbeats and port lists.

use super::rig::{Rig, lost, secret};
use crate::connection::{BAD_FRAMES_IN, BAD_FRAMES_MAX};
use crate::links::{BROWSERS_MAX, UNPROVEN_MAX};
use crate::{ConnId, Input, Note, close};
use protocol::error::Unpaired;
use protocol::frame::{Frame, Goodbye, GoodbyeReason, Hello, HelloAck};
use protocol::pairing::{Secret, Transcript};
use protocol::{limits, ports::PortRange};
use serde_json::Value;
use std::time::Duration;

fn acks(rig: &Rig) -> Vec<HelloAck> {
    let mut found = Vec::new();
    for (_, frame) in &rig.frames {
        if let Frame::HelloAck(ack) = frame {
            found.push(ack.clone());
        }
    }
    found
}

#[test]
fn both_sides_prove_themselves_and_the_server_last() {
    let mut rig = Rig::new();
    let conn = rig.accept();
    assert!(rig.frames.is_empty(), "the client speaks first");
    let hello = Rig::hello("b1");
    let said = rig.challenged(conn, &hello);
    assert!(rig.frames.is_empty(), "nothing else is said yet");
    let mac = said.extension_mac(&secret());
    rig.says(conn, &Frame::Proof { mac });
    assert_eq!(rig.asked_secret, vec![conn], "read at each handshake");
    assert!(rig.frames.is_empty() && rig.admitted.is_empty());
    rig.input(Input::Secret {
        conn,
        secret: Ok(secret()),
    });
    assert_eq!(rig.admitted, vec![conn]);
    let ack = acks(&rig).remove(0);
    assert!(said.server_proves(&secret(), &ack.features, &ack.limits.canonical(), &ack.mac));
    assert!(rig.session_open(conn).is_some_and(|open| !open.standby));
}

#[test]
fn a_failed_proof_closes_with_4401_and_without_a_word() {
    type Attack = fn(Transcript) -> String;
    let attacks: [(&str, Attack); 5] = [
        ("another secret", |t| t.extension_mac(&Secret::new([1; 32]))),
        ("relayed to another port", |t| {
            Transcript { port: 8766, ..t }.extension_mac(&secret())
        }),
        ("replayed", |t| {
            let nonce_srv = "0".repeat(64);
            Transcript { nonce_srv, ..t }.extension_mac(&secret())
        }),
        ("a version stripped", |t| {
            let versions = vec!["2.1".into(), "2.0".into()];
            Transcript { versions, ..t }.extension_mac(&secret())
        }),
        ("the role swapped", |t| t.server_mac(&secret(), &[], "{}")),
    ];
    for (name, attack) in attacks {
        let mut rig = Rig::new();
        let conn = rig.accept();
        let said = rig.challenged(conn, &Rig::hello("b1"));
        rig.says(conn, &Frame::Proof { mac: attack(said) });
        rig.input(Input::Secret {
            conn,
            secret: Ok(secret()),
        });
        assert_eq!(rig.closed, vec![(conn, close::NOT_PAIRED)], "{name}");
        assert!(rig.frames.is_empty(), "{name}");
        assert_eq!(
            rig.notes,
            vec![Note::NotPaired(Unpaired::HasAnotherSecret)],
            "{name}"
        );
    }
}

#[test]
fn without_a_secret_nobody_is_let_in_and_nobody_is_told_that_theirs_is_wrong() {
    let mut rig = Rig::new();
    let conn = rig.accept();
    let said = rig.challenged(conn, &Rig::hello("b1"));
    let mac = said.extension_mac(&secret());
    rig.says(conn, &Frame::Proof { mac });
    let why = "/s/secret does not hold 64 hex digits".to_owned();
    let secret = Err(why.clone());
    rig.input(Input::Secret { conn, secret });
    assert_eq!(rig.closed, vec![(conn, close::TIMEOUT)]);
    assert!(rig.admitted.is_empty() && rig.frames.is_empty());
    assert_eq!(rig.notes, vec![Note::SecretUnreadable { why }]);
    let call = rig.snapshot(1);
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("not_connected"));
    let error = rig.answers[0].1.outcome.clone().unwrap_err();
    assert!(error.message.contains("64 hex digits"), "{error}");
    assert!(error.advice.contains("pair --rotate"), "{error}");
}

#[test]
fn a_proof_that_fails_after_the_secret_is_mended_is_told_as_such() {
    let mut rig = Rig::new();
    for secret in [Err("gone".to_owned()), Ok(Secret::new([0; 32]))] {
        let conn = rig.accept();
        let said = rig.challenged(conn, &Rig::hello("b1"));
        let mac = said.extension_mac(&super::rig::secret());
        rig.says(conn, &Frame::Proof { mac });
        rig.input(Input::Secret { conn, secret });
    }
    assert_eq!(
        rig.notes.last(),
        Some(&Note::NotPaired(Unpaired::HasAnotherSecret))
    );
    let call = rig.snapshot(1);
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("not_paired"));
}

#[test]
fn frames_out_of_place_close_an_unproven_socket() {
    let big = format!("{{\"type\":\"ping\",\"x\":\"{}\"}}", "a".repeat(5_000));
    for text in [
        "",
        "{",
        "{\"type\":\"ping\"}",
        "{\"type\":\"proof\",\"mac\":\"\"}",
        big.as_str(),
    ] {
        let mut rig = Rig::new();
        let conn = rig.accept();
        rig.input(Input::Frame {
            conn,
            text: text.into(),
        });
        assert_eq!(rig.closed, vec![(conn, close::BAD_FRAME)]);
        assert!(rig.frames.is_empty());
    }
}

#[test]
fn a_hello_of_another_extension_or_with_a_bad_nonce_is_refused() {
    type Change = fn(&mut Hello);
    let changes: [Change; 4] = [
        |h| h.extension_id = "a".repeat(32),
        |h| h.nonce_ext = "12".into(),
        |h| h.browser_id.0 = String::new(),
        |h| h.versions = vec!["2.0".into(); 100],
    ];
    for change in changes {
        let mut rig = Rig::new();
        let conn = rig.accept();
        let mut hello = Rig::hello("b1");
        change(&mut hello);
        rig.says(conn, &Frame::Hello(hello));
        assert_eq!(rig.closed, vec![(conn, close::BAD_FRAME)]);
    }
}

#[test]
fn the_newest_common_version_is_chosen_and_none_in_common_closes() {
    let mut rig = Rig::new();
    let conn = rig.accept();
    let mut hello = Rig::hello("b1");
    hello.versions = vec!["2.9".into(), "2.0".into()];
    assert_eq!(rig.challenged(conn, &hello).version, "2.0");
    let other = rig.accept();
    hello.versions = vec!["3.0".into()];
    rig.says(other, &Frame::Hello(hello));
    assert_eq!(rig.closed, vec![(other, close::NO_VERSION)]);
}

#[test]
fn a_handshake_that_takes_too_long_is_dropped() {
    let mut rig = Rig::new();
    let conn = rig.accept();
    rig.challenged(conn, &Rig::hello("b1"));
    rig.pass(limits::HANDSHAKE_MAX);
    assert_eq!(rig.closed, vec![(conn, close::TIMEOUT)]);
}

#[test]
fn of_too_many_unproven_sockets_the_oldest_goes_and_a_proven_one_never() {
    let mut rig = Rig::new();
    let proven = rig.connect("b1");
    let first = rig.accept();
    for _ in 0..UNPROVEN_MAX {
        rig.accept();
    }
    assert_eq!(rig.closed, vec![(first, close::TOO_MANY)]);
    rig.says(proven, &Frame::Ping {});
    assert_eq!(rig.frames, vec![(proven, Frame::Pong {})]);
    // A flood shuts nobody out.
    rig.connect("b1");
}

#[test]
fn browsers_are_bounded() {
    let mut rig = Rig::new();
    for browser in 0..BROWSERS_MAX {
        rig.pair(&format!("b{browser}"));
    }
    let one_more = rig.pair("another");
    assert_eq!(rig.closed, vec![(one_more, close::TOO_MANY)]);
}

#[test]
fn a_stale_socket_changes_nothing() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.input(lost(ConnId(99)));
    rig.input(Input::Frame {
        conn: ConnId(99),
        text: "{\"type\":\"ping\"}".into(),
    });
    assert!(rig.frames.is_empty() && rig.closed.is_empty());
    let again = rig.connect("b1");
    rig.input(lost(conn));
    rig.click(1);
    assert_eq!(rig.commands()[0].0, again);
}

#[test]
fn a_peer_that_says_nothing_hears_a_ping_after_twenty_seconds_and_silence_is_a_loss() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.pass(limits::KEEP_ALIVE / 2);
    rig.says(conn, &Frame::Pong {});
    rig.pass(limits::KEEP_ALIVE - Duration::from_secs(1));
    assert_eq!(rig.frames, vec![], "it spoke less than twenty seconds ago");
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.frames, vec![(conn, Frame::Ping {})]);
    rig.says(conn, &Frame::Pong {});
    rig.pass(limits::SILENCE_MAX - Duration::from_secs(1));
    assert!(rig.closed.is_empty(), "its pong counts");
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.closed, vec![(conn, close::TIMEOUT)]);
}

#[test]
fn after_a_sleep_of_the_machine_peers_are_asked_before_they_are_lost() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.pass(Duration::from_secs(75));
    rig.frames.clear();
    rig.sleep(Duration::from_secs(86_400));
    assert_eq!(rig.frames, vec![(conn, Frame::Ping {})]);
    assert!(rig.closed.is_empty());
    rig.pass(Duration::from_secs(14));
    assert!(rig.closed.is_empty());
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.closed, vec![(conn, close::TIMEOUT)]);
}

#[test]
fn a_rotated_secret_drops_open_sockets() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.input(Input::SecretRotated);
    assert_eq!(rig.closed, vec![(conn, close::NOT_PAIRED)]);
}

#[test]
fn a_port_list_is_given_when_asked_for_and_pushed_when_a_sibling_comes_or_goes() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let list = |ports: &[u16]| Frame::PortListResponse {
        ports: ports.iter().copied().map(Value::from).collect(),
    };
    rig.says(conn, &Frame::PortListRequest {});
    rig.input(Input::Siblings {
        ports: vec![8767, 8766, 8767, 80, PortRange::default().overflow_last()],
    });
    rig.input(Input::Siblings {
        ports: vec![8766, 8767, 80, PortRange::default().overflow_last()],
    });
    rig.input(Input::Siblings { ports: vec![] });
    let sent: Vec<Frame> = rig.frames.drain(..).map(|(_, frame)| frame).collect();
    assert_eq!(
        sent,
        vec![
            list(&[8765]),
            list(&[8765, 8766, 8767, 8864]),
            list(&[8765])
        ],
        "asked; pushed once for the same set; pushed"
    );
}

#[test]
fn garbage_of_a_proven_peer_is_put_up_with_for_a_while() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let garbage = ["", "null", "[]", "{}", "\u{0}", "{\"type\":\"hello\"}"];
    let unknown = "{\"type\":\"of a later version\"}";
    let texts = || garbage.iter().cycle().map(|text| String::from(*text));
    for round in 0..3 {
        for text in texts().take(BAD_FRAMES_MAX as usize) {
            rig.input(Input::Frame { conn, text });
            let text = unknown.to_owned();
            rig.input(Input::Frame { conn, text });
        }
        assert!(rig.closed.is_empty(), "round {round}");
        rig.says(conn, &Frame::Ping {});
        rig.pass(BAD_FRAMES_IN);
        rig.says(conn, &Frame::Pong {});
    }
    for text in texts().take(BAD_FRAMES_MAX as usize + 1) {
        rig.input(Input::Frame { conn, text });
    }
    assert_eq!(rig.closed, vec![(conn, close::BAD_FRAME)]);
}

#[test]
fn an_extension_that_leaves_because_it_is_not_paired_is_heard() {
    let mut rig = Rig::new();
    let conn = rig.accept();
    rig.challenged(conn, &Rig::hello("b1"));
    let code = close::NOT_PAIRED;
    rig.input(Input::Closed { conn, code });
    assert_eq!(rig.notes, vec![Note::NotPaired(Unpaired::HasNoSecret)]);
    let call = rig.snapshot(1);
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("not_paired"));
}

#[test]
fn a_stranger_that_leaves_as_not_paired_without_a_good_hello_says_nothing() {
    let mut rig = Rig::new();
    let code = close::NOT_PAIRED;
    let conn = rig.accept();
    rig.input(Input::Closed { conn, code });
    let conn = rig.accept();
    let hello = Hello {
        extension_id: "another".into(),
        ..Rig::hello("b1")
    };
    rig.says(conn, &Frame::Hello(hello));
    rig.input(Input::Closed { conn, code });
    assert!(rig.notes.is_empty());
    let call = rig.snapshot(1);
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("not_connected"));
}

#[test]
fn a_failed_proof_is_told_once_until_one_succeeds() {
    let mut rig = Rig::new();
    let code = close::NOT_PAIRED;
    for _ in 0..3 {
        let conn = rig.accept();
        rig.challenged(conn, &Rig::hello("b1"));
        rig.input(Input::Closed { conn, code });
    }
    assert_eq!(rig.notes, vec![Note::NotPaired(Unpaired::HasNoSecret)]);
    rig.connect("b1");
    rig.notes.clear();
    let conn = rig.accept();
    rig.challenged(conn, &Rig::hello("b1"));
    rig.input(Input::Closed { conn, code });
    assert_eq!(rig.notes, vec![Note::NotPaired(Unpaired::HasNoSecret)]);
}

#[test]
fn after_a_goodbye_nothing_is_heard() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let goodbye = Frame::Goodbye(Goodbye {
        reason: GoodbyeReason::Duplicate,
        grace_s: None,
        moved_to: None,
    });
    rig.says(conn, &goodbye);
    rig.says(conn, &Frame::Ping {});
    assert!(rig.frames.is_empty());
    assert_eq!(rig.closed, vec![(conn, close::NORMAL)]);
}
