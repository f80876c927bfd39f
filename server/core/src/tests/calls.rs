//! Facts about calls: one answer each, whatever happens to the socket.

use super::rig::{Rig, lost};
use crate::calls::{ANSWER_SLACK, CANCEL_MAX};
use crate::{CallId, CallProgress, CallRequest, ConnId, Input, SessionKey};
use protocol::error::{Fault, Peer};
use protocol::frame::{
    Begun, BegunState, Envelope, Frame, LostTab, Outcome, Progress, SessionOpened,
};
use protocol::{Alias, ErrorCode, SessionId, TabId, WireId, limits};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn ok() -> Value {
    json!({ "success": true })
}

/// A connected browser with one click (call 1) and one snapshot (call 2) under way.
fn busy() -> (Rig, ConnId, Envelope, Envelope) {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    rig.click(1);
    rig.snapshot(2);
    let mut commands = rig.commands();
    let (read, act) = (commands.remove(1).1, commands.remove(0).1);
    (rig, conn, act, read)
}

const CLICK: CallId = CallId(1);
const SNAPSHOT: CallId = CallId(2);

/// The socket is lost, and the browser is back with what it remembers.
fn comes_back(rig: &mut Rig, conn: ConnId, outcome: Outcome, begun: Vec<Begun>) -> ConnId {
    rig.input(lost(conn));
    rig.pass(SECOND);
    let conn = rig.pair("b1");
    rig.opened(conn, outcome, begun);
    conn
}

fn begun(command: &Envelope, state: BegunState) -> Vec<Begun> {
    let wire_id = command.wire_id.clone();
    vec![Begun { wire_id, state }]
}

#[test]
fn a_call_goes_out_with_all_it_names_and_comes_home_once() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let call = rig.call_with(
        1,
        CallRequest {
            name: "browser_click".into(),
            payload: json!({"target": "e1"}),
            tab: Some(TabId(7)),
            wait_ms: Some(5_000),
            deadline_ms: Some(20_000),
        },
    );
    let (to, command) = rig.commands().remove(0);
    assert_eq!(to, conn);
    assert_eq!(command.name.as_deref(), Some("browser_click"));
    assert_eq!(command.origin_id, None, "the client's id stays here");
    assert_eq!(
        (command.tab_id, command.wait_ms, command.deadline_ms),
        (Some(TabId(7)), Some(5_000), Some(20_000))
    );
    rig.respond(conn, &command, ok());
    rig.respond(conn, &command, json!("again"));
    assert_eq!(rig.answer(call), Some(Ok(ok())));
    assert_eq!(rig.answers[0].1.tab, Some(TabId(7)));
    let server = &rig.server;
    assert!(
        server.calls.is_empty() && server.by_wire.is_empty(),
        "nothing remains"
    );
}

#[test]
fn bad_arguments_never_reach_the_browser() {
    let mut rig = Rig::new();
    rig.connect("b1");
    let wait_ms = Some(300_001);
    let cases = [
        rig.call(1, "browser_nonsense", json!({})),
        rig.call(2, "browser_click", json!({"target": ""})),
        rig.call_with(
            3,
            CallRequest {
                name: "browser_snapshot".into(),
                payload: Value::Null,
                tab: None,
                wait_ms,
                deadline_ms: None,
            },
        ),
    ];
    for call in cases {
        assert_eq!(rig.code(call), Some("bad_arguments"));
    }
    let refused = rig.call(4, "browser_navigate", json!({"url": "chrome://settings"}));
    assert_eq!(rig.code(refused), Some("url_refused"));
    assert!(rig.commands().is_empty());
}

#[test]
fn an_answer_of_another_socket_or_for_another_session_changes_nothing() {
    let (mut rig, conn, act, _) = busy();
    let standby = rig.pair("b2");
    rig.respond(standby, &act, ok());
    let mut other = act.clone();
    other.session_id = SessionId::new("another").unwrap();
    rig.respond(conn, &other, ok());
    let mut unknown = act.clone();
    unknown.wire_id = WireId::new("unknown").unwrap();
    rig.respond(conn, &unknown, ok());
    assert_eq!(rig.answer(CLICK), None);
    rig.respond(conn, &act, ok());
    assert_eq!(rig.answer(CLICK), Some(Ok(ok())));
}

