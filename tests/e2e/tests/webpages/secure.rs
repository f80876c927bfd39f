//! Pages from https: a server with a certificate of its own, which the browser takes for a good one.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, PublicKeyData as _, generate_simple_self_signed};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The running server; dropping it closes the listener.
pub(crate) struct Secure {
    port: u16,
    key: String,
    server: JoinHandle<()>,
}

impl Secure {
    /// Serves one empty page at every path, on a port that the system picks.
    pub(crate) async fn start() -> Result<Self> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
        let key = STANDARD.encode(Sha256::digest(signing_key.subject_public_key_info()));
        let private = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], private.into())?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A browser may open a connection that it does not use.
                    let Ok(mut socket) = acceptor.accept(socket).await else {
                        return;
                    };
                    let _ = socket.read(&mut [0; 4096]).await;
                    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\
                                  Connection: close\r\nContent-Length: 21\r\n\r\n\
                                  <!doctype html><body>";
                    let _ = socket.write_all(answer.as_bytes()).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        Ok(Self { port, key, server })
    }

    /// What the browser has to trust.
    pub(crate) fn key(&self) -> String {
        self.key.clone()
    }

    /// The address of `path` (which begins with a slash, or is empty).
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.server.abort();
    }
}
