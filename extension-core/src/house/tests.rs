use super::*;
use serde_json::json;

mod refused;

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn peer(number: usize, label: &str) -> Peer {
    Peer {
        alias: protocol::Alias(format!("a{number}")),
        label: label.into(),
    }
}

fn tab(id: u32, window: i64, active: bool) -> TabFacts {
    TabFacts {
        id: id.into(),
        window_id: window,
        active,
        ..TabFacts::default()
    }
}

fn house(tabs: &[TabFacts]) -> House {
    House::new([1; 32], tabs)
}

fn events(house: &mut House) -> Vec<HouseEvent> {
    std::iter::from_fn(|| house.poll_event()).collect()
}

/// The one question that the house now asks.
fn asked(house: &mut House) -> (u64, ChromeCall) {
    let mut events = events(house);
    assert_eq!(events.len(), 1, "{events:?}");
    match events.remove(0) {
        HouseEvent::Ask { request, call } => (request, call),
        other @ (HouseEvent::WriteIntent { .. }
        | HouseEvent::DropIntent { .. }
        | HouseEvent::Made { .. }
        | HouseEvent::Gone { .. }
        | HouseEvent::NotMade { .. }) => panic!("{other:?}"),
    }
}

fn intent(house: &mut House) -> String {
    match events(house).as_slice() {
        [HouseEvent::WriteIntent { nonce }] => nonce.clone(),
        other => panic!("{other:?}"),
    }
}

/// What is told only when Chrome has told of no new id for a while.
fn told_late(house: &mut House) -> Vec<HouseEvent> {
    assert_eq!(events(house), []);
    house.handle_timeout(house.poll_timeout().unwrap());
    events(house)
}

fn refused(message: &str) -> Result<Value, ChromeError> {
    Err(ChromeError {
        message: message.into(),
    })
}

#[test]
fn a_tab_is_made_after_its_intent_is_on_disk_and_bears_its_mark() {
    let mut house = house(&[tab(1, 10, true)]);
    house.make(Slot(7), None);
    let nonce = intent(&mut house);
    house.handle_intent_written(&nonce);
    let (request, call) = asked(&mut house);
    assert_eq!(call, ChromeCall::LastFocusedWindow);
    house.handle_done(
        request,
        Ok(json!({"id": 10, "type": "normal", "incognito": false})),
        Instant(0),
    );
    let (request, call) = asked(&mut house);
    let url = format!("{MARK}{nonce}");
    assert_eq!(
        call,
        ChromeCall::CreateTab {
            url: url.clone(),
            window: Some(10),
            active: false
        }
    );
    let facts = TabFacts {
        pending_url: url,
        ..tab(2, 10, false)
    };
    assert!(house.is_making(&facts));
    house.handle_done(
        request,
        Ok(serde_json::to_value(&facts).unwrap()),
        Instant(0),
    );
    let made = HouseEvent::Made {
        slot: Slot(7),
        facts: Box::new(facts.clone()),
    };
    assert_eq!(
        events(&mut house),
        vec![made, HouseEvent::DropIntent { nonce }]
    );
    assert!(!house.is_making(&facts));
    assert_eq!(house.open_requests(), 0);
}

#[test]
fn an_incognito_or_missing_window_means_a_new_unfocused_one() {
    for answer in [
        Ok(json!({"id": 10, "incognito": true})),
        refused("No last-focused window"),
    ] {
        let mut house = house(&[]);
        house.make(Slot(1), None);
        let nonce = intent(&mut house);
        house.handle_intent_written(&nonce);
        let (request, _) = asked(&mut house);
        house.handle_done(request, answer, Instant(0));
        let (request, call) = asked(&mut house);
        assert!(matches!(call, ChromeCall::CreateWindow { .. }));
        let window = json!({"id": 77, "tabs": [{"id": 5, "windowId": 77}]});
        house.handle_done(request, Ok(window), Instant(0));
        assert!(matches!(
            events(&mut house).first(),
            Some(HouseEvent::Made { .. })
        ));
    }
}

