//! Calls: from an accepted command to its one answer.

use super::frames::call_key;
use super::{Extension, Held, Trace};
use crate::calls::{AnswerBody, Answered, Beside, Call, CallRecord, Caller};
use crate::input::{AskId, CallId, SocketId};
use crate::links::Sent;
use crate::presses::Presses;
use crate::sessions::Presence;
use protocol::command::{
    Navigate, PageResult, SessionResult, TabEntry, TabState, TabsAction, TabsResult,
};
use protocol::error::Peer;
use protocol::frame::{Body, Progress};
use protocol::{Command, Envelope, Fault, Frame, Instant, SessionId, TabId, WireError, WireId};
use serde_json::{Value, json};
use std::time::Duration;

impl Extension {
    /// Sends an accepted call on its way. `tab` is the one that it names.
    pub(super) fn route(&mut self, id: CallId, tab: Option<TabId>, now: Instant) {
        self.note_call(id, tab);
        if let Some(fault) = self.rule_against(id, tab) {
            self.answer(id, Err(fault.into()));
            return;
        }
        let Some(Call {
            session,
            command,
            deadline,
            wait,
            ..
        }) = self.calls.get(id)
        else {
            return;
        };
        let (session, deadline, wait) = (session.clone(), *deadline, *wait);
        match command {
            Command::Session => {
                let result = self.session_result(&session);
                self.answer(id, Ok(to_json(&result)));
            }
            Command::Tabs(TabsAction::List) => {
                let result = self.tabs_result(&session);
                self.answer(id, Ok(to_json(&result)));
            }
            Command::Tabs(action) => {
                let action = action.clone();
                self.tabs.tabs_command(id, &session, &action, wait, now);
            }
            Command::HandleDialog(_) => match self.tabs.dialog_tab(&session, tab) {
                Ok(tab) => {
                    self.begin_dialog(id, tab, now);
                }
                Err(fault) => self.answer(id, Err(fault.into())),
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
            | Command::ConsoleMessages(_)
            | Command::NetworkRequests(_) => {
                self.tabs.call(id, &session, tab, wait, deadline, now);
            }
        }
    }

    fn note_call(&mut self, id: CallId, tab: Option<TabId>) {
        if self.trace.is_none() {
            return;
        }
        let Some(call) = self.calls.get(id).cloned() else {
            return;
        };
        let to = if let Command::Tabs(TabsAction::Handoff { to, .. }) = &call.command {
            self.sessions.by_alias(to).cloned()
        } else {
            None
        };
        self.note(|| Trace::Call {
            call: id,
            session: call.session,
            command: call.command,
            tab,
            wait: call.wait,
            to,
        });
    }

    /// A call has its turn. What acts is written *begun* before its first command, so that after a
    /// death its caller hears of it, and nothing runs twice.
    pub(super) fn begin(&mut self, id: CallId, tab: TabId, now: Instant) {
        self.name_tab(id, tab);
        let Some(call) = self.calls.get_mut(id) else {
            // Its caller was answered before its turn came.
            self.end_turn(id, now);
            return;
        };
        call.begun = true;
        if !call.command.reads_only() {
            self.tabs.handle_acts(id, Presses::of(&call.command));
        }
        match &call.caller {
            Caller::Server { wire_id, .. } if !call.command.reads_only() => {
                let record = CallRecord {
                    tab: Some(tab),
                    response: None,
                    ended: false,
                };
                self.store.put(call_key(&call.session, wire_id), &record);
                self.waiting_for_disk.insert(id);
                self.hold(Held::Begin { call: id }, now);
            }
            Caller::Server { .. } | Caller::Person { .. } => self.begin_in_page(id, now),
        }
    }

    /// A dialog is handled without a turn, yet only once: after a lost answer another dialog may
    /// be open, which nobody has seen.
    fn begin_dialog(&mut self, id: CallId, tab: TabId, now: Instant) {
        self.name_tab(id, tab);
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        call.begun = true;
        if let Caller::Server { wire_id, .. } = &call.caller {
            let record = CallRecord {
                tab: Some(tab),
                response: None,
                ended: false,
            };
            self.store.put(call_key(&call.session, wire_id), &record);
        }
        let open = self.pages.open_dialog(tab);
        self.hold(Held::Dialog { call: id, open }, now);
    }

    /// Its *begun* is on disk. Meanwhile the tab may have changed hands, or the dialog.
    pub(super) fn handle_dialog_now(&mut self, id: CallId, open: Option<u64>, now: Instant) {
        let Some(Call {
            session,
            command: Command::HandleDialog(dialog),
            tab: Some(tab),
            ..
        }) = self.calls.get(id)
        else {
            return;
        };
        let (tab, dialog) = (*tab, dialog.clone());
        match self.tabs.dialog_tab(session, Some(tab)) {
            Ok(tab) => self.pages.handle_dialog(id, tab, &dialog, open, now),
            Err(fault) => self.answer(id, Err(fault.into())),
        }
    }

    /// Its connection was lost before it began: a server asks again, a person is told.
    pub(super) fn drop_call(&mut self, id: CallId) {
        let person = self.calls.get(id).and_then(|call| match &call.caller {
            Caller::Person { ask } => Some(*ask),
            Caller::Server { .. } => None,
        });
        self.note(|| Trace::Dropped { call: id });
        self.calls.drop_unbegun(id);
        if let Some(ask) = person {
            let seen = "its server is not connected".into();
            self.reply(ask, Err(Fault::NotConnected { seen }.into()));
        }
    }

    /// The call may act now.
    pub(super) fn begin_in_page(&mut self, id: CallId, now: Instant) {
        self.waiting_for_disk.remove(&id);
        let Some(call) = self.calls.get(id) else {
            return;
        };
        if let Some(tab) = call.tab {
            let (command, deadline) = (call.command.clone(), call.deadline);
            self.pages.begin(id, tab, &command, deadline, now);
        }
    }

    /// A running call must end: its caller is answered now, its turn when the page has settled.
    pub(super) fn stop(&mut self, id: CallId, tab: TabId, fault: Fault, now: Instant) {
        if self.waiting_for_disk.remove(&id) {
            self.never_begin(id, fault, now);
        } else {
            self.answer(id, Err(fault.into()));
            self.pages.stop(id, tab, now);
        }
    }

    /// Its *begun* could not be written.
    pub(super) fn refuse_to_begin(&mut self, id: CallId, now: Instant) {
        if self.waiting_for_disk.remove(&id) {
            self.never_begin(id, Fault::StoreRefused, now);
        }
    }

    /// It never acted: nothing of it is kept.
    fn never_begin(&mut self, id: CallId, fault: Fault, now: Instant) {
        if let Some(call) = self.calls.get_mut(id) {
            call.begun = false;
            if let Caller::Server { wire_id, .. } = &call.caller {
                self.store.delete(call_key(&call.session, wire_id));
            }
        }
        self.answer(id, Err(fault.into()));
        self.note(|| Trace::TurnEnded { call: id });
        self.tabs.handle_never_began(id, now);
    }

    /// `new`, `select`, `close`, `release` or `handoff` is done.
    pub(super) fn finish_tabs_command(&mut self, id: CallId, tab: Option<TabId>, now: Instant) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let session = call.session.clone();
        let url = if let Command::Tabs(TabsAction::New { url, .. }) = &mut call.command {
            url.take()
        } else {
            None
        };
        call.tab = tab;
        if let (Some(url), Some(tab)) = (url, tab) {
            // The page is opened as a turn of its own, like any navigation.
            call.command = Command::Navigate(Navigate::To(url));
            let deadline = call.deadline;
            self.tabs
                .call(id, &session, Some(tab), Duration::ZERO, deadline, now);
            return;
        }
        let bare = self
            .calls
            .get(id)
            .is_some_and(|call| call.name == "createTab");
        let result = if bare {
            json!({"success": true, "tabId": tab})
        } else {
            to_json(&self.tabs_result(&session))
        };
        self.answer(id, Ok(result));
    }

