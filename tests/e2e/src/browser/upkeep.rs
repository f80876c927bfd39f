//! What a person does to the extension in `chrome://extensions`: reload it, turn it off and on.

use super::Browser;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

impl Browser {
    /// Reloads the extension from its folder, as it is now, and waits for its next worker. With
    /// developer mode off Chrome leaves it unloaded.
    pub async fn reload_extension(&self) -> Result<()> {
        let before = self.worker().await?;
        let page = self.extension_page("popup.html").await?;
        // The page goes with its extension, and must have answered before.
        page.evaluate("void setTimeout(() => chrome.runtime.reload())")
            .await?;
        crate::until("the reloaded extension's worker", async || {
            let now = self.worker().await?;
            Ok(now.filter(|now| before.as_ref() != Some(now)))
        })
        .await
        .map(drop)
    }

    /// Turns the extension on or off, and waits until its worker has come or gone.
    pub async fn turn_extension(&self, on: bool) -> Result<()> {
        const EXTENSIONS: &str = "chrome://extensions/";
        let params = json!({"url": EXTENSIONS, "background": true});
        let made = self.cdp.call(None, "Target.createTarget", params).await?;
        let id = made["targetId"].as_str().context("no targetId")?;
        let page = self.cdp.attach(id).await?;
        let ready = "location.href + typeof chrome.management?.setEnabled";
        crate::until(EXTENSIONS, async || {
            let ready = page.evaluate(ready).await?;
            Ok((ready == format!("{EXTENSIONS}function")).then_some(()))
        })
        .await?;
        let turn = format!(
            "chrome.management.setEnabled('{}', {on}).then(() => 'done')",
            self.extension_id
        );
        let done: Value = page.evaluate(&turn).await?;
        ensure!(done == "done", "the extension was not turned: {done}");
        self.cdp.close_target(id).await?;
        let what = format!("{} to be there: {on}", self.worker_script);
        crate::until(what, async || {
            Ok((self.worker().await?.is_some() == on).then_some(()))
        })
        .await
    }
}
