//! Whatever an extension of the original's does, and whenever it goes: each call is answered once,
//! nothing is done twice, and what an agent asks of a tab is done in that tab.

use super::rig::{Rig, lost};
use crate::{CallId, CallRequest, ConnId, Input};
use protocol::{Instant, TabId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const RUNS: u64 = 200;
const STEPS: usize = 500;
/// Where an agent leads its tabs; the call's number follows.
const SITE: &str = "http://site.test/";

/// The original's longest wait.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// What it does: several requests at once, as the original's does. Each acts in the tab that is
/// current when it gets to it, and a page that was waited for makes that tab current which was so
/// when the wait began.
struct Stranger {
    conn: ConnId,
    asked: Vec<Asked>,
    replies: Vec<Value>,
    tabs: Vec<u32>,
    current: Option<u32>,
}

struct Asked {
    request: Value,
    since: Instant,
    /// What was current then.
    at: Option<u32>,
}

/// What a request of a known call did, and where.
#[derive(Debug)]
struct Deed {
    call: u64,
    tab: u32,
}

impl Stranger {
    fn new(conn: ConnId) -> Self {
        Self {
            conn,
            asked: Vec::new(),
            replies: Vec::new(),
            tabs: Vec::new(),
            current: None,
        }
    }

    /// Does this of what it was asked, and keeps the reply.
    fn act(&mut self, asked: usize, next_tab: &mut u32, fails: bool) -> Option<Deed> {
        let Asked { request, at, .. } = self.asked.remove(asked);
        let (payload, id) = (&request["payload"], &request["id"]);
        let named = payload["tabId"]
            .as_u64()
            .map(|tab| u32::try_from(tab).unwrap());
        let mut deed = None;
        let mut does = |call: Option<u64>, tab: Option<u32>| {
            deed = call.zip(tab).map(|(call, tab)| Deed { call, tab });
        };
        let kind = request["type"].as_str().unwrap();
        let reply = match kind {
            _ if fails && kind != "tabs.list" => Err("it did not work"),
            "browser_navigate" | "tabs.new" => {
                if kind == "tabs.new" || self.current.is_none() {
                    *next_tab += 1;
                    self.tabs.push(*next_tab);
                    self.current = Some(*next_tab);
                }
                does(number(payload["url"].as_str(), SITE), self.current);
                if kind == "browser_navigate" && at.is_some_and(|at| self.tabs.contains(&at)) {
                    self.current = at;
                }
                Ok(json!({"tabId": self.current, "_debug": {"tabId": self.current}}))
            }
            "dom.click" => {
                does(number(payload["ref"].as_str(), "e"), self.current);
                Ok(json!({"success": true}))
            }
            "js.execute" => {
                let code = payload["code"].as_str().unwrap();
                let call = code.split('"').nth(1).and_then(|call| call.parse().ok());
                does(call, self.current);
                Ok(json!({"result": call}))
            }
            "snapshot.accessibility" => Ok(json!({"snapshot": "a page", "tabId": self.current})),
            "tabs.select" if named.is_some_and(|tab| self.tabs.contains(&tab)) => {
                self.current = named;
                Ok(json!({}))
            }
            "tabs.close" if named.is_some_and(|tab| self.tabs.contains(&tab)) => {
                self.tabs.retain(|tab| Some(*tab) != named);
                self.current = self.current.filter(|tab| Some(*tab) != named);
                Ok(json!({}))
            }
            "tabs.select" | "tabs.close" => Err("no such tab"),
            "tabs.list" => {
                let tabs = self.tabs.iter().map(|tab| json!({"id": tab, "url": SITE}));
                Ok(json!({"tabs": tabs.collect::<Vec<_>>()}))
            }
            other => panic!("asked for {other}"),
        };
        self.replies.push(match reply {
            Ok(payload) => json!({"id": id, "type": kind, "payload": payload}),
            Err(words) => json!({"id": id, "error": words}),
        });
        deed
    }
}

/// The number behind this.
fn number(text: Option<&str>, behind: &str) -> Option<u64> {
    text?.strip_prefix(behind)?.parse().ok()
}

struct Storm {
    rig: Rig,
    /// Whether much time passes before anything is done.
    slow: bool,
    random: ChaCha8Rng,
    stranger: Option<Stranger>,
    conns: u64,
    calls: u64,
    next_tab: u32,
    /// Which tab each call named.
    named: BTreeMap<u64, u32>,
    /// Where it was done.
    done: BTreeMap<u64, u32>,
    /// How far the answers have been looked at.
    heard: usize,
}

impl Storm {
    fn new(seed: u64) -> Self {
        Self {
            rig: Rig::new(),
            slow: seed % 2 == 1,
            random: ChaCha8Rng::seed_from_u64(seed),
            stranger: None,
            conns: 0,
            calls: 0,
            next_tab: 100,
            named: BTreeMap::new(),
            done: BTreeMap::new(),
            heard: 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.next_u32()).unwrap() % bound.max(1)
    }

    fn step(&mut self) {
        match self.below(16) {
            0 => self.dials(),
            1 if self.below(4) == 0 => {
                if let Some(gone) = self.stranger.take() {
                    self.rig.input(lost(gone.conn));
                }
            }
            1..=9 if self.slow && self.below(4) > 0 => self.passes(),
            1..=5 => self.acts(),
            6..=9 => self.replies(),
            10..=12 => self.calls(),
            13 => {
                // One of the last, most of which are under way.
                let back = self.random.next_u64() % 4;
                let call = CallId(self.calls.saturating_sub(back));
                self.rig.input(Input::Cancel { call });
            }
            14 => self.passes(),
            _ => self.says(&json!({"type": "ping"})),
        }
        self.look();
    }

    fn passes(&mut self) {
        let millis = self.random.next_u64() % 12_000;
        let end = self.rig.now + Duration::from_millis(millis);
        while let Some(first) = self.stranger.as_ref().and_then(|it| it.asked.first())
            && let by = first.since + WAIT_MAX
            && by < end
        {
            self.rig.pass(by.since(self.rig.now));
            self.act(0);
        }
        self.rig.pass(end.since(self.rig.now));
    }

    fn says(&mut self, frame: &Value) {
        if let Some(stranger) = &self.stranger {
            let (conn, text) = (stranger.conn, frame.to_string());
            self.rig.input(Input::Frame { conn, text });
        }
    }

    /// An extension comes; beside another it is sent away.
    fn dials(&mut self) {
        self.conns += 1;
        let conn = ConnId(900 + self.conns);
        let first = self.stranger.is_none();
        if first {
            self.rig.unpaired = Some(conn);
            self.stranger = Some(Stranger::new(conn));
        }
        self.rig.input(Input::AcceptedUnpaired { conn, port: 8765 });
        if first {
            self.says(&json!({"type": "hello", "wants": "instanceId"}));
        } else {
            assert!(self.rig.closed.iter().any(|(closed, _)| *closed == conn));
        }
    }

    fn acts(&mut self) {
        let asked = self.stranger.as_ref().map_or(0, |it| it.asked.len());
        if asked > 0 {
            let at = self.below(asked);
            self.act(at);
        }
    }

    fn act(&mut self, at: usize) {
        let fails = self.below(12) == 0;
        let Some(stranger) = &mut self.stranger else {
            return;
        };
        let Some(Deed { call, tab }) = stranger.act(at, &mut self.next_tab, fails) else {
            return;
        };
        assert_eq!(self.done.insert(call, tab), None, "call {call} ran twice");
        let named = self.named.get(&call).copied().unwrap_or(tab);
        assert_eq!(named, tab, "call {call} ran elsewhere");
    }

    /// One of the replies that are ready arrives, now and then twice.
    fn replies(&mut self) {
        let ready = self.stranger.as_ref().map_or(0, |it| it.replies.len());
        let (at, again) = (self.below(ready), self.below(20) == 0);
        let Some(stranger) = self.stranger.as_mut().filter(|_| ready > 0) else {
            return;
        };
        let reply = stranger.replies.remove(at);
        self.says(&reply);
        if again {
            self.says(&reply);
        }
    }

    fn calls(&mut self) {
        self.calls += 1;
        let id = self.calls;
        let tabs = self.stranger.as_ref().map_or(&[][..], |it| &it.tabs);
        let tabs = tabs.to_vec();
        let tab = tabs.get(self.below(tabs.len() * 2)).copied();
        let url = format!("{SITE}{id}");
        let (name, payload, named) = match self.below(6) {
            0 => ("browser_tabs", json!({"action": "new", "url": url}), None),
            1 => match tab {
                Some(tab) => (
                    "browser_tabs",
                    json!({"action": "close", "tabId": tab}),
                    None,
                ),
                None => ("browser_tabs", json!({"action": "list"}), None),
            },
            2 => ("browser_navigate", json!({"url": url}), tab),
            3 => ("browser_click", json!({"target": format!("e{id}")}), tab),
            4 => ("browser_snapshot", json!({}), tab),
            _ => {
                let function = format!("() => \"{id}\"");
                ("browser_evaluate", json!({"function": function}), tab)
            }
        };
        self.named.extend(named.map(|tab| (id, tab)));
        let request = CallRequest {
            name: name.into(),
            payload,
            tab: named.map(TabId),
            wait_ms: None,
            deadline_ms: None,
        };
        self.rig.call_with(id, request);
    }

    /// What the server has said and answered meanwhile.
    fn look(&mut self) {
        let closed = self.rig.closed.iter().map(|(conn, _)| *conn);
        let is_closed = |stranger: &Stranger| closed.clone().any(|conn| conn == stranger.conn);
        self.stranger = self.stranger.take().filter(|it| !is_closed(it));
        for said in std::mem::take(&mut self.rig.said) {
            let said: Value = serde_json::from_str(&said).unwrap();
            if let Some(stranger) = self.stranger.as_mut().filter(|_| said.get("id").is_some()) {
                stranger.asked.push(Asked {
                    request: said,
                    since: self.rig.now,
                    at: stranger.current,
                });
            }
        }
        let new = self.rig.answers[self.heard..].to_vec();
        self.heard += new.len();
        for (CallId(call), answer) in new {
            let Ok(told) = answer.outcome else { continue };
            if let (Some(did), Some(tab)) = (self.done.get(&call), answer.tab) {
                assert_eq!(TabId(*did), tab, "call {call} ran elsewhere than was told");
            }
            if let Some(value) = told.get("value") {
                assert_eq!(*value, json!(call), "another's answer");
            }
        }
    }

    fn end(mut self) -> usize {
        self.rig.input(Input::End);
        self.rig.pass(Duration::from_millis(800));
        assert!(self.rig.exited && self.rig.now > Instant(0));
        for call in 1..=self.calls {
            let answered = |(id, _): &&(CallId, _)| *id == CallId(call);
            let times = self.rig.answers.iter().filter(answered).count();
            assert_eq!(times, 1, "call {call}");
        }
        self.done.len()
    }
}

#[test]
fn what_an_agent_asks_of_an_unpaired_extension_is_done_once_in_its_tab_or_said_to_be_undone() {
    let mut done = 0;
    for seed in 0..RUNS {
        let mut storm = Storm::new(seed);
        for _ in 0..STEPS {
            storm.step();
        }
        done += storm.end();
    }
    assert!(done > 2_000, "only {done} calls were carried out");
}
