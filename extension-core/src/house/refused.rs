//! What Chrome refused because it has no tab of the id that it was told. It may have given the tab
//! another, and says so before its refusal or a moment after it: then the same is asked under that.

use super::*;

/// How long after its refusal Chrome may tell of the new id.
const TOLD_LATE: Duration = Duration::from_millis(500);

/// What is asked again.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wish {
    Close,
    Join(SessionId),
    Leave,
}

impl House {
    /// Chrome has no tab `named` so, which goes by the id `tab` as far as told.
    pub(super) fn handle_no_tab(&mut self, tab: TabId, named: TabId, wish: Wish, now: Instant) {
        if tab != named {
            return self.wish(tab, wish, now);
        }
        // Where it goes, its group does not matter.
        if self.refused.get(&tab) != Some(&Wish::Close) {
            self.timers.set(Timer::Refused(tab), now + TOLD_LATE);
            self.refused.insert(tab, wish);
        }
    }

    pub(super) fn wish_again(&mut self, removed: TabId, added: TabId) {
        self.timers.clear(&Timer::Refused(removed));
        if let Some(wish) = self.refused.remove(&removed) {
            self.wish(added, wish, self.clock.awake());
        }
    }

    /// There was no new id: the tab does not exist.
    pub(super) fn give_up(&mut self, tab: TabId) {
        if self.refused.remove(&tab) == Some(Wish::Close) {
            self.events.push_back(HouseEvent::Gone { tab });
        }
    }

    /// Another group is wanted for the tab, or none.
    pub(super) fn forget_refused_grouping(&mut self, tab: TabId) {
        if self.refused.get(&tab) != Some(&Wish::Close) {
            self.forget_refused(tab);
        }
    }

    pub(super) fn forget_refused(&mut self, tab: TabId) {
        self.timers.clear(&Timer::Refused(tab));
        self.refused.remove(&tab);
    }

    fn wish(&mut self, tab: TabId, wish: Wish, now: Instant) {
        match wish {
            Wish::Close => self.remove(tab),
            Wish::Join(session) => self.join(&session, tab, now),
            Wish::Leave => self.leave_group(tab, now),
        }
    }
}
