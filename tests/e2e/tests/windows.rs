//! Windows as people have them, with the agents' tabs behind theirs: what an agent does arrives
//! there, whether the window is small, covered, minimised or rearranged under the agent's hands.

use anyhow::{Context, Result};
use e2e::{Agent, ExtensionPage, Options, Shown, World};
use futures_util::future::try_join_all;
use serde_json::json;
use std::time::{Duration, Instant};

/// How long a person holds a tab that does not come along, before they try again.
const DRAG_PATIENCE: Duration = Duration::from_secs(5);

async fn a_world_with_a_person() -> Result<World> {
    let options = Options {
        shown: Shown::ToAPerson,
        ..Options::default()
    };
    World::with(options).await
}

fn paint(world: &World, name: &str, color: &str) -> String {
    world.site.url(&format!("/paint?name={name}&color={color}"))
}

/// Clicks, types and looks, and all of it is there.
async fn acts(world: &World, agent: &Agent, tab: i64, name: &str, color: [u8; 3]) -> Result<()> {
    let before = world.site.hits(name);
    let clicked = agent.click(tab, &["button", "Count"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits(name, before + 1).await?;
    let typed = agent.fill(tab, &["textbox", "Note"], name).await?;
    assert!(typed.is_ok(), "{typed}");
    assert_eq!(agent.read(tab, "note.title").await?, name);
    let picture = agent.look(tab).await?;
    assert_eq!(picture.at(3, 3), Some(color), "of another page");
    // Once, not twice.
    assert_eq!(world.site.hits(name), before + 1);
    Ok(())
}

#[tokio::test]
async fn a_hover_a_click_a_text_and_a_picture_succeed_as_the_first_call_after_the_attach()
-> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let tab = one.open(&paint(&world, "first", "204060")).await?;
    let button = one.aim(tab, &["button", "Count"]).await?;
    let mut note = one.aim(tab, &["textbox", "Note"]).await?;
    note["text"] = json!("typed at once");
    // A change of owner takes the debugger off: each call here is the first of an attachment.
    let calls = [
        ("browser_hover", button.clone()),
        ("browser_click", button),
        ("browser_type", note),
        ("browser_take_screenshot", json!({"tabId": tab})),
    ];
    let mut owners = [&one, &two].into_iter().cycle();
    for (tool, arguments) in calls {
        let owner = owners.next().context("an owner")?;
        owner
            .ok("browser_tabs", json!({"action": "release", "tabId": tab}))
            .await?;
        let next = owners.clone().next().context("an owner")?;
        next.ok(tool, arguments).await?;
    }
    world.site.until_hits("first", 1).await?;
    let hits = ["first", "over first"].map(|name| world.site.hits(name));
    assert_eq!(hits, [1, 1]);
    assert_eq!(one.read(tab, "note.title").await?, "typed at once");
    world.close().await
}

#[tokio::test]
async fn the_wheel_scrolls_a_hidden_tab_and_what_is_under_the_mouse_alone() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let tab = one.open(&paint(&world, "wheel", "204060")).await?;
    let long = "document.body.innerHTML = '<button style=\"display:block; height: 80px; overflow: auto\">\
        <p style=\"height: 900px\">Inner list</p></button><p style=\"height: 9000px\">long</p>'";
    one.read(tab, long).await?;
    one.ok("browser_tabs", json!({"action": "release", "tabId": tab}))
        .await?;
    // The first call of an attachment.
    let down = json!({"tabId": tab, "deltaY": 700});
    two.ok("browser_mouse_wheel", down).await?;
    assert_eq!(two.read(tab, "String(scrollY)").await?, "700");
    let mut inner = two.aim(tab, &["button", "Inner list"]).await?;
    inner["deltaY"] = json!(50);
    two.ok("browser_mouse_wheel", inner).await?;
    let scrolled = "document.querySelector('button').scrollTop + ' ' + scrollX";
    assert_eq!(two.read(tab, scrolled).await?, "50 0");
    world.close().await
}

