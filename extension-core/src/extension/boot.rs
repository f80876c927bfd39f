//! A new life: what the store kept becomes sessions, tabs and calls again.

use super::commands::parse_call_key;
use super::strays::Signs;
use super::{ALARM_PACKED, ALARM_UNPACKED, Extension};
use crate::calls::{CallRecord, Calls};
use crate::discovery::Discovery;
use crate::effect::Effect;
use crate::house::{House, MARK};
use crate::input::{Boot, BrowserFacts, TabFacts};
use crate::links::{Identity, Links};
use crate::pages::{Former, Pages};
use crate::sessions::{SessionRecord, Sessions};
use crate::store::{self, Store};
use crate::tabs::{Duty, SeatRecord, TabRecord, TabRecordOwner, Tabs};
use protocol::pairing::to_hex;
use protocol::{BrowserId, Instant, SessionId, SortedMap, SortedSet, TabId, limits};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// The browser's id once more: sessions are bound to it, and without it every one of them is lost.
pub(super) const SPARE_ID: &str = "browserId";
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
            mut groups,
            attached,
            unpacked,
        } = boot;
        // One without a title bears nobody's name, whatever an agent is called.
        groups.retain(|_, title| !title.is_empty());
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut store = Store::holding(stored.keys().cloned());
        let (stored, dead) = store::living(stored);
        for key in dead {
            store.delete(key);
        }
        let browser = browser_facts(&stored, &mut rng, &mut store);
        let known: SortedSet<u16> = entity::<Vec<u16>>(&stored, "ports")
            .into_iter()
            .flatten()
            .filter(|port| config.ports.contains(*port))
            .collect();
        let me = Identity {
            extension_id,
            browser_id: browser.id.clone(),
            browser_name: browser.name.clone(),
        };
        let (secret, no_secret) = match secret {
            Ok(secret) => (Some(secret), None),
            Err(why) => (None, Some(why)),
        };
        let mut discovery = Discovery::new(config.ports, &known, rng.next_u64(), now);
        discovery.allow_unpaired(config.allow_unpaired.iter().copied().collect());
        let mut extension = Self {
            discovery,
            links: Links::new(me, secret, child_seed(&mut rng), now),
            tabs: Tabs::new(),
            pages: Pages::new(child_seed(&mut rng)),
            calls: Calls::default(),
            house: House::new(child_seed(&mut rng), &tabs),
            sessions: Sessions::new(rng.next_u64(), now),
            facts: tabs
                .iter()
                .filter_map(|tab| Some((tab.tab()?, tab.clone())))
                .collect(),
            browser,
            config,
            store,
            held: SortedMap::new(),
            waiting_for_disk: SortedSet::new(),
            wanted: SortedMap::new(),
            half_made: SortedMap::new(),
            signs: Signs::default(),
            opening: SortedSet::new(),
            missing_tabs: Vec::new(),
            farewells: SortedMap::new(),
            replies: Vec::new(),
            closing: Vec::new(),
            resting: SortedMap::new(),
            not_paired: SortedSet::new(),
            unpaired: SortedMap::new(),
            steps: VecDeque::new(),
            no_secret,
            popups: 0,
            shown: None,
            badge: None,
            seen: None,
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
        for text in [&extension.no_secret, &extension.config.wrong] {
            let said = text.iter().map(|text| Effect::Log { text: text.clone() });
            extension.effects.extend(said);
        }
        let adopted = extension.restore(&stored, &tabs, &groups, now);
        for tab in attached.difference(&adopted) {
            extension.pages.let_go(*tab, now);
        }
        extension.house.find_persons();
        extension.settle(now);
        extension
    }

    /// Answers the tabs that may have our debugger for a session.
    fn restore(
        &mut self,
        stored: &BTreeMap<String, Value>,
        tabs: &[TabFacts],
        groups: &SortedMap<i64, String>,
        now: Instant,
    ) -> SortedSet<TabId> {
        let mut tab_records: SortedMap<TabId, TabRecord> = SortedMap::new();
        let mut seats: SortedMap<SessionId, SeatRecord> = SortedMap::new();
        let mut calls = Vec::new();
        let mut makings = Vec::new();
        let mut unread: SortedSet<TabId> = SortedSet::new();
        let mut sessions: Vec<(SessionId, SessionRecord)> = Vec::new();
        for (key, value) in stored {
            let (kind, rest) = key.split_once('/').unwrap_or((key, ""));
            let read = match kind {
                "session" => read_session(rest, value).map(|one| sessions.push(one)),
                "seat" => read_session(rest, value).map(|(id, seat)| drop(seats.insert(id, seat))),
                "tab" => rest.parse().ok().map(TabId).and_then(|tab| {
                    unread.insert(tab);
                    match store::read::<Option<TabRecord>>(value)? {
                        Some(record) => {
                            tab_records.insert(tab, record);
                            unread.remove(&tab);
                        }
                        // What `emptied` leaves.
                        None => self.store.delete(key.clone()),
                    }
                    Some(())
                }),
                "call" => parse_call_key(key).map(|(session, wire_id)| {
                    let record = store::read(value).unwrap_or_else(|| self.unread_call(key));
                    calls.push((key, session, wire_id, record));
                }),
                "making" => {
                    makings.push(rest);
                    Some(())
                }
                "paused" => store::read::<bool>(value).map(drop),
                "ports" => store::read::<Vec<u16>>(value).map(drop),
                "browser" => store::read::<BrowserFacts>(value).map(drop),
                SPARE_ID => store::read_of_any_version::<BrowserId>(value).map(drop),
                // Nobody's that we know.
                _ => Some(()),
            };
            if read.is_none() {
                self.drop_unreadable(key);
            }
        }
        // Where it works stands in its seat: without that it would go on in a new tab, and know of nothing.
        sessions.retain(|(id, _)| {
            let key = format!("seat/{id}");
            let whole = !stored.contains_key(&key) || seats.contains_key(id);
            if !whole {
                self.store.delete(format!("session/{id}"));
            }
            whole
        });
        let signs = Signs::new(&sessions, groups);
        // Who has an alias for the second time gets one that is free when all others have theirs.
        let mut aliases = SortedSet::new();
        let (named, doubled): (Vec<_>, Vec<_>) = sessions
            .into_iter()
            .partition(|(_, record)| aliases.insert(record.alias().clone()));
        for (id, record) in named.into_iter().chain(doubled) {
            self.sessions.restore(id, record, now);
        }
        for (key, session, wire_id, record) in calls {
            if self.sessions.get(&session).is_none() {
                self.store.delete(key.clone());
                continue;
            }
            self.calls.restore(session, wire_id, record);
        }
        for nonce in makings {
            self.drop_half_made(nonce, tabs, &tab_records);
        }
        unread.retain(|tab| !tab_records.contains_key(tab));
        let mut ownerless = unread.clone();
        ownerless.extend(self.half_made.keys().copied());
        let existing: SortedSet<TabId> = self.facts.keys().copied().collect();
        let mut adopted = SortedSet::new();
        for (tab, record) in tab_records.iter().filter(|(tab, _)| existing.contains(tab)) {
            if self.adopt(*tab, record, &tab_records, &ownerless, groups, now) {
                adopted.insert(*tab);
            }
        }
        let recorded: Vec<TabId> = tab_records.keys().chain(&unread).copied().collect();
        for tab in unread {
            let ours = |id: &TabId| ownerless.contains(id) || tab_records.contains_key(id);
            if self.group_of_only(tab, ours).is_some() {
                self.house.ungroup(tab, now);
            }
            // As a tab that is given back.
            self.house.set_discardable(tab, true);
        }
        // The tabs want to know who is there before they are told whose they are.
        for (id, session) in self.sessions.iter() {
            self.tabs.open_session(id, session.peer.clone(), now);
        }
        self.tabs.restore(tab_records, seats, &existing, now);
        for tab in recorded {
            self.tabs.know(tab);
        }
        if !self.tabs.missing().is_empty() {
            self.signs = signs;
        }
        // A pause is a person's word: one that cannot be read holds.
        let paused = stored.get("paused");
        if paused.is_some_and(|paused| store::read(paused) != Some(false)) {
            self.tabs.pause(now);
        }
        adopted
    }

    /// Damage costs what it damages, once: it is told, and gone or replaced with the first write.
    fn drop_unreadable(&mut self, key: &str) {
        let text = format!("what is stored as {key} cannot be read");
        self.effects.push_back(Effect::Log { text });
        match key {
            "paused" => self.store.put(key.to_owned(), &true),
            // It has just been made anew.
            "browser" | SPARE_ID => {}
            _ => self.store.delete(key.to_owned()),
        }
    }

    /// A call of which nothing is known but that it had begun: it must not run again.
    fn unread_call(&mut self, key: &str) -> CallRecord {
        let text = format!("what is stored as {key} cannot be read");
        self.effects.push_back(Effect::Log { text });
        let record = CallRecord {
            tab: None,
            response: None,
            ended: true,
        };
        self.store.put(key.to_owned(), &record);
        record
    }

    /// The debugger of the former life may still be on a tab that was a session's, and the person
    /// may have shown it while no worker lived.
    fn adopt_page(&mut self, tab: TabId, record: &TabRecord, now: Instant) {
        let former = Former {
            presses: record.presses.clone(),
            dialog: record.dialog.clone(),
        };
        self.pages.adopt(tab, former, now);
        if self.facts.get(&tab).is_some_and(|facts| facts.active) {
            self.pages.handle_shown(tab, now);
        }
    }

    /// The tab's group, when all that is in it is `ours`; another may be the person's.
    fn group_of_only(&self, tab: TabId, ours: impl Fn(&TabId) -> bool) -> Option<i64> {
        let group = self.facts.get(&tab)?.group()?;
        let mut inside = self.facts.iter();
        inside
            .all(|(id, one)| one.group() != Some(group) || ours(id))
            .then_some(group)
    }

    /// Whether the tab may have our debugger for a session. In its session's group may also stand
    /// those that are `ownerless`: half made, or with a record that cannot be read. Where tabs that the
    /// person has given it stand in a group, or others, that may be the person's unless it bears the
    /// session's name.
    fn adopt(
        &mut self,
        tab: TabId,
        record: &TabRecord,
        records: &SortedMap<TabId, TabRecord>,
        ownerless: &SortedSet<TabId>,
        titles: &SortedMap<i64, String>,
        now: Instant,
    ) -> bool {
        match (&record.owner, &record.leaving) {
            (TabRecordOwner::Session(owner, _), leaving) => {
                self.adopt_page(tab, record, now);
                let label = self.sessions.get(owner).map(|one| one.peer.label.as_str());
                let title = self.facts.get(&tab).and_then(TabFacts::group);
                let title = title.and_then(|group| titles.get(&group));
                let named = label.is_some() && label == title.map(String::as_str);
                let fits = |one: Option<&TabRecord>| match one.map(|record| &record.owner) {
                    Some(TabRecordOwner::Session(id, Duty::Made)) => id == owner,
                    Some(TabRecordOwner::Session(id, Duty::Borrowed)) => {
                        id == owner && (named || label.is_none())
                    }
                    Some(TabRecordOwner::Free(..)) | None => named,
                };
                let fits = |id: &TabId| ownerless.contains(id) || fits(records.get(id));
                let grouped = self.group_of_only(tab, fits);
                if grouped.is_some() || leaving.is_some() {
                    self.house.expect_echo(tab, now);
                }
                match self.sessions.get(owner) {
                    Some(session) => {
                        if let Some(group) = grouped.filter(|_| leaving.is_none()) {
                            self.house.take_over(owner, &session.peer, group);
                        }
                    }
                    // Nobody's agent works in it any more.
                    None => {
                        self.pages.clear(tab, now);
                        if grouped.is_some() {
                            self.house.ungroup(tab, now);
                        }
                    }
                }
                true
            }
            (TabRecordOwner::Free(..), Some(_)) => {
                self.house.expect_echo(tab, now);
                self.adopt_page(tab, record, now);
                true
            }
            // Cleared before it became free, and taken out of its group.
            (TabRecordOwner::Free(..), None) => {
                self.house.expect_echo(tab, now);
                false
            }
        }
    }

    /// A tab whose making the worker's death cut short: its caller asks again, so it is closed. One
    /// that has an owner was made; only the end of its intent was not written any more. An intent
    /// stays as long as its tab, lest another death leave that for good.
    fn drop_half_made(
        &mut self,
        nonce: &str,
        tabs: &[TabFacts],
        owned: &SortedMap<TabId, TabRecord>,
    ) {
        let mut closes = false;
        let mark = format!("{MARK}{nonce}");
        for facts in tabs
            .iter()
            .filter(|facts| facts.url == mark || facts.pending_url == mark)
        {
            if let Some(tab) = facts.tab().filter(|tab| !owned.contains_key(tab)) {
                self.house.close(tab, Some(facts.window_id));
                self.half_made.insert(tab, nonce.to_owned());
                closes = true;
            }
        }
        if !closes {
            self.store.delete(format!("making/{nonce}"));
        }
    }
}

