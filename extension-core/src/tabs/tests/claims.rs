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

#[test]
fn a_claim_is_never_served_between_two_calls_of_the_owner() {
    let mut world = World::with(&["x", "y"]);
    let first = world.call("x", None);
    let claim = world.call("y", Some(101));
    let second = world.call("x", None);
    world.end(first);
    assert_eq!(world.runs(second), 101);
    world.end(second);
    let third = world.call("x", None);
    assert_eq!(world.runs(third), 101);
    assert_eq!(world.is(claim), Fate::Waits);
    assert_eq!(world.tabs.waiters(TabId(101)), 1);
}

#[test]
fn wait_zero_on_anothers_tab_fails_at_once() {
    let mut world = World::with(&["x", "y"]);
    let claim = world.call_waiting("y", Some(101), Duration::ZERO);
    assert_eq!(world.refused(claim), ErrorCode::TabOwned);
    let owner = peer("x");
    let fault = Fault::TabOwned {
        tab: TabId(101),
        owner,
    };
    assert!(
        world
            .seen
            .contains(&TabEvent::Refuse { call: claim, fault }),
        "it names the owner"
    );
}

#[test]
fn a_free_tab_is_anyones_for_the_asking_even_without_a_wait() {
    let mut world = World::with(&["x", "y"]);
    world.release("x", None);
    assert_eq!(world.owner(101), Some(Owner::Free));
    let call = world.call_waiting("y", Some(101), Duration::ZERO);
    assert_eq!(world.runs(call), 101);
    assert!(world.owned_by(101, "y"));
}

#[test]
fn the_persons_tab_is_nobodys_for_the_asking() {
    let mut world = World::with(&["x"]);
    world.person_tab(50);
    let call = world.call("x", Some(50));
    assert_eq!(world.refused(call), ErrorCode::TabOfPerson);
}

#[test]
fn a_claim_times_out_by_its_own_wait_and_is_never_granted() {
    let mut world = World::with(&["x", "y", "z"]);
    let short = world.call_waiting("y", Some(101), secs(5));
    let long = world.call_waiting("z", Some(101), secs(300));
    world.pass(secs(5));
    assert_eq!(world.refused(short), ErrorCode::ClaimTimeout);
    let fault = Fault::ClaimTimeout {
        tab: TabId(101),
        owner: Some(peer("x")),
        position: 1,
        waited_s: 5,
    };
    assert!(
        world
            .seen
            .contains(&TabEvent::Refuse { call: short, fault })
    );
    world.pass(secs(290));
    world.release("x", None);
    assert_eq!(world.runs(long), 101);
}

#[test]
fn a_release_that_comes_after_the_time_out_grants_nothing_even_if_no_tick_came_between() {
    let mut world = World::with(&["x", "y"]);
    let claim = world.call_waiting("y", Some(101), secs(5));
    world.now = world.now + secs(6);
    world.release("x", None);
    assert_eq!(world.refused(claim), ErrorCode::ClaimTimeout);
    assert_eq!(world.owner(101), Some(Owner::Free));
}

#[test]
fn a_wait_longer_than_300_s_is_300_s() {
    let mut world = World::with(&["x", "y"]);
    let claim = world.call_waiting("y", Some(101), secs(10_000));
    world.pass(limits::CLAIM_WAIT_MAX);
    assert_eq!(world.refused(claim), ErrorCode::ClaimTimeout);
}

#[test]
fn time_that_nobody_could_observe_is_not_waited() {
    let mut world = World::with(&["x", "y"]);
    let claim = world.call_waiting("y", Some(101), secs(30));
    world.pass(secs(20));
    world.now = world.now + secs(8 * 3600);
    world.tell(Tabs::handle_timeout);
    world.pass(secs(9));
    assert_eq!(world.is(claim), Fate::Waits);
    world.now = Instant(world.now.0 - 5_000);
    world.tell(Tabs::handle_timeout);
    assert_eq!(world.is(claim), Fate::Waits, "a clock that stepped back");
    world.now = Instant(world.now.0 + 6_000);
    world.tell(Tabs::handle_timeout);
    assert_eq!(world.refused(claim), ErrorCode::ClaimTimeout);
}

