//! One of the two browsers: its Chrome, its extension, what that has stored, and the reference model
//! of its tabs.

use super::secret;
use crate::chance::Chance;
use crate::chrome::Chrome;
use crate::model::Model;
use crate::world::{gifts_in, partings_in};
use extension_core::input::{RequestId, SocketId};
use extension_core::view::{InstanceState, View};
use extension_core::{Boot, Config, Extension, Input};
use protocol::ports::PortRange;
use protocol::{Instant, SessionId, TabId};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a browser's worker does.
#[derive(Debug)]
pub(super) enum Worker {
    /// It lives.
    Runs,
    /// It died; the next one will be told what Chrome has to tell meanwhile.
    Dead {
        /// That, in order.
        heard: Vec<Input>,
    },
    /// The browser is quit.
    Quit,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) chrome: Chrome,
    pub(super) extension: Extension,
    pub(super) worker: Worker,
    /// Which worker this is, counted from 1.
    pub(super) life: u64,
    /// Which start of the browser this is.
    pub(super) run: u64,
    pub(super) storage: BTreeMap<String, Value>,
    /// Until then every write takes a second.
    pub(super) slow_until: Instant,
    /// Until then it takes no write.
    pub(super) full_until: Instant,
    pub(super) tick_at: Option<Instant>,
    pub(super) tickets: BTreeMap<u64, (u64, RequestId)>,
    pub(super) model: Model,
    /// Scripts of its pages that were looked at.
    pub(super) acts_seen: usize,
    /// What people call it, and servers.
    pub(super) name: String,
}

impl Side {
    /// A browser with one tab of the person's. Its tab ids are those of the other one too.
    pub(super) fn new(range: PortRange, chance: &mut Chance, now: Instant) -> Self {
        let chrome = Chrome::new();
        let storage = BTreeMap::new();
        let extension = start(range, chance, &storage, &chrome, now);
        let name = extension.view(now).browser;
        Self {
            chrome,
            extension,
            worker: Worker::Runs,
            life: 1,
            run: 1,
            storage,
            slow_until: now,
            full_until: now,
            tick_at: None,
            tickets: BTreeMap::new(),
            model: Model::default(),
            acts_seen: 0,
            name,
        }
    }

    pub(super) fn lives(&self) -> bool {
        matches!(self.worker, Worker::Runs)
    }

    pub(super) fn is_quit(&self) -> bool {
        matches!(self.worker, Worker::Quit)
    }

    /// The worker is no more, and what it would have done next died with it.
    pub(super) fn end_life(&mut self, worker: Worker) {
        self.worker = worker;
        self.life += 1;
        self.tick_at = None;
        while self.extension.poll_effect().is_some() {}
        self.extension.take_trace();
    }

    /// The next worker starts from what is stored. Gives what it is to be told.
    pub(super) fn wake(
        &mut self,
        range: PortRange,
        chance: &mut Chance,
        now: Instant,
    ) -> Vec<Input> {
        self.extension = start(range, chance, &self.storage, &self.chrome, now);
        let heard = match std::mem::replace(&mut self.worker, Worker::Runs) {
            Worker::Dead { heard } => heard,
            Worker::Runs | Worker::Quit => Vec::new(),
        };
        let mut owners: BTreeMap<TabId, SessionId> = BTreeMap::new();
        for instance in self.view(now).instances {
            let tabs = instance.tabs.iter().map(|tab| tab.tab_id);
            owners.extend(tabs.map(|tab| (tab, instance.session_id.clone())));
        }
        let (gifts, partings) = (gifts_in(&self.storage), partings_in(&self.storage));
        self.model.reborn(owners, gifts, partings);
        heard
    }

    pub(super) fn view(&self, now: Instant) -> View {
        self.extension.view(now)
    }

    /// How it shows a session of that name.
    pub(super) fn shows(&self, session: &SessionId, now: Instant) -> Option<InstanceState> {
        let instances = self.view(now).instances;
        let mut named = instances.iter().filter(|one| one.session_id == *session);
        named.next().map(|one| one.state)
    }

    /// The tabs of a session here, as the reference model has them; it keeps those that are closed.
    pub(super) fn tabs_of(&self, session: &SessionId) -> Vec<TabId> {
        let open = self.chrome.tabs.keys().copied();
        open.filter(|tab| self.model.owner(*tab) == Some(session))
            .collect()
    }
}

/// A socket of one of the browsers: both count theirs from 1.
pub(super) type Line = (usize, SocketId);

fn start(
    range: PortRange,
    chance: &mut Chance,
    stored: &BTreeMap<String, Value>,
    chrome: &Chrome,
    now: Instant,
) -> Extension {
    let boot = Boot {
        seed: chance.seed(),
        extension_id: protocol::EXTENSION_ID.into(),
        secret: Ok(secret()),
        config: Config {
            ports: range,
            ..Config::default()
        },
        stored: stored.clone(),
        tabs: chrome.all(),
        groups: chrome.groups(),
        attached: chrome.debugged(),
        unpacked: true,
    };
    let mut extension = Extension::new(boot, now);
    extension.set_tracing(true);
    extension
}