/// The session that a key names, and what is stored of it.
fn read_session<T: serde::de::DeserializeOwned>(
    id: &str,
    stored: &Value,
) -> Option<(SessionId, T)> {
    Some((SessionId::new(id).ok()?, store::read(stored)?))
}

fn browser_facts(
    stored: &BTreeMap<String, Value>,
    rng: &mut ChaCha20Rng,
    store: &mut Store,
) -> BrowserFacts {
    // Servers know the browser by it, whichever version of the extension they met.
    let spare: Option<BrowserId> = stored.get(SPARE_ID).and_then(store::read_of_any_version);
    let facts = entity::<BrowserFacts>(stored, "browser");
    let id = match (&facts, &spare) {
        (Some(facts), _) => facts.id.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => BrowserId(to_hex(&child_seed(rng)).chars().take(32).collect()),
    };
    if spare.as_ref() != Some(&id) {
        store.put(SPARE_ID.into(), &id);
    }
    facts.unwrap_or_else(|| {
        let name = id.0.chars().take(NAME_DIGITS).collect();
        let facts = BrowserFacts { id, name };
        store.put("browser".into(), &facts);
        facts
    })
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
    use crate::effect::ChromeCall;
    use crate::files::Config;
    use crate::input::{BrowserEvent, Input};
    use protocol::pairing::Secret;
    use serde_json::json;

    /// Session x owns tab 7, tab 8 is the person's, and `shown` is in front.
    fn reborn(shown: i64) -> Extension {
        reborn_with(shown, &json!({}), |_| {})
    }

    /// The same with more `stored`, and with tabs that `change` has changed.
    fn reborn_with(shown: i64, stored: &Value, change: impl Fn(&mut TabFacts)) -> Extension {
        reborn_in(SortedMap::new(), shown, stored, change)
    }

    /// The same where groups are called so.
    fn reborn_in(
        titles: SortedMap<i64, String>,
        shown: i64,
        stored: &Value,
        change: impl Fn(&mut TabFacts),
    ) -> Extension {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
        let seat = json!({"current": {"tab": 7}, "had": true});
        let tab = json!({"owner": {"session": ["x", "made"]}});
        let mut entities = BTreeMap::from([
            ("session/x".to_owned(), entity(session)),
            ("seat/x".to_owned(), entity(seat)),
            ("tab/7".to_owned(), entity(tab)),
        ]);
        for (key, body) in stored.as_object().unwrap() {
            entities.insert(key.clone(), entity(body.clone()));
        }
        let boot = Boot {
            seed: [1; 32],
            extension_id: protocol::EXTENSION_ID.into(),
            secret: Ok(Secret::new([1; 32])),
            config: Config::default(),
            stored: entities,
            tabs: [7, 8]
                .map(|id| {
                    let mut facts = TabFacts {
                        id,
                        active: id == shown,
                        ..TabFacts::default()
                    };
                    change(&mut facts);
                    facts
                })
                .to_vec(),
            groups: titles,
            attached: SortedSet::new(),
            unpacked: true,
        };
        Extension::new(boot, Instant(0))
    }

    #[test]
    fn a_reborn_worker_gives_each_session_its_tabs_and_the_person_theirs() {
        let extension = reborn(8);
        let x = SessionId::new("x").unwrap();
        assert_eq!(extension.tabs.owned_by(&x), vec![TabId(7)]);
        assert_eq!(extension.tabs.current(&x), Some(TabId(7)));
        assert!(extension.tabs.is_person_tab(TabId(8)));
    }

    #[test]
    fn a_tab_that_was_on_its_way_at_the_death_was_grouped_by_us_and_not_moved_by_the_person() {
        for owner in [
            json!({"session": ["x", "made"]}),
            json!({"free": ["x", "made"]}),
        ] {
            let leaving = json!({"tab/7": {"owner": owner, "leaving": "firstClaim"}});
            let mut extension = reborn_with(8, &leaving, |_| {});
            let tab = TabId(7);
            let moved = Input::Browser(BrowserEvent::TabMoved { tab });
            extension.handle_input(moved, Instant(3));
            let record = extension.tabs.tab_record(tab).unwrap();
            assert!(matches!(
                record.owner,
                TabRecordOwner::Session(_, Duty::Made) | TabRecordOwner::Free(_, Duty::Made)
            ));
        }
    }

    #[test]
    fn a_group_in_which_a_tab_was_half_made_is_joined() {
        let making = json!({"making/n": "n"});
        let mut extension = reborn_with(8, &making, |facts| {
            facts.group_id = 5;
            if facts.id == 8 {
                facts.url = format!("{MARK}n");
            }
        });
        let x = SessionId::new("x").unwrap();
        let peer = extension.sessions.get(&x).unwrap().peer.clone();
        while extension.poll_effect().is_some() {}
        extension.house.group(&x, &peer, TabId(7), Instant(0));
        assert!(asks(&mut extension).any(|call| joins(&call, 5)));
    }

    /// What Chrome is asked for.
    fn asks(extension: &mut Extension) -> impl Iterator<Item = ChromeCall> {
        extension.settle(Instant(0));
        std::iter::from_fn(|| extension.poll_effect()).filter_map(|effect| {
            let Effect::Ask { call, .. } = effect else {
                return None;
            };
            Some(call)
        })
    }

    fn joins(call: &ChromeCall, into: i64) -> bool {
        matches!(call, ChromeCall::GroupTab { group, .. } if *group == Some(into))
    }

    #[test]
    fn a_tab_whose_record_cannot_be_read_leaves_its_agents_group_which_stays_the_agents() {
        let rubbish = json!({"tab/8": "rubbish"});
        let mut extension = reborn_with(0, &rubbish, |facts| facts.group_id = 5);
        let x = SessionId::new("x").unwrap();
        let peer = extension.sessions.get(&x).unwrap().peer.clone();
        extension.house.group(&x, &peer, TabId(7), Instant(0));
        let asked: Vec<_> = asks(&mut extension).collect();
        let left = |tab| asked.contains(&ChromeCall::UngroupTab { tab: TabId(tab) });
        assert_eq!([7, 8].map(left), [false, true], "{asked:?}");
        assert!(asked.iter().any(|call| joins(call, 5)), "{asked:?}");
    }

    #[test]
    fn a_group_with_tabs_that_are_not_the_agents_own_is_joined_where_it_bears_its_name() {
        let given = json!({"tab/8": {"owner": {"session": ["x", "borrowed"]}}});
        let persons = json!({});
        let others = json!({"tab/8": {"owner": {"session": ["y", "made"]}}});
        for (given, title, joined) in [
            (&given, "x", true),
            (&persons, "x", true),
            (&others, "x", false),
            (&given, "Shopping", false),
            (&persons, "Shopping", false),
        ] {
            let titles = SortedMap::from([(5, title.to_owned())]);
            let mut extension = reborn_in(titles, 0, given, |facts| facts.group_id = 5);
            let x = SessionId::new("x").unwrap();
            let peer = extension.sessions.get(&x).unwrap().peer.clone();
            assert_eq!(peer.label, "x");
            extension.house.group(&x, &peer, TabId(9), Instant(0));
            let asked: Vec<_> = asks(&mut extension).collect();
            assert_eq!(asked.iter().any(|call| joins(call, 5)), joined, "{asked:?}");
        }
    }

    #[test]
    fn a_tab_with_a_record_of_its_own_is_not_taken_for_one_that_is_missing() {
        for (record, found) in [
            (json!({}), true),
            (
                json!({"tab/9": {"owner": {"session": ["forgotten", "made"]}}}),
                false,
            ),
            (json!({"tab/9": "rubbish"}), false),
        ] {
            let mut stored =
                json!({"tab/7": {"owner": {"session": ["x", "made"]}, "url": "http://x/"}});
            let more = record.as_object().unwrap().clone();
            stored.as_object_mut().unwrap().extend(more);
            let titles = SortedMap::from([(5, "x".to_owned())]);
            let mut extension = reborn_in(titles, 0, &stored, |facts| {
                if facts.id == 7 {
                    facts.id = 9;
                    facts.group_id = 5;
                    facts.url = "http://x/".into();
                }
            });
            extension.handle_input(Input::Tick, Instant(1_200));
            let x = SessionId::new("x").unwrap();
            let owned = extension.tabs.owned_by(&x);
            assert_eq!(owned == [TabId(9)], found, "{record}");
        }
    }

    #[test]
    fn a_group_without_a_title_bears_nobodys_name() {
        let session = json!({"alias": "a1", "label": "", "token": "00", "port": null});
        let stored = json!({"session/x": session});
        let titles = SortedMap::from([(5, String::new())]);
        let mut extension = reborn_in(titles, 0, &stored, |facts| facts.group_id = 5);
        let x = SessionId::new("x").unwrap();
        let peer = extension.sessions.get(&x).unwrap().peer.clone();
        assert_eq!(peer.label, "");
        extension.house.group(&x, &peer, TabId(9), Instant(0));
        assert!(!asks(&mut extension).any(|call| joins(&call, 5)));
    }

    #[test]
    fn a_tab_whose_record_cannot_be_read_stays_in_a_group_with_tabs_of_the_persons() {
        let rubbish = json!({"tab/7": "rubbish"});
        let mut extension = reborn_with(0, &rubbish, |facts| facts.group_id = 5);
        let left = |call: ChromeCall| matches!(call, ChromeCall::UngroupTab { .. });
        assert!(!asks(&mut extension).any(left));
    }

    #[test]
    fn a_tab_that_was_shown_while_no_worker_lived_loses_the_size_that_was_given_to_it() {
        for shown in [7, 8] {
            let mut extension = reborn(shown);
            let mut cleared = false;
            while let Some(effect) = extension.poll_effect() {
                if let Effect::Ask { request, call } = effect
                    && let ChromeCall::Command { method, .. } = call
                {
                    cleared |= method == "Emulation.clearDeviceMetricsOverride";
                    let outcome = Ok(json!({}));
                    extension.handle_input(Input::Done { request, outcome }, Instant(1));
                }
            }
            assert_eq!(cleared, shown == 7);
        }
    }

    /// What the first write of a life that begins with `stored` sets and removes, and what it says.
    fn first_write(stored: Value) -> (BTreeMap<String, Value>, Vec<String>, Vec<String>) {
        let boot = Boot {
            seed: [1; 32],
            extension_id: protocol::EXTENSION_ID.into(),
            secret: Ok(Secret::new([1; 32])),
            config: Config::default(),
            stored: serde_json::from_value(stored).unwrap(),
            tabs: Vec::new(),
            groups: SortedMap::new(),
            attached: SortedSet::new(),
            unpacked: true,
        };
        let mut extension = Extension::new(boot, Instant(0));
        let (mut write, mut said) = ((BTreeMap::new(), Vec::new()), Vec::new());
        while let Some(effect) = extension.poll_effect() {
            if let Effect::Write { set, remove, .. } = effect {
                write = (store::living(set).0, remove);
            } else if let Effect::Log { text } = effect {
                said.push(text);
            }
        }
        (write.0, write.1, said)
    }

    #[test]
    fn what_cannot_be_read_is_removed_or_replaced_at_boot_and_told() {
        let (set, remove, said) = first_write(json!({
            "browser": null,
            "paused": {"v": 1, "e": "yes"},
            "ports": {"v": 9, "e": [8765]},
            "session/a": {"v": 1, "e": 7},
            "session/a b": {"v": 1, "e": {}},
            "seat/a": [],
            "tab/7": null,
            "tab/seven": {"v": 1, "e": {}},
            "call/a": {"v": 1, "e": {}},
        }));
        // A pause is a person's word: in doubt it holds.
        assert_eq!(
            set.keys().collect::<Vec<_>>(),
            ["browser", "browserId", "paused"]
        );
        assert_eq!(set["paused"], json!({"v": store::VERSION, "e": true}));
        let gone = [
            "call/a",
            "ports",
            "seat/a",
            "session/a",
            "session/a b",
            "tab/7",
            "tab/seven",
        ];
        assert_eq!(remove, gone);
        let told = || set.keys().filter(|key| *key != SPARE_ID).chain(&remove);
        assert_eq!(said.len(), told().count(), "{said:?}");
        for key in told() {
            assert!(said.iter().any(|line| line.contains(key)), "{key}");
        }
    }

    #[test]
    fn the_browsers_id_outlives_the_record_that_names_it() {
        let spare = json!({"v": store::VERSION, "e": "an id"});
        for damaged in [json!(null), json!({"v": 9, "e": {}}), json!([])] {
            let stored = json!({"browser": damaged, "browserId": spare});
            let (set, _, _) = first_write(stored);
            assert_eq!(set["browser"]["e"], json!({"id": "an id", "name": "an i"}));
        }
        let later = json!({"v": 9, "e": "an id"});
        let (set, remove, _) = first_write(json!({"browser": {"v": 9}, "browserId": later}));
        assert_eq!(set["browser"]["e"]["id"], "an id");
        assert!(remove.is_empty(), "of another version: {remove:?}");
        let whole = json!({"v": store::VERSION, "e": {"id": "b", "name": "work"}});
        for damaged in [json!(null), json!({"v": store::VERSION, "e": "another"})] {
            let (set, _, _) = first_write(json!({"browser": whole, "browserId": damaged}));
            assert_eq!(set.get("browser"), None);
            assert_eq!(set["browserId"]["e"], "b");
        }
    }

    #[test]
    fn what_belongs_to_no_session_is_removed_at_boot() {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let (set, remove, _) = first_write(json!({
            "browser": entity(json!({"id": "b", "name": "work"})),
            "browserId": entity(json!("b")),
            "call/x/c-1": entity(json!({"tab": 7})),
            "seat/x": entity(json!({"current": "never", "had": false})),
            "tab/7": entity(json!({"owner": {"session": ["x", "made"]}})),
        }));
        assert!(set.is_empty(), "{set:?}");
        assert_eq!(remove, ["call/x/c-1", "seat/x", "tab/7"]);
    }

    #[test]
    fn a_seat_that_cannot_be_read_costs_its_session() {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let session = |alias: &str| {
            let token = "0".repeat(64);
            entity(json!({"alias": alias, "label": "x", "token": token, "port": 8765}))
        };
        let never = entity(json!({"current": "never", "had": false}));
        let (set, remove, _) = first_write(json!({
            "browser": entity(json!({"id": "b", "name": "work"})),
            "browserId": entity(json!("b")),
            "session/x": session("a1"),
            "seat/x": {"v": 1, "e": "nonsense"},
            "tab/7": entity(json!({"owner": {"session": ["x", "made"]}})),
            "session/y": session("a2"),
            "seat/y": never,
        }));
        assert!(set.contains_key("session/y"), "{set:?}");
        assert_eq!(remove, ["seat/x", "session/x", "tab/7"]);
    }

    #[test]
    fn what_can_be_read_is_left_and_so_is_what_is_not_ours() {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let (set, remove, said) = first_write(json!({
            "browser": entity(json!({"id": "b", "name": "work"})),
            "browserId": entity(json!("b")),
            "paused": entity(json!(true)),
            "ports": entity(json!([8765])),
            "of a later version": 1,
        }));
        assert!(set.is_empty() && remove.is_empty() && said.is_empty());
    }

    #[test]
    fn a_tab_that_the_browser_restored_by_itself_is_its_sessions_again() {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
        let seat = json!({"current": {"tab": 7}, "had": true});
        let tab = json!({"owner": {"session": ["x", "made"]}, "url": "http://x/"});
        let boot = Boot {
            seed: [1; 32],
            extension_id: protocol::EXTENSION_ID.into(),
            secret: Ok(Secret::new([1; 32])),
            config: Config::default(),
            stored: BTreeMap::from([
                ("session/x".to_owned(), entity(session)),
                ("seat/x".to_owned(), entity(seat)),
                ("tab/7".to_owned(), entity(tab)),
            ]),
            tabs: vec![TabFacts {
                id: 9,
                url: "http://x/".into(),
                group_id: 5,
                ..TabFacts::default()
            }],
            groups: SortedMap::from([(5, "x".to_owned())]),
            attached: SortedSet::new(),
            unpacked: true,
        };
        let mut extension = Extension::new(boot, Instant(0));
        let x = SessionId::new("x").unwrap();
        let (mut set, mut remove) = (BTreeMap::new(), Vec::new());
        for now in [499, 500] {
            extension.handle_input(Input::Tick, Instant(now));
            while let Some(effect) = extension.poll_effect() {
                if let Effect::Write {
                    write,
                    set: one,
                    remove: gone,
                } = effect
                {
                    let ok = true;
                    set.extend(one);
                    remove.extend(gone);
                    extension.handle_input(Input::Written { write, ok }, Instant(now));
                }
            }
        }
        assert_eq!(extension.tabs.owned_by(&x), [TabId(9)]);
        assert_eq!(extension.tabs.current(&x), Some(TabId(9)));
        assert!(extension.tabs.take_lost(&x).is_empty());
        assert_eq!(set["tab/9"]["e"]["url"], "http://x/");
        assert_eq!(set["seat/x"]["e"]["current"]["tab"], 9);
        assert!(remove.contains(&"tab/7".to_owned()));
    }
}
