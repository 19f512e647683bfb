//! Requests: each is a task that ends with exactly one answer.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::{
    BLOCK_SIZE, BlocksRequest, BundleRequest, Entry, ErrorCode, Handle, HashesRequest, ListRequest, OpenRequest,
    Opened, RequestId, RootReady, ServerMessage, StatReply, StatRequest,
};

use super::connection::Connection;
use crate::share::{HashState, Refusal, SharedFile};

/// Bytes of an answer that is neither data nor a page of something.
const SMALL_ANSWER: u32 = 2048;
/// Bytes of a hash, and of what surrounds the hashes of a page.
const HASH_LEN: u32 = 32;

/// What was asked.
#[derive(Debug)]
pub enum Work {
    /// One page of a listing.
    List(ListRequest),
    /// One entry.
    Stat(StatRequest),
    /// A file to open.
    Open(OpenRequest),
    /// A run of blocks.
    Blocks(BlocksRequest),
    /// A page of hashes.
    Hashes(HashesRequest),
    /// Whole small files.
    Bundle(BundleRequest),
}

/// What comes after the answer.
enum Then {
    Nothing,
    /// The client is told what becomes of a file it opened.
    Follow(Opened, Arc<SharedFile>),
}

impl Work {
    /// The request's id.
    pub fn id(&self) -> RequestId {
        match self {
            Self::List(request) => request.id,
            Self::Stat(request) => request.id,
            Self::Open(request) => request.id,
            Self::Blocks(request) => request.id,
            Self::Hashes(request) => request.id,
            Self::Bundle(request) => request.id,
        }
    }

    /// The handle it concerns.
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Self::Blocks(request) => Some(request.handle),
            Self::Hashes(request) => Some(request.handle),
            Self::List(_) | Self::Stat(_) | Self::Open(_) | Self::Bundle(_) => None,
        }
    }

    /// Most bytes the answer takes.
    fn answer_len(&self) -> u32 {
        match self {
            Self::List(_) | Self::Bundle(_) => MAX_SERVER_FRAME as u32,
            Self::Stat(_) | Self::Open(_) => SMALL_ANSWER,
            Self::Blocks(request) => request.run.count * BLOCK_SIZE as u32,
            Self::Hashes(request) => request.count * HASH_LEN + SMALL_ANSWER,
        }
    }
}

impl Connection {
    /// Does what was asked, or as much of it as is wanted, and answers.
    pub(super) async fn perform(self: Arc<Self>, work: Work, ended: oneshot::Receiver<ErrorCode>) {
        let (id, handle) = (work.id(), work.handle());
        let outcome = tokio::select! {
            biased;
            reason = ended => Err(Refusal::from(reason.unwrap_or(ErrorCode::Cancelled))),
            outcome = self.answer(work) => outcome,
        };
        let Ok(slot) = self.outbox.slot().await else { return };
        self.finish(id);
        match outcome {
            Ok((frame, room, then)) => {
                slot.send(frame, Some(room));
                if let Then::Follow(opened, file) = then {
                    self.follow(&opened, &file);
                }
            }
            Err(refusal) => {
                tracing::debug!(id, code = ?refusal.code(), "refused");
                slot.send(ServerMessage::Failure(refusal.failure(Some(id))).encode().into(), None);
                if let (ErrorCode::Changed, Some(handle)) = (refusal.code(), handle) {
                    self.make_stale(handle).await;
                }
            }
        }
    }

    async fn answer(&self, work: Work) -> Result<(Bytes, OwnedSemaphorePermit, Then), Refusal> {
        let room = self.outbox.room(work.answer_len()).await;
        let files = &self.server.files;
        let message = match work {
            Work::List(request) => {
                let mut listing = files.list(request).await?;
                for entry in &mut listing.entries {
                    entry.kind = entry.kind.known_with(self.features);
                }
                ServerMessage::Listing(listing)
            }
            Work::Stat(StatRequest { id, path }) => {
                let entry = files.stat(path).await?;
                let kind = entry.kind.known_with(self.features);
                ServerMessage::Stat(StatReply { id, entry: Entry { kind, ..entry } })
            }
            Work::Open(request) => {
                let (opened, file) = self.open(request).await?;
                let frame = ServerMessage::Opened(opened.clone()).encode().into();
                return Ok((frame, room, Then::Follow(opened, file)));
            }
            Work::Blocks(request) => {
                let file = self.state().file(request.handle)?;
                return Ok((files.read_blocks(file, request).await?, room, Then::Nothing));
            }
            Work::Bundle(request) => return Ok((files.bundle(request).await?, room, Then::Nothing)),
            Work::Hashes(request) => {
                let file = self.state().file(request.handle)?;
                ServerMessage::HashPage(files.page(file, request).await?)
            }
        };
        Ok((message.encode().into(), room, Then::Nothing))
    }

    async fn open(&self, request: OpenRequest) -> Result<(Opened, Arc<SharedFile>), Refusal> {
        let file = self.server.files.open(request.path).await?;
        let handle = self.state().open(file.clone())?;
        let root = file.hashes().ok().map(|tree| tree.root());
        Ok((Opened { id: request.id, handle, size: file.size(), version: file.version(), root }, file))
    }

    /// Has a task tell the client what becomes of a file, for as long as its handle is open.
    fn follow(self: &Arc<Self>, opened: &Opened, file: &SharedFile) {
        let handle = opened.handle;
        let mut state = file.state();
        if opened.root.is_none() {
            // What happened since the file was opened is news.
            state.mark_changed();
        }
        let connection = Arc::downgrade(self);
        let follower = async move {
            while state.changed().await.is_ok() {
                let Some(connection) = connection.upgrade() else { return };
                let news = state.borrow_and_update().clone();
                match news {
                    HashState::Ready(tree) => {
                        let notice = ServerMessage::RootReady(RootReady { handle, root: tree.root() });
                        if connection.outbox.send(&notice).await.is_err() {
                            return;
                        }
                    }
                    HashState::Changed => return connection.make_stale(handle).await,
                    HashState::Failed => return connection.give_up_hashing(),
                    HashState::Pending => {}
                }
            }
        };
        let follower = tokio::spawn(follower.in_current_span());
        self.state().follow(handle, AbortOnDropHandle::new(follower));
    }
}
