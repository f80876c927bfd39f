//! Errors that no other file meets on its way: each through a real client and, but for those about
//! its absence, the real browser. tests/tidy knows where every code of the product is met.

use anyhow::{Context, Result};
use e2e::{Agent, World, ports_of, reading};
use futures_util::future::try_join_all;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The port of this world on which the agent's server listens.
async fn port(world: &World, agent: &Agent) -> Result<u16> {
    e2e::until("the server to listen", async || {
        let ports = ports_of(agent.pid())?;
        Ok(ports
            .into_iter()
            .find(|port| world.ports.all().contains(port)))
    })
    .await
}

/// Dials as the extension does, and then says nothing.
async fn dial_in_silence(port: u16) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: interlock.2\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    anyhow::ensure!(&answer == b"HTTP/1.1 101");
    Ok(stream)
}

#[tokio::test]
async fn a_call_that_finds_no_browser_is_told_what_was_seen() -> Result<()> {
    let mut world = World::start().await?;
    let left = world.agent("left").await?;
    left.open(&world.site.url("/")).await?;
    let who = left.ok("browser_session", json!({})).await?;
    let (_, rest) = who
        .text
        .split_once("in the browser \"")
        .context("no browser")?;
    let browser = rest.split_once('"').context("no name")?.0.to_owned();
    world.stop_browser();
    let alone = world.agent("alone").await?;
    let dialled = world.agent("dialled").await?;
    let (alone_on, dialled_on) = (port(&world, &alone).await?, port(&world, &dialled).await?);
    let calls = try_join_all(
        [&left, &alone, &dialled].map(|agent| agent.begin("browser_snapshot", json!({}))),
    )
    .await?;
    // The server gives a handshake five seconds; a call waits ten.
    tokio::time::sleep(Duration::from_secs(7)).await;
    let _silent = dial_in_silence(dialled_on).await?;
    let answers = try_join_all(calls.into_iter().map(e2e::Call::answer)).await?;
    let [left, alone, dialled] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    let until = format!("the browser {browser} was connected until");
    let advice = "open Chrome with the Interlock extension";
    left.must_fail("not_connected", &[&until, "it was closed", advice]);
    let nothing = format!("nothing has dialled port {alone_on} yet");
    alone.must_fail(
        "not_connected",
        &[&nothing, "Chrome is not running", advice],
    );
    let something = format!("something has dialled port {dialled_on}");
    dialled.must_fail("not_connected", &[&something, "handshake", advice]);
    world.close().await
}

#[tokio::test]
async fn a_server_that_cannot_read_its_secret_says_which_file_and_what_mends_it() -> Result<()> {
    let world = World::start().await?;
    let secret = world.state().join("secret");
    let good = std::fs::read(&secret)?;
    std::fs::write(&secret, "not a secret")?;
    let one = world.agent("one").await?;
    let refused = one.call("browser_snapshot", json!({})).await?;
    let file = secret.to_string_lossy();
    refused.must_fail("not_connected", &[&file, "64 hex digits", "pair --rotate"]);
    std::fs::write(&secret, good)?;
    e2e::until("the agent to work", async || {
        let seen = one.call("browser_snapshot", json!({})).await?;
        Ok(seen.is_ok().then_some(()))
    })
    .await?;
    world.close().await
}

#[tokio::test]
async fn a_claim_on_a_lent_tab_fails_when_the_tab_goes_back_to_the_person() -> Result<()> {
    let world = World::start().await?;
    let popup = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let url = world.site.url("/slow?name=lent");
    let make = format!("chrome.tabs.create({{url: '{url}', active: false}}).then(tab => tab.id)");
    let tab = popup.evaluate(&make).await?.as_i64().context("no tab")?;
    world.browser().page(&url).await?;
    popup.gives(tab).await?;
    assert_eq!(one.read(tab, "document.title").await?, "lent");
    let two = world.agent("two").await?;
    two.open(&world.site.url("/")).await?;
    let mut waiting = two
        .begin("browser_snapshot", json!({"tabId": tab, "wait": 50}))
        .await?;
    waiting.until_progress("position").await?;
    one.ok("browser_tabs", json!({"action": "release", "tabId": tab}))
        .await?;
    let returned = waiting.answer().await?;
    returned.must_fail("tab_returned", &[&format!("Tab {tab} "), "browser_tabs"]);
    world.close().await
}

#[tokio::test]
async fn calls_that_are_queued_on_a_tab_fail_when_it_is_released() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=busy")).await?;
    let arguments = json!({"tabId": tab, "text": "never written"});
    let mut running = one.begin("browser_wait_for", arguments).await?;
    let queued = one
        .begin("browser_evaluate", reading(tab, "document.title"))
        .await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!running.is_answered());
    one.ok("browser_tabs", json!({"action": "release", "tabId": tab}))
        .await?;
    let things = [&*format!("Tab {tab} "), "released", "browser_tabs"];
    running.answer().await?.must_fail("tab_released", &things);
    queued.answer().await?.must_fail("tab_released", &things);
    // It was the current one: nothing is chosen in its place without a word.
    let unnamed = one.call("browser_snapshot", json!({})).await?;
    unnamed.must_fail("tab_released", &things);
    world.close().await
}

