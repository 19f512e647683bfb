//! The frame of every file that the project writes for itself. It survives being cut off anywhere. The journals of
//! files and of folders have it, the browser's list of transfers, and the headers of the server's kept hash trees.
//!
//! The crate does no I/O: bytes go in and come out.
//!
//! A journal begins with 12 bytes: a magic of 8 and the format's version, `u32`. Then come records. A record has a
//! length `u32`, a CRC-32 `u32`, and that many bytes, which the CRC covers. They are a sequence number `u64` and the
//! record in postcard. Integers are little-endian. Any number begins a journal; from there on numbers are consecutive.
//! The first record that is cut off, damaged or out of sequence ends the valid part.
//!
//! A record grows at its end. A new field is marked `#[serde(default)]`: it is empty in a record of an older build, and
//! an older build skips it. So a field may be added that an older build may forget. Any other change takes the next
//! version, and older builds leave such a journal alone.

mod checksum;
mod fields;

use serde::Serialize;
use serde::de::DeserializeOwned;

use checksum::crc32;

const MAGIC: usize = 8;
/// Bytes of magic and version.
const START: usize = 12;
/// Bytes of length and checksum.
const FRAME: usize = 8;
const SEQUENCE: usize = 8;
/// Longest record, far above the longest one written: a full list of transfers.
const MAX_RECORD: usize = 256 << 20;

/// A kind of journal.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Names the kind.
    pub magic: [u8; MAGIC],
    /// The version that is written; older ones are read too.
    pub version: u32,
    /// The last version in which a record's length did not count its sequence number; 0 if it always did.
    pub uncounted: u32,
}

/// Another build wrote a journal, or a whole record of it, in a way that this one does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl Format {
    /// The beginning of a journal: its header and its first record.
    #[must_use]
    pub fn begin(self, sequence: u64, record: &impl Serialize) -> Vec<u8> {
        [&self.magic[..], &self.version.to_le_bytes(), &framed(sequence, record)].concat()
    }

    /// A record as it stands in a journal; number 0 brings the header along.
    #[must_use]
    pub fn encode(self, sequence: u64, record: &impl Serialize) -> Vec<u8> {
        if sequence == 0 { self.begin(0, record) } else { framed(sequence, record) }
    }

    /// Reads a journal from its start; `None` if there is none, or its header is cut off or damaged.
    ///
    /// # Errors
    ///
    /// When it is of a later version, or from before there were versions.
    pub fn open(self, bytes: &[u8]) -> Result<Option<Reader<'_>>, Foreign> {
        let reader = |version, position| {
            let uncounted = if version <= self.uncounted { SEQUENCE } else { 0 };
            Reader { bytes, version, uncounted, position, sequence: None }
        };
        let version = bytes.strip_prefix(&self.magic).and_then(|rest| rest.first_chunk());
        match version.map(|version| u32::from_le_bytes(*version)) {
            Some(version) if (1..=self.version).contains(&version) => Ok(Some(reader(version, START))),
            Some(_) => Err(Foreign),
            None if self.uncounted > 0 && reader(0, 0).next().is_some() => Err(Foreign),
            None => Ok(None),
        }
    }

    /// Hands each record to `apply`, until one is not good or `apply` finds that it makes no sense (`None`). The number
    /// of the next record, and how many bytes of the file count.
    ///
    /// It never fails: the part of a torn, garbled or foreign file that makes sense counts, if only the empty one.
    pub fn replay<T: DeserializeOwned>(self, bytes: &[u8], mut apply: impl FnMut(T) -> Option<()>) -> (u64, u64) {
        let Ok(Some(mut reader)) = self.open(bytes) else { return (0, 0) };
        // The header comes with the first record: without one, the file begins anew.
        let mut counted = (0, 0);
        while let Ok(Some(record)) = reader.next_record()
            && apply(record).is_some()
        {
            counted = (reader.sequence.map_or(0, |last| last + 1), reader.position as u64);
        }
        counted
    }
}

/// Takes one record after the other from a journal's bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    version: u32,
    /// Bytes of a record that its length does not count.
    uncounted: usize,
    position: usize,
    sequence: Option<u64>,
}

impl<'a> Reader<'a> {
    /// How many bytes the records taken so far have, with the header.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The sequence number of the record taken last.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// The version it is written in.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The next record, `None` at the end of what counts.
    ///
    /// # Errors
    ///
    /// When it is whole and can't be understood.
    pub fn next_record<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Foreign> {
        let Some((sequence, record)) = self.next() else { return Ok(None) };
        let value = fields::from_bytes(record).map_err(|_| Foreign)?;
        self.position += FRAME + SEQUENCE + record.len();
        self.sequence = Some(sequence);
        Ok(Some(value))
    }

