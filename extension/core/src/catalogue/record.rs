//! Records of the catalogue's journal as bytes, in a form that survives being cut off anywhere.
//!
//! A journal is 12 bytes of header (magic and format version, `u32`) and then records. A record is a length `u32`, a CRC-32 `u32` of what follows, a
//! sequence number `u64`, all little-endian, and a postcard body. The first record of a journal is a snapshot. What follows the first record that is
//! cut off, damaged or out of sequence does not count.
//!
//! The version goes up when a body that an older build wrote would be read wrongly or not at all. A record that is whole and can't be understood is
//! never passed over: another build wrote it, and what it says is not lost but unknown.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wstp_engine::crc32;

/// What a journal begins with.
const MAGIC: [u8; 8] = *b"WSTPLIST";
/// The format that is written here. Older ones have shorter snapshots: see [`Reader::next_with`].
pub const VERSION: u32 = 3;
/// The first format.
const FIRST_VERSION: u32 = 1;
/// Bytes of magic and version.
const START: usize = 12;
const HEADER: usize = 16;
/// Longest body, far above what a full list of transfers takes.
const MAX_BODY: usize = 256 << 20;

/// The beginning of a journal: its header and its first record.
pub fn begin(sequence: u64, body: &impl Serialize) -> Vec<u8> {
    [&MAGIC[..], &VERSION.to_le_bytes(), &encode(sequence, body)].concat()
}

/// A record's bytes.
pub fn encode(sequence: u64, body: &impl Serialize) -> Vec<u8> {
    let bytes = postcard::to_extend(body, vec![0; HEADER])
        .expect("a Vec grows as needed and no record type refuses to be serialised");
    seal(sequence, bytes)
}

