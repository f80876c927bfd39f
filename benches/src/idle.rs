//! What the extension's process uses while nobody calls: people run it on laptops.
//!
//! In the minute after something changed it looks for servers everywhere, afterwards where they come.

use crate::Scale;
use crate::figures::Table;
use crate::machine;
use anyhow::Result;
use e2e::{Agent, World, allow_more_browsers};
use std::time::{Duration, Instant};

const CROWDS: [usize; 3] = [0, 1, 20];
/// Until the last connection is made and the first scan of a start is over.
const SETTLED: Duration = Duration::from_secs(5);
/// Until the core counts nothing as new any more.
const CALM: Duration = Duration::from_secs(65);

pub(crate) async fn measure(scale: Scale) -> Result<Table> {
    let mut table = Table::new(
        "The extension's process while nothing happens",
        &["servers", "the first minute", "afterwards", "target"],
    );
    // Side by side, so that all three are measured in the same minutes.
    allow_more_browsers(CROWDS.len());
    let mut idlers = Vec::new();
    for count in CROWDS {
        idlers.push(Idler::start(count).await?);
    }
    let since = Instant::now();
    tokio::time::sleep(SETTLED).await;
    let busy = shares(&idlers, scale.idle_s).await?;
    tokio::time::sleep(CALM.saturating_sub(since.elapsed())).await;
    let calm = shares(&idlers, scale.idle_s).await?;
    for ((count, busy), calm) in CROWDS.iter().zip(busy).zip(calm) {
        table.row([
            count.to_string(),
            format!("{busy:.2} % of a core"),
            format!("{calm:.2} %"),
            "0.5 %".to_owned(),
        ]);
    }
    for idler in idlers {
        drop(idler.agents);
        idler.world.close().await?;
    }
    Ok(table)
}

/// A browser, and agents that have a tab each and say nothing.
struct Idler {
    world: World,
    agents: Vec<Agent>,
}

impl Idler {
    async fn start(count: usize) -> Result<Self> {
        let world = World::start().await?;
        let mut agents = Vec::new();
        for number in 0..count {
            let agent = world.agent(&format!("idle-{number}")).await?;
            agent.open(&world.site.url("/greet?name=idle")).await?;
            agents.push(agent);
        }
        Ok(Self { world, agents })
    }

    fn used(&self) -> Result<Duration> {
        let process = machine::extension_process(self.world.browser().group())?;
        machine::processor_time(process)
    }
}

/// Of one core, in percent, over `seconds`.
async fn shares(idlers: &[Idler], seconds: u64) -> Result<Vec<f64>> {
    let used = || idlers.iter().map(Idler::used).collect::<Result<Vec<_>>>();
    let (before, began) = (used()?, Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, took) = (used()?, began.elapsed());
    let share = |(after, before): (&Duration, &Duration)| {
        after.saturating_sub(*before).as_secs_f64() * 100.0 / took.as_secs_f64()
    };
    Ok(after.iter().zip(&before).map(share).collect())
}
