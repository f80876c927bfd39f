//! `chrome.storage.local`: one `set` and then one `remove` a step.

use super::{chrome, convert, log};
use crate::store::replacing;
use js_sys::{Array, Promise};
use serde_json::Value;
use std::collections::BTreeMap;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// All that is stored. Rejects when it cannot be read: an empty store would be another browser to
/// every session, and what is begun in it would be written over theirs.
pub(super) async fn read_all() -> Result<BTreeMap<String, Value>, JsValue> {
    let stored = JsFuture::from(chrome::stored(&JsValue::NULL)?).await?;
    Ok(entities(&stored))
}

/// An entity that cannot be read is `null`: the core knows by that what to delete and tells of it,
/// and the others are as good as ever.
pub(super) fn entities(stored: &JsValue) -> BTreeMap<String, Value> {
    let entity = |(key, value): (String, Option<Value>)| (key, value.unwrap_or_default());
    convert::fields(stored).map(entity).collect()
}

/// Forgets everything but `kept` of what is `stored`. Rejects when Chrome refuses: then it is all there.
pub(super) async fn replace_all(
    stored: &BTreeMap<String, Value>,
    kept: &BTreeMap<String, Value>,
) -> Result<(), JsValue> {
    let (set, remove) = replacing(stored, kept);
    match write(&set, &remove).await {
        Some(true) => Ok(()),
        Some(false) | None => Err(JsValue::from_str("the store takes nothing")),
    }
}

/// Forgets everything.
pub(super) async fn clear() -> Result<(), JsValue> {
    JsFuture::from(chrome::clear_store()?).await?;
    Ok(())
}

/// Whether the write was taken; none from a worker that Chrome is stopping, which hears nothing any
/// more. The first call is made before this returns its future, in the order of the effects. What is to
/// be removed was set first, to what says that it is no more: without that, it may be the only record
/// of a tab that the other call was to write under its new id.
pub(super) fn write(
    set: &BTreeMap<String, Value>,
    remove: &[String],
) -> impl Future<Output = Option<bool>> + use<> {
    let sets = !set.is_empty();
    let keys: Array = remove.iter().map(|key| JsValue::from_str(key)).collect();
    let first = if sets {
        chrome::store(&convert::to_js(set))
    } else {
        chrome::unstore(&keys)
    };
    async move {
        let taken = taken(first).await?;
        if taken && sets && keys.length() > 0 {
            // It is gone by what was set; the next life removes it.
            self::taken(chrome::unstore(&keys)).await?;
        }
        Some(taken)
    }
}

async fn taken(call: Result<Promise, JsValue>) -> Option<bool> {
    let outcome = match call {
        Ok(promise) => JsFuture::from(promise).await,
        Err(error) => Err(error),
    };
    let Err(error) = outcome else {
        return Some(true);
    };
    let why = convert::chrome_error(&error);
    if why.is_of_a_dying_worker() {
        return None;
    }
    log::note(&format!("the store refused a write: {why}"));
    Some(false)
}
