//! What the extension's process uses while nobody calls: people run it on laptops.

use crate::Scale;
use crate::figures::Table;
use crate::machine;
use anyhow::Result;
use e2e::World;
use std::time::Duration;

const CROWDS: [usize; 3] = [0, 1, 20];
/// Until the last connection is made and the last scan of a start is over.
const CALM_DOWN: Duration = Duration::from_secs(5);

pub(crate) async fn measure(scale: Scale) -> Result<Table> {
    let mut table = Table::new(
        "The extension's process while nothing happens",
        &["servers", "of one core", "target"],
    );
    for count in CROWDS {
        let world = World::start().await?;
        let mut agents = Vec::new();
        for number in 0..count {
            let agent = world.agent(&format!("idle-{number}")).await?;
            agent.open(&world.site.url("/greet?name=idle")).await?;
            agents.push(agent);
        }
        tokio::time::sleep(CALM_DOWN).await;
        let process = machine::extension_process(world.browser().group())?;
        let before = machine::ticks(process)?;
        tokio::time::sleep(Duration::from_secs(scale.idle_s)).await;
        let used = machine::ticks(process)? - before;
        // A tick is a hundredth of a second.
        #[expect(clippy::cast_precision_loss, reason = "a share, to two digits")]
        let share = used as f64 / scale.idle_s as f64;
        table.row([
            count.to_string(),
            format!("{share:.2} %"),
            "0.5 %".to_owned(),
        ]);
        drop(agents);
        world.close().await?;
    }
    Ok(table)
}
