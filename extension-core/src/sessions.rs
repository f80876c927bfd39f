//! Who is here: every session that this browser knows, how it is connected, and for how long it
//! may come back (`design/tabs.md`, *Sessions*).
//!
//! Knows names, tokens, sockets and grace; knows nothing of tabs. The owner of this machine ends,
//! orphans and resumes a session's tabs when this machine says so.

use crate::input::SocketId;
use crate::observed::Observed;
use protocol::error::Peer;
use protocol::frame::{Goodbye, GoodbyeReason, Outcome, SessionOpen};
use protocol::{Alias, Deadlines, Instant, SessionId, SortedMap, SortedSet, limits};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::time::Duration;

/// How long an older socket has to answer a ping before a newer one takes its session over.
const DUPLICATE_PING: Duration = Duration::from_secs(5);

/// How often what is left of a grace is written: a worker's death costs at most so much of it. One
/// that dies sooner than that costs as much, or half of what was left: else a worker that dies again
/// and again would end no grace.
const GRACE_STEP: Duration = Duration::from_secs(10);

/// Who is at the other end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Connected by this socket.
    Connected {
        /// The one that carries it.
        socket: SocketId,
    },
    /// Lost without a word; a grace runs.
    Orphaned,
    /// It said that it ends; a grace runs.
    Ending,
    /// Bound to another browser; this socket only tells of it.
    Standby {
        /// The one that told.
        socket: SocketId,
    },
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// What other agents call it, and its label.
    pub peer: Peer,
    /// Whether somebody is there.
    pub presence: Presence,
    /// The port that it was last connected by.
    pub port: Option<u16>,
    /// Since when its presence is what it is.
    pub since: Instant,
    /// When it last said anything.
    pub heard: Instant,
    /// Its server proves nothing: a port and a name that anybody may use are all that it is known by.
    pub unpaired: bool,
    /// Nothing of it has arrived since it was made: the word that it is new may be lost, and is told
    /// again whenever it comes back.
    unheard: bool,
    /// See [`SessionOpened`](protocol::frame::SessionOpened).
    incarnation: Option<u32>,
    token: TokenHash,
    /// As of when, at the earliest, what is left of its grace is written.
    noted: Instant,
}

/// SHA-256 of a resume token: the token itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct TokenHash(String);

impl TokenHash {
    fn of(token: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        Self(protocol::pairing::to_hex(&digest))
    }
}

/// The stored form of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionRecord {
    alias: Alias,
    label: String,
    token: TokenHash,
    port: Option<u16>,
    /// Whom its socket has left.
    #[serde(default)]
    left: Option<LeftRecord>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unpaired: bool,
    /// See [`Session`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unheard: bool,
    /// See [`Session`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incarnation: Option<u32>,
}

/// See [`SessionRecord`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeftRecord {
    /// It said that it ends.
    ending: bool,
    /// Milliseconds of its grace, when this was written.
    grace_ms: u64,
}

impl SessionRecord {
    /// What other agents call it.
    #[must_use]
    pub fn alias(&self) -> &Alias {
        &self.alias
    }

    /// What it says that it is: the title of its group.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// What the owner must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A session is connected: open its tabs and answer `sessionOpened` on this socket.
    Opened {
        /// Which one.
        id: SessionId,
        /// By which socket.
        socket: SocketId,
        /// `New`, `Resumed` or `Standby`.
        outcome: Outcome,
    },
    /// The id exists and the token does not fit: answer `refused`.
    Refused {
        /// Which one.
        id: SessionId,
        /// On which socket.
        socket: SocketId,
    },
    /// Its label or its presence changed; nothing else.
    Changed {
        /// Which one.
        id: SessionId,
    },
    /// Its record is to be written, nothing else.
    Dirty {
        /// Which one.
        id: SessionId,
    },
    /// Nobody is there any more; it may come back. Its queued calls and claims go.
    Orphaned {
        /// Which one.
        id: SessionId,
    },
    /// It is over.
    Ended {
        /// Which one.
        id: SessionId,
        /// The socket that carried it to the end.
        socket: Option<SocketId>,
    },
    /// Ping this socket: whether it answers decides who keeps a session.
    Ping {
        /// Which one.
        socket: SocketId,
    },
    /// Say goodbye (`duplicate`) to this socket.
    Duplicate {
        /// Which one.
        socket: SocketId,
        /// The socket that keeps the session.
        keeper: SocketId,
    },
    /// Close this socket without a word: its session lives on another.
    Superseded {
        /// Which one.
        socket: SocketId,
    },
}

