//! The reads that an answer needs.

use wstp_protocol::{BLOCKS_HEADER_LEN, BlockRun, BlocksHeader, ErrorCode, RequestId};

use crate::Refusal;

/// A read of a file's bytes, and the header before them in memory, if any.
#[derive(Clone, Debug)]
pub struct Read {
    header: Option<[u8; BLOCKS_HEADER_LEN]>,
    offset: u64,
    length: usize,
    tells_zeros: bool,
    may_compress: bool,
}

impl Read {
    /// Bytes and nothing else, all within the file.
    #[must_use]
    pub const fn bytes(offset: u64, length: usize) -> Self {
        Self { header: None, offset, length, tells_zeros: false, may_compress: false }
    }

    /// A run of blocks of a file of `size` bytes, as a whole frame.
    ///
    /// # Errors
    /// [`ErrorCode::OutOfRange`].
    pub fn frame(id: RequestId, run: BlockRun, size: u64) -> Result<Self, Refusal> {
        let (offset, length) = run.byte_range(size).ok_or(ErrorCode::OutOfRange)?;
        Ok(Self {
            header: Some(BlocksHeader { id, run }.encode()),
            offset,
            length: length as usize,
            tells_zeros: false,
            may_compress: false,
        })
    }

    /// The same, but zeros may be told in its place.
    #[must_use]
    pub const fn telling_zeros(self, tells_zeros: bool) -> Self {
        Self { tells_zeros, ..self }
    }

    /// The same, but the frame may be compressed.
    #[must_use]
    pub const fn compressing(self, may_compress: bool) -> Self {
        Self { may_compress, ..self }
    }

    /// The bytes before those of the file.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.header.as_ref().map_or(&[], |header| header)
    }

    /// Whether zeros may be told in place of the frame.
    #[must_use]
    pub const fn tells_zeros(&self) -> bool {
        self.tells_zeros
    }

    /// Whether the frame may be compressed.
    #[must_use]
    pub const fn may_compress(&self) -> bool {
        self.may_compress
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
