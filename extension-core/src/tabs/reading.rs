//! What can be read of the machine.

use super::state::{Current, Floor, Holding, Next, Place, Slot, Tab, Until};
use super::{Duty, Owner, Tabs};
use crate::input::CallId;
use protocol::command::{TabEntry, TabState, Waiting};
use protocol::error::Peer;
use protocol::frame::LostTab;
use protocol::{SessionId, SortedSet, TabId};

impl Tabs {
    /// How much is left of sessions: seats, calls and timers; nothing when none is known.
    #[must_use]
    pub fn remains(&self) -> usize {
        self.seats.len() + self.calls.len() + self.timers.len()
    }

    /// Whether the tab is known at all.
    #[must_use]
    pub fn knows(&self, tab: TabId) -> bool {
        self.by_id.contains_key(&tab)
    }

    /// Whether the tab is the person's.
    #[must_use]
    pub fn is_person_tab(&self, tab: TabId) -> bool {
        self.owner(tab) == Some(Owner::Person)
    }

    /// Whose the tab is; the old owner until a change is complete.
    #[must_use]
    pub fn owner(&self, tab: TabId) -> Option<Owner> {
        Some(self.tab(tab)?.holding.owner())
    }

    /// Whether the tab is the session's: it owns it and does not let it go, or it is on its way.
    #[must_use]
    pub fn is_owner(&self, session: &SessionId, tab: TabId) -> bool {
        self.tab(tab).and_then(Tab::holder) == Some(session)
    }

    /// Whether the tab closes with its last owner's session; borrowed ones and the person's do not.
    #[must_use]
    pub fn is_made(&self, tab: TabId) -> bool {
        self.tab(tab).is_some_and(|tab| match &tab.holding {
            Holding::Session { duty, .. } | Holding::Free { duty, .. } => *duty == Duty::Made,
            Holding::Person | Holding::Undetermined { .. } => false,
        })
    }

    /// The call that has the turn on the tab, one that is being stopped included.
    #[must_use]
    pub fn turn(&self, tab: TabId) -> Option<CallId> {
        match self.tab(tab)?.floor {
            Floor::Turn(call)
            | Floor::Leaving {
                until: Until::TurnEnds(call),
                ..
            } => Some(call),
            Floor::Making { .. }
            | Floor::Mending
            | Floor::Idle
            | Floor::Closing { .. }
            | Floor::Leaving {
                until: Until::Made | Until::Mended | Until::Cleared,
                ..
            } => None,
        }
    }

    /// How many claims wait for the tab.
    #[must_use]
    pub fn waiters(&self, tab: TabId) -> usize {
        self.tab(tab).map_or(0, |tab| tab.claims.len())
    }

    /// Who waits for the tab, first come first; twice, who waits twice.
    #[must_use]
    pub fn claimants(&self, tab: TabId) -> Vec<SessionId> {
        let claims = self.tab(tab).map(|tab| &tab.claims);
        claims
            .into_iter()
            .flatten()
            .filter_map(|id| Some(self.calls.get(id)?.session.clone()))
            .collect()
    }

    /// The session's current tab; none also while it is being made.
    #[must_use]
    pub fn current(&self, session: &SessionId) -> Option<TabId> {
        match self.seats.get(session)?.current {
            Current::Tab(slot) => self.tabs.get(&slot)?.id,
            Current::Never | Current::Gone(_) => None,
        }
    }

    /// The session's tabs, by id, those that leave it included, unless they leave it to be closed:
    /// it has done with these, and may not know the id under which they go.
    #[must_use]
    pub fn owned_by(&self, session: &SessionId) -> Vec<TabId> {
        let slots = self.seats.get(session).map(|seat| &seat.tabs);
        let tabs: SortedSet<TabId> = slots
            .into_iter()
            .flatten()
            .filter_map(|slot| self.tabs.get(slot))
            .filter(|tab| !tab.is_ending())
            .filter_map(|tab| tab.id)
            .collect();
        tabs.into_iter().collect()
    }

    /// The tab of a slot, once Chrome has made it.
    #[must_use]
    pub fn tab_of(&self, slot: Slot) -> Option<TabId> {
        self.tabs.get(&slot)?.id
    }

