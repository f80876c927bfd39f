//! Plays a script: in a world where nothing goes wrong, but for the one fault that strikes at the
//! step that was named.

use super::{Due, FOUND_AGAIN, World};
use crate::blow::{Blow, Step};
use crate::plan::{Plan, Plant};
use crate::script::{Ask, End, Line, Script};
use crate::world::strikes::Strike;
use extension_core::PersonAction;
use protocol::{ErrorCode, SessionId, TabId};
use serde_json::Value;
use server_core::{CallId, CallRequest, Input, SessionKey};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every call is answered by then: the longest wait, deadline and stall together.
const ANSWERED: Duration = Duration::from_secs(200);
/// When all sessions are over, all that is theirs is gone by then.
const CLEAN: Duration = Duration::from_secs(30);
/// How often is looked whether it is so.
const LOOK: Duration = Duration::from_millis(200);
/// A person has answered every dialog by then.
const DISMISSED: Duration = Duration::from_secs(30);
/// Until Chrome has done what it was asked, and said so.
const SETTLED: Duration = Duration::from_secs(2);
/// A server that a fault killed has come back by then, and so has the extension.
const BACK: Duration = Duration::from_secs(70);
/// Every grace lasts longer than both, though a death takes some seconds from it and a clock that was put
/// ahead 35.
const KEPT: Duration = Duration::from_secs(180);
/// Every grace is over by then.
const FORSAKEN: Duration = Duration::from_secs(300);

impl World {
    /// A world for this script; `strike` is what goes wrong.
    #[must_use]
    pub fn scripted(seed: u64, script: &Script, strike: Option<Strike>) -> Self {
        let mut world = Self::new(Plan::calm(seed, script.servers));
        world.storm = false;
        world.strike = strike;
        world
    }

    /// What a broken core would do.
    pub fn plant(&mut self, plant: Plant) {
        self.plan.plant = Some(plant);
    }

    /// Plays it, and all that must follow. Gives the steps that were made.
    pub fn play_script(&mut self, script: &Script) -> Result<Vec<Step>, String> {
        let strike = self.strike.map_or_else(
            || "nothing strikes".to_owned(),
            |strike| format!("{} after step {}", strike.blow, strike.after),
        );
        let outcome = self.play_lines(script);
        self.count_machine_states();
        outcome.map_err(|what| {
            let recent: Vec<&str> = self.recent.iter().map(String::as_str).collect();
            format!(
                "{}: {strike}: at {} ms: {what}\n{}",
                script.name,
                self.now.0,
                recent.join("\n")
            )
        })
    }

    fn play_lines(&mut self, script: &Script) -> Result<Vec<Step>, String> {
        self.carry()?;
        self.wait_until_found()?;
        for line in script.before {
            self.play_line(line)?;
        }
        self.trail = Some(Vec::new());
        for line in script.lines {
            self.play_line(line)?;
        }
        let trail = self.trail.take().unwrap_or_default();
        match script.end {
            End::Served => self.play_end()?,
            End::Forsaken => self.play_forsaken()?,
        }
        Ok(trail)
    }

    fn play_line(&mut self, line: &Line) -> Result<(), String> {
        match line {
            Line::Ask(ask) => self.ask_as(ask),
            Line::Answered(agent) => {
                self.wait_for_answers(*agent)?;
                let last = self.nodes.get(*agent).and_then(|node| node.agent.last);
                let struck = self.strike.map(|strike| strike.blow);
                let harmless = struck.is_none_or(Blow::costs_nothing);
                match last {
                    Some(Err(code)) if harmless => Err(format!("agent {agent} is told {code}")),
                    Some(Ok(()) | Err(_)) | None => Ok(()),
                }
            }
            Line::Pause(time) => self.run_until(self.now + *time),
            Line::End(server) => self.tell_server(*server, Input::End),
            Line::Kill(server) => self.stop_server(*server),
            Line::Start(server) => self.start_server(*server),
            Line::Owns(agent, count) => {
                let owned = self.tabs_of(*agent).count();
                match self.strike {
                    None if owned != *count => {
                        Err(format!("agent {agent} owns {owned} tabs, and not {count}"))
                    }
                    None | Some(_) => Ok(()),
                }
            }
            Line::Discard(agent) => {
                if let Some(tab) = self.last_tab_of(*agent) {
                    self.chrome.unload_by_others(tab);
                    self.take_from_chrome();
                }
                Ok(())
            }
        }
    }

