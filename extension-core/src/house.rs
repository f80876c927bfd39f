//! The housekeeping of tabs in Chrome: making them written ahead, closing them without closing the
//! person's window, grouping them, and giving the front back when a popup or a press took it.
//!
//! Decides nothing about owners: it is told what to make, close, group and show, and says what
//! became of it. Every question to Chrome is numbered; its answer comes back by that number.

mod front;
mod groups;
mod refused;

use crate::awake::Clock;
use crate::effect::ChromeCall;
use crate::input::{ChromeError, TabFacts};
use crate::tabs::Slot;
use groups::{Group, Joining};
use protocol::error::Peer;
use protocol::{Deadlines, Fault, Instant, SessionId, SortedMap, SortedSet, TabId, json};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use refused::Wish;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// What stands before the nonce in the URL of a tab being made.
pub const MARK: &str = "about:blank#il-";
/// A person who drags a tab keeps Chrome's tabs locked for as long; then it is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// After so many tries, about 10 s, nobody is dragging any more: something else is wrong.
const TRIES_MAX: u32 = 50;
/// How long after our own grouping a move of the tab is taken for an effect of it.
const OWN_MOVE: Duration = Duration::from_millis(500);
/// How long after a popup was announced its activation, and that of its window, are undone.
const POPUP_ACTIVATES: Duration = Duration::from_secs(2);

/// Chrome's group colours, by alias number.
const COLORS: [&str; 8] = [
    "blue", "red", "green", "yellow", "purple", "cyan", "orange", "pink",
];

/// What the owner must do or know.
#[derive(Clone, Debug, PartialEq)]
pub enum HouseEvent {
    /// Ask Chrome; the answer goes to [`House::handle_done`].
    Ask {
        /// Comes home.
        request: u64,
        /// What.
        call: ChromeCall,
    },
    /// Write this intent; when it is on disk call [`House::handle_intent_written`].
    WriteIntent {
        /// The nonce that the tab's URL will bear.
        nonce: String,
    },
    /// The intent is done with: remove it.
    DropIntent {
        /// Its nonce.
        nonce: String,
    },
    /// The tab exists.
    Made {
        /// Which one.
        slot: Slot,
        /// Chrome's word for it.
        facts: Box<TabFacts>,
    },
    /// A tab that was to be closed does not exist.
    Gone {
        /// Which one.
        tab: TabId,
    },
    /// It could not be made.
    NotMade {
        /// Which one.
        slot: Slot,
        /// Why.
        fault: Fault,
    },
}

#[derive(Clone, Debug)]
struct Making {
    slot: Slot,
    /// The session's window, if it has one.
    window: Option<i64>,
    tries: u32,
    /// The id that its tab got since Chrome announced it.
    goes_on: Option<TabId>,
}

#[derive(Clone, Debug)]
enum Request {
    FindWindow {
        nonce: String,
    },
    Create {
        nonce: String,
    },
    Close {
        tab: TabId,
        /// The id that Chrome was told; the tab may have got another since.
        named: TabId,
    },
    CountTabs {
        tab: TabId,
        window: i64,
    },
    Replace {
        tab: TabId,
        window: i64,
    },
    Group(Joining),
    Ungroup {
        tab: TabId,
        /// See [`Request::Close`].
        named: TabId,
    },
    /// The tab that was in front before a popup.
    BringBack {
        tab: TabId,
    },
    Ignore,
    Front,
    Persons,
    GiveBack {
        own: i64,
        persons: i64,
    },
    Show,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Make(String),
    Close(TabId),
    Count(TabId, i64),
    Moved(TabId),
    Popup(TabId),
    /// A popup may still raise this window.
    Raised(i64),
    /// Whoever waits for this session's group.
    Group(SessionId),
    Ungroup(TabId),
    BringBack(TabId),
    /// See [`Wish`].
    Refused(TabId),
}

