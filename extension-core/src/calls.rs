//! Commands in flight and the answers given: each is answered exactly once, to the session it
//! belongs to, with the ids it came with (invariants 3 and 4).
//!
//! Knows envelopes and results; knows nothing of tabs' owners or of the debugger.

use crate::input::{AskId, CallId};
use protocol::frame::{Begun, BegunState, Body, LostTab};
use protocol::{Command, Envelope, Fault, SessionId, SortedMap, TabId, WireError, WireId, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// Answers kept per session at least, for a caller whose connection was lost (`design/worker.md`) …
pub const RESULTS_KEPT: usize = limits::RESULTS_KEPT;
/// … and so many more at most: the oldest go together, since every removal from the store is a call
/// of its own.
const EVICTED_TOGETHER: usize = 16;
/// Larger answers are not kept, only that they ended: the caller looks again.
pub const RESULT_KEPT_MAX: usize = 16 * 1024;

/// Who asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// A server, with the ids that its answer carries home.
    Server {
        /// Echoed.
        wire_id: WireId,
        /// Echoed as it was.
        origin_id: Option<Value>,
    },
    /// A person at the DevTools console.
    Person {
        /// Answered once.
        ask: AskId,
    },
}

/// A command in flight.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whose.
    pub session: SessionId,
    /// Who asked.
    pub caller: Caller,
    /// What.
    pub command: Command,
    /// Its name, for people.
    pub name: String,
    /// Time from the start of its turn.
    pub deadline: Duration,
    /// Time that it may wait for another's tab.
    pub wait: Duration,
    /// The tab that its answer names.
    pub tab: Option<TabId>,
    /// Its turn has begun.
    pub begun: bool,
}

/// The stored form of a call that acts, so that its caller learns after a death what became of it,
/// or of one whose answer tells of lost tabs, so that they are told at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// Where it acts, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tab: Option<TabId>,
    /// Its answer, once it has one that is small enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Box<Envelope>>,
    /// It has ended.
    #[serde(default)]
    pub ended: bool,
}

#[derive(Clone, Debug)]
struct Kept {
    wire_id: WireId,
    state: KeptState,
    /// The store holds a record of it.
    stored: bool,
}

#[derive(Clone, Debug)]
enum KeptState {
    Ended(Box<Envelope>),
    TooLarge { tab: Option<TabId> },
    Lost { tab: Option<TabId> },
}

impl KeptState {
    /// What is kept of an answer.
    fn of(envelope: &Envelope) -> Self {
        let mut copy = envelope.clone();
        if size_of_body(&envelope.body) > RESULT_KEPT_MAX {
            if envelope.lost.is_empty() {
                return Self::TooLarge {
                    tab: envelope.tab_id,
                };
            }
            // The lost tabs must not go with the body.
            let (url, title) = (None, None);
            copy.body = Body::Error(Fault::OutcomeUnknown { url, title }.into());
        }
        Self::Ended(Box::new(copy))
    }
}

/// What is said in an answer beside its body.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Claims that wait for the tab.
    pub waiters: usize,
    /// Tabs lost, told now.
    pub lost: Vec<LostTab>,
}

/// What [`Calls::accept`] made of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A call of its own.
    New(CallId),
    /// A frame that came twice: the call runs already, or was answered; nothing runs again.
    Again,
    /// Too many calls of this session.
    Full,
}

/// An answer to send or to give.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// To whom.
    pub session: SessionId,
    /// How.
    pub caller: Caller,
    /// What.
    pub response: AnswerBody,
    /// Its record in the store changes: it acted on a page, or tells of lost tabs.
    pub stored: bool,
}

