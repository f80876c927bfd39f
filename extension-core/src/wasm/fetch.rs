//! Requests to the own folder and to ports of this machine: without credentials, cache or
//! redirects, and silent in the console whatever happens.

use super::chrome;
use js_sys::Promise;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AbortSignal, RequestCache, RequestCredentials, RequestInit, RequestRedirect, Response,
};

/// The text of a file of the own folder; none when it is missing.
pub(super) async fn own_file(name: &str) -> Option<String> {
    let response = get(&chrome::own_url(name), None).await.ok()?;
    let text = JsFuture::from(response.text().ok()?).await.ok()?;
    response.ok().then(|| text.as_string())?
}

/// One GET.
pub(super) async fn get(url: &str, signal: Option<&AbortSignal>) -> Result<Response, JsValue> {
    let init = RequestInit::new();
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Omit);
    // Not followed. `error` would not either, yet could not be told from a closed port.
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(signal);
    let response = JsFuture::from(chrome::fetch(url, &init)?).await?;
    response.dyn_into()
}

/// Waits for a promise whose failure concerns nobody; unheard, it would reach the console.
pub(super) fn disregard(promise: Promise) {
    spawn_local(async move {
        let _ = JsFuture::from(promise).await;
    });
}
