//! Chrome's debugging bar, which comes with the first attachment: it shifts the page in front, and
//! its *Cancel* is the person's word that everything stops.

use anyhow::Result;
use e2e::{ExtensionPage, Options, Person, Shown, World};
use serde_json::json;

async fn a_world_with_a_person() -> Result<World> {
    let options = Options {
        shown: Shown::ToAPerson,
        ..Options::default()
    };
    World::with(options).await
}

async fn shows(popup: &ExtensionPage, text: &str) -> Result<()> {
    e2e::until(format!("the popup to show {text:?}"), async || {
        Ok(popup.text().await?.contains(text).then_some(()))
    })
    .await
}

/// Waits until the page in front of the person is as tall as `fits` says and moves no more, and
/// tells how tall: bars glide in and out.
async fn tall(person: &Person<'_>, what: &str, fits: impl Fn(i64) -> bool) -> Result<i64> {
    /// Looks in a row that find it as it was.
    const STILL: u32 = 10;
    let (mut last, mut still) = (None, 0);
    e2e::until(what, async || {
        let now = person.reads("innerHeight").await?.as_i64();
        still = if now == last { still + 1 } else { 0 };
        last = now;
        Ok(now.filter(|now| fits(*now) && still >= STILL))
    })
    .await
}

/// By one and the same ref: with the debugging bar on its way and in its place, and with the person's
/// bookmarks bar coming and going.
#[tokio::test]
async fn a_click_lands_though_bars_move_the_page_under_it() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let popup = world.browser().extension_page("popup.html").await?;
    let url = world.site.url("/edge");
    person.goes_to(&url).await?;
    let bare = tall(&person, "the page", |_| true).await?;
    shows(&popup, "Edge").await?;
    popup.click("Give the tab in front").await?;
    let given = e2e::until("the tab to be the agent's", async || {
        let tabs = popup.tabs().await?;
        let edge = tabs.into_iter().find(|tab| tab.url == url);
        Ok(edge.filter(|tab| tab.group.is_some()).map(|tab| tab.id))
    })
    .await?;
    // The snapshot attaches; the bar is on its way while the click looks for its place.
    let aimed = one.aim(given, &["button", "At the edge"]).await?;
    let clicks = async |count: usize| -> Result<()> {
        one.ok("browser_click", aimed.clone()).await?;
        world.site.until_hits("edge", count).await
    };
    clicks(1).await?;
    let barred = tall(&person, "the bar to take its place", |now| now < bare).await?;
    clicks(2).await?;
    world.screen().press(&["ctrl+shift+b"])?;
    let lower = tall(&person, "the bookmarks bar", |now| now < barred).await?;
    clicks(3).await?;
    world.screen().press(&["ctrl+shift+b"])?;
    tall(&person, "the bookmarks bar to go", |now| now > lower).await?;
    clicks(4).await?;
    assert_eq!(world.site.hits("edge"), 4);
    world.close().await
}

#[tokio::test]
async fn cancel_on_the_bar_stops_every_agent_until_the_popup_resumes_them() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let (first, second) = (
        world.site.url("/counter?name=a"),
        world.site.url("/counter?name=b"),
    );
    let (tab_one, tab_two) = tokio::try_join!(one.open(&first), two.open(&second))?;
    let waiting = json!({"tabId": tab_one, "textGone": "Counter", "wait": 30});
    let running = one.begin("browser_wait_for", waiting).await?;
    person.presses_cancel().await?;
    // The one that runs, and those to come, of every agent.
    let stopped = running.answer().await?;
    assert!(stopped.failed_with("stopped_by_user"), "{stopped}");
    for (agent, tab) in [(&one, tab_one), (&two, tab_two)] {
        let refused = agent
            .call("browser_snapshot", json!({"tabId": tab}))
            .await?;
        assert!(refused.failed_with("stopped_by_user"), "{refused}");
        let refused = agent.call("browser_tabs", json!({"action": "new"})).await?;
        assert!(refused.failed_with("stopped_by_user"), "{refused}");
    }
    let popup = world.browser().extension_page("popup.html").await?;
    shows(&popup, "Paused").await?;
    assert_eq!(
        popup.evaluate("chrome.action.getBadgeText({})").await?,
        "II"
    );
    let attached = "chrome.debugger.getTargets().then(all => \
                    all.filter(one => one.attached && one.url.includes('/counter')).length)";
    assert_eq!(popup.evaluate(attached).await?, 0);
    popup.click("Resume").await?;
    e2e::until("the badge to count agents again", async || {
        let badge = popup.evaluate("chrome.action.getBadgeText({})").await?;
        Ok((badge == "2").then_some(()))
    })
    .await?;
    // In the same tabs, as they were.
    for (agent, tab, name) in [(&one, tab_one, "a"), (&two, tab_two, "b")] {
        let clicked = agent.click(tab, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "{clicked}");
        world.site.until_hits(name, 1).await?;
    }
    assert!(person.works().await?);
    world.close().await
}
