//! A deterministic poller for what a tool does in a page: a procedure of browser commands written
//! as an `async fn`. Each await is one numbered effect (a call to Chrome, a wait for something
//! that events tell, a moment in time); there is no waker, no clock and no IO here. A procedure
//! is polled when something of its tab happened, and cancelled by dropping it.

use super::facts::Facts;
use super::facts::frames::Session;
use crate::effect::ChromeCall;
use crate::input::ChromeError;
use protocol::{Fault, Instant, SortedMap, TabId};
use serde_json::Value;
use std::cell::{Ref, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// One await of one procedure, counted from 1.
pub(super) type EffectId = u64;

/// What a call to Chrome is, for the end of the procedure that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Settles by itself, soon.
    Command,
    /// Runs page script: cannot be recalled, its synchronous part ends by this moment; what it
    /// awaits is let go as soon as the page answers again.
    Script {
        /// When Chrome ends its synchronous part.
        until: Instant,
    },
    /// Harmless whenever it happens: a release, a look. No turn waits for it.
    Aside,
}

/// A call that a procedure wants made.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) effect: EffectId,
    /// Whose answer ends with that session.
    pub(super) session: Session,
    pub(super) call: ChromeCall,
    pub(super) kind: Kind,
}

/// What a procedure keeps going in the page; ended when it ends early. Buttons and keys are not
/// among it: each press leaves together with its release.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Held {
    /// The tiny screencast runs.
    pub(super) cast: bool,
    /// A navigation of ours runs: it is stopped.
    pub(super) loading: bool,
    /// A press may take the front from the person's window: it is given back.
    pub(super) front: Option<Front>,
}

/// Windows, as Chrome numbers them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Front {
    /// The tab's own, which a press brings to the front.
    pub(super) own: i64,
    /// The one that the person was in before.
    pub(super) persons: i64,
}

#[derive(Debug)]
struct Desk {
    now: Instant,
    wall: Instant,
    deadline: Instant,
    next: EffectId,
    wanted: VecDeque<Wanted>,
    answers: SortedMap<EffectId, Result<Value, ChromeError>>,
    timers: SortedMap<EffectId, Instant>,
    waiting_for: String,
    held: Held,
}

impl Desk {
    fn number(&mut self) -> EffectId {
        self.next += 1;
        self.next
    }
}

/// What a procedure has in its hands: its tab's page and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Page {
    desk: Rc<RefCell<Desk>>,
    facts: Rc<RefCell<Facts>>,
    tab: TabId,
    session: Session,
    nonce: Rc<str>,
}

