//! Every effect as a call. Calls are begun here, in the order of the effects; what they bring
//! comes back as an input of its own, later.

use super::{boot, chrome, convert, drive, log, people, probe, socket, storage};
use crate::effect::{Badge, ChromeCall, Effect};
use crate::input::{ChromeError, Input};
use crate::pages;
use js_sys::Promise;
use protocol::TabId;
use serde_json::{Value, json};
use std::time::Duration;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// The alarm that brings a dead worker back; `sw.js` knows it by this name too.
const ALARM: &str = "interlock";
/// The version of the debugger's protocol that Chrome asks for.
const DEBUGGER_VERSION: &str = "1.3";

/// What a call of Chrome gives at once.
type Begun = Result<Promise, JsValue>;

pub(super) fn perform(effect: Effect) {
    match effect {
        Effect::Probe { port } => spawn_local(async move {
            let answer = probe::probe(port).await;
            drive(Input::Probed { port, answer });
        }),
        Effect::Dial {
            socket,
            port,
            dialect,
        } => socket::dial(socket, port, dialect),
        Effect::Send { socket, text } => socket::send(socket, &text),
        Effect::Close { socket, code } => socket::close(socket, code),
        Effect::Ask { request, call } => {
            let answer = ask(call);
            spawn_local(async move {
                let outcome = answer.await;
                drive(Input::Done { request, outcome });
            });
        }
        Effect::Write { write, set, remove } => {
            let writing = storage::write(&set, &remove);
            spawn_local(async move {
                if let Some(ok) = writing.await {
                    drive(Input::Written { write, ok });
                }
            });
        }
        Effect::ReadSecret => spawn_local(async {
            let secret = boot::secret().await;
            drive(Input::SecretRead { secret });
        }),
        Effect::EnsureAlarm { period } => spawn_local(ensure_alarm(period)),
        Effect::KeepAwake => forget(chrome::platform_info()),
        Effect::Badge(badge) => show_badge(&badge),
        Effect::Show(view) => people::show(&view),
        Effect::Reply { ask, outcome } => people::reply(ask, outcome),
        Effect::Log { text } => log::note(&text),
    }
}

/// Begins a call; its promise's value as JSON, or its error.
fn ask(call: ChromeCall) -> impl Future<Output = Result<Value, ChromeError>> {
    let mut unread: &[&[&str]] = &[];
    let begun = match call {
        ChromeCall::GroupTab {
            tab,
            group,
            title,
            color,
        } => Asked::Group(tab, group, title, color),
        ChromeCall::CreateTab {
            url,
            window,
            active,
        } => Asked::Plain(match window {
            Some(window) => chrome::create_tab(&js(
                &json!({"url": url, "active": active, "windowId": window}),
            )),
            None => chrome::create_tab(&js(&json!({"url": url, "active": active}))),
        }),
        ChromeCall::CreateWindow { url } => Asked::Plain(chrome::create_window(&js(
            &json!({"url": url, "focused": false}),
        ))),
        ChromeCall::LastFocusedWindow => Asked::Plain(chrome::last_focused_window(&js(
            &json!({"windowTypes": ["normal"]}),
        ))),
        ChromeCall::FocusedWindow => Asked::Plain(chrome::last_focused_window(&js(
            &json!({"windowTypes": ["normal", "popup", "app", "devtools"]}),
        ))),
        ChromeCall::FocusWindow { window } => Asked::Plain(chrome::update_window(
            number(window),
            &js(&json!({"focused": true})),
        )),
        ChromeCall::RemoveTab { tab } => Asked::Remove(tab),
        ChromeCall::GetTab { tab } => Asked::Plain(chrome::tab(tab.0)),
        ChromeCall::WindowTabs { window } => {
            Asked::Plain(chrome::query_tabs(&js(&json!({"windowId": window}))))
        }
        ChromeCall::ActivateTab { tab } => {
            Asked::Plain(chrome::update_tab(tab.0, &js(&json!({"active": true}))))
        }
        ChromeCall::GoTo { tab, url } => {
            Asked::Plain(chrome::update_tab(tab.0, &js(&json!({"url": url}))))
        }
        ChromeCall::AutoDiscardable { tab, allowed } => Asked::Plain(chrome::update_tab(
            tab.0,
            &js(&json!({"autoDiscardable": allowed})),
        )),
        ChromeCall::UngroupTab { tab } => Asked::Plain(chrome::ungroup_tab(tab.0)),
        ChromeCall::TitleGroup { group, title } => Asked::Plain(chrome::update_group(
            number(group),
            &js(&json!({"title": title})),
        )),
        ChromeCall::Attach { tab } => {
            Asked::Plain(chrome::attach(&target(tab, None), DEBUGGER_VERSION))
        }
        ChromeCall::Detach { tab } => Asked::Plain(chrome::detach(&target(tab, None))),
        ChromeCall::Command {
            tab,
            session,
            method,
            params,
        } => {
            unread = pages::unread(method);
            Asked::Plain(chrome::command(
                &target(tab, session.as_deref()),
                method,
                &js(&params),
            ))
        }
    };
    async move {
        let outcome = match begun {
            Asked::Plain(begun) => settled(begun).await,
            Asked::Remove(tab) => remove_tab(tab).await,
            Asked::Group(tab, group, title, color) => group_tab(tab, group, &title, color).await,
        };
        match outcome {
            Ok(value) => {
                for path in unread {
                    convert::leave_out(&value, path);
                }
                convert::answer(&value)
            }
            Err(error) => Err(convert::chrome_error(&error)),
        }
    }
}

