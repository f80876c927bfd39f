//! The reference model: ordered lists and nothing else. It follows what the core says it decided
//! and objects where a list says otherwise. It knows no machine of the core's.

use extension_core::extension::Trace;
use extension_core::input::CallId;
use extension_core::tabs::{Owner, TabEvent};
use protocol::command::TabsAction;
use protocol::limits::CALLS_PER_SESSION_MAX;
use protocol::{Command, SessionId, TabId};
use std::collections::{BTreeMap, BTreeSet};

/// A call as the model sees it.
#[derive(Clone, Debug)]
struct Call {
    session: SessionId,
    arrived: u64,
    /// The tab that it names and wants to act on: another's tab makes it a claim.
    wants: Option<TabId>,
    /// To whom it hands a tab over.
    to: Option<SessionId>,
    /// It takes turns in the order of its arrival.
    turns: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Model {
    owners: BTreeMap<TabId, SessionId>,
    /// The call that has the turn, by tab.
    running: BTreeMap<TabId, CallId>,
    /// Calls that are not settled yet.
    open: BTreeMap<CallId, Call>,
    /// Those of them that wait, in order of arrival. On another's tab they are its claims.
    waiting: Vec<CallId>,
    /// Tabs that a hand-over or a person gives, and to whom; an attempt may come to nothing.
    given: BTreeMap<TabId, BTreeSet<SessionId>>,
    /// Tabs that an ended session was still letting go of when the worker died: one of its name may be
    /// the first that wants it.
    parting: BTreeMap<TabId, SessionId>,
    /// Who was promised a tab that had no number yet.
    promised: BTreeSet<SessionId>,
    /// The latest arrival that had a turn, by tab and session.
    latest: BTreeMap<(TabId, SessionId), u64>,
    answered: BTreeSet<CallId>,
    arrivals: u64,
}

impl Model {
    /// A tab goes on under another id.
    pub fn rename(&mut self, old: TabId, new: TabId) {
        if let Some(owner) = self.owners.remove(&old) {
            self.owners.insert(new, owner);
        }
        if let Some(call) = self.running.remove(&old) {
            self.running.insert(new, call);
        }
        if let Some(given) = self.given.remove(&old) {
            self.given.insert(new, given);
        }
        for call in self
            .open
            .values_mut()
            .filter(|call| call.wants == Some(old))
        {
            call.wants = Some(new);
        }
        let latest = std::mem::take(&mut self.latest);
        let renamed = |((tab, session), arrival)| {
            let tab = if tab == old { new } else { tab };
            ((tab, session), arrival)
        };
        self.latest = latest.into_iter().map(renamed).collect();
    }

    /// Who owns a tab, if a session does.
    #[must_use]
    pub fn owner(&self, tab: TabId) -> Option<&SessionId> {
        self.owners.get(&tab)
    }

    /// Tabs that sessions own.
    pub fn owned(&self) -> impl Iterator<Item = TabId> {
        self.owners.keys().copied()
    }

    /// Follows one decision; an error names the invariant that it breaks.
    pub fn follow(&mut self, trace: &Trace) -> Result<(), String> {
        match trace {
            Trace::Call {
                call,
                session,
                command,
                tab,
                wait: _,
                to,
            } => {
                self.accept(*call, session, command, *tab, to.as_ref());
                Ok(())
            }
            Trace::Tab(event) => self.follow_tab(event),
            Trace::TurnEnded { call } => {
                self.running.retain(|_, running| running != call);
                self.forget_if_over(*call);
                Ok(())
            }
            Trace::Answered { call, error: _ } => {
                if !self.answered.insert(*call) {
                    return Err(format!("invariant 3: {call:?} was answered twice"));
                }
                if !self.open.contains_key(call) {
                    return Err(format!("invariant 3: {call:?} was never accepted"));
                }
                self.no_longer_waits(*call);
                self.forget_if_over(*call);
                Ok(())
            }
            Trace::Dropped { call } => {
                self.no_longer_waits(*call);
                self.open.remove(call);
                Ok(())
            }
            Trace::Given { tab, to } => {
                self.given.entry(*tab).or_default().insert(to.clone());
                Ok(())
            }
            Trace::Found { .. } | Trace::Ended { session: _ } => Ok(()),
        }
    }

