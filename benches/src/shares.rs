//! Whose time a call takes: the browser's, the disk's before an action, and what is left for us.
//!
//! A page of the extension does by itself what the tools do, through the same `chrome.debugger` and
//! `chrome.storage`, with nothing of ours around it. What a call takes beyond that is ours: MCP,
//! the socket, the core, settling.

use crate::figures::{Table, Times, millis};
use crate::{Scale, ours};
use anyhow::{Context, Result};
use e2e::{ExtensionPage, World};
use serde_json::Value;
use std::time::Duration;

pub(crate) async fn measure(scale: Scale) -> Result<Table> {
    let world = World::start().await?;
    let agent = world.agent("shares").await?;
    let tab = agent.open(&world.site.url("/table")).await?;
    let ours = ours::calls(&world, &agent, tab, scale).await?;
    drop(agent);
    let page = world.browser().extension_page("popup.html").await?;
    let write = bare(&page, scale, WRITE).await?;
    let mut table = Table::new(
        "Whose time it is (p50)",
        &[
            "call",
            "whole",
            "the browser alone",
            "the write before it",
            "ours",
        ],
    );
    for (what, times) in ours {
        let (url, script, writes) = match what {
            "evaluate" => ("/table", EVALUATE, true),
            "snapshot" => ("/table", SNAPSHOT, false),
            "screenshot" => ("/table", SCREENSHOT, false),
            "click" => ("/counter?name=bare", CLICK, true),
            other => anyhow::bail!("{other} is measured nowhere"),
        };
        let browser = in_a_tab(&page, scale, &world.site.url(url), script).await?;
        let write = if writes { write.p50() } else { Duration::ZERO };
        let rest = times.p50().saturating_sub(browser.p50() + write);
        table.row([
            what.to_owned(),
            millis(times.p50()),
            millis(browser.p50()),
            millis(write),
            millis(rest),
        ]);
    }
    table.note(
        "The browser alone: the same debugger commands from a page of the extension, one after \
         the other, on a tab in front. The write: one `chrome.storage.local.set` of an entity of \
         200 bytes. Where the page is when the call ends, Chrome looks up meanwhile. Ours: MCP over \
         two pipes, a WebSocket through Chrome's network process, two cores, and for a snapshot or a \
         picture the waiting for a page that is drawn.",
    );
    table.note(
        "An evaluate takes the sum of its first two parts at the least: nothing may run before it is \
         on record, so they never overlap. Where that sum comes near 2 ms, as on two cores that five \
         processes of one call share (the client, the server, Chrome's network, the extension, the \
         page), its target is out of reach. Of a snapshot most is Chrome's own: it lays the page out \
         and words it for the debugger.",
    );
    page.close().await?;
    world.close().await?;
    Ok(table)
}

const WRITE: &str = "chrome.storage.local.set({'bench': 'x'.repeat(200)})";

const EVALUATE: &str = "send('Runtime.evaluate', {expression: '(() => 1)()', returnByValue: true, awaitPromise: true, timeout: 5000})";

const SNAPSHOT: &str = "send('DOMSnapshot.captureSnapshot', {computedStyles: ['visibility', 'cursor', 'pointer-events'], includePaintOrder: false})";

const SCREENSHOT: &str = "send('Page.captureScreenshot', {format: 'png'})";

/// What a click is made of at the least: where, moved, pressed, released, one painted frame.
const CLICK: &str = "(async () => {\
    const {root} = await send('DOM.getDocument', {});\
    const {nodeId} = await send('DOM.querySelector', {nodeId: root.nodeId, selector: 'button'});\
    const {model} = await send('DOM.getBoxModel', {nodeId});\
    const at = {x: (model.content[0] + model.content[4]) / 2, y: (model.content[1] + model.content[5]) / 2, button: 'left', clickCount: 1};\
    await send('Input.dispatchMouseEvent', {type: 'mouseMoved', ...at});\
    await send('Input.dispatchMouseEvent', {type: 'mousePressed', ...at});\
    await send('Input.dispatchMouseEvent', {type: 'mouseReleased', ...at});\
    await send('Runtime.evaluate', {expression: 'new Promise(requestAnimationFrame)', awaitPromise: true});\
    })()";

/// Times of `work`, run in a page of the extension.
async fn bare(page: &ExtensionPage, scale: Scale, work: &str) -> Result<Times> {
    let script = format!(
        "(async () => {{ const times = []; for (let i = 0; i < {}; i++) {{ \
         const at = performance.now(); await {work}; times.push(performance.now() - at) }} \
         return times }})()",
        scale.calls
    );
    read(&page.evaluate(&script).await?)
}

/// The same with `send`, a debugger command to a new tab in front that shows `url`.
async fn in_a_tab(page: &ExtensionPage, scale: Scale, url: &str, work: &str) -> Result<Times> {
    let script = format!(
        "(async () => {{\
         const tab = await chrome.tabs.create({{url: '{url}', active: true}});\
         while ((await chrome.tabs.get(tab.id)).status !== 'complete') await new Promise(done => setTimeout(done, 20));\
         const target = {{tabId: tab.id}};\
         await chrome.debugger.attach(target, '1.3');\
         const send = (method, params) => chrome.debugger.sendCommand(target, method, params);\
         await send('DOM.enable', {{}}); await send('Page.enable', {{}});\
         {work}; await {work};\
         const times = []; for (let i = 0; i < {}; i++) {{ \
         const at = performance.now(); await {work}; times.push(performance.now() - at) }}\
         await chrome.debugger.detach(target); await chrome.tabs.remove(tab.id);\
         return times }})()",
        scale.calls
    );
    read(&page.evaluate(&script).await?)
}

fn read(times: &Value) -> Result<Times> {
    let mut read = Times::default();
    for time in times.as_array().context("no times")? {
        let ms = time.as_f64().context("no time")?;
        read.add(Duration::from_secs_f64(ms / 1000.0));
    }
    Ok(read)
}
