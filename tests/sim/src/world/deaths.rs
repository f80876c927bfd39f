//! The end of the extension's worker, and of the whole browser.

use super::checks::{gifts_in, is_gone, is_readable, partings_in};
use super::{Asleep, Due, World, boot, wake};
use crate::blow::{Entity, Landed};
use crate::chrome::Outcome;
use extension_core::Input;
use extension_core::input::{BrowserEvent, SocketId};
use protocol::{Frame, SessionId, TabId, WireId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// From the event that wakes a worker to its first question to Chrome.
const STARTING: Duration = Duration::from_millis(10);

/// How a worker ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Death {
    /// What becomes of the write that is under way.
    pub(super) landed: Landed,
    /// When the next one starts, if nothing wakes it before.
    pub(super) delay: Option<Duration>,
    /// So many tabs of sessions close meanwhile, and nobody hears of it.
    pub(super) closed: usize,
    /// One of these can no longer be read.
    pub(super) damaged: Option<Entity>,
}

impl Death {
    /// The next worker starts at once, from all that this one has written.
    pub(super) const SUDDEN: Self = Self {
        landed: Landed::Whole,
        delay: None,
        closed: 0,
        damaged: None,
    };
}

impl World {
    /// The worker dies at this instant; the next one starts from what is on disk. Meanwhile up to
    /// `closed` tabs of sessions close, and nobody hears of it.
    pub(super) fn kill_worker(&mut self, closed: usize) -> Result<(), String> {
        let landed = self.landed();
        let late = Duration::from_millis(self.chance.below(1_000));
        let delay = self.chance.hits(self.plan.faults.late).then_some(late);
        let damaged = self.some_damage();
        self.end_worker(Death {
            landed,
            delay,
            closed,
            damaged,
        })
    }

    /// The same, as it is said.
    pub(super) fn end_worker(&mut self, death: Death) -> Result<(), String> {
        if self.asleep.is_some() {
            return Ok(());
        }
        self.remember_fault("fault: worker killed");
        self.end_life();
        self.land_writes(death.landed);
        for tab in self.chrome.tabs.values() {
            if tab.cast {
                self.report
                    .count("state: screencast on at the worker's death");
            }
            if !tab.held.is_empty() {
                self.report
                    .count("state: button held at the worker's death");
            }
        }
        let owned = self.stored_owners();
        self.close_unheard(&owned, death.closed);
        let recorded = self.recorded_tabs();
        if let Some(kind) = death.damaged {
            self.damage(kind);
        }
        self.forget_unwritten();
        self.leave_unreadable(&recorded);
        let kept = self.stored_owners();
        self.results = self.stored_results();
        self.plant_in_store();
        let heard = Vec::new();
        let deaf = false;
        self.asleep = Some(Asleep { kept, heard, deaf });
        let life = self.life;
        match death.delay {
            None => self.wake_up(life),
            Some(delay) => {
                self.report.count("fault: worker wakes late");
                self.later(delay, Due::Wake { life });
                Ok(())
            }
        }
    }

    /// A tab of which the store cannot tell any more is the person's, and so is what it has just opened, or
    /// what it is called since it was unloaded. The person answers the dialog in it; what runs there runs on.
    fn leave_unreadable(&mut self, recorded: &BTreeSet<TabId>) {
        let still = self.recorded_tabs();
        let mut left: BTreeSet<TabId> = recorded.difference(&still).copied().collect();
        let opened = |due: &Due| {
            let Due::Chrome(Outcome::Event(event)) = due else {
                return None;
            };
            let BrowserEvent::NavigationTarget { source, tab, .. } = event else {
                return None;
            };
            left.contains(source).then_some(*tab)
        };
        let opened: Vec<TabId> = self.agenda.values().filter_map(opened).collect();
        left.extend(opened);
        if left.is_empty() {
            return;
        }
        for (id, tab) in &mut self.chrome.tabs {
            tab.made &= !left.contains(id);
            if tab.former.is_some_and(|old| left.contains(&old)) {
                self.report
                    .count("state: unloaded tab of which the store cannot tell any more");
                tab.made = false;
                tab.group = -1;
            }
        }
        self.chrome
            .leave_dialogs(|tab| left.contains(&tab), &mut self.chance);
        self.take_from_chrome();
        let begun = |(act, wire): (&u64, &WireId)| {
            let name = format!("/{wire}");
            let call = |key: &String| key.starts_with("call/") && key.ends_with(&name);
            let (_, record) = self.storage.iter().find(|(key, _)| call(key))?;
            let tab = record.pointer("/e/tab").and_then(Value::as_u64);
            let tab = TabId(u32::try_from(tab?).ok()?);
            left.contains(&tab).then_some(*act)
        };
        self.running_on.extend(self.wires.iter().filter_map(begun));
    }

