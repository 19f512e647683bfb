//! Small files: which of them share a request, how many requests are under way, and which parts of the replies count.

use std::collections::VecDeque;

use wstp_protocol::limits::{MAX_BUNDLE_FILES, MAX_CLIENT_FRAME, MAX_SERVER_FRAME};
use wstp_protocol::{BundleReply, Bundled, BundledFile, ErrorCode, Failure, Hash, SharePath};

use super::connection::{Ask, Connection};
use super::entries::State;
use super::output::{FetchReply, FileId, FolderOutput, KeepReply};
use super::{FolderProblem, FolderTransfer, Suspect};
use crate::Problem;
use crate::peer::Request;

/// Most bundles at once.
const MAX_BUNDLES: usize = 32;
const FRAME: u64 = MAX_SERVER_FRAME as u64;
/// Bytes of a request beside its path and names; more than enough.
const REQUEST_OVERHEAD: usize = 32;
/// Bytes that a name's length takes.
const NAME_OVERHEAD: usize = 2;

/// A file that the caller keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) size: u64,
    pub(super) root: Hash,
}

/// The content of one request.
struct Parcel {
    path: SharePath,
    names: Vec<String>,
    /// The most bytes of the reply.
    space: u64,
    /// Bytes of the files, as listed.
    data: u64,
}

impl FolderTransfer {
    /// Requests small files, as many at once as is allowed.
    pub(super) fn ask(&mut self) {
        self.unlimited_at = None;
        if self.connection.as_ref().and_then(|open| open.takes_bundles()) == Some(false) {
            self.large.append(&mut self.small);
        }
        while self.may_ask()
            && let Some(parcel) = self.parcel()
        {
            let ready_at = self.limit.ready_at(self.now, parcel.data);
            if ready_at > self.now {
                self.unlimited_at = Some(ready_at);
                return;
            }
            self.send_parcel(parcel);
        }
    }

    fn may_ask(&self) -> bool {
        let takes = |open: &&Connection| open.takes_bundles() == Some(true) && open.peer.takes_requests(self.now, 0);
        let Some(open) = self.connection.as_ref().filter(takes) else { return false };
        let reserved = open.bundles as u64 * FRAME + self.held_bytes;
        let has_memory = reserved == 0 || reserved + FRAME <= self.config.memory_budget;
        let has_window =
            open.peer.in_flight == 0 || open.peer.in_flight < open.peer.window.size(self.config.memory_budget);
        open.bundles < MAX_BUNDLES && has_memory && has_window
    }

    /// The next small files of one folder, as many as fit. The queue keeps them.
    fn parcel(&self) -> Option<Parcel> {
        let open = self.connection.as_ref()?;
        let folder = self.entries.file(*self.small.front()?)?.folder;
        let path = self.folder_path(folder);
        let most_space = (open.peer.window.size(self.config.memory_budget) / 4).min(FRAME - BundleReply::OVERHEAD);
        let most_data = self.limit.run_bytes();
        let mut text = REQUEST_OVERHEAD + path.as_str().len();
        let mut parcel = Parcel { path, names: Vec::new(), space: 0, data: 0 };
        for file in self.small.iter().take(MAX_BUNDLE_FILES).filter_map(|file| self.entries.file(*file)) {
            let (space, data) = (parcel.space + BundleReply::space_of(file.size), parcel.data + file.size);
            text += NAME_OVERHEAD + file.name.len();
            let fits = space <= most_space && data <= most_data && text <= MAX_CLIENT_FRAME;
            if file.folder != folder || (!fits && !parcel.names.is_empty()) {
                break;
            }
            parcel.names.push(file.name.to_string());
            (parcel.space, parcel.data) = (space, data);
        }
        Some(parcel)
    }

    fn send_parcel(&mut self, parcel: Parcel) {
        let now = self.now;
        let files: Vec<_> = self.small.drain(..parcel.names.len()).collect();
        for file in &files {
            self.entries.set(*file, State::Asked);
        }
        self.limit.take(parcel.data);
        let Some(open) = &mut self.connection else { return };
        let stamp = open.peer.window.sent(now, open.peer.in_flight);
        open.peer.in_flight += parcel.space;
        open.bundles += 1;
        let ask = Ask::Bundle { files, bytes: parcel.space, stamp };
        let message = open.peer.request(now, Request::Bundle { path: parcel.path, names: parcel.names }, ask);
        self.send(message);
    }

    /// A bundle arrived with the first of the requested files. The others are requested again.
    pub(super) fn bundle_arrived(&mut self, files: Vec<FileId>, reply: BundleReply) {
        let mut asked = VecDeque::from(files);
        let Some(folder) = asked.front().and_then(|file| self.entries.file(*file)).map(|file| file.folder) else {
            return;
        };
        let path = self.folder_path(folder);
        let mut good = true;
        for bundled in reply.files {
            let Some(file) = asked.pop_front() else { break };
            good = match bundled {
                Bundled::File(bundled) => self.file_arrived(file, &path, bundled),
                Bundled::Refused(code) => {
                    self.file_refused(file, code);
                    true
                }
            };
            if !good {
                break;
            }
        }
        self.ask_again(asked);
        if !good {
            self.distrust(Problem::BadBlocks);
        }
    }

