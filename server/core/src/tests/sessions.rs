//! Facts about sessions: names, tokens, browsers, standbys.

use super::rig::{Rig, lost};
use crate::sessions::{FULL_WAIT, OPENED_MAX, Session};
use crate::{
    BoundBrowser, CallId, CallRequest, Config, Identity, Input, Note, SessionKey, close,
    fresh_identity,
};
use protocol::frame::{LostTab, Outcome};
use protocol::{BrowserId, Envelope, Frame, TabId, limits};
use serde_json::json;
use std::time::Duration;

fn bound_to(browser: &str) -> Identity {
    Identity {
        browser: Some(BoundBrowser {
            id: BrowserId(browser.into()),
            name: format!("name of {browser}"),
        }),
        ..fresh_identity([1; 32])
    }
}

#[test]
fn a_session_opens_with_its_name_token_and_label_and_binds_the_browser() {
    let identity = fresh_identity([1; 32]);
    let mut rig = Rig::with(Config::default(), identity.clone());
    let conn = rig.pair("b1");
    let open = rig.session_open(conn).unwrap();
    assert_eq!(open.session_id, identity.session_id);
    assert_eq!(open.resume_token, identity.resume_token);
    assert_eq!(open.label, "agent", "its client has not spoken yet");
    assert!(rig.saved.is_empty(), "not before the browser agreed");
    rig.opened(conn, Outcome::New, vec![]);
    assert_eq!(rig.saved, vec![bound_to("b1")]);
}

#[test]
fn a_browser_that_comes_before_the_identity_waits_for_it() {
    let mut rig = Rig::unnamed(Config::default());
    let conn = rig.pair("b1");
    assert!(rig.session_open(conn).is_none());
    rig.input(Input::Identity {
        session: SessionKey::ONLY,
        identity: fresh_identity([1; 32]),
    });
    assert!(rig.session_open(conn).is_some());
}

#[test]
fn a_refused_session_is_opened_again_under_a_fresh_name() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    let first = rig.session_open(conn).unwrap();
    rig.opened(conn, Outcome::Refused, vec![]);
    let second = rig.session_open(conn).unwrap();
    assert_ne!(first.session_id, second.session_id);
    assert_ne!(first.resume_token, second.resume_token);
    assert_eq!(rig.saved.last().unwrap().session_id, second.session_id);
    // Why is known only now.
    assert!(!rig.notes.contains(&Note::SessionRefused));
    rig.opened(conn, Outcome::New, vec![]);
    assert!(rig.notes.contains(&Note::SessionRefused));
    rig.click(1);
    assert_eq!(rig.commands()[0].1.session_id, second.session_id);
}

#[test]
fn a_browser_that_refuses_a_fresh_name_too_is_full_which_is_told_and_asked_again_later() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    rig.opened(conn, Outcome::Refused, vec![]);
    for round in 0..3 {
        let call = rig.click(round);
        rig.opened(conn, Outcome::Refused, vec![]);
        // Said again, it changes nothing.
        rig.opened(conn, Outcome::Refused, vec![]);
        rig.frames.clear();
        rig.says(conn, &Frame::Ping {});
        rig.pass(FULL_WAIT);
        assert_eq!(rig.code(call), Some("limit_reached"));
        assert!(!rig.session_open(conn).unwrap().standby, "asked again");
        assert!(rig.closed.is_empty(), "{:?}", rig.closed);
    }
    let browser = "name of b1".to_owned();
    assert_eq!(rig.notes, [Note::BrowserFull { browser }], "told once");
    rig.opened(conn, Outcome::New, vec![]);
    rig.click(9);
    assert_eq!(rig.commands().len(), 1);
}

#[test]
fn a_session_that_finds_no_room_is_told_so_and_the_others_of_its_server_go_on() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let session = SessionKey(1);
    let entry = Session::new(None, rig.now);
    rig.server.sessions.insert(session, entry);
    let identity = fresh_identity([2; 32]);
    rig.input(Input::Identity { session, identity });
    rig.opened(conn, Outcome::Refused, vec![]);
    rig.opened(conn, Outcome::Refused, vec![]);
    let third = SessionKey(2);
    let entry = Session::new(None, rig.now);
    rig.server.sessions.insert(third, entry);
    let identity = fresh_identity([3; 32]);
    rig.input(Input::Identity {
        session: third,
        identity,
    });
    rig.opened(conn, Outcome::New, vec![]);
    let call = CallId(1);
    let request = CallRequest {
        name: "browser_snapshot".into(),
        payload: json!({}),
        tab: None,
        wait_ms: None,
        deadline_ms: None,
    };
    rig.input(Input::Call {
        session,
        call,
        request,
    });
    let open = rig.click(2);
    let command = rig.commands()[0].1.clone();
    rig.pass(FULL_WAIT);
    assert_eq!(rig.code(call), Some("limit_reached"));
    assert!(rig.closed.is_empty(), "{:?}", rig.closed);
    rig.respond(conn, &command, json!({"success": true}));
    assert!(matches!(rig.answer(open), Some(Ok(_))));
}

