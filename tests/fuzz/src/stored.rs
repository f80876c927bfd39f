//! What a worker finds in its store.

use crate::world::{World, is_ours};
use serde_json::Value;
use sim::chrome::Chrome;
use std::collections::BTreeMap;
use std::time::Duration;

/// Long enough for all writes of a boot.
const WRITTEN: Duration = Duration::from_millis(100);

/// Wakes a worker whose store holds the object `bytes` (JSON), in a Chrome that has one tab, 1000.
/// What cannot be read is told, and told once: after the first writes it is gone. The worker then
/// serves a good call, and when all sessions have had their time to come back, forgets them.
pub fn stored_state(bytes: &[u8]) {
    let Ok(stored) = serde_json::from_slice::<BTreeMap<String, Value>>(bytes) else {
        return; // Chrome's store is an object.
    };
    let foreign = |stored: &BTreeMap<String, Value>| -> BTreeMap<String, Value> {
        let foreign = stored.iter().filter(|(key, _)| !is_ours(key));
        foreign
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let others = foreign(&stored);
    let mut world = World::new(stored, Chrome::new());
    world.pass(WRITTEN);
    world.log.clear();
    world.die();
    assert!(world.log.is_empty(), "told again: {:?}", world.log);
    world.come_to_rest();
    world.serve_a_good_call();
    world.leave_and_forget();
    assert_eq!(
        foreign(&world.storage),
        others,
        "what is not ours was touched"
    );
}
