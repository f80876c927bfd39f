//! The extension goes and comes back by somebody's hand: reloaded, replaced by another version, turned off
//! and on. Each agent goes on in its tabs or is told what it lost, and nothing of the life before is
//! left behind.

use anyhow::{Context, Result};
use e2e::{Agent, Call, ExtensionPage, Options, World};
use serde_json::{Value, json};
use std::fs;

const NAMES: [&str; 2] = ["one", "two"];
/// Above the list of lost tabs.
const TOLD_ONCE: &str = "were lost and are gone (told once)";

/// Two agents, each at home in two tabs, in a browser whose person looks at a page of their own.
struct Scene {
    world: World,
    agents: [Agent; 2],
    tabs: [[i64; 2]; 2],
}

impl Scene {
    async fn set() -> Result<Self> {
        let options = Options {
            developer: true,
            ..Options::default()
        };
        let world = World::with(options).await?;
        let agents = [world.agent(NAMES[0]).await?, world.agent(NAMES[1]).await?];
        let mut tabs = [[0; 2]; 2];
        for (agent, tabs) in agents.iter().zip(&mut tabs) {
            tabs[0] = agent.open(&page(&world, agent, 0)).await?;
            tabs[1] = agent.open_tab(&page(&world, agent, 1)).await?;
            for tab in tabs {
                agent.read(*tab, "globalThis.since = 'before'").await?;
            }
        }
        Ok(Self {
            world,
            agents,
            tabs,
        })
    }

    /// Calls of both agents that their pages have not answered: the first acts, the second only looks.
    async fn under_way(&self) -> Result<[Call; 2]> {
        let acts = json!({"function": "() => { hit('acts'); return new Promise(() => {}) }"});
        let acts = self.agents[0].begin("browser_evaluate", acts).await?;
        self.world.site.until_hits("acts", 1).await?;
        let looks = json!({"text": "is ripe now"});
        let looks = self.agents[1].begin("browser_wait_for", looks).await?;
        Ok([acts, looks])
    }

    /// What acts is not done again, what looks is.
    async fn answered(&self, [acts, looks]: [Call; 2]) -> Result<()> {
        acts.answer()
            .await?
            .must_fail("outcome_unknown", &["Counter one1"]);
        let page = page(&self.world, &self.agents[1], 1);
        let page = self.world.browser().page(&page).await?;
        page.evaluate("say('the pear is ripe now')").await?;
        page.detach().await?;
        let looked = looks.answer().await?;
        assert!(looked.is_ok(), "{looked}");
        assert_eq!(self.world.site.hits("acts"), 1, "the call ran again");
        Ok(())
    }

    /// Every agent works in its tabs, whose pages are as they were.
    async fn goes_on(&self) -> Result<()> {
        for (agent, tabs) in self.agents.iter().zip(self.tabs) {
            let seen = agent.ok("browser_snapshot", json!({})).await?;
            assert_eq!(seen.tab(), Some(tabs[1]), "its current tab: {seen}");
            for (number, tab) in tabs.into_iter().enumerate() {
                assert_eq!(agent.read(tab, "since").await?, "before");
                let name = format!("{}{number}", agent.name());
                let before = self.world.site.hits(&name);
                let clicked = agent.click(tab, &["button", "Count"]).await?;
                assert!(clicked.is_ok(), "{clicked}");
                self.world.site.until_hits(&name, before + 1).await?;
            }
        }
        let [one, two] = &self.agents;
        let taken = json!({"tabId": self.tabs[1][0], "wait": 0});
        let taken = one.call("browser_snapshot", taken).await?;
        assert!(taken.failed_with("tab_owned"), "{taken}");
        assert!(two.tabs().await?.text.contains("(yours"), "nothing is its");
        Ok(())
    }

    /// No tab, group or debugger more than agents at work need, and a console without a complaint.
    async fn is_tidy(&self) -> Result<()> {
        let console = self.world.browser().watch_worker().await?;
        // Which wakes no worker.
        let bystander = self.world.browser().extension_page("manifest.json").await?;
        let mut held = self.tabs.concat();
        held.sort_unstable();
        let tabs = bystander.tabs().await?;
        let mut grouped: Vec<_> = tabs.iter().filter(|tab| tab.group.is_some()).collect();
        grouped.sort_by_key(|tab| tab.id);
        let ids: Vec<_> = grouped.iter().map(|tab| tab.id).collect();
        assert_eq!(ids, held, "{tabs:?}");
        // The person's, and the bystander.
        assert_eq!(tabs.len(), held.len() + 2, "{tabs:?}");
        assert_eq!(titles(&bystander).await?, NAMES);
        assert_eq!(bystander.debugged().await?, held);
        for agent in &self.agents {
            agent.ok("browser_snapshot", json!({})).await?;
        }
        assert_eq!(console.problems(), Vec::<String>::new());
        bystander.close().await
    }
}

