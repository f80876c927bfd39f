//! Two browsers at once, each with an extension of its own, and several servers that both of them
//! find: a session belongs to one of them, the other stands by (`design/wire.md`).
//!
//! [`home`] is the reference: a session's browser is the first that opened it, and after that the
//! one that its agent named. Nothing else moves it: not the death of a worker or a server, not a
//! browser that is quit. After every step is asked whether servers and browsers keep to it.
//!
//! Tab ids are the same on both sides, as they are in two real browsers: a command that strays
//! acts on somebody's tab.

mod checks;
mod home;
mod lines;
mod scene;
mod servers;
mod side;

use crate::agents::Agent;
use crate::chance::Chance;
use crate::chrome::Outcome;
use crate::network::Pipe;
use crate::report::Report;
use extension_core::Input;
use home::Home;
use protocol::pairing::Secret;
use protocol::ports::PortRange;
use protocol::{Deadlines, Instant, SessionId};
use serde_json::Value;
use server_core::{ConnId, Identity, Server};
use side::{Line, Side, Worker};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Where servers sit.
const RANGE: PortRange = PortRange {
    first: 8765,
    last: 8775,
};
/// How many browsers.
const SIDES: usize = 2;
/// How many decisions a failure shows.
const RECENT_MAX: usize = 60;
/// How much of each.
const RECENT_TEXT_MAX: usize = 400;

/// A fault of a core, imitated outside of it, which a check must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A command leaves for the browser that stands by.
    CommandStrays,
    /// A call whose browser is gone is told that no browser is there.
    GoneUnsaid,
    /// A server that comes back has forgotten which browser its session belongs to.
    BindingForgotten,
    /// The browser that a session leaves is not told so.
    LeavesUnsaid,
}

/// What is to happen at its time.
#[derive(Debug)]
enum Due {
    /// Something reaches an extension, if that life still lives.
    Extension {
        side: usize,
        life: u64,
        input: Box<Input>,
    },
    /// Chrome has something for its extension.
    Chrome {
        side: usize,
        run: u64,
        outcome: Outcome,
    },
    /// A disk has what a worker wrote, whether that still lives or not.
    Stored {
        side: usize,
        life: u64,
        write: extension_core::input::WriteId,
        ok: bool,
        set: BTreeMap<String, Value>,
        remove: Vec<String>,
    },
    /// Something reaches a server, if that life still lives.
    Server {
        server: usize,
        life: u64,
        input: Box<server_core::Input>,
    },
    /// A server starts.
    Start { server: usize },
    /// An agent looks whether it has something to ask.
    Agent { server: usize },
    /// Something may go wrong.
    Fault,
    /// The alarm of a browser.
    Alarm { side: usize },
    /// The next worker starts, if that life has none yet.
    Wake { side: usize, life: u64 },
    /// A browser that was quit is opened.
    Open { side: usize, run: u64 },
}

/// A server and its agent.
#[derive(Debug, Default)]
struct Node {
    core: Option<Server>,
    life: u64,
    port: u16,
    identity: Option<Identity>,
    agent: Agent,
    conns: u64,
    calls: u64,
    home: Home,
    /// The sessions that it was before.
    former: BTreeSet<SessionId>,
    /// Connections whose browser has proven itself.
    proven: BTreeSet<ConnId>,
    /// Those of them on which the session was opened, and not as one that stands by.
    opened: BTreeSet<ConnId>,
}

/// See the module.
#[derive(Debug)]
pub struct Browsers {
    seed: u64,
    plant: Option<Plant>,
    /// The planted fault has struck so often.
    struck: u64,
    /// On which line it keeps back what comes next.
    unsaid: Option<Line>,
    chance: Chance,
    now: Instant,
    order: u64,
    agenda: BTreeMap<(Instant, u64), Due>,
    timers: Deadlines<usize>,
    sides: Vec<Side>,
    nodes: Vec<Node>,
    pipes: BTreeMap<Line, Pipe>,
    last_ticket: u64,
    last_act: u64,
    last_ask: u64,
    /// To which browser each script was sent, and by which server.
    sent: BTreeMap<u64, (usize, usize)>,
    /// How often each ran.
    done: BTreeMap<u64, u32>,
    /// The call by which a session is being moved, and to which browser.
    moving: Option<(u64, usize)>,
    storm: bool,
    digest: u64,
    /// The last decisions, for the message of a failure.
    recent: VecDeque<String>,
    /// What was met.
    pub report: Report,
}

impl Browsers {
    /// Two browsers, and servers that start within the first second.
    #[must_use]
    pub fn new(seed: u64, plant: Option<Plant>) -> Self {
        let mut chance = Chance::new(seed);
        let now = Instant(1_000);
        let sides = (0..SIDES)
            .map(|_| Side::new(RANGE, &mut chance, now))
            .collect();
        let mut world = Self {
            seed,
            plant,
            struck: 0,
            unsaid: None,
            chance,
            now,
            order: 0,
            agenda: BTreeMap::new(),
            timers: Deadlines::default(),
            sides,
            nodes: Vec::new(),
            pipes: BTreeMap::new(),
            last_ticket: 0,
            last_act: 0,
            last_ask: 0,
            sent: BTreeMap::new(),
            done: BTreeMap::new(),
            moving: None,
            storm: true,
            digest: 0xcbf2_9ce4_8422_2325,
            recent: VecDeque::new(),
            report: Report::default(),
        };
        for server in 0..scene::SERVERS {
            world.nodes.push(Node::default());
            let delay = Duration::from_millis(world.chance.below(1_000));
            world.later(delay, Due::Start { server });
            world.later(delay, Due::Agent { server });
        }
        for side in 0..SIDES {
            world.later(scene::ALARM, Due::Alarm { side });
        }
        world.later(Duration::from_millis(500), Due::Fault);
        world
    }