/// See [`Answered`].
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerBody {
    /// For a server.
    Envelope(Box<Envelope>),
    /// For a person.
    Plain(Result<Value, WireError>),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Calls {
    open: SortedMap<CallId, Call>,
    by_wire: SortedMap<(SessionId, WireId), CallId>,
    count: SortedMap<SessionId, usize>,
    kept: SortedMap<SessionId, VecDeque<Kept>>,
    evicted: Vec<(SessionId, WireId)>,
    last: u64,
}

impl Calls {
    /// Takes a command in.
    pub fn accept(&mut self, call: Call) -> Accepted {
        if let Caller::Server { wire_id, .. } = &call.caller {
            let key = (call.session.clone(), wire_id.clone());
            if self.by_wire.contains_key(&key) || self.has_kept(&call.session, wire_id) {
                return Accepted::Again;
            }
        }
        let count = self.count.entry(call.session.clone()).or_default();
        if *count >= limits::CALLS_PER_SESSION_MAX {
            return Accepted::Full;
        }
        *count += 1;
        self.last += 1;
        let id = CallId(self.last);
        if let Caller::Server { wire_id, .. } = &call.caller {
            self.by_wire
                .insert((call.session.clone(), wire_id.clone()), id);
        }
        self.open.insert(id, call);
        Accepted::New(id)
    }

    /// A call in flight.
    #[must_use]
    pub fn get(&self, id: CallId) -> Option<&Call> {
        self.open.get(&id)
    }

    /// A call in flight, to change.
    pub fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        self.open.get_mut(&id)
    }

    /// The call that a session named `wire_id`.
    #[must_use]
    pub fn find(&self, session: &SessionId, wire_id: &WireId) -> Option<CallId> {
        self.by_wire
            .get(&(session.clone(), wire_id.clone()))
            .copied()
    }

    /// A session's calls in flight that no queue of a tab knows: they handle dialogs.
    pub fn without_turn(&self, session: &SessionId) -> Vec<CallId> {
        let dialogs = |call: &Call| matches!(call.command, Command::HandleDialog(_));
        let open = self.open.iter();
        let own = open.filter(|(_, call)| call.session == *session && dialogs(call));
        own.map(|(id, _)| *id).collect()
    }

    /// How many calls are in flight.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Answers a call; none when it was answered before (a late answer changes nothing).
    pub fn answer(
        &mut self,
        id: CallId,
        outcome: Result<Value, WireError>,
        beside: Beside,
    ) -> Option<Answered> {
        let call = self.remove(id)?;
        let acts = !call.command.reads_only();
        let acted = acts && call.tab.is_some() && (call.begun || !call.command.takes_turn());
        let tells = !beside.lost.is_empty();
        let response = match &call.caller {
            Caller::Person { .. } => AnswerBody::Plain(outcome),
            Caller::Server { wire_id, origin_id } => {
                let mut envelope =
                    Envelope::response(wire_id.clone(), call.session.clone(), outcome);
                envelope.origin_id.clone_from(origin_id);
                envelope.tab_id = call.tab;
                envelope.waiters = beside.waiters;
                envelope.lost = beside.lost;
                // What acted without a turn must not be asked again either.
                if call.begun || acts || tells {
                    self.keep(&envelope, acts || tells);
                }
                AnswerBody::Envelope(Box::new(envelope))
            }
        };
        Some(Answered {
            session: call.session,
            caller: call.caller,
            response,
            stored: acted || tells,
        })
    }

    /// A tab goes on under another id.
    pub fn rename_tab(&mut self, old: TabId, new: TabId) {
        let open = self.open.values_mut().map(|call| &mut call.tab);
        let kept = self.kept.values_mut().flatten();
        let kept = kept.filter_map(|kept| match &mut kept.state {
            KeptState::Ended(_) => None,
            KeptState::TooLarge { tab } | KeptState::Lost { tab } => Some(tab),
        });
        for tab in open.chain(kept).filter(|tab| **tab == Some(old)) {
            *tab = Some(new);
        }
    }

    /// Drops a call whose caller is gone before its turn began: nobody is answered.
    pub fn drop_unbegun(&mut self, id: CallId) {
        self.remove(id);
    }

    /// What is known of a session's calls whose turn had begun, for `sessionOpened`. `page` gives
    /// the present URL and title of a tab.
    #[must_use]
    pub fn begun(
        &self,
        session: &SessionId,
        page: impl Fn(TabId) -> Option<(String, String)>,
    ) -> Vec<Begun> {
        let unknown = |tab: Option<TabId>| {
            let (url, title) = tab.and_then(&page).unzip();
            BegunState::Unknown { url, title }
        };
        let kept = self
            .kept
            .get(session)
            .into_iter()
            .flatten()
            .map(|kept| Begun {
                wire_id: kept.wire_id.clone(),
                state: match &kept.state {
                    KeptState::Ended(response) => BegunState::Ended {
                        response: response.clone(),
                    },
                    KeptState::TooLarge { tab } => unknown(*tab),
                    KeptState::Lost { tab } => unknown(*tab),
                },
            });
        let running = self
            .by_wire
            .iter()
            .filter(|((owner, _), _)| owner == session)
            .filter(|(_, id)| self.open.get(id).is_some_and(|call| call.begun))
            .map(|((_, wire_id), _)| Begun {
                wire_id: wire_id.clone(),
                state: BegunState::Running,
            });
        kept.chain(running).collect()
    }

    /// Replaces the copy of an answer that learnt something after it was kept; whether there is one, which
    /// is then to be stored.
    pub fn keep_again(&mut self, envelope: &Envelope) -> bool {
        let kept = self.kept.get_mut(&envelope.session_id);
        let same = |kept: &&mut Kept| kept.wire_id == envelope.wire_id;
        let Some(kept) = kept.and_then(|all| all.iter_mut().find(same)) else {
            return false;
        };
        kept.state = KeptState::of(envelope);
        kept.stored = true;
        true
    }

    /// Takes a record out of the store: a call that had begun when the worker died. None makes room
    /// for another: records come in no order, and what is not told is asked for again.
    pub fn restore(&mut self, session: SessionId, wire_id: WireId, record: CallRecord) {
        let state = match (record.response, record.ended) {
            (Some(response), _) => KeptState::Ended(response),
            (None, true) => KeptState::TooLarge { tab: record.tab },
            (None, false) => KeptState::Lost { tab: record.tab },
        };
        self.kept.entry(session).or_default().push_back(Kept {
            wire_id,
            state,
            stored: true,
        });
    }

    /// Forgets a session that has ended, and says which records of it the store still holds.
    pub fn forget(&mut self, session: &SessionId) -> Vec<WireId> {
        let kept = self.kept.remove(session).unwrap_or_default();
        kept.into_iter()
            .filter(|kept| kept.stored)
            .map(|kept| kept.wire_id)
            .collect()
    }

    /// Calls whose records the store need no longer hold.
    pub fn take_evicted(&mut self) -> Vec<(SessionId, WireId)> {
        std::mem::take(&mut self.evicted)
    }

    /// The answer kept for a frame that came twice, if it was answered.
    #[must_use]
    pub fn kept_answer(&self, session: &SessionId, wire_id: &WireId) -> Option<&Envelope> {
        let kept = self
            .kept
            .get(session)?
            .iter()
            .find(|kept| kept.wire_id == *wire_id)?;
        match &kept.state {
            KeptState::Ended(response) => Some(response),
            KeptState::TooLarge { .. } | KeptState::Lost { .. } => None,
        }
    }

    fn has_kept(&self, session: &SessionId, wire_id: &WireId) -> bool {
        let kept = self.kept.get(session);
        kept.is_some_and(|kept| kept.iter().any(|kept| kept.wire_id == *wire_id))
    }

    fn remove(&mut self, id: CallId) -> Option<Call> {
        let call = self.open.remove(&id)?;
        if let Caller::Server { wire_id, .. } = &call.caller {
            self.by_wire
                .remove(&(call.session.clone(), wire_id.clone()));
        }
        if let Some(count) = self.count.get_mut(&call.session) {
            *count -= 1;
            if *count == 0 {
                self.count.remove(&call.session);
            }
        }
        Some(call)
    }

    fn keep(&mut self, envelope: &Envelope, stored: bool) {
        let kept = Kept {
            wire_id: envelope.wire_id.clone(),
            state: KeptState::of(envelope),
            stored,
        };
        self.push_kept(envelope.session_id.clone(), kept);
    }

    fn push_kept(&mut self, session: SessionId, kept: Kept) {
        let all = self.kept.entry(session.clone()).or_default();
        all.push_back(kept);
        if all.len() >= RESULTS_KEPT + EVICTED_TOGETHER {
            let oldest = all.drain(..EVICTED_TOGETHER).filter(|kept| kept.stored);
            let evicted = oldest.map(|kept| (session.clone(), kept.wire_id));
            self.evicted.extend(evicted);
        }
    }
}

