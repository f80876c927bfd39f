//! The life of every socket: dial, handshake, heartbeat, loss (`design/wire.md`, *Handshake*; seed
//! 000, *Instance Tracking*). Until a server has proven that it holds the user's secret, nothing
//! that it says leaves this module, and nothing but the handshake is said to it. One that is dialled
//! as [`Dialect::V1`] proves nothing, and is never taken for one that has: what becomes of it is in
//! `links/v1.rs`, in states and events of its own.
//!
//! It knows sockets, frames and the secret, and nothing of sessions, tabs or which port deserves a
//! dial: that is [`discovery`](crate::discovery). Drive it like every machine here: one `handle_…`,
//! then drain [`Links::poll_event`], then arm [`Links::poll_timeout`]. Every dial ends in exactly
//! one [`LinkEvent::Down`], with one [`LinkEvent::Up`] before it or none; a socket's id is never
//! used again, so what a stale one says finds nobody (invariant 5).
//!
//! Two beats keep a proven link: a `ping` every 30 s, the seed's heartbeat, and the request for the
//! port list every 15 s. The second is also the message that Chrome needs at least every 20 s to
//! let the worker live, so no third beat exists.

mod v1;

pub use v1::UNPAIRED_FRAME_MAX;

use crate::dialect::Dialect;
use crate::discovery::DownReason;
use crate::input::SocketId;
use crate::observed::{GAP_MAX, Observed};
use protocol::dialect::v1::Request;
use protocol::frame::{BadFrame, Envelope, Frame, Goodbye, GoodbyeReason, Hello, HelloAck};
use protocol::limits::{
    CONNECT_MAX, FRAME_MAX, HANDSHAKE_FRAME_MAX, HANDSHAKE_MAX, HEARTBEAT, KEEP_ALIVE,
    ORIGIN_ID_MAX, PORT_LIST_EVERY, SESSIONS_MAX, SILENCE_MAX,
};
use protocol::pairing::{Secret, Transcript, from_hex, to_hex};
use protocol::ports::PORT_LIST_MAX;
use protocol::{
    BrowserId, Deadlines, Fault, Instant, SessionId, SortedMap, VERSIONS, WireId,
    close as close_code, json,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

const _: () = assert!(
    PORT_LIST_EVERY.as_millis() < KEEP_ALIVE.as_millis(),
    "the port list request is what keeps the worker awake"
);

/// What the extension dials, as the proof names it: the literal address, never a name that a
/// resolver could bend.
const ADDRESS: &str = "127.0.0.1";
/// See [`ADDRESS`].
const PATH: &str = "/";
/// Sockets at a time: one a session, and some that are still on their way.
const LINKS_MAX: usize = SESSIONS_MAX + 64;
/// After a gap that nobody observed, a pinged peer has this long before it counts as lost.
const AFTER_GAP: Duration = Duration::from_secs(15);
/// Malformed frames of a proven peer within [`BAD_FRAMES_IN`] that are let pass. A few come from
/// a version with a fault, a stream of them from a peer that talks of something else.
const BAD_FRAMES_MAX: u32 = 16;
/// See [`BAD_FRAMES_MAX`].
const BAD_FRAMES_IN: Duration = Duration::from_secs(60);
/// Characters of the parser's reason that go home with a refusal: enough to name the field.
const WHY_MAX: usize = 200;

/// What the extension says of itself in every `hello`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `chrome.runtime.id`.
    pub extension_id: String,
    /// The browser profile.
    pub browser_id: BrowserId,
    /// Its name for people.
    pub browser_name: String,
}