/// Such a tab has never painted: no debugger was there when it was loaded.
#[tokio::test]
async fn a_hidden_tab_that_the_person_gives_is_pictured_and_clicked_at_once() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let panel = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    for (number, name) in ["pictured", "clicked", "filled"].into_iter().enumerate() {
        let url = paint(&world, name, "0a7050");
        let make =
            format!("chrome.tabs.create({{url: '{url}', active: false}}).then(tab => tab.id)");
        let tab = panel.evaluate(&make).await?.as_i64().context("no tab")?;
        e2e::until("the page to load", async || {
            let state = format!("chrome.tabs.get({tab}).then(tab => tab.status)");
            Ok((panel.evaluate(&state).await? == "complete").then_some(()))
        })
        .await?;
        panel.gives(tab).await?;
        match number {
            0 => assert_eq!(one.look(tab).await?.at(3, 3), Some([0x0a, 0x70, 0x50])),
            1 => {
                assert!(one.click(tab, &["button", "Count"]).await?.is_ok());
                // What is counted next is the next click.
                world.site.until_hits(name, 1).await?;
            }
            _ => assert!(one.fill(tab, &["textbox", "Note"], "x").await?.is_ok()),
        }
        acts(&world, &one, tab, name, [0x0a, 0x70, 0x50]).await?;
    }
    assert_eq!(world.site.hits("clicked"), 2);
    world.close().await
}

#[tokio::test]
async fn eight_hidden_tabs_are_clicked_filled_and_pictured_at_once() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let work = (1..=8_u8).map(|number| {
        let world = &world;
        async move {
            let name = format!("tab-{number}");
            let agent = world.agent(&name).await?;
            let color = [number * 20, 250 - number * 20, 90];
            let [red, green, blue] = color;
            let url = paint(world, &name, &format!("{red:02x}{green:02x}{blue:02x}"));
            let tab = agent.open(&url).await?;
            acts(world, &agent, tab, &name, color).await
        }
    });
    try_join_all(work).await?;
    world.close().await
}

/// Puts a tab into a window of its own behind the person's, as dragging it out does, and tells
/// which window that is.
async fn dragged_out(panel: &ExtensionPage, tab: i64) -> Result<i64> {
    let made =
        format!("chrome.windows.create({{tabId: {tab}, focused: false}}).then(one => one.id)");
    panel.evaluate(&made).await?.as_i64().context("no window")
}

/// Waits until the person's window is in front; Chrome raises a window that is clicked in.
async fn in_front(world: &World, window: &str) -> Result<()> {
    e2e::until("the person's window to be in front", async || {
        Ok((world.screen().active_window()? == window).then_some(()))
    })
    .await
}

