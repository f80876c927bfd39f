//! The repository's rules, as tests. A rule we care about stands here with its reason, not in a
//! document that nobody reads. It looks at what git tracks and at what cargo says, runs build.sh with
//! a cargo that does nothing, and knows nothing of how the product works. Drive it with `cargo test -p interlock-tidy`.
#![cfg(test)]

#[cfg(unix)]
mod build_script;
mod codes;
mod crates;
mod extension;
mod licences;
mod repository;
mod sources;
mod texts;
mod wire;
