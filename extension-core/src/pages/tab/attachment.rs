//! How the debugger comes to a tab and leaves it: look where the tab is, attach, enable one step
//! after another; detach, or be thrown off.

use super::*;

/// The parameters of a step.
pub(super) type Parameters = fn() -> Value;

/// The enable burst: strictly one after another, because events overtake results.
const BURST: [(&str, Parameters); 11] = [
    // A crashed page says so, instead of never answering the rest.
    ("Inspector.enable", none),
    // What Chrome told a former life of the worker, it tells again only after these two.
    ("Target.setAutoAttach", unfollowed),
    ("Runtime.disable", none),
    ("Page.enable", none),
    ("Page.getFrameTree", none),
    ("Target.setAutoAttach", followed),
    ("Runtime.enable", none),
    ("Log.enable", none),
    // From the start: what a page asked for while it was loaded cannot be learnt later.
    ("Network.enable", without_bodies),
    ("Emulation.setFocusEmulationEnabled", focused),
    // Only where the tab has no size: nothing in it could be seen or clicked.
    (GIVE_SIZE, sized),
];

/// Lasts until the person shows the tab, which then is as large as their window.
const GIVE_SIZE: &str = "Emulation.setDeviceMetricsOverride";

/// What a call waits for while the burst does. A dialog from before the debugger came is closed to
/// it: Chrome neither tells of it nor lets it be answered, and loses nothing when the debugger goes.
const NO_ANSWER: &str = "the page to answer the debugger: a script keeps it busy, or it shows a \
    dialog that it opened before, which only the person at the browser can close";

pub(super) fn none() -> Value {
    json!({})
}

fn unfollowed() -> Value {
    json!({"autoAttach": false, "waitForDebuggerOnStart": false, "flatten": true})
}

pub(super) fn followed() -> Value {
    json!({
        "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true,
        "filter": [{"type": "iframe"}],
    })
}

/// Nobody asks for bodies: Chrome shall not keep them, and not tell those of requests.
pub(super) fn without_bodies() -> Value {
    json!({"maxTotalBufferSize": 0, "maxResourceBufferSize": 0, "maxPostDataSize": 1})
}

fn focused() -> Value {
    json!({"enabled": true})
}

/// In CSS pixels: what a person's screen often shows.
fn sized() -> Value {
    json!({"width": 1280, "height": 720, "deviceScaleFactor": 0, "mobile": false})
}

impl Tab {
    pub(super) fn look(&mut self, out: &mut Out) {
        self.attachment = Attachment::Looking;
        self.shown = false;
        self.ask(out, ChromeCall::GetTab { tab: self.id }, Purpose::Look);
        self.arm_attachment(out, ATTACH_MAX);
    }

    pub(super) fn looked(&mut self, out: &mut Out, outcome: Result<Value, ChromeError>) {
        let Ok(facts) = outcome else {
            let url = Some(self.facts.borrow().url.clone()).filter(|url| !url.is_empty());
            return self.attach_failed(out, Fault::TabGone { tab: self.id, url });
        };
        let shown = facts["url"].as_str().unwrap_or_default();
        let pending = facts["pendingUrl"].as_str().unwrap_or_default();
        self.facts.borrow_mut().url = shown.to_owned();
        let forbidden = [shown, pending].into_iter().find(|url| !url::may_stay(url));
        let navigates = self.goes().is_some();
        let elsewhere = matches!(self.goes(), Some(Navigate::To(_)));
        // Thrown out of memory, it has nothing to attach to before it is loaded again. The status
        // `unloaded` alone says less: a crashed page has it too, and its agent must be told.
        let discarded = facts["discarded"] == true;
        self.sizeless = facts["width"] == 0;
        let revive = std::mem::take(&mut self.revive) && navigates || discarded;
        match forbidden {
            Some(_) if elsewhere => self.leave(out, "about:blank"),
            Some(forbidden) => {
                let url = forbidden.to_owned();
                self.attach_failed(out, Fault::UrlRefused { url });
            }
            None if revive && elsewhere => self.leave(out, "about:blank"),
            None if revive => self.leave(out, shown),
            None => self.attach(out),
        }
    }

