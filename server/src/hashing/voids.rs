//! Voids in a stored tree: long stretches of zeros, whose nodes below [`VOID_LEVEL`] are not stored. The nodes above
//! are the same in every file and need no hashing. So the hash of a file with holes costs about what its data cost.
//!
//! A node that is not stored is read as 32 zero bytes, which are no hash. The nodes of a whole void are either all
//! stored or all absent.

use wstp_protocol::tree::fold;
use wstp_protocol::zeros::{KNOWN_VOIDS, VOID_LEVEL, node};
use wstp_protocol::{BLOCK_SIZE, Hash};

use super::layout::{FAN, STRIDE};

/// Blocks of a void.
const VOID_BLOCKS: u64 = 1 << VOID_LEVEL;
/// The place of a node that is not stored.
const ABSENT: Hash = [0; 32];

/// Whether a node is not stored.
pub fn is_absent(node: &Hash) -> bool {
    *node == ABSENT
}

/// The end of the whole voids that begin at a block, if zeros reach to a byte of the file. It is the block itself if
/// there are none whose nodes are known.
pub fn voids_until(first: u64, zeros_until: u64) -> u64 {
    let end = (zeros_until / BLOCK_SIZE).min(KNOWN_VOIDS * VOID_BLOCKS) / VOID_BLOCKS * VOID_BLOCKS;
    if first.is_multiple_of(VOID_BLOCKS) { end.max(first) } else { first }
}

/// The nodes of a void on the stored levels below [`VOID_LEVEL`], the lowest first.
pub fn levels(index: u64) -> Vec<Vec<Hash>> {
    let first = index * VOID_BLOCKS;
    let mut levels = vec![(first..first + VOID_BLOCKS).map(|block| node(0, block)).collect::<Vec<_>>()];
    for level in (STRIDE..VOID_LEVEL).step_by(STRIDE.into()) {
        let below = level - STRIDE;
        levels.push(fold_groups(below, first >> below, &levels[levels.len() - 1]));
    }
    levels
}

/// The nodes of the next stored level over these of `level`, from number `first` on.
pub fn fold_groups(level: u8, first: u64, nodes: &[Hash]) -> Vec<Hash> {
    let groups = (first..).step_by(FAN).zip(nodes.chunks(FAN));
    groups
        .map(|(first, group)| match group.iter().all(is_absent) && level + STRIDE < VOID_LEVEL {
            true => ABSENT,
            false => fold_nodes(level, first, group, false),
        })
        .collect()
}

/// Folds neighbouring nodes of a stored level, some of which may be absent. `is_root` if they cover the file.
pub fn fold_nodes(level: u8, first: u64, nodes: &[Hash], is_root: bool) -> Hash {
    let count = nodes.len() as u64;
    if !is_root && count.is_power_of_two() && nodes.iter().all(is_absent) {
        let above = count.ilog2() as u8;
        return node(level + above, first >> above);
    }
    let [_, _, ..] = nodes else { return nodes[0] };
    let middle = 1 << (count - 1).ilog2();
    let (left, right) = nodes.split_at(middle as usize);
    let children = [fold_nodes(level, first, left, false), fold_nodes(level, first + middle, right, false)];
    fold(&children, is_root).expect("there are two children")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_void_folds_to_what_its_blocks_do() {
        let [leaves, level5, level10] = levels(1).try_into().unwrap();
        assert_eq!(fold(&leaves, false), Some(node(VOID_LEVEL, 1)));
        let data = [7; 32];
        let mut mixed = vec![data; level10.len()];
        mixed.extend(&level10);
        mixed.push(data);
        let mut stored = vec![data; level10.len()];
        stored.extend(level10.iter().map(|_| ABSENT));
        stored.push(data);
        for is_root in [false, true] {
            assert_eq!(Some(fold_nodes(10, 0, &stored, is_root)), fold(&mixed, is_root));
        }
        assert_eq!(fold_groups(0, VOID_BLOCKS, &[ABSENT; FAN]), [ABSENT]);
        assert_eq!(fold_groups(0, VOID_BLOCKS, &leaves[..2 * FAN]), level5[..2]);
    }

    #[test]
    fn only_whole_voids_that_are_known_are_skipped() {
        const MIB: u64 = 1 << 20;
        for (first, zeros, end) in [
            (0, 15 * MIB, 0),
            (0, 16 * MIB, VOID_BLOCKS),
            (0, 50 * MIB, 3 * VOID_BLOCKS),
            (1, 50 * MIB, 1),
            (VOID_BLOCKS, 0, VOID_BLOCKS),
            (0, u64::MAX, KNOWN_VOIDS * VOID_BLOCKS),
            (KNOWN_VOIDS * VOID_BLOCKS, u64::MAX, KNOWN_VOIDS * VOID_BLOCKS),
        ] {
            assert_eq!(voids_until(first, zeros), end, "{first} {zeros}");
        }
    }
}