#[test]
fn while_the_person_drags_it_is_tried_again_and_in_the_end_given_up() {
    let mut house = house(&[]);
    house.make(Slot(1), Some(10));
    let nonce = intent(&mut house);
    house.handle_intent_written(&nonce);
    let mut now = Instant(0);
    let dragging = "Tabs cannot be edited right now (user may be dragging a tab).";
    for _ in 0..TRIES_MAX {
        let (mut request, mut call) = asked(&mut house);
        if call == ChromeCall::LastFocusedWindow {
            house.handle_done(request, Ok(json!({"id": 10})), now);
            (request, call) = asked(&mut house);
        }
        assert!(matches!(call, ChromeCall::CreateTab { .. }));
        house.handle_done(request, refused(dragging), now);
        if let Some(at) = house.poll_timeout() {
            now = at;
            house.handle_timeout(now);
        }
    }
    assert!(matches!(
        events(&mut house).first(),
        Some(HouseEvent::NotMade { slot: Slot(1), .. })
    ));
    assert_eq!(house.open_requests(), 0);
}

#[test]
fn the_last_tab_of_a_window_is_replaced_by_a_blank_one() {
    for (count, replaced) in [(1, true), (2, false)] {
        let mut house = house(&[tab(1, 10, true)]);
        house.close(TabId(1), Some(10));
        let (request, call) = asked(&mut house);
        assert_eq!(call, ChromeCall::WindowTabs { window: 10 });
        let tabs: Vec<Value> = (1..=count).map(|id| json!({"id": id})).collect();
        house.handle_done(request, Ok(json!(tabs)), Instant(0));
        let (request, mut call) = asked(&mut house);
        if replaced {
            assert!(matches!(
                call,
                ChromeCall::CreateTab {
                    window: Some(10),
                    ..
                }
            ));
            house.handle_done(request, Ok(json!({"id": 9})), Instant(0));
            (_, call) = asked(&mut house);
        }
        assert_eq!(call, ChromeCall::RemoveTab { tab: TabId(1) });
    }
}

#[test]
fn tabs_that_leave_together_leave_one_blank_tab_in_the_persons_window() {
    let mut house = house(&[tab(1, 10, true), tab(2, 10, false)]);
    house.close(TabId(1), Some(10));
    house.close(TabId(2), Some(10));
    let asks: Vec<u64> = events(&mut house)
        .into_iter()
        .filter_map(|event| match event {
            HouseEvent::Ask { request, .. } => Some(request),
            HouseEvent::WriteIntent { .. }
            | HouseEvent::DropIntent { .. }
            | HouseEvent::Made { .. }
            | HouseEvent::Gone { .. }
            | HouseEvent::NotMade { .. } => None,
        })
        .collect();
    let both = json!([{"id": 1}, {"id": 2}]);
    house.handle_done(asks[0], Ok(both.clone()), Instant(0));
    let (replace, call) = asked(&mut house);
    assert!(matches!(
        call,
        ChromeCall::CreateTab {
            window: Some(10),
            ..
        }
    ));
    house.handle_done(asks[1], Ok(both), Instant(0));
    assert_eq!(asked(&mut house).1, ChromeCall::RemoveTab { tab: TabId(2) });
    house.handle_done(replace, Ok(json!({"id": 9})), Instant(0));
    assert_eq!(asked(&mut house).1, ChromeCall::RemoveTab { tab: TabId(1) });
}

#[test]
fn a_window_stays_open_though_its_blank_tab_could_not_be_made_at_once() {
    let mut house = house(&[tab(1, 10, true)]);
    house.close(TabId(1), Some(10));
    let (count, _) = asked(&mut house);
    house.handle_done(count, Ok(json!([{"id": 1}])), Instant(0));
    let (replace, _) = asked(&mut house);
    house.handle_done(
        replace,
        refused("Tabs cannot be edited right now"),
        Instant(0),
    );
    assert_eq!(events(&mut house), vec![], "not removed");
    house.handle_timeout(house.poll_timeout().unwrap());
    assert_eq!(asked(&mut house).1, ChromeCall::WindowTabs { window: 10 });
}

