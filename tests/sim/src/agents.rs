//! Agents: what they ask, and what they may expect for an answer.

use crate::chance::Chance;
use protocol::command::{TabState, TabsResult};
use protocol::frame::{Outcome, SessionOpened};
use protocol::{ErrorCode, TabId, limits};
use serde_json::{Value, json};
use server_core::{Answer, CallRequest};
use std::collections::{BTreeMap, BTreeSet};

/// Most calls that an agent has in flight; models ask several at once, rarely more.
const CALLS_MAX: usize = 6;
/// Refs that an agent remembers: those of its last snapshots.
const REFS_MAX: usize = 8;
/// Elements of a page.
const ELEMENTS: usize = 3;
/// Popups of a page that opens as many as it can: more than a session may have tabs.
const POPUPS_MANY: usize = 110;
/// A string that no server of this world takes in one frame.
const LARGE: usize = super::world::FRAME_MAX + 1;

/// One call that waits for its answer.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The number that its script acts with.
    pub act: Option<u64>,
    /// Asked by name.
    pub name: String,
}

/// One MCP client.
#[derive(Debug, Default)]
pub struct Agent {
    /// Calls in flight.
    pub open: BTreeMap<u64, Asked>,
    /// Tabs that it has heard of: its own and others'.
    pub heard: BTreeSet<TabId>,
    /// Aliases of others that it has heard of.
    pub aliases: BTreeSet<String>,
    /// Its own tabs, as its answers told.
    own: BTreeSet<TabId>,
    /// Those that ended with its session: the next answer must tell of them.
    owed: BTreeSet<TabId>,
    /// Its last answer said that it has no tab any more.
    pub homeless: bool,
    /// Its browser does not come back: it moves to the one that is here, once nothing is open.
    pub moves: bool,
    /// Elements that snapshots named.
    refs: Vec<String>,
    /// What its last answer was.
    pub last: Option<Result<(), ErrorCode>>,
    /// Its last answer was a snapshot: it uses what it saw.
    looked: bool,
    /// A page of its opened too much; so many times it asks for one more tab.
    hoards: u8,
}

