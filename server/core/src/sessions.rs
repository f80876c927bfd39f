//! Sessions: which browser each belongs to, where it is open, and what becomes of it when a
//! socket is lost (PROTOCOL.md, *Handshake* and *When a socket is lost under a call*;
//! `design/security.md`, *Which browser*).

use crate::connection::Told;
use crate::lost::LostTabs;
use crate::{
    BoundBrowser, CallId, ConnId, Effect, Identity, Note, Port, Server, SessionKey, Timer, close,
};
use protocol::error::Fault;
use protocol::frame::{BegunState, Frame, LostTab, Outcome, SessionOpen, SessionOpened};
use protocol::{Instant, SessionId, TabId, WireId, limits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A browser that completed the handshake answers `sessionOpen` as fast.
pub(crate) const OPENED_MAX: Duration = limits::HANDSHAKE_MAX;
/// A browser that refuses a fresh name too has all the sessions it takes; after so long it is asked
/// again, on the same socket: other sessions of this server may be open there.
pub(crate) const FULL_WAIT: Duration = Duration::from_secs(10);
/// For how long a failed handshake explains that nobody is connected: the longest back-off, and
/// some.
const REFUSED_TELLS: Duration = Duration::from_secs(90);
/// Calls answered without the browser whose answer may still bring news of lost tabs.
const FORGOTTEN_MAX: usize = limits::CALLS_PER_SESSION_MAX;
/// What a session is called until its client has said its name.
const LABEL_UNKNOWN: &str = "agent";

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) label: String,
    pub(crate) identity: Option<Identity>,
    pub(crate) link: Link,
    /// How often the browser has refused a name, on this connection.
    refusals: u32,
    /// Which one of its name the browser said that it is.
    incarnation: Option<u32>,
    /// Its tabs and what they last showed, as answers told.
    tabs: BTreeMap<TabId, String>,
    pub(crate) lost: LostTabs,
    /// Whether this incarnation of it was sent a command.
    pub(crate) asked: bool,
    /// How many commands were sent.
    pub(crate) sent: u64,
    /// The browser knows the session no more: calls without a tab fail until one is chosen.
    pub(crate) must_choose: bool,
    /// Calls that were answered without the browser.
    forgotten: VecDeque<WireId>,
}

/// Where a session is open.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    /// Nowhere.
    Down {
        /// Since when.
        since: Instant,
        /// The browser that it was open in last.
        last: Option<String>,
    },
    /// Asked to be opened.
    Opening {
        conn: ConnId,
        /// Since when it had been nowhere.
        since: Instant,
        last: Option<String>,
    },
    /// The browser takes no further session; it will be asked again.
    Full {
        conn: ConnId,
        /// Since when it had been nowhere.
        since: Instant,
        last: Option<String>,
    },
    /// Open.
    Open { conn: ConnId },
}

impl Link {
    pub(crate) fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Down { .. } => None,
            Self::Opening { conn, .. } | Self::Full { conn, .. } | Self::Open { conn } => {
                Some(*conn)
            }
        }
    }

    pub(crate) fn open(&self) -> Option<ConnId> {
        match self {
            Self::Down { .. } | Self::Opening { .. } | Self::Full { .. } => None,
            Self::Open { conn } => Some(*conn),
        }
    }
}

impl Session {
    pub(crate) fn new(label: Option<&str>, now: Instant) -> Self {
        Self {
            label: cut(label.unwrap_or(LABEL_UNKNOWN)),
            identity: None,
            link: Link::Down {
                since: now,
                last: None,
            },
            refusals: 0,
            tabs: BTreeMap::new(),
            lost: LostTabs::default(),
            asked: false,
            sent: 0,
            incarnation: None,
            must_choose: false,
            forgotten: VecDeque::new(),
        }
    }

    /// Whether its browser has taken neither its name nor a fresh one.
    fn finds_no_room(&self) -> bool {
        match &self.link {
            Link::Full { .. } => true,
            // Asked again, and nothing else has been said.
            Link::Opening { .. } => self.refusals > 1,
            Link::Down { .. } | Link::Open { .. } => false,
        }
    }