/// See the module.
#[derive(Debug)]
pub struct House {
    rng: ChaCha20Rng,
    makings: SortedMap<String, Making>,
    groups: SortedMap<SessionId, Group>,
    requests: SortedMap<u64, Request>,
    refused: SortedMap<TabId, Wish>,
    last: u64,
    /// The active tab of each window, and the one before it.
    active: SortedMap<i64, (TabId, Option<TabId>)>,
    /// The window that the person last worked in, as far as anyone asked.
    front: Option<i64>,
    /// The window of any kind that the person works in, as far as told.
    persons: Option<i64>,
    /// The one before it, until when.
    before: Option<(i64, Instant)>,
    /// Windows in which an agent presses the mouse.
    pressed: SortedSet<i64>,
    /// Tabs that are on their way out: they keep no window open.
    closing: SortedSet<TabId>,
    /// Windows that are getting a blank tab in the place of their last one.
    replacing: SortedSet<i64>,
    /// Windows that Interlock made.
    own_windows: Vec<i64>,
    /// What is timed here happens while the computer is awake, however its clock is put meanwhile.
    clock: Clock,
    timers: Deadlines<Timer>,
    events: VecDeque<HouseEvent>,
}

impl House {
    /// An empty house in a browser that shows `tabs`.
    #[must_use]
    pub fn new(seed: [u8; 32], tabs: &[TabFacts]) -> Self {
        let active = tabs
            .iter()
            .filter(|facts| facts.active)
            .filter_map(|facts| Some((facts.window_id, (facts.tab()?, None))))
            .collect();
        Self {
            rng: ChaCha20Rng::from_seed(seed),
            makings: SortedMap::new(),
            groups: SortedMap::new(),
            requests: SortedMap::new(),
            refused: SortedMap::new(),
            last: 0,
            active,
            front: None,
            persons: None,
            before: None,
            pressed: SortedSet::new(),
            closing: SortedSet::new(),
            replacing: SortedSet::new(),
            own_windows: Vec::new(),
            clock: Clock::default(),
            timers: Deadlines::default(),
            events: VecDeque::new(),
        }
    }

    /// Makes a tab in the background: intent first, then the tab, then its owner.
    pub fn make(&mut self, slot: Slot, window: Option<i64>) {
        let nonce = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        self.makings.insert(
            nonce.clone(),
            Making {
                slot,
                window,
                tries: 0,
                goes_on: None,
            },
        );
        self.events.push_back(HouseEvent::WriteIntent { nonce });
    }

    /// The intent is on disk: now the tab may be made.
    pub fn handle_intent_written(&mut self, nonce: &str) {
        self.try_make(nonce);
    }

    /// The intent is not on disk: after a death the tab would be nobody's.
    pub fn handle_intent_refused(&mut self, nonce: &str) {
        if let Some(Making { slot, .. }) = self.makings.remove(nonce) {
            let fault = Fault::StoreRefused;
            self.events.push_back(HouseEvent::NotMade { slot, fault });
            let nonce = nonce.to_owned();
            self.events.push_back(HouseEvent::DropIntent { nonce });
        }
    }

    /// Whether a tab that Chrome announces is one that is being made here.
    #[must_use]
    pub fn is_making(&self, facts: &TabFacts) -> bool {
        nonces(facts).any(|nonce| self.makings.contains_key(nonce))
    }

    /// A tab goes on under another id, and nobody has said yet that it is made: what Chrome will say
    /// names the former one.
    pub fn handle_making_replaced(&mut self, facts: &TabFacts, added: TabId) {
        for nonce in nonces(facts) {
            if let Some(making) = self.makings.get_mut(nonce) {
                making.goes_on = Some(added);
            }
        }
    }

    /// Closes a tab; the last one of a window is replaced by a blank one first.
    pub fn close(&mut self, tab: TabId, window: Option<i64>) {
        self.closing.insert(tab);
        match window {
            Some(window) => self.count(tab, window),
            None => self.remove(tab),
        }
    }

    /// Shows a tab because its session asked for it by name.
    pub fn show(&mut self, tab: TabId) {
        self.ask(Request::Show, ChromeCall::ActivateTab { tab });
    }

    /// An owned tab must not be unloaded; one that is given back may.
    pub fn set_discardable(&mut self, tab: TabId, allowed: bool) {
        self.ask(
            Request::Ignore,
            ChromeCall::AutoDiscardable { tab, allowed },
        );
    }

    /// Whether a move of this tab is the echo of our own grouping.
    pub fn moved_by_us(&mut self, tab: TabId, now: Instant) -> bool {
        let now = self.awake(now);
        self.timers
            .get(&Timer::Moved(tab))
            .is_some_and(|until| now <= until)
    }

    /// A tab came to the front of its window.
    pub fn handle_activated(&mut self, tab: TabId, window: i64) {
        let before = self
            .active
            .get(&window)
            .map(|(tab, _)| *tab)
            .filter(|before| *before != tab);
        self.active.insert(window, (tab, before));
        if self.timers.clear(&Timer::Popup(tab))
            && let Some(before) = before
        {
            self.bring_back(before);
        }
    }

