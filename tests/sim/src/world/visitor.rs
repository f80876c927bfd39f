//! A server that proves nothing, on a port that the user has opened for it: it speaks v1
//! (PROTOCOL.md, *Older dialects*), and nonsense, asks for what is others', and comes and goes.

use super::{Due, World};
use crate::network::GARBAGE;
use extension_core::Input;
use extension_core::dialect::Dialect;
use extension_core::input::SocketId;
use extension_core::tabs::{Owner, TabEvent};
use protocol::dialect::v1::{FromExtension, FromServer, Outcome, Reply, Request};
use protocol::{SessionId, TabId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most requests that it has open.
const OPEN_MAX: usize = 6;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Visitor {
    /// Where it sits; none in a world without it.
    port: Option<u16>,
    up: bool,
    /// Its connection, and whether it has said who it is.
    socket: Option<SocketId>,
    greeted: bool,
    /// As which instance it came.
    instance: u64,
    asked: u64,
    /// Requests that wait for their reply, by their id, and what they act as.
    open: BTreeMap<String, Option<u64>>,
    acts: BTreeSet<u64>,
}

impl Visitor {
    pub(super) fn new(port: Option<u16>) -> Self {
        let up = port.is_some();
        Self {
            port,
            up,
            ..Self::default()
        }
    }

    /// Where it sits, whether it is there or not.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether it listens here.
    pub(super) fn is_at(&self, port: u16) -> bool {
        self.up && self.port == Some(port)
    }

    /// Its connection is no more.
    pub(super) fn lose(&mut self) {
        self.socket = None;
        self.greeted = false;
        self.open.clear();
    }

    pub(super) fn has_asked(&self, act: u64) -> bool {
        self.acts.contains(&act)
    }

    /// Nobody waits for ever (invariant 3).
    pub(super) fn check_answered(&self) -> Result<(), String> {
        match self.open.keys().next() {
            Some(id) => Err(format!(
                "invariant 3: request {id} of the unpaired server was never answered"
            )),
            None => Ok(()),
        }
    }
}

/// Whether a session is an unpaired server's.
pub(super) fn is_unpaired(session: &SessionId) -> bool {
    session.as_str().starts_with("v1-")
}

impl World {
    /// It is dialled, if it is the one.
    pub(super) fn dial_visitor(&mut self, socket: SocketId, port: u16, dialect: Dialect) -> bool {
        if !self.visitor.is_at(port) || dialect != Dialect::V1 {
            return false;
        }
        self.visitor.lose();
        self.visitor.socket = Some(socket);
        self.tell_later(2, Input::SocketOpened { socket });
        true
    }

    /// Something for it leaves, if this is its connection.
    pub(super) fn carry_to_visitor(
        &mut self,
        socket: SocketId,
        text: &str,
    ) -> Result<bool, String> {
        if self.visitor.socket != Some(socket) {
            return Ok(false);
        }
        let said = FromExtension::parse(text, protocol::limits::FRAME_MAX)
            .map_err(|error| format!("the unpaired server is told {text}: {error:?}"))?;
        match said {
            FromExtension::Hello if self.storm && self.chance.hits(100) => self.say_nonsense(),
            FromExtension::Hello => {
                self.report.count("unpaired: connected");
                self.visitor.greeted = true;
                let instance = format!("instance {}", self.visitor.instance);
                let port = self.visitor.port;
                self.say(&FromServer::HelloAck { instance, port });
            }
            FromExtension::Ping if self.chance.hits(500) => self.say(&FromServer::Pong),
            // Not every one answers.
            FromExtension::Ping => {}
            FromExtension::PortListRequest => {
                let ports = vec![json!(8765), json!("8766"), json!(-1), json!(70_000)];
                self.say(&FromServer::PortListResponse { ports });
            }
            FromExtension::Reply(Reply { id, outcome }) => {
                let id = id.to_string();
                let Some(act) = self.visitor.open.remove(&id) else {
                    return Err(format!(
                        "invariant 3: request {id} of the unpaired server is answered twice, or \
                         was never asked"
                    ));
                };
                let times = act.map(|act| self.done.get(&act).copied().unwrap_or_default());
                match (outcome, times) {
                    (Outcome::Done { .. }, Some(times)) if times != 1 => {
                        return Err(format!(
                            "invariant 3: a script of the unpaired server ran {times} times"
                        ));
                    }
                    (Outcome::Done { .. } | Outcome::Pong { .. }, _) => {
                        self.report.count("unpaired: done");
                    }
                    (Outcome::Failed(why), _) => {
                        let code = why.split(':').next().unwrap_or_default();
                        self.report.count(format!("unpaired: {code}"));
                    }
                }
            }
        }
        Ok(true)
    }

    /// The extension hangs up, if this is its connection.
    pub(super) fn close_visitor(&mut self, socket: SocketId) {
        if self.visitor.socket == Some(socket) {
            self.visitor.lose();
        }
    }

    /// It looks whether it has something to ask, goes, or comes back.
    pub(super) fn step_visitor(&mut self) {
        if !self.storm {
            return;
        }
        let pause = Duration::from_millis(100 + self.chance.below(900));
        self.later(pause, Due::Visitor);
        if !self.visitor.up {
            self.visitor.up = self.chance.hits(200);
            return;
        }
        if self.chance.hits(10) {
            self.remember_fault("fault: unpaired server goes");
            self.leave_as_visitor();
            self.visitor.up = self.chance.hits(500);
            self.visitor.instance += u64::from(self.chance.hits(500));
            return;
        }
        if !self.visitor.greeted || self.visitor.open.len() >= OPEN_MAX {
            return;
        }
        if self.chance.hits(30) {
            self.say_nonsense();
            return;
        }
        self.ask_as_visitor();
    }

    /// It goes for good.
    pub(super) fn end_visitor(&mut self) {
        self.leave_as_visitor();
        self.visitor.up = false;
    }

    /// Its connection closes.
    fn leave_as_visitor(&mut self) {
        if let Some(socket) = self.visitor.socket {
            let code = 1006;
            self.tell_later(2, Input::SocketClosed { socket, code });
        }
        self.visitor.lose();
    }

    fn ask_as_visitor(&mut self) {
        let tabs: Vec<TabId> = self.chrome.tabs.keys().copied().collect();
        // Its own, or anybody's.
        let tab = self.chance.pick(&tabs).filter(|_| self.chance.hits(300));
        let mut act = None;
        let (kind, mut payload) = match self.chance.below(12) {
            0..=4 => {
                self.act += 1;
                act = Some(self.act);
                let expression = format!("() => act({})", self.act);
                ("js.evaluate", json!({"expression": expression}))
            }
            5 => ("tabs.new", json!({"url": "https://site.example/visitor"})),
            6 => ("tabs.list", json!({})),
            7 => ("tabs.close", json!({})),
            8 => ("tabs.select", json!({})),
            9 => ("snapshot.accessibility", json!({})),
            10 => ("page.navigate", json!({"url": "https://site.example/v"})),
            _ => ("nobody.knows", json!({})),
        };
        if let Some(tab) = tab {
            payload["tabId"] = json!(tab);
        }
        self.visitor.asked += 1;
        let id = match self.chance.below(20) {
            0 => json!(""),
            1 => json!(0),
            2 => Value::Null,
            _ => json!(self.visitor.asked),
        };
        if self.visitor.open.contains_key(&id.to_string()) {
            return;
        }
        self.visitor.open.insert(id.to_string(), act);
        self.visitor.acts.extend(act);
        self.report.count(format!("unpaired: asks {kind}"));
        self.say(&FromServer::Request(Request {
            id: Some(id),
            kind: kind.to_owned(),
            payload,
            instance: None,
        }));
    }

    fn say_nonsense(&mut self) {
        self.report.count("fault: unpaired server says nonsense");
        let text = self.chance.pick(GARBAGE).copied().unwrap_or_default();
        self.say_as_visitor(text.to_owned());
    }

    fn say(&mut self, said: &FromServer) {
        self.say_as_visitor(said.to_text());
    }

    fn say_as_visitor(&mut self, text: String) {
        if let Some(socket) = self.visitor.socket {
            self.tell_later(2, Input::SocketText { socket, text });
        }
    }

    /// An unpaired server works in the tabs that it makes, and is given none (`design/security.md`).
    pub(super) fn check_unpaired(&self, event: &TabEvent) -> Result<(), String> {
        if let TabEvent::OwnerChanged {
            tab,
            from: from @ (Owner::Session(_) | Owner::Person | Owner::Free),
            to: Owner::Session(to),
        } = event
            && is_unpaired(to)
        {
            return Err(format!(
                "invariant 1: {to} is not paired and gets {tab} of {from:?}"
            ));
        }
        Ok(())
    }
}
