//! One file being fetched: the engine's transfer with its storage.

use std::collections::VecDeque;

use wstp_engine::folder::FileId;
use wstp_engine::journal::Recovered;
use wstp_engine::{Config, Instant, Output, StoreRequest, Transfer};
use wstp_protocol::BLOCK_SIZE;

use super::job::{Act, Piece, Wire};
use super::store::Store;
use crate::clock;
use crate::socket::Happening;
use crate::stored::PIECE;

/// A transfer and its files, which are closed when this is dropped.
pub struct StoredTransfer {
    /// A folder's large file; `None` where it is the whole job.
    file: Option<FileId>,
    /// The engine's part.
    pub transfer: Transfer,
    store: Store,
    /// Requests that storage is to execute, in order.
    due: VecDeque<StoreRequest>,
    /// A run of blocks was read back, or zeros were written. The thread has other work before the next one.
    has_read: bool,
}

impl StoredTransfer {
    /// Resumes at the end of the journal.
    pub fn new(file: Option<FileId>, config: Config, store: Store, recovered: Recovered) -> Self {
        let transfer = Transfer::resume(config, recovered, clock::now());
        Self { file, transfer, store, due: VecDeque::new(), has_read: false }
    }

    /// Whether storage has room for this many more bytes.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.store.has_room(bytes)
    }

    /// [`super::job::Job::read`].
    pub fn read(&self, offset: u64) -> Option<Piece> {
        let size = self.transfer.progress().size?;
        if offset >= size {
            return Some(Piece { size, bytes: Vec::new() });
        }
        // A verified block may still have to be written.
        let block = offset / BLOCK_SIZE;
        let here = self.transfer.verified().find(|here| here.contains(&block)).filter(|_| self.due.is_empty())?;
        let end = (here.end * BLOCK_SIZE).min(size).min(offset + PIECE);
        let mut bytes = vec![0; (end - offset) as usize];
        self.store.read(offset, &mut bytes).ok()?;
        Some(Piece { size, bytes })
    }

    /// An event on one of its connections.
    pub fn handle_happening(&mut self, wire: Wire, happening: Happening) {
        let (now, connection) = (clock::now(), wire.connection);
        match happening {
            Happening::Opened => self.transfer.handle_opened(now, connection, false),
            Happening::Came(frame) => self.transfer.handle_frame(now, connection, frame),
            Happening::Bytes => self.transfer.handle_bytes(now, connection),
            Happening::Closed => self.transfer.handle_closed(now, connection),
        }
    }

    /// When to call [`StoredTransfer::handle_timeout`], if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.due.is_empty() { self.transfer.poll_timeout() } else { Some(clock::now()) }
    }

    /// The time has come.
    pub fn handle_timeout(&mut self) {
        self.has_read = false;
        self.transfer.handle_timeout(clock::now());
    }

    /// Does the work of storage, but reads back no more than one run of blocks at a time, and writes one of zeros.
    fn perform_due(&mut self) {
        while let Some(request) = self.due.front() {
            let reads = matches!(request, StoreRequest::Rehash { .. } | StoreRequest::WriteZeros { .. });
            if reads && std::mem::replace(&mut self.has_read, true) {
                return;
            }
            if let Some(request) = self.due.pop_front() {
                let reply = self.store.perform(request);
                self.transfer.handle_stored(clock::now(), reply);
            }
        }
    }

    /// The caller's next work. It does the work of storage by itself.
    pub fn poll_act(&mut self) -> Option<Act> {
        let file = self.file;
        let wire = |connection| Wire { file, connection };
        loop {
            self.perform_due();
            match self.transfer.poll_output()? {
                Output::Connect { connection, source } => return Some(Act::Connect(wire(connection), source.0)),
                Output::Send { connection, message } => {
                    return Some(Act::Send(wire(connection), message));
                }
                Output::Disconnect { connection } => return Some(Act::Disconnect(wire(connection))),
                // Others are believed only if they serve the same file as the first one.
                Output::Mirrors { source, urls } if source.0 == 0 => {
                    return Some(Act::TellMirrors(urls.iter().map(ToString::to_string).collect()));
                }
                Output::Mirrors { .. } | Output::Modified { .. } => {}
                Output::Store(request) => self.due.push_back(request),
            }
        }
    }
}
