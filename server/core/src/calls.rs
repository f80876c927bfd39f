//! Calls in flight. Each gets exactly one answer, whatever happens to its socket: the table of
//! PROTOCOL.md, *When a socket is lost under a call*, and a bound behind every wait.

use crate::sessions::Link;
use crate::{Answer, CallId, CallProgress, CallRequest, ConnId, Effect, Server, SessionKey, Timer};
use protocol::command::{TabState, TabsAction, TabsResult};
use protocol::error::{ErrorCode, Fault, WireError};
use protocol::frame::{Begun, BegunState, Body, Envelope, Frame, LostTab, Progress};
use protocol::{Command, Instant, TabId, WireId, limits};
use serde::Deserialize;
use std::time::Duration;

/// What an answer may take beyond every wait that the call was granted: the browser's own
/// settling, and a script that keeps its turn to the end of its time.
pub(crate) const ANSWER_SLACK: Duration = Duration::from_secs(15);
/// How long the answer of a cancelled call is awaited.
pub(crate) const CANCEL_MAX: Duration = Duration::from_secs(5);
/// So many commands later a browser may have forgotten what became of one: it keeps as many answers,
/// and those of all that were under way with it.
const SENT_SINCE_MAX: u64 = (limits::RESULTS_KEPT - limits::CALLS_PER_SESSION_MAX) as u64;
/// How often a call that waits for a browser says so.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(2);

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    session: SessionKey,
    wire: WireId,
    request: CallRequest,
    kind: Kind,
    arrived: Instant,
    state: State,
    /// Which of its session's commands it was sent as, counted from 1.
    sent_as: u64,
}

/// What has to be known of a command here.
#[derive(Clone, Copy, Debug)]
struct Kind {
    reads_only: bool,
    takes_turn: bool,
    /// `browser_tabs` with `new` or `select`.
    chooses_tab: bool,
    /// The time of a `browser_wait_for`, which is not part of its deadline.
    passes: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// For a browser.
    Queued,
    /// On the socket that carries the session.
    Sent {
        /// When first; its wait for a tab counts from here.
        first: Instant,
        cancelled: bool,
    },
    /// Its socket was lost; the session's return decides.
    Lost { first: Instant },
}

impl Server {
    pub(crate) fn handle_call(&mut self, session: SessionKey, id: CallId, request: CallRequest) {
        if let Err(fault) = self.accept(session, id, request) {
            let mut answer = Answer::bare(Err(fault.into()));
            if let Some(entry) = self.sessions.get_mut(&session) {
                answer.lost = entry.lost.take();
            }
            self.effects.push_back(Effect::Answer { call: id, answer });
        }
    }

    fn accept(
        &mut self,
        session: SessionKey,
        id: CallId,
        mut request: CallRequest,
    ) -> Result<(), Fault> {
        let browser = take_browser(&mut request)?;
        let command = Command::decode(&request.name, &request.payload)?;
        check_times(&request)?;
        if !self.phase.is_running() {
            return Err(Fault::SessionEnded);
        }
        let open = self
            .calls
            .values()
            .filter(|call| call.session == session)
            .count();
        if open >= limits::CALLS_PER_SESSION_MAX {
            return Err(Fault::LimitReached {
                bound: "open calls",
                limit: limits::CALLS_PER_SESSION_MAX,
                frees: "Wait until one of your calls is answered",
            });
        }
        if let Some(browser) = browser {
            self.move_session(session, &browser)?;
        }
        let Some(entry) = self.sessions.get(&session) else {
            return Err(Fault::SessionUnknown {
                session: session.0.to_string(),
            });
        };
        let link = entry.link.clone();
        let call = Call {
            session,
            wire: self.random.wire_id(),
            request,
            kind: Kind::of(&command),
            arrived: self.now,
            state: State::Queued,
            sent_as: 0,
        };
        self.by_wire.insert(call.wire.clone(), id);
        self.calls.insert(id, call);
        match link {
            Link::Open { conn } => self.send_call(id, conn),
            Link::Down { .. } | Link::Opening { .. } | Link::Full { .. } => {
                let by = self.connect_by(session, self.now);
                self.timers.set(Timer::Connect(id), by);
                self.handle_report_due(id);
            }
        }
        Ok(())
    }

