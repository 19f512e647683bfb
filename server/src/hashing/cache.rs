//! Hash trees kept on disk between runs.
//!
//! One file per tree, named after a digest of the hashed file's path and stamp: a header with its own checksum, then the stored nodes.
//! The nodes need no checksum: every page is checked against the root before it is served, and a damaged tree is computed
//! again. A tree appears under its name only when complete (rename). When all trees together outgrow the limit, those go first that
//! were used longest ago. A tree that would take more than half of the limit, or has no folder, lives in an unnamed file while it is
//! needed.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tempfile::TempPath;
use wstp_protocol::Hash;
use wstp_protocol::tree::Tree;

use super::layout::{Layout, Nodes};
use super::tree::HashTree;

/// Trees up to this size stay in memory: hashing the file again (4 MiB) costs less than a file in the cache.
const MEMORY_TREE: u64 = 17 * 1024;
/// Trees up to this size are held in memory where there is no room on any disk: those of files of up to 4 GiB.
const MAX_MEMORY_TREE: u64 = 17 << 20;
const MAGIC: &[u8; 8] = b"WSTPtre1";
const HEADER_LEN: usize = 112;
const SUFFIX: &str = "tree";
const SCRATCH_PREFIX: &str = ".new-";
/// Scratch files as old as this were left by a server that was killed.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// The log message for a folder that can't be used.
const NOT_KEPT: &str = "hashes can't be kept in the cache folder: they are computed again after each start";

/// The trees on disk.
pub struct TreeCache {
    dir: Option<PathBuf>,
    limit: u64,
    used: Mutex<u64>,
    /// Whether it was said that they can't be kept.
    is_said: AtomicBool,
}

