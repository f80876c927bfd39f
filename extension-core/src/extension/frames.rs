//! What servers say, and what becomes of their sessions.

use super::{Extension, Held, Trace};
use crate::calls::{Call, Caller};
use crate::effect::Effect;
use crate::input::SocketId;
use crate::links::{LinkEvent, Sent};
use crate::sessions::{Presence, SessionEvent};
use protocol::close;
use protocol::command::TabsAction;
use protocol::frame::{BegunState, Body, Goodbye, GoodbyeReason, Outcome, SessionOpened};
use protocol::{Alias, Command, Envelope, Fault, Frame, Instant, SessionId, TabId, WireId, limits};
use std::time::Duration;

impl Extension {
    pub(super) fn handle_link(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Dial {
                socket,
                port,
                dialect,
            } => {
                self.effects.push_back(Effect::Dial {
                    socket,
                    port,
                    dialect,
                });
            }
            LinkEvent::Send { socket, text } => {
                self.effects.push_back(Effect::Send { socket, text });
            }
            LinkEvent::Close { socket, code } => {
                self.effects.push_back(Effect::Close { socket, code });
            }
            LinkEvent::Up {
                socket: _,
                port,
                features: _,
            } => {
                self.not_paired.remove(&port);
                self.discovery.handle_up(port, now);
            }
            LinkEvent::UpUnpaired {
                socket,
                port,
                instance,
                epoch,
            } => self.handle_up_unpaired(socket, port, instance, epoch, now),
            LinkEvent::Request { socket, request } => {
                self.handle_request(socket, *request, now);
            }
            LinkEvent::Frame { socket, frame } => self.handle_frame(socket, *frame, now),
            LinkEvent::PortList { socket: _, ports } => {
                let ports = self.config.ports.sanitise(&ports);
                self.discovery.handle_port_list(&ports, now);
            }
            LinkEvent::Down {
                socket,
                port,
                why,
                goodbye,
            } => {
                self.unpaired.remove(&socket);
                self.sessions.handle_down(socket, goodbye.as_ref(), now);
                for resting in self.resting.remove(&socket).unwrap_or_default() {
                    self.discovery.unrest(resting);
                }
                self.discovery.handle_down(port, why, now);
                // Its sessions wait as after a loss, and are where it says.
                let moved_to = goodbye.and_then(|goodbye| goodbye.moved_to);
                if let Some(port) = moved_to.filter(|port| self.config.ports.contains(*port)) {
                    self.discovery.connect_now(port, now);
                }
                self.store_ports();
            }
            LinkEvent::ReadSecret => self.effects.push_back(Effect::ReadSecret),
            LinkEvent::NotPaired { port } => {
                self.not_paired.insert(port);
            }
            LinkEvent::Alive { socket } => self.sessions.handle_alive(socket),
        }
    }

    pub(super) fn handle_session(&mut self, event: SessionEvent, now: Instant) {
        match event {
            SessionEvent::Opened {
                id,
                socket,
                outcome,
            } => self.opened(id, socket, outcome, now),
            SessionEvent::Refused { id, socket } => {
                let opened = SessionOpened {
                    session_id: id,
                    alias: Alias(String::new()),
                    outcome: Outcome::Refused,
                    incarnation: None,
                    tabs: Vec::new(),
                    lost: Vec::new(),
                    begun: Vec::new(),
                };
                self.say(socket, &Frame::SessionOpened(opened));
            }
            SessionEvent::Changed { id } => {
                self.introduce(&id, now);
                self.store_session(&id);
            }
            SessionEvent::Dirty { id } => self.store_session(&id),
            SessionEvent::Orphaned { id } => {
                self.tabs.orphan_session(&id, now);
                self.store_session(&id);
            }
            SessionEvent::Ended { id, socket } => self.forget_session(&id, socket, now),
            SessionEvent::Ping { socket } => self.links.ping(socket),
            SessionEvent::Duplicate { socket, keeper } => {
                if let Some(port) = self.links.port(socket) {
                    self.resting.entry(keeper).or_default().push(port);
                    self.discovery.rest(port, now);
                }
                let goodbye = Goodbye {
                    reason: GoodbyeReason::Duplicate,
                    grace_s: None,
                    moved_to: None,
                };
                self.links.close(socket, close::NORMAL, Some(goodbye));
            }
            SessionEvent::Superseded { socket } => {
                self.links.close(socket, close::NORMAL, None);
            }
        }
    }

    fn opened(&mut self, id: SessionId, socket: SocketId, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::New | Outcome::Resumed | Outcome::Refused => self.introduce(&id, now),
            // It works in another browser now: here nothing of it is left but its name.
            Outcome::Standby => self.clear_session(&id, now),
        }
        self.store_session(&id);
        self.store_ports();
        // What it is told must be true after a death: a token that is not on disk resumes nothing.
        self.opening.insert(id.clone());
        let held = Held::Open {
            id,
            socket,
            outcome,
        };
        self.hold(held, now);
    }

    /// All that a session is told is on disk: tell it. Only now may answers follow.
    pub(super) fn tell_opened(&mut self, id: SessionId, socket: SocketId, outcome: Outcome) {
        if self.tabs.misses_tabs(&id) {
            self.missing_tabs.push((id, socket, outcome));
            return;
        }
        self.opening.remove(&id);
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let alias = session.peer.alias.clone();
        let page = |tab| self.shown(tab);
        let mut opened = SessionOpened {
            alias,
            outcome,
            incarnation: self.sessions.incarnation(&id),
            tabs: self.tabs.owned_by(&id),
            lost: self.tabs.lost(&id),
            begun: self.calls.begun(&id, page),
            session_id: id,
        };
        let frame = Frame::SessionOpened(opened.clone());
        if let Sent::TooLarge { .. } = self.say(socket, &frame) {
            // What became of its calls is then for its agents to see.
            for begun in &mut opened.begun {
                let (url, title) = (None, None);
                match &mut begun.state {
                    BegunState::Ended { response } if response.lost.is_empty() => {
                        begun.state = BegunState::Unknown { url, title };
                    }
                    BegunState::Ended { response } => {
                        response.body = Body::Error(Fault::OutcomeUnknown { url, title }.into());
                        response.lost.iter_mut().for_each(|lost| lost.url.clear());
                    }
                    BegunState::Running | BegunState::Unknown { .. } => {}
                }
            }
            opened.lost.iter_mut().for_each(|lost| lost.url.clear());
            self.say(socket, &Frame::SessionOpened(opened));
        }
    }

    /// Which tabs are lost is known.
    pub(super) fn tell_all_opened(&mut self) {
        for (id, socket, outcome) in std::mem::take(&mut self.missing_tabs) {
            // Another socket may carry it by now, and was told or waits itself.
            if self.sessions.carries(socket, &id) {
                self.tell_opened(id, socket, outcome);
            }
        }
    }

    /// Whether this answer waits for the disk before it goes to this socket.
    fn is_held(&self, to: SocketId, session: &SessionId, wire_id: &WireId) -> bool {
        self.held.values().flatten().any(|held| match held {
            Held::Answer { socket, envelope } => {
                *socket == to && envelope.session_id == *session && envelope.wire_id == *wire_id
            }
            Held::Begin { .. }
            | Held::Intent { .. }
            | Held::Dialog { .. }
            | Held::Open { .. }
            | Held::Reply(_) => false,
        })
    }

    /// URL and title of a tab, where an agent may know them.
    pub(super) fn shown(&self, tab: TabId) -> Option<(String, String)> {
        let facts = self.facts.get(&tab)?;
        protocol::url::may_stay(&facts.url).then(|| (facts.url.clone(), facts.title.clone()))
    }

    /// Makes a session, or its new label, known to the tabs and to their group.
    fn introduce(&mut self, id: &SessionId, now: Instant) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let peer = session.peer.clone();
        self.house.retitle(id, &peer.label);
        self.tabs.open_session(id, peer, now);
    }

    /// Its tabs close or pass on, its calls are answered, its records go.
    fn clear_session(&mut self, id: &SessionId, now: Instant) {
        self.note(|| Trace::Ended {
            session: id.clone(),
        });
        self.tabs.end_session(id, now);
        for call in self.calls.without_turn(id) {
            self.answer(call, Err(Fault::SessionEnded.into()));
        }
        self.house.forget(id);
        for wire_id in self.calls.forget(id) {
            self.store.delete(call_key(id, &wire_id));
        }
    }

    fn forget_session(&mut self, id: &SessionId, socket: Option<SocketId>, now: Instant) {
        self.farewells
            .extend(socket.map(|socket| (id.clone(), socket)));
        self.clear_session(id, now);
        self.opening.remove(id);
        self.store.delete(format!("session/{id}"));
    }

    fn handle_frame(&mut self, socket: SocketId, frame: Frame, now: Instant) {
        match frame {
            Frame::SessionOpen(open) => {
                let port = self.links.port(socket).unwrap_or_default();
                self.sessions.open(socket, port, open, now);
            }
            Frame::SessionClose { session_id } => {
                if self.sessions.carries(socket, &session_id) {
                    self.sessions.end(&session_id);
                }
            }
            Frame::CreateTab {
                wire_id,
                session_id,
            } => {
                let command = Command::Tabs(TabsAction::New {
                    url: None,
                    activate: false,
                });
                let envelope =
                    Envelope::command(wire_id, session_id, "createTab", serde_json::Value::Null);
                self.handle_envelope(socket, envelope, Ok(command), now);
            }
            Frame::Command(envelope) => {
                let command = match (&envelope.name, &envelope.body) {
                    (Some(name), Body::Payload(payload)) => Command::decode(name, payload),
                    (None, _) | (Some(_), Body::Data(_) | Body::Error(_)) => {
                        let what = "a command has a `name` and a `payload`".into();
                        Err(Fault::BadArguments { what })
                    }
                };
                self.handle_envelope(socket, envelope, command, now);
            }
            Frame::Cancel { wire_id } => self.handle_cancel(socket, &wire_id, now),
            // The handshake, heartbeats and port lists are the links' own; the rest is only ever
            // said by an extension.
            Frame::Hello(_)
            | Frame::Challenge { .. }
            | Frame::Proof { .. }
            | Frame::HelloAck(_)
            | Frame::SessionOpened(_)
            | Frame::Ping {}
            | Frame::Pong {}
            | Frame::PortListRequest {}
            | Frame::PortListResponse { .. }
            | Frame::Goodbye(_)
            | Frame::Response(_)
            | Frame::Event(_) => {}
        }
    }

    pub(super) fn handle_envelope(
        &mut self,
        socket: SocketId,
        envelope: Envelope,
        command: Result<Command, Fault>,
        now: Instant,
    ) {
        let Envelope {
            wire_id,
            origin_id,
            session_id,
            name,
            tab_id,
            deadline_ms,
            wait_ms,
            ..
        } = envelope;
        let refuse = |fault: Fault| {
            let outcome = Err(fault.into());
            let mut response = Envelope::response(wire_id.clone(), session_id.clone(), outcome);
            response.origin_id.clone_from(&origin_id);
            Frame::Response(response)
        };
        if !self.sessions.carries(socket, &session_id) {
            let fault = Fault::SessionUnknown {
                session: session_id.to_string(),
            };
            self.say(socket, &refuse(fault));
            return;
        }
        self.sessions.handle_heard(&session_id, now);
        let command = match command {
            Ok(command) => command,
            Err(fault) => {
                self.say(socket, &refuse(fault));
                return;
            }
        };
        let bounded = |ms: Option<u64>, default: Duration, longest: Duration| {
            ms.map_or(default, Duration::from_millis).min(longest)
        };
        let call = Call {
            session: session_id.clone(),
            caller: Caller::Server {
                wire_id: wire_id.clone(),
                origin_id: origin_id.clone(),
            },
            name: name.unwrap_or_default(),
            deadline: bounded(
                deadline_ms,
                limits::CALL_DEADLINE,
                limits::CALL_DEADLINE_MAX,
            ),
            wait: bounded(wait_ms, limits::CLAIM_WAIT, limits::CLAIM_WAIT_MAX),
            tab: tab_id,
            begun: false,
            command,
        };
        match self.calls.accept(call) {
            crate::calls::Accepted::New(id) => self.route(id, tab_id, now),
            crate::calls::Accepted::Again => {
                // One that waits for the disk is on its way.
                let kept = self.calls.kept_answer(&session_id, &wire_id).cloned();
                if let Some(answer) = kept.filter(|_| !self.is_held(socket, &session_id, &wire_id))
                {
                    self.send_response(socket, answer);
                }
            }
            crate::calls::Accepted::Full => {
                let fault = Fault::LimitReached {
                    bound: "calls of one session at a time",
                    limit: limits::CALLS_PER_SESSION_MAX,
                    frees: "Wait for an answer before asking more",
                };
                self.say(socket, &refuse(fault));
            }
        }
    }

    fn handle_cancel(&mut self, socket: SocketId, wire_id: &WireId, now: Instant) {
        for session in self.sessions.sessions_of(socket) {
            if let Some(call) = self.calls.find(&session, wire_id) {
                self.tabs.cancel(call, now);
            }
        }
    }

    pub(super) fn store_session(&mut self, id: &SessionId) {
        if let Some(record) = self.sessions.record(id) {
            self.store.put(format!("session/{id}"), &record);
        }
    }

    /// The ports to dial first after a death.
    fn store_ports(&mut self) {
        let ports: Vec<u16> = self
            .sessions
            .iter()
            .filter(|(_, session)| matches!(session.presence, Presence::Connected { .. }))
            .filter_map(|(_, session)| session.port)
            .collect();
        self.store.put("ports".into(), &ports);
    }
}

pub(super) fn call_key(session: &SessionId, wire_id: &WireId) -> String {
    format!("call/{session}/{wire_id}")
}
