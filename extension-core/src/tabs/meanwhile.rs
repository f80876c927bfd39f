//! What happened to tabs while no worker lived. Chrome wakes a worker with an event and tells it
//! what is there before it tells the event itself: a tab that was unloaded meanwhile is there under
//! its new id only, and one that an agent's page opened looks like any tab of the person's. So for
//! [`OPENER_MAX`] after a restore no recorded tab counts as lost, and none without a record for
//! certain as the person's.

use super::browser::OPENER_MAX;
use super::clock::Timer;
use super::state::{Current, Floor, Holding, Loss, Next, Slot, Tab, Until};
use super::{TabEvent, TabRecord, Tabs};
use protocol::error::Fault;
use protocol::{Instant, SessionId, SortedMap, SortedSet, TabId};
use std::time::Duration;

/// How long a tab that was leaving to the first claim waits for those who had claimed it: agents
/// are back in 1 s, and the first to be back was not always the first to claim.
const CLAIMANTS_MAX: Duration = Duration::from_secs(3);

/// See the module. What is missing or strange is so until [`Timer::Meanwhile`] comes.
#[derive(Debug, Default)]
pub(super) struct Meanwhile {
    /// Tabs that leave to the first claim once [`Timer::Claimants`] has come.
    promised: SortedSet<Slot>,
    /// Recorded tabs that were not found, with what they last showed.
    missing: SortedMap<Slot, String>,
    /// Tabs that were found without a record.
    strange: SortedSet<TabId>,
    /// Tabs that somebody had since, or that were found with a record of their own, while others are
    /// missing: whatever they look like, they are none of those.
    known: SortedSet<Slot>,
}

impl Meanwhile {
    pub(super) fn is_promised(&self, slot: Slot) -> bool {
        self.promised.contains(&slot)
    }

    /// Whether it is there nobody knows yet.
    pub(super) fn is_missing(&self, slot: Slot) -> bool {
        self.missing.contains_key(&slot)
    }

    /// The tab is no more.
    pub(super) fn forget(&mut self, slot: Slot, tab: Option<TabId>) {
        if let Some(tab) = tab {
            self.strange.remove(&tab);
        }
        self.promised.remove(&slot);
        self.missing.remove(&slot);
        self.known.remove(&slot);
    }

    /// Somebody has the tab.
    pub(super) fn know(&mut self, slot: Slot) {
        if !self.missing.is_empty() {
            self.known.insert(slot);
        }
    }
}

impl Tabs {
    pub(super) fn await_news(&mut self) {
        if !(self.meanwhile.missing.is_empty() && self.meanwhile.strange.is_empty()) {
            let due = self.clock.awake() + OPENER_MAX;
            self.timers.set(Timer::Meanwhile, due);
        }
    }

    pub(super) fn add_strange(&mut self, tab: TabId) {
        self.add(tab, Holding::Person, Floor::Idle);
        self.meanwhile.strange.insert(tab);
    }

    pub(super) fn await_claimants(&mut self, slot: Slot) {
        self.meanwhile.promised.insert(slot);
        let due = self.clock.awake() + CLAIMANTS_MAX;
        self.timers.set(Timer::Claimants, due);
    }

    pub(super) fn handle_claimants_back(&mut self) {
        for slot in std::mem::take(&mut self.meanwhile.promised) {
            self.clear(slot);
        }
    }

    pub(super) fn add_missing(&mut self, slot: Slot, url: String) {
        self.meanwhile.missing.insert(slot, url);
    }

    /// A page opened this tab, perhaps while no worker lived: whose it is depends on its opener.
    pub(super) fn reconsider(&mut self, tab: TabId) {
        if self.meanwhile.strange.remove(&tab)
            && let Some(slot) = self.by_id.get(&tab).copied()
            && let Some(Holding::Person) = self.tabs.get(&slot).map(|tab| &tab.holding)
        {
            let children = Vec::new();
            self.set_holding(slot, Holding::Undetermined { children });
        }
    }

    /// It goes on under another id: what was missing is found, and what was being brought in order
    /// under the former id is to be under this one.
    pub(super) fn find(&mut self, slot: Slot) {
        let missing = self.meanwhile.missing.remove(&slot).is_some();
        if missing {
            self.tell_if_none_is_missing();
        }
        let Some(Tab {
            id: Some(tab),
            floor,
            ..
        }) = self.tabs.get(&slot)
        else {
            return;
        };
        let tab = *tab;
        match floor {
            Floor::Mending
            | Floor::Leaving {
                until: Until::Mended,
                ..
            } => self.tell(TabEvent::Mend { tab }),
            Floor::Leaving {
                until: Until::Cleared,
                ..
            } if missing => self.tell(TabEvent::Clear { tab }),
            Floor::Leaving {
                until: Until::Made | Until::TurnEnds(_) | Until::Cleared,
                ..
            }
            | Floor::Making { .. }
            | Floor::Idle
            | Floor::Turn(_)
            | Floor::Closing { .. } => {}
        }
    }

