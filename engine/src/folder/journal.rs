//! The journal of a folder: listed entries, kept files and their places, fetched files, failures. It survives a cut at
//! any byte.
//!
//! Framed as [`wstp_records`] says, with a header of its own. A record is written only after the files it speaks of are
//! durable. Both the browser's storage and a native one write it. A kept file has a place in a pack, or none if it is a
//! file of its own.
//!
//! It has two files like the [journal of a file](crate::journal), and uses one of them. A single run hardly says a
//! thing twice. The journal grows from run to run, by files that fail each time or are fetched again. So a caller
//! compacts it when it opens it: see [`Recovered::compacted`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wstp_protocol::{Hash, SharePath};
use wstp_records::Format;

use super::entries::{Entries, Snapshot, State};
use super::listing::ListingPage;
use super::output::{FileId, FolderId, Listed, Place};
use super::progress::FileView;
use super::retelling::Retelling;
use crate::journal::End;

/// Builds that write version 1 take a record with further fields for a damaged one. Those that write version 2 know one
/// file only.
pub(super) const FORMAT: Format = Format { magic: *b"WSTPTREE", version: 3, uncounted: 0 };

/// The facts that one commit put on record, applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pages: Vec<ListingPage>,
    pub(super) stored: Vec<(FileId, Stored)>,
    pub(super) failed: Vec<FileId>,
    /// Whether nothing was left to do.
    pub(super) complete: bool,
    /// All entries, in place of all that was listed before. It comes first.
    #[serde(default)]
    pub(super) entries: Option<Box<Snapshot>>,
}

/// A file that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// Its BLAKE3 hash.
    pub root: Hash,
    /// How the caller stored it.
    pub form: Form,
}

/// How a file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Kept, there in a pack.
    Packed(Place),
    /// Kept as a file of its own.
    Own,
    /// Fetched by a transfer of its own.
    Fetched,
}

/// The content of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub(super) entries: Entries,
    pub(super) stored: BTreeMap<FileId, Stored>,
    pub(super) complete: bool,
    pub(super) next_sequence: u64,
}

impl Default for Recovered {
    fn default() -> Self {
        let entries = Entries::new(SharePath::root());
        Self { entries, stored: BTreeMap::new(), complete: false, next_sequence: 0 }
    }
}

