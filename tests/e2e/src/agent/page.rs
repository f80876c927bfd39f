//! Short forms of what nearly every test does on a page: open, click by name, read back.

use super::{Agent, Answer};
use crate::screen::Picture;
use anyhow::{Context, Result};
use base64::Engine as _;
use serde_json::json;

impl Agent {
    /// Navigates its current tab (the first time: one made for it) and tells which tab that is.
    pub async fn open(&self, url: &str) -> Result<i64> {
        named_tab(&self.ok("browser_navigate", json!({"url": url})).await?)
    }

    /// Opens another tab, which becomes its current one.
    pub async fn open_tab(&self, url: &str) -> Result<i64> {
        named_tab(
            &self
                .ok("browser_tabs", json!({"action": "new", "url": url}))
                .await?,
        )
    }

    /// The answer to `browser_tabs list`.
    pub async fn tabs(&self) -> Result<Answer> {
        self.ok("browser_tabs", json!({"action": "list"})).await
    }

    /// The arguments of a click on the element whose line in a snapshot contains all `words`.
    pub async fn aim(&self, tab: i64, words: &[&str]) -> Result<serde_json::Value> {
        let seen = self.ok("browser_snapshot", json!({"tabId": tab})).await?;
        let target = seen.reference(words);
        let target = target.with_context(|| format!("no {words:?} in the snapshot:\n{seen}"))?;
        Ok(json!({"tabId": tab, "target": target, "element": words.join(" ")}))
    }

    /// Clicks it, and gives the answer whatever it is.
    pub async fn click(&self, tab: i64, words: &[&str]) -> Result<Answer> {
        let arguments = self.aim(tab, words).await?;
        self.call("browser_click", arguments).await
    }

    /// Puts a text into the field whose line in a snapshot contains all `words`.
    pub async fn fill(&self, tab: i64, words: &[&str], text: &str) -> Result<Answer> {
        let mut arguments = self.aim(tab, words).await?;
        arguments["text"] = text.into();
        self.call("browser_type", arguments).await
    }

    /// A picture of what the page shows.
    pub async fn look(&self, tab: i64) -> Result<Picture> {
        let shot = self
            .ok("browser_take_screenshot", json!({"tabId": tab}))
            .await?;
        let data = shot.picture().context("no picture in the answer")?;
        Picture::of_png(&base64::engine::general_purpose::STANDARD.decode(data)?)
    }

    /// The value of a JavaScript `expression` in the page, as text.
    pub async fn read(&self, tab: i64, expression: &str) -> Result<String> {
        let answer = self
            .ok("browser_evaluate", reading(tab, expression))
            .await?;
        value_in(&answer)
    }

    /// The alias by which others know the agent called `name` (its label).
    pub async fn alias_of(&self, name: &str) -> Result<String> {
        let who = self.ok("browser_session", json!({})).await?;
        who.alias_of(name)
            .with_context(|| format!("no alias of {name} in: {who}"))
    }
}

fn named_tab(answer: &Answer) -> Result<i64> {
    answer
        .tab()
        .with_context(|| format!("no tab named in: {answer}"))
}

/// Arguments of an evaluation whose value [`value_in`] finds, however the answer is laid out.
#[must_use]
pub fn reading(tab: i64, expression: &str) -> serde_json::Value {
    // Put together in the page, so that an echo of the script is not taken for its value.
    let function = format!("() => '[' + '[' + ({expression}) + ']' + ']'");
    json!({"tabId": tab, "function": function})
}

/// What an evaluation of [`reading`] brought back.
pub fn value_in(answer: &Answer) -> Result<String> {
    let (_, rest) = answer
        .text
        .split_once("[[")
        .with_context(|| format!("no value in: {answer}"))?;
    Ok(rest
        .split_once("]]")
        .with_context(|| format!("no value in: {answer}"))?
        .0
        .to_owned())
}
