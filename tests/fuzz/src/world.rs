//! The extension's core in its simulated Chrome, with two servers on its ports: a good one, which is
//! the real server's core, and a mad one, which has the secret and says whatever it is told to. What
//! the core decides is followed by the simulation's model; its store, its deaths and the time are
//! the caller's to steer.

use crate::peer::Peer;
use extension_core::extension::Trace;
use extension_core::input::{BrowserEvent, ChromeError, ProbeAnswer, RequestId, SocketId, WriteId};
use extension_core::{Boot, Config, Effect, Extension, Input};
use protocol::pairing::Secret;
use protocol::ports::PortRange;
use protocol::{Deadlines, Instant, SortedMap};
use serde_json::{Value, json};
use server_core::{CallId, CallRequest, ConnId, Server, SessionKey};
use sim::chance::Chance;
use sim::chrome::{Chrome, Outcome};
use sim::model::Model;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Where the mad server sits. Behind the last two ports there are none to overflow into: the steps
/// of an input are not spent on probing.
const MAD: u16 = 65_534;
/// Where the good one comes to sit.
const GOOD: u16 = 65_535;
/// A hop on loopback, a write to the disk.
const HOP: Duration = Duration::from_millis(1);
/// The good server's one connection.
const CONN: ConnId = ConnId(1);
/// Steps of one input: more than ten minutes of a busy world take. Beyond it the core goes round in
/// a circle.
const STEPS_MAX: usize = 200_000;
/// For a server to be found and to answer its first call: its own 10 s are more than enough.
const SERVED_MAX: Duration = Duration::from_secs(30);

pub(crate) fn secret() -> Secret {
    Secret::new([7; 32])
}

/// Something under way.
enum Due {
    Extension(Box<Input>),
    Chrome(Outcome),
    Stored(WriteId, BTreeMap<String, Value>, Vec<String>),
    Server(Box<server_core::Input>),
}

/// See the module.
pub(crate) struct World {
    now: Instant,
    order: u64,
    agenda: BTreeMap<(Instant, u64), Due>,
    timers: Deadlines<()>,
    chance: Chance,
    pub(crate) chrome: Chrome,
    extension: Extension,
    pub(crate) storage: BTreeMap<String, Value>,
    tickets: BTreeMap<u64, RequestId>,
    last_ticket: u64,
    /// What Chrome's next answers say instead of the truth.
    pub(crate) lies: VecDeque<Result<Value, ChromeError>>,
    /// The next write fails.
    pub(crate) disk_full: bool,
    mad: BTreeMap<SocketId, Peer>,
    /// Nobody is on the mad server's port any more.
    sane: bool,
    good: Option<Server>,
    good_socket: Option<SocketId>,
    answers: Vec<server_core::Answer>,
    /// None once a tab has changed its number: the model has no word for that.
    model: Option<Model>,
    /// What the core logged.
    pub(crate) log: Vec<String>,
    steps: usize,
}

impl World {
    /// A worker that finds `storage` and the tabs of `chrome`.
    pub(crate) fn new(storage: BTreeMap<String, Value>, chrome: Chrome) -> Self {
        let mut chance = Chance::new(1);
        let now = Instant(1_000);
        let extension = wake(&mut chance, &storage, &chrome, now);
        let mut world = Self {
            now,
            order: 0,
            agenda: BTreeMap::new(),
            timers: Deadlines::default(),
            chance,
            chrome,
            extension,
            storage,
            tickets: BTreeMap::new(),
            last_ticket: 0,
            lies: VecDeque::new(),
            disk_full: false,
            mad: BTreeMap::new(),
            sane: false,
            good: None,
            good_socket: None,
            answers: Vec::new(),
            model: None,
            log: Vec::new(),
            steps: 0,
        };
        world.follow_anew();
        world.perform_all();
        world
    }