/// What the driver does or hears next.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// Open `ws://127.0.0.1:PORT/`.
    Dial {
        /// How it will be called.
        socket: SocketId,
        /// Which port.
        port: u16,
        /// How it will be spoken to.
        dialect: Dialect,
    },
    /// Send this text.
    Send {
        /// To which one.
        socket: SocketId,
        /// As it goes.
        text: String,
    },
    /// Close this socket. [`LinkEvent::Down`] follows at once; the socket's own close says nothing.
    Close {
        /// Which one.
        socket: SocketId,
        /// See `protocol::close`.
        code: u16,
    },
    /// The handshake is complete.
    Up {
        /// Which one.
        socket: SocketId,
        /// Its port.
        port: u16,
        /// What the server can do, as it proved.
        features: Vec<String>,
    },
    /// An unpaired server has said who it is.
    UpUnpaired {
        /// Which one.
        socket: SocketId,
        /// Its port.
        port: u16,
        /// What it calls itself, which anybody may.
        instance: String,
        /// Random, this socket's own.
        epoch: u64,
    },
    /// An unpaired server wants something done; answered by [`Links::reply`].
    Request {
        /// Which one.
        socket: SocketId,
        /// What.
        request: Box<Request>,
    },
    /// A proven server says something of sessions: `sessionOpen`, `sessionClose`, `command`,
    /// `createTab` or `cancel`, and no other.
    Frame {
        /// Which one.
        socket: SocketId,
        /// What.
        frame: Box<Frame>,
    },
    /// A proven server names its siblings, or an unpaired one that was asked for them.
    PortList {
        /// Which one.
        socket: SocketId,
        /// Not to be believed before `PortRange::sanitise`; at most 256.
        ports: Vec<Value>,
    },
    /// It answered [`Links::ping`].
    Alive {
        /// Which one.
        socket: SocketId,
    },
    /// The socket is gone, or the dial came to nothing.
    Down {
        /// Which one.
        socket: SocketId,
        /// Its port.
        port: u16,
        /// Why, in discovery's words.
        why: DownReason,
        /// What the server said before, if it said goodbye.
        goodbye: Option<Goodbye>,
    },
    /// The proof failed on one side: tell the person.
    NotPaired {
        /// Whose port.
        port: u16,
    },
    /// Read `pairing.json` again; answered by [`Links::set_secret`].
    ReadSecret,
}

/// What became of [`Links::send`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It goes.
    Yes,
    /// Nobody is there any more; what it would have said is lost with the socket.
    Gone,
    /// Above the agreed limit; nothing went. Answer `result_too_large` instead.
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The agreed limit.
        limit: usize,
    },
}

/// A proven link, for whoever draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Which one.
    pub socket: SocketId,
    /// Its port.
    pub port: u16,
    /// When its handshake was complete.
    pub since: Instant,
    /// When it last said anything.
    pub heard: Instant,
}

#[derive(Debug)]
struct Link {
    port: u16,
    dialect: Dialect,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Dialled, not open.
    Connecting,
    /// `hello` is sent; the server owes a challenge.
    Greeted { nonce_ext: String },
    /// `proof` is sent; the server owes its own, under the same secret.
    Proving {
        transcript: Box<Transcript>,
        secret: Secret,
    },
    /// Both have proven themselves.
    Open(Open),
    /// An unpaired server was asked who it is.
    Asked,
    /// An unpaired server has said so.
    Unpaired(Open),
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since: Instant,
    /// In the driver's time, for people.
    heard: Instant,
    /// In observed time, for the loss.
    heard_observed: Instant,
    /// In observed time: no loss before, because nobody could have heard it.
    lost_not_before: Instant,
    frame_max: usize,
    /// Somebody waits for [`LinkEvent::Alive`].
    asked: bool,
    /// An unpaired server was asked for its siblings and has not named them.
    owes_list: bool,
    /// Malformed frames since `bad_since` (observed).
    bad: u32,
    bad_since: Instant,
}

impl Open {
    fn new(frame_max: usize, now: Instant, observed: Instant) -> Self {
        Self {
            since: now,
            heard: now,
            heard_observed: observed,
            lost_not_before: observed,
            frame_max,
            asked: false,
            owes_list: false,
            bad: 0,
            bad_since: observed,
        }
    }

