//! The job of fetching a folder: the engine walks through it. Small files go into a [`Pack`]; each large one has a run
//! of its own.

mod checking;
mod pack;

use std::collections::BTreeMap;

use wasm_bindgen::JsValue;
use wstp_engine::folder::{
    FetchReply, FileId, FolderCommand, FolderConfig, FolderOutput, FolderProblem, FolderProgress, FolderTransfer,
    KeepReply, Listed,
};
use wstp_engine::journal::Recovered;
use wstp_engine::{Command, Instant, Phase, Problem, Progress, RangeSet, StoreError};
use wstp_messages::{BlockRange, FolderView, SourceTask, Stamp, Terms, TransferView, WorkerReport, WorkerTask};
use wstp_protocol::SharePath;

use super::file;
use super::job::{Act, Instruction, Job, Wire};
use super::progress;
use super::store::Store;
use super::stored_transfer::StoredTransfer;
use super::waiting::{ROOM, Remedy, Waiting};
use super::{COMMIT_BYTES, COMMIT_INTERVAL};
use crate::folder_layout::{MAX_PROBLEMS, Trouble, large};
use crate::socket::Happening;
use crate::words::{folder_problem, left_out_problem, member_problem, passing_problem, problem};
use crate::{AGENT, clock};
use checking::Checks;
use pack::Pack;

/// Large files fetched at once.
const FETCHES: u8 = 2;
/// Small files kept after which what is there is committed.
const COMMIT_FILES: u32 = 4096;
/// A large file that changes so often while it is fetched is given up.
const MAX_CHANGES: u32 = 3;

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
    /// The files that could not be fetched, by path.
    troubles: BTreeMap<String, Trouble>,
    /// Whether they are not written down yet.
    has_news: bool,
    waiting: Waiting,
    /// It was told to stop.
    is_stopping: bool,
}

