//! The invariants, as far as a bystander can see them, after every step.

use super::restarts::LATER;
use super::visitor::is_unpaired;
use super::{Due, World};
use crate::agents::never_began;
use crate::blow::Blow;
use crate::chrome::{Act, Outcome};
use extension_core::Input;
use extension_core::extension::{Census, Trace};
use extension_core::input::BrowserEvent;
use extension_core::tabs::{Owner, TabEvent};
use extension_core::view::InstanceState;
use protocol::{ErrorCode, SessionId, TabId, WireError, WireId, limits};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Tabs that Chrome has closed and the extension has not heard of yet.
const CLOSED_UNHEARD_MAX: usize = 64;
/// In a crowd every look costs as much as many steps, and shows nothing new.
const LOOK_SERVERS_MAX: usize = 12;
/// Questions to Chrome for each tab: grouping, unloading, closing, and its answer on the way.
const ASKED_PER_TAB_MAX: usize = 8;

impl World {
    /// One decision: the model follows it, and what it says of the world is so.
    pub(super) fn follow(&mut self, trace: &Trace) -> Result<(), String> {
        self.note(trace);
        self.remember(trace);
        if let Trace::Ended { .. } = trace {
            self.hold_what_is_owned();
        }
        self.check_patience(trace)?;
        if let Trace::Tab(TabEvent::Clear { tab }) = trace {
            self.clearing.insert(*tab);
        }
        if let Trace::Tab(TabEvent::OwnerChanged { tab, .. } | TabEvent::Close { tab }) = trace {
            self.clearing.remove(tab);
        }
        if let Trace::Found { old, new } = trace {
            self.follow_found(*old, *new)?;
        }
        if let Trace::Tab(TabEvent::NoneMissing) = trace {
            self.give_up_doubtful();
        }
        if let Trace::Tab(event) = trace {
            self.check_unpaired(event)?;
        }
        self.model.follow(trace)?;
        if let Trace::Tab(TabEvent::OwnerChanged {
            tab,
            from: _,
            to: Owner::Session(to),
        }) = trace
        {
            self.held.entry(to.clone()).or_default().insert(*tab);
            self.once_owned.insert(*tab);
        }
        match trace {
            Trace::Tab(TabEvent::OwnerChanged {
                tab,
                from: Owner::Session(from),
                to: _,
            }) => self.check_cleared(*tab, from),
            Trace::Ended { session } => {
                self.untold.remove(session);
                let held = self.held.remove(session).unwrap_or_default();
                self.parted.entry(session.clone()).or_default().extend(held);
                self.ended.push(session.clone());
                Ok(())
            }
            Trace::Tab(_)
            | Trace::Call { .. }
            | Trace::TurnEnded { .. }
            | Trace::Answered { .. }
            | Trace::Dropped { .. }
            | Trace::Given { .. }
            | Trace::Found { .. } => Ok(()),
        }
    }

    /// A session that ended and began anew may get a tab back that it was still letting go of.
    pub(super) fn hold_what_is_owned(&mut self) {
        for tab in self.model.owned() {
            if let Some(session) = self.model.owner(tab) {
                self.held.entry(session.clone()).or_default().insert(tab);
            }
        }
    }

    /// A tab goes on under another id, and so does all that is known of it.
    pub(super) fn rename_tab(&mut self, old: TabId, new: TabId) {
        self.model.rename(old, new);
        if self.clearing.remove(&old) {
            self.clearing.insert(new);
        }
        if self.once_owned.contains(&old) {
            self.once_owned.insert(new);
        }
        let stored = self.stored_losses();
        for (session, tabs) in &mut self.untold {
            // What is written down as lost is told as it was called.
            let is_lost = stored.get(session).is_some_and(|lost| lost.contains(&old));
            if !is_lost && tabs.remove(&old) {
                tabs.insert(new);
            }
        }
        // Servers that have not heard of it yet know it by the other one.
        for of_session in [&mut self.held, &mut self.parted, &mut self.promised] {
            for tabs in of_session.values_mut().filter(|tabs| tabs.contains(&old)) {
                tabs.insert(new);
            }
        }
    }

