//! *Turns*.

use super::*;

#[test]
fn calls_on_one_tab_run_one_at_a_time_in_order_of_arrival() {
    let mut world = World::with(&["x"]);
    let calls: Vec<CallId> = (0..3).map(|_| world.call("x", None)).collect();
    for (index, call) in calls.iter().enumerate() {
        assert_eq!(world.runs(*call), 101);
        for later in calls.iter().skip(index + 1) {
            assert_eq!(world.is(*later), Fate::Waits);
        }
        world.end(*call);
    }
}

#[test]
fn calls_on_different_tabs_run_side_by_side_of_one_session_too() {
    let mut world = World::with(&["x", "y"]);
    world.new_tab("x");
    let calls = [
        world.call("x", Some(101)),
        world.call("x", Some(103)),
        world.call("y", None),
    ];
    let tabs: Vec<u32> = calls.iter().map(|call| world.runs(*call)).collect();
    assert_eq!(tabs, vec![101, 103, 102]);
}

#[test]
fn a_cancelled_call_keeps_its_turn_until_the_browser_has_settled_it() {
    let mut world = World::with(&["x"]);
    world.hold_stops = true;
    let (first, second) = (world.call("x", None), world.call("x", None));
    world.cancel(first);
    assert_eq!(world.is(first), Fate::Stops(ErrorCode::Cancelled));
    assert_eq!(world.is(second), Fate::Waits);
    world.cancel(first);
    world.pass(secs(5));
    assert_eq!(world.is(second), Fate::Waits);
    world.answer_slow();
    assert_eq!(world.runs(second), 101);
}

#[test]
fn a_cancelled_call_in_the_queue_never_runs() {
    let mut world = World::with(&["x"]);
    let (first, second, third) = (
        world.call("x", None),
        world.call("x", None),
        world.call("x", None),
    );
    world.cancel(second);
    assert_eq!(world.refused(second), ErrorCode::Cancelled);
    world.end(first);
    assert_eq!(world.runs(third), 101);
}

#[test]
fn late_ends_and_late_cancels_change_nothing() {
    let mut world = World::with(&["x"]);
    let first = world.call("x", None);
    world.end(first);
    let (second, third) = (world.call("x", None), world.call("x", None));
    world.tell(|tabs, now| tabs.handle_turn_ended(first, now));
    world.cancel(first);
    world.tell(|tabs, now| tabs.handle_turn_ended(third, now));
    assert_eq!(world.runs(second), 101);
    assert_eq!(world.is(third), Fate::Waits);
}

#[test]
fn queueing_on_an_own_tab_is_bounded_by_the_calls_deadline() {
    let mut world = World::with(&["x"]);
    let first = world.call("x", None);
    let second = world.call("x", None);
    world.pass(limits::CALL_DEADLINE - secs(1));
    assert_eq!(world.is(second), Fate::Waits);
    world.pass(secs(1));
    assert_eq!(world.refused(second), ErrorCode::Timeout);
    assert_eq!(
        world.runs(first),
        101,
        "its own deadline is another's business"
    );
}

#[test]
fn actions_on_tabs_take_no_turn() {
    let mut world = World::with(&["x"]);
    world.call("x", None);
    let list = world.command("x", &TabsAction::List);
    let new = world.new_tab("x");
    let select = world.select("x", 101);
    for call in [list, new, select] {
        assert_eq!(world.is(call), Fate::Finished);
    }
}

#[test]
fn a_session_has_so_many_calls_at_once_and_no_more() {
    let mut world = World::with(&["x", "y"]);
    for _ in 0..limits::CALLS_PER_SESSION_MAX {
        world.call("x", None);
    }
    let over = world.call("x", None);
    assert_eq!(world.refused(over), ErrorCode::LimitReached);
    let other = world.call("y", None);
    assert_eq!(world.runs(other), 102);
}

#[test]
fn a_tab_closed_by_the_person_ends_what_runs_and_waits_on_it() {
    let mut world = World::with(&["x", "y"]);
    world.hold_stops = true;
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let claim = world.call("y", Some(101));
    world.tell(|tabs, now| tabs.handle_closed(TabId(101), "http://a/", now));
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::TabGone));
    assert_eq!(world.refused(queued), ErrorCode::TabGone);
    assert_eq!(world.refused(claim), ErrorCode::TabGone);
    world.answer_slow();
    assert!(world.tabs.calls.is_empty());
    let again = world.call("x", Some(101));
    assert_eq!(world.refused(again), ErrorCode::TabGone);
}

#[test]
fn closing_ends_the_running_call_first_and_answers_once_the_tab_is_closed() {
    let mut world = World::with(&["x", "y"]);
    (world.hold_stops, world.hold_closes) = (true, true);
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let claim = world.call("y", Some(101));
    let close = world.close("x", None);
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::TabGone));
    assert_eq!(world.refused(queued), ErrorCode::TabGone);
    assert!(!world.closed(101), "while the turn is open");
    let late = world.call("y", Some(101));
    assert_eq!(world.refused(late), ErrorCode::TabGone);
    world.answer_slow();
    assert!(world.closed(101));
    assert_eq!(
        (world.is(close), world.is(claim)),
        (Fate::Waits, Fate::Waits)
    );
    world.answer_slow();
    assert_eq!(world.is(close), Fate::Finished);
    assert_eq!(world.refused(claim), ErrorCode::TabGone);
    assert_eq!(world.unnamed("x"), ErrorCode::TabGone);
}

#[test]
fn a_tab_that_gets_another_id_while_it_is_closed_is_told_as_its_session_knows_it() {
    let mut world = World::with(&["x", "y"]);
    world.hold_closes = true;
    world.call("y", Some(101));
    let close = world.close("x", None);
    world.tell(|tabs, now| tabs.handle_replaced(TabId(101), TabId(301), now));
    assert_eq!(world.tabs.owned_by(&sid("x")), vec![], "nobody knows it so");
    world.seen.clear();
    world.tell(|tabs, now| tabs.handle_closed(TabId(301), "http://last/", now));
    world.call("x", None);
    let id = TabId(101);
    let finished = TabEvent::Finished {
        call: close,
        tab: Some(id),
    };
    assert!(world.seen.contains(&finished), "{:?}", world.seen);
    let url = Some("http://last/".to_owned());
    let gone = Fault::TabGone { tab: id, url };
    let told =
        |event: &&TabEvent| matches!(event, TabEvent::Refuse { fault, .. } if *fault == gone);
    let told = world.seen.iter().filter(told).count();
    assert_eq!(told, 2, "to who claims it, and its owner: {:?}", world.seen);
}

#[test]
fn what_is_not_ones_own_cannot_be_closed_released_or_handed_over() {
    let mut world = World::with(&["x", "y"]);
    world.person_tab(50);
    let other = [
        world.close("x", Some(102)),
        world.release("x", Some(102)),
        world.hand("x", 102, "x"),
    ];
    for call in other {
        assert_eq!(world.refused(call), ErrorCode::TabOwned);
    }
    let persons = world.close("x", Some(50));
    assert_eq!(world.refused(persons), ErrorCode::TabOfPerson);
    let none = world.close("x", Some(999));
    assert_eq!(world.refused(none), ErrorCode::TabGone);
    world.release("y", None);
    let free = world.close("x", Some(102));
    assert_eq!(world.refused(free), ErrorCode::BadArguments);
    let nobody = world.hand("x", 101, "nobody");
    assert_eq!(world.refused(nobody), ErrorCode::BadArguments);
}
