//! What the extension's process uses while nobody calls: people run it on laptops.
//!
//! In the minute after something changed it looks for servers everywhere, afterwards where they come.
//! Beside it an extension that is only there: what is left above that is ours.

use crate::Scale;
use crate::figures::Table;
use crate::machine;
use anyhow::Result;
use e2e::{Agent, Options, World, allow_more_browsers};
use std::time::{Duration, Instant};

/// The extension that is only there.
const EMPTY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/empty");

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
    // Side by side, so that all four are measured in the same minutes.
    allow_more_browsers(CROWDS.len() + 1);
    let mut idlers = vec![Idler::empty().await?];
    for count in CROWDS {
        idlers.push(Idler::start(count).await?);
    }
    let since = Instant::now();
    tokio::time::sleep(SETTLED).await;
    let busy = shares(&idlers, scale.idle_s).await?;
    tokio::time::sleep(CALM.saturating_sub(since.elapsed())).await;
    let calm = shares(&idlers, scale.idle_s).await?;
    let names = ["an empty extension".to_owned()].into_iter();
    let names = names.chain(CROWDS.iter().map(usize::to_string));
    for (name, (busy, calm)) in names.zip(busy.into_iter().zip(calm)) {
        let target = if name.starts_with("an") { "" } else { "0.5 %" };
        table.row([
            name,
            format!("{busy:.2} % of a core"),
            format!("{calm:.2} %"),
            target.to_owned(),
        ]);
    }
    table.note(
        "The empty extension is only there, as ours has to be: an alarm every second, a call of \
         Chrome's every 20. What is above that is ours, nearly all of it the probes for servers: in \
         the first minute of every port, afterwards of the one where the next server binds.",
    );
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
    async fn empty() -> Result<Self> {
        let options = Options {
            extension: Some(EMPTY.into()),
            ..Options::default()
        };
        let world = World::with(options).await?;
        let agents = Vec::new();
        Ok(Self { world, agents })
    }

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
