//! An open file, shared by all connections that read this version of it.
//!
//! Invariant: once a difference between the file and its stamp was seen, nothing more is read from it under any handle.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cap_std::fs::MetadataExt;
use rustix::fs::Advice;
use rustix::io::ReadWriteFlags;
use tokio::sync::watch;
use wstp_protocol::tree::Tree;
use wstp_protocol::{BLOCKS_HEADER_LEN, BlockRun, BlocksHeader, ErrorCode, FileVersion, RequestId, SharePath};

use super::buffers::Buffer;
use super::folder::Share;
use super::refusal::Refusal;
use super::stamp::Stamp;
use crate::hashing::HashTree;

/// How far ahead of a reader that goes straight on the disk is asked to read.
const READ_AHEAD: u64 = 4 << 20;
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

/// One version of a file, open.
pub struct SharedFile {
    file: File,
    share: Arc<Share>,
    path: SharePath,
    stamp: Stamp,
    tree: Tree,
    state: watch::Sender<HashState>,
    /// Up to where the disk was asked to read ahead.
    ahead: AtomicU64,
    path_checked: Mutex<Instant>,
}

/// What is to be read: bytes of the file, all within it, and what stands before them.
#[derive(Clone, Debug)]
pub struct Read {
    header: Option<[u8; BLOCKS_HEADER_LEN]>,
    offset: u64,
    length: usize,
}

impl Read {
    /// Bytes and nothing else.
    pub fn bytes(offset: u64, length: usize) -> Self {
        Self { header: None, offset, length }
    }

    fn end(&self) -> u64 {
        self.offset + self.length as u64
    }

    /// Whether it follows a reader that goes straight on, up to `ahead`.
    fn goes_on(&self, ahead: u64) -> bool {
        self.offset <= ahead && self.end() + 2 * READ_AHEAD > ahead
    }

    /// Room for all of it, with the header in place, and the header's length.
    fn buffer(&self) -> (Buffer, usize) {
        let header = self.header.as_ref().map_or(&[][..], |header| header);
        let mut buffer = Buffer::of(header.len() + self.length);
        buffer[..header.len()].copy_from_slice(header);
        (buffer, header.len())
    }
}

impl SharedFile {
    /// An opened file whose hashes are pending.
    pub fn new(share: Arc<Share>, path: SharePath, file: File, stamp: Stamp) -> Self {
        Self {
            file,
            share,
            path,
            stamp,
            tree: Tree::of_size(stamp.size),
            state: watch::Sender::new(HashState::Pending),
            ahead: AtomicU64::new(0),
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
        Ok(Read { header: Some(BlocksHeader { id, run }.encode()), offset, length: length as usize })
    }

    /// Reads, if that takes no waiting: the bytes are in the system's cache, and nothing is to be looked up on the disk. `None` otherwise.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] or what the disk says.
    pub fn read_cached(&self, read: &Read) -> Option<Result<Buffer, Refusal>> {
        if self.has_changed() || self.is_path_check_due() || self.wants_read_ahead(read) {
            return None;
        }
        let (mut buffer, header) = read.buffer();
        let mut bytes = [IoSliceMut::new(&mut buffer[header..])];
        let came = rustix::io::preadv2(&self.file, &mut bytes, read.offset, ReadWriteFlags::NOWAIT);
        came.is_ok_and(|came| came == read.length).then(|| self.is_unchanged().map(|()| buffer))
    }

    /// Reads. Blocks.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] or what the disk says.
    pub fn read(&self, read: &Read) -> Result<Buffer, Refusal> {
        if self.has_changed() {
            return Err(ErrorCode::Changed.into());
        }
        self.read_ahead(read);
        let (mut buffer, header) = read.buffer();
        match self.file.read_exact_at(&mut buffer[header..], read.offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.changed()),
            done => done?,
        }
        self.check()?;
        Ok(buffer)
    }

    /// Fills `buffer` with the bytes from `offset` on, for hashing. Blocks.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Asks the disk to read a range soon.
    pub fn advise(&self, offset: u64, length: u64) {
        if let Some(length) = NonZeroU64::new(length)
            && let Err(error) = rustix::fs::fadvise(&self.file, offset, Some(length), Advice::WillNeed)
        {
            tracing::trace!(%error, "the file system takes no advice");
        }
    }

    /// Sees to it that the file is still the one that was opened. Blocks.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where it is not, and what the disk says.
    pub fn check(&self) -> Result<(), Refusal> {
        self.is_unchanged()?;
        if self.is_path_check_due() {
            *self.path_checked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if !self.is_at_path() {
                return Err(self.changed());
            }
        }
        Ok(())
    }

    fn is_unchanged(&self) -> Result<(), Refusal> {
        if Stamp::of(&self.file)? == self.stamp { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Refusal {
        self.set_state(HashState::Changed);
        ErrorCode::Changed.into()
    }

    /// A file that was moved away keeps its bytes, but is not what the client asked for any more.
    fn is_at_path(&self) -> bool {
        self.share.metadata(&self.path).is_ok_and(|metadata| self.stamp.is_inode(metadata.dev(), metadata.ino()))
    }

    fn is_path_check_due(&self) -> bool {
        self.path_checked.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= PATH_CHECK
    }

    /// Several connections may read one file at once, so the system's own guess, which is one per open file, does not do.
    fn read_ahead(&self, read: &Read) {
        let (end, ahead) = (read.end(), self.ahead.load(Ordering::Relaxed));
        if !read.goes_on(ahead) {
            self.ahead.store(end, Ordering::Relaxed);
        } else if self.wants_read_ahead(read) {
            let from = ahead.max(end);
            self.ahead.store(from + READ_AHEAD, Ordering::Relaxed);
            self.advise(from, READ_AHEAD);
        }
    }

    fn wants_read_ahead(&self, read: &Read) -> bool {
        let ahead = self.ahead.load(Ordering::Relaxed);
        read.goes_on(ahead) && read.end() + READ_AHEAD / 2 > ahead && ahead < self.size()
    }
}
