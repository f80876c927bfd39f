//! What outlives the worker.

use super::*;
use crate::presses::Presses;

/// Kills the machine and brings it back from its records, with these tabs in the browser.
fn reborn(world: &World, names: &[&str], existing: &[u32]) -> World {
    let mut next = World::new();
    next.made = world.made;
    let mut tabs = SortedMap::new();
    for id in world.tabs.by_id.keys() {
        if let Some(mut record) = world.tabs.tab_record(*id) {
            record.url = format!("http://{id}/");
            tabs.insert(*id, stored(&record));
        }
    }
    let mut seats = SortedMap::new();
    for name in names {
        let record = world.tabs.session_record(&sid(name)).unwrap();
        seats.insert(sid(name), stored(&record));
        next.open(name);
    }
    let existing = existing.iter().copied().map(TabId).collect();
    let now = next.now;
    next.tabs.restore(tabs, seats, &existing, now);
    next.drain();
    next
}

/// As the store gives it back.
fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(record: &T) -> T {
    serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap()
}

#[test]
fn after_a_death_each_session_holds_the_same_tabs() {
    let mut world = World::with(&["x", "y"]);
    world.new_tab("x");
    world.person_tab(50);
    world.give(50, "y").unwrap();
    world.new_tab("y");
    world.release("y", None);
    let mut next = reborn(&world, &["x", "y"], &[50, 60, 101, 102, 103, 104]);
    assert_eq!(next.tabs.owned_by(&sid("x")), vec![TabId(101), TabId(103)]);
    assert_eq!(next.tabs.owned_by(&sid("y")), vec![TabId(50), TabId(102)]);
    assert_eq!(next.current("x"), Some(103));
    assert_eq!(next.owner(104), Some(Owner::Free));
    assert_eq!(next.owner(60), Some(Owner::Person));
    assert!(next.tabs.is_made(TabId(101)) && !next.tabs.is_made(TabId(50)));
    assert_eq!(next.unnamed("y"), ErrorCode::TabReleased, "as before");
    assert!(next.tabs.take_lost(&sid("x")).is_empty());
    let call = next.call("x", None);
    assert_eq!(next.runs(call), 103);
}

#[test]
fn a_session_is_told_once_which_tabs_it_lost_and_never_goes_on_elsewhere() {
    let mut world = World::with(&["x"]);
    world.new_tab("x");
    let mut next = reborn(&world, &["x"], &[101]);
    next.pass(browser::OPENER_MAX);
    assert_eq!(next.unnamed("x"), ErrorCode::TabsLost);
    let urls = vec!["http://102/".to_owned()];
    let told = next.tabs.dialog_tab(&sid("x"), None);
    assert_eq!(told, Err(Fault::TabsLost { urls }));
    let there = next.call("x", Some(101));
    assert_eq!(
        next.runs(there),
        101,
        "a call on a tab that is still there does not fail for it"
    );
    let gone = next.call("x", Some(102));
    assert_eq!(next.refused(gone), ErrorCode::TabGone);
    let lost = next.tabs.take_lost(&sid("x"));
    assert_eq!(lost.len(), 1);
    assert_eq!(
        (lost[0].tab_id, lost[0].url.as_str()),
        (TabId(102), "http://102/")
    );
    assert!(next.tabs.take_lost(&sid("x")).is_empty());
    assert_eq!(
        next.unnamed("x"),
        ErrorCode::TabsLost,
        "until it says new or select"
    );
    next.select("x", 101);
    let call = next.call("x", None);
    assert_eq!(next.is(call), Fate::Waits);
}

/// A life after one in which a call of x had the turn on tab 101; nothing is mended yet.
fn reborn_in_mid_turn(prepare: impl FnOnce(&mut World, CallId)) -> World {
    let mut world = World::with(&["x", "y"]);
    let call = world.call("x", None);
    prepare(&mut world, call);
    let mut next = World::new();
    next.hold_mends = true;
    next.open("x");
    let record = stored(&world.tabs.tab_record(TabId(101)).unwrap());
    let seat = stored(&world.tabs.session_record(&sid("x")).unwrap());
    let (records, seats) = ([(TabId(101), record)].into(), [(sid("x"), seat)].into());
    let now = next.now;
    next.tabs.restore(records, seats, &[TabId(101)].into(), now);
    next.drain();
    next
}

