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
use wstp_provider::{Bundle, Read, Refusal};

use super::connection::Connection;
use crate::access::Caller;
use crate::hashing::{HashState, OpenFile};

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
    Follow(Opened, Arc<OpenFile>),
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
                let ListRequest { id, path, cursor, limit } = request;
                let page = files.list(&Caller::default(), &path, cursor.as_deref(), limit).await?;
                ServerMessage::Listing(page.listing(id, self.features))
            }
            Work::Stat(StatRequest { id, path }) => {
                let entry = files.stat(&Caller::default(), &path).await?;
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
                let read = Read::frame(request.id, request.run, file.size())?;
                return Ok((file.read(&read).await?, room, Then::Nothing));
            }
            Work::Bundle(request) => {
                let bundle = files.fill(&Caller::default(), Bundle::new(request)).await?;
                ServerMessage::Bundle(bundle.reply())
            }
            Work::Hashes(request) => {
                let file = self.state().file(request.handle)?;
                ServerMessage::HashPage(files.page(&file, request).await?)
            }
        };
        Ok((message.encode().into(), room, Then::Nothing))
    }

    async fn open(&self, request: OpenRequest) -> Result<(Opened, Arc<OpenFile>), Refusal> {
        let file = self.server.files.open(&Caller::default(), request.path).await?;
        let handle = self.state().open(file.clone())?;
        let root = file.hashes().ok().map(|tree| tree.root());
        Ok((Opened { id: request.id, handle, size: file.size(), version: file.id(), root }, file))
    }

    /// Has a task tell the client what becomes of a file, for as long as its handle is open.
    fn follow(self: &Arc<Self>, opened: &Opened, file: &OpenFile) {
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
