use super::*;
use crate::effect::ChromeCall;
use crate::files::Config;
use crate::input::{BrowserEvent, Input};
use protocol::pairing::Secret;
use serde_json::json;

/// Session x owns tab 7, tab 8 is the person's, and `shown` is in front.
fn reborn(shown: i64) -> Extension {
    reborn_with(shown, &json!({}), |_| {})
}

/// The same with more `stored`, and with tabs that `change` has changed.
fn reborn_with(shown: i64, stored: &Value, change: impl Fn(&mut TabFacts)) -> Extension {
    reborn_in(SortedMap::new(), shown, stored, change)
}

/// The same where groups are called so.
fn reborn_in(
    titles: SortedMap<i64, String>,
    shown: i64,
    stored: &Value,
    change: impl Fn(&mut TabFacts),
) -> Extension {
    reborn_with_tabs(&[7, 8], titles, shown, stored, change)
}

/// The same with these tabs.
fn reborn_with_tabs(
    tabs: &[i64],
    titles: SortedMap<i64, String>,
    shown: i64,
    stored: &Value,
    change: impl Fn(&mut TabFacts),
) -> Extension {
    let entity = |body: Value| json!({"v": store::VERSION, "e": body});
    let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
    let seat = json!({"current": {"tab": 7}, "had": true});
    let tab = json!({"owner": {"session": ["x", "made"]}});
    let mut entities = BTreeMap::from([
        ("session/x".to_owned(), entity(session)),
        ("seat/x".to_owned(), entity(seat)),
        ("tab/7".to_owned(), entity(tab)),
    ]);
    for (key, body) in stored.as_object().unwrap() {
        entities.insert(key.clone(), entity(body.clone()));
    }
    let boot = Boot {
        seed: [1; 32],
        extension_id: protocol::EXTENSION_ID.into(),
        secret: Ok(Secret::new([1; 32])),
        config: Config::default(),
        stored: entities,
        tabs: tabs
            .iter()
            .map(|&id| {
                let mut facts = TabFacts {
                    id,
                    active: id == shown,
                    ..TabFacts::default()
                };
                change(&mut facts);
                facts
            })
            .collect(),
        groups: titles,
        attached: SortedSet::new(),
        unpacked: true,
    };
    Extension::new(boot, Instant(0))
}

#[test]
fn a_reborn_worker_gives_each_session_its_tabs_and_the_person_theirs() {
    let extension = reborn(8);
    let x = SessionId::new("x").unwrap();
    assert_eq!(extension.tabs.owned_by(&x), vec![TabId(7)]);
    assert_eq!(extension.tabs.current(&x), Some(TabId(7)));
    assert!(extension.tabs.is_person_tab(TabId(8)));
}

#[test]
fn a_tab_that_was_on_its_way_at_the_death_was_grouped_by_us_and_not_moved_by_the_person() {
    for owner in [
        json!({"session": ["x", "made"]}),
        json!({"free": ["x", "made"]}),
    ] {
        let leaving = json!({"tab/7": {"owner": owner, "leaving": "firstClaim"}});
        let mut extension = reborn_with(8, &leaving, |_| {});
        let tab = TabId(7);
        let moved = Input::Browser(BrowserEvent::TabMoved { tab });
        extension.handle_input(moved, Instant(3));
        let record = extension.tabs.tab_record(tab).unwrap();
        assert!(matches!(
            record.owner,
            TabRecordOwner::Session(_, Duty::Made) | TabRecordOwner::Free(_, Duty::Made)
        ));
    }
}

#[test]
fn a_group_in_which_a_tab_was_half_made_is_joined() {
    let making = json!({"making/n": "n"});
    let mut extension = reborn_with(8, &making, |facts| {
        facts.group_id = 5;
        if facts.id == 8 {
            facts.url = format!("{MARK}n");
        }
    });
    let x = SessionId::new("x").unwrap();
    let peer = extension.sessions.get(&x).unwrap().peer.clone();
    while extension.poll_effect().is_some() {}
    extension.house.group(&x, &peer, TabId(7), Instant(0));
    assert!(asks(&mut extension).any(|call| joins(&call, 5)));
}

