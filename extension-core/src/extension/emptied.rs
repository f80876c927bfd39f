//! What is left of the store when the core has fallen over it again and again: who the sessions
//! are, which tabs they have lost, so that each is told, which calls had begun, so that none is
//! run again (`design/worker.md`, *Panic*), and what is still to be tidied away in the browser.

use super::boot::SPARE_ID;
use crate::calls::CallRecord;
use crate::store;
use crate::tabs::{Duty, SeatRecord, TabRecord, TabRecordOwner};
use protocol::frame::LostTab;
use protocol::{SessionId, SortedMap, TabId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Keys that stay as they are. The browser's id is among them: sessions are bound to it.
const KEPT: [&str; 4] = ["browser", SPARE_ID, "paused", "ports"];

/// `stored` without what is known of tabs, and of calls only that they had begun. The tabs are the
/// person's from then on; a session that owned any gets `tabs_lost` with their last URLs. Of a tab that
/// may stand in an agent's group it stays that nothing is known of it: the next life takes it out. What
/// was half made it closes, by its intent. What else cannot be read is left out.
#[must_use]
pub fn emptied(stored: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut lost: SortedMap<SessionId, Vec<LostTab>> = SortedMap::new();
    let mut left = BTreeMap::new();
    let (stored, _) = store::living(stored.clone());
    for (key, value) in stored.iter().filter(|(key, _)| key.starts_with("tab/")) {
        let grouped = match recorded_tab(key, value) {
            Some((tab, record)) => match record.owner {
                TabRecordOwner::Session(id, duty) => {
                    let url = record.url;
                    let tabs = lost.entry(id).or_default();
                    tabs.push(LostTab { tab_id: tab, url });
                    duty == Duty::Made
                }
                TabRecordOwner::Free(..) => false,
            },
            None => true,
        };
        if grouped {
            let nothing: Option<TabRecord> = None;
            let entity = json!({"v": store::VERSION, "e": nothing});
            left.insert(key.clone(), entity);
        }
    }
    for (key, value) in &stored {
        let kinds = ["session/", "making/"];
        if KEPT.contains(&key.as_str()) || kinds.iter().any(|kind| key.starts_with(kind)) {
            left.insert(key.clone(), value.clone());
        } else if key.starts_with("call/") {
            let begun = CallRecord {
                tab: None,
                response: None,
                ended: false,
            };
            left.insert(key.clone(), json!({"v": store::VERSION, "e": begun}));
        } else if let Some((id, mut seat)) = recorded_seat(key, value) {
            seat.lost.extend(lost.remove(&id).unwrap_or_default());
            let entity = json!({"v": store::VERSION, "e": seat});
            left.insert(key.clone(), entity);
        } else if key.starts_with("seat/") {
            // It costs its session, and so tells it.
            left.insert(key.clone(), Value::Null);
        }
    }
    left
}

fn recorded_tab(key: &str, value: &Value) -> Option<(TabId, TabRecord)> {
    let tab = key.strip_prefix("tab/")?.parse().ok()?;
    Some((TabId(tab), store::read(value)?))
}

fn recorded_seat(key: &str, value: &Value) -> Option<(SessionId, SeatRecord)> {
    let id = SessionId::new(key.strip_prefix("seat/")?).ok()?;
    Some((id, store::read(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Config;
    use crate::house::MARK;
    use crate::input::{Boot, TabFacts};
    use crate::{ChromeCall, Effect, Extension};
    use protocol::frame::BegunState;
    use protocol::{Instant, SortedSet};
    use std::collections::BTreeMap;

    #[test]
    fn after_too_many_falls_each_session_learns_which_tabs_it_lost_and_what_had_begun() {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
        let seat = json!({"current": {"tab": 7}, "had": true});
        let tab = json!({"owner": {"session": ["x", "made"]}, "url": "http://a.test/"});
        let borrowed = json!({"owner": {"session": ["x", "borrowed"]}, "url": "http://c.test/"});
        let stored = BTreeMap::from([
            (
                "browser".to_owned(),
                entity(json!({"id": "b", "name": "n"})),
            ),
            ("session/x".to_owned(), entity(session)),
            ("seat/x".to_owned(), entity(seat)),
            ("seat/y".to_owned(), json!("rubbish")),
            ("tab/7".to_owned(), entity(tab)),
            ("tab/8".to_owned(), json!("rubbish")),
            ("tab/9".to_owned(), entity(borrowed)),
            ("making/n".to_owned(), entity(json!("n"))),
            ("call/x/w".to_owned(), json!("rubbish")),
            // Given back, and then came the fall.
            (
                "tab/11".to_owned(),
                json!({"v": store::VERSION, "gone": true}),
            ),
        ]);
        let stored = emptied(&stored);
        let keys: Vec<_> = stored.keys().map(String::as_str).collect();
        let kept = [
            "browser",
            "call/x/w",
            "making/n",
            "seat/x",
            "seat/y",
            "session/x",
            "tab/7",
            "tab/8",
        ];
        assert_eq!(keys, kept);

        let shown = |(id, group_id, url): (i64, i64, &str)| TabFacts {
            id,
            group_id,
            url: url.to_owned(),
            ..TabFacts::default()
        };
        let half_made = format!("{MARK}n");
        let tabs = [
            (7, 5, "http://a.test/"),
            (8, 5, "http://b.test/"),
            (9, 6, "http://c.test/"),
            (10, 5, &half_made),
        ];
        let boot = Boot {
            seed: [1; 32],
            extension_id: protocol::EXTENSION_ID.into(),
            secret: Err("pairing.json is missing".into()),
            config: Config::default(),
            stored,
            tabs: tabs.map(shown).to_vec(),
            groups: SortedMap::new(),
            attached: SortedSet::new(),
            unpacked: true,
        };
        let mut extension = Extension::new(boot, Instant(0));
        let (mut asked, mut removed) = (Vec::new(), Vec::new());
        while let Some(effect) = extension.poll_effect() {
            if let Effect::Ask { call, .. } = effect {
                asked.push(call);
            } else if let Effect::Write { remove, .. } = effect {
                removed.extend(remove);
            } else if let Effect::Log { text } = effect {
                assert!(!text.contains("tab/"), "{text}");
            }
        }
        let ungrouped = |tab| asked.contains(&ChromeCall::UngroupTab { tab: TabId(tab) });
        assert_eq!([7, 8, 9].map(ungrouped), [true, true, false], "{asked:?}");
        let allowed = true;
        let tab = TabId(7);
        assert!(asked.contains(&ChromeCall::AutoDiscardable { tab, allowed }));
        let counts = |call: &ChromeCall| matches!(call, ChromeCall::WindowTabs { .. });
        assert!(
            asked.iter().any(counts),
            "the half-made one closes: {asked:?}"
        );
        assert_eq!(removed, ["seat/y", "tab/7", "tab/8"]);
        let x = SessionId::new("x").unwrap();
        assert!(extension.tabs.is_person_tab(TabId(7)));
        assert_eq!(extension.tabs.current(&x), None);
        let lost = extension.tabs.session_record(&x).unwrap().lost;
        let lost: Vec<_> = lost.iter().map(|one| one.url.as_str()).collect();
        assert_eq!(lost, ["http://a.test/", "http://c.test/"]);
        let begun = extension.calls.begun(&x, |_| None);
        assert_eq!(begun.len(), 1);
        assert_eq!(begun[0].wire_id.to_string(), "w");
        let (url, title) = (None, None);
        assert_eq!(begun[0].state, BegunState::Unknown { url, title });
    }
}