    /// Where the running call goes, if it is one that navigates.
    fn goes(&self) -> Option<&Navigate> {
        self.running.as_ref().and_then(|run| match &run.command {
            Command::Navigate(to) => Some(to),
            Command::Snapshot
            | Command::Click(_)
            | Command::Type(_)
            | Command::PressKey(_)
            | Command::Hover(_)
            | Command::MouseWheel(_)
            | Command::SelectOption(_)
            | Command::Evaluate(_)
            | Command::WaitFor(_)
            | Command::Screenshot(_)
            | Command::HandleDialog(_)
            | Command::ConsoleMessages(_)
            | Command::NetworkRequests(_)
            | Command::Tabs(_)
            | Command::Session => None,
        })
    }

    fn leave(&mut self, out: &mut Out, to: &str) {
        self.attachment = Attachment::Leaving;
        let call = ChromeCall::GoTo {
            tab: self.id,
            url: to.to_owned(),
        };
        self.ask(out, call, Purpose::Leave);
        self.arm_attachment(out, ATTACH_MAX);
    }

    pub(super) fn attach(&mut self, out: &mut Out) {
        self.attachment = Attachment::Attaching;
        self.ask(out, ChromeCall::Attach { tab: self.id }, Purpose::Attach);
        self.arm_attachment(out, ATTACH_MAX);
    }

    pub(super) fn attached(&mut self, out: &mut Out, outcome: Result<Value, ChromeError>) {
        match outcome {
            Ok(_) => self.enable(out, 0),
            // By ourselves, before this worker's life.
            Err(error)
                if error
                    .message
                    .starts_with("Another debugger is already attached") =>
            {
                let presses = std::mem::take(&mut self.pressed);
                self.mend(out, presses);
            }
            Err(error) if is_kept_out(&error) => self.kept_out(out),
            Err(error) => {
                let fault = self.refused(&error);
                self.attach_failed(out, fault);
            }
        }
    }

    /// Another extension's frame is in the page, and goes with it. The debugger may be there
    /// already: then Chrome says so when it is asked again.
    pub(super) fn kept_out(&mut self, out: &mut Out) {
        self.may_remain(out);
        self.lose(out);
        if self.running.as_ref().is_some_and(|run| run.answered) {
            return self.settle(out);
        }
        match self.goes() {
            Some(Navigate::To(_)) => self.leave(out, "about:blank"),
            Some(Navigate::Back | Navigate::Forward | Navigate::Reload) | None => {
                self.attach_failed(out, Fault::PageBlockedByExtension { tab: self.id });
            }
        }
    }

    fn refused(&self, error: &ChromeError) -> Fault {
        let said = error.message.as_str();
        let url = self.facts.borrow().url.clone();
        if said.starts_with("No tab with") {
            Fault::TabGone {
                tab: self.id,
                url: Some(url).filter(|url| !url.is_empty()),
            }
        } else if said.starts_with("Cannot a") {
            // "Cannot access a chrome:// URL", "Cannot attach to this target."
            Fault::UrlRefused { url }
        } else {
            Fault::Internal {
                what: format!("the debugger could not be attached: {said}"),
            }
        }
    }

    pub(super) fn enable(&mut self, out: &mut Out, step: usize) {
        if step == 0 {
            self.nothing_remains(out);
            self.facts.borrow_mut().attaching(out.wall);
            let presses = std::mem::take(&mut self.pressed);
            self.let_up(out, &presses);
        }
        let due = BURST.get(step).copied();
        let Some((method, params)) = due.filter(|due| self.sizeless || due.0 != GIVE_SIZE) else {
            self.attachment = Attachment::Ready;
            out.timers.clear(&(self.id, Timer::Attachment));
            if std::mem::take(&mut self.shown) {
                self.shown(out);
            }
            return;
        };
        self.attachment = Attachment::Enabling {
            step,
            stopped: false,
        };
        self.facts.borrow_mut().enabling(&None, method);
        self.command(out, method, params(), Purpose::Enable);
        self.arm_attachment(out, ENABLE_MAX);
    }

    pub(super) fn enabled(&mut self, out: &mut Out, outcome: Result<Value, ChromeError>) {
        let Attachment::Enabling { step, .. } = self.attachment else {
            return;
        };
        match outcome {
            Ok(result) => {
                self.facts.borrow_mut().enabled(&None);
                let done = BURST.get(step).map(|(method, _)| *method);
                if done == Some("Page.getFrameTree") {
                    self.facts.borrow_mut().frame_tree(&result);
                    let url = self.facts.borrow().url.clone();
                    self.moved(out, &url);
                }
                if !self.off {
                    self.enable(out, step + 1);
                }
            }
            Err(error) if is_unattached(&error) => self.is_off(out, Off::Ours),
            Err(error) if is_kept_out(&error) => self.kept_out(out),
            Err(error) if is_detached(&error) => {
                self.arm_attachment(out, DETACH_EVENT_MAX);
            }
            Err(error) => {
                self.fail_waiting(out, error.into());
                self.off = true;
            }
        }
    }

