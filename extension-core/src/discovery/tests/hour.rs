//! An hour on a developer's machine: a dozen of our servers come and go on the usual ports, and other
//! services with them, which leave their ports to ours.

use super::*;
use std::collections::BTreeMap;

/// Servers of ours at once: one more than the range has ports.
const SERVERS: usize = 12;
const STRANGERS: usize = 6;
/// The last port on which one binds here.
const LAST: u16 = 8780;
/// Something happens so often: a server of ours within every minute, so that none is quiet.
const STEP: Duration = Duration::from_secs(2);

/// How long a server waits at most that starts on this port, after whoever was seen there last.
fn bound(port: u16, before: Option<Peer>) -> Duration {
    let swept = if port <= PortRange::default().last {
        Duration::from_millis(2_100)
    } else {
        Duration::from_millis(10_100)
    };
    let known = match before {
        None | Some(Peer::Ours | Peer::Daemon) => Duration::ZERO,
        // It is looked at again so often.
        Some(Peer::Foreign | Peer::Mute) => Duration::from_secs(10),
        // The longest back-off, with its jitter.
        Some(Peer::Unpaired | Peer::Stalling) => Duration::from_secs(66),
    };
    // A dial that stalls may be under way.
    let dial = match before {
        Some(Peer::Stalling) => Duration::from_millis(STALLED_MS),
        None | Some(Peer::Ours | Peer::Daemon | Peer::Foreign | Peer::Mute | Peer::Unpaired) => {
            Duration::ZERO
        }
    };
    swept + known + dial
}

#[test]
fn twelve_servers_come_and_go_for_an_hour_among_services_that_are_none_and_each_is_found_in_time() {
    let mut chance = ChaCha8Rng::seed_from_u64(12);
    let mut world = World::new(PortRange::default());
    let mut born: BTreeMap<u16, (Instant, Option<Peer>)> = BTreeMap::new();
    // Who was last on a port.
    let mut before: BTreeMap<u16, Peer> = BTreeMap::new();
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..1_800 {
        for _ in 0..4 {
            world.run_until(world.now + STEP / 4);
            for (port, (since, after)) in born.clone() {
                if world.connected.contains_key(&port) {
                    born.remove(&port);
                    before.insert(port, Peer::Ours);
                    *found.entry(format!("{after:?}")).or_default() += 1;
                } else {
                    let waited = world.now.since(since);
                    let bound = bound(port, after);
                    assert!(waited <= bound, "{port} after {after:?}: {waited:?}");
                }
            }
        }
        let port = 8765 + u16::try_from(chance.next_u64() % u64::from(LAST - 8764)).unwrap();
        let ours = |peer: &&Peer| **peer == Peer::Ours;
        let servers = world.peers.values().filter(ours).count();
        let strangers = world.peers.len() - servers;
        match (world.peers.get(&port).copied(), chance.next_u64() % 4) {
            (Some(Peer::Ours), 0) => {
                born.remove(&port);
                world.kill(port);
            }
            (Some(Peer::Ours), 1) if world.connected.remove(&port).is_some() => {
                let lost = DownReason::Lost;
                world.discovery.handle_down(port, lost, world.now);
                born.insert(port, (world.now, None));
            }
            // One of ours takes the place at once.
            (Some(stranger), _) if stranger != Peer::Ours => {
                world.peers.remove(&port);
                if servers < SERVERS {
                    world.start(port);
                    born.insert(port, (world.now, Some(stranger)));
                } else {
                    before.insert(port, stranger);
                }
            }
            (None, 0) if strangers < STRANGERS => {
                let kinds = [Peer::Foreign, Peer::Mute, Peer::Unpaired, Peer::Stalling];
                let kind = usize::try_from(chance.next_u64() % 4).unwrap();
                world.peers.insert(port, kinds[kind]);
            }
            (None, _) if servers < SERVERS => {
                world.start(port);
                born.insert(port, (world.now, before.get(&port).copied()));
            }
            (Some(_) | None, _) => {}
        }
    }
    for after in [
        "None",
        "Some(Ours)",
        "Some(Foreign)",
        "Some(Mute)",
        "Some(Unpaired)",
        "Some(Stalling)",
    ] {
        assert!(
            found.get(after).is_some_and(|times| *times > 10),
            "{after}: {found:?}"
        );
    }
}
