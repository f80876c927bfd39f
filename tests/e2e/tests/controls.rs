//! Keys, mouse and lists, each in a hidden tab, as a person would use them.

use anyhow::Result;
use e2e::{Agent, World};
use serde_json::json;

async fn on(path: &str) -> Result<(World, Agent, i64)> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url(path)).await?;
    Ok((world, one, tab))
}

async fn press(agent: &Agent, tab: i64, key: &str) -> Result<()> {
    let arguments = json!({"tabId": tab, "key": key});
    agent.ok("browser_press_key", arguments).await.map(drop)
}

#[tokio::test]
async fn keys_reach_the_page_as_from_a_keyboard() -> Result<()> {
    let (world, one, tab) = on("/keys").await?;
    one.click(tab, &["textbox", "Text"]).await?;
    for key in ["a", "ж", "Shift+b", "ArrowLeft"] {
        press(&one, tab, key).await?;
    }
    assert_eq!(one.read(tab, "text.value").await?, "aжB");
    assert_eq!(
        one.read(tab, "keys.join()").await?,
        "keydown a KeyA 65,keyup a KeyA 65,keydown ж  0,keyup ж  0,\
         keydown Shift ShiftLeft 16 shift,keydown B KeyB 66 shift,keyup B KeyB 66 shift,\
         keyup Shift ShiftLeft 16,\
         keydown ArrowLeft ArrowLeft 37,keyup ArrowLeft ArrowLeft 37"
    );
    // All is selected, so that the next key replaces it.
    press(&one, tab, "ControlOrMeta+a").await?;
    press(&one, tab, "x").await?;
    assert_eq!(one.read(tab, "text.value").await?, "x");
    press(&one, tab, "Enter").await?;
    world.site.until_hits("submitted", 1).await?;
    let wrong = one
        .call("browser_press_key", json!({"tabId": tab, "key": "Entre"}))
        .await?;
    assert!(wrong.failed_with("bad_arguments"), "{wrong}");
    world.close().await
}

#[tokio::test]
async fn a_menu_opens_under_the_mouse_and_stays_for_the_click() -> Result<()> {
    let (world, one, tab) = on("/menu").await?;
    let before = one.ok("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(!before.text.contains("Save"), "{before}");
    let arguments = one.aim(tab, &["button", "File"]).await?;
    one.ok("browser_hover", arguments).await?;
    let clicked = one.click(tab, &["button", "Save"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("saved", 1).await?;
    world.close().await
}

#[tokio::test]
async fn options_are_selected_by_label_or_value_and_the_page_is_told() -> Result<()> {
    let (world, one, tab) = on("/lists").await?;
    for (list, values) in [
        ("Size", json!(["m"])),
        ("Toppings", json!(["Corn", "Cheese"])),
        ("Toppings", json!([])),
    ] {
        let mut arguments = one.aim(tab, &["box", list]).await?;
        arguments["values"] = values;
        one.ok("browser_select_option", arguments).await?;
    }
    assert_eq!(
        one.read(tab, "told.join()").await?,
        "input size Medium,change size Medium,\
         input toppings Cheese+Corn,change toppings Cheese+Corn,\
         input toppings ,change toppings "
    );
    world.close().await
}

#[tokio::test]
async fn an_option_that_cannot_be_selected_is_answered_with_those_that_can() -> Result<()> {
    let (world, one, tab) = on("/lists").await?;
    for (list, values, why) in [
        ("Size", json!(["Large"]), "\"Small\", \"Medium\""),
        ("Size", json!(["Huge"]), "\"Small\", \"Medium\""),
        ("Size", json!(["s", "m"]), "only one"),
        (
            "Toppings",
            json!(["Truffle"]),
            "\"Cheese\", \"Ham\", \"Corn\"",
        ),
        ("Off", json!(["One"]), "disabled"),
    ] {
        let mut arguments = one.aim(tab, &["box", list]).await?;
        arguments["values"] = values;
        let refused = one.call("browser_select_option", arguments).await?;
        assert!(refused.failed_with("not_actionable"), "{list}: {refused}");
        assert!(refused.text.contains(why), "{list}: {refused}");
    }
    assert_eq!(one.read(tab, "told.length").await?, "0");
    world.close().await
}

#[tokio::test]
async fn requests_are_told_with_what_came_of_them_and_without_what_was_said() -> Result<()> {
    let (world, one, tab) = on("/asks").await?;
    let clicked = one.click(tab, &["button", "Ask"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    let answer = e2e::until("all requests to be answered", async || {
        let arguments = json!({"tabId": tab});
        let seen = one.ok("browser_network_requests", arguments).await?;
        Ok(seen.text.contains("failed").then_some(seen))
    })
    .await?;
    let lines: Vec<&str> = answer
        .text
        .lines()
        .filter(|line| line.contains("=>") && !line.contains("favicon"))
        .collect();
    let [page, asked, nowhere, nobody] = lines.as_slice() else {
        panic!("{answer}")
    };
    let url = |path: &str| world.site.url(path);
    assert_eq!(*page, format!("[GET] {} => 200 (document)", url("/asks")));
    let hit = url("/hit?name=asked");
    assert_eq!(*asked, format!("[POST] {hit} => 204 (fetch)"));
    assert_eq!(
        *nowhere,
        format!("[GET] {} => 404 (fetch)", url("/nowhere"))
    );
    assert!(
        nobody.starts_with("[GET] http://127.0.0.1:9/ => failed: net::ERR_"),
        "{nobody}"
    );
    let all = json!({"tabId": tab, "static": true, "filter": "style"});
    let all = one.ok("browser_network_requests", all).await?;
    assert!(all.text.contains("name=fine => 200 (stylesheet)"), "{all}");
    for said in [&answer, &all] {
        assert!(!said.text.contains("hush"), "{said}");
    }
    // Another page has other requests.
    one.open(&world.site.url("/")).await?;
    let fresh = json!({"tabId": tab, "static": true});
    let fresh = one.ok("browser_network_requests", fresh).await?;
    assert!(!fresh.text.contains("/nowhere"), "{fresh}");
    assert!(fresh.text.contains("=> 200 (document)"), "{fresh}");
    world.close().await
}

#[tokio::test]
async fn console_lines_come_with_their_place_and_as_severe_as_was_asked() -> Result<()> {
    let (world, one, tab) = on("/loud").await?;
    let url = world.site.url("/loud");
    let mut said = String::new();
    e2e::until("the page to have said all", async || {
        let arguments = json!({"tabId": tab, "level": "error"});
        let heard = one.ok("browser_console_messages", arguments).await?;
        said.push_str(&heard.text);
        Ok((said.contains("thrown away") && said.contains("missing.png")).then_some(()))
    })
    .await?;
    let thrown = format!("[error] Error: thrown away @ {url}:5:");
    assert!(said.contains(&thrown), "{said}");
    assert!(
        said.contains(&format!(" @ {}", world.site.url("/missing.png"))),
        "{said}"
    );
    assert!(!said.contains("a warning"), "{said}");
    let rest = one
        .ok("browser_console_messages", json!({"tabId": tab}))
        .await?;
    for (line, words) in [(3, "[log] a fact"), (4, "[warning] a warning")] {
        assert!(
            rest.text.contains(&format!("{words} @ {url}:{line}:")),
            "{rest}"
        );
    }
    assert!(!rest.text.contains("a detail"), "{rest}");
    let detail = json!({"tabId": tab, "level": "debug"});
    let detail = one.ok("browser_console_messages", detail).await?;
    assert!(detail.text.contains("[debug] a detail"), "{detail}");
    world.close().await
}
