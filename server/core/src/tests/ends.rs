//! Facts about the end of a server.

use super::rig::{Rig, lost};
use crate::ending::{END_CANCELS, END_MAX};
use crate::{Config, ConnId, Input, close, fresh_identity};
use protocol::frame::{Frame, Goodbye, GoodbyeReason};
use serde_json::json;
use std::time::Duration;

fn goodbye(grace_s: u32) -> Frame {
    Frame::Goodbye(Goodbye {
        reason: GoodbyeReason::Ending,
        grace_s: Some(grace_s),
        moved_to: None,
    })
}

#[test]
fn without_calls_the_end_is_at_once_and_says_goodbye() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.input(Input::End);
    assert_eq!(rig.frames, vec![(conn, goodbye(10))]);
    assert_eq!(rig.closed, vec![(conn, close::GOING_AWAY)]);
    assert!(rig.marked && rig.exited);
    assert_eq!(rig.server.poll_timeout(), None);
}

#[test]
fn a_named_instance_gets_the_full_grace() {
    let config = Config {
        explicit_instance: true,
        ..Config::default()
    };
    let mut rig = Rig::with(config, fresh_identity([1; 32]));
    let conn = rig.connect("b1");
    rig.input(Input::End);
    assert_eq!(rig.frames, vec![(conn, goodbye(300))]);
}

#[test]
fn a_call_that_ends_in_time_is_answered_and_then_it_is_over() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let call = rig.click(1);
    let command = rig.commands().remove(0).1;
    rig.input(Input::End);
    assert!(rig.deaf && !rig.exited && rig.frames.is_empty());
    rig.pass(Duration::from_millis(100));
    rig.respond(conn, &command, json!({"success": true}));
    assert!(rig.answer(call).unwrap().is_ok());
    assert!(rig.exited);
}

#[test]
fn a_call_that_runs_on_is_cancelled_and_answered_within_800_ms() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let (running, queued) = (rig.click(1), rig.snapshot(2));
    let wire_id = rig.commands().remove(0).1.wire_id;
    rig.input(Input::End);
    rig.pass(END_CANCELS);
    assert!(rig.frames.contains(&(conn, Frame::Cancel { wire_id })));
    assert_eq!(rig.answer(running), None);
    rig.pass(END_MAX - END_CANCELS);
    assert_eq!(rig.code(running), Some("cancelled"));
    assert_eq!(rig.code(queued), Some("cancelled"));
    assert!(rig.exited);
    assert!(END_MAX <= Duration::from_millis(800));
}

#[test]
fn a_call_that_waits_for_a_browser_does_not_hold_up_the_end() {
    let mut rig = Rig::new();
    let call = rig.click(1);
    rig.input(Input::End);
    rig.pass(END_MAX);
    assert_eq!(rig.code(call), Some("cancelled"));
    assert!(rig.exited);
}

#[test]
fn nobody_is_let_in_after_the_end() {
    let mut rig = Rig::new();
    rig.input(Input::End);
    rig.input(Input::End);
    let conn = rig.accept();
    assert_eq!(rig.closed, vec![(conn, close::GOING_AWAY)]);
    let call = rig.click(1);
    assert_eq!(rig.code(call), Some("session_ended"));
    rig.input(lost(ConnId(1)));
    assert_eq!(rig.server.poll_timeout(), None);
}