    pub(crate) fn is(&self, id: &SessionId) -> bool {
        self.identity
            .as_ref()
            .is_some_and(|identity| identity.session_id == *id)
    }

    /// The call was answered without the browser.
    pub(crate) fn forget(&mut self, wire: WireId) {
        if self.forgotten.len() >= FORGOTTEN_MAX {
            self.forgotten.pop_front();
        }
        self.forgotten.push_back(wire);
    }

    /// A late answer changes nothing, except that tabs it says are lost are told with the next.
    pub(crate) fn handle_late_answer(&mut self, wire: &WireId, lost: Vec<LostTab>) {
        if let Some(at) = self.forgotten.iter().position(|known| known == wire) {
            self.forgotten.remove(at);
            self.hear_lost(lost);
        }
    }

    /// An answer that is nobody's told of lost tabs.
    pub(crate) fn hear_lost(&mut self, lost: Vec<LostTab>) {
        for tab in &lost {
            self.tab_left(tab.tab_id);
        }
        self.lost.hear(lost);
    }

    /// An answer told what a tab shows.
    pub(crate) fn saw_tab(&mut self, tab: TabId, url: Option<&str>) {
        if self.tabs.len() < limits::TABS_PER_SESSION_MAX || self.tabs.contains_key(&tab) {
            let shown = self.tabs.entry(tab).or_default();
            if let Some(url) = url {
                url.clone_into(shown);
            }
        }
    }

    pub(crate) fn tab_left(&mut self, tab: TabId) {
        self.tabs.remove(&tab);
    }

    pub(crate) fn has_only(&mut self, tabs: &[TabId]) {
        self.tabs.retain(|tab, _| tabs.contains(tab));
        for tab in tabs {
            self.saw_tab(*tab, None);
        }
    }

    /// The browser remembers nothing of the session: whatever tabs it had are no longer its own.
    fn lose_tabs(&mut self) {
        let had = self.identity.as_ref().is_some_and(|one| one.has_tabs);
        self.must_choose |= had;
        self.lose_all_but(&BTreeSet::new());
    }

    /// The browser remembers it as it was earlier, and these tabs.
    fn lose_all_but(&mut self, kept: &BTreeSet<TabId>) {
        let lost: Vec<LostTab> = self
            .tabs
            .extract_if(.., |tab, _| !kept.contains(tab))
            .map(|(tab_id, url)| LostTab { tab_id, url })
            .collect();
        self.must_choose |= !lost.is_empty();
        self.lost.lose(lost);
    }

    /// Another browser, or another name: nothing that was told before is told there.
    fn leave_browser(&mut self) {
        self.lose_tabs();
        self.lost.expect_only(&BTreeSet::new());
    }

    pub(crate) fn lost_urls(&self) -> Vec<String> {
        let urls = self.lost.waiting().iter().map(|tab| tab.url.clone());
        urls.collect()
    }

    /// Of a tab that no answer has told of, the browser alone knows what it showed.
    fn learn_urls(&mut self, lost: &[LostTab]) {
        for LostTab { tab_id, url } in lost {
            if let Some(shown) = self.tabs.get_mut(tab_id).filter(|shown| shown.is_empty()) {
                shown.clone_from(url);
            }
        }
    }

    /// The lost tabs of which the browser tells with its next answer, or with one of those that are
    /// in `begun` and yet to be heard.
    fn to_be_told(
        &self,
        opened: &SessionOpened,
        open: &BTreeMap<WireId, CallId>,
    ) -> BTreeSet<TabId> {
        let heard = |wire: &WireId| open.contains_key(wire) || self.forgotten.contains(wire);
        let begun = opened.begun.iter().filter(|one| heard(&one.wire_id));
        let answers = begun.filter_map(|one| match &one.state {
            BegunState::Ended { response } => Some(&response.lost),
            BegunState::Running | BegunState::Unknown { .. } => None,
        });
        let all = answers.flatten().chain(&opened.lost);
        all.map(|tab| tab.tab_id).collect()
    }
}

