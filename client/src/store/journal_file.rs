//! One file of a journal: records, each durable before the next one follows.

use super::BlockFile;

/// Bytes written at once to probe for room.
const PROBE: usize = 1 << 20;

/// A journal of which a prefix counts. The next record is written behind that prefix.
#[derive(Debug)]
pub(super) struct JournalFile<F> {
    file: F,
    length: u64,
}

impl<F: BlockFile> JournalFile<F> {
    /// A journal of which nothing counts.
    pub(super) fn unread(file: F) -> Self {
        Self { file, length: 0 }
    }

    /// Takes over a journal of which `length` bytes count, and cuts the others off.
    pub(super) fn resume(&mut self, length: u64) -> Result<(), F::Error> {
        self.file.truncate(length)?;
        self.length = length;
        Ok(())
    }

    /// The file.
    pub(super) fn file(&self) -> &F {
        &self.file
    }

    /// The bytes that count.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends a record and makes it durable.
    ///
    /// # Errors
    ///
    /// When storage fails. The record does not count then.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<(), F::Error> {
        let written = self.file.write_at(self.length, record).and_then(|()| self.file.flush());
        match written {
            Ok(()) => self.length += record.len() as u64,
            Err(_) => {
                // A remainder that stays is cut off when the journal is opened, because it continues no sequence.
                let _stays = self.file.truncate(self.length);
            }
        }
        written
    }

    /// Writes a whole journal and makes it durable.
    ///
    /// # Errors
    ///
    /// When storage fails. Nothing counts then.
    pub(super) fn replace(&mut self, journal: &[u8]) -> Result<(), F::Error> {
        let written = self.file.overwrite(journal);
        match written {
            Ok(()) => self.length = journal.len() as u64,
            // It would take room, and must not count later.
            Err(_) => self.clear(),
        }
        written
    }

    /// Empties it, so that nothing counts. An old journal that stays does no harm: its records have lower numbers.
    pub(super) fn clear(&mut self) {
        let _stays = self.file.truncate(0);
        self.length = 0;
    }

    /// Probes for room: writes this many bytes behind the part that counts, then truncates.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let piece = vec![0xff; PROBE];
        let mut offsets = (self.length..self.length + bytes).step_by(PROBE);
        let written =
            offsets.try_for_each(|offset| self.file.write_at(offset, &piece)).and_then(|()| self.file.flush());
        let cut = self.file.truncate(self.length);
        written.and(cut).is_ok()
    }
}