    /// A malformed frame came; says whether that was one too many.
    fn note_bad(&mut self, observed: Instant) -> bool {
        if observed.since(self.bad_since) >= BAD_FRAMES_IN {
            self.bad = 0;
            self.bad_since = observed;
        }
        self.bad += 1;
        self.bad > BAD_FRAMES_MAX
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Connect,
    Handshake,
    Heartbeat,
    PortList,
    Silence,
}

const TIMERS: [Timer; 5] = [
    Timer::Connect,
    Timer::Handshake,
    Timer::Heartbeat,
    Timer::PortList,
    Timer::Silence,
];

/// See the module.
#[derive(Debug)]
pub struct Links {
    me: Identity,
    secret: Option<Secret>,
    nonces: ChaCha20Rng,
    /// At most [`LINKS_MAX`].
    links: SortedMap<SocketId, Link>,
    /// One entry a link: single flight per port.
    by_port: SortedMap<u16, SocketId>,
    next_socket: u64,
    /// `pairing.json` is being read; one reading serves all who failed meanwhile.
    reading: bool,
    observed: Observed,
    seen: Instant,
    /// In observed time; at most three a link.
    timers: Deadlines<(SocketId, Timer)>,
    events: VecDeque<LinkEvent>,
}

impl Links {
    /// `seed` feeds the nonces: fresh at every boot, never part of a stored state. Without a
    /// secret every handshake ends as not paired.
    #[must_use]
    pub fn new(me: Identity, secret: Option<Secret>, seed: [u8; 32], now: Instant) -> Self {
        Self {
            me,
            secret,
            nonces: ChaCha20Rng::from_seed(seed),
            links: SortedMap::new(),
            by_port: SortedMap::new(),
            next_socket: 1,
            reading: false,
            observed: Observed::new(now),
            seen: now,
            timers: Deadlines::default(),
            events: VecDeque::new(),
        }
    }

    /// Dials a port, unless it is dialled or connected already; says how its socket is called.
    pub fn dial(&mut self, port: u16, dialect: Dialect, now: Instant) -> SocketId {
        let observed = self.advance(now);
        if let Some(socket) = self.by_port.get(&port) {
            return *socket;
        }
        let socket = SocketId(self.next_socket);
        self.next_socket += 1;
        if self.links.len() >= LINKS_MAX {
            self.events.push_back(LinkEvent::Down {
                socket,
                port,
                why: DownReason::Failed,
                goodbye: None,
            });
            return socket;
        }
        let link = Link {
            port,
            dialect,
            state: State::Connecting,
        };
        self.links.insert(socket, link);
        self.by_port.insert(port, socket);
        self.timers
            .set((socket, Timer::Connect), observed + CONNECT_MAX);
        self.events.push_back(LinkEvent::Dial {
            socket,
            port,
            dialect,
        });
        socket
    }

    /// The socket is open: we speak first.
    pub fn handle_opened(&mut self, socket: SocketId, now: Instant) {
        let observed = self.advance(now);
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        match link.state {
            State::Connecting => {}
            State::Greeted { .. }
            | State::Proving { .. }
            | State::Open(_)
            | State::Asked
            | State::Unpaired(_) => return,
        }
        self.timers.clear(&(socket, Timer::Connect));
        self.timers
            .set((socket, Timer::Handshake), observed + HANDSHAKE_MAX);
        match link.dialect {
            Dialect::V2 => {}
            Dialect::V1 => {
                link.state = State::Asked;
                return self.greet_unpaired(socket);
            }
        }
        let mut nonce = [0; 32];
        self.nonces.fill_bytes(&mut nonce);
        let nonce_ext = to_hex(&nonce);
        link.state = State::Greeted {
            nonce_ext: nonce_ext.clone(),
        };
        let hello = Hello {
            versions: versions(),
            nonce_ext,
            extension_id: self.me.extension_id.clone(),
            browser_id: self.me.browser_id.clone(),
            browser_name: self.me.browser_name.clone(),
        };
        self.push(socket, &Frame::Hello(hello));
    }

