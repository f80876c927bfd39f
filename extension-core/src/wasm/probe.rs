//! What listens on a port of this machine, found without a line in the console and without the
//! throttling that failing WebSockets suffer.

use super::fetch;
use crate::input::ProbeAnswer;
use js_sys::Uint8Array;
use protocol::json;
use protocol::ports::PROBE_PATH;
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStreamDefaultReader, Response};

/// A server on this machine answers within milliseconds; a busy one gets half a second.
const PROBE_MAX_MS: u32 = 500;
/// The longest answer that is read: ours has 31 bytes, and a foreign one may be endless.
const ANSWER_MAX: usize = 256;

/// Asks once; always has an answer within the half second.
pub(super) async fn probe(port: u16) -> ProbeAnswer {
    let signal = AbortSignal::timeout_with_u32(PROBE_MAX_MS);
    let url = format!("http://127.0.0.1:{port}{PROBE_PATH}");
    let found = match fetch::get(&url, Some(&signal)).await {
        Ok(response) if response.ok() => read(&response).await,
        Ok(response) => {
            abandon(&response);
            Ok(ProbeAnswer::Foreign)
        }
        Err(error) => Err(error),
    };
    match found {
        Ok(answer) => answer,
        Err(_) if signal.aborted() => ProbeAnswer::Silent,
        Err(_) => ProbeAnswer::Refused,
    }
}

async fn read(response: &Response) -> Result<ProbeAnswer, JsValue> {
    let Some(body) = response.body() else {
        return Ok(ProbeAnswer::Foreign);
    };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut text = Vec::new();
    while text.len() <= ANSWER_MAX {
        let step = JsFuture::from(reader.read()).await?;
        let chunk = js_sys::Reflect::get(&step, &"value".into())?;
        let Ok(chunk) = chunk.dyn_into::<Uint8Array>() else {
            return Ok(understand(&text));
        };
        let room = ANSWER_MAX + 1 - text.len();
        let taken = u32::try_from(room).map_or(chunk.length(), |room| room.min(chunk.length()));
        text.extend(chunk.subarray(0, taken).to_vec());
    }
    fetch::disregard(reader.cancel());
    Ok(ProbeAnswer::Foreign)
}

fn abandon(response: &Response) {
    if let Some(body) = response.body() {
        fetch::disregard(body.cancel());
    }
}

/// `{"interlock":1}`, with a flag for a daemon.
pub(super) fn understand(text: &[u8]) -> ProbeAnswer {
    let text = str::from_utf8(text).unwrap_or_default();
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    match json::field_or_default(&answer, "daemon") {
        Ok(daemon) if answer["interlock"] == 1 => ProbeAnswer::Interlock { daemon },
        Ok(_) | Err(_) => ProbeAnswer::Foreign,
    }
}
