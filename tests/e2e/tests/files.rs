//! The two files in the extension's folder, damaged while it runs or before it starts: the popup says
//! what is wrong with which, agents are told, and what was mended works without a restart.

use anyhow::{Context, Result};
use e2e::{ExtensionPage, World};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

async fn shows(popup: &ExtensionPage, text: &str) -> Result<()> {
    e2e::until(format!("the popup to show {text:?}"), async || {
        Ok(popup.text().await?.contains(text).then_some(()))
    })
    .await
}

/// Puts `content` in the place of whatever is there; a folder without it.
fn put(path: &Path, content: Option<&[u8]>) -> Result<()> {
    if path.is_dir() {
        fs::remove_dir(path)?;
    } else if path.exists() {
        fs::remove_file(path)?;
    }
    match content {
        Some(content) => fs::write(path, content)?,
        None => fs::create_dir(path)?,
    }
    Ok(())
}

/// Ends the worker, and wakes the next with the popup: it reads both files as after a reload.
async fn reborn(world: &World) -> Result<ExtensionPage> {
    world.browser().kill_worker().await?;
    world.browser().extension_page("popup.html").await
}

#[tokio::test]
async fn a_damaged_pairing_file_is_told_to_person_and_agent_and_mended_without_a_restart()
-> Result<()> {
    let world = World::start().await?;
    let path = world.extension().join("pairing.json");
    let good = fs::read(&path)?;
    let said: Value = serde_json::from_slice(&good)?;
    let digits = said["secret"].as_str().context("no secret")?.to_owned();
    let with = |version: u32, secret: &str| {
        json!({"version": version, "secret": secret})
            .to_string()
            .into_bytes()
    };
    let mut popup = world.browser().extension_page("popup.html").await?;
    for (content, told) in [
        (Some(Vec::new()), "pairing.json is empty"),
        (Some(digits.clone().into_bytes()), "damaged at line 1"),
        (Some(vec![0xff, 0xfe, 0]), "damaged at line 1"),
        (Some(with(7, &digits)), "is of version 7"),
        (Some(with(1, &digits[..62])), "is not 64 hex digits"),
        (
            Some(with(1, &digits.repeat(20_000))),
            "is not 64 hex digits",
        ),
        (None, "pairing.json is missing"),
    ] {
        put(&path, content.as_deref())?;
        popup.close().await?;
        popup = reborn(&world).await?;
        shows(&popup, told).await?;
        shows(&popup, "interlock extension DIR --pair-only").await?;
        assert!(!popup.text().await?.contains(&digits[..8]));
    }
    fs::remove_dir(&path)?;
    let one = world.agent("one").await?;
    let refused = one.call("browser_snapshot", json!({})).await?;
    refused.must_fail(
        "not_paired",
        &["pairing.json", "missing or damaged", "--pair-only"],
    );
    assert!(one.log().contains("finds no secret in its pairing.json"));
    // With the mark that some editors put before a text.
    put(&path, Some(&[b"\xef\xbb\xbf".as_slice(), &good].concat()))?;
    e2e::until("the agent to work", async || {
        let seen = one.call("browser_snapshot", json!({})).await?;
        Ok(seen.is_ok().then_some(()))
    })
    .await?;
    e2e::until("the popup to be content", async || {
        Ok((!popup.text().await?.contains("pairing.json")).then_some(()))
    })
    .await?;
    world.close().await
}

#[tokio::test]
async fn a_bad_config_is_told_in_the_popup_and_the_default_ports_hold() -> Result<()> {
    let world = World::start().await?;
    let path = world.extension().join("config.json");
    let good = fs::read(&path)?;
    let ports = |first: Value, last: Value| {
        json!({"ports": {"first": first, "last": last}})
            .to_string()
            .into_bytes()
    };
    for (content, told) in [
        (b"garbage".to_vec(), "config.json cannot be read"),
        (Vec::new(), "config.json cannot be read"),
        (b"[]".to_vec(), "config.json is no JSON object"),
        (ports(json!(17_010), json!(17_000)), "17010 to 17000"),
        (ports(json!(0), json!(10)), "0 to 10"),
        (
            ports(json!(8765), json!(70_000)),
            "cannot be read at `ports.last`",
        ),
        (ports(json!(-1), json!(8765)), "from 1024 to 65535"),
        (
            ports(json!("8765"), json!(8775)),
            "cannot be read at `ports.first`",
        ),
        (b"{\"ports\": 8765}".to_vec(), "cannot be read at `ports`"),
    ] {
        fs::write(&path, content)?;
        let popup = reborn(&world).await?;
        shows(&popup, told).await?;
        shows(&popup, "the default ports hold").await?;
        popup.close().await?;
    }
    // What it does not know is told, and the rest of it holds.
    let mut odd: Value = serde_json::from_slice(&good)?;
    odd["prots"] = json!({"first": 1});
    fs::write(&path, odd.to_string())?;
    let popup = reborn(&world).await?;
    shows(&popup, "`prots`").await?;
    let one = world.agent("one").await?;
    one.open(&world.site.url("/")).await?;
    world.close().await
}
