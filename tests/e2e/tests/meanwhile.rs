//! What the browser does while no worker of ours lives is told to the next one.

use anyhow::{Context, Result};
use e2e::{Agent, ExtensionPage, Options, World};
use serde_json::json;

/// A page with the extension's rights that never wakes its worker.
async fn bystander(world: &World) -> Result<ExtensionPage> {
    world.browser().extension_page("manifest.json").await
}

/// The tabs that the agent's list calls its own and that show `url`.
async fn owned(agent: &Agent, url: &str) -> Result<Vec<i64>> {
    let listed = agent.tabs().await?;
    let own = listed.text.lines().filter_map(|line| {
        let (number, rest) = line.strip_prefix("- tab ")?.split_once(" (yours")?;
        rest.contains(url).then(|| number.parse().ok())?
    });
    Ok(own.collect())
}

#[tokio::test]
async fn a_tab_that_chrome_unloads_while_no_worker_lives_stays_its_agents() -> Result<()> {
    let world = World::start().await?;
    let bystander = bystander(&world).await?;
    let one = world.agent("one").await?;
    let mut tab = one.open(&world.site.url("/counter?name=a")).await?;
    for round in 1..=3 {
        world.browser().kill_worker().await?;
        let discard = format!("chrome.tabs.discard({tab}).then(tab => tab.id)");
        let unloaded = bystander.evaluate(&discard).await?.as_i64();
        tab = unloaded.context("not unloaded")?;
        let seen = one.ok("browser_snapshot", json!({})).await?;
        assert_eq!(seen.tab(), Some(tab), "round {round}: {seen}");
        let clicked = one.click(tab, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "{clicked}");
        world.site.until_hits("a", round).await?;
    }
    assert_eq!(bystander.groups().await?.len(), 1, "its group is its group");
    world.close().await
}

#[tokio::test]
async fn a_window_that_an_agents_page_opens_while_no_worker_lives_is_its_agents() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/greet?name=opener");
    one.open(&url).await?;
    let page = world.browser().page(&url).await?;
    for round in 1..=3 {
        let opened = world.site.url(&format!("/greet?name=opened{round}"));
        let open = json!({
            "expression": format!("window.open('{opened}'), 0"),
            "userGesture": true,
        });
        world.browser().kill_worker().await?;
        page.call("Runtime.evaluate", open).await?;
        let tab = e2e::until("the window to be the agent's", async || {
            Ok(owned(&one, &opened).await?.first().copied())
        })
        .await?;
        let title = one.read(tab, "document.title").await?;
        assert_eq!(title, format!("Greeting opened{round}"));
    }
    world.close().await
}

#[tokio::test]
async fn a_tab_that_session_restore_brings_back_is_its_agents_again_and_no_other_is() -> Result<()>
{
    let options = Options {
        restores: true,
        ..Options::default()
    };
    let mut world = World::with(options).await?;
    let one = world.agent("one").await?;
    let (mine, other) = (
        world.site.url("/counter?name=mine"),
        world.site.url("/greet?name=the person's"),
    );
    let tab = one.open(&mine).await?;
    let open = json!({"url": other, "background": true});
    let cdp = world.browser().cdp().clone();
    cdp.call(None, "Target.createTarget", open).await?;
    world.reopen_browser().await?;
    let seen = one.call("browser_snapshot", json!({})).await?;
    let again = seen.tab().context("no tab")?;
    assert_ne!(again, tab, "Chrome has given it another id");
    if !seen.is_ok() {
        // Chrome loads it when it is shown; until then it looks like a crashed one.
        assert!(seen.failed_with("page_crashed"), "{seen}");
        let reload = json!({"action": "reload"});
        one.ok("browser_navigate", reload).await?;
    }
    assert_eq!(owned(&one, &mine).await?, [again]);
    assert_eq!(owned(&one, &other).await?, [] as [i64; 0]);
    let clicked = one.click(again, &["button", "Count"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("mine", 1).await?;
    let bystander = bystander(&world).await?;
    let shown = async || {
        let tabs = bystander.tabs().await?;
        anyhow::Ok(tabs.iter().filter(|tab| tab.url == mine).count())
    };
    assert_eq!(shown().await?, 1, "no double");
    one.quit().await?;
    e2e::until("the restored tab to end with its agent", async || {
        Ok((shown().await? == 0).then_some(()))
    })
    .await?;
    world.close().await
}
