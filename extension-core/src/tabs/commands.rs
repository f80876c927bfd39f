//! What a session asks for: a turn on a tab, or something about tabs that takes no turn.

use super::clock::Timer;
use super::state::{Call, Current, Duty, Floor, Holding, Loss, Next, Place, Slot, Tab, Want};
use super::{Owner, TabEvent, Tabs};
use crate::input::CallId;
use protocol::command::TabsAction;
use protocol::error::{Fault, Peer};
use protocol::{Alias, Instant, SessionId, TabId, limits};
use std::time::Duration;

impl Tabs {
    /// A call of `session` that takes a turn, on `tab` or on the session's current tab, which is
    /// made for a session that never owned one. On another session's tab it is a claim that waits
    /// `wait` at most (`limits::CLAIM_WAIT_MAX`); for its turn on a tab of its own it waits
    /// `queue_limit` at most, a claim once more after it was granted.
    ///
    /// Ends in [`TabEvent::Begin`], [`TabEvent::Refuse`] or [`TabEvent::Dropped`].
    pub fn call(
        &mut self,
        call: CallId,
        session: &SessionId,
        tab: Option<TabId>,
        wait: Duration,
        queue_limit: Duration,
        now: Instant,
    ) {
        self.observe(now);
        let want = Want::Turn { queue_limit };
        if let Err(fault) = self.admit(call, session, want, tab, wait) {
            self.tell(TabEvent::Refuse { call, fault });
        }
        self.settle();
    }

    /// One of the actions on tabs, none of which takes a turn. `select` on another session's tab
    /// is a claim that waits `wait` at most.
    ///
    /// A borrowed tab is never closed: `close` releases it to the person.
    ///
    /// Ends in [`TabEvent::Finished`] (`new` once the tab is made, `close` once it is closed, the
    /// others at once), [`TabEvent::Refuse`] or [`TabEvent::Dropped`].
    pub fn tabs_command(
        &mut self,
        call: CallId,
        session: &SessionId,
        action: &TabsAction,
        wait: Duration,
        now: Instant,
    ) {
        self.observe(now);
        let done = match action {
            TabsAction::List => self.check_seat(session).map(|()| Some(None)),
            TabsAction::New { url, activate } => self
                .start_new(call, session, url.clone(), *activate)
                .map(|()| None),
            TabsAction::Select { tab, activate } => {
                let want = Want::Select {
                    activate: *activate,
                };
                self.admit(call, session, want, Some(*tab), wait)
                    .map(|()| None)
            }
            TabsAction::Close { tab } => self.start_close(call, session, *tab),
            TabsAction::Release { tab, after_s } => {
                self.start_release(session, *tab, *after_s).map(Some)
            }
            TabsAction::Handoff { tab, to } => self.hand_off(session, *tab, to).map(Some),
        };
        match done {
            Ok(Some(tab)) => self.tell(TabEvent::Finished { call, tab }),
            Ok(None) => {}
            Err(fault) => self.tell(TabEvent::Refuse { call, fault }),
        }
        self.settle();
    }

    /// The caller gave up. A call that did not begin is refused with `cancelled`; a running one is
    /// stopped; of a granted claim that has not begun the tab passes on as by a release. Late and
    /// unknown cancels change nothing.
    pub fn cancel(&mut self, call: CallId, now: Instant) {
        self.observe(now);
        self.cancel_call(call);
        self.settle();
    }

    fn cancel_call(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let cancelled = Fault::Cancelled { may_still: None };
        match (&call.place, &call.want) {
            (Place::Running { .. }, _) => self.stop(id, cancelled),
            (Place::Homeless, _) => {}
            (Place::Claim { .. }, _) => self.refuse(id, cancelled),
            (Place::Queued { slot, granted }, _) => {
                let (slot, granted) = (*slot, *granted);
                self.refuse(id, cancelled);
                if granted {
                    self.pass_on_unwanted(slot);
                }
            }
            (Place::Asked { slot }, Want::New) => {
                let slot = *slot;
                self.refuse(id, cancelled);
                self.unmake(slot, &Fault::NoTab);
                if let Some(tab) = self.tabs.get_mut(&slot)
                    && matches!(tab.floor, Floor::Making { .. })
                {
                    self.leave(slot, Next::Close, Why::Closed);
                }
            }
            (Place::Asked { .. }, Want::Close | Want::Turn { .. } | Want::Select { .. }) => {
                let may_still = Some("the tab may still close".into());
                self.refuse(id, Fault::Cancelled { may_still });
            }
        }
    }