fn cut(label: &str) -> String {
    label.chars().take(limits::LABEL_MAX).collect()
}

impl Server {
    pub(crate) fn handle_identity(&mut self, session: SessionKey, identity: Identity) {
        let now = self.now;
        let Some(entry) = self.sessions.get_mut(&session) else {
            return;
        };
        if entry.identity.is_some() {
            return; // Who it is was decided.
        }
        entry.identity = Some(identity);
        // From here on it waits for its browser.
        entry.link = Link::Down {
            since: now,
            last: None,
        };
        self.open_sessions();
    }

    pub(crate) fn handle_label(&mut self, session: SessionKey, label: &str) {
        if self.config.label.is_some() {
            return; // The user's word.
        }
        let Some(entry) = self.sessions.get_mut(&session) else {
            return;
        };
        let label = cut(label);
        if entry.label == label {
            return;
        }
        entry.label = label;
        let told: Vec<(ConnId, Told)> = self
            .connections
            .iter()
            .filter_map(|(conn, connection)| {
                let told = connection.browser()?.told.get(&session)?;
                Some((*conn, *told))
            })
            .collect();
        for (conn, told) in told {
            self.tell(conn, session, told);
        }
    }

    /// Opens what can be opened and tells every browser which sessions it stands by for.
    pub(crate) fn open_sessions(&mut self) {
        if !self.phase.is_running() {
            return;
        }
        let sessions: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for session in sessions {
            self.open_session(session);
        }
    }

    fn open_session(&mut self, session: SessionKey) {
        let candidate = self.candidate(session);
        let Some(entry) = self.sessions.get_mut(&session) else {
            return;
        };
        if entry.identity.is_none() {
            return;
        }
        if let (Link::Down { since, last }, Some(conn)) = (&entry.link, candidate) {
            entry.link = Link::Opening {
                conn,
                since: *since,
                last: last.clone(),
            };
            entry.refusals = 0;
            self.timers
                .set(Timer::Opened(session), self.now + OPENED_MAX);
            self.tell(conn, session, Told::Open);
        }
        let carried_by = self
            .sessions
            .get(&session)
            .and_then(|entry| entry.link.conn());
        let others: Vec<(ConnId, String)> = self
            .connections
            .iter()
            .filter(|(conn, _)| Some(**conn) != carried_by)
            .filter_map(|(conn, connection)| Some((*conn, connection.browser()?)))
            .filter(|(_, proven)| !proven.told.contains_key(&session))
            .map(|(conn, proven)| (conn, proven.name.clone()))
            .collect();
        for (conn, browser) in others {
            self.tell(conn, session, Told::Standby);
            self.note(Note::StandsBy { browser });
        }
        self.reschedule_queued(session);
    }

    /// The socket on which the session may be opened: its own browser's, else the first that came,
    /// of the name that the user asked for.
    fn candidate(&self, session: SessionKey) -> Option<ConnId> {
        let identity = self.sessions.get(&session)?.identity.as_ref()?;
        // It is there only where no other is, and whoever lets it in means it to be used; but never
        // in place of a browser that has proven itself, or that the user has named.
        let free = identity.browser.is_none() && self.config.browser.is_none();
        let unpaired = self
            .connections
            .iter()
            .find(|(_, one)| one.is_unpaired() && one.browser().is_some());
        if let Some((conn, _)) = unpaired {
            return free.then_some(*conn);
        }
        let wanted = |name: &str| match &self.config.browser {
            Some(wanted) => wanted.eq_ignore_ascii_case(name),
            None => true,
        };
        let mut fitting = self
            .connections
            .iter()
            .filter_map(|(conn, connection)| Some((*conn, connection.browser()?)))
            .filter(|(_, proven)| wanted(&proven.name));
        match &identity.browser {
            Some(bound) if wanted(&bound.name) => fitting
                .find(|(_, proven)| proven.browser == bound.id)
                .map(|(conn, _)| conn),
            // Not bound, or the user now names another browser.
            Some(_) | None => fitting.next().map(|(conn, _)| conn),
        }
    }

