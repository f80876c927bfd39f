//! What pages do when a script tells them to, and for how long they are busy with it.

use super::{Act, Busy, Chrome, Outcome, error};
use crate::chance::Chance;
use protocol::TabId;
use serde_json::json;
use std::time::Duration;

impl Chrome {
    pub(super) fn evaluate(
        &mut self,
        ticket: u64,
        tab: TabId,
        script: &str,
        timeout_ms: Option<f64>,
        chance: &mut Chance,
    ) {
        let state = self.tabs.get(&tab);
        let left = state.is_some_and(|tab| tab.cast || !tab.held.is_empty());
        for number in numbers(script, "act(") {
            self.acts.push(Act { number, tab, left });
        }
        if script.contains("eventCounts") {
            let buttons = ["left", "right", "middle"];
            let is_key = |held: &&String| !buttons.contains(&held.as_str());
            let down = state.map_or(0, |tab| tab.held.iter().filter(is_key).count());
            let told = json!({"down": down, "mac": false});
            self.answer(ticket, Ok(json!({"result": {"value": told}})), chance);
            return;
        }
        if script.contains("throw ") {
            let details =
                json!({"text": "Uncaught", "exception": {"description": "Error: thrown"}});
            let thrown = json!({"result": {"type": "object"}, "exceptionDetails": details});
            self.answer(ticket, Ok(thrown), chance);
            return;
        }
        let popups = script.matches("open()").count();
        if popups > 1 {
            self.met.push("fault: popup storm");
        }
        for _ in 0..popups {
            self.met.push("chrome: popup");
            self.popup(tab, chance);
        }
        if script.contains("location.reload()") {
            let url = self
                .tabs
                .get(&tab)
                .map(|tab| tab.url.clone())
                .unwrap_or_default();
            self.commit(tab, &url, "reload", false);
        }
        let value = numbers(script, "act(")
            .first()
            .map_or(json!(7), |number| json!(number));
        let value = match numbers(script, "big(").first() {
            Some(length) => {
                self.met.push("chrome: large result");
                json!("x".repeat(usize::try_from(*length).unwrap_or_default()))
            }
            None => value,
        };
        let result = json!({"result": {"type": "number", "value": value}});
        let work = self.next_work;
        self.next_work += 1;
        if let Some(spin) = numbers(script, "spin(").first() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a limit in milliseconds"
            )]
            let limit = timeout_ms.map_or(u64::MAX, |ms| ms as u64);
            self.met.push("chrome: script runs on");
            let outcome = if *spin > limit {
                self.met.push("chrome: script ended by its timeout");
                Err(error("Internal error: execution was terminated"))
            } else {
                Ok(result)
            };
            self.busy(
                tab,
                Busy {
                    work,
                    ticket,
                    outcome,
                },
                Duration::from_millis((*spin).min(limit)),
            );
            return;
        }
        if script.contains("alert(") && self.tabs.get(&tab).is_some_and(|tab| tab.attached) {
            let Some(state) = self.tabs.get_mut(&tab) else {
                return;
            };
            state.dialog = Some("hello".into());
            self.met.push("chrome: dialog");
            // The script waits behind its own dialog.
            state.busy = Some(Busy {
                work,
                ticket,
                outcome: Ok(result),
            });
            let opening = json!({"url": "", "message": "hello", "type": "alert",
                "hasBrowserHandler": false, "defaultPrompt": ""});
            self.debugger(tab, "Page.javascriptDialogOpening", opening);
            return;
        }
        self.answer(ticket, Ok(result), chance);
    }

    pub(super) fn busy(&mut self, tab: TabId, busy: Busy, time: Duration) {
        let work = busy.work;
        if let Some(state) = self.tabs.get_mut(&tab) {
            state.busy = Some(busy);
            self.later.push((time, Outcome::Resume { tab, work }));
        }
    }

    /// A piece of work is through: its command is answered, and what hung behind it goes on.
    pub fn resume(&mut self, tab: TabId, work: u64, chance: &mut Chance) {
        let Some(state) = self.tabs.get_mut(&tab) else {
            return;
        };
        if state.busy.as_ref().is_none_or(|busy| busy.work != work) {
            return;
        }
        if let Some(busy) = state.busy.take() {
            self.answer(busy.ticket, busy.outcome, chance);
        }
        self.go_on(tab, chance);
    }

    pub(super) fn go_on(&mut self, tab: TabId, chance: &mut Chance) {
        while let Some(state) = self.tabs.get_mut(&tab) {
            if state.dialog.is_some() || state.busy.is_some() {
                return;
            }
            let Some((ticket, method, params)) = state.hanging.pop_front() else {
                return;
            };
            self.execute(ticket, tab, &method, &params, chance);
        }
    }
}

/// Every number that follows `word` in a script.
fn numbers(script: &str, word: &str) -> Vec<u64> {
    script
        .split(word)
        .skip(1)
        .filter_map(|rest| {
            rest.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        })
        .collect()
}