    /// A claim was granted by a hand-over that is under way, and cancelled before it began: unless
    /// its session wants the tab for another call, it goes to whoever is next.
    fn pass_on_unwanted(&mut self, slot: Slot) {
        let Some(tab) = self.tabs.get(&slot) else {
            return;
        };
        if let Floor::Leaving {
            next: Next::Session(_),
            ..
        } = &tab.floor
            && tab.queue.is_empty()
        {
            self.release(slot);
        }
    }

    /// The tab whose dialog `session` may handle: only a tab of its own, without a turn.
    ///
    /// # Errors
    /// As an unnamed or named call would be refused; `tab_owned` for another session's tab.
    pub fn dialog_tab(&self, session: &SessionId, tab: Option<TabId>) -> Result<TabId, Fault> {
        self.check_seat(session)?;
        let slot = self.own_tab(session, tab)?;
        self.tabs
            .get(&slot)
            .and_then(|tab| tab.id)
            .ok_or(Fault::NoTab)
    }

    pub(super) fn check_seat(&self, session: &SessionId) -> Result<(), Fault> {
        if !self.seats.contains_key(session) {
            return Err(Fault::SessionUnknown {
                session: session.to_string(),
            });
        }
        if self.paused {
            return Err(Fault::StoppedByUser);
        }
        Ok(())
    }

    fn check_calls(&self, session: &SessionId) -> Result<(), Fault> {
        self.check_seat(session)?;
        let open = self.seats.get(session).map_or(0, |seat| seat.calls.len());
        if open >= limits::CALLS_PER_SESSION_MAX {
            return Err(Fault::LimitReached {
                bound: "calls of one session at a time",
                limit: limits::CALLS_PER_SESSION_MAX,
                frees: "Wait for answers before you call again",
            });
        }
        Ok(())
    }

    /// Whether `session` may have one more tab.
    pub(super) fn check_room(&self, session: &SessionId) -> Result<(), Fault> {
        let held = self
            .seats
            .get(session)
            .map_or(0, |seat| seat.tabs.len() + seat.coming.len());
        if held >= limits::TABS_PER_SESSION_MAX {
            return Err(Fault::LimitReached {
                bound: "tabs of one session",
                limit: limits::TABS_PER_SESSION_MAX,
                frees: "Close or release one of your tabs with `browser_tabs` first",
            });
        }
        Ok(())
    }

    fn enter(&mut self, id: CallId, session: &SessionId, want: Want, place: Place) {
        self.calls_seen += 1;
        let call = Call {
            session: session.clone(),
            want,
            age: self.calls_seen,
            place,
        };
        self.calls.insert(id, call);
        if let Some(seat) = self.seats.get_mut(session) {
            seat.calls.insert(id);
        }
    }

    /// Puts a call in the queue of its tab, or among its claims.
    fn admit(
        &mut self,
        call: CallId,
        session: &SessionId,
        want: Want,
        named: Option<TabId>,
        wait: Duration,
    ) -> Result<(), Fault> {
        self.check_calls(session)?;
        let slot = match named {
            Some(tab) => self.named(tab)?,
            None => self.current_or_first(session)?,
        };
        let tab = self.tabs.get(&slot).ok_or(Fault::NoTab)?;
        if tab.holder() == Some(session) {
            return self.admit_own(call, session, want, slot);
        }
        self.admit_claim(call, session, want, slot, wait)
    }

    fn admit_own(
        &mut self,
        call: CallId,
        session: &SessionId,
        want: Want,
        slot: Slot,
    ) -> Result<(), Fault> {
        let tab = self.tabs.get_mut(&slot).ok_or(Fault::NoTab)?;
        match want {
            Want::Turn { queue_limit } => {
                // A tab on its way here is cleared of dialogs first, and one that is being mended may
                // have none any more.
                if !matches!(tab.floor, Floor::Leaving { .. } | Floor::Mending)
                    && let Some(fault) = tab.dialog_fault()
                {
                    return Err(fault);
                }
                tab.queue.push_back(call);
                let due = self.clock.awake() + queue_limit;
                self.timers.set(Timer::Call(call), due);
                let granted = false;
                self.enter(call, session, want, Place::Queued { slot, granted });
                self.touch(slot);
            }
            Want::Select { activate } => self.select(call, session, slot, activate),
            Want::New | Want::Close => {}
        }
        Ok(())
    }

