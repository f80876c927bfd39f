//! Parts die at scattered instants while agents work without a pause; the pages count what reaches
//! them, and the toll says what it cost.
//!
//! Each agent works in a tab of its own, without ever naming it, so that an answer from any other
//! tab shows. Its clicks come one at a time: what the site has counted when the next one begins
//! says whether the last was lost, done once or doubled. Workers are killed through the browser's
//! own DevTools socket, never through a debugger on the worker, which would keep it alive.

mod agents;
mod toll;

pub use toll::Toll;

use crate::{Options, World};
use agents::Crew;
use anyhow::{Context, Result};
use std::time::Duration;
use tokio::time::Instant;

/// Agents at work.
pub const AGENTS: usize = 4;
/// Between the recovery from one death and the next, at most.
const PAUSE_MAX: Duration = Duration::from_millis(700);

/// What dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The extension's worker, as by Chrome's own hand.
    Worker,
    /// One agent's server, by SIGKILL; its client starts it again.
    Server,
    /// The whole extension, reloaded.
    Extension,
    /// The browser, by SIGKILL; it is started again, and restores no tab.
    Browser,
}

impl Death {
    /// For tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker killed",
            Self::Server => "server killed (-9)",
            Self::Extension => "extension reloaded",
            Self::Browser => "browser killed (-9)",
        }
    }
}

/// Lets `death` come `times` times over agents at work.
///
/// # Errors
/// When an agent is left in the dark: its next call is not served within the harness's limit.
pub async fn torture(death: Death, times: usize) -> Result<Toll> {
    let options = Options {
        developer: true,
        ..Options::default()
    };
    let mut world = World::with(options).await?;
    let crew = Crew::hire(&world, AGENTS).await?;
    let mut toll = Toll::new(death, times);
    for number in 0..times {
        tokio::time::sleep(PAUSE_MAX.mul_f64(chance(number))).await;
        let from = Instant::now();
        match death {
            Death::Worker => world.browser().kill_worker().await?,
            Death::Server => crew.kill_server(&world, number % AGENTS).await?,
            Death::Extension => world.browser().reload_extension().await?,
            Death::Browser => world.restart_browser().await?,
        }
        crew.recovered(from, Instant::now(), &mut toll)
            .await
            .with_context(|| format!("after death {}", number + 1))?;
    }
    crew.dismiss(&mut toll).await?;
    world.close().await?;
    Ok(toll)
}

/// From 0 to 1, the same in every run: scattered, not random, so that a run can be played again.
#[expect(clippy::cast_precision_loss, reason = "a few hundred deaths")]
fn chance(number: usize) -> f64 {
    /// Its multiples scatter evenly.
    const GOLDEN: f64 = 0.618_033_988_749_895;
    (number as f64 * GOLDEN).fract()
}
