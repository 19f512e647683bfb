//! A thread that does storage work, so that no disk ever holds up the network.
//!
//! Requests are done and answered in the order they came. What does not fit into the thread's bounded queue waits here; it is bounded by the engine, which
//! asks for no more than its memory budget.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests handed to the thread at once.
const QUEUE: usize = 64;

/// What the thread works on.
pub trait Storage: Send + 'static {
    /// What can be asked.
    type Request: Send;
    /// What comes of it.
    type Reply: Send;

    /// Does what is asked. Blocks the thread.
    fn perform(&mut self, request: Self::Request) -> Self::Reply;
}

/// A running storage thread.
pub struct Disk<S: Storage> {
    requests: mpsc::Sender<S::Request>,
    replies: mpsc::Receiver<S::Reply>,
    waiting: VecDeque<S::Request>,
    thread: JoinHandle<S>,
}

/// The thread ended before its time.
#[derive(Debug, thiserror::Error)]
#[error("the storage thread ended")]
pub struct Ended;

impl<S: Storage> Disk<S> {
    /// Starts the thread.
    #[must_use]
    pub fn start(mut storage: S) -> Self {
        let (requests, mut to_do) = mpsc::channel(QUEUE);
        let (done, replies) = mpsc::channel(QUEUE);
        let thread = tokio::task::spawn_blocking(move || {
            while let Some(request) = to_do.blocking_recv() {
                if done.blocking_send(storage.perform(request)).is_err() {
                    break;
                }
            }
            storage
        });
        Self { requests, replies, waiting: VecDeque::new(), thread }
    }

    /// Has something done.
    pub fn push(&mut self, request: S::Request) {
        self.waiting.push_back(request);
    }

    /// The next answer. Safe to cancel; for ever when nothing was asked.
    ///
    /// # Errors
    ///
    /// When the thread ended, which it does only by a defect.
    pub async fn next(&mut self) -> Result<S::Reply, Ended> {
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
    pub async fn stop(self) -> Result<S, Ended> {
        drop((self.requests, self.replies));
        self.thread.await.map_err(|_| Ended)
    }
}
