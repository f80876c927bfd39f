use super::*;

fn id(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

fn open(name: &str, token: &str) -> SessionOpen {
    SessionOpen {
        session_id: id(name),
        resume_token: token.into(),
        label: format!("label of {name}"),
        standby: false,
    }
}

fn events(sessions: &mut Sessions) -> Vec<SessionEvent> {
    std::iter::from_fn(|| sessions.poll_event()).collect()
}

/// Without what is only to be written.
fn news(sessions: &mut Sessions) -> Vec<SessionEvent> {
    let mut all = events(sessions);
    all.retain(|event| !matches!(event, SessionEvent::Dirty { .. }));
    all
}

const A: SocketId = SocketId(1);
const B: SocketId = SocketId(2);

/// Its server knows that it is open, and has said so.
fn connected(name: &str) -> Sessions {
    let mut sessions = Sessions::new(7, Instant(0));
    sessions.open(A, 8765, open(name, "t"), Instant(0));
    sessions.handle_heard(&id(name), Instant(0));
    events(&mut sessions);
    sessions
}

#[test]
fn a_session_that_nobody_knows_is_new_and_gets_the_lowest_alias() {
    let mut sessions = Sessions::new(7, Instant(0));
    sessions.open(A, 8765, open("x", "t"), Instant(0));
    sessions.open(B, 8766, open("y", "t"), Instant(0));
    let opened = |name: &str, socket| SessionEvent::Opened {
        id: id(name),
        socket,
        outcome: Outcome::New,
    };
    assert_eq!(events(&mut sessions), vec![opened("x", A), opened("y", B)]);
    assert_eq!(sessions.get(&id("x")).unwrap().peer.alias.0, "a1");
    sessions.end(&id("x"));
    sessions.open(A, 8765, open("z", "t"), Instant(0));
    assert_eq!(sessions.get(&id("z")).unwrap().peer.alias.0, "a1");
    assert_eq!(sessions.get(&id("y")).unwrap().peer.alias.0, "a2");
}

#[test]
fn that_a_session_is_new_is_told_again_until_something_of_it_has_arrived() {
    let mut sessions = Sessions::new(7, Instant(0));
    let comes = |sessions: &mut Sessions| {
        sessions.handle_down(A, None, Instant(0));
        sessions.open(A, 8765, open("x", "t"), Instant(0));
        events(sessions)
    };
    let opened = |outcome| SessionEvent::Opened {
        id: id("x"),
        socket: A,
        outcome,
    };
    assert!(comes(&mut sessions).contains(&opened(Outcome::New)));
    assert!(comes(&mut sessions).contains(&opened(Outcome::New)));
    let mut next = Sessions::new(7, Instant(0));
    next.restore(id("x"), sessions.record(&id("x")).unwrap(), Instant(0));
    assert!(comes(&mut next).contains(&opened(Outcome::New)));
    next.handle_heard(&id("x"), Instant(0));
    let written = SessionEvent::Dirty { id: id("x") };
    assert_eq!(events(&mut next), [written]);
    next.handle_heard(&id("x"), Instant(0));
    assert_eq!(events(&mut next), []);
    assert!(comes(&mut next).contains(&opened(Outcome::Resumed)));
    let mut last = Sessions::new(8, Instant(0));
    last.restore(id("x"), next.record(&id("x")).unwrap(), Instant(0));
    assert!(comes(&mut last).contains(&opened(Outcome::Resumed)));
    let incarnation = sessions.incarnation(&id("x"));
    assert!(incarnation.is_some() && last.incarnation(&id("x")) == incarnation);
    last.end(&id("x"));
    assert!(comes(&mut last).contains(&opened(Outcome::New)));
    assert_ne!(last.incarnation(&id("x")), incarnation);
}

#[test]
fn a_wrong_token_is_refused_and_changes_nothing() {
    let mut sessions = connected("x");
    sessions.open(B, 8766, open("x", "stolen"), Instant(1));
    assert_eq!(
        events(&mut sessions),
        vec![SessionEvent::Refused {
            id: id("x"),
            socket: B
        }]
    );
    assert!(sessions.carries(A, &id("x")) && !sessions.carries(B, &id("x")));
}

#[test]
fn a_session_beyond_the_bound_is_refused() {
    let mut sessions = Sessions::new(7, Instant(0));
    for number in 0..limits::SESSIONS_MAX {
        sessions.open(A, 8765, open(&format!("s{number}"), "t"), Instant(0));
    }
    events(&mut sessions);
    sessions.open(A, 8765, open("x", "t"), Instant(0));
    let refused = SessionEvent::Refused {
        id: id("x"),
        socket: A,
    };
    assert_eq!(events(&mut sessions), vec![refused]);
}

#[test]
fn an_orphan_resumes_within_its_grace_and_ends_after_it() {
    let mut sessions = connected("x");
    sessions.handle_down(A, None, Instant(1_000));
    assert_eq!(
        events(&mut sessions),
        vec![SessionEvent::Orphaned { id: id("x") }]
    );
    sessions.open(B, 8766, open("x", "t"), Instant(2_000));
    let resumed = SessionEvent::Opened {
        id: id("x"),
        socket: B,
        outcome: Outcome::Resumed,
    };
    assert_eq!(events(&mut sessions), vec![resumed]);
    sessions.handle_down(B, None, Instant(3_000));
    events(&mut sessions);
    for second in (20..=302).step_by(20) {
        sessions.handle_timeout(Instant(second * 1_000));
    }
    sessions.handle_timeout(Instant(302_999));
    assert_eq!(news(&mut sessions), vec![]);
    sessions.handle_timeout(Instant(303_000));
    assert_eq!(
        events(&mut sessions),
        vec![SessionEvent::Ended {
            id: id("x"),
            socket: None
        }]
    );
    assert_eq!(sessions.poll_timeout(), None);
}

#[test]
fn a_closed_laptop_ends_no_grace() {
    let mut sessions = connected("x");
    sessions.handle_down(A, None, Instant(0));
    events(&mut sessions);
    sessions.handle_timeout(Instant(86_400_000));
    assert_eq!(news(&mut sessions), vec![]);
}

#[test]
fn goodbye_says_how_long_it_may_come_back() {
    let ending = |grace_s| Goodbye {
        reason: GoodbyeReason::Ending,
        grace_s,
        moved_to: None,
    };
    for (goodbye, last_alive, ended) in [
        (ending(None), 9_999, 10_000),
        (ending(Some(20)), 19_999, 20_000),
        (ending(Some(301)), 299_999, 300_000),
    ] {
        let mut sessions = connected("x");
        sessions.handle_down(A, Some(&goodbye), Instant(0));
        events(&mut sessions);
        for moment in (0..last_alive).step_by(20_000) {
            sessions.handle_timeout(Instant(moment));
        }
        sessions.handle_timeout(Instant(last_alive));
        assert_eq!(news(&mut sessions), vec![]);
        sessions.handle_timeout(Instant(ended));
        assert_eq!(
            events(&mut sessions),
            vec![SessionEvent::Ended {
                id: id("x"),
                socket: None
            }]
        );
    }
    let mut sessions = connected("x");
    let last = Goodbye {
        reason: GoodbyeReason::Final,
        grace_s: Some(10),
        moved_to: None,
    };
    sessions.handle_down(A, Some(&last), Instant(0));
    assert_eq!(
        events(&mut sessions),
        vec![SessionEvent::Ended {
            id: id("x"),
            socket: Some(A)
        }]
    );
}

#[test]
fn of_two_sockets_the_older_stays_when_it_answers() {
    let mut sessions = connected("x");
    sessions.open(B, 8766, open("x", "t"), Instant(0));
    assert_eq!(
        events(&mut sessions),
        vec![SessionEvent::Ping { socket: A }]
    );
    sessions.handle_alive(A);
    assert_eq!(
        events(&mut sessions),
        vec![SessionEvent::Duplicate {
            socket: B,
            keeper: A
        }]
    );
    assert!(sessions.carries(A, &id("x")));
    assert_eq!(sessions.poll_timeout(), None);
}

/// What the silent one had asked for and had not begun is nobody's wish any more.
fn orphaned() -> SessionEvent {
    SessionEvent::Orphaned { id: id("x") }
}

#[test]
fn of_two_sockets_the_newer_takes_over_when_the_older_is_silent() {
    let mut sessions = connected("x");
    sessions.open(B, 8766, open("x", "t"), Instant(0));
    events(&mut sessions);
    sessions.handle_timeout(Instant(4_999));
    assert!(sessions.carries(A, &id("x")));
    sessions.handle_timeout(Instant(5_000));
    let resumed = SessionEvent::Opened {
        id: id("x"),
        socket: B,
        outcome: Outcome::Resumed,
    };
    assert_eq!(
        events(&mut sessions),
        vec![orphaned(), resumed, SessionEvent::Superseded { socket: A }]
    );
    sessions.handle_down(A, None, Instant(5_001));
    assert_eq!(
        events(&mut sessions),
        vec![],
        "a stale close changes nothing newer"
    );
    assert!(sessions.carries(B, &id("x")));
}

#[test]
fn the_newer_takes_over_when_the_older_closes_meanwhile() {
    let mut sessions = connected("x");
    sessions.open(B, 8766, open("x", "t"), Instant(0));
    events(&mut sessions);
    sessions.handle_down(A, None, Instant(10));
    let resumed = SessionEvent::Opened {
        id: id("x"),
        socket: B,
        outcome: Outcome::Resumed,
    };
    assert_eq!(events(&mut sessions), vec![orphaned(), resumed]);
}

#[test]
fn a_newer_socket_may_say_another_label_while_the_older_is_asked() {
    let mut sessions = connected("x");
    let relabelled = SessionOpen {
        label: "new".into(),
        ..open("x", "t")
    };
    sessions.open(B, 8766, open("x", "t"), Instant(0));
    sessions.open(B, 8766, relabelled, Instant(1_000));
    let ping = SessionEvent::Ping { socket: A };
    assert_eq!(events(&mut sessions), vec![ping], "it is asked once");
    sessions.handle_timeout(Instant(5_000));
    assert!(sessions.carries(B, &id("x")));
    assert_eq!(sessions.get(&id("x")).unwrap().peer.label, "new");
}

#[test]
fn a_session_that_stands_by_is_answered_as_often_as_it_says_so_and_comes_back_as_a_new_one() {
    let standby = SessionOpen {
        standby: true,
        ..open("x", "t")
    };
    let opened = |outcome| SessionEvent::Opened {
        id: id("x"),
        socket: A,
        outcome,
    };
    for dies in [false, true] {
        let mut sessions = connected("x");
        sessions.handle_heard(&id("x"), Instant(0));
        events(&mut sessions);
        let before = sessions.incarnation(&id("x"));
        for _ in 0..2 {
            sessions.open(A, 8765, standby.clone(), Instant(1));
            assert_eq!(events(&mut sessions), [opened(Outcome::Standby)]);
        }
        if dies {
            let record = sessions.record(&id("x")).unwrap();
            sessions = Sessions::new(8, Instant(0));
            sessions.restore(id("x"), record, Instant(0));
        }
        sessions.open(A, 8765, open("x", "t"), Instant(1));
        assert_eq!(news(&mut sessions), [opened(Outcome::New)]);
        assert_ne!(sessions.incarnation(&id("x")), before);
    }
}

#[test]
fn a_restored_session_is_an_orphan_that_its_token_resumes() {
    let record = connected("x").record(&id("x")).unwrap();
    assert!(
        !serde_json::to_string(&record).unwrap().contains("\"t\""),
        "only the hash is kept"
    );
    let mut sessions = Sessions::new(7, Instant(0));
    sessions.restore(id("x"), record, Instant(0));
    sessions.open(A, 8765, open("x", "wrong"), Instant(1));
    sessions.open(A, 8765, open("x", "t"), Instant(2));
    let resumed = SessionEvent::Opened {
        id: id("x"),
        socket: A,
        outcome: Outcome::Resumed,
    };
    let refused = SessionEvent::Refused {
        id: id("x"),
        socket: A,
    };
    assert_eq!(news(&mut sessions), vec![refused, resumed]);
}

#[test]
fn of_two_records_with_one_alias_neither_session_is_lost() {
    let record = connected("x").record(&id("x")).unwrap();
    let mut sessions = Sessions::new(7, Instant(0));
    sessions.restore(id("x"), record.clone(), Instant(0));
    sessions.restore(id("y"), record, Instant(0));
    let alias = |name| sessions.get(&id(name)).unwrap().peer.alias.clone();
    assert_eq!((alias("x").0, alias("y").0), ("a1".into(), "a2".into()));
}

#[test]
fn labels_are_one_line_and_bounded() {
    let mut sessions = connected("x");
    let label = format!("a\nb{}", "c".repeat(200));
    sessions.open(
        A,
        8765,
        SessionOpen {
            label,
            ..open("x", "t")
        },
        Instant(1),
    );
    assert_eq!(
        events(&mut sessions),
        vec![SessionEvent::Changed { id: id("x") }]
    );
    let label = &sessions.get(&id("x")).unwrap().peer.label;
    assert!(label.starts_with("a bc") && label.len() == limits::LABEL_MAX);
}

#[test]
fn a_grace_goes_on_where_the_former_life_left_it() {
    let mut sessions = connected("x");
    let goodbye = Goodbye {
        reason: GoodbyeReason::Ending,
        grace_s: Some(60),
        moved_to: None,
    };
    sessions.handle_down(A, Some(&goodbye), Instant(0));
    let orphaned = SessionEvent::Orphaned { id: id("x") };
    assert_eq!(events(&mut sessions), vec![orphaned]);
    for second in (10..=50).step_by(10) {
        let at = Instant(second * 1_000);
        assert_eq!(sessions.poll_timeout(), Some(at), "what is left is written");
        sessions.handle_timeout(at);
        let waned = SessionEvent::Dirty { id: id("x") };
        assert_eq!(events(&mut sessions), vec![waned]);
    }
    let record = sessions.record(&id("x")).unwrap();
    let mut next = Sessions::new(7, Instant(0));
    next.restore(id("x"), record, Instant(0));
    assert_eq!(next.get(&id("x")).unwrap().presence, Presence::Ending);
    next.handle_timeout(Instant(9_999));
    assert_eq!(news(&mut next), vec![]);
    next.handle_timeout(Instant(10_000));
    let ended = SessionEvent::Ended {
        id: id("x"),
        socket: None,
    };
    assert_eq!(news(&mut next), vec![ended]);
    assert_eq!(
        next.poll_timeout(),
        None,
        "nothing is written of it any more"
    );
}

#[test]
fn who_was_there_at_the_death_has_the_whole_grace_to_come_back() {
    let record = connected("x").record(&id("x")).unwrap();
    let mut next = Sessions::new(7, Instant(0));
    next.restore(id("x"), record, Instant(0));
    let end = Instant(0) + limits::ORPHAN_GRACE;
    for _ in 0..100 {
        let Some(due) = next.poll_timeout() else {
            break;
        };
        next.handle_timeout(due);
        let ended = events(&mut next)
            .iter()
            .any(|event| matches!(event, SessionEvent::Ended { .. }));
        assert_eq!(ended, due == end);
    }
    assert!(next.get(&id("x")).is_none());
}

#[test]
fn a_worker_that_dies_again_and_again_ends_a_grace_all_the_same() {
    let mut record = connected("x").record(&id("x")).unwrap();
    assert!(record.left.is_none(), "it was connected");
    let mut lives = 0;
    loop {
        lives += 1;
        let mut sessions = Sessions::new(7, Instant(0));
        sessions.restore(id("x"), record.clone(), Instant(0));
        let waned = SessionEvent::Dirty { id: id("x") };
        let written = events(&mut sessions) == [waned];
        sessions.handle_timeout(Instant(1));
        let Some(left) = sessions.record(&id("x")) else {
            break;
        };
        assert!(written, "life {lives}");
        let before = record.left.map_or(300_000, |left| left.grace_ms);
        let now = left.left.unwrap().grace_ms;
        assert!(now >= before.saturating_sub(10_001) && now >= before / 2 - 1);
        assert!(lives < 100, "{now} ms are left");
        record = left;
    }
    assert!(lives > 30, "{lives}");
}
