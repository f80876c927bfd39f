//! A new life: what the store kept becomes sessions, tabs and calls again.

use super::commands::parse_call_key;
use super::{ALARM_PACKED, ALARM_UNPACKED, Extension};
use crate::calls::{CallRecord, Calls};
use crate::discovery::Discovery;
use crate::effect::Effect;
use crate::house::{House, MARK};
use crate::input::{Boot, BrowserFacts, TabFacts};
use crate::links::{Identity, Links};
use crate::pages::Pages;
use crate::sessions::{SessionRecord, Sessions};
use crate::store::{self, Store};
use crate::tabs::{SeatRecord, TabRecord, TabRecordOwner, Tabs};
use protocol::pairing::to_hex;
use protocol::{BrowserId, Instant, SessionId, TabId, limits};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many hex digits of its id name a browser that has no name yet.
const NAME_DIGITS: usize = 4;

impl Extension {
    /// Starts in a browser that is as `boot` says.
    #[must_use]
    pub fn new(boot: Boot, now: Instant) -> Self {
        let Boot {
            seed,
            extension_id,
            secret,
            config,
            stored,
            tabs,
            unpacked,
        } = boot;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut store = Store::default();
        let browser = browser_facts(&stored, &mut rng, &mut store);
        let known: BTreeSet<u16> = entity::<Vec<u16>>(&stored, "ports")
            .into_iter()
            .flatten()
            .filter(|port| config.ports.contains(*port))
            .collect();
        let me = Identity {
            extension_id,
            browser_id: browser.id.clone(),
            browser_name: browser.name.clone(),
        };
        let mut extension = Self {
            discovery: Discovery::new(config.ports, &known, rng.next_u64(), now),
            links: Links::new(me, secret, child_seed(&mut rng), now),
            sessions: Sessions::new(now),
            tabs: Tabs::new(),
            pages: Pages::new(child_seed(&mut rng)),
            calls: Calls::default(),
            house: House::new(child_seed(&mut rng), &tabs),
            facts: tabs
                .iter()
                .filter_map(|tab| Some((tab.tab()?, tab.clone())))
                .collect(),
            browser,
            config,
            store,
            held: BTreeMap::new(),
            waiting_for_disk: BTreeSet::new(),
            wanted: BTreeMap::new(),
            opening: BTreeSet::new(),
            farewells: BTreeMap::new(),
            replies: Vec::new(),
            closing: Vec::new(),
            resting: BTreeMap::new(),
            not_paired: BTreeSet::new(),
            popups: 0,
            shown: None,
            badge: None,
            awake_until: now + limits::KEEP_ALIVE,
            now,
            effects: VecDeque::new(),
            trace: None,
        };
        let period = if unpacked {
            ALARM_UNPACKED
        } else {
            ALARM_PACKED
        };
        extension.effects.push_back(Effect::EnsureAlarm { period });
        extension.restore(&stored, &tabs, now);
        extension.settle(now);
        extension
    }

    fn restore(&mut self, stored: &BTreeMap<String, Value>, tabs: &[TabFacts], now: Instant) {
        let mut tab_records: BTreeMap<TabId, TabRecord> = BTreeMap::new();
        let mut seats: BTreeMap<SessionId, SeatRecord> = BTreeMap::new();
        let mut begun: BTreeSet<TabId> = BTreeSet::new();
        let mut calls = Vec::new();
        for (key, value) in stored {
            if let Some(id) = key
                .strip_prefix("session/")
                .and_then(|id| SessionId::new(id).ok())
            {
                match store::read::<SessionRecord>(value) {
                    Some(record) => self.sessions.restore(id, record, now),
                    None => self.store.delete(key.clone()),
                }
            } else if let Some(id) = key
                .strip_prefix("seat/")
                .and_then(|id| SessionId::new(id).ok())
            {
                match store::read(value) {
                    Some(record) => drop(seats.insert(id, record)),
                    None => self.store.delete(key.clone()),
                }
            } else if let Some(tab) = key.strip_prefix("tab/").and_then(|tab| tab.parse().ok()) {
                match store::read(value) {
                    Some(record) => drop(tab_records.insert(TabId(tab), record)),
                    None => self.store.delete(key.clone()),
                }
            } else if let Some((session, wire_id)) = parse_call_key(key) {
                match store::read::<CallRecord>(value) {
                    Some(record) => calls.push((key, session, wire_id, record)),
                    None => self.store.delete(key.clone()),
                }
            } else if let Some(nonce) = key.strip_prefix("making/") {
                self.drop_half_made(nonce, tabs);
                self.store.delete(key.clone());
            }
        }
        for (key, session, wire_id, record) in calls {
            if self.sessions.get(&session).is_none() {
                self.store.delete(key.clone());
                continue;
            }
            if !record.ended {
                begun.insert(record.tab);
            }
            self.calls.restore(session, wire_id, record);
        }
        let existing: BTreeSet<TabId> = self.facts.keys().copied().collect();
        for (tab, record) in tab_records.iter().filter(|(tab, _)| existing.contains(tab)) {
            self.adopt(*tab, record, now);
        }
        // A seat without its session is damage, and dropped; the tabs want to know who is there
        // before they are told whose they are.
        seats.retain(|id, _| self.sessions.get(id).is_some());
        for (id, session) in self.sessions.iter() {
            self.tabs.open_session(id, session.peer.clone(), now);
        }
        self.tabs
            .restore(tab_records, seats, &existing, &begun, now);
        if entity::<bool>(stored, "paused") == Some(true) {
            self.tabs.pause(now);
        }
    }

