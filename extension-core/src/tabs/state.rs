//! What a tab, a session's seat and a call can be. Each variant holds just what exists in that
//! state; what happens to them stands in the other files.

use crate::input::CallId;
use crate::presses::Presses;
use protocol::command::Dialog;
use protocol::error::{Fault, Peer};
use protocol::frame::LostTab;
use protocol::{Instant, SessionId, SortedSet, TabId};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// A tab as this machine knows it, from before Chrome gave it an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(crate) u64);

/// Whose a tab is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A session's.
    Session(SessionId),
    /// The person's.
    Person,
    /// Nobody's, yet made for an agent: any session's for the asking.
    Free,
    /// Just created; its opener is being learnt. Nobody may touch it.
    Undetermined,
}

/// What becomes of a tab when its last owner's session ends. It passes on with ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Duty {
    /// Made for an agent: it closes.
    Made,
    /// Given or used by the person: it returns to the person, and is never closed.
    Borrowed,
}

/// To whom a tab goes once it is free of its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Next {
    /// As a release says: to the first claim; else free, or closed when its last owner's session
    /// has ended. A borrowed tab returns to the person.
    FirstClaim,
    /// To this session: handed over, or given by the person.
    Session(SessionId),
    /// The person takes it.
    Person,
    /// It is closed.
    Close,
}

/// How a session came to have no current tab; every unnamed call is told so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Loss {
    /// With a restart; the last URLs.
    Lost(Vec<String>),
    /// It was closed.
    Gone(TabId, Option<String>),
    /// The person took it.
    Taken(TabId),
    /// It was released or handed over.
    Released(TabId),
    /// It was released, and went back to the person.
    Returned(TabId),
    /// It was never made.
    NotMade,
}

impl Loss {
    /// What an unnamed call is told.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Lost(urls) => Fault::TabsLost { urls: urls.clone() },
            Self::Gone(tab, url) => Fault::TabGone {
                tab: *tab,
                url: url.clone(),
            },
            Self::Taken(tab) => Fault::TabTaken { tab: *tab },
            Self::Released(tab) => Fault::TabReleased { tab: *tab },
            Self::Returned(tab) => Fault::TabReturned { tab: *tab },
            Self::NotMade => Fault::NoTab,
        }
    }
}

/// Whose a tab is, with what only such a tab has.
#[derive(Clone, Debug)]
pub(super) enum Holding {
    /// A session's.
    Session { id: SessionId, duty: Duty },
    /// Made, and nobody's now; it closes when its last owner's session ends. Borrowed only while
    /// the person gives it to somebody.
    Free { last: SessionId, duty: Duty },
    /// The person's.
    Person,
    /// Its opener is being learnt; tabs that were opened from it wait for that too.
    Undetermined { children: Vec<TabId> },
}

impl Holding {
    pub(super) fn owner(&self) -> Owner {
        match self {
            Self::Session { id, .. } => Owner::Session(id.clone()),
            Self::Free { .. } => Owner::Free,
            Self::Person => Owner::Person,
            Self::Undetermined { .. } => Owner::Undetermined,
        }
    }
}

/// What happens on a tab now.
#[derive(Clone, Debug)]
pub(super) enum Floor {
    /// Chrome is making it. `before` is what its session's current tab was.
    Making { before: Current },
    /// Restored from the middle of a turn; nothing is granted until it is in order.
    Mending,
    /// Nothing.
    Idle,
    /// A call of the owner has the turn.
    Turn(CallId),
    /// It is changing its owner. The old one's calls are claims like everyone's; where `next` is
    /// a session, its calls are queued already.
    Leaving { until: Until, next: Next },
    /// Chrome closes it. Sessions know it as `known_as`: unloaded first, it may have another id.
    Closing { known_as: TabId },
}

/// What a change of owner waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// That there is a tab at all.
    Made,
    /// That it is in order again.
    Mended,
    /// The end of the open turn.
    TurnEnds(CallId),
    /// That nothing of the former owner is left on it.
    Cleared,
}

/// A tab.
#[derive(Debug)]
pub(super) struct Tab {
    /// None just until Chrome has made it.
    pub(super) id: Option<TabId>,
    pub(super) holding: Holding,
    pub(super) floor: Floor,
    /// Calls of its holder, first come first. Bounded by the session's calls.
    pub(super) queue: VecDeque<CallId>,
    /// Calls of others that wait to become owner. Bounded by `limits::CLAIMS_PER_TAB_MAX`.
    pub(super) claims: VecDeque<CallId>,
    /// `new` and `close` that wait for Chrome.
    pub(super) asked: Vec<CallId>,
    /// The JavaScript dialog that is open in it.
    pub(super) dialog: Option<Dialog>,
    /// An acting call has the turn, or had it when the worker died: of its commands some may not
    /// have come to the page yet.
    pub(super) acts: bool,
    /// What that call presses.
    pub(super) presses: Presses,
    /// When its owner lets it go by itself, in awake time.
    pub(super) release_at: Option<Instant>,
}

impl Tab {
    pub(super) fn new(id: Option<TabId>, holding: Holding, floor: Floor) -> Self {
        Self {
            id,
            holding,
            floor,
            queue: VecDeque::new(),
            claims: VecDeque::new(),
            asked: Vec::new(),
            dialog: None,
            acts: false,
            presses: Presses::Nothing,
            release_at: None,
        }
    }