#[tokio::test]
async fn work_goes_on_in_minimised_and_in_covered_windows() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let persons = world.screen().active_window()?;
    let panel = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    let behind = one.open(&paint(&world, "behind", "306090")).await?;
    // In front in its own window.
    let front = one.open_tab(&paint(&world, "front", "906030")).await?;
    let own = dragged_out(&panel, front).await?;
    let tabs = panel.tabs().await?;
    let theirs = tabs.iter().find(|tab| tab.id == behind);
    let theirs = theirs.context("the hidden tab")?.window;
    for state in ["minimized", "normal"] {
        for window in [own, theirs] {
            let update = format!("chrome.windows.update({window}, {{state: '{state}'}})");
            panel.evaluate(&update).await?;
            e2e::until(format!("window {window} to be {state}"), async || {
                let now = format!("chrome.windows.get({window}).then(one => one.state)");
                Ok((panel.evaluate(&now).await? == state).then_some(()))
            })
            .await?;
        }
        acts(&world, &one, behind, "behind", [0x30, 0x60, 0x90]).await?;
        acts(&world, &one, front, "front", [0x90, 0x60, 0x30]).await?;
    }
    // Over the other one, all of it.
    let raise = ["windowactivate", "--sync", &persons];
    world.screen().hand(&raise)?;
    for _ in 0..3 {
        acts(&world, &one, front, "front", [0x90, 0x60, 0x30]).await?;
        in_front(&world, &persons).await?;
    }
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn a_profile_that_is_opened_once_more_has_another_window_and_the_same_agents() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let panel = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    let url = paint(&world, "before", "306090");
    let tab = one.open(&url).await?;
    let waiting = json!({"text": "is ripe now"});
    let waiting = one.begin("browser_wait_for", waiting).await?;
    // As from the desktop: the program is started again, and leaves it to the one that runs.
    let second = world.site.url("/observer");
    let opened = tokio::process::Command::new(e2e::chromium()?)
        .arg(format!(
            "--user-data-dir={}",
            world.browser().profile().display()
        ))
        .args(["--no-sandbox", "--test-type", "--new-window", &second])
        .env("DISPLAY", world.screen().name())
        .env_remove("WAYLAND_DISPLAY")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .status();
    let opened = e2e::within("Chromium to open a window", async { Ok(opened.await?) }).await?;
    assert!(opened.success(), "{opened}");
    let homes = async || {
        let mut tabs = panel.tabs().await?;
        tabs.retain(|tab| tab.url == second);
        anyhow::Ok(tabs)
    };
    let new = e2e::until("the second window", async || {
        let tabs = homes().await?;
        Ok((tabs.len() == 2).then(|| tabs[1].clone()))
    })
    .await?;
    let page = world.browser().page(&url).await?;
    page.evaluate("document.body.append('the pear is ripe now'), 1")
        .await?;
    page.detach().await?;
    let waited = waiting.answer().await?;
    assert!(waited.is_ok(), "{waited}");
    acts(&world, &one, tab, "before", [0x30, 0x60, 0x90]).await?;
    let two = world.agent("two").await?;
    let other = two.open(&paint(&world, "after", "906030")).await?;
    acts(&world, &two, other, "after", [0x90, 0x60, 0x30]).await?;
    // Both of the person's pages are in front, each in its window.
    let tabs = homes().await?;
    assert!(tabs.iter().all(|tab| tab.active), "{tabs:?}");
    // The window goes, and with it whatever was put into it; what was before stays.
    let close = format!("chrome.windows.remove({})", new.window);
    panel.evaluate(&close).await?;
    acts(&world, &one, tab, "before", [0x30, 0x60, 0x90]).await?;
    world.close().await
}

#[tokio::test]
async fn a_tab_dragged_to_another_window_in_mid_call_keeps_its_calls_and_its_agent() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let persons = world.screen().active_window()?;
    let panel = world.browser().extension_page("popup.html").await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let tab = one.open(&paint(&world, "dragged", "507090")).await?;
    let other = two.open(&paint(&world, "stays", "907050")).await?;
    let elsewhere = dragged_out(&panel, other).await?;
    let wait = "(hit('runs'), new Promise((done) => setTimeout(() => done('waited'), 1500)))";
    let running = one
        .begin("browser_evaluate", json!({"tabId": tab, "function": wait}))
        .await?;
    world.site.until_hits("runs", 1).await?;
    let drop = format!("chrome.tabs.move({tab}, {{windowId: {elsewhere}, index: 0}})");
    panel.evaluate(&drop).await?;
    let answer = running.answer().await?;
    assert!(answer.is_ok() && answer.text.contains("waited"), "{answer}");
    // Back again, under a click.
    let tabs = panel.tabs().await?;
    let home = tabs.iter().find(|tab| tab.url.ends_with("/observer"));
    let home = home.context("the person's tab")?.window;
    let aimed = one.aim(tab, &["button", "Count"]).await?;
    let click = one.begin("browser_click", aimed).await?;
    let drop = format!("chrome.tabs.move({tab}, {{windowId: {home}, index: 0}})");
    panel.evaluate(&drop).await?;
    let clicked = click.answer().await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("dragged", 1).await?;
    acts(&world, &one, tab, "dragged", [0x50, 0x70, 0x90]).await?;
    acts(&world, &two, other, "stays", [0x90, 0x70, 0x50]).await?;
    in_front(&world, &persons).await?;
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn pinned_tabs_and_tabs_in_a_folded_group_are_worked_on_as_others() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let panel = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    let pinned = one.open(&paint(&world, "pinned", "704090")).await?;
    let folded = one.open_tab(&paint(&world, "folded", "904070")).await?;
    let pin = format!("chrome.tabs.update({pinned}, {{pinned: true}})");
    panel.evaluate(&pin).await?;
    let fold = format!(
        "chrome.tabs.get({folded}).then(tab => \
         chrome.tabGroups.update(tab.groupId, {{collapsed: true}}))"
    );
    panel.evaluate(&fold).await?;
    acts(&world, &one, pinned, "pinned", [0x70, 0x40, 0x90]).await?;
    acts(&world, &one, folded, "folded", [0x90, 0x40, 0x70]).await?;
    // A new tab joins its group, and what the person has folded stays so.
    let more = one.open_tab(&paint(&world, "more", "407090")).await?;
    acts(&world, &one, more, "more", [0x40, 0x70, 0x90]).await?;
    let groups = "chrome.tabGroups.query({}).then(all => all.map(one => one.collapsed))";
    assert_eq!(panel.evaluate(groups).await?, json!([true]));
    assert!(person.works().await?);
    world.close().await
}

