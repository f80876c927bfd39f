//! Where and when it was measured, and what processes cost, read from `/proc`.

use anyhow::{Context, Result};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The head of the saved file.
pub(crate) fn head() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unnamed processor", |(_, name)| name);
    let cores = std::thread::available_parallelism()?;
    let chromium = said("chromium", &["--version"]);
    let date = said("date", &["-u", "+%Y-%m-%d"]);
    Ok(format!(
        "# Figures\n\nMade by `./build.sh bench` on {date}: {cores} cores of {model}, {chromium}, \
         headless. Times are p50 / p99 unless a column says otherwise; compare them within this \
         file only.\n"
    ))
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("{program} unknown"))
}

/// The proportional set size of a process in KiB: its own pages and its share of common ones.
pub(crate) fn pss_kib(pid: i32) -> Result<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

/// What a process has allocated for itself in KiB: nothing of its binary, which more or fewer others
/// share from one moment to the next.
pub(crate) fn anonymous_kib(pid: i32) -> Result<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss_Anon:")
}

/// The resident set of this process in KiB.
pub(crate) fn own_rss_kib() -> Result<u64> {
    field("/proc/self/status", "VmRSS:")
}

fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("no {name} in {path}"))
}

/// Processor time that all threads of a process have used so far.
pub(crate) fn processor_time(pid: i32) -> Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread may end meanwhile.
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let spent = text
            .split(' ')
            .next()
            .and_then(|nanos| nanos.parse::<u64>().ok());
        nanos += spent.unwrap_or_default();
    }
    Ok(Duration::from_nanos(nanos))
}

/// The process that runs the extension's worker, in the process group of the browser.
pub(crate) fn extension_process(group: i32) -> Result<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.contains("--extension-process") && group_of(pid) == Some(group) {
            found.push(pid);
        }
    }
    found.first().copied().context("no extension process")
}

fn group_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(2)?.parse().ok()
}
