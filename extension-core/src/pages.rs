//! The one road to the debugger, and what each tool does in a page. It attaches and detaches,
//! runs one procedure per tab, watches dialogs, and says when a call is answered and when the
//! browser has settled it. It refuses to know sessions, owners, queues and sockets: whoever
//! drives it says which call has the turn on which tab.
//!
//! Drive it with the `handle_` functions and the time, then drain [`Pages::poll_event`], then arm
//! [`Pages::poll_timeout`]. For each call that was begun there is at most one
//! [`PageEvent::Answer`] (none after [`Pages::stop`]) and exactly one [`PageEvent::Settled`].

mod actions;
mod element;
mod facts;
mod frames;
mod poller;
mod tab;

use crate::awake::Clock;
use crate::effect::ChromeCall;
use crate::input::{CallId, ChromeError, DetachReason};
use facts::Facts;
use poller::Front;
use protocol::command::{Dialog, HandleDialog, PageResult};
use protocol::{Command, Deadlines, Fault, Instant, SortedMap, SortedSet, TabId};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::time::Duration;
pub use tab::Former;
use tab::{Tab, Timer};

/// Whether [`Pages::handle_debugger`] makes anything of events of this name: the others need not
/// be read, let alone told.
#[must_use]
pub fn hears(method: &str) -> bool {
    facts::hears(method)
}

/// What nobody reads of the answers to this debugger command, each as the names that lead to it; a
/// list on the way stands for each of its entries. It need not be brought home.
#[must_use]
pub fn unread(method: &str) -> &'static [&'static [&'static str]] {
    actions::unread(method)
}

/// What the pages ask and tell.
#[derive(Clone, Debug, PartialEq)]
pub enum PageEvent {
    /// Make this call; its outcome comes back by [`Pages::handle_done`].
    Ask {
        /// Comes home with the outcome.
        request: u64,
        /// What.
        call: ChromeCall,
    },
    /// Answer the caller: once for each call, unless it was stopped before.
    Answer {
        /// Which call.
        call: CallId,
        /// With what.
        outcome: Box<Result<PageResult, Fault>>,
    },
    /// The browser has settled the call's last command: its turn may end. Once for each call.
    Settled {
        /// Which call.
        call: CallId,
        /// On which tab.
        tab: TabId,
    },
    /// Nothing of the former owner is left in the tab: no dialog, no debugger.
    Cleared {
        /// Which tab.
        tab: TabId,
    },
    /// The page has opened a JavaScript dialog.
    DialogOpened {
        /// Which tab.
        tab: TabId,
        /// What it says.
        dialog: Dialog,
    },
    /// The dialog is closed, or the tab is gone.
    DialogClosed {
        /// Which tab.
        tab: TabId,
    },
    /// A tab that was adopted may have calls again; see [`Pages::wait_for_mend`].
    Mended {
        /// Which tab.
        tab: TabId,
        /// Its page answers, or has no debugger any more: nothing of the former life will come to it.
        drained: bool,
    },
    /// The person pressed *Cancel* on the debugging bar.
    CanceledByUser,
    /// The mouse is about to be pressed in the window `own`, and the person is in `persons`. Once
    /// [`PageEvent::FrontTaken`] follows, however the call ends.
    FrontLent {
        /// The tab's.
        own: i64,
        /// Where the person is.
        persons: i64,
    },
    /// A press may have brought the window `own` to the front: the window `persons` was there before.
    FrontTaken {
        /// The tab's.
        own: i64,
        /// Where the person was.
        persons: i64,
    },
}

/// What the tabs share: the way out, and who waits for what.
#[derive(Debug)]
struct Out {
    events: VecDeque<PageEvent>,
    requests: u64,
    homes: SortedMap<u64, TabId>,
    timers: Deadlines<(TabId, Timer)>,
    /// A machine that slept ends no call: its page slept too.
    clock: Clock,
    /// Awake time, as all that is timed here.
    now: Instant,
    /// What the computer's clock shows, as pages and what Chrome tells of them have it.
    wall: Instant,
    seed: [u8; 32],
    nonces: u64,
}

impl Out {
    /// In the driver's time it is `now`.
    fn observe(&mut self, now: Instant) {
        self.clock.observe(now);
        self.now = self.clock.awake();
        self.wall = now;
    }