#[test]
fn a_call_waits_ten_seconds_for_a_browser_and_says_so() {
    let mut rig = Rig::new();
    let call = rig.snapshot(1);
    assert_eq!(
        rig.progress,
        vec![(call, CallProgress::Connecting { left_s: 10 })]
    );
    rig.pass(Duration::from_millis(9_999));
    assert_eq!(rig.answer(call), None);
    assert_eq!(rig.progress.len(), 5);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.code(call), Some("not_connected"));
}

#[test]
fn a_call_that_waited_goes_out_when_a_browser_comes() {
    let mut rig = Rig::new();
    let (first, second) = (rig.click(1), rig.snapshot(2));
    rig.pass(5 * SECOND);
    let conn = rig.pair("b1");
    rig.frames
        .retain(|(_, f)| matches!(f, Frame::SessionOpen(_)));
    rig.opened(conn, Outcome::New, vec![]);
    let commands = rig.commands();
    let names: Vec<_> = commands
        .iter()
        .map(|(_, command)| command.name.clone().unwrap())
        .collect();
    assert_eq!(names, vec!["browser_click", "browser_snapshot"]);
    rig.pass(6 * SECOND);
    assert_eq!((rig.answer(first), rig.answer(second)), (None, None));
}

#[test]
fn not_connected_says_what_was_seen() {
    let message = |rig: &mut Rig| {
        let call = rig.snapshot(1);
        rig.pass(limits::RECONNECT_WAIT);
        assert_eq!(rig.code(call), Some("not_connected"));
        let error = rig.answers[0].1.outcome.clone().unwrap_err();
        error.message
    };
    assert!(message(&mut Rig::new()).contains("nothing has dialled port 8765"));
    let mut nowhere = Rig::new();
    let why = "all ports are taken".to_owned();
    nowhere.input(Input::NotListening { why });
    assert!(message(&mut nowhere).contains("all ports are taken"));
    let mut left = Rig::new();
    let conn = left.connect("b1");
    left.input(lost(conn));
    assert!(message(&mut left).contains("name of b1 was connected until 10 s ago"));
}

#[test]
fn a_failed_proof_explains_why_nobody_is_connected() {
    let mut rig = Rig::new();
    let conn = rig.accept();
    let said = rig.challenged(conn, &Rig::hello("b1"));
    let mac = said.extension_mac(&protocol::pairing::Secret::new([0; 32]));
    rig.says(conn, &Frame::Proof { mac });
    let secret = Ok(super::rig::secret());
    rig.input(Input::Secret { conn, secret });
    let call = rig.snapshot(1);
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("not_paired"));
    for _ in 0..9 {
        rig.pass(10 * SECOND);
    }
    let call = rig.snapshot(2);
    rig.pass(limits::RECONNECT_WAIT);
    assert_eq!(rig.code(call), Some("not_connected"), "it was long ago");
}

#[test]
fn open_calls_are_bounded() {
    let mut rig = Rig::new();
    rig.connect("b1");
    let max = u64::try_from(limits::CALLS_PER_SESSION_MAX).unwrap();
    for id in 0..max {
        rig.snapshot(id);
    }
    let one_more = rig.snapshot(max);
    assert_eq!(rig.code(one_more), Some("limit_reached"));
    assert_eq!(rig.commands().len(), limits::CALLS_PER_SESSION_MAX);
}

#[test]
fn progress_reaches_the_call_whose_id_it_repeats() {
    let (mut rig, conn, act, _) = busy();
    let progress = Progress {
        position: 2,
        owner: Some(Peer {
            alias: Alias("a2".into()),
            label: "other".into(),
        }),
        release_in_s: None,
        left_s: 29,
    };
    let event = Envelope::event(
        act.wire_id.clone(),
        act.session_id.clone(),
        "progress",
        serde_json::to_value(&progress).unwrap(),
    );
    rig.says(conn, &Frame::Event(event.clone()));
    assert_eq!(rig.progress, vec![(CLICK, CallProgress::Claim(progress))]);
    rig.respond(conn, &act, ok());
    rig.says(conn, &Frame::Event(event));
    assert_eq!(rig.progress.len(), 1, "a late one changes nothing");
}

