//! Samples and the tables that they end up in.

use std::fmt;
use std::time::Duration;

/// Times of one kind of thing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Takes over the samples of another.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The time that `percent` of the samples do not exceed (nearest rank); zero without samples.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// The median.
    pub(crate) fn p50(&self) -> Duration {
        self.percentile(50)
    }

    /// `p50 / p99`, in milliseconds.
    pub(crate) fn both(&self) -> String {
        format!("{} / {}", millis(self.p50()), millis(self.percentile(99)))
    }
}

/// Milliseconds with as many digits as mean something.
pub(crate) fn millis(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// KiB as megabytes.
pub(crate) fn megabytes(kib: u64) -> String {
    let tenths = kib * 10 / 1024;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// A title, column heads, and rows of as many cells. Shown as Markdown.
#[derive(Debug)]
pub(crate) struct Table {
    title: &'static str,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
    faults: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: &'static str, heads: &[&str]) -> Self {
        Self {
            title,
            heads: heads.iter().map(|head| (*head).to_owned()).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub(crate) fn rows(&mut self, rows: Vec<Vec<String>>) {
        self.rows.extend(rows);
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A figure that must not be as it is: it is noted, and the whole run fails once it is over.
    pub(crate) fn fault(&mut self, what: String) {
        self.note(what.clone());
        self.faults.push(what);
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n", self.title)?;
        if !self.heads.is_empty() {
            writeln!(f, "| {} |", self.heads.join(" | "))?;
            writeln!(f, "|{}", "---|".repeat(self.heads.len()))?;
        }
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_sample_of_nearest_rank() {
        let mut times = Times::default();
        for ms in (1..=100).rev() {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.p50(), Duration::from_millis(50));
        assert_eq!(times.percentile(99), Duration::from_millis(99));
        assert_eq!(times.percentile(100), Duration::from_millis(100));
    }

    #[test]
    fn no_samples_have_no_time() {
        assert_eq!(Times::default().p50(), Duration::ZERO);
    }
}
