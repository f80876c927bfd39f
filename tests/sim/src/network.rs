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
    /// When the last frame to the server arrives: no later one arrives before.
    pub to_server: Instant,
    /// The same to the extension.
    pub to_extension: Instant,
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
