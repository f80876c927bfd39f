//! Focus is never stolen: whatever agents do behind it, the person's tab stays in front and keeps
//! the keyboard, and its page cannot tell that anybody else is at work.

use anyhow::Result;
use e2e::{Agent, ExtensionPage, Options, Shown, World};
use serde_json::{Value, json};

async fn a_world_with_a_person() -> Result<World> {
    let options = Options {
        shown: Shown::ToAPerson,
        ..Options::default()
    };
    World::with(options).await
}

/// Tells of every tab and window that comes to the front from now on.
struct Fronts(ExtensionPage);

impl Fronts {
    async fn watched(world: &World) -> Result<Self> {
        let page = world.browser().extension_page("popup.html").await?;
        page.evaluate(
            "self.fronts = []; \
             chrome.tabs.onActivated.addListener(({tabId}) => fronts.push(`tab ${tabId}`)); \
             chrome.windows.onFocusChanged.addListener((id) => fronts.push(`window ${id}`)); 0",
        )
        .await?;
        Ok(Self(page))
    }

    async fn kept(&self) -> Result<Vec<Value>> {
        let fronts = self.0.evaluate("fronts").await?;
        Ok(fronts.as_array().cloned().unwrap_or_default())
    }

    /// And forgets them.
    async fn seen(&self) -> Result<Vec<Value>> {
        let fronts = self.0.evaluate("fronts.splice(0)").await?;
        Ok(fronts.as_array().cloned().unwrap_or_default())
    }
}

/// What agents do all day, once each.
async fn a_day_of_work(world: &World, agent: &Agent) -> Result<()> {
    let name = agent.name();
    let shop = world.site.url(&format!("/shop?name={name}"));
    let tab = agent.open(&shop).await?;
    assert!(
        agent
            .fill(tab, &["textbox", "Note"], "a note")
            .await?
            .is_ok()
    );
    assert!(agent.click(tab, &["button", "Order"]).await?.is_ok());
    world.site.until_hits(&format!("order {name}"), 1).await?;
    agent.look(tab).await?;
    agent
        .ok(
            "browser_take_screenshot",
            json!({"tabId": tab, "fullPage": true}),
        )
        .await?;
    agent.open(&world.site.url("/form")).await?;
    let mut slowly = agent.aim(tab, &["textbox", "Name"]).await?;
    slowly["text"] = json!("key by key");
    slowly["slowly"] = json!(true);
    slowly["submit"] = json!(true);
    agent.ok("browser_type", slowly).await?;
    agent.ok("browser_navigate_back", json!({})).await?;
    agent
        .ok("browser_navigate", json!({"action": "reload"}))
        .await?;
    agent
        .read(
            tab,
            "(window.focus(), document.querySelector('input').focus(), 1)",
        )
        .await?;
    let other = agent.open_tab(&shop).await?;
    agent
        .ok("browser_tabs", json!({"action": "select", "tabId": tab}))
        .await?;
    agent
        .ok("browser_tabs", json!({"action": "close", "tabId": other}))
        .await?;
    agent
        .ok("browser_tabs", json!({"action": "release", "tabId": tab}))
        .await?;
    Ok(())
}

#[tokio::test]
async fn an_observer_in_the_persons_tab_sees_nothing_of_what_agents_do() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let fronts = Fronts::watched(&world).await?;
    let window = world.screen().active_window()?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    tokio::try_join!(a_day_of_work(&world, &one), a_day_of_work(&world, &two))?;
    one.quit().await?;
    two.quit().await?;
    assert_eq!(person.noticed().await?, Vec::<String>::new());
    assert_eq!(fronts.seen().await?, Vec::<Value>::new());
    assert!(person.works().await?);
    assert_eq!(world.screen().active_window()?, window);
    world.close().await
}

#[tokio::test]
async fn every_key_of_a_person_who_types_while_agents_work_arrives_in_their_page() -> Result<()> {
    const TEXT: &str = "the quick brown fox jumps over the lazy dog and types on and on";
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/shop?name=plums")).await?;
    let work = async {
        for _ in 0..4 {
            let typed = one
                .fill(tab, &["textbox", "Note"], "an agent's note")
                .await?;
            assert!(typed.is_ok(), "{typed}");
            let clicked = one.click(tab, &["button", "Order"]).await?;
            assert!(clicked.is_ok(), "{clicked}");
        }
        Ok(())
    };
    tokio::try_join!(person.types(TEXT), work)?;
    e2e::until("the last key", async || {
        Ok((person.text().await?.len() >= TEXT.len()).then_some(()))
    })
    .await?;
    assert_eq!(person.text().await?, TEXT);
    assert_eq!(one.read(tab, "note.value").await?, "an agent's note");
    assert_eq!(world.site.hits("order plums"), 4);
    world.close().await
}

#[tokio::test]
async fn popups_of_hidden_tabs_give_the_front_and_the_keyboard_back_at_once() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let fronts = Fronts::watched(&world).await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/popups?name=a")).await?;
    for (words, opened) in [
        (["link", "Open link"], "linked-a"),
        (["button", "Open window"], "opened-a"),
    ] {
        let clicked = one.click(tab, &words).await?;
        assert!(clicked.is_ok(), "{clicked}");
        e2e::until("the popup in its owner's list", async || {
            Ok(one.tabs().await?.text.contains(opened).then_some(()))
        })
        .await?;
        let seen = e2e::until("two tabs to come to the front", async || {
            let seen = fronts.kept().await?;
            Ok((seen.len() >= 2).then_some(seen))
        })
        .await?;
        // Chrome shows the popup; the person's tab follows, and that is all.
        assert_eq!(seen.len(), 2, "{seen:?}");
        e2e::until("the person's page to have the keyboard", async || {
            Ok(person.works().await?.then_some(()))
        })
        .await?;
        person.types(opened).await?;
        fronts.seen().await?;
    }
    assert_eq!(person.text().await?, "linked-aopened-a");
    world.close().await
}