#[test]
fn a_close_is_tried_for_as_long_as_the_person_drags_and_a_missing_tab_is_told() {
    let mut house = house(&[tab(1, 10, true)]);
    house.close(TabId(1), None);
    let mut now = Instant(0);
    for _ in 0..200 {
        let (request, call) = asked(&mut house);
        assert_eq!(call, ChromeCall::RemoveTab { tab: TabId(1) });
        house.handle_done(request, refused("Tabs cannot be edited right now"), now);
        now = house.poll_timeout().unwrap();
        house.handle_timeout(now);
    }
    let (request, _) = asked(&mut house);
    house.handle_done(request, refused("No tab with id: 1."), now);
    assert_eq!(told_late(&mut house), [HouseEvent::Gone { tab: TabId(1) }]);
}

#[test]
fn a_session_has_one_group_however_many_tabs_come_at_once() {
    let mut house = house(&[]);
    house.group(&session(), &peer(1, "x"), TabId(1), Instant(0));
    house.group(&session(), &peer(1, "x"), TabId(2), Instant(0));
    let (request, call) = asked(&mut house);
    assert!(matches!(
        call,
        ChromeCall::GroupTab {
            tab: TabId(1),
            group: None,
            ..
        }
    ));
    assert!(house.moved_by_us(TabId(1), Instant(100)));
    house.handle_done(request, Ok(json!(55)), Instant(0));
    let (request, call) = asked(&mut house);
    assert!(matches!(
        call,
        ChromeCall::GroupTab {
            tab: TabId(2),
            group: Some(55),
            ..
        }
    ));
    house.handle_done(request, refused("No group with id: 55."), Instant(0));
    let (_, call) = asked(&mut house);
    assert!(matches!(
        call,
        ChromeCall::GroupTab {
            tab: TabId(2),
            group: None,
            ..
        }
    ));
}

const DRAGGING: &str = "Tabs cannot be edited right now (user may be dragging a tab).";

#[test]
fn a_tab_joins_its_sessions_group_when_the_person_has_dropped_theirs() {
    let mut house = house(&[]);
    house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
    let (request, _) = asked(&mut house);
    house.handle_done(request, Ok(json!(5)), Instant(0));
    house.group(&session(), &peer(0, "x"), TabId(2), Instant(1));
    let (request, call) = asked(&mut house);
    house.handle_done(request, refused(DRAGGING), Instant(2));
    assert_eq!(events(&mut house), []);
    house.handle_timeout(house.poll_timeout().unwrap());
    // Into the same one.
    let (request, again) = asked(&mut house);
    assert_eq!(again, call);
    // Given away meanwhile, it leaves the group and does not come back.
    house.handle_done(request, refused(DRAGGING), Instant(400));
    house.ungroup(TabId(2), Instant(401));
    let (request, call) = asked(&mut house);
    house.handle_done(request, refused(DRAGGING), Instant(402));
    house.handle_timeout(Instant(2_000));
    let (request, again) = asked(&mut house);
    assert_eq!(again, call);
    house.handle_done(request, Ok(Value::Null), Instant(2_001));
    house.handle_timeout(Instant(9_000));
    assert_eq!(events(&mut house), []);
}

#[test]
fn a_tab_that_goes_while_it_is_grouped_leaves_its_group_as_it_is() {
    let mut house = house(&[]);
    for tab in [1, 2, 3] {
        house.group(&session(), &peer(0, "x"), TabId(tab), Instant(0));
    }
    // The first of them is gone before there is a group: the next makes it, and one alone.
    let (request, _) = asked(&mut house);
    house.handle_done(request, refused("No tab with id: 1."), Instant(1));
    let (request, _) = asked(&mut house);
    house.handle_done(request, Ok(json!(5)), Instant(2));
    let (request, call) = asked(&mut house);
    let into = |call: &ChromeCall| {
        if let ChromeCall::GroupTab { tab, group, .. } = call {
            return Some((*tab, *group));
        }
        None
    };
    assert_eq!(into(&call), Some((TabId(3), Some(5))));
    house.handle_done(request, refused("No tab with id: 3."), Instant(3));
    house.group(&session(), &peer(0, "x"), TabId(4), Instant(4));
    assert_eq!(into(&asked(&mut house).1), Some((TabId(4), Some(5))));
}

