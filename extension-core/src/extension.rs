//! The whole extension as one machine: routes what happens to the part it concerns, carries what
//! the parts ask of one another, and gathers what they ask of the world.
//!
//! The parts never see each other. A step is: time passes for all, the input goes to one, then
//! their events are carried until all are quiet, then what changed is staged for the store and for
//! people's eyes. What must not happen before something is on disk is held until it is.

mod boot;
mod browser;
mod commands;
mod emptied;
mod frames;
mod people;
mod strays;
mod trace;
mod unpaired;

pub use emptied::emptied;
pub use trace::{Census, Trace};

use crate::calls::Calls;
use crate::dialect::Step;
use crate::discovery::{Discovery, DiscoveryEvent};
use crate::effect::{Badge, Effect};
use crate::house::{House, HouseEvent};
use crate::input::{AskId, BrowserFacts, CallId, Input, RequestId, SocketId, TabFacts, WriteId};
use crate::links::Links;
use crate::pages::{PageEvent, Pages};
use crate::sessions::Sessions;
use crate::store::Store;
use crate::tabs::{Slot, TabEvent, Tabs};
use crate::view::View;
use people::Seen;
use protocol::frame::Outcome;
use protocol::{Envelope, Fault, Instant, SessionId, SortedMap, SortedSet, TabId, limits};
use std::collections::VecDeque;
use std::time::Duration;
use strays::Signs;
use unpaired::Unpaired;

/// The alarm that brings a dead worker back: as short as Chrome allows (`design/worker.md`).
const ALARM_UNPACKED: Duration = Duration::from_secs(1);
const ALARM_PACKED: Duration = Duration::from_secs(30);

/// What waits for a write.
#[derive(Debug)]
enum Held {
    /// An acting call, until its *begun* is on disk.
    Begin { call: CallId },
    /// A tab to be made, until its intent is.
    Intent { nonce: String },
    /// The handling of a dialog, until its *begun* is.
    Dialog {
        call: CallId,
        /// The number of the one that was open when it was asked.
        open: Option<u64>,
    },
    /// The word that a session is open, until all that it says is.
    Open {
        id: SessionId,
        socket: SocketId,
        outcome: Outcome,
    },
    /// An answer that must be true after a death. It tells of lost tabs when it goes.
    Answer {
        socket: SocketId,
        envelope: Box<Envelope>,
    },
    /// The same to a person.
    Reply(Reply),
}

/// The answer to what a person asked.
#[derive(Debug)]
struct Reply {
    ask: AskId,
    outcome: Result<serde_json::Value, protocol::WireError>,
}

/// A tab that Chrome must be asked for.
#[derive(Debug)]
struct Wanted {
    session: SessionId,
    activate: bool,
}

/// See the crate.
#[derive(Debug)]
pub struct Extension {
    browser: BrowserFacts,
    config: crate::files::Config,
    store: Store,
    discovery: Discovery,
    links: Links,
    sessions: Sessions,
    tabs: Tabs,
    pages: Pages,
    calls: Calls,
    house: House,
    /// While restored tabs are missing.
    signs: Signs,
    /// Every tab of the browser, as Chrome last told of it.
    facts: SortedMap<TabId, TabFacts>,
    held: SortedMap<WriteId, Vec<Held>>,
    /// Calls among the held: not yet begun in the page.
    waiting_for_disk: SortedSet<CallId>,
    wanted: SortedMap<Slot, Wanted>,
    /// Tabs that a former life has half made, and that are being closed, with their intents.
    half_made: SortedMap<TabId, String>,
    /// Sessions whose server has not been told yet that they are open: it would not understand an
    /// answer before.
    opening: SortedSet<SessionId>,
    /// Of those, whoever waits to hear which tabs it lost.
    missing_tabs: Vec<(SessionId, SocketId, Outcome)>,
    /// Sockets that carried a session which ended in this step: its last answers go there.
    farewells: SortedMap<SessionId, SocketId>,
    /// Answers of this step to people, to be given once all that it changed is on disk.
    replies: Vec<Reply>,
    /// Sockets to close once all is said.
    closing: Vec<SocketId>,
    /// Ports that rest while another socket carries their session, by that socket.
    resting: SortedMap<SocketId, Vec<u16>>,
    not_paired: SortedSet<u16>,
    /// Servers that prove nothing, where the user lets them in.
    unpaired: SortedMap<SocketId, Unpaired>,
    /// What their dialect says next.
    steps: VecDeque<(SocketId, Step)>,
    /// Why there is no secret, for people.
    no_secret: Option<String>,
    popups: usize,
    shown: Option<View>,
    badge: Option<Badge>,
    /// What the badge was made of.
    seen: Option<Seen>,
    awake_until: Instant,
    /// The moment of the present step.
    now: Instant,
    effects: VecDeque<Effect>,
    /// What was decided, while somebody wants to know.
    trace: Option<Vec<Trace>>,
}

