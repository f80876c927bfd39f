//! Everything together: who does what when, and the checks after every step.

mod checks;
mod clock;
mod deaths;
mod falls;
mod faults;
mod others;
mod planted;
pub mod restarts;
mod scripted;
mod servers;
mod storage;
pub mod strikes;
mod traffic;
mod visitor;

use crate::agents::Agent;
use crate::blow::{Landed, Step};
use crate::chance::Chance;
use crate::chrome::{Chrome, Outcome};
use crate::model::Model;
use crate::network::{Pipe, Stranger};
use crate::plan::Plan;
use crate::report::Report;
pub(crate) use checks::{gifts_in, partings_in};
use clock::BrowserClock;
use deaths::Death;
use extension_core::extension::Trace;
use extension_core::input::{BrowserEvent, RequestId, SocketId};
use extension_core::view::View;
use extension_core::{Boot, Config, Effect, Extension, Input};
use protocol::frame::{Frame, SessionOpened};
use protocol::pairing::Secret;
use protocol::{Deadlines, Instant, SessionId, TabId, WireId};
use serde_json::Value;
use server_core::{Identity, Server};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use storage::Disk;
use strikes::Strike;
use visitor::Visitor;

/// The largest frame that servers here take: as with the real 32 MB, yet soon reached.
pub const FRAME_MAX: usize = 256 * 1024;
/// How many decisions a failure shows.
const RECENT_MAX: usize = 60;
/// How much of each.
const RECENT_TEXT_MAX: usize = 400;
/// Time for every peer to be found again: the longest back-off with jitter, and a handshake.
const FOUND_AGAIN: Duration = Duration::from_secs(150);

/// What is to happen at its time.
#[derive(Debug)]
enum Due {
    /// Something reaches the extension, if that life still lives.
    Extension { life: u64, input: Box<Input> },
    /// Chrome has something for the extension.
    Chrome(Outcome),
    /// The disk has what the worker wrote, whether it still lives or not.
    Stored {
        life: u64,
        write: extension_core::input::WriteId,
        set: BTreeMap<String, Value>,
        remove: Vec<String>,
        /// Whether it takes what is set. What is removed it always does, full as it may be.
        ok: bool,
    },
    /// Something reaches a server, if that life still lives.
    Server {
        server: usize,
        life: u64,
        /// The worker's life in which it was said.
        said_in: u64,
        input: Box<server_core::Input>,
    },
    /// A server starts.
    Start { server: usize },
    /// An agent looks whether it has something to ask.
    Agent { server: usize },
    /// Something may go wrong.
    Fault,
    /// The person resumes after *Cancel*.
    Resume,
    /// The person pairs the extension anew.
    Pair,
    /// The unpaired server looks whether it has something to ask.
    Visitor,
    /// The alarm.
    Alarm,
    /// The next worker starts, if that life has none yet.
    Wake { life: u64 },
    /// The worker dies, and of what it was writing only this has landed.
    Kill { landed: Landed },
    /// What was to strike, once what was under way has been performed.
    Strike(Strike),
}

/// Between two lives of the worker.
#[derive(Debug)]
struct Asleep {
    /// Which tab is whose, as the store said it at the death.
    kept: BTreeMap<TabId, SessionId>,
    /// What happened since.
    heard: Vec<Input>,
    /// The extension itself is not there: nobody hears, and nothing wakes it but its return.
    deaf: bool,
}

/// A server and its agent.
#[derive(Debug)]
struct Node {
    core: Option<Server>,
    life: u64,
    port: u16,
    up_since: Instant,
    /// Until then its process does nothing at all.
    stopped_until: Instant,
    identity: Option<Identity>,
    agent: Agent,
    conns: u64,
    calls: u64,
}

