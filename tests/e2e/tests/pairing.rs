//! The pairing secret is replaced while everything runs.

use anyhow::{Context, Result, ensure};
use e2e::World;
use serde_json::json;
use std::process::Command;

/// Runs `interlock` with `arguments` on the state folder of this world.
fn interlock(world: &World, arguments: &[&str]) -> Result<()> {
    let done = Command::new(world.binary())
        .args(arguments)
        .args(["--port-range", &world.ports.range(), "--state-dir"])
        .arg(world.state())
        .output()
        .context("running interlock")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{arguments:?}: {said}");
    Ok(())
}

#[tokio::test]
async fn a_rotated_secret_shuts_the_extension_out_until_its_folder_is_paired_again() -> Result<()> {
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/slow?name=kept")).await?;
    let popup = world.browser().extension_page("popup.html").await?;
    interlock(&world, &["pair", "--rotate"])?;
    e2e::until("the open socket to be dropped", async || {
        let text = popup.text().await?;
        Ok(text.contains("connection lost").then_some(()))
    })
    .await?;
    let refused = one.call("browser_snapshot", json!({})).await?;
    refused.must_fail("not_paired", &["share a secret", "--pair-only"]);
    let folder = world.extension();
    let folder = folder.to_str().context("the folder's name")?;
    interlock(&world, &["extension", folder, "--pair-only"])?;
    // Without a reload: the worker reads the file again when it is refused.
    e2e::until("the agent to work again", async || {
        let seen = one.call("browser_snapshot", json!({})).await?;
        Ok(seen.is_ok().then_some(()))
    })
    .await?;
    assert_eq!(one.read(tab, "document.title").await?, "kept");
    world.close().await
}
