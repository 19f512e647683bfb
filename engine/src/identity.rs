//! The identity of a file: size, version and hash. It decides which blocks of an older state may be kept.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wstp_protocol::tree::{Tree, empty_root};
use wstp_protocol::{BLOCK_SIZE, BlockIndex, FileVersion, Hash, block_count};

/// Bytes of the largest file that a file system can hold. A server that names a larger one lies.
pub const LARGEST_FILE: u64 = i64::MAX as u64;

/// The file as a server describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Bytes.
    pub size: u64,
    /// Changes whenever its bytes may have changed; only comparable with versions of the same server.
    pub version: FileVersion,
    /// Its hash, once known.
    pub root: Option<Hash>,
}

impl FileIdentity {
    /// The shape of its hash tree.
    #[must_use]
    pub const fn tree(&self) -> Tree {
        Tree::of_size(self.size)
    }

    /// How many blocks it has.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        block_count(self.size)
    }

    /// Bytes in a range of its blocks.
    #[must_use]
    pub fn bytes(&self, range: &Range<BlockIndex>) -> u64 {
        let stop = range.end.saturating_mul(BLOCK_SIZE).min(self.size);
        stop.saturating_sub(range.start.saturating_mul(BLOCK_SIZE))
    }

    /// Whether size and hash can belong together: the empty file has only one hash.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        self.size > 0 || self.root.is_none_or(|root| root == empty_root())
    }

    /// Whether both are known to have the same bytes, whatever their versions.
    #[must_use]
    pub fn same_bytes(&self, other: &Self) -> bool {
        self.size == other.size && self.root.is_some() && self.root == other.root
    }

    /// The blocks whose hashes are comparable between this file and its successor: those of the same place and length.
    /// The hashes tell whether their bytes are still the same.
    #[must_use]
    pub fn comparable(&self, successor: &Self) -> Range<BlockIndex> {
        let (old, new) = (self.blocks(), successor.blocks());
        if self.size == successor.size {
            return 0..new;
        }
        // The only block of a file hashes to the root, not to a chaining value.
        if old <= 1 || new <= 1 { 0..0 } else { 0..old.min(new) - 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(size: u64) -> FileIdentity {
        FileIdentity { size, version: FileVersion([0; 16]), root: None }
    }

    #[test]
    fn bytes_stop_at_the_end_of_the_file() {
        assert_eq!(of(8193).bytes(&(0..2)), 8193);
        assert_eq!(of(8193).bytes(&(1..2)), 1);
        assert_eq!(of(0).bytes(&(0..0)), 0);
        assert_eq!(of(u64::MAX).bytes(&((1 << 51) - 1..1 << 51)), 8191);
    }

    #[test]
    fn the_last_block_of_another_size_is_not_comparable() {
        assert_eq!(of(3 * 8192).comparable(&of(3 * 8192)), 0..3);
        assert_eq!(of(3 * 8192).comparable(&of(2 * 8192 + 1)), 0..2);
        assert_eq!(of(2 * 8192 + 1).comparable(&of(9 * 8192)), 0..2);
        assert_eq!(of(8192).comparable(&of(9 * 8192)), 0..0);
        assert_eq!(of(9 * 8192).comparable(&of(0)), 0..0);
    }

    #[test]
    fn the_empty_file_has_one_hash() {
        assert!(of(0).is_plausible());
        assert!(FileIdentity { root: Some(empty_root()), ..of(0) }.is_plausible());
        assert!(!FileIdentity { root: Some([1; 32]), ..of(0) }.is_plausible());
    }
}
