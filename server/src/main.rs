//! The binary `interlock`; everything it does is in the library.

use interlock::cli::{Cli, Do};
use interlock::run::{self, Options};
use interlock::{mcp, state};
use std::env::VarError;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// What the log shows unless `INTERLOCK_LOG` says otherwise.
const LOG_LEVEL: &str = "warn,interlock=info";

fn main() -> ExitCode {
    let cli = Cli::read();
    let done = match &cli.command {
        Some(command) => command_line(command, &cli),
        None => serve(cli),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // Stderr is all there is; if it is closed, nobody listens.
            let _ = writeln!(io::stderr(), "interlock: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command_line(command: &Do, cli: &Cli) -> io::Result<ExitCode> {
    let state = state::StateDir::open(cli.state_dir.as_deref())?;
    let words = command.run(&state, cli.port_range)?;
    writeln!(io::stdout(), "{words}")?;
    Ok(ExitCode::SUCCESS)
}

fn serve(cli: Cli) -> io::Result<ExitCode> {
    log(cli.serve.log_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let options = Options {
        serve: cli.serve,
        state_dir: cli.state_dir,
        range: cli.port_range.unwrap_or_default(),
    };
    let end = runtime.block_on(run::serve(options))?;
    // Stdin may still be read by a thread that nobody can stop.
    runtime.shutdown_background();
    state::stop_writing();
    match end {
        mcp::End::Closed => Ok(ExitCode::SUCCESS),
        mcp::End::Refused(why) => Err(io::Error::other(why)),
    }
}

/// Stdout is MCP's; the log goes to stderr or a file.
fn log(file: Option<&Path>) -> io::Result<()> {
    let (filter, wrong) = match std::env::var("INTERLOCK_LOG") {
        Ok(words) if !words.is_empty() => match words.parse() {
            Ok(filter) => (filter, None),
            Err(error) => (LOG_LEVEL.into(), Some(format!("{words}: {error}"))),
        },
        Ok(_) | Err(VarError::NotPresent) => (EnvFilter::from(LOG_LEVEL), None),
        Err(error) => (LOG_LEVEL.into(), Some(error.to_string())),
    };
    // It logs whole requests, and with them what is typed into pages.
    let filter = filter.add_directive("rmcp=error".parse().map_err(io::Error::other)?);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false);
    match file {
        Some(path) => {
            let mut options = OpenOptions::new();
            options.create(true).append(true);
            // It names pages and folders, which are nobody else's business.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options
                .open(path)
                .map_err(|error| state::about(path, &error))?;
            log.with_writer(std::sync::Mutex::new(file)).init();
        }
        None => log.with_writer(io::stderr).init(),
    }
    if let Some(wrong) = wrong {
        tracing::warn!("INTERLOCK_LOG is not what a log filter looks like: {wrong}");
    }
    Ok(())
}
