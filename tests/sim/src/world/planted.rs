//! Faults of the cores, imitated: each stands between a core and the world, never in a check, and
//! each must be found. See [`Plant`] for what they do.

use super::World;
use crate::network::Pipe;
use crate::plan::Plant;
use extension_core::Input;
use extension_core::extension::Trace;
use extension_core::input::{CallId, SocketId};
use extension_core::tabs::TabEvent;
use protocol::frame::{Body, Frame};
use protocol::{Fault, SessionId};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

/// Twelve minutes, longer than any grace, in looks at the clock between which none is a gap.
const GAP_LOOKS: u64 = 24;
const GAP_LOOK_MS: u64 = 30_000;

/// What no seed decides: how many worlds this process has had.
static WORLDS: AtomicU64 = AtomicU64::new(0);

impl World {
    fn has(&self, plant: Plant) -> bool {
        self.plan.plant == Some(plant)
    }

    /// How often the planted fault has struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.struck
    }

    /// A decision, as a broken core would have made it.
    pub(super) fn plant_in_trace(&mut self, trace: Trace) -> Vec<Trace> {
        match self.plan.plant {
            Some(Plant::SecondTurn) => self.delay_turn_end(trace),
            Some(Plant::ClaimOvertakes) => self.swap_claims(trace),
            Some(Plant::CallKept) => {
                if matches!(trace, Trace::Answered { error: Some(_), .. }) {
                    self.struck += 1;
                    Vec::new()
                } else {
                    vec![trace]
                }
            }
            Some(
                Plant::CommandTwice
                | Plant::AnswerAstray
                | Plant::StaleClose
                | Plant::EntityLost
                | Plant::DebuggerStays
                | Plant::ProbeLies
                | Plant::TrustsNames
                | Plant::WrittenEarly
                | Plant::GapCounts
                | Plant::LossCosts
                | Plant::Entropy,
            )
            | None => vec![trace],
        }
    }

    /// A turn ends only after the next one has begun.
    fn delay_turn_end(&mut self, trace: Trace) -> Vec<Trace> {
        match (&trace, self.kept_back.take()) {
            (Trace::TurnEnded { .. }, None) => {
                self.kept_back = Some(trace);
                Vec::new()
            }
            (Trace::Tab(TabEvent::Begin { .. }), Some(kept)) => {
                self.struck += 1;
                vec![trace, kept]
            }
            (Trace::Tab(TabEvent::OwnerChanged { .. }) | Trace::TurnEnded { .. }, Some(kept)) => {
                vec![kept, trace]
            }
            (_, kept) => {
                self.kept_back = kept;
                vec![trace]
            }
        }
    }

    /// Of two claims on one tab the core served the later one first.
    fn swap_claims(&mut self, trace: Trace) -> Vec<Trace> {
        let Some(kept) = self.kept_back.take() else {
            if self.is_claim(&trace) {
                self.kept_back = Some(trace);
                return Vec::new();
            }
            return vec![trace];
        };
        let same = match (&kept, &trace) {
            (
                Trace::Call {
                    tab: first,
                    session,
                    ..
                },
                Trace::Call {
                    tab: second,
                    session: other,
                    ..
                },
            ) => first == second && session != other && self.is_claim(&trace),
            _ => false,
        };
        if same {
            self.struck += 1;
            return vec![trace, kept];
        }
        // Of one session none overtakes another.
        if let (Trace::Call { session, .. }, Trace::Call { session: other, .. }) = (&kept, &trace)
            && session == other
        {
            return vec![kept, trace];
        }
        match (about(&kept), &trace) {
            (Some(call), Trace::Tab(TabEvent::Progress { call: other, .. })) if call == *other => {
                self.kept_back = Some(kept);
                Vec::new()
            }
            (Some(call), trace) if about(trace) == Some(call) || grants_same(&kept, trace) => {
                vec![kept, trace.clone()]
            }
            _ => {
                self.kept_back = Some(kept);
                vec![trace]
            }
        }
    }

    fn is_claim(&self, trace: &Trace) -> bool {
        if let Trace::Call {
            tab: Some(tab),
            session,
            wait,
            ..
        } = trace
        {
            let owner = self.model.owner(*tab);
            return !wait.is_zero() && owner.is_some_and(|owner| owner != session);
        }
        false
    }

    /// A command that a server sends, and the same one under a new id: the core would run both.
    pub(super) fn plant_in_command(&mut self, text: &str) -> Option<String> {
        if !self.has(Plant::CommandTwice) || !text.contains("act(") {
            return None;
        }
        let mut frame: Value = serde_json::from_str(text).ok()?;
        let id = frame.get("wireId")?.as_str()?;
        let id = Value::from(format!("{id}-again"));
        frame.as_object_mut()?.insert("wireId".into(), id);
        self.struck += 1;
        Some(frame.to_string())
    }

    /// The socket by which a core that trusts names takes a command: that of the session which the
    /// command names.
    pub(super) fn plant_in_name(&mut self, socket: SocketId, session: &SessionId) -> SocketId {
        if !self.has(Plant::TrustsNames) {
            return socket;
        }
        let of = |node: &super::Node| {
            let own = node.identity.as_ref();
            own.is_some_and(|own| own.session_id == *session)
        };
        let named = self.nodes.iter().position(of);
        let carrier = |pipe: &Pipe| Some(pipe.server) == named;
        let found = self.pipes.iter().find(|(_, pipe)| carrier(pipe));
        let found = found.map(|(socket, _)| *socket);
        self.struck += u64::from(found.is_some());
        found.unwrap_or(socket)
    }

    /// The socket on which a broken core sends an answer.
    pub(super) fn plant_in_socket(&mut self, socket: SocketId, text: &str) -> SocketId {
        if !self.has(Plant::AnswerAstray) || !text.contains("\"response\"") {
            return socket;
        }
        let other = self.pipes.keys().find(|other| **other != socket).copied();
        self.struck += u64::from(other.is_some());
        other.unwrap_or(socket)
    }

    /// The socket that a broken glue names when an older one closes.
    pub(super) fn plant_in_close(&mut self, socket: SocketId) -> SocketId {
        if !self.has(Plant::StaleClose) {
            return socket;
        }
        let newer = self.pipes.keys().next_back().copied();
        self.struck += u64::from(newer.is_some());
        newer.unwrap_or(socket)
    }

    /// What a broken core answers once a connection was lost, instead of what came of the call.
    pub(super) fn plant_in_answer(&mut self, text: String) -> String {
        let begun = |world: &Self| {
            let made = world.trail.as_ref().map_or(0, Vec::len);
            world.strike.is_some_and(|strike| strike.after <= made)
        };
        if !self.has(Plant::LossCosts) || !begun(self) {
            return text;
        }
        let Ok(Frame::Response(mut answer)) = Frame::parse(&text, super::FRAME_MAX) else {
            return text;
        };
        self.struck += 1;
        let unknown = Fault::OutcomeUnknown {
            url: None,
            title: None,
        };
        answer.body = Body::Error(unknown.into());
        Frame::Response(answer).to_text()
    }

    /// Whether the core hears of its writes before the disk has them.
    pub(super) fn plant_in_write(&mut self) -> bool {
        let early = self.has(Plant::WrittenEarly);
        self.struck += u64::from(early);
        early
    }

    /// A core that takes a gap in time for time: it is told of it in parts.
    pub(super) fn plant_in_gap(&mut self) -> Result<(), String> {
        if self.has(Plant::GapCounts) {
            self.struck += 1;
            for _ in 0..GAP_LOOKS {
                self.clock.put_ahead(GAP_LOOK_MS);
                self.tell_extension(Input::Tick)?;
            }
        }
        Ok(())
    }

    /// One tab's record is lost with the worker.
    pub(super) fn plant_in_store(&mut self) {
        if self.has(Plant::EntityLost)
            && let Some(tab) = self
                .stored_owners()
                .into_keys()
                .find(|tab| self.chrome.tabs.contains_key(tab))
        {
            self.struck += 1;
            self.storage.remove(&format!("tab/{tab}"));
        }
    }

    /// Whether a probe of this port finds nobody, whoever is there.
    pub(super) fn plant_in_probe(&mut self, port: u16) -> bool {
        let lies = self.has(Plant::ProbeLies) && port == self.plan.range.first;
        self.struck += u64::from(lies);
        lies
    }

    /// What must not be: chance that comes from no seed.
    pub(super) fn plant_at_start(&mut self) {
        self.chrome.stays_attached = self.has(Plant::DebuggerStays);
        if self.has(Plant::Entropy) {
            self.struck += 1;
            for _ in 0..=WORLDS.fetch_add(1, Ordering::Relaxed) {
                self.chance.below(2);
            }
        }
    }
}

