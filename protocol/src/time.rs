//! The only clock that the machines know: milliseconds that somebody else counts.

use crate::sorted::{SortedMap, SortedSet};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment in milliseconds since a start that the driver chose. It never steps back: drivers
/// clamp (see `design/worker.md`, *A clock that steps back counts as no time*). The extension's
/// driver starts with 1970: for pages out of the history, the console compares it with the times
/// that Chrome tells, and functions in a page compare it with the page's. Once the computer's clock
/// was put back, it is ahead of these by as much.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Instant(pub u64);

impl Instant {
    /// Time passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;
    fn add(self, time: Duration) -> Self {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

/// Deadlines by key, the earliest first: insert, move and remove in logarithmic time, so that a
/// thousand idle connections cost nothing per step.
#[derive(Clone, Debug)]
pub struct Deadlines<K> {
    by_key: SortedMap<K, Instant>,
    by_time: SortedSet<(Instant, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self {
            by_key: SortedMap::new(),
            by_time: SortedSet::new(),
        }
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        self.clear(&key);
        self.by_time.insert((at, key.clone()));
        self.by_key.insert(key, at);
    }

    /// Forgets the deadline of `key`; says whether there was one.
    pub fn clear(&mut self, key: &K) -> bool {
        match self.by_key.remove(key) {
            Some(at) => self.by_time.remove(&(at, key.clone())),
            None => false,
        }
    }

    /// When `key` is due, if it has a deadline.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The earliest deadline and whose it is.
    #[must_use]
    pub fn first(&self) -> Option<(Instant, &K)> {
        self.by_time.first().map(|(at, key)| (*at, key))
    }

    /// Takes the earliest key that is due at `now`. Call until `None`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// Gives every key the name that `name` makes of it. Of keys that become one, the last counts.
    pub fn rename(&mut self, mut name: impl FnMut(K) -> K) {
        for (key, at) in std::mem::take(self).by_key {
            self.set(name(key), at);
        }
    }

    /// How many deadlines are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no deadline is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

/// The earlier of several deadlines, each with its name, so that a log can say why one woke.
#[must_use]
pub fn earliest<const N: usize>(
    deadlines: [(Option<Instant>, &'static str); N],
) -> Option<(Instant, &'static str)> {
    deadlines
        .into_iter()
        .filter_map(|(at, name)| at.map(|at| (at, name)))
        .min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_out_in_order_of_time_and_only_when_due() {
        let mut deadlines = Deadlines::default();
        deadlines.set("b", Instant(20));
        deadlines.set("a", Instant(10));
        assert_eq!(deadlines.next(), Some(Instant(10)));
        assert_eq!(deadlines.first(), Some((Instant(10), &"a")));
        assert_eq!(deadlines.pop_due(Instant(9)), None);
        assert_eq!(deadlines.pop_due(Instant(30)), Some("a"));
        assert_eq!(deadlines.pop_due(Instant(30)), Some("b"));
        assert_eq!(deadlines.pop_due(Instant(30)), None);
        assert!(deadlines.is_empty());
    }

    #[test]
    fn a_renamed_key_keeps_its_deadline() {
        let mut deadlines = Deadlines::default();
        deadlines.set(1, Instant(10));
        deadlines.set(2, Instant(20));
        deadlines.rename(|key| if key == 1 { 9 } else { key });
        assert_eq!(deadlines.get(&1), None);
        assert_eq!(deadlines.pop_due(Instant(10)), Some(9));
        assert_eq!(deadlines.pop_due(Instant(20)), Some(2));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn a_moved_deadline_is_due_once() {
        let mut deadlines = Deadlines::default();
        deadlines.set(1, Instant(10));
        deadlines.set(1, Instant(50));
        assert_eq!(deadlines.pop_due(Instant(20)), None);
        assert!(deadlines.clear(&1));
        assert!(!deadlines.clear(&1));
        assert_eq!(deadlines.len(), 0);
    }
}
