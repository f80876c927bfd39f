//! The worker dies while something is under way in a page: what its next life comes back to, and
//! what the agent is told of it.

use anyhow::Result;
use e2e::{Agent, Options, Target, World};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const SAID: &str = "document.querySelector('output').textContent";

/// A world whose agent has the page with the dialogs, and the page as an outside client sees it.
async fn on_the_dialogs_page() -> Result<(World, Agent, i64, Target)> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/dialogs");
    let tab = one.open(&url).await?;
    let page = world.browser().page(&url).await?;
    Ok((world, one, tab, page))
}

async fn asked(agent: &Agent, tab: i64) -> Result<()> {
    let clicked = agent.click(tab, &["button", "Confirm"]).await?;
    assert!(clicked.text.contains("are you sure"), "{clicked}");
    Ok(())
}

async fn answers(agent: &Agent, tab: i64, accept: bool) -> Result<()> {
    let handle = json!({"tabId": tab, "accept": accept});
    agent.ok("browser_handle_dialog", handle).await.map(drop)
}

async fn told_of(agent: &Agent, tab: i64, message: &str) -> Result<()> {
    let seen = agent
        .call("browser_snapshot", json!({"tabId": tab}))
        .await?;
    seen.must_fail(
        "dialog_open",
        &["confirm", message, "browser_handle_dialog"],
    );
    Ok(())
}

/// The record of a tab without its dialog, as if the worker had died before it could write it.
async fn forget_the_dialog(world: &World, tab: i64) -> Result<()> {
    let panel = world.browser().extension_page("popup.html").await?;
    let key = format!("tab/{tab}");
    let forgotten = format!(
        "chrome.storage.local.get('{key}').then(async (all) => {{
           const had = all['{key}'].e.dialog.message; delete all['{key}'].e.dialog;
           await chrome.storage.local.set(all); return had }})"
    );
    assert_eq!(panel.evaluate(&forgotten).await?, "are you sure");
    panel.close().await
}

#[tokio::test]
async fn a_dialog_that_was_told_before_the_worker_died_is_answered_in_its_next_life() -> Result<()>
{
    let (world, one, tab, _page) = on_the_dialogs_page().await?;
    for accept in [true, false] {
        asked(&one, tab).await?;
        // Twice: what the next life knows it leaves to the one after it.
        for _ in 0..2 {
            world.browser().kill_worker().await?;
            told_of(&one, tab, "are you sure").await?;
        }
        answers(&one, tab, accept).await?;
        assert_eq!(one.read(tab, SAID).await?, format!("confirmed {accept}"));
        assert!(one.click(tab, &["button", "Plain"]).await?.is_ok());
    }
    world.close().await
}

#[tokio::test]
async fn a_dialog_that_opens_while_no_worker_lives_is_told_and_left_to_the_agent() -> Result<()> {
    let (world, one, tab, page) = on_the_dialogs_page().await?;
    page.evaluate(
        "globalThis.asks = () => setTimeout(() => say('said ' + confirm('all alone')), 0), 1",
    )
    .await?;
    world.browser().kill_worker().await?;
    page.evaluate("asks()").await?;
    told_of(&one, tab, "all alone").await?;
    answers(&one, tab, true).await?;
    assert_eq!(one.read(tab, SAID).await?, "said true");
    world.close().await
}

#[tokio::test]
async fn a_dialog_that_somebody_closed_while_no_worker_lived_stops_nobody() -> Result<()> {
    let (world, one, tab, page) = on_the_dialogs_page().await?;
    asked(&one, tab).await?;
    world.browser().kill_worker().await?;
    // The page goes, and its dialog with it.
    page.call(
        "Page.navigate",
        json!({"url": world.site.url("/counter?name=gone")}),
    )
    .await?;
    e2e::until("the dialog to be gone", async || {
        let seen = one.call("browser_snapshot", json!({"tabId": tab})).await?;
        assert!(seen.is_ok() || seen.failed_with("dialog_open"), "{seen}");
        Ok(seen.text.contains("Count gone").then_some(()))
    })
    .await?;
    world.close().await
}

