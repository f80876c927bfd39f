//! Which ports are probed, and when one is dialled (`design/worker.md`, *Discovery*; seed 000,
//! *Port Discovery Loop*). A silent HTTP probe comes before every dial, because failing WebSockets
//! are throttled for the whole browser and soil the console.
//!
//! It knows ports and times and nothing of sockets, sessions or secrets: `Links` dials, and its
//! driver brings home what became of it. Drive it like every machine here: one `handle_…`, then
//! drain [`Discovery::poll_event`], then arm [`Discovery::poll_timeout`]. Each `Dial` is owed one
//! [`Discovery::handle_down`], with [`Discovery::handle_up`] before it or not.
//!
//! Invariant 8: nothing that a peer says or does takes a port of the range out of the sweep, except
//! while that very port is connected or being dialled.

use crate::dialect::Dialect;
use crate::input::ProbeAnswer;
use protocol::ports::{PORT_LIST_MAX, PortRange};
use protocol::{Instant, SortedMap, SortedSet};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::time::Duration;

/// One round of probes. A server that has just come up is connected after half a round on average.
pub const ROUND: Duration = Duration::from_secs(1);
/// A round while a paired daemon is connected: it carries everybody, so newcomers are rare.
pub const ROUND_WITH_DAEMON: Duration = Duration::from_secs(10);
/// So long after a server came, went or was named, after a start and when a person looks, the
/// whole range is probed in every round: where one comes, others do.
const EAGER: Duration = Duration::from_mins(1);
/// The overflow is then probed once in so many rounds: within 10 s.
const EAGER_OVERFLOW: usize = 9;
/// Afterwards a probe, which costs half a millisecond, is worth less: people's laptops have nothing
/// to do. The lowest free port, where the next server binds, is in every round still; the range is
/// probed within so many seconds …
const CALM_RANGE: usize = 8;
/// … and the overflow, where servers come only when the range is full, within so many, …
const CALM_OVERFLOW: usize = 120;
/// … or in so many of the longer rounds.
const CALM_OVERFLOW_WITH_DAEMON: usize = 6;
/// Ports of the range that are probed in one round at most: a range of all ports is no flood. The
/// simulation's largest range has 400.
const RANGE_SLICE_MAX: usize = 512;
/// Ports outside the range that a person may have us dial: nobody runs more by hand.
const GUESTS_MAX: usize = 16;
/// Ports below belong to the system's own services.
const GUEST_MIN: u16 = 1024;
/// Probes of one scan that a person asks for: any sensible range and its overflow.
const SCAN_MAX: usize = 1024;
/// Dials under way at once. Chrome delays a WebSocket by up to 5 s × 2^pending / 65 536, so eight
/// cost 20 ms and sixteen would cost seconds; two hundred servers are through in a moment.
const DIALS_MAX: usize = 8;
/// Of those, dials of servers that prove nothing: should they all stall, the others do not wait.
const UNPAIRED_DIALS_MAX: usize = 2;
/// A probe has 500 ms; one that is unanswered after this was lost and is asked again.
const PROBE_LOST: Duration = Duration::from_secs(2);
/// When a foreign service is looked at again, the first times and ever after: its place may fall to
/// one of ours, whose agent's first call waits [`RECONNECT_WAIT`] for us and no longer.
///
/// [`RECONNECT_WAIT`]: protocol::limits::RECONNECT_WAIT
const FOREIGN_AGAIN: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// Silent answers in a row that may be a server of ours, busy; after them it counts as foreign.
const SILENT_MAX: u32 = 3;
/// Refusals in a row after which an announced port or a guest is no longer probed every round: a
/// server that restarts is back within a minute.
const REFUSED_MAX: u32 = 60;
/// Seed 000's back-off after failed dials and handshakes.
const BACKOFF: [Duration; 6] = [
    Duration::from_secs(3),
    Duration::from_secs(6),
    Duration::from_secs(12),
    Duration::from_secs(24),
    Duration::from_secs(48),
    Duration::from_secs(60),
];
/// A tenth more at most, so that ports which failed together do not come back together.
const JITTER_PERMILLE: u64 = 100;
/// One whose connection did not even last so long is not dialled again at once: two of ours could
/// otherwise spin.
const QUIET: Duration = Duration::from_secs(1);
/// A server that said goodbye has stopped listening before, and is gone after this; whoever answers
/// then is its successor, for clients restart their servers at once.
const PARTED: Duration = Duration::from_millis(100);
/// A resting port is tried again this often, though its first socket lives: another server may
/// have taken the port between two probes, and must be found (invariant 8).
const REST: Duration = Duration::from_secs(60);

