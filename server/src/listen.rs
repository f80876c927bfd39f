//! The listener: which port, and what is done with each connection until it is a WebSocket
//! (`design/security.md`, *Listening*). Every stage has a time limit and every kind of connection
//! a number; at the number the oldest goes, so that no flood shuts our extension out.

use crate::gate::{self, Route};
use crate::sockets::{Peer, Place, Sockets};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::ports::{PROBE_ANSWER, PortRange};
use protocol::{SUBPROTOCOL, limits};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A peer on the same machine sends its request in one piece, in milliseconds.
const REQUEST_MAX: Duration = limits::CONNECT_MAX;
/// Our requests have a dozen short headers.
const HEADERS_MAX: usize = 64;
/// All of a request's head; hyper's own minimum.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Connections that are not WebSockets yet. A probe lives for a millisecond.
pub const STRANGERS_MAX: usize = 64;
/// Connections that the system holds for us until they are accepted.
const BACKLOG: u32 = 128;
/// Where accepting fails (no file descriptors left) the next try waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port that is ours.
#[derive(Debug)]
pub struct Bound {
    /// Which.
    pub port: u16,
    v4: TcpListener,
    v6: Option<TcpListener>,
}

/// What lies between a connection and whoever serves it. The product puts nothing there; whoever
/// wants to know what becomes of a session whose connection breaks puts something that breaks.
pub trait Wire: Send + Sync + 'static {
    /// What is served in place of the connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// Is called once for every connection that is accepted, probes among them.
    fn around(&self, stream: TcpStream) -> Self::Stream;
}

/// The connection as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bare;

impl Wire for Bare {
    type Stream = TcpStream;

    fn around(&self, stream: TcpStream) -> TcpStream {
        stream
    }
}

/// Takes the lowest free port of the range and its overflow.
///
/// # Errors
/// When none is free.
pub fn bind_range(range: PortRange) -> io::Result<Bound> {
    for port in range.ports() {
        match bind(port) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            // A port that the system forbids is not the end of the range.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            bound => return bound,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!(
            "all ports from {} to {} are taken",
            range.first,
            range.overflow_last()
        ),
    ))
}

/// Takes exactly this port (any that is free, when it is 0): 127.0.0.1 first, then `::1`, and
/// listens only when both are settled.
///
/// # Errors
/// `AddrInUse` when either is taken; others of the system.
pub fn bind(port: u16) -> io::Result<Bound> {
    let v4 = TcpSocket::new_v4()?;
    reuse(&v4)?;
    v4.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let port = v4.local_addr()?.port();
    let v6 = match bind_v6(port) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // Where ::1 does not exist, 127.0.0.1 alone serves.
        Err(_) => None,
        Ok(socket) => Some(socket),
    };
    // Two that bound at the same moment part here: only one can listen.
    Ok(Bound {
        port,
        v4: v4.listen(BACKLOG)?,
        v6: v6.map(|socket| socket.listen(BACKLOG)).transpose()?,
    })
}

fn bind_v6(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v6()?;
    reuse(&socket)?;
    socket.bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port)))?;
    Ok(socket)
}

/// Without it a restarted server would find its own port taken for a minute. On Windows the
/// option means something else: to take what another uses.
fn reuse(socket: &TcpSocket) -> io::Result<()> {
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    Ok(())
}

/// Serves until it is dropped. What is said on a connection goes through `wire`'s stream around it.
pub async fn serve<W: Wire>(bound: Bound, sockets: Sockets, wire: W) {
    let strangers = Strangers::default();
    let port = bound.port;
    let v6 = async {
        match &bound.v6 {
            Some(listener) => accept(listener, "::1", port, &sockets, &strangers, &wire).await,
            None => std::future::pending().await,
        }
    };
    tokio::join!(
        accept(&bound.v4, "127.0.0.1", port, &sockets, &strangers, &wire),
        v6
    );
}

async fn accept<W: Wire>(
    listener: &TcpListener,
    address: &'static str,
    port: u16,
    sockets: &Sockets,
    strangers: &Strangers,
    wire: &W,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if stream.set_nodelay(true).is_err() {
                    continue; // It is gone already.
                }
                let place = Place { address, port };
                let serving = serve_stream(wire.around(stream), place, sockets.clone());
                strangers.admit(tokio::spawn(serving).abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connections that have not become WebSockets.
#[derive(Clone, Default)]
struct Strangers(Arc<Mutex<VecDeque<AbortHandle>>>);

impl Strangers {
    fn admit(&self, serving: AbortHandle) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|serving| !serving.is_finished());
        if all.len() >= STRANGERS_MAX
            && let Some(oldest) = all.pop_front()
        {
            oldest.abort();
        }
        all.push_back(serving);
    }
}

/// Serves one connection, until it is closed or has become a WebSocket.
pub async fn serve_stream<S>(stream: S, place: Place, sockets: Sockets)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(|request| {
        let response = answer(request, place, &sockets);
        async { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .half_close(false)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // The whole of it is one request and one answer, which has to leave in time too.
    let _ = tokio::time::timeout(2 * REQUEST_MAX, serving).await;
}

fn answer(
    mut request: Request<Incoming>,
    place: Place,
    sockets: &Sockets,
) -> Response<Full<Bytes>> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, _) = request.into_parts();
    match gate::check(&head, place.port, sockets.unpaired()) {
        Ok(Route::Probe) => {
            let mut response = plain(StatusCode::OK, PROBE_ANSWER);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Route::Extension { path, key }) => {
            let mut response = switch(&key);
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                sockets.open(upgrade, place, Peer::Paired { path });
                let protocol = HeaderValue::from_static(SUBPROTOCOL);
                let headers = response.headers_mut();
                headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
            }
            response
        }
        Ok(Route::Unpaired { key }) => {
            let response = switch(&key);
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                sockets.open(upgrade, place, Peer::Unpaired);
            }
            response
        }
        Err(status) => {
            let mut response = plain(status, "");
            if status == StatusCode::UPGRADE_REQUIRED {
                let websocket = HeaderValue::from_static("websocket");
                response.headers_mut().insert(UPGRADE, websocket);
            }
            response
        }
    }
}

/// From here on it is a WebSocket.
fn switch(key: &HeaderValue) -> Response<Full<Bytes>> {
    let Ok(accept) = HeaderValue::try_from(derive_accept_key(key.as_bytes())) else {
        return plain(StatusCode::BAD_REQUEST, "");
    };
    let mut response = plain(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// An answer after which the connection closes.
fn plain(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}
