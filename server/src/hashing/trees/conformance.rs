//! The behaviour of every place of trees, as one suite over all of them.

use tempfile::TempDir;
use wstp_protocol::tree::{Tree, hash_block};
use wstp_protocol::{BLOCK_SIZE, Hash};

use super::super::disk_trees::DiskTrees;
use super::super::layout::Layout;
use super::super::voids::fold_groups;
use super::*;

/// Files whose trees stay in memory, and one whose tree needs more than [`SMALL_TREE`].
const SIZES: [u64; 4] = [1, BLOCK_SIZE, 5 * BLOCK_SIZE + 100, 700 * BLOCK_SIZE + 1];

/// A file with its tree, which is hashed here without the job.
struct Sample {
    size: u64,
    leaves: Vec<Hash>,
    root: Hash,
}

impl Sample {
    fn new(size: u64) -> Self {
        let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let blocks = (0..).zip(content.chunks(BLOCK_SIZE as usize));
        let leaves = blocks.map(|(index, block)| hash_block(Tree::of_size(size), index, block)).collect();
        Self { size, leaves, root: *blake3::hash(&content).as_bytes() }
    }

    fn layout(&self) -> Layout {
        Layout::of(Tree::of_size(self.size))
    }

    /// Room in `trees` with all nodes written.
    fn draft(&self, trees: &dyn Trees) -> Draft {
        let layout = self.layout();
        let mut draft = trees.draft(layout.len()).unwrap();
        draft.nodes.set_len(layout.len()).unwrap();
        let mut nodes = self.leaves.clone();
        for stored in 0..layout.stored() {
            layout.write(&mut draft.nodes, stored, 0, &nodes).unwrap();
            nodes = fold_groups(Layout::level(stored), 0, &nodes);
        }
        draft
    }

    /// The tree serves all leaves, proved by the root.
    fn is_served_by(&self, tree: &HashTree) {
        assert_eq!(tree.root(), self.root, "{} bytes", self.size);
        let mut served = Vec::new();
        for first in (0..self.leaves.len() as u64).step_by(64) {
            served.extend(tree.page(0, first, 64).unwrap().0);
        }
        assert_eq!(served, self.leaves, "{} bytes", self.size);
    }
}

const KEY: Key = [7; 32];

fn a_tree_that_is_kept_serves_at_once(trees: &dyn Trees) {
    for sample in SIZES.map(Sample::new) {
        let nodes = trees.keep(sample.draft(trees), &KEY, sample.size, &sample.root);
        sample.is_served_by(&HashTree::new(Tree::of_size(sample.size), sample.root, nodes));
    }
}

fn a_loaded_tree_is_the_kept_one(trees: &dyn Trees, is_lasting: bool) {
    for sample in SIZES.map(Sample::new) {
        drop(trees.keep(sample.draft(trees), &KEY, sample.size, &sample.root));
        let loaded = trees.load(&KEY, sample.size);
        assert_eq!(loaded.is_some(), is_lasting && sample.layout().len() > SMALL_TREE, "{} bytes", sample.size);
        loaded.iter().for_each(|tree| sample.is_served_by(tree));
        assert!(trees.load(&[8; 32], sample.size).is_none(), "another key");
        assert!(trees.load(&KEY, sample.size + 1).is_none(), "another size");
    }
}

fn a_tree_is_kept_only_once_it_is_complete(trees: &dyn Trees) {
    let sample = Sample::new(SIZES[3]);
    let draft = sample.draft(trees);
    assert!(trees.load(&KEY, sample.size).is_none());
    drop(draft);
    assert!(trees.load(&KEY, sample.size).is_none());
}

fn a_forgotten_tree_is_gone(trees: &dyn Trees) {
    let sample = Sample::new(SIZES[3]);
    drop(trees.keep(sample.draft(trees), &KEY, sample.size, &sample.root));
    trees.forget(&KEY);
    assert!(trees.load(&KEY, sample.size).is_none());
    // There may be nothing to forget.
    trees.forget(&KEY);
}

fn damaged_nodes_are_never_served(trees: &dyn Trees) {
    let sample = Sample::new(SIZES[3]);
    let mut draft = sample.draft(trees);
    sample.layout().write(&mut draft.nodes, 0, 100, &[[0xee; 32]]).unwrap();
    let nodes = trees.keep(draft, &KEY, sample.size, &sample.root);
    let tree = HashTree::new(Tree::of_size(sample.size), sample.root, nodes);
    for tree in trees.load(&KEY, sample.size).iter().chain([&tree]) {
        assert!(tree.page(0, 64, 64).is_err());
        assert_eq!(tree.page(0, 128, 64).unwrap().0, sample.leaves[128..192]);
    }
}

/// The suite over one place; `new` makes an empty one.
fn conforms<T>(new: impl Fn() -> (T, Box<dyn Trees>), is_lasting: bool) {
    a_tree_that_is_kept_serves_at_once(&*new().1);
    let place = new();
    a_loaded_tree_is_the_kept_one(&*place.1, is_lasting);
    let place = new();
    a_tree_is_kept_only_once_it_is_complete(&*place.1);
    let place = new();
    a_forgotten_tree_is_gone(&*place.1);
    let place = new();
    damaged_nodes_are_never_served(&*place.1);
}

fn on_disk(limit: u64) -> (TempDir, Box<dyn Trees>) {
    let folder = tempfile::tempdir().unwrap();
    let trees = DiskTrees::new(folder.path().join("trees"), limit).unwrap();
    (folder, Box::new(trees))
}

#[test]
fn trees_on_a_disk_conform() {
    conforms(|| on_disk(1 << 20), true);
}

#[test]
fn trees_that_are_too_large_for_the_limit_conform() {
    conforms(|| on_disk(SMALL_TREE), false);
}

#[test]
fn passing_trees_conform() {
    conforms(|| ((), Box::new(PassingTrees) as Box<dyn Trees>), false);
}
