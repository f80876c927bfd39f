//! Sessions that wait for one another. A claim is an edge from its session to the holder of its
//! tab; a cycle of them would wait until a time-out, so its youngest claim fails at once.

use super::Tabs;
use super::state::{Place, Slot};
use crate::input::CallId;
use protocol::error::Fault;
use protocol::{SessionId, SortedMap, TabId};
use std::collections::VecDeque;

impl Tabs {
    /// Ends every cycle that runs through `session`: its edges, or those to it, are the new ones.
    pub(super) fn break_cycles(&mut self, session: &SessionId) {
        while let Some(cycle) = self.cycle_through(session) {
            let age = |id: &CallId| self.calls.get(id).map_or(0, |call| call.age);
            let Some(youngest) = cycle.iter().copied().max_by_key(age) else {
                return;
            };
            let fault = self.deadlock(youngest, &cycle);
            self.refuse(youngest, fault);
        }
    }

    /// The claims of `session`, each with the session that it waits for.
    fn edges(&self, session: &SessionId) -> impl Iterator<Item = (CallId, Slot, &SessionId)> {
        let calls = self.seats.get(session).map(|seat| &seat.calls);
        calls.into_iter().flatten().filter_map(|id| {
            let slot = match &self.calls.get(id)?.place {
                Place::Claim { slot, .. } => *slot,
                Place::Queued { .. }
                | Place::Running { .. }
                | Place::Asked { .. }
                | Place::Homeless => return None,
            };
            Some((*id, slot, self.tabs.get(&slot)?.holder()?))
        })
    }

    /// The claims of a shortest cycle from `start` back to it.
    fn cycle_through(&self, start: &SessionId) -> Option<Vec<CallId>> {
        let mut came_by: SortedMap<&SessionId, CallId> = SortedMap::new();
        let mut open: VecDeque<&SessionId> = VecDeque::from([start]);
        while let Some(session) = open.pop_front() {
            for (claim, _, holder) in self.edges(session) {
                if holder == start {
                    let mut cycle = vec![claim];
                    let mut at = session;
                    while let Some(earlier) = came_by.get(at) {
                        cycle.push(*earlier);
                        at = &self.calls.get(earlier)?.session;
                    }
                    return Some(cycle);
                }
                if !came_by.contains_key(holder) {
                    came_by.insert(holder, claim);
                    open.push_back(holder);
                }
            }
        }
        None
    }

    fn deadlock(&self, failing: CallId, cycle: &[CallId]) -> Fault {
        let claimed = |id: CallId| {
            let call = self.calls.get(&id)?;
            let tab = self.tabs.get(&call.place.slot()?)?;
            Some((&call.session, tab.holder()?, tab.id?))
        };
        let found = claimed(failing).and_then(|(session, owner, tab)| {
            let held: TabId = cycle
                .iter()
                .filter_map(|id| claimed(*id))
                .find(|(_, holder, _)| *holder == session)
                .map(|(_, _, held)| held)?;
            let owner = self.peer(owner)?;
            Some(Fault::Deadlock { tab, owner, held })
        });
        found.unwrap_or_else(|| Fault::Internal {
            what: "a cycle of claims lost its owner".into(),
        })
    }
}
