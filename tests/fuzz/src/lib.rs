//! Bad input: one plain function for each door through which bytes come in. Each takes any bytes,
//! and asserts what must hold whatever they are: not only that nothing breaks, but that what is read
//! is what was said, that every call gets its one answer, that all bounds hold, and that after the
//! nonsense a good peer is served as if nothing had been.
//!
//! `cargo test -p interlock-fuzz` replays the committed inputs of `corpus/`, and changes of them,
//! on the stable toolchain. `./build.sh fuzz [SECONDS]` grows them: it builds this crate with
//! `-C instrument-coverage`, reads those counters after every input ([`coverage`]), keeps what
//! reached something new ([`grow`]), and writes down the fewest inputs that reach all of it. An
//! input with a name of its own was a fault once; growing never removes it.

pub mod client;
pub mod conversation;
pub mod coverage;
pub mod frame;
pub mod grow;
pub mod listener;
pub mod mutate;
mod peer;
pub mod stored;
pub mod transitions;
mod world;

/// One door.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// Its folder in `corpus/`.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]),
}

/// All doors.
pub const BODIES: &[Body] = &[
    Body {
        name: "frame",
        run: frame::frame,
    },
    Body {
        name: "http_head",
        run: listener::http_head,
    },
    Body {
        name: "mcp_line",
        run: client::mcp_line,
    },
    Body {
        name: "stored_state",
        run: stored::stored_state,
    },
    Body {
        name: "transitions",
        run: transitions::transitions,
    },
    Body {
        name: "conversation",
        run: conversation::conversation,
    },
];
