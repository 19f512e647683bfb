//! A protocol connection from handshake to last words.

mod connection;
mod desk;
mod handshake;
mod outbox;
mod requests;
mod state;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use tracing::Instrument;
use wstp_protocol::{ErrorCode, Failure, Goodbye, ServerMessage};
use wstp_provider::Refusal;

use crate::access::Credential;
use crate::carrier::{Closing, Receiver, Sender};
use crate::places::Reader;
use crate::registry::{Presence, Session};
use crate::routes::Peer;
use crate::server::Server;
use crate::socket;
use connection::Connection;
use outbox::Outbox;

/// When a client should open a file again that could not be hashed: each time it is read anew.
const HASH_AGAIN_MS: u32 = 60_000;
/// How long the client has to close its side.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// A client that is about to greet.
pub struct Guest {
    /// The number of its connection.
    pub number: u64,
    /// Its address.
    pub address: SocketAddr,
    /// The reader of its connection.
    pub reader: Arc<Reader>,
    /// Whether the session ends with this connection.
    pub is_bound: bool,
    /// The proof of who asks in the head of its request.
    pub credential: Option<Credential>,
}

/// How a connection ends.
pub struct Ending {
    /// The message for the client, if it is still there.
    last_words: Option<ServerMessage>,
    closing: Closing,
    /// For the log.
    reason: &'static str,
}

impl Ending {
    /// The client went away, or can't be reached.
    const fn lost() -> Self {
        Self { last_words: None, closing: Closing::Normal, reason: "the client is gone" }
    }

    /// The client may come back.
    const fn goodbye(retry_after_ms: u32, closing: Closing, reason: &'static str) -> Self {
        Self { last_words: Some(ServerMessage::Goodbye(Goodbye { retry_after_ms })), closing, reason }
    }

    /// Somebody ended the session.
    fn of(session: &Session) -> Self {
        if session.is_barred() {
            return Self::failure(ErrorCode::Unauthorized.into(), Closing::Normal, "the caller is not let in any more");
        }
        Self::goodbye(0, Closing::Normal, "the session was ended")
    }

    /// Something is wrong with the connection as a whole.
    fn failure(refusal: Refusal, closing: Closing, reason: &'static str) -> Self {
        let failure: Failure = refusal.failure(None);
        Self { last_words: Some(ServerMessage::Failure(failure)), closing, reason }
    }

    /// Without its hashes nothing of a file can be proven.
    fn unhashed() -> Self {
        const WORDS: &str = "The server can't compute the hashes of this file. Ask its owner to look at the log.";
        let failure = Refusal::new(ErrorCode::Io, WORDS).failure(None);
        let failure = Failure { retry_after_ms: Some(HASH_AGAIN_MS), ..failure };
        let last_words = Some(ServerMessage::Failure(failure));
        Self { last_words, closing: Closing::TryAgainLater, reason: "a file can't be hashed" }
    }

    /// The client does not speak the protocol.
    fn malformed(reason: &'static str) -> Self {
        Self::failure(ErrorCode::Malformed.into(), Closing::Protocol, reason)
    }
}

/// Serves the protocol on a connection once its upgrade is through.
pub fn spawn(server: Arc<Server>, peer: Peer, credential: Option<Credential>, on_upgrade: OnUpgrade) {
    let span = tracing::info_span!("connection", id = peer.number, peer = %peer.address);
    let sessions = server.sessions.clone();
    let task = async move {
        match on_upgrade.await {
            Ok(upgraded) => {
                let (sender, receiver) = socket::open(&server, upgraded);
                let reader = peer.reader().clone();
                let (number, address) = (peer.number, peer.address);
                let guest = Guest { number, address, reader, is_bound: true, credential };
                serve(&server, guest, sender, receiver).await;
            }
            Err(error) => tracing::debug!(%error, "the upgrade failed"),
        }
        drop(peer);
    };
    sessions.spawn(task.instrument(span));
}

/// Serves the protocol on a carrier to its end.
pub async fn serve(server: &Arc<Server>, guest: Guest, mut sender: impl Sender, mut receiver: impl Receiver) {
    let ending = match handshake::handshake(server, guest, &mut sender, &mut receiver).await {
        // The seat is free before the last words.
        Ok((features, presence, _seat)) => converse(server, &presence, features, sender, &mut receiver).await,
        Err(ending) => Some((ending, sender)),
    };
    if let Some((ending, sender)) = ending {
        say_last_words(ending, sender, receiver).await;
    }
}

/// The conversation after the handshake. Gives back how it ended and the sender if it still works.
async fn converse<S: Sender>(
    server: &Arc<Server>,
    presence: &Presence,
    features: u64,
    sender: S,
    receiver: &mut impl Receiver,
) -> Option<(Ending, S)> {
    let (outbox, outflow) = Outbox::new(server.config().send_budget);
    let writing = outbox::write(outflow, sender, Arc::clone(presence));
    let mut writing = tokio::spawn(writing.in_current_span());
    let connection = Arc::new(Connection::new(server.clone(), Arc::clone(presence), outbox, features));
    let ending = connection.run(receiver).await;
    let written = async {
        connection.end().await;
        drop(connection);
        (&mut writing).await
    };
    match tokio::time::timeout(server.config().timeouts.drain, written).await {
        Ok(Ok(Ok(sender))) => Some((ending, sender)),
        Ok(Ok(Err(error))) => {
            tracing::info!(%error, "disconnected");
            None
        }
        Ok(Err(_)) => None,
        Err(_) => {
            writing.abort();
            tracing::info!("disconnected: the client did not take what was left");
            None
        }
    }
}

async fn say_last_words(ending: Ending, mut sender: impl Sender, mut receiver: impl Receiver) {
    tracing::info!(reason = ending.reason, "disconnected");
    let words = async {
        if let Some(message) = ending.last_words {
            sender.feed(message.encode().into()).await?;
        }
        sender.close(ending.closing).await
    };
    if let Err(error) = words.await {
        tracing::debug!(%error, "the client did not hear the last words");
    }
    let _in_time = tokio::time::timeout(CLOSE_WAIT, receiver.drain()).await;
}
