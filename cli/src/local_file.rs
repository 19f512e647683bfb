//! A file of this machine as the file beneath a store.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use wstp_client::store::BlockFile;
use wstp_engine::StoreError;

use crate::exit::is_too_large;

/// An open file.
#[derive(Debug)]
pub struct LocalFile(pub File);

impl BlockFile for LocalFile {
    type Error = io::Error;

    fn kind(error: &io::Error) -> StoreError {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
            ErrorKind::UnexpectedEof => StoreError::Missing,
            _ if is_too_large(error) => StoreError::TooLarge,
            _ => StoreError::Io,
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn flush(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    #[cfg(target_os = "linux")]
    fn free(&self, offset: u64, length: u64) {
        use rustix::fs::{FallocateFlags, fallocate};
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _stays = fallocate(&self.0, hole, offset, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_client::store::FileStore;
    use wstp_client::store::testing::cases;

    #[test]
    fn a_store_on_this_machine_behaves_as_every_store() {
        for (name, check) in cases() {
            println!("{name}");
            let file = || LocalFile(tempfile::tempfile().unwrap());
            check(FileStore::open(file(), file(), [file(), file()]).unwrap().0);
        }
    }
}
