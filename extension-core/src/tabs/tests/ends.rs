//! *Ends*: sessions that are orphaned, and that end.

use super::*;

fn end(world: &mut World, name: &str) {
    world.tell(|tabs, now| tabs.end_session(&sid(name), now));
}

#[test]
fn an_orphan_keeps_its_tabs_and_its_running_call_and_loses_what_waits() {
    let mut world = World::with(&["x", "y"]);
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let claim = world.call("x", Some(102));
    world.tell(|tabs, now| tabs.orphan_session(&sid("x"), now));
    assert_eq!(
        (world.is(queued), world.is(claim)),
        (Fate::Dropped, Fate::Dropped)
    );
    assert_eq!(world.runs(runs), 101);
    assert!(world.owned_by(101, "x"));
    assert_eq!(world.tabs.waiters(TabId(102)), 0);
    world.open("x");
    let again = world.call("x", None);
    world.end(runs);
    assert_eq!(world.runs(again), 101);
}

#[test]
fn an_orphans_tab_that_is_being_made_is_its_current_one_when_it_returns() {
    let mut world = World::new();
    world.hold_makes = true;
    world.open("x");
    let call = world.call("x", None);
    world.tell(|tabs, now| tabs.orphan_session(&sid("x"), now));
    assert_eq!(world.is(call), Fate::Dropped);
    world.answer_slow();
    let again = world.call("x", None);
    assert_eq!(world.runs(again), 101);
}

#[test]
fn an_ended_session_leaves_its_made_tab_to_the_first_claim() {
    let mut world = World::with(&["x", "y", "z"]);
    world.hold_stops = true;
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let (of_y, of_z) = (world.call("y", Some(101)), world.call("z", Some(101)));
    end(&mut world, "x");
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::SessionEnded));
    assert_eq!(world.refused(queued), ErrorCode::SessionEnded);
    assert_eq!(world.is(of_y), Fate::Waits, "the turn is open");
    world.answer_slow();
    assert_eq!(world.runs(of_y), 101);
    assert_eq!(world.is(of_z), Fate::Waits);
}

#[test]
fn a_tab_that_goes_to_the_next_session_of_its_owners_name_changes_hands() {
    let mut world = World::with(&["x"]);
    world.hold_stops = true;
    world.call("x", None);
    end(&mut world, "x");
    world.open("x");
    let claim = world.call("x", Some(101));
    assert_eq!(world.is(claim), Fate::Waits, "the turn is open");
    world.seen.clear();
    world.answer_slow();
    assert_eq!(world.runs(claim), 101);
    let x = || Owner::Session(sid("x"));
    let passed = TabEvent::OwnerChanged {
        tab: TabId(101),
        from: x(),
        to: x(),
    };
    assert!(world.seen.contains(&passed), "{:?}", world.seen);
}

#[test]
fn made_tabs_close_with_their_last_owners_session_free_ones_too() {
    let mut world = World::with(&["x", "y"]);
    world.new_tab("x");
    world.release("x", Some(101));
    world.hand("x", 103, "y");
    world.popup(200, 103);
    end(&mut world, "x");
    assert!(world.closed(101), "x owned it last");
    assert!(!world.closed(103), "the duty passed to y");
    end(&mut world, "y");
    assert!(world.closed(102) && world.closed(103) && world.closed(200));
    assert!(world.tabs.tabs.is_empty() && world.tabs.by_id.is_empty());
}

#[test]
fn a_borrowed_tab_returns_to_the_person_at_the_end_and_its_claims_fail() {
    let mut world = World::with(&["x", "y"]);
    world.person_tab(50);
    world.give(50, "x").unwrap();
    let claim = world.call("y", Some(50));
    end(&mut world, "x");
    assert_eq!(world.refused(claim), ErrorCode::TabReturned);
    assert_eq!(world.owner(50), Some(Owner::Person));
}

#[test]
fn an_ended_sessions_claims_are_gone() {
    let mut world = World::with(&["x", "y", "z"]);
    let (of_y, of_z) = (world.call("y", Some(101)), world.call("z", Some(101)));
    end(&mut world, "y");
    assert_eq!(world.refused(of_y), ErrorCode::SessionEnded);
    assert_eq!(world.last_progress(of_z).position, 1);
    world.release("x", None);
    assert_eq!(world.runs(of_z), 101);
}

#[test]
fn a_tab_made_for_a_session_that_has_ended_meanwhile_is_closed() {
    let mut world = World::new();
    world.hold_makes = true;
    world.open("x");
    let call = world.call("x", None);
    end(&mut world, "x");
    assert_eq!(world.refused(call), ErrorCode::SessionEnded);
    world.answer_slow();
    assert!(world.closed(101));
    assert!(world.tabs.tabs.is_empty());
}

#[test]
fn a_session_that_ends_while_it_releases_leaves_nothing_free() {
    let mut world = World::with(&["x"]);
    world.hold_clears = true;
    world.release("x", None);
    end(&mut world, "x");
    world.open("x");
    world.answer_slow();
    assert!(
        world.closed(101),
        "the new session of that name has no claim to it"
    );
}

#[test]
fn a_hand_over_to_a_session_that_ends_meanwhile_is_a_release() {
    let mut world = World::with(&["x", "y", "z"]);
    world.hold_clears = true;
    let claim = world.call("z", Some(101));
    world.hand("x", 101, "y");
    world.hold_clears = false;
    end(&mut world, "y");
    world.answer_slow();
    assert_eq!(world.runs(claim), 101);
}

#[test]
fn a_popup_of_an_ended_sessions_page_goes_with_its_opener() {
    let mut world = World::with(&["x"]);
    world.hold_stops = true;
    world.call("x", None);
    end(&mut world, "x");
    world.popup(200, 101);
    assert!(world.closed(200));
}

#[test]
fn nothing_of_an_ended_session_remains() {
    let mut world = World::with(&["x", "y"]);
    world.call("x", None);
    world.call("x", None);
    world.call("x", Some(102));
    world.release_after("x", 101, 60);
    world.new_tab("x");
    end(&mut world, "x");
    world.pass(secs(1));
    assert_eq!(world.tabs.tabs.len(), 1);
    assert!(world.tabs.calls.is_empty() && world.tabs.timers.is_empty());
    assert_eq!((world.tabs.seats.len(), world.tabs.aliases.len()), (1, 1));
    assert_eq!(world.tabs.poll_timeout(), None);
}

#[test]
fn a_session_nobody_opened_is_told_so() {
    let mut world = World::new();
    assert_eq!(world.unnamed("x"), ErrorCode::SessionUnknown);
}
