//! People: the popup, the toolbar button, and the façade at the DevTools console.

use super::commands::to_json;
use super::{Extension, Trace};
use crate::effect::{Badge, Effect};
use crate::input::{AskId, PersonAction};
use crate::sessions::{Presence, Session};
use crate::tabs::Owner;
use crate::view::{FrontTab, InstanceState, InstanceView, TabView, View};
use protocol::pairing::Secret;
use protocol::{Alias, Fault, Instant, SessionId, SortedMap, TabId, WireError};
use serde_json::{Value, json};

/// Longest name of a browser.
const NAME_MAX: usize = 40;
/// More sessions than fit on the button.
const BADGE_MAX: usize = 99;

const GREEN: &str = "#188038";
const RED: &str = "#d93025";
const BLUE: &str = "#1a73e8";
const GREY: &str = "#5f6368";

/// All that the badge is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// [`Sessions::told`](crate::sessions::Sessions::told).
    sessions: u64,
    paused: bool,
    /// A server is connected, be it without a session.
    linked: bool,
}

impl Extension {
    pub(super) fn handle_person(&mut self, ask: AskId, action: PersonAction, now: Instant) {
        let outcome = match action {
            PersonAction::Give { tab_id, session_id } => self.give(tab_id, &session_id, now),
            PersonAction::Release { tab_id, session_id } => {
                if self.tabs.is_owner(&session_id, tab_id) {
                    self.tabs.release_by_person(tab_id, now)
                } else {
                    let what = format!("tab {tab_id} does not belong to {session_id}");
                    Err(Fault::BadArguments { what })
                }
            }
            PersonAction::TakeBack { tab_id } => self.tabs.take_back(tab_id, now),
            PersonAction::Keep { tab_id } => {
                self.tabs.keep(tab_id);
                Ok(())
            }
            PersonAction::Name { name } => self.name_browser(&name),
            PersonAction::Pause => {
                self.pause(now);
                Ok(())
            }
            PersonAction::Resume => {
                self.tabs.resume(now);
                self.store.delete("paused".into());
                Ok(())
            }
            PersonAction::Scan => {
                self.discovery.scan_now(now);
                Ok(())
            }
            PersonAction::Connect { port } => {
                self.discovery.connect_now(port, now);
                Ok(())
            }
            PersonAction::PortFailed { port } => {
                self.discovery.track_failure(port, now);
                Ok(())
            }
            PersonAction::KnownPorts { ports } => {
                let ports = self.config.ports.sanitise(&ports);
                self.discovery.handle_port_list(&ports, now);
                self.reply(ask, Ok(json!(ports)));
                return;
            }
            PersonAction::Message {
                session_id,
                message,
            } => {
                self.handle_message(ask, session_id, &message, now);
                return;
            }
            PersonAction::CleanUp => {
                let all: Vec<SessionId> = self.sessions.iter().map(|(id, _)| id.clone()).collect();
                // Their servers find this browser again, with nothing in it.
                self.closing
                    .extend(self.links.open().map(|link| link.socket));
                for id in &all {
                    self.sessions.end(id);
                }
                Ok(())
            }
        };
        self.reply(
            ask,
            outcome
                .map(|()| json!({"success": true}))
                .map_err(WireError::from),
        );
    }

    fn give(&mut self, tab: TabId, session: &SessionId, now: Instant) -> Result<(), Fault> {
        if self.sessions.get(session).is_none() {
            return Err(Fault::SessionUnknown {
                session: session.to_string(),
            });
        }
        self.check_gift(session)?;
        let Some(facts) = self.facts.get(&tab) else {
            return Err(Fault::TabGone { tab, url: None });
        };
        if !protocol::url::may_stay(&facts.url) {
            return Err(Fault::UrlRefused {
                url: facts.url.clone(),
            });
        }
        self.note(|| Trace::Given {
            tab,
            to: session.clone(),
        });
        self.tabs.give(tab, session, now)
    }