    /// The debugger of the former life may still be on a tab that was a session's.
    fn adopt(&mut self, tab: TabId, record: &TabRecord, now: Instant) {
        match (&record.owner, &record.leaving) {
            (TabRecordOwner::Session(owner, _), _) => {
                self.pages.adopt(tab, now);
                if self.sessions.get(owner).is_none() {
                    // Nobody's agent works in it any more.
                    self.pages.clear(tab, now);
                }
            }
            (TabRecordOwner::Free(..), Some(_)) => self.pages.adopt(tab, now),
            // Cleared before it became free.
            (TabRecordOwner::Free(..), None) => {}
        }
    }

    /// A tab whose making the worker's death cut short: its caller asks again, so it is closed.
    fn drop_half_made(&mut self, nonce: &str, tabs: &[TabFacts]) {
        let mark = format!("{MARK}{nonce}");
        for facts in tabs
            .iter()
            .filter(|facts| facts.url == mark || facts.pending_url == mark)
        {
            if let Some(tab) = facts.tab() {
                self.house.close(tab, Some(facts.window_id));
            }
        }
    }
}

fn browser_facts(
    stored: &BTreeMap<String, Value>,
    rng: &mut ChaCha20Rng,
    store: &mut Store,
) -> BrowserFacts {
    if let Some(facts) = entity::<BrowserFacts>(stored, "browser") {
        return facts;
    }
    let id: String = to_hex(&child_seed(rng)).chars().take(32).collect();
    let name = id.chars().take(NAME_DIGITS).collect();
    let facts = BrowserFacts {
        id: BrowserId(id),
        name,
    };
    store.put("browser".into(), &facts);
    facts
}

fn entity<T: serde::de::DeserializeOwned>(
    stored: &BTreeMap<String, Value>,
    key: &str,
) -> Option<T> {
    store::read(stored.get(key)?)
}

fn child_seed(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Config;
    use serde_json::json;

    #[test]
    fn a_reborn_worker_gives_each_session_its_tabs_and_the_person_theirs() {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
        let seat = json!({"current": {"tab": 7}, "had": true});
        let tab = json!({"owner": {"session": ["x", "made"]}});
        let boot = Boot {
            seed: [1; 32],
            extension_id: protocol::EXTENSION_ID.into(),
            secret: None,
            config: Config::default(),
            stored: BTreeMap::from([
                ("session/x".to_owned(), entity(session)),
                ("seat/x".to_owned(), entity(seat)),
                ("tab/7".to_owned(), entity(tab)),
            ]),
            tabs: [7, 8]
                .map(|id| TabFacts {
                    id,
                    ..TabFacts::default()
                })
                .to_vec(),
            unpacked: true,
        };
        let extension = Extension::new(boot, Instant(0));
        let x = SessionId::new("x").unwrap();
        assert_eq!(extension.tabs.owned_by(&x), vec![TabId(7)]);
        assert_eq!(extension.tabs.current(&x), Some(TabId(7)));
        assert!(extension.tabs.is_person_tab(TabId(8)));
    }
}
