//! Hash trees kept in a folder between runs.
//!
//! One file per tree, named after a digest of the hashed file's path and stamp. A header of 112 bytes is a single
//! record as [`wstp_records`] frames it, padded with zeros. The stored nodes follow it as they are: they are read in
//! any order and many at once. They need no checksum, because every page is checked against the root before it is
//! served, and a damaged tree is computed again.
//!
//! A tree appears under its name only when complete (rename). When all trees together exceed the limit, the least
//! recently used are evicted. A tree that would take more than half of the limit lives in an unnamed file while it is
//! needed. A tree of another version counts as absent, and its successor replaces it.

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
use wstp_records::Format;

use super::layout::{Layout, Nodes};
use super::tree::HashTree;
use super::trees::{Draft, Key, SMALL_TREE, Trees};

const FORMAT: Format = Format { magic: *b"WSTPtree", version: 1, uncounted: 0 };
/// The header of builds before the common frame had this magic, and a hash as its checksum.
const OLD_MAGIC: &[u8; 8] = b"WSTPtre1";
const HEADER_LEN: usize = 112;
const SUFFIX: &str = "tree";
const SCRATCH_PREFIX: &str = ".new-";
/// Scratch files as old as this were left by a server that was killed.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// The log message for a folder that can't be used.
const NOT_KEPT: &str = "hashes can't be kept in the cache folder: they are computed again after each start";

/// The trees in a folder.
pub struct DiskTrees {
    dir: PathBuf,
    limit: u64,
    used: Mutex<u64>,
    /// Whether the log already says that they can't be kept.
    is_said: AtomicBool,
}

impl DiskTrees {
    /// The trees in `dir`, which is created if need be. At most `limit` bytes of them are kept. `None` if there can't
    /// be such a folder.
    pub fn new(dir: PathBuf, limit: u64) -> Option<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.inspect_err(|error| tracing::warn!(?dir, %error, "{NOT_KEPT}")).ok()?;
        let trees = Self { dir, limit, used: Mutex::new(0), is_said: AtomicBool::new(false) };
        trees.remove_abandoned();
        trees.make_room();
        Some(trees)
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = blake3::Hash::from_bytes(*key).to_hex();
        self.dir.join(&name[..32]).with_extension(SUFFIX)
    }

    /// Gives a complete tree its header and its name.
    fn name(&self, file: &File, scratch: TempPath, key: &Key, size: u64, root: &Hash) -> io::Result<()> {
        file.write_all_at(&header(key, size, root), 0)?;
        let length = file.metadata()?.len();
        scratch.persist(self.path(key)).map_err(|error| error.error)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used += length;
        let is_full = *used > self.limit;
        drop(used);
        if is_full {
            self.make_room();
        }
        Ok(())
    }

    /// Counts the kept trees and evicts the least recently used until they fit.
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
        let Ok(entries) = self.dir.read_dir() else { return Vec::new() };
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

impl Trees for DiskTrees {
    fn load(&self, key: &Key, size: u64) -> Option<HashTree> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(key)).ok()?;
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

    fn draft(&self, length: u64) -> io::Result<Draft> {
        if length <= SMALL_TREE {
            return Draft::passing(length);
        }
        let made = match length <= self.limit / 2 {
            true => {
                let scratch = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempfile_in(&self.dir);
                scratch.map(tempfile::NamedTempFile::into_parts).map(|(file, name)| (file, Some(name)))
            }
            false => tempfile::tempfile_in(&self.dir).map(|file| (file, None)),
        };
        match made {
            Ok((file, kept)) => Ok(Draft { nodes: Nodes::File(file, HEADER_LEN as u64), kept }),
            Err(error) => {
                self.not_kept(&error);
                Draft::passing(length)
            }
        }
    }

    fn keep(&self, draft: Draft, key: &Key, size: u64, root: &Hash) -> Nodes {
        let Draft { nodes, kept } = draft;
        if let (Nodes::File(file, _), Some(scratch)) = (&nodes, kept)
            && let Err(error) = self.name(file, scratch, key, size, root)
        {
            self.not_kept(&error);
        }
        nodes
    }

    fn forget(&self, key: &Key) {
        if let Err(error) = std::fs::remove_file(self.path(key)) {
            tracing::debug!(%error, "there were no kept hashes to drop");
        }
    }

    fn not_kept(&self, error: &io::Error) {
        let dir = &self.dir;
        match self.is_said.swap(true, Ordering::Relaxed) {
            false => tracing::warn!(?dir, %error, "{NOT_KEPT}"),
            true => tracing::debug!(?dir, %error, "{NOT_KEPT}"),
        }
    }
}

