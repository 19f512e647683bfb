//! A folder with everything in it: the run loop of the engine's tree, which gets small files itself, and of the transfers of the large ones.
//!
//! Nothing is written outside of the output folder: every local path consists of safe names, and a link within it is not followed. A file that fails
//! does not keep the others from being fetched, unless the reason holds for them too.

mod fetching;
mod outcome;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use wstp_engine::tree::{KeepReply, LeftOut, Listed, TreeCommand, TreeConfig, TreeOutput, TreeProgress, TreeTransfer};
use wstp_engine::{ConnectionId, Phase, StoreError};

use self::fetching::Fetching;
use self::outcome::{Sum, tree_problem};
use crate::AGENT;
use crate::address::Source;
use crate::disk::Disk;
use crate::exit::{Code, Failure};
use crate::folder_store::{FolderStore, Reply, Request, Saved};
use crate::get::{Context, Share};
use crate::layout::Layout;
use crate::names::safe_name;
use crate::partial::shown;
use crate::progress::FolderReport;
use crate::socket::{Happening, Socket};
use crate::transfer::seed;
use crate::words::{engine_problem, interrupted, no_connection};

/// Files fetched by transfers of their own at once.
const MAX_PARALLEL: u8 = 4;
const COMMIT_BYTES: u64 = 64 << 20;
const COMMIT_FILES: u32 = 4096;
const COMMIT_INTERVAL: Duration = Duration::from_secs(3);
/// How often it is told how things stand, at most.
const TELL: Duration = Duration::from_millis(250);
/// Happenings of the socket that wait to be looked at; while there are so many, nothing more is read.
const QUEUE: usize = 16;
/// Sleeps are cut into such pieces; the clock of the system can't be set for centuries.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Fetches everything in a folder.
///
/// # Errors
///
/// When nothing can be fetched at all, or nothing more.
pub async fn get(cx: &Context<'_>, source: &Source) -> Result<Code, Failure> {
    let output = output(cx, source)?;
    let (store, mut recovered) = FolderStore::open(&output, cx.options.update)?;
    let mut layout = Layout::default();
    for (folder, entries) in recovered.listing() {
        layout.add(folder, &entries);
    }
    store.look_after(&mut recovered, &layout);
    let parallel = cx.options.connections.unwrap_or(MAX_PARALLEL).clamp(1, MAX_PARALLEL);
    let share = Share::of(&cx.options, parallel + 1);
    let config = TreeConfig {
        path: source.path.clone(),
        token: None,
        agent: AGENT.to_owned(),
        memory_budget: share.memory,
        rate_limit: cx.options.rate,
        fetches: parallel,
        commit_bytes: COMMIT_BYTES,
        commit_files: COMMIT_FILES,
        commit_interval: COMMIT_INTERVAL,
        seed: seed(),
    };
    let (happenings, happened) = mpsc::channel(QUEUE);
    let began = Instant::now();
    let run = Run {
        cx,
        source,
        sum: Sum::of(&recovered),
        tree: TreeTransfer::resume(config, recovered, wstp_engine::Instant(Duration::ZERO)),
        layout,
        disk: Disk::start(store),
        fetching: Fetching::new(cx, source, &output, parallel, share),
        output,
        socket: None,
        happenings,
        began,
        alive: (began, 0),
        last_words: None,
        disk_failure: None,
        ending: None,
        report: cx.reporter.folder(),
    };
    run.finish(happened).await
}

fn output(cx: &Context<'_>, source: &Source) -> Result<PathBuf, Failure> {
    match (&cx.options.output, source.path.name()) {
        (Some(output), _) => Ok(output.clone()),
        (None, Some(name)) => Ok(safe_name(name).into()),
        (None, None) => Err(Failure::new(
            Code::Usage,
            "A whole server has no name to be saved under.",
            "Say where to with -o PATH.",
        )),
    }
}

struct Run<'a> {
    cx: &'a Context<'a>,
    source: &'a Source,
    output: PathBuf,
    tree: TreeTransfer,
    layout: Layout,
    disk: Disk<FolderStore>,
    fetching: Fetching<'a>,
    socket: Option<(ConnectionId, Socket)>,
    happenings: mpsc::Sender<(ConnectionId, Happening)>,
    began: Instant,
    /// When something happened last, and how many files were done then.
    alive: (Instant, u32),
    /// Why the last connection ended.
    last_words: Option<String>,
    disk_failure: Option<Failure>,
    /// Why it is being stopped.
    ending: Option<Failure>,
    sum: Sum,
    report: FolderReport,
}