impl Agent {
    /// The next call, if it has one to make. `act` is a number that no other call has, `browser`
    /// what the browser that is here is called.
    pub fn ask(
        &mut self,
        call: u64,
        act: u64,
        others: &[TabId],
        browser: &str,
        chance: &mut Chance,
    ) -> Option<CallRequest> {
        if self.moves && self.open.is_empty() {
            self.moves = false;
            let request = plain("browser_session", json!({"browser": browser}));
            return Some(self.opened(call, None, request));
        }
        if self.moves || self.open.len() >= CALLS_MAX {
            return None;
        }
        let mut tab = None;
        // Now and then another's tab; now and then one of its own by name.
        if chance.hits(250) {
            tab = chance.pick(others).copied();
        } else if chance.hits(200) {
            let own: Vec<TabId> = self.heard.iter().copied().collect();
            tab = chance.pick(&own).copied();
        }
        let mut acts = None;
        let script = |text: String| {
            (
                "browser_evaluate",
                json!({"function": format!("() => {text}")}),
            )
        };
        let dice = if std::mem::take(&mut self.homeless) || self.hoards > 0 {
            self.hoards = self.hoards.saturating_sub(1);
            85
        } else if std::mem::take(&mut self.looked) {
            65 + chance.below(2)
        } else {
            chance.below(100)
        };
        let target = match chance.pick(&self.refs) {
            Some(target) if chance.hits(800) => target.clone(),
            Some(_) | None => "e2_aaaa".into(),
        };
        let (name, payload) = match dice {
            0..=33 => {
                acts = Some(act);
                script(format!("act({act})"))
            }
            34 => {
                acts = Some(act);
                script(format!("{{ act({act}); big({LARGE}) }}"))
            }
            35..=38 => {
                acts = Some(act);
                script(format!("{{ act({act}); alert('x') }}"))
            }
            39..=42 => {
                acts = Some(act);
                let popups = match chance.below(100) {
                    0 => {
                        self.hoards = 3;
                        POPUPS_MANY
                    }
                    1..=24 => 7,
                    _ => 1,
                };
                script(format!("{{ act({act}); {} }}", "open();".repeat(popups)))
            }
            43..=46 => {
                acts = Some(act);
                script(format!("{{ act({act}); spin({}) }}", chance.below(9_000)))
            }
            47..=48 => script("{ throw new Error('x') }".into()),
            49..=58 => {
                let url = match chance.below(14) {
                    12 => "https://guarded.example/".to_owned(),
                    13 => "file:///etc/passwd".to_owned(),
                    0 => "https://unreachable.example/".to_owned(),
                    1 => "https://redirects-to-file.example/".to_owned(),
                    n => format!("https://site.example/{n}"),
                };
                ("browser_navigate", json!({"url": url}))
            }
            59..=60 => ("browser_navigate_back", json!({})),
            61..=64 => ("browser_snapshot", json!({})),
            65 => ("browser_click", json!({"target": target})),
            66 => ("browser_type", json!({"target": target, "text": "x"})),
            67..=69 => ("browser_console_messages", json!({})),
            70..=72 => ("browser_wait_for", json!({"time": chance.below(4)})),
            73..=75 => ("browser_take_screenshot", json!({})),
            76..=81 => ("browser_handle_dialog", json!({"accept": chance.hits(500)})),
            82..=84 => ("browser_tabs", json!({"action": "list"})),
            85..=86 => ("browser_tabs", json!({"action": "new"})),
            87 => (
                "browser_tabs",
                json!({"action": "new", "url": "https://site.example/new"}),
            ),
            88..=89 => (
                "browser_tabs",
                json!({"action": "select", "tabId": tab.unwrap_or(TabId(1001))}),
            ),
            90 => ("browser_tabs", json!({"action": "close"})),
            91..=93 => ("browser_tabs", json!({"action": "release"})),
            94 => (
                "browser_tabs",
                json!({"action": "release", "after": 1 + chance.below(5)}),
            ),
            95..=97 => {
                let all: Vec<String> = self.aliases.iter().cloned().collect();
                let to = chance.pick(&all).cloned().unwrap_or_else(|| "a1".into());
                ("browser_tabs", json!({"action": "handoff", "to": to}))
            }
            98 => ("browser_session", json!({})),
            _ => ("browser_snapshot", json!({"nonsense": 1})),
        };
        let wait_ms = match chance.below(4) {
            0 => Some(0),
            1 => Some(1_000 * chance.below(10)),
            _ => None,
        };
        let deadline_ms = chance.hits(100).then(|| 200 + chance.below(3_000));
        let tab = tab.filter(|_| name != "browser_tabs" && name != "browser_session");
        let request = CallRequest {
            tab,
            wait_ms,
            deadline_ms,
            ..plain(name, payload)
        };
        Some(self.opened(call, acts, request))
    }

    /// One of many calls at once, on `tab` or on its own.
    pub fn ask_too(&mut self, call: u64, tab: Option<TabId>) -> CallRequest {
        let request = CallRequest {
            tab,
            ..plain("browser_evaluate", json!({"function": "() => 1"}))
        };
        self.opened(call, None, request)
    }

    /// The button that works, in its last snapshot.
    #[must_use]
    pub fn button(&self) -> Option<&str> {
        let last = self.refs.len().checked_sub(ELEMENTS)?;
        self.refs.get(last).map(String::as_str)
    }

    /// Makes this call.
    pub fn opened(&mut self, call: u64, act: Option<u64>, request: CallRequest) -> CallRequest {
        let name = request.name.clone();
        self.open.insert(call, Asked { act, name });
        request
    }

    /// Its session is open: what it had and the browser no longer knows must be told.
    pub fn handle_opened(&mut self, opened: &SessionOpened) {
        match opened.outcome {
            Outcome::New => self.owed.append(&mut self.own),
            Outcome::Resumed => self.own = opened.tabs.iter().copied().collect(),
            Outcome::Refused | Outcome::Standby => {}
        }
    }

    /// Its session has moved to another browser: what it had must be told.
    pub fn leave_tabs(&mut self) {
        self.owed.append(&mut self.own);
    }

