//! Records of the catalogue's journal as bytes, in a form that survives being cut off anywhere.
//!
//! A record is a length `u32`, a CRC-32 `u32` of what follows, a sequence number `u64`, all little-endian, and a postcard body. The first record of
//! a journal is a snapshot. What follows the first record that is cut off, damaged or out of sequence does not count.

use serde::Serialize;
use serde::de::DeserializeOwned;

const HEADER: usize = 16;
/// Longest body, far above what a full list of transfers takes.
const MAX_BODY: usize = 256 << 20;

/// A record's bytes.
pub fn encode(sequence: u64, body: &impl Serialize) -> Vec<u8> {
    let bytes = postcard::to_extend(body, vec![0; HEADER])
        .expect("a Vec grows as needed and no record type refuses to be serialised");
    seal(sequence, bytes)
}

fn seal(sequence: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(bytes.len() - HEADER).expect("the list of transfers is capped far below 4 GiB");
    bytes[8..HEADER].copy_from_slice(&sequence.to_le_bytes());
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Takes one record after the other from a journal's bytes.
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    sequence: Option<u64>,
}

impl<'a> Reader<'a> {
    /// Reads from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0, sequence: None }
    }

    /// How many bytes the records taken so far have.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The sequence number of the record taken last.
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// The next record, `None` at the end of what counts.
    pub fn next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let rest = self.bytes.get(self.position..)?;
        let number = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let length = number(0)? as usize;
        if length > MAX_BODY {
            return None;
        }
        let sealed = rest.get(8..HEADER + length)?;
        let sequence = u64::from_le_bytes(sealed.get(..8)?.try_into().ok()?);
        let follows = self.sequence.is_none_or(|last| sequence == last.wrapping_add(1));
        if crc32fast::hash(sealed) != number(4)? || !follows {
            return None;
        }
        let value = postcard::from_bytes(&sealed[8..]).ok()?;
        self.position += HEADER + length;
        self.sequence = Some(sequence);
        Some(value)
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn journal(bodies: &[String]) -> Vec<u8> {
        (7..).zip(bodies).flat_map(|(sequence, body)| encode(sequence, body)).collect()
    }

    fn read(bytes: &[u8]) -> (Vec<String>, usize) {
        let mut reader = Reader::new(bytes);
        let mut bodies = Vec::new();
        while let Some(body) = reader.next() {
            bodies.push(body);
        }
        (bodies, reader.position())
    }

    #[test]
    fn a_record_out_of_sequence_ends_the_journal() {
        let mut bytes = encode(1, &"a");
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
            let (kept, _) = read(&bytes);
            prop_assert!(kept.len() < bodies.len());
            prop_assert_eq!(&kept[..], &bodies[..kept.len()]);
        }
    }
}
