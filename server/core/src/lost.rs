//! The tabs that a session has lost. Its agent is told of each once, with its next answer, by this
//! server, where it knows what the browser has forgotten, or by the browser.

use protocol::frame::LostTab;
use protocol::{TabId, limits};
use std::collections::BTreeSet;

/// Lost tabs that wait to be told; a session has no more tabs.
const LOST_MAX: usize = limits::TABS_PER_SESSION_MAX;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LostTabs {
    /// Told with the next answer.
    waiting: Vec<LostTab>,
    /// This server tells, or told, of these; the browser may yet do so too.
    both: BTreeSet<TabId>,
}

impl LostTabs {
    /// This server knows that they are lost.
    pub(crate) fn lose(&mut self, lost: Vec<LostTab>) {
        let ids: BTreeSet<TabId> = lost.iter().map(|tab| tab.tab_id).collect();
        self.add(lost);
        // For what has no room the browser's word is awaited.
        let told = self.waiting.iter().map(|tab| tab.tab_id);
        self.both.extend(told.filter(|tab| ids.contains(tab)));
    }

    /// A browser's answer, which nobody waits for any more, tells of them.
    pub(crate) fn hear(&mut self, lost: Vec<LostTab>) {
        let news = self.news(lost);
        self.add(news);
    }

    /// What of a browser's answer has not been told.
    pub(crate) fn news(&mut self, mut lost: Vec<LostTab>) -> Vec<LostTab> {
        lost.retain(|tab| !self.both.remove(&tab.tab_id));
        lost
    }

    /// Of no other tabs is the browser yet to tell.
    pub(crate) fn expect_only(&mut self, tabs: &BTreeSet<TabId>) {
        self.both.retain(|tab| tabs.contains(tab));
    }

    pub(crate) fn take(&mut self) -> Vec<LostTab> {
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn waiting(&self) -> &[LostTab] {
        &self.waiting
    }

    fn add(&mut self, lost: Vec<LostTab>) {
        for tab in lost {
            let waits = |other: &LostTab| {
                other.tab_id == tab.tab_id && (tab.url.is_empty() || other.url == tab.url)
            };
            if self.waiting.len() < LOST_MAX && !self.waiting.iter().any(waits) {
                self.waiting.push(tab);
            }
        }
    }
}