#[test]
fn waiting_for_nothing_but_time_does_not_look_like_sleep() {
    let mut world = World::with(&["x", "y"]);
    world.call_waiting("y", Some(101), secs(300));
    let due = world.tabs.poll_timeout().unwrap();
    assert!(due.since(world.now) <= secs(30));
}

#[test]
fn claims_are_granted_in_order_of_arrival() {
    let mut world = World::with(&["w", "x", "y", "z"]);
    let claims = [
        ("x", world.call("x", Some(101))),
        ("y", world.call("y", Some(101))),
        ("z", world.call("z", Some(101))),
    ];
    let mut owner = "w";
    for (name, claim) in claims {
        world.release(owner, Some(101));
        assert_eq!(world.runs(claim), 101);
        world.end(claim);
        owner = name;
    }
}

#[test]
fn a_release_waits_for_the_open_turn_and_for_a_clean_tab() {
    let mut world = World::with(&["x", "y"]);
    (world.hold_stops, world.hold_clears) = (true, true);
    let (runs, queued) = (world.call("x", None), world.call("x", None));
    let claim = world.call("y", Some(101));
    world.release("x", None);
    assert_eq!(world.refused(queued), ErrorCode::TabReleased);
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::TabReleased));
    assert!(world.owned_by(101, "x"), "its turn is open");
    assert_eq!(world.is(claim), Fate::Waits);
    world.answer_slow();
    let clear = TabEvent::Clear { tab: TabId(101) };
    assert_eq!(world.slow, vec![clear]);
    assert_eq!(world.is(claim), Fate::Waits);
    world.answer_slow();
    assert_eq!(world.runs(claim), 101);
}

#[test]
fn the_former_owner_may_claim_a_tab_that_is_leaving_it() {
    let mut world = World::with(&["x", "y"]);
    world.hold_clears = true;
    let claim = world.call("y", Some(101));
    world.release("x", None);
    let back = world.call("x", Some(101));
    assert_eq!(world.last_progress(back).position, 2);
    assert_eq!(
        world.last_progress(back).owner,
        None,
        "while it changes hands"
    );
    world.answer_slow();
    assert_eq!((world.runs(claim), world.is(back)), (101, Fate::Waits));
}

#[test]
fn a_borrowed_tab_returns_to_the_person_on_release_and_its_claims_fail() {
    let mut world = World::with(&["x", "y"]);
    world.person_tab(50);
    world.give(50, "x").unwrap();
    let claim = world.call("y", Some(50));
    world.release("x", Some(50));
    assert_eq!(world.refused(claim), ErrorCode::TabReturned);
    assert_eq!(world.owner(50), Some(Owner::Person));
}

#[test]
fn an_announced_release_comes_by_itself_and_waiters_are_told_when() {
    let mut world = World::with(&["x", "y"]);
    let claim = world.call_waiting("y", Some(101), secs(100));
    world.release_after("x", 101, 60);
    assert_eq!(world.last_progress(claim).release_in_s, Some(60));
    let call = world.call("x", None);
    world.end(call);
    world.pass(secs(59));
    assert_eq!(world.is(claim), Fate::Waits);
    world.pass(secs(1));
    assert_eq!(world.runs(claim), 101);
    world.pass(secs(100));
    assert!(world.owned_by(101, "y"), "it was announced once, by x");
}

#[test]
fn a_hand_over_goes_to_its_receiver_and_the_other_claims_keep_their_places() {
    let mut world = World::with(&["w", "x", "y"]);
    let (of_x, of_y) = (world.call("x", Some(101)), world.call("y", Some(101)));
    world.hand("w", 101, "y");
    assert_eq!(world.runs(of_y), 101, "its own claim is granted");
    assert_eq!(world.is(of_x), Fate::Waits);
    let told = world.last_progress(of_x);
    assert_eq!((told.position, told.owner.clone()), (1, Some(peer("y"))));
    world.end(of_y);
    world.release("y", Some(101));
    assert_eq!(world.runs(of_x), 101);
}

