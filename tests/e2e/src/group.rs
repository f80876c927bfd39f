//! A child in a process group of its own, which ends with its value and with this process.

use anyhow::{Context, Result};
pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process_group};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// An ended group of a dozen processes is gone in milliseconds; this catches one that is not.
const GONE_LIMIT: Duration = Duration::from_secs(10);

/// A process group: dropping it ends it, and so does the death of this process.
pub(crate) struct Group {
    leader: Child,
    /// Ends the group once the pipe to its stdin is closed, be it by our death.
    watch: Child,
    signal: Signal,
    /// In the environment of Chromium's crash handler too, which leaves the group and ends a
    /// little later.
    mark: String,
}

impl Group {
    /// Starts `command` with `mark` in its environment. `signal` is what ends it: a program that
    /// has something to tidy up needs another than SIGKILL.
    pub(crate) fn start(mut command: Command, signal: Signal, mark: String) -> Result<Self> {
        let leader = command.env("E2E_MARK", &mark).process_group(0).spawn()?;
        let watch = Command::new("sh")
            .args(["-c", "read -r _; kill -\"$1\" -\"$2\"", "watch"])
            .args([signal.as_raw().to_string(), leader.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the watch over a child")?;
        Ok(Self {
            leader,
            watch,
            signal,
            mark,
        })
    }

    /// The group's id, which is the pid of its first process.
    pub(crate) fn id(&self) -> i32 {
        self.leader.id() as i32
    }

    /// How the first process ended, when it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.leader.try_wait()?)
    }

    /// The first process, for its pipes.
    pub(crate) fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }
}

impl Drop for Group {
    /// Ends the group and waits until the last of it is gone.
    fn drop(&mut self) {
        let _ = self.watch.kill();
        let _ = self.watch.wait();
        let Some(pid) = Pid::from_raw(self.id()) else {
            return;
        };
        let started = Instant::now();
        let mut signal = self.signal;
        // ESRCH means that it ended by itself.
        let _ = kill_process_group(pid, signal);
        loop {
            let _ = self.leader.try_wait();
            if crate::processes_of(&[self.id()], &self.mark).is_empty() {
                break;
            }
            if started.elapsed() > GONE_LIMIT {
                if signal == Signal::KILL {
                    break;
                }
                signal = Signal::KILL;
                let _ = kill_process_group(pid, signal);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
