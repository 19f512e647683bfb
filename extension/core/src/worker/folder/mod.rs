//! The job of fetching a folder: the engine walks through it. Small files go into a [`Pack`]; each large one has a
//! transfer of its own.

mod checking;
mod large;
mod pack;
mod telling;

use std::collections::BTreeMap;

use wasm_bindgen::JsValue;
use wstp_engine::folder::{
    FileId, FolderCommand, FolderConfig, FolderOutput, FolderProblem, FolderProgress, FolderTransfer, KeepReply, Listed,
};
use wstp_engine::journal::Recovered;
use wstp_engine::{Command, Instant, Phase, Problem, RangeSet};
use wstp_messages::{Stamp, Terms, TransferView, WorkerReport, WorkerTask};
use wstp_protocol::{ErrorCode, SharePath};

use super::file;
use super::job::{Act, Instruction, Job, Wire};
use super::progress;
use super::store::Store;
use super::stored_transfer::StoredTransfer;
use super::waiting::{ROOM, Remedy, Waiting};
use super::{COMMIT_BYTES, COMMIT_INTERVAL};
use crate::folder_layout::{self, MAX_PROBLEMS, Trouble};
use crate::socket::Happening;
use crate::words::{folder_problem, left_out_problem, login_problem, member_problem, stuck_problem};
use crate::{AGENT, clock};
use checking::Checks;
use large::Large;
use pack::Pack;
use telling::size;

/// Large files fetched at once.
const FETCHES: u8 = 2;
/// Small files kept after which what is there is committed.
const COMMIT_FILES: u32 = 4096;

/// A folder's transfer.
pub struct FolderJob {
    task: WorkerTask,
    root: SharePath,
    folder: FolderTransfer,
    pack: Pack,
    large: BTreeMap<FileId, Large>,
    checks: Checks,
    /// The limits of each part, as last told: large files under way, and whether anything else is left.
    shared: (usize, bool),
    /// Files that are there.
    done: RangeSet,
    /// The files that could not be downloaded, by path.
    troubles: BTreeMap<String, Trouble>,
    /// Whether they are not written down yet.
    has_news: bool,
    waiting: Waiting,
    /// It was told to stop.
    is_stopping: bool,
}

impl FolderJob {
    /// Opens the files and goes on where the journal ends.
    ///
    /// # Errors
    ///
    /// As [`Pack::open`].
    pub async fn open(task: WorkerTask) -> Result<Self, JsValue> {
        let (pack, recovered, known) = Pack::open(&task.transfer).await?;
        let path = task.terms.sources.first().map_or("", |source| source.path.as_str());
        let root = SharePath::parse(path).map_err(|error| JsValue::from(error.to_string()))?;
        let mut done = RangeSet::new();
        for (file, _) in recovered.stored() {
            done.insert(range_of(file));
        }
        let is_recheck = task.rechecks && recovered.is_complete();
        let mut folder = FolderTransfer::resume(config(&task.terms, root.clone()), recovered, clock::now());
        if !is_recheck {
            // Each start by the user, or by a new day, retries the files that could not be downloaded.
            folder.handle_command(clock::now(), FolderCommand::Resume);
        }
        let still_known = known.into_iter().filter(|trouble| trouble.is_left_out || is_recheck);
        let troubles = still_known.map(|trouble| (trouble.path.clone(), trouble)).collect();
        Ok(Self {
            task,
            root,
            folder,
            pack,
            large: BTreeMap::new(),
            checks: Checks::default(),
            shared: (0, true),
            done,
            troubles,
            has_news: true,
            waiting: Waiting::default(),
            is_stopping: false,
        })
    }

    fn command(&mut self, command: FolderCommand) {
        if matches!(command, FolderCommand::Resume) {
            // Failed files are tried again, and told again if they still can't be fetched.
            self.troubles.retain(|_, trouble| trouble.is_left_out);
            self.has_news = true;
        }
        self.folder.handle_command(clock::now(), command);
    }

    fn label(&self) -> String {
        progress::origin_label(&self.task.terms.sources)
    }

    /// A path on the server as it is called within the folder.
    fn within(&self, path: &SharePath) -> String {
        let root = self.root.as_str();
        let inner = path.as_str().strip_prefix(root).unwrap_or(path.as_str());
        inner.trim_start_matches('/').to_owned()
    }

