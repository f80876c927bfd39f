//! The person at Playwright's connect page, who lets an agent in.

use anyhow::{Context, Result};
use e2e::World;
use serde_json::json;
use std::time::Duration;

/// Between two looks at the browser's tabs: a person who waits for nothing else.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Lets `agent` in when it asks: picks the tab that shows `url`, or, where there is none yet, the
/// connect page itself. Returns when a button was pressed.
pub(crate) async fn let_in(world: &World, agent: &str, url: &str) -> Result<()> {
    loop {
        if let Some(page) = asking(world, agent).await? {
            let target = world.browser().cdp().attach(&page).await?;
            let pressed = target.evaluate(&press(url)).await;
            // The page goes when another tab is picked.
            let _ = target.detach().await;
            if pressed.is_ok_and(|pressed| pressed == true) {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The connect page that names this client.
async fn asking(world: &World, agent: &str) -> Result<Option<String>> {
    let targets = world.browser().cdp().targets().await?;
    let connect = format!(
        "chrome-extension://{}/connect.html?",
        world.browser().extension_id()
    );
    let asks = targets.iter().find(|one| {
        let url = one["url"].as_str().unwrap_or_default();
        one["type"] == "page" && url.starts_with(&connect) && url.contains(agent)
    });
    asks.map(|page| Ok(page["targetId"].as_str().context("no targetId")?.to_owned()))
        .transpose()
}

/// Presses the button that stands with this address, once it is there.
fn press(url: &str) -> String {
    let url = json!(if url.is_empty() { "/connect.html" } else { url });
    format!(
        "(() => {{ const all = [...document.querySelectorAll('button')];\
         const tells = (element) => element.innerText.includes({url});\
         const one = all.find(tells) ?? all.find((button) => tells(button.parentElement));\
         one?.click(); return Boolean(one) }})()"
    )
}
