//! Words, variables and files that are wrong: the binary says what is wrong with which, in words for
//! people, ends with a failure, and leaves everything as it was.

#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot start the binary has failed"
)]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports that nothing else here uses; taken ones are passed over.
const PORTS: &str = "38420-38430";

/// A folder that is gone with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("interlock-misuse-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Every file and folder in it, with what it holds.
    fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn look(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                found.push((path.clone(), fs::read(&path).unwrap_or_default()));
                if path.is_dir() {
                    look(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        look(&self.0, &mut found);
        found.sort_unstable();
        found
    }

    /// The binary, here.
    fn command(&self, words: &[&str], variables: &[(&str, &OsStr)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        for (name, _) in std::env::vars_os() {
            // The settings of whoever runs the tests are not the tests'.
            if name.to_string_lossy().starts_with("INTERLOCK_") {
                command.env_remove(name);
            }
        }
        command
            .args(words)
            .current_dir(&self.0)
            .env_remove("MCP_INSTANCE_ID")
            .env("INTERLOCK_STATE_DIR", self.0.join("state"))
            .env("INTERLOCK_PORT_RANGE", PORTS)
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command
    }

    /// Runs it with a client that leaves at once.
    fn run(&self, words: &[&str], variables: &[(&str, &OsStr)]) -> Output {
        self.command(words, variables).output().unwrap()
    }

    /// Runs it and gives what it says, which is no success and no crash, and changed nothing.
    fn refused(&self, words: &[&str], variables: &[(&str, &OsStr)]) -> String {
        let before = self.content();
        let done = self.run(words, variables);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let code = done.status.code();
        assert!(matches!(code, Some(1 | 2)), "{words:?}: {code:?}\n{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(done.stdout.is_empty(), "stdout is MCP's");
        assert_eq!(self.content(), before, "{words:?}: {said}");
        said
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_wrong_word_is_named_with_what_is_allowed() {
    let scratch = Scratch::new();
    let cases: [(&[&str], &[&str]); 15] = [
        (&["dance"], &["dance", "--help"]),
        (&["--prot", "9000"], &["--prot", "--port"]),
        (&["--port", "80"], &["80", "--port", "from 1024 to 65535"]),
        (&["--port", "65536"], &["65536", "--port", "from 1024"]),
        (&["--port", "http"], &["http", "--port", "from 1024"]),
        (&["--port-range", "9000-8000"], &["9000-8000", "8765-8775"]),
        (&["--port-range", "80-90"], &["80-90", "1024"]),
        (&["--port-range", ""], &["--port-range", "8765-8775"]),
        (&["--roots"], &["--roots"]),
        (&["--state-dir", ""], &["--state-dir"]),
        (&["--browser", ""], &["--browser"]),
        (&["--label", ""], &["--label"]),
        (
            &["--port", "9000", "--port", "9001"],
            &["--port", "multiple"],
        ),
        (&["pair"], &["--rotate"]),
        (&["extension"], &["<FOLDER>"]),
    ];
    for (words, told) in cases {
        let said = scratch.refused(words, &[]);
        for word in told {
            assert!(said.contains(word), "{words:?} {word}: {said}");
        }
    }
}

#[test]
fn a_wrong_variable_is_named_with_its_value_and_what_is_allowed_and_an_empty_one_is_none() {
    let scratch = Scratch::new();
    let port = "a port from 1024 to 65535";
    let range = "two ports from 1024 on, such as 8765-8775";
    let cases: [(&str, &[u8], &str); 14] = [
        ("INTERLOCK_PORT", b"80", port),
        ("INTERLOCK_PORT", b"abc", port),
        ("INTERLOCK_PORT", b"65536", port),
        ("INTERLOCK_PORT", b" ", port),
        ("INTERLOCK_PORT_RANGE", b"9-1", range),
        ("INTERLOCK_PORT_RANGE", b"8765-", range),
        ("INTERLOCK_PORT_RANGE", b"--help", range),
        (
            "INTERLOCK_ROOTS",
            b"a,,b",
            "folders with a comma between them",
        ),
        ("INTERLOCK_PORT", b"\xff", "takes UTF-8"),
        ("INTERLOCK_PORT_RANGE", b"8765-\xff", "takes UTF-8"),
        ("INTERLOCK_LABEL", b"\xff", "takes UTF-8"),
        ("INTERLOCK_BROWSER", b"\xff", "takes UTF-8"),
        ("INTERLOCK_INSTANCE_ID", b"a\xff", "takes UTF-8"),
        ("MCP_INSTANCE_ID", b"\xff", "takes UTF-8"),
    ];
    for (name, value, allowed) in cases {
        let said = scratch.refused(&[], &[(name, OsStr::from_bytes(value))]);
        let value = String::from_utf8_lossy(value);
        let value = format!("{value:?}");
        for told in [name, &value, allowed] {
            assert!(said.contains(told), "{name} {told}: {said}");
        }
    }
    for name in [
        "INTERLOCK_PORT",
        "INTERLOCK_PORT_RANGE",
        "INTERLOCK_LABEL",
        "INTERLOCK_BROWSER",
        "INTERLOCK_ROOTS",
        "INTERLOCK_INSTANCE_ID",
        "INTERLOCK_LOG_FILE",
        "INTERLOCK_LOG",
        "MCP_INSTANCE_ID",
    ] {
        let done = scratch.run(&[], &[(name, OsStr::new(""))]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {said}");
    }
    // Here the flag has to name the folder: the system's own place is the user's.
    let folder = scratch.0.join("named");
    let words = ["--state-dir", folder.to_str().unwrap(), "pair", "--rotate"];
    let done = scratch.run(&words, &[("INTERLOCK_STATE_DIR", OsStr::new(""))]);
    assert!(done.status.success() && folder.is_dir());
}

#[test]
fn a_command_fails_only_by_the_variables_that_it_uses() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("extension");
    fs::create_dir_all(&folder).unwrap();
    let manifest = include_str!("../../extension-shell/manifest.json");
    fs::write(folder.join("manifest.json"), manifest).unwrap();
    // Whatever is wrong with it: no text, no port, no folder's name.
    let wrong: [(&str, &[u8]); 10] = [
        ("INTERLOCK_PORT", b"80"),
        ("INTERLOCK_PORT", b"abc"),
        ("INTERLOCK_PORT", b"\xff"),
        ("INTERLOCK_PORT_RANGE", b"9-1"),
        ("INTERLOCK_PORT_RANGE", b"\xff"),
        ("INTERLOCK_ROOTS", b"a,,b"),
        ("INTERLOCK_LABEL", b"\xff"),
        ("INTERLOCK_BROWSER", b"\xff"),
        ("INTERLOCK_INSTANCE_ID", b"\xff"),
        ("MCP_INSTANCE_ID", b"\xff"),
    ];
    let pair_only = ["extension", "extension", "--pair-only"];
    let ranged = [&pair_only[..], &["--port-range", "17000-17010"]].concat();
    let flags = "--port 38431 --port-range 38420-38430 --roots . --label a --browser b \
                 --instance-id c";
    let flags: Vec<&str> = flags.split(' ').collect();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--version"], &[]),
        (&["--help"], &[]),
        (&["pair", "--rotate"], &[]),
        (&pair_only, &["INTERLOCK_PORT_RANGE"]),
        // Nor by one that a flag stands for.
        (&ranged, &[]),
        (&flags, &[]),
    ];
    assert!(scratch.run(&["pair", "--rotate"], &[]).status.success());
    for (words, uses) in cases {
        for (name, value) in wrong {
            let variable = [(name, OsStr::from_bytes(value))];
            if uses.contains(&name) {
                let said = scratch.refused(words, &variable);
                assert!(said.contains(name), "{words:?}: {said}");
            } else {
                let done = scratch.run(words, &variable);
                assert!(done.status.success(), "{words:?} {name}: {done:?}");
            }
        }
    }
}

#[test]
fn words_that_are_no_text_are_told_and_folders_of_any_name_are_used() {
    let scratch = Scratch::new();
    let odd = OsStr::from_bytes(b"odd-\xff");
    for flag in ["--port", "--label", "--browser", "--instance-id", "dance"] {
        let done = scratch.command(&[flag], &[]).arg(odd).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{flag}: {said}");
        let told = said.contains("UTF-8") || said.contains(flag);
        assert!(told && !said.contains("panicked"), "{flag}: {said}");
    }
    let folder = scratch.0.join(odd);
    fs::create_dir(&folder).unwrap();
    let log = folder.join("log");
    let variables = [
        ("INTERLOCK_STATE_DIR", folder.as_os_str()),
        ("INTERLOCK_ROOTS", folder.as_os_str()),
        ("INTERLOCK_LOG_FILE", log.as_os_str()),
    ];
    // Also where it works, and as what it is called after.
    let mut server = scratch.command(&["--label", "{folder}"], &variables);
    let mut server = server
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let mut stdin = server.stdin.take().unwrap();
    writeln!(stdin, "{hello}").unwrap();
    let mut answer = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut answer).unwrap();
    assert!(answer.contains("serverInfo"), "{answer}");
    let began = std::time::Instant::now();
    while !folder.join("secret").exists() || fs::read(&log).unwrap_or_default().is_empty() {
        assert!(began.elapsed().as_secs() < 60, "no state, or no log");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(stdin);
    assert!(server.wait().unwrap().success());
    let words = ["extension", "paired"];
    let state = [("INTERLOCK_STATE_DIR", folder.as_os_str())];
    let done = scratch
        .command(&words, &state)
        .current_dir(&folder)
        .output();
    let said = done.unwrap();
    // Without a bundle it says how to get one.
    let told = String::from_utf8_lossy(&said.stderr).contains("build.sh");
    assert!(said.status.success() || told, "{said:?}");
}

#[test]
fn a_log_filter_that_is_no_text_is_told_and_the_server_serves() {
    let scratch = Scratch::new();
    let done = scratch.run(&[], &[("INTERLOCK_LOG", OsStr::from_bytes(b"\xff"))]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("INTERLOCK_LOG"), "{said}");
}

#[test]
fn a_file_or_folder_that_cannot_be_used_is_named() {
    let scratch = Scratch::new();
    let file = scratch.0.join("a-file");
    fs::write(&file, "mine").unwrap();
    let below = scratch.0.join("a-file/below");
    let below = below.to_str().unwrap();
    let cases: [&[&str]; 4] = [
        &["--log-file", below],
        &["--state-dir", below, "pair", "--rotate"],
        &["--state-dir", below, "extension", "x", "--pair-only"],
        &["extension", below, "--pair-only"],
    ];
    for words in cases {
        // The state folder itself may have been made.
        fs::create_dir_all(scratch.0.join("state")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(scratch.0.join("state"), mode).unwrap();
        let said = scratch.refused(words, &[]);
        assert!(said.contains(below), "{words:?}: {said}");
    }
    // A server goes on without a state folder, since its client needs answers that say so.
    let mut server = scratch.command(&["--state-dir", below], &[]);
    let server = server.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut said = String::new();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    log.read_line(&mut said).unwrap();
    drop(server.stdin.take());
    assert!(
        server.wait().unwrap().success() && said.contains(below),
        "{said}"
    );
}

#[test]
fn a_log_filter_that_cannot_be_read_is_told_and_the_log_is_as_without() {
    let scratch = Scratch::new();
    let done = scratch.run(&[], &[("INTERLOCK_LOG", OsStr::new("interlock=loud"))]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(
        said.contains("INTERLOCK_LOG") && said.contains("loud"),
        "{said}"
    );
}

#[test]
fn a_damaged_secret_pairs_nothing_and_is_named_with_what_mends_it() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("extension");
    fs::create_dir_all(&folder).unwrap();
    let manifest = include_str!("../../extension-shell/manifest.json");
    fs::write(folder.join("manifest.json"), manifest).unwrap();
    fs::create_dir_all(scratch.0.join("state")).unwrap();
    let secret = scratch.0.join("state/secret");
    for damage in [&b""[..], b"short", b"\xff\xfe", &[b'g'; 64], &[b'0'; 65]] {
        fs::write(&secret, damage).unwrap();
        let said = scratch.refused(&["extension", "extension", "--pair-only"], &[]);
        for word in [secret.to_str().unwrap(), "pair --rotate"] {
            assert!(said.contains(word), "{damage:?} {word}: {said}");
        }
    }
    assert!(scratch.run(&["pair", "--rotate"], &[]).status.success());
    let paired = scratch.run(&["extension", "extension", "--pair-only"], &[]);
    assert!(paired.status.success(), "{paired:?}");
}
