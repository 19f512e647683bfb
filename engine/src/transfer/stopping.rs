//! Stopping, by the user's command or because of a problem, and resuming. A stop is settled when storage has answered
//! everything and all progress is on record.

use super::Transfer;
use crate::Problem;

/// Why it stopped, and the stage of the stop.
#[derive(Debug)]
pub(super) struct Stop {
    /// The problem; `None` if the user stopped it.
    pub(super) failure: Option<Problem>,
    pub(super) settled: bool,
    /// The user wants to resume as soon as it is settled.
    resume: bool,
}

impl Transfer {
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
    pub(super) fn fail(&mut self, problem: Problem) {
        let first = match &mut self.stop {
            Some(stop) => stop.failure.get_or_insert(problem).clone(),
            None => {
                self.stop_for(Some(problem.clone()));
                problem
            }
        };
        self.problem = Some(first);
    }

    fn stop_for(&mut self, failure: Option<Problem>) {
        self.stop = Some(Stop { failure, settled: false, resume: false });
        self.endgame_at = None;
        self.unlimited_at = None;
        self.readback.due_at = None;
        self.disconnect_all();
    }

    pub(super) fn is_settled(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.settled)
    }

    /// Checks whether everything under way has ended.
    pub(super) fn settle(&mut self) {
        let quiet = self.storage.is_idle() && (self.recording_failed || self.file.is_none() || !self.ledger.is_dirty());
        let Some(stop) = &mut self.stop else { return };
        stop.settled |= quiet;
        if stop.settled && stop.resume {
            self.start_again();
        }
    }

    pub(super) fn go_on(&mut self) {
        match &mut self.stop {
            Some(stop) => stop.resume = true,
            None => self.sources.iter_mut().for_each(super::Source::pardon),
        }
    }

    fn start_again(&mut self) {
        let Some(stop) = self.stop.take() else { return };
        self.updating |= stop.failure == Some(Problem::Changed);
        // No source was asked meanwhile.
        self.origin_seen = self.now;
        self.problem = None;
        self.suspects.clear();
        self.sources.iter_mut().for_each(super::Source::pardon);
        self.recording_failed = false;
        if std::mem::take(&mut self.storage_failed) {
            self.prepare_storage();
        }
    }
}
