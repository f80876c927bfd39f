//! What long use leaves in memory: of a server, and of the process that the worker runs in. It is to
//! be flat: more than a little more than after the first calls is a fault.

use crate::Scale;
use crate::figures::{Table, megabytes};
use crate::machine;
use anyhow::Result;
use e2e::{Agent, End, World};
use serde_json::json;
use std::time::Duration;

const AGENTS: usize = 4;
/// Calls before the first look, so that what is made once is there.
const WARM: usize = 1_000;
/// For what is thrown away to be gone.
const SETTLE: Duration = Duration::from_secs(5);
/// What memory may have grown to, in percent: what engine and allocator keep for later is not flat.
const GROWN_MAX: u64 = 125;

/// KiB at one moment.
struct Look {
    /// The server that lives through all of it.
    server: u64,
    extension: u64,
}

pub(crate) async fn measure(scale: Scale) -> Result<Table> {
    let world = World::start().await?;
    let mut agents = Vec::new();
    for number in 0..AGENTS {
        let agent = world.agent(&format!("age-{number}")).await?;
        agent.open(&world.site.url("/table")).await?;
        agents.push(agent);
    }
    let mut table = Table::new(
        "Memory (PSS) after long use, four agents",
        &["after", "the oldest server", "the extension's process"],
    );
    work(&agents, WARM).await?;
    let warm = look(&mut table, format!("{WARM} calls"), &world, &agents[0]).await?;
    work(&agents, scale.age).await?;
    look(
        &mut table,
        format!("{} more", scale.age),
        &world,
        &agents[0],
    )
    .await?;
    // The first one stays, so that there is one that has lived through all.
    for number in 0..scale.reconnects {
        let agent = &mut agents[1 + number % (AGENTS - 1)];
        let spawn = agent.spawn();
        agent.end(End::Kill).await?;
        *agent = world.agent_of(spawn).await?;
        agent.ok("browser_snapshot", json!({})).await?;
    }
    let restarts = format!(
        "{} other servers killed and started again",
        scale.reconnects
    );
    // All of it in one life of the worker.
    let worn = look(&mut table, restarts, &world, &agents[0]).await?;
    must_be_flat(
        &mut table,
        "the extension's process",
        warm.extension,
        worn.extension,
    );
    for _ in 0..scale.reconnects {
        world.browser().kill_worker().await?;
        work(&agents, AGENTS).await?;
    }
    let deaths = format!("{} deaths of the worker", scale.reconnects);
    let worn = look(&mut table, deaths, &world, &agents[0]).await?;
    must_be_flat(&mut table, "the oldest server", warm.server, worn.server);
    drop(agents);
    world.close().await?;
    Ok(table)
}

async fn look(table: &mut Table, after: String, world: &World, oldest: &Agent) -> Result<Look> {
    // What nobody holds any more is not held against the worker.
    let worker = world.browser().enter_worker().await?;
    worker
        .call("HeapProfiler.collectGarbage", json!({}))
        .await?;
    worker.detach().await?;
    tokio::time::sleep(SETTLE).await;
    let look = Look {
        server: machine::pss_kib(oldest.pid())?,
        extension: machine::pss_kib(machine::extension_process(world.browser().group())?)?,
    };
    table.row([after, megabytes(look.server), megabytes(look.extension)]);
    Ok(look)
}

fn must_be_flat(table: &mut Table, whose: &str, warm: u64, worn: u64) {
    if worn * 100 > warm * GROWN_MAX {
        let (warm, worn) = (megabytes(warm), megabytes(worn));
        table.fault(format!(
            "Not flat: {whose} has grown from {warm} to {worn}."
        ));
    }
}

/// So many calls by all of them together, in their own tabs.
async fn work(agents: &[Agent], calls: usize) -> Result<()> {
    let mut working = tokio::task::JoinSet::new();
    for agent in agents {
        let agent = agent.clone();
        working.spawn(async move {
            for number in 0..calls / AGENTS {
                let snapshot = number % 8 == 7;
                let (tool, arguments) = if snapshot {
                    ("browser_snapshot", json!({}))
                } else {
                    (
                        "browser_evaluate",
                        json!({"function": "() => document.title"}),
                    )
                };
                agent.ok(tool, arguments).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_by_a_quarter_is_flat_and_what_grows_by_more_is_told() {
        for (worn, faults) in [(900, 0), (1_250, 0), (1_251, 1)] {
            let mut table = Table::new("", &[]);
            must_be_flat(&mut table, "it", 1_000, worn);
            assert_eq!(table.faults().len(), faults, "{worn}");
        }
    }
}
