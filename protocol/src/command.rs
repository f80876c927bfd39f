//! What a session may ask of its browser: names and arguments follow Playwright MCP, because
//! models know them (`design/tools.md`). `Command::decode` is the one place that says which
//! arguments are good; what they bring home is in `result`.

mod key;
mod result;

pub use key::{Chord, Key};
pub use result::{
    ConsoleMessage, Dialog, Image, NetworkRequest, PageResult, SessionResult, Source, TabEntry,
    TabState, TabsResult, Waiting,
};

use crate::error::Fault;
use crate::ids::{Alias, TabId};
use crate::{json, limits, url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A decoded command.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `browser_navigate`, and `browser_navigate_back` (which is `back`).
    Navigate(Navigate),
    /// `browser_snapshot`.
    Snapshot,
    /// `browser_click`.
    Click(Click),
    /// `browser_type`.
    Type(Type),
    /// `browser_press_key`.
    PressKey(Chord),
    /// `browser_hover`.
    Hover(Hover),
    /// `browser_mouse_wheel`.
    MouseWheel(MouseWheel),
    /// `browser_select_option`.
    SelectOption(SelectOption),
    /// `browser_evaluate`.
    Evaluate(Evaluate),
    /// `browser_wait_for`.
    WaitFor(WaitFor),
    /// `browser_take_screenshot`.
    Screenshot(Screenshot),
    /// `browser_handle_dialog`.
    HandleDialog(HandleDialog),
    /// `browser_console_messages`.
    ConsoleMessages(ConsoleMessages),
    /// `browser_network_requests`.
    NetworkRequests(NetworkRequests),
    /// `browser_tabs`.
    Tabs(TabsAction),
    /// `browser_session`.
    Session,
}

/// Every name that [`Command::decode`] knows.
pub const NAMES: &[&str] = &[
    "browser_navigate",
    "browser_navigate_back",
    "browser_snapshot",
    "browser_click",
    "browser_type",
    "browser_press_key",
    "browser_hover",
    "browser_mouse_wheel",
    "browser_select_option",
    "browser_evaluate",
    "browser_wait_for",
    "browser_take_screenshot",
    "browser_handle_dialog",
    "browser_console_messages",
    "browser_network_requests",
    "browser_tabs",
    "browser_session",
];

/// Where `browser_navigate` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Navigate {
    /// To this URL, completed and permitted (`url::complete`, `url::may_request`).
    To(String),
    /// One entry back in the history.
    Back,
    /// One entry forward.
    Forward,
    /// The same page again.
    Reload,
}

/// An element: a ref from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(pub String);

/// Longest ref accepted; ours have about 30 characters.
const TARGET_MAX: usize = 128;

/// `browser_click`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Click {
    /// The element.
    #[serde(alias = "ref")]
    pub target: Target,
    /// What the caller calls it; for people only.
    #[serde(default)]
    pub element: Option<String>,
    /// Which mouse button.
    #[serde(default)]
    pub button: Button,
    /// Twice.
    #[serde(default)]
    pub double_click: bool,
    /// Keys held down.
    #[serde(default)]
    pub modifiers: Vec<Modifier>,
}

/// A mouse button.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Button {
    /// The main one.
    #[default]
    Left,
    /// The context menu's.
    Right,
    /// The wheel.
    Middle,
}

/// A key held down during a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Modifier {
    /// Alt.
    Alt,
    /// Control.
    Control,
    /// Command on macOS, Control elsewhere.
    ControlOrMeta,
    /// Meta.
    Meta,
    /// Shift.
    Shift,
}

/// `browser_type`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Type {
    /// The element.
    #[serde(alias = "ref")]
    pub target: Target,
    /// What the caller calls it; for people only.
    #[serde(default)]
    pub element: Option<String>,
    /// Replaces what stands in it.
    pub text: String,
    /// Presses Enter afterwards.
    #[serde(default)]
    pub submit: bool,
    /// Key by key, for pages that watch keys.
    #[serde(default)]
    pub slowly: bool,
}