/// Roughly the bytes of a body: exact for what is large, which is text.
fn size_of_body(body: &Body) -> usize {
    fn size(value: &Value) -> usize {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 8,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(size).sum::<usize>() + 2,
            Value::Object(fields) => {
                fields
                    .iter()
                    .map(|(name, value)| name.len() + size(value))
                    .sum::<usize>()
                    + 2
            }
        }
    }
    match body {
        Body::Payload(value) | Body::Data(value) => size(value),
        Body::Error(error) => error.message.len() + error.advice.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Fault;
    use serde_json::json;

    fn session() -> SessionId {
        SessionId::new("s").unwrap()
    }

    fn wire(name: &str) -> WireId {
        WireId::new(name).unwrap()
    }

    fn call(name: &str) -> Call {
        Call {
            session: session(),
            caller: Caller::Server {
                wire_id: wire(name),
                origin_id: Some(json!(0)),
            },
            command: Command::decode("browser_click", &json!({"target": "e1"})).unwrap(),
            name: "browser_click".into(),
            deadline: limits::CALL_DEADLINE,
            wait: limits::CLAIM_WAIT,
            tab: Some(TabId(7)),
            begun: true,
        }
    }

    fn accept(calls: &mut Calls, name: &str) -> CallId {
        match calls.accept(call(name)) {
            Accepted::New(id) => id,
            Accepted::Again | Accepted::Full => panic!("{name} is new"),
        }
    }

    #[test]
    fn a_call_is_answered_once_with_the_ids_it_came_with() {
        let mut calls = Calls::default();
        let id = accept(&mut calls, "w");
        let answered = calls
            .answer(id, Ok(json!({"success": true})), Beside::default())
            .unwrap();
        let AnswerBody::Envelope(envelope) = answered.response else {
            panic!("an envelope")
        };
        assert_eq!(
            (envelope.wire_id, envelope.origin_id),
            (wire("w"), Some(json!(0)))
        );
        assert_eq!(envelope.tab_id, Some(TabId(7)));
        assert_eq!(
            calls.answer(id, Err(Fault::SessionEnded.into()), Beside::default()),
            None
        );
    }

    #[test]
    fn a_frame_that_comes_twice_runs_once() {
        let mut calls = Calls::default();
        let id = accept(&mut calls, "w");
        assert_eq!(calls.accept(call("w")), Accepted::Again);
        calls.answer(id, Ok(json!(1)), Beside::default());
        assert_eq!(
            calls.accept(call("w")),
            Accepted::Again,
            "also after its answer"
        );
        assert_eq!(
            calls.kept_answer(&session(), &wire("w")).unwrap().body,
            Body::Data(json!(1))
        );
    }

    #[test]
    fn lost_tabs_stay_in_the_copy_of_an_answer_whose_body_is_too_large_to_keep() {
        let mut calls = Calls::default();
        let id = accept(&mut calls, "w");
        let large = json!("x".repeat(RESULT_KEPT_MAX + 1));
        let url = String::new();
        let lost = vec![LostTab {
            tab_id: TabId(9),
            url,
        }];
        let beside = Beside {
            waiters: 0,
            lost: lost.clone(),
        };
        assert!(calls.answer(id, Ok(large), beside).unwrap().stored);
        let kept = calls.kept_answer(&session(), &wire("w")).unwrap();
        assert_eq!(kept.lost, lost);
        let Body::Error(error) = &kept.body else {
            panic!("{kept:?}");
        };
        assert_eq!(error.code, protocol::ErrorCode::OutcomeUnknown);
    }

    #[test]
    fn begun_calls_are_listed_with_what_is_known() {
        let mut calls = Calls::default();
        let ended = accept(&mut calls, "ended");
        calls.answer(ended, Ok(json!(1)), Beside::default());
        let large = accept(&mut calls, "large");
        calls.answer(
            large,
            Ok(json!("x".repeat(RESULT_KEPT_MAX + 1))),
            Beside::default(),
        );
        accept(&mut calls, "running");
        let queued = accept(&mut calls, "queued");
        calls.get_mut(queued).unwrap().begun = false;
        calls.restore(
            session(),
            wire("dead"),
            CallRecord {
                tab: Some(TabId(7)),
                response: None,
                ended: false,
            },
        );
        let begun = calls.begun(&session(), |_| Some(("u".into(), "t".into())));
        let unknown = BegunState::Unknown {
            url: Some("u".into()),
            title: Some("t".into()),
        };
        let states: SortedMap<String, BegunState> = begun
            .into_iter()
            .map(|b| (b.wire_id.to_string(), b.state))
            .collect();
        assert_eq!(states.len(), 4);
        assert!(matches!(
            states.get("ended"),
            Some(BegunState::Ended { .. })
        ));
        assert_eq!(states.get("large"), Some(&unknown));
        assert_eq!(states.get("dead"), Some(&unknown));
        assert_eq!(states.get("running"), Some(&BegunState::Running));
    }

    #[test]
    fn all_that_was_stored_is_told_in_the_next_life_and_what_was_kept_goes_first() {
        let mut calls = Calls::default();
        let most = RESULTS_KEPT + EVICTED_TOGETHER - 1;
        for n in 0..=most {
            // Whatever its place: here the first of all had only begun.
            let ended = n > 0;
            let record = json!({"tab": 7, "ended": ended});
            calls.restore(
                session(),
                wire(&format!("w{n}")),
                serde_json::from_value(record).unwrap(),
            );
        }
        let begun = calls.begun(&session(), |_| None);
        assert_eq!(begun.len(), most + 1);
        assert!(calls.take_evicted().is_empty());
        let id = accept(&mut calls, "new");
        calls.answer(id, Ok(json!(1)), Beside::default());
        assert_eq!(calls.take_evicted().len(), EVICTED_TOGETHER);
        assert!(calls.kept_answer(&session(), &wire("new")).is_some());
    }

    #[test]
    fn what_is_stored_because_of_what_it_learnt_later_is_forgotten_with_its_session() {
        let mut calls = Calls::default();
        let Accepted::New(id) = calls.accept(Call {
            command: Command::Snapshot,
            begun: true,
            ..call("reads")
        }) else {
            panic!("it is new");
        };
        let answered = calls.answer(id, Ok(json!(1)), Beside::default());
        let Some(AnswerBody::Envelope(mut envelope)) = answered.map(|one| one.response) else {
            panic!("it is answered");
        };
        assert!(!calls.keep_again(&Envelope {
            wire_id: wire("another"),
            ..(*envelope).clone()
        }));
        let url = String::new();
        envelope.lost.push(LostTab {
            tab_id: TabId(9),
            url,
        });
        assert!(calls.keep_again(&envelope));
        assert_eq!(calls.forget(&session()), [wire("reads")]);
    }

    #[test]
    fn calls_and_kept_answers_are_bounded() {
        let mut calls = Calls::default();
        for n in 0..limits::CALLS_PER_SESSION_MAX {
            accept(&mut calls, &format!("w{n}"));
        }
        assert_eq!(calls.accept(call("more")), Accepted::Full);
        for n in 1..=limits::CALLS_PER_SESSION_MAX as u64 {
            calls.answer(CallId(n), Ok(json!(1)), Beside::default());
        }
        for n in 0..100 {
            let id = accept(&mut calls, &format!("x{n}"));
            calls.answer(id, Ok(json!(1)), Beside::default());
        }
        let kept = calls.begun(&session(), |_| None).len();
        let bounds = RESULTS_KEPT..RESULTS_KEPT + EVICTED_TOGETHER;
        assert!(bounds.contains(&kept), "{kept}");
        let evicted = calls.take_evicted().len();
        assert_eq!(evicted, limits::CALLS_PER_SESSION_MAX + 100 - kept);
        assert_eq!(evicted % EVICTED_TOGETHER, 0, "sixteen at a time");
        assert!(calls.is_empty());
        assert_eq!(calls.forget(&session()).len(), kept);
    }
}
