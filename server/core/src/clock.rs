//! Time as this server could observe it. It is woken when it asked for it: where it is so much
//! later that the machine must have slept, or this process stood still, next to no time counts, so
//! that nobody is declared lost and no call ends for it. A clock that steps back counts as no time.

use protocol::Instant;
use std::time::Duration;

/// A busy machine wakes a process within a second or two.
const LATE_MAX: Duration = Duration::from_secs(5);
/// What a gap counts at least, and at most. Each that follows another counts twice as much, so that
/// time passes even where every step is late.
const GAP_MIN: Duration = Duration::from_secs(1);
const GAP_MAX: Duration = Duration::from_secs(32);

/// Turns the driver's moments into observed ones and back.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Instant,
    skipped: Duration,
    /// What a gap counts now.
    gap: Duration,
}

/// What a step of the clock was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Time was watched.
    Watched,
    /// There was a gap; peers are asked before any is declared lost.
    Gap,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            last: now,
            skipped: Duration::ZERO,
            gap: GAP_MIN,
        }
    }

    /// The driver says it is `now`, and was to wake this server when the observed moment `due`
    /// came: the observed moment, and whether nobody watched before it.
    pub(crate) fn observe(&mut self, now: Instant, due: Option<Instant>) -> (Instant, Passed) {
        let gap = now.since(self.last);
        let late = due.map_or(Duration::ZERO, |due| now.since(self.to_driver(due)));
        self.last = self.last.max(now);
        let passed = if late > LATE_MAX {
            self.skipped += gap.saturating_sub(self.gap);
            self.gap = (self.gap * 2).min(GAP_MAX);
            Passed::Gap
        } else {
            self.gap = GAP_MIN;
            Passed::Watched
        };
        let skipped = u64::try_from(self.skipped.as_millis()).unwrap_or(u64::MAX);
        (Instant(self.last.0.saturating_sub(skipped)), passed)
    }

    /// When the driver's clock will show the observed moment `at`.
    pub(crate) fn to_driver(&self, at: Instant) -> Instant {
        at + self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    #[test]
    fn a_gap_counts_as_one_second() {
        let mut clock = Clock::new(Instant(1_000));
        let due = Some(Instant(21_000));
        let punctual = clock.observe(Instant(21_000), due);
        assert_eq!(punctual, (Instant(21_000), Passed::Watched));
        let slept = clock.observe(Instant(22_000 + DAY), Some(Instant(41_000)));
        assert_eq!(slept, (Instant(22_000), Passed::Gap));
        let later = Instant(22_500 + DAY);
        assert_eq!(clock.to_driver(Instant(22_500)), later);
        let watched = clock.observe(later, Some(Instant(41_000)));
        assert_eq!(watched, (Instant(22_500), Passed::Watched));
    }

    #[test]
    fn a_busy_machine_that_wakes_late_counts_in_full() {
        let mut clock = Clock::new(Instant(0));
        let late = clock.observe(Instant(25_000), Some(Instant(20_000)));
        assert_eq!(late, (Instant(25_000), Passed::Watched));
    }

    #[test]
    fn a_time_for_which_no_step_was_asked_counts_in_full() {
        let mut clock = Clock::new(Instant(0));
        let idle = clock.observe(Instant(DAY), None);
        assert_eq!(idle, (Instant(DAY), Passed::Watched));
        let early = clock.observe(Instant(DAY + 1), Some(Instant(2 * DAY)));
        assert_eq!(early, (Instant(DAY + 1), Passed::Watched));
    }

    #[test]
    fn a_clock_that_steps_back_counts_as_no_time() {
        let mut clock = Clock::new(Instant(5_000));
        let back = clock.observe(Instant(1_000), None);
        assert_eq!(back, (Instant(5_000), Passed::Watched));
        let on = clock.observe(Instant(5_001), None);
        assert_eq!(on, (Instant(5_001), Passed::Watched));
    }
}