    /// The agent moves its session to the browser called `name`, which stands by. What it had in
    /// its former one is cleaned up there as at a session's end, and told as lost.
    ///
    /// # Errors
    /// `bad_arguments` where no such browser is here, or where the user or an open call keeps the
    /// session where it is.
    pub(crate) fn move_session(&mut self, session: SessionKey, name: &str) -> Result<(), Fault> {
        let refuse = |what: String| Err(Fault::BadArguments { what });
        let here: Vec<(ConnId, BoundBrowser)> = self
            .connections
            .iter()
            .filter_map(|(conn, connection)| Some((*conn, connection.browser()?)))
            .map(|(conn, proven)| {
                let (id, name) = (proven.browser.clone(), proven.name.clone());
                (conn, BoundBrowser { id, name })
            })
            .collect();
        let found = here
            .iter()
            .find(|(_, browser)| browser.name.eq_ignore_ascii_case(name));
        let Some((conn, browser)) = found.cloned() else {
            let names: Vec<String> = here.into_iter().map(|(_, browser)| browser.name).collect();
            let names = if names.is_empty() {
                "none".into()
            } else {
                names.join(", ")
            };
            return refuse(format!(
                "`browser`: `{name}` is not connected; here are: {names}"
            ));
        };
        if let Some(wanted) = &self.config.browser
            && !wanted.eq_ignore_ascii_case(name)
        {
            return refuse(format!(
                "`browser`: the user started this server for `{wanted}`"
            ));
        }
        let now = self.now;
        let open = self.has_calls(session);
        let Some(entry) = self.sessions.get_mut(&session) else {
            return Ok(());
        };
        let former = entry.link.conn();
        if former == Some(conn) {
            return Ok(());
        }
        let Some(identity) = entry.identity.as_mut() else {
            return refuse("`browser`: the session has no name yet; call again".into());
        };
        if open {
            return refuse("`browser`: other calls of yours are open; let them end first".into());
        }
        let last = identity.browser.replace(browser).map(|last| last.name);
        let identity = identity.clone();
        let session_id = identity.session_id.clone();
        entry.leave_browser();
        entry.link = Link::Down { since: now, last };
        self.timers.clear(&Timer::Opened(session));
        self.timers.clear(&Timer::Return(session));
        self.effects
            .push_back(Effect::SaveIdentity { session, identity });
        if let Some(former) = former {
            self.send(former, &Frame::SessionClose { session_id });
            if let Some(proven) = self
                .connections
                .get_mut(&former)
                .and_then(|connection| connection.browser_mut())
            {
                // From here on it stands by like any other.
                proven.told.remove(&session);
            }
        }
        self.open_session(session);
        Ok(())
    }

    fn tell(&mut self, conn: ConnId, session: SessionKey, told: Told) {
        let Some(entry) = self.sessions.get(&session) else {
            return;
        };
        let Some(identity) = &entry.identity else {
            return;
        };
        let frame = Frame::SessionOpen(SessionOpen {
            session_id: identity.session_id.clone(),
            resume_token: identity.resume_token.clone(),
            label: entry.label.clone(),
            standby: match told {
                Told::Open => false,
                Told::Standby => true,
            },
        });
        if let Some(proven) = self
            .connections
            .get_mut(&conn)
            .and_then(|connection| connection.browser_mut())
        {
            proven.told.insert(session, told);
            self.send(conn, &frame);
        }
    }

