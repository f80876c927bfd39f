//! One tab: the debugger's attachment to it, the one call that runs on it, and how both end.
//! It knows no owner and no queue; it is told which call has the turn and says when that call
//! is answered and when the browser has settled it.

mod attachment;
mod call;
mod children;
mod leftover;
mod mend;
mod news;

use super::facts::frames::Session;
use super::facts::{Facts, Going, News};
use super::poller::{EffectId, Held, Kind, Procedure, Wanted};
use super::{Out, PageEvent, actions};
use crate::effect::ChromeCall;
use crate::input::{CallId, ChromeError, DetachReason};
use crate::presses::Presses;
use leftover::Leftover;
pub use mend::Former;
use mend::{Mend, Owed};
use protocol::command::{HandleDialog, Navigate, PageResult};
use protocol::{Command, Fault, Instant, SortedMap, TabId, url};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Attaching and detaching happen in the browser process: milliseconds, even for a hung page.
const ATTACH_MAX: Duration = Duration::from_secs(5);
/// One step of the enable burst. A page that is busy that long is not worth waiting for.
const ENABLE_MAX: Duration = Duration::from_secs(10);
/// How long a command may take to settle once its call has ended (`design/tabs.md`, *Turns*).
const ENDING_MAX: Duration = Duration::from_secs(2);
/// `debugger.onDetach` follows the errors of the commands that it ended by much less.
const DETACH_EVENT_MAX: Duration = Duration::from_millis(500);
/// The number of no dialog that is known.
const NO_DIALOG: u64 = 0;
/// Handling a dialog is the browser process's work.
const DIALOG_MAX: Duration = Duration::from_secs(5);

/// Where the debugger stands.
#[derive(Debug)]
enum Attachment {
    Detached,
    /// Looking where the tab is, before anything is attached to it.
    Looking,
    /// The tab is where no debugger may go, and its call goes elsewhere: on the way to a blank
    /// page, without a debugger.
    Leaving,
    Attaching,
    /// It was there before this life of the worker: what its page does is being found out.
    Mending(Mend),
    /// In the burst.
    Enabling {
        step: usize,
        /// A navigation may hold the page back: it was stopped, once.
        stopped: bool,
    },
    Ready,
    Detaching,
}

/// What a call to Chrome was for.
#[derive(Debug)]
enum Purpose {
    Look,
    Leave,
    Attach,
    Enable,
    /// A command of the mending.
    Drain {
        /// The one that only a page which runs no script and shows no dialog answers.
        probe: bool,
    },
    /// How many of these keys are down.
    Keys {
        chord: String,
    },
    Detach,
    Effect {
        effect: EffectId,
        /// Whose frames it concerns.
        session: Session,
        kind: Kind,
    },
    /// A step of a child session's own burst.
    Child {
        session: Rc<str>,
        step: usize,
    },
    /// Which page the browser has committed.
    Commit,
    /// Stops at a call's end, and a blind dismissal.
    End,
    /// Shows that the page answers again, or a frame of another process.
    Probe {
        session: Session,
    },
    /// A dialog dismissed by us.
    Dismiss {
        dialog: u64,
    },
    /// A dialog handled for a caller.
    Dialog {
        dialog: u64,
        call: CallId,
    },
    /// Where the tab is after its debugger was lost.
    Lost,
}

/// What a tab may be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Attachment,
    Leftover,
    Call,
    Procedure,
    Ending,
    /// A request to handle a dialog.
    Dialog(u64),
}

/// The call that has the turn.
#[derive(Debug)]
struct Running {
    call: CallId,
    command: Command,
    began: Instant,
    deadline: Instant,
    /// Its caller has the answer, from us or from others.
    answered: bool,
    /// It was begun again once, after a lost debugger.
    retried: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// For the attachment.
    Waiting,
    Acting(Procedure<Result<PageResult, Fault>>),
    /// Over; its last commands settle.
    Ending {
        /// Dialogs that open now are dismissed.
        dismiss: bool,
    },
    /// Over, because the debugger was lost; asking where the tab is.
    Lost,
}

