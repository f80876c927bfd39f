//! Chromium with one extension and a profile of its own, in a process group of its own.
//!
//! Started headless, on the user's display (`E2E_HEADED=1`) or on a screen of its own, found through `DevToolsActivePort`, ended by
//! killing the group when the value is dropped. It knows where the extension's worker runs, but
//! attaches to it only when a test asks for its console.

mod upkeep;

use crate::cdp::{Cdp, Target};
use crate::group::{Group, Signal};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// A running Chromium; dropping it kills the whole process group.
pub struct Browser {
    cdp: Cdp,
    group: Group,
    profile: PathBuf,
    extension_id: String,
    worker_script: String,
}

/// A tab as `chrome.tabs.query` tells it.
#[derive(Debug, Clone)]
pub struct TabInfo {
    /// Chrome's tab id: the `tabId` of the tools.
    pub id: i64,
    /// The window it is in.
    pub window: i64,
    /// `pendingUrl` before the first commit.
    pub url: String,
    /// As shown on the tab.
    pub title: String,
    /// In front in its window.
    pub active: bool,
    /// The tab group, if any.
    pub group: Option<i64>,
}

/// How to start Chromium.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The folder of the extension to load.
    pub extension: &'a Path,
    /// The profile, made if missing.
    pub profile: &'a Path,
    /// Ends up in the environment of every process.
    pub mark: &'a str,
    /// Where its windows open.
    pub window: Window<'a>,
    /// Another extension, beside it.
    pub beside: Option<&'a Path>,
    /// A name that leads to this machine, whatever the DNS says of it.
    pub rebound: Option<&'a str>,
    /// The key of a certificate that is as good as one of the web's: the SHA-256 of its
    /// SubjectPublicKeyInfo, in base64.
    pub trusted: Option<&'a str>,
}

/// Where a browser's windows open.
#[derive(Debug, Clone, Copy)]
pub enum Window<'a> {
    /// Nowhere; `E2E_HEADED=1` makes it the user's display.
    Headless,
    /// On the display of whoever runs this.
    Display,
    /// On the X server of this name, as `:7`.
    Screen(&'a str),
}

