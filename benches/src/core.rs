//! The two cores alone, without a browser or a socket: how many calls a second they carry for one,
//! a hundred and a thousand sessions that all call, and what a session costs.
//!
//! Real server cores and a real extension core pass real frames to each other in one process; the
//! browser is the simulated one. Every session has one call open at any time.

use crate::Scale;
use crate::figures::Table;
use crate::machine;
use anyhow::{Context, Result, bail};
use extension_core::input::{ProbeAnswer, RequestId, SocketId};
use extension_core::{Boot, Effect, Extension, Input};
use protocol::pairing::Secret;
use protocol::ports::PortRange;
use protocol::{Deadlines, Instant, SortedMap};
use serde_json::json;
use server_core::{CallId, CallRequest, ConnId, Server, SessionKey};
use sim::chance::Chance;
use sim::chrome::{Chrome, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;

const SESSIONS: [usize; 3] = [1, 100, 1_000];
const SECRET: [u8; 32] = [42; 32];
const FIRST_PORT: u16 = 20_000;
/// A hop on loopback, a write to the disk: the simulated time hardly matters, only the steps do.
const HOP: Duration = Duration::from_millis(1);
/// The one connection of each server.
const CONN: ConnId = ConnId(1);

pub(crate) fn measure(scale: Scale) -> Result<Table> {
    let mut table = Table::new(
        "The cores alone, native, every session with one call open",
        &[
            "sessions",
            "calls a second",
            "time in the cores a call",
            "memory a session",
        ],
    );
    for sessions in SESSIONS {
        let calls = (scale.wear * 10).max(sessions);
        let before = machine::own_rss_kib()?;
        let mut load = Load::new(sessions);
        load.run_until(|load| load.answered >= load.servers.len())
            .context("until every session has a tab")?;
        let (so_far, started) = (load.answered, std::time::Instant::now());
        load.run_until(|load| load.answered >= so_far + calls)
            .context("under load")?;
        let took = started.elapsed();
        let kib = machine::own_rss_kib()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "a rate, to three digits")]
        let rate = calls as f64 / took.as_secs_f64();
        table.row([
            sessions.to_string(),
            format!("{rate:.0}"),
            format!("{:.0} µs", 1e6 / rate),
            format!("{} KB", kib / sessions as u64),
        ]);
    }
    table.note(
        "A call is one `browser_evaluate`: decoded, queued, given its turn, written as begun, run in \
         the simulated page, answered, its turn ended; on one core, the simulated browser included. \
         Memory is of both cores, their frames and the simulated tab.",
    );
    Ok(table)
}

/// Something under way.
enum Due {
    Extension(Box<Input>),
    Chrome(Outcome),
    Server(usize, Box<server_core::Input>),
}

struct Load {
    now: Instant,
    order: u64,
    agenda: BTreeMap<(Instant, u64), Due>,
    timers: Deadlines<usize>,
    chance: Chance,
    chrome: Chrome,
    extension: Extension,
    tickets: BTreeMap<u64, RequestId>,
    last_ticket: u64,
    servers: Vec<Server>,
    sockets: BTreeMap<usize, SocketId>,
    calls: u64,
    answered: usize,
}

impl Load {
    fn new(sessions: usize) -> Self {
        let mut chance = Chance::new(1);
        let now = Instant(1_000);
        let last = FIRST_PORT + u16::try_from(sessions).unwrap_or(u16::MAX) - 1;
        let range = PortRange {
            first: FIRST_PORT,
            last,
        };
        let chrome = Chrome::new();
        let boot = Boot {
            seed: chance.seed(),
            extension_id: protocol::EXTENSION_ID.into(),
            secret: Ok(Secret::new(SECRET)),
            config: extension_core::Config {
                ports: range,
                ..extension_core::Config::default()
            },
            stored: BTreeMap::new(),
            tabs: chrome.all(),
            groups: SortedMap::new(),
            attached: chrome.debugged(),
            unpacked: true,
        };
        let config = |number| server_core::Config {
            range,
            label: Some(format!("agent {number}")),
            ..server_core::Config::default()
        };
        let servers = (0..sessions)
            .map(|number| Server::new(config(number), chance.seed(), now))
            .collect();
        let mut load = Self {
            now,
            order: 0,
            agenda: BTreeMap::new(),
            timers: Deadlines::default(),
            extension: Extension::new(boot, now),
            chrome,
            tickets: BTreeMap::new(),
            last_ticket: 0,
            servers,
            sockets: BTreeMap::new(),
            calls: 0,
            answered: 0,
            chance,
        };
        for (server, port) in (0..sessions).zip(range.ports()) {
            let identity = server_core::fresh_identity(load.chance.seed());
            let session = SessionKey::ONLY;
            load.tell_server(server, server_core::Input::Identity { session, identity });
            load.tell_server(server, server_core::Input::Listening { port });
            load.call(server);
        }
        load.perform_all();
        load
    }

    /// Plays on until `done` says so. Simulated time alone decides what comes next.
    fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> Result<()> {
        while !done(self) {
            let agenda = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let extension = self.extension.poll_timeout().map(|(at, _)| at);
            let next = [agenda, extension, self.timers.next()];
            let Some(next) = next.into_iter().flatten().min() else {
                bail!("nothing left to do");
            };
            self.now = self.now.max(next);
            if agenda.is_some_and(|at| at <= self.now) {
                if let Some((_, due)) = self.agenda.pop_first() {
                    self.handle(due);
                }
            } else if extension.is_some_and(|at| at <= self.now) {
                self.tell_extension(Input::Tick);
            } else if let Some(server) = self.timers.pop_due(self.now) {
                self.tell_server(server, server_core::Input::Tick);
            }
        }
        Ok(())
    }

