//! What the cores ask of the world, and how it travels.

use super::{Due, Node, SECRET, World};
use crate::chrome::Outcome;
use crate::network::{GARBAGE, Pipe};
use extension_core::extension::Trace;
use extension_core::input::{ProbeAnswer, SocketId};
use extension_core::tabs::TabEvent;
use extension_core::{Effect, Input};
use protocol::Instant;
use protocol::frame::Frame;
use protocol::pairing::Secret;
use serde_json::Value;
use server_core::{Config, ConnId, Server, SessionKey};
use std::time::Duration;

impl World {
    pub(super) fn perform(&mut self, effect: Effect) -> Result<(), String> {
        let life = self.life;
        match effect {
            Effect::Probe { port } => {
                let answer = self.probe(port);
                let wait = if answer == ProbeAnswer::Silent {
                    500
                } else {
                    1 + self.chance.below(5)
                };
                self.tell_later(wait, Input::Probed { port, answer });
            }
            Effect::Dial { socket, port } => self.dial(socket, port),
            Effect::Send { socket, text } => self.carry_to_server(socket, text)?,
            Effect::Close { socket, code } => self.close_by_extension(socket, code),
            Effect::Ask { request, call } => {
                self.last_ticket += 1;
                self.tickets.insert(self.last_ticket, (life, request));
                self.chrome.ask(self.last_ticket, &call, &mut self.chance);
            }
            Effect::Write { write, set, remove } => {
                let delay = Duration::from_millis(1 + self.chance.below(6));
                self.later(
                    delay,
                    Due::Stored {
                        life,
                        write,
                        set,
                        remove,
                    },
                );
            }
            Effect::ReadSecret => {
                self.tell_later(
                    2,
                    Input::SecretRead {
                        secret: Some(Secret::new(SECRET)),
                    },
                );
            }
            Effect::Reply { ask: _, outcome } => {
                let what = if outcome.is_ok() {
                    "person: answered"
                } else {
                    "person: refused"
                };
                self.report.count(what);
            }
            Effect::Badge(badge) => {
                if badge.text.chars().count() > 4 {
                    return Err(format!("the badge says {}", badge.text));
                }
            }
            Effect::EnsureAlarm { .. }
            | Effect::KeepAwake
            | Effect::Show(_)
            | Effect::Log { .. } => {}
        }
        Ok(())
    }

    fn tell_later(&mut self, millis: u64, input: Input) {
        let due = Due::Extension {
            life: self.life,
            input: Box::new(input),
        };
        self.later(Duration::from_millis(millis), due);
    }

