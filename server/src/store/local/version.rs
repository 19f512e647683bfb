//! One version of a local file.
//!
//! Its descriptor is open while the file is read, and closed soon after. The file is opened again by its path, and only
//! if the same version is there.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::fs::MetadataExt;
use wstp_protocol::{ErrorCode, FileVersion, SharePath};
use wstp_provider::{Read, Refusal};

use super::Disk;
use super::reader::Reader;
use super::refused::refused;
use super::stamp::Stamp;
use crate::blocking::blocking;
use crate::store::Version;

/// How often the server checks whether the path still leads to this file.
const PATH_CHECK: Duration = Duration::from_secs(1);

/// A file that had this stamp when it was opened.
pub struct LocalVersion(Arc<Opened>);

struct Opened {
    disk: Arc<Disk>,
    path: SharePath,
    stamp: Stamp,
    /// `None` while no client reads.
    reader: Mutex<Option<Arc<Reader>>>,
    /// Whether it was read since the last check.
    is_used: AtomicBool,
    /// When the path was last seen to lead here. `None`: the open file counts, wherever its path leads.
    path_checked: Option<Mutex<Instant>>,
}

impl LocalVersion {
    /// An opened file.
    pub fn new(disk: Arc<Disk>, path: SharePath, file: File, stamp: Stamp) -> Self {
        let reader = Arc::new(Reader::new(file, stamp.size));
        Self::of(disk, path, reader, stamp, Some(Mutex::new(Instant::now())))
    }

    fn of(
        disk: Arc<Disk>,
        path: SharePath,
        reader: Arc<Reader>,
        stamp: Stamp,
        path_checked: Option<Mutex<Instant>>,
    ) -> Self {
        let (reader, is_used) = (Mutex::new(Some(reader)), AtomicBool::new(true));
        Self(Arc::new(Opened { disk, path, stamp, reader, is_used, path_checked }))
    }
}

#[async_trait]
impl Version for LocalVersion {
    fn id(&self) -> FileVersion {
        self.0.stamp.version()
    }

    fn lasting_id(&self) -> FileVersion {
        self.0.disk.versions.of(self.0.stamp)
    }

    fn key(&self) -> [u8; 32] {
        let root = self.0.disk.share.root().as_os_str().as_encoded_bytes();
        self.0.stamp.key(root, self.0.disk.share.path_from_root(&self.0.path).as_bytes())
    }

    fn size(&self) -> u64 {
        self.0.stamp.size
    }

    fn modified_ms(&self) -> Option<i64> {
        self.0.stamp.modified_ms()
    }

    fn settles_in(&self) -> Duration {
        self.0.stamp.settles_in()
    }

    fn read_at_once(&self, read: &Read) -> Option<Result<Bytes, Refusal>> {
        if self.0.is_path_check_due() {
            return None;
        }
        let reader = self.0.open_reader()?;
        let buffer = reader.read_cached(read)?;
        Some(self.0.compare(&reader).map(|()| Bytes::from_owner(buffer)))
    }

    async fn read(&self, read: &Read) -> Result<Bytes, Refusal> {
        // This thread takes bytes that are in memory at once. Another thread waits for the disk. Changing threads and
        // back costs more than copying a quarter of a mebibyte.
        if let Some(done) = self.read_at_once(read) {
            return done;
        }
        let (opened, read) = (self.0.clone(), read.clone());
        blocking(&self.0.disk.bounds.readers, move || opened.read(&read)).await
    }

    async fn zeros_until(&self, offset: u64) -> Result<u64, Refusal> {
        if self.0.open_reader().is_some_and(|reader| reader.has_data_at(offset)) {
            return Ok(offset);
        }
        let opened = self.0.clone();
        blocking(&self.0.disk.bounds.readers, move || opened.zeros_until(offset)).await
    }

    fn read_into(&self, buffer: &mut [u8], offset: u64) -> Result<(), Refusal> {
        let reader = self.0.reader()?;
        let length = buffer.len() as u64;
        reader.advise(offset + length, 2 * length);
        reader.read_exact_at(buffer, offset).map_err(refused)?;
        self.0.check(&reader)
    }

    async fn touched(&self) -> Result<Arc<dyn Version>, Refusal> {
        let opened = self.0.clone();
        blocking(&self.0.disk.bounds.readers, move || {
            let reader = opened.reader()?;
            let now = reader.stamp().map_err(refused)?;
            if !now.may_be_touched_only(&opened.stamp) {
                return Err(ErrorCode::Changed.into());
            }
            let touched = LocalVersion::of(opened.disk.clone(), opened.path.clone(), reader, now, None);
            Ok(Arc::new(touched) as Arc<dyn Version>)
        })
        .await
    }

    fn rest(&self) {
        if !self.0.is_used.swap(false, Ordering::Relaxed) {
            let unused = self.0.lock_reader().take();
            drop(unused);
        }
    }
}

impl Opened {
    /// Blocking: reads.
    fn read(&self, read: &Read) -> Result<Bytes, Refusal> {
        let reader = self.reader()?;
        let buffer = reader.read(read).map_err(refused)?;
        self.check(&reader)?;
        Ok(Bytes::from_owner(buffer))
    }

    /// Blocking: the end of the hole at an offset.
    fn zeros_until(&self, offset: u64) -> Result<u64, Refusal> {
        let reader = self.reader()?;
        let end = reader.hole_until(offset).map_err(refused)?;
        self.check(&reader)?;
        Ok(end)
    }

    /// The file, opened again if need be. Blocking.
    fn reader(&self) -> Result<Arc<Reader>, Refusal> {
        if let Some(reader) = self.open_reader() {
            return Ok(reader);
        }
        let (file, stamp) = match self.disk.share.file(&self.path) {
            Ok(opened) => opened,
            // It may be the same file again when it can be reached.
            Err(refusal) if matches!(refusal.code(), ErrorCode::Busy | ErrorCode::Io | ErrorCode::ShareGone) => {
                return Err(refusal);
            }
            Err(_) => return Err(ErrorCode::Changed.into()),
        };
        if stamp != self.stamp {
            return Err(ErrorCode::Changed.into());
        }
        let opened = Arc::new(Reader::new(file, stamp.size));
        Ok(self.lock_reader().get_or_insert(opened).clone())
    }

    /// Ensures that the file is still the one that was opened. Blocking.
    fn check(&self, reader: &Reader) -> Result<(), Refusal> {
        self.compare(reader)?;
        if let Some(checked) = self.path_checked.as_ref().filter(|_| self.is_path_check_due()) {
            *checked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if !self.is_at_path() {
                return Err(ErrorCode::Changed.into());
            }
        }
        Ok(())
    }

    fn compare(&self, reader: &Reader) -> Result<(), Refusal> {
        if reader.stamp().map_err(refused)? == self.stamp { Ok(()) } else { Err(ErrorCode::Changed.into()) }
    }

    /// A file that was moved away keeps its bytes, but is no longer the file that the client requested.
    fn is_at_path(&self) -> bool {
        let metadata = self.disk.share.metadata(&self.path);
        metadata.is_ok_and(|metadata| self.stamp.file() == (metadata.dev(), metadata.ino()))
    }

    fn is_path_check_due(&self) -> bool {
        let checked = self.path_checked.as_ref();
        checked.is_some_and(|at| at.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= PATH_CHECK)
    }

    /// The file if it is open. This counts as use.
    fn open_reader(&self) -> Option<Arc<Reader>> {
        self.is_used.store(true, Ordering::Relaxed);
        self.lock_reader().clone()
    }

    fn lock_reader(&self) -> MutexGuard<'_, Option<Arc<Reader>>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
