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
        this.link(&["bash", "dirname", "wc", "cat", "mkdir"]);
        this
    }

    /// Programs of this machine that only look at files and move them.
    fn link(&self, programs: &[&str]) {
        for program in programs {
            let found = ["/usr/bin", "/bin"]
                .map(|folder| Path::new(folder).join(program))
                .into_iter()
                .find(|path| path.is_file())
                .unwrap_or_else(|| panic!("{program} is on every machine"));
            symlink(found, self.folder.join(program)).expect("a link");
        }
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

    /// One on which everything can be built. All that builds only notes that it was called, the
    /// name of the program before its arguments where it is not cargo.
    fn with_everything(test: &str, fails: usize) -> Self {
        let this = Self::with_rust(test, fails);
        this.link(&["rm", "cp", "mv", "diff", "cksum", "tr", "gzip", "head"]);
        let folder = this.folder.display();
        let notes = |program: &str| format!("echo {program} \"$@\" >>{folder}/calls");
        let package = format!("{folder}/target/extension-package");
        let wasm_pack = format!(
            "[ \"$1\" != --version ] || {{ echo {}; exit; }}\n{}\nmkdir -p {package}\n\
             echo glue >{package}/extension_core.js\n\
             cp {folder}/module {package}/extension_core_bg.wasm",
            wasm_pack(),
            notes("wasm-pack"),
        );
        this.program("wasm-pack", &wasm_pack);
        this.module("one");
        let bin = format!("{folder}/target/tools/binaryen/node_modules/.bin");
        let npm = format!(
            "{}\nmkdir -p {bin}\ncp {folder}/shrinker {bin}/wasm-opt",
            notes("npm")
        );
        this.program("npm", &npm);
        this.program(
            "shrinker",
            &format!("{}\ncp \"$2\" \"$4\"", notes("wasm-opt")),
        );
        fs::create_dir_all(this.folder.join("target/release")).expect("a folder");
        this.program("target/release/interlock", &notes("interlock"));
        this.program("id", "echo 0");
        for program in ["chromium", "Xvfb"] {
            this.program(program, "echo Chromium 1");
        }
        this
    }

    /// What its wasm-pack makes of the source from now on.
    fn module(&self, content: &str) {
        fs::write(self.folder.join("module"), content).expect("a file");
    }

    fn remove(&self, program: &str) {
        fs::remove_file(self.folder.join(program)).expect("it was there");
    }

    fn program(&self, name: &str, does: &str) {
        let path = self.folder.join(name);
        assert!(!path.is_symlink(), "{name} is the machine's own");
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

/// How the wasm-pack that build.sh wants names itself.
fn wasm_pack() -> String {
    let script = read("build.sh");
    let mut lines = script.lines();
    let version = lines.find_map(|line| line.strip_prefix("wasm_pack_version="));
    format!("wasm-pack {}", version.expect("build.sh names its version"))
}

/// It said one line, which begins with `said`, and failed.
fn expect_need(done: &Output, said: &str) {
    let errors = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}: {errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with(said), "{errors}");
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
        machine.remove(program);
        expect_need(&machine.build("test core", None), said);
        let tested = machine.calls().iter().any(|call| call.starts_with("test"));
        assert!(!tested, "without {program}: {:?}", machine.calls());
    }
}

#[test]
fn what_cannot_be_brought_is_said_in_one_line_and_the_script_stops() {
    // The second thing that cargo is asked is to install it.
    let machine = Machine::with_everything("wasm-pack", 2);
    machine.remove("wasm-pack");
    let said = format!("build.sh needs {}: cargo install wasm-pack ", wasm_pack());
    expect_need(&machine.build("build", None), &said);
    let calls = machine.calls();
    assert!(calls[1].starts_with("install wasm-pack "), "{calls:?}");
    assert_eq!(calls.len(), 2, "nothing after the failure");

    for (program, named, package, command) in [
        ("chromium", "Chromium", "chromium", "demo"),
        ("Xvfb", "Xvfb", "xvfb", "test e2e"),
    ] {
        let machine = Machine::with_everything(program, 0);
        machine.remove(program);
        let said = format!("build.sh needs {named}: install it with your package manager");
        expect_need(&machine.build(command, None), &said);
        machine.program("apt-get", "exit 100");
        let said = format!("build.sh needs {named}, and apt-get could not install {package} (see ");
        expect_need(&machine.build(command, None), &said);
        machine.program("id", "echo 1000");
        let said = format!("build.sh needs {named}: sudo apt-get install {package}\n");
        expect_need(&machine.build(command, None), &said);
    }
}

#[test]
fn without_npm_the_module_is_left_as_it_is_and_that_is_said() {
    let machine = Machine::with_everything("npm", 0);
    machine.remove("npm");
    let done = machine.build("build", None);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("left out: it needs npm, "), "{said}");
}

#[test]
fn a_second_build_brings_and_shrinks_nothing_and_leaves_the_bundle_as_it_was() {
    let machine = Machine::with_everything("twice", 0);
    let bundled = machine
        .folder
        .join("target/extension-bundle/pkg/extension_core_bg.wasm");
    let build = || {
        let before = machine.calls().len();
        let done = machine.build("build", None);
        assert!(done.status.success(), "{done:?}");
        let made = fs::metadata(&bundled).and_then(|found| found.modified());
        let calls = machine.calls().split_off(before);
        (calls, made.expect("a bundle"))
    };
    let (first, made) = build();
    let (second, still) = build();
    machine.module("two");
    let (third, made_again) = build();
    // What wasm-pack and cargo have to do, they know themselves.
    let counts = |calls: &[String]| {
        let count = |name: &str| calls.iter().filter(|call| call.starts_with(name)).count();
        ["wasm-pack", "npm", "wasm-opt", "interlock"].map(count)
    };
    assert_eq!(counts(&first), [1, 1, 1, 1], "{first:?}");
    assert_eq!(counts(&second), [1, 0, 0, 1], "{second:?}");
    assert_eq!(counts(&third), [1, 0, 1, 1], "{third:?}");
    // The binary around it would be built again.
    assert_eq!(made, still);
    assert_ne!(made, made_again);
}

#[test]
fn repetition_stops_at_the_first_failure() {
    for (fails, runs) in [(0, 3), (2, 2)] {
        let machine = Machine::with_rust(&format!("repeat{fails}"), fails);
        let done = machine.build("test tidy some_name --repeat 3", None);
        assert_eq!(done.status.success(), fails == 0);
        let calls = machine.calls();
        assert_eq!(calls.len(), runs, "{calls:?}");
        let tidy = "test --locked --no-fail-fast -p interlock-tidy some_name";
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
    let asked =
        "test --locked --no-fail-fast -p interlock-sim the_seed_that_was_asked_for -- --nocapture";
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
