//! Keeps the person's window in front. Chrome brings a window to the front when the mouse is
//! pressed in the tab that it shows, be it by the debugger; no command presses without.

use crate::effect::ChromeCall;
use crate::pages::poller::Page;
use serde_json::Value;

/// The window to give the front back to after a press, if a press takes it from one. A hidden tab
/// raises nothing. Another program's window cannot be named, and so gets nothing back.
pub(super) async fn at_risk(page: &Page) -> Option<i64> {
    let tab = page.chrome(ChromeCall::GetTab { tab: page.tab() }).await;
    let tab = tab.ok().filter(|tab| tab["active"] == true)?;
    let front = page.chrome(ChromeCall::LastFocusedWindow).await.ok()?;
    let theirs = front["focused"] == true && front["id"] != tab["windowId"];
    front["id"].as_i64().filter(|_| theirs)
}

/// After the press. A window that was closed meanwhile needs nothing.
pub(super) async fn give_back(page: &Page, window: Option<i64>) {
    if let Some(window) = window {
        let focus: Result<Value, _> = page.chrome(ChromeCall::FocusWindow { window }).await;
        drop(focus);
    }
}
