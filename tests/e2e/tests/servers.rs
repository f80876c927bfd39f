//! Servers come, go, die and return; the extension finds each of them.

use anyhow::{Context, Result};
use e2e::{Agent, End, Era, World, ports_of};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

#[tokio::test]
async fn clients_of_both_revisions_are_served() -> Result<()> {
    let world = World::start().await?;
    let legacy = world.agent_of(world.spawn("legacy", Era::Legacy)).await?;
    let modern = world.agent_of(world.spawn("modern", Era::Modern)).await?;
    assert_eq!(
        legacy.hello()["protocolVersion"],
        "2025-11-25",
        "{}",
        legacy.hello()
    );
    for agent in [&legacy, &modern] {
        let tools = agent.tools().await?;
        for name in [
            "browser_navigate",
            "browser_snapshot",
            "browser_tabs",
            "browser_session",
        ] {
            assert!(
                tools.iter().any(|tool| tool["name"] == name),
                "no {name} in {tools:?}"
            );
        }
        let tab = agent.open(&world.site.url("/slow?name=here")).await?;
        assert_eq!(agent.read(tab, "document.title").await?, "here");
    }
    world.close().await
}

#[tokio::test]
async fn a_killed_server_that_is_started_again_has_its_tab_again() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=kept")).await?;
    one.read(tab, "window.mine = 'still here'").await?;
    one.end(End::Kill).await?;
    let again = world.agent_of(one.spawn()).await?;
    // Without a tab named: its current tab is the one that it had.
    let seen = again.ok("browser_snapshot", json!({})).await?;
    assert_eq!(seen.tab(), Some(tab), "{seen}");
    assert_eq!(again.read(tab, "window.mine").await?, "still here");
    world.close().await
}

#[tokio::test]
async fn a_server_that_was_ended_and_started_again_has_its_tab_again() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=kept")).await?;
    one.quit().await?;
    let again = world.agent_of(one.spawn()).await?;
    let seen = again.ok("browser_snapshot", json!({})).await?;
    assert_eq!(seen.tab(), Some(tab), "{seen}");
    world.close().await
}

/// What the second of two servers of one instance says.
const ANOTHER: &str = "another server of this instance is running";

#[tokio::test]
async fn a_server_that_is_started_while_the_one_before_still_ends_goes_on_in_its_tab() -> Result<()>
{
    let world = World::start().await?;
    let mut one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=a")).await?;
    one.read(tab, "globalThis.since = 'before'").await?;
    for round in 1..=5 {
        one.close_stdin().await;
        let next = world.agent_of(one.spawn()).await?;
        let seen = next.ok("browser_snapshot", json!({})).await?;
        assert_eq!(seen.tab(), Some(tab), "round {round}: {seen}");
        assert_eq!(next.read(tab, "since").await?, "before");
        let clicked = next.click(tab, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "round {round}: {clicked}");
        world.site.until_hits("a", round).await?;
        one = next;
    }
    assert_eq!(world.site.hits("a"), 5);
    assert!(!one.log().contains(ANOTHER), "{}", one.log());
    world.close().await
}

#[tokio::test]
async fn of_two_servers_started_at_once_for_one_instance_one_is_it_and_the_other_says_so()
-> Result<()> {
    let world = World::start().await?;
    for round in 1..=5 {
        let spawn = |name: &str| {
            let mut spawn = world.spawn(&format!("{name}-{round}"), Era::Legacy);
            let instance = format!("--instance-id=twice-{round}");
            spawn.arguments.push(instance);
            spawn
        };
        let (left, right) = (spawn("left"), spawn("right"));
        let (left, right) = tokio::try_join!(world.agent_of(left), world.agent_of(right))?;
        let is_second = |agent: &Agent| agent.log().contains(ANOTHER);
        e2e::until("one of the two to step back", async || {
            Ok((is_second(&left) || is_second(&right)).then_some(()))
        })
        .await?;
        let (one, two) = if is_second(&left) {
            (right, left)
        } else {
            (left, right)
        };
        let url = world.site.url("/counter?name=a");
        let (kept, own) = (one.open(&url).await?, two.open(&url).await?);
        assert_ne!(kept, own);
        assert!(!is_second(&one), "neither is it: {}", one.log());
        two.quit().await?;
        one.end(End::Kill).await?;
        let again = world.agent_of(one.spawn()).await?;
        let seen = again.ok("browser_snapshot", json!({})).await?;
        assert_eq!(seen.tab(), Some(kept), "{seen}");
    }
    world.close().await
}