/// See the module.
#[derive(Debug)]
pub struct World {
    plan: Plan,
    chance: Chance,
    now: Instant,
    order: u64,
    agenda: BTreeMap<(Instant, u64), Due>,
    timers: Deadlines<usize>,
    chrome: Chrome,
    extension: Extension,
    life: u64,
    /// None while a worker lives.
    asleep: Option<Asleep>,
    /// The clock that the extension reads.
    clock: BrowserClock,
    /// When its timer goes off.
    tick_at: Option<Instant>,
    /// An alarm stands, which starts the next worker when this one dies unheard.
    alarm: bool,
    /// Tabs that are being cleared for another owner, or for their end.
    clearing: BTreeSet<TabId>,
    /// The clock was put ahead or back in this step.
    jumped: bool,
    storage: BTreeMap<String, Value>,
    disk: Disk,
    tickets: BTreeMap<u64, (u64, RequestId)>,
    last_ticket: u64,
    nodes: Vec<Node>,
    pipes: BTreeMap<SocketId, Pipe>,
    strangers: BTreeMap<u16, Stranger>,
    visitor: Visitor,
    model: Model,
    acts_seen: usize,
    act: u64,
    done: BTreeMap<u64, u32>,
    /// Who sent which act.
    askers: BTreeMap<u64, SessionId>,
    /// In which command.
    wires: BTreeMap<u64, WireId>,
    /// Calls whose results were on disk when the worker died.
    results: BTreeSet<WireId>,
    /// Sockets that are no more, since when, with the last frame of each.
    stale: VecDeque<(Instant, SocketId, String)>,
    /// Tabs that a session must be told it lost, since the last death of the worker.
    untold: BTreeMap<SessionId, BTreeSet<TabId>>,
    /// Tabs that nobody's records know under these ids, while the extension may know them again.
    doubtful: BTreeSet<TabId>,
    /// What the browser tells next, while a strike comes just before.
    at_hand: Option<BrowserEvent>,
    /// What sessions were told so far.
    told: BTreeMap<SessionId, BTreeSet<TabId>>,
    /// What a server hears in this step was said by the worker that lives, after it was told of
    /// its losses.
    news: bool,
    /// Sessions of which the disk did not know all tabs when the worker died: nobody can tell their group.
    unwritten: BTreeSet<SessionId>,
    /// Tabs that were a session's at any time.
    once_owned: BTreeSet<TabId>,
    /// Tabs that were a session's at any time since it was told of its last loss.
    held: BTreeMap<SessionId, BTreeSet<TabId>>,
    /// The same of sessions that their browser forgot: their servers may tell of them.
    parted: BTreeMap<SessionId, BTreeSet<TabId>>,
    /// Tabs that a list called a session's own while they were on their way to it.
    promised: BTreeMap<SessionId, BTreeSet<TabId>>,
    /// Commands that a server said in another session's name, and who it was.
    forged: BTreeMap<WireId, usize>,
    /// What they would do.
    forged_acts: BTreeSet<u64>,
    /// Acts that had begun when the store forgot whose their tab was.
    running_on: BTreeSet<u64>,
    /// Which secret the servers have, and which the extension.
    secret: u8,
    paired: u8,
    /// Sessions that ended in this step.
    ended: Vec<SessionId>,
    /// What the planted fault keeps back.
    kept_back: Option<Trace>,
    /// The planted fault has struck so often.
    struck: u64,
    asks: u64,
    storm: bool,
    digest: u64,
    /// What is to strike.
    strike: Option<Strike>,
    /// Effects since the script began, while one is played.
    trail: Option<Vec<Step>>,
    /// The last decisions, for the message of a failure.
    recent: VecDeque<String>,
    /// How often each state of a machine was met, after every step.
    states: BTreeMap<&'static str, u64>,
    /// What was met.
    pub report: Report,
}

