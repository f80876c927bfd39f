use super::*;

mod hour;
mod unpaired;

/// How long a dial to a peer takes that accepts and stalls: until our deadlines.
const STALLED_MS: u64 = 10_000;

/// What sits on a port of the simulated machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// One of ours.
    Ours,
    /// One of ours that carries everybody.
    Daemon,
    /// Answers the probe as ours and fails every handshake.
    Unpaired,
    /// Somebody else's HTTP service.
    Foreign,
    /// Accepts and says nothing.
    Mute,
    /// Answers the probe as ours, and stalls in the handshake.
    Stalling,
}

enum Later {
    Answer(u16, ProbeAnswer),
    /// With whoever was there when it was dialled.
    Handshake(u16, Option<Peer>),
}

/// A machine with servers, a clock and a driver that keeps the law.
struct World {
    discovery: Discovery,
    now: Instant,
    peers: SortedMap<u16, Peer>,
    connected: SortedMap<u16, Instant>,
    later: SortedMap<(Instant, u64), Later>,
    order: u64,
    probes: Vec<(Instant, u16)>,
    dials: Vec<(Instant, u16)>,
    dialling: usize,
    most_dialling: usize,
}

impl World {
    fn new(range: PortRange) -> Self {
        Self::knowing(range, &SortedSet::new())
    }

    fn knowing(range: PortRange, known: &SortedSet<u16>) -> Self {
        Self {
            discovery: Discovery::new(range, known, 7, Instant(0)),
            now: Instant(0),
            peers: SortedMap::new(),
            connected: SortedMap::new(),
            later: SortedMap::new(),
            order: 0,
            probes: Vec::new(),
            dials: Vec::new(),
            dialling: 0,
            most_dialling: 0,
        }
    }

    /// A person scans: from now on it is a busy minute.
    fn stir(&mut self) {
        self.discovery.scan_now(self.now);
    }

    fn after(&mut self, ms: u64, what: Later) {
        self.order += 1;
        self.later
            .insert((self.now + Duration::from_millis(ms), self.order), what);
    }

    fn drain(&mut self) {
        while let Some(event) = self.discovery.poll_event() {
            match event {
                DiscoveryEvent::Probe { port } => {
                    assert!(!self.connected.contains_key(&port), "{port} is connected");
                    self.probes.push((self.now, port));
                    let (ms, answer) = match self.peers.get(&port) {
                        Some(Peer::Ours | Peer::Unpaired | Peer::Stalling) => {
                            (3, ProbeAnswer::Interlock { daemon: false })
                        }
                        Some(Peer::Daemon) => (3, ProbeAnswer::Interlock { daemon: true }),
                        Some(Peer::Foreign) => (3, ProbeAnswer::Foreign),
                        Some(Peer::Mute) => (500, ProbeAnswer::Silent),
                        None => (1, ProbeAnswer::Refused),
                    };
                    self.after(ms, Later::Answer(port, answer));
                }
                DiscoveryEvent::Dial { port, .. } => {
                    self.dialling += 1;
                    self.most_dialling = self.most_dialling.max(self.dialling);
                    self.dials.push((self.now, port));
                    let peer = self.peers.get(&port).copied();
                    let stalls = peer == Some(Peer::Stalling);
                    let ms = if stalls { STALLED_MS } else { 5 };
                    self.after(ms, Later::Handshake(port, peer));
                }
            }
        }
    }

