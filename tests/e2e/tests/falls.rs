//! The core breaks inside its worker: the next generation takes over in the same worker, and agents
//! keep their tabs or are told.
//!
//! It is the shipped module that panics here, not one made for it. The core asks JavaScript for the
//! time in the midst of a step, and a clock that asks the core something back, as no clock does, is
//! answered by a panic of Rust's: the core is lent out.

use anyhow::{Context, Result, bail, ensure};
use e2e::{Agent, Target, World};
use serde_json::{Value, json};

/// The next step that begins by itself traps, unseen by any hook, as when the stack overflows.
const TRAP: &str = "(() => { const now = Date.now; Date.now = () => { Date.now = now;\
    throw new WebAssembly.RuntimeError('unreachable') } })()";
/// Why the living generation was started; null for the first.
const STARTED_ANEW: &str = "MultiInstanceManager.log?.find(line => line.includes('started anew'))";

/// The core panics as a step begins, `after` steps from now. What a step decides is done when it is
/// over, so that nothing is gained by a panic in the midst of one.
fn panic_after(after: u64) -> String {
    format!(
        "(() => {{ const now = Date.now; let left = {after};\
         Date.now = () => {{ if (left-- > 0) return now();\
         Date.now = now; self.MultiInstanceManager.view; return now() }} }})()"
    )
}

/// Breaks the living core, the `count`th of this worker, and gives why the next one was started.
async fn fall(worker: &Target, count: u32, how: &str) -> Result<String> {
    worker.evaluate(how).await?;
    fallen(worker, count).await
}

