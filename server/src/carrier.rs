//! The carrier of one session: it brings the client's frames and takes the server's. The session does not know which
//! one it has. A WebSocket is the usual one ([`socket`](crate::socket)); HTTP exchanges are the other
//! ([`exchange`](crate::exchange)).

use std::error::Error;

use bytes::Bytes;

use crate::access::Credential;

/// Why a carrier ended.
pub type CarrierError = Box<dyn Error + Send + Sync>;

/// Something that the client sent.
pub enum Incoming {
    /// One frame of the protocol.
    Frame(Bytes),
    /// A ping of the carrier's own. The carrier answers it once something is flushed.
    Ping,
    /// A text message, which the protocol does not have.
    Text,
}

/// The reason why the server ends a carrier.
#[derive(Clone, Copy)]
pub enum Closing {
    /// All is said.
    Normal,
    /// The server stops.
    GoingAway,
    /// The client broke the protocol.
    Protocol,
    /// The server has no room for the client now.
    TryAgainLater,
}

/// The half that receives.
pub trait Receiver: Send {
    /// The client's next message; `None` once the client is gone. Safe to cancel.
    fn next(&mut self) -> impl Future<Output = Option<Result<Incoming, CarrierError>>> + Send;

    /// The credential of the HTTP request that the client began this with, or a part of it.
    fn credential(&self) -> Option<&Credential>;

    /// Waits until the client has ended its side, so that the last words reach it.
    fn drain(&mut self) -> impl Future<Output = ()> + Send;
}

/// The half that sends.
pub trait Sender: Send + 'static {
    /// Queues one frame, and waits while the client takes none.
    fn feed(&mut self, frame: Bytes) -> impl Future<Output = Result<(), CarrierError>> + Send;

    /// Writes what is queued.
    fn flush(&mut self) -> impl Future<Output = Result<(), CarrierError>> + Send;

    /// Tells the client that the session ends.
    fn close(&mut self, closing: Closing) -> impl Future<Output = Result<(), CarrierError>> + Send;
}