    fn event(&mut self, event: PageEvent) {
        self.events.push_back(event);
    }

    fn answer(&mut self, call: CallId, outcome: Result<PageResult, Fault>) {
        let outcome = Box::new(outcome);
        self.event(PageEvent::Answer { call, outcome });
    }

    fn settled(&mut self, call: CallId, tab: TabId) {
        self.event(PageEvent::Settled { call, tab });
    }

    fn front_lent(&mut self, front: Front) {
        let Front { own, persons } = front;
        self.event(PageEvent::FrontLent { own, persons });
    }

    fn front_taken(&mut self, front: Front) {
        let Front { own, persons } = front;
        self.event(PageEvent::FrontTaken { own, persons });
    }

    fn ask(&mut self, tab: TabId, call: ChromeCall) -> u64 {
        self.requests += 1;
        let request = self.requests;
        self.homes.insert(request, tab);
        self.event(PageEvent::Ask { request, call });
        request
    }

    /// A name that no page can guess.
    fn nonce(&mut self) -> String {
        self.nonces += 1;
        let mut hash = Sha256::new();
        hash.update(b"interlock page nonce");
        hash.update(self.seed);
        hash.update(self.nonces.to_le_bytes());
        let digest = hash.finalize();
        digest[..12].iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Pages {
    tabs: SortedMap<TabId, Tab>,
    /// Their past is their owners', and they were never looked at so far.
    own_pasts: SortedSet<TabId>,
    out: Out,
}

impl Pages {
    /// No tab is known yet. The seed makes the names under which elements are handed to scripts.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            tabs: SortedMap::new(),
            own_pasts: SortedSet::new(),
            out: Out {
                events: VecDeque::new(),
                requests: 0,
                homes: SortedMap::new(),
                timers: Deadlines::default(),
                clock: Clock::default(),
                now: Instant::default(),
                wall: Instant::default(),
                seed,
                nonces: 0,
            },
        }
    }

    fn on(&mut self, tab: TabId, now: Instant, act: impl FnOnce(&mut Tab, &mut Out)) {
        self.out.observe(now);
        let own_pasts = &mut self.own_pasts;
        let known = self.tabs.entry(tab).or_insert_with(|| {
            let facts = if own_pasts.remove(&tab) {
                Facts::with_own_past()
            } else {
                Facts::default()
            };
            Tab::new(tab, facts)
        });
        act(known, &mut self.out);
        if known.is_idle() {
            self.tabs.remove(&tab);
        }
    }

    fn on_known(&mut self, tab: TabId, now: Instant, act: impl FnOnce(&mut Tab, &mut Out)) {
        if self.tabs.contains_key(&tab) {
            self.on(tab, now, act);
        }
    }

    /// The tab was made for its owner, or opened by its owner's page: what its page says from the
    /// start is that owner's to read. Of every other tab it is what was said since we came.
    pub fn handle_own_past(&mut self, tab: TabId) {
        self.own_pasts.insert(tab);
    }

    /// The call has its turn on the tab, for `deadline` from now. Attaches first if needed.
    pub fn begin(
        &mut self,
        call: CallId,
        tab: TabId,
        command: &Command,
        deadline: Duration,
        now: Instant,
    ) {
        self.on(tab, now, |tab, out| tab.begin(out, call, command, deadline));
    }

    /// The call was cancelled, or its tab is taken; its caller was answered by others. Ends what
    /// it started, then tells `Settled`. A call that is not running: nothing.
    pub fn stop(&mut self, call: CallId, tab: TabId, now: Instant) {
        self.on_known(tab, now, |tab, out| tab.stop(out, call));
    }

    /// The owner changes: stops what runs, dismisses an open dialog, detaches, then tells
    /// `Cleared`.
    pub fn clear(&mut self, tab: TabId, now: Instant) {
        self.on(tab, now, Tab::clear);
    }

    /// Handles the tab's dialog, without a turn; answered by `Answer`, no `Settled`. Only the one that
    /// was `open` when this was asked, as [`Pages::open_dialog`] said: of another its caller knows
    /// nothing.
    pub fn handle_dialog(
        &mut self,
        call: CallId,
        tab: TabId,
        handle: &HandleDialog,
        open: Option<u64>,
        now: Instant,
    ) {
        self.on(tab, now, |tab, out| {
            tab.handle_dialog(out, call, handle, open);
        });
    }

