use super::*;
use protocol::frame::{Limits, SessionOpen};
use serde_json::json;

const PORT: u16 = 8765;
const PING: &str = r#"{"type":"ping"}"#;
const PORT_LIST: &str = r#"{"type":"portListRequest"}"#;

fn secret() -> Secret {
    Secret::new([7; 32])
}

fn links() -> Links {
    links_with(Some(secret()))
}

fn links_with(secret: Option<Secret>) -> Links {
    let me = Identity {
        extension_id: protocol::EXTENSION_ID.into(),
        browser_id: BrowserId("profile".into()),
        browser_name: "work".into(),
    };
    Links::new(me, secret, [1; 32], Instant(0))
}

fn drain(links: &mut Links) -> Vec<LinkEvent> {
    std::iter::from_fn(|| links.poll_event()).collect()
}

fn sent(events: &[LinkEvent]) -> Vec<Frame> {
    let text = |event: &LinkEvent| match event {
        LinkEvent::Send { text, .. } => Some(Frame::parse(text, FRAME_MAX).unwrap()),
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
    };
    events.iter().filter_map(text).collect()
}

/// The server's side of one handshake, written from `design/wire.md`.
#[derive(Clone)]
struct Server {
    secret: Secret,
    port: u16,
    nonce_srv: String,
    features: Vec<String>,
    said: Option<Transcript>,
}

impl Server {
    fn new(port: u16) -> Self {
        Self {
            secret: secret(),
            port,
            nonce_srv: "5".repeat(64),
            features: vec!["some".into()],
            said: None,
        }
    }

    /// The frame that answers `frame`, when one is due.
    fn answer(&mut self, frame: &Frame) -> Option<Frame> {
        if let Frame::Hello(hello) = frame {
            self.said = Some(Transcript {
                address: "127.0.0.1".into(),
                port: self.port,
                path: "/".into(),
                nonce_ext: hello.nonce_ext.clone(),
                nonce_srv: self.nonce_srv.clone(),
                extension_id: hello.extension_id.clone(),
                browser_id: hello.browser_id.0.clone(),
                versions: hello.versions.clone(),
                version: "2.0".into(),
            });
            return Some(Frame::Challenge {
                nonce_srv: self.nonce_srv.clone(),
                version: "2.0".into(),
            });
        }
        if let Frame::Proof { mac } = frame {
            let said = self.said.as_ref()?;
            let limits = Limits::default();
            return said.extension_proves(&self.secret, mac).then(|| {
                let mac = said.server_mac(&self.secret, &self.features, &limits.canonical());
                Frame::HelloAck(HelloAck {
                    mac,
                    features: self.features.clone(),
                    limits,
                })
            });
        }
        None
    }
}

/// Runs a handshake to its end; the events that were not the server's to answer.
fn shake(links: &mut Links, socket: SocketId, server: &mut Server, now: Instant) -> Vec<LinkEvent> {
    let mut rest = Vec::new();
    links.handle_opened(socket, now);
    loop {
        let events = drain(links);
        let answer = sent(&events).iter().find_map(|frame| server.answer(frame));
        rest.extend(events);
        match answer {
            Some(answer) => links.handle_text(socket, &answer.to_text(), now),
            None => return rest,
        }
    }
}

fn up(links: &mut Links, port: u16, now: Instant) -> SocketId {
    let socket = links.dial(port, Dialect::V2, now);
    let events = shake(links, socket, &mut Server::new(port), now);
    assert!(events.contains(&LinkEvent::Up {
        socket,
        port,
        features: vec!["some".into()]
    }));
    socket
}

fn down(socket: SocketId, port: u16, why: DownReason) -> LinkEvent {
    LinkEvent::Down {
        socket,
        port,
        why,
        goodbye: None,
    }
}

fn secs(n: u64) -> Instant {
    Instant(n * 1000)
}

#[test]
fn the_client_speaks_first_and_the_port_list_is_asked_for_right_after() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    assert_eq!(
        drain(&mut links),
        [LinkEvent::Dial {
            socket,
            port: PORT,
            dialect: Dialect::V2,
        }],
        "nothing is said before the socket is open"
    );
    let events = shake(&mut links, socket, &mut Server::new(PORT), secs(0));
    let frames = sent(&events);
    assert!(
        matches!(
            frames[..],
            [
                Frame::Hello(_),
                Frame::Proof { .. },
                Frame::PortListRequest {}
            ]
        ),
        "{frames:?}"
    );
    assert_eq!(links.open().count(), 1);
    assert_eq!(links.port(socket), Some(PORT));
}

