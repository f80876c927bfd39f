//! The MCP side: a stdio server on rmcp, in both of MCP's revisions. It offers the tools, hands
//! each call to whoever implements [`Calls`], and words the answers for a model. It knows no
//! socket, no browser and no claim. Drive it with [`serve`], which returns when the client is gone.

mod answers;
mod calls;
mod files;
mod folder;
mod label;
mod lines;
mod server;
mod tools;

pub use calls::Calls;
pub use files::Roots;
pub use label::fill as fill_label;
pub use server::{End, serve, serve_on};

use std::time::Duration;

/// From the end of stdin until every call has been answered: clients kill a server that is not
/// gone after a second or two, and the last answers must be out before.
pub const ANSWER_MAX: Duration = Duration::from_millis(800);

/// From the end of stdin until [`serve`] returns, whatever still hangs.
pub const EXIT_MAX: Duration = Duration::from_millis(950);