    /// There is a record of the tab, whatever it is worth: it is no other that is missing.
    pub fn know(&mut self, tab: TabId) {
        if let Some(slot) = self.by_id.get(&tab) {
            self.meanwhile.know(*slot);
        }
    }

    /// All that happened meanwhile has been told.
    pub(super) fn handle_meanwhile_over(&mut self) {
        self.meanwhile.strange.clear();
        if self.meanwhile.missing.is_empty() {
            self.tell(TabEvent::NoneMissing);
        } else {
            self.tell(TabEvent::Seek);
        }
    }

    /// The restored tabs that are not there, with what they last showed.
    #[must_use]
    pub fn missing(&self) -> SortedMap<TabId, TabRecord> {
        let record = |(slot, url): (&Slot, &String)| {
            let id = self.tabs.get(slot)?.id?;
            let url = url.clone();
            let record = self.tab_record(id)?;
            Some((id, TabRecord { url, ..record }))
        };
        self.meanwhile.missing.iter().filter_map(record).collect()
    }

    /// Whether the tab is the person's, and may be one that is missing.
    #[must_use]
    pub fn may_be_missing(&self, tab: TabId) -> bool {
        let known = |slot| self.meanwhile.known.contains(slot);
        self.is_person_tab(tab) && !self.by_id.get(&tab).is_some_and(known)
    }

    /// What was missing has been sought: what is missing still is lost.
    pub fn handle_sought(&mut self, now: Instant) {
        self.observe(now);
        let missing = std::mem::take(&mut self.meanwhile.missing);
        self.lose_missing(missing);
        self.settle();
    }

    /// A missing tab was closed while no worker lived. Whether this is one.
    pub(super) fn is_lost_now(&mut self, slot: Slot) -> bool {
        let Some(url) = self.meanwhile.missing.remove(&slot) else {
            return false;
        };
        self.lose_missing(SortedMap::from([(slot, url)]));
        true
    }

    fn lose_missing(&mut self, missing: SortedMap<Slot, String>) {
        let mut losers = SortedMap::new();
        for (slot, url) in missing {
            let Some(tab) = self.tabs.get(&slot) else {
                continue;
            };
            let id = tab.id.unwrap_or(TabId(0));
            let loser = loser(tab).cloned();
            if let Some(session) = &loser {
                self.lose(session, id, url.clone());
            }
            losers.insert(slot, (loser, id, url));
        }
        for (slot, (loser, tab, url)) in losers {
            if let Some(fault) = loser.and_then(|session| self.lose_for_good(&session, slot)) {
                let queued = self.tabs.get(&slot).map(|tab| tab.queue.clone());
                for call in queued.unwrap_or_default() {
                    self.refuse(call, fault.clone());
                }
            }
            let url = (!url.is_empty()).then_some(url);
            self.forget(slot, &Fault::TabGone { tab, url });
        }
        self.tell_if_none_is_missing();
    }

    fn tell_if_none_is_missing(&mut self) {
        if self.meanwhile.missing.is_empty() {
            self.meanwhile.known.clear();
            self.tell(TabEvent::NoneMissing);
        }
    }

    /// Whether a tab of this session may be lost, or not: [`TabEvent::NoneMissing`] will tell.
    #[must_use]
    pub fn misses_tabs(&self, session: &SessionId) -> bool {
        let of = |slot: &Slot| self.tabs.get(slot).and_then(loser) == Some(session);
        self.meanwhile.missing.keys().any(of)
    }

    /// If it was the current one: what its session's calls without a name are told.
    fn lose_for_good(&mut self, session: &SessionId, slot: Slot) -> Option<Fault> {
        let seat = self.seats.get_mut(session)?;
        if seat.current != Current::Tab(slot) {
            return None;
        }
        let loss = Loss::Lost(seat.lost.iter().map(|lost| lost.url.clone()).collect());
        let fault = loss.fault();
        seat.current = Current::Gone(loss);
        self.soil_seat(session);
        Some(fault)
    }
}

/// Whose loss it is. What was leaving is none to the one who let it go.
fn loser(tab: &Tab) -> Option<&SessionId> {
    match &tab.floor {
        Floor::Leaving { next, .. } => match next {
            Next::Session(heir) => Some(heir),
            Next::FirstClaim | Next::Person | Next::Close => None,
        },
        Floor::Making { .. }
        | Floor::Mending
        | Floor::Idle
        | Floor::Turn(_)
        | Floor::Closing { .. } => tab.owning_session(),
    }
}