    /// Calls whose results are on disk.
    fn stored_results(&self) -> BTreeSet<WireId> {
        let result = |(key, record): (&String, &Value)| {
            let call = key.strip_prefix("call/").filter(|_| is_readable(record))?;
            record.pointer("/e/response/data")?;
            WireId::new(call.rsplit('/').next()?).ok()
        };
        self.storage.iter().filter_map(result).collect()
    }

    /// What Chrome tells once, and told to a worker that could not write it down any more, nobody
    /// knows: such a popup is the person's, and so is a tab that was to be closed with its session
    /// and had already been unloaded.
    fn forget_unwritten(&mut self) {
        let known = |key: String| self.storage.get(&key).filter(|entity| is_readable(entity));
        let stored = |key: String| {
            self.storage
                .get(&key)
                .is_some_and(|entity| !is_gone(entity))
        };
        for (id, tab) in &mut self.chrome.tabs {
            let popup = std::mem::take(&mut tab.opener_told);
            let unloaded = std::mem::take(&mut tab.id_told);
            if stored(format!("tab/{id}")) {
                continue;
            }
            let record = tab.former.and_then(|old| known(format!("tab/{old}")));
            let owner = record.and_then(|record| record.pointer("/e/owner/session/0"));
            let owner = owner.and_then(Value::as_str);
            let ended = owner.is_none_or(|id| known(format!("session/{id}")).is_none());
            if popup {
                self.report
                    .count("state: popup that only a dead worker knew");
            }
            if unloaded && ended {
                self.report
                    .count("state: unloaded tab that only a dead worker knew");
            }
            if popup || (unloaded && ended) {
                tab.made = false;
                tab.group = -1;
            }
        }
    }

    /// Something that would reach the extension, and finds no worker.
    pub(super) fn tell_sleeper(&mut self, input: Input) -> Result<(), String> {
        let life = self.life;
        if self.asleep.as_ref().is_some_and(|asleep| asleep.deaf) {
            return Ok(());
        }
        match input {
            Input::Browser(_) => {
                // The shell keeps it until the worker has started, and that starts by it.
                if let Some(asleep) = &mut self.asleep {
                    asleep.heard.push(input);
                }
                self.later(STARTING, Due::Wake { life });
                Ok(())
            }
            Input::Person { .. } => {
                self.wake_up(life)?;
                self.tell_extension(input)
            }
            Input::Alarm
            | Input::Tick
            | Input::Probed { .. }
            | Input::SocketOpened { .. }
            | Input::SocketText { .. }
            | Input::SocketClosed { .. }
            | Input::Done { .. }
            | Input::Written { .. }
            | Input::SecretRead { .. }
            | Input::Popups { .. } => Ok(()),
        }
    }

    /// The next worker starts from what is on disk, and hears what has happened meanwhile.
    pub(super) fn wake_up(&mut self, life: u64) -> Result<(), String> {
        if life != self.life {
            return Ok(());
        }
        let Some(Asleep { kept, heard, deaf }) = self.asleep.take() else {
            return Ok(());
        };
        self.take_from_chrome();
        self.wake();
        self.part_from_the_unknown();
        // Of what its predecessor had to tell, the store says what was not told yet.
        self.untold = self.stored_losses();
        self.allow_second_tellings();
        for known in [&self.told, &self.parted] {
            for (session, known) in known {
                if let Some(untold) = self.untold.get_mut(session) {
                    untold.retain(|tab| !known.contains(tab));
                }
            }
        }
        let owners = self.check_reborn(&kept, &heard, deaf)?;
        self.allow_second_tellings();
        let gifts = gifts_in(&self.storage);
        for (tab, heir) in &gifts {
            // What was given it may have lost, though it never had it.
            self.promised.entry(heir.clone()).or_default().insert(*tab);
        }
        self.model.reborn(owners, gifts, partings_in(&self.storage));
        self.carry()?;
        for input in heard {
            self.tell_extension(input)?;
        }
        Ok(())
    }