impl Extension {
    /// Something happened. Afterwards drain [`Extension::poll_effect`] to `None` and arm
    /// [`Extension::poll_timeout`].
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.handle_timeout(now);
        match input {
            Input::Tick | Input::Alarm => {}
            Input::Probed { port, answer } => self.discovery.handle_probed(port, answer, now),
            Input::SocketOpened { socket } => self.links.handle_opened(socket, now),
            Input::SocketText { socket, text } => self.links.handle_text(socket, &text, now),
            Input::SocketClosed { socket, code } => self.links.handle_closed(socket, code, now),
            Input::Browser(event) => self.handle_browser(event, now),
            // The next life answers for what was under way.
            Input::Done {
                outcome: Err(error),
                ..
            } if error.is_of_a_dying_worker() => {}
            Input::Done {
                request: RequestId::Page(request),
                outcome,
            } => {
                self.pages.handle_done(request, outcome, now);
            }
            Input::Done {
                request: RequestId::House(request),
                outcome,
            } => {
                self.house.handle_done(request, outcome, now);
            }
            Input::Written { write, ok } => self.handle_written(write, ok, now),
            Input::SecretRead { secret } => {
                let secret = self.hear_secret(secret);
                if self.links.set_secret(secret) {
                    self.not_paired.clear();
                    self.discovery.forgive();
                }
            }
            Input::Person { ask, action } => self.handle_person(ask, action, now),
            Input::Popups { open } => {
                self.popups = open;
                self.shown = None;
                if open > 0 {
                    // Whoever looks may be looking for a server, or have mended its pairing.
                    self.discovery.scan_now(now);
                    if self.no_secret.is_some() || !self.not_paired.is_empty() {
                        self.effects.push_back(Effect::ReadSecret);
                    }
                    self.house.find_front();
                }
            }
        }
        self.settle(now);
    }

    /// What the world must do next, in order.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When `Input::Tick` has something to do, and for whom.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        protocol::time::earliest([
            (self.discovery.poll_timeout(), "discovery"),
            (self.links.poll_timeout(), "links"),
            (self.sessions.poll_timeout(), "sessions"),
            (self.tabs.poll_timeout(), "tabs"),
            (self.pages.poll_timeout(), "pages"),
            (self.house.poll_timeout(), "house"),
            (self.store.poll_timeout(), "store"),
            (Some(self.awake_until), "keep awake"),
        ])
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.discovery.handle_timeout(now);
        self.links.handle_timeout(now);
        self.sessions.handle_timeout(now);
        self.tabs.handle_timeout(now);
        self.pages.handle_timeout(now);
        self.house.handle_timeout(now);
        if self.store.handle_timeout(now) {
            for held in std::mem::take(&mut self.held).into_values().flatten() {
                self.release_unwritten(held, now);
            }
        }
        if now >= self.awake_until {
            self.awake_until = now + limits::KEEP_ALIVE;
            self.effects.push_back(Effect::KeepAwake);
        }
    }

    /// Carries events between the parts until all are quiet.
    fn settle(&mut self, now: Instant) {
        loop {
            let mut quiet = true;
            while let Some(event) = self.links.poll_event() {
                quiet = false;
                self.handle_link(event, now);
            }
            while let Some(event) = self.sessions.poll_event() {
                quiet = false;
                self.handle_session(event, now);
            }
            while let Some(event) = self.tabs.poll_event() {
                quiet = false;
                self.handle_tab(event, now);
            }
            while let Some(event) = self.pages.poll_event() {
                quiet = false;
                self.handle_page(event, now);
            }
            while let Some(event) = self.house.poll_event() {
                quiet = false;
                self.handle_house(event, now);
            }
            while let Some(event) = self.discovery.poll_event() {
                quiet = false;
                match event {
                    DiscoveryEvent::Probe { port } => {
                        self.effects.push_back(Effect::Probe { port });
                    }
                    DiscoveryEvent::Dial { port, dialect } => {
                        self.links.dial(port, dialect, now);
                    }
                }
            }
            while let Some((socket, step)) = self.steps.pop_front() {
                quiet = false;
                self.follow(socket, step, now);
            }
            for socket in std::mem::take(&mut self.closing) {
                quiet = false;
                self.links.close(socket, protocol::close::NORMAL, None);
            }
            if quiet {
                break;
            }
        }
        self.farewells.clear();
        self.stage();
        for reply in std::mem::take(&mut self.replies) {
            self.hold(Held::Reply(reply), now);
        }
        if let Some(batch) = self.store.poll_batch(now) {
            let crate::store::Batch { write, set, remove } = batch;
            self.effects.push_back(Effect::Write { write, set, remove });
        }
        self.show(now);
    }

    fn handle_tab(&mut self, event: TabEvent, now: Instant) {
        self.note(|| Trace::Tab(event.clone()));
        match event {
            TabEvent::Make {
                slot,
                session,
                url: _,
                activate,
            } => self.make(slot, session, activate),
            TabEvent::Begin { call, tab } => self.begin(call, tab, now),
            TabEvent::Stop { call, tab, fault } => self.stop(call, tab, fault, now),
            TabEvent::Refuse { call, fault } => self.answer(call, Err(fault.into())),
            TabEvent::Dropped { call } => {
                self.drop_call(call);
            }
            TabEvent::Finished { call, tab } => self.finish_tabs_command(call, tab, now),
            TabEvent::Progress { call, progress } => self.send_progress(call, &progress),
            TabEvent::Clear { tab } => self.pages.clear(tab, now),
            TabEvent::Mend { tab } => self.pages.wait_for_mend(tab, now),
            TabEvent::OwnerChanged { tab, from, to } => self.handle_owner(tab, &from, &to, now),
            TabEvent::Close { tab } => {
                let window = self.facts.get(&tab).map(|facts| facts.window_id);
                self.house.close(tab, window);
            }
            TabEvent::Seek => self.seek(now),
            TabEvent::NoneMissing => self.tell_all_opened(),
            TabEvent::Show { tab } => self.house.show(tab),
        }
    }

    fn handle_page(&mut self, event: PageEvent, now: Instant) {
        match event {
            PageEvent::Ask { request, call } => {
                self.effects.push_back(Effect::Ask {
                    request: RequestId::Page(request),
                    call,
                });
            }
            PageEvent::Answer { call, outcome } => {
                self.answer_page(call, *outcome);
            }
            PageEvent::Settled { call, tab: _ } => self.end_turn(call, now),
            PageEvent::Cleared { tab } => self.tabs.handle_cleared(tab, now),
            PageEvent::DialogOpened { tab, dialog } => {
                self.tabs.handle_dialog_opened(tab, dialog, now);
            }
            PageEvent::DialogClosed { tab } => self.tabs.handle_dialog_closed(tab, now),
            PageEvent::Mended { tab, drained } => self.tabs.handle_mended(tab, drained, now),
            PageEvent::CanceledByUser => self.pause(now),
            PageEvent::FrontLent { own, persons } => self.house.lend_front(own, persons),
            PageEvent::FrontTaken { own, persons } => {
                self.house.give_front_back(own, persons, now);
            }
        }
    }

    fn handle_house(&mut self, event: HouseEvent, now: Instant) {
        match event {
            HouseEvent::Ask { request, call } => {
                self.effects.push_back(Effect::Ask {
                    request: RequestId::House(request),
                    call,
                });
            }
            HouseEvent::WriteIntent { nonce } => {
                self.store.put(format!("making/{nonce}"), &nonce);
                self.hold(Held::Intent { nonce }, now);
            }
            HouseEvent::DropIntent { nonce } => self.store.delete(format!("making/{nonce}")),
            HouseEvent::Made { slot, facts } => self.handle_made(slot, *facts, now),
            HouseEvent::Gone { tab } => self.handle_removed(tab, now),
            HouseEvent::NotMade { slot, fault } => {
                self.wanted.remove(&slot);
                self.tabs.handle_make_failed(slot, fault, now);
            }
        }
    }

    /// Holds something until all that is staged now is on disk.
    fn hold(&mut self, held: Held, now: Instant) {
        self.stage();
        match self.store.ticket() {
            Some(_) if self.store.is_overdue() => self.release_unwritten(held, now),
            Some(write) => self.held.entry(write).or_default().push(held),
            None => self.release(held, now),
        }
    }

    fn handle_written(&mut self, write: WriteId, ok: bool, now: Instant) {
        self.store.handle_written(write, ok);
        let later = self.held.split_off(&WriteId(write.0 + 1));
        let due = std::mem::replace(&mut self.held, later);
        for held in due.into_values().flatten() {
            if ok {
                self.release(held, now);
            } else {
                self.release_unwritten(held, now);
            }
        }
    }

    /// What must not be without a record is refused; all else goes on.
    fn release_unwritten(&mut self, held: Held, now: Instant) {
        match held {
            // After a death nobody would know that it had begun, and it would run again.
            Held::Begin { call } => self.refuse_to_begin(call, now),
            Held::Dialog { call, .. } => self.answer(call, Err(Fault::StoreRefused.into())),
            Held::Intent { nonce } => self.house.handle_intent_refused(&nonce),
            Held::Open { .. } | Held::Answer { .. } | Held::Reply(_) => self.release(held, now),
        }
    }

    fn release(&mut self, held: Held, now: Instant) {
        match held {
            Held::Begin { call } => self.begin_in_page(call, now),
            Held::Intent { nonce } => self.house.handle_intent_written(&nonce),
            Held::Dialog { call, open } => self.handle_dialog_now(call, open, now),
            Held::Open {
                id,
                socket,
                outcome,
            } => self.tell_opened(id, socket, outcome),
            Held::Answer {
                socket,
                mut envelope,
            } => {
                if self.sessions.carries(socket, &envelope.session_id) {
                    self.tell_lost(&mut envelope);
                }
                self.send_response(socket, *envelope);
            }
            Held::Reply(Reply { ask, outcome }) => {
                self.effects.push_back(Effect::Reply { ask, outcome });
            }
        }
    }

    fn end_turn(&mut self, call: CallId, now: Instant) {
        self.note(|| Trace::TurnEnded { call });
        self.tabs.handle_turn_ended(call, now);
    }

    /// Starts or stops noting what is decided.
    pub fn set_tracing(&mut self, on: bool) {
        self.trace = on.then(Vec::new);
    }

    /// What was decided since the last time; empty unless tracing is on.
    pub fn take_trace(&mut self) -> Vec<Trace> {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, what: impl FnOnce() -> Trace) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    /// Answers a person, after the step's changes are on disk: what is answered is true after a
    /// death, too.
    fn reply(&mut self, ask: AskId, outcome: Result<serde_json::Value, protocol::WireError>) {
        self.replies.push(Reply { ask, outcome });
    }
}

#[cfg(test)]
mod tests;
