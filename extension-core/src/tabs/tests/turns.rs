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