    /// Whether the file ends before the next record does, as if that was cut off when it was written.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        self.length(rest).is_none_or(|length| rest.len() < FRAME + length)
    }

    /// Goes on behind damage, at the next record that is whole and was written later; whether there is one. A record
    /// that was cut off when it was written is the last, so what follows one was damaged afterwards.
    pub fn skip_damage(&mut self) -> bool {
        let last = self.sequence.unwrap_or_default();
        // Each record takes more than its frame.
        let most = (self.bytes.len() / (FRAME + SEQUENCE)) as u64;
        let follows = |sequence: u64| sequence > last && (self.sequence.is_none() || sequence - last <= most);
        let found = (self.position + 1..self.bytes.len()).find(|at| self.record_at(*at, follows).is_some());
        if let Some(at) = found {
            self.position = at;
            self.sequence = None;
        }
        found.is_some()
    }

    /// The next record's sequence number and bytes, if it is whole and follows.
    fn next(&self) -> Option<(u64, &'a [u8])> {
        self.record_at(self.position, |sequence| self.sequence.is_none_or(|last| sequence == last.wrapping_add(1)))
    }

    fn record_at(&self, position: usize, follows: impl Fn(u64) -> bool) -> Option<(u64, &'a [u8])> {
        let rest = self.bytes.get(position..)?;
        let length = self.length(rest).filter(|length| *length <= MAX_RECORD)?;
        let crc = u32::from_le_bytes(*rest[4..].first_chunk()?);
        let framed = rest.get(FRAME..FRAME + length)?;
        let (sequence, record) = framed.split_first_chunk()?;
        let sequence = u64::from_le_bytes(*sequence);
        (follows(sequence) && crc32(framed) == crc).then_some((sequence, record))
    }

    /// How many bytes of a record follow its frame.
    fn length(&self, rest: &[u8]) -> Option<usize> {
        let length = u32::from_le_bytes(*rest.first_chunk()?);
        usize::try_from(length).ok()?.checked_add(self.uncounted)
    }
}

