//! The progress of a folder.

use std::time::Duration;

use wstp_protocol::SharePath;

use super::FolderTransfer;
use super::entries::{Entries, State};
use super::output::FileId;
use crate::{Instant, Phase, Problem};

/// A problem with a folder as a whole, or with one of its folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderProblem {
    /// The same as with a single file.
    Source(Problem),
    /// There are more than [`MAX_ENTRIES`](super::MAX_ENTRIES) entries, or their names are longer than any sensible
    /// folder's.
    TooManyEntries,
    /// The server never ends the listing of a folder.
    EndlessListing,
}

/// The progress of a folder. These figures leave out large files under way: the caller knows them.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderProgress {
    /// The current phase. There is no [`Phase::Verifying`]; [`Phase::Checking`] is for files of an earlier run.
    /// [`Phase::Complete`] says that no work is left. `files_failed` and `folders_failed` say whether anything is
    /// missing.
    pub phase: Phase,
    /// Its last problem, until something succeeds again.
    pub problem: Option<FolderProblem>,
    /// Whether it has requests of its own now. The caller knows about those of large files.
    pub asks: bool,
    /// When it requests again, if it is waiting.
    pub retry_at: Option<Instant>,
    /// Whether every folder was listed to its end, so that `files` and `bytes` are final.
    pub walked: bool,
    /// Folders listed so far, the outermost one included.
    pub folders: u32,
    /// Files listed so far.
    pub files: u32,
    /// Bytes in them. A size above [`LARGEST_FILE`](crate::LARGEST_FILE) counts as none, here and below.
    pub bytes: u64,
    /// Files that are kept or fetched.
    pub files_done: u32,
    /// Bytes in them.
    pub bytes_done: u64,
    /// The part of them that an earlier run stored and that was not read back yet.
    pub bytes_unchecked: u64,
    /// Files that failed.
    pub files_failed: u32,
    /// Bytes in them, as listed.
    pub bytes_failed: u64,
    /// Folders that can't be listed to their end.
    pub folders_failed: u32,
    /// Entries that are left out because the server may not read them, or because they lie too deep.
    pub left_out: u32,
    /// Bytes of small files a second over the last seconds.
    pub rate: f64,
    /// Time left at that rate, if known: once the folder is walked, and while no large file is left.
    pub time_left: Option<Duration>,
}

/// The state of a file of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It will be requested.
    Waiting,
    /// It is requested, being kept, or being fetched.
    UnderWay,
    /// It is kept or fetched.
    Done,
    /// It failed.
    Failed,
}

/// A file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// Its path on the server.
    pub path: SharePath,
    /// Bytes.
    pub size: u64,
    /// Last change there, in milliseconds since 1970-01-01 UTC, if known.
    pub modified_ms: Option<i64>,
    /// Its state.
    pub state: FileState,
}

impl FolderProgress {
    /// How much of the data on disk this run has verified or read back, in percent, rounded down.
    #[must_use]
    pub fn checked_percent(&self) -> u8 {
        crate::progress::checked_percent(self.bytes_done, self.bytes_unchecked)
    }
}

impl FolderTransfer {
    /// Its progress.
    #[must_use]
    pub fn progress(&self) -> FolderProgress {
        let totals = self.entries.totals();
        let walked = self.is_walked();
        let rate = self.rate.at(self.now);
        let left = totals.bytes.saturating_sub(totals.bytes_done + totals.bytes_failed);
        let (needs_connection, retry_at) = (self.needs_connection(), self.conduct.retry_at(self.now));
        let knows_left = walked && rate > 0.0 && self.large.is_empty() && self.fetching.is_empty();
        FolderProgress {
            phase: self.phase(),
            problem: self.problem.clone(),
            asks: needs_connection && retry_at.is_none(),
            retry_at: retry_at.filter(|_| needs_connection),
            walked,
            folders: self.entries.folders(),
            files: self.entries.files(),
            bytes: totals.bytes,
            files_done: totals.files_done,
            bytes_done: totals.bytes_done,
            bytes_unchecked: self.claims.bytes(),
            files_failed: totals.files_failed,
            bytes_failed: totals.bytes_failed,
            folders_failed: totals.folders_failed,
            left_out: totals.left_out,
            rate,
            time_left: knows_left.then(|| Duration::try_from_secs_f64(left as f64 / rate).ok()).flatten(),
        }
    }

    /// One of its files.
    #[must_use]
    pub fn file(&self, file: FileId) -> Option<FileView> {
        self.entries.view(file)
    }

    fn phase(&self) -> Phase {
        match &self.stop {
            _ if self.complete => Phase::Complete,
            Some(stop) if stop.settled && stop.problem.is_some() => Phase::Failed,
            Some(stop) if stop.settled => Phase::Paused,
            _ => match self.conduct.retry_at(self.now).filter(|_| self.needs_connection()) {
                Some(at) if self.fetching.is_empty() => Phase::Waiting(at),
                _ if self.is_checking() => Phase::Checking,
                _ if self.entries.is_untouched() => Phase::Starting,
                _ => Phase::Downloading,
            },
        }
    }
}

impl Entries {
    pub(super) fn view(&self, id: FileId) -> Option<FileView> {
        let file = self.file(id)?;
        let state = match file.state {
            State::Waiting => FileState::Waiting,
            State::Asked | State::Keeping | State::Fetching => FileState::UnderWay,
            State::Done => FileState::Done,
            State::Failed => FileState::Failed,
        };
        Some(FileView { path: self.file_path(id)?, size: file.size, modified_ms: file.modified_ms, state })
    }
}
