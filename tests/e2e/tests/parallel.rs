//! Several agents at once: each in its own tab, and nothing of one reaches another.

use anyhow::Result;
use e2e::{Agent, Era, World, value_in};
use serde_json::json;
use std::time::{Duration, Instant};

/// Seed 001, test case 1, *Parallel Navigation*.
#[tokio::test]
async fn parallel_navigation_gives_each_agent_its_own_tab() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let (first, second) = (
        world.site.url("/slow?name=first"),
        world.site.url("/slow?name=second"),
    );
    let (tab_one, tab_two) = tokio::try_join!(one.open(&first), two.open(&second))?;
    assert_ne!(tab_one, tab_two);
    assert_eq!(one.read(tab_one, "document.title").await?, "first");
    assert_eq!(two.read(tab_two, "document.title").await?, "second");
    world.close().await
}

/// Seed 001, test case 2, *Tab Isolation*.
#[tokio::test]
async fn tab_isolation_commands_execute_in_the_right_tabs() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let (first, second) = (
        world.site.url("/counter?name=a"),
        world.site.url("/counter?name=b"),
    );
    let (tab_one, tab_two) = tokio::try_join!(one.open(&first), two.open(&second))?;
    for _ in 0..3 {
        let clicks = tokio::try_join!(
            one.click(tab_one, &["button", "Count"]),
            two.click(tab_two, &["button", "Count"]),
        )?;
        assert!(
            clicks.0.is_ok() && clicks.1.is_ok(),
            "{} {}",
            clicks.0,
            clicks.1
        );
    }
    let extra = two.click(tab_two, &["button", "Count"]).await?;
    assert!(extra.is_ok(), "{extra}");
    world.site.until_hits("b", 4).await?;
    world.site.until_hits("a", 3).await?;
    assert_eq!((world.site.hits("a"), world.site.hits("b")), (3, 4));
    world.close().await
}

/// Seed 001, test case 3, *Event Routing*.
#[tokio::test]
async fn event_routing_shows_a_console_error_to_the_owner_of_its_tab_alone() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let (first, second) = (
        world.site.url("/console?name=a"),
        world.site.url("/console?name=b"),
    );
    let (tab, _) = tokio::try_join!(one.open(&first), two.open(&second))?;
    let clicked = one.click(tab, &["button", "Fail"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("failed a", 1).await?;
    let heard = e2e::until("the error in its owner's console", async || {
        let heard = one.ok("browser_console_messages", json!({})).await?;
        Ok(heard.text.contains("failed a").then_some(heard))
    })
    .await?;
    assert!(!heard.text.contains("loaded b"), "{heard}");
    let again = one.ok("browser_console_messages", json!({})).await?;
    assert!(!again.text.contains("failed a"), "told twice: {again}");
    let other = two.ok("browser_console_messages", json!({})).await?;
    assert!(!other.text.contains("failed a"), "{other}");
    world.close().await
}

/// Three navigations of its own on pages that take a while, each read back.
async fn round(world: &World, agent: &Agent) -> Result<()> {
    for step in 0..3 {
        let name = format!("{}-{step}", agent.name());
        let tab = agent
            .open(&world.site.url(&format!("/slow?name={name}&delay=700")))
            .await?;
        assert_eq!(agent.read(tab, "document.title").await?, name);
        let seen = agent.ok("browser_snapshot", json!({})).await?;
        assert!(seen.text.contains(&name), "{seen}");
    }
    Ok(())
}

#[tokio::test]
async fn three_agents_on_slow_pages_run_in_parallel_without_cross_talk() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let two = world.agent_of(world.spawn("two", Era::Modern)).await?;
    let three = world.agent("three").await?;
    // All are connected before the clock starts.
    for agent in [&one, &two, &three] {
        agent.open(&world.site.url("/")).await?;
    }
    let started = Instant::now();
    tokio::try_join!(
        round(&world, &one),
        round(&world, &two),
        round(&world, &three)
    )?;
    // The pages of one take 2.1 s, of three one after another 6.3 s.
    assert!(
        started.elapsed() < Duration::from_millis(6300),
        "{:?}",
        started.elapsed()
    );
    world.close().await
}

#[tokio::test]
async fn calls_of_one_agent_on_two_tabs_run_side_by_side() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let slow = one.open(&world.site.url("/")).await?;
    let quick = one.open_tab(&world.site.url("/counter?name=quick")).await?;
    let url = world.site.url("/slow?name=late&delay=2500");
    let mut waiting = one
        .begin("browser_navigate", json!({"tabId": slow, "url": url}))
        .await?;
    assert_eq!(one.read(quick, "document.title").await?, "Counter quick");
    assert!(
        !waiting.is_answered(),
        "the quick tab waited for the slow one"
    );
    let arrived = waiting.answer().await?;
    assert!(arrived.is_ok(), "{arrived}");
    world.close().await
}

#[tokio::test]
async fn calls_on_one_tab_run_in_the_order_of_their_arrival() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/")).await?;
    let mut calls = Vec::new();
    for _ in 0..10 {
        let reading = e2e::reading(tab, "window.turns = (window.turns || 0) + 1");
        calls.push(one.begin("browser_evaluate", reading).await?);
    }
    for (turn, call) in calls.into_iter().enumerate() {
        assert_eq!(value_in(&call.answer().await?)?, (turn + 1).to_string());
    }
    world.close().await
}

#[tokio::test]
async fn first_calls_that_arrive_together_share_one_new_tab() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let (first, second, third) = tokio::try_join!(
        one.ok("browser_snapshot", json!({})),
        one.ok("browser_snapshot", json!({})),
        one.ok("browser_snapshot", json!({})),
    )?;
    assert!(first.tab().is_some(), "{first}");
    assert!(
        first.tab() == second.tab() && second.tab() == third.tab(),
        "{first} {second} {third}"
    );
    world.close().await
}
