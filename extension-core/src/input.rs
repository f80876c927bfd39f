//! Everything that can happen to the core, as one closed enum. The driver makes these from
//! JavaScript events; the simulation makes the same ones.

use crate::files::Config;
use protocol::json::{self, Unreadable};
use protocol::pairing::Secret;
use protocol::{BrowserId, SessionId, SortedMap, SortedSet, TabId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One socket that the core dialled; never used again after it closed. The epoch of invariant 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// One call to Chrome. The variant says whose it is, so that its answer finds its way home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestId {
    /// Of the pages: debugger and what tools do.
    Page(u64),
    /// Of the housekeeping: making, closing, grouping and showing tabs.
    House(u64),
}

/// One write to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// One question of a person (popup or DevTools console) that expects an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// One command in flight, unique in this life of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What a new core is told: the driver gathers it before the first input.
#[derive(Clone, Debug)]
pub struct Boot {
    /// From `crypto.getRandomValues`; never part of a stored state.
    pub seed: [u8; 32],
    /// `chrome.runtime.id`.
    pub extension_id: String,
    /// What [`read_secret`](crate::files::read_secret) made of `pairing.json`.
    pub secret: Result<Secret, String>,
    /// What [`Config::read`] made of `config.json`.
    pub config: Config,
    /// All of `chrome.storage.local`.
    pub stored: BTreeMap<String, Value>,
    /// `chrome.tabs.query({})`.
    pub tabs: Vec<TabFacts>,
    /// The titles of `chrome.tabGroups.query({})`, by id.
    pub groups: SortedMap<i64, String>,
    /// The tabs of `chrome.debugger.getTargets()` that have a debugger, ours or somebody else's.
    pub attached: SortedSet<TabId>,
    /// Loaded unpacked: alarms may then be as short as one second.
    pub unpacked: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub enum Input {
    /// The deadline that `poll_timeout` named has come, or nearly.
    Tick,
    /// `chrome.alarms.onAlarm`: the worker may have slept.
    Alarm,
    /// The answer to [`Effect::Probe`](crate::Effect::Probe).
    Probed {
        /// Which port.
        port: u16,
        /// What was found.
        answer: ProbeAnswer,
    },
    /// The socket is open.
    SocketOpened {
        /// Which one.
        socket: SocketId,
    },
    /// A text message.
    SocketText {
        /// From which one.
        socket: SocketId,
        /// As it came.
        text: String,
    },
    /// The socket is closed, or could not be opened.
    SocketClosed {
        /// Which one.
        socket: SocketId,
        /// WebSocket close code; 1006 without a close frame.
        code: u16,
    },
    /// Something happened in the browser.
    Browser(BrowserEvent),
    /// The answer to [`Effect::Ask`](crate::Effect::Ask): what the chrome function's promise gave.
    Done {
        /// Which call.
        request: RequestId,
        /// Its value as JSON (`null` for none), or its error.
        outcome: Result<Value, ChromeError>,
    },
    /// The answer to [`Effect::Write`](crate::Effect::Write).
    Written {
        /// Which write.
        write: WriteId,
        /// False when the store refused it.
        ok: bool,
    },
    /// The answer to [`Effect::ReadSecret`](crate::Effect::ReadSecret).
    SecretRead {
        /// What [`read_secret`](crate::files::read_secret) made of it.
        secret: Result<Secret, String>,
    },
    /// A person asks for something, in the popup or at the DevTools console.
    Person {
        /// Answered by [`Effect::Reply`](crate::Effect::Reply), once.
        ask: AskId,
        /// What.
        action: PersonAction,
    },
    /// The number of open popups changed; each wants [`Effect::Show`](crate::Effect::Show).
    Popups {
        /// How many are open.
        open: usize,
    },
}

/// What a silent HTTP probe found on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// A server of ours.
    Interlock {
        /// It carries many sessions.
        daemon: bool,
    },
    /// Somebody else's service.
    Foreign,
    /// Nobody listens.
    Refused,
    /// Accepted, yet said nothing in time.
    Silent,
}

