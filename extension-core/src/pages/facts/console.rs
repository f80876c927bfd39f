//! What a page's console said: calls, uncaught exceptions, and what Chrome itself notes there.
//!
//! Chrome tells it all again, from the page's beginning, to every debugger that comes, between a
//! command and its answer ([`Past`]), and with every page that comes back out of the history. Only
//! of the latter does the time of a line show whose it is: somebody may put the computer's clock
//! back, which Chrome reads for each line, and ours never steps back.

use super::{clip, newest, script, text};
use protocol::command::{ConsoleLevel, ConsoleMessage, Source};
use protocol::{Instant, json};
use serde_json::Value;
use std::collections::VecDeque;

/// Messages kept until they are read; the oldest go first. A page in a loop must not fill the
/// worker's memory.
pub(crate) const CONSOLE_MAX: usize = 500;
/// Longest line kept, in characters (`ConsoleMessage`).
const TEXT_MAX: usize = 2_000;
/// What a line takes besides its text and URL, in bytes: level and place.
const LINE: usize = 40;
/// Longest URL of a script kept, in characters (`Source`).
const URL_MAX: usize = 500;

/// What a session of the debugger tells again when it is told to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::pages) struct Past {
    /// It is the owner's to know.
    own: bool,
    /// The command of the session's burst that Chrome has not answered.
    asked: Option<&'static str>,
}

impl Past {
    /// Of what was its owner's from the beginning.
    pub(super) fn is_owners() -> Self {
        Self {
            own: true,
            asked: None,
        }
    }

    pub(super) fn is_own(self) -> bool {
        self.own
    }

    /// A step of the burst is asked.
    pub(super) fn asks(&mut self, method: &'static str) {
        self.asked = Some(method);
    }

    /// A step is answered. What comes after the last that tells again was said in the owner's
    /// time, and is the owner's where another debugger is told it.
    pub(super) fn answered(&mut self) {
        self.own |= self.asked.take() == Some("Log.enable");
    }

    /// A domain tells again between its `enable` and the answer, and nothing else.
    fn tells_again(self, method: &str) -> bool {
        let domain = self.asked.and_then(|asked| asked.strip_suffix("enable"));
        domain.is_some_and(|domain| method.starts_with(domain))
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::pages) struct Console {
    messages: VecDeque<ConsoleMessage>,
    /// Dropped at [`CONSOLE_MAX`] since the last reading.
    lost: usize,
    /// What a page out of the history said before is not this owner's to read; none before a
    /// debugger came.
    since: Option<Instant>,
    /// The page has said something before its owner's time, and nobody was told so yet.
    missed: bool,
    /// When the newest line was said of all that Chrome told, in its milliseconds since 1970 and
    /// fractions.
    newest: f64,
    /// What was said before, by the same clock, is known where it is told again.
    again: f64,
    /// A page that comes out of the history may be shown, and tell again at any time.
    history: bool,
}

/// What a reading takes out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::pages) struct Reading {
    /// Oldest first.
    pub(in crate::pages) messages: Vec<ConsoleMessage>,
    /// Older ones, left for the next reading.
    pub(in crate::pages) left: usize,
    /// Dropped for their number since the last reading.
    pub(in crate::pages) lost: usize,
    /// The page has said something before this owner's time.
    pub(in crate::pages) missed: bool,
}

impl Console {
    /// Whatever was said in the tab is its owner's.
    pub(super) fn with_own_past() -> Self {
        Self {
            since: Some(Instant::default()),
            ..Self::default()
        }
    }

    /// A debugger comes to the tab, or comes back: for a tab whose past is unknown, time begins.
    pub(super) fn attaching(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.expect_again();
    }

    /// From here on what was said may be told again.
    pub(super) fn expect_again(&mut self) {
        self.again = self.newest.next_up();
    }

    /// From here on a page out of the history may tell again what it has said.
    pub(super) fn expect_history(&mut self) {
        self.history = true;
        self.expect_again();
    }

    /// Another document took the page's place: nobody misses what the former one said. One out of
    /// the history may have told again before, or tells it after.
    pub(super) fn committed(&mut self, restored: bool) {
        if !restored {
            self.missed = false;
            self.history = false;
        } else if !self.history {
            self.expect_history();
        }
    }

