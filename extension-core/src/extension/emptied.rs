//! What is left of the store when the core has fallen over it again and again: who the sessions
//! are, which tabs they have lost, so that each is told, and which calls had begun, so that none is
//! run again (`design/worker.md`, *Panic*).

use super::boot::SPARE_ID;
use crate::calls::CallRecord;
use crate::store;
use crate::tabs::{SeatRecord, TabRecord, TabRecordOwner};
use protocol::frame::LostTab;
use protocol::{SessionId, SortedMap, TabId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Keys that stay as they are. The browser's id is among them: sessions are bound to it.
const KEPT: [&str; 4] = ["browser", SPARE_ID, "paused", "ports"];

/// `stored` without tabs, and of calls only that they had begun. The tabs are the person's from then
/// on; a session that owned any gets `tabs_lost` with their last URLs. What cannot be read is left out.
#[must_use]
pub fn emptied(stored: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut lost: SortedMap<SessionId, Vec<LostTab>> = SortedMap::new();
    for (key, value) in stored {
        if let Some((tab, record)) = recorded_tab(key, value) {
            match record.owner {
                TabRecordOwner::Session(id, _duty) => {
                    let url = record.url;
                    let tabs = lost.entry(id).or_default();
                    tabs.push(LostTab { tab_id: tab, url });
                }
                TabRecordOwner::Free(..) => {}
            }
        }
    }
    let mut left = BTreeMap::new();
    for (key, value) in stored {
        if KEPT.contains(&key.as_str()) || key.starts_with("session/") {
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
    use crate::Extension;
    use crate::files::Config;
    use crate::input::{Boot, TabFacts};
    use protocol::frame::BegunState;
    use protocol::{Instant, SortedSet};
    use std::collections::BTreeMap;

    #[test]
    fn after_too_many_falls_each_session_learns_which_tabs_it_lost_and_what_had_begun() {
        let entity = |body: Value| json!({"v": store::VERSION, "e": body});
        let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
        let seat = json!({"current": {"tab": 7}, "had": true});
        let tab = json!({"owner": {"session": ["x", "made"]}, "url": "http://a.test/"});
        let stored = BTreeMap::from([
            (
                "browser".to_owned(),
                entity(json!({"id": "b", "name": "n"})),
            ),
            ("session/x".to_owned(), entity(session)),
            ("seat/x".to_owned(), entity(seat)),
            ("tab/7".to_owned(), entity(tab)),
            ("tab/8".to_owned(), json!("rubbish")),
            ("call/x/w".to_owned(), json!("rubbish")),
        ]);
        let stored = emptied(&stored);
        let keys: Vec<_> = stored.keys().map(String::as_str).collect();
        assert_eq!(keys, ["browser", "call/x/w", "seat/x", "session/x"]);

        let tab = TabFacts {
            id: 7,
            ..TabFacts::default()
        };
        let boot = Boot {
            seed: [1; 32],
            extension_id: protocol::EXTENSION_ID.into(),
            secret: Err("pairing.json is missing".into()),
            config: Config::default(),
            stored,
            tabs: vec![tab],
            groups: SortedMap::new(),
            attached: SortedSet::new(),
            unpacked: true,
        };
        let extension = Extension::new(boot, Instant(0));
        let x = SessionId::new("x").unwrap();
        assert!(extension.tabs.is_person_tab(TabId(7)));
        assert_eq!(extension.tabs.current(&x), None);
        let lost = extension.tabs.session_record(&x).unwrap().lost;
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].url, "http://a.test/");
        let begun = extension.calls.begun(&x, |_| None);
        assert_eq!(begun.len(), 1);
        assert_eq!(begun[0].wire_id.to_string(), "w");
        let (url, title) = (None, None);
        assert_eq!(begun[0].state, BegunState::Unknown { url, title });
    }
}
