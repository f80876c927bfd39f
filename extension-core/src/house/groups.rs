//! The groups in which Chrome shows the tabs of a session: one for each, made by its first tab.

use super::*;

/// The group of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    stage: Stage,
    title: String,
    color: usize,
    /// Tabs that wait until the group is made or the person has dropped theirs. Each is in here
    /// once at most, and leaves when it closes or is to be elsewhere.
    pub(super) waiting: Vec<TabId>,
}

impl Group {
    /// Called and coloured as its session is.
    fn show(&mut self, peer: &Peer) {
        let number: usize = peer.alias.0.trim_start_matches('a').parse().unwrap_or(0);
        self.title.clone_from(&peer.label);
        self.color = number % COLORS.len();
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The next tab makes it.
    #[default]
    Absent,
    /// A [`Joining`] that makes it is open: its answer ends this, whatever became of its tab.
    Making,
    /// Chrome's id of it.
    Made(i64),
}

/// A tab on its way into its session's group.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    session: SessionId,
    pub(super) tab: TabId,
    /// See [`Request::Close`].
    named: TabId,
    /// The group that Chrome was told; none makes one.
    into: Option<i64>,
    /// What a group that is made for it is called.
    title: String,
    /// Whether the tab is still to be in that session's group.
    wanted: bool,
}

impl House {
    /// Puts a tab into its session's group.
    pub fn group(&mut self, session: &SessionId, peer: &Peer, tab: TabId, now: Instant) {
        let now = self.awake(now);
        self.groups.entry(session.clone()).or_default().show(peer);
        self.settle_group(tab);
        self.join(session, tab, now);
    }

    /// A tab of a session's since before this life of the worker: what Chrome still tells of its way
    /// into a group, or out of one, is no move of the person's.
    pub fn expect_echo(&mut self, tab: TabId, now: Instant) {
        let now = self.awake(now);
        self.timers.set(Timer::Moved(tab), now + OWN_MOVE);
    }

    /// A session's tabs have stood in this group since before this life of the worker. Answers
    /// whether it is the session's now: it may have another by then.
    pub fn take_over(&mut self, session: &SessionId, peer: &Peer, id: i64) -> bool {
        let group = self.groups.entry(session.clone()).or_default();
        if group.stage == Stage::Absent {
            group.stage = Stage::Made(id);
            group.show(peer);
        }
        group.stage == Stage::Made(id)
    }

    /// One at a time, until there is a group.
    pub(super) fn join(&mut self, session: &SessionId, tab: TabId, now: Instant) {
        let Some(group) = self.groups.get_mut(session) else {
            return;
        };
        let into = match group.stage {
            Stage::Making => {
                group.waiting.push(tab);
                return;
            }
            Stage::Absent => {
                group.stage = Stage::Making;
                None
            }
            Stage::Made(id) => Some(id),
        };
        let title = group.title.clone();
        let call = ChromeCall::GroupTab {
            tab,
            group: into,
            title: title.clone(),
            color: COLORS[group.color],
        };
        self.timers.set(Timer::Moved(tab), now + OWN_MOVE);
        let joining = Joining {
            session: session.clone(),
            tab,
            named: tab,
            into,
            title,
            wanted: true,
        };
        self.ask(Request::Group(joining), call);
    }

    pub(super) fn join_waiting(&mut self, session: &SessionId, now: Instant) {
        let Some(group) = self.groups.get_mut(session) else {
            return;
        };
        for tab in std::mem::take(&mut group.waiting) {
            self.join(session, tab, now);
        }
    }

    /// Takes a tab out of its group.
    pub fn ungroup(&mut self, tab: TabId, now: Instant) {
        let now = self.awake(now);
        self.leave_group(tab, now);
    }

    pub(super) fn leave_group(&mut self, tab: TabId, now: Instant) {
        self.settle_group(tab);
        self.timers.set(Timer::Moved(tab), now + OWN_MOVE);
        let what = Request::Ungroup { tab, named: tab };
        self.ask(what, ChromeCall::UngroupTab { tab });
    }

    /// What is under way for this tab's group is not tried again, not even when Chrome's refusal
    /// is yet to come.
    pub(super) fn settle_group(&mut self, tab: TabId) {
        self.timers.clear(&Timer::Ungroup(tab));
        self.forget_refused_grouping(tab);
        for group in self.groups.values_mut() {
            group.waiting.retain(|waiting| *waiting != tab);
        }
        for request in self.requests.values_mut() {
            match request {
                Request::Group(joining) if joining.tab == tab => joining.wanted = false,
                Request::Ungroup { tab: one, .. } if *one == tab => *request = Request::Ignore,
                Request::FindWindow { .. }
                | Request::Create { .. }
                | Request::Close { .. }
                | Request::CountTabs { .. }
                | Request::Replace { .. }
                | Request::Group(_)
                | Request::Ungroup { .. }
                | Request::BringBack { .. }
                | Request::Ignore
                | Request::Front
                | Request::Persons
                | Request::GiveBack { .. }
                | Request::Show => {}
            }
        }
    }

    /// The session's label changed.
    pub fn retitle(&mut self, session: &SessionId, title: &str) {
        let Some(group) = self.groups.get_mut(session) else {
            return;
        };
        if group.title == title {
            return;
        }
        group.title = title.to_owned();
        if let Stage::Made(id) = group.stage {
            self.name_group(id, title.to_owned());
        }
    }

    fn name_group(&mut self, group: i64, title: String) {
        self.ask(Request::Ignore, ChromeCall::TitleGroup { group, title });
    }

    /// The session is over: Chrome removes the group with its last tab.
    pub fn forget(&mut self, session: &SessionId) {
        self.groups.remove(session);
        self.timers.clear(&Timer::Group(session.clone()));
    }

    pub(super) fn handle_grouped(
        &mut self,
        joining: Joining,
        outcome: Result<Value, ChromeError>,
        now: Instant,
    ) {
        let Joining {
            session,
            tab,
            named,
            into,
            title,
            wanted,
        } = joining;
        self.timers.set(Timer::Moved(tab), now + OWN_MOVE);
        let Some(group) = self.groups.get_mut(&session) else {
            return;
        };
        let mut renamed = None;
        if into.is_none() {
            let made = outcome.as_ref().ok().and_then(Value::as_i64);
            group.stage = made.map_or(Stage::Absent, Stage::Made);
            // Its session may have got another name meanwhile.
            renamed = made
                .filter(|_| group.title != title)
                .map(|id| (id, group.title.clone()));
        }
        match (outcome, into) {
            (Ok(_), _) => {}
            // Whoever still waits when it is dropped joins then, or makes the group.
            (Err(error), _) if is_dragging(&error) => {
                group.waiting.extend(wanted.then_some(tab));
                self.timers.set(Timer::Group(session), now + RETRY_EVERY);
                return;
            }
            (Err(error), _) if is_gone(&error) => {
                if wanted {
                    let wish = Wish::Join(session.clone());
                    self.handle_no_tab(tab, named, wish, now);
                }
            }
            // The person has dissolved the group: one new try with a group of its own, or with
            // that of another tab that was as late.
            (Err(_), Some(id)) => {
                if group.stage == Stage::Made(id) {
                    group.stage = Stage::Absent;
                }
                group.waiting.extend(wanted.then_some(tab));
            }
            // Grouping is a courtesy; a window without groups works as well.
            (Err(_), None) => {}
        }
        if let Some((id, title)) = renamed {
            self.name_group(id, title);
        }
        self.join_waiting(&session, now);
    }
}
