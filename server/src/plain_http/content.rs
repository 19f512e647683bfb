//! The body of an answer, as its pieces are read.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use wstp_protocol::SharePath;
use wstp_provider::Refusal;

use super::stream::FileStream;

/// Bytes read at once.
const PIECE: u64 = 256 * 1024;

/// Bytes that an answer sends, all of one version.
#[async_trait]
pub trait Content: Send {
    /// Some of the wanted bytes: from the first on, and at least one.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`](wstp_protocol::ErrorCode::Changed) when they may be of another version, and what the
    /// store says.
    async fn next(&mut self, wanted: Range<u64>) -> Result<Bytes, Refusal>;

    /// The path of the file that was read last, if it is not the one that was asked for.
    fn path(&self) -> Option<SharePath> {
        None
    }
}

#[async_trait]
impl Content for FileStream {
    async fn next(&mut self, wanted: Range<u64>) -> Result<Bytes, Refusal> {
        self.read(piece(wanted)).await
    }
}

/// The part of a range that is read at once.
pub fn piece(wanted: Range<u64>) -> Range<u64> {
    wanted.start..wanted.end.min((wanted.start / PIECE + 1).saturating_mul(PIECE))
}
