//! JavaScript dialogs: told at once, handled past the queue, never left behind for the next owner.

use anyhow::Result;
use e2e::{Agent, World};
use serde_json::json;

async fn on_the_dialogs_page() -> Result<(World, Agent, i64)> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/dialogs")).await?;
    Ok((world, one, tab))
}

const SAID: &str = "document.querySelector('output').textContent";

#[tokio::test]
async fn a_dialog_opened_by_a_click_is_told_and_handled_with_calls_queued() -> Result<()> {
    let (world, one, tab) = on_the_dialogs_page().await?;
    let arguments = one.aim(tab, &["button", "Alert"]).await?;
    let click = one.begin("browser_click", arguments).await?;
    let queued = one
        .begin("browser_evaluate", e2e::reading(tab, SAID))
        .await?;
    let clicked = click.answer().await?;
    assert!(clicked.text.contains("look here"), "{clicked}");
    let queued = queued.answer().await?;
    assert!(queued.failed_with("dialog_open"), "{queued}");
    let later = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    let things = ["alert", "look here", "browser_handle_dialog"];
    later.must_fail("dialog_open", &things);
    one.ok(
        "browser_handle_dialog",
        json!({"tabId": tab, "accept": true}),
    )
    .await?;
    assert_eq!(one.read(tab, SAID).await?, "alert closed");
    assert_eq!(world.site.hits("alert"), 1);
    world.close().await
}

#[tokio::test]
async fn a_prompt_gets_the_text_of_its_answer() -> Result<()> {
    let (world, one, tab) = on_the_dialogs_page().await?;
    let clicked = one.click(tab, &["button", "Prompt"]).await?;
    assert!(clicked.text.contains("your name"), "{clicked}");
    let arguments = json!({"tabId": tab, "accept": true, "promptText": "Ada"});
    one.ok("browser_handle_dialog", arguments).await?;
    assert_eq!(one.read(tab, SAID).await?, "answer Ada");
    world.close().await
}

#[tokio::test]
async fn a_dialog_is_dismissed_before_its_tab_is_handed_over() -> Result<()> {
    let (world, one, tab) = on_the_dialogs_page().await?;
    let two = world.agent("two").await?;
    two.open(&world.site.url("/")).await?;
    let clicked = one.click(tab, &["button", "Confirm"]).await?;
    assert!(clicked.text.contains("are you sure"), "{clicked}");
    let to = one.alias_of("two").await?;
    one.ok(
        "browser_tabs",
        json!({"action": "handoff", "tabId": tab, "to": to}),
    )
    .await?;
    assert_eq!(two.read(tab, SAID).await?, "confirmed false");
    let clicked = two.click(tab, &["button", "Plain"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    assert_eq!(two.read(tab, SAID).await?, "plain");
    world.close().await
}

#[tokio::test]
async fn a_dialog_that_a_page_opens_while_it_loads_is_told_by_the_navigation() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/")).await?;
    let url = world.site.url("/onload-alert");
    let answer = one
        .call("browser_navigate", json!({"tabId": tab, "url": url}))
        .await?;
    assert!(answer.text.contains("from onload"), "{answer}");
    one.ok(
        "browser_handle_dialog",
        json!({"tabId": tab, "accept": true}),
    )
    .await?;
    assert_eq!(one.read(tab, SAID).await?, "closed");
    world.close().await
}
