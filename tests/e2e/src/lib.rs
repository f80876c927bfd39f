//! The harness for tests in the real browser: Chromium, the real binary, a local site.
//!
//! It uses none of our crates: it is an outside observer that knows the command line, the tool
//! names and the web platform, and nothing else. [`World`] is the one call a test needs: it sets
//! up a state folder, an extension folder, a private block of ports, a browser and a site, and
//! says on its end whether anything was left behind.
//!
//! ```no_run
//! # async fn f() -> anyhow::Result<()> {
//! let world = e2e::World::start().await?;
//! let agent = world.agent("one").await?;
//! let answer = agent.call("browser_navigate", serde_json::json!({"url": world.site.url("/")})).await?;
//! assert!(answer.is_ok(), "{answer}");
//! world.close().await
//! # }
//! ```
//!
//! Worlds are headless, but where faults hide from headless browsers: [`Shown::ToAPerson`] opens a
//! real window on a [`Screen`] of the test's own, with a [`Person`] in front of it.
//!
//! Environment: `INTERLOCK_BIN` names the binary, `E2E_HEADED=1` opens the windows of headless worlds
//! on the user's display, `KEEP=1` keeps profile and logs and prints where they are.

mod agent;
mod browser;
mod cdp;
mod group;
mod leftovers;
mod pause;
mod person;
mod ports;
mod screen;
mod site;
mod torture;
mod wait;
mod world;

pub use agent::{Agent, Answer, Call, End, Era, Progress, Spawn, reading, value_in};
pub use browser::{
    Browser, ConsoleLog, ExtensionPage, Start, TabInfo, Window, has_display, program as chromium,
};
pub use cdp::{Cdp, Event, Target};
pub use leftovers::{listening_ports, ports_of, processes_of};
pub use pause::Paused;
pub use person::Person;
pub use ports::PortBlock;
pub use screen::{Color, Picture, Screen};
pub use site::{Request, Site};
pub use torture::{AGENTS, Death, Toll, torture};
pub use wait::{LIMIT, until, within};
pub use world::{Options, Shown, World, allow_more_browsers, binary};