#[tokio::test]
async fn a_dialog_whose_end_the_worker_could_not_write_any_more_stops_nobody() -> Result<()> {
    let (world, one, tab, _page) = on_the_dialogs_page().await?;
    let panel = world.browser().extension_page("manifest.json").await?;
    asked(&one, tab).await?;
    let key = format!("tab/{tab}");
    let remember = format!(
        "chrome.storage.local.get('{key}').then(all => {{
           globalThis.before = all; return all['{key}'].e.dialog.message }})"
    );
    assert_eq!(panel.evaluate(&remember).await?, "are you sure");
    answers(&one, tab, true).await?;
    e2e::until("the record without the dialog", async || {
        let now = format!("chrome.storage.local.get('{key}').then(all => !all['{key}'].e.dialog)");
        Ok((panel.evaluate(&now).await? == true).then_some(()))
    })
    .await?;
    panel
        .evaluate("chrome.storage.local.set(before).then(() => 1)")
        .await?;
    world.browser().kill_worker().await?;
    e2e::until("the dialog to be known as closed", async || {
        let seen = one.call("browser_snapshot", json!({"tabId": tab})).await?;
        assert!(seen.is_ok() || seen.failed_with("dialog_open"), "{seen}");
        Ok(seen.is_ok().then_some(()))
    })
    .await?;
    assert_eq!(one.read(tab, SAID).await?, "confirmed true");
    world.close().await
}

#[tokio::test]
async fn of_a_dialog_that_nobody_heard_of_the_agent_is_told_what_may_be_and_answers_it()
-> Result<()> {
    let (world, one, tab, _page) = on_the_dialogs_page().await?;
    asked(&one, tab).await?;
    forget_the_dialog(&world, tab).await?;
    world.browser().kill_worker().await?;
    let seen = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    seen.must_fail("timeout", &["dialog", "browser_handle_dialog"]);
    answers(&one, tab, true).await?;
    assert_eq!(one.read(tab, SAID).await?, "confirmed true");
    world.close().await
}

#[tokio::test]
async fn a_tab_that_is_handed_over_under_a_dialog_of_the_former_life_is_whole() -> Result<()> {
    for known in [true, false] {
        let (world, one, tab, _page) = on_the_dialogs_page().await?;
        let two = world.agent("two").await?;
        two.open(&world.site.url("/")).await?;
        let to = one.alias_of("two").await?;
        asked(&one, tab).await?;
        if !known {
            forget_the_dialog(&world, tab).await?;
        }
        world.browser().kill_worker().await?;
        let hand = json!({"action": "handoff", "tabId": tab, "to": to});
        one.ok("browser_tabs", hand).await?;
        assert_eq!(two.read(tab, SAID).await?, "confirmed false");
        asked(&two, tab).await?;
        answers(&two, tab, true).await?;
        assert_eq!(two.read(tab, SAID).await?, "confirmed true");
        world.close().await?;
    }
    Ok(())
}

/// What the page hears of buttons and keys, until it is asked.
const HEARS: &str = "(globalThis.seen = [], ['mousedown', 'mouseup', 'click', 'auxclick', \
    'contextmenu', 'keydown', 'keyup'].forEach(type => addEventListener(type, event => \
    seen.push(type + ' ' + (event.key ?? event.button)))), 1)";

/// Presses in the page by a debugger that is not ours.
async fn press(page: &Target, button: &str, buttons: u8) -> Result<()> {
    let press = json!({
        "type": "mousePressed", "x": 5, "y": 5, "button": button, "buttons": buttons, "clickCount": 1,
    });
    page.call("Input.dispatchMouseEvent", press).await?;
    Ok(())
}

async fn hold(page: &Target, key: &str, code: &str, number: u8) -> Result<()> {
    let down = json!({
        "type": "rawKeyDown", "key": key, "code": code, "windowsVirtualKeyCode": number,
    });
    page.call("Input.dispatchKeyEvent", down).await?;
    Ok(())
}

