//! A call on another's tab waits as a claim: how it is granted, and how it ends without.

use anyhow::Result;
use e2e::{Agent, Call, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

struct Two {
    world: World,
    owner: Agent,
    other: Agent,
    /// The owner's.
    tab: i64,
}

async fn owner_and_other() -> Result<Two> {
    let world = World::start().await?;
    let (owner, other) = (world.agent("owner").await?, world.agent("other").await?);
    let tab = owner.open(&world.site.url("/counter?name=prize")).await?;
    other.open(&world.site.url("/")).await?;
    Ok(Two {
        world,
        owner,
        other,
        tab,
    })
}

fn read_title(tab: i64, wait: u32) -> Value {
    let mut arguments = e2e::reading(tab, "document.title");
    arguments["wait"] = json!(wait);
    arguments
}

/// Begins a claim and waits until its client has been told that it waits.
async fn claim(agent: &Agent, tab: i64) -> Result<Call> {
    let mut call = agent.begin("browser_evaluate", read_title(tab, 50)).await?;
    call.until_progress("position").await?;
    assert!(!call.is_answered());
    Ok(call)
}

/// The claim was granted: its call ran, in the tab it was for.
async fn granted(call: Call) -> Result<()> {
    let answer = call.answer().await?;
    assert!(answer.is_ok(), "{answer}");
    assert_eq!(e2e::value_in(&answer)?, "Counter prize");
    Ok(())
}

fn release(tab: i64) -> Value {
    json!({"action": "release", "tabId": tab})
}

#[tokio::test]
async fn a_claim_is_granted_by_hand_over() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let third = world.agent("third").await?;
    third.open(&world.site.url("/")).await?;
    let mut earlier = claim(&third, tab).await?;
    let waiting = claim(&other, tab).await?;
    let to = owner.alias_of("other").await?;
    owner
        .ok(
            "browser_tabs",
            json!({"action": "handoff", "tabId": tab, "to": to}),
        )
        .await?;
    granted(waiting).await?;
    // It is the receiver's now, for good: the former owner is the one who waits.
    let former = owner.call("browser_evaluate", read_title(tab, 0)).await?;
    assert!(former.failed_with("tab_owned"), "{former}");
    // Who came earlier was not named, and waits on.
    assert!(!earlier.is_answered(), "a hand-over went to somebody else");
    other.ok("browser_tabs", release(tab)).await?;
    granted(earlier).await?;
    world.close().await
}

#[tokio::test]
async fn a_claim_is_granted_by_release() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let waiting = claim(&other, tab).await?;
    owner.ok("browser_tabs", release(tab)).await?;
    granted(waiting).await?;
    world.close().await
}

#[tokio::test]
async fn a_claim_is_granted_by_the_end_of_the_owner() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let waiting = claim(&other, tab).await?;
    owner.quit().await?;
    granted(waiting).await?;
    world.close().await
}

#[tokio::test]
async fn claims_are_granted_in_the_order_of_their_arrival() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let third = world.agent("third").await?;
    third.open(&world.site.url("/")).await?;
    let first_claim = claim(&other, tab).await?;
    let mut second_claim = claim(&third, tab).await?;
    owner.ok("browser_tabs", release(tab)).await?;
    granted(first_claim).await?;
    assert!(
        !second_claim.is_answered(),
        "the second claim overtook the owner"
    );
    other.ok("browser_tabs", release(tab)).await?;
    granted(second_claim).await?;
    world.close().await
}

#[tokio::test]
async fn a_claim_that_waited_in_vain_times_out_and_is_never_granted() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let started = Instant::now();
    let answer = other.call("browser_evaluate", read_title(tab, 2)).await?;
    let waited = format!("Waited 2 s for tab {tab}");
    answer.must_fail(
        "claim_timeout",
        &[&waited, "(owner)", "position 1", "`wait`"],
    );
    assert!(
        started.elapsed() >= Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    owner.ok("browser_tabs", release(tab)).await?;
    // Free, not the claimant's: a third one gets it at once.
    let third = world.agent("third").await?;
    let answer = third.call("browser_evaluate", read_title(tab, 0)).await?;
    assert!(answer.is_ok(), "{answer}");
    world.close().await
}

