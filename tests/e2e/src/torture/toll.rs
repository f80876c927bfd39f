//! What deaths cost.

use super::Death;
use super::agents::Log;
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
    /// How often it came again before every agent was served after the one before.
    pub again: usize,
    /// Calls answered.
    pub calls: usize,
    /// Clicks answered as done.
    pub clicks: usize,
    /// From a death to the answer of each agent's first call after it, one an agent and death that
    /// did not come again at once.
    pub recovery: Vec<Duration>,
    /// How many of those calls were served on the tab that their agent had before.
    pub same_tab: usize,
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
            again: 0,
            calls: 0,
            clicks: 0,
            recovery: Vec::new(),
            same_tab: 0,
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

    /// Whether nothing was lost, doubled, wrong or refused, and who was not told otherwise is on the
    /// same tab.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let (told, same_tab) = match self.death {
            Death::Browser => (self.times, 0),
            Death::Worker | Death::Server | Death::Extension => (0, self.recovery.len()),
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
            && self.same_tab == same_tab
            && !self.recovery.is_empty()
    }

    /// Whether half of all agents were served again in time. It says little of a machine that has
    /// other things to do.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        /// What is longer, an agent's user notices.
        const WORKER_MAX: Duration = Duration::from_secs(1);
        self.death != Death::Worker || self.recovered(50) < WORKER_MAX
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
        "| death | times | while recovering | served again: p50 / p99 / longest | on the same tab | \
         calls | clicks | outcome unknown | told of lost tabs | lost | doubled | wrong page |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|"
    }
}

impl fmt::Display for Toll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |percent| self.recovered(percent).as_secs_f64();
        write!(
            f,
            "| {} | {} | {} | {:.2} s / {:.2} s / {:.2} s | {} of {} | {} | {} | {} | {} | {} | {} | {} |",
            self.death.name(),
            self.times,
            self.again,
            seconds(50),
            seconds(99),
            seconds(100),
            self.same_tab,
            self.recovery.len(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_table_as_it_is_printed() {
        let readme = include_str!("../../../../README.md");
        assert!(readme.contains(Toll::heads()), "run ./build.sh torture");
    }

    #[test]
    fn half_of_all_agents_are_served_within_a_second_of_a_workers_death() {
        let mut toll = Toll::new(Death::Worker, 1);
        for (millis, prompt) in [(&[999, 5_000][..], true), (&[5, 1_000, 1_000], false)] {
            toll.recovery = millis.iter().copied().map(Duration::from_millis).collect();
            assert_eq!(toll.is_prompt(), prompt, "{millis:?}");
        }
        toll.death = Death::Browser;
        assert!(toll.is_prompt());
    }

    #[test]
    fn a_toll_with_an_agent_on_another_tab_is_not_clean() {
        let mut toll = Toll::new(Death::Server, 1);
        toll.recovery = vec![Duration::from_millis(5); 2];
        toll.same_tab = 2;
        assert!(toll.is_clean());
        toll.same_tab = 1;
        assert!(!toll.is_clean());
    }
}
