//! An unpaired server's dialect, v1, at the edge (PROTOCOL.md, *Older dialects*): what it asks
//! becomes the commands that every session has, and what they bring becomes what it expects. So its
//! calls take turns, meet dialogs and fail as all others do; nothing behind this module knows that
//! somebody speaks otherwise.
//!
//! It knows frames and commands, and nothing of sockets, tabs' owners or Chrome. Drive it so: one
//! [`V1::ask`] for each request and one [`V1::hear`] for each answer, and do each [`Step`] that it
//! gives, in order. What it remembers lives as long as its socket: nobody waits any longer.

mod plan;
mod request;
mod script;
mod shape;

use crate::input::TabFacts;
use plan::{Next, Plan};
use protocol::dialect::v1::{Outcome, Reply, Request};
use protocol::frame::{Body, Envelope};
use protocol::{
    Command, ErrorCode, Fault, Instant, Retry, SessionId, SortedMap, TabId, WireError, WireId,
};
use serde_json::Value;
use shape::Console;
use std::time::Duration;

/// How the server at the other end of a socket is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The protocol of this version, once the server has proven itself.
    V2,
    /// The first multi-instance manager's, in which nothing is proven: only on ports that the user
    /// has named for it.
    V1,
}

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Take this in as a command of its session; its answer goes to [`V1::hear`].
    Command(Box<Asked>),
    /// Send this.
    Reply(Reply),
}

/// A command on its way in.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// With its ids; the payload stays empty.
    pub envelope: Envelope,
    /// What it asks.
    pub command: Command,
}

/// What the world looks like at an answer.
pub struct Seen<'a> {
    /// What Chrome last told of a tab.
    pub tab: &'a dyn Fn(TabId) -> Option<&'a TabFacts>,
    /// Milliseconds since 1970.
    pub now: Instant,
}

/// A request whose answer is not complete yet.
#[derive(Debug)]
struct Open {
    /// As it came; what has none is done and not answered.
    id: Option<Value>,
    kind: String,
    tab: Option<TabId>,
    plan: Plan,
}

/// One server that speaks v1.
#[derive(Debug)]
pub struct V1 {
    instance: String,
    session: SessionId,
    /// Makes the ids of its commands this socket's own: a former life's must not meet them.
    epoch: u64,
    asked: u64,
    /// By the command that is under way; one at a time for each request.
    open: SortedMap<WireId, Open>,
    console: Console,
}

impl V1 {
    /// A server that calls itself `instance`, whose commands are those of `session`. `epoch` is
    /// random: no other socket has it.
    #[must_use]
    pub fn new(instance: String, session: SessionId, epoch: u64) -> Self {
        Self {
            instance,
            session,
            epoch,
            asked: 0,
            open: SortedMap::new(),
            console: Console::default(),
        }
    }

    /// The session that its commands are of.
    #[must_use]
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// The server asks something.
    pub fn ask(&mut self, request: Request, now: Instant) -> Vec<Step> {
        let Request {
            id, kind, payload, ..
        } = request;
        let timestamp = now.0;
        let outcome = match (kind.as_str(), request::read(&kind, &payload)) {
            ("ping", _) => Outcome::Pong { timestamp },
            (_, None) => Outcome::Failed(format!("Unknown message type: {kind}")),
            (_, Some(Err(fault))) => Outcome::Failed(words(&fault.into())),
            (_, Some(Ok(request::Read::Done(payload)))) => Outcome::Done { kind, payload },
            (_, Some(Ok(request::Read::Command(command, plan)))) => {
                let tab = match request::tab(&payload) {
                    Ok(tab) => tab,
                    Err(fault) => return reply(id, Outcome::Failed(words(&fault.into()))),
                };
                let lasts = request::lasts(&command, &payload);
                let open = Open {
                    id,
                    kind,
                    tab,
                    plan,
                };
                return self.command(open, command, lasts);
            }
        };
        reply(id, outcome)
    }

    /// A command was answered. What belongs to no request changes nothing.
    pub fn hear(&mut self, answer: Envelope, seen: &Seen<'_>) -> Vec<Step> {
        let Some(mut open) = self.open.remove(&answer.wire_id) else {
            return Vec::new();
        };
        let outcome = match answer.body {
            Body::Data(data) => Ok(data),
            Body::Error(error) => Err(error),
            Body::Payload(_) => return Vec::new(),
        };
        let at = plan::At {
            instance: &self.instance,
            tab: answer.tab_id,
            seen,
        };
        match open.plan.next(outcome, &mut self.console, &at) {
            Next::Command(command, plan) => {
                open.plan = plan;
                // It goes on where the first command was.
                open.tab = open.tab.or(answer.tab_id).filter(|_| command.takes_turn());
                self.command(open, command, None)
            }
            Next::Done(payload) => {
                let kind = open.kind;
                reply(open.id, Outcome::Done { kind, payload })
            }
            Next::Failed(error) => reply(open.id, Outcome::Failed(words(&error))),
        }
    }

    fn command(&mut self, open: Open, command: Command, lasts: Option<Duration>) -> Vec<Step> {
        self.asked += 1;
        let Ok(wire_id) = WireId::new(format!("v1-{:016x}-{}", self.epoch, self.asked)) else {
            return Vec::new(); // Hex digits and a number are always an id.
        };
        let payload = Value::Object(serde_json::Map::new());
        let mut envelope =
            Envelope::command(wire_id.clone(), self.session.clone(), &open.kind, payload);
        envelope.tab_id = open.tab.filter(|_| command.takes_turn());
        // It waits for nobody's tab: it gets none.
        envelope.wait_ms = Some(0);
        envelope.deadline_ms = lasts.and_then(|lasts| u64::try_from(lasts.as_millis()).ok());
        self.open.insert(wire_id, open);
        vec![Step::Command(Box::new(Asked { envelope, command }))]
    }
}

fn reply(id: Option<Value>, outcome: Outcome) -> Vec<Step> {
    id.map(|id| Step::Reply(Reply { id, outcome }))
        .into_iter()
        .collect()
}

/// The reply to a request that is refused before it is anything else.
#[must_use]
pub fn refused(id: Option<Value>, fault: Fault) -> Vec<Step> {
    reply(id, Outcome::Failed(words(&fault.into())))
}

/// An error as one text. A server of the original sends what failed again, up to twice, clicks too,
/// unless the text has words that it knows for a lasting failure. *Permission … denied* are such
/// words, so whatever must not be sent again as it is says that.
fn words(error: &WireError) -> String {
    let WireError {
        code,
        message,
        advice,
    } = error;
    let again = if may_be_sent_again(*code) {
        ""
    } else {
        " (Permission to send the same again is denied.)"
    };
    format!("{code}: {message} {advice}{again}")
}

/// Nothing happened, and the same may go well in a moment.
fn may_be_sent_again(code: ErrorCode) -> bool {
    match code.retry() {
        Retry::Later => true,
        // What timed out or did not load has begun.
        Retry::Maybe => code == ErrorCode::NotActionable,
        Retry::No | Retry::AfterActing | Retry::NotBlindly => false,
    }
}

#[cfg(test)]
mod tests;
