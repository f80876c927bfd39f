//! Others who debug the agents' pages beside us, or keep debuggers out: an outside client, the
//! person's DevTools, an extension that puts frames of its own into every page.

use anyhow::{Context, Result};
use e2e::{Agent, Options, Shown, Target, World};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::PathBuf;

async fn a_world_with_a_person(beside: Option<PathBuf>) -> Result<World> {
    let options = Options {
        shown: Shown::ToAPerson,
        beside,
        ..Options::default()
    };
    World::with(options).await
}

const COLOR: [u8; 3] = [0x30, 0x50, 0x70];

fn paint(world: &World, name: &str) -> String {
    world.site.url(&format!("/paint?name={name}&color=305070"))
}

/// Clicks, types and looks, and all of it is there.
async fn acts(world: &World, agent: &Agent, tab: i64, name: &str) -> Result<()> {
    let before = world.site.hits(name);
    let clicked = agent.click(tab, &["button", "Count"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits(name, before + 1).await?;
    let typed = agent.fill(tab, &["textbox", "Note"], name).await?;
    assert!(typed.is_ok(), "{typed}");
    assert_eq!(agent.read(tab, "note.title").await?, name);
    assert_eq!(agent.look(tab).await?.at(3, 3), Some(COLOR));
    let seen = "document.visibilityState + ' ' + document.hasFocus()";
    assert_eq!(agent.read(tab, seen).await?, "visible true");
    assert_eq!(world.site.hits(name), before + 1);
    Ok(())
}

#[tokio::test]
async fn an_outside_client_comes_and_goes_at_an_agents_tab_while_it_works() -> Result<()> {
    const LISTENS: [&str; 6] = ["Page", "Runtime", "DOM", "Network", "Log", "Accessibility"];
    let world = a_world_with_a_person(None).await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let url = paint(&world, "beside");
    let tab = one.open(&url).await?;
    let size = one.look(tab).await?;
    let work = async {
        for _ in 0..4 {
            acts(&world, &one, tab, "beside").await?;
        }
        anyhow::Ok(())
    };
    let visits = async {
        for _ in 0..4 {
            let outside = world.browser().page(&url).await?;
            for domain in LISTENS {
                outside.call(&format!("{domain}.enable"), json!({})).await?;
            }
            let unfocused = json!({"enabled": false});
            outside
                .call("Emulation.setFocusEmulationEnabled", unfocused)
                .await?;
            let small =
                json!({"width": 300, "height": 200, "deviceScaleFactor": 1, "mobile": false});
            outside
                .call("Emulation.setDeviceMetricsOverride", small)
                .await?;
            assert_eq!(outside.evaluate("document.title").await?, "Paint beside");
            outside.call("Page.startScreencast", json!({})).await?;
            outside.call("Page.stopScreencast", json!({})).await?;
            outside.detach().await?;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(work, visits)?;
    acts(&world, &one, tab, "beside").await?;
    let after = one.look(tab).await?;
    assert_eq!(
        (after.width(), after.height()),
        (size.width(), size.height())
    );
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn what_an_outside_client_does_to_an_agents_page_is_told_as_the_pages_own() -> Result<()> {
    let world = a_world_with_a_person(None).await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let url = paint(&world, "driven");
    let tab = one.open(&url).await?;
    acts(&world, &one, tab, "driven").await?;
    let aimed = one.aim(tab, &["button", "Count"]).await?;
    let outside = world.browser().page(&url).await?;
    outside.call("Page.enable", json!({})).await?;
    for accept in [true, false] {
        // Answered when the dialog is.
        let asks = "console.log(confirm('by somebody else'))";
        let asks = json!({"expression": asks, "userGesture": true});
        let asks = outside.call("Runtime.evaluate", asks);
        let closes = async {
            e2e::until("the agent to be told of the dialog", async || {
                let met = one.call("browser_snapshot", json!({"tabId": tab})).await?;
                let told = met.failed_with("dialog_open") && met.text.contains("by somebody else");
                Ok(told.then_some(()))
            })
            .await?;
            let handle = json!({ "accept": accept });
            outside.call("Page.handleJavaScriptDialog", handle).await
        };
        tokio::try_join!(asks, closes)?;
        // Who closed it may hear of it first.
        e2e::until("the agent to be told that it is closed", async || {
            let met = one.call("browser_snapshot", json!({"tabId": tab})).await?;
            Ok((!met.failed_with("dialog_open")).then_some(()))
        })
        .await?;
        acts(&world, &one, tab, "driven").await?;
    }
    // A ref of the page that was there is nobody's.
    outside.call("Page.reload", json!({})).await?;
    e2e::until("the agent to be told of the new page", async || {
        let met = one.call("browser_hover", aimed.clone()).await?;
        Ok(met.failed_with("stale_ref").then_some(()))
    })
    .await?;
    acts(&world, &one, tab, "driven").await?;
    outside.detach().await?;
    acts(&world, &one, tab, "driven").await?;
    assert!(person.works().await?);
    world.close().await
}

/// A click waits for it; what needs no script of the page does not.
#[tokio::test]
async fn a_page_that_somebody_holds_at_a_breakpoint_is_seen_and_clicked_when_it_is_let_go()
-> Result<()> {
    let world = a_world_with_a_person(None).await?;
    let _person = world.person().await?;
    let one = world.agent("one").await?;
    let url = paint(&world, "held");
    let tab = one.open(&url).await?;
    let aimed = one.aim(tab, &["button", "Count"]).await?;
    let outside = world.browser().page(&url).await?;
    outside.call("Debugger.enable", json!({})).await?;
    outside.call("Debugger.pause", json!({})).await?;
    let seen = one.ok("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(seen.text.contains("Count held"), "{seen}");
    let mut click = one.begin("browser_click", aimed).await?;
    let mut events = world.browser().cdp().events();
    e2e::within("the page to be held", async {
        loop {
            let event = events.recv().await?;
            if event.method == "Debugger.paused" {
                return Ok(());
            }
        }
    })
    .await?;
    assert!(!click.is_answered());
    outside.detach().await?;
    let clicked = click.answer().await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("held", 1).await?;
    acts(&world, &one, tab, "held").await?;
    world.close().await
}

/// The DevTools window or pane, as an outside client sees it.
async fn devtools(world: &World) -> Result<Option<String>> {
    let targets = world.browser().cdp().targets().await?;
    let shown = |target: &&Value| {
        let url = target["url"].as_str().unwrap_or_default();
        url.starts_with("devtools://devtools/bundled/devtools_app")
    };
    let found = targets.iter().find(shown);
    Ok(found.and_then(|one| one["targetId"].as_str().map(str::to_owned)))
}

#[tokio::test]
async fn devtools_that_open_and_close_at_a_hidden_tab_leave_it_to_its_agent() -> Result<()> {
    let world = a_world_with_a_person(None).await?;
    let _person = world.person().await?;
    let one = world.agent("one").await?;
    let url = paint(&world, "inspected");
    let tab = one.open(&url).await?;
    let page = world.browser().page(&url).await?;
    let open = json!({"targetId": page.id()});
    let cdp = world.browser().cdp();
    cdp.call(None, "Target.openDevTools", open).await?;
    page.detach().await?;
    let id = e2e::until("DevTools", async || devtools(&world).await).await?;
    for _ in 0..2 {
        acts(&world, &one, tab, "inspected").await?;
    }
    cdp.close_target(&id).await?;
    e2e::until("DevTools to close", async || {
        Ok(devtools(&world).await?.is_none().then_some(()))
    })
    .await?;
    acts(&world, &one, tab, "inspected").await?;
    world.close().await
}

#[tokio::test]
async fn devtools_that_the_person_docks_beside_a_page_move_no_click() -> Result<()> {
    let world = a_world_with_a_person(None).await?;
    let _person = world.person().await?;
    let panel = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    let tab = one.open(&paint(&world, "docked")).await?;
    // Where the pane takes its room from, so that the button moves with its coming and going.
    let moved = "document.querySelector('button').style = 'position: fixed; right: 0; bottom: 0'";
    one.read(tab, moved).await?;
    acts(&world, &one, tab, "docked").await?;
    let shown = format!("chrome.tabs.update({tab}, {{active: true}})");
    panel.evaluate(&shown).await?;
    for there in [true, false] {
        world.screen().press(&["ctrl+shift+i"])?;
        e2e::until("DevTools to come or go", async || {
            Ok((devtools(&world).await?.is_some() == there).then_some(()))
        })
        .await?;
        for _ in 0..2 {
            acts(&world, &one, tab, "docked").await?;
        }
    }
    world.close().await
}

/// Another extension, in a folder of its own.
struct Other(PathBuf);

impl Other {
    /// One that puts a frame of its own into pages, as password managers do: when the page is loaded
    /// with `frame-at-once` in its address, and when something on it says so.
    fn framing(name: &str) -> Result<Self> {
        let manifest = json!({
            "manifest_version": 3, "name": "Framing", "version": "1",
            "content_scripts": [{
                "matches": ["http://127.0.0.1/*"], "js": ["frame.js"], "run_at": "document_end",
            }],
            "web_accessible_resources": [{"resources": ["frame.html"], "matches": ["<all_urls>"]}],
        });
        let frame = "<!doctype html><title>Framing</title><button>Fill in</button>";
        let script = "const put = () => { const frame = document.createElement('iframe');
               frame.id = 'framing'; frame.src = chrome.runtime.getURL('frame.html');
               document.body.append(frame); };
             addEventListener('frame-in', put);
             addEventListener('frame-out', () => document.getElementById('framing')?.remove());
             if (location.search.includes('&frame-at-once')) put();";
        Self::written(
            name,
            &manifest,
            &[("frame.html", frame), ("frame.js", script)],
        )
    }

    /// One that may debug tabs, as recorders do: what its page is told, it does.
    fn debugging(name: &str) -> Result<Self> {
        let manifest = json!({
            "manifest_version": 3, "name": "Debugging", "version": "1",
            "permissions": ["debugger", "tabs"],
        });
        Self::written(
            name,
            &manifest,
            &[("page.html", "<!doctype html><title>Debugging</title>")],
        )
    }

    fn written(name: &str, manifest: &Value, files: &[(&str, &str)]) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("e2e-other-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("manifest.json"), manifest.to_string())?;
        for (file, text) in files {
            fs::write(folder.join(file), text)?;
        }
        Ok(Self(folder))
    }

    fn folder(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }

    /// Its page, in a tab of the browser that it was loaded into.
    async fn page(&self, world: &World) -> Result<Target> {
        // Of an extension without a key: the first half of its folder's digest, in letters from a to p.
        let digest = Sha256::digest(self.0.as_os_str().as_encoded_bytes());
        let digits = digest
            .iter()
            .take(16)
            .flat_map(|byte| [byte >> 4, byte & 15]);
        let id: String = digits.map(|digit| char::from(b'a' + digit)).collect();
        let url = format!("chrome-extension://{id}/page.html");
        let open = json!({"url": url, "background": true});
        let cdp = world.browser().cdp();
        cdp.call(None, "Target.createTarget", open).await?;
        let page = world.browser().page(&url).await?;
        e2e::until("the other extension's page", async || {
            let there = page.evaluate("typeof chrome.debugger?.attach").await?;
            Ok((there == "function").then_some(()))
        })
        .await?;
        Ok(page)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // Left behind, it lies among temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits for the other extension's frame.
async fn framed(world: &World) -> Result<()> {
    e2e::until("the other extension's frame", async || {
        let targets = world.browser().cdp().targets().await?;
        let framing = |target: &Value| {
            let url = target["url"].as_str().unwrap_or_default();
            url.starts_with("chrome-extension://") && url.ends_with("/frame.html")
        };
        Ok(targets.iter().any(framing).then_some(()))
    })
    .await
}

/// Lets the other extension put its frame into the page at `url`, or take it away.
async fn frame(world: &World, url: &str, there: bool) -> Result<()> {
    let page = world.browser().page(url).await?;
    let says = if there { "frame-in" } else { "frame-out" };
    let says = format!("dispatchEvent(new Event('{says}')), 1");
    page.evaluate(&says).await?;
    if there {
        framed(world).await?;
    }
    page.detach().await
}

/// Its tabs show the pages `closed`, on which it has acted, and `free`.
async fn an_agent_with_two_tabs(world: &World) -> Result<(Agent, [i64; 2])> {
    let one = world.agent("one").await?;
    let closed = one.open(&paint(world, "closed")).await?;
    let free = one.open_tab(&paint(world, "free")).await?;
    acts(world, &one, closed, "closed").await?;
    Ok((one, [closed, free]))
}

#[tokio::test]
async fn a_page_that_another_extension_frames_is_blocked_until_the_frame_is_gone() -> Result<()> {
    let framing = Other::framing("blocked")?;
    let world = a_world_with_a_person(framing.folder()).await?;
    let person = world.person().await?;
    let (one, [tab, free]) = an_agent_with_two_tabs(&world).await?;
    let url = paint(&world, "closed");
    for _ in 0..2 {
        frame(&world, &url, true).await?;
        for tool in ["browser_snapshot", "browser_take_screenshot"] {
            let blocked = one.call(tool, json!({"tabId": tab})).await?;
            let things = [
                &*format!("tab {tab} "),
                "Another extension's frame",
                "Close",
            ];
            blocked.must_fail("page_blocked_by_extension", &things);
        }
        acts(&world, &one, free, "free").await?;
        frame(&world, &url, false).await?;
        acts(&world, &one, tab, "closed").await?;
    }
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn a_frame_of_another_extension_that_comes_in_mid_call_ends_it_with_the_truth() -> Result<()>
{
    let framing = Other::framing("mid-call")?;
    let world = a_world_with_a_person(framing.folder()).await?;
    let _person = world.person().await?;
    let one = world.agent("one").await?;
    let url = paint(&world, "amid");
    let tab = one.open(&url).await?;
    // What only reads is begun again. Chrome throws the debugger off when the frame is on its way, and
    // shuts the door when it is there: until then the call may be on its way again, and stay in.
    let waiting = json!({"tabId": tab, "text": "written at last"});
    let waiting = one.begin("browser_wait_for", waiting).await?;
    frame(&world, &url, true).await?;
    let page = world.browser().page(&url).await?;
    page.evaluate("document.body.append('written at last'), 1")
        .await?;
    page.detach().await?;
    let ended = waiting.answer().await?;
    let blocked = ended.failed_with("page_blocked_by_extension");
    // Thrown off twice: it is begun again once.
    let lost = ended.failed_with("outcome_unknown");
    assert!(ended.is_ok() || blocked || lost, "{ended}");
    frame(&world, &url, false).await?;
    // What acts is not.
    let told = "(hit('acts'), new Promise(() => {}))";
    let running = one
        .begin("browser_evaluate", json!({"tabId": tab, "function": told}))
        .await?;
    world.site.until_hits("acts", 1).await?;
    frame(&world, &url, true).await?;
    let ended = running.answer().await?;
    assert!(ended.failed_with("outcome_unknown"), "{ended}");
    frame(&world, &url, false).await?;
    acts(&world, &one, tab, "amid").await?;
    world.close().await
}

#[tokio::test]
async fn an_agent_goes_on_to_another_page_from_one_that_another_extension_blocks() -> Result<()> {
    let framing = Other::framing("left")?;
    let world = a_world_with_a_person(framing.folder()).await?;
    let _person = world.person().await?;
    let one = world.agent("one").await?;
    let url = paint(&world, "start");
    let tab = one.open(&url).await?;
    // Its frame is part of the page's loading: the debugger goes before the page is there.
    let framed_url = format!("{url}&frame-at-once=yes");
    let blocked = json!({"url": framed_url});
    let led = one.call("browser_navigate", blocked).await?;
    led.must_fail("outcome_unknown", &[&framed_url, "browser_snapshot"]);
    framed(&world).await?;
    let seen = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(seen.failed_with("page_blocked_by_extension"), "{seen}");
    one.open(&url).await?;
    acts(&world, &one, tab, "start").await?;
    world.close().await
}

/// Chrome keeps the debugger on a page that another extension frames, and refuses to take it off.
#[tokio::test]
async fn a_lent_page_that_another_extension_frames_is_the_persons_at_once_when_it_is_released()
-> Result<()> {
    let framing = Other::framing("lent")?;
    let world = a_world_with_a_person(framing.folder()).await?;
    let person = world.person().await?;
    let popup = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let url = paint(&world, "lent");
    let make = format!("chrome.tabs.create({{url: '{url}', active: false}}).then(tab => tab.id)");
    let tab = popup.evaluate(&make).await?.as_i64().context("no tab")?;
    popup.gives(tab).await?;
    acts(&world, &one, tab, "lent").await?;
    let debugged = format!(
        "chrome.debugger.getTargets().then(all => all.some(one => one.tabId === {tab} && one.attached))"
    );
    assert_eq!(popup.evaluate(&debugged).await?, true);
    frame(&world, &url, true).await?;
    let blocked = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(
        blocked.failed_with("page_blocked_by_extension"),
        "{blocked}"
    );
    let release = json!({"action": "release", "tabId": tab});
    one.ok("browser_tabs", release).await?;
    let refused = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    refused.must_fail("tab_of_person", &[&format!("ab {tab} ")]);
    e2e::until("the popup to show it no more", async || {
        Ok((!popup.text().await?.contains("Paint lent")).then_some(()))
    })
    .await?;
    frame(&world, &url, false).await?;
    e2e::until("the debugger to leave it", async || {
        Ok((popup.evaluate(&debugged).await? == false).then_some(()))
    })
    .await?;
    // Given once more, it is as any other.
    popup.gives(tab).await?;
    acts(&world, &one, tab, "lent").await?;
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn a_worker_that_is_born_while_another_extension_keeps_it_out_says_so_and_loses_no_tab()
-> Result<()> {
    let framing = Other::framing("reborn")?;
    let world = a_world_with_a_person(framing.folder()).await?;
    let person = world.person().await?;
    let (one, [tab, free]) = an_agent_with_two_tabs(&world).await?;
    let url = paint(&world, "closed");
    let told = "(hit('acts'), new Promise(() => {}))";
    let running = json!({"tabId": tab, "function": told});
    let running = one.begin("browser_evaluate", running).await?;
    world.site.until_hits("acts", 1).await?;
    frame(&world, &url, true).await?;
    let ended = running.answer().await?;
    assert!(ended.failed_with("outcome_unknown"), "{ended}");
    for _ in 0..2 {
        world.browser().kill_worker().await?;
        let blocked = one.call("browser_snapshot", json!({"tabId": tab})).await?;
        let things = [&*format!("tab {tab} "), "Another extension's frame"];
        blocked.must_fail("page_blocked_by_extension", &things);
        acts(&world, &one, free, "free").await?;
    }
    world.browser().kill_worker().await?;
    frame(&world, &url, false).await?;
    acts(&world, &one, tab, "closed").await?;
    assert_eq!(world.site.hits("acts"), 1, "the call ran again");
    assert!(person.works().await?);
    world.close().await
}

#[tokio::test]
async fn a_worker_that_is_born_while_another_extension_debugs_tabs_works_beside_it() -> Result<()> {
    let debugging = Other::debugging("debugs")?;
    let world = a_world_with_a_person(debugging.folder()).await?;
    let person = world.person().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    two.open(&world.site.url("/")).await?;
    let tab = one.open(&paint(&world, "debugged")).await?;
    let passed = one.open_tab(&paint(&world, "passed")).await?;
    acts(&world, &one, tab, "debugged").await?;
    let panel = world.browser().extension_page("manifest.json").await?;
    let tabs = panel.tabs().await?;
    let persons = tabs.iter().find(|tab| tab.url.ends_with("/observer"));
    let persons = persons.context("the person's tab")?.id;
    // Ours leaves it with its owner, and comes back with the first call of the next.
    let to = one.alias_of("two").await?;
    let hand = json!({"action": "handoff", "tabId": passed, "to": to});
    one.ok("browser_tabs", hand).await?;
    let other = debugging.page(&world).await?;
    let all = format!("[{tab}, {passed}, {persons}]");
    let attach = format!(
        "Promise.all({all}.map(tabId => chrome.debugger.attach({{tabId}}, '1.3'))).then(() => 1)"
    );
    assert_eq!(other.evaluate(&attach).await?, 1);
    for _ in 0..2 {
        world.browser().kill_worker().await?;
        acts(&world, &one, tab, "debugged").await?;
        acts(&world, &two, passed, "passed").await?;
    }
    // Its debuggers are where they were, and it can still ask through them.
    let title = "{expression: 'document.title'}";
    let asks = format!(
        "Promise.all({all}.map(tabId => chrome.debugger.sendCommand({{tabId}}, \
         'Runtime.evaluate', {title}).then(one => one.result.value)))"
    );
    let titles = other.evaluate(&asks).await?;
    assert_eq!(titles.as_array().map(Vec::len), Some(3), "{titles}");
    assert_eq!(
        (&titles[0], &titles[1]),
        (&json!("Paint debugged"), &json!("Paint passed"))
    );
    let detach =
        format!("Promise.all({all}.map(tabId => chrome.debugger.detach({{tabId}}))).then(() => 1)");
    assert_eq!(other.evaluate(&detach).await?, 1);
    acts(&world, &one, tab, "debugged").await?;
    let ours = format!(
        "chrome.debugger.sendCommand({{tabId: {persons}}}, 'Runtime.evaluate', {title})\
         .then(() => 'ours is on it', error => error.message)"
    );
    let refused = panel.evaluate(&ours).await?;
    assert!(refused.to_string().contains("not attached"), "{refused}");
    assert!(person.works().await?);
    world.close().await
}
