//! The short form of `./build.sh torture`: four agents at work while parts die under them. No tab is
//! lost unsaid, no action is lost or done twice, nobody reads another's page. How long it took is told,
//! and judged in the long form alone: here other tests keep the machine busy.

use anyhow::Result;
use e2e::{Death, Toll, torture};

/// The instants; the long form takes others each time.
const SEED: u64 = 5;

async fn costs_nothing(death: Death, times: usize) -> Result<()> {
    let toll = torture(death, times, SEED).await?;
    eprintln!("{}\n{toll}", Toll::heads());
    assert!(toll.is_clean(), "{toll:#?}");
    assert!(
        toll.clicks > 0 && toll.calls > toll.clicks,
        "nobody worked: {toll:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn workers_die_under_load_and_every_agent_goes_on_in_its_tab() -> Result<()> {
    costs_nothing(Death::Worker, 8).await
}

#[tokio::test]
async fn servers_die_under_load_and_their_successors_go_on_in_their_tabs() -> Result<()> {
    costs_nothing(Death::Server, 4).await
}

#[tokio::test]
async fn the_extension_is_reloaded_under_load_and_every_agent_goes_on_in_its_tab() -> Result<()> {
    costs_nothing(Death::Extension, 3).await
}

#[tokio::test]
async fn browsers_die_under_load_and_every_agent_is_told_once_what_it_lost() -> Result<()> {
    costs_nothing(Death::Browser, 2).await
}