    /// The worker dies and a new one finds what is stored.
    pub(crate) fn die(&mut self) {
        self.mad.clear();
        // What it asked for is answered to nobody.
        self.tickets.clear();
        for (when, due) in std::mem::take(&mut self.agenda) {
            match due {
                Due::Extension(_) => {}
                // The browser takes reads and writes of its store in the order in which they came.
                Due::Stored(..) => drop(self.land(&due)),
                Due::Chrome(_) | Due::Server(_) => drop(self.agenda.insert(when, due)),
            }
        }
        if self.good_socket.take().is_some() {
            self.tell_server(server_core::Input::Closed {
                conn: CONN,
                code: 1006,
            });
        }
        self.extension = wake(&mut self.chance, &self.storage, &self.chrome, self.now);
        self.follow_anew();
        self.perform_all();
    }

    /// The model begins with what the worker restored.
    fn follow_anew(&mut self) {
        let mut owners = BTreeMap::new();
        for instance in self.extension.view(self.now).instances {
            let tabs = instance.tabs.iter().map(|tab| tab.tab_id);
            owners.extend(tabs.map(|tab| (tab, instance.session_id.clone())));
        }
        let mut model = Model::default();
        model.reborn(owners, BTreeMap::new(), BTreeMap::new());
        self.model = Some(model);
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run(end, |_| false);
    }

