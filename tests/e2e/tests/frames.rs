//! Frames inside frames: of the page's own site, of others that Chromium draws in processes of
//! their own, and of nobody that an agent may read.

use anyhow::{Context, Result};
use e2e::{Agent, World, value_in};
use serde_json::{Value, json};

/// A query value that is an address with a query of its own.
fn encoded(url: &str) -> String {
    url.replace('%', "%25")
        .replace('&', "%26")
        .replace('=', "%3D")
}

/// The page with frames, whose `far` frame is of another site and has a `deep` one of the first.
fn frames(world: &World, rest: &str) -> String {
    let deep = world.site.url("/frame?name=deep");
    let far = format!("/frame?name=far&deep={}", encoded(&deep));
    let far = world.site.other_url(&far);
    let path = format!("/frames?far={}{rest}", encoded(&far));
    world.site.url(&path)
}

async fn on_frames(rest: &str) -> Result<(World, Agent, i64)> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&frames(&world, rest)).await?;
    world.site.until_hits("loaded deep", 1).await?;
    Ok((world, one, tab))
}

/// What `function` gives for the element whose line in a snapshot contains all `words`.
async fn ask(agent: &Agent, tab: i64, words: &[&str], expression: &str) -> Result<String> {
    let mut arguments = agent.aim(tab, words).await?;
    arguments["function"] = json!(format!("(e) => '[' + '[' + ({expression}) + ']' + ']'"));
    value_in(&agent.ok("browser_evaluate", arguments).await?)
}

#[tokio::test]
async fn a_snapshot_shows_what_frames_show_where_they_stand() -> Result<()> {
    let (world, one, tab) = on_frames("").await?;
    let seen = one.ok("browser_snapshot", json!({"tabId": tab})).await?;
    let depth = |words: &str| -> Result<usize> {
        let line = seen.text.lines().find(|line| line.contains(words));
        let line = line.with_context(|| format!("no {words} in {seen}"))?;
        Ok(line.len() - line.trim_start().len())
    };
    let inside = [
        depth("button \"Count near\"")?,
        depth("button \"Count far\"")?,
        depth("In the sandbox")?,
        depth("button \"Count deep\"")?,
    ];
    assert_eq!(depth("button \"Outside\"")?, 0, "{seen}");
    assert_eq!(inside, [2, 2, 0, 4], "{seen}");
    assert!(seen.text.contains("]: In the sandbox"), "{seen}");
    let references: Vec<_> = ["near", "far", "deep"]
        .iter()
        .map(|name| seen.reference(&["Count", name]))
        .collect();
    let marks: Vec<_> = references
        .iter()
        .flatten()
        .filter_map(|reference| reference.split_once('_'))
        .map(|(_, mark)| mark)
        .collect();
    assert!(
        marks.len() == 3 && marks[0] != marks[1] && marks[1] != marks[2],
        "{references:?}"
    );
    world.close().await
}

#[tokio::test]
async fn what_is_in_frames_is_clicked_filled_chosen_and_pointed_at_where_it_is() -> Result<()> {
    let (world, one, tab) = on_frames("").await?;
    for name in ["near", "far", "deep"] {
        let clicked = one.click(tab, &["button", "Count", name]).await?;
        assert!(clicked.is_ok(), "{clicked}");
        world.site.until_hits(name, 1).await?;
        let hover = one.aim(tab, &["button", "Hover", name]).await?;
        one.ok("browser_hover", hover).await?;
        world.site.until_hits(&format!("over {name}"), 1).await?;
        let mut typed = one.aim(tab, &["textbox", name]).await?;
        typed["text"] = json!(format!("words for {name}"));
        one.ok("browser_type", typed).await?;
        // The focus is where it was typed, whatever process that is.
        one.ok("browser_press_key", json!({"tabId": tab, "key": "!"}))
            .await?;
        let value = ask(&one, tab, &["textbox", name], "e.value").await?;
        assert_eq!(value, format!("words for {name}!"));
        let mut size = one.aim(tab, &["combobox", name]).await?;
        size["values"] = json!(["Big"]);
        one.ok("browser_select_option", size).await?;
        let value = ask(&one, tab, &["combobox", name], "e.value").await?;
        assert_eq!(value, "Big");
    }
    for name in ["near", "far", "deep"] {
        assert_eq!(world.site.hits(name), 1, "{name}");
    }
    world.close().await
}

#[tokio::test]
async fn a_script_with_an_element_runs_in_that_elements_frame() -> Result<()> {
    let (world, one, tab) = on_frames("").await?;
    for name in ["near", "far", "deep"] {
        let own =
            "document.title + ' ' + (e instanceof HTMLButtonElement) + ' ' + (this === window)";
        let told = ask(&one, tab, &["button", "Count", name], own).await?;
        assert_eq!(told, format!("{name} true true"));
    }
    assert_eq!(one.read(tab, "document.title").await?, "Frames");
    world.close().await
}

