//! The simulated world: real extension cores and real server cores in one process, with simulated
//! clock, network, Chrome, agents and a person, all from one seed.
//!
//! It is as unkind as the real one: Chrome never answers in the step in which it was asked, lets
//! events overtake results, keeps dialogs open, goes on with a command after the worker that sent
//! it died; the network delays, loses, doubles and garbles; people close tabs under running calls.
//! After every step [`model`] compares what the core decided with a model that is nothing but
//! ordered lists. [`report`] counts what was met, so that a green run that tested nothing is seen.
//!
//! Drive it with [`world::World::new`] and [`world::World::run`].

pub mod agents;
pub mod blow;
pub mod browsers;
pub mod chance;
pub mod chrome;
pub mod model;
pub mod network;
pub mod plan;
pub mod report;
pub mod script;
pub mod world;
