//! *Claims*.

use super::*;

#[test]
fn a_released_tab_goes_to_the_first_claim_whose_call_takes_the_first_turn() {
    let mut world = World::with(&["x", "y", "z"]);
    let first = world.call("y", Some(101));
    let second = world.call("z", Some(101));
    assert_eq!(
        (world.is(first), world.is(second)),
        (Fate::Waits, Fate::Waits)
    );
    let release = world.release("x", None);
    assert_eq!(world.is(release), Fate::Finished);
    assert_eq!(world.runs(first), 101);
    assert!(world.owned_by(101, "y"));
    assert_eq!(world.is(second), Fate::Waits);
}
