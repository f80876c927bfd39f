//! The popup, used by a person: it shows who works where, and gives, keeps, takes back, pauses.

use anyhow::{Context, Result};
use e2e::{Agent, End, ExtensionPage, World, ports_of};
use serde_json::json;

struct Scene {
    world: World,
    one: Agent,
    tab: i64,
    popup: ExtensionPage,
}

async fn one_agent_and_the_popup() -> Result<Scene> {
    let world = World::start().await?;
    let one = world.agent("gardener").await?;
    let tab = one.open(&world.site.url("/counter?name=roses")).await?;
    let popup = world.browser().extension_page("popup.html").await?;
    shows(&popup, "gardener").await?;
    Ok(Scene {
        world,
        one,
        tab,
        popup,
    })
}

async fn shows(popup: &ExtensionPage, text: &str) -> Result<()> {
    e2e::until(format!("the popup to show {text:?}"), async || {
        Ok(popup.text().await?.contains(text).then_some(()))
    })
    .await
}

/// The tab that the person looks at.
async fn front(popup: &ExtensionPage) -> Result<i64> {
    let tabs = popup.tabs().await?;
    Ok(tabs
        .iter()
        .find(|tab| tab.active)
        .context("no tab in front")?
        .id)
}

#[tokio::test]
async fn the_popup_shows_agents_their_ports_and_tabs_and_who_waits() -> Result<()> {
    let Scene {
        world,
        one,
        tab,
        popup,
    } = one_agent_and_the_popup().await?;
    let port = ports_of(one.pid())?
        .into_iter()
        .find(|port| world.ports.all().contains(port));
    shows(&popup, &format!(":{}", port.context("no port")?)).await?;
    shows(&popup, "Counter roses").await?;
    let two = world.agent("visitor").await?;
    two.open(&world.site.url("/")).await?;
    let mut waiting = two
        .begin("browser_snapshot", json!({"tabId": tab, "wait": 50}))
        .await?;
    waiting.until_progress("position").await?;
    shows(&popup, "waiting:").await?;
    one.ok("browser_tabs", json!({"action": "release", "tabId": tab}))
        .await?;
    assert!(waiting.answer().await?.is_ok());
    world.close().await
}

#[tokio::test]
async fn the_popup_shows_whose_turn_it_is_and_who_was_lost() -> Result<()> {
    let Scene {
        world,
        one,
        tab,
        popup,
    } = one_agent_and_the_popup().await?;
    let arguments = json!({"tabId": tab, "text": "never written"});
    let running = one.begin("browser_wait_for", arguments).await?;
    shows(&popup, "running browser_wait_for").await?;
    running.cancel().await?;
    e2e::until("the turn to end", async || {
        Ok((!popup.text().await?.contains("running")).then_some(()))
    })
    .await?;
    assert!(!popup.text().await?.contains("connection lost"));
    one.end(End::Kill).await?;
    shows(&popup, "connection lost").await?;
    shows(&popup, "Counter roses").await?;
    world.close().await
}

#[tokio::test]
async fn a_tab_taken_back_in_the_popup_is_the_agents_no_more() -> Result<()> {
    let Scene {
        world,
        one,
        tab,
        popup,
    } = one_agent_and_the_popup().await?;
    popup.click("Take back").await?;
    e2e::until("the agent to lose its tab", async || {
        let answer = one.call("browser_snapshot", json!({})).await?;
        if answer.is_ok() {
            return Ok(None);
        }
        answer.must_fail("tab_taken", &[&format!("tab {tab} "), "browser_tabs"]);
        Ok(Some(()))
    })
    .await?;
    // Until the debugger is off it is on its way to the person.
    e2e::until("the tab to be the person's", async || {
        let answer = one.call("browser_snapshot", json!({"tabId": tab})).await?;
        let there = answer.failed_with("tab_of_person");
        assert!(there || answer.failed_with("tab_taken"), "{answer}");
        Ok(there.then_some(()))
    })
    .await?;
    // Nothing of the agent is left on it.
    e2e::until("the group to go", async || {
        Ok(popup.groups().await?.is_empty().then_some(()))
    })
    .await?;
    let attached = "chrome.debugger.getTargets().then(all => all.filter(one => one.tabId && one.attached && one.url.startsWith('http')).length)";
    assert_eq!(popup.evaluate(attached).await?, json!(0));
    world.close().await
}

#[tokio::test]
async fn the_tab_in_front_given_in_the_popup_is_worked_on_and_never_closed() -> Result<()> {
    let Scene {
        world, one, popup, ..
    } = one_agent_and_the_popup().await?;
    let mine = front(&popup).await?;
    let url = world.site.url("/slow?name=lent");
    popup
        .evaluate(&format!(
            "chrome.tabs.update({mine}, {{url: {}}})",
            json!(url)
        ))
        .await?;
    let before = one
        .call("browser_snapshot", json!({"tabId": mine, "wait": 0}))
        .await?;
    assert!(before.failed_with("tab_of_person"), "{before}");
    shows(&popup, "lent").await?;
    popup.click("Give the tab in front").await?;
    e2e::until("the agent to have the tab", async || {
        let tried = one
            .call("browser_snapshot", json!({"tabId": mine, "wait": 0}))
            .await?;
        Ok(tried.is_ok().then_some(()))
    })
    .await?;
    assert_eq!(one.read(mine, "document.title").await?, "lent");
    one.quit().await?;
    e2e::until("the agent to be forgotten", async || {
        Ok((!popup.text().await?.contains("gardener")).then_some(()))
    })
    .await?;
    assert!(
        popup.tabs().await?.iter().any(|tab| tab.id == mine),
        "a borrowed tab was closed"
    );
    world.close().await
}

#[tokio::test]
async fn a_tab_kept_in_the_popup_stays_when_its_agent_ends() -> Result<()> {
    let Scene {
        world,
        one,
        tab,
        popup,
    } = one_agent_and_the_popup().await?;
    popup.click("Keep").await?;
    shows(&popup, "yours, lent").await?;
    one.quit().await?;
    e2e::until("the agent to be forgotten", async || {
        Ok((!popup.text().await?.contains("gardener")).then_some(()))
    })
    .await?;
    assert!(
        popup.tabs().await?.iter().any(|one| one.id == tab),
        "a kept tab was closed"
    );
    world.close().await
}

#[tokio::test]
async fn a_pause_in_the_popup_stops_every_agent_until_it_is_resumed() -> Result<()> {
    let Scene {
        world,
        one,
        tab,
        popup,
    } = one_agent_and_the_popup().await?;
    popup.click("Pause").await?;
    shows(&popup, "Paused").await?;
    let answer = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    answer.must_fail("stopped_by_user", &["the user resumes", "popup"]);
    popup.click("Resume").await?;
    e2e::until("the agent to work again", async || {
        Ok(one
            .call("browser_snapshot", json!({"tabId": tab}))
            .await?
            .is_ok()
            .then_some(()))
    })
    .await?;
    world.close().await
}

#[tokio::test]
async fn a_name_given_to_the_browser_is_told_to_agents() -> Result<()> {
    let Scene {
        world, one, popup, ..
    } = one_agent_and_the_popup().await?;
    popup
        .evaluate("document.getElementById('browser').value = 'greenhouse'")
        .await?;
    popup.click("Rename").await?;
    e2e::until("the new name", async || {
        let who = one.ok("browser_session", json!({})).await?;
        Ok(who.text.contains("greenhouse").then_some(()))
    })
    .await?;
    world.close().await
}
