//! A client that holds the real server to `protocol/PROTOCOL.md`: it plays the extension and tries
//! what the page says of doors, proofs and ends.
//!
//! `outsider.rs` goes the straight way on both sides of the wire; where the page leaves a choice
//! (path, versions, `Origin`) this client chooses otherwise, and it lies. It knows our port blocks
//! and where the binary is, and none of our crates.

use anyhow::{Context, Result, ensure};
use e2e::{Agent, Era, PortBlock, Spawn, listening_ports, until, within};
use futures_util::{SinkExt, StreamExt};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::Read;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

const EXTENSION: &str = "pccggijclfpjeomnfodccfggcnkogjdg";
const BROWSER: &str = "independent";

/// A server and its agent on ports and in a state folder of their own.
struct Server {
    agent: Agent,
    ports: PortBlock,
    state: Folder,
}

/// Goes when the test ends, however it ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    async fn start(name: &str) -> Result<Self> {
        let ports = PortBlock::claim()?;
        let folder = format!("e2e-independent-{}-{name}", std::process::id());
        let state = Folder(std::env::temp_dir().join(folder));
        let agent = Agent::start(Spawn {
            name: name.to_owned(),
            era: Era::Legacy,
            binary: e2e::binary()?,
            arguments: vec![
                "--state-dir".into(),
                state.0.to_string_lossy().into_owned(),
                "--port-range".into(),
                ports.range(),
            ],
            folder: state.0.join("client"),
            mark: name.to_owned(),
        })
        .await?;
        let server = Self {
            agent,
            ports,
            state,
        };
        // The page: the lowest free port of the range, which answers the probe.
        until("the server to answer the probe", async || {
            Ok(server
                .ask("GET /.well-known/interlock", &[])
                .await
                .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
                .then_some(()))
        })
        .await?;
        Ok(server)
    }

    fn port(&self) -> u16 {
        self.ports.first()
    }

    fn host(&self) -> String {
        format!("Host: 127.0.0.1:{}", self.port())
    }

    fn secret(&self) -> Result<Vec<u8>> {
        let digits = std::fs::read(self.state.0.join("secret"))?;
        ensure!(digits.len() == 64, "a secret of {} digits", digits.len());
        let byte = |pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
        digits.chunks(2).map(byte).collect()
    }

    /// Sends a request by hand, with the right `Host` unless `headers` bring one; everything up to
    /// the end of the answer's head, and what follows if the server closes.
    async fn ask(&self, line: &str, headers: &[&str]) -> Result<String> {
        let mut text = format!("{line} HTTP/1.1\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            text += &format!("{}\r\n", self.host());
        }
        for header in headers {
            text += &format!("{header}\r\n");
        }
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).await?;
        stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        within(format!("an answer to {line} {headers:?}"), async {
            let mut answer = Vec::new();
            let mut part = [0; 1024];
            loop {
                let many = stream.read(&mut part).await?;
                answer.extend_from_slice(&part[..many]);
                let text = String::from_utf8_lossy(&answer);
                if many == 0 || text.starts_with("HTTP/1.1 101") && text.ends_with("\r\n\r\n") {
                    return Ok(text.into_owned());
                }
            }
        })
        .await
    }

    /// The status of an upgrade that is right but for `change`, a header that replaces the one of
    /// its name, is added when there is none, and takes it out when it ends in a colon.
    async fn upgrade(&self, path: &str, change: &str) -> Result<u16> {
        let host = self.host();
        let right = [
            &host,
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: interlock.2",
            "Origin: chrome-extension://pccggijclfpjeomnfodccfggcnkogjdg",
        ];
        let name = change.split_once(':').map_or("nothing", |(name, _)| name);
        let mut headers: Vec<&str> = right
            .into_iter()
            .filter(|header| !header.starts_with(&format!("{name}:")))
            .collect();
        if !change.ends_with(':') && !change.is_empty() {
            headers.push(change);
        }
        let answer = self.ask(&format!("GET {path}"), &headers).await?;
        let status = answer.split(' ').nth(1).context(answer.clone())?;
        Ok(status.parse()?)
    }

    async fn end(self) -> Result<()> {
        self.agent.quit().await?;
        let left = listening_ports(self.ports.all())?;
        ensure!(left.is_empty(), "still listening: {left:?}");
        Ok(())
    }
}