#[test]
fn a_queued_call_is_cancelled_at_once_and_never_sent() {
    let mut rig = Rig::new();
    let call = rig.click(1);
    rig.input(Input::Cancel { call });
    assert_eq!(rig.code(call), Some("cancelled"));
    let conn = rig.pair("b1");
    rig.opened(conn, Outcome::New, vec![]);
    assert!(rig.commands().is_empty());
}

#[test]
fn a_sent_call_is_cancelled_in_the_browser_and_its_answer_awaited_with_a_bound() {
    let (mut rig, conn, act, read) = busy();
    rig.input(Input::Cancel { call: CLICK });
    rig.input(Input::Cancel { call: CLICK });
    let wire_id = act.wire_id.clone();
    assert_eq!(rig.frames, vec![(conn, Frame::Cancel { wire_id })]);
    assert_eq!(rig.answer(CLICK), None);
    let error = Fault::Cancelled { may_still: None }.into();
    let response = Envelope::response(act.wire_id, act.session_id, Err(error));
    rig.says(conn, &Frame::Response(response));
    assert_eq!(rig.code(CLICK), Some("cancelled"));

    rig.input(Input::Cancel { call: SNAPSHOT });
    rig.pass(CANCEL_MAX);
    assert_eq!(rig.code(SNAPSHOT), Some("cancelled"));
    rig.respond(conn, &read, ok());
    assert_eq!(rig.code(SNAPSHOT), Some("cancelled"), "answered once");
}

#[test]
fn no_call_hangs_for_ever_under_a_peer_that_never_answers() {
    let (mut rig, conn, act, _) = busy();
    let longest = limits::CLAIM_WAIT + 2 * limits::CALL_DEADLINE + ANSWER_SLACK;
    for _ in 0..longest.as_secs() {
        rig.pass(SECOND);
        rig.says(conn, &Frame::Pong {});
    }
    assert_eq!(rig.code(CLICK), Some("outcome_unknown"));
    assert_eq!(rig.code(SNAPSHOT), Some("timeout"));
    let wire_id = act.wire_id;
    assert!(rig.frames.contains(&(conn, Frame::Cancel { wire_id })));
}

#[test]
fn a_time_that_is_to_pass_is_added_to_no_deadline_and_is_awaited_beside_it() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    let call = rig.call(1, "browser_wait_for", json!({"time": 100, "text": "x"}));
    // The browser lets the time pass first, and then has its usual deadline for the text.
    assert_eq!(rig.commands()[0].1.deadline_ms, None);
    let longest = limits::CLAIM_WAIT + 2 * limits::CALL_DEADLINE + ANSWER_SLACK;
    for _ in 1..(Duration::from_secs(100) + longest).as_secs() {
        rig.pass(SECOND);
        rig.says(conn, &Frame::Pong {});
    }
    assert_eq!(rig.code(call), None);
    rig.pass(SECOND);
    assert_eq!(rig.code(call), Some("timeout"));
}

#[test]
fn a_call_that_never_began_is_sent_again_with_what_is_left_of_its_wait() {
    let mut rig = Rig::new();
    let conn = rig.connect("b1");
    for (id, wait_ms) in [(1, Some(20_000)), (2, None)] {
        rig.call_with(
            id,
            CallRequest {
                name: "browser_click".into(),
                payload: json!({"target": "e1"}),
                tab: Some(TabId(7)),
                wait_ms,
                deadline_ms: None,
            },
        );
    }
    let before = rig.commands();
    rig.pass(4 * SECOND);
    let conn = comes_back(&mut rig, conn, Outcome::Resumed, vec![]);
    let after = rig.commands();
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|(to, _)| *to == conn));
    assert_eq!(after[0].1.wire_id, before[0].1.wire_id);
    assert_eq!(after[0].1.wait_ms, Some(15_000));
    assert_eq!(after[1].1.wait_ms, Some(25_000), "30 s without a word");
}