    /// What a browser made of `sessionOpen`.
    pub(crate) fn handle_opened(&mut self, conn: ConnId, opened: SessionOpened) {
        let Some((session, entry)) = self
            .sessions
            .iter_mut()
            .find(|(_, entry)| entry.is(&opened.session_id))
            .map(|(session, entry)| (*session, entry))
        else {
            return;
        };
        match &entry.link {
            Link::Opening { conn: asked, .. } if *asked == conn => {}
            // Open already: it heard a new label.
            Link::Open { .. } | Link::Opening { .. } | Link::Full { .. } | Link::Down { .. } => {
                return;
            }
        }
        if opened.outcome == Outcome::Standby {
            // Of the time when the session was in another browser; what was asked since comes after it.
            return;
        }
        self.timers.clear(&Timer::Opened(session));
        let incarnation = std::mem::replace(&mut entry.incarnation, opened.incarnation);
        let is_other = match opened.outcome {
            Outcome::New => incarnation.is_none() || incarnation != opened.incarnation,
            // The browser could not keep the one that this server has seen: its disk took nothing.
            Outcome::Resumed => {
                incarnation.is_some()
                    && opened.incarnation.is_some()
                    && incarnation != opened.incarnation
            }
            Outcome::Refused | Outcome::Standby => false,
        };
        entry.learn_urls(&opened.lost);
        let told = entry.to_be_told(&opened, &self.by_wire);
        // Of those that are lost its next answer tells.
        let lost: BTreeSet<TabId> = opened.lost.iter().map(|tab| tab.tab_id).collect();
        let known = &lost | &opened.tabs.iter().copied().collect();
        match opened.outcome {
            Outcome::New | Outcome::Resumed if is_other => {
                entry.link = Link::Open { conn };
                entry.asked = false;
                if opened.outcome == Outcome::New {
                    entry.lose_tabs();
                } else {
                    entry.lose_all_but(&known);
                }
                entry.lost.expect_only(&told);
                // Given to it since, or still on their way to others.
                entry.has_only(&opened.tabs);
                let lost = entry.lost.waiting().to_vec();
                self.keep_tabs(session);
                self.take_begun(session, conn, opened.begun);
                self.settle_forgotten(session, conn, &lost);
                self.is_open(session, conn);
            }
            Outcome::New | Outcome::Resumed => {
                entry.link = Link::Open { conn };
                if opened.outcome == Outcome::New && entry.asked {
                    // That was read, and is told again because nothing sent since arrived, or because
                    // the browser, whose disk took nothing, forgot that it had, and tabs with it.
                    // Where nothing was asked, what is missing was the person's to take back.
                    entry.lose_all_but(&known);
                }
                entry.lost.expect_only(&told);
                entry.has_only(&opened.tabs);
                self.keep_tabs(session);
                self.take_begun(session, conn, opened.begun);
                self.send_lost(session, conn);
                self.is_open(session, conn);
            }
            Outcome::Refused => self.handle_refused(session, conn),
            // Returned above.
            Outcome::Standby => {}
        }
    }

    /// Whether there are tabs to be lost, or lost ones that its agent may not have heard of, outlives
    /// this process.
    pub(crate) fn keep_tabs(&mut self, session: SessionKey) {
        if let Some(entry) = self.sessions.get_mut(&session)
            && let Some(identity) = &mut entry.identity
            && identity.has_tabs != (entry.must_choose || !entry.tabs.is_empty())
        {
            identity.has_tabs = !identity.has_tabs;
            let identity = identity.clone();
            self.effects
                .push_back(Effect::SaveIdentity { session, identity });
        }
    }

    fn is_open(&mut self, session: SessionKey, conn: ConnId) {
        self.timers.clear(&Timer::Return(session));
        if self
            .sessions
            .get(&session)
            .is_some_and(|entry| entry.refusals > 0)
        {
            self.note(Note::SessionRefused);
        }
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let Some(proven) = connection.browser() else {
            return;
        };
        let is_unpaired = connection.is_unpaired();
        let bound = BoundBrowser {
            id: proven.browser.clone(),
            name: proven.name.clone(),
        };
        self.note(Note::SessionOpened {
            browser: bound.name.clone(),
        });
        // Nothing that proves nothing is what a session belongs to.
        if !is_unpaired
            && let Some(entry) = self.sessions.get_mut(&session)
            && let Some(identity) = &mut entry.identity
            && identity.browser.as_ref() != Some(&bound)
        {
            identity.browser = Some(bound);
            let identity = identity.clone();
            self.effects
                .push_back(Effect::SaveIdentity { session, identity });
        }
        self.send_queued(session, conn);
    }