#[tokio::test]
async fn without_waiting_a_call_on_anothers_tab_fails_at_once() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let answer = other.call("browser_evaluate", read_title(tab, 0)).await?;
    let alias = other.alias_of("owner").await?;
    let things = [&format!("Tab {tab} "), "`wait`", &format!("ask {alias} ")];
    answer.must_fail("tab_owned", &things);
    assert_eq!(owner.read(tab, "document.title").await?, "Counter prize");
    world.close().await
}

#[tokio::test]
async fn a_cancelled_claim_is_never_granted() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    // It would wait longer than the test does: what ends it is the cancellation.
    let mut waiting = other
        .begin("browser_evaluate", read_title(tab, 300))
        .await?;
    waiting.until_progress("position").await?;
    let told = waiting.progress();
    assert!(
        told.iter().any(|one| one.message.contains("owner")),
        "no owner named in {told:?}"
    );
    waiting.cancel().await?;
    // The owner is told of waiters with each answer: at last there are none.
    e2e::until("the claim to be gone", async || {
        let answer = owner.ok("browser_evaluate", read_title(tab, 0)).await?;
        Ok((!answer.text.contains("wait")).then_some(()))
    })
    .await?;
    owner.ok("browser_tabs", release(tab)).await?;
    let third = world.agent("third").await?;
    let answer = third.call("browser_evaluate", read_title(tab, 0)).await?;
    assert!(answer.is_ok(), "{answer}");
    world.close().await
}

#[tokio::test]
async fn a_claim_that_closes_a_cycle_fails_and_the_older_one_waits_on() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let theirs = other.open(&world.site.url("/slow?name=theirs")).await?;
    let older = claim(&other, tab).await?;
    let younger = owner
        .call("browser_evaluate", read_title(theirs, 20))
        .await?;
    let advice = format!("Release tab {tab} first");
    let things = [&format!("tab {theirs} "), "(other)", &advice];
    younger.must_fail("deadlock", &things);
    owner.ok("browser_tabs", release(tab)).await?;
    granted(older).await?;
    world.close().await
}

#[tokio::test]
async fn a_claim_waits_while_the_owner_goes_on_calling() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let mut waiting = claim(&other, tab).await?;
    for _ in 0..20 {
        let answer = owner.ok("browser_evaluate", read_title(tab, 0)).await?;
        // Every answer to the owner says that somebody waits, and how to let go.
        assert!(
            answer.text.contains("wait") && answer.text.contains("release"),
            "{answer}"
        );
    }
    assert!(
        !waiting.is_answered(),
        "a claim was served between two calls of the owner"
    );
    owner.ok("browser_tabs", release(tab)).await?;
    granted(waiting).await?;
    world.close().await
}

#[tokio::test]
async fn a_release_with_a_delay_lets_the_tab_go_by_itself() -> Result<()> {
    let Two {
        world,
        owner,
        other,
        tab,
    } = owner_and_other().await?;
    let mut waiting = claim(&other, tab).await?;
    let arguments = json!({"action": "release", "tabId": tab, "after": 2});
    owner.ok("browser_tabs", arguments).await?;
    assert_eq!(owner.read(tab, "document.title").await?, "Counter prize");
    assert!(!waiting.is_answered());
    granted(waiting).await?;
    world.close().await
}

#[tokio::test]
async fn the_users_own_tab_is_refused_at_once() -> Result<()> {
    let Two { world, other, .. } = owner_and_other().await?;
    let page = world.browser().extension_page("popup.html").await?;
    let tabs = page.tabs().await?;
    let own = tabs
        .iter()
        .find(|tab| tab.url == "about:blank")
        .map_or(-1, |tab| tab.id);
    let answer = other.call("browser_evaluate", read_title(own, 30)).await?;
    answer.must_fail("tab_of_person", &[&format!("Tab {own} "), "popup"]);
    world.close().await
}
