//! One call at a time on a tab: a turn ends when the browser has settled what the call began.

use anyhow::{Context, Result};
use e2e::{World, reading, value_in};
use serde_json::json;
use std::time::{Duration, Instant};

/// Works without a pause for `ms`, then reports `name` to the site before it returns.
fn busy(ms: u32, name: &str) -> String {
    format!(
        "() => {{ const end = performance.now() + {ms}; while (performance.now() < end); \
         const told = new XMLHttpRequest(); told.open('GET', '/hit?name={name}', false); \
         told.send(); return 'done' }}"
    )
}

#[tokio::test]
async fn a_cancelled_script_keeps_its_turn_until_it_has_ended() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=busy")).await?;
    let arguments = json!({"tabId": tab, "function": busy(2500, "ended"), "timeoutMs": 20_000});
    let script = one.begin("browser_evaluate", arguments).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    script.cancel().await?;
    // At once after it, something that no busy page holds up by itself.
    let url = world.site.url("/slow?name=after");
    one.ok("browser_navigate", json!({"tabId": tab, "url": url}))
        .await?;
    let requests = world.site.requests();
    let place = |path: &str, name: &str| {
        let found = requests
            .iter()
            .position(|one| one.path == path && one.get("name") == name);
        found.with_context(|| format!("no request of {path} {name}"))
    };
    assert!(
        place("/hit", "ended")? < place("/slow", "after")?,
        "{requests:?}"
    );
    world.close().await
}

#[tokio::test]
async fn a_cancelled_navigation_has_no_late_effect() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=stays")).await?;
    let url = world.site.url("/slow?name=late&delay=2500");
    let going = one
        .begin("browser_navigate", json!({"tabId": tab, "url": url}))
        .await?;
    e2e::until("the navigation to begin", async || {
        let slow = world.site.requests_of("/slow");
        Ok(slow
            .iter()
            .any(|one| one.get("name") == "late")
            .then_some(()))
    })
    .await?;
    going.cancel().await?;
    assert_eq!(one.read(tab, "document.title").await?, "stays");
    tokio::time::sleep(Duration::from_millis(3000)).await;
    assert_eq!(one.read(tab, "document.title").await?, "stays");
    world.close().await
}

#[tokio::test]
async fn a_script_that_never_ends_is_stopped_and_the_tab_lives_on() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=busy")).await?;
    let started = Instant::now();
    let arguments = json!({"tabId": tab, "function": "() => { for (;;); }", "timeoutMs": 1000});
    let answer = one.call("browser_evaluate", arguments).await?;
    answer.must_fail("timeout", &["the script", "1000 ms", "more time"]);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(one.read(tab, "document.title").await?, "busy");
    world.close().await
}

#[tokio::test]
async fn a_slow_page_is_waited_for_before_the_next_call_looks() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/")).await?;
    let url = world.site.url("/slow?name=arrived&delay=1500");
    let going = one
        .begin("browser_navigate", json!({"tabId": tab, "url": url}))
        .await?;
    let reading = one
        .begin("browser_evaluate", reading(tab, "document.title"))
        .await?;
    let went = going.answer().await?;
    assert!(went.is_ok() && went.text.contains("\"arrived\""), "{went}");
    assert_eq!(value_in(&reading.answer().await?)?, "arrived");
    world.close().await
}

/// A list that lacks `Blue`, a field that is read-only, a button far below.
const UNREADY: &str = "document.body.innerHTML = '<select aria-label=Colour><option>Red</option></select>\
    <input aria-label=Name value=old readonly>\
    <div style=\"height: 5000px\"></div><button>Deep</button>'";

/// Without it the button is in no snapshot.
const HIDE: &str = "document.querySelector('button').style.visibility = 'hidden'";

/// Now all of them can be acted on.
const READY: &str = "(document.querySelector('select').add(new Option('Blue')), \
    document.querySelector('input').readOnly = false, \
    document.querySelector('button').style.visibility = 'visible')";

const SEEN: &str = "[document.querySelector('select').value, document.querySelector('input').value, \
    document.activeElement.localName, scrollY].join()";

#[tokio::test]
async fn a_cancelled_action_that_waited_for_its_element_changes_nothing_later() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=late")).await?;
    let list = ["combobox", "Colour"];
    let (field, button) = (["textbox", "Name"], ["button", "Deep"]);
    for (tool, words, argument, value) in [
        ("browser_select_option", list, "values", json!(["Blue"])),
        ("browser_type", field, "text", json!("new")),
        ("browser_click", button, "button", json!("left")),
    ] {
        one.read(tab, UNREADY).await?;
        let mut arguments = one.aim(tab, &words).await?;
        arguments[argument] = value;
        one.read(tab, HIDE).await?;
        let acting = one.begin(tool, arguments).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        acting.cancel().await?;
        // The turn is over, as another's may begin, while the time to wait is not.
        one.read(tab, READY).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(one.read(tab, SEEN).await?, "Red,old,body,0", "{tool}");
    }
    world.close().await
}
