//! A file that clients of the protocol have open, shared by all connections that read this version of it.
//!
//! Its descriptor is open while the file is read, and closed soon after, so that handles which are only held keep no disk from being unmounted. It is
//! opened again by its path, and only if the same version is there.
//!
//! Invariant: once a difference between the file and its stamp was seen, nothing more is read from it under any handle.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cap_std::fs::MetadataExt;
use tokio::sync::watch;
use wstp_protocol::tree::Tree;
use wstp_protocol::{BlockRun, BlocksHeader, ErrorCode, FileVersion, RequestId, SharePath};

use super::buffers::Buffer;
use super::folder::Share;
use super::reader::{Read, Reader};
use super::refusal::Refusal;
use super::stamp::Stamp;
use crate::hashing::HashTree;

/// How often it is looked up whether the path still leads to this file.
const PATH_CHECK: Duration = Duration::from_secs(1);

/// What is known about an open file's hashes.
#[derive(Clone, Debug)]
pub enum HashState {
    /// Being computed, or waiting to be.
    Pending,
    /// Known.
    Ready(Arc<HashTree>),
    /// Could not be computed; opening the file again tries again.
    Failed,
    /// The file is another one now.
    Changed,
}

/// One version of a file.
pub struct SharedFile {
    share: Arc<Share>,
    path: SharePath,
    stamp: Stamp,
    tree: Tree,
    state: watch::Sender<HashState>,
    /// `None` while nobody reads.
    reader: Mutex<Option<Arc<Reader>>>,
    /// Whether it was read since somebody last asked.
    is_used: AtomicBool,
    path_checked: Mutex<Instant>,
}

impl SharedFile {
    /// An opened file whose hashes are pending.
    pub fn new(share: Arc<Share>, path: SharePath, file: File, stamp: Stamp) -> Self {
        Self {
            share,
            path,
            stamp,
            tree: Tree::of_size(stamp.size),
            state: watch::Sender::new(HashState::Pending),
            reader: Mutex::new(Some(Arc::new(Reader::new(file, stamp.size)))),
            is_used: AtomicBool::new(true),
            path_checked: Mutex::new(Instant::now()),
        }
    }

    /// Its stamp.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// The version clients are told.
    pub fn version(&self) -> FileVersion {
        self.stamp.version()
    }

    /// The shape of its hash tree.
    pub fn tree(&self) -> Tree {
        self.tree
    }

    /// Names this version of the file between runs of the server.
    pub fn key(&self) -> [u8; 32] {
        self.stamp.key(self.share.root().as_os_str().as_encoded_bytes(), self.path.as_str().as_bytes())
    }

    /// What is known about its hashes, now and later.
    pub fn state(&self) -> watch::Receiver<HashState> {
        self.state.subscribe()
    }

    /// Its hashes.
    ///
    /// # Errors
    /// [`ErrorCode::NotReady`], [`ErrorCode::Changed`] or [`ErrorCode::Io`].
    pub fn hashes(&self) -> Result<Arc<HashTree>, Refusal> {
        match &*self.state.borrow() {
            HashState::Ready(tree) => Ok(tree.clone()),
            HashState::Pending => Err(ErrorCode::NotReady.into()),
            HashState::Failed => Err(ErrorCode::Io.into()),
            HashState::Changed => Err(ErrorCode::Changed.into()),
        }
    }

    /// Tells everyone who follows the file what its hashes became. A change is final.
    pub fn set_state(&self, new: HashState) {
        self.state.send_if_modified(|state| {
            let goes = !matches!(state, HashState::Changed);
            if goes {
                *state = new;
            }
            goes
        });
    }

    /// Has the hashes pending again if `is_spent` says so of what is known. Whether it did: of several who ask, one is to act.
    pub fn reset_state(&self, is_spent: impl FnOnce(&HashState) -> bool) -> bool {
        self.state.send_if_modified(|state| {
            let spent = is_spent(state);
            if spent {
                *state = HashState::Pending;
            }
            spent
        })
    }

