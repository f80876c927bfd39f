//! How a tab passes from one to the next: the turn ends, the tab is cleared, the owner changes,
//! the next call begins.

use super::clock::Timer;
use super::commands::Why;
use super::state::{
    Course, Current, Duty, Floor, Holding, Loss, Next, Place, Slot, Tab, Told, Until, Want,
};
use super::{Dirty, Owner, TabEvent, Tabs};
use crate::input::CallId;
use crate::presses::Presses;
use protocol::error::Fault;
use protocol::frame::Progress;
use protocol::{Instant, SessionId, TabId};

impl Tabs {
    /// The browser has settled the last command of a running call. Late ends change nothing.
    pub fn handle_turn_ended(&mut self, call: CallId, now: Instant) {
        self.observe(now);
        match self.calls.get(&call).map(|call| call.place.clone()) {
            Some(Place::Homeless) => {
                self.remove_call(call);
            }
            Some(Place::Running { slot, .. }) => {
                self.remove_call(call);
                self.end_turn(slot);
            }
            Some(Place::Queued { .. } | Place::Claim { .. } | Place::Asked { .. }) | None => {}
        }
        self.settle();
    }

    /// As [`Self::handle_turn_ended`], for a call that was stopped before it had sent a command. If
    /// it was cancelled, and the tab came to its session with its claim, the tab passes on as by a
    /// release, unless another call of the session waits for it.
    pub fn handle_never_began(&mut self, call: CallId, now: Instant) {
        self.observe(now);
        let unwanted = match self.calls.get(&call).map(|call| &call.place) {
            Some(Place::Running {
                slot,
                course: Course::Stops { unwanted: true },
                ..
            }) => Some(*slot),
            Some(
                Place::Running { .. }
                | Place::Queued { .. }
                | Place::Claim { .. }
                | Place::Asked { .. }
                | Place::Homeless,
            )
            | None => None,
        };
        if let Some(slot) = unwanted
            && let Some(tab) = self.tabs.get(&slot)
            && matches!(tab.floor, Floor::Turn(_))
            && tab.queue.is_empty()
        {
            self.release(slot);
        }
        self.handle_turn_ended(call, now);
    }

