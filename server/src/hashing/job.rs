//! One file being hashed, a slice at a time.

use std::io;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use wstp_protocol::tree::hash_block;
use wstp_protocol::{BLOCK_SIZE, ErrorCode, Hash};
use wstp_provider::Refusal;

use super::layout::{FAN, Layout, Nodes};
use super::open_file::OpenFile;
use super::tree::HashTree;
use super::trees::{Draft, Trees};
use super::voids::{fold_groups, fold_nodes, voids_until};

/// Blocks hashed before another file has its turn: 32 MiB.
const SLICE_BLOCKS: u64 = 4096;
/// Bytes read at once.
pub const BUFFER: usize = 1 << 20;
/// Nodes folded at once when upper levels are made.
const FOLD_NODES: u64 = 32 * 1024;

/// The result of a slice.
pub enum Step {
    /// There is more to hash.
    More,
    /// The tree is complete.
    Done(HashTree),
    /// The file has changed.
    Changed,
}

/// Why a slice was not hashed.
enum Failed {
    /// The file can't be read.
    Read(Refusal),
    /// The nodes can't be written.
    Nodes(io::Error),
}

/// A file being hashed. It does not keep the file open. When no client has it open, the work is cancelled.
pub struct Job {
    /// The file.
    pub file: Weak<OpenFile>,
    progress: Option<Progress>,
    /// Whether the place of kept trees failed, so that the work began again without it.
    is_passing: bool,
}

struct Progress {
    layout: Layout,
    draft: Draft,
    next_block: u64,
    /// The end of the zeros that were seen last.
    zeros_until: u64,
}

impl Job {
    /// A job that has not begun.
    pub fn new(file: &Arc<OpenFile>) -> Self {
        Self { file: Arc::downgrade(file), progress: None, is_passing: false }
    }

    /// Hashes the next slice. On failure the work begins again once without keeping the tree, because its disk may be
    /// full.
    pub fn advance(&mut self, file: &OpenFile, trees: &dyn Trees, buffer: &mut [u8]) -> io::Result<Step> {
        let error = match self.try_advance(file, trees, buffer) {
            Ok(step) => return Ok(step),
            Err(Failed::Read(refusal)) if matches!(refusal.code(), ErrorCode::Changed | ErrorCode::ShareGone) => {
                return Ok(Step::Changed);
            }
            Err(Failed::Read(refusal)) => io::Error::other(refusal.text()),
            Err(Failed::Nodes(error)) => error,
        };
        if self.is_passing {
            return Err(error);
        }
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => trees.not_kept(&error),
            _ => tracing::warn!(%error, "hashing begins again without keeping the hashes"),
        }
        self.progress = None;
        self.is_passing = true;
        Ok(Step::More)
    }

    fn try_advance(&mut self, file: &OpenFile, trees: &dyn Trees, buffer: &mut [u8]) -> Result<Step, Failed> {
        let progress = match &mut self.progress {
            Some(progress) => progress,
            None => {
                // Until then a change may not show, and the hashes could mix two versions.
                std::thread::sleep(file.version().settles_in());
                self.progress.insert(Progress::new(file, (!self.is_passing).then_some(trees))?)
            }
        };
        progress.hash_slice(file, buffer)?;
        if progress.next_block < file.tree().blocks() {
            return Ok(Step::More);
        }
        let root = progress.fold_levels()?;
        let draft = self.progress.take().expect("the progress was just used").draft;
        let nodes = trees.keep(draft, &file.version().key(), file.size(), &root);
        Ok(Step::Done(HashTree::new(file.tree(), root, nodes)))
    }
}

impl Progress {
    fn new(file: &OpenFile, trees: Option<&dyn Trees>) -> io::Result<Self> {
        let layout = Layout::of(file.tree());
        let draft = match trees {
            Some(trees) => trees.draft(layout.len())?,
            None => Draft::passing(layout.len())?,
        };
        draft.nodes.set_len(layout.len())?;
        Ok(Self { layout, draft, next_block: 0, zeros_until: 0 })
    }

    fn hash_slice(&mut self, file: &OpenFile, buffer: &mut [u8]) -> Result<(), Failed> {
        if self.skip_voids(file)? {
            return Ok(());
        }
        let first = self.next_block;
        let end = (first + SLICE_BLOCKS).min(file.tree().blocks());
        let mut leaves: Vec<Hash> = Vec::with_capacity(SLICE_BLOCKS as usize);
        let mut offset = first * BLOCK_SIZE;
        let end_offset = (end * BLOCK_SIZE).min(file.size());
        while offset < end_offset {
            let length = (end_offset - offset).min(buffer.len() as u64);
            let buffer = &mut buffer[..length as usize];
            if self.are_zeros(file, offset, length)? {
                buffer.fill(0);
            } else {
                file.version().read_into(buffer, offset).map_err(Failed::Read)?;
            }
            for block in buffer.chunks(BLOCK_SIZE as usize) {
                leaves.push(hash_block(file.tree(), first + leaves.len() as u64, block));
            }
            offset += length;
        }
        let nodes = &mut self.draft.nodes;
        self.layout.write(nodes, 0, first, &leaves)?;
        if self.layout.stored() > 1 {
            self.layout.write(nodes, 1, first / FAN as u64, &fold_groups(0, first, &leaves))?;
        }
        self.next_block = end;
        Ok(())
    }

    /// Passes over the voids that begin at the next block; false if there are none. A tree in memory is complete.
    fn skip_voids(&mut self, file: &OpenFile) -> Result<bool, Failed> {
        let (first, is_kept) = (self.next_block, matches!(self.draft.nodes, Nodes::File(..)));
        if is_kept && self.are_zeros(file, first * BLOCK_SIZE, 1)? {
            self.next_block = voids_until(first, self.zeros_until.min(file.size()));
        }
        Ok(self.next_block > first)
    }

    /// Whether these bytes are certainly zero. Then they need not be read.
    fn are_zeros(&mut self, file: &OpenFile, offset: u64, length: u64) -> Result<bool, Failed> {
        if self.zeros_until <= offset {
            let until = file.version().zeros_until(offset);
            self.zeros_until = Handle::current().block_on(until).map_err(Failed::Read)?;
        }
        Ok(self.zeros_until >= offset + length)
    }

    /// Makes the levels above those that the slices wrote, and the root.
    fn fold_levels(&mut self) -> io::Result<Hash> {
        for stored in 2..self.layout.stored() {
            let below = self.layout.nodes(stored - 1);
            for first in (0..below).step_by(FOLD_NODES as usize) {
                let count = (below - first).min(FOLD_NODES) as usize;
                let children = self.layout.read(&self.draft.nodes, stored - 1, first, count)?;
                let parents = fold_groups(Layout::level(stored - 1), first, &children);
                self.layout.write(&mut self.draft.nodes, stored, first / FAN as u64, &parents)?;
            }
        }
        let top = self.layout.stored() - 1;
        let count = self.layout.nodes(top) as usize;
        let nodes = self.layout.read(&self.draft.nodes, top, 0, count)?;
        Ok(fold_nodes(Layout::level(top), 0, &nodes, true))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Nodes(error)
    }
}
