//! Requests whose caller has gone and that have no reply yet. The extension serves several at once,
//! each in what is its current tab at that moment, and some make another current when they end. So
//! while one is under way, nothing is asked that is of another tab.

use protocol::{Instant, TabId};
use std::collections::BTreeMap;
use std::time::Duration;

/// After so long the extension has done with a request that it has not replied to: its own longest
/// wait, for a page, is 15 s (Multi-Instance Manager document).
pub(super) const LEFT_MAX: Duration = Duration::from_secs(20);
/// Of so many the replies are waited for.
const REQUESTS_MAX: usize = 64;

/// Where a request may lead the extension, as long as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    Nowhere,
    To(TabId),
    /// To a tab that is not known; one that it `makes` is this server's.
    Anywhere {
        makes: bool,
    },
}

#[derive(Debug)]
struct Left {
    leads: Leads,
    until: Instant,
}

/// See the module. The oldest has the least id.
#[derive(Debug, Default)]
pub(super) struct LeftRequests {
    by_id: BTreeMap<u64, Left>,
    now: Instant,
}

impl LeftRequests {
    pub(super) fn observe(&mut self, now: Instant) {
        self.now = now;
    }

    pub(super) fn leave(&mut self, id: u64, leads: Leads) {
        if leads == Leads::Nowhere {
            return;
        }
        if self.by_id.len() >= REQUESTS_MAX {
            self.by_id.pop_first();
        }
        let until = self.now + LEFT_MAX;
        self.by_id.insert(id, Left { leads, until });
    }

    /// One was replied to.
    pub(super) fn end(&mut self, id: u64) -> Option<Leads> {
        self.by_id.remove(&id).map(|left| left.leads)
    }

    fn under_way(&self) -> impl Iterator<Item = &Left> {
        let now = self.now;
        self.by_id.values().filter(move |left| left.until > now)
    }

    /// Whether something may be asked of this tab, or of none.
    pub(super) fn let_ask(&self, tab: Option<TabId>) -> bool {
        self.under_way().count() < REQUESTS_MAX
            && self.under_way().all(|left| match left.leads {
                Leads::Nowhere => true,
                Leads::To(there) => tab == Some(there),
                Leads::Anywhere { .. } => false,
            })
    }

    /// Whether a tab of this server's may be there of which it has not heard.
    pub(super) fn makes_tab(&self) -> bool {
        let makes = |left: &Left| left.leads == Leads::Anywhere { makes: true };
        self.under_way().any(makes)
    }

    /// When more may be asked, though no reply comes.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.under_way().map(|left| left.until).min()
    }
}
