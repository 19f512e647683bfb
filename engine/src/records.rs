//! How journals are framed, so that one survives being cut off anywhere.
//!
//! A file of 12 bytes of header (magic and format version, `u32`) and then records: length `u32` of sequence number and payload together, CRC-32
//! of these, sequence number `u64` counting from 0, and the payload in postcard; integers little-endian. Only the prefix of records
//! with right checksums, consecutive numbers and sensible contents is believed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::crc32;

const HEADER: usize = 12;
const MAGIC: usize = 8;
const FRAME: usize = 8;
const SEQUENCE: usize = 8;

/// A kind of journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) header: [u8; HEADER],
}

impl Format {
    /// A record as it stands in the journal; the first one brings the header along.
    pub(crate) fn encode(self, sequence: u64, record: &impl Serialize) -> Vec<u8> {
        let mut bytes = if sequence == 0 { self.header.to_vec() } else { Vec::new() };
        let frame = bytes.len();
        bytes.extend([0; FRAME]);
        bytes.extend(sequence.to_le_bytes());
        let mut bytes =
            postcard::to_extend(record, bytes).expect("a Vec grows as needed and a record can be serialised");
        let body = frame + FRAME;
        let length = u32::try_from(bytes.len() - body).expect("a record speaks of one commit, which is bounded");
        let crc = crc32(&bytes[body..]);
        bytes[frame..frame + 4].copy_from_slice(&length.to_le_bytes());
        bytes[frame + 4..body].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Whether another version of the program wrote this file: it is not to be taken for a damaged one.
    pub(crate) fn is_of_other_version(self, bytes: &[u8]) -> bool {
        let (magic, version) = self.header.split_at(MAGIC);
        bytes.strip_prefix(magic).and_then(|rest| rest.get(..version.len())).is_some_and(|other| other != version)
    }

    /// Hands each record to `apply`, until one is not good or `apply` finds that it makes no sense (`None`). How many counted, and
    /// how many bytes of the file that is.
    ///
    /// It never fails: of a torn, garbled or foreign file, the part that makes sense counts, if only the empty one.
    pub(crate) fn replay<T: DeserializeOwned>(
        self,
        bytes: &[u8],
        mut apply: impl FnMut(T) -> Option<()>,
    ) -> (u64, u64) {
        let mut records = 0;
        let Some(mut rest) = bytes.strip_prefix(&self.header) else { return (0, 0) };
        while let Some((record, after)) = next_record(rest, records)
            && apply(record).is_some()
        {
            records += 1;
            rest = after;
        }
        // The header comes with the first record: without one, the file begins anew.
        let valid = if records == 0 { 0 } else { bytes.len() - rest.len() };
        (records, valid as u64)
    }
}

fn next_record<T: DeserializeOwned>(bytes: &[u8], sequence: u64) -> Option<(T, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let body = rest.get(..length).filter(|body| body.len() >= SEQUENCE)?;
    if crc32(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (number, payload) = body.split_first_chunk::<SEQUENCE>()?;
    if u64::from_le_bytes(*number) != sequence {
        return None;
    }
    let (record, []) = postcard::take_from_bytes(payload).ok()? else { return None };
    Some((record, &rest[length..]))
}