#[test]
fn a_call_that_runs_on_is_answered_by_its_response() {
    let (mut rig, conn, act, _) = busy();
    let conn = comes_back(
        &mut rig,
        conn,
        Outcome::Resumed,
        begun(&act, BegunState::Running),
    );
    let again: Vec<_> = rig.commands().into_iter().map(|(_, c)| c.wire_id).collect();
    assert!(!again.contains(&act.wire_id));
    rig.respond(conn, &act, ok());
    assert_eq!(rig.answer(CLICK), Some(Ok(ok())));
}

#[test]
fn a_call_that_ended_meanwhile_is_answered_from_the_list() {
    let (mut rig, conn, act, _) = busy();
    let response = Envelope::response(act.wire_id.clone(), act.session_id.clone(), Ok(ok()));
    let ended = BegunState::Ended {
        response: Box::new(response),
    };
    comes_back(&mut rig, conn, Outcome::Resumed, begun(&act, ended));
    assert_eq!(rig.answer(CLICK), Some(Ok(ok())));
}

#[test]
fn of_calls_whose_worker_died_the_reading_are_asked_again_and_the_acting_are_not() {
    let (mut rig, conn, act, read) = busy();
    let unknown = || BegunState::Unknown {
        url: Some("http://a/".into()),
        title: None,
    };
    let mut list = begun(&act, unknown());
    list.extend(begun(&read, unknown()));
    let conn = comes_back(&mut rig, conn, Outcome::Resumed, list);
    assert_eq!(rig.code(CLICK), Some("outcome_unknown"));
    let error = rig.answers[0].1.outcome.clone().unwrap_err();
    assert!(error.message.contains("http://a/"));
    let again = rig.commands();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1.name.as_deref(), Some("browser_snapshot"));
    assert_ne!(again[0].1.wire_id, read.wire_id);
    rig.respond(conn, &again[0].1.clone(), ok());
    assert_eq!(rig.answer(SNAPSHOT), Some(Ok(ok())));
}

#[test]
fn an_acting_call_is_not_sent_again_where_the_browser_may_have_forgotten_its_answer() {
    for (later, is_sent) in [(63, true), (64, false)] {
        let mut rig = Rig::new();
        let conn = rig.connect("b1");
        let click = rig.click(1);
        rig.commands();
        for id in 0..later {
            rig.snapshot(2 + id);
            let (_, command) = rig.commands().remove(0);
            rig.respond(conn, &command, ok());
        }
        rig.input(lost(conn));
        let conn = rig.pair("b1");
        rig.opened(conn, Outcome::Resumed, vec![]);
        assert_eq!(rig.commands().len(), usize::from(is_sent), "{later}");
        let code = (!is_sent).then_some("outcome_unknown");
        assert_eq!(rig.code(click), code, "{later}");
    }
}

#[test]
fn of_a_session_that_is_new_again_the_reading_calls_are_asked_again_and_the_acting_are_not() {
    let (mut rig, conn, _, read) = busy();
    comes_back(&mut rig, conn, Outcome::New, vec![]);
    assert_eq!(rig.code(CLICK), Some("outcome_unknown"));
    let again = rig.commands();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1.name.as_deref(), Some("browser_snapshot"));
    assert_ne!(again[0].1.wire_id, read.wire_id);
}

#[test]
fn a_reading_call_that_named_a_lost_tab_does_not_wait_for_who_has_it_now() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened_as(&mut rig, conn, Some(1), &[TabId(7)], vec![]);
    let named = CallRequest {
        name: "browser_snapshot".into(),
        payload: json!({}),
        tab: Some(TabId(7)),
        wait_ms: None,
        deadline_ms: None,
    };
    let call = rig.call_with(1, named);
    assert_eq!(rig.commands().len(), 1);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    opened_as(&mut rig, conn, Some(2), &[], vec![]);
    assert_eq!(rig.code(call), Some("tabs_lost"));
    assert_eq!(rig.answers[0].1.lost.len(), 1);
    assert!(rig.commands().is_empty());
}

#[test]
fn a_refused_session_asks_for_none_of_its_calls_again() {
    let (mut rig, conn, _, _) = busy();
    comes_back(&mut rig, conn, Outcome::Refused, vec![]);
    assert_eq!(rig.code(CLICK), Some("outcome_unknown"));
    assert_eq!(rig.code(SNAPSHOT), Some("not_connected"));
    assert!(rig.commands().is_empty());
}

