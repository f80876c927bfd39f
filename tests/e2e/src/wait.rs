//! Waiting with a limit: every wait of the harness says what it waited for when it gives up.

use anyhow::{Context, Result, bail};
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Catches hangs, not slowness: two busy cores may make any single step take seconds.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Between two looks at a condition: short beside what a test waits for, long beside a look.
const LOOK_AGAIN: Duration = Duration::from_millis(40);

/// Awaits `future` for at most [`LIMIT`]; `what` completes the sentence "waited 60 s for …".
pub async fn within<T>(what: impl Display, future: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(done) => done.with_context(|| format!("while waiting for {what}")),
        Err(_) => bail!("waited {} s for {what}", LIMIT.as_secs()),
    }
}

/// Looks until `look` finds something, for at most [`LIMIT`].
pub async fn until<T>(
    what: impl Display,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + LIMIT;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(Some(found))) => return Ok(found),
            Ok(Ok(None)) => {}
            Ok(Err(why)) => return Err(why.context(format!("while waiting for {what}"))),
            Err(_) => bail!("waited {} s for {what}", LIMIT.as_secs()),
        }
        if left.is_zero() {
            bail!("waited {} s for {what}", LIMIT.as_secs());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
