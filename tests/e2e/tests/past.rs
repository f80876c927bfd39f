//! What a page said and asked for before its tab came to an agent is not that agent's to read.

use anyhow::Result;
use e2e::{Agent, Answer, World};
use serde_json::json;

async fn console(agent: &Agent, tab: i64) -> Result<Answer> {
    let all = json!({"tabId": tab, "level": "debug"});
    agent.ok("browser_console_messages", all).await
}

async fn requests(agent: &Agent, tab: i64) -> Result<Answer> {
    let all = json!({"tabId": tab, "static": true});
    agent.ok("browser_network_requests", all).await
}

/// A page that has said and asked for something, in a tab of `owner`; none of it was read.
async fn spoken(world: &World, owner: &Agent, name: &str) -> Result<i64> {
    let page = world.site.url(&format!("/console?name={name}"));
    let tab = owner.open_tab(&page).await?;
    let clicked = owner.click(tab, &["button", "Fail"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits(&format!("failed {name}"), 1).await?;
    Ok(tab)
}

/// Neither the page's lines nor what it asked for; and that some are missing is said.
async fn knows_nothing(agent: &Agent, tab: i64) -> Result<()> {
    let heard = console(agent, tab).await?;
    assert!(!heard.text.contains("loaded"), "{heard}");
    assert!(!heard.text.contains("failed"), "{heard}");
    let asked = requests(agent, tab).await?;
    assert!(!asked.text.contains("=>"), "{asked}");
    assert!(asked.text.contains("\"reload\""), "{asked}");
    Ok(())
}

#[tokio::test]
async fn a_new_owner_sees_no_console_line_and_no_request_of_before() -> Result<()> {
    let world = World::start().await?;
    let (owner, other) = (world.agent("owner").await?, world.agent("other").await?);
    other.open(&world.site.url("/")).await?;

    let given = spoken(&world, &owner, "given").await?;
    let to = owner.alias_of("other").await?;
    let handoff = json!({"action": "handoff", "tabId": given, "to": to});
    owner.ok("browser_tabs", handoff).await?;
    knows_nothing(&other, given).await?;

    let freed = spoken(&world, &owner, "freed").await?;
    let release = json!({"action": "release", "tabId": freed});
    owner.ok("browser_tabs", release).await?;
    knows_nothing(&other, freed).await?;

    // The page itself is the new owner's, and all that it says from now on.
    let reload = json!({"tabId": freed, "action": "reload"});
    other.ok("browser_navigate", reload).await?;
    let heard = console(&other, freed).await?;
    assert!(heard.text.contains("loaded freed"), "{heard}");
    let asked = requests(&other, freed).await?;
    assert!(asked.text.contains("=> 200 (document)"), "{asked}");
    for told in [heard, asked] {
        assert!(!told.text.contains("\"reload\""), "{told}");
    }
    world.close().await
}

#[tokio::test]
async fn a_page_of_the_former_owner_that_comes_back_out_of_the_history_says_nothing_of_before()
-> Result<()> {
    let world = World::start().await?;
    let (owner, other) = (world.agent("owner").await?, world.agent("other").await?);
    other.open(&world.site.url("/")).await?;
    let tab = spoken(&world, &owner, "left").await?;
    // Only the same page, not one that is loaded again, still has it.
    let mark = json!({"tabId": tab, "function": "() => { window.mark = 'the same page'; }"});
    owner.ok("browser_evaluate", mark).await?;
    owner.open(&world.site.url("/")).await?;
    let to = owner.alias_of("other").await?;
    let handoff = json!({"action": "handoff", "tabId": tab, "to": to});
    owner.ok("browser_tabs", handoff).await?;
    let back = json!({"tabId": tab});
    other.ok("browser_navigate_back", back).await?;
    assert_eq!(other.read(tab, "window.mark").await?, "the same page");
    let heard = console(&other, tab).await?;
    assert!(!heard.text.contains("failed left"), "{heard}");
    world.close().await
}

#[tokio::test]
async fn a_tab_that_was_made_for_an_agent_tells_it_all_that_its_page_has_said() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let page = world.site.url("/console?name=new");
    let new = json!({"action": "new", "url": page});
    one.ok("browser_tabs", new).await?;
    e2e::until("the page to have said that it was loaded", async || {
        let heard = one.ok("browser_console_messages", json!({})).await?;
        Ok(heard.text.contains("loaded new").then_some(()))
    })
    .await?;
    world.close().await
}