/// What an agent's tab of this number shows.
fn page(world: &World, agent: &Agent, number: usize) -> String {
    let name = agent.name();
    world.site.url(&format!("/counter?name={name}{number}"))
}

/// Of all tab groups, in order.
async fn titles(page: &ExtensionPage) -> Result<Vec<String>> {
    let mut titles = page.groups().await?;
    titles.sort();
    Ok(titles)
}

/// Writes another version into the manifest of the folder that the extension was loaded from.
fn replace_version(world: &World, version: &str) -> Result<()> {
    let file = world.extension().join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    assert_ne!(manifest["version"], version);
    manifest["version"] = version.into();
    fs::write(&file, manifest.to_string()).context("replacing the manifest")
}

async fn version(world: &World) -> Result<Value> {
    let bystander = world.browser().extension_page("manifest.json").await?;
    let version = bystander
        .evaluate("chrome.runtime.getManifest().version")
        .await?;
    bystander.close().await?;
    Ok(version)
}

#[tokio::test]
async fn agents_go_on_in_their_tabs_when_the_extension_is_reloaded_under_their_calls() -> Result<()>
{
    let scene = Scene::set().await?;
    for round in 0..2 {
        let calls = match round {
            0 => Some(scene.under_way().await?),
            _ => None,
        };
        scene.world.browser().reload_extension().await?;
        if let Some(calls) = calls {
            scene.answered(calls).await?;
        }
        scene.goes_on().await?;
    }
    scene.is_tidy().await?;
    scene.world.close().await
}

#[tokio::test]
async fn agents_go_on_in_their_tabs_when_another_version_of_the_extension_takes_over() -> Result<()>
{
    let scene = Scene::set().await?;
    let calls = scene.under_way().await?;
    replace_version(&scene.world, "9.8.7")?;
    scene.world.browser().reload_extension().await?;
    assert_eq!(version(&scene.world).await?, "9.8.7");
    scene.answered(calls).await?;
    scene.goes_on().await?;
    // And back, as after an update that did not please.
    replace_version(&scene.world, "0.0.1")?;
    scene.world.browser().reload_extension().await?;
    assert_eq!(version(&scene.world).await?, "0.0.1");
    scene.goes_on().await?;
    scene.is_tidy().await?;
    scene.world.close().await
}

#[tokio::test]
async fn agents_go_on_in_their_tabs_when_the_extension_is_turned_off_and_on_again() -> Result<()> {
    let scene = Scene::set().await?;
    let calls = scene.under_way().await?;
    scene.world.browser().turn_extension(false).await?;
    scene.world.browser().turn_extension(true).await?;
    scene.answered(calls).await?;
    scene.goes_on().await?;
    scene.is_tidy().await?;
    scene.world.close().await
}

#[tokio::test]
async fn what_happened_to_tabs_while_the_extension_was_off_is_told_once() -> Result<()> {
    let scene = Scene::set().await?;
    let (world, [one, two]) = (&scene.world, &scene.agents);
    world.browser().turn_extension(false).await?;
    let lost = page(world, one, 1);
    let shown = world.browser().page(&lost).await?;
    world.browser().cdp().close_target(shown.id()).await?;
    let waiting = one.begin("browser_snapshot", json!({})).await?;
    world.browser().turn_extension(true).await?;
    let told = waiting.answer().await?;
    told.must_fail("tabs_lost", &[&lost, TOLD_ONCE]);
    // Until it says where it goes on.
    let again = one.call("browser_snapshot", json!({})).await?;
    assert!(again.failed_with("tabs_lost"), "{again}");
    assert!(!again.text.contains(TOLD_ONCE), "{again}");
    assert_eq!(one.read(scene.tabs[0][0], "since").await?, "before");
    assert_eq!(two.read(scene.tabs[1][1], "since").await?, "before");
    let bystander = world.browser().extension_page("manifest.json").await?;
    assert_eq!(titles(&bystander).await?, NAMES);
    scene.world.close().await
}