/// What Chrome tells without being asked.
#[derive(Clone, Debug)]
pub enum BrowserEvent {
    /// `tabs.onCreated`.
    TabCreated(TabFacts),
    /// `tabs.onUpdated`: the tab as it now is.
    TabUpdated(TabFacts),
    /// `tabs.onRemoved`.
    TabRemoved {
        /// Which one.
        tab: TabId,
    },
    /// `tabs.onReplaced`: a prerendered page took the tab's place, or Chrome unloaded it.
    TabReplaced {
        /// Its id from now on.
        added: TabId,
        /// Its id until now.
        removed: TabId,
    },
    /// `tabs.onMoved` or `tabs.onAttached`: somebody moved it, we never do.
    TabMoved {
        /// Which one.
        tab: TabId,
    },
    /// `tabs.onActivated`.
    TabActivated {
        /// Which one.
        tab: TabId,
        /// In which window.
        window: i64,
    },
    /// `windows.onFocusChanged`, of a window of any type. That none of Chrome's has the keyboard is
    /// no news: Chrome says it in between, too.
    WindowFocused {
        /// Which one.
        window: i64,
    },
    /// `webNavigation.onCreatedNavigationTarget`: the true opener of a popup.
    NavigationTarget {
        /// The tab whose page opened it.
        source: TabId,
        /// The new tab.
        tab: TabId,
        /// Where it goes.
        url: String,
    },
    /// `webNavigation.onCommitted`, main frame only.
    Committed {
        /// Which tab.
        tab: TabId,
        /// Where it is now.
        url: String,
        /// `transitionType`, for example `typed`, `auto_bookmark`, `link`.
        transition: String,
        /// `transitionQualifiers`, for example `from_address_bar`.
        qualifiers: Vec<String>,
    },
    /// `debugger.onEvent`.
    Debugger {
        /// `source.tabId`.
        tab: TabId,
        /// `source.sessionId` of a child session.
        session: Option<String>,
        /// For example `Page.frameNavigated`.
        method: String,
        /// Its parameters.
        params: Value,
    },
    /// `debugger.onDetach`.
    Detached {
        /// Which tab.
        tab: TabId,
        /// Why.
        reason: DetachReason,
    },
}

/// `debugger.onDetach`'s reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachReason {
    /// `target_closed`: the tab closed, or another extension's frame threw us off.
    TargetClosed,
    /// `canceled_by_user`: the person pressed *Cancel* on the debugging bar.
    CanceledByUser,
    /// Another word.
    Other,
}

/// A `chrome.tabs.Tab`, as far as the core cares. Missing fields read as their defaults, but for the
/// id: what has none is no tab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TabFacts {
    /// `-1` for tabs that are none (DevTools windows).
    #[serde(default = "no_tab")]
    pub id: i64,
    /// Its window.
    pub window_id: i64,
    /// What it shows; empty without the permission.
    pub url: String,
    /// Where it is going.
    pub pending_url: String,
    /// Its title. Untrusted text.
    pub title: String,
    /// In front in its window.
    pub active: bool,
    /// In an incognito window.
    pub incognito: bool,
    /// Pinned.
    pub pinned: bool,
    /// Unloaded to save memory.
    pub discarded: bool,
    /// Its group, `-1` for none.
    pub group_id: i64,
    /// `loading` or `complete`.
    pub status: String,
}

fn no_tab() -> i64 {
    -1
}

impl TabFacts {
    /// The tab's id, when it is a tab.
    #[must_use]
    pub fn tab(&self) -> Option<TabId> {
        u32::try_from(self.id).ok().map(TabId)
    }

    /// Its group, when it stands in one.
    #[must_use]
    pub fn group(&self) -> Option<i64> {
        Some(self.group_id).filter(|id| *id > 0)
    }
}