    /// Sends a queued call, or one that is sent again.
    fn send_call(&mut self, id: CallId, conn: ConnId) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(&call.session) else {
            return;
        };
        let unnamed = call.kind.takes_turn && call.request.tab.is_none();
        if entry.must_choose && unnamed {
            let urls = entry.lost_urls();
            self.fail(id, Fault::TabsLost { urls });
            return;
        }
        let Some(identity) = &entry.identity else {
            return;
        };
        entry.sent += 1;
        entry.asked = true;
        call.sent_as = entry.sent;
        let asked = call.request.wait_ms;
        let (first, wait_ms) = match call.state {
            State::Queued => (now, asked),
            State::Sent { first, .. } | State::Lost { first } => {
                let whole = asked.unwrap_or(millis(limits::CLAIM_WAIT));
                (first, Some(whole.saturating_sub(millis(now.since(first)))))
            }
        };
        call.state = State::Sent {
            first,
            cancelled: false,
        };
        let deadline = call
            .request
            .deadline_ms
            .map_or(limits::CALL_DEADLINE, Duration::from_millis);
        let wait = wait_ms.map_or(limits::CLAIM_WAIT, Duration::from_millis);
        // Waiting for the tab, queueing on it, running: each has its bound on the other side.
        let by = now + wait + deadline + call.kind.passes + deadline + ANSWER_SLACK;
        let frame = Frame::Command(Envelope {
            tab_id: call.request.tab,
            deadline_ms: call.request.deadline_ms,
            wait_ms,
            ..Envelope::command(
                call.wire.clone(),
                identity.session_id.clone(),
                &call.request.name,
                call.request.payload.clone(),
            )
        });
        self.timers.clear(&Timer::Connect(id));
        self.timers.clear(&Timer::Report(id));
        self.timers.set(Timer::Answer(id), by);
        self.send(conn, &frame);
    }

    /// The session is open: everything that waited for it goes out in order of arrival.
    pub(crate) fn send_queued(&mut self, session: SessionKey, conn: ConnId) {
        let queued =
            self.calls_where(|call| call.session == session && matches!(call.state, State::Queued));
        for id in queued {
            self.send_call(id, conn);
        }
    }

    /// The answer of a command. Late, doubled and unknown ones change nothing.
    pub(crate) fn handle_response(&mut self, conn: ConnId, envelope: Envelope) {
        let Some((session, entry)) = self
            .sessions
            .iter_mut()
            .find(|(_, entry)| entry.is(&envelope.session_id) && entry.link.open() == Some(conn))
        else {
            return; // Not opened on this socket.
        };
        let found = self
            .by_wire
            .get(&envelope.wire_id)
            .copied()
            .filter(|id| self.calls.get(id).is_some_and(|c| c.session == *session));
        match found {
            Some(id) => self.answer_with(id, envelope),
            None => entry.handle_late_answer(&envelope.wire_id, envelope.lost),
        }
    }

    fn answer_with(&mut self, id: CallId, mut envelope: Envelope) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let (session, kind) = (call.session, call.kind);
        let outcome = match envelope.body {
            Body::Data(data) => Ok(data),
            Body::Error(error) => Err(error),
            Body::Payload(_) => Err(WireError::from(Fault::Internal {
                what: "the browser's answer has neither data nor error".into(),
            })),
        };
        if let Some(entry) = self.sessions.get_mut(&session) {
            mirror(entry, envelope.tab_id, &outcome);
            envelope.lost = entry.lost.news(envelope.lost);
            if kind.chooses_tab && outcome.is_ok() {
                entry.must_choose = false;
            }
        }
        self.keep_tabs(session);
        self.answer(
            id,
            Answer {
                outcome,
                tab: envelope.tab_id,
                waiters: envelope.waiters,
                lost: envelope.lost,
            },
        );
    }

    /// Gives the one answer and forgets the call.
    fn answer(&mut self, id: CallId, mut answer: Answer) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        self.by_wire.remove(&call.wire);
        for timer in [
            Timer::Connect(id),
            Timer::Report(id),
            Timer::Answer(id),
            Timer::Cancelled(id),
        ] {
            self.timers.clear(&timer);
        }
        if let Some(entry) = self.sessions.get_mut(&call.session) {
            for tab in &answer.lost {
                entry.tab_left(tab.tab_id);
            }
            let mut lost = entry.lost.take();
            lost.append(&mut answer.lost);
            answer.lost = lost;
        }
        self.effects.push_back(Effect::Answer { call: id, answer });
    }

    /// Answers with a fault of this side.
    pub(crate) fn fail(&mut self, id: CallId, fault: Fault) {
        if let Some(call) = self.calls.get(&id)
            && let State::Sent { .. } | State::Lost { .. } = call.state
            && let Some(entry) = self.sessions.get_mut(&call.session)
        {
            entry.forget(call.wire.clone());
        }
        self.answer(id, Answer::bare(Err(fault.into())));
    }

    /// The caller no longer wants the answer.
    pub(crate) fn handle_cancel(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match call.state {
            State::Queued => self.fail(id, Fault::Cancelled { may_still: None }),
            State::Lost { .. } => {
                let may_still = self.may_still(id);
                self.fail(id, Fault::Cancelled { may_still });
            }
            State::Sent {
                cancelled: true, ..
            } => {}
            State::Sent {
                first,
                cancelled: false,
            } => {
                call.state = State::Sent {
                    first,
                    cancelled: true,
                };
                let (wire, session) = (call.wire.clone(), call.session);
                self.timers.set(Timer::Cancelled(id), self.now + CANCEL_MAX);
                self.send_cancel(session, wire);
            }
        }
    }

    fn send_cancel(&mut self, session: SessionKey, wire_id: WireId) {
        let conn = self.sessions.get(&session).and_then(|s| s.link.open());
        if let Some(conn) = conn {
            self.send(conn, &Frame::Cancel { wire_id });
        }
    }

    /// What a cancelled call may go on doing, in words.
    pub(crate) fn may_still(&self, id: CallId) -> Option<String> {
        let call = self.calls.get(&id)?;
        match call.state {
            State::Queued => None,
            State::Sent { .. } | State::Lost { .. } => (!call.kind.reads_only)
                .then(|| String::from("what it had begun may still happen in the page")),
        }
    }

    pub(crate) fn handle_cancelled_late(&mut self, id: CallId) {
        let may_still = self.may_still(id);
        self.fail(id, Fault::Cancelled { may_still });
    }

    /// The browser has not answered although every wait of its own is over.
    pub(crate) fn handle_answer_late(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let after_s = self.now.since(call.arrived).as_secs();
        let (wire, session, reads_only) = (call.wire.clone(), call.session, call.kind.reads_only);
        self.send_cancel(session, wire);
        self.fail(
            id,
            if reads_only {
                Fault::Timeout {
                    after_s,
                    waiting_for: "the browser's answer".into(),
                }
            } else {
                Fault::OutcomeUnknown {
                    url: None,
                    title: None,
                }
            },
        );
    }

    pub(crate) fn handle_connect_late(&mut self, id: CallId) {
        if let Some(call) = self.calls.get(&id) {
            let fault = self.why_not_connected(call.session);
            self.fail(id, fault);
        }
    }

    pub(crate) fn handle_report_due(&mut self, id: CallId) {
        if let Some(by) = self.timers.get(&Timer::Connect(id)) {
            let left = by.since(self.now);
            let progress = CallProgress::Connecting {
                left_s: left.as_secs() + u64::from(left.subsec_millis() > 0),
            };
            self.effects
                .push_back(Effect::Progress { call: id, progress });
            self.timers.set(Timer::Report(id), self.now + REPORT_EVERY);
        }
    }

    /// Standbys came or went: what queued calls wait for may have changed.
    pub(crate) fn reschedule_queued(&mut self, session: SessionKey) {
        let queued =
            self.calls_where(|call| call.session == session && matches!(call.state, State::Queued));
        for id in queued {
            if let Some(arrived) = self.calls.get(&id).map(|call| call.arrived) {
                let by = self.connect_by(session, arrived).max(self.now);
                self.timers.set(Timer::Connect(id), by);
            }
        }
    }

    /// The socket under the session's calls is gone.
    pub(crate) fn lose_calls(&mut self, session: SessionKey) {
        for id in self.calls_where(|call| call.session == session) {
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            match call.state {
                State::Queued | State::Lost { .. } => {}
                State::Sent {
                    first,
                    cancelled: false,
                } => call.state = State::Lost { first },
                State::Sent {
                    cancelled: true, ..
                } => self.handle_cancelled_late(id),
            }
        }
    }

    /// Nothing more will be heard of what was sent before.
    pub(crate) fn settle_lost(&mut self, session: SessionKey) {
        for id in self.lost_calls(session) {
            let fault = if self.reads_only(id) {
                self.browser_gone(session).unwrap_or_else(|| Fault::NotConnected {
                    seen: "the connection was lost while this ran, and the browser does not remember it".into(),
                })
            } else {
                Fault::OutcomeUnknown {
                    url: None,
                    title: None,
                }
            };
            self.fail(id, fault);
        }
    }

    /// The browser is here and remembers nothing of what was sent before; these tabs are lost.
    pub(crate) fn settle_forgotten(&mut self, session: SessionKey, conn: ConnId, lost: &[LostTab]) {
        for id in self.lost_calls(session) {
            let named = self.calls.get(&id).and_then(|call| call.request.tab);
            let gone = lost.iter().find(|one| Some(one.tab_id) == named);
            match gone.filter(|_| self.reads_only(id)) {
                // It would wait for a tab that is another's by now.
                Some(LostTab { url, .. }) => {
                    let urls = vec![url.clone()];
                    self.fail(id, Fault::TabsLost { urls });
                }
                None => self.handle_unknown(id, conn, None, None),
            }
        }
    }

    /// The session is back: `begun` says what became of the calls whose turn had begun.
    pub(crate) fn take_begun(&mut self, session: SessionKey, conn: ConnId, begun: Vec<Begun>) {
        for Begun { wire_id, state } in begun {
            let ours = self.by_wire.get(&wire_id).copied().filter(|id| {
                self.calls.get(id).is_some_and(|call| {
                    call.session == session && matches!(call.state, State::Lost { .. })
                })
            });
            match (ours, state) {
                (Some(id), BegunState::Running) => self.goes_on(id),
                // Its copy was too large to keep, but for the lost tabs that it told.
                (Some(id), BegunState::Ended { response }) if self.is_unread(id, &response) => {
                    if let Some(entry) = self.sessions.get_mut(&session) {
                        entry.hear_lost(response.lost);
                    }
                    self.handle_unknown(id, conn, None, None);
                }
                (Some(id), BegunState::Ended { response }) => self.answer_with(id, *response),
                (Some(id), BegunState::Unknown { url, title }) => {
                    self.handle_unknown(id, conn, url, title);
                }
                // Answered meanwhile, so nobody waits for it.
                (None, BegunState::Running) => self.send(conn, &Frame::Cancel { wire_id }),
                (None, BegunState::Ended { response }) => {
                    if let Some(entry) = self.sessions.get_mut(&session) {
                        entry.handle_late_answer(&wire_id, response.lost);
                    }
                }
                (None, BegunState::Unknown { .. }) => {}
            }
        }
    }

    /// What the browser remembers nothing of, although it remembers the session, never began; unless it
    /// has answered so much since then that it may have forgotten.
    pub(crate) fn send_lost(&mut self, session: SessionKey, conn: ConnId) {
        let sent = self.sessions.get(&session).map_or(0, |entry| entry.sent);
        for id in self.lost_calls(session) {
            let since = |call: &Call| sent.saturating_sub(call.sent_as);
            if self.calls.get(&id).map_or(0, since) < SENT_SINCE_MAX {
                self.send_call(id, conn);
            } else {
                self.handle_unknown(id, conn, None, None);
            }
        }
    }

    fn lost_calls(&self, session: SessionKey) -> Vec<CallId> {
        let is_lost = |state| matches!(state, State::Lost { .. });
        self.calls_where(|call| call.session == session && is_lost(call.state))
    }

    fn reads_only(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.kind.reads_only)
    }

    /// Whether a call that only reads got nothing by this answer: it is asked again.
    fn is_unread(&self, id: CallId, response: &Envelope) -> bool {
        let unknown = |error: &WireError| error.code == ErrorCode::OutcomeUnknown;
        self.reads_only(id) && matches!(&response.body, Body::Error(error) if unknown(error))
    }

    fn goes_on(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id)
            && let State::Lost { first } = call.state
        {
            call.state = State::Sent {
                first,
                cancelled: false,
            };
        }
    }

    /// The worker died under it: reading ones are asked again, under a fresh name because the old
    /// one may have a record; acting ones are not.
    fn handle_unknown(
        &mut self,
        id: CallId,
        conn: ConnId,
        url: Option<String>,
        title: Option<String>,
    ) {
        let fresh = self.random.wire_id();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.kind.reads_only {
            self.by_wire.remove(&call.wire);
            call.wire = fresh.clone();
            self.by_wire.insert(fresh, id);
            self.send_call(id, conn);
        } else {
            self.fail(id, Fault::OutcomeUnknown { url, title });
        }
    }

    /// Events that repeat a call's id are its progress; no other is listened to yet.
    pub(crate) fn handle_event(&mut self, conn: ConnId, envelope: &Envelope) {
        let Some(id) = self.by_wire.get(&envelope.wire_id).copied() else {
            return;
        };
        let belongs = self.calls.get(&id).is_some_and(|call| {
            self.sessions.get(&call.session).is_some_and(|entry| {
                entry.is(&envelope.session_id) && entry.link.open() == Some(conn)
            })
        });
        if !belongs || envelope.name.as_deref() != Some("progress") {
            return;
        }
        if let Body::Payload(payload) = &envelope.body
            && let Ok(progress) = serde_json::from_value::<Progress>(payload.clone())
        {
            self.effects.push_back(Effect::Progress {
                call: id,
                progress: CallProgress::Claim(progress),
            });
        }
    }

    /// Whether the session has calls without an answer.
    pub(crate) fn has_calls(&self, session: SessionKey) -> bool {
        self.calls.values().any(|call| call.session == session)
    }

    fn calls_where(&self, wanted: impl Fn(&Call) -> bool) -> Vec<CallId> {
        self.calls
            .iter()
            .filter(|(_, call)| wanted(call))
            .map(|(id, _)| *id)
            .collect()
    }
}

