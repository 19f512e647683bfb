//! The journal: what of a transfer is on disk, in a form that survives being cut off anywhere.
//!
//! Its frame is that of `records.rs`: only a prefix of good records is believed; a caller truncates the file to it and goes on there.
//!
//! A record is written only after the data it speaks of is durable, so what [`replay`] returns was on disk once. Whether it still is, nobody knows: disks
//! fail, and other programs touch files. The engine reads every block back before it counts as verified.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wstp_protocol::{BlockIndex, Hash};

use crate::records::Format;
use crate::{FileIdentity, RangeSet};

/// Builds that write version 1 take a record with further fields for a damaged one.
const FORMAT: Format = Format { magic: *b"WSTPJRNL", version: 2, uncounted: 0 };

/// What one commit made durable. Facts are applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The file, where it is new or changed: every verified block is only received from here on, unless the bytes are the same.
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

/// What a journal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub(crate) file: Option<FileIdentity>,
    pub(crate) verified: RangeSet,
    pub(crate) received: RangeSet,
    pub(crate) complete: bool,
    pub(crate) next_sequence: u64,
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

    /// A record to append to the journal of a complete transfer: from there on its blocks are only received, and it asks its sources which file
    /// they have now. The hash is forgotten, for with it nothing would be left to ask.
    #[must_use]
    pub fn reopening(&self) -> Vec<u8> {
        let file = self.file.map(|file| FileIdentity { root: None, ..file });
        Record { file, ..Record::default() }.encode(self.next_sequence)
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

/// Whether a later version of the program wrote this journal. It says what is there, but not to this version: leave it alone.
#[must_use]
pub fn is_of_other_version(bytes: &[u8]) -> bool {
    FORMAT.open(bytes).is_err()
}

/// Reads a journal, and how many of its bytes to believe: a caller truncates the file to that length before the transfer goes on.
///
/// It never fails: of a torn, garbled or foreign file, the part that makes sense counts, if only the empty one.
#[must_use]
pub fn replay(bytes: &[u8]) -> (Recovered, u64) {
    let mut recovered = Recovered::default();
    let (next_sequence, valid) = FORMAT.replay(bytes, |record| {
        let before = recovered.clone();
        let applied = recovered.apply(record);
        if applied.is_none() {
            recovered = before;
        }
        applied
    });
    recovered.next_sequence = next_sequence;
    (recovered, valid)
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

    fn written(records: &[Record]) -> Vec<Vec<u8>> {
        records.iter().enumerate().map(|(sequence, record)| record.encode(sequence as u64)).collect()
    }

    #[test]
    fn a_journal_comes_back() {
        let first = Record { file: Some(file(100 * 8192, 1)), ..Record::default() };
        let second = Record { received: vec![0..10], ..Record::default() };
        let third = Record { root: Some([1; 32]), lost: vec![2..3], verified: vec![0..2, 3..8], ..Record::default() };
        let bytes = written(&[first, second, third]).concat();
        let (recovered, valid) = replay(&bytes);
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
        let (recovered, _) = replay(&written(&[first, second]).concat());
        assert!(recovered.verified.is_empty());
        assert_eq!(recovered.received.iter().collect::<Vec<_>>(), [0..7]);
    }

    #[test]
    fn a_complete_transfer_that_is_opened_again_keeps_what_it_has() {
        let root = Some([1; 32]);
        let all =
            Record { file: Some(file(2 * 8192, 1)), root, verified: vec![0..2], complete: true, ..Record::default() };
        let mut bytes = written(&[all]).concat();
        let (complete, _) = replay(&bytes);
        assert!(complete.is_complete());
        bytes.extend(complete.reopening());
        let (recovered, valid) = replay(&bytes);
        assert_eq!((recovered.is_complete(), recovered.verified.len(), valid), (false, 0, bytes.len() as u64));
        assert_eq!(recovered.received.len(), 2);
        assert_eq!(recovered.file.map(|file| file.root), Some(None));
    }

    #[test]
    fn a_record_about_blocks_past_the_end_is_not_believed() {
        let first = Record { file: Some(file(8192, 1)), ..Record::default() };
        let good = written(std::slice::from_ref(&first)).concat();
        let second = Record { verified: vec![0..2], ..Record::default() };
        let (recovered, valid) = replay(&written(&[first, second]).concat());
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
        let told = |bytes: &[u8]| {
            let (recovered, valid) = replay(bytes);
            assert_eq!(valid, bytes.len() as u64);
            assert!(!is_of_other_version(bytes));
            recovered
        };
        // 100 blocks, of which 0 to 10 and 20 to 30 were received, 0 to 10 verified, 25 lost; then the file changed into one of 91, of which 20 and
        // 21 were verified and 90 received.
        let begun = told(include_bytes!("../fixtures/file-1.journal"));
        let file = FileIdentity { size: 90 * 8192 + 5, version: FileVersion([2; 16]), root: Some([8; 32]) };
        assert_eq!((begun.file, begun.is_complete(), begun.next_sequence), (Some(file), false, 4));
        assert_eq!(begun.verified.iter().collect::<Vec<_>>(), [20..22]);
        assert_eq!(begun.received.iter().collect::<Vec<_>>(), [0..10, 22..25, 26..30, 90..91]);
        let complete = told(include_bytes!("../fixtures/complete-1.journal"));
        let file = FileIdentity { size: 3 * 8192, version: FileVersion([3; 16]), root: Some([9; 32]) };
        assert_eq!((complete.file, complete.is_complete(), complete.next_sequence), (Some(file), true, 1));
        assert_eq!(complete.verified.iter().collect::<Vec<_>>(), [0..3]);
    }

    #[test]
    fn a_foreign_file_is_empty() {
        assert_eq!(replay(b"something else entirely"), (Recovered::default(), 0));
        assert_eq!(replay(&written(&[Record::default()])[0][..12]), (Recovered::default(), 0));
    }

    proptest! {
        #[test]
        fn any_cut_leaves_a_state_that_was_committed(records in records(), cut in any::<prop::sample::Index>()) {
            let pieces = written(&records);
            let bytes = pieces.concat();
            let cut = cut.index(bytes.len() + 1);
            let (recovered, valid) = replay(&bytes[..cut]);
            let mut whole = 0;
            let mut length = 0;
            while whole < pieces.len() && length + pieces[whole].len() <= cut {
                length += pieces[whole].len();
                whole += 1;
            }
            prop_assert_eq!(valid, length as u64);
            prop_assert_eq!(recovered, replay(&pieces[..whole].concat()).0);
        }

        #[test]
        fn a_garbled_last_record_is_not_believed(records in records(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let pieces = written(&records);
            let (last, before) = pieces.split_last().unwrap();
            let mut last = last.clone();
            let at = at.index(last.len());
            prop_assume!(!before.is_empty() || !VERSION.contains(&at));
            last[at] ^= flip;
            let (recovered, valid) = replay(&[before.concat(), last].concat());
            prop_assert_eq!(valid, before.concat().len() as u64);
            prop_assert_eq!(recovered, replay(&before.concat()).0);
        }

        /// The power went while the last record was written: any of its parts may be missing, and the file as long as if none were.
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
            let (recovered, valid) = replay(&[before.concat(), holed].concat());
            prop_assert_eq!(valid, whole.concat().len() as u64);
            prop_assert_eq!(recovered, replay(&whole.concat()).0);
        }

        #[test]
        fn nothing_after_a_garbled_record_counts(records in records(), record in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut pieces = written(&records);
            let record = record.index(pieces.len());
            let at = at.index(pieces[record].len());
            prop_assume!(record > 0 || !VERSION.contains(&at));
            let before = pieces[..record].concat();
            pieces[record][at] ^= flip;
            let (recovered, valid) = replay(&pieces.concat());
            prop_assert_eq!(valid, before.len() as u64);
            prop_assert_eq!(recovered, replay(&before).0);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
            let bytes = if header { [FORMAT.encode(0, &())[..12].to_vec(), bytes].concat() } else { bytes };
            let (_, valid) = replay(&bytes);
            prop_assert!(valid <= bytes.len() as u64);
        }
    }
}
