//! The child sessions of a tab: each frame that another process draws is one, and must be told to
//! speak, step by step, before its console, requests and own frames are known.

use super::attachment::{Parameters, followed, none, without_bodies};
use super::*;
use crate::pages::facts::frames::Session;

/// What a child session is told, strictly one after another.
const CHILD_BURST: [(&str, Parameters); 5] = [
    // One that is told to speak again tells its worlds only after this.
    ("Runtime.disable", none),
    ("Target.setAutoAttach", followed),
    ("Runtime.enable", none),
    ("Log.enable", none),
    ("Network.enable", without_bodies),
];

impl Tab {
    pub(super) fn enable_child(&mut self, out: &mut Out, session: Rc<str>, step: usize) {
        let Some((method, params)) = CHILD_BURST.get(step).copied() else {
            self.facts.borrow_mut().frames.enabled(&session);
            return self.run(out);
        };
        let call = ChromeCall::Command {
            tab: self.id,
            session: Some(session.to_string()),
            method,
            params: params(),
        };
        let own = Some(Rc::clone(&session));
        self.facts.borrow_mut().enabling(&own, method);
        self.ask(out, call, Purpose::Child { session, step });
    }

    /// A step is done, or refused: a frame that lacks one thing may still be read.
    pub(super) fn child_enabled(&mut self, out: &mut Out, session: Rc<str>, step: usize) {
        let own = Some(Rc::clone(&session));
        self.facts.borrow_mut().enabled(&own);
        let heard = self.facts.borrow().frames.is_heard(&own);
        if heard {
            self.enable_child(out, session, step + 1);
        }
    }

    /// The frame went away, or where it is not heard: what was asked of it comes to nothing.
    pub(super) fn child_detached(&mut self, out: &mut Out) {
        let facts = Rc::clone(&self.facts);
        let gone = |session: &Session| !facts.borrow().frames.is_heard(session);
        let mut lost = Vec::new();
        for purpose in self.asked.values() {
            if let Purpose::Effect {
                effect, session, ..
            } = purpose
                && gone(session)
            {
                lost.push(*effect);
            }
        }
        self.forget(out, |purpose| match purpose {
            Purpose::Effect { session, .. } | Purpose::Probe { session } => gone(session),
            Purpose::Child { session, .. } => gone(&Some(Rc::clone(session))),
            Purpose::Look
            | Purpose::Leave
            | Purpose::Attach
            | Purpose::Enable
            | Purpose::Drain { .. }
            | Purpose::Keys { .. }
            | Purpose::Detach
            | Purpose::Commit
            | Purpose::End
            | Purpose::Dismiss { .. }
            | Purpose::Dialog { .. }
            | Purpose::Lost => false,
        });
        if let Some(State::Acting(procedure)) = self.state() {
            for effect in lost {
                let message = "Inspected target navigated or closed".to_owned();
                procedure.answer(effect, Err(ChromeError { message }));
            }
        }
        self.run(out);
    }
}