/// What became of a dial, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// The dial or the handshake failed, or what came over the socket was no protocol of ours.
    Failed,
    /// A connection that was up is gone, without a word.
    Lost,
    /// Its server said that it ends; it has stopped listening before.
    Goodbye,
    /// One side closed on purpose, and the server goes on.
    Closed,
    /// It carried a session that an older socket carries.
    Duplicate,
}

/// What the driver does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscoveryEvent {
    /// Ask the port what it is; answered by [`Discovery::handle_probed`].
    Probe {
        /// Which port.
        port: u16,
    },
    /// Dial it; answered by [`Discovery::handle_up`] and [`Discovery::handle_down`].
    Dial {
        /// Which port.
        port: u16,
        /// As what it answered.
        dialect: Dialect,
    },
}

/// Single flight: a port is in one of these and in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for its next probe.
    Idle,
    /// A probe is out.
    Asked {
        since: Instant,
    },
    /// May be dialled, and waits for one of [`DIALS_MAX`] places.
    Queued,
    /// The driver was told to dial.
    Dialling,
    Connected {
        since: Instant,
    },
}

/// What is remembered of a port. A port without an entry is idle and has no history.
#[derive(Clone, Debug)]
struct Port {
    state: State,
    /// Failed dials and handshakes in a row.
    failures: u32,
    /// No dial before, whatever the probe says.
    not_before: Instant,
    /// No probe before: a foreign service.
    probe_not_before: Instant,
    /// A probe by itself, outside the rounds.
    probe_at: Option<Instant>,
    /// As what it answered last.
    dialect: Dialect,
    /// Its last answer was one of ours, or of an unpaired server that the user lets in.
    ours: bool,
    /// And said that it is a daemon. A hint like all of it: it counts once the port is connected,
    /// which only a peer with the secret gets to be.
    daemon: bool,
    /// A sibling named it, or a person did.
    announced: bool,
    /// Refusals in a row, while announced.
    refused: u32,
    /// Silent answers in a row.
    silent: u32,
    /// Answers in a row that made it a foreign service.
    foreign: u32,
    /// Its server's session has an older socket elsewhere.
    resting: bool,
    /// A person asked: the next good answer is dialled whatever the back-off says.
    forced: bool,
}

impl Port {
    fn new() -> Self {
        Self {
            state: State::Idle,
            failures: 0,
            not_before: Instant(0),
            probe_not_before: Instant(0),
            probe_at: None,
            dialect: Dialect::V2,
            ours: false,
            daemon: false,
            announced: false,
            refused: 0,
            silent: 0,
            foreign: 0,
            resting: false,
            forced: false,
        }
    }

    /// Nothing that a fresh entry would not say as well.
    fn is_plain(&self) -> bool {
        self.state == State::Idle
            && self.failures == 0
            && !self.ours
            && !self.announced
            && !self.resting
            && self.silent == 0
            && self.probe_not_before == Instant(0)
            && self.probe_at.is_none()
    }

    /// Nobody is known to be there: a server may bind it.
    fn is_free(&self) -> bool {
        let unheard = !self.ours && self.silent == 0 && self.probe_not_before == Instant(0);
        match self.state {
            State::Idle | State::Asked { .. } => unheard,
            State::Queued | State::Dialling | State::Connected { .. } => false,
        }
    }

    fn forget_failures(&mut self) {
        self.failures = 0;
        self.not_before = Instant(0);
        self.probe_at = None;
    }

    /// May be dialled from `at` on, and is asked then.
    fn dial_at(&mut self, at: Instant) {
        self.not_before = at;
        self.probe_at = Some(at);
    }

    /// Somebody else is there, as far as is seen.
    fn note_foreign(&mut self, now: Instant) {
        self.ours = false;
        let step = usize::try_from(self.foreign).unwrap_or(usize::MAX);
        let wait = FOREIGN_AGAIN.get(step).or(FOREIGN_AGAIN.last()).copied();
        self.foreign = self.foreign.saturating_add(1);
        self.probe_not_before = now + wait.unwrap_or_default();
    }

