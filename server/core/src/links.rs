//! The sockets: who is let in, who is heard, who is lost. What a socket carries is said in
//! `sessions` and `calls`.

use crate::connection::{Connection, Proven, State, Verdict};
use crate::dialect::{self, Step, V1};
use crate::{ConnId, Effect, Note, Port, Server, Timer, close};
use protocol::dialect::v1::FromExtension;
use protocol::error::Unpaired;
use protocol::frame::{BadFrame, Body, Frame, Goodbye};
use protocol::pairing::Secret;
use protocol::ports::PORT_LIST_MAX;
use protocol::{BrowserId, Fault, limits};
use serde_json::Value;
use std::time::Duration;

/// Sockets that have not proven themselves: a flood costs the oldest of the flood, and an honest
/// peer needs milliseconds.
pub(crate) const UNPROVEN_MAX: usize = 16;
/// Browsers that are connected at once; people run a handful of profiles.
pub(crate) const BROWSERS_MAX: usize = 16;
/// What a peer has to answer after a time in which nobody watched.
pub(crate) const SILENCE_AFTER_GAP: Duration = Duration::from_secs(15);

impl Server {
    pub(crate) fn handle_accepted(&mut self, conn: ConnId, connection: Connection) {
        if !self.phase.is_running() {
            self.close(conn, close::GOING_AWAY);
            return;
        }
        let unproven: Vec<ConnId> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.browser().is_none())
            .map(|(conn, _)| *conn)
            .collect();
        if unproven.len() >= UNPROVEN_MAX
            && let Some(oldest) = unproven.first()
        {
            self.drop_connection(*oldest, close::TOO_MANY);
        }
        self.timers
            .set(Timer::Handshake(conn), self.now + limits::HANDSHAKE_MAX);
        self.connections.insert(conn, connection);
    }

    pub(crate) fn handle_frame(&mut self, conn: ConnId, text: &str) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return; // A stale socket: what it says changes nothing.
        };
        match connection.state {
            State::Stranger => self.handle_stranger(conn, text),
            State::Unpaired(_, ref mut v1) => {
                let steps = v1.hear_text(text, limits::FRAME_MAX, self.now);
                self.heard(conn);
                self.follow_dialect(conn, steps);
            }
            State::AwaitsHello | State::AwaitsProof { .. } | State::AwaitsSecret { .. } => {
                let verdict = connection.handle_text(text, &mut self.random);
                self.follow(conn, verdict);
            }
            State::Proven(_) => {
                self.heard(conn);
                self.handle_proven_text(conn, text);
            }
        }
    }

    pub(crate) fn handle_secret(&mut self, conn: ConnId, secret: Result<Secret, String>) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let known = secret.as_ref().ok();
        let Some(verdict) = connection.handle_secret(known, self.config.limits, self.now) else {
            return;
        };
        if let Verdict::Close(_) = verdict {
            match secret {
                Ok(_) => self.note_unpaired(Unpaired::HasAnotherSecret),
                Err(why) => {
                    let fault = Fault::SecretUnreadable { why: why.clone() };
                    self.note_refused(fault, Note::SecretUnreadable { why });
                }
            }
        }
        self.follow(conn, verdict);
    }

    fn follow(&mut self, conn: ConnId, verdict: Verdict) {
        match verdict {
            Verdict::Send(frame) => self.send(conn, &frame),
            Verdict::ReadSecret => self.effects.push_back(Effect::ReadSecret { conn }),
            Verdict::Complete(ack) => self.admit(conn, &ack),
            Verdict::Close(code) => self.drop_connection(conn, code),
        }
    }

    /// A browser has proven itself.
    fn admit(&mut self, conn: ConnId, ack: &Frame) {
        let Some(browser) = self.browser_of(conn).cloned() else {
            return;
        };
        self.timers.clear(&Timer::Handshake(conn));
        self.refused = None;
        // Only a reborn worker dials twice: the older socket is a dead worker's.
        let older: Vec<ConnId> = self
            .browsers()
            .filter(|(other, id)| *other != conn && **id == browser)
            .map(|(other, _)| other)
            .collect();
        if self.browsers().count() - older.len() > BROWSERS_MAX {
            self.drop_connection(conn, close::TOO_MANY);
            return;
        }
        self.effects.push_back(Effect::Admit { conn });
        self.send(conn, ack);
        self.heard(conn);
        let unpaired = self.connections.iter().filter(|(_, one)| one.is_unpaired());
        let unpaired: Vec<ConnId> = unpaired.map(|(conn, _)| *conn).collect();
        for other in older.into_iter().chain(unpaired) {
            self.drop_connection(other, close::REPLACED);
        }
        self.open_sessions();
    }

    /// An extension that proves nothing, and that the user lets in, has dialled. One at a time, and
    /// none beside a browser that has proven itself.
    pub(crate) fn handle_accepted_unpaired(&mut self, conn: ConnId, port: u16) {
        if self.browsers().next().is_some() {
            self.close(conn, close::TOO_MANY);
            return;
        }
        self.handle_accepted(conn, Connection::stranger(port));
    }

    /// Its first frame, which has to be hello.
    fn handle_stranger(&mut self, conn: ConnId, text: &str) {
        let Ok(FromExtension::Hello) = FromExtension::parse(text, limits::HANDSHAKE_FRAME_MAX)
        else {
            self.drop_connection(conn, close::BAD_FRAME);
            return;
        };
        if self.browsers().next().is_some() {
            self.drop_connection(conn, close::TOO_MANY);
            return;
        }
        let instance = self.random.hex32();
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        // A name for nobody but this socket: whoever resumes something shows a secret, not this.
        let mut v1 = V1::new(instance, connection.port());
        let steps = v1.hear_text(text, limits::HANDSHAKE_FRAME_MAX, now);
        let name = dialect::NAME.to_owned();
        let browser = Proven::new(BrowserId(name.clone()), name, now);
        connection.state = State::Unpaired(browser, Box::new(v1));
        self.timers.clear(&Timer::Handshake(conn));
        self.effects.push_back(Effect::Admit { conn });
        self.heard(conn);
        self.follow_dialect(conn, steps);
        self.open_sessions();
    }

    /// Does what an unpaired extension's dialect says next.
    pub(crate) fn follow_dialect(&mut self, conn: ConnId, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Say(text) => self.effects.push_back(Effect::Send { conn, text }),
                Step::Hear(frame) => self.heard_frames.push_back((conn, frame)),
                Step::Bad => self.note_bad(conn),
            }
        }
        let Some(v1) = self.dialect(conn) else {
            return;
        };
        if let Some(at) = v1.poll_timeout() {
            self.timers.set(Timer::Left(conn), at);
        } else {
            self.timers.clear(&Timer::Left(conn));
        }
    }

    /// An unpaired extension has not replied in time to what nobody waits for any more.
    pub(crate) fn handle_left_late(&mut self, conn: ConnId) {
        let now = self.now;
        if let Some(v1) = self.dialect(conn) {
            let steps = v1.hear_time(now);
            self.follow_dialect(conn, steps);
        }
    }

    pub(crate) fn dialect(&mut self, conn: ConnId) -> Option<&mut V1> {
        match &mut self.connections.get_mut(&conn)?.state {
            State::Unpaired(_, v1) => Some(v1),
            State::AwaitsHello
            | State::AwaitsProof { .. }
            | State::AwaitsSecret { .. }
            | State::Proven(_)
            | State::Stranger => None,
        }
    }

    /// What unpaired extensions have said, in the words of the others.
    pub(crate) fn handle_heard_frames(&mut self) {
        while let Some((conn, frame)) = self.heard_frames.pop_front() {
            self.handle_browsers_frame(conn, *frame);
        }
    }

    fn handle_proven_text(&mut self, conn: ConnId, text: &str) {
        let frame = match Frame::parse(text, self.config.limits.frame_max) {
            Ok(frame) => frame,
            Err(BadFrame::TooLarge(bytes)) => {
                self.handle_too_large(conn, text, bytes);
                return;
            }
            Err(BadFrame::Malformed(_)) => {
                self.note_bad(conn);
                return;
            }
            // A later minor version's word.
            Err(BadFrame::UnknownType) => return,
        };
        self.handle_browsers_frame(conn, frame);
    }

    /// A frame of a browser that is let in.
    fn handle_browsers_frame(&mut self, conn: ConnId, frame: Frame) {
        match frame {
            Frame::Ping {} => self.send(conn, &Frame::Pong {}),
            Frame::PortListRequest {} => {
                let list = self.port_list();
                self.send(conn, &list);
            }
            Frame::SessionOpened(opened) => self.handle_opened(conn, opened),
            Frame::Response(envelope) => self.handle_response(conn, envelope),
            Frame::Event(envelope) => self.handle_event(conn, &envelope),
            // What comes after it is ignored.
            Frame::Goodbye(Goodbye { .. }) => self.drop_connection(conn, close::NORMAL),
            Frame::Pong {} => {}
            // These go the other way, or belong to a handshake that is over.
            Frame::Hello(_)
            | Frame::Challenge { .. }
            | Frame::Proof { .. }
            | Frame::HelloAck(_)
            | Frame::SessionOpen(_)
            | Frame::SessionClose { .. }
            | Frame::PortListResponse { .. }
            | Frame::CreateTab { .. }
            | Frame::Cancel { .. }
            | Frame::Command(_) => self.note_bad(conn),
        }
    }

    fn note_bad(&mut self, conn: ConnId) {
        let now = self.now;
        let connection = self.connections.get_mut(&conn);
        let proven = connection.and_then(Connection::browser_mut);
        if proven.is_some_and(|proven| proven.note_bad(now)) {
            self.drop_connection(conn, close::BAD_FRAME);
        }
    }

    /// An honest extension answers `result_too_large` by itself. One that does not loses the
    /// socket, but its agent hears what was wrong.
    fn handle_too_large(&mut self, conn: ConnId, text: &str, bytes: usize) {
        if let Ok(Frame::Response(mut envelope)) = Frame::parse(text, bytes) {
            let limit = self.config.limits.frame_max;
            envelope.body = Body::Error(Fault::ResultTooLarge { bytes, limit }.into());
            self.handle_response(conn, envelope);
        }
        self.drop_connection(conn, close::BAD_FRAME);
    }

    /// An extension that speaks is awake: only a silent one is pinged.
    fn heard(&mut self, conn: ConnId) {
        if let Some(proven) = self
            .connections
            .get_mut(&conn)
            .and_then(Connection::browser_mut)
        {
            proven.spared = false;
        }
        self.timers
            .set(Timer::Silence(conn), self.now + limits::SILENCE_MAX);
        self.timers
            .set(Timer::Ping(conn), self.now + limits::KEEP_ALIVE);
    }

    pub(crate) fn handle_ping_due(&mut self, conn: ConnId) {
        if self.connections.contains_key(&conn) {
            self.send(conn, &Frame::Ping {});
            self.timers
                .set(Timer::Ping(conn), self.now + limits::KEEP_ALIVE);
        }
    }

    /// After a time in which nobody watched: whoever is there answers within seconds. One that does
    /// not gets no more time by the next such gap.
    pub(crate) fn ask_everybody(&mut self) {
        let conns: Vec<ConnId> = self.browsers().map(|(conn, _)| conn).collect();
        for conn in conns {
            self.handle_ping_due(conn);
            let proven = self.connections.get_mut(&conn);
            let Some(proven) = proven.and_then(Connection::browser_mut) else {
                continue;
            };
            if std::mem::replace(&mut proven.spared, true) {
                continue;
            }
            let silence = Timer::Silence(conn);
            let at_least = self.now + SILENCE_AFTER_GAP;
            if self.timers.get(&silence).is_some_and(|at| at < at_least) {
                self.timers.set(silence, at_least);
            }
        }
    }

    /// Closes a socket and forgets it.
    pub(crate) fn drop_connection(&mut self, conn: ConnId, code: u16) {
        if self.connections.contains_key(&conn) {
            self.close(conn, code);
            self.lose(conn);
        }
    }

    pub(crate) fn drop_everybody(&mut self, code: u16) {
        let conns: Vec<ConnId> = self.connections.keys().copied().collect();
        for conn in conns {
            self.drop_connection(conn, code);
        }
    }

    fn close(&mut self, conn: ConnId, code: u16) {
        self.effects.push_back(Effect::Close { conn, code });
    }

    /// The peer closed, or the network did.
    pub(crate) fn handle_closed(&mut self, conn: ConnId, code: u16) {
        let failed = match self.connections.get(&conn).map(|found| &found.state) {
            // An extension without our secret says hello and leaves with this.
            Some(State::AwaitsProof { .. }) => code == close::NOT_PAIRED,
            Some(
                State::AwaitsHello
                | State::AwaitsSecret { .. }
                | State::Proven(_)
                | State::Stranger
                | State::Unpaired(..),
            )
            | None => false,
        };
        if failed {
            self.note_unpaired(Unpaired::HasNoSecret);
        }
        self.lose(conn);
    }

    fn note_unpaired(&mut self, extension: Unpaired) {
        self.note_refused(Fault::NotPaired { extension }, Note::NotPaired(extension));
    }

    /// Said once until a proof succeeds or something else is wrong: the extension tries again for
    /// as long as it lives.
    pub(crate) fn note_refused(&mut self, fault: Fault, note: Note) {
        let before = self.refused.replace((self.now, fault.clone()));
        if before.is_none_or(|(_, before)| before != fault) {
            self.note(note);
        }
    }

    /// A socket is gone. One that is not known any more changes nothing.
    pub(crate) fn lose(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.remove(&conn) else {
            return;
        };
        self.timers.clear(&Timer::Handshake(conn));
        self.timers.clear(&Timer::Ping(conn));
        self.timers.clear(&Timer::Silence(conn));
        self.timers.clear(&Timer::Left(conn));
        if let State::Proven(browser) | State::Unpaired(browser, _) = connection.state {
            self.lose_sessions(conn, &browser.name);
        }
    }

    pub(crate) fn browsers(&self) -> impl Iterator<Item = (ConnId, &BrowserId)> {
        self.connections.iter().filter_map(|(conn, connection)| {
            connection.browser().map(|proven| (*conn, &proven.browser))
        })
    }

    fn browser_of(&self, conn: ConnId) -> Option<&BrowserId> {
        let proven = self.connections.get(&conn)?.browser()?;
        Some(&proven.browser)
    }

    pub(crate) fn handle_siblings(&mut self, mut ports: Vec<u16>) {
        ports.sort_unstable();
        ports.dedup();
        if ports != self.siblings {
            self.siblings = ports;
            self.push_ports();
        }
    }

    /// Tells every browser who is there, unasked.
    pub(crate) fn push_ports(&mut self) {
        let list = self.port_list();
        let conns: Vec<ConnId> = self.browsers().map(|(conn, _)| conn).collect();
        for conn in conns {
            self.send(conn, &list);
        }
    }

    fn port_list(&self) -> Frame {
        let own = match self.port {
            Port::Listening(port) => Some(port),
            Port::Binding | Port::Nowhere(_) => None,
        };
        let mut ports: Vec<u16> = self
            .siblings
            .iter()
            .copied()
            .filter(|port| self.config.range.contains(*port))
            .chain(own)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        Frame::PortListResponse {
            ports: ports
                .into_iter()
                .take(PORT_LIST_MAX)
                .map(Value::from)
                .collect(),
        }
    }
}
