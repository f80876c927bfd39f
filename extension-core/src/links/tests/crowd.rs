//! Many links at once, and both machines together.

use super::*;
use crate::discovery::{Discovery, DiscoveryEvent};
use crate::input::ProbeAnswer;
use protocol::SortedSet;
use protocol::ports::PortRange;

#[test]
fn a_thousand_idle_links_cost_a_few_frames_a_second_and_every_one_lives() {
    let mut links = links();
    for port in 10_000..11_000 {
        up(&mut links, port, Instant(u64::from(port) % 977));
    }
    drain(&mut links);
    let log = live(&mut links, secs(1), secs(601), true);
    assert_eq!(links.open().count(), 1000);
    // Forty port lists and twenty heartbeats of each, with their answers, in ten minutes.
    let sends = log
        .iter()
        .filter(|(_, event)| matches!(event, LinkEvent::Send { .. }))
        .count();
    assert_eq!(sends, 1000 * 60);
}

#[test]
fn two_hundred_servers_come_and_go_for_a_quarter_of_an_hour_over_real_handshakes() {
    let range = PortRange::new(20_000, 20_399).unwrap();
    let mut chance = ChaCha20Rng::from_seed([5; 32]);
    let mut links = links();
    let mut discovery = Discovery::new(range, &SortedSet::new(), 1, Instant(0));
    // Per port: since when it lives, and its sockets' handshakes.
    let mut alive: SortedMap<u16, Instant> = SortedMap::new();
    let mut shaking: SortedMap<SocketId, Server> = SortedMap::new();
    let (mut ups, mut downs) = (0, 0);
    for step in 0..3_600_u64 {
        let now = Instant(step * 250);
        if step % 3 == 0 {
            let port = 20_000 + u16::try_from(chance.next_u64() % 489).unwrap();
            if alive.remove(&port).is_some() {
                if let Some(socket) = links.by_port.get(&port).copied() {
                    links.handle_closed(socket, 1006, now);
                }
            } else if alive.len() < 200 {
                alive.insert(port, now);
            }
        }
        if discovery.poll_timeout().is_some_and(|at| at <= now) {
            discovery.handle_timeout(now);
        }
        if links.poll_timeout().is_some_and(|at| at <= now) {
            links.handle_timeout(now);
        }
        loop {
            if let Some(event) = discovery.poll_event() {
                match event {
                    DiscoveryEvent::Probe { port } => {
                        let answer = if alive.contains_key(&port) {
                            ProbeAnswer::Interlock { daemon: false }
                        } else {
                            ProbeAnswer::Refused
                        };
                        discovery.handle_probed(port, answer, now);
                    }
                    DiscoveryEvent::Dial { port, dialect } => {
                        links.dial(port, dialect, now);
                    }
                }
                continue;
            }
            let Some(event) = links.poll_event() else {
                break;
            };
            match event {
                LinkEvent::Dial { socket, port, .. } => {
                    shaking.insert(socket, Server::new(port));
                    links.handle_opened(socket, now);
                }
                LinkEvent::Send { socket, text } => {
                    let answer = if text == PING {
                        Some(Frame::Pong {})
                    } else {
                        let frame = Frame::parse(&text, FRAME_MAX).unwrap();
                        shaking
                            .get_mut(&socket)
                            .and_then(|server| server.answer(&frame))
                    };
                    if let Some(answer) = answer {
                        links.handle_text(socket, &answer.to_text(), now);
                    }
                }
                LinkEvent::Up { port, .. } => {
                    ups += 1;
                    discovery.handle_up(port, now);
                }
                LinkEvent::Down {
                    socket, port, why, ..
                } => {
                    downs += 1;
                    shaking.remove(&socket);
                    discovery.handle_down(port, why, now);
                }
                LinkEvent::Close { .. }
                | LinkEvent::UpUnpaired { .. }
                | LinkEvent::Request { .. }
                | LinkEvent::Frame { .. }
                | LinkEvent::PortList { .. }
                | LinkEvent::Alive { .. }
                | LinkEvent::NotPaired { .. }
                | LinkEvent::ReadSecret => {}
            }
        }
        if step % 4 != 0 {
            continue;
        }
        let open: SortedSet<u16> = links.open().map(|link| link.port).collect();
        for (port, since) in &alive {
            let bound = if *port <= range.last { 2_000 } else { 10_000 };
            assert!(
                open.contains(port) || now.since(*since).as_millis() <= bound,
                "{port} alive since {since:?}, now {now:?}"
            );
        }
        assert!(open.iter().all(|port| alive.contains_key(port)));
        assert_eq!(links.links.len(), shaking.len());
    }
    assert!(
        ups > 300 && ups - downs == links.open().count(),
        "{ups} {downs}"
    );
}
