//! `./build.sh side-by-side`: one scene, played by Interlock and by `@playwright/mcp --extension`.
//!
//! Two agents each work on a page of their own in a person's Chromium, whose own tab is in front.
//! The extension's worker is killed, the same way for both, and then each agent reads and clicks.
//! What it was told, on which page it stood, what became of the click and what the person had to do
//! is printed as Markdown. The exit code says whether the scene could be played, not who was better.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod door;
mod scene;
mod side;
mod tally;

use anyhow::{Context, Result, bail};
use side::{Admission, Playwright, Side};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str =
    "usage: side_by_side [--times N] [--playwright-mcp FOLDER --playwright-extension FOLDER]";
/// How often the worker dies unless said otherwise.
const TIMES: usize = 10;
const LEFT_OUT: &str = "Playwright is left out. It needs --playwright-mcp FOLDER, where npm has \
    installed @playwright/mcp, and --playwright-extension FOLDER, its browser extension, which is \
    not on npm: packages/extension of microsoft/playwright, built, with the key of the store's \
    extension in its manifest.";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("side_by_side failed: {why:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let (times, playwright) = wanted()?;
    let mut sides = vec![Side::Interlock];
    for admission in [Admission::Token, Admission::Person] {
        sides.extend(
            playwright
                .clone()
                .map(|one| Side::Playwright(one, admission)),
        );
    }
    for side in &sides {
        let tally = scene::play(side, times).await;
        println!("{}", tally.with_context(|| side.title())?);
    }
    if sides.len() == 1 {
        println!("{LEFT_OUT}");
    }
    Ok(())
}

fn wanted() -> Result<(usize, Option<Playwright>)> {
    let (mut times, mut server, mut extension) = (TIMES, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next();
        let value = value.with_context(|| format!("{word} needs a value: {USAGE}"))?;
        match word.as_str() {
            "--times" => times = value.parse().context("--times needs a number")?,
            "--playwright-mcp" => server = Some(PathBuf::from(value)),
            "--playwright-extension" => extension = Some(PathBuf::from(value)),
            other => bail!("{other}: {USAGE}"),
        }
    }
    let playwright = match (server, extension) {
        (Some(server), Some(extension)) => Some(Playwright::at(&server, &extension)?),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => bail!("one folder without the other: {USAGE}"),
    };
    Ok((times, playwright))
}