/// What Chrome is asked for.
fn asks(extension: &mut Extension) -> impl Iterator<Item = ChromeCall> {
    extension.settle(Instant(0));
    std::iter::from_fn(|| extension.poll_effect()).filter_map(|effect| {
        let Effect::Ask { call, .. } = effect else {
            return None;
        };
        Some(call)
    })
}

fn joins(call: &ChromeCall, into: i64) -> bool {
    matches!(call, ChromeCall::GroupTab { group, .. } if *group == Some(into))
}

#[test]
fn a_tab_whose_record_cannot_be_read_leaves_its_agents_group_which_stays_the_agents() {
    let rubbish = json!({"tab/8": "rubbish"});
    let mut extension = reborn_with(0, &rubbish, |facts| facts.group_id = 5);
    let x = SessionId::new("x").unwrap();
    let peer = extension.sessions.get(&x).unwrap().peer.clone();
    extension.house.group(&x, &peer, TabId(7), Instant(0));
    let asked: Vec<_> = asks(&mut extension).collect();
    let left = |tab| asked.contains(&ChromeCall::UngroupTab { tab: TabId(tab) });
    assert_eq!([7, 8].map(left), [false, true], "{asked:?}");
    assert!(asked.iter().any(|call| joins(call, 5)), "{asked:?}");
}

#[test]
fn a_group_with_tabs_that_are_not_the_agents_own_is_joined_where_it_bears_its_name() {
    let given = json!({"tab/8": {"owner": {"session": ["x", "borrowed"]}}});
    let persons = json!({});
    let others = json!({"tab/8": {"owner": {"session": ["y", "made"]}}});
    let given_to_others = json!({"tab/8": {"owner": {"session": ["y", "borrowed"]}}});
    for (given, title, joined) in [
        (&given, "x", true),
        (&persons, "x", true),
        (&others, "x", false),
        (&given_to_others, "x", true),
        (&given_to_others, "Shopping", false),
        (&given, "Shopping", false),
        (&persons, "Shopping", false),
    ] {
        let titles = SortedMap::from([(5, title.to_owned())]);
        let mut extension = reborn_in(titles, 0, given, |facts| facts.group_id = 5);
        let x = SessionId::new("x").unwrap();
        let peer = extension.sessions.get(&x).unwrap().peer.clone();
        assert_eq!(peer.label, "x");
        extension.house.group(&x, &peer, TabId(9), Instant(0));
        let asked: Vec<_> = asks(&mut extension).collect();
        assert_eq!(asked.iter().any(|call| joins(call, 5)), joined, "{asked:?}");
    }
}

/// Tab 7 was given to session x, tab 8 was made for it; they stand in these groups.
fn reborn_apart(titles: [(i64, &str); 2], given: i64, made: i64) -> Extension {
    let stored = json!({
        "tab/7": {"owner": {"session": ["x", "borrowed"]}},
        "tab/8": {"owner": {"session": ["x", "made"]}},
    });
    let titles = titles.map(|(group, title)| (group, title.to_owned()));
    reborn_in(SortedMap::from(titles), 0, &stored, |facts| {
        facts.group_id = if facts.id == 8 { made } else { given };
    })
}

/// The group that a further tab of session x's joins; none if that makes one.
fn joined(extension: &mut Extension) -> Option<i64> {
    let x = SessionId::new("x").unwrap();
    let peer = extension.sessions.get(&x).unwrap().peer.clone();
    extension.house.group(&x, &peer, TabId(20), Instant(0));
    let into = |call| {
        let ChromeCall::GroupTab {
            tab: TabId(20),
            group,
            ..
        } = call
        else {
            return None;
        };
        Some(group)
    };
    asks(extension).find_map(into).unwrap()
}

