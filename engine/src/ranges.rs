//! Sets of blocks as sorted, disjoint, non-adjacent ranges.
//!
//! A file of 1 TiB has 134 million blocks, but a transfer's sets have few ranges. So everything here costs the
//! logarithm of the number of ranges, plus the ranges touched. Nothing costs the number of blocks.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of block indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// Start to end of each range; ranges neither overlap nor touch.
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: BTreeMap::new(), len: 0 }
    }

    /// How many blocks it has.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no block.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many ranges it consists of.
    #[must_use]
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// Whether it has this block.
    #[must_use]
    pub fn contains(&self, block: u64) -> bool {
        self.ranges.range(..=block).next_back().is_some_and(|(_, &end)| block < end)
    }

    /// Whether it has all of `range`.
    #[must_use]
    pub fn covers(&self, range: &Range<u64>) -> bool {
        self.gaps(range.clone()).next().is_none()
    }

    /// Its ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(&start, &end)| start..end)
    }

    /// The parts of `within` that it has, in order.
    pub fn overlaps(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let before = self.ranges.range(..within.start).next_back().filter(|(_, end)| **end > within.start);
        let inside = (within.start < within.end).then(|| self.ranges.range(within.clone())).into_iter().flatten();
        before
            .into_iter()
            .chain(inside)
            .map(move |(&start, &end)| start.max(within.start)..end.min(within.end))
            .filter(|range| range.start < range.end)
    }

    /// The parts of `within` that it lacks, in order.
    pub fn gaps(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let end = within.end;
        let mut at = within.start;
        let mut covered = self.overlaps(within);
        std::iter::from_fn(move || {
            while at < end {
                let next = covered.next().unwrap_or(end..end);
                let gap = at..next.start;
                at = next.end;
                if gap.start < gap.end {
                    return Some(gap);
                }
            }
            None
        })
    }

    /// Adds a range. Says how many of its blocks are new.
    pub fn insert(&mut self, range: Range<u64>) -> u64 {
        if range.start >= range.end {
            return 0;
        }
        let (mut start, mut end) = (range.start, range.end);
        let mut replaced = 0;
        while let Some((&first, &last)) = self.ranges.range(..=end).next_back().filter(|(_, last)| **last >= start) {
            self.ranges.remove(&first);
            replaced += last - first;
            start = start.min(first);
            end = end.max(last);
        }
        self.ranges.insert(start, end);
        let added = (end - start) - replaced;
        self.len += added;
        added
    }

    /// Removes a range. Says how many of its blocks were there.
    pub fn remove(&mut self, range: Range<u64>) -> u64 {
        let mut removed = 0;
        if range.start >= range.end {
            return 0;
        }
        while let Some((&first, &last)) =
            self.ranges.range(..range.end).next_back().filter(|(_, last)| **last > range.start)
        {
            self.ranges.remove(&first);
            if last > range.end {
                self.ranges.insert(range.end, last);
            }
            if first < range.start {
                self.ranges.insert(first, range.start);
            }
            removed += last.min(range.end) - first.max(range.start);
        }
        self.len -= removed;
        removed
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        for range in other.iter() {
            self.insert(range);
        }
    }

    /// Removes all of another set.
    pub fn subtract(&mut self, other: &Self) {
        for range in other.iter() {
            self.remove(range);
        }
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn neighbours_become_one_range() {
        let set: RangeSet = [0..4, 8..12, 4..8].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0..12]);
        assert_eq!(set.gaps(0..20).collect::<Vec<_>>(), [12..20]);
    }

    #[test]
    fn the_largest_file_fits() {
        let mut set = RangeSet::new();
        assert_eq!(set.insert(0..1 << 51), 1 << 51);
        assert_eq!(set.remove(7..8), 1);
        assert_eq!(set.gaps(0..1 << 51).collect::<Vec<_>>(), [7..8]);
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_blocks(steps in prop::collection::vec((any::<bool>(), 0u64..64, 0u64..20), 0..60), at in 0u64..64, span in 0u64..30) {
            let (mut set, mut model) = (RangeSet::new(), BTreeSet::new());
            for (insert, start, length) in steps {
                let range = start..start + length;
                if insert {
                    let added = range.clone().filter(|block| model.insert(*block)).count();
                    prop_assert_eq!(set.insert(range), added as u64);
                } else {
                    let removed = range.clone().filter(|block| model.remove(block)).count();
                    prop_assert_eq!(set.remove(range), removed as u64);
                }
                prop_assert_eq!(set.len(), model.len() as u64);
            }
            prop_assert_eq!(set.iter().flatten().collect::<Vec<_>>(), model.iter().copied().collect::<Vec<_>>());
            let ranges: Vec<_> = set.iter().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            let within = at..at + span;
            let (inside, outside): (Vec<u64>, Vec<u64>) = within.clone().partition(|block| model.contains(block));
            prop_assert_eq!(set.overlaps(within.clone()).flatten().collect::<Vec<_>>(), inside);
            prop_assert_eq!(set.gaps(within.clone()).flatten().collect::<Vec<_>>(), outside.clone());
            prop_assert_eq!(set.covers(&within), outside.is_empty());
            prop_assert_eq!(set.contains(at), model.contains(&at));
        }
    }
}