/// The size is the debugger's gift to a tab that was never shown, and outlives the worker with it.
#[tokio::test]
async fn a_hidden_tab_keeps_its_size_when_the_worker_dies() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&paint(&world, "sized", "a06040")).await?;
    let size = async || -> Result<(u32, u32, String)> {
        let seen = one.look(tab).await?;
        let told = one.read(tab, "innerWidth + ' ' + innerHeight").await?;
        Ok((seen.width(), seen.height(), told))
    };
    let before = size().await?;
    assert_eq!(before.2, format!("{} {}", before.0, before.1));
    for _ in 0..2 {
        world.browser().kill_worker().await?;
        assert_eq!(size().await?, before);
    }
    acts(&world, &one, tab, "sized", [0xa0, 0x60, 0x40]).await?;
    assert!(person.works().await?);
    world.close().await
}

/// Chrome lets nobody edit tabs while one is drawn out of its window.
#[tokio::test]
async fn while_the_person_drags_a_tab_pages_are_worked_on_and_tabs_come_and_go_when_it_is_dropped()
-> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let panel = world.browser().extension_page("popup.html").await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let tab = one.open(&paint(&world, "worked", "608020")).await?;
    let closed = one.open_tab(&paint(&world, "closed", "206080")).await?;
    let left = two.open(&paint(&world, "left", "802060")).await?;
    person.drags_their_tab_out().await?;
    // Changes nothing where it is let.
    let edit = "chrome.tabs.query({active: true})\
                .then(([one]) => chrome.tabs.highlight({windowId: one.windowId, tabs: [one.index]}))\
                .then(() => '', error => error.message)";
    let locked = async || -> Result<bool> {
        let refused = panel.evaluate(edit).await?;
        Ok(refused.as_str().unwrap_or_default().contains("dragging"))
    };
    // On a busy machine Chrome may miss the press, or the way of the mouse.
    let mut since = Instant::now();
    e2e::until("Chrome to lock its tabs", async || {
        if since.elapsed() > DRAG_PATIENCE {
            world.screen().let_go()?;
            person.drags_their_tab_out().await?;
            since = Instant::now();
        }
        world.screen().hand(&["mousemove_relative", "2", "2"])?;
        Ok(locked().await?.then_some(()))
    })
    .await?;
    let close = json!({"action": "close", "tabId": closed});
    let close = one.begin("browser_tabs", close).await?;
    let make = json!({"action": "new", "url": paint(&world, "made", "406080")});
    let make = one.begin("browser_tabs", make).await?;
    two.quit().await?;
    acts(&world, &one, tab, "worked", [0x60, 0x80, 0x20]).await?;
    assert!(locked().await?, "the drag has ended");
    world.screen().let_go()?;
    let (close, make) = (close.answer().await?, make.answer().await?);
    assert!(close.is_ok() && make.is_ok(), "{close} {make}");
    let made = make.tab().context("no tab")?;
    acts(&world, &one, made, "made", [0x40, 0x60, 0x80]).await?;
    acts(&world, &one, tab, "worked", [0x60, 0x80, 0x20]).await?;
    e2e::until("the closed tabs to go", async || {
        let tabs = panel.tabs().await?;
        let there = |id: i64| tabs.iter().any(|one| one.id == id);
        Ok((!there(closed) && !there(left)).then_some(()))
    })
    .await?;
    assert_eq!(panel.groups().await?, ["one"]);
    assert!(person.works().await?);
    world.close().await
}
