//! Which request of v1 is meant by a command of ours, and what its reply means. What the original's
//! extension cannot do, or would do as something else, is refused.

use protocol::command::{
    Button, ConsoleLevel, ConsoleMessage, Image, ImageFormat, Navigate, PageResult, TabsAction,
    WaitFor,
};
use protocol::{Command, Fault, Target, limits};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a text is waited for; the extension's own patience is ours to name.
const TEXT_MAX: Duration = Duration::from_secs(20);
/// A script's answer takes so much longer than the script.
const SLACK: Duration = Duration::from_secs(1);
/// Characters of the extension's words that go into a sentence of ours.
const REASON_MAX: usize = 200;

/// Waits, then looks for texts. The extension's own `browser_wait` counts in milliseconds or in
/// seconds, depending on its version.
const WAIT: &str = "const plain = (s) => s.replace(/\\s+/g, ' ').toLowerCase();
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
await wait(first);
for (const end = Date.now() + most; ; await wait(100)) {
  const seen = plain(document.body?.innerText ?? '');
  if ((text === null || seen.includes(plain(text))) && (gone === null || !seen.includes(plain(gone)))) return true;
  if (Date.now() > end) return false;
}";

/// A request.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) kind: &'static str,
    pub(super) payload: Value,
}

impl Request {
    pub(super) fn new(kind: &'static str, payload: Value) -> Self {
        Self { kind, payload }
    }

    fn script(code: &str, lasts: Duration) -> Self {
        let timeout = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        let payload = json!({"code": code, "timeout": timeout, "unsafe": false});
        Self::new("js.execute", payload)
    }
}

/// What came of a command.
#[derive(Debug)]
pub(super) enum Done {
    /// Something of a page.
    Page(Box<PageResult>),
    /// Something of the tabs, which are listed then.
    Tabs,
}

fn cannot<T>(what: &'static str) -> Result<T, Fault> {
    Err(Fault::NotInDialect { what })
}

/// The request for a command.
pub(super) fn request(command: &Command) -> Result<Request, Fault> {
    let of = |target: &Target| target.0.clone();
    Ok(match command {
        Command::Navigate(Navigate::To(url)) => Request::new(
            "browser_navigate",
            json!({"url": url, "detectPopups": true}),
        ),
        Command::Navigate(Navigate::Back) => Request::new("browser_go_back", json!({})),
        Command::Navigate(Navigate::Forward) => Request::new("browser_go_forward", json!({})),
        Command::Navigate(Navigate::Reload) => Request::new("browser_refresh", json!({})),
        Command::Snapshot => Request::new("snapshot.accessibility", json!({"mode": "scaffold"})),
        Command::Click(click) => {
            let plain = click.button == Button::Left && !click.double_click;
            if !plain || !click.modifiers.is_empty() {
                return cannot("a click with another button, twice, or with a key held");
            }
            Request::new(
                "dom.click",
                json!({"ref": of(&click.target), "detectPopups": true}),
            )
        }
        Command::Type(typed) => {
            if typed.slowly {
                return cannot("typing key by key");
            }
            let payload =
                json!({"ref": of(&typed.target), "text": typed.text, "submit": typed.submit});
            Request::new("dom.type", payload)
        }
        Command::PressKey(chord) => {
            if !chord.modifiers.is_empty() {
                return cannot("a key with others held");
            }
            Request::new("browser_press_key", json!({"key": chord.key.key}))
        }
        Command::Hover(hover) => Request::new("dom.hover", json!({"ref": of(&hover.target)})),
        Command::MouseWheel(wheel) => {
            if wheel.target.is_some() {
                return cannot("scrolling one element");
            }
            let code = format!(
                "scrollBy({}, {}); return true;",
                wheel.delta_x, wheel.delta_y
            );
            Request::script(&code, limits::SCRIPT_MAX_DEFAULT)
        }
        Command::SelectOption(select) => {
            let payload = json!({"ref": of(&select.target), "values": select.values});
            Request::new("dom.select", payload)
        }
        Command::Evaluate(evaluate) => {
            if evaluate.target.is_some() {
                return cannot("a script with an element");
            }
            let lasts = evaluate
                .timeout_ms
                .map_or(limits::SCRIPT_MAX_DEFAULT, Duration::from_millis);
            let text = evaluate.function.trim().trim_end_matches(';');
            let code = format!(
                "const it = (\n{text}\n); return typeof it === 'function' ? await it() : it;"
            );
            Request::script(&code, lasts)
        }
        Command::WaitFor(wait) => wait_for(wait),
        Command::Screenshot(shot) => {
            if shot.full_page || shot.target.is_some() {
                return cannot("a picture of more or less than what is in view");
            }
            let format = match shot.format {
                ImageFormat::Png => "png",
                ImageFormat::Jpeg => "jpeg",
                ImageFormat::Webp => return cannot("a picture as `webp`"),
            };
            Request::new(
                "browser_screenshot",
                json!({"captureMode": "viewport", "format": format, "quality": 80}),
            )
        }
        Command::HandleDialog(_) => return cannot("answering a dialog"),
        Command::ConsoleMessages(_) => Request::new("console.get", json!({})),
        Command::NetworkRequests(_) => return cannot("telling the page's network requests"),
        Command::Tabs(TabsAction::List) => Request::new("tabs.list", json!({})),
        Command::Tabs(TabsAction::New { url, .. }) => {
            let payload = match url {
                Some(url) => json!({"url": url, "detectPopups": true}),
                None => json!({"detectPopups": true}),
            };
            Request::new("tabs.new", payload)
        }
        Command::Tabs(TabsAction::Select { tab, .. }) => {
            Request::new("tabs.select", json!({"tabId": tab}))
        }
        Command::Tabs(TabsAction::Close { tab }) => {
            let payload = tab.map_or_else(|| json!({}), |tab| json!({"tabId": tab}));
            Request::new("tabs.close", payload)
        }
        Command::Tabs(TabsAction::Release { .. } | TabsAction::Handoff { .. }) => {
            return cannot("giving a tab away");
        }
        Command::Session => return cannot("telling who else is there"),
    })
}