/// The call that a decision is about.
fn about(trace: &Trace) -> Option<CallId> {
    match trace {
        Trace::Call { call, .. }
        | Trace::TurnEnded { call }
        | Trace::Answered { call, .. }
        | Trace::Dropped { call } => Some(*call),
        Trace::Tab(
            TabEvent::Begin { call, .. }
            | TabEvent::Stop { call, .. }
            | TabEvent::Refuse { call, .. }
            | TabEvent::Dropped { call }
            | TabEvent::Finished { call, .. }
            | TabEvent::Progress { call, .. },
        ) => Some(*call),
        Trace::Tab(
            TabEvent::Make { .. }
            | TabEvent::Clear { .. }
            | TabEvent::Mend { .. }
            | TabEvent::OwnerChanged { .. }
            | TabEvent::Close { .. }
            | TabEvent::Seek
            | TabEvent::NoneMissing
            | TabEvent::Show { .. },
        )
        | Trace::Given { .. }
        | Trace::Found { .. }
        | Trace::Ended { .. } => None,
    }
}

/// Whether `trace` passes the tab on that `claim` waits for.
fn grants_same(claim: &Trace, trace: &Trace) -> bool {
    match (claim, trace) {
        (
            Trace::Call {
                tab: Some(wanted), ..
            },
            Trace::Tab(TabEvent::OwnerChanged { tab, .. }),
        ) => wanted == tab,
        _ => false,
    }
}
