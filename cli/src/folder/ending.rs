//! How a folder ends, and the words for its problems.

use std::path::Path;

use indicatif::DecimalBytes;
use wstp_engine::folder::{FileId, FolderProblem, FolderProgress};
use wstp_engine::{Phase, Problem};

use super::FolderLoop;
use crate::disk::Ended;
use crate::exit::{Code, Failure};
use crate::partial::shown;
use crate::words::{engine_problem, folder_problem, go_on_later, interrupted, not_wstp, nothing_arrived};

impl FolderLoop<'_> {
    pub(super) fn unreachable(&self, progress: &FolderProgress) -> Failure {
        match progress.problem.as_ref().map(|problem| failure_of(problem, &self.source.address.host_and_port())) {
            Some(failure) if failure.code != Code::Unreachable => failure,
            _ => nothing_arrived(self.last_words.clone(), self.cx.options.patience.unwrap_or_default()),
        }
    }

    pub(super) fn interrupted(&self) -> Failure {
        let kept = shown(&self.output);
        interrupted(format!("What arrived is kept in {kept}; run the same command again to go on."))
    }

    /// The end, once everything is on record.
    pub(super) fn end(&mut self) -> Option<Result<Code, Failure>> {
        let progress = self.folder.progress();
        let failure = match progress.phase {
            Phase::Complete => return Some(Ok(Code::Ok)),
            Phase::Paused => {
                let failure = self.ending.take().unwrap_or_else(|| self.interrupted());
                self.with_what_is_kept(failure, &progress)
            }
            Phase::Failed => match (self.ending.take().or(self.disk_failure.take()), &progress.problem) {
                (Some(failure), _) => failure,
                (None, Some(problem)) => failure_of(problem, &self.source.address.host_and_port()),
                (None, None) => Failure::new(Code::Failed, "The download can't go on.", "Run the same command again."),
            },
            _ => return None,
        };
        Some(Err(failure))
    }

    /// Says how to resume after nothing arrived any more.
    fn with_what_is_kept(&self, mut failure: Failure, progress: &FolderProgress) -> Failure {
        let FolderProgress { files, files_done, bytes_done, .. } = progress;
        if failure.code == Code::Unreachable && *files_done > 0 {
            let (kept, place) = (DecimalBytes(*bytes_done), shown(&self.output));
            failure.advice = go_on_later(&format!("{files_done} of {files} files, {kept}, are kept in {place}."));
        }
        failure
    }

    pub(super) fn failed(&mut self, target: Option<&Path>, failure: Failure, file: Option<FileId>) {
        if self.sum.is_told(file) {
            return;
        }
        self.cx.reporter.failed(target.map(|target| target.to_string_lossy()).as_deref(), &failure);
        self.sum.fail(failure.code);
    }
}

/// The storage thread ended early.
pub(super) fn defect(ended: &Ended) -> Failure {
    Failure::new(Code::Failed, format!("A defect: {ended}."), "Run the same command again, and report it.")
}

/// The engine's problem with the server called `label`.
pub(super) fn failure_of(problem: &FolderProblem, label: &str) -> Failure {
    match problem {
        FolderProblem::Source(Problem::Protocol(text)) => not_wstp(label, text),
        FolderProblem::Source(problem) => engine_problem(problem, label),
        FolderProblem::TooManyEntries | FolderProblem::EndlessListing => folder_problem(problem, label),
    }
}
