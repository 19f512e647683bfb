//! What connections ask of a share, in bounded numbers; whatever may wait for the disk is off the async threads.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use wstp_protocol::{
    BlocksRequest, BundleRequest, Entry, ErrorCode, HashPage, HashesRequest, ListRequest, Listing, ServerMessage,
    SharePath,
};

use super::file::{HashState, SharedFile};
use super::folder::Share;
use super::listing::Listings;
use super::reader::{Read, Reader};
use super::refusal::Refusal;
use super::stamp::Stamp;
use super::stream::FileStream;
use super::versions::Versions;
use super::walk::Walk;
use crate::hashing::{Hashing, PageError};

/// Reads under way at once, over all connections.
const READERS: usize = 32;
/// Folders being listed at once: they take longer, and must not keep reads waiting.
const LISTERS: usize = 4;
/// A file that was not read for this long, or up to twice as long, is closed; its handles stay.
const CLOSE_UNUSED: Duration = Duration::from_secs(1);
/// Open files at which the table is first looked through for files that were closed.
const SWEEP_AT: usize = 256;

/// The files of a share.
pub struct Files {
    share: Arc<Share>,
    hashing: Hashing,
    listings: Arc<Listings>,
    open: Mutex<OpenFiles>,
    versions: Arc<Versions>,
    readers: Arc<Semaphore>,
    listers: Arc<Semaphore>,
}

/// What a path names.
pub enum Found {
    /// A folder.
    Folder,
    /// A regular file, open for one answer.
    File(FileStream),
}

struct OpenFiles {
    by_version: HashMap<(SharePath, Stamp), Weak<SharedFile>>,
    sweep_at: usize,
}

impl Files {
    /// The files of `share`.
    pub fn new(share: Share, hashing: Hashing) -> Self {
        Self {
            share: Arc::new(share),
            hashing,
            listings: Arc::default(),
            open: Mutex::new(OpenFiles { by_version: HashMap::new(), sweep_at: SWEEP_AT }),
            versions: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            listers: Arc::new(Semaphore::new(LISTERS)),
        }
    }

    /// Closes files that nobody reads, until the server ends. A disk can then be unmounted, though clients hold handles.
    pub async fn close_unused(files: Weak<Self>) {
        let mut tick = tokio::time::interval(CLOSE_UNUSED);
        loop {
            tick.tick().await;
            let Some(files) = files.upgrade() else { return };
            let open = files.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.by_version.values().filter_map(Weak::upgrade).for_each(|file| file.close_unused());
        }
    }

    /// What computes their hashes.
    pub fn hashing(&self) -> &Hashing {
        &self.hashing
    }

    /// One page of a folder's listing.
    pub async fn list(&self, request: ListRequest) -> Result<Listing, Refusal> {
        let (share, listings) = (self.share.clone(), self.listings.clone());
        blocking(&self.listers, move || listings.page(&share, &request)).await
    }

    /// Begins to go through a folder's entries, behind `cursor` if there is one.
    pub async fn walk(&self, path: SharePath, cursor: Option<String>) -> Result<Walk, Refusal> {
        let (share, listings) = (self.share.clone(), self.listings.clone());
        blocking(&self.readers, move || Walk::begin(share, listings, path, cursor)).await
    }

    /// The next entries of a walk, `limit` at most.
    pub async fn step(&self, mut walk: Walk, limit: u32) -> Result<(Walk, Listing), Refusal> {
        blocking(&self.listers, move || walk.next(limit).map(|listing| (walk, listing))).await
    }

    /// What is known about one entry.
    pub async fn stat(&self, path: SharePath) -> Result<Entry, Refusal> {
        let share = self.share.clone();
        blocking(&self.readers, move || share.entry(&path)).await
    }

    /// Opens a file; its hashes are computed from now on, if they are not known.
    pub async fn open(self: &Arc<Self>, path: SharePath) -> Result<Arc<SharedFile>, Refusal> {
        let files = self.clone();
        blocking(&self.readers, move || files.open_blocking(path)).await
    }

    /// What a path names. A file is opened without having it hashed.
    pub async fn find(&self, path: SharePath) -> Result<Found, Refusal> {
        let (share, versions) = (self.share.clone(), self.versions.clone());
        blocking(&self.readers, move || {
            let spot = share.find(&path)?;
            if spot.metadata.is_dir() {
                return Ok(Found::Folder);
            }
            let (file, stamp) = spot.file()?;
            // Until then a change may not show in the stamp, and one version would name two.
            std::thread::sleep(stamp.settles_in());
            Ok(Found::File(FileStream::new(Reader::new(file, stamp.size), stamp, versions.of(stamp))))
        })
        .await
    }

