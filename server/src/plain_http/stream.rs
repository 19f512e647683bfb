//! A file as plain HTTP sends it: some ranges of it are read once, for one answer, and it is open until that ends. Nobody
//! proves these bytes, so all must be of one version. Backup programs, indexers and `chmod` move the change time and leave the
//! bytes alone: then what was sent is read again and compared.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use wstp_protocol::{ErrorCode, FileVersion};
use wstp_provider::{Read, Refusal};
use xxhash_rust::xxh3::Xxh3;

use crate::store::Version;

/// Bytes read at once to compare them.
const PIECE: u64 = 256 * 1024;
/// A file that is touched so often without a byte getting through is given up.
const MAX_TOUCHES: u32 = 8;

/// A file for one answer.
pub struct FileStream {
    /// Everything sent was read, or read again, of this version.
    version: Arc<dyn Version>,
    /// The version as clients compare it.
    told: FileVersion,
    /// The ranges that were sent, in their order. The last one grows.
    sent: Vec<Range<u64>>,
    /// A digest of their bytes.
    digest: Box<Xxh3>,
    /// Whether the file is another version now, perhaps with the same bytes.
    is_in_doubt: bool,
}

impl FileStream {
    /// A version that was opened for one answer.
    pub async fn new(version: Arc<dyn Version>) -> Self {
        // Until then a change may not show, and one version would name two.
        tokio::time::sleep(version.settles_in()).await;
        let told = version.lasting_id();
        Self { version, told, sent: Vec::new(), digest: Box::default(), is_in_doubt: false }
    }

    /// The version clients are told.
    pub fn version(&self) -> FileVersion {
        self.told
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.version.size()
    }

    /// When the bytes were last changed, as far as the store says; `None` before 1970.
    pub fn modified(&self) -> Option<SystemTime> {
        let since = Duration::from_millis(u64::try_from(self.version.modified_ms()?).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// The wanted bytes, which are within the file.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where they may be of another version than those before, and what the store says.
    pub async fn read(&mut self, wanted: Range<u64>) -> Result<Bytes, Refusal> {
        let length = (wanted.end - wanted.start) as usize;
        for _ in 0..MAX_TOUCHES {
            if self.is_in_doubt && !self.compare().await? {
                continue;
            }
            self.is_in_doubt = false;
            match self.version.read(&Read::bytes(wanted.start, length)).await {
                Ok(piece) => {
                    self.digest.update(&piece);
                    match self.sent.last_mut().filter(|last| last.end == wanted.start) {
                        Some(last) => last.end = wanted.end,
                        None => self.sent.push(wanted),
                    }
                    return Ok(piece);
                }
                Err(refusal) if refusal.code() == ErrorCode::Changed => self.is_in_doubt = true,
                Err(refusal) => return Err(refusal),
            }
        }
        Err(ErrorCode::Changed.into())
    }

    /// Goes on under the version that the file has now, if it still has the bytes that were sent. `false`: it was
    /// touched once more meanwhile.
    async fn compare(&mut self) -> Result<bool, Refusal> {
        self.version = self.version.touched().await?;
        // Until then a further change may not show.
        tokio::time::sleep(self.version.settles_in()).await;
        let mut again = Xxh3::new();
        for mut left in self.sent.iter().cloned() {
            while !left.is_empty() {
                let length = PIECE.min(left.end - left.start);
                match self.version.read(&Read::bytes(left.start, length as usize)).await {
                    Ok(piece) => again.update(&piece),
                    Err(refusal) if refusal.code() == ErrorCode::Changed => return Ok(false),
                    Err(refusal) => return Err(refusal),
                }
                left.start += length;
            }
        }
        if again.digest128() != self.digest.digest128() {
            return Err(ErrorCode::Changed.into());
        }
        Ok(true)
    }
}
