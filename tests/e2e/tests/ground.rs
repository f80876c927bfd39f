//! What the worker stands on gives way: a disk that takes no write, a clock that is put.
//!
//! Both are played from within, as `falls.rs` does: the shipped module asks what JavaScript offers.

use anyhow::Result;
use e2e::{End, Era, World};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn while_the_disk_takes_no_write_agents_look_and_are_told_why_they_cannot_act() -> Result<()>
{
    let world = World::start().await?;
    let one = world.agent("one").await?;
    let tab = one.open(&world.site.url("/counter?name=a")).await?;
    let click = one.aim(tab, &["button", "Count"]).await?;
    let worker = world.browser().enter_worker().await?;
    let full = "self.set = chrome.storage.local.set; chrome.storage.local.set = \
        () => Promise.reject(new Error('Resource::kQuotaBytes quota exceeded')); 'full'";
    assert_eq!(worker.evaluate(full).await?, "full");
    let advice = [
        "disk is full",
        "nothing was done in any page",
        "Ask the user to free disk space",
        "look, but do not act",
    ];
    for _ in 0..2 {
        let clicked = one.call("browser_click", click.clone()).await?;
        clicked.must_fail("limit_reached", &advice);
        let new = json!({"action": "new", "url": world.site.url("/counter?name=b")});
        let opened = one.call("browser_tabs", new).await?;
        opened.must_fail("limit_reached", &advice);
        let seen = one.ok("browser_snapshot", json!({})).await?;
        assert!(seen.text.contains("Counter a"), "{seen}");
    }
    assert_eq!(world.site.requests_of("/counter").len(), 1);
    worker
        .evaluate("chrome.storage.local.set = self.set, 'space'")
        .await?;
    let clicked = one.call("browser_click", click).await?;
    assert!(clicked.is_ok(), "{clicked}");
    world.site.until_hits("a", 1).await?;
    // What was refused came to no disk either: the next life has nothing to do again.
    worker.detach().await?;
    world.browser().kill_worker().await?;
    assert_eq!(one.read(tab, "document.title").await?, "Counter a");
    assert_eq!(world.site.hits("a"), 1);
    world.close().await
}

#[tokio::test]
async fn a_clock_that_is_put_a_day_ahead_or_back_closes_no_tab_and_costs_no_claim() -> Result<()> {
    /// The worker's clock can be put from outside.
    const CLOCK: &str = "(() => { const now = Date.now; self.ahead = 0;\
        Date.now = () => now() + self.ahead; return 'set' })()";
    const DAY: &str = "24 * 3600 * 1000";
    /// What the core does by its clock, it does within this.
    const BEAT: Duration = Duration::from_secs(2);
    let world = World::start().await?;
    let (one, two) = (world.agent("one").await?, world.agent("two").await?);
    let claimed = one.open(&world.site.url("/counter?name=a")).await?;
    let mut spawn = world.spawn("gone", Era::Legacy);
    spawn.arguments.push("--instance-id=gone".into());
    let mut gone = world.agent_of(spawn).await?;
    let kept = gone.open(&world.site.url("/counter?name=b")).await?;
    gone.read(kept, "globalThis.since = 'before'").await?;
    let worker = world.browser().enter_worker().await?;
    assert_eq!(worker.evaluate(CLOCK).await?, "set");
    for put in ["+=", "-="] {
        gone.end(End::Kill).await?;
        let claim = json!({"tabId": claimed, "wait": 60});
        let mut claim = two.begin("browser_snapshot", claim).await?;
        claim.until_progress("").await?;
        worker.evaluate(&format!("self.ahead {put} {DAY}")).await?;
        one.read(claimed, "1").await?;
        tokio::time::sleep(BEAT).await;
        one.read(claimed, "1").await?;
        assert!(!claim.is_answered(), "{put}");
        // The claim's own, too.
        let release = json!({"action": "release", "tabId": claimed});
        one.ok("browser_tabs", release).await?;
        let granted = claim.answer().await?;
        assert!(
            granted.is_ok() && granted.tab() == Some(claimed),
            "{put} {granted}"
        );
        gone = world.agent_of(gone.spawn()).await?;
        let seen = gone.ok("browser_snapshot", json!({})).await?;
        assert_eq!(seen.tab(), Some(kept), "{put} {seen}");
        assert_eq!(gone.read(kept, "since").await?, "before");
        // For the next round.
        let claim = json!({"tabId": claimed, "wait": 60});
        let back = one.begin("browser_snapshot", claim).await?;
        let release = json!({"action": "release", "tabId": claimed});
        two.ok("browser_tabs", release).await?;
        assert!(back.answer().await?.is_ok());
    }
    world.close().await
}
