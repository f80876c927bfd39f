//! Dialogs: they keep the turn, and stop the owner, nobody else.

use super::*;

pub(super) fn alert(world: &mut World, tab: u32) {
    let dialog = protocol::command::Dialog {
        kind: "alert".into(),
        message: "hello".into(),
        default_text: String::new(),
    };
    world.tell(|tabs, now| tabs.handle_dialog_opened(TabId(tab), dialog, now));
}

#[test]
fn an_open_dialog_fails_the_owners_queued_and_new_calls_and_claims_wait_on() {
    let mut world = World::with(&["x", "y"]);
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let claim = world.call("y", Some(101));
    alert(&mut world, 101);
    assert_eq!(world.refused(queued), ErrorCode::DialogOpen);
    let new = world.call("x", None);
    assert_eq!(world.refused(new), ErrorCode::DialogOpen);
    assert_eq!((world.runs(runs), world.is(claim)), (101, Fate::Waits));
    world.tell(|tabs, now| tabs.handle_dialog_closed(TabId(101), now));
    let after = world.call("x", None);
    assert_eq!(world.is(after), Fate::Waits, "the turn is still open");
    world.end(runs);
    assert_eq!(world.runs(after), 101);
}

#[test]
fn only_the_owner_may_handle_the_dialog_and_needs_no_turn() {
    let mut world = World::with(&["x", "y"]);
    world.call("x", None);
    alert(&mut world, 101);
    let of = |world: &World, name: &str, tab: Option<u32>| {
        world
            .tabs
            .dialog_tab(&sid(name), tab.map(TabId))
            .map_err(|fault| fault.code())
    };
    assert_eq!(of(&world, "x", None), Ok(TabId(101)));
    assert_eq!(of(&world, "x", Some(101)), Ok(TabId(101)));
    assert_eq!(of(&world, "y", Some(101)), Err(ErrorCode::TabOwned));
    assert_eq!(of(&world, "y", Some(999)), Err(ErrorCode::TabGone));
    world.hold_stops = true;
    world.release("x", None);
    assert_eq!(of(&world, "x", Some(101)), Err(ErrorCode::TabReleased));
}

#[test]
fn a_dialog_is_dismissed_before_the_tab_has_its_next_owner() {
    let mut world = World::with(&["x", "y"]);
    world.hold_clears = true;
    alert(&mut world, 101);
    let claim = world.call("y", Some(101));
    world.release("x", None);
    assert_eq!(world.slow, vec![TabEvent::Clear { tab: TabId(101) }]);
    world.answer_slow();
    assert_eq!(world.runs(claim), 101);
    world.end(claim);
    let next = world.call("y", Some(101));
    assert_eq!(world.runs(next), 101, "no dialog is left");
}

#[test]
fn a_dialog_that_opens_on_a_leaving_tab_fails_nobody_of_the_next_owner() {
    let mut world = World::with(&["x", "y"]);
    world.hold_clears = true;
    world.hand("x", 101, "y");
    let early = world.call("y", Some(101));
    alert(&mut world, 101);
    let other = world.call("y", Some(101));
    world.answer_slow();
    assert_eq!((world.runs(early), world.is(other)), (101, Fate::Waits));
}