    /// Takes a debugger event of a session with this past; those that say nothing are passed by.
    pub(super) fn event(&mut self, past: Past, method: &str, params: &Value) {
        let said_at = match method {
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => &params["timestamp"],
            "Log.entryAdded" => &params["entry"]["timestamp"],
            _ => return,
        };
        let again = past.tells_again(method);
        if !self.is_new(past, again, said_at.as_f64().unwrap_or_default()) {
            return;
        }
        match method {
            "Runtime.consoleAPICalled" => {
                let level = match text(params, "type") {
                    level @ ("info" | "warning" | "error" | "debug") => level,
                    "assert" => "error",
                    _ => "log",
                };
                let words = params["args"].as_array().map(Vec::as_slice);
                let words: Vec<String> = words.unwrap_or_default().iter().map(said).collect();
                self.say(level, &words.join(" "), top(&params["stackTrace"]));
            }
            "Runtime.exceptionThrown" => {
                let details = &params["exceptionDetails"];
                let what = details["exception"]["description"]
                    .as_str()
                    .or_else(|| details["text"].as_str());
                let at = source(details).or_else(|| top(&details["stackTrace"]));
                self.say("error", what.unwrap_or("Uncaught exception"), at);
            }
            "Log.entryAdded" => {
                let entry = &params["entry"];
                let level = match text(entry, "level") {
                    "verbose" => "debug",
                    level @ ("info" | "warning" | "error") => level,
                    _ => "log",
                };
                let at = top(&entry["stackTrace"]).or_else(|| source(entry));
                self.say(level, text(entry, "text"), at);
            }
            _ => {}
        }
    }

    fn is_new(&mut self, past: Past, again: bool, said_at: f64) -> bool {
        self.newest = self.newest.max(said_at);
        // Far below 2^53: a cast saturates and cannot wrap.
        let early = self.since.is_some_and(|since| (said_at as u64) < since.0);
        if again && !past.own || self.history && early {
            self.missed = true;
            return false;
        }
        said_at >= self.again || !(again || self.history)
    }

    /// Takes out what is at least as severe as `least`: the newest, as many as one answer may tell.
    pub(in crate::pages) fn take(&mut self, least: ConsoleLevel) -> Reading {
        let wanted = |message: &ConsoleMessage| level(&message.level) <= least;
        let all = std::mem::take(&mut self.messages);
        let sizes = all.iter().filter(|message| wanted(message)).map(size);
        let told = newest(sizes.clone());
        let left = sizes.count() - told;
        let mut older = left;
        let (told, kept) = all.into_iter().partition(|message| {
            let skipped = wanted(message) && older > 0;
            older -= usize::from(skipped);
            wanted(message) && !skipped
        });
        self.messages = kept;
        Reading {
            messages: Vec::from_iter::<VecDeque<_>>(told),
            left,
            lost: std::mem::take(&mut self.lost),
            missed: std::mem::take(&mut self.missed),
        }
    }

    fn say(&mut self, level: &str, what: &str, source: Option<Source>) {
        if self.messages.len() == CONSOLE_MAX {
            self.messages.pop_front();
            self.lost += 1;
        }
        self.messages.push_back(ConsoleMessage {
            level: level.to_owned(),
            text: clip(what, TEXT_MAX),
            source,
        });
    }
}

/// What a line takes in an answer, in bytes.
fn size(message: &ConsoleMessage) -> usize {
    let source = message.source.as_ref();
    LINE + message.text.len() + source.map_or(0, |source| source.url.len())
}

fn level(word: &str) -> ConsoleLevel {
    match word {
        "error" => ConsoleLevel::Error,
        "warning" => ConsoleLevel::Warning,
        "debug" => ConsoleLevel::Debug,
        _ => ConsoleLevel::Info,
    }
}

/// The innermost call of a stack.
fn top(stack: &Value) -> Option<Source> {
    source(&stack["callFrames"][0])
}

/// Chrome counts lines and columns from 0. Without a URL there is no place to look at.
fn source(at: &Value) -> Option<Source> {
    let url = text(at, "url");
    let from_one = |name: &str| at[name].as_u64().map(|count| count + 1);
    (!url.is_empty()).then(|| Source {
        url: script(url, URL_MAX),
        line: from_one("lineNumber"),
        column: from_one("columnNumber"),
    })
}

/// Longest piece of an object in a console line, in characters.
const PREVIEW_MAX: usize = 200;

/// An object's first fields, as Chrome previews them: `{a: 1, b: Array(2)}`.
fn preview(object: &Value) -> Option<String> {
    let preview = object.get("preview")?;
    let fields = preview["properties"].as_array()?;
    let list = text(preview, "subtype") == "array";
    let fields = fields.iter().map(|field| {
        let value = clip(text(field, "value"), PREVIEW_MAX);
        if list {
            value
        } else {
            format!("{}: {value}", clip(text(field, "name"), PREVIEW_MAX))
        }
    });
    let mut fields: Vec<String> = fields.collect();
    if preview["overflow"] == true {
        fields.push("…".into());
    }
    let fields = fields.join(", ");
    Some(if list {
        format!("[{fields}]")
    } else {
        format!("{{{fields}}}")
    })
}

