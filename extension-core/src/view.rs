//! What people see of the core: the popup's content and the state properties of the façade
//! `self.MultiInstanceManager`. Computed here, only drawn elsewhere.

use protocol::{Alias, SessionId, SortedMap, TabId};
use serde::Serialize;

/// Everything that the popup draws and the façade shows. JSON field names are camelCase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// This browser's name.
    pub browser: String,
    /// Stopped by *Cancel* or the popup.
    pub paused: bool,
    /// What the person should do, one sentence; for example to pair anew.
    pub advice: Option<String>,
    /// One per session, by alias.
    pub instances: Vec<InstanceView>,
    /// Tabs that nobody owns, yet were made for agents.
    pub free: Vec<TabView>,
    /// The tab in front of the person, when it is one that could be given.
    pub front: Option<FrontTab>,
    /// Ports that answered as servers, by port.
    pub known_ports: Vec<u16>,
    /// Failed dials in a row, by port.
    pub failures: SortedMap<u16, u32>,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// Its public name.
    pub session_id: SessionId,
    /// What other agents call it.
    pub alias: Alias,
    /// For people.
    pub label: String,
    /// Its server has proven nothing, and the user lets it in all the same.
    pub unpaired: bool,
    /// See [`InstanceState`].
    pub state: InstanceState,
    /// Its server's port while connected, and the last one after.
    pub port: Option<u16>,
    /// Milliseconds since it was connected or lost.
    pub since_ms: u64,
    /// Milliseconds since it last said anything.
    pub idle_ms: u64,
    /// Its tabs, by id.
    pub tabs: Vec<TabView>,
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum InstanceState {
    /// Connected.
    Connected,
    /// Its connection was lost; it may come back.
    Orphaned,
    /// It said goodbye; it may come back for a short while.
    Ending,
    /// Bound to another browser.
    Standby,
}

/// One tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TabView {
    /// Its id.
    pub tab_id: TabId,
    /// Untrusted text.
    pub title: String,
    /// What it shows.
    pub url: String,
    /// Made for an agent; else borrowed from the person.
    pub made: bool,
    /// The session's current tab.
    pub current: bool,
    /// The command that has the turn.
    pub turn: Option<String>,
    /// Who waits for it, first come first.
    pub waiters: Vec<Alias>,
}

/// The tab in front.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontTab {
    /// Its id.
    pub tab_id: TabId,
    /// Untrusted text.
    pub title: String,
    /// Who owns it; the person without.
    pub owner: Option<Alias>,
}
