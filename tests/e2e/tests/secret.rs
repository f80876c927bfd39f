//! The pairing secret stands in the state folder and in `pairing.json`, and nowhere else, however
//! much is done with it.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use e2e::{Agent, End, Era, World};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The ways in which 32 bytes are written down.
struct Secret(Vec<(&'static str, Vec<u8>)>);

impl Secret {
    fn of(world: &World) -> Result<Self> {
        let pairing = fs::read_to_string(world.extension().join("pairing.json"))?;
        let pairing: Value = serde_json::from_str(&pairing)?;
        Self::written(pairing["secret"].as_str().context("no secret")?)
    }

    /// The one that these hex digits are.
    fn written(hex: &str) -> Result<Self> {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| Ok(u8::from_str_radix(hex.get(at..at + 2).context("odd")?, 16)?))
            .collect::<Result<_>>()?;
        assert_eq!(bytes.len(), 32);
        Ok(Self(vec![
            ("hex", hex.to_lowercase().into_bytes()),
            ("HEX", hex.to_uppercase().into_bytes()),
            ("base64", STANDARD_NO_PAD.encode(&bytes).into_bytes()),
            ("base64url", URL_SAFE_NO_PAD.encode(&bytes).into_bytes()),
            ("bytes", bytes),
        ]))
    }

    /// As what it stands in `bytes`, if it does.
    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let stands = |form: &[u8]| {
            let mut rest = bytes;
            while let Some(at) = rest.iter().position(|byte| *byte == form[0]) {
                if rest[at..].starts_with(form) {
                    return true;
                }
                rest = &rest[at + 1..];
            }
            false
        };
        let found = self.0.iter().find(|(_, form)| stands(form));
        found.map(|(name, _)| *name)
    }

    fn in_no(&self, what: &str, bytes: &[u8]) {
        assert_eq!(self.found_in(bytes), None, "the secret stands in {what}");
    }
}

/// Every file below `folder` with its path from there.
fn files(folder: &Path, below: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    // What a living browser removes meanwhile is nowhere any more.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            files(&path, below, found);
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            let name = path.strip_prefix(below).unwrap_or(&path);
            found.push((name.display().to_string(), bytes));
        }
    }
}