/// Waits for the core after the `count`th, and gives why it was started.
async fn fallen(worker: &Target, count: u32) -> Result<String> {
    e2e::until(format!("the core after fall {count}"), async || {
        let why = worker.evaluate(STARTED_ANEW).await?;
        let why = why.as_str().unwrap_or_default();
        let expected = format!("generation {count} fell");
        Ok(why.contains(&expected).then(|| why.to_owned()))
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
    let worker = world.browser().enter_worker().await?;
    let panic = panic_after(0);
    for (count, how, said) in [(1, &*panic, "panicked at"), (2, TRAP, "RuntimeError")] {
        let why = fall(&worker, count, how).await?;
        assert!(why.contains(said), "{why}");
        assert_eq!(title(&one).await?, json!({"tab": tab, "same": true}));
    }
    assert!(console.problems().is_empty(), "{:?}", console.problems());
    world.close().await
}

#[tokio::test]
async fn a_panic_under_four_calls_of_two_agents_costs_each_only_what_had_begun() -> Result<()> {
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let page = |name: &str| world.site.url(&format!("/counter?name={name}"));
    let tab_a = one.open_tab(&page("a")).await?;
    let click = one.aim(tab_a, &["button", "Count"]).await?;
    let tab_b = two.open_tab(&page("b")).await?;
    let tab_c = two.open_tab(&page("c")).await?;
    let console = world.browser().watch_worker().await?;
    let alive = world.browser().worker().await?;
    let worker = world.browser().enter_worker().await?;
    // What Chrome says of it comes when the generation that asked is no more.
    let slow = |tab: i64, name: &str| {
        let function = format!(
            "() => {{ hit('{name} begun'); return new Promise(done => {{ self.finish = done }}) }}"
        );
        json!({"tabId": tab, "function": function})
    };
    let acting_a = one.begin("browser_evaluate", slow(tab_a, "a")).await?;
    let acting_b = two.begin("browser_evaluate", slow(tab_b, "b")).await?;
    let text = json!({"tabId": tab_c, "text": "is ripe now"});
    let mut reading = two.begin("browser_wait_for", text).await?;
    world.site.until_hits("a begun", 1).await?;
    world.site.until_hits("b begun", 1).await?;
    let queued = one.begin("browser_click", click).await?;
    e2e::until("the reading call to have its turn", async || {
        let view = worker.evaluate("MultiInstanceManager.view").await?;
        Ok(view.to_string().contains("browser_wait_for").then_some(()))
    })
    .await?;
    let why = fall(&worker, 1, &panic_after(0)).await?;
    assert!(why.contains("panicked at"), "{why}");
    let look_first = "before doing it again";
    acting_a
        .answer()
        .await?
        .must_fail("outcome_unknown", &["/counter?name=a", look_first]);
    acting_b
        .answer()
        .await?
        .must_fail("outcome_unknown", &["/counter?name=b", look_first]);
    let clicked = queued.answer().await?;
    assert!(clicked.is_ok(), "{clicked}");
    assert!(!reading.is_answered());
    let late = ["finish()", "finish()", "say('the pear is ripe now')"];
    for (name, happens) in ["a", "b", "c"].into_iter().zip(late) {
        let page = world.browser().page(&page(name)).await?;
        page.evaluate(happens).await?;
    }
    let read = reading.answer().await?;
    assert!(read.is_ok(), "{read}");
    for (agent, tab, name) in [(&one, tab_a, "a"), (&two, tab_b, "b"), (&two, tab_c, "c")] {
        let seen = agent.read(tab, "document.title").await?;
        assert_eq!(seen, format!("Counter {name}"));
    }
    for (name, times) in [("a begun", 1), ("b begun", 1), ("a", 1), ("b", 0)] {
        assert_eq!(world.site.hits(name), times, "{name}");
    }
    // Neither the worker nor the generation after the fallen one was harmed by what came late.
    assert_eq!(world.browser().worker().await?, alive);
    fallen(&worker, 1).await?;
    assert!(console.problems().is_empty(), "{:?}", console.problems());
    world.close().await
}

/// Counts the core's steps until `counted` tells them.
const COUNT: &str = "(() => { const now = Date.now; let steps = 0;\
    Date.now = () => { steps += 1; return now() };\
    self.counted = () => { Date.now = now; return steps } })()";

#[tokio::test]
async fn wherever_the_core_panics_under_a_click_it_is_done_once_or_its_agent_is_told() -> Result<()>
{
    /// Scattered over the steps of a click, of which there are some dozens.
    const PANICS: u64 = 8;
    /// The third in one worker within a minute would cost the tabs.
    const IN_ONE_WORKER: u32 = 2;
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=a");
    let tab = one.open(&url).await?;
    let page = world.browser().page(&url).await?;
    let counted = async || -> Result<u64> {
        let count = page
            .evaluate("Number(document.querySelector('output').textContent)")
            .await?;
        count.as_u64().context("no count")
    };
    let mut core = world.browser().enter_worker().await?;
    let arguments = one.aim(tab, &["button", "Count"]).await?;
    core.evaluate(COUNT).await?;
    one.ok("browser_click", arguments).await?;
    let steps = core.evaluate("self.counted()").await?.as_u64();
    let steps = steps.filter(|steps| *steps >= PANICS).context("steps")?;
    let (mut sure, mut maybe, mut falls) = (1, 0, 0);
    for after in (0..PANICS).map(|part| steps * part / PANICS) {
        if falls == IN_ONE_WORKER {
            core.detach().await?;
            world.browser().kill_worker().await?;
            falls = 0;
            // A worker lives once it has something to do.
            one.ok("browser_snapshot", json!({})).await?;
            core = world.browser().enter_worker().await?;
        }
        let alive = Some(core.id().to_owned());
        let arguments = one.aim(tab, &["button", "Count"]).await?;
        core.evaluate(&panic_after(after)).await?;
        let clicked = one.call("browser_click", arguments).await?;
        falls += 1;
        let why = fallen(&core, falls).await?;
        ensure!(why.contains("panicked at"), "{why}");
        ensure!(world.browser().worker().await? == alive, "another worker");
        let seen = one.ok("browser_snapshot", json!({})).await?;
        ensure!(seen.tab() == Some(tab), "{seen}");
        match clicked.code() {
            None => sure += 1,
            Some("outcome_unknown") => maybe += 1,
            // The core that had seen the page is gone, and nothing was begun.
            Some("stale_ref") => {}
            Some(_) => bail!("{clicked}"),
        }
        let (done, most) = (counted().await?, sure + maybe);
        ensure!(
            (sure..=most).contains(&done),
            "after {after} steps: {done} clicks, told of {sure} to {most}, last of {clicked}"
        );
    }
    world.close().await
}

#[tokio::test]
async fn the_third_fall_within_a_minute_costs_the_tabs_and_each_agent_is_told() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let url = world.site.url("/counter?name=a");
    one.open(&url).await?;
    one.ok("browser_snapshot", json!({})).await?;
    let worker = world.browser().enter_worker().await?;
    let bystander = world.browser().extension_page("manifest.json").await?;
    for count in 1..=2 {
        fall(&worker, count, &panic_after(0)).await?;
    }
    // As it is while Chrome makes a tab.
    let making = "chrome.storage.local.set({'making/half': {v: 1, e: 'half'}}).then(() => \
        chrome.tabs.create({url: 'about:blank#il-half', active: false})).then(() => 1)";
    bystander.evaluate(making).await?;
    fall(&worker, 3, &panic_after(0)).await?;
    let answer = one.call("browser_snapshot", json!({})).await?;
    assert!(answer.failed_with("tabs_lost"), "{answer}");
    assert!(answer.text.contains(&url), "{answer}");
    // What is lost is the person's: no agent's name is on it, nor a debugger, and no half of a tab is left.
    e2e::until("the lost tab to be the person's", async || {
        let tabs = bystander.tabs().await?;
        let lost = tabs.iter().find(|tab| tab.url == url).context("closed")?;
        let half = tabs.iter().any(|tab| tab.url.contains("#il-"));
        let debugged = !bystander.debugged().await?.is_empty();
        let named = lost.group.is_some() || !bystander.groups().await?.is_empty();
        Ok((!half && !debugged && !named).then_some(()))
    })
    .await?;
    let made = one
        .ok("browser_tabs", json!({"action": "new", "url": url}))
        .await?;
    assert_eq!(bystander.groups().await?, ["one"]);
    one.ok("browser_snapshot", json!({})).await?;
    assert_eq!(
        Some(bystander.debugged().await?),
        made.tab().map(|tab| vec![tab])
    );
    world.close().await
}

#[tokio::test]
async fn after_the_fourth_fall_the_worker_lets_go_and_an_alarm_starts_the_next() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/counter?name=a")).await?;
    let given_up = world.browser().worker().await?;
    let worker = world.browser().enter_worker().await?;
    for count in 1..=3 {
        fall(&worker, count, &panic_after(0)).await?;
    }
    let url = world.site.url("/counter?name=b");
    one.ok("browser_tabs", json!({"action": "new", "url": url}))
        .await?;
    let tab = one.ok("browser_snapshot", json!({})).await?.tab();
    worker.evaluate(&panic_after(0)).await?;
    e2e::until("our debuggers to be detached", async || {
        let attached = worker
            .evaluate("chrome.debugger.getTargets().then(all => all.filter(t => t.tabId && t.attached).length)")
            .await?;
        Ok((attached == json!(0)).then_some(()))
    })
    .await?;
    let rests = "starts anew in a minute";
    let popup = world.browser().extension_page("popup.html").await?;
    e2e::until("the popup to tell it", async || {
        Ok(popup.text().await?.contains(rests).then_some(()))
    })
    .await?;
    let badge = "Promise.all([chrome.action.getBadgeText({}), chrome.action.getTitle({})])";
    e2e::until("the button to tell it", async || {
        let badge = popup.evaluate(badge).await?;
        Ok((badge[0] == "!" && badge[1].to_string().contains(rests)).then_some(()))
    })
    .await?;
    popup.close().await?;
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
    let popup = world.browser().extension_page("popup.html").await?;
    e2e::until("the badge to count agents again", async || {
        let badge = popup.evaluate("chrome.action.getBadgeText({})").await?;
        Ok((badge == "1").then_some(()))
    })
    .await?;
    world.close().await
}