    fn accept(
        &mut self,
        call: CallId,
        session: &SessionId,
        command: &Command,
        tab: Option<TabId>,
        to: Option<&SessionId>,
    ) {
        self.arrivals += 1;
        let (wants, turns) = match command {
            Command::Tabs(TabsAction::Select { tab, .. }) => (Some(*tab), false),
            Command::Tabs(
                TabsAction::List
                | TabsAction::New { .. }
                | TabsAction::Close { .. }
                | TabsAction::Release { .. }
                | TabsAction::Handoff { .. },
            )
            | Command::Session
            | Command::HandleDialog(_) => (None, false),
            Command::Navigate(_)
            | Command::Snapshot
            | Command::Click(_)
            | Command::Type(_)
            | Command::PressKey(_)
            | Command::Hover(_)
            | Command::MouseWheel(_)
            | Command::SelectOption(_)
            | Command::Evaluate(_)
            | Command::WaitFor(_)
            | Command::Screenshot(_)
            | Command::ConsoleMessages(_)
            | Command::NetworkRequests(_) => (tab, true),
        };
        let new = Call {
            session: session.clone(),
            arrived: self.arrivals,
            wants,
            to: to.cloned(),
            turns,
        };
        self.open.insert(call, new);
        self.waiting.push(call);
    }

    fn follow_tab(&mut self, event: &TabEvent) -> Result<(), String> {
        match event {
            TabEvent::Begin { call, tab } => self.begin(*call, *tab),
            TabEvent::OwnerChanged { tab, from, to } => self.pass(*tab, from, to),
            TabEvent::Refuse { call, fault: _ } => {
                self.no_longer_waits(*call);
                Ok(())
            }
            TabEvent::Finished { call, tab } => {
                let to = self.open.get(call).and_then(|call| call.to.clone());
                match (to, tab) {
                    (Some(to), Some(tab)) => {
                        self.given.entry(*tab).or_default().insert(to);
                    }
                    // Handed over while it is still being made: it has no number yet.
                    (Some(to), None) => drop(self.promised.insert(to)),
                    (None, _) => {}
                }
                Ok(())
            }
            TabEvent::Progress { call, progress: _ } => {
                if self.waiting.contains(call) {
                    Ok(())
                } else {
                    Err(format!(
                        "invariant 2: {call:?} is told to wait and does not"
                    ))
                }
            }
            TabEvent::Make { .. }
            | TabEvent::Stop { .. }
            | TabEvent::Dropped { .. }
            | TabEvent::Clear { .. }
            | TabEvent::Mend { .. }
            | TabEvent::Close { .. }
            | TabEvent::Seek
            | TabEvent::NoneMissing
            | TabEvent::Show { .. } => Ok(()),
        }
    }

    fn begin(&mut self, call: CallId, tab: TabId) -> Result<(), String> {
        if let Some(other) = self.running.insert(tab, call) {
            return Err(format!(
                "invariant 1: {call:?} and {other:?} both have the turn on {tab}"
            ));
        }
        let Some(known) = self.open.get(&call) else {
            return Err(format!("invariant 3: {call:?} begins after its end"));
        };
        if self.answered.contains(&call) {
            return Err(format!("invariant 3: {call:?} begins after its answer"));
        }
        if !self.waiting.contains(&call) {
            return Err(format!("invariant 3: {call:?} begins twice"));
        }
        if !self.owners.contains_key(&tab) && self.parting.get(&tab) == Some(&known.session) {
            let session = known.session.clone();
            self.check_first(tab, &session)?;
            self.owners.insert(tab, session);
        }
        self.parting.remove(&tab);
        if self.owners.get(&tab) != Some(&known.session) {
            return Err(format!(
                "invariant 1: {call:?} of {} has the turn on {tab} of {:?}",
                known.session,
                self.owners.get(&tab)
            ));
        }
        if known.wants.is_some_and(|named| named != tab) {
            return Err(format!(
                "invariant 6: {call:?} named {:?} and runs on {tab}",
                known.wants
            ));
        }
        if known.turns {
            let key = (tab, known.session.clone());
            let latest = self.latest.entry(key).or_default();
            if known.arrived < *latest {
                return Err(format!("turns: {call:?} on {tab} comes after a later one"));
            }
            *latest = known.arrived;
        }
        self.no_longer_waits(call);
        Ok(())
    }

