//! What deaths cost.

use super::agents::Log;
use super::{AGENTS, Death};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The sum over all agents and all deaths of one kind.
#[derive(Debug)]
pub struct Toll {
    /// Of what.
    pub death: Death,
    /// How often it came.
    pub times: usize,
    /// Calls answered.
    pub calls: usize,
    /// Clicks answered as done.
    pub clicks: usize,
    /// From a death to the answer of each agent's first call after it, one an agent and death.
    pub recovery: Vec<Duration>,
    /// Calls whose outcome nobody knew, and that said so.
    pub unknown: usize,
    /// How often each agent was told which tabs it lost.
    pub told: Vec<usize>,
    /// Clicks that were answered as done and never arrived.
    pub lost: usize,
    /// Clicks that arrived twice, or though they were refused.
    pub doubled: usize,
    /// Answers of another tab or page than the agent's own, whole.
    pub wrong: Vec<String>,
    /// Other failures, by code.
    pub refused: BTreeMap<String, usize>,
}

impl Toll {
    pub(super) fn new(death: Death, times: usize) -> Self {
        Self {
            death,
            times,
            calls: 0,
            clicks: 0,
            recovery: Vec::new(),
            unknown: 0,
            told: Vec::new(),
            lost: 0,
            doubled: 0,
            wrong: Vec::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, log: &Log) {
        self.calls += log.calls;
        self.clicks += log.clicks;
        self.unknown += log.unknown;
        self.told.push(log.told);
        self.lost += log.lost;
        self.doubled += log.doubled;
        self.wrong.extend(log.wrong.iter().cloned());
        for (code, count) in &log.refused {
            *self.refused.entry(code.clone()).or_default() += count;
        }
    }

    /// Whether nothing was lost, doubled, wrong or refused, and whose tabs were kept was not told
    /// otherwise.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let told = match self.death {
            Death::Browser => self.times,
            Death::Worker | Death::Server | Death::Extension => 0,
        };
        let browser_died = self.death == Death::Browser;
        let harmless =
            |code: &str| code == "stale_ref" || browser_died && code.starts_with("not_connected");
        // A browser takes with it what its pages had not sent yet.
        (self.lost == 0 || browser_died)
            && self.doubled == 0
            && self.wrong.is_empty()
            && self.refused.keys().all(|code| harmless(code))
            && self.told.iter().all(|times| *times == told)
            && self.recovery.len() == AGENTS * self.times
    }

    /// The time within which so many of a hundred recoveries were over.
    #[must_use]
    pub fn recovered(&self, percent: usize) -> Duration {
        let mut all = self.recovery.clone();
        all.sort();
        let last = all.len().saturating_sub(1);
        all.get(last * percent / 100).copied().unwrap_or_default()
    }

    /// The heads of [`Toll`]'s columns as a table row.
    #[must_use]
    pub fn heads() -> &'static str {
        "| death | times | served again: p50 / p99 / longest | calls | clicks | outcome unknown | \
         told of lost tabs | lost | doubled | wrong page |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    }
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |percent| self.recovered(percent).as_secs_f64();
        write!(
            f,
            "| {} | {} | {:.2} s / {:.2} s / {:.2} s | {} | {} | {} | {} | {} | {} | {} |",
            self.death.name(),
            self.times,
            seconds(50),
            seconds(99),
            seconds(100),
            self.calls,
            self.clicks,
            self.unknown,
            self.told.iter().sum::<usize>(),
            self.lost,
            self.doubled,
            self.wrong.len(),
        )
    }
}