/// A record behind its frame.
fn framed(sequence: u64, record: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; FRAME];
    bytes.extend(sequence.to_le_bytes());
    let mut bytes = postcard::to_extend(record, bytes).expect("a Vec grows as needed and a record can be serialised");
    let length = u32::try_from(bytes.len() - FRAME).expect("what a record speaks of is bounded far below 4 GiB");
    let crc = crc32(&bytes[FRAME..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..FRAME].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMAT: Format = Format { magic: *b"WSTPtest", version: 4, uncounted: 3 };

    fn journal(bodies: &[String]) -> Vec<u8> {
        let records = (7..).zip(bodies).map(|(sequence, body)| match sequence {
            7 => FORMAT.begin(sequence, body),
            _ => FORMAT.encode(sequence, body),
        });
        records.flatten().collect()
    }

    /// A journal in a version in which lengths did not count the sequence numbers.
    fn older(records: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let mut record = record.clone();
            let at = if index == 0 { START } else { 0 };
            let length = u32::from_le_bytes(*record[at..].first_chunk().unwrap()) - SEQUENCE as u32;
            record[at..at + 4].copy_from_slice(&length.to_le_bytes());
            bytes.extend(record);
        }
        bytes[MAGIC] = 3;
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<String>, usize) {
        let Some(mut reader) = FORMAT.open(bytes).unwrap() else { return (Vec::new(), 0) };
        let mut bodies = Vec::new();
        while let Some(body) = reader.next_record().unwrap() {
            bodies.push(body);
        }
        (bodies, if reader.sequence().is_some() { reader.position() } else { 0 })
    }

    #[test]
    fn a_journal_of_another_version_or_of_none_is_foreign() {
        let ours = FORMAT.begin(7, &"a");
        for version in [0, 5, 0xff] {
            let mut other = ours.clone();
            other[MAGIC] = version;
            assert!(FORMAT.open(&other).is_err());
        }
        assert!(FORMAT.open(&older(&[FORMAT.begin(7, &"a")])[START..]).is_err());
        assert!(FORMAT.open(&ours).unwrap().is_some());
        assert!(FORMAT.open(&ours[..START - 1]).unwrap().is_none() && FORMAT.open(b"noise").unwrap().is_none());
    }

    #[test]
    fn records_of_versions_that_counted_otherwise_are_read() {
        let bytes = older(&[FORMAT.begin(7, &"a"), FORMAT.encode(8, &"b")]);
        let mut reader = FORMAT.open(&bytes).unwrap().unwrap();
        assert_eq!((reader.next_record(), reader.next_record()), (Ok(Some("a".to_owned())), Ok(Some("b".to_owned()))));
        assert_eq!((reader.next_record::<String>(), reader.position(), reader.version()), (Ok(None), bytes.len(), 3));
    }

    #[test]
    fn a_whole_record_that_is_not_understood_is_foreign_and_one_with_more_at_its_end_is_not() {
        let bytes = [FORMAT.begin(7, &"a"), FORMAT.encode(8, &("b", "more")), FORMAT.encode(9, &[0xff_u8; 3])].concat();
        let mut reader = FORMAT.open(&bytes).unwrap().unwrap();
        assert_eq!((reader.next_record(), reader.next_record()), (Ok(Some("a".to_owned())), Ok(Some("b".to_owned()))));
        assert_eq!(reader.next_record::<String>(), Err(Foreign));
    }

    #[test]
    fn what_follows_damage_can_be_had_and_a_record_that_was_cut_off_is_no_damage() {
        let records = [FORMAT.begin(1, &"a"), FORMAT.encode(2, &"b"), FORMAT.encode(3, &"c"), FORMAT.encode(4, &"d")];
        let mut damaged = records.concat();
        damaged[records[0].len() + 16] ^= 1;
        let mut reader = FORMAT.open(&damaged).unwrap().unwrap();
        assert_eq!(reader.next_record(), Ok(Some("a".to_owned())));
        assert_eq!(reader.next_record::<String>(), Ok(None));
        assert!(reader.skip_damage());
        assert_eq!((reader.next_record(), reader.next_record()), (Ok(Some("c".to_owned())), Ok(Some("d".to_owned()))));
        assert!(!reader.skip_damage());
        let torn = &records[..2].concat()[..records[0].len() + 17];
        let mut reader = FORMAT.open(torn).unwrap().unwrap();
        assert_eq!(reader.next_record(), Ok(Some("a".to_owned())));
        assert!(reader.is_cut_off() && !reader.skip_damage());
    }

    #[test]
    fn a_record_out_of_sequence_ends_the_journal() {
        let mut bytes = FORMAT.begin(1, &"a");
        let valid = bytes.len();
        bytes.extend(FORMAT.encode(3, &"c"));
        assert_eq!(read(&bytes), (vec!["a".to_owned()], valid));
    }

    #[test]
    fn the_next_record_follows_on_whatever_number_the_first_one_has() {
        for first in [0, 9] {
            let bytes = [FORMAT.begin(first, &"a"), FORMAT.encode(first + 1, &"b")].concat();
            assert_eq!(FORMAT.replay(&bytes, |_: String| Some(())), (first + 2, bytes.len() as u64));
        }
    }

    proptest! {
        #[test]
        fn a_journal_cut_anywhere_keeps_the_records_before_the_cut(
            bodies in prop::collection::vec("[a-z]{0,20}", 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = journal(&bodies);
            let cut = cut.index(bytes.len() + 1);
            let (kept, valid) = read(&bytes[..cut]);
            prop_assert!(valid <= cut);
            prop_assert_eq!(journal(&kept), &bytes[..valid]);
            let one_more = journal(&bodies[..(kept.len() + 1).min(bodies.len())]).len();
            prop_assert!(kept.len() == bodies.len() || one_more > cut);
        }

        #[test]
        fn a_damaged_byte_never_yields_another_record(
            bodies in prop::collection::vec("[a-z]{0,20}", 1..8),
            at in any::<prop::sample::Index>(),
            flip in 1u8..,
        ) {
            let mut bytes = journal(&bodies);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            // A version that is another now says that nothing may be touched.
            prop_assume!(!(MAGIC..START).contains(&at));
            let (kept, _) = read(&bytes);
            prop_assert!(kept.len() < bodies.len());
            prop_assert_eq!(&kept[..], &bodies[..kept.len()]);
        }

        #[test]
        fn a_last_record_of_which_any_parts_did_not_reach_the_disk_does_not_count(
            bodies in prop::collection::vec("[a-z]{0,60}", 1..8),
            lost in any::<u64>(),
        ) {
            let whole = journal(&bodies);
            let start = journal(&bodies[..bodies.len() - 1]).len();
            let mut bytes = whole.clone();
            for (part, piece) in bytes[start..].chunks_mut(7).enumerate() {
                if lost >> (part % 64) & 1 == 1 {
                    piece.fill(0);
                }
            }
            let (kept, valid) = read(&bytes);
            prop_assert_eq!(&kept[..], &bodies[..kept.len()]);
            prop_assert_eq!(valid, if bytes == whole { whole.len() } else { start });
        }
    }
}
