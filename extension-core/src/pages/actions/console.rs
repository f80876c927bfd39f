//! `browser_console_messages`: what the page's console said since the page was loaded, or since
//! the last reading.

use crate::pages::poller::Page;
use protocol::command::{ConsoleMessages, PageResult};

/// Takes the messages out; they are not told twice.
pub(super) fn run(page: &Page, wanted: ConsoleMessages) -> PageResult {
    let (messages, lost) = page.change_facts(|facts| facts.console.take(wanted.level));
    let mut result = PageResult {
        console: Some(messages),
        ..PageResult::default()
    };
    if lost > 0 {
        result
            .notes
            .push(format!("{lost} older messages were dropped."));
    }
    result
}
