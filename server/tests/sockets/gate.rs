//! The rules of *Listening*, each with bytes that break it.

use crate::rig::{Browser, PATIENCE, Server, ask};
use interlock::listen::{self, STRANGERS_MAX};
use interlock::sockets::FAREWELLS_MAX;
use protocol::EXTENSION_ID;
use protocol::limits::CONNECT_MAX;
use protocol::ports::PortRange;
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PROBE: &str = "/.well-known/interlock";

/// The status of the answer to a request with these header lines.
async fn status(port: u16, line: &str, headers: &[&str]) -> u16 {
    let mut text = format!("{line} HTTP/1.1\r\n");
    for header in headers {
        text.push_str(&header.replace("PORT", &port.to_string()));
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let answer = ask(port, &text).await;
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0)
}

const UPGRADE: [&str; 6] = [
    "Host: 127.0.0.1:PORT",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: interlock.2",
];

/// The status of an upgrade on `path` with header `out` replaced by `with`.
async fn upgrade(port: u16, path: &str, out: &str, with: &[&str]) -> u16 {
    let mut headers: Vec<&str> = UPGRADE
        .into_iter()
        .filter(|header| out.is_empty() || !header.starts_with(out))
        .collect();
    headers.extend(with);
    let line = format!("GET {path}");
    // An upgraded socket stays open: only its first bytes are read.
    let mut text = format!("{line} HTTP/1.1\r\n");
    for header in headers {
        text.push_str(&header.replace("PORT", &port.to_string()));
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await;
    if read.unwrap().is_err() {
        return 0;
    }
    String::from_utf8_lossy(&head)[9..].parse().unwrap()
}

/// A socket that is upgraded, as bytes.
async fn upgraded(port: u16) -> TcpStream {
    let mut text = String::from("GET / HTTP/1.1\r\n");
    for header in UPGRADE {
        text.push_str(&header.replace("PORT", &port.to_string()));
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    stream
}

#[tokio::test]
async fn a_bare_port_says_what_it_is_and_nothing_more() {
    let server = Server::start();
    let request = format!(
        "GET {PROBE} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
        server.port
    );
    let answer = ask(server.port, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"interlock\":1}"), "{answer}");
    assert!(answer.len() <= 256, "{answer}");
}

#[tokio::test]
async fn a_host_that_is_not_ours_is_refused_on_every_path() {
    let server = Server::start();
    for path in ["/", PROBE, "/extension", "/session/a", "/nowhere"] {
        let line = format!("GET {path}");
        for host in [
            "Host: evil.example",
            "Host: evil.example:PORT",
            "Host: 127.0.0.1",
            "Host: 127.0.0.1:1",
            "Host: 127.0.0.1.evil.example:PORT",
            "Host: 0.0.0.0:PORT",
            "X-Nothing: 1",
            "Host: 127.0.0.1:PORT\r\nHost: 127.0.0.1:PORT",
        ] {
            assert_eq!(
                status(server.port, &line, &[host]).await,
                403,
                "{path} {host}"
            );
        }
    }
    for host in ["Host: localhost:PORT", "Host: [::1]:PORT"] {
        assert_eq!(
            status(server.port, &format!("GET {PROBE}"), &[host]).await,
            200
        );
    }
    let absolute = format!("GET http://127.0.0.1:{}{PROBE}", server.port);
    let host = ["Host: 127.0.0.1:PORT"];
    assert_eq!(status(server.port, &absolute, &host).await, 400);
}

#[tokio::test]
async fn an_origin_is_refused_except_our_extensions_on_its_paths() {
    let server = Server::start();
    let ours = format!("Origin: chrome-extension://{EXTENSION_ID}");
    for path in ["/", "/extension", "/session/7f2d-1"] {
        assert_eq!(
            upgrade(server.port, path, "", &[&ours]).await,
            101,
            "{path}"
        );
        assert_eq!(upgrade(server.port, path, "", &[]).await, 101, "{path}");
        for origin in [
            "Origin: https://evil.example",
            "Origin: http://127.0.0.1:PORT",
            "Origin: null",
            "Origin: chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            let code = upgrade(server.port, path, "", &[origin]).await;
            assert_eq!(code, 403, "{path} {origin}");
        }
        let twice = upgrade(server.port, path, "", &[&ours, &ours]).await;
        assert_eq!(twice, 403);
    }
    let host = "Host: 127.0.0.1:PORT";
    for path in [PROBE, "/nowhere"] {
        let line = format!("GET {path}");
        assert_eq!(
            status(server.port, &line, &[host, &ours]).await,
            403,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_page_without_an_origin_is_known_by_its_fetch_metadata() {
    let server = Server::start();
    let line = format!("GET {PROBE}");
    let host = "Host: 127.0.0.1:PORT";
    for site in ["cross-site", "same-site", "same-origin", ""] {
        let header = format!("Sec-Fetch-Site: {site}");
        assert_eq!(
            status(server.port, &line, &[host, &header]).await,
            403,
            "{site}"
        );
        assert_eq!(
            upgrade(server.port, "/", "", &[&header]).await,
            403,
            "{site}"
        );
    }
    let none = "Sec-Fetch-Site: none";
    assert_eq!(status(server.port, &line, &[host, none]).await, 200);
}

#[tokio::test]
async fn only_a_paired_sub_protocol_is_upgraded() {
    let server = Server::start();
    let port = server.port;
    let protocol = "Sec-WebSocket-Protocol";
    assert_eq!(upgrade(port, "/", protocol, &[]).await, 403);
    let other = ["Sec-WebSocket-Protocol: interlock.1"];
    assert_eq!(upgrade(port, "/", protocol, &other).await, 403);
    assert_eq!(upgrade(port, "/", "Upgrade", &[]).await, 426);
    assert_eq!(upgrade(port, "/", "Sec-WebSocket-Version", &[]).await, 426);
    assert_eq!(upgrade(port, "/", "Sec-WebSocket-Key", &[]).await, 400);
    assert_eq!(upgrade(port, "/session/a%20b", "", &[]).await, 404);
    assert_eq!(upgrade(port, "/mcp", "", &[]).await, 404);
    let host = ["Host: 127.0.0.1:PORT"];
    assert_eq!(status(port, "HEAD /", &host).await, 426);
    assert_eq!(status(port, "GET /", &host).await, 426);
    assert_eq!(status(port, "POST /", &host).await, 405);
    assert_eq!(status(port, &format!("POST {PROBE}"), &host).await, 405);
}

#[tokio::test]
async fn what_comes_before_the_upgrade_is_bounded() {
    let server = Server::start();
    let port = server.port;
    let line = format!("GET {PROBE}");
    let long = format!("X-Long: {}", "a".repeat(20_000));
    let host = "Host: 127.0.0.1:PORT";
    assert_eq!(status(port, &line, &[host, &long]).await, 431);
    let many = vec!["X: 1"; 100];
    let code = status(port, &line, &many).await;
    assert!([400, 431].contains(&code), "{code}");
    let body = [host, "Content-Length: 5"];
    assert_eq!(status(port, &line, &body).await, 413);
    let chunked = [host, "Transfer-Encoding: chunked"];
    assert_eq!(status(port, &line, &chunked).await, 413);
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        ask(port, garbage).await;
    }
    assert_eq!(status(port, &line, &[host]).await, 200);
}

#[tokio::test]
async fn a_request_that_never_ends_is_dropped() {
    let server = Server::start();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))
        .await
        .unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "still open after {PATIENCE:?}");
}

