//! The local store: one folder of this machine and everything beneath it.
//!
//! File system calls that may wait for the disk run on blocking threads, in bounded numbers. A version keeps its file
//! open while it is read, and no longer, so that an idle server keeps no disk from being unmounted.

mod changed;
mod folder;
mod links;
mod listing;
mod names;
mod reader;
mod refused;
mod root;
mod small;
mod stamp;
mod version;
mod versions;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use cap_std::fs::{Dir, MetadataExt};
use tokio::sync::Semaphore;
use wstp_protocol::{Entry, ErrorCode, SharePath};
use wstp_provider::{Bundle, Page, Refusal};

use super::{Folder, Found, Store};
use crate::access::Caller;
use crate::blocking::blocking;
use folder::Share;
use listing::Listings;
use names::Budget;
use refused::refused;
use version::LocalVersion;
use versions::Versions;

/// Reads under way at once, over all connections.
const READERS: usize = 32;
/// Folders listed at once. They take longer, and must not keep reads waiting.
const LISTERS: usize = 4;

const REPLACED: Refusal =
    Refusal::new(ErrorCode::Changed, "The folder was replaced while it was listed. List it from its beginning.");

/// A folder of this machine.
pub struct LocalStore(Arc<Disk>);

/// The bounds that all local stores of a server have together.
#[derive(Clone)]
pub struct Bounds {
    readers: Arc<Semaphore>,
    listers: Arc<Semaphore>,
    names: Arc<Budget>,
}

/// The resources of everything that is open in a local store.
struct Disk {
    share: Share,
    listings: Listings,
    versions: Arc<Versions>,
    bounds: Bounds,
}

impl Default for Bounds {
    fn default() -> Self {
        let semaphore = |most| Arc::new(Semaphore::new(most));
        Self { readers: semaphore(READERS), listers: semaphore(LISTERS), names: Arc::default() }
    }
}

impl LocalStore {
    /// The folder `root`. With `hidden`, names that begin with a dot too. Blocking.
    ///
    /// # Errors
    /// The system's error when the folder is not there or can't be read.
    pub fn new(root: &Path, hidden: bool) -> io::Result<Self> {
        Self::within(&Bounds::default(), root, hidden)
    }

    /// As [`new`](Self::new), beside other stores with the same bounds.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn within(bounds: &Bounds, root: &Path, hidden: bool) -> io::Result<Self> {
        Ok(Self::of(Share::open(root, hidden)?, Arc::default(), bounds.clone()))
    }

    fn of(share: Share, versions: Arc<Versions>, bounds: Bounds) -> Self {
        let listings = Listings::new(bounds.names.clone());
        Self(Arc::new(Disk { share, listings, versions, bounds }))
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn open(&self, _caller: &Caller, path: &SharePath) -> Result<Found, Refusal> {
        let (disk, path) = (self.0.clone(), path.clone());
        blocking(&self.0.bounds.readers, move || {
            let spot = disk.share.find(&path)?;
            if spot.metadata.is_dir() {
                let dir = spot.open_dir()?;
                return Ok(Found::Folder(Box::new(LocalFolder { disk, path, dir: Arc::new(dir) })));
            }
            let (file, stamp) = spot.file()?;
            Ok(Found::File(Arc::new(LocalVersion::new(disk, path, file, stamp))))
        })
        .await
    }

    async fn stat(&self, _caller: &Caller, path: &SharePath) -> Result<Entry, Refusal> {
        let (disk, path) = (self.0.clone(), path.clone());
        blocking(&self.0.bounds.readers, move || disk.share.entry(&path)).await
    }

    /// All in one go: changing threads for each file would take longer than reading it.
    async fn fill(&self, _caller: &Caller, bundle: Bundle) -> Result<Bundle, Refusal> {
        let disk = self.0.clone();
        blocking(&self.0.bounds.readers, move || small::fill(&disk.share, bundle)).await
    }

    fn beneath(&self, folder: &SharePath) -> Result<Arc<dyn Store>, Refusal> {
        let Disk { share, versions, bounds, .. } = &*self.0;
        Ok(Arc::new(Self::of(share.beneath(folder), versions.clone(), bounds.clone())))
    }

    fn tidy(&self) {
        self.0.listings.tidy();
    }
}

/// A folder that stays open while it is listed, so that no other one gets its inode.
struct LocalFolder {
    disk: Arc<Disk>,
    path: SharePath,
    dir: Arc<Dir>,
}

#[async_trait]
impl Folder for LocalFolder {
    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<Page, Refusal> {
        let (disk, path, dir) = (self.disk.clone(), self.path.clone(), self.dir.clone());
        let after = cursor.map(listing::Place::parse).transpose()?;
        let ticket = self.disk.listings.ticket();
        blocking(&self.disk.bounds.listers, move || {
            let page = disk.listings.page(ticket, &disk.share, &path, &dir, after, limit)?;
            let (then, now) = (dir.dir_metadata().map_err(refused)?, disk.share.metadata(&path)?);
            if (then.dev(), then.ino()) != (now.dev(), now.ino()) {
                return Err(REPLACED);
            }
            Ok(page)
        })
        .await
    }

    fn cursor_behind(&self, is_folder: bool, name: &str) -> String {
        listing::cursor_behind(is_folder, name)
    }
}
