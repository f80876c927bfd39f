//! The same questions to `@playwright/mcp` and `chrome-devtools-mcp`, each with a browser of its own
//! and its fastest settings, on the same pages in the same run.

use crate::Scale;
use crate::figures::{Table, Times, megabytes};
use crate::machine;
use crate::ours::repeated;
use anyhow::{Context, Result};
use e2e::{Agent, Era, Site, Spawn, processes_of};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

const TITLE: &str = "Beside its peers";

/// How one peer is started and spoken to.
struct Peer {
    name: &'static str,
    script: &'static str,
    arguments: &'static [&'static str],
    evaluate: &'static str,
    snapshot: &'static str,
    screenshot: &'static str,
    navigate: &'static str,
    click: &'static str,
    /// The argument of a click that names the element.
    aim: &'static str,
    /// What stands before and behind it in a snapshot.
    around: (&'static str, &'static str),
}

const PEERS: [Peer; 2] = [
    Peer {
        name: "@playwright/mcp",
        script: "node_modules/@playwright/mcp/cli.js",
        arguments: &[
            "--headless",
            "--isolated",
            "--no-sandbox",
            "--timeout-settle",
            "0",
        ],
        evaluate: "browser_evaluate",
        snapshot: "browser_snapshot",
        screenshot: "browser_take_screenshot",
        navigate: "browser_navigate",
        click: "browser_click",
        aim: "target",
        around: ("[ref=", "]"),
    },
    Peer {
        name: "chrome-devtools-mcp",
        script: "node_modules/chrome-devtools-mcp/build/src/bin/chrome-devtools-mcp.js",
        arguments: &[
            "--headless",
            "--isolated",
            "--no-page-id-routing",
            "--chromeArg=--no-sandbox",
            "--no-usage-statistics",
        ],
        evaluate: "evaluate_script",
        snapshot: "take_snapshot",
        screenshot: "take_screenshot",
        navigate: "navigate_page",
        click: "click",
        aim: "uid",
        around: ("uid=", " "),
    },
];

/// What stands in the place of the table where the peers are not installed.
pub(crate) fn left_out() -> Table {
    let mut table = Table::new(TITLE, &[]);
    table.note("Left out: it needs node and npm, which bring the peers.");
    table
}

pub(crate) async fn measure(folder: &Path, scale: Scale) -> Result<Table> {
    let site = Site::start().await?;
    let mut table = Table::new(
        TITLE,
        &[
            "",
            "spawn → tools/list",
            "tools/list",
            "evaluate",
            "click",
            "snapshot",
            "bytes of it",
            "screenshot",
            "memory (PSS)",
        ],
    );
    let mut rows = vec![own(scale).await.context("interlock")?];
    for peer in &PEERS {
        rows.push(one(folder, peer, &site, scale).await.context(peer.name)?);
    }
    table.rows(rows);
    table.note(
        "The peers each launch a browser of their own; Interlock is in the browser that is there. \
         Memory is of the MCP server alone, after all these calls.",
    );
    Ok(table)
}

async fn own(scale: Scale) -> Result<Vec<String>> {
    let world = e2e::World::start().await?;
    let mut started = Times::default();
    for number in 0..starts(scale) {
        let spawn = world.spawn(&format!("beside-{number}"), Era::Legacy);
        started.add(greeted(spawn).await?.1);
    }
    let agent = world.agent("beside").await?;
    let ours = Peer {
        name: "interlock",
        script: "",
        arguments: &[],
        ..PEERS[0]
    };
    let row = ask_all(&ours, &agent, &world.site, scale, &started).await?;
    drop(agent);
    world.close().await?;
    Ok(row)
}