/// The tab's record as it is while a call presses this.
async fn remember(world: &World, tab: i64, presses: &Value) -> Result<()> {
    let panel = world.browser().extension_page("manifest.json").await?;
    let key = format!("tab/{tab}");
    e2e::until("the turn before to have ended", async || {
        let acts = format!("chrome.storage.local.get('{key}').then(all => all['{key}'].e.acts)");
        Ok((panel.evaluate(&acts).await? == false).then_some(()))
    })
    .await?;
    let remember = format!(
        "chrome.storage.local.get('{key}').then(async (all) => {{
           Object.assign(all['{key}'].e, {{acts: true, presses: {presses}}});
           await chrome.storage.local.set(all); return 1 }})"
    );
    panel.evaluate(&remember).await?;
    panel.close().await
}

/// How an agent's worker dies, or goes.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Killed,
    Reloaded,
}

/// A page that says what it hears, and what it has heard when the next worker serves a call.
struct Pressed {
    world: World,
    one: Agent,
    tab: i64,
    page: Target,
}

impl Pressed {
    async fn set() -> Result<Self> {
        let options = Options {
            developer: true,
            ..Options::default()
        };
        let world = World::with(options).await?;
        let one = world.agent("one").await?;
        let url = world.site.url("/counter?name=held");
        let tab = one.open(&url).await?;
        one.read(tab, HEARS).await?;
        // A picture, since input is lost before the first frame.
        one.look(tab).await?;
        let page = world.browser().page(&url).await?;
        Ok(Self {
            world,
            one,
            tab,
            page,
        })
    }

    async fn heard(&self, presses: &Value, ends: Ends) -> Result<String> {
        remember(&self.world, self.tab, presses).await?;
        match ends {
            Ends::Killed => self.world.browser().kill_worker().await?,
            Ends::Reloaded => self.world.browser().reload_extension().await?,
        }
        self.one.read(self.tab, "seen.splice(0).join()").await
    }
}

#[tokio::test]
async fn a_button_that_was_down_when_the_worker_died_is_up_before_the_next_call() -> Result<()> {
    let it = Pressed::set().await?;
    for ends in [Ends::Killed, Ends::Reloaded] {
        for (button, buttons, heard) in [
            ("left", 1, "mousedown 0,mouseup 0,click 0"),
            ("right", 2, "mousedown 2,contextmenu 2,mouseup 2,auxclick 2"),
            ("middle", 4, "mousedown 1,mouseup 1,auxclick 1"),
        ] {
            press(&it.page, button, buttons).await?;
            let presses = json!({"button": button});
            assert_eq!(it.heard(&presses, ends).await?, heard, "{ends:?}");
        }
        // It was up again: nothing is clicked, and no menu opens.
        for (button, heard) in [("left", "mouseup 0"), ("right", "mouseup 2")] {
            let presses = json!({"button": button});
            assert_eq!(it.heard(&presses, ends).await?, heard, "{ends:?}");
        }
        // Where nothing was pressed the page hears nothing.
        assert_eq!(it.heard(&json!("nothing"), ends).await?, "", "{ends:?}");
    }
    it.world.close().await
}

#[tokio::test]
async fn a_key_that_was_down_when_the_worker_died_is_up_before_the_next_call_and_no_other()
-> Result<()> {
    let it = Pressed::set().await?;
    let chord = json!({"keys": "Control+Enter"});
    for ends in [Ends::Killed, Ends::Reloaded] {
        hold(&it.page, "Control", "ControlLeft", 17).await?;
        hold(&it.page, "Enter", "Enter", 13).await?;
        assert_eq!(
            it.heard(&chord, ends).await?,
            "keydown Control,keydown Enter,keyup Enter,keyup Control",
            "{ends:?}"
        );
        hold(&it.page, "Control", "ControlLeft", 17).await?;
        let heard = it.heard(&chord, ends).await?;
        assert_eq!(heard, "keydown Control,keyup Control", "{ends:?}");
        // Pages act when Enter goes up: one that has seen it go up does not see it again.
        let pressed = json!({"tabId": it.tab, "key": "Enter"});
        it.one.ok("browser_press_key", pressed).await?;
        let heard = it.heard(&json!({"keys": "Enter"}), ends).await?;
        assert_eq!(heard, "keydown Enter,keyup Enter", "{ends:?}");
        assert_eq!(it.heard(&chord, ends).await?, "", "{ends:?}");
    }
    it.world.close().await
}

