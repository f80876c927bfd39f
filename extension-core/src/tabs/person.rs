//! What a person may do: everything, at any time.

use super::Tabs;
use super::commands::Why;
use super::state::{Duty, Floor, Holding, Next, Place, Slot, Tab};
use protocol::error::Fault;
use protocol::{Instant, SessionId, TabId};

impl Tabs {
    /// The person gives a tab to a session: one of their own, a free one, or another session's. It
    /// is borrowed from then on.
    ///
    /// # Errors
    /// `tab_gone`, `session_unknown`, or `limit_reached` for a session with too many tabs.
    pub fn give(&mut self, tab: TabId, to: &SessionId, now: Instant) -> Result<(), Fault> {
        self.observe(now);
        let slot = self.in_reach(tab)?;
        if !self.seats.contains_key(to) {
            return Err(Fault::SessionUnknown {
                session: to.to_string(),
            });
        }
        let holder = self.tabs.get(&slot).and_then(Tab::holder);
        if holder != Some(to) {
            self.check_room(to)?;
            self.borrow(slot);
            self.end_opener(tab);
            self.leave(slot, Next::Session(to.clone()), Why::Taken);
        } else {
            self.borrow(slot);
        }
        self.settle();
        Ok(())
    }

    /// The person takes a tab back, whatever runs on it.
    ///
    /// # Errors
    /// `tab_gone`.
    pub fn take_back(&mut self, tab: TabId, now: Instant) -> Result<(), Fault> {
        self.observe(now);
        let slot = self.in_reach(tab)?;
        self.end_opener(tab);
        let leaves = |tab: &Tab| matches!(tab.floor, Floor::Leaving { .. });
        match self.tabs.get(&slot).map(|tab| &tab.holding) {
            Some(Holding::Session { .. } | Holding::Free { .. }) => {
                self.borrow(slot);
                self.leave(slot, Next::Person, Why::Taken);
            }
            // Given to somebody, but not theirs yet.
            Some(Holding::Person) if self.tabs.get(&slot).is_some_and(leaves) => {
                self.leave(slot, Next::Person, Why::Taken);
            }
            Some(Holding::Person | Holding::Undetermined { .. }) | None => {}
        }
        self.settle();
        Ok(())
    }

    /// The person lets a session's tab go, as the session itself would.
    ///
    /// # Errors
    /// `tab_gone`; `bad_arguments` for a tab that is no session's.
    pub fn release_by_person(&mut self, tab: TabId, now: Instant) -> Result<(), Fault> {
        self.observe(now);
        let slot = self.in_reach(tab)?;
        if self.tabs.get(&slot).and_then(Tab::holder).is_none() {
            return Err(Fault::BadArguments {
                what: format!("tab {tab} belongs to no session"),
            });
        }
        self.release(slot);
        self.settle();
        Ok(())
    }

    /// The person keeps a tab, or has used it: its session goes on working in it, but it is
    /// borrowed from now on. A free one is the person's at once.
    pub fn keep(&mut self, tab: TabId) {
        if let Some(slot) = self.by_id.get(&tab).copied() {
            match self.tabs.get(&slot).map(|tab| &tab.holding) {
                Some(Holding::Session { .. }) => self.borrow(slot),
                Some(Holding::Free { .. }) => {
                    self.borrow(slot);
                    self.leave(slot, Next::Person, Why::Taken);
                }
                Some(Holding::Undetermined { .. }) => self.settle_opener(tab, None),
                Some(Holding::Person) | None => {}
            }
        }
        self.settle();
    }

    /// The person stopped all of it: every call fails with `stopped_by_user`, those to come too,
    /// until [`Self::resume`]. Owners stay.
    pub fn pause(&mut self, now: Instant) {
        self.observe(now);
        self.paused = true;
        let calls: Vec<_> = self.calls.keys().copied().collect();
        for call in calls {
            match self.calls.get(&call).map(|call| &call.place) {
                Some(Place::Running { .. }) => self.stop(call, Fault::StoppedByUser),
                Some(Place::Queued { .. } | Place::Claim { .. } | Place::Asked { .. }) => {
                    self.refuse(call, Fault::StoppedByUser);
                }
                Some(Place::Homeless) | None => {}
            }
        }
        self.settle();
    }

    /// The person lets them go on.
    pub fn resume(&mut self, now: Instant) {
        self.observe(now);
        self.paused = false;
        self.settle();
    }

    /// Whether the person stopped all of it.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    fn in_reach(&self, id: TabId) -> Result<Slot, Fault> {
        let gone = Fault::TabGone { tab: id, url: None };
        let slot = self.by_id.get(&id).copied().ok_or(gone.clone())?;
        match self.tabs.get(&slot).map(|tab| &tab.floor) {
            Some(Floor::Closing { .. }) | None => Err(gone),
            Some(
                Floor::Making { .. }
                | Floor::Mending
                | Floor::Idle
                | Floor::Turn(_)
                | Floor::Leaving { .. },
            ) => Ok(slot),
        }
    }

    /// An undetermined tab that the person reaches for is the person's.
    fn end_opener(&mut self, tab: TabId) {
        self.settle_opener(tab, None);
    }

    fn borrow(&mut self, slot: Slot) {
        if let Some(tab) = self.tabs.get_mut(&slot)
            && let Holding::Session { duty, .. } | Holding::Free { duty, .. } = &mut tab.holding
        {
            *duty = Duty::Borrowed;
            self.soil_tab(slot);
        }
    }
}
