//! Tabs that Chrome gives another id while something is asked of them.

use super::*;

/// Chrome may give a tab that is unloaded another id; the person drags until it is.
#[test]
fn a_tab_that_gets_another_id_while_it_is_closed_is_closed_under_that() {
    let dragging = || refused("Tabs cannot be edited right now");
    for early in [true, false] {
        let mut house = house(&[tab(1, 10, true), tab(2, 10, false)]);
        house.close(TabId(2), None);
        let (request, _) = asked(&mut house);
        if early {
            house.handle_replaced(TabId(2), TabId(9));
            house.handle_done(request, dragging(), Instant(0));
        } else {
            house.handle_done(request, dragging(), Instant(0));
            house.handle_replaced(TabId(2), TabId(9));
        }
        house.handle_timeout(house.poll_timeout().unwrap());
        let (request, call) = asked(&mut house);
        assert_eq!(call, ChromeCall::RemoveTab { tab: TabId(9) });
        house.handle_done(request, refused("No tab with id: 9."), Instant(300));
        assert_eq!(told_late(&mut house), [HouseEvent::Gone { tab: TabId(9) }]);
    }
}

/// Chrome unloaded it at that very moment, by itself.
#[test]
fn a_tab_that_is_gone_only_under_the_id_that_was_named_is_closed_under_its_new_one() {
    let mut house = house(&[tab(1, 10, true), tab(2, 10, false)]);
    house.close(TabId(2), None);
    let (request, _) = asked(&mut house);
    house.handle_replaced(TabId(2), TabId(9));
    house.handle_done(request, refused("No tab with id: 2."), Instant(0));
    let (request, call) = asked(&mut house);
    assert_eq!(call, ChromeCall::RemoveTab { tab: TabId(9) });
    house.handle_done(request, refused("No tab with id: 9."), Instant(0));
    assert_eq!(told_late(&mut house), [HouseEvent::Gone { tab: TabId(9) }]);
}

/// The same of a tab that joins a group or leaves one.
#[test]
fn a_tab_that_gets_another_id_on_its_way_joins_or_leaves_its_group_under_that() {
    let gone = || refused("No tab with id: 2.");
    let mut house = house(&[]);
    house.ungroup(TabId(2), Instant(0));
    let (request, _) = asked(&mut house);
    house.handle_replaced(TabId(2), TabId(9));
    house.handle_done(request, gone(), Instant(1));
    let (request, call) = asked(&mut house);
    assert_eq!(call, ChromeCall::UngroupTab { tab: TabId(9) });
    assert!(house.moved_by_us(TabId(9), Instant(2)));
    house.handle_done(request, refused("No tab with id: 9."), Instant(2));
    assert_eq!(events(&mut house), [], "it is gone");
    // The first makes the group, the second joins it.
    for round in 0..2 {
        house.group(&session(), &peer(0, "x"), TabId(2), Instant(3));
        let (request, _) = asked(&mut house);
        house.handle_replaced(TabId(2), TabId(8));
        house.handle_done(request, gone(), Instant(4));
        let (request, call) = asked(&mut house);
        let group = (round == 1).then_some(5);
        let joins = |call| matches!(call, ChromeCall::GroupTab { tab: TabId(8), group: into, .. } if into == group);
        assert!(joins(call.clone()), "{call:?}");
        house.handle_done(request, Ok(json!(5)), Instant(5));
        events(&mut house);
    }
}

fn no_tab(id: u32) -> Result<Value, ChromeError> {
    refused(&format!("No tab with id: {id}."))
}

#[test]
fn a_refusal_that_comes_before_the_new_id_is_asked_again_under_that() {
    let peer = peer(0, "x");
    let asks: [fn(&mut House, &Peer); 3] = [
        |house, _| house.close(TabId(2), None),
        |house, _| house.ungroup(TabId(2), Instant(0)),
        |house, peer| house.group(&session(), peer, TabId(2), Instant(0)),
    ];
    for ask in asks {
        let mut house = house(&[]);
        ask(&mut house, &peer);
        let (request, _) = asked(&mut house);
        house.handle_done(request, no_tab(2), Instant(1));
        assert_eq!(events(&mut house), []);
        house.handle_timeout(Instant(500));
        house.handle_replaced(TabId(2), TabId(9));
        let (_, call) = asked(&mut house);
        let again = matches!(
            call,
            ChromeCall::RemoveTab { tab: TabId(9) }
                | ChromeCall::UngroupTab { tab: TabId(9) }
                | ChromeCall::GroupTab { tab: TabId(9), .. }
        );
        assert!(again, "{call:?}");
        // It has been asked again once.
        house.handle_replaced(TabId(2), TabId(9));
        assert_eq!(events(&mut house), []);
    }
}

#[test]
fn nothing_is_asked_again_that_is_wanted_no_more_when_the_new_id_comes() {
    let peer = peer(0, "x");
    let ends: [fn(&mut House, &Peer); 3] = [
        |house, _| house.handle_closed(TabId(2)),
        |house, _| house.handle_timeout(Instant(502)),
        |house, peer| {
            house.group(&session(), peer, TabId(2), Instant(2));
            let (request, _) = asked(house);
            house.handle_done(request, Ok(json!(5)), Instant(3));
        },
    ];
    for end in ends {
        let mut house = house(&[]);
        house.ungroup(TabId(2), Instant(0));
        let (request, _) = asked(&mut house);
        house.handle_done(request, no_tab(2), Instant(1));
        end(&mut house, &peer);
        house.handle_replaced(TabId(2), TabId(9));
        assert_eq!(events(&mut house), []);
        assert!(house.refused.is_empty());
    }
}

#[test]
fn a_tab_that_is_to_be_closed_is_asked_for_again_whatever_was_wanted_of_its_group() {
    let mut house = house(&[]);
    house.close(TabId(2), None);
    let (close, _) = asked(&mut house);
    house.ungroup(TabId(2), Instant(0));
    let (ungroup, _) = asked(&mut house);
    house.handle_done(close, no_tab(2), Instant(1));
    house.handle_done(ungroup, no_tab(2), Instant(1));
    house.handle_replaced(TabId(2), TabId(9));
    let (_, call) = asked(&mut house);
    assert_eq!(call, ChromeCall::RemoveTab { tab: TabId(9) });
}

#[test]
fn a_tab_that_was_to_be_closed_and_is_told_closed_is_not_told_gone_too() {
    let mut house = house(&[]);
    house.close(TabId(2), None);
    let (request, _) = asked(&mut house);
    house.handle_done(request, no_tab(2), Instant(1));
    house.handle_closed(TabId(2));
    house.handle_timeout(Instant(1_000));
    assert_eq!(events(&mut house), []);
}
