//! Two browsers with one extension: a session is at home in one of them, the other stands by.

use anyhow::{Context, Result};
use e2e::{Browser, ExtensionPage, Start, World};
use serde_json::json;

/// What the browser is called, as its popup says.
async fn named(popup: &ExtensionPage) -> Result<String> {
    let name = e2e::until("the browser's name", async || {
        let name = popup
            .evaluate("document.getElementById('browser').value")
            .await?;
        Ok(name
            .as_str()
            .filter(|name| !name.is_empty())
            .map(str::to_owned))
    });
    name.await.context("a browser without a name")
}

#[tokio::test]
async fn another_browser_stands_by_until_the_agent_moves_to_it() -> Result<()> {
    let mut world = World::start().await?;
    let one = world.agent("gardener").await?;
    let url = world.site.url("/slow?name=home");
    let tab = one.open(&url).await?;
    let own = named(&world.browser().extension_page("popup.html").await?).await?;
    let other = Browser::start(Start {
        extension: &world.extension(),
        profile: &world.folder().join("other-profile"),
        mark: "standby-",
        window: e2e::Window::Headless,
        beside: None,
        rebound: None,
        trusted: None,
    })
    .await?;
    let popup = other.extension_page("popup.html").await?;
    e2e::until("the other browser to stand by", async || {
        let text = popup.text().await?;
        Ok(text.contains("works in another browser").then_some(()))
    })
    .await?;
    let name = &*named(&popup).await?;
    assert_eq!(one.read(tab, "document.title").await?, "home");

    // Its own browser does not come back: never silently on to the other.
    world.stop_browser();
    let gone = one.call("browser_snapshot", json!({})).await?;
    // Its own, the one that stands by, and how to move there.
    gone.must_fail("browser_gone", &[&own, name, "browser_session"]);

    let moved = one
        .call("browser_session", json!({"browser": name}))
        .await?;
    assert!(moved.is_ok() && moved.text.contains(&url), "{moved}");
    let lost = one.call("browser_snapshot", json!({})).await?;
    assert!(lost.failed_with("tabs_lost"), "{lost}");
    let url = world.site.url("/slow?name=moved");
    let tab = one.open_tab(&url).await?;
    assert_eq!(one.read(tab, "document.title").await?, "moved");
    let tabs = popup.tabs().await?;
    assert!(tabs.iter().any(|one| one.id == tab && one.url == url));
    one.quit().await?;
    drop(other);
    world.close().await
}
