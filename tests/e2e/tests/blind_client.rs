//! An extension written from `protocol/PROTOCOL.md` alone, by a reader who saw no line of ours: what
//! it cannot do, the page does not say. Only its ports and the path of the binary come from the
//! harness.

use std::{
    collections::hash_map::RandomState, env, fs, future::Future, hash::BuildHasher, path::PathBuf,
    process::Stdio, time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use e2e::PortBlock;
use futures_util::{SinkExt, StreamExt};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

const LIMIT: Duration = Duration::from_secs(60);
const EXTENSION_ID: &str = "pccggijclfpjeomnfodccfggcnkogjdg";
const BROWSER_ID: &str = "0b8e6f0e-3c5f-4f6e-9d2a-7a1b2c3d4e5f";
const VERSION: &str = "2.0";
const FRAME_MAX: u64 = 33_554_432;

async fn within<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(LIMIT, work)
        .await
        .map_err(|_| anyhow!("waited {LIMIT:?} in vain for {what}"))?
        .with_context(|| format!("while waiting for {what}"))
}

fn text<'a>(frame: &'a Value, field: &str) -> Result<&'a str> {
    frame[field]
        .as_str()
        .with_context(|| format!("no text in `{field}` of {frame}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Result<[u8; 32]> {
    let lower = digits
        .bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(
        digits.len() == 64 && lower,
        "not 64 lower-case hex digits: {digits:?}"
    );
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16)?;
    }
    Ok(bytes)
}

/// std seeds every `RandomState` from the system, so no further crate is needed.
fn random() -> String {
    let parts = (0..4u8).flat_map(|part| RandomState::new().hash_one(part).to_be_bytes());
    hex(&Sha256::digest(parts.collect::<Vec<_>>()))
}

/// What both sides know of a handshake before either proves anything.
struct Terms {
    secret: [u8; 32],
    port: u16,
    nonce_ext: String,
    nonce_srv: String,
}

impl Terms {
    fn mac(&self, role: &str, promises: &[&str]) -> Result<Hmac<Sha256>> {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, &self.secret)
            .expand(format!("interlock/pair/1/{role}").as_bytes(), &mut key)
            .map_err(|error| anyhow!("HKDF: {error}"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).context("HMAC")?;
        let port = self.port.to_string();
        let place = ["interlock/pair/1", role, "127.0.0.1", &port, "/"];
        let parties = [
            self.nonce_ext.as_str(),
            &self.nonce_srv,
            EXTENSION_ID,
            BROWSER_ID,
        ];
        let versions = ["1", VERSION, VERSION];
        for field in [&place[..], &parties, &versions, promises].concat() {
            mac.update(&u32::try_from(field.len())?.to_be_bytes());
            mac.update(field.as_bytes());
        }
        Ok(mac)
    }

    fn proof(&self) -> Result<String> {
        Ok(hex(&self.mac("extension", &[])?.finalize().into_bytes()))
    }