/// Rewrites what is stored under the keys that `chosen` names, as another version of the store has it.
async fn store_as_another_version(world: &World, chosen: &str) -> Result<Value> {
    let bystander = world.browser().extension_page("manifest.json").await?;
    let rewrite = format!(
        "chrome.storage.local.get().then(async (all) => {{
           const keys = {chosen};
           for (const key of keys) all[key] = {{...all[key], v: 99}};
           await chrome.storage.local.set(all); return keys.length }})"
    );
    let rewritten = bystander.evaluate(&rewrite).await?;
    bystander.close().await?;
    Ok(rewritten)
}

/// As after an update whose store is another, and the way back from it.
#[tokio::test]
async fn what_another_version_has_stored_of_a_session_costs_that_session_and_no_other() -> Result<()>
{
    let scene = Scene::set().await?;
    let (world, [one, two]) = (&scene.world, &scene.agents);
    let of_the_first = "(([own]) => Object.keys(all).filter(key =>
           key.includes(own) || key.startsWith('tab/') && JSON.stringify(all[key]).includes(own)))
         (Object.keys(all).filter(key => all[key].e?.label === 'one').map(key => key.slice(8)))";
    let rewritten = store_as_another_version(world, of_the_first).await?;
    // Session, seat, two tabs, and what was answered.
    assert!(rewritten.as_u64() > Some(4), "{rewritten}");
    replace_version(world, "9.8.7")?;
    world.browser().reload_extension().await?;
    let lost = [page(world, one, 0), page(world, one, 1)];
    let told = one.call("browser_snapshot", json!({})).await?;
    told.must_fail("tabs_lost", &[&lost[0], &lost[1], TOLD_ONCE]);
    for tab in scene.tabs[1] {
        assert_eq!(two.read(tab, "since").await?, "before");
    }
    // Open, and the person's from now on: in no group, under no debugger.
    let bystander = world.browser().extension_page("manifest.json").await?;
    let mut persons = Vec::new();
    e2e::until("the group of the lost tabs to go", async || {
        persons = bystander.tabs().await?;
        persons.retain(|tab| lost.contains(&tab.url));
        let left = persons.iter().all(|tab| tab.group.is_none());
        Ok(left.then_some(()))
    })
    .await?;
    assert_eq!(persons.len(), 2, "{persons:?}");
    assert_eq!(titles(&bystander).await?, ["two"]);
    assert_eq!(bystander.debugged().await?, scene.tabs[1]);
    let foreign = json!({"tabId": scene.tabs[0][0]});
    let foreign = one.call("browser_snapshot", foreign).await?;
    assert!(foreign.failed_with("tab_of_person"), "{foreign}");
    one.open_tab(&page(world, one, 2)).await?;
    e2e::until("a group for its new tab", async || {
        Ok((titles(&bystander).await? == NAMES).then_some(()))
    })
    .await?;
    // What could not be read is told in the worker's own log.
    let worker = world.browser().worker().await?.context("a worker")?;
    let worker = world.browser().cdp().attach(&worker).await?;
    let log = "MultiInstanceManager.log.filter(line => line.includes('cannot be read')).length";
    assert_eq!(worker.evaluate(log).await?, rewritten);
    scene.world.close().await
}

#[tokio::test]
async fn a_store_of_another_version_costs_the_tabs_and_not_the_browser() -> Result<()> {
    let scene = Scene::set().await?;
    let world = &scene.world;
    store_as_another_version(world, "Object.keys(all)").await?;
    world.browser().reload_extension().await?;
    for (agent, tabs) in scene.agents.iter().zip(scene.tabs) {
        // Not `browser_gone`: it is the browser that it was.
        let lost = [page(world, agent, 0), page(world, agent, 1)];
        let told = agent.call("browser_snapshot", json!({})).await?;
        told.must_fail("tabs_lost", &[&lost[0], &lost[1], TOLD_ONCE]);
        let new = agent.open_tab(&page(world, agent, 2)).await?;
        assert!(!tabs.contains(&new));
        let clicked = agent.click(new, &["button", "Count"]).await?;
        assert!(clicked.is_ok(), "{clicked}");
    }
    let bystander = world.browser().extension_page("manifest.json").await?;
    e2e::until("no tab of before to be in a group", async || {
        let tabs = bystander.tabs().await?;
        let grouped = tabs.iter().filter(|tab| tab.group.is_some()).count();
        Ok((grouped == 2 && titles(&bystander).await? == NAMES).then_some(()))
    })
    .await?;
    scene.world.close().await
}
