//! Rules for build.sh, seen from outside: it is run with a `cargo` that only notes what it was asked.

use crate::crates::{members, name};
use crate::repository::{expect_none, read, root};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder with programs, and nothing else on the path.
struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// What every machine has.
    fn bare(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidy-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let this = Self { folder };
        for program in ["bash", "dirname", "wc", "cat", "mkdir", "id"] {
            let found = ["/usr/bin", "/bin"]
                .map(|folder| Path::new(folder).join(program))
                .into_iter()
                .find(|path| path.is_file())
                .unwrap_or_else(|| panic!("{program} is on every machine"));
            symlink(found, this.folder.join(program)).expect("a link");
        }
        this
    }

    /// One with Rust and a linker. Its `cargo` notes each call and fails in call number `fails`.
    fn with_rust(test: &str, fails: usize) -> Self {
        let this = Self::bare(test);
        let calls = this.folder.join("calls");
        let calls = calls.display();
        this.program(
            "cargo",
            &format!("echo \"$*\" >>{calls}; [ \"$(wc -l <{calls})\" -ne {fails} ]"),
        );
        this.program("rustc", "echo /");
        for program in ["cc", "node"] {
            this.program(program, ":");
        }
        this
    }

    fn program(&self, name: &str, does: &str) {
        let path = self.folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{does}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a run bit");
    }

    fn build(&self, arguments: &str, seed: Option<&str>) -> Output {
        let mut command = Command::new(self.folder.join("bash"));
        command
            .arg(root().join("build.sh"))
            .args(arguments.split(' '))
            .env_clear()
            .env("PATH", &self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join("target"));
        if let Some(seed) = seed {
            command.env("SIM_SEED", seed);
        }
        command.output().expect("bash starts")
    }

    /// What cargo was asked, a line a call.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn what_is_missing_is_said_in_one_line_and_the_script_stops() {
    let cases = [
        ("cargo", "build.sh needs Rust: see https://rustup.rs\n"),
        ("cc", "build.sh needs a C linker: "),
        (
            "rustc",
            "build.sh needs Rust's wasm32-unknown-unknown target: ",
        ),
        ("node", "build.sh needs node or chromedriver: "),
    ];
    for (program, said) in cases {
        let machine = Machine::with_rust(program, 0);
        fs::remove_file(machine.folder.join(program)).expect("it was there");
        let done = machine.build("test core", None);
        let errors = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "without {program}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.starts_with(said), "{errors}");
        let tested = machine.calls().iter().any(|call| call.starts_with("test"));
        assert!(!tested, "without {program}: {:?}", machine.calls());
    }
}

#[test]
fn repetition_stops_at_the_first_failure() {
    for (fails, runs) in [(0, 3), (2, 2)] {
        let machine = Machine::with_rust(&format!("repeat{fails}"), fails);
        let done = machine.build("test tidy some_name --repeat 3", None);
        assert_eq!(done.status.success(), fails == 0);
        let calls = machine.calls();
        assert_eq!(calls.len(), runs, "{calls:?}");
        let tidy = "test --locked -p interlock-tidy some_name";
        assert!(calls.iter().all(|call| call == tidy), "{calls:?}");
    }
}

#[test]
fn a_failure_of_one_part_is_the_commands_own() {
    let machine = Machine::with_rust("lint", 2);
    let done = machine.build("test lint", None);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(!done.status.success() && said.contains("FAILED"), "{said}");
    assert_eq!(machine.calls().len(), 2, "nothing after the failure");
}

#[test]
fn a_seed_that_is_named_is_played_alone() {
    let machine = Machine::with_rust("seed", 0);
    assert!(machine.build("test sim", Some("7")).status.success());
    let calls = machine.calls();
    let asked = "test --locked -p interlock-sim the_seed_that_was_asked_for -- --nocapture";
    assert_eq!(calls, [asked]);
}

#[test]
fn an_unknown_word_is_answered_with_the_known_ones() {
    let machine = Machine::with_rust("usage", 0);
    for words in ["dance", "test dance"] {
        let done = machine.build(words, None);
        assert_eq!(done.status.code(), Some(2), "{words}");
        assert!(String::from_utf8_lossy(&done.stderr).contains("./build.sh demo"));
    }
    assert!(machine.calls().is_empty());
}

#[test]
fn one_command_runs_every_test_there_is() {
    let script = read("build.sh");
    let parts = script
        .lines()
        .find_map(|line| line.trim().strip_prefix("for part in "))
        .expect("test_all names the parts");
    let forgotten_parts = script
        .lines()
        .filter_map(|line| line.strip_prefix("test_")?.split_once("()"))
        .map(|(part, _)| part)
        .filter(|part| !["all", "one"].contains(part))
        .filter(|part| !parts.split([' ', ';']).any(|named| named == *part))
        .map(|part| format!("test_{part} is no part of ./build.sh test"));
    // The tool has no tests of its own.
    let forgotten_crates = members()
        .into_iter()
        .filter(|package| name(package) != "interlock-wasm-bindgen")
        .filter(|package| {
            let named = format!("-p {}", name(package));
            !script.lines().any(|line| {
                line.contains("cargo test") && line.split(" -p").count() > 1 && {
                    line.match_indices(&named)
                        .any(|(at, _)| !line[at + named.len()..].starts_with('-'))
                }
            })
        })
        .map(|package| format!("no cargo test of build.sh names {}", name(&package)));
    expect_none(
        "What ./build.sh test does not run, nobody runs.",
        forgotten_parts.chain(forgotten_crates),
    );
    assert!(
        read(".ci/run").ends_with("\nexec ./build.sh test\n"),
        ".ci/run is exactly ./build.sh test"
    );
}