    fn trouble(&mut self, path: &SharePath, size: u64, problem: wstp_messages::Problem, is_left_out: bool) {
        let path = self.within(path);
        if self.troubles.len() < MAX_PROBLEMS {
            self.troubles.insert(path.clone(), Trouble { path, size, problem, is_left_out });
            self.has_news = true;
        }
    }

    fn perform(&mut self, output: FolderOutput) -> Option<Act> {
        let wire = |connection| Wire { file: None, connection };
        let now = clock::now();
        match output {
            FolderOutput::Connect { connection } => return Some(Act::Connect(wire(connection), 0)),
            FolderOutput::Send { connection, message } => {
                return Some(Act::Send(wire(connection), message));
            }
            FolderOutput::Disconnect { connection } => return Some(Act::Disconnect(wire(connection))),
            FolderOutput::Fetch { file, path, .. } => {
                self.large.insert(file, Large::new(path));
                return Some(Act::OpenStore(file, folder_layout::large(&self.task.transfer.0, file)));
            }
            FolderOutput::StopFetch { file } => self.stop_large(file),
            FolderOutput::Keep { file, data, .. } => {
                let reply = match self.pack.keep(&data) {
                    Ok(place) => KeepReply::Done(Some(place)),
                    Err(error) => KeepReply::Failed(error),
                };
                if let KeepReply::Done(_) = reply {
                    self.done.insert(range_of(file));
                }
                self.folder.handle_kept(now, file, reply);
            }
            // It is not asked for.
            FolderOutput::Look { .. } => {}
            FolderOutput::Check { file, stored } => self.checks.want(file, stored),
            FolderOutput::Commit { record } => {
                let troubles: Option<Vec<_>> = self.has_news.then(|| self.troubles.values().cloned().collect());
                let committed = self.pack.commit(&record, troubles.as_deref());
                self.has_news &= committed.is_err();
                self.folder.handle_committed(now, committed);
            }
            FolderOutput::Listed { folder, entries } => {
                for entry in entries {
                    if let Listed::LeftOut { name, reason } = entry
                        && let Some(words) = left_out_problem(reason)
                    {
                        let folder = self.folder.folder_path(folder);
                        let path = folder.join(&name).unwrap_or(folder);
                        self.trouble(&path, 0, words, true);
                    }
                }
            }
            FolderOutput::FileFailed { file, problem } => {
                if let Some(view) = self.folder.file(file) {
                    let words = member_problem(&FolderProblem::Source(problem), &self.label());
                    self.trouble(&view.path, view.size, words, false);
                }
            }
            FolderOutput::FolderFailed { folder, problem } => {
                let path = self.folder.folder_path(folder);
                self.trouble(&path, 0, member_problem(&problem, &self.label()), false);
            }
        }
        None
    }

    /// Tries again now what would be tried later.
    fn go_on(&mut self) {
        if self.waiting.until().is_some() {
            self.waiting.end();
            self.command(FolderCommand::Resume);
        }
    }

    /// The event that the failed folder waits for, if that may come by itself.
    fn remedy(&self, progress: &FolderProgress) -> Option<Remedy> {
        match progress.problem.as_ref().filter(|_| progress.phase == Phase::Failed && !self.is_stopping)? {
            FolderProblem::Source(found) => Remedy::of(found, progress.files > 0),
            _ => None,
        }
    }
}