    fn run_until(&mut self, end: Instant) {
        self.drain();
        loop {
            let next_event = self.later.keys().next().map(|(at, _)| *at);
            let wake = self.discovery.poll_timeout();
            let Some(next) = next_event.into_iter().chain(wake).min() else {
                break;
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if next_event == Some(next) {
                let Some((_, what)) = self.later.pop_first() else {
                    break;
                };
                match what {
                    Later::Answer(port, answer) => {
                        self.discovery.handle_probed(port, answer, self.now);
                    }
                    Later::Handshake(port, peer) => self.handshake(port, peer),
                }
            } else {
                self.discovery.handle_timeout(self.now);
            }
            self.drain();
        }
        self.now = end;
    }

    fn handshake(&mut self, port: u16, peer: Option<Peer>) {
        self.dialling -= 1;
        let stays = self.peers.get(&port).copied() == peer;
        if stays && matches!(peer, Some(Peer::Ours | Peer::Daemon)) {
            self.connected.insert(port, self.now);
            self.discovery.handle_up(port, self.now);
        } else {
            self.discovery
                .handle_down(port, DownReason::Failed, self.now);
        }
    }

    fn run_for(&mut self, seconds: u64) {
        self.run_until(self.now + Duration::from_secs(seconds));
    }

    fn start(&mut self, port: u16) {
        self.peers.insert(port, Peer::Ours);
    }

    /// The server's death, noticed at once.
    fn kill(&mut self, port: u16) {
        self.peers.remove(&port);
        if self.connected.remove(&port).is_some() {
            self.discovery.handle_down(port, DownReason::Lost, self.now);
            self.drain();
        }
    }

    fn probes_of(&self, port: u16) -> Vec<Instant> {
        let mine = self.probes.iter().filter(|(_, probed)| *probed == port);
        mine.map(|(at, _)| *at).collect()
    }

    fn dials_of(&self, port: u16) -> Vec<Instant> {
        let mine = self.dials.iter().filter(|(_, dialled)| *dialled == port);
        mine.map(|(at, _)| *at).collect()
    }

    /// The longest time that a port went without a probe.
    fn longest_gap(&self, port: u16) -> Duration {
        let mut times = vec![Instant(0)];
        times.extend(self.probes_of(port));
        times.push(self.now);
        let gap = |pair: &[Instant]| pair[1].since(pair[0]);
        times.windows(2).map(gap).max().unwrap_or_default()
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn every_port_of_the_range_is_probed_at_least_every_two_seconds_and_the_overflow_every_ten() {
    let mut world = World::new(PortRange::default());
    for _ in 0..4 {
        world.run_for(30);
        world.stir();
    }
    for port in 8765..=8775 {
        assert!(world.longest_gap(port) <= seconds(2), "{port}");
        assert!(
            world.probes_of(port).len() <= 121,
            "{port}: not oftener than 1 s"
        );
    }
    for port in 8776..=8864 {
        assert!(world.longest_gap(port) <= seconds(10), "{port}");
        // Thirteen rounds, and four scans.
        assert!(world.probes_of(port).len() <= 19, "{port}: in slices");
    }
    assert!(
        world.probes_of(8764).is_empty() && world.probes_of(8865).is_empty(),
        "nothing outside"
    );
    assert!(
        world.dials.is_empty(),
        "a refused probe is followed by no dial"
    );
}

#[test]
fn after_a_minute_of_quiet_three_probes_a_second_are_enough() {
    let mut world = World::new(PortRange::default());
    world.run_for(61);
    world.probes.clear();
    let calm = world.now;
    world.run_for(600);
    assert!(world.probes.len() <= 600 * 3, "{}", world.probes.len());
    let gap = |world: &World, port| {
        let mut times = vec![calm];
        times.extend(world.probes_of(port));
        times.push(world.now);
        let gaps = times.windows(2).map(|pair| pair[1].since(pair[0]));
        gaps.max().unwrap_or_default()
    };
    assert!(gap(&world, 8765) <= seconds(1), "the lowest free one");
    for port in 8766..=8775 {
        assert!(gap(&world, port) <= seconds(CALM_RANGE as u64), "{port}");
    }
    for port in 8776..=8864 {
        assert!(gap(&world, port) <= seconds(CALM_OVERFLOW as u64), "{port}");
    }
}

#[test]
fn where_the_next_server_binds_it_is_found_within_a_second_however_long_it_was_quiet() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8766, Peer::Foreign);
    world.peers.insert(8768, Peer::Mute);
    for port in (8765..=8790)
        .filter(|port| !world.peers.contains_key(port))
        .collect::<Vec<_>>()
    {
        world.run_for(600);
        world.run_until(world.now + Duration::from_millis(300));
        let started = world.now;
        world.start(port);
        world.run_for(2);
        let up = world.connected.get(&port).copied();
        let waited = up.map(|up| up.since(started));
        assert!(
            waited.is_some_and(|waited| waited <= ROUND + Duration::from_millis(10)),
            "{port}: {waited:?}"
        );
    }
}

#[test]
fn a_server_that_comes_back_to_its_port_is_found_within_a_second_though_a_lower_one_looks_free() {
    // Another program holds ::1 on the lower ports, which no probe of 127.0.0.1 sees.
    let mut world = World::new(PortRange::default());
    world.start(8767);
    world.run_for(5);
    world.kill(8767);
    for _ in 0..3 {
        world.run_for(600);
        world.run_until(world.now + Duration::from_millis(300));
        let started = world.now;
        world.start(8767);
        world.run_for(2);
        let waited = world.connected.get(&8767).map(|up| up.since(started));
        assert!(
            waited.is_some_and(|waited| waited <= ROUND + Duration::from_millis(10)),
            "{waited:?}"
        );
        world.kill(8767);
    }
}

#[test]
fn servers_that_start_together_are_found_together_after_a_long_quiet() {
    let mut world = World::new(PortRange::default());
    world.run_for(600);
    for port in 8765..=8775 {
        world.start(port);
    }
    world.run_for(3);
    assert_eq!(world.connected.len(), 11, "{:?}", world.connected);
}

#[test]
fn what_is_remembered_of_a_quiet_machine_is_nothing() {
    let mut world = World::new(PortRange::default());
    world.run_for(60);
    world.run_until(world.now + Duration::from_millis(500));
    assert!(
        world.discovery.ports.is_empty(),
        "{:?}",
        world.discovery.ports
    );
}

#[test]
fn a_server_that_starts_on_any_port_of_the_range_is_connected_within_two_seconds() {
    for port in 8765..=8775 {
        let mut world = World::new(PortRange::default());
        world.run_until(Instant(30_000 + u64::from(port) % 7 * 137));
        let started = world.now;
        world.start(port);
        world.run_for(3);
        let up = world.connected.get(&port).copied();
        assert!(up.is_some_and(|up| up.since(started) <= seconds(2)));
    }
}

#[test]
fn a_server_beyond_the_range_is_found_within_ten_seconds_whatever_a_port_list_says() {
    for port in [8776, 8800, 8864] {
        let mut world = World::new(PortRange::default());
        world.start(8770);
        world.run_for(5);
        world
            .discovery
            .handle_port_list(&[8770, 8766, 8790], world.now);
        let started = world.now;
        world.start(port);
        world.run_for(11);
        let up = world.connected.get(&port).copied();
        assert!(
            up.is_some_and(|up| up.since(started) <= seconds(10)),
            "{port}: {up:?}"
        );
    }
}

#[test]
fn the_port_beyond_the_highest_known_is_probed_in_every_round() {
    let mut world = World::new(PortRange::default());
    world.start(8780);
    world.run_for(12);
    assert!(world.connected.contains_key(&8780));
    let started = world.now;
    world.start(8781);
    world.run_for(3);
    let up = world.connected.get(&8781).copied();
    assert!(up.is_some_and(|up| up.since(started) <= seconds(2)));
}

#[test]
fn a_sibling_that_names_the_last_port_of_all_does_not_hide_the_one_beyond_the_highest_that_answers()
{
    let mut world = World::new(PortRange::default());
    world.start(8780);
    world.run_for(12);
    world.discovery.handle_port_list(&[8864], world.now);
    let before = world.probes_of(8781).len();
    world.run_for(20);
    assert!(world.probes_of(8781).len() - before >= 10);
}

#[test]
fn an_announced_port_is_probed_at_once_and_then_in_every_round() {
    let mut world = World::new(PortRange::default());
    world.run_for(5);
    world.run_until(world.now + Duration::from_millis(300));
    world.start(8850);
    let named = world.now;
    world.discovery.handle_port_list(&[8850], named);
    world.run_for(1);
    assert!(
        world
            .connected
            .get(&8850)
            .is_some_and(|up| up.since(named) < Duration::from_millis(20))
    );
    world.kill(8850);
    world.run_for(20);
    let recent = world.probes_of(8850);
    assert!(recent.len() >= 19, "still watched: {}", recent.len());
}

#[test]
fn a_port_list_shrinks_nothing_and_ports_outside_range_and_overflow_are_not_believed() {
    let mut world = World::new(PortRange::default());
    world
        .discovery
        .handle_port_list(&[80, 1, 9999, 65535, 8767], world.now);
    world.run_for(60);
    for (_, port) in &world.probes {
        assert!((8765..=8864).contains(port), "{port}");
    }
    for port in 8765..=8864 {
        assert!(world.longest_gap(port) <= seconds(10), "{port}");
    }
}

#[test]
fn the_list_of_a_dead_machine_leaves_a_new_server_on_the_first_port_findable() {
    // The original never found it: the last list replaced the range.
    let mut world = World::new(PortRange::default());
    world.start(8767);
    world.run_for(3);
    world.discovery.handle_port_list(&[8767], world.now);
    world.kill(8767);
    world.run_for(600);
    let started = world.now;
    world.start(8765);
    world.run_for(3);
    let up = world.connected.get(&8765).copied();
    assert!(up.is_some_and(|up| up.since(started) <= seconds(2)));
}

#[test]
fn failed_handshakes_back_off_by_three_six_twelve_and_so_on_with_a_little_jitter() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8766, Peer::Unpaired);
    world.run_for(400);
    let dials = world.dials_of(8766);
    let waits: Vec<Duration> = dials
        .windows(2)
        .map(|pair| pair[1].since(pair[0]))
        .collect();
    for (wait, step) in waits.iter().zip([3_u64, 6, 12, 24, 48, 60, 60, 60]) {
        let most = seconds(step).mul_f64(1.1) + ROUND + Duration::from_millis(20);
        assert!(*wait >= seconds(step) && *wait <= most, "{step}: {wait:?}");
    }
    assert!(waits.len() >= 8, "{waits:?}");
    assert!(
        world.longest_gap(8766) <= seconds(2),
        "back-off holds back dials, not probes"
    );
    assert_eq!(
        world.discovery.failures().collect::<Vec<_>>(),
        [(8766, u32::try_from(dials.len()).unwrap())]
    );
}