/// Most answers are one call; an end and a group take several.
enum Asked {
    Plain(Begun),
    Remove(TabId),
    Group(TabId, Option<i64>, String, &'static str),
}

/// Chrome may give a discarded tab another id, and then tells so, for another try.
async fn remove_tab(tab: TabId) -> Result<JsValue, JsValue> {
    let discarded = settled(chrome::discard_tab(tab.0)).await.ok();
    let id = discarded.and_then(|tab| convert::to_json(&tab)["id"].as_u64());
    let id = id.and_then(|id| u32::try_from(id).ok()).unwrap_or(tab.0);
    settled(chrome::remove_tab(id)).await
}

/// Groups where the tab is: without a window Chrome would move it into the current one.
async fn group_tab(
    tab: TabId,
    group: Option<i64>,
    title: &str,
    color: &str,
) -> Result<JsValue, JsValue> {
    if let Some(group) = group {
        let into = json!({"tabIds": [tab], "groupId": group});
        return settled(chrome::group_tabs(&js(&into))).await;
    }
    let facts = convert::to_json(&settled(chrome::tab(tab.0)).await?);
    let window = facts.get("windowId").cloned().unwrap_or_default();
    let made = json!({"tabIds": [tab], "createProperties": {"windowId": window}});
    let group = settled(chrome::group_tabs(&js(&made))).await?;
    let look = json!({"title": title, "color": color});
    let id = group.as_f64().unwrap_or_default();
    // A group without its title is still the tab's group.
    if let Err(error) = settled(chrome::update_group(id, &js(&look))).await {
        log::note(&format!(
            "untitled group: {}",
            convert::chrome_error(&error)
        ));
    }
    Ok(group)
}

async fn settled(begun: Begun) -> Result<JsValue, JsValue> {
    JsFuture::from(begun?).await
}

/// Creating an alarm resets it, so that a worker that boots often would never hear it.
async fn ensure_alarm(period: Duration) {
    let minutes = period.as_secs_f64() / 60.0;
    let present = match settled(chrome::alarm(ALARM)).await {
        Ok(alarm) => convert::to_json(&alarm)["periodInMinutes"].as_f64() == Some(minutes),
        Err(_) => false,
    };
    if !present {
        forget(chrome::create_alarm(
            ALARM,
            &js(&json!({"periodInMinutes": minutes})),
        ));
    }
}

fn show_badge(badge: &Badge) {
    forget(chrome::badge_text(&js(&json!({"text": badge.text}))));
    forget(chrome::badge_color(&js(&json!({"color": badge.color}))));
    forget(chrome::button_title(&js(&json!({"title": badge.title}))));
}

/// For calls whose answer changes nothing; a failure is a line in the log.
fn forget(begun: Begun) {
    spawn_local(async move {
        if let Err(error) = settled(begun).await {
            log::note(&convert::chrome_error(&error).message);
        }
    });
}

fn js(value: &Value) -> JsValue {
    convert::to_js(value)
}

fn target(tab: TabId, session: Option<&str>) -> JsValue {
    match session {
        Some(session) => js(&json!({"tabId": tab, "sessionId": session})),
        None => js(&json!({"tabId": tab})),
    }
}

/// Ids of windows and groups: 32 bits in Chrome, so a float holds them.
fn number(id: i64) -> f64 {
    id as f64
}
