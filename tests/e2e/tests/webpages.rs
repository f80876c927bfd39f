//! What a web page learns of a server on the same machine: nothing. From every kind of origin and
//! with all that a page can send, each path of a server answers the page alike, in no readable way,
//! and opens no session.

#[path = "webpages/besieger.rs"]
mod besieger;
#[path = "webpages/secure.rs"]
mod secure;

use anyhow::{Context, Result};
use besieger::Besieger;
use e2e::{Agent, Cdp, Options, Target, World, ports_of};
use protocol::ports::{PATHS, Serves};
use secure::Secure;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// All kinds of paths: every one that a server has, those that other servers have, and none.
fn paths() -> Vec<String> {
    let routed = PATHS.iter().map(|(path, _)| path.replace('*', "one"));
    let others = ["/mcp", "/health", "/json/version", "/nowhere"];
    routed.chain(others.map(str::to_owned)).collect()
}

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

/// What a page saw otherwise than `expected`, each in a line: who, on which path, by what.
fn breaches(who: &str, seen: &[(String, Value)], expected: &Value) -> Result<Vec<String>> {
    let expected = expected.as_object().context("an object")?;
    let mut breaches = Vec::new();
    for (path, seen) in seen {
        let seen = seen.as_object().context("an object")?;
        anyhow::ensure!(seen.len() == expected.len(), "{seen:?}");
        let others = seen
            .iter()
            .filter(|(name, saw)| expected.get(*name) != Some(*saw));
        breaches.extend(others.map(|(name, saw)| format!("{who}: {path}: {name}: {saw}")));
    }
    Ok(breaches)
}

/// Fails with all of them, so that it is seen who got in and who did not.
fn expect_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
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
    let secure = Secure::start().await?;
    let options = Options {
        trusted: Some(secure.key()),
        ..Options::default()
    };
    let (world, one, port) = connected(options).await?;
    let cdp = world.browser().cdp();
    let server = format!("127.0.0.1:{port}");
    // A file of the person's has no origin either.
    let saved = world.folder().join("saved.html");
    fs::write(&saved, "<!doctype html><body>")?;
    // Of the same site as the server, of another one, from https, and of no site at all.
    let mut besiegers = Vec::new();
    for page in [world.site.url(""), world.site.other_url(""), secure.url("")] {
        for hidden in [None, Some("srcdoc"), Some("data")] {
            let origin = if hidden.is_none() { &page } else { "null" };
            besiegers.push((origin.to_owned(), format!("{page}/form"), hidden));
        }
    }
    for page in [
        "data:text/html,<body>".to_owned(),
        format!("file://{}", saved.display()),
    ] {
        besiegers.push(("null".into(), page, None));
    }
    let mut found = Vec::new();
    for (origin, page, hidden) in besiegers {
        let besieger = Besieger::new(tab(cdp, &page).await?, hidden).await?;
        assert_eq!(besieger.origin(), origin);
        let mut expected = nothing();
        if page.starts_with("data:") {
            // Of a page from nowhere Chrome asks the person whether it may reach this machine.
            for asked in ["no-cors", "post"] {
                expected[asked] = json!("TypeError");
            }
        }
        let who = hidden.map_or(page.clone(), |kind| format!("{kind} in {page}"));
        let seen = besieger.besiege(&server, &paths()).await?;
        found.extend(breaches(&who, &seen, &expected)?);
    }
    expect_none(&found);
    untouched(&world, &one).await?;
    world.close().await
}

#[tokio::test]
async fn the_same_attempts_do_arrive_where_they_are_let_in() -> Result<()> {
    let secure = Secure::start().await?;
    let options = Options {
        trusted: Some(secure.key()),
        ..Options::default()
    };
    let world = World::with(options).await?;
    let site = format!("127.0.0.1:{}", world.site.port());
    for page in [world.site.other_url("/"), secure.url("/")] {
        let before = world.site.requests_of("/loud").len();
        let besieger = Besieger::new(tab(world.browser().cdp(), &page).await?, None).await?;
        let seen = besieger.besiege(&site, &["/loud".into()]).await?;
        let seen = &seen.first().context("nothing was tried")?.1;
        assert_eq!(seen["object"], "load", "{page}: {seen}");
        // All but the last three are requests that this site understands and notes.
        let came = world.site.requests_of("/loud").len() - before;
        assert!(came >= 9, "{came} came from {page}");
    }
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
    // To the extension the port is a foreign service's until it looks again.
    attacker.probed().await?;
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
    let mut expected = nothing();
    for (name, saw) in refused.as_object().context("an object")? {
        expected[name] = saw.clone();
    }
    let seen = besieger.besiege(&server, &paths()).await?;
    expect_none(&breaches(&origin, &seen, &expected)?);
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
    let mut seen = besieger.besiege(&server, &paths()).await?;
    for (_, seen) in &mut seen {
        // Its own rules keep scripts of others out before they are asked for.
        for ruled in ["script", "object"] {
            seen[ruled] = nothing()[ruled].clone();
        }
    }
    expect_none(&breaches(&origin, &seen, &nothing())?);
    untouched(&world, &one).await?;
    world.close().await?;
    Ok(fs::remove_dir_all(beside)?)
}