#[tokio::test]
async fn a_picture_or_a_hover_that_the_worker_died_in_is_taken_again() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=seen");
    let tab = one.open(&url).await?;
    let aimed = one.aim(tab, &["button", "Count"]).await?;
    // The first move over the button is not over before somebody hangs up on the page.
    let stuck = TcpListener::bind("127.0.0.1:0").await?;
    let holds = format!(
        "(globalThis.moves = 0, document.querySelector('button').onmousemove = () => {{ \
            if (moves++) return; \
            const held = new XMLHttpRequest(); held.open('GET', 'http://{}', false); \
            try {{ held.send() }} catch {{}} }}, 1)",
        stuck.local_addr()?
    );
    one.read(tab, &holds).await?;
    let hover = one.begin("browser_hover", aimed.clone()).await?;
    let held = e2e::within("the button to be hovered", async {
        Ok(stuck.accept().await?)
    })
    .await?;
    world.browser().kill_worker().await?;
    let answer = hover.answer().await?;
    assert!(answer.failed_with("outcome_unknown"), "{answer}");
    drop(held);
    assert_eq!(one.read(tab, "moves").await?, "1");
    one.ok("browser_hover", aimed).await?;
    assert_eq!(one.read(tab, "moves").await?, "2");
    // Only looking: it is asked again by itself.
    let arguments = json!({"tabId": tab});
    for _ in 0..3 {
        let shot = one
            .begin("browser_take_screenshot", arguments.clone())
            .await?;
        world.browser().kill_worker().await?;
        let shot = shot.answer().await?;
        assert!(shot.picture().is_some(), "{shot}");
    }
    let clicked = one.click(tab, &["button", "Count"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("seen", 1).await?;
    world.close().await
}

#[tokio::test]
async fn a_page_that_crashes_while_no_worker_lives_is_told_and_loaded_again() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=crash");
    let tab = one.open(&url).await?;
    let page = world.browser().page(&url).await?;
    page.call("Inspector.enable", json!({})).await?;
    let mut events = world.browser().cdp().events();
    world.browser().kill_worker().await?;
    let crashed = async {
        while events.recv().await?.method != "Inspector.targetCrashed" {}
        anyhow::Ok(())
    };
    tokio::select! {
        answer = page.call("Page.crash", json!({})) => {
            panic!("a crashed page answered: {answer:?}");
        }
        crashed = e2e::within("the page to crash", crashed) => crashed?,
    }
    let seen = one.call("browser_snapshot", json!({"tabId": tab})).await?;
    assert!(seen.failed_with("page_crashed"), "{seen}");
    let reload = json!({"tabId": tab, "action": "reload"});
    one.ok("browser_navigate", reload).await?;
    let clicked = one.click(tab, &["button", "Count"]).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("crash", 1).await?;
    world.close().await
}

#[tokio::test]
async fn no_debugger_stays_on_a_tab_whose_record_is_lost() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let lost = one.open(&world.site.url("/counter?name=lost")).await?;
    let kept = one.open_tab(&world.site.url("/counter?name=kept")).await?;
    let panel = world.browser().extension_page("popup.html").await?;
    assert_eq!(panel.debugged().await?.len(), 2);
    let damage = format!("chrome.storage.local.set({{'tab/{lost}': 'rubbish'}}).then(() => 1)");
    panel.evaluate(&damage).await?;
    world.browser().kill_worker().await?;
    assert_eq!(one.read(kept, "document.title").await?, "Counter kept");
    e2e::until("the debugger to leave", async || {
        Ok((panel.debugged().await? == [kept]).then_some(()))
    })
    .await?;
    world.close().await
}
