//! Requests that storage has not answered yet, in order.

use std::collections::VecDeque;
use std::ops::Range;

use wstp_protocol::{BlockIndex, BlockRun, Hash};

use crate::{Instant, SourceId};

/// Comparisons of received blocks at once.
const MOST_CHECKS: usize = 8;

/// The action for storage's answer.
#[derive(Debug)]
pub(super) enum Pending {
    SetLength,
    /// Blocks become received or verified.
    Write {
        range: Range<BlockIndex>,
        bytes: u64,
        verified: bool,
        source: SourceId,
    },
    /// Told blocks become received or verified, in storage with their hashes.
    Zeros {
        range: Range<BlockIndex>,
        verified: bool,
    },
    /// Told blocks become verified, without their hashes in storage.
    Void {
        range: Range<BlockIndex>,
    },
    /// Blocks can be put on record. The hashes are kept until then.
    Hashes {
        first: BlockIndex,
        hashes: Vec<Hash>,
    },
    /// Received blocks are compared with their page.
    Check {
        page: u64,
        run: BlockRun,
        blocks: Vec<Range<BlockIndex>>,
    },
    /// Blocks of an earlier run become received.
    Rehash {
        run: BlockRun,
        /// The time of the request.
        asked: Instant,
    },
    Commit,
}

/// How far storage still works, the worst last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// Everything.
    #[default]
    Good,
    /// It took no blocks. A disk without room for them may have room for a record of those before.
    TakesRecords,
    /// Something else failed, so nothing can be put on record.
    Bad,
}

/// The requests under way.
#[derive(Debug, Default)]
pub(super) struct Storage {
    pending: VecDeque<Pending>,
    unwritten: u64,
    hashes_issued: u64,
    hashes_done: u64,
    zeros: usize,
    checks: usize,
    rehashes: usize,
    health: Health,
}

impl Storage {
    pub(super) fn push(&mut self, pending: Pending) {
        match &pending {
            Pending::Write { bytes, .. } => self.unwritten += bytes,
            Pending::Zeros { .. } | Pending::Void { .. } => self.zeros += 1,
            Pending::Hashes { .. } => self.hashes_issued += 1,
            Pending::Check { .. } => self.checks += 1,
            Pending::Rehash { .. } => self.rehashes += 1,
            Pending::SetLength | Pending::Commit => {}
        }
        self.pending.push_back(pending);
    }

    /// The request that storage answers now.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        let pending = self.pending.pop_front()?;
        match &pending {
            Pending::Write { bytes, .. } => self.unwritten -= bytes,
            Pending::Zeros { .. } | Pending::Void { .. } => self.zeros -= 1,
            Pending::Hashes { .. } => self.hashes_done += 1,
            Pending::Check { .. } => self.checks -= 1,
            Pending::Rehash { .. } => self.rehashes -= 1,
            Pending::SetLength | Pending::Commit => {}
        }
        Some(pending)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Bytes handed over and not yet written.
    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// How many writes of zeros are under way.
    pub(super) fn zeros(&self) -> usize {
        self.zeros
    }

    /// How many writes of hashes were requested so far.
    pub(super) fn hashes_issued(&self) -> u64 {
        self.hashes_issued
    }

    /// How many writes of hashes were answered so far.
    pub(super) fn hashes_done(&self) -> u64 {
        self.hashes_done
    }

    pub(super) fn has_room_for_check(&self) -> bool {
        self.checks < MOST_CHECKS
    }

    /// How many runs are being read back.
    pub(super) fn rehashes(&self) -> usize {
        self.rehashes
    }

    /// A request failed.
    pub(super) fn failed(&mut self, health: Health) {
        self.health = self.health.max(health);
    }

    /// Whether something can be put on record.
    pub(super) fn takes_records(&self) -> bool {
        self.health != Health::Bad
    }

    /// It is tried again; whether it had failed.
    pub(super) fn try_again(&mut self) -> bool {
        std::mem::take(&mut self.health) != Health::Good
    }
}
