//! Who may act on which tab, in which order, and what happens at every kind of end: owners, turns
//! and claims (`design/tabs.md`). This machine alone decides it.
//!
//! It knows nothing of sockets, of Chrome or of the debugger, and never sees a page: a call is an
//! id that wants a tab. Drive it like this: tell it what happened (`handle_…`), what a session
//! wants ([`Tabs::call`], [`Tabs::tabs_command`], [`Tabs::cancel`]) or what a person wants
//! ([`Tabs::give`], [`Tabs::take_back`], [`Tabs::keep`], [`Tabs::pause`]); then drain
//! [`Tabs::poll_event`] and arm [`Tabs::poll_timeout`]. Of every call exactly one thing becomes:
//! [`TabEvent::Begin`] (and later [`Tabs::handle_turn_ended`] from the driver),
//! [`TabEvent::Refuse`], [`TabEvent::Dropped`] or [`TabEvent::Finished`].
//!
//! A tab changes its owner in three steps: its turn is ended ([`TabEvent::Stop`]), nothing of the
//! former owner is left on it ([`TabEvent::Clear`]), then it has its new owner
//! ([`TabEvent::OwnerChanged`]). Whoever may call in between is said at `Floor::Leaving`.
//!
//! In reading order: `state` (what a tab, a seat and a call can be), `commands`, `change` (how a
//! tab passes on), `browser`, `sessions`, `person`, `cycles`, `reading`, `store`, `meanwhile`, `clock`.

mod browser;
mod change;
mod clock;
mod commands;
mod cycles;
mod meanwhile;
mod names;
mod person;
mod reading;
mod sessions;
mod state;
mod store;

pub use state::{Duty, Loss, Next, Owner, Slot};
pub use store::{CurrentRecord, Dirty, SeatRecord, TabRecord, TabRecordOwner};

use crate::awake::Clock;
use crate::input::CallId;
use clock::Timer;
use meanwhile::Meanwhile;
use protocol::error::Fault;
use protocol::frame::Progress;
use protocol::{Alias, Deadlines, SessionId, SortedMap, SortedSet, TabId};
use state::{Call, Course, Place, Seat, Tab};
use std::collections::VecDeque;

/// What the machine asks of its driver, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabEvent {
    /// Make a tab in the background. Answered by [`Tabs::handle_made`] or
    /// [`Tabs::handle_make_failed`], once.
    Make {
        /// How it is called until Chrome has named it.
        slot: Slot,
        /// For whom.
        session: SessionId,
        /// What it shows; a blank page without.
        url: Option<String>,
        /// Show it to the person.
        activate: bool,
    },
    /// The call has the turn: run it. Ended by [`Tabs::handle_turn_ended`].
    Begin {
        /// Which call.
        call: CallId,
        /// On which tab.
        tab: TabId,
    },
    /// End the running call: dismiss an open dialog first, stop what it started, answer its caller
    /// with `fault` unless it was answered already. [`Tabs::handle_turn_ended`] follows, once the
    /// browser has settled its last command; also when the tab is gone. A call that has sent no
    /// command yet ends with [`Tabs::handle_never_began`] instead.
    Stop {
        /// Which call.
        call: CallId,
        /// On which tab.
        tab: TabId,
        /// What its caller is told.
        fault: Fault,
    },
    /// The call never began: answer its caller with `fault`.
    Refuse {
        /// Which call.
        call: CallId,
        /// What its caller is told.
        fault: Fault,
    },
    /// The call never began and its socket is lost: forget it.
    Dropped {
        /// Which call.
        call: CallId,
    },
    /// A command that takes no turn is done: answer its caller, for example with
    /// [`Tabs::listing`].
    Finished {
        /// Which call.
        call: CallId,
        /// The tab that it made, closed, released, handed over or selected.
        tab: Option<TabId>,
    },
    /// Tell the caller of a waiting claim where it stands.
    Progress {
        /// Which call.
        call: CallId,
        /// Where it stands.
        progress: Progress,
    },
    /// Leave nothing of the former owner on the tab: dismiss an open dialog, detach the debugger.
    /// Answered by [`Tabs::handle_cleared`], at once when there is nothing to do.
    Clear {
        /// Which tab.
        tab: TabId,
    },
    /// Bring a tab that was restored in the middle of a turn in order (`design/worker.md`,
    /// *Coming back*, step 4). Answered by [`Tabs::handle_mended`].
    Mend {
        /// Which tab.
        tab: TabId,
    },
    /// The tab has another owner. A tab that was just made, or whose opener became known, comes
    /// from [`Owner::Undetermined`].
    OwnerChanged {
        /// Which tab.
        tab: TabId,
        /// Whose it was.
        from: Owner,
        /// Whose it is.
        to: Owner,
    },
    /// Close the tab. Answered by [`Tabs::handle_closed`].
    Close {
        /// Which tab.
        tab: TabId,
    },
    /// All that happened before the restore has been told, and of the restored tabs some were not
    /// found: see [`Tabs::missing`]. Answered by [`Tabs::handle_replaced`] for those that go on under
    /// another id all the same, then by [`Tabs::handle_sought`].
    Seek,
    /// Of the tabs that were restored, each is found by now, or lost.
    NoneMissing,
    /// Show the tab to the person: its session asked for it by name (`activate: true`).
    Show {
        /// Which tab.
        tab: TabId,
    },
}