/// A newer socket that presents a session whose older socket is being pinged.
#[derive(Debug)]
struct Contest {
    newer: SocketId,
    port: u16,
    open: SessionOpen,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Grace(SessionId),
    /// What is left of its grace is to be written.
    Note(SessionId),
    Contest(SessionId),
}

/// See the module.
#[derive(Debug)]
pub struct Sessions {
    known: SortedMap<SessionId, Session>,
    by_alias: SortedMap<Alias, SessionId>,
    by_socket: SortedMap<SocketId, SortedSet<SessionId>>,
    contests: SortedMap<SessionId, Contest>,
    observed: Observed,
    timers: Deadlines<Timer>,
    events: VecDeque<SessionEvent>,
    told: u64,
    rng: ChaCha8Rng,
}

impl Sessions {
    /// Nobody is here. The seed is fresh in each life of the worker.
    #[must_use]
    pub fn new(seed: u64, now: Instant) -> Self {
        Self {
            known: SortedMap::new(),
            by_alias: SortedMap::new(),
            by_socket: SortedMap::new(),
            contests: SortedMap::new(),
            observed: Observed::new(now),
            timers: Deadlines::default(),
            events: VecDeque::new(),
            told: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Takes a session out of the store; it is an orphan until it comes back.
    pub fn restore(&mut self, id: SessionId, record: SessionRecord, now: Instant) {
        if self.known.len() >= limits::SESSIONS_MAX {
            return;
        }
        // One of two that have the same alias has ended, and its record was not removed any more:
        // which one, shows when the other comes back.
        let alias = if self.by_alias.contains_key(&record.alias) {
            self.free_alias()
        } else {
            record.alias
        };
        let peer = Peer {
            alias,
            label: record.label,
        };
        self.by_alias.insert(peer.alias.clone(), id.clone());
        let (presence, grace) = match record.left {
            Some(LeftRecord { ending, grace_ms }) => {
                let presence = if ending {
                    Presence::Ending
                } else {
                    Presence::Orphaned
                };
                let left = Duration::from_millis(grace_ms);
                (presence, left.min(limits::ORPHAN_GRACE))
            }
            None => (Presence::Orphaned, limits::ORPHAN_GRACE),
        };
        let session = Session {
            peer,
            presence,
            port: record.port,
            since: now,
            heard: now,
            unpaired: record.unpaired,
            unheard: record.unheard,
            incarnation: record.incarnation,
            token: record.token,
            noted: self.observed.advance(now) + GRACE_STEP.min(grace / 2),
        };
        self.known.insert(id.clone(), session);
        self.start_grace(id.clone(), grace, now);
        self.tell(SessionEvent::Dirty { id });
    }

    /// The stored form of a session.
    #[must_use]
    pub fn record(&self, id: &SessionId) -> Option<SessionRecord> {
        let grace_ms = |due: Instant, noted: Instant| {
            let left = due.since(self.observed.shown().max(noted)).as_millis();
            u64::try_from(left).unwrap_or(u64::MAX)
        };
        self.known.get(id).map(|session| SessionRecord {
            alias: session.peer.alias.clone(),
            label: session.peer.label.clone(),
            token: session.token.clone(),
            port: session.port,
            left: self
                .timers
                .get(&Timer::Grace(id.clone()))
                .map(|due| LeftRecord {
                    ending: session.presence == Presence::Ending,
                    grace_ms: grace_ms(due, session.noted),
                }),
            unpaired: session.unpaired,
            unheard: session.unheard,
            incarnation: session.incarnation,
        })
    }

    /// A `sessionOpen` came by `socket`, which was dialled on `port`.
    pub fn open(&mut self, socket: SocketId, port: u16, open: SessionOpen, now: Instant) {
        self.open_as(socket, port, open, false, now);
    }

    /// The same for a server that proves nothing. Whatever it shows, no session of one that does is
    /// ever its own, nor the other way round.
    pub fn open_unpaired(&mut self, socket: SocketId, port: u16, open: SessionOpen, now: Instant) {
        self.open_as(socket, port, open, true, now);
    }

    fn open_as(
        &mut self,
        socket: SocketId,
        port: u16,
        open: SessionOpen,
        unpaired: bool,
        now: Instant,
    ) {
        let id = open.session_id.clone();
        let Some(session) = self.known.get(&id) else {
            if self.known.len() >= limits::SESSIONS_MAX {
                self.tell(SessionEvent::Refused { id, socket });
                return;
            }
            self.create(socket, port, &open, unpaired, now);
            return;
        };
        if session.unpaired != unpaired || session.token != TokenHash::of(&open.resume_token) {
            self.tell(SessionEvent::Refused { id, socket });
            return;
        }
        let contest = self.contests.get_mut(&id);
        if let Some(contest) = contest.filter(|contest| contest.newer == socket) {
            // It waits already, and says anew what it is called.
            contest.open = open;
            return;
        }
        match session.presence {
            Presence::Connected { socket: older } if older == socket => self.relabel(&open, now),
            Presence::Connected { socket: older } if !open.standby => {
                // Two sockets present one session: whoever is alive keeps it, the older first.
                self.tell(SessionEvent::Ping { socket: older });
                let due = self.observed.advance(now) + DUPLICATE_PING;
                self.timers.set(Timer::Contest(id.clone()), due);
                if let Some(loser) = self.contests.insert(
                    id,
                    Contest {
                        newer: socket,
                        port,
                        open,
                    },
                ) {
                    self.tell(SessionEvent::Duplicate {
                        socket: loser.newer,
                        keeper: older,
                    });
                }
            }
            Presence::Connected { .. }
            | Presence::Orphaned
            | Presence::Ending
            | Presence::Standby { .. } => self.attach(socket, port, &open, now),
        }
    }

    /// A socket has just answered a ping.
    pub fn handle_alive(&mut self, socket: SocketId) {
        for id in self.sessions_of(socket) {
            if let Some(contest) = self.contests.remove(&id) {
                self.timers.clear(&Timer::Contest(id));
                self.tell(SessionEvent::Duplicate {
                    socket: contest.newer,
                    keeper: socket,
                });
            }
        }
    }

    /// A socket has closed.
    pub fn handle_down(&mut self, socket: SocketId, goodbye: Option<&Goodbye>, now: Instant) {
        self.contests.retain(|id, contest| {
            let over = contest.newer == socket;
            if over {
                self.timers.clear(&Timer::Contest(id.clone()));
            }
            !over
        });
        for id in self.by_socket.remove(&socket).unwrap_or_default() {
            if let Some(contest) = self.contests.remove(&id) {
                self.timers.clear(&Timer::Contest(id));
                self.attach(contest.newer, contest.port, &contest.open, now);
                continue;
            }
            let standby = self
                .known
                .get(&id)
                .is_some_and(|s| matches!(s.presence, Presence::Standby { .. }));
            match goodbye.map(|goodbye| goodbye.reason) {
                _ if standby => self.end(&id),
                Some(GoodbyeReason::Final) => self.end(&id),
                Some(GoodbyeReason::Ending) => {
                    let asked = goodbye
                        .and_then(|goodbye| goodbye.grace_s)
                        .map_or(limits::ENDING_GRACE, |seconds| {
                            Duration::from_secs(seconds.into())
                        });
                    self.leave(&id, Presence::Ending, asked.min(limits::ORPHAN_GRACE), now);
                }
                Some(GoodbyeReason::Duplicate | GoodbyeReason::Moved) | None => {
                    self.leave(&id, Presence::Orphaned, limits::ORPHAN_GRACE, now);
                }
            }
        }
    }

    /// A session is over: `sessionClose`, or a person ended it.
    pub fn end(&mut self, id: &SessionId) {
        let Some(session) = self.known.remove(id) else {
            return;
        };
        self.by_alias.remove(&session.peer.alias);
        self.end_grace(id);
        let socket = match session.presence {
            Presence::Connected { socket } | Presence::Standby { socket } => Some(socket),
            Presence::Orphaned | Presence::Ending => None,
        };
        if let Some(carried) = socket.and_then(|socket| self.by_socket.get_mut(&socket)) {
            carried.remove(id);
        }
        if let Some(contest) = self.contests.remove(id) {
            self.timers.clear(&Timer::Contest(id.clone()));
            self.tell(SessionEvent::Superseded {
                socket: contest.newer,
            });
        }
        self.tell(SessionEvent::Ended {
            id: id.clone(),
            socket,
        });
    }

    /// What tells this session from an earlier one of its name.
    #[must_use]
    pub fn incarnation(&self, id: &SessionId) -> Option<u32> {
        self.known.get(id)?.incarnation
    }

    /// Something of this session arrived.
    pub fn handle_heard(&mut self, id: &SessionId, now: Instant) {
        if let Some(session) = self.known.get_mut(id) {
            session.heard = now;
            if std::mem::take(&mut session.unheard) {
                self.tell(SessionEvent::Dirty { id: id.clone() });
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn rename(&mut self, id: &SessionId, label: &str) {
        self.known.get_mut(id).unwrap().peer.label = label.into();
    }

    /// Whether `socket` carries `id`: the only authority there is.
    #[must_use]
    pub fn carries(&self, socket: SocketId, id: &SessionId) -> bool {
        matches!(self.known.get(id).map(|session| session.presence),
            Some(Presence::Connected { socket: carrier }) if carrier == socket)
    }

    /// The session called `alias`.
    #[must_use]
    pub fn by_alias(&self, alias: &Alias) -> Option<&SessionId> {
        self.by_alias.get(alias)
    }

    /// One session.
    #[must_use]
    pub fn get(&self, id: &SessionId) -> Option<&Session> {
        self.known.get(id)
    }

    /// All sessions, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&SessionId, &Session)> {
        self.known.iter()
    }

    /// The sessions that a socket carries.
    #[must_use]
    pub fn sessions_of(&self, socket: SocketId) -> Vec<SessionId> {
        self.by_socket
            .get(&socket)
            .map(|ids| ids.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Names the presence of every session, for a checker that counts which were met.
    pub fn name_states(&self, met: &mut impl FnMut(&'static str)) {
        for session in self.known.values() {
            met(match session.presence {
                Presence::Connected { .. } => "session: connected",
                Presence::Orphaned => "session: orphaned",
                Presence::Ending => "session: ending",
                Presence::Standby { .. } => "session: standby",
            });
        }
        for _ in self.contests.values() {
            met("session: two sockets present it");
        }
    }

    /// Ends what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let observed = self.observed.advance(now);
        while let Some(timer) = self.timers.pop_due(observed) {
            match timer {
                Timer::Grace(id) => self.end(&id),
                Timer::Note(id) => {
                    self.timers
                        .set(Timer::Note(id.clone()), observed + GRACE_STEP);
                    self.tell(SessionEvent::Dirty { id });
                }
                Timer::Contest(id) => {
                    if let Some(contest) = self.contests.remove(&id) {
                        let older = self.known.get(&id).map(|session| session.presence);
                        self.attach(contest.newer, contest.port, &contest.open, now);
                        if let Some(Presence::Connected { socket }) = older {
                            self.tell(SessionEvent::Superseded { socket });
                        }
                    }
                }
            }
        }
    }

    /// When [`Sessions::handle_timeout`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|at| self.observed.due(at))
    }

    /// Counts the events so far. While it stays, so does what people see of the sessions.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told
    }

    /// What the owner must do next.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    fn tell(&mut self, event: SessionEvent) {
        self.told += 1;
        self.events.push_back(event);
    }

    fn create(
        &mut self,
        socket: SocketId,
        port: u16,
        open: &SessionOpen,
        unpaired: bool,
        now: Instant,
    ) {
        let alias = self.free_alias();
        let id = open.session_id.clone();
        self.by_alias.insert(alias.clone(), id.clone());
        let session = Session {
            peer: Peer {
                alias,
                label: cut(&open.label),
            },
            presence: Presence::Orphaned,
            port: Some(port),
            since: now,
            heard: now,
            unpaired,
            unheard: true,
            incarnation: Some(self.rng.next_u32()),
            token: TokenHash::of(&open.resume_token),
            noted: self.observed.shown(),
        };
        self.known.insert(id, session);
        self.attach(socket, port, open, now);
    }

    fn attach(&mut self, socket: SocketId, port: u16, open: &SessionOpen, now: Instant) {
        let id = open.session_id.clone();
        self.part_from_carrier(&id);
        self.end_grace(&id);
        let Some(session) = self.known.get_mut(&id) else {
            return;
        };
        session.peer.label = cut(&open.label);
        session.port = Some(port);
        (session.since, session.heard) = (now, now);
        session.presence = Presence::Connected { socket };
        self.by_socket.entry(socket).or_default().insert(id.clone());
        let outcome = if open.standby {
            self.stand_by(&id, socket);
            Outcome::Standby
        } else if session.unheard {
            Outcome::New
        } else {
            Outcome::Resumed
        };
        self.tell(SessionEvent::Opened {
            id,
            socket,
            outcome,
        });
    }

    /// It works in another browser. Of what it was here nothing is kept but its name: should it come
    /// back, it is a new one.
    fn stand_by(&mut self, id: &SessionId, socket: SocketId) {
        if let Some(session) = self.known.get_mut(id) {
            session.presence = Presence::Standby { socket };
            session.unheard = true;
            session.incarnation = Some(self.rng.next_u32());
        }
    }

    /// What was asked by the socket that carried it, and has not begun, was the wish of a server
    /// that may be dead: whoever lives asks again.
    fn part_from_carrier(&mut self, id: &SessionId) {
        match self.known.get(id).map(|session| session.presence) {
            Some(Presence::Connected { socket }) => {
                self.unload(socket, id);
                self.tell(SessionEvent::Orphaned { id: id.clone() });
            }
            Some(Presence::Standby { socket }) => self.unload(socket, id),
            Some(Presence::Orphaned | Presence::Ending) | None => {}
        }
    }

    fn unload(&mut self, socket: SocketId, id: &SessionId) {
        if let Some(carried) = self.by_socket.get_mut(&socket) {
            carried.remove(id);
        }
    }

    fn relabel(&mut self, open: &SessionOpen, now: Instant) {
        if let Some(session) = self.known.get_mut(&open.session_id) {
            session.peer.label = cut(&open.label);
            if open.standby
                && let Presence::Connected { socket } = session.presence
            {
                session.since = now;
                self.stand_by(&open.session_id, socket);
                self.tell(SessionEvent::Opened {
                    id: open.session_id.clone(),
                    socket,
                    outcome: Outcome::Standby,
                });
                return;
            }
        }
        self.tell(SessionEvent::Changed {
            id: open.session_id.clone(),
        });
    }

    fn leave(&mut self, id: &SessionId, presence: Presence, grace: Duration, now: Instant) {
        let noted = self.observed.advance(now);
        if let Some(session) = self.known.get_mut(id) {
            session.presence = presence;
            session.since = now;
            session.noted = noted;
            self.start_grace(id.clone(), grace, now);
            self.tell(SessionEvent::Orphaned { id: id.clone() });
        }
    }

    fn start_grace(&mut self, id: SessionId, grace: Duration, now: Instant) {
        let observed = self.observed.advance(now);
        self.timers
            .set(Timer::Note(id.clone()), observed + GRACE_STEP);
        self.timers.set(Timer::Grace(id), observed + grace);
    }

    fn end_grace(&mut self, id: &SessionId) {
        self.timers.clear(&Timer::Note(id.clone()));
        self.timers.clear(&Timer::Grace(id.clone()));
    }

    /// The lowest number that no living session has: short, and stable while its session lives.
    fn free_alias(&self) -> Alias {
        let mut number = 1;
        while self.by_alias.contains_key(&Alias(format!("a{number}"))) {
            number += 1;
        }
        Alias(format!("a{number}"))
    }
}

fn cut(label: &str) -> String {
    let line: String = label
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.trim().chars().take(limits::LABEL_MAX).collect()
}

#[cfg(test)]
mod tests;
