//! What a run is made of: how many servers, for how long, and what goes wrong how often.

use crate::chance::Chance;
use protocol::ports::PortRange;
use std::time::Duration;

/// Long enough for every back-off, grace and deadline to be over.
const QUIET: Duration = Duration::from_secs(700);
/// The same where nobody asks for long waits, and a second of 200 servers is dear: all that lasts
/// longer, the grace of orphans, is over after both of them.
const QUIET_CROWDED: Duration = Duration::from_secs(130);

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The one source of chance.
    pub seed: u64,
    /// How many servers, each with one agent.
    pub servers: usize,
    /// Where they sit.
    pub range: PortRange,
    /// How long agents, people and faults are at work; then comes quiet, then the end.
    pub busy: Duration,
    /// How long after the storm, and after the end, until everything must be over.
    pub quiet: Duration,
    /// The last port of the range is open for a server that proves nothing, and one sits there.
    pub unpaired: bool,
    /// What goes wrong.
    pub faults: Faults,
    /// What a broken core would do.
    pub plant: Option<Plant>,
}

/// A fault of a core, imitated outside of it, which a check must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A turn is told to end only after the next one on its tab has begun (invariant 1).
    SecondTurn,
    /// Of two claims on a tab the later is served first (invariant 2).
    ClaimOvertakes,
    /// An acting command arrives a second time under a new id (invariant 3).
    CommandTwice,
    /// An answer leaves on another session's socket (invariant 4).
    AnswerAstray,
    /// The close of an old socket is told as that of the newest (invariant 5).
    StaleClose,
    /// A tab's record is lost when the worker dies (invariant 6).
    EntityLost,
    /// The debugger stays on a tab that changes hands (invariant 7).
    DebuggerStays,
    /// The first port of the range is never found open (invariant 8).
    ProbeLies,
    /// Calls that fail are kept for ever (invariant 9).
    CallKept,
    /// A session is taken from a message, not from its socket (invariant 5).
    TrustsNames,
    /// A write counts as done before the disk has it.
    WrittenEarly,
    /// Time that nobody could observe counts.
    GapCounts,
    /// What was under way when a connection was lost is answered with an error.
    LossCosts,
    /// Chance that comes from no seed (invariant 10).
    Entropy,
}

/// How often things go wrong, each in a thousand of its occasions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A frame comes twice.
    pub double_frame: u64,
    /// A frame overtakes the one before it.
    pub reorder_frame: u64,
    /// Nonsense comes beside a frame.
    pub garbage: u64,
    /// Per occasion (about two a second): a connection closes.
    pub lose_connection: u64,
    /// … or falls silent both ways, without a close.
    pub half_open: u64,
    /// … or a server is killed; it comes back later.
    pub kill_server: u64,
    /// … or a server is killed, and comes back on another port before its old socket is missed.
    pub move_server: u64,
    /// … or the person closes a tab.
    pub close_tab: u64,
    /// … or gives the tab in front to a session, takes one back, keeps one.
    pub give_and_take: u64,
    /// … or presses *Cancel*, and resumes later.
    pub cancel: u64,
    /// … or drags a tab for a while.
    pub drag: u64,
    /// … or types an address into an agent's tab.
    pub type_url: u64,
    /// … or a renderer crashes.
    pub crash: u64,
    /// … or another extension's frame throws the debugger off.
    pub throw_off: u64,
    /// … or the worker dies and is restored from what it wrote.
    pub kill_worker: u64,
    /// … or a dead socket speaks, or closes again.
    pub stale_word: u64,
    /// A frame, and all behind it, comes up to 3 s late.
    pub delay_frame: u64,
    /// … or dies, and while nobody listens up to three tabs of sessions are closed.
    pub close_while_dead: u64,
    /// … or the browser is replaced by another, which knows nobody and has other tabs.
    pub replace_browser: u64,
    /// … or the servers get another secret, and the extension gets it only later.
    pub rotate_secret: u64,
    /// … or the person ends every session at the console.
    pub clean_up: u64,
    /// … or three agents want one tab, each with as many calls as it may have.
    pub rush: u64,
    /// Per command: its server says it again in another session's name.
    pub impostor: u64,
    /// Per occasion of an agent: it asks more than it may at once.
    pub flood: u64,
    /// Per occasion (about two a second): a connection closes, and what is under way is lost.
    pub cut: u64,
    /// … or nothing arrives on a connection for five seconds.
    pub stall: u64,
    /// … or a server's process is stopped for up to a minute, and goes on.
    pub stop_server: u64,
    /// Per server that was killed: it comes back as somebody else.
    pub another: u64,
    /// Per occasion: the computer's clock is put a day ahead or back.
    pub jump: u64,
    /// … or the disk is full for up to ten seconds.
    pub full: u64,
    /// … or it takes a second for each write, for as long.
    pub slow: u64,
    /// … or it answers nothing for up to 40 s.
    pub hang: u64,
    /// … or the extension is loaded anew, or updated, or switched off for a while, or the browser is
    /// killed and comes back without its tabs or with them: each so often.
    pub restart: u64,
    /// … or the core falls, and a quarter as often for the third time.
    pub fall: u64,
    /// Per death of the worker: the next one starts only after up to a second, or with an event.
    pub late: u64,
    /// Per occasion (about two a second): Chrome unloads a tab, which goes on under another id.
    pub unload: u64,
    /// Per death of the worker: something that it stored is damaged, or of an older version.
    pub damage: u64,
    /// Ports of the range where something else sits: plain HTTP, or a peer that never answers.
    pub strangers: u64,
}

