//! The files of a transfer and what the engine wants done with them: data, hashes (32 bytes a block), the two of its
//! journal. The same as in the extension.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use wstp_engine::journal::End;
use wstp_engine::{StoreError, StoreReply, StoreRequest};
use wstp_protocol::tree::{Tree, hash_block};
use wstp_protocol::{BLOCK_SIZE, BlockRun, Hash};

use crate::disk::Storage;
use crate::exit::is_too_large;
use crate::partial::Partial;

const HASH: usize = size_of::<Hash>();
/// Blocks read back at once.
const PIECE: u32 = 32;

/// A transfer's files, open.
#[derive(Debug)]
pub struct Store {
    pub(crate) data: File,
    pub(crate) hashes: File,
    pub(crate) journals: [File; 2],
    /// The one in use, and how much of it is believed: the next record goes there.
    pub(crate) end: End,
}

/// The result of a request, with the system's error if it failed.
#[derive(Debug)]
pub struct Stored {
    /// For the engine.
    pub reply: StoreReply,
    /// For the person.
    pub error: Option<io::Error>,
}

impl Storage for Partial {
    type Request = StoreRequest;
    type Reply = Stored;

    fn perform(&mut self, request: StoreRequest) -> Stored {
        self.store.perform(request)
    }
}

impl Store {
    /// Does what the engine wants. Blocks the thread.
    pub fn perform(&mut self, request: StoreRequest) -> Stored {
        let reply = match request {
            StoreRequest::SetLength { size } => self.data.set_len(size).map(|()| StoreReply::Done),
            StoreRequest::Write { offset, data } => self.write(offset, &data).map(|()| StoreReply::Done),
            StoreRequest::WriteHashes { first, hashes } => {
                self.hashes.write_all_at(hashes.as_flattened(), first * HASH as u64).map(|()| StoreReply::Done)
            }
            StoreRequest::ReadHashes { run } => self.read_hashes(run).map(StoreReply::Hashes),
            StoreRequest::Rehash { run, size } => self.rehash(run, size).map(StoreReply::Hashes),
            StoreRequest::Commit { record } => self.commit(&record).map(|()| StoreReply::Done),
            StoreRequest::Compact { journal } => self.compact(&journal).map(|()| StoreReply::Done),
        };
        match reply {
            Ok(reply) => Stored { reply, error: None },
            Err(error) => Stored { reply: StoreReply::Failed(kind_of(&error)), error: Some(error) },
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let written = self.data.write_all_at(data, offset);
        #[cfg(target_os = "linux")]
        if written.as_ref().is_err_and(|error| kind_of(error) == StoreError::Full) {
            use rustix::fs::{FallocateFlags, fallocate};
            // A part of it took the last of the disk, and that is needed for the record of what came before.
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _record_may_fit_all_the_same = fallocate(&self.data, hole, offset, data.len() as u64);
        }
        written
    }

    fn read_hashes(&self, run: BlockRun) -> io::Result<Vec<Hash>> {
        let mut hashes = vec![[0; HASH]; run.count as usize];
        self.hashes.read_exact_at(hashes.as_flattened_mut(), run.first * HASH as u64)?;
        Ok(hashes)
    }

    fn rehash(&self, run: BlockRun, size: u64) -> io::Result<Vec<Hash>> {
        let mut hashes = Vec::with_capacity(run.count as usize);
        let mut first = run.first;
        while first < run.end() {
            let count = u32::try_from(run.end() - first).unwrap_or(PIECE).min(PIECE);
            let piece = BlockRun { first, count };
            hashes.extend(hash_run(&self.data, piece, size)?);
            first = piece.end();
        }
        Ok(hashes)
    }

    fn commit(&mut self, record: &[u8]) -> io::Result<()> {
        self.flush()?;
        let journal = &self.journals[self.end.file];
        journal.write_all_at(record, self.end.length)?;
        journal.sync_data()?;
        self.end.length += record.len() as u64;
        Ok(())
    }

    fn compact(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.flush()?;
        let file = 1 - self.end.file;
        let journal = &self.journals[file];
        let written =
            journal.set_len(0).and_then(|()| journal.write_all_at(bytes, 0)).and_then(|()| journal.sync_data());
        if written.is_err() {
            // It would take room, and must not count later.
            let _stays = journal.set_len(0);
            return written;
        }
        let _does_not_count = self.journals[self.end.file].set_len(0);
        self.end = End { file, length: bytes.len() as u64 };
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.data.sync_data()?;
        self.hashes.sync_data()
    }
}

/// The hashes of a few blocks of a file of `size` bytes, read from `data`.
pub(crate) fn hash_run(data: &File, run: BlockRun, size: u64) -> io::Result<Vec<Hash>> {
    let (offset, length) = run.byte_range(size).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut bytes = vec![0; length as usize];
    data.read_exact_at(&mut bytes, offset)?;
    let blocks = (run.first..).zip(bytes.chunks(BLOCK_SIZE as usize));
    Ok(blocks.map(|(block, bytes)| hash_block(Tree::of_size(size), block, bytes)).collect())
}

/// The engine's name for an error.
pub(crate) fn kind_of(error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        io::ErrorKind::UnexpectedEof => StoreError::Missing,
        _ if is_too_large(error) => StoreError::TooLarge,
        _ => StoreError::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn store() -> Store {
        let file = || tempfile::tempfile().unwrap();
        Store { data: file(), hashes: file(), journals: [file(), file()], end: End::default() }
    }

    fn journals(store: &Store) -> [Vec<u8>; 2] {
        store.journals.each_ref().map(|journal| {
            let mut bytes = vec![0; journal.metadata().unwrap().len() as usize];
            journal.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        })
    }

    #[test]
    fn what_was_written_is_read_back_and_hashed() {
        let mut store = store();
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i >> 5) as u8).collect();
        store.perform(StoreRequest::SetLength { size: 100_000 });
        store.perform(StoreRequest::Write { offset: 8192, data: Bytes::copy_from_slice(&bytes[8192..]) });
        let run = BlockRun { first: 1, count: 12 };
        let expected: Vec<_> = (1..13)
            .map(|block| {
                let start = block * 8192;
                hash_block(Tree::of_size(100_000), block as u64, &bytes[start..bytes.len().min(start + 8192)])
            })
            .collect();
        assert_eq!(
            store.perform(StoreRequest::Rehash { run, size: 100_000 }).reply,
            StoreReply::Hashes(expected.clone())
        );
        store.perform(StoreRequest::WriteHashes { first: 1, hashes: expected.clone() });
        assert_eq!(store.perform(StoreRequest::ReadHashes { run }).reply, StoreReply::Hashes(expected));
    }

    #[test]
    fn what_is_not_there_is_missing() {
        let mut store = store();
        let run = BlockRun { first: 0, count: 1 };
        for request in [StoreRequest::ReadHashes { run }, StoreRequest::Rehash { run, size: 8192 }] {
            assert_eq!(store.perform(request).reply, StoreReply::Failed(StoreError::Missing));
        }
    }

    #[test]
    fn records_follow_each_other() {
        let mut store = store();
        for record in [vec![1, 2], vec![3]] {
            assert_eq!(store.perform(StoreRequest::Commit { record }).reply, StoreReply::Done);
        }
        assert_eq!((journals(&store), store.end), ([vec![1, 2, 3], vec![]], End { file: 0, length: 3 }));
    }

    #[test]
    fn a_compacted_journal_takes_the_place_of_the_former_one() {
        let mut store = store();
        let requests = [
            StoreRequest::Commit { record: vec![1; 9] },
            StoreRequest::Compact { journal: vec![2; 4] },
            StoreRequest::Commit { record: vec![3] },
        ];
        for request in requests {
            assert_eq!(store.perform(request).reply, StoreReply::Done);
        }
        assert_eq!((journals(&store), store.end), ([vec![], vec![2, 2, 2, 2, 3]], End { file: 1, length: 5 }));
        store.perform(StoreRequest::Compact { journal: vec![4] });
        assert_eq!((journals(&store), store.end), ([vec![4], vec![]], End { file: 0, length: 1 }));
    }
}
