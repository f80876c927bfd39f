//! Lost tabs are told once, by the answer that leaves first.

use super::*;

/// A session that has lost tab 9 and has tab 7.
pub(super) fn with_a_loss(limits: Limits, url: &str) -> Peer {
    let lost = json!({"owner": {"session": ["s", "made"]}, "url": url});
    let entities = stored(&[
        ("session/s", stored_session()),
        ("seat/s", json!({"current": {"tab": 9}, "had": true})),
        ("tab/9", lost),
    ]);
    let mut peer = Peer::connected_with(limits, boot(entities, vec![facts(7)]));
    peer.now = START + MEANWHILE;
    peer.write();
    peer.extension.tabs.give(TabId(7), &id(), START).unwrap();
    peer.tell(Input::Tick);
    peer
}

/// … and asks as `held` to release it: the answer waits for the disk.
fn with_a_held_answer(limits: Limits, url: &str) -> Peer {
    let mut peer = with_a_loss(limits, url);
    peer.release("held");
    peer
}

#[test]
fn lost_tabs_are_told_with_the_answer_that_leaves_first() {
    let mut peer = with_a_held_answer(Limits::default(), "https://a.test/");
    peer.command("quick", "browser_session", json!({}));
    assert_eq!(peer.answers(), ["quick"]);
    assert_eq!(peer.told_by(), ["quick"]);
    peer.write();
    assert_eq!(peer.answers(), ["quick", "held"]);
    assert_eq!(peer.told_by(), ["quick"], "once");
}

#[test]
fn an_answer_that_waited_and_told_of_lost_tabs_tells_it_again_when_it_is_asked_for_again() {
    let mut peer = with_a_held_answer(Limits::default(), "https://a.test/");
    peer.write();
    assert_eq!(peer.told_by(), ["held"]);
    peer.release("held");
    assert_eq!(peer.told_by(), ["held", "held"]);
    // After a death too.
    let kept = &peer.stored["call/s/held"]["e"];
    assert_eq!(kept["response"]["lost"][0]["tabId"], 9);
}

/// The browser comes back with what it wrote, and its server with the call that it waits for.
#[test]
fn an_answer_that_told_of_lost_tabs_and_never_arrived_tells_them_when_it_is_asked_for_again() {
    let mut peer = with_a_held_answer(Limits::default(), "https://a.test/");
    peer.command("read", "browser_session", json!({}));
    assert_eq!(peer.told_by(), ["read"]);
    peer.command("read", "browser_session", json!({}));
    assert_eq!(peer.told_by(), ["read", "read"]);
    peer.write();
    let stored = peer.stored.clone();
    let mut later = Peer::connected_with(Limits::default(), boot(stored, vec![facts(7)]));
    later.write();
    later.command("read", "browser_session", json!({}));
    assert_eq!(later.told_by(), ["read"]);
}

#[test]
fn an_answer_that_waits_for_the_disk_is_not_given_to_who_asks_again() {
    let mut peer = with_a_held_answer(Limits::default(), "https://a.test/");
    peer.release("held");
    assert_eq!(peer.answers(), [] as [&str; 0]);
    peer.write();
    assert_eq!(peer.answers(), ["held"]);
    assert_eq!(peer.told_by(), ["held"]);
}

#[test]
fn lost_tabs_whose_urls_are_too_large_to_send_are_told_without() {
    let frame_max = protocol::limits::HANDSHAKE_FRAME_MAX;
    let url = format!("https://a.test/{}", "x".repeat(frame_max));
    let mut peer = with_a_held_answer(Limits { frame_max }, &url);
    peer.write();
    assert_eq!(peer.told_by(), ["held"]);
    assert_eq!(peer.code("held"), Some(ErrorCode::ResultTooLarge));
}

#[test]
fn a_word_that_a_session_is_open_is_never_too_large_and_keeps_the_losses_that_answers_told() {
    let frame_max = protocol::limits::HANDSHAKE_FRAME_MAX;
    let url = format!("https://a.test/{}", "x".repeat(frame_max));
    let mut peer = with_a_held_answer(Limits { frame_max }, &url);
    peer.command("read", "browser_session", json!({}));
    peer.write();
    let stored = peer.stored.clone();
    let mut later = Peer::connected_with(Limits { frame_max }, boot(stored, vec![facts(7)]));
    later.write();
    let mut told = Vec::new();
    for frame in &later.heard {
        let Frame::SessionOpened(opened) = frame else {
            continue;
        };
        for begun in &opened.begun {
            if let BegunState::Ended { response } = &begun.state {
                told.extend(response.lost.clone());
            }
        }
    }
    let url = String::new();
    let lost = LostTab {
        tab_id: TabId(9),
        url,
    };
    assert_eq!(told, [lost]);
}
