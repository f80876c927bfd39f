//! `chrome.storage.local`: one `set` and one `remove` a step.

use super::{chrome, convert, log};
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

/// Forgets everything but `kept`.
pub(super) async fn replace_all(kept: &BTreeMap<String, Value>) -> Result<(), JsValue> {
    JsFuture::from(chrome::clear_store()?).await?;
    JsFuture::from(chrome::store(&convert::to_js(kept))?).await?;
    Ok(())
}

/// Whether both calls were taken; none from a worker that Chrome is stopping, which hears nothing any
/// more. They are made before this returns its future, in the order of the effects.
pub(super) fn write(
    set: &BTreeMap<String, Value>,
    remove: &[String],
) -> impl Future<Output = Option<bool>> + use<> {
    let set = (!set.is_empty()).then(|| chrome::store(&convert::to_js(set)));
    let remove = (!remove.is_empty())
        .then(|| chrome::unstore(&remove.iter().map(|key| JsValue::from_str(key)).collect()));
    async move {
        let mut ok = true;
        for call in [set, remove].into_iter().flatten() {
            let outcome = match call {
                Ok(promise) => JsFuture::from(promise).await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                let why = convert::chrome_error(&error);
                if why.is_of_a_dying_worker() {
                    return None;
                }
                log::note(&format!("the store refused a write: {why}"));
                ok = false;
            }
        }
        Some(ok)
    }
}