impl Recovered {
    /// Whether nothing is on record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next_sequence == 0
    }

    /// Whether nothing was left to do. Some of it may have failed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The listed entries, as [`FolderOutput::Listed`](super::FolderOutput::Listed) will tell it again.
    pub fn listing(&self) -> impl Iterator<Item = (FolderId, Vec<Listed>)> {
        let mut retelling = Retelling::of(&self.entries);
        std::iter::from_fn(move || retelling.next(&self.entries))
    }

    /// The files that are durable.
    pub fn stored(&self) -> impl Iterator<Item = (FileId, &Stored)> {
        self.stored.iter().map(|(file, stored)| (*file, stored))
    }

    /// The names along a file's path, from the folder's folder inwards.
    #[must_use]
    pub fn path(&self, file: FileId) -> Option<SharePath> {
        self.entries.file_path(file)
    }

    /// How many files were listed; their ids count up to that.
    #[must_use]
    pub fn files(&self) -> u32 {
        self.entries.files()
    }

    /// One of its files; its path begins in the folder's folder.
    #[must_use]
    pub fn file(&self, file: FileId) -> Option<FileView> {
        self.entries.view(file)
    }

    /// A stored file is not there any more, or not what it was: it is fetched again.
    pub fn forget(&mut self, file: FileId) {
        if self.stored.remove(&file).is_some() {
            self.entries.set(file, State::Waiting);
            self.complete = false;
        }
    }

    /// A journal that says in one record what the one that ends at `end` says. `None` unless that one is longer than
    /// `most` bytes and more than twice as long. The caller makes the new one durable in the other file, and calls
    /// [`Recovered::was_compacted`].
    #[must_use]
    pub fn compacted(&self, end: End, most: u64) -> Option<Vec<u8>> {
        if end.length <= most {
            return None;
        }
        let is_failed = |file: &FileId| self.entries.file(*file).is_some_and(|file| file.state == State::Failed);
        let record = Record {
            stored: self.stored().map(|(file, stored)| (file, *stored)).collect(),
            failed: self.entries.file_ids().filter(is_failed).collect(),
            complete: self.complete,
            entries: Some(Box::new(self.entries.snapshot())),
            ..Record::default()
        };
        let bytes = FORMAT.begin(self.next_sequence, &record);
        (bytes.len() as u64 * 2 < end.length).then_some(bytes)
    }

    /// The compacted journal is durable: the next record follows it.
    pub fn was_compacted(&mut self) {
        self.next_sequence += 1;
    }

    /// Applies a record; `None` if it makes no sense here.
    fn apply(&mut self, record: Record) -> Option<()> {
        if let Some(snapshot) = record.entries {
            self.entries = snapshot.entries()?;
            self.stored.clear();
        }
        for page in &record.pages {
            let named = |name: &String| SharePath::root().join(name).is_ok();
            if !page.folders.iter().chain(page.files.iter().map(|file| &file.name)).all(named) {
                return None;
            }
            self.entries.add(page).ok()??;
        }
        let sensible = record.stored.into_iter().all(|(file, stored)| self.store(file, stored))
            && record.failed.into_iter().all(|file| self.fail(file));
        self.complete = record.complete;
        sensible.then_some(())
    }

    fn store(&mut self, file: FileId, stored: Stored) -> bool {
        self.stored.insert(file, stored);
        self.entries.done(file, stored.size)
    }

    fn fail(&mut self, file: FileId) -> bool {
        self.stored.remove(&file);
        self.entries.set(file, State::Failed)
    }
}

/// Whether a later version of the program wrote this journal. It says what is there, but not to this version: leave it
/// alone.
#[must_use]
pub fn is_of_other_version(bytes: &[u8]) -> bool {
    FORMAT.open(bytes).is_err()
}

/// Reads the two files of a journal. A caller truncates the file in use to the length that is to be believed, before
/// the folder goes on.
///
/// It never fails: the part of torn, garbled or foreign files that makes sense counts, if only the empty one.
#[must_use]
pub fn replay(files: [&[u8]; 2]) -> (Recovered, End) {
    let [first, second] = files.map(replay_file);
    let is_second = second.0.next_sequence > first.0.next_sequence;
    let (file, (recovered, length)) = if is_second { (1, second) } else { (0, first) };
    (recovered, End { file, length })
}

fn replay_file(bytes: &[u8]) -> (Recovered, u64) {
    let (recovered, sensible, valid) = replay_prefix(bytes);
    if sensible {
        return (recovered, valid);
    }
    // The record that makes no sense was half applied.
    let (recovered, _, valid) = replay_prefix(&bytes[..usize::try_from(valid).unwrap_or_default()]);
    (recovered, valid)
}

fn replay_prefix(bytes: &[u8]) -> (Recovered, bool, u64) {
    let mut recovered = Recovered::default();
    let mut sensible = true;
    let (next_sequence, valid) = FORMAT.replay(bytes, |record| {
        let applied = recovered.apply(record);
        sensible &= applied.is_some();
        applied
    });
    recovered.next_sequence = next_sequence;
    (recovered, sensible, valid)
}

#[cfg(test)]
mod tests {
    use super::super::listing::ListingFile;
    use super::*;
    use proptest::prelude::*;

    fn page<T: AsRef<str>>(folder: u32, folders: &[T], files: &[T], next: Option<&str>) -> ListingPage {
        let names = |names: &[T]| names.iter().map(|name| name.as_ref().to_owned()).collect::<Vec<_>>();
        let file = |name| ListingFile { name, size: 10, modified_ms: Some(1) };
        ListingPage {
            folder: FolderId(folder),
            folders: names(folders),
            files: names(files).into_iter().map(file).collect(),
            left_out: 1,
            next: next.map(str::to_owned),
        }
    }

