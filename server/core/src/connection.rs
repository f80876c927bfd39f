//! One socket of an extension, from the upgrade on: the server's half of the handshake
//! (PROTOCOL.md, *Handshake*), then who is at the other end and what it was told.
//!
//! It knows nothing of sessions beyond their keys. Each step takes what came and gives a
//! [`Verdict`]; the state it is in holds just what the next step needs.

use crate::dialect::V1;
use crate::event::SessionKey;
use crate::random::Random;
use protocol::frame::{Frame, Hello, HelloAck, Limits};
use protocol::pairing::{Secret, Transcript, from_hex};
use protocol::{BrowserId, EXTENSION_ID, Instant, VERSIONS, close, limits};
use std::collections::BTreeMap;
use std::time::Duration;

/// Offered versions that are looked at; each build adds one or two.
const VERSIONS_MAX: usize = 16;

/// One socket.
#[derive(Debug)]
pub(crate) struct Connection {
    address: String,
    port: u16,
    path: String,
    pub(crate) state: State,
}

/// How far the handshake is.
#[derive(Debug)]
pub(crate) enum State {
    /// The client speaks first.
    AwaitsHello,
    /// The challenge was sent.
    AwaitsProof { said: Transcript, name: String },
    /// The proof came; the secret is being read.
    AwaitsSecret {
        said: Transcript,
        name: String,
        mac: String,
    },
    /// Both have proven themselves.
    Proven(Proven),
    /// An unpaired extension, which the user lets in, has not said hello.
    Stranger,
    /// It has.
    Unpaired(Proven, Box<V1>),
}

/// A browser that has proven itself, or that is let in without.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    pub(crate) browser: BrowserId,
    pub(crate) name: String,
    /// As what it was told of each session last.
    pub(crate) told: BTreeMap<SessionKey, Told>,
    /// It has got time to answer after a gap, and has not been heard since.
    pub(crate) spared: bool,
    /// Frames that were none, or out of place, since `bad_since`.
    bad: u32,
    bad_since: Instant,
}

/// Bad frames in [`BAD_FRAMES_IN`] that are put up with (PROTOCOL.md, *Frames*).
pub(crate) const BAD_FRAMES_MAX: u32 = 16;
/// See [`BAD_FRAMES_MAX`].
pub(crate) const BAD_FRAMES_IN: Duration = Duration::from_secs(60);

impl Proven {
    pub(crate) fn new(browser: BrowserId, name: String, now: Instant) -> Self {
        Self {
            browser,
            name,
            told: BTreeMap::new(),
            spared: false,
            bad: 0,
            bad_since: now,
        }
    }

    /// A frame was none, or out of place; says whether that was one too many.
    pub(crate) fn note_bad(&mut self, now: Instant) -> bool {
        if now.since(self.bad_since) >= BAD_FRAMES_IN {
            self.bad = 0;
            self.bad_since = now;
        }
        self.bad += 1;
        self.bad > BAD_FRAMES_MAX
    }
}

/// What a `sessionOpen` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Open,
    Standby,
}

/// What follows from a frame of the handshake.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Send this and go on.
    Send(Box<Frame>),
    /// The secret is needed.
    ReadSecret,
    /// Send this; the handshake is complete.
    Complete(Box<Frame>),
    /// Close with this code and no word.
    Close(u16),
}

impl Connection {
    pub(crate) fn new(address: String, port: u16, path: String) -> Self {
        Self {
            address,
            port,
            path,
            state: State::AwaitsHello,
        }
    }

