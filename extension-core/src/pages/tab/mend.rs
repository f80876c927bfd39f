//! A tab of the worker's former life (`design/worker.md`, *Coming back*, step 4): the debugger may
//! still be on it, with a picture being cast, the mouse down, the last commands of a call on their
//! way, or a dialog open. It is drained before anything else is asked of it, by commands that do no
//! harm to a page that is in order and that do not hang under a dialog, and by a look whether the
//! page answers.
//!
//! A page that does not answer is busy, or under a dialog. One that the former life recorded is
//! taken for open until the page answers. Of one that opened in its last moments nothing is known:
//! nobody answers that but the owner, or the end of its ownership.

use super::*;
use protocol::command::Dialog;
use protocol::command::{Button, Chord};

/// A page in order answers in a millisecond.
const ANSWER_MAX: Duration = Duration::from_millis(200);
/// What a call waits for that came to a page which does not answer.
pub(super) const UNKNOWN: &str = "the page to answer: a script keeps it busy, or it opened a dialog \
    while Interlock's extension was started anew (browser_handle_dialog would answer that)";

/// How many more keys the page has heard go down than up, and on which machine it runs. Chrome counts
/// them for each document; another site's frame does not tell.
const DOWN: &str = "(() => {
  const down = (w) => {
    const counts = w.performance.eventCounts;
    let sum = (counts.get('keydown') || 0) - (counts.get('keyup') || 0);
    for (let i = 0; i < w.length; i++) try { sum += down(w[i]); } catch {}
    return sum;
  };
  return { down: down(window), mac: /Mac/.test(navigator.platform) };
})()";

/// What the former life of the worker wrote of a tab.
#[derive(Clone, Debug, Default)]
pub struct Former {
    /// What the acting call pressed that had the turn.
    pub presses: Presses,
    /// The dialog that was open.
    pub dialog: Option<Dialog>,
}

/// How far a tab is on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// It was asked, just now.
    Asked,
    /// It does not answer.
    Silent,
    /// It does not answer, and its owner goes: whatever dialog it may show is being dismissed.
    Dismissing,
    /// It does not answer, and shows no dialog.
    Hopeless,
}

/// What somebody who waits for the tab is still to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    Nothing,
    /// That calls may come, and that the page answers.
    Both,
    /// That the page answers.
    Drained,
}

impl Tab {
    /// The debugger may be on the tab, as a former life of the worker left it.
    pub(in crate::pages) fn adopt(&mut self, out: &mut Out, former: Former) {
        if !matches!(self.attachment, Attachment::Detached) {
            return;
        }
        if let Some(dialog) = former.dialog {
            self.restored = Some(self.facts.borrow_mut().dialog_restored(dialog));
        }
        self.mend(out, former.presses);
    }

    /// As [`Tab::adopt`], of a tab that is no agent's: the debugger leaves it as soon as the page
    /// answers. A dialog is the person's to answer.
    pub(in crate::pages) fn let_go(&mut self, out: &mut Out) {
        self.adopt(out, Former::default());
        self.off = true;
    }

    pub(in crate::pages) fn wait_for_mend(&mut self, out: &mut Out) {
        self.owed = Owed::Both;
        self.advance(out);
    }

    /// The debugger is on the tab, or was, and nobody remembers what it was told.
    pub(super) fn mend(&mut self, out: &mut Out, presses: Presses) {
        self.nothing_remains(out);
        self.facts.borrow_mut().attaching(out.wall);
        self.attachment = Attachment::Mending(Mend::Asked);
        // Refused when the debugger is not there any more.
        self.drain(out, "Page.stopScreencast", json!({}));
        // A crashed page says so, instead of never answering the rest.
        self.drain(out, "Inspector.enable", json!({}));
        self.let_up(out, &presses);
        self.pressed = presses;
        let params = json!({"expression": "1", "returnByValue": true});
        let probe = Purpose::Drain { probe: true };
        self.command(out, "Runtime.evaluate", params, probe);
        self.arm_attachment(out, ANSWER_MAX);
    }

