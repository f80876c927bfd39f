//! What survives the worker: entities by key, written as they change, and restored at boot
//! (`design/worker.md`, *What is kept, and how*).
//!
//! One `set` per step, one write in flight. Whoever must not act before something is on disk asks
//! for a [`Store::ticket`] and waits until [`Store::handle_written`] names it or a later one. The
//! store knows keys and JSON; what stands in an entity is its machine's business.

use crate::input::WriteId;
use protocol::{Instant, SortedMap, SortedSet, json};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Version of every stored entity; one of another version is not restored.
pub const VERSION: u64 = 1;

/// A write that has no answer by then does not come in time for whoever waits for it: 4 ms is what
/// one of a hundred takes.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// Whoever looks this late slept, and so did the disk.
const LATE: Duration = Duration::from_secs(5);

/// A write to perform.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Comes home with the answer.
    pub write: WriteId,
    /// Entities to set.
    pub set: BTreeMap<String, Value>,
    /// Keys to remove. Where something is set, too, these are set as well: to what says that they are
    /// no more.
    pub remove: Vec<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Store {
    set: BTreeMap<String, Value>,
    remove: SortedSet<String>,
    flying: Option<Batch>,
    /// The keys on disk, and those on their way there: of no other is an end to be written, else a
    /// disk that refuses would leave more to write with everything that begins and ends.
    kept: SortedSet<String>,
    /// Of those that are on their way, the ones that were not there before.
    fresh: Vec<String>,
    /// When it is overdue.
    due: Option<Instant>,
    /// What a refused write held: it goes with the next one that has news, not at once, since a
    /// full disk would refuse it again as fast as it can.
    failed: SortedMap<String, Option<Value>>,
    last: u64,
    refused: bool,
}

impl Store {
    /// With these keys on disk.
    #[must_use]
    pub fn holding(keys: impl IntoIterator<Item = String>) -> Self {
        Self {
            kept: keys.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Stages an entity.
    pub fn put(&mut self, key: String, entity: &impl Serialize) {
        if let Ok(body) = serde_json::to_value(entity) {
            self.put_value(key, body);
        }
    }

    fn put_value(&mut self, key: String, body: Value) {
        self.remove.remove(&key);
        self.set
            .insert(key, serde_json::json!({"v": VERSION, "e": body}));
    }

    /// Stages the end of an entity.
    pub fn delete(&mut self, key: String) {
        self.set.remove(&key);
        if self.kept.contains(&key) {
            self.remove.insert(key);
        } else {
            self.failed.remove(&key);
        }
    }

    /// The write that everything staged until now is part of; none when all is on disk.
    #[must_use]
    pub fn ticket(&self) -> Option<WriteId> {
        if self.set.is_empty() && self.remove.is_empty() {
            self.flying.as_ref().map(|batch| batch.write)
        } else {
            Some(WriteId(self.last + 1))
        }
    }

    /// The next write, when something is staged and none is in flight. Called once per step.
    pub fn poll_batch(&mut self, now: Instant) -> Option<Batch> {
        if self.flying.is_some() || (self.set.is_empty() && self.remove.is_empty()) {
            return None;
        }
        for (key, value) in std::mem::take(&mut self.failed) {
            if self.set.contains_key(&key) || self.remove.contains(&key) {
                continue;
            }
            match value {
                Some(value) => drop(self.set.insert(key, value)),
                None => drop(self.remove.insert(key)),
            }
        }
        self.last += 1;
        let mut set = std::mem::take(&mut self.set);
        let remove: Vec<String> = std::mem::take(&mut self.remove).into_iter().collect();
        if !set.is_empty() {
            set.extend(remove.iter().map(|key| (key.clone(), gone())));
        }
        let batch = Batch {
            write: WriteId(self.last),
            set,
            remove,
        };
        let fresh = |key: &&String| !self.kept.contains(*key);
        self.fresh = batch.set.keys().filter(fresh).cloned().collect();
        self.kept.extend(self.fresh.iter().cloned());
        self.flying = Some(batch.clone());
        self.due = Some(now + WRITE_MAX);
        Some(batch)
    }

    /// Whether the write in flight has just become overdue. Until it is answered after all, nothing
    /// is on disk for those who wait: see [`Store::is_overdue`].
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        match self.due {
            Some(due) if now.since(due) > LATE => self.due = Some(now + WRITE_MAX),
            Some(due) if now >= due => {
                self.due = None;
                return true;
            }
            Some(_) | None => {}
        }
        false
    }

    /// When [`Store::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the disk does not answer. No other write is begun meanwhile: it might land first.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.flying.is_some() && self.due.is_none()
    }

