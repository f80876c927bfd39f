//! A page that tries everything on one address after the other, and what it saw.

use anyhow::{Context, Result};
use e2e::Target;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// Everything that a page can send, as `{name: what came of it}`.
const ATTEMPTS: &str = include_str!("attempts.js");

/// A page at work, or a frame without an origin in it.
pub(crate) struct Besieger {
    page: Target,
    origin: String,
    framed: bool,
}

impl Besieger {
    /// Uses `page` itself, or a frame that it opens: sandboxed (`srcdoc`) or from a `data:` URL.
    pub(crate) async fn new(page: Target, hidden: Option<&str>) -> Result<Self> {
        let Some(kind) = hidden else {
            page.evaluate(ATTEMPTS).await?;
            let origin = page.evaluate("origin").await?;
            let origin = origin.as_str().context("no origin")?.to_owned();
            return Ok(Self {
                page,
                origin,
                framed: false,
            });
        };
        let html = format!(
            "<script>{ATTEMPTS};onmessage = async ({{data}}) => parent.postMessage([data[0], \
             await besiege(data[0], data[1])], '*'); parent.postMessage(['ready', origin], '*')\
             </script>"
        );
        let open = format!(
            "new Promise((ready) => {{
                const frame = document.createElement('iframe');
                const html = {};
                if ({} === 'data') frame.src = 'data:text/html,' + encodeURIComponent(html);
                else {{ frame.sandbox = 'allow-scripts allow-forms'; frame.srcdoc = html; }}
                window.waiting = {{ready}};
                window.onmessage = ({{data}}) => window.waiting[data[0]]?.(data[1]);
                window.hidden = frame;
                document.body.append(frame);
            }})",
            json!(html),
            json!(kind)
        );
        let origin = page.evaluate(&open).await?;
        let origin = origin.as_str().context("no origin")?.to_owned();
        Ok(Self {
            page,
            origin,
            framed: true,
        })
    }

    /// The origin as the page itself knows it.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// Tries everything on each path of `server` (`host:port`): what was seen of each.
    pub(crate) async fn besiege(
        &self,
        server: &str,
        paths: &[String],
    ) -> Result<Vec<(String, Value)>> {
        let (server, asked) = (json!(server), json!(paths));
        let attempt = if self.framed {
            format!(
                "new Promise((done) => {{ window.waiting[{server}] = done; \
                 window.hidden.contentWindow.postMessage([{server}, {asked}], '*') }})"
            )
        } else {
            format!("besiege({server}, {asked})")
        };
        let seen = self.page.evaluate(&attempt).await?;
        let seen = seen.as_array().context("no list")?;
        anyhow::ensure!(seen.len() == paths.len(), "not all was tried: {seen:?}");
        Ok(paths.iter().cloned().zip(seen.iter().cloned()).collect())
    }
}

/// The web server of an attacker, on a port that the attacker gives up later.
pub(crate) struct Attacker {
    serves: JoinHandle<()>,
    probed: Arc<Notify>,
}

impl Attacker {
    /// Serves one empty page on 127.0.0.1, whatever is asked for.
    pub(crate) async fn listen(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let probed = Arc::new(Notify::new());
        let heard = Arc::clone(&probed);
        let serves = tokio::spawn(async move {
            // All at once: Chrome opens sockets ahead of need and says nothing on them.
            let mut open = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                open.spawn(answer(socket, Arc::clone(&heard)));
            }
        });
        Ok(Self { serves, probed })
    }

    /// Returns when the extension has taken this for somebody else's service.
    pub(crate) async fn probed(&self) -> Result<()> {
        let heard = self.probed.notified();
        let told = tokio::time::timeout(Duration::from_secs(30), heard).await;
        told.context("the extension never asked who listens there")
    }

    /// Gives the port up.
    pub(crate) async fn leave(self) {
        self.serves.abort();
        // Cancelled is what it shall be.
        let _ = self.serves.await;
    }
}

/// One request, from the page or from the extension's probe.
async fn answer(mut socket: TcpStream, probed: Arc<Notify>) {
    let mut head = [0; 4096];
    let Ok(read) = socket.read(&mut head).await else {
        return;
    };
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
                  Content-Length: 15\r\n\r\n<!doctype html>";
    let _ = socket.write_all(answer.as_bytes()).await;
    if String::from_utf8_lossy(&head[..read]).contains("Host: 127.0.0.1") {
        probed.notify_one();
    }
}

/// The id that Chromium gives an unpacked extension without a key: of its path, in letters.
pub(crate) fn id_of(folder: &Path) -> Result<String> {
    let path = std::fs::canonicalize(folder)?;
    let hash = Sha256::digest(path.to_str().context("the folder's name")?.as_bytes());
    let letter = |nibble: u8| char::from(b'a' + nibble);
    let letters = hash[..16]
        .iter()
        .flat_map(|byte| [letter(byte >> 4), letter(byte & 15)]);
    Ok(letters.collect())
}
