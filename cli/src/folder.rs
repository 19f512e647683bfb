//! A folder with everything in it. This is the run loop of the engine's folder transfer, which fetches small files
//! itself, and of the transfers of large files.
//!
//! Nothing is written outside of the output folder: every local path consists of safe names, and a link within it is
//! not followed. A file that fails does not stop the others, unless the reason holds for them too.

mod ending;
mod fetching;
mod fitting;
mod outputs;
mod sum;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use wstp_engine::folder::{FileState, FolderCommand, FolderConfig, FolderProgress, FolderTransfer};
use wstp_engine::{ConnectionId, Phase};

use self::ending::defect;
use self::fetching::Fetching;
use self::sum::Sum;
use crate::AGENT;
use crate::address::Source;
use crate::carrier::{Carrier, Happening};
use crate::credentials;
use crate::disk::Disk;
use crate::exit::{Code, Failure};
use crate::folder_store::FolderStore;
use crate::get::{Context, MEMORY};
use crate::layout::{Entry, Layout};
use crate::names::{Why, on_disk};
use crate::partial::shown;
use crate::progress::FolderReport;
use crate::transfer::seed;
use crate::trial::Trial;

/// Files that their own transfers fetch at once.
const MAX_PARALLEL: u8 = 4;
const COMMIT_BYTES: u64 = 64 << 20;
const COMMIT_FILES: u32 = 4096;
const COMMIT_INTERVAL: Duration = Duration::from_secs(3);
/// The shortest time between two reports of progress.
const TELL: Duration = Duration::from_millis(250);
/// Events of the socket that wait to be processed. While there are this many, nothing more is read.
const QUEUE: usize = 16;
/// Sleeps are cut into pieces of this length; the system's clock can't be set for centuries.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Fetches everything in a folder.
///
/// # Errors
///
/// When nothing can be fetched at all, or nothing more.
pub async fn get(cx: &Context<'_>, source: &Source) -> Result<Code, Failure> {
    let (output, why) = output(cx, source)?;
    let (store, mut recovered) = FolderStore::open(&output, cx.options.update)?;
    let mut layout = Layout::new(store.trial());
    for (folder, entries) in recovered.listing() {
        layout.add(folder, &entries);
    }
    store.look_after(&mut recovered, &layout);
    let parallel = cx.options.connections.unwrap_or(MAX_PARALLEL).clamp(1, MAX_PARALLEL);
    // One share for the small files, and one for each large one.
    let memory = MEMORY / (u64::from(parallel) + 1);
    let config = FolderConfig {
        path: source.path.clone(),
        credential: credentials::of(&source.address),
        agent: AGENT.to_owned(),
        memory_budget: memory,
        rate_limit: cx.options.rate,
        fetches: parallel,
        commit_bytes: COMMIT_BYTES,
        commit_files: COMMIT_FILES,
        commit_interval: COMMIT_INTERVAL,
        looks: !store.is_new(),
        seed: seed(),
    };
    let (happenings, happened) = mpsc::channel(QUEUE);
    let began = Instant::now();
    let mut folder_loop = FolderLoop {
        cx,
        is_new: store.is_new(),
        source,
        sum: Sum::of(&recovered),
        folder: FolderTransfer::resume(config, recovered, wstp_engine::Instant(Duration::ZERO)),
        layout,
        fetching: Fetching::new(cx, source, (&output, store.claims()), parallel, memory),
        disk: Disk::start(store),
        output: output.clone(),
        socket: None,
        happenings,
        began,
        alive: (began, 0),
        last_words: None,
        opened: false,
        disk_failure: None,
        ending: None,
        looked_at: 0,
        rate: cx.options.rate,
        report: cx.reporter.folder(),
    };
    // The transfer retries everything that failed in an earlier run.
    folder_loop.folder.handle_command(wstp_engine::Instant(Duration::ZERO), FolderCommand::Resume);
    let ended = folder_loop.finish(happened).await;
    if let (true, Some(why), Some(name)) = (output.is_dir(), why, source.path.name()) {
        cx.reporter.renamed(name, &output.to_string_lossy(), why);
    }
    ended
}

/// The path of the output, and why its name differs from the server's.
fn output(cx: &Context<'_>, source: &Source) -> Result<(PathBuf, Option<Why>), Failure> {
    match (&cx.options.output, source.path.name()) {
        (Some(output), _) => Ok((output.clone(), None)),
        (None, Some(name)) => {
            let (name, why) = Trial::within(Path::new("")).fit(name);
            Ok((on_disk(&name).into(), why))
        }
        (None, None) => Err(Failure::new(
            Code::Usage,
            "A whole server has no name to be saved under.",
            "Say where to with -o PATH.",
        )),
    }
}

/// The run loop of one folder.
struct FolderLoop<'a> {
    cx: &'a Context<'a>,
    source: &'a Source,
    output: PathBuf,
    folder: FolderTransfer,
    layout: Layout,
    disk: Disk<FolderStore>,
    fetching: Fetching<'a>,
    socket: Option<(ConnectionId, Carrier)>,
    happenings: mpsc::Sender<(ConnectionId, Happening)>,
    began: Instant,
    /// The time of the last event, and how many files were done then.
    alive: (Instant, u32),
    /// Why the last connection ended.
    last_words: Option<Failure>,
    /// Whether there was a connection in this run.
    opened: bool,
    disk_failure: Option<Failure>,
    /// The reason why it is being stopped.
    ending: Option<Failure>,
    /// Bytes in the folder at the last check whether they fit on the disk.
    looked_at: u64,
    /// Whether the output did not exist before.
    is_new: bool,
    sum: Sum,
    /// Bytes a second for each transfer that fetches now.
    rate: Option<u64>,
    report: FolderReport,
}

