//! Pages at the edge, behind a person's window: they ask before they are left, are thrown out of
//! memory, crash, never finish, close themselves. The agent is told, and the person is left alone.

use anyhow::{Context, Result};
use e2e::{Agent, ExtensionPage, Options, Shown, World};
use serde_json::json;
use std::time::Duration;

async fn a_world_with_a_person() -> Result<World> {
    let options = Options {
        shown: Shown::ToAPerson,
        ..Options::default()
    };
    World::with(options).await
}

async fn panel(world: &World) -> Result<ExtensionPage> {
    world.browser().extension_page("popup.html").await
}

async fn clicks(world: &World, agent: &Agent, tab: i64, name: &str) -> Result<()> {
    let before = world.site.hits(name);
    let clicked = agent.click(tab, &["button", "Count"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits(name, before + 1).await
}

/// Opens a page that asks before it is left, and touches it: only then Chrome lets it ask.
async fn touched(world: &World, agent: &Agent) -> Result<i64> {
    let tab = agent.open_tab(&world.site.url("/leaving")).await?;
    let clicked = agent.click(tab, &["button", "Touch"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    assert_eq!(
        agent
            .read(tab, "document.querySelector('output').textContent")
            .await?,
        "touched"
    );
    Ok(tab)
}

#[tokio::test]
async fn a_page_that_asks_before_it_is_left_is_left_when_the_agent_says_so() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let one = world.agent("one").await?;
    let tab = touched(&world, &one).await?;
    let url = world.site.url("/counter?name=after");
    for stays in [true, false] {
        let leaving = one
            .call("browser_navigate", json!({"tabId": tab, "url": url}))
            .await?;
        assert!(leaving.text.contains("beforeunload"), "{leaving}");
        one.ok(
            "browser_handle_dialog",
            json!({"tabId": tab, "accept": !stays}),
        )
        .await?;
        if stays {
            assert_eq!(one.read(tab, "document.title").await?, "Leaving");
        }
    }
    clicks(&world, &one, tab, "after").await?;
    world.close().await
}

#[tokio::test]
async fn tabs_whose_pages_ask_before_they_are_left_close_without_asking_anybody() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let panel = panel(&world).await?;
    let one = world.agent("one").await?;
    let closed = touched(&world, &one).await?;
    let left = touched(&world, &one).await?;
    one.ok("browser_tabs", json!({"action": "close", "tabId": closed}))
        .await?;
    e2e::until("the closed tab to go", async || {
        Ok(panel
            .tabs()
            .await?
            .iter()
            .all(|tab| tab.id != closed)
            .then_some(()))
    })
    .await?;
    one.quit().await?;
    e2e::until("the agent's tab to go with it", async || {
        Ok(panel
            .tabs()
            .await?
            .iter()
            .all(|tab| tab.id != left)
            .then_some(()))
    })
    .await?;
    assert_eq!(person.noticed().await?, Vec::<String>::new());
    person.types("nobody asked").await?;
    assert_eq!(person.text().await?, "nobody asked");
    world.close().await
}

#[tokio::test]
async fn an_alert_in_onload_of_a_hidden_tab_is_the_agents_alone() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/onload-alert");
    let opened = one.call("browser_navigate", json!({"url": url})).await?;
    assert!(opened.text.contains("from onload"), "{opened}");
    let tab = opened.tab().context("no tab")?;
    person.types("the person types on").await?;
    assert_eq!(person.text().await?, "the person types on");
    one.ok(
        "browser_handle_dialog",
        json!({"tabId": tab, "accept": true}),
    )
    .await?;
    assert_eq!(
        one.read(tab, "document.querySelector('output').textContent")
            .await?,
        "closed"
    );
    person.noticed().await?;
    // Once more, and the agent leaves it open: it goes with the agent.
    one.call("browser_navigate", json!({"action": "reload"}))
        .await?;
    let panel = panel(&world).await?;
    one.quit().await?;
    e2e::until("the tab to go", async || {
        Ok(panel
            .tabs()
            .await?
            .iter()
            .all(|one| one.id != tab)
            .then_some(()))
    })
    .await?;
    assert_eq!(person.noticed().await?, Vec::<String>::new());
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn discarded_and_crashed_tabs_are_told_and_worked_on_again() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let panel = panel(&world).await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=again");
    let tab = one.open(&url).await?;
    clicks(&world, &one, tab, "again").await?;
    // Chrome gives it another id; the agent works in it as before.
    let discard = format!("chrome.tabs.discard({tab}).then(tab => tab.id)");
    let tab = panel.evaluate(&discard).await?;
    let tab = tab.as_i64().context("no tab")?;
    let seen = one.ok("browser_snapshot", json!({})).await?;
    assert_eq!(seen.tab(), Some(tab), "{seen}");
    clicks(&world, &one, tab, "again").await?;
    let page = world.browser().page(&url).await?;
    // It never answers.
    let crash = page.call("Page.crash", json!({}));
    let answered = tokio::time::timeout(Duration::from_secs(1), crash).await;
    assert!(answered.is_err(), "{answered:?}");
    let seen = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(seen.failed_with("page_crashed"), "{seen}");
    one.ok(
        "browser_navigate",
        json!({"tabId": tab, "action": "reload"}),
    )
    .await?;
    clicks(&world, &one, tab, "again").await?;
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn a_page_that_never_finishes_is_worked_on() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let one = world.agent("one").await?;
    let opened = one
        .ok(
            "browser_navigate",
            json!({"url": world.site.url("/unfinished?name=soon")}),
        )
        .await?;
    assert!(opened.text.contains("still loading"), "{opened}");
    let tab = opened.tab().context("no tab")?;
    clicks(&world, &one, tab, "soon").await?;
    one.look(tab).await?;
    world.close().await
}

#[tokio::test]
async fn history_brings_pages_back_as_they_were_left_and_they_take_clicks() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=kept")).await?;
    clicks(&world, &one, tab, "kept").await?;
    one.read(
        tab,
        "(addEventListener('pageshow', event => { window.kept = event.persisted }), 1)",
    )
    .await?;
    one.open(&world.site.url("/counter?name=other")).await?;
    let back = one.ok("browser_navigate_back", json!({})).await?;
    // Such a page has been loaded long ago: nothing more is told of it, and nothing waited for.
    assert!(!back.text.contains("still loading"), "{back}");
    assert_eq!(one.read(tab, "window.kept").await?, "true");
    let counted = "document.querySelector('output').textContent";
    assert_eq!(one.read(tab, counted).await?, "1");
    clicks(&world, &one, tab, "kept").await?;
    one.look(tab).await?;
    one.ok("browser_navigate", json!({"action": "forward"}))
        .await?;
    clicks(&world, &one, tab, "other").await?;
    world.close().await
}

