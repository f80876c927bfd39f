//! A Chrome that is wrong in the ways that the real one is: its answers come later, its events
//! overtake them, a dialog makes every later command hang, a crashed page never answers.
//!
//! Pages do what the scripts that agents send them say: `act(N)` is counted, so that a double is
//! seen; `alert(…)`, `open()`, `spin(MS)`, `big(LENGTH)` and `throw` do what their names say.

mod debugger;
mod elements;
mod navigation;
mod restarts;
mod scripts;
mod tabs;

use crate::chance::Chance;
use extension_core::effect::ChromeCall;
use extension_core::input::{BrowserEvent, ChromeError, TabFacts};
use protocol::{SortedMap, SortedSet, TabId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Something that reaches the extension later.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The answer to a question.
    Done {
        /// The question's number in the world.
        ticket: u64,
        /// What it says.
        outcome: Result<Value, ChromeError>,
    },
    /// An event.
    Event(BrowserEvent),
    /// A tab that was unloaded is to be closed, as its extension asked, if that still lives.
    Remove {
        /// The question's number in the world.
        ticket: u64,
        /// The tab, by its id since it was unloaded.
        tab: TabId,
    },
    /// The person answers a dialog that nobody else can.
    Dismissed {
        /// In which tab.
        tab: TabId,
    },
    /// A command whose work in the page takes time is through.
    Resume {
        /// In which tab.
        tab: TabId,
        /// Which piece of work.
        work: u64,
    },
}

/// A tab.
#[derive(Debug)]
pub struct Tab {
    /// Its window.
    pub window: i64,
    /// What it shows.
    pub url: String,
    /// Its history, and where it stands in it.
    history: Vec<String>,
    at: usize,
    loader: u64,
    /// Its group, -1 for none.
    pub group: i64,
    /// The extension made it, or a page of such a tab opened it.
    pub made: bool,
    /// A page opened it, and a worker has heard from which.
    pub opener_told: bool,
    /// The id that it had before it was unloaded.
    pub former: Option<TabId>,
    /// A worker has heard of the new one.
    pub id_told: bool,
    /// The extension's debugger is on it.
    pub attached: bool,
    /// An open dialog: its text.
    pub dialog: Option<String>,
    /// The debugger that let it open is gone: no other can answer it, only the person.
    pub orphaned: bool,
    /// Restored by the browser and not loaded yet.
    pub discarded: bool,
    /// Renderer gone.
    pub crashed: bool,
    /// Pictures of it are being cast to the debugger.
    pub cast: bool,
    /// Buttons and keys that the debugger pressed and did not let up.
    pub held: BTreeSet<String>,
    /// Commands that hang behind a dialog or a script: ticket, method, parameters.
    hanging: VecDeque<(u64, String, Value)>,
    /// A script that runs on: its ticket, when it ends by itself, and what it then gives.
    busy: Option<Busy>,
}

#[derive(Debug)]
struct Busy {
    work: u64,
    ticket: u64,
    outcome: Result<Value, ChromeError>,
}

/// One `act(N)` that a page ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// Its number.
    pub number: u64,
    /// In which tab.
    pub tab: TabId,
    /// Something of an earlier call was on: a picture being cast, a button or a key held.
    pub left: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Chrome {
    /// Every tab.
    pub tabs: BTreeMap<TabId, Tab>,
    active: BTreeMap<i64, TabId>,
    /// The titles of the groups.
    titles: BTreeMap<i64, String>,
    next_tab: u32,
    next_group: i64,
    next_window: i64,
    next_work: u64,
    /// What pages ran, in order.
    pub acts: Vec<Act>,
    /// Tabs that were unloaded and not to be closed, by the id that they had.
    pub unloaded: BTreeMap<TabId, TabId>,
    /// What each tab whose id changed was called next.
    heirs: BTreeMap<TabId, TabId>,
    /// While above zero, tabs "cannot be edited right now".
    pub dragging: u32,
    later: Vec<(Duration, Outcome)>,
    met: Vec<&'static str>,
    /// A planted fault: says that it detaches, and does not.
    pub stays_attached: bool,
}

const ATTACHED_ALREADY: &str = "Another debugger is already attached to the tab with id: ";

