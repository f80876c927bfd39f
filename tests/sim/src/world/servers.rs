//! Servers and their agents: their starts and ends, what they are told, what they ask.

use super::Node;
use super::{Due, FRAME_MAX, World, opening, secret};
use crate::network::Pipe;
use extension_core::Input;
use extension_core::input::SocketId;
use protocol::frame::{Frame, Limits, Outcome, SessionOpened};
use protocol::{ErrorCode, Instant, TabId};
use server_core::{Config, ConnId, Note, Server, SessionKey};
use std::time::Duration;

impl World {
    pub(super) fn start_server(&mut self, server: usize) -> Result<(), String> {
        let taken: Vec<u16> = self
            .nodes
            .iter()
            .filter(|node| node.core.is_some())
            .map(|node| node.port)
            .chain(self.strangers.keys().copied())
            .chain(self.visitor.port())
            .collect();
        let Some(port) = self.plan.range.ports().find(|port| !taken.contains(port)) else {
            return Ok(());
        };
        let (seed, fresh) = (self.chance.seed(), self.chance.seed());
        let config = Config {
            range: self.plan.range,
            label: Some(format!("agent {server}")),
            limits: Limits {
                frame_max: FRAME_MAX,
            },
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
        if let Some(until) = self.stopped_until(server) {
            let due = Due::Server {
                server,
                life: self.nodes.get(server).map_or(0, |node| node.life),
                said_in: self.life,
                input: Box::new(input),
            };
            self.at(until, due);
            return Ok(());
        }
        let opened = opening(&input);
        if let Some(opened) = &opened {
            // What time alone does is done first, and knows nothing of it.
            self.tell_server(server, server_core::Input::Tick)?;
            self.let_tell_lost(opened);
        }
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        let Some(core) = &mut node.core else {
            return Ok(());
        };
        let life = node.life;
        core.handle_input(input, now);
        let effects: Vec<_> = std::iter::from_fn(|| core.poll_effect()).collect();
        let is_open = |effect: &server_core::Effect| {
            matches!(
                effect,
                server_core::Effect::Note(Note::SessionOpened { .. })
            )
        };
        if let Some(opened) = opened.filter(|_| effects.iter().any(is_open)) {
            node.agent.handle_opened(&opened);
        }
        match core.poll_timeout() {
            Some((at, _)) => self.timers.set(server, at),
            None => {
                self.timers.clear(&server);
            }
        }
        self.count_step();
        for effect in effects {
            let lives = |node: &Node| node.core.is_some() && node.life == life;
            if !self.nodes.get(server).is_some_and(lives) {
                // What it would have done next died with it.
                break;
            }
            let step = self.step_of_server(&effect);
            self.perform_for_server(server, effect)?;
            self.take_step(step, Some(server))?;
        }
        Ok(())
    }

    /// Of a session that is new, or told to be so once more, a server tells all that it knew as lost:
    /// also what the person closed or took back, since nothing that was asked since has been heard.
    fn let_tell_lost(&mut self, opened: &SessionOpened) {
        let session = &opened.session_id;
        if let (Outcome::New, Some(held)) = (opened.outcome, self.held.get(session)) {
            let is_here = |tab: &TabId| {
                let called = self.chrome.called_now(*tab);
                let owns = self.model.owner(*tab) == Some(session);
                owns && self.chrome.tabs.contains_key(&called)
            };
            let left = held.iter().copied().filter(|tab| !is_here(tab));
            let promised = self.promised.entry(session.clone()).or_default();
            promised.extend(left);
        }
    }

    /// When a process that is stopped goes on.
    pub(super) fn stopped_until(&self, server: usize) -> Option<Instant> {
        let node = self.nodes.get(server)?;
        Some(node.stopped_until).filter(|until| *until > self.now)
    }

    fn perform_for_server(
        &mut self,
        server: usize,
        effect: server_core::Effect,
    ) -> Result<(), String> {
        let life = self.nodes.get(server).map_or(0, |node| node.life);
        match effect {
            server_core::Effect::Send { conn, text } => {
                self.note_act(&text);
                if let Some(socket) = self.socket(server, life, conn) {
                    let mut texts = self.mangle(text, "fault: garbage frame to the extension");
                    let again = texts.last().and_then(|text| self.plant_in_command(text));
                    let forged = texts.last().cloned();
                    let forged = forged.and_then(|text| self.forge(server, &text));
                    texts.extend(again);
                    for text in texts {
                        self.arrive_at_extension(socket, Input::SocketText { socket, text });
                    }
                    if let Some((name, text)) = forged {
                        let socket = self.plant_in_name(socket, &name);
                        self.arrive_at_extension(socket, Input::SocketText { socket, text });
                    }
                }
            }
            server_core::Effect::Close { conn, code } => {
                if let Some(socket) = self.socket(server, life, conn) {
                    self.arrive_at_extension(socket, Input::SocketClosed { socket, code });
                    self.forget_pipe(socket);
                }
            }
            server_core::Effect::ReadSecret { conn } => {
                let secret = Ok(secret(self.secret));
                let input = Box::new(server_core::Input::Secret { conn, secret });
                self.later(
                    Duration::from_millis(1),
                    Due::Server {
                        server,
                        life,
                        said_in: self.life,
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
                if let Err(error) = &answer.outcome
                    && error.code == ErrorCode::LimitReached
                {
                    self.report.count(format!("bound: {}", error.message));
                }
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

    /// By which command a script is sent.
    fn note_act(&mut self, text: &str) {
        let number = text.split_once("act(").map(|(_, rest)| rest);
        let number = number.and_then(|rest| rest.split(')').next()?.parse().ok());
        if let Some(number) = number
            && let Ok(Frame::Command(command)) = Frame::parse(text, protocol::limits::FRAME_MAX)
        {
            self.wires.insert(number, command.wire_id);
        }
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
        let stored = self.stored_losses();
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        node.core = None;
        node.stopped_until = self.now;
        node.agent.open.clear();
        node.agent.forget_tabs();
        if let Some(own) = &node.identity {
            // Who could be told is no more.
            let mut untold = self.untold.remove(&own.session_id).unwrap_or_default();
            // … but the next may be.
            untold.extend(stored.get(&own.session_id).into_iter().flatten());
            // An answer that told of one may be stored only now, since a full disk refused it.
            untold.extend(self.told.remove(&own.session_id).unwrap_or_default());
            let parted = self.parted.entry(own.session_id.clone()).or_default();
            parted.extend(untold);
        }
        node.agent.moves = false;
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
        let others: Vec<TabId> = self.chrome.tabs.keys().copied().collect();
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
        if self.chance.hits(self.plan.faults.flood) {
            self.report.count("agent: asks too much at once");
            return self.flood(&[server], None);
        }
        let moves = self.nodes.get(server).is_some_and(|node| node.agent.moves);
        let browser = if moves {
            self.view().browser
        } else {
            String::new()
        };
        let Some(node) = self.nodes.get_mut(server) else {
            return Ok(());
        };
        let Node {
            agent, identity, ..
        } = node;
        let Some(request) = agent.ask(call, act, &others, &browser, &mut self.chance) else {
            return Ok(());
        };
        if let Some(own) = identity {
            self.askers.insert(act, own.session_id.clone());
        }
        self.report.count(format!("asked: {}", request.name));
        let input = server_core::Input::Call {
            session: SessionKey::ONLY,
            call: server_core::CallId(call),
            request,
        };
        self.tell_server(server, input)
    }
}