    /// One that will prove nothing, at this port.
    pub(crate) fn stranger(port: u16) -> Self {
        Self {
            address: String::new(),
            port,
            path: String::new(),
            state: State::Stranger,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The browser at the other end, once it is let in.
    pub(crate) fn browser(&self) -> Option<&Proven> {
        match &self.state {
            State::Proven(browser) | State::Unpaired(browser, _) => Some(browser),
            State::AwaitsHello
            | State::AwaitsProof { .. }
            | State::AwaitsSecret { .. }
            | State::Stranger => None,
        }
    }

    pub(crate) fn browser_mut(&mut self) -> Option<&mut Proven> {
        match &mut self.state {
            State::Proven(browser) | State::Unpaired(browser, _) => Some(browser),
            State::AwaitsHello
            | State::AwaitsProof { .. }
            | State::AwaitsSecret { .. }
            | State::Stranger => None,
        }
    }

    /// Whether its peer proves nothing.
    pub(crate) fn is_unpaired(&self) -> bool {
        match &self.state {
            State::Stranger | State::Unpaired(..) => true,
            State::AwaitsHello
            | State::AwaitsProof { .. }
            | State::AwaitsSecret { .. }
            | State::Proven(_) => false,
        }
    }

    /// A text while the handshake runs. Whatever does not belong closes the socket.
    pub(crate) fn handle_text(&mut self, text: &str, random: &mut Random) -> Verdict {
        let Ok(frame) = Frame::parse(text, limits::HANDSHAKE_FRAME_MAX) else {
            return Verdict::Close(close::BAD_FRAME);
        };
        let state = std::mem::replace(&mut self.state, State::AwaitsHello);
        match (state, frame) {
            (State::AwaitsHello, Frame::Hello(hello)) => self.handle_hello(hello, random),
            (State::AwaitsProof { said, name }, Frame::Proof { mac }) => {
                self.state = State::AwaitsSecret { said, name, mac };
                Verdict::ReadSecret
            }
            (
                State::AwaitsHello
                | State::AwaitsProof { .. }
                | State::AwaitsSecret { .. }
                | State::Proven(_)
                | State::Stranger
                | State::Unpaired(..),
                _,
            ) => Verdict::Close(close::BAD_FRAME),
        }
    }

    fn handle_hello(&mut self, hello: Hello, random: &mut Random) -> Verdict {
        let good = from_hex(&hello.nonce_ext).is_some()
            && hello.extension_id == EXTENSION_ID
            && !hello.browser_id.0.is_empty()
            && hello.browser_id.0.len() <= limits::BROWSER_ID_MAX
            && hello.versions.len() <= VERSIONS_MAX;
        if !good {
            return Verdict::Close(close::BAD_FRAME);
        }
        let chosen = VERSIONS
            .iter()
            .find(|ours| hello.versions.iter().any(|theirs| theirs == *ours));
        let Some(version) = chosen else {
            return Verdict::Close(close::NO_VERSION);
        };
        let nonce_srv = random.hex32();
        let challenge = Frame::Challenge {
            nonce_srv: nonce_srv.clone(),
            version: (*version).to_owned(),
        };
        self.state = State::AwaitsProof {
            said: Transcript {
                address: self.address.clone(),
                port: self.port,
                path: self.path.clone(),
                nonce_ext: hello.nonce_ext,
                nonce_srv,
                extension_id: hello.extension_id,
                browser_id: hello.browser_id.0,
                versions: hello.versions,
                version: (*version).to_owned(),
            },
            name: hello.browser_name.chars().take(limits::LABEL_MAX).collect(),
        };
        Verdict::Send(Box::new(challenge))
    }

    /// The secret that was asked for, none where it cannot be read. Gives nothing when nobody
    /// asked.
    pub(crate) fn handle_secret(
        &mut self,
        secret: Option<&Secret>,
        bounds: Limits,
        now: Instant,
    ) -> Option<Verdict> {
        let state = std::mem::replace(&mut self.state, State::AwaitsHello);
        match state {
            State::AwaitsSecret { said, name, mac } => {
                let Some(secret) = secret else {
                    // The peer may hold the right one: it is not told otherwise, and tries again.
                    return Some(Verdict::Close(close::TIMEOUT));
                };
                if !said.extension_proves(secret, &mac) {
                    return Some(Verdict::Close(close::NOT_PAIRED));
                }
                let features = Vec::new();
                let mac = said.server_mac(secret, &features, &bounds.canonical());
                let browser = BrowserId(said.browser_id);
                self.state = State::Proven(Proven::new(browser, name, now));
                Some(Verdict::Complete(Box::new(Frame::HelloAck(HelloAck {
                    mac,
                    features,
                    limits: bounds,
                }))))
            }
            other @ (State::AwaitsHello
            | State::AwaitsProof { .. }
            | State::Proven(_)
            | State::Stranger
            | State::Unpaired(..)) => {
                // Nobody asked: a late answer changes nothing.
                self.state = other;
                None
            }
        }
    }
}
