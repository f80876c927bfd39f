//! Grows the corpus: `interlock-fuzz [SECONDS [BODY…]]`, a minute for each body unless said
//! otherwise. Run it by `./build.sh fuzz`, which builds it so that it can see where inputs lead.

use fuzz::{BODIES, coverage, grow};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    if !coverage::is_counted() {
        writeln!(
            out,
            "this program cannot see where inputs lead: ./build.sh fuzz builds one that can"
        )?;
        return Ok(ExitCode::FAILURE);
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let seconds = words.first().and_then(|word| word.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(60));
    let named = words.get(1..).unwrap_or_default();
    let clock = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = clock.map_or(0, |time| time.as_secs());
    let mut failed = false;
    for body in BODIES {
        if !named.is_empty() && !named.iter().any(|name| name == body.name) {
            continue;
        }
        match grow::grow(body, grow::read(body)?, time, seed) {
            Ok(grown) => {
                grow::write(body, &grown.inputs)?;
                let size: usize = grown.inputs.values().map(Vec::len).sum();
                writeln!(
                    out,
                    "{}: {} tried, {} places reached by {} inputs of {size} bytes",
                    body.name,
                    grown.tried,
                    grown.reached,
                    grown.inputs.len(),
                )?;
            }
            Err(bytes) => {
                failed = true;
                let path = grow::write_fault(body, &bytes)?;
                writeln!(out, "{}: FAILED, see {}", body.name, path.display())?;
            }
        }
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
