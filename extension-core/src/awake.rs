//! Awake time: only what somebody could observe counts. Whatever is timed in it goes on after a
//! sleep where it was before, however the computer's clock was put meanwhile.

use protocol::Instant;
use std::time::Duration;

/// While anything is timed we want to be woken this often, lest our own waiting look like sleep.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// A longer gap between two inputs was sleep: the look that was asked for comes hardly later. It counts
/// as nothing, for what is timed here may be half a second.
const GAP_MAX: Duration = LOOK_EVERY.saturating_add(Duration::from_secs(2));

/// Counts awake time.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    seen: Option<Instant>,
    awake: Instant,
}

impl Clock {
    /// Moves on to `now`. A clock that stepped back counts as no time.
    pub(crate) fn observe(&mut self, now: Instant) {
        let gap = self.seen.map_or(Duration::ZERO, |seen| now.since(seen));
        if gap <= GAP_MAX {
            self.awake = self.awake + gap;
        }
        self.seen = Some(now);
    }

    /// The awake time now.
    pub(crate) fn awake(&self) -> Instant {
        self.awake
    }

    /// When, in the driver's time, to look whether an awake deadline is due; none before anything was
    /// observed.
    pub(crate) fn due(&self, deadline: Instant) -> Option<Instant> {
        Some(self.seen? + deadline.since(self.awake).min(LOOK_EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_put_back_goes_on_from_there() {
        let mut clock = Clock::default();
        for at in [3_600_000, 0, 20_000] {
            clock.observe(Instant(at));
        }
        assert_eq!(clock.awake(), Instant(20_000));
    }
}
