//! A store in memory: the twin of the others in tests, and the smallest example of one.
//!
//! It behaves like a store behind a network: no inodes, a number as version, and pages that are found by a cursor
//! alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use wstp_protocol::{Entry, EntryKind, ErrorCode, FileVersion, SharePath};
use wstp_provider::{Page, Read, Refusal};

use super::buffers::Buffer;
use super::{Folder, Found, Store, Version};
use crate::access::Caller;

/// Files in memory, by path. Folders exist while they contain something.
#[derive(Clone, Default)]
pub struct MemoryStore {
    contents: Arc<Mutex<Contents>>,
    /// The folder that is the root of this store.
    base: SharePath,
}

#[derive(Default)]
struct Contents {
    files: BTreeMap<String, Stored>,
    /// Grows with each change.
    changes: u64,
}

/// The current state of a file.
#[derive(Clone)]
struct Stored {
    data: Bytes,
    /// The change that made it.
    change: u64,
    /// The change that gave it its bytes.
    written: u64,
}

/// The state of a file when it was opened.
struct MemoryVersion {
    store: MemoryStore,
    path: String,
    stored: Stored,
}

struct MemoryFolder {
    store: MemoryStore,
    path: SharePath,
}

impl MemoryStore {
    /// Puts a file there, as a new version.
    pub fn put(&self, path: &SharePath, data: impl Into<Bytes>) {
        let mut contents = self.lock();
        contents.changes += 1;
        let change = contents.changes;
        contents.files.insert(path.as_str().to_owned(), Stored { data: data.into(), change, written: change });
    }

    /// Changes a file's metadata but not its bytes.
    pub fn touch(&self, path: &SharePath) {
        let mut contents = self.lock();
        contents.changes += 1;
        let change = contents.changes;
        if let Some(stored) = contents.files.get_mut(path.as_str()) {
            stored.change = change;
        }
    }

    /// Removes a file, or everything in a folder.
    pub fn remove(&self, path: &SharePath) {
        let within = prefix(path);
        self.lock().files.retain(|name, _| name != path.as_str() && !name.starts_with(&within));
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries of a folder, in the order of listings; `None` if there is no such folder.
    fn entries(&self, folder: &SharePath) -> Option<BTreeMap<(bool, String), Entry>> {
        let (contents, prefix) = (self.lock(), prefix(folder));
        let mut entries = BTreeMap::new();
        for (path, stored) in contents.files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix)) {
            let rest = &path[prefix.len()..];
            let name = rest.split_once('/').map_or(rest, |(name, _)| name).to_owned();
            let is_folder = name.len() < rest.len();
            let (kind, size) = match is_folder {
                true => (EntryKind::Directory, 0),
                false => (EntryKind::File, stored.data.len() as u64),
            };
            entries.insert((!is_folder, name.clone()), Entry { name, kind, size, modified_ms: None });
        }
        (!entries.is_empty() || folder.is_root()).then_some(entries)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn open(&self, _caller: &Caller, path: &SharePath) -> Result<Found, Refusal> {
        let path = self.base.append(path).map_err(|_| ErrorCode::NotFound)?;
        let stored = self.lock().files.get(path.as_str()).cloned();
        if let Some(stored) = stored {
            if path == self.base {
                return Err(ErrorCode::NotFound.into());
            }
            let version = MemoryVersion { store: self.clone(), path: path.as_str().to_owned(), stored };
            return Ok(Found::File(Arc::new(version)));
        }
        self.entries(&path).ok_or(ErrorCode::NotFound)?;
        Ok(Found::Folder(Box::new(MemoryFolder { store: self.clone(), path })))
    }

    async fn stat(&self, caller: &Caller, path: &SharePath) -> Result<Entry, Refusal> {
        let (kind, size) = match self.open(caller, path).await? {
            Found::Folder(_) => (EntryKind::Directory, 0),
            Found::File(version) => (EntryKind::File, version.size()),
        };
        Ok(Entry { name: path.name().unwrap_or_default().to_owned(), kind, size, modified_ms: None })
    }

    fn beneath(&self, folder: &SharePath) -> Result<Arc<dyn Store>, Refusal> {
        let base = self.base.append(folder).map_err(|_| ErrorCode::NotFound)?;
        Ok(Arc::new(Self { base, ..self.clone() }))
    }
}

#[async_trait]
impl Folder for MemoryFolder {
    fn cursor_behind(&self, is_folder: bool, name: &str) -> String {
        format!("{}{name}", if is_folder { 'd' } else { 'f' })
    }

    async fn page(&self, cursor: Option<&str>, limit: u32) -> Result<Page, Refusal> {
        let after = match cursor.map(|cursor| cursor.split_at_checked(1)) {
            None => None,
            Some(Some(("d", name))) => Some((false, name.to_owned())),
            Some(Some(("f", name))) => Some((true, name.to_owned())),
            Some(_) => return Err(ErrorCode::InvalidPath.into()),
        };
        let entries = self.store.entries(&self.path).ok_or(ErrorCode::NotFound)?;
        let (mut page, mut last) = (Page::new(limit), None);
        for (place, entry) in entries {
            if after.as_ref().is_some_and(|after| place <= *after) {
                continue;
            }
            if !page.push(entry) {
                let last: Option<(bool, String)> = last;
                let Some((is_file, name)) = last else { break };
                return Ok(page.continued(format!("{}{name}", if is_file { 'f' } else { 'd' })));
            }
            last = Some(place);
        }
        Ok(page)
    }
}

#[async_trait]
impl Version for MemoryVersion {
    fn id(&self) -> FileVersion {
        FileVersion(u128::from(self.stored.change).to_le_bytes())
    }

    fn lasting_id(&self) -> FileVersion {
        FileVersion(u128::from(self.stored.written).to_le_bytes())
    }

    fn key(&self) -> [u8; 32] {
        *blake3::Hasher::new().update(&self.id().0).update(self.path.as_bytes()).finalize().as_bytes()
    }

    fn size(&self) -> u64 {
        self.stored.data.len() as u64
    }

    fn modified_ms(&self) -> Option<i64> {
        None
    }

    async fn read(&self, read: &Read) -> Result<Bytes, Refusal> {
        match self.store.lock().files.get(&self.path) {
            Some(now) if now.change == self.stored.change => {}
            _ => return Err(ErrorCode::Changed.into()),
        }
        let start = usize::try_from(read.offset()).map_err(|_| ErrorCode::OutOfRange)?;
        let bytes = self.stored.data.get(start..).and_then(|rest| rest.get(..read.length()));
        let (mut buffer, header) = Buffer::for_read(read);
        buffer[header..].copy_from_slice(bytes.ok_or(ErrorCode::OutOfRange)?);
        Ok(Bytes::from_owner(buffer))
    }

    async fn touched(&self) -> Result<Arc<dyn Version>, Refusal> {
        match self.store.lock().files.get(&self.path) {
            Some(now) if now.written == self.stored.written => {
                Ok(Arc::new(Self { store: self.store.clone(), path: self.path.clone(), stored: now.clone() }))
            }
            _ => Err(ErrorCode::Changed.into()),
        }
    }
}

/// The prefix of the paths of a folder's entries.
fn prefix(folder: &SharePath) -> String {
    if folder.is_root() { String::new() } else { format!("{}/", folder.as_str()) }
}
