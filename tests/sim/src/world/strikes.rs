//! One fault at one step: the effects of the cores are counted, and after the one that was named
//! something strikes.

use super::deaths::Death;
use super::storage::SLOW;
use super::{Due, World};
use crate::blow::{Blow, Landed, Returns, Step, Wakes};
use crate::chrome::Outcome;
use crate::network::Pipe;
use extension_core::extension::Trace;
use extension_core::input::{DetachReason, SocketId};
use extension_core::tabs::TabEvent;
use extension_core::view::InstanceState;
use extension_core::{Effect, Input};
use protocol::Fault;
use std::time::Duration;

/// A server that was killed is started again so soon.
const BACK: Duration = Duration::from_secs(1);
/// How long a stopped process does nothing.
const STOPPED: Duration = Duration::from_secs(60);
/// How long nothing arrives.
const STALL: Duration = Duration::from_secs(5);
/// How long the disk is full.
const FULL: Duration = Duration::from_secs(10);
/// How long the disk answers nothing: longer than anybody waits for it.
const HANGS: Duration = Duration::from_secs(30);
/// Nothing is that late.
const NEVER: Duration = Duration::from_secs(100_000);
/// How long an extension is off, or a browser.
const ENDED: Duration = Duration::from_secs(3);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How much of an effect stands in a step.
const WHAT_MAX: usize = 100;

/// What strikes, and after how many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// What.
    pub blow: Blow,
    /// The first step is 1.
    pub after: usize,
}

impl World {
    /// What the extension does next, as a step; none while nobody counts, and for what changes
    /// nothing outside.
    pub(super) fn step_of(&self, effect: &Effect) -> Option<Step> {
        let (frame, write) = match effect {
            Effect::Send { .. } => (true, false),
            Effect::Write { .. } => (false, true),
            Effect::Dial { .. }
            | Effect::Close { .. }
            | Effect::Ask { .. }
            | Effect::ReadSecret
            | Effect::Reply { .. } => (false, false),
            Effect::Probe { .. }
            | Effect::EnsureAlarm { .. }
            | Effect::KeepAwake
            | Effect::Badge(_)
            | Effect::Show(_)
            | Effect::Log { .. } => return None,
        };
        self.step(frame, write, effect)
    }

    /// The same of a server.
    pub(super) fn step_of_server(&self, effect: &server_core::Effect) -> Option<Step> {
        let frame = match effect {
            server_core::Effect::Send { .. } => true,
            server_core::Effect::Close { .. }
            | server_core::Effect::ReadSecret { .. }
            | server_core::Effect::Answer { .. }
            | server_core::Effect::SaveIdentity { .. }
            | server_core::Effect::MarkEnding { .. }
            | server_core::Effect::StopListening
            | server_core::Effect::Exit => false,
            server_core::Effect::Progress { .. }
            | server_core::Effect::Note(_)
            | server_core::Effect::Admit { .. } => return None,
        };
        self.step(frame, false, effect)
    }

    /// What is about to reach the extension, as a step.
    pub(super) fn step_of_input(&self, due: &Due) -> Option<Step> {
        let before = |step| Step {
            before: true,
            ..step
        };
        match due {
            Due::Chrome(outcome) => match outcome {
                Outcome::Done { .. } | Outcome::Event(_) => {
                    self.step(false, false, outcome).map(before)
                }
                Outcome::Remove { .. } => self.step(false, false, outcome).map(before),
                Outcome::Resume { .. } | Outcome::Dismissed { .. } => None,
            },
            Due::Extension { life, input } if *life == self.life => match **input {
                Input::SocketOpened { .. }
                | Input::SocketText { .. }
                | Input::SocketClosed { .. } => self.step(false, false, input).map(before),
                Input::Tick
                | Input::Alarm
                | Input::Probed { .. }
                | Input::Browser(_)
                | Input::Done { .. }
                | Input::Written { .. }
                | Input::SecretRead { .. }
                | Input::Person { .. }
                | Input::Popups { .. } => None,
            },
            Due::Extension { .. }
            | Due::Stored { .. }
            | Due::Server { .. }
            | Due::Start { .. }
            | Due::Agent { .. }
            | Due::Fault
            | Due::Visitor
            | Due::Resume
            | Due::Pair
            | Due::Alarm
            | Due::Wake { .. }
            | Due::Kill { .. }
            | Due::Strike(_) => None,
        }
    }

    fn step(&self, frame: bool, write: bool, effect: &impl std::fmt::Debug) -> Option<Step> {
        self.trail.as_ref()?;
        let what = if self.strike.is_some() {
            String::new()
        } else {
            format!("{effect:?}").chars().take(WHAT_MAX).collect()
        };
        Some(Step {
            what,
            before: false,
            frame,
            write,
            writing: false,
            two_calls: false,
            stored: Vec::new(),
        })
    }