    /// A page in `opener` opened `tab` in `window`: what this took from the person is given back.
    pub fn handle_popup(&mut self, opener: TabId, tab: TabId, window: Option<i64>, now: Instant) {
        let now = self.awake(now);
        if let Some(window) = window {
            self.popup_raises(opener, window, now);
        }
        let in_front = |one: TabId| {
            self.active
                .iter()
                .find(|(_, (active, _))| *active == one)
                .map(|(_, pair)| *pair)
        };
        if in_front(opener).is_some() {
            return;
        }
        match in_front(tab) {
            Some((_, Some(before))) if before == opener => {}
            Some((_, Some(before))) => self.bring_back(before),
            Some((_, None)) | None => self.timers.set(Timer::Popup(tab), now + POPUP_ACTIVATES),
        }
    }

    /// A tab is gone.
    pub fn handle_closed(&mut self, tab: TabId) {
        self.active.retain(|_, (active, before)| {
            if *before == Some(tab) {
                *before = None;
            }
            *active != tab
        });
        self.closing.remove(&tab);
        self.settle_group(tab);
        self.forget_refused(tab);
        for timer in [Timer::Moved(tab), Timer::Popup(tab), Timer::BringBack(tab)] {
            self.timers.clear(&timer);
        }
    }

    /// The tab goes on under another id, and so does all that is under way with it.
    pub fn handle_replaced(&mut self, removed: TabId, added: TabId) {
        let name = |tab: TabId| if tab == removed { added } else { tab };
        for (active, before) in self.active.values_mut() {
            *active = name(*active);
            *before = before.map(name);
        }
        for request in self.requests.values_mut() {
            match request {
                Request::Close { tab, .. }
                | Request::CountTabs { tab, .. }
                | Request::Replace { tab, .. }
                | Request::Group(Joining { tab, .. })
                | Request::Ungroup { tab, .. }
                | Request::BringBack { tab } => *tab = name(*tab),
                Request::FindWindow { .. }
                | Request::Create { .. }
                | Request::Ignore
                | Request::Front
                | Request::Persons
                | Request::GiveBack { .. }
                | Request::Show => {}
            }
        }
        for tab in self
            .groups
            .values_mut()
            .flat_map(|group| &mut group.waiting)
        {
            *tab = name(*tab);
        }
        if self.closing.remove(&removed) {
            self.closing.insert(added);
        }
        self.timers.rename(|timer| match timer {
            Timer::Make(nonce) => Timer::Make(nonce),
            Timer::Close(tab) => Timer::Close(name(tab)),
            Timer::Count(tab, window) => Timer::Count(name(tab), window),
            Timer::Moved(tab) => Timer::Moved(name(tab)),
            Timer::Popup(tab) => Timer::Popup(name(tab)),
            Timer::Raised(window) => Timer::Raised(window),
            Timer::Group(session) => Timer::Group(session),
            Timer::Ungroup(tab) => Timer::Ungroup(name(tab)),
            Timer::BringBack(tab) => Timer::BringBack(name(tab)),
            Timer::Refused(tab) => Timer::Refused(tab),
        });
        self.wish_again(removed, added);
    }

