//! Chrome's debugging bar, which comes with the first attachment: it shifts the page in front, and
//! its *Cancel* is the person's word that everything stops.

use anyhow::Result;
use e2e::{ExtensionPage, Options, Shown, World};
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

#[tokio::test]
async fn a_click_lands_though_the_bar_moves_the_page_under_it() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let popup = world.browser().extension_page("popup.html").await?;
    let url = world.site.url("/edge");
    person.goes_to(&url).await?;
    let tall = person.reads("innerHeight").await?;
    shows(&popup, "Edge").await?;
    popup.click("Give the tab in front").await?;
    let given = e2e::until("the tab to be the agent's", async || {
        let tabs = popup.tabs().await?;
        let edge = tabs.into_iter().find(|tab| tab.url == url);
        Ok(edge.filter(|tab| tab.group.is_some()).map(|tab| tab.id))
    })
    .await?;
    // The snapshot attaches; the bar is on its way while the click looks for its place.
    let clicked = one.click(given, &["button", "At the edge"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("edge", 1).await?;
    e2e::until("the bar to take its place", async || {
        Ok((person.reads("innerHeight").await? != tall).then_some(()))
    })
    .await?;
    let clicked = one.click(given, &["button", "At the edge"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("edge", 2).await?;
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
