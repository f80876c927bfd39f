//! Refs: how an answer names an element, and how a later call finds it again. A ref carries the
//! element's `backendNodeId` and a mark of its document; there is no table to lose. A ref of
//! another document is stale, never another element.

use super::facts::text;
use super::poller::Page;
use crate::input::ChromeError;
use protocol::{Fault, Target};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Characters of a document's mark: 36⁴ marks, and the `backendNodeId` must exist as well.
const MARK_LEN: usize = 4;
/// Our own functions on an element work for microseconds between two frames.
const OURS_MAX: Duration = Duration::from_secs(2);
/// Elements held for one call; released together at its end.
const GROUP: &str = "interlock";

/// The mark of the document that `loader` (a `loaderId`) names: `[a-z0-9]{4}`.
pub(super) fn mark(loader: &str) -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let digest = Sha256::digest(loader.as_bytes());
    let digit = |byte: &u8| char::from(DIGITS[usize::from(*byte) % DIGITS.len()]);
    digest.iter().take(MARK_LEN).map(digit).collect()
}

/// `e12_k3x9`: an element of the top document.
pub(super) fn name(backend_node: i64, mark: &str) -> String {
    format!("e{backend_node}_{mark}")
}

fn parse(target: &Target) -> Option<(i64, &str)> {
    let (node, mark) = target.0.strip_prefix('e')?.split_once('_')?;
    Some((node.parse().ok()?, mark))
}

/// An element found again, for as long as its call runs.
#[derive(Debug)]
pub(super) struct Element<'a> {
    page: &'a Page,
    object: Value,
    target: &'a Target,
}

impl<'a> Element<'a> {
    /// Finds what a ref names.
    ///
    /// # Errors
    /// `stale_ref`; `bad_arguments` for what is no ref at all.
    pub(super) async fn find(page: &'a Page, target: &'a Target) -> Result<Self, Fault> {
        let Some((node, of)) = parse(target) else {
            return Err(Fault::BadArguments {
                what: format!(
                    "`{}` is no ref; refs stand in browser_snapshot, such as e12_k3x9",
                    target.0
                ),
            });
        };
        let here = mark(&page.facts().loader);
        if of != here {
            return Err(stale(target));
        }
        let params = json!({"backendNodeId": node, "objectGroup": GROUP});
        let found = page.command("DOM.resolveNode", params).await;
        // "No node with given id found", "Node with given id does not belong to the document"
        let found = found.map_err(|_| stale(target))?;
        Ok(Self {
            page,
            object: found["object"]["objectId"].clone(),
            target,
        })
    }

    /// Calls one of our own functions on it: `this` is the element. What it gives comes as JSON;
    /// a promise is awaited.
    ///
    /// # Errors
    /// `stale_ref` when it gives `{gone: true}` or its document went away.
    pub(super) async fn call(&self, function: &str, arguments: Value) -> Result<Value, Fault> {
        let arguments = arguments.as_array().cloned().unwrap_or_default();
        let arguments: Vec<Value> = arguments
            .into_iter()
            .map(|value| json!({"value": value}))
            .collect();
        let params = json!({
            "objectId": self.object,
            "functionDeclaration": function,
            "arguments": arguments,
            "returnByValue": true,
            "awaitPromise": true,
            "userGesture": true,
        });
        let answer = self
            .page
            .script("Runtime.callFunctionOn", params, OURS_MAX)
            .await;
        let mut answer = answer.map_err(|error| self.lost(&error))?;
        if let Some(details) = answer.get("exceptionDetails") {
            let what = text(&details["exception"], "description");
            return Err(Fault::PageError {
                message: super::facts::clip(what, 300),
            });
        }
        let value = answer["result"]["value"].take();
        if value["gone"] == true {
            return Err(stale(self.target));
        }
        Ok(value)
    }

    /// Its call needs it no more. Not waited for.
    pub(super) fn release(&self) {
        let params = json!({"objectGroup": GROUP});
        drop(self.page.aside("Runtime.releaseObjectGroup", params));
    }

    /// What keeps it from being acted on.
    pub(super) fn not_actionable(&self, why: &str) -> Fault {
        Fault::NotActionable {
            target: self.target.0.clone(),
            why: super::facts::clip(why, 300),
        }
    }

    fn lost(&self, error: &ChromeError) -> Fault {
        let said = error.message.as_str();
        if super::actions::is_navigated(error)
            || said.starts_with("Could not find object")
            || said.starts_with("Cannot find context")
        {
            stale(self.target)
        } else {
            error.clone().into()
        }
    }
}

fn stale(target: &Target) -> Fault {
    Fault::StaleRef {
        target: target.0.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_reads_back_as_itself_and_nothing_else_is_one() {
        let name = name(12, &mark("L1"));
        assert_eq!(
            parse(&Target(name.clone())),
            Some((12, mark("L1").as_str()))
        );
        for bad in ["", "e", "e12", "12_ab", "ex_ab", "e_ab", "button"] {
            assert_eq!(parse(&Target(bad.into())), None, "{bad}");
        }
        assert_eq!(name.len(), 8);
    }

    #[test]
    fn two_documents_have_two_marks() {
        assert_ne!(mark("812B5935E4A178E8"), mark("812B5935E4A178E9"));
    }
}