/// The browser says that the session is new, which one of its name it is, and what it has.
fn opened_as(
    rig: &mut Rig,
    conn: ConnId,
    incarnation: Option<u32>,
    tabs: &[TabId],
    begun: Vec<Begun>,
) {
    opened(rig, conn, (Outcome::New, incarnation), tabs, begun);
}

fn opened(
    rig: &mut Rig,
    conn: ConnId,
    (outcome, incarnation): (Outcome, Option<u32>),
    tabs: &[TabId],
    begun: Vec<Begun>,
) {
    let open = rig.session_open(conn).expect("a session was to be opened");
    let opened = SessionOpened {
        session_id: open.session_id,
        alias: Alias("a1".into()),
        outcome,
        incarnation,
        tabs: tabs.to_vec(),
        lost: vec![],
        begun,
    };
    rig.says(conn, &Frame::SessionOpened(opened));
}

#[test]
fn a_command_that_was_lost_with_the_first_socket_of_a_new_session_is_sent_again() {
    for (told, is_sent) in [(Some(2), true), (Some(3), false), (None, false)] {
        let mut rig = Rig::new();
        let conn = rig.pair("b1");
        opened_as(&mut rig, conn, Some(2), &[], vec![]);
        let click = rig.click(1);
        assert_eq!(rig.commands().len(), 1);
        rig.input(lost(conn));
        let conn = rig.pair("b1");
        opened_as(&mut rig, conn, told, &[], vec![]);
        assert_eq!(rig.commands().len(), usize::from(is_sent), "{told:?}");
        assert_eq!(rig.code(click).is_none(), is_sent, "{told:?}");
    }
}

#[test]
fn a_session_resumed_as_an_earlier_one_runs_nothing_again_and_tells_what_it_has_lost() {
    for (told, is_earlier) in [(Some(2), false), (None, false), (Some(1), true)] {
        let mut rig = Rig::new();
        let conn = rig.pair("b1");
        opened_as(&mut rig, conn, Some(2), &[TabId(7), TabId(8)], vec![]);
        let click = rig.click(1);
        assert_eq!(rig.commands().len(), 1);
        rig.input(lost(conn));
        let conn = rig.pair("b1");
        opened(
            &mut rig,
            conn,
            (Outcome::Resumed, told),
            &[TabId(7)],
            vec![],
        );
        assert_eq!(rig.commands().len(), usize::from(!is_earlier), "{told:?}");
        let code = is_earlier.then_some("outcome_unknown");
        assert_eq!(rig.code(click), code, "{told:?}");
        let answered = rig.answers.last().map(|(_, answer)| &answer.lost[..]);
        let lost: Vec<TabId> = answered
            .unwrap_or_default()
            .iter()
            .map(|tab| tab.tab_id)
            .collect();
        assert_eq!(lost, if is_earlier { vec![TabId(8)] } else { vec![] });
    }
}

#[test]
fn a_session_told_as_new_a_second_time_tells_of_the_tabs_that_the_browser_forgot() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened_as(&mut rig, conn, Some(2), &[TabId(7), TabId(8)], vec![]);
    rig.snapshot(0);
    let command = rig.commands().remove(0).1;
    rig.respond(conn, &command, ok());
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    opened_as(&mut rig, conn, Some(2), &[TabId(8), TabId(9)], vec![]);
    rig.click(1);
    assert_eq!(rig.code(CallId(1)), Some("tabs_lost"), "chosen by name now");
    let (_, answer) = rig.answers.last().unwrap();
    let lost: Vec<TabId> = answer.lost.iter().map(|tab| tab.tab_id).collect();
    assert_eq!(lost, [TabId(7)]);
}

