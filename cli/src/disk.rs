//! A thread for storage work, so that a disk never delays the network.
//!
//! Requests are done and answered in order. Requests beyond the thread's bounded queue wait here. The engine bounds
//! them, because it requests no more than its memory budget.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests handed to the thread at once.
const QUEUE: usize = 64;

/// The state that the thread works on.
pub trait Storage: Send + 'static {
    /// A request.
    type Request: Send;
    /// An answer.
    type Reply: Send;

    /// Blocking: does the request.
    fn perform(&mut self, request: Self::Request) -> Self::Reply;
}

/// A running storage thread.
pub struct Disk<S: Storage> {
    requests: mpsc::Sender<S::Request>,
    replies: mpsc::Receiver<S::Reply>,
    waiting: VecDeque<S::Request>,
    thread: JoinHandle<S>,
}

/// The thread ended early.
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

    /// Queues a request.
    pub fn push(&mut self, request: S::Request) {
        self.waiting.push_back(request);
    }

    /// The next answer. Safe to cancel. Waits for ever without a request.
    ///
    /// # Errors
    ///
    /// When the thread ended, which only a defect can cause.
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
    /// When the thread ended before that.
    pub async fn stop(self) -> Result<S, Ended> {
        drop((self.requests, self.replies));
        self.thread.await.map_err(|_| Ended)
    }
}
