//! The worker dies, the browser dies: who held which tab is known afterwards, or told as lost.

use anyhow::Result;
use e2e::World;
use serde_json::json;

#[tokio::test]
async fn a_killed_worker_comes_back_to_the_same_tabs_of_the_same_agents() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let tab_one = one.open(&world.site.url("/counter?name=a")).await?;
    let tab_two = two.open(&world.site.url("/counter?name=b")).await?;
    for round in 1..=3 {
        world.browser().kill_worker().await?;
        let seen = one.ok("browser_snapshot", json!({})).await?;
        assert_eq!(seen.tab(), Some(tab_one), "{seen}");
        let clicked = one.click(tab_one, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "{clicked}");
        assert_eq!(two.read(tab_two, "document.title").await?, "Counter b");
        let foreign = two
            .call("browser_snapshot", json!({"tabId": tab_one, "wait": 0}))
            .await?;
        assert!(foreign.failed_with("tab_owned"), "{foreign}");
        world.site.until_hits("a", round).await?;
        assert_eq!(world.site.hits("a"), round, "a click was lost or doubled");
    }
    world.close().await
}
#[tokio::test]
async fn a_restarted_browser_tells_each_agent_which_tabs_it_lost() -> Result<()> {
    let mut world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/slow?name=lost")).await?;
    world.restart_browser().await?;
    let answer = one.call("browser_snapshot", json!({})).await?;
    assert!(answer.failed_with("tabs_lost"), "{answer}");
    assert!(answer.text.contains("/slow?name=lost"), "{answer}");
    let tab = one.open_tab(&world.site.url("/slow?name=new")).await?;
    assert_eq!(one.read(tab, "document.title").await?, "new");
    world.close().await
}