/// The questions about groups that are open: number, tab and group.
fn groupings(house: &mut House) -> Vec<(u64, TabId, Option<i64>)> {
    let grouping = |event| {
        if let HouseEvent::Ask { request, call } = event
            && let ChromeCall::GroupTab { tab, group, .. } = call
        {
            return Some((request, tab, group));
        }
        None
    };
    events(house).into_iter().filter_map(grouping).collect()
}

/// Which tabs come into which groups once the person has dropped theirs, in the next 10 s. The
/// first group that is made is 5, and so on.
fn grouped_after_the_drag(house: &mut House, mut now: Instant) -> Vec<(TabId, i64)> {
    let end = now + Duration::from_secs(10);
    let mut groups = 5..;
    let mut grouped = Vec::new();
    loop {
        for (request, tab, group) in groupings(house) {
            let id = group.or_else(|| groups.next()).unwrap();
            house.handle_done(request, Ok(json!(id)), now);
            grouped.push((tab, id));
        }
        match house.poll_timeout() {
            Some(at) if at <= end => now = at,
            Some(_) | None if house.events.is_empty() => return grouped,
            Some(_) | None => {}
        }
        house.handle_timeout(now);
    }
}

fn other() -> SessionId {
    SessionId::new("other").unwrap()
}

/// How a tab leaves its session's group, and whether it is grouped elsewhere then.
const LEAVE: [fn(&mut House, TabId, Instant); 3] = [
    |house, tab, _| house.handle_closed(tab),
    House::ungroup,
    |house, tab, now| house.group(&other(), &peer(1, "y"), tab, now),
];

#[test]
fn a_group_is_made_though_the_tab_that_made_it_left_while_the_person_dragged() {
    for (early, leave) in [false, true]
        .into_iter()
        .flat_map(|early| LEAVE.map(|leave| (early, leave)))
    {
        let mut house = house(&[]);
        house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
        house.group(&session(), &peer(0, "x"), TabId(2), Instant(0));
        let (request, _) = asked(&mut house);
        if early {
            leave(&mut house, TabId(1), Instant(1));
        }
        house.handle_done(request, refused(DRAGGING), Instant(1));
        if !early {
            leave(&mut house, TabId(1), Instant(100));
        }
        let mut grouped = grouped_after_the_drag(&mut house, Instant(100));
        house.group(&session(), &peer(0, "x"), TabId(3), Instant(20_000));
        grouped.extend(grouped_after_the_drag(&mut house, Instant(20_000)));
        grouped.retain(|(tab, _)| *tab != TabId(1));
        let group = grouped.first().map(|(_, group)| *group).unwrap();
        assert_eq!(grouped, [(TabId(2), group), (TabId(3), group)]);
    }
}

#[test]
fn tabs_that_wait_out_a_drag_ask_for_their_new_group_one_at_a_time() {
    let mut house = house(&[]);
    for id in 1..=3 {
        house.group(&session(), &peer(0, "x"), TabId(id), Instant(0));
    }
    let mut now = Instant(0);
    for _ in 0..20 {
        let (request, ..) = groupings(&mut house).remove(0);
        assert_eq!(groupings(&mut house), []);
        house.handle_done(request, refused(DRAGGING), now);
        now = now + RETRY_EVERY;
        house.handle_timeout(now);
    }
    let mut grouped = grouped_after_the_drag(&mut house, now);
    grouped.sort_unstable();
    assert_eq!(grouped, [1, 2, 3].map(|id| (TabId(id), 5)));
}