    fn stored(file: u32, offset: u64) -> (FileId, Stored) {
        let form = Form::Packed(Place { offset, length: 10 });
        (FileId(file), Stored { size: 10, root: [file as u8; 32], form })
    }

    /// Records as they may follow each other: pages of the outermost folder, then anything about what they list.
    fn records() -> impl Strategy<Value = Vec<Record>> {
        let pages = prop::collection::vec((0..3usize, 0..5usize), 1..5);
        let facts = prop::collection::vec((any::<u8>(), any::<u8>(), any::<bool>(), any::<bool>()), 0..8);
        (pages, facts).prop_map(|(pages, facts)| {
            let (mut records, mut files) = (Vec::new(), 0);
            let last = pages.len() - 1;
            for (index, (folder_count, file_count)) in pages.into_iter().enumerate() {
                let names = |kind: &str, count| (0..count).map(|i| format!("{index}{kind}{i}")).collect::<Vec<_>>();
                let (own_folders, own_files) = (names("d", folder_count), names("f", file_count));
                let next = (index < last).then_some("on");
                records.push(Record { pages: vec![page(0, &own_folders, &own_files, next)], ..Record::default() });
                files += file_count as u32;
            }
            for (file, offset, fails, complete) in facts {
                let mut record = Record { complete, ..Record::default() };
                if files > 0 {
                    let file = u32::from(file) % files;
                    if fails {
                        record.failed.push(FileId(file));
                    } else {
                        record.stored.push(stored(file, offset.into()));
                    }
                }
                records.push(record);
            }
            records
        })
    }

    /// The content of a journal of one file, and how many of its bytes count.
    fn told(bytes: &[u8]) -> (Recovered, u64) {
        let (recovered, end) = replay([bytes, &[]]);
        (recovered, end.length)
    }

    fn written(records: &[Record]) -> Vec<Vec<u8>> {
        records.iter().enumerate().map(|(sequence, record)| FORMAT.encode(sequence as u64, record)).collect()
    }

    #[test]
    fn a_journal_comes_back() {
        let first = Record { pages: vec![page(0, &["d"], &["a"], Some("on"))], ..Record::default() };
        let second = Record {
            pages: vec![page(1, &[], &["x", "y"], None), page(0, &[], &["b"], None)],
            stored: vec![stored(0, 0), stored(2, 10)],
            failed: vec![FileId(1)],
            ..Record::default()
        };
        let bytes = written(&[first, second]).concat();
        let (recovered, valid) = told(&bytes);
        assert_eq!((valid, recovered.next_sequence), (bytes.len() as u64, 2));
        let paths: Vec<_> =
            (0..4).filter_map(|file| recovered.path(FileId(file))).map(|path| path.to_string()).collect();
        assert_eq!(paths, ["a", "d/x", "d/y", "b"]);
        assert_eq!(
            recovered.stored().map(|(file, stored)| (file, *stored)).collect::<Vec<_>>(),
            [stored(0, 0), stored(2, 10)]
        );
        let totals = recovered.entries.totals();
        assert_eq!((totals.bytes, totals.bytes_done, totals.files_failed, totals.left_out), (40, 20, 1, 3));
    }

    const MOST: u64 = 2000;

    /// A journal that says the last thing many times.
    fn long(records: &[Record]) -> (Vec<u8>, Recovered, End) {
        let mut bytes = written(records).concat();
        let mut sequence = records.len() as u64;
        let again = records.last().map(|last| Record { pages: Vec::new(), ..last.clone() }).unwrap_or_default();
        while bytes.len() as u64 <= 4 * MOST {
            bytes.extend(FORMAT.encode(sequence, &again));
            sequence += 1;
        }
        let (recovered, end) = replay([&bytes, &[]]);
        assert_eq!((end, recovered.next_sequence), (End { file: 0, length: bytes.len() as u64 }, sequence));
        (bytes, recovered, end)
    }