impl Browser {
    /// Starts Chromium and waits for the extension's worker.
    pub async fn start(start: Start<'_>) -> Result<Self> {
        let Start {
            extension,
            profile,
            mark,
            window,
            beside,
            rebound,
            trusted,
        } = start;
        let mark = format!("{mark}browser.");
        let worker_script = worker_script_of(extension)?;
        let scratch = profile.join("scratch");
        fs::create_dir_all(&scratch).context("making the profile")?;
        let endpoint = profile.join("DevToolsActivePort");
        // The file of an earlier run with this profile names a dead port.
        let _ = fs::remove_file(&endpoint);
        let log = fs::File::create(profile.join("chromium.log"))?;
        let extensions = [Some(extension), beside].into_iter().flatten();
        let extensions: Vec<_> = extensions.map(|one| one.to_string_lossy()).collect();
        let mut command = Command::new(program()?);
        command
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--load-extension={}", extensions.join(",")))
            .args([
                "--remote-debugging-port=0",
                "--no-first-run",
                "--no-default-browser-check",
            ])
            .args([
                "--disable-gpu",
                "--password-store=basic",
                "--disable-background-networking",
            ])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--disable-breakpad",
                "--window-size=1280,860",
            ]);
        if let Some(name) = rebound {
            command.arg(format!("--host-resolver-rules=MAP {name} 127.0.0.1"));
        }
        if let Some(key) = trusted {
            command.arg(format!("--ignore-certificate-errors-spki-list={key}"));
        }
        match (window, headed_by_request()) {
            (Window::Headless, false) => {
                command.arg("--headless=new");
            }
            (Window::Headless, true) | (Window::Display, _) => {
                if !has_display() {
                    bail!("a window was asked for, but neither DISPLAY nor WAYLAND_DISPLAY is set");
                }
            }
            (Window::Screen(name), _) => {
                command.env("DISPLAY", name).env_remove("WAYLAND_DISPLAY");
            }
        }
        if rustix::process::geteuid().is_root() {
            // The second takes away the bar that warns of the first: the debugging bar would have
            // to wait behind it.
            command.args(["--no-sandbox", "--test-type"]);
        }
        command
            .arg("about:blank")
            // A killed Chromium leaves its temporary folders: here they go with the profile, as do
            // its crash reports.
            .env("TMPDIR", &scratch)
            .env("XDG_CONFIG_HOME", &scratch)
            .env("XDG_CACHE_HOME", &scratch)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // From here on neither a failure nor our own death leaves the group behind.
        let mut group = Group::start(command, Signal::KILL, mark).context("starting Chromium")?;
        let address = crate::until("Chromium's DevTools port", async || {
            if let Some(status) = group.ended()? {
                let said = fs::read_to_string(profile.join("chromium.log")).unwrap_or_default();
                bail!("Chromium ended at once ({status}): {said}");
            }
            let text = fs::read_to_string(&endpoint).unwrap_or_default();
            let mut lines = text.lines();
            Ok(match (lines.next(), lines.next()) {
                (Some(port), Some(path)) => Some(format!("ws://127.0.0.1:{port}{path}")),
                _ => None,
            })
        })
        .await?;
        let cdp = Cdp::connect(&address).await?;
        let extension_id = crate::until("the extension's worker", async || {
            let worker = worker_of(&cdp, &worker_script).await?;
            Ok(worker.and_then(|worker| {
                let url = worker["url"].as_str()?;
                Some(
                    url.strip_prefix("chrome-extension://")?
                        .strip_suffix(worker_script.as_str())?
                        .to_owned(),
                )
            }))
        })
        .await?;
        Ok(Self {
            cdp,
            group,
            profile: profile.to_owned(),
            extension_id,
            worker_script,
        })
    }

    /// The DevTools connection.
    #[must_use]
    pub fn cdp(&self) -> &Cdp {
        &self.cdp
    }

    /// The id of the extension, as its worker's address tells it.
    #[must_use]
    pub fn extension_id(&self) -> &str {
        &self.extension_id
    }

    /// The process group, which is the pid of the first process.
    #[must_use]
    pub fn group(&self) -> i32 {
        self.group.id()
    }

    /// Where the profile lies.
    #[must_use]
    pub fn profile(&self) -> &Path {
        &self.profile
    }

    /// Ends it as from its menu, and waits until it is gone.
    pub async fn quit(mut self) -> Result<()> {
        // Its last answer may be lost with it.
        let _ = self.cdp.call(None, "Browser.close", json!({})).await;
        crate::until("Chromium to quit", async || self.group.ended()).await?;
        Ok(())
    }

    /// Stops the extension's worker, as Chrome does when it idles, and waits until it is gone.
    /// It stays down until an event (a start that was under way counts as one).
    pub async fn kill_worker(&self) -> Result<()> {
        let id = self.worker().await?.context("no worker is running")?;
        crate::until("the worker to be gone", async || {
            if self.worker().await?.as_ref() != Some(&id) {
                return Ok(Some(()));
            }
            // On a busy machine Chrome says yes to one request and lets the worker live.
            self.cdp.close_target(&id).await.ok();
            Ok(None)
        })
        .await
    }

    /// The target id of the extension's worker while it runs; each start has another.
    pub async fn worker(&self) -> Result<Option<String>> {
        let worker = worker_of(&self.cdp, &self.worker_script).await?;
        Ok(worker.and_then(|worker| worker["targetId"].as_str().map(str::to_owned)))
    }

    /// Attaches to the worker, which then never idles.
    pub async fn enter_worker(&self) -> Result<Target> {
        let id = crate::until("a running worker", async || self.worker().await).await?;
        self.cdp.attach(&id).await
    }

    /// Attaches to the worker and collects its console from now on.
    pub async fn watch_worker(&self) -> Result<ConsoleLog> {
        ConsoleLog::of(&self.cdp, self.enter_worker().await?).await
    }

    /// Opens a page of the extension in a background tab, as `popup.html`.
    pub async fn extension_page(&self, path: &str) -> Result<ExtensionPage> {
        let url = format!("chrome-extension://{}/{path}", self.extension_id);
        let params = json!({"url": url, "background": true});
        let made = self.cdp.call(None, "Target.createTarget", params).await?;
        let id = made["targetId"].as_str().context("no targetId")?;
        let target = self.cdp.attach(id).await?;
        crate::until(format!("{path} to load"), async || {
            let state = target
                .evaluate("location.href + ' ' + document.readyState")
                .await?;
            Ok((state == json!(format!("{url} complete"))).then_some(()))
        })
        .await?;
        Ok(ExtensionPage {
            cdp: self.cdp.clone(),
            target,
        })
    }

    /// Attaches to the page whose address is `url` (the first one, when several show it).
    pub async fn page(&self, url: &str) -> Result<Target> {
        let id = crate::until(format!("a page at {url}"), async || {
            let targets = self.cdp.targets().await?;
            let page = targets
                .iter()
                .find(|page| page["type"] == "page" && page["url"] == url);
            Ok(page.and_then(|page| page["targetId"].as_str().map(str::to_owned)))
        })
        .await?;
        self.cdp.attach(&id).await
    }
}