    fn note_failure(&mut self, late: u64, now: Instant) {
        let step = usize::try_from(self.failures).unwrap_or(usize::MAX);
        let wait = BACKOFF.get(step).or(BACKOFF.last()).copied();
        let wait = u64::try_from(wait.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
        let late = wait.saturating_mul(late % (JITTER_PERMILLE + 1)) / 1000;
        self.failures = self.failures.saturating_add(1);
        self.dial_at(now + Duration::from_millis(wait.saturating_add(late)));
    }
}

/// See the module.
#[derive(Debug)]
pub struct Discovery {
    range: PortRange,
    /// Where whatever answers counts as a server, be it unpaired: the user says so.
    unpaired: SortedSet<u16>,
    /// At most the range, its overflow and [`GUESTS_MAX`].
    ports: SortedMap<u16, Port>,
    /// The queued ports, first come first; each at most once.
    queue: VecDeque<u16>,
    /// How many are being dialled.
    dialling: usize,
    jitter: ChaCha8Rng,
    next_round: Instant,
    /// No port's own probe is due before.
    next_alone: Option<Instant>,
    /// Counts the rounds: which part of the sweep is next.
    round: usize,
    /// Until then the whole range is in every round.
    eager_until: Instant,
    /// The port that was connected last: where another program keeps the lower ones, unseen by
    /// probes, the next server comes there again.
    last_up: Option<u16>,
    events: VecDeque<DiscoveryEvent>,
}

impl Discovery {
    /// Starts with a round at `now`. `known` are the ports that were connected before the worker
    /// died: they are probed in it too. `seed` feeds the jitter only. A range that is none (a
    /// mistake in `config.json`) is replaced by the default.
    #[must_use]
    pub fn new(range: PortRange, known: &SortedSet<u16>, seed: u64, now: Instant) -> Self {
        let range = PortRange::new(range.first, range.last).unwrap_or_default();
        let mut discovery = Self {
            range,
            unpaired: SortedSet::new(),
            ports: SortedMap::new(),
            queue: VecDeque::new(),
            dialling: 0,
            jitter: ChaCha8Rng::seed_from_u64(seed),
            next_round: now,
            next_alone: None,
            round: 0,
            eager_until: now + EAGER,
            last_up: known.iter().copied().find(|port| range.contains(*port)),
            events: VecDeque::new(),
        };
        for port in known.iter().take(PORT_LIST_MAX) {
            if let Some(port) = discovery.entry(*port) {
                port.announced = true;
            }
        }
        discovery
    }

    /// On these ports of the range, and on no other, a server that is not one of ours is dialled too
    /// (`design/security.md`, *Unpaired peers*). One of ours there is dialled as everywhere, and
    /// proves itself or is refused.
    pub fn allow_unpaired(&mut self, ports: SortedSet<u16>) {
        self.unpaired = ports;
    }

    /// The answer to a probe. One that nobody waits for any more is still a hint, and as good.
    pub fn handle_probed(&mut self, number: u16, answer: ProbeAnswer, now: Instant) {
        let guest = !self.range.contains(number);
        let unpaired = !guest && self.unpaired.contains(&number);
        let Some(port) = self.entry(number) else {
            return;
        };
        match port.state {
            State::Idle | State::Asked { .. } => port.state = State::Idle,
            State::Queued | State::Dialling | State::Connected { .. } => return,
        }
        match answer {
            ProbeAnswer::Interlock { daemon } => {
                port.dialect = Dialect::V2;
                port.daemon = daemon;
                self.handle_answered(number, now);
            }
            ProbeAnswer::Foreign if unpaired => {
                port.dialect = Dialect::V1;
                port.daemon = false;
                self.handle_answered(number, now);
            }
            ProbeAnswer::Foreign => {
                port.forced = false;
                port.note_foreign(now);
                if guest {
                    self.ports.remove(&number);
                }
            }
            ProbeAnswer::Refused => {
                // Nobody listens any more: whoever comes next has done nothing wrong yet.
                port.forget_failures();
                let left = std::mem::take(&mut port.ours);
                port.forced = false;
                port.resting = false;
                port.silent = 0;
                port.foreign = 0;
                port.probe_not_before = Instant(0);
                port.refused = port.refused.saturating_add(1);
                port.announced &= port.refused < REFUSED_MAX;
                self.tidy(number);
                if left {
                    self.stir(now);
                }
            }
            ProbeAnswer::Silent => {
                port.forced = false;
                port.silent = port.silent.saturating_add(1);
                if port.silent >= SILENT_MAX {
                    port.note_foreign(now);
                    if guest {
                        self.ports.remove(&number);
                    }
                }
            }
        }
    }

