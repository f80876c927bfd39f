//! What the debugger's events mean for the call that runs: a page where no agent may be, a dialog
//! that opens or closes, a crash.

use super::*;
use protocol::command::Dialog;

impl Tab {
    pub(super) fn moved(&mut self, out: &mut Out, url: &str) {
        if url::may_stay(url) {
            return;
        }
        // Nothing is read from here: the call ends, what it asked is forgotten, the debugger goes.
        self.answer(out, Err(Fault::UrlRefused { url: url.into() }));
        self.give_front_back(out);
        if let Some(running) = self.running.as_mut() {
            running.state = State::Ending { dismiss: true };
            out.timers.clear(&(self.id, Timer::Procedure));
        }
        match self.attachment {
            Attachment::Attaching
            | Attachment::Mending(_)
            | Attachment::Enabling { .. }
            | Attachment::Ready => {
                self.off = true;
            }
            Attachment::Detached
            | Attachment::Looking
            | Attachment::Leaving
            | Attachment::Detaching => {}
        }
    }

    pub(super) fn dialog_opened(&mut self, out: &mut Out, dialog: Dialog) {
        out.event(PageEvent::DialogOpened {
            tab: self.id,
            dialog: dialog.clone(),
        });
        if let Some(State::Waiting) = self.state() {
            // It has done nothing yet, and cannot.
            let Dialog { kind, message, .. } = dialog;
            self.answer(out, Err(Fault::DialogOpen { kind, message }));
            self.settle(out);
        } else {
            let shown = self.facts.borrow().url.clone();
            let result = PageResult {
                success: true,
                url: Some(shown).filter(|url| !url.is_empty()),
                dialog: Some(dialog),
                ..PageResult::default()
            };
            self.answer(out, Ok(result));
        }
        // The person's next Enter is not for the dialog.
        self.give_front_back(out);
        if self.off || matches!(self.state(), Some(State::Ending { dismiss: true })) {
            self.dismiss(out);
        }
    }

    pub(super) fn dialog_closed(&mut self, out: &mut Out) {
        out.event(PageEvent::DialogClosed { tab: self.id });
        self.ask_again(out);
        // Its caller has been answered with the dialog: what is left is to let the browser
        // settle. A navigation that the dialog allowed goes on.
        if let Some(running) = self.running.as_mut().filter(|run| run.answered) {
            match &running.state {
                State::Acting(procedure) => {
                    let held = Held {
                        loading: false,
                        ..procedure.held()
                    };
                    self.end(out, held, false);
                }
                State::Waiting => self.settle(out),
                State::Ending { .. } | State::Lost => {}
            }
        }
    }

    /// Chrome says that it handled a dialog; its event may come before or after.
    pub(super) fn dialog_over(&mut self, out: &mut Out, dialog: u64) {
        let open = self.facts.borrow().dialog.as_ref().map(|open| open.0);
        if open == Some(dialog) {
            self.facts.borrow_mut().dialog = None;
            self.dialog_closed(out);
        }
    }

    pub(super) fn handled(&self, outcome: Result<Value, ChromeError>) -> Result<PageResult, Fault> {
        match outcome {
            Ok(_) => {
                let shown = self.facts.borrow().url.clone();
                Ok(PageResult {
                    success: true,
                    url: Some(shown).filter(|url| !url.is_empty()),
                    ..PageResult::default()
                })
            }
            // "No dialog is showing"
            Err(_) => Err(no_dialog()),
        }
    }

    pub(super) fn dismiss(&mut self, out: &mut Out) {
        let open = self.facts.borrow().dialog.as_ref().map(|open| open.0);
        let Some(open) = open else {
            return;
        };
        let sent = self
            .asked
            .values()
            .any(|purpose| matches!(purpose, Purpose::Dismiss { dialog } if *dialog == open));
        if !sent {
            let purpose = Purpose::Dismiss { dialog: open };
            let params = json!({"accept": false});
            self.command(out, "Page.handleJavaScriptDialog", params, purpose);
        }
    }

    pub(super) fn crashed(&mut self, out: &mut Out) {
        if let Some(State::Acting(procedure)) = self.state()
            && procedure.held().cast
        {
            // The browser would cast the next page too.
            self.command(out, "Page.stopScreencast", json!({}), Purpose::End);
        }
        // Its commands are never answered.
        self.forget(out, |purpose| {
            matches!(
                purpose,
                Purpose::Effect { .. }
                    | Purpose::Commit
                    | Purpose::End
                    | Purpose::Probe { .. }
                    | Purpose::Dismiss { .. }
            )
        });
        // Its dialog went with it.
        let dialog = self.facts.borrow_mut().dialog.take();
        if dialog.is_some() {
            out.event(PageEvent::DialogClosed { tab: self.id });
        }
        if let Attachment::Mending(_) | Attachment::Enabling { .. } = self.attachment {
            // Crashed before the debugger came: it can enable nothing here.
            self.forget(out, |purpose| {
                matches!(
                    purpose,
                    Purpose::Enable | Purpose::Drain { .. } | Purpose::Keys { .. }
                )
            });
            self.off = true;
            let navigates = self
                .running
                .as_ref()
                .is_some_and(|run| matches!(run.command, Command::Navigate(_)) && !run.answered);
            if navigates {
                self.revive = true;
                return;
            }
        }
        self.answer(out, Err(Fault::PageCrashed { tab: self.id }));
        if self.running.is_some() {
            self.settle(out);
        }
    }
}