/// Uses every tool once and gives all that came back.
///
/// # Errors
/// Also when the server has a tool that is not used here.
async fn session(world: &World, agent: &Agent) -> Result<Vec<Value>> {
    let mut unused: Vec<_> = agent
        .tools()
        .await?
        .iter()
        .map(|tool| tool["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    let tab = agent.open(&world.site.url("/form")).await?;
    let aim = agent.aim(tab, &["textbox"]).await?;
    let mut typing = aim.clone();
    typing["text"] = json!("hello");
    let mut said = vec![agent.hello(), json!(agent.tools().await?)];
    for (tool, arguments) in [
        ("browser_click", aim.clone()),
        ("browser_hover", aim.clone()),
        ("browser_mouse_wheel", {
            let mut turned = aim.clone();
            turned["deltaY"] = json!(100);
            turned
        }),
        // It is no list, and says so.
        ("browser_select_option", {
            let mut select = aim;
            select["values"] = json!(["a"]);
            select
        }),
        ("browser_type", typing),
        ("browser_press_key", json!({"key": "End"})),
        ("browser_network_requests", json!({"static": true})),
        (
            "browser_navigate",
            json!({"url": world.site.url("/dialogs")}),
        ),
        (
            "browser_evaluate",
            json!({"function": "() => { setTimeout(alert); return 1 }"}),
        ),
        ("browser_wait_for", json!({"time": 1})),
        ("browser_handle_dialog", json!({"accept": true})),
        ("browser_navigate_back", json!({})),
        ("browser_snapshot", json!({})),
        ("browser_take_screenshot", json!({"filename": "shot.png"})),
        ("browser_console_messages", json!({})),
        ("browser_tabs", json!({"action": "list"})),
        ("browser_session", json!({})),
        ("browser_navigate", json!({"url": "chrome://version/"})),
    ] {
        unused.retain(|name| name != tool);
        said.push(agent.call(tool, arguments).await?.raw);
    }
    assert!(unused.is_empty(), "nothing was asked of {unused:?}");
    Ok(said)
}

#[tokio::test]
async fn after_a_whole_session_the_secret_stands_in_its_two_files_alone() -> Result<()> {
    let world = World::start().await?;
    let secret = Secret::of(&world)?;
    // One that tells all that it can.
    let mut telling = world.spawn("one", Era::Legacy);
    let binary = telling.binary.to_string_lossy().into_owned();
    telling.binary = "/usr/bin/env".into();
    let env = ["INTERLOCK_LOG=trace".to_owned(), binary];
    telling.arguments.splice(0..0, env);
    let one = world.agent_of(telling).await?;
    let console = world.browser().watch_worker().await?;
    let two = world.agent("two").await?;
    two.open(&world.site.url("/")).await?;
    for answer in session(&world, &one).await? {
        secret.in_no("an answer", answer.to_string().as_bytes());
    }
    // A server that dies and one that comes back prove it again.
    two.end(End::Kill).await?;
    let again = world.agent_of(two.spawn()).await?;
    again.ok("browser_snapshot", json!({})).await?;
    // What the browser knows of the extension, as its own pages see it.
    let popup = world.browser().extension_page("popup.html").await?;
    let worker = world.browser().worker().await?.context("no worker")?;
    let worker = world.browser().cdp().attach(&worker).await?;
    // Once as it is, and once after a fall, which is told with what fell.
    for _ in 0..2 {
        for look in [
            "document.documentElement.outerHTML",
            "chrome.storage.local.get().then(JSON.stringify)",
            "chrome.storage.session.get().then(JSON.stringify)",
        ] {
            let seen = popup.evaluate(look).await?.to_string();
            assert!(seen.len() > 2, "{look} shows {seen}");
            secret.in_no(look, seen.as_bytes());
        }
        let log = worker.evaluate("MultiInstanceManager.log").await?;
        secret.in_no("the worker's log", log.to_string().as_bytes());
        let told = format!("{:?}", console.lines());
        secret.in_no("the worker's console", told.as_bytes());
        worker
            .evaluate(
                "self.dispatchEvent(new ErrorEvent('error', \
                 {error: new WebAssembly.RuntimeError('unreachable'), cancelable: true}))",
            )
            .await?;
        one.ok("browser_snapshot", json!({})).await?;
    }
    for process in fs::read_dir("/proc")?.flatten() {
        for name in ["cmdline", "environ"] {
            // Others' are not ours to read, and some have just ended.
            let bytes = fs::read(process.path().join(name)).unwrap_or_default();
            secret.in_no(&format!("{name} of {:?}", process.file_name()), &bytes);
        }
    }
    secret.in_no("the binary", &fs::read(world.binary())?);
    let mut all = Vec::new();
    files(world.folder(), world.folder(), &mut all);
    let mut holders: Vec<_> = all
        .iter()
        .filter_map(|(path, bytes)| Some((path.as_str(), secret.found_in(bytes)?)))
        .collect();
    holders.sort_unstable();
    let own = [("extension/pairing.json", "hex"), ("state/secret", "hex")];
    assert_eq!(holders, own, "of {} files", all.len());
    for place in [
        "clients/one/server.log",
        "clients/one/shot.png",
        "profile/chromium.log",
    ] {
        assert!(
            all.iter().any(|(path, _)| path == place),
            "{place} was not looked at"
        );
    }
    world.close().await
}

/// All that a command of the server says and writes to its log, told to tell everything.
fn said(world: &World, state: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let done = Command::new(world.binary())
        .args(arguments)
        .arg("--state-dir")
        .arg(state)
        .args(["--port-range", &world.ports.range()])
        .env("INTERLOCK_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
        .output()?;
    Ok([done.stdout, done.stderr].concat())
}

#[tokio::test]
async fn no_command_tells_the_secret_nor_one_that_is_damaged() -> Result<()> {
    let world = World::start().await?;
    let state = world.folder().join("other-state");
    let folder = world.folder().join("other-extension");
    let folder = folder.to_str().context("the folder's name")?;
    let commands: [&[&str]; 8] = [
        &[],
        &["extension", folder],
        &["extension", folder, "--pair-only"],
        &["pair"],
        &["pair", "--rotate"],
        &["--help"],
        &["--version"],
        &["--port", "1", "what"],
    ];
    let file = state.join("secret");
    for command in commands {
        let before = fs::read_to_string(&file).unwrap_or_default();
        let told = said(&world, &state, command)?;
        let after = fs::read_to_string(&file).unwrap_or_default();
        for written in [before.trim(), after.trim()] {
            if !written.is_empty() {
                Secret::written(written)?.in_no(&format!("{command:?}"), &told);
            }
        }
    }
    // A file that a person has edited still holds most of it.
    let whole = fs::read_to_string(&file)?;
    let whole = whole.trim();
    let (start, end) = whole.split_at(20);
    let damaged = [
        format!("{whole}{whole}\n"),
        format!("secret={whole}"),
        format!("{start}\n{end}"),
        format!("{}\n", whole.replacen(&whole[..1], "x", 1)),
        whole[..63].to_owned(),
    ];
    for text in damaged {
        for command in commands {
            fs::write(&file, &text)?;
            let told = said(&world, &state, command)?;
            let told = String::from_utf8_lossy(&told);
            for piece in [start, &end[..20]] {
                assert!(!told.contains(piece), "{command:?} with {text:?}: {told}");
            }
        }
    }
    world.close().await
}

#[test]
fn a_secret_is_found_however_it_is_written_down() {
    let bytes: Vec<u8> = (0..32).map(|n| n * 7 % 251).collect();
    let forms = Secret(vec![
        ("base64", STANDARD_NO_PAD.encode(&bytes).into_bytes()),
        ("bytes", bytes.clone()),
    ]);
    let around = |inside: &[u8]| [b"xx", inside, b"=\n"].concat();
    assert_eq!(forms.found_in(&around(&bytes)), Some("bytes"));
    let text = STANDARD_NO_PAD.encode(&bytes);
    assert_eq!(forms.found_in(&around(text.as_bytes())), Some("base64"));
    assert_eq!(forms.found_in(&around(&bytes[..31])), None);
}