    /// A text message. In the handshake anything but the expected frame ends the socket.
    pub fn handle_text(&mut self, socket: SocketId, text: &str, now: Instant) {
        let observed = self.advance(now);
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        match &mut link.state {
            State::Asked => self.handle_introduction(socket, text, now, observed),
            State::Unpaired(open) => {
                open.heard = now;
                self.handle_unpaired_text(socket, text, observed);
            }
            State::Connecting | State::Greeted { .. } | State::Proving { .. } => {
                match Frame::parse(text, HANDSHAKE_FRAME_MAX) {
                    Ok(frame) => self.handle_handshake(socket, frame, now, observed),
                    Err(_) => self.fail(socket, close_code::BAD_FRAME),
                }
            }
            State::Open(open) => {
                open.heard = now;
                open.heard_observed = observed;
                match Frame::parse(text, open.frame_max) {
                    Ok(frame) => self.handle_frame(socket, frame, observed),
                    // Of a later minor version.
                    Err(BadFrame::UnknownType) => {}
                    Err(BadFrame::TooLarge(_)) => self.fail(socket, close_code::BAD_FRAME),
                    Err(BadFrame::Malformed(why)) => {
                        self.refuse(socket, text, &why);
                        self.note_bad(socket, observed);
                    }
                }
            }
        }
    }

    /// The socket is closed, or could not be opened.
    pub fn handle_closed(&mut self, socket: SocketId, code: u16, now: Instant) {
        self.advance(now);
        let Some(link) = self.links.get(&socket) else {
            return;
        };
        match link.state {
            State::Connecting => self.end(socket, DownReason::Failed, None),
            State::Greeted { .. } | State::Proving { .. } => {
                if code == close_code::NOT_PAIRED {
                    self.not_paired(socket);
                }
                self.end(socket, DownReason::Failed, None);
            }
            State::Open(_) => {
                // The user paired anew, and the server let everybody go.
                if code == close_code::NOT_PAIRED {
                    self.read_secret();
                }
                self.end(socket, DownReason::Lost, None);
            }
            State::Asked => self.end(socket, DownReason::Failed, None),
            State::Unpaired(_) => self.end(socket, DownReason::Lost, None),
        }
    }

    /// What `pairing.json` holds now; says whether that is another secret than before. If so,
    /// whoever failed may succeed (`Discovery::forgive`). Open links stay: they were proven.
    pub fn set_secret(&mut self, secret: Option<Secret>) -> bool {
        self.reading = false;
        let changed = self.secret != secret;
        self.secret = secret;
        changed
    }

    /// This browser's name for people, from the next handshake on.
    pub fn set_browser_name(&mut self, name: String) {
        self.me.browser_name = name;
    }

    /// Sends a frame over a proven link.
    pub fn send(&mut self, socket: SocketId, frame: &Frame) -> Sent {
        let Some(open) = self.open_link(socket) else {
            return Sent::Gone;
        };
        let (text, limit) = (frame.to_text(), open.frame_max);
        if text.len() > limit {
            return Sent::TooLarge {
                bytes: text.len(),
                limit,
            };
        }
        self.events.push_back(LinkEvent::Send { socket, text });
        Sent::Yes
    }

    /// Asks a proven peer whether it lives: [`LinkEvent::Alive`] when it answers. How long to wait
    /// is the asker's to decide.
    pub fn ping(&mut self, socket: SocketId) {
        if let Some(open) = self.open_link(socket) {
            open.asked = true;
            self.push(socket, &Frame::Ping {});
        }
    }

    /// Closes a socket on purpose, with a word of farewell when the link is proven.
    pub fn close(&mut self, socket: SocketId, code: u16, goodbye: Option<Goodbye>) {
        let why = match goodbye.as_ref().map(|goodbye| goodbye.reason) {
            Some(GoodbyeReason::Duplicate) => DownReason::Duplicate,
            Some(GoodbyeReason::Final | GoodbyeReason::Ending | GoodbyeReason::Moved) | None => {
                DownReason::Closed
            }
        };
        if self.open_link(socket).is_some()
            && let Some(goodbye) = goodbye
        {
            self.push(socket, &Frame::Goodbye(goodbye));
        }
        if self.links.contains_key(&socket) {
            self.events.push_back(LinkEvent::Close { socket, code });
            self.end(socket, why, None);
        }
    }