/// The machine. See the module.
#[derive(Debug, Default)]
pub struct Tabs {
    /// Every tab of the browser, the person's too: bounded by Chrome.
    tabs: SortedMap<Slot, Tab>,
    by_id: SortedMap<TabId, Slot>,
    /// Bounded by `limits::SESSIONS_MAX`, which the driver keeps.
    seats: SortedMap<SessionId, Seat>,
    aliases: SortedMap<Alias, SessionId>,
    /// Bounded by `limits::CALLS_PER_SESSION_MAX` per seat.
    calls: SortedMap<CallId, Call>,
    slots_made: u64,
    calls_seen: u64,
    paused: bool,
    clock: Clock,
    /// In awake time.
    timers: Deadlines<Timer>,
    /// Tabs that something happened to in this step.
    touched: SortedSet<Slot>,
    /// Of those, the ones whose claims may have news.
    news: SortedSet<Slot>,
    events: VecDeque<TabEvent>,
    dirty: SortedSet<Dirty>,
    meanwhile: Meanwhile,
}

impl Tabs {
    /// A browser without tabs or sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next thing to do or to tell. Drain to `None` after every call of a `&mut` method.
    pub fn poll_event(&mut self) -> Option<TabEvent> {
        self.events.pop_front()
    }

    fn tell(&mut self, event: TabEvent) {
        self.events.push_back(event);
    }

    /// Notes that `slot` may be able to go on, which [`Self::settle`] will try.
    fn touch(&mut self, slot: Slot) {
        self.touched.insert(slot);
    }

    fn soil_tab(&mut self, slot: Slot) {
        if let Some(id) = self.tabs.get(&slot).and_then(|tab| tab.id) {
            self.dirty.insert(Dirty::Tab(id));
        }
    }

    fn soil_seat(&mut self, session: &SessionId) {
        self.dirty.insert(Dirty::Session(session.clone()));
    }

    /// Takes a call out of every place where it stands.
    fn remove_call(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        self.timers.clear(&Timer::Call(id));
        if let Some(seat) = self.seats.get_mut(&call.session) {
            seat.calls.remove(&id);
        }
        if let Some(slot) = call.place.slot() {
            if let Some(tab) = self.tabs.get_mut(&slot) {
                match call.place {
                    Place::Queued { .. } => tab.queue.retain(|other| *other != id),
                    Place::Claim { .. } => tab.claims.retain(|other| *other != id),
                    Place::Asked { .. } => tab.asked.retain(|other| *other != id),
                    Place::Running { .. } | Place::Homeless => {}
                }
            }
            self.touch(slot);
        }
        Some(call)
    }

    fn refuse(&mut self, call: CallId, fault: Fault) {
        if self.remove_call(call).is_some() {
            self.tell(TabEvent::Refuse { call, fault });
        }
    }

    fn finish(&mut self, call: CallId, tab: Option<TabId>) {
        if self.remove_call(call).is_some() {
            self.tell(TabEvent::Finished { call, tab });
        }
    }

    /// Ends a running call, once.
    fn stop(&mut self, id: CallId, fault: Fault) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let Place::Running { tab, course, .. } = &mut call.place
            && let Course::Runs { claimed } = *course
        {
            let unwanted = claimed && matches!(fault, Fault::Cancelled { .. });
            *course = Course::Stops { unwanted };
            let tab = *tab;
            self.tell(TabEvent::Stop {
                call: id,
                tab,
                fault,
            });
        }
    }
}

#[cfg(test)]
mod tests;
