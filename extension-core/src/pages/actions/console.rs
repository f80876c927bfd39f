//! `browser_console_messages`: what the page's console said in its owner's time, or since the last
//! reading.

use crate::pages::poller::Page;
use protocol::command::{ConsoleMessages, PageResult};

/// Takes the messages out; they are not told twice.
pub(super) fn run(page: &Page, wanted: ConsoleMessages) -> PageResult {
    let reading = page.change_facts(|facts| facts.console.take(wanted.level));
    let mut result = PageResult {
        console: Some(reading.messages),
        ..PageResult::default()
    };
    if reading.left > 0 {
        let note = format!(
            "{} older messages are left for the next call; `level` narrows it.",
            reading.left
        );
        result.notes.push(note);
    }
    if reading.lost > 0 {
        let note = format!("{} older messages were dropped.", reading.lost);
        result.notes.push(note);
    }
    if reading.missed {
        let note = "What the page said before it was watched for you is not told; \
            browser_navigate {\"action\": \"reload\"} lets it begin anew.";
        result.notes.push(note.into());
    }
    result
}
