//! What goes wrong, about twice a second.

use super::{Due, World, extension};
use extension_core::input::{DetachReason, SocketId};
use extension_core::view::InstanceState;
use extension_core::{Input, PersonAction};
use protocol::{SessionId, TabId};
use std::time::Duration;

/// By then the extension has heard that a socket is closed, however late that came.
const STALE_AFTER: Duration = Duration::from_secs(10);

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
            self.report.count("fault: connection lost");
            self.lose(socket);
        }
        if self.chance.hits(faults.half_open)
            && let Some(socket) = self.any_socket()
            && let Some(pipe) = self.pipes.get_mut(&socket)
        {
            pipe.half_open = true;
            self.report.count("fault: half-open socket");
        }
        if self.chance.hits(faults.half_open)
            && let Some(socket) = self.any_socket()
            && let Some(pipe) = self.pipes.get_mut(&socket)
        {
            pipe.deaf = true;
            self.report.count("fault: server that stops reading");
        }
        if self.chance.hits(faults.stale_word) {
            self.say_stale()?;
        }
        self.count_states();
        if self.chance.hits(faults.kill_server) {
            let server = self.chance.below(self.nodes.len() as u64);
            let server = usize::try_from(server).unwrap_or_default();
            if self.chance.hits(300) {
                self.report.count("fault: server ended by its client");
                self.tell_server(server, server_core::Input::End)?;
            } else {
                self.report.count("fault: server killed");
                self.stop_server(server)?;
            }
            let back = Duration::from_millis(100 + self.chance.below(20_000));
            self.later(back, Due::Start { server });
        }
        if self.chance.hits(faults.kill_worker) {
            self.kill_worker()?;
        }
        self.step_person()?;
        self.take_from_chrome();
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
            self.report.count("person: pressed Cancel");
            self.chrome.cancel_debugging();
            let pause = Duration::from_millis(500 + self.chance.below(4_000));
            self.later(pause, Due::Resume);
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
            .extension
            .view(self.now)
            .instances
            .into_iter()
            .map(|instance| instance.session_id)
            .collect();
        let session_id = self.chance.pick(&sessions)?.clone();
        Some(match self.chance.below(6) {
            0..=2 => {
                self.report.count("person: gives");
                PersonAction::Give { tab_id, session_id }
            }
            3 => {
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

    /// The worker dies at this instant; the next one starts from what is on disk.
    fn kill_worker(&mut self) -> Result<(), String> {
        self.report.count("fault: worker killed");
        self.life += 1;
        let sockets: Vec<SocketId> = self.pipes.keys().copied().collect();
        for socket in sockets {
            self.lose(socket);
        }
        self.land_writes();
        // Its successor counts its sockets anew.
        self.stale.clear();
        self.untold.clear();
        let kept = self.stored_owners();
        self.plant_in_store();
        let seed = self.chance.seed();
        self.extension = extension(&self.plan, seed, &self.storage, &self.chrome, self.now);
        let owners = self.check_reborn(&kept)?;
        self.model.reborn(owners, self.stored_gifts());
        self.carry()
    }

    /// What the dying worker has sent to the disk lands in order, up to some point, before its
    /// successor reads; the rest is lost.
    fn land_writes(&mut self) {
        let of_store = |due: &Due| matches!(due, Due::Stored { .. });
        let keys: Vec<_> = self
            .agenda
            .iter()
            .filter(|(_, due)| of_store(due))
            .map(|(key, _)| *key)
            .collect();
        let lands = self.chance.below(keys.len() as u64 + 1);
        for (index, key) in (0..).zip(keys) {
            if let Some(Due::Stored { set, remove, .. }) = self.agenda.remove(&key)
                && index < lands
            {
                self.land(set, &remove);
            }
        }
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
        let view = self.extension.view(self.now);
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
