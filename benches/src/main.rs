//! `./build.sh bench`: what Interlock costs, in time, memory and bytes, beside its peers.
//!
//! Everything is measured in one run on one machine, so that the figures can be compared with each
//! other; machines differ, and a busy one is slow for all. The table goes to stdout and, with date
//! and machine, to the file named by `--save`. `--quick` takes a tenth of the samples.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod age;
mod core;
mod crowd;
mod figures;
mod idle;
mod machine;
mod ours;
mod peers;
mod shares;

use anyhow::{Context, Result, bail, ensure};
use figures::Table;
use std::path::PathBuf;
use std::process::ExitCode;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Calls of each kind.
    pub(crate) calls: usize,
    /// Servers started one after the other.
    pub(crate) starts: usize,
    /// Calls before memory is read again.
    pub(crate) wear: usize,
    /// Seconds that an idle worker is watched.
    pub(crate) idle_s: u64,
    /// Calls that memory is read after, of four agents.
    pub(crate) age: usize,
    /// Connections lost and made again, likewise.
    pub(crate) reconnects: usize,
}

impl Scale {
    const FULL: Self = Self {
        calls: 200,
        starts: 40,
        wear: 1_000,
        idle_s: 30,
        age: 10_000,
        reconnects: 100,
    };
    const QUICK: Self = Self {
        calls: 20,
        starts: 5,
        wear: 100,
        idle_s: 5,
        age: 1_000,
        reconnects: 10,
    };
}

const USAGE: &str = "usage: bench [--quick] [--only SECTION] [--save FILE] [--peers FOLDER]";
/// What is measured, in this order.
const SECTIONS: [&str; 7] = ["one", "shares", "crowd", "age", "idle", "core", "peers"];

struct Wanted {
    scale: Scale,
    /// One of [`SECTIONS`] instead of all.
    only: Option<String>,
    save: Option<PathBuf>,
    /// Where npm has put the peers; without it they are left out, and the table says so.
    peers: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench failed: {why:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let wanted = wanted()?;
    let scale = wanted.scale;
    let mut tables = Vec::new();
    for section in SECTIONS {
        if wanted.only.as_deref().is_some_and(|only| only != section) {
            continue;
        }
        let table = match section {
            "one" => ours::measure(scale).await,
            "shares" => shares::measure(scale).await,
            "crowd" => crowd::measure(scale).await,
            "age" => age::measure(scale).await,
            "idle" => idle::measure(scale).await,
            "core" => core::measure(scale),
            _ => match &wanted.peers {
                Some(folder) => peers::measure(folder, scale).await,
                None => Ok(peers::left_out()),
            },
        };
        let table = table.with_context(|| section.to_owned())?;
        println!("{table}");
        tables.push(table);
    }
    if let Some(file) = wanted.save {
        let body: Vec<String> = tables.iter().map(Table::to_string).collect();
        let text = format!("{}\n{}", machine::head()?, body.join("\n"));
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        println!("written: {}", file.display());
    }
    let faults: Vec<_> = tables.iter().flat_map(Table::faults).cloned().collect();
    ensure!(faults.is_empty(), "{}", faults.join(" "));
    Ok(())
}

fn wanted() -> Result<Wanted> {
    let mut wanted = Wanted {
        scale: Scale::FULL,
        only: None,
        save: None,
        peers: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = |what| words.next().with_context(|| format!("{word} needs {what}"));
        match word.as_str() {
            "--quick" => wanted.scale = Scale::QUICK,
            "--only" => wanted.only = Some(next("a section")?),
            "--save" => wanted.save = Some(next("a file")?.into()),
            "--peers" => wanted.peers = Some(next("a folder")?.into()),
            other => bail!("{other}: {USAGE}"),
        }
        if let Some(only) = wanted
            .only
            .as_deref()
            .filter(|only| !SECTIONS.contains(only))
        {
            bail!("{only}: one of {}", SECTIONS.join(", "));
        }
    }
    Ok(wanted)
}
