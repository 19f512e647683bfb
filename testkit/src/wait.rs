//! Waiting for a condition, with a limit and a reason.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// For short events: a page renders, a process starts.
pub const SHORT: Duration = Duration::from_secs(20);
/// For data that moves, or a retry.
pub const LONG: Duration = Duration::from_secs(90);
/// For a whole transfer, however much changes on the way. A row that counts down to the next try changes for ever.
pub const LONGEST: Duration = Duration::from_secs(240);
/// Time between two checks of a condition.
const STEP: Duration = Duration::from_millis(30);

/// Checks until `check` returns a value, and fails with `what` when `limit` has passed. An error of `check` ends the
/// wait.
pub async fn until<T>(what: &str, limit: Duration, mut check: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = check().await? {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("waited {} s in vain for {what}", limit.as_secs());
        }
        tokio::time::sleep(STEP).await;
    }
}
