//! The two files of a journal, of a file or of a folder, of which one is in use: see [`wstp_engine::journal`].
//!
//! Invariant: a compacted journal is durable before the former one is emptied.

use wstp_engine::folder;
use wstp_engine::journal::End;

use super::BlockFile;
use super::journal_file::JournalFile;

/// A folder's journal that is longer is compacted when it is opened.
const LONG: u64 = 64 << 10;

/// A journal.
#[derive(Debug)]
pub struct Journals<F> {
    files: [JournalFile<F>; 2],
    /// The file in use.
    current: usize,
}

/// Why a journal can't be used.
#[derive(Debug)]
pub enum Unreadable<E> {
    /// Another version of the program wrote it.
    OtherVersion,
    /// Storage fails.
    Storage(E),
}

impl<F: BlockFile> Journals<F> {
    /// Takes these files over, which are in the order of [`FILES`](wstp_engine::journal::FILES). Has `replay` read the
    /// first `most` bytes of each, and cuts off what does not count.
    ///
    /// # Errors
    ///
    /// When `is_of_other_version` says so of a file, or storage fails.
    pub fn open<R>(
        files: [F; 2],
        most: u64,
        is_of_other_version: impl Fn(&[u8]) -> bool,
        replay: impl FnOnce([&[u8]; 2]) -> (R, End),
    ) -> Result<(Self, R), Unreadable<F::Error>> {
        let read = |file: &F| {
            let bytes = read(file, most).map_err(Unreadable::Storage)?;
            if is_of_other_version(&bytes) { Err(Unreadable::OtherVersion) } else { Ok(bytes) }
        };
        let [first, second] = &files;
        let (recovered, end) = replay([&read(first)?, &read(second)?]);
        let mut files = files.map(JournalFile::unread);
        files[end.file].resume(end.length).map_err(Unreadable::Storage)?;
        Ok((Self { files, current: end.file }, recovered))
    }

    /// Opens the journal of a folder. A long one is compacted first. The entries of both files in their folder are
    /// durable.
    ///
    /// # Errors
    ///
    /// As [`Journals::open`].
    pub fn open_of_folder(
        files: [F; 2],
        most: u64,
    ) -> Result<(Self, folder::journal::Recovered), Unreadable<F::Error>> {
        use folder::journal::{is_of_other_version, replay};
        let (mut journals, mut recovered) = Self::open(files, most, is_of_other_version, replay)?;
        // On a full disk the long one stays.
        if let Some(journal) = recovered.compacted(journals.end(), LONG)
            && journals.compact(&journal).is_ok()
        {
            recovered.was_compacted();
        }
        Ok((journals, recovered))
    }

    /// The files.
    pub fn files(&self) -> [&F; 2] {
        self.files.each_ref().map(JournalFile::file)
    }

    /// The place of the next record.
    pub fn end(&self) -> End {
        End { file: self.current, length: self.files[self.current].length() }
    }

    /// Whether there is room for this many more bytes.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.files[self.current].has_room(bytes)
    }

    /// Appends a record and makes it durable. Everything that it speaks of is durable.
    ///
    /// # Errors
    ///
    /// When storage fails. The record does not count then.
    pub fn append(&mut self, record: &[u8]) -> Result<(), F::Error> {
        self.files[self.current].append(record)
    }

    /// Goes on behind `journal`, which says all that the file in use says. It becomes durable in the other file first.
    ///
    /// # Errors
    ///
    /// When storage fails. The file in use stays in use then.
    pub fn compact(&mut self, journal: &[u8]) -> Result<(), F::Error> {
        let other = 1 - self.current;
        self.files[other].replace(journal)?;
        self.files[self.current].clear();
        self.current = other;
        Ok(())
    }
}

fn read<F: BlockFile>(file: &F, most: u64) -> Result<Vec<u8>, F::Error> {
    let length = file.size()?.min(most);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use wstp_engine::folder::{FileId, FileState};
    use wstp_records::Format;

    use super::super::testing::{MemoryFile, Power};
    use super::*;

    const MOST: u64 = 1 << 20;

    /// A folder's journal as an earlier build wrote it: one file, which failed again and again.
    fn long() -> Vec<u8> {
        let format = Format { magic: *b"WSTPTREE", version: 2, uncounted: 0 };
        let (no_names, nothing_stored) = (Vec::<String>::new(), Vec::<u8>::new());
        let page = (0_u32, no_names, vec![("a", 10_u64, None::<i64>)], 0_u32, None::<String>);
        let mut bytes = format.encode(0, &(vec![page], &nothing_stored, vec![0_u32], false));
        for sequence in 1.. {
            if bytes.len() as u64 > 2 * LONG {
                break;
            }
            bytes.extend(format.encode(sequence, &(Vec::<u8>::new(), &nothing_stored, vec![0_u32], false)));
        }
        bytes
    }

    fn says_the_same(files: [MemoryFile; 2]) -> bool {
        let (_, recovered) = Journals::open_of_folder(files, MOST).unwrap();
        let file = recovered.file(FileId(0)).unwrap();
        (recovered.files(), file.size, file.state) == (1, 10, FileState::Failed)
    }

    /// The power goes after each number of calls, and each file keeps or loses what was not flushed.
    #[test]
    fn a_long_journal_of_a_folder_is_compacted_when_it_is_opened_and_no_crash_loses_it() {
        for calls in 1.. {
            let power = Power::for_calls(calls);
            let files = [MemoryFile::holding(&power, long()), MemoryFile::on(&power)];
            let opened = Journals::open_of_folder(files.clone(), MOST);
            for (first_stays, second_stays) in [(false, false), (false, true), (true, false), (true, true)] {
                let after = [files[0].after_crash(first_stays), files[1].after_crash(second_stays)];
                let after = after.map(|bytes| MemoryFile::holding(&Power::default(), bytes));
                assert!(says_the_same(after), "after {calls} calls, {first_stays}, {second_stays}");
            }
            let Ok((journals, _)) = opened else { continue };
            if journals.end().file == 1 && files[0].after_crash(true).is_empty() {
                assert!(journals.end().length < 200, "{:?}", journals.end());
                return;
            }
            assert!(calls < 20, "it stays long");
        }
    }
}
