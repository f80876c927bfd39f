//! What a life of the worker finds that another one left unfinished.

use super::*;
use crate::input::BrowserEvent;

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
