//! One server, one agent: starts, memory, bytes, and how long each kind of call takes.

use crate::Scale;
use crate::figures::{Table, Times, megabytes, millis};
use crate::machine;
use anyhow::{Context, Result};
use e2e::{Agent, Era, World, binary};
use serde_json::{Value, json};
use std::time::Instant;

pub(crate) async fn measure(scale: Scale) -> Result<Table> {
    let world = World::start().await?;
    let mut table = Table::new("One server", &["what", "figure", "target"]);
    let mut row = |what: &str, figure: String, target: &str| {
        table.row([what.to_owned(), figure, target.to_owned()]);
    };

    let (greeted, connected) = starts(&world, scale).await?;
    row("spawn → initialize → tools/list", greeted.both(), "6 ms");
    row(
        "spawn → first answer of the browser",
        format!(
            "{} / {}",
            connected.both(),
            millis(connected.percentile(95))
        ),
        "p95 2 s",
    );

    let agent = world.agent("bench").await?;
    let tools = agent.tools().await?;
    let bytes = serde_json::to_string(&json!({"tools": tools}))?.len();
    row(
        "tools/list",
        format!("{bytes} bytes, {} tools", tools.len()),
        "12 KB",
    );
    let tab = agent.open(&world.site.url("/table")).await?;
    row(
        "memory (PSS), a tab open",
        megabytes(machine::pss_kib(agent.pid())?),
        "6 MB",
    );
    let snapshot = agent.ok("browser_snapshot", json!({"tabId": tab})).await?;
    row(
        "snapshot of a table of 100 rows",
        format!("{} bytes", snapshot.text.len()),
        "15 KB",
    );
    for (what, times) in calls(&world, &agent, tab, scale).await? {
        let target = match what {
            "evaluate" => "2 ms",
            "click" => "35 ms",
            "snapshot" => "25 ms",
            _ => "",
        };
        row(what, times.both(), target);
    }
    wear(&agent, tab, scale.wear).await?;
    row(
        &format!("memory (PSS) after {} more calls", scale.wear),
        megabytes(machine::pss_kib(agent.pid())?),
        "6 MB",
    );
    row("server binary", file_size(&binary()?)?, "");
    row("core (WASM), gzipped", wasm_size(&world)?, "250 KB");
    table.note(
        "The module is above its target: 18 % of its code is what the tools do in a page, 17 % tabs, \
         sessions and connections, 17 % the reading and writing of JSON, 18 % vectors, strings and \
         sorted rows, compiled once for each type in them, and 10 % Rust's own numbers, texts and \
         formatting. Nothing large is left that only one place needs.",
    );
    drop(agent);
    world.close().await?;
    Ok(table)
}

/// Servers started one after the other: until the tools are listed, and until a call that needs
/// the browser is answered.
async fn starts(world: &World, scale: Scale) -> Result<(Times, Times)> {
    let (mut greeted, mut connected) = (Times::default(), Times::default());
    for number in 0..scale.starts {
        let spawn = world.spawn(&format!("start-{number}"), Era::Legacy);
        let started = Instant::now();
        let agent = Agent::start(spawn).await?;
        agent.tools().await?;
        greeted.add(started.elapsed());
        agent.ok("browser_tabs", json!({"action": "list"})).await?;
        connected.add(started.elapsed());
        agent.quit().await?;
    }
    Ok((greeted, connected))
}

/// Each kind of call, by itself, on a page that is loaded.
pub(crate) async fn calls(
    world: &World,
    agent: &Agent,
    tab: i64,
    scale: Scale,
) -> Result<Vec<(&'static str, Times)>> {
    let count = scale.calls;
    let evaluate = json!({"tabId": tab, "function": "() => 1"});
    let mut all = vec![(
        "evaluate",
        repeated(agent, "browser_evaluate", &evaluate, count).await?,
    )];
    let reading = json!({"tabId": tab});
    all.push((
        "snapshot",
        repeated(agent, "browser_snapshot", &reading, count).await?,
    ));
    all.push((
        "screenshot",
        repeated(agent, "browser_take_screenshot", &reading, count / 4 + 1).await?,
    ));
    let counter = world.site.url("/counter?name=bench");
    agent
        .ok("browser_navigate", json!({"tabId": tab, "url": counter}))
        .await?;
    let aim = agent.aim(tab, &["button", "Count"]).await?;
    all.push((
        "click",
        repeated(agent, "browser_click", &aim, count).await?,
    ));
    Ok(all)
}

pub(crate) async fn repeated(
    agent: &Agent,
    tool: &str,
    arguments: &Value,
    count: usize,
) -> Result<Times> {
    // The first one attaches the debugger.
    agent.ok(tool, arguments.clone()).await?;
    let mut times = Times::default();
    for _ in 0..count {
        let started = Instant::now();
        agent.ok(tool, arguments.clone()).await?;
        times.add(started.elapsed());
    }
    Ok(times)
}

async fn wear(agent: &Agent, tab: i64, count: usize) -> Result<()> {
    for _ in 0..count / 4 {
        agent.read(tab, "document.title").await?;
        agent.ok("browser_snapshot", json!({"tabId": tab})).await?;
        agent.click(tab, &["button", "Count"]).await?;
    }
    Ok(())
}

fn file_size(path: &std::path::Path) -> Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    Ok(megabytes(bytes / 1024))
}

/// Compressed as `gzip -9` does it, which is what a packed extension comes close to.
fn wasm_size(world: &World) -> Result<String> {
    let file = world.extension().join("pkg/extension_core_bg.wasm");
    let zipped = std::process::Command::new("gzip")
        .args(["-9", "-c"])
        .arg(&file)
        .output()
        .context("running gzip")?;
    let whole = std::fs::metadata(&file)?.len();
    Ok(format!(
        "{} KB ({} KB as it is)",
        zipped.stdout.len() / 1024,
        whole / 1024
    ))
}
