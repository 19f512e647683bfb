//! The places of hash trees between runs, and of their nodes while they are computed.
//!
//! All calls are blocking: use them on threads that may wait.

use std::io;

use tempfile::TempPath;
use wstp_protocol::Hash;

use super::layout::Nodes;
use super::tree::HashTree;

#[cfg(test)]
mod conformance;

/// Trees up to this size are held in memory if no disk has room: those of files of up to 4 GiB.
const MAX_MEMORY_TREE: u64 = 17 << 20;

/// Trees up to this size stay in memory: hashing the file again (4 MiB) costs less than a file.
pub const SMALL_TREE: u64 = 17 * 1024;

/// Names a file's path and version: see [`Version::key`](crate::store::Version::key).
pub type Key = [u8; 32];

/// Finished trees, by key. It may forget any of them at any time.
pub trait Trees: Send + Sync {
    /// The kept tree of a file of `size` bytes. Its nodes need no check, because each page is checked before it is
    /// served.
    fn load(&self, key: &Key, size: u64) -> Option<HashTree>;

    /// Room for the nodes of a new tree that is to be kept. If the place can't be used, the tree is not kept.
    fn draft(&self, length: u64) -> io::Result<Draft>;

    /// Keeps a tree whose nodes are complete. The tree still serves if that fails.
    fn keep(&self, draft: Draft, key: &Key, size: u64, root: &Hash) -> Nodes;

    /// Drops a tree that turned out damaged.
    fn forget(&self, key: &Key);

    /// Logs once why trees can't be kept.
    fn not_kept(&self, error: &io::Error);
}

/// The nodes of a tree that is being computed.
pub struct Draft {
    /// The nodes.
    pub nodes: Nodes,
    /// The name of their file, if that can be kept.
    pub kept: Option<TempPath>,
}

impl Draft {
    /// Room for the nodes of a tree that is not kept: in memory, or in an unnamed file.
    pub fn passing(length: u64) -> io::Result<Self> {
        let memory = || Nodes::Memory(vec![0; length as usize]);
        let nodes = match length {
            0..=SMALL_TREE => memory(),
            _ => match tempfile::tempfile() {
                Ok(file) => Nodes::File(file, 0),
                Err(_) if length <= MAX_MEMORY_TREE => memory(),
                Err(error) => return Err(error),
            },
        };
        Ok(Self { nodes, kept: None })
    }
}

/// Trees that are computed again after each start.
pub struct PassingTrees;

impl Trees for PassingTrees {
    fn load(&self, _key: &Key, _size: u64) -> Option<HashTree> {
        None
    }

    fn draft(&self, length: u64) -> io::Result<Draft> {
        Draft::passing(length)
    }

    fn keep(&self, draft: Draft, _key: &Key, _size: u64, _root: &Hash) -> Nodes {
        draft.nodes
    }

    fn forget(&self, _key: &Key) {}

    fn not_kept(&self, error: &io::Error) {
        tracing::warn!(%error, "there is no room for hashes on the disk for temporary files");
    }
}
