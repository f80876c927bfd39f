//! A machine that sleeps ends no call of this server's, also where its clock goes on meanwhile.

use super::rig::{Rig, lost};
use crate::CallRequest;
use protocol::TabId;
use protocol::frame::{Begun, BegunState, Envelope, Frame, Outcome};
use serde_json::json;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_call_whose_socket_was_lost_waits_awake_for_the_browsers_return() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let click = rig.click(1);
    let command = rig.commands().remove(0).1;
    // Chrome closes its sockets when the machine goes to sleep.
    rig.input(lost(conn));
    rig.sleep(MINUTE);
    assert_eq!(rig.answer(click), None);
    let conn = rig.pair("b1");
    let (wire, session) = (command.wire_id, command.session_id);
    let response = Envelope::response(wire.clone(), session, Ok(json!({"success": true})));
    let begun = Begun {
        wire_id: wire,
        state: BegunState::Ended {
            response: Box::new(response),
        },
    };
    rig.opened(conn, Outcome::Resumed, vec![begun]);
    assert_eq!(rig.answer(click), Some(Ok(json!({"success": true}))));
}

#[test]
fn a_call_that_finds_no_browser_waits_for_one_awake() {
    let mut rig = Rig::new();
    let click = rig.click(1);
    for _ in 0..3 {
        rig.sleep(MINUTE);
    }
    assert_eq!(rig.answer(click), None);
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.code(click), Some("not_connected"));
}

#[test]
fn a_call_that_a_browser_works_on_is_awaited_however_often_the_machine_sleeps() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let request = CallRequest {
        name: "browser_click".into(),
        payload: json!({"target": "e1"}),
        tab: Some(TabId(7)),
        wait_ms: None,
        deadline_ms: None,
    };
    let click = rig.call_with(1, request);
    for _ in 0..20 {
        rig.sleep(MINUTE);
        rig.says(conn, &Frame::Pong {});
    }
    assert!(rig.closed.is_empty(), "it lives");
    assert_eq!(rig.answer(click), None);
}

#[test]
fn a_call_that_was_cancelled_is_awaited_awake() {
    let mut rig = Rig::new();
    rig.connect("b1");
    let click = rig.click(1);
    rig.input(crate::Input::Cancel { call: click });
    rig.sleep(MINUTE);
    assert_eq!(rig.answer(click), None);
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.code(click), Some("cancelled"));
}

/// Every step comes six seconds late.
#[test]
fn a_starved_machine_ends_its_calls_too_and_misses_a_silent_browser() {
    let mut rig = Rig::new();
    rig.connect("b1");
    let began = rig.now;
    let click = rig.click(1);
    while rig.answer(click).is_none() || rig.closed.is_empty() {
        let (at, _) = rig.server.poll_timeout().unwrap();
        rig.now = rig.now.max(at) + Duration::from_secs(6);
        rig.input(crate::Input::Tick);
        assert!(
            rig.now.since(began) < 10 * MINUTE,
            "{:?}",
            rig.answer(click)
        );
    }
}
