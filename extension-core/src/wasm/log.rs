//! The log, readable as `MultiInstanceManager.log` at the DevTools console, and never written to
//! it: a clean console is where people look for what is wrong with *their* extension.

use std::cell::RefCell;
use std::collections::VecDeque;

/// The lines that are kept: some minutes of a busy worker, in 100 KB at most.
const LINES_MAX: usize = 500;
/// The characters of a line that are kept.
const LINE_MAX: usize = 200;

thread_local! {
    static LINES: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
}

/// Keeps a line, with the time of day.
pub(super) fn note(text: &str) {
    let time: String = js_sys::Date::new_0().to_iso_string().into();
    let text: String = text.chars().take(LINE_MAX).collect();
    LINES.with_borrow_mut(|lines| {
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(format!("{time} {text}"));
    });
}

/// All lines, the oldest first.
pub(super) fn lines() -> Vec<String> {
    LINES.with_borrow(|lines| lines.iter().cloned().collect())
}