    pub(super) fn handle_chrome(&mut self, outcome: Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Done { ticket, outcome } => match self.tickets.remove(&ticket) {
                Some((life, request)) if life == self.life => {
                    self.tell_extension(Input::Done { request, outcome })
                }
                Some(_) | None => Ok(()),
            },
            Outcome::Event(event) => self.tell_extension(Input::Browser(event)),
            Outcome::Resume { tab, work } => {
                self.chrome.resume(tab, work, &mut self.chance);
                self.take_from_chrome();
                self.check_acts()
            }
        }
    }

    fn probe(&self, port: u16) -> ProbeAnswer {
        if self.listener(port).is_some() {
            return ProbeAnswer::Interlock { daemon: false };
        }
        self.strangers
            .get(&port)
            .copied()
            .unwrap_or(ProbeAnswer::Refused)
    }

    fn listener(&self, port: u16) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.core.is_some() && node.port == port)
    }

    fn dial(&mut self, socket: SocketId, port: u16) {
        let Some(server) = self.listener(port) else {
            // A stranger that accepts and says nothing is closed by the core's own deadline.
            if self.strangers.get(&port) != Some(&ProbeAnswer::Silent) {
                self.tell_later(2, Input::SocketClosed { socket, code: 1006 });
            }
            return;
        };
        let Some(node) = self.nodes.get_mut(server) else {
            return;
        };
        node.conns += 1;
        let conn = ConnId(node.conns);
        let life = node.life;
        let pipe = Pipe {
            server,
            server_life: life,
            conn,
            half_open: false,
            to_server: self.now,
            to_extension: self.now,
        };
        self.pipes.insert(socket, pipe);
        self.report.count("network: dialled");
        let accepted = server_core::Input::Accepted {
            conn,
            address: "127.0.0.1".into(),
            port,
            path: "/".into(),
        };
        self.arrive_at_server(socket, accepted);
        self.arrive_at_extension(socket, Input::SocketOpened { socket });
    }

    fn carry_to_server(&mut self, socket: SocketId, text: String) -> Result<(), String> {
        let Some(pipe) = self.pipes.get(&socket) else {
            return Ok(());
        };
        let (conn, server) = (pipe.conn, pipe.server);
        self.check_addressee(server, &text)?;
        for text in self.mangle(text) {
            self.arrive_at_server(socket, server_core::Input::Frame { conn, text });
        }
        Ok(())
    }

    /// What leaves on a socket concerns only the session that this socket carries (invariant 4).
    fn check_addressee(&mut self, server: usize, text: &str) -> Result<(), String> {
        let Ok(Frame::Response(envelope) | Frame::Event(envelope)) =
            Frame::parse(text, protocol::limits::FRAME_MAX)
        else {
            return Ok(());
        };
        let own = self
            .nodes
            .get(server)
            .and_then(|node| node.identity.as_ref());
        if own.is_none_or(|own| own.session_id != envelope.session_id) {
            return Err(format!(
                "invariant 4: an answer to {} goes to another",
                envelope.session_id
            ));
        }
        Ok(())
    }

    /// The text, and what a fault makes of it.
    fn mangle(&mut self, text: String) -> Vec<String> {
        let faults = if self.storm {
            self.plan.faults
        } else {
            crate::plan::Faults::default()
        };
        let mut texts = vec![text];
        if self.chance.hits(faults.double_frame) {
            self.report.count("fault: doubled frame");
            texts.push(texts[0].clone());
        }
        if self.chance.hits(faults.garbage) {
            self.report.count("fault: garbage frame");
            let garbage = self.chance.pick(GARBAGE).copied().unwrap_or_default();
            texts.insert(0, garbage.to_owned());
        }
        texts
    }

    fn travel(&mut self, last: Instant) -> Instant {
        let reorder = if self.storm {
            self.plan.faults.reorder_frame
        } else {
            0
        };
        let at = self.now + Duration::from_millis(self.chance.below(4));
        if self.chance.hits(reorder) {
            self.report.count("fault: reordered frame");
            return at + Duration::from_millis(20);
        }
        at.max(last)
    }

    fn arrive_at_server(&mut self, socket: SocketId, input: server_core::Input) {
        let Some(pipe) = self.pipes.get(&socket) else {
            return;
        };
        if pipe.half_open {
            return;
        }
        let (server, life, last) = (pipe.server, pipe.server_life, pipe.to_server);
        let at = self.travel(last);
        if let Some(pipe) = self.pipes.get_mut(&socket) {
            pipe.to_server = pipe.to_server.max(at);
        }
        self.at(
            at,
            Due::Server {
                server,
                life,
                input: Box::new(input),
            },
        );
    }

    fn arrive_at_extension(&mut self, socket: SocketId, input: Input) {
        let Some(pipe) = self.pipes.get(&socket) else {
            return;
        };
        if pipe.half_open {
            return;
        }
        let last = pipe.to_extension;
        let at = self.travel(last);
        if let Some(pipe) = self.pipes.get_mut(&socket) {
            pipe.to_extension = pipe.to_extension.max(at);
        }
        self.at(
            at,
            Due::Extension {
                life: self.life,
                input: Box::new(input),
            },
        );
    }

    fn close_by_extension(&mut self, socket: SocketId, code: u16) {
        if let Some(pipe) = self.pipes.get(&socket) {
            let conn = pipe.conn;
            self.arrive_at_server(socket, server_core::Input::Closed { conn, code });
        }
        self.pipes.remove(&socket);
    }

    /// A connection is lost: both sides hear of it, each in its own time.
    pub(super) fn lose(&mut self, socket: SocketId) {
        if let Some(pipe) = self.pipes.get(&socket) {
            let conn = pipe.conn;
            let code = 1006;
            self.arrive_at_server(socket, server_core::Input::Closed { conn, code });
            self.arrive_at_extension(socket, Input::SocketClosed { socket, code });
            self.pipes.remove(&socket);
        }
    }

    pub(super) fn start_server(&mut self, server: usize) -> Result<(), String> {
        let taken: Vec<u16> = self
            .nodes
            .iter()
            .filter(|node| node.core.is_some())
            .map(|node| node.port)
            .chain(self.strangers.keys().copied())
            .collect();
        let Some(port) = self.plan.range.ports().find(|port| !taken.contains(port)) else {
            return Ok(());
        };
        let (seed, fresh) = (self.chance.seed(), self.chance.seed());
        let config = Config {
            range: self.plan.range,
            label: Some(format!("agent {server}")),
            ..Config::default()
        };
        let now = self.now;
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        if node.core.is_some() {
            return Ok(());
        }
        let identity = node
            .identity
            .get_or_insert_with(|| server_core::fresh_identity(fresh))
            .clone();
        node.life += 1;
        node.port = port;
        node.up_since = now;
        node.core = Some(Server::new(config, seed, now));
        self.report.count("server: started");
        let session = SessionKey::ONLY;
        self.tell_server(server, server_core::Input::Identity { session, identity })?;
        self.tell_server(server, server_core::Input::Listening { port })?;
        self.tell_siblings()
    }

    pub(super) fn tell_siblings(&mut self) -> Result<(), String> {
        let ports: Vec<u16> = self
            .nodes
            .iter()
            .filter(|node| node.core.is_some())
            .map(|node| node.port)
            .collect();
        for server in 0..self.nodes.len() {
            let own = self.nodes.get(server).map_or(0, |node| node.port);
            let others = ports.iter().copied().filter(|port| *port != own).collect();
            self.tell_server(server, server_core::Input::Siblings { ports: others })?;
        }
        Ok(())
    }

    pub(super) fn tell_server(
        &mut self,
        server: usize,
        input: server_core::Input,
    ) -> Result<(), String> {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        let Some(core) = &mut node.core else {
            return Ok(());
        };
        core.handle_input(input, now);
        let effects: Vec<_> = std::iter::from_fn(|| core.poll_effect()).collect();
        match core.poll_timeout() {
            Some((at, _)) => self.timers.set(server, at),
            None => {
                self.timers.clear(&server);
            }
        }
        for effect in effects {
            self.perform_for_server(server, effect)?;
        }
        Ok(())
    }

    fn perform_for_server(
        &mut self,
        server: usize,
        effect: server_core::Effect,
    ) -> Result<(), String> {
        let life = self.nodes.get(server).map_or(0, |node| node.life);
        match effect {
            server_core::Effect::Send { conn, text } => {
                if let Some(socket) = self.socket(server, life, conn) {
                    for text in self.mangle(text) {
                        self.arrive_at_extension(socket, Input::SocketText { socket, text });
                    }
                }
            }
            server_core::Effect::Close { conn, code } => {
                if let Some(socket) = self.socket(server, life, conn) {
                    self.arrive_at_extension(socket, Input::SocketClosed { socket, code });
                    self.pipes.remove(&socket);
                }
            }
            server_core::Effect::ReadSecret { conn } => {
                let secret = Some(Secret::new(SECRET));
                let input = Box::new(server_core::Input::Secret { conn, secret });
                self.later(
                    Duration::from_millis(1),
                    Due::Server {
                        server,
                        life,
                        input,
                    },
                );
            }
            server_core::Effect::Answer { call, answer } => {
                let code = answer
                    .outcome
                    .as_ref()
                    .err()
                    .map_or("ok", |error| error.code.as_str());
                self.report.count(format!("answer: {code}"));
                self.check_answer(server, call.0, &answer)?;
            }
            server_core::Effect::Progress { .. } => self.report.count("answer: progress"),
            server_core::Effect::SaveIdentity {
                session: _,
                identity,
            } => {
                if let Some(node) = self.nodes.get_mut(server) {
                    node.identity = Some(identity);
                }
            }
            server_core::Effect::MarkEnding { .. }
            | server_core::Effect::StopListening
            | server_core::Effect::Note(_)
            | server_core::Effect::Admit { .. } => {}
            server_core::Effect::Exit => self.stop_server(server)?,
        }
        Ok(())
    }

    fn socket(&self, server: usize, life: u64, conn: ConnId) -> Option<SocketId> {
        let is_it =
            |pipe: &Pipe| pipe.server == server && pipe.server_life == life && pipe.conn == conn;
        self.pipes
            .iter()
            .find(|(_, pipe)| is_it(pipe))
            .map(|(socket, _)| *socket)
    }

    /// A server is gone, whoever ended it: its sockets close, its agent starts anew.
    pub(super) fn stop_server(&mut self, server: usize) -> Result<(), String> {
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        node.core = None;
        node.agent.open.clear();
        self.timers.clear(&server);
        let mine = |pipe: &Pipe| pipe.server == server;
        let sockets: Vec<SocketId> = self
            .pipes
            .iter()
            .filter(|(_, pipe)| mine(pipe))
            .map(|(socket, _)| *socket)
            .collect();
        for socket in sockets {
            self.lose(socket);
        }
        self.tell_siblings()
    }

    pub(super) fn step_agent(&mut self, server: usize) -> Result<(), String> {
        if !self.storm {
            return Ok(());
        }
        let pause = Duration::from_millis(50 + self.chance.below(900));
        self.later(pause, Due::Agent { server });
        let others: Vec<protocol::TabId> = self.chrome.tabs.keys().copied().collect();
        self.act += 1;
        let act = self.act;
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        if node.core.is_none() {
            return Ok(());
        }
        node.calls += 1;
        let call = (server as u64) << 40 | node.calls;
        if self.chance.hits(80)
            && let Some(open) = node.agent.open.keys().next().copied()
        {
            self.report.count("agent: cancelled");
            return self.tell_server(
                server,
                server_core::Input::Cancel {
                    call: server_core::CallId(open),
                },
            );
        }
        let Node { agent, .. } = node;
        let Some(request) = agent.ask(call, act, &others, &mut self.chance) else {
            return Ok(());
        };
        self.report.count(format!("asked: {}", request.name));
        let input = server_core::Input::Call {
            session: SessionKey::ONLY,
            call: server_core::CallId(call),
            request,
        };
        self.tell_server(server, input)
    }

    pub(super) fn note(&mut self, trace: &Trace) {
        let what = match trace {
            Trace::Call { .. } => "core: call",
            Trace::Tab(TabEvent::Begin { .. }) => "core: turn begun",
            Trace::Tab(TabEvent::Stop { .. }) => "core: turn stopped",
            Trace::Tab(TabEvent::Refuse { .. }) => "core: refused",
            Trace::Tab(TabEvent::Make { .. }) => "core: tab made",
            Trace::Tab(TabEvent::Progress { .. }) => "core: claim waits",
            Trace::Tab(TabEvent::Clear { .. }) => "core: tab cleared",
            Trace::Tab(TabEvent::Mend { .. }) => "core: tab mended",
            Trace::Tab(TabEvent::Close { .. }) => "core: tab closed",
            Trace::Tab(TabEvent::OwnerChanged { .. }) => "core: owner changed",
            Trace::Tab(TabEvent::Finished { .. }) => "core: tabs command",
            Trace::Tab(TabEvent::Show { .. }) => "core: shown",
            Trace::Tab(TabEvent::Dropped { .. }) | Trace::Dropped { .. } => "core: dropped",
            Trace::TurnEnded { .. } => "core: turn ended",
            Trace::Answered { .. } => "core: answered",
            Trace::Given { .. } => "core: given",
            Trace::Ended { .. } => "core: session ended",
        };
        self.report.count(what);
    }

    /// For questions of a person.
    pub(super) fn ask_as_person(
        &mut self,
        action: extension_core::PersonAction,
    ) -> Result<(), String> {
        self.asks += 1;
        let ask = extension_core::input::AskId(self.asks);
        self.tell_extension(Input::Person { ask, action })
    }

    pub(super) fn stored(&self) -> &std::collections::BTreeMap<String, Value> {
        &self.storage
    }
}