    /// Checks a file and has the caller keep it. False if its hash is wrong.
    fn file_arrived(&mut self, file: FileId, path: &SharePath, bundled: BundledFile) -> bool {
        let BundledFile { modified_ms, root, data, .. } = bundled;
        if *blake3::hash(&data).as_bytes() != root {
            self.try_again_or_fail(file, Problem::BadBlocks);
            return false;
        }
        self.proved();
        self.rate.add(self.now, data.len() as u64);
        let name = self.entries.file(file).map(|known| path.join(&known.name));
        let Some(Ok(path)) = name else { return true };
        self.entries.set(file, State::Keeping);
        let size = data.len() as u64;
        self.held.insert(file, Held { size, root });
        self.held_bytes += size;
        self.outputs.push_back(FolderOutput::Keep { file, path, modified_ms, root, data });
        true
    }

    fn file_refused(&mut self, file: FileId, code: ErrorCode) {
        let problem = Problem::Server { code, text: String::new() };
        match code {
            ErrorCode::TooLarge => {
                self.entries.set(file, State::Waiting);
                self.large.push_back(file);
            }
            ErrorCode::Changed | ErrorCode::Io | ErrorCode::Busy => self.try_again_or_fail(file, problem),
            _ => self.file_failed(file, problem),
        }
    }

    /// A bundle as a whole failed.
    pub(super) fn bundle_failed(&mut self, files: Vec<FileId>, failure: &Failure) {
        match failure.code {
            ErrorCode::NotFound
            | ErrorCode::NotADirectory
            | ErrorCode::NotAFile
            | ErrorCode::Forbidden
            | ErrorCode::UsedUp
            | ErrorCode::InvalidPath => {
                for file in files {
                    self.file_failed(file, Problem::from(failure));
                }
            }
            ErrorCode::Io => {
                for file in files {
                    self.try_again_or_fail(file, Problem::from(failure));
                }
                self.request_failed(failure);
            }
            _ => {
                self.ask_again(files.into());
                self.request_failed(failure);
            }
        }
    }

    /// Requested files that did not come, in their order.
    pub(super) fn ask_again(&mut self, files: VecDeque<FileId>) {
        for file in files.into_iter().rev() {
            self.entries.set(file, State::Waiting);
            self.small.push_front(file);
        }
    }

    fn try_again_or_fail(&mut self, file: FileId, problem: Problem) {
        if self.may_try_again(Suspect::File(file)) {
            self.entries.set(file, State::Waiting);
            self.small.push_back(file);
        } else {
            self.file_failed(file, problem);
        }
    }

    fn file_failed(&mut self, file: FileId, problem: Problem) {
        self.entries.set(file, State::Failed);
        self.ledger.failed(self.now, file);
        self.outputs.push_back(FolderOutput::FileFailed { file, problem });
    }

    /// The caller reports whether it kept a file.
    pub(super) fn kept(&mut self, file: FileId, reply: KeepReply) {
        let Some(held) = self.held.remove(&file) else { return };
        self.held_bytes -= held.size;
        match reply {
            KeepReply::Done(place) => {
                self.suspects.remove(&Suspect::File(file));
                self.entries.done(file, held.size);
                self.ledger.kept(self.now, file, held, place);
            }
            KeepReply::FileFailed(error) => self.file_failed(file, Problem::Storage(error)),
            KeepReply::Failed(error) => {
                self.ask_again([file].into());
                self.storage_failed(error);
            }
        }
    }

    /// Hands out large files.
    pub(super) fn hand_out(&mut self) {
        while self.fetching.len() < usize::from(self.config.fetches.max(1)) {
            let Some(file) = self.large.pop_front() else { return };
            let Some((path, size)) = self.entries.file_path(file).zip(self.entries.file(file).map(|file| file.size))
            else {
                continue;
            };
            self.entries.set(file, State::Fetching);
            self.fetching.insert(file);
            self.outputs.push_back(FolderOutput::Fetch { file, path, size });
        }
    }

    /// The caller reports whether it fetched a file.
    pub(super) fn fetched(&mut self, file: FileId, reply: FetchReply) {
        if !self.fetching.remove(&file) {
            return;
        }
        match reply {
            FetchReply::Done { size, root } => {
                self.entries.done(file, size);
                self.ledger.fetched(self.now, file, size, root);
            }
            FetchReply::FileFailed(problem) => self.file_failed(file, problem),
            FetchReply::Failed(problem) => {
                self.hand_out_again(file);
                self.fail(FolderProblem::Source(problem));
            }
            FetchReply::Stopped => self.hand_out_again(file),
        }
    }

    fn hand_out_again(&mut self, file: FileId) {
        self.entries.set(file, State::Waiting);
        self.large.push_front(file);
    }
}
