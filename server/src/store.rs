//! Stores: the places of the shared files.
//!
//! The server knows a store by three traits. [`Store`] looks paths up, [`Folder`] lists one folder page by page, and
//! [`Version`] reads one version of one file. The traits leave room for stores behind a network. Each call may wait,
//! and a cursor is the store's own text. A version is any value that changes with the bytes (an inode's times, an
//! `ETag`).
//!
//! Every store passes the tests in `store/conformance.rs`.

mod buffers;
#[cfg(test)]
mod conformance;
mod local;
mod memory;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use wstp_protocol::{BundledFile, Entry, ErrorCode, FileVersion, SharePath};
use wstp_provider::{Bundle, Page, Read, Refusal};

use crate::access::Caller;
pub use local::{Bounds, LocalStore};
pub use memory::MemoryStore;
pub use shares::{Layout, Shares};

/// Shared files and folders, each with a path.
#[async_trait]
pub trait Store: Send + Sync {
    /// The current entry at a path.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Forbidden`], [`ErrorCode::NotAFile`] for an entry that can't be served,
    /// and [`ErrorCode::ShareGone`] when no entry can be.
    async fn open(&self, caller: &Caller, path: &SharePath) -> Result<Found, Refusal>;

    /// The facts about one entry. The share itself has an empty name.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    async fn stat(&self, caller: &Caller, path: &SharePath) -> Result<Entry, Refusal>;

    /// Fills a bundle with whole files, each of one version.
    ///
    /// # Errors
    /// [`ErrorCode::ShareGone`]. Any other error concerns one file, and takes its place in the bundle.
    async fn fill(&self, caller: &Caller, bundle: Bundle) -> Result<Bundle, Refusal> {
        fill_one_by_one(self, caller, bundle).await
    }

    /// The store of one folder: no path and no link leads out of it. The folder need not be there yet. Its files have
    /// the same versions and keys as in this store.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] when there can be no such folder.
    fn beneath(&self, folder: &SharePath) -> Result<Arc<dyn Store>, Refusal>;

    /// Called about once a second: drops data that was kept for readers that did not come back.
    fn tidy(&self) {}
}

/// An opened entry.
pub enum Found {
    /// A folder.
    Folder(Box<dyn Folder>),
    /// A regular file.
    File(Arc<dyn Version>),
}

/// A folder that is being listed. It stays the same folder from page to page, or fails.
#[async_trait]
pub trait Folder: Send + Sync {
    /// The first entries, or those after `cursor`: at most `limit`, directories first, then by name. An entry that
    /// exists throughout comes on exactly one page.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidPath`] for an invalid cursor, [`ErrorCode::Changed`] when another folder is at the path, and
    /// those of [`Store::open`].
    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<Page, Refusal>;

    /// The cursor of the page behind an entry, which need not be there.
    fn cursor_behind(&self, is_folder: bool, name: &str) -> String;
}

/// One version of a file.
///
/// Bytes are read under its name only while the file certainly has this version: the store compares after each read.
/// Once a read failed with [`ErrorCode::Changed`], the caller must not read from it any more.
#[async_trait]
pub trait Version: Send + Sync {
    /// Names the version. It differs whenever the bytes may differ.
    fn id(&self) -> FileVersion;

    /// The same for clients that can't prove the bytes. It stays when the store is sure that only metadata changed.
    fn lasting_id(&self) -> FileVersion {
        self.id()
    }

    /// Names path and version, also after a restart of the server.
    fn key(&self) -> [u8; 32];

    /// Bytes.
    fn size(&self) -> u64;

    /// The last change of the bytes, in milliseconds since 1970; `None` if unknown.
    fn modified_ms(&self) -> Option<i64>;

    /// How long until a further change certainly gives another version. Until then nothing may be proven or trusted.
    fn settles_in(&self) -> Duration {
        Duration::ZERO
    }

    /// Reads, if that takes no waiting; otherwise `None`. For async threads.
    fn read_at_once(&self, _read: &Read) -> Option<Result<Bytes, Refusal>> {
        None
    }

    /// Reads, all within the file. A read of no bytes only finds out whether the file is still this version.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`], [`ErrorCode::ShareGone`], [`ErrorCode::Busy`] or [`ErrorCode::Io`].
    async fn read(&self, read: &Read) -> Result<Bytes, Refusal>;

    /// The end of the zeros that begin at `offset`, as far as the store knows it without reading them. It is the end of
    /// a hole, or `offset` itself.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    async fn zeros_until(&self, offset: u64) -> Result<u64, Refusal> {
        Ok(offset)
    }

    /// Fills `buffer` with the bytes from `offset` on, for a reader of the whole file. Blocking: for threads that may
    /// wait, in the context of the runtime.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn read_into(&self, buffer: &mut [u8], offset: u64) -> Result<(), Refusal> {
        let read = Read::bytes(offset, buffer.len());
        let bytes = tokio::runtime::Handle::current().block_on(self.read(&read))?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    /// After a read that failed with [`ErrorCode::Changed`]: the file's current version, if its metadata changed and
    /// its bytes may be the same. The caller then compares the bytes that it has read.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] if the bytes differ, and those of [`read`](Self::read).
    async fn touched(&self) -> Result<Arc<dyn Version>, Refusal> {
        Err(ErrorCode::Changed.into())
    }

    /// Called about once a second: releases resources for reading, if no read came since the last call.
    fn rest(&self) {}
}

/// Fills a bundle by opening each file for itself.
async fn fill_one_by_one<S: Store + ?Sized>(store: &S, caller: &Caller, mut bundle: Bundle) -> Result<Bundle, Refusal> {
    while let Some(path) = bundle.wanted() {
        match whole(store, caller, &path, &mut bundle).await {
            Ok(Some(file)) => bundle.put(Ok(file))?,
            Ok(None) => {}
            Err(refusal) => bundle.put(Err(refusal))?,
        }
    }
    Ok(bundle)
}

/// A whole small file for a bundle; `None` if it does not fit.
async fn whole<S: Store + ?Sized>(
    store: &S,
    caller: &Caller,
    path: &SharePath,
    bundle: &mut Bundle,
) -> Result<Option<BundledFile>, Refusal> {
    let Found::File(version) = store.open(caller, path).await? else { return Err(ErrorCode::NotAFile.into()) };
    if !bundle.takes(version.size())? {
        return Ok(None);
    }
    tokio::time::sleep(version.settles_in()).await;
    let length = usize::try_from(version.size()).expect("it fits a bundle");
    let data = version.read(&Read::bytes(0, length)).await?;
    let root = *blake3::hash(&data).as_bytes();
    Ok(Some(BundledFile { modified_ms: version.modified_ms(), version: version.id(), root, data }))
}
