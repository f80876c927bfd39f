//! One fault, to strike after one step: what it is, and which steps it is worth trying after.

use crate::world::restarts::Restart;
use std::fmt;

/// What of a write that is under way is on disk when the worker dies under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landed {
    /// All of it.
    Whole,
    /// What it sets; what it removes is still there, since these are two calls.
    OnlySet,
    /// Nothing.
    Nothing,
}

/// When the next worker starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakes {
    /// At once.
    AtOnce,
    /// With the next thing that Chrome tells, or with the alarm, which comes after a second.
    Late,
}

/// As whom a killed server comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// As who it was.
    Itself,
    /// As somebody new.
    Another,
}

/// What the extension stores, by the first part of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    Session,
    Seat,
    Tab,
    Call,
    Making,
    Ports,
    Browser,
    BrowserId,
}

impl Entity {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Session,
        Self::Seat,
        Self::Tab,
        Self::Call,
        Self::Making,
        Self::Ports,
        Self::Browser,
        Self::BrowserId,
    ];

    /// The kind of what this key names.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        let first = key.split('/').next();
        Self::ALL
            .into_iter()
            .find(|kind| first == Some(kind.name()))
    }

    #[must_use]
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Seat => "seat",
            Self::Tab => "tab",
            Self::Call => "call",
            Self::Making => "making",
            Self::Ports => "ports",
            Self::Browser => "browser",
            Self::BrowserId => "browserId",
        }
    }

    /// What its damage is counted as.
    #[must_use]
    pub fn damaged(self) -> &'static str {
        match self {
            Self::Session => "fault: damaged session",
            Self::Seat => "fault: damaged seat",
            Self::Tab => "fault: damaged tab",
            Self::Call => "fault: damaged call",
            Self::Making => "fault: damaged making",
            Self::Ports => "fault: damaged ports",
            Self::Browser => "fault: damaged browser",
            Self::BrowserId => "fault: damaged browserId",
        }
    }
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The worker dies.
    WorkerDies(Landed, Wakes),
    /// The core falls, and the next takes over in the same worker.
    CoreFalls,
    /// … for the third time within a minute.
    ThirdFall,
    /// … and all that is under way is lost with it.
    WorkerDiesUnheard,
    /// The worker dies, and one of these that it stored can no longer be read.
    Damaged(Entity),
    /// The extension or the browser ends, and is there again three seconds later.
    Ends(Restart),
    /// A server's connection is lost, after all that is under way has arrived.
    ConnectionLost(usize),
    /// … and all that is under way is lost with it.
    ConnectionCut(usize),
    /// Another takes the debugger off the first agent's last tab, once.
    ThrownOff,
    /// The renderer of the first agent's last tab crashes.
    Crashes,
    /// A server is killed.
    ServerKilled(usize, Returns),
    /// A server is stopped for a minute (`SIGSTOP`).
    ServerStopped(usize),
    /// The next write is refused.
    WriteRefused,
    /// Every write of the next ten seconds is refused.
    StoreFull,
    /// Every write takes a second.
    StoreSlow,
    /// The write is answered after half a minute.
    StoreHangs,
    /// It never is; after half a minute the worker dies.
    NeverWritten,
    /// Nothing arrives anywhere for five seconds.
    Stall,
    /// The computer's clock is put a day ahead.
    ClockAhead,
    /// … or a day back.
    ClockBack,
}

/// One step, for the question which blows are worth trying after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it was, in a few words.
    pub what: String,
    /// Nothing was done yet: something is about to reach the extension.
    pub before: bool,
    /// A frame left.
    pub frame: bool,
    /// A write that both sets and removes is on its way to the disk.
    pub two_calls: bool,
    /// A write is.
    pub writing: bool,
    /// It was a write that left.
    pub write: bool,
    /// What is on disk.
    pub stored: Vec<Entity>,
}

impl Blow {
    /// All that can strike where so many servers are.
    #[must_use]
    pub fn all(servers: usize) -> Vec<Self> {
        let mut all = vec![
            Self::WorkerDies(Landed::Whole, Wakes::AtOnce),
            Self::WorkerDies(Landed::Whole, Wakes::Late),
            Self::WorkerDies(Landed::OnlySet, Wakes::AtOnce),
            Self::WorkerDies(Landed::Nothing, Wakes::AtOnce),
            Self::CoreFalls,
            Self::ThirdFall,
            Self::WorkerDiesUnheard,
            Self::WriteRefused,
            Self::StoreFull,
            Self::StoreSlow,
            Self::StoreHangs,
            Self::NeverWritten,
            Self::Stall,
            Self::ClockAhead,
            Self::ClockBack,
            Self::ThrownOff,
            Self::Crashes,
        ];
        all.extend(Restart::ALL.map(Self::Ends));
        all.extend(Entity::ALL.map(Self::Damaged));
        for server in 0..servers {
            all.extend([
                Self::ConnectionLost(server),
                Self::ConnectionCut(server),
                Self::ServerKilled(server, Returns::Itself),
                Self::ServerKilled(server, Returns::Another),
                Self::ServerStopped(server),
            ]);
        }
        all
    }