fn header(key: &Key, size: u64, root: &Hash) -> [u8; HEADER_LEN] {
    let record = FORMAT.begin(0, &(size, key, root));
    let mut header = [0; HEADER_LEN];
    header[..record.len()].copy_from_slice(&record);
    header
}

/// The root in a header, if the header is that of a tree of this key and size.
fn parse_header(bytes: &[u8; HEADER_LEN], key: &Key, size: u64) -> Option<Hash> {
    if bytes.starts_with(OLD_MAGIC) {
        return parse_old_header(bytes, key, size);
    }
    let mut reader = FORMAT.open(bytes).ok()??;
    let (of_size, of_key, root): (u64, Key, Hash) = reader.next_record().ok()??;
    (of_size == size && of_key == *key).then_some(root)
}

/// Magic, size, key, root, and the BLAKE3 hash of these.
fn parse_old_header(bytes: &[u8; HEADER_LEN], key: &Key, size: u64) -> Option<Hash> {
    let (told, checksum) = bytes.split_at(80);
    let is_wanted = told[8..16] == size.to_le_bytes() && told[16..48] == *key;
    let root = *told[48..].first_chunk()?;
    (is_wanted && blake3::hash(told).as_bytes() == checksum).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_protocol::tree::hash_block;

    const KEY: Key = [7; 32];
    const SIZE: u64 = 5 * 8192 + 100;
    /// The file of a tree of [`content`], as a build before the common frame wrote it.
    const OLD: &[u8] = include_bytes!("disk_trees/old.tree");

    fn content() -> Vec<u8> {
        (0..SIZE).map(|at| (at % 251) as u8).collect()
    }

    fn nodes() -> Vec<Hash> {
        let blocks = content();
        let hash = |(block, bytes)| hash_block(Tree::of_size(SIZE), block, bytes);
        (0..).zip(blocks.chunks(8192)).map(hash).collect()
    }

    /// A folder with this file as the tree of [`KEY`].
    fn kept(file: &[u8]) -> (tempfile::TempDir, DiskTrees) {
        let dir = tempfile::tempdir().unwrap();
        let trees = DiskTrees::new(dir.path().to_owned(), 1 << 20).unwrap();
        std::fs::write(trees.path(&KEY), file).unwrap();
        (dir, trees)
    }

    #[test]
    fn a_tree_of_an_older_build_is_served() {
        let (_dir, trees) = kept(OLD);
        let tree = trees.load(&KEY, SIZE).unwrap();
        assert_eq!(tree.root(), *blake3::hash(&content()).as_bytes());
        assert_eq!(tree.page(0, 0, 8).unwrap().0, nodes());
    }

    #[test]
    fn a_tree_is_written_with_a_header_that_is_read_again() {
        let root = *blake3::hash(&content()).as_bytes();
        let written = [&header(&KEY, SIZE, &root), nodes().as_flattened()].concat();
        let (_dir, trees) = kept(&written);
        assert_eq!(trees.load(&KEY, SIZE).unwrap().page(0, 0, 8).unwrap().0, nodes());
        // The longest size still fits.
        assert_eq!(parse_header(&header(&KEY, u64::MAX, &root), &KEY, u64::MAX), Some(root));
    }

    #[test]
    fn a_header_that_is_damaged_or_of_another_file_counts_as_absent() {
        let root = *blake3::hash(&content()).as_bytes();
        let old: [u8; HEADER_LEN] = *OLD.first_chunk().unwrap();
        for header in [header(&KEY, SIZE, &root), old] {
            assert_eq!(parse_header(&header, &KEY, SIZE), Some(root));
            assert_eq!(parse_header(&header, &KEY, SIZE + 1), None);
            assert_eq!(parse_header(&header, &[8; 32], SIZE), None);
            for at in 0..80 {
                let mut damaged = header;
                damaged[at] ^= 1;
                assert_eq!(parse_header(&damaged, &KEY, SIZE), None, "byte {at}");
            }
        }
        let mut later = header(&KEY, SIZE, &root);
        later[8] = 9;
        assert_eq!(parse_header(&later, &KEY, SIZE), None, "a later version");
    }
}
