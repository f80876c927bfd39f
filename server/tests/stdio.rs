//! The binary as a client starts it: pipes, a folder of its own, no extension anywhere.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot start its server has failed"
)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A server that is not gone by then hangs; ended ones have a second.
const HANG: Duration = Duration::from_secs(20);

/// Ports that nothing else here uses; taken ones are passed over.
const PORTS: &str = "38400-38410";

struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Server {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::start_on(Stdio::piped(), environment)
    }

    fn start_on(stdin: Stdio, environment: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("interlock-stdio-{}-{number}", std::process::id()));
        std::fs::create_dir_all(folder.join("work")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        for (name, _) in std::env::vars_os() {
            // The settings of whoever runs the tests are not the tests'.
            if name.to_string_lossy().starts_with("INTERLOCK_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["--port-range", PORTS, "--state-dir"])
            .arg(folder.join("state"))
            .current_dir(folder.join("work"))
            .env_remove("MCP_INSTANCE_ID")
            .env("RUST_BACKTRACE", "1")
            .envs(environment.iter().copied())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            child,
            folder,
        }
    }

    fn greeted() -> Self {
        let mut server = Self::start();
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "stdio-test", "version": "1"},
        });
        let welcome = server.ask(0, "initialize", hello);
        assert_eq!(welcome["result"]["protocolVersion"], "2025-11-25");
        server.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        server
    }

    fn say(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn request(&mut self, id: u32, method: &str, params: Value) {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line:?}"))
    }

    fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.request(id, method, params);
        let answer = self.hear();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Waits until the server is gone; what it still said, its log, and how it ended.
    fn finish(&mut self) -> (Vec<Value>, String, ExitStatus) {
        drop(self.stdin.take());
        // Read before it ends: a full pipe would hold it.
        let mut stderr = self.child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        });
        let status = self.exit();
        let mut said = Vec::new();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        for line in rest.lines() {
            said.push(serde_json::from_str(line).expect("nothing but MCP on stdout"));
        }
        (said, log.join().unwrap(), status)
    }

    fn exit(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < HANG, "the server does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, and its folder made by nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_client_that_says_nothing_and_leaves_is_no_failure() {
    let (said, log, status) = Server::start().finish();
    assert!(status.success(), "{status}\n{log}");
    assert!(said.is_empty(), "{said:?}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn tools_are_listed_in_both_revisions() {
    let mut server = Server::greeted();
    let legacy = server.ask(1, "tools/list", json!({}));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "stdio-test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut other = Server::start();
    let found = other.ask(1, "server/discover", json!({"_meta": meta}));
    assert!(found["result"]["instructions"].is_string(), "{found}");
    let modern = other.ask(2, "tools/list", json!({"_meta": meta}));
    assert_eq!(legacy["result"]["tools"], modern["result"]["tools"]);
    assert_eq!(legacy["result"]["tools"].as_array().unwrap().len(), 17);
}

#[test]
fn a_call_without_a_browser_says_what_it_waits_for_and_the_end_of_stdin_ends_it() {
    let mut server = Server::greeted();
    let params = json!({
        "name": "browser_snapshot",
        "arguments": {},
        "_meta": {"progressToken": "t"},
    });
    server.request(1, "tools/call", params);
    let said = server.hear();
    assert_eq!(said["method"], "notifications/progress", "{said}");
    let began = Instant::now();
    let (said, log, status) = server.finish();
    assert!(began.elapsed() < HANG, "{:?}", began.elapsed());
    assert!(status.success(), "{status}\n{log}");
    let answer = said.iter().find(|message| message["id"] == 1);
    let answer = answer.unwrap_or_else(|| panic!("no answer: {said:?}"));
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}

#[test]
fn a_wrong_argument_is_refused_without_a_browser() {
    let mut server = Server::greeted();
    let params = json!({"name": "browser_navigate", "arguments": {"url": "chrome://settings"}});
    let answer = server.ask(1, "tools/call", params);
    assert_eq!(answer["result"]["_meta"]["code"], "url_refused", "{answer}");
}

#[test]
fn a_line_that_is_not_json_is_answered() {
    let mut server = Server::greeted();
    let stdin = server.stdin.as_mut().unwrap();
    stdin.write_all(b"hello?\n").unwrap();
    assert_eq!(server.hear()["error"]["code"], -32700);
    assert!(server.ask(1, "ping", json!({}))["result"].is_object());
}

#[test]
#[cfg(unix)]
fn a_signal_ends_it_as_the_end_of_stdin_does() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut server = Server::greeted();
        let params = json!({"name": "browser_snapshot", "arguments": {}});
        server.request(1, "tools/call", params);
        // Its answer shows that the call before it has been read.
        server.ask(2, "ping", json!({}));
        let pid = server.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        let began = Instant::now();
        let stdin = server.stdin.take();
        let status = server.exit();
        assert!(began.elapsed() < HANG, "{:?}", began.elapsed());
        assert!(status.success(), "{signal}: {status}");
        drop(stdin);
        let (said, log, _) = server.finish();
        assert!(
            said.iter().any(|message| message["id"] == 1),
            "{said:?}\n{log}"
        );
    }
}

#[test]
fn what_is_typed_into_pages_is_in_no_log() {
    let mut server = Server::start_with(&[("INTERLOCK_LOG", "trace")]);
    let hello = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "stdio-test", "version": "1"},
    });
    server.ask(0, "initialize", hello);
    let arguments = json!({"target": "e1", "text": "hunter2-secret"});
    let params = json!({"name": "browser_type", "arguments": arguments});
    server.request(1, "tools/call", params);
    server.ask(2, "ping", json!({}));
    let (_, log, _) = server.finish();
    assert!(
        log.contains("listening"),
        "nothing was logged at all: {log}"
    );
    assert!(!log.contains("hunter2-secret"), "{log}");
}

#[cfg(unix)]
#[test]
fn a_client_that_leaves_at_once_finds_nothing_half_made_behind() {
    for _ in 0..40 {
        let mut server = Server::start_on(Stdio::null(), &[]);
        server.exit();
        let state = server.folder.join("state");
        let left: Vec<_> = ["", "instances", "registry"]
            .into_iter()
            .flat_map(|folder| std::fs::read_dir(state.join(folder)))
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[cfg(unix)]
#[test]
fn the_log_file_is_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let log = std::env::temp_dir().join(format!("interlock-log-{}", std::process::id()));
    let mut server = Server::start_with(&[("INTERLOCK_LOG_FILE", log.to_str().unwrap())]);
    let began = Instant::now();
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("listening")) {
        assert!(began.elapsed() < HANG, "nothing was logged");
        thread::sleep(Duration::from_millis(5));
    }
    drop(server.stdin.take());
    server.exit();
    let mode = std::fs::metadata(&log).unwrap().permissions().mode();
    std::fs::remove_file(&log).unwrap();
    assert_eq!(mode & 0o777, 0o600);
}