#[tokio::test]
async fn a_crashed_page_is_told_and_works_again_when_it_is_loaded_again() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=crash");
    let tab = one.open(&url).await?;
    let page = world.browser().page(&url).await?;
    // It never answers.
    let crash = page.call("Page.crash", json!({}));
    let answered = tokio::time::timeout(Duration::from_secs(1), crash).await;
    assert!(answered.is_err(), "{answered:?}");
    let seen = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    seen.must_fail("page_crashed", &[&format!("tab {tab} "), "`reload`"]);
    one.ok(
        "browser_navigate",
        json!({"tabId": tab, "action": "reload"}),
    )
    .await?;
    assert_eq!(one.read(tab, "document.title").await?, "Counter crash");
    world.close().await
}

#[tokio::test]
async fn a_result_that_no_frame_can_carry_is_told_with_its_size() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=large")).await?;
    let script = |megabytes: usize| {
        let function = format!("() => 'x'.repeat({megabytes} * 1024 * 1024)");
        json!({"tabId": tab, "function": function})
    };
    let large = one.call("browser_evaluate", script(33)).await?;
    // With its two quotation marks.
    let bytes = format!("{} bytes", 33 * 1024 * 1024 + 2);
    large.must_fail("result_too_large", &[&bytes, "a part of the value"]);
    one.ok("browser_evaluate", script(8)).await?;
    assert_eq!(one.read(tab, "document.title").await?, "large");
    world.close().await
}

#[tokio::test]
async fn the_sixty_fifth_call_at_once_is_told_the_limit_and_hurts_no_other() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=a")).await?;
    let waiting = json!({"tabId": tab, "text": "is ripe now"});
    let open = (0..64).map(|_| one.begin("browser_wait_for", waiting.clone()));
    let open = try_join_all(open).await?;
    let one_more = one.call("browser_session", json!({})).await?;
    one_more.must_fail("limit_reached", &["64 open calls", "is answered"]);
    let page = world
        .browser()
        .page(&world.site.url("/counter?name=a"))
        .await?;
    page.evaluate("say('the pear is ripe now')").await?;
    for call in open {
        let answer = call.answer().await?;
        assert!(answer.is_ok(), "{answer}");
    }
    one.ok("browser_session", json!({})).await?;
    world.close().await
}

#[tokio::test]
async fn a_fault_of_ours_is_told_as_one_and_stands_in_the_log() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    // The worker has done its first turn.
    one.ok("browser_session", json!({})).await?;
    let worker = e2e::until("a running worker", async || world.browser().worker().await).await?;
    let worker = world.browser().cdp().attach(&worker).await?;
    // What no Chrome says, and nothing here could foresee.
    worker
        .evaluate(
            "(self.make = chrome.tabs.create, \
             chrome.tabs.create = () => Promise.reject(new Error('the moon is full')), 1)",
        )
        .await?;
    let what = "Chrome refused to make a tab (the moon is full)";
    let url = world.site.url("/slow?name=after");
    let failed = one.call("browser_navigate", json!({"url": url})).await?;
    failed.must_fail("internal", &[what, "a fault of Interlock", "its log"]);
    assert!(one.log().contains(what), "{}", one.log());
    worker
        .evaluate("(chrome.tabs.create = self.make, 1)")
        .await?;
    let tab = one.open_tab(&url).await?;
    assert_eq!(one.read(tab, "document.title").await?, "after");
    world.close().await
}

#[tokio::test]
async fn a_wrong_argument_is_named_with_what_is_allowed() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=a")).await?;
    for (tool, arguments, things) in [
        ("browser_click", json!({}), ["target", ""]),
        ("browser_click", json!({"target": 7}), ["target", "string"]),
        (
            "browser_click",
            json!({"target": "e1", "buton": "left"}),
            ["`buton`", ""],
        ),
        (
            "browser_click",
            json!({"target": "e1", "button": "left", "tabId": "one"}),
            ["`tabId`", "browser_tabs"],
        ),
        (
            "browser_snapshot",
            json!({"tabId": -1}),
            ["`tabId`", "number"],
        ),
        (
            "browser_snapshot",
            json!({"wait": 301}),
            ["`wait`", "0 to 300"],
        ),
        (
            "browser_snapshot",
            json!({"wait": "long"}),
            ["`wait`", "0 to 300"],
        ),
        ("browser_wait_for", json!({}), ["`time`", "`text`"]),
        ("browser_wait_for", json!({"time": 271}), ["`time`", "270"]),
        (
            "browser_evaluate",
            json!({"function": "1", "timeoutMs": 0}),
            ["`timeoutMs`", "30000"],
        ),
        ("browser_press_key", json!({"key": "Entre"}), ["Entre", ""]),
        (
            "browser_navigate",
            json!({"action": "sideways"}),
            ["sideways", "reload"],
        ),
        (
            "browser_tabs",
            json!({"action": "burn"}),
            ["burn", "handoff"],
        ),
        (
            "browser_tabs",
            json!({"action": "handoff", "tabId": tab, "to": "nobody"}),
            ["nobody", ""],
        ),
        ("browser_session", json!({"browser": 7}), ["`browser`", ""]),
        (
            "browser_take_screenshot",
            json!({"filename": "a.exe"}),
            ["`filename`", ".png"],
        ),
        (
            "browser_take_screenshot",
            json!({"filename": "x".repeat(300) + ".png"}),
            ["`filename`", "too long"],
        ),
    ] {
        let refused = one.call(tool, arguments).await?;
        refused.must_fail("bad_arguments", &things);
    }
    assert_eq!(one.read(tab, "document.title").await?, "Counter a");
    world.close().await
}
