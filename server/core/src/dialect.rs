//! An unpaired extension's dialect, v1, at the edge (PROTOCOL.md, *Older dialects*): to the rest of
//! the machine it is a browser like others, that opens the session, takes commands and answers them;
//! to the extension this is a server of the original's.
//!
//! It asks one thing at a time, in order of arrival: the extension knows one current tab, and its
//! requests do not say which they mean. Drive it so: one `hear_…` for what either side says, and
//! [`V1::hear_time`] at [`V1::poll_timeout`], and do each [`Step`] that they give, in order.

mod left;
mod meaning;

use left::{Leads, LeftRequests};
use meaning::{Done, Request, meaning, request};
use protocol::command::{PageResult, SessionResult, TabEntry, TabState, TabsAction, TabsResult};
use protocol::dialect::v1::{self, FromExtension, FromServer, Outcome, Reply};
use protocol::error::Peer;
use protocol::frame::{Body, Envelope, Frame, Outcome as Opened, SessionOpened};
use protocol::{Alias, Command, Fault, Instant, SessionId, TabId, WireError, WireId};
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};

/// What people and agents hear such a browser called.
pub(crate) const NAME: &str = "unpaired";

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Send this to the extension.
    Say(String),
    /// Take this as said by a browser.
    Hear(Box<Frame>),
    /// What it said was nothing that it may say.
    Bad,
}

/// A command that is not answered yet.
#[derive(Debug)]
struct Job {
    wire_id: WireId,
    session: SessionId,
    command: Command,
    tab: Option<TabId>,
}

impl Job {
    /// Whether it means the same whatever tab is current, and leaves it so.
    fn is_of_no_tab(&self) -> bool {
        matches!(
            self.command,
            Command::Session | Command::Tabs(TabsAction::List)
        )
    }

    /// The tab that it is done in, where that is known before.
    fn target(&self, current: Option<TabId>) -> Option<TabId> {
        let makes = matches!(self.command, Command::Tabs(TabsAction::New { .. }));
        self.tab.or(current).filter(|_| !makes)
    }
}

/// What the reply under way is of.
#[derive(Debug)]
enum Stage {
    /// The tab that the command names is made current.
    Select(TabId),
    /// The command itself.
    Act,
    /// Which tab it was that the extension made for it.
    Learn(Box<Envelope>),
    /// The tabs that there are afterwards.
    List,
}

#[derive(Debug)]
struct Running {
    id: u64,
    job: Job,
    stage: Stage,
}

/// An extension that speaks v1.
#[derive(Debug)]
pub(crate) struct V1 {
    /// As what the extension knows this server.
    instance: String,
    port: u16,
    session: Option<SessionId>,
    label: String,
    asked: u64,
    waiting: VecDeque<Job>,
    running: Option<Running>,
    left: LeftRequests,
    /// Whether one of these may have moved the extension from `current` since it was last led there.
    strayed: bool,
    /// Tabs that it made for this server: there are the person's own beside them.
    own: BTreeSet<TabId>,
    current: Option<TabId>,
    wants_ports: bool,
}

impl V1 {
    pub(crate) fn new(instance: String, port: u16) -> Self {
        Self {
            instance,
            port,
            session: None,
            label: String::new(),
            asked: 0,
            waiting: VecDeque::new(),
            running: None,
            left: LeftRequests::default(),
            strayed: false,
            own: BTreeSet::new(),
            current: None,
            wants_ports: false,
        }
    }

    /// What the machine says to a browser.
    pub(crate) fn hear_frame(&mut self, frame: &Frame, now: Instant) -> Vec<Step> {
        self.left.observe(now);
        match frame {
            Frame::SessionOpen(open) => {
                self.label.clone_from(&open.label);
                let again = self.session.as_ref() == Some(&open.session_id);
                if again || open.standby {
                    return Vec::new();
                }
                self.session = Some(open.session_id.clone());
                vec![hear(Frame::SessionOpened(SessionOpened {
                    session_id: open.session_id.clone(),
                    alias: Alias(String::new()),
                    outcome: Opened::New,
                    incarnation: None,
                    tabs: Vec::new(),
                    lost: Vec::new(),
                    begun: Vec::new(),
                }))]
            }
            Frame::Command(envelope) => self.take(envelope),
            Frame::Cancel { wire_id } => self.cancel(wire_id),
            Frame::PortListResponse { ports } if std::mem::take(&mut self.wants_ports) => {
                let ports = ports.clone();
                vec![say(&FromServer::PortListResponse { ports })]
            }
            // Unasked, of the other protocol's handshake and heartbeat, or with no word for it.
            Frame::PortListResponse { .. }
            | Frame::Hello(_)
            | Frame::Challenge { .. }
            | Frame::Proof { .. }
            | Frame::HelloAck(_)
            | Frame::SessionOpened(_)
            | Frame::SessionClose { .. }
            | Frame::Ping {}
            | Frame::Pong {}
            | Frame::PortListRequest {}
            | Frame::CreateTab { .. }
            | Frame::Goodbye(_)
            | Frame::Response(_)
            | Frame::Event(_) => Vec::new(),
        }
    }