#[test]
fn ports_that_failed_together_do_not_come_back_together() {
    let now = Instant(0);
    let mut discovery = Discovery::new(PortRange::default(), &SortedSet::new(), 3, now);
    for port in 8765..=8775 {
        discovery.track_failure(port, now);
    }
    let moments: SortedSet<Instant> = discovery.ports.values().map(|p| p.not_before).collect();
    assert!(moments.len() > 5, "{moments:?}");
}

#[test]
fn a_refused_probe_clears_the_back_off() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8766, Peer::Unpaired);
    world.run_for(100);
    world.peers.remove(&8766);
    world.run_for(2);
    assert_eq!(world.discovery.failures().count(), 0);
    let started = world.now;
    world.start(8766);
    world.run_for(3);
    let up = world.connected.get(&8766).copied();
    assert!(up.is_some_and(|up| up.since(started) <= seconds(2)));
}

#[test]
fn a_new_announcement_clears_the_back_off_and_a_repeated_one_does_not() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8766, Peer::Unpaired);
    world.run_for(100);
    let before = world.dials_of(8766).len();
    world.discovery.handle_port_list(&[8766], world.now);
    world.run_until(world.now + Duration::from_millis(50));
    assert_eq!(world.dials_of(8766).len(), before + 1);
    for _ in 0..4 {
        world.discovery.handle_port_list(&[8766], world.now);
        world.run_until(world.now + Duration::from_millis(200));
    }
    assert_eq!(world.dials_of(8766).len(), before + 1);
}

