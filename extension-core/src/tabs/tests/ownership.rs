//! *Ownership*.

use super::*;

#[test]
fn the_first_commands_of_a_session_make_one_tab_however_many_arrive_together() {
    let mut world = World::new();
    world.hold_makes = true;
    world.open("x");
    let calls = [
        world.call("x", None),
        world.call("x", None),
        world.call("x", None),
    ];
    let makes = |world: &World| {
        let is_make = |event: &&TabEvent| {
            matches!(
                event,
                TabEvent::Make {
                    activate: false,
                    ..
                }
            )
        };
        world.seen.iter().filter(is_make).count()
    };
    assert_eq!(makes(&world), 1);
    world.answer_slow();
    assert_eq!(world.runs(calls[0]), 101);
    assert_eq!(world.is(calls[1]), Fate::Waits);
    assert_eq!(world.current("x"), Some(101));
    assert_eq!(makes(&world), 1);
}

#[test]
fn a_tab_that_could_not_be_made_fails_its_calls_and_the_next_call_tries_again() {
    let mut world = World::new();
    world.hold_makes = true;
    world.open("x");
    let (first, second) = (world.call("x", None), world.call("x", None));
    let Some(TabEvent::Make { slot, .. }) = world.slow.pop() else {
        panic!()
    };
    let fault = Fault::Internal {
        what: "no window".into(),
    };
    world.tell(|tabs, now| tabs.handle_make_failed(slot, fault, now));
    assert_eq!(world.refused(first), ErrorCode::Internal);
    assert_eq!(world.refused(second), ErrorCode::Internal);
    world.hold_makes = false;
    let third = world.call("x", None);
    assert_eq!(world.runs(third), 101);
}

#[test]
fn a_new_tab_that_could_not_be_made_leaves_the_current_one_as_it_was() {
    let mut world = World::with(&["x"]);
    world.hold_makes = true;
    let new = world.new_tab("x");
    let on_it = world.call("x", None);
    let Some(TabEvent::Make { slot, .. }) = world.slow.pop() else {
        panic!()
    };
    let fault = Fault::Internal {
        what: "no window".into(),
    };
    world.tell(|tabs, now| tabs.handle_make_failed(slot, fault, now));
    assert_eq!(world.refused(new), ErrorCode::Internal);
    assert_eq!(world.refused(on_it), ErrorCode::Internal);
    assert_eq!(world.current("x"), Some(101));
}

#[test]
fn a_call_goes_to_the_tab_that_was_current_on_its_arrival_be_it_one_still_being_made() {
    let mut world = World::with(&["x"]);
    let busy = world.call("x", None);
    world.hold_makes = true;
    let waits = world.call("x", None);
    let new = world.new_tab("x");
    let later = world.call("x", None);
    assert_eq!(world.is(new), Fate::Waits);
    world.answer_slow();
    assert_eq!(world.is(new), Fate::Finished);
    assert_eq!(world.runs(later), 102);
    world.end(busy);
    assert_eq!(world.runs(waits), 101);
}

#[test]
fn a_call_that_names_a_tab_does_not_make_it_current() {
    let mut world = World::with(&["x"]);
    world.new_tab("x");
    let named = world.call("x", Some(101));
    assert_eq!(world.runs(named), 101);
    assert_eq!(world.current("x"), Some(102));
}

#[test]
fn select_makes_an_own_tab_current_and_shows_it_only_when_asked() {
    let mut world = World::with(&["x"]);
    world.new_tab("x");
    let select = world.select("x", 101);
    assert_eq!(world.is(select), Fate::Finished);
    assert_eq!(world.current("x"), Some(101));
    let shown = TabEvent::Show { tab: TabId(102) };
    assert!(
        !world
            .seen
            .iter()
            .any(|event| matches!(event, TabEvent::Show { .. }))
    );
    let (tab, activate) = (TabId(102), true);
    world.command("x", &TabsAction::Select { tab, activate });
    assert!(world.seen.contains(&shown));
}

#[test]
fn a_popup_belongs_to_its_openers_owner_and_is_not_made_current() {
    let mut world = World::with(&["x", "y"]);
    world.popup(201, 102);
    world.popup(200, 101);
    assert!(world.owned_by(200, "x") && world.owned_by(201, "y"));
    assert_eq!(world.current("x"), Some(101));
    let call = world.call("x", Some(200));
    assert_eq!(world.runs(call), 200);
}

