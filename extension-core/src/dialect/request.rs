//! What each type of v1 asks for: our command, and what its answer becomes. The types are those
//! that the original's servers send, those of its own older extension, and the short forms that its
//! manager took for them.

use super::plan::Plan;
use super::script;
use super::shape::Wanted;
use protocol::command::{
    ConsoleLevel, ConsoleMessages, Evaluate, ImageFormat, Navigate, NetworkRequests, Region,
    Screenshot, TabsAction, WaitFor,
};
use protocol::{Command, Fault, TabId, json, limits};
use serde_json::{Value, json};
use std::time::Duration;

/// How a request is met.
#[derive(Debug)]
pub(super) enum Read {
    /// By a command.
    Command(Command, Plan),
    /// At once.
    Done(Value),
}

/// Reads a request; none for a type that nobody knows.
pub(super) fn read(kind: &str, payload: &Value) -> Option<Result<Read, Fault>> {
    let ask = Ask { kind, payload };
    let command = |command, plan| Ok(Read::Command(command, plan));
    let popups = payload["detectPopups"] == true;
    Some(match kind {
        "browser_navigate" if payload.get("action").is_none() => ask.open(),
        "browser_navigate" | "navigate" => match payload["action"].as_str() {
            Some("goto") | None => ask.goto(Plan::Success),
            Some("back") => command(Command::Navigate(Navigate::Back), Plan::Success),
            Some("forward") => command(Command::Navigate(Navigate::Forward), Plan::Success),
            Some("refresh") => command(Command::Navigate(Navigate::Reload), Plan::Success),
            Some(other) => bad(format!("navigate action not supported: {other}")),
        },
        "page.navigate" => ask.goto(Plan::Nothing),
        "browser_go_back" | "page.goBack" => {
            command(Command::Navigate(Navigate::Back), Plan::Nothing)
        }
        "browser_go_forward" | "page.goForward" => {
            command(Command::Navigate(Navigate::Forward), Plan::Nothing)
        }
        "browser_refresh" => command(Command::Navigate(Navigate::Reload), Plan::Success),
        "snapshot.accessibility" => {
            let whole = payload["mode"].is_null() && payload["level"].is_null();
            let plan = if whole {
                Plan::Elements
            } else {
                Plan::Snapshot
            };
            command(Command::Snapshot, plan)
        }
        "dom.click" => ask.ours(
            "browser_click",
            json!({"target": payload["ref"]}),
            Plan::Acted { popups },
        ),
        "dom.hover" => ask.ours(
            "browser_hover",
            json!({"target": payload["ref"]}),
            Plan::Success,
        ),
        "dom.type" => {
            let submit = payload["submit"] == true;
            let ours = json!({"target": payload["ref"], "text": payload["text"], "submit": submit});
            ask.ours("browser_type", ours, Plan::Success)
        }
        "dom.select" => {
            let ours = json!({"target": payload["ref"], "values": payload["values"]});
            ask.ours("browser_select_option", ours, Plan::Success)
        }
        "browser_press_key" | "keyboard.press" => ask.ours(
            "browser_press_key",
            json!({"key": payload["key"]}),
            Plan::Success,
        ),
        // A server means seconds; its own older extension was asked for milliseconds.
        "browser_wait" => ask.wait(1.0),
        "page.wait" => ask.wait(1000.0),
        "console.get" => {
            let wanted = ask.wanted("");
            command(console(), Plan::Logs(wanted))
        }
        "browser_screenshot" | "screenshot" | "screenshot.capture" => ask.picture(),
        "tabs.list" => command(Command::Tabs(TabsAction::List), Plan::Tabs),
        "tabs.select" => ask.select(),
        "tabs.new" => ask.new_tab(popups),
        "tabs.close" => ask.close(),
        "browser_tab" => {
            let action = payload["action"].as_str().unwrap_or("list");
            return read(&format!("tabs.{action}"), payload);
        }
        // The debugger is there whenever it is needed: what is gathered is gathered from here on.
        "debugger.attach" => command(console(), Plan::Attached),
        "debugger.detach" => Ok(Read::Done(json!({"success": true}))),
        "debugger.getData" => ask.debugger_data(),
        "js.execute" => ask.execute(),
        "js.evaluate" => {
            let target = &payload["elementRef"];
            let mut ours = json!({"function": payload["expression"]});
            if !target.is_null() {
                ours["target"] = target.clone();
            }
            ask.ours("browser_evaluate", ours, Plan::Result)
        }
        "dialog.handle" => {
            let ours = json!({"accept": payload["accept"], "promptText": payload["promptText"]});
            ask.ours("browser_handle_dialog", ours, Plan::Success)
        }
        "network.getRequests" => command(network(), Plan::Requests),
        "ping" => Ok(Read::Done(Value::Null)),
        _ => return None,
    })
}

