//! `browser_press_key`: one key, perhaps with others held, for whatever has the focus in the page.

use super::{cast_off, cast_on, keyboard, painted, ready, settle};
use crate::pages::poller::Page;
use protocol::Fault;
use protocol::command::{Chord, Modifier, PageResult};
use serde_json::json;

/// # Errors
/// Those of every call.
pub(super) async fn run(page: &Page, chord: Chord) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    page.waiting_for("the page to take the key");
    let mac = is_mac(page, &chord).await?;
    cast_on(page).await;
    keyboard::press(page, &chord, mac).await?;
    painted(page).await;
    cast_off(page);
    settle(page, &mut result).await;
    Ok(result)
}

/// Asked only where the answer makes a difference.
async fn is_mac(page: &Page, chord: &Chord) -> Result<bool, Fault> {
    let differs = |held: &Modifier| matches!(held, Modifier::ControlOrMeta | Modifier::Meta);
    if !chord.modifiers.iter().any(differs) {
        return Ok(false);
    }
    let params = json!({"expression": "/Mac/.test(navigator.platform)", "returnByValue": true});
    let answer = page.command("Runtime.evaluate", params).await?;
    Ok(answer["result"]["value"] == true)
}
