//! Zero bytes: how to see them, and their nodes in the hash tree.
//!
//! BLAKE3 mixes the position of every 1,024 bytes into their hash, so equal zeros have another hash at each place. But
//! a node over zeros is the same at its place in every file. The crate therefore has a table of such nodes. An error in
//! the table could not make wrong bytes pass for right ones, because it would not match any file's hashes.

use blake3::hazmat::HasherExt;

use crate::{BLOCK_SIZE, Hash, tree};

/// The level whose nodes prove long stretches of zeros: each covers 16 MiB.
pub const VOID_LEVEL: u8 = 11;

/// How many of these nodes are known without computing them: those over the first 128 GiB.
pub const KNOWN_VOIDS: u64 = 8192;

/// The bytes of a block of zeros.
pub static BLOCK: [u8; BLOCK_SIZE as usize] = [0; BLOCK_SIZE as usize];

/// The first [`KNOWN_VOIDS`] nodes of [`VOID_LEVEL`] over zeros. `examples/voids.rs` computes them. In a browser the
/// table would take longer to load than it saves.
#[cfg(not(target_arch = "wasm32"))]
static VOIDS: &[u8] = include_bytes!("zeros/voids.bin");
#[cfg(target_arch = "wasm32")]
static VOIDS: &[u8] = &[];
/// Zeros to hash at once.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// Bytes that are looked at together.
const PIECE: usize = 512;

/// Whether all of these bytes are zero. It looks no further than the first piece with another byte.
#[must_use]
pub fn are_zeros(bytes: &[u8]) -> bool {
    bytes.chunks(PIECE).all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}

/// The chaining value of node `index` of `level`. There is one if the node is not the root and covers as many blocks as
/// its level can, all of them zero.
#[must_use]
pub fn node(level: u8, index: u64) -> Hash {
    if level > VOID_LEVEL {
        return tree::parent(&node(level - 1, 2 * index), &node(level - 1, 2 * index + 1));
    }
    let known = usize::try_from(index).ok().filter(|_| level == VOID_LEVEL);
    known.and_then(|index| VOIDS.as_chunks().0.get(index)).copied().unwrap_or_else(|| computed(level, index))
}

/// The same without the table.
#[must_use]
pub fn computed(level: u8, index: u64) -> Hash {
    let length = BLOCK_SIZE << level;
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(index * length);
    let mut left = length;
    while left > 0 {
        let piece = left.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..piece as usize]);
        left -= piece;
    }
    hasher.finalize_non_root()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Tree, fold, hash_block};

    #[test]
    fn zeros_are_told_from_everything_else() {
        for length in [0, 1, PIECE, 8192, 100_001] {
            let mut bytes = vec![0; length];
            assert!(are_zeros(&bytes), "{length}");
            if let Some(last) = bytes.last_mut() {
                *last = 1;
                assert!(!are_zeros(&bytes), "{length}");
            }
        }
    }

    #[test]
    fn a_node_over_zeros_is_the_one_of_their_blocks() {
        let tree = Tree::of_size(u64::MAX);
        for (level, index) in [(0, 0), (0, 77), (3, 5), (6, 1), (10, 3)] {
            let blocks = index << level..(index + 1) << level;
            let leaves: Vec<_> = blocks.map(|block| hash_block(tree, block, &BLOCK)).collect();
            assert_eq!(Some(node(level, index)), fold(&leaves, false), "{level}, {index}");
        }
    }

    #[test]
    fn the_table_has_the_nodes_that_are_computed() {
        #[cfg(not(target_arch = "wasm32"))]
        assert_eq!(VOIDS.len() as u64, KNOWN_VOIDS * size_of::<Hash>() as u64);
        // Another part of the table in each run.
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) % KNOWN_VOIDS;
        for index in [0, KNOWN_VOIDS - 1, KNOWN_VOIDS, random] {
            assert_eq!(node(VOID_LEVEL, index), computed(VOID_LEVEL, index), "{index}");
        }
        let upper = [2, 3].map(|index| computed(VOID_LEVEL, index));
        assert_eq!(Some(node(VOID_LEVEL + 1, 1)), fold(&upper, false));
    }
}
