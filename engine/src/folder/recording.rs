//! Progress that is not on record yet, and when to write it.
//!
//! A record speaks only of files that the caller had kept when the record was handed to it.

use std::collections::BTreeSet;

use wstp_protocol::Hash;

use super::FolderTransfer;
use super::bundling::Held;
use super::journal::{FORMAT, Form, Record, Stored};
use super::listing::ListingPage;
use super::output::{FileId, FolderOutput, Place};
use crate::{Instant, StoreError};

/// The account of progress that is not on record.
#[derive(Debug)]
pub(super) struct Ledger {
    sequence: u64,
    /// The next record. Its list of failed files is empty.
    facts: Record,
    failed: BTreeSet<FileId>,
    bytes: u64,
    since: Option<Instant>,
    /// The record that the caller writes.
    recording: Option<Record>,
}

impl Ledger {
    pub(super) fn new(sequence: u64) -> Self {
        let (facts, failed) = Default::default();
        Self { sequence, facts, failed, bytes: 0, since: None, recording: None }
    }

    /// A page was listed.
    pub(super) fn listed(&mut self, now: Instant, page: ListingPage) {
        self.facts.pages.push(page);
        self.touch(now);
    }

    /// The caller keeps a file.
    pub(super) fn kept(&mut self, now: Instant, file: FileId, held: Held, place: Option<Place>) {
        let form = place.map_or(Form::Own, Form::Packed);
        self.bytes += held.size;
        self.stored(now, file, Stored { size: held.size, root: held.root, form });
    }

    /// The caller fetched a file.
    pub(super) fn fetched(&mut self, now: Instant, file: FileId, size: u64, root: Hash) {
        self.stored(now, file, Stored { size, root, form: Form::Fetched });
    }

    fn stored(&mut self, now: Instant, file: FileId, stored: Stored) {
        self.failed.remove(&file);
        self.facts.stored.push((file, stored));
        self.touch(now);
    }

    /// A file failed.
    pub(super) fn failed(&mut self, now: Instant, file: FileId) {
        self.failed.insert(file);
        self.touch(now);
    }

    fn touch(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Everything as one record, to be written.
    fn record(&mut self, complete: bool) -> Vec<u8> {
        let mut record = std::mem::take(&mut self.facts);
        record.failed = std::mem::take(&mut self.failed).into_iter().collect();
        record.complete = complete;
        (self.bytes, self.since) = (0, None);
        let bytes = FORMAT.encode(self.sequence, &record);
        self.recording = Some(record);
        bytes
    }

    /// The record is written. Returns whether it said that no work was left.
    fn recorded(&mut self) -> bool {
        self.sequence += 1;
        self.recording.take().is_some_and(|record| record.complete)
    }

    /// The record was not written. Its content is still to be recorded, before later events.
    fn take_back(&mut self, now: Instant) {
        let Some(mut record) = self.recording.take() else { return };
        self.failed.extend(record.failed.drain(..));
        for (file, _) in &self.facts.stored {
            self.failed.remove(file);
        }
        record.pages.append(&mut self.facts.pages);
        record.stored.append(&mut self.facts.stored);
        self.facts = record;
        self.touch(now);
    }
}

impl FolderTransfer {
    /// The latest time for the next commit.
    pub(super) fn commit_due_at(&self) -> Option<Instant> {
        let since = self.ledger.since.filter(|_| !self.ledger.is_recording() && !self.storage_is_bad())?;
        Some(since + self.config.commit_interval)
    }

    /// Has the progress put on record when it is time.
    pub(super) fn commit(&mut self) {
        if self.ledger.is_recording() || self.storage_is_bad() {
            return;
        }
        let done = self.stop.is_none() && self.is_done();
        let files = self.ledger.facts.stored.len() as u64;
        let due = self.commit_due_at().is_some_and(|at| at <= self.now)
            || self.ledger.bytes >= self.config.commit_bytes
            || files >= u64::from(self.config.commit_files.max(1))
            || self.stop.is_some();
        if done || (due && self.ledger.is_dirty()) {
            let record = self.ledger.record(done);
            self.outputs.push_back(FolderOutput::Commit { record });
        }
    }

    /// The caller reports the result of a commit.
    pub(super) fn committed(&mut self, reply: Result<(), StoreError>) {
        if !self.ledger.is_recording() {
            return;
        }
        match reply {
            Ok(()) => self.complete = self.ledger.recorded() && self.is_done() && !self.ledger.is_dirty(),
            Err(error) => {
                self.ledger.take_back(self.now);
                self.storage_failed(error);
            }
        }
    }

    /// A failed file is retried.
    pub(super) fn unfail(&mut self, file: FileId) {
        self.ledger.failed.remove(&file);
    }
}