    /// Plays on until `done` says so or `end` has come; simulated time alone decides what is next.
    fn run(&mut self, end: Instant, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let extension = self.extension.poll_timeout().map(|(at, _)| at);
            let next = [agenda, extension, self.timers.next()];
            let next = next.into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if agenda.is_some_and(|at| at <= self.now) {
                if let Some((_, due)) = self.agenda.pop_first() {
                    self.handle(due);
                }
            } else if extension.is_some_and(|at| at <= self.now) {
                self.tell(Input::Tick);
            } else if self.timers.pop_due(self.now).is_some() {
                self.tell_server(server_core::Input::Tick);
            }
        }
    }

    fn later(&mut self, due: Due) {
        self.at(HOP, due);
    }

    fn at(&mut self, delay: Duration, due: Due) {
        self.order += 1;
        self.agenda.insert((self.now + delay, self.order), due);
    }

    fn back(&mut self, input: Input) {
        self.later(Due::Extension(Box::new(input)));
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Extension(input) => self.tell(*input),
            Due::Server(input) => self.tell_server(*input),
            Due::Stored(write, ..) => {
                let ok = self.land(&due);
                self.tell(Input::Written { write, ok });
            }
            Due::Chrome(Outcome::Done { ticket, outcome }) => {
                if let Some(request) = self.tickets.remove(&ticket) {
                    let outcome = self.lies.pop_front().unwrap_or(outcome);
                    self.tell(Input::Done { request, outcome });
                }
            }
            Due::Chrome(Outcome::Event(event)) => self.tell(Input::Browser(event)),
            Due::Chrome(Outcome::Remove { ticket, tab }) => {
                self.chrome.remove(ticket, tab, &mut self.chance);
                self.take_from_chrome();
            }
            Due::Chrome(Outcome::Dismissed { tab }) => {
                self.chrome.dismiss(tab, &mut self.chance);
                self.take_from_chrome();
            }
            Due::Chrome(Outcome::Resume { tab, work }) => {
                self.chrome.resume(tab, work, &mut self.chance);
                self.take_from_chrome();
            }
        }
    }

    /// The disk takes a write, unless it is full.
    fn land(&mut self, due: &Due) -> bool {
        let Due::Stored(_, set, remove) = due else {
            return false;
        };
        let ok = !std::mem::take(&mut self.disk_full);
        if ok {
            self.storage.extend(set.clone());
            self.storage.retain(|key, _| !remove.contains(key));
        }
        ok
    }

    /// One input, then the law of the core's driver, then what must always hold.
    pub(crate) fn tell(&mut self, input: Input) {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "it goes round in a circle");
        if let Input::Browser(BrowserEvent::TabReplaced { .. }) = &input {
            self.model = None;
        }
        self.extension.handle_input(input, self.now);
        self.perform_all();
    }

    fn perform_all(&mut self) {
        let traces = self.extension.take_trace();
        if let Some(model) = &mut self.model {
            for trace in &traces {
                assert_eq!(model.follow(trace), Ok(()), "{trace:?}");
            }
            for trace in &traces {
                if let Trace::Ended { session } = trace {
                    assert_eq!(model.check_ended(session), Ok(()));
                }
            }
            assert_eq!(model.check_bounds(), Ok(()));
        }
        while let Some(effect) = self.extension.poll_effect() {
            self.perform(effect);
        }
        self.take_from_chrome();
    }

    fn take_from_chrome(&mut self) {
        self.chrome.take_met();
        for (delay, outcome) in self.chrome.take_later() {
            self.at(delay, Due::Chrome(outcome));
        }
        self.chrome.acts.clear();
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Probe { port } => {
                let answer = match port {
                    MAD if !self.sane => ProbeAnswer::Interlock { daemon: false },
                    GOOD if self.good.is_some() => ProbeAnswer::Interlock { daemon: false },
                    _ => ProbeAnswer::Refused,
                };
                self.back(Input::Probed { port, answer });
            }
            Effect::Dial {
                socket, port: MAD, ..
            } if !self.sane => {
                self.mad.insert(socket, Peer::new(MAD));
                self.back(Input::SocketOpened { socket });
            }
            Effect::Dial {
                socket, port: GOOD, ..
            } if self.good.is_some() => {
                self.good_socket = Some(socket);
                let accepted = server_core::Input::Accepted {
                    conn: CONN,
                    address: "127.0.0.1".into(),
                    port: GOOD,
                    path: "/".into(),
                };
                self.later(Due::Server(Box::new(accepted)));
                self.back(Input::SocketOpened { socket });
            }
            Effect::Dial { socket, .. } => {
                self.back(Input::SocketClosed { socket, code: 1006 });
            }
            Effect::Send { socket, text } => self.carry(socket, text),
            Effect::Close { socket, code: _ } => {
                self.mad.remove(&socket);
            }
            Effect::Ask { request, call } => {
                self.last_ticket += 1;
                self.tickets.insert(self.last_ticket, request);
                self.chrome.ask(self.last_ticket, &call, &mut self.chance);
            }
            Effect::Write { write, set, remove } => {
                self.later(Due::Stored(write, set, remove));
            }
            Effect::ReadSecret => {
                let secret = Ok(secret());
                self.back(Input::SecretRead { secret });
            }
            Effect::Log { text } => self.log.push(text),
            Effect::Reply { .. }
            | Effect::Badge(_)
            | Effect::EnsureAlarm { .. }
            | Effect::KeepAwake
            | Effect::Show(_) => {}
        }
    }

    fn carry(&mut self, socket: SocketId, text: String) {
        if self.good_socket == Some(socket) {
            let frame = server_core::Input::Frame { conn: CONN, text };
            self.later(Due::Server(Box::new(frame)));
        } else if let Some(peer) = self.mad.get_mut(&socket)
            && let Some(text) = peer.hear(&text)
        {
            self.back(Input::SocketText { socket, text });
        }
    }

    /// The mad server says something on its newest socket.
    pub(crate) fn mad_says(&mut self, text: &str) {
        if let Some(socket) = self.mad.keys().next_back().copied() {
            let text = text.to_owned();
            self.tell(Input::SocketText { socket, text });
        }
    }

    /// The mad server's newest socket closes.
    pub(crate) fn mad_leaves(&mut self, code: u16) {
        if let Some((socket, _)) = self.mad.pop_last() {
            self.tell(Input::SocketClosed { socket, code });
        }
    }

    fn tell_server(&mut self, input: server_core::Input) {
        let Some(server) = &mut self.good else {
            return;
        };
        server.handle_input(input, self.now);
        let effects: Vec<_> = std::iter::from_fn(|| server.poll_effect()).collect();
        match server.poll_timeout() {
            Some((at, _)) => self.timers.set((), at),
            None => {
                self.timers.clear(&());
            }
        }
        for effect in effects {
            match effect {
                server_core::Effect::Send { conn: _, text } => {
                    if let Some(socket) = self.good_socket {
                        self.back(Input::SocketText { socket, text });
                    }
                }
                server_core::Effect::ReadSecret { conn } => {
                    let secret = Ok(secret());
                    let read = server_core::Input::Secret { conn, secret };
                    self.later(Due::Server(Box::new(read)));
                }
                server_core::Effect::Answer { call: _, answer } => self.answers.push(answer),
                server_core::Effect::Close { .. } => {
                    if let Some(socket) = self.good_socket.take() {
                        self.back(Input::SocketClosed { socket, code: 1001 });
                    }
                }
                server_core::Effect::Progress { .. }
                | server_core::Effect::SaveIdentity { .. }
                | server_core::Effect::MarkEnding { .. }
                | server_core::Effect::Admit { .. }
                | server_core::Effect::StopListening
                | server_core::Effect::Note(_)
                | server_core::Effect::Exit => {}
            }
        }
    }

    /// The nonsense is over: nobody lies any more, the mad server is gone, the person lets agents
    /// work.
    pub(crate) fn come_to_rest(&mut self) {
        self.lies.clear();
        self.disk_full = false;
        self.sane = true;
        while !self.mad.is_empty() {
            self.mad_leaves(1006);
        }
        let secret = Ok(secret());
        self.tell(Input::SecretRead { secret });
        self.tell(Input::Person {
            ask: extension_core::input::AskId(u64::MAX),
            action: extension_core::PersonAction::Resume,
        });
    }

    /// A good server starts, makes one call, and gets its result.
    pub(crate) fn serve_a_good_call(&mut self) {
        let identity = server_core::fresh_identity([3; 32]);
        let session = SessionKey::ONLY;
        self.good = Some(Server::new(
            server_core::Config::default(),
            [2; 32],
            self.now,
        ));
        self.tell_server(server_core::Input::Identity { session, identity });
        self.tell_server(server_core::Input::Listening { port: GOOD });
        let request = CallRequest {
            name: "browser_evaluate".into(),
            payload: json!({"function": "() => act(7)"}),
            tab: None,
            wait_ms: None,
            deadline_ms: None,
        };
        let call = CallId(1);
        self.tell_server(server_core::Input::Call {
            session,
            call,
            request,
        });
        self.run(self.now + SERVED_MAX, |world| !world.answers.is_empty());
        let answers = std::mem::take(&mut self.answers);
        let [answer] = &answers[..] else {
            panic!("a good call has {} answers", answers.len());
        };
        assert!(answer.outcome.is_ok(), "a good call fails: {answer:?}");
    }

    /// The good server ends, and everybody's time to come back passes: nothing of any session is
    /// left, in the core, in its store or at the debugger.
    pub(crate) fn leave_and_forget(&mut self) {
        self.tell_server(server_core::Input::End);
        self.pass(2 * protocol::limits::ORPHAN_GRACE);
        let census = self.extension.census();
        assert!(census.is_empty(), "left behind: {census:?}");
        if let Some(model) = &self.model {
            assert_eq!(model.unsettled(), [], "never settled");
        }
        let known = ["browser", "browserId", "ports", "paused"];
        let mut kept = self.storage.keys();
        let kept = kept.find(|key| is_ours(key) && !known.contains(&key.as_str()));
        assert_eq!(kept, None, "left in the store");
    }

    /// The tabs that Chrome has.
    pub(crate) fn newest_tab(&self) -> u32 {
        self.chrome.tabs.keys().next_back().map_or(0, |tab| tab.0)
    }
}

/// Whether an entity of the store has a name that the core gives.
pub(crate) fn is_ours(key: &str) -> bool {
    let kind = key.split('/').next().unwrap_or_default();
    [
        "session",
        "seat",
        "tab",
        "call",
        "making",
        "browser",
        "browserId",
        "ports",
        "paused",
    ]
    .contains(&kind)
}

fn wake(
    chance: &mut Chance,
    storage: &BTreeMap<String, Value>,
    chrome: &Chrome,
    now: Instant,
) -> Extension {
    let boot = Boot {
        seed: chance.seed(),
        extension_id: protocol::EXTENSION_ID.into(),
        secret: Ok(secret()),
        config: Config {
            ports: PortRange {
                first: MAD,
                last: GOOD,
            },
            ..Config::default()
        },
        stored: storage.clone(),
        tabs: chrome.all(),
        groups: SortedMap::new(),
        attached: chrome.debugged(),
        unpacked: true,
    };
    let mut extension = Extension::new(boot, now);
    extension.set_tracing(true);
    extension
}
