//! What a run may have left behind, read from `/proc`: processes and listeners.
//!
//! A process counts as ours when it belongs to one of our process groups or carries our mark in
//! its environment or its command line. (Chromium's zygote overwrites its environment, its crash
//! handler leaves the group, so neither sign is enough by itself.)

use anyhow::{Context, Result};
use std::fs;
use std::ops::RangeInclusive;

/// Living processes (no zombies) of a group in `groups` or with `mark` in command line or
/// environment, as `pid command line`.
#[must_use]
pub fn processes_of(groups: &[i32], mark: &str) -> Vec<(i32, String)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if pid == std::process::id() as i32 {
            continue;
        }
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // pid (name) state ppid pgrp …: the name may hold spaces and brackets.
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut fields = rest.split(' ');
        let state = fields.next().unwrap_or("");
        let group: i32 = fields
            .nth(1)
            .and_then(|field| field.parse().ok())
            .unwrap_or(0);
        if state == "Z" || state == "X" {
            continue;
        }
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        let marked = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(mark);
        if groups.contains(&group) || marked(&line) || marked(&environment) {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            found.push((pid, line.chars().take(160).collect()));
        }
    }
    found
}

/// TCP ports of `range` on which somebody listens, IPv4 or IPv6.
pub fn listening_ports(range: RangeInclusive<u16>) -> Result<Vec<u16>> {
    let mut ports: Vec<u16> = listeners()?.into_iter().map(|(port, _)| port).collect();
    ports.retain(|port| range.contains(port));
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// TCP ports on which process `pid` itself listens.
pub fn ports_of(pid: i32) -> Result<Vec<u16>> {
    let mut sockets = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).context("reading a process's files")? {
        // A file that was closed meanwhile is no socket.
        if let Ok(to) = fs::read_link(entry?.path()) {
            sockets.push(to.to_string_lossy().into_owned());
        }
    }
    let ours = |inode: &str| sockets.contains(&format!("socket:[{inode}]"));
    let mut ports: Vec<u16> = listeners()?
        .iter()
        .filter(|(_, inode)| ours(inode))
        .map(|(port, _)| *port)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

/// Port and inode of every listening socket.
fn listeners() -> Result<Vec<(u16, String)>> {
    /// `TCP_LISTEN` of the kernel, as `/proc/net/tcp` writes it.
    const LISTEN: &str = "0A";
    let four = fs::read_to_string("/proc/net/tcp").context("reading /proc/net/tcp")?;
    // A kernel without IPv6 has no such file, and then nothing listens there.
    let six = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let read = |line: &str| {
        // sl local remote state queues timer retransmits uid timeout inode …
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = fields[..] else {
            return None;
        };
        let (_, port) = local.rsplit_once(':')?;
        Some((u16::from_str_radix(port, 16).ok()?, inode.to_owned()))
    };
    Ok(four.lines().chain(six.lines()).filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_is_seen_while_it_listens_and_not_after() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening_ports(port..=port).unwrap(), [port]);
        assert!(ports_of(std::process::id() as i32).unwrap().contains(&port));
        drop(listener);
        assert!(listening_ports(port..=port).unwrap().is_empty());
    }

    #[test]
    fn a_child_is_found_by_its_mark_until_it_has_ended() {
        let mark = format!("leftovers-test-{}", std::process::id());
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .env("E2E_MARK", &mark)
            .spawn()
            .unwrap();
        // The mark is there once the child has become `sleep`.
        while processes_of(&[], &mark)
            .iter()
            .all(|(_, line)| !line.starts_with("sleep"))
        {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(processes_of(&[], &mark).is_empty());
    }
}
