//! What the browser tells: tabs made, created, opened by pages, closed, used; dialogs.

use super::clock::Timer;
use super::commands::Why;
use super::state::{Current, Duty, Floor, Holding, Loss, Next, Place, Slot, Tab, Until, Want};
use super::{Dirty, Owner, TabEvent, Tabs};
use protocol::command::Dialog;
use protocol::error::Fault;
use protocol::{Instant, TabId};
use std::time::Duration;

/// The true opener is known 0–5 ms after the tab, but a worker on a loaded machine may hear of it
/// later, and a popup would then go to the person. Nobody waits for this time, since only the
/// opener's owner or the person could want the tab.
pub(super) const OPENER_MAX: Duration = Duration::from_millis(500);

impl Tabs {
    /// Chrome has made the tab of a [`TabEvent::Make`].
    pub fn handle_made(&mut self, slot: Slot, tab: TabId, now: Instant) {
        self.observe(now);
        let children = self.handle_seen_before(slot, tab);
        self.name_tab(slot, tab);
        for child in children {
            self.settle_opener(child, Some(slot));
        }
        self.settle();
    }

    /// `tabs.onCreated` overtakes the answer to our making it: the tab may be here already, as
    /// undetermined or the person's. Forgets that one; answers what was opened from it.
    fn handle_seen_before(&mut self, slot: Slot, tab: TabId) -> Vec<TabId> {
        let Some(seen) = self.by_id.get(&tab).copied() else {
            return Vec::new();
        };
        if self.tabs.get(&slot).is_none_or(|made| made.id.is_some()) {
            return Vec::new();
        }
        let children = match self.tabs.get_mut(&seen).map(|tab| &mut tab.holding) {
            Some(Holding::Undetermined { children }) => std::mem::take(children),
            Some(Holding::Person | Holding::Session { .. } | Holding::Free { .. }) | None => {
                Vec::new()
            }
        };
        self.forget(seen, &Fault::TabOfPerson { tab });
        children
    }