/// The worker of the extension of this origin.
async fn worker(cdp: &Cdp, origin: &str) -> Result<Target> {
    let url = json!(format!("{origin}/beside.js"));
    let worker = e2e::until("the other extension's worker", async || {
        let targets = cdp.targets().await?;
        Ok(targets.into_iter().find(|target| target["url"] == url))
    })
    .await?;
    cdp.attach(worker["targetId"].as_str().context("no targetId")?)
        .await
}

#[tokio::test]
async fn an_extension_with_all_rights_learns_what_any_process_does_and_no_more() -> Result<()> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webpages/beside");
    let options = Options {
        beside: Some(beside.clone()),
        ..Options::default()
    };
    let (world, one, port) = connected(options).await?;
    let cdp = world.browser().cdp();
    let server = format!("127.0.0.1:{port}");
    let origin = format!("chrome-extension://{}", besieger::id_of(&beside)?);
    let page = tab(cdp, &format!("{origin}/page.html")).await?;
    let besieger = Besieger::new(page, None).await?;
    // Chrome takes its requests for a person's: without an origin, as any process sends them.
    let answer = |path: &str| match PATHS
        .iter()
        .find(|(known, _)| known.replace('*', "one") == path)
    {
        Some((_, Serves::Probe)) => "200 {\"interlock\":1}",
        Some((_, Serves::Extension)) => "426 ",
        None => "404 ",
    };
    for (path, seen) in besieger.besiege(&server, &paths()).await? {
        let mut expected = nothing();
        expected["fetch"] = json!(answer(&path));
        expected["no-cors"] = json!(format!("basic {}", answer(&path)));
        expected["post"] = json!("basic 413 ");
        if answer(&path).starts_with("200") {
            // A style sheet that says nothing.
            expected["style"] = json!("load");
        }
        // Of the same answers.
        expected["timing"] = seen["timing"].clone();
        assert_eq!(seen, expected, "{path}");
    }
    let worker = worker(cdp, &origin).await?;
    let id = world.browser().extension_id();
    let hello = json!({"type": "hello", "versions": ["2.0"], "nonceExt": "11".repeat(32),
        "extensionId": id, "browserId": "b", "browserName": "b"});
    let says = json!([hello, {"type": "proof", "mac": "00".repeat(32)}]);
    let attempt = format!("try_server({}, {}, {says})", json!(server), json!(paths()));
    let seen = worker.evaluate(&attempt).await?;
    for path in paths() {
        assert_eq!(
            seen[&path],
            json!([answer(&path), "closed 1006 "]),
            "{path}"
        );
    }
    // As if it were ours, which it may write above its requests but not above its sockets.
    let ours = json!(format!("chrome-extension://{id}"));
    worker.evaluate(&format!("disguise({ours})")).await?;
    let seen = worker.evaluate(&attempt).await?;
    for path in paths() {
        let answer = if answer(&path) == "426 " {
            "426 "
        } else {
            "403 "
        };
        assert_eq!(seen[&path], json!([answer, "closed 1006 "]), "{path}");
    }
    // Nor does our extension hear it, or show it anything.
    let attempt = format!(
        "try_extension({}, [\"pairing.json\", \"popup.html\"])",
        json!(id)
    );
    let seen = worker.evaluate(&attempt).await?;
    let seen = seen.as_object().context("an object")?;
    assert_eq!(seen.len(), 3 + 2 * 4, "{seen:?}");
    for (name, saw) in seen {
        let saw = saw.as_str().context("a text")?;
        let kept_out = match name.split_once(' ') {
            Some(("fetch", _)) => saw == "TypeError",
            Some(("picture", _)) => saw.contains("'activeTab' permission") || saw.contains("quota"),
            Some(("script" | "debugger", _)) => saw.contains("of different extension"),
            Some(_) => false,
            None if name == "debugger" => saw.starts_with("No background page"),
            None => saw.contains("Receiving end does not exist"),
        };
        assert!(kept_out, "{name}: {saw}");
    }
    untouched(&world, &one).await?;
    world.close().await
}
