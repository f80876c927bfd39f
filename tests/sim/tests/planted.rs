//! For each invariant, and each check beside them, one planted fault, imitated between a core and the
//! world (`plan::Plant` says how): the checks must find it, and call it by its number or its name.

use sim::blow::Blow;
use sim::plan::{Faults, Plan, Plant};
use sim::script;
use sim::world::World;
use sim::world::strikes::Strike;

/// Seeds after which a fault that struck and was not found counts as missed.
const TRIES: u64 = 12;

/// `named` is how the check says what it found.
fn find(plant: Plant, named: &str) {
    let mut struck = 0;
    for seed in 0..TRIES {
        let plan = match plant {
            Plant::EntityLost => Plan::numbered(200 + seed),
            // Several who want one tab at the same moment, and nothing else that ends their waiting.
            Plant::ClaimOvertakes => {
                let calm = Plan::calm(310 + seed, 4);
                let faults = Faults {
                    rush: 150,
                    ..calm.faults
                };
                Plan { faults, ..calm }
            }
            Plant::GapCounts => {
                let calm = Plan::calm(320 + seed, 3);
                let faults = Faults {
                    jump: 20,
                    ..calm.faults
                };
                Plan { faults, ..calm }
            }
            // No session ends: such a call would outlive it, and be found as that.
            Plant::CallKept => Plan::calm(100 + seed, 3),
            Plant::SecondTurn
            | Plant::CommandTwice
            | Plant::AnswerAstray
            | Plant::StaleClose
            | Plant::DebuggerStays
            | Plant::ProbeLies
            | Plant::TrustsNames
            | Plant::WrittenEarly
            | Plant::LossCosts
            | Plant::Entropy => Plan::numbered(100 + seed),
        };
        let plant = Some(plant);
        let mut world = World::new(Plan { plant, ..plan });
        let outcome = world.run();
        struck += world.struck();
        if let Err(what) = outcome {
            let line = what.lines().next().unwrap_or_default();
            assert!(line.contains(named), "found as another: {line}");
            return;
        }
    }
    panic!("{plant:?} struck {struck} times and was not found");
}

/// Planted: the core says that a turn ended only after it began the next on the same tab.
#[test]
fn a_second_turn_on_a_tab_is_found() {
    find(Plant::SecondTurn, "invariant 1:");
}

/// Planted: of two claims on a tab the core took the later for the earlier.
#[test]
fn a_claim_that_overtakes_is_found() {
    find(Plant::ClaimOvertakes, "invariant 2:");
}

/// Planted: an acting command reaches the core twice, the second time under a new id.
#[test]
fn a_command_that_runs_twice_is_found() {
    find(Plant::CommandTwice, "invariant 3:");
}

/// Planted: the core sends an answer on the socket of another session.
#[test]
fn an_answer_that_goes_astray_is_found() {
    find(Plant::AnswerAstray, "invariant 4:");
}

/// Planted: the close of a dead socket is told under the name of the newest one.
#[test]
fn a_stale_close_that_hits_the_newest_socket_is_found() {
    find(Plant::StaleClose, "invariant 5:");
}

/// Planted: the core believes the name in a command, whatever socket brought it.
#[test]
fn a_command_in_anothers_name_that_runs_is_found() {
    find(Plant::TrustsNames, "invariant 5:");
}

/// Planted: the store forgets one tab when the worker dies.
#[test]
fn a_tab_that_is_lost_in_silence_is_found() {
    find(Plant::EntityLost, "invariant 6:");
}

/// Planted: Chrome says that it detached the debugger, and did not.
#[test]
fn a_debugger_that_stays_behind_is_found() {
    find(Plant::DebuggerStays, "invariant 7:");
}

/// Planted: every probe of the first port says that nobody listens.
#[test]
fn a_server_that_is_never_found_is_found() {
    find(Plant::ProbeLies, "invariant 8:");
}

/// Planted: the core never forgets a call that failed.
#[test]
fn a_queue_without_a_bound_is_found() {
    find(Plant::CallKept, "invariant 9:");
}

/// Planted: the core is told that its writes have landed, a second before they do.
#[test]
fn a_call_that_acts_before_the_disk_knows_is_found() {
    find(Plant::WrittenEarly, "no disk knows that it had begun");
}

/// Planted: a core that takes a gap in time for time that has passed.
#[test]
fn a_session_that_ends_because_the_clock_was_put_is_found() {
    find(Plant::GapCounts, "because the clock was put");
}

/// Planted: the core answers `outcome_unknown` to whatever was asked when a connection was lost.
#[test]
fn a_lost_connection_that_costs_an_answer_is_found() {
    let script = script::ALL.iter().find(|one| one.name == "click").unwrap();
    let strike = Strike {
        blow: Blow::ConnectionLost(0),
        after: 1,
    };
    let mut world = World::scripted(601, script, Some(strike));
    world.plant(Plant::LossCosts);
    let what = world.play_script(script).unwrap_err();
    assert!(world.struck() > 0);
    let line = what.lines().next().unwrap_or_default();
    assert!(line.contains("agent 0 is told outcome_unknown"), "{line}");
}

/// Planted: chance that comes from no seed.
#[test]
fn a_run_that_its_seed_does_not_decide_is_found() {
    let digest = || {
        let plant = Some(Plant::Entropy);
        let mut world = World::new(Plan {
            plant,
            ..Plan::stormy(500, 2)
        });
        world.run().unwrap();
        world.digest()
    };
    assert_ne!(digest(), digest());
}
