//! Tabs and windows: made, grouped, shown and closed, by the extension, by pages or by the person.

use super::{Chrome, Tab, error, no_tab, to_json};
use crate::chance::Chance;
use crate::chrome::Outcome;
use extension_core::input::{BrowserEvent, ChromeError, DetachReason};
use protocol::TabId;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

impl Chrome {
    pub(super) fn new_tab(&mut self, window: i64, url: &str) -> TabId {
        let tab = TabId(self.next_tab);
        self.next_tab += 1;
        let state = Tab {
            window,
            url: url.to_owned(),
            history: vec![url.to_owned()],
            at: 0,
            loader: 1,
            group: -1,
            made: false,
            opener_told: false,
            former: None,
            id_told: false,
            attached: false,
            dialog: None,
            orphaned: false,
            discarded: false,
            crashed: false,
            cast: false,
            held: BTreeSet::new(),
            hanging: VecDeque::new(),
            busy: None,
        };
        self.tabs.insert(tab, state);
        if let Some(facts) = self.facts(tab) {
            self.tell(BrowserEvent::TabCreated(facts));
        }
        tab
    }

    pub(super) fn create(
        &mut self,
        url: &str,
        window: i64,
        active: bool,
    ) -> Result<Value, ChromeError> {
        self.check_editable()?;
        if !self.active.contains_key(&window) {
            return Err(error(&format!("No window with id: {window}.")));
        }
        let tab = self.new_tab(window, url);
        self.mark_made(tab);
        if active {
            self.activate(tab)?;
        }
        Ok(to_json(self.facts(tab)))
    }

    pub(super) fn activate(&mut self, tab: TabId) -> Result<Value, ChromeError> {
        let state = self.tabs.get_mut(&tab).ok_or_else(|| no_tab(tab))?;
        state.discarded = false;
        let window = state.window;
        self.active.insert(window, tab);
        self.tell(BrowserEvent::TabActivated { tab, window });
        Ok(to_json(self.facts(tab)))
    }

    pub(super) fn group(
        &mut self,
        tab: TabId,
        group: Option<i64>,
        title: &str,
    ) -> Result<Value, ChromeError> {
        let state = self.tabs.get_mut(&tab).ok_or_else(|| no_tab(tab))?;
        let group = group.unwrap_or_else(|| {
            self.titles.insert(self.next_group, title.to_owned());
            self.next_group
        });
        self.next_group = self.next_group.max(group + 1);
        state.group = group;
        self.tell(BrowserEvent::TabMoved { tab });
        Ok(json!(group))
    }

    pub(super) fn ungroup(&mut self, tab: TabId) -> Result<Value, ChromeError> {
        let state = self.tabs.get_mut(&tab).ok_or_else(|| no_tab(tab))?;
        if std::mem::replace(&mut state.group, -1) > 0 {
            self.tell(BrowserEvent::TabMoved { tab });
        }
        Ok(Value::Null)
    }

    pub(super) fn mark_made(&mut self, tab: TabId) {
        if let Some(state) = self.tabs.get_mut(&tab) {
            state.made = true;
        }
    }

    /// The second half of an end that the extension asked for, after the unloading.
    pub fn remove(&mut self, ticket: u64, tab: TabId, chance: &mut Chance) {
        let outcome = if self.tabs.contains_key(&tab) {
            self.check_editable().map(|()| {
                self.close(tab);
                Value::Null
            })
        } else {
            Err(no_tab(tab))
        };
        self.answer(ticket, outcome, chance);
    }

    /// Somebody unloads a tab to save memory.
    pub fn unload_by_others(&mut self, tab: TabId) {
        let added = self.discard(tab);
        if added != tab {
            self.unloaded.insert(tab, added);
        }
    }

    /// Whether what was this tab is there under another id.
    #[must_use]
    pub fn goes_on(&self, tab: TabId) -> bool {
        let mut tab = tab;
        while let Some(next) = self.unloaded.get(&tab) {
            tab = *next;
        }
        self.tabs.contains_key(&tab)
    }