    /// Nothing of a former owner is left on a tab when the next one gets it (invariant 7).
    fn check_cleared(&self, tab: TabId, from: &SessionId) -> Result<(), String> {
        match self.chrome.tabs.get(&tab) {
            Some(state) if state.attached => Err(format!(
                "invariant 7: the debugger of {from} is still on {tab}, which changes hands"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts the states of the extension's machines.
    pub(super) fn look_at_states(&mut self) {
        if self.plan.servers <= LOOK_SERVERS_MAX {
            let states = &mut self.states;
            let mut met = |state| *states.entry(state).or_default() += 1;
            self.extension.name_states(&mut met);
        }
    }

    /// What an end leaves behind at once, and the bounds of everything else (invariants 7 and 9).
    pub(super) fn check_bounds(&mut self) -> Result<(), String> {
        for session in std::mem::take(&mut self.ended) {
            self.model.check_ended(&session)?;
        }
        self.model.check_bounds()?;
        let Census {
            sessions,
            calls,
            tabs: _,
            pages,
            house,
            held,
        } = self.extension.census();
        let open = self.chrome.tabs.len() + CLOSED_UNHEARD_MAX;
        let bounds = [
            ("sessions", sessions, limits::SESSIONS_MAX),
            ("calls", calls, sessions * limits::CALLS_PER_SESSION_MAX),
            ("pages", pages, open),
            ("questions to Chrome", house, open * ASKED_PER_TAB_MAX),
            (
                "things held for the disk",
                held,
                2 * calls + 2 * sessions + open,
            ),
        ];
        for (what, count, bound) in bounds {
            if count > bound && sessions > 0 {
                return Err(format!("invariant 9: {count} {what}, {bound} are allowed"));
            }
        }
        Ok(())
    }

    /// After a death each session holds the tabs that the store said, or will be told
    /// (invariant 6). The new worker will hear what is on its way and what its shell has `heard`; to
    /// a `deaf` extension nobody tells what happened meanwhile.
    pub(super) fn check_reborn(
        &mut self,
        kept: &BTreeMap<TabId, SessionId>,
        heard: &[Input],
        deaf: bool,
    ) -> Result<BTreeMap<TabId, SessionId>, String> {
        let mut owners = BTreeMap::new();
        for instance in self.view().instances {
            let tabs = instance.tabs.iter().map(|tab| tab.tab_id);
            owners.extend(tabs.map(|tab| (tab, instance.session_id.clone())));
        }
        if deaf {
            self.check_recorded(&owners)?;
            let strange = |tab: &TabId| {
                !owners.contains_key(tab) && !self.storage.contains_key(&format!("tab/{tab}"))
            };
            self.doubtful = self.chrome.tabs.keys().copied().filter(strange).collect();
        }
        for (tab, session) in kept {
            let now = self.chrome.called_now(*tab);
            let goes_on = self.chrome.unloaded.contains_key(tab) && self.chrome.goes_on(*tab);
            // Also where the worker itself had it unloaded, to close it, and died: its session, whose
            // end was not on disk, has it still.
            let is_there = now != *tab && self.chrome.tabs.contains_key(&now);
            if is_there && self.is_yet_to_be_told(*tab, heard) {
                owners.insert(*tab, session.clone());
            } else if deaf && now != *tab {
                // Nobody will tell of its new id: it is known again, or lost.
                self.report.count("state: tab lost with the browser");
                self.untold.entry(session.clone()).or_default().insert(*tab);
            } else if goes_on {
                // The same; only workers that are dead were told, and the disk never was.
                self.report
                    .count("state: new id that only a dead worker knew");
                self.doubtful.insert(now);
                self.untold.entry(session.clone()).or_default().insert(*tab);
            } else if !self.chrome.tabs.contains_key(tab) {
                self.report.count("state: tab lost with the worker");
                self.untold.entry(session.clone()).or_default().insert(*tab);
            } else if owners.get(tab) != Some(session) {
                return Err(format!(
                    "invariant 6: {tab} of {session} belongs to {:?} after the worker's death",
                    owners.get(tab)
                ));
            }
        }
        Ok(owners)
    }

    /// Whether the worker that starts will be told under which id this tab goes on.
    fn is_yet_to_be_told(&self, tab: TabId, heard: &[Input]) -> bool {
        let tells = |event: &BrowserEvent| matches!(event, BrowserEvent::TabReplaced { removed, .. } if *removed == tab);
        let on_its_way =
            |due: &Due| matches!(due, Due::Chrome(Outcome::Event(event)) if tells(event));
        let told = |input: &Input| matches!(input, Input::Browser(event) if tells(event));
        let at_hand = self.at_hand.iter().any(tells);
        at_hand || heard.iter().any(told) || self.agenda.values().any(on_its_way)
    }

    /// Which tab is whose, as the store says it.
    pub(super) fn stored_owners(&self) -> BTreeMap<TabId, SessionId> {
        let has = |session: &SessionId, kind: &str| {
            let stored = self.storage.get(&format!("{kind}/{session}"));
            stored.is_some_and(is_readable)
        };
        let known = |session: &SessionId| has(session, "session") && has(session, "seat");
        let stays = |record: &Value| record.pointer("/e/leaving").is_none_or(Value::is_null);
        self.readable_tabs()
            .filter(|(_, session, record)| known(session) && stays(record))
            .map(|(tab, session, _)| (tab, session))
            .collect()
    }

    /// Of which tabs the store can tell that they are some session's, also of one that has ended.
    pub(super) fn recorded_tabs(&self) -> BTreeSet<TabId> {
        let spoilt = |session: &SessionId, kind: &str| {
            let stored = self.storage.get(&format!("{kind}/{session}"));
            stored.is_some_and(|entity| !is_readable(entity) && !is_gone(entity))
        };
        let told = |session: &SessionId| !spoilt(session, "session") && !spoilt(session, "seat");
        self.readable_tabs()
            .filter(|(_, session, _)| told(session))
            .map(|(tab, ..)| tab)
            .collect()
    }

    fn readable_tabs(&self) -> impl Iterator<Item = (TabId, SessionId, &Value)> {
        self.storage.iter().filter_map(|(key, record)| {
            let tab = key.strip_prefix("tab/").filter(|_| is_readable(record))?;
            let session = record.pointer("/e/owner/session/0").and_then(Value::as_str);
            let session = SessionId::new(session?).ok()?;
            Some((TabId(tab.parse().ok()?), session, record))
        })
    }

    /// Which tabs a session lost and may not have been told of yet, as the store says it: those to
    /// be told, and those told by answers that are kept.
    pub(super) fn stored_losses(&self) -> BTreeMap<SessionId, BTreeSet<TabId>> {
        let mut losses: BTreeMap<SessionId, BTreeSet<TabId>> = BTreeMap::new();
        for (key, record) in self
            .storage
            .iter()
            .filter(|(_, record)| is_readable(record))
        {
            let mut key = key.split('/');
            let lost = match key.next() {
                Some("seat") => record.pointer("/e/lost"),
                Some("call") => record.pointer("/e/response/lost"),
                Some(_) | None => None,
            };
            let session = key.next().and_then(|id| SessionId::new(id).ok());
            if let (Some(session), Some(lost)) = (session, lost.and_then(Value::as_array)) {
                let tabs = lost.iter().filter_map(|one| one.get("tabId")?.as_u64());
                let tabs = tabs.filter_map(|tab| Some(TabId(u32::try_from(tab).ok()?)));
                losses.entry(session).or_default().extend(tabs);
            }
        }
        losses
    }

    /// A session is told, once, which tabs it lost (invariant 6).
    fn check_told(
        &mut self,
        session: &SessionId,
        answer: &server_core::Answer,
    ) -> Result<(), String> {
        let untold = self.untold.entry(session.clone()).or_default();
        let parted = self.parted.entry(session.clone()).or_default();
        let promised = self.promised.entry(session.clone()).or_default();
        for lost in &answer.lost {
            if let Some(held) = self.held.get_mut(session) {
                held.remove(&lost.tab_id);
            }
            self.told
                .entry(session.clone())
                .or_default()
                .insert(lost.tab_id);
            let due = untold.remove(&lost.tab_id) | parted.remove(&lost.tab_id)
                || promised.remove(&lost.tab_id)
                || (self.chrome.unloaded.contains_key(&lost.tab_id)
                    && !self.chrome.goes_on(lost.tab_id));
            if !due {
                return Err(format!(
                    "invariant 6: {session} is told again, or in vain, that it lost {}",
                    lost.tab_id
                ));
            }
            self.report.count("state: told of a lost tab");
        }
        let listed = answer.outcome.as_ref().ok().map(|data| &data["tabs"]);
        for entry in listed.and_then(Value::as_array).into_iter().flatten() {
            let tab = entry["tabId"].as_u64().and_then(|tab| tab.try_into().ok());
            if let Some(tab) = tab.map(TabId).filter(|_| entry["state"] == "yours")
                && self.model.owner(tab) != Some(session)
            {
                promised.insert(tab);
            }
        }
        // An answer of a former life, on its way or kept, knows nothing of what came after it.
        if self.news && answer.outcome.is_ok() && !untold.is_empty() {
            let untold = untold.clone();
            if self.is_overtaken(session) {
                self.report.count("state: overtook the news of a loss");
                return Ok(());
            }
            return Err(format!(
                "invariant 6: {session} goes on and knows nothing of {untold:?}"
            ));
        }
        Ok(())
    }

    /// Whether an answer that tells this session of a loss is still on its way to it.
    fn is_overtaken(&self, session: &SessionId) -> bool {
        let named = format!("\"sessionId\":\"{session}\"");
        let tells = |text: &str| text.contains(&named) && text.contains("\"lost\":[{");
        self.agenda.values().any(|due| {
            matches!(due, Due::Server { input, .. }
                if matches!(&**input, server_core::Input::Frame { text, .. } if tells(text)))
        })
    }

    /// What a stale socket says changes nothing (invariant 5).
    pub(super) fn hear_stale(&mut self, input: Input) -> Result<(), String> {
        if self.asleep.is_some() {
            return Ok(());
        }
        let states = |world: &Self| -> Vec<(SessionId, InstanceState, Option<u16>)> {
            let view = world.view();
            let state =
                |one: extension_core::view::InstanceView| (one.session_id, one.state, one.port);
            view.instances.into_iter().map(state).collect()
        };
        // What time alone does is done first.
        self.tell_extension(Input::Tick)?;
        let before = states(self);
        let now = self.clock.read(self.now);
        self.extension.handle_input(input, now);
        let decided = self.extension.take_trace();
        if let Some(first) = decided.first() {
            return Err(format!("invariant 5: a stale socket led to {first:?}"));
        }
        if states(self) != before {
            return Err("invariant 5: a stale socket changed who is connected".into());
        }
        self.carry()
    }
    /// Scripts that ran: each once, and only in a tab of the session that sent it.
    pub(super) fn check_acts(&mut self) -> Result<(), String> {
        while let Some(act) = self.chrome.acts.get(self.acts_seen).copied() {
            self.acts_seen += 1;
            let times = self.done.entry(act.number).or_default();
            *times += 1;
            if *times > 1 {
                return Err(format!("invariant 3: act {} ran twice", act.number));
            }
            if self.forged_acts.contains(&act.number) {
                return Err(format!(
                    "invariant 5: act {} ran, asked for in another's name",
                    act.number
                ));
            }
            if self.visitor.has_asked(act.number) {
                self.check_act_of_visitor(act)?;
                continue;
            }
            let Some(session) = self.askers.get(&act.number) else {
                return Err(format!("invariant 3: nobody asked for act {}", act.number));
            };
            let begun =
                |wire: &WireId| self.storage.contains_key(&format!("call/{session}/{wire}"));
            if !self.wires.get(&act.number).is_some_and(begun) {
                return Err(format!(
                    "invariant 3: act {} ran, and no disk knows that it had begun",
                    act.number
                ));
            }
            if act.left {
                let state = self.chrome.tabs.get(&act.tab);
                let left = state.map(|tab| (tab.cast, &tab.held));
                return Err(format!(
                    "invariant 7: act {} ran in {}, where something is left of an earlier call: \
                     {left:?} (a screencast; buttons and keys)",
                    act.number, act.tab
                ));
            }
            let owner = self.model.owner(act.tab);
            if owner.is_none() && self.running_on.contains(&act.number) {
                self.report
                    .count("state: ran on in a tab of which the store cannot tell any more");
            } else if owner != Some(session) {
                return Err(format!(
                    "invariant 1: act {} of {session} ran in {} of {:?}",
                    act.number, act.tab, owner
                ));
            }
        }
        Ok(())
    }

    /// An unpaired server's script ran: in a tab of its own, and its disk knows that it had begun.
    fn check_act_of_visitor(&self, act: Act) -> Result<(), String> {
        let owner = self.model.owner(act.tab);
        let Some(own) = owner.filter(|owner| is_unpaired(owner)) else {
            return Err(format!(
                "invariant 1: act {} of the unpaired server ran in {} of {owner:?}",
                act.number, act.tab
            ));
        };
        let calls = format!("call/{own}/");
        if !self.storage.keys().any(|key| key.starts_with(&calls)) {
            return Err(format!(
                "invariant 3: act {} ran, and no disk knows that it had begun",
                act.number
            ));
        }
        Ok(())
    }

    /// A result that was on disk when the worker died is what the agent gets, where nothing else happened.
    fn check_kept_result(
        &mut self,
        act: u64,
        outcome: &Result<Value, WireError>,
    ) -> Result<(), String> {
        let kept = self
            .wires
            .get(&act)
            .is_some_and(|wire| self.results.contains(wire));
        let alone = self
            .strike
            .is_some_and(|strike| strike.blow == Blow::WorkerDiesUnheard);
        match outcome {
            Ok(_) if kept => {
                self.report
                    .count("state: answered by what a dead worker had kept");
                Ok(())
            }
            Err(error) if kept && alone && error.code == ErrorCode::OutcomeUnknown => Err(format!(
                "invariant 3: the result of act {act} was kept, yet it was answered {error}"
            )),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Every server that is up is connected (invariant 8).
    pub(super) fn check_all_found(&mut self) -> Result<(), String> {
        let view = self.view();
        for node in self.nodes.iter().filter(|node| node.core.is_some()) {
            let Some(own) = &node.identity else { continue };
            // One that belongs to a browser that is no more stands by in this one.
            let elsewhere = own.browser.as_ref().map(|bound| &bound.name) != Some(&view.browser);
            let wanted = if elsewhere {
                InstanceState::Standby
            } else {
                InstanceState::Connected
            };
            let found = view
                .instances
                .iter()
                .any(|instance| instance.state == wanted && instance.session_id == own.session_id);
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
    pub(super) fn check_all_answered(&self) -> Result<(), String> {
        for node in &self.nodes {
            if let Some((call, asked)) = node.agent.open.first_key_value() {
                return Err(format!(
                    "invariant 3: call {call} ({}) was never answered",
                    asked.name
                ));
            }
        }
        self.visitor.check_answered()?;
        let open = self.model.unanswered();
        if let Some(call) = open.first() {
            return Err(format!(
                "invariant 3: {call:?} was never answered: {}",
                self.model.describe(*call)
            ));
        }
        Ok(())
    }

    /// When all sessions are over, nothing of them remains (invariant 7).
    pub(super) fn check_nothing_left(&self) -> Result<(), String> {
        let unsettled = self.model.unsettled();
        if let Some(call) = unsettled.first() {
            return Err(format!(
                "invariant 3: {call:?} never settled: {}",
                self.model.describe(*call)
            ));
        }
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
            .filter(|key| {
                !matches!(
                    key.as_str(),
                    "browser" | "browserId" | "ports" | "paused" | LATER
                )
            })
            .collect();
        if !kept.is_empty() {
            return Err(format!("invariant 7: left in the store: {kept:?}"));
        }
        Ok(())
    }

    /// An answer reached an agent: it must be its own, and true.
    pub(super) fn check_answer(
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
        node.agent.last = Some(
            answer
                .outcome
                .as_ref()
                .map_or_else(|e| Err(e.code), |_| Ok(())),
        );
        for (tab, told) in node.agent.follow_own(answer) {
            if !told {
                return Err(format!(
                    "invariant 6: an answer says nothing of {tab}, which ended with its session"
                ));
            }
            self.report
                .count("state: told of all that ended with its session");
        }
        let session = node.identity.as_ref().map(|own| own.session_id.clone());
        self.remember_answer(server, call, answer);
        if let Some(session) = session {
            self.check_told(&session, answer)?;
        }
        if let Err(error) = &answer.outcome
            && error.code == ErrorCode::Internal
        {
            return Err(format!("a fault of ours: {error}"));
        }
        let Some(act) = asked.act else { return Ok(()) };
        let times = self.done.get(&act).copied().unwrap_or_default();
        self.check_kept_result(act, &answer.outcome)?;
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
}

/// Whether this is only still to be removed.
pub(super) fn is_gone(entity: &Value) -> bool {
    entity.get("gone").is_some()
}

/// Whether this version reads what is stored.
pub(super) fn is_readable(entity: &Value) -> bool {
    entity["v"] == 1 && entity["e"].is_object()
}

/// Which tabs are on their way to whom, as a store says it.
pub(crate) fn gifts_in(storage: &BTreeMap<String, Value>) -> BTreeMap<TabId, SessionId> {
    let gift = |(key, record): (&String, &Value)| {
        let tab = key.strip_prefix("tab/")?.parse().ok().map(TabId)?;
        let heir = record.pointer("/e/leaving/session")?.as_str()?;
        Some((tab, SessionId::new(heir).ok()?))
    };
    storage.iter().filter_map(gift).collect()
}

/// Tabs that are leaving an owner, as a store says it, by whom they leave.
pub(crate) fn partings_in(storage: &BTreeMap<String, Value>) -> BTreeMap<TabId, SessionId> {
    let parting = |(key, record): (&String, &Value)| {
        let tab = key.strip_prefix("tab/")?.parse().ok().map(TabId)?;
        record
            .pointer("/e/leaving")
            .filter(|next| !next.is_null())?;
        let owner = record.pointer("/e/owner/session/0")?.as_str()?;
        Some((tab, SessionId::new(owner).ok()?))
    };
    storage.iter().filter_map(parting).collect()
}