#[test]
fn nonces_are_fresh_for_every_socket_and_follow_from_the_seed() {
    let hello = |links: &mut Links, port| {
        let socket = links.dial(port, Dialect::V2, secs(0));
        links.handle_opened(socket, secs(0));
        match sent(&drain(links)).first() {
            Some(Frame::Hello(hello)) => hello.nonce_ext.clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut one = links();
    let (first, second) = (hello(&mut one, 1), hello(&mut one, 2));
    assert_ne!(first, second);
    assert_eq!(hello(&mut links(), 1), first);
}

#[test]
fn a_port_is_dialled_once_until_its_socket_is_gone() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    assert_eq!(links.dial(PORT, Dialect::V2, secs(0)), socket);
    assert_eq!(drain(&mut links).len(), 1);
    links.handle_closed(socket, 1006, secs(0));
    assert_eq!(drain(&mut links), [down(socket, PORT, DownReason::Failed)]);
    assert_ne!(
        links.dial(PORT, Dialect::V2, secs(0)),
        socket,
        "no id is used twice"
    );
}

#[test]
fn five_seconds_to_connect_and_five_for_the_handshake() {
    for (opened, challenged) in [(false, false), (true, false), (true, true)] {
        let mut links = links();
        let socket = links.dial(PORT, Dialect::V2, secs(0));
        let mut start = secs(0);
        if opened {
            start = Instant(4900);
            links.handle_opened(socket, start);
        }
        if challenged {
            let challenge =
                json!({"type": "challenge", "nonceSrv": "5".repeat(64), "version": "2.0"});
            links.handle_text(socket, &challenge.to_string(), start);
        }
        drain(&mut links);
        assert_eq!(links.poll_timeout(), Some(start + Duration::from_secs(5)));
        links.handle_timeout(start + Duration::from_millis(4999));
        assert_eq!(drain(&mut links), []);
        links.handle_timeout(start + Duration::from_secs(5));
        let code = close_code::TIMEOUT;
        assert_eq!(
            drain(&mut links),
            [
                LinkEvent::Close { socket, code },
                down(socket, PORT, DownReason::Failed)
            ]
        );
        assert_eq!(links.poll_timeout(), None, "nothing of it remains");
    }
}

#[test]
fn frames_out_of_order_oversized_or_garbage_end_that_socket_and_touch_no_other() {
    let ack = json!({"type": "helloAck", "mac": "0".repeat(64), "features": [], "limits": {"frameMax": 1_000_000}});
    let challenge = |nonce: &str, version: &str| {
        json!({"type": "challenge", "nonceSrv": nonce, "version": version}).to_string()
    };
    let first = [
        ack.to_string(),
        r#"{"type":"ping"}"#.into(),
        r#"{"type":"sessionOpen","sessionId":"s","resumeToken":"t","label":"l"}"#.into(),
        challenge("short", "2.0"),
        challenge(&"5".repeat(64), "1.0"),
        format!("{}{}", challenge(&"5".repeat(64), "2.0"), " ".repeat(5000)),
        "".into(),
        "\u{0}\u{ffff}".into(),
        "[[[[".into(),
        r#"{"type":"later"}"#.into(),
        "x".repeat(1_000_000),
    ];
    for text in first {
        let mut links = links();
        let other = up(&mut links, PORT + 1, secs(0));
        let socket = links.dial(PORT, Dialect::V2, secs(0));
        links.handle_opened(socket, secs(0));
        drain(&mut links);
        links.handle_text(socket, &text, secs(0));
        let code = close_code::BAD_FRAME;
        assert_eq!(
            drain(&mut links),
            [
                LinkEvent::Close { socket, code },
                down(socket, PORT, DownReason::Failed)
            ],
            "{text:.60}"
        );
        let open: Vec<_> = links.open().map(|link| link.socket).collect();
        assert_eq!(open, [other]);
    }
    // And in the second step: a second challenge.
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    links.handle_opened(socket, secs(0));
    links.handle_text(socket, &challenge(&"5".repeat(64), "2.0"), secs(0));
    drain(&mut links);
    links.handle_text(socket, &challenge(&"6".repeat(64), "2.0"), secs(0));
    assert!(drain(&mut links).contains(&down(socket, PORT, DownReason::Failed)));
}

#[test]
fn a_challenge_that_mirrors_our_nonce_is_refused() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    links.handle_opened(socket, secs(0));
    let Some(Frame::Hello(hello)) = sent(&drain(&mut links)).pop() else {
        panic!("a hello")
    };
    let challenge = Frame::Challenge {
        nonce_srv: hello.nonce_ext,
        version: "2.0".into(),
    };
    links.handle_text(socket, &challenge.to_text(), secs(0));
    let code = close_code::BAD_FRAME;
    assert_eq!(
        drain(&mut links),
        [
            LinkEvent::Close { socket, code },
            down(socket, PORT, DownReason::Failed)
        ]
    );
}