#[test]
fn another_secret_forgives_everybody() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8766, Peer::Unpaired);
    world.run_for(100);
    world.start(8766);
    world.discovery.forgive();
    world.run_for(2);
    assert!(world.connected.contains_key(&8766));
}

#[test]
fn a_lost_connection_is_probed_again_at_once() {
    let mut world = World::new(PortRange::default());
    world.start(8765);
    world.run_for(10);
    world.run_until(world.now + Duration::from_millis(400));
    world.connected.clear();
    let lost = world.now;
    world.discovery.handle_down(8765, DownReason::Lost, lost);
    world.run_until(lost + Duration::from_millis(20));
    assert!(world.connected.contains_key(&8765));
}

#[test]
fn a_peer_that_drops_every_connection_at_once_is_dialled_once_a_second_at_most() {
    let mut world = World::new(PortRange::default());
    world.start(8765);
    for _ in 0..6000 {
        world.run_until(world.now + Duration::from_millis(10));
        if world.connected.remove(&8765).is_some() {
            world
                .discovery
                .handle_down(8765, DownReason::Lost, world.now);
        }
    }
    let dials = world.dials_of(8765).len();
    assert!((25..=61).contains(&dials), "{dials} dials in 60 s");
}

#[test]
fn the_successor_of_a_server_that_said_goodbye_is_found_at_once() {
    let mut world = World::new(PortRange::default());
    world.start(8765);
    world.run_for(10);
    world.connected.clear();
    let end = world.now;
    world.discovery.handle_down(8765, DownReason::Goodbye, end);
    world.run_for(4);
    let again = world.dials_of(8765)[1].since(end);
    assert!(
        again >= PARTED && again <= PARTED + Duration::from_millis(10),
        "{again:?}"
    );
    // One that goes on is left alone for a second.
    world.connected.clear();
    let end = world.now;
    world.discovery.handle_down(8765, DownReason::Closed, end);
    world.run_for(4);
    let again = world.dials_of(8765)[2].since(end);
    assert!(again >= QUIET && again <= seconds(2), "{again:?}");
}

