//! A finished hash tree that serves pages.

use std::io;
use std::sync::Arc;

use wstp_protocol::Hash;
use wstp_protocol::tree::{Tree, empty_root, verify_page};
use wstp_protocol::zeros::VOID_LEVEL;

use super::layout::{Layout, Nodes};
use super::voids::{self, fold_nodes, is_absent};

/// The hashes of one version of a file.
#[derive(Debug)]
pub struct HashTree {
    tree: Tree,
    root: Hash,
    layout: Layout,
    nodes: Nodes,
}

/// Why a page could not be served.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The stored nodes do not lead to the root.
    #[error("the stored hashes are damaged")]
    Damaged,
    /// The stored nodes can't be read.
    #[error("the stored hashes can't be read: {0}")]
    Io(#[from] io::Error),
}

impl HashTree {
    /// A tree whose stored nodes are complete.
    pub fn new(tree: Tree, root: Hash, nodes: Nodes) -> Self {
        Self { tree, root, layout: Layout::of(tree), nodes }
    }

    /// The tree of the empty file.
    pub fn empty() -> Arc<Self> {
        Arc::new(Self::new(Tree::of_size(0), empty_root(), Nodes::Memory(Vec::new())))
    }

    /// The file's hash.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// A page's nodes and uncles, checked against the root. The page must be within the tree. Blocking: reads the
    /// nodes.
    pub fn page(&self, level: u8, first: u64, count: u32) -> Result<(Vec<Hash>, Vec<Hash>), PageError> {
        let covered = self.tree.covered(level, first, count).ok_or(PageError::Damaged)?;
        let end = self.tree.nodes(level).min(first + u64::from(count));
        let nodes = self.nodes(level, first, end)?;
        let mut uncles = Vec::new();
        for range in self.tree.uncles(&covered) {
            let height = (range.end - range.start).next_power_of_two().trailing_zeros() as u8;
            let index = range.start >> height;
            uncles.extend(self.nodes(height, index, index + 1)?);
        }
        verify_page(self.tree, &self.root, (level, first, count), &nodes, &uncles).map_err(|_| PageError::Damaged)?;
        Ok((nodes, uncles))
    }

    fn nodes(&self, level: u8, first: u64, end: u64) -> Result<Vec<Hash>, PageError> {
        if self.tree.nodes(level) == 1 {
            return Ok(vec![self.root]);
        }
        let (stored, below) = self.layout.base(level);
        let from = first << below;
        let to = (end << below).min(self.layout.nodes(stored));
        let count = usize::try_from(to - from).map_err(|_| PageError::Damaged)?;
        let mut children = self.layout.read(&self.nodes, stored, from, count)?;
        if level < VOID_LEVEL {
            self.fill_voids(stored, from, &mut children);
        }
        let groups = (from..).step_by(1 << below).zip(children.chunks(1 << below));
        Ok(groups.map(|(first, children)| fold_nodes(Layout::level(stored), first, children, false)).collect())
    }

    /// Computes the nodes that are absent because they lie in a void. All nodes of the void are stored then, so that
    /// each is computed once, whoever asks.
    fn fill_voids(&self, stored: usize, first: u64, nodes: &mut [Hash]) {
        let to_void = VOID_LEVEL - Layout::level(stored);
        while let Some(at) = nodes.iter().position(is_absent) {
            let void = (first + at as u64) >> to_void;
            let levels = voids::levels(void);
            for (stored, nodes) in levels.iter().enumerate() {
                let first = void << (VOID_LEVEL - Layout::level(stored));
                if let Err(error) = self.layout.write_late(&self.nodes, stored, first, nodes) {
                    tracing::debug!(%error, "the hashes of zeros can't be kept");
                }
            }
            let in_void = (first + at as u64 - (void << to_void)) as usize;
            nodes[at..].iter_mut().zip(&levels[stored][in_void..]).for_each(|(node, known)| *node = *known);
        }
    }
}