#[tokio::test]
async fn a_flood_of_silent_connections_shuts_nobody_out() {
    let server = Server::start();
    let mut flood = Vec::new();
    for _ in 0..2 * STRANGERS_MAX {
        flood.push(
            TcpStream::connect(("127.0.0.1", server.port))
                .await
                .unwrap(),
        );
    }
    let mut browser = server.pair("b1").await;
    assert!(browser.next().await.is_some());
    // The oldest was dropped for it, long before its own time was over.
    let mut byte = [0];
    let soon = CONNECT_MAX * 4 / 5;
    let read = tokio::time::timeout(soon, flood[0].read(&mut byte)).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))));
}

#[tokio::test]
async fn a_flood_of_unproven_sockets_shuts_nobody_out() {
    let server = Server::start();
    let mut proven = server.pair("b1").await;
    let mut flood = Vec::new();
    for _ in 0..40 {
        flood.push(Browser::dial(server.port).await);
    }
    assert_eq!(flood[0].next_or_code().await, Err(4429));
    server.pair("b2").await;
    assert!(proven.next().await.is_some());
}

#[tokio::test]
async fn a_displaced_stranger_is_let_go_without_its_farewell() {
    // A farewell is waited for a whole second; on a busy machine one try in five is quick enough
    // to show that this one is not.
    let mut quickest = PATIENCE;
    for _ in 0..5 {
        quickest = quickest.min(displace_a_stranger().await);
        if quickest < FAREWELL {
            return;
        }
    }
    panic!("{quickest:?}");
}

/// Less than the server waits for the farewell of those whom it knows.
const FAREWELL: std::time::Duration = std::time::Duration::from_millis(900);

/// How long a stranger that never answers the close is kept once it is displaced.
async fn displace_a_stranger() -> std::time::Duration {
    let server = Server::start();
    let mut stranger = upgraded(server.port).await;
    let mut flood = Vec::new();
    for _ in 0..15 {
        flood.push(Browser::dial(server.port).await);
    }
    let began = std::time::Instant::now();
    flood.push(Browser::dial(server.port).await);
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "still open after {PATIENCE:?}");
    began.elapsed()
}