impl TreeCache {
    /// The trees in `dir`, which is created if need be; at most `limit` bytes of them are kept.
    pub fn new(dir: Option<PathBuf>, limit: u64) -> Self {
        let dir = dir.filter(|dir| {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir)
                .inspect_err(|error| tracing::warn!(?dir, %error, "{NOT_KEPT}"))
                .is_ok()
        });
        let cache = Self { dir, limit, used: Mutex::new(0), is_said: AtomicBool::new(false) };
        cache.remove_abandoned();
        cache.make_room();
        cache
    }

    /// The tree kept under a key.
    pub fn load(&self, key: &[u8; 32], size: u64) -> Option<HashTree> {
        let path = self.path(key)?;
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        let mut header = [0; HEADER_LEN];
        file.read_exact_at(&mut header, 0).ok()?;
        let root = parse_header(&header, key, size)?;
        let tree = Tree::of_size(size);
        if file.metadata().ok()?.len() != HEADER_LEN as u64 + Layout::of(tree).len() {
            return None;
        }
        if let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::debug!(%error, "cannot note the use of kept hashes");
        }
        Some(HashTree::new(tree, root, Nodes::File(file, HEADER_LEN as u64)))
    }

    /// Room for the nodes of a new tree, and the name of the file if it is one that can be kept. A folder that can't be used is done without.
    pub fn scratch(&self, length: u64) -> io::Result<(Nodes, Option<TempPath>)> {
        if length <= MEMORY_TREE {
            return Ok((Nodes::Memory(vec![0; length as usize]), None));
        }
        let Some(dir) = &self.dir else { return Ok((Self::passing(length)?, None)) };
        let made = match length <= self.limit / 2 {
            true => {
                let scratch = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempfile_in(dir);
                scratch.map(tempfile::NamedTempFile::into_parts).map(|(file, name)| (file, Some(name)))
            }
            false => tempfile::tempfile_in(dir).map(|file| (file, None)),
        };
        match made {
            Ok((file, name)) => Ok((Nodes::File(file, HEADER_LEN as u64), name)),
            Err(error) => {
                self.not_kept(&error);
                Ok((Self::passing(length)?, None))
            }
        }
    }

    /// Says once why hashes can't be kept: each file would say the same.
    pub fn not_kept(&self, error: &io::Error) {
        let dir = &self.dir;
        match self.is_said.swap(true, Ordering::Relaxed) {
            false => tracing::warn!(?dir, %error, "{NOT_KEPT}"),
            true => tracing::debug!(?dir, %error, "{NOT_KEPT}"),
        }
    }

    /// Room for the nodes of a tree that is not kept, outside of the folder.
    pub fn passing(length: u64) -> io::Result<Nodes> {
        match tempfile::tempfile() {
            Ok(file) => Ok(Nodes::File(file, HEADER_LEN as u64)),
            Err(_) if length <= MAX_MEMORY_TREE => Ok(Nodes::Memory(vec![0; length as usize])),
            Err(error) => Err(error),
        }
    }

    /// Keeps a complete tree. It goes on to serve where that fails.
    pub fn keep(&self, file: &File, scratch: TempPath, key: &[u8; 32], size: u64, root: &Hash) {
        let Some(path) = self.path(key) else { return };
        let kept = file
            .write_all_at(&header(key, size, root), 0)
            .and_then(|()| file.metadata())
            .and_then(|metadata| scratch.persist(&path).map(|()| metadata.len()).map_err(|error| error.error));
        match kept {
            Ok(length) => {
                let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                *used += length;
                let is_full = *used > self.limit;
                drop(used);
                if is_full {
                    self.make_room();
                }
            }
            Err(error) => self.not_kept(&error),
        }
    }

    /// Drops the tree kept under a key.
    pub fn forget(&self, key: &[u8; 32]) {
        if let Some(path) = self.path(key)
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::debug!(%error, "there were no kept hashes to drop");
        }
    }

    fn path(&self, key: &[u8; 32]) -> Option<PathBuf> {
        let name = blake3::Hash::from_bytes(*key).to_hex();
        self.dir.as_ref().map(|dir| dir.join(&name[..32]).with_extension(SUFFIX))
    }

    /// Counts what is kept and removes what was used longest ago until it fits.
    fn make_room(&self) {
        let mut trees = self.files(|path| path.extension().is_some_and(|extension| extension == SUFFIX));
        trees.sort_unstable_by_key(|(_, used, _)| *used);
        let mut total: u64 = trees.iter().map(|(.., length)| length).sum();
        for (path, _, length) in trees {
            if total <= self.limit {
                break;
            }
            match std::fs::remove_file(&path) {
                Ok(()) => total -= length,
                Err(error) => tracing::warn!(?path, %error, "cannot remove kept hashes"),
            }
        }
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = total;
    }

    fn remove_abandoned(&self) {
        let is_scratch = |path: &Path| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(SCRATCH_PREFIX))
        };
        for (path, used, _) in self.files(is_scratch) {
            if used.elapsed().is_ok_and(|age| age > ABANDONED)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::debug!(?path, %error, "cannot remove an abandoned file");
            }
        }
    }

    /// Path, last use and length of the folder's files of one kind.
    fn files(&self, is_wanted: impl Fn(&Path) -> bool) -> Vec<(PathBuf, SystemTime, u64)> {
        let Some(entries) = self.dir.as_ref().and_then(|dir| dir.read_dir().ok()) else { return Vec::new() };
        entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let path = entry.path();
                let metadata = is_wanted(&path).then(|| entry.metadata().ok()).flatten()?;
                Some((path, metadata.modified().ok()?, metadata.len()))
            })
            .collect()
    }
}

fn header(key: &[u8; 32], size: u64, root: &Hash) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&size.to_le_bytes());
    header[16..48].copy_from_slice(key);
    header[48..80].copy_from_slice(root);
    let checksum = blake3::hash(&header[..80]);
    header[80..].copy_from_slice(checksum.as_bytes());
    header
}

/// The root in a header, if the header is what would be written for this key and size.
fn parse_header(bytes: &[u8; HEADER_LEN], key: &[u8; 32], size: u64) -> Option<Hash> {
    let root: Hash = *bytes[48..].first_chunk()?;
    (*bytes == header(key, size, &root)).then_some(root)
}
