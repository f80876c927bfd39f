//! Rules for Rust and JavaScript.

use crate::repository::{Tracked, expect_none, output_of, tracked};

/// One file is one subject; beyond this it is surely two.
const LINES_MAX: usize = 900;

fn sources() -> impl Iterator<Item = Tracked> {
    tracked().into_iter().filter(|file| file.is(&["rs", "js"]))
}

#[test]
fn no_source_file_is_too_long_to_be_one_subject() {
    let long = sources().filter_map(|file| {
        let lines = file.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", file.path))
    });
    expect_none(
        "A file over 900 lines is more than one subject: split it.",
        long,
    );
}

#[test]
fn nothing_is_left_undone_in_the_code() {
    // Written in two parts, so that this file does not hold them.
    let words = [
        concat!("#[ign", "ore"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unimplem", "ented!("),
        concat!("db", "g!("),
    ];
    let left = sources().flat_map(|file| {
        file.lines()
            .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
            .map(|(place, line)| format!("{place}: {}", line.trim()))
            .collect::<Vec<_>>()
    });
    expect_none(
        "What is on main is finished; what is not has an issue, not a mark in the code.",
        left,
    );
}

#[test]
fn a_module_with_parts_is_a_file_beside_its_folder() {
    let found = tracked()
        .into_iter()
        .filter(|file| file.path.ends_with("/mod.rs"))
        .map(|file| file.path);
    expect_none(
        "foo.rs beside foo/: ten open editor tabs called mod.rs help nobody.",
        found,
    );
}

/// The part of the extension's core that may know the browser.
fn is_glue(path: &str) -> bool {
    path == "extension-core/src/wasm.rs" || path.starts_with("extension-core/src/wasm/")
}

#[test]
fn only_the_glue_depends_on_the_compilation_target() {
    let found = sources().filter(|file| {
        file.path.starts_with("extension-core/src/")
            && !is_glue(&file.path)
            && file.path != "extension-core/src/lib.rs"
            && file
                .lines()
                .any(|(_, line)| line.contains("cfg(target_arch"))
    });
    expect_none(
        "The simulation tests the core on the host: what is compiled for wasm32 alone is never tested there.",
        found.map(|file| file.path),
    );
}

#[test]
fn the_core_in_the_browser_keeps_no_trees_but_json() {
    let trees = ["BTreeMap<", "BTreeMap::<", "BTreeSet"];
    // A JSON object is a tree already, and a page's ids are too many for a row.
    let kept = ["BTreeMap<String, ", "BTreeMap<&'a str, "];
    let core = sources().filter(|file| {
        (file.path.starts_with("extension-core/src/") || file.path == "protocol/src/time.rs")
            && !file.path.contains("/tests")
    });
    let found = core.flat_map(|file| {
        file.lines()
            .filter(|(_, line)| trees.iter().any(|tree| line.contains(tree)))
            .filter(|(_, line)| !kept.iter().any(|kept| line.contains(kept)))
            .map(|(place, line)| format!("{place}: {}", line.trim()))
            .collect::<Vec<_>>()
    });
    expect_none(
        "Take protocol::SortedMap or SortedSet: each kind of tree is kilobytes of the extension's module.",
        found,
    );
}

#[test]
fn only_the_glue_names_a_browser_type() {
    let names = ["web_sys", "js_sys", "wasm_bindgen"];
    let found = sources()
        .filter(|file| file.path.starts_with("extension-core/src/") && !is_glue(&file.path))
        .flat_map(|file| {
            file.lines()
                .filter(|(_, line)| names.iter().any(|name| line.contains(&format!("{name}::"))))
                .map(|(place, _)| place)
                .collect::<Vec<_>>()
        });
    expect_none(
        "The core asks the world nothing: give it an input or an effect.",
        found,
    );
}

#[test]
fn every_script_can_be_run() {
    let dull = ["build.sh", ".ci/run"]
        .into_iter()
        .filter(|script| !output_of("git", &["ls-files", "-s", script]).starts_with("100755"));
    expect_none(
        "A clone runs these by name; git must know their run bit.",
        dull.map(str::to_owned),
    );
}
