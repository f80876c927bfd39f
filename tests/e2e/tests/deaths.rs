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
async fn an_acting_call_that_its_worker_died_under_has_an_unknown_outcome_and_runs_once()
-> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=a")).await?;
    let function = "() => { hit('begun'); return new Promise(done => setTimeout(done, 2000)) }";
    let arguments = json!({"tabId": tab, "function": function});
    let acting = one.begin("browser_evaluate", arguments).await?;
    world.site.until_hits("begun", 1).await?;
    world.browser().kill_worker().await?;
    let answer = acting.answer().await?;
    // Where the page is now, for an agent that has to look before it acts again.
    let things = ["/counter?name=a", "Counter a", "before doing it again"];
    answer.must_fail("outcome_unknown", &things);
    assert_eq!(one.read(tab, "document.title").await?, "Counter a");
    assert_eq!(world.site.hits("begun"), 1, "the call ran again");
    world.close().await
}

#[tokio::test]
async fn a_reading_call_that_its_worker_died_under_is_asked_again() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=a");
    one.open(&url).await?;
    let popup = world.browser().extension_page("popup.html").await?;
    let mut reading = one
        .begin("browser_wait_for", json!({"text": "is ripe now"}))
        .await?;
    e2e::until("the wait to have its turn", async || {
        let running = popup.text().await?.contains("running browser_wait_for");
        Ok(running.then_some(()))
    })
    .await?;
    popup.close().await?;
    world.browser().kill_worker().await?;
    e2e::until("another worker", async || world.browser().worker().await).await?;
    assert!(!reading.is_answered());
    let page = world.browser().page(&url).await?;
    page.evaluate("say('the pear is ripe now')").await?;
    let answer = reading.answer().await?;
    assert!(answer.is_ok(), "{answer}");
    world.close().await
}

#[tokio::test]
async fn a_restarted_browser_tells_each_agent_which_tabs_it_lost() -> Result<()> {
    let mut world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/slow?name=lost")).await?;
    world.restart_browser().await?;
    let answer = one.call("browser_snapshot", json!({})).await?;
    answer.must_fail("tabs_lost", &["/slow?name=lost", "browser_tabs"]);
    let tab = one.open_tab(&world.site.url("/slow?name=new")).await?;
    assert_eq!(one.read(tab, "document.title").await?, "new");
    world.close().await
}
