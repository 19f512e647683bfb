//! The file beneath a store.

use wstp_engine::StoreError;

/// A file that this process alone has open. Every call is synchronous and may block.
pub trait BlockFile {
    /// The system's error.
    type Error;

    /// The engine's word for an error.
    fn kind(error: &Self::Error) -> StoreError;

    /// Fills all of `buffer` from `offset` on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] when the file ends before, or the system's error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes all of `bytes` from `offset` on. A gap before them is filled with zeros.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] when no space is left, or the system's error. Some of the bytes may be written then.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Sets the length. New bytes are zeros.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] when no file can be that long, or the system's error.
    fn truncate(&self, length: u64) -> Result<(), Self::Error>;

    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// The system's error.
    fn size(&self) -> Result<u64, Self::Error>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    ///
    /// The system's error.
    fn flush(&self) -> Result<(), Self::Error>;

    /// Replaces the whole content and makes that durable.
    ///
    /// # Errors
    ///
    /// As for the other calls. The former content is lost then.
    fn overwrite(&self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.truncate(0)?;
        self.write_at(0, bytes)?;
        self.flush()
    }

    /// Gives the disk the room of these bytes back, if the system can. Their content does not count any more.
    fn free(&self, _offset: u64, _length: u64) {}
}
