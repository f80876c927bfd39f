//! `browser_console_messages`: what the page's console said since the debugger came, or since the
//! last reading.

use crate::pages::poller::Page;
use protocol::command::PageResult;

/// Takes the messages out; they are not told twice.
pub(super) fn run(page: &Page) -> PageResult {
    let (messages, lost) = page.change_facts(|facts| {
        let messages = std::mem::take(&mut facts.console);
        (messages, std::mem::take(&mut facts.console_lost))
    });
    let mut result = PageResult {
        console: Some(messages.into()),
        ..PageResult::default()
    };
    if lost > 0 {
        result
            .notes
            .push(format!("{lost} older messages were dropped."));
    }
    result
}