impl Page {
    /// The same page by way of another session: commands go to the frames that it has.
    pub(super) fn of(&self, session: &Session) -> Self {
        Self {
            session: session.clone(),
            ..self.clone()
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Asks for a debugger command, at once; the answer may be awaited later, or never.
    pub(super) fn command(&self, method: &'static str, params: Value) -> Answer {
        self.debugger(method, params, Kind::Command)
    }

    /// As [`Page::command`], for one that runs page script of up to `limit` synchronous work.
    pub(super) fn script(&self, method: &'static str, params: Value, limit: Duration) -> Answer {
        let until = self.now() + limit;
        self.debugger(method, params, Kind::Script { until })
    }

    /// As [`Page::command`], for one that may settle after the call's turn.
    pub(super) fn aside(&self, method: &'static str, params: Value) -> Answer {
        self.debugger(method, params, Kind::Aside)
    }

    fn debugger(&self, method: &'static str, params: Value, kind: Kind) -> Answer {
        let call = ChromeCall::Command {
            tab: self.tab,
            session: self.session.as_deref().map(str::to_owned),
            method,
            params,
        };
        self.want(call, kind)
    }

    /// Asks for another call of Chrome.
    pub(super) fn chrome(&self, call: ChromeCall) -> Answer {
        self.want(call, Kind::Command)
    }

    /// As [`Page::chrome`], for one that may be answered after the call's turn.
    pub(super) fn chrome_aside(&self, call: ChromeCall) -> Answer {
        self.want(call, Kind::Aside)
    }

    fn want(&self, call: ChromeCall, kind: Kind) -> Answer {
        let mut desk = self.desk.borrow_mut();
        let effect = desk.number();
        let session = self.session.clone();
        desk.wanted.push_back(Wanted {
            effect,
            session,
            call,
            kind,
        });
        Answer {
            desk: Rc::clone(&self.desk),
            effect,
        }
    }

    /// Waits until `seen` finds something in the facts, or until `at`: then `None`.
    pub(super) fn until<T, F>(&self, at: Instant, seen: F) -> Until<F>
    where
        F: FnMut(&Facts) -> Option<T> + Unpin,
    {
        let mut desk = self.desk.borrow_mut();
        let effect = desk.number();
        desk.timers.insert(effect, at);
        Until {
            desk: Rc::clone(&self.desk),
            facts: Rc::clone(&self.facts),
            effect,
            at,
            seen,
        }
    }

    /// Waits until a moment.
    pub(super) async fn sleep_until(&self, at: Instant) {
        self.until(at, |_: &Facts| None::<()>).await;
    }

    /// An answer, if it comes until `at`.
    pub(super) async fn within(
        &self,
        at: Instant,
        answer: Answer,
    ) -> Option<Result<Value, ChromeError>> {
        either(answer, self.until(at, |_: &Facts| None::<()>)).await
    }

    /// An answer, unless `seen` finds something in the facts before.
    pub(super) async fn unless<F>(
        &self,
        answer: Answer,
        seen: F,
    ) -> Option<Result<Value, ChromeError>>
    where
        F: FnMut(&Facts) -> Option<()> + Unpin,
    {
        let end = self.deadline();
        either(answer, self.until(end, seen)).await
    }

    pub(super) fn facts(&self) -> Ref<'_, Facts> {
        self.facts.borrow()
    }

    pub(super) fn change_facts<T>(&self, change: impl FnOnce(&mut Facts) -> T) -> T {
        change(&mut self.facts.borrow_mut())
    }

    pub(super) fn tab(&self) -> TabId {
        self.tab
    }

    /// A random name of this call, fit for an identifier.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Awake time, as all that is timed of a call.
    pub(super) fn now(&self) -> Instant {
        self.desk.borrow().now
    }

    /// What the page's own clock shows, unless somebody has put it elsewhere.
    pub(super) fn wall(&self) -> Instant {
        self.desk.borrow().wall
    }

    /// When the whole call ends.
    pub(super) fn deadline(&self) -> Instant {
        self.desk.borrow().deadline
    }

    /// The time left until `reserve` before the call's end.
    pub(super) fn left(&self, reserve: Duration) -> Duration {
        let desk = self.desk.borrow();
        desk.deadline.since(desk.now).saturating_sub(reserve)
    }

    /// Says what a time-out would have been waiting for: "the page to load".
    pub(super) fn waiting_for(&self, what: impl Into<String>) {
        self.desk.borrow_mut().waiting_for = what.into();
    }

    pub(super) fn hold(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.desk.borrow_mut().held);
    }
}

/// The answer to one call to Chrome.
#[derive(Debug)]
pub(super) struct Answer {
    desk: Rc<RefCell<Desk>>,
    effect: EffectId,
}

impl Future for Answer {
    type Output = Result<Value, ChromeError>;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.desk.borrow_mut().answers.remove(&self.effect) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }
}

/// See [`Page::until`].
#[derive(Debug)]
pub(super) struct Until<F> {
    desk: Rc<RefCell<Desk>>,
    facts: Rc<RefCell<Facts>>,
    effect: EffectId,
    at: Instant,
    seen: F,
}

impl<T, F: FnMut(&Facts) -> Option<T> + Unpin> Future for Until<F> {
    type Output = Option<T>;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        if let Some(found) = (this.seen)(&this.facts.borrow()) {
            return Poll::Ready(Some(found));
        }
        if this.desk.borrow().now >= this.at {
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl<F> Drop for Until<F> {
    fn drop(&mut self) {
        self.desk.borrow_mut().timers.remove(&self.effect);
    }
}

/// The answer, or none when the other wait ends first.
async fn either<F>(mut answer: Answer, mut other: Until<F>) -> Option<Result<Value, ChromeError>>
where
    F: FnMut(&Facts) -> Option<()> + Unpin,
{
    poll_fn(|context| {
        if let Poll::Ready(outcome) = Pin::new(&mut answer).poll(context) {
            return Poll::Ready(Some(outcome));
        }
        Pin::new(&mut other).poll(context).map(|_| None)
    })
    .await
}

/// A running procedure.
pub(super) struct Procedure<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    page: Page,
}

impl<T> std::fmt::Debug for Procedure<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Procedure")
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}