#[test]
fn a_tab_whose_opener_stays_unknown_is_the_persons() {
    let mut world = World::with(&["x"]);
    world.tell(|tabs, now| tabs.handle_created(TabId(200), now));
    assert_eq!(world.owner(200), Some(Owner::Undetermined));
    world.pass(browser::OPENER_MAX);
    assert_eq!(world.owner(200), Some(Owner::Person));
    world.tell(|tabs, now| tabs.handle_popup(TabId(200), TabId(101), now));
    assert_eq!(world.owner(200), Some(Owner::Person), "too late");
}

#[test]
fn nobody_touches_an_undetermined_tab() {
    let mut world = World::with(&["x", "y"]);
    world.tell(|tabs, now| tabs.handle_created(TabId(200), now));
    let (mine, other) = (world.call("x", Some(200)), world.call("y", Some(200)));
    assert_eq!(
        (world.is(mine), world.is(other)),
        (Fate::Waits, Fate::Waits)
    );
    world.tell(|tabs, now| tabs.handle_popup(TabId(200), TabId(101), now));
    assert_eq!(world.runs(mine), 200);
    assert_eq!(world.is(other), Fate::Waits, "a claim on x's tab");
    world.tell(|tabs, now| tabs.handle_created(TabId(201), now));
    let vain = world.call("y", Some(201));
    world.pass(browser::OPENER_MAX);
    assert_eq!(world.refused(vain), ErrorCode::TabOfPerson);
}

#[test]
fn a_popup_of_an_undetermined_popup_waits_for_its_opener() {
    let mut world = World::with(&["x"]);
    world.tell(|tabs, now| tabs.handle_created(TabId(200), now));
    world.popup(201, 200);
    assert_eq!(world.owner(201), Some(Owner::Undetermined));
    world.tell(|tabs, now| tabs.handle_popup(TabId(200), TabId(101), now));
    assert!(world.owned_by(200, "x") && world.owned_by(201, "x"));
}

#[test]
fn a_popup_of_the_persons_tab_is_the_persons() {
    let mut world = World::with(&["x"]);
    world.person_tab(50);
    world.popup(200, 50);
    assert_eq!(world.owner(200), Some(Owner::Person));
}

#[test]
fn a_tab_being_made_is_ours_even_when_its_event_overtakes_the_answer() {
    let mut world = World::new();
    world.hold_makes = true;
    world.open("x");
    let call = world.call("x", None);
    world.tell(|tabs, now| tabs.handle_created(TabId(101), now));
    world.popup(102, 101);
    world.answer_slow();
    assert_eq!(world.runs(call), 101);
    assert!(world.owned_by(102, "x"), "the popup of an early page");
    world.pass(secs(1));
    assert!(world.owned_by(101, "x"));
}

#[test]
fn a_replaced_tab_keeps_its_owner_its_turn_and_its_claims_under_the_new_id() {
    let mut world = World::with(&["x", "y"]);
    let (runs, waits) = (world.call("x", None), world.call("y", Some(101)));
    world.tell(|tabs, now| tabs.handle_replaced(TabId(101), TabId(301), now));
    assert!(world.owned_by(301, "x") && world.owner(101).is_none());
    assert_eq!(world.current("x"), Some(301));
    world.end(runs);
    world.release("x", None);
    assert_eq!(world.runs(waits), 301);
}

#[test]
fn unnamed_calls_fail_with_the_code_that_took_the_current_tab_until_new_or_select() {
    let mut world = World::with(&["x", "y"]);
    world.new_tab("x");
    world.release("x", None);
    assert_eq!(world.unnamed("x"), ErrorCode::TabReleased);
    world.select("x", 101);
    world
        .tell(|tabs, now| tabs.take_back(TabId(101), now))
        .unwrap();
    assert_eq!(world.unnamed("x"), ErrorCode::TabTaken);
    world.new_tab("x");
    world.tell(|tabs, now| tabs.handle_closed(TabId(104), "http://a/", now));
    let call = world.call("x", None);
    assert_eq!(world.refused(call), ErrorCode::TabGone);
    let said = TabEvent::Refuse {
        call,
        fault: Fault::TabGone {
            tab: TabId(104),
            url: Some("http://a/".into()),
        },
    };
    assert!(world.seen.contains(&said), "with its last URL");
    world.person_tab(50);
    world.give(50, "x").unwrap();
    world.select("x", 50);
    world.release("x", None);
    assert_eq!(world.unnamed("x"), ErrorCode::TabReturned);
    assert!(
        !world
            .seen
            .iter()
            .skip_while(|event| **event != said)
            .any(|event| { matches!(event, TabEvent::Make { .. }) })
    );
}