    /// A server is there: it is dialled, when it may be.
    fn handle_answered(&mut self, number: u16, now: Instant) {
        let Some(port) = self.entry(number) else {
            return;
        };
        port.ours = true;
        port.refused = 0;
        port.silent = 0;
        port.foreign = 0;
        port.probe_not_before = Instant(0);
        if port.forced || port.not_before <= now {
            port.forced = false;
            port.state = State::Queued;
            self.queue.push_back(number);
            self.dial_next();
        }
    }

    /// The handshake with a port is complete.
    pub fn handle_up(&mut self, number: u16, now: Instant) {
        let Some(port) = self.ports.get_mut(&number) else {
            return;
        };
        if port.state != State::Dialling {
            return;
        }
        port.state = State::Connected { since: now };
        port.ours = true;
        port.resting = false;
        port.forget_failures();
        self.last_up = Some(number);
        self.dialling = self.dialling.saturating_sub(1);
        self.dial_next();
        self.stir(now);
    }

    /// A dial came to nothing, or its connection to an end.
    pub fn handle_down(&mut self, number: u16, why: DownReason, now: Instant) {
        let late = self.jitter.next_u64();
        let Some(port) = self.ports.get_mut(&number) else {
            return;
        };
        let lived = match port.state {
            State::Idle | State::Asked { .. } | State::Queued => return,
            State::Dialling => {
                self.dialling = self.dialling.saturating_sub(1);
                Duration::ZERO
            }
            State::Connected { since } => {
                self.eager_until = now + EAGER;
                now.since(since)
            }
        };
        port.state = State::Idle;
        match why {
            DownReason::Failed => port.note_failure(late, now),
            DownReason::Lost if lived >= QUIET => self.ask(number, now),
            DownReason::Goodbye if lived >= QUIET => port.dial_at(now + PARTED),
            DownReason::Lost | DownReason::Goodbye | DownReason::Closed => {
                port.dial_at(now + QUIET);
            }
            DownReason::Duplicate => self.rest(number, now),
        }
        self.mind(number);
        self.dial_next();
        self.mend_round(now);
    }

    /// Ports that a sibling or a person names, already sanitised. A hint: it adds ports to every
    /// round and takes none away. One that was not named before is probed at once, without its
    /// back-off.
    pub fn handle_port_list(&mut self, ports: &[u16], now: Instant) {
        for number in ports.iter().take(PORT_LIST_MAX) {
            if !self.range.contains(*number) {
                continue;
            }
            let Some(port) = self.entry(*number) else {
                continue;
            };
            if !port.announced {
                port.announced = true;
                port.refused = 0;
                port.probe_not_before = Instant(0);
                port.forget_failures();
                self.ask(*number, now);
                self.stir(now);
            }
        }
    }

    /// Probe this port now and dial it when one of ours answers, whatever its back-off (seed 000,
    /// `tryConnect`). It may lie outside the range, then it is a guest.
    pub fn connect_now(&mut self, number: u16, now: Instant) {
        if self.entry(number).is_none() && self.guests() < GUESTS_MAX && number >= GUEST_MIN {
            self.ports.insert(number, Port::new());
        }
        let Some(port) = self.entry(number) else {
            return;
        };
        port.announced = true;
        port.refused = 0;
        match port.state {
            State::Idle | State::Asked { .. } => port.forced = true,
            State::Queued | State::Dialling | State::Connected { .. } => {}
        }
        self.ask(number, now);
    }

    /// Probe every port now, foreign ones included (seed 000, `scanPorts`). Back-off stays.
    pub fn scan_now(&mut self, now: Instant) {
        for port in self.ports.values_mut() {
            port.probe_not_before = Instant(0);
        }
        let all = self.range.first..=self.range.overflow_last();
        for number in all.take(SCAN_MAX) {
            self.ask(number, now);
        }
        self.stir(now);
        self.next_round = now;
        self.handle_timeout(now);
    }