    /// The fault is over: everybody is found, asks once more and is answered, ends, and nothing is
    /// left.
    fn play_end(&mut self) -> Result<(), String> {
        let disk = self.disk.full_until.max(self.disk.hangs_until);
        self.run_until(disk.max(self.now))?;
        for server in 0..self.nodes.len() {
            self.run_until(self.stopped_until(server).unwrap_or(self.now))?;
            self.wait_for_server(server)?;
        }
        self.wait_until_found()?;
        let orphaned = |world: &Self| world.chrome.tabs.values().any(|tab| tab.orphaned);
        self.run_until_so(|world| !orphaned(world), DISMISSED)?;
        for agent in 0..self.nodes.len() {
            self.wait_for_answers(agent)?;
            self.ask_own(agent, "browser_tabs", r#"{"action": "list"}"#)?;
            self.ask_own(
                agent,
                "browser_evaluate",
                r#"{"function": "() => act($act)"}"#,
            )?;
            let last = self.nodes.get(agent).and_then(|node| node.agent.last);
            if last == Some(Err(ErrorCode::PageCrashed)) {
                let again = r#"{"url": "https://site.example/again"}"#;
                self.ask_own(agent, "browser_navigate", again)?;
                self.ask_own(
                    agent,
                    "browser_evaluate",
                    r#"{"function": "() => act($act)"}"#,
                )?;
            }
            let hidden = self.chrome.tabs.values().any(|tab| tab.dialog.is_some());
            if hidden && last == Some(Err(ErrorCode::Timeout)) {
                // Nothing of the dialog came to the disk: its agent is told that there may be one.
                self.report
                    .count("state: dialog that only a dead worker knew");
                self.ask_own(agent, "browser_handle_dialog", r#"{"accept": true}"#)?;
                self.ask_own(
                    agent,
                    "browser_evaluate",
                    r#"{"function": "() => act($act)"}"#,
                )?;
            }
            self.check_served(agent)?;
        }
        self.run_until(self.now + SETTLED)?;
        self.check_all_answered()?;
        self.check_groups()?;
        self.ask_as_person(PersonAction::CleanUp)?;
        self.end_all()?;
        let end = self.now + CLEAN;
        while self.now < end && self.check_nothing_made_left().is_err() {
            self.run_until(self.now + LOOK)?;
        }
        self.check_nothing_made_left()
    }

    /// No server comes back: each session is kept for its grace, and then nothing of it is left.
    fn play_forsaken(&mut self) -> Result<(), String> {
        let back = self.now + BACK;
        while self.now < back {
            self.stop_all()?;
            self.run_until(self.now + SETTLED)?;
        }
        self.stop_all()?;
        self.run_until(self.now + KEPT)?;
        if self.report.of("core: session ended") > 0 {
            return Err("invariant 8: a session ends before its grace is over".into());
        }
        let end = self.now + FORSAKEN;
        while self.now < end && self.check_nothing_made_left().is_err() {
            self.run_until(self.now + SETTLED)?;
        }
        self.check_nothing_made_left()?;
        self.check_groups()
    }

    fn stop_all(&mut self) -> Result<(), String> {
        for server in 0..self.nodes.len() {
            if self.nodes[server].core.is_some() {
                self.stop_server(server)?;
            }
        }
        Ok(())
    }

    /// A call on the agent's current tab, and its answer.
    fn ask_own(
        &mut self,
        agent: usize,
        tool: &'static str,
        payload: &'static str,
    ) -> Result<(), String> {
        let on_tab_of = None;
        self.ask_as(&Ask {
            agent,
            tool,
            payload,
            on_tab_of,
        })?;
        self.wait_for_answers(agent)
    }

    /// A call of the script's; none where its server does not come back.
    fn ask_as(&mut self, ask: &Ask) -> Result<(), String> {
        self.wait_for_server(ask.agent)?;
        self.act += 1;
        let act = self.act;
        let tab = ask.on_tab_of.and_then(|other| self.last_tab_of(other));
        let own = self
            .nodes
            .get(ask.agent)
            .and_then(|node| node.identity.as_ref());
        let own = own.map(|own| own.session_id.clone());
        let mut others = self.view().instances.into_iter();
        let other = others.find(|other| Some(&other.session_id) != own.as_ref());
        let alias = other.map_or_else(String::new, |other| other.alias.0);
        let Some(node) = self.nodes.get_mut(ask.agent) else {
            return Ok(());
        };
        let text = ask
            .payload
            .replace("$act", &act.to_string())
            .replace("$ref", node.agent.button().unwrap_or("e1_none"))
            .replace("$alias", &alias);
        let payload: Value = serde_json::from_str(&text)
            .map_err(|error| format!("the script says no JSON: {text}: {error}"))?;
        node.calls += 1;
        let call = (ask.agent as u64) << 40 | node.calls;
        let acts = ask.payload.contains("$act").then_some(act);
        let request = CallRequest {
            name: ask.tool.to_owned(),
            payload,
            tab,
            wait_ms: None,
            deadline_ms: None,
        };
        let request = node.agent.opened(call, acts, request);
        if let Some(own) = &node.identity {
            self.askers.insert(act, own.session_id.clone());
        }
        self.report.count(format!("asked: {}", ask.tool));
        let input = Input::Call {
            session: SessionKey::ONLY,
            call: CallId(call),
            request,
        };
        self.tell_server(ask.agent, input)
    }

    fn wait_for_server(&mut self, server: usize) -> Result<(), String> {
        let is_up = |world: &Self| {
            let node = world.nodes.get(server);
            node.is_none_or(|node| node.core.is_some())
        };
        let starting = |due: &Due| matches!(due, Due::Start { server: one } if *one == server);
        if !is_up(self) && !self.agenda.values().any(starting) {
            self.start_server(server)?;
        }
        self.run_until_so(is_up, FOUND_AGAIN)
            .map_err(|late| format!("server {server} does not start: {late}"))
    }

    fn wait_for_answers(&mut self, agent: usize) -> Result<(), String> {
        let answered = |world: &Self| {
            let node = world.nodes.get(agent);
            node.is_none_or(|node| node.agent.open.is_empty())
        };
        self.run_until_so(answered, ANSWERED)
            .map_err(|late| format!("invariant 3: agent {agent} is not answered: {late}"))
    }

    fn wait_until_found(&mut self) -> Result<(), String> {
        let end = self.now + FOUND_AGAIN;
        while self.now < end && (self.asleep.is_some() || self.check_all_found().is_err()) {
            self.run_until(self.now + LOOK)?;
        }
        self.check_all_found()
    }

    /// Goes on step by step until it is so.
    fn run_until_so(&mut self, so: impl Fn(&Self) -> bool, within: Duration) -> Result<(), String> {
        let end = self.now + within;
        while !so(self) {
            if !self.step_until(end)? {
                return Err(format!("not after {} s", within.as_secs()));
            }
        }
        Ok(())
    }

    /// The newest tab that the agent's session owns.
    pub(super) fn last_tab_of(&self, agent: usize) -> Option<TabId> {
        self.tabs_of(agent).last()
    }

    fn tabs_of(&self, agent: usize) -> impl Iterator<Item = TabId> {
        let node = self.nodes.get(agent);
        let own = node.and_then(|node| node.identity.as_ref());
        let owned = move |tab: &TabId| {
            let owner = self.model.owner(*tab);
            let open = self.chrome.tabs.contains_key(tab);
            open && owner.is_some() && owner == own.map(|own| &own.session_id)
        };
        self.model.owned().filter(owned)
    }

    /// An agent that nothing hinders any more works, or is told which tab it must do without.
    fn check_served(&self, agent: usize) -> Result<(), String> {
        let last = self.nodes.get(agent).and_then(|node| node.agent.last);
        match last {
            Some(
                Ok(())
                | Err(
                    ErrorCode::TabsLost
                    | ErrorCode::TabGone
                    | ErrorCode::TabReleased
                    | ErrorCode::DialogOpen,
                ),
            ) => Ok(()),
            Some(Err(code)) => Err(format!(
                "agent {agent} is told {code}, though all is well again"
            )),
            None => Err(format!("agent {agent} was never answered")),
        }
    }

    /// A session's tabs stand in one group, and nobody else's stands in any.
    pub(super) fn check_groups(&self) -> Result<(), String> {
        let mut groups: BTreeMap<_, BTreeMap<i64, Vec<TabId>>> = BTreeMap::new();
        for (id, tab) in self.chrome.tabs.iter().filter(|(_, tab)| tab.group > 0) {
            let Some(owner) = self.model.owner(*id) else {
                // Another may be a copy that the person made, which Chrome puts beside it.
                if !self.unwritten.is_empty() || !self.once_owned.contains(id) {
                    continue;
                }
                return Err(format!(
                    "invariant 7: {id} stands in a group and is nobody's"
                ));
            };
            let groups = groups.entry(owner).or_default();
            groups.entry(tab.group).or_default().push(*id);
        }
        let parted = |(owner, groups): &(&&SessionId, &BTreeMap<i64, Vec<TabId>>)| {
            groups.len() > 1 && !self.unwritten.contains(**owner)
        };
        match groups.iter().find(parted) {
            Some((owner, groups)) => Err(format!(
                "invariant 7: the tabs of {owner} stand in more than one group: {groups:?}"
            )),
            None => Ok(()),
        }
    }

    /// Nothing of a session is left, the tabs that were made for it least of all.
    fn check_nothing_made_left(&self) -> Result<(), String> {
        if self.asleep.is_some() {
            return Err("no worker lives".into());
        }
        self.check_nothing_left()?;
        match self.chrome.tabs.iter().find(|(_, tab)| tab.made) {
            Some((tab, state)) => Err(format!(
                "invariant 7: {tab} was made for a session and is left: {}",
                state.url
            )),
            None => Ok(()),
        }
    }
}