#[test]
fn nothing_is_granted_on_a_tab_that_died_while_a_call_acted_before_it_is_in_order() {
    let mut next = reborn_in_mid_turn(|world, call| world.tabs.handle_acts(call, Presses::Nothing));
    assert_eq!(next.slow, vec![TabEvent::Mend { tab: TabId(101) }]);
    let early = next.call("x", None);
    assert_eq!(next.is(early), Fate::Waits);
    next.answer_slow();
    assert_eq!(next.runs(early), 101);
}

#[test]
fn a_call_that_only_read_leaves_nothing_to_bring_in_order() {
    let mut next = reborn_in_mid_turn(|_, _| {});
    assert_eq!(next.slow, vec![]);
    let call = next.call("x", None);
    assert_eq!(next.runs(call), 101);
}

#[test]
fn a_tab_is_to_be_brought_in_order_until_the_turn_of_the_call_that_acted_has_ended() {
    let mut world = World::with(&["x"]);
    let kept = |world: &World| world.tabs.tab_record(TabId(101)).unwrap().acts;
    let call = world.call("x", None);
    world.tabs.take_dirty();
    world.tabs.handle_acts(call, Presses::Nothing);
    assert_eq!(world.tabs.take_dirty(), [Dirty::Tab(TabId(101))]);
    // Answered long ago, cancelled since: its commands may still be under way.
    world.hold_stops = true;
    world.cancel(call);
    assert!(kept(&world));
    world.tabs.take_dirty();
    world.end(call);
    assert!(!kept(&world));
    assert_eq!(world.tabs.take_dirty(), [Dirty::Tab(TabId(101))]);
}

#[test]
fn a_tab_whose_page_does_not_answer_yet_is_brought_in_order_again_after_another_death() {
    for drained in [false, true] {
        let mut next =
            reborn_in_mid_turn(|world, call| world.tabs.handle_acts(call, Presses::Nothing));
        next.tabs.take_dirty();
        next.tell(|tabs, now| tabs.handle_mended(TabId(101), drained, now));
        assert_eq!(next.tabs.tab_record(TabId(101)).unwrap().acts, !drained);
        assert_eq!(next.tabs.take_dirty().is_empty(), !drained);
        let call = next.call("x", None);
        assert_eq!(next.runs(call), 101);
    }
}

#[test]
fn an_open_dialog_survives_and_stops_its_owner_once_the_tab_was_looked_at() {
    let mut next = reborn_in_mid_turn(|world, _| dialogs::alert(world, 101));
    assert_eq!(next.slow, vec![TabEvent::Mend { tab: TabId(101) }]);
    let early = next.call("x", None);
    assert_eq!(next.is(early), Fate::Waits, "it may be closed by now");
    assert!(next.tabs.tab_record(TabId(101)).unwrap().dialog.is_some());
    next.answer_slow();
    assert_eq!(next.refused(early), ErrorCode::DialogOpen);
    next.tell(|tabs, now| tabs.handle_dialog_closed(TabId(101), now));
    assert_eq!(next.tabs.tab_record(TabId(101)).unwrap().dialog, None);
    let late = next.call("x", None);
    assert_eq!(next.runs(late), 101);
}

#[test]
fn a_dialog_that_was_closed_while_no_worker_lived_stops_nobody() {
    let mut next = reborn_in_mid_turn(|world, _| dialogs::alert(world, 101));
    let early = next.call("x", None);
    next.tell(|tabs, now| tabs.handle_dialog_closed(TabId(101), now));
    next.answer_slow();
    assert_eq!(next.runs(early), 101);
}

#[test]
fn a_change_of_owner_that_death_cut_short_is_completed() {
    let mut world = World::with(&["x", "y"]);
    world.hold_clears = true;
    world.new_tab("x");
    world.hand("x", 101, "y");
    world.close("x", Some(103));
    let next = reborn(&world, &["x", "y"], &[101, 102, 103]);
    assert!(next.owned_by(101, "y"));
    assert!(next.closed(103));
}

#[test]
fn an_announced_release_survives() {
    let mut world = World::with(&["x"]);
    world.release_after("x", 101, 60);
    world.pass(secs(20));
    let mut next = reborn(&world, &["x"], &[101]);
    next.pass(secs(39));
    assert!(next.owned_by(101, "x"));
    next.pass(secs(1));
    assert_eq!(next.owner(101), Some(Owner::Free));
}