#[test]
fn limits_of_a_later_version_are_ignored_in_the_proof_too() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    links.handle_opened(socket, secs(0));
    let mut server = Server::new(PORT);
    let hello = sent(&drain(&mut links)).remove(0);
    let challenge = server.answer(&hello).unwrap();
    links.handle_text(socket, &challenge.to_text(), secs(0));
    let said = server.said.unwrap();
    let limits = Limits::default().canonical();
    let mac = said.server_mac(&secret(), &[], &limits);
    let ack = json!({"type": "helloAck", "mac": mac, "features": [],
        "limits": {"later": 1, "frameMax": Limits::default().frame_max}});
    links.handle_text(socket, &ack.to_string(), secs(0));
    assert_eq!(links.open().count(), 1);
}

#[test]
fn a_server_without_the_secret_is_not_believed_and_says_nothing_to_anyone() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    links.handle_opened(socket, secs(0));
    let mut server = Server::new(PORT);
    let hello = sent(&drain(&mut links)).remove(0);
    let challenge = server.answer(&hello).unwrap();
    links.handle_text(socket, &challenge.to_text(), secs(0));
    drain(&mut links);
    let forged =
        server
            .said
            .unwrap()
            .server_mac(&Secret::new([8; 32]), &[], &Limits::default().canonical());
    let ack = Frame::HelloAck(HelloAck {
        mac: forged,
        features: vec![],
        limits: Limits::default(),
    });
    links.handle_text(socket, &ack.to_text(), secs(0));
    let code = close_code::NOT_PAIRED;
    assert_eq!(
        drain(&mut links),
        [
            LinkEvent::NotPaired { port: PORT },
            LinkEvent::ReadSecret,
            LinkEvent::Close { socket, code },
            down(socket, PORT, DownReason::Failed),
        ]
    );
    let open = r#"{"type":"sessionOpen","sessionId":"s","resumeToken":"t","label":"l"}"#;
    links.handle_text(socket, open, secs(0));
    assert_eq!(drain(&mut links), []);
}

#[test]
fn a_proof_made_for_another_port_or_with_features_stripped_is_refused() {
    let relayed = Server::new(PORT + 1);
    for (server, strip) in [(relayed, false), (Server::new(PORT), true)] {
        let mut links = links();
        let socket = links.dial(PORT, Dialect::V2, secs(0));
        links.handle_opened(socket, secs(0));
        let mut server = server;
        let hello = sent(&drain(&mut links)).remove(0);
        let challenge = server.answer(&hello).unwrap();
        links.handle_text(socket, &challenge.to_text(), secs(0));
        drain(&mut links);
        let said = server.said.clone().unwrap();
        let limits = Limits::default();
        let mac = said.server_mac(&secret(), &server.features, &limits.canonical());
        let features = if strip { vec![] } else { server.features };
        let ack = Frame::HelloAck(HelloAck {
            mac,
            features,
            limits,
        });
        links.handle_text(socket, &ack.to_text(), secs(0));
        assert!(drain(&mut links).contains(&LinkEvent::NotPaired { port: PORT }));
        assert_eq!(links.open().count(), 0);
    }
}

