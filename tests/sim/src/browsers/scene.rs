//! The storm: what goes wrong, about twice a second. Then, when all is quiet, one scene that every
//! run plays: a browser is quit, the other does not take its place unasked, one agent moves there.

use super::side::{Line, Worker};
use super::{Browsers, Due, SIDES};
use extension_core::PersonAction;
use extension_core::input::AskId;
use protocol::{ErrorCode, SessionId, limits};
use serde_json::json;
use server_core::Input;
use std::time::Duration;

/// How many servers, each with one agent.
pub(super) const SERVERS: usize = 3;
/// How often Chrome wakes a worker.
pub(super) const ALARM: Duration = Duration::from_secs(30);
/// How long agents and faults are at work.
const STORM: Duration = Duration::from_secs(120);
/// Time for every server to be found again by both: the longest back-off with jitter, and a
/// handshake.
const FOUND_AGAIN: Duration = Duration::from_secs(150);
/// A server that its client ends is gone by then.
const ENDED: Duration = Duration::from_secs(1);
/// Long enough for every grace and deadline to be over.
const QUIET: Duration = Duration::from_secs(700);
/// Longer than any call of the scene waits.
const ANSWERED: Duration = Duration::from_secs(100);
/// How long nothing arrives on a connection that stalls.
const STALL: Duration = Duration::from_secs(5);
/// How long a disk is slow.
const SLOW_FOR: Duration = Duration::from_secs(8);
/// How long a disk takes nothing.
const FULL_FOR: Duration = Duration::from_secs(5);
/// A worker that died is there again by then.
const LATE_MS: u64 = 1_000;
/// A browser that is quit is opened by then: most of the time after it was given up.
const AWAY_MS: u64 = 40_000;

impl Browsers {
    pub(super) fn play(&mut self) -> Result<(), String> {
        for side in 0..SIDES {
            self.carry(side)?;
        }
        self.run_until(self.now + STORM)?;
        self.storm = false;
        for side in 0..SIDES {
            if self.sides[side].is_quit() {
                self.wake(side)?;
            }
        }
        self.run_until(self.now + ENDED)?;
        for server in 0..SERVERS {
            self.start_server(server)?;
        }
        self.run_until(self.now + FOUND_AGAIN)?;
        self.check_all_answered()?;
        self.check_all_found()?;
        self.play_scene()?;
        for server in 0..SERVERS {
            self.tell_server(server, Input::End)?;
        }
        self.run_until(self.now + QUIET)?;
        self.check_nothing_left()
    }

    /// Browser 0 or 1 is quit; who belongs to it is told so, and only who asks for it moves.
    fn play_scene(&mut self) -> Result<(), String> {
        let Some(gone) = self.nodes[0].home.side() else {
            return Err("nobody has opened the first server".into());
        };
        let other = SIDES - 1 - gone;
        self.quit(gone, false);
        self.run_until(self.now + limits::RECONNECT_WAIT + Duration::from_secs(1))?;
        for server in 0..SERVERS {
            let code = self.outcome_of_act(server)?.err();
            let is_gone = code == Some(ErrorCode::BrowserGone);
            let belongs = self.nodes[server].home.side() == Some(gone);
            if is_gone != belongs || code == Some(ErrorCode::NotConnected) {
                return Err(format!(
                    "server {server} of {:?} is told {code:?} while browser {gone} is quit",
                    self.nodes[server].home
                ));
            }
        }
        self.ask_to_move(0, other)?;
        self.expect_ok(0, "it moved")?;
        // What it left behind may have been all that it had: it chooses a tab before it goes on.
        self.ask_for(0, "browser_tabs", json!({"action": "new"}))?;
        self.expect_ok(0, "it opened a tab where it moved")?;
        if let Err(code) = self.outcome_of_act(0)? {
            return Err(format!("server 0 is told {code} where it moved"));
        }
        self.report.count("state: went on where it moved");
        self.wake(gone)?;
        self.run_until(self.now + FOUND_AGAIN)?;
        self.check_all_found()?;
        if self.nodes[0].home.side() != Some(other) {
            return Err("the browser that came back took its former session".into());
        }
        self.report.count("state: the browser left came back");
        Ok(())
    }