#[test]
fn what_the_browser_tells_as_lost_too_is_told_once() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened_as(&mut rig, conn, Some(2), &[TabId(7), TabId(8)], vec![]);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    let told = LostTab {
        tab_id: TabId(8),
        url: "http://a/".into(),
    };
    let opened = SessionOpened {
        session_id: rig.session_open(conn).unwrap().session_id,
        alias: Alias("a1".into()),
        outcome: Outcome::New,
        incarnation: Some(3),
        tabs: vec![],
        lost: vec![told.clone()],
        begun: vec![],
    };
    rig.says(conn, &Frame::SessionOpened(opened));
    rig.snapshot(1);
    let lost = |rig: &Rig| -> Vec<TabId> {
        let (_, answer) = rig.answers.last().unwrap();
        answer.lost.iter().map(|tab| tab.tab_id).collect()
    };
    assert_eq!(rig.code(CallId(1)), Some("tabs_lost"));
    assert_eq!(lost(&rig), [TabId(7), TabId(8)]);
    for (call, told_again) in [(2, vec![]), (3, vec![TabId(8)])] {
        rig.call(call, "browser_tabs", json!({"action": "list"}));
        let command = rig.commands().remove(0).1;
        let mut answer = Envelope::response(command.wire_id, command.session_id, Ok(ok()));
        answer.lost = vec![told.clone()];
        rig.says(conn, &Frame::Response(answer));
        assert_eq!(lost(&rig), told_again, "a second time it is another's");
    }
}

#[test]
fn a_tab_that_is_lost_twice_before_an_answer_is_told_once_with_its_url() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened_as(&mut rig, conn, Some(1), &[], vec![]);
    rig.click(1);
    let command = rig.commands().remove(0).1;
    let mut told = Envelope::response(
        command.wire_id,
        command.session_id,
        Ok(json!({"success": true, "url": "http://a/"})),
    );
    told.tab_id = Some(TabId(7));
    rig.says(conn, &Frame::Response(told));
    let mut last = conn;
    for incarnation in [2, 3] {
        rig.input(lost(last));
        last = rig.pair("b1");
        opened_as(&mut rig, last, Some(incarnation), &[TabId(7)], vec![]);
    }
    rig.snapshot(2);
    let lost = &rig.answers.last().unwrap().1.lost;
    assert_eq!((lost.len(), lost[0].url.as_str()), (1, "http://a/"));
}

#[test]
fn a_new_session_has_lost_all_its_tabs_and_what_runs_goes_on_but_nothing_runs_again() {
    let (mut rig, conn, act, _) = busy();
    for (call, tab) in [(7, TabId(7)), (8, TabId(8))] {
        rig.snapshot(call);
        let mut told = Envelope::response(
            rig.commands().remove(0).1.wire_id,
            act.session_id.clone(),
            Ok(ok()),
        );
        told.tab_id = Some(tab);
        rig.says(conn, &Frame::Response(told));
    }
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    let running = begun(&act, BegunState::Running);
    opened_as(&mut rig, conn, Some(2), &[TabId(7)], running);
    let (_, unread) = rig.answers.last().unwrap();
    // Of the tab that it was to read nothing is left, and the browser is there.
    assert_eq!(
        unread.outcome.clone().unwrap_err().code,
        ErrorCode::TabsLost
    );
    let lost: Vec<TabId> = unread.lost.iter().map(|tab| tab.tab_id).collect();
    assert_eq!(lost, [TabId(7), TabId(8)]);
    assert!(rig.commands().is_empty());
    rig.respond(conn, &act, ok());
    assert_eq!(rig.answer(CLICK), Some(Ok(ok())));
}

#[test]
fn calls_are_kept_ten_seconds_for_the_sessions_return() {
    let (mut rig, conn, act, _) = busy();
    rig.input(lost(conn));
    rig.pass(limits::RECONNECT_WAIT - Duration::from_millis(1));
    assert!(rig.answers.is_empty());
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.code(CLICK), Some("outcome_unknown"));
    assert_eq!(rig.code(SNAPSHOT), Some("not_connected"));
    // What still runs there is nobody's.
    let conn = rig.pair("b1");
    rig.opened(conn, Outcome::Resumed, begun(&act, BegunState::Running));
    let wire_id = act.wire_id.clone();
    assert!(rig.frames.contains(&(conn, Frame::Cancel { wire_id })));
    assert!(rig.commands().is_empty(), "nothing is sent again");
}

