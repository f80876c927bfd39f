//! Parts die at random instants while agents work without a pause; the pages count what reaches
//! them, and the toll says what it cost. The instants come from a seed; what falls on them is the machine's.
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
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::time::Duration;
use tokio::time::Instant;

/// Agents at work.
pub const AGENTS: usize = 4;
/// Between the recovery from one death and the next, at most.
const PAUSE_MAX: Duration = Duration::from_millis(700);
/// Within this a worker dies again: before most agents are served by the one that came.
const AGAIN_MAX: Duration = Duration::from_secs(1);
/// One in so many deaths of a worker comes so soon after the one before.
const AGAIN_EVERY: usize = 4;

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

/// Lets `death` come `times` times over agents at work, at instants that follow from `seed`.
///
/// # Errors
/// When an agent is left in the dark: its next call is not served within the harness's limit.
pub async fn torture(death: Death, times: usize, seed: u64) -> Result<Toll> {
    let options = Options {
        developer: true,
        ..Options::default()
    };
    let mut world = World::with(options).await?;
    let mut crew = Crew::hire(&world, AGENTS).await?;
    let mut toll = Toll::new(death, times);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut number = 0;
    while number < times {
        tokio::time::sleep(PAUSE_MAX.mul_f64(chance(&mut random))).await;
        let mut from = Instant::now();
        match death {
            Death::Worker => world.browser().kill_worker().await?,
            Death::Server => crew.kill_server(&world, number % AGENTS).await?,
            Death::Extension => world.browser().reload_extension().await?,
            Death::Browser => world.restart_browser().await?,
        }
        number += 1;
        let mut gone = Instant::now();
        if death == Death::Worker && number < times && number % AGAIN_EVERY == AGAIN_EVERY - 1 {
            let browser = world.browser();
            tokio::time::sleep(AGAIN_MAX.mul_f64(chance(&mut random))).await;
            crate::until("a worker to kill again", async || browser.worker().await).await?;
            toll.again += usize::from(!crew.all_served_since(gone));
            from = Instant::now();
            browser.kill_worker().await?;
            number += 1;
            gone = Instant::now();
        }
        crew.recovered(from, gone, &mut toll)
            .await
            .with_context(|| format!("after death {number} of seed {seed}"))?;
    }
    crew.dismiss(&mut toll).await?;
    world.close().await?;
    Ok(toll)
}

/// From 0 to 1.
fn chance(random: &mut ChaCha8Rng) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX)
}