    /// A tab that is not in front is unloaded, and goes on under another id: this one.
    pub(super) fn discard(&mut self, tab: TabId) -> TabId {
        let in_front = self.active.values().any(|active| *active == tab);
        let Some(mut state) = (!in_front).then(|| self.tabs.remove(&tab)).flatten() else {
            return tab;
        };
        self.unload(tab, &mut state);
        let added = TabId(self.next_tab);
        self.next_tab += 1;
        state.former = Some(tab);
        state.id_told = false;
        self.tabs.insert(added, state);
        self.heirs.insert(tab, added);
        self.met.push("chrome: tab unloaded, under another id");
        self.tell(BrowserEvent::TabReplaced {
            added,
            removed: tab,
        });
        added
    }

    /// The person may be dragging a tab.
    fn check_editable(&mut self) -> Result<(), ChromeError> {
        if self.dragging == 0 {
            return Ok(());
        }
        self.dragging -= 1;
        self.met.push("chrome: tabs cannot be edited");
        Err(error(
            "Tabs cannot be edited right now (user may be dragging a tab).",
        ))
    }

    /// The page goes. What hangs in it never answers but with an error.
    fn unload(&mut self, tab: TabId, state: &mut Tab) {
        for (ticket, _, _) in state.hanging.drain(..) {
            let outcome = Err(error("Detached while handling command."));
            self.later
                .push((Duration::from_millis(2), Outcome::Done { ticket, outcome }));
        }
        if let Some(busy) = state.busy.take() {
            let outcome = Err(error("Detached while handling command."));
            self.later.push((
                Duration::from_millis(2),
                Outcome::Done {
                    ticket: busy.ticket,
                    outcome,
                },
            ));
        }
        if std::mem::take(&mut state.attached) {
            self.tell(BrowserEvent::Detached {
                tab,
                reason: DetachReason::TargetClosed,
            });
        }
        state.dialog = None;
        state.orphaned = false;
        state.cast = false;
        state.held.clear();
    }

    /// The tab closes, whoever did it.
    pub fn close(&mut self, tab: TabId) {
        let Some(mut state) = self.tabs.remove(&tab) else {
            return;
        };
        self.unload(tab, &mut state);
        self.tell(BrowserEvent::TabRemoved { tab });
        let window = state.window;
        if self.active.get(&window) == Some(&tab) {
            self.active.remove(&window);
            let next = self.tabs.iter().find(|(_, other)| other.window == window);
            if let Some(next) = next.map(|(id, _)| *id) {
                self.active.insert(window, next);
                self.tell(BrowserEvent::TabActivated { tab: next, window });
            }
        }
    }

    /// The person opens a tab.
    pub fn open_by_person(&mut self, url: &str) -> TabId {
        let window = self.active.keys().next().copied().unwrap_or_else(|| {
            self.next_window += 1;
            self.next_window - 1
        });
        let tab = self.new_tab(window, url);
        self.active.insert(window, tab);
        self.tell(BrowserEvent::TabActivated { tab, window });
        tab
    }

    pub(super) fn popup(&mut self, opener: TabId, chance: &mut Chance) {
        let Some((window, made)) = self.tabs.get(&opener).map(|tab| (tab.window, tab.made)) else {
            return;
        };
        let tab = self.new_tab(window, "https://popup.example/");
        // One popup in ten has no opener that Chrome would tell of.
        let told = !chance.hits(100);
        if made && told {
            self.mark_made(tab);
        }
        let url = "https://popup.example/".to_owned();
        let late = Duration::from_millis(1 + chance.below(5));
        let event = BrowserEvent::NavigationTarget {
            source: opener,
            tab,
            url,
        };
        if told {
            self.later.push((late, Outcome::Event(event)));
        }
        self.active.insert(window, tab);
        self.tell(BrowserEvent::TabActivated { tab, window });
    }
}
