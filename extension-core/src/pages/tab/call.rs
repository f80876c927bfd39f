//! The life of the one call that runs on a tab: its procedure, its one answer, and its end, which
//! comes when the browser has settled the last of its commands.

use super::*;
use protocol::SortedSet;

impl Tab {
    pub(super) fn start(&mut self, out: &mut Out) {
        let Some(running) = self.running.as_mut() else {
            return;
        };
        let navigates = matches!(running.command, Command::Navigate(_));
        if running.answered {
            return self.settle(out);
        }
        if self.facts.borrow().crashed && !navigates {
            self.answer(out, Err(Fault::PageCrashed { tab: self.id }));
            return self.settle(out);
        }
        let nonce = out.nonce();
        let command = running.command.clone();
        let procedure = Procedure::new(
            self.id,
            Rc::clone(&self.facts),
            nonce,
            running.deadline,
            |page| actions::run(page, command),
        );
        running.state = State::Acting(procedure);
        self.run(out);
    }

    /// Lets the procedure go on.
    pub(super) fn run(&mut self, out: &mut Out) {
        let Some(Running {
            state: State::Acting(procedure),
            ..
        }) = self.running.as_mut()
        else {
            return;
        };
        let lent = procedure.held().front;
        let outcome = procedure.poll(out.now, out.wall);
        let mut wanted = Vec::new();
        while let Some(next) = procedure.poll_wanted() {
            wanted.push(next);
        }
        let (held, at) = (procedure.held(), procedure.poll_timeout());
        match (lent, held.front) {
            (None, Some(front)) => out.front_lent(front),
            (Some(front), None) => out.front_taken(front),
            (None, None) | (Some(_), Some(_)) => {}
        }
        for wanted in wanted {
            let Wanted {
                effect,
                session,
                call,
                kind,
            } = wanted;
            let purpose = Purpose::Effect {
                effect,
                session,
                kind,
            };
            self.ask(out, call, purpose);
        }
        match (outcome, at) {
            (Some(outcome), _) => {
                self.answer(out, outcome);
                self.end(out, held, false);
            }
            (None, Some(at)) => out.timers.set((self.id, Timer::Procedure), at),
            (None, None) => {
                out.timers.clear(&(self.id, Timer::Procedure));
            }
        }
    }

    pub(super) fn call_late(&mut self, out: &mut Out) {
        let Some(running) = self.running.as_mut().filter(|run| !run.answered) else {
            return;
        };
        let waiting_for = match &running.state {
            State::Acting(procedure) => procedure.waiting_for(),
            State::Waiting => match self.attachment {
                Attachment::Leaving => "the page to load again".into(),
                Attachment::Mending(_) => mend::UNKNOWN.into(),
                Attachment::Detached
                | Attachment::Looking
                | Attachment::Attaching
                | Attachment::Enabling { .. }
                | Attachment::Ready
                | Attachment::Detaching => "the debugger to be let in".into(),
            },
            State::Ending { .. } | State::Lost => "the page".into(),
        };
        let after_s = seconds(out.now.since(running.began));
        let held = match &running.state {
            State::Acting(procedure) => Some(procedure.held()),
            State::Waiting | State::Ending { .. } | State::Lost => None,
        };
        self.answer(
            out,
            Err(Fault::Timeout {
                after_s,
                waiting_for,
            }),
        );
        match held {
            Some(held) => {
                let held = self.stopping(held);
                self.end(out, held, false);
            }
            None => self.settle(out),
        }
    }

    /// Answers the caller, once.
    pub(super) fn answer(&mut self, out: &mut Out, outcome: Result<PageResult, Fault>) {
        let Some(running) = self.running.as_mut().filter(|run| !run.answered) else {
            return;
        };
        running.answered = true;
        out.timers.clear(&(self.id, Timer::Call));
        let outcome = outcome.map(|mut result| {
            result.new_tabs = std::mem::take(&mut self.facts.borrow_mut().new_tabs);
            result
        });
        out.answer(running.call, outcome);
    }