/// Group 4 is the person's, and they have drawn back into it the tab that they gave.
#[test]
fn an_agents_own_group_goes_before_one_of_the_persons_that_bears_its_name() {
    let mut extension = reborn_apart([(4, "x"), (5, "x")], 4, 5);
    assert_eq!(joined(&mut extension), Some(5));
    let mut extension = reborn_apart([(4, "x"), (5, "x")], 4, 5);
    extension.house.retitle(&SessionId::new("x").unwrap(), "y");
    let named = |call: &ChromeCall| matches!(call, ChromeCall::TitleGroup { group: 4, .. });
    assert!(!asks(&mut extension).any(|call| named(&call)));
}

#[test]
fn what_the_person_gave_leads_to_no_group_while_the_agents_own_may_be_another() {
    // The group of the tab that was made cannot be joined: another's stands in it too.
    let stored = json!({
        "tab/6": {"owner": {"session": ["y", "made"]}},
        "tab/7": {"owner": {"session": ["x", "borrowed"]}},
        "tab/8": {"owner": {"session": ["x", "made"]}},
    });
    let extension = |made: i64| {
        let titles = SortedMap::from([(4, "x".to_owned()), (5, "x".to_owned())]);
        reborn_with_tabs(&[6, 7, 8], titles, 0, &stored, |facts| {
            facts.group_id = match facts.id {
                7 => 5,
                8 => made,
                _ => 4,
            };
        })
    };
    assert_eq!(joined(&mut extension(4)), None);
    assert_eq!(joined(&mut extension(-1)), Some(5), "it has no other");
}

#[test]
fn of_two_groups_with_tabs_that_were_made_an_agent_goes_on_in_that_of_its_name() {
    let made = json!({"tab/8": {"owner": {"session": ["x", "made"]}}});
    let titles = SortedMap::from([(4, "Shopping".to_owned()), (5, "x".to_owned())]);
    let mut extension = reborn_in(titles, 0, &made, |facts| {
        facts.group_id = if facts.id == 8 { 5 } else { 4 };
    });
    assert_eq!(joined(&mut extension), Some(5));
}

/// Whose tabs leave their group where session x cannot be read. Tab 7 has this record and tab 8
/// perhaps that one.
fn leave_an_unknown_agents_group(tab_7: &str, tab_8: Option<&str>) -> [bool; 2] {
    let owner = |duty| json!({"owner": {"session": ["x", duty]}});
    let mut stored = json!({"session/x": "rubbish", "tab/7": owner(tab_7)});
    if let Some(duty) = tab_8 {
        stored["tab/8"] = owner(duty);
    }
    let titles = SortedMap::from([(5, "Shopping".to_owned())]);
    let mut extension = reborn_in(titles, 0, &stored, |facts| facts.group_id = 5);
    let asked: Vec<_> = asks(&mut extension).collect();
    [7, 8].map(|tab| asked.contains(&ChromeCall::UngroupTab { tab: TabId(tab) }))
}

#[test]
fn what_an_agent_had_that_cannot_be_known_any_more_leaves_the_group_in_which_it_made_a_tab() {
    let left = leave_an_unknown_agents_group;
    assert_eq!(left("made", Some("borrowed")), [true, true]);
    assert_eq!(left("made", None), [true, false], "8 is the person's");
    assert_eq!(
        left("borrowed", Some("borrowed")),
        [false, false],
        "so is the group"
    );
}

/// Tab 7 is there as 9, in a group that is called as session x is.
fn restored(stored: &Value) -> Extension {
    let titles = SortedMap::from([(5, "x".to_owned())]);
    reborn_in(titles, 0, stored, |facts| {
        if facts.id == 7 {
            facts.id = 9;
            facts.group_id = 5;
            facts.url = "http://x/".into();
        }
    })
}

