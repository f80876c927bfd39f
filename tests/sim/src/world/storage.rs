//! The extension's store: a write lands some time after it was asked for, as two calls, or is
//! refused.

use super::{Due, World};
use crate::blow::{Entity, Landed};
use extension_core::Input;
use extension_core::input::WriteId;
use protocol::Instant;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a write takes on a disk that is busy.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// How the disk is.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Until then it takes nothing more.
    pub(super) full_until: Instant,
    /// Until then every write takes [`SLOW`].
    pub(super) slow_until: Instant,
    /// Until then it answers nothing.
    pub(super) hangs_until: Instant,
    /// The worker dies with its next write under way.
    pub(super) fatal: bool,
}

impl World {
    /// The worker asks for a write.
    pub(super) fn write(
        &mut self,
        write: WriteId,
        set: BTreeMap<String, Value>,
        remove: Vec<String>,
    ) {
        let full = self.now < self.disk.full_until;
        let ok = !full || set.is_empty();
        if !ok {
            self.report.count("fault: write refused");
        }
        let slow = self.now < self.disk.slow_until;
        if slow {
            self.report.count("fault: slow write");
        }
        let delay = Duration::from_millis(1 + self.chance.below(6));
        let delay = if slow { SLOW } else { delay };
        if self.plant_in_write() {
            let life = self.life;
            let input = Box::new(Input::Written { write, ok });
            self.later(delay, Due::Extension { life, input });
            self.later(
                SLOW,
                Due::Stored {
                    life: 0,
                    write,
                    set,
                    remove,
                    ok,
                },
            );
            return;
        }
        let hangs = self.disk.hangs_until.since(self.now);
        if hangs > delay {
            self.report.count("fault: write hangs");
        }
        let due = Due::Stored {
            life: self.life,
            write,
            set,
            remove,
            ok,
        };
        self.later(delay.max(hangs), due);
        if std::mem::take(&mut self.disk.fatal) {
            let landed = self.landed();
            self.later(Duration::ZERO, Due::Kill { landed });
        }
    }

    /// What of a write that is under way is on disk when the worker dies at random.
    pub(super) fn landed(&mut self) -> Landed {
        match self.chance.below(3) {
            0 => Landed::Whole,
            1 => Landed::OnlySet,
            _ => Landed::Nothing,
        }
    }

    /// Whether a write is on its way to the disk, and whether that is two calls.
    pub(super) fn writing(&self) -> (bool, bool) {
        let two = |due: &Due| match due {
            Due::Stored { set, remove, .. } => Some(!set.is_empty() && !remove.is_empty()),
            Due::Extension { .. }
            | Due::Chrome(_)
            | Due::Server { .. }
            | Due::Start { .. }
            | Due::Agent { .. }
            | Due::Fault
            | Due::Visitor
            | Due::Resume
            | Due::Pair
            | Due::Alarm
            | Due::Wake { .. }
            | Due::Kill { .. }
            | Due::Strike(_) => None,
        };
        let mut writes = self.agenda.values().filter_map(two);
        match writes.next() {
            Some(two) => (true, two),
            None => (false, false),
        }
    }

    /// Takes every write that is on its way from the agenda: when it was due, and what it is.
    pub(super) fn take_writes(&mut self) -> Vec<Due> {
        let keys: Vec<_> = self
            .agenda
            .iter()
            .filter(|(_, due)| matches!(due, Due::Stored { .. }))
            .map(|(key, _)| *key)
            .collect();
        let take = |key| self.agenda.remove(&key);
        keys.into_iter().filter_map(take).collect()
    }

    /// What the dying worker has sent to the disk lands before its successor reads, as far as
    /// `landed` says.
    pub(super) fn land_writes(&mut self, landed: Landed) {
        if self.now < self.disk.hangs_until && self.writing().0 {
            self.report.count("fault: write never answered");
        }
        for due in self.take_writes() {
            if let Due::Stored {
                set, remove, ok, ..
            } = due
            {
                if !ok {
                    continue;
                }
                match landed {
                    Landed::Whole => self.land(set, &remove),
                    Landed::OnlySet => {
                        if !set.is_empty() && !remove.is_empty() {
                            self.report.count("fault: set landed and remove did not");
                        }
                        self.land(set, &[]);
                    }
                    Landed::Nothing => self.report.count("fault: write lost with the worker"),
                }
            }
        }
    }

    /// What kinds of entities are on disk.
    pub(super) fn stored_kinds(&self) -> Vec<Entity> {
        let mut kinds: Vec<Entity> = self
            .storage
            .keys()
            .filter_map(|key| Entity::of(key))
            .collect();
        kinds.dedup();
        kinds
    }

    /// What the disk spoils, if it does.
    pub(super) fn some_damage(&mut self) -> Option<Entity> {
        if !self.storm || !self.chance.hits(self.plan.faults.damage) {
            return None;
        }
        let kinds = self.stored_kinds();
        self.chance.pick(&kinds).copied()
    }

    /// What is of this kind can no longer be read, or one such thing.
    pub(super) fn damage(&mut self, kind: Entity) {
        let of_kind = |key: &&String| Entity::of(key) == Some(kind);
        let mut keys: Vec<String> = self.storage.keys().filter(of_kind).cloned().collect();
        if !self.chance.hits(500) {
            keys = self.chance.pick(&keys).cloned().into_iter().collect();
        }
        let how = self.chance.below(3);
        self.report.count(match how {
            0 => "fault: stored by an older version",
            1 => "fault: stored and damaged",
            _ => "fault: stored and unreadable",
        });
        for key in keys {
            self.storage.entry(key).and_modify(|entity| {
                let body = entity.get("e").cloned().unwrap_or_default();
                *entity = match how {
                    0 => json!({"v": 0, "e": body}),
                    1 => json!({"v": 1, "e": "nonsense"}),
                    // What is no JSON at all reaches the core so.
                    _ => Value::Null,
                };
            });
        }
        self.remember_fault(kind.damaged());
    }

    pub(super) fn land(&mut self, set: BTreeMap<String, Value>, remove: &[String]) {
        self.storage.extend(set);
        for key in remove {
            self.storage.remove(key);
        }
    }
}
