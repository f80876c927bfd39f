//! Servers that prove nothing, where the user lets them in (`design/security.md`, *Unpaired
//! peers*): their words go through [`dialect`](crate::dialect), and from there on they are sessions
//! like others, but for one rule. They work in the tabs that they make, and in no other.

use super::Extension;
use crate::dialect::{Seen, Step, V1, refused};
use crate::input::{CallId, SocketId};
use crate::links::Sent;
use protocol::command::TabsAction;
use protocol::dialect::v1::Request;
use protocol::frame::{Outcome, SessionOpen};
use protocol::pairing::to_hex;
use protocol::{Command, Fault, Frame, Instant, SessionId, TabId, limits};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Hex digits of what stands for an instance's name, which may be any text.
const DIGITS: usize = 16;
/// What becomes of a tab is said to whoever may have it.
const OWN_TABS: Fault = Fault::PolicyRefused {
    rule: "A server that is not paired works only in the tabs that it makes",
    instead: "Work in a tab of your own (`tabs.new`), or ask the user to pair this server",
};
/// See [`OWN_TABS`], said to somebody else.
const NO_GIFTS: Fault = Fault::PolicyRefused {
    rule: "That session's server is not paired, and works only in the tabs that it makes",
    instead: "Give the tab to a session whose server is paired",
};

/// An unpaired server, while its socket is there.
#[derive(Debug)]
pub(super) struct Unpaired {
    v1: V1,
    /// What it asked before its session was on disk; none once it is.
    waiting: Option<VecDeque<Request>>,
}

impl Extension {
    /// One has said who it is, which proves nothing: its session is its port's and its name's, and
    /// no other server's.
    pub(super) fn handle_up_unpaired(
        &mut self,
        socket: SocketId,
        port: u16,
        instance: String,
        epoch: u64,
        now: Instant,
    ) {
        self.discovery.handle_up(port, now);
        let digest: [u8; 32] = Sha256::digest(instance.as_bytes()).into();
        let digits: String = to_hex(&digest).chars().take(DIGITS).collect();
        let Ok(session_id) = SessionId::new(format!("v1-{port}-{digits}")) else {
            return; // Digits and hyphens are always an id.
        };
        // A port is one process's: another instance means that the former is no more.
        let former = self.sessions.iter().filter(|(id, session)| {
            session.unpaired && session.port == Some(port) && **id != session_id
        });
        let former: Vec<SessionId> = former.map(|(id, _)| id.clone()).collect();
        for id in former {
            self.sessions.end(&id);
        }
        let open = SessionOpen {
            session_id: session_id.clone(),
            // Not its own words: others would read them as ours.
            label: format!("unpaired on port {port}"),
            resume_token: instance.clone(),
            standby: false,
        };
        let peer = Unpaired {
            v1: V1::new(instance, session_id, epoch),
            waiting: Some(VecDeque::new()),
        };
        self.unpaired.insert(socket, peer);
        self.sessions.open_unpaired(socket, port, open, now);
    }

    /// It wants something done: once its session is on disk.
    pub(super) fn handle_request(&mut self, socket: SocketId, request: Request, now: Instant) {
        let Some(peer) = self.unpaired.get_mut(&socket) else {
            return;
        };
        let steps = match &mut peer.waiting {
            Some(waiting) if waiting.len() < limits::CALLS_PER_SESSION_MAX => {
                waiting.push_back(request);
                Vec::new()
            }
            Some(waiting) => refused(
                request.id,
                Fault::LimitReached {
                    bound: "requests before the session is open",
                    limit: waiting.len(),
                    frees: "Wait for an answer before asking more",
                },
            ),
            None => peer.v1.ask(request, now),
        };
        self.steps
            .extend(steps.into_iter().map(|step| (socket, step)));
    }

