//! Chrome without the extension for a while, and Chrome started again.

use super::{Chrome, Outcome};
use crate::chance::Chance;
use protocol::TabId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A person sees a dialog and answers it within so many milliseconds.
const DISMISSED_MS: u64 = 20_000;

impl Chrome {
    /// The extension is unloaded: its debugger is off every tab, and nobody is told.
    pub fn lose_extension(&mut self, chance: &mut Chance) {
        let mut left = BTreeSet::new();
        for (id, tab) in &mut self.tabs {
            if std::mem::take(&mut tab.attached) {
                self.met.push("chrome: debugger gone with the extension");
                tab.cast = false;
                tab.hanging.clear();
                left.insert(*id);
            }
        }
        self.leave_dialogs(|tab| left.contains(&tab), chance);
    }

    /// No agent answers the dialogs in these tabs any more: the person does.
    pub fn leave_dialogs(&mut self, of: impl Fn(TabId) -> bool, chance: &mut Chance) {
        for (id, tab) in self.tabs.iter_mut().filter(|(id, _)| of(**id)) {
            if tab.dialog.is_some() && !std::mem::replace(&mut tab.orphaned, true) {
                self.met.push("chrome: dialog that no agent can answer");
                let late = Duration::from_millis(1 + chance.below(DISMISSED_MS));
                self.later.push((late, Outcome::Dismissed { tab: *id }));
            }
        }
    }

    /// The person answers a dialog whose debugger is gone.
    pub fn dismiss(&mut self, tab: TabId, chance: &mut Chance) {
        let Some(state) = self.tabs.get_mut(&tab).filter(|tab| tab.orphaned) else {
            return;
        };
        state.orphaned = false;
        state.dialog = None;
        match state.busy.as_ref().map(|busy| busy.work) {
            Some(work) => self.resume(tab, work, chance),
            None => self.go_on(tab, chance),
        }
    }

    /// It ends, and starts again with one new tab, or with the tabs that it had: in their groups, under
    /// new ids, and loaded only where they are in front.
    pub fn restart(&mut self, restores: bool) {
        let tabs = std::mem::take(&mut self.tabs);
        let active: BTreeSet<TabId> = std::mem::take(&mut self.active).into_values().collect();
        self.later.clear();
        self.dragging = 0;
        if !restores || tabs.is_empty() {
            self.titles.clear();
            let window = self.next_window;
            self.next_window += 1;
            let tab = self.new_tab(window, "https://person.example/");
            self.active.insert(window, tab);
            self.later.clear();
            return;
        }
        let mut windows = BTreeMap::new();
        let mut groups = BTreeMap::new();
        let titles = std::mem::take(&mut self.titles);
        for (old, tab) in tabs {
            let window = *windows.entry(tab.window).or_insert(self.next_window);
            self.next_window = self.next_window.max(window + 1);
            let id = self.new_tab(window, &tab.url);
            self.heirs.insert(old, id);
            let mut group = -1;
            if tab.group > 0 {
                group = *groups.entry(tab.group).or_insert(self.next_group);
                self.next_group = self.next_group.max(group + 1);
                let title = titles.get(&tab.group).cloned().unwrap_or_default();
                self.titles.insert(group, title);
            }
            if active.contains(&old) {
                self.active.insert(window, id);
            }
            if let Some(state) = self.tabs.get_mut(&id) {
                state.group = group;
                state.made = tab.made;
                state.history = tab.history;
                state.at = tab.at;
                state.discarded = !active.contains(&old);
                self.met.push("chrome: tab restored under another id");
            }
        }
        // The extension is not there yet to hear of them.
        self.later.clear();
    }

    /// What this tab is called now, if its id changed.
    #[must_use]
    pub fn called_now(&self, tab: TabId) -> TabId {
        let mut tab = tab;
        while let Some(next) = self.heirs.get(&tab) {
            tab = *next;
        }
        tab
    }
}
