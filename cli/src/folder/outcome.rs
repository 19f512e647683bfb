//! How a folder went so far, and what went wrong with it as a whole, in words.

use std::collections::HashSet;

use wstp_engine::Problem;
use wstp_engine::tree::journal::Recovered;
use wstp_engine::tree::{FileId, MAX_DEPTH, MAX_ENTRIES, TreeProblem};

use crate::exit::{Code, Failure};
use crate::words::{engine_problem, not_wstp};

/// How it went so far.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) failed: u64,
    /// How the command ends.
    pub(super) code: Option<Code>,
    /// Files whose failure was told.
    told: HashSet<FileId>,
}

impl Sum {
    /// What is here already.
    pub(super) fn of(recovered: &Recovered) -> Self {
        let mut sum = Self::default();
        recovered.stored().for_each(|(_, stored)| sum.add(stored.size));
        sum
    }

    pub(super) fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes += size;
    }

    /// The first failure decides how the command ends.
    pub(super) fn fail(&mut self, code: Code) {
        self.failed += 1;
        self.code.get_or_insert(code);
    }

    /// Whether a file's failure was told before; from now on it was.
    pub(super) fn is_told(&mut self, file: Option<FileId>) -> bool {
        file.is_some_and(|file| !self.told.insert(file))
    }
}

/// What the engine ran into with the server called `label`.
pub(super) fn tree_problem(problem: &TreeProblem, label: &str) -> Failure {
    match problem {
        TreeProblem::Source(Problem::Protocol(text)) => not_wstp(label, text),
        TreeProblem::Source(problem) => engine_problem(problem, label),
        TreeProblem::TooDeep => endless(&format!("The folder is more than {MAX_DEPTH} folders deep.")),
        TreeProblem::TooManyEntries => endless(&format!("The folder has more than {MAX_ENTRIES} entries.")),
        TreeProblem::EndlessListing => endless(&format!("{label} lists a folder without an end.")),
    }
}

fn endless(what: &str) -> Failure {
    let advice = "Links on the server may make it endless. Fetch the folders in it one by one.";
    Failure::new(Code::Failed, what, advice)
}
