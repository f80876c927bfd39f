//! What ends more than the worker: the extension is loaded anew, updated or switched off for a while,
//! the browser is quit or killed. The store stays; debuggers, sockets and the alarm do not, and what
//! happens meanwhile nobody hears.

use super::deaths::Death;
use super::{Due, World};
use crate::blow::Landed;
use protocol::{SessionId, TabId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The extension, which is loaded again.
    Reload,
    /// The same, by a version that read what one after it had written.
    Update,
    /// The extension, until the person switches it on again.
    Disable,
    /// The browser; it opens with one new tab.
    Browser,
    /// The browser, which brings its tabs back: under new ids, and none is loaded but those in front.
    Restore,
}

impl Restart {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Reload,
        Self::Update,
        Self::Disable,
        Self::Browser,
        Self::Restore,
    ];

    /// What it is counted as.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Reload => "fault: extension reloaded",
            Self::Update => "fault: extension updated",
            Self::Disable => "fault: extension switched off for a while",
            Self::Browser => "fault: browser restarted",
            Self::Restore => "fault: browser restarted, and restores its tabs",
        }
    }

    /// How long it takes, at the most.
    fn lasts(self) -> Duration {
        match self {
            Self::Reload | Self::Update => Duration::from_millis(500),
            Self::Disable => Duration::from_secs(60),
            Self::Browser | Self::Restore => Duration::from_secs(5),
        }
    }
}

impl World {
    /// The same; how long it takes, and what lands of a write under way, is chance's.
    pub(super) fn restart_somehow(&mut self, restart: Restart) -> Result<(), String> {
        let landed = match self.chance.below(3) {
            0 => Landed::Whole,
            1 => Landed::OnlySet,
            _ => Landed::Nothing,
        };
        let millis = u64::try_from(restart.lasts().as_millis()).unwrap_or(u64::MAX);
        let time = Duration::from_millis(1 + self.chance.below(millis));
        self.restart(restart, landed, time)
    }

    /// It ends at this instant, and is there again after `time`.
    pub(super) fn restart(
        &mut self,
        restart: Restart,
        landed: Landed,
        time: Duration,
    ) -> Result<(), String> {
        if self.asleep.is_some() {
            return Ok(());
        }
        self.remember_fault(restart.kind());
        let damaged = self.some_damage();
        self.end_worker(Death {
            landed,
            delay: Some(time),
            damaged,
            ..Death::SUDDEN
        })?;
        self.alarm = false;
        if let Some(asleep) = &mut self.asleep {
            asleep.deaf = true;
        }
        self.take_from_chrome();
        match restart {
            Restart::Reload | Restart::Disable => self.chrome.lose_extension(&mut self.chance),
            Restart::Update => {
                self.chrome.lose_extension(&mut self.chance);
                self.write_as_a_later_version();
            }
            Restart::Browser | Restart::Restore => {
                self.agenda.retain(|_, due| !matches!(due, Due::Chrome(_)));
                self.tickets.clear();
                self.chrome.restart(restart == Restart::Restore);
            }
        }
        Ok(())
    }

    /// The person switches the extension on again, if it is off.
    pub(super) fn switch_on(&mut self) -> Result<(), String> {
        match &self.asleep {
            Some(asleep) if asleep.deaf => self.wake_up(self.life),
            Some(_) | None => Ok(()),
        }
    }

    /// What is stored says more than this version understands.
    fn write_as_a_later_version(&mut self) {
        for entity in self.storage.values_mut() {
            if let Some(Value::Object(body)) = entity.get_mut("e") {
                body.insert("ofALaterVersion".into(), json!(1));
            }
        }
        self.storage.insert(LATER.into(), json!(1));
    }

    /// A session has what its records say and nothing else (invariant 6), as yet under the ids by which
    /// they know it.
    pub(super) fn check_recorded(&self, owners: &BTreeMap<TabId, SessionId>) -> Result<(), String> {
        for (tab, session) in owners {
            let record = self.storage.get(&format!("tab/{tab}"));
            let stored = record.and_then(|record| record.pointer("/e/owner/session/0"));
            if stored.and_then(Value::as_str) != Some(session.as_str()) {
                return Err(format!(
                    "invariant 6: {session} has {tab}, which was never its own"
                ));
            }
        }
        Ok(())
    }

    /// A tab is known again, under an id that nobody has told the extension: it must be that tab
    /// (invariant 6), and then it is not lost.
    pub(super) fn follow_found(&mut self, old: TabId, new: TabId) -> Result<(), String> {
        let now = self.chrome.called_now(old);
        let owner = self.model.owner(old).cloned();
        let owner = owner.or_else(|| self.recorded_owner(old));
        let held = owner.and_then(|owner| self.held.get(&owner));
        let mut held = held.into_iter().flatten();
        if now != new && held.any(|tab| self.chrome.called_now(*tab) == new) {
            // Its own all the same: given to it when the disk took nothing, and of the same looks.
            self.report
                .count("state: given tab is taken for one that is missing");
        } else if now != new && self.looks_alike(old, new, now) {
            self.report
                .count("state: tab that looks like a missing one, which looks otherwise by now");
        } else if now != new {
            return Err(format!(
                "invariant 6: {new} is taken for {old}, which is {now}"
            ));
        }
        self.report
            .count("state: restored tab is its session's again");
        for tabs in self.untold.values_mut() {
            tabs.remove(&old);
        }
        self.rename_tab(old, new);
        Ok(())
    }

    /// Whose it was when the disk last took a record of it.
    fn recorded_owner(&self, tab: TabId) -> Option<SessionId> {
        let record = self.storage.get(&format!("tab/{tab}"))?;
        let owner = record.pointer("/e/owner/session/0")?.as_str()?;
        SessionId::new(owner).ok()
    }

    /// The tab that was `old` went elsewhere when nobody was there to write it down, and a popup of its
    /// agent's shows what it had shown: nobody could tell.
    fn looks_alike(&self, old: TabId, new: TabId, now: TabId) -> bool {
        let url = |tab| self.chrome.tabs.get(&tab).map(|state| state.url.as_str());
        let record = self.storage.get(&format!("tab/{old}"));
        let recorded = record.and_then(|record| record.pointer("/e/url")?.as_str());
        let agents = self.chrome.tabs.get(&new).is_some_and(|tab| tab.made);
        agents && url(now).is_some() && url(new) == recorded && url(now) != recorded
    }

    /// Nobody is sought any more: what is in doubt still is the person's.
    pub(super) fn give_up_doubtful(&mut self) {
        for tab in std::mem::take(&mut self.doubtful) {
            if self.model.owner(tab).is_none()
                && let Some(state) = self.chrome.tabs.get_mut(&tab)
            {
                state.made = false;
                state.group = -1;
            }
        }
    }
}

/// A key that no version has yet.
pub(super) const LATER: &str = "later/version";
