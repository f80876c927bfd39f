//! Where tabs go: by commands, by addresses that the person types, back and forward.

use super::{Chrome, error, no_tab};
use extension_core::input::{BrowserEvent, ChromeError, DetachReason};
use protocol::TabId;
use serde_json::{Value, json};

impl Chrome {
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

    pub(super) fn navigate(&mut self, tab: TabId, url: &str) -> Result<Value, ChromeError> {
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

    pub(super) fn loader(&self, tab: TabId) -> u64 {
        self.tabs.get(&tab).map_or(0, |tab| tab.loader)
    }

    pub(super) fn commit(&mut self, tab: TabId, url: &str, transition: &str, by_person: bool) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return;
        };
        state.url = url.to_owned();
        state.loader += 1;
        state.crashed = false;
        state.discarded = false;
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

    pub(super) fn frame(&self, tab: TabId) -> Value {
        let url = self
            .tabs
            .get(&tab)
            .map(|tab| tab.url.clone())
            .unwrap_or_default();
        json!({"id": "F", "loaderId": format!("L{}", self.loader(tab)), "url": url,
            "securityOrigin": "", "mimeType": "text/html"})
    }

    pub(super) fn frame_tree(&self, tab: TabId) -> Value {
        json!({"frameTree": {"frame": self.frame(tab)}})
    }

    pub(super) fn history(&self, tab: TabId) -> Result<Value, ChromeError> {
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

    pub(super) fn go_to_entry(&mut self, tab: TabId, params: &Value) -> Result<Value, ChromeError> {
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