#[test]
fn a_tab_with_a_record_of_its_own_is_not_taken_for_one_that_is_missing() {
    for (record, found) in [
        (json!({}), true),
        (
            json!({"tab/9": {"owner": {"session": ["forgotten", "made"]}}}),
            false,
        ),
        (json!({"tab/9": "rubbish"}), false),
    ] {
        let mut stored =
            json!({"tab/7": {"owner": {"session": ["x", "made"]}, "url": "http://x/"}});
        let more = record.as_object().unwrap().clone();
        stored.as_object_mut().unwrap().extend(more);
        let mut extension = restored(&stored);
        extension.handle_input(Input::Tick, Instant(1_200));
        let x = SessionId::new("x").unwrap();
        let owned = extension.tabs.owned_by(&x);
        assert_eq!(owned == [TabId(9)], found, "{record}");
    }
}

/// A tab of the person's stands in the group too, which they may have given another agent.
#[test]
fn a_group_that_bears_its_name_is_joined_where_its_tab_got_another_id() {
    for (duty, joins) in [
        (None, true),
        (Some("borrowed"), true),
        (Some("made"), false),
    ] {
        let mut stored = json!({});
        if let Some(duty) = duty {
            stored = json!({
                "session/y": {"alias": "a2", "label": "y", "token": "00", "port": null},
                "seat/y": {"current": {"tab": 8}, "had": true},
                "tab/8": {"owner": {"session": ["y", duty]}},
            });
        }
        let titles = SortedMap::from([(5, "x".to_owned())]);
        let mut extension = reborn_in(titles, 0, &stored, |facts| {
            facts.group_id = 5;
            facts.id = if facts.id == 7 { 9 } else { facts.id };
        });
        replace(&mut extension, 7, 9);
        assert_eq!(joined(&mut extension) == Some(5), joins, "{duty:?}");
    }
}

#[test]
fn what_the_person_gave_leads_to_its_group_when_no_tab_is_missing_any_more() {
    let stored = json!({
        "tab/6": {"owner": {"session": ["x", "made"]}},
        "tab/7": {"owner": {"session": ["x", "borrowed"]}},
    });
    // Tab 7 has another id by now, and so perhaps has tab 6.
    let extension = || {
        let titles = SortedMap::from([(4, "x".to_owned()), (5, "x".to_owned())]);
        let mut extension = reborn_with_tabs(&[8, 9], titles, 0, &stored, |facts| {
            facts.group_id = if facts.id == 9 { 4 } else { 5 };
        });
        replace(&mut extension, 7, 9);
        extension
    };
    let mut replaced = extension();
    replace(&mut replaced, 6, 8);
    assert_eq!(joined(&mut replaced), Some(5), "of the tab that was made");
    let mut lost = extension();
    lost.handle_input(Input::Tick, Instant(1_200));
    assert_eq!(joined(&mut lost), Some(4));
}

fn replace(extension: &mut Extension, removed: u32, added: u32) {
    let (added, removed) = (TabId(added), TabId(removed));
    let replaced = Input::Browser(BrowserEvent::TabReplaced { added, removed });
    extension.handle_input(replaced, Instant(3));
}

#[test]
fn the_group_of_a_tab_that_is_found_late_gets_the_name_that_its_agent_has_by_then() {
    let stored = json!({"tab/7": {"owner": {"session": ["x", "made"]}, "url": "http://x/"}});
    let mut extension = restored(&stored);
    let x = SessionId::new("x").unwrap();
    extension.sessions.rename(&x, "z");
    extension.handle_input(Input::Tick, Instant(1_200));
    assert_eq!(extension.tabs.owned_by(&x), [TabId(9)]);
    let titled = ChromeCall::TitleGroup {
        group: 5,
        title: "z".into(),
    };
    assert!(asks(&mut extension).any(|call| call == titled));
}

