//! `browser_evaluate`: runs the caller's script in the page's own world, or with an element in that
//! of its frame, and brings home what it gives as JSON. A function is called, an expression is
//! taken as it is; statements run as they would at a console, or in a function of their own when
//! they `return` or `await`.

use super::{is_navigated, ready, settle};
use crate::pages::element::Element;
use crate::pages::facts::frames::World;
use crate::pages::facts::{clip, text};
use crate::pages::poller::Page;
use crate::pages::tab::seconds;
use protocol::command::{Evaluate, PageResult};
use protocol::{Fault, json, limits};
use serde_json::{Value, json};
use std::io;
use std::time::Duration;

/// Largest value brought home, in bytes of JSON: a frame, less room for what goes around it.
const VALUE_MAX: usize = limits::FRAME_MAX - 64 * 1024;
/// Longest message and stack of a thrown error, in characters.
const THROWN_MAX: usize = 2_000;

/// Puts the element where only the script that follows looks for it.
const PUT: &str = "function (name) {
  if (!this.isConnected) return { gone: true };
  Object.defineProperty(window, name, { value: this, configurable: true, enumerable: false });
  return {};
}";

/// # Errors
/// `page_error` when the script throws, rejects, does not parse or gives what JSON cannot hold;
/// `timeout` when its synchronous work takes too long; `result_too_large`; `stale_ref`.
pub(super) async fn run(page: &Page, evaluate: Evaluate) -> Result<PageResult, Fault> {
    let mut result = PageResult::default();
    ready(page).await;
    let limit = evaluate
        .timeout_ms
        .map_or(limits::SCRIPT_MAX_DEFAULT, Duration::from_millis);
    page.waiting_for("the script");
    let name = format!("__{}", page.nonce());
    let (argument, place) = if let Some(target) = &evaluate.target {
        let element = Element::find(page, target).await?;
        let world = element.world()?;
        element.call(PUT, json!([name])).await?;
        element.release();
        // Read and deleted before the script runs.
        let argument = format!("((it) => (delete globalThis.{name}, it))(globalThis.{name})");
        let page = element.page().clone();
        (argument, Place { page, world })
    } else {
        let (page, world) = (page.clone(), None);
        (String::new(), Place { page, world })
    };
    let text = evaluate.function.trim().trim_end_matches(';').trim_end();
    let called = format!(
        "(() => {{ const it = (\n{text}\n); return typeof it === 'function' ? it({argument}) : it; }})()"
    );
    let mut answer = place.run(&called, false, limit).await?;
    if is_syntax_error(&answer) && !place.compiles(&called).await? {
        // Nothing has run. A script may throw a `SyntaxError` by itself, and must not run twice:
        // Chrome is asked to compile what is tried next, without running it.
        let function = &evaluate.function;
        let awaited = format!("(async (element) => (\n{text}\n))({argument})");
        let body = format!("(async (element) => {{\n{function}\n}})({argument})");
        if place.compiles(function).await? {
            let unused = if argument.is_empty() {
                String::new()
            } else {
                format!("delete globalThis.{name};\n")
            };
            answer = place
                .run(&format!("{unused}{function}"), true, limit)
                .await?;
        } else if place.compiles(&awaited).await? {
            answer = place.run(&awaited, false, limit).await?;
        } else if place.compiles(&body).await? {
            answer = place.run(&body, false, limit).await?;
        }
    }
    result.value = Some(value(answer)?);
    settle(page, &mut result).await;
    Ok(result)
}

/// Where a script runs: the page, or the frame that its element is in.
struct Place {
    page: Page,
    world: Option<World>,
}

impl Place {
    /// `statements`: names may be declared again, as at a console.
    async fn run(
        &self,
        expression: &str,
        statements: bool,
        limit: Duration,
    ) -> Result<Value, Fault> {
        let page = &self.page;
        let limit = limit.min(page.left(Duration::ZERO));
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1);
        let began = page.now();
        let mut params = json!({
            "expression": expression,
            "returnByValue": true,
            "awaitPromise": true,
            "userGesture": true,
            "timeout": millis,
            "replMode": statements,
        });
        if let Some(world) = &self.world {
            params["uniqueContextId"] = json!(world.name);
        }
        let answer = page.script("Runtime.evaluate", params, limit).await;
        answer.map_err(|error| {
            let said = error.message.as_str();
            let took = page.now().since(began);
            if is_navigated(&error) || said.contains("uniqueContextId not found") {
                return page_error("The page navigated away before the script was done.");
            }
            if said.contains("reference chain is too long") {
                return page_error("The script's result cannot be turned into JSON: it is too deep or refers to itself. Return plain values.");
            }
            if said.contains("could not be cloned") || said.contains("couldn't be returned") {
                return page_error("The script's result cannot be turned into JSON.");
            }
            // Chrome's word for a script that it ended.
            if said.contains("Internal error") && took + Duration::from_millis(50) >= limit {
                return Fault::Timeout {
                    after_s: seconds(took),
                    waiting_for: format!("the script's synchronous work, ended after {millis} ms"),
                };
            }
            // Nobody knows what the time was when the clock was put back meanwhile.
            if said.contains("Internal error") {
                return page_error("Chrome ended the script before it was done.");
            }
            error.into()
        })
    }

    /// Whether this is a script at all. Runs nothing.
    async fn compiles(&self, source: &str) -> Result<bool, Fault> {
        let mut params = json!({"expression": source, "sourceURL": "", "persistScript": false});
        if let Some(world) = &self.world {
            params["executionContextId"] = json!(world.id);
        }
        let compiled = self.page.command("Runtime.compileScript", params).await?;
        Ok(compiled.get("exceptionDetails").is_none())
    }
}

/// One that the parser may have found; one that a script threw has a stack.
fn is_syntax_error(answer: &Value) -> bool {
    let details = &answer["exceptionDetails"];
    text(&details["exception"], "className") == "SyntaxError" && details.get("stackTrace").is_none()
}

fn value(mut answer: Value) -> Result<Value, Fault> {
    if let Some(details) = answer.get("exceptionDetails") {
        return Err(thrown(details));
    }
    let object = answer["result"].take();
    if text(&object, "type") == "function" {
        return Ok(Value::Null);
    }
    let value = object.get("value").cloned().unwrap_or_default();
    if protocol::frame::depth(&value) > limits::DEPTH_MAX {
        let what = format!(
            "The result is nested deeper than {} levels; return less of it.",
            limits::DEPTH_MAX
        );
        return Err(Fault::PageError { message: what });
    }
    let bytes = json_bytes(&value);
    if bytes > VALUE_MAX {
        return Err(Fault::ResultTooLarge {
            bytes,
            limit: VALUE_MAX,
        });
    }
    Ok(value)
}

fn thrown(details: &Value) -> Fault {
    let exception = &details["exception"];
    let uncaught = text(details, "text");
    let what = match (exception["description"].as_str(), exception.get("value")) {
        (Some(what), _) => what.to_owned(),
        (None, Some(value)) => format!("{uncaught} {}", json::text(value)),
        (None, None) => uncaught.to_owned(),
    };
    page_error(&clip(&what, THROWN_MAX))
}

fn page_error(message: &str) -> Fault {
    Fault::PageError {
        message: message.to_owned(),
    }
}

/// The length of a value's JSON, without making it.
fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}