    /// The number of the dialog that is known to be open in the tab.
    #[must_use]
    pub fn open_dialog(&self, tab: TabId) -> Option<u64> {
        self.tabs.get(&tab)?.open_dialog()
    }

    /// The tab is gone: its call answers `tab_gone` and settles.
    pub fn handle_closed(&mut self, tab: TabId, now: Instant) {
        self.out.observe(now);
        self.own_pasts.remove(&tab);
        if let Some(known) = self.tabs.remove(&tab) {
            known.closed(&mut self.out);
        }
    }

    /// `debugger.onEvent`; `session` is a child's.
    pub fn handle_debugger(
        &mut self,
        tab: TabId,
        session: Option<&str>,
        method: &str,
        params: &Value,
        now: Instant,
    ) {
        let session = session.map(Into::into);
        self.on_known(tab, now, |tab, out| {
            tab.debugger(out, &session, method, params);
        });
    }

    /// `debugger.onDetach`.
    pub fn handle_detached(&mut self, tab: TabId, reason: DetachReason, now: Instant) {
        self.on(tab, now, |tab, out| tab.detached(out, reason));
    }

    /// What an [`PageEvent::Ask`] brought. A late one changes nothing.
    pub fn handle_done(&mut self, request: u64, outcome: Result<Value, ChromeError>, now: Instant) {
        if let Some(tab) = self.out.homes.remove(&request) {
            self.on_known(tab, now, |tab, out| tab.done(out, request, outcome));
        }
    }

    /// A commit of the main frame. Where no agent may be, the call is refused and the debugger
    /// detached before anything is read.
    pub fn handle_committed(&mut self, tab: TabId, url: &str, now: Instant) {
        self.on_known(tab, now, |tab, out| tab.committed(out, url));
    }

    /// Chrome tells of the tab, perhaps a new address or title: what it has said of it before may be
    /// true no more.
    pub fn handle_updated(&mut self, tab: TabId) {
        if let Some(known) = self.tabs.get(&tab) {
            known.updated();
        }
    }

    /// The person, or whoever may, has brought the tab to the front of its window.
    pub fn handle_shown(&mut self, tab: TabId, now: Instant) {
        self.on_known(tab, now, Tab::shown);
    }

    /// The running call of `opener` opened a tab, for its `new_tabs`.
    pub fn new_tab_opened(&mut self, opener: TabId, tab: TabId) {
        if let Some(known) = self.tabs.get_mut(&opener) {
            known.new_tab(tab);
        }
    }

    /// At boot: the tab may still carry the debugger of the worker's former life. If it does it is
    /// ours again, once its page is drained; if not, nothing happens until a call needs it.
    pub fn adopt(&mut self, tab: TabId, former: Former, now: Instant) {
        self.on(tab, now, |tab, out| tab.adopt(out, former));
    }

    /// At boot, of a tab that is no agent's: what may be on it of the former life's debugger goes.
    pub fn let_go(&mut self, tab: TabId, now: Instant) {
        self.on(tab, now, Tab::let_go);
    }

    /// After [`Pages::adopt`]: tells `Mended` once calls may come, within 200 ms, and if the page did
    /// not answer until then, once more when it does.
    pub fn wait_for_mend(&mut self, tab: TabId, now: Instant) {
        self.on(tab, now, Tab::wait_for_mend);
    }

    /// The moment that [`Pages::poll_timeout`] named has come, or passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.out.observe(now);
        while let Some((tab, timer)) = self.out.timers.pop_due(self.out.now) {
            self.on_known(tab, now, |tab, out| tab.timeout(out, timer));
        }
    }

    /// How many tabs it has something to do with.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tabs.len()
    }

    /// Whether it has nothing to do with any tab.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tabs.is_empty()
    }

    /// Names how far the debugger and the call of every tab are, for a checker that counts which
    /// states were met.
    pub fn name_states(&self, met: &mut impl FnMut(&'static str)) {
        for tab in self.tabs.values() {
            tab.name_states(met);
        }
    }

    /// When to call [`Pages::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.out.clock.due(self.out.timers.next()?)
    }

    /// The next thing to do. Drain after every input.
    pub fn poll_event(&mut self) -> Option<PageEvent> {
        self.out.events.pop_front()
    }
}

#[cfg(test)]
mod tests;