    fn pass(&mut self, tab: TabId, from: &Owner, to: &Owner) -> Result<(), String> {
        if let Some(running) = self.running.get(&tab) {
            return Err(format!(
                "invariant 1: {tab} changes hands under {running:?}"
            ));
        }
        let given = self.given.remove(&tab).unwrap_or_default();
        self.parting.remove(&tab);
        let Owner::Session(session) = to else {
            self.owners.remove(&tab);
            return Ok(());
        };
        // A new tab is its maker's, or its opener's owner's: nobody grants it.
        let granted = *from != Owner::Undetermined
            && !given.contains(session)
            && !self.promised.contains(session);
        if granted {
            self.check_first(tab, session)?;
        }
        self.owners.insert(tab, session.clone());
        Ok(())
    }

    /// Among those that wait for a tab, it goes to the first.
    fn check_first(&self, tab: TabId, session: &SessionId) -> Result<(), String> {
        let first = self
            .waiting
            .iter()
            .filter_map(|call| self.open.get(call))
            .find(|call| call.wants == Some(tab))
            .map(|call| &call.session);
        match first {
            Some(first) if first == session => Ok(()),
            Some(first) => Err(format!(
                "invariant 2: {tab} goes to {session}, though {first} waits first"
            )),
            None => Err(format!(
                "invariant 2: {tab} goes to {session}, who does not wait for it"
            )),
        }
    }

    fn no_longer_waits(&mut self, call: CallId) {
        self.waiting.retain(|other| *other != call);
    }

    /// A call is over when it was answered and, if it had a turn, its turn has ended.
    fn forget_if_over(&mut self, call: CallId) {
        let runs = self.running.values().any(|running| *running == call);
        if self.answered.contains(&call) && !runs {
            self.open.remove(&call);
        }
    }

    /// Of an ended session no call waits any more; its turns end as the pages settle.
    pub fn check_ended(&self, session: &SessionId) -> Result<(), String> {
        let mut waiting = self.waiting.iter();
        let left = waiting.find(|call| {
            self.open
                .get(call)
                .is_some_and(|call| call.session == *session)
        });
        left.map_or(Ok(()), |call| {
            Err(format!("invariant 7: {call:?} of {session} outlives it"))
        })
    }

    /// No session has more calls than it may (invariant 9).
    pub fn check_bounds(&self) -> Result<(), String> {
        if self.open.len() <= CALLS_PER_SESSION_MAX {
            return Ok(());
        }
        let mut counts: BTreeMap<&SessionId, usize> = BTreeMap::new();
        for (id, call) in &self.open {
            if !self.answered.contains(id) {
                *counts.entry(&call.session).or_default() += 1;
            }
        }
        match counts
            .iter()
            .find(|(_, count)| **count > CALLS_PER_SESSION_MAX)
        {
            Some((session, count)) => Err(format!("invariant 9: {count} calls of {session}")),
            None => Ok(()),
        }
    }

    /// What is known of a call, for a failure's message.
    #[must_use]
    pub fn describe(&self, call: CallId) -> String {
        format!(
            "{:?}, answered {}, running on {:?}",
            self.open.get(&call),
            self.answered.contains(&call),
            self.running.iter().find(|(_, running)| **running == call)
        )
    }

    /// Calls that wait for an answer. One with an open dialog has its answer and keeps its turn.
    #[must_use]
    pub fn unanswered(&self) -> Vec<CallId> {
        let open = self.open.keys();
        open.filter(|call| !self.answered.contains(call))
            .copied()
            .collect()
    }

    /// Calls that are not over, for the end of a run.
    #[must_use]
    pub fn unsettled(&self) -> Vec<CallId> {
        self.open.keys().copied().collect()
    }

    /// The worker died: turns and claims died with it; owners are as its successor says.
    pub fn reborn(
        &mut self,
        owners: BTreeMap<TabId, SessionId>,
        given: BTreeMap<TabId, SessionId>,
        parting: BTreeMap<TabId, SessionId>,
    ) {
        *self = Self {
            owners,
            parting,
            given: given
                .into_iter()
                .map(|(tab, heir)| (tab, BTreeSet::from([heir])))
                .collect(),
            ..Self::default()
        };
    }
}