/// A large file under way.
struct Large {
    path: SharePath,
    changes: u32,
    /// `None` while its storage is being opened.
    run: Option<StoredTransfer>,
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
            // Each start by the user, or by a new day, retries the files that could not be fetched.
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
        let wire = |connection| Wire { run: 0, connection };
        let now = clock::now();
        match output {
            FolderOutput::Connect { connection } => return Some(Act::Connect(wire(connection), 0)),
            FolderOutput::Send { connection, message } => {
                return Some(Act::Send(wire(connection), message));
            }
            FolderOutput::Disconnect { connection } => return Some(Act::Disconnect(wire(connection))),
            FolderOutput::Fetch { file, path, .. } => {
                self.large.insert(file, Large { path, changes: 0, run: None });
                return Some(Act::OpenStore(run_of(file), large(&self.task.transfer.0, file)));
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

    /// Until when all of the folder waits, and why: large files of which none can be had now, while the folder itself
    /// asks for nothing.
    fn waited_for(&self, folder: &FolderProgress, runs: &[Progress]) -> Option<(Instant, Problem)> {
        if folder.phase != Phase::Downloading || folder.asks || runs.len() < self.large.len() {
            return None;
        }
        let waits = |run: &Progress| match (run.phase, &run.problem) {
            (Phase::Waiting(until), Some(problem)) => Some((until, problem.clone())),
            _ => None,
        };
        let all: Option<Vec<_>> = runs.iter().map(waits).collect();
        let (until, problem) = all?.into_iter().min_by_key(|(until, _)| *until)?;
        Some((folder.retry_at.map_or(until, |at| at.min(until)), problem))
    }

    fn stop_large(&mut self, file: FileId) {
        match self.large.get_mut(&file).map(|large| &mut large.run) {
            Some(Some(run)) => run.transfer.handle_command(clock::now(), Command::Pause),
            _ => {
                self.large.remove(&file);
                self.folder.handle_fetched(clock::now(), file, FetchReply::Stopped);
            }
        }
    }

    /// The requests of the large files.
    fn poll_large(&mut self) -> Option<Act> {
        self.large.values_mut().find_map(|large| large.run.as_mut()?.poll_act())
    }

    /// Ends a large file whose run has ended, or has it begin anew; whether there was one.
    fn end_large(&mut self) -> bool {
        let now = clock::now();
        let mut begun_anew = false;
        let ended = self.large.iter_mut().find_map(|(file, large)| {
            let run = large.run.as_mut()?;
            let progress = run.transfer.progress();
            let reply = match (progress.phase, progress.problem) {
                (Phase::Complete, _) => FetchReply::Done { size: progress.size?, root: progress.root? },
                (Phase::Paused, _) => FetchReply::Stopped,
                (Phase::Failed, Some(Problem::Changed)) if large.changes < MAX_CHANGES => {
                    // A folder is wanted as it is now.
                    large.changes += 1;
                    run.transfer.handle_command(now, Command::Resume);
                    begun_anew = true;
                    return None;
                }
                // A server's refusal of one file is no reason to leave the others.
                (Phase::Failed, Some(problem @ Problem::Storage(StoreError::TooLarge))) => {
                    FetchReply::FileFailed(problem)
                }
                (Phase::Failed, Some(problem @ Problem::Storage(_))) => FetchReply::Failed(problem),
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
    fn share(&mut self) -> bool {
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

    fn tell_shares(&mut self) {
        let (terms, now) = (self.part(), clock::now());
        self.folder.handle_command(now, FolderCommand::SetMemoryBudget(terms.memory.into()));
        self.folder.handle_command(now, FolderCommand::SetRateLimit(terms.rate_limit));
        for run in self.large.values_mut().filter_map(|large| large.run.as_mut()) {
            run.transfer.handle_command(now, Command::SetConnections(file::connections(&terms)));
            run.transfer.handle_command(now, Command::SetMemoryBudget(terms.memory.into()));
            run.transfer.handle_command(now, Command::SetRateLimit(terms.rate_limit));
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
                for run in self.large.values_mut().filter_map(|large| large.run.as_mut()) {
                    if matches!(run.transfer.progress().phase, Phase::Waiting(_)) {
                        run.transfer.handle_command(now, Command::Resume);
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
        if let Some(file) = file_of(wire.run) {
            if let Some(run) = self.large.get_mut(&file).and_then(|large| large.run.as_mut()) {
                run.handle_happening(wire, happening);
            }
            return;
        }
        match happening {
            Happening::Opened => self.folder.handle_opened(now, connection),
            Happening::Came(frame) => self.folder.handle_frame(now, connection, frame),
            Happening::Bytes => self.folder.handle_bytes(now, connection),
            Happening::Closed => self.folder.handle_closed(now, connection),
        }
    }

    fn handle_store(&mut self, run: u32, opened: Result<(Store, Recovered), JsValue>) {
        let terms = self.part();
        // It may have been stopped meanwhile.
        let Some(file) = file_of(run) else { return };
        let Some(large) = self.large.get_mut(&file) else { return };
        match opened {
            Ok((store, recovered)) => {
                let of_file =
                    |folder: &SourceTask| SourceTask { path: large.path.as_str().to_owned(), ..folder.clone() };
                let sources = terms.sources.first().map(of_file).into_iter().collect();
                large.run = Some(StoredTransfer::new(run, file::config(&Terms { sources, ..terms }), store, recovered));
            }
            Err(error) => {
                web_sys::console::error_1(&error);
                self.large.remove(&file);
                let reply = FetchReply::Failed(Problem::Storage(StoreError::Io));
                self.folder.handle_fetched(clock::now(), file, reply);
            }
        }
    }

    fn handle_stamped(&mut self, run: u32, stamp: Option<Stamp>) {
        if let Some(file) = file_of(run) {
            self.stamped(file, stamp);
        }
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
        for run in self.large.values_mut().filter_map(|large| large.run.as_mut()) {
            if run.poll_timeout().is_some_and(|due| due <= now) {
                run.handle_timeout();
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
        let runs = self.large.values().filter_map(|large| large.run.as_ref()?.poll_timeout());
        let check = self.checks.are_due().then(clock::now);
        runs.chain(self.folder.poll_timeout()).chain(self.waiting.until()).chain(check).min()
    }

    fn view(&self) -> TransferView {
        let now = clock::now();
        let folder = self.folder.progress();
        let runs: Vec<_> =
            self.large.values().filter_map(|large| Some(large.run.as_ref()?.transfer.progress())).collect();
        let rate = folder.rate + runs.iter().map(|run| run.rate).sum::<f64>();
        let unchecked = folder.bytes_unchecked.min(folder.bytes_done);
        let verified = folder.bytes_done - unchecked + runs.iter().map(|run| run.verified).sum::<u64>();
        let received = unchecked + runs.iter().map(|run| run.received).sum::<u64>();
        let size = size(&folder);
        let left = size.saturating_sub(verified + unchecked);
        let ranges = |set: &RangeSet| progress::joined(set.iter());
        let view = TransferView {
            size,
            folder: Some(FolderView {
                files: folder.files.into(),
                done: folder.files_done.into(),
                problems: u64::from(folder.files_failed)
                    + u64::from(folder.folders_failed)
                    + u64::from(folder.left_out),
                is_walking: !folder.walked,
                saved: 0,
            }),
            problem: folder.problem.as_ref().map(|found| folder_problem(found, &self.label())),
            verified,
            received,
            rate,
            seconds_left: (folder.walked && rate > 0.0).then(|| left as f64 / rate),
            blocks: folder.files.into(),
            verified_blocks: ranges(&self.done),
            requested_blocks: self
                .large
                .keys()
                .map(|file| BlockRange { first: file.0.into(), end: u64::from(file.0) + 1 })
                .collect(),
            ..progress::empty(&self.task.transfer, progress::state(folder.phase, folder.checked_percent(), now))
        };
        match (self.waiting.until(), &folder.problem) {
            (Some(until), Some(FolderProblem::Source(found))) => {
                progress::waiting(view, until, now, passing_problem(found, &self.label()))
            }
            _ => match self.waited_for(&folder, &runs) {
                Some((until, found)) => progress::waiting(view, until, now, passing_problem(&found, &self.label())),
                None => view,
            },
        }
    }

    fn end(&self) -> Option<WorkerReport> {
        let progress = self.folder.progress();
        match progress.phase {
            Phase::Complete if self.checks.are_stamps_due() => None,
            Phase::Complete => Some(WorkerReport::Complete { size: size(&progress), root: None }),
            Phase::Paused => Some(WorkerReport::Stopped),
            Phase::Failed if self.is_stopping => Some(WorkerReport::Stopped),
            Phase::Failed if self.remedy(&progress).is_some() => None,
            Phase::Failed => Some(WorkerReport::Failed(progress.problem.as_ref().map_or_else(
                || problem("The download can't go on.", "Try again."),
                |problem| folder_problem(problem, &self.label()),
            ))),
            _ => None,
        }
    }
}

/// Bytes of a folder without the files that failed: they need no room.
const fn size(folder: &FolderProgress) -> u64 {
    folder.bytes.saturating_sub(folder.bytes_failed)
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

/// The run of a large file; 0 is the folder itself.
const fn run_of(file: FileId) -> u32 {
    file.0.saturating_add(1)
}

fn file_of(run: u32) -> Option<FileId> {
    run.checked_sub(1).map(FileId)
}

fn range_of(file: FileId) -> std::ops::Range<u64> {
    let first = u64::from(file.0);
    first..first + 1
}