    /// The write has ended. What a refused one held is written again with the next news, and the
    /// person is told (see [`Store::refused`]).
    pub fn handle_written(&mut self, write: WriteId, ok: bool) {
        let Some(batch) = self.flying.take_if(|batch| batch.write == write) else {
            return;
        };
        self.due = None;
        self.refused = !ok;
        let fresh = std::mem::take(&mut self.fresh);
        if ok {
            for key in &batch.remove {
                self.kept.remove(key);
            }
            return;
        }
        let set = batch.set.into_iter().map(|(key, value)| (key, Some(value)));
        self.failed.extend(set);
        self.failed
            .extend(batch.remove.into_iter().map(|key| (key, None)));
        for key in fresh {
            self.kept.remove(&key);
            // Ended since: there never was one.
            if self.remove.remove(&key) {
                self.failed.remove(&key);
            }
        }
    }

    /// Whether the last write was refused, for example because the disk is full, or is overdue.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused || self.is_overdue()
    }
}

/// What stands for an entity that is to be removed: to set and to remove are two calls, and the worker
/// may die between them.
fn gone() -> Value {
    serde_json::json!({"v": VERSION, "gone": true})
}

/// What to set, and then what to remove, for `kept` to take the place of all that is `stored`: as a
/// [`Batch`] that may be cut short between the two.
#[must_use]
pub fn replacing(
    stored: &BTreeMap<String, Value>,
    kept: &BTreeMap<String, Value>,
) -> (BTreeMap<String, Value>, Vec<String>) {
    let new = |(key, value): &(&String, &Value)| stored.get(*key) != Some(*value);
    let new = kept.iter().filter(new);
    let mut set: BTreeMap<String, Value> = new
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let left_out = stored.keys().filter(|key| !kept.contains_key(*key));
    let remove: Vec<String> = left_out.cloned().collect();
    set.extend(remove.iter().map(|key| (key.clone(), gone())));
    (set, remove)
}

/// What is stored, without what its writer was still to remove: the keys of that come second.
#[must_use]
pub fn living(stored: BTreeMap<String, Value>) -> (BTreeMap<String, Value>, Vec<String>) {
    let gone = gone();
    let (dead, living): (BTreeMap<String, Value>, _) =
        stored.into_iter().partition(|(_, entity)| *entity == gone);
    (living, dead.into_keys().collect())
}

/// Reads a stored entity; none when it is of another version or damaged.
#[must_use]
pub fn read<T: serde::de::DeserializeOwned>(stored: &Value) -> Option<T> {
    if stored.get("v")?.as_u64()? != VERSION {
        return None;
    }
    read_of_any_version(stored)
}