    /// The page has an answer: its tab is told with it, as the seed shows it.
    pub(super) fn answer_page(&mut self, id: CallId, outcome: Result<PageResult, Fault>) {
        let tab = self.calls.get(id).and_then(|call| call.tab);
        let outcome = outcome.map_err(WireError::from).map(|result| {
            let mut data = to_json(&result);
            if let (Some(fields), Some(tab)) = (data.as_object_mut(), tab) {
                fields.insert("tabId".into(), json!(tab));
            }
            data
        });
        self.answer(id, outcome);
    }

    /// Gives a call its one answer.
    pub(super) fn answer(&mut self, id: CallId, outcome: Result<Value, WireError>) {
        let Some(call) = self.calls.get(id) else {
            return;
        };
        let session = call.session.clone();
        let connected = self.socket_of(&session);
        let mut beside = Beside::default();
        let by_server = matches!(call.caller, Caller::Server { .. });
        let quick = !call.command.takes_turn() && !call.command.reads_only();
        // After a death a dialog that was told must be known.
        let dialog = |data: &Value| data.get("dialog").is_some();
        let held = quick || outcome.as_ref().is_ok_and(dialog);
        if connected.is_some() && by_server {
            let tab = call.tab;
            // What has to wait for the disk would bring it later than the answers after it.
            if !held {
                beside.lost = self.tabs.take_lost(&session);
            }
            beside.waiters = tab
                .filter(|tab| self.tabs.is_owner(&session, *tab))
                .map_or(0, |tab| self.tabs.waiters(tab));
        }
        let error = outcome.as_ref().err().map(|error| error.code);
        self.note(|| Trace::Answered { call: id, error });
        let Some(answered) = self.calls.answer(id, outcome, beside) else {
            return;
        };
        let Answered {
            session,
            caller,
            response,
            stored,
        } = answered;
        match response {
            AnswerBody::Plain(outcome) => {
                if let Caller::Person { ask } = caller {
                    self.reply(ask, outcome);
                }
            }
            AnswerBody::Envelope(envelope) => {
                if stored {
                    self.store_answer(&session, &envelope.wire_id, envelope.tab_id);
                }
                let ended = self.sessions.get(&session).is_none();
                if ended {
                    // Nobody will ever ask for it again.
                    for wire_id in self.calls.forget(&session) {
                        self.store.delete(call_key(&session, &wire_id));
                    }
                }
                match connected {
                    // What changed hands must have done so after a death too; but of a session that
                    // has ended the socket is closed by then.
                    Some(socket) if held && !ended => {
                        self.hold(Held::Answer { socket, envelope }, self.now);
                    }
                    Some(socket) => self.send_response(socket, *envelope),
                    None => {}
                }
            }
        }
    }