#[test]
fn a_tab_that_left_while_it_waited_for_its_group_does_not_come_into_it() {
    for leave in LEAVE {
        let mut house = house(&[]);
        house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
        let (request, _) = asked(&mut house);
        house.group(&session(), &peer(0, "x"), TabId(2), Instant(0));
        house.group(&session(), &peer(0, "x"), TabId(3), Instant(0));
        leave(&mut house, TabId(2), Instant(1));
        events(&mut house);
        house.handle_done(request, Ok(json!(5)), Instant(2));
        let grouped = grouped_after_the_drag(&mut house, Instant(2));
        assert_eq!(grouped, [(TabId(3), 5)]);
    }
}

#[test]
fn a_tab_that_left_while_it_was_grouped_is_not_pulled_back_after_the_drag() {
    for (made, leave) in [false, true]
        .into_iter()
        .flat_map(|made| LEAVE.map(|leave| (made, leave)))
    {
        let mut house = house(&[]);
        if made {
            house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
            let (request, _) = asked(&mut house);
            house.handle_done(request, Ok(json!(5)), Instant(0));
        }
        house.group(&session(), &peer(0, "x"), TabId(2), Instant(1));
        let (late, _) = asked(&mut house);
        leave(&mut house, TabId(2), Instant(2));
        // The person has dropped theirs: what was asked later comes through.
        grouped_after_the_drag(&mut house, Instant(2));
        house.handle_done(late, refused(DRAGGING), Instant(20_000));
        let pulled = grouped_after_the_drag(&mut house, Instant(20_000));
        assert_eq!(pulled, [], "group made before: {made}");
    }
}

#[test]
fn a_tab_that_was_grouped_or_closed_since_is_not_taken_out_after_the_drag() {
    let after: [fn(&mut House); 2] = [
        |house| house.group(&session(), &peer(0, "x"), TabId(1), Instant(1)),
        |house| house.handle_closed(TabId(1)),
    ];
    for after in after {
        let mut house = house(&[]);
        house.ungroup(TabId(1), Instant(0));
        let (late, call) = asked(&mut house);
        assert_eq!(call, ChromeCall::UngroupTab { tab: TabId(1) });
        after(&mut house);
        grouped_after_the_drag(&mut house, Instant(1));
        house.handle_done(late, refused(DRAGGING), Instant(20_000));
        house.handle_timeout(Instant(30_000));
        assert_eq!(events(&mut house), []);
    }
}

/// It is unloaded while the person drags another one.
#[test]
fn a_tab_that_gets_another_id_is_grouped_under_that_unless_it_left() {
    for (early, leaves) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut house = house(&[]);
        house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
        let (request, _) = asked(&mut house);
        if early {
            house.handle_replaced(TabId(1), TabId(9));
        }
        if leaves && early {
            house.handle_closed(TabId(9));
        }
        house.handle_done(request, refused(DRAGGING), Instant(1));
        if !early {
            house.handle_replaced(TabId(1), TabId(9));
        }
        if leaves && !early {
            house.handle_closed(TabId(9));
        }
        let grouped = grouped_after_the_drag(&mut house, Instant(1));
        let expected = (!leaves).then_some((TabId(9), 5));
        assert_eq!(grouped, Vec::from_iter(expected));
    }
}

#[test]
fn a_session_that_comes_again_does_not_pull_back_the_tabs_it_had() {
    let mut house = house(&[]);
    house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
    let (request, _) = asked(&mut house);
    house.handle_done(request, refused(DRAGGING), Instant(1));
    house.forget(&session());
    let moved = Instant(1) + OWN_MOVE;
    assert_eq!(house.poll_timeout(), Some(moved), "nothing is tried again");
    house.group(&session(), &peer(0, "x"), TabId(2), Instant(2));
    let grouped = grouped_after_the_drag(&mut house, Instant(2));
    assert_eq!(grouped, [(TabId(2), 5)]);
}

