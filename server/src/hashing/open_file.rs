//! A version of a file that clients have open, shared by all connections that read it, and what is known about its
//! hashes.
//!
//! Invariant: once a difference between the file and its version was seen, nothing more is read from it under any
//! handle.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use wstp_protocol::tree::Tree;
use wstp_protocol::{ErrorCode, FileVersion, Hash, SharePath};
use wstp_provider::{Compressibility, KnownZeros, OfferedFile, Read, Refusal};

use super::tree::HashTree;
use crate::store::Version;

/// The state of an open file's hashes.
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
pub struct OpenFile {
    path: SharePath,
    version: Arc<dyn Version>,
    tree: Tree,
    state: watch::Sender<HashState>,
    compressibility: Compressibility,
    zeros: KnownZeros,
}

impl OpenFile {
    /// A file that was opened at a path, and whose hashes are pending.
    pub fn new(path: SharePath, version: Arc<dyn Version>) -> Self {
        let tree = Tree::of_size(version.size());
        let (compressibility, zeros) = (Compressibility::default(), KnownZeros::default());
        Self { path, version, tree, state: watch::Sender::new(HashState::Pending), compressibility, zeros }
    }

    /// The path at which it was opened.
    pub fn path(&self) -> &SharePath {
        &self.path
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.version.size()
    }

    /// The shape of its hash tree.
    pub fn tree(&self) -> Tree {
        self.tree
    }

    /// The stored version that is read.
    pub fn version(&self) -> &dyn Version {
        &*self.version
    }

    /// How well it compresses, as far as it was tried.
    pub fn compressibility(&self) -> &Compressibility {
        &self.compressibility
    }

    /// The state of its hashes, now and later.
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

    /// Has the hashes pending again if `is_spent` says so of what is known. Whether it did: of several who ask, one is
    /// to act.
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

    /// Reads.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`], or what the store says.
    pub async fn read(&self, read: &Read) -> Result<Bytes, Refusal> {
        if self.has_changed() {
            return Err(ErrorCode::Changed.into());
        }
        let done = match self.version.read_at_once(read) {
            Some(done) => done,
            None => self.version.read(read).await,
        };
        self.note_change(done)
    }

    /// The end of the zeros from `offset` on, as [`Version::zeros_until`] knows it.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`], or what the store says.
    pub async fn zeros_until(&self, offset: u64) -> Result<u64, Refusal> {
        if self.has_changed() {
            return Err(ErrorCode::Changed.into());
        }
        self.note_change(self.version.zeros_until(offset).await)
    }

    fn note_change<T>(&self, done: Result<T, Refusal>) -> Result<T, Refusal> {
        done.inspect_err(|refusal| {
            if refusal.code() == ErrorCode::Changed {
                self.set_state(HashState::Changed);
            }
        })
    }
}

impl OfferedFile for OpenFile {
    fn size(&self) -> u64 {
        self.version.size()
    }

    fn version(&self) -> FileVersion {
        self.version.id()
    }

    fn root(&self) -> Option<Hash> {
        self.hashes().ok().map(|tree| tree.root())
    }

    fn known_zeros(&self) -> &KnownZeros {
        &self.zeros
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile").field("version", &self.version.id()).field("size", &self.version.size()).finish()
    }
}