#[test]
fn a_refused_proof_has_the_secret_read_once_however_many_fail() {
    let mut links = links();
    let mut reads = 0;
    for port in PORT..PORT + 5 {
        let socket = links.dial(port, Dialect::V2, secs(0));
        links.handle_opened(socket, secs(0));
        links.handle_closed(socket, close_code::NOT_PAIRED, secs(0));
        let events = drain(&mut links);
        assert!(events.contains(&LinkEvent::NotPaired { port }));
        assert!(events.contains(&down(socket, port, DownReason::Failed)));
        reads += events
            .iter()
            .filter(|event| **event == LinkEvent::ReadSecret)
            .count();
    }
    assert_eq!(reads, 1);
    assert!(!links.set_secret(Some(secret())), "it is the same");
    assert!(links.set_secret(Some(Secret::new([9; 32]))));
    let socket = links.dial(PORT, Dialect::V2, secs(1));
    links.handle_opened(socket, secs(1));
    links.handle_closed(socket, close_code::NOT_PAIRED, secs(1));
    assert!(drain(&mut links).contains(&LinkEvent::ReadSecret));
}

#[test]
fn without_a_secret_the_extension_says_who_it_is_and_no_more() {
    let mut links = links_with(None);
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    let events = shake(&mut links, socket, &mut Server::new(PORT), secs(0));
    assert!(matches!(sent(&events)[..], [Frame::Hello(_)]));
    let code = close_code::NOT_PAIRED;
    assert!(events.contains(&LinkEvent::Close { socket, code }));
    assert!(events.contains(&LinkEvent::ReadSecret));
    assert!(links.set_secret(Some(secret())));
    up(&mut links, PORT, secs(3));
}

#[test]
fn a_close_in_the_handshake_that_is_no_4401_says_nothing_of_pairing() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    links.handle_opened(socket, secs(0));
    drain(&mut links);
    links.handle_closed(socket, 1006, secs(0));
    assert_eq!(drain(&mut links), [down(socket, PORT, DownReason::Failed)]);
}

