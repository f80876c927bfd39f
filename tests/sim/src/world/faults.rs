//! What goes wrong, about twice a second.

use super::{Due, World, extension};
use extension_core::PersonAction;
use extension_core::input::{DetachReason, SocketId};
use protocol::{SessionId, TabId};
use std::time::Duration;

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
        if self.chance.hits(faults.kill_server) {
            let server = self.chance.below(self.nodes.len() as u64);
            let server = usize::try_from(server).unwrap_or_default();
            self.report.count("fault: server killed");
            self.stop_server(server)?;
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
            0..=2 => PersonAction::Give { tab_id, session_id },
            3 => PersonAction::TakeBack { tab_id },
            4 => PersonAction::Keep { tab_id },
            _ => PersonAction::Release { tab_id, session_id },
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
        let seed = self.chance.seed();
        self.extension = extension(&self.plan, seed, self.stored(), &self.chrome, self.now);
        self.model.reborn();
        self.carry()
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
