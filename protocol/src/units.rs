//! Units: blocks, runs of blocks, and the numbers of requests, open files and versions.

use serde::{Deserialize, Serialize};

/// Bytes in a block: the unit of addressing, of verification and of the received-set. Only a file's last block may be
/// shorter.
pub const BLOCK_SIZE: u64 = 8192;

/// How many blocks a file of `size` bytes has. An empty file has none.
#[must_use]
pub const fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_SIZE)
}

/// The position of a block in its file, counted from 0.
pub type BlockIndex = u64;

/// Names a request on one connection. The client chooses it, and may reuse it once the request has ended.
pub type RequestId = u32;

/// Names an open file on one connection. The server chooses it.
pub type Handle = u32;

/// An opaque value that changes whenever the file's bytes may have changed. It is only compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileVersion(pub [u8; 16]);

/// A run of consecutive blocks, never empty, whose end does not overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockRun {
    /// The first block of the run.
    pub first: BlockIndex,
    /// How many blocks, at least 1.
    pub count: u32,
}

impl BlockRun {
    /// The block after the last one.
    #[must_use]
    pub const fn end(&self) -> BlockIndex {
        self.first.saturating_add(self.count as u64)
    }

    /// The run's byte range in a file of `size` bytes: offset and length. `None` if the run reaches past the last
    /// block.
    #[must_use]
    pub fn byte_range(&self, size: u64) -> Option<(u64, u32)> {
        let end = self.first.checked_add(u64::from(self.count))?;
        if self.count == 0 || end > block_count(size) {
            return None;
        }
        let start = self.first * BLOCK_SIZE;
        let stop = end.saturating_mul(BLOCK_SIZE).min(size);
        u32::try_from(stop - start).ok().map(|len| (start, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_count_rounds_up() {
        for (size, blocks) in [(0, 0), (1, 1), (8191, 1), (8192, 1), (8193, 2), (u64::MAX, 1 << 51)] {
            assert_eq!(block_count(size), blocks, "{size}");
        }
    }

    #[test]
    fn byte_range_stops_at_the_end_of_the_file() {
        let run = |first, count| BlockRun { first, count };
        assert_eq!(run(0, 1).byte_range(1), Some((0, 1)));
        assert_eq!(run(1, 1).byte_range(8193), Some((8192, 1)));
        assert_eq!(run(0, 2).byte_range(8193), Some((0, 8193)));
        assert_eq!(run(1, 2).byte_range(8193), None);
        assert_eq!(run(0, 0).byte_range(8193), None);
        assert_eq!(run(u64::MAX, 2).byte_range(u64::MAX), None);
    }
}
