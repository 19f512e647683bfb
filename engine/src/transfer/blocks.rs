//! The state of every block, as sets of ranges.
//!
//! Invariants: `verified`, `received` and `claimed` are disjoint and written. All lie in `held`, which also has blocks
//! that are being written, lost ones whose loss is not yet on record, and those in `told`. `held` lies in `taken`,
//! which also has requested blocks. Only blocks that are not taken may be requested.

use std::ops::Range;

use wstp_protocol::{BlockIndex, BlockRun};

use crate::{FileIdentity, Holdings, RangeSet, journal::Recovered};

/// The state of all blocks of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    count: u64,
    verified: RangeSet,
    received: RangeSet,
    /// Written by an earlier run, as its journal says, and not read back by this one.
    claimed: RangeSet,
    /// Zero, as a source says, and neither proved nor written.
    told: RangeSet,
    /// The part of `verified` whose hashes are not in storage.
    bare: RangeSet,
    held: RangeSet,
    taken: RangeSet,
}

/// A run as a range.
pub(super) fn range_of(run: BlockRun) -> Range<BlockIndex> {
    run.first..run.end()
}

/// A short range as a run.
pub(super) fn run_of(range: &Range<BlockIndex>) -> BlockRun {
    let count = u32::try_from(range.end - range.start).expect("runs are cut to a page of 1,024 blocks at most");
    BlockRun { first: range.start, count }
}

impl Blocks {
    /// A file without any block yet.
    pub(super) fn of(file: &FileIdentity) -> Self {
        Self { count: file.blocks(), ..Self::default() }
    }

    /// The blocks that the journal records. They count only after the transfer has read them back, and the transfer
    /// does not fetch them again.
    pub(super) fn recovered(file: &FileIdentity, journal: &Recovered) -> Self {
        let mut claimed = journal.verified.clone();
        claimed.extend(&journal.received);
        Self { held: claimed.clone(), taken: claimed.clone(), claimed, ..Self::of(file) }
    }

    /// The file changed into `new`. Comparable blocks stay as received, all others are missing.
    pub(super) fn changed(&mut self, old: &FileIdentity, new: &FileIdentity) {
        self.count = new.blocks();
        self.verified.subtract(&std::mem::take(&mut self.bare));
        self.received.extend(&std::mem::take(&mut self.verified));
        self.told = RangeSet::new();
        let end = old.comparable(new).end;
        self.received.remove(end..u64::MAX);
        self.claimed.remove(end..u64::MAX);
        self.held = self.received.clone();
        self.held.extend(&self.claimed);
        self.taken = self.held.clone();
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn verified(&self) -> &RangeSet {
        &self.verified
    }

    pub(super) fn received(&self) -> &RangeSet {
        &self.received
    }

    pub(super) fn claimed(&self) -> &RangeSet {
        &self.claimed
    }

    /// The blocks that a source called zero and that wait for their proof.
    pub(super) fn told(&self) -> &RangeSet {
        &self.told
    }

    /// Whether no block is here, not even one that is being written or read back.
    pub(super) fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether nothing is left to request.
    pub(super) fn all_taken(&self) -> bool {
        self.taken.len() == self.count
    }

    /// How many blocks are written, or need not come because they are zero, as a source says.
    pub(super) fn here(&self) -> u64 {
        self.written() + self.told.len()
    }

    /// How many blocks are written.
    fn written(&self) -> u64 {
        self.verified.len() + self.received.len() + self.claimed.len()
    }

    pub(super) fn all_here(&self) -> bool {
        self.here() == self.count
    }

    pub(super) fn all_verified(&self) -> bool {
        self.verified.len() == self.count
    }

    /// The first missing blocks of `within` that are not requested either.
    pub(super) fn missing_in(&self, within: Range<BlockIndex>) -> Option<Range<BlockIndex>> {
        self.taken.gaps(within.start..within.end.min(self.count)).next()
    }

    /// The same of those that a source has.
    pub(super) fn missing_of(&self, has: &Holdings, within: Range<BlockIndex>) -> Option<Range<BlockIndex>> {
        let mut from = within.start;
        loop {
            let missing = self.missing_in(from..within.end)?;
            let there = has.first_in(missing.start..within.end)?;
            if there.start < missing.end {
                return Some(there.start..there.end.min(missing.end));
            }
            from = there.start;
        }
    }

    /// The end of the beginning of the file that has arrived without a gap.
    pub(super) fn beginning(&self) -> BlockIndex {
        self.held.gaps(0..self.count).next().map_or(self.count, |gap| gap.start)
    }

    /// The parts of `range` that have not arrived.
    pub(super) fn not_held(&self, range: Range<BlockIndex>) -> Vec<Range<BlockIndex>> {
        self.held.gaps(range).collect()
    }

    /// Blocks are requested.
    pub(super) fn ask(&mut self, range: Range<BlockIndex>) {
        self.taken.insert(range);
    }

    /// Blocks are no longer requested from any source.
    pub(super) fn unask(&mut self, range: Range<BlockIndex>) {
        for missing in self.not_held(range) {
            self.taken.remove(missing);
        }
    }

    /// Blocks arrived and are being written.
    pub(super) fn hold(&mut self, range: Range<BlockIndex>) {
        self.held.insert(range.clone());
        self.taken.insert(range);
    }

    /// A source says that these blocks are zero. They count for those of them that have not arrived, which it returns.
    pub(super) fn tell(&mut self, range: Range<BlockIndex>) -> Vec<Range<BlockIndex>> {
        let told = self.not_held(range);
        for range in &told {
            self.told.insert(range.clone());
            self.hold(range.clone());
        }
        told
    }

    /// Told blocks are being written.
    pub(super) fn fill(&mut self, range: Range<BlockIndex>) {
        self.told.remove(range);
    }

    /// The verified blocks whose hashes are not in storage.
    pub(super) fn bare(&self) -> &RangeSet {
        &self.bare
    }

    /// Verified blocks were written without their hashes.
    pub(super) fn write_bare(&mut self, range: Range<BlockIndex>) {
        self.bare.insert(range);
    }

    /// Blocks may be requested again: writing them failed, their loss is on record, or they are not zero as was told.
    pub(super) fn release(&mut self, range: Range<BlockIndex>) {
        self.told.remove(range.clone());
        self.held.remove(range.clone());
        self.taken.remove(range);
    }

    /// Blocks are written, or were read back, and are not verified yet.
    pub(super) fn receive(&mut self, range: Range<BlockIndex>) {
        self.claimed.remove(range.clone());
        self.received.insert(range);
    }

    /// Written blocks are verified.
    pub(super) fn verify(&mut self, range: Range<BlockIndex>) {
        self.received.remove(range.clone());
        self.verified.insert(range);
    }

    /// Unverified blocks turned out wrong. They stay held until [`Blocks::release`].
    pub(super) fn lose(&mut self, range: Range<BlockIndex>) {
        self.claimed.remove(range.clone());
        self.received.remove(range);
    }
}
