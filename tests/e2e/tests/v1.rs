//! The seeds' own servers against the real extension in a real browser, where the user lets them
//! in: every type of request on real pages, beside an agent that is paired. And who is not let in.

#[path = "v1/server.rs"]
mod server;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::{Era, Options, World};
use serde_json::{Value, json};
use server::{Listener, NAME, Server};

async fn world() -> Result<World> {
    let unpaired = true;
    World::with(Options {
        unpaired,
        ..Options::default()
    })
    .await
}

fn navigate(world: &World, path: &str) -> Value {
    json!({"url": world.site.url(path), "detectPopups": true})
}

async fn opens(server: &mut Server, world: &World, path: &str) -> Result<Value> {
    server.ask("browser_navigate", navigate(world, path)).await
}

/// Width and height of a PNG.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    Some((number(16)?, number(20)?))
}

#[tokio::test]
async fn the_first_dialects_server_works_a_page_by_every_type_of_request() -> Result<()> {
    let world = world().await?;
    let listener = Listener::bind(world.ports.last()).await?;
    let mut server = listener.serve(NAME).await?;

    let opened = opens(&mut server, &world, "/shop?name=apples").await?;
    assert_eq!(opened["popupsDetected"], false);
    assert!(
        opened["snapshot"]
            .as_str()
            .context("a snapshot")?
            .contains("Shop apples")
    );
    assert_eq!(opened["_debug"]["instanceId"], NAME);
    let tab = opened["_debug"]["tabId"].as_i64().context("a tab")?;

    // A page is seen, and worked on as by people.
    let minimal = json!({"level": "minimal", "viewportOnly": true});
    let seen = server.ask("snapshot.accessibility", minimal).await?;
    assert_eq!(seen["tabId"], tab);
    let elements = server.ask("snapshot.accessibility", json!({})).await?;
    let elements = elements["snapshot"].as_array().context("elements")?.clone();
    let order = elements.iter().find(|one| one["name"] == "Order apples");
    let order = order.with_context(|| format!("{elements:?}"))?;
    assert!(
        order["bounds"]["width"].as_f64().context("a width")? > 10.0,
        "{order}"
    );
    assert_eq!(order["role"], "button");
    let note = server.find(&["textbox", "Note"]).await?;
    let done = json!({"success": true});
    let typed = json!({"ref": note, "text": "two", "submit": false});
    assert_eq!(server.ask("dom.type", typed).await?, done);
    assert_eq!(
        server.ask("browser_press_key", json!({"key": "!"})).await?,
        done
    );
    let order = json!({"ref": order["ref"], "detectPopups": true});
    assert_eq!(
        server
            .ask("dom.hover", json!({"ref": order["ref"]}))
            .await?,
        done
    );
    let clicked = server.ask("dom.click", order).await?;
    assert_eq!(
        clicked,
        json!({"success": true, "popupsDetected": false, "popups": []})
    );
    world.site.until_hits("order apples", 1).await?;
    let said = server
        .value("document.querySelector('output').textContent")
        .await?;
    assert_eq!(said, "ordered 1 apples: two!");
    opens(&mut server, &world, "/lists").await?;
    let list = server.find(&["combobox", "Size"]).await?;
    let chosen = json!({"ref": list, "values": ["Medium"]});
    assert_eq!(server.ask("dom.select", chosen).await?, done);
    assert_eq!(
        server
            .value("document.querySelector('#size').value")
            .await?,
        "m"
    );

    // To and fro.
    assert_eq!(server.ask("browser_go_back", json!({})).await?, json!({}));
    assert_eq!(server.value("document.title").await?, "Shop apples");
    assert_eq!(
        server.ask("browser_go_forward", json!({})).await?,
        json!({})
    );
    assert_eq!(server.value("document.title").await?, "Lists");
    let before = world.site.requests_of("/lists").len();
    assert_eq!(server.ask("browser_refresh", json!({})).await?, done);
    assert_eq!(world.site.requests_of("/lists").len(), before + 1);
    let began = std::time::Instant::now();
    assert_eq!(server.ask("browser_wait", json!({"time": 1})).await?, done);
    assert!(began.elapsed().as_millis() >= 1000, "seconds are meant");

    // Pictures.
    let shot = json!({"captureMode": "fullpage", "format": "jpeg", "quality": 80});
    let shot = server.ask("browser_screenshot", shot).await?;
    let data = shot["data"].as_str().context("data")?;
    let jpeg = data
        .strip_prefix("data:image/jpeg;base64,")
        .context("a jpeg")?;
    assert!(STANDARD.decode(jpeg)?.starts_with(&[0xff, 0xd8]));
    let region = json!({"x": 10, "y": 20, "width": 30, "height": 40});
    let shot = json!({"captureMode": "region", "format": "png", "region": region});
    let shot = server.ask("browser_screenshot", shot).await?;
    let data = shot["data"].as_str().context("data")?;
    let png = data
        .strip_prefix("data:image/png;base64,")
        .context("a png")?;
    assert_eq!(size(&STANDARD.decode(png)?), Some((30, 40)));

    // What the page says and asks for.
    opens(&mut server, &world, "/console?name=x").await?;
    let domains = json!({"domains": ["console", "network", "performance", "runtime"]});
    assert_eq!(server.ask("debugger.attach", domains).await?, done);
    for words in [["button", "Speak"], ["button", "Fail"]] {
        let button = json!({"ref": server.find(&words).await?});
        server.ask("dom.click", button).await?;
    }
    let warned = json!({"logs": [{"type": "warn", "args": ["warned x"]}]});
    let wanted = json!({"type": "warn", "filter": "x", "limit": 5});
    // As often as it is asked.
    for _ in 0..2 {
        assert_eq!(server.ask("console.get", wanted.clone()).await?, warned);
    }
    let all = server.ask("console.get", json!({})).await?;
    assert!(all["logs"].as_array().context("logs")?.len() >= 3, "{all}");
    for (kind, holds) in [
        ("console", "loaded x"),
        ("errors", "failed x"),
        ("network", "/hit?name=failed"),
        ("performance", "resources"),
    ] {
        let data = json!({"type": kind, "limit": 50});
        let data = server.ask("debugger.getData", data).await?;
        assert_eq!(data["type"], kind);
        assert!(data["data"].to_string().contains(holds), "{kind}: {data}");
    }
    assert_eq!(server.ask("debugger.detach", json!({})).await?, done);

    // Tabs.
    let made = json!({"url": world.site.url("/greet?name=tab"), "detectPopups": true});
    let made = server.ask("tabs.new", made).await?;
    assert_eq!(
        (&made["success"], &made["index"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(server.value("document.title").await?, "Greeting tab");
    let listed = server.ask("tabs.list", json!({})).await?;
    let tabs = listed["tabs"].as_array().context("tabs")?;
    let ids: Vec<&Value> = tabs.iter().map(|tab| &tab["id"]).collect();
    assert_eq!(ids, [&json!(tab), &made["tabId"]]);
    assert_eq!(
        (&tabs[0]["active"], &tabs[1]["active"]),
        (&json!(false), &json!(true))
    );
    assert!(
        tabs.iter()
            .all(|tab| tab["windowId"].is_i64() && tab["status"] == "complete"),
        "{tabs:?}"
    );
    let selected = server.ask("tabs.select", json!({"index": 0})).await?;
    assert_eq!(selected, json!({"success": true, "tabId": tab, "index": 0}));
    assert_eq!(server.value("document.title").await?, "Console x");
    assert_eq!(server.ask("tabs.close", json!({"index": 1})).await?, done);
    let listed = server.ask("tabs.list", json!({})).await?;
    assert_eq!(listed["tabs"].as_array().map(Vec::len), Some(1));

    // Ids that JavaScript takes for none, what nobody knows, and what fails.
    for id in [json!(0), json!(""), json!(null), json!(false)] {
        let reply = server.ask_as(&id, "tabs.list", json!({})).await?;
        assert_eq!(reply["type"], "tabs.list", "{reply}");
    }
    let pong = server.ask_as(&json!(0), "ping", json!({})).await?;
    assert!(
        pong["type"] == "pong" && pong["timestamp"].is_u64(),
        "{pong}"
    );
    assert_eq!(
        server.fails("nope", json!({})).await?,
        "Unknown message type: nope"
    );
    let stale = server.fails("dom.click", json!({"ref": "e1_aaaa"})).await?;
    assert!(
        stale.starts_with("stale_ref: ") && stale.contains("denied"),
        "{stale}"
    );
    drop((server, listener));
    world.close().await
}

#[tokio::test]
async fn every_method_of_js_execute_does_what_it_says() -> Result<()> {
    let world = world().await?;
    let listener = Listener::bind(world.ports.last()).await?;
    let mut server = listener.serve(NAME).await?;
    opens(&mut server, &world, "/").await?;
    for (method, args, expected) in [
        ("getText", json!(["h1"]), json!("Orchard")),
        ("getText", json!(["h6"]), json!(null)),
        ("exists", json!(["h1"]), json!(true)),
        ("getHTML", json!(["h1"]), json!("Orchard")),
        ("getOuterHTML", json!(["h1"]), json!("<h1>Orchard</h1>")),
        (
            "query",
            json!(["h1", {"attrs": ["textContent", "id"]}]),
            json!([{"textContent": "Orchard", "id": null}]),
        ),
        ("waitFor", json!(["h1", {"timeoutMs": 1000}]), json!(true)),
        ("waitFor", json!(["h6", {"timeoutMs": 100}]), json!(false)),
        (
            "scroll",
            json!([{"to": "bottom", "steps": 2, "delayMs": 10}]),
            json!(true),
        ),
        ("dismissOverlays", json!([]), json!(0)),
        ("dismissOverlays", json!([["h1"]]), json!(1)),
        ("exec", json!(["return 1 + 1"]), json!(2)),
        (
            "extractSchema",
            json!(["ul", {"fruit": {"selector": "a", "multiple": true}, "none": {}}]),
            json!({"data": [{"fruit": ["Apples", "Pears", "Stock"], "none": null}], "count": 1}),
        ),
    ] {
        assert_eq!(server.method(method, args).await?, expected, "{method}");
    }
    let links = json!(["body", {"textContains": "pears"}]);
    let links = server.method("extractLinks", links).await?;
    let href = world.site.url("/shop?name=pears");
    let link = json!({"href": href, "text": "Pears", "title": "", "target": "_self"});
    assert_eq!(links, json!({"links": [link], "count": 1}));
    opens(&mut server, &world, "/form").await?;
    let fields = json!(["form", {"name": "Ada", "nothing": 1}]);
    assert_eq!(server.method("fillForm", fields).await?, true);
    assert_eq!(server.value("document.forms[0].name.value").await?, "Ada");
    let filled = json!(["input", "it's", {"pressEnter": true}]);
    assert_eq!(server.method("setInput", filled).await?, true);
    assert_eq!(server.value("return api.getValue('input')").await?, "it's");
    assert_eq!(server.value("api.count('input')").await?, 1);
    let unknown = json!({"method": "constructor", "args": []});
    let unknown = server.fails("js.execute", unknown).await?;
    assert!(
        unknown.contains("API method not found: constructor"),
        "{unknown}"
    );
    let left = server.value("typeof api + typeof window.__mcpApi").await?;
    assert_eq!(left, "undefinedundefined", "nothing is left in the page");
    drop((server, listener));
    world.close().await
}

#[tokio::test]
async fn an_unpaired_server_stays_in_its_own_tabs_and_is_shown_as_what_it_is() -> Result<()> {
    let world = world().await?;
    let one = world.agent("gardener").await?;
    let tab = one.open(&world.site.url("/counter?name=roses")).await?;
    let popup = world.browser().extension_page("popup.html").await?;
    let listener = Listener::bind(world.ports.last()).await?;
    let mut server = listener.serve(NAME).await?;
    let opened = opens(&mut server, &world, "/counter?name=weeds").await?;
    let label = format!("unpaired on port {}", world.ports.last());
    e2e::until("the popup to show who is not paired", async || {
        let text = popup.text().await?;
        Ok((text.contains("Not paired") && text.contains(&label)).then_some(()))
    })
    .await?;
    let red = "getComputedStyle(document.querySelector('.unpaired .alias')).color";
    let quiet = "getComputedStyle(document.querySelector('.instance:not(.unpaired) .alias')).color";
    assert_ne!(popup.evaluate(red).await?, popup.evaluate(quiet).await?);
    let gives = "document.querySelectorAll('.unpaired button[data-key^=give]').length";
    assert_eq!(popup.evaluate(gives).await?, 0);
    // Of the agent, and of the person.
    let persons = popup.tabs().await?;
    let person = persons
        .iter()
        .find(|tab| tab.url == "about:blank")
        .context("the person's tab")?;
    for foreign in [tab, person.id] {
        for kind in ["tabs.select", "tabs.close", "browser_screenshot"] {
            let refused = server.fails(kind, json!({"tabId": foreign})).await?;
            assert!(refused.starts_with("policy_refused"), "{kind}: {refused}");
        }
    }
    let own = opened["_debug"]["tabId"].clone();
    let listed = server.ask("tabs.list", json!({})).await?;
    let tabs = listed["tabs"].as_array().context("tabs")?;
    assert!(tabs.len() == 1 && tabs[0]["id"] == own, "{tabs:?}");
    let others = one.call("browser_tabs", json!({"action": "list"})).await?;
    assert!(others.text.contains(&label), "{others}");
    // What it calls itself is its own word, and nobody else's to read.
    assert!(!others.text.contains(NAME), "{others}");
    let gift = json!({"action": "handoff", "tabId": tab, "to": "a2"});
    let gift = one.call("browser_tabs", gift).await?;
    gift.must_fail("policy_refused", &["not paired"]);
    // A worker that dies comes back to the same server, and that one to its tab.
    world.browser().kill_worker().await?;
    let mut server = listener.serve(NAME).await?;
    let listed = server.ask("tabs.list", json!({})).await?;
    assert_eq!(listed["tabs"][0]["id"], own);
    assert_eq!(server.value("document.title").await?, "Counter weeds");
    assert!(one.call("browser_snapshot", json!({})).await?.is_ok());
    drop((server, listener));
    world.close().await
}

#[tokio::test]
async fn one_of_ours_on_such_a_port_proves_itself_as_everywhere() -> Result<()> {
    let world = world().await?;
    let mut spawn = world.spawn("gardener", Era::Legacy);
    let port = world.ports.last().to_string();
    spawn.arguments.extend(["--port".into(), port.clone()]);
    let one = world.agent_of(spawn).await?;
    one.open(&world.site.url("/counter?name=roses")).await?;
    let popup = world.browser().extension_page("popup.html").await?;
    e2e::until("the popup to show its port", async || {
        Ok(popup.text().await?.contains(&port).then_some(()))
    })
    .await?;
    assert!(!popup.text().await?.contains("Not paired"));
    world.close().await
}

#[tokio::test]
async fn without_the_users_word_the_extension_dials_no_such_server() -> Result<()> {
    let world = World::start().await?;
    let listener = Listener::bind(world.ports.last()).await?;
    let probed = e2e::until("the extension to look twice", async || {
        Ok((listener.probes() >= 2).then_some(()))
    });
    tokio::select! {
        socket = listener.accept() => { socket?; panic!("it was dialled") }
        probed = probed => probed?,
    }
    drop(listener);
    world.close().await
}
