//! The hash tree: BLAKE3's own, from the height of blocks upwards.
//!
//! A block is eight BLAKE3 chunks, so its chaining value is a node of the ordinary BLAKE3 tree (BLAKE3 paper, section
//! 2.1). The root is the file's ordinary BLAKE3 hash. The tree is left-balanced: the left child of `n > 1` blocks
//! covers the largest power of two below `n`. Node `i` of level `l` covers blocks `i << l` up to `(i + 1) << l`, or to
//! the end of the file. The node that covers the whole file is the root hash itself; every other
//! node is a chaining value.
//!
//! A *page* is an aligned run of a level's nodes with the siblings on the way to the root, as in BEP 52's hash
//! requests.

use std::ops::Range;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::{BLOCK_SIZE, BlockIndex, block_count};

/// A BLAKE3 hash or chaining value: 32 bytes.
pub type Hash = [u8; 32];

/// The hash of the empty file, the only file without blocks.
#[must_use]
pub fn empty_root() -> Hash {
    *blake3::hash(&[]).as_bytes()
}

/// The hash of one block: its chaining value, or the root hash if it is the only block of its file.
///
/// `data` is the block's bytes, 1 to 8,192 of them. Data of another length, or outside of `tree`, is no block. It gets
/// a hash that no block of the file can have.
#[must_use]
pub fn hash_block(tree: Tree, index: BlockIndex, data: &[u8]) -> Hash {
    if index >= tree.blocks() || data.is_empty() || data.len() as u64 > BLOCK_SIZE {
        return blake3::derive_key("WSTP: not a block", data);
    }
    if tree.blocks() == 1 {
        return *blake3::hash(data).as_bytes();
    }
    blake3::Hasher::new().set_input_offset(index * BLOCK_SIZE).update(data).finalize_non_root()
}

/// The chaining value of two neighbours' parent. If the parent is the root, use [`fold`].
#[must_use]
pub fn parent(left: &ChainingValue, right: &ChainingValue) -> ChainingValue {
    merge_subtrees_non_root(left, right, Mode::Hash)
}

/// The shape of a file's hash tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    blocks: u64,
}

/// Why a page of hashes was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The page begins past the end of the file, or is not aligned.
    #[error("the page lies outside the tree")]
    OutsideTree,
    /// The tree has another number of nodes or uncles there.
    #[error("the page has the wrong number of hashes")]
    WrongCount,
    /// The page does not lead to the root.
    #[error("the page does not lead to the file's root hash")]
    WrongRoot,
}

impl Tree {
    /// The tree of a file of `size` bytes.
    #[must_use]
    pub const fn of_size(size: u64) -> Self {
        Self { blocks: block_count(size) }
    }

    /// How many blocks the file has.
    #[must_use]
    pub const fn blocks(self) -> u64 {
        self.blocks
    }

    /// How many nodes a level has; level 0 are the blocks.
    #[must_use]
    pub const fn nodes(self, level: u8) -> u64 {
        // There are at most 2^51 blocks, so every level above has one node, or none in an empty file.
        let level = if level < 63 { level } else { 63 };
        self.blocks.div_ceil(1 << level)
    }

    /// The blocks covered by `count` nodes from `first` on at `level`, cut off at the end of the file. `None` for a run
    /// that is not aligned or begins past the end. (Aligned: `count` is a power of two, `first` a multiple of it.)
    #[must_use]
    pub fn covered(self, level: u8, first: u64, count: u32) -> Option<Range<BlockIndex>> {
        if !count.is_power_of_two() || !first.is_multiple_of(u64::from(count)) || level > crate::limits::MAX_LEVEL {
            return None;
        }
        if first >= self.nodes(level) {
            return None;
        }
        let end = first.checked_add(u64::from(count))?.min(self.nodes(level));
        let end_block = u128::from(end) << level;
        let end_block = u64::try_from(end_block).unwrap_or(u64::MAX).min(self.blocks);
        Some(first << level..end_block)
    }