    /// Whether a change was seen.
    pub fn has_changed(&self) -> bool {
        matches!(*self.state.borrow(), HashState::Changed)
    }

    /// What to read for a run of blocks: a whole frame.
    ///
    /// # Errors
    /// [`ErrorCode::OutOfRange`].
    pub fn frame(&self, id: RequestId, run: BlockRun) -> Result<Read, Refusal> {
        let (offset, length) = run.byte_range(self.size()).ok_or(Refusal::from(ErrorCode::OutOfRange))?;
        Ok(Read::frame(BlocksHeader { id, run }.encode(), offset, length as usize))
    }

    /// Reads, if that takes no waiting: the file is open, its bytes are in the system's cache, and nothing is to be looked up on the disk. `None`
    /// otherwise.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] or what the disk says.
    pub fn read_cached(&self, read: &Read) -> Option<Result<Buffer, Refusal>> {
        if self.has_changed() || self.is_path_check_due() {
            return None;
        }
        let reader = self.open_reader()?;
        let buffer = reader.read_cached(read)?;
        Some(self.is_unchanged(&reader).map(|()| buffer))
    }

    /// Reads. Blocks.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] or what the disk says.
    pub fn read(&self, read: &Read) -> Result<Buffer, Refusal> {
        if self.has_changed() {
            return Err(ErrorCode::Changed.into());
        }
        let buffer = match self.reader()?.read(read) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.changed()),
            done => done?,
        };
        self.check()?;
        Ok(buffer)
    }

    /// The file, opened again if need be. Blocks.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where another version is at its path or none, and what the disk says.
    pub fn reader(&self) -> Result<Arc<Reader>, Refusal> {
        if let Some(reader) = self.open_reader() {
            return Ok(reader);
        }
        let (file, stamp) = match self.share.file(&self.path) {
            Ok(opened) => opened,
            // It may be the same file again when it can be looked at.
            Err(refusal) if matches!(refusal.code(), ErrorCode::Busy | ErrorCode::Io | ErrorCode::ShareGone) => {
                return Err(refusal);
            }
            Err(_) => return Err(self.changed()),
        };
        if stamp != self.stamp {
            return Err(self.changed());
        }
        let opened = Arc::new(Reader::new(file, stamp.size));
        Ok(self.lock_reader().get_or_insert(opened).clone())
    }

    /// Closes the descriptor, if nobody read since this was last called. It ends with the reads under way.
    pub fn close_unused(&self) {
        if !self.is_used.swap(false, Ordering::Relaxed) {
            let unused = self.lock_reader().take();
            drop(unused);
        }
    }

    /// Sees to it that the file is still the one that was opened. Blocks.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where it is not, and what the disk says.
    pub fn check(&self) -> Result<(), Refusal> {
        let reader = self.reader()?;
        self.is_unchanged(&reader)?;
        if self.is_path_check_due() {
            *self.path_checked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if !self.is_at_path() {
                return Err(self.changed());
            }
        }
        Ok(())
    }

    fn is_unchanged(&self, reader: &Reader) -> Result<(), Refusal> {
        if reader.stamp()? == self.stamp { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Refusal {
        self.set_state(HashState::Changed);
        ErrorCode::Changed.into()
    }

    /// A file that was moved away keeps its bytes, but is not what the client asked for any more.
    fn is_at_path(&self) -> bool {
        self.share.metadata(&self.path).is_ok_and(|metadata| self.stamp.file() == (metadata.dev(), metadata.ino()))
    }

    fn is_path_check_due(&self) -> bool {
        self.path_checked.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= PATH_CHECK
    }

    /// The file where it is open, which is noted as use.
    fn open_reader(&self) -> Option<Arc<Reader>> {
        self.is_used.store(true, Ordering::Relaxed);
        self.lock_reader().clone()
    }

    fn lock_reader(&self) -> MutexGuard<'_, Option<Arc<Reader>>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
