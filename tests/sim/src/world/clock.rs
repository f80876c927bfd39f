//! The clock on the wall, which people and time servers put ahead and back, as the extension's glue
//! reads it (`wasm/clock.rs` of the core).

use protocol::Instant;

/// It may be put back by so much and still shows a time after 1970.
const START: u64 = 1_000_000_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct BrowserClock {
    /// What the wall shows at the beginning of the world, changed by all that it was put.
    offset: u64,
    /// What this life of the worker last read and last said.
    read: u64,
    said: u64,
}

impl Default for BrowserClock {
    fn default() -> Self {
        Self {
            offset: START,
            read: 0,
            said: 0,
        }
    }
}

impl BrowserClock {
    /// What the core is told. A step back counts as no time, within one life.
    pub(super) fn read(&mut self, now: Instant) -> Instant {
        let said = self.peek(now);
        self.read = now.0 + self.offset;
        self.said = said.0;
        said
    }

    /// The same, for a look that no core hears of.
    pub(super) fn peek(&self, now: Instant) -> Instant {
        let read = now.0 + self.offset;
        Instant(self.said + read.saturating_sub(self.read))
    }

    /// The next life has read nothing yet.
    pub(super) fn start_life(&mut self) {
        self.read = 0;
        self.said = 0;
    }

    /// Puts it ahead.
    pub(super) fn put_ahead(&mut self, millis: u64) {
        self.offset += millis;
    }

    /// Puts it back.
    pub(super) fn put_back(&mut self, millis: u64) {
        self.offset = self.offset.saturating_sub(millis);
    }
}
