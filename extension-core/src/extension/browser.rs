//! What the browser tells, and the making and changing hands of tabs in it.

use super::{Extension, Wanted};
use crate::input::{BrowserEvent, TabFacts};
use crate::sessions::Session;
use crate::tabs::{Dirty, Owner, Slot};
use protocol::{Instant, SessionId, TabId};

impl Extension {
    pub(super) fn handle_browser(&mut self, event: BrowserEvent, now: Instant) {
        match event {
            BrowserEvent::TabCreated(facts) => self.handle_created(facts, now),
            BrowserEvent::TabUpdated(facts) => self.handle_updated(facts, now),
            BrowserEvent::TabRemoved { tab } => self.handle_removed(tab, now),
            BrowserEvent::TabReplaced { added, removed } => {
                if let Some(facts) = self.facts.remove(&removed) {
                    self.house.handle_making_replaced(&facts, added);
                    self.facts.insert(
                        added,
                        TabFacts {
                            id: added.0.into(),
                            ..facts
                        },
                    );
                }
                self.go_on(removed, added, now);
                self.pages.handle_closed(removed, now);
                // And so is what was being cleared there.
                self.tabs.handle_cleared(added, now);
                self.house.handle_replaced(removed, added);
            }
            BrowserEvent::TabMoved { tab } => {
                if !self.house.moved_by_us(tab, now) {
                    self.tabs.handle_used_by_person(tab, now);
                }
            }
            BrowserEvent::TabActivated { tab, window } => {
                for facts in self
                    .facts
                    .values_mut()
                    .filter(|facts| facts.window_id == window)
                {
                    facts.active = facts.tab() == Some(tab);
                }
                self.house.handle_activated(tab, window);
                self.pages.handle_shown(tab, now);
            }
            BrowserEvent::WindowFocused { window } => self.house.handle_focused(window, now),
            BrowserEvent::NavigationTarget {
                source,
                tab,
                url: _,
            } => {
                self.tabs.handle_popup(tab, source, now);
                if matches!(self.tabs.owner(source), Some(Owner::Session(_))) {
                    let window = self.facts.get(&tab).map(|facts| facts.window_id);
                    self.house.handle_popup(source, tab, window, now);
                }
                if matches!(self.tabs.owner(tab), Some(Owner::Session(_))) {
                    self.pages.new_tab_opened(source, tab);
                }
            }
            BrowserEvent::Committed {
                tab,
                url,
                transition,
                qualifiers,
            } => {
                if let Some(facts) = self.facts.get_mut(&tab) {
                    facts.url.clone_from(&url);
                    facts.pending_url.clear();
                }
                self.keep_url(tab);
                if by_person(&transition, &qualifiers) {
                    self.tabs.handle_used_by_person(tab, now);
                }
                self.pages.handle_committed(tab, &url, now);
            }
            BrowserEvent::Debugger {
                tab,
                session,
                method,
                params,
            } => {
                self.pages
                    .handle_debugger(tab, session.as_deref(), &method, &params, now);
            }
            BrowserEvent::Detached { tab, reason } => {
                self.pages.handle_detached(tab, reason, now);
            }
        }
    }

    /// A tab goes on under another id, and so does what is known of it.
    pub(super) fn go_on(&mut self, removed: TabId, added: TabId, now: Instant) {
        if let Some(nonce) = self.half_made.remove(&removed) {
            self.half_made.insert(added, nonce);
        }
        self.tabs.handle_replaced(removed, added, now);
        // What was open in the page that went is over.
        self.tabs.handle_dialog_closed(added, now);
        self.calls.rename_tab(removed, added);
        if let Some(Owner::Session(_)) = self.tabs.owner(added) {
            self.house.set_discardable(added, false);
        }
        if self.take_over_group(added, now) {
            self.house.expect_echo(added, now);
        }
    }

