//! The listener of a server: who is let in, and what a stranger learns.

use anyhow::{Context, Result};
use e2e::{Agent, World, ports_of};
use serde_json::json;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connected() -> Result<(World, Agent, u16)> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    let ports = ports_of(one.pid())?;
    let port = ports
        .into_iter()
        .find(|port| world.ports.all().contains(port))
        .context("no port")?;
    Ok((world, one, port))
}

/// Sends a request as it stands and reads until the server closes.
async fn ask(port: u16, request: &str) -> Result<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    e2e::within("the answer of the listener", async {
        // A reset after the answer is an answer all the same.
        let _ = socket.read_to_end(&mut answer).await;
        Ok(())
    })
    .await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn get(port: u16, path: &str, headers: &[&str]) -> String {
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    text + "\r\n"
}

#[tokio::test]
async fn a_probe_is_told_that_interlock_is_here_and_nothing_else() -> Result<()> {
    let (world, _one, port) = connected().await?;
    let answer = ask(port, &get(port, "/.well-known/interlock", &[])).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body = answer.split_once("\r\n\r\n").context("no body")?.1;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body)?,
        json!({"interlock": 1})
    );
    world.close().await
}

#[tokio::test]
async fn strangers_are_refused_before_any_path_is_looked_at() -> Result<()> {
    let (world, _one, port) = connected().await?;
    let host = format!("GET /.well-known/interlock HTTP/1.1\r\nHost: evil.test:{port}\r\n\r\n");
    let refused = [
        host,
        get(
            port,
            "/.well-known/interlock",
            &["Origin: https://evil.test"],
        ),
        get(port, "/.well-known/interlock", &["Origin: null"]),
        get(
            port,
            "/.well-known/interlock",
            &["Sec-Fetch-Site: cross-site"],
        ),
        get(
            port,
            "/",
            &["Origin: chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        ),
    ];
    for request in &refused {
        let answer = ask(port, request).await?;
        assert!(answer.starts_with("HTTP/1.1 403"), "{request}\n{answer}");
        assert!(!answer.contains("interlock\":1"), "{request}\n{answer}");
    }
    world.close().await
}

#[tokio::test]
async fn a_page_cannot_open_a_socket_to_a_server() -> Result<()> {
    let (world, one, port) = connected().await?;
    let tab = one.open(&world.site.url("/")).await?;
    let function = format!(
        "() => new Promise(done => {{ const socket = new WebSocket('ws://127.0.0.1:{port}/', \
         'interlock.2'); socket.onopen = () => done('let in'); \
         socket.onclose = () => done('kept out') }})"
    );
    let answer = one
        .ok(
            "browser_evaluate",
            json!({"tabId": tab, "function": function}),
        )
        .await?;
    assert!(answer.text.contains("kept out"), "{answer}");
    world.close().await
}

/// A new silent socket every few milliseconds, each kept for as long as the server keeps it, so
/// that whatever place it gives up is taken again at once.
async fn strangers(port: u16) {
    let mut open: Vec<TcpStream> = Vec::new();
    loop {
        if let Ok(socket) = TcpStream::connect(("127.0.0.1", port)).await {
            open.push(socket);
        }
        open.retain(|socket| {
            let read = socket.try_read(&mut [0]);
            read.is_err_and(|why| why.kind() == ErrorKind::WouldBlock)
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn garbage_and_idle_sockets_neither_end_a_server_nor_keep_the_extension_out() -> Result<()> {
    let (world, one, port) = connected().await?;
    let mut idle = Vec::new();
    for number in 0..40_u8 {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
        if number % 2 == 0 {
            let garbage: Vec<u8> = (0..2000_u32)
                .map(|n| (n * 31 + u32::from(number)) as u8)
                .collect();
            // The server may have closed already, which is its right.
            let _ = socket.write_all(&garbage).await;
        }
        idle.push(socket);
    }
    let tab = one.open(&world.site.url("/slow?name=still")).await?;
    assert_eq!(one.read(tab, "document.title").await?, "still");
    drop(idle);
    // The extension, too, can come anew while strangers keep coming and say nothing.
    let flood = tokio::spawn(strangers(port));
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.browser().kill_worker().await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(one.read(tab, "document.title").await?, "still");
    flood.abort();
    world.close().await
}

#[tokio::test]
async fn another_secret_is_not_let_in_and_the_agent_learns_how_to_pair() -> Result<()> {
    let world = World::start().await?;
    // The extension keeps the old secret until it is refused, and has no other.
    let secret = world.state().join("secret");
    let kept = std::fs::read(&secret)?;
    let mut spawn = world.spawn("stranger", e2e::Era::Legacy);
    let other = world.folder().join("other-state");
    for argument in &mut spawn.arguments {
        if *argument == world.state().to_string_lossy() {
            *argument = other.to_string_lossy().into_owned();
        }
    }
    let stranger = world.agent_of(spawn).await?;
    let answer = stranger.call("browser_session", json!({})).await?;
    assert!(answer.failed_with("not_paired"), "{answer}");
    assert!(answer.text.contains("interlock extension"), "{answer}");
    assert_ne!(std::fs::read(other.join("secret"))?, kept);
    world.close().await
}
