//! `./build.sh bench`: what Interlock costs, in time, memory and bytes, beside its peers.
//!
//! Everything is measured in one run on one machine, so that the figures can be compared with each
//! other; machines differ, and a busy one is slow for all. The table goes to stdout and, with date
//! and machine, to the file named by `--save`. `--quick` takes a tenth of the samples.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod core;
mod crowd;
mod figures;
mod idle;
mod machine;
mod ours;
mod peers;
mod shares;

use anyhow::{Context, Result, bail};
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
}

impl Scale {
    const FULL: Self = Self {
        calls: 200,
        starts: 40,
        wear: 1_000,
        idle_s: 30,
    };
    const QUICK: Self = Self {
        calls: 20,
        starts: 5,
        wear: 100,
        idle_s: 5,
    };
}

struct Wanted {
    scale: Scale,
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
    let mut tables = Vec::new();
    let told = |table: Table| {
        println!("{table}");
        table
    };
    tables.push(told(
        ours::measure(wanted.scale).await.context("one server")?,
    ));
    tables.push(told(shares::measure(wanted.scale).await.context("shares")?));
    tables.push(told(crowd::measure(wanted.scale).await.context("a crowd")?));
    tables.push(told(idle::measure(wanted.scale).await.context("idle")?));
    tables.push(told(core::measure(wanted.scale).context("the core")?));
    tables.push(told(match &wanted.peers {
        Some(folder) => peers::measure(folder, wanted.scale)
            .await
            .context("peers")?,
        None => peers::left_out(),
    }));
    if let Some(file) = wanted.save {
        let body: Vec<String> = tables.iter().map(Table::to_string).collect();
        let text = format!("{}\n{}", machine::head()?, body.join("\n"));
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        println!("written: {}", file.display());
    }
    Ok(())
}

fn wanted() -> Result<Wanted> {
    let mut wanted = Wanted {
        scale: Scale::FULL,
        save: None,
        peers: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut folder = || words.next().map(PathBuf::from);
        match word.as_str() {
            "--quick" => wanted.scale = Scale::QUICK,
            "--save" => wanted.save = Some(folder().context("--save needs a file")?),
            "--peers" => wanted.peers = Some(folder().context("--peers needs a folder")?),
            other => bail!("{other}: usage: bench [--quick] [--save FILE] [--peers FOLDER]"),
        }
    }
    Ok(wanted)
}
