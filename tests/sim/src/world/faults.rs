//! What goes wrong, about twice a second.

use super::restarts::Restart;
use super::{Due, World};
use crate::network::Pipe;
use extension_core::input::{DetachReason, SocketId};
use extension_core::view::InstanceState;
use extension_core::{Input, PersonAction};
use protocol::{SessionId, TabId};
use std::time::Duration;

/// By then the extension has heard that a socket is closed, however late that came.
const STALE_AFTER: Duration = Duration::from_secs(10);
/// A disk hangs longer than anybody waits for it, or not so long.
const HANG_MAX_MS: u64 = 40_000;

impl World {
    pub(super) fn step_fault(&mut self) -> Result<(), String> {
        if !self.storm {
            return Ok(());
        }
        let pause = Duration::from_millis(200 + self.chance.below(600));
        self.later(pause, Due::Fault);
        let faults = self.plan.faults;
        if self.chance.hits(faults.lose_connection)
            && let Some(socket) = self.any_socket()
        {
            self.remember_fault("fault: connection lost");
            let arrives = |pipe: &Pipe| pipe.to_server.max(pipe.to_extension);
            if self.pipes.get(&socket).map(arrives) > Some(self.now) {
                // They arrive all the same, before the loss is heard of.
                self.report
                    .count("fault: connection lost with frames under way");
            }
            self.lose(socket);
        }
        if self.chance.hits(faults.cut)
            && let Some(socket) = self.any_socket()
        {
            self.remember_fault("fault: connection cut");
            self.cut(socket);
        }
        if self.chance.hits(faults.stall)
            && let Some(socket) = self.any_socket()
        {
            self.remember_fault("fault: connection stalls");
            self.stall(socket);
        }
        if self.chance.hits(faults.half_open)
            && let Some(socket) = self.any_socket()
            && let Some(pipe) = self.pipes.get_mut(&socket)
        {
            pipe.half_open = true;
            self.remember_fault("fault: half-open socket");
        }
        if self.chance.hits(faults.half_open)
            && let Some(socket) = self.any_socket()
            && let Some(pipe) = self.pipes.get_mut(&socket)
        {
            pipe.deaf = true;
            self.remember_fault("fault: server that stops reading");
        }
        if self.chance.hits(faults.stale_word) {
            self.say_stale()?;
        }
        self.count_states();
        if self.chance.hits(faults.kill_server) {
            let server = self.chance.below(self.nodes.len() as u64);
            let server = usize::try_from(server).unwrap_or_default();
            if self.chance.hits(300) {
                self.remember_fault("fault: server ended by its client");
                self.tell_server(server, server_core::Input::End)?;
            } else {
                self.remember_fault("fault: server killed");
                self.stop_server(server)?;
                if self.chance.hits(faults.another) {
                    self.remember_fault("fault: server comes back as another");
                    self.forget_identity(server);
                }
            }
            let back = Duration::from_millis(100 + self.chance.below(20_000));
            self.later(back, Due::Start { server });
        }
        if self.chance.hits(faults.move_server) {
            self.move_server()?;
        }
        if self.chance.hits(faults.stop_server) {
            self.remember_fault("fault: server stopped, and goes on");
            let server = self.chance.below(self.nodes.len() as u64);
            let time = Duration::from_millis(self.chance.below(60_000));
            self.freeze_server(usize::try_from(server).unwrap_or_default(), time);
        }
        self.step_machine()?;
        if self.chance.hits(faults.kill_worker) {
            // Most of the time it writes nothing.
            if self.chance.hits(500) {
                self.disk.fatal = true;
            } else {
                self.kill_worker(0)?;
            }
        }
        if self.chance.hits(faults.close_while_dead) {
            let tabs = 1 + self.chance.below(3);
            self.kill_worker(usize::try_from(tabs).unwrap_or_default())?;
        }
        if self.chance.hits(faults.replace_browser) {
            self.replace_browser()?;
        }
        for restart in Restart::ALL {
            if self.strikes(faults.restart) {
                self.restart_somehow(restart)?;
            }
        }
        if self.strikes(faults.fall) {
            let third = self.chance.hits(250);
            self.fall(third)?;
        }
        if self.chance.hits(faults.rotate_secret) {
            self.rotate_secret()?;
        }
        if self.chance.hits(faults.rush) {
            self.rush()?;
        }
        self.step_person()?;
        self.take_from_chrome();
        Ok(())
    }

    /// Whether something that happens so often happens now. What never does costs no chance: plans
    /// without it stay as they were.
    fn strikes(&mut self, permille: u64) -> bool {
        permille > 0 && self.chance.hits(permille)
    }

    /// What the computer does: its clock, its disk.
    fn step_machine(&mut self) -> Result<(), String> {
        let faults = self.plan.faults;
        if self.chance.hits(faults.jump) {
            let ahead = self.chance.hits(500);
            self.remember_fault(if ahead {
                "fault: clock put ahead"
            } else {
                "fault: clock put back"
            });
            self.jump(ahead)?;
        }
        let time = Duration::from_millis(self.chance.below(10_000));
        if self.chance.hits(faults.full) {
            self.remember_fault("fault: disk full");
            self.disk.full_until = self.now + time;
        }
        if self.chance.hits(faults.slow) {
            self.remember_fault("fault: slow disk");
            self.disk.slow_until = self.now + time;
        }
        if self.strikes(faults.hang) {
            self.remember_fault("fault: disk hangs");
            let time = Duration::from_millis(self.chance.below(HANG_MAX_MS));
            self.disk.hangs_until = self.now + time;
        }
        Ok(())
    }

