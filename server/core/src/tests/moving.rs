//! Facts about a session that moves to another browser at its agent's word.

use super::rig::{Rig, lost};
use crate::sessions::OPENED_MAX;
use crate::{CallId, Config, ConnId, close, fresh_identity};
use protocol::frame::{Frame, Outcome};
use protocol::limits;
use serde_json::json;

fn moved(rig: &mut Rig, id: u64, browser: &str) -> CallId {
    rig.call(id, "browser_session", json!({"browser": browser}))
}

fn closed_sessions(rig: &Rig, conn: ConnId) -> usize {
    rig.frames
        .iter()
        .filter(|(to, frame)| *to == conn && matches!(frame, Frame::SessionClose { .. }))
        .count()
}

#[test]
fn a_session_whose_browser_is_gone_moves_to_a_standby() {
    let mut rig = Rig::new();
    let own = rig.connect("b1");
    let other = rig.pair("b2");
    rig.opened(other, Outcome::Standby, vec![]);
    rig.input(lost(own));
    rig.pass(limits::RECONNECT_WAIT);
    let call = moved(&mut rig, 1, "name of b2");
    assert!(!rig.session_open(other).unwrap().standby);
    rig.opened(other, Outcome::Resumed, vec![]);
    let (to, command) = rig.commands().remove(0);
    assert_eq!(to, other);
    assert_eq!(command.name.as_deref(), Some("browser_session"));
    rig.respond(other, &command, json!({"success": true}));
    assert!(rig.answer(call).unwrap().is_ok());
    let bound = rig.saved.last().unwrap().browser.clone().unwrap();
    assert_eq!(bound.name, "name of b2");
}

#[test]
fn an_answer_as_standby_that_comes_after_the_move_is_not_taken_for_that_to_the_move() {
    for is_answered in [true, false] {
        let mut rig = Rig::new();
        let own = rig.connect("b1");
        let other = rig.pair("b2");
        rig.input(lost(own));
        rig.pass(limits::RECONNECT_WAIT);
        moved(&mut rig, 1, "name of b2");
        assert!(!rig.session_open(other).unwrap().standby);
        rig.opened(other, Outcome::Standby, vec![]);
        assert!(rig.closed.is_empty());
        if is_answered {
            rig.opened(other, Outcome::New, vec![]);
            assert_eq!(rig.commands().len(), 1);
        } else {
            rig.pass(OPENED_MAX);
            assert_eq!(rig.closed, [(other, close::TIMEOUT)]);
        }
    }
}

#[test]
fn the_former_browser_cleans_up_and_stands_by() {
    let mut rig = Rig::new();
    let own = rig.connect("b1");
    let other = rig.pair("b2");
    rig.frames.clear();
    moved(&mut rig, 1, "NAME OF B2");
    assert_eq!(closed_sessions(&rig, own), 1);
    assert!(rig.session_open(own).unwrap().standby);
    assert!(!rig.session_open(other).unwrap().standby);
}

#[test]
fn tabs_left_behind_are_told_and_one_must_be_chosen() {
    let mut rig = Rig::new();
    let own = rig.connect("b1");
    let other = rig.pair("b2");
    let tabs = rig.call(1, "browser_tabs", json!({"action": "list"}));
    let (_, command) = rig.commands().remove(0);
    let mine = json!([{"tabId": 3, "state": "yours"}]);
    rig.respond(own, &command, json!({"success": true, "tabs": mine}));
    assert!(rig.answer(tabs).unwrap().is_ok());
    let call = moved(&mut rig, 2, "name of b2");
    rig.opened(other, Outcome::Resumed, vec![]);
    let (_, command) = rig.commands().pop().unwrap();
    rig.respond(other, &command, json!({"success": true}));
    assert!(rig.answer(call).unwrap().is_ok());
    let (_, answer) = rig.answers.last().unwrap();
    assert_eq!(answer.lost.len(), 1);
    let unnamed = rig.snapshot(3);
    assert_eq!(rig.code(unnamed), Some("tabs_lost"));
}

#[test]
fn moving_to_where_it_is_changes_nothing() {
    let mut rig = Rig::new();
    let own = rig.connect("b1");
    rig.frames.clear();
    moved(&mut rig, 1, "name of b1");
    assert_eq!(closed_sessions(&rig, own), 0);
    let (_, command) = rig.commands().remove(0);
    let empty = protocol::frame::Body::Payload(json!({}));
    assert_eq!(command.body, empty, "the browser's name does not travel");
}

#[test]
fn a_move_is_refused_where_it_cannot_be() {
    let mut rig = Rig::new();
    rig.connect("b1");
    let call = moved(&mut rig, 1, "nowhere");
    assert_eq!(rig.code(call), Some("bad_arguments"));
    let error = rig.answers[0].1.outcome.as_ref().unwrap_err();
    assert!(error.message.contains("name of b1"), "{}", error.message);
    let call = rig.call(2, "browser_session", json!({"browser": 7}));
    assert_eq!(rig.code(call), Some("bad_arguments"));
    rig.pair("b2");
    rig.click(3);
    let call = moved(&mut rig, 4, "name of b2");
    assert_eq!(rig.code(call), Some("bad_arguments"), "a call is open");
}

#[test]
fn the_users_word_outweighs_the_agents() {
    let config = Config {
        browser: Some("name of b1".into()),
        ..Config::default()
    };
    let mut rig = Rig::with(config, fresh_identity([1; 32]));
    rig.connect("b1");
    rig.pair("b2");
    let call = moved(&mut rig, 1, "name of b2");
    assert_eq!(rig.code(call), Some("bad_arguments"));
}
