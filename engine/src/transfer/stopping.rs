//! Stopping, by the user's wish or because it can't go on, and going on again. A stop is settled when everything that was under way in
//! storage is answered and what is there is on record.

use super::Transfer;
use crate::Problem;

/// Why and how far it is stopped.
#[derive(Debug)]
pub(super) struct Stop {
    /// What went wrong; `None` where the user stopped it.
    pub(super) failure: Option<Problem>,
    pub(super) settled: bool,
    /// The user wants to go on as soon as it is settled.
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

    /// It can't go on by itself.
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

    /// Sees whether everything that was under way has ended.
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
        // Nobody was asked meanwhile.
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