#[tokio::test]
async fn a_frame_that_is_scaled_moved_or_far_below_is_clicked_where_it_shows() -> Result<()> {
    let style = "transform:scale(.5) translate(40px,700px);transform-origin:0 0";
    let (world, one, tab) = on_frames(&format!("&style={}", encoded(style))).await?;
    for name in ["far", "deep"] {
        let clicked = one.click(tab, &["button", "Count", name]).await?;
        assert!(clicked.is_ok(), "{clicked}");
        world.site.until_hits(name, 1).await?;
    }
    // As tall as what is in it: the page around it must be scrolled.
    let tall = world.site.other_url("/tall-frame?name=below");
    let path = format!("/frames?far={}&style=height:2800px", encoded(&tall));
    one.open(&world.site.url(&path)).await?;
    let clicked = one.click(tab, &["button", "below"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("below", 1).await?;
    world.close().await
}

#[tokio::test]
async fn a_frame_that_is_covered_is_not_clicked_through() -> Result<()> {
    let (world, one, tab) = on_frames("&cover=yes").await?;
    for name in ["near", "far", "deep"] {
        let refused = one.click(tab, &["button", "Count", name]).await?;
        assert!(refused.failed_with("not_actionable"), "{refused}");
        assert!(refused.text.contains("div#cover"), "{refused}");
        assert_eq!(world.site.hits(name), 0);
    }
    world.close().await
}

#[tokio::test]
async fn a_ref_is_stale_once_its_frame_has_gone_on_and_no_other_is() -> Result<()> {
    let (world, one, tab) = on_frames("").await?;
    let near = one.aim(tab, &["button", "Count near"]).await?;
    let far = one.aim(tab, &["button", "Count far"]).await?;
    let deep = one.aim(tab, &["button", "Count deep"]).await?;
    let outside = one.aim(tab, &["button", "Outside"]).await?;
    // To this page's own site, and so into its process.
    let url = world.site.url("/frame?name=moved");
    one.read(tab, &format!("far.src = '{url}'")).await?;
    world.site.until_hits("loaded moved", 1).await?;
    for gone in [far, deep] {
        let stale = one.call("browser_click", gone).await?;
        assert!(stale.failed_with("stale_ref"), "{stale}");
    }
    for stays in [near, outside] {
        let clicked = one.call("browser_click", stays).await?;
        assert!(clicked.is_ok(), "{clicked}");
    }
    let clicked = one.click(tab, &["button", "Count moved"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("moved", 1).await?;
    // And back to another.
    let url = world.site.other_url("/frame?name=back");
    one.read(tab, &format!("far.src = '{url}'")).await?;
    world.site.until_hits("loaded back", 1).await?;
    let clicked = one.click(tab, &["button", "Count back"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("back", 1).await?;
    let hits = ["near", "outside", "far", "deep"].map(|name| world.site.hits(name));
    assert_eq!(hits, [1, 1, 0, 0]);
    world.close().await
}

#[tokio::test]
async fn what_frames_write_and_ask_for_is_told_with_the_page() -> Result<()> {
    let (world, one, tab) = on_frames("").await?;
    let mut said = String::new();
    e2e::until("all frames to have said something", async || {
        let arguments = json!({"tabId": tab});
        let heard = one.ok("browser_console_messages", arguments).await?;
        said.push_str(&heard.text);
        let all = ["near", "far", "deep"].map(|name| format!("loaded {name}"));
        Ok(all.iter().all(|one| said.contains(one)).then_some(()))
    })
    .await?;
    let clicked = one.click(tab, &["button", "Count far"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    let far = world.site.other_url("/hit?name=far");
    e2e::until("the request of the other site", async || {
        let arguments = json!({"tabId": tab, "filter": "/hit?name=far"});
        let asked = one.ok("browser_network_requests", arguments).await?;
        Ok(asked.text.contains(&format!("{far} => 204")).then_some(()))
    })
    .await?;
    world.close().await
}

#[tokio::test]
async fn a_viewer_of_chromes_own_is_not_read() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/")).await?;
    // Chrome throws the debugger off when its viewer comes, and lets it in again afterwards.
    let url = world.site.url("/paper");
    one.call("browser_navigate", json!({"tabId": tab, "url": url}))
        .await?;
    let viewer = |target: &Value| {
        let url = target["url"].as_str().unwrap_or_default();
        url.starts_with("chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/")
    };
    e2e::until("Chrome's viewer", async || {
        let targets = world.browser().cdp().targets().await?;
        Ok(targets.iter().any(viewer).then_some(()))
    })
    .await?;
    let seen = one.ok("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(seen.text.contains("button \"Beside\""), "{seen}");
    // The frame, what Chrome puts into it to hold the viewer, and nothing of the viewer.
    let inside = seen.text.split_once("iframe \"paper\"");
    let (_, inside) = inside.context("the frame's line")?;
    let inside: Vec<&str> = inside.lines().skip(1).take(2).collect();
    assert!(inside[0].starts_with("  - iframe [ref="), "{seen}");
    assert_eq!(inside[1], "```", "{seen}");
    for line in ["chrome-extension", "Zoom", "Download"] {
        assert!(!seen.text.contains(line), "{seen}");
    }
    let clicked = one.click(tab, &["button", "Beside"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.close().await
}

#[tokio::test]
async fn frames_are_there_again_after_the_worker_died() -> Result<()> {
    let (world, one, tab) = on_frames("").await?;
    let far = one.aim(tab, &["button", "Count far"]).await?;
    world.browser().kill_worker().await?;
    let clicked = one.call("browser_click", far).await?;
    assert!(clicked.is_ok(), "{clicked}");
    let told = ask(&one, tab, &["button", "Count deep"], "document.title").await?;
    assert_eq!(told, "deep");
    assert_eq!(world.site.hits("far"), 1);
    world.close().await
}