    /// A step was done, by this server or by the extension.
    pub(super) fn take_step(
        &mut self,
        step: Option<Step>,
        by: Option<usize>,
    ) -> Result<(), String> {
        let Some(mut step) = step else { return Ok(()) };
        if self.strike.is_none() {
            (step.writing, step.two_calls) = self.writing();
            step.stored = self.stored_kinds();
        }
        let Some(trail) = &mut self.trail else {
            return Ok(());
        };
        trail.push(step);
        let made = trail.len();
        let Some(strike) = self.strike.filter(|strike| strike.after == made) else {
            return Ok(());
        };
        match strike.blow {
            Blow::ServerKilled(server, _) if by != Some(server) => {
                // Other servers hear of it, and may be in the middle of a step.
                self.later(Duration::ZERO, Due::Strike(strike));
                Ok(())
            }
            Blow::WorkerDies(..)
            | Blow::WorkerDiesUnheard
            | Blow::Damaged(_)
            | Blow::CoreFalls
            | Blow::ThirdFall
            | Blow::Ends(_)
                if by.is_some() =>
            {
                self.later(Duration::ZERO, Due::Strike(strike));
                Ok(())
            }
            // What the core hears next must be alone in its step.
            Blow::ClockAhead | Blow::ClockBack => {
                self.later(Duration::ZERO, Due::Strike(strike));
                Ok(())
            }
            Blow::WorkerDies(..)
            | Blow::CoreFalls
            | Blow::ThirdFall
            | Blow::WorkerDiesUnheard
            | Blow::Damaged(_)
            | Blow::Ends(_)
            | Blow::ServerKilled(..)
            | Blow::ConnectionLost(_)
            | Blow::ConnectionCut(_)
            | Blow::ThrownOff
            | Blow::Crashes
            | Blow::ServerStopped(_)
            | Blow::WriteRefused
            | Blow::StoreFull
            | Blow::StoreSlow
            | Blow::StoreHangs
            | Blow::NeverWritten
            | Blow::Stall => self.strike_now(strike.blow),
        }
    }

    pub(super) fn strike_now(&mut self, blow: Blow) -> Result<(), String> {
        self.remember_fault(&format!("blow: {}", blow.kind()));
        match blow {
            Blow::WorkerDies(landed, wakes) => {
                let delay = match wakes {
                    Wakes::AtOnce => None,
                    Wakes::Late => Some(Duration::from_secs(1)),
                };
                self.end_worker(Death {
                    landed,
                    delay,
                    ..Death::SUDDEN
                })?;
            }
            Blow::Damaged(kind) => {
                let damaged = Some(kind);
                self.end_worker(Death {
                    damaged,
                    ..Death::SUDDEN
                })?;
            }
            Blow::CoreFalls => self.fall(false)?,
            Blow::ThirdFall => self.fall(true)?,
            Blow::WorkerDiesUnheard => {
                let sockets: Vec<SocketId> = self.pipes.keys().copied().collect();
                for socket in sockets {
                    self.cut(socket);
                }
                self.end_worker(Death::SUDDEN)?;
            }
            Blow::Ends(restart) => self.restart(restart, Landed::Whole, ENDED)?,
            Blow::ConnectionLost(server) => {
                for socket in self.sockets_of(server) {
                    self.lose(socket);
                }
            }
            Blow::ConnectionCut(server) => {
                for socket in self.sockets_of(server) {
                    self.cut(socket);
                }
            }
            Blow::ServerKilled(server, returns) => {
                self.stop_server(server)?;
                if returns == Returns::Another {
                    self.forget_identity(server);
                }
                self.later(BACK, Due::Start { server });
            }
            Blow::ThrownOff => {
                if let Some(tab) = self.last_tab_of(0) {
                    self.chrome.throw_off(tab, DetachReason::TargetClosed);
                    self.chrome
                        .leave_dialogs(|one| one == tab, &mut self.chance);
                    self.take_from_chrome();
                }
            }
            Blow::Crashes => {
                if let Some(tab) = self.last_tab_of(0) {
                    self.chrome.crash(tab);
                    self.take_from_chrome();
                }
            }
            Blow::ServerStopped(server) => self.freeze_server(server, STOPPED),
            Blow::WriteRefused => self.change_writes(|ok, _| *ok = false),
            Blow::StoreFull => {
                self.disk.full_until = self.now + FULL;
                self.change_writes(|ok, _| *ok = false);
            }
            Blow::StoreSlow => {
                self.disk.slow_until = self.now + Duration::from_secs(60);
                self.change_writes(|_, delay| *delay = SLOW);
            }
            Blow::StoreHangs => {
                self.disk.hangs_until = self.now + HANGS;
                self.change_writes(|_, delay| *delay = HANGS);
            }
            Blow::NeverWritten => {
                self.disk.hangs_until = self.now + HANGS;
                self.change_writes(|_, delay| *delay = NEVER);
                let landed = Landed::Nothing;
                self.later(HANGS, Due::Kill { landed });
            }
            Blow::Stall => {
                let sockets: Vec<SocketId> = self.pipes.keys().copied().collect();
                for socket in sockets {
                    self.stall(socket);
                }
            }
            Blow::ClockAhead => self.jump(true)?,
            Blow::ClockBack => self.jump(false)?,
        }
        Ok(())
    }

