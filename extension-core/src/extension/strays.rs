//! Tabs that the browser restored by itself (`design/worker.md`, *Coming back*, step 3), and such as
//! were unloaded when the worker died. They have new ids; what tells them are their page, and their
//! group with its session's name.

use crate::input::TabFacts;
use crate::sessions::SessionRecord;
use crate::tabs::{CurrentRecord, Duty, Next, SeatRecord, TabRecord, TabRecordOwner};
use protocol::{SessionId, SortedMap, SortedSet, TabId};

/// The new ids, by the recorded ones. Only a made tab is found, and only one that nothing else can
/// be: any doubt leaves a tab open as the person's.
pub(super) fn find(
    records: &SortedMap<TabId, TabRecord>,
    sessions: &[(SessionId, SessionRecord)],
    tabs: &[TabFacts],
    groups: &SortedMap<i64, String>,
) -> SortedMap<TabId, TabId> {
    let labels: SortedMap<&SessionId, &str> = sessions
        .iter()
        .map(|(id, record)| (id, record.label()))
        .collect();
    let there: SortedSet<TabId> = tabs.iter().filter_map(TabFacts::tab).collect();
    let is_candidate = |record: &TabRecord, facts: &TabFacts| {
        let TabRecordOwner::Session(owner, Duty::Made) = &record.owner else {
            return false;
        };
        let title = facts.group().and_then(|group| groups.get(&group));
        let shows =
            !record.url.is_empty() && (facts.url == record.url || facts.pending_url == record.url);
        shows
            && matches!(record.leaving, None | Some(Next::Close))
            && title.is_some()
            && title.map(String::as_str) == labels.get(owner).copied()
    };
    let missing = records.iter().filter(|(tab, _)| !there.contains(tab));
    let strange: Vec<(TabId, &TabFacts)> = tabs
        .iter()
        .filter_map(|facts| Some((facts.tab()?, facts)))
        .filter(|(tab, _)| !records.contains_key(tab))
        .collect();
    let mut found: SortedMap<TabId, Vec<TabId>> = SortedMap::new();
    let mut wanted: SortedMap<TabId, usize> = SortedMap::new();
    for (old, record) in missing {
        for (new, _) in strange
            .iter()
            .filter(|(_, facts)| is_candidate(record, facts))
        {
            found.entry(*old).or_default().push(*new);
            *wanted.entry(*new).or_default() += 1;
        }
    }
    found
        .into_iter()
        .filter_map(|(old, candidates)| match candidates.as_slice() {
            [only] if wanted.get(only) == Some(&1) => Some((old, *only)),
            _ => None,
        })
        .collect()
}

/// Gives the records the new ids.
pub(super) fn rename(
    found: &SortedMap<TabId, TabId>,
    records: &mut SortedMap<TabId, TabRecord>,
    seats: &mut SortedMap<SessionId, SeatRecord>,
) {
    for (old, new) in found {
        if let Some(record) = records.remove(old) {
            records.insert(*new, record);
        }
    }
    for seat in seats.values_mut() {
        if let CurrentRecord::Tab(tab) = &mut seat.current
            && let Some(new) = found.get(tab)
        {
            *tab = *new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const X: &str = "http://x/";

    fn session(name: &str) -> SessionId {
        SessionId::new(name).unwrap()
    }

    fn record(url: &str, duty: Duty) -> TabRecord {
        TabRecord {
            owner: TabRecordOwner::Session(session("x"), duty),
            url: url.into(),
            leaving: None,
            release_in_ms: None,
            acts: false,
            dialog: None,
        }
    }

    fn tab(id: i64, url: &str, group_id: i64) -> TabFacts {
        TabFacts {
            id,
            url: url.into(),
            group_id,
            ..TabFacts::default()
        }
    }

    /// What becomes of tab 1, on which `record` was written, in a browser with these `tabs`. Group 5
    /// is called as session x is, group 6 otherwise.
    fn found(record: TabRecord, tabs: &[TabFacts]) -> Option<TabId> {
        let records = SortedMap::from([(TabId(1), record)]);
        all_found(&records, tabs).remove(&TabId(1))
    }

    fn all_found(
        records: &SortedMap<TabId, TabRecord>,
        tabs: &[TabFacts],
    ) -> SortedMap<TabId, TabId> {
        let known = json!({"alias": "a1", "label": "one", "token": "", "port": null});
        let sessions = [(session("x"), serde_json::from_value(known).unwrap())];
        let groups = SortedMap::from([(5, "one".to_owned()), (6, "two".to_owned())]);
        find(records, &sessions, tabs, &groups)
    }

    #[test]
    fn a_restored_tab_is_known_by_its_page_and_its_sessions_group() {
        let made = || record(X, Duty::Made);
        assert_eq!(found(made(), &[tab(9, X, 5)]), Some(TabId(9)));
        let unloaded = TabFacts {
            pending_url: X.into(),
            ..tab(9, "", 5)
        };
        assert_eq!(found(made(), &[unloaded]), Some(TabId(9)));
        let closing = TabRecord {
            leaving: Some(Next::Close),
            ..made()
        };
        assert_eq!(found(closing, &[tab(9, X, 5)]), Some(TabId(9)));
        let others = [tab(9, "http://y/", 5), tab(8, X, 6), tab(7, X, -1)];
        assert_eq!(found(made(), &others), None);
    }

    #[test]
    fn any_doubt_leaves_a_tab_the_persons() {
        let one = [tab(9, X, 5)];
        assert_eq!(found(record(X, Duty::Borrowed), &one), None);
        assert_eq!(found(record("", Duty::Made), &[tab(9, "", 5)]), None);
        let two = [tab(9, X, 5), tab(8, X, 5)];
        assert_eq!(found(record(X, Duty::Made), &two), None, "which of them?");
        let twins = SortedMap::from([
            (TabId(1), record(X, Duty::Made)),
            (TabId(2), record(X, Duty::Made)),
        ]);
        assert!(all_found(&twins, &one).is_empty(), "whose of them?");
        let there = [tab(1, X, 5), tab(9, X, 5)];
        assert_eq!(found(record(X, Duty::Made), &there), None, "none is lost");
    }

    #[test]
    fn what_was_current_is_current_under_its_new_id() {
        let mut records = SortedMap::from([(TabId(1), record(X, Duty::Made))]);
        let seat = |tab| SeatRecord {
            current: CurrentRecord::Tab(tab),
            had: true,
            lost: Vec::new(),
        };
        let mut seats = SortedMap::from([(session("x"), seat(TabId(1)))]);
        let found = SortedMap::from([(TabId(1), TabId(9))]);
        rename(&found, &mut records, &mut seats);
        assert_eq!(records.keys().collect::<Vec<_>>(), [&TabId(9)]);
        assert_eq!(seats[&session("x")], seat(TabId(9)));
    }
}
