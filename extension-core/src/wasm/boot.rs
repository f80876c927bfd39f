//! What a new core is told, gathered before its first input: the store, the tabs, the two files of the own
//! folder, and chance.

use super::{chrome, convert, events, fetch, storage};
use crate::extension::emptied;
use crate::files::{Config, read_secret};
use crate::input::Boot;
use js_sys::{Array, Promise};
use protocol::pairing::Secret;
use protocol::{SortedSet, TabId};
use std::collections::BTreeMap;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Rejects when Chrome does not tell its tabs or its store: without them nothing can be restored.
/// After three falls an unreadable store is an empty one.
pub(super) async fn gather(start_empty: bool) -> Result<Boot, JsValue> {
    let mut seed = [0; 32];
    chrome::random_values(&mut seed);
    // Asked first and read last, so that Chrome finds them meanwhile.
    let tabs = JsFuture::from(chrome::query_tabs(&js_sys::Object::new())?);
    let groups = JsFuture::from(chrome::query_groups(&js_sys::Object::new())?);
    let targets = chrome::debugger_targets();
    let stored = match storage::read_all().await {
        Ok(stored) if start_empty => {
            let kept = emptied(&stored);
            storage::replace_all(&stored, &kept).await?;
            kept
        }
        Ok(stored) => stored,
        Err(_) if start_empty => {
            storage::clear().await?;
            BTreeMap::new()
        }
        Err(why) => return Err(why),
    };
    let secret = secret().await;
    let config = Config::read(fetch::own_file("config.json").await.as_deref());
    let tabs: Array = tabs.await?.unchecked_into();
    let groups: Array = groups.await?.unchecked_into();
    Ok(Boot {
        seed,
        extension_id: chrome::EXTENSION_ID.with(|id| id.into()),
        secret,
        config,
        stored,
        tabs: tabs
            .iter()
            .filter_map(|tab| events::tab_facts(&tab))
            .collect(),
        groups: groups
            .iter()
            .filter_map(|group| events::group_title(&group))
            .collect(),
        attached: attached(targets).await,
        unpacked: is_unpacked(),
    })
}

/// What `pairing.json` says now.
pub(super) async fn secret() -> Result<Secret, String> {
    read_secret(fetch::own_file("pairing.json").await.as_deref())
}

/// A browser that does not tell has none to tell of.
async fn attached(targets: Result<Promise, JsValue>) -> SortedSet<TabId> {
    let told = match targets {
        Ok(targets) => JsFuture::from(targets).await.ok(),
        Err(_) => None,
    };
    let told = told.map(|targets| convert::to_json(&targets));
    let targets = told
        .iter()
        .filter_map(serde_json::Value::as_array)
        .flatten();
    let attached = targets.filter(|target| target["attached"] == true);
    let tab = |target: &serde_json::Value| u32::try_from(target["tabId"].as_u64()?).ok();
    attached.filter_map(tab).map(TabId).collect()
}

/// What a store has put up or packed has an address for updates.
fn is_unpacked() -> bool {
    convert::to_json(&chrome::manifest())
        .get("update_url")
        .is_none()
}
