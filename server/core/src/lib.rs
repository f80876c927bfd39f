//! The server's own machine: connections and their handshakes, sessions and the browser each
//! belongs to, calls in flight and their one answer, the end.
//!
//! It opens no socket, reads no clock, no file and no randomness; it knows neither MCP nor tokio.
//! Drive it so: tell it what happened with [`Server::handle_input`], then take every
//! [`Effect`] with [`Server::poll_effect`], then sleep until [`Server::poll_timeout`] and tell it
//! [`Input::Tick`]. The same inputs and seed give the same effects.

mod event;

pub use event::{
    Answer, BoundBrowser, CallId, CallProgress, CallRequest, ConnId, Effect, Identity, Input, Note,
    SessionKey,
};

use protocol::Instant;
use protocol::frame::Limits;
use protocol::ports::PortRange;
use std::collections::VecDeque;

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
    effects: VecDeque<Effect>,
}

impl Server {
    /// A server with one session, which has no identity yet. `seed` comes from the system's random
    /// source; nonces, ids and tokens are made of it.
    #[must_use]
    pub fn new(_config: Config, _seed: [u8; 32], _now: Instant) -> Self {
        Self {
            effects: VecDeque::new(),
        }
    }

    /// Takes in what happened at `now`, which never steps back.
    pub fn handle_input(&mut self, _input: Input, _now: Instant) {}

    /// The next thing to do; call until `None` after every input.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to send the next [`Input::Tick`], and for what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }
}