    #[test]
    fn only_a_long_journal_that_says_things_twice_is_compacted() {
        let pages = vec![page(0, &[], &["a"], None)];
        let short = written(&[Record { pages, ..Record::default() }]).concat();
        let (recovered, end) = replay([&short, &[]]);
        assert_eq!(recovered.compacted(end, MOST), None);
        let files: Vec<_> = (0..9999).map(|number| format!("{number:09}")).collect();
        let all = Record { pages: vec![page::<String>(0, &[], &files, None)], ..Record::default() };
        let bytes = written(&[all]).concat();
        let (recovered, end) = replay([&bytes, &[]]);
        assert!(end.length > MOST);
        assert_eq!(recovered.compacted(end, MOST), None, "it says nothing twice");
    }

    #[test]
    fn a_size_that_no_file_can_have_is_not_summed_up() {
        let file = |name: &str, size| ListingFile { name: name.to_owned(), size, modified_ms: None };
        let files = vec![file("a", u64::MAX), file("b", crate::LARGEST_FILE + 1), file("c", 10)];
        let pages = vec![ListingPage { files, ..page::<&str>(0, &[], &[], None) }];
        let record = Record { pages, failed: vec![FileId(0)], stored: vec![stored(1, 0)], ..Record::default() };
        let totals = told(&written(&[record]).concat()).0.entries.totals();
        assert_eq!((totals.bytes, totals.bytes_failed, totals.bytes_done), (20, 0, 10));
    }

    #[test]
    fn what_is_not_there_any_more_is_to_be_fetched_again() {
        let pages = vec![page(0, &[], &["a"], None)];
        let record = Record { pages, stored: vec![stored(0, 0)], complete: true, ..Record::default() };
        let (mut recovered, _) = told(&written(&[record]).concat());
        assert!(recovered.is_complete() && !recovered.is_empty() && Recovered::default().is_empty());
        recovered.forget(FileId(0));
        assert_eq!((recovered.is_complete(), recovered.stored().count()), (false, 0));
        assert_eq!(recovered.entries.totals().bytes_done, 0);
    }

    #[test]
    fn a_record_of_what_was_never_listed_is_not_believed() {
        let first = Record { pages: vec![page(0, &[], &["a"], None)], ..Record::default() };
        let good = written(std::slice::from_ref(&first)).concat();
        for bad in [
            Record { stored: vec![stored(0, 0), stored(1, 0)], ..Record::default() },
            Record { failed: vec![FileId(9)], ..Record::default() },
            Record { pages: vec![page(1, &[], &["b"], None)], ..Record::default() },
            Record { pages: vec![page(0, &[], &["b"], None)], ..Record::default() },
        ] {
            let (recovered, valid) = told(&written(&[first.clone(), bad]).concat());
            assert_eq!((recovered.next_sequence, valid), (1, good.len() as u64));
            assert_eq!((recovered.stored().count(), recovered.entries.files()), (0, 1));
        }
        let out = Record { pages: vec![page(0, &[], &["../out"], None)], ..Record::default() };
        assert_eq!(told(&written(&[out]).concat()), (Recovered::default(), 0));
    }

    /// Written by the code of commit 9b63afb: records of these facts, encoded by `FORMAT.encode` one after the other.
    /// Version 2 has the same records.
    #[test]
    fn a_journal_of_an_earlier_version_is_read() {
        for version in [1, 2] {
            let mut bytes = include_bytes!("../../fixtures/folder-1.journal").to_vec();
            bytes[8] = version;
            let (recovered, valid) = told(&bytes);
            assert_eq!((valid, recovered.next_sequence, recovered.complete), (bytes.len() as u64, 3, true));
            assert!(!is_of_other_version(&bytes));
            let paths: Vec<_> =
                (0..4).filter_map(|file| recovered.path(FileId(file))).map(|path| path.to_string()).collect();
            assert_eq!(paths, ["a", "d/x", "d/y", "b"]);
            let own = (FileId(1), Stored { size: 10, root: [1; 32], form: Form::Own });
            let fetched = (FileId(3), Stored { size: 300_000, root: [3; 32], form: Form::Fetched });
            let all: Vec<_> = recovered.stored().map(|(file, stored)| (file, *stored)).collect();
            assert_eq!(all, [stored(0, 7), own, fetched]);
            assert_eq!(recovered.file(FileId(2)).map(|file| file.state), Some(crate::folder::FileState::Failed));
        }
    }

