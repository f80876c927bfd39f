//! Processes that stand still for a while and go on: a server that was stopped, a machine that slept.

use anyhow::Result;
use e2e::{Agent, Call, Paused, World};
use serde_json::json;
use std::time::Duration;

/// Longer than a call has (30 s), and than what counts as observed time (35 s).
const MINUTE: Duration = Duration::from_secs(60);
/// Longer than anybody waits for a peer that must answer at once.
const STILL: Duration = Duration::from_secs(9);

/// Counts in the page, and answers a second later.
async fn counts(world: &World, agent: &Agent, name: &str) -> Result<Call> {
    let before = world.site.hits(name);
    let function = format!(
        "() => {{ hit('{name}'); return new Promise(done => setTimeout(() => done('counted'), 1000)) }}"
    );
    let arguments = json!({ "function": function });
    let call = agent.begin("browser_evaluate", arguments).await?;
    world.site.until_hits(name, before + 1).await?;
    Ok(call)
}

/// Two agents, each on a counter of its own; the first page knows that it is the same.
async fn two_counters(world: &World) -> Result<([Agent; 2], [i64; 2])> {
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let kept = one.open(&world.site.url("/counter?name=a")).await?;
    one.read(kept, "globalThis.since = 'before'").await?;
    let tab = two.open(&world.site.url("/counter?name=b")).await?;
    Ok(([one, two], [kept, tab]))
}

#[tokio::test]
async fn a_stopped_server_goes_on_in_its_tab_though_its_client_has_started_another() -> Result<()> {
    let world = World::start().await?;
    let ([one, two], [kept, tab]) = two_counters(&world).await?;
    let running = counts(&world, &one, "runs").await?;
    let paused = Paused::all(&[&one], None)?;
    // Its client does not know, and asks for more.
    let asked = one.begin("browser_snapshot", json!({})).await?;
    for round in 1..=3 {
        tokio::time::sleep(MINUTE / 3).await;
        let clicked = two.click(tab, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "{clicked}");
        world.site.until_hits("b", round).await?;
        let foreign = two
            .call("browser_snapshot", json!({"tabId": kept, "wait": 0}))
            .await?;
        assert!(foreign.failed_with("tab_owned"), "{foreign}");
    }
    // Two starters, one identity: the second is somebody else.
    let other = world.agent_of(one.spawn()).await?;
    let foreign = json!({"tabId": kept, "wait": 0});
    let foreign = other.call("browser_snapshot", foreign).await?;
    assert!(foreign.failed_with("tab_owned"), "{foreign}");
    let said = "another server of this instance is running";
    assert!(other.log().contains(said), "{}", other.log());
    let own = other.open(&world.site.url("/counter?name=c")).await?;
    assert_ne!(own, kept);
    drop(paused);
    let ran = running.answer().await?;
    assert!(ran.text.contains("counted"), "{ran}");
    assert_eq!(world.site.hits("runs"), 1);
    let seen = asked.answer().await?;
    assert!(seen.is_ok() && seen.tab() == Some(kept), "{seen}");
    assert_eq!(one.read(kept, "since").await?, "before");
    assert_eq!(other.read(own, "document.title").await?, "Counter c");
    world.close().await
}

#[tokio::test]
async fn a_server_that_was_stopped_while_the_worker_died_is_found_again_with_its_tab() -> Result<()>
{
    let world = World::start().await?;
    let ([one, two], [kept, tab]) = two_counters(&world).await?;
    let running = counts(&world, &one, "runs").await?;
    let paused = Paused::all(&[&one], None)?;
    world.browser().kill_worker().await?;
    // The next life meets a port that accepts and says nothing.
    for _ in 0..3 {
        assert_eq!(two.read(tab, "document.title").await?, "Counter b");
        tokio::time::sleep(STILL / 3).await;
    }
    let foreign = two
        .call("browser_snapshot", json!({"tabId": kept, "wait": 0}))
        .await?;
    assert!(foreign.failed_with("tab_owned"), "{foreign}");
    drop(paused);
    // Nobody has its answer any more, and nobody runs it again.
    let ran = running.answer().await?;
    assert!(ran.failed_with("outcome_unknown"), "{ran}");
    let seen = one.ok("browser_snapshot", json!({})).await?;
    assert_eq!(seen.tab(), Some(kept), "{seen}");
    assert_eq!(one.read(kept, "since").await?, "before");
    assert_eq!(world.site.hits("runs"), 1);
    world.close().await
}

#[tokio::test]
async fn a_machine_that_slept_goes_on_with_the_same_tabs_and_loses_no_answer() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let (a, b) = (
        world.site.url("/counter?name=a"),
        world.site.url("/counter?name=b"),
    );
    let tabs = [one.open(&a).await?, two.open(&b).await?];
    for (agent, tab) in [&one, &two].into_iter().zip(tabs) {
        agent.read(tab, "globalThis.since = 'before'").await?;
    }
    let page = world.browser().page(&b).await?;
    let acts = counts(&world, &one, "runs").await?;
    let looks = two
        .begin("browser_wait_for", json!({"text": "is ripe now"}))
        .await?;
    let paused = Paused::all(&[&one, &two], Some(world.browser()))?;
    tokio::time::sleep(MINUTE).await;
    drop(paused);
    let acted = acts.answer().await?;
    assert!(acted.text.contains("counted"), "{acted}");
    page.evaluate("say('the pear is ripe now')").await?;
    let looked = looks.answer().await?;
    assert!(looked.is_ok(), "{looked}");
    for (agent, tab) in [&one, &two].into_iter().zip(tabs) {
        let seen = agent.ok("browser_snapshot", json!({})).await?;
        assert_eq!(seen.tab(), Some(tab), "{seen}");
        assert_eq!(agent.read(tab, "since").await?, "before");
        let clicked = agent.click(tab, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "{clicked}");
    }
    for name in ["a", "b"] {
        world.site.until_hits(name, 1).await?;
    }
    assert_eq!(world.site.hits("runs"), 1);
    let bystander = world.browser().extension_page("manifest.json").await?;
    let grouped = bystander.tabs().await?;
    let grouped = grouped.iter().filter(|tab| tab.group.is_some());
    assert_eq!(grouped.map(|tab| tab.id).collect::<Vec<_>>(), tabs);
    assert_eq!(bystander.groups().await?.len(), 2);
    world.close().await
}
