//! What a new core is told, gathered before its first input: the store, the tabs, the two files of the own
//! folder, and chance.

use super::{chrome, convert, events, fetch, log, storage};
use crate::extension::emptied;
use crate::input::{Boot, Config};
use js_sys::Array;
use protocol::pairing::{PairingFile, Secret};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The version of `pairing.json` that we read.
const PAIRING_VERSION: u32 = 1;

/// Rejects when Chrome does not tell its tabs: without them nothing can be restored.
pub(super) async fn gather(start_empty: bool) -> Result<Boot, JsValue> {
    let mut seed = [0; 32];
    chrome::random_values(&mut seed);
    // Asked first and read last, so that Chrome finds them meanwhile.
    let tabs = JsFuture::from(chrome::query_tabs(&js_sys::Object::new())?);
    let mut stored = storage::read_all().await;
    if start_empty {
        stored = emptied(&stored);
        storage::replace_all(&stored).await?;
    }
    let secret = secret().await;
    let config = config().await;
    let tabs: Array = tabs.await?.unchecked_into();
    Ok(Boot {
        seed,
        extension_id: chrome::EXTENSION_ID.with(|id| id.into()),
        secret,
        config,
        stored,
        tabs: tabs.iter().filter_map(events::tab_facts).collect(),
        unpacked: is_unpacked(),
    })
}

/// None while `pairing.json` is missing or unreadable.
pub(super) async fn secret() -> Option<Secret> {
    let text = fetch::own_file("pairing.json").await?;
    let file: PairingFile = serde_json::from_str(&text).ok()?;
    (file.version == PAIRING_VERSION).then(|| Secret::from_hex(&file.secret))?
}

async fn config() -> Config {
    match fetch::own_file("config.json").await {
        Some(text) => Config::read(&text).unwrap_or_else(|why| {
            log::note(&why);
            Config::default()
        }),
        None => Config::default(),
    }
}

/// What a store has put up or packed has an address for updates.
fn is_unpacked() -> bool {
    convert::to_json(&chrome::manifest())
        .get("update_url")
        .is_none()
}
