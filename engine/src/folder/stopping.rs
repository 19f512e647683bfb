//! Stopping and resuming, by the user's command or because of a problem. A stopped folder is settled once the caller
//! has answered for every file and everything is on record.

use super::entries::State;
use super::listing::Listing;
use super::output::FolderOutput;
use super::{FolderProblem, FolderTransfer};
use crate::{Problem, StoreError};

/// Why it stopped, and the stage of the stop.
#[derive(Debug)]
pub(super) struct Stop {
    /// The problem; `None` if the user stopped it.
    pub(super) problem: Option<FolderProblem>,
    pub(super) settled: bool,
    /// Storage failed, so that nothing can be put on record.
    storage: bool,
    /// The user wants to resume as soon as it is settled.
    resume: bool,
}

impl FolderTransfer {
    pub(super) fn pause(&mut self) {
        if self.complete {
            return;
        }
        match &mut self.stop {
            Some(stop) => stop.resume = false,
            None => self.stop_for(None),
        }
    }

    /// It can't continue by itself.
    pub(super) fn fail(&mut self, problem: FolderProblem) {
        self.problem = Some(problem.clone());
        match &mut self.stop {
            Some(stop) => {
                stop.problem.get_or_insert(problem);
            }
            None => self.stop_for(Some(problem)),
        }
    }

    /// Storage failed: nothing more is kept or recorded.
    pub(super) fn storage_failed(&mut self, error: StoreError) {
        self.fail(FolderProblem::Source(Problem::Storage(error)));
        if let Some(stop) = &mut self.stop {
            stop.storage = true;
        }
    }

    pub(super) fn storage_is_bad(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.storage)
    }

    fn stop_for(&mut self, problem: Option<FolderProblem>) {
        self.stop = Some(Stop { problem, settled: false, storage: false, resume: false });
        self.unlimited_at = None;
        self.claims.due_at = None;
        self.disconnect();
        for file in &self.fetching {
            self.outputs.push_back(FolderOutput::StopFetch { file: *file });
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.settled)
    }

    /// Checks whether everything under way has ended.
    pub(super) fn settle(&mut self) {
        let is_recorded = !self.ledger.is_recording() && (self.storage_is_bad() || !self.ledger.is_dirty());
        let is_asked = self.looking.len() > self.to_look.len() || !self.claims.is_quiet();
        let is_answered = !is_asked && self.held.is_empty() && self.fetching.is_empty();
        let quiet = is_answered && is_recorded;
        let Some(stop) = &mut self.stop else { return };
        stop.settled |= quiet;
        if stop.settled && stop.resume {
            self.stop = None;
            self.problem = None;
            self.start_again();
        }
    }

    pub(super) fn go_on(&mut self) {
        match &mut self.stop {
            Some(stop) => stop.resume = true,
            None => self.start_again(),
        }
    }

    /// Retries everything that failed.
    fn start_again(&mut self) {
        self.conduct.pardon();
        self.suspects.clear();
        let totals = self.entries.totals();
        if totals.files_failed > 0 {
            for id in self.entries.file_ids() {
                if self.entries.file(id).is_some_and(|file| file.state == State::Failed) {
                    self.entries.set(id, State::Waiting);
                    self.unfail(id);
                    self.enqueue(id);
                }
            }
        }
        if totals.folders_failed > 0 {
            for id in self.entries.folder_ids() {
                if self.entries.folder(id).is_some_and(|folder| matches!(folder.listing, Listing::Failed(_))) {
                    self.entries.revive_folder(id);
                    self.to_list.push_back(id);
                }
            }
        }
        self.complete &= totals.files_failed == 0 && totals.folders_failed == 0;
    }
}
