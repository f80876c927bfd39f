//! Every fault after every single step of every short script, checked as the random runs are.
//! `SIM_RUN='click / worker dies / 17'` replays one.
#![expect(
    clippy::print_stdout,
    reason = "what was struck how often is read by people"
)]

use sim::blow::{Blow, Step};
use sim::report::Report;
use sim::script::{self, Script};
use sim::world::World;
use sim::world::strikes::Strike;
use std::collections::BTreeSet;

/// One for all, so that a script, a fault and a number replay a run.
const SEED: u64 = 601;
/// Failures of one script that are shown.
const SHOWN_MAX: usize = 5;

fn named(name: &str) -> &'static Script {
    let script = script::ALL.iter().find(|script| script.name == name);
    script.unwrap_or_else(|| panic!("no script is called {name}"))
}

/// Plays the script once as it is: what it does, step by step.
fn steps(script: &Script) -> Vec<Step> {
    let mut world = World::scripted(SEED, script, None);
    let outcome = world.play_script(script);
    outcome.unwrap_or_else(|what| panic!("{what}"))
}

fn play(script: &Script, strike: Strike) -> (Result<Vec<Step>, String>, World) {
    let mut world = World::scripted(SEED, script, Some(strike));
    let outcome = world.play_script(script);
    (outcome, world)
}

/// The command that plays one run again.
fn replay(script: &Script, strike: &Strike) -> String {
    let Strike { blow, after } = strike;
    format!(
        "SIM_RUN='{} / {blow} / {after}' ./build.sh test sim",
        script.name
    )
}

/// Every fault after every step of this script.
fn strike_everywhere(name: &str) {
    let script = named(name);
    let steps = steps(script);
    let mut report = Report::default();
    let mut failures = Vec::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    for blow in Blow::all(script.servers) {
        let mut struck = 0;
        let mut failed = 0;
        for (after, step) in (1..).zip(&steps) {
            if !blow.fits(step) {
                continue;
            }
            let strike = Strike { blow, after };
            let (outcome, world) = play(script, strike);
            report.add(&world.report);
            report.count("runs");
            struck += 1;
            wanted.insert(format!("blow: {}", blow.kind()));
            let met = world.report.of(&format!("blow: {}", blow.kind()));
            let what = match outcome {
                Ok(_) if met == 1 => continue,
                Ok(_) => "it never struck".to_owned(),
                Err(what) => what,
            };
            failed += 1;
            if failed == 1 {
                let what = format!(
                    "{what}\nafter {}\nagain: {}",
                    step.what,
                    replay(script, &strike)
                );
                failures.push(what);
            }
        }
        println!("{struck:>6} runs, {failed:>4} failed: {name}: {blow}");
    }
    println!("{} steps of {name}\n{report}", steps.len());
    let shown = failures.len().min(SHOWN_MAX);
    assert!(
        failures.is_empty(),
        "{} kinds failed\n{}",
        failures.len(),
        failures
            .iter()
            .take(shown)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n\n")
    );
    let wanted = wanted.iter().map(String::as_str);
    let wanted: Vec<&str> = wanted.chain(script.meets.iter().copied()).collect();
    assert_eq!(report.missing(&wanted), Vec::<&str>::new());
}

#[test]
fn the_run_that_was_asked_for_holds() {
    let Ok(asked) = std::env::var("SIM_RUN") else {
        return;
    };
    let parts: Vec<&str> = asked.split(" / ").collect();
    let [name, blow, after] = parts.as_slice() else {
        panic!("SIM_RUN is: script / fault / step");
    };
    let script = named(name);
    let blows = Blow::all(script.servers);
    let blow = blows.into_iter().find(|one| one.to_string() == *blow);
    let strike = Strike {
        blow: blow.unwrap_or_else(|| panic!("no such fault in {asked}")),
        after: after.parse().unwrap(),
    };
    for (number, step) in (1..).zip(&steps(script)) {
        println!("{number:>4} {}", step.what);
    }
    let (outcome, world) = play(script, strike);
    println!("{}", world.report);
    if let Err(what) = outcome {
        panic!("{what}");
    }
}

#[test]
fn a_script_and_what_strikes_in_it_are_the_same_each_time() {
    for script in script::ALL {
        assert_eq!(steps(script), steps(script), "{}", script.name);
        for blow in Blow::all(script.servers) {
            let digest = || play(script, Strike { blow, after: 5 }).1.digest();
            assert_eq!(digest(), digest(), "{}: {blow}", script.name);
        }
    }
}

#[test]
fn opening_and_evaluating_survive_every_fault_after_every_step() {
    strike_everywhere("open and evaluate");
}

#[test]
fn a_click_survives_every_fault_after_every_step() {
    strike_everywhere("click");
}

#[test]
fn a_right_click_survives_every_fault_after_every_step() {
    strike_everywhere("right click");
}

#[test]
fn a_pressed_key_survives_every_fault_after_every_step() {
    strike_everywhere("key");
}

#[test]
fn typing_survives_every_fault_after_every_step() {
    strike_everywhere("type");
}

#[test]
fn a_dialog_survives_every_fault_after_every_step() {
    strike_everywhere("dialog");
}

#[test]
fn a_popup_survives_every_fault_after_every_step() {
    strike_everywhere("popup");
}

#[test]
fn a_new_tab_survives_every_fault_after_every_step() {
    strike_everywhere("new tab");
}

#[test]
fn a_closing_tab_survives_every_fault_after_every_step() {
    strike_everywhere("close");
}

#[test]
fn a_release_to_a_claim_survives_every_fault_after_every_step() {
    strike_everywhere("release to a claim");
}

#[test]
fn a_hand_over_survives_every_fault_after_every_step() {
    strike_everywhere("hand-over");
}

#[test]
fn a_goodbye_survives_every_fault_after_every_step() {
    strike_everywhere("goodbye");
}

#[test]
fn a_restart_of_the_server_survives_every_fault_after_every_step() {
    strike_everywhere("server restart");
}

#[test]
fn a_discarded_tab_survives_every_fault_after_every_step() {
    strike_everywhere("discarded tab");
}

#[test]
fn sessions_that_nobody_comes_back_for_survive_every_fault_until_their_grace_is_over() {
    strike_everywhere("nobody comes back");
}
