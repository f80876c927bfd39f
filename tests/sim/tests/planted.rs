//! For each invariant one planted fault, imitated between a core and the world (`plan::Plant` says
//! how): the checks must find it, and call it by its number.

use sim::plan::{Faults, Plan, Plant};
use sim::world::World;

/// Seeds after which a fault that struck and was not found counts as missed.
const TRIES: u64 = 12;

fn find(plant: Plant, invariant: u8) {
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
            // No session ends: such a call would outlive it, and be found as that.
            Plant::CallKept => Plan::calm(100 + seed, 3),
            Plant::SecondTurn
            | Plant::CommandTwice
            | Plant::AnswerAstray
            | Plant::StaleClose
            | Plant::DebuggerStays
            | Plant::ProbeLies
            | Plant::TrustsNames
            | Plant::Entropy => Plan::numbered(100 + seed),
        };
        let plant = Some(plant);
        let mut world = World::new(Plan { plant, ..plan });
        let outcome = world.run();
        struck += world.struck();
        if let Err(what) = outcome {
            let line = what.lines().next().unwrap_or_default();
            assert!(
                line.contains(&format!("invariant {invariant}:")),
                "found as another: {line}"
            );
            return;
        }
    }
    panic!("{plant:?} struck {struck} times and was not found");
}

/// Planted: the core says that a turn ended only after it began the next on the same tab.
#[test]
fn a_second_turn_on_a_tab_is_found() {
    find(Plant::SecondTurn, 1);
}

/// Planted: of two claims on a tab the core took the later for the earlier.
#[test]
fn a_claim_that_overtakes_is_found() {
    find(Plant::ClaimOvertakes, 2);
}

/// Planted: an acting command reaches the core twice, the second time under a new id.
#[test]
fn a_command_that_runs_twice_is_found() {
    find(Plant::CommandTwice, 3);
}

/// Planted: the core sends an answer on the socket of another session.
#[test]
fn an_answer_that_goes_astray_is_found() {
    find(Plant::AnswerAstray, 4);
}

/// Planted: the close of a dead socket is told under the name of the newest one.
#[test]
fn a_stale_close_that_hits_the_newest_socket_is_found() {
    find(Plant::StaleClose, 5);
}

/// Planted: the core believes the name in a command, whatever socket brought it.
#[test]
fn a_command_in_anothers_name_that_runs_is_found() {
    find(Plant::TrustsNames, 5);
}

/// Planted: the store forgets one tab when the worker dies.
#[test]
fn a_tab_that_is_lost_in_silence_is_found() {
    find(Plant::EntityLost, 6);
}

/// Planted: Chrome says that it detached the debugger, and did not.
#[test]
fn a_debugger_that_stays_behind_is_found() {
    find(Plant::DebuggerStays, 7);
}

/// Planted: every probe of the first port says that nobody listens.
#[test]
fn a_server_that_is_never_found_is_found() {
    find(Plant::ProbeLies, 8);
}

/// Planted: the core never forgets a call that failed.
#[test]
fn a_queue_without_a_bound_is_found() {
    find(Plant::CallKept, 9);
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
