//! The shapes in which v1 expects what our commands bring.

use super::plan::At;
use protocol::TabId;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Lines of the console that are kept for whoever asks again, as many as the original keeps.
const CONSOLE_MAX: usize = 1000;
/// The place of an element in its frame's view.
pub(super) const BOUNDS: &str = "(element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { x, y, width, height };
}";

/// Which of all that was gathered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Of what kind; of lines their level.
    pub(super) kind: String,
    /// What must stand in it.
    pub(super) filter: String,
    /// The newest so many.
    pub(super) limit: Option<usize>,
}

impl Wanted {
    fn newest<T>(&self, mut all: Vec<T>) -> Vec<T> {
        let limit = self.limit.unwrap_or(usize::MAX);
        all.split_off(all.len().saturating_sub(limit))
    }
}

/// What the pages have written. Our own command tells each line once, v1's as often as it is asked.
#[derive(Debug, Default)]
pub(super) struct Console(VecDeque<(Option<TabId>, Value)>);

impl Console {
    pub(super) fn add(&mut self, tab: Option<TabId>, lines: &Value) {
        let lines = lines.as_array().into_iter().flatten();
        self.0.extend(lines.map(|line| (tab, line.clone())));
        let surplus = self.0.len().saturating_sub(CONSOLE_MAX);
        self.0.drain(..surplus);
    }

    pub(super) fn lines(&self, tab: Option<TabId>, wanted: &Wanted) -> Vec<Value> {
        let level = match wanted.kind.as_str() {
            "" | "all" | "console" => None,
            "errors" => Some("error"),
            "warn" => Some("warning"),
            level => Some(level),
        };
        let of_tab = self.0.iter().filter(|(of, _)| *of == tab);
        let fitting = of_tab.map(|(_, line)| line).filter(|line| {
            level.is_none_or(|level| line["level"] == level)
                && text(line, "text").contains(&wanted.filter)
        });
        let told = |line: &Value| {
            let kind = match text(line, "level") {
                "warning" => "warn",
                level => level,
            };
            let mut told = json!({"type": kind, "args": [line["text"]]});
            // An error is asked for by its place.
            if wanted.kind == "errors" {
                let place = &line["source"];
                told["message"] = line["text"].clone();
                for side in ["url", "line", "column"] {
                    told[side] = place[side].clone();
                }
            }
            told
        };
        wanted.newest(fitting.map(told).collect())
    }
}

/// A field of data of ours that is text; empty where it is absent.
pub(super) fn text<'a>(data: &'a Value, name: &str) -> &'a str {
    data[name].as_str().unwrap_or_default()
}

pub(super) fn requests(page: &Value, wanted: &Wanted) -> Vec<Value> {
    let all = page["requests"].as_array().into_iter().flatten();
    let fitting = all.filter(|one| text(one, "url").contains(&wanted.filter));
    let told = |one: &Value| {
        json!({"method": one["method"], "url": one["url"], "type": one["kind"],
            "status": one["status"], "error": one["failed"]})
    };
    wanted.newest(fitting.map(told).collect())
}