#[test]
fn an_announced_release_of_a_tab_that_is_missing_waits_until_it_is_found_or_lost() {
    let mut world = World::with(&["x"]);
    world.release_after("x", 101, 1);
    world.pass(Duration::from_millis(800));
    let mut lost = reborn(&world, &["x"], &[]);
    lost.pass(secs(1));
    assert_eq!(lost.unnamed("x"), ErrorCode::TabsLost);
    let mut found = reborn(&world, &["x"], &[201]);
    found.pass(Duration::from_millis(300));
    found.tell(|tabs, now| tabs.handle_replaced(TabId(101), TabId(201), now));
    assert!(found.owned_by(201, "x"));
    found.pass(secs(1));
    assert_eq!(found.owner(201), Some(Owner::Free));
}

#[test]
fn a_tab_of_a_session_that_nobody_remembers_is_the_persons() {
    let world = World::with(&["x"]);
    let mut next = reborn(&world, &[], &[101]);
    assert_eq!(next.owner(101), Some(Owner::Person));
    assert_eq!(
        next.tabs.take_dirty(),
        vec![Dirty::Tab(TabId(101))],
        "its record goes"
    );
}

#[test]
fn what_changed_is_dirty_once_and_a_turn_changes_nothing() {
    let mut world = World::with(&["x"]);
    assert!(!world.tabs.take_dirty().is_empty());
    let call = world.call("x", None);
    world.end(call);
    assert_eq!(world.tabs.take_dirty(), vec![]);
    world.close("x", None);
    let dirty = vec![Dirty::Tab(TabId(101)), Dirty::Session(sid("x"))];
    assert_eq!(world.tabs.take_dirty(), dirty);
    assert_eq!(world.tabs.tab_record(TabId(101)), None);
    world.tell(|tabs, now| tabs.end_session(&sid("x"), now));
    assert_eq!(world.tabs.take_dirty(), vec![Dirty::Session(sid("x"))]);
    assert_eq!(world.tabs.session_record(&sid("x")), None);
}

#[test]
fn a_session_whose_record_cannot_be_read_is_not_sent_to_another_page() {
    let world = World::with(&["x"]);
    let mut next = World::new();
    next.open("x");
    let records = SortedMap::from([(TabId(101), world.tabs.tab_record(TabId(101)).unwrap())]);
    let tabs = SortedSet::from([TabId(101)]);
    let now = next.now;
    next.tabs.restore(records, SortedMap::new(), &tabs, now);
    next.drain();
    assert!(next.owned_by(101, "x"));
    assert_eq!(next.unnamed("x"), ErrorCode::TabsLost);
}

#[test]
fn what_an_ended_session_left_under_way_is_completed_too() {
    let mut world = World::with(&["x", "y"]);
    world.hold_clears = true;
    world.new_tab("x");
    world.hand("x", 101, "y");
    world.tell(|tabs, now| tabs.end_session(&sid("x"), now));
    let mut next = reborn(&world, &["y"], &[101, 102, 103]);
    next.pass(secs(3));
    assert!(next.owned_by(101, "y"), "handed over");
    assert!(next.closed(103), "made for x alone");
}

#[test]
fn a_tab_that_was_unloaded_while_no_worker_lived_goes_on_under_its_new_id() {
    let mut world = World::with(&["x"]);
    world.new_tab("x");
    let mut next = reborn(&world, &["x"], &[101, 900]);
    let unnamed = next.call("x", None);
    let named = next.call("x", Some(102));
    assert_eq!(next.is(unnamed), Fate::Waits, "nobody knows yet");
    next.tabs.take_dirty();
    next.tell(|tabs, now| tabs.handle_replaced(TabId(102), TabId(900), now));
    let dirty = next.tabs.take_dirty();
    assert!(dirty.contains(&Dirty::Tab(TabId(102))) && dirty.contains(&Dirty::Tab(TabId(900))));
    assert!(dirty.contains(&Dirty::Session(sid("x"))), "its current tab");
    assert!(next.seen.contains(&TabEvent::Mend { tab: TabId(900) }));
    assert_eq!(next.runs(unnamed), 900);
    next.end(unnamed);
    assert_eq!(next.runs(named), 900);
    next.pass(browser::OPENER_MAX);
    assert!(next.owned_by(900, "x"));
    assert!(next.tabs.take_lost(&sid("x")).is_empty());
}

