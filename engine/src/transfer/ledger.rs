//! Written blocks that are not yet on record in the journal, and the hashes of written blocks on their way to the
//! hashes file.
//!
//! The hashes file has the hash of every written block, so that blocks can be compared later without reading them.
//! Hashes are gathered here and written in long runs. A block may be put on record only when both its data and its hash
//! are written.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use wstp_protocol::{BlockIndex, Hash};

use crate::journal::{Record, Recovered};
use crate::{FileIdentity, Instant, RangeSet, StoreRequest};

/// Hashes to gather before they are written: 256 KiB.
const MOST_GATHERED: usize = 8192;
/// Wrong blocks can be fetched again only once their loss is on record, so that record does not wait long.
const LOSS_INTERVAL: Duration = Duration::from_millis(50);

/// The stage of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// Hashes are being written.
    Flushing,
    /// The record is being written.
    Recording,
}

/// The account of progress that is not on record.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The facts that the journal holds.
    on_record: Recovered,
    /// A longer journal is compacted.
    compact_above: u64,
    /// The next record. Its range lists are empty.
    facts: Record,
    lost: RangeSet,
    received: RangeSet,
    verified: RangeSet,
    bytes: u64,
    since: Option<Instant>,
    gathered: BTreeMap<BlockIndex, Vec<Hash>>,
    gathered_count: usize,
    /// Blocks whose hashes are not written yet.
    unhashed: RangeSet,
    stage: Stage,
    /// The record being written.
    recording: Record,
    /// How long it makes the journal.
    recorded_length: u64,
    /// Whether it is written by compacting the journal.
    compacts: bool,
}

impl Ledger {
    /// Goes on where a journal ends, which may take so many bytes.
    pub(super) fn new(on_record: Recovered, journal_bytes: u64) -> Self {
        Self {
            on_record,
            compact_above: journal_bytes,
            facts: Record::default(),
            lost: RangeSet::new(),
            received: RangeSet::new(),
            verified: RangeSet::new(),
            bytes: 0,
            since: None,
            gathered: BTreeMap::new(),
            gathered_count: 0,
            unhashed: RangeSet::new(),
            stage: Stage::Idle,
            recording: Record::default(),
            recorded_length: 0,
            compacts: false,
        }
    }

    /// The file is known or has changed.
    pub(super) fn identified(&mut self, now: Instant, file: FileIdentity) {
        self.facts.file = Some(file);
        self.facts.root = None;
        self.touch(now);
    }

    /// The file's hash is known.
    pub(super) fn root_known(&mut self, now: Instant, root: Hash) {
        self.facts.root = Some(root);
        self.touch(now);
    }

    /// Everything is verified.
    pub(super) fn completed(&mut self, now: Instant) {
        self.facts.complete = true;
        self.touch(now);
    }

    /// The hash of a block about to be written.
    pub(super) fn gather(&mut self, first: BlockIndex, hashes: &[Hash]) {
        let end = first + hashes.len() as u64;
        self.forget_gathered(first..end);
        self.unhashed.insert(first..end);
        self.gathered_count += hashes.len();
        if let Some((start, run)) = self.gathered.range_mut(..first).next_back()
            && start + run.len() as u64 == first
        {
            run.extend_from_slice(hashes);
            return;
        }
        self.gathered.insert(first, hashes.to_vec());
    }

    /// Drops gathered hashes of blocks that are written again, because writing them failed before.
    fn forget_gathered(&mut self, range: Range<BlockIndex>) {
        while let Some((&start, run)) = self.gathered.range_mut(..range.end).next_back() {
            if start + run.len() as u64 <= range.start {
                return;
            }
            let behind = run.split_off((range.end - start).min(run.len() as u64) as usize);
            let kept = range.start.saturating_sub(start) as usize;
            self.gathered_count -= run.len() - kept;
            run.truncate(kept);
            if kept == 0 {
                self.gathered.remove(&start);
            }
            if !behind.is_empty() {
                self.gathered.insert(range.end, behind);
            }
        }
    }

    /// Whether enough hashes are gathered to write them.
    pub(super) fn is_full(&self) -> bool {
        self.gathered_count >= MOST_GATHERED
    }

    /// Takes the gathered hashes, to be written.
    pub(super) fn take_hashes(&mut self) -> BTreeMap<BlockIndex, Vec<Hash>> {
        self.gathered_count = 0;
        std::mem::take(&mut self.gathered)
    }

    /// Hashes are written.
    pub(super) fn hashes_written(&mut self, range: Range<BlockIndex>) {
        self.unhashed.remove(range);
    }

    /// Whether storage has the hashes of all these blocks. If not, its hashes for them may be left from an earlier run.
    pub(super) fn are_hashes_written(&self, range: Range<BlockIndex>) -> bool {
        self.unhashed.overlaps(range).next().is_none()
    }

    /// Whether storage still lacks the hash of some of these blocks.
    pub(super) fn is_gathered(&self, range: &Range<BlockIndex>) -> bool {
        self.gathered.range(..range.end).next_back().is_some_and(|(start, run)| start + run.len() as u64 > range.start)
    }

    /// Blocks are written, but not verified.
    pub(super) fn received(&mut self, now: Instant, range: Range<BlockIndex>, bytes: u64) {
        self.received.insert(range);
        self.bytes += bytes;
        self.touch(now);
    }

