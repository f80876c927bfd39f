//! What was seen after the deaths, counted, and its table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What a snapshot brought to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    /// The page that it had opened.
    OwnPage,
    /// The page of the other agent.
    OtherAgents,
    /// Something else, by the first line of the answer.
    Elsewhere(String),
    /// A refusal, by its first line.
    Error(String),
    /// No answer within the harness's limit.
    Silence,
}

/// What became of the click after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Click {
    /// Answered as done, and done once.
    Landed,
    /// Done more than once.
    Doubled,
    /// Answered as done, and not done.
    Lost,
    /// Answered as failed, and done.
    DoneButRefused,
    /// Answered as failed, and not done; the first line of the answer.
    Refused(String),
    /// Done on the page of the other agent.
    OnAnothersPage,
    /// Neither answered nor done.
    Silence,
}

/// One agent after one death.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Its snapshots, the first after the death first.
    pub(crate) reads: Vec<Read>,
    /// From its first call until it reads its own page again, opened anew if need be.
    pub(crate) back: Duration,
    pub(crate) click: Click,
    /// How often the person had to let it in.
    pub(crate) let_in: usize,
    /// Whether its page shows what it had shown before the death.
    pub(crate) page_kept: bool,
    /// Whether the person's tab is still in front.
    pub(crate) in_front: bool,
}

/// All agents of one side after all deaths.
pub(crate) struct Tally {
    title: String,
    browser: String,
    seen: Vec<(&'static str, Seen)>,
    /// Tabs of the whole browser.
    pub(crate) tabs_before: usize,
    /// Likewise, after the last death.
    pub(crate) tabs_after: usize,
}

impl Tally {
    pub(crate) fn new(title: String, browser: String) -> Self {
        Self {
            title,
            browser,
            seen: Vec::new(),
            tabs_before: 0,
            tabs_after: 0,
        }
    }

    pub(crate) fn add(&mut self, agent: &'static str, seen: Seen) {
        self.seen.push((agent, seen));
    }
}

impl Read {
    fn words(&self) -> String {
        match self {
            Self::OwnPage => "its own page".to_owned(),
            Self::OtherAgents => "the other agent's page".to_owned(),
            Self::Elsewhere(line) => format!("another page: `{line}`"),
            Self::Error(line) => format!("error: `{line}`"),
            Self::Silence => "no answer".to_owned(),
        }
    }
}

impl Click {
    fn words(&self) -> String {
        match self {
            Self::Landed => "done once".to_owned(),
            Self::Doubled => "done twice".to_owned(),
            Self::Lost => "answered as done, not done".to_owned(),
            Self::DoneButRefused => "answered as failed, done".to_owned(),
            Self::Refused(line) => format!("not done, error: `{line}`"),
            Self::OnAnothersPage => "done on the other agent's page".to_owned(),
            Self::Silence => "no answer, not done".to_owned(),
        }
    }
}

/// `7 × this, 3 × that`, the most frequent first.
fn counted(words: impl Iterator<Item = String>) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let parts = counts
        .iter()
        .map(|(word, count)| format!("{count} × {word}"));
    parts.collect::<Vec<_>>().join("<br>")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\nIn {}.\n", self.title, self.browser)?;
        let mut agents: Vec<&str> = self.seen.iter().map(|(agent, _)| *agent).collect();
        agents.sort_unstable();
        agents.dedup();
        writeln!(f, "| | {} |", agents.join(" | "))?;
        writeln!(f, "|---|{}", "---|".repeat(agents.len()))?;
        let row = |f: &mut fmt::Formatter<'_>, what: &str, cell: &dyn Fn(&[&Seen]) -> String| {
            let of = |agent: &&str| {
                let own = self.seen.iter().filter(|(name, _)| name == agent);
                cell(&own.map(|(_, seen)| seen).collect::<Vec<_>>())
            };
            let cells: Vec<_> = agents.iter().map(of).collect();
            writeln!(f, "| {what} | {} |", cells.join(" | "))
        };
        row(f, "first snapshot after the death", &|all| {
            counted(
                all.iter()
                    .filter_map(|seen| Some(seen.reads.first()?.words())),
            )
        })?;
        row(f, "the last one before the click", &|all| {
            counted(
                all.iter()
                    .filter_map(|seen| Some(seen.reads.last()?.words())),
            )
        })?;
        row(f, "a click on its button, by the last ref known", &|all| {
            counted(all.iter().map(|seen| seen.click.words()))
        })?;
        row(f, "on its own page again after (median, longest)", &|all| {
            let mut times: Vec<_> = all.iter().map(|seen| seen.back).collect();
            times.sort_unstable();
            let ms = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
            format!(
                "{} ms, {} ms",
                ms(times.get(times.len() / 2)),
                ms(times.last())
            )
        })?;
        let share = |all: &[&Seen], fits: fn(&&&Seen) -> bool| {
            format!("{} of {}", all.iter().filter(fits).count(), all.len())
        };
        row(f, "had to open its page anew", &|all| {
            share(all, |seen| seen.reads.last() != Some(&Read::OwnPage))
        })?;
        row(f, "its page shows what it had shown", &|all| {
            share(all, |seen| seen.page_kept)
        })?;
        row(f, "times the person had to let it in", &|all| {
            all.iter()
                .map(|seen| seen.let_in)
                .sum::<usize>()
                .to_string()
        })?;
        row(f, "the person's tab was still in front", &|all| {
            share(all, |seen| seen.in_front)
        })?;
        writeln!(
            f,
            "\nTabs in the browser before the first death {}, after the last {}.",
            self.tabs_before, self.tabs_after
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(reads: Vec<Read>, click: Click) -> Seen {
        Seen {
            reads,
            back: Duration::from_millis(7),
            click,
            let_in: 1,
            page_kept: false,
            in_front: true,
        }
    }

    #[test]
    fn what_was_seen_most_often_is_told_first() {
        let words = ["b", "a", "b"].map(str::to_owned);
        assert_eq!(counted(words.into_iter()), "2 × b<br>1 × a");
    }

    #[test]
    fn each_agent_has_a_column_of_its_own() {
        let mut tally = Tally::new("Somebody 1.0".into(), "Chrome".into());
        tally.add("one", seen(vec![Read::OwnPage], Click::Landed));
        let refused = vec![Read::Error("gone".into()), Read::Elsewhere("blank".into())];
        tally.add("two", seen(refused, Click::Lost));
        let text = tally.to_string();
        for row in [
            "| | one | two |",
            "| first snapshot after the death | 1 × its own page | 1 × error: `gone` |",
            "| the last one before the click | 1 × its own page | 1 × another page: `blank` |",
            "| had to open its page anew | 0 of 1 | 1 of 1 |",
            "| times the person had to let it in | 1 | 1 |",
        ] {
            assert!(text.contains(row), "no {row} in:\n{text}");
        }
    }
}
