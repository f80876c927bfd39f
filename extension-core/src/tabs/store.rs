//! What of the machine outlives the worker: one record per tab that is no plain tab of the person,
//! one per session. Calls do not: they are the driver's, and what never began is sent again.

use super::state::{Current, Duty, Floor, Holding, Loss, Next, Slot, Tab, Until};
use super::{TabEvent, Tabs};
use crate::presses::Presses;
use protocol::command::Dialog;
use protocol::frame::LostTab;
use protocol::{Instant, SessionId, SortedMap, SortedSet, TabId, limits};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whose record has changed since [`Tabs::take_dirty`] was last asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dirty {
    /// [`Tabs::tab_record`]; without one it is to be removed.
    Tab(TabId),
    /// [`Tabs::session_record`]; without one it is to be removed.
    Session(SessionId),
}

/// A tab that a session owns or last owned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TabRecord {
    /// Whose it is.
    pub owner: TabRecordOwner,
    /// What it last showed; whoever stores the record fills it in.
    #[serde(default)]
    pub url: String,
    /// Where it was going when this was written.
    #[serde(default)]
    pub leaving: Option<Next>,
    /// Milliseconds until an announced release, when this was written.
    #[serde(default)]
    pub release_in_ms: Option<u64>,
    /// An acting call had the turn when this was written.
    #[serde(default)]
    pub acts: bool,
    /// What that call presses.
    #[serde(default, skip_serializing_if = "Presses::is_nothing")]
    pub presses: Presses,
    /// The JavaScript dialog that was open.
    #[serde(default)]
    pub dialog: Option<Dialog>,
}

/// See [`TabRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TabRecordOwner {
    /// A session's.
    Session(SessionId, Duty),
    /// Nobody's; this session owned it last. Borrowed while the person gives it to somebody.
    Free(SessionId, Duty),
}

/// A session's tabs, as far as the tabs' own records do not say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatRecord {
    /// Its current tab.
    pub current: CurrentRecord,
    /// It has owned a tab.
    pub had: bool,
    /// Lost tabs that it was not told of yet.
    #[serde(default)]
    pub lost: Vec<LostTab>,
}

/// See [`SeatRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CurrentRecord {
    /// It never had one.
    Never,
    /// This one.
    Tab(TabId),
    /// It was taken away.
    Gone(Loss),
}

impl Tabs {
    /// What has changed since the last time, in order of its keys.
    pub fn take_dirty(&mut self) -> Vec<Dirty> {
        std::mem::take(&mut self.dirty).into_iter().collect()
    }

    /// What to keep of a tab; none for the person's and for tabs that are no more.
    #[must_use]
    pub fn tab_record(&self, id: TabId) -> Option<TabRecord> {
        let tab = self.tabs.get(self.by_id.get(&id)?)?;
        let owner = match &tab.holding {
            Holding::Session { id, duty } => TabRecordOwner::Session(id.clone(), *duty),
            Holding::Free { last, duty } => TabRecordOwner::Free(last.clone(), *duty),
            Holding::Person | Holding::Undetermined { .. } => return None,
        };
        let leaving = match &tab.floor {
            Floor::Leaving { next, .. } => Some(next.clone()),
            Floor::Closing { .. } => Some(Next::Close),
            Floor::Making { .. } | Floor::Mending | Floor::Idle | Floor::Turn(_) => None,
        };
        let left = |at: Instant| at.since(self.clock.awake()).as_millis();
        Some(TabRecord {
            owner,
            url: String::new(),
            leaving,
            release_in_ms: tab
                .release_at
                .map(|at| u64::try_from(left(at)).unwrap_or(u64::MAX)),
            acts: tab.acts,
            presses: tab.presses.clone(),
            dialog: tab.dialog.clone(),
        })
    }

    /// What to keep of a session; none for one that has ended.
    #[must_use]
    pub fn session_record(&self, session: &SessionId) -> Option<SeatRecord> {
        let seat = self.seats.get(session)?;
        Some(SeatRecord {
            current: self.current_record(session, &seat.current),
            had: seat.had,
            lost: seat.lost.clone(),
        })
    }

    /// A tab that is being made may never be: what was current before counts.
    fn current_record(&self, session: &SessionId, current: &Current) -> CurrentRecord {
        let mut current = current;
        // Each step goes to a tab that was current earlier, and so has a smaller slot.
        loop {
            match current {
                Current::Never => return CurrentRecord::Never,
                Current::Gone(loss) => return CurrentRecord::Gone(loss.clone()),
                Current::Tab(slot) => match self.tabs.get(slot) {
                    None => return CurrentRecord::Gone(Loss::NotMade),
                    Some(tab @ Tab { id: Some(id), .. }) if tab.holder() == Some(session) => {
                        return CurrentRecord::Tab(*id);
                    }
                    // It has left since.
                    Some(Tab { id: Some(_), .. }) => return CurrentRecord::Gone(Loss::NotMade),
                    Some(Tab { floor, .. }) => match floor {
                        Floor::Making { before } => current = before,
                        Floor::Mending
                        | Floor::Idle
                        | Floor::Turn(_)
                        | Floor::Leaving { .. }
                        | Floor::Closing { .. } => return CurrentRecord::Gone(Loss::NotMade),
                    },
                },
            }
        }
    }

