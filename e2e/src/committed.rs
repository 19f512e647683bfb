//! Reads from the journal in the sandbox which blocks are safely on disk, with the engine's own code.

use anyhow::{Result, ensure};
use wstp_engine::{RangeSet, journal};

/// A block, in bytes.
const BLOCK: u64 = 8192;

/// The committed state of a transfer.
#[derive(Clone, Debug)]
pub struct Committed {
    blocks: RangeSet,
}

impl Committed {
    /// Reads a journal; of a broken one, the part that counts.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        // The journals of tests are too short to be compacted: the second file is empty.
        let (recovered, _) = journal::replay([bytes, &[]]);
        let mut blocks = recovered.verified().clone();
        blocks.extend(recovered.received());
        Self { blocks }
    }

    /// How many bytes that is, counting the last block as a whole one.
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|range| range.end - range.start).sum::<u64>() * BLOCK
    }

    /// Fails if too much of a file of `size` bytes `came` afterwards. Allowed are the blocks that are not committed,
    /// their hashes, and `under_way`, the bytes lost on their way.
    ///
    /// # Errors
    ///
    /// When something that is committed came again.
    pub fn check_rest(&self, size: u64, came: u64, under_way: u64) -> Result<()> {
        let (committed, rest) = (self.bytes(), size - self.bytes().min(size));
        ensure!(
            came < rest + rest / 50 + under_way,
            "{committed} of {size} bytes were committed, and {came} came after"
        );
        Ok(())
    }

    /// Bytes from the beginning of the file up to the first gap.
    pub fn head(&self) -> u64 {
        self.blocks.iter().next().filter(|range| range.start == 0).map_or(0, |range| range.end * BLOCK)
    }

    /// The end of the last block that is there.
    pub fn end(&self) -> u64 {
        self.blocks.iter().last().map_or(0, |range| range.end * BLOCK)
    }
}