    fn verify(&self, ack: &Value) -> Result<()> {
        ensure!(ack["type"] == "helloAck", "not a helloAck: {ack}");
        let features = ack["features"]
            .as_array()
            .context("`features` is no list")?;
        let frame_max = ack["limits"]["frameMax"]
            .as_u64()
            .context("no `frameMax`")?;
        ensure!(
            (4_096..=FRAME_MAX).contains(&frame_max),
            "`frameMax` is {frame_max}"
        );
        let count = features.len().to_string();
        let limits = json!({"frameMax": frame_max}).to_string();
        let names: Option<Vec<_>> = features.iter().map(Value::as_str).collect();
        let names = names.context("a feature is no text")?;
        let promises = [&[count.as_str()][..], &names, &[limits.as_str()]].concat();
        self.mac("server", &promises)?
            .verify_slice(&unhex(text(ack, "mac")?)?)
            .map_err(|_| anyhow!("the server does not hold the secret: {ack}"))
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A server that was killed a moment ago may still make a file in it.
        for _ in 0..20 {
            if fs::remove_dir_all(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// `interlock` as its MCP client starts it. Dropped in order: killed, then its folder removed.
struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    calls: u64,
    ports: PortBlock,
    folder: Folder,
}

impl Server {
    async fn start() -> Result<Self> {
        let folder = Folder(env::temp_dir().join(format!("blind-client-{}", random())));
        fs::create_dir(&folder.0).context("making the state folder")?;
        let binary = e2e::binary()?;
        let ports = PortBlock::claim()?;
        let mut command = Command::new(&binary);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("INTERLOCK_") || name == "MCP_INSTANCE_ID" {
                command.env_remove(name);
            }
        }
        let mut child = command
            .arg("--state-dir")
            .arg(&folder.0)
            .args(["--port-range", &ports.range()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let stdin = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let mut server = Self {
            child,
            stdin,
            answers,
            calls: 0,
            ports,
            folder,
        };
        let identity = json!({"name": "blind-client", "version": "1.0"});
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": identity});
        server.request("initialize", hello).await?;
        server
            .say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await?;
        Ok(server)
    }

    async fn say(&mut self, line: &Value) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is closed already")?;
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .await
            .context("writing to the server")
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let id = self.calls;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await?;
        within(&format!("the answer to `{method}`"), async {
            loop {
                let line = self
                    .answers
                    .next_line()
                    .await?
                    .context("the server's stdout ended")?;
                let answer: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
                if answer["id"] == id {
                    return answer.get("result").cloned().context(line);
                }
            }
        })
        .await
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value> {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    async fn port(&self) -> Result<u16> {
        within("a port that answers the probe", async {
            loop {
                for port in self.ports.all() {
                    if probe(port)
                        .await
                        .is_ok_and(|answer| answer["interlock"] == 1)
                    {
                        return Ok(port);
                    }
                }
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    fn secret(&self) -> Result<[u8; 32]> {
        unhex(&fs::read_to_string(self.folder.0.join("secret")).context("reading the secret")?)
    }
}

async fn probe(port: u16) -> Result<Value> {
    let mut answer = String::new();
    timeout(Duration::from_millis(500), async {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
        let ask = format!("GET /.well-known/interlock HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        socket.write_all(ask.as_bytes()).await?;
        socket.read_to_string(&mut answer).await
    })
    .await??;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "not 200: {answer}");
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .context("a head without an end")?;
    Ok(serde_json::from_str(body)?)
}

struct Extension {
    socket: WebSocketStream<TcpStream>,
    session: Option<String>,
}

impl Extension {
    async fn dial(port: u16) -> Result<Self> {
        let mut request = format!("ws://127.0.0.1:{port}/").into_client_request()?;
        let headers = request.headers_mut();
        headers.insert(
            "Sec-WebSocket-Protocol",
            HeaderValue::from_static("interlock.2"),
        );
        headers.insert(
            "Origin",
            format!("chrome-extension://{EXTENSION_ID}").parse()?,
        );
        within("the upgrade", async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            Ok(Self {
                socket: client_async(request, stream).await?.0,
                session: None,
            })
        })
        .await
    }

    /// Says `hello` and `proof`; what the server says to that is the caller's to read.
    async fn prove(&mut self, port: u16, secret: [u8; 32]) -> Result<Terms> {
        let nonce_ext = random();
        self.send(json!({
            "type": "hello", "versions": [VERSION], "nonceExt": nonce_ext,
            "extensionId": EXTENSION_ID, "browserId": BROWSER_ID, "browserName": "blind",
        }))
        .await?;
        let challenge = within("the challenge", self.frame()).await?;
        let fits = challenge["type"] == "challenge" && challenge["version"] == VERSION;
        ensure!(fits, "no challenge for {VERSION}: {challenge}");
        let nonce_srv = text(&challenge, "nonceSrv")?.to_owned();
        ensure!(
            unhex(&nonce_srv)? != unhex(&nonce_ext)?,
            "our own nonce came back"
        );
        let terms = Terms {
            secret,
            port,
            nonce_ext,
            nonce_srv,
        };
        self.send(json!({"type": "proof", "mac": terms.proof()?}))
            .await?;
        Ok(terms)
    }

    /// Connected, both sides proven, ports told, and alive.
    async fn connect(server: &Server) -> Result<Self> {
        let port = server.port().await?;
        let mut extension = Self::dial(port).await?;
        let terms = extension.prove(port, server.secret()?).await?;
        terms.verify(&within("helloAck", extension.frame()).await?)?;
        extension.send(json!({"type": "portListRequest"})).await?;
        let list = extension.wait_for("portListResponse").await?;
        let named = list["ports"]
            .as_array()
            .is_some_and(|ports| ports.contains(&json!(port)));
        ensure!(named, "the server does not name itself: {list}");
        extension.send(json!({"type": "ping"})).await?;
        extension.wait_for("pong").await?;
        Ok(extension)
    }

    async fn send(&mut self, frame: Value) -> Result<()> {
        self.socket
            .send(Message::text(frame.to_string()))
            .await
            .context("sending a frame")
    }

    /// The next frame; the socket's close is read as one, `{"type": "close", "code": …}`.
    async fn frame(&mut self) -> Result<Value> {
        loop {
            return Ok(
                match self
                    .socket
                    .next()
                    .await
                    .context("ended without a close")??
                {
                    Message::Text(frame) => serde_json::from_str(&frame)?,
                    Message::Close(Some(close)) => json!({
                        "type": "close", "code": u16::from(close.code), "text": *close.reason,
                    }),
                    Message::Ping(_) | Message::Pong(_) => continue,
                    other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                        bail!("only text is spoken here, not {other:?}")
                    }
                },
            );
        }
    }

    /// The next frame of this type; what a server may say at any time is answered on the way.
    async fn wait_for(&mut self, wanted: &str) -> Result<Value> {
        within(&format!("a `{wanted}`"), async {
            loop {
                let frame = self.frame().await?;
                match text(&frame, "type")? {
                    kind if kind == wanted => return Ok(frame),
                    "ping" => self.send(json!({"type": "pong"})).await?,
                    "sessionOpen" => self.open(&frame).await?,
                    "close" => bail!("closed instead: {frame}"),
                    _ => {}
                }
            }
        })
        .await
    }

    async fn open(&mut self, frame: &Value) -> Result<()> {
        let session = text(frame, "sessionId")?;
        // The server may repeat the frame to change its label; then the session is there already.
        let known = self
            .session
            .replace(session.to_owned())
            .is_some_and(|old| old == session);
        self.send(json!({
            "type": "sessionOpened", "sessionId": session, "alias": "a1",
            "outcome": if known { "resumed" } else { "new" },
            "tabs": [], "lost": [], "begun": [],
        }))
        .await
    }

    /// Answers the next command with this `data` or `error`, and returns the command.
    async fn answer(&mut self, field: &str, outcome: &Value) -> Result<Value> {
        let command = self.wait_for("command").await?;
        ensure!(
            command["sessionId"] == json!(self.session),
            "not opened here: {command}"
        );
        let mut response = json!({
            "type": "response", "wireId": text(&command, "wireId")?,
            "sessionId": self.session, "tabId": 104, field: outcome,
        });
        if let Some(origin) = command.get("originId") {
            response["originId"] = origin.clone();
        }
        self.send(response).await?;
        Ok(command)
    }
}

#[test]
fn the_worked_example_comes_out_as_the_document_says() -> Result<()> {
    let terms = Terms {
        secret: unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")?,
        port: 8765,
        nonce_ext: "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f".into(),
        nonce_srv: "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f".into(),
    };
    assert_eq!(
        terms.proof()?,
        "bfb4cdbd346b9d87b946ae32002673dcf1eac360a2c7339df61092e287060bb5"
    );
    let mac = "33c79ef86a67ad4be7a0a91a57a4a5daf4d6fa00f310aa0536e1d398cceb933f";
    let limits = json!({"frameMax": FRAME_MAX});
    terms.verify(&json!({"type": "helloAck", "mac": mac, "features": [], "limits": limits}))
}

#[tokio::test]
async fn a_client_written_from_the_document_alone_carries_a_call() -> Result<()> {
    let mut server = Server::start().await?;
    let mut extension = Extension::connect(&server).await?;

    let data = json!({"success": true, "url": "https://a.b/", "title": "A", "value": "socks"});
    let (answer, command) = tokio::try_join!(
        server.call(
            "browser_evaluate",
            json!({"function": "() => document.title"})
        ),
        extension.answer("data", &data),
    )?;
    assert_eq!(command["name"], "browser_evaluate");
    assert_eq!(command["payload"]["function"], "() => document.title");
    assert_ne!(answer["isError"], true, "{answer}");
    assert!(answer["content"].to_string().contains("socks"), "{answer}");

    let error = json!({"code": "tab_owned", "message": "Tab 104 is a2's.", "advice": "Ask a2."});
    let (answer, command) = tokio::try_join!(
        server.call("browser_navigate", json!({"url": "https://b.example/"})),
        extension.answer("error", &error),
    )?;
    assert_eq!(command["payload"]["url"], "https://b.example/");
    assert_eq!(answer["isError"], true, "{answer}");
    for field in ["code", "message", "advice"] {
        assert!(
            answer["content"].to_string().contains(text(&error, field)?),
            "{answer}"
        );
    }

    server.stdin = None;
    let goodbye = extension.wait_for("goodbye").await?;
    assert_eq!(
        (text(&goodbye, "reason")?, &goodbye["graceS"]),
        ("ending", &json!(10))
    );
    assert_eq!(extension.wait_for("close").await?["code"], 1001);
    let status = within("the server's end", async { Ok(server.child.wait().await?) }).await?;
    assert!(status.success(), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_proof_is_refused_with_4401_and_the_agent_is_told() -> Result<()> {
    let mut server = Server::start().await?;
    let port = server.port().await?;
    let mut secret = server.secret()?;
    secret[31] ^= 1;
    let mut extension = Extension::dial(port).await?;
    extension.prove(port, secret).await?;
    let close = within("the close", extension.frame()).await?;
    assert_eq!(close, json!({"type": "close", "code": 4401, "text": ""}));

    let answer = server.call("browser_snapshot", json!({})).await?;
    assert_eq!(answer["isError"], true, "{answer}");
    assert!(
        answer["content"].to_string().contains("not_paired"),
        "{answer}"
    );
    Ok(())
}
