//! The reference: to which browser a session belongs. It knows no machine of the cores'.

/// Whose a session is; browsers are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Home(Option<usize>);

impl Home {
    /// Its browser, if one has ever opened it.
    pub(super) fn side(self) -> Option<usize> {
        self.0
    }

    /// A browser has opened it: it must be its own, or the first.
    pub(super) fn open(&mut self, side: usize) -> Result<(), String> {
        match *self {
            Self(Some(own)) if own != side => Err(format!(
                "a session of browser {own} is open in browser {side}, unasked"
            )),
            Self(Some(_) | None) => {
                *self = Self(Some(side));
                Ok(())
            }
        }
    }

    /// Its agent has named this one.
    pub(super) fn move_to(&mut self, side: usize) {
        *self = Self(Some(side));
    }

    /// Whether a browser may be asked to open it, or to run a command of its.
    pub(super) fn may_be_asked(self, side: usize) -> bool {
        self.0.is_none_or(|own| own == side)
    }
}