/// Test case 4 of seed 001: "Kill Claude 1's session. Restart within 5 minutes. Expected: Tab 42 still
/// owned, state preserved."
#[tokio::test]
async fn session_reconnect_the_tab_is_still_owned_and_its_state_preserved() -> Result<()> {
    let world = World::start().await?;
    let mut spawn = world.spawn("one", Era::Legacy);
    spawn.arguments.push("--instance-id=claude-1".into());
    let (mut one, two) = (world.agent_of(spawn).await?, world.agent("two").await?);
    let other = one.open(&world.site.url("/counter?name=other")).await?;
    let tab = one.open_tab(&world.site.url("/form")).await?;
    one.fill(tab, &["textbox", "Name"], "half written").await?;
    one.read(tab, "globalThis.since = 'before'").await?;
    let alias = two.alias_of("one").await?;
    let listed = one.tabs().await?;
    for (end, era) in [
        (End::Kill, Era::Legacy),
        (End::Terminate, Era::Modern),
        (End::CloseStdin, Era::Legacy),
    ] {
        one.end(end).await?;
        let wanted = json!({"tabId": tab, "wait": 0});
        let wanted = two.call("browser_snapshot", wanted).await?;
        assert!(wanted.failed_with("tab_owned"), "after {end:?}: {wanted}");
        let mut again = one.spawn();
        again.era = era;
        one = world.agent_of(again).await?;
        // Without a tab named: its current one is the one that it was.
        let seen = one.ok("browser_snapshot", json!({})).await?;
        assert_eq!(seen.tab(), Some(tab), "after {end:?}: {seen}");
        assert!(seen.text.contains("half written"), "after {end:?}: {seen}");
        assert_eq!(one.read(tab, "since").await?, "before");
        assert_eq!(one.tabs().await?.text, listed.text, "after {end:?}");
        assert_eq!(two.alias_of("one").await?, alias);
    }
    let clicked = one.click(other, &["button", "Count"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("other", 1).await?;
    world.close().await
}

#[tokio::test]
async fn a_server_that_is_restarted_as_another_instance_is_somebody_else() -> Result<()> {
    let world = World::start().await?;
    let named = |id: &str| {
        let mut spawn = world.spawn("one", Era::Legacy);
        spawn.arguments.push(format!("--instance-id={id}"));
        spawn
    };
    let one = world.agent_of(named("first")).await?;
    let url = world.site.url("/counter?name=kept");
    let tab = one.open(&url).await?;
    one.end(End::Kill).await?;
    let other = world.agent_of(named("second")).await?;
    let wanted = json!({"tabId": tab, "wait": 0});
    let wanted = other.call("browser_snapshot", wanted).await?;
    assert!(wanted.failed_with("tab_owned"), "{wanted}");
    let own = other.open(&url).await?;
    assert_ne!(own, tab);
    // Who it was before has what it had, though the other one is still here.
    let again = world.agent_of(named("first")).await?;
    let seen = again.ok("browser_snapshot", json!({})).await?;
    assert_eq!(seen.tab(), Some(tab), "{seen}");
    assert_eq!(other.read(own, "document.title").await?, "Counter kept");
    world.close().await
}

#[tokio::test]
async fn a_named_instance_keeps_its_tab_beyond_the_ten_seconds_of_others() -> Result<()> {
    let world = World::start().await?;
    let mut spawn = world.spawn("named", Era::Legacy);
    spawn.arguments.push("--instance-id=orchard".into());
    let (named, other) = (world.agent_of(spawn).await?, world.agent("other").await?);
    let kept = named.open(&world.site.url("/slow?name=kept")).await?;
    let closed = other.open(&world.site.url("/slow?name=closed")).await?;
    let page = world.browser().extension_page("popup.html").await?;
    // In this order: when the second one's tab is gone, the first one's had as long.
    named.quit().await?;
    other.quit().await?;
    let there =
        async |id| -> Result<bool> { Ok(page.tabs().await?.iter().any(|tab| tab.id == id)) };
    e2e::until("the other's tab to close", async || {
        Ok((!there(closed).await?).then_some(()))
    })
    .await?;
    assert!(there(kept).await?, "the tab of a named instance was closed");
    let again = world.agent_of(named.spawn()).await?;
    let seen = again.ok("browser_snapshot", json!({})).await?;
    assert_eq!(seen.tab(), Some(kept), "{seen}");
    world.close().await
}

#[tokio::test]
async fn a_terminated_server_ends_promptly_and_cleanly() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let started = std::time::Instant::now();
    let status = one.end(End::Terminate).await?;
    assert!(status.success(), "{status}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    world.close().await
}

#[tokio::test]
async fn a_twelfth_server_finds_a_port_beyond_the_range_and_is_found() -> Result<()> {
    let world = World::start().await?;
    let mut agents = Vec::new();
    for number in 1..=12 {
        agents.push(world.agent(&format!("agent{number}")).await?);
    }
    let mut ports = Vec::new();
    for agent in &agents {
        let name = agent.name();
        let tab = agent
            .open(&world.site.url(&format!("/slow?name={name}")))
            .await?;
        assert_eq!(agent.read(tab, "document.title").await?, name);
        ports.extend(ports_of(agent.pid())?);
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 12, "{ports:?}");
    let (beyond, inside) = (world.ports.last() + 1, world.ports.first());
    assert_eq!((ports[0], ports[11]), (inside, beyond), "{ports:?}");
    world.close().await
}

/// Accepts for ever on the first port of the range and does with each socket what `then` does.
fn squat(world: &World, then: fn(std::net::TcpStream)) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", world.ports.first())).context("squatting")?;
    std::thread::spawn(move || listener.incoming().flatten().for_each(then));
    Ok(())
}

fn answer_as_any_web_server(mut socket: std::net::TcpStream) {
    let mut request = [0; 1024];
    // Whatever it asks, whoever it is.
    let _ = socket.read(&mut request);
    let _ = socket.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    );
}