impl FolderLoop<'_> {
    async fn finish(mut self, mut happened: mpsc::Receiver<(ConnectionId, Happening)>) -> Result<Code, Failure> {
        let result = self.until_settled(&mut happened).await;
        let progress = self.folder.progress();
        self.tell(&progress);
        self.report.finish();
        if result.is_ok() {
            self.renamed();
            self.missed(&progress);
        }
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
            Err(_) => store.discard_with_output(),
        }
        if result.is_ok() || progress.files_done > 0 {
            self.cx.reporter.summary(self.sum.files, self.sum.bytes, self.sum.failed);
        }
        result.map(|_| self.sum.code.unwrap_or(Code::Ok))
    }

    /// Reports the entries with another name here than on the server.
    fn renamed(&self) {
        for (entry, why) in self.layout.renamed() {
            let path = match *entry {
                Entry::Folder(id) => Some(self.folder.folder_path(id)),
                Entry::File(id) => {
                    self.folder.file(id).filter(|file| file.state == FileState::Done).map(|file| file.path)
                }
            };
            if let (Some(path), Some(place)) = (path, self.layout.place(*entry)) {
                self.cx.reporter.renamed(path.as_str(), &self.output.join(place).to_string_lossy(), *why);
            }
        }
    }

    /// An earlier run of this download may have reported entries that are left out. They are still missing.
    fn missed(&mut self, progress: &FolderProgress) {
        if progress.left_out > 0 && self.sum.code.is_none() {
            let what = match progress.left_out {
                1 => "One entry of the folder is left out.".to_owned(),
                left_out => format!("{left_out} entries of the folder are left out."),
            };
            let failure = Failure::new(Code::NotFound, what, "Run the same command again to see which.");
            self.cx.reporter.failed(None, &failure);
            self.sum.fail(failure.code);
        }
    }

    async fn until_settled(
        &mut self,
        happened: &mut mpsc::Receiver<(ConnectionId, Happening)>,
    ) -> Result<Code, Failure> {
        let mut tick = interval(TELL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.check_room() {
                // Before any of it was requested.
                Err(failure) if self.folder.progress().files_done == 0 && self.fetching.is_idle() => {
                    return Err(failure);
                }
                Err(failure) => self.stop_for(failure),
                Ok(()) => {}
            }
            self.perform();
            self.share_rate();
            if let Some(end) = self.end() {
                return end;
            }
            let due = self.due();
            tokio::select! {
                biased;
                () = self.cx.stop.cancelled(), if self.ending.is_none() => self.stop_for(self.interrupted()),
                Some((connection, happening)) = happened.recv() => self.handle(connection, happening),
                reply = self.disk.next() => self.stored(reply.map_err(|ended| defect(&ended))?),
                (file, target, result) = self.fetching.next(), if !self.fetching.is_idle() => {
                    self.fetched(file, &target, result);
                }
                () = sleep_until(due) => self.folder.handle_timeout(self.now()),
                _ = tick.tick() => self.tick(),
            }
        }
    }

    fn now(&self) -> wstp_engine::Instant {
        wstp_engine::Instant(self.began.elapsed())
    }

    fn due(&self) -> Instant {
        let sleep = self.folder.poll_timeout().map(|at| at - wstp_engine::Instant::default());
        let longest = self.began.elapsed().saturating_add(LONGEST_SLEEP);
        self.began + sleep.unwrap_or(longest).min(longest)
    }

    fn handle(&mut self, connection: ConnectionId, happening: Happening) {
        // Hand in nothing more from a socket that the engine closed.
        if self.socket.as_ref().is_none_or(|(open, _)| *open != connection) {
            return;
        }
        let now = self.now();
        match happening {
            Happening::Opened { takes_early } => {
                self.opened = true;
                self.folder.handle_opened(now, connection, takes_early);
            }
            Happening::Came(frame) => {
                self.folder.handle_frame(now, connection, frame);
                // A server that lists for a long time is alive, though no file has arrived yet.
                if self.folder.progress().problem.is_none() {
                    self.alive.0 = Instant::now();
                }
            }
            Happening::Closed(failure) => {
                self.socket = None;
                self.folder.handle_closed(now, connection);
                if failure.lasting && !self.opened && self.ending.is_none() {
                    self.stop_for(failure.clone());
                }
                self.last_words = Some(failure);
            }
        }
    }

    fn tick(&mut self) {
        let progress = self.folder.progress();
        let busy = !self.fetching.is_idle() || progress.phase == Phase::Checking;
        if progress.files_done != self.alive.1 || self.look_for_bytes() || busy || self.ending.is_some() {
            self.alive = (Instant::now(), progress.files_done);
        }
        self.tell(&progress);
        if self.cx.options.patience.is_some_and(|patience| self.alive.0.elapsed() > patience) {
            self.stop_for(self.unreachable(&progress));
        }
    }

    /// Tells the engine of bytes that are no whole message yet. Returns whether there are any.
    fn look_for_bytes(&mut self) -> bool {
        let now = self.now();
        let Some((connection, socket)) = &self.socket else { return false };
        let arriving = socket.arrivals().go_on();
        if arriving {
            self.folder.handle_bytes(now, *connection);
        }
        arriving
    }

    fn tell(&self, progress: &FolderProgress) {
        let wait = match progress.phase {
            Phase::Waiting(until) => Some(until - self.now()),
            _ => None,
        };
        self.report.tell(progress, wait);
    }

    fn stop_for(&mut self, failure: Failure) {
        self.ending = Some(failure);
        self.folder.handle_command(self.now(), FolderCommand::Pause);
    }
}
