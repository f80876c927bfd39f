//! The rules of `design/tabs.md`, one sentence each, in simulated time.

use super::*;
use protocol::command::TabsAction;
use protocol::error::{ErrorCode, Peer};
use protocol::{Instant, limits};
use std::time::Duration;

mod claims;
mod dialogs;
mod ends;
mod ownership;
mod person;
mod random;
mod restored;
mod turns;

/// What became of a call, as events told it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Waits,
    Runs(TabId),
    Stops(ErrorCode),
    Ended,
    Refused(ErrorCode),
    Dropped,
    Finished,
}

/// A driver that answers at once what it is not told to hold back.
struct World {
    tabs: Tabs,
    now: Instant,
    calls: u64,
    made: u32,
    fates: SortedMap<CallId, Fate>,
    progress: SortedMap<CallId, Vec<Progress>>,
    seen: Vec<TabEvent>,
    /// Answers that are held back: what the event was.
    slow: Vec<TabEvent>,
    hold_makes: bool,
    hold_stops: bool,
    hold_clears: bool,
    hold_closes: bool,
    hold_mends: bool,
}

fn sid(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn peer(name: &str) -> Peer {
    Peer {
        alias: Alias(format!("al-{name}")),
        label: format!("label of {name}"),
    }
}

impl World {
    fn new() -> Self {
        Self {
            tabs: Tabs::new(),
            now: Instant(1_000),
            calls: 0,
            made: 100,
            fates: SortedMap::new(),
            progress: SortedMap::new(),
            seen: Vec::new(),
            slow: Vec::new(),
            hold_makes: false,
            hold_stops: false,
            hold_clears: false,
            hold_closes: false,
            hold_mends: false,
        }
    }

    /// With these sessions, each with a tab of its own: 101, 102, …
    fn with(names: &[&str]) -> Self {
        let mut world = Self::new();
        for name in names {
            world.open(name);
            let first = world.call(name, None);
            world.end(first);
        }
        world.seen.clear();
        world
    }

    fn open(&mut self, name: &str) {
        self.tabs.open_session(&sid(name), peer(name), self.now);
        self.drain();
    }

    fn next_call(&mut self) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        self.fates.insert(id, Fate::Waits);
        id
    }

    fn call(&mut self, session: &str, tab: Option<u32>) -> CallId {
        self.call_waiting(session, tab, secs(30))
    }

    fn call_waiting(&mut self, session: &str, tab: Option<u32>, wait: Duration) -> CallId {
        let id = self.next_call();
        let (session, tab) = (sid(session), tab.map(TabId));
        self.tabs
            .call(id, &session, tab, wait, limits::CALL_DEADLINE, self.now);
        self.drain();
        id
    }

    fn command(&mut self, session: &str, action: &TabsAction) -> CallId {
        let id = self.next_call();
        let wait = limits::CLAIM_WAIT;
        self.tabs
            .tabs_command(id, &sid(session), action, wait, self.now);
        self.drain();
        id
    }

    fn new_tab(&mut self, session: &str) -> CallId {
        let (url, activate) = (None, false);
        self.command(session, &TabsAction::New { url, activate })
    }

    fn select(&mut self, session: &str, tab: u32) -> CallId {
        let (tab, activate) = (TabId(tab), false);
        self.command(session, &TabsAction::Select { tab, activate })
    }

    fn close(&mut self, session: &str, tab: Option<u32>) -> CallId {
        let tab = tab.map(TabId);
        self.command(session, &TabsAction::Close { tab })
    }

    fn release(&mut self, session: &str, tab: Option<u32>) -> CallId {
        let (tab, after_s) = (tab.map(TabId), None);
        self.command(session, &TabsAction::Release { tab, after_s })
    }

    fn release_after(&mut self, session: &str, tab: u32, seconds: u64) -> CallId {
        let (tab, after_s) = (Some(TabId(tab)), Some(seconds));
        self.command(session, &TabsAction::Release { tab, after_s })
    }

    fn hand(&mut self, session: &str, tab: u32, to: &str) -> CallId {
        let (tab, to) = (Some(TabId(tab)), peer(to).alias);
        self.command(session, &TabsAction::Handoff { tab, to })
    }

    fn cancel(&mut self, call: CallId) {
        self.tabs.cancel(call, self.now);
        self.drain();
    }

    /// The browser has settled the call's last command.
    fn end(&mut self, call: CallId) {
        self.tabs.handle_turn_ended(call, self.now);
        self.fates.insert(call, Fate::Ended);
        self.drain();
    }

    /// Lets time pass as a worker that is awake sees it.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.tabs.poll_timeout()
            && due <= until
        {
            self.now = self.now.max(due);
            self.tabs.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
        self.tabs.handle_timeout(self.now);
        self.drain();
    }

    /// A call of `f`, with its events.
    fn tell<T>(&mut self, f: impl FnOnce(&mut Tabs, Instant) -> T) -> T {
        let said = f(&mut self.tabs, self.now);
        self.drain();
        said
    }

    fn drain(&mut self) {
        while let Some(event) = self.tabs.poll_event() {
            self.seen.push(event.clone());
            let hold = match &event {
                TabEvent::Make { .. } => self.hold_makes,
                TabEvent::Stop { .. } => self.hold_stops,
                TabEvent::Clear { .. } => self.hold_clears,
                TabEvent::Close { .. } => self.hold_closes,
                TabEvent::Mend { .. } => self.hold_mends,
                TabEvent::Begin { .. }
                | TabEvent::Refuse { .. }
                | TabEvent::Dropped { .. }
                | TabEvent::Finished { .. }
                | TabEvent::Progress { .. }
                | TabEvent::OwnerChanged { .. }
                | TabEvent::Seek
                | TabEvent::NoneMissing
                | TabEvent::Show { .. } => false,
            };
            match &event {
                TabEvent::Begin { call, tab } => self.fate(*call, Fate::Runs(*tab)),
                TabEvent::Stop { call, fault, .. } => self.fate(*call, Fate::Stops(fault.code())),
                TabEvent::Refuse { call, fault } => self.fate(*call, Fate::Refused(fault.code())),
                TabEvent::Dropped { call } => self.fate(*call, Fate::Dropped),
                TabEvent::Finished { call, .. } => self.fate(*call, Fate::Finished),
                TabEvent::Progress { call, progress } => {
                    self.progress
                        .entry(*call)
                        .or_default()
                        .push(progress.clone());
                }
                TabEvent::Make { .. }
                | TabEvent::Clear { .. }
                | TabEvent::Mend { .. }
                | TabEvent::OwnerChanged { .. }
                | TabEvent::Close { .. }
                | TabEvent::Seek
                | TabEvent::NoneMissing
                | TabEvent::Show { .. } => {}
            }
            if hold {
                self.slow.push(event);
            } else {
                self.answer(event);
            }
        }
    }

    fn fate(&mut self, call: CallId, fate: Fate) {
        let before = self.fates.insert(call, fate.clone());
        let follows = matches!(
            (&before, &fate),
            (
                Some(Fate::Waits),
                Fate::Runs(_) | Fate::Refused(_) | Fate::Dropped | Fate::Finished
            ) | (Some(Fate::Runs(_)), Fate::Stops(_))
        );
        assert!(follows, "{call:?}: {before:?}, then {fate:?}");
    }

    /// What Chrome and the pages say to an event.
    fn answer(&mut self, event: TabEvent) {
        match event {
            TabEvent::Make { slot, .. } => {
                self.made += 1;
                self.tabs.handle_made(slot, TabId(self.made), self.now);
            }
            TabEvent::Stop { call, .. } => self.tabs.handle_turn_ended(call, self.now),
            TabEvent::Clear { tab } => self.tabs.handle_cleared(tab, self.now),
            TabEvent::Mend { tab } => self.tabs.handle_mended(tab, true, self.now),
            TabEvent::Close { tab } => self.tabs.handle_closed(tab, "http://last/", self.now),
            TabEvent::Seek => self.tabs.handle_sought(self.now),
            TabEvent::Begin { .. }
            | TabEvent::Refuse { .. }
            | TabEvent::Dropped { .. }
            | TabEvent::Finished { .. }
            | TabEvent::Progress { .. }
            | TabEvent::OwnerChanged { .. }
            | TabEvent::NoneMissing
            | TabEvent::Show { .. } => {}
        }
    }

    /// Answers what was held back, the oldest first.
    fn answer_slow(&mut self) {
        for event in std::mem::take(&mut self.slow) {
            self.answer(event);
        }
        self.drain();
    }

    fn is(&self, call: CallId) -> Fate {
        self.fates.get(&call).cloned().unwrap()
    }

    fn refused(&self, call: CallId) -> ErrorCode {
        let fate = self.is(call);
        let Fate::Refused(code) = fate else {
            panic!("{call:?}: {fate:?}")
        };
        code
    }

    fn runs(&self, call: CallId) -> u32 {
        let fate = self.is(call);
        let Fate::Runs(tab) = fate else {
            panic!("{call:?}: {fate:?}")
        };
        tab.0
    }

    fn owner(&self, tab: u32) -> Option<Owner> {
        self.tabs.owner(TabId(tab))
    }

    fn owned_by(&self, tab: u32, session: &str) -> bool {
        self.owner(tab) == Some(Owner::Session(sid(session)))
    }

    fn current(&self, session: &str) -> Option<u32> {
        self.tabs.current(&sid(session)).map(|tab| tab.0)
    }

    fn closed(&self, tab: u32) -> bool {
        self.seen.contains(&TabEvent::Close { tab: TabId(tab) })
    }

    /// The code with which the session's unnamed calls fail.
    fn unnamed(&mut self, session: &str) -> ErrorCode {
        let call = self.call(session, None);
        self.refused(call)
    }

    /// A tab of the person.
    fn person_tab(&mut self, tab: u32) {
        self.tell(|tabs, now| tabs.handle_created(TabId(tab), now));
        self.pass(browser::OPENER_MAX);
        assert_eq!(self.owner(tab), Some(Owner::Person));
    }

    fn popup(&mut self, tab: u32, opener: u32) {
        self.tell(|tabs, now| tabs.handle_created(TabId(tab), now));
        self.tell(|tabs, now| tabs.handle_popup(TabId(tab), TabId(opener), now));
    }

    fn give(&mut self, tab: u32, to: &str) -> Result<(), Fault> {
        self.tell(|tabs, now| tabs.give(TabId(tab), &sid(to), now))
    }

    fn last_progress(&self, call: CallId) -> &Progress {
        self.progress.get(&call).unwrap().last().unwrap()
    }
}
