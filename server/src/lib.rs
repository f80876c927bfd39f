//! The shell of the server: sockets, files, processes and the clock around `server_core`.
//! It decides nothing about sessions and calls; see `driver` for how the two meet.

pub mod driver;
pub mod mcp;