impl<T> Procedure<T> {
    /// Prepares what `body` makes of the page; nothing runs before [`Procedure::poll`].
    pub(super) fn new<Body, Run>(
        tab: TabId,
        facts: Rc<RefCell<Facts>>,
        nonce: String,
        deadline: Instant,
        body: Body,
    ) -> Self
    where
        Body: FnOnce(Page) -> Run,
        Run: Future<Output = T> + 'static,
    {
        let desk = Desk {
            now: Instant::default(),
            wall: Instant::default(),
            deadline,
            next: 0,
            wanted: VecDeque::new(),
            answers: SortedMap::new(),
            timers: SortedMap::new(),
            waiting_for: "the page".to_owned(),
            held: Held::default(),
        };
        let page = Page {
            desk: Rc::new(RefCell::new(desk)),
            facts,
            tab,
            session: None,
            nonce: nonce.into(),
        };
        Self {
            future: Box::pin(body(page.clone())),
            page,
        }
    }

    /// Runs it as far as it comes. After `Some` it must not be polled again.
    pub(super) fn poll(&mut self, now: Instant, wall: Instant) -> Option<T> {
        {
            let mut desk = self.page.desk.borrow_mut();
            (desk.now, desk.wall) = (now, wall);
        }
        let mut context = Context::from_waker(Waker::noop());
        match self.future.as_mut().poll(&mut context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// The next call that it wants made. Drain after each poll.
    pub(super) fn poll_wanted(&mut self) -> Option<Wanted> {
        self.page.desk.borrow_mut().wanted.pop_front()
    }

    /// Brings a call's answer home; poll afterwards.
    pub(super) fn answer(&mut self, effect: EffectId, outcome: Result<Value, ChromeError>) {
        self.page.desk.borrow_mut().answers.insert(effect, outcome);
    }

    /// When it wants to be polled again, whatever happens before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.page.desk.borrow().timers.values().min().copied()
    }

    /// What it is waiting for, for people.
    pub(super) fn waiting_for(&self) -> String {
        self.page.desk.borrow().waiting_for.clone()
    }

    /// The front is given back now, not at its end.
    pub(super) fn take_front(&self) -> Option<Front> {
        self.page.desk.borrow_mut().held.front.take()
    }

    /// What it keeps going now.
    pub(super) fn held(&self) -> Held {
        self.page.desk.borrow().held
    }
}

/// A failed command that a procedure has no better word for.
impl From<ChromeError> for Fault {
    fn from(error: ChromeError) -> Self {
        Self::Internal {
            what: format!("Chrome refused a command: {}", error.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TAB: TabId = TabId(1);

    fn procedure<Run: Future<Output = i64> + 'static>(
        body: impl FnOnce(Page) -> Run,
    ) -> Procedure<i64> {
        let facts = Rc::new(RefCell::new(Facts::default()));
        Procedure::new(TAB, facts, "n".into(), Instant(1_000), body)
    }

    #[test]
    fn commands_asked_together_go_out_together_and_are_answered_in_any_order() {
        let mut run = procedure(|page| async move {
            let first = page.command("A", json!({}));
            let second = page.command("B", json!({}));
            let second = second.await.ok().and_then(|v| v.as_i64()).unwrap_or(0);
            let first = first.await.ok().and_then(|v| v.as_i64()).unwrap_or(0);
            first * 10 + second
        });
        assert_eq!(run.poll(Instant(0), Instant(0)), None);
        let first = run.poll_wanted().unwrap().effect;
        let second = run.poll_wanted().unwrap().effect;
        assert!(run.poll_wanted().is_none());
        run.answer(second, Ok(json!(2)));
        assert_eq!(run.poll(Instant(0), Instant(0)), None);
        run.answer(first, Ok(json!(4)));
        assert_eq!(run.poll(Instant(0), Instant(0)), Some(42));
    }

    #[test]
    fn a_wait_names_the_moment_it_ends_and_ends_then() {
        let mut run = procedure(|page| async move {
            page.sleep_until(Instant(40)).await;
            7
        });
        assert_eq!(run.poll(Instant(0), Instant(0)), None);
        assert_eq!(run.poll_timeout(), Some(Instant(40)));
        assert_eq!(run.poll(Instant(39), Instant(39)), None);
        assert_eq!(run.poll(Instant(40), Instant(40)), Some(7));
        assert_eq!(run.poll_timeout(), None);
    }

    #[test]
    fn a_wait_for_facts_ends_when_they_come_true() {
        let facts = Rc::new(RefCell::new(Facts::default()));
        let mut run = Procedure::new(
            TAB,
            Rc::clone(&facts),
            "n".into(),
            Instant(9),
            |page| async move {
                page.until(Instant(9), |facts| (facts.moves > 0).then_some(facts.moves))
                    .await
            },
        );
        assert_eq!(run.poll(Instant(0), Instant(0)), None);
        facts.borrow_mut().moves = 3;
        assert_eq!(run.poll(Instant(1), Instant(1)), Some(Some(3)));
    }
}
