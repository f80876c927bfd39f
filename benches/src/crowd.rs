//! Twenty agents at once against one: does the second one wait for the first?

use crate::Scale;
use crate::figures::{Table, Times, megabytes};
use crate::machine;
use anyhow::Result;
use e2e::{Agent, World};
use serde_json::json;
use std::time::Instant;

const CROWDS: [usize; 2] = [1, 20];

pub(crate) async fn measure(scale: Scale) -> Result<Table> {
    let mut table = Table::new(
        "One agent and twenty, each calling without a pause",
        &[
            "agents",
            "evaluate",
            "calls a second, together",
            "memory (PSS) of all servers",
        ],
    );
    for count in CROWDS {
        let world = World::start().await?;
        let mut agents = Vec::new();
        for number in 0..count {
            let agent = world.agent(&format!("crowd-{number}")).await?;
            let tab = agent.open(&world.site.url("/greet?name=crowd")).await?;
            agents.push((agent, tab));
        }
        let started = Instant::now();
        let mut working = tokio::task::JoinSet::new();
        for (agent, tab) in agents.clone() {
            working.spawn(work(agent, tab, scale.calls));
        }
        let mut all = Times::default();
        while let Some(done) = working.join_next().await {
            all.append(done??);
        }
        let took = started.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a rate, to three digits")]
        let rate = (count * scale.calls) as f64 / took.as_secs_f64();
        let mut memory = 0;
        for (agent, _) in &agents {
            memory += machine::pss_kib(agent.pid())?;
        }
        table.row([
            count.to_string(),
            all.both(),
            format!("{rate:.0}"),
            megabytes(memory),
        ]);
        drop(agents);
        world.close().await?;
    }
    Ok(table)
}

async fn work(agent: Agent, tab: i64, calls: usize) -> Result<Times> {
    let mut times = Times::default();
    for _ in 0..calls {
        let started = Instant::now();
        let arguments = json!({"tabId": tab, "function": "() => 1"});
        agent.ok("browser_evaluate", arguments).await?;
        times.add(started.elapsed());
    }
    Ok(times)
}
