//! The server from outside: raw bytes on its port, a scripted extension on its sockets, the real
//! binary as a process. Each test has ports and a state folder of its own.
#![allow(clippy::unwrap_used, reason = "whatever fails here fails its test")]

mod ends;
mod extension;
mod gate;
mod process;
mod rig;
