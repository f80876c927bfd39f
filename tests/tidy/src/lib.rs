//! The repository's rules, as tests. A rule we care about stands here with its reason, not in a
//! document that nobody reads. It looks at what git tracks and at what cargo says, runs nothing
//! else, and knows nothing of how the product works. Drive it with `cargo test -p interlock-tidy`.
#![cfg(test)]

mod crates;
mod extension;
mod licences;
mod repository;
mod sources;
mod texts;
mod wire;
