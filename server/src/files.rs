//! The files that clients of the protocol have open: one for all who read the same version, with its hashes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use wstp_protocol::{ErrorCode, FileVersion, Hash, SearchRequest, SharePath};
use wstp_provider::{Bundle, Hits, Page, Refusal};

use crate::access::Caller;
use crate::blocking::blocking;
use crate::hashing::{HashState, Hashing, OpenFile, PageError};
use crate::search::search;
use crate::store::{Found, Store, Version};

/// Trees being read at once, over all connections.
const TREE_READERS: usize = 32;
/// Searches that look at the same time.
const SEARCHES: usize = 2;
/// A file that was not read for this long, or up to twice as long, is closed; its handles stay.
const REST_AFTER: Duration = Duration::from_secs(1);
/// Open files at which the table is first looked through for files that were closed.
const SWEEP_AT: usize = 256;

/// The open files of a store.
pub struct Files {
    store: Arc<dyn Store>,
    hashing: Arc<Hashing>,
    open: Mutex<Table>,
    tree_readers: Arc<Semaphore>,
    searches: Semaphore,
}

struct Table {
    by_version: HashMap<(SharePath, FileVersion), Weak<OpenFile>>,
    sweep_at: usize,
}

impl Files {
    /// The files of `store`.
    pub fn new(store: Arc<dyn Store>, hashing: Hashing) -> Self {
        Self {
            store,
            hashing: Arc::new(hashing),
            open: Mutex::new(Table { by_version: HashMap::new(), sweep_at: SWEEP_AT }),
            tree_readers: Arc::new(Semaphore::new(TREE_READERS)),
            searches: Semaphore::new(SEARCHES),
        }
    }

    /// Has files that nobody reads rest, until the server ends. A disk can then be unmounted, though clients hold
    /// handles.
    pub async fn rest_unused(files: Weak<Self>) {
        let mut tick = tokio::time::interval(REST_AFTER);
        loop {
            tick.tick().await;
            let Some(files) = files.upgrade() else { return };
            let open: Vec<_> = files.table().by_version.values().filter_map(Weak::upgrade).collect();
            open.iter().for_each(|file| file.version().rest());
            files.store.tidy();
        }
    }

    /// The store that they come from.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The part that computes their hashes.
    pub fn hashing(&self) -> &Hashing {
        &self.hashing
    }

    /// One page of a folder's listing.
    pub async fn list(
        &self,
        caller: &Caller,
        path: &SharePath,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page, Refusal> {
        match self.store.open(caller, path).await? {
            Found::Folder(folder) => folder.page(cursor, limit).await,
            Found::File(_) => Err(ErrorCode::NotADirectory.into()),
        }
    }

    /// Looks for entries by words of their names. Few search at once, so that searches don't hold up the rest.
    pub async fn search(&self, caller: &Caller, request: &SearchRequest) -> Result<Hits, Refusal> {
        let _turn = self.searches.acquire().await.map_err(|_| ErrorCode::ShuttingDown)?;
        search(&*self.store, caller, request).await
    }

    /// Fills a bundle with whole small files.
    pub async fn fill(&self, caller: &Caller, bundle: Bundle) -> Result<Bundle, Refusal> {
        caller.begin_download(bundle.path()).await?;
        self.store.fill(caller, bundle).await
    }

    /// Opens a file; its hashes are computed from now on, if they are not known.
    pub async fn open(&self, caller: &Caller, path: SharePath) -> Result<Arc<OpenFile>, Refusal> {
        let version = match self.store.open(caller, &path).await? {
            Found::File(version) => version,
            Found::Folder(_) => return Err(ErrorCode::NotAFile.into()),
        };
        caller.begin_download(&path).await?;
        let path = caller.place(&path)?.into_owned();
        let (file, is_new) = {
            let mut open = self.table();
            let key = (path, version.id());
            match open.by_version.get(&key).and_then(Weak::upgrade).filter(|file| !file.has_changed()) {
                Some(file) => (file, false),
                None => {
                    let file = Arc::new(OpenFile::new(key.0.clone(), version));
                    open.insert(key, &file);
                    (file, true)
                }
            }
        };
        if is_new || file.reset_state(|state| matches!(state, HashState::Failed)) {
            let (hashing, opened) = (self.hashing.clone(), file.clone());
            let begin = move || {
                hashing.begin(&opened);
                Ok(())
            };
            blocking(&self.tree_readers, begin).await?;
        }
        Ok(file)
    }

    /// The hash of a version of a file, if it is known. None is computed for that.
    pub async fn known_root(&self, caller: &Caller, path: &SharePath, version: &Arc<dyn Version>) -> Option<Hash> {
        let place = caller.place(path).ok()?.into_owned();
        let open = self.table().by_version.get(&(place, version.id())).and_then(Weak::upgrade);
        if let Some(root) = open.and_then(|file| file.hashes().ok()).map(|tree| tree.root()) {
            return Some(root);
        }
        let (hashing, version) = (self.hashing.clone(), version.clone());
        let kept = move || Ok(hashing.kept_root(&version.key(), version.size()));
        blocking(&self.tree_readers, kept).await.ok().flatten()
    }

    /// The hash of the file at a path, if it is known. None is computed for that.
    pub async fn known_root_at(&self, caller: &Caller, path: &SharePath) -> Option<Hash> {
        match self.store.open(caller, path).await.ok()? {
            Found::File(version) => self.known_root(caller, path, &version).await,
            Found::Folder(_) => None,
        }
    }

    /// A page of hashes that lies within the tree: level, first node and number of nodes. Its nodes and uncles.
    pub async fn hashes(&self, file: &Arc<OpenFile>, page: (u8, u64, u32)) -> Result<(Vec<Hash>, Vec<Hash>), Refusal> {
        let (hashing, file) = (self.hashing.clone(), file.clone());
        blocking(&self.tree_readers, move || hashes(&hashing, &file, page)).await
    }

    /// A handle of this file was given back.
    pub fn release(&self, file: Arc<OpenFile>) {
        self.hashing.linger(file);
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hashes(
    hashing: &Hashing,
    file: &Arc<OpenFile>,
    (level, first, count): (u8, u64, u32),
) -> Result<(Vec<Hash>, Vec<Hash>), Refusal> {
    let tree = file.hashes()?;
    match tree.page(level, first, count) {
        Ok(page) => Ok(page),
        Err(PageError::Damaged | PageError::Io(_)) => {
            let is_spent = |state: &HashState| matches!(state, HashState::Ready(known) if Arc::ptr_eq(known, &tree));
            if file.reset_state(is_spent) {
                tracing::warn!("kept hashes are damaged and are computed again");
                hashing.restart(file);
            }
            Err(ErrorCode::NotReady.into())
        }
    }
}

impl Table {
    fn insert(&mut self, key: (SharePath, FileVersion), file: &Arc<OpenFile>) {
        if self.by_version.len() >= self.sweep_at {
            self.by_version.retain(|_, file| file.strong_count() > 0);
            self.sweep_at = SWEEP_AT.max(2 * self.by_version.len());
        }
        self.by_version.insert(key, Arc::downgrade(file));
    }
}
