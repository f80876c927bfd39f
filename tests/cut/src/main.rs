//! `interlock` on a network that breaks: `interlock-cut CUT HOW TRACE ARGUMENTS…` is `interlock ARGUMENTS…`,
//! the same code around the same machine, but for its connections. Those break once, where CUT says
//! (`written:1200`: after the 1200th byte that went to the extension; `read:7`; `never`) and as HOW says
//! (`end`, `reset`), and are whole again from then on. TRACE is the file that is told of every write and read, see [`wire`].
//!
//! The product has nothing that could do this: it is compiled without this crate.

mod wire;

use clap::Parser as _;
use interlock::cli::Cli;
use interlock::run::{self, Options};
use interlock::{mcp, state};
use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::process::ExitCode;
use wire::{Breaking, Cut, How};

fn main() -> ExitCode {
    match serve() {
        Ok(mcp::End::Closed) => ExitCode::SUCCESS,
        Ok(mcp::End::Refused(why)) => failed(&why),
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> ExitCode {
    // Stderr is all there is; if it is closed, nobody listens.
    let _ = writeln!(io::stderr(), "interlock-cut: {why}");
    ExitCode::FAILURE
}

fn serve() -> io::Result<mcp::End> {
    let mut words = env::args_os();
    let name = words.next().unwrap_or_default();
    let (cut, how, trace) = (words.next(), words.next(), words.next());
    let cut = cut.and_then(|cut| Cut::read(cut.to_str()?));
    let how = how.and_then(|how| How::read(how.to_str()?));
    let (Some(cut), Some(how), Some(trace)) = (cut, how, trace) else {
        return Err(io::Error::other(
            "usage: interlock-cut written:N|read:N|never end|reset TRACE ARGUMENTS…",
        ));
    };
    let trace = OpenOptions::new().create(true).append(true).open(trace)?;
    let cli = Cli::parse_from([name].into_iter().chain(words));
    let options = Options {
        serve: cli.serve,
        state_dir: cli.state_dir,
        range: cli.port_range.unwrap_or_default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let end = runtime.block_on(run::serve_over(options, Breaking::new(cut, how, trace)));
    // As the product leaves: stdin may still be read by a thread that nobody can stop.
    runtime.shutdown_background();
    state::stop_writing();
    end
}
