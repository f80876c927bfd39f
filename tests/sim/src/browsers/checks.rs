//! What must be so, after every step and when all is quiet.

use super::side::Line;
use super::{Browsers, Plant};
use crate::agents::never_began;
use extension_core::extension::Trace;
use extension_core::tabs::TabEvent;
use extension_core::view::InstanceState;
use protocol::ErrorCode;
use protocol::frame::{Body, Frame};
use serde_json::Value;
use server_core::{Answer, ConnId};

impl Browsers {
    /// One decision of an extension: the reference model of that browser's tabs follows it.
    pub(super) fn follow(&mut self, side: usize, trace: &Trace) -> Result<(), String> {
        let model = &mut self.sides[side].model;
        if let Trace::Found { old, new } = trace {
            model.rename(*old, *new);
        }
        if let Trace::Tab(TabEvent::Begin { .. }) = trace {
            self.report.count(format!("state: turn in browser {side}"));
        }
        model
            .follow(trace)
            .map_err(|what| format!("browser {side}: {what}"))
    }

    /// A server says something to a browser: commands go to the session's own and to no other, and
    /// no other is asked to open it.
    pub(super) fn note_frame(
        &mut self,
        server: usize,
        line: Line,
        text: &str,
    ) -> Result<(), String> {
        let Some(conn) = self.pipes.get(&line).map(|pipe| pipe.conn) else {
            return Ok(());
        };
        let side = line.0;
        let node = &mut self.nodes[server];
        match Self::read(text) {
            Some(Frame::HelloAck(_)) => {
                node.proven.insert(conn);
            }
            Some(Frame::SessionOpen(open)) if open.standby => {
                self.report.count("state: stands by");
            }
            Some(Frame::SessionOpen(_)) => {
                node.opened.insert(conn);
                if !node.home.may_be_asked(side) {
                    return Err(format!(
                        "browser {side} is to open the session of server {server}, which is of {:?}",
                        node.home
                    ));
                }
            }
            Some(Frame::Command(command)) => {
                if node.home.side() != Some(side) {
                    return Err(format!(
                        "a command of server {server} goes to browser {side}, and its session is of {:?}",
                        node.home
                    ));
                }
                let script = match &command.body {
                    Body::Payload(payload) => Some(payload.to_string()),
                    Body::Data(_) | Body::Error(_) => None,
                };
                let number = script.as_deref().and_then(number_of_act);
                if let Some(number) = number {
                    self.sent.insert(number, (side, server));
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// A server takes its session for open on this connection.
    pub(super) fn check_opened(&mut self, server: usize, conn: ConnId) -> Result<(), String> {
        match self.line(server, conn) {
            Some((side, _)) => self.nodes[server].home.open(side),
            None => Ok(()),
        }
    }

    /// Scripts that ran: each once, in the browser to which it was sent, in a tab of its session.
    pub(super) fn check_acts(&mut self, side: usize) -> Result<(), String> {
        loop {
            let it = &mut self.sides[side];
            let Some(act) = it.chrome.acts.get(it.acts_seen).copied() else {
                return Ok(());
            };
            it.acts_seen += 1;
            let number = act.number;
            let times = self.done.entry(number).or_default();
            *times += 1;
            if *times > 1 {
                return Err(format!("invariant 3: act {number} ran twice"));
            }
            let Some((sent_to, server)) = self.sent.get(&number).copied() else {
                return Err(format!("invariant 3: nobody asked for act {number}"));
            };
            if sent_to != side {
                return Err(format!(
                    "act {number} ran in browser {side} and was sent to {sent_to}"
                ));
            }
            let identity = self.nodes[server].identity.as_ref();
            let session = identity.map(|own| &own.session_id);
            let owner = self.sides[side].model.owner(act.tab);
            // A server that came back as another has another name by now.
            if owner != session && !self.is_former(server, owner) {
                return Err(format!(
                    "invariant 1: act {number} of {session:?} ran in {} of {owner:?}",
                    act.tab
                ));
            }
        }
    }

    /// An answer reached an agent: it must be its own, and true.
    pub(super) fn check_answer(
        &mut self,
        server: usize,
        call: u64,
        mut answer: Answer,
    ) -> Result<(), String> {
        if self.plant == Some(Plant::GoneUnsaid)
            && let Err(error) = &mut answer.outcome
            && error.code == ErrorCode::BrowserGone
        {
            error.code = ErrorCode::NotConnected;
            self.struck += 1;
        }
        let code = answer.outcome.as_ref().err().map(|error| error.code);
        let told = code.map_or("ok", ErrorCode::as_str);
        self.report.count(format!("answer: {told}"));
        self.remember(format!("{:>8} S{server}: answer {call} {told}", self.now.0));
        let node = &mut self.nodes[server];
        let Some(asked) = node.agent.open.remove(&call) else {
            return Err(format!(
                "invariant 3: call {call} was answered twice, or never asked"
            ));
        };
        node.agent.learn(&answer.outcome, answer.tab);
        node.agent.last = Some(code.map_or(Ok(()), Err));
        for (tab, told) in node.agent.follow_own(&answer) {
            if !told {
                return Err(format!(
                    "invariant 6: an answer says nothing of {tab}, which stayed in another browser"
                ));
            }
            self.report.count("state: told of all that was left behind");
        }
        match &answer.outcome {
            Err(error) if error.code == ErrorCode::Internal => {
                return Err(format!("a fault of ours: {error}"));
            }
            Err(error) if error.code == ErrorCode::BrowserGone => {
                self.check_gone(server, &error.to_string())?;
            }
            Err(error) if error.code == ErrorCode::NotConnected => {
                let node = &self.nodes[server];
                if node.home.side().is_some()
                    && !node.proven.is_empty()
                    && node.opened.is_disjoint(&node.proven)
                {
                    return Err(format!(
                        "server {server} says nothing of the browser that stands by: {error}"
                    ));
                }
            }
            Ok(_) | Err(_) => {}
        }
        let Some(act) = asked.act else { return Ok(()) };
        let times = self.done.get(&act).copied().unwrap_or_default();
        match &answer.outcome {
            Ok(data) => {
                let value = data.get("value").and_then(Value::as_u64);
                if value.is_some_and(|value| value != act) {
                    return Err(format!(
                        "invariant 4: act {act} was answered with {value:?}"
                    ));
                }
                if times != 1 && data.get("dialog").is_none() {
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

    /// `browser_gone` is true, and names the browser that is gone and the one that stands by.
    fn check_gone(&mut self, server: usize, error: &str) -> Result<(), String> {
        let node = &self.nodes[server];
        let Some(home) = node.home.side() else {
            return Err(format!(
                "server {server} belongs to no browser, and says {error}"
            ));
        };
        let open = node.opened.iter().any(|conn| {
            let line = self.line(server, *conn);
            line.is_some_and(|(side, _)| side == home) && node.proven.contains(conn)
        });
        if open {
            return Err(format!(
                "server {server} is in its browser, and says {error}"
            ));
        }
        if !self.sides.iter().all(|side| error.contains(&side.name)) {
            return Err(format!(
                "server {server} does not name both browsers: {error}"
            ));
        }
        self.report
            .count("state: bound browser gone with another standing by");
        Ok(())
    }

    /// Every server is connected to its session's browser and stands by in the other (invariant 8);
    /// what has ended or moved has no tab left behind.
    pub(super) fn check_all_found(&mut self) -> Result<(), String> {
        for (server, node) in self.nodes.iter().enumerate() {
            let (Some(_), Some(own)) = (&node.core, &node.identity) else {
                return Err(format!("server {server} is not up"));
            };
            let Some(home) = node.home.side() else {
                return Err(format!("invariant 8: no browser opened server {server}"));
            };
            for (number, side) in self.sides.iter().enumerate() {
                let left = side.tabs_of(&own.session_id);
                if number != home && !left.is_empty() && !side.is_quit() {
                    return Err(format!(
                        "server {server}, of {home}, has {left:?} in browser {number} too"
                    ));
                }
                let wanted = if number == home {
                    InstanceState::Connected
                } else {
                    InstanceState::Standby
                };
                let shown = side.shows(&own.session_id, self.now);
                if shown != Some(wanted) && !side.is_quit() {
                    return Err(format!(
                        "invariant 8: browser {number} shows server {server}, of {home}, as {shown:?}"
                    ));
                }
            }
        }
        self.report.count("state: found by both");
        Ok(())
    }

    /// No call is open for ever (invariant 3).
    pub(super) fn check_all_answered(&self) -> Result<(), String> {
        for (server, node) in self.nodes.iter().enumerate() {
            if let Some((call, asked)) = node.agent.open.first_key_value() {
                return Err(format!(
                    "invariant 3: call {call} ({}) of server {server} was never answered",
                    asked.name
                ));
            }
        }
        Ok(())
    }

    /// When all sessions are over, nothing of them remains in either browser (invariant 7).
    pub(super) fn check_nothing_left(&self) -> Result<(), String> {
        for (number, side) in self.sides.iter().enumerate() {
            let census = side.extension.census();
            if !census.is_empty() {
                return Err(format!(
                    "invariant 7: left behind in browser {number}: {census:?}"
                ));
            }
            if let Some((tab, _)) = side.chrome.tabs.iter().find(|(_, tab)| tab.attached) {
                return Err(format!(
                    "invariant 7: the debugger of browser {number} is still on {tab}"
                ));
            }
            let stays = ["browser", "browserId", "ports", "paused"];
            let kept = |key: &&String| !stays.contains(&key.as_str());
            if let Some(kept) = side.storage.keys().find(kept) {
                return Err(format!(
                    "invariant 7: left in the store of browser {number}: {kept}"
                ));
            }
        }
        Ok(())
    }
}

/// The number of the act in a script.
fn number_of_act(script: &str) -> Option<u64> {
    let (_, rest) = script.split_once("act(")?;
    rest.split(')').next()?.parse().ok()
}
