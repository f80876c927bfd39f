//! What the cores ask of the world, and how it travels.

use super::{Due, World, secret};
use crate::chrome::Outcome;
use crate::network::{GARBAGE, Pipe, Stranger};
use extension_core::effect::ChromeCall;
use extension_core::extension::Trace;
use extension_core::input::{ProbeAnswer, SocketId};
use extension_core::tabs::TabEvent;
use extension_core::{Effect, Input};
use protocol::ErrorCode;
use protocol::Instant;
use protocol::frame::{Body, Frame};
use server_core::ConnId;
use std::time::Duration;

/// Dead sockets that are remembered.
const STALE_MAX: usize = 8;

impl World {
    pub(super) fn perform(&mut self, effect: Effect) -> Result<(), String> {
        let life = self.life;
        match effect {
            Effect::Probe { port } if self.plant_in_probe(port) => {
                let answer = ProbeAnswer::Refused;
                self.tell_later(1, Input::Probed { port, answer });
            }
            Effect::Probe { port } => {
                let answer = self.probe(port);
                let wait = if answer == ProbeAnswer::Silent {
                    500
                } else {
                    1 + self.chance.below(5)
                };
                self.tell_later(wait, Input::Probed { port, answer });
            }
            Effect::Dial {
                socket,
                port,
                dialect,
                ..
            } => {
                if !self.dial_visitor(socket, port, dialect) {
                    self.dial(socket, port);
                }
            }
            Effect::Send { socket, text } => self.carry_to_server(socket, text)?,
            Effect::Close { socket, code } => self.close_by_extension(socket, code),
            Effect::Ask { request, call } => {
                if let ChromeCall::GroupTab { .. } | ChromeCall::UngroupTab { .. } = call {
                    self.remember_text(format!("{:>8} {call:?}", self.now.0));
                }
                self.last_ticket += 1;
                self.tickets.insert(self.last_ticket, (life, request));
                self.chrome.ask(self.last_ticket, &call, &mut self.chance);
            }
            Effect::Write { write, set, remove } => self.write(write, set, remove),
            Effect::ReadSecret => {
                let secret = Ok(secret(self.paired));
                self.tell_later(2, Input::SecretRead { secret });
            }
            Effect::Reply { ask: _, outcome } => {
                let code = outcome.as_ref().err();
                let code = code.map_or("ok", |error| error.code.as_str());
                self.report.count(format!("told a person: {code}"));
            }
            Effect::Badge(badge) => {
                if badge.text.chars().count() > 4 {
                    return Err(format!("the badge says {}", badge.text));
                }
            }
            Effect::EnsureAlarm { .. } => self.alarm = true,
            Effect::KeepAwake | Effect::Show(_) | Effect::Log { .. } => {}
        }
        Ok(())
    }

    pub(super) fn tell_later(&mut self, millis: u64, input: Input) {
        let due = Due::Extension {
            life: self.life,
            input: Box::new(input),
        };
        self.later(Duration::from_millis(millis), due);
    }

