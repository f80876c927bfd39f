//! How the popup looks: with nobody, one and twenty agents, with long names, in the light and in
//! the dark. The pictures are kept beside the build, for people to look at.

use anyhow::{Context, Result};
use e2e::{Era, ExtensionPage, Picture, World};
use serde_json::json;
use std::path::Path;

/// What is wrong with the layout: sentences, best none.
const FLAWS: &str = "(() => {
    const flaws = [];
    const root = document.documentElement, list = document.querySelector('main');
    for (const box of [root, document.body, list]) {
        if (box.scrollWidth > box.clientWidth) flaws.push(`${box.localName} is wider than it shows`);
    }
    if (document.body.getBoundingClientRect().bottom > innerHeight) flaws.push('body is cut');
    if (root.scrollHeight > root.clientHeight) flaws.push('the page scrolls');
    for (const row of document.querySelectorAll('li, button, #front p, #advice, header > *')) {
        const seen = row.checkVisibility();
        if (!seen) continue;
        row.scrollIntoView({ block: 'nearest' });
        const at = row.getBoundingClientRect();
        const what = `${row.localName} \\\"${row.innerText.slice(0, 30)}\\\"`;
        if (at.left < 0 || at.right > innerWidth) flaws.push(`${what} sticks out`);
        if (at.height < 1) flaws.push(`${what} has no height`);
        const small = at.height < list.clientHeight;
        if (small && (at.top < -1 || at.bottom > innerHeight + 1)) flaws.push(`${what} is out of sight`);
    }
    for (const title of document.querySelectorAll('.title')) {
        if (title.checkVisibility() && title.innerText && title.clientWidth < 60)
            flaws.push(`no room for \\\"${title.innerText.slice(0, 30)}\\\"`);
    }
    list.scrollTo(0, 0);
    return flaws;
})()";

/// Looks at it in both lights, keeps the pictures, and tells what the two grounds are.
async fn looked_at(popup: &ExtensionPage, name: &str) -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("popup");
    std::fs::create_dir_all(&folder)?;
    let mut grounds = Vec::new();
    for (dark, light) in [(false, "light"), (true, "dark")] {
        popup.shows_as_popup(600, dark).await?;
        assert_eq!(popup.evaluate(FLAWS).await?, json!([]), "{name}, {light}");
        let file = folder.join(format!("{name}-{light}.png"));
        let png = popup.screenshot().await?;
        std::fs::write(&file, &png)?;
        grounds.push(
            Picture::of_png(&png)?
                .at(1, 1)
                .context("an empty picture")?,
        );
    }
    let [light, dark] = grounds[..] else {
        anyhow::bail!("two pictures");
    };
    assert!(
        light.iter().min() > Some(&200) && dark.iter().max() < Some(&60),
        "{light:?} {dark:?}"
    );
    Ok(())
}

async fn badge(popup: &ExtensionPage, text: &str) -> Result<()> {
    e2e::until(format!("the badge {text:?}"), async || {
        let shown = popup.evaluate("chrome.action.getBadgeText({})").await?;
        Ok((shown == text).then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_popup_has_room_for_nobody_one_and_twenty_agents() -> Result<()> {
    const LONG: &str = "a-client-with-quite-a-long-name 12.34.5 (feature/rework-the-whole-thing)";
    let world = World::start().await?;
    let popup = world.browser().extension_page("popup.html").await?;
    badge(&popup, "✗").await?;
    looked_at(&popup, "nobody").await?;
    let one = world.agent("gardener").await?;
    one.open(&world.site.url("/counter?name=roses")).await?;
    badge(&popup, "1").await?;
    looked_at(&popup, "one").await?;
    for number in 2..=20 {
        let mut spawn = world.spawn(&format!("agent-{number}"), Era::Legacy);
        let label = spawn.arguments.last_mut().context("no label")?;
        if number % 3 == 0 {
            *label = format!("{number} {LONG}");
        }
        let agent = world.agent_of(spawn).await?;
        if number % 4 == 0 {
            let words = "with-a-title-that-does-not-end-".repeat(5);
            let url = world.site.url(&format!("/counter?name={words}"));
            agent.open(&url).await?;
            agent.open_tab(&world.site.url("/table")).await?;
        }
    }
    badge(&popup, "20").await?;
    let waiting = world.agent("visitor").await?;
    let tab = one.open(&world.site.url("/shop?name=tulips")).await?;
    let mut claim = waiting
        .begin("browser_snapshot", json!({"tabId": tab, "wait": 60}))
        .await?;
    claim.until_progress("position").await?;
    looked_at(&popup, "twenty").await?;
    popup.click("Pause").await?;
    e2e::until("the pause", async || {
        Ok(popup.text().await?.contains("Paused").then_some(()))
    })
    .await?;
    badge(&popup, "II").await?;
    looked_at(&popup, "paused").await?;
    world.close().await
}
