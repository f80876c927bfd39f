//! Time as somebody could observe it: a gap longer than 35 s counts as 35 s (`design/tabs.md`,
//! *Sessions*). Closing the laptop for a day then ends no grace.

use protocol::Instant;
use std::time::Duration;

/// The longest gap that counts in full. Ticks come every 20 s while anything is alive, so a longer
/// one means that nobody was there to see what happened.
pub const GAP_MAX: Duration = Duration::from_secs(35);

/// Turns the driver's time into observed time.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    seen: Instant,
    shown: Instant,
}

impl Observed {
    /// Starts both at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            seen: now,
            shown: now,
        }
    }

    /// Observed time at `now`. A clock that steps back counts as no time.
    pub fn advance(&mut self, now: Instant) -> Instant {
        let gap = now.since(self.seen).min(GAP_MAX);
        self.seen = now;
        self.shown = self.shown + gap;
        self.shown
    }

    /// Observed time when it was last advanced.
    #[must_use]
    pub fn shown(&self) -> Instant {
        self.shown
    }

    /// When, in the driver's time, an observed deadline is due at the earliest.
    #[must_use]
    pub fn due(&self, deadline: Instant) -> Instant {
        self.seen + deadline.since(self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_sleep_counts_as_35_seconds() {
        let mut clock = Observed::new(Instant(1_000));
        assert_eq!(clock.advance(Instant(21_000)), Instant(21_000));
        assert_eq!(clock.advance(Instant(86_400_000)), Instant(56_000));
        assert_eq!(clock.due(Instant(57_000)), Instant(86_401_000));
    }

    #[test]
    fn a_clock_that_steps_back_counts_as_no_time() {
        let mut clock = Observed::new(Instant(50_000));
        assert_eq!(clock.advance(Instant(10_000)), Instant(50_000));
        assert_eq!(clock.advance(Instant(11_000)), Instant(51_000));
    }
}
