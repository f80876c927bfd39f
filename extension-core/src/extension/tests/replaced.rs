//! A tab that Chrome has unloaded, or whose page was prerendered, goes on under another id: whatever
//! was under way goes on with it.

use super::*;
use crate::input::{BrowserEvent, ChromeError};

const OLD: TabId = TabId(7);
const NEW: TabId = TabId(9);

fn replaced(removed: TabId, added: TabId) -> Input {
    Input::Browser(BrowserEvent::TabReplaced { added, removed })
}

/// The tab that the answer to `wire_id` names.
fn answered(peer: &Peer, wire_id: &str) -> Option<TabId> {
    let answer = peer.heard.iter().find_map(|frame| {
        if let Frame::Response(envelope) = frame {
            (envelope.wire_id.as_str() == wire_id).then_some(envelope)
        } else {
            None
        }
    });
    answer?.tab_id
}

#[test]
fn a_call_whose_begun_is_being_written_acts_on_the_tab_as_it_is_called_then() {
    let mut peer = Peer::with_a_tab();
    peer.command("w", "browser_evaluate", json!({"function": "() => 1"}));
    peer.tell(replaced(OLD, NEW));
    peer.asked.clear();
    peer.write();
    let (request, call) = peer.asked.pop().unwrap();
    assert!(matches!(call, ChromeCall::GetTab { tab: NEW }), "{call:?}");
    let message = "No tab with id: 9.".to_owned();
    let outcome = Err(ChromeError { message });
    peer.tell(Input::Done { request, outcome });
    assert_eq!(peer.code("w"), Some(ErrorCode::TabGone));
    assert_eq!(answered(&peer, "w"), Some(NEW));
}

#[test]
fn a_dialog_that_went_with_its_page_is_handled_nowhere() {
    let mut peer = Peer::with_a_tab();
    peer.command("w", "browser_handle_dialog", json!({"accept": true}));
    peer.tell(replaced(OLD, NEW));
    peer.asked.clear();
    peer.write();
    assert_eq!(peer.code("w"), Some(ErrorCode::BadArguments));
    assert_eq!(answered(&peer, "w"), Some(NEW));
}

#[test]
fn an_owned_tab_is_not_unloaded_under_its_new_id_either() {
    let mut peer = Peer::with_a_tab();
    peer.asked.clear();
    peer.tell(replaced(OLD, NEW));
    let kept = |(_, call): &(RequestId, ChromeCall)| {
        matches!(
            call,
            ChromeCall::AutoDiscardable {
                tab: NEW,
                allowed: false
            }
        )
    };
    assert!(peer.asked.iter().any(kept), "{:?}", peer.asked);
    peer.asked.clear();
    peer.tell(replaced(TabId(99), TabId(98)));
    assert!(peer.asked.is_empty(), "nobody's: {:?}", peer.asked);
}

/// Chrome tells of the tab, and that it has another id, before it answers that it made it.
#[test]
fn a_tab_that_is_replaced_before_chrome_says_that_it_is_made_is_its_sessions() {
    let mut peer = Peer::connected();
    peer.write();
    peer.command("w", "browser_tabs", json!({"action": "new"}));
    peer.asked.clear();
    peer.write();
    let (request, _) = peer.asked.pop().unwrap();
    let outcome = Ok(json!({"id": 1, "type": "normal"}));
    peer.tell(Input::Done { request, outcome });
    let (request, call) = peer.asked.pop().unwrap();
    let ChromeCall::CreateTab { url, .. } = call else {
        panic!("{call:?}");
    };
    let made = TabFacts { url, ..facts(20) };
    peer.tell(Input::Browser(BrowserEvent::TabCreated(made.clone())));
    peer.tell(replaced(TabId(20), TabId(21)));
    peer.tell(replaced(TabId(21), TabId(22)));
    let outcome = Ok(json!(made));
    peer.tell(Input::Done { request, outcome });
    assert_eq!(peer.extension.tabs.owned_by(&id()), [TabId(22)]);
    peer.write();
    assert_eq!(answered(&peer, "w"), Some(TabId(22)));
    assert_eq!(peer.code("w"), None);
}
