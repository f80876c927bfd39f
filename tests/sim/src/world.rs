//! Everything together: who does what when, and the checks after every step.

mod faults;
mod traffic;

use crate::agents::{Agent, never_began};
use crate::chance::Chance;
use crate::chrome::{Chrome, Outcome};
use crate::model::Model;
use crate::network::Pipe;
use crate::plan::Plan;
use crate::report::Report;
use extension_core::input::{ProbeAnswer, RequestId, SocketId};
use extension_core::view::InstanceState;
use extension_core::{Boot, Config, Effect, Extension, Input};
use protocol::pairing::Secret;
use protocol::{Deadlines, Instant};
use serde_json::Value;
use server_core::{Identity, Server};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The secret that all share.
const SECRET: [u8; 32] = [42; 32];
/// How many decisions a failure shows.
const RECENT_MAX: usize = 60;
/// Long enough after the storm for every back-off, grace and deadline to be over.
const QUIET: Duration = Duration::from_secs(700);
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
    /// The person resumes after *Cancel*.
    Resume,
    /// The alarm.
    Alarm,
}

/// A server and its agent.
#[derive(Debug)]
struct Node {
    core: Option<Server>,
    life: u64,
    port: u16,
    up_since: Instant,
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
    storage: BTreeMap<String, Value>,
    tickets: BTreeMap<u64, (u64, RequestId)>,
    last_ticket: u64,
    nodes: Vec<Node>,
    pipes: BTreeMap<SocketId, Pipe>,
    strangers: BTreeMap<u16, ProbeAnswer>,
    model: Model,
    acts_seen: usize,
    act: u64,
    done: BTreeMap<u64, u32>,
    asks: u64,
    storm: bool,
    digest: u64,
    /// The last decisions, for the message of a failure.
    recent: VecDeque<String>,
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
        let extension = extension(&plan, chance.seed(), &BTreeMap::new(), &chrome, now);
        let mut world = Self {
            chance,
            now,
            order: 0,
            agenda: BTreeMap::new(),
            timers: Deadlines::default(),
            chrome,
            extension,
            life: 1,
            storage: BTreeMap::new(),
            tickets: BTreeMap::new(),
            last_ticket: 0,
            nodes: Vec::new(),
            pipes: BTreeMap::new(),
            strangers: BTreeMap::new(),
            model: Model::default(),
            acts_seen: 0,
            act: 0,
            done: BTreeMap::new(),
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
                let kind = if world.chance.hits(500) {
                    ProbeAnswer::Foreign
                } else {
                    ProbeAnswer::Silent
                };
                world.strangers.insert(port, kind);
            }
        }
        world.later(Duration::from_millis(500), Due::Fault);
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
        self.carry()?;
        self.run_until(self.now + self.plan.busy)?;
        self.storm = false;
        self.resume_person()?;
        self.run_until(self.now + FOUND_AGAIN)?;
        self.check_all_found()?;
        self.run_until(self.now + QUIET)?;
        self.check_all_answered()?;
        self.end_all()?;
        self.run_until(self.now + QUIET)?;
        self.check_nothing_left()
    }

    /// A number for all that the core did: equal seeds give equal numbers (invariant 10).
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    fn run_until(&mut self, end: Instant) -> Result<(), String> {
        loop {
            let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let extension = self.extension.poll_timeout().map(|(at, _)| at);
            let next = [agenda, extension, self.timers.next()]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.now = end;
                return Ok(());
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
        }
    }

    fn handle(&mut self, due: Due) -> Result<(), String> {
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
            } => {
                self.storage.extend(set);
                for key in remove {
                    self.storage.remove(&key);
                }
                if life == self.life {
                    self.tell_extension(Input::Written { write, ok: true })
                } else {
                    Ok(())
                }
            }
            Due::Server {
                server,
                life,
                input,
            } => {
                if self.nodes.get(server).is_some_and(|node| node.life == life) {
                    self.tell_server(server, *input)
                } else {
                    Ok(())
                }
            }
            Due::Start { server } => self.start_server(server),
            Due::Agent { server } => self.step_agent(server),
            Due::Fault => self.step_fault(),
            Due::Resume => self.resume_person(),
            Due::Alarm => {
                self.later(Duration::from_secs(30), Due::Alarm);
                self.tell_extension(Input::Alarm)
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

    /// One input to the extension, then the law of its driver, then the checks.
    fn tell_extension(&mut self, input: Input) -> Result<(), String> {
        self.extension.handle_input(input, self.now);
        self.carry()
    }

    fn carry(&mut self) -> Result<(), String> {
        for trace in self.extension.take_trace() {
            self.note(&trace);
            self.recent
                .push_back(format!("{:>8} {trace:?}", self.now.0));
            if self.recent.len() > RECENT_MAX {
                self.recent.pop_front();
            }
            self.model.follow(&trace)?;
        }
        while let Some(effect) = self.extension.poll_effect() {
            self.mix(&effect);
            self.perform(effect)?;
        }
        self.take_from_chrome();
        self.check_acts()?;
        if let Some((at, why)) = self.extension.poll_timeout()
            && at.0 + 60_000 < self.now.0
        {
            return Err(format!(
                "the deadline of {why} at {} was never served",
                at.0
            ));
        }
        Ok(())
    }

    fn take_from_chrome(&mut self) {
        for (delay, outcome) in self.chrome.take_later() {
            self.later(delay, Due::Chrome(outcome));
        }
    }

    /// Scripts that ran: each once, and only in a tab of the session that sent it.
    fn check_acts(&mut self) -> Result<(), String> {
        while let Some(act) = self.chrome.acts.get(self.acts_seen).copied() {
            self.acts_seen += 1;
            let times = self.done.entry(act.number).or_default();
            *times += 1;
            if *times > 1 {
                return Err(format!("invariant 3: act {} ran twice", act.number));
            }
            let asker = self.nodes.iter().find(|node| {
                node.agent
                    .open
                    .values()
                    .any(|asked| asked.act == Some(act.number))
            });
            let session = asker
                .and_then(|node| node.identity.as_ref())
                .map(|one| &one.session_id);
            // The asker may be dead, or have been answered while the page went on: then there is
            // nobody to compare with.
            if let Some(session) = session
                && self.model.owner(act.tab) != Some(session)
            {
                return Err(format!(
                    "invariant 1: act {} of {session} ran in {} of {:?}",
                    act.number,
                    act.tab,
                    self.model.owner(act.tab)
                ));
            }
        }
        Ok(())
    }

    /// Every server that is up is connected (invariant 8).
    fn check_all_found(&mut self) -> Result<(), String> {
        let view = self.extension.view(self.now);
        for node in self.nodes.iter().filter(|node| node.core.is_some()) {
            let found = view.instances.iter().any(|instance| {
                instance.state == InstanceState::Connected
                    && node
                        .identity
                        .as_ref()
                        .is_some_and(|id| id.session_id == instance.session_id)
            });
            if !found {
                return Err(format!(
                    "invariant 8: the server on {} is up since {} and not connected",
                    node.port, node.up_since.0
                ));
            }
            self.report.count("state: found after the storm");
        }
        Ok(())
    }

    /// No call is open for ever (invariant 3).
    fn check_all_answered(&self) -> Result<(), String> {
        for node in &self.nodes {
            if let Some((call, asked)) = node.agent.open.first_key_value() {
                return Err(format!(
                    "invariant 3: call {call} ({}) was never answered",
                    asked.name
                ));
            }
        }
        Ok(())
    }

    fn end_all(&mut self) -> Result<(), String> {
        for server in 0..self.nodes.len() {
            self.tell_server(server, server_core::Input::End)?;
        }
        Ok(())
    }

    /// When all sessions are over, nothing of them remains (invariant 7).
    fn check_nothing_left(&self) -> Result<(), String> {
        let census = self.extension.census();
        if !census.is_empty() {
            return Err(format!("invariant 7: left behind: {census:?}"));
        }
        if let Some((tab, _)) = self.chrome.tabs.iter().find(|(_, tab)| tab.attached) {
            return Err(format!("invariant 7: the debugger is still on {tab}"));
        }
        let kept: Vec<&String> = self
            .storage
            .keys()
            .filter(|key| !matches!(key.as_str(), "browser" | "ports" | "paused"))
            .collect();
        if !kept.is_empty() {
            return Err(format!("invariant 7: left in the store: {kept:?}"));
        }
        Ok(())
    }

    /// An answer reached an agent: it must be its own, and true.
    fn check_answer(
        &mut self,
        server: usize,
        call: u64,
        answer: &server_core::Answer,
    ) -> Result<(), String> {
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        let Some(asked) = node.agent.open.remove(&call) else {
            return Err(format!(
                "invariant 3: call {call} was answered twice, or never asked"
            ));
        };
        node.agent.learn(&answer.outcome, answer.tab);
        let Some(act) = asked.act else { return Ok(()) };
        let times = self.done.get(&act).copied().unwrap_or_default();
        match &answer.outcome {
            Ok(data) => {
                let value = data.get("value").and_then(Value::as_u64);
                let dialog = data.get("dialog").is_some();
                if value.is_some_and(|value| value != act) {
                    return Err(format!(
                        "invariant 4: act {act} was answered with {value:?}"
                    ));
                }
                if times != 1 && !dialog {
                    return Err(format!(
                        "invariant 3: act {act} succeeded and ran {times} times"
                    ));
                }
            }
            Err(error) if never_began(error.code) && times > 0 => {
                return Err(format!(
                    "invariant 3: act {act} ran, yet was answered {error}"
                ));
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn mix(&mut self, effect: &Effect) {
        for byte in format!("{effect:?}").bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn extension(
    plan: &Plan,
    seed: [u8; 32],
    stored: &BTreeMap<String, Value>,
    chrome: &Chrome,
    now: Instant,
) -> Extension {
    let boot = Boot {
        seed,
        extension_id: protocol::EXTENSION_ID.into(),
        secret: Some(Secret::new(SECRET)),
        config: Config { ports: plan.range },
        stored: stored.clone(),
        tabs: chrome.all(),
        unpacked: true,
    };
    let mut extension = Extension::new(boot, now);
    extension.set_tracing(true);
    extension
}