/// Before it is sought the person gives x another, for which Chrome makes group 6.
#[test]
fn a_tab_that_is_found_late_joins_the_group_that_its_session_has_by_then() {
    for is_made in [true, false] {
        let stored = json!({"tab/7": {"owner": {"session": ["x", "made"]}, "url": "http://x/"}});
        let mut extension = restored(&stored);
        let x = SessionId::new("x").unwrap();
        let peer = extension.sessions.get(&x).unwrap().peer.clone();
        extension.house.group(&x, &peer, TabId(8), Instant(10));
        let answer = |extension: &mut Extension, at| {
            let effects = std::iter::from_fn(|| extension.poll_effect());
            let making = effects.filter_map(|effect| {
                let Effect::Ask { request, call } = effect else {
                    return None;
                };
                matches!(call, ChromeCall::GroupTab { group: None, .. }).then_some(request)
            });
            let request = making.last().unwrap();
            let outcome = Ok(json!(6));
            extension.handle_input(Input::Done { request, outcome }, Instant(at));
        };
        extension.settle(Instant(10));
        if is_made {
            answer(&mut extension, 20);
        }
        extension.handle_input(Input::Tick, Instant(1_200));
        assert_eq!(extension.tabs.owned_by(&x), [TabId(9)]);
        if !is_made {
            answer(&mut extension, 1_300);
        }
        let asked: Vec<_> = asks(&mut extension).collect();
        let joins = |call: &ChromeCall| matches!(call, ChromeCall::GroupTab { tab, group: Some(6), .. } if *tab == TabId(9));
        assert!(asked.iter().any(joins), "{asked:?}");
    }
}

#[test]
fn a_group_without_a_title_bears_nobodys_name() {
    let session = json!({"alias": "a1", "label": "", "token": "00", "port": null});
    let stored = json!({"session/x": session});
    let titles = SortedMap::from([(5, String::new())]);
    let mut extension = reborn_in(titles, 0, &stored, |facts| facts.group_id = 5);
    let x = SessionId::new("x").unwrap();
    let peer = extension.sessions.get(&x).unwrap().peer.clone();
    assert_eq!(peer.label, "");
    extension.house.group(&x, &peer, TabId(9), Instant(0));
    assert!(!asks(&mut extension).any(|call| joins(&call, 5)));
}

#[test]
fn a_tab_whose_record_cannot_be_read_stays_in_a_group_with_tabs_of_the_persons() {
    let rubbish = json!({"tab/7": "rubbish"});
    let mut extension = reborn_with(0, &rubbish, |facts| facts.group_id = 5);
    let left = |call: ChromeCall| matches!(call, ChromeCall::UngroupTab { .. });
    assert!(!asks(&mut extension).any(left));
}

#[test]
fn a_tab_that_was_shown_while_no_worker_lived_loses_the_size_that_was_given_to_it() {
    for shown in [7, 8] {
        let mut extension = reborn(shown);
        let mut cleared = false;
        while let Some(effect) = extension.poll_effect() {
            if let Effect::Ask { request, call } = effect
                && let ChromeCall::Command { method, .. } = call
            {
                cleared |= method == "Emulation.clearDeviceMetricsOverride";
                let outcome = Ok(json!({}));
                extension.handle_input(Input::Done { request, outcome }, Instant(1));
            }
        }
        assert_eq!(cleared, shown == 7);
    }
}

/// What the first write of a life that begins with `stored` sets and removes, and what it says.
fn first_write(stored: Value) -> (BTreeMap<String, Value>, Vec<String>, Vec<String>) {
    let boot = Boot {
        seed: [1; 32],
        extension_id: protocol::EXTENSION_ID.into(),
        secret: Ok(Secret::new([1; 32])),
        config: Config::default(),
        stored: serde_json::from_value(stored).unwrap(),
        tabs: Vec::new(),
        groups: SortedMap::new(),
        attached: SortedSet::new(),
        unpacked: true,
    };
    let mut extension = Extension::new(boot, Instant(0));
    let (mut write, mut said) = ((BTreeMap::new(), Vec::new()), Vec::new());
    while let Some(effect) = extension.poll_effect() {
        if let Effect::Write { set, remove, .. } = effect {
            write = (store::living(set).0, remove);
        } else if let Effect::Log { text } = effect {
            said.push(text);
        }
    }
    (write.0, write.1, said)
}