    /// The port of a living socket.
    #[must_use]
    pub fn port(&self, socket: SocketId) -> Option<u16> {
        self.links.get(&socket).map(|link| link.port)
    }

    /// The proven links, and those of unpaired servers, in the order in which they were dialled.
    pub fn open(&self) -> impl Iterator<Item = LinkInfo> {
        self.links
            .iter()
            .filter_map(|(socket, link)| match &link.state {
                State::Connecting
                | State::Greeted { .. }
                | State::Proving { .. }
                | State::Asked => None,
                State::Open(open) | State::Unpaired(open) => Some(LinkInfo {
                    socket: *socket,
                    port: link.port,
                    since: open.since,
                    heard: open.heard,
                }),
            })
    }

    /// Names the state of every link, for a checker that counts which were met.
    pub fn name_states(&self, met: &mut impl FnMut(&'static str)) {
        for link in self.links.values() {
            met(match link.state {
                State::Connecting => "link: connecting",
                State::Greeted { .. } => "link: greeted",
                State::Proving { .. } => "link: proving",
                State::Open(_) => "link: open",
                State::Asked => "link: unpaired, asked",
                State::Unpaired(_) => "link: unpaired",
            });
        }
    }

    /// What is due: deadlines, heartbeats, losses.
    pub fn handle_timeout(&mut self, now: Instant) {
        let observed = self.advance(now);
        while let Some((socket, timer)) = self.timers.pop_due(observed) {
            match timer {
                Timer::Connect | Timer::Handshake => self.fail(socket, close_code::TIMEOUT),
                Timer::Heartbeat => {
                    self.push(socket, &Frame::Ping {});
                    let due = next_of(HEARTBEAT, observed);
                    self.timers.set((socket, timer), due);
                }
                Timer::PortList => {
                    self.ask_for_list(socket);
                    let due = next_of(PORT_LIST_EVERY, observed);
                    self.timers.set((socket, timer), due);
                }
                Timer::Silence => self.handle_silence(socket, observed),
            }
        }
    }

    /// When to call [`Links::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|at| self.observed.due(at))
    }

    /// What to do next; call until `None`.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Observed time at `now`. After a gap that nobody observed every peer is pinged and has
    /// [`AFTER_GAP`] to say something, however long its silence seems.
    fn advance(&mut self, now: Instant) -> Instant {
        let gap = now.since(self.seen);
        self.seen = now;
        let observed = self.observed.advance(now);
        if gap > GAP_MAX {
            for (socket, link) in &mut self.links {
                if let State::Open(open) | State::Unpaired(open) = &mut link.state {
                    open.lost_not_before = observed + AFTER_GAP;
                    self.events.push_back(LinkEvent::Send {
                        socket: *socket,
                        text: Frame::Ping {}.to_text(),
                    });
                }
            }
        }
        observed
    }

    /// A proven one.
    fn open_link(&mut self, socket: SocketId) -> Option<&mut Open> {
        match &mut self.links.get_mut(&socket)?.state {
            State::Connecting
            | State::Greeted { .. }
            | State::Proving { .. }
            | State::Asked
            | State::Unpaired(_) => None,
            State::Open(open) => Some(open),
        }
    }

    fn push(&mut self, socket: SocketId, frame: &Frame) {
        let text = frame.to_text();
        self.events.push_back(LinkEvent::Send { socket, text });
    }