    /// Adds the tabs that its session lost to an answer that waited for the disk, and to its copy.
    pub(super) fn tell_lost(&mut self, envelope: &mut Envelope) {
        envelope.lost = self.tabs.take_lost(&envelope.session_id);
        if !envelope.lost.is_empty() && self.calls.keep_again(envelope) {
            self.store_answer(&envelope.session_id, &envelope.wire_id, envelope.tab_id);
        }
    }

    /// Stores what became of a call.
    fn store_answer(&mut self, session: &SessionId, wire_id: &WireId, tab: Option<TabId>) {
        let response = self.calls.kept_answer(session, wire_id).cloned();
        let record = CallRecord {
            tab,
            response: response.map(Box::new),
            ended: true,
        };
        self.store.put(call_key(session, wire_id), &record);
    }

    /// Sends an answer, or that it is too large to send.
    pub(super) fn send_response(&mut self, socket: SocketId, envelope: Envelope) {
        let mut frame = Frame::Response(envelope);
        // What is left of an answer when it is too large, and what when that is too large as well.
        for whole in [true, false] {
            let Sent::TooLarge { bytes, limit } = self.say(socket, &frame) else {
                return;
            };
            if let Frame::Response(envelope) = &mut frame {
                envelope.body = Body::Error(Fault::ResultTooLarge { bytes, limit }.into());
                if !whole {
                    envelope.lost.iter_mut().for_each(|lost| lost.url.clear());
                }
            }
        }
        self.say(socket, &frame);
    }

    /// A claim's place in its queue, for the caller that waits.
    pub(super) fn send_progress(&mut self, id: CallId, progress: &Progress) {
        let Some(Call {
            session,
            caller: Caller::Server { wire_id, .. },
            ..
        }) = self.calls.get(id)
        else {
            return;
        };
        let payload = to_json(progress);
        let event = Envelope::event(wire_id.clone(), session.clone(), "progress", payload);
        if let Some(socket) = self.socket_of(session) {
            self.say(socket, &Frame::Event(event));
        }
    }