    fn name_browser(&mut self, name: &str) -> Result<(), Fault> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control)
        {
            return Err(Fault::BadArguments {
                what: format!("a name has 1 to {NAME_MAX} characters"),
            });
        }
        name.clone_into(&mut self.browser.name);
        self.links.set_browser_name(name.to_owned());
        self.store.put("browser".into(), &self.browser);
        Ok(())
    }

    /// Everything stops until the person resumes.
    pub(super) fn pause(&mut self, now: Instant) {
        self.tabs.pause(now);
        self.store.put("paused".into(), &true);
    }

    /// A message as the original's handlers took it: `{type, payload, tabId?}` or a v2 command.
    fn handle_message(&mut self, ask: AskId, session: SessionId, message: &Value, now: Instant) {
        let kind = message
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let name = match kind {
            "command" => message
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default(),
            other => other,
        };
        let payload = message.get("payload").cloned().unwrap_or(Value::Null);
        let tab = message.get("tabId").and_then(Value::as_u64);
        let tab = tab.and_then(|tab| u32::try_from(tab).ok()).map(TabId);
        self.call_as_person(ask, session, name, &payload, tab, now);
    }

    /// Everything that people see, at this moment.
    #[must_use]
    pub fn view(&self, now: Instant) -> View {
        // a2 before a10.
        let instances: SortedMap<_, InstanceView> = self
            .sessions
            .iter()
            .map(|(id, session)| self.instance(id, session, now))
            .map(|one| ((one.alias.0.len(), one.alias.clone()), one))
            .collect();
        let free = self
            .tabs
            .free()
            .into_iter()
            .map(|tab| self.tab_view(tab, None))
            .collect();
        View {
            browser: self.browser.name.clone(),
            paused: self.tabs.is_paused(),
            advice: self.advice(),
            instances: instances.into_values().collect(),
            free,
            front: self.front(),
            known_ports: self.discovery.known_ports().collect(),
            failures: self.discovery.failures().collect(),
        }
    }

    fn instance(&self, id: &SessionId, session: &Session, now: Instant) -> InstanceView {
        let current = self.tabs.current(id);
        InstanceView {
            session_id: id.clone(),
            alias: session.peer.alias.clone(),
            label: session.peer.label.clone(),
            unpaired: session.unpaired,
            state: match session.presence {
                Presence::Connected { .. } => InstanceState::Connected,
                Presence::Orphaned => InstanceState::Orphaned,
                Presence::Ending => InstanceState::Ending,
                Presence::Standby { .. } => InstanceState::Standby,
            },
            port: session.port,
            since_ms: millis(now, session.since),
            idle_ms: millis(now, session.heard),
            tabs: self
                .tabs
                .owned_by(id)
                .into_iter()
                .map(|tab| self.tab_view(tab, current))
                .collect(),
        }
    }

    fn tab_view(&self, tab: TabId, current: Option<TabId>) -> TabView {
        let facts = self.facts.get(&tab);
        let alias = |id: &SessionId| self.sessions.get(id).map(|one| one.peer.alias.clone());
        TabView {
            tab_id: tab,
            title: facts.map(|facts| facts.title.clone()).unwrap_or_default(),
            url: facts.map(|facts| facts.url.clone()).unwrap_or_default(),
            made: self.tabs.is_made(tab),
            current: current == Some(tab),
            turn: self
                .tabs
                .turn(tab)
                .and_then(|call| self.calls.get(call))
                .map(|call| call.name.clone()),
            waiters: self.tabs.claimants(tab).iter().filter_map(alias).collect(),
        }
    }

    fn front(&self) -> Option<FrontTab> {
        let tab_id = self.house.front_tab()?;
        let facts = self.facts.get(&tab_id)?;
        if facts.incognito || !protocol::url::may_stay(&facts.url) {
            return None;
        }
        let owner: Option<Alias> = match self.tabs.owner(tab_id) {
            Some(Owner::Session(id)) => self.sessions.get(&id).map(|one| one.peer.alias.clone()),
            Some(Owner::Person | Owner::Free | Owner::Undetermined) | None => None,
        };
        Some(FrontTab {
            tab_id,
            title: facts.title.clone(),
            owner,
        })
    }

    fn advice(&self) -> Option<String> {
        if self.tabs.is_paused() {
            return Some("All agents are stopped. Press Resume when they may go on.".into());
        }
        let mut all = Vec::new();
        if let Some(why) = &self.no_secret {
            all.push(format!(
                "Not paired: {why}. Run `interlock extension DIR --pair-only` for this \
                 extension's folder."
            ));
        } else if !self.not_paired.is_empty() {
            all.push(
                "A server has another secret: run `interlock extension DIR --pair-only` for this \
                 extension's folder."
                    .into(),
            );
        }
        if let Some(wrong) = &self.config.wrong {
            all.push(format!(
                "{wrong}. Correct it, or run `interlock extension DIR --pair-only` for this \
                 extension's folder, then reload the extension."
            ));
        }
        if self.store.refused() {
            all.push(
                "Chrome's disk is full: agents can look, but not act, until there is space.".into(),
            );
        }
        (!all.is_empty()).then(|| all.join(" "))
    }

    /// What `pairing.json` gave. Without a secret people are told why.
    pub(super) fn hear_secret(&mut self, read: Result<Secret, String>) -> Option<Secret> {
        match read {
            Ok(secret) => {
                self.no_secret = None;
                Some(secret)
            }
            Err(why) => {
                if self.no_secret.as_ref() != Some(&why) {
                    let text = why.clone();
                    self.effects.push_back(Effect::Log { text });
                }
                self.no_secret = Some(why);
                None
            }
        }
    }

    /// Shows what changed.
    pub(super) fn show(&mut self, now: Instant) {
        let seen = Seen {
            sessions: self.sessions.told(),
            paused: self.tabs.is_paused(),
            linked: self.links.open().next().is_some(),
        };
        // A thousand labels are not put together for every step of a call.
        if self.seen != Some(seen) {
            self.seen = Some(seen);
            let badge = self.make_badge(seen);
            if self.badge.as_ref() != Some(&badge) {
                self.badge = Some(badge.clone());
                self.effects.push_back(Effect::Badge(badge));
            }
        }
        if self.popups == 0 {
            return;
        }
        let mut view = self.view(now);
        let shown = view.clone();
        // Ages alone are no news: they are as of the last change.
        for one in &mut view.instances {
            (one.since_ms, one.idle_ms) = (0, 0);
        }
        if self.shown.as_ref() != Some(&view) {
            self.shown = Some(view);
            self.effects.push_back(Effect::Show(Box::new(shown)));
        }
    }

    fn make_badge(&self, seen: Seen) -> Badge {
        let here = |session: &&Session| matches!(session.presence, Presence::Connected { .. });
        let labels: Vec<String> = self
            .sessions
            .iter()
            .map(|(_, session)| session)
            .filter(here)
            .map(|session| session.peer.to_string())
            .collect();
        let badge = |text: &str, color, title: String| Badge {
            text: text.into(),
            color,
            title,
        };
        if seen.paused {
            return badge("II", GREY, "Interlock: all agents are stopped".into());
        }
        match labels.len() {
            0 if seen.linked => badge(
                "✓",
                GREEN,
                "Interlock: connected, nobody is here yet".into(),
            ),
            0 => badge("✗", RED, "Interlock: no agent is connected".into()),
            count => {
                let text = if count > BADGE_MAX {
                    "99+".into()
                } else {
                    count.to_string()
                };
                badge(&text, BLUE, format!("Interlock: {}", labels.join(", ")))
            }
        }
    }

    /// The view as JSON, for the façade's state properties.
    #[must_use]
    pub fn view_json(&self, now: Instant) -> Value {
        to_json(&self.view(now))
    }
}

fn millis(now: Instant, then: Instant) -> u64 {
    u64::try_from(now.since(then).as_millis()).unwrap_or(u64::MAX)
}
