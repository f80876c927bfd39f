//! Tabs that the browser restored by itself (`design/worker.md`, *Coming back*, step 3), and such as
//! were unloaded when the worker died. They have new ids; what tells them are their page, and their
//! group with its session's name.
//!
//! They are sought last, when Chrome has told all that happened meanwhile: a duplicate of an agent's
//! tab looks the same, and only the news that the tab itself was closed, or has a new id, tells them
//! apart.

use super::{Extension, Trace};
use crate::input::TabFacts;
use crate::sessions::SessionRecord;
use crate::tabs::{Duty, Next, TabRecord, TabRecordOwner};
use protocol::{Instant, SessionId, SortedMap, TabId};

/// The names by which tabs are told, as they were at boot: sessions that come back may have others.
#[derive(Debug, Default)]
pub(super) struct Signs {
    labels: SortedMap<SessionId, String>,
    /// The titles of the groups.
    groups: SortedMap<i64, String>,
}

impl Signs {
    pub(super) fn new(
        sessions: &[(SessionId, SessionRecord)],
        groups: &SortedMap<i64, String>,
    ) -> Self {
        let label = |(id, record): &(SessionId, SessionRecord)| (id.clone(), record.label().into());
        Self {
            labels: sessions.iter().map(label).collect(),
            groups: groups.clone(),
        }
    }

    /// What the session was called at boot.
    pub(super) fn label(&self, session: &SessionId) -> Option<&str> {
        self.labels.get(session).map(String::as_str)
    }

    /// Whether the group was called as the session at boot.
    pub(super) fn bears_name(&self, session: &SessionId, group: i64) -> bool {
        let title = self.groups.get(&group);
        title.is_some() && title == self.labels.get(session)
    }

    /// The new ids of missing tabs, by the recorded ones, among those that nobody had. Only a made
    /// tab is found, under an id that Chrome gave after the recorded one, and only one that nothing
    /// else can be: any doubt leaves a tab open as the person's.
    fn find(
        &self,
        missing: &SortedMap<TabId, TabRecord>,
        strange: &[(TabId, &TabFacts)],
    ) -> SortedMap<TabId, TabId> {
        let mut found: SortedMap<TabId, Vec<TabId>> = SortedMap::new();
        let mut wanted: SortedMap<TabId, usize> = SortedMap::new();
        for (old, record) in missing {
            // Chrome counts its ids upwards, across restarts too.
            let fits = |(new, facts): &&(TabId, &TabFacts)| new > old && self.fits(record, facts);
            for (new, _) in strange.iter().filter(fits) {
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

    fn fits(&self, record: &TabRecord, facts: &TabFacts) -> bool {
        let TabRecordOwner::Session(owner, Duty::Made) = &record.owner else {
            return false;
        };
        let shows =
            !record.url.is_empty() && (facts.url == record.url || facts.pending_url == record.url);
        shows
            && matches!(record.leaving, None | Some(Next::Close))
            && facts
                .group()
                .is_some_and(|group| self.bears_name(owner, group))
    }
}

impl Extension {
    /// Restored tabs are missing, and no event will say what became of them.
    pub(super) fn seek(&mut self, now: Instant) {
        let strange: Vec<(TabId, &TabFacts)> = self
            .facts
            .iter()
            .filter(|(tab, _)| self.tabs.may_be_missing(**tab))
            .map(|(tab, facts)| (*tab, facts))
            .collect();
        for (old, new) in self.signs.find(&self.tabs.missing(), &strange) {
            self.note(|| Trace::Found { old, new });
            self.go_on(old, new, now);
        }
        self.tabs.handle_sought(now);
        // No tab can turn up any more that knows better which group is its session's.
        let sessions = self.sessions.iter();
        let owned: Vec<TabId> = sessions
            .flat_map(|(id, _)| self.tabs.owned_by(id))
            .collect();
        for tab in owned {
            self.take_over_group(tab, now);
        }
        self.signs = Signs::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presses::Presses;
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
            presses: Presses::Nothing,
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
        let strange: Vec<_> = tabs
            .iter()
            .map(|facts| (facts.tab().unwrap(), facts))
            .collect();
        Signs::new(&sessions, &groups).find(records, &strange)
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
    fn a_tab_with_an_older_id_is_another_whatever_it_looks_like() {
        let records = SortedMap::from([(TabId(10), record(X, Duty::Made))]);
        let both = [tab(9, X, 5), tab(11, X, 5)];
        let known_again = SortedMap::from([(TabId(10), TabId(11))]);
        assert_eq!(all_found(&records, &both), known_again);
        assert_eq!(all_found(&records, &both[..1]), SortedMap::default());
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
    }
}
