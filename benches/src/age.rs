//! What long use leaves in memory: of the servers, and of the process that the worker runs in.

use crate::Scale;
use crate::figures::{Table, megabytes};
use crate::machine;
use anyhow::Result;
use e2e::{Agent, End, World};
use serde_json::json;
use std::time::Duration;

const AGENTS: usize = 4;
/// Calls before the first look, so that what is made once is there.
const WARM: usize = 500;
/// For what is thrown away to be gone.
const SETTLE: Duration = Duration::from_secs(5);

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
        &["after", "the largest server", "the extension's process"],
    );
    let mut look = async |what: String, world: &World, agents: &[Agent]| {
        tokio::time::sleep(SETTLE).await;
        let extension = machine::extension_process(world.browser().group())?;
        let servers = agents.iter().map(|agent| machine::pss_kib(agent.pid()));
        let servers = servers.collect::<Result<Vec<_>>>()?;
        table.row([
            what,
            megabytes(servers.into_iter().max().unwrap_or_default()),
            megabytes(machine::pss_kib(extension)?),
        ]);
        anyhow::Ok(())
    };
    work(&agents, WARM).await?;
    look(format!("{WARM} calls"), &world, &agents).await?;
    work(&agents, scale.age).await?;
    look(format!("{} more", scale.age), &world, &agents).await?;
    for _ in 0..scale.reconnects {
        world.browser().kill_worker().await?;
        work(&agents, AGENTS).await?;
    }
    let deaths = format!("{} deaths of the worker", scale.reconnects);
    look(deaths, &world, &agents).await?;
    for number in 0..scale.reconnects {
        let agent = &mut agents[number % AGENTS];
        let spawn = agent.spawn();
        agent.end(End::Kill).await?;
        *agent = world.agent_of(spawn).await?;
        agent.ok("browser_snapshot", json!({})).await?;
    }
    let restarts = format!("{} servers killed and started again", scale.reconnects);
    look(restarts, &world, &agents).await?;
    drop(agents);
    world.close().await?;
    Ok(table)
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