    fn handle_handshake(
        &mut self,
        socket: SocketId,
        frame: Frame,
        now: Instant,
        observed: Instant,
    ) {
        let Some(link) = self.links.get(&socket) else {
            return;
        };
        match (&link.state, frame) {
            (State::Greeted { nonce_ext }, Frame::Challenge { nonce_srv, version }) => {
                let spoken = VERSIONS.contains(&version.as_str());
                if !spoken || from_hex(&nonce_srv).is_none() || nonce_srv == *nonce_ext {
                    return self.fail(socket, close_code::BAD_FRAME);
                }
                let transcript = Transcript {
                    address: ADDRESS.into(),
                    port: link.port,
                    path: PATH.into(),
                    nonce_ext: nonce_ext.clone(),
                    nonce_srv,
                    extension_id: self.me.extension_id.clone(),
                    browser_id: self.me.browser_id.0.clone(),
                    versions: versions(),
                    version,
                };
                self.prove(socket, transcript);
            }
            (State::Proving { transcript, secret }, Frame::HelloAck(ack)) => {
                let HelloAck {
                    mac,
                    features,
                    limits,
                } = ack;
                if !transcript.server_proves(secret, &features, &limits.canonical(), &mac) {
                    self.not_paired(socket);
                    return self.fail(socket, close_code::NOT_PAIRED);
                }
                if limits.frame_max < HANDSHAKE_FRAME_MAX {
                    return self.fail(socket, close_code::BAD_FRAME);
                }
                self.come_up(socket, features, limits.frame_max, now, observed);
            }
            (
                State::Connecting
                | State::Greeted { .. }
                | State::Proving { .. }
                | State::Open(_)
                | State::Asked
                | State::Unpaired(_),
                _,
            ) => self.fail(socket, close_code::BAD_FRAME),
        }
    }

    /// Answers a challenge. `hello` was said even without a secret, so that the server can tell
    /// its user that an extension came which is not paired.
    fn prove(&mut self, socket: SocketId, transcript: Transcript) {
        let Some(secret) = self.secret.clone() else {
            self.not_paired(socket);
            return self.fail(socket, close_code::NOT_PAIRED);
        };
        let mac = transcript.extension_mac(&secret);
        if let Some(link) = self.links.get_mut(&socket) {
            link.state = State::Proving {
                transcript: Box::new(transcript),
                secret,
            };
            self.push(socket, &Frame::Proof { mac });
        }
    }

    fn come_up(
        &mut self,
        socket: SocketId,
        features: Vec<String>,
        frame_max: usize,
        now: Instant,
        observed: Instant,
    ) {
        let Some(link) = self.links.get_mut(&socket) else {
            return;
        };
        link.state = State::Open(Open::new(frame_max.min(FRAME_MAX), now, observed));
        let port = link.port;
        self.timers.clear(&(socket, Timer::Handshake));
        for (timer, due) in [
            (Timer::Heartbeat, next_of(HEARTBEAT, observed)),
            (Timer::PortList, next_of(PORT_LIST_EVERY, observed)),
            (Timer::Silence, observed + SILENCE_MAX),
        ] {
            self.timers.set((socket, timer), due);
        }
        self.events.push_back(LinkEvent::Up {
            socket,
            port,
            features,
        });
        self.ask_for_list(socket);
    }

    fn ask_for_list(&mut self, socket: SocketId) {
        if let Some(Link {
            state: State::Unpaired(open),
            ..
        }) = self.links.get_mut(&socket)
        {
            open.owes_list = true;
        }
        self.push(socket, &Frame::PortListRequest {});
    }

    /// A well-formed frame of a proven peer.
    fn handle_frame(&mut self, socket: SocketId, frame: Frame, observed: Instant) {
        match frame {
            Frame::SessionOpen(_)
            | Frame::SessionClose { .. }
            | Frame::Command(_)
            | Frame::CreateTab { .. }
            | Frame::Cancel { .. } => {
                let frame = Box::new(frame);
                self.events.push_back(LinkEvent::Frame { socket, frame });
            }
            Frame::Ping {} => self.push(socket, &Frame::Pong {}),
            Frame::Pong {} => {
                if let Some(open) = self.open_link(socket)
                    && std::mem::take(&mut open.asked)
                {
                    self.events.push_back(LinkEvent::Alive { socket });
                }
            }
            Frame::PortListResponse { mut ports } => {
                ports.truncate(PORT_LIST_MAX);
                self.events.push_back(LinkEvent::PortList { socket, ports });
            }
            Frame::Goodbye(goodbye) => {
                self.events.push_back(LinkEvent::Close {
                    socket,
                    code: close_code::NORMAL,
                });
                let why = match goodbye.reason {
                    GoodbyeReason::Ending | GoodbyeReason::Final => DownReason::Goodbye,
                    GoodbyeReason::Moved | GoodbyeReason::Duplicate => DownReason::Closed,
                };
                self.end(socket, why, Some(goodbye));
            }
            // The extension says these, or they belong into a handshake that is over.
            Frame::Hello(_)
            | Frame::Challenge { .. }
            | Frame::Proof { .. }
            | Frame::HelloAck(_)
            | Frame::SessionOpened(_)
            | Frame::PortListRequest {}
            | Frame::Response(_)
            | Frame::Event(_) => self.note_bad(socket, observed),
        }
    }

