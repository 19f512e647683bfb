//! The frames that wait to be sent on one connection, bounded in number and bytes.
//!
//! Room for a reply's bytes is taken before the reply is made, so nothing is read for a client that takes nothing. The
//! room comes back when the frame is written.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use wstp_protocol::ServerMessage;

use crate::carrier::{CarrierError, Sender};
use crate::registry::Session;

/// Most frames that wait.
const QUEUE: usize = 256;
/// Frames from this size on are written at once, smaller ones together.
const LARGE: usize = 16 * 1024;

enum Outgoing {
    Frame(Bytes, Option<OwnedSemaphorePermit>),
    Flush,
}

/// The sending end.
#[derive(Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    budget: Arc<Semaphore>,
    whole_budget: u32,
}

/// A place in the queue.
pub struct Slot<'a>(mpsc::Permit<'a, Outgoing>);

/// The connection is gone.
#[derive(Debug)]
pub struct Gone;

/// The other end: the source of [`write()`].
pub struct Outflow(mpsc::Receiver<Outgoing>);

impl Outbox {
    /// An outbox whose waiting replies take at most `budget` bytes.
    pub fn new(budget: u32) -> (Self, Outflow) {
        let (queue, outflow) = mpsc::channel(QUEUE);
        (Self { queue, budget: Arc::new(Semaphore::new(budget as usize)), whole_budget: budget }, Outflow(outflow))
    }

    /// Room for `bytes` of a reply, in the order of the requests.
    pub async fn room(&self, bytes: u32) -> OwnedSemaphorePermit {
        let bytes = bytes.min(self.whole_budget);
        self.budget.clone().acquire_many_owned(bytes).await.expect("the semaphore is never closed")
    }

    /// A place in the queue, once there is one.
    pub async fn slot(&self) -> Result<Slot<'_>, Gone> {
        self.queue.reserve().await.map(Slot).map_err(|_| Gone)
    }

    /// Queues a small message.
    pub async fn send(&self, message: &ServerMessage) -> Result<(), Gone> {
        self.slot().await?.send(message.encode().into(), None);
        Ok(())
    }

    /// Completes once the connection can send nothing more.
    pub async fn gone(&self) {
        self.queue.closed().await;
    }

    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.queue.capacity() == QUEUE && self.budget.available_permits() == self.whole_budget as usize
    }

    /// Has all queued frames written, and waits while the queue is full.
    pub async fn flush(&self) -> Result<(), Gone> {
        self.queue.send(Outgoing::Flush).await.map_err(|_| Gone)
    }
}

impl Slot<'_> {
    /// Queues a frame; `room` comes back once it is written.
    pub fn send(self, frame: Bytes, room: Option<OwnedSemaphorePermit>) {
        self.0.send(Outgoing::Frame(frame, room));
    }
}

/// Writes queued frames until every outbox is gone, and measures the caller's line. Returns the sender for the last messages.
pub async fn write<S: Sender>(mut outflow: Outflow, mut sender: S, session: Arc<Session>) -> Result<S, CarrierError> {
    let mut rooms = Vec::new();
    while let Some(outgoing) = outflow.0.recv().await {
        let mut flush = outflow.0.is_empty();
        let mut bytes = 0;
        match outgoing {
            Outgoing::Frame(frame, room) => {
                bytes = frame.len() as u64;
                flush |= frame.len() >= LARGE;
                session.pace(bytes).await;
                sender.feed(frame).await?;
                rooms.extend(room);
            }
            Outgoing::Flush => flush = true,
        }
        if flush {
            sender.flush().await?;
            rooms.clear();
        }
        if bytes > 0 {
            session.caller.line().sent(bytes, Instant::now());
        }
    }
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn nothing_is_read_beyond_the_budget() {
        let (outbox, _outflow) = Outbox::new(100);
        let first = outbox.room(60).await;
        let mut second = Box::pin(outbox.room(60));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(!outbox.is_empty());
        drop(first);
        drop(second.await);
        assert!(outbox.is_empty());
    }

    #[tokio::test]
    async fn an_answer_larger_than_the_budget_takes_all_of_it() {
        let (outbox, _outflow) = Outbox::new(100);
        let all = outbox.room(1_000_000).await;
        assert!(outbox.room(1).now_or_never().is_none());
        drop(all);
    }

    #[tokio::test]
    async fn a_full_queue_makes_its_users_wait() {
        let (outbox, _outflow) = Outbox::new(100);
        for _ in 0..QUEUE {
            outbox.flush().await.unwrap();
        }
        assert!(outbox.flush().now_or_never().is_none());
    }
}
