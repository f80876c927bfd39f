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
