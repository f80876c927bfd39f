//! What comes over a connection to the listener: the real one, on a stream in memory.

use crate::world::secret;
use interlock::driver::{self, Handle, Outside};
use interlock::listen;
use interlock::sockets::{Place, Sockets, Table};
use protocol::EXTENSION_ID;
use protocol::ports::{PROBE_ANSWER, PROBE_PATH};
use server_core::{Config, Effect, Input, SessionKey, fresh_identity};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PLACE: Place = Place {
    address: "127.0.0.1",
    port: 8765,
};
/// More than any answer.
const PIPE: usize = 64 * 1024;
/// PROTOCOL.md, *Limits*: five seconds to say what is wanted, five for the handshake.
const CLOSED_AFTER: Duration = Duration::from_secs(15);
/// What may be answered, and by whom: the gate, or hyper for what is no head at all.
const STATUSES: [&str; 12] = [
    "101", "200", "400", "403", "404", "405", "408", "413", "414", "426", "431", "505",
];

/// Sends `bytes` to the listener, as a peer that then waits. It is answered with one of the few
/// statuses or not at all, and let go in time. Whoever is let in said nothing that a page in a
/// browser would have said, and named this very server. The next probe finds the server as ever.
pub fn http_head(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO");
    runtime.block_on(async {
        let table = Table::default();
        let outside = Memory(table.clone());
        let handle = driver::start(Config::default(), [1; 32], outside);
        handle.input(Input::Listening { port: PLACE.port });
        handle.input(Input::Identity {
            session: SessionKey::ONLY,
            identity: fresh_identity([2; 32]),
        });
        let sockets = Sockets::new(handle, table);
        let answer = ask(&sockets, bytes).await;
        check(bytes, &answer);
        let probe = format!(
            "GET {PROBE_PATH} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
            PLACE.port
        );
        let answer = ask(&sockets, probe.as_bytes()).await;
        assert!(
            answer.starts_with(b"HTTP/1.1 200 OK\r\n"),
            "{}",
            answer.escape_ascii()
        );
        assert!(
            answer.ends_with(PROBE_ANSWER.as_bytes()),
            "{}",
            answer.escape_ascii()
        );
    });
}

/// What is answered until the server closes.
async fn ask(sockets: &Sockets, bytes: &[u8]) -> Vec<u8> {
    let (mut peer, stream) = tokio::io::duplex(PIPE);
    let serving = tokio::spawn(listen::serve_stream(stream, PLACE, sockets.clone()));
    // It may have closed before all was sent.
    let _ = peer.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(CLOSED_AFTER, peer.read_to_end(&mut answer)).await;
    read.expect("a peer is let go in time")
        .expect("memory does not fail");
    serving.await.expect("no connection breaks the listener");
    answer
}

fn check(bytes: &[u8], answer: &[u8]) {
    if answer.is_empty() {
        return;
    }
    let answer = answer.escape_ascii().to_string();
    let (version, status) = answer.split_once(' ').unwrap_or_default();
    assert!(["HTTP/1.0", "HTTP/1.1"].contains(&version), "{answer}");
    let status = status.get(..3).unwrap_or_default();
    assert!(STATUSES.contains(&status), "{answer}");
    if status == "200" || status == "101" {
        let head = Head::read(bytes);
        assert_eq!((version, &*head.method), ("HTTP/1.1", "GET"), "{answer}");
        let hosts = ["127.0.0.1:8765", "localhost:8765", "[::1]:8765"];
        assert_eq!(head.all("host").len(), 1, "{answer}");
        assert!(hosts.contains(&head.all("host")[0]), "{answer}");
        assert!(
            head.all("sec-fetch-site")
                .iter()
                .all(|site| *site == "none")
        );
        assert!(
            head.all("content-length")
                .iter()
                .all(|length| *length == "0")
        );
        assert!(head.all("transfer-encoding").is_empty());
        let ours = format!("chrome-extension://{EXTENSION_ID}");
        let origins = head.all("origin");
        if status == "200" {
            assert!(origins.is_empty(), "{origins:?}");
        } else {
            assert!(origins.len() <= 1 && origins.iter().all(|origin| **origin == ours));
        }
    }
}

/// A head as a simple mind reads it, to compare with what hyper and the gate made of it.
struct Head {
    method: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
        let first = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let method = first.split(' ').next().unwrap_or_default().to_owned();
        let headers = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self { method, headers }
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// Sockets, and a secret, without a disk.
struct Memory(Table);

impl Outside for Memory {
    fn carry_out(&mut self, effect: Effect, handle: &Handle) {
        match effect {
            Effect::Send { conn, text } => self.0.send(conn, text),
            Effect::Close { conn, code } => self.0.close(conn, code),
            Effect::Admit { conn } => self.0.admit(conn),
            Effect::ReadSecret { conn } => {
                let secret = Ok(secret());
                handle.input(Input::Secret { conn, secret });
            }
            Effect::Answer { .. }
            | Effect::Progress { .. }
            | Effect::SaveIdentity { .. }
            | Effect::MarkEnding { .. }
            | Effect::Note(_)
            | Effect::StopListening
            | Effect::Exit => {}
        }
    }

    async fn flush(&mut self, at_most: Duration) {
        self.0.closed(at_most).await;
    }
}