    /// A tab that turns up under another id after a restart of the worker may be the last that
    /// knows its session's group: answers whether it stands in that. In one that bears the session's
    /// name may stand what was the person's. Where the session has got another group since, its tab
    /// goes there.
    pub(super) fn take_over_group(&mut self, tab: TabId, now: Instant) -> bool {
        let Some(Owner::Session(id)) = self.tabs.owner(tab) else {
            return false;
        };
        let Some(group) = self.facts.get(&tab).and_then(TabFacts::group) else {
            return false;
        };
        let named = self.signs.bears_name(&id, group);
        let inside = || {
            let tabs = self.facts.iter();
            tabs.filter(|(_, one)| one.group() == Some(group))
        };
        let fits = inside().all(|(tab, _)| match self.tabs.owner(*tab) {
            Some(Owner::Session(owner)) if self.tabs.is_made(*tab) => owner == id,
            Some(Owner::Session(_) | Owner::Person | Owner::Free | Owner::Undetermined) | None => {
                named
            }
        });
        let of_session = self.tabs.owned_by(&id);
        let mut made = of_session.iter().filter(|tab| self.tabs.is_made(**tab));
        // The tabs that were made for it tell which of several groups of its name is its own.
        let elsewhere = made.clone().any(|tab| match self.facts.get(tab) {
            Some(facts) => facts
                .group()
                .is_some_and(|group| self.signs.bears_name(&id, group)),
            None => true,
        });
        let is_its = !elsewhere || made.any(|tab| inside().any(|(one, _)| one == tab));
        let Some(session) = self.sessions.get(&id).filter(|_| fits && is_its) else {
            return false;
        };
        let peer = session.peer.clone();
        let mut former = peer.clone();
        if let Some(label) = self.signs.label(&id) {
            label.clone_into(&mut former.label);
        }
        let has_it = self.house.take_over(&id, &former, group);
        // It may have another name since.
        self.house.retitle(&id, &peer.label);
        // Into another the person may have drawn it.
        if !has_it && named && self.tabs.is_made(tab) {
            self.house.group(&id, &peer, tab, now);
        }
        has_it
    }

    fn handle_created(&mut self, facts: TabFacts, now: Instant) {
        let Some(tab) = facts.tab() else { return };
        let ours = self.house.is_making(&facts);
        self.facts.insert(tab, facts);
        if !ours {
            self.tabs.handle_created(tab, now);
        }
    }

    fn handle_updated(&mut self, facts: TabFacts, now: Instant) {
        let Some(tab) = facts.tab() else { return };
        self.pages.handle_updated(tab);
        let before = self.facts.insert(tab, facts);
        let Some(facts) = self.facts.get(&tab) else {
            return;
        };
        let moved = before.as_ref().is_none_or(|was| was.url != facts.url);
        let pinned = facts.pinned && !before.is_some_and(|was| was.pinned);
        if pinned {
            self.tabs.handle_used_by_person(tab, now);
        }
        if moved {
            self.keep_url(tab);
        }
    }

    /// Whoever loses the tab is told what it last showed.
    fn keep_url(&mut self, tab: TabId) {
        if self.tabs.tab_record(tab).is_some() {
            self.stage_tab(tab);
        }
    }

    fn stage_tab(&mut self, tab: TabId) {
        match self.tabs.tab_record(tab) {
            Some(mut record) => {
                if let Some(facts) = self.facts.get(&tab) {
                    record.url.clone_from(&facts.url);
                }
                self.store.put(format!("tab/{tab}"), &record);
            }
            None => self.store.delete(format!("tab/{tab}")),
        }
    }

    pub(super) fn handle_removed(&mut self, tab: TabId, now: Instant) {
        let url = self
            .facts
            .remove(&tab)
            .map(|facts| facts.url)
            .unwrap_or_default();
        if let Some(nonce) = self.half_made.remove(&tab) {
            self.store.delete(format!("making/{nonce}"));
        }
        self.tabs.handle_closed(tab, &url, now);
        self.pages.handle_closed(tab, now);
        self.house.handle_closed(tab);
    }

    /// Asks the house for a tab: in the window where the session already works, if any.
    pub(super) fn make(&mut self, slot: Slot, session: SessionId, activate: bool) {
        let window = self
            .tabs
            .owned_by(&session)
            .iter()
            .filter_map(|tab| self.facts.get(tab))
            .map(|facts| facts.window_id)
            .next_back();
        self.wanted.insert(slot, Wanted { session, activate });
        self.house.make(slot, window);
    }