/// Why the debugger is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Off {
    /// By us.
    Ours,
    /// Thrown off.
    Lost,
    /// By the person.
    User,
}

#[derive(Debug)]
pub(super) struct Tab {
    id: TabId,
    attachment: Attachment,
    leftover: Leftover,
    facts: Rc<RefCell<Facts>>,
    running: Option<Running>,
    asked: SortedMap<u64, Purpose>,
    /// Detach as soon as no dialog is open.
    off: bool,
    /// Say `Cleared` when detached; since when.
    clearing: Option<Instant>,
    owed: Owed,
    /// The number of the dialog that a former life recorded, until the page answers.
    restored: Option<u64>,
    /// What a call of the former life may have left down, and no debugger was there to let up.
    pressed: Presses,
    /// The page had crashed before the debugger came: its navigation must begin without one.
    revive: bool,
    /// It was 0 pixels wide when it was looked at: loaded where nobody saw it, it has no size.
    sizeless: bool,
    /// It was shown while the debugger was on its way to it.
    shown: bool,
}

impl Tab {
    pub(super) fn new(id: TabId, facts: Facts) -> Self {
        Self {
            id,
            attachment: Attachment::Detached,
            leftover: Leftover::None,
            facts: Rc::new(RefCell::new(facts)),
            running: None,
            asked: SortedMap::new(),
            off: false,
            clearing: None,
            owed: Owed::Nothing,
            restored: None,
            pressed: Presses::Nothing,
            revive: false,
            sizeless: false,
            shown: false,
        }
    }

