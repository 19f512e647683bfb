//! The conversation: takes frames, begins and ends requests, notices silence and the server's end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use wstp_protocol::{ClientMessage, ErrorCode, Goodbye, Handle, Pong, RequestId, ServerMessage, features};
use wstp_provider::Refusal;

use super::Ending;
use super::outbox::{Gone, Outbox};
use super::requests::Work;
use super::state::State;
use crate::server::Server;
use crate::socket::{Closing, Incoming, Receiver, SocketError};

/// A client that asks for nothing for so long has all that it can have without hashes.
const SILENCE: Duration = Duration::from_secs(5);
/// When clients of a server that stops should come back.
const RETRY_AFTER_MS: u32 = 1000;

/// A client after its handshake.
pub struct Connection {
    pub(super) server: Arc<Server>,
    pub(super) outbox: Outbox,
    pub(super) tasks: TaskTracker,
    /// What client and server agreed on.
    pub(super) features: u64,
    state: Mutex<State>,
    answered: Notify,
    /// Whether the hashes of an open file could not be computed.
    unhashed: AtomicBool,
}

impl Connection {
    /// A client that has asked for nothing yet.
    pub fn new(server: Arc<Server>, outbox: Outbox, features: u64) -> Self {
        let state = Mutex::new(State::new(server.config.max_requests, server.config.max_handles));
        Self {
            server,
            outbox,
            tasks: TaskTracker::new(),
            features,
            state,
            answered: Notify::new(),
            unhashed: AtomicBool::new(false),
        }
    }

