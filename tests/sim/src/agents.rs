//! Agents: what they ask, and what they may expect for an answer.

use crate::chance::Chance;
use protocol::{ErrorCode, TabId};
use serde_json::{Value, json};
use server_core::CallRequest;
use std::collections::{BTreeMap, BTreeSet};

/// Most calls that an agent has in flight; models ask several at once, rarely more.
const CALLS_MAX: usize = 6;

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
    /// Its last answer said that it has no tab any more.
    pub homeless: bool,
}

impl Agent {
    /// The next call, if it has one to make. `act` is a number that no other call has.
    pub fn ask(
        &mut self,
        call: u64,
        act: u64,
        others: &[TabId],
        chance: &mut Chance,
    ) -> Option<CallRequest> {
        if self.open.len() >= CALLS_MAX {
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
        let dice = if std::mem::take(&mut self.homeless) {
            85
        } else {
            chance.below(100)
        };
        let (name, payload) = match dice {
            0..=34 => {
                acts = Some(act);
                script(format!("act({act})"))
            }
            35..=38 => {
                acts = Some(act);
                script(format!("{{ act({act}); alert('x') }}"))
            }
            39..=42 => {
                acts = Some(act);
                let storm = if chance.hits(250) {
                    "open();".repeat(6)
                } else {
                    String::new()
                };
                script(format!("{{ act({act}); {storm} open() }}"))
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
            65 => ("browser_click", json!({"target": "e2_aaaa"})),
            66 => ("browser_type", json!({"target": "e2_aaaa", "text": "x"})),
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
        self.open.insert(
            call,
            Asked {
                act: acts,
                name: name.to_owned(),
            },
        );
        let tab = tab.filter(|_| name != "browser_tabs" && name != "browser_session");
        Some(CallRequest {
            name: name.to_owned(),
            payload,
            tab,
            wait_ms,
            deadline_ms,
        })
    }

    /// Learns from an answer.
    pub fn learn(&mut self, answer: &Result<Value, protocol::WireError>, tab: Option<TabId>) {
        self.heard.extend(tab);
        let data = match answer {
            Ok(data) => data,
            Err(error) => {
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
    )
}