#[test]
fn a_dissolved_group_is_made_anew_once_however_many_tabs_come_at_once() {
    for overtaken in [false, true] {
        let mut house = house(&[]);
        house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
        let (request, _) = asked(&mut house);
        house.handle_done(request, Ok(json!(4)), Instant(0));
        house.group(&session(), &peer(0, "x"), TabId(2), Instant(1));
        let (first, _) = asked(&mut house);
        house.group(&session(), &peer(0, "x"), TabId(3), Instant(1));
        let (second, _) = asked(&mut house);
        let gone = || refused("No group with id: 4.");
        house.handle_done(first, gone(), Instant(2));
        if overtaken {
            let (made, call) = asked(&mut house);
            assert!(matches!(call, ChromeCall::GroupTab { group: None, .. }));
            house.handle_done(made, Ok(json!(5)), Instant(3));
        }
        house.handle_done(second, gone(), Instant(4));
        let grouped = grouped_after_the_drag(&mut house, Instant(4));
        assert_eq!(grouped.last(), Some(&(TabId(3), 5)));
        assert_eq!(grouped.len(), if overtaken { 1 } else { 2 });
    }
}

#[test]
fn the_front_is_given_back_when_the_person_has_dropped_their_tab() {
    let mut house = house(&[tab(1, 10, true)]);
    house.handle_popup(TabId(2), TabId(3), None, Instant(0));
    house.handle_activated(TabId(3), 10);
    let (request, call) = asked(&mut house);
    assert_eq!(call, ChromeCall::ActivateTab { tab: TabId(1) });
    house.handle_done(request, refused(DRAGGING), Instant(1));
    house.handle_timeout(house.poll_timeout().unwrap());
    let (request, again) = asked(&mut house);
    assert_eq!(again, call);
    // Unless they have gone on to another tab themselves.
    house.handle_done(request, refused(DRAGGING), Instant(400));
    house.handle_activated(TabId(4), 10);
    house.handle_timeout(Instant(2_000));
    assert_eq!(events(&mut house), []);
}

#[test]
fn a_popup_of_a_hidden_tab_gives_the_front_back_in_either_order() {
    let before = [tab(1, 10, true), tab(2, 10, false)];
    let mut first = house(&before);
    first.handle_activated(TabId(3), 10);
    first.handle_popup(TabId(2), TabId(3), None, Instant(0));
    assert_eq!(
        asked(&mut first).1,
        ChromeCall::ActivateTab { tab: TabId(1) }
    );
    let mut second = house(&before);
    second.handle_popup(TabId(2), TabId(3), None, Instant(0));
    second.handle_activated(TabId(3), 10);
    assert_eq!(
        asked(&mut second).1,
        ChromeCall::ActivateTab { tab: TabId(1) }
    );
}

#[test]
fn a_popup_of_the_tab_in_front_may_stay_in_front() {
    let mut house = house(&[tab(1, 10, true)]);
    house.handle_activated(TabId(3), 10);
    house.handle_popup(TabId(1), TabId(3), None, Instant(0));
    assert_eq!(events(&mut house), vec![]);
}

/// The clicked tab is in window 2, the person was in window 1.
#[test]
fn the_front_is_given_back_unless_the_person_has_gone_on() {
    for (front, focused, given_back) in [
        (2, true, true),
        (1, true, true),
        (3, true, false),
        (2, false, false),
    ] {
        let mut house = house(&[]);
        house.give_front_back(2, 1, Instant(0));
        let (request, call) = asked(&mut house);
        assert_eq!(call, ChromeCall::FocusedWindow, "popups are among them");
        let window = json!({"id": front, "focused": focused});
        house.handle_done(request, Ok(window), Instant(0));
        let back = given_back.then_some(ChromeCall::FocusWindow { window: 1 });
        let asks = events(&mut house).into_iter().filter_map(|event| {
            if let HouseEvent::Ask { call, .. } = event {
                Some(call)
            } else {
                None
            }
        });
        assert_eq!(asks.collect::<Vec<_>>(), Vec::from_iter(back));
    }
}

