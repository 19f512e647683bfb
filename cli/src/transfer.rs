//! The run loop of one transfer: gives the engine what happened, does what it wants, sleeps. It decides nothing about
//! the transfer itself, only when it is no use to wait any longer.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use wstp_client::store::{BlockFile, Stored};
use wstp_engine::journal::Recovered;
use wstp_engine::{
    Command, Config, ConnectionId, NamedBy, Order, Output, Phase, Problem, Progress, SourceConfig, SourceId,
    SourceKind, StoreError, StoreRequest, Transfer,
};
use wstp_protocol::{BLOCK_SIZE, Hash, MirrorUrl, SharePath};

use crate::AGENT;
use crate::carrier::Happening;
use crate::credentials;
use crate::disk::{Disk, Ended, Storage};
use crate::exit::{Code, Failure, is_too_large};
use crate::get::Share;
use crate::link::Link;
use crate::local_file::LocalFile;
use crate::partial::{Partial, parent};
use crate::place::Place;
use crate::room::Room;
use crate::stream::Queue;
use crate::words::{clause, engine_problem, interrupted, no_connection, nothing_arrived};

const COMMIT_BYTES: u64 = 32 << 20;
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// A journal may grow so far before it is compacted.
const JOURNAL_BYTES: u64 = 64 << 10;
/// How often it is told how things stand, at most.
const TELL: Duration = Duration::from_millis(250);
/// Happenings of all sockets that wait to be looked at; while there are so many, nothing more is read.
const QUEUE: usize = 16;
/// Most mirrors taken of what a server offers.
const MAX_OFFERED: usize = 8;
/// Sleeps are cut into such pieces; the clock of the system can't be set for centuries.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// The file to fetch, and the way to fetch it.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The sources, first a server of the protocol; all of them serve the same file.
    pub places: Vec<Place>,
    /// Whether mirrors that the first server offers are used too.
    pub mirrors: bool,
    /// The transfer's limits.
    pub(crate) share: Share,
    /// How long nothing may arrive before it is given up; `None`: for ever.
    pub patience: Option<Duration>,
    /// Whether a file that changed on the server is fetched as it is now.
    pub update: bool,
    /// Who is told how much from the start is verified.
    pub(crate) queue: Option<Arc<Queue>>,
    /// The target path, if the transfer begins only when the file fits on the disk there.
    pub to_fit: Option<PathBuf>,
}

/// How a transfer stands, with what only the run loop knows.
#[derive(Debug)]
pub struct Standing<'a> {
    /// The engine's part.
    pub progress: &'a Progress,
    /// Its sources, in their order.
    pub places: &'a [Place],
    /// Why the last connection to each of them ended.
    pub last_words: &'a [Option<Failure>],
    /// Time until the next try, while it waits.
    pub wait: Option<Duration>,
    /// The latest fault; begins a clause.
    pub problem: Option<String>,
}

/// The file that arrived, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes.
    pub size: u64,
    /// Its BLAKE3 hash.
    pub root: Hash,
    /// Its last change on the server, in milliseconds since 1970-01-01 UTC, where that is known.
    pub modified_ms: Option<i64>,
}

struct Loop<'a, S: Storage, W> {
    task: &'a Task,
    /// The sources, those that were offered included.
    places: Vec<Place>,
    transfer: Transfer,
    disk: Disk<S>,
    /// The size that was looked at whether it fits.
    fits: Option<u64>,
    /// Connections, each to one of the places.
    links: HashMap<ConnectionId, (usize, Link)>,
    /// Whether there was a connection in this run.
    opened: bool,
    happenings: mpsc::Sender<(ConnectionId, Happening)>,
    began: Instant,
    /// When something arrived last, and how much there was then.
    alive: (Instant, u64),
    /// Why the last connection to each of the places ended.
    last_words: Vec<Option<Failure>>,
    /// The place at whose connection something went wrong last.
    last_trouble: usize,
    disk_error: Option<std::io::Error>,
    modified_ms: Option<i64>,
    /// Why it is being stopped.
    ending: Option<Failure>,
    watch: W,
}