#[test]
fn pings_are_answered_and_pongs_are_told_to_whoever_asked() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    links.handle_text(socket, r#"{"type":"ping"}"#, secs(1));
    assert_eq!(sent(&drain(&mut links)), [Frame::Pong {}]);
    links.handle_text(socket, r#"{"type":"pong"}"#, secs(1));
    assert_eq!(drain(&mut links), []);
    links.ping(socket);
    assert_eq!(sent(&drain(&mut links)), [Frame::Ping {}]);
    links.handle_text(socket, r#"{"type":"pong"}"#, secs(2));
    assert_eq!(drain(&mut links), [LinkEvent::Alive { socket }]);
    links.handle_text(socket, r#"{"type":"pong"}"#, secs(2));
    assert_eq!(drain(&mut links), []);
}

#[test]
fn only_frames_of_sessions_leave_the_module() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    let open = Frame::SessionOpen(SessionOpen {
        session_id: SessionId::new("s").unwrap(),
        resume_token: "t".into(),
        label: "l".into(),
        standby: false,
    });
    links.handle_text(socket, &open.to_text(), secs(1));
    let frame = Box::new(open);
    assert_eq!(drain(&mut links), [LinkEvent::Frame { socket, frame }]);
    let list = r#"{"type":"portListResponse","ports":[8765,"x"]}"#;
    links.handle_text(socket, list, secs(1));
    let ports = vec![json!(8765), json!("x")];
    assert_eq!(drain(&mut links), [LinkEvent::PortList { socket, ports }]);
    let long = json!({"type": "portListResponse", "ports": vec![1; 100_000]});
    links.handle_text(socket, &long.to_string(), secs(1));
    assert!(
        matches!(&drain(&mut links)[..], [LinkEvent::PortList { ports, .. }] if ports.len() == PORT_LIST_MAX)
    );
}

/// Plays `until` in steps that the machine asks for; the peer answers while `answers`.
fn live(
    links: &mut Links,
    from: Instant,
    until: Instant,
    answers: bool,
) -> Vec<(Instant, LinkEvent)> {
    let mut log = Vec::new();
    let mut now = from;
    loop {
        let events = drain(links);
        if answers {
            for event in &events {
                if let LinkEvent::Send { socket, text } = event {
                    let answer = match text.as_str() {
                        PING => r#"{"type":"pong"}"#,
                        PORT_LIST => r#"{"type":"portListResponse","ports":[]}"#,
                        other => panic!("{other}"),
                    };
                    links.handle_text(*socket, answer, now);
                }
            }
        }
        log.extend(events.into_iter().map(|event| (now, event)));
        match links.poll_timeout() {
            Some(next) if next <= until => {
                now = now.max(next);
                links.handle_timeout(now);
            }
            Some(_) | None => return log,
        }
    }
}

fn times_of(log: &[(Instant, LinkEvent)], wanted: &str) -> Vec<Instant> {
    let is = |event: &LinkEvent| matches!(event, LinkEvent::Send { text, .. } if text == wanted);
    log.iter()
        .filter(|(_, event)| is(event))
        .map(|(at, _)| *at)
        .collect()
}

#[test]
fn a_heartbeat_every_thirty_seconds_a_port_list_every_fifteen_and_never_twenty_of_silence() {
    let mut links = links();
    up(&mut links, PORT, secs(0));
    let log = live(&mut links, secs(0), secs(3600), true);
    let pings = times_of(&log, PING);
    assert_eq!(pings, (1..=120).map(|n| secs(30 * n)).collect::<Vec<_>>());
    let lists = times_of(&log, PORT_LIST);
    assert_eq!(lists, (1..=240).map(|n| secs(15 * n)).collect::<Vec<_>>());
    assert_eq!(links.open().count(), 1, "an answering peer is never lost");
    let mut said: Vec<Instant> = pings.into_iter().chain(lists).chain([secs(0)]).collect();
    said.sort();
    assert!(
        said.windows(2)
            .all(|pair| pair[1].since(pair[0]) < KEEP_ALIVE)
    );
}

#[test]
fn sockets_that_opened_at_different_times_are_spoken_to_at_the_same() {
    let mut links = links();
    for second in 0..10 {
        up(
            &mut links,
            PORT + u16::try_from(second).unwrap(),
            secs(second),
        );
        drain(&mut links);
    }
    let log = live(&mut links, secs(10), secs(310), true);
    let mut woken = times_of(&log, PORT_LIST);
    assert_eq!(woken.len(), 10 * 20);
    woken.dedup();
    assert_eq!(woken, (1..=20).map(|n| secs(15 * n)).collect::<Vec<_>>());
    assert_eq!(times_of(&log, PING).len(), 10 * 10);
}

#[test]
fn ninety_seconds_of_silence_are_a_loss() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    links.handle_text(socket, r#"{"type":"ping"}"#, secs(20));
    let log = live(&mut links, secs(20), secs(300), false);
    let code = close_code::TIMEOUT;
    let end: Vec<_> = log.iter().rev().take(2).rev().cloned().collect();
    assert_eq!(
        end,
        [
            (secs(110), LinkEvent::Close { socket, code }),
            (secs(110), down(socket, PORT, DownReason::Lost))
        ]
    );
    assert_eq!(links.poll_timeout(), None);
}

#[test]
fn a_closed_laptop_loses_nobody_who_answers_within_fifteen_seconds() {
    let day = 86_400;
    for (answers_after, lives) in [(14, true), (16, false)] {
        let mut links = links();
        let socket = up(&mut links, PORT, secs(0));
        // Eighty seconds of silence, then a day of sleep.
        live(&mut links, secs(0), secs(80), false);
        links.handle_timeout(secs(day));
        let events = drain(&mut links);
        assert!(sent(&events).contains(&Frame::Ping {}), "it is asked");
        assert!(!events.contains(&down(socket, PORT, DownReason::Lost)));
        live(&mut links, secs(day), secs(day + answers_after), false);
        links.handle_text(socket, r#"{"type":"pong"}"#, secs(day + answers_after));
        assert_eq!(links.open().count() == 1, lives, "{answers_after}");
    }
}

#[test]
fn an_unobserved_gap_counts_as_thirty_five_seconds_of_silence() {
    let mut links = links();
    up(&mut links, PORT, secs(0));
    links.handle_timeout(secs(1000));
    // 35 observed; 54 more are 89, one more is the loss.
    live(&mut links, secs(1000), secs(1054), false);
    assert_eq!(links.open().count(), 1);
    live(&mut links, secs(1054), secs(1055), false);
    assert_eq!(links.open().count(), 0);
}

#[test]
fn a_goodbye_is_told_with_its_reason_and_what_follows_it_is_nothing() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    links.handle_text(
        socket,
        r#"{"type":"goodbye","reason":"ending","graceS":10}"#,
        secs(1),
    );
    let goodbye = Goodbye {
        reason: GoodbyeReason::Ending,
        grace_s: Some(10),
        moved_to: None,
    };
    let code = close_code::NORMAL;
    assert_eq!(
        drain(&mut links),
        [
            LinkEvent::Close { socket, code },
            LinkEvent::Down {
                socket,
                port: PORT,
                why: DownReason::Goodbye,
                goodbye: Some(goodbye)
            }
        ]
    );
    links.handle_text(socket, r#"{"type":"ping"}"#, secs(1));
    links.handle_closed(socket, 1000, secs(1));
    assert_eq!(drain(&mut links), []);
}

#[test]
fn a_lost_socket_is_a_loss_and_not_a_goodbye() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    drain(&mut links);
    links.handle_closed(socket, 1001, secs(1));
    assert_eq!(drain(&mut links), [down(socket, PORT, DownReason::Lost)]);
}

#[test]
fn a_server_whose_secret_was_changed_has_ours_read_again() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    drain(&mut links);
    links.handle_closed(socket, close_code::NOT_PAIRED, secs(1));
    assert_eq!(
        drain(&mut links),
        [LinkEvent::ReadSecret, down(socket, PORT, DownReason::Lost)]
    );
}

#[test]
fn we_say_goodbye_before_we_close() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    let goodbye = Goodbye {
        reason: GoodbyeReason::Duplicate,
        grace_s: None,
        moved_to: None,
    };
    links.close(socket, close_code::REPLACED, Some(goodbye.clone()));
    let events = drain(&mut links);
    assert_eq!(sent(&events), [Frame::Goodbye(goodbye)]);
    let code = close_code::REPLACED;
    assert_eq!(
        events[1..],
        [
            LinkEvent::Close { socket, code },
            down(socket, PORT, DownReason::Duplicate)
        ]
    );
    links.close(socket, code, None);
    assert_eq!(drain(&mut links), []);
    assert_eq!(links.send(socket, &Frame::Ping {}), Sent::Gone);
}

