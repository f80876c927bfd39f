//! What the commands bring home: `data` of their answers.

use crate::error::Peer;
use crate::ids::{Alias, TabId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `data` of every answer that concerns a page. Fields that do not apply are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageResult {
    /// Always true: a failure is an `error`.
    pub success: bool,
    /// The page's URL afterwards; up to 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The page's title afterwards; up to 300 characters. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// `browser_snapshot`: the tree as YAML. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// `browser_evaluate`: what the function gave, as JSON; `null` where JSON has no word for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// `browser_take_screenshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// `browser_console_messages`, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<Vec<ConsoleMessage>>,
    /// `browser_network_requests`, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Vec<NetworkRequest>>,
    /// A dialog that the call opened, or met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialog: Option<Dialog>,
    /// Tabs that the call opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_tabs: Vec<TabId>,
    /// What else the caller should know, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// For example `image/png`.
    pub mime: String,
    /// Base64 with padding.
    pub data: String,
}

/// A line of the page's console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsoleMessage {
    /// `log`, `info`, `warning`, `error`, `debug`.
    pub level: String,
    /// Up to 2,000 characters. Untrusted text.
    pub text: String,
    /// Where it was said, when Chrome knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
}

/// Where a line of the console comes from, as editors count: the first line is 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Of the script, or of what could not be loaded; up to 500 characters. Untrusted text.
    pub url: String,
    /// From 1; absent where the whole is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
}

/// A request that a page made. Never its headers, its body or the answer's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRequest {
    /// For example `GET`.
    pub method: String,
    /// Without fragment, user and password; up to 1,000 characters. Untrusted text.
    pub url: String,
    /// What it was for, as Chrome calls it, in lower case: `document`, `fetch`, `image`.
    pub kind: String,
    /// The answer's status; none while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there is no answer, or no whole one, for example `net::ERR_CONNECTION_REFUSED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A JavaScript dialog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dialog {
    /// `alert`, `confirm`, `prompt`, `beforeunload`.
    pub kind: String,
    /// Untrusted text.
    pub message: String,
    /// What stands in a prompt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default_text: String,
}

/// `data` of `browser_tabs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TabsResult {
    /// Always true.
    pub success: bool,
    /// The session's current tab afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<TabId>,
    /// One's own first, by id.
    pub tabs: Vec<TabEntry>,
}

/// A tab in a listing. URL and title only of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TabEntry {
    /// Its id.
    pub tab_id: TabId,
    /// See [`TabState`].
    pub state: TabState,
    /// Another session that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Peer>,
    /// Only of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Only of one's own. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Claims that wait for it.
    #[serde(default)]
    pub waiters: usize,
}

/// Whose a listed tab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TabState {
    /// The caller's.
    Yours,
    /// Another session's.
    Owned,
    /// Nobody's: a call on it owns it.
    Free,
}

/// `data` of `browser_session`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionResult {
    /// Always true.
    pub success: bool,
    /// The caller.
    pub you: Peer,
    /// The browser's name.
    pub browser: String,
    /// Its current tab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<TabId>,
    /// The other sessions in this browser.
    pub others: Vec<Peer>,
    /// Who waits for what.
    pub waiting: Vec<Waiting>,
}

/// A claim in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Who waits.
    pub alias: Alias,
    /// For which tab.
    pub tab_id: TabId,
    /// Its place, 1 = next.
    pub position: usize,
}