    /// The clock is put a day ahead or back, and the next that the extension hears is nothing new.
    pub(super) fn jump(&mut self, ahead: bool) -> Result<(), String> {
        if ahead {
            self.clock.put_ahead(DAY_MS);
        } else {
            self.clock.put_back(DAY_MS);
        }
        // A grace that was nearly over, or short from the beginning, ends in the part of the gap
        // that counts.
        let mut patient = true;
        for instance in self.view().instances {
            patient &= match instance.state {
                InstanceState::Connected | InstanceState::Standby => true,
                InstanceState::Orphaned | InstanceState::Ending => false,
            };
        }
        self.jumped = patient;
        let outcome = self
            .plant_in_gap()
            .and_then(|()| self.tell_extension(Input::Tick));
        self.jumped = false;
        outcome
    }

    /// Time that nobody could observe ends nothing but the calls that run (`design/tabs.md`).
    pub(super) fn check_patience(&self, trace: &Trace) -> Result<(), String> {
        if !self.jumped {
            return Ok(());
        }
        match trace {
            Trace::Ended { session } => Err(format!("{session} ends because the clock was put")),
            // Its clearing is a question to the page, which may be over.
            Trace::Tab(TabEvent::Close { tab }) if !self.clearing.contains(tab) => {
                Err(format!("{tab} closes because the clock was put"))
            }
            Trace::Tab(TabEvent::Refuse {
                call,
                fault: Fault::ClaimTimeout { .. },
            }) => Err(format!("the claim {call:?} ends because the clock was put")),
            Trace::Tab(
                TabEvent::Make { .. }
                | TabEvent::Begin { .. }
                | TabEvent::Stop { .. }
                | TabEvent::Refuse { .. }
                | TabEvent::Dropped { .. }
                | TabEvent::Finished { .. }
                | TabEvent::Progress { .. }
                | TabEvent::Clear { .. }
                | TabEvent::Mend { .. }
                | TabEvent::Close { .. }
                | TabEvent::OwnerChanged { .. }
                | TabEvent::Seek
                | TabEvent::NoneMissing
                | TabEvent::Show { .. },
            )
            | Trace::Call { .. }
            | Trace::TurnEnded { .. }
            | Trace::Answered { .. }
            | Trace::Dropped { .. }
            | Trace::Given { .. }
            | Trace::Found { .. } => Ok(()),
        }
    }

    /// Nothing new arrives by this socket for a while, in either direction.
    pub(super) fn stall(&mut self, socket: SocketId) {
        if let Some(pipe) = self.pipes.get_mut(&socket) {
            pipe.to_server = pipe.to_server.max(self.now + STALL);
            pipe.to_extension = pipe.to_extension.max(self.now + STALL);
        }
    }

    /// A process is stopped (`SIGSTOP`) and goes on after this time.
    pub(super) fn freeze_server(&mut self, server: usize, time: Duration) {
        let until = self.now + time;
        if let Some(node) = self.nodes.get_mut(server)
            && node.core.is_some()
        {
            node.stopped_until = until;
        }
    }

    /// Who comes back in this server's place is somebody new.
    pub(super) fn forget_identity(&mut self, server: usize) {
        if let Some(node) = self.nodes.get_mut(server) {
            node.identity = None;
        }
    }

    fn sockets_of(&self, server: usize) -> Vec<SocketId> {
        let mine = |pipe: &Pipe| pipe.server == server;
        self.pipes
            .iter()
            .filter(|(_, pipe)| mine(pipe))
            .map(|(socket, _)| *socket)
            .collect()
    }

    /// Changes what becomes of the writes that are on their way: whether they are taken, and when.
    fn change_writes(&mut self, change: impl Fn(&mut bool, &mut Duration)) {
        for due in self.take_writes() {
            if let Due::Stored {
                life,
                write,
                set,
                remove,
                mut ok,
            } = due
            {
                let mut delay = Duration::from_millis(3);
                change(&mut ok, &mut delay);
                if !ok {
                    self.report.count("fault: write refused");
                }
                if delay == SLOW {
                    self.report.count("fault: slow write");
                }
                if delay >= HANGS {
                    self.report.count("fault: write hangs");
                }
                let due = Due::Stored {
                    life,
                    write,
                    set,
                    remove,
                    ok,
                };
                self.later(delay, due);
            }
        }
    }
}