impl Job for FolderJob {
    fn handle_instruction(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::Stop => {
                self.is_stopping = true;
                self.waiting.end();
                self.command(FolderCommand::Pause);
            }
            Instruction::Retry | Instruction::Online => {
                let now = clock::now();
                self.go_on();
                if matches!(instruction, Instruction::Retry)
                    || matches!(self.folder.progress().phase, Phase::Waiting(_))
                {
                    self.command(FolderCommand::Resume);
                }
                for stored in self.open_files_mut() {
                    if matches!(stored.transfer.progress().phase, Phase::Waiting(_)) {
                        stored.transfer.handle_command(now, Command::Resume);
                    }
                }
            }
            Instruction::Adjust(terms) => {
                self.task.terms = terms;
                self.tell_shares();
            }
        }
    }

    fn handle_happening(&mut self, wire: Wire, happening: Happening) {
        let (now, connection) = (clock::now(), wire.connection);
        if let Some(file) = wire.file {
            if let Some(stored) = self.large.get_mut(&file).and_then(|large| large.stored.as_mut()) {
                stored.handle_happening(wire, happening);
            }
            return;
        }
        match happening {
            Happening::Opened => self.folder.handle_opened(now, connection, false),
            Happening::Came(frame) => self.folder.handle_frame(now, connection, frame),
            Happening::Bytes => self.folder.handle_bytes(now, connection),
            Happening::Closed => self.folder.handle_closed(now, connection),
        }
    }

    fn handle_store(&mut self, file: FileId, opened: Result<(Store, Recovered), JsValue>) {
        self.begin_large(file, opened);
    }

    fn handle_stamped(&mut self, file: FileId, stamp: Option<Stamp>) {
        self.stamped(file, stamp);
    }

    fn large_stamps(&self) -> BTreeMap<u32, Stamp> {
        self.checks.stamps()
    }

    fn handle_timeout(&mut self) {
        let now = clock::now();
        if self.waiting.is_over(now) {
            if self.remedy(&self.folder.progress()) == Some(Remedy::Room) && !self.pack.has_room(ROOM) {
                self.waiting.put_off(now);
            } else {
                self.go_on();
            }
        }
        self.check();
        if self.folder.poll_timeout().is_some_and(|due| due <= now) {
            self.folder.handle_timeout(now);
        }
        for stored in self.open_files_mut() {
            if stored.poll_timeout().is_some_and(|due| due <= now) {
                stored.handle_timeout();
            }
        }
    }

    fn poll_act(&mut self) -> Option<Act> {
        loop {
            while let Some(output) = self.folder.poll_output() {
                if let Some(act) = self.perform(output) {
                    return Some(act);
                }
            }
            if let Some(act) = self.poll_large().or_else(|| self.poll_stamp()) {
                return Some(act);
            }
            if !self.end_large() && !self.share() {
                break;
            }
        }
        let progress = self.folder.progress();
        if self.remedy(&progress).is_some() {
            self.waiting.begin(clock::now(), progress.bytes_done);
        }
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let large = self.open_files().filter_map(StoredTransfer::poll_timeout);
        let check = self.checks.are_due().then(clock::now);
        large.chain(self.folder.poll_timeout()).chain(self.waiting.until()).chain(check).min()
    }

    fn view(&self) -> TransferView {
        self.as_view()
    }

    fn end(&self) -> Option<WorkerReport> {
        let progress = self.folder.progress();
        match progress.phase {
            Phase::Complete if self.checks.are_stamps_due() => None,
            Phase::Complete => Some(WorkerReport::Complete { size: size(&progress), root: None }),
            Phase::Paused => Some(WorkerReport::Stopped),
            Phase::Failed if self.is_stopping => Some(WorkerReport::Stopped),
            Phase::Failed if self.remedy(&progress).is_some() => None,
            Phase::Failed
                if matches!(
                    &progress.problem,
                    Some(FolderProblem::Source(Problem::Server { code: ErrorCode::Unauthorized, .. }))
                ) =>
            {
                let had_login = self.task.terms.sources.first().is_some_and(|source| source.credential.is_some());
                Some(WorkerReport::Unauthorized(login_problem(&self.label(), had_login)))
            }
            Phase::Failed => Some(WorkerReport::Failed(
                progress.problem.as_ref().map_or_else(stuck_problem, |problem| folder_problem(problem, &self.label())),
            )),
            _ => None,
        }
    }
}

fn config(terms: &Terms, path: SharePath) -> FolderConfig {
    FolderConfig {
        looks: false,
        path,
        credential: terms.sources.first().and_then(file::credential),
        agent: AGENT.to_owned(),
        memory_budget: u64::from(terms.memory),
        rate_limit: terms.rate_limit,
        fetches: FETCHES,
        commit_bytes: COMMIT_BYTES,
        commit_files: COMMIT_FILES,
        commit_interval: COMMIT_INTERVAL,
        seed: js_sys::Math::random().to_bits(),
    }
}

fn range_of(file: FileId) -> std::ops::Range<u64> {
    let first = u64::from(file.0);
    first..first + 1
}
