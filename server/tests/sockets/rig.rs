//! A server in this process, a scripted extension, and the folder that both need.

use futures_util::{SinkExt, StreamExt};
use interlock::driver::{self, Handle};
use interlock::listen;
use interlock::outside::{Late, World};
use interlock::sockets::{Sockets, Table};
use interlock::state::StateDir;
use protocol::frame::{
    Begun, Envelope, Frame, Goodbye, Hello, Outcome, SessionOpen, SessionOpened,
};
use protocol::pairing::{Secret, Transcript};
use protocol::{Alias, BrowserId, EXTENSION_ID, SUBPROTOCOL, limits};
use serde_json::Value;
use server_core::{Answer, CallRequest, Config, Input, SessionKey, fresh_identity};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_util::sync::CancellationToken;

/// Nothing here takes a tenth of it, unless something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let name = interlock::state::random_name().unwrap();
        let path = std::env::temp_dir().join(format!("interlock-sockets-{name}"));
        interlock::state::make_private(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn state(&self) -> StateDir {
        StateDir::open(Some(&self.0.join("state"))).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server in this process; its listener ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) handle: Handle,
    pub(crate) port: u16,
    pub(crate) secret: Secret,
    pub(crate) scratch: Scratch,
}

impl Server {
    pub(crate) fn start() -> Self {
        let scratch = Scratch::new();
        let state = scratch.state();
        let secret = state.secret().unwrap();
        let (table, late) = (Table::default(), Late::default());
        late.state.set(state).unwrap();
        let world = World {
            table: table.clone(),
            late: late.clone(),
        };
        let handle = driver::start(Config::default(), [1; 32], world);
        let bound = listen::bind(0).unwrap();
        let port = bound.port;
        handle.input(Input::Listening { port });
        handle.input(Input::Identity {
            session: SessionKey::ONLY,
            identity: fresh_identity([2; 32]),
        });
        let serving = listen::serve(bound, Sockets::new(handle.clone(), table), listen::Bare);
        tokio::spawn(async move { late.deaf.run_until_cancelled(serving).await });
        Self {
            handle,
            port,
            secret,
            scratch,
        }
    }

    pub(crate) fn call(&self, name: &str, payload: Value) -> tokio::task::JoinHandle<Answer> {
        self.call_until(name, payload, CancellationToken::new())
    }

    pub(crate) fn call_until(
        &self,
        name: &str,
        payload: Value,
        cancel: CancellationToken,
    ) -> tokio::task::JoinHandle<Answer> {
        let (handle, name) = (self.handle.clone(), name.to_owned());
        tokio::spawn(async move {
            let request = CallRequest {
                name,
                payload,
                tab: None,
                wait_ms: None,
                deadline_ms: None,
            };
            let (progress, _nobody) = tokio::sync::mpsc::unbounded_channel();
            handle.call(request, progress, cancel).await
        })
    }

    pub(crate) async fn pair(&self, browser: &str) -> Browser {
        Browser::pair(self.port, &self.secret, browser).await
    }
}

/// Writes raw bytes and reads whatever comes back until the end.
pub(crate) async fn ask(port: u16, bytes: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap()
}

/// The extension's end of a socket.
pub(crate) struct Browser {
    socket: WebSocketStream<TcpStream>,
    /// The last `sessionOpen`.
    pub(crate) session: Option<SessionOpen>,
}

impl Browser {
    /// A socket on which nothing has been said.
    pub(crate) async fn dial(port: u16) -> Self {
        let url = format!("ws://127.0.0.1:{port}/");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let origin = format!("chrome-extension://{EXTENSION_ID}");
        headers.insert("origin", origin.parse().unwrap());
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (socket, response) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        Self {
            socket,
            session: None,
        }
    }

    /// A whole handshake; the server's proof is checked.
    pub(crate) async fn pair(port: u16, secret: &Secret, browser: &str) -> Self {
        let mut this = Self::dial(port).await;
        let said = this.hello(port, browser).await;
        let mac = said.extension_mac(secret);
        this.say(&Frame::Proof { mac }).await;
        let Some(Frame::HelloAck(ack)) = this.next().await else {
            panic!("no helloAck");
        };
        let bounds = ack.limits.canonical();
        assert!(said.server_proves(secret, &ack.features, &bounds, &ack.mac));
        this
    }

    /// Hello and challenge.
    pub(crate) async fn hello(&mut self, port: u16, browser: &str) -> Transcript {
        let hello = Hello {
            versions: vec!["2.0".into()],
            nonce_ext: "cd".repeat(32),
            extension_id: EXTENSION_ID.into(),
            browser_id: BrowserId(browser.into()),
            browser_name: browser.into(),
        };
        self.say(&Frame::Hello(hello.clone())).await;
        let Some(Frame::Challenge { nonce_srv, version }) = self.next().await else {
            panic!("no challenge");
        };
        Transcript {
            address: "127.0.0.1".into(),
            port,
            path: "/".into(),
            nonce_ext: hello.nonce_ext,
            nonce_srv,
            extension_id: hello.extension_id,
            browser_id: hello.browser_id.0,
            versions: hello.versions,
            version,
        }
    }

    /// Answers `sessionOpen` and gives it.
    pub(crate) async fn open(&mut self, outcome: Outcome, begun: Vec<Begun>) -> SessionOpen {
        let Some(Frame::SessionOpen(open)) = self.next().await else {
            panic!("no sessionOpen");
        };
        self.say(&Frame::SessionOpened(SessionOpened {
            session_id: open.session_id.clone(),
            alias: Alias("a1".into()),
            outcome,
            incarnation: None,
            tabs: vec![],
            lost: vec![],
            begun,
        }))
        .await;
        self.session = Some(open.clone());
        open
    }

    pub(crate) async fn say(&mut self, frame: &Frame) {
        self.say_text(frame.to_text()).await;
    }

    pub(crate) async fn say_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Closes with a code.
    pub(crate) async fn leave(mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.socket.close(Some(frame)).await.unwrap();
        while self.socket.next().await.is_some() {}
    }

    pub(crate) async fn respond(&mut self, command: &Envelope, data: Value) {
        let (wire, session) = (command.wire_id.clone(), command.session_id.clone());
        let response = Envelope::response(wire, session, Ok(data));
        self.say(&Frame::Response(response)).await;
    }

    /// The next frame; none when the socket is closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        self.next_or_code().await.ok()
    }

    /// The next frame, or the code that the socket was closed with (0 without one).
    pub(crate) async fn next_or_code(&mut self) -> Result<Frame, u16> {
        let message = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        match message.expect("the server says something or closes") {
            Some(Ok(Message::Text(text))) => {
                Ok(Frame::parse(&text, limits::FRAME_MAX).expect("a frame"))
            }
            Some(Ok(Message::Close(Some(close)))) => {
                assert_eq!(close.reason.as_str(), "", "no word is said");
                Err(close.code.into())
            }
            _ => Err(0),
        }
    }

    pub(crate) async fn command(&mut self) -> Envelope {
        match self.next().await {
            Some(Frame::Command(command)) => command,
            other => panic!("no command but {other:?}"),
        }
    }

    pub(crate) async fn goodbye(&mut self) -> Goodbye {
        match self.next().await {
            Some(Frame::Goodbye(goodbye)) => goodbye,
            other => panic!("no goodbye but {other:?}"),
        }
    }
}
