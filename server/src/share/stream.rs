//! A file as plain HTTP sends it: read once, from one place on, for one answer, and open until that ends. Nobody proves these bytes, so all must be of one
//! version. Backup programs, indexers and `chmod` move the change time and leave the bytes alone: then what was sent is read again and compared.

use std::sync::Arc;

use bytes::Bytes;
use wstp_protocol::{ErrorCode, FileVersion};
use xxhash_rust::xxh3::Xxh3;

use super::files::Files;
use super::reader::{Read, Reader};
use super::refusal::Refusal;
use super::stamp::Stamp;

/// Bytes read at once to compare them.
const PIECE: u64 = 256 * 1024;
/// A file that is touched so often without a byte getting through is given up.
const MAX_TOUCHES: u32 = 8;

/// A file for one answer.
pub struct FileStream {
    reader: Arc<Reader>,
    /// The version as clients compare it.
    version: FileVersion,
    /// Everything sent was read, or read again, under this stamp.
    stamp: Stamp,
    start: u64,
    position: u64,
    /// A digest of the bytes from `start` to `position`.
    sent: Box<Xxh3>,
}

impl FileStream {
    /// An open file with its stamp and version.
    pub fn new(reader: Reader, stamp: Stamp, version: FileVersion) -> Self {
        Self { reader: Arc::new(reader), version, stamp, start: 0, position: 0, sent: Box::default() }
    }

    /// The version clients are told.
    pub fn version(&self) -> FileVersion {
        self.version
    }

    /// Its stamp.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Has the answer begin here, before anything was read.
    #[must_use]
    pub fn starting_at(self, start: u64) -> Self {
        Self { start, position: start, ..self }
    }

    /// The next `length` bytes, all within the file.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where they may be of another version than those before, and what the disk says.
    pub async fn next(&mut self, files: &Files, length: u64) -> Result<Bytes, Refusal> {
        for _ in 0..MAX_TOUCHES {
            let piece = files.read_bytes(&self.reader, Read::bytes(self.position, length as usize)).await?;
            let now = self.reader.stamp()?;
            if now == self.stamp {
                self.sent.update(&piece);
                self.position += length;
                return Ok(piece);
            }
            self.compare(files, now).await?;
        }
        Err(ErrorCode::Changed.into())
    }

    /// Goes on under a new stamp, if the file still has the bytes that were sent.
    async fn compare(&mut self, files: &Files, now: Stamp) -> Result<(), Refusal> {
        if !now.may_be_touched_only(&self.stamp) {
            return Err(ErrorCode::Changed.into());
        }
        // Until then a further change may not show in the stamp.
        tokio::time::sleep(now.settles_in()).await;
        let (mut again, mut from) = (Xxh3::new(), self.start);
        while from < self.position {
            let length = PIECE.min(self.position - from);
            again.update(&files.read_bytes(&self.reader, Read::bytes(from, length as usize)).await?);
            from += length;
        }
        if again.digest128() != self.sent.digest128() {
            return Err(ErrorCode::Changed.into());
        }
        self.stamp = now;
        Ok(())
    }
}