#[test]
fn calls_that_waited_for_a_lost_tab_are_told_so_and_claims_that_it_is_gone() {
    let mut world = World::with(&["x", "y"]);
    world.new_tab("x");
    let mut next = reborn(&world, &["x", "y"], &[101, 102]);
    let unnamed = next.call("x", None);
    let claim = next.call("y", Some(103));
    next.pass(browser::OPENER_MAX);
    assert_eq!(next.refused(unnamed), ErrorCode::TabsLost);
    assert_eq!(next.refused(claim), ErrorCode::TabGone);
    assert_eq!(next.tabs.take_lost(&sid("x")).len(), 1);
    assert!(next.tabs.take_lost(&sid("y")).is_empty());
}

#[test]
fn a_tab_that_was_closed_while_no_worker_lived_is_lost_as_soon_as_chrome_says_so() {
    let mut world = World::with(&["x"]);
    world.new_tab("x");
    let mut next = reborn(&world, &["x"], &[101]);
    assert!(next.tabs.misses_tabs(&sid("x")));
    next.tell(|tabs, now| tabs.handle_closed(TabId(102), "", now));
    assert!(next.seen.contains(&TabEvent::NoneMissing) && !next.tabs.misses_tabs(&sid("x")));
    assert_eq!(next.unnamed("x"), ErrorCode::TabsLost);
    assert_eq!(next.tabs.take_lost(&sid("x"))[0].url, "http://102/");
}

#[test]
fn a_tab_that_was_unloaded_to_be_closed_when_the_worker_died_is_closed_under_its_new_id() {
    let mut world = World::with(&["x"]);
    world.hold_closes = true;
    world.new_tab("x");
    world.close("x", Some(102));
    let mut next = reborn(&world, &["x"], &[101, 900]);
    next.tell(|tabs, now| tabs.handle_replaced(TabId(102), TabId(900), now));
    next.tell(|tabs, now| tabs.handle_cleared(TabId(900), now));
    assert!(next.closed(900));
    assert!(next.tabs.take_lost(&sid("x")).is_empty());
}

#[test]
fn what_an_agents_page_opened_while_no_worker_lived_is_its_sessions() {
    let world = World::with(&["x"]);
    let mut next = reborn(&world, &["x"], &[101, 70, 71, 72, 73]);
    assert_eq!(next.owner(70), Some(Owner::Person));
    next.tell(|tabs, now| tabs.handle_popup(TabId(70), TabId(101), now));
    next.tell(|tabs, now| tabs.handle_popup(TabId(71), TabId(70), now));
    assert!(next.owned_by(70, "x") && next.owned_by(71, "x"));
    next.tell(|tabs, now| tabs.handle_popup(TabId(72), TabId(50), now));
    assert_eq!(next.owner(72), Some(Owner::Person), "the person's page's");
    next.pass(browser::OPENER_MAX);
    next.tell(|tabs, now| tabs.handle_popup(TabId(73), TabId(101), now));
    assert_eq!(next.owner(73), Some(Owner::Person), "too late");
}

#[test]
fn a_tab_that_was_leaving_waits_for_those_who_had_claimed_it() {
    let mut world = World::with(&["x", "y"]);
    world.hold_clears = true;
    world.call("y", Some(101));
    world.tell(|tabs, now| tabs.end_session(&sid("x"), now));
    let mut next = reborn(&world, &["y"], &[101, 102]);
    // Nobody's agent works in it: the driver has cleared it by itself.
    next.tell(|tabs, now| tabs.handle_cleared(TabId(101), now));
    assert!(!next.closed(101), "y is not back yet");
    let again = next.call("y", Some(101));
    next.pass(secs(3));
    assert_eq!(next.runs(again), 101);
    assert!(next.owned_by(101, "y"));
    let mut forsaken = reborn(&world, &["y"], &[101, 102]);
    forsaken.pass(secs(3));
    assert!(forsaken.closed(101), "nobody came");
}

#[test]
fn a_tab_that_is_replaced_while_it_is_brought_in_order_is_so_under_its_new_id() {
    let mut next = reborn_in_mid_turn(|world, call| world.tabs.handle_acts(call, Presses::Nothing));
    let call = next.call("x", None);
    next.seen.clear();
    next.tell(|tabs, now| tabs.handle_replaced(TabId(101), TabId(900), now));
    assert!(next.seen.contains(&TabEvent::Mend { tab: TabId(900) }));
    assert_eq!(next.is(call), Fate::Waits);
    next.tell(|tabs, now| tabs.handle_mended(TabId(900), true, now));
    assert_eq!(next.runs(call), 900);
}
