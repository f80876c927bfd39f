//! The arguments of Chrome's events, as the core knows them.

use super::convert::{answer, facts, field, leave_out, to_json};
use super::log;
use crate::input::{BrowserEvent, DetachReason, TabFacts};
use crate::pages;
use js_sys::Array;
use protocol::TabId;
use wasm_bindgen::JsValue;

/// `frameId` of a tab's main frame.
const MAIN_FRAME: i64 = 0;
/// `chrome.windows.WINDOW_ID_NONE`.
const NO_WINDOW: i64 = -1;

/// None for events that only wake the worker, or that concern no tab (DevTools windows, workers).
pub(super) fn browser_event(name: &str, arguments: &Array) -> Option<BrowserEvent> {
    let tab = |index| tab_id(&arguments.get(index));
    match name {
        "tabs.onCreated" => Some(BrowserEvent::TabCreated(tab_facts(&arguments.get(0))?)),
        "tabs.onUpdated" => Some(BrowserEvent::TabUpdated(tab_facts(&arguments.get(2))?)),
        "tabs.onRemoved" => Some(BrowserEvent::TabRemoved { tab: tab(0)? }),
        "tabs.onReplaced" => Some(BrowserEvent::TabReplaced {
            added: tab(0)?,
            removed: tab(1)?,
        }),
        "tabs.onMoved" | "tabs.onAttached" => Some(BrowserEvent::TabMoved { tab: tab(0)? }),
        "tabs.onActivated" => {
            let activated = to_json(&arguments.get(0));
            Some(BrowserEvent::TabActivated {
                tab: field(&activated, "tabId")?,
                window: field(&activated, "windowId")?,
            })
        }
        "windows.onFocusChanged" => {
            let window = facts(&arguments.get(0)).filter(|id| *id != NO_WINDOW)?;
            Some(BrowserEvent::WindowFocused { window })
        }
        "webNavigation.onCreatedNavigationTarget" => {
            let navigation = to_json(&arguments.get(0));
            Some(BrowserEvent::NavigationTarget {
                source: field(&navigation, "sourceTabId")?,
                tab: field(&navigation, "tabId")?,
                url: field(&navigation, "url")?,
            })
        }
        "webNavigation.onCommitted" => {
            let navigation = to_json(&arguments.get(0));
            let frame = field(&navigation, "frameId").unwrap_or(MAIN_FRAME);
            (frame == MAIN_FRAME).then_some(BrowserEvent::Committed {
                tab: field(&navigation, "tabId")?,
                url: field(&navigation, "url")?,
                transition: field(&navigation, "transitionType").unwrap_or_default(),
                qualifiers: field(&navigation, "transitionQualifiers").unwrap_or_default(),
            })
        }
        "debugger.onEvent" => {
            let method = arguments.get(1).as_string().filter(|it| pages::hears(it))?;
            let source = to_json(&arguments.get(0));
            // Half an event would say something that nobody has said.
            let params = answer(&arguments.get(2))
                .inspect_err(|_| log::note(&format!("{method} is nested too deep")))
                .ok()?;
            Some(BrowserEvent::Debugger {
                tab: field(&source, "tabId")?,
                session: field(&source, "sessionId")?,
                method,
                params,
            })
        }
        "debugger.onDetach" => {
            let source = to_json(&arguments.get(0));
            Some(BrowserEvent::Detached {
                tab: field(&source, "tabId")?,
                reason: detach_reason(&arguments.get(1)),
            })
        }
        _ => None,
    }
}

/// A `chrome.tabs.Tab`, unless it is none (a DevTools window).
pub(super) fn tab_facts(tab: &JsValue) -> Option<TabFacts> {
    // It may be a whole picture, and comes with all news of the tab.
    leave_out(tab, &["favIconUrl"]);
    facts::<TabFacts>(tab).filter(|tab| tab.tab().is_some())
}

/// Id and title of a `chrome.tabGroups.TabGroup`.
pub(super) fn group_title(group: &JsValue) -> Option<(i64, String)> {
    let group = to_json(group);
    Some((
        field(&group, "id")?,
        field(&group, "title").unwrap_or_default(),
    ))
}

fn tab_id(value: &JsValue) -> Option<TabId> {
    facts(value)
}

fn detach_reason(word: &JsValue) -> DetachReason {
    match word.as_string().as_deref() {
        Some("target_closed") => DetachReason::TargetClosed,
        Some("canceled_by_user") => DetachReason::CanceledByUser,
        Some(_) | None => DetachReason::Other,
    }
}