    /// Whether it can do, after this step, what it could not do after the one before.
    #[must_use]
    pub fn fits(self, step: &Step) -> bool {
        match self {
            Self::WorkerDies(Landed::Whole, _) => true,
            Self::WorkerDies(..)
            | Self::CoreFalls
            | Self::ThirdFall
            | Self::WorkerDiesUnheard
            | Self::Damaged(_)
            | Self::Ends(_)
            | Self::ConnectionLost(_)
            | Self::ConnectionCut(_)
            | Self::ThrownOff
            | Self::Crashes
            | Self::ServerKilled(..)
            | Self::ServerStopped(_)
            | Self::WriteRefused
            | Self::StoreFull
            | Self::StoreSlow
            | Self::StoreHangs
            | Self::NeverWritten
            | Self::Stall
            | Self::ClockAhead
            | Self::ClockBack
                if step.before =>
            {
                false
            }
            Self::CoreFalls
            | Self::ThirdFall
            | Self::Ends(_)
            | Self::ConnectionLost(_)
            | Self::ThrownOff
            | Self::Crashes
            | Self::ServerKilled(..)
            | Self::ServerStopped(_)
            | Self::Stall
            | Self::ClockAhead
            | Self::ClockBack => true,
            Self::WorkerDies(Landed::OnlySet, _) => step.two_calls,
            Self::WorkerDies(Landed::Nothing, _) => step.writing,
            Self::ConnectionCut(_) => step.frame,
            // With or without the write that follows a frame.
            Self::WorkerDiesUnheard => step.frame || step.write,
            Self::Damaged(kind) => step.stored.contains(&kind),
            // The write that left is the one that is struck.
            Self::WriteRefused
            | Self::StoreFull
            | Self::StoreSlow
            | Self::StoreHangs
            | Self::NeverWritten => step.write,
        }
    }

    /// Whether nobody is lost who knew anything: then it costs agents nothing but time.
    #[must_use]
    pub fn costs_nothing(self) -> bool {
        match self {
            Self::ConnectionLost(_)
            | Self::ConnectionCut(_)
            | Self::StoreSlow
            | Self::Stall
            | Self::ClockAhead
            | Self::ClockBack => true,
            Self::WorkerDies(..)
            | Self::CoreFalls
            | Self::ThirdFall
            | Self::WorkerDiesUnheard
            | Self::Damaged(_)
            | Self::Ends(_)
            | Self::ThrownOff
            | Self::Crashes
            | Self::ServerKilled(..)
            | Self::ServerStopped(_)
            | Self::WriteRefused
            | Self::StoreFull
            | Self::StoreHangs
            | Self::NeverWritten => false,
        }
    }

    /// What it is counted as, whomever it strikes.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::WorkerDies(Landed::Whole, Wakes::AtOnce) => "worker dies",
            Self::WorkerDies(Landed::Whole, Wakes::Late) => "worker dies and wakes late",
            Self::WorkerDies(Landed::OnlySet, _) => "worker dies between set and remove",
            Self::WorkerDies(Landed::Nothing, _) => "worker dies before its write lands",
            Self::CoreFalls => "core falls",
            Self::ThirdFall => "core falls for the third time",
            Self::WorkerDiesUnheard => "worker dies with what it said last",
            Self::Damaged(Entity::Session) => "session unreadable",
            Self::Damaged(Entity::Seat) => "seat unreadable",
            Self::Damaged(Entity::Tab) => "tab unreadable",
            Self::Damaged(Entity::Call) => "call unreadable",
            Self::Damaged(Entity::Making) => "making unreadable",
            Self::Damaged(Entity::Ports) => "ports unreadable",
            Self::Damaged(Entity::Browser) => "browser unreadable",
            Self::Damaged(Entity::BrowserId) => "browser's spare id unreadable",
            Self::Ends(Restart::Reload) => "extension reloaded",
            Self::Ends(Restart::Update) => "extension updated",
            Self::Ends(Restart::Disable) => "extension switched off and on",
            Self::Ends(Restart::Browser) => "browser restarted",
            Self::Ends(Restart::Restore) => "browser restored",
            Self::ConnectionLost(_) => "connection lost",
            Self::ConnectionCut(_) => "connection cut",
            Self::ThrownOff => "debugger thrown off",
            Self::Crashes => "renderer crashes",
            Self::ServerKilled(_, Returns::Itself) => "server killed",
            Self::ServerKilled(_, Returns::Another) => "server killed and another comes",
            Self::ServerStopped(_) => "server stopped for a minute",
            Self::WriteRefused => "write refused",
            Self::StoreFull => "store full for ten seconds",
            Self::StoreSlow => "writes take a second",
            Self::StoreHangs => "write answered after half a minute",
            Self::NeverWritten => "write never answered",
            Self::Stall => "nothing arrives for five seconds",
            Self::ClockAhead => "clock a day ahead",
            Self::ClockBack => "clock a day back",
        }
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionLost(server)
            | Self::ConnectionCut(server)
            | Self::ServerKilled(server, _)
            | Self::ServerStopped(server) => write!(f, "{} ({server})", self.kind()),
            Self::WorkerDies(..)
            | Self::CoreFalls
            | Self::ThirdFall
            | Self::WorkerDiesUnheard
            | Self::Damaged(_)
            | Self::Ends(_)
            | Self::ThrownOff
            | Self::Crashes
            | Self::WriteRefused
            | Self::StoreFull
            | Self::StoreSlow
            | Self::StoreHangs
            | Self::NeverWritten
            | Self::Stall
            | Self::ClockAhead
            | Self::ClockBack => f.write_str(self.kind()),
        }
    }
}