impl Run<'_> {
    async fn finish(mut self, mut happened: mpsc::Receiver<(ConnectionId, Happening)>) -> Result<Code, Failure> {
        let result = self.until_settled(&mut happened).await;
        self.report.finish();
        let progress = self.tree.progress();
        let Ok(mut store) = self.disk.stop().await else { return result };
        match &result {
            Ok(_) => {
                for (folder, error) in store.make_folders(&self.layout.folders()) {
                    let failure = Failure::disk(format!("The folder {} can't be made", shown(&folder)), &error);
                    self.cx.reporter.failed(None, &failure);
                    self.sum.fail(failure.code);
                }
                store.discard();
            }
            Err(_) if progress.files_done > 0 => {}
            Err(_) if progress.walked => store.discard(),
            Err(_) => store.discard_with_output(),
        }
        if result.is_ok() || progress.files_done > 0 {
            self.cx.reporter.summary(self.sum.files, self.sum.bytes, self.sum.failed);
        }
        result.map(|_| self.sum.code.unwrap_or(Code::Ok))
    }

    async fn until_settled(
        &mut self,
        happened: &mut mpsc::Receiver<(ConnectionId, Happening)>,
    ) -> Result<Code, Failure> {
        let mut tick = interval(TELL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.perform();
            if let Some(end) = self.end() {
                return end;
            }
            let due = self.due();
            tokio::select! {
                biased;
                () = self.cx.stop.cancelled(), if self.ending.is_none() => self.stop_for(self.interrupted()),
                Some((connection, happening)) = happened.recv() => self.handle(connection, happening),
                reply = self.disk.next() => {
                    let defect = |ended| Failure::new(Code::Failed, format!("A defect: {ended}."), "Run the same command again, and report it.");
                    self.stored(reply.map_err(defect)?);
                }
                (file, target, result) = self.fetching.next(), if !self.fetching.is_idle() => self.fetched(file, &target, result),
                () = sleep_until(due) => self.tree.handle_timeout(self.now()),
                _ = tick.tick() => self.tick(),
            }
        }
    }

    fn now(&self) -> wstp_engine::Instant {
        wstp_engine::Instant(self.began.elapsed())
    }

    fn due(&self) -> Instant {
        let sleep = self.tree.poll_timeout().map(|at| at - wstp_engine::Instant::default());
        let longest = self.began.elapsed().saturating_add(LONGEST_SLEEP);
        self.began + sleep.unwrap_or(longest).min(longest)
    }

    fn handle(&mut self, connection: ConnectionId, happening: Happening) {
        // Of a socket the engine closed, nothing is to be handed in any more.
        if self.socket.as_ref().is_none_or(|(open, _)| *open != connection) {
            return;
        }
        let now = self.now();
        match happening {
            Happening::Opened => self.tree.handle_opened(now, connection),
            Happening::Frame(frame) => {
                self.tree.handle_frame(now, connection, frame);
                // A server that lists for long is alive, though nothing of it arrived yet.
                if self.tree.progress().problem.is_none() {
                    self.alive.0 = Instant::now();
                }
            }
            Happening::Closed(error) => {
                self.last_words = Some(error.to_string());
                self.socket = None;
                self.tree.handle_closed(now, connection);
            }
        }
    }

    /// Does what the engine wants until it wants nothing more.
    fn perform(&mut self) {
        while let Some(output) = self.tree.poll_output() {
            match output {
                TreeOutput::Connect { connection } => {
                    let socket = Socket::connect(self.source.address.clone(), connection, self.happenings.clone());
                    self.socket = Some((connection, socket));
                }
                TreeOutput::Send { connection, message } => {
                    let sent = self.socket.as_ref().map(|(_, socket)| socket.send(&message));
                    if sent.is_some_and(|sent| sent.is_err()) {
                        self.socket = None;
                        self.tree.handle_closed(self.now(), connection);
                    }
                }
                TreeOutput::Disconnect { .. } => self.socket = None,
                TreeOutput::Listed { folder, entries } => {
                    self.layout.add(folder, &entries);
                    let around = self.tree.folder_path(folder);
                    entries.into_iter().for_each(|entry| self.left_out(around.as_str(), entry));
                }
                TreeOutput::Keep { file, root, data, .. } => {
                    let Some(place) = self.layout.file(file) else { continue };
                    self.disk.push(Request::Keep { file, place, root, data });
                }
                TreeOutput::Commit { record } => self.disk.push(Request::Commit { record }),
                TreeOutput::Fetch { file, path, .. } => {
                    let Some(place) = self.layout.file(file) else { continue };
                    self.fetching.start(file, path, &place);
                    self.share_rate();
                }
                TreeOutput::StopFetch { file } => self.fetching.stop(file),
                TreeOutput::FileFailed { file, problem } => {
                    let place = self.layout.file(file).map(|place| self.output.join(place));
                    self.failed(place.as_deref(), engine_problem(&problem, &self.source.address.label()), Some(file));
                }
                TreeOutput::FolderFailed { folder, problem } => {
                    let place = self.layout.folder(folder).map(|place| self.output.join(place));
                    self.failed(place.as_deref(), engine_problem(&problem, &self.source.address.label()), None);
                }
            }
        }
    }

    fn left_out(&mut self, around: &str, entry: Listed) {
        let Listed::LeftOut { name, reason } = entry else { return };
        let path = if around.is_empty() { name } else { format!("{around}/{name}") };
        let (words, missed) = match reason {
            LeftOut::Dangling => ("a link that leads nowhere", false),
            LeftOut::Unreadable => ("the server may not read it", true),
            LeftOut::PathTooLong => ("its path is too long", true),
        };
        self.cx.reporter.skipped(&path, words);
        if missed {
            self.sum.fail(Code::NotFound);
        }
    }

    fn stored(&mut self, reply: Reply) {
        let now = self.now();
        match reply {
            Reply::Kept { file, result: Ok(was_there) } => {
                was_there.into_iter().for_each(|saved| self.saved(&saved, true));
                self.tree.handle_kept(now, file, KeepReply::Done(None));
            }
            Reply::Kept { file, result: Err(failure) } if failure.ends_all => {
                self.disk_failure = Some(failure);
                self.tree.handle_kept(now, file, KeepReply::Failed(StoreError::Full));
            }
            Reply::Kept { file, result: Err(failure) } => {
                let target = self.layout.file(file).map(|place| self.output.join(place));
                self.failed(target.as_deref(), failure, Some(file));
                self.tree.handle_kept(now, file, KeepReply::FileFailed(StoreError::Io));
            }
            Reply::Committed(Ok(saved)) => {
                saved.iter().for_each(|saved| self.saved(saved, false));
                self.tree.handle_committed(now, Ok(()));
            }
            Reply::Committed(Err(failure)) => {
                self.disk_failure = Some(failure);
                self.tree.handle_committed(now, Err(StoreError::Io));
            }
        }
    }

    fn saved(&mut self, saved: &Saved, already: bool) {
        self.sum.add(saved.size);
        self.cx.reporter.saved(&saved.target.to_string_lossy(), saved.size, &saved.root, already);
    }

    fn tick(&mut self) {
        let progress = self.tree.progress();
        if progress.files_done != self.alive.1 || !self.fetching.is_idle() || self.ending.is_some() {
            self.alive = (Instant::now(), progress.files_done);
        }
        self.tell(&progress);
        if self.cx.options.patience.is_some_and(|patience| self.alive.0.elapsed() > patience) {
            self.stop_for(self.unreachable(&progress));
        }
    }

    fn tell(&self, progress: &TreeProgress) {
        let wait = match progress.phase {
            Phase::Waiting(until) => Some(until - self.now()),
            _ => None,
        };
        self.report.tell(progress, wait);
    }

    fn unreachable(&self, progress: &TreeProgress) -> Failure {
        match progress.problem.as_ref().map(|problem| tree_problem(problem, &self.source.address.label())) {
            Some(failure) if failure.code != Code::Unreachable => failure,
            _ => {
                let waited = self.cx.options.patience.unwrap_or_default().as_secs();
                let mut failure = no_connection(self.last_words.as_deref().unwrap_or("nothing arrived"));
                failure.what.push_str(&format!(" Nothing arrived for {waited} s."));
                failure
            }
        }
    }

    fn stop_for(&mut self, failure: Failure) {
        self.ending = Some(failure);
        self.tree.handle_command(self.now(), TreeCommand::Pause);
    }

    fn interrupted(&self) -> Failure {
        let kept = shown(&self.output);
        interrupted(format!("What arrived is kept in {kept}; run the same command again to go on."))
    }

    /// The end, once everything is on record.
    fn end(&mut self) -> Option<Result<Code, Failure>> {
        let progress = self.tree.progress();
        let failure = match progress.phase {
            Phase::Complete => return Some(Ok(Code::Ok)),
            Phase::Paused => self.ending.take().unwrap_or_else(|| self.interrupted()),
            Phase::Failed => match (self.ending.take().or(self.disk_failure.take()), &progress.problem) {
                (Some(failure), _) => failure,
                (None, Some(problem)) => tree_problem(problem, &self.source.address.label()),
                (None, None) => Failure::new(Code::Failed, "The download can't go on.", "Run the same command again."),
            },
            _ => return None,
        };
        Some(Err(failure))
    }

    fn failed(&mut self, target: Option<&Path>, failure: Failure, file: Option<wstp_engine::tree::FileId>) {
        if self.sum.is_told(file) {
            return;
        }
        self.cx.reporter.failed(target.map(|target| target.to_string_lossy()).as_deref(), &failure);
        self.sum.fail(failure.code);
    }
}
