//! The conversation: takes frames, begins and ends requests, notices silence and the server's end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use wstp_protocol::{ClientMessage, Goodbye, Handle, RequestId, ServerMessage};
use wstp_provider::{Answer, Malformed, Outcome, PeerState, Refusal, Step};

use super::Ending;
use super::desk::Desk;
use super::outbox::{Gone, Outbox};
use super::state::State;
use crate::carrier::{CarrierError, Closing, Incoming, Receiver};
use crate::hashing::OpenFile;
use crate::registry;
use crate::server::Server;

/// A client that asks for nothing for so long has all that it can have without hashes.
const SILENCE: Duration = Duration::from_secs(5);
/// When clients of a server that stops should come back.
const RETRY_AFTER_MS: u32 = 1000;

/// A client after its handshake.
pub struct Connection {
    pub(super) server: Arc<Server>,
    pub(super) desk: Desk,
    pub(super) outbox: Outbox,
    pub(super) tasks: TaskTracker,
    state: Mutex<State>,
    answered: Notify,
    /// Whether the hashes of an open file could not be computed.
    unhashed: AtomicBool,
}

impl Connection {
    /// A client that has asked for nothing yet.
    pub fn new(server: Arc<Server>, session: Arc<registry::Session>, outbox: Outbox, features: u64) -> Self {
        let state = Mutex::new(State::new(PeerState::new(server.config().limits(), features)));
        let desk = Desk::new(&server, session);
        Self {
            server,
            desk,
            outbox,
            tasks: TaskTracker::new(),
            state,
            answered: Notify::new(),
            unhashed: AtomicBool::new(false),
        }
    }

    /// The open files and the work under way.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes frames until the connection is to end.
    pub async fn run(self: &Arc<Self>, receiver: &mut impl Receiver) -> Ending {
        let idle = self.server.config().timeouts.idle;
        let mut silent_until = Instant::now() + idle;
        loop {
            let step = tokio::select! {
                biased;
                () = self.outbox.gone() => return Ending::lost(),
                () = self.server.stopping.cancelled() => return self.drain(receiver).await,
                () = self.desk.session.ended() => return Ending::of(&self.desk.session),
                () = self.waits_in_vain() => return Ending::unhashed(),
                incoming = receiver.next() => {
                    silent_until = Instant::now() + idle;
                    self.handle_incoming(incoming).await
                }
                () = tokio::time::sleep_until(silent_until) => {
                    silent_until = Instant::now() + idle;
                    match self.state().peer.is_idle() && self.outbox.is_empty() {
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
    async fn drain(self: &Arc<Self>, receiver: &mut impl Receiver) -> Ending {
        const REASON: &str = "the server stops";
        self.state().peer.stop();
        let ending = Ending { last_words: None, closing: Closing::GoingAway, reason: REASON };
        let goodbye = ServerMessage::Goodbye(Goodbye { retry_after_ms: RETRY_AFTER_MS });
        let deadline = Instant::now() + self.server.config().timeouts.drain;
        let drained = async {
            if self.outbox.send(&goodbye).await.is_err() {
                return Ending::lost();
            }
            loop {
                let step = tokio::select! {
                    () = self.all_answered() => return ending,
                    incoming = receiver.next() => self.handle_incoming(incoming).await,
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
            self.desk.files.release(file);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn all_answered(&self) {
        loop {
            let answered = self.answered.notified();
            if self.state().peer.is_idle() {
                return;
            }
            answered.await;
        }
    }

    /// The answer to a request, which is about to be queued.
    pub(super) fn finish(
        &self,
        id: RequestId,
        outcome: Result<Outcome<Arc<OpenFile>>, Refusal>,
    ) -> Answer<Arc<OpenFile>> {
        let answer = self.state().finish(id, outcome);
        self.answered.notify_waiters();
        answer
    }

    /// The hashes of an open file can't be computed. Once all requests are answered the connection ends, or its client
    /// would wait for the hashes for ever. The client may open the file again, which tries again.
    pub(super) fn give_up_hashing(&self) {
        self.unhashed.store(true, Ordering::Relaxed);
        self.answered.notify_waiters();
    }

    /// Completes once nothing is left that the client could be waiting for but hashes that don't come.
    async fn waits_in_vain(&self) {
        loop {
            let answered = self.answered.notified();
            while self.unhashed.load(Ordering::Relaxed) && self.state().peer.is_idle() {
                // Any frame of the client begins this anew.
                tokio::time::sleep(SILENCE).await;
                if self.state().peer.is_idle() && self.outbox.is_empty() {
                    return;
                }
            }
            answered.await;
        }
    }

    /// The file of a handle changed: closes it and tells the client, once.
    pub(super) async fn make_stale(&self, handle: Handle) {
        let changed = self.state().change(handle);
        if let Some((notice, _follower)) = changed {
            self.desk.session.leaves(handle);
            let told = self.outbox.send(&notice).await;
            tracing::debug!(handle, told = told.is_ok(), "an open file changed");
        }
    }

    async fn handle_incoming(self: &Arc<Self>, incoming: Option<Result<Incoming, CarrierError>>) -> Result<(), Ending> {
        match incoming {
            Some(Ok(Incoming::Frame(frame))) => match ClientMessage::decode(&frame) {
                Ok(message) => self.handle_message(message).await,
                Err(error) => {
                    tracing::info!(%error, "malformed frame");
                    Err(Ending::malformed("a malformed frame"))
                }
            },
            Some(Ok(Incoming::Ping)) => self.outbox.flush().await.map_err(Ending::from),
            Some(Ok(Incoming::Text)) => Err(Ending::malformed("a text message")),
            Some(Err(error)) => {
                tracing::debug!(%error, "the carrier failed");
                Err(Ending::lost())
            }
            None => Err(Ending::lost()),
        }
    }

    async fn handle_message(self: &Arc<Self>, message: ClientMessage) -> Result<(), Ending> {
        let asked = tracing::enabled!(tracing::Level::DEBUG).then(|| format!("{message:?}"));
        let step = self.state().peer.handle_message(message);
        match step.map_err(|Malformed(reason)| Ending::malformed(reason))? {
            Step::Nothing => {}
            Step::Send(message) => self.outbox.send(&message).await?,
            Step::Begin(id, task) => {
                tracing::debug!(asked, "request");
                let ended = self.state().begin(id);
                self.tasks.spawn(self.clone().perform(id, task, ended).in_current_span());
            }
            Step::End(ids, closed) => {
                let mut state = self.state();
                state.abort(&ids);
                if let Some((handle, file)) = closed {
                    state.unfollow(handle);
                    self.desk.session.leaves(handle);
                    drop(state);
                    self.desk.files.release(file);
                }
            }
        }
        Ok(())
    }
}

impl From<Gone> for Ending {
    fn from(Gone: Gone) -> Self {
        Self::lost()
    }
}