#[test]
fn a_hand_over_needs_no_claim() {
    let mut world = World::with(&["w", "x"]);
    let hand = world.hand("w", 101, "x");
    assert_eq!(world.is(hand), Fate::Finished);
    assert!(world.owned_by(101, "x"));
    assert_eq!(world.unnamed("w"), ErrorCode::TabReleased);
}

#[test]
fn the_receivers_calls_queue_while_the_tab_is_on_its_way() {
    let mut world = World::with(&["w", "x"]);
    world.hold_stops = true;
    let runs = world.call("w", None);
    world.hand("w", 101, "x");
    let early = world.call("x", Some(101));
    assert_eq!(world.is(early), Fate::Waits);
    assert!(!world.progress.contains_key(&early), "it is no claim");
    world.answer_slow();
    assert_eq!(world.is(runs), Fate::Stops(ErrorCode::TabReleased));
    assert_eq!(world.runs(early), 101);
}

#[test]
fn a_cancelled_claim_is_gone_and_never_granted() {
    let mut world = World::with(&["w", "x", "y"]);
    let (of_x, of_y) = (world.call("x", Some(101)), world.call("y", Some(101)));
    world.cancel(of_x);
    assert_eq!(world.refused(of_x), ErrorCode::Cancelled);
    assert_eq!(world.last_progress(of_y).position, 1);
    world.release("w", None);
    assert_eq!(world.runs(of_y), 101);
}

#[test]
fn a_cancel_of_a_granted_claim_that_has_not_begun_passes_the_tab_on_as_a_release() {
    let mut world = World::with(&["w", "x", "y"]);
    world.hold_stops = true;
    world.call("w", None);
    let (of_x, of_y) = (world.call("x", Some(101)), world.call("y", Some(101)));
    world.hand("w", 101, "y");
    world.cancel(of_y);
    assert_eq!(world.refused(of_y), ErrorCode::Cancelled);
    world.answer_slow();
    assert_eq!(world.runs(of_x), 101);
    assert_eq!(world.current("y"), Some(103));
}

#[test]
fn a_cancel_does_not_pass_the_tab_on_when_another_call_of_its_session_waits() {
    let mut world = World::with(&["w", "x", "y"]);
    world.hold_stops = true;
    world.call("w", None);
    world.call("x", Some(101));
    let (first, second) = (world.call("y", Some(101)), world.call("y", Some(101)));
    world.hand("w", 101, "y");
    world.cancel(first);
    world.answer_slow();
    assert_eq!(world.runs(second), 101);
}

#[test]
fn progress_tells_every_change_of_position_and_owner_and_nothing_twice() {
    let mut world = World::with(&["w", "x", "y"]);
    let (of_x, of_y) = (world.call("x", Some(101)), world.call("y", Some(101)));
    let busy = world.call("w", None);
    world.end(busy);
    let told = |world: &World| -> Vec<(usize, Option<Peer>)> {
        let all = world.progress.get(&of_y).unwrap();
        all.iter()
            .map(|told| (told.position, told.owner.clone()))
            .collect()
    };
    assert_eq!(told(&world), vec![(2, Some(peer("w")))]);
    assert_eq!(world.last_progress(of_y).left_s, 30);
    world.release("w", None);
    assert_eq!(world.runs(of_x), 101);
    assert_eq!(told(&world).last(), Some(&(1, Some(peer("x")))));
}

#[test]
fn two_claims_of_one_session_are_granted_together_in_their_order() {
    let mut world = World::with(&["w", "x", "y"]);
    let (first, other, second) = (
        world.call("x", Some(101)),
        world.call("y", Some(101)),
        world.call("x", Some(101)),
    );
    world.release("w", None);
    assert_eq!(world.runs(first), 101);
    world.end(first);
    assert_eq!(world.runs(second), 101);
    assert_eq!(world.is(other), Fate::Waits);
}

