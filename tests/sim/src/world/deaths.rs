//! The end of the extension's worker, and of the whole browser.

use super::{Due, World, boot, wake};
use crate::chrome::Outcome;
use extension_core::input::SocketId;
use protocol::{SessionId, TabId};
use std::collections::BTreeMap;

impl World {
    /// The worker dies at this instant; the next one starts from what is on disk. Meanwhile up to
    /// `closed` tabs of sessions close, and nobody hears of it.
    pub(super) fn kill_worker(&mut self, closed: usize) -> Result<(), String> {
        self.remember_fault("fault: worker killed");
        self.end_life();
        self.land_writes();
        let kept = self.stored_owners();
        self.close_unheard(&kept, closed);
        self.plant_in_store();
        self.wake();
        // Of what its predecessor had to tell, the store says what was not told yet.
        self.untold = self.stored_losses();
        for known in [&self.told, &self.parted] {
            for (session, known) in known {
                if let Some(untold) = self.untold.get_mut(session) {
                    untold.retain(|tab| !known.contains(tab));
                }
            }
        }
        let owners = self.check_reborn(&kept)?;
        self.model.reborn(owners, self.stored_gifts());
        self.carry()
    }

    /// Another browser takes the place of this one: it knows no session and has other tabs.
    pub(super) fn replace_browser(&mut self) -> Result<(), String> {
        self.remember_fault("fault: browser replaced");
        self.take_from_chrome();
        self.end_life();
        self.agenda
            .retain(|_, due| !matches!(due, Due::Chrome(_) | Due::Stored { .. }));
        self.tickets.clear();
        self.storage.clear();
        self.chrome.replace();
        self.untold.clear();
        self.hold_what_is_owned();
        for (session, tabs) in std::mem::take(&mut self.held) {
            self.parted.entry(session).or_default().extend(tabs);
        }
        self.wake();
        self.model.reborn(BTreeMap::new(), BTreeMap::new());
        self.carry()
    }

    fn end_life(&mut self) {
        self.life += 1;
        let sockets: Vec<SocketId> = self.pipes.keys().copied().collect();
        for socket in sockets {
            self.lose(socket);
        }
        // The next one counts its sockets anew.
        self.stale.clear();
    }

    fn wake(&mut self) {
        let seed = self.chance.seed();
        let boot = boot(&self.plan, seed, &self.storage, &self.chrome, self.paired);
        self.extension = wake(boot, self.now);
    }

    /// Some of the tabs that sessions own close while no worker lives to hear of it.
    fn close_unheard(&mut self, owned: &BTreeMap<TabId, SessionId>, count: usize) {
        let mut tabs: Vec<TabId> = owned.keys().copied().collect();
        tabs.retain(|tab| self.chrome.tabs.contains_key(tab));
        self.take_from_chrome();
        for _ in 0..count.min(tabs.len()) {
            let index = self.chance.below(tabs.len() as u64);
            let tab = tabs.swap_remove(usize::try_from(index).unwrap_or_default());
            self.report
                .count("fault: tab closed while the worker was dead");
            self.chrome.close(tab);
        }
        for (delay, outcome) in self.chrome.take_later() {
            match outcome {
                Outcome::Event(_) => {}
                Outcome::Done { .. } | Outcome::Resume { .. } => {
                    self.later(delay, Due::Chrome(outcome));
                }
            }
        }
    }

    /// What the dying worker has sent to the disk lands in order, up to some point, before its
    /// successor reads; the rest is lost.
    fn land_writes(&mut self) {
        let of_store = |due: &Due| matches!(due, Due::Stored { .. });
        let keys: Vec<_> = self
            .agenda
            .iter()
            .filter(|(_, due)| of_store(due))
            .map(|(key, _)| *key)
            .collect();
        let lands = self.chance.below(keys.len() as u64 + 1);
        for (index, key) in (0..).zip(keys) {
            if let Some(Due::Stored { set, remove, .. }) = self.agenda.remove(&key)
                && index < lands
            {
                self.land(set, &remove);
            }
        }
    }
}