#[test]
fn a_full_browser_that_does_not_answer_when_it_is_asked_again_is_dropped() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    rig.opened(conn, Outcome::Refused, vec![]);
    rig.opened(conn, Outcome::Refused, vec![]);
    rig.pass(FULL_WAIT + OPENED_MAX);
    assert_eq!(rig.closed, [(conn, close::TIMEOUT)]);
}

#[test]
fn a_browser_that_was_full_and_is_gone_is_told_as_gone() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    rig.opened(conn, Outcome::Refused, vec![]);
    rig.opened(conn, Outcome::Refused, vec![]);
    rig.input(lost(conn));
    let call = rig.click(1);
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("not_connected"));
}

#[test]
fn a_browser_that_never_answers_session_open_is_dropped() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    rig.pass(OPENED_MAX);
    assert_eq!(rig.closed, vec![(conn, close::TIMEOUT)]);
}

#[test]
fn the_first_browser_holds_the_session_and_others_stand_by() {
    let mut rig = Rig::new();
    rig.connect("b1");
    let other = rig.pair("b2");
    assert!(rig.session_open(other).unwrap().standby);
    let browser = "name of b2".to_owned();
    assert!(rig.notes.contains(&Note::StandsBy { browser }));
    rig.opened(other, Outcome::Standby, vec![]);
    assert!(rig.closed.is_empty());
}

#[test]
fn a_reading_call_that_was_lost_with_its_browser_is_told_who_stands_by() {
    let mut rig = Rig::new();
    let own = rig.connect("b1");
    rig.pair("b2");
    let call = rig.snapshot(1);
    rig.input(lost(own));
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("browser_gone"));
    let error = rig.answers[0].1.outcome.as_ref().unwrap_err();
    assert!(error.message.contains("name of b1") && error.advice.contains("name of b2"));
}

#[test]
fn a_standby_never_takes_over_silently() {
    let mut rig = Rig::new();
    let own = rig.connect("b1");
    let other = rig.pair("b2");
    rig.input(lost(own));
    let call = rig.snapshot(1);
    rig.pass(limits::RECONNECT_WAIT);
    assert!(rig.session_open(other).unwrap().standby);
    assert_eq!(rig.code(call), Some("browser_gone"));
    let error = rig.answers[0].1.outcome.as_ref().unwrap_err();
    assert!(error.message.contains("name of b1") && error.advice.contains("name of b2"));
    // Its ten seconds are over, so the next call need not wait as long again.
    let next = rig.snapshot(2);
    rig.pass(Duration::ZERO);
    assert_eq!(rig.code(next), Some("browser_gone"));
    // The own browser comes back, and all is well.
    rig.connect("b1");
    rig.snapshot(3);
    assert_eq!(rig.commands().len(), 1);
}

#[test]
fn a_resumed_session_waits_for_its_browser() {
    let mut rig = Rig::with(Config::default(), bound_to("b1"));
    let other = rig.pair("b2");
    assert!(rig.session_open(other).unwrap().standby);
    let call = rig.snapshot(1);
    rig.pass(Duration::from_secs(9));
    assert_eq!(rig.answer(call), None);
    let own = rig.pair("b1");
    assert!(!rig.session_open(own).unwrap().standby);
    rig.opened(own, Outcome::Resumed, vec![]);
    assert_eq!(rig.commands().len(), 1);
}

#[test]
fn when_the_first_browser_leaves_before_it_opened_the_session_the_next_gets_it() {
    let mut rig = Rig::new();
    let first = rig.pair("b1");
    let second = rig.pair("b2");
    assert!(rig.session_open(second).unwrap().standby);
    rig.input(lost(first));
    assert!(!rig.session_open(second).unwrap().standby);
}

#[test]
fn a_browser_that_the_user_named_is_the_only_one_that_gets_the_session() {
    let config = Config {
        browser: Some("Name of B2".into()),
        ..Config::default()
    };
    let mut rig = Rig::with(config, bound_to("b1"));
    let first = rig.pair("b1");
    assert!(rig.session_open(first).unwrap().standby);
    let second = rig.pair("b2");
    assert!(!rig.session_open(second).unwrap().standby);
}

#[test]
fn a_second_socket_of_the_same_browser_takes_the_place_of_the_first() {
    let mut rig = Rig::new();
    let old = rig.connect("b1");
    rig.click(1);
    rig.frames.clear();
    let new = rig.pair("b1");
    assert_eq!(rig.closed, vec![(old, close::REPLACED)]);
    let order: Vec<bool> = rig
        .frames
        .iter()
        .filter(|(to, _)| *to == new)
        .map(|(_, frame)| matches!(frame, Frame::HelloAck(_)))
        .collect();
    assert_eq!(order, vec![true, false], "helloAck, then one sessionOpen");
}