    fn later(&mut self, delay: Duration, due: Due) {
        self.order += 1;
        self.agenda.insert((self.now + delay, self.order), due);
    }

    fn handle(&mut self, due: Due) {
        match due {
            Due::Extension(input) => self.tell_extension(*input),
            Due::Server(server, input) => self.tell_server(server, *input),
            Due::Chrome(Outcome::Done { ticket, outcome }) => {
                if let Some(request) = self.tickets.remove(&ticket) {
                    self.tell_extension(Input::Done { request, outcome });
                }
            }
            Due::Chrome(Outcome::Event(event)) => self.tell_extension(Input::Browser(event)),
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

    fn tell_extension(&mut self, input: Input) {
        self.extension.handle_input(input, self.now);
        self.perform_all();
    }

    fn perform_all(&mut self) {
        while let Some(effect) = self.extension.poll_effect() {
            self.perform(effect);
        }
        self.take_from_chrome();
    }

    fn take_from_chrome(&mut self) {
        self.chrome.take_met();
        for (delay, outcome) in self.chrome.take_later() {
            self.later(delay, Due::Chrome(outcome));
        }
        self.chrome.acts.clear();
    }

    fn server_at(&self, port: u16) -> Option<usize> {
        let number = usize::from(port.checked_sub(FIRST_PORT)?);
        (number < self.servers.len()).then_some(number)
    }

    fn perform(&mut self, effect: Effect) {
        let back = |input| Due::Extension(Box::new(input));
        match effect {
            Effect::Probe { port } => {
                let answer = match self.server_at(port) {
                    Some(_) => ProbeAnswer::Interlock { daemon: false },
                    None => ProbeAnswer::Refused,
                };
                self.later(HOP, back(Input::Probed { port, answer }));
            }
            Effect::Dial { socket, port, .. } => {
                let Some(server) = self.server_at(port) else {
                    let closed = Input::SocketClosed { socket, code: 1006 };
                    return self.later(HOP, back(closed));
                };
                self.sockets.insert(server, socket);
                let accepted = server_core::Input::Accepted {
                    conn: CONN,
                    address: "127.0.0.1".into(),
                    port,
                    path: "/".into(),
                };
                self.later(HOP, Due::Server(server, Box::new(accepted)));
                self.later(HOP, back(Input::SocketOpened { socket }));
            }
            Effect::Send { socket, text } => {
                let server = self.sockets.iter().find(|(_, own)| **own == socket);
                if let Some(server) = server.map(|(server, _)| *server) {
                    let frame = server_core::Input::Frame { conn: CONN, text };
                    self.later(HOP, Due::Server(server, Box::new(frame)));
                }
            }
            Effect::Ask { request, call } => {
                self.last_ticket += 1;
                self.tickets.insert(self.last_ticket, request);
                self.chrome.ask(self.last_ticket, &call, &mut self.chance);
            }
            Effect::Write { write, .. } => {
                self.later(HOP, back(Input::Written { write, ok: true }));
            }
            Effect::Close { .. }
            | Effect::ReadSecret
            | Effect::Reply { .. }
            | Effect::Badge(_)
            | Effect::EnsureAlarm { .. }
            | Effect::KeepAwake
            | Effect::Show(_)
            | Effect::Log { .. } => {}
        }
    }

    fn tell_server(&mut self, number: usize, input: server_core::Input) {
        let Some(server) = self.servers.get_mut(number) else {
            return;
        };
        server.handle_input(input, self.now);
        let effects: Vec<_> = std::iter::from_fn(|| server.poll_effect()).collect();
        match server.poll_timeout() {
            Some((at, _)) => self.timers.set(number, at),
            None => {
                self.timers.clear(&number);
            }
        }
        for effect in effects {
            self.perform_for_server(number, effect);
        }
    }

    fn perform_for_server(&mut self, server: usize, effect: server_core::Effect) {
        match effect {
            server_core::Effect::Send { conn: _, text } => {
                if let Some(socket) = self.sockets.get(&server).copied() {
                    let frame = Input::SocketText { socket, text };
                    self.later(HOP, Due::Extension(Box::new(frame)));
                }
            }
            server_core::Effect::ReadSecret { conn } => {
                let secret = Ok(Secret::new(SECRET));
                let read = server_core::Input::Secret { conn, secret };
                self.later(HOP, Due::Server(server, Box::new(read)));
            }
            server_core::Effect::Answer { answer, .. } => {
                assert!(answer.outcome.is_ok(), "a call failed: {answer:?}");
                self.answered += 1;
                self.call(server);
            }
            server_core::Effect::Progress { .. }
            | server_core::Effect::SaveIdentity { .. }
            | server_core::Effect::MarkEnding { .. }
            | server_core::Effect::Close { .. }
            | server_core::Effect::Admit { .. }
            | server_core::Effect::StopListening
            | server_core::Effect::Note(_)
            | server_core::Effect::Exit => {}
        }
    }

    fn call(&mut self, server: usize) {
        self.calls += 1;
        let request = CallRequest {
            name: "browser_evaluate".into(),
            payload: json!({"function": "() => act(1)"}),
            tab: None,
            wait_ms: None,
            deadline_ms: None,
        };
        let call = server_core::Input::Call {
            session: SessionKey::ONLY,
            call: CallId(self.calls),
            request,
        };
        self.later(Duration::ZERO, Due::Server(server, Box::new(call)));
    }
}
