//! What stands on every page: a button that can be clicked and typed into, one that another element
//! covers, and one that is disabled.

use super::{Chrome, Outcome, error};
use extension_core::input::ChromeError;
use protocol::TabId;
use serde_json::{Value, json};
use std::time::Duration;

/// `backendNodeId` of the button that works.
const GOOD: u64 = 2;
/// … of the one that is covered.
const COVERED: u64 = 3;
/// … of the one that is disabled.
const DISABLED: u64 = 4;

/// The answer of `DOMSnapshot.captureSnapshot`.
pub(super) fn document() -> Value {
    json!({
        "strings": ["BUTTON", "aria-label", "Go", "Stop", "Wait", "visible"],
        "documents": [{
            "nodes": {
                "parentIndex": [-1, 0, 0, 0],
                "nodeType": [9, 1, 1, 1],
                "nodeName": [-1, 0, 0, 0],
                "attributes": [[], [1, 2], [1, 3], [1, 4]],
                "backendNodeId": [1, GOOD, COVERED, DISABLED],
            },
            "layout": {"nodeIndex": [0, 1, 2, 3], "styles": [[], [5], [5], [5]]},
        }],
    })
}

/// The answer of `DOM.resolveNode`.
pub(super) fn resolve(params: &Value) -> Result<Value, ChromeError> {
    match params.get("backendNodeId").and_then(Value::as_u64) {
        Some(node @ (GOOD | COVERED | DISABLED)) => {
            Ok(json!({"object": {"objectId": node.to_string()}}))
        }
        Some(_) | None => Err(error("No node with given id found")),
    }
}

impl Chrome {
    /// A function of the extension's on an element; its first argument says for how many
    /// milliseconds it may wait until the element can be acted on. The page goes on meanwhile.
    pub(super) fn call_on(&mut self, ticket: u64, tab: TabId, params: &Value) {
        let why = match params.get("objectId").and_then(Value::as_str) {
            Some("3") => Some("it is covered by this\n<div>"),
            Some("4") => Some("it is disabled"),
            Some(_) | None => None,
        };
        let wait = params.pointer("/arguments/1/value").and_then(Value::as_u64);
        let (wait, value) = match (why, wait) {
            (Some(why), Some(wait)) => {
                self.met.push("chrome: element that cannot be acted on");
                (wait, json!({"why": why}))
            }
            (Some(_), None) | (None, _) => (1, json!({"x": 10, "y": 10, "mac": false})),
        };
        let outcome = if self.tabs.contains_key(&tab) {
            Ok(json!({"result": {"type": "object", "value": value}}))
        } else {
            Err(super::no_tab(tab))
        };
        let late = Duration::from_millis(wait + 1);
        self.later.push((late, Outcome::Done { ticket, outcome }));
    }
}