    fn admit_claim(
        &mut self,
        call: CallId,
        session: &SessionId,
        want: Want,
        slot: Slot,
        wait: Duration,
    ) -> Result<(), Fault> {
        let tab = self.tabs.get(&slot).ok_or(Fault::NoTab)?;
        let id = tab.id.ok_or(Fault::NoTab)?;
        if let Some(fault) = leaving_for_good(&tab.floor, id) {
            return Err(fault);
        }
        match &tab.holding {
            Holding::Person => return Err(Fault::TabOfPerson { tab: id }),
            Holding::Undetermined { .. } if wait.is_zero() => {
                return Err(Fault::TabOfPerson { tab: id });
            }
            Holding::Session { id: owner, .. } if wait.is_zero() => {
                let owner = self.peer(tab.holder().unwrap_or(owner));
                return Err(owned(id, owner));
            }
            Holding::Session { .. } | Holding::Free { .. } | Holding::Undetermined { .. } => {}
        }
        if tab.claims.len() >= limits::CLAIMS_PER_TAB_MAX {
            return Err(Fault::LimitReached {
                bound: "claims on one tab",
                limit: limits::CLAIMS_PER_TAB_MAX,
                frees: "Work in a tab of your own, or ask again later",
            });
        }
        self.check_room(session)?;
        let since = self.clock.awake();
        let due = since + wait.min(limits::CLAIM_WAIT_MAX);
        self.timers.set(Timer::Call(call), due);
        if let Some(tab) = self.tabs.get_mut(&slot) {
            tab.claims.push_back(call);
        }
        let told = None;
        self.enter(call, session, want, Place::Claim { slot, since, told });
        self.touch(slot);
        self.break_cycles(session);
        Ok(())
    }

    fn named(&self, tab: TabId) -> Result<Slot, Fault> {
        self.by_id.get(&tab).copied().ok_or_else(|| gone(tab))
    }

    /// The current tab; for a session that never owned one, one that is made now.
    fn current_or_first(&mut self, session: &SessionId) -> Result<Slot, Fault> {
        let seat = self.seats.get(session).ok_or(Fault::SessionEnded)?;
        match &seat.current {
            Current::Tab(slot) => Ok(*slot),
            Current::Gone(loss) => Err(loss.fault()),
            Current::Never => Ok(self.make(session, None, false)),
        }
    }

    /// A tab that `session` holds: the one named, else its current one.
    fn own_tab(&self, session: &SessionId, named: Option<TabId>) -> Result<Slot, Fault> {
        let seat = self.seats.get(session).ok_or(Fault::SessionEnded)?;
        let slot = match (named, &seat.current) {
            (Some(tab), _) => self.named(tab)?,
            (None, Current::Tab(slot)) => *slot,
            (None, Current::Gone(loss)) => return Err(loss.fault()),
            (None, Current::Never) => return Err(Fault::NoTab),
        };
        let tab = self.tabs.get(&slot).ok_or(Fault::NoTab)?;
        if tab.holder() == Some(session) {
            return Ok(slot);
        }
        let id = tab.id.ok_or(Fault::NoTab)?;
        if let Some(fault) = leaving_for_good(&tab.floor, id) {
            return Err(fault);
        }
        Err(match (tab.holder(), tab.holding.owner()) {
            (Some(holder), _) => owned(id, self.peer(holder)),
            (None, Owner::Person | Owner::Undetermined) => Fault::TabOfPerson { tab: id },
            (None, Owner::Session(_)) => Fault::TabReleased { tab: id },
            (None, Owner::Free) => Fault::BadArguments {
                what: format!("tab {id} is nobody's now: select it or call on it to own it"),
            },
        })
    }

    /// Starts to make a tab of `session` and makes it current.
    fn make(&mut self, session: &SessionId, url: Option<String>, activate: bool) -> Slot {
        self.slots_made += 1;
        let slot = Slot(self.slots_made);
        let mut before = Current::Never;
        if let Some(seat) = self.seats.get_mut(session) {
            before = std::mem::replace(&mut seat.current, Current::Tab(slot));
            seat.tabs.insert(slot);
        }
        let holding = Holding::Session {
            id: session.clone(),
            duty: Duty::Made,
        };
        let tab = Tab::new(None, holding, Floor::Making { before });
        self.tabs.insert(slot, tab);
        self.tell(TabEvent::Make {
            slot,
            session: session.clone(),
            url,
            activate,
        });
        slot
    }

    fn start_new(
        &mut self,
        call: CallId,
        session: &SessionId,
        url: Option<String>,
        activate: bool,
    ) -> Result<(), Fault> {
        self.check_calls(session)?;
        self.check_room(session)?;
        let slot = self.make(session, url, activate);
        if let Some(tab) = self.tabs.get_mut(&slot) {
            tab.asked.push(call);
        }
        self.enter(call, session, Want::New, Place::Asked { slot });
        Ok(())
    }

    fn start_close(
        &mut self,
        call: CallId,
        session: &SessionId,
        named: Option<TabId>,
    ) -> Result<Option<Option<TabId>>, Fault> {
        self.check_calls(session)?;
        let slot = self.own_tab(session, named)?;
        if self.tabs.get(&slot).is_some_and(Tab::is_borrowed) {
            // What the person lent is never closed.
            self.release(slot);
            return Ok(Some(self.tabs.get(&slot).and_then(|tab| tab.id)));
        }
        self.leave(slot, Next::Close, Why::Closed);
        if let Some(tab) = self.tabs.get_mut(&slot) {
            tab.asked.push(call);
        }
        self.enter(call, session, Want::Close, Place::Asked { slot });
        Ok(None)
    }