    /// Takes up what an earlier life of the worker left; call it once, after
    /// [`Tabs::open_session`] for every session that is still known.
    ///
    /// `existing` are the tabs of the browser. A recorded tab that is not among them, and neither turns
    /// up nor is sought out under another id (`meanwhile`), is lost, and its session learns it once.
    /// On one where a call acted, or a dialog was open, nothing happens before [`Tabs::handle_mended`].
    /// A tab whose session is unknown is the person's.
    pub fn restore(
        &mut self,
        tabs: SortedMap<TabId, TabRecord>,
        seats: SortedMap<SessionId, SeatRecord>,
        existing: &SortedSet<TabId>,
        now: Instant,
    ) {
        self.observe(now);
        let mut currents = Vec::new();
        for (session, record) in seats {
            let Some(seat) = self.seats.get_mut(&session) else {
                self.soil_seat(&session);
                continue;
            };
            seat.had = record.had;
            seat.lost = record.lost;
            currents.push((session, record.current));
        }
        for (id, record) in tabs {
            self.restore_tab(id, record, existing);
        }
        for tab in existing {
            if !self.by_id.contains_key(tab) {
                self.add_strange(*tab);
            }
        }
        self.await_news();
        let read: SortedSet<&SessionId> = currents.iter().map(|(session, _)| session).collect();
        for (session, seat) in &mut self.seats {
            if !read.contains(session) && !seat.tabs.is_empty() {
                // Its record could not be read: nobody knows where it was.
                seat.had = true;
                seat.current = Current::Gone(Loss::Lost(Vec::new()));
                self.dirty.insert(Dirty::Session(session.clone()));
            }
        }
        for (session, current) in currents {
            self.restore_current(&session, current);
        }
        self.settle();
    }

    fn restore_tab(&mut self, id: TabId, record: TabRecord, existing: &SortedSet<TabId>) {
        let (session, holding) = match record.owner {
            TabRecordOwner::Session(id, duty) => (id.clone(), Holding::Session { id, duty }),
            TabRecordOwner::Free(last, duty) => (last.clone(), Holding::Free { last, duty }),
        };
        let owned = matches!(holding, Holding::Session { .. });
        let missing = !existing.contains(&id);
        if !self.seats.contains_key(&session) && record.leaving.is_none() {
            self.dirty.insert(Dirty::Tab(id));
            return;
        }
        let dirty = record.acts || record.dialog.is_some();
        let floor = match (&record.leaving, missing || dirty) {
            (Some(next), _) => Floor::Leaving {
                until: Until::Cleared,
                next: next.clone(),
            },
            (None, true) => Floor::Mending,
            (None, false) => Floor::Idle,
        };
        self.slots_made += 1;
        let slot = Slot(self.slots_made);
        match self.seats.get_mut(&session) {
            Some(seat) if owned => drop(seat.tabs.insert(slot)),
            Some(seat) => drop(seat.freed.insert(slot)),
            // Its session has ended, and said before where the tab goes.
            None => {}
        }
        if let Some(Next::Session(heir)) = &record.leaving
            && let Some(heir) = self.seats.get_mut(heir)
        {
            heir.coming.insert(slot);
        }
        let mut tab = Tab::new(Some(id), holding, floor.clone());
        tab.acts = record.acts;
        tab.presses = record.presses;
        tab.dialog = record.dialog;
        self.tabs.insert(slot, tab);
        if let Some(ms) = record.release_in_ms {
            let at = self.clock.awake() + Duration::from_millis(ms);
            self.announce_release(slot, at);
        }
        self.by_id.insert(id, slot);
        if missing {
            self.add_missing(slot, record.url);
            return;
        }
        match floor {
            Floor::Leaving {
                next: Next::FirstClaim,
                ..
            } => self.await_claimants(slot),
            Floor::Leaving { .. } => self.tell(TabEvent::Clear { tab: id }),
            Floor::Mending => self.tell(TabEvent::Mend { tab: id }),
            Floor::Making { .. } | Floor::Idle | Floor::Turn(_) | Floor::Closing { .. } => {}
        }
    }

    pub(super) fn lose(&mut self, session: &SessionId, tab_id: TabId, url: String) {
        if let Some(seat) = self.seats.get_mut(session) {
            seat.lost.push(LostTab { tab_id, url });
            // Two restarts in a row without an answer between: the newest are told.
            let over = seat.lost.len().saturating_sub(limits::TABS_PER_SESSION_MAX);
            seat.lost.drain(..over);
            self.soil_seat(session);
        }
    }

    fn restore_current(&mut self, session: &SessionId, record: CurrentRecord) {
        let slot = match &record {
            CurrentRecord::Tab(id) => self.by_id.get(id).copied(),
            CurrentRecord::Never | CurrentRecord::Gone(_) => None,
        };
        let held = slot
            .and_then(|slot| self.tabs.get(&slot))
            .is_some_and(|tab| tab.holder() == Some(session));
        let Some(seat) = self.seats.get_mut(session) else {
            return;
        };
        seat.current = match (record, slot) {
            (CurrentRecord::Never, _) => Current::Never,
            (CurrentRecord::Gone(loss), _) => Current::Gone(loss),
            (CurrentRecord::Tab(_), Some(slot)) if held => Current::Tab(slot),
            (CurrentRecord::Tab(id), _) => {
                self.dirty.insert(Dirty::Session(session.clone()));
                let urls: Vec<String> = seat.lost.iter().map(|lost| lost.url.clone()).collect();
                Current::Gone(if seat.lost.iter().any(|lost| lost.tab_id == id) {
                    Loss::Lost(urls)
                } else {
                    Loss::Gone(id, None)
                })
            }
        };
    }
}
