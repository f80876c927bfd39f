//! The tools as clients see them: names, words, schemas and hints, in the order in which a model
//! should meet them; and how a client's arguments become a request. Schemas are data written by
//! hand, because strict clients refuse what generators emit (`format`, `$ref`, unions with null).
//! What is a good argument is decided by `protocol::Command::decode` alone.

use protocol::command::{Command, NAMES, Navigate, TabsAction};
use protocol::error::Fault;
use protocol::ids::TabId;
use protocol::limits;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use server_core::CallRequest;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A client's call, ready to be made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prepared {
    /// What goes to the browser.
    pub(super) request: CallRequest,
    /// The same, read.
    pub(super) command: Command,
    /// `browser_take_screenshot`: the file that takes the image.
    pub(super) filename: Option<String>,
}

/// All tools, always the same ones in the same order.
pub(super) fn all() -> &'static [Tool] {
    static TOOLS: OnceLock<Vec<Tool>> = OnceLock::new();
    TOOLS.get_or_init(|| table().into_iter().map(Row::into_tool).collect())
}

/// Reads the arguments of the tool `name`; None where there is no such tool.
///
/// # Errors
/// `bad_arguments`, naming the argument, or `url_refused`.
pub(super) fn prepare(name: &str, arguments: JsonObject) -> Option<Result<Prepared, Fault>> {
    let name = NAMES.iter().find(|known| **known == name)?;
    Some(read(name, arguments))
}

fn read(name: &str, mut arguments: JsonObject) -> Result<Prepared, Fault> {
    // Models write null for what they leave out.
    arguments.retain(|_, value| !value.is_null());
    let (mut tab, mut wait_ms, mut filename, mut browser) = (None, None, None, None);
    if on_page(name) {
        tab = arguments.remove("tabId").map(tab_id).transpose()?;
        wait_ms = arguments.remove("wait").map(wait).transpose()?;
    }
    if name == "browser_take_screenshot" {
        filename = text(&mut arguments, "filename")?;
    }
    if name == "browser_session" {
        browser = text(&mut arguments, "browser")?;
    }
    let mut payload = Value::Object(arguments);
    let command = Command::decode(name, &payload)?;
    if let Some(browser) = browser {
        // The session's own side reads it, no browser does.
        payload["browser"] = browser.into();
    }
    let deadline_ms = lasts(&command).map(|more| {
        let deadline = (limits::CALL_DEADLINE + more).min(limits::CALL_DEADLINE_MAX);
        u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)
    });
    Ok(Prepared {
        request: CallRequest {
            name: name.to_owned(),
            payload,
            tab,
            wait_ms,
            deadline_ms,
        },
        command,
        filename,
    })
}

/// Every tool but the two about tabs and sessions acts on a page.
fn on_page(name: &str) -> bool {
    !matches!(name, "browser_tabs" | "browser_session")
}

fn bad<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::BadArguments { what: what.into() })
}

fn tab_id(value: Value) -> Result<TabId, Fault> {
    serde_json::from_value(value).or_else(|_| bad("`tabId` is a number from `browser_tabs`"))
}

fn wait(value: Value) -> Result<u64, Fault> {
    let longest = limits::CLAIM_WAIT_MAX.as_secs_f64();
    match value.as_f64() {
        Some(seconds) if (0.0..=longest).contains(&seconds) => {
            let wait = Duration::from_secs_f64(seconds);
            Ok(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
        }
        Some(_) | None => bad(format!("`wait` is 0 to {longest} seconds")),
    }
}

fn text(arguments: &mut JsonObject, name: &str) -> Result<Option<String>, Fault> {
    match arguments.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(
            Value::String(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_),
        ) => bad(format!("`{name}` is a text, not empty")),
    }
}

/// The time that a caller allows a command beside what every call has.
fn lasts(command: &Command) -> Option<Duration> {
    match command {
        Command::Evaluate(evaluate) => evaluate.timeout_ms.map(Duration::from_millis),
        Command::Navigate(
            Navigate::To(_) | Navigate::Back | Navigate::Forward | Navigate::Reload,
        )
        | Command::Snapshot
        | Command::Click(_)
        | Command::Type(_)
        | Command::PressKey(_)
        | Command::Hover(_)
        | Command::MouseWheel(_)
        | Command::SelectOption(_)
        | Command::Screenshot(_)
        | Command::HandleDialog(_)
        | Command::ConsoleMessages(_)
        | Command::NetworkRequests(_)
        // Its time passes before its deadline begins (PROTOCOL.md).
        | Command::WaitFor(_)
        | Command::Tabs(
            TabsAction::List
            | TabsAction::New { .. }
            | TabsAction::Select { .. }
            | TabsAction::Close { .. }
            | TabsAction::Release { .. }
            | TabsAction::Handoff { .. },
        )
        | Command::Session => None,
    }
}

