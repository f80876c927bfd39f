//! Keeps the person's window in front. Chrome brings a window to the front when the mouse is
//! pressed in the tab that it shows, be it by the debugger; no command presses without.

use crate::effect::ChromeCall;
use crate::pages::poller::{Front, Page};

/// Before a press: notes the window to give the front back to, if a press takes it from one. A
/// hidden tab raises nothing. Another program's window cannot be named, and so gets nothing back.
pub(super) async fn lend(page: &Page) {
    let tab = page.chrome(ChromeCall::GetTab { tab: page.tab() }).await;
    let Some(tab) = tab.ok().filter(|tab| tab["active"] == true) else {
        return;
    };
    let Ok(front) = page.chrome(ChromeCall::FocusedWindow).await else {
        return;
    };
    if let (Some(own), Some(persons)) = (tab["windowId"].as_i64(), front["id"].as_i64())
        && front["focused"] == true
        && own != persons
    {
        page.hold(|held| held.front = Some(Front { own, persons }));
    }
}

/// After the press. Where the procedure ends before, its tab does so.
pub(super) fn give_back(page: &Page) {
    page.hold(|held| held.front = None);
}
