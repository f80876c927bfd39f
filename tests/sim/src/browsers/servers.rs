//! Servers and their agents: what they are told, what they say, what they ask.

use super::{Browsers, Due, Plant, RANGE, SIDES};
use protocol::frame::{Frame, Outcome};
use serde_json::json;
use server_core::{
    CallId, CallRequest, Config, ConnId, Effect, Input, Note, Server, SessionKey, fresh_identity,
};
use std::time::Duration;

impl Browsers {
    pub(super) fn start_server(&mut self, server: usize) -> Result<(), String> {
        if self.nodes[server].core.is_some() {
            return Ok(());
        }
        let up = self.nodes.iter().filter(|node| node.core.is_some());
        let taken: Vec<u16> = up.map(|node| node.port).collect();
        let Some(port) = RANGE.ports().find(|port| !taken.contains(port)) else {
            return Ok(());
        };
        let (seed, fresh) = (self.chance.seed(), self.chance.seed());
        let config = Config {
            range: RANGE,
            label: Some(format!("agent {server}")),
            ..Config::default()
        };
        let node = &mut self.nodes[server];
        let mut identity = node
            .identity
            .get_or_insert_with(|| fresh_identity(fresh))
            .clone();
        if self.plant == Some(Plant::BindingForgotten) && identity.browser.take().is_some() {
            self.struck += 1;
        }
        node.life += 1;
        node.port = port;
        node.core = Some(Server::new(config, seed, self.now));
        let session = SessionKey::ONLY;
        self.tell_server(server, Input::Identity { session, identity })?;
        self.tell_server(server, Input::Listening { port })
    }

    /// A server is gone, whoever ended it.
    pub(super) fn stop_server(&mut self, server: usize) {
        let node = &mut self.nodes[server];
        node.core = None;
        node.agent.open.clear();
        node.agent.forget_tabs();
        node.agent.moves = false;
        node.proven.clear();
        node.opened.clear();
        self.timers.clear(&server);
        self.lose_server(server);
    }

    /// One input to a server, then what it does.
    pub(super) fn tell_server(&mut self, server: usize, input: Input) -> Result<(), String> {
        let opened = if let Input::Frame { conn, text } = &input
            && text.contains("\"sessionOpened\"")
            && let Some(Frame::SessionOpened(opened)) = Self::read(text)
        {
            Some((*conn, opened))
        } else {
            None
        };
        let closed = if let Input::Closed { conn, .. } = &input {
            Some(*conn)
        } else {
            None
        };
        if opened.is_some() {
            // What time alone does is done first, and knows nothing of it.
            self.tell_server(server, Input::Tick)?;
        }
        let node = &mut self.nodes[server];
        let Some(core) = &mut node.core else {
            return Ok(());
        };
        let life = node.life;
        core.handle_input(input, self.now);
        let effects: Vec<_> = std::iter::from_fn(|| core.poll_effect()).collect();
        match core.poll_timeout() {
            Some((at, _)) => self.timers.set(server, at),
            None => drop(self.timers.clear(&server)),
        }
        if let Some(conn) = closed {
            node.proven.remove(&conn);
            node.opened.remove(&conn);
        }
        self.report.count("steps: servers");
        self.follow_move(server, &effects)?;
        let is_open = |effect: &Effect| matches!(effect, Effect::Note(Note::SessionOpened { .. }));
        if let Some((conn, opened)) = opened.filter(|_| effects.iter().any(is_open)) {
            self.nodes[server].agent.handle_opened(&opened);
            self.check_opened(server, conn)?;
            self.report.count(match opened.outcome {
                Outcome::New => "state: opened anew",
                Outcome::Resumed => "state: resumed",
                Outcome::Refused | Outcome::Standby => "state: opened otherwise",
            });
        }
        for effect in effects {
            let node = &self.nodes[server];
            if node.core.is_none() || node.life != life {
                break;
            }
            self.perform_for_server(server, effect)?;
        }
        Ok(())
    }

