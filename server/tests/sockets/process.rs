//! The real binary, as an MCP client starts it.

use crate::rig::{Browser, PATIENCE, Scratch};
use protocol::Frame;
use protocol::frame::{GoodbyeReason, Outcome};
use protocol::pairing::Secret;
use serde_json::{Value, json};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

fn program(scratch: &Scratch) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    for (name, _) in std::env::vars() {
        if name.starts_with("INTERLOCK_") || name == "MCP_INSTANCE_ID" {
            command.env_remove(name);
        }
    }
    command
        .arg("--state-dir")
        .arg(scratch.path().join("state"))
        .current_dir(scratch.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

impl Process {
    /// Starts a server and shakes hands with it as an MCP client.
    async fn start(scratch: &Scratch, args: &[&str]) -> Self {
        Self::greet(program(scratch).args(args)).await
    }

    async fn greet(program: &mut Command) -> Self {
        let mut child = program.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut this = Self {
            child,
            stdin,
            stdout,
        };
        let client = json!({"name": "test", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        this.write(&hello).await;
        this.read().await;
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        this.write(&ready).await;
        this
    }

    async fn write(&mut self, message: &Value) {
        let line = format!("{message}\n");
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).await.unwrap();
    }

    async fn read(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await;
        serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap()
    }

    async fn snapshot(&mut self, id: u64) {
        let params = json!({"name": "browser_snapshot", "arguments": {}});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        self.write(&call).await;
    }

    async fn exit(&mut self) -> ExitStatus {
        let exited = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        exited.unwrap().unwrap()
    }
}

/// Ports of their own, below those that the system gives to connections: a range whose first port
/// is free.
fn free_range() -> (u16, String) {
    loop {
        let random = interlock::state::random().unwrap();
        let first = 20_000 + u16::from_be_bytes([random[0], random[1]]) % 11_000;
        if std::net::TcpListener::bind(("127.0.0.1", first)).is_ok() {
            return (first, format!("{first}-{}", first + 10));
        }
    }
}

/// The ports of the servers of this state folder, once there are `count`.
async fn ports(scratch: &Scratch, count: usize) -> Vec<u16> {
    let folder = scratch.path().join("state/registry");
    let began = Instant::now();
    loop {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut ports: Vec<u16> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| name.split_once('-')?.0.parse().ok())
            .collect();
        ports.sort_unstable();
        if ports.len() == count {
            return ports;
        }
        assert!(began.elapsed() < PATIENCE, "{ports:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn secret(scratch: &Scratch) -> Secret {
    scratch.state().read_secret().unwrap()
}

async fn connect(scratch: &Scratch, port: u16, outcome: Outcome) -> Browser {
    let mut browser = Browser::pair(port, &secret(scratch), "b1").await;
    browser.open(outcome, vec![]).await;
    browser
}

#[tokio::test]
async fn a_tool_call_runs_through_the_binary_and_its_end_is_quick_and_polite() {
    let scratch = Scratch::new();
    let (_, range) = free_range();
    let mut process = Process::start(&scratch, &["--port-range", &range]).await;
    process.snapshot(1).await;
    let port = ports(&scratch, 1).await[0];
    let mut browser = connect(&scratch, port, Outcome::New).await;
    let command = browser.command().await;
    let data = json!({"success": true, "snapshot": "- heading \"Hello\""});
    browser.respond(&command, data).await;
    let answer = process.read().await;
    assert_eq!(answer["id"], 1);
    assert!(answer["result"].to_string().contains("Hello"), "{answer}");

    // One call is open when stdin ends; its answer still comes.
    process.snapshot(2).await;
    browser.command().await;
    let began = Instant::now();
    process.stdin = None;
    let answer = process.read().await;
    assert!(
        answer["result"].to_string().contains("cancelled"),
        "{answer}"
    );
    assert!(matches!(browser.next().await, Some(Frame::Cancel { .. })));
    let goodbye = browser.goodbye().await;
    assert_eq!(
        (goodbye.reason, goodbye.grace_s),
        (GoodbyeReason::Ending, Some(10))
    );
    assert!(process.exit().await.success());
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert!(
        ports(&scratch, 0).await.is_empty(),
        "nothing is left behind"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_is_an_end_too_and_a_named_instance_says_that_it_comes_back() {
    let scratch = Scratch::new();
    let (_, range) = free_range();
    let args = ["--port-range", &range, "--instance-id", "me"];
    let mut process = Process::start(&scratch, &args).await;
    let port = ports(&scratch, 1).await[0];
    let mut browser = Browser::pair(port, &secret(&scratch), "b1").await;
    let first = browser.open(Outcome::New, vec![]).await;
    let began = Instant::now();
    let pid = process.child.id().unwrap().to_string();
    let killed = Command::new("kill").arg(pid).status().await.unwrap();
    assert!(killed.success());
    assert_eq!(browser.goodbye().await.grace_s, Some(300));
    assert!(process.exit().await.success());
    assert!(began.elapsed() < PATIENCE);

    // The same instance is the same session, on the same port.
    let _process = Process::start(&scratch, &args).await;
    assert_eq!(ports(&scratch, 1).await, vec![port]);
    let mut browser = Browser::pair(port, &secret(&scratch), "b1").await;
    let second = browser.open(Outcome::Resumed, vec![]).await;
    assert_eq!(second.session_id, first.session_id);
    assert_eq!(second.resume_token, first.resume_token);
}

#[tokio::test]
async fn what_the_user_sets_in_the_environment_counts() {
    let (scratch, elsewhere) = (Scratch::new(), Scratch::new());
    let (first, range) = free_range();
    let mut process = Process::greet(
        program(&scratch)
            .env("INTERLOCK_PORT_RANGE", &range)
            .env("INTERLOCK_LABEL", "works in {folder}")
            .env("INTERLOCK_BROWSER", "b2")
            .env("INTERLOCK_ROOTS", elsewhere.path())
            .env("MCP_INSTANCE_ID", "me"),
    )
    .await;
    let port = ports(&scratch, 1).await[0];
    assert!((first..=first + 10).contains(&port), "{port} of {range}");
    let mut other = Browser::pair(port, &secret(&scratch), "b1").await;
    let Some(Frame::SessionOpen(open)) = other.next().await else {
        panic!("a browser is told of the session");
    };
    assert!(open.standby, "only b2 is wanted");
    let mut browser = Browser::pair(port, &secret(&scratch), "b2").await;
    let open = browser.open(Outcome::New, vec![]).await;
    let folder = scratch.path().file_name().unwrap().to_string_lossy();
    assert_eq!(
        (open.standby, open.label),
        (false, format!("works in {folder}"))
    );

    let file = elsewhere.path().join("a.png");
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "browser_take_screenshot", "arguments": {"filename": file}}});
    process.write(&call).await;
    let command = browser.command().await;
    let image = json!({"mime": "image/png", "data": "eHl6"});
    let data = json!({"success": true, "image": image});
    browser.respond(&command, data).await;
    let answer = process.read().await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    assert_eq!(std::fs::read(file).unwrap(), b"xyz");

    process.stdin = None;
    assert_eq!(browser.goodbye().await.grace_s, Some(300), "it is named");
}

#[tokio::test]
async fn pair_only_writes_the_secret_and_the_ports_and_nothing_else() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("shell");
    std::fs::create_dir(&folder).unwrap();
    let manifest = include_str!("../../../extension-shell/manifest.json");
    std::fs::write(folder.join("manifest.json"), manifest).unwrap();
    let mut program = program(&scratch);
    program.arg("extension").arg(&folder);
    program.args(["--pair-only", "--port-range", "17000-17010"]);
    let done = program.output().await.unwrap();
    assert!(done.status.success(), "{done:?}");
    let entries = std::fs::read_dir(&folder).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["config.json", "manifest.json", "pairing.json"]);
    let read = |name| std::fs::read_to_string(folder.join(name)).unwrap();
    assert!(read("pairing.json").contains(&secret(&scratch).to_hex()));
    assert!(read("config.json").contains("17010"));
    assert_eq!(read("manifest.json"), manifest);
}