    /// A malformed command whose ids can be read is answered, so that its sender learns what is
    /// wrong and waits for nothing. The answer goes to that sender alone.
    fn refuse(&mut self, socket: SocketId, text: &str, why: &str) {
        let Ok(command) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let field = |name: &str| command.get(name)?.as_str().map(str::to_owned);
        let ids = field("wireId").zip(field("sessionId"));
        let ids = ids.and_then(|(wire, session)| {
            Some((WireId::new(wire).ok()?, SessionId::new(session).ok()?))
        });
        let is_asked = matches!(field("type").as_deref(), Some("command" | "createTab"));
        if let Some((wire_id, session_id)) = ids.filter(|_| is_asked) {
            let what = why.chars().take(WHY_MAX).collect();
            let fault = Fault::BadArguments { what };
            let mut answer = Envelope::response(wire_id, session_id, Err(fault.into()));
            answer.origin_id = command
                .get("originId")
                .filter(|origin| json::text(origin).len() <= ORIGIN_ID_MAX)
                .cloned();
            self.push(socket, &Frame::Response(answer));
        }
    }

    fn note_bad(&mut self, socket: SocketId, observed: Instant) {
        let state = self.links.get_mut(&socket).map(|link| &mut link.state);
        if let Some(State::Open(open) | State::Unpaired(open)) = state
            && open.note_bad(observed)
        {
            self.fail(socket, close_code::BAD_FRAME);
        }
    }

    fn handle_silence(&mut self, socket: SocketId, observed: Instant) {
        let Some(open) = self.open_link(socket) else {
            return;
        };
        let due = (open.heard_observed + SILENCE_MAX).max(open.lost_not_before);
        if due > observed {
            self.timers.set((socket, Timer::Silence), due);
            return;
        }
        self.events.push_back(LinkEvent::Close {
            socket,
            code: close_code::TIMEOUT,
        });
        self.end(socket, DownReason::Lost, None);
    }

    fn not_paired(&mut self, socket: SocketId) {
        let Some(port) = self.port(socket) else {
            return;
        };
        self.events.push_back(LinkEvent::NotPaired { port });
        self.read_secret();
    }

    fn read_secret(&mut self) {
        if !self.reading {
            self.reading = true;
            self.events.push_back(LinkEvent::ReadSecret);
        }
    }

    /// Closes a socket that is no good.
    fn fail(&mut self, socket: SocketId, code: u16) {
        if self.links.contains_key(&socket) {
            self.events.push_back(LinkEvent::Close { socket, code });
            self.end(socket, DownReason::Failed, None);
        }
    }

    /// Forgets a socket and says so: the one place where a link ends.
    fn end(&mut self, socket: SocketId, why: DownReason, goodbye: Option<Goodbye>) {
        let Some(Link { port, .. }) = self.links.remove(&socket) else {
            return;
        };
        self.by_port.remove(&port);
        for timer in TIMERS {
            self.timers.clear(&(socket, timer));
        }
        self.events.push_back(LinkEvent::Down {
            socket,
            port,
            why,
            goodbye,
        });
    }
}

fn versions() -> Vec<String> {
    VERSIONS.iter().map(|&version| version.to_owned()).collect()
}

/// The next beat of a clock that all sockets share: twenty of them wake the worker once, not twenty
/// times. The first comes sooner than `every`, never later.
fn next_of(every: Duration, now: Instant) -> Instant {
    let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    Instant((now.0 / every + 1) * every)
}

#[cfg(test)]
mod tests;