impl World {
    /// A browser without servers; they start within the first second.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut chance = Chance::new(plan.seed);
        let chrome = Chrome::new();
        let now = Instant(1_000);
        let boot = boot(&plan, chance.seed(), &BTreeMap::new(), &chrome, 1);
        let mut clock = BrowserClock::default();
        let extension = wake(boot, clock.read(now));
        let mut world = Self {
            chance,
            now,
            order: 0,
            agenda: BTreeMap::new(),
            timers: Deadlines::default(),
            chrome,
            extension,
            life: 1,
            asleep: None,
            clock,
            tick_at: None,
            alarm: false,
            clearing: BTreeSet::new(),
            jumped: false,
            disk: Disk::default(),
            strike: None,
            trail: None,
            storage: BTreeMap::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
            nodes: Vec::new(),
            pipes: BTreeMap::new(),
            strangers: BTreeMap::new(),
            visitor: Visitor::new(visitors_port(&plan)),
            model: Model::default(),
            acts_seen: 0,
            act: 0,
            done: BTreeMap::new(),
            askers: BTreeMap::new(),
            wires: BTreeMap::new(),
            results: BTreeSet::new(),
            stale: VecDeque::new(),
            untold: BTreeMap::new(),
            doubtful: BTreeSet::new(),
            at_hand: None,
            told: BTreeMap::new(),
            news: false,
            unwritten: BTreeSet::new(),
            once_owned: BTreeSet::new(),
            held: BTreeMap::new(),
            parted: BTreeMap::new(),
            promised: BTreeMap::new(),
            forged: BTreeMap::new(),
            forged_acts: BTreeSet::new(),
            running_on: BTreeSet::new(),
            secret: 1,
            paired: 1,
            states: BTreeMap::new(),
            ended: Vec::new(),
            kept_back: None,
            struck: 0,
            asks: 0,
            storm: true,
            digest: 0xcbf2_9ce4_8422_2325,
            recent: VecDeque::new(),
            report: Report::default(),
            plan,
        };
        for server in 0..world.plan.servers {
            world.nodes.push(Node {
                core: None,
                life: 0,
                port: 0,
                up_since: now,
                stopped_until: now,
                identity: None,
                agent: Agent::default(),
                conns: 0,
                calls: 0,
            });
            let delay = Duration::from_millis(world.chance.below(1_000));
            world.later(delay, Due::Start { server });
            world.later(delay, Due::Agent { server });
        }
        for port in world.plan.range.first..=world.plan.range.last {
            if world.chance.hits(world.plan.faults.strangers) {
                let kinds = [Stranger::Foreign, Stranger::Silent, Stranger::Mute];
                let kind = world.chance.pick(&kinds).copied();
                let kind = kind.filter(|_| world.visitor.port() != Some(port));
                world.strangers.extend(kind.map(|kind| (port, kind)));
            }
        }
        world.later(Duration::from_millis(500), Due::Fault);
        if world.visitor.port().is_some() {
            world.later(Duration::from_millis(700), Due::Visitor);
        }
        world.later(Duration::from_secs(30), Due::Alarm);
        world
    }

    /// Runs the whole plan: the storm, the quiet, the end. An error names what was broken.
    pub fn run(&mut self) -> Result<(), String> {
        let seed = self.plan.seed;
        self.run_all().map_err(|what| {
            let recent: Vec<&str> = self.recent.iter().map(String::as_str).collect();
            format!(
                "seed {seed} at {} ms: {what}\n{}",
                self.now.0,
                recent.join("\n")
            )
        })
    }

    fn run_all(&mut self) -> Result<(), String> {
        let outcome = self.play();
        self.count_machine_states();
        outcome
    }

    fn count_machine_states(&mut self) {
        for (state, count) in std::mem::take(&mut self.states) {
            self.report.count_many(state, count);
        }
    }

    fn play(&mut self) -> Result<(), String> {
        self.plant_at_start();
        self.carry()?;
        self.run_until(self.now + self.plan.busy)?;
        self.storm = false;
        self.switch_on()?;
        self.paired = self.secret;
        self.resume_person()?;
        self.run_until(self.now + FOUND_AGAIN)?;
        self.check_all_found()?;
        self.run_until(self.now + self.plan.quiet)?;
        self.check_all_answered()?;
        self.check_groups()?;
        self.end_all()?;
        self.run_until(self.now + self.plan.quiet)?;
        self.check_nothing_left()?;
        self.check_groups()
    }

    /// A number for all that the core did: equal seeds give equal numbers (invariant 10).
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
        let extension = self.tick_at;
        let next = [agenda, extension, self.timers.next()]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next.filter(|at| *at <= end) else {
            self.now = end;
            return Ok(false);
        };
        self.now = self.now.max(next);
        if agenda.is_some_and(|at| at <= self.now) {
            if let Some((_, due)) = self.agenda.pop_first() {
                self.handle(due)?;
            }
        } else if extension.is_some_and(|at| at <= self.now) {
            self.tell_extension(Input::Tick)?;
        } else if let Some(server) = self.timers.pop_due(self.now) {
            self.tell_server(server, server_core::Input::Tick)?;
        }
        Ok(true)
    }

    fn handle(&mut self, due: Due) -> Result<(), String> {
        let step = self.step_of_input(&due);
        self.at_hand = at_hand(&due);
        self.take_step(step, None)?;
        self.at_hand = None;
        match due {
            Due::Extension { life, input } => {
                if life == self.life {
                    self.tell_extension(*input)
                } else {
                    Ok(())
                }
            }
            Due::Chrome(outcome) => self.handle_chrome(outcome),
            Due::Stored {
                life,
                write,
                set,
                remove,
                ok,
            } => {
                // What is removed is so only once what is set was taken.
                if ok {
                    self.land(set, &remove);
                }
                if life == self.life {
                    self.tell_extension(Input::Written { write, ok })
                } else {
                    Ok(())
                }
            }
            Due::Server {
                server,
                life,
                said_in,
                input,
            } => {
                if let Some(until) = self.stopped_until(server) {
                    let due = Due::Server {
                        server,
                        life,
                        said_in,
                        input,
                    };
                    self.at(until, due);
                    return Ok(());
                }
                self.news = said_in == self.life && opening(&input).is_none();
                if self.nodes.get(server).is_some_and(|node| node.life == life) {
                    self.tell_server(server, *input)
                } else {
                    Ok(())
                }
            }
            Due::Start { server } => self.start_server(server),
            Due::Agent { server } => self.step_agent(server),
            Due::Fault => self.step_fault(),
            Due::Visitor => {
                self.step_visitor();
                Ok(())
            }
            Due::Resume => self.resume_person(),
            Due::Pair => {
                self.paired = self.secret;
                Ok(())
            }
            Due::Alarm => {
                self.later(Duration::from_secs(30), Due::Alarm);
                self.tell_extension(Input::Alarm)
            }
            Due::Wake { life } => self.wake_up(life),
            Due::Kill { landed } => self.end_worker(Death {
                landed,
                ..Death::SUDDEN
            }),
            Due::Strike(strike) => self.strike_now(strike.blow),
        }
    }

    fn later(&mut self, delay: Duration, due: Due) {
        self.at(self.now + delay, due);
    }

    fn at(&mut self, at: Instant, due: Due) {
        self.order += 1;
        self.agenda.insert((at, self.order), due);
    }

    /// One input to the extension, then the law of its driver, then the checks.
    fn tell_extension(&mut self, input: Input) -> Result<(), String> {
        if self.asleep.is_some() {
            return self.tell_sleeper(input);
        }
        if let Input::Browser(BrowserEvent::NavigationTarget { tab, .. }) = &input
            && let Some(state) = self.chrome.tabs.get_mut(tab)
        {
            state.opener_told = true;
        }
        if let Input::Browser(BrowserEvent::TabReplaced { added, .. }) = &input
            && let Some(state) = self.chrome.tabs.get_mut(added)
        {
            state.id_told = true;
        }
        if let Input::Browser(BrowserEvent::TabReplaced { added, removed }) = &input
            && self.chrome.unloaded.get(removed) == Some(added)
        {
            self.rename_tab(*removed, *added);
        }
        self.count_step();
        let now = self.clock.read(self.now);
        self.extension.handle_input(input, now);
        self.look_at_states();
        self.carry()
    }

    /// What the popup would show.
    fn view(&self) -> View {
        self.extension.view(self.clock.peek(self.now))
    }

    /// One more step of a core.
    fn count_step(&mut self) {
        self.report.count(if self.storm {
            "steps: in the storm"
        } else {
            "steps: else"
        });
    }

    fn carry(&mut self) -> Result<(), String> {
        for trace in self.extension.take_trace() {
            for trace in self.plant_in_trace(trace) {
                self.follow(&trace)?;
            }
        }
        while let Some(effect) = self.extension.poll_effect() {
            self.mix(&effect);
            let step = self.step_of(&effect);
            self.perform(effect)?;
            self.take_step(step, None)?;
        }
        self.take_from_chrome();
        self.check_acts()?;
        self.check_bounds()?;
        if !self.alarm && self.asleep.is_none() {
            return Err("no alarm stands: when this worker dies, nothing starts the next".into());
        }
        let now = self.clock.read(self.now);
        let due = self.extension.poll_timeout();
        if let Some((at, why)) = due
            && at.0 + 60_000 < now.0
        {
            return Err(format!(
                "the deadline of {why} at {} was never served",
                at.0
            ));
        }
        let awake = self.asleep.is_none();
        self.tick_at = due
            .filter(|_| awake)
            .map(|(at, _)| self.now + at.since(now));
        Ok(())
    }

    fn remember(&mut self, trace: &Trace) {
        self.remember_text(format!("{:>8} {trace:?}", self.now.0));
    }

    /// A fault that is worth a line in a failure's message.
    fn remember_fault(&mut self, what: &str) {
        self.report.count(what);
        self.remember_text(format!("{:>8} {what}", self.now.0));
    }

    /// What an agent hears.
    fn remember_answer(&mut self, server: usize, call: u64, answer: &server_core::Answer) {
        let outcome = answer.outcome.as_ref().err().map(|error| error.code);
        let lost: Vec<TabId> = answer.lost.iter().map(|tab| tab.tab_id).collect();
        let text = format!(
            "{:>8} S{server}: answer {call}, error {outcome:?}, lost {lost:?}",
            self.now.0
        );
        self.remember_text(text);
    }

    fn remember_text(&mut self, mut text: String) {
        if text.len() > RECENT_TEXT_MAX {
            text = text.chars().take(RECENT_TEXT_MAX).collect();
        }
        self.recent.push_back(text);
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_front();
        }
    }

    fn take_from_chrome(&mut self) {
        for what in self.chrome.take_met() {
            self.report.count(what);
        }
        for (delay, outcome) in self.chrome.take_later() {
            self.later(delay, Due::Chrome(outcome));
        }
    }

    fn end_all(&mut self) -> Result<(), String> {
        self.end_visitor();
        for server in 0..self.nodes.len() {
            self.tell_server(server, server_core::Input::End)?;
        }
        Ok(())
    }

    fn mix(&mut self, effect: &Effect) {
        for byte in format!("{effect:?}").bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// What tells a server that its session is open, with answers that were given before.
fn opening(input: &server_core::Input) -> Option<SessionOpened> {
    let server_core::Input::Frame { text, .. } = input else {
        return None;
    };
    // Few are, and to read them all would be dear.
    if !text.contains("\"sessionOpened\"") {
        return None;
    }
    match Frame::parse(text, protocol::limits::FRAME_MAX) {
        Ok(Frame::SessionOpened(opened)) => Some(opened),
        Ok(_) | Err(_) => None,
    }
}

/// Where the unpaired server sits, if there is one.
fn visitors_port(plan: &Plan) -> Option<u16> {
    plan.unpaired.then_some(plan.range.last)
}

/// The secret of a number.
fn secret(number: u8) -> Secret {
    Secret::new([number; 32])
}

fn boot(
    plan: &Plan,
    seed: [u8; 32],
    stored: &BTreeMap<String, Value>,
    chrome: &Chrome,
    paired: u8,
) -> Boot {
    Boot {
        seed,
        extension_id: protocol::EXTENSION_ID.into(),
        secret: Ok(secret(paired)),
        config: Config {
            ports: plan.range,
            allow_unpaired: visitors_port(plan).into_iter().collect(),
            ..Config::default()
        },
        stored: stored.clone(),
        tabs: chrome.all(),
        groups: chrome.groups(),
        attached: chrome.debugged(),
        unpacked: true,
    }
}

fn at_hand(due: &Due) -> Option<BrowserEvent> {
    if let Due::Chrome(Outcome::Event(event)) = due {
        Some(event.clone())
    } else {
        None
    }
}

fn wake(boot: Boot, now: Instant) -> Extension {
    let mut extension = Extension::new(boot, now);
    extension.set_tracing(true);
    extension
}
