//! Ports on which a server that proves nothing is let in.

use super::*;

fn dialled(discovery: &mut Discovery) -> Vec<(u16, Dialect)> {
    let mut dialled = Vec::new();
    while let Some(event) = discovery.poll_event() {
        match event {
            DiscoveryEvent::Probe { .. } => {}
            DiscoveryEvent::Dial { port, dialect } => dialled.push((port, dialect)),
        }
    }
    dialled
}

fn discovery(allowed: &[u16]) -> Discovery {
    let range = PortRange::default();
    let mut discovery = Discovery::new(range, &SortedSet::new(), 7, Instant(0));
    discovery.allow_unpaired(allowed.iter().copied().collect());
    discovery.handle_timeout(Instant(0));
    discovery
}

#[test]
fn whatever_answers_is_a_server_on_the_ports_that_the_user_names_and_on_no_other() {
    let mut discovery = discovery(&[8766, 9_999]);
    for port in [8765, 8766, 8767, 9_999] {
        discovery.handle_probed(port, ProbeAnswer::Foreign, Instant(1));
    }
    assert_eq!(dialled(&mut discovery), [(8766, Dialect::V1)]);
    for answer in [ProbeAnswer::Refused, ProbeAnswer::Silent] {
        discovery.handle_down(8766, DownReason::Closed, Instant(2_000));
        discovery.handle_probed(8766, answer, Instant(10_000));
        assert_eq!(dialled(&mut discovery), [], "{answer:?}");
    }
}

#[test]
fn one_of_ours_proves_itself_there_too() {
    let mut discovery = discovery(&[8766]);
    let ours = ProbeAnswer::Interlock { daemon: false };
    discovery.handle_probed(8766, ours, Instant(1));
    assert_eq!(dialled(&mut discovery), [(8766, Dialect::V2)]);
    // What comes after it on that port is what it answers then, and the other way round.
    discovery.handle_up(8766, Instant(2));
    discovery.handle_down(8766, DownReason::Lost, Instant(5_000));
    discovery.handle_probed(8766, ProbeAnswer::Foreign, Instant(5_001));
    assert_eq!(dialled(&mut discovery), [(8766, Dialect::V1)]);
    discovery.handle_up(8766, Instant(5_002));
    discovery.handle_down(8766, DownReason::Lost, Instant(9_000));
    discovery.handle_probed(8766, ours, Instant(9_001));
    assert_eq!(dialled(&mut discovery), [(8766, Dialect::V2)]);
}

#[test]
fn servers_that_prove_nothing_and_stall_hold_up_nobody_who_does() {
    let allowed: Vec<u16> = (8765..=8774).collect();
    let mut discovery = discovery(&allowed);
    for port in &allowed {
        discovery.handle_probed(*port, ProbeAnswer::Foreign, Instant(1));
    }
    let ours = ProbeAnswer::Interlock { daemon: false };
    discovery.handle_probed(8775, ours, Instant(1));
    let unpaired = [(8765, Dialect::V1), (8766, Dialect::V1)];
    assert_eq!(
        dialled(&mut discovery),
        [unpaired[0], unpaired[1], (8775, Dialect::V2)]
    );
    // Each has its turn.
    discovery.handle_down(8765, DownReason::Failed, Instant(5_000));
    assert_eq!(dialled(&mut discovery), [(8767, Dialect::V1)]);
}