fn said(object: &Value) -> String {
    if let Some(word) = object["value"].as_str() {
        return clip(word, TEXT_MAX);
    }
    // An error's description is its stack, which says more.
    if text(object, "subtype") != "error"
        && let Some(preview) = preview(object)
    {
        return clip(&preview, TEXT_MAX);
    }
    let other = ["unserializableValue", "description"]
        .into_iter()
        .find_map(|name| object[name].as_str());
    match (other, &object["value"]) {
        (Some(other), _) => clip(other, TEXT_MAX),
        (None, Value::Null) => text(object, "type").to_owned(),
        (None, value) => clip(&json::text(value), TEXT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(method: &str, params: Value) -> ConsoleMessage {
        let mut console = Console::default();
        console.event(Past::default(), method, &params);
        let mut messages = console.take(ConsoleLevel::Debug).messages;
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    fn at(url: &str, line: u64, column: u64) -> Option<Source> {
        Some(Source {
            url: url.to_owned(),
            line: Some(line).filter(|line| *line > 0),
            column: Some(column).filter(|column| *column > 0),
        })
    }

    #[test]
    fn objects_show_their_first_fields() {
        let field = |name: &str, value: &str| json!({"name": name, "value": value});
        let args = json!({"type": "log", "args": [
            {"type": "object", "description": "Object",
                "preview": {"overflow": true, "properties": [field("a", "1")]}},
            {"type": "object", "subtype": "array", "description": "Array(2)",
                "preview": {"subtype": "array", "properties": [field("0", "x"), field("1", "y")]}},
            {"type": "object", "subtype": "error", "description": "Error: no",
                "preview": {"properties": []}}]});
        let message = told("Runtime.consoleAPICalled", args);
        assert_eq!(message.text, "{a: 1, …} [x, y] Error: no");
        assert_eq!(message.source, None);
    }

    #[test]
    fn a_line_says_where_in_the_script_it_was_said_counted_from_one() {
        let frame = |url: &str| json!({"url": url, "lineNumber": 4, "columnNumber": 8});
        let stack = json!({"callFrames": [frame("http://a/x.js"), frame("http://a/y.js")]});
        let call = json!({"type": "error", "args": [], "stackTrace": stack});
        let said = told("Runtime.consoleAPICalled", call);
        assert_eq!(
            (said.level.as_str(), said.source),
            ("error", at("http://a/x.js", 5, 9))
        );
        let thrown = json!({"exceptionDetails": {"text": "Uncaught", "url": "http://a/z.js",
            "lineNumber": 0, "columnNumber": 2, "exception": {"description": "Error: no"}}});
        let said = told("Runtime.exceptionThrown", thrown);
        assert_eq!(
            (said.text.as_str(), said.source),
            ("Error: no", at("http://a/z.js", 1, 3))
        );
        let entry = json!({"entry": {"source": "network", "level": "error",
            "text": "Failed to load", "url": "http://a/missing.png"}});
        assert_eq!(
            told("Log.entryAdded", entry).source,
            at("http://a/missing.png", 0, 0)
        );
    }

    #[test]
    fn a_place_is_told_without_passwords_and_where_no_agent_may_be_by_its_scheme() {
        let whole = [
            "named-by-the-page.js",
            "http://a/x@y.js",
            "webpack-internal:///./src/App.js",
            "webpack://@scope/app/./src/App.js",
            "ng:///App/Component.ngfactory.js",
            "wasm://wasm/1a2b",
            "pages/a: the second.js",
        ];
        for (url, name) in whole.map(|name| (name, name)).into_iter().chain([
            ("http://me:word@a/x.js", "http://a/x.js"),
            ("webpack://me:word@a/x.js", "webpack://a/x.js"),
            ("chrome-extension://id/secret.js", "chrome-extension:"),
            ("file:///home/me/x.js", "file:"),
        ]) {
            let stack = json!({"callFrames": [{"url": url, "lineNumber": 4}]});
            let call = json!({"type": "log", "args": [], "stackTrace": stack});
            let said = told("Runtime.consoleAPICalled", call);
            assert_eq!(said.source, at(name, 5, 0), "{url}");
        }
    }

    #[test]
    fn a_reading_takes_what_is_severe_enough_and_leaves_the_rest() {
        let mut console = Console::default();
        for kind in [
            "debug", "log", "info", "warning", "error", "assert", "table",
        ] {
            let args = json!({"type": kind, "args": [{"type": "string", "value": kind}]});
            console.event(Past::default(), "Runtime.consoleAPICalled", &args);
        }
        let mut words = |least| {
            let told = console.take(least).messages;
            told.into_iter().map(|m| m.text).collect::<Vec<_>>()
        };
        let loud = ["warning", "error", "assert"];
        assert_eq!(words(ConsoleLevel::Warning), loud);
        assert!(words(ConsoleLevel::Error).is_empty(), "told once");
        assert_eq!(words(ConsoleLevel::Info), ["log", "info", "table"]);
        assert_eq!(words(ConsoleLevel::Debug), ["debug"]);
    }

    #[test]
    fn it_is_bounded_in_lines_and_in_length() {
        let mut console = Console::default();
        for _ in 0..CONSOLE_MAX + 3 {
            let args = json!({"type": "log", "args": [
                {"type": "string", "value": "ä".repeat(5_000)}, {"type": "undefined"}]});
            console.event(Past::default(), "Runtime.consoleAPICalled", &args);
        }
        let told = console.take(ConsoleLevel::Debug);
        assert_eq!(told.messages.len() + told.left, CONSOLE_MAX);
        assert_eq!(told.lost, 3);
        assert!(told.messages[0].text.chars().count() <= TEXT_MAX + 1);
    }
}