/// Reads an entity whose form no version changes; none when it is damaged.
#[must_use]
pub fn read_of_any_version<T: serde::de::DeserializeOwned>(stored: &Value) -> Option<T> {
    json::read(stored.get("e")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_the_place_of_all_is_there_whole_before_anything_is_removed() {
        let entities = |names: &[(&str, u8)]| -> BTreeMap<String, Value> {
            let entity =
                |(name, value): &(&str, u8)| ((*name).to_owned(), serde_json::json!(value));
            names.iter().map(entity).collect()
        };
        let mut disk = entities(&[("same", 1), ("changed", 1), ("goes", 1)]);
        let kept = entities(&[("same", 1), ("changed", 2), ("new", 3)]);
        let (set, remove) = replacing(&disk, &kept);
        assert!(!set.contains_key("same"), "a full disk takes little");
        assert_eq!(remove, ["goes"]);
        disk.extend(set);
        assert_eq!(
            living(disk.clone()),
            (kept.clone(), vec!["goes".to_owned()])
        );
        disk.remove("goes");
        assert_eq!(disk, kept);
    }

    #[test]
    fn one_write_is_in_flight_and_the_rest_is_gathered_meanwhile() {
        let mut store = Store::default();
        store.put("a".into(), &1);
        let first = store.poll_batch(Instant(0)).unwrap();
        store.put("b".into(), &2);
        store.put("b".into(), &3);
        store.delete("a".into());
        assert_eq!(store.poll_batch(Instant(0)), None);
        store.handle_written(first.write, true);
        let second = store.poll_batch(Instant(0)).unwrap();
        assert_eq!(read::<i32>(second.set.get("b").unwrap()), Some(3));
        assert_eq!(second.remove, vec!["a".to_owned()]);
    }

    #[test]
    fn what_is_set_with_a_removal_says_what_is_gone_should_the_worker_die_between_the_two() {
        let mut store = Store::holding(["a".into()]);
        store.delete("a".into());
        store.put("b".into(), &3);
        let both = store.poll_batch(Instant(0)).unwrap();
        let (left, dead) = living(both.set);
        assert_eq!(left.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(dead, ["a"]);
        store.handle_written(both.write, true);
        store.delete("b".into());
        let alone = store.poll_batch(Instant(0)).unwrap();
        assert!(alone.set.is_empty() && alone.remove == ["b"]);
    }

    #[test]
    fn a_ticket_names_the_write_that_holds_what_was_staged() {
        let mut store = Store::default();
        assert_eq!(store.ticket(), None);
        store.put("a".into(), &1);
        let ticket = store.ticket().unwrap();
        let first = store.poll_batch(Instant(0)).unwrap();
        assert_eq!(ticket, first.write);
        assert_eq!(store.ticket(), Some(first.write), "still in flight");
        store.put("b".into(), &2);
        assert!(store.ticket().unwrap() > first.write, "staged behind it");
        store.handle_written(first.write, true);
        let second = store.poll_batch(Instant(0)).unwrap();
        store.handle_written(second.write, true);
        assert_eq!(store.ticket(), None);
    }

    #[test]
    fn a_late_or_unknown_answer_changes_nothing() {
        let mut store = Store::default();
        store.put("a".into(), &1);
        let first = store.poll_batch(Instant(0)).unwrap();
        store.handle_written(WriteId(77), false);
        assert_eq!(store.ticket(), Some(first.write));
        assert!(!store.refused());
    }

    #[test]
    fn what_a_refused_write_held_goes_with_the_next_one_that_has_news() {
        let mut store = Store::default();
        store.put("a".into(), &1);
        store.put("b".into(), &1);
        let first = store.poll_batch(Instant(0)).unwrap();
        store.handle_written(first.write, false);
        assert!(store.refused());
        assert_eq!(store.poll_batch(Instant(0)), None, "not at once");
        store.put("b".into(), &2);
        let second = store.poll_batch(Instant(0)).unwrap();
        let read_back = |key: &str| read::<i32>(second.set.get(key).unwrap());
        assert_eq!((read_back("a"), read_back("b")), (Some(1), Some(2)));
        store.handle_written(second.write, true);
        assert!(!store.refused());
    }

    #[test]
    fn what_begins_and_ends_while_the_disk_refuses_leaves_nothing_to_write() {
        let mut store = Store::holding(["old".into()]);
        store.delete("old".into());
        for number in 0..10 {
            let key = format!("call/{number}");
            store.put(key.clone(), &1);
            let batch = store.poll_batch(Instant(0)).unwrap();
            // Be it before the answer or after it.
            if number % 2 == 0 {
                store.delete(key.clone());
            }
            store.handle_written(batch.write, false);
            store.delete(key);
        }
        store.put("new".into(), &1);
        let batch = store.poll_batch(Instant(0)).unwrap();
        assert_eq!(batch.set.keys().collect::<Vec<_>>(), ["new", "old"]);
        assert_eq!(batch.remove, ["old"]);
        store.handle_written(batch.write, true);
        store.delete("new".into());
        assert_eq!(store.poll_batch(Instant(0)).unwrap().remove, ["new"]);
    }

    #[test]
    fn what_is_on_its_way_to_the_disk_is_removed_behind_it() {
        let mut store = Store::default();
        store.put("a".into(), &1);
        let first = store.poll_batch(Instant(0)).unwrap();
        store.delete("a".into());
        store.handle_written(first.write, true);
        assert_eq!(store.poll_batch(Instant(0)).unwrap().remove, ["a"]);
    }

    #[test]
    fn a_damaged_or_foreign_entity_reads_as_none() {
        for value in [
            serde_json::json!(null),
            serde_json::json!({"v": 2, "e": 1}),
            serde_json::json!({"v": 1, "e": "x"}),
            serde_json::json!([1]),
        ] {
            assert_eq!(read::<i32>(&value), None);
        }
    }

    #[test]
    fn a_write_without_an_answer_is_overdue_once_and_no_other_begins_before_it_has_one() {
        let mut store = Store::default();
        store.put("a".into(), &1);
        let first = store.poll_batch(Instant(0)).unwrap();
        assert_eq!(store.poll_timeout(), Some(Instant(10_000)));
        assert!(!store.handle_timeout(Instant(9_999)) && !store.refused());
        assert!(store.handle_timeout(Instant(10_000)));
        assert!(store.is_overdue() && store.refused());
        assert!(!store.handle_timeout(Instant(20_000)), "once");
        assert_eq!(store.poll_timeout(), None);
        store.put("b".into(), &1);
        assert_eq!(store.poll_batch(Instant(20_000)), None);
        store.handle_written(first.write, true);
        assert!(!store.is_overdue() && !store.refused());
        assert!(store.poll_batch(Instant(20_001)).is_some());
    }

    #[test]
    fn a_write_that_slept_with_the_machine_has_its_time_anew() {
        let mut store = Store::default();
        store.put("a".into(), &1);
        store.poll_batch(Instant(0)).unwrap();
        assert!(!store.handle_timeout(Instant(86_400_000)));
        assert_eq!(store.poll_timeout(), Some(Instant(86_410_000)));
    }
}
