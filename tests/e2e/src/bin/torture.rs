//! `./build.sh torture`: four agents work in one Chromium while its parts die, hundreds of times,
//! and what that cost is printed as a table. The exit code is not 0 when an agent lost its tab
//! without being told, was left in the dark, or an action was lost or done twice; nor when half of all
//! agents waited a second or longer for the next worker.
//!
//! `torture [worker|server|extension|browser [TIMES [SEED]]]` lets one part die. The instants follow from
//! the seed, which is another one each time and printed.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use e2e::{Death, Toll};
use std::process::ExitCode;
use std::time::SystemTime;

/// How often each part dies.
const DEATHS: [(&str, Death, usize); 4] = [
    ("worker", Death::Worker, 200),
    ("server", Death::Server, 50),
    ("extension", Death::Extension, 20),
    ("browser", Death::Browser, 20),
];

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (only, asked, seed) = (words.next(), words.next(), words.next());
    let known = |only: &String| DEATHS.iter().any(|(name, _, _)| name == only);
    let asked = asked.map(|times| times.parse::<usize>()).transpose();
    let seed = seed.map_or_else(|| Ok(any_seed()), |seed| seed.parse());
    let (Ok(asked), Ok(seed), true) = (asked, seed, only.as_ref().is_none_or(known)) else {
        eprintln!("usage: torture [worker|server|extension|browser [TIMES [SEED]]]");
        return ExitCode::from(2);
    };
    let mut clean = true;
    eprintln!("seed {seed}");
    println!("{}", Toll::heads());
    for (name, death, times) in DEATHS {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let times = asked.unwrap_or(times);
        match e2e::torture(death, times, seed).await {
            Ok(toll) => {
                println!("{toll}");
                if !toll.is_clean() || !toll.is_prompt() {
                    clean = false;
                    eprintln!("{toll:#?}");
                }
            }
            Err(why) => {
                clean = false;
                eprintln!("{}: {why:#}", death.name());
            }
        }
    }
    if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn any_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
