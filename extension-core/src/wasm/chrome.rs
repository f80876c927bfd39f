//! Bindings to the functions of `chrome.*` that the driver calls, to a few globals of the worker,
//! and to the object that `sw.js` hands to `start`. Nothing but declarations.

#![allow(unsafe_code, reason = "what wasm-bindgen makes of a declaration")]

use js_sys::{Array, Function, Promise, Set};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// What `sw.js` gives to `start`, with what must outlive a generation of the core.
    #[derive(Clone)]
    pub type Shell;
    /// Why the generation before ended.
    #[wasm_bindgen(method, getter)]
    pub(super) fn before(this: &Shell) -> Option<String>;
    /// Whether what is stored has to be thrown away: it made several generations fall.
    #[wasm_bindgen(method, getter, js_name = startEmpty)]
    pub(super) fn start_empty(this: &Shell) -> bool;
    /// Every open WebSocket, for the shell to close when this generation falls.
    #[wasm_bindgen(method, getter)]
    pub(super) fn sockets(this: &Shell) -> Set;
    /// Whether this generation has fallen, perhaps while it was starting.
    #[wasm_bindgen(method, getter)]
    pub(super) fn fallen(this: &Shell) -> bool;
    /// This generation is broken and must not be entered again.
    #[wasm_bindgen(method)]
    pub(super) fn failed(this: &Shell, why: &str);

    /// A `chrome.runtime.Port`.
    #[derive(Clone, PartialEq)]
    pub(super) type Port;
    #[wasm_bindgen(method, js_name = postMessage, catch)]
    pub(super) fn post_message(this: &Port, message: &JsValue) -> Result<(), JsValue>;

    /// `chrome.runtime`
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = id, thread_local_v2)]
    pub(super) static EXTENSION_ID: js_sys::JsString;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getManifest)]
    pub(super) fn manifest() -> JsValue;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getURL)]
    pub(super) fn own_url(path: &str) -> String;
    #[wasm_bindgen(js_namespace = ["chrome", "runtime"], js_name = getPlatformInfo, catch)]
    pub(super) fn platform_info() -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = get, catch)]
    pub(super) fn stored(keys: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = set, catch)]
    pub(super) fn store(items: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = remove, catch)]
    pub(super) fn unstore(keys: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "storage", "local"], js_name = clear, catch)]
    pub(super) fn clear_store() -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "alarms"], js_name = get, catch)]
    pub(super) fn alarm(name: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "alarms"], js_name = create, catch)]
    pub(super) fn create_alarm(name: &str, info: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "action"], js_name = setBadgeText, catch)]
    pub(super) fn badge_text(details: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "action"], js_name = setBadgeBackgroundColor, catch)]
    pub(super) fn badge_color(details: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "action"], js_name = setTitle, catch)]
    pub(super) fn button_title(details: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = query, catch)]
    pub(super) fn query_tabs(query: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = create, catch)]
    pub(super) fn create_tab(properties: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = get, catch)]
    pub(super) fn tab(tab: u32) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = update, catch)]
    pub(super) fn update_tab(tab: u32, properties: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = discard, catch)]
    pub(super) fn discard_tab(tab: u32) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = remove, catch)]
    pub(super) fn remove_tab(tab: u32) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = group, catch)]
    pub(super) fn group_tabs(options: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabs"], js_name = ungroup, catch)]
    pub(super) fn ungroup_tab(tab: u32) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabGroups"], js_name = query, catch)]
    pub(super) fn query_groups(query: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "tabGroups"], js_name = update, catch)]
    pub(super) fn update_group(group: f64, properties: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "windows"], js_name = create, catch)]
    pub(super) fn create_window(data: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "windows"], js_name = getLastFocused, catch)]
    pub(super) fn last_focused_window(query: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "windows"], js_name = update, catch)]
    pub(super) fn update_window(window: f64, info: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["chrome", "debugger"], js_name = attach, catch)]
    pub(super) fn attach(target: &JsValue, version: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "debugger"], js_name = getTargets, catch)]
    pub(super) fn debugger_targets() -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "debugger"], js_name = detach, catch)]
    pub(super) fn detach(target: &JsValue) -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["chrome", "debugger"], js_name = sendCommand, catch)]
    pub(super) fn command(
        target: &JsValue,
        method: &str,
        params: &JsValue,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    pub(super) fn random_values(bytes: &mut [u8]);
    #[wasm_bindgen(js_name = fetch, catch)]
    pub(super) fn fetch(url: &str, init: &web_sys::RequestInit) -> Result<Promise, JsValue>;

    /// A promise's `resolve` or `reject`.
    #[derive(Clone)]
    pub(super) type Settle;
}

/// What settles a promise is a plain function.
impl Settle {
    pub(super) fn call(&self, value: &JsValue) {
        // It belongs to the engine and cannot throw.
        let _ = self
            .unchecked_ref::<Function>()
            .call1(&JsValue::UNDEFINED, value);
    }
}
