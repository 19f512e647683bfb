//! The zeros of a file that were read before, so that no byte is read again to tell a peer that it is zero.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most ranges that are remembered of a file. The oldest one is forgotten first.
const MOST_RANGES: usize = 16;

/// The zeros of one version of a file, as far as they were read. All who read the file share it.
#[derive(Debug, Default)]
pub struct KnownZeros(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// They neither overlap nor touch.
    ranges: VecDeque<Range<u64>>,
    /// The offset at which reading ahead met other bytes last.
    data_at: Option<u64>,
    /// Whether somebody reads ahead. Another one who did would read the same bytes.
    is_read_ahead: bool,
}

impl KnownZeros {
    /// The end of the known zeros that begin at or before this offset; the offset itself where other bytes may stand.
    pub(crate) fn until(&self, offset: u64) -> u64 {
        let known = self.lock();
        known.ranges.iter().find(|range| range.contains(&offset)).map_or(offset, |range| range.end)
    }

    /// These bytes are zero.
    pub(crate) fn add(&self, zeros: Range<u64>) {
        if zeros.is_empty() {
            return;
        }
        let mut known = self.lock();
        let mut all = zeros;
        known.ranges.retain(|range| {
            let touches = range.start <= all.end && all.start <= range.end;
            if touches {
                all = range.start.min(all.start)..range.end.max(all.end);
            }
            !touches
        });
        known.ranges.push_back(all);
        if known.ranges.len() > MOST_RANGES {
            known.ranges.pop_front();
        }
    }

    /// Other bytes stand in the block at this offset, so that reading ahead ends there.
    pub(crate) fn end_at(&self, offset: u64) {
        self.lock().data_at = Some(offset);
    }

    /// Whether reading ahead is known to end at this offset.
    pub(crate) fn ends_at(&self, offset: u64) -> bool {
        self.lock().data_at == Some(offset)
    }

    /// Allows to read ahead until the result is dropped, unless somebody does already.
    pub(crate) fn read_ahead(&self) -> Option<ReadsAhead<'_>> {
        let was_read = std::mem::replace(&mut self.lock().is_read_ahead, true);
        (!was_read).then(|| ReadsAhead(self))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody reads ahead, for as long as this lives.
pub(crate) struct ReadsAhead<'a>(&'a KnownZeros);

impl Drop for ReadsAhead<'_> {
    fn drop(&mut self) {
        self.0.lock().is_read_ahead = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_that_touch_are_one_range() {
        let known = KnownZeros::default();
        for zeros in [0..10, 20..30, 40..50, 10..20] {
            known.add(zeros);
        }
        let ends = [0, 9, 10, 29, 30, 39, 40, 49, 50].map(|offset| known.until(offset));
        assert_eq!(ends, [30, 30, 30, 30, 30, 39, 50, 50, 50]);
    }

    #[test]
    fn the_ranges_are_bounded() {
        let known = KnownZeros::default();
        for start in 0..=MOST_RANGES as u64 {
            known.add(start * 10..start * 10 + 5);
        }
        assert_eq!([known.until(0), known.until(10)], [0, 15]);
        assert_eq!(known.lock().ranges.len(), MOST_RANGES);
    }

    #[test]
    fn one_at_a_time_reads_ahead() {
        let known = KnownZeros::default();
        let first = known.read_ahead();
        assert!(first.is_some());
        for _another in 0..2 {
            assert!(known.read_ahead().is_none(), "one that may not read ahead ends nobody else's turn");
        }
        drop(first);
        assert!(known.read_ahead().is_some());
    }
}
