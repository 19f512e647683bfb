//! The reads that an answer needs.

use wstp_protocol::{BLOCKS_HEADER_LEN, BlockRun, BlocksHeader, ErrorCode, RequestId};

use crate::Refusal;

/// A read of a file's bytes, and the header before them in memory, if any.
#[derive(Clone, Debug)]
pub struct Read {
    header: Option<[u8; BLOCKS_HEADER_LEN]>,
    offset: u64,
    length: usize,
}

impl Read {
    /// Bytes and nothing else, all within the file.
    #[must_use]
    pub const fn bytes(offset: u64, length: usize) -> Self {
        Self { header: None, offset, length }
    }

    /// A run of blocks of a file of `size` bytes, as a whole frame.
    ///
    /// # Errors
    /// [`ErrorCode::OutOfRange`].
    pub fn frame(id: RequestId, run: BlockRun, size: u64) -> Result<Self, Refusal> {
        let (offset, length) = run.byte_range(size).ok_or(ErrorCode::OutOfRange)?;
        Ok(Self { header: Some(BlocksHeader { id, run }.encode()), offset, length: length as usize })
    }

    /// The bytes before those of the file.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.header.as_ref().map_or(&[], |header| header)
    }

    /// The offset of the first byte in the file.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes of the file.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The offset after the last byte.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.offset + self.length as u64
    }
}