#[test]
fn nothing_is_sent_to_a_socket_that_has_not_proven_itself() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    assert_eq!(links.send(socket, &Frame::Ping {}), Sent::Gone);
    links.handle_opened(socket, secs(0));
    assert_eq!(links.send(socket, &Frame::Ping {}), Sent::Gone);
    links.ping(socket);
    assert!(matches!(sent(&drain(&mut links))[..], [Frame::Hello(_)]));
}

#[test]
fn a_stale_close_or_text_does_not_touch_the_new_socket() {
    let mut links = links();
    let old = up(&mut links, PORT, secs(0));
    links.handle_closed(old, 1006, secs(1));
    let new = up(&mut links, PORT, secs(2));
    drain(&mut links);
    links.handle_closed(old, 1006, secs(3));
    links.handle_text(old, r#"{"type":"goodbye","reason":"final"}"#, secs(3));
    links.handle_opened(old, secs(3));
    links.close(old, 1000, None);
    links.ping(old);
    assert_eq!(drain(&mut links), []);
    let open: Vec<_> = links.open().map(|link| (link.socket, link.heard)).collect();
    assert_eq!(open, [(new, secs(2))]);
}

#[test]
fn a_frame_above_the_agreed_limit_is_not_sent_and_one_that_comes_ends_the_socket() {
    let mut links = links();
    let socket = links.dial(PORT, Dialect::V2, secs(0));
    links.handle_opened(socket, secs(0));
    let mut server = Server::new(PORT);
    let hello = sent(&drain(&mut links)).remove(0);
    links.handle_text(socket, &server.answer(&hello).unwrap().to_text(), secs(0));
    drain(&mut links);
    let limits = Limits { frame_max: 5000 };
    let mac = server
        .said
        .unwrap()
        .server_mac(&secret(), &[], &limits.canonical());
    let ack = Frame::HelloAck(HelloAck {
        mac,
        features: vec![],
        limits,
    });
    links.handle_text(socket, &ack.to_text(), secs(0));
    drain(&mut links);
    let wire = || (WireId::new("w").unwrap(), SessionId::new("s").unwrap());
    let big = Frame::Response(Envelope::response(
        wire().0,
        wire().1,
        Ok(json!("x".repeat(5000))),
    ));
    assert!(matches!(
        links.send(socket, &big),
        Sent::TooLarge { limit: 5000, .. }
    ));
    assert_eq!(drain(&mut links), []);
    links.handle_text(socket, &big.to_text(), secs(1));
    assert!(drain(&mut links).contains(&down(socket, PORT, DownReason::Failed)));
}

#[test]
fn frames_of_a_later_version_are_ignored() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    for _ in 0..1000 {
        links.handle_text(socket, r#"{"type":"later","x":1}"#, secs(1));
    }
    assert_eq!(drain(&mut links), []);
    assert_eq!(links.open().count(), 1);
}

#[test]
fn garbage_of_a_proven_peer_is_let_pass_now_and_then_and_ends_the_socket_when_it_streams() {
    let garbage = [
        "",
        "nonsense",
        "[]",
        r#"{"type":"command"}"#,
        r#"{"type":"hello"}"#,
        r#"{"type":"pong","x":"\ud800"}"#,
        r#"{"type":"proof","mac":"x"}"#,
        r#"{"type":"portListRequest"}"#,
    ];
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    for minute in 0..1000 {
        links.handle_text(
            socket,
            garbage[minute % garbage.len()],
            secs(minute as u64 * 10),
        );
        assert_eq!(
            drain(&mut links)
                .iter()
                .filter(|event| matches!(event, LinkEvent::Down { .. }))
                .count(),
            0
        );
    }
    let now = secs(100_000);
    let socket = {
        links.handle_closed(socket, 1006, now);
        up(&mut links, PORT, now)
    };
    let mut survived = 0;
    while links.open().count() == 1 {
        links.handle_text(socket, garbage[survived % garbage.len()], now);
        survived += 1;
    }
    assert_eq!(survived, 17);
    assert!(drain(&mut links).contains(&down(socket, PORT, DownReason::Failed)));
}

#[test]
fn a_malformed_command_is_answered_with_what_is_wrong() {
    let mut links = links();
    let socket = up(&mut links, PORT, secs(0));
    let text = json!({"type": "command", "wireId": "w", "sessionId": "s", "originId": null,
        "name": "browser_snapshot", "payload": {}, "tabId": -1});
    links.handle_text(socket, &text.to_string(), secs(1));
    let frames = sent(&drain(&mut links));
    let [Frame::Response(answer)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!(
        (answer.wire_id.as_str(), &answer.origin_id),
        ("w", &Some(Value::Null))
    );
    let protocol::Body::Error(error) = &answer.body else {
        panic!("an error")
    };
    assert_eq!(error.code, protocol::ErrorCode::BadArguments);
}

#[test]
fn dials_beyond_the_bound_come_to_nothing() {
    let mut links = links();
    for port in 0..u16::try_from(LINKS_MAX).unwrap() {
        links.dial(port, Dialect::V2, secs(0));
    }
    drain(&mut links);
    let socket = links.dial(60_000, Dialect::V2, secs(0));
    assert_eq!(
        drain(&mut links),
        [down(socket, 60_000, DownReason::Failed)]
    );
    assert_eq!(links.links.len(), LINKS_MAX);
}

#[test]
fn no_bytes_whatever_end_the_worker() {
    let mut links = links();
    let mut chance = ChaCha20Rng::from_seed([3; 32]);
    let seeds: Vec<String> = [
        json!({"type": "challenge", "nonceSrv": "5".repeat(64), "version": "2.0"}),
        json!({"type": "helloAck", "mac": "0".repeat(64), "features": ["x"], "limits": {"frameMax": 9}}),
        json!({"type": "command", "wireId": "w", "sessionId": "s", "name": "n", "payload": {}}),
        json!({"type": "portListResponse", "ports": [1, 2]}),
        json!({"type": "goodbye", "reason": "final"}),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    for round in 0..5000_u64 {
        let now = Instant(round * 100);
        let port = PORT + u16::try_from(round % 3).unwrap();
        let socket = if round % 2 == 0 && !links.by_port.contains_key(&port) {
            up(&mut links, port, now)
        } else {
            let socket = links.dial(port, Dialect::V2, now);
            links.handle_opened(socket, now);
            socket
        };
        let pick = usize::try_from(chance.next_u64() % 5).unwrap();
        let mut bytes = seeds[pick].clone().into_bytes();
        for _ in 0..chance.next_u64() % 4 {
            let at = usize::try_from(chance.next_u64()).unwrap_or(0) % bytes.len();
            bytes[at] = u8::try_from(chance.next_u64() % 256).unwrap();
        }
        links.handle_text(socket, &String::from_utf8_lossy(&bytes), now);
        links.handle_timeout(now);
        drain(&mut links);
        assert!(links.links.len() <= 3 && links.timers.len() <= 9);
    }
}

mod crowd;
mod unpaired;