/// `browser_press_key`, as it comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPressKey {
    key: String,
}

/// `browser_hover`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hover {
    /// The element.
    #[serde(alias = "ref")]
    pub target: Target,
    /// What the caller calls it; for people only.
    #[serde(default)]
    pub element: Option<String>,
}

/// `browser_mouse_wheel`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MouseWheel {
    /// The element under the mouse; without, the mouse is in the middle of what is in view.
    #[serde(default, alias = "ref")]
    pub target: Option<Target>,
    /// What the caller calls it; for people only.
    #[serde(default)]
    pub element: Option<String>,
    /// To the right, in CSS pixels.
    #[serde(default)]
    pub delta_x: f64,
    /// Downwards, in CSS pixels.
    #[serde(default)]
    pub delta_y: f64,
}

/// The furthest that one call turns the wheel either way, in CSS pixels: longer than any page that
/// is looked at, and far from where numbers lose their meaning.
const WHEEL_MAX: u32 = 100_000;

/// `browser_select_option`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SelectOption {
    /// The list.
    #[serde(alias = "ref")]
    pub target: Target,
    /// What the caller calls it; for people only.
    #[serde(default)]
    pub element: Option<String>,
    /// Labels or values of what is to be selected, and nothing else then is; up to 100.
    pub values: Vec<String>,
}

/// Most options selected by one call: more names than anybody reads.
const VALUES_MAX: usize = 100;

/// `browser_evaluate`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evaluate {
    /// `() => …`, or `(element) => …` with a target, or an expression.
    pub function: String,
    /// The element handed to the function.
    #[serde(default, alias = "ref")]
    pub target: Option<Target>,
    /// What the caller calls it; for people only.
    #[serde(default)]
    pub element: Option<String>,
    /// Synchronous work allowed, 1 to 30 000 ms; 5 000 without.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// `browser_wait_for`: all that are given must come true.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitFor {
    /// Seconds, 0 to 270: it passes first, and the texts have the usual deadline after it.
    #[serde(default)]
    pub time: Option<f64>,
    /// A text that appears.
    #[serde(default)]
    pub text: Option<String>,
    /// A text that goes away.
    #[serde(default)]
    pub text_gone: Option<String>,
}

/// `browser_take_screenshot`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Screenshot {
    /// The image's format.
    #[serde(default, rename = "type")]
    pub format: ImageFormat,
    /// The whole page instead of what is in view.
    #[serde(default)]
    pub full_page: bool,
    /// Only this element.
    #[serde(default, alias = "ref")]
    pub target: Option<Target>,
    /// What the caller calls it; for people only.
    #[serde(default)]
    pub element: Option<String>,
    /// Only this part of what is in view. An older dialect asks for it; no command of this protocol.
    #[serde(skip)]
    pub region: Option<Region>,
}

/// A part of what is in view, in CSS pixels from its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// To the right.
    pub x: u32,
    /// Downwards.
    pub y: u32,
    /// Not 0.
    pub width: u32,
    /// Not 0.
    pub height: u32,
}

/// The format of a screenshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// Lossless.
    #[default]
    Png,
    /// Smaller.
    Jpeg,
    /// Smallest.
    Webp,
}

/// `browser_handle_dialog`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HandleDialog {
    /// OK, or Cancel.
    pub accept: bool,
    /// What is typed into a prompt.
    #[serde(default)]
    pub prompt_text: Option<String>,
}

/// `browser_console_messages`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsoleMessages {
    /// The least severe level that is wanted.
    #[serde(default)]
    pub level: ConsoleLevel,
}

/// How severe a line of the console is, as `browser_console_messages` is asked for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleLevel {
    /// Errors and uncaught exceptions.
    Error,
    /// And warnings.
    Warning,
    /// And what was logged.
    #[default]
    Info,
    /// Everything.
    Debug,
}

