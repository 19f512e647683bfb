//! A file in memory that loses what was not flushed when the power goes.

use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wstp_engine::StoreError;

use crate::store::BlockFile;

/// The supply of several files. It may end after some calls; each call fails from then on.
#[derive(Clone, Debug, Default)]
pub struct Power(Arc<Mutex<Option<usize>>>);

impl Power {
    /// Power for this many more changes and flushes.
    #[must_use]
    pub fn for_calls(calls: usize) -> Self {
        Self(Arc::new(Mutex::new(Some(calls))))
    }

    fn take(&self) -> Result<(), Error> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(0) => Err(Error::other("there is no power")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The file. Its clones are the same file.
#[derive(Clone, Debug, Default)]
pub struct MemoryFile {
    content: Arc<Mutex<Content>>,
    power: Power,
}

#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    unflushed: usize,
}

impl MemoryFile {
    /// An empty file on this supply.
    #[must_use]
    pub fn on(power: &Power) -> Self {
        Self { content: Arc::default(), power: power.clone() }
    }

    /// A file on this supply that has these bytes, all durable.
    #[must_use]
    pub fn holding(power: &Power, bytes: Vec<u8>) -> Self {
        let content = Content { seen: bytes.clone(), durable: bytes, unflushed: 0 };
        Self { content: Arc::new(Mutex::new(content)), power: power.clone() }
    }

    /// How many changes are not durable yet.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.content().unflushed
    }

    /// The bytes after a crash. Unflushed changes stay or are lost, all together.
    #[must_use]
    pub fn after_crash(&self, unflushed_stay: bool) -> Vec<u8> {
        let content = self.content();
        if unflushed_stay { content.seen.clone() } else { content.durable.clone() }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        self.power.take()?;
        let mut content = self.content();
        change(&mut content.seen);
        content.unflushed += 1;
        Ok(())
    }
}

impl BlockFile for MemoryFile {
    type Error = Error;

    fn kind(error: &Error) -> StoreError {
        if error.kind() == ErrorKind::UnexpectedEof { StoreError::Missing } else { StoreError::Io }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let content = self.content();
        let from = content.seen.get(offset as usize..).unwrap_or_default();
        buffer.copy_from_slice(from.get(..buffer.len()).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        self.change(|file| {
            if file.len() < end {
                file.resize(end, 0);
            }
            file[start..end].copy_from_slice(bytes);
        })
    }

    fn truncate(&self, length: u64) -> Result<(), Error> {
        self.change(|file| file.resize(length as usize, 0))
    }

    fn size(&self) -> Result<u64, Error> {
        Ok(self.content().seen.len() as u64)
    }

    fn flush(&self) -> Result<(), Error> {
        self.power.take()?;
        let mut content = self.content();
        content.durable = content.seen.clone();
        content.unflushed = 0;
        Ok(())
    }
}