/// The tab that a request names; servers differ in whether it is a number.
///
/// # Errors
/// `bad_arguments` for what is none.
pub(super) fn tab(payload: &Value) -> Result<Option<TabId>, Fault> {
    let named = &payload["tabId"];
    let number = match named {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let tab = number.and_then(|tab| u32::try_from(tab).ok()).map(TabId);
    tab.map(Some).ok_or_else(|| Fault::BadArguments {
        what: format!("`tabId` is a number, not {}", json::text(named)),
    })
}

/// How long the command may take, where the request says so: a script's promise as long as it names.
pub(super) fn lasts(command: &Command, payload: &Value) -> Option<Duration> {
    match command {
        Command::Evaluate(_) => {
            let asked = Duration::from_millis(payload["timeout"].as_u64()?);
            Some(asked.clamp(Duration::from_secs(1), limits::CALL_DEADLINE_MAX))
        }
        Command::Navigate(_)
        | Command::Snapshot
        | Command::Click(_)
        | Command::Type(_)
        | Command::PressKey(_)
        | Command::Hover(_)
        | Command::MouseWheel(_)
        | Command::SelectOption(_)
        | Command::WaitFor(_)
        | Command::Screenshot(_)
        | Command::HandleDialog(_)
        | Command::ConsoleMessages(_)
        | Command::NetworkRequests(_)
        | Command::Tabs(_)
        | Command::Session => None,
    }
}

fn bad<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::BadArguments { what: what.into() })
}

fn console() -> Command {
    let level = ConsoleLevel::Debug;
    Command::ConsoleMessages(ConsoleMessages { level })
}

fn network() -> Command {
    Command::NetworkRequests(NetworkRequests {
        include_static: true,
        filter: None,
    })
}

struct Ask<'a> {
    kind: &'a str,
    payload: &'a Value,
}