/// Fetches a file into a storage, most often its partial folder, until it is complete there, can't go on, or `stop`
/// says so. Whatever happens, what arrived is on record when this returns, and the storage is given back.
///
/// # Errors
///
/// In words, with the code to end with.
pub(crate) async fn fetch<S: Storage<Request = StoreRequest, Reply = Stored<io::Error>>>(
    task: &Task,
    storage: S,
    recovered: Recovered,
    stop: &CancellationToken,
    watch: impl FnMut(&Standing<'_>),
) -> (Option<S>, Result<Fetched, Failure>) {
    let (happenings, mut happened) = mpsc::channel(QUEUE);
    let began = Instant::now();
    let mut run = Loop {
        transfer: Transfer::resume(config(task), recovered, wstp_engine::Instant(Duration::ZERO)),
        task,
        places: task.places.clone(),
        fits: None,
        disk: Disk::start(storage),
        links: HashMap::new(),
        opened: false,
        happenings,
        began,
        alive: (began, 0),
        last_words: vec![None; task.places.len()],
        last_trouble: 0,
        disk_error: None,
        modified_ms: None,
        ending: None,
        watch,
    };
    let result = run.until_end(&mut happened, stop).await;
    run.tell();
    run.links.clear();
    if let Some(queue) = task.queue.as_ref().filter(|_| result.is_err()) {
        queue.open();
    }
    (run.disk.stop().await.ok(), result)
}

fn config(task: &Task) -> Config {
    Config {
        sources: task.places.iter().enumerate().map(|(index, place)| source(index, place, NamedBy::User)).collect(),
        agent: AGENT.to_owned(),
        connections: task.share.connections,
        memory_budget: task.share.memory,
        commit_bytes: COMMIT_BYTES,
        commit_interval: COMMIT_INTERVAL,
        journal_bytes: JOURNAL_BYTES,
        rate_limit: *task.share.rate.borrow(),
        order: Order::HeadFirst,
        asks_modified: true,
        seed: seed(),
    }
}

/// The source at an index of the places.
fn source(index: usize, place: &Place, named_by: NamedBy) -> SourceConfig {
    let (kind, path) = match place {
        Place::Wstp(source) => (SourceKind::Wstp, source.path.clone()),
        // Its URL says where the file is.
        Place::Http(_) => (SourceKind::Http, SharePath::root()),
    };
    let id = SourceId(u32::try_from(index).unwrap_or(u32::MAX));
    let credential = match (place, named_by) {
        (Place::Wstp(source), NamedBy::User) => credentials::of(&source.address),
        // A mirror is never told what the server is told.
        _ => None,
    };
    SourceConfig { named_by, credential, ..SourceConfig::new(id, kind, path) }
}

/// Different in every process, so that clients of a restarted server do not come in the same moment.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

impl<S: Storage<Request = StoreRequest, Reply = Stored<io::Error>>, W: FnMut(&Standing<'_>)> Loop<'_, S, W> {
    async fn until_end(
        &mut self,
        happened: &mut mpsc::Receiver<(ConnectionId, Happening)>,
        stop: &CancellationToken,
    ) -> Result<Fetched, Failure> {
        let mut ticks = interval(TELL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rate = self.task.share.rate.clone();
        loop {
            self.check_room()?;
            self.perform();
            if let Some(end) = self.end() {
                return end;
            }
            let due = self.due();
            tokio::select! {
                Ok(()) = rate.changed() => {
                    let rate = *rate.borrow_and_update();
                    self.transfer.handle_command(self.now(), Command::SetRateLimit(rate));
                }
                Some((connection, happening)) = happened.recv() => self.handle(connection, happening),
                stored = self.disk.next() => self.stored(stored)?,
                () = sleep_until(due) => self.transfer.handle_timeout(self.now()),
                _ = ticks.tick() => self.tick(),
                () = stop.cancelled(), if self.ending.is_none() => self.stop_for(interrupted(String::new())),
            }
        }
    }

    /// Looks, once it is known how large the file is and before any of it is asked for, whether what is missing fits.
    fn check_room(&mut self) -> Result<(), Failure> {
        let Some(size) = self.transfer.progress().size.filter(|size| self.fits != Some(*size)) else { return Ok(()) };
        self.fits = Some(size);
        let Some(target) = &self.task.to_fit else { return Ok(()) };
        let Some(room) = Room::at(parent(target)) else { return Ok(()) };
        room.check(room.for_file(size, Partial::taken_of(target)), target)
    }

    fn now(&self) -> wstp_engine::Instant {
        wstp_engine::Instant(self.began.elapsed())
    }

    fn due(&self) -> Instant {
        let sleep = self.transfer.poll_timeout().map(|at| at - wstp_engine::Instant::default());
        let longest = self.began.elapsed().saturating_add(LONGEST_SLEEP);
        self.began + sleep.unwrap_or(longest).min(longest)
    }

    fn handle(&mut self, connection: ConnectionId, happening: Happening) {
        // After the engine closed a socket, nothing that comes from it is handed in any more.
        let Some((place, _)) = self.links.get(&connection) else { return };
        let (place, now) = (*place, self.now());
        match happening {
            Happening::Opened { takes_early } => {
                self.opened |= matches!(self.places.get(place), Some(Place::Wstp(_)));
                self.transfer.handle_opened(now, connection, takes_early);
            }
            Happening::Came(frame) => self.transfer.handle_frame(now, connection, frame),
            Happening::Closed(failure) => {
                self.links.remove(&connection);
                self.transfer.handle_closed(now, connection);
                self.closed(place, failure);
            }
        }
    }

    /// Ends the run where the only server can't be reached, for a reason that will be the same at the next try.
    fn closed(&mut self, place: usize, failure: Failure) {
        let is_server = |place: &&Place| matches!(place, Place::Wstp(_));
        let is_only = place == 0 && self.task.places.iter().filter(is_server).count() == 1;
        if failure.lasting && is_only && !self.opened && self.ending.is_none() {
            self.stop_for(failure.clone());
        }
        self.last_trouble = place;
        if let Some(words) = self.last_words.get_mut(place) {
            *words = Some(failure);
        }
    }

    fn stored(&mut self, stored: Result<Stored<io::Error>, Ended>) -> Result<(), Failure> {
        let stored = stored.map_err(|ended| {
            Failure::new(Code::Failed, format!("A defect: {ended}."), "Run the same command again, and report it.")
        })?;
        // The engine fetches missing blocks again. Any other error ends the run, and the first one says why.
        let error = stored.error.filter(|error| LocalFile::kind(error) != StoreError::Missing);
        self.disk_error = self.disk_error.take().or(error);
        self.transfer.handle_stored(self.now(), stored.reply);
        Ok(())
    }

    /// Does what the engine wants until it wants nothing more.
    fn perform(&mut self) {
        while let Some(output) = self.transfer.poll_output() {
            match output {
                Output::Connect { connection, source } => self.connect(connection, source),
                Output::Send { connection, message } => {
                    let sent = self.links.get(&connection).map(|(_, link)| link.send(&message));
                    if sent.is_some_and(|sent| sent.is_err()) {
                        self.links.remove(&connection);
                        self.transfer.handle_closed(self.now(), connection);
                    }
                }
                Output::Disconnect { connection } => drop(self.links.remove(&connection)),
                // Others are believed only where they serve what the first one does.
                Output::Mirrors { source, urls } if source.0 == 0 => self.take_offered(&urls),
                Output::Mirrors { .. } => {}
                Output::Modified { modified_ms } => self.modified_ms = modified_ms,
                Output::Store(request) => self.disk.push(request),
            }
        }
    }

    fn take_offered(&mut self, urls: &[MirrorUrl]) {
        let Some(Place::Wstp(from)) = self.places.first().filter(|_| self.task.mirrors).cloned() else { return };
        for place in urls.iter().filter_map(|url| Place::offered(url, &from.address, &from.path)) {
            if !self.places.contains(&place) && self.places.len() < self.task.places.len() + MAX_OFFERED {
                let config = source(self.places.len(), &place, NamedBy::Server);
                self.places.push(place);
                self.last_words.push(None);
                self.transfer.handle_command(self.now(), Command::AddSource(config));
            }
        }
    }

    fn connect(&mut self, connection: ConnectionId, SourceId(index): SourceId) {
        match self.places.get(index as usize) {
            Some(place) => {
                // A mirror that a server named is never told what the user's own servers are told.
                let is_users = (index as usize) < self.task.places.len();
                let link = Link::connect(place.clone(), is_users, connection, self.happenings.clone());
                self.links.insert(connection, (index as usize, link));
            }
            None => self.transfer.handle_closed(self.now(), connection),
        }
    }

    fn tick(&mut self) {
        self.tell();
        let progress = self.transfer.progress();
        let there = progress.verified + progress.received;
        let arriving = self.look_for_bytes();
        // A server that hashes a large file may need hours for it, and a disk that reads one back.
        let busy = matches!(progress.phase, Phase::Checking | Phase::Verifying)
            && progress.sources.iter().any(|source| source.connections > 0);
        let held = self.task.queue.as_ref().is_some_and(|queue| queue.holds());
        if there != self.alive.1 || arriving || busy || held || self.ending.is_some() {
            self.alive = (Instant::now(), there);
        }
        if self.task.patience.is_some_and(|patience| self.alive.0.elapsed() > patience) {
            self.stop_for(self.unreachable(&progress));
        }
    }

    /// Tells the engine of bytes that are no whole message yet; whether there are any.
    fn look_for_bytes(&mut self) -> bool {
        let now = self.now();
        let mut arriving = false;
        for (connection, (_, link)) in &self.links {
            if link.arrivals().go_on() {
                self.transfer.handle_bytes(now, *connection);
                arriving = true;
            }
        }
        arriving
    }

    fn unreachable(&self, progress: &Progress) -> Failure {
        let reason = match (&progress.problem, self.last_failure()) {
            (Some(Problem::Connection), Some(failure)) => Some(failure.clone()),
            (problem, _) => {
                problem.as_ref().map(|problem| no_connection(&clause(&engine_problem(problem, &self.label()).what)))
            }
        };
        nothing_arrived(reason, self.task.patience.unwrap_or_default())
    }

    /// Why the last connection that ended did.
    fn last_failure(&self) -> Option<&Failure> {
        self.last_words.get(self.last_trouble)?.as_ref()
    }

    fn stop_for(&mut self, failure: Failure) {
        if let Some(queue) = &self.task.queue {
            queue.open();
        }
        self.ending = Some(failure);
        self.transfer.handle_command(self.now(), Command::Pause);
    }

    fn tell(&mut self) {
        let progress = self.transfer.progress();
        let wait = match progress.phase {
            Phase::Waiting(until) => Some(until - self.now()),
            _ => None,
        };
        let problem = self.problem(&progress);
        let last_words = &self.last_words;
        (self.watch)(&Standing { progress: &progress, places: &self.places, last_words, wait, problem });
    }

    /// The latest fault, in words that begin a clause.
    fn problem(&self, progress: &Progress) -> Option<String> {
        match progress.problem.as_ref()? {
            Problem::Connection => Some(
                self.last_failure()
                    .map_or_else(|| "the connection was lost".to_owned(), |failure| clause(&failure.what)),
            ),
            other => {
                let what = engine_problem(other, &self.label()).what;
                Some(what.trim_end_matches('.').to_owned())
            }
        }
    }

    fn label(&self) -> String {
        match self.places.as_slice() {
            [only] => only.label(),
            _ => "a server".to_owned(),
        }
    }

    /// The end, once everything is on record.
    fn end(&mut self) -> Option<Result<Fetched, Failure>> {
        let progress = self.transfer.progress();
        if let Some(queue) = &self.task.queue {
            let verified =
                self.transfer.verified().next().filter(|range| range.start == 0).map_or(0, |range| range.end);
            let ready = verified.saturating_mul(BLOCK_SIZE).min(progress.size.unwrap_or(0));
            queue.tell(ready, progress.root.is_some());
        }
        match progress.phase {
            Phase::Complete => Some(match (progress.size, progress.root) {
                (Some(size), Some(root)) => Ok(Fetched { size, root, modified_ms: self.modified_ms }),
                _ => {
                    Err(Failure::new(Code::Failed, "The download ended without a hash.", "Run the same command again."))
                }
            }),
            Phase::Paused => Some(Err(self.ending.take().unwrap_or_else(|| interrupted(String::new())))),
            Phase::Failed if self.goes_on_with_change(&progress) => None,
            Phase::Failed => Some(Err(self.failure(&progress))),
            _ => None,
        }
    }

    /// The person wants the file as it is now: what still matches is kept.
    fn goes_on_with_change(&mut self, progress: &Progress) -> bool {
        let goes_on = self.task.update && self.ending.is_none() && progress.problem == Some(Problem::Changed);
        if goes_on {
            self.transfer.handle_command(self.now(), Command::Resume);
            self.perform();
        }
        goes_on
    }

    fn failure(&self, progress: &Progress) -> Failure {
        match (&progress.problem, &self.disk_error) {
            (Some(Problem::Storage(_)), Some(error)) if is_too_large(error) => {
                Failure::disk("There can be no file of the size that the server names", error)
            }
            (Some(Problem::Storage(_)), Some(error)) => Failure::disk("The disk failed", error),
            (Some(problem), _) => engine_problem(problem, &self.label()),
            (None, _) => Failure::new(Code::Failed, "The download can't go on.", "Run the same command again."),
        }
    }
}
