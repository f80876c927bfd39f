//! The machine as a whole, driven by hand: `rig` plays the extension and the clock.

mod calls;
mod ends;
mod handshake;
mod lost;
mod moving;
mod rig;
mod sessions;
mod sleep;
mod storm;
mod strangers;
mod unpaired;
