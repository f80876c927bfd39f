//! Sessions that come, are orphaned, and end.

use super::commands::Why;
use super::state::{Floor, Next, Place, Seat, Slot};
use super::{TabEvent, Tabs};
use protocol::error::{Fault, Peer};
use protocol::{Instant, SessionId};

impl Tabs {
    /// A session is here, or has another alias or label from now on. The driver keeps
    /// `limits::SESSIONS_MAX`, and aliases unique.
    pub fn open_session(&mut self, id: &SessionId, peer: Peer, now: Instant) {
        self.observe(now);
        self.seat(id, peer);
        self.settle();
    }

    pub(super) fn seat(&mut self, id: &SessionId, peer: Peer) {
        let alias = peer.alias.clone();
        if let Some(seat) = self.seats.get_mut(id) {
            self.aliases.remove(&seat.peer.alias);
            seat.peer = peer;
        } else {
            self.seats.insert(id.clone(), Seat::new(peer));
        }
        self.aliases.insert(alias, id.clone());
        self.soil_seat(id);
    }

    /// The session's socket is lost. It keeps its tabs; its calls that have not begun and its
    /// claims are gone at once ([`TabEvent::Dropped`]), the others go on.
    pub fn orphan_session(&mut self, id: &SessionId, now: Instant) {
        self.observe(now);
        let calls: Vec<_> = self
            .seats
            .get(id)
            .map_or(Vec::new(), |seat| seat.calls.iter().copied().collect());
        for call in calls {
            match self.calls.get(&call).map(|call| &call.place) {
                Some(Place::Queued { .. } | Place::Claim { .. }) => {
                    self.remove_call(call);
                    self.tell(TabEvent::Dropped { call });
                }
                Some(Place::Running { .. } | Place::Asked { .. } | Place::Homeless) | None => {}
            }
        }
        self.settle();
    }

    /// The session is over. Its waiting calls fail with `session_ended`, its running ones are
    /// stopped; its made tabs go to their first claims or close, its borrowed ones return to the
    /// person.
    pub fn end_session(&mut self, id: &SessionId, now: Instant) {
        self.observe(now);
        if let Some(seat) = self.seats.remove(id) {
            self.aliases.remove(&seat.peer.alias);
            self.soil_seat(id);
            for call in seat.calls {
                match self.calls.get(&call).map(|call| &call.place) {
                    Some(Place::Queued { .. } | Place::Claim { .. } | Place::Asked { .. }) => {
                        self.refuse(call, Fault::SessionEnded);
                    }
                    Some(Place::Running { .. }) => self.stop(call, Fault::SessionEnded),
                    Some(Place::Homeless) | None => {}
                }
            }
            for slot in seat.coming {
                self.leave(slot, Next::FirstClaim, Why::Ended);
            }
            for slot in seat.tabs.into_iter().chain(seat.freed) {
                if !self.is_leaving(slot) {
                    self.leave(slot, Next::FirstClaim, Why::Ended);
                }
            }
        }
        self.settle();
    }

    /// Where a tab goes that leaves already is decided.
    fn is_leaving(&self, slot: Slot) -> bool {
        self.tabs
            .get(&slot)
            .is_some_and(|tab| matches!(tab.floor, Floor::Leaving { .. } | Floor::Closing { .. }))
    }
}
