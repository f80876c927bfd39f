//! What a life of the worker finds that another one left unfinished.

use super::*;
use crate::input::{BrowserEvent, ChromeError};

/// A worker that starts in this browser, with what it writes first.
fn reborn(disk: BTreeMap<String, Value>, tabs: Vec<TabFacts>) -> Peer {
    let extension = boot(disk.clone(), tabs);
    let mut peer = Peer::reborn(Limits::default(), extension, disk);
    peer.write();
    peer
}

#[test]
fn a_tab_that_was_half_made_is_closed_though_another_death_comes_between() {
    let marked = || TabFacts {
        url: format!("{}0a", crate::house::MARK),
        ..facts(7)
    };
    let mut disk = stored(&[("making/0a", json!("0a"))]);
    for life in 0..3 {
        let mut peer = reborn(disk, vec![marked(), facts(8)]);
        let closes = |(_, call): &(RequestId, ChromeCall)| {
            matches!(call, ChromeCall::WindowTabs { window: 1 })
        };
        assert!(peer.asked.iter().any(closes), "life {life}");
        if life == 2 {
            let tab = TabId(7);
            peer.tell(Input::Browser(BrowserEvent::TabRemoved { tab }));
            peer.write();
        }
        disk = peer.disk;
    }
    assert!(!disk.contains_key("making/0a"));
}

#[test]
fn an_intent_whose_tab_was_never_made_is_dropped() {
    let disk = stored(&[("making/0a", json!("0a"))]);
    let peer = reborn(disk, vec![facts(8)]);
    assert!(!peer.disk.contains_key("making/0a"));
}

#[test]
fn calls_that_a_full_disk_refused_leave_nothing_to_write() {
    let mut peer = Peer::with_a_tab();
    let mut sizes = Vec::new();
    for number in 0..8 {
        let wire_id = format!("w{number}");
        peer.command(&wire_id, "browser_evaluate", json!({"function": "() => 1"}));
        let write = peer.writes.pop().unwrap();
        let (set, remove) = &peer.flying[&write];
        sizes.push(set.len() + remove.len());
        peer.tell(Input::Written { write, ok: false });
        while let Some(write) = peer.writes.pop() {
            peer.tell(Input::Written { write, ok: false });
        }
        assert_eq!(peer.code(&wire_id), Some(ErrorCode::LimitReached));
    }
    assert_eq!(sizes[1..7], sizes[2..8], "{sizes:?}");
}

/// Session s had made tab 7, and something like it is there: in the group of its name, on its page.
fn with_a_lookalike(label: &str) -> Peer {
    with_tab_8_alike(label, &[7])
}

/// The same; session s had made `made`.
fn with_tab_8_alike(label: &str, made: &[u32]) -> Peer {
    let mut session = stored_session();
    session["label"] = json!(label);
    let mut disk = stored(&[
        ("session/s", session),
        ("seat/s", json!({"current": {"tab": 7}, "had": true})),
    ]);
    for tab in made {
        let record = json!({"owner": {"session": ["s", "made"]}, "url": facts(7).url});
        disk.append(&mut stored(&[(&format!("tab/{tab}"), record)]));
    }
    let alike = TabFacts {
        group_id: 5,
        ..facts(8)
    };
    let groups = SortedMap::from([(5, label.to_owned())]);
    let extension = boot_in(disk.clone(), vec![alike], SortedSet::new(), groups);
    let mut peer = Peer::reborn(Limits::default(), extension, disk);
    peer.write();
    peer
}

fn after_a_while(peer: &mut Peer) {
    peer.now = START + MEANWHILE;
    peer.tell(Input::Tick);
    peer.write();
}

#[test]
fn a_duplicate_of_an_agents_tab_is_the_persons_though_that_was_closed_meanwhile() {
    let mut peer = with_a_lookalike("one");
    let tab = TabId(7);
    peer.tell(Input::Browser(BrowserEvent::TabRemoved { tab }));
    after_a_while(&mut peer);
    assert_eq!(peer.extension.tabs.owned_by(&id()), []);
    assert!(peer.extension.tabs.is_person_tab(TabId(8)));
    peer.command("w", "browser_snapshot", json!({}));
    assert_eq!(peer.code("w"), Some(ErrorCode::TabsLost));
}

#[test]
fn a_duplicate_of_an_agents_tab_is_the_persons_though_that_was_unloaded_meanwhile() {
    let mut peer = with_a_lookalike("one");
    let (removed, added) = (TabId(7), TabId(9));
    peer.tell(Input::Browser(BrowserEvent::TabReplaced { added, removed }));
    after_a_while(&mut peer);
    assert_eq!(peer.extension.tabs.owned_by(&id()), [added]);
    assert!(peer.extension.tabs.is_person_tab(TabId(8)));
}

#[test]
fn a_tab_of_which_no_news_comes_is_known_by_its_looks_and_not_unloaded_again() {
    // Its session is back before that, and is called otherwise now.
    for label in ["one", "another"] {
        let mut peer = with_a_lookalike(label);
        assert_eq!(peer.extension.tabs.owned_by(&id()), [TabId(7)], "in doubt");
        assert!(!peer.opened());
        peer.asked.clear();
        after_a_while(&mut peer);
        assert!(peer.opened());
        assert_eq!(peer.extension.tabs.owned_by(&id()), [TabId(8)]);
        assert_eq!(peer.extension.tabs.current(&id()), Some(TabId(8)));
        let (tab, allowed) = (TabId(8), false);
        let kept = ChromeCall::AutoDiscardable { tab, allowed };
        assert!(peer.asked.iter().any(|(_, call)| *call == kept));
        assert!(peer.disk.contains_key("tab/8") && !peer.disk.contains_key("tab/7"));
        let lost = peer.extension.tabs.lost(&id());
        assert!(lost.is_empty(), "{lost:?}");
    }
}

#[test]
fn a_tab_that_the_person_took_back_is_not_taken_for_another_that_is_missing() {
    let mut peer = with_tab_8_alike("one", &[7, 8]);
    let tab_id = TabId(8);
    peer.person(crate::PersonAction::TakeBack { tab_id });
    for (request, call) in std::mem::take(&mut peer.asked) {
        if let ChromeCall::Command { .. } = call {
            let message = "Debugger is not attached to the tab with id: 8.".into();
            let outcome = Err(ChromeError { message });
            peer.tell(Input::Done { request, outcome });
        }
    }
    peer.write();
    assert!(peer.extension.tabs.is_person_tab(tab_id));
    after_a_while(&mut peer);
    assert!(peer.extension.tabs.is_person_tab(tab_id));
    assert_eq!(peer.extension.tabs.owned_by(&id()), []);
    assert_eq!(peer.extension.tabs.lost(&id()).len(), 1);
}