/// Chrome prerenders for a tab in front, and for none with a debugger: the page goes there after the
/// tab was given and before the agent's first call on it.
#[tokio::test]
async fn a_prerendered_page_is_not_taken_for_the_page_that_the_agent_was_given() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let panel = panel(&world).await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let make = "chrome.tabs.create({active: true}).then(tab => tab.id)";
    let tab = panel.evaluate(make).await?.as_i64().context("no tab")?;
    panel.gives(tab).await?;
    let watch = "self.prerendered = []; chrome.webNavigation.onCommitted.addListener((one) => \
                 one.documentLifecycle === 'prerender' && prerendered.push(one.url)); 0";
    panel.evaluate(watch).await?;
    let url = world.site.url("/prerender?name=early");
    let goes = format!("chrome.tabs.update({tab}, {{url: '{url}'}}).then(() => 0)");
    panel.evaluate(&goes).await?;
    let other = json!([world.site.url("/counter?name=early")]);
    e2e::until("the other page to be prerendered", async || {
        Ok((panel.evaluate("prerendered").await? == other).then_some(()))
    })
    .await?;
    let listed = one.tabs().await?;
    assert!(listed.text.contains("/prerender?name=early"), "{listed}");
    assert!(!listed.text.contains("/counter"), "{listed}");
    let seen = one.ok("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(seen.text.contains("/prerender?name=early"), "{seen}");
    assert!(!seen.text.contains("Counter"), "{seen}");
    // The link leads there all the same.
    let clicked = one.click(tab, &["link", "Go on"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    clicks(&world, &one, tab, "early").await?;
    world.close().await
}

#[tokio::test]
async fn pages_that_close_themselves_end_with_an_answer() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/closing")).await?;
    let clicked = one.click(tab, &["button", "Open"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    let panel = panel(&world).await?;
    let child = e2e::until("the popup", async || {
        let tabs = panel.tabs().await?;
        let child = tabs.iter().find(|tab| tab.url.contains("who=child"));
        Ok(child.map(|tab| tab.id))
    })
    .await?;
    let closed = one.click(child, &["button", "Close"]).await?;
    assert!(closed.failed_with("tab_gone"), "{closed}");
    let after = one
        .call("browser_snapshot", json!({"tabId": child}))
        .await?;
    assert!(after.failed_with("tab_gone"), "{after}");
    assert_eq!(one.read(tab, "document.title").await?, "Closing");
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn chrome_pages_and_error_pages_are_told_and_left() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let panel = panel(&world).await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=home")).await?;
    panel
        .evaluate(&format!(
            "chrome.tabs.update({tab}, {{url: 'chrome://version'}})"
        ))
        .await?;
    e2e::until("the chrome page", async || {
        let tabs = panel.tabs().await?;
        Ok(tabs
            .iter()
            .any(|one| one.id == tab && one.url.starts_with("chrome://version"))
            .then_some(()))
    })
    .await?;
    for tool in ["browser_snapshot", "browser_take_screenshot"] {
        let refused = one.call(tool, json!({"tabId": tab})).await?;
        assert!(refused.failed_with("url_refused"), "{refused}");
    }
    let nobody = format!("http://127.0.0.1:{}/", world.ports.all().end());
    let failed = one
        .call("browser_navigate", json!({"tabId": tab, "url": nobody}))
        .await?;
    assert!(failed.failed_with("navigation_failed"), "{failed}");
    let seen = one.ok("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(seen.text.contains("ERR_CONNECTION_REFUSED"), "{seen}");
    one.open(&world.site.url("/counter?name=home")).await?;
    clicks(&world, &one, tab, "home").await?;
    world.close().await
}
