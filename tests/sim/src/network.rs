//! Sockets between the extension and the servers: ordered, unless a fault says otherwise.

use protocol::Instant;
use server_core::ConnId;

/// One socket, from its dial to its close.
#[derive(Debug)]
pub struct Pipe {
    /// Which server, by its place in the world.
    pub server: usize,
    /// The server's life in which it was accepted.
    pub server_life: u64,
    /// The server's name for it.
    pub conn: ConnId,
    /// Falls silent both ways, without a close.
    pub half_open: bool,
    /// The server reads no more, and still speaks.
    pub deaf: bool,
    /// The last frame that the extension got.
    pub last: String,
    /// When the last frame to the server arrives: no later one arrives before.
    pub to_server: Instant,
    /// The same to the extension.
    pub to_extension: Instant,
}

/// Something else on a port of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// Plain HTTP.
    Foreign,
    /// Accepts and says nothing.
    Silent,
    /// Looks like a server of ours, upgrades, and never says a word of the handshake.
    Mute,
}

/// Text that no peer of ours would say.
pub const GARBAGE: &[&str] = &[
    "",
    "null",
    "[]",
    "{}",
    "{\"type\":\"command\"}",
    "{\"type\":\"nonsense\",\"wireId\":7}",
    "{\"type\":\"response\",\"wireId\":\"x\",\"sessionId\":\"../..\",\"data\":{}}",
    "\u{0}\u{1}\u{2}",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"type\":\"sessionOpened\",\"sessionId\":\"nobody\",\"alias\":\"a9\",\"outcome\":\"new\"}",
    "{\"type\":\"cancel\",\"wireId\":\"nobody\"}",
];
