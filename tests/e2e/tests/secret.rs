//! The pairing secret stands in the state folder and in `pairing.json`, and nowhere else, however
//! much is done with it.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use e2e::{Agent, End, World};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The ways in which 32 bytes are written down.
struct Secret(Vec<(&'static str, Vec<u8>)>);

impl Secret {
    fn of(world: &World) -> Result<Self> {
        let pairing = fs::read_to_string(world.extension().join("pairing.json"))?;
        let pairing: Value = serde_json::from_str(&pairing)?;
        let hex = pairing["secret"].as_str().context("no secret")?;
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
async fn session(world: &World, agent: &Agent) -> Result<Vec<Value>> {
    let tab = agent.open(&world.site.url("/form")).await?;
    let aim = agent.aim(tab, &["textbox"]).await?;
    let mut typing = aim.clone();
    typing["text"] = json!("hello");
    let mut said = vec![agent.hello(), json!(agent.tools().await?)];
    for (tool, arguments) in [
        ("browser_click", aim),
        ("browser_type", typing),
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
        said.push(agent.call(tool, arguments).await?.raw);
    }
    Ok(said)
}

#[tokio::test]
async fn after_a_whole_session_the_secret_stands_in_its_two_files_alone() -> Result<()> {
    let world = World::start().await?;
    let secret = Secret::of(&world)?;
    let one = world.agent("one").await?;
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
    for look in [
        "document.documentElement.outerHTML",
        "chrome.storage.local.get().then(JSON.stringify)",
        "chrome.storage.session.get().then(JSON.stringify)",
    ] {
        let seen = popup.evaluate(look).await?.to_string();
        assert!(seen.len() > 2, "{look} shows {seen}");
        secret.in_no(look, seen.as_bytes());
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