#[test]
fn what_cannot_be_read_is_removed_or_replaced_at_boot_and_told() {
    let (set, remove, said) = first_write(json!({
        "browser": null,
        "paused": {"v": 1, "e": "yes"},
        "ports": {"v": 9, "e": [8765]},
        "session/a": {"v": 1, "e": 7},
        "session/a b": {"v": 1, "e": {}},
        "seat/a": [],
        "tab/7": null,
        "tab/seven": {"v": 1, "e": {}},
        "call/a": {"v": 1, "e": {}},
    }));
    // A pause is a person's word: in doubt it holds.
    assert_eq!(
        set.keys().collect::<Vec<_>>(),
        ["browser", "browserId", "paused"]
    );
    assert_eq!(set["paused"], json!({"v": store::VERSION, "e": true}));
    let gone = [
        "call/a",
        "ports",
        "seat/a",
        "session/a",
        "session/a b",
        "tab/7",
        "tab/seven",
    ];
    assert_eq!(remove, gone);
    let told = || set.keys().filter(|key| *key != SPARE_ID).chain(&remove);
    assert_eq!(said.len(), told().count(), "{said:?}");
    for key in told() {
        assert!(said.iter().any(|line| line.contains(key)), "{key}");
    }
}

#[test]
fn the_browsers_id_outlives_the_record_that_names_it() {
    let spare = json!({"v": store::VERSION, "e": "an id"});
    for damaged in [json!(null), json!({"v": 9, "e": {}}), json!([])] {
        let stored = json!({"browser": damaged, "browserId": spare});
        let (set, _, _) = first_write(stored);
        assert_eq!(set["browser"]["e"], json!({"id": "an id", "name": "an i"}));
    }
    let later = json!({"v": 9, "e": "an id"});
    let (set, remove, _) = first_write(json!({"browser": {"v": 9}, "browserId": later}));
    assert_eq!(set["browser"]["e"]["id"], "an id");
    assert!(remove.is_empty(), "of another version: {remove:?}");
    let whole = json!({"v": store::VERSION, "e": {"id": "b", "name": "work"}});
    for damaged in [json!(null), json!({"v": store::VERSION, "e": "another"})] {
        let (set, _, _) = first_write(json!({"browser": whole, "browserId": damaged}));
        assert_eq!(set.get("browser"), None);
        assert_eq!(set["browserId"]["e"], "b");
    }
}

#[test]
fn what_belongs_to_no_session_is_removed_at_boot() {
    let entity = |body: Value| json!({"v": store::VERSION, "e": body});
    let (set, remove, _) = first_write(json!({
        "browser": entity(json!({"id": "b", "name": "work"})),
        "browserId": entity(json!("b")),
        "call/x/c-1": entity(json!({"tab": 7})),
        "seat/x": entity(json!({"current": "never", "had": false})),
        "tab/7": entity(json!({"owner": {"session": ["x", "made"]}})),
    }));
    assert!(set.is_empty(), "{set:?}");
    assert_eq!(remove, ["call/x/c-1", "seat/x", "tab/7"]);
}

#[test]
fn a_seat_that_cannot_be_read_costs_its_session() {
    let entity = |body: Value| json!({"v": store::VERSION, "e": body});
    let session = |alias: &str| {
        let token = "0".repeat(64);
        entity(json!({"alias": alias, "label": "x", "token": token, "port": 8765}))
    };
    let never = entity(json!({"current": "never", "had": false}));
    let (set, remove, _) = first_write(json!({
        "browser": entity(json!({"id": "b", "name": "work"})),
        "browserId": entity(json!("b")),
        "session/x": session("a1"),
        "seat/x": {"v": 1, "e": "nonsense"},
        "tab/7": entity(json!({"owner": {"session": ["x", "made"]}})),
        "session/y": session("a2"),
        "seat/y": never,
    }));
    assert!(set.contains_key("session/y"), "{set:?}");
    assert_eq!(remove, ["seat/x", "session/x", "tab/7"]);
}