#[tokio::test]
async fn siblings_are_announced_when_they_come_and_when_they_die() {
    let scratch = Scratch::new();
    let (_, range) = free_range();
    let _one = Process::start(&scratch, &["--port-range", &range]).await;
    let own = ports(&scratch, 1).await[0];
    let mut browser = connect(&scratch, own, Outcome::New).await;
    let mut two = Process::start(&scratch, &["--port-range", &range]).await;
    let both = ports(&scratch, 2).await;
    assert!(both[0] == own && both[1] > own, "the lowest free port");
    let list = |ports: &[u16]| Frame::PortListResponse {
        ports: ports.iter().copied().map(Value::from).collect(),
    };
    assert_eq!(next_list(&mut browser).await, list(&both));
    // No goodbye, no clean-up.
    let killed = Instant::now();
    two.child.start_kill().unwrap();
    assert_eq!(next_list(&mut browser).await, list(&[own]));
    assert!(killed.elapsed() < PATIENCE);
    // Two instances of one client in one folder are two sessions.
    let mut three = Process::start(&scratch, &["--port-range", &range]).await;
    next_list(&mut browser).await;
    three.stdin = None;
    assert!(three.exit().await.success());
    assert_eq!(next_list(&mut browser).await, list(&[own]));
}

async fn next_list(browser: &mut Browser) -> Frame {
    loop {
        match browser.next().await {
            Some(list @ Frame::PortListResponse { .. }) => return list,
            Some(Frame::SessionOpen(_) | Frame::Ping {}) => {}
            other => panic!("no port list but {other:?}"),
        }
    }
}

