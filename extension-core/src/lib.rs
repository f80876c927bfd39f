//! Sans-IO core of the extension: inputs and the time go in, effects and the next deadline come
//! out. It decides who may act on which tab, in which order, and what happens at every kind of end.
//!
//! Nothing here opens a socket, reads a clock, draws a random number or calls `chrome.*`; the
//! module `wasm` does, and only there, and it decides nothing. Everything between is a machine
//! that can be driven, killed and restored by a test with simulated time.
//!
//! The driver's law: **one input, then drain `Extension::poll_effect` to `None`, then arm
//! `Extension::poll_timeout`.** Effects are performed after the core's borrow has ended; what
//! they bring comes back as a later input, never within the call.
//!
//! In reading order:
//! - [`input`] and [`effect`]: the two closed sets between the core and the world
//! - [`extension`]: routes inputs to the parts below and gathers what they ask for
//! - [`tabs`]: owners, turns and claims, the heart
//! - [`pages`]: the one road to the debugger, and what each tool does in a page
//! - [`discovery`]: which ports are probed and dialled; [`links`]: the life of every socket
//! - [`sessions`]: who is here and may come back; [`calls`]: commands in flight and answers kept
//! - [`presses`]: what of a call may be down when the worker dies
//! - [`house`]: making, closing, grouping and showing tabs; [`store`]: what survives the worker
//! - [`dialect`]: what an unpaired server's words mean
//! - [`view`]: what people see; [`files`]: what they write
//! - `wasm`: the driver in a browser

mod awake;
pub mod calls;
pub mod dialect;
pub mod discovery;
pub mod effect;
pub mod extension;
pub mod files;
pub mod house;
pub mod input;
pub mod links;
pub mod observed;
pub mod pages;
pub mod presses;
pub mod sessions;
pub mod store;
pub mod tabs;
pub mod view;

#[cfg(target_arch = "wasm32")]
pub mod wasm;

pub use effect::{ChromeCall, Effect};
pub use extension::Extension;
pub use files::Config;
pub use input::{Boot, BrowserEvent, ChromeError, Input, PersonAction, TabFacts};
