//! The shell of the server: sockets, files, processes and the clock around `server_core`.
//! It decides nothing about sessions and calls. [`driver`] owns the machine and [`run`] puts the
//! parts around it; each of the others is one thing the outside world has.

pub mod cli;
pub mod driver;
pub mod extension;
pub mod gate;
pub mod identity;
pub mod listen;
pub mod mcp;
pub mod outside;
pub mod registry;
pub mod run;
pub mod sockets;
pub mod state;
