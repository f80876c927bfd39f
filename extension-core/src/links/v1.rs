//! A server that speaks v1 (PROTOCOL.md, *Older dialects*): it is asked who it is, and then it asks.
//! The beats are those of a proven link, but nobody is lost for his silence: some of these servers
//! answer no `ping`, others no request for the port list, and none owes a word of his own.

use super::{LinkEvent, Links, Open, Sent, State, Timer, next_of};
use crate::input::SocketId;
use protocol::Instant;
use protocol::close;
use protocol::dialect::v1::{FromExtension, FromServer, Reply};
use protocol::frame::BadFrame;
use protocol::limits::{FRAME_MAX, HANDSHAKE_FRAME_MAX, HEARTBEAT, PORT_LIST_EVERY};
use protocol::ports::PORT_LIST_MAX;
use rand_chacha::rand_core::Rng;

/// The longest frame of an unpaired server, in bytes: a script and its arguments. Its answers have
/// room for pictures; what it asks has none to show.
pub const UNPAIRED_FRAME_MAX: usize = 1 << 20;

impl Links {
    /// Answers a request of an unpaired server.
    pub fn reply(&mut self, socket: SocketId, reply: &Reply) -> Sent {
        let state = self.links.get(&socket).map(|link| &link.state);
        let Some(State::Unpaired(_)) = state else {
            return Sent::Gone;
        };
        let text = FromExtension::Reply(reply.clone()).to_text();
        if text.len() > FRAME_MAX {
            return Sent::TooLarge {
                bytes: text.len(),
                limit: FRAME_MAX,
            };
        }
        self.events.push_back(LinkEvent::Send { socket, text });
        Sent::Yes
    }

    pub(super) fn greet_unpaired(&mut self, socket: SocketId) {
        self.say_unpaired(socket, &FromExtension::Hello);
    }

    /// The first frame, which must say who it is.
    pub(super) fn handle_introduction(
        &mut self,
        socket: SocketId,
        text: &str,
        now: Instant,
        observed: Instant,
    ) {
        let Ok(FromServer::HelloAck { instance, .. }) =
            FromServer::parse(text, HANDSHAKE_FRAME_MAX)
        else {
            return self.fail(socket, close::BAD_FRAME);
        };
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        let port = link.port;
        link.state = State::Unpaired(Open::new(UNPAIRED_FRAME_MAX, now, observed));
        self.timers.clear(&(socket, Timer::Handshake));
        let heartbeat = next_of(HEARTBEAT, observed);
        let list = next_of(PORT_LIST_EVERY, observed);
        self.timers.set((socket, Timer::Heartbeat), heartbeat);
        self.timers.set((socket, Timer::PortList), list);
        let epoch = self.nonces.next_u64();
        self.events.push_back(LinkEvent::UpUnpaired {
            socket,
            port,
            instance,
            epoch,
        });
        self.ask_for_list(socket);
    }

    /// A frame of one that has said who it is.
    pub(super) fn handle_unpaired_text(&mut self, socket: SocketId, text: &str, observed: Instant) {
        match FromServer::parse(text, UNPAIRED_FRAME_MAX) {
            Ok(FromServer::Request(request)) => {
                let request = Box::new(request);
                self.events
                    .push_back(LinkEvent::Request { socket, request });
            }
            Ok(FromServer::PortListResponse { mut ports }) => {
                // Unasked, it could keep us probing as fast as it talks.
                let link = self.links.get_mut(&socket);
                if let Some(State::Unpaired(open)) = link.map(|link| &mut link.state)
                    && std::mem::take(&mut open.owes_list)
                {
                    ports.truncate(PORT_LIST_MAX);
                    self.events.push_back(LinkEvent::PortList { socket, ports });
                }
            }
            // Who it is was said.
            Ok(FromServer::HelloAck { .. } | FromServer::Pong) => {}
            Err(BadFrame::TooLarge(_)) => self.fail(socket, close::BAD_FRAME),
            Err(BadFrame::Malformed(_) | BadFrame::UnknownType) => self.note_bad(socket, observed),
        }
    }

    fn say_unpaired(&mut self, socket: SocketId, said: &FromExtension) {
        let text = said.to_text();
        self.events.push_back(LinkEvent::Send { socket, text });
    }
}