impl Chrome {
    /// One window with one tab of the person's.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(1000)
    }

    fn starting_at(next_tab: u32) -> Self {
        let mut chrome = Self {
            tabs: BTreeMap::new(),
            active: BTreeMap::new(),
            titles: BTreeMap::new(),
            next_tab,
            next_group: 1,
            next_window: 2,
            next_work: 1,
            acts: Vec::new(),
            unloaded: BTreeMap::new(),
            heirs: BTreeMap::new(),
            dragging: 0,
            later: Vec::new(),
            met: Vec::new(),
            stays_attached: false,
        };
        let tab = chrome.new_tab(1, "https://person.example/");
        chrome.active.insert(1, tab);
        chrome.later.clear();
        chrome
    }

    /// Another one instead: a window with a tab of the person's. Tab ids go on, so that each means
    /// one tab.
    pub fn replace(&mut self) {
        let next_tab = self.next_tab;
        let acts = std::mem::take(&mut self.acts);
        let stays_attached = self.stays_attached;
        *self = Self::starting_at(next_tab);
        self.acts = acts;
        self.stays_attached = stays_attached;
    }

    /// What `chrome.tabs.query({})` gives.
    #[must_use]
    pub fn all(&self) -> Vec<TabFacts> {
        self.tabs
            .keys()
            .filter_map(|tab| self.facts(*tab))
            .collect()
    }

    /// What `chrome.tabGroups.query({})` gives: the titles, by id.
    #[must_use]
    pub fn groups(&self) -> SortedMap<i64, String> {
        let stands = |group: &i64| self.tabs.values().any(|tab| tab.group == *group);
        let titles = self.titles.iter().filter(|(group, _)| stands(group));
        titles
            .map(|(group, title)| (*group, title.clone()))
            .collect()
    }

    /// The tabs that `chrome.debugger.getTargets()` calls attached.
    #[must_use]
    pub fn debugged(&self) -> SortedSet<TabId> {
        let attached = self.tabs.iter().filter(|(_, tab)| tab.attached);
        attached.map(|(id, _)| *id).collect()
    }

    /// What is to happen after a while: when from now, and what.
    pub fn take_later(&mut self) -> Vec<(Duration, Outcome)> {
        std::mem::take(&mut self.later)
    }

    /// What was met since the last time, for the report.
    pub fn take_met(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.met)
    }

    /// A tab as Chrome tells of it.
    #[must_use]
    pub fn facts(&self, id: TabId) -> Option<TabFacts> {
        let tab = self.tabs.get(&id)?;
        Some(TabFacts {
            id: id.0.into(),
            window_id: tab.window,
            url: tab.url.clone(),
            title: format!("title of {}", tab.url),
            active: self.active.get(&tab.window) == Some(&id),
            group_id: tab.group,
            discarded: tab.discarded,
            status: if tab.discarded {
                "unloaded"
            } else {
                "complete"
            }
            .into(),
            ..TabFacts::default()
        })
    }

    /// Performs a call of the extension's. `ticket` comes back with the answer.
    pub fn ask(&mut self, ticket: u64, call: &ChromeCall, chance: &mut Chance) {
        let outcome = match call {
            ChromeCall::CreateTab {
                url,
                window,
                active,
            } => self.create(url, window.unwrap_or(1), *active),
            ChromeCall::CreateWindow { url } => {
                let window = self.next_window;
                self.next_window += 1;
                let tab = self.new_tab(window, url);
                self.mark_made(tab);
                self.active.insert(window, tab);
                Ok(json!({"id": window, "tabs": [self.facts(tab)]}))
            }
            ChromeCall::LastFocusedWindow => match self.active.keys().next() {
                Some(window) => Ok(json!({"id": window, "type": "normal", "incognito": false})),
                None => Err(error("No last-focused window")),
            },
            ChromeCall::FocusedWindow => {
                Ok(json!({"id": self.active.keys().next(), "focused": true}))
            }
            ChromeCall::FocusWindow { window } => Ok(json!({"id": window})),
            ChromeCall::RemoveTab { tab } if self.tabs.contains_key(tab) => {
                let tab = self.discard(*tab);
                let late = Duration::from_millis(1 + chance.below(5));
                self.later.push((late, Outcome::Remove { ticket, tab }));
                return;
            }
            ChromeCall::RemoveTab { tab } => Err(no_tab(*tab)),
            ChromeCall::GetTab { tab } => self.facts(*tab).map(to_json).ok_or_else(|| no_tab(*tab)),
            ChromeCall::WindowTabs { window } => {
                let in_window = |tab: &&TabFacts| tab.window_id == *window;
                Ok(json!(
                    self.all().iter().filter(in_window).collect::<Vec<_>>()
                ))
            }
            ChromeCall::ActivateTab { tab } => self.activate(*tab),
            ChromeCall::GoTo { tab, url } => {
                self.commit(*tab, url, "link", false);
                self.facts(*tab).map(to_json).ok_or_else(|| no_tab(*tab))
            }
            ChromeCall::AutoDiscardable { tab, allowed: _ } => self
                .tabs
                .get(tab)
                .map(|_| Value::Null)
                .ok_or_else(|| no_tab(*tab)),
            ChromeCall::UngroupTab { tab } => self.ungroup(*tab),
            ChromeCall::GroupTab {
                tab,
                group,
                title,
                color: _,
            } => self.group(*tab, *group, title),
            ChromeCall::TitleGroup { group, title } => {
                self.titles.insert(*group, title.clone());
                Ok(Value::Null)
            }
            ChromeCall::Attach { tab } => self.attach(*tab),
            ChromeCall::Detach { tab } => self.detach(*tab),
            ChromeCall::Command {
                tab,
                session: _,
                method,
                params,
            } => {
                self.command(ticket, *tab, method, params.clone(), chance);
                return;
            }
        };
        self.answer(ticket, outcome, chance);
    }

    fn answer(&mut self, ticket: u64, outcome: Result<Value, ChromeError>, chance: &mut Chance) {
        let delay = Duration::from_millis(1 + chance.below(8));
        self.later.push((delay, Outcome::Done { ticket, outcome }));
    }

    /// Events start before answers and may be as slow: they overtake some and not others.
    fn tell(&mut self, event: BrowserEvent) {
        self.later
            .push((Duration::from_millis(1), Outcome::Event(event)));
    }

    fn debugger(&mut self, tab: TabId, method: &str, params: Value) {
        let method = method.to_owned();
        self.tell(BrowserEvent::Debugger {
            tab,
            session: None,
            method,
            params,
        });
    }
}

impl Default for Chrome {
    fn default() -> Self {
        Self::new()
    }
}

fn error(message: &str) -> ChromeError {
    ChromeError {
        message: message.to_owned(),
    }
}

fn no_tab(tab: TabId) -> ChromeError {
    error(&format!("No tab with id: {tab}."))
}

fn to_json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
