//! Storage's answers, and the order in which data becomes durable: data and hashes first, then the record that mentions
//! them.

use super::Transfer;
use super::blocks::range_of;
use super::stopping::State;
use super::storage::{Health, Pending};
use super::update::Update;
use crate::{Output, Problem, StoreError, StoreReply, StoreRequest};

impl Transfer {
    pub(super) fn store(&mut self, request: StoreRequest, pending: Pending) {
        self.storage.push(pending);
        self.outputs.push_back(Output::Store(request));
    }

    pub(super) fn stored(&mut self, reply: StoreReply) {
        let Some(pending) = self.storage.pop() else { return };
        match reply {
            StoreReply::Failed(error) => self.store_failed(pending, error),
            StoreReply::Done => self.store_done(pending),
            StoreReply::Hashes(hashes) => match pending {
                // They were due before, but that write failed.
                Pending::Check { page, run, .. } if !self.ledger.are_hashes_written(range_of(run)) => {
                    self.check_failed(page);
                }
                Pending::Check { page, run, blocks } => self.checked(page, run, blocks, &hashes),
                Pending::Rehash { run, asked } if hashes.len() == run.count as usize => {
                    self.rehashed(run, asked, &hashes)
                }
                other => self.store_failed(other, StoreError::Io),
            },
        }
    }

    fn store_done(&mut self, pending: Pending) {
        match pending {
            Pending::SetLength => {}
            Pending::Write { range, bytes, verified, source } => self.written(range, bytes, verified, source),
            Pending::Zeros { range, verified } => self.zeros_written(range, verified),
            Pending::Void { range } => self.void_written(range),
            Pending::Hashes { first, hashes } => self.ledger.hashes_written(first..first + hashes.len() as u64),
            Pending::Commit => self.committed(),
            Pending::Check { .. } | Pending::Rehash { .. } => self.store_failed(pending, StoreError::Io),
        }
    }

    /// Storage failed. The work of this request is still to be done, and the user has to help.
    fn store_failed(&mut self, pending: Pending, error: StoreError) {
        // A disk without room for blocks may still have room for a record of the earlier ones.
        let is_write = matches!(pending, Pending::Write { .. } | Pending::Zeros { .. } | Pending::Void { .. });
        match pending {
            Pending::SetLength => {}
            Pending::Write { range, .. } => self.blocks.release(range),
            Pending::Zeros { range, .. } | Pending::Void { range } => self.untell(range),
            Pending::Hashes { first, hashes } => self.ledger.gather(first, &hashes),
            Pending::Check { page, blocks, .. } if error == StoreError::Missing => {
                self.check_failed(page);
                return blocks.into_iter().for_each(|range| self.lose(range));
            }
            Pending::Check { page, .. } => self.check_failed(page),
            Pending::Rehash { run, asked } => return self.unreadable(run, asked),
            Pending::Commit => {
                self.ledger.failed(self.now);
                if self.ledger.put_off_compaction() {
                    return;
                }
            }
        }
        self.storage.failed(if is_write { Health::TakesRecords } else { Health::Bad });
        self.fail(Problem::Storage(error));
    }

    /// Writes the gathered hashes.
    pub(super) fn flush_hashes(&mut self) {
        for (first, hashes) in self.ledger.take_hashes() {
            let pending = Pending::Hashes { first, hashes: hashes.clone() };
            self.store(StoreRequest::WriteHashes { first, hashes }, pending);
        }
    }

    /// Begins a commit when one is due, and continues the one under way.
    pub(super) fn commit(&mut self) {
        if !self.storage.takes_records() {
            return;
        }
        let all_verified = self.file.is_some_and(|file| file.root.is_some()) && self.blocks.all_verified();
        let is_settled = self.update == Update::Settled;
        if all_verified && is_settled && self.storage.is_idle() && self.is_running() {
            self.ledger.completed(self.now);
        }
        let forced = self.storage.is_idle()
            && self.ledger.is_dirty()
            && (self.is_stopped()
                || self.update.is_wanted()
                || all_verified
                || (self.ledger.has_losses() && self.blocks.all_taken()));
        if forced || self.ledger.is_due(self.now, self.config.commit_bytes, self.config.commit_interval) {
            self.begin_commit();
        }
        if self.ledger.is_flushing() && self.storage.hashes_done() >= self.flush_mark {
            let request = self.ledger.record(self.now);
            self.store(request, Pending::Commit);
        }
    }

    fn begin_commit(&mut self) {
        self.ledger.begin();
        self.flush_hashes();
        self.flush_mark = self.storage.hashes_issued();
    }

    fn committed(&mut self) {
        let record = self.ledger.recorded();
        for range in record.lost {
            self.blocks.release(range);
        }
        if record.file.is_some() && self.update.record() {
            self.set_length();
        }
        if record.complete {
            self.state = State::Complete;
            self.problem = None;
            self.disconnect_all();
        }
    }
}
