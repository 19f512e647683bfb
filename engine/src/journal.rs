//! The journal: what of a transfer is on disk, in a form that survives being cut off anywhere.
//!
//! Its frame is that of [`wstp_records`]: only a prefix of good records is believed; a caller truncates the file to it
//! and goes on there.
//!
//! It has two files and uses one of them. When that has grown long, its whole content is written as one record into the
//! other. The new record has the higher number, so it counts from the moment it is durable. A crash at any moment
//! leaves at least one whole.
//!
//! A record is written only after the data it speaks of is durable, so what [`replay`] returns was on disk once.
//! Whether it still is, nobody knows: disks fail, and other programs touch files. The engine reads every block back
//! before it counts as verified.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wstp_protocol::{BlockIndex, Hash};
use wstp_records::Format;

use crate::{FileIdentity, RangeSet};

/// The names of the two files.
pub const FILES: [&str; 2] = ["journal", "journal2"];

/// Builds that write version 1 know one file only, and take a record with further fields for a damaged one.
const FORMAT: Format = Format { magic: *b"WSTPJRNL", version: 2, uncounted: 0 };

/// The facts that one commit made durable, applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The file, where it is new or changed: every verified block is only received from here on, unless the bytes are
    /// the same.
    pub(crate) file: Option<FileIdentity>,
    /// Its hash, where it became known.
    pub(crate) root: Option<Hash>,
    /// Blocks that turned out wrong.
    pub(crate) lost: Vec<Range<BlockIndex>>,
    /// Blocks written and not verified.
    pub(crate) received: Vec<Range<BlockIndex>>,
    /// Blocks written, or written before, and verified.
    pub(crate) verified: Vec<Range<BlockIndex>>,
    /// Whether this ends the transfer.
    pub(crate) complete: bool,
}

impl Record {
    /// The record as it stands in the journal; the first one brings the header along.
    pub(crate) fn encode(&self, sequence: u64) -> Vec<u8> {
        FORMAT.encode(sequence, self)
    }
}

/// The content of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub(crate) file: Option<FileIdentity>,
    pub(crate) verified: RangeSet,
    pub(crate) received: RangeSet,
    pub(crate) complete: bool,
    pub(crate) next_sequence: u64,
    /// Bytes of the journal that say so.
    pub(crate) length: u64,
}

/// The place at which a journal goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The file in use, of two.
    pub file: usize,
    /// How many of its bytes to believe.
    pub length: u64,
}

impl Recovered {
    /// The file, once a server described it.
    #[must_use]
    pub fn file(&self) -> Option<&FileIdentity> {
        self.file.as_ref()
    }

    /// The blocks that were verified.
    #[must_use]
    pub fn verified(&self) -> &RangeSet {
        &self.verified
    }

    /// The blocks that were written and not verified.
    #[must_use]
    pub fn received(&self) -> &RangeSet {
        &self.received
    }

    /// Whether every block was verified and the transfer ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The journal of a transfer that begins with all of these blocks and asks its sources which file they have now.
    /// The blocks are only received. The hash is forgotten, for with it nothing would be left to ask.
    #[must_use]
    pub fn reopened(&self) -> Vec<u8> {
        let mut reopened = self.clone();
        if let Some(file) = self.file {
            reopened.identify(FileIdentity { root: None, ..file });
        }
        reopened.snapshot().encode(0)
    }

    /// Everything as one record.
    fn snapshot(&self) -> Record {
        let (received, verified) = (self.received.iter().collect(), self.verified.iter().collect());
        Record { file: self.file, received, verified, complete: self.complete, ..Record::default() }
    }

    /// A journal that says the same, and what this record says.
    pub(crate) fn compacted(&self, record: &Record) -> Vec<u8> {
        let mut whole = self.clone();
        whole.apply(record.clone());
        FORMAT.begin(self.next_sequence, &whole.snapshot())
    }

    /// This record follows in the journal, which has so many bytes now.
    pub(crate) fn recorded(&mut self, record: Record, length: u64) {
        self.apply(record);
        self.next_sequence += 1;
        self.length = length;
    }