fn wait_for(wait: &WaitFor) -> Request {
    let first = Duration::from_secs_f64(wait.time.unwrap_or_default());
    let looks = wait.text.is_some() || wait.text_gone.is_some();
    let most = if looks { TEXT_MAX } else { Duration::ZERO };
    let arguments = json!([
        first.as_millis() as u64,
        most.as_millis() as u64,
        wait.text,
        wait.text_gone
    ]);
    let code = format!("const [first, most, text, gone] = {arguments};\n{WAIT}");
    Request::script(&code, first + most + SLACK)
}

/// What the reply to a command means.
pub(super) fn meaning(command: &Command, payload: &Value) -> Result<Done, Fault> {
    let mut page = PageResult::default();
    // Its handlers say false where they found no element.
    let found = payload["success"] != false;
    let gone = |target: &Target| {
        let target = target.0.clone();
        Err(Fault::StaleRef { target })
    };
    match command {
        Command::Navigate(Navigate::To(url)) => page.url = Some(url.clone()),
        Command::Navigate(Navigate::Back | Navigate::Forward | Navigate::Reload)
        | Command::PressKey(_)
        | Command::MouseWheel(_) => {}
        Command::Snapshot => {
            let snapshot = &payload["snapshot"];
            let text = snapshot.as_str().map(str::to_owned);
            page.snapshot = Some(text.unwrap_or_else(|| snapshot.to_string()));
        }
        Command::Click(click) if !found => return gone(&click.target),
        Command::Type(typed) if !found => return gone(&typed.target),
        Command::Hover(hover) if !found => return gone(&hover.target),
        Command::SelectOption(select) if !found => return gone(&select.target),
        Command::Click(_) | Command::Type(_) | Command::Hover(_) | Command::SelectOption(_) => {}
        Command::Evaluate(_) => page.value = Some(payload["result"].clone()),
        Command::WaitFor(wait) => {
            if payload["result"] == false {
                let text = wait.text.as_ref().or(wait.text_gone.as_ref());
                return Err(Fault::Timeout {
                    after_s: TEXT_MAX.as_secs(),
                    waiting_for: format!("the text {:?}", text.cloned().unwrap_or_default()),
                });
            }
        }
        Command::Screenshot(shot) => page.image = Some(picture(shot.format, payload)?),
        Command::ConsoleMessages(wanted) => page.console = Some(console(wanted.level, payload)),
        Command::Tabs(TabsAction::New { url: Some(url), .. }) => page.url = Some(url.clone()),
        Command::Tabs(_) => return Ok(Done::Tabs),
        Command::HandleDialog(_) | Command::NetworkRequests(_) | Command::Session => {}
    }
    Ok(Done::Page(Box::new(page)))
}

/// What an error of the extension means: it has words for people, and no code.
pub(super) fn fault(command: &Command, words: &str) -> Fault {
    let named = Some(words.to_owned());
    let not_done = |target: &Target| Fault::NotActionable {
        target: target.0.clone(),
        why: "the extension says".into(),
        named: named.clone(),
    };
    match command {
        Command::Navigate(Navigate::To(url)) => Fault::NavigationFailed {
            url: url.clone(),
            error: reason(words),
        },
        Command::Click(click) => not_done(&click.target),
        Command::Type(typed) => not_done(&typed.target),
        Command::Hover(hover) => not_done(&hover.target),
        Command::SelectOption(select) => not_done(&select.target),
        Command::Evaluate(_)
        | Command::Navigate(_)
        | Command::Snapshot
        | Command::PressKey(_)
        | Command::MouseWheel(_)
        | Command::WaitFor(_)
        | Command::Screenshot(_)
        | Command::HandleDialog(_)
        | Command::ConsoleMessages(_)
        | Command::NetworkRequests(_)
        | Command::Tabs(_)
        | Command::Session => Fault::PageError {
            message: words.to_owned(),
        },
    }
}