/// The windows that are asked to come to the front, whatever has the keyboard.
fn brought_back(house: &mut House, focused: i64) -> Vec<i64> {
    let mut brought = Vec::new();
    loop {
        let asks = events(house);
        if asks.is_empty() {
            return brought;
        }
        for ask in asks {
            if let HouseEvent::Ask { request, call } = ask {
                let window = json!({"id": focused, "focused": true});
                house.handle_done(request, Ok(window), Instant(0));
                if let ChromeCall::FocusWindow { window } = call {
                    brought.push(window);
                }
            }
        }
    }
}

/// The person works in window 10. Window 20 shows tab 2, and tab 3 is hidden behind it.
fn house_of_two_windows() -> House {
    let mut house = house(&[tab(1, 10, true), tab(2, 20, true), tab(3, 20, false)]);
    house.find_persons();
    assert!(brought_back(&mut house, 10).is_empty());
    house
}

#[test]
fn a_window_that_a_popup_raises_gives_the_keyboard_back_in_either_order() {
    // In front of its window or hidden, into that window or one of its own.
    for (opener, window) in [(3, 20), (3, 30), (2, 20), (2, 30)] {
        let mut first = house_of_two_windows();
        first.handle_popup(TabId(opener), TabId(4), Some(window), Instant(5));
        assert!(brought_back(&mut first, 10).is_empty());
        first.handle_focused(window, Instant(50));
        assert_eq!(brought_back(&mut first, window), [10]);
        first.handle_focused(10, Instant(60));
        // Later they go there themselves.
        first.handle_focused(window, Instant(70));
        assert!(brought_back(&mut first, window).is_empty());
        let mut second = house_of_two_windows();
        second.handle_focused(window, Instant(1));
        second.handle_popup(TabId(opener), TabId(4), Some(window), Instant(5));
        assert_eq!(brought_back(&mut second, window), [10]);
    }
}

#[test]
fn a_window_that_the_person_opens_or_goes_to_keeps_the_keyboard() {
    // Out of a page that they look at.
    let mut house = house_of_two_windows();
    house.handle_popup(TabId(1), TabId(4), Some(30), Instant(5));
    house.handle_focused(30, Instant(50));
    assert!(brought_back(&mut house, 30).is_empty());
    let mut house = house_of_two_windows();
    house.handle_focused(30, Instant(1));
    house.handle_popup(TabId(1), TabId(4), Some(30), Instant(5));
    assert!(brought_back(&mut house, 30).is_empty());
    // To a window that they went to long before a page behind it opened a tab there.
    let mut house = house_of_two_windows();
    house.handle_focused(20, Instant(1));
    house.handle_popup(TabId(3), TabId(4), Some(20), Instant(5_000));
    assert!(!brought_back(&mut house, 20).contains(&10));
    // To the popup's, when it is old.
    let mut house = house_of_two_windows();
    house.handle_popup(TabId(3), TabId(4), Some(30), Instant(5));
    house.handle_timeout(Instant(5_000));
    house.handle_focused(30, Instant(5_000));
    assert!(brought_back(&mut house, 30).is_empty());
}

#[test]
fn what_a_press_opens_gives_the_keyboard_back_to_where_the_person_was_before_the_press() {
    let mut house = house_of_two_windows();
    house.lend_front(20, 10);
    house.handle_focused(20, Instant(1));
    assert!(
        brought_back(&mut house, 20).is_empty(),
        "the press is under way"
    );
    house.handle_popup(TabId(2), TabId(4), Some(30), Instant(2));
    house.give_front_back(20, 10, Instant(3));
    house.handle_focused(30, Instant(3));
    assert_eq!(brought_back(&mut house, 30), [10]);
    // When it is through, the window is soon as any other.
    house.handle_focused(10, Instant(4));
    house.handle_timeout(Instant(505));
    house.handle_focused(20, Instant(505));
    house.handle_popup(TabId(2), TabId(5), Some(40), Instant(506));
    house.handle_focused(40, Instant(507));
    assert!(brought_back(&mut house, 40).is_empty());
}