    /// Count a failure of this port (seed 000, `trackPortFailure`).
    pub fn track_failure(&mut self, number: u16, now: Instant) {
        let late = self.jitter.next_u64();
        if let Some(port) = self.entry(number) {
            port.note_failure(late, now);
            self.mind(number);
        }
    }

    /// The secret is another now: whoever failed may succeed.
    pub fn forgive(&mut self) {
        for port in self.ports.values_mut() {
            port.forget_failures();
        }
    }

    /// Let a port rest: its session has an older socket elsewhere. It is probed on, so that the
    /// rest ends when nobody listens there any more, and tried again after [`REST`].
    pub fn rest(&mut self, number: u16, now: Instant) {
        if let Some(port) = self.entry(number) {
            port.resting = true;
            port.not_before = now + REST;
        }
    }

    /// The older socket is gone: the port may be dialled again.
    pub fn unrest(&mut self, number: u16) {
        if let Some(port) = self.ports.get_mut(&number)
            && port.resting
        {
            port.resting = false;
            port.not_before = Instant(0);
        }
    }

    /// Ports that are connected or whose last answer was one of ours.
    pub fn known_ports(&self) -> impl Iterator<Item = u16> {
        self.numbers(|port| port.ours)
    }

    /// Failed dials and handshakes in a row, of every port that has any.
    pub fn failures(&self) -> impl Iterator<Item = (u16, u32)> {
        self.ports
            .iter()
            .filter(|(_, port)| port.failures > 0)
            .map(|(number, port)| (*number, port.failures))
    }

