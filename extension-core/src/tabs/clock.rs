//! What is timed of tabs, in awake time, so that closing the laptop for a day times no claim out
//! (`design/tabs.md`, *Ends*).

use super::Tabs;
use super::browser::OPENER_MAX;
use super::state::{Place, Slot, Want};
use crate::input::CallId;
use protocol::error::Fault;
use protocol::{Instant, TabId};
use std::time::Duration;

/// How often what is left until an announced release is written: a worker's death delays it by so
/// much at most.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A claim's wait, or a call's time in the queue of its own tab.
    Call(CallId),
    /// The opener of a new tab.
    Opener(TabId),
    /// An announced release.
    Release(Slot),
    /// What is left until an announced release is to be written.
    Note(Slot),
    /// Who had claimed a tab before the worker's death has come back, or will not.
    Claimants,
    /// What happened while no worker lived has been told.
    Meanwhile,
}

impl Tabs {
    /// The deadline that [`Self::poll_timeout`] named has come, or nearly.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.observe(now);
    }

    /// When to call [`Self::handle_timeout`] at the latest; none while nothing is timed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.timers.next()?;
        self.clock.due(due)
    }

    /// Takes note of the time and lets everything happen that was due until now.
    pub(super) fn observe(&mut self, now: Instant) {
        self.clock.observe(now);
        while let Some(timer) = self.timers.pop_due(self.clock.awake()) {
            match timer {
                Timer::Call(call) => self.handle_call_overdue(call),
                Timer::Opener(tab) => self.settle_opener(tab, None),
                Timer::Release(slot) => self.handle_release_due(slot),
                Timer::Note(slot) => self.note_release(slot),
                Timer::Claimants => self.handle_claimants_back(),
                Timer::Meanwhile => self.handle_meanwhile_over(),
            }
            self.settle();
        }
    }

    pub(super) fn announce_release(&mut self, slot: Slot, at: Instant) {
        if let Some(tab) = self.tabs.get_mut(&slot) {
            tab.release_at = Some(at);
        }
        self.timers.set(Timer::Release(slot), at);
        let note = self.clock.awake() + NOTE_EVERY;
        self.timers.set(Timer::Note(slot), note);
    }

    fn handle_release_due(&mut self, slot: Slot) {
        if self.meanwhile.is_missing(slot) {
            // Released now, a tab that the browser took along would be lost and nobody told.
            let again = self.clock.awake() + OPENER_MAX;
            self.timers.set(Timer::Release(slot), again);
        } else {
            self.release(slot);
        }
    }

    fn note_release(&mut self, slot: Slot) {
        self.soil_tab(slot);
        let note = self.clock.awake() + NOTE_EVERY;
        self.timers.set(Timer::Note(slot), note);
    }

    pub(super) fn forget_release(&mut self, slot: Slot) {
        if let Some(tab) = self.tabs.get_mut(&slot) {
            tab.release_at = None;
        }
        self.timers.clear(&Timer::Release(slot));
        self.timers.clear(&Timer::Note(slot));
    }

    fn handle_call_overdue(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let fault = match &call.place {
            Place::Claim { slot, since, .. } => {
                let waited = self.clock.awake().since(*since);
                self.claim_timeout(id, *slot, waited)
            }
            Place::Queued { .. } => {
                let limit = match call.want {
                    Want::Turn { queue_limit } => queue_limit,
                    Want::Select { .. } | Want::New | Want::Close => Duration::ZERO,
                };
                Fault::Timeout {
                    after_s: limit.as_secs(),
                    waiting_for: "its turn: an earlier call on this tab has not ended".into(),
                }
            }
            Place::Running { .. } | Place::Asked { .. } | Place::Homeless => return,
        };
        self.refuse(id, fault);
    }

    fn claim_timeout(&self, id: CallId, slot: Slot, waited: Duration) -> Fault {
        let tab = self.tabs.get(&slot);
        let position = tab.and_then(|tab| tab.claims.iter().position(|claim| *claim == id));
        Fault::ClaimTimeout {
            tab: tab.and_then(|tab| tab.id).unwrap_or(TabId(0)),
            owner: tab
                .and_then(super::state::Tab::holder)
                .and_then(|owner| self.peer(owner)),
            position: position.map_or(0, |index| index + 1),
            waited_s: waited.as_secs(),
        }
    }
}
