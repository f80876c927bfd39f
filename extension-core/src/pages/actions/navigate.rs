//! `browser_navigate` and `browser_navigate_back`: goes somewhere, waits for the commit, then for
//! the load event, and says so when that does not come.

use super::{ANSWER_TIME, note_downloads};
use crate::house::MARK;
use crate::pages::facts::{Facts, Going, text};
use crate::pages::poller::Page;
use protocol::command::{Navigate, PageResult};
use protocol::{Fault, url};
use serde_json::json;
use std::time::Duration;

/// How long the load event is waited for after the commit. A page that is still loading then is
/// usable; one slow picture must not hold the caller.
const LOAD_MAX: Duration = Duration::from_secs(10);

/// # Errors
/// `navigation_failed` with Chrome's net error, `no_earlier_page`, `url_refused` for a history
/// entry where no agent may be.
pub(super) async fn run(page: &Page, to: Navigate) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    page.waiting_for("the page to answer");
    page.hold(|held| held.loading = true);
    let committed = match to {
        Navigate::To(url) => go(page, &url, &mut result).await?,
        Navigate::Back => {
            step(page, -1).await?;
            true
        }
        Navigate::Forward => {
            step(page, 1).await?;
            true
        }
        Navigate::Reload => {
            let before = page.facts().commits;
            page.command("Page.reload", json!({})).await?;
            commit(page, move |facts| facts.commits > before).await?;
            true
        }
    };
    if committed {
        page.waiting_for("the page to load");
        let at = page.now() + LOAD_MAX.min(page.left(ANSWER_TIME));
        let loaded = page
            .until(at, |facts| {
                let goes_on = matches!(facts.going, Some(Going::Started { .. }));
                (facts.loaded && !goes_on).then_some(())
            })
            .await;
        if loaded.is_none() {
            result
                .notes
                .push("The page is still loading some of its parts.".into());
        }
    }
    page.hold(|held| held.loading = false);
    let unreachable = page.facts().unreachable.clone();
    if let Some(url) = unreachable.filter(|_| committed) {
        return Err(Fault::NavigationFailed {
            url,
            error: "Chrome shows its error page".into(),
        });
    }
    note_downloads(page, &mut result);
    Ok(result)
}

/// Whether a new document was committed.
async fn go(page: &Page, url: &str, result: &mut PageResult) -> Result<bool, Fault> {
    // Unsaid, it would be `typed`, which is how a person uses a tab.
    let params = json!({"url": url, "transitionType": "link"});
    let answer = page.command("Page.navigate", params).await;
    let answer = match answer {
        Ok(answer) => answer,
        // "Cannot navigate to invalid URL"
        Err(error) => {
            page.hold(|held| held.loading = false);
            return Err(Fault::NavigationFailed {
                url: url.to_owned(),
                error: error.message,
            });
        }
    };
    let loader = text(&answer, "loaderId").to_owned();
    match text(&answer, "errorText") {
        "" => {}
        "net::ERR_ABORTED" if answer["isDownload"] == true => {
            result
                .notes
                .push("The address is a download; the page has not changed.".into());
            return Ok(false);
        }
        error => {
            // Chrome commits its error page a little later; the next call shall find it.
            if error != "net::ERR_ABORTED" {
                let at = page.now() + ANSWER_TIME.min(page.left(ANSWER_TIME));
                page.until(at, |facts| (facts.loader == loader).then_some(()))
                    .await;
            }
            page.hold(|held| held.loading = false);
            return Err(Fault::NavigationFailed {
                url: url.to_owned(),
                error: error.to_owned(),
            });
        }
    }
    if loader.is_empty() {
        // Within the document.
        return Ok(false);
    }
    let before = page.facts().commits;
    // Or the page it committed has already gone on by itself.
    commit(page, move |facts| {
        facts.loader == loader || facts.commits > before
    })
    .await?;
    Ok(true)
}

/// Waits for a commit for as long as the call has; its own deadline ends it.
async fn commit(page: &Page, seen: impl Fn(&Facts) -> bool + Unpin) -> Result<(), Fault> {
    let at = page.deadline();
    page.until(at, |facts| seen(facts).then_some(())).await;
    Ok(())
}

async fn step(page: &Page, by: i64) -> Result<(), Fault> {
    let history = page.command("Page.getNavigationHistory", json!({})).await?;
    let current = history["currentIndex"].as_i64().unwrap_or(0);
    let entry = usize::try_from(current + by)
        .ok()
        .and_then(|index| history["entries"].get(index));
    // Going back onto the first page of a made tab is going nowhere.
    let mark = |entry: &serde_json::Value| text(entry, "url").starts_with(MARK);
    let Some(entry) = entry.filter(|entry| !mark(entry)) else {
        page.hold(|held| held.loading = false);
        let url = page.facts().url.clone();
        return Err(Fault::NoEarlierPage { url });
    };
    let to = text(entry, "url");
    if !url::may_stay(to) {
        page.hold(|held| held.loading = false);
        return Err(Fault::UrlRefused { url: to.to_owned() });
    }
    let before = page.facts().moves;
    let params = json!({"entryId": entry["id"]});
    page.command("Page.navigateToHistoryEntry", params).await?;
    commit(page, move |facts| facts.moves > before).await
}
