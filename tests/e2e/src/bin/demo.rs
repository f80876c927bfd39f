//! `./build.sh demo`: three agents in one Chromium, each in its own tab, one waiting for another's.
//!
//! Three servers are started as three MCP clients would start them. They work at the same time;
//! then the second asks for the first one's tab, is seen waiting, and gets it by hand-over. The
//! exit code is not 0 when any step fails; no process and no folder stay behind.
//!
//! `demo --agents 1` runs one agent and no hand-over. A window opens when there is a display.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use e2e::{Agent, Answer, Era, Options, Shown, World, ports_of, until};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The clients: a name, what they order, and the revision of MCP that they speak.
const CLIENTS: [(&str, &str, Era); 3] = [
    ("anna", "apples", Era::Legacy),
    ("bela", "pears", Era::Modern),
    ("carl", "plums", Era::Legacy),
];

/// In a window, between two steps: a person wants to see them.
const PAUSE: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> ExitCode {
    let done = tokio::select! {
        done = run() => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("demo failed: {why:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what happens and when.
#[derive(Clone, Copy)]
struct Stage {
    started: Instant,
    headed: bool,
}

impl Stage {
    fn tell(self, who: &str, what: &str) {
        println!(
            "[{:5.2} s]  {who:<8} {what}",
            self.started.elapsed().as_secs_f64()
        );
    }

    async fn pause(self) {
        if self.headed {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// One line of the table.
struct Row {
    name: &'static str,
    port: u16,
    tab: i64,
    read: String,
    took: Duration,
}

async fn run() -> Result<()> {
    let count = agents_wanted()?;
    let headed = e2e::has_display();
    let stage = Stage {
        started: Instant::now(),
        headed,
    };
    let world = World::with(Options {
        shown: if headed {
            Shown::ToTheUser
        } else {
            Shown::ToNobody
        },
        ..Options::default()
    })
    .await?;
    let window = if headed { "in a window" } else { "headless" };
    stage.tell(
        "browser",
        &format!(
            "Chromium {window}, extension {}",
            world.browser().extension_id()
        ),
    );

    let mut agents = Vec::new();
    for (name, _, era) in &CLIENTS[..count] {
        agents.push(world.agent_of(world.spawn(name, *era)).await?);
        stage.tell(
            name,
            match era {
                Era::Legacy => "server started, MCP 2025-11-25",
                Era::Modern => "server started, MCP 2026-07-28",
            },
        );
    }
    let rows = match &agents[..] {
        [one] => vec![work(stage, &world, one, CLIENTS[0]).await?],
        [first, second, third] => {
            // At the same time, each in a tab of its own.
            let (first, second, third) = tokio::try_join!(
                work(stage, &world, first, CLIENTS[0]),
                work(stage, &world, second, CLIENTS[1]),
                work(stage, &world, third, CLIENTS[2]),
            )?;
            vec![first, second, third]
        }
        _ => bail!("one agent or three"),
    };
    let last = match &agents[..] {
        [first, second, _] => {
            hand_over(stage, first, second, rows[0].tab).await?;
            second
        }
        _ => &agents[0],
    };
    let picture = last
        .ok("browser_take_screenshot", json!({"tabId": rows[0].tab}))
        .await?;
    let file = save(&picture)?;
    drop(agents);
    world.close().await?;
    stage.tell("demo", "servers and browser ended, nothing left behind");
    print_table(&rows);
    println!("\nscreenshot: {}", file.display());
    Ok(())
}

fn agents_wanted() -> Result<usize> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] | ["--agents", "3"] => Ok(CLIENTS.len()),
        ["--agents", "1"] => Ok(1),
        _ => bail!("usage: demo [--agents 1|3]"),
    }
}

/// Navigates, takes a snapshot, types, clicks and reads back what the page made of it.
async fn work(
    stage: Stage,
    world: &World,
    agent: &Agent,
    (name, goods, _): (&'static str, &str, Era),
) -> Result<Row> {
    let started = Instant::now();
    let url = world.site.url(&format!("/shop?name={goods}"));
    let tab = agent.open(&url).await?;
    stage.tell(name, &format!("tab {tab}: opened {url}"));
    stage.pause().await;
    order(stage, agent, tab, &format!("for {name}")).await?;
    let read = read_back(agent, tab).await?;
    let expected = format!("ordered 1 {goods}: for {name}");
    if read != expected {
        bail!("{name} read {read:?} instead of {expected:?}");
    }
    let took = started.elapsed();
    stage.tell(name, &format!("tab {tab}: read \"{read}\""));
    let port = until("the server's port", async || {
        Ok(ports_of(agent.pid())?
            .into_iter()
            .find(|port| world.ports.all().contains(port)))
    })
    .await?;
    Ok(Row {
        name,
        port,
        tab,
        read,
        took,
    })
}

/// Types a note and orders, by the refs of a snapshot.
async fn order(stage: Stage, agent: &Agent, tab: i64, note: &str) -> Result<()> {
    let seen = agent.ok("browser_snapshot", json!({"tabId": tab})).await?;
    let find = |words: &[&str]| {
        seen.reference(words)
            .with_context(|| format!("no {words:?} in the snapshot:\n{seen}"))
    };
    let (field, button) = (find(&["textbox", "Note"])?, find(&["button", "Order"])?);
    stage.tell(
        agent.name(),
        &format!("tab {tab}: snapshot, field {field}, button {button}"),
    );
    agent
        .ok(
            "browser_type",
            json!({"tabId": tab, "target": field, "text": note, "element": "Note"}),
        )
        .await?;
    stage.tell(agent.name(), &format!("tab {tab}: typed \"{note}\""));
    stage.pause().await;
    agent
        .ok(
            "browser_click",
            json!({"tabId": tab, "target": button, "element": "Order"}),
        )
        .await?;
    stage.tell(agent.name(), &format!("tab {tab}: clicked Order"));
    stage.pause().await;
    Ok(())
}

async fn read_back(agent: &Agent, tab: i64) -> Result<String> {
    agent
        .read(tab, "document.querySelector('output').textContent")
        .await
}

/// The second asks for the first one's tab, waits, and gets it when the first hands it over.
async fn hand_over(stage: Stage, first: &Agent, second: &Agent, tab: i64) -> Result<()> {
    let mut waiting = second
        .begin("browser_snapshot", json!({"tabId": tab, "wait": 30}))
        .await?;
    stage.tell(
        second.name(),
        &format!("asks for tab {tab} of {}", first.name()),
    );
    let progress = waiting.until_progress("position").await?;
    stage.tell(second.name(), &format!("waits: {}", progress.message));
    stage.pause().await;
    // The owner works on meanwhile, and is told that somebody waits.
    let read = read_back(first, tab).await?;
    stage.tell(
        first.name(),
        &format!("still works on tab {tab}: read \"{read}\""),
    );
    if waiting.is_answered() {
        bail!("{} got tab {tab} before it was handed over", second.name());
    }
    let alias = first.alias_of(second.name()).await?;
    let arguments = json!({"action": "handoff", "tabId": tab, "to": alias});
    first.ok("browser_tabs", arguments).await?;
    stage.tell(first.name(), &format!("hands tab {tab} over to {alias}"));
    let got = waiting.answer().await?;
    if !got.is_ok() {
        bail!("{} did not get tab {tab}: {got}", second.name());
    }
    stage.tell(second.name(), &format!("has tab {tab}"));
    order(
        stage,
        second,
        tab,
        &format!("from {} to {}", first.name(), second.name()),
    )
    .await?;
    let read = read_back(second, tab).await?;
    stage.tell(second.name(), &format!("tab {tab}: read \"{read}\""));
    if !read.starts_with("ordered 2 apples") {
        bail!("{} read {read:?} on the tab it was given", second.name());
    }
    Ok(())
}

/// Writes the picture beside the build where there is one, else into the temporary folder.
fn save(picture: &Answer) -> Result<PathBuf> {
    let data = picture.picture().context("no picture in the answer")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(data)?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = if target.is_dir() {
        target
    } else {
        std::env::temp_dir()
    };
    let kind = if bytes.starts_with(b"\x89PNG") {
        "png"
    } else {
        "jpeg"
    };
    let file = std::path::absolute(folder)?.join(format!("interlock-demo.{kind}"));
    std::fs::write(&file, bytes)?;
    Ok(file)
}

fn print_table(rows: &[Row]) {
    println!(
        "\n{:<10}{:>6}  {:>11}  {:<28}{:>8}",
        "instance", "port", "tab", "read", "time"
    );
    for Row {
        name,
        port,
        tab,
        read,
        took,
    } in rows
    {
        let took = format!("{:.2} s", took.as_secs_f64());
        println!("{name:<10}{port:>6}  {tab:>11}  {read:<28}{took:>8}");
    }
}