    /// Applies a record; `None` if it makes no sense here.
    fn apply(&mut self, record: Record) -> Option<()> {
        if let Some(file) = record.file {
            self.identify(file);
        }
        let file = self.file.as_mut()?;
        file.root = record.root.or(file.root);
        let blocks = file.blocks();
        let sensible = |range: &Range<u64>| range.start < range.end && range.end <= blocks;
        if ![&record.lost, &record.received, &record.verified].into_iter().flatten().all(sensible) {
            return None;
        }
        for range in record.lost {
            self.received.remove(range.clone());
            self.verified.remove(range);
        }
        for range in record.received {
            self.verified.remove(range.clone());
            self.received.insert(range);
        }
        for range in record.verified {
            self.received.remove(range.clone());
            self.verified.insert(range);
        }
        self.complete = record.complete && self.verified.len() == blocks && file.root.is_some();
        Some(())
    }

    fn identify(&mut self, file: FileIdentity) {
        if let Some(old) = self.file.replace(file).filter(|old| !old.same_bytes(&file)) {
            self.received.extend(&std::mem::take(&mut self.verified));
            self.received.remove(old.comparable(&file).end..u64::MAX);
        }
    }
}

/// Whether a later version of the program wrote this journal. It says what is there, but not to this version: leave it
/// alone.
#[must_use]
pub fn is_of_other_version(bytes: &[u8]) -> bool {
    FORMAT.open(bytes).is_err()
}

/// Reads the two files of a journal. A caller truncates the file in use to the length that is to be believed, before
/// the transfer goes on.
///
/// It never fails: the part of torn, garbled or foreign files that makes sense counts, if only the empty one.
#[must_use]
pub fn replay(files: [&[u8]; 2]) -> (Recovered, End) {
    let [first, second] = files.map(replay_file);
    let (file, recovered) = if second.next_sequence > first.next_sequence { (1, second) } else { (0, first) };
    let length = recovered.length;
    (recovered, End { file, length })
}

