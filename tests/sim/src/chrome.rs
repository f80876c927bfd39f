//! A Chrome that is wrong in the ways that the real one is: its answers come later, its events
//! overtake them, a dialog makes every later command hang, a crashed page never answers.
//!
//! Pages do what the scripts that agents send them say: `act(N)` is counted, so that a double is
//! seen; `alert(…)`, `open()`, `spin(MS)` and `throw` do what their names say.

use crate::chance::Chance;
use extension_core::effect::ChromeCall;
use extension_core::input::{BrowserEvent, ChromeError, DetachReason, TabFacts};
use protocol::TabId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
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
    group: i64,
    /// The extension's debugger is on it.
    pub attached: bool,
    /// An open dialog: its text.
    pub dialog: Option<String>,
    /// Renderer gone.
    pub crashed: bool,
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
}

/// See the module.
#[derive(Debug)]
pub struct Chrome {
    /// Every tab.
    pub tabs: BTreeMap<TabId, Tab>,
    active: BTreeMap<i64, TabId>,
    next_tab: u32,
    next_group: i64,
    next_window: i64,
    next_work: u64,
    /// What pages ran, in order.
    pub acts: Vec<Act>,
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
        let mut chrome = Self {
            tabs: BTreeMap::new(),
            active: BTreeMap::new(),
            next_tab: 1000,
            next_group: 1,
            next_window: 2,
            next_work: 1,
            acts: Vec::new(),
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

    /// What `chrome.tabs.query({})` gives.
    #[must_use]
    pub fn all(&self) -> Vec<TabFacts> {
        self.tabs
            .keys()
            .filter_map(|tab| self.facts(*tab))
            .collect()
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
            status: "complete".into(),
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
                self.active.insert(window, tab);
                Ok(json!({"id": window, "tabs": [self.facts(tab)]}))
            }
            ChromeCall::LastFocusedWindow => match self.active.keys().next() {
                Some(window) => Ok(json!({"id": window, "type": "normal", "incognito": false})),
                None => Err(error("No last-focused window")),
            },
            ChromeCall::FocusWindow { window } => Ok(json!({"id": window})),
            ChromeCall::RemoveTab { tab } => self.removed_by_extension(*tab),
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
            ChromeCall::AutoDiscardable { tab, allowed: _ } | ChromeCall::UngroupTab { tab } => {
                self.tabs
                    .get(tab)
                    .map(|_| Value::Null)
                    .ok_or_else(|| no_tab(*tab))
            }
            ChromeCall::GroupTab {
                tab,
                group,
                title: _,
                color: _,
            } => self.group(*tab, *group),
            ChromeCall::TitleGroup { .. } => Ok(Value::Null),
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

    fn new_tab(&mut self, window: i64, url: &str) -> TabId {
        let tab = TabId(self.next_tab);
        self.next_tab += 1;
        let state = Tab {
            window,
            url: url.to_owned(),
            history: vec![url.to_owned()],
            at: 0,
            loader: 1,
            group: -1,
            attached: false,
            dialog: None,
            crashed: false,
            hanging: VecDeque::new(),
            busy: None,
        };
        self.tabs.insert(tab, state);
        if let Some(facts) = self.facts(tab) {
            self.tell(BrowserEvent::TabCreated(facts));
        }
        tab
    }

    fn create(&mut self, url: &str, window: i64, active: bool) -> Result<Value, ChromeError> {
        if self.dragging > 0 {
            self.dragging -= 1;
            self.met.push("chrome: tabs cannot be edited");
            return Err(error(
                "Tabs cannot be edited right now (user may be dragging a tab).",
            ));
        }
        if !self.active.contains_key(&window) {
            return Err(error(&format!("No window with id: {window}.")));
        }
        let tab = self.new_tab(window, url);
        if active {
            self.activate(tab)?;
        }
        Ok(to_json(self.facts(tab)))
    }

    fn activate(&mut self, tab: TabId) -> Result<Value, ChromeError> {
        let window = self.tabs.get(&tab).ok_or_else(|| no_tab(tab))?.window;
        self.active.insert(window, tab);
        self.tell(BrowserEvent::TabActivated { tab, window });
        Ok(to_json(self.facts(tab)))
    }

    fn group(&mut self, tab: TabId, group: Option<i64>) -> Result<Value, ChromeError> {
        let state = self.tabs.get_mut(&tab).ok_or_else(|| no_tab(tab))?;
        let group = group.unwrap_or(self.next_group);
        self.next_group = self.next_group.max(group + 1);
        state.group = group;
        self.tell(BrowserEvent::TabMoved { tab });
        Ok(json!(group))
    }

    fn removed_by_extension(&mut self, tab: TabId) -> Result<Value, ChromeError> {
        if !self.tabs.contains_key(&tab) {
            return Err(no_tab(tab));
        }
        self.close(tab);
        Ok(Value::Null)
    }

    /// The tab closes, whoever did it. What hangs in it never answers but with an error.
    pub fn close(&mut self, tab: TabId) {
        let Some(state) = self.tabs.remove(&tab) else {
            return;
        };
        for (ticket, _, _) in state.hanging {
            let outcome = Err(error("Detached while handling command."));
            self.later
                .push((Duration::from_millis(2), Outcome::Done { ticket, outcome }));
        }
        if let Some(busy) = state.busy {
            let outcome = Err(error("Detached while handling command."));
            self.later.push((
                Duration::from_millis(2),
                Outcome::Done {
                    ticket: busy.ticket,
                    outcome,
                },
            ));
        }
        if state.attached {
            self.tell(BrowserEvent::Detached {
                tab,
                reason: DetachReason::TargetClosed,
            });
        }
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

    /// The person navigates a tab by the address bar.
    pub fn type_url(&mut self, tab: TabId, url: &str) {
        if self
            .tabs
            .get(&tab)
            .is_some_and(|tab| tab.dialog.is_none() && tab.busy.is_none())
        {
            self.commit(tab, url, "typed", true);
        }
    }

    /// The renderer dies.
    pub fn crash(&mut self, tab: TabId) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return;
        };
        state.crashed = true;
        state.dialog = None;
        if state.attached {
            self.debugger(tab, "Inspector.targetCrashed", json!({}));
        }
    }

