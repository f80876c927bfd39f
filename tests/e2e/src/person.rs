//! The person at the screen: their tab is in front, has the keyboard, and notes all that reaches it.

use crate::cdp::Target;
use crate::screen::{Color, Screen};
use crate::world::World;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Somebody who sits before a world's browser and looks at a page of their own.
pub struct Person<'a> {
    screen: &'a Screen,
    target: Target,
}

impl<'a> Person<'a> {
    /// Opens the observer in the browser's first tab, and clicks into it.
    pub(crate) async fn sits_down(world: &'a World) -> Result<Self> {
        let screen = world.screen();
        let target = world.browser().page("about:blank").await?;
        let person = Self { screen, target };
        person.goes_to(&world.site.url("/observer")).await?;
        person.clicks((100, 100)).await?;
        // Off the page: Chrome tells a page of a mouse at rest whenever the page moves under it,
        // as it does when the debugging bar comes.
        screen.hand(&["mousemove", "--sync", "1590", "1090"])?;
        crate::until("the person's page to have the keyboard", async || {
            Ok(person.works().await?.then_some(()))
        })
        .await?;
        person.noticed().await?;
        Ok(person)
    }

    /// Shows another page in the person's tab. (No address bar takes part: to Chrome, nobody typed.)
    pub async fn goes_to(&self, url: &str) -> Result<()> {
        self.target
            .call("Page.navigate", json!({"url": url}))
            .await?;
        crate::until(format!("the person to be at {url}"), async || {
            let there = self
                .reads("location.href + ' ' + document.readyState")
                .await;
            // While the page changes there may be nobody to ask.
            Ok(there
                .ok()
                .filter(|there| *there == format!("{url} complete")))
        })
        .await
        .map(drop)
    }

    /// What the page noticed since the last time it was asked: types of events, with key or state.
    pub async fn noticed(&self) -> Result<Vec<String>> {
        let noticed = self.reads("noticed.splice(0)").await?;
        let noticed = noticed.as_array().context("no list")?;
        Ok(noticed
            .iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect())
    }

    /// Whether the page is in front and has the keyboard.
    pub async fn works(&self) -> Result<bool> {
        let works = "document.visibilityState === 'visible' && document.hasFocus()";
        Ok(self.reads(works).await? == true)
    }

    /// What stands in the person's text field.
    pub async fn text(&self) -> Result<String> {
        let text = self
            .reads("document.querySelector('textarea').value")
            .await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Types at a quick person's speed, into whatever has the keyboard.
    pub async fn types(&self, text: &str) -> Result<()> {
        let name = self.screen.name().to_owned();
        let done = tokio::process::Command::new("xdotool")
            .args(["type", "--delay", "40", text])
            .env("DISPLAY", name)
            .status();
        anyhow::ensure!(done.await?.success(), "xdotool type failed");
        Ok(())
    }

    /// Clicks at a point of the page, in its pixels.
    pub async fn clicks(&self, point: (u32, u32)) -> Result<()> {
        self.screen.click(self.on_screen(point).await?)
    }

    /// Presses *Cancel* on the bar that says that an extension debugs this browser. It is the only
    /// button above a page that is filled with blue.
    pub async fn presses_cancel(&self) -> Result<()> {
        /// The bar's height, in pixels.
        const BAR: u32 = 56;
        let button = crate::until("the bar's Cancel", async || {
            let (left, bottom) = self.on_screen((0, 0)).await?;
            let top = bottom.saturating_sub(BAR);
            let bar = self.screen.picture()?.cut((left, top), (u32::MAX, BAR));
            let blue = |[red, _, blue]: Color| blue > 160 && red < 90;
            Ok(bar.middle_of(blue).map(|(x, y)| (left + x, top + y)))
        })
        .await?;
        self.screen.click(button)
    }

    /// Draws the first tab of their window out of it by the mouse, and does not let go of it before
    /// [`Screen::let_go`].
    pub async fn drags_their_tab_out(&self) -> Result<()> {
        /// From the window's corner, past the button that searches tabs.
        const TAB: (u32, u32) = (110, 20);
        let corner = self.reads("[screenX, screenY]").await?;
        let side = |index: usize| corner[index].as_u64().context("no corner");
        let (x, y) = (side(0)? as u32 + TAB.0, side(1)? as u32 + TAB.1);
        self.screen.drag((x, y), (x + 100, y + 300))
    }

    /// Where a point of the page is on the screen. What Chrome shows above the page counts.
    pub async fn on_screen(&self, (x, y): (u32, u32)) -> Result<(u32, u32)> {
        let place =
            "[screenX + (outerWidth - innerWidth) / 2, screenY + outerHeight - innerHeight]";
        let place = self.reads(place).await?;
        let side = |index: usize| place[index].as_f64().context("no place");
        Ok((side(0)? as u32 + x, side(1)? as u32 + y))
    }

    /// The value of a JavaScript expression in the person's page.
    pub async fn reads(&self, expression: &str) -> Result<Value> {
        self.target.evaluate(expression).await
    }
}