    fn step_person(&mut self) -> Result<(), String> {
        let faults = self.plan.faults;
        if self.chance.hits(faults.close_tab)
            && let Some(tab) = self.any_tab()
        {
            self.report.count("person: closed a tab");
            self.chrome.close(tab);
        }
        if self.chance.hits(faults.crash)
            && let Some(tab) = self.any_tab()
        {
            self.report.count("fault: renderer crashed");
            self.chrome.crash(tab);
        }
        let owned: Vec<TabId> = self.model.owned().collect();
        if self.chance.hits(faults.unload)
            && let Some(tab) = self.chance.pick(&owned).copied()
        {
            self.report.count("fault: tab unloaded by Chrome");
            self.chrome.unload_by_others(tab);
        }
        if self.chance.hits(faults.throw_off)
            && let Some(tab) = self.any_tab()
        {
            self.report.count("fault: debugger thrown off");
            self.chrome.throw_off(tab, DetachReason::TargetClosed);
        }
        if self.chance.hits(faults.type_url)
            && let Some(tab) = self.any_tab()
        {
            self.report.count("person: typed an address");
            self.chrome.type_url(tab, "https://person.example/typed");
        }
        if self.chance.hits(faults.drag) {
            self.report.count("person: drags a tab");
            self.chrome.dragging = 1 + u32::try_from(self.chance.below(8)).unwrap_or_default();
        }
        if self.chance.hits(faults.cancel) {
            self.remember_fault("person: pressed Cancel");
            self.chrome.cancel_debugging();
            let pause = Duration::from_millis(500 + self.chance.below(4_000));
            self.later(pause, Due::Resume);
        }
        if self.chance.hits(faults.clean_up) {
            self.remember_fault("person: ends all sessions");
            self.ask_as_person(PersonAction::CleanUp)?;
        }
        if self.chance.hits(faults.give_and_take)
            && let Some(action) = self.any_gift()
        {
            self.ask_as_person(action)?;
        }
        Ok(())
    }

    fn any_gift(&mut self) -> Option<PersonAction> {
        let tab_id = if self.chance.hits(500) {
            self.report.count("person: opened a tab");
            let tab = self.chrome.open_by_person("https://person.example/own");
            self.take_from_chrome();
            tab
        } else {
            self.any_tab()?
        };
        let sessions: Vec<SessionId> = self
            .view()
            .instances
            .into_iter()
            .map(|instance| instance.session_id)
            .collect();
        let session_id = self.chance.pick(&sessions)?.clone();
        if self.chance.hits(50) {
            self.report.count("person: gives to nobody");
            let session_id = SessionId::new("nobody").ok()?;
            return Some(PersonAction::Give { tab_id, session_id });
        }
        Some(match self.chance.below(7) {
            0..=2 => {
                self.report.count("person: gives");
                PersonAction::Give { tab_id, session_id }
            }
            3 | 6 => {
                self.report.count("person: takes");
                PersonAction::TakeBack { tab_id }
            }
            4 => {
                self.report.count("person: keeps");
                PersonAction::Keep { tab_id }
            }
            _ => {
                self.report.count("person: releases");
                PersonAction::Release { tab_id, session_id }
            }
        })
    }

    pub(super) fn resume_person(&mut self) -> Result<(), String> {
        self.ask_as_person(PersonAction::Resume)
    }

    /// A socket that is no more speaks once more, or closes again.
    fn say_stale(&mut self) -> Result<(), String> {
        let index = usize::try_from(self.chance.below(8)).unwrap_or_default();
        let Some((since, socket, text)) = self.stale.get(index).cloned() else {
            return Ok(());
        };
        if self.now.since(since) < STALE_AFTER {
            return Ok(());
        }
        self.report.count("fault: stale socket speaks");
        let input = if self.chance.hits(500) {
            Input::SocketText { socket, text }
        } else {
            let socket = self.plant_in_close(socket);
            Input::SocketClosed { socket, code: 1006 }
        };
        self.hear_stale(input)
    }

    fn count_states(&mut self) {
        let view = self.view();
        for instance in &view.instances {
            self.report.count(match instance.state {
                InstanceState::Connected => "state: connected",
                InstanceState::Orphaned => "state: orphaned",
                InstanceState::Ending => "state: ending",
                InstanceState::Standby => "state: standby",
            });
            for tab in &instance.tabs {
                if tab.turn.is_some() {
                    self.report.count("state: turn");
                }
                if !tab.waiters.is_empty() {
                    self.report.count("state: claims wait");
                }
                self.report.count(if tab.made {
                    "state: made tab"
                } else {
                    "state: borrowed tab"
                });
            }
        }
        if !view.free.is_empty() {
            self.report.count("state: free tab");
        }
        if view.paused {
            self.report.count("state: stopped by the person");
        }
    }

    fn any_socket(&mut self) -> Option<SocketId> {
        let sockets: Vec<SocketId> = self.pipes.keys().copied().collect();
        self.chance.pick(&sockets).copied()
    }

    fn any_tab(&mut self) -> Option<TabId> {
        let tabs: Vec<TabId> = self.chrome.tabs.keys().copied().collect();
        self.chance.pick(&tabs).copied()
    }
}
