//! The worker dies, the browser dies: who held which tab is known afterwards, or told as lost.

use anyhow::Result;
use e2e::{Agent, Answer, Call, Options, World};
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

/// Two agents in a tab of their own each, the first of them in the midst of a call that acts.
async fn two_at_work(world: &World) -> Result<([Agent; 2], [String; 2], Call)> {
    let agents = [world.agent("one").await?, world.agent("two").await?];
    let urls = ["one", "two"].map(|name| world.site.url(&format!("/counter?name={name}")));
    for (agent, url) in agents.iter().zip(&urls) {
        agent.open(url).await?;
    }
    let function = "() => { hit('acts'); return new Promise(() => {}) }";
    let acting = json!({"function": function});
    let acting = agents[0].begin("browser_evaluate", acting).await?;
    world.site.until_hits("acts", 1).await?;
    Ok((agents, urls, acting))
}

/// A browser that quits may still tell that it closes the tab.
fn lost_or_gone(lost: &str, answer: &Answer) -> bool {
    answer.failed_with(lost) || answer.failed_with("tab_gone")
}

/// Each agent has one tab with its page, in a group of its own, and nothing of before is there.
async fn each_has_one_tab(world: &World, urls: &[String; 2]) -> Result<()> {
    let bystander = world.browser().extension_page("manifest.json").await?;
    let mut titles = Vec::new();
    e2e::until("a group for each agent", async || {
        titles = bystander.groups().await?;
        titles.sort();
        Ok((titles == ["one", "two"]).then_some(()))
    })
    .await?;
    let mut tabs = bystander.tabs().await?;
    tabs.retain(|tab| tab.group.is_some() || tab.url.starts_with("http"));
    tabs.sort_by(|a, b| a.url.cmp(&b.url));
    let shown: Vec<_> = tabs.iter().map(|tab| &tab.url).collect();
    assert_eq!(shown, urls.iter().collect::<Vec<_>>(), "{tabs:?}");
    assert!(tabs[0].group.is_some() && tabs[1].group.is_some());
    assert_ne!(tabs[0].group, tabs[1].group);
    let mut ids: Vec<_> = tabs.iter().map(|tab| tab.id).collect();
    ids.sort_unstable();
    assert_eq!(bystander.debugged().await?, ids);
    Ok(())
}

#[tokio::test]
async fn a_browser_that_is_quit_and_restores_nothing_tells_each_agent_once_what_it_lost()
-> Result<()> {
    let mut world = World::start().await?;
    let (agents, urls, acting) = two_at_work(&world).await?;
    world.reopen_browser().await?;
    let acted = acting.answer().await?;
    assert!(lost_or_gone("outcome_unknown", &acted), "{acted}");
    for (agent, url) in agents.iter().zip(&urls) {
        let (mut told, mut tells) = (String::new(), false);
        for _ in 0..2 {
            let lost = agent.call("browser_snapshot", json!({})).await?;
            assert!(lost_or_gone("tabs_lost", &lost), "{lost}");
            tells |= lost.failed_with("tabs_lost");
            told += &lost.text;
        }
        let others = urls.iter().filter(|other| *other != url);
        assert!(
            told.contains(url) && others.into_iter().all(|other| !told.contains(other)),
            "{told}"
        );
        assert_eq!(
            told.matches("told once").count(),
            usize::from(tells),
            "{told}"
        );
        let tab = agent.open_tab(url).await?;
        let clicked = agent.click(tab, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "{clicked}");
    }
    each_has_one_tab(&world, &urls).await?;
    assert_eq!(world.site.hits("acts"), 1, "the call ran again");
    world.close().await
}

/// After a restart that restored all: each agent has the tab it had, and nobody acted twice.
async fn each_has_its_tab_again(
    world: &World,
    (agents, urls, acting): ([Agent; 2], [String; 2], Call),
) -> Result<()> {
    let acted = acting.answer().await?;
    assert!(lost_or_gone("outcome_unknown", &acted), "{acted}");
    for (agent, url) in agents.iter().zip(&urls) {
        let seen = agent.call("browser_snapshot", json!({})).await?;
        if !seen.is_ok() {
            // Chrome loads it when it is shown; until then it looks like a crashed one.
            assert!(seen.failed_with("page_crashed"), "{seen}");
            let reload = json!({"action": "reload"});
            agent.ok("browser_navigate", reload).await?;
        }
        let seen = agent.ok("browser_snapshot", json!({})).await?;
        assert!(seen.text.contains(url), "{seen}");
    }
    each_has_one_tab(world, &urls).await?;
    assert_eq!(world.site.hits("acts"), 1, "the call ran again");
    Ok(())
}

async fn a_world_that_restores() -> Result<World> {
    let options = Options {
        restores: true,
        ..Options::default()
    };
    World::with(options).await
}

#[tokio::test]
async fn a_browser_that_is_quit_and_restores_all_gives_each_agent_its_tab_again() -> Result<()> {
    let mut world = a_world_that_restores().await?;
    let at_work = two_at_work(&world).await?;
    world.reopen_browser().await?;
    each_has_its_tab_again(&world, at_work).await?;
    world.close().await
}

#[tokio::test]
async fn a_browser_that_is_killed_and_restores_all_gives_each_agent_its_tab_again() -> Result<()> {
    let mut world = a_world_that_restores().await?;
    // A profile that is seconds old has not yet written down how far its ids have come.
    world.reopen_browser().await?;
    let at_work = two_at_work(&world).await?;
    world.restart_restoring_browser(&at_work.1).await?;
    each_has_its_tab_again(&world, at_work).await?;
    world.close().await
}
