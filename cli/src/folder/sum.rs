//! The outcome of a folder so far.

use std::collections::HashSet;

use wstp_engine::folder::FileId;
use wstp_engine::folder::journal::Recovered;

use crate::exit::Code;

/// The outcome so far.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) failed: u64,
    /// How the command ends.
    pub(super) code: Option<Code>,
    /// Files whose failure was reported.
    told: HashSet<FileId>,
}

impl Sum {
    /// Counts of what is already here.
    pub(super) fn of(recovered: &Recovered) -> Self {
        let mut sum = Self::default();
        recovered.stored().for_each(|(_, stored)| sum.add(stored.size));
        sum
    }

    pub(super) fn add(&mut self, size: u64) {
        self.files += 1;
        self.bytes += size;
    }

    /// A counted file is gone or has changed.
    pub(super) fn take_back(&mut self, size: u64) {
        self.files -= 1;
        self.bytes -= size;
    }

    /// The first failure decides how the command ends.
    pub(super) fn fail(&mut self, code: Code) {
        self.failed += 1;
        self.code.get_or_insert(code);
    }

    /// Whether a file's failure was reported before. It counts as reported from now on.
    pub(super) fn is_told(&mut self, file: Option<FileId>) -> bool {
        file.is_some_and(|file| !self.told.insert(file))
    }
}