    /// Bytes of a file, whatever version they are of.
    pub async fn read_bytes(&self, file: &Arc<Reader>, read: Read) -> Result<Bytes, Refusal> {
        let buffer = match file.read_cached(&read) {
            Some(cached) => cached,
            None => {
                let file = file.clone();
                blocking(&self.readers, move || match file.read(&read) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ErrorCode::Changed.into()),
                    read => Ok(read?),
                })
                .await?
            }
        };
        Ok(Bytes::from_owner(buffer))
    }

    /// A run of blocks as a whole frame.
    pub async fn read_blocks(&self, file: Arc<SharedFile>, request: BlocksRequest) -> Result<Bytes, Refusal> {
        let read = file.frame(request.id, request.run)?;
        // This thread takes bytes that are in memory at once; another thread waits for the disk. To change threads and back costs more than to copy
        // a quarter of a mebibyte.
        let buffer = match file.read_cached(&read) {
            Some(cached) => cached?,
            None => blocking(&self.readers, move || file.read(&read)).await?,
        };
        Ok(Bytes::from_owner(buffer))
    }

    /// Whole small files, as a whole frame.
    pub async fn bundle(&self, request: BundleRequest) -> Result<Bytes, Refusal> {
        let share = self.share.clone();
        blocking(&self.readers, move || Ok(ServerMessage::Bundle(share.bundle(&request)?).encode().into())).await
    }

    /// A page of hashes.
    pub async fn page(self: &Arc<Self>, file: Arc<SharedFile>, request: HashesRequest) -> Result<HashPage, Refusal> {
        let files = self.clone();
        blocking(&self.readers, move || files.page_blocking(&file, request)).await
    }

    /// A handle of this file was given back.
    pub fn release(&self, file: Arc<SharedFile>) {
        self.hashing.linger(file);
    }

    fn open_blocking(&self, path: SharePath) -> Result<Arc<SharedFile>, Refusal> {
        let (opened, stamp) = self.share.file(&path)?;
        let (file, is_new) = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (path, stamp);
            match open.by_version.get(&key).and_then(Weak::upgrade).filter(|file| !file.has_changed()) {
                Some(file) => (file, false),
                None => {
                    let file = Arc::new(SharedFile::new(self.share.clone(), key.0.clone(), opened, stamp));
                    open.insert(key, &file);
                    (file, true)
                }
            }
        };
        if is_new || file.reset_state(|state| matches!(state, HashState::Failed)) {
            self.hashing.begin(&file);
        }
        Ok(file)
    }

    fn page_blocking(&self, file: &Arc<SharedFile>, request: HashesRequest) -> Result<HashPage, Refusal> {
        let HashesRequest { id, level, first, count, .. } = request;
        if file.tree().covered(level, first, count).is_none() {
            return Err(ErrorCode::OutOfRange.into());
        }
        let tree = file.hashes()?;
        match tree.page(level, first, count) {
            Ok((nodes, uncles)) => Ok(HashPage { id, nodes, uncles }),
            Err(PageError::Damaged | PageError::Io(_)) => {
                let is_spent =
                    |state: &HashState| matches!(state, HashState::Ready(known) if Arc::ptr_eq(known, &tree));
                if file.reset_state(is_spent) {
                    tracing::warn!("kept hashes are damaged and are computed again");
                    self.hashing.restart(file);
                }
                Err(ErrorCode::NotReady.into())
            }
        }
    }
}

impl OpenFiles {
    fn insert(&mut self, key: (SharePath, Stamp), file: &Arc<SharedFile>) {
        if self.by_version.len() >= self.sweep_at {
            self.by_version.retain(|_, file| file.strong_count() > 0);
            self.sweep_at = SWEEP_AT.max(2 * self.by_version.len());
        }
        self.by_version.insert(key, Arc::downgrade(file));
    }
}

/// Runs `work` on a blocking thread, no more at once than `places` has permits. The work keeps its place to its end, even if nobody waits
/// for it any more.
async fn blocking<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
    let work = move || {
        let result = work();
        drop(place);
        result
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a file system task failed");
        Err(ErrorCode::Io.into())
    })
}
