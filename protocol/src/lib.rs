//! The words that the extension and the server both say: frames, commands, errors, bounds and the
//! pairing proof. `PROTOCOL.md` beside this crate is the same for people who write another client.
//!
//! Nothing here opens a socket, reads a clock or decides who may do what; a value that parses is
//! well formed, not permitted. Both cores depend on this crate and on nothing else of ours.

pub mod close;
pub mod command;
pub mod dialect;
pub mod error;
pub mod frame;
pub mod ids;
pub mod json;
pub mod limits;
pub mod pairing;
pub mod ports;
pub mod sorted;
pub mod time;
pub mod url;

pub use command::{Command, Target};
pub use error::{ErrorCode, Fault, Retry, WireError};
pub use frame::{Body, Envelope, Frame};
pub use ids::{Alias, BrowserId, SessionId, TabId, WireId};
pub use sorted::{SortedMap, SortedSet};
pub use time::{Deadlines, Instant};

/// The sub-protocol that a paired socket offers (`Sec-WebSocket-Protocol`).
pub const SUBPROTOCOL: &str = "interlock.2";

/// Versions of the v2 envelope that this build speaks, newest first.
pub const VERSIONS: &[&str] = &["2.0"];

/// The extension's id, fixed by the `key` of its manifest: the first 32 hex digits of the key's
/// SHA-256, each mapped from `0`–`f` to `a`–`p`.
pub const EXTENSION_ID: &str = "pccggijclfpjeomnfodccfggcnkogjdg";