fn replay_file(bytes: &[u8]) -> Recovered {
    let mut recovered = Recovered::default();
    let (next_sequence, length) = FORMAT.replay(bytes, |record| {
        let before = recovered.clone();
        let applied = recovered.apply(record);
        if applied.is_none() {
            recovered = before;
        }
        applied
    });
    Recovered { next_sequence, length, ..recovered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wstp_protocol::FileVersion;

    /// Bytes in which damage can look like another version.
    const VERSION: Range<usize> = 8..12;

    fn file(size: u64, version: u8) -> FileIdentity {
        FileIdentity { size, version: FileVersion([version; 16]), root: None }
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let ranges = || prop::collection::vec((0u64..90, 1u64..10), 0..4);
        let record = (ranges(), ranges(), ranges(), any::<bool>(), prop::option::weighted(0.1, 1u8..4));
        prop::collection::vec(record, 1..12).prop_map(|parts| {
            let expand = |ranges: Vec<(u64, u64)>| ranges.into_iter().map(|(start, len)| start..start + len).collect();
            parts
                .into_iter()
                .enumerate()
                .map(|(index, (lost, received, verified, root, change))| Record {
                    file: if index == 0 { Some(file(100 * 8192, 0)) } else { change.map(|v| file(100 * 8192, v)) },
                    root: root.then_some([7; 32]),
                    lost: expand(lost),
                    received: expand(received),
                    verified: expand(verified),
                    complete: false,
                })
                .collect()
        })
    }

    /// The content of a journal of one file, and how many of its bytes count.
    fn told(bytes: &[u8]) -> (Recovered, u64) {
        let (recovered, end) = replay([bytes, &[]]);
        (recovered, end.length)
    }

    fn written(records: &[Record]) -> Vec<Vec<u8>> {
        records.iter().enumerate().map(|(sequence, record)| record.encode(sequence as u64)).collect()
    }

    #[test]
    fn a_journal_comes_back() {
        let first = Record { file: Some(file(100 * 8192, 1)), ..Record::default() };
        let second = Record { received: vec![0..10], ..Record::default() };
        let third = Record { root: Some([1; 32]), lost: vec![2..3], verified: vec![0..2, 3..8], ..Record::default() };
        let bytes = written(&[first, second, third]).concat();
        let (recovered, valid) = told(&bytes);
        assert_eq!(valid, bytes.len() as u64);
        assert_eq!(recovered.file, Some(FileIdentity { root: Some([1; 32]), ..file(100 * 8192, 1) }));
        assert_eq!(recovered.verified.iter().collect::<Vec<_>>(), [0..2, 3..8]);
        assert_eq!(recovered.received.iter().collect::<Vec<_>>(), [8..10]);
        assert_eq!(recovered.next_sequence, 3);
    }

    #[test]
    fn a_changed_file_demotes_what_was_verified() {
        let first = Record { file: Some(file(10 * 8192, 1)), verified: vec![0..10], ..Record::default() };
        let second = Record { file: Some(file(8 * 8192, 2)), ..Record::default() };
        let (recovered, _) = told(&written(&[first, second]).concat());
        assert!(recovered.verified.is_empty());
        assert_eq!(recovered.received.iter().collect::<Vec<_>>(), [0..7]);
    }

    #[test]
    fn a_complete_transfer_that_is_opened_again_keeps_what_it_has() {
        let root = Some([1; 32]);
        let all =
            Record { file: Some(file(2 * 8192, 1)), root, verified: vec![0..2], complete: true, ..Record::default() };
        let (complete, _) = told(&written(&[all]).concat());
        assert!(complete.is_complete());
        let bytes = complete.reopened();
        let (recovered, valid) = told(&bytes);
        assert_eq!((recovered.is_complete(), recovered.verified.len(), valid), (false, 0, bytes.len() as u64));
        assert_eq!(recovered.received.len(), 2);
        assert_eq!(recovered.file.map(|file| file.root), Some(None));
    }

    #[test]
    fn a_record_about_blocks_past_the_end_is_not_believed() {
        let first = Record { file: Some(file(8192, 1)), ..Record::default() };
        let good = written(std::slice::from_ref(&first)).concat();
        let second = Record { verified: vec![0..2], ..Record::default() };
        let (recovered, valid) = told(&written(&[first, second]).concat());
        assert_eq!((recovered.next_sequence, valid), (1, good.len() as u64));
    }

    #[test]
    fn a_journal_of_another_version_is_known_from_a_damaged_one() {
        let mut bytes = written(&[Record { file: Some(file(8192, 1)), ..Record::default() }]).concat();
        assert!(!is_of_other_version(&bytes) && !is_of_other_version(&bytes[..9]) && !is_of_other_version(b"noise"));
        bytes[8] += 1;
        assert!(is_of_other_version(&bytes));
    }

    /// Written by the code of commit 9b63afb: records of these facts, encoded by `Record::encode` one after the other.
    #[test]
    fn journals_of_the_version_before_are_read() {
        let whole = |bytes: &[u8]| {
            let (recovered, valid) = told(bytes);
            assert_eq!(valid, bytes.len() as u64);
            assert!(!is_of_other_version(bytes));
            recovered
        };
        // 100 blocks: 0 to 10 and 20 to 30 were received, 0 to 10 verified, 25 lost. Then the file changed into one of
        // 91 blocks: 20 and 21 were verified and 90 received.
        let begun = whole(include_bytes!("../fixtures/file-1.journal"));
        let file = FileIdentity { size: 90 * 8192 + 5, version: FileVersion([2; 16]), root: Some([8; 32]) };
        assert_eq!((begun.file, begun.is_complete(), begun.next_sequence), (Some(file), false, 4));
        assert_eq!(begun.verified.iter().collect::<Vec<_>>(), [20..22]);
        assert_eq!(begun.received.iter().collect::<Vec<_>>(), [0..10, 22..25, 26..30, 90..91]);
        let complete = whole(include_bytes!("../fixtures/complete-1.journal"));
        let file = FileIdentity { size: 3 * 8192, version: FileVersion([3; 16]), root: Some([9; 32]) };
        assert_eq!((complete.file(), complete.is_complete(), complete.next_sequence), (Some(&file), true, 1));
        assert_eq!(complete.verified.iter().collect::<Vec<_>>(), [0..3]);
    }

    #[test]
    fn a_foreign_file_is_empty() {
        assert_eq!(told(b"something else entirely"), (Recovered::default(), 0));
        assert_eq!(told(&written(&[Record::default()])[0][..12]), (Recovered::default(), 0));
    }

    /// The journal of these records, compacted with the record at `at`, and the records behind it.
    fn compacted(records: &[Record], at: usize) -> Vec<Vec<u8>> {
        let (before, _) = told(&written(&records[..at]).concat());
        let behind = (at + 1..).zip(&records[at + 1..]).map(|(sequence, record)| record.encode(sequence as u64));
        std::iter::once(before.compacted(&records[at])).chain(behind).collect()
    }

    proptest! {
        #[test]
        fn a_compacted_journal_says_the_same_and_goes_on(records in records(), at in any::<prop::sample::Index>()) {
            let pieces = compacted(&records, at.index(records.len()));
            let (compact, length) = told(&pieces.concat());
            let (plain, _) = told(&written(&records).concat());
            prop_assert_eq!(length, pieces.concat().len() as u64);
            prop_assert_eq!(Recovered { length: 0, ..compact }, Recovered { length: 0, ..plain });
        }

        /// The power goes while a journal is compacted: any parts of the new file may be missing, and the former one is
        /// whole.
        #[test]
        fn a_crash_while_a_journal_is_compacted_loses_nothing(
            records in records(),
            at in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
            lost in any::<u64>(),
            in_use in 0..2usize,
        ) {
            let at = at.index(records.len());
            let (old, whole) = (written(&records[..at]).concat(), compacted(&records[..=at], at).concat());
            let mut new = whole[..cut.index(whole.len() + 1)].to_vec();
            for (part, piece) in new.chunks_mut(5).enumerate() {
                if lost >> (part % 64) & 1 == 1 {
                    piece.fill(0);
                }
            }
            let files = if in_use == 0 { [&old[..], &new] } else { [&new[..], &old] };
            let (recovered, end) = replay(files);
            let (expected, file) = if new == whole { (told(&new).0, 1 - in_use) } else { (told(&old).0, in_use) };
            prop_assert_eq!(&recovered, &expected);
            prop_assert!(end.file == file || recovered.next_sequence == 0);
            prop_assert_eq!(end.length, expected.length);
            // The new one counts as well once the former one is emptied.
            prop_assert_eq!(replay([&[], &whole]).0, told(&whole).0);
        }

        #[test]
        fn any_cut_leaves_a_state_that_was_committed(records in records(), cut in any::<prop::sample::Index>()) {
            let pieces = written(&records);
            let bytes = pieces.concat();
            let cut = cut.index(bytes.len() + 1);
            let (recovered, valid) = told(&bytes[..cut]);
            let mut whole = 0;
            let mut length = 0;
            while whole < pieces.len() && length + pieces[whole].len() <= cut {
                length += pieces[whole].len();
                whole += 1;
            }
            prop_assert_eq!(valid, length as u64);
            prop_assert_eq!(recovered, told(&pieces[..whole].concat()).0);
        }

        #[test]
        fn a_garbled_last_record_is_not_believed(records in records(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let pieces = written(&records);
            let (last, before) = pieces.split_last().unwrap();
            let mut last = last.clone();
            let at = at.index(last.len());
            prop_assume!(!before.is_empty() || !VERSION.contains(&at));
            last[at] ^= flip;
            let (recovered, valid) = told(&[before.concat(), last].concat());
            prop_assert_eq!(valid, before.concat().len() as u64);
            prop_assert_eq!(recovered, told(&before.concat()).0);
        }

        /// The power went while the last record was written: any of its parts may be missing, and the file as long as
        /// if none were.
        #[test]
        fn a_last_record_with_holes_is_not_believed(records in records(), lost in any::<u64>()) {
            let pieces = written(&records);
            let (last, before) = pieces.split_last().unwrap();
            let mut holed = last.clone();
            for (part, piece) in holed.chunks_mut(5).enumerate() {
                if lost >> (part % 64) & 1 == 1 {
                    piece.fill(0);
                }
            }
            let whole = if holed == *last { &pieces[..] } else { before };
            let (recovered, valid) = told(&[before.concat(), holed].concat());
            prop_assert_eq!(valid, whole.concat().len() as u64);
            prop_assert_eq!(recovered, told(&whole.concat()).0);
        }

        #[test]
        fn nothing_after_a_garbled_record_counts(records in records(), record in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut pieces = written(&records);
            let record = record.index(pieces.len());
            let at = at.index(pieces[record].len());
            prop_assume!(record > 0 || !VERSION.contains(&at));
            let before = pieces[..record].concat();
            pieces[record][at] ^= flip;
            let (recovered, valid) = told(&pieces.concat());
            prop_assert_eq!(valid, before.len() as u64);
            prop_assert_eq!(recovered, told(&before).0);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
            let bytes = if header { [FORMAT.encode(0, &())[..12].to_vec(), bytes].concat() } else { bytes };
            let (_, valid) = told(&bytes);
            prop_assert!(valid <= bytes.len() as u64);
        }
    }
}