/// `{type, data, message}` of `debugger.getData`.
pub(super) fn data(kind: &str, found: Value) -> Value {
    let count = match &found {
        Value::Array(all) => all.len(),
        Value::Object(fields) => fields.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    let message = format!("{count} entries");
    json!({"type": kind, "data": found, "message": message})
}

/// `_debug` of a page that was opened.
pub(super) fn debug(at: &At<'_, '_>) -> Value {
    json!({"instanceId": at.instance, "tabId": at.tab, "timestamp": iso(at.seen.now.0)})
}

/// A moment as JavaScript's `toISOString` writes it. The days are counted as in Howard Hinnant's
/// `civil_from_days`.
pub(super) fn iso(millis: u64) -> String {
    let (seconds, ms) = (millis / 1000, millis % 1000);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// What a call opened, which v1 calls popups.
pub(super) fn popups(page: &Value) -> Vec<Value> {
    let opened = |kind: &Value, words: Value| json!({"type": kind, "text": words, "elements": []});
    let dialog = page.get("dialog").into_iter();
    let dialogs = dialog.map(|dialog| opened(&dialog["kind"], dialog["message"].clone()));
    let tabs = page["newTabs"].as_array().into_iter().flatten();
    let tabs = tabs.map(|tab| opened(&json!("tab"), json!(format!("tab {tab}"))));
    dialogs.chain(tabs).collect()
}

/// `page` with what it opened, where that was asked for.
pub(super) fn with_popups(mut page: Value, popups: Option<Vec<Value>>) -> Value {
    if let Some(popups) = popups {
        page["popupsDetected"] = json!(!popups.is_empty());
        page["popups"] = json!(popups);
    }
    page
}

/// An element of a snapshot that has a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) target: String,
    pub(super) role: String,
    pub(super) name: String,
}

impl Element {
    /// Reads a line such as `  - button "Buy" [ref=e42_k3x9]`.
    fn read(line: &str) -> Option<Self> {
        let (role, name, rest) = head(line)?;
        // After a colon stand the page's own words.
        let attributes = rest.split(": ").next()?;
        let (_, after) = attributes.rsplit_once("[ref=")?;
        let (target, _) = after.split_once(']')?;
        Some(Self {
            target: target.into(),
            role: role.into(),
            name,
        })
    }
}

/// Role and name of a line of a snapshot, and what follows.
fn head(line: &str) -> Option<(&str, String, &str)> {
    let item = line.trim_start().strip_prefix("- ")?;
    let role = item.split([' ', ':']).next()?;
    let named = item[role.len()..].trim_start();
    // A name is JSON text.
    let (name, rest) = named.split_at(quoted(named));
    let name: Value = serde_json::from_str(name).unwrap_or_default();
    Some((role, name.as_str().unwrap_or_default().to_owned(), rest))
}

/// How long the JSON text is that `named` begins with.
fn quoted(named: &str) -> usize {
    let mut escaped = false;
    let closes = |(at, byte): (usize, u8)| {
        let closes = at > 0 && byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes.then_some(at + 1)
    };
    let begins = named.starts_with('"');
    let end = begins.then(|| named.bytes().enumerate().find_map(closes));
    end.flatten().unwrap_or(0)
}

/// The elements of a snapshot that can be acted on.
pub(super) fn elements(snapshot: &str) -> impl Iterator<Item = Element> {
    snapshot.lines().filter_map(Element::read)
}

/// The layers that a page has put over itself, each with what can be acted on in it.
pub(super) fn layers(snapshot: &str) -> Vec<Value> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut layers = Vec::new();
    let mut lines = snapshot.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((role @ ("dialog" | "alertdialog"), text, _)) = head(line) else {
            continue;
        };
        let mut inside = Vec::new();
        while let Some(line) = lines.next_if(|inner| indent(inner) > indent(line)) {
            inside.extend(Element::read(line));
        }
        let element = |one: Element| json!({"ref": one.target, "type": one.role, "text": one.name});
        let elements: Vec<Value> = inside.into_iter().map(element).collect();
        layers.push(json!({"type": role, "text": text, "elements": elements}));
    }
    layers
}

/// The session's own tabs of a list, in whose order v1 counts.
pub(super) fn own(list: &Value) -> impl Iterator<Item = &Value> {
    let tabs = list["tabs"].as_array().into_iter().flatten();
    tabs.filter(|tab| tab["state"] == "yours")
}

pub(super) fn tab_id(tab: &Value) -> Option<TabId> {
    u32::try_from(tab["tabId"].as_u64()?).ok().map(TabId)
}

pub(super) fn tabs(list: &Value, at: &At<'_, '_>) -> Vec<Value> {
    let told = |(index, tab): (usize, &Value)| {
        let facts = tab_id(tab).and_then(at.seen.tab);
        json!({
            "id": tab["tabId"],
            "windowId": facts.map(|facts| facts.window_id),
            "index": index,
            "url": tab["url"],
            "title": tab["title"],
            "active": list["current"] == tab["tabId"],
            "status": facts.map(|facts| &facts.status),
        })
    };
    own(list).enumerate().map(told).collect()
}
