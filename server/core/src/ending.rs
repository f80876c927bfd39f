//! The end of a server: every call is answered or cancelled within [`END_MAX`], the browsers hear
//! goodbye, the driver exits (`design/tools.md`, *Calls and ends*).

use crate::{CallId, Effect, Server, SessionKey, Timer, close};
use protocol::error::Fault;
use protocol::frame::{Frame, Goodbye, GoodbyeReason};
use protocol::limits;
use std::time::Duration;

/// Calls may end by themselves for so long: who pipes requests in and closes wants the answers.
pub(crate) const END_CANCELS: Duration = Duration::from_millis(500);
/// By then every call is answered; clients kill after a second or two.
pub(crate) const END_MAX: Duration = Duration::from_millis(800);

/// How far the server's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// Calls are being answered.
    Ending,
    /// All is said.
    Done,
}

impl Phase {
    pub(crate) fn is_running(self) -> bool {
        match self {
            Self::Running => true,
            Self::Ending | Self::Done => false,
        }
    }
}

impl Server {
    pub(crate) fn handle_end(&mut self) {
        if !self.phase.is_running() {
            return;
        }
        self.phase = Phase::Ending;
        self.effects.push_back(Effect::StopListening);
        let sessions: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.effects.push_back(Effect::MarkEnding { session });
        }
        self.timers.set(Timer::EndCancels, self.now + END_CANCELS);
        self.timers.set(Timer::EndAnswers, self.now + END_MAX);
    }

    pub(crate) fn handle_end_cancels(&mut self) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.handle_cancel(call);
        }
    }

    pub(crate) fn handle_end_answers(&mut self) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            let may_still = self.may_still(call);
            self.fail(call, Fault::Cancelled { may_still });
        }
    }

    /// Called after every step: the last answer ends it.
    pub(crate) fn end_if_done(&mut self) {
        match self.phase {
            Phase::Running | Phase::Done => return,
            Phase::Ending => {}
        }
        if !self.calls.is_empty() {
            return;
        }
        self.phase = Phase::Done;
        let grace = if self.config.explicit_instance {
            limits::ORPHAN_GRACE
        } else {
            limits::ENDING_GRACE
        };
        let goodbye = Frame::Goodbye(Goodbye {
            reason: GoodbyeReason::Ending,
            grace_s: u32::try_from(grace.as_secs()).ok(),
            moved_to: None,
        });
        let conns: Vec<_> = self.browsers().map(|(conn, _)| conn).collect();
        for conn in conns {
            self.send(conn, &goodbye);
        }
        self.drop_everybody(close::GOING_AWAY);
        self.timers = protocol::Deadlines::default();
        self.effects.push_back(Effect::Exit);
    }
}
