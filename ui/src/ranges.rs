//! The state of each part of a file: the data of the block map.

/// The runs of a file's blocks by state, as `(first, end)` with `end` excluded, in ascending order. Ranges outside the
/// file are cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockRanges {
    /// How many blocks the file has.
    pub total: u64,
    /// Checked against the file's hash and written.
    pub verified: Vec<(u64, u64)>,
    /// Written, not yet checked.
    pub received: Vec<(u64, u64)>,
    /// Requested and in flight.
    pub in_flight: Vec<(u64, u64)>,
}

/// The state of a cell of the full map: the least advanced state in it, or whether blocks of it are in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// All of it is verified.
    Verified,
    /// All of it is written, but not all verified.
    Received,
    /// Some of it is in flight.
    InFlight,
    /// Some of it is written and nothing is in flight.
    Partial,
    /// Nothing of it is written.
    Missing,
}

impl BlockRanges {
    /// All ranges of an empty or complete file.
    pub fn complete(total: u64) -> Self {
        Self { total, verified: vec![(0, total)], ..Self::default() }
    }

    /// A run of blocks as an SVG path of rectangles on a drawing `width` wide, each from `top` to `bottom` and at least
    /// `least` wide.
    pub fn path(&self, ranges: &[(u64, u64)], width: f64, (top, bottom): (f64, f64), least: f64) -> String {
        use std::fmt::Write;
        let mut path = String::new();
        for (first, end) in ranges {
            let (first, end) = (*first.min(&self.total), *end.min(&self.total));
            if first >= end {
                continue;
            }
            let length = ((end - first) as f64 / self.total as f64 * width).max(least);
            let start = (first as f64 / self.total as f64 * width).min(width - length);
            // Writing to a String can't fail.
            let _ = write!(path, "M{start:.2} {top}h{length:.2}V{bottom}h-{length:.2}z");
        }
        path
    }

    /// The file cut into at most `cells` pieces of equal length, with the state of each.
    pub fn cells(&self, cells: usize) -> Vec<Cell> {
        let cells = cells.min(usize::try_from(self.total).unwrap_or(usize::MAX));
        let edge = |index: usize| {
            let edge = u128::from(self.total) * index as u128 / cells as u128;
            u64::try_from(edge).unwrap_or(self.total)
        };
        let mut verified = Sweep::new(&self.verified);
        let mut received = Sweep::new(&self.received);
        let mut in_flight = Sweep::new(&self.in_flight);
        (0..cells)
            .map(|index| {
                let (first, end) = (edge(index), edge(index + 1));
                let (verified, received) = (verified.covered(first, end), received.covered(first, end));
                match (verified, received, in_flight.covered(first, end)) {
                    (verified, ..) if verified == end - first => Cell::Verified,
                    (verified, received, _) if verified + received >= end - first => Cell::Received,
                    (_, _, flying) if flying > 0 => Cell::InFlight,
                    (0, 0, _) => Cell::Missing,
                    _ => Cell::Partial,
                }
            })
            .collect()
    }
}

/// Counts, for spans in ascending order, the blocks of each that lie in the ranges; in one pass over both.
struct Sweep<'a> {
    ranges: &'a [(u64, u64)],
}

impl<'a> Sweep<'a> {
    fn new(ranges: &'a [(u64, u64)]) -> Self {
        Self { ranges }
    }

    fn covered(&mut self, first: u64, end: u64) -> u64 {
        let mut covered = 0;
        while let Some(((from, to), rest)) = self.ranges.split_first() {
            let (low, high) = (first.max(*from), end.min(*to));
            covered += high.saturating_sub(low);
            if *to > end {
                break;
            }
            self.ranges = rest;
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges() -> BlockRanges {
        BlockRanges {
            total: 100,
            verified: vec![(0, 20)],
            received: vec![(20, 25), (50, 55)],
            in_flight: vec![(30, 31)],
        }
    }

    #[test]
    fn cells_say_the_least_that_is_true_of_all_their_blocks() {
        use Cell::{InFlight, Missing, Partial, Received, Verified};
        let expected = [Verified, Verified, Partial, InFlight, Missing, Partial, Missing, Missing, Missing, Missing];
        assert_eq!(ranges().cells(10), expected);
        let fine = ranges().cells(20);
        assert_eq!((fine[4], fine[5], fine[10], fine[11]), (Received, Missing, Received, Missing));
    }

    #[test]
    fn a_small_file_has_a_cell_for_each_block_and_an_empty_one_none() {
        assert_eq!(BlockRanges::complete(3).cells(1000), [Cell::Verified; 3]);
        assert!(BlockRanges::complete(0).cells(1000).is_empty());
    }

    #[test]
    fn a_huge_file_is_drawn_as_quickly() {
        let huge = BlockRanges { total: u64::MAX, verified: vec![(0, u64::MAX / 2)], ..BlockRanges::default() };
        let cells = huge.cells(1000);
        assert_eq!(cells[..499], [Cell::Verified; 499]);
        assert_eq!(cells[501..], [Cell::Missing; 499]);
    }

    #[test]
    fn paths_stay_inside_and_keep_small_ranges_visible() {
        let map = ranges();
        assert_eq!(map.path(&map.verified, 1000.0, (0.0, 8.0), 5.0), "M0.00 0h200.00V8h-200.00z");
        assert_eq!(map.path(&[(99, 100)], 1000.0, (5.0, 8.0), 40.0), "M960.00 5h40.00V8h-40.00z");
        assert_eq!(map.path(&[(100, 200), (7, 7)], 1000.0, (0.0, 8.0), 5.0), "");
    }
}