/// `browser_network_requests`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkRequests {
    /// Successful requests for images, fonts, scripts and the like, too.
    #[serde(default, rename = "static", alias = "includeStatic")]
    pub include_static: bool,
    /// Only URLs that contain this.
    #[serde(default)]
    pub filter: Option<String>,
}

/// `browser_tabs`. Only `New` with `activate` and `Select` with `activate` show anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabsAction {
    /// One's own in full, others' by alias and state.
    List,
    /// Makes one and makes it current.
    New {
        /// Permitted; `about:blank` without.
        url: Option<String>,
        /// Bring it to the front.
        activate: bool,
    },
    /// Makes an owned tab current.
    Select {
        /// Which one.
        tab: TabId,
        /// Bring it to the front.
        activate: bool,
    },
    /// Closes an owned tab; the current one without.
    Close {
        /// Which one.
        tab: Option<TabId>,
    },
    /// Gives it up to whoever waits first.
    Release {
        /// Which one; the current one without.
        tab: Option<TabId>,
        /// Do so by itself in so many seconds, 1 to 300; at once without.
        after_s: Option<u64>,
    },
    /// Gives it to one session.
    Handoff {
        /// Which one; the current one without.
        tab: Option<TabId>,
        /// The receiver.
        to: Alias,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawNavigate {
    url: Option<String>,
    #[serde(default)]
    action: NavigateAction,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum NavigateAction {
    #[default]
    Goto,
    Back,
    Forward,
    Reload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawTabs {
    action: TabsVerb,
    tab_id: Option<TabId>,
    url: Option<String>,
    to: Option<Alias>,
    after: Option<u64>,
    #[serde(default)]
    activate: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TabsVerb {
    List,
    New,
    Select,
    Close,
    Release,
    Handoff,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Command {
    /// Reads a command by its name and payload; `null` stands for `{}`.
    ///
    /// # Errors
    /// `bad_arguments` naming the argument, or `url_refused`.
    pub fn decode(name: &str, payload: &Value) -> Result<Self, Fault> {
        match name {
            "browser_navigate" => navigate(read(name, payload)?),
            "browser_navigate_back" => {
                read::<Nothing>(name, payload).map(|_| Self::Navigate(Navigate::Back))
            }
            "browser_snapshot" => read::<Nothing>(name, payload).map(|_| Self::Snapshot),
            "browser_click" => {
                let click: Click = read(name, payload)?;
                check_target(&click.target)?;
                Ok(Self::Click(click))
            }
            "browser_type" => {
                let typed: Type = read(name, payload)?;
                check_target(&typed.target)?;
                Ok(Self::Type(typed))
            }
            "browser_press_key" => {
                let RawPressKey { key } = read(name, payload)?;
                Chord::parse(&key).map(Self::PressKey)
            }
            "browser_hover" => {
                let hover: Hover = read(name, payload)?;
                check_target(&hover.target)?;
                Ok(Self::Hover(hover))
            }
            "browser_mouse_wheel" => mouse_wheel(read(name, payload)?),
            "browser_select_option" => {
                let select: SelectOption = read(name, payload)?;
                check_target(&select.target)?;
                if select.values.len() > VALUES_MAX {
                    return Err(bad(format!("`values` has at most {VALUES_MAX} entries")));
                }
                Ok(Self::SelectOption(select))
            }
            "browser_evaluate" => evaluate(read(name, payload)?),
            "browser_wait_for" => wait_for(read(name, payload)?),
            "browser_take_screenshot" => {
                let shot: Screenshot = read(name, payload)?;
                shot.target.as_ref().map_or(Ok(()), check_target)?;
                if shot.full_page && shot.target.is_some() {
                    return Err(bad("`fullPage` and `target` exclude each other"));
                }
                Ok(Self::Screenshot(shot))
            }
            "browser_handle_dialog" => read(name, payload).map(Self::HandleDialog),
            "browser_console_messages" => read(name, payload).map(Self::ConsoleMessages),
            "browser_network_requests" => read(name, payload).map(Self::NetworkRequests),
            "browser_tabs" => tabs(read(name, payload)?),
            "browser_session" => read::<Nothing>(name, payload).map(|_| Self::Session),
            _ => Err(bad(format!(
                "there is no command `{name}`; known are {}",
                NAMES.join(", ")
            ))),
        }
    }

    /// Whether the command takes a turn on a tab. Tab and session matters and dialog handling
    /// never do (`design/tabs.md`, *Turns*).
    #[must_use]
    pub fn takes_turn(&self) -> bool {
        match self {
            Self::Navigate(_)
            | Self::Snapshot
            | Self::Click(_)
            | Self::Type(_)
            | Self::PressKey(_)
            | Self::Hover(_)
            | Self::MouseWheel(_)
            | Self::SelectOption(_)
            | Self::Evaluate(_)
            | Self::WaitFor(_)
            | Self::Screenshot(_)
            | Self::ConsoleMessages(_)
            | Self::NetworkRequests(_) => true,
            Self::HandleDialog(_) | Self::Tabs(_) | Self::Session => false,
        }
    }

    /// Whether the command only looks. Everything else is never run twice.
    #[must_use]
    pub fn reads_only(&self) -> bool {
        match self {
            Self::Snapshot
            | Self::WaitFor(_)
            | Self::Screenshot(_)
            | Self::NetworkRequests(_)
            | Self::Session => true,
            Self::Tabs(action) => matches!(action, TabsAction::List),
            // Reading the console moves the mark of what was read.
            Self::ConsoleMessages(_)
            | Self::Navigate(_)
            | Self::Click(_)
            | Self::Type(_)
            | Self::PressKey(_)
            | Self::Hover(_)
            | Self::MouseWheel(_)
            | Self::SelectOption(_)
            | Self::Evaluate(_)
            | Self::HandleDialog(_) => false,
        }
    }
}

fn mouse_wheel(wheel: MouseWheel) -> Result<Command, Fault> {
    wheel.target.as_ref().map_or(Ok(()), check_target)?;
    let deltas = [wheel.delta_x, wheel.delta_y];
    if deltas == [0.0, 0.0] {
        return Err(bad("one of `deltaX` and `deltaY` is not 0"));
    }
    if deltas
        .iter()
        .any(|delta| delta.abs() > f64::from(WHEEL_MAX))
    {
        return Err(bad(format!(
            "`deltaX` and `deltaY` are at most {WHEEL_MAX} pixels either way"
        )));
    }
    Ok(Command::MouseWheel(wheel))
}

fn bad(what: impl Into<String>) -> Fault {
    Fault::BadArguments { what: what.into() }
}

fn read<T: DeserializeOwned>(name: &str, payload: &Value) -> Result<T, Fault> {
    let empty = Value::Object(serde_json::Map::new());
    let payload = if payload.is_null() { &empty } else { payload };
    if !payload.is_object() {
        return Err(bad(format!("{name}: the arguments are an object")));
    }
    json::read(payload).map_err(|error| bad(format!("{name}: {error}")))
}

fn check_target(target: &Target) -> Result<(), Fault> {
    if target.0.is_empty() || target.0.len() > TARGET_MAX {
        return Err(bad("`target` is a ref from a snapshot, such as e12"));
    }
    Ok(())
}

fn permitted(typed: &str) -> Result<String, Fault> {
    let url = url::complete(typed);
    if url::may_request(&url) {
        Ok(url)
    } else {
        Err(Fault::UrlRefused { url })
    }
}

fn navigate(raw: RawNavigate) -> Result<Command, Fault> {
    let to = match (raw.action, raw.url) {
        (NavigateAction::Goto, Some(url)) => Navigate::To(permitted(&url)?),
        (NavigateAction::Goto, None) => return Err(bad("`url` is missing")),
        (_, Some(_)) => return Err(bad("`url` goes with the action `goto` only")),
        (NavigateAction::Back, None) => Navigate::Back,
        (NavigateAction::Forward, None) => Navigate::Forward,
        (NavigateAction::Reload, None) => Navigate::Reload,
    };
    Ok(Command::Navigate(to))
}

fn evaluate(raw: Evaluate) -> Result<Command, Fault> {
    let longest = u64::try_from(limits::SCRIPT_MAX.as_millis()).unwrap_or(u64::MAX);
    if raw.timeout_ms.is_some_and(|ms| ms == 0 || ms > longest) {
        return Err(bad(format!("`timeoutMs` is 1 to {longest}")));
    }
    if raw.function.trim().is_empty() {
        return Err(bad("`function` is empty"));
    }
    raw.target.as_ref().map_or(Ok(()), check_target)?;
    Ok(Command::Evaluate(raw))
}

fn wait_for(raw: WaitFor) -> Result<Command, Fault> {
    if raw.time.is_none() && raw.text.is_none() && raw.text_gone.is_none() {
        return Err(bad("one of `time`, `text`, `textGone` is needed"));
    }
    let longest = limits::CALL_DEADLINE_MAX - limits::CALL_DEADLINE;
    if raw
        .time
        .is_some_and(|time| !(0.0..=longest.as_secs_f64()).contains(&time))
    {
        let longest = longest.as_secs();
        return Err(bad(format!("`time` is 0 to {longest} seconds")));
    }
    if [&raw.text, &raw.text_gone]
        .into_iter()
        .flatten()
        .any(String::is_empty)
    {
        return Err(bad("`text` and `textGone` are not empty"));
    }
    Ok(Command::WaitFor(raw))
}

fn tabs(raw: RawTabs) -> Result<Command, Fault> {
    let RawTabs {
        action,
        tab_id: tab,
        url,
        to,
        after,
        activate,
    } = raw;
    let extra = |name: &str| bad(format!("`{name}` does not go with this action"));
    match action {
        TabsVerb::New => {}
        TabsVerb::Select => {
            if url.is_some() {
                return Err(extra("url"));
            }
        }
        TabsVerb::List | TabsVerb::Close | TabsVerb::Release | TabsVerb::Handoff => {
            if url.is_some() {
                return Err(extra("url"));
            }
            if activate {
                return Err(extra("activate"));
            }
        }
    }
    if to.is_some() && !matches!(action, TabsVerb::Handoff) {
        return Err(extra("to"));
    }
    if after.is_some() && !matches!(action, TabsVerb::Release) {
        return Err(extra("after"));
    }
    if tab.is_some() && matches!(action, TabsVerb::List | TabsVerb::New) {
        return Err(extra("tabId"));
    }
    Ok(Command::Tabs(match action {
        TabsVerb::List => TabsAction::List,
        TabsVerb::New => TabsAction::New {
            url: url.as_deref().map(permitted).transpose()?,
            activate,
        },
        TabsVerb::Select => TabsAction::Select {
            tab: tab.ok_or_else(|| bad("`tabId` is missing"))?,
            activate,
        },
        TabsVerb::Close => TabsAction::Close { tab },
        TabsVerb::Release => {
            let longest = limits::CLAIM_WAIT_MAX.as_secs();
            if after.is_some_and(|after| after == 0 || after > longest) {
                return Err(bad(format!("`after` is 1 to {longest} seconds")));
            }
            TabsAction::Release {
                tab,
                after_s: after,
            }
        }
        TabsVerb::Handoff => TabsAction::Handoff {
            tab,
            to: to.ok_or_else(|| bad("`to` (an alias) is missing"))?,
        },
    }))
}

#[cfg(test)]
mod tests;
