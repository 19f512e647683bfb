//! An open file with several readers. It reads from the system's cache if that takes no waiting, and reads ahead for
//! sequential readers.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Advice, SeekFrom, seek};
use rustix::io::{Errno, ReadWriteFlags};
use wstp_provider::Read;

use super::stamp::Stamp;
use crate::store::buffers::Buffer;

/// How far ahead of a sequential reader the disk is asked to read.
const READ_AHEAD: u64 = 4 << 20;

/// An open file.
pub struct Reader {
    file: File,
    size: u64,
    /// The position up to which the disk was asked to read ahead.
    ahead: AtomicU64,
    /// A stretch of the file that is no hole.
    data: Mutex<Range<u64>>,
}

impl Reader {
    /// Reads a file of this many bytes.
    pub fn new(file: File, size: u64) -> Self {
        // A file that takes as much room as it is long has no hole.
        let is_full = file.metadata().is_ok_and(|metadata| metadata.blocks().saturating_mul(512) >= size);
        let data = if is_full { 0..u64::MAX } else { 0..0 };
        Self { file, size, ahead: AtomicU64::new(0), data: Mutex::new(data) }
    }

    /// The file's current stamp.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Stamp::of(&self.file)
    }

    /// Reads, if that takes no waiting: the bytes are in the system's cache, and no read-ahead is due. Otherwise
    /// `None`.
    pub fn read_cached(&self, read: &Read) -> Option<Buffer> {
        if self.wants_read_ahead(read) {
            return None;
        }
        let (mut buffer, header) = Buffer::for_read(read);
        let mut bytes = [IoSliceMut::new(&mut buffer[header..])];
        let came = rustix::io::preadv2(&self.file, &mut bytes, read.offset(), ReadWriteFlags::NOWAIT);
        came.is_ok_and(|came| came == read.length()).then_some(buffer)
    }

    /// Blocking: reads.
    pub fn read(&self, read: &Read) -> io::Result<Buffer> {
        self.read_ahead(read);
        let (mut buffer, header) = Buffer::for_read(read);
        self.file.read_exact_at(&mut buffer[header..], read.offset())?;
        Ok(buffer)
    }

    /// Blocking: fills `buffer` with the bytes from `offset` on.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Whether no hole is at this offset, as far as that is known.
    pub fn has_data_at(&self, offset: u64) -> bool {
        self.data().contains(&offset)
    }

    /// Blocking: the end of the hole at an offset; the offset itself if there is none. Some file systems have no holes,
    /// or don't tell.
    pub fn hole_until(&self, offset: u64) -> io::Result<u64> {
        let data = match seek(&self.file, SeekFrom::Data(offset)) {
            Ok(data) => data,
            Err(Errno::NXIO) => return Ok(self.size.max(offset)),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                *self.data() = 0..u64::MAX;
                return Ok(offset);
            }
            Err(error) => return Err(error.into()),
        };
        let end = seek(&self.file, SeekFrom::Hole(data)).unwrap_or(data);
        *self.data() = data..end;
        Ok(data)
    }

    fn data(&self) -> MutexGuard<'_, Range<u64>> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the disk to read a range soon.
    pub fn advise(&self, offset: u64, length: u64) {
        if let Some(length) = NonZeroU64::new(length)
            && let Err(error) = rustix::fs::fadvise(&self.file, offset, Some(length), Advice::WillNeed)
        {
            tracing::trace!(%error, "the file system takes no advice");
        }
    }

    /// Several connections may read one file at once. The system guesses the read-ahead once per open file, so its
    /// guess does not fit.
    fn read_ahead(&self, read: &Read) {
        let (end, ahead) = (read.end(), self.ahead.load(Ordering::Relaxed));
        if !goes_on(read, ahead) {
            self.ahead.store(end, Ordering::Relaxed);
        } else if self.wants_read_ahead(read) {
            let from = ahead.max(end);
            self.ahead.store(from + READ_AHEAD, Ordering::Relaxed);
            self.advise(from, READ_AHEAD);
        }
    }

    fn wants_read_ahead(&self, read: &Read) -> bool {
        let ahead = self.ahead.load(Ordering::Relaxed);
        goes_on(read, ahead) && read.end() + READ_AHEAD / 2 > ahead && ahead < self.size
    }
}

/// Whether a read follows a sequential reader, up to `ahead`.
fn goes_on(read: &Read, ahead: u64) -> bool {
    read.offset() <= ahead && read.end() + 2 * READ_AHEAD > ahead
}
