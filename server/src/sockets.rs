//! WebSockets after their upgrade: text in to the machine, text out from it. Each has a task; the
//! table of all is how effects find theirs. What a stranger may make us hold is bounded in bytes
//! until the machine says that it has proven itself.

mod stranger;

use crate::driver::Handle;
use crate::gate::Unpaired;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use protocol::{close, limits};
use server_core::{ConnId, Input};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stranger::Bounded;
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::task::TaskTracker;

/// Above the agreed limit there is room for the answer that says so: the machine names the call.
const MESSAGE_MAX: usize = limits::FRAME_MAX + limits::FRAME_MAX / 4;
/// How long a message may take to leave; a peer that stands still for so long is lost.
const SEND_MAX: Duration = Duration::from_secs(10);
/// How long the closing handshake may take, with a peer that has proven itself or has to learn
/// that it is not paired. Other strangers are let go at once: displaced ones would pile up.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// Unpaired peers for which that is waited at once: an extension dials each port with one socket, and of
/// a flood of wrong proofs each would else cost a file for a second.
pub const FAREWELLS_MAX: usize = 16;

/// Where a connection was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// `127.0.0.1` or `::1`.
    pub address: &'static str,
    /// The listener's.
    pub port: u16,
}

/// As what a socket was let in.
#[derive(Clone, Debug)]
pub enum Peer {
    /// It has to prove itself.
    Paired {
        /// Part of the proof.
        path: String,
    },
    /// It proves nothing, and the user lets it in.
    Unpaired,
}

/// All open sockets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sockets {
    handle: Handle,
    table: Table,
    next: Arc<AtomicU64>,
    farewells: Arc<Semaphore>,
    unpaired: Option<Arc<Unpaired>>,
}

/// How effects reach a socket. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Table {
    open: Arc<Mutex<BTreeMap<ConnId, Entry>>>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Entry {
    out: mpsc::UnboundedSender<Out>,
    admitted: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Out {
    Text(String),
    Close(u16),
}

impl Table {
    /// Sends a text; to a socket that is gone, nothing happens.
    pub fn send(&self, conn: ConnId, text: String) {
        self.with(conn, |entry| {
            let _ = entry.out.send(Out::Text(text));
        });
    }

    /// Closes a socket after everything sent before.
    pub fn close(&self, conn: ConnId, code: u16) {
        self.with(conn, |entry| {
            let _ = entry.out.send(Out::Close(code));
        });
        self.remove(conn);
    }

    /// Its peer has proven itself.
    pub fn admit(&self, conn: ConnId) {
        self.with(conn, |entry| entry.admitted.store(true, Ordering::Relaxed));
    }

    /// Waits until every socket is closed.
    pub async fn closed(&self, at_most: Duration) {
        self.tasks.close();
        let _ = tokio::time::timeout(at_most, self.tasks.wait()).await;
    }

    fn with(&self, conn: ConnId, act: impl FnOnce(&Entry)) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = open.get(&conn) {
            act(entry);
        }
    }

    fn insert(&self, conn: ConnId, entry: Entry) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(conn, entry);
    }

    fn remove(&self, conn: ConnId) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&conn);
    }
}

impl Sockets {
    /// Sockets that tell `handle` and are reached through `table`.
    #[must_use]
    pub fn new(handle: Handle, table: Table) -> Self {
        Self {
            handle,
            table,
            next: Arc::new(AtomicU64::new(1)),
            farewells: Arc::new(Semaphore::new(FAREWELLS_MAX)),
            unpaired: None,
        }
    }

    /// And `unpaired` is let in, though it proves nothing.
    #[must_use]
    pub fn letting_in(mut self, unpaired: Option<Unpaired>) -> Self {
        self.unpaired = unpaired.map(Arc::new);
        self
    }

    /// Who is let in, though it proves nothing.
    #[must_use]
    pub fn unpaired(&self) -> Option<&Unpaired> {
        self.unpaired.as_deref()
    }

    /// Takes over a connection whose answer says that it is a WebSocket from now on.
    pub fn open(&self, upgrade: OnUpgrade, place: Place, peer: Peer) {
        let sockets = self.clone();
        self.table.tasks.spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                sockets.run(upgraded, place, peer).await;
            }
        });
    }

    async fn run(self, upgraded: Upgraded, place: Place, peer: Peer) {
        let conn = ConnId(self.next.fetch_add(1, Ordering::Relaxed));
        let (out, mut outbox) = mpsc::unbounded_channel();
        let admitted = Arc::new(AtomicBool::new(false));
        let bounded = Bounded::new(TokioIo::new(upgraded), admitted.clone());
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let socket = WebSocketStream::from_raw_socket(bounded, Role::Server, Some(config)).await;
        let entry = Entry {
            out,
            admitted: admitted.clone(),
        };
        self.table.insert(conn, entry);
        let Place { address, port } = place;
        let accepted = match peer {
            Peer::Paired { path } => Input::Accepted {
                conn,
                address: address.to_owned(),
                port,
                path,
            },
            Peer::Unpaired => Input::AcceptedUnpaired { conn, port },
        };
        self.handle.socket(accepted).await;
        let (mut sink, mut stream) = socket.split();
        let mut code = CloseCode::Abnormal.into();
        let receive = async {
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Text(text) => {
                        let text = text.as_str().to_owned();
                        self.handle.socket(Input::Frame { conn, text }).await;
                    }
                    // tungstenite answers pings by itself.
                    Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                    // Not of this protocol.
                    Message::Binary(_) => break,
                    Message::Close(frame) => {
                        if let Some(frame) = frame {
                            code = frame.code.into();
                        }
                        break;
                    }
                }
            }
        };
        let mut farewell = None;
        // Gives whether the peer's half of the closing handshake is waited for.
        let send = async {
            while let Some(out) = outbox.recv().await {
                let (message, last) = match out {
                    Out::Text(text) => (Message::text(text), None),
                    Out::Close(code) => (close_frame(code), Some(code)),
                };
                let sent = tokio::time::timeout(SEND_MAX, sink.send(message)).await;
                if let Some(code) = last {
                    if code == close::NOT_PAIRED {
                        farewell = self.farewells.try_acquire().ok();
                    }
                    return farewell.is_some() || admitted.load(Ordering::Relaxed);
                }
                if !matches!(sent, Ok(Ok(()))) {
                    break;
                }
            }
            admitted.load(Ordering::Relaxed)
        };
        {
            let mut receive = std::pin::pin!(receive);
            tokio::select! {
                () = &mut receive => {}
                waits = send => if waits {
                    // So that our last words arrive.
                    let _ = tokio::time::timeout(CLOSE_MAX, receive).await;
                }
            }
        }
        self.table.remove(conn);
        self.handle.socket(Input::Closed { conn, code }).await;
    }
}

fn close_frame(code: u16) -> Message {
    Message::Close(Some(CloseFrame {
        code: code.into(),
        reason: Utf8Bytes::from_static(""),
    }))
}
