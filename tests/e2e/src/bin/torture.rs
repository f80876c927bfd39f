//! `./build.sh torture`: four agents work in one Chromium while its parts die, hundreds of times,
//! and what that cost is printed as a table. The exit code is not 0 when an agent lost its tab
//! without being told, was left in the dark, or an action was lost or done twice.
//!
//! `torture [worker|server|extension|browser [TIMES]]` lets one part die.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use e2e::{Death, Toll};
use std::process::ExitCode;

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
    let (only, asked) = (words.next(), words.next());
    let known = |only: &String| DEATHS.iter().any(|(name, _, _)| name == only);
    let asked = asked.map(|times| times.parse::<usize>()).transpose();
    let (Ok(asked), true) = (asked, only.as_ref().is_none_or(known)) else {
        eprintln!("usage: torture [worker|server|extension|browser [TIMES]]");
        return ExitCode::from(2);
    };
    let mut clean = true;
    println!("{}", Toll::heads());
    for (name, death, times) in DEATHS {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let times = asked.unwrap_or(times);
        match e2e::torture(death, times).await {
            Ok(toll) => {
                println!("{toll}");
                if !toll.is_clean() {
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
