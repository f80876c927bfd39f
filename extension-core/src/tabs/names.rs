//! Names for every state of the machine, for a checker that counts which of them were met.

use super::Tabs;
use super::state::{Course, Current, Floor, Holding, Loss, Next, Place, Until};

impl Tabs {
    /// Names the state of every tab, seat and call: `tab`, `floor`, `leaving`, `goes to`,
    /// `current` and `call`, each with what it is.
    pub fn name_states(&self, met: &mut impl FnMut(&'static str)) {
        for tab in self.tabs.values() {
            met(tab.holding.name());
            tab.floor.name(met);
            if tab.dialog.is_some() {
                met("tab: has a dialog");
            }
            if tab.release_at.is_some() {
                met("tab: lets go by itself");
            }
        }
        for seat in self.seats.values() {
            met(seat.current.name());
        }
        for call in self.calls.values() {
            met(call.place.name());
        }
    }
}

impl Holding {
    fn name(&self) -> &'static str {
        match self {
            Self::Session { .. } => "tab: a session's",
            Self::Free { .. } => "tab: free",
            Self::Person => "tab: the person's",
            Self::Undetermined { .. } => "tab: undetermined",
        }
    }
}

impl Floor {
    fn name(&self, met: &mut impl FnMut(&'static str)) {
        met(match self {
            Self::Making { .. } => "floor: making",
            Self::Mending => "floor: mending",
            Self::Idle => "floor: idle",
            Self::Turn(_) => "floor: turn",
            Self::Leaving { .. } => "floor: leaving",
            Self::Closing { .. } => "floor: closing",
        });
        if let Self::Leaving { until, next } = self {
            met(match until {
                Until::Made => "leaving: until made",
                Until::Mended => "leaving: until mended",
                Until::TurnEnds(_) => "leaving: until the turn ends",
                Until::Cleared => "leaving: until cleared",
            });
            met(match next {
                Next::FirstClaim => "goes to: the first claim",
                Next::Session(_) => "goes to: a session",
                Next::Person => "goes to: the person",
                Next::Close => "goes to: its end",
            });
        }
    }
}

impl Current {
    fn name(&self) -> &'static str {
        match self {
            Self::Never => "current: never had one",
            Self::Tab(_) => "current: a tab",
            Self::Gone(Loss::Lost(_)) => "current: lost",
            Self::Gone(Loss::Gone(..)) => "current: gone",
            Self::Gone(Loss::Taken(_)) => "current: taken",
            Self::Gone(Loss::Released(_)) => "current: released",
            Self::Gone(Loss::Returned(_)) => "current: returned",
            Self::Gone(Loss::NotMade) => "current: not made",
        }
    }
}

impl Place {
    fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "call: queued",
            Self::Claim { .. } => "call: claims",
            Self::Running {
                course: Course::Runs { .. },
                ..
            } => "call: runs",
            Self::Running {
                course: Course::Stops { .. },
                ..
            } => "call: stops",
            Self::Asked { .. } => "call: waits for Chrome",
            Self::Homeless => "call: homeless",
        }
    }
}