fn say_nothing(socket: std::net::TcpStream) {
    // Kept open until the process ends.
    std::mem::forget(socket);
}

/// Longer than the extension waits for a socket to open: one dialled in vain has made its noise.
const DIALLED_IN_VAIN: Duration = Duration::from_secs(7);

/// Beside a foreign service the next port is taken, found, and the console stays clean.
async fn works_beside(then: fn(std::net::TcpStream)) -> Result<()> {
    let world = World::start().await?;
    squat(&world, then)?;
    let console = world.browser().watch_worker().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=here")).await?;
    assert_eq!(one.read(tab, "document.title").await?, "here");
    assert!(!ports_of(one.pid())?.contains(&world.ports.first()));
    tokio::time::sleep(DIALLED_IN_VAIN).await;
    assert_eq!(console.problems(), Vec::<String>::new());
    // The squatter lives as long as this process: its port cannot be checked.
    world.close_beside_a_listener().await
}

#[tokio::test]
async fn a_foreign_web_server_on_the_first_port_is_passed_over() -> Result<()> {
    works_beside(answer_as_any_web_server).await
}

#[tokio::test]
async fn a_service_that_accepts_and_says_nothing_holds_nobody_up() -> Result<()> {
    works_beside(say_nothing).await
}

#[tokio::test]
async fn closed_ports_make_no_noise_in_the_extensions_console() -> Result<()> {
    let world = World::start().await?;
    let console = world.browser().watch_worker().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    tokio::time::sleep(DIALLED_IN_VAIN).await;
    one.open(&world.site.url("/table")).await?;
    assert_eq!(console.problems(), Vec::<String>::new());
    world.close().await
}
