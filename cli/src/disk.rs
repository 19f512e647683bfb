//! The thread that does a transfer's storage work, so that no disk ever holds up the network.
//!
//! Requests are done and answered in the order they came. What does not fit into the thread's bounded queue waits here; it is bounded by the engine, which
//! asks for no more than its memory budget.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wstp_engine::StoreRequest;

use crate::partial::Partial;
use crate::store::Stored;

/// Requests handed to the thread at once.
const QUEUE: usize = 64;

/// A running storage thread.
pub struct Disk {
    requests: mpsc::Sender<StoreRequest>,
    replies: mpsc::Receiver<Stored>,
    waiting: VecDeque<StoreRequest>,
    thread: JoinHandle<Partial>,
}

/// The thread ended before its time.
#[derive(Debug, thiserror::Error)]
#[error("the storage thread ended")]
pub struct Ended;

impl Disk {
    /// Starts the thread.
    #[must_use]
    pub fn start(mut partial: Partial) -> Self {
        let (requests, mut to_do) = mpsc::channel(QUEUE);
        let (done, replies) = mpsc::channel(QUEUE);
        let thread = tokio::task::spawn_blocking(move || {
            while let Some(request) = to_do.blocking_recv() {
                if done.blocking_send(partial.store.perform(request)).is_err() {
                    break;
                }
            }
            partial
        });
        Self { requests, replies, waiting: VecDeque::new(), thread }
    }

    /// Has something done.
    pub fn push(&mut self, request: StoreRequest) {
        self.waiting.push_back(request);
    }

    /// The next answer. Safe to cancel; for ever when nothing was asked.
    ///
    /// # Errors
    ///
    /// When the thread ended, which it does only by a defect.
    pub async fn next(&mut self) -> Result<Stored, Ended> {
        loop {
            tokio::select! {
                biased;
                stored = self.replies.recv() => return stored.ok_or(Ended),
                place = self.requests.reserve(), if !self.waiting.is_empty() => {
                    let place = place.map_err(|_| Ended)?;
                    if let Some(request) = self.waiting.pop_front() {
                        place.send(request);
                    }
                }
            }
        }
    }

    /// Ends the thread and gives the files back.
    ///
    /// # Errors
    ///
    /// When the thread ended before.
    pub async fn stop(self) -> Result<Partial, Ended> {
        drop((self.requests, self.replies));
        self.thread.await.map_err(|_| Ended)
    }
}