    /// What the extension says. Its replies are known by their id; late and unknown ones change
    /// nothing.
    pub(crate) fn hear_text(&mut self, text: &str, max: usize, now: Instant) -> Vec<Step> {
        self.left.observe(now);
        match FromExtension::parse(text, max) {
            Ok(FromExtension::Hello) => vec![say(&FromServer::HelloAck {
                instance: self.instance.clone(),
                port: Some(self.port),
            })],
            Ok(FromExtension::Ping) => vec![say(&FromServer::Pong)],
            Ok(FromExtension::PortListRequest) => {
                self.wants_ports = true;
                vec![hear(Frame::PortListRequest {})]
            }
            Ok(FromExtension::Reply(Reply { id, outcome })) => match self.running.take() {
                Some(running) if id == json!(running.id) => self.go_on(running, outcome),
                running => {
                    self.running = running;
                    self.hear_late(&id, &outcome);
                    self.next_job()
                }
            },
            Err(_) => vec![Step::Bad],
        }
    }

    /// What waited for a reply that does not come is asked for.
    pub(crate) fn hear_time(&mut self, now: Instant) -> Vec<Step> {
        self.left.observe(now);
        self.next_job()
    }

    /// When to call [`V1::hear_time`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let waits = self.running.is_none() && !self.waiting.is_empty();
        self.left.next_end().filter(|_| waits)
    }

    fn take(&mut self, envelope: &Envelope) -> Vec<Step> {
        let (Some(name), Body::Payload(payload)) = (&envelope.name, &envelope.body) else {
            return Vec::new();
        };
        let (wire_id, session) = (envelope.wire_id.clone(), envelope.session_id.clone());
        let command = match Command::decode(name, payload) {
            Ok(command) => command,
            Err(fault) => {
                let refused = Envelope::response(wire_id, session, Err(fault.into()));
                return vec![hear(Frame::Response(refused))];
            }
        };
        let tab = if let Command::Tabs(action) = &command {
            match action {
                TabsAction::Select { tab, .. } => Some(*tab),
                TabsAction::Close { tab }
                | TabsAction::Release { tab, .. }
                | TabsAction::Handoff { tab, .. } => *tab,
                TabsAction::List | TabsAction::New { .. } => None,
            }
        } else {
            envelope.tab_id.filter(|_| command.takes_turn())
        };
        self.waiting.push_back(Job {
            wire_id,
            session,
            command,
            tab,
        });
        self.next_job()
    }

    fn cancel(&mut self, wire_id: &WireId) -> Vec<Step> {
        if let Some(at) = self.waiting.iter().position(|job| job.wire_id == *wire_id)
            && let Some(job) = self.waiting.remove(at)
        {
            let fault = Fault::Cancelled { may_still: None };
            let mut steps = vec![answered(job, Err(fault.into()), None)];
            steps.extend(self.next_job());
            return steps;
        }
        match self.running.take() {
            Some(Running { id, job, stage }) if job.wire_id == *wire_id => {
                self.left.leave(id, self.leads(&job, &stage));
                self.strayed = true;
                let still = "what it had begun may still happen in the page".into();
                let may_still = Some(still).filter(|_| !job.command.reads_only());
                let fault = Fault::Cancelled { may_still };
                let mut steps = vec![answered(job, Err(fault.into()), self.current)];
                steps.extend(self.next_job());
                steps
            }
            running => {
                self.running = running;
                Vec::new()
            }
        }
    }

    /// Where it leads when nobody waits for it any more.
    fn leads(&self, job: &Job, stage: &Stage) -> Leads {
        match stage {
            Stage::Select(tab) => Leads::To(*tab),
            Stage::Learn(_) | Stage::List => Leads::Nowhere,
            Stage::Act if job.is_of_no_tab() => Leads::Nowhere,
            Stage::Act => {
                let closes = matches!(job.command, Command::Tabs(TabsAction::Close { .. }));
                match job.target(self.current).filter(|_| !closes) {
                    Some(tab) => Leads::To(tab),
                    None => Leads::Anywhere { makes: !closes },
                }
            }
        }
    }

    /// Asks for what is next, when nothing is under way.
    fn next_job(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while self.running.is_none()
            && let Some(job) = self.waiting.pop_front_if(|job| {
                if job.is_of_no_tab() {
                    // What a list does not name is nobody's, and it may not name yet what is being made.
                    job.command == Command::Session || !self.left.makes_tab()
                } else {
                    self.left.let_ask(job.target(self.current))
                }
            })
        {
            steps.extend(self.start(job));
        }
        steps
    }

    /// A tab that was made for nobody any more is one of ours all the same.
    fn hear_late(&mut self, id: &Value, outcome: &Outcome) {
        let Some(leads) = id.as_u64().and_then(|id| self.left.end(id)) else {
            return;
        };
        self.strayed = true;
        if let (Leads::Anywhere { makes: true }, Outcome::Done { payload, .. }) = (leads, outcome) {
            self.own.extend(tab_of(payload));
        }
    }

    fn start(&mut self, mut job: Job) -> Vec<Step> {
        if let Some(tab) = job.tab.filter(|tab| !self.own.contains(tab)) {
            let fault = Fault::TabGone { tab, url: None };
            return vec![answered(job, Err(fault.into()), None)];
        }
        if let Command::Session = job.command {
            let result = self.session_result();
            return vec![answered(job, Ok(to_json(&result)), None)];
        }
        if let Command::Tabs(TabsAction::Close { tab }) = &mut job.command {
            *tab = tab.or(self.current);
        }
        let away = |tab: &TabId| self.strayed || self.current != Some(*tab);
        match job.tab.or(self.current).filter(away) {
            Some(tab) if job.command.takes_turn() => self.ask(job, Stage::Select(tab)),
            Some(_) | None => self.ask(job, Stage::Act),
        }
    }

    /// Asks what belongs to a stage; a command that the extension cannot do is refused.
    fn ask(&mut self, job: Job, stage: Stage) -> Vec<Step> {
        let asked = match &stage {
            Stage::Select(tab) => Ok(Request::new("tabs.select", json!({"tabId": tab}))),
            Stage::Act => request(&job.command),
            Stage::Learn(_) => Ok(Request::new(
                "snapshot.accessibility",
                json!({"mode": "scaffold"}),
            )),
            Stage::List => Ok(Request::new("tabs.list", json!({}))),
        };
        let Request { kind, payload } = match asked {
            Ok(request) => request,
            Err(fault) => return vec![answered(job, Err(fault.into()), None)],
        };
        self.asked += 1;
        let id = self.asked;
        self.running = Some(Running { id, job, stage });
        vec![say(&FromServer::Request(v1::Request {
            id: Some(json!(id)),
            kind: kind.into(),
            payload,
            instance: Some(self.instance.clone()),
        }))]
    }

    fn go_on(&mut self, running: Running, outcome: Outcome) -> Vec<Step> {
        let Running { job, stage, .. } = running;
        let brought = match outcome {
            Outcome::Done { payload, .. } => Ok(payload),
            Outcome::Failed(words) => Err(words),
            Outcome::Pong { .. } => Ok(json!({})),
        };
        let mut steps = self.after(job, stage, brought);
        steps.extend(self.next_job());
        steps
    }

    fn after(&mut self, job: Job, stage: Stage, brought: Result<Value, String>) -> Vec<Step> {
        match (stage, brought) {
            (Stage::Select(tab), Ok(_)) => {
                self.current = Some(tab);
                self.strayed = false;
                self.ask(job, Stage::Act)
            }
            (Stage::Select(tab), Err(_)) => {
                self.forget(tab);
                let fault = Fault::TabGone { tab, url: None };
                vec![answered(job, Err(fault.into()), None)]
            }
            (Stage::Act, brought) => self.acted(job, brought),
            (Stage::Learn(mut answer), brought) => {
                // Not knowing it is no reason to fail.
                self.learn(
                    brought
                        .ok()
                        .as_ref()
                        .and_then(|page| tab_in(&page["tabId"])),
                );
                answer.tab_id = self.current;
                vec![hear(Frame::Response(*answer))]
            }
            (Stage::List, Ok(list)) => {
                let result = self.tabs_result(&list);
                vec![answered(job, Ok(to_json(&result)), self.current)]
            }
            (Stage::List, Err(words)) => {
                let fault = meaning::fault(&job.command, &words);
                vec![answered(job, Err(fault.into()), self.current)]
            }
        }
    }

    /// The command itself was answered.
    fn acted(&mut self, job: Job, brought: Result<Value, String>) -> Vec<Step> {
        let payload = match brought {
            Ok(payload) => payload,
            Err(words) => {
                let fault = meaning::fault(&job.command, &words);
                return vec![answered(job, Err(fault.into()), self.current)];
            }
        };
        self.learn(tab_of(&payload));
        let page = match meaning(&job.command, &payload) {
            Ok(Done::Page(page)) => page,
            Ok(Done::Tabs) => {
                if let Command::Tabs(TabsAction::Close { tab }) = job.command
                    && let Some(tab) = tab.or(self.current)
                {
                    self.forget(tab);
                }
                if let Command::Tabs(TabsAction::List) = job.command {
                    let result = self.tabs_result(&payload);
                    return vec![answered(job, Ok(to_json(&result)), None)];
                }
                return self.ask(job, Stage::List);
            }
            Err(fault) => return vec![answered(job, Err(fault.into()), self.current)],
        };
        let page = PageResult {
            success: true,
            ..*page
        };
        if self.current.is_none() {
            let answer = response(&job, Ok(to_json(&page)), None);
            return self.ask(job, Stage::Learn(Box::new(answer)));
        }
        vec![answered(job, Ok(to_json(&page)), self.current)]
    }

    /// The extension works in this tab, which it has made for this server.
    fn learn(&mut self, tab: Option<TabId>) {
        if let Some(tab) = tab {
            self.own.insert(tab);
            self.current = Some(tab);
        }
    }

    fn forget(&mut self, tab: TabId) {
        self.own.remove(&tab);
        self.current = self.current.filter(|current| *current != tab);
    }

    fn tabs_result(&mut self, list: &Value) -> TabsResult {
        let tabs = list["tabs"].as_array().into_iter().flatten();
        let text = |tab: &Value, name: &str| tab[name].as_str().map(str::to_owned);
        let tabs: Vec<TabEntry> = tabs
            .filter_map(|tab| Some((tab_in(&tab["id"])?, tab)))
            .filter(|(id, _)| self.own.contains(id))
            .map(|(tab_id, tab)| TabEntry {
                tab_id,
                state: TabState::Yours,
                owner: None,
                url: meaning::address(&tab["url"]),
                title: text(tab, "title"),
                waiters: 0,
            })
            .collect();
        self.own = tabs.iter().map(|tab| tab.tab_id).collect();
        self.current = self.current.filter(|tab| self.own.contains(tab));
        TabsResult {
            success: true,
            current: self.current,
            tabs,
        }
    }

    fn session_result(&self) -> SessionResult {
        SessionResult {
            success: true,
            you: Peer {
                alias: Alias("a1".into()),
                label: self.label.clone(),
            },
            browser: NAME.into(),
            current: self.current,
            others: Vec::new(),
            waiting: Vec::new(),
        }
    }
}

/// The tab that a reply names as its own.
fn tab_of(payload: &Value) -> Option<TabId> {
    tab_in(&payload["tabId"]).or_else(|| tab_in(&payload["_debug"]["tabId"]))
}

/// A tab's id; extensions differ in whether it is a number.
fn tab_in(value: &Value) -> Option<TabId> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u32::try_from(number).ok().map(TabId)
}

fn say(said: &FromServer) -> Step {
    Step::Say(said.to_text())
}

fn hear(frame: Frame) -> Step {
    Step::Hear(Box::new(frame))
}

fn response(job: &Job, outcome: Result<Value, WireError>, tab: Option<TabId>) -> Envelope {
    let mut envelope = Envelope::response(job.wire_id.clone(), job.session.clone(), outcome);
    envelope.tab_id = tab;
    envelope
}

#[expect(clippy::needless_pass_by_value, reason = "an answered job is over")]
fn answered(job: Job, outcome: Result<Value, WireError>, tab: Option<TabId>) -> Step {
    hear(Frame::Response(response(&job, outcome, tab)))
}

/// JSON of a result of ours, which always has one.
fn to_json(result: &impl serde::Serialize) -> Value {
    serde_json::to_value(result).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests;