    pub(super) fn arm_attachment(&self, out: &mut Out, wait: Duration) {
        out.timers.set((self.id, Timer::Attachment), out.now + wait);
    }

    pub(super) fn attachment_late(&mut self, out: &mut Out) {
        match &mut self.attachment {
            Attachment::Detached => {}
            // The page that it is led to may take as long as any: its call's own time ends that.
            Attachment::Leaving
                if self
                    .running
                    .as_ref()
                    .is_some_and(|run| out.now <= run.deadline) =>
            {
                self.arm_attachment(out, ATTACH_MAX);
            }
            Attachment::Looking | Attachment::Leaving | Attachment::Attaching => {
                if let Attachment::Attaching = self.attachment {
                    self.may_remain(out);
                }
                let fault = late("Chrome to let the debugger in", ATTACH_MAX);
                self.attach_failed(out, fault);
            }
            Attachment::Mending(mend) => {
                let mend = *mend;
                self.mend_late(out, mend);
            }
            Attachment::Enabling { .. } if self.facts.borrow().dialog.is_some() => {
                self.arm_attachment(out, ENABLE_MAX);
            }
            Attachment::Enabling { stopped, .. } if !*stopped => {
                *stopped = true;
                if self.facts.borrow().going.is_some() {
                    self.command(out, "Page.stopLoading", json!({}), Purpose::End);
                }
                self.arm_attachment(out, ENDING_MAX);
            }
            Attachment::Enabling { .. } => {
                let fault = late(NO_ANSWER, ENABLE_MAX + ENDING_MAX);
                self.fail_waiting(out, fault);
                self.off = true;
            }
            Attachment::Ready => self.is_off(out, Off::Lost),
            Attachment::Detaching => self.is_off(out, Off::Ours),
        }
    }

    /// Never attached after all.
    pub(super) fn attach_failed(&mut self, out: &mut Out, fault: Fault) {
        self.attachment = Attachment::Detached;
        out.timers.clear(&(self.id, Timer::Attachment));
        self.forget(out, |purpose| {
            matches!(purpose, Purpose::Look | Purpose::Leave | Purpose::Attach)
        });
        self.fail_waiting(out, fault);
    }

    pub(super) fn fail_waiting(&mut self, out: &mut Out, fault: Fault) {
        if matches!(self.state(), Some(State::Waiting)) {
            self.answer(out, Err(fault));
            self.settle(out);
        }
    }

    /// Nothing that the debugger told holds any more, and nothing that it was asked is awaited.
    fn lose(&mut self, out: &mut Out) {
        self.attachment = Attachment::Detached;
        self.restored = None;
        out.timers.clear(&(self.id, Timer::Attachment));
        let had_dialog = self.facts.borrow().dialog.is_some();
        self.facts.borrow_mut().detached();
        self.forget_asked(out, &no_dialog());
        if had_dialog {
            out.event(PageEvent::DialogClosed { tab: self.id });
        }
    }

    /// The debugger is off the tab, as far as can be told.
    pub(super) fn is_off(&mut self, out: &mut Out, why: Off) {
        self.lose(out);
        self.give_front_back(out);
        let Some(running) = self.running.as_mut() else {
            return;
        };
        if why == Off::User {
            self.answer(out, Err(Fault::StoppedByUser));
            return self.settle(out);
        }
        if running.answered {
            return self.settle(out);
        }
        match running.state {
            State::Waiting if why == Off::Ours => {}
            State::Waiting | State::Acting(_)
                if !running.retried
                    && (running.command.reads_only()
                        || matches!(running.state, State::Waiting)) =>
            {
                running.retried = true;
                running.state = State::Waiting;
                out.timers.clear(&(self.id, Timer::Procedure));
            }
            State::Waiting | State::Acting(_) | State::Ending { .. } | State::Lost => {
                if let State::Acting(_) = running.state {
                    // Between press and release, perhaps: the next debugger lets it up.
                    self.pressed = Presses::of(&running.command);
                }
                running.state = State::Lost;
                out.timers.clear(&(self.id, Timer::Procedure));
                self.ask(out, ChromeCall::GetTab { tab: self.id }, Purpose::Lost);
            }
        }
    }
}
