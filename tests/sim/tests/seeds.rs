//! Whole runs from fixed seeds.
#![expect(
    clippy::print_stdout,
    reason = "what a run met is read by people: cargo test -- --nocapture"
)]

use sim::plan::Plan;
use sim::report::Report;
use sim::world::World;

fn run(plan: Plan, report: &mut Report) {
    let mut world = World::new(plan);
    let outcome = world.run();
    report.add(&world.report);
    if let Err(what) = outcome {
        panic!("{what}\n{}", world.report);
    }
}

#[test]
fn three_agents_in_a_calm_world() {
    let mut report = Report::default();
    for seed in 0..5 {
        run(Plan::calm(seed, 3), &mut report);
    }
    println!("{report}");
}

#[test]
fn agents_in_a_storm() {
    let mut report = Report::default();
    for seed in 100..110 {
        run(Plan::stormy(seed, 4), &mut report);
    }
    println!("{report}");
}

#[test]
fn a_twelfth_server_overflows_and_is_found() {
    let mut report = Report::default();
    run(Plan::stormy(300, 12), &mut report);
    println!("{report}");
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_byte() {
    let digest = |seed| {
        let mut world = World::new(Plan::stormy(seed, 3));
        let _ = world.run();
        world.digest()
    };
    assert_eq!(digest(500), digest(500));
    assert_ne!(digest(500), digest(501));
}