    /// The button up, or the keys that are down. A page where the button was up again hears of an end
    /// without a beginning; of a key it shall not, for many act when one goes up.
    pub(super) fn let_up(&mut self, out: &mut Out, presses: &Presses) {
        match presses {
            Presses::Nothing => {}
            Presses::Button(button) => {
                let button = match button {
                    Button::Left => "left",
                    Button::Right => "right",
                    Button::Middle => "middle",
                };
                // Beyond its edge, where nothing takes it for a click.
                let released = json!({
                    "type": "mouseReleased", "x": -1, "y": -1, "modifiers": 0,
                    "button": button, "buttons": 0, "clickCount": 1,
                });
                self.drain(out, "Input.dispatchMouseEvent", released);
            }
            Presses::Keys(chord) => {
                let params = json!({"expression": DOWN, "returnByValue": true});
                let chord = chord.clone();
                self.command(out, "Runtime.evaluate", params, Purpose::Keys { chord });
            }
        }
    }

    /// The page has told how many keys are down.
    pub(super) fn keys_told(
        &mut self,
        out: &mut Out,
        chord: &str,
        outcome: Result<Value, ChromeError>,
    ) {
        if let (Ok(told), Ok(chord)) = (&outcome, Chord::parse(chord)) {
            let told = &told["result"]["value"];
            let down = told["down"].as_u64().unwrap_or_default();
            let mut ups = actions::keys_up(&chord, told["mac"] == true);
            // More than were pressed here: they are the person's, or counted anew while they are held.
            if down > ups.len() as u64 {
                ups.clear();
            }
            // The first that went down are down still.
            while ups.len() as u64 > down {
                ups.remove(0);
            }
            for released in ups {
                self.drain(out, "Input.dispatchKeyEvent", released);
            }
        }
        self.drained(out, outcome);
    }

    fn drain(&mut self, out: &mut Out, method: &'static str, params: Value) {
        self.command(out, method, params, Purpose::Drain { probe: false });
    }

    /// One of its commands was answered, in whatever way.
    pub(super) fn drained(&mut self, out: &mut Out, outcome: Result<Value, ChromeError>) {
        let Attachment::Mending(mend) = self.attachment else {
            return;
        };
        match outcome {
            Err(error) if is_kept_out(&error) => return self.kept_out(out),
            Err(error) if is_detached(&error) => return self.is_off(out, Off::Ours),
            Ok(_) | Err(_) => {}
        }
        // A page that answers late has had its input.
        let late = mend != Mend::Asked;
        if !self.is_drained(late) {
            return;
        }
        self.in_order(out);
    }

    fn is_drained(&self, late: bool) -> bool {
        !self.asked.values().any(|purpose| match purpose {
            Purpose::Drain { probe } => *probe || !late,
            Purpose::Keys { .. } => true,
            Purpose::Look
            | Purpose::Leave
            | Purpose::Attach
            | Purpose::Enable
            | Purpose::Detach
            | Purpose::Effect { .. }
            | Purpose::Child { .. }
            | Purpose::Commit
            | Purpose::End
            | Purpose::Probe { .. }
            | Purpose::Dismiss { .. }
            | Purpose::Dialog { .. }
            | Purpose::Lost => false,
        })
    }

    fn in_order(&mut self, out: &mut Out) {
        self.forget(out, |purpose| matches!(purpose, Purpose::Drain { .. }));
        self.pressed = Presses::Nothing;
        // One that was told since stays open.
        if let Some(restored) = self.restored.take() {
            self.dialog_over(out, restored);
        }
        if self.off {
            self.detach(out);
        } else {
            // The first step of the burst was one of the mending.
            self.enable(out, 1);
        }
    }

