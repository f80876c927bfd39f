//! A server of the original, as its own programs behave on the wire: it proves nothing, answers
//! every HTTP request with 426, asks `{id, type, payload}`, and knows a reply by its `id`.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// What it calls itself.
pub(crate) const NAME: &str = "27262-a3338dbf494c7892-1795230983135";

/// A listener that takes WebSockets, and refuses everything else as `ws` does.
pub(crate) struct Listener {
    listener: TcpListener,
    /// Requests that were no upgrade.
    probes: Arc<AtomicUsize>,
}

/// One extension that has dialled.
pub(crate) struct Server {
    socket: WebSocketStream<TcpStream>,
    port: u16,
    asked: u64,
}

impl Listener {
    pub(crate) async fn bind(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let probes = Arc::default();
        Ok(Self { listener, probes })
    }

    /// How often somebody asked what this is.
    pub(crate) fn probes(&self) -> usize {
        self.probes.load(Ordering::Relaxed)
    }

    /// The next socket; probes before it are answered.
    pub(crate) async fn accept(&self) -> Result<WebSocketStream<TcpStream>> {
        loop {
            let (mut stream, _) = self.listener.accept().await?;
            let mut head = [0; 4096];
            let seen = stream.peek(&mut head).await?;
            let text = String::from_utf8_lossy(&head[..seen]).to_lowercase();
            if text.contains("upgrade: websocket") {
                return Ok(tokio_tungstenite::accept_async(stream).await?);
            }
            self.probes.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut head).await?;
            let refusal = "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 16\r\n\
                           Content-Type: text/plain\r\nConnection: close\r\n\r\nUpgrade Required";
            stream.write_all(refusal.as_bytes()).await?;
        }
    }

    /// Waits for an extension and says who this is.
    pub(crate) async fn serve(&self, name: &str) -> Result<Server> {
        let port = self.listener.local_addr()?.port();
        let socket = e2e::within("the extension to dial", self.accept()).await?;
        let mut server = Server {
            socket,
            port,
            asked: 0,
        };
        let hello = server.next().await?;
        assert_eq!(
            hello,
            json!({"type": "hello", "wants": "instanceId"}),
            "first of all"
        );
        server
            .say(&json!({"type": "helloAck", "instanceId": name, "port": port}))
            .await?;
        assert_eq!(server.next().await?, json!({"type": "portListRequest"}));
        server.list_ports().await?;
        Ok(server)
    }
}

impl Server {
    async fn say(&mut self, frame: &Value) -> Result<()> {
        Ok(self.socket.send(Message::text(frame.to_string())).await?)
    }

    async fn list_ports(&mut self) -> Result<()> {
        let ports = json!({"type": "portListResponse", "ports": [self.port]});
        self.say(&ports).await
    }

    async fn next(&mut self) -> Result<Value> {
        e2e::within("a frame of the extension", async {
            loop {
                match self.socket.next().await.context("the socket ended")?? {
                    Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                    Message::Close(why) => bail!("closed: {why:?}"),
                    Message::Binary(_)
                    | Message::Ping(_)
                    | Message::Pong(_)
                    | Message::Frame(_) => {}
                }
            }
        })
        .await
    }

    /// Asks under `id`; the whole reply.
    pub(crate) async fn ask_as(&mut self, id: &Value, kind: &str, payload: Value) -> Result<Value> {
        let ask = json!({"id": id, "type": kind, "payload": payload, "instanceId": NAME});
        self.say(&ask).await?;
        loop {
            let frame = self.next().await?;
            if frame.get("id") == Some(id) {
                return Ok(frame);
            }
            match frame["type"].as_str() {
                Some("portListRequest") => self.list_ports().await?,
                Some("ping") => {}
                _ => bail!("nobody asked for {frame}"),
            }
        }
    }

    /// Asks as the original does; what the reply brings, which must be no error.
    pub(crate) async fn ask(&mut self, kind: &str, payload: Value) -> Result<Value> {
        self.asked += 1;
        let reply = self.ask_as(&json!(self.asked), kind, payload).await?;
        if let Some(error) = reply.get("error") {
            bail!("{kind}: {error}");
        }
        assert_eq!(reply["type"], kind, "{reply}");
        Ok(reply["payload"].clone())
    }

    /// The error that the reply must be.
    pub(crate) async fn fails(&mut self, kind: &str, payload: Value) -> Result<String> {
        self.asked += 1;
        let reply = self.ask_as(&json!(self.asked), kind, payload).await?;
        assert!(reply.get("payload").is_none(), "{kind}: {reply}");
        Ok(reply["error"].as_str().context("an error")?.to_owned())
    }

    /// The ref on the line of the snapshot that has all these words.
    pub(crate) async fn find(&mut self, words: &[&str]) -> Result<String> {
        let shown = self
            .ask("snapshot.accessibility", json!({"mode": "scaffold"}))
            .await?;
        let snapshot = shown["snapshot"].as_str().context("a snapshot")?;
        let line = snapshot
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)))
            .with_context(|| format!("{words:?} in {snapshot}"))?;
        let (_, after) = line.split_once("[ref=").context("a ref")?;
        Ok(after.split(']').next().context("a ref")?.to_owned())
    }

    /// What a script gives.
    pub(crate) async fn value(&mut self, code: &str) -> Result<Value> {
        let payload = json!({"code": code, "timeout": 5000, "unsafe": false});
        Ok(self.ask("js.execute", payload).await?["result"].clone())
    }

    /// What a method gives.
    pub(crate) async fn method(&mut self, method: &str, args: Value) -> Result<Value> {
        let payload = json!({"method": method, "args": args, "timeout": 5000});
        Ok(self.ask("js.execute", payload).await?["result"].clone())
    }
}