    pub(super) fn handle_chrome(&mut self, outcome: Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Done { ticket, outcome } => match self.tickets.remove(&ticket) {
                Some((life, request)) if life == self.life => {
                    self.tell_extension(Input::Done { request, outcome })
                }
                Some(_) | None => Ok(()),
            },
            Outcome::Event(event) => self.tell_extension(Input::Browser(event)),
            Outcome::Remove { ticket, tab } => {
                let asker = self.tickets.get(&ticket).map(|(life, _)| *life);
                if asker == Some(self.life) && self.asleep.is_none() {
                    self.chrome.remove(ticket, tab, &mut self.chance);
                    self.take_from_chrome();
                } else {
                    self.report
                        .count("fault: worker died between unloading and closing a tab");
                }
                Ok(())
            }
            Outcome::Dismissed { tab } => {
                self.chrome.dismiss(tab, &mut self.chance);
                self.take_from_chrome();
                self.check_acts()
            }
            Outcome::Resume { tab, work } => {
                self.chrome.resume(tab, work, &mut self.chance);
                self.take_from_chrome();
                self.check_acts()
            }
        }
    }

    fn probe(&mut self, port: u16) -> ProbeAnswer {
        if let Some(server) = self.listener(port) {
            return match self.stopped_until(server) {
                Some(_) => ProbeAnswer::Silent,
                None => ProbeAnswer::Interlock { daemon: false },
            };
        }
        if self.visitor.is_at(port) {
            return ProbeAnswer::Foreign;
        }
        match self.strangers.get(&port) {
            Some(Stranger::Foreign) => {
                self.report.count("fault: foreign service");
                ProbeAnswer::Foreign
            }
            Some(Stranger::Silent) => {
                self.report.count("fault: peer that never answers");
                ProbeAnswer::Silent
            }
            Some(Stranger::Mute) => ProbeAnswer::Interlock { daemon: false },
            None => ProbeAnswer::Refused,
        }
    }

    fn listener(&self, port: u16) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.core.is_some() && node.port == port)
    }

    fn dial(&mut self, socket: SocketId, port: u16) {
        let Some(server) = self.listener(port) else {
            if self.strangers.get(&port) == Some(&Stranger::Mute) {
                // It is closed by the core's own deadline.
                self.report
                    .count("fault: peer that never finishes the handshake");
                self.tell_later(2, Input::SocketOpened { socket });
            } else {
                self.tell_later(2, Input::SocketClosed { socket, code: 1006 });
            }
            return;
        };
        let Some(node) = self.nodes.get_mut(server) else {
            return;
        };
        node.conns += 1;
        let conn = ConnId(node.conns);
        let life = node.life;
        let pipe = Pipe {
            server,
            server_life: life,
            conn,
            half_open: false,
            deaf: false,
            last: String::new(),
            to_server: self.now,
            to_extension: self.now,
        };
        self.pipes.insert(socket, pipe);
        self.report.count("network: dialled");
        let accepted = server_core::Input::Accepted {
            conn,
            address: "127.0.0.1".into(),
            port,
            path: "/".into(),
        };
        self.arrive_at_server(socket, accepted);
        let opened = Input::SocketOpened { socket };
        match self.stopped_until(server) {
            None => self.arrive_at_extension(socket, opened),
            // The system has taken it; who upgrades it is stopped.
            Some(until) => {
                let input = Box::new(opened);
                let life = self.life;
                self.at(until, Due::Extension { life, input });
            }
        }
    }

    fn carry_to_server(&mut self, socket: SocketId, text: String) -> Result<(), String> {
        if self.carry_to_visitor(socket, &text)? {
            return Ok(());
        }
        let socket = self.plant_in_socket(socket, &text);
        let Some(pipe) = self.pipes.get(&socket) else {
            return Ok(());
        };
        let (conn, server) = (pipe.conn, pipe.server);
        self.check_addressee(server, &text)?;
        let text = self.plant_in_answer(text);
        for text in self.mangle(text, "fault: garbage frame to a server") {
            self.arrive_at_server(socket, server_core::Input::Frame { conn, text });
        }
        Ok(())
    }

    /// What leaves on a socket concerns only the session that this socket carries (invariant 4).
    fn check_addressee(&mut self, server: usize, text: &str) -> Result<(), String> {
        let Ok(Frame::Response(envelope) | Frame::Event(envelope)) =
            Frame::parse(text, protocol::limits::FRAME_MAX)
        else {
            return Ok(());
        };
        if let Some(impostor) = self.forged.get(&envelope.wire_id) {
            return match &envelope.body {
                Body::Error(error)
                    if error.code == ErrorCode::SessionUnknown && *impostor == server =>
                {
                    self.report.count("told a server: session_unknown");
                    Ok(())
                }
                body @ (Body::Payload(_) | Body::Data(_) | Body::Error(_)) => Err(format!(
                    "invariant 5: a command in another's name was answered {body:?}"
                )),
            };
        }
        let own = self
            .nodes
            .get(server)
            .and_then(|node| node.identity.as_ref());
        if own.is_none_or(|own| own.session_id != envelope.session_id) {
            return Err(format!(
                "invariant 4: an answer to {} goes to another",
                envelope.session_id
            ));
        }
        Ok(())
    }

    /// The text, and what a fault makes of it.
    pub(super) fn mangle(&mut self, text: String, garbage_is: &str) -> Vec<String> {
        let faults = if self.storm {
            self.plan.faults
        } else {
            crate::plan::Faults::default()
        };
        let mut texts = vec![text];
        if self.chance.hits(faults.double_frame) {
            self.report.count("fault: doubled frame");
            texts.push(texts[0].clone());
        }
        if self.chance.hits(faults.garbage) {
            self.report.count(garbage_is);
            let garbage = self.chance.pick(GARBAGE).copied().unwrap_or_default();
            texts.insert(0, garbage.to_owned());
        }
        texts
    }

    fn travel(&mut self, last: Instant) -> Instant {
        let reorder = if self.storm {
            self.plan.faults.reorder_frame
        } else {
            0
        };
        let mut at = self.now + Duration::from_millis(self.chance.below(4));
        if self.storm && self.chance.hits(self.plan.faults.delay_frame) {
            self.report.count("fault: delayed frame");
            at = at + Duration::from_millis(self.chance.below(3_000));
        }
        if self.chance.hits(reorder) {
            self.report.count("fault: reordered frame");
            return at + Duration::from_millis(20);
        }
        at.max(last)
    }

    pub(super) fn arrive_at_server(&mut self, socket: SocketId, input: server_core::Input) {
        let Some(pipe) = self.pipes.get(&socket) else {
            return;
        };
        if pipe.half_open || pipe.deaf {
            return;
        }
        let (server, life, last) = (pipe.server, pipe.server_life, pipe.to_server);
        let at = self.travel(last);
        if let Some(pipe) = self.pipes.get_mut(&socket) {
            pipe.to_server = pipe.to_server.max(at);
        }
        self.at(
            at,
            Due::Server {
                server,
                life,
                said_in: self.life,
                input: Box::new(input),
            },
        );
    }

    pub(super) fn arrive_at_extension(&mut self, socket: SocketId, input: Input) {
        let Some(pipe) = self.pipes.get(&socket) else {
            return;
        };
        if pipe.half_open {
            return;
        }
        let last = pipe.to_extension;
        let at = self.travel(last);
        if let Some(pipe) = self.pipes.get_mut(&socket) {
            pipe.to_extension = pipe.to_extension.max(at);
            if let Input::SocketText { text, .. } = &input {
                pipe.last.clone_from(text);
            }
        }
        self.at(
            at,
            Due::Extension {
                life: self.life,
                input: Box::new(input),
            },
        );
    }

    fn close_by_extension(&mut self, socket: SocketId, code: u16) {
        self.close_visitor(socket);
        if let Some(pipe) = self.pipes.get(&socket) {
            let conn = pipe.conn;
            self.arrive_at_server(socket, server_core::Input::Closed { conn, code });
        }
        self.pipes.remove(&socket);
    }

    /// A connection is lost: both sides hear of it, each in its own time.
    pub(super) fn lose(&mut self, socket: SocketId) {
        if self.pipes.contains_key(&socket) {
            let code = 1006;
            self.arrive_at_extension(socket, Input::SocketClosed { socket, code });
            self.hang_up(socket);
        }
    }

    /// The same where nobody is left to hear of it at the extension's end.
    pub(super) fn hang_up(&mut self, socket: SocketId) {
        if let Some(pipe) = self.pipes.get(&socket) {
            let conn = pipe.conn;
            let code = 1006;
            self.arrive_at_server(socket, server_core::Input::Closed { conn, code });
            self.forget_pipe(socket);
        }
    }

    /// The same, and what was under way never arrives.
    pub(super) fn cut(&mut self, socket: SocketId) {
        let Some(pipe) = self.pipes.get(&socket) else {
            return;
        };
        let (to, of) = (pipe.server, pipe.conn);
        let before = self.agenda.len();
        self.agenda.retain(|_, due| match due {
            Due::Extension { input, .. } => {
                !matches!(&**input, Input::SocketText { socket: one, .. } if *one == socket)
            }
            Due::Server { server, input, .. } => {
                *server != to
                    || !matches!(&**input,
                        server_core::Input::Frame { conn, .. } if *conn == of)
            }
            Due::Chrome(_)
            | Due::Stored { .. }
            | Due::Start { .. }
            | Due::Agent { .. }
            | Due::Fault
            | Due::Visitor
            | Due::Resume
            | Due::Pair
            | Due::Alarm
            | Due::Wake { .. }
            | Due::Kill { .. }
            | Due::Strike(_) => true,
        });
        if self.agenda.len() < before {
            self.report
                .count("fault: frames lost with their connection");
        }
        self.lose(socket);
    }

    /// A socket is no more; its last frame may be heard again, late.
    pub(super) fn forget_pipe(&mut self, socket: SocketId) {
        // Of a half-open one the extension has not heard that it is no more.
        if let Some(pipe) = self.pipes.remove(&socket)
            && !pipe.half_open
        {
            self.stale.push_back((self.now, socket, pipe.last));
            if self.stale.len() > STALE_MAX {
                self.stale.pop_front();
            }
        }
    }

    pub(super) fn note(&mut self, trace: &Trace) {
        let what = match trace {
            Trace::Call { .. } => "core: call",
            Trace::Tab(TabEvent::Begin { .. }) => "core: turn begun",
            Trace::Tab(TabEvent::Stop { .. }) => "core: turn stopped",
            Trace::Tab(TabEvent::Refuse { .. }) => "core: refused",
            Trace::Tab(TabEvent::Make { .. }) => "core: tab made",
            Trace::Tab(TabEvent::Progress { .. }) => "core: claim waits",
            Trace::Tab(TabEvent::Clear { .. }) => "core: tab cleared",
            Trace::Tab(TabEvent::Mend { .. }) => "core: tab mended",
            Trace::Tab(TabEvent::Close { .. }) => "core: tab closed",
            Trace::Tab(TabEvent::OwnerChanged { .. }) => "core: owner changed",
            Trace::Tab(TabEvent::Finished { .. }) => "core: tabs command",
            Trace::Tab(TabEvent::Seek) => "core: missing tabs sought",
            Trace::Tab(TabEvent::NoneMissing) => "core: none missing",
            Trace::Tab(TabEvent::Show { .. }) => "core: shown",
            Trace::Tab(TabEvent::Dropped { .. }) | Trace::Dropped { .. } => "core: dropped",
            Trace::TurnEnded { .. } => "core: turn ended",
            Trace::Answered { .. } => "core: answered",
            Trace::Given { .. } => "core: given",
            Trace::Found { .. } => "core: missing tab found",
            Trace::Ended { .. } => "core: session ended",
        };
        self.report.count(what);
    }

    /// For questions of a person.
    pub(super) fn ask_as_person(
        &mut self,
        action: extension_core::PersonAction,
    ) -> Result<(), String> {
        self.asks += 1;
        let ask = extension_core::input::AskId(self.asks);
        self.tell_extension(Input::Person { ask, action })
    }
}