#[tokio::test]
async fn two_instances_of_one_client_are_two_sessions() {
    let scratch = Scratch::new();
    let (_, range) = free_range();
    let _one = Process::start(&scratch, &["--port-range", &range]).await;
    let _two = Process::start(&scratch, &["--port-range", &range]).await;
    let mut sessions = Vec::new();
    for port in ports(&scratch, 2).await {
        let mut browser = Browser::pair(port, &secret(&scratch), "b1").await;
        sessions.push(browser.open(Outcome::New, vec![]).await.session_id);
    }
    assert_ne!(sessions[0], sessions[1]);
}

#[tokio::test]
async fn a_rotated_secret_drops_open_sockets() {
    let scratch = Scratch::new();
    let (_, range) = free_range();
    let _process = Process::start(&scratch, &["--port-range", &range]).await;
    let port = ports(&scratch, 1).await[0];
    let mut browser = connect(&scratch, port, Outcome::New).await;
    let old = secret(&scratch);
    let rotated = program(&scratch).args(["pair", "--rotate"]).output().await;
    assert!(rotated.unwrap().status.success());
    assert_ne!(secret(&scratch), old);
    let code = loop {
        match browser.next_or_code().await {
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    assert_eq!(code, 4401);
    connect(&scratch, port, Outcome::Resumed).await;
}

#[tokio::test]
async fn an_exact_port_that_is_taken_is_waited_for() {
    let scratch = Scratch::new();
    let (port, _) = free_range();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let _process = Process::start(&scratch, &["--port", &port.to_string()]).await;
    drop(taken);
    assert_eq!(ports(&scratch, 1).await, vec![port]);
    connect(&scratch, port, Outcome::New).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_and_leaves_ends_the_server() {
    let scratch = Scratch::new();
    let (_, range) = free_range();
    let mut child = program(&scratch)
        .args(["--port-range", &range])
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    let exited = tokio::time::timeout(PATIENCE, child.wait()).await;
    assert!(exited.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_damaged_secret_is_what_a_call_is_told_and_mended_it_is_read_again() {
    let scratch = Scratch::new();
    let file = scratch.state().path().join("secret");
    std::fs::write(&file, "short").unwrap();
    let (_, range) = free_range();
    let mut process = Process::start(&scratch, &["--port-range", &range]).await;
    process.snapshot(1).await;
    let port = ports(&scratch, 1).await[0];
    let mut dialled = Browser::dial(port).await;
    let said = dialled.hello(port, "b1").await;
    let mac = said.extension_mac(&Secret::new([0; 32]));
    dialled.say(&Frame::Proof { mac }).await;
    assert_eq!(
        dialled.next_or_code().await,
        Err(4408),
        "not that it is not paired"
    );
    let answer = tokio::time::timeout(2 * PATIENCE, process.read())
        .await
        .unwrap();
    let result = &answer["result"];
    assert_eq!(result["_meta"]["code"], "not_connected", "{answer}");
    let text = result["content"][0]["text"].as_str().unwrap();
    for word in [&*file.to_string_lossy(), "64 hex digits", "pair --rotate"] {
        assert!(text.contains(word), "{word}: {answer}");
    }
    let rotated = program(&scratch).args(["pair", "--rotate"]).output().await;
    assert!(rotated.unwrap().status.success());
    // The new secret drops whoever is there once it is noticed; if it was already, nobody who
    // says nothing is kept for longer than that takes.
    Browser::dial(port).await.next_or_code().await.unwrap_err();
    connect(&scratch, port, Outcome::New).await;
}
