//! The server's own machine: connections and their handshakes, sessions and the browser each
//! belongs to, calls in flight and their one answer, the end.
//!
//! It opens no socket, reads no clock, no file and no randomness; it knows neither MCP nor tokio.
//! Drive it so: tell it what happened with [`Server::handle_input`], then take every
//! [`Effect`] with [`Server::poll_effect`], then sleep until [`Server::poll_timeout`] and tell it
//! [`Input::Tick`]. The same inputs and seed give the same effects.

mod calls;
mod clock;
mod connection;
mod dialect;
mod ending;
mod event;
mod links;
mod lost;
mod random;
mod sessions;

pub use event::{
    Answer, BoundBrowser, CallId, CallProgress, CallRequest, ConnId, Effect, Identity, Input, Note,
    SessionKey,
};
pub use protocol::close;
pub use random::fresh_identity;

use calls::Call;
use clock::{Clock, Passed};
use connection::Connection;
use ending::Phase;
use protocol::frame::{Frame, Limits};
use protocol::ports::PortRange;
use protocol::{Deadlines, Fault, Instant, WireId};
use random::Random;
use sessions::Session;
use std::collections::{BTreeMap, VecDeque};

/// What a server is told at its start and never again.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where servers may sit; bounds the port lists.
    pub range: PortRange,
    /// The label that the user chose; without it the client's name is used.
    pub label: Option<String>,
    /// The only browser (by name) that the session may belong to.
    pub browser: Option<String>,
    /// The user named the instance: its session outlives a stated end by the full grace.
    pub explicit_instance: bool,
    /// Bounds stated in the handshake.
    pub limits: Limits,
}

/// See the crate's own words.
#[derive(Debug)]
pub struct Server {
    config: Config,
    clock: Clock,
    /// The observed moment of the present step.
    now: Instant,
    random: Random,
    effects: VecDeque<Effect>,
    timers: Deadlines<Timer>,
    connections: BTreeMap<ConnId, Connection>,
    sessions: BTreeMap<SessionKey, Session>,
    calls: BTreeMap<CallId, Call>,
    by_wire: BTreeMap<WireId, CallId>,
    /// What unpaired extensions have said in this step, in the words of the others.
    heard_frames: VecDeque<(ConnId, Box<Frame>)>,
    port: Port,
    siblings: Vec<u16>,
    /// When a handshake last failed, and what calls are told of it, until one succeeds.
    refused: Option<(Instant, Fault)>,
    phase: Phase,
}

/// What the server knows of its own port.
#[derive(Clone, Debug)]
enum Port {
    Binding,
    Listening(u16),
    Nowhere(String),
}

/// Everything that time can bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A handshake must be complete.
    Handshake(ConnId),
    /// A `ping` is due.
    Ping(ConnId),
    /// A peer has been silent for too long.
    Silence(ConnId),
    /// An unpaired extension must have replied to what nobody waits for any more.
    Left(ConnId),
    /// `sessionOpened` must have come.
    Opened(SessionKey),
    /// The lost session must have returned.
    Return(SessionKey),
    /// A queued call must have found a browser.
    Connect(CallId),
    /// A queued call says again what it waits for.
    Report(CallId),
    /// A sent call must have been answered.
    Answer(CallId),
    /// A cancelled call must have been answered.
    Cancelled(CallId),
    /// The end no longer lets calls run on.
    EndCancels,
    /// The end waits for nobody any more.
    EndAnswers,
}

impl Timer {
    fn name(self) -> &'static str {
        match self {
            Self::Handshake(_) => "handshake",
            Self::Ping(_) => "ping",
            Self::Silence(_) => "silence",
            Self::Left(_) => "reply that nobody waits for",
            Self::Opened(_) => "session opened",
            Self::Return(_) => "session's return",
            Self::Connect(_) => "connection for a call",
            Self::Report(_) => "report of a waiting call",
            Self::Answer(_) => "answer of a call",
            Self::Cancelled(_) => "answer of a cancelled call",
            Self::EndCancels => "end, cancel",
            Self::EndAnswers => "end, answer",
        }
    }
}