    /// Plays it all; an error names what was broken.
    pub fn run(&mut self) -> Result<(), String> {
        self.play().map_err(|what| {
            let recent: Vec<&str> = self.recent.iter().map(String::as_str).collect();
            format!(
                "two browsers, seed {} at {} ms: {what}\n{}",
                self.seed,
                self.now.0,
                recent.join("\n")
            )
        })
    }

    /// How often the planted fault has struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.struck
    }

    /// A number for all that the extensions did: equal seeds give equal numbers (invariant 10).
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    fn run_until(&mut self, end: Instant) -> Result<(), String> {
        while self.step_until(end)? {}
        Ok(())
    }

    /// What is due next, if that is before `end`. Else it is `end`, and nothing was done.
    fn step_until(&mut self, end: Instant) -> Result<bool, String> {
        let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let ticks = self.sides.iter().enumerate();
        let tick = ticks
            .filter_map(|(side, it)| Some((it.tick_at?, side)))
            .min();
        let next = [agenda, tick.map(|(at, _)| at), self.timers.next()];
        let next = next.into_iter().flatten().min();
        let Some(next) = next.filter(|at| *at <= end) else {
            self.now = end;
            return Ok(false);
        };
        self.now = self.now.max(next);
        if agenda.is_some_and(|at| at <= self.now) {
            if let Some((_, due)) = self.agenda.pop_first() {
                self.handle(due)?;
            }
        } else if let Some((_, side)) = tick.filter(|(at, _)| *at <= self.now) {
            self.tell_extension(side, Input::Tick)?;
        } else if let Some(server) = self.timers.pop_due(self.now) {
            self.tell_server(server, server_core::Input::Tick)?;
        }
        Ok(true)
    }

    fn handle(&mut self, due: Due) -> Result<(), String> {
        match due {
            Due::Extension { side, life, input } => {
                if self.sides[side].life == life {
                    self.tell_extension(side, *input)
                } else {
                    Ok(())
                }
            }
            Due::Chrome { side, run, outcome } => {
                if self.sides[side].run == run {
                    self.handle_chrome(side, outcome)
                } else {
                    Ok(())
                }
            }
            Due::Stored {
                side,
                life,
                write,
                ok,
                set,
                remove,
            } => {
                if ok {
                    self.land(side, set, &remove);
                }
                if self.sides[side].life == life {
                    self.tell_extension(side, Input::Written { write, ok })
                } else {
                    Ok(())
                }
            }
            Due::Server {
                server,
                life,
                input,
            } => {
                if self.nodes[server].life == life {
                    self.tell_server(server, *input)
                } else {
                    Ok(())
                }
            }
            Due::Start { server } => self.start_server(server),
            Due::Agent { server } => self.step_agent(server),
            Due::Fault => self.step_fault(),
            Due::Alarm { side } => {
                self.later(scene::ALARM, Due::Alarm { side });
                self.tell_extension(side, Input::Alarm)
            }
            Due::Wake { side, life } => {
                if self.sides[side].life == life && !self.sides[side].is_quit() {
                    self.wake(side)
                } else {
                    Ok(())
                }
            }
            Due::Open { side, run } => {
                if self.sides[side].run == run && self.sides[side].is_quit() {
                    self.wake(side)
                } else {
                    Ok(())
                }
            }
        }
    }

    fn later(&mut self, delay: Duration, due: Due) {
        self.at(self.now + delay, due);
    }

    fn at(&mut self, at: Instant, due: Due) {
        self.order += 1;
        self.agenda.insert((at, self.order), due);
    }

    /// One input to an extension, then the law of its driver, then the checks.
    fn tell_extension(&mut self, side: usize, input: Input) -> Result<(), String> {
        match &mut self.sides[side].worker {
            Worker::Runs => {}
            Worker::Dead { heard } => {
                if let Input::Browser(_) = input {
                    heard.push(input);
                }
                return Ok(());
            }
            Worker::Quit => return Ok(()),
        }
        self.sides[side].extension.handle_input(input, self.now);
        self.carry(side)
    }

    fn carry(&mut self, side: usize) -> Result<(), String> {
        for trace in self.sides[side].extension.take_trace() {
            self.remember(format!("{:>8} {side}: {trace:?}", self.now.0));
            self.follow(side, &trace)?;
        }
        while let Some(effect) = self.sides[side].extension.poll_effect() {
            for byte in format!("{effect:?}").bytes() {
                self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            self.perform(side, effect)?;
        }
        self.take_from_chrome(side);
        self.check_acts(side)?;
        let it = &mut self.sides[side];
        it.tick_at = it.extension.poll_timeout().map(|(at, _)| at);
        Ok(())
    }

    fn take_from_chrome(&mut self, side: usize) {
        let it = &mut self.sides[side];
        it.chrome.take_met();
        let run = it.run;
        for (delay, outcome) in it.chrome.take_later() {
            self.later(delay, Due::Chrome { side, run, outcome });
        }
    }

    /// A fault that is worth a line in a failure's message.
    fn remember_fault(&mut self, what: &str, which: usize) {
        self.report.count(what);
        self.remember(format!("{:>8} {what}: {which}", self.now.0));
    }

    fn remember(&mut self, mut text: String) {
        if text.len() > RECENT_TEXT_MAX {
            text = text.chars().take(RECENT_TEXT_MAX).collect();
        }
        self.recent.push_back(text);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }
}

/// The secret of the user to whom both browsers belong.
fn secret() -> Secret {
    Secret::new([1; 32])
}
