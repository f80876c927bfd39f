//! Everything that the core can ask of the world, as one closed enum. Effects are values: they
//! can be compared, logged and replayed, and are performed after the core's borrow has ended.

use crate::dialect::Dialect;
use crate::input::{AskId, RequestId, SocketId, WriteId};
use crate::view::View;
use protocol::{TabId, WireError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// `GET http://127.0.0.1:PORT/.well-known/interlock`, silently, 500 ms, 256 bytes at most.
    /// Answered by `Input::Probed`.
    Probe {
        /// Which port.
        port: u16,
    },
    /// Open `ws://127.0.0.1:PORT/`, with the sub-protocol `interlock.2` unless an older dialect will
    /// be spoken. Answered by `SocketOpened` or `SocketClosed`.
    Dial {
        /// How it will be called.
        socket: SocketId,
        /// Which port.
        port: u16,
        /// What will be spoken.
        dialect: Dialect,
    },
    /// Send a text message. To a socket that is gone: nothing.
    Send {
        /// To which one.
        socket: SocketId,
        /// As it goes.
        text: String,
    },
    /// Close a socket. Its `SocketClosed` may follow and changes nothing.
    Close {
        /// Which one.
        socket: SocketId,
        /// WebSocket close code.
        code: u16,
    },
    /// Call Chrome. Answered by `Input::Done`, once, unless the worker dies before.
    Ask {
        /// Comes home with the answer.
        request: RequestId,
        /// What is asked.
        call: ChromeCall,
    },
    /// `chrome.storage.local.set(set)` and `.remove(remove)`. Answered by `Input::Written`.
    Write {
        /// Comes home with the answer.
        write: WriteId,
        /// Entities by key.
        set: BTreeMap<String, Value>,
        /// Keys of entities that are no more.
        remove: Vec<String>,
    },
    /// Read `pairing.json` again. Answered by `Input::SecretRead`.
    ReadSecret,
    /// Make sure that an alarm of this period exists (ask first: creating one resets it).
    EnsureAlarm {
        /// Its period.
        period: Duration,
    },
    /// Call any chrome function: it keeps the worker awake.
    KeepAwake,
    /// Show this on the toolbar button.
    Badge(Badge),
    /// Send this to every open popup.
    Show(Box<View>),
    /// Answer a person's question.
    Reply {
        /// Which one.
        ask: AskId,
        /// With what.
        outcome: Result<Value, WireError>,
    },
    /// A line for whoever reads the log; never the console, which stays clean.
    Log {
        /// What.
        text: String,
    },
}

/// The toolbar button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    /// At most four characters.
    pub text: String,
    /// `#rrggbb`.
    pub color: &'static str,
    /// The tooltip.
    pub title: String,
}

/// One call of a `chrome.*` function. Its answer is what the function's promise gives, as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum ChromeCall {
    /// `tabs.create` in the background (`active: false`), in `window` or where Chrome puts it.
    /// Answers a `Tab`.
    CreateTab {
        /// What it shows.
        url: String,
        /// In which window.
        window: Option<i64>,
        /// In front.
        active: bool,
    },
    /// `windows.create({url, focused: false})`. Answers a `Window` with its `tabs`.
    CreateWindow {
        /// What its tab shows.
        url: String,
    },
    /// `windows.getLastFocused({windowTypes: ['normal']})`. Answers a `Window`.
    LastFocusedWindow,
    /// `windows.getLastFocused`, of every type: normal, popup, app and `DevTools`. Answers a `Window`,
    /// which has `focused` unless another program is in front.
    FocusedWindow,
    /// `windows.update(window, {focused: true})`.
    FocusWindow {
        /// Which one.
        window: i64,
    },
    /// `tabs.discard`, then `tabs.remove`: a page that wants to be asked before it is left would put
    /// its question over the person's windows, and its tab would stay until they answer. A tab in
    /// front cannot be discarded, and is removed as it is.
    RemoveTab {
        /// Which one.
        tab: TabId,
    },
    /// `tabs.get`. Answers a `Tab`.
    GetTab {
        /// Which one.
        tab: TabId,
    },
    /// `tabs.query`: all tabs of one window. Answers a list of `Tab`.
    WindowTabs {
        /// Which window.
        window: i64,
    },
    /// `tabs.update(tab, {active: true})`.
    ActivateTab {
        /// Which one.
        tab: TabId,
    },
    /// `tabs.update(tab, {url})`: leads a tab away from where no debugger may go.
    GoTo {
        /// Which one.
        tab: TabId,
        /// Where.
        url: String,
    },
    /// `tabs.update(tab, {autoDiscardable})`.
    AutoDiscardable {
        /// Which one.
        tab: TabId,
        /// Whether Chrome may unload it.
        allowed: bool,
    },
    /// `tabs.group({tabIds: [tab], groupId?})`, then `tabGroups.update(title, color)` when `group`
    /// is none. Answers the group's id.
    GroupTab {
        /// Which tab.
        tab: TabId,
        /// Into which group; a new one without.
        group: Option<i64>,
        /// The group's title.
        title: String,
        /// One of Chrome's group colours.
        color: &'static str,
    },
    /// `tabs.ungroup`.
    UngroupTab {
        /// Which tab.
        tab: TabId,
    },
    /// `tabGroups.update(group, {title})`.
    TitleGroup {
        /// Which group.
        group: i64,
        /// Its title.
        title: String,
    },
    /// `debugger.attach({tabId}, '1.3')`.
    Attach {
        /// Which tab.
        tab: TabId,
    },
    /// `debugger.detach({tabId})`.
    Detach {
        /// Which tab.
        tab: TabId,
    },
    /// `debugger.sendCommand({tabId, sessionId?}, method, params)`. Answers its result.
    Command {
        /// Which tab.
        tab: TabId,
        /// Which child session.
        session: Option<String>,
        /// For example `Page.navigate`.
        method: &'static str,
        /// Its parameters.
        params: Value,
    },
}