    fn end_turn(&mut self, slot: Slot) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        let acted = tab.forget_act();
        match &tab.floor {
            Floor::Turn(_) => tab.floor = Floor::Idle,
            Floor::Leaving {
                until: Until::TurnEnds(_),
                ..
            } => self.clear(slot),
            Floor::Making { .. }
            | Floor::Mending
            | Floor::Idle
            | Floor::Closing { .. }
            | Floor::Leaving {
                until: Until::Made | Until::Mended | Until::Cleared,
                ..
            } => {}
        }
        if acted {
            self.soil_tab(slot);
        }
    }

    /// The call has the turn, and it acts: should the worker die before the turn ends, the next one
    /// brings its tab in order first, and lets up what the call `presses`.
    pub fn handle_acts(&mut self, call: CallId, presses: Presses) {
        if let Some(Place::Running { slot, .. }) = self.calls.get(&call).map(|call| &call.place) {
            let slot = *slot;
            if let Some(tab) = self.tabs.get_mut(&slot) {
                // What a former life left down may be down still, when its page has not answered yet.
                if !std::mem::replace(&mut tab.acts, true) || !presses.is_nothing() {
                    tab.presses = presses;
                }
            }
            self.soil_tab(slot);
        }
    }

    /// The debugger is off the tab and no dialog is open: the change of owner may complete.
    pub fn handle_cleared(&mut self, tab: TabId, now: Instant) {
        self.observe(now);
        if let Some(slot) = self.by_id.get(&tab).copied()
            && !self.meanwhile.is_promised(slot)
            && let Some(tab) = self.tabs.get_mut(&slot)
            && let Floor::Leaving {
                until: Until::Cleared,
                next,
            } = &tab.floor
        {
            let next = next.clone();
            tab.dialog = None;
            tab.forget_act();
            self.complete(slot, next);
        }
        self.settle();
    }

    /// A restored tab is in order: its calls and claims may go on. Without `drained` its page does not
    /// answer yet; then whoever runs its calls lets none act before it does. While a dialog is open
    /// its owner's calls fail.
    pub fn handle_mended(&mut self, tab: TabId, drained: bool, now: Instant) {
        self.observe(now);
        if let Some(slot) = self.by_id.get(&tab).copied()
            && let Some(tab) = self.tabs.get_mut(&slot)
        {
            if drained && !matches!(tab.floor, Floor::Turn(_)) && tab.forget_act() {
                self.dirty.extend(tab.id.map(Dirty::Tab));
            }
            match &tab.floor {
                Floor::Mending => {
                    tab.floor = Floor::Idle;
                    self.touch(slot);
                }
                Floor::Leaving {
                    until: Until::Mended,
                    ..
                } => self.clear(slot),
                Floor::Making { .. }
                | Floor::Idle
                | Floor::Turn(_)
                | Floor::Closing { .. }
                | Floor::Leaving {
                    until: Until::Made | Until::TurnEnds(_) | Until::Cleared,
                    ..
                } => {}
            }
        }
        self.settle();
    }

    /// Starts, or redirects, the change of a tab's owner: its holder's queued calls fail at once,
    /// the running one is stopped.
    pub(super) fn leave(&mut self, slot: Slot, next: Next, why: Why) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        let (until, running) = match &tab.floor {
            Floor::Closing { .. } => return,
            Floor::Making { .. } => (Some(Until::Made), None),
            Floor::Mending => (Some(Until::Mended), None),
            Floor::Turn(call) => (Some(Until::TurnEnds(*call)), Some(*call)),
            Floor::Idle => (None, None),
            Floor::Leaving { until, .. } => (Some(*until), None),
        };
        let (id, queued) = (tab.id, Vec::from(std::mem::take(&mut tab.queue)));
        let holder = tab.holder().cloned();
        let returned = next == Next::FirstClaim && tab.is_borrowed();
        let asked = tab.asked.clone();
        let rescued = next != Next::Close
            && matches!(
                tab.floor,
                Floor::Leaving {
                    next: Next::Close,
                    ..
                }
            );
        let unmade = matches!(tab.floor, Floor::Making { .. });
        let owned = tab.owning_session().is_some();
        let has_dialog = tab.dialog.is_some();
        // What it waits for is put right below when it waits for nothing yet.
        tab.floor = Floor::Leaving {
            until: until.unwrap_or(Until::Cleared),
            next: next.clone(),
        };
        self.forget_release(slot);
        let fault = why.fault(id);
        for call in queued {
            self.refuse(call, fault.clone());
        }
        if rescued {
            self.refuse_closers(&asked, &fault);
        }
        if let Some(call) = running {
            self.stop(call, fault);
        }
        if let Some(holder) = holder {
            if unmade && let Some(seat) = self.seats.get_mut(&holder) {
                // It disposes of the tab as of its own: none is made for it again.
                seat.had |= seat.current == Current::Tab(slot);
            }
            self.lose_current(&holder, slot, why.loss(id, returned));
            if let Some(seat) = self.seats.get_mut(&holder) {
                seat.coming.remove(&slot);
            }
        }
        if let Next::Session(heir) = &next {
            self.promise(slot, heir);
        }
        self.soil_tab(slot);
        self.touch(slot);
        if until.is_none() {
            if owned || has_dialog {
                self.clear(slot);
            } else {
                self.complete(slot, next);
            }
        }
    }

    /// Whoever asked for the closing of a tab does not get it.
    fn refuse_closers(&mut self, asked: &[CallId], fault: &Fault) {
        for call in asked {
            match self.calls.get(call).map(|call| &call.want) {
                Some(Want::Close) => self.refuse(*call, fault.clone()),
                Some(Want::New | Want::Turn { .. } | Want::Select { .. }) | None => {}
            }
        }
    }

    fn finish_closers(&mut self, slot: Slot) {
        let Some(tab) = self.tabs.get(&slot) else {
            return;
        };
        let id = tab.id;
        for call in tab.asked.clone() {
            match self.calls.get(&call).map(|call| &call.want) {
                Some(Want::Close) => self.finish(call, id),
                Some(Want::New | Want::Turn { .. } | Want::Select { .. }) | None => {}
            }
        }
    }

    /// The tab is on its way to `heir`: its claims are granted, its calls queue from now on.
    fn promise(&mut self, slot: Slot, heir: &SessionId) {
        if let Some(seat) = self.seats.get_mut(heir) {
            seat.coming.insert(slot);
            if seat.current == Current::Never {
                seat.current = Current::Tab(slot);
                self.soil_seat(heir);
            }
        }
        self.grant_claims(slot, heir);
        self.break_cycles(heir);
    }

    /// `session` holds the tab no more; if it was the current one, unnamed calls are told so.
    pub(super) fn lose_current(&mut self, session: &SessionId, slot: Slot, loss: Loss) {
        let Some(seat) = self.seats.get_mut(session) else {
            return;
        };
        if seat.current == Current::Tab(slot) {
            seat.current = if seat.had {
                Current::Gone(loss)
            } else {
                Current::Never
            };
            self.soil_seat(session);
        }
    }

    /// Nothing runs on the leaving tab any more: asks that nothing of its owner is left on it.
    pub(super) fn clear(&mut self, slot: Slot) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        if let (Floor::Leaving { until, .. }, Some(id)) = (&mut tab.floor, tab.id) {
            *until = Until::Cleared;
            self.tell(TabEvent::Clear { tab: id });
        }
    }

    /// Nothing of the former owner is left: the tab goes where it should.
    fn complete(&mut self, slot: Slot, next: Next) {
        self.touch(slot);
        match next {
            Next::Person => self.return_to_person(slot, true),
            Next::Close => {
                if self.tabs.get(&slot).is_some_and(Tab::is_borrowed) {
                    // The person used it since its closing was asked for.
                    self.finish_closers(slot);
                    self.pass(slot);
                } else {
                    self.close(slot);
                }
            }
            Next::Session(heir) => {
                if let Some(seat) = self.seats.get_mut(&heir) {
                    seat.coming.remove(&slot);
                    self.grant(slot, &heir);
                } else {
                    self.pass(slot);
                }
            }
            Next::FirstClaim => self.pass(slot),
        }
    }

    /// To the first claim, else to nobody or the end.
    fn pass(&mut self, slot: Slot) {
        let Some(tab) = self.tabs.get(&slot) else {
            return;
        };
        let last = match &tab.holding {
            Holding::Session {
                duty: Duty::Borrowed,
                ..
            }
            | Holding::Free {
                duty: Duty::Borrowed,
                ..
            }
            | Holding::Person
            | Holding::Undetermined { .. } => return self.return_to_person(slot, false),
            Holding::Session {
                id,
                duty: Duty::Made,
            } => id.clone(),
            Holding::Free {
                last,
                duty: Duty::Made,
            } => last.clone(),
        };
        while let Some(claim) = self
            .tabs
            .get(&slot)
            .and_then(|tab| tab.claims.front().copied())
        {
            let Some(session) = self.calls.get(&claim).map(|call| call.session.clone()) else {
                return;
            };
            match self.check_room(&session) {
                Ok(()) => return self.grant(slot, &session),
                Err(fault) => self.refuse(claim, fault),
            }
        }
        let lives = self
            .seats
            .get(&last)
            .is_some_and(|seat| seat.tabs.contains(&slot) || seat.freed.contains(&slot));
        if lives {
            let duty = Duty::Made;
            self.set_holding(slot, Holding::Free { last, duty });
            self.set_floor(slot, Floor::Idle);
        } else {
            self.close(slot);
        }
    }

    /// `session` owns the tab from now on, and its claims are its first calls.
    pub(super) fn grant(&mut self, slot: Slot, session: &SessionId) {
        let Some(tab) = self.tabs.get(&slot) else {
            return;
        };
        let duty = match &tab.holding {
            Holding::Session { duty, .. } | Holding::Free { duty, .. } => *duty,
            Holding::Person | Holding::Undetermined { .. } => Duty::Borrowed,
        };
        let id = session.clone();
        self.set_holding(slot, Holding::Session { id, duty });
        self.set_floor(slot, Floor::Idle);
        self.grant_claims(slot, session);
        self.break_cycles(session);
    }

    /// Moves the claims of `session` into the queue, in their order.
    fn grant_claims(&mut self, slot: Slot, session: &SessionId) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        let calls = &self.calls;
        let theirs = |id: &CallId| calls.get(id).is_some_and(|call| call.session == *session);
        let granted: Vec<CallId> = tab.claims.iter().copied().filter(theirs).collect();
        tab.claims.retain(|id| !granted.contains(id));
        tab.queue.extend(&granted);
        for id in granted {
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            call.place = Place::Queued {
                slot,
                granted: true,
            };
            match call.want {
                Want::Turn { queue_limit } => {
                    let due = self.clock.awake() + queue_limit;
                    self.timers.set(Timer::Call(id), due);
                }
                Want::Select { .. } | Want::New | Want::Close => {
                    self.timers.clear(&Timer::Call(id));
                }
            }
        }
        self.touch(slot);
    }

    /// The tab is the person's; whoever waits for it is told so.
    pub(super) fn return_to_person(&mut self, slot: Slot, taken: bool) {
        let Some(tab) = self.tabs.get(&slot) else {
            return;
        };
        let claims: Vec<CallId> = tab.claims.iter().copied().collect();
        if let Some(tab) = tab.id {
            for claim in claims {
                let fault = if taken {
                    Fault::TabTaken { tab }
                } else {
                    Fault::TabReturned { tab }
                };
                self.refuse(claim, fault);
            }
        }
        self.set_holding(slot, Holding::Person);
        self.set_floor(slot, Floor::Idle);
    }

    fn close(&mut self, slot: Slot) {
        if let Some(tab) = self.tabs.get(&slot).and_then(|tab| tab.id) {
            self.set_floor(slot, Floor::Closing { known_as: tab });
            self.tell(TabEvent::Close { tab });
        }
    }

    fn set_floor(&mut self, slot: Slot, floor: Floor) {
        if let Some(tab) = self.tabs.get_mut(&slot) {
            tab.floor = floor;
        }
        self.soil_tab(slot);
        self.touch(slot);
    }

    /// Changes whose the tab is, in the tab and in the seats.
    pub(super) fn set_holding(&mut self, slot: Slot, holding: Holding) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        let (from, to) = (tab.holding.owner(), holding.owner());
        let before = std::mem::replace(&mut tab.holding, holding.clone());
        let id = tab.id;
        // Of two sessions of one name the later has a seat that does not know the earlier one's tabs.
        let mut of_earlier = false;
        match before {
            Holding::Session { id: session, .. } => {
                if let Some(seat) = self.seats.get_mut(&session) {
                    of_earlier = !seat.tabs.remove(&slot);
                }
            }
            Holding::Free { last, .. } => {
                if let Some(seat) = self.seats.get_mut(&last) {
                    seat.freed.remove(&slot);
                }
            }
            Holding::Person | Holding::Undetermined { .. } => {}
        }
        match holding {
            Holding::Session { id: session, .. } => self.seat_tab(&session, slot),
            Holding::Free { last, .. } => {
                if let Some(seat) = self.seats.get_mut(&last) {
                    seat.freed.insert(slot);
                }
            }
            Holding::Person | Holding::Undetermined { .. } => {}
        }
        if let Owner::Session(_) | Owner::Free = from {
            self.meanwhile.know(slot);
        }
        let matters = match (&from, &to) {
            (Owner::Person | Owner::Undetermined, Owner::Person | Owner::Undetermined) => false,
            (Owner::Session(_) | Owner::Free, _) | (_, Owner::Session(_) | Owner::Free) => {
                from != to || of_earlier
            }
        };
        if let (true, Some(tab)) = (matters, id) {
            self.tell(TabEvent::OwnerChanged { tab, from, to });
        }
        self.soil_tab(slot);
        self.touch(slot);
    }

    /// The seat has one more tab; its first becomes the current one.
    pub(super) fn seat_tab(&mut self, session: &SessionId, slot: Slot) {
        if let Some(seat) = self.seats.get_mut(session) {
            seat.tabs.insert(slot);
            seat.had = true;
            if seat.current == Current::Never {
                seat.current = Current::Tab(slot);
            }
            self.soil_seat(session);
        }
    }

    /// A tab that is being made will not be: its queued calls fail, what was current before is
    /// current again.
    pub(super) fn unmake(&mut self, slot: Slot, fault: &Fault) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        let queued: Vec<CallId> = tab.queue.iter().copied().collect();
        let (before, session) = match (&tab.floor, &tab.holding) {
            (Floor::Making { before }, Holding::Session { id, .. }) => {
                (before.clone(), Some(id.clone()))
            }
            (_, _) => (Current::Never, None),
        };
        for call in queued {
            self.refuse(call, fault.clone());
        }
        let Some(session) = session else {
            return;
        };
        let still = match before {
            Current::Tab(earlier) => self
                .tabs
                .get(&earlier)
                .is_some_and(|tab| tab.holder() == Some(&session)),
            Current::Never | Current::Gone(_) => true,
        };
        if let Some(seat) = self.seats.get_mut(&session)
            && seat.current == Current::Tab(slot)
        {
            seat.current = match (before, seat.had) {
                (before @ (Current::Tab(_) | Current::Gone(_)), _) if still => before,
                (_, false) => Current::Never,
                (_, true) => Current::Gone(Loss::NotMade),
            };
            self.soil_seat(&session);
        }
    }

    /// Forgets a tab that is no more, or never was. Everyone who waits for it is told `fault`.
    pub(super) fn forget(&mut self, slot: Slot, fault: &Fault) {
        let Some(tab) = self.tabs.remove(&slot) else {
            return;
        };
        let known_as = tab.known_as();
        self.forget_release(slot);
        self.meanwhile.forget(slot, tab.id);
        if let Some(id) = tab.id {
            self.by_id.remove(&id);
            self.timers.clear(&Timer::Opener(id));
            self.dirty.insert(Dirty::Tab(id));
        }
        if let Some(heir) = tab.holder().cloned()
            && let Some(seat) = self.seats.get_mut(&heir)
        {
            seat.coming.remove(&slot);
        }
        match &tab.holding {
            Holding::Session { id, .. } => {
                if let Some(seat) = self.seats.get_mut(id) {
                    seat.tabs.remove(&slot);
                }
            }
            Holding::Free { last, .. } => {
                if let Some(seat) = self.seats.get_mut(last) {
                    seat.freed.remove(&slot);
                }
            }
            Holding::Person | Holding::Undetermined { .. } => {}
        }
        for call in tab.queue.into_iter().chain(tab.claims) {
            self.refuse(call, fault.clone());
        }
        for call in tab.asked {
            match self.calls.get(&call).map(|call| call.want.clone()) {
                Some(Want::Close) => self.finish(call, known_as),
                Some(Want::New | Want::Turn { .. } | Want::Select { .. }) | None => {
                    self.refuse(call, fault.clone());
                }
            }
        }
        if let Floor::Turn(call)
        | Floor::Leaving {
            until: Until::TurnEnds(call),
            ..
        } = tab.floor
        {
            self.stop(call, fault.clone());
            if let Some(call) = self.calls.get_mut(&call) {
                call.place = Place::Homeless;
            }
        }
    }

    /// Lets every touched tab go on as far as it can, then tells claims what is new to them.
    pub(super) fn settle(&mut self) {
        while let Some(slot) = self.touched.pop_first() {
            self.news.insert(slot);
            self.advance(slot);
        }
        while let Some(slot) = self.news.pop_first() {
            self.tell_claims(slot);
        }
    }

    fn advance(&mut self, slot: Slot) {
        let Some(tab) = self.tabs.get_mut(&slot) else {
            return;
        };
        match (&tab.floor, &tab.holding) {
            (Floor::Idle, Holding::Session { .. }) => self.begin_next(slot),
            (Floor::Idle, Holding::Free { .. }) if !tab.claims.is_empty() => {
                self.leave(slot, Next::FirstClaim, Why::Released);
            }
            (
                Floor::Idle
                | Floor::Making { .. }
                | Floor::Mending
                | Floor::Turn(_)
                | Floor::Leaving { .. }
                | Floor::Closing { .. },
                _,
            ) => {}
        }
    }

    fn begin_next(&mut self, slot: Slot) {
        while let Some(tab) = self.tabs.get_mut(&slot)
            && let Some(id) = tab.id
            && let Some(next) = tab.queue.front().copied()
        {
            let Some(call) = self.calls.get_mut(&next) else {
                tab.queue.pop_front();
                continue;
            };
            if let Want::Select { activate } = call.want {
                let session = call.session.clone();
                self.select(next, &session, slot, activate);
                continue;
            }
            if let Some(fault) = tab.dialog_fault() {
                self.refuse(next, fault);
                continue;
            }
            let claimed = matches!(call.place, Place::Queued { granted: true, .. });
            tab.queue.pop_front();
            tab.floor = Floor::Turn(next);
            call.place = Place::Running {
                slot,
                tab: id,
                course: Course::Runs { claimed },
            };
            for later in &tab.queue {
                if let Some(call) = self.calls.get_mut(later)
                    && let Place::Queued { granted, .. } = &mut call.place
                {
                    *granted = false;
                }
            }
            self.timers.clear(&Timer::Call(next));
            self.tell(TabEvent::Begin {
                call: next,
                tab: id,
            });
            return;
        }
    }

    /// Tells each claim on the tab its position, its owner and an announced release, when one of
    /// them is new to it.
    fn tell_claims(&mut self, slot: Slot) {
        let Some(tab) = self.tabs.get(&slot) else {
            return;
        };
        let owner = tab.holder().cloned();
        let peer = owner.as_ref().and_then(|owner| self.peer(owner));
        let (release_at, awake) = (tab.release_at, self.clock.awake());
        for (index, id) in tab.claims.iter().enumerate() {
            let left = self.timers.get(&Timer::Call(*id));
            let Some(call) = self.calls.get_mut(id) else {
                continue;
            };
            let Place::Claim { told, .. } = &mut call.place else {
                continue;
            };
            let news = Told {
                position: index + 1,
                owner: owner.clone(),
                release_at,
            };
            if told.as_ref() == Some(&news) {
                continue;
            }
            *told = Some(news);
            self.events.push_back(TabEvent::Progress {
                call: *id,
                progress: Progress {
                    position: index + 1,
                    owner: peer.clone(),
                    release_in_s: release_at.map(|at| at.since(awake).as_secs()),
                    left_s: left.map_or(0, |at| at.since(awake).as_secs()),
                },
            });
        }
    }
}
