//! What each tool does in a page, one file a tool: short procedures of browser commands. They
//! know nothing of turns and callers; what they keep going they say, so that an early end ends it.

mod click;
mod console;
mod evaluate;
mod front;
mod hover;
mod keyboard;
mod mouse_wheel;
mod navigate;
mod network;
mod place;
mod pointer;
mod press_key;
mod screenshot;
mod select_option;
mod snapshot;
mod type_text;
mod wait_for;

pub(super) use keyboard::keys_up;

/// See [`crate::pages::unread`].
pub(super) fn unread(method: &str) -> &'static [&'static [&'static str]] {
    if method == snapshot::LOOK {
        snapshot::UNREAD
    } else {
        &[]
    }
}

use super::facts::{Going, clip};
use super::poller::Page;
use crate::input::ChromeError;
use place::Place;
use protocol::command::PageResult;
use protocol::{Command, Fault, Instant, url};
use serde_json::{Value, json};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Longest URL in an answer, in characters (`PageResult`).
const URL_MAX: usize = 2_000;
/// Longest title in an answer, in characters (`PageResult`).
const TITLE_MAX: usize = 300;
/// How long an action waits for the navigation that it began: longer, and the caller should know
/// that the page is slow and decide by itself.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// A navigation that Chrome neither begins nor commits in this time comes to nothing.
const BRIEF_MAX: Duration = Duration::from_millis(500);
/// The beginning of a download is told this much after its navigation has ended, at most.
const DOWNLOAD_MAX: Duration = Duration::from_millis(100);
/// How long an element is waited for until it can be acted on, as Playwright MCP does: a model
/// learns more from what is in the way than from a longer wait.
const ACT_MAX: Duration = Duration::from_secs(5);
/// The first picture of a tab takes 66 ms at most; without it input still works in most windows.
const WARM_MAX: Duration = Duration::from_secs(3);
/// Kept of a call's time for its answer.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Runs one command's procedure; every answer names the page as it then is.
///
/// # Errors
/// Whatever the tool's own file says, `tab_gone`, and `url_refused` when the page has come to
/// where no agent may read.
pub(super) async fn run(page: Page, command: Command) -> Result<PageResult, Fault> {
    let meanwhile = Place::is_asked_meanwhile(&command);
    let mut acting = pin!(act(&page, command));
    // Its first commands leave first.
    let begun = poll_fn(|context| Poll::Ready(acting.as_mut().poll(context))).await;
    let (result, place) = match begun {
        Poll::Pending if meanwhile => {
            let place = Place::ask(&page);
            (acting.await?, place)
        }
        Poll::Pending => (acting.await?, Place::ask(&page)),
        Poll::Ready(result) => (result?, Place::ask(&page)),
    };
    let (url, title) = place.name(&page).await?;
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

async fn act(page: &Page, command: Command) -> Result<PageResult, Fault> {
    match command {
        Command::Navigate(to) => navigate::run(page, to).await,
        Command::Evaluate(evaluate) => evaluate::run(page, evaluate).await,
        Command::WaitFor(wait) => wait_for::run(page, wait).await,
        Command::ConsoleMessages(wanted) => Ok(console::run(page, wanted)),
        Command::NetworkRequests(wanted) => Ok(network::run(page, &wanted)),
        Command::Snapshot => snapshot::run(page).await,
        Command::Click(click) => click::run(page, click).await,
        Command::Type(typed) => type_text::run(page, typed).await,
        Command::PressKey(chord) => press_key::run(page, chord).await,
        Command::Hover(hover) => hover::run(page, hover).await,
        Command::MouseWheel(wheel) => mouse_wheel::run(page, wheel).await,
        Command::SelectOption(select) => select_option::run(page, select).await,
        Command::Screenshot(shot) => screenshot::run(page, shot).await,
        Command::HandleDialog(_) | Command::Tabs(_) | Command::Session => Err(Fault::Internal {
            what: "a command without a turn was given one".into(),
        }),
    }
}

/// URL and title of a `chrome.tabs.Tab`, bounded.
pub(super) fn shown(tab: &Value) -> (String, String) {
    let field = |name: &str| tab[name].as_str().unwrap_or_default();
    (clip(field("url"), URL_MAX), clip(field("title"), TITLE_MAX))
}

/// Before anything else: a navigation that has begun arrives. Until then Chrome holds back every
/// command that needs the page, so there is nothing better to do than to wait.
async fn ready(page: &Page) {
    page.waiting_for("the page that is being loaded to answer");
    if arrived(page, page.deadline()).await {
        parsed(page).await;
    }
}

/// After an action: waits until the navigation that it began commits and its document is parsed,
/// or comes to nothing; notes it when that takes too long.
async fn settle(page: &Page, result: &mut PageResult) {
    page.waiting_for("the page to load");
    let at = page.now() + SETTLE_MAX.min(page.left(ANSWER_TIME));
    let (goes, before) = (page.facts().going.is_some(), page.facts().moves);
    if !arrived(page, at).await {
        result
            .notes
            .push("The page is on its way to another; the next call waits for it.".into());
    } else if !parsed(page).await {
        result
            .notes
            .push("The page is still loading; wait with browser_wait_for.".into());
    } else if goes && page.facts().moves == before {
        // It went nowhere: a download says so within milliseconds.
        let at = page.now() + DOWNLOAD_MAX;
        page.until(at, |facts| (!facts.downloads.is_empty()).then_some(()))
            .await;
    }
    note_downloads(page, result);
}

/// Whether no navigation is under way any more, until `at`.
async fn arrived(page: &Page, at: Instant) -> bool {
    loop {
        let Some(going) = page.facts().going else {
            return true;
        };
        let brief = match going {
            Going::Requested | Going::Loaded => true,
            Going::Started { .. } => false,
        };
        let until = if brief {
            at.min(page.now() + BRIEF_MAX)
        } else {
            at
        };
        let changed = page
            .until(until, |facts| (facts.going != Some(going)).then_some(()))
            .await;
        match (changed, brief) {
            (Some(()), _) => {}
            (None, true) => page.change_facts(|facts| facts.going = None),
            (None, false) => return false,
        }
    }
}

async fn parsed(page: &Page) -> bool {
    let at = page.now() + SETTLE_MAX.min(page.left(ANSWER_TIME));
    let seen = page.until(at, |facts| facts.parsed.then_some(())).await;
    seen.is_some()
}

/// Notes what the call began to download.
fn note_downloads(page: &Page, result: &mut PageResult) {
    let files = page.change_facts(|facts| std::mem::take(&mut facts.downloads));
    for file in files {
        // The page has named it.
        let file = file.replace('"', "'");
        result.notes.push(format!("A download began: \"{file}\"."));
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

/// Not waited for.
fn cast_off(page: &Page) {
    page.hold(|held| held.cast = false);
    drop(page.aside("Page.stopScreencast", json!({})));
}

/// Waits until the page has painted once, so that what an action changed is there: 250 ms in a
/// page that paints nothing, and not at all in one that goes away.
async fn painted(page: &Page) {
    let once = "new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); setTimeout(done, 250); })";
    promised(page, once).await;
}

/// Waits for a short promise of the page's, and not at all in one that goes away.
async fn promised(page: &Page, promise: &str) {
    let params = json!({"expression": promise, "awaitPromise": true, "timeout": 1_000});
    let kept = page.aside("Runtime.evaluate", params);
    page.unless(kept, |facts| match facts.going {
        Some(Going::Started { .. }) => Some(()),
        Some(Going::Requested | Going::Loaded) | None => None,
    })
    .await;
}