    /// What is open and under way.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes frames until the connection is to end.
    pub async fn run(self: &Arc<Self>, receiver: &mut Receiver) -> Ending {
        let idle = self.server.config.timeouts.idle;
        let mut silent_until = Instant::now() + idle;
        loop {
            let step = tokio::select! {
                biased;
                () = self.outbox.gone() => return Ending::lost(),
                () = self.server.stopping.cancelled() => return self.drain(receiver).await,
                () = self.waits_in_vain() => return Ending::unhashed(),
                incoming = receiver.next() => {
                    silent_until = Instant::now() + idle;
                    self.handle_incoming(incoming, false).await
                }
                () = tokio::time::sleep_until(silent_until) => {
                    silent_until = Instant::now() + idle;
                    match self.state().is_idle() && self.outbox.is_empty() {
                        true => Err(Ending::goodbye(0, Closing::Normal, "nothing was asked for too long")),
                        false => Ok(()),
                    }
                }
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    /// The server stops: what is under way is finished within bounds, nothing new begins.
    async fn drain(self: &Arc<Self>, receiver: &mut Receiver) -> Ending {
        const REASON: &str = "the server stops";
        let ending = Ending { last_words: None, closing: Closing::GoingAway, reason: REASON };
        let goodbye = ServerMessage::Goodbye(Goodbye { retry_after_ms: RETRY_AFTER_MS });
        let deadline = Instant::now() + self.server.config.timeouts.drain;
        let drained = async {
            if self.outbox.send(&goodbye).await.is_err() {
                return Ending::lost();
            }
            loop {
                let step = tokio::select! {
                    () = self.all_answered() => return ending,
                    incoming = receiver.next() => self.handle_incoming(incoming, true).await,
                };
                if let Err(ending) = step {
                    return ending;
                }
            }
        };
        let late = Ending { last_words: None, closing: Closing::GoingAway, reason: "requests did not end in time" };
        tokio::time::timeout_at(deadline, drained).await.unwrap_or(late)
    }

    /// Gives everything up and waits for the tasks to notice.
    pub async fn end(&self) {
        for file in self.state().clear() {
            self.server.files.release(file);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn all_answered(&self) {
        loop {
            let answered = self.answered.notified();
            if self.state().is_idle() {
                return;
            }
            answered.await;
        }
    }

    /// The request's answer is about to be queued.
    pub(super) fn finish(&self, id: RequestId) {
        self.state().finish(id);
        self.answered.notify_waiters();
    }

    /// The hashes of an open file can't be computed: once all that was asked for is answered the connection ends, or its client would wait for them for
    /// ever. It may open the file again, which tries again.
    pub(super) fn give_up_hashing(&self) {
        self.unhashed.store(true, Ordering::Relaxed);
        self.answered.notify_waiters();
    }

    /// Completes once nothing is left that the client could be waiting for but hashes that don't come.
    async fn waits_in_vain(&self) {
        loop {
            let answered = self.answered.notified();
            while self.unhashed.load(Ordering::Relaxed) && self.state().is_idle() {
                // Any frame of the client begins this anew.
                tokio::time::sleep(SILENCE).await;
                if self.state().is_idle() && self.outbox.is_empty() {
                    return;
                }
            }
            answered.await;
        }
    }

    /// The file of a handle changed: closes it and tells the client, once.
    pub(super) async fn make_stale(&self, handle: Handle) {
        let open = self.state().close_stale(handle);
        if open.is_some() {
            let told = self.outbox.send(&ServerMessage::Stale(wstp_protocol::Stale { handle })).await;
            tracing::debug!(handle, told = told.is_ok(), "an open file changed");
        }
    }

    async fn handle_incoming(
        self: &Arc<Self>,
        incoming: Option<Result<Incoming, SocketError>>,
        stopping: bool,
    ) -> Result<(), Ending> {
        match incoming {
            Some(Ok(Incoming::Frame(frame))) => match ClientMessage::decode(&frame) {
                Ok(message) => self.handle_message(message, stopping).await,
                Err(error) => {
                    tracing::info!(%error, "malformed frame");
                    Err(Ending::malformed("a malformed frame"))
                }
            },
            Some(Ok(Incoming::Ping)) => self.outbox.flush().await.map_err(Ending::from),
            Some(Ok(Incoming::Text)) => Err(Ending::malformed("a text message")),
            Some(Err(error)) => {
                tracing::debug!(%error, "the socket failed");
                Err(Ending::lost())
            }
            None => Err(Ending::lost()),
        }
    }

    async fn handle_message(self: &Arc<Self>, message: ClientMessage, stopping: bool) -> Result<(), Ending> {
        let work = match message {
            ClientMessage::Hello(_) => return Err(Ending::malformed("a second greeting")),
            ClientMessage::Ping(ping) => {
                return Ok(self.outbox.send(&ServerMessage::Pong(Pong { nonce: ping.nonce })).await?);
            }
            ClientMessage::Cancel(cancel) => {
                self.state().cancel(cancel.id);
                return Ok(());
            }
            ClientMessage::Close(close) => {
                let closed = self.state().close(close.handle);
                if let Some(file) = closed {
                    self.server.files.release(file);
                }
                return Ok(());
            }
            ClientMessage::Bundle(_) if self.features & features::BUNDLES == 0 => {
                return Err(Ending::malformed("a bundle that was not agreed on"));
            }
            ClientMessage::Bundle(request) => Work::Bundle(request),
            ClientMessage::List(request) => Work::List(request),
            ClientMessage::Stat(request) => Work::Stat(request),
            ClientMessage::Open(request) => Work::Open(request),
            ClientMessage::Blocks(request) => Work::Blocks(request),
            ClientMessage::Hashes(request) => Work::Hashes(request),
        };
        Ok(self.begin(work, stopping).await?)
    }

    async fn begin(self: &Arc<Self>, work: Work, stopping: bool) -> Result<(), Gone> {
        let begun = if stopping { Err(ErrorCode::ShuttingDown) } else { self.state().begin(work.id(), work.handle()) };
        match begun {
            Ok(ended) => {
                tracing::debug!(?work, "request");
                self.tasks.spawn(self.clone().perform(work, ended).in_current_span());
                Ok(())
            }
            Err(code) => {
                let failure = Refusal::from(code).failure(Some(work.id()));
                self.outbox.send(&ServerMessage::Failure(failure)).await
            }
        }
    }
}

impl From<Gone> for Ending {
    fn from(Gone: Gone) -> Self {
        Self::lost()
    }
}