#[test]
fn select_claims_anothers_tab_and_makes_it_current_when_granted() {
    let mut world = World::with(&["w", "x"]);
    let select = world.select("x", 101);
    assert_eq!(world.is(select), Fate::Waits);
    world.release("w", None);
    assert_eq!(world.is(select), Fate::Finished);
    assert_eq!(world.current("x"), Some(101));
    assert_eq!(world.tabs.turn(TabId(101)), None, "no turn");
}

#[test]
fn a_tab_has_so_many_claims_and_no_more() {
    let mut world = World::with(&["w"]);
    for index in 0..=limits::CLAIMS_PER_TAB_MAX {
        let name = format!("s{index}");
        world.open(&name);
        let claim = world.call(&name, Some(101));
        if index < limits::CLAIMS_PER_TAB_MAX {
            assert_eq!(world.is(claim), Fate::Waits);
        } else {
            assert_eq!(world.refused(claim), ErrorCode::LimitReached);
        }
    }
}

#[test]
fn a_claim_that_closes_a_cycle_fails_and_names_both() {
    let mut world = World::with(&["x", "y"]);
    let first = world.call("x", Some(102));
    let second = world.call("y", Some(101));
    assert_eq!(world.refused(second), ErrorCode::Deadlock);
    let (tab, owner, held) = (TabId(101), peer("x"), TabId(102));
    let fault = Fault::Deadlock { tab, owner, held };
    assert!(world.seen.contains(&TabEvent::Refuse {
        call: second,
        fault
    }));
    assert_eq!(world.is(first), Fate::Waits);
}

#[test]
fn a_cycle_of_three_is_one_too() {
    let mut world = World::with(&["x", "y", "z"]);
    let first = world.call("x", Some(102));
    let second = world.call("y", Some(103));
    let third = world.call("z", Some(101));
    assert_eq!(world.refused(third), ErrorCode::Deadlock);
    assert_eq!(
        (world.is(first), world.is(second)),
        (Fate::Waits, Fate::Waits)
    );
}

#[test]
fn a_hand_over_that_turns_the_graph_into_a_cycle_fails_the_youngest_claim() {
    let mut world = World::with(&["w", "x", "y"]);
    let old = world.call("x", Some(101));
    let young = world.call("y", Some(102));
    assert_eq!(world.is(young), Fate::Waits);
    world.hand("w", 101, "y");
    assert_eq!(
        world.refused(young),
        ErrorCode::Deadlock,
        "x waits for y now, and y for x"
    );
    assert_eq!(world.is(old), Fate::Waits);
}

#[test]
fn a_grant_that_turns_the_graph_into_a_cycle_fails_the_youngest_claim() {
    let mut world = World::with(&["w", "x", "y"]);
    let granted = world.call("x", Some(101));
    let behind = world.call("y", Some(101));
    let young = world.call("x", Some(103));
    assert_eq!(world.is(young), Fate::Waits);
    world.release("w", None);
    assert_eq!(world.runs(granted), 101);
    assert_eq!(world.refused(young), ErrorCode::Deadlock);
    assert_eq!(world.is(behind), Fate::Waits);
}

#[test]
fn a_claim_cancelled_between_its_grant_and_its_first_command_passes_the_tab_on_too() {
    let mut world = World::with(&["w", "x", "y"]);
    world.hold_stops = true;
    let (of_x, of_y) = (world.call("x", Some(101)), world.call("y", Some(101)));
    world.release("w", None);
    world.cancel(of_x);
    assert_eq!(world.is(of_x), Fate::Stops(ErrorCode::Cancelled));
    world.tell(|tabs, now| tabs.handle_never_began(of_x, now));
    assert_eq!(world.runs(of_y), 101);
}

#[test]
fn a_call_cancelled_before_its_first_command_keeps_a_tab_that_it_did_not_bring() {
    let mut world = World::with(&["w", "x", "y"]);
    world.hold_stops = true;
    let (first, second) = (world.call("x", Some(101)), world.call("x", Some(101)));
    let other = world.call("y", Some(101));
    world.release("w", None);
    world.end(first);
    world.cancel(second);
    world.tell(|tabs, now| tabs.handle_never_began(second, now));
    assert!(world.owned_by(101, "x"));
    assert_eq!(world.is(other), Fate::Waits);
}