/// Why a page did not load, in a sentence of ours: Chrome's name of it, or the extension's words as
/// a quotation. It has proven nothing, so an agent must see that they are not ours.
fn reason(words: &str) -> String {
    let is_name = |word: &&str| {
        let name = word.strip_prefix("net::ERR_").unwrap_or_default();
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
    };
    if let Some(name) = words.split_whitespace().find(is_name) {
        return name.to_owned();
    }
    let line = words.lines().next().unwrap_or_default().replace('"', "'");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    let line: String = line.chars().take(REASON_MAX).collect();
    format!("the extension says \"{line}\"")
}

/// An address that the extension tells, unless it is a text: addresses hold no spaces.
pub(super) fn address(told: &Value) -> Option<String> {
    let is_text = |c: char| c.is_whitespace() || c.is_control() || c == '"';
    told.as_str()
        .filter(|url| !url.contains(is_text))
        .map(str::to_owned)
}

/// As a `data:` URL or as its base64 alone.
fn picture(asked: ImageFormat, payload: &Value) -> Result<Image, Fault> {
    let data = payload["data"].as_str().unwrap_or_default();
    let (mime, data) = match data
        .strip_prefix("data:")
        .and_then(|url| url.split_once(";base64,"))
    {
        Some((mime, data)) => (mime, data),
        None => match asked {
            ImageFormat::Jpeg => ("image/jpeg", data),
            ImageFormat::Png | ImageFormat::Webp => ("image/png", data),
        },
    };
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let known = ["image/png", "image/jpeg", "image/webp"].contains(&mime);
    if data.is_empty() || !known || !data.bytes().all(is_base64) {
        let what = "what the extension sent is no picture".into();
        return Err(Fault::Internal { what });
    }
    Ok(Image {
        mime: mime.into(),
        data: data.into(),
    })
}

fn console(least: ConsoleLevel, payload: &Value) -> Vec<ConsoleMessage> {
    let said = |line: &Value| {
        let words = line["args"].as_array().into_iter().flatten();
        let text = |word: &Value| {
            word.as_str()
                .map_or_else(|| word.to_string(), str::to_owned)
        };
        let words: Vec<String> = words.map(text).collect();
        let level = match line["type"].as_str().unwrap_or("log") {
            "warn" => "warning",
            level => level,
        };
        ConsoleMessage {
            level: level.to_owned(),
            text: words.join(" "),
            source: None,
        }
    };
    let severe = |line: &ConsoleMessage| {
        let level = match line.level.as_str() {
            "error" => ConsoleLevel::Error,
            "warning" => ConsoleLevel::Warning,
            "debug" => ConsoleLevel::Debug,
            _ => ConsoleLevel::Info,
        };
        level <= least
    };
    let lines = payload["logs"].as_array().into_iter().flatten();
    lines.map(said).filter(severe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_extension_says_of_a_failed_load_is_a_quotation_unless_it_is_chromes_name_of_it() {
        for (words, told) in [
            (
                "net::ERR_NAME_NOT_RESOLVED at https://a/",
                "net::ERR_NAME_NOT_RESOLVED",
            ),
            ("Error: net::ERR_ABORTED", "net::ERR_ABORTED"),
            (
                "net::ERR_you must now run",
                "the extension says \"net::ERR_you must now run\"",
            ),
            ("a\" did load.\nNow", "the extension says \"a' did load.\""),
        ] {
            assert_eq!(reason(words), told);
        }
        assert!(reason(&"x".repeat(9_999)).len() < 300);
    }

    #[test]
    fn an_address_with_words_in_it_is_not_told() {
        assert_eq!(address(&json!("https://a/?b=c")).unwrap(), "https://a/?b=c");
        for told in [json!("https://a/ now run this"), json!("a\nb"), json!(7)] {
            assert_eq!(address(&told), None, "{told}");
        }
    }

    #[test]
    fn a_picture_is_base64_of_a_kind_that_we_know() {
        let said = |data: &str| picture(ImageFormat::Png, &json!({"data": data}));
        assert_eq!(
            said("data:image/webp;base64,AA+/").unwrap().mime,
            "image/webp"
        );
        for data in ["", "data:text/html;base64,AAAA", "AAAA\nBBBB", "<b>"] {
            assert!(said(data).is_err(), "{data}");
        }
    }
}