async fn one(folder: &Path, peer: &Peer, site: &Site, scale: Scale) -> Result<Vec<String>> {
    let own = Folder::make(peer)?;
    let mut started = Times::default();
    for _ in 0..starts(scale) {
        let (agent, took) = greeted(own.spawn(folder, peer)?).await?;
        started.add(took);
        agent.end(e2e::End::Kill).await?;
    }
    let agent = Agent::start(own.spawn(folder, peer)?).await?;
    let row = ask_all(peer, &agent, site, scale, &started).await;
    agent.end(e2e::End::Terminate).await?;
    row
}

/// Node needs half a second a start: fewer are enough to know it.
fn starts(scale: Scale) -> usize {
    scale.starts / 4 + 1
}

async fn greeted(spawn: Spawn) -> Result<(Agent, std::time::Duration)> {
    let started = Instant::now();
    let agent = Agent::start(spawn).await?;
    agent.tools().await?;
    Ok((agent, started.elapsed()))
}

async fn ask_all(
    peer: &Peer,
    agent: &Agent,
    site: &Site,
    scale: Scale,
    started: &Times,
) -> Result<Vec<String>> {
    let tools = agent.tools().await?;
    let bytes = serde_json::to_string(&json!({"tools": tools}))?.len();
    let open = |path: &str| json!({"url": site.url(path)});
    agent.ok(peer.navigate, open("/table")).await?;
    // Peers answer slowly enough that a quarter of the samples takes as long as all of ours.
    let count = scale.calls / 4 + 1;
    let nothing = json!({});
    let function = json!({"function": "() => 1"});
    let evaluate = repeated(agent, peer.evaluate, &function, count).await?;
    let seen = agent.ok(peer.snapshot, nothing.clone()).await?;
    let snapshot = repeated(agent, peer.snapshot, &nothing, count).await?;
    let screenshot = repeated(agent, peer.screenshot, &nothing, count).await?;
    agent.ok(peer.navigate, open("/counter?name=peer")).await?;
    let page = agent.ok(peer.snapshot, nothing).await?;
    let aim = peer.aim_at(&page.text, "Count peer")?;
    let click = repeated(agent, peer.click, &aim, count).await?;
    Ok(vec![
        peer.name.to_owned(),
        started.both(),
        format!("{bytes} bytes"),
        evaluate.both(),
        click.both(),
        snapshot.both(),
        seen.text.len().to_string(),
        screenshot.both(),
        megabytes(machine::pss_kib(agent.pid())?),
    ])
}

impl Peer {
    /// The arguments of a click on the button called `name`.
    fn aim_at(&self, snapshot: &str, name: &str) -> Result<Value> {
        let (before, behind) = self.around;
        let button = format!("button \"{name}\"");
        let line = snapshot.lines().find(|line| line.contains(&button));
        let reference = line
            .and_then(|line| Some(line.split_once(before)?.1.split_once(behind)?.0))
            .with_context(|| format!("no {button} in:\n{snapshot}"))?;
        Ok(json!({self.aim: reference}))
    }
}

/// The working folder of a peer and its browser; both end with it.
struct Folder {
    path: PathBuf,
    mark: String,
}

impl Folder {
    fn make(peer: &Peer) -> Result<Self> {
        let name = peer.name.replace(['@', '/'], "");
        let mark = format!("interlock-bench-{}-{name}.", std::process::id());
        let path = std::env::temp_dir().join(&mark);
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, mark })
    }

    fn spawn(&self, folder: &Path, peer: &Peer) -> Result<Spawn> {
        let mut arguments = vec![
            folder.join(peer.script).to_string_lossy().into_owned(),
            "--executable-path".to_owned(),
            e2e::chromium()?.to_string_lossy().into_owned(),
        ];
        arguments.extend(peer.arguments.iter().map(|&word| word.to_owned()));
        Ok(Spawn {
            name: peer.name.to_owned(),
            era: Era::Legacy,
            binary: "node".into(),
            arguments,
            folder: self.path.clone(),
            mark: self.mark.clone(),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for (pid, _) in processes_of(&[], &self.mark) {
            if let Some(pid) = Pid::from_raw(pid) {
                // ESRCH means that it ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
