//! The time that the core is told: the computer's own, so that what was written before the worker
//! or the browser died can be compared with it, and sleep counts.

use protocol::Instant;

/// Milliseconds since 1970 at the start of this life. A clock that is put back counts as no time
/// and then goes on; one that is put ahead jumps, which the core takes for sleep.
#[derive(Debug, Default)]
pub(super) struct Clock {
    shown: u64,
    read: u64,
}

impl Clock {
    pub(super) fn now(&mut self) -> Instant {
        self.advance(js_sys::Date::now())
    }

    fn advance(&mut self, millis: f64) -> Instant {
        // Whole milliseconds, far below 2^53: a cast saturates and cannot wrap.
        let read = millis as u64;
        self.shown += read.saturating_sub(self.read);
        self.read = read;
        Instant(self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn a_clock_that_is_put_back_counts_as_no_time_and_goes_on() {
        let mut clock = Clock::default();
        assert_eq!(clock.advance(5_000.7), Instant(5_000));
        assert_eq!(clock.advance(1_000.0), Instant(5_000));
        assert_eq!(clock.advance(1_250.0), Instant(5_250));
    }
}
