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
        let kept = Kept {
            records: &tab_records,
            ownerless: &ownerless,
            titles: groups,
        };
        for (tab, record) in tab_records.iter().filter(|(tab, _)| existing.contains(tab)) {
            if self.adopt(*tab, record, &kept, now) {
                adopted.insert(*tab);
            }
        }
        let recorded: Vec<TabId> = tab_records.keys().chain(&unread).copied().collect();
        self.take_over_groups(&kept);
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

    /// The tab's group, where that is its session's. In there may also stand tabs that are ownerless.
    /// Where tabs that the person has given somebody stand in a group, or others, that may be the
    /// person's unless it bears the session's name.
    fn group_of_session(&self, tab: TabId, owner: &SessionId, kept: &Kept<'_>) -> Option<i64> {
        let named = self.bears_name(self.facts.get(&tab)?.group()?, owner, kept);
        let fits = |one: Option<&TabRecord>| match one.map(|record| &record.owner) {
            Some(TabRecordOwner::Session(id, Duty::Made)) => id == owner,
            Some(TabRecordOwner::Session(_, Duty::Borrowed) | TabRecordOwner::Free(..)) | None => {
                named
            }
        };
        self.group_of_only(tab, |id| {
            kept.ownerless.contains(id) || fits(kept.records.get(id))
        })
    }

    fn bears_name(&self, group: i64, owner: &SessionId, kept: &Kept<'_>) -> bool {
        let label = self.sessions.get(owner).map(|one| &one.peer.label);
        label.is_some() && label == kept.titles.get(&group)
    }

    /// Sessions go on in the groups that they had. Of several that may be a session's, its own is one
    /// in which a tab stands that was made for it, and then one that bears its name.
    fn take_over_groups(&mut self, kept: &Kept<'_>) {
        let mut homes = Vec::new();
        for (id, session) in self.sessions.iter() {
            let groups = kept.records.iter().filter_map(|(tab, record)| {
                let is_its =
                    matches!(&record.owner, TabRecordOwner::Session(owner, _) if owner == id);
                let stays = is_its && record.leaving.is_none();
                let group = stays.then(|| self.group_of_session(*tab, id, kept))??;
                let made = self.is_made_in(group, id, kept);
                Some((!made, !self.bears_name(group, id, kept), group))
            });
            if let Some((no_made, _, group)) = groups.min()
                && !(no_made && self.has_group_elsewhere(id, kept))
            {
                homes.push((id.clone(), session.peer.clone(), group));
            }
        }
        for (id, peer, group) in homes {
            self.house.take_over(&id, &peer, group);
        }
    }

    /// Whether a tab that was made for the session stands in a group of its name, or may do so under
    /// an id that nobody knows yet.
    fn has_group_elsewhere(&self, owner: &SessionId, kept: &Kept<'_>) -> bool {
        let mut made = kept
            .records
            .iter()
            .filter(|(_, record)| is_made(record, owner));
        made.any(|(tab, _)| match self.facts.get(tab) {
            Some(facts) => facts
                .group()
                .is_some_and(|group| self.bears_name(group, owner, kept)),
            None => true,
        })
    }

    fn is_made_in(&self, group: i64, owner: &SessionId, kept: &Kept<'_>) -> bool {
        let is_made = |id| {
            kept.records
                .get(id)
                .is_some_and(|record| is_made(record, owner))
        };
        let mut inside = self.facts.iter();
        inside.any(|(id, one)| one.group() == Some(group) && is_made(id))
    }

    /// Whether the tab may have our debugger for a session.
    fn adopt(&mut self, tab: TabId, record: &TabRecord, kept: &Kept<'_>, now: Instant) -> bool {
        match (&record.owner, &record.leaving) {
            (TabRecordOwner::Session(owner, _), leaving) => {
                self.adopt_page(tab, record, now);
                let grouped = self.group_of_session(tab, owner, kept).is_some();
                if grouped || leaving.is_some() {
                    self.house.expect_echo(tab, now);
                }
                // Nobody's agent works in it any more.
                if self.sessions.get(owner).is_none() {
                    self.pages.clear(tab, now);
                    // A group in which the agent made no tab is the person's.
                    let group = self.facts.get(&tab).and_then(TabFacts::group);
                    if group.is_some_and(|group| self.is_made_in(group, owner, kept)) {
                        self.house.ungroup(tab, now);
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

/// What is known of the tabs and groups that the former life left.
struct Kept<'a> {
    records: &'a SortedMap<TabId, TabRecord>,
    /// Half made, or with a record that cannot be read.
    ownerless: &'a SortedSet<TabId>,
    titles: &'a SortedMap<i64, String>,
}

fn is_made(record: &TabRecord, session: &SessionId) -> bool {
    matches!(&record.owner, TabRecordOwner::Session(owner, Duty::Made) if owner == session)
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
mod tests;
