//! What the core decided, in order, for a checker beside it: the simulation's reference model reads
//! it after every step. Off unless asked for; nothing in the product depends on it.

use crate::input::CallId;
use crate::tabs::TabEvent;
use protocol::{Command, ErrorCode, SessionId, TabId};
use std::time::Duration;

/// One decision, or what led to it.
#[derive(Clone, Debug, PartialEq)]
pub enum Trace {
    /// A call was accepted.
    Call {
        /// Its number.
        call: CallId,
        /// Whose.
        session: SessionId,
        /// What.
        command: Command,
        /// The tab that it names.
        tab: Option<TabId>,
        /// How long it may wait.
        wait: Duration,
        /// To whom it hands a tab over.
        to: Option<SessionId>,
    },
    /// The tabs decided something.
    Tab(TabEvent),
    /// A call's turn ended.
    TurnEnded {
        /// Which one.
        call: CallId,
    },
    /// A call was answered.
    Answered {
        /// Which one.
        call: CallId,
        /// With which error; none is a result.
        error: Option<ErrorCode>,
    },
    /// A call was forgotten with its connection.
    Dropped {
        /// Which one.
        call: CallId,
    },
    /// A person gave a tab to a session.
    Given {
        /// Which tab.
        tab: TabId,
        /// To whom.
        to: SessionId,
    },
    /// A tab that was restored goes on under another id: no event of Chrome's said so.
    Found {
        /// Its id until now.
        old: TabId,
        /// Its id from now on.
        new: TabId,
    },
    /// A session is over.
    Ended {
        /// Which one.
        session: SessionId,
    },
}

/// What is left of sessions: all zero when none is known (invariant 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Sessions.
    pub sessions: usize,
    /// Commands in flight.
    pub calls: usize,
    /// Seats, calls and timers of the tabs.
    pub tabs: usize,
    /// Tabs with a debugger, a call or a dialog.
    pub pages: usize,
    /// Open questions to Chrome, and tabs being made.
    pub house: usize,
    /// What waits for the disk.
    pub held: usize,
}

impl Census {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl super::Extension {
    /// Names the state of every link, session, tab, call and page, once for each that is in it.
    pub fn name_states(&self, met: &mut impl FnMut(&'static str)) {
        self.links.name_states(met);
        self.sessions.name_states(met);
        self.tabs.name_states(met);
        self.pages.name_states(met);
    }

    /// Counts what is left of sessions.
    #[must_use]
    pub fn census(&self) -> Census {
        Census {
            sessions: self.sessions.iter().count(),
            calls: self.calls.len(),
            tabs: self.tabs.remains(),
            pages: self.pages.len(),
            house: self.house.open_requests() + self.wanted.len(),
            held: self.held.values().map(Vec::len).sum::<usize>() + self.waiting_for_disk.len(),
        }
    }
}
