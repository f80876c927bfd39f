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
/// Calls before the first look, beside as many reconnections as are measured then: what is made once,
/// kept up to a bound, or kept by engine and allocator for the next time is there by then.
const WARM: usize = 5_000;
/// For what is thrown away to be gone.
const SETTLE: Duration = Duration::from_secs(5);
/// What memory may have grown to, in percent: engine and allocator round up.
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
        "Memory of their own (anonymous) after long use, four agents",
        &["after", "the oldest server", "the extension's process"],
    );
    // A worker that dies takes its memory with it: all that is compared of it is in one life.
    let reconnects = scale.reconnects;
    kill_workers(&world, &agents, reconnects).await?;
    work(&agents, WARM).await?;
    kill_servers(&world, &mut agents, reconnects).await?;
    let after = format!("{WARM} calls, {reconnects} deaths of each kind");
    let warm = look(&mut table, after, &world, &agents[0]).await?;
    work(&agents, scale.age).await?;
    let after = format!("{} more calls", scale.age);
    look(&mut table, after, &world, &agents[0]).await?;
    kill_servers(&world, &mut agents, reconnects).await?;
    let after = format!("{reconnects} other servers killed and started again");
    let worn = look(&mut table, after, &world, &agents[0]).await?;
    must_be_flat(
        &mut table,
        "the extension's process",
        warm.extension,
        worn.extension,
    );
    kill_workers(&world, &agents, reconnects).await?;
    let after = format!("{reconnects} deaths of the worker");
    let worn = look(&mut table, after, &world, &agents[0]).await?;
    must_be_flat(&mut table, "the oldest server", warm.server, worn.server);
    drop(agents);
    world.close().await?;
    Ok(table)
}

/// But for the first, so that there is one that has lived through all.
async fn kill_servers(world: &World, agents: &mut [Agent], times: usize) -> Result<()> {
    for number in 0..times {
        let agent = &mut agents[1 + number % (AGENTS - 1)];
        let spawn = agent.spawn();
        agent.end(End::Kill).await?;
        *agent = world.agent_of(spawn).await?;
        agent.ok("browser_snapshot", json!({})).await?;
    }
    Ok(())
}

async fn kill_workers(world: &World, agents: &[Agent], times: usize) -> Result<()> {
    for _ in 0..times {
        world.browser().kill_worker().await?;
        work(agents, AGENTS).await?;
    }
    Ok(())
}

async fn look(table: &mut Table, after: String, world: &World, oldest: &Agent) -> Result<Look> {
    // What nobody holds any more is not held against the worker.
    let worker = world.browser().enter_worker().await?;
    worker
        .call("HeapProfiler.collectGarbage", json!({}))
        .await?;
    worker.detach().await?;
    tokio::time::sleep(SETTLE).await;
    let extension = machine::extension_process(world.browser().group())?;
    let look = Look {
        server: machine::anonymous_kib(oldest.pid())?,
        extension: machine::anonymous_kib(extension)?,
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