#[test]
fn a_cancelled_call_does_not_wait_for_the_sessions_return() {
    let (mut rig, conn, _, _) = busy();
    rig.input(Input::Cancel { call: CLICK });
    rig.input(lost(conn));
    assert_eq!(rig.code(CLICK), Some("cancelled"));
    rig.input(Input::Cancel { call: SNAPSHOT });
    assert_eq!(rig.code(SNAPSHOT), Some("cancelled"));
    let conn = rig.pair("b1");
    rig.opened(conn, Outcome::Resumed, vec![]);
    assert!(rig.commands().is_empty());
}

#[test]
fn a_result_above_the_limit_is_an_error_of_that_call() {
    let mut config = crate::Config::default();
    config.limits.frame_max = 1_000;
    let mut rig = Rig::with(config, crate::fresh_identity([1; 32]));
    let conn = rig.connect("b1");
    let call = rig.snapshot(1);
    let command = rig.commands().remove(0).1;
    rig.respond(conn, &command, json!({"snapshot": "x".repeat(1_000)}));
    assert_eq!(rig.code(call), Some("result_too_large"));
    assert_eq!(rig.closed, vec![(conn, crate::close::BAD_FRAME)]);
}

#[test]
fn lost_tabs_are_told_once_even_if_their_answer_came_too_late() {
    let (mut rig, conn, act, read) = busy();
    rig.input(Input::Cancel { call: CLICK });
    rig.pass(CANCEL_MAX);
    let tab = LostTab {
        tab_id: TabId(3),
        url: "http://gone/".into(),
    };
    let late = Frame::Response(Envelope {
        lost: vec![tab.clone()],
        ..Envelope::response(act.wire_id, act.session_id, Ok(ok()))
    });
    rig.says(conn, &late);
    rig.says(conn, &late);
    rig.respond(conn, &read, ok());
    let answer = &rig.answers.last().unwrap().1;
    assert_eq!(answer.lost, vec![tab]);
}

#[test]
fn a_reading_call_whose_large_answer_never_arrived_is_asked_again_and_tells_what_was_lost() {
    let (mut rig, conn, _, read) = busy();
    let (url, title) = (None, None);
    let unknown = Err(Fault::OutcomeUnknown { url, title }.into());
    let (wire_id, session_id) = (read.wire_id.clone(), read.session_id.clone());
    let mut kept = Envelope::response(wire_id, session_id, unknown);
    let url = String::new();
    kept.lost = vec![LostTab {
        tab_id: TabId(9),
        url,
    }];
    let response = Box::new(kept);
    let begun = begun(&read, BegunState::Ended { response });
    rig.commands();
    let conn = comes_back(&mut rig, conn, Outcome::Resumed, begun);
    let asked = rig.commands();
    let again = asked.iter().find(|(_, one)| one.name == read.name);
    let again = again.expect("asked again").1.clone();
    assert_ne!(again.wire_id, read.wire_id);
    rig.respond(conn, &again, ok());
    assert_eq!(rig.answer(SNAPSHOT), Some(Ok(ok())));
    assert_eq!(rig.answers.last().unwrap().1.lost.len(), 1);
}

#[test]
fn a_response_without_content_is_an_answer_too() {
    let (mut rig, conn, act, _) = busy();
    let mut odd = Envelope::response(act.wire_id, act.session_id, Ok(ok()));
    odd.body = protocol::Body::Payload(Value::Null);
    rig.says(conn, &Frame::Response(odd));
    assert_eq!(rig.code(CLICK), Some("internal"));
}

#[test]
fn a_call_of_no_session_is_answered() {
    let mut rig = Rig::new();
    let request = CallRequest {
        name: "browser_snapshot".into(),
        payload: Value::Null,
        tab: None,
        wait_ms: None,
        deadline_ms: None,
    };
    let (session, call) = (SessionKey(9), CallId(1));
    rig.input(Input::Call {
        session,
        call,
        request,
    });
    assert_eq!(rig.code(call), Some("session_unknown"));
}

#[test]
fn the_same_inputs_and_seed_give_the_same_run() {
    let run = || {
        let (mut rig, conn, act, _) = busy();
        rig.respond(conn, &act, ok());
        format!("{:?} {:?}", rig.frames, rig.answers)
    };
    assert_eq!(run(), run());
}