    fn name_tab(&mut self, id: CallId, tab: TabId) {
        if let Some(call) = self.calls.get_mut(id) {
            call.tab = Some(tab);
        }
    }

    /// Where answers of a session go: nowhere before its server knows that it is open.
    fn socket_of(&self, session: &SessionId) -> Option<SocketId> {
        if self.opening.contains(session) {
            return None;
        }
        match self.sessions.get(session).map(|session| session.presence) {
            Some(Presence::Connected { socket }) => Some(socket),
            Some(Presence::Orphaned | Presence::Ending | Presence::Standby { .. }) => None,
            None => self.farewells.get(session).copied(),
        }
    }

    fn peer(&self, session: &SessionId) -> Option<Peer> {
        self.sessions
            .get(session)
            .map(|session| session.peer.clone())
    }

    fn tabs_result(&self, session: &SessionId) -> TabsResult {
        let (current, mut tabs) = self.tabs.listing(session);
        for entry in &mut tabs {
            self.describe(entry);
        }
        TabsResult {
            success: true,
            current,
            tabs,
        }
    }

    /// URL and title, of one's own tabs only.
    fn describe(&self, entry: &mut TabEntry) {
        match entry.state {
            TabState::Yours => {
                (entry.url, entry.title) = self.shown(entry.tab_id).unzip();
            }
            TabState::Owned | TabState::Free => {}
        }
    }

    fn session_result(&self, session: &SessionId) -> SessionResult {
        let nobody = || Peer {
            alias: protocol::Alias(String::new()),
            label: String::new(),
        };
        let others = self
            .sessions
            .iter()
            .filter(|(id, other)| {
                *id != session && !matches!(other.presence, Presence::Standby { .. })
            })
            .map(|(_, other)| other.peer.clone())
            .collect();
        SessionResult {
            success: true,
            you: self.peer(session).unwrap_or_else(nobody),
            browser: self.browser.name.clone(),
            current: self.tabs.current(session),
            others,
            waiting: self.tabs.waiting(),
        }
    }

    /// Forgets in the store what the calls no longer keep.
    pub(super) fn stage_calls(&mut self) {
        for (session, wire_id) in self.calls.take_evicted() {
            self.store.delete(call_key(&session, &wire_id));
        }
    }

    /// A command that a person gives at the DevTools console, as the session itself would.
    pub(super) fn call_as_person(
        &mut self,
        ask: AskId,
        session: SessionId,
        name: &str,
        payload: &Value,
        tab: Option<TabId>,
        now: Instant,
    ) {
        if self.sessions.get(&session).is_none() {
            let fault = Fault::SessionUnknown {
                session: session.to_string(),
            };
            self.reply(ask, Err(fault.into()));
            return;
        }
        let command = match Command::decode(name, payload) {
            Ok(command) => command,
            Err(fault) => {
                self.reply(ask, Err(fault.into()));
                return;
            }
        };
        let call = Call {
            session,
            caller: Caller::Person { ask },
            command,
            name: name.to_owned(),
            deadline: protocol::limits::CALL_DEADLINE,
            wait: protocol::limits::CLAIM_WAIT,
            tab,
            begun: false,
        };
        match self.calls.accept(call) {
            crate::calls::Accepted::New(id) => self.route(id, tab, now),
            crate::calls::Accepted::Again | crate::calls::Accepted::Full => {
                let fault = Fault::LimitReached {
                    bound: "calls of one session at a time",
                    limit: protocol::limits::CALLS_PER_SESSION_MAX,
                    frees: "Wait for an answer before asking more",
                };
                self.reply(ask, Err(fault.into()));
            }
        }
    }
}

/// JSON of a result of ours, which always has one.
pub(super) fn to_json(result: &impl serde::Serialize) -> Value {
    serde_json::to_value(result).unwrap_or(Value::Null)
}

/// For keys of the store.
pub(super) fn parse_call_key(key: &str) -> Option<(SessionId, WireId)> {
    let (session, wire_id) = key.strip_prefix("call/")?.split_once('/')?;
    Some((SessionId::new(session).ok()?, WireId::new(wire_id).ok()?))
}