impl Kind {
    fn of(command: &Command) -> Self {
        Self {
            reads_only: command.reads_only(),
            takes_turn: command.takes_turn(),
            chooses_tab: match command {
                Command::Tabs(action) => match action {
                    TabsAction::New { .. } | TabsAction::Select { .. } => true,
                    TabsAction::List
                    | TabsAction::Close { .. }
                    | TabsAction::Release { .. }
                    | TabsAction::Handoff { .. } => false,
                },
                Command::Navigate(_)
                | Command::Snapshot
                | Command::Click(_)
                | Command::Type(_)
                | Command::PressKey(_)
                | Command::Hover(_)
                | Command::MouseWheel(_)
                | Command::SelectOption(_)
                | Command::Evaluate(_)
                | Command::WaitFor(_)
                | Command::Screenshot(_)
                | Command::HandleDialog(_)
                | Command::ConsoleMessages(_)
                | Command::NetworkRequests(_)
                | Command::Session => false,
            },
            passes: match command {
                Command::WaitFor(wait) => wait.time.map(Duration::from_secs_f64),
                Command::Navigate(_)
                | Command::Snapshot
                | Command::Click(_)
                | Command::Type(_)
                | Command::PressKey(_)
                | Command::Hover(_)
                | Command::MouseWheel(_)
                | Command::SelectOption(_)
                | Command::Evaluate(_)
                | Command::Screenshot(_)
                | Command::HandleDialog(_)
                | Command::ConsoleMessages(_)
                | Command::NetworkRequests(_)
                | Command::Tabs(_)
                | Command::Session => None,
            }
            .unwrap_or_default(),
        }
    }
}