    /// Chrome's answer.
    pub fn handle_done(&mut self, request: u64, outcome: Result<Value, ChromeError>, now: Instant) {
        let now = self.awake(now);
        let Some(what) = self.requests.remove(&request) else {
            return;
        };
        match what {
            Request::FindWindow { nonce } => self.handle_window(&nonce, outcome.ok().as_ref()),
            Request::Create { nonce } => self.handle_created(&nonce, outcome, now),
            Request::CountTabs { tab, window } => {
                let last = outcome.is_ok_and(|tabs| self.only_leaving(&tabs));
                if last && !self.may_close_window(window) && self.replacing.insert(window) {
                    let url = "about:blank".to_owned();
                    let call = ChromeCall::CreateTab {
                        url,
                        window: Some(window),
                        active: false,
                    };
                    self.ask(Request::Replace { tab, window }, call);
                } else {
                    self.remove(tab);
                }
            }
            Request::Replace { tab, window } => {
                self.replacing.remove(&window);
                match outcome {
                    Ok(_) => self.remove(tab),
                    Err(_) => self
                        .timers
                        .set(Timer::Count(tab, window), now + RETRY_EVERY),
                }
            }
            Request::Close { tab, named } => match outcome {
                Ok(_) => {}
                // However long the person drags, the tab must go in the end.
                Err(error) if is_dragging(&error) => {
                    self.timers.set(Timer::Close(tab), now + RETRY_EVERY);
                }
                Err(error) if is_gone(&error) => {
                    self.handle_no_tab(tab, named, Wish::Close, now);
                }
                Err(_) if tab != named => self.remove(tab),
                Err(_) => self.events.push_back(HouseEvent::Gone { tab }),
            },
            Request::Group(joining) => self.handle_grouped(joining, outcome, now),
            Request::Ungroup { tab, named } => match outcome {
                Err(error) if is_gone(&error) => {
                    self.handle_no_tab(tab, named, Wish::Leave, now);
                }
                outcome => self.again(Timer::Ungroup(tab), outcome, now),
            },
            Request::BringBack { tab } => self.again(Timer::BringBack(tab), outcome, now),
            Request::Show => {
                let window = outcome
                    .ok()
                    .and_then(|tab| tab.get("windowId").and_then(Value::as_i64));
                if let Some(window) = window {
                    self.ask(Request::Ignore, ChromeCall::FocusWindow { window });
                }
            }
            Request::GiveBack { own, persons } => {
                self.give_back(own, persons, outcome.ok().as_ref());
            }
            Request::Front => self.front = window_id(outcome).or(self.front),
            Request::Persons => self.found_persons(window_id(outcome)),
            Request::Ignore => {}
        }
    }