#[tokio::test]
async fn many_wrong_proofs_are_let_go_without_a_farewell() {
    // As above: one try in five is quick enough.
    let mut quickest = PATIENCE;
    for _ in 0..5 {
        quickest = quickest.min(dismiss_a_liar().await);
        if quickest < FAREWELL {
            return;
        }
    }
    panic!("{quickest:?}");
}

/// How long a wrong proof that never answers the close is kept, beside as many as are waited for.
async fn dismiss_a_liar() -> std::time::Duration {
    let server = Server::start();
    let mut liars = Vec::new();
    for _ in 0..FAREWELLS_MAX {
        liars.push(liar(server.port).await);
    }
    let began = std::time::Instant::now();
    let mut last = liar(server.port).await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, last.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "still open after {PATIENCE:?}");
    assert!(rest.ends_with(&4401_u16.to_be_bytes()), "it is told why");
    began.elapsed()
}

/// A socket that has said `hello` and a wrong proof, and heard the challenge.
async fn liar(port: u16) -> TcpStream {
    let hello = serde_json::json!({"type": "hello", "versions": ["2.0"],
        "nonceExt": "5a".repeat(32), "extensionId": EXTENSION_ID,
        "browserId": "liar", "browserName": "liar"});
    let proof = serde_json::json!({"type": "proof", "mac": "5a".repeat(32)});
    let mut stream = upgraded(port).await;
    for text in [hello.to_string(), proof.to_string()] {
        // Masked with zeros (RFC 6455, 5.2).
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend((text.len() as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        stream.write_all(&frame).await.unwrap();
    }
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("challenge") {
        said.push(stream.read_u8().await.unwrap());
    }
    stream
}

#[tokio::test]
async fn a_stranger_cannot_make_the_server_hold_much() {
    let server = Server::start();
    let mut socket = Browser::dial(server.port).await;
    let _ = tokio::time::timeout(PATIENCE, socket.say_text("x".repeat(100_000))).await;
    assert!(socket.next_or_code().await.is_err());

    // Nor with a frame that never ends: its head promises 32 MB, none of which is taken in.
    let mut stream = upgraded(server.port).await;
    let mut frame = vec![0x81, 0xff];
    frame.extend(32_000_000_u64.to_be_bytes());
    frame.resize(16_000_000, 0);
    let written = tokio::time::timeout(PATIENCE, stream.write_all(&frame)).await;
    assert!(written.unwrap().is_err(), "somebody reads all of it");
}

#[tokio::test]
async fn a_stranger_that_announces_much_is_let_go_before_room_is_made_for_it() {
    let server = Server::start();
    let mut stranger = upgraded(server.port).await;
    // A text frame of 40 MB (RFC 6455, 5.2), and not a byte of it.
    let mut header = vec![0x81, 0xff];
    header.extend(40_000_000_u64.to_be_bytes());
    header.extend([0; 4]);
    stranger.write_all(&header).await.unwrap();
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "still open after {PATIENCE:?}");
    // It was not waited for until the handshake was too late, which has a code.
    let said = String::from_utf8_lossy(&said);
    assert!(said.ends_with("\r\n\r\n"), "{said}");
    // One that is only too long for a handshake is told so.
    let mut longer = Browser::dial(server.port).await;
    longer.say_text("x".repeat(5_000)).await;
    assert_eq!(longer.next_or_code().await, Err(4400));
}

#[test]
fn a_taken_port_is_passed_over_and_an_exact_one_is_not() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let taken = listen::bind(0).unwrap();
    let exact = listen::bind(taken.port).unwrap_err();
    assert_eq!(exact.kind(), ErrorKind::AddrInUse);
    let range = PortRange::new(taken.port, taken.port).unwrap();
    let next = listen::bind_range(range).unwrap();
    assert!(next.port > taken.port && range.contains(next.port));
    drop(taken);
    assert_eq!(listen::bind_range(range).unwrap().port, range.first);
}

#[tokio::test]
async fn both_loopback_addresses_are_served_and_no_other() {
    let server = Server::start();
    let port = server.port;
    // Where ::1 does not exist, 127.0.0.1 alone serves.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let mut stream = TcpStream::connect(("::1", port)).await.unwrap();
        let request = format!("GET {PROBE} HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
    }
    // On Linux every 127.x.y.z is this machine, and only who listens on all addresses hears it.
    #[cfg(target_os = "linux")]
    assert!(TcpStream::connect(("127.0.0.2", port)).await.is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_whose_ipv6_half_is_taken_is_taken() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    // Where ::1 does not exist, 127.0.0.1 alone serves, and there is nothing to see here.
    if let Ok(v6) = std::net::TcpListener::bind("[::1]:0") {
        let port = v6.local_addr().unwrap().port();
        assert_eq!(listen::bind(port).unwrap_err().kind(), ErrorKind::AddrInUse);
        // Both halves were released.
        assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
    }
}