/// The path of the worker script that an extension's manifest names, as `/sw.js`. Other extensions
/// that Chromium brings have others.
fn worker_script_of(extension: &Path) -> Result<String> {
    let manifest = extension.join("manifest.json");
    let text =
        fs::read_to_string(&manifest).with_context(|| format!("reading {}", manifest.display()))?;
    let manifest: Value = serde_json::from_str(&text).context("reading the manifest")?;
    let script = manifest["background"]["service_worker"].as_str();
    Ok(format!(
        "/{}",
        script.context("the extension has no worker")?
    ))
}

async fn worker_of(cdp: &Cdp, script: &str) -> Result<Option<Value>> {
    Ok(cdp.targets().await?.into_iter().find(|target| {
        let url = target["url"].as_str().unwrap_or("");
        target["type"] == "service_worker"
            && url.starts_with("chrome-extension://")
            && url.ends_with(script)
    }))
}

/// Whether the person who runs this wants to see the window.
fn headed_by_request() -> bool {
    std::env::var_os("E2E_HEADED").is_some_and(|value| value == "1")
}

/// Whether a window can open where this runs.
#[must_use]
pub fn has_display() -> bool {
    let named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    named("DISPLAY") || named("WAYLAND_DISPLAY")
}

/// The browser to start: `CHROMIUM`, else the first of the usual names on the path.
pub fn program() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for name in ["chromium", "chromium-browser"] {
        if let Some(found) = std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|p| p.exists())
        {
            return Ok(found);
        }
    }
    bail!("no chromium on the path: install it (apt-get install chromium) or set CHROMIUM");
}

/// A page of the extension, open in a tab: the person's window into it.
pub struct ExtensionPage {
    cdp: Cdp,
    target: Target,
}

impl ExtensionPage {
    /// The value of `expression` in the page, which may use `chrome.*`.
    pub async fn evaluate(&self, expression: &str) -> Result<Value> {
        self.target.evaluate(expression).await
    }

    /// What the page shows.
    pub async fn text(&self) -> Result<String> {
        let text = self.evaluate("document.body.innerText").await?;
        Ok(text.as_str().unwrap_or("").to_owned())
    }

    /// Clicks the first button, link or option whose text, title or label contains `text`.
    pub async fn click(&self, text: &str) -> Result<()> {
        let expression = format!(
            "(() => {{ const all = [...document.querySelectorAll('button,a,[role=button],summary')];\
             const one = all.find(e => (e.innerText + ' ' + e.title + ' ' + e.ariaLabel).includes({}));\
             if (one) one.click(); return Boolean(one) }})()",
            json!(text)
        );
        if self.evaluate(&expression).await? == json!(true) {
            return Ok(());
        }
        bail!("no button {text:?} in:\n{}", self.text().await?);
    }

    /// All tabs of the browser.
    pub async fn tabs(&self) -> Result<Vec<TabInfo>> {
        let tabs = self.evaluate("chrome.tabs.query({})").await?;
        let text = |tab: &Value, name: &str| tab[name].as_str().unwrap_or("").to_owned();
        let read = |tab: &Value| TabInfo {
            id: tab["id"].as_i64().unwrap_or(-1),
            window: tab["windowId"].as_i64().unwrap_or(-1),
            url: match text(tab, "url") {
                empty if empty.is_empty() => text(tab, "pendingUrl"),
                url => url,
            },
            title: text(tab, "title"),
            active: tab["active"] == true,
            group: tab["groupId"].as_i64().filter(|id| *id >= 0),
        };
        Ok(tabs
            .as_array()
            .map(|tabs| tabs.iter().map(read).collect())
            .unwrap_or_default())
    }

    /// Titles of all tab groups.
    pub async fn groups(&self) -> Result<Vec<String>> {
        let titles = self
            .evaluate("chrome.tabGroups.query({}).then(a=>a.map(g=>g.title))")
            .await?;
        let title = |title: &Value| title.as_str().unwrap_or("").to_owned();
        Ok(titles
            .as_array()
            .map(|all| all.iter().map(title).collect())
            .unwrap_or_default())
    }

