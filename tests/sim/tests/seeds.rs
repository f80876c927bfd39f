//! Whole runs from fixed seeds, and what they must have met. `SIM_SEED=n` replays one.
#![expect(
    clippy::print_stdout,
    reason = "the seeds and what they met are read by people"
)]

use sim::plan::Plan;
use sim::report::Report;
use sim::world::World;

/// Every fault of the world.
const FAULTS: &[&str] = &[
    "fault: connection lost",
    "fault: debugger thrown off",
    "fault: delayed frame",
    "fault: doubled frame",
    "fault: foreign service",
    "fault: garbage frame to a server",
    "fault: garbage frame to the extension",
    "fault: half-open socket",
    "fault: peer that never answers",
    "fault: peer that never finishes the handshake",
    "fault: popup storm",
    "fault: renderer crashed",
    "fault: reordered frame",
    "fault: server ended by its client",
    "fault: server killed",
    "fault: server that stops reading",
    "fault: stale socket speaks",
    "fault: worker killed",
    "chrome: another extension's frame",
    "chrome: dialog",
    "chrome: popup",
    "chrome: script ended by its timeout",
    "chrome: script runs on",
    "chrome: tabs cannot be edited",
    "agent: cancelled",
    "person: closed a tab",
    "person: drags a tab",
    "person: gives",
    "person: keeps",
    "person: opened a tab",
    "person: pressed Cancel",
    "person: releases",
    "person: takes",
    "person: typed an address",
];

/// Every state that sessions, tabs and claims can be seen in.
const STATES: &[&str] = &[
    "state: borrowed tab",
    "state: claims wait",
    "state: connected",
    "state: ending",
    "state: found after the storm",
    "state: free tab",
    "state: made tab",
    "state: orphaned",
    "state: stopped by the person",
    "state: turn",
    "core: claim waits",
    "core: dropped",
    "core: given",
    "core: owner changed",
    "core: refused",
    "core: session ended",
    "core: tab cleared",
    "core: tab closed",
    "core: tab made",
    "core: turn begun",
    "core: turn ended",
    "core: turn stopped",
];

/// Every error code that the parts so far can give to an agent here.
const ANSWERS: &[&str] = &[
    "answer: ok",
    "answer: progress",
    "answer: bad_arguments",
    "answer: cancelled",
    "answer: claim_timeout",
    "answer: deadlock",
    "answer: dialog_open",
    "answer: navigation_failed",
    "answer: no_earlier_page",
    "answer: not_connected",
    "answer: outcome_unknown",
    "answer: page_blocked_by_extension",
    "answer: page_crashed",
    "answer: page_error",
    "answer: stale_ref",
    "answer: stopped_by_user",
    "answer: tab_gone",
    "answer: tab_of_person",
    "answer: tab_owned",
    "answer: tab_released",
    "answer: tab_returned",
    "answer: tab_taken",
    "answer: timeout",
    "answer: url_refused",
];

fn play(seeds: impl IntoIterator<Item = u64>) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        println!("seed {seed}");
        let mut world = World::new(Plan::numbered(seed));
        let outcome = world.run();
        report.add(&world.report);
        if let Err(what) = outcome {
            panic!("{what}\n{}", world.report);
        }
    }
    println!("{report}");
    report
}

#[test]
fn the_seed_that_was_asked_for_holds() {
    let seed = std::env::var("SIM_SEED").ok();
    play(seed.and_then(|seed| seed.parse().ok()));
}

#[test]
fn three_agents_in_a_calm_world() {
    play(0..5);
}

#[test]
fn every_fault_state_and_answer_is_met() {
    let mut report = play(100..106);
    report.add(&play(200..216));
    for wanted in [FAULTS, STATES, ANSWERS] {
        let missing = report.missing(wanted);
        assert!(missing.is_empty(), "never met: {missing:?}");
    }
}

#[test]
fn a_twelfth_server_overflows_and_is_found() {
    play(300..301);
}

#[test]
fn two_hundred_servers_are_found() {
    play(400..401);
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_byte() {
    let digest = |seed| {
        let mut world = World::new(Plan::stormy(seed, 3));
        world.run().unwrap();
        world.digest()
    };
    assert_eq!(digest(500), digest(500));
    assert_ne!(digest(500), digest(501));
}
