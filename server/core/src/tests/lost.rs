//! Of each tab that it lost an agent is told once, whoever knows of it.

use super::rig::{Rig, lost};
use crate::ConnId;
use protocol::frame::{Begun, BegunState, Envelope, Frame, LostTab, Outcome, SessionOpened};
use protocol::{Alias, TabId};
use serde_json::json;

fn opened(
    rig: &mut Rig,
    conn: ConnId,
    outcome: Outcome,
    incarnation: u32,
    tabs: &[u32],
    lost: &[LostTab],
    begun: Vec<Begun>,
) {
    let open = rig.session_open(conn).expect("a session was to be opened");
    let opened = SessionOpened {
        session_id: open.session_id,
        alias: Alias("a1".into()),
        outcome,
        incarnation: Some(incarnation),
        tabs: tabs.iter().copied().map(TabId).collect(),
        lost: lost.to_vec(),
        begun,
    };
    rig.says(conn, &Frame::SessionOpened(opened));
}

fn lost_tab(tab: u32) -> LostTab {
    LostTab {
        tab_id: TabId(tab),
        url: format!("http://{tab}/"),
    }
}

fn ended(command: &Envelope, lost: Vec<LostTab>) -> Vec<Begun> {
    let mut response = Envelope::response(
        command.wire_id.clone(),
        command.session_id.clone(),
        Ok(json!({"success": true})),
    );
    response.lost = lost;
    vec![Begun {
        wire_id: command.wire_id.clone(),
        state: BegunState::Ended {
            response: Box::new(response),
        },
    }]
}

#[test]
fn a_tab_of_which_an_answer_in_begun_tells_is_told_once() {
    for (outcome, incarnation) in [(Outcome::New, 2), (Outcome::Resumed, 3)] {
        let mut rig = Rig::new();
        let conn = rig.pair("b1");
        opened(&mut rig, conn, Outcome::New, 2, &[7, 8], &[], vec![]);
        rig.frames.clear();
        rig.call(1, "browser_tabs", json!({"action": "list"}));
        let command = rig.commands().remove(0).1;
        rig.input(lost(conn));
        let conn = rig.pair("b1");
        let begun = ended(&command, vec![lost_tab(7)]);
        opened(&mut rig, conn, outcome, incarnation, &[8], &[], begun);
        let (_, answer) = rig.answers.last().unwrap();
        let told: Vec<TabId> = answer.lost.iter().map(|tab| tab.tab_id).collect();
        assert_eq!(told, [TabId(7)], "{outcome:?}");
    }
}

#[test]
fn a_tab_that_was_given_and_taken_back_before_the_first_call_is_not_lost() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 2, &[7, 8], &[], vec![]);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    // 7 is current; 8 was closed or taken back, of which the browser tells with a call.
    opened(&mut rig, conn, Outcome::New, 2, &[7], &[], vec![]);
    rig.frames.clear();
    let click = rig.click(1);
    assert_eq!(rig.code(click), None);
    assert_eq!(rig.commands().len(), 1);
}

#[test]
fn what_another_browser_tells_as_lost_is_told_though_it_has_the_same_id() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 2, &[8], &[], vec![]);
    let other = rig.pair("b2");
    rig.frames.clear();
    rig.call(1, "browser_session", json!({"browser": "name of b2"}));
    opened(
        &mut rig,
        other,
        Outcome::New,
        5,
        &[],
        &[lost_tab(8)],
        vec![],
    );
    // Its answer.
    let (_, command) = rig.commands().remove(0);
    let mut answer = Envelope::response(command.wire_id, command.session_id, Ok(json!({})));
    answer.lost = vec![lost_tab(8)];
    rig.says(other, &Frame::Response(answer));
    let (_, answer) = rig.answers.last().unwrap();
    let told = answer.lost.len();
    assert_eq!(told, 2, "8 there and 8 here: {:?}", answer.lost);
}

#[test]
fn a_tab_that_is_lost_and_there_again_and_lost_is_told_again() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 2, &[8], &[], vec![]);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 3, &[], &[lost_tab(8)], vec![]);
    rig.click(1); // tabs_lost, tells of 8
    assert_eq!(rig.answers.last().unwrap().1.lost.len(), 1);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    // Its disk took nothing: the earlier one, which has 8.
    opened(&mut rig, conn, Outcome::Resumed, 2, &[8], &[], vec![]);
    rig.frames.clear();
    rig.call(2, "browser_tabs", json!({"action": "list"}));
    let (_, command) = rig.commands().remove(0);
    let mut answer = Envelope::response(command.wire_id, command.session_id, Ok(json!({})));
    answer.lost = vec![lost_tab(8)];
    rig.says(conn, &Frame::Response(answer));
    assert_eq!(rig.answers.last().unwrap().1.lost.len(), 1);
}

#[test]
fn a_lost_tab_is_told_with_the_page_that_only_the_browser_knows() {
    let mut rig = Rig::new();
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 2, &[7], &[], vec![]);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 3, &[], &[lost_tab(7)], vec![]);
    rig.click(1);
    let mut told = rig.answers.last().unwrap().1.lost.clone();
    rig.frames.clear();
    rig.call(2, "browser_tabs", json!({"action": "list"}));
    let (_, command) = rig.commands().remove(0);
    let mut answer = Envelope::response(command.wire_id, command.session_id, Ok(json!({})));
    answer.lost = vec![lost_tab(7)];
    rig.says(conn, &Frame::Response(answer));
    told.extend(rig.answers.last().unwrap().1.lost.clone());
    assert_eq!(told, [lost_tab(7)]);
}

#[test]
fn of_lost_tabs_for_which_there_is_no_room_the_browser_tells() {
    let mut rig = Rig::new();
    let (first, second): (Vec<u32>, Vec<u32>) = ((1..=100).collect(), (101..=200).collect());
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 2, &first, &[], vec![]);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    opened(&mut rig, conn, Outcome::New, 3, &second, &[], vec![]);
    rig.input(lost(conn));
    let conn = rig.pair("b1");
    let all: Vec<LostTab> = second.iter().copied().map(lost_tab).collect();
    opened(&mut rig, conn, Outcome::New, 4, &[], &all, vec![]);
    rig.frames.clear();
    rig.call(2, "browser_tabs", json!({"action": "list"}));
    let (_, command) = rig.commands().remove(0);
    let mut answer = Envelope::response(command.wire_id, command.session_id, Ok(json!({})));
    answer.lost = all;
    rig.says(conn, &Frame::Response(answer));
    assert_eq!(rig.answers.last().unwrap().1.lost.len(), 200);
}