    /// Ports whose time has come, and a round when one is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_alone.is_some_and(|at| at <= now) {
            let due = |port: &Port| port.probe_at.is_some_and(|at| at <= now);
            let due: Vec<u16> = self.numbers(due).collect();
            for number in due {
                self.ask(number, now);
            }
            self.next_alone = self.ports.values().filter_map(|port| port.probe_at).min();
        }
        if self.next_round > now {
            return;
        }
        self.next_round = now + self.period();
        for number in self.round(now) {
            self.ask(number, now);
        }
        self.round = self.round.wrapping_add(1);
    }

    /// The next round, or the next port by itself.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_alone.into_iter().chain([self.next_round]).min()
    }

    /// What to do next; call until `None`.
    pub fn poll_event(&mut self) -> Option<DiscoveryEvent> {
        self.events.pop_front()
    }

    /// A port may have got a time of its own.
    fn mind(&mut self, number: u16) {
        let own = self.ports.get(&number).and_then(|port| port.probe_at);
        self.next_alone = self.next_alone.into_iter().chain(own).min();
    }

    /// Something has changed: more may.
    fn stir(&mut self, now: Instant) {
        self.eager_until = now + EAGER;
        self.mend_round(now);
    }

    /// The next round is never further away than a round takes now.
    fn mend_round(&mut self, now: Instant) {
        self.next_round = self.next_round.min(now + self.period());
    }

    /// Whether a paired daemon is connected.
    fn has_daemon(&self) -> bool {
        let connected = |port: &Port| matches!(port.state, State::Connected { .. });
        self.ports
            .values()
            .any(|port| port.daemon && connected(port))
    }

    fn period(&self) -> Duration {
        if self.has_daemon() {
            ROUND_WITH_DAEMON
        } else {
            ROUND
        }
    }

    /// The entry of a port of the range or of a guest; none for any other.
    fn entry(&mut self, number: u16) -> Option<&mut Port> {
        if self.range.contains(number) {
            return Some(self.ports.entry(number).or_insert_with(Port::new));
        }
        self.ports.get_mut(&number)
    }

    fn guests(&self) -> usize {
        let guest = |number: &&u16| !self.range.contains(**number);
        self.ports.keys().filter(guest).count()
    }

    fn tidy(&mut self, number: u16) {
        if self.ports.get(&number).is_some_and(Port::is_plain) {
            self.ports.remove(&number);
        }
    }

    /// Probes a port unless it is on its way, connected, or foreign and looked at lately.
    fn ask(&mut self, number: u16, now: Instant) {
        let Some(port) = self.entry(number) else {
            return;
        };
        let free = match port.state {
            State::Idle => port.probe_not_before <= now,
            State::Asked { since } => now.since(since) >= PROBE_LOST,
            State::Queued | State::Dialling | State::Connected { .. } => false,
        };
        if port.probe_at.is_some_and(|at| at <= now) {
            port.probe_at = None;
        }
        if free || (port.forced && port.state == State::Idle) {
            port.state = State::Asked { since: now };
            self.events
                .push_back(DiscoveryEvent::Probe { port: number });
        }
    }

    fn dial_next(&mut self) {
        while self.dialling < DIALS_MAX
            && let Some(place) = self.queue.iter().position(|port| self.may_dial(*port))
            && let Some(number) = self.queue.remove(place)
        {
            if let Some(port) = self.ports.get_mut(&number) {
                port.state = State::Dialling;
                self.dialling += 1;
                self.events.push_back(DiscoveryEvent::Dial {
                    port: number,
                    dialect: port.dialect,
                });
            }
        }
    }

    /// Whether one of [`DIALS_MAX`] places is this port's.
    fn may_dial(&self, number: u16) -> bool {
        match self.ports.get(&number).map(|port| port.dialect) {
            Some(Dialect::V1) => {
                let stalls =
                    |port: &&Port| port.dialect == Dialect::V1 && port.state == State::Dialling;
                self.ports.values().filter(stalls).count() < UNPAIRED_DIALS_MAX
            }
            Some(Dialect::V2) | None => true,
        }
    }

    /// The ports of one round: whatever has a history, the lowest free one, the last that was
    /// connected, the one beyond the highest known, and this round's part of the range and of its
    /// overflow.
    fn round(&self, now: Instant) -> SortedSet<u16> {
        let mut ports: SortedSet<u16> = self.ports.keys().copied().collect();
        ports.extend(self.lowest_free());
        ports.extend(self.last_up);
        ports.extend(self.beyond());
        let (range, overflow) = match (now < self.eager_until, self.has_daemon()) {
            (true, true) => (1, 1),
            (true, false) => (1, EAGER_OVERFLOW),
            (false, true) => (1, CALM_OVERFLOW_WITH_DAEMON),
            (false, false) => (CALM_RANGE, CALM_OVERFLOW),
        };
        let PortRange { first, last } = self.range;
        let whole = usize::from(last - first) + 1;
        let range = range.max(whole.div_ceil(RANGE_SLICE_MAX));
        ports.extend(self.part(first, whole, range));
        let over = usize::from(self.range.overflow_last() - last);
        ports.extend(self.part(last.saturating_add(1), over, overflow));
        ports
    }

    /// This round's part of `count` ports from `first` on, all of which come once in `rounds`.
    fn part(&self, first: u16, count: usize, rounds: usize) -> impl Iterator<Item = u16> + use<> {
        let at = self.round % rounds;
        let part = at * count / rounds..(at + 1) * count / rounds;
        part.filter_map(move |nth| first.checked_add(u16::try_from(nth).ok()?))
    }

    /// Where the next server binds, as far as is known.
    fn lowest_free(&self) -> Option<u16> {
        let free = |number: &u16| self.ports.get(number).is_none_or(Port::is_free);
        (self.range.first..=self.range.overflow_last()).find(free)
    }

    /// One port beyond the highest known. What is announced and what answered have each a highest of
    /// their own, so that a sibling that names the last port of all hides nobody.
    fn beyond(&self) -> impl Iterator<Item = u16> {
        let highest = |wanted: fn(&Port) -> bool| {
            let known = self.numbers(wanted).filter(|n| self.range.contains(*n));
            known.last().map(|number| number.saturating_add(1))
        };
        let beyond = [highest(|port| port.ours), highest(|port| port.announced)];
        let inside = |port: &u16| self.range.contains(*port);
        beyond.into_iter().flatten().filter(inside)
    }

    /// The numbers of the ports of which `wanted` is true, upwards.
    fn numbers(&self, wanted: impl Fn(&Port) -> bool) -> impl Iterator<Item = u16> {
        let wanted = self.ports.iter().filter(move |(_, port)| wanted(port));
        wanted.map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests;