    /// Blocks are written and verified, or verified now. `bytes` counts the written bytes.
    pub(super) fn verified(&mut self, now: Instant, range: Range<BlockIndex>, bytes: u64) {
        self.received.remove(range.clone());
        self.verified.insert(range);
        self.bytes += bytes;
        self.touch(now);
    }

    /// Blocks turned out wrong.
    pub(super) fn lost(&mut self, now: Instant, range: Range<BlockIndex>) {
        self.received.remove(range.clone());
        self.verified.remove(range.clone());
        self.lost.insert(range);
        self.touch(now);
    }

    fn touch(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Whether some progress is not on record.
    pub(super) fn is_dirty(&self) -> bool {
        self.since.is_some() || self.stage != Stage::Idle
    }

    /// Whether some blocks are lost and their loss is not on record.
    pub(super) fn has_losses(&self) -> bool {
        !self.lost.is_empty() || !self.recording.lost.is_empty()
    }

    /// When the next commit is due, unless its size makes it due before.
    pub(super) fn due_at(&self, interval: Duration) -> Option<Instant> {
        let interval = if self.lost.is_empty() { interval } else { interval.min(LOSS_INTERVAL) };
        self.since.filter(|_| self.stage == Stage::Idle).map(|since| since + interval)
    }

    /// Whether a commit should begin now.
    pub(super) fn is_due(&self, now: Instant, bytes: u64, interval: Duration) -> bool {
        self.stage == Stage::Idle
            && self.since.is_some()
            && (self.bytes >= bytes || self.due_at(interval).is_some_and(|due| due <= now))
    }

    /// A commit begins: the gathered hashes go first.
    pub(super) fn begin(&mut self) {
        if self.stage == Stage::Idle {
            self.stage = Stage::Flushing;
        }
    }

    pub(super) fn is_flushing(&self) -> bool {
        self.stage == Stage::Flushing
    }

    /// The gathered hashes are written. Returns how to write the record. Blocks that were written since, and whose
    /// hashes are not, wait for the next record.
    pub(super) fn record(&mut self, now: Instant) -> StoreRequest {
        let ready = |set: &mut RangeSet, unhashed: &RangeSet| {
            let mut ready = std::mem::take(set);
            for range in unhashed.iter() {
                let waiting: Vec<_> = ready.overlaps(range).collect();
                for range in waiting {
                    ready.remove(range.clone());
                    set.insert(range);
                }
            }
            ready.iter().collect::<Vec<_>>()
        };
        let received = ready(&mut self.received, &self.unhashed);
        let verified = ready(&mut self.verified, &self.unhashed);
        let lost = std::mem::take(&mut self.lost).iter().collect();
        // A transfer may end only with a record of all its blocks.
        let complete = std::mem::take(&mut self.facts.complete) && self.verified.is_empty();
        self.recording = Record { lost, received, verified, complete, ..std::mem::take(&mut self.facts) };
        self.bytes = 0;
        self.since = (!self.received.is_empty() || !self.verified.is_empty()).then_some(now);
        self.stage = Stage::Recording;
        self.compacts = self.on_record.length > self.compact_above;
        if self.compacts {
            let journal = self.on_record.compacted(&self.recording);
            self.recorded_length = journal.len() as u64;
            return StoreRequest::Compact { journal };
        }
        let record = self.recording.encode(self.on_record.next_sequence);
        self.recorded_length = self.on_record.length + record.len() as u64;
        StoreRequest::Commit { record }
    }

    /// The record is durable; returns it.
    pub(super) fn recorded(&mut self) -> Record {
        if std::mem::take(&mut self.compacts) {
            self.compact_above = self.compact_above.max(2 * self.recorded_length);
        }
        self.on_record.recorded(self.recording.clone(), self.recorded_length);
        self.stage = Stage::Idle;
        std::mem::take(&mut self.recording)
    }

    /// Puts a failed compaction off; false if none was tried. A full disk may have room for one more record.
    pub(super) fn put_off_compaction(&mut self) -> bool {
        if self.compacts {
            self.compact_above = 2 * self.on_record.length;
        }
        std::mem::take(&mut self.compacts)
    }

    /// Writing the record, or the hashes before it, failed. Everything in it is still to be recorded.
    pub(super) fn failed(&mut self, now: Instant) {
        if self.stage == Stage::Recording {
            let Record { file, root, lost, received, verified, complete } = std::mem::take(&mut self.recording);
            if self.facts.file.is_none() {
                self.facts.file = file;
                self.facts.root = self.facts.root.or(root);
            }
            self.facts.complete |= complete;
            // Later events of a block count more than the failed record.
            let later = [&self.lost, &self.received, &self.verified].map(Clone::clone);
            for (set, ranges) in
                [(&mut self.lost, lost), (&mut self.received, received), (&mut self.verified, verified)]
            {
                for range in ranges {
                    set.insert(range);
                }
            }
            for range in later[2].iter().chain(later[0].iter()) {
                self.received.remove(range);
            }
            for range in later[0].iter() {
                self.verified.remove(range);
            }
        }
        self.stage = Stage::Idle;
        self.touch(now);
    }
}