/// Changes one fact.
type Lie = fn(&mut Facts);

/// What both proofs are made over; a test that lies changes a field between `hello` and `proof`.
#[derive(Clone)]
struct Facts {
    secret: Vec<u8>,
    role: &'static str,
    port: u16,
    path: String,
    nonce_ext: String,
    nonce_srv: String,
    versions: Vec<&'static str>,
}

impl Facts {
    fn of(server: &Server, path: &str, versions: &[&'static str]) -> Result<Self> {
        let mut bytes = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        Ok(Self {
            secret: server.secret()?,
            role: "extension",
            port: server.port(),
            path: path.to_owned(),
            nonce_ext: hex(&bytes),
            nonce_srv: String::new(),
            versions: versions.to_vec(),
        })
    }

    fn hello(&self) -> Value {
        json!({"type": "hello", "versions": self.versions, "nonceExt": self.nonce_ext,
            "extensionId": EXTENSION, "browserId": BROWSER, "browserName": "a peer"})
    }

    /// The proof of `role`, with the server's `promises` after the fields of both.
    fn mac(&self, promises: Option<&Value>) -> Result<String> {
        let mut key = [0; 32];
        let info = format!("interlock/pair/1/{}", self.role);
        Hkdf::<Sha256>::new(None, &self.secret)
            .expand(info.as_bytes(), &mut key)
            .map_err(|_| anyhow::anyhow!("a key of 32 bytes"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key)?;
        let mut field = |text: &str| {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            mac.update(&length.to_be_bytes());
            mac.update(text.as_bytes());
        };
        for text in ["interlock/pair/1", self.role, "127.0.0.1"] {
            field(text);
        }
        field(&self.port.to_string());
        for text in [&self.path, &self.nonce_ext, &self.nonce_srv] {
            field(text);
        }
        field(EXTENSION);
        field(BROWSER);
        field(&self.versions.len().to_string());
        self.versions.iter().for_each(|version| field(version));
        field("2.0");
        if let Some(promises) = promises {
            let features = promises["features"].as_array().context("features")?;
            field(&features.len().to_string());
            for feature in features {
                field(feature.as_str().context("a feature")?);
            }
            field(&promises["limits"].to_string());
        }
        Ok(hex(&mac.finalize().into_bytes()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The client's end of one socket.
struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn dial(server: &Server, path: &str) -> Result<Self> {
        let url = format!("ws://127.0.0.1:{}{path}", server.port());
        let mut request = url.into_client_request()?;
        let protocol = HeaderValue::from_static("interlock.2");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let stream = TcpStream::connect(("127.0.0.1", server.port())).await?;
        let (socket, answer) = tokio_tungstenite::client_async(request, stream).await?;
        ensure!(answer.headers()["Sec-WebSocket-Protocol"] == "interlock.2");
        Ok(Self(socket))
    }

    /// The handshake with both proofs, and `sessionOpen`, which is answered.
    async fn connect(server: &Server, path: &str, versions: &[&'static str]) -> Result<Self> {
        let mut peer = Self::dial(server, path).await?;
        let mut facts = Facts::of(server, path, versions)?;
        peer.challenge(&mut facts).await?;
        let mac = facts.mac(None)?;
        peer.say(json!({"type": "proof", "mac": mac})).await?;
        let promises = peer.hear("helloAck").await?;
        facts.role = "server";
        assert_eq!(promises["mac"], json!(facts.mac(Some(&promises))?));
        let open = peer.hear("sessionOpen").await?;
        peer.say(
            json!({"type": "sessionOpened", "sessionId": open["sessionId"], "alias": "a1",
            "outcome": "new", "tabs": [], "lost": [], "begun": []}),
        )
        .await?;
        Ok(peer)
    }

    /// Says hello and notes the server's nonce.
    async fn challenge(&mut self, facts: &mut Facts) -> Result<()> {
        self.say(facts.hello()).await?;
        let challenge = self.hear("challenge").await?;
        assert_eq!(challenge["version"], "2.0");
        facts.nonce_srv = challenge["nonceSrv"].as_str().context("nonce")?.to_owned();
        assert_eq!(facts.nonce_srv.len(), 64);
        Ok(())
    }

    async fn say(&mut self, frame: Value) -> Result<()> {
        Ok(self.0.send(Message::text(frame.to_string())).await?)
    }

    /// The next frame, which must be a `kind`; a port list may come unasked at any time.
    async fn hear(&mut self, kind: &str) -> Result<Value> {
        within(kind, async {
            loop {
                let message = self.0.next().await.context("the end of the socket")??;
                let frame: Value = serde_json::from_str(message.to_text()?)
                    .with_context(|| format!("{message:?}"))?;
                if frame["type"] == kind {
                    return Ok(frame);
                }
                ensure!(frame["type"] == "portListResponse", "not {kind}: {frame}");
            }
        })
        .await
    }

    /// The code that the server closes with; it must not say anything before.
    async fn closed(&mut self) -> Result<u16> {
        within("the close", async {
            let message = self.0.next().await.context("an end without a close")??;
            let Message::Close(Some(why)) = &message else {
                anyhow::bail!("more was said: {message:?}");
            };
            ensure!(why.reason.is_empty(), "a reason text: {why:?}");
            Ok(why.code.into())
        })
        .await
    }
}

#[tokio::test]
async fn a_peer_that_knows_only_the_page_answers_an_agent() -> Result<()> {
    let server = Server::start("answers").await?;
    // A version of the future, another extension path, a query, no `Origin`: the page allows
    // them, and says what of it the proof is made over.
    let mut peer = Peer::connect(&server, "/session/any?query=1", &["2.7", "2.0"]).await?;
    peer.say(json!({"type": "portListRequest"})).await?;
    let list = peer.hear("portListResponse").await?;
    assert_eq!(list["ports"], json!([server.port()]));
    peer.say(json!({"type": "ping", "aFieldOfTheFuture": 1}))
        .await?;
    peer.hear("pong").await?;
    peer.say(json!({"type": "aFrameOfTheFuture"})).await?;

    let arguments = json!({"function": "() => 6 * 7", "timeoutMs": 1000});
    let call = server.agent.begin("browser_evaluate", arguments).await?;
    let command = peer.hear("command").await?;
    assert_eq!(command["name"], "browser_evaluate");
    assert_eq!(
        command["payload"],
        json!({"function": "() => 6 * 7", "timeoutMs": 1000})
    );
    let answer = |call: &Value| {
        let mut answer = json!({"type": "response", "tabId": 7});
        for name in ["wireId", "sessionId", "originId"] {
            if let Some(value) = call.get(name) {
                answer[name] = value.clone();
            }
        }
        answer
    };
    // A response that nobody waits for changes nothing.
    let mut stray = answer(&command);
    stray["wireId"] = json!("nobody-waits-for-this");
    stray["data"] = json!({"success": true, "url": "", "title": "", "value": "stray"});
    peer.say(stray).await?;
    let mut result = answer(&command);
    result["data"] = json!({"success": true, "url": "http://a.test/", "title": "A", "value": 42});
    peer.say(result).await?;
    let told = call.answer().await?;
    assert!(told.is_ok() && told.text.contains("42"), "{told}");

    let arguments = json!({"function": "() => nothing.at.all"});
    let call = server.agent.begin("browser_evaluate", arguments).await?;
    let command = peer.hear("command").await?;
    let mut failure = answer(&command);
    failure["error"] = json!({"code": "page_error", "message": "nothing is not defined.",
        "advice": "Mend the function."});
    peer.say(failure).await?;
    let told = call.answer().await?;
    assert!(told.failed_with("page_error"), "{told}");
    assert!(told.text.contains("nothing is not defined."), "{told}");
    server.end().await
}

#[tokio::test]
async fn a_server_whose_stdin_ends_stops_listening_and_says_goodbye() -> Result<()> {
    let server = Server::start("ends").await?;
    let mut peer = Peer::connect(&server, "/", &["2.0"]).await?;
    let agent = server.agent.clone();
    let quitting = tokio::spawn(async move { agent.quit().await });
    let goodbye = peer.hear("goodbye").await?;
    assert_eq!(
        goodbye,
        json!({"type": "goodbye", "reason": "ending", "graceS": 10})
    );
    assert!(
        TcpStream::connect(("127.0.0.1", server.port()))
            .await
            .is_err()
    );
    assert_eq!(peer.closed().await?, 1001);
    quitting.await??;
    server.end().await
}

#[tokio::test]
async fn a_proof_over_anything_but_the_truth_ends_in_4401() -> Result<()> {
    let server = Server::start("lies").await?;
    let lies: [(&str, Lie); 6] = [
        ("another secret", |facts| facts.secret[0] ^= 1),
        ("the server's role", |facts| facts.role = "server"),
        ("another port", |facts| facts.port += 1),
        ("another path", |facts| facts.path = "/extension".into()),
        ("fewer versions", |facts| facts.versions = vec!["2.0"]),
        ("its own nonce twice", |facts| {
            facts.nonce_srv.clone_from(&facts.nonce_ext);
        }),
    ];
    for (lie, tell) in lies {
        let mut facts = Facts::of(&server, "/", &["2.7", "2.0"])?;
        let mut peer = Peer::dial(&server, "/").await?;
        peer.challenge(&mut facts).await?;
        tell(&mut facts);
        let mac = facts.mac(None)?;
        peer.say(json!({"type": "proof", "mac": mac})).await?;
        assert_eq!(peer.closed().await.context(lie)?, 4401, "{lie}");
    }
    // None of them keeps an honest peer out.
    Peer::connect(&server, "/", &["2.7", "2.0"]).await?;
    server.end().await
}

#[tokio::test]
async fn a_handshake_out_of_order_or_of_another_version_is_closed_with_its_code() -> Result<()> {
    let server = Server::start("order").await?;
    let facts = Facts::of(&server, "/", &["9.9"])?;
    let long = json!({"type": "hello", "filler": "x".repeat(4096)});
    let cases = [
        ("no version in common", facts.hello(), 4406),
        ("a ping first", json!({"type": "ping"}), 4400),
        ("a proof first", json!({"type": "proof", "mac": "00"}), 4400),
        ("a hello above 4,096 bytes", long, 4400),
    ];
    for (case, frame, code) in cases {
        let mut peer = Peer::dial(&server, "/").await?;
        peer.say(frame).await?;
        assert_eq!(peer.closed().await.context(case)?, code, "{case}");
    }
    server.end().await
}

#[tokio::test]
async fn the_door_opens_for_the_extension_and_for_no_web_page() -> Result<()> {
    let server = Server::start("door").await?;
    let probe = server.ask("GET /.well-known/interlock", &[]).await?;
    let (head, body) = probe.split_once("\r\n\r\n").context("no head")?;
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert!(probe.len() <= 256, "{probe}");
    assert_eq!(
        serde_json::from_str::<Value>(body)?,
        json!({"interlock": 1})
    );

    let cases = [
        ("/", "", 101),
        ("/extension", "", 101),
        ("/", "Origin:", 101),
        ("/", "Sec-Fetch-Site: none", 101),
        ("/", "Sec-WebSocket-Protocol:", 403),
        ("/", "Sec-WebSocket-Protocol: interlock.1", 403),
        ("/", "Origin: https://shop.example", 403),
        ("/", "Origin: null", 403),
        ("/nowhere", "Origin: https://shop.example", 403),
        ("/", "Host: shop.example", 403),
        ("/", "Host: 127.0.0.1", 403),
        ("/", "Sec-Fetch-Site: cross-site", 403),
        ("/nowhere", "Origin:", 404),
        ("/", "Sec-WebSocket-Key: short", 400),
        ("/", "Sec-WebSocket-Version: 8", 426),
        ("/", "Upgrade:", 426),
        ("/", "Sec-WebSocket-Protocol: other, interlock.2", 101),
        // Of two faults, the one that the page names first.
        ("/nowhere", "Content-Length: 3", 413),
        ("/nowhere", "", 403),
    ];
    for (path, change, status) in cases {
        let got = server.upgrade(path, change).await?;
        assert_eq!(got, status, "{path} with {change:?}");
    }
    server.end().await
}
