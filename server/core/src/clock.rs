//! Time as this server could observe it. A gap in which nothing could be noticed (the machine
//! slept) counts as [`GAP_MAX`] and no more, so that nobody is declared lost for it
//! (`design/tabs.md`, *Sessions*); a clock that steps back counts as no time.

use protocol::Instant;
use std::time::Duration;

/// Whoever has a connection wakes every 20 s; 35 s without a step is a sleep of the machine.
pub(crate) const GAP_MAX: Duration = Duration::from_secs(35);

/// Turns the driver's moments into observed ones and back.
#[derive(Debug)]
pub(crate) struct Clock {
    last: Instant,
    skipped: Duration,
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
        }
    }

    /// The driver says it is `now`: the observed moment, and whether nobody watched before it.
    pub(crate) fn observe(&mut self, now: Instant) -> (Instant, Passed) {
        let gap = now.since(self.last);
        self.last = self.last.max(now);
        let passed = match gap.checked_sub(GAP_MAX) {
            Some(over) if !over.is_zero() => {
                self.skipped += over;
                Passed::Gap
            }
            Some(_) | None => Passed::Watched,
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

    #[test]
    fn a_gap_counts_as_thirty_five_seconds() {
        let mut clock = Clock::new(Instant(1_000));
        assert_eq!(
            clock.observe(Instant(36_000)),
            (Instant(36_000), Passed::Watched)
        );
        let day = 86_400_000;
        assert_eq!(
            clock.observe(Instant(36_000 + day)),
            (Instant(71_000), Passed::Gap)
        );
        assert_eq!(
            clock.to_driver(Instant(72_000)),
            Instant(36_000 + day + 1_000)
        );
    }

    #[test]
    fn a_clock_that_steps_back_counts_as_no_time() {
        let mut clock = Clock::new(Instant(5_000));
        assert_eq!(
            clock.observe(Instant(1_000)),
            (Instant(5_000), Passed::Watched)
        );
        assert_eq!(
            clock.observe(Instant(5_001)),
            (Instant(5_001), Passed::Watched)
        );
    }
}