/// Why a call to Chrome failed: its `message`. For debugger commands that is the inner message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ChromeError {
    /// As Chrome says it.
    pub message: String,
}

impl ChromeError {
    /// Chrome is stopping this worker, and took the call no more, whatever it was.
    #[must_use]
    pub fn is_of_a_dying_worker(&self) -> bool {
        self.message.starts_with("No SW")
    }
}

/// What a person may ask for. See [`PersonAction::read`] for its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonAction {
    /// Give a tab to a session: one of the person's own, a free one, or another session's. Also
    /// the façade's `acquireTabLock`.
    Give {
        /// Which tab.
        tab_id: TabId,
        /// To whom.
        session_id: SessionId,
    },
    /// Release a session's tab as the session itself would. The façade's `releaseTabLock`.
    Release {
        /// Which tab.
        tab_id: TabId,
        /// Whose it must be.
        session_id: SessionId,
    },
    /// Take a tab back, whatever runs on it.
    TakeBack {
        /// Which tab.
        tab_id: TabId,
    },
    /// Keep a made tab: it is the person's to keep when its session ends, though the session
    /// goes on working in it.
    Keep {
        /// Which tab.
        tab_id: TabId,
    },
    /// Name this browser.
    Name {
        /// 1 to 40 characters.
        name: String,
    },
    /// Stop all sessions, as *Cancel* does.
    Pause,
    /// Go on after *Cancel* or `Pause`.
    Resume,
    /// Probe every port now. The façade's `scanPorts`.
    Scan,
    /// Dial one port now, if something of ours answers there. The façade's `tryConnect`.
    Connect {
        /// Which port.
        port: u16,
    },
    /// Note a failure of a port. The façade's `trackPortFailure`.
    PortFailed {
        /// Which port.
        port: u16,
    },
    /// Hear of ports. The façade's `updateKnownPorts`.
    KnownPorts {
        /// Not believed before they are sanitised.
        ports: Vec<Value>,
    },
    /// Handle a message as if the session had sent it. The façade's `handleInstanceMessage`.
    Message {
        /// As whom.
        session_id: SessionId,
        /// A frame.
        message: Value,
    },
    /// End every session gracefully, as if each had said goodbye. The façade's `cleanup`.
    CleanUp,
}

impl PersonAction {
    /// Reads an object whose `action` is a variant's name, with its fields beside it, both in camel
    /// case.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(asked: &Value) -> Result<Self, Unreadable> {
        let tab_id = || json::field(asked, "tabId");
        let session_id = || json::field(asked, "sessionId");
        let action: String = json::field(asked, "action")?;
        Ok(match action.as_str() {
            "give" => Self::Give {
                tab_id: tab_id()?,
                session_id: session_id()?,
            },
            "release" => Self::Release {
                tab_id: tab_id()?,
                session_id: session_id()?,
            },
            "takeBack" => Self::TakeBack { tab_id: tab_id()? },
            "keep" => Self::Keep { tab_id: tab_id()? },
            "name" => Self::Name {
                name: json::field(asked, "name")?,
            },
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "scan" => Self::Scan,
            "connect" => Self::Connect {
                port: json::field(asked, "port")?,
            },
            "portFailed" => Self::PortFailed {
                port: json::field(asked, "port")?,
            },
            "knownPorts" => Self::KnownPorts {
                ports: json::field(asked, "ports")?,
            },
            "message" => Self::Message {
                session_id: session_id()?,
                message: asked
                    .get("message")
                    .cloned()
                    .ok_or_else(|| Unreadable::new("missing field `message`".into()))?,
            },
            "cleanUp" => Self::CleanUp,
            _ => return Err(Unreadable::new(format!("unknown action `{action}`"))),
        })
    }
}

/// What restored state says of the profile; made once and then kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrowserFacts {
    /// Made once per profile.
    pub id: BrowserId,
    /// Set in the popup, else the first four hex digits of the id.
    pub name: String,
}