    /// A call that is stopped also stops the navigation that is under way: until that commits,
    /// Chrome holds back whatever needs the page.
    pub(super) fn stopping(&self, held: Held) -> Held {
        let going = matches!(self.facts.borrow().going, Some(Going::Started { .. }));
        Held {
            loading: held.loading || going,
            ..held
        }
    }

    /// Whatever ends the procedure, or keeps it: the person's window is in front again.
    pub(super) fn give_front_back(&mut self, out: &mut Out) {
        if let Some(State::Acting(procedure)) = self.state()
            && let Some(front) = procedure.take_front()
        {
            out.front_taken(front);
        }
    }

    /// The procedure is over: lets go what it holds, and waits for its commands to settle.
    pub(super) fn end(&mut self, out: &mut Out, held: Held, dismiss: bool) {
        self.give_front_back(out);
        if let Some(state) = self.state() {
            *state = State::Ending { dismiss };
        }
        out.timers.clear(&(self.id, Timer::Procedure));
        let Held {
            cast,
            loading,
            front: _,
        } = held;
        if loading {
            self.command(out, "Page.stopLoading", json!({}), Purpose::End);
        }
        if cast {
            self.command(out, "Page.stopScreencast", json!({}), Purpose::End);
        }
        let scripts: Vec<(Session, Instant)> = self
            .asked
            .values()
            .filter_map(|purpose| match purpose {
                Purpose::Effect {
                    kind: Kind::Script { until },
                    session,
                    ..
                } => Some((session.clone(), *until)),
                Purpose::Effect {
                    kind: Kind::Command | Kind::Aside,
                    ..
                }
                | Purpose::Look
                | Purpose::Leave
                | Purpose::Attach
                | Purpose::Enable
                | Purpose::Drain { .. }
                | Purpose::Keys { .. }
                | Purpose::Detach
                | Purpose::Child { .. }
                | Purpose::Commit
                | Purpose::End
                | Purpose::Probe { .. }
                | Purpose::Dismiss { .. }
                | Purpose::Dialog { .. }
                | Purpose::Lost => None,
            })
            .collect();
        let sessions: SortedSet<&Session> = scripts.iter().map(|(session, _)| session).collect();
        for session in sessions {
            let call = ChromeCall::Command {
                tab: self.id,
                session: session.as_deref().map(str::to_owned),
                method: "Runtime.evaluate",
                params: json!({"expression": "0"}),
            };
            let session = session.clone();
            self.ask(out, call, Purpose::Probe { session });
        }
        let script = scripts.iter().map(|(_, until)| *until).max();
        let from = script.unwrap_or(out.now).max(out.now);
        out.timers.set((self.id, Timer::Ending), from + ENDING_MAX);
        self.check_ended(out);
    }

    pub(super) fn check_ended(&mut self, out: &mut Out) {
        let open = self.asked.values().any(|purpose| match purpose {
            Purpose::Effect {
                kind: Kind::Command | Kind::Script { .. },
                ..
            }
            | Purpose::End
            | Purpose::Probe { .. }
            | Purpose::Dismiss { .. } => true,
            Purpose::Effect {
                kind: Kind::Aside, ..
            }
            | Purpose::Look
            | Purpose::Leave
            | Purpose::Attach
            | Purpose::Enable
            | Purpose::Drain { .. }
            | Purpose::Keys { .. }
            | Purpose::Detach
            | Purpose::Child { .. }
            | Purpose::Commit
            | Purpose::Dialog { .. }
            | Purpose::Lost => false,
        });
        let dialog = self.facts.borrow().dialog.is_some();
        let ending = matches!(self.state(), Some(State::Ending { .. }));
        if ending && !open && !dialog && !self.off {
            self.settle(out);
        }
    }

    pub(super) fn settle(&mut self, out: &mut Out) {
        self.give_front_back(out);
        if let Some(running) = self.running.take() {
            // What is still open is of its procedure, which is no more, or would answer for it.
            self.forget(out, |purpose| {
                matches!(purpose, Purpose::Effect { .. } | Purpose::Lost)
            });
            for timer in [Timer::Call, Timer::Procedure, Timer::Ending] {
                out.timers.clear(&(self.id, timer));
            }
            out.settled(running.call, self.id);
        }
    }
}
