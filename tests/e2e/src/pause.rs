//! Processes that stand still for a while: a server that was stopped, a machine that sleeps.

use crate::agent::Agent;
use crate::browser::Browser;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// Stopped processes (`SIGSTOP`). They go on when the value is dropped, or when this process dies.
pub struct Paused {
    /// Lets them go on once the pipe to its stdin is closed.
    watch: Child,
}

impl Paused {
    /// Stops the servers of `agents`, and every process of `browser`.
    pub fn all(agents: &[&Agent], browser: Option<&Browser>) -> Result<Self> {
        let pid = |id: i32| Pid::from_raw(id).context("no process has this id");
        let servers = agents.iter().map(|agent| agent.pid());
        // The group of a process is named by its negative.
        let groups = browser.iter().map(|browser| -browser.group());
        let watch = Command::new("sh")
            .args(["-c", "read -r _; for id; do kill -CONT \"$id\"; done"])
            .arg("watch")
            .args(servers.chain(groups).map(|id| id.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the watch over stopped processes")?;
        let paused = Self { watch };
        if let Some(browser) = browser {
            kill_process_group(pid(browser.group())?, Signal::STOP)?;
        }
        for agent in agents {
            kill_process(pid(agent.pid())?, Signal::STOP)?;
        }
        Ok(paused)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}
