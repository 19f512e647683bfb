//! Reading back the blocks of an earlier run. Its journal says what was on disk once, not what is there now. Such a
//! block counts as received once it was read and hashed. Then it is proved like any other.
//!
//! It runs beside the download and must not slow it. While blocks are in flight it takes short runs, and at most a
//! twentieth of the time. When nothing is in flight it runs as fast as storage does.

use std::ops::Range;

use wstp_protocol::{BlockIndex, BlockRun, Hash};

use super::Transfer;
use super::blocks::{range_of, run_of};
use super::pages::{PAGE_BLOCKS, blocks_of};
use super::storage::Pending;
use crate::{FileIdentity, Instant, RangeSet, StoreRequest};

/// Blocks read back at once beside a download: 1 MiB, so that no write waits for long.
const SHORT_RUN: u64 = 128;
/// Runs requested at once when there is no other work: one is handed over while another one is read.
const MOST_AT_ONCE: usize = 2;
/// The pause before the next run beside a download, as a multiple of the time that the last run took.
const REST: u32 = 19;

/// The runs being read back, and the earliest time for the next one.
#[derive(Debug, Default)]
pub(super) struct ReadBack {
    under_way: RangeSet,
    rests_until: Instant,
    /// Blocks of this file that an earlier run verified and that were not found wrong.
    pub(super) proven: RangeSet,
    /// Bytes of such blocks that were found wrong.
    pub(super) damaged: u64,
    /// When to continue, if blocks are left.
    pub(super) due_at: Option<Instant>,
}

impl Transfer {
    /// Has the next runs read back for which there is time.
    pub(super) fn read_back(&mut self) {
        self.readback.due_at = None;
        let Some(file) = self.file else { return };
        if self.update.is_unrecorded() || self.blocks.claimed().is_empty() || !self.is_served() {
            return;
        }
        let (at_once, blocks) = if self.is_fetching() { (1, SHORT_RUN) } else { (MOST_AT_ONCE, PAGE_BLOCKS) };
        while self.storage.rehashes() < at_once {
            if at_once == 1 && self.readback.rests_until > self.now {
                self.readback.due_at = Some(self.readback.rests_until);
                return;
            }
            let Some(run) = self.next_claim(&file, blocks) else { return };
            self.readback.under_way.insert(range_of(run));
            let pending = Pending::Rehash { run, asked: self.now };
            self.store(StoreRequest::Rehash { run, size: file.size }, pending);
        }
    }

    /// Whether a source has this file open. Without one no block could be proved, and the file may have changed.
    fn is_served(&self) -> bool {
        self.connections.values().any(|connection| connection.handle().is_some())
    }

    /// Whether blocks are on their way from a source to the disk.
    fn is_fetching(&self) -> bool {
        self.asked_bytes > 0 || self.storage.unwritten() > 0
    }

    /// The next blocks to read back, at most `most` and of one page. Blocks that keep a page of hashes open come first.
    fn next_claim(&self, file: &FileIdentity, most: u64) -> Option<BlockRun> {
        let open = self.pages.numbers().map(|page| blocks_of(page, file));
        let unread = open.chain([0..file.blocks()]).find_map(|within| self.unread_in(within))?;
        let end_of_page = (unread.start / PAGE_BLOCKS + 1) * PAGE_BLOCKS;
        Some(run_of(&(unread.start..unread.end.min(end_of_page).min(unread.start + most))))
    }

    fn unread_in(&self, within: Range<BlockIndex>) -> Option<Range<BlockIndex>> {
        self.blocks.claimed().overlaps(within).flat_map(|claimed| self.readback.under_way.gaps(claimed)).next()
    }

    /// Whether blocks of this range wait to be read back.
    pub(super) fn is_claimed(&self, range: Range<BlockIndex>) -> bool {
        self.blocks.claimed().overlaps(range).next().is_some()
    }

    /// Blocks were read back. They count as received, with their current hashes.
    pub(super) fn rehashed(&mut self, run: BlockRun, asked: Instant, hashes: &[Hash]) {
        self.reading_ended(run, asked);
        self.ledger.gather(run.first, hashes);
        self.blocks.receive(range_of(run));
        if self.ledger.is_full() {
            self.flush_hashes();
        }
    }

    /// Marks an unreadable run as missing. If the whole disk is at fault, writing the run again reports it.
    pub(super) fn unreadable(&mut self, run: BlockRun, asked: Instant) {
        self.reading_ended(run, asked);
        self.lose(range_of(run));
    }

    /// Counts the blocks of a range that an earlier run had verified: they were damaged since.
    pub(super) fn note_damage(&mut self, range: Range<BlockIndex>) {
        let Some(file) = self.file else { return };
        let damaged: Vec<_> = self.readback.proven.overlaps(range).collect();
        for range in damaged {
            self.readback.damaged += file.bytes(&range);
            self.readback.proven.remove(range);
        }
    }

    fn reading_ended(&mut self, run: BlockRun, asked: Instant) {
        self.readback.under_way.remove(range_of(run));
        self.readback.rests_until = self.now + (self.now - asked).saturating_mul(REST);
    }
}