/// One tool. `properties` is a JSON object of schemas.
struct Row {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    hints: Hints,
    properties: Value,
    required: &'static [&'static str],
}

/// What a client may assume before it lets a tool run.
#[derive(Clone, Copy)]
enum Hints {
    /// Looks at a page and changes nothing.
    Looks,
    /// Looks, and the next call sees something else.
    Drains,
    /// Acts on a page: whatever a page can do may happen.
    Acts,
    /// Opens, shows or closes tabs; doing it twice may do it twice.
    MovesTabs,
    /// Tells about the session, and may move it.
    MovesSession,
}

impl Hints {
    /// read-only, destructive, idempotent, open world
    fn flags(self) -> [bool; 4] {
        match self {
            Self::Looks => [true, false, true, true],
            Self::Drains => [true, false, false, true],
            Self::Acts | Self::MovesTabs => [false, true, false, true],
            Self::MovesSession => [false, false, true, false],
        }
    }
}

impl Row {
    fn into_tool(self) -> Tool {
        let mut properties = match self.properties {
            Value::Object(properties) => properties,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        };
        if on_page(self.name) {
            properties.insert(
                "tabId".into(),
                json!({
                    "type": "integer",
                    "description": "Default: your current tab",
                }),
            );
            properties.insert(
                "wait".into(),
                json!({
                    "type": "number",
                    "description": "Seconds (0-300) to queue for another agent's tab; default 30",
                }),
            );
        }
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        if !self.required.is_empty() {
            schema.insert("required".into(), json!(self.required));
        }
        schema.insert("additionalProperties".into(), false.into());
        let [reads, destroys, repeats, open] = self.hints.flags();
        let annotations = ToolAnnotations::with_title(self.title)
            .read_only(reads)
            .destructive(destroys)
            .idempotent(repeats)
            .open_world(open);
        Tool::new(self.name, self.description, Arc::new(schema))
            .with_title(self.title)
            .with_annotations(annotations)
    }
}

fn target() -> Value {
    json!({"type": "string", "description": "Element ref from browser_snapshot"})
}

fn element() -> Value {
    json!({"type": "string", "description": "What the element is, for people"})
}

fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