impl Plan {
    /// The plan that a seed stands for, so that its number alone replays it.
    ///
    /// 0–99 calm, 100–199 stormy with four servers, 200–299 the same with worker deaths, 300–399
    /// twelve servers, 400–499 two hundred on a range of 400, 600–699 four servers where more than
    /// the worker dies and one more server is not paired; from 1000 on any mixture.
    #[must_use]
    pub fn numbered(seed: u64) -> Self {
        let mortal = |plan: Self| Self {
            faults: Faults {
                kill_worker: 20,
                close_while_dead: 15,
                ..plan.faults
            },
            ..plan
        };
        let shaken = |plan: Self| Self {
            unpaired: true,
            faults: Faults {
                hang: 4,
                restart: 5,
                fall: 8,
                ..plan.faults
            },
            ..plan
        };
        match seed {
            0..100 => Self::calm(seed, 3),
            100..200 => Self::stormy(seed, 4),
            200..300 => mortal(Self::stormy(seed, 4)),
            300..400 => mortal(Self::stormy(seed, 12)),
            400..500 => mortal(Self::crowded(seed)),
            600..700 => shaken(mortal(Self::stormy(seed, 4))),
            _ => {
                let mut chance = Chance::new(seed);
                let servers = usize::try_from(1 + chance.below(12)).unwrap_or(1);
                let plan = Self::stormy(seed, servers);
                let plan = if chance.hits(600) { mortal(plan) } else { plan };
                if chance.hits(500) { shaken(plan) } else { plan }
            }
        }
    }

    /// Two hundred servers on a range of 400 ports, for a short while.
    #[must_use]
    pub fn crowded(seed: u64) -> Self {
        Self {
            range: PortRange {
                first: 20_000,
                last: 20_399,
            },
            busy: Duration::from_secs(10),
            quiet: QUIET_CROWDED,
            ..Self::stormy(seed, 200)
        }
    }

    /// A small world where nothing goes wrong but agents.
    #[must_use]
    pub fn calm(seed: u64, servers: usize) -> Self {
        Self {
            seed,
            servers,
            range: PortRange {
                first: 8765,
                last: 8775,
            },
            busy: Duration::from_secs(120),
            quiet: QUIET,
            unpaired: false,
            faults: Faults::default(),
            plant: None,
        }
    }

    /// The same with everything going wrong.
    #[must_use]
    pub fn stormy(seed: u64, servers: usize) -> Self {
        Self {
            faults: Faults {
                double_frame: 10,
                reorder_frame: 5,
                garbage: 5,
                lose_connection: 40,
                half_open: 10,
                kill_server: 15,
                move_server: 5,
                close_tab: 60,
                give_and_take: 80,
                cancel: 4,
                drag: 30,
                type_url: 30,
                crash: 15,
                throw_off: 15,
                kill_worker: 0,
                close_while_dead: 0,
                replace_browser: 3,
                rotate_secret: 4,
                clean_up: 4,
                rush: 4,
                impostor: 3,
                flood: 2,
                stale_word: 60,
                delay_frame: 3,
                cut: 20,
                stall: 10,
                stop_server: 4,
                another: 150,
                jump: 8,
                full: 6,
                slow: 6,
                hang: 0,
                restart: 0,
                fall: 0,
                late: 500,
                unload: 15,
                damage: 400,
                strangers: 100,
            },
            ..Self::calm(seed, servers)
        }
    }
}