    /// Nothing is known of it that is worth keeping.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.attachment, Attachment::Detached)
            && self.leftover == Leftover::None
            && self.running.is_none()
            && self.asked.is_empty()
            && self.clearing.is_none()
            && self.pressed.is_nothing()
    }

    pub(super) fn name_states(&self, met: &mut impl FnMut(&'static str)) {
        met(match self.attachment {
            Attachment::Detached => "debugger: detached",
            Attachment::Looking => "debugger: looking",
            Attachment::Leaving => "debugger: leaving",
            Attachment::Attaching => "debugger: attaching",
            Attachment::Mending(_) => "debugger: mending",
            Attachment::Enabling { .. } => "debugger: enabling",
            Attachment::Ready => "debugger: ready",
            Attachment::Detaching => "debugger: detaching",
        });
        if let Some(running) = &self.running {
            met(match running.state {
                State::Waiting => "page: waits for the debugger",
                State::Acting(_) => "page: acts",
                State::Ending { .. } => "page: settles",
                State::Lost => "page: lost the debugger",
            });
        }
    }

    pub(super) fn begin(
        &mut self,
        out: &mut Out,
        call: CallId,
        command: &Command,
        deadline: Duration,
    ) {
        let refused = match (&self.running, &self.facts.borrow().dialog) {
            (Some(running), _) => Some(Fault::Internal {
                what: format!("call {} still has the turn", running.call.0),
            }),
            (None, Some((_, dialog))) => Some(Fault::DialogOpen {
                kind: dialog.kind.clone(),
                message: dialog.message.clone(),
            }),
            (None, None) => None,
        };
        if let Some(fault) = refused {
            out.answer(call, Err(fault));
            out.settled(call, self.id);
            return;
        }
        self.facts.borrow_mut().new_tabs.clear();
        let asked = match command {
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
        };
        // A time that the caller asked to pass is none that it waits for us.
        let deadline = out.now + deadline + asked.unwrap_or_default();
        self.running = Some(Running {
            call,
            command: command.clone(),
            began: out.now,
            deadline,
            answered: false,
            retried: false,
            state: State::Waiting,
        });
        out.timers.set((self.id, Timer::Call), deadline);
        self.call_on_mending(out);
        self.advance(out);
    }

    pub(super) fn stop(&mut self, out: &mut Out, call: CallId) {
        let Some(running) = self.running.as_mut().filter(|run| run.call == call) else {
            return;
        };
        running.answered = true;
        match &mut running.state {
            State::Waiting | State::Lost => self.settle(out),
            State::Acting(procedure) => {
                let held = procedure.held();
                let held = self.stopping(held);
                self.end(out, held, true);
            }
            State::Ending { dismiss } => *dismiss = true,
        }
        self.dismiss(out);
        self.advance(out);
    }

    pub(super) fn clear(&mut self, out: &mut Out) {
        self.clearing.get_or_insert(out.now);
        if let Some(call) = self.running.as_ref().map(|run| run.call) {
            self.stop(out, call);
        }
        self.dismiss(out);
        self.advance(out);
    }

    pub(super) fn open_dialog(&self) -> Option<u64> {
        self.facts.borrow().dialog.as_ref().map(|open| open.0)
    }

    pub(super) fn handle_dialog(
        &mut self,
        out: &mut Out,
        call: CallId,
        handle: &HandleDialog,
        meant: Option<u64>,
    ) {
        let other = match &self.facts.borrow().dialog {
            Some((open, dialog)) if meant != Some(*open) => Some(Fault::DialogOpen {
                kind: dialog.kind.clone(),
                message: dialog.message.clone(),
            }),
            None if meant.is_some() => Some(no_dialog()),
            Some(_) | None => None,
        };
        if let Some(fault) = other {
            out.answer(call, Err(fault));
            return;
        }
        let hidden = self.may_hide_a_dialog().then_some(NO_DIALOG);
        let Some(dialog) = meant.or(hidden) else {
            out.answer(call, Err(no_dialog()));
            return;
        };
        let mut params = json!({"accept": handle.accept});
        if let Some(text) = &handle.prompt_text {
            params["promptText"] = json!(text);
        }
        let purpose = Purpose::Dialog { dialog, call };
        let request = self.command(out, "Page.handleJavaScriptDialog", params, purpose);
        let at = out.now + DIALOG_MAX;
        out.timers.set((self.id, Timer::Dialog(request)), at);
    }

    /// The tab is gone, and this machine with it.
    pub(super) fn closed(mut self, out: &mut Out) {
        let shown = self.facts.borrow().url.clone();
        let fault = Fault::TabGone {
            tab: self.id,
            url: Some(shown).filter(|url| !url.is_empty()),
        };
        self.forget_asked(out, &fault);
        if self.facts.borrow_mut().dialog.take().is_some() {
            out.event(PageEvent::DialogClosed { tab: self.id });
        }
        if self.running.is_some() {
            self.answer(out, Err(fault));
            self.settle(out);
        }
        for timer in [Timer::Attachment, Timer::Leftover] {
            out.timers.clear(&(self.id, timer));
        }
        if self.clearing.is_some() {
            out.event(PageEvent::Cleared { tab: self.id });
        }
    }

    /// The person sees it: from here on it has a size of its own. What size was given to it, by us or
    /// by a former life of the worker, is taken back.
    pub(super) fn shown(&mut self, out: &mut Out) {
        match self.attachment {
            // Such a size ends with the debugger's stay.
            Attachment::Detached | Attachment::Detaching => {}
            Attachment::Looking
            | Attachment::Leaving
            | Attachment::Attaching
            | Attachment::Mending(_)
            | Attachment::Enabling { .. } => self.shown = true,
            // One that has crashed answers nothing.
            Attachment::Ready if self.facts.borrow().crashed => {}
            Attachment::Ready => {
                let method = "Emulation.clearDeviceMetricsOverride";
                self.command(out, method, json!({}), Purpose::End);
            }
        }
    }

    /// Its address, its title or something else of it is new.
    pub(super) fn updated(&self) {
        self.facts.borrow_mut().told += 1;
    }

    pub(super) fn new_tab(&mut self, tab: TabId) {
        if self.running.is_some() {
            self.facts.borrow_mut().new_tabs.push(tab);
        }
    }

    pub(super) fn debugger(
        &mut self,
        out: &mut Out,
        session: &Session,
        method: &str,
        params: &Value,
    ) {
        match &self.attachment {
            Attachment::Mending(_)
            | Attachment::Enabling { .. }
            | Attachment::Ready
            | Attachment::Detaching => {}
            // A debugger tells nothing before it is asked: this is of one that went.
            Attachment::Detached
            | Attachment::Looking
            | Attachment::Leaving
            | Attachment::Attaching => return,
        }
        // Of another attachment, or of a frame where no agent may be.
        let stranger = |child: &Rc<str>| !self.facts.borrow().frames.is_child(child);
        if session.as_ref().is_some_and(stranger) {
            return;
        }
        let news = self.facts.borrow_mut().event(session, method, params);
        match news {
            News::None => {}
            News::Moved { url } => self.moved(out, &url),
            News::DialogOpened(dialog) => self.dialog_opened(out, dialog),
            News::DialogClosed => self.dialog_closed(out),
            News::Crashed => self.crashed(out),
            News::ChildAttached(child) => self.enable_child(out, child, 0),
            News::ChildDetached => self.child_detached(out),
        }
        self.run(out);
        self.advance(out);
    }

    /// A commit of the main frame, told by the browser or by the debugger.
    pub(super) fn committed(&mut self, out: &mut Out, url: &str) {
        self.updated();
        self.facts.borrow_mut().url = url.to_owned();
        match self.attachment {
            Attachment::Leaving if url::may_stay(url) => {
                self.facts.borrow_mut().crashed = false;
                self.attach(out);
            }
            Attachment::Detached => self.ask_to_go_again(out),
            Attachment::Leaving | Attachment::Looking => {}
            Attachment::Attaching
            | Attachment::Mending(_)
            | Attachment::Enabling { .. }
            | Attachment::Ready
            | Attachment::Detaching => {
                self.moved(out, url);
                self.ask_for_commit(out);
                self.run(out);
            }
        }
        self.advance(out);
    }

    /// When the debugger has not told of it, it will, unless the page was prerendered.
    fn ask_for_commit(&mut self, out: &mut Out) {
        let going = self.facts.borrow().going;
        if let (Attachment::Ready, Some(Going::Started { .. })) = (&self.attachment, going) {
            self.command(out, "Page.getFrameTree", json!({}), Purpose::Commit);
        }
    }

    pub(super) fn detached(&mut self, out: &mut Out, reason: DetachReason) {
        let why = match reason {
            DetachReason::CanceledByUser => {
                out.event(PageEvent::CanceledByUser);
                Off::User
            }
            DetachReason::TargetClosed | DetachReason::Other => Off::Lost,
        };
        self.nothing_remains(out);
        match self.attachment {
            Attachment::Detached | Attachment::Looking | Attachment::Leaving => {}
            Attachment::Detaching => self.is_off(out, Off::Ours),
            Attachment::Attaching
            | Attachment::Mending(_)
            | Attachment::Enabling { .. }
            | Attachment::Ready => {
                self.is_off(out, why);
            }
        }
        self.advance(out);
    }

    pub(super) fn done(
        &mut self,
        out: &mut Out,
        request: u64,
        outcome: Result<Value, ChromeError>,
    ) {
        let Some(purpose) = self.asked.remove(&request) else {
            return;
        };
        match purpose {
            Purpose::Look => self.looked(out, outcome),
            Purpose::Leave => {
                // Its commit is told by the browser.
                if outcome.is_err() {
                    self.attach_failed(
                        out,
                        Fault::TabGone {
                            tab: self.id,
                            url: None,
                        },
                    );
                }
            }
            Purpose::Attach => self.attached(out, outcome),
            Purpose::Enable => self.enabled(out, outcome),
            Purpose::Drain { .. } => self.drained(out, outcome),
            Purpose::Keys { chord } => self.keys_told(out, &chord, outcome),
            Purpose::Detach => self.told_to_go(out, outcome),
            Purpose::Effect { effect, .. } => match outcome {
                Err(error) if is_detached(&error) => {
                    if is_kept_out(&error) && matches!(self.attachment, Attachment::Ready) {
                        self.may_remain(out);
                    }
                    let at = out.now + DETACH_EVENT_MAX;
                    out.timers.set((self.id, Timer::Attachment), at);
                }
                outcome => {
                    if let Some(State::Acting(procedure)) = self.state() {
                        procedure.answer(effect, outcome);
                        self.run(out);
                    }
                }
            },
            Purpose::Child { session, step } => self.child_enabled(out, session, step),
            Purpose::Commit => {
                let tree = outcome.unwrap_or_default();
                let news = self.facts.borrow_mut().commit_found(&tree);
                if let News::Moved { url } = news {
                    self.moved(out, &url);
                    self.run(out);
                }
            }
            Purpose::End => {}
            Purpose::Probe { session: answers } => {
                // The page answers: no script of this call runs any more.
                self.forget(out, |purpose| {
                    matches!(
                        purpose,
                        Purpose::Effect {
                            kind: Kind::Script { .. },
                            session,
                            ..
                        } if *session == answers
                    )
                });
            }
            Purpose::Dismiss { dialog } => {
                if outcome.is_err() {
                    self.nothing_to_dismiss();
                }
                self.dialog_over(out, dialog);
            }
            Purpose::Dialog { dialog, call } => {
                out.timers.clear(&(self.id, Timer::Dialog(request)));
                let handled = self.handled(outcome);
                out.answer(call, handled);
                self.dialog_over(out, dialog);
            }
            Purpose::Lost => {
                let answer = match outcome {
                    Ok(tab) => {
                        let (url, title) = actions::shown(&tab);
                        if url::may_stay(&url) {
                            Fault::OutcomeUnknown {
                                url: Some(url),
                                title: Some(title),
                            }
                        } else {
                            // Chrome itself took the debugger off.
                            Fault::UrlRefused { url }
                        }
                    }
                    Err(_) => Fault::TabGone {
                        tab: self.id,
                        url: Some(self.facts.borrow().url.clone()),
                    },
                };
                self.answer(out, Err(answer));
                self.settle(out);
            }
        }
        self.advance(out);
    }

    pub(super) fn timeout(&mut self, out: &mut Out, timer: Timer) {
        match timer {
            Timer::Attachment => self.attachment_late(out),
            Timer::Leftover => self.ask_to_go_again(out),
            Timer::Call => self.call_late(out),
            Timer::Procedure => self.run(out),
            Timer::Ending => {
                let ending = matches!(self.state(), Some(State::Ending { .. }));
                let dialog = self.facts.borrow().dialog.is_some();
                if ending && dialog {
                    out.timers
                        .set((self.id, Timer::Ending), out.now + ENDING_MAX);
                } else if ending {
                    self.off = true;
                }
            }
            Timer::Dialog(request) => {
                if let Some(Purpose::Dialog { call, .. }) = self.asked.remove(&request) {
                    out.homes.remove(&request);
                    let fault = Fault::Timeout {
                        after_s: DIALOG_MAX.as_secs(),
                        waiting_for: "the dialog to close".into(),
                    };
                    out.answer(call, Err(fault));
                }
            }
        }
        self.advance(out);
    }

    fn state(&mut self) -> Option<&mut State> {
        self.running.as_mut().map(|run| &mut run.state)
    }

    /// Does what is due now; safe to call at any time.
    fn advance(&mut self, out: &mut Out) {
        self.check_ended(out);
        if self.clearing.is_some() && self.running.is_none() {
            self.off = true;
        }
        if self.off {
            self.advance_off(out);
        }
        self.pay(out);
        let waits = matches!(self.state(), Some(State::Waiting));
        if !waits || self.off {
            return;
        }
        match self.attachment {
            Attachment::Detached => self.look(out),
            Attachment::Ready => self.start(out),
            Attachment::Looking
            | Attachment::Leaving
            | Attachment::Attaching
            | Attachment::Mending(_)
            | Attachment::Enabling { .. }
            | Attachment::Detaching => {}
        }
    }

    fn advance_off(&mut self, out: &mut Out) {
        match self.attachment {
            Attachment::Detached if self.leftover == Leftover::Possible => {
                self.detach_leftover(out);
            }
            Attachment::Detached => {
                self.off = false;
                if self.clearing.take().is_some() {
                    // No debugger comes here for the former owner's sake any more.
                    self.pressed = Presses::Nothing;
                    // What is still owed, or left, would keep what is known here for the next owner.
                    self.forget_asked(out, &no_dialog());
                    self.facts = Rc::default();
                    self.revive = false;
                    out.event(PageEvent::Cleared { tab: self.id });
                }
            }
            Attachment::Mending(mend) => self.mend_off(out, mend),
            Attachment::Enabling { .. } | Attachment::Ready => {
                if self.facts.borrow().dialog.is_some() {
                    self.dismiss(out);
                } else {
                    self.detach(out);
                }
            }
            Attachment::Looking
            | Attachment::Leaving
            | Attachment::Attaching
            | Attachment::Detaching => {}
        }
    }

    fn ask(&mut self, out: &mut Out, call: ChromeCall, purpose: Purpose) -> u64 {
        let request = out.ask(self.id, call);
        self.asked.insert(request, purpose);
        request
    }

    fn command(
        &mut self,
        out: &mut Out,
        method: &'static str,
        params: Value,
        purpose: Purpose,
    ) -> u64 {
        let call = ChromeCall::Command {
            tab: self.id,
            session: None,
            method,
            params,
        };
        self.ask(out, call, purpose)
    }

    /// Whatever these bring home changes nothing any more.
    fn forget(&mut self, out: &mut Out, which: impl Fn(&Purpose) -> bool) {
        self.asked.retain(|request, purpose| {
            let forgotten = which(purpose);
            if forgotten {
                out.homes.remove(request);
            }
            !forgotten
        });
    }

    fn forget_asked(&mut self, out: &mut Out, dialogs: &Fault) {
        for (request, purpose) in std::mem::take(&mut self.asked) {
            out.homes.remove(&request);
            if let Purpose::Dialog { call, .. } = purpose {
                out.timers.clear(&(self.id, Timer::Dialog(request)));
                out.answer(call, Err(dialogs.clone()));
            }
        }
    }
}

/// "Detached while handling command.": its event follows, or the debugger is as good as off.
fn is_detached(error: &ChromeError) -> bool {
    error.message.starts_with("Detached while") || is_unattached(error) || is_kept_out(error)
}

/// "Cannot access a chrome-extension:// URL of different extension": such a frame is in the page.
/// Chrome refuses whatever is asked while it is there, be the debugger on the page or not.
fn is_kept_out(error: &ChromeError) -> bool {
    error.message.contains("of different extension")
}

/// "Debugger is not attached to the tab with id: 7."
fn is_unattached(error: &ChromeError) -> bool {
    error.message.starts_with("Debugger is not attached")
}

/// Whole seconds, begun ones counted.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn no_dialog() -> Fault {
    Fault::BadArguments {
        what: "No dialog is open in this tab.".into(),
    }
}

fn late(waiting_for: &str, after: Duration) -> Fault {
    Fault::Timeout {
        after_s: after.as_secs(),
        waiting_for: waiting_for.into(),
    }
}
