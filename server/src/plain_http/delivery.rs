//! Resources that an answer holds from its head to its last byte.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;
use wstp_protocol::SharePath;

use crate::access::Caller;
use crate::places::Seat;
use crate::registry::Presence;
use crate::server::Server;

/// An answer under way.
pub struct Delivery {
    /// Completes when the server has waited long enough after the signal to stop.
    overdue: Pin<Box<dyn Future<Output = ()> + Send>>,
    presence: Presence,
    path: SharePath,
    _seat: Seat,
    /// The server waits for it when it stops.
    _session: TaskTrackerToken,
}

/// The server stops and no longer waits, or somebody ended the session.
pub struct Overdue;

impl Delivery {
    /// An answer to the client that has this seat: the content at a path.
    pub fn new(server: &Server, path: &SharePath, presence: Presence, seat: Seat) -> Self {
        server.control.events().note_reading(&presence.caller, path);
        presence.fetches(0, path);
        let session = Arc::clone(&presence);
        let (stopping, drain) = (server.stopping.clone(), server.config().timeouts.drain);
        let overdue = Box::pin(async move {
            tokio::select! {
                () = session.ended() => {}
                () = async {
                    stopping.cancelled().await;
                    tokio::time::sleep(drain).await;
                } => {}
            }
        });
        Self { overdue, presence, path: path.clone(), _seat: seat, _session: server.sessions.token() }
    }

    /// The one on whose behalf it was asked for.
    pub fn caller(&self) -> &Caller {
        &self.presence.caller
    }

    /// Waits until so many bytes may be sent, if the server still waits for that. They are of the content, or of another
    /// file in it.
    pub async fn pace(&mut self, bytes: u64, of: Option<SharePath>) -> Result<(), Overdue> {
        let (session, path) = (Arc::clone(&self.presence), of.unwrap_or_else(|| self.path.clone()));
        let pace = async move {
            session.pace_share(&path, bytes).await;
            session.pace(bytes).await;
        };
        self.in_time(pace).await?;
        // The connection breaks where the volume of the day ends, and a resume the next day goes on there.
        self.presence.caller.has_volume().then_some(()).ok_or(Overdue)
    }

    /// Takes note that a range of the content, which has so many bytes, is sent.
    pub fn serves(&self, size: u64, range: Range<u64>) {
        if let Ok(place) = self.presence.caller.place(&self.path) {
            self.presence.serves(&place, size, range);
        }
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