/// `browser_session` may name the browser to move to. That is this side's matter and does not
/// travel.
fn take_browser(request: &mut CallRequest) -> Result<Option<String>, Fault> {
    if request.name != "browser_session" {
        return Ok(None);
    }
    let arguments = request.payload.as_object_mut();
    match arguments.and_then(|arguments| arguments.remove("browser")) {
        None => Ok(None),
        Some(browser) => {
            browser
                .as_str()
                .map(|name| Some(name.to_owned()))
                .ok_or(Fault::BadArguments {
                    what: "`browser` is the name of a browser".into(),
                })
        }
    }
}

/// Checks the times.
fn check_times(request: &CallRequest) -> Result<(), Fault> {
    let longest_wait = millis(limits::CLAIM_WAIT_MAX);
    if request.wait_ms.is_some_and(|wait| wait > longest_wait) {
        return Err(Fault::BadArguments {
            what: format!(
                "`wait` is 0 to {} seconds",
                limits::CLAIM_WAIT_MAX.as_secs()
            ),
        });
    }
    let longest = millis(limits::CALL_DEADLINE_MAX);
    if request
        .deadline_ms
        .is_some_and(|ms| ms == 0 || ms > longest)
    {
        return Err(Fault::BadArguments {
            what: format!("a deadline is 1 to {longest} milliseconds"),
        });
    }
    Ok(())
}

/// Keeps in step with what an answer tells of the session's tabs.
fn mirror(
    entry: &mut crate::sessions::Session,
    tab: Option<TabId>,
    outcome: &Result<serde_json::Value, WireError>,
) {
    if let Ok(data) = outcome
        && data.get("tabs").is_some()
        && let Ok(list) = TabsResult::deserialize(data)
    {
        let own = list.tabs.iter().filter(|tab| match tab.state {
            TabState::Yours => true,
            TabState::Owned | TabState::Free => false,
        });
        entry.has_only(&own.map(|tab| tab.tab_id).collect::<Vec<_>>());
        return;
    }
    let Some(tab) = tab else { return };
    match outcome {
        Ok(data) => entry.saw_tab(tab, data.get("url").and_then(serde_json::Value::as_str)),
        Err(error) => {
            let gone = [
                ErrorCode::TabGone,
                ErrorCode::TabTaken,
                ErrorCode::TabReleased,
                ErrorCode::TabReturned,
            ];
            if gone.contains(&error.code) {
                entry.tab_left(tab);
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