    fn expect_ok(&mut self, server: usize, what: &str) -> Result<(), String> {
        self.run_until(self.now + ANSWERED)?;
        self.check_all_answered()?;
        match self.nodes[server].agent.last {
            Some(Ok(())) => Ok(()),
            last => Err(format!("{what}, and was told {last:?}")),
        }
    }

    /// What an agent's script comes to.
    fn outcome_of_act(&mut self, server: usize) -> Result<Result<(), ErrorCode>, String> {
        self.ask_to_act(server)?;
        self.run_until(self.now + ANSWERED)?;
        self.check_all_answered()?;
        self.nodes[server]
            .agent
            .last
            .ok_or_else(|| "an answer that nobody heard".into())
    }

    pub(super) fn step_fault(&mut self) -> Result<(), String> {
        if !self.storm {
            return Ok(());
        }
        let pause = Duration::from_millis(200 + self.chance.below(600));
        self.later(pause, Due::Fault);
        let side = usize::try_from(self.chance.below(SIDES as u64)).unwrap_or_default();
        let server = usize::try_from(self.chance.below(SERVERS as u64)).unwrap_or_default();
        match self.chance.below(100) {
            0..=3 => {
                if let Some(line) = self.any_line() {
                    self.remember_fault("fault: connection lost", line.0);
                    self.lose(line);
                }
            }
            4..=6 => self.kill_worker(side),
            7..=8 => {
                let restores = self.chance.hits(300);
                self.quit_and_open(side, restores);
            }
            9..=10 => {
                self.remember_fault("fault: server killed", server);
                self.stop_server(server);
                self.start_again(server);
            }
            11 => {
                self.remember_fault("fault: server comes back as another", server);
                self.stop_server(server);
                let node = &mut self.nodes[server];
                node.former
                    .extend(node.identity.take().map(|own| own.session_id));
                node.home = super::Home::default();
                self.start_again(server);
            }
            12 => {
                self.remember_fault("fault: server ended by its client", server);
                self.tell_server(server, Input::End)?;
                self.start_again(server);
            }
            13..=15 => {
                let tabs: Vec<_> = self.sides[side].chrome.tabs.keys().copied().collect();
                if let Some(tab) = self.chance.pick(&tabs).copied() {
                    self.report.count("person: closed a tab");
                    self.sides[side].chrome.close(tab);
                    self.take_from_chrome(side);
                }
            }
            16..=17 => {
                if let Some(line) = self.any_line() {
                    self.remember_fault("fault: half-open socket", line.0);
                    self.pipes
                        .entry(line)
                        .and_modify(|pipe| pipe.half_open = true);
                }
            }
            18..=20 => {
                if let Some(line) = self.any_line() {
                    self.remember_fault("fault: connection stalls", line.0);
                    let until = self.now + STALL;
                    self.pipes.entry(line).and_modify(|pipe| {
                        pipe.to_server = pipe.to_server.max(until);
                        pipe.to_extension = pipe.to_extension.max(until);
                    });
                }
            }
            21 => {
                self.remember_fault("fault: slow disk", side);
                self.sides[side].slow_until = self.now + SLOW_FOR;
            }
            22 => {
                self.remember_fault("fault: disk full", side);
                self.sides[side].full_until = self.now + FULL_FOR;
            }
            23..=25 => self.step_person(side)?,
            _ => {}
        }
        Ok(())
    }

