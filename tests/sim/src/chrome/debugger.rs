//! The debugger: let in, thrown off, and its commands, which hang behind dialogs and scripts.

use super::{ATTACHED_ALREADY, Chrome, Tab, elements, error, no_tab};
use crate::chance::Chance;
use crate::chrome::Outcome;
use extension_core::input::{BrowserEvent, ChromeError, DetachReason};
use protocol::TabId;
use serde_json::{Value, json};
use std::time::Duration;

impl Chrome {
    /// The renderer dies.
    pub fn crash(&mut self, tab: TabId) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return;
        };
        state.crashed = true;
        state.dialog = None;
        state.held.clear();
        // What it was asked it answers no more.
        state.busy = None;
        state.hanging.clear();
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
        state.cast = false;
        let hanging = std::mem::take(&mut state.hanging);
        for (ticket, _, _) in hanging {
            let outcome = Err(error("Detached while handling command."));
            self.later
                .push((Duration::from_millis(2), Outcome::Done { ticket, outcome }));
        }
        self.tell(BrowserEvent::Detached { tab, reason });
    }

    pub(super) fn attach(&mut self, tab: TabId) -> Result<Value, ChromeError> {
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

    pub(super) fn detach(&mut self, tab: TabId) -> Result<Value, ChromeError> {
        let state = self.tabs.get_mut(&tab).ok_or_else(|| no_tab(tab))?;
        let stays = self.stays_attached;
        let was = state.attached;
        state.attached = was && stays;
        state.cast = false;
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

    pub(super) fn command(
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
        if state.discarded {
            // It has no page that could answer.
            self.met.push("chrome: command to a tab that is not loaded");
            return;
        }
        if state.crashed && method != "Page.reload" && method != "Page.navigate" {
            // A crashed page never answers. The browser has done its part, and says what it is.
            state.cast &= method != "Page.stopScreencast";
            match method {
                "Inspector.enable" => self.debugger(tab, "Inspector.targetCrashed", json!({})),
                "Page.handleJavaScriptDialog" => {
                    self.answer(ticket, Err(error("No dialog is showing")), chance);
                }
                _ => {}
            }
            return;
        }
        note_input(state, method, &params);
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

    pub(super) fn execute(
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
                self.call_on(ticket, tab, params);
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
            "DOMSnapshot.captureSnapshot" => Ok(elements::document()),
            "DOM.resolveNode" => elements::resolve(params),
            _ => Ok(json!({})),
        };
        self.answer(ticket, outcome, chance);
    }

    pub(super) fn handle_dialog(
        &mut self,
        tab: TabId,
        chance: &mut Chance,
    ) -> Result<Value, ChromeError> {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return Err(no_tab(tab));
        };
        if state.orphaned || state.dialog.take().is_none() {
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
}

/// What the browser does itself when it is told, before the page has its part: it casts pictures, and
/// holds buttons and keys.
fn note_input(state: &mut Tab, method: &str, params: &Value) {
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
    let held = match method {
        "Page.startScreencast" => {
            state.cast = true;
            return;
        }
        "Page.stopScreencast" => {
            state.cast = false;
            return;
        }
        "Input.dispatchMouseEvent" => text("button"),
        "Input.dispatchKeyEvent" => text("key"),
        _ => return,
    };
    match text("type") {
        "mousePressed" | "keyDown" | "rawKeyDown" => {
            state.held.insert(held.to_owned());
        }
        "mouseReleased" | "keyUp" => {
            state.held.remove(held);
        }
        _ => {}
    }
}