#[test]
fn what_can_be_read_is_left_and_so_is_what_is_not_ours() {
    let entity = |body: Value| json!({"v": store::VERSION, "e": body});
    let (set, remove, said) = first_write(json!({
        "browser": entity(json!({"id": "b", "name": "work"})),
        "browserId": entity(json!("b")),
        "paused": entity(json!(true)),
        "ports": entity(json!([8765])),
        "of a later version": 1,
    }));
    assert!(set.is_empty() && remove.is_empty() && said.is_empty());
}

#[test]
fn a_tab_that_the_browser_restored_by_itself_is_its_sessions_again() {
    let entity = |body: Value| json!({"v": store::VERSION, "e": body});
    let session = json!({"alias": "a1", "label": "x", "token": "00", "port": null});
    let seat = json!({"current": {"tab": 7}, "had": true});
    let tab = json!({"owner": {"session": ["x", "made"]}, "url": "http://x/"});
    let boot = Boot {
        seed: [1; 32],
        extension_id: protocol::EXTENSION_ID.into(),
        secret: Ok(Secret::new([1; 32])),
        config: Config::default(),
        stored: BTreeMap::from([
            ("session/x".to_owned(), entity(session)),
            ("seat/x".to_owned(), entity(seat)),
            ("tab/7".to_owned(), entity(tab)),
        ]),
        tabs: vec![TabFacts {
            id: 9,
            url: "http://x/".into(),
            group_id: 5,
            ..TabFacts::default()
        }],
        groups: SortedMap::from([(5, "x".to_owned())]),
        attached: SortedSet::new(),
        unpacked: true,
    };
    let mut extension = Extension::new(boot, Instant(0));
    let x = SessionId::new("x").unwrap();
    let (mut set, mut remove) = (BTreeMap::new(), Vec::new());
    for now in [499, 500] {
        extension.handle_input(Input::Tick, Instant(now));
        while let Some(effect) = extension.poll_effect() {
            if let Effect::Write {
                write,
                set: one,
                remove: gone,
            } = effect
            {
                let ok = true;
                set.extend(one);
                remove.extend(gone);
                extension.handle_input(Input::Written { write, ok }, Instant(now));
            }
        }
    }
    assert_eq!(extension.tabs.owned_by(&x), [TabId(9)]);
    assert_eq!(extension.tabs.current(&x), Some(TabId(9)));
    assert!(extension.tabs.take_lost(&x).is_empty());
    assert_eq!(set["tab/9"]["e"]["url"], "http://x/");
    assert_eq!(set["seat/x"]["e"]["current"]["tab"], 9);
    assert!(remove.contains(&"tab/7".to_owned()));
}

/// While no worker lived the person drew tab 7, which was made for x, into a group of their own. The
/// group of x is 5; `missing` says whether another tab of x's is sought.
fn drawn_away(missing: bool) -> Extension {
    let mut stored = json!({
        "tab/7": {"owner": {"session": ["x", "made"]}, "url": "http://x/"},
        "tab/8": {"owner": {"session": ["x", "made"]}, "url": "http://y/"},
    });
    if missing {
        stored["tab/6"] = json!({"owner": {"session": ["x", "made"]}, "url": "http://z/"});
    }
    let titles = SortedMap::from([(4, "Shopping".to_owned()), (5, "x".to_owned())]);
    reborn_with_tabs(&[7, 8], titles, 0, &stored, |facts| {
        facts.group_id = if facts.id == 7 { 4 } else { 5 };
    })
}

#[test]
fn a_tab_that_the_person_drew_into_their_group_stays_there_when_it_gets_another_id() {
    let mut extension = drawn_away(false);
    for at in 1..4 {
        extension.handle_input(Input::Tick, Instant(at * 20_000));
    }
    replace(&mut extension, 7, 9);
    assert!(!asks(&mut extension).any(|call| joins(&call, 5)));
}

#[test]
fn a_tab_that_the_person_drew_into_their_group_stays_there_when_another_is_sought() {
    let mut extension = drawn_away(true);
    extension.handle_input(Input::Tick, Instant(1_200));
    assert!(!asks(&mut extension).any(|call| joins(&call, 5)));
}