    /// The tab that a call runs on, or waits for.
    #[must_use]
    pub fn tab_of_call(&self, call: CallId) -> Option<TabId> {
        let place = &self.calls.get(&call)?.place;
        match place {
            Place::Running { tab, .. } => Some(*tab),
            Place::Queued { slot, .. } | Place::Claim { slot, .. } | Place::Asked { slot } => {
                self.tab_of(*slot)
            }
            Place::Homeless => None,
        }
    }

    /// What `browser_tabs` answers `session`: its current tab, and without URLs and titles its own
    /// tabs, then free ones and others', each by id. The person's stand in no list.
    #[must_use]
    pub fn listing(&self, session: &SessionId) -> (Option<TabId>, Vec<TabEntry>) {
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (id, slot) in &self.by_id {
            let Some(tab) = self.tabs.get(slot) else {
                continue;
            };
            let (state, owner) = match (tab.holder(), &tab.holding) {
                (Some(holder), _) if holder == session => (TabState::Yours, None),
                (Some(holder), _) => (TabState::Owned, self.peer(holder)),
                (None, Holding::Free { .. }) => (TabState::Free, None),
                (None, Holding::Session { duty, .. }) => match (passes_on(tab), duty) {
                    (true, Duty::Made) if tab.claims.is_empty() => (TabState::Free, None),
                    (true, Duty::Made) => (TabState::Owned, None),
                    (true, Duty::Borrowed) | (false, _) => continue,
                },
                (None, Holding::Person | Holding::Undetermined { .. }) => continue,
            };
            let list = match state {
                TabState::Yours => &mut own,
                TabState::Owned | TabState::Free => &mut others,
            };
            list.push(TabEntry {
                tab_id: *id,
                state,
                owner,
                url: None,
                title: None,
                waiters: tab.claims.len(),
            });
        }
        own.append(&mut others);
        (self.current(session), own)
    }

    /// Free tabs, by id.
    #[must_use]
    pub fn free(&self) -> Vec<TabId> {
        let free = |slot: &Slot| {
            self.tabs
                .get(slot)
                .is_some_and(|tab| matches!(tab.holding, Holding::Free { .. }))
        };
        let tabs = self.by_id.iter().filter(|(_, slot)| free(slot));
        tabs.map(|(id, _)| *id).collect()
    }

    /// All claims, by tab and place.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        for id in self.by_id.keys() {
            for (index, session) in self.claimants(*id).iter().enumerate() {
                if let Some(peer) = self.peer(session) {
                    waiting.push(Waiting {
                        alias: peer.alias,
                        tab_id: *id,
                        position: index + 1,
                    });
                }
            }
        }
        waiting
    }

    /// Tabs of the session that were lost with a restart: told once, then forgotten.
    pub fn take_lost(&mut self, session: &SessionId) -> Vec<LostTab> {
        let Some(seat) = self.seats.get_mut(session) else {
            return Vec::new();
        };
        let lost = std::mem::take(&mut seat.lost);
        if !lost.is_empty() {
            self.soil_seat(session);
        }
        lost.iter().map(tellable).collect()
    }

    /// The same without forgetting, for `sessionOpened`.
    #[must_use]
    pub fn lost(&self, session: &SessionId) -> Vec<LostTab> {
        self.seats
            .get(session)
            .map_or(Vec::new(), |seat| seat.lost.iter().map(tellable).collect())
    }

    pub(super) fn peer(&self, session: &SessionId) -> Option<Peer> {
        Some(self.seats.get(session)?.peer.clone())
    }

    fn tab(&self, id: TabId) -> Option<&Tab> {
        self.tabs.get(self.by_id.get(&id)?)
    }
}

/// A lost tab as its session is told of it: what it last showed may be none of an agent's business.
fn tellable(lost: &LostTab) -> LostTab {
    LostTab {
        tab_id: lost.tab_id,
        url: protocol::url::tellable(&lost.url).into_owned(),
    }
}

/// Whether a tab without holder will be somebody's.
fn passes_on(tab: &Tab) -> bool {
    match &tab.floor {
        Floor::Leaving { next, .. } => match next {
            Next::FirstClaim => true,
            Next::Session(_) | Next::Person | Next::Close => false,
        },
        Floor::Making { .. }
        | Floor::Mending
        | Floor::Idle
        | Floor::Turn(_)
        | Floor::Closing { .. } => false,
    }
}