#[test]
fn a_tab_that_is_given_handed_or_granted_becomes_current_only_where_none_ever_was() {
    let mut world = World::with(&["x"]);
    for name in ["given", "handed", "granted"] {
        world.open(name);
    }
    world.person_tab(50);
    world.give(50, "given").unwrap();
    assert_eq!(world.current("given"), Some(50));
    world.new_tab("x");
    world.hand("x", 102, "handed");
    assert_eq!(world.current("handed"), Some(102));
    let claim = world.call("granted", Some(101));
    world.release("x", Some(101));
    assert_eq!(
        (world.runs(claim), world.current("granted")),
        (101, Some(101))
    );
    world.person_tab(51);
    world.give(51, "handed").unwrap();
    assert_eq!(world.current("handed"), Some(102));
    world.close("handed", None);
    world.person_tab(52);
    world.give(52, "handed").unwrap();
    assert_eq!(world.unnamed("handed"), ErrorCode::TabGone);
}

#[test]
fn a_session_has_so_many_tabs_and_no_more() {
    let mut world = World::with(&["x", "y"]);
    for _ in 1..limits::TABS_PER_SESSION_MAX {
        let new = world.new_tab("x");
        assert_eq!(world.is(new), Fate::Finished);
    }
    let new = world.new_tab("x");
    assert_eq!(world.refused(new), ErrorCode::LimitReached);
    let claim = world.call("x", Some(102));
    assert_eq!(world.refused(claim), ErrorCode::LimitReached);
    let hand = world.hand("y", 102, "x");
    assert_eq!(world.refused(hand), ErrorCode::LimitReached);
    world.person_tab(50);
    assert_eq!(
        world.give(50, "x").unwrap_err().code(),
        ErrorCode::LimitReached
    );
    world.popup(900, 101);
    assert!(world.closed(900), "a popup storm ends at the bound");
}

#[test]
fn a_listing_shows_own_tabs_first_free_and_foreign_ones_and_never_the_persons() {
    use protocol::command::TabState;
    let mut world = World::with(&["x", "y"]);
    world.person_tab(50);
    world.new_tab("y");
    world.new_tab("x");
    world.release("y", None);
    world.call("x", Some(102));
    let (current, list) = world.tabs.listing(&sid("x"));
    assert_eq!(current, Some(TabId(104)));
    let seen: Vec<_> = list
        .iter()
        .map(|tab| (tab.tab_id.0, tab.state, tab.waiters))
        .collect();
    assert_eq!(
        seen,
        vec![
            (101, TabState::Yours, 0),
            (104, TabState::Yours, 0),
            (102, TabState::Owned, 1),
            (103, TabState::Free, 0),
        ]
    );
    let owners: Vec<_> = list.iter().map(|tab| tab.owner.clone()).collect();
    assert_eq!(owners, vec![None, None, Some(peer("y")), None]);
}

#[test]
fn a_cancelled_new_leaves_no_tab_and_the_current_one_as_it_was() {
    let mut world = World::with(&["x"]);
    world.hold_makes = true;
    let new = world.new_tab("x");
    world.cancel(new);
    assert_eq!(world.refused(new), ErrorCode::Cancelled);
    assert_eq!(world.current("x"), Some(101));
    world.answer_slow();
    assert!(world.closed(102));
    assert_eq!(world.current("x"), Some(101));
}

#[test]
fn a_tab_given_up_while_it_is_made_is_passed_on_once_it_is_there() {
    let mut world = World::with(&["y"]);
    world.open("x");
    world.hold_makes = true;
    let call = world.call("x", None);
    let hand = {
        let (tab, to) = (None, peer("y").alias);
        world.command("x", &TabsAction::Handoff { tab, to })
    };
    assert_eq!(world.is(hand), Fate::Finished);
    assert_eq!(world.refused(call), ErrorCode::TabGone);
    world.answer_slow();
    assert!(world.owned_by(102, "y"));
    assert_eq!(
        world.unnamed("x"),
        ErrorCode::TabGone,
        "and none is made again"
    );
}