#[test]
fn a_foreign_service_is_looked_at_every_five_seconds_and_never_dialled() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8765, Peer::Foreign);
    world.run_for(100);
    let probes = world.probes_of(8765).len();
    assert!((18..=23).contains(&probes), "{probes}");
    assert!(world.dials.is_empty());
}

#[test]
fn a_server_that_follows_a_foreign_service_is_met_before_a_call_gives_up() {
    for lived in [1, 2, 5, 20, 100] {
        let mut world = World::new(PortRange::default());
        world.peers.insert(8765, Peer::Foreign);
        world.run_for(lived);
        let started = world.now;
        world.start(8765);
        world.run_for(12);
        let up = world.connected.get(&8765).copied();
        let took = up.map(|up| up.since(started));
        let most = if lived <= 2 { seconds(4) } else { seconds(7) };
        assert!(took.is_some_and(|took| took <= most), "{lived}: {took:?}");
        assert!(most < protocol::limits::RECONNECT_WAIT);
    }
}

#[test]
fn a_port_that_accepts_and_says_nothing_becomes_a_foreign_one() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8765, Peer::Mute);
    world.run_for(103);
    let probes = world.probes_of(8765).len();
    assert!((20..=27).contains(&probes), "{probes}");
    assert!(world.dials.is_empty());
}

#[test]
fn one_port_is_dialled_once_however_many_ask_for_it() {
    let mut world = World::new(PortRange::default());
    world.start(8765);
    for _ in 0..5 {
        world.discovery.connect_now(8765, world.now);
        world.discovery.scan_now(world.now);
        world.discovery.handle_port_list(&[8765], world.now);
        let ours = ProbeAnswer::Interlock { daemon: false };
        world.discovery.handle_probed(8765, ours, world.now);
    }
    world.run_for(5);
    assert_eq!(world.dials_of(8765).len(), 1);
    world.discovery.connect_now(8765, world.now);
    world.run_for(5);
    assert_eq!(world.dials_of(8765).len(), 1, "nor while it is connected");
}