    /// Its server has ended, and with it whoever could be told.
    pub fn forget_tabs(&mut self) {
        self.own.clear();
        self.owed.clear();
    }

    /// Follows which tabs are its own. Gives those that this answer had to tell as lost, and whether
    /// it did of each.
    pub fn follow_own(&mut self, answer: &Answer) -> Vec<(TabId, bool)> {
        match (&answer.outcome, answer.tab) {
            (Ok(data), tab) => {
                if let Ok(list) = serde_json::from_value::<TabsResult>(data.clone()) {
                    let yours = list.tabs.iter().filter(|tab| tab.state == TabState::Yours);
                    self.own = yours.map(|tab| tab.tab_id).collect();
                } else if self.own.len() < limits::TABS_PER_SESSION_MAX {
                    self.own.extend(tab);
                }
            }
            (Err(error), Some(tab)) if has_left(error.code) => {
                self.own.remove(&tab);
            }
            (Err(_), _) => {}
        }
        let lost: BTreeSet<TabId> = answer.lost.iter().map(|tab| tab.tab_id).collect();
        self.own.retain(|tab| !lost.contains(tab));
        let owed = std::mem::take(&mut self.owed);
        owed.into_iter()
            .map(|tab| (tab, lost.contains(&tab)))
            .collect()
    }

    /// Learns from an answer.
    pub fn learn(&mut self, answer: &Result<Value, protocol::WireError>, tab: Option<TabId>) {
        self.heard.extend(tab);
        let data = match answer {
            Ok(data) => data,
            Err(error) => {
                self.moves |= error.code == ErrorCode::BrowserGone;
                self.homeless = matches!(
                    error.code,
                    ErrorCode::TabReleased
                        | ErrorCode::TabReturned
                        | ErrorCode::TabTaken
                        | ErrorCode::TabGone
                        | ErrorCode::TabsLost
                );
                return;
            }
        };
        if let Some(snapshot) = data.get("snapshot").and_then(Value::as_str) {
            self.refs.extend(refs(snapshot));
            let old = self.refs.len().saturating_sub(REFS_MAX);
            self.refs.drain(..old);
            self.looked = true;
        }
        for entry in data
            .get("tabs")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let id = entry
                .get("tabId")
                .and_then(Value::as_u64)
                .and_then(|id| u32::try_from(id).ok());
            self.heard.extend(id.map(TabId));
            let alias = entry.pointer("/owner/alias").and_then(Value::as_str);
            self.aliases.extend(alias.map(str::to_owned));
        }
        for other in data
            .get("others")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let alias = other.get("alias").and_then(Value::as_str);
            self.aliases.extend(alias.map(str::to_owned));
        }
        while self.heard.len() > 40 {
            self.heard.pop_first();
        }
    }
}

fn plain(name: &str, payload: Value) -> CallRequest {
    CallRequest {
        name: name.to_owned(),
        payload,
        tab: None,
        wait_ms: None,
        deadline_ms: None,
    }
}

/// Whether the tab of an answer is no longer the caller's.
fn has_left(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::TabGone
            | ErrorCode::TabTaken
            | ErrorCode::TabReleased
            | ErrorCode::TabReturned
            // Of a release whose own answer it did not wait for.
            | ErrorCode::TabOfPerson
            | ErrorCode::TabOwned
    )
}

/// Every ref that a snapshot names.
fn refs(snapshot: &str) -> impl Iterator<Item = String> {
    let named = snapshot.split("[ref=").skip(1);
    named.filter_map(|rest| Some(rest.split_once(']')?.0.to_owned()))
}

/// Whether a call that was answered so cannot have acted.
#[must_use]
pub fn never_began(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::BadArguments
            | ErrorCode::NotConnected
            | ErrorCode::TabOwned
            | ErrorCode::ClaimTimeout
            | ErrorCode::Deadlock
            | ErrorCode::TabOfPerson
            | ErrorCode::LimitReached
            | ErrorCode::DialogOpen
            | ErrorCode::NotPaired
            | ErrorCode::BrowserGone
            | ErrorCode::SessionUnknown
            | ErrorCode::StaleRef
            | ErrorCode::NotActionable
    )
}
