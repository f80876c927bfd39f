//! Focus is never stolen: whatever agents do behind it, the person's tab stays in front and keeps
//! the keyboard, and its page cannot tell that anybody else is at work.

use anyhow::{Context, Result};
use e2e::{Agent, ExtensionPage, Options, Person, Shown, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

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

/// An agent's tab in front of a window of its own, behind the person's.
async fn in_a_window_behind(page: &ExtensionPage, tab: i64) -> Result<()> {
    let drag = format!("chrome.windows.create({{tabId: {tab}, focused: false}}).then(() => 0)");
    page.evaluate(&drag).await.map(drop)
}

#[tokio::test]
async fn a_dialog_that_a_press_opens_behind_the_persons_window_takes_nothing_from_it() -> Result<()>
{
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let window = world.screen().active_window()?;
    let page = world.browser().extension_page("popup.html").await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/dialogs")).await?;
    in_a_window_behind(&page, tab).await?;
    for (button, text) in [("Alert", "look here"), ("Confirm", "are you sure")] {
        let clicked = one.click(tab, &["button", button]).await?;
        assert!(clicked.text.contains(text), "{clicked}");
        e2e::until("the person's window to be in front", async || {
            let front = world.screen().active_window()?;
            Ok((front == window && person.works().await?).then_some(()))
        })
        .await?;
        person.types(button).await?;
        let handle = json!({"tabId": tab, "accept": true});
        one.ok("browser_handle_dialog", handle).await?;
        person.types(" and on. ").await?;
    }
    let said = "document.querySelector('output').textContent";
    assert_eq!(one.read(tab, said).await?, "confirmed true");
    assert_eq!(person.text().await?, "Alert and on. Confirm and on. ");
    assert_eq!(world.screen().active_window()?, window);
    world.close().await
}

/// A site's sign-in or an app: it has no tab strip, and a tab put into it would replace its page.
#[tokio::test]
async fn nothing_is_put_into_a_popup_window_in_which_the_person_works_and_nothing_before_it()
-> Result<()> {
    let world = a_world_with_a_person().await?;
    let _person = world.person().await?;
    let fronts = Fronts::watched(&world).await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/form");
    let open = format!(
        "chrome.windows.create({{type: 'popup', url: '{url}', width: 500, height: 400}})\
         .then(one => one.id)"
    );
    let popup = fronts.0.evaluate(&open).await?;
    let popup = popup.as_i64().context("no window")?;
    let form = e2e::until("the popup window", async || {
        let found = ["search", "--onlyvisible", "--name", "^Form"];
        Ok(world.screen().hand(&found).ok())
    })
    .await?;
    world.screen().hand(&["windowactivate", "--sync", &form])?;
    let focused = async || -> Result<bool> {
        let last = "chrome.windows.getLastFocused().then(one => one.focused && one.id)";
        let there = fronts.0.evaluate(last).await? == popup;
        Ok(there && world.screen().active_window()? == form)
    };
    e2e::until("the popup window to have the keyboard", async || {
        Ok(focused().await?.then_some(()))
    })
    .await?;
    fronts.seen().await?;
    a_day_of_work(&world, &one).await?;
    assert_eq!(fronts.seen().await?, Vec::<Value>::new());
    let inside = async |window: i64| -> Result<Vec<String>> {
        let tabs = fronts.0.tabs().await?.into_iter();
        let inside = tabs.filter(|tab| tab.window == window);
        Ok(inside.map(|tab| tab.url).collect())
    };
    assert_eq!(inside(popup).await?, [url]);
    assert!(focused().await?);
    one.quit().await?;
    world.close().await
}

#[tokio::test]
async fn a_window_that_a_hidden_tab_opens_goes_behind_the_persons_at_once() -> Result<()> {
    let world = a_world_with_a_person().await?;
    let person = world.person().await?;
    let window = world.screen().active_window()?;
    let fronts = Fronts::watched(&world).await?;
    let page = &fronts.0;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/popups?name=a")).await?;
    let clicked = one.click(tab, &["button", "Open small"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    let small = e2e::until("the popup window", async || {
        let mut tabs = page.tabs().await?.into_iter();
        Ok(tabs.find(|tab| tab.url.contains("small-a")))
    })
    .await?;
    e2e::until("the person's window to be in front", async || {
        let front = world.screen().active_window()?;
        Ok((front == window && person.works().await?).then_some(()))
    })
    .await?;
    person.types("typed on").await?;
    assert_eq!(person.text().await?, "typed on");
    assert_eq!(one.read(small.id, "document.title").await?, "small-a");
    // It has no tab strip: what comes next is where the others are, in their one group.
    let next = one.open_tab(&world.site.url("/form")).await?;
    let tabs = page.tabs().await?;
    let of = |id: i64| tabs.iter().find(|one| one.id == id).context("no such tab");
    assert_eq!(of(next)?.window, of(tab)?.window);
    e2e::until("one group of both", async || {
        let tabs = page.tabs().await?;
        let of = |id: i64| {
            tabs.iter()
                .find(|one| one.id == id)
                .and_then(|one| one.group)
        };
        Ok((of(next).is_some() && of(next) == of(tab)).then_some(()))
    })
    .await?;
    assert_eq!(page.groups().await?, ["one"]);
    assert!(person.works().await?);
    world.close().await
}

/// An agent's page of popups in a window behind the person's: in front there, or hidden.
async fn popups_behind(
    world: &World,
    page: &ExtensionPage,
    agent: &Agent,
    shown: bool,
) -> Result<i64> {
    let tab = agent.open(&world.site.url("/popups?name=a")).await?;
    if shown {
        in_a_window_behind(page, tab).await?;
        return Ok(tab);
    }
    let cover = agent.open_tab(&world.site.url("/form")).await?;
    in_a_window_behind(page, cover).await?;
    let tabs = page.tabs().await?;
    let there = tabs.iter().find(|one| one.id == cover).context("no tab")?;
    let window = there.window;
    let drag = format!(
        "chrome.tabs.move({tab}, {{windowId: {window}, index: 0}}).then(tab => tab.active)"
    );
    assert_eq!(page.evaluate(&drag).await?, false);
    Ok(tab)
}

/// Waits until the person's page has lost the keyboard, and has had it again for a while: a press
/// may take it before what it opens does.
async fn keyboard_taken_and_back(person: &Person<'_>) -> Result<()> {
    const A_WHILE: Duration = Duration::from_secs(1);
    let (mut taken, mut since) = (false, Instant::now());
    e2e::until("the person's page to have the keyboard again", async || {
        let noticed = person.noticed().await?;
        taken |= noticed.iter().any(|one| one == "blur");
        if !noticed.is_empty() || !person.works().await? {
            since = Instant::now();
        }
        Ok((taken && since.elapsed() > A_WHILE).then_some(()))
    })
    .await
}

/// Chrome raises the window of whatever a page opens, be the page hidden there or not.
#[tokio::test]
async fn what_an_agents_page_in_another_window_opens_gives_the_keyboard_back_to_the_persons()
-> Result<()> {
    for shown in [false, true] {
        let world = a_world_with_a_person().await?;
        let person = world.person().await?;
        let window = world.screen().active_window()?;
        let page = world.browser().extension_page("popup.html").await?;
        let one = world.agent("one").await?;
        let tab = popups_behind(&world, &page, &one, shown).await?;
        for (words, opened) in [
            (["link", "Open link"], "linked-a"),
            (["button", "Open window"], "opened-a"),
            (["button", "Open small"], "small-a"),
        ] {
            person.noticed().await?;
            let clicked = one.click(tab, &words).await?;
            assert!(clicked.is_ok(), "{clicked}");
            e2e::until("the popup in its owner's list", async || {
                Ok(one.tabs().await?.text.contains(opened).then_some(()))
            })
            .await?;
            keyboard_taken_and_back(&person).await?;
            assert_eq!(world.screen().active_window()?, window);
            person.types(opened).await?;
        }
        assert_eq!(person.text().await?, "linked-aopened-asmall-a");
        assert!(person.works().await?);
        world.close().await?;
    }
    Ok(())
}
