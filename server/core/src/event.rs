//! Everything that a server can be told and everything that it can ask for: two closed enums.

use protocol::error::{Unpaired, WireError};
use protocol::frame::{LostTab, Progress};
use protocol::pairing::Secret;
use protocol::{BrowserId, SessionId, TabId};
use serde_json::Value;

/// One socket, for its whole life. The driver counts upwards and uses none twice, so the number is
/// the connection's epoch: what a closed one still says finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One call of an MCP client. The driver counts upwards and uses none twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// A session of this server. Unlike its public name it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u32);

impl SessionKey {
    /// The one session of a stdio server.
    pub const ONLY: Self = Self(0);
}

/// Something happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The session's identity was read or made.
    Identity {
        /// Whose.
        session: SessionKey,
        /// See [`Identity`].
        identity: Identity,
    },
    /// What people shall call the session; ignored where the configuration names a label.
    Label {
        /// Whose.
        session: SessionKey,
        /// Cut to `limits::LABEL_MAX` characters.
        label: String,
    },
    /// The server listens on this port.
    Listening {
        /// 1 to 65535.
        port: u16,
    },
    /// No port could be bound.
    NotListening {
        /// Why, in words, for the answer of calls that wait for a browser.
        why: String,
    },
    /// The ports of the other living servers of this user, whole.
    Siblings {
        /// In any order.
        ports: Vec<u16>,
    },
    /// A socket passed the gate and was upgraded.
    Accepted {
        /// Its epoch.
        conn: ConnId,
        /// The address it was accepted on: `127.0.0.1` or `::1`.
        address: String,
        /// The port it was accepted on.
        port: u16,
        /// The request's path.
        path: String,
    },
    /// The same, of an extension that proves nothing and that the user lets in. It speaks v1
    /// (PROTOCOL.md, *Older dialects*).
    AcceptedUnpaired {
        /// Its epoch.
        conn: ConnId,
        /// The port it was accepted on.
        port: u16,
    },
    /// A text message arrived.
    Frame {
        /// On which socket.
        conn: ConnId,
        /// As it came; anything at all.
        text: String,
    },
    /// A socket is gone, whoever closed it.
    Closed {
        /// Which.
        conn: ConnId,
        /// The peer's close code (`protocol::close`); 1006 where it gave none (RFC 6455, 7.4.1).
        code: u16,
    },
    /// The answer to [`Effect::ReadSecret`].
    Secret {
        /// For which socket's proof.
        conn: ConnId,
        /// Where it cannot be read: which file and why, in words for people.
        secret: Result<Secret, String>,
    },
    /// The secret was replaced: open sockets are dropped.
    SecretRotated,
    /// A client calls. Answered by exactly one [`Effect::Answer`].
    Call {
        /// Of which session.
        session: SessionKey,
        /// Its number.
        call: CallId,
        /// What it asks.
        request: CallRequest,
    },
    /// A client no longer wants an answer; it gets one all the same.
    Cancel {
        /// Which.
        call: CallId,
    },
    /// Stdin ended, or a signal came: answer or cancel everything, say goodbye, exit.
    End,
    /// Nothing but time has passed.
    Tick,
}

/// Something to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a text message. A socket that is gone is not an error.
    Send {
        /// On which socket.
        conn: ConnId,
        /// The message.
        text: String,
    },
    /// Close a socket after all that was sent before; `Input::Closed` is welcome, not needed.
    Close {
        /// Which.
        conn: ConnId,
        /// WebSocket close code; the reason's text stays empty.
        code: u16,
    },
    /// The peer has proven itself: the driver may lift what it allows strangers (bytes held).
    Admit {
        /// Which.
        conn: ConnId,
    },
    /// Read the pairing secret and answer with `Input::Secret`.
    ReadSecret {
        /// To be repeated.
        conn: ConnId,
    },
    /// The one answer to a call.
    Answer {
        /// Which.
        call: CallId,
        /// See [`Answer`].
        answer: Answer,
    },
    /// What a call that waits is waiting for.
    Progress {
        /// Which.
        call: CallId,
        /// See [`CallProgress`].
        progress: CallProgress,
    },
    /// Keep the identity: a fresh session, or the browser that it now belongs to.
    SaveIdentity {
        /// Whose.
        session: SessionKey,
        /// See [`Identity`].
        identity: Identity,
    },
    /// Note in the identity file that its holder is ending.
    MarkEnding {
        /// Whose.
        session: SessionKey,
    },
    /// Something that the user should see on stderr.
    Note(Note),
    /// Take no more connections and answer no more probes, before the goodbye is sent: else the
    /// extension dials again.
    StopListening,
    /// All is said: flush the sockets and exit.
    Exit,
}

/// What makes a session the same one after a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Public name.
    pub session_id: SessionId,
    /// Whoever shows it resumes the session.
    pub resume_token: String,
    /// The browser that the session belongs to, once it does.
    pub browser: Option<BoundBrowser>,
    /// Its session owned a tab when this was last said: a successor whom the browser does not know
    /// any more tells its agent that they are lost.
    pub has_tabs: bool,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("session_id", &self.session_id)
            .field("browser", &self.browser)
            .field("has_tabs", &self.has_tabs)
            .finish_non_exhaustive()
    }
}

/// The browser that a session belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundBrowser {
    /// What identifies it.
    pub id: BrowserId,
    /// What people called it when it was last seen.
    pub name: String,
}

/// A call as the client made it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRequest {
    /// A name of `protocol::command::NAMES`.
    pub name: String,
    /// Its arguments without `tabId` and `wait`, except `browser_tabs`, whose `tabId` is its own;
    /// checked by `protocol::Command::decode`. `browser_session` may have a `browser` to move to.
    pub payload: Value,
    /// The tab it names.
    pub tab: Option<TabId>,
    /// Milliseconds that it may wait for another's tab; at most `limits::CLAIM_WAIT_MAX`.
    pub wait_ms: Option<u64>,
    /// Milliseconds from the start of its turn; at most `limits::CALL_DEADLINE_MAX`.
    pub deadline_ms: Option<u64>,
}

/// The one answer to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The command's data (`PageResult`, `TabsResult`, `SessionResult`), or the error.
    pub outcome: Result<Value, WireError>,
    /// The tab it happened in.
    pub tab: Option<TabId>,
    /// How many claims wait for this tab of the caller's.
    pub waiters: usize,
    /// Tabs that were lost, told once.
    pub lost: Vec<LostTab>,
}

impl Answer {
    /// An answer that names no tab.
    #[must_use]
    pub fn bare(outcome: Result<Value, WireError>) -> Self {
        Self {
            outcome,
            tab: None,
            waiters: 0,
            lost: Vec::new(),
        }
    }
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallProgress {
    /// For a browser to connect.
    Connecting {
        /// Seconds until it gives up.
        left_s: u64,
    },
    /// For another session's tab.
    Claim(Progress),
}

/// Something that the user should see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An extension came that is not paired: `interlock extension DIR --pair-only` mends it.
    NotPaired(Unpaired),
    /// The secret could not be read.
    SecretUnreadable {
        /// Which file and why.
        why: String,
    },
    /// A browser was paired and the session is open in it.
    SessionOpened {
        /// Its name.
        browser: String,
    },
    /// A browser was paired, but the session belongs to another.
    StandsBy {
        /// Its name.
        browser: String,
    },
    /// The browser holds the session under another token: it went on under a fresh name.
    SessionRefused,
    /// The browser takes no further session.
    BrowserFull {
        /// Its name.
        browser: String,
    },
    /// The browser's connection was lost.
    BrowserLost {
        /// Its name.
        browser: String,
    },
}
