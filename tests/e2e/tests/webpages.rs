//! What a web page learns of a server on the same machine: nothing. From every kind of origin and
//! with all that a page can send, each path of a server answers the page alike, in no readable way,
//! and opens no session.

#[path = "webpages/besieger.rs"]
mod besieger;

use anyhow::{Context, Result};
use besieger::Besieger;
use e2e::{Agent, Cdp, Options, Target, World, ports_of};
use serde_json::{Value, json};
use std::fs;

/// All kinds of paths: those that a server has, those that other servers have, and none.
const PATHS: [&str; 8] = [
    "/",
    "/.well-known/interlock",
    "/extension",
    "/session/one",
    "/mcp",
    "/health",
    "/json/version",
    "/nowhere",
];

/// A world with one agent, and the port of its server.
async fn connected(options: Options) -> Result<(World, Agent, u16)> {
    let world = World::with(options).await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let ports = ports_of(one.pid())?;
    let port = ports.into_iter().find(|it| world.ports.all().contains(it));
    Ok((world, one, port.context("no port")?))
}

/// A tab of the person's, in which a page is at work.
async fn tab(cdp: &Cdp, url: &str) -> Result<Target> {
    let params = json!({"url": url, "background": true});
    let made = cdp.call(None, "Target.createTarget", params).await?;
    let target = cdp
        .attach(made["targetId"].as_str().context("no targetId")?)
        .await?;
    e2e::until(format!("{url} to load"), async || {
        let state = target
            .evaluate("location.href + ' ' + document.readyState")
            .await?;
        let state = state.as_str().unwrap_or("").to_owned();
        Ok((state.starts_with(url) && state.ends_with("complete")).then_some(()))
    })
    .await?;
    Ok(target)
}

/// What a page sees of a server that does not want it, whatever it tries.
fn nothing() -> Value {
    json!({
        "fetch": "TypeError",
        "no-cors": "opaque 0 ",
        "post": "opaque 0 ",
        "image": "error",
        "script": "error",
        "style": "error",
        "object": "error",
        "form": "null",
        "event source": "error",
        "socket": "closed 1006 ",
        "bare socket": "closed 1006 ",
        "transport": "kept out",
        "timing": "0 0",
    })
}

/// The server serves the agent as before, and there is no session but the agent's.
async fn untouched(world: &World, one: &Agent) -> Result<()> {
    let seen = one.ok("browser_session", json!({})).await?;
    assert!(seen.text.contains("No other agents are here"), "{seen}");
    assert_eq!(fs::read_dir(world.state().join("registry"))?.count(), 1);
    let log = one.log();
    for word in ["panicked", "WARN", "ERROR"] {
        assert!(!log.contains(word), "{log}");
    }
    Ok(())
}

#[tokio::test]
async fn no_page_of_any_origin_sees_or_opens_anything() -> Result<()> {
    let (world, one, port) = connected(Options::default()).await?;
    let cdp = world.browser().cdp();
    let server = format!("127.0.0.1:{port}");
    // Of the same site as the server, of another one, and of none at all.
    for (origin, page, hidden) in [
        (world.site.url(""), world.site.url("/"), None),
        (world.site.other_url(""), world.site.other_url("/"), None),
        ("null".into(), world.site.url("/form"), Some("srcdoc")),
        ("null".into(), world.site.other_url("/form"), Some("data")),
    ] {
        let besieger = Besieger::new(tab(cdp, &page).await?, hidden).await?;
        assert_eq!(besieger.origin(), origin);
        for (path, seen) in besieger.besiege(&server, &PATHS).await? {
            assert_eq!(seen, nothing(), "{path} from {origin} ({hidden:?})");
        }
    }
    untouched(&world, &one).await?;
    world.close().await
}

#[tokio::test]
async fn the_same_attempts_do_arrive_where_they_are_let_in() -> Result<()> {
    let world = World::start().await?;
    let page = tab(world.browser().cdp(), &world.site.other_url("/")).await?;
    let besieger = Besieger::new(page, None).await?;
    let site = format!("127.0.0.1:{}", world.site.port());
    let seen = besieger.besiege(&site, &["/loud"]).await?;
    let seen = &seen.first().context("nothing was tried")?.1;
    assert_eq!(seen["object"], "load", "{seen}");
    // All but the last three are requests that this site understands and notes.
    let came = world.site.requests_of("/loud").len();
    assert!(came >= 9, "{came} came");
    world.close().await
}

#[tokio::test]
async fn a_name_that_was_rebound_to_this_machine_is_nobody() -> Result<()> {
    let options = Options {
        rebound: Some("rebound.test"),
        ..Options::default()
    };
    let world = World::with(options).await?;
    // The page comes from the very port and name that lead to a server later: to the browser they
    // are one origin, and one so insecure that it sends no fetch metadata.
    let port = world.ports.first();
    let origin = format!("http://rebound.test:{port}");
    let attacker = besieger::Attacker::listen(port).await?;
    let page = tab(world.browser().cdp(), &format!("{origin}/")).await?;
    let besieger = Besieger::new(page, None).await?;
    attacker.leave().await;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    assert_eq!(ports_of(one.pid())?, [port]);
    let refused = json!({
        "fetch": "403 ",
        "no-cors": "basic 403 ",
        "post": "basic 403 ",
        "form": "",
        "timing": "0 403",
    });
    let server = format!("rebound.test:{port}");
    for (path, seen) in besieger.besiege(&server, &PATHS).await? {
        let mut expected = nothing();
        for (name, saw) in refused.as_object().context("an object")? {
            expected[name] = saw.clone();
        }
        assert_eq!(seen, expected, "{path}");
    }
    untouched(&world, &one).await?;
    world.close().await
}

#[tokio::test]
async fn another_extension_is_let_in_nowhere() -> Result<()> {
    // With no right to this machine, as nearly all have it.
    let beside = std::env::temp_dir().join(format!("e2e-beside-{}", std::process::id()));
    fs::create_dir_all(&beside)?;
    let manifest = json!({"manifest_version": 3, "name": "Beside", "version": "1"});
    fs::write(beside.join("manifest.json"), manifest.to_string())?;
    fs::write(
        beside.join("page.html"),
        "<!doctype html><title>Beside</title>",
    )?;
    let options = Options {
        beside: Some(beside.clone()),
        ..Options::default()
    };
    let (world, one, port) = connected(options).await?;
    let origin = format!("chrome-extension://{}", besieger::id_of(&beside)?);
    let page = tab(world.browser().cdp(), &format!("{origin}/page.html")).await?;
    let besieger = Besieger::new(page, None).await?;
    assert_eq!(besieger.origin(), origin);
    let server = format!("127.0.0.1:{port}");
    for (path, mut seen) in besieger.besiege(&server, &PATHS).await? {
        // Its own rules keep scripts of others out before they are asked for.
        for ruled in ["script", "object"] {
            seen[ruled] = nothing()[ruled].clone();
        }
        assert_eq!(seen, nothing(), "{path}");
    }
    untouched(&world, &one).await?;
    world.close().await?;
    Ok(fs::remove_dir_all(beside)?)
}