    fn perform_for_server(&mut self, server: usize, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Send { conn, text } => self.say(server, conn, text)?,
            Effect::Close { conn, code } => {
                if let Some(line) = self.line(server, conn) {
                    let socket = line.1;
                    let closed = extension_core::Input::SocketClosed { socket, code };
                    self.arrive_at_extension(line, closed);
                    self.pipes.remove(&line);
                }
                self.forget_conn(server, conn);
            }
            Effect::ReadSecret { conn } => {
                let secret = Ok(super::secret());
                let life = self.nodes[server].life;
                let input = Box::new(Input::Secret { conn, secret });
                let due = Due::Server {
                    server,
                    life,
                    input,
                };
                self.later(Duration::from_millis(1), due);
            }
            Effect::Answer { call, answer } => self.check_answer(server, call.0, answer)?,
            Effect::SaveIdentity { identity, .. } => self.nodes[server].identity = Some(identity),
            Effect::Note(note) => self.remember(format!("{:>8} S{server}: {note:?}", self.now.0)),
            Effect::Admit { .. }
            | Effect::Progress { .. }
            | Effect::MarkEnding { .. }
            | Effect::StopListening => {}
            Effect::Exit => self.stop_server(server),
        }
        Ok(())
    }

    fn forget_conn(&mut self, server: usize, conn: ConnId) {
        let node = &mut self.nodes[server];
        node.proven.remove(&conn);
        node.opened.remove(&conn);
    }

    pub(super) fn step_agent(&mut self, server: usize) -> Result<(), String> {
        if !self.storm {
            return Ok(());
        }
        let pause = Duration::from_millis(50 + self.chance.below(900));
        self.later(pause, Due::Agent { server });
        let tabs = self.sides.iter().flat_map(|side| side.chrome.tabs.keys());
        let others: Vec<protocol::TabId> = tabs.copied().collect();
        if self.nodes[server].core.is_none() {
            return Ok(());
        }
        let open = self.nodes[server].agent.open.keys().next().copied();
        if let Some(open) = open.filter(|_| self.chance.hits(60)) {
            return self.tell_server(server, Input::Cancel { call: CallId(open) });
        }
        let named = self.chance.below(SIDES as u64);
        let named = usize::try_from(named).unwrap_or_default();
        // Now and then an agent moves though nothing forces it to, or asks to with calls open.
        if self.chance.hits(30) {
            return self.ask_to_move(server, named);
        }
        self.last_act += 1;
        let act = self.last_act;
        let (call, name) = (self.next_call(server), self.sides[named].name.clone());
        let agent = &mut self.nodes[server].agent;
        let moves = agent.moves && agent.open.is_empty();
        let asked = agent.ask(call, act, &others, &name, &mut self.chance);
        let Some(request) = asked else { return Ok(()) };
        if moves {
            return self.ask_by_name(server, named, call, request);
        }
        self.ask(server, call, request)
    }

    fn next_call(&mut self, server: usize) -> u64 {
        let node = &mut self.nodes[server];
        node.calls += 1;
        (server as u64) << 40 | node.calls
    }

    fn ask(&mut self, server: usize, call: u64, request: CallRequest) -> Result<(), String> {
        let input = Input::Call {
            session: SessionKey::ONLY,
            call: CallId(call),
            request,
        };
        self.tell_server(server, input)
    }

    /// An agent asks for this; gives the number of its script, if it has one.
    pub(super) fn ask_for(
        &mut self,
        server: usize,
        name: &str,
        payload: serde_json::Value,
    ) -> Result<(), String> {
        let call = self.next_call(server);
        let request = CallRequest {
            name: name.to_owned(),
            payload,
            tab: None,
            wait_ms: None,
            deadline_ms: None,
        };
        let request = self.nodes[server].agent.opened(call, None, request);
        self.ask(server, call, request)
    }

    /// An agent asks to run a script that counts.
    pub(super) fn ask_to_act(&mut self, server: usize) -> Result<(), String> {
        self.last_act += 1;
        let act = self.last_act;
        let call = self.next_call(server);
        let request = CallRequest {
            name: "browser_evaluate".into(),
            payload: json!({"function": format!("() => act({act})")}),
            tab: None,
            wait_ms: None,
            deadline_ms: None,
        };
        let request = self.nodes[server].agent.opened(call, Some(act), request);
        self.ask(server, call, request)
    }

    /// An agent moves its session to this browser.
    pub(super) fn ask_to_move(&mut self, server: usize, named: usize) -> Result<(), String> {
        let call = self.next_call(server);
        let request = CallRequest {
            name: "browser_session".into(),
            payload: json!({"browser": self.sides[named].name.to_uppercase()}),
            tab: None,
            wait_ms: None,
            deadline_ms: None,
        };
        let request = self.nodes[server].agent.opened(call, None, request);
        self.ask_by_name(server, named, call, request)
    }

    /// The same, with this call.
    fn ask_by_name(
        &mut self,
        server: usize,
        named: usize,
        call: u64,
        request: CallRequest,
    ) -> Result<(), String> {
        // What time alone ends in the same step is over before.
        self.tell_server(server, Input::Tick)?;
        self.moving = Some((call, named));
        let outcome = self.ask(server, call, request);
        self.moving = None;
        outcome
    }

    /// Unless it is refused at once, the session belongs to the named browser from now on, and what
    /// it had in the former one must be told.
    fn follow_move(&mut self, server: usize, effects: &[Effect]) -> Result<(), String> {
        let Some((by, named)) = self.moving else {
            return Ok(());
        };
        let refuses = |effect: &Effect| {
            matches!(effect, Effect::Answer { call, answer }
                if call.0 == by && answer.outcome.is_err())
        };
        if effects.iter().any(refuses) {
            self.report.count("state: move refused");
            return Ok(());
        }
        let node = &mut self.nodes[server];
        let former = node.home.side();
        if former == Some(named) {
            return Ok(());
        }
        let binds = |effect: &Effect| matches!(effect, Effect::SaveIdentity { .. });
        if former.is_none() && !effects.iter().any(binds) {
            self.report.count("state: named the browser that opens it");
            return Ok(());
        }
        if let Some(other) = node.agent.open.keys().find(|call| **call != by) {
            return Err(format!(
                "the session of server {server} moves, and its call {other} is open"
            ));
        }
        node.home.move_to(named);
        node.agent.leave_tabs();
        node.opened.clear();
        self.remember_fault("agent: moves by name", server);
        if former.is_some_and(|former| self.sides[former].is_quit()) {
            self.report
                .count("state: moved from a browser that is quit");
        }
        Ok(())
    }
}