#[test]
fn a_person_who_connects_goes_past_the_back_off() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8766, Peer::Unpaired);
    world.run_for(200);
    let before = world.dials_of(8766).len();
    world.start(8766);
    world.discovery.connect_now(8766, world.now);
    world.run_until(world.now + Duration::from_millis(50));
    assert_eq!(world.dials_of(8766).len(), before + 1);
    assert!(world.connected.contains_key(&8766));
}

#[test]
fn a_person_may_name_ports_outside_the_range_yet_not_without_bound() {
    let mut world = World::new(PortRange::default());
    world.start(9100);
    world.discovery.connect_now(9100, world.now);
    world.run_for(1);
    assert!(world.connected.contains_key(&9100));
    for port in 20_000..30_000 {
        world.discovery.connect_now(port, world.now);
    }
    world.discovery.connect_now(80, world.now);
    assert!(world.discovery.guests() <= GUESTS_MAX);
    assert!(world.probes_of(80).is_empty());
    world.run_for(120);
    assert_eq!(
        world.discovery.guests(),
        1,
        "the refused ones are forgotten"
    );
}

#[test]
fn a_connected_daemon_slows_the_sweep_and_does_not_stop_it() {
    let mut world = World::new(PortRange::default());
    world.start(8766);
    world.peers.insert(8765, Peer::Daemon);
    world.run_for(5);
    world.probes.clear();
    world.run_for(50);
    for port in 8767..=8864 {
        let probes = world.probes_of(port).len();
        assert!((4..=6).contains(&probes), "{port}: {probes}");
    }
    let started = world.now;
    world.start(8790);
    world.run_for(11);
    let up = world.connected.get(&8790).copied();
    assert!(up.is_some_and(|up| up.since(started) <= Duration::from_millis(10_100)));
    world.kill(8765);
    world.run_for(1);
    world.probes.clear();
    world.run_for(10);
    assert!(world.probes_of(8767).len() >= 9, "and it is quick again");
}

#[test]
fn what_only_says_that_it_is_a_daemon_slows_nothing() {
    let mut world = World::new(PortRange::default());
    world.run_for(2);
    // Anybody may answer the probe so; this one fails every handshake.
    let answer = ProbeAnswer::Interlock { daemon: true };
    world.discovery.handle_probed(8765, answer, world.now);
    world.run_for(3);
    world.probes.clear();
    world.run_for(10);
    assert!(world.probes_of(8767).len() >= 9);
}

#[test]
fn a_duplicates_port_rests_while_the_first_lives() {
    let mut world = World::new(PortRange::default());
    world.start(8765);
    world.run_for(2);
    world.connected.clear();
    let rested = world.now;
    world
        .discovery
        .handle_down(8765, DownReason::Duplicate, rested);
    world.run_for(50);
    assert_eq!(world.dials_of(8765).len(), 1);
    world.discovery.unrest(8765);
    world.run_for(2);
    assert_eq!(world.dials_of(8765).len(), 2);
}

#[test]
fn a_resting_port_that_falls_to_another_server_is_found() {
    let mut seen = World::new(PortRange::default());
    seen.start(8765);
    seen.run_for(2);
    seen.connected.clear();
    seen.discovery
        .handle_down(8765, DownReason::Duplicate, seen.now);
    seen.run_for(5);
    seen.kill(8765);
    seen.run_for(2);
    let remembered = seen.discovery.ports.get(&8765);
    assert!(remembered.is_none_or(|port| !port.resting));
    seen.start(8765);
    seen.run_for(2);
    assert!(seen.connected.contains_key(&8765), "its end was seen");

    let mut unseen = World::new(PortRange::default());
    unseen.start(8765);
    unseen.run_for(2);
    unseen.connected.clear();
    unseen
        .discovery
        .handle_down(8765, DownReason::Duplicate, unseen.now);
    unseen.run_for(62);
    assert!(unseen.connected.contains_key(&8765), "its end was not seen");
}

#[test]
fn ports_of_the_last_life_are_probed_at_once() {
    let known = SortedSet::from([8850, 8765, 99]);
    let mut world = World::knowing(PortRange::default(), &known);
    world.start(8850);
    world.run_until(Instant(20));
    assert!(world.connected.contains_key(&8850));
    assert!(world.probes_of(99).is_empty());
}