    /// The name is taken and the token does not fit: on under a fresh name.
    fn handle_refused(&mut self, session: SessionKey, conn: ConnId) {
        let (session_id, resume_token) = (self.random.session_id(), self.random.hex32());
        let Some(entry) = self.sessions.get_mut(&session) else {
            return;
        };
        entry.leave_browser();
        entry.refusals += 1;
        if entry.refusals > 1 {
            self.handle_full(session, conn);
            return;
        }
        let browser = entry.identity.take().and_then(|identity| identity.browser);
        let identity = Identity {
            session_id,
            resume_token,
            browser,
            has_tabs: entry.must_choose,
        };
        entry.identity = Some(identity.clone());
        self.effects
            .push_back(Effect::SaveIdentity { session, identity });
        self.settle_lost(session);
        self.timers
            .set(Timer::Opened(session), self.now + OPENED_MAX);
        self.tell(conn, session, Told::Open);
    }

    /// A name that nobody else can have was refused: no token is wrong, no room is left.
    fn handle_full(&mut self, session: SessionKey, conn: ConnId) {
        let Some(entry) = self.sessions.get_mut(&session) else {
            return;
        };
        if let Link::Opening { conn, since, last } = entry.link.clone() {
            entry.link = Link::Full { conn, since, last };
        }
        // Said once a connection, however often it is asked.
        let is_news = entry.refusals == 2;
        let browser = self.connections.get(&conn).and_then(|one| one.browser());
        if let Some(proven) = browser.filter(|_| is_news) {
            let browser = proven.name.clone();
            self.note(Note::BrowserFull { browser });
        }
        self.timers
            .set(Timer::Opened(session), self.now + FULL_WAIT);
    }

    /// The browser has not answered `sessionOpen` in time, or it is time to ask one that was full.
    pub(crate) fn handle_opened_late(&mut self, session: SessionKey) {
        let Some(entry) = self.sessions.get_mut(&session) else {
            return;
        };
        match entry.link.clone() {
            Link::Opening { conn, .. } => self.drop_connection(conn, close::TIMEOUT),
            Link::Full { conn, since, last } => {
                entry.link = Link::Opening { conn, since, last };
                self.timers
                    .set(Timer::Opened(session), self.now + OPENED_MAX);
                self.tell(conn, session, Told::Open);
            }
            Link::Down { .. } | Link::Open { .. } => {}
        }
    }

    /// The socket of a browser is gone.
    pub(crate) fn lose_sessions(&mut self, conn: ConnId, browser: &str) {
        let now = self.now;
        let carried: Vec<SessionKey> = self
            .sessions
            .iter()
            .filter(|(_, entry)| entry.link.conn() == Some(conn))
            .map(|(session, _)| *session)
            .collect();
        for session in carried {
            let Some(entry) = self.sessions.get_mut(&session) else {
                continue;
            };
            let was_open = entry.link.open().is_some();
            entry.link = match &entry.link {
                Link::Open { .. } => Link::Down {
                    since: now,
                    last: Some(browser.to_owned()),
                },
                // It never was open there: the wait goes on.
                Link::Opening { since, last, .. }
                | Link::Full { since, last, .. }
                | Link::Down { since, last } => Link::Down {
                    since: *since,
                    last: last.clone(),
                },
            };
            self.timers.clear(&Timer::Opened(session));
            if was_open {
                self.lose_calls(session);
                self.timers
                    .set(Timer::Return(session), now + limits::RECONNECT_WAIT);
                if self.phase.is_running() {
                    self.note(Note::BrowserLost {
                        browser: browser.to_owned(),
                    });
                }
            }
        }
        self.open_sessions();
    }