    fn start_release(
        &mut self,
        session: &SessionId,
        named: Option<TabId>,
        after_s: Option<u64>,
    ) -> Result<Option<TabId>, Fault> {
        self.check_seat(session)?;
        let slot = self.own_tab(session, named)?;
        let id = self.tabs.get(&slot).and_then(|tab| tab.id);
        match after_s {
            None => self.release(slot),
            Some(after_s) => {
                let at = self.clock.awake() + Duration::from_secs(after_s);
                self.announce_release(slot, at);
                self.soil_tab(slot);
                self.touch(slot);
            }
        }
        Ok(id)
    }

    fn hand_off(
        &mut self,
        session: &SessionId,
        named: Option<TabId>,
        to: &Alias,
    ) -> Result<Option<TabId>, Fault> {
        self.check_seat(session)?;
        let slot = self.own_tab(session, named)?;
        let id = self.tabs.get(&slot).and_then(|tab| tab.id);
        let Some(heir) = self.aliases.get(to).cloned() else {
            return Err(Fault::BadArguments {
                what: format!("`to`: there is no session `{to}`; `browser_session` lists them"),
            });
        };
        if heir != *session {
            self.check_room(&heir)?;
            self.leave(slot, Next::Session(heir), Why::Released);
        }
        Ok(id)
    }

    /// Makes a tab of its own the session's current one, and answers.
    pub(super) fn select(&mut self, call: CallId, session: &SessionId, slot: Slot, show: bool) {
        if let Some(seat) = self.seats.get_mut(session) {
            seat.current = Current::Tab(slot);
        }
        self.soil_seat(session);
        let id = self.tabs.get(&slot).and_then(|tab| tab.id);
        if let (true, Some(tab)) = (show, id) {
            self.tell(TabEvent::Show { tab });
        }
        // It may have come straight here, or out of the queue.
        self.remove_call(call);
        self.tell(TabEvent::Finished { call, tab: id });
    }

    /// As its owner's release says: to the first claim, else free, or back to the person.
    pub(super) fn release(&mut self, slot: Slot) {
        self.leave(slot, Next::FirstClaim, Why::Released);
    }
}

/// What is told of a tab that no session will have any more.
fn leaving_for_good(floor: &Floor, tab: TabId) -> Option<Fault> {
    match floor {
        Floor::Closing { .. }
        | Floor::Leaving {
            next: Next::Close, ..
        } => Some(gone(tab)),
        Floor::Leaving {
            next: Next::Person, ..
        } => Some(Fault::TabTaken { tab }),
        Floor::Leaving {
            next: Next::FirstClaim | Next::Session(_),
            ..
        }
        | Floor::Making { .. }
        | Floor::Mending
        | Floor::Idle
        | Floor::Turn(_) => None,
    }
}

fn gone(tab: TabId) -> Fault {
    Fault::TabGone { tab, url: None }
}

fn owned(tab: TabId, owner: Option<Peer>) -> Fault {
    match owner {
        Some(owner) => Fault::TabOwned { tab, owner },
        // Its session has just ended; nobody can be named.
        None => Fault::ClaimTimeout {
            tab,
            owner: None,
            position: 0,
            waited_s: 0,
        },
    }
}

/// Why a tab leaves its holder: what the holder's calls are told, and what became of its current
/// tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Released or handed over.
    Released,
    /// Taken by the person, or given to another by them.
    Taken,
    /// Closed by its owner.
    Closed,
    /// Its owner's session ended.
    Ended,
}

impl Why {
    pub(super) fn fault(self, tab: Option<TabId>) -> Fault {
        match (self, tab) {
            (Self::Ended, _) => Fault::SessionEnded,
            (Self::Released | Self::Taken | Self::Closed, None) => Fault::NoTab,
            (Self::Released, Some(tab)) => Fault::TabReleased { tab },
            (Self::Taken, Some(tab)) => Fault::TabTaken { tab },
            (Self::Closed, Some(tab)) => gone(tab),
        }
    }

    pub(super) fn loss(self, tab: Option<TabId>, returned: bool) -> Loss {
        match (self, tab) {
            (_, None) => Loss::NotMade,
            (Self::Released | Self::Ended, Some(tab)) if returned => Loss::Returned(tab),
            (Self::Released | Self::Ended, Some(tab)) => Loss::Released(tab),
            (Self::Taken, Some(tab)) => Loss::Taken(tab),
            (Self::Closed, Some(tab)) => Loss::Gone(tab, None),
        }
    }
}
