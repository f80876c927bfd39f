//! The reference model: ordered lists and nothing else. It follows what the core says it decided
//! and objects where a list says otherwise. It knows no machine of the core's.

use extension_core::extension::Trace;
use extension_core::input::CallId;
use extension_core::tabs::{Owner, TabEvent};
use protocol::{SessionId, TabId};
use std::collections::{BTreeMap, BTreeSet};

/// A call as the model sees it.
#[derive(Clone, Debug)]
struct Call {
    session: SessionId,
    arrived: u64,
    named: Option<TabId>,
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
    /// Claims in order of arrival, by tab.
    claims: BTreeMap<TabId, Vec<CallId>>,
    /// Tabs that a hand-over or a person gives, and to whom.
    given: BTreeMap<TabId, BTreeSet<SessionId>>,
    /// The latest arrival that had a turn, by tab and session.
    latest: BTreeMap<(TabId, SessionId), u64>,
    answered: BTreeSet<CallId>,
    ended: BTreeSet<CallId>,
    arrivals: u64,
}

impl Model {
    /// Who owns a tab, if a session does.
    #[must_use]
    pub fn owner(&self, tab: TabId) -> Option<&SessionId> {
        self.owners.get(&tab)
    }

    /// Follows one decision; an error names the invariant that it breaks.
    pub fn follow(&mut self, trace: &Trace) -> Result<(), String> {
        match trace {
            Trace::Call {
                call,
                session,
                name,
                tab,
                wait,
                to,
            } => {
                self.arrivals += 1;
                let turns = !matches!(
                    name.as_str(),
                    "browser_tabs" | "browser_session" | "browser_handle_dialog" | "createTab"
                );
                let new = Call {
                    session: session.clone(),
                    arrived: self.arrivals,
                    named: *tab,
                    turns,
                };
                if let Some(tab) = tab
                    && turns
                    && !wait.is_zero()
                    && self.owners.get(tab).is_some_and(|owner| owner != session)
                {
                    self.claims.entry(*tab).or_default().push(*call);
                }
                if let Some(to) = to {
                    // Which tab is handed over is said by the change itself.
                    for (tab, _) in self.owners.iter().filter(|(_, owner)| *owner == session) {
                        self.given.entry(*tab).or_default().insert(to.clone());
                    }
                }
                self.open.insert(*call, new);
                Ok(())
            }
            Trace::Tab(event) => self.follow_tab(event),
            Trace::TurnEnded { call } => {
                self.running.retain(|_, running| running != call);
                self.ended.insert(*call);
                self.forget_if_over(*call);
                Ok(())
            }
            Trace::Answered { call, error: _ } => {
                if !self.answered.insert(*call) {
                    return Err(format!("invariant 3: {call:?} was answered twice"));
                }
                self.unclaim(*call);
                self.forget_if_over(*call);
                Ok(())
            }
            Trace::Dropped { call } => {
                self.unclaim(*call);
                self.open.remove(call);
                Ok(())
            }
            Trace::Given { tab, to } => {
                self.given.entry(*tab).or_default().insert(to.clone());
                Ok(())
            }
            Trace::Ended { session: _ } => Ok(()),
        }
    }

    fn follow_tab(&mut self, event: &TabEvent) -> Result<(), String> {
        match event {
            TabEvent::Begin { call, tab } => self.begin(*call, *tab),
            TabEvent::OwnerChanged { tab, from: _, to } => self.pass(*tab, to),
            TabEvent::Refuse { call, fault: _ } => {
                self.unclaim(*call);
                Ok(())
            }
            TabEvent::Make { .. }
            | TabEvent::Stop { .. }
            | TabEvent::Dropped { .. }
            | TabEvent::Finished { .. }
            | TabEvent::Progress { .. }
            | TabEvent::Clear { .. }
            | TabEvent::Mend { .. }
            | TabEvent::Close { .. }
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
        if self.owners.get(&tab) != Some(&known.session) {
            return Err(format!(
                "invariant 1: {call:?} of {} has the turn on {tab} of {:?}",
                known.session,
                self.owners.get(&tab)
            ));
        }
        if known.named.is_some_and(|named| named != tab) {
            return Err(format!(
                "invariant 6: {call:?} named {:?} and runs on {tab}",
                known.named
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
        self.unclaim(call);
        Ok(())
    }

    fn pass(&mut self, tab: TabId, to: &Owner) -> Result<(), String> {
        if let Some(running) = self.running.get(&tab) {
            return Err(format!(
                "invariant 1: {tab} changes hands under {running:?}"
            ));
        }
        let given = self.given.remove(&tab);
        match to {
            Owner::Session(session) => {
                let first = self
                    .claims
                    .get(&tab)
                    .and_then(|claims| claims.first())
                    .and_then(|call| self.open.get(call));
                if let Some(first) = first
                    && first.session != *session
                    && !given.is_some_and(|given| given.contains(session))
                {
                    return Err(format!(
                        "invariant 2: {tab} goes to {session}, though {} waits first",
                        first.session
                    ));
                }
                self.owners.insert(tab, session.clone());
                // Its own other claims on this tab are ordinary calls from now on.
                let open = &self.open;
                if let Some(claims) = self.claims.get_mut(&tab) {
                    claims.retain(|call| open.get(call).is_some_and(|c| c.session != *session));
                }
            }
            Owner::Person | Owner::Free | Owner::Undetermined => {
                self.owners.remove(&tab);
            }
        }
        Ok(())
    }

    fn unclaim(&mut self, call: CallId) {
        self.claims.retain(|_, claims| {
            claims.retain(|other| *other != call);
            !claims.is_empty()
        });
    }

    /// A call is over when it was answered and, if it had a turn, its turn has ended.
    fn forget_if_over(&mut self, call: CallId) {
        let runs = self.running.values().any(|running| *running == call);
        if self.answered.contains(&call) && !runs {
            self.open.remove(&call);
        }
    }

    /// Calls that are not over, for the end of a run.
    #[must_use]
    pub fn unsettled(&self) -> Vec<CallId> {
        self.open.keys().copied().collect()
    }

    /// The worker died: turns and claims died with it; owners are restored.
    pub fn reborn(&mut self) {
        *self = Self {
            owners: std::mem::take(&mut self.owners),
            ..Self::default()
        };
    }
}
