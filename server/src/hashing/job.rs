//! One file being hashed, a slice at a time.

use std::io;
use std::sync::{Arc, Weak};

use tempfile::TempPath;
use wstp_protocol::tree::{fold, hash_block};
use wstp_protocol::{BLOCK_SIZE, ErrorCode, Hash};

use super::cache::TreeCache;
use super::layout::{FAN, Layout, Nodes};
use super::tree::HashTree;
use crate::share::{Reader, Refusal, SharedFile};

/// Blocks hashed before another file has its turn: 32 MiB.
const SLICE_BLOCKS: u64 = 4096;
/// Bytes read at once.
pub const BUFFER: usize = 1 << 20;
/// Nodes folded at once when upper levels are made.
const FOLD_NODES: u64 = 32 * 1024;

/// What a slice came to.
pub enum Step {
    /// There is more to hash.
    More,
    /// The tree is complete.
    Done(HashTree),
    /// The file is another one now.
    Changed,
}

/// A file being hashed. It does not keep the file open: when nobody else does, the work is given up.
pub struct Job {
    /// The file.
    pub file: Weak<SharedFile>,
    progress: Option<Progress>,
    /// Whether the cache failed, and the work began again without it.
    without_cache: bool,
}

struct Progress {
    layout: Layout,
    nodes: Nodes,
    kept: Option<TempPath>,
    next_block: u64,
}

impl Job {
    /// A job that has not begun.
    pub fn new(file: &Arc<SharedFile>) -> Self {
        Self { file: Arc::downgrade(file), progress: None, without_cache: false }
    }

    /// Hashes the next slice. When that fails, the work begins again once without the cache, whose disk may be full.
    pub fn advance(&mut self, file: &SharedFile, cache: &TreeCache, buffer: &mut [u8]) -> io::Result<Step> {
        match self.try_advance(file, cache, buffer) {
            Err(error) if !self.without_cache => {
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => cache.not_kept(&error),
                    _ => tracing::warn!(%error, "hashing begins again without keeping the hashes"),
                }
                self.progress = None;
                self.without_cache = true;
                Ok(Step::More)
            }
            stepped => stepped,
        }
    }

    fn try_advance(&mut self, file: &SharedFile, cache: &TreeCache, buffer: &mut [u8]) -> io::Result<Step> {
        let progress = match &mut self.progress {
            Some(progress) => progress,
            None => {
                // Until then a change may not show in the stamp, and the hashes would be those of two versions.
                std::thread::sleep(file.stamp().settles_in());
                self.progress.insert(Progress::new(file, (!self.without_cache).then_some(cache))?)
            }
        };
        let reader = match file.reader() {
            Ok(reader) => reader,
            Err(refusal) => return unread(refusal),
        };
        match progress.hash_slice(file, &reader, buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Step::Changed),
            hashed => hashed?,
        }
        if let Err(refusal) = file.check() {
            return unread(refusal);
        }
        if progress.next_block < file.tree().blocks() {
            return Ok(Step::More);
        }
        let root = progress.fold_levels()?;
        let Progress { nodes, kept, .. } = self.progress.take().expect("the progress was just used");
        if let (Some(kept), Nodes::File(nodes, _)) = (kept, &nodes) {
            cache.keep(nodes, kept, &file.key(), file.size(), &root);
        }
        Ok(Step::Done(HashTree::new(file.tree(), root, nodes)))
    }
}

impl Progress {
    fn new(file: &SharedFile, cache: Option<&TreeCache>) -> io::Result<Self> {
        let layout = Layout::of(file.tree());
        let (nodes, kept) = match cache {
            Some(cache) => cache.scratch(layout.len())?,
            None => (TreeCache::passing(layout.len())?, None),
        };
        Ok(Self { layout, nodes, kept, next_block: 0 })
    }

    fn hash_slice(&mut self, file: &SharedFile, reader: &Reader, buffer: &mut [u8]) -> io::Result<()> {
        let first = self.next_block;
        let end = (first + SLICE_BLOCKS).min(file.tree().blocks());
        let mut leaves: Vec<Hash> = Vec::with_capacity(SLICE_BLOCKS as usize);
        let mut offset = first * BLOCK_SIZE;
        let end_offset = (end * BLOCK_SIZE).min(file.size());
        while offset < end_offset {
            let length = (end_offset - offset).min(buffer.len() as u64);
            let buffer = &mut buffer[..length as usize];
            reader.advise(offset + length, (end_offset - offset - length).min(2 * length));
            reader.read_exact_at(buffer, offset)?;
            for block in buffer.chunks(BLOCK_SIZE as usize) {
                leaves.push(hash_block(file.tree(), first + leaves.len() as u64, block));
            }
            offset += length;
        }
        self.layout.write(&mut self.nodes, 0, first, &leaves)?;
        if self.layout.stored() > 1 {
            self.layout.write(&mut self.nodes, 1, first / FAN as u64, &fold_groups(&leaves))?;
        }
        self.next_block = end;
        Ok(())
    }

    /// Makes the levels above those that the slices wrote, and the root.
    fn fold_levels(&mut self) -> io::Result<Hash> {
        for stored in 2..self.layout.stored() {
            let below = self.layout.nodes(stored - 1);
            for first in (0..below).step_by(FOLD_NODES as usize) {
                let count = (below - first).min(FOLD_NODES) as usize;
                let children = self.layout.read(&self.nodes, stored - 1, first, count)?;
                self.layout.write(&mut self.nodes, stored, first / FAN as u64, &fold_groups(&children))?;
            }
        }
        let top = self.layout.stored() - 1;
        let count = self.layout.nodes(top) as usize;
        let nodes = self.layout.read(&self.nodes, top, 0, count)?;
        Ok(fold(&nodes, true).expect("only files with blocks are hashed"))
    }
}

/// Maps the refusal of a file to the outcome of its hashing: changed, or an error.
fn unread(refusal: Refusal) -> io::Result<Step> {
    match refusal.code() {
        ErrorCode::Changed | ErrorCode::ShareGone => Ok(Step::Changed),
        _ => Err(io::Error::other("the file can't be looked at any more")),
    }
}

fn fold_groups(nodes: &[Hash]) -> Vec<Hash> {
    nodes.chunks(FAN).map(|group| fold(group, false).expect("a chunk is never empty")).collect()
}