    /// Tries again what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.awake(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Make(nonce) => self.try_make(&nonce),
                Timer::Close(tab) => self.remove(tab),
                Timer::Count(tab, window) => self.count(tab, window),
                Timer::Group(session) => self.join_waiting(&session, now),
                Timer::Ungroup(tab) => self.leave_group(tab, now),
                // Unless the person has shown another one meanwhile.
                Timer::BringBack(tab) => {
                    if self.active.values().any(|pair| pair.1 == Some(tab)) {
                        self.bring_back(tab);
                    }
                }
                Timer::Refused(tab) => self.give_up(tab),
                Timer::Moved(_) | Timer::Popup(_) | Timer::Raised(_) => {}
            }
        }
    }

    /// When [`House::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.clock.due(self.timers.next()?)
    }

    /// What the owner must do next.
    pub fn poll_event(&mut self) -> Option<HouseEvent> {
        self.events.pop_front()
    }

    /// A popup opened: which window is it in? The answer shows in [`House::front_tab`].
    pub fn find_front(&mut self) {
        self.ask(Request::Front, ChromeCall::LastFocusedWindow);
    }

    /// The tab in front of the person, as far as it is known.
    #[must_use]
    pub fn front_tab(&self) -> Option<TabId> {
        let window = self.front.or_else(|| self.active.keys().next().copied())?;
        self.active.get(&window).map(|(tab, _)| *tab)
    }

    /// How many questions to Chrome are open, for invariant 7.
    #[must_use]
    pub fn open_requests(&self) -> usize {
        self.requests.len() + self.makings.len()
    }

    fn awake(&mut self, now: Instant) -> Instant {
        self.clock.observe(now);
        self.clock.awake()
    }

    fn ask(&mut self, what: Request, call: ChromeCall) {
        self.last += 1;
        self.requests.insert(self.last, what);
        self.events.push_back(HouseEvent::Ask {
            request: self.last,
            call,
        });
    }

    /// Chrome lets nobody edit tabs while the person drags one.
    fn again(&mut self, timer: Timer, outcome: Result<Value, ChromeError>, now: Instant) {
        if outcome.is_err_and(|error| is_dragging(&error)) {
            self.timers.set(timer, now + RETRY_EVERY);
        }
    }

    fn bring_back(&mut self, tab: TabId) {
        self.ask(Request::BringBack { tab }, ChromeCall::ActivateTab { tab });
    }

    fn remove(&mut self, tab: TabId) {
        let what = Request::Close { tab, named: tab };
        self.ask(what, ChromeCall::RemoveTab { tab });
    }

    fn count(&mut self, tab: TabId, window: i64) {
        // Closed by somebody else meanwhile: then there is nothing to do.
        if self.closing.contains(&tab) {
            let call = ChromeCall::WindowTabs { window };
            self.ask(Request::CountTabs { tab, window }, call);
        }
    }

    /// Whether every tab of a window is on its way out.
    fn only_leaving(&self, tabs: &Value) -> bool {
        let ids = tabs.as_array().into_iter().flatten().map(|tab| {
            let id = tab.get("id").and_then(Value::as_u64);
            id.and_then(|id| u32::try_from(id).ok()).map(TabId)
        });
        ids.flatten().all(|tab| self.closing.contains(&tab))
    }

    fn may_close_window(&self, window: i64) -> bool {
        self.own_windows.contains(&window) && self.active.len() > 1
    }

    fn try_make(&mut self, nonce: &str) {
        let Some(making) = self.makings.get(nonce) else {
            return;
        };
        let nonce = nonce.to_owned();
        match making.window {
            Some(window) => self.create(nonce, Some(window)),
            None => self.ask(Request::FindWindow { nonce }, ChromeCall::LastFocusedWindow),
        }
    }

    fn handle_window(&mut self, nonce: &str, window: Option<&Value>) {
        let usable = window.filter(|window| {
            let field = |name: &str| window.get(name);
            field("type")
                .and_then(Value::as_str)
                .is_none_or(|kind| kind == "normal")
                && !field("incognito").and_then(Value::as_bool).unwrap_or(false)
        });
        let id = usable
            .and_then(|window| window.get("id"))
            .and_then(Value::as_i64);
        match id.filter(|id| *id >= 0) {
            Some(window) => self.create(nonce.to_owned(), Some(window)),
            None => {
                let call = ChromeCall::CreateWindow {
                    url: format!("{MARK}{nonce}"),
                };
                self.ask(
                    Request::Create {
                        nonce: nonce.to_owned(),
                    },
                    call,
                );
            }
        }
    }

    fn create(&mut self, nonce: String, window: Option<i64>) {
        let call = ChromeCall::CreateTab {
            url: format!("{MARK}{nonce}"),
            window,
            active: false,
        };
        self.ask(Request::Create { nonce }, call);
    }

    fn handle_created(&mut self, nonce: &str, outcome: Result<Value, ChromeError>, now: Instant) {
        let Some(making) = self.makings.get_mut(nonce) else {
            return;
        };
        let facts = match &outcome {
            // A window comes with its tabs.
            Ok(value) => match value.get("tabs").and_then(|tabs| tabs.get(0)) {
                Some(tab) => {
                    self.own_windows
                        .extend(value.get("id").and_then(Value::as_i64));
                    json::read::<TabFacts>(tab).ok()
                }
                None => json::read::<TabFacts>(value).ok(),
            },
            Err(_) => None,
        };
        if let Some(mut facts) = facts
            && facts.tab().is_some()
        {
            let slot = making.slot;
            facts.id = making.goes_on.map_or(facts.id, |tab| tab.0.into());
            self.makings.remove(nonce);
            self.events.push_back(HouseEvent::Made {
                slot,
                facts: Box::new(facts),
            });
            self.events.push_back(HouseEvent::DropIntent {
                nonce: nonce.to_owned(),
            });
            return;
        }
        making.tries += 1;
        // The session's window may have closed meanwhile: then any other will do.
        making.window = None;
        if making.tries < TRIES_MAX {
            self.timers
                .set(Timer::Make(nonce.to_owned()), now + RETRY_EVERY);
            return;
        }
        let slot = making.slot;
        let what = match outcome {
            Err(error) => format!("Chrome refused to make a tab ({error})"),
            Ok(_) => "Chrome made a tab without an id".into(),
        };
        self.makings.remove(nonce);
        self.events.push_back(HouseEvent::NotMade {
            slot,
            fault: Fault::Internal { what },
        });
        self.events.push_back(HouseEvent::DropIntent {
            nonce: nonce.to_owned(),
        });
    }
}

/// What the marks of a tab say that it was made for.
fn nonces(facts: &TabFacts) -> impl Iterator<Item = &str> {
    let marks = [&facts.url, &facts.pending_url].into_iter();
    marks.filter_map(|url| url.strip_prefix(MARK))
}

fn window_id(answer: Result<Value, ChromeError>) -> Option<i64> {
    answer.ok()?.get("id").and_then(Value::as_i64)
}

/// "Tabs cannot be edited right now (user may be dragging a tab)."
fn is_dragging(error: &ChromeError) -> bool {
    error.message.contains("cannot be edited right now")
}

/// "No tab with id: 7."
fn is_gone(error: &ChromeError) -> bool {
    error.message.starts_with("No tab with")
}

#[cfg(test)]
mod tests;
