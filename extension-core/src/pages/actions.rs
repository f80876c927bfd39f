//! What each tool does in a page, one file a tool: short procedures of browser commands. They
//! know nothing of turns and callers; what they hold down they say, so that an early end lets it
//! go.

mod click;
mod console;
mod evaluate;
mod navigate;
mod screenshot;
mod snapshot;
mod type_text;
mod wait_for;

use super::facts::{Facts, clip};
use super::poller::Page;
use crate::effect::ChromeCall;
use crate::input::ChromeError;
use protocol::command::PageResult;
use protocol::{Command, Fault, url};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest URL in an answer, in characters (`PageResult`).
const URL_MAX: usize = 2_000;
/// Longest title in an answer, in characters (`PageResult`).
const TITLE_MAX: usize = 300;
/// How long an action waits for the navigation that it began: longer, and the caller should know
/// that the page is slow and decide by itself.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// How long an element is waited for until it can be acted on, as Playwright MCP does: a model
/// learns more from what is in the way than from a longer wait.
const ACT_MAX: Duration = Duration::from_secs(5);
/// The first picture of a tab takes 66 ms at most; without it input still works in most windows.
const WARM_MAX: Duration = Duration::from_secs(3);
/// The synchronous work of our own scripts.
const OURS_MAX: Duration = Duration::from_secs(2);
/// Kept of a call's time for its answer.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Runs one command's procedure; every answer names the page as it then is.
///
/// # Errors
/// Whatever the tool's own file says, `tab_gone`, and `url_refused` when the page has come to
/// where no agent may read.
pub(super) async fn run(page: Page, command: Command) -> Result<PageResult, Fault> {
    let result = match command {
        Command::Navigate(to) => navigate::run(&page, to).await?,
        Command::Evaluate(evaluate) => evaluate::run(&page, evaluate).await?,
        Command::WaitFor(wait) => wait_for::run(&page, wait).await?,
        Command::ConsoleMessages => console::run(&page),
        Command::Snapshot => snapshot::run(&page).await?,
        Command::Click(click) => click::run(&page, click).await?,
        Command::Type(typed) => type_text::run(&page, typed).await?,
        Command::Screenshot(shot) => screenshot::run(&page, shot).await?,
        Command::HandleDialog(_) | Command::Tabs(_) | Command::Session => {
            return Err(Fault::Internal {
                what: "a command without a turn was given one".into(),
            });
        }
    };
    finish(&page, result).await
}

async fn finish(page: &Page, result: PageResult) -> Result<PageResult, Fault> {
    let tab = page.tab();
    let Ok(facts) = page.chrome(ChromeCall::GetTab { tab }).await else {
        let url = Some(page.facts().url.clone());
        return Err(Fault::TabGone { tab, url });
    };
    let (url, title) = shown(&facts);
    if !url::may_stay(&url) {
        return Err(Fault::UrlRefused { url });
    }
    Ok(PageResult {
        success: true,
        url: Some(url),
        title: Some(title),
        ..result
    })
}

/// URL and title of a `chrome.tabs.Tab`, bounded.
pub(super) fn shown(tab: &Value) -> (String, String) {
    let field = |name: &str| tab[name].as_str().unwrap_or_default();
    (clip(field("url"), URL_MAX), clip(field("title"), TITLE_MAX))
}

/// Waits until a navigation that the page has begun commits and its document is parsed, or comes
/// to nothing; notes it when that takes too long.
async fn settle(page: &Page, result: &mut PageResult) {
    let begun = |facts: &Facts| facts.going.is_some() || !facts.parsed;
    if !begun(&page.facts()) {
        return;
    }
    page.waiting_for("the page to load");
    let wait = SETTLE_MAX.min(page.left(ANSWER_TIME));
    let done = page
        .until(page.now() + wait, |facts| (!begun(facts)).then_some(()))
        .await;
    if done.is_none() {
        result
            .notes
            .push("The page is still loading; wait with browser_wait_for.".into());
    }
}

/// Notes what the call began to download.
fn note_downloads(page: &Page, result: &mut PageResult) {
    let files = page.change_facts(|facts| std::mem::take(&mut facts.downloads));
    for file in files {
        result.notes.push(format!("A download began: {file}."));
    }
}

/// Whether a script's command failed because its document went away.
pub(super) fn is_navigated(error: &ChromeError) -> bool {
    let said = error.message.as_str();
    said.contains("navigated or closed") || said.contains("context was destroyed")
}

/// Lets a hidden tab paint: the tiny screencast, whose frames nobody wants. The first time in a
/// document a picture is taken as well, because input is lost before the first frame.
async fn cast_on(page: &Page) {
    let tiny = json!({
        "format": "jpeg", "quality": 1, "maxWidth": 16, "maxHeight": 16, "everyNthFrame": 1000,
    });
    page.hold(|held| held.cast = true);
    drop(page.command("Page.startScreencast", tiny));
    if page.facts().warm {
        return;
    }
    let shot = json!({"format": "jpeg", "quality": 1});
    let at = page.now() + WARM_MAX.min(page.left(ANSWER_TIME));
    let first = page.command("Page.captureScreenshot", shot);
    if let Some(Ok(_)) = page.within(at, first).await {
        page.change_facts(|facts| facts.warm = true);
    }
}

/// Not waited for: the turn's end does that.
fn cast_off(page: &Page) {
    page.hold(|held| held.cast = false);
    drop(page.command("Page.stopScreencast", json!({})));
}

/// Waits until the page has painted once, so that what an action changed is there; 250 ms in a
/// page that paints nothing. A page that went away has painted.
async fn painted(page: &Page) {
    let once = "new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); setTimeout(done, 250); })";
    let params = json!({"expression": once, "awaitPromise": true, "timeout": 1_000});
    // Its refusal means a navigation, which `settle` waits for.
    drop(page.script("Runtime.evaluate", params, OURS_MAX).await);
}
