//! Work that may wait for a disk, off the async threads.

use std::sync::Arc;

use tokio::sync::Semaphore;
use wstp_protocol::ErrorCode;
use wstp_provider::Refusal;

/// Runs `work` on a blocking thread, at most as many at once as `places` has permits. The work keeps its place to its
/// end, even if no task waits for it any more.
pub async fn blocking<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
    let work = move || {
        let result = work();
        drop(place);
        result
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a file system task failed");
        Err(ErrorCode::Io.into())
    })
}