fn seal(sequence: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(bytes.len() - HEADER).expect("the list of transfers is capped far below 4 GiB");
    bytes[8..HEADER].copy_from_slice(&sequence.to_le_bytes());
    let crc = crc32(&bytes[8..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A journal, or a record of it, is whole and was written by a build that this one does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

/// Takes one record after the other from a journal's bytes.
pub struct Reader<'a> {
    bytes: &'a [u8],
    version: u32,
    position: usize,
    sequence: Option<u64>,
}

impl<'a> Reader<'a> {
    /// Reads a journal from its start; `None` if there is none, or its header is cut off or damaged.
    ///
    /// # Errors
    ///
    /// When it is of another version, or from before there were versions.
    pub fn open(bytes: &'a [u8]) -> Result<Option<Self>, Foreign> {
        let is_ours = bytes.strip_prefix(&MAGIC).and_then(|rest| rest.first_chunk::<4>());
        match is_ours.map(|version| u32::from_le_bytes(*version)) {
            Some(version @ FIRST_VERSION..=VERSION) => {
                Ok(Some(Self { bytes, version, position: START, sequence: None }))
            }
            Some(_) => Err(Foreign),
            None if (Self { bytes, version: 0, position: 0, sequence: None }).sealed().is_some() => Err(Foreign),
            None => Ok(None),
        }
    }

    /// How many bytes the records taken so far have.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The sequence number of the record taken last.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// The version it is written in.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The next record, `None` at the end of what counts.
    ///
    /// # Errors
    ///
    /// When it is whole and can't be understood.
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Foreign> {
        self.next_with(&[])
    }

    /// The same of the first record, whose body ends early in older versions: `missing` are the last bytes it would have now.
    ///
    /// # Errors
    ///
    /// As [`Reader::next`].
    pub fn next_with<T: DeserializeOwned>(&mut self, missing: &[u8]) -> Result<Option<T>, Foreign> {
        let Some((sequence, body)) = self.sealed() else { return Ok(None) };
        let whole = if missing.is_empty() { Cow::from(body) } else { Cow::from([body, missing].concat()) };
        let (value, []) = postcard::take_from_bytes(&whole).map_err(|_| Foreign)? else { return Err(Foreign) };
        self.position += HEADER + body.len();
        self.sequence = Some(sequence);
        Ok(Some(value))
    }

    /// Whether what comes next ends where the file does, before its own end: as if it was cut off when it was written.
    pub fn is_cut_off(&self) -> bool {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(length) = rest.first_chunk::<4>() else { return true };
        rest.len() < HEADER + u32::from_le_bytes(*length) as usize
    }

    /// Goes on behind damage, at the next record that is whole and was written later; whether there is one. A record that was cut off when it was
    /// written is the last, so what follows one was damaged afterwards.
    pub fn skip_damage(&mut self) -> bool {
        let last = self.sequence.unwrap_or_default();
        // Each record takes more than a header.
        let most = (self.bytes.len() / HEADER) as u64;
        let follows = |sequence: u64| sequence > last && (self.sequence.is_none() || sequence - last <= most);
        let found = (self.position + 1..self.bytes.len()).find(|at| self.sealed_at(*at, follows).is_some());
        if let Some(at) = found {
            self.position = at;
            self.sequence = None;
        }
        found.is_some()
    }

    /// The next record's sequence number and body, if it is whole and follows.
    fn sealed(&self) -> Option<(u64, &'a [u8])> {
        self.sealed_at(self.position, |sequence| self.sequence.is_none_or(|last| sequence == last.wrapping_add(1)))
    }

    fn sealed_at(&self, position: usize, follows: impl Fn(u64) -> bool) -> Option<(u64, &'a [u8])> {
        let rest = self.bytes.get(position..)?;
        let number = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let length = number(0)? as usize;
        if length > MAX_BODY {
            return None;
        }
        let sealed = rest.get(8..HEADER + length)?;
        let (sequence, body) = sealed.split_first_chunk::<8>()?;
        let sequence = u64::from_le_bytes(*sequence);
        (follows(sequence) && crc32(sealed) == number(4)?).then_some((sequence, body))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes the header before a record's body.
    pub fn reseal(record: &mut Vec<u8>, sequence: u64) {
        *record = seal(sequence, std::mem::take(record));
    }

    fn journal(bodies: &[String]) -> Vec<u8> {
        let records = (7..).zip(bodies).map(|(sequence, body)| match sequence {
            7 => begin(sequence, body),
            _ => encode(sequence, body),
        });
        records.flatten().collect()
    }

    fn read(bytes: &[u8]) -> (Vec<String>, usize) {
        let Some(mut reader) = Reader::open(bytes).unwrap() else { return (Vec::new(), 0) };
        let mut bodies = Vec::new();
        while let Some(body) = reader.next().unwrap() {
            bodies.push(body);
        }
        (bodies, if reader.sequence().is_some() { reader.position() } else { 0 })
    }

    #[test]
    fn a_journal_of_another_version_or_of_none_is_foreign() {
        let ours = begin(7, &"a");
        let mut newer = ours.clone();
        newer[8] += 1;
        assert!(Reader::open(&newer).is_err());
        assert!(Reader::open(&encode(7, &"a")).is_err());
        assert!(Reader::open(&ours).unwrap().is_some());
    }

    #[test]
    fn a_snapshot_of_an_older_version_lacks_its_end() {
        let mut old = begin(7, &(5u8, "a"));
        old[8] = 1;
        old.extend(encode(8, &"b"));
        let mut reader = Reader::open(&old).unwrap().unwrap();
        assert_eq!(reader.version(), 1);
        assert_eq!(reader.next_with(&[0]), Ok(Some((5u8, "a".to_owned(), Vec::<u8>::new()))));
        assert_eq!(reader.next(), Ok(Some("b".to_owned())));
        assert_eq!((reader.next::<String>(), reader.position()), (Ok(None), old.len()));
    }

    #[test]
    fn a_whole_record_that_is_not_understood_is_foreign() {
        for strange in [encode(8, &[0xff_u8; 3]), encode(8, &("a", "more"))] {
            let bytes = [begin(7, &"a"), strange].concat();
            let mut reader = Reader::open(&bytes).unwrap().unwrap();
            assert_eq!(reader.next(), Ok(Some("a".to_owned())));
            assert_eq!(reader.next::<String>(), Err(Foreign));
        }
    }

    #[test]
    fn what_follows_damage_can_be_had_and_a_record_that_was_cut_off_is_no_damage() {
        let records = [begin(1, &"a"), encode(2, &"b"), encode(3, &"c"), encode(4, &"d")];
        let mut damaged = records.concat();
        damaged[records[0].len() + 16] ^= 1;
        let mut reader = Reader::open(&damaged).unwrap().unwrap();
        assert_eq!(reader.next(), Ok(Some("a".to_owned())));
        assert_eq!(reader.next::<String>(), Ok(None));
        assert!(reader.skip_damage());
        assert_eq!((reader.next(), reader.next()), (Ok(Some("c".to_owned())), Ok(Some("d".to_owned()))));
        assert!(!reader.skip_damage());
        let torn = &records[..2].concat()[..records[0].len() + 17];
        let mut reader = Reader::open(torn).unwrap().unwrap();
        assert_eq!(reader.next(), Ok(Some("a".to_owned())));
        assert!(!reader.skip_damage());
    }

    #[test]
    fn a_record_out_of_sequence_ends_the_journal() {
        let mut bytes = begin(1, &"a");
        let valid = bytes.len();
        bytes.extend(encode(3, &"c"));
        assert_eq!(read(&bytes), (vec!["a".to_owned()], valid));
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
            prop_assume!(!(MAGIC.len()..START).contains(&at));
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