    /// The block ranges of the siblings on the way from the subtree of `covered` (as [`Tree::covered`] gives it) up to
    /// the root, lowest first.
    #[must_use]
    pub fn uncles(self, covered: &Range<BlockIndex>) -> Vec<Range<BlockIndex>> {
        let mut uncles = Vec::new();
        let (mut low, mut high) = (0, self.blocks);
        while (low, high) != (covered.start, covered.end) && high - low > 1 {
            let middle = low + left_blocks(high - low);
            if covered.start < middle {
                uncles.push(middle..high);
                high = middle;
            } else {
                uncles.push(low..middle);
                low = middle;
            }
        }
        uncles.reverse();
        uncles
    }
}

/// How many of `leaves > 1` leaves the left child covers: the largest power of two below `leaves`.
const fn left_blocks(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// Folds neighbouring nodes of one level, the run of a whole subtree, into that subtree's node. `is_root` if it covers
/// the file.
///
/// A single node is its own subtree. `None` if there are no nodes.
#[must_use]
pub fn fold(nodes: &[Hash], is_root: bool) -> Option<Hash> {
    match nodes {
        [] => None,
        [node] => Some(*node),
        _ => {
            let (left, right) = nodes.split_at(left_blocks(nodes.len() as u64) as usize);
            let (left, right) = (fold(left, false)?, fold(right, false)?);
            Some(if is_root { root(&left, &right) } else { parent(&left, &right) })
        }
    }
}

fn root(left: &Hash, right: &Hash) -> Hash {
    *merge_subtrees_root(left, right, Mode::Hash).as_bytes()
}

/// Checks that `nodes` are those of `level` from `first` on in the file whose hash is `expected_root`.
///
/// The triple is level, first node and count of the request. A page that reaches past the end of the file has fewer
/// nodes. A verified page does not prove the file's size; only blocks that match it do.
///
/// # Errors
/// When the page lies outside the tree, has the wrong number of hashes, or does not lead to the root.
pub fn verify_page(
    tree: Tree,
    expected_root: &Hash,
    (level, first, count): (u8, u64, u32),
    nodes: &[Hash],
    uncles: &[Hash],
) -> Result<(), PageError> {
    let covered = tree.covered(level, first, count).ok_or(PageError::OutsideTree)?;
    let expected_nodes = tree.nodes(level).min(first + u64::from(count)) - first;
    let siblings = tree.uncles(&covered);
    if nodes.len() as u64 != expected_nodes || uncles.len() != siblings.len() {
        return Err(PageError::WrongCount);
    }
    let mut node = fold(nodes, siblings.is_empty()).ok_or(PageError::WrongCount)?;
    let last = siblings.len().wrapping_sub(1);
    for (height, (sibling, uncle)) in siblings.iter().zip(uncles).enumerate() {
        let (left, right) = if sibling.start < covered.start { (uncle, &node) } else { (&node, uncle) };
        node = if height == last { root(left, right) } else { parent(left, right) };
    }
    // Hashes are public, so the comparison need not take constant time.
    if node == *expected_root { Ok(()) } else { Err(PageError::WrongRoot) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(data: &[u8]) -> (Tree, Vec<Hash>) {
        let tree = Tree::of_size(data.len() as u64);
        let hashes =
            data.chunks(BLOCK_SIZE as usize).enumerate().map(|(i, block)| hash_block(tree, i as u64, block)).collect();
        (tree, hashes)
    }

    fn sample(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i * 31 + i / 8192) as u8).collect()
    }

    /// The node over a range of blocks, by definition: the fold of its leaves.
    fn node(leaves: &[Hash], range: &Range<u64>) -> Hash {
        fold(&leaves[range.start as usize..range.end as usize], false).unwrap()
    }

    #[test]
    fn the_root_is_the_ordinary_blake3_hash() {
        for size in [1, 8191, 8192, 8193, 16384, 16385, 5 * 8192, 100_000, 33 * 8192 + 1] {
            let data = sample(size);
            assert_eq!(fold(&leaves(&data).1, true), Some(*blake3::hash(&data).as_bytes()), "{size}");
        }
        assert_eq!(empty_root(), *blake3::hash(b"").as_bytes());
    }

    #[test]
    fn nodes_past_the_end_are_left_out() {
        let tree = Tree::of_size(5 * BLOCK_SIZE);
        assert_eq!(tree.covered(0, 4, 4), Some(4..5));
        assert_eq!(tree.covered(2, 1, 1), Some(4..5));
        assert_eq!(tree.covered(1, 2, 2), Some(4..5));
        assert_eq!(tree.covered(0, 8, 4), None);
        assert_eq!(tree.covered(0, 2, 4), None);
        assert_eq!(tree.covered(0, 0, 3), None);
        assert_eq!(Tree::of_size(u64::MAX).covered(51, 0, 2048), Some(0..1 << 51));
    }

    #[test]
    fn trees_of_any_size_are_walked_without_overflow() {
        for size in [0, 1, 8192, 8193, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let tree = Tree::of_size(size);
            for level in [0, 1, 31, 32, 50, 51, 52, 63, 64, 255] {
                for first in [0, 1, 2048, tree.nodes(level).saturating_sub(1), u64::MAX - 2047, u64::MAX] {
                    for count in [0, 1, 3, 2048, u32::MAX] {
                        let Some(covered) = tree.covered(level, first, count) else { continue };
                        assert!(covered.start < covered.end && covered.end <= tree.blocks());
                        assert!(tree.uncles(&covered).len() <= crate::limits::MAX_UNCLES);
                    }
                }
            }
        }
        assert_eq!(Tree::of_size(0).nodes(64), 0);
        assert_eq!(Tree::of_size(0).covered(0, 0, 1), None);
    }

    #[test]
    fn what_is_no_block_has_no_blocks_hash() {
        let data = sample(2 * 8192 + 1);
        let (tree, leaves) = leaves(&data);
        for (index, data) in [
            (0, &data[..0]),
            (1, &data[8192..]),
            (0, &data[..]),
            (3, &data[..8192]),
            (1, &data[..8192]),
            (1 << 51, &data[..8192]),
            (u64::MAX, &data[..8192]),
        ] {
            assert!(!leaves.contains(&hash_block(tree, index, data)), "{index}");
        }
        for size in [0, 1] {
            let tree = Tree::of_size(size);
            for data in [&data[..0], &data[..1]] {
                assert_ne!(hash_block(tree, size, data), *blake3::hash(data).as_bytes());
            }
        }
    }

    proptest! {
        #[test]
        fn every_page_verifies_and_no_changed_page_does(
            blocks in 2u64..70, tail in 1u64..=8192, level in 0u8..8, log in 0u32..7, pick in 0u64..70, flip in 0usize..2048,
        ) {
            let data = sample(((blocks - 1) * BLOCK_SIZE + tail) as usize);
            let (tree, leaves) = leaves(&data);
            let root = *blake3::hash(&data).as_bytes();
            let count = 1u32 << log;
            let first = pick % tree.nodes(level) / u64::from(count) * u64::from(count);
            let covered = tree.covered(level, first, count).unwrap();
            let end = tree.nodes(level).min(first + u64::from(count));
            let whole = (end - first) == 1 && covered == (0..tree.blocks());
            let mut nodes: Vec<Hash> = (first..end)
                .map(|i| if whole { root } else { node(&leaves, &tree.covered(level, i, 1).unwrap()) })
                .collect();
            let mut uncles: Vec<Hash> = tree.uncles(&covered).iter().map(|range| node(&leaves, range)).collect();
            prop_assert_eq!(verify_page(tree, &root, (level, first, count), &nodes, &uncles), Ok(()));

            let hashes = nodes.len() + uncles.len();
            let target = flip % hashes;
            let hash = if target < nodes.len() { &mut nodes[target] } else { &mut uncles[target - (end - first) as usize] };
            hash[flip % 32] ^= 1;
            prop_assert_eq!(verify_page(tree, &root, (level, first, count), &nodes, &uncles), Err(PageError::WrongRoot));
            nodes.pop();
            prop_assert_eq!(verify_page(tree, &root, (level, first, count), &nodes, &uncles), Err(PageError::WrongCount));
        }
    }
}
