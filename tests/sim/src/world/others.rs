//! What else goes wrong between people, agents and servers: a secret that only one side has, agents
//! that ask more than they may, a server that speaks in another's name.

use super::{Due, World};
use crate::network::{Pipe, Stranger};
use protocol::{Envelope, Frame, SessionId, TabId, WireId};
use serde_json::json;
use server_core::{CallId, Input, SessionKey};
use std::time::Duration;

/// More than a session may have open.
const FLOOD: usize = protocol::limits::CALLS_PER_SESSION_MAX + 4;

impl World {
    /// Servers have another secret from now on, the extension only when it is paired anew.
    pub(super) fn rotate_secret(&mut self) -> Result<(), String> {
        self.remember_fault("fault: secret replaced");
        self.secret = self.secret.wrapping_add(1);
        let paired = Duration::from_millis(11_000 + self.chance.below(8_000));
        self.later(paired, Due::Pair);
        for server in 0..self.nodes.len() {
            self.tell_server(server, Input::SecretRotated)?;
        }
        Ok(())
    }

    /// A server is killed and comes back on another port, since something else took its own; the
    /// extension has not heard that the old socket is no more.
    pub(super) fn move_server(&mut self) -> Result<(), String> {
        let room = self.plan.range.ports().count();
        if self.nodes.len() + self.strangers.len() >= room {
            return Ok(());
        }
        let server = self.chance.below(self.nodes.len() as u64);
        let server = usize::try_from(server).unwrap_or_default();
        let Some(port) = self.port_of(server) else {
            return Ok(());
        };
        self.remember_fault("fault: server moved before it was missed");
        let mine = |pipe: &&mut Pipe| pipe.server == server;
        for pipe in self.pipes.values_mut().filter(mine) {
            pipe.half_open = true;
        }
        self.stop_server(server)?;
        self.strangers.insert(port, Stranger::Foreign);
        let back = Duration::from_millis(100 + self.chance.below(2_000));
        self.later(back, Due::Start { server });
        Ok(())
    }

    fn port_of(&self, server: usize) -> Option<u16> {
        let node = self.nodes.get(server)?;
        node.core.is_some().then_some(node.port)
    }

    /// Agents ask in turn, each more than it may at once, on `tab` or on their own.
    pub(super) fn flood(&mut self, servers: &[usize], tab: Option<TabId>) -> Result<(), String> {
        for server in servers.repeat(FLOOD) {
            let Some(node) = self.nodes.get_mut(server) else {
                continue;
            };
            if node.core.is_none() {
                continue;
            }
            node.calls += 1;
            let call = (server as u64) << 40 | node.calls;
            let request = node.agent.ask_too(call, tab);
            let input = Input::Call {
                session: SessionKey::ONLY,
                call: CallId(call),
                request,
            };
            self.tell_server(server, input)?;
        }
        Ok(())
    }

    /// Three agents want one tab at the same moment, each with all the calls that it may have.
    pub(super) fn rush(&mut self) -> Result<(), String> {
        let tabs: Vec<TabId> = self.model.owned().collect();
        let Some(tab) = self.chance.pick(&tabs).copied() else {
            return Ok(());
        };
        self.remember_fault("fault: rush for one tab");
        let count = self.nodes.len();
        let first = usize::try_from(self.chance.below(count as u64)).unwrap_or(0);
        let servers: Vec<usize> = (first..first + count.min(3))
            .map(|one| one % count)
            .collect();
        self.flood(&servers, Some(tab))
    }

    /// What a server would say in the name of another session: a command that must not run.
    pub(super) fn forge(&mut self, server: usize, text: &str) -> Option<(SessionId, String)> {
        let impostor = self.storm && self.chance.hits(self.plan.faults.impostor);
        if !impostor || !matches!(Frame::parse(text, super::FRAME_MAX), Ok(Frame::Command(_))) {
            return None;
        }
        let others: Vec<SessionId> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != server)
            .filter_map(|(_, node)| Some(node.identity.as_ref()?.session_id.clone()))
            .collect();
        let other = self.chance.pick(&others)?.clone();
        self.act += 1;
        let act = self.act;
        let wire = WireId::new(format!("forged-{act}")).ok()?;
        self.report.count("fault: command in another's name");
        self.forged.insert(wire.clone(), server);
        self.forged_acts.insert(act);
        let payload = json!({"function": format!("() => act({act})")});
        let command = Envelope::command(wire, other.clone(), "browser_evaluate", payload);
        Some((other, Frame::Command(command).to_text()))
    }
}