fn string(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn table() -> Vec<Row> {
    vec![
        Row {
            name: "browser_navigate",
            title: "Navigate",
            description: "Go to a URL, or back, forward, or reload.",
            hints: Hints::Acts,
            properties: json!({
                "url": string("http(s) URL; with action goto only"),
                "action": {
                    "type": "string",
                    "enum": ["goto", "back", "forward", "reload"],
                    "description": "Default goto",
                },
            }),
            required: &[],
        },
        Row {
            name: "browser_navigate_back",
            title: "Go back",
            description: "Go back one page in the tab's history.",
            hints: Hints::Acts,
            properties: json!({}),
            required: &[],
        },
        Row {
            name: "browser_snapshot",
            title: "Page snapshot",
            description: "The page as an accessibility tree with element refs. Take one before you \
                click or type; better than a screenshot.",
            hints: Hints::Looks,
            properties: json!({}),
            required: &[],
        },
        Row {
            name: "browser_click",
            title: "Click",
            description: "Click an element with real mouse input.",
            hints: Hints::Acts,
            properties: json!({
                "target": target(),
                "element": element(),
                "button": {"type": "string", "enum": ["left", "right", "middle"]},
                "doubleClick": {"type": "boolean"},
                "modifiers": {
                    "type": "array",
                    "items": {
                        "type": "string",
                        "enum": ["Alt", "Control", "ControlOrMeta", "Meta", "Shift"],
                    },
                },
            }),
            required: &["target"],
        },
        Row {
            name: "browser_type",
            title: "Type text",
            description: "Replace the text of an editable element.",
            hints: Hints::Acts,
            properties: json!({
                "target": target(),
                "element": element(),
                "text": {"type": "string"},
                "submit": flag("Press Enter afterwards"),
                "slowly": flag("Key by key, for pages that watch keys"),
            }),
            required: &["target", "text"],
        },
        Row {
            name: "browser_press_key",
            title: "Press a key",
            description: "Press a key in whatever has the focus: a character or a name (Enter, \
                ArrowDown), with modifiers: Control+a, Shift+Tab.",
            hints: Hints::Acts,
            properties: json!({"key": {"type": "string"}}),
            required: &["key"],
        },
        Row {
            name: "browser_hover",
            title: "Hover",
            description: "Bring the mouse over an element and leave it there.",
            hints: Hints::Acts,
            properties: json!({"target": target(), "element": element()}),
            required: &["target"],
        },
        Row {
            name: "browser_mouse_wheel",
            title: "Scroll",
            description: "Turn the mouse wheel over an element, or in the middle of the page.",
            hints: Hints::Acts,
            properties: json!({
                "target": target(),
                "element": element(),
                "deltaX": {"type": "number"},
                "deltaY": {"type": "number", "description": "Pixels down"},
            }),
            required: &[],
        },
        Row {
            name: "browser_select_option",
            title: "Select options",
            description: "Select options of a list (combobox, listbox), and no others.",
            hints: Hints::Acts,
            properties: json!({
                "target": target(),
                "element": element(),
                "values": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Labels or values",
                },
            }),
            required: &["target", "values"],
        },
        Row {
            name: "browser_wait_for",
            title: "Wait",
            description: "Wait until a text appears, a text is gone, or a time has passed; all \
                that are given must come true.",
            hints: Hints::Looks,
            properties: json!({
                "time": {"type": "number", "description": "Seconds, 0-270; they pass first"},
                "text": string("Text that appears, within 30 s"),
                "textGone": string("Text that goes away, within 30 s"),
            }),
            required: &[],
        },
        Row {
            name: "browser_evaluate",
            title: "Run JavaScript",
            description: "Run JavaScript in the page and get its result as JSON. Promises are \
                awaited.",
            hints: Hints::Acts,
            properties: json!({
                "function": string(
                    "() => { ... }, or (element) => { ... } with target, or an expression"
                ),
                "target": target(),
                "element": element(),
                "timeoutMs": {
                    "type": "integer",
                    "description": "Synchronous work allowed, 1-30000; default 5000",
                },
            }),
            required: &["function"],
        },
        Row {
            name: "browser_take_screenshot",
            title: "Screenshot",
            description: "Take a picture of the page or of one element.",
            hints: Hints::Looks,
            properties: json!({
                "type": {
                    "type": "string",
                    "enum": ["png", "jpeg", "webp"],
                    "description": "Default png",
                },
                "fullPage": flag("The whole page, not only what is in view; not with target"),
                "target": target(),
                "element": element(),
                "filename": string(
                    "Write the image to this file (in the working folder) instead of returning it"
                ),
            }),
            required: &[],
        },
        Row {
            name: "browser_handle_dialog",
            title: "Answer a dialog",
            description: "Answer the page's open alert, confirm, prompt or beforeunload dialog.",
            hints: Hints::Acts,
            properties: json!({
                "accept": flag("true = OK, false = Cancel"),
                "promptText": string("Text for a prompt"),
            }),
            required: &["accept"],
        },
        Row {
            name: "browser_console_messages",
            title: "Console messages",
            description: "What the page wrote to its console since the last call, with uncaught \
                exceptions.",
            hints: Hints::Drains,
            properties: json!({
                "level": {
                    "type": "string",
                    "enum": ["error", "warning", "info", "debug"],
                    "description": "The least severe one wanted; default info",
                },
            }),
            required: &[],
        },
        Row {
            name: "browser_network_requests",
            title: "Network requests",
            description: "Requests of the page since it was loaded, as far as seen: method, URL, \
                status or failure.",
            hints: Hints::Looks,
            properties: json!({
                "static": flag("Successful scripts, styles, images and fonts too"),
                "filter": string("Part of the URL"),
            }),
            required: &[],
        },
        Row {
            name: "browser_tabs",
            title: "Tabs",
            description: "list tabs (yours in full; others' and free ones by id); open a new one \
                and make it current; select the current one; close one; release one to whoever \
                waits; handoff one to another agent.",
            hints: Hints::MovesTabs,
            properties: json!({
                "action": {
                    "type": "string",
                    "enum": ["list", "new", "select", "close", "release", "handoff"],
                },
                "tabId": {
                    "type": "integer",
                    "description": "For select (required), close, release, handoff; default: \
                        your current tab",
                },
                "url": string("For new"),
                "to": string("For handoff: the receiver's alias, from browser_session"),
                "after": {
                    "type": "integer",
                    "description": "For release: seconds (1-300) until it happens by itself",
                },
                "activate": flag("For new and select: show the tab to the user"),
            }),
            required: &["action"],
        },
        Row {
            name: "browser_session",
            title: "Session",
            description: "Who you are, which browser this is, which other agents share it, who \
                waits for which tab.",
            hints: Hints::MovesSession,
            properties: json!({
                "browser": string(
                    "Move to this connected browser, leaving your tabs behind; only when told to"
                ),
            }),
            required: &[],
        },
    ]
}

#[cfg(test)]
mod tests;
