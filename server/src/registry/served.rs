//! The parts of a file that a caller was sent, in coarse buckets: as many for a huge file as for a small one.
//!
//! Each connection of a caller adds to the same ones, so they show the transfer and not its connections.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wstp_protocol::SharePath;

use crate::access::Identity;

/// Buckets of a file.
pub const BUCKETS: usize = 64;
/// The level of a bucket that was sent as a whole.
pub const WHOLE: u8 = 9;

/// The parts of a file that a caller was sent. Bytes that were sent twice count twice, but no bucket gets more than full.
#[derive(Debug)]
pub struct Served(Mutex<Buckets>);

#[derive(Debug)]
struct Buckets {
    /// Bytes of the file.
    size: u64,
    /// Bytes sent of each bucket.
    sent: [u64; BUCKETS],
}

/// The files that each caller is being sent. An entry ends with the last session that has the file open.
#[derive(Debug, Default)]
pub struct Transfers(HashMap<(Identity, SharePath), Weak<Served>>);

impl Default for Served {
    fn default() -> Self {
        Self(Mutex::new(Buckets { size: 0, sent: [0; BUCKETS] }))
    }
}

impl Served {
    /// Takes note that a range of a file of this size is sent. Another size is another version, which begins anew.
    pub fn add(&self, size: u64, range: Range<u64>) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.size != size {
            *buckets = Buckets { size, sent: [0; BUCKETS] };
        }
        let end = range.end.min(size);
        if range.start >= end {
            return;
        }
        for bucket in bucket_of(size, range.start)..=bucket_of(size, end - 1) {
            let all = bounds(size, bucket);
            let part = end.min(all.end).saturating_sub(range.start.max(all.start));
            buckets.sent[bucket] = (buckets.sent[bucket] + part).min(all.end - all.start);
        }
    }

    /// How full each bucket is: 0 if nothing of it was sent, [`WHOLE`] if all was.
    pub fn levels(&self) -> [u8; BUCKETS] {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let level = |bucket: usize| {
            let (all, sent) = (bounds(buckets.size, bucket), buckets.sent[bucket]);
            match all.end - all.start {
                0 => 0,
                all if sent == all => WHOLE,
                all if sent > 0 => (u128::from(sent) * u128::from(WHOLE) / u128::from(all)).max(1) as u8,
                _ => 0,
            }
        };
        std::array::from_fn(level)
    }
}

impl Transfers {
    /// The one of a caller and a file.
    pub fn enter(&mut self, caller: &Identity, path: &SharePath) -> Arc<Served> {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|_, served| served.strong_count() > 0);
        }
        let entry = self.0.entry((caller.clone(), path.clone())).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let served = Arc::<Served>::default();
            *entry = Arc::downgrade(&served);
            served
        })
    }
}

/// The bytes of a bucket. Small files have empty ones.
fn bounds(size: u64, bucket: usize) -> Range<u64> {
    let at = |bucket: usize| (u128::from(size) * bucket as u128 / BUCKETS as u128) as u64;
    at(bucket)..at(bucket + 1)
}

/// The bucket of a byte of the file: the last one that begins at it or before. Bounds are rounded down, so several may.
fn bucket_of(size: u64, byte: u64) -> usize {
    let behind = (u128::from(byte) + 1) * BUCKETS as u128;
    behind.div_ceil(u128::from(size)) as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_any_file_is_in_the_bucket_that_counts_it() {
        for size in [1, 7, 63, 64, 65, 1000, 12_345] {
            for byte in 0..size {
                let bucket = bucket_of(size, byte);
                assert!(bounds(size, bucket).contains(&byte), "byte {byte} of {size} in {bucket}");
            }
            let served = Served::default();
            served.add(size, 0..size);
            let full = served.levels().iter().filter(|level| **level == WHOLE).count();
            assert_eq!(full as u64, size.min(BUCKETS as u64), "{size}");
        }
    }

    #[test]
    fn a_bucket_tells_none_some_and_all_and_a_new_version_begins_anew() {
        let served = Served::default();
        let size = 64 * 900;
        served.add(size, 0..900);
        served.add(size, 900..901);
        served.add(size, 1800..2250);
        served.add(size, 1800..1801);
        assert_eq!(served.levels()[..4], [9, 1, 4, 0]);
        served.add(size, size - 1..size + 100);
        assert_eq!(served.levels()[63], 1);
        served.add(u64::MAX, u64::MAX - 10..u64::MAX);
        assert_eq!((served.levels()[0], served.levels()[63]), (0, 1));
        served.add(0, 0..0);
        assert_eq!(served.levels(), [0; BUCKETS]);
    }

    #[test]
    fn connections_of_a_caller_add_to_one_and_it_ends_with_the_last() {
        let mut transfers = Transfers::default();
        let (one, other) = (Identity::of_address([192, 0, 2, 1].into()), Identity::of_address([192, 0, 2, 2].into()));
        let path = SharePath::parse("a/b").unwrap();
        let [first, second] = [transfers.enter(&one, &path), transfers.enter(&one, &path)];
        first.add(64, 0..1);
        second.add(64, 1..2);
        assert_eq!(first.levels()[..3], [9, 9, 0]);
        assert_eq!(transfers.enter(&other, &path).levels()[0], 0);
        drop((first, second));
        assert_eq!(transfers.enter(&one, &path).levels()[0], 0);
        for number in 0..10_000 {
            transfers.enter(&one, &SharePath::parse(number.to_string()).unwrap());
        }
        assert!(transfers.0.capacity() < 100, "{}", transfers.0.capacity());
    }
}
