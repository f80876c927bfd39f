//! Rules for the workspace's crates: who may use whom, and what each opts into.

use crate::repository::{Tracked, expect_none, output_of, read, root, tracked};
use serde_json::Value;
use std::path::Path;

/// The packages that `cargo metadata` lists.
pub(crate) fn metadata(options: &[&str]) -> Vec<Value> {
    let mut arguments = vec!["metadata", "--format-version", "1", "--locked"];
    arguments.extend(options);
    let answer: Value =
        serde_json::from_str(&output_of("cargo", &arguments)).expect("cargo prints JSON");
    answer["packages"].as_array().expect("a list").clone()
}

/// Our own packages.
pub(crate) fn members() -> Vec<Value> {
    metadata(&["--no-deps"])
}

/// The name of a package or a dependency.
pub(crate) fn name(of: &Value) -> &str {
    of["name"].as_str().expect("everything here has a name")
}

/// What a package needs to run or to be built; its tests may use more.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
}

/// Which of our crates each crate of the product may use. Tests and tools may use what they need.
const MAY_USE: &[(&str, &[&str])] = &[
    ("interlock-protocol", &[]),
    ("interlock-extension-core", &["interlock-protocol"]),
    ("interlock-server-core", &["interlock-protocol"]),
    (
        "interlock",
        &["interlock-protocol", "interlock-server-core"],
    ),
];

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let members = members();
    let found = MAY_USE.iter().flat_map(|(user, allowed)| {
        let package = members
            .iter()
            .find(|package| name(package) == *user)
            .unwrap_or_else(|| panic!("{user} is not in the workspace"));
        dependencies(package)
            .filter(|used| members.iter().any(|member| name(member) == name(used)))
            .filter(|used| !allowed.contains(&name(used)))
            .map(|used| format!("{user} uses {}", name(used)))
            .collect::<Vec<_>>()
    });
    expect_none(
        "protocol is the only thing both sides share; cores know no shell.",
        found,
    );
}

#[test]
fn the_machines_bring_no_world_with_them() {
    let worldly = [
        "tokio",
        "axum",
        "hyper",
        "mio",
        "getrandom",
        "rand",
        "chrono",
        "web-time",
        "tracing",
    ];
    let pure = [
        "interlock-protocol",
        "interlock-extension-core",
        "interlock-server-core",
    ];
    let found = members()
        .into_iter()
        .filter(|package| pure.contains(&name(package)))
        .flat_map(|package| {
            dependencies(&package)
                // The glue's own libraries are for wasm32 alone.
                .filter(|used| used["target"].is_null())
                .filter(|used| worldly.contains(&name(used)))
                .map(|used| format!("{} uses {}", name(&package), name(used)))
                .collect::<Vec<_>>()
        });
    expect_none(
        "A machine that reads a clock, a socket or chance cannot be replayed from a seed.",
        found,
    );
}

#[test]
fn browser_libraries_are_for_wasm32_alone() {
    let browser = [
        "wasm-bindgen",
        "wasm-bindgen-futures",
        "web-sys",
        "js-sys",
        "serde-wasm-bindgen",
        "gloo-timers",
    ];
    let found = members().into_iter().flat_map(|package| {
        dependencies(&package)
            .filter(|used| used["target"].is_null() && browser.contains(&name(used)))
            .map(|used| format!("{} uses {}", name(&package), name(used)))
            .collect::<Vec<_>>()
    });
    expect_none(
        "On the host these compile to functions that panic: name them under target.'cfg(target_arch = \"wasm32\")'.",
        found,
    );
}

#[test]
fn every_crate_opts_into_the_workspace_lints() {
    let found = members().into_iter().filter_map(|package| {
        let path = package["manifest_path"].as_str().expect("a path");
        let path = Path::new(path)
            .strip_prefix(root())
            .expect("members lie below the root");
        let manifest: toml::Table = read(&path.to_string_lossy()).parse().expect("TOML");
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        (lints.and_then(toml::Value::as_bool) != Some(true)).then(|| path.display().to_string())
    });
    expect_none(
        "One table of lints for all: add [lints] workspace = true.",
        found,
    );
}

/// The dependencies in a manifest that stand neither below a comment nor below others that do.
fn unexplained(manifest: &Tracked) -> Vec<String> {
    let (mut in_dependencies, mut explained) = (false, false);
    let mut found = Vec::new();
    for (place, line) in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
            explained = false;
        } else if line.is_empty() {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if in_dependencies && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let ours = line.starts_with("interlock") || line.contains("workspace = true");
            if !ours && !explained {
                found.push(format!("{place}: {line}"));
            }
        }
    }
    found
}

#[test]
fn every_library_has_a_reason() {
    let manifests = tracked()
        .into_iter()
        .filter(|file| file.path.ends_with("Cargo.toml"));
    expect_none(
        "A library is code we answer for: say above it, in one line, what it is for.",
        manifests.flat_map(|manifest| unexplained(&manifest)),
    );
}

#[test]
fn the_wasm_bindgen_tool_fits_the_library() {
    let version = |of: &str| {
        let found = metadata(&[])
            .into_iter()
            .find(|package| name(package) == of)
            .unwrap_or_else(|| panic!("{of} is not in Cargo.lock"));
        found["version"].as_str().expect("a version").to_owned()
    };
    for tool in ["wasm-bindgen-cli", "interlock-wasm-bindgen"] {
        assert_eq!(
            version(tool),
            version("wasm-bindgen"),
            "{tool} must have wasm-bindgen's version: the two share a format that changes with each release."
        );
    }
}