    pub(super) fn mend_late(&mut self, out: &mut Out, mend: Mend) {
        match mend {
            Mend::Asked if self.is_drained(true) => self.in_order(out),
            Mend::Asked => self.fall_silent(out),
            Mend::Silent if matches!(self.state(), Some(State::Waiting)) => {
                self.fail_waiting(out, late(UNKNOWN, ENABLE_MAX));
                // A navigation of the former life may be what holds the page back.
                self.command(out, "Page.stopLoading", json!({}), Purpose::End);
            }
            // Whoever waited has gone.
            Mend::Silent => {}
            Mend::Dismissing => self.attachment = Attachment::Mending(Mend::Hopeless),
            Mend::Hopeless => {}
        }
    }

    fn fall_silent(&mut self, out: &mut Out) {
        self.attachment = Attachment::Mending(Mend::Silent);
        if matches!(self.state(), Some(State::Waiting)) {
            self.arm_attachment(out, ENABLE_MAX);
        }
    }

    /// A call comes to a tab that is being mended: from now on the debugger is wanted.
    pub(super) fn call_on_mending(&mut self, out: &mut Out) {
        let Attachment::Mending(mend) = self.attachment else {
            return;
        };
        self.off = self.clearing.is_some();
        if mend == Mend::Silent {
            self.arm_attachment(out, ENABLE_MAX);
        }
    }

    /// What was in the way of its answer is gone.
    pub(super) fn ask_again(&mut self, out: &mut Out) {
        if let Attachment::Mending(_) = self.attachment {
            if self
                .clearing
                .is_some_and(|since| out.now >= since + ENDING_MAX)
            {
                // It opens one dialog after another, perhaps for ever.
                self.attachment = Attachment::Mending(Mend::Hopeless);
                return;
            }
            self.attachment = Attachment::Mending(Mend::Asked);
            self.arm_attachment(out, ANSWER_MAX);
        }
    }

    /// Whether a dialog may be open that nobody was told of.
    pub(super) fn may_hide_a_dialog(&self) -> bool {
        matches!(self.attachment, Attachment::Mending(_))
    }

    /// The debugger shall go: not under a dialog, be it known or not.
    pub(super) fn mend_off(&mut self, out: &mut Out, mend: Mend) {
        if self.facts.borrow().crashed {
            return self.detach(out);
        }
        if self.facts.borrow().dialog.is_some() {
            return self.dismiss(out);
        }
        match mend {
            Mend::Asked | Mend::Dismissing => {}
            // Nobody waits for it.
            Mend::Silent if self.clearing.is_none() => {}
            Mend::Silent => {
                self.attachment = Attachment::Mending(Mend::Dismissing);
                let params = json!({"accept": false});
                let purpose = Purpose::Dismiss { dialog: NO_DIALOG };
                self.command(out, "Page.handleJavaScriptDialog", params, purpose);
                self.arm_attachment(out, ENDING_MAX);
            }
            Mend::Hopeless => self.detach(out),
        }
    }

    /// "No dialog is showing": it is busy with something else.
    pub(super) fn nothing_to_dismiss(&mut self) {
        if let Attachment::Mending(Mend::Dismissing) = self.attachment {
            self.attachment = Attachment::Mending(Mend::Hopeless);
        }
    }

    /// Tells what is owed, as far as it is true now.
    pub(super) fn pay(&mut self, out: &mut Out) {
        let drained = match self.attachment {
            Attachment::Mending(Mend::Asked) => return,
            Attachment::Mending(Mend::Silent | Mend::Dismissing | Mend::Hopeless) => false,
            Attachment::Detached
            | Attachment::Looking
            | Attachment::Leaving
            | Attachment::Attaching
            | Attachment::Enabling { .. }
            | Attachment::Ready
            | Attachment::Detaching => true,
        };
        let due = match (self.owed, drained) {
            (Owed::Nothing, _) | (Owed::Drained, false) => return,
            (Owed::Both, false) => Owed::Drained,
            (Owed::Both | Owed::Drained, true) => Owed::Nothing,
        };
        self.owed = due;
        let tab = self.id;
        out.event(PageEvent::Mended { tab, drained });
    }
}
