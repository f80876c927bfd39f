//! `browser_wait_for`: a time, a text that appears, a text that goes. The page watches itself; a
//! navigation takes the watcher with it, and a new one is set in the next document.

use super::{is_navigated, ready};
use crate::pages::facts::clip;
use crate::pages::poller::Page;
use protocol::command::{PageResult, WaitFor};
use protocol::{Fault, json};
use serde_json::{Value, json};
use std::time::Duration;

/// Looks at what people can read, after each change of the document, at most every 50 ms; and
/// twice a second without one, because styles alone can show a text. Gives true when the texts
/// are as wanted, false at the end of its time.
const WATCH: &str = "(text, gone, ms) => new Promise((resolve) => {
  const plain = (s) => s.replace(/\\s+/g, ' ').toLowerCase();
  const asked = text === null ? null : plain(text);
  const unwanted = gone === null ? null : plain(gone);
  const good = () => {
    const seen = plain(document.body ? document.body.innerText : '');
    return (asked === null || seen.includes(asked)) && (unwanted === null || !seen.includes(unwanted));
  };
  if (good()) { resolve(true); return; }
  let soon = 0;
  const end = (value) => {
    observer.disconnect(); clearInterval(slow); clearTimeout(last); clearTimeout(soon); resolve(value);
  };
  const look = () => { soon = 0; if (good()) end(true); };
  const observer = new MutationObserver(() => { if (!soon) soon = setTimeout(look, 50); });
  observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  const slow = setInterval(look, 500);
  const last = setTimeout(() => end(false), ms);
})";
/// The watcher's own synchronous work.
const WATCH_MAX: Duration = Duration::from_secs(5);
/// Between two attempts in a page that refuses the watcher, for example between two documents.
const AGAIN: Duration = Duration::from_millis(100);

/// # Errors
/// `timeout`, by the call's deadline, naming the text.
pub(super) async fn run(page: &Page, wait: WaitFor) -> Result<PageResult, Fault> {
    let result = PageResult::default();
    if let Some(seconds) = wait.time {
        page.waiting_for("the time to pass");
        page.sleep_until(page.now() + Duration::from_secs_f64(seconds))
            .await;
    }
    if wait.text.is_none() && wait.text_gone.is_none() {
        return Ok(result);
    }
    let quoted = |text: &Option<String>| text.as_deref().map(|text| clip(text, 100));
    let what = match (quoted(&wait.text), quoted(&wait.text_gone)) {
        (Some(text), Some(gone)) => format!("\"{text}\" to appear and \"{gone}\" to go"),
        (Some(text), None) => format!("\"{text}\" to appear"),
        (None, Some(gone)) => format!("\"{gone}\" to go"),
        (None, None) => String::new(),
    };
    loop {
        ready(page).await;
        page.waiting_for(what.clone());
        let millis = u64::try_from(page.left(Duration::ZERO).as_millis()).unwrap_or(u64::MAX);
        let arguments = json::text(&json!([wait.text, wait.text_gone, millis]));
        let params = json!({
            "expression": format!("({WATCH})(...{arguments})"),
            "awaitPromise": true,
            "returnByValue": true,
            "timeout": 5_000,
        });
        match page.script("Runtime.evaluate", params, WATCH_MAX).await {
            Ok(answer) if answer["result"]["value"] == Value::Bool(true) => return Ok(result),
            Ok(_) => {}
            Err(error) if is_navigated(&error) => {}
            Err(error) => return Err(error.into()),
        }
        page.sleep_until(page.now() + AGAIN).await;
    }
}
