//! The stored form of one file's transfer: data, hashes (32 bytes a block) and [`Journals`]. It executes the engine's
//! [`StoreRequest`]s. The files of a folder's transfer lie elsewhere; its journal is the same.
//!
//! Invariants: data and hashes are flushed before the record that mentions them is written, and the record before the
//! request is answered.

mod block_file;
mod journal_file;
mod journals;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::ops::Range;

use wstp_engine::journal::{self, Recovered};
use wstp_engine::{RangeSet, StoreError, StoreReply, StoreRequest};
use wstp_protocol::tree::{Tree, hash_block};
use wstp_protocol::zeros::are_zeros;
use wstp_protocol::{BLOCK_SIZE, BlockRun, Hash};

pub use self::block_file::BlockFile;
pub use self::journals::{Journals, Unreadable};

const HASH: usize = size_of::<Hash>();
/// Bytes read back at once.
const PIECE: u32 = 32 * BLOCK_SIZE as u32;
/// Bytes looked at together where zeros belong: 1 MiB.
const ZEROS_AT_ONCE: usize = 1 << 20;
/// The longest journal of a file that is read. The engine compacts it long before.
const MAX_JOURNAL: u64 = 64 << 20;

/// A transfer's files, open.
#[derive(Debug)]
pub struct FileStore<F> {
    data: F,
    /// Bytes of the data that may be other than zero: those of earlier runs, and those written since.
    written: RangeSet,
    hashes: F,
    journals: Journals<F>,
}

/// The outcome of a request.
#[derive(Debug)]
pub struct Stored<E> {
    /// For the engine.
    pub reply: StoreReply,
    /// The system's error, for the person.
    pub error: Option<E>,
}

impl<F: BlockFile> FileStore<F> {
    /// Takes these files over, which nobody else may have open, and reads the journal back. `journals` are in the order
    /// of [`journal::FILES`].
    ///
    /// # Errors
    ///
    /// When another version wrote the journal, or storage fails.
    pub fn open(data: F, hashes: F, journals: [F; 2]) -> Result<(Self, Recovered), Unreadable<F::Error>> {
        let (journals, recovered) =
            Journals::open(journals, MAX_JOURNAL, journal::is_of_other_version, journal::replay)?;
        let written = RangeSet::from_iter([0..data.size().map_err(Unreadable::Storage)?]);
        Ok((Self { data, written, hashes, journals }, recovered))
    }

    /// The file of data.
    pub fn data(&self) -> &F {
        &self.data
    }

    /// The file of hashes.
    pub fn hashes(&self) -> &F {
        &self.hashes
    }

    /// The journal.
    pub fn journals(&self) -> &Journals<F> {
        &self.journals
    }

    /// Blocking: executes a request of the engine.
    pub fn perform(&mut self, request: StoreRequest) -> Stored<F::Error> {
        let done = match request {
            StoreRequest::SetLength { size } => self.data.truncate(size),
            StoreRequest::Write { offset, data } => self.write(offset, &data),
            StoreRequest::WriteZeros { offset, length } => self.write_zeros(offset..offset + length),
            StoreRequest::WriteHashes { first, hashes } => {
                self.hashes.write_at(first * HASH as u64, hashes.as_flattened())
            }
            StoreRequest::ReadHashes { run } => return Stored::hashes::<F>(self.read_hashes(run).map(Some)),
            StoreRequest::Rehash { run, size } => return Stored::hashes::<F>(hash_run(&self.data, run, size)),
            StoreRequest::Commit { record } => self.commit(&record),
            StoreRequest::Compact { journal } => self.compact(&journal),
        };
        match done {
            Ok(()) => Stored { reply: StoreReply::Done, error: None },
            Err(error) => Stored::failed::<F>(error),
        }
    }

    /// Appends a record once all data and hashes are durable.
    ///
    /// # Errors
    ///
    /// When storage fails. The record does not count then.
    pub fn commit(&mut self, record: &[u8]) -> Result<(), F::Error> {
        self.flush()?;
        self.journals.append(record)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<(), F::Error> {
        self.written.insert(offset..offset + data.len() as u64);
        let written = self.data.write_at(offset, data);
        if written.as_ref().is_err_and(|error| F::kind(error) == StoreError::Full) {
            // A part of it took the last of the disk, and the record of the earlier blocks needs that room.
            self.data.free(offset, data.len() as u64);
        }
        written
    }

    /// Leaves a hole, if the system can. Otherwise it overwrites what is not zero. The rest of the file was never
    /// written.
    fn write_zeros(&mut self, range: Range<u64>) -> Result<(), F::Error> {
        let mut piece = Vec::new();
        for written in self.written.overlaps(range.clone()) {
            self.data.free(written.start, written.end - written.start);
            for offset in written.clone().step_by(ZEROS_AT_ONCE) {
                piece.resize(ZEROS_AT_ONCE.min((written.end - offset) as usize), 0);
                self.data.read_at(offset, &mut piece)?;
                if !are_zeros(&piece) {
                    piece.fill(0);
                    self.data.write_at(offset, &piece)?;
                }
            }
        }
        self.written.remove(range);
        Ok(())
    }

    fn read_hashes(&self, run: BlockRun) -> Result<Vec<Hash>, F::Error> {
        let mut hashes = vec![[0; HASH]; run.count as usize];
        self.hashes.read_at(run.first * HASH as u64, hashes.as_flattened_mut())?;
        Ok(hashes)
    }

    fn compact(&mut self, journal: &[u8]) -> Result<(), F::Error> {
        self.flush()?;
        self.journals.compact(journal)
    }

    fn flush(&self) -> Result<(), F::Error> {
        self.data.flush()?;
        self.hashes.flush()
    }
}

impl<E> Stored<E> {
    fn failed<F: BlockFile<Error = E>>(error: E) -> Self {
        Self { reply: StoreReply::Failed(F::kind(&error)), error: Some(error) }
    }

    /// `None` stands for blocks that the file can't have.
    fn hashes<F: BlockFile<Error = E>>(read: Result<Option<Vec<Hash>>, E>) -> Self {
        match read {
            Ok(Some(hashes)) => Self { reply: StoreReply::Hashes(hashes), error: None },
            Ok(None) => Self { reply: StoreReply::Failed(StoreError::Missing), error: None },
            Err(error) => Self::failed::<F>(error),
        }
    }
}

/// Blocking: the hashes of a run of blocks, read from a file that has `size` bytes when it is whole. `None` if such a
/// file does not have all of these blocks.
///
/// # Errors
///
/// When storage fails, or the file ends before.
pub fn hash_run<F: BlockFile>(file: &F, run: BlockRun, size: u64) -> Result<Option<Vec<Hash>>, F::Error> {
    let Some((start, length)) = run.byte_range(size) else { return Ok(None) };
    let mut hashes = Vec::with_capacity(run.count as usize);
    let mut buffer = vec![0; PIECE.min(length) as usize];
    for done in (0..length).step_by(PIECE as usize) {
        let piece = &mut buffer[..PIECE.min(length - done) as usize];
        let offset = start + u64::from(done);
        file.read_at(offset, piece)?;
        let blocks = (offset / BLOCK_SIZE..).zip(piece.chunks(BLOCK_SIZE as usize));
        hashes.extend(blocks.map(|(block, bytes)| hash_block(Tree::of_size(size), block, bytes)));
    }
    Ok(Some(hashes))
}

#[cfg(test)]
mod tests;