    /// Nothing of an acting call is left in it, or can be let up any more. Whether there was one.
    pub(super) fn forget_act(&mut self) -> bool {
        self.presses = Presses::Nothing;
        std::mem::take(&mut self.acts)
    }

    /// By which id sessions know it, if it has one.
    pub(super) fn known_as(&self) -> Option<TabId> {
        match &self.floor {
            Floor::Closing { known_as } => Some(*known_as),
            Floor::Making { .. }
            | Floor::Mending
            | Floor::Idle
            | Floor::Turn(_)
            | Floor::Leaving { .. } => self.id,
        }
    }

    /// Whether it is closed, or will be once it is cleared.
    pub(super) fn is_ending(&self) -> bool {
        match &self.floor {
            Floor::Closing { .. } => true,
            Floor::Leaving { next, .. } => *next == Next::Close,
            Floor::Making { .. } | Floor::Mending | Floor::Idle | Floor::Turn(_) => false,
        }
    }

    /// The session whose calls are queued here: the owner, or the one that the tab goes to.
    pub(super) fn holder(&self) -> Option<&SessionId> {
        match &self.floor {
            Floor::Leaving { next, .. } => match next {
                Next::Session(heir) => Some(heir),
                Next::FirstClaim | Next::Person | Next::Close => None,
            },
            Floor::Closing { .. } => None,
            Floor::Making { .. } | Floor::Mending | Floor::Idle | Floor::Turn(_) => {
                self.owning_session()
            }
        }
    }

    /// The session that owns it, until a change is complete.
    pub(super) fn owning_session(&self) -> Option<&SessionId> {
        match &self.holding {
            Holding::Session { id, .. } => Some(id),
            Holding::Free { .. } | Holding::Person | Holding::Undetermined { .. } => None,
        }
    }

    /// Whether it is the person's once its owner lets it go.
    pub(super) fn is_borrowed(&self) -> bool {
        matches!(
            self.holding,
            Holding::Session {
                duty: Duty::Borrowed,
                ..
            } | Holding::Free {
                duty: Duty::Borrowed,
                ..
            }
        )
    }

    /// What an owner's call is told while a dialog is open.
    pub(super) fn dialog_fault(&self) -> Option<Fault> {
        self.dialog.as_ref().map(|dialog| Fault::DialogOpen {
            kind: dialog.kind.clone(),
            message: dialog.message.clone(),
        })
    }
}

/// The tab for calls that name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Current {
    /// It never owned a tab: the first unnamed call makes one.
    Never,
    /// This one.
    Tab(Slot),
    /// It was taken away.
    Gone(Loss),
}

/// A session, as far as tabs go.
#[derive(Debug)]
pub(super) struct Seat {
    /// What others call it.
    pub(super) peer: Peer,
    pub(super) current: Current,
    /// It has owned a tab: none is made for it automatically any more.
    pub(super) had: bool,
    /// Tabs that it owns, those being made and those leaving included.
    pub(super) tabs: SortedSet<Slot>,
    /// Tabs that are on their way to it.
    pub(super) coming: SortedSet<Slot>,
    /// Free tabs that it owned last.
    pub(super) freed: SortedSet<Slot>,
    /// Calls without an end. Bounded by `limits::CALLS_PER_SESSION_MAX`.
    pub(super) calls: SortedSet<CallId>,
    /// Tabs lost with a restart, not told yet.
    pub(super) lost: Vec<LostTab>,
}

impl Seat {
    pub(super) fn new(peer: Peer) -> Self {
        Self {
            peer,
            current: Current::Never,
            had: false,
            tabs: SortedSet::new(),
            coming: SortedSet::new(),
            freed: SortedSet::new(),
            calls: SortedSet::new(),
            lost: Vec::new(),
        }
    }
}

/// What a call wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// A turn, and to wait for it on a tab of its own at most so long.
    Turn { queue_limit: Duration },
    /// To make the tab current; no turn.
    Select { activate: bool },
    /// A new tab.
    New,
    /// The end of a tab.
    Close,
}

/// Where a call stands.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In a tab's queue. `granted`: it came as a claim.
    Queued { slot: Slot, granted: bool },
    /// Among a tab's claims.
    Claim {
        slot: Slot,
        since: Instant,
        told: Option<Told>,
    },
    /// It has the turn.
    Running {
        slot: Slot,
        tab: TabId,
        course: Course,
    },
    /// It waits for Chrome to make or close a tab.
    Asked { slot: Slot },
    /// Its turn ends on a tab that is no more.
    Homeless,
}

/// How a running call fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It runs. `claimed`: its claim brought its session the tab, and no other call ran since.
    Runs { claimed: bool },
    /// It was told to stop. `unwanted`: it was cancelled, and the tab came with its claim.
    Stops { unwanted: bool },
}

impl Place {
    pub(super) fn slot(&self) -> Option<Slot> {
        match self {
            Self::Queued { slot, .. }
            | Self::Claim { slot, .. }
            | Self::Running { slot, .. }
            | Self::Asked { slot } => Some(*slot),
            Self::Homeless => None,
        }
    }
}

/// What a waiting claim was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) position: usize,
    pub(super) owner: Option<SessionId>,
    pub(super) release_at: Option<Instant>,
}

/// A call without an end.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) session: SessionId,
    pub(super) want: Want,
    /// Counts arrivals: the larger, the younger.
    pub(super) age: u64,
    pub(super) place: Place,
}
