//! What the person may do.

use super::*;

#[test]
fn the_person_takes_a_tab_back_whatever_runs_and_waits_on_it() {
    let mut world = World::with(&["x", "y"]);
    world.hold_stops = true;
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let claim = world.call("y", Some(101));
    world
        .tell(|tabs, now| tabs.take_back(TabId(101), now))
        .unwrap();
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::TabTaken));
    assert_eq!(world.refused(queued), ErrorCode::TabTaken);
    assert!(world.owned_by(101, "x"), "its turn is open");
    let late = world.call("y", Some(101));
    assert_eq!(world.refused(late), ErrorCode::TabTaken);
    world.answer_slow();
    assert_eq!(world.owner(101), Some(Owner::Person));
    assert_eq!(world.refused(claim), ErrorCode::TabTaken);
}

#[test]
fn a_free_tab_is_taken_at_once() {
    let mut world = World::with(&["x"]);
    world.release("x", None);
    world
        .tell(|tabs, now| tabs.take_back(TabId(101), now))
        .unwrap();
    assert_eq!(world.owner(101), Some(Owner::Person));
    let call = world.call("x", Some(101));
    assert_eq!(world.refused(call), ErrorCode::TabOfPerson);
}

#[test]
fn taking_a_tab_back_stops_its_closing() {
    let mut world = World::with(&["x"]);
    world.hold_stops = true;
    world.call("x", None);
    let close = world.close("x", None);
    world
        .tell(|tabs, now| tabs.take_back(TabId(101), now))
        .unwrap();
    assert_eq!(world.refused(close), ErrorCode::TabTaken);
    world.answer_slow();
    assert_eq!(world.owner(101), Some(Owner::Person));
    assert!(!world.closed(101));
}

#[test]
fn a_given_tab_is_borrowed_and_never_closed() {
    let mut world = World::with(&["x"]);
    world.person_tab(50);
    world.give(50, "x").unwrap();
    assert!(world.owned_by(50, "x") && !world.tabs.is_made(TabId(50)));
    world.popup(200, 50);
    world.tell(|tabs, now| tabs.end_session(&sid("x"), now));
    assert!(
        !world.closed(50) && !world.closed(200),
        "what is opened from it is borrowed too"
    );
    assert_eq!(world.owner(50), Some(Owner::Person));
    assert_eq!(world.owner(200), Some(Owner::Person));
    assert!(world.closed(101), "a made one closes");
}

#[test]
fn a_session_is_given_anothers_tab_which_is_taken_from_that_one() {
    let mut world = World::with(&["x", "y", "z"]);
    world.hold_stops = true;
    let runs = world.call("x", None);
    let (of_z, of_y) = (world.call("z", Some(101)), world.call("y", Some(101)));
    world.give(101, "y").unwrap();
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::TabTaken));
    world.answer_slow();
    assert_eq!(world.runs(of_y), 101);
    assert_eq!(world.is(of_z), Fate::Waits);
    assert_eq!(world.unnamed("x"), ErrorCode::TabTaken);
    assert!(!world.tabs.is_made(TabId(101)));
}

#[test]
fn giving_needs_a_tab_and_a_session() {
    let mut world = World::with(&["x"]);
    let no_tab = world.give(999, "x").unwrap_err();
    assert_eq!(no_tab.code(), ErrorCode::TabGone);
    let nobody = world.give(101, "nobody").unwrap_err();
    assert_eq!(nobody.code(), ErrorCode::SessionUnknown);
}

#[test]
fn a_tab_that_the_person_used_or_kept_outlives_its_session() {
    let mut world = World::with(&["x"]);
    world.new_tab("x");
    world.tell(|tabs, now| tabs.handle_used_by_person(TabId(101), now));
    world.tell(|tabs, _| tabs.keep(TabId(102)));
    let call = world.call("x", Some(101));
    assert_eq!(world.runs(call), 101, "its session goes on working in it");
    world.tell(|tabs, now| tabs.end_session(&sid("x"), now));
    for tab in [101, 102] {
        assert!(!world.closed(tab));
        assert_eq!(world.owner(tab), Some(Owner::Person));
    }
}

#[test]
fn a_free_tab_that_the_person_uses_is_the_persons() {
    let mut world = World::with(&["x"]);
    world.release("x", None);
    world.tell(|tabs, now| tabs.handle_used_by_person(TabId(101), now));
    assert_eq!(world.owner(101), Some(Owner::Person));
}

#[test]
fn a_released_tab_that_the_person_uses_meanwhile_returns_to_them() {
    let mut world = World::with(&["x", "y"]);
    world.hold_clears = true;
    let claim = world.call("y", Some(101));
    world.release("x", None);
    world.tell(|tabs, now| tabs.handle_used_by_person(TabId(101), now));
    world.answer_slow();
    assert_eq!(world.refused(claim), ErrorCode::TabReturned);
    assert_eq!(world.owner(101), Some(Owner::Person));
}

#[test]
fn after_cancel_every_call_fails_until_the_person_resumes_and_owners_stay() {
    let mut world = World::with(&["x", "y"]);
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let claim = world.call("y", Some(101));
    world.tell(Tabs::pause);
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::StoppedByUser));
    assert_eq!(world.refused(queued), ErrorCode::StoppedByUser);
    assert_eq!(world.refused(claim), ErrorCode::StoppedByUser);
    assert_eq!(world.unnamed("x"), ErrorCode::StoppedByUser);
    let list = world.command("x", &TabsAction::List);
    assert_eq!(world.refused(list), ErrorCode::StoppedByUser);
    world.tell(Tabs::resume);
    let call = world.call("x", None);
    assert_eq!(world.runs(call), 101);
}

#[test]
fn the_person_releases_a_tab_as_its_session_would() {
    let mut world = World::with(&["x", "y"]);
    let claim = world.call("y", Some(101));
    world
        .tell(|tabs, now| tabs.release_by_person(TabId(101), now))
        .unwrap();
    assert_eq!(world.runs(claim), 101);
    world.person_tab(50);
    let nobodys = world.tell(|tabs, now| tabs.release_by_person(TabId(50), now));
    assert_eq!(nobodys.unwrap_err().code(), ErrorCode::BadArguments);
}

#[test]
fn a_session_that_closes_a_borrowed_tab_returns_it() {
    let mut world = World::with(&["x"]);
    world.person_tab(50);
    world.give(50, "x").unwrap();
    let close = world.close("x", Some(50));
    assert_eq!(world.is(close), Fate::Finished);
    assert!(!world.closed(50));
    assert_eq!(world.owner(50), Some(Owner::Person));
}

#[test]
fn a_free_tab_that_the_person_gives_is_borrowed_too() {
    let mut world = World::with(&["x", "y"]);
    world.release("x", None);
    world.give(101, "y").unwrap();
    assert!(world.owned_by(101, "y") && !world.tabs.is_made(TabId(101)));
    let mut world = World::with(&["x"]);
    world.release("x", None);
    world.give(101, "x").unwrap();
    world.tell(|tabs, now| tabs.end_session(&sid("x"), now));
    assert!(!world.closed(101));
}