#[test]
fn a_new_label_is_said_again_and_is_cut() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    rig.opened(conn, Outcome::New, vec![]);
    rig.input(Input::Label {
        session: SessionKey::ONLY,
        label: "ä".repeat(200),
    });
    let label = rig.session_open(conn).unwrap().label;
    assert_eq!(label.chars().count(), limits::LABEL_MAX);
    rig.frames.clear();
    rig.input(Input::Label {
        session: SessionKey::ONLY,
        label,
    });
    assert!(rig.frames.is_empty(), "the same label is not said twice");
}

#[test]
fn the_users_label_wins() {
    let config = Config {
        label: Some("mine".into()),
        ..Config::default()
    };
    let mut rig = Rig::with(config, fresh_identity([1; 32]));
    let label = "client 1.0".into();
    rig.input(Input::Label {
        session: SessionKey::ONLY,
        label,
    });
    let conn = rig.pair("b1");
    assert_eq!(rig.session_open(conn).unwrap().label, "mine");
}

#[test]
fn a_session_that_the_browser_forgot_tells_which_tabs_are_lost_and_goes_on_with_none() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.click(1);
    let command = rig.commands().remove(0).1;
    rig.respond(conn, &command, json!({"success": true, "url": "http://a/"}));
    rig.input(lost(conn));
    let conn = rig.connect("b1");
    let unnamed = rig.snapshot(2);
    assert_eq!(rig.code(unnamed), Some("tabs_lost"));
    let lost = &rig.answers.last().unwrap().1.lost;
    assert_eq!((lost.len(), lost[0].url.as_str()), (1, "http://a/"));
    let again = rig.snapshot(3);
    assert_eq!(rig.code(again), Some("tabs_lost"));
    assert!(rig.answers.last().unwrap().1.lost.is_empty(), "told once");
    rig.call(4, "browser_tabs", json!({"action": "new"}));
    let command = rig.commands().remove(0).1;
    rig.respond(conn, &command, json!({"success": true, "tabs": []}));
    rig.snapshot(5);
    assert_eq!(rig.commands().len(), 1);
}

#[test]
fn a_tab_that_an_answer_told_as_lost_is_not_told_again_when_the_browser_forgets_the_session() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.click(1);
    let command = rig.commands().remove(0).1;
    rig.respond(conn, &command, json!({"success": true, "url": "http://a/"}));
    rig.call(2, "browser_session", json!({}));
    let command = rig.commands().remove(0).1;
    let mut told = Envelope::response(command.wire_id, command.session_id, Ok(json!({})));
    told.lost = vec![LostTab {
        tab_id: TabId(7),
        url: "http://a/".into(),
    }];
    rig.says(conn, &Frame::Response(told));
    assert_eq!(rig.answers.last().unwrap().1.lost.len(), 1);
    rig.input(lost(conn));
    let conn = rig.connect("b1");
    rig.call(3, "browser_session", json!({}));
    let command = rig.commands().remove(0).1;
    rig.respond(conn, &command, json!({}));
    assert!(rig.answers.last().unwrap().1.lost.is_empty(), "told once");
}

#[test]
fn a_successor_of_a_killed_server_is_told_once_that_its_tabs_are_lost() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    assert!(!rig.saved.last().unwrap().has_tabs);
    rig.click(1);
    let command = rig.commands().remove(0).1;
    rig.respond(conn, &command, json!({ "url": "http://a/" }));
    let kept = rig.saved.last().unwrap().clone();
    assert!(kept.has_tabs);

    // One that dies before its agent has asked anything leaves that to the next.
    let mut silent = Rig::with(Config::default(), kept.clone());
    silent.connect("b1");
    assert!(silent.saved.is_empty(), "{:?}", silent.saved);

    let mut next = Rig::with(Config::default(), kept);
    let conn = next.connect("b1");
    let unnamed = next.click(1);
    assert_eq!(next.code(unnamed), Some("tabs_lost"));
    let list = next.call(2, "browser_tabs", json!({ "action": "select", "tabId": 9 }));
    let command = next.commands().remove(0).1;
    next.respond(conn, &command, json!({ "success": true, "tabs": [] }));
    assert!(next.answer(list).unwrap().is_ok());
    let kept = next.saved.last().unwrap().clone();
    assert!(!kept.has_tabs, "its agent has chosen, and has none");

    let mut last = Rig::with(Config::default(), kept);
    last.connect("b1");
    last.click(1);
    assert_eq!(last.commands().len(), 1);
}

#[test]
fn a_successor_whose_session_lives_goes_on() {
    let kept = Identity {
        has_tabs: true,
        ..bound_to("b1")
    };
    let mut next = Rig::with(Config::default(), kept);
    let conn = next.pair("b1");
    let open = next.session_open(conn).unwrap();
    let opened = protocol::frame::SessionOpened {
        session_id: open.session_id,
        alias: protocol::Alias("a1".into()),
        outcome: Outcome::Resumed,
        incarnation: None,
        tabs: vec![TabId(7)],
        lost: vec![],
        begun: vec![],
    };
    next.says(conn, &Frame::SessionOpened(opened));
    assert!(next.saved.is_empty(), "nothing has changed");
    next.click(1);
    assert_eq!(next.commands().len(), 1);
}