    /// Ids of the tabs with a web page that a debugger is on, whoever it belongs to, in order.
    pub async fn debugged(&self) -> Result<Vec<i64>> {
        let targets = "chrome.debugger.getTargets().then(all => all\
            .filter(one => one.attached && one.url.startsWith('http')).map(one => one.tabId))";
        let targets = self.evaluate(targets).await?;
        let tabs = targets.as_array().context("no list")?;
        let mut tabs: Vec<i64> = tabs.iter().filter_map(Value::as_i64).collect();
        tabs.sort_unstable();
        Ok(tabs)
    }

    /// Gives any tab of the person's to the first agent, as the popup gives the one in front.
    pub async fn gives(&self, tab: i64) -> Result<()> {
        let give = format!(
            "new Promise((done) => {{
                const port = chrome.runtime.connect({{ name: 'popup' }});
                let asked = false; // every change shows another view: it is given once
                port.onMessage.addListener(({{ view, answer, error }}) => {{
                    if (answer) {{
                        port.disconnect();
                        done(error ?? 'given');
                    }} else if (view?.instances.length && !asked) {{
                        asked = true;
                        port.postMessage({{ ask: 1, action:
                            {{ action: 'give', tabId: {tab}, sessionId: view.instances[0].sessionId }} }});
                    }}
                }});
            }})"
        );
        let said = self.evaluate(&give).await?;
        if said == "given" {
            return Ok(());
        }
        bail!("tab {tab} was not given: {said}");
    }

    /// Closes a tab as the person would.
    pub async fn close_tab(&self, id: i64) -> Result<()> {
        self.evaluate(&format!("chrome.tabs.remove({id})"))
            .await
            .map(drop)
    }

    /// Shows the page as large as a popup of `height` pixels, in the light or the dark.
    pub async fn shows_as_popup(&self, height: u32, dark: bool) -> Result<()> {
        /// The popup's own width.
        const WIDTH: u32 = 360;
        let scheme = if dark { "dark" } else { "light" };
        let size =
            json!({"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.target
            .call("Emulation.setDeviceMetricsOverride", size)
            .await?;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.target
            .call("Emulation.setEmulatedMedia", media)
            .await
            .map(drop)
    }

    /// A PNG of the page, which is brought to the front for it.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        self.target.call("Page.bringToFront", json!({})).await?;
        self.target.screenshot().await
    }

    /// Closes the page.
    pub async fn close(self) -> Result<()> {
        self.cdp.close_target(self.target.id()).await
    }
}

/// The console of a target, collected while the value lives.
pub struct ConsoleLog {
    lines: Arc<Mutex<Vec<(String, String)>>>,
    reader: tokio::task::JoinHandle<()>,
}

impl ConsoleLog {
    /// Collects what `target` writes: console calls, uncaught exceptions, browser messages.
    pub async fn of(cdp: &Cdp, target: Target) -> Result<Self> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (mut events, kept) = (cdp.events(), Arc::clone(&lines));
        let session = target.session().to_owned();
        let reader = tokio::spawn(async move {
            while let Ok(event) = events.recv().await {
                if event.session.as_deref() == Some(&session)
                    && let Some(line) = line_of(&event.method, &event.params)
                {
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(line);
                }
            }
        });
        let log = Self { lines, reader };
        target.call("Runtime.enable", json!({})).await?;
        target.call("Log.enable", json!({})).await?;
        Ok(log)
    }

    /// Everything so far as (level, text).
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Errors and warnings so far; the console of a healthy extension has none.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let bad = |level: &str| ["error", "warning", "assert", "exception"].contains(&level);
        let lines = self.lines().into_iter();
        lines
            .filter(|(level, _)| bad(level))
            .map(|(level, text)| format!("{level}: {text}"))
            .collect()
    }
}

impl Drop for ConsoleLog {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn line_of(method: &str, params: &Value) -> Option<(String, String)> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    match method {
        "Runtime.consoleAPICalled" => {
            let words = params["args"]
                .as_array()?
                .iter()
                .map(|arg| match arg.get("value") {
                    Some(value) => text(value),
                    None => text(&arg["description"]),
                });
            Some((text(&params["type"]), words.collect::<Vec<_>>().join(" ")))
        }
        "Runtime.exceptionThrown" => {
            let thrown = &params["exceptionDetails"];
            Some((
                "exception".into(),
                format!("{} {}", thrown["text"], thrown["exception"]),
            ))
        }
        "Log.entryAdded" => Some((
            text(&params["entry"]["level"]),
            text(&params["entry"]["text"]),
        )),
        _ => None,
    }
}