    #[test]
    fn a_foreign_file_is_empty() {
        assert_eq!(told(b"something else entirely"), (Recovered::default(), 0));
        assert_eq!(told(b"WSTPJRNL\x01\0\0\0"), (Recovered::default(), 0));
    }

    proptest! {
        #[test]
        fn every_prefix_leaves_a_state_that_was_committed(records in records()) {
            let pieces = written(&records);
            let bytes = pieces.concat();
            let mut whole = (0, 0);
            for cut in 0..=bytes.len() {
                while whole.0 < pieces.len() && whole.1 + pieces[whole.0].len() <= cut {
                    whole = (whole.0 + 1, whole.1 + pieces[whole.0].len());
                }
                let (recovered, valid) = told(&bytes[..cut]);
                prop_assert_eq!(valid, whole.1 as u64);
                prop_assert_eq!(recovered.next_sequence, whole.0 as u64);
                if cut == whole.1 {
                    prop_assert_eq!(&recovered, &told(&pieces[..whole.0].concat()).0);
                }
            }
        }

        #[test]
        fn a_compacted_journal_says_the_same_and_goes_on(records in records()) {
            let (_, recovered, end) = long(&records);
            let compact = recovered.compacted(end, MOST).expect("it is long");
            let (read, length) = told(&compact);
            prop_assert_eq!(length, compact.len() as u64);
            let mut recovered = recovered;
            recovered.was_compacted();
            prop_assert_eq!(&read, &recovered);
            let more = FORMAT.encode(recovered.next_sequence, &Record::default());
            prop_assert_eq!(told(&[compact, more].concat()).0.next_sequence, recovered.next_sequence + 1);
        }

        /// The power goes while a journal is compacted. A part of the new file is there, and all of the former one.
        #[test]
        fn a_crash_while_a_journal_is_compacted_loses_nothing(
            records in records(),
            cut in any::<prop::sample::Index>(),
            in_use in 0..2usize,
        ) {
            let (old, recovered, end) = long(&records);
            let whole = recovered.compacted(end, MOST).expect("it is long");
            let new = &whole[..cut.index(whole.len() + 1)];
            let (read, read_end) = replay(if in_use == 0 { [&old[..], new] } else { [new, &old] });
            let (expected, file) = if new == whole { (told(new).0, 1 - in_use) } else { (recovered, in_use) };
            prop_assert_eq!((&read, read_end.file), (&expected, file));
            // The new one counts as well once the former one is emptied.
            prop_assert_eq!(replay([&[], &whole]).0, told(&whole).0);
        }

        #[test]
        fn a_garbled_last_record_is_not_believed(records in records(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let pieces = written(&records);
            let (last, before) = pieces.split_last().unwrap();
            let mut last = last.clone();
            let at = at.index(last.len());
            // Damage of the version can look like another one.
            prop_assume!(!before.is_empty() || !(8..12).contains(&at));
            last[at] ^= flip;
            let (recovered, valid) = told(&[before.concat(), last].concat());
            prop_assert_eq!(valid, before.concat().len() as u64);
            prop_assert_eq!(recovered, told(&before.concat()).0);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
            let bytes = if header { [FORMAT.encode(0, &())[..12].to_vec(), bytes].concat() } else { bytes };
            let (_, valid) = told(&bytes);
            prop_assert!(valid <= bytes.len() as u64);
        }
    }
}
