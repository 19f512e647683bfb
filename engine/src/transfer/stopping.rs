//! Stopping, by the user's command or because of a problem, and resuming. A stop is settled when storage has answered
//! everything and all progress is on record.

use super::Transfer;
use crate::Problem;

/// The course of a transfer.
#[derive(Debug)]
pub(super) enum State {
    /// It fetches.
    Running,
    /// It is to fetch nothing more.
    Stopped(Stop),
    /// Every block is verified and on record, and nothing happens any more.
    Complete,
}

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
        match &mut self.state {
            State::Stopped(stop) => stop.resume = false,
            State::Running => self.stop_for(None),
            State::Complete => {}
        }
    }

    /// It can't continue by itself.
    pub(super) fn fail(&mut self, problem: Problem) {
        let first = match &mut self.state {
            State::Stopped(stop) => stop.failure.get_or_insert(problem).clone(),
            State::Running => {
                self.stop_for(Some(problem.clone()));
                problem
            }
            State::Complete => return,
        };
        self.problem = Some(first);
    }

    fn stop_for(&mut self, failure: Option<Problem>) {
        self.state = State::Stopped(Stop { failure, settled: false, resume: false });
        self.endgame_at = None;
        self.unlimited_at = None;
        self.readback.due_at = None;
        self.disconnect_all();
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running)
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped(_))
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(&self.state, State::Stopped(stop) if stop.settled)
    }

    /// Checks whether everything under way has ended.
    pub(super) fn settle(&mut self) {
        let quiet =
            self.storage.is_idle() && (!self.storage.takes_records() || self.file.is_none() || !self.ledger.is_dirty());
        let State::Stopped(stop) = &mut self.state else { return };
        stop.settled |= quiet;
        if stop.settled && stop.resume {
            let changed = stop.failure == Some(Problem::Changed);
            self.start_again(changed);
        }
    }

    pub(super) fn go_on(&mut self) {
        match &mut self.state {
            State::Stopped(stop) => stop.resume = true,
            State::Running | State::Complete => self.sources.iter_mut().for_each(super::Source::pardon),
        }
    }

    /// Resumes after a stop, which the file may have caused that `changed`.
    fn start_again(&mut self, changed: bool) {
        self.state = State::Running;
        if changed {
            self.update.want();
        }
        // No source was asked meanwhile.
        self.origin_seen = self.now;
        self.problem = None;
        self.suspects.clear();
        self.sources.iter_mut().for_each(super::Source::pardon);
        if self.storage.try_again() {
            self.prepare_storage();
        }
    }
}
