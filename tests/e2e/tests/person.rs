//! The person at the browser: closes tabs, looks into the popup, and finds nothing left behind.

use anyhow::Result;
use e2e::World;
use serde_json::json;

#[tokio::test]
async fn a_tab_closed_by_the_person_ends_its_call_and_is_told_until_another_is_made() -> Result<()>
{
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=closed")).await?;
    let page = world.browser().extension_page("popup.html").await?;
    let arguments = json!({"tabId": tab, "text": "never written"});
    let waiting = one.begin("browser_wait_for", arguments).await?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    page.close_tab(tab).await?;
    let answer = waiting.answer().await?;
    let things = [&format!("Tab {tab} "), "/slow?name=closed", "browser_tabs"];
    answer.must_fail("tab_gone", &things);
    let next = one.call("browser_snapshot", json!({})).await?;
    assert!(next.failed_with("tab_gone"), "{next}");
    let listed = one.tabs().await?;
    assert!(!listed.text.contains(&tab.to_string()), "{listed}");
    let other = one.open_tab(&world.site.url("/slow?name=new")).await?;
    assert_ne!(other, tab);
    assert_eq!(one.read(other, "document.title").await?, "new");
    world.close().await
}

#[tokio::test]
async fn tabs_of_an_agent_stand_in_a_group_with_its_label_and_go_with_it() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("gardener").await?;
    let page = world.browser().extension_page("popup.html").await?;
    let tab = one.open(&world.site.url("/slow?name=grouped")).await?;
    e2e::until("the group", async || {
        let titles = page.groups().await?;
        Ok(titles
            .iter()
            .any(|title| title.contains("gardener"))
            .then_some(()))
    })
    .await?;
    let unloaded = format!("chrome.tabs.get({tab}).then(tab => tab.autoDiscardable)");
    assert_eq!(page.evaluate(&unloaded).await?, json!(false));
    one.quit().await?;
    e2e::until("tab and group to go", async || {
        let there = page.tabs().await?.iter().any(|one| one.id == tab);
        Ok((!there && page.groups().await?.is_empty()).then_some(()))
    })
    .await?;
    assert!(page.evaluate("chrome.debugger.getTargets().then(all => all.filter(t => t.attached && t.url.startsWith('http')).length)").await? == 0);
    world.close().await
}

#[tokio::test]
async fn the_badge_counts_the_agents_that_are_connected() -> Result<()> {
    let world = World::start().await?;
    let page = world.browser().extension_page("popup.html").await?;
    let badge = async |text: &str| {
        e2e::until(format!("the badge {text:?}"), async || {
            let shown = page.evaluate("chrome.action.getBadgeText({})").await?;
            Ok((shown == text).then_some(()))
        })
        .await
    };
    badge("✗").await?;
    let one = world.agent("gardener").await?;
    badge("1").await?;
    let two = world.agent("visitor").await?;
    badge("2").await?;
    let title = page.evaluate("chrome.action.getTitle({})").await?;
    let title = title.as_str().unwrap_or_default();
    assert!(
        title.contains("gardener") && title.contains("visitor"),
        "{title}"
    );
    two.quit().await?;
    badge("1").await?;
    one.quit().await?;
    badge("✗").await?;
    world.close().await
}

#[tokio::test]
async fn servers_that_have_ended_leave_nothing_in_the_registry() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    one.open(&world.site.url("/")).await?;
    two.open(&world.site.url("/")).await?;
    let registry = world.state().join("registry");
    let entries = || -> Result<usize> { Ok(std::fs::read_dir(&registry)?.count()) };
    assert!(entries()? >= 2, "no entries of two living servers");
    one.quit().await?;
    two.quit().await?;
    assert_eq!(entries()?, 0);
    world.close().await
}
