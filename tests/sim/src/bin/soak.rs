//! Plays one new seed after the other: `soak [MINUTES]`, ten without a number. Starts at
//! `SIM_SEED`, else where the clock says, so that two soaks play two sets. `SIM_COUNT` ends it
//! after so many seeds.

use sim::browsers::Browsers;
use sim::plan::Plan;
use sim::report::Report;
use sim::world::World;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Every so many seeds two browsers are played too.
const TWO_EVERY: u64 = 4;
/// Seeds from here on stand for any mixture of faults.
const MIXED_FROM: u64 = 1_000;

fn main() -> ExitCode {
    let minutes: u64 = std::env::args()
        .nth(1)
        .and_then(|minutes| minutes.parse().ok())
        .unwrap_or(10);
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH);
    let first = number("SIM_SEED").unwrap_or(MIXED_FROM + clock.map_or(0, |time| time.as_secs()));
    let count = number("SIM_COUNT").unwrap_or(u64::MAX);
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    let mut out = std::io::stdout().lock();
    let mut report = Report::default();
    let mut failed = 0;
    let mut seed = first;
    while Instant::now() < end && seed - first < count {
        let mut world = World::new(Plan::numbered(seed));
        if let Err(what) = world.run() {
            failed += 1;
            let _ = writeln!(out, "FAILED {what}\n");
        }
        report.add(&world.report);
        if seed % TWO_EVERY == 0 {
            let mut browsers = Browsers::new(seed, None);
            if let Err(what) = browsers.run() {
                failed += 1;
                let _ = writeln!(out, "FAILED {what}\n");
            }
            report.add(&browsers.report);
        }
        seed += 1;
    }
    let _ = writeln!(
        out,
        "{report}seeds {first} to {}: {failed} failed",
        seed.saturating_sub(1)
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