impl Server {
    /// A server with one session, which has no identity yet. `seed` comes from the system's random
    /// source; nonces, ids and tokens are made of it.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let session = Session::new(config.label.as_deref(), now);
        Self {
            config,
            clock: Clock::new(now),
            now,
            random: Random::new(seed),
            effects: VecDeque::new(),
            timers: Deadlines::default(),
            connections: BTreeMap::new(),
            sessions: BTreeMap::from([(SessionKey::ONLY, session)]),
            calls: BTreeMap::new(),
            by_wire: BTreeMap::new(),
            heard_frames: VecDeque::new(),
            port: Port::Binding,
            siblings: Vec::new(),
            refused: None,
            phase: Phase::Running,
        }
    }

    /// Takes in what happened at `now`, which never steps back.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        let due = self.timers.first().map(|(at, _)| at);
        let (now, passed) = self.clock.observe(now, due);
        self.now = now;
        match passed {
            Passed::Watched => {}
            Passed::Gap => self.ask_everybody(),
        }
        // What was due comes before what has just come: the order does not hang on a late timer.
        self.handle_timers();
        match input {
            Input::Identity { session, identity } => self.handle_identity(session, identity),
            Input::Label { session, label } => self.handle_label(session, &label),
            Input::Listening { port } => {
                self.port = Port::Listening(port);
                self.push_ports();
            }
            Input::NotListening { why } => self.port = Port::Nowhere(why),
            Input::Siblings { ports } => self.handle_siblings(ports),
            Input::Accepted {
                conn,
                address,
                port,
                path,
            } => self.handle_accepted(conn, Connection::new(address, port, path)),
            Input::AcceptedUnpaired { conn, port } => self.handle_accepted_unpaired(conn, port),
            Input::Frame { conn, text } => self.handle_frame(conn, &text),
            Input::Closed { conn, code } => self.handle_closed(conn, code),
            Input::Secret { conn, secret } => self.handle_secret(conn, secret),
            Input::SecretRotated => self.drop_everybody(close::NOT_PAIRED),
            Input::Call {
                session,
                call,
                request,
            } => self.handle_call(session, call, request),
            Input::Cancel { call } => self.handle_cancel(call),
            Input::End => self.handle_end(),
            Input::Tick => {}
        }
        self.handle_heard_frames();
        self.end_if_done();
        self.handle_heard_frames();
    }

    /// The next thing to do; call until `None` after every input.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to send the next [`Input::Tick`], and for what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let (at, timer) = self.timers.first()?;
        Some((self.clock.to_driver(at), timer.name()))
    }

    fn handle_timers(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                Timer::Handshake(conn) => self.drop_connection(conn, close::TIMEOUT),
                Timer::Ping(conn) => self.handle_ping_due(conn),
                Timer::Silence(conn) => self.drop_connection(conn, close::TIMEOUT),
                Timer::Left(conn) => self.handle_left_late(conn),
                Timer::Opened(session) => self.handle_opened_late(session),
                Timer::Return(session) => self.handle_no_return(session),
                Timer::Connect(call) => self.handle_connect_late(call),
                Timer::Report(call) => self.handle_report_due(call),
                Timer::Answer(call) => self.handle_answer_late(call),
                Timer::Cancelled(call) => self.handle_cancelled_late(call),
                Timer::EndCancels => self.handle_end_cancels(),
                Timer::EndAnswers => self.handle_end_answers(),
            }
        }
    }

    fn send(&mut self, conn: ConnId, frame: &Frame) {
        let now = self.now;
        if let Some(v1) = self.dialect(conn) {
            let steps = v1.hear_frame(frame, now);
            self.follow_dialect(conn, steps);
            return;
        }
        let text = frame.to_text();
        self.effects.push_back(Effect::Send { conn, text });
    }

    fn note(&mut self, note: Note) {
        self.effects.push_back(Effect::Note(note));
    }
}

#[cfg(test)]
mod tests;