    /// The person of a browser takes a tab back, gives it to a session, or ends them all.
    fn step_person(&mut self, side: usize) -> Result<(), String> {
        let tabs: Vec<_> = self.sides[side].chrome.tabs.keys().copied().collect();
        let instances = self.sides[side].view(self.now).instances;
        let sessions: Vec<SessionId> = instances.into_iter().map(|one| one.session_id).collect();
        let (tab, session) = (
            self.chance.pick(&tabs).copied(),
            self.chance.pick(&sessions).cloned(),
        );
        let (Some(tab_id), Some(session_id)) = (tab, session) else {
            return Ok(());
        };
        let action = match self.chance.below(8) {
            0..=3 => {
                self.report.count("person: takes");
                PersonAction::TakeBack { tab_id }
            }
            4..=6 => {
                self.report.count("person: gives");
                PersonAction::Give { tab_id, session_id }
            }
            _ => {
                self.report.count("person: ends all sessions");
                PersonAction::CleanUp
            }
        };
        self.last_ask += 1;
        let ask = AskId(self.last_ask);
        self.tell_extension(side, extension_core::Input::Person { ask, action })
    }

    fn any_line(&mut self) -> Option<Line> {
        let lines: Vec<_> = self.pipes.keys().copied().collect();
        self.chance.pick(&lines).copied()
    }

    fn start_again(&mut self, server: usize) {
        let back = Duration::from_millis(100 + self.chance.below(15_000));
        self.later(back, Due::Start { server });
    }

    /// A worker dies; what it was writing has landed, or not.
    fn kill_worker(&mut self, side: usize) {
        if !self.sides[side].lives() {
            return;
        }
        self.remember_fault(self.of_side("worker killed", side), side);
        self.end_life(side, Worker::Dead { heard: Vec::new() });
        let life = self.sides[side].life;
        let late = Duration::from_millis(self.chance.below(LATE_MS));
        self.later(late, Due::Wake { side, life });
    }

    fn quit_and_open(&mut self, side: usize, restores: bool) {
        if self.sides[side].is_quit() {
            return;
        }
        self.quit(side, restores);
        let run = self.sides[side].run;
        let away = Duration::from_millis(100 + self.chance.below(AWAY_MS));
        self.later(away, Due::Open { side, run });
    }

    /// A browser is quit: nobody in it hears anything until it is opened.
    fn quit(&mut self, side: usize, restores: bool) {
        self.remember_fault(self.of_side("browser quit", side), side);
        self.end_life(side, Worker::Quit);
        let it = &mut self.sides[side];
        it.run += 1;
        it.tickets.clear();
        it.chrome.take_later();
        it.chrome.restart(restores);
    }

    /// What a fault of a browser is counted as: whether sessions belong to it, and others stand by
    /// for it.
    fn of_side(&self, what: &str, side: usize) -> &'static str {
        let mut homes = self.nodes.iter().filter_map(|node| node.home.side());
        let bound = homes.any(|home| home == side);
        match (what, bound) {
            ("worker killed", true) => "fault: worker of a bound browser killed",
            ("worker killed", false) => "fault: worker of a standby killed",
            (_, true) => "fault: bound browser quit",
            (_, false) => "fault: standby quit",
        }
    }

    fn end_life(&mut self, side: usize, worker: Worker) {
        self.take_from_chrome(side);
        let life = self.sides[side].life;
        let lands = self.chance.hits(500);
        let of_it = |due: &Due| matches!(due, Due::Stored { side: of, life: by, .. } if *of == side && *by == life);
        let writes = self.agenda.iter().filter(|(_, due)| of_it(due));
        let writes: Vec<_> = writes.map(|(key, _)| *key).collect();
        for key in writes {
            if let Some(Due::Stored {
                ok: true,
                set,
                remove,
                ..
            }) = self.agenda.remove(&key)
                && lands
            {
                self.land(side, set, &remove);
            }
        }
        self.sides[side].end_life(worker);
        self.hang_up(side);
    }

    /// The next worker of a browser starts, or the browser.
    pub(super) fn wake(&mut self, side: usize) -> Result<(), String> {
        if self.sides[side].lives() {
            return Ok(());
        }
        let heard = self.sides[side].wake(super::RANGE, &mut self.chance, self.now);
        self.carry(side)?;
        for input in heard {
            self.tell_extension(side, input)?;
        }
        Ok(())
    }

    /// Whether this was the session of a server that has come back as another since.
    pub(super) fn is_former(&self, server: usize, session: Option<&SessionId>) -> bool {
        session.is_some_and(|session| self.nodes[server].former.contains(session))
    }
}