#[test]
fn a_lost_probe_is_asked_again() {
    let mut discovery = Discovery::new(PortRange::default(), &SortedSet::new(), 1, Instant(0));
    let mut asked = 0;
    for second in 0..10 {
        discovery.handle_timeout(Instant(second * 1000));
        while let Some(event) = discovery.poll_event() {
            asked += usize::from(event == DiscoveryEvent::Probe { port: 8765 });
        }
    }
    assert!((4..=5).contains(&asked), "{asked}");
}

#[test]
fn a_person_who_scans_has_every_port_probed_at_once() {
    let mut world = World::new(PortRange::default());
    world.peers.insert(8770, Peer::Foreign);
    world.run_for(5);
    world.run_until(world.now + Duration::from_millis(500));
    world.probes.clear();
    world.discovery.scan_now(world.now);
    world.drain();
    let probed: SortedSet<u16> = world.probes.iter().map(|(_, port)| *port).collect();
    assert_eq!(probed, (8765..=8864).collect());
}

#[test]
fn chrome_is_never_asked_for_many_sockets_at_once() {
    let mut world = World::new(PortRange::new(20_000, 20_399).unwrap());
    for port in 20_000..20_200 {
        world.start(port);
    }
    world.run_for(2);
    assert_eq!(world.connected.len(), 200);
    assert_eq!(world.most_dialling, DIALS_MAX);
}

#[test]
fn a_range_of_all_ports_is_swept_in_bounded_rounds() {
    let mut world = World::new(PortRange::new(1024, 65_535).unwrap());
    world.run_until(Instant(3000));
    let mut per_moment: SortedMap<Instant, usize> = SortedMap::new();
    for (at, _) in &world.probes {
        *per_moment.entry(*at).or_default() += 1;
    }
    let most = RANGE_SLICE_MAX + 2;
    assert!(per_moment.values().all(|probes| *probes <= most));
    let nonsense = PortRange { first: 9, last: 3 };
    let fixed = Discovery::new(nonsense, &SortedSet::new(), 0, Instant(0));
    assert_eq!(fixed.range, PortRange::default());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = World::new(PortRange::default());
        world.peers.insert(8766, Peer::Unpaired);
        world.start(8768);
        world.run_for(300);
        (world.probes, world.dials)
    };
    assert_eq!(run(), run());
}

#[test]
fn two_hundred_servers_come_and_go_for_an_hour_and_each_is_found_in_time() {
    let range = PortRange::new(20_000, 20_399).unwrap();
    let mut chance = ChaCha8Rng::seed_from_u64(11);
    let mut world = World::new(range);
    let mut born: SortedMap<u16, Instant> = SortedMap::new();
    let (mut found, mut slowest) = (0_u32, Duration::ZERO);
    for _ in 0..7200 {
        world.run_until(world.now + Duration::from_millis(500));
        for (port, since) in born.clone() {
            if let Some(up) = world.connected.get(&port) {
                slowest = slowest.max(up.since(since));
                found += 1;
                born.remove(&port);
            } else {
                let waited = world.now.since(since);
                let bound = if port <= range.last { 2_100 } else { 10_100 };
                assert!(waited <= Duration::from_millis(bound), "{port} {waited:?}");
            }
        }
        let port = 20_000 + u16::try_from(chance.next_u64() % 489).unwrap();
        match chance.next_u64() % 4 {
            0 if world.peers.contains_key(&port) => {
                born.remove(&port);
                world.kill(port);
            }
            // Connections are also lost under living servers.
            1 if world.connected.remove(&port).is_some() => {
                world
                    .discovery
                    .handle_down(port, DownReason::Lost, world.now);
                born.insert(port, world.now);
            }
            _ if world.peers.len() < 200 && !world.peers.contains_key(&port) => {
                world.start(port);
                born.insert(port, world.now);
            }
            _ => {}
        }
    }
    assert!(found > 500, "{found}");
    assert!(slowest <= Duration::from_millis(10_100));
    assert!(world.discovery.ports.len() <= 489);
}