    /// What was told already, by an answer that may still be on its way, or by its server when the session
    /// ended, is told again where the disk did not come to know of it.
    fn allow_second_tellings(&mut self) {
        let on_the_way = self.losses_on_the_way();
        for (session, tabs) in &on_the_way {
            if let Some(told) = self.told.get(session) {
                let again = tabs.intersection(told);
                self.parted
                    .entry(session.clone())
                    .or_default()
                    .extend(again);
            }
        }
        for (session, tabs) in &self.untold {
            let known = [&self.told, &self.parted, &on_the_way];
            let known = known.into_iter().filter_map(|of| of.get(session)).flatten();
            let again = known.filter(|tab| tabs.contains(tab));
            let promised = self.promised.entry(session.clone()).or_default();
            promised.extend(again);
        }
    }

    /// Which losses answers tell that have left, and have not arrived.
    fn losses_on_the_way(&self) -> BTreeMap<SessionId, BTreeSet<TabId>> {
        let mut losses: BTreeMap<SessionId, BTreeSet<TabId>> = BTreeMap::new();
        for due in self.agenda.values() {
            if let Due::Server { input, .. } = due
                && let server_core::Input::Frame { text, .. } = &**input
                && let Ok(Frame::Response(told)) = Frame::parse(text, super::FRAME_MAX)
            {
                let tabs = told.lost.iter().map(|lost| lost.tab_id);
                losses.entry(told.session_id).or_default().extend(tabs);
            }
        }
        losses
    }

    /// What never came to a full disk the next worker does not know: what such sessions had, or what
    /// sessions had got, their servers may tell as lost.
    fn part_from_the_unknown(&mut self) {
        let instances = self.view().instances;
        let known: BTreeSet<SessionId> = instances.into_iter().map(|one| one.session_id).collect();
        self.hold_what_is_owned();
        let stored = self.stored_owners();
        let had = self.model.owned().collect::<BTreeSet<TabId>>();
        for tab in had.into_iter().chain(stored.keys().copied()) {
            let (had, stored) = (self.model.owner(tab), stored.get(&tab));
            if had != stored {
                self.unwritten
                    .extend(had.into_iter().chain(stored).cloned());
            }
        }
        for (session, held) in &self.held {
            let unwritten = held.iter().filter(|tab| stored.get(tab) != Some(session));
            self.promised
                .entry(session.clone())
                .or_default()
                .extend(unwritten);
        }
        let (held, gone) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(session, _)| known.contains(session));
        self.held = held;
        let gone: BTreeMap<SessionId, BTreeSet<TabId>> = gone;
        for (session, tabs) in gone {
            self.parted.entry(session).or_default().extend(tabs);
        }
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
        self.model
            .reborn(BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        self.carry()
    }

    fn end_life(&mut self) {
        self.life += 1;
        self.tick_at = None;
        // What it would have done next died with it.
        while self.extension.poll_effect().is_some() {}
        self.extension.take_trace();
        self.ended.clear();
        let sockets: Vec<SocketId> = self.pipes.keys().copied().collect();
        for socket in sockets {
            // Only the servers hear of it.
            self.hang_up(socket);
        }
        self.visitor.lose();
        // The next one counts its sockets anew.
        self.stale.clear();
    }

    fn wake(&mut self) {
        let seed = self.chance.seed();
        let boot = boot(&self.plan, seed, &self.storage, &self.chrome, self.paired);
        self.clock.start_life();
        self.extension = wake(boot, self.clock.read(self.now));
        self.asleep = None;
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
                Outcome::Done { .. }
                | Outcome::Remove { .. }
                | Outcome::Dismissed { .. }
                | Outcome::Resume { .. } => {
                    self.later(delay, Due::Chrome(outcome));
                }
            }
        }
    }
}
