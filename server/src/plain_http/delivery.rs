//! Resources that an answer holds from its head to its last byte.

use std::future::Future;
use std::pin::Pin;

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::places::Seat;
use crate::server::Server;

/// An answer under way.
pub struct Delivery {
    /// Completes when the server has waited long enough after the signal to stop.
    overdue: Pin<Box<dyn Future<Output = ()> + Send>>,
    _seat: Seat,
    /// The server waits for it when it stops.
    _session: TaskTrackerToken,
}

/// The server stops and no longer waits.
pub struct Overdue;

impl Delivery {
    /// An answer to the client that has this seat.
    pub fn new(server: &Server, seat: Seat) -> Self {
        let (stopping, drain) = (server.stopping.clone(), server.config.timeouts.drain);
        let overdue = Box::pin(async move {
            stopping.cancelled().await;
            tokio::time::sleep(drain).await;
        });
        Self { overdue, _seat: seat, _session: server.sessions.token() }
    }

    /// The result of `work`, if the server still waits for it.
    pub async fn in_time<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Overdue> {
        tokio::select! {
            biased;
            () = &mut self.overdue => Err(Overdue),
            done = work => Ok(done),
        }
    }
}