    pub(super) fn handle_made(&mut self, slot: Slot, facts: TabFacts, now: Instant) {
        let Some(tab) = facts.tab() else { return };
        // An event that overtook the answer knows more than the answer.
        self.facts.entry(tab).or_insert(facts);
        let wanted = self.wanted.remove(&slot);
        self.tabs.handle_made(slot, tab, now);
        if let Some(Wanted {
            session,
            activate: true,
        }) = wanted
            && self.tabs.is_owner(&session, tab)
        {
            self.house.show(tab);
        }
    }

    /// A tab changed hands: its group and whether Chrome may unload it follow.
    pub(super) fn handle_owner(&mut self, tab: TabId, from: &Owner, to: &Owner, now: Instant) {
        match to {
            Owner::Session(id) => {
                if *from == Owner::Undetermined {
                    self.pages.handle_own_past(tab);
                }
                let Some(Session { peer, .. }) = self.sessions.get(id) else {
                    return;
                };
                self.house.group(id, peer, tab, now);
                self.house.set_discardable(tab, false);
            }
            Owner::Person | Owner::Free | Owner::Undetermined => {
                if matches!(from, Owner::Session(_)) && self.facts.contains_key(&tab) {
                    self.house.ungroup(tab, now);
                    self.house.set_discardable(tab, true);
                }
            }
        }
    }

    /// Stages what changed since the last step.
    pub(super) fn stage(&mut self) {
        for dirty in self.tabs.take_dirty() {
            match dirty {
                Dirty::Tab(tab) => self.stage_tab(tab),
                Dirty::Session(id) => match self.tabs.session_record(&id) {
                    Some(record) => self.store.put(format!("seat/{id}"), &record),
                    None => self.store.delete(format!("seat/{id}")),
                },
            }
        }
        self.stage_calls();
    }
}

/// Whether a navigation was the person's: address bar, typed or a bookmark. The debugger's own
/// navigations are told apart by their transition, `link`, which `pages` asks for.
fn by_person(transition: &str, qualifiers: &[String]) -> bool {
    qualifiers
        .iter()
        .any(|qualifier| qualifier == "from_address_bar")
        || matches!(
            transition,
            "typed" | "auto_bookmark" | "generated" | "keyword" | "keyword_generated"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Effect;
    use crate::files::Config;
    use crate::input::{Boot, Input};
    use crate::store;
    use protocol::{SortedMap, SortedSet};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn the_store_knows_what_an_owned_tab_last_showed() {
        let entity = |body| json!({"v": store::VERSION, "e": body});
        let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
        let boot = Boot {
            seed: [1; 32],
            extension_id: protocol::EXTENSION_ID.into(),
            secret: Err("pairing.json is missing".into()),
            config: Config::default(),
            stored: BTreeMap::from([
                ("session/x".to_owned(), entity(session)),
                (
                    "seat/x".to_owned(),
                    entity(json!({"current": {"tab": 7}, "had": true})),
                ),
                (
                    "tab/7".to_owned(),
                    entity(json!({"owner": {"session": ["x", "made"]}})),
                ),
            ]),
            tabs: vec![TabFacts {
                id: 7,
                ..TabFacts::default()
            }],
            groups: SortedMap::new(),
            attached: SortedSet::new(),
            unpacked: true,
        };
        let mut extension = Extension::new(boot, Instant(0));
        let committed = BrowserEvent::Committed {
            tab: TabId(7),
            url: "http://a.test/".into(),
            transition: "link".into(),
            qualifiers: Vec::new(),
        };
        extension.handle_input(Input::Browser(committed), Instant(1));
        let mut kept = Vec::new();
        while let Some(effect) = extension.poll_effect() {
            if let Effect::Write {
                write,
                set,
                remove: _,
            } = effect
            {
                kept.extend(set.get("tab/7").map(|tab| tab["e"]["url"].clone()));
                extension.handle_input(Input::Written { write, ok: true }, Instant(2));
            }
        }
        assert_eq!(kept.last(), Some(&json!("http://a.test/")));
    }
}
