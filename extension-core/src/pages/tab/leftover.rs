//! A debugger that counts as off, yet may still be on the tab. While another extension's frame is
//! in the page Chrome refuses every command, `detach` too, and throws nobody off: the debugging bar
//! and all that was enabled would stay on a tab that is no agent's any more.

use super::*;

/// How often a refused `detach` is asked again. A commit of the main frame, with which such a frame
/// goes, asks at once.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long it is asked again. Then the tab is let go as it is, for each try keeps the browser's
/// worker awake, and the frame may stay as long as its page.
const AGAIN_MAX: Duration = Duration::from_secs(5 * 60);

/// What may be left of a debugger on a tab that counts as detached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    None,
    /// Perhaps all of it: it is detached before the owner changes.
    Possible,
    /// It was told to go, and Chrome has not said that it went. Nobody waits for it.
    Unwanted {
        until: Instant,
    },
}

impl Tab {
    pub(super) fn may_remain(&mut self, out: &mut Out) {
        self.leftover = Leftover::Possible;
        out.timers.clear(&(self.id, Timer::Leftover));
    }

    /// Nothing is left, or what is there is an attachment like any other.
    pub(super) fn nothing_remains(&mut self, out: &mut Out) {
        self.leftover = Leftover::None;
        out.timers.clear(&(self.id, Timer::Leftover));
        self.forget(out, |purpose| matches!(purpose, Purpose::Detach));
    }

    pub(super) fn detach(&mut self, out: &mut Out) {
        self.attachment = Attachment::Detaching;
        self.leftover = Leftover::Unwanted {
            until: out.now + AGAIN_MAX,
        };
        self.ask_to_go(out);
        self.arm_attachment(out, ATTACH_MAX);
    }

    /// Nobody knows whether a dialog is open: with one, the page would hang when it goes.
    pub(super) fn detach_leftover(&mut self, out: &mut Out) {
        let params = json!({"accept": false});
        self.command(out, "Page.handleJavaScriptDialog", params, Purpose::End);
        self.detach(out);
    }

    /// The page has changed, or time has passed.
    pub(super) fn ask_to_go_again(&mut self, out: &mut Out) {
        match (self.leftover, &self.attachment) {
            (Leftover::None | Leftover::Possible, _) => {}
            (Leftover::Unwanted { until }, _) if out.now >= until => self.nothing_remains(out),
            (Leftover::Unwanted { .. }, Attachment::Detached) => self.ask_to_go(out),
            // It goes, or a call is on its way to the tab, which will need a debugger.
            (
                Leftover::Unwanted { .. },
                Attachment::Looking
                | Attachment::Leaving
                | Attachment::Attaching
                | Attachment::Mending(_)
                | Attachment::Enabling { .. }
                | Attachment::Ready
                | Attachment::Detaching,
            ) => self.arm_leftover(out),
        }
    }

    pub(super) fn told_to_go(&mut self, out: &mut Out, outcome: Result<Value, ChromeError>) {
        match outcome {
            Err(error) if is_kept_out(&error) => {}
            // "Debugger is not attached", or the tab is gone.
            Ok(_) | Err(_) => self.nothing_remains(out),
        }
        if let Attachment::Detaching = self.attachment {
            self.is_off(out, Off::Ours);
        }
    }

    fn ask_to_go(&mut self, out: &mut Out) {
        self.ask(out, ChromeCall::Detach { tab: self.id }, Purpose::Detach);
        self.arm_leftover(out);
    }

    fn arm_leftover(&self, out: &mut Out) {
        let at = out.now + AGAIN_AFTER;
        out.timers.set((self.id, Timer::Leftover), at);
    }
}