    /// Sends a frame, or what its receiver understands instead of it.
    pub(super) fn say(&mut self, socket: SocketId, frame: &Frame) -> Sent {
        let Some(peer) = self.unpaired.get_mut(&socket) else {
            return self.links.send(socket, frame);
        };
        let steps = match frame {
            Frame::Response(answer) => {
                let facts = &self.facts;
                let seen = Seen {
                    tab: &|tab| facts.get(&tab),
                    now: self.now,
                };
                peer.v1.hear(answer.clone(), &seen)
            }
            Frame::SessionOpened(opened) => match opened.outcome {
                Outcome::New | Outcome::Resumed => {
                    let waiting = peer.waiting.take().unwrap_or_default().into_iter();
                    let now = self.now;
                    waiting
                        .flat_map(|request| peer.v1.ask(request, now))
                        .collect()
                }
                // The browser has all the sessions that it takes.
                Outcome::Refused | Outcome::Standby => {
                    self.closing.push(socket);
                    Vec::new()
                }
            },
            // Of the handshake, the links' own, said by servers, or with no word for it in v1.
            Frame::Hello(_)
            | Frame::Challenge { .. }
            | Frame::Proof { .. }
            | Frame::HelloAck(_)
            | Frame::SessionOpen(_)
            | Frame::SessionClose { .. }
            | Frame::Ping {}
            | Frame::Pong {}
            | Frame::PortListRequest {}
            | Frame::PortListResponse { .. }
            | Frame::CreateTab { .. }
            | Frame::Cancel { .. }
            | Frame::Goodbye(_)
            | Frame::Command(_)
            | Frame::Event(_) => Vec::new(),
        };
        self.steps
            .extend(steps.into_iter().map(|step| (socket, step)));
        Sent::Yes
    }

    /// Does what the dialect says next.
    pub(super) fn follow(&mut self, socket: SocketId, step: Step, now: Instant) {
        match step {
            Step::Command(asked) => {
                self.handle_envelope(socket, asked.envelope, Ok(asked.command), now);
            }
            Step::Reply(reply) => {
                if let Sent::TooLarge { bytes, limit } = self.links.reply(socket, &reply) {
                    let fault = Fault::ResultTooLarge { bytes, limit };
                    for step in refused(Some(reply.id), fault) {
                        self.steps.push_back((socket, step));
                    }
                }
            }
        }
    }

    /// What keeps a call from going where no unpaired server may be, or from taking a tab there.
    pub(super) fn rule_against(&self, id: CallId, tab: Option<TabId>) -> Option<Fault> {
        let call = self.calls.get(id)?;
        let (named, heir) = match &call.command {
            Command::Tabs(TabsAction::Select { tab, .. }) => (Some(*tab), None),
            Command::Tabs(TabsAction::Close { tab } | TabsAction::Release { tab, .. }) => {
                (*tab, None)
            }
            Command::Tabs(TabsAction::Handoff { tab, to }) => (*tab, self.sessions.by_alias(to)),
            Command::Tabs(TabsAction::List | TabsAction::New { .. })
            | Command::Navigate(_)
            | Command::Snapshot
            | Command::Click(_)
            | Command::Type(_)
            | Command::PressKey(_)
            | Command::Hover(_)
            | Command::MouseWheel(_)
            | Command::SelectOption(_)
            | Command::Evaluate(_)
            | Command::WaitFor(_)
            | Command::Screenshot(_)
            | Command::HandleDialog(_)
            | Command::ConsoleMessages(_)
            | Command::NetworkRequests(_)
            | Command::Session => (tab, None),
        };
        if heir.is_some_and(|heir| self.is_unpaired(heir)) {
            return Some(NO_GIFTS);
        }
        let another = named.is_some_and(|tab| !self.tabs.is_owner(&call.session, tab));
        (another && self.is_unpaired(&call.session)).then_some(OWN_TABS)
    }

    /// A person may not give it a tab either.
    pub(super) fn check_gift(&self, to: &SessionId) -> Result<(), Fault> {
        if self.is_unpaired(to) {
            return Err(NO_GIFTS);
        }
        Ok(())
    }

    fn is_unpaired(&self, id: &SessionId) -> bool {
        self.sessions
            .get(id)
            .is_some_and(|session| session.unpaired)
    }
}