    /// *Cancel* on the debugging bar: the debugger is off every tab.
    pub fn cancel_debugging(&mut self) {
        let attached: Vec<TabId> = self
            .tabs
            .iter()
            .filter(|(_, tab)| tab.attached)
            .map(|(id, _)| *id)
            .collect();
        for tab in attached {
            self.throw_off(tab, DetachReason::CanceledByUser);
        }
    }

    /// The debugger is thrown off one tab, for example by another extension's frame.
    pub fn throw_off(&mut self, tab: TabId, reason: DetachReason) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return;
        };
        if !std::mem::take(&mut state.attached) {
            return;
        }
        let hanging = std::mem::take(&mut state.hanging);
        for (ticket, _, _) in hanging {
            let outcome = Err(error("Detached while handling command."));
            self.later
                .push((Duration::from_millis(2), Outcome::Done { ticket, outcome }));
        }
        self.tell(BrowserEvent::Detached { tab, reason });
    }

    fn attach(&mut self, tab: TabId) -> Result<Value, ChromeError> {
        let state = self.tabs.get_mut(&tab).ok_or_else(|| no_tab(tab))?;
        if state.url.contains("guarded") {
            self.met.push("chrome: another extension's frame");
            return Err(error(
                "Cannot access a chrome-extension:// URL of different extension",
            ));
        }
        if state.url.starts_with("chrome:") {
            return Err(error("Cannot access a chrome:// URL"));
        }
        if state.attached {
            self.met.push("chrome: attached already");
            return Err(error(&format!("{ATTACHED_ALREADY}{tab}.")));
        }
        state.attached = true;
        Ok(Value::Null)
    }

    fn detach(&mut self, tab: TabId) -> Result<Value, ChromeError> {
        let state = self.tabs.get_mut(&tab).ok_or_else(|| no_tab(tab))?;
        let stays = self.stays_attached;
        let was = state.attached;
        state.attached = was && stays;
        if !was {
            return Err(error(&format!(
                "Debugger is not attached to the tab with id: {tab}."
            )));
        }
        // A detach stops no script: what is busy stays busy.
        let hanging = std::mem::take(&mut state.hanging);
        for (ticket, _, _) in hanging {
            let outcome = Err(error("Detached while handling command."));
            self.later
                .push((Duration::from_millis(2), Outcome::Done { ticket, outcome }));
        }
        Ok(Value::Null)
    }

    fn command(
        &mut self,
        ticket: u64,
        tab: TabId,
        method: &str,
        params: Value,
        chance: &mut Chance,
    ) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            self.answer(ticket, Err(no_tab(tab)), chance);
            return;
        };
        if !state.attached {
            let text = format!("Debugger is not attached to the tab with id: {tab}.");
            self.answer(ticket, Err(error(&text)), chance);
            return;
        }
        if state.crashed && method != "Page.reload" && method != "Page.navigate" {
            // A crashed page never answers.
            return;
        }
        let needs_page = !matches!(
            method,
            "Page.handleJavaScriptDialog"
                | "Page.stopLoading"
                | "Page.stopScreencast"
                | "Fetch.disable"
                | "Input.dispatchMouseEvent"
                | "Input.dispatchKeyEvent"
        );
        if needs_page && (state.dialog.is_some() || state.busy.is_some()) {
            state.hanging.push_back((ticket, method.to_owned(), params));
            return;
        }
        self.execute(ticket, tab, method, &params, chance);
    }

    fn execute(
        &mut self,
        ticket: u64,
        tab: TabId,
        method: &str,
        params: &Value,
        chance: &mut Chance,
    ) {
        let text = |name: &str| {
            params
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let outcome = match method {
            "Runtime.evaluate" => {
                let timeout = params.get("timeout").and_then(Value::as_f64);
                self.evaluate(ticket, tab, &text("expression"), timeout, chance);
                return;
            }
            "Runtime.callFunctionOn" => {
                self.evaluate(ticket, tab, &text("functionDeclaration"), None, chance);
                return;
            }
            "Page.navigate" => self.navigate(tab, &text("url")),
            "Page.reload" => {
                let url = self
                    .tabs
                    .get(&tab)
                    .map(|tab| tab.url.clone())
                    .unwrap_or_default();
                self.commit(tab, &url, "reload", false);
                Ok(json!({}))
            }
            "Page.getNavigationHistory" => self.history(tab),
            "Page.navigateToHistoryEntry" => self.go_to_entry(tab, params),
            "Page.handleJavaScriptDialog" => self.handle_dialog(tab, chance),
            "Page.getFrameTree" => Ok(self.frame_tree(tab)),
            "Page.captureScreenshot" => Ok(json!({"data": "iVBORw0KGgo="})),
            "Page.getLayoutMetrics" => Ok(json!({
                "cssVisualViewport": {"clientWidth": 800, "clientHeight": 600, "pageX": 0, "pageY": 0},
                "cssContentSize": {"x": 0, "y": 0, "width": 800, "height": 600},
            })),
            "Page.startScreencast" => {
                self.debugger(
                    tab,
                    "Page.screencastFrame",
                    json!({"data": "", "metadata": {}, "sessionId": 1}),
                );
                Ok(json!({}))
            }
            "DOMSnapshot.captureSnapshot" => Ok(json!({
                "strings": ["BUTTON", "aria-label", "Go", "visible"],
                "documents": [{
                    "nodes": {"parentIndex": [-1, 0], "nodeType": [9, 1], "nodeName": [-1, 0],
                        "attributes": [[], [1, 2]], "backendNodeId": [1, 2]},
                    "layout": {"nodeIndex": [0, 1], "styles": [[], [3]]},
                }],
            })),
            _ => Ok(json!({})),
        };
        self.answer(ticket, outcome, chance);
    }

    fn evaluate(
        &mut self,
        ticket: u64,
        tab: TabId,
        script: &str,
        timeout_ms: Option<f64>,
        chance: &mut Chance,
    ) {
        for number in numbers(script, "act(") {
            self.acts.push(Act { number, tab });
        }
        if script.contains("throw ") {
            let details =
                json!({"text": "Uncaught", "exception": {"description": "Error: thrown"}});
            let thrown = json!({"result": {"type": "object"}, "exceptionDetails": details});
            self.answer(ticket, Ok(thrown), chance);
            return;
        }
        let popups = script.matches("open()").count();
        if popups > 1 {
            self.met.push("fault: popup storm");
        }
        for _ in 0..popups {
            self.met.push("chrome: popup");
            self.popup(tab, chance);
        }
        if script.contains("location.reload()") {
            let url = self
                .tabs
                .get(&tab)
                .map(|tab| tab.url.clone())
                .unwrap_or_default();
            self.commit(tab, &url, "reload", false);
        }
        let value = numbers(script, "act(")
            .first()
            .map_or(json!(7), |number| json!(number));
        let result = json!({"result": {"type": "number", "value": value}});
        let work = self.next_work;
        self.next_work += 1;
        if let Some(spin) = numbers(script, "spin(").first() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a limit in milliseconds"
            )]
            let limit = timeout_ms.map_or(u64::MAX, |ms| ms as u64);
            self.met.push("chrome: script runs on");
            let outcome = if *spin > limit {
                self.met.push("chrome: script ended by its timeout");
                Err(error("Internal error: execution was terminated"))
            } else {
                Ok(result)
            };
            self.busy(
                tab,
                Busy {
                    work,
                    ticket,
                    outcome,
                },
                Duration::from_millis((*spin).min(limit)),
            );
            return;
        }
        if script.contains("alert(") && self.tabs.get(&tab).is_some_and(|tab| tab.attached) {
            let Some(state) = self.tabs.get_mut(&tab) else {
                return;
            };
            state.dialog = Some("hello".into());
            self.met.push("chrome: dialog");
            // The script waits behind its own dialog.
            state.busy = Some(Busy {
                work,
                ticket,
                outcome: Ok(result),
            });
            let opening = json!({"url": "", "message": "hello", "type": "alert",
                "hasBrowserHandler": false, "defaultPrompt": ""});
            self.debugger(tab, "Page.javascriptDialogOpening", opening);
            return;
        }
        self.answer(ticket, Ok(result), chance);
    }

    fn busy(&mut self, tab: TabId, busy: Busy, time: Duration) {
        let work = busy.work;
        if let Some(state) = self.tabs.get_mut(&tab) {
            state.busy = Some(busy);
            self.later.push((time, Outcome::Resume { tab, work }));
        }
    }

    /// A piece of work is through: its command is answered, and what hung behind it goes on.
    pub fn resume(&mut self, tab: TabId, work: u64, chance: &mut Chance) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return;
        };
        if state.busy.as_ref().is_none_or(|busy| busy.work != work) {
            return;
        }
        if let Some(busy) = state.busy.take() {
            self.answer(busy.ticket, busy.outcome, chance);
        }
        self.go_on(tab, chance);
    }

    fn go_on(&mut self, tab: TabId, chance: &mut Chance) {
        while let Some(state) = self.tabs.get_mut(&tab) {
            if state.dialog.is_some() || state.busy.is_some() {
                return;
            }
            let Some((ticket, method, params)) = state.hanging.pop_front() else {
                return;
            };
            self.execute(ticket, tab, &method, &params, chance);
        }
    }

    fn handle_dialog(&mut self, tab: TabId, chance: &mut Chance) -> Result<Value, ChromeError> {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return Err(no_tab(tab));
        };
        if state.dialog.take().is_none() {
            return Err(error("No dialog is showing"));
        }
        self.debugger(
            tab,
            "Page.javascriptDialogClosed",
            json!({"result": true, "userInput": ""}),
        );
        let work = self
            .tabs
            .get(&tab)
            .and_then(|tab| tab.busy.as_ref())
            .map(|busy| busy.work);
        if let Some(work) = work {
            self.resume(tab, work, chance);
        } else {
            self.go_on(tab, chance);
        }
        Ok(json!({}))
    }

    fn popup(&mut self, opener: TabId, chance: &mut Chance) {
        let Some(window) = self.tabs.get(&opener).map(|tab| tab.window) else {
            return;
        };
        let tab = self.new_tab(window, "https://popup.example/");
        let url = "https://popup.example/".to_owned();
        let late = Duration::from_millis(1 + chance.below(5));
        let event = BrowserEvent::NavigationTarget {
            source: opener,
            tab,
            url,
        };
        // One popup in ten has no opener that Chrome would tell of.
        if !chance.hits(100) {
            self.later.push((late, Outcome::Event(event)));
        }
        self.active.insert(window, tab);
        self.tell(BrowserEvent::TabActivated { tab, window });
    }

    fn navigate(&mut self, tab: TabId, url: &str) -> Result<Value, ChromeError> {
        if url.contains("unreachable") {
            self.commit(tab, "chrome-error://chromewebdata/", "link", false);
            return Ok(
                json!({"frameId": "F", "loaderId": format!("L{}", self.loader(tab)),
                "errorText": "net::ERR_NAME_NOT_RESOLVED"}),
            );
        }
        if url.contains("redirects-to-file") {
            self.commit(tab, "file:///etc/passwd", "link", false);
            return Ok(json!({"frameId": "F", "loaderId": format!("L{}", self.loader(tab))}));
        }
        if let Some(state) = self.tabs.get_mut(&tab) {
            state.crashed = false;
        }
        self.commit(tab, url, "link", false);
        Ok(json!({"frameId": "F", "loaderId": format!("L{}", self.loader(tab))}))
    }

    fn loader(&self, tab: TabId) -> u64 {
        self.tabs.get(&tab).map_or(0, |tab| tab.loader)
    }

    fn commit(&mut self, tab: TabId, url: &str, transition: &str, by_person: bool) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return;
        };
        state.url = url.to_owned();
        state.loader += 1;
        state.crashed = false;
        if transition != "reload" && transition != "auto_toplevel" {
            state.history.truncate(state.at + 1);
            state.history.push(url.to_owned());
            state.at = state.history.len() - 1;
        }
        if url.contains("guarded") {
            // Another extension's frame is let in and the debugger thrown out.
            self.throw_off(tab, DetachReason::TargetClosed);
        }
        let attached = self.tabs.get(&tab).is_some_and(|tab| tab.attached);
        let frame = self.frame(tab);
        let qualifiers = if by_person {
            vec!["from_address_bar".to_owned()]
        } else {
            Vec::new()
        };
        if attached {
            let loader = format!("L{}", self.loader(tab));
            let started = json!({"frameId": "F", "url": url, "loaderId": loader, "navigationType": "differentDocument"});
            self.debugger(tab, "Page.frameStartedNavigating", started);
            self.debugger(tab, "Runtime.executionContextsCleared", json!({}));
            self.debugger(
                tab,
                "Page.frameNavigated",
                json!({"frame": frame, "type": "Navigation"}),
            );
        }
        self.tell(BrowserEvent::Committed {
            tab,
            url: url.to_owned(),
            transition: transition.to_owned(),
            qualifiers,
        });
        if let Some(facts) = self.facts(tab) {
            self.tell(BrowserEvent::TabUpdated(facts));
        }
        if attached {
            self.debugger(tab, "Page.domContentEventFired", json!({"timestamp": 1}));
            self.debugger(tab, "Page.loadEventFired", json!({"timestamp": 1}));
            self.debugger(tab, "Page.frameStoppedLoading", json!({"frameId": "F"}));
        }
    }

    fn frame(&self, tab: TabId) -> Value {
        let url = self
            .tabs
            .get(&tab)
            .map(|tab| tab.url.clone())
            .unwrap_or_default();
        json!({"id": "F", "loaderId": format!("L{}", self.loader(tab)), "url": url,
            "securityOrigin": "", "mimeType": "text/html"})
    }

    fn frame_tree(&self, tab: TabId) -> Value {
        json!({"frameTree": {"frame": self.frame(tab)}})
    }

    fn history(&self, tab: TabId) -> Result<Value, ChromeError> {
        let state = self.tabs.get(&tab).ok_or_else(|| no_tab(tab))?;
        let entries: Vec<Value> = state
            .history
            .iter()
            .enumerate()
            .map(|(id, url)| {
                json!({"id": id, "url": url, "userTypedURL": url, "title": "",
                "transitionType": "link"})
            })
            .collect();
        Ok(json!({"currentIndex": state.at, "entries": entries}))
    }

    fn go_to_entry(&mut self, tab: TabId, params: &Value) -> Result<Value, ChromeError> {
        let wanted = params
            .get("entryId")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let index = usize::try_from(wanted).unwrap_or_default();
        let Some(state) = self.tabs.get_mut(&tab) else {
            return Err(no_tab(tab));
        };
        let Some(url) = state.history.get(index).cloned() else {
            return Err(error("No entry with passed id"));
        };
        state.at = index;
        self.commit(tab, &url, "auto_toplevel", false);
        Ok(json!({}))
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

/// Every number that follows `word` in a script.
fn numbers(script: &str, word: &str) -> Vec<u64> {
    script
        .split(word)
        .skip(1)
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        })
        .collect()
}