    fn name_tab(&mut self, slot: Slot, id: TabId) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        if tab.id.is_some() {
            return;
        }
        tab.id = Some(id);
        self.by_id.insert(id, slot);
        let asked = tab.asked.clone();
        let stays = match &tab.floor {
            Floor::Making { .. } => {
                tab.floor = Floor::Idle;
                true
            }
            Floor::Leaving { .. } => false,
            Floor::Mending | Floor::Idle | Floor::Turn(_) | Floor::Closing { .. } => return,
        };
        if let Some(session) = tab.owning_session().cloned() {
            let lives = self
                .seats
                .get(&session)
                .is_some_and(|seat| seat.tabs.contains(&slot));
            if stays {
                self.seat_tab(&session, slot);
            }
            if !lives && let Some(tab) = self.tabs.get_mut(&slot) {
                // Its session has ended, and perhaps begun anew: it is nobody's from the start.
                tab.holding = Holding::Free {
                    last: session.clone(),
                    duty: Duty::Made,
                };
            }
            self.tell(TabEvent::OwnerChanged {
                tab: id,
                from: Owner::Undetermined,
                to: if lives {
                    Owner::Session(session)
                } else {
                    Owner::Free
                },
            });
        }
        for call in asked {
            match self.calls.get(&call).map(|call| &call.want) {
                Some(Want::New) => self.finish(call, Some(id)),
                Some(Want::Close | Want::Turn { .. } | Want::Select { .. }) | None => {}
            }
        }
        if !stays {
            self.clear(slot);
        }
        self.soil_tab(slot);
        self.touch(slot);
    }

    /// Chrome could not make the tab: all calls for it fail with `fault`, and what was current
    /// before is current again.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it comes out of an event, and nobody else wants it"
    )]
    pub fn handle_make_failed(&mut self, slot: Slot, fault: Fault, now: Instant) {
        self.observe(now);
        if self.tabs.get(&slot).is_some_and(|tab| tab.id.is_none()) {
            self.unmake(slot, &fault);
            if let Some(holder) = self.tabs.get(&slot).and_then(Tab::holder).cloned() {
                self.lose_current(&holder, slot, Loss::NotMade);
            }
            self.forget(slot, &fault);
        }
        self.settle();
    }

    /// `tabs.onCreated`. The tab is nobody's business until its opener is known; without one
    /// within [`OPENER_MAX`] it is the person's.
    pub fn handle_created(&mut self, tab: TabId, now: Instant) {
        self.observe(now);
        if !self.by_id.contains_key(&tab) {
            self.add_undetermined(tab);
        }
        self.settle();
    }

    fn add_undetermined(&mut self, tab: TabId) -> Slot {
        let children = Vec::new();
        let slot = self.add(tab, Holding::Undetermined { children }, Floor::Idle);
        let due = self.clock.awake() + OPENER_MAX;
        self.timers.set(Timer::Opener(tab), due);
        slot
    }

    /// A tab that exists in the browser, without any notice to anyone.
    pub(super) fn add(&mut self, tab: TabId, holding: Holding, floor: Floor) -> Slot {
        self.slots_made += 1;
        let slot = Slot(self.slots_made);
        self.tabs.insert(slot, Tab::new(Some(tab), holding, floor));
        self.by_id.insert(tab, slot);
        slot
    }

    /// `webNavigation.onCreatedNavigationTarget`: a page of `opener` opened `tab`, which belongs to
    /// the opener's owner. Too late, after [`OPENER_MAX`], it changes nothing.
    pub fn handle_popup(&mut self, tab: TabId, opener: TabId, now: Instant) {
        self.observe(now);
        if !self.by_id.contains_key(&tab) {
            self.add_undetermined(tab);
        }
        self.reconsider(tab);
        match self.by_id.get(&opener).copied() {
            Some(slot) => match self.tabs.get_mut(&slot).map(|tab| &mut tab.holding) {
                // Its own opener comes first.
                Some(Holding::Undetermined { children }) if tab != opener => children.push(tab),
                Some(
                    Holding::Undetermined { .. }
                    | Holding::Session { .. }
                    | Holding::Free { .. }
                    | Holding::Person,
                )
                | None => self.settle_opener(tab, Some(slot)),
            },
            None => self.settle_opener(tab, None),
        }
        self.settle();
    }

    /// Says whose an undetermined tab is: its opener's owner's, or the person's without one.
    pub(super) fn settle_opener(&mut self, tab: TabId, opener: Option<Slot>) {
        let mut open = vec![(tab, opener)];
        while let Some((tab, opener)) = open.pop() {
            let Some(slot) = self.by_id.get(&tab).copied() else {
                continue;
            };
            let Some(Holding::Undetermined { children }) =
                self.tabs.get_mut(&slot).map(|tab| &mut tab.holding)
            else {
                continue;
            };
            let children = std::mem::take(children);
            self.timers.clear(&Timer::Opener(tab));
            self.settle_one(slot, opener);
            open.extend(children.into_iter().map(|child| (child, Some(slot))));
        }
    }

    fn settle_one(&mut self, slot: Slot, opener: Option<Slot>) {
        let opening = opener.and_then(|opener| self.tabs.get(&opener));
        let heritage = opening.map(|opener| opener.holding.clone());
        let closes = opening.is_some_and(|opener| matches!(opener.floor, Floor::Closing { .. }));
        let (holding, session) = match heritage {
            Some(Holding::Session { id, duty }) => (
                Holding::Session {
                    id: id.clone(),
                    duty,
                },
                id,
            ),
            Some(Holding::Free { last, duty }) => (
                Holding::Free {
                    last: last.clone(),
                    duty,
                },
                last,
            ),
            // Its opener found no room, and so does it not.
            Some(Holding::Undetermined { .. }) if closes => {
                return self.leave(slot, Next::Close, Why::Closed);
            }
            Some(Holding::Person | Holding::Undetermined { .. }) | None => {
                return self.leave_to_person(slot);
            }
        };
        // The owner's session may have ended while its tab still closes, and begun anew.
        let lives = opener.is_some_and(|opener| {
            self.seats
                .get(&session)
                .is_some_and(|seat| seat.tabs.contains(&opener) || seat.freed.contains(&opener))
        });
        let made = !matches!(
            holding,
            Holding::Session {
                duty: Duty::Borrowed,
                ..
            }
        );
        let room = self.check_room(&session).is_ok();
        match (lives && room, made) {
            (true, _) => {
                self.set_holding(slot, holding);
                self.grant_own_claims(slot, &session);
            }
            // Nobody is left to own it, or its owner has too many: it goes as its opener would.
            (false, true) => self.leave(slot, Next::Close, Why::Closed),
            (false, false) => self.leave_to_person(slot),
        }
    }

    /// Whoever called on it before its opener was known may turn out to be its owner.
    fn grant_own_claims(&mut self, slot: Slot, session: &protocol::SessionId) {
        let owned = self.tabs.get(&slot).and_then(Tab::owning_session) == Some(session);
        if owned {
            self.grant(slot, session);
        }
    }

    fn leave_to_person(&mut self, slot: Slot) {
        let claims: Vec<_> = self
            .tabs
            .get(&slot)
            .map_or(Vec::new(), |tab| tab.claims.iter().copied().collect());
        if let Some(tab) = self.tabs.get(&slot).and_then(|tab| tab.id) {
            for claim in claims {
                self.refuse(claim, Fault::TabOfPerson { tab });
            }
        }
        self.set_holding(slot, Holding::Person);
    }

    /// `tabs.onRemoved`, whoever closed it. `last_url` is what it last showed, empty where
    /// nobody knows.
    pub fn handle_closed(&mut self, tab: TabId, last_url: &str, now: Instant) {
        self.observe(now);
        if let Some(slot) = self.by_id.get(&tab).copied()
            && !self.is_lost_now(slot)
        {
            let url = (!last_url.is_empty()).then(|| last_url.to_owned());
            let tab = self.tabs.get(&slot).and_then(Tab::known_as).unwrap_or(tab);
            let gone = Loss::Gone(tab, url.clone());
            let children = match self.tabs.get_mut(&slot).map(|tab| &mut tab.holding) {
                Some(Holding::Undetermined { children }) => std::mem::take(children),
                Some(Holding::Person | Holding::Session { .. } | Holding::Free { .. }) | None => {
                    Vec::new()
                }
            };
            let tab_now = self.tabs.get(&slot);
            let holder = tab_now.and_then(Tab::holder).cloned();
            let owner = tab_now.and_then(Tab::owning_session).cloned();
            if let Some(holder) = holder {
                self.lose_current(&holder, slot, gone.clone());
            }
            // Closed by its owner, who was told so before the URL was known.
            if let Some(owner) = owner
                && let Some(seat) = self.seats.get_mut(&owner)
                && seat.current == Current::Gone(Loss::Gone(tab, None))
            {
                seat.current = Current::Gone(gone);
                self.soil_seat(&owner);
            }
            self.forget(slot, &Fault::TabGone { tab, url });
            for child in children {
                self.settle_opener(child, None);
            }
        }
        self.settle();
    }

    /// The person used the tab: navigated it by address bar, typed URL or bookmark, moved or
    /// pinned it. A made tab is borrowed from then on; a free one is the person's.
    pub fn handle_used_by_person(&mut self, tab: TabId, now: Instant) {
        self.observe(now);
        self.keep(tab);
    }

    /// `tabs.onReplaced`: a prerendered page took the tab's place, or Chrome unloaded it, and it goes
    /// on under another id.
    pub fn handle_replaced(&mut self, removed: TabId, added: TabId, now: Instant) {
        self.observe(now);
        if let Some(slot) = self.by_id.remove(&removed) {
            // The new id may have been announced as a tab of its own.
            if let Some(doubled) = self.by_id.get(&added).copied() {
                self.forget(doubled, &Fault::TabOfPerson { tab: added });
            }
            if let Some(tab) = self.tabs.get_mut(&slot) {
                tab.id = Some(added);
            }
            if self.timers.clear(&Timer::Opener(removed)) {
                let due = self.clock.awake() + OPENER_MAX;
                self.timers.set(Timer::Opener(added), due);
            }
            if let Some(call) = self.running_on(slot)
                && let Some(call) = self.calls.get_mut(&call)
                && let Place::Running { tab, .. } = &mut call.place
            {
                *tab = added;
            }
            self.by_id.insert(added, slot);
            self.dirty.insert(Dirty::Tab(removed));
            self.soil_tab(slot);
            // It may be the one that its seat names as current.
            if let Some(holder) = self.tabs.get(&slot).and_then(Tab::holder).cloned() {
                self.soil_seat(&holder);
            }
            self.find(slot);
        }
        self.settle();
    }

    fn running_on(&self, slot: Slot) -> Option<crate::input::CallId> {
        match self.tabs.get(&slot)?.floor {
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

    /// A JavaScript dialog has opened. It keeps the open turn, if there is one; the owner's queued
    /// calls fail with `dialog_open`, as new ones will; claims wait on.
    pub fn handle_dialog_opened(&mut self, tab: TabId, dialog: Dialog, now: Instant) {
        self.observe(now);
        if let Some(slot) = self.by_id.get(&tab).copied()
            && let Some(tab) = self.tabs.get_mut(&slot)
        {
            tab.dialog = Some(dialog);
            if !matches!(tab.floor, Floor::Leaving { .. } | Floor::Closing { .. }) {
                let queued: Vec<_> = tab.queue.iter().copied().collect();
                let fault = tab.dialog_fault();
                for call in queued {
                    if let Some(fault) = &fault {
                        self.refuse(call, fault.clone());
                    }
                }
            }
            self.soil_tab(slot);
            self.touch(slot);
        }
        self.settle();
    }

    /// The dialog is closed, whoever closed it.
    pub fn handle_dialog_closed(&mut self, tab: TabId, now: Instant) {
        self.observe(now);
        if let Some(slot) = self.by_id.get(&tab).copied()
            && let Some(tab) = self.tabs.get_mut(&slot)
            && tab.dialog.take().is_some()
        {
            self.soil_tab(slot);
            self.touch(slot);
        }
        self.settle();
    }
}
