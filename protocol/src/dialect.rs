//! Dialects that are older than this protocol, as data: the shapes of their frames, both ways. Who
//! is spoken to in one of them is decided elsewhere (PROTOCOL.md, *Older dialects*), and what a
//! request of one means is the matter of the core that is asked.

pub mod v1;