#[test]
fn a_window_that_is_raised_when_the_press_is_through_gives_the_keyboard_back_too() {
    for (late, given_back) in [(1, true), (499, true), (501, false)] {
        let mut house = house_of_two_windows();
        house.lend_front(20, 10);
        house.give_front_back(20, 10, Instant(0));
        // Chrome has not heard of it yet.
        assert_eq!(brought_back(&mut house, 10), [10]);
        house.handle_timeout(Instant(late));
        house.handle_focused(20, Instant(late));
        let again: &[i64] = if given_back { &[10] } else { &[] };
        assert_eq!(brought_back(&mut house, 20), again, "{late} ms late");
    }
}

#[test]
fn where_the_person_is_shows_at_a_press_and_never_in_a_window_that_an_agent_presses_in() {
    let mut house = house(&[tab(1, 10, true), tab(2, 20, true), tab(3, 30, true)]);
    // Nobody has told yet where they are.
    house.lend_front(20, 10);
    // A second agent finds the keyboard where the first one presses.
    house.lend_front(30, 20);
    house.handle_popup(TabId(2), TabId(4), Some(40), Instant(1));
    house.handle_focused(40, Instant(2));
    assert_eq!(brought_back(&mut house, 40), [10]);
}

#[test]
fn an_unknown_answer_changes_nothing() {
    let mut house = house(&[]);
    house.handle_done(99, Ok(json!({"id": 1})), Instant(0));
    house.handle_intent_written("nope");
    assert_eq!(events(&mut house), vec![]);
}

#[test]
fn the_echo_of_our_grouping_is_no_move_of_the_persons_when_the_clock_is_put_ahead() {
    let mut house = house(&[]);
    house.group(&session(), &peer(1, "x"), TabId(1), Instant(0));
    let day = 86_400_000;
    house.handle_timeout(Instant(day));
    assert!(house.moved_by_us(TabId(1), Instant(day + 500)));
    assert!(!house.moved_by_us(TabId(1), Instant(day + 501)));
}

#[test]
fn a_group_of_the_workers_former_life_is_joined_and_its_echoes_are_no_moves_of_the_persons() {
    let mut house = house(&[]);
    let label = peer(0, "x");
    house.take_over(&session(), &label, 77);
    house.expect_echo(TabId(1), Instant(0));
    assert!(house.moved_by_us(TabId(1), Instant(500)));
    assert!(!house.moved_by_us(TabId(1), Instant(501)));
    // Nobody has grouped it: whoever moves it now is the person.
    assert!(!house.moved_by_us(TabId(2), Instant(0)));
    house.group(&session(), &label, TabId(3), Instant(1));
    let (_, call) = asked(&mut house);
    let joins = ChromeCall::GroupTab {
        tab: TabId(3),
        group: Some(77),
        title: "x".into(),
        color: COLORS[0],
    };
    assert_eq!(call, joins);
    house.retitle(&session(), "y");
    assert!(matches!(
        asked(&mut house).1,
        ChromeCall::TitleGroup { group: 77, .. }
    ));
}

#[test]
fn a_group_has_the_name_that_its_agent_got_while_it_was_made() {
    let mut house = house(&[]);
    house.group(&session(), &peer(0, "x"), TabId(1), Instant(0));
    let (request, _) = asked(&mut house);
    house.retitle(&session(), "y");
    house.handle_done(request, Ok(json!(5)), Instant(1));
    let title = "y".into();
    let (_, call) = asked(&mut house);
    assert_eq!(call, ChromeCall::TitleGroup { group: 5, title });
    house.group(&session(), &peer(0, "y"), TabId(2), Instant(2));
    let (request, _) = asked(&mut house);
    house.handle_done(request, Ok(json!(5)), Instant(3));
    assert_eq!(events(&mut house), []);
}