impl Ask<'_> {
    /// One of our commands, by its name and arguments.
    fn ours(&self, name: &str, payload: Value, plan: Plan) -> Result<Read, Fault> {
        Ok(Read::Command(Command::decode(name, &payload)?, plan))
    }

    fn goto(&self, plan: Plan) -> Result<Read, Fault> {
        match self.payload["url"].as_str() {
            Some(url) => self.ours("browser_navigate", json!({"url": url}), plan),
            None => bad(format!("{} requires a url", self.kind)),
        }
    }

    fn open(&self) -> Result<Read, Fault> {
        self.goto(Plan::Opened {
            popups: self.payload["detectPopups"] != false,
            snapshot: self.payload["snapshot"] != false,
        })
    }

    fn wait(&self, of_a_second: f64) -> Result<Read, Fault> {
        let time = self.payload["time"].as_f64().unwrap_or(of_a_second) / of_a_second;
        let wait = WaitFor {
            time: Some(time),
            ..WaitFor::default()
        };
        let longest = limits::CALL_DEADLINE_MAX - limits::CALL_DEADLINE;
        if !(0.0..=longest.as_secs_f64()).contains(&time) {
            return bad(format!("`time` is 0 to {} seconds", longest.as_secs()));
        }
        Ok(Read::Command(Command::WaitFor(wait), Plan::Success))
    }

    fn wanted(&self, kind: &str) -> Wanted {
        let text = |name: &str| self.payload[name].as_str().unwrap_or_default().to_owned();
        let limit = self.payload["limit"].as_u64();
        let named = text("type");
        Wanted {
            kind: if named.is_empty() { kind.into() } else { named },
            filter: text("filter"),
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
        }
    }

    /// What only makes the picture smaller is the server's own work, and done there again.
    fn picture(&self) -> Result<Read, Fault> {
        let format = match self.payload["format"].as_str() {
            Some("jpeg" | "jpg") => ImageFormat::Jpeg,
            Some("webp") => ImageFormat::Webp,
            Some(_) | None => ImageFormat::Png,
        };
        let named = &self.payload["region"];
        let side = |name: &str| u32::try_from(named[name].as_u64()?).ok();
        let sides = side("x")
            .zip(side("y"))
            .zip(side("width").zip(side("height")));
        let region = sides.map(|((x, y), (width, height))| Region {
            x,
            y,
            width,
            height,
        });
        let region = region.filter(|region| region.width > 0 && region.height > 0);
        let mode = self.payload["captureMode"].as_str().unwrap_or_default();
        if mode == "region" && region.is_none() {
            return bad("`region` is {x, y, width, height}");
        }
        let screenshot = Screenshot {
            format,
            full_page: mode.starts_with("full"),
            region: region.filter(|_| mode == "region"),
            ..Screenshot::default()
        };
        Ok(Read::Command(
            Command::Screenshot(screenshot),
            Plan::Picture,
        ))
    }

    fn index(&self) -> Option<usize> {
        usize::try_from(self.payload["index"].as_u64()?).ok()
    }

    fn select(&self) -> Result<Read, Fault> {
        let list = Command::Tabs(TabsAction::List);
        match (tab(self.payload)?, self.index()) {
            (Some(tab), _) => {
                let activate = false;
                let select = Command::Tabs(TabsAction::Select { tab, activate });
                Ok(Read::Command(select, Plan::Placed { popups: false }))
            }
            (None, Some(index)) => Ok(Read::Command(list, Plan::SelectAt { index })),
            (None, None) => bad("tabs.select requires a valid tabId or index"),
        }
    }

    fn new_tab(&self, popups: bool) -> Result<Read, Fault> {
        let mut ours = json!({"action": "new"});
        if let Some(url) = self.payload["url"].as_str().filter(|url| !url.is_empty()) {
            ours["url"] = json!(url);
        }
        self.ours("browser_tabs", ours, Plan::Placed { popups })
    }

    fn close(&self) -> Result<Read, Fault> {
        let list = Command::Tabs(TabsAction::List);
        match (tab(self.payload)?, self.index()) {
            (None, Some(index)) => Ok(Read::Command(list, Plan::CloseAt { index })),
            (None, None) if !self.payload["index"].is_null() => {
                bad("tabs.close requires a valid tabId or index, or neither")
            }
            (tab, _) => {
                let close = Command::Tabs(TabsAction::Close { tab });
                Ok(Read::Command(close, Plan::Success))
            }
        }
    }

    fn debugger_data(&self) -> Result<Read, Fault> {
        let wanted = self.wanted("console");
        let command = match wanted.kind.as_str() {
            "console" | "errors" => console(),
            "network" => network(),
            "performance" => return self.script(script::PERFORMANCE.into(), Plan::Data(wanted)),
            _ => return bad("`type` is console, network, performance or errors"),
        };
        Ok(Read::Command(command, Plan::Data(wanted)))
    }

    fn execute(&self) -> Result<Read, Fault> {
        let Self { payload, .. } = self;
        let text = match (payload["code"].as_str(), payload["method"].as_str()) {
            (Some(code), _) => script::code(code),
            (None, Some(method)) => {
                let args = &payload["args"];
                // One alone may stand without its list.
                let alone = || args.clone();
                let list = args.as_array().cloned();
                let args =
                    list.unwrap_or_else(|| (!args.is_null()).then(alone).into_iter().collect());
                match script::method(method, &args) {
                    Some(text) => text,
                    None => return bad(format!("API method not found: {method}")),
                }
            }
            (None, None) => return bad("js.execute requires either \"code\" or \"method\""),
        };
        self.script(text, Plan::Result)
    }

    fn script(&self, function: String, plan: Plan) -> Result<Read, Fault> {
        let longest = u64::try_from(limits::SCRIPT_MAX.as_millis()).unwrap_or(u64::MAX);
        let timeout = self.payload["timeout"].as_u64();
        if function.trim().is_empty() {
            return bad("`code` is empty");
        }
        let evaluate = Evaluate {
            function,
            target: None,
            element: None,
            timeout_ms: timeout.map(|ms| ms.clamp(1, longest)),
        };
        Ok(Read::Command(Command::Evaluate(evaluate), plan))
    }
}
