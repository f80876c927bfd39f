//! One socket of the page's section *The socket*, from either end.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;

pub(crate) struct Socket(WebSocketStream<TcpStream>);

/// Dials a server as the extension does.
pub(crate) async fn dial(port: u16) -> Result<Socket> {
    let mut request = format!("ws://127.0.0.1:{port}/").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert(
        "Sec-WebSocket-Protocol",
        HeaderValue::from_static("interlock.2"),
    );
    let origin = "chrome-extension://pccggijclfpjeomnfodccfggcnkogjdg";
    headers.insert("Origin", HeaderValue::from_static(origin));
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (socket, answer) = tokio_tungstenite::client_async(request, stream).await?;
    anyhow::ensure!(answer.headers()["Sec-WebSocket-Protocol"] == "interlock.2");
    Ok(Socket(socket))
}

/// Answers probes until the extension dials.
#[expect(clippy::result_large_err, reason = "the library's own callback type")]
pub(crate) async fn accept(listener: &TcpListener) -> Result<Socket> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut head = [0; 64];
        let seen = stream.peek(&mut head).await?;
        if head[..seen].starts_with(b"GET /.well-known/interlock ") {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await?;
            let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                          Content-Length: 16\r\nConnection: close\r\n\r\n{\"interlock\": 1}";
            stream.write_all(answer.as_bytes()).await?;
            continue;
        }
        let name_protocol = |_: &Request, mut answer: Response| {
            let name = HeaderValue::from_static("interlock.2");
            answer.headers_mut().insert("Sec-WebSocket-Protocol", name);
            Ok(answer)
        };
        return Ok(Socket(
            tokio_tungstenite::accept_hdr_async(stream, name_protocol).await?,
        ));
    }
}

impl Socket {
    pub(crate) async fn send(&mut self, frame: &Value) -> Result<()> {
        Ok(self.0.send(Message::text(frame.to_string())).await?)
    }

    /// The next frame, which must be a `kind`. Heartbeats and port lists may come between.
    pub(crate) async fn next(&mut self, kind: &str) -> Result<Value> {
        e2e::within(format!("the frame {kind}"), async {
            loop {
                let message = self.0.next().await.context("the socket ended")??;
                if let Message::Close(why) = &message {
                    bail!("closed: {why:?}");
                }
                let frame: Value = serde_json::from_str(message.to_text()?)?;
                let found = frame["type"].as_str().unwrap_or("");
                if found == kind {
                    return Ok(frame);
                }
                if !["ping", "pong", "portListRequest", "portListResponse"].contains(&found) {
                    bail!("{kind} expected, got {frame}");
                }
            }
        })
        .await
    }

    /// The close code, and every text that came before it.
    pub(crate) async fn until_closed(&mut self) -> Result<(Option<u16>, Vec<String>)> {
        let mut texts = Vec::new();
        e2e::within("the close", async {
            while let Some(Ok(message)) = self.0.next().await {
                if let Message::Close(why) = message {
                    return Ok((why.map(|why| why.code.into()), texts));
                }
                texts.push(message.to_text()?.to_owned());
            }
            Ok((None, texts))
        })
        .await
    }
}
