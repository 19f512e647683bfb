//! The large files of a folder. Each has a transfer and storage of its own, and gets its share of the job's limits.

use wasm_bindgen::JsValue;
use wstp_engine::folder::{FetchReply, FileId, FolderCommand};
use wstp_engine::journal::Recovered;
use wstp_engine::{Command, Phase, Problem, StoreError};
use wstp_messages::{SourceTask, Terms};
use wstp_protocol::{ErrorCode, SharePath};

use super::{FolderJob, range_of};
use crate::clock;
use crate::worker::file;
use crate::worker::job::Act;
use crate::worker::store::Store;
use crate::worker::stored_transfer::StoredTransfer;

/// A large file that changes so often while it is fetched is given up.
const MAX_CHANGES: u32 = 3;

/// A large file under way.
pub(super) struct Large {
    path: SharePath,
    changes: u32,
    /// `None` while its storage is being opened.
    pub(super) stored: Option<StoredTransfer>,
}

impl Large {
    /// A large file whose storage is to be opened.
    pub(super) const fn new(path: SharePath) -> Self {
        Self { path, changes: 0, stored: None }
    }
}

impl FolderJob {
    /// The large files whose storage is open.
    pub(super) fn open_files(&self) -> impl Iterator<Item = &StoredTransfer> {
        self.large.values().filter_map(|large| large.stored.as_ref())
    }

    /// The same, to be changed.
    pub(super) fn open_files_mut(&mut self) -> impl Iterator<Item = &mut StoredTransfer> {
        self.large.values_mut().filter_map(|large| large.stored.as_mut())
    }

    /// Begins to fetch a large file into its storage, which is open, or can't be opened.
    pub(super) fn begin_large(&mut self, file: FileId, opened: Result<(Store, Recovered), JsValue>) {
        let terms = self.part();
        // It may have been stopped meanwhile.
        let Some(large) = self.large.get_mut(&file) else { return };
        match opened {
            Ok((store, recovered)) => {
                let of_file =
                    |folder: &SourceTask| SourceTask { path: large.path.as_str().to_owned(), ..folder.clone() };
                let sources = terms.sources.first().map(of_file).into_iter().collect();
                let config = file::config(&Terms { sources, ..terms });
                large.stored = Some(StoredTransfer::new(Some(file), config, store, recovered));
            }
            Err(error) => {
                web_sys::console::error_1(&error);
                self.large.remove(&file);
                let reply = FetchReply::Failed(Problem::Storage(StoreError::Io));
                self.folder.handle_fetched(clock::now(), file, reply);
            }
        }
    }

    pub(super) fn stop_large(&mut self, file: FileId) {
        match self.large.get_mut(&file).map(|large| &mut large.stored) {
            Some(Some(stored)) => stored.transfer.handle_command(clock::now(), Command::Pause),
            _ => {
                self.large.remove(&file);
                self.folder.handle_fetched(clock::now(), file, FetchReply::Stopped);
            }
        }
    }

    /// The requests of the large files.
    pub(super) fn poll_large(&mut self) -> Option<Act> {
        self.open_files_mut().find_map(StoredTransfer::poll_act)
    }

    /// Ends a large file whose transfer has ended, or has it begin anew; whether there was one.
    pub(super) fn end_large(&mut self) -> bool {
        let now = clock::now();
        let mut begun_anew = false;
        let ended = self.large.iter_mut().find_map(|(file, large)| {
            let stored = large.stored.as_mut()?;
            let progress = stored.transfer.progress();
            let reply = match (progress.phase, progress.problem) {
                (Phase::Complete, _) => FetchReply::Done { size: progress.size?, root: progress.root? },
                (Phase::Paused, _) => FetchReply::Stopped,
                (Phase::Failed, Some(Problem::Changed)) if large.changes < MAX_CHANGES => {
                    // A folder is wanted as it is now.
                    large.changes += 1;
                    stored.transfer.handle_command(now, Command::Resume);
                    begun_anew = true;
                    return None;
                }
                // A server's refusal of one file is no reason to leave the others.
                (Phase::Failed, Some(problem @ Problem::Storage(StoreError::TooLarge))) => {
                    FetchReply::FileFailed(problem)
                }
                (Phase::Failed, Some(problem @ Problem::Storage(_))) => FetchReply::Failed(problem),
                // No other file comes either until the user logs in.
                (Phase::Failed, Some(problem @ Problem::Server { code: ErrorCode::Unauthorized, .. })) => {
                    FetchReply::Failed(problem)
                }
                (Phase::Failed, problem) => FetchReply::FileFailed(problem.unwrap_or(Problem::Connection)),
                _ => return None,
            };
            Some((*file, reply))
        });
        let Some((file, reply)) = ended else { return begun_anew };
        self.large.remove(&file);
        if let FetchReply::Done { .. } = reply {
            self.done.insert(range_of(file));
            self.checks.fetched(file);
        }
        self.folder.handle_fetched(now, file, reply);
        true
    }

    /// Divides what there is anew when a large file begins or ends; whether that was so.
    pub(super) fn share(&mut self) -> bool {
        let progress = self.folder.progress();
        let left = progress.files - progress.files_done - progress.files_failed;
        let shared = (self.large.len(), !progress.walked || left as usize > self.large.len());
        let is_new = shared != self.shared;
        if is_new {
            self.shared = shared;
            self.tell_shares();
        }
        is_new
    }

    pub(super) fn tell_shares(&mut self) {
        let (terms, now) = (self.part(), clock::now());
        self.folder.handle_command(now, FolderCommand::SetMemoryBudget(terms.memory.into()));
        self.folder.handle_command(now, FolderCommand::SetRateLimit(terms.rate_limit));
        for stored in self.open_files_mut() {
            stored.transfer.handle_command(now, Command::SetConnections(file::connections(&terms)));
            stored.transfer.handle_command(now, Command::SetMemoryBudget(terms.memory.into()));
            stored.transfer.handle_command(now, Command::SetRateLimit(terms.rate_limit));
        }
    }

    /// The limits of each part of the job.
    fn part(&self) -> Terms {
        let (large, has_others) = self.shared;
        let parts = (large + usize::from(has_others)).max(1);
        let terms = &self.task.terms;
        Terms {
            // None is as many as help, whatever the part.
            connections: terms.connections.div_ceil(u8::try_from(large.max(1)).unwrap_or(u8::MAX)),
            memory: (terms.memory / parts as u32).max(512 << 10),
            rate_limit: terms.rate_limit.map(|rate| (rate / parts as u64).max(1)),
            order: terms.order,
            sources: terms.sources.clone(),
        }
    }
}
