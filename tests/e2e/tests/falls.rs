//! The core breaks inside its worker, as a panic does it: the next generation takes over in the
//! same worker, and agents keep their tabs or are told.

use anyhow::Result;
use e2e::{Agent, Target, World};
use serde_json::{Value, json};

/// What the worker's `error` event looks like when WebAssembly has trapped.
const FALL: &str = "self.dispatchEvent(new ErrorEvent('error', \
    {error: new WebAssembly.RuntimeError('unreachable'), cancelable: true}))";
/// Why the living generation was started; null for the first.
const STARTED_ANEW: &str = "MultiInstanceManager.log?.find(line => line.includes('started anew'))";

async fn worker(world: &World) -> Result<Target> {
    let browser = world.browser();
    let id = e2e::until("a running worker", async || browser.worker().await).await?;
    browser.cdp().attach(&id).await
}

/// Breaks the living core, the `count`th of this worker, and waits for the next.
async fn fall(worker: &Target, count: u32) -> Result<()> {
    worker.evaluate(FALL).await?;
    e2e::until(format!("the core after fall {count}"), async || {
        let why = worker.evaluate(STARTED_ANEW).await?;
        let why = why.as_str().unwrap_or_default();
        let expected = format!("generation {count} fell");
        Ok(why.contains(&expected).then_some(()))
    })
    .await
}

async fn title(agent: &Agent) -> Result<Value> {
    let function = json!({"function": "() => document.title"});
    let answer = agent.ok("browser_evaluate", function).await?;
    Ok(json!({"tab": answer.tab(), "same": answer.text.contains("Counter")}))
}

#[tokio::test]
async fn a_core_that_falls_is_followed_by_one_that_knows_its_tabs() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=a")).await?;
    let console = world.browser().watch_worker().await?;
    let worker = worker(&world).await?;
    for count in 1..=2 {
        fall(&worker, count).await?;
        assert_eq!(title(&one).await?, json!({"tab": tab, "same": true}));
    }
    assert!(console.problems().is_empty(), "{:?}", console.problems());
    world.close().await
}

#[tokio::test]
async fn the_third_fall_within_a_minute_costs_the_tabs_and_each_agent_is_told() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=a");
    one.open(&url).await?;
    let worker = worker(&world).await?;
    for count in 1..=3 {
        fall(&worker, count).await?;
    }
    let answer = one.call("browser_snapshot", json!({})).await?;
    assert!(answer.failed_with("tabs_lost"), "{answer}");
    assert!(answer.text.contains(&url), "{answer}");
    one.ok("browser_tabs", json!({"action": "new", "url": url}))
        .await?;
    world.close().await
}

#[tokio::test]
async fn after_the_fourth_fall_the_worker_lets_go_and_an_alarm_starts_the_next() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/counter?name=a")).await?;
    let given_up = world.browser().worker().await?;
    let worker = worker(&world).await?;
    for count in 1..=3 {
        fall(&worker, count).await?;
    }
    let url = world.site.url("/counter?name=b");
    one.ok("browser_tabs", json!({"action": "new", "url": url}))
        .await?;
    let tab = one.ok("browser_snapshot", json!({})).await?.tab();
    worker.evaluate(FALL).await?;
    e2e::until("our debuggers to be detached", async || {
        let attached = worker
            .evaluate("chrome.debugger.getTargets().then(all => all.filter(t => t.tabId && t.attached).length)")
            .await?;
        Ok((attached == json!(0)).then_some(()))
    })
    .await?;
    let alarms = worker.evaluate("chrome.alarms.getAll()").await?;
    assert_eq!(alarms[0]["periodInMinutes"], json!(1), "{alarms}");
    // While somebody looks into it, it lives.
    worker.detach().await?;
    // What a person does all the time must not keep it alive.
    let busy = world.browser().page("about:blank").await?;
    for (what, after) in [("that worker to end", false), ("the next worker", true)] {
        e2e::until(what, async || {
            busy.evaluate("location.hash = Math.random()").await?;
            let now = world.browser().worker().await?;
            Ok((now.is_some() == after && now != given_up).then_some(()))
        })
        .await?;
    }
    let seen = one.ok("browser_snapshot", json!({})).await?;
    assert!(
        seen.tab() == tab && seen.text.contains("Counter b"),
        "{seen}"
    );
    world.close().await
}
