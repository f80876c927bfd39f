//! The scripts of `js.execute`. The original put an object `api` into the page; here it stands in
//! the script itself, so that nothing of it is left in anybody's page.

use protocol::json;
use serde_json::Value;

/// Every method that may be named.
const METHODS: &[&str] = &[
    "scroll",
    "setInput",
    "query",
    "getHTML",
    "getOuterHTML",
    "waitFor",
    "fillForm",
    "extractLinks",
    "extractSchema",
    "getText",
    "exists",
    "dismissOverlays",
];

/// What those methods do, and what a script of a caller's may use as `api`.
const API: &str = include_str!("api.js");

/// Numbers of the page's loading, in milliseconds.
pub(super) const PERFORMANCE: &str = "() => {
  const [page] = performance.getEntriesByType('navigation');
  const { loadEventEnd, domContentLoadedEventEnd, responseEnd, transferSize } = page ?? {};
  return {
    responseEnd, domContentLoaded: domContentLoadedEventEnd, load: loadEventEnd, transferSize,
    resources: performance.getEntriesByType('resource').length,
    usedJSHeapSize: performance.memory?.usedJSHeapSize,
  };
}";

/// A caller's own script. One that uses `api` is the body of a function, unless it is an expression.
pub(super) fn code(code: &str) -> String {
    if !code.contains("api.") {
        return code.to_owned();
    }
    let expression = code.trim().trim_end_matches(';');
    let is_body = ["return", ";", "\n"]
        .iter()
        .any(|word| expression.contains(word));
    let body = if is_body {
        code.to_owned()
    } else {
        format!("return ({expression});")
    };
    with_api(&body)
}

/// The call of a method; none where there is no such method.
pub(super) fn method(name: &str, args: &[Value]) -> Option<String> {
    if name == "exec" {
        // Its arguments are the script and what it is called with, which no shipped server gives.
        return Some(code(args.first()?.as_str()?));
    }
    METHODS.contains(&name).then(|| {
        let args = json::text(args);
        with_api(&format!("return api.{name}(...{args});"))
    })
}

fn with_api(body: &str) -> String {
    format!("async () => {{ const api = ({API});\n{body}\n}}")
}
