//! The arguments of Chrome's events, as the core knows them.

use super::convert::{answer, facts};
use super::log;
use crate::input::{BrowserEvent, DetachReason, TabFacts};
use crate::pages;
use js_sys::Array;
use protocol::TabId;
use serde::Deserialize;
use wasm_bindgen::JsValue;

/// `frameId` of a tab's main frame.
const MAIN_FRAME: i64 = 0;
/// `chrome.windows.WINDOW_ID_NONE`.
const NO_WINDOW: i64 = -1;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activated {
    tab_id: TabId,
    window_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Navigation {
    tab_id: TabId,
    url: String,
    #[serde(default)]
    source_tab_id: Option<TabId>,
    #[serde(default)]
    frame_id: i64,
    #[serde(default)]
    transition_type: String,
    #[serde(default)]
    transition_qualifiers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Debuggee {
    tab_id: TabId,
    #[serde(default)]
    session_id: Option<String>,
}

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
            let activated: Activated = facts(&arguments.get(0))?;
            Some(BrowserEvent::TabActivated {
                tab: activated.tab_id,
                window: activated.window_id,
            })
        }
        "windows.onFocusChanged" => {
            let window = facts(&arguments.get(0)).filter(|id| *id != NO_WINDOW)?;
            Some(BrowserEvent::WindowFocused { window })
        }
        "webNavigation.onCreatedNavigationTarget" => {
            let navigation: Navigation = facts(&arguments.get(0))?;
            Some(BrowserEvent::NavigationTarget {
                source: navigation.source_tab_id?,
                tab: navigation.tab_id,
                url: navigation.url,
            })
        }
        "webNavigation.onCommitted" => {
            let navigation: Navigation = facts(&arguments.get(0))?;
            (navigation.frame_id == MAIN_FRAME).then_some(BrowserEvent::Committed {
                tab: navigation.tab_id,
                url: navigation.url,
                transition: navigation.transition_type,
                qualifiers: navigation.transition_qualifiers,
            })
        }
        "debugger.onEvent" => {
            let method = arguments.get(1).as_string().filter(|it| pages::hears(it))?;
            let source: Debuggee = facts(&arguments.get(0))?;
            // Half an event would say something that nobody has said.
            let params = answer(&arguments.get(2))
                .inspect_err(|_| log::note(&format!("{method} is nested too deep")))
                .ok()?;
            Some(BrowserEvent::Debugger {
                tab: source.tab_id,
                session: source.session_id,
                method,
                params,
            })
        }
        "debugger.onDetach" => {
            let source: Debuggee = facts(&arguments.get(0))?;
            Some(BrowserEvent::Detached {
                tab: source.tab_id,
                reason: detach_reason(&arguments.get(1)),
            })
        }
        _ => None,
    }
}

/// A `chrome.tabs.Tab`, unless it is none (a DevTools window).
pub(super) fn tab_facts(tab: &JsValue) -> Option<TabFacts> {
    facts::<TabFacts>(tab).filter(|tab| tab.tab().is_some())
}

/// Id and title of a `chrome.tabGroups.TabGroup`.
pub(super) fn group_title(group: &JsValue) -> Option<(i64, String)> {
    let group: Group = facts(group)?;
    Some((group.id, group.title))
}

#[derive(Deserialize)]
struct Group {
    id: i64,
    #[serde(default)]
    title: String,
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