    /// The session has not come back in time.
    pub(crate) fn handle_no_return(&mut self, session: SessionKey) {
        self.settle_lost(session);
    }

    /// When a call that arrived at `arrived` stops waiting for a browser.
    pub(crate) fn connect_by(&self, session: SessionKey, arrived: Instant) -> Instant {
        let patient = arrived + limits::RECONNECT_WAIT;
        let Some(entry) = self.sessions.get(&session) else {
            return arrived;
        };
        match &entry.link {
            Link::Down { since, .. } if self.awaits_another_browser(session).is_some() => {
                // Others are here, so Chrome runs: its own had its 10 s.
                patient.min((*since + limits::RECONNECT_WAIT).max(arrived))
            }
            Link::Down { .. } | Link::Opening { .. } | Link::Full { .. } | Link::Open { .. } => {
                patient
            }
        }
    }

    /// The name of the browser that the session waits for while others stand by, and theirs.
    fn awaits_another_browser(&self, session: SessionKey) -> Option<(String, Vec<String>)> {
        let entry = self.sessions.get(&session)?;
        let bound = entry.identity.as_ref()?.browser.as_ref();
        let awaited = match (&self.config.browser, bound) {
            (Some(wanted), _) => wanted.clone(),
            (None, Some(bound)) => bound.name.clone(),
            (None, None) => return None,
        };
        let standbys: Vec<String> = self
            .connections
            .values()
            .filter_map(|connection| Some(connection.browser()?.name.clone()))
            .collect();
        (!standbys.is_empty()).then_some((awaited, standbys))
    }

    /// That the session's browser is not there, where others stand by.
    pub(crate) fn browser_gone(&self, session: SessionKey) -> Option<Fault> {
        let (browser, standbys) = self.awaits_another_browser(session)?;
        let is_down = matches!(self.sessions.get(&session)?.link, Link::Down { .. });
        is_down.then_some(Fault::BrowserGone { browser, standbys })
    }

    /// Why a call has found no browser, as precisely as was seen.
    pub(crate) fn why_not_connected(&self, session: SessionKey) -> Fault {
        if let Some(gone) = self.browser_gone(session) {
            return gone;
        }
        let entry = self.sessions.get(&session);
        if entry.is_some_and(Session::finds_no_room) {
            return Fault::LimitReached {
                bound: "sessions in one browser",
                limit: limits::SESSIONS_MAX,
                frees: "Ask the user to end agents that are not needed; those that were lost are forgotten after five minutes",
            };
        }
        if let Some((at, fault)) = &self.refused
            && self.now.since(*at) < REFUSED_TELLS
            && self.browsers().next().is_none()
        {
            return fault.clone();
        }
        Fault::NotConnected {
            seen: self.seen(session),
        }
    }

    fn seen(&self, session: SessionKey) -> String {
        let port = match &self.port {
            Port::Nowhere(why) => return why.clone(),
            Port::Binding => return "this server has no port yet".into(),
            Port::Listening(port) => *port,
        };
        let link = self.sessions.get(&session).map(|entry| &entry.link);
        match link {
            Some(Link::Opening { .. } | Link::Full { .. }) => {
                return "a browser is there, but has not opened the session yet".into();
            }
            Some(Link::Down {
                since,
                last: Some(last),
            }) => {
                let ago = self.now.since(*since).as_secs();
                return format!(
                    "the browser {last} was connected until {ago} s ago; it was closed, or its extension was switched off"
                );
            }
            Some(Link::Down { last: None, .. } | Link::Open { .. }) | None => {}
        }
        if !self.connections.is_empty() {
            return format!(
                "something has dialled port {port}, but has not completed the handshake"
            );
        }
        format!(
            "nothing has dialled port {port} yet; Chrome is not running, or runs with a profile without the extension, or the extension looks at another port range"
        )
    }
}
