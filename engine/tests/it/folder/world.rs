//! A folder, its server, its link and its storage in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use bytes::Bytes;
use wstp_engine::folder::journal::{Form, Recovered, replay};
use wstp_engine::folder::{
    FetchReply, FileId, FolderCommand, FolderConfig, FolderId, FolderOutput, FolderProblem, FolderTransfer, KeepReply,
    Listed, LookReply, Place,
};
use wstp_engine::{ConnectionId, Instant, Phase, Problem, StoreError};
use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::{BundleRequest, ClientMessage, Hash, ListRequest, RequestId, ServerMessage, SharePath};

use crate::folder::server::ServerScript;
use crate::folder::share::{Share, join, root_of};
use wstp_testkit::Random;

/// An external event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blow {
    Crash,
    Pause,
    Resume,
    Budget(u64),
    RateLimit(Option<u64>),
    /// A crash. Some of the data on disk becomes wrong before the program is started again.
    DamagedCrash,
    /// The server is away for this time.
    Outage(Duration),
    DiskFull {
        after: u32,
    },
}

/// The setup of a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub share: Share,
    pub server: ServerScript,
    pub delay: Duration,
    /// Bytes a second, from the server.
    pub rate: f64,
    /// Whether the program sees each byte arrive, or only whole frames, as a browser does.
    pub sees_bytes: bool,
    /// Connections break after this time on average.
    pub lifetime: Option<Duration>,
    /// The chance that a connection falls silent instead of breaking.
    pub stalls: f64,
    pub memory_budget: u64,
    pub rate_limit: Option<u64>,
    pub fetches: u8,
    /// Whether files exist before: of three small ones one does, one may, and one does not.
    pub looks: bool,
    pub store_time: Duration,
    pub commit_files: u32,
    pub blows: Vec<(Duration, Blow)>,
    /// No random fault occurs after this.
    pub faults_until: Duration,
}

enum Event {
    Connected(ConnectionId),
    Closed(ConnectionId),
    Silent(ConnectionId),
    ToServer(ConnectionId, ClientMessage),
    Answer(ConnectionId, ServerMessage),
    /// Bytes of a frame.
    Bytes(ConnectionId),
    Frame(ConnectionId, Bytes),
    Looked(FileId),
    Checked(FileId, Form),
    Kept(FileId, Bytes, Hash),
    Committed(Vec<u8>),
    Fetched(FileId, String),
    Back,
    Blow(Blow),
}

#[derive(Default)]
struct Wire {
    free_at: Instant,
    silent: bool,
    /// Bundles that are requested and not answered.
    asked: BTreeSet<RequestId>,
}

/// A file on disk: a place in the pack, or a separate file.
#[derive(Clone)]
struct Copy {
    data: Bytes,
    form: Form,
    durable: bool,
}

pub struct World {
    pub scenario: Scenario,
    pub now: Instant,
    pub folder: FolderTransfer,
    pub random: Random,
    /// Every request for files, in order.
    pub bundles: u32,
    pub connects: u32,
    pub keeps: u32,
    pub fetches: u32,
    pub commits: u32,
    /// Files read back.
    pub checks: u32,
    /// The most files that were handed out at the same time.
    pub most_fetches: usize,
    pub arrived_bytes: u64,
    pub failures: u32,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    events: BTreeMap<u64, Event>,
    next_event: u64,
    wires: BTreeMap<ConnectionId, Wire>,
    away: bool,
    folders: BTreeMap<FolderId, String>,
    /// Folders that could not be listed to their end.
    pub folders_failed: Vec<(FolderId, FolderProblem)>,
    /// Paths as they were reported.
    pub paths: BTreeMap<FileId, String>,
    disk: BTreeMap<FileId, Copy>,
    /// Files that were changed on disk and not written since.
    pub damaged: BTreeSet<FileId>,
    /// Files that were written again because of that. The journal may not yet say where they are now.
    mended: BTreeSet<FileId>,
    journal: Vec<u8>,
    pack: u64,
    /// Bytes that the folder handed out and that are not answered yet.
    held: BTreeMap<FileId, u64>,
    fetching: BTreeMap<FileId, bool>,
    full_after: Option<u32>,
    budget: u64,
    allowed: u64,
    paused: bool,
    steps: u64,
}

impl World {
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let config = config(&scenario, random.number());
        let mut world = Self {
            now: Instant::default(),
            folder: FolderTransfer::new(config, Instant::default()),
            random,
            bundles: 0,
            connects: 0,
            keeps: 0,
            fetches: 0,
            commits: 0,
            checks: 0,
            most_fetches: 0,
            arrived_bytes: 0,
            failures: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            wires: BTreeMap::new(),
            away: false,
            folders: BTreeMap::from([(FolderId(0), String::new())]),
            folders_failed: Vec::new(),
            paths: BTreeMap::new(),
            disk: BTreeMap::new(),
            damaged: BTreeSet::new(),
            mended: BTreeSet::new(),
            journal: Vec::new(),
            pack: 0,
            held: BTreeMap::new(),
            fetching: BTreeMap::new(),
            full_after: None,
            budget: scenario.memory_budget,
            allowed: scenario.memory_budget,
            paused: false,
            steps: 0,
            scenario,
        };
        for (at, blow) in world.scenario.blows.clone() {
            world.schedule(at, Event::Blow(blow));
        }
        world
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        let number = self.next_event;
        self.next_event += 1;
        self.queue.push(Reverse((self.now + after, number)));
        self.events.insert(number, event);
    }

    /// Runs until the folder is complete, or failed for good.
    pub fn run(&mut self) -> Phase {
        while self.step() {}
        self.folder.progress().phase
    }

    /// Runs until `happened`; false if it ends before.
    pub fn run_until(&mut self, happened: impl Fn(&Self) -> bool) -> bool {
        while !happened(self) {
            if !self.step() {
                return false;
            }
        }
        true
    }

    /// One step. False when no event is left that could matter.
    pub fn step(&mut self) -> bool {
        self.perform();
        self.check();
        match self.folder.progress().phase {
            Phase::Complete if !self.retry() => return false,
            Phase::Failed if !self.recover() => return false,
            Phase::Paused if !self.paused => self.folder.handle_command(self.now, FolderCommand::Resume),
            _ => {}
        }
        self.perform();
        self.steps += 1;
        assert!(self.steps < 1_000_000, "it goes in circles: {:?}", self.folder.progress());
        let timeout = self.folder.poll_timeout();
        let event = self.queue.peek().map(|Reverse((at, _))| *at);
        match (timeout, event) {
            (None, None) => panic!("nothing will ever happen again: {:?}", self.folder.progress()),
            (Some(timeout), event) if event.is_none_or(|event| timeout < event) => {
                self.now = self.now.max(timeout);
                self.folder.handle_timeout(self.now);
            }
            _ => self.next(),
        }
        assert!(self.now.0 < Duration::from_secs(7200), "it never ends: {:?}", self.folder.progress());
        true
    }

    fn next(&mut self) {
        let Some(Reverse((at, number))) = self.queue.pop() else { return };
        self.now = self.now.max(at);
        let Some(event) = self.events.remove(&number) else { return };
        match event {
            Event::Connected(id) => self.connected(id),
            Event::Closed(id) => {
                if self.wires.remove(&id).is_some() {
                    self.folder.handle_closed(self.now, id);
                }
            }
            Event::Silent(id) => {
                if let Some(wire) = self.wires.get_mut(&id) {
                    wire.silent = true;
                }
            }
            Event::ToServer(id, message) => self.ask_server(id, &message),
            Event::Answer(id, answer) => self.transmit(id, &answer),
            Event::Frame(id, frame) => {
                if let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.silent) {
                    match ServerMessage::decode(frame.clone()) {
                        Ok(ServerMessage::Bundle(reply)) => drop(wire.asked.remove(&reply.id)),
                        Ok(ServerMessage::Failure(failure)) => drop(failure.id.map(|id| wire.asked.remove(&id))),
                        _ => {}
                    }
                    self.arrived_bytes += frame.len() as u64;
                    self.folder.handle_frame(self.now, id, frame);
                }
            }
            Event::Bytes(id) => {
                if self.wires.get(&id).is_some_and(|wire| !wire.silent) {
                    self.folder.handle_bytes(self.now, id);
                }
            }
            Event::Looked(file) => self.looked(file),
            Event::Checked(file, form) => self.checked(file, form),
            Event::Kept(file, data, root) => self.kept(file, data, root),
            Event::Committed(record) => self.committed(&record),
            Event::Fetched(file, path) => self.fetched(file, &path),
            Event::Back => self.away = false,
            Event::Blow(blow) => self.blow(blow),
        }
    }

    fn perform(&mut self) {
        while let Some(output) = self.folder.poll_output() {
            match output {
                FolderOutput::Connect { connection } => self.connect(connection),
                FolderOutput::Send { connection, message } => {
                    let frame = message.encode();
                    assert_eq!(ClientMessage::decode(&frame).as_ref(), Ok(&message), "a server could not decode this");
                    let wire = self.wires.get_mut(&connection).expect("only what is open is sent to");
                    if let ClientMessage::Bundle(ask) = &message {
                        wire.asked.insert(ask.id);
                        self.bundles += 1;
                    }
                    self.schedule(self.scenario.delay, Event::ToServer(connection, message));
                }
                FolderOutput::Disconnect { connection } => {
                    assert!(self.wires.remove(&connection).is_some(), "only what is open is closed");
                }
                FolderOutput::Listed { folder, entries } => self.listed(folder, entries),
                FolderOutput::Look { files } => {
                    for file in files {
                        let time = self.random.up_to(self.scenario.store_time);
                        self.schedule(time, Event::Looked(file));
                    }
                }
                FolderOutput::Check { file, stored } => {
                    self.checks += 1;
                    let time = self.random.up_to(self.scenario.store_time);
                    self.schedule(time, Event::Checked(file, stored.form));
                }
                FolderOutput::Keep { file, path, root, data, .. } => {
                    self.check_path(file, &path);
                    self.keeps += 1;
                    assert!(self.held.insert(file, data.len() as u64).is_none(), "a file is kept twice at once");
                    let time = self.random.up_to(self.scenario.store_time);
                    self.schedule(time, Event::Kept(file, data, root));
                }
                FolderOutput::Fetch { file, path, .. } => {
                    self.check_path(file, &path);
                    assert!(self.fetching.insert(file, false).is_none(), "a file is fetched twice at once");
                    self.fetches += 1;
                    self.most_fetches = self.most_fetches.max(self.fetching.len());
                    let time = self.random.up_to(self.scenario.store_time * 100);
                    self.schedule(time, Event::Fetched(file, path.to_string()));
                }
                FolderOutput::StopFetch { file } => *self.fetching.get_mut(&file).expect("it is being fetched") = true,
                FolderOutput::Commit { record } => {
                    self.commits += 1;
                    // The record may mention only files that were kept before it, whatever is kept meanwhile.
                    self.disk.values_mut().for_each(|copy| copy.durable = true);
                    let time = self.random.up_to(self.scenario.store_time * 10);
                    self.schedule(time, Event::Committed(record));
                }
                FolderOutput::FileFailed { file, .. } => assert!(self.paths.contains_key(&file)),
                FolderOutput::FolderFailed { folder, problem } => {
                    assert!(self.folders.contains_key(&folder));
                    self.folders_failed.push((folder, problem));
                }
            }
        }
    }

    fn looked(&mut self, file: FileId) {
        let path = self.paths.get(&file).expect("a file is told before it is looked for").clone();
        let reply = match (file.0 % 3, self.scenario.share.find(&path)) {
            (1, Some(node)) if node.trouble.is_none() => {
                let (data, size, root) = (node.data.clone(), node.data.len() as u64, root_of(&node.data));
                self.store(file, Copy { data, form: Form::Own, durable: true });
                LookReply::Same { size, root }
            }
            (2, _) => LookReply::Unsure,
            _ => LookReply::Missing,
        };
        self.folder.handle_looked(self.now, file, reply);
    }

    /// Reports the copy on disk of a file that was stored before.
    fn checked(&mut self, file: FileId, form: Form) {
        let reply = match self.disk.get(&file).filter(|copy| copy.form == form) {
            Some(copy) if !self.damaged.contains(&file) => {
                LookReply::Same { size: copy.data.len() as u64, root: root_of(&copy.data) }
            }
            Some(copy) if copy.form == Form::Fetched => LookReply::Unsure,
            _ => LookReply::Missing,
        };
        self.folder.handle_looked(self.now, file, reply);
    }

    fn store(&mut self, file: FileId, copy: Copy) {
        self.disk.insert(file, copy);
        if self.damaged.remove(&file) {
            self.mended.insert(file);
        }
    }

    fn check_path(&self, file: FileId, path: &SharePath) {
        let path = path.as_str();
        let within = path.strip_prefix("top/").unwrap_or_else(|| panic!("{path} is not in the folder"));
        assert_eq!(self.paths.get(&file).map(String::as_str), Some(within), "a file was told under another path");
    }

    fn listed(&mut self, folder: FolderId, entries: Vec<Listed>) {
        let around = self.folders.get(&folder).expect("a folder is told before what is in it").clone();
        for entry in entries {
            let known = match entry {
                Listed::Folder { id, name } => self.folders.insert(id, join(&around, &name)),
                Listed::File { id, name, .. } => self.paths.insert(id, join(&around, &name)),
                Listed::LeftOut { .. } => None,
            };
            assert_eq!(known, None, "an entry is told twice");
        }
    }

    fn connect(&mut self, id: ConnectionId) {
        self.connects += 1;
        assert!(self.wires.is_empty(), "one connection at a time");
        self.wires.insert(id, Wire { free_at: self.now, ..Wire::default() });
        let event = if self.away { Event::Closed(id) } else { Event::Connected(id) };
        self.schedule(self.scenario.delay, event);
    }

    fn is_calm(&self) -> bool {
        self.now.0 >= self.scenario.faults_until
    }

    fn connected(&mut self, id: ConnectionId) {
        if !self.wires.contains_key(&id) {
            return;
        }
        if let Some(lifetime) = self.scenario.lifetime.filter(|_| !self.is_calm()) {
            let end = self.random.up_to(lifetime * 2);
            let silent = self.random.chance(self.scenario.stalls);
            self.schedule(end, if silent { Event::Silent(id) } else { Event::Closed(id) });
        }
        self.folder.handle_opened(self.now, id);
    }

    fn ask_server(&mut self, id: ConnectionId, message: &ClientMessage) {
        if self.away || !self.wires.contains_key(&id) {
            return;
        }
        let mut asked = message.clone();
        if let ClientMessage::List(ListRequest { path, .. }) | ClientMessage::Bundle(BundleRequest { path, .. }) =
            &mut asked
        {
            // The folder is one folder on the server.
            let inner =
                path.as_str().strip_prefix("top").expect("only the folder is asked about").trim_start_matches('/');
            *path = SharePath::parse(inner).expect("a part of a path is a path");
        }
        let calm = self.is_calm();
        for (think, answer) in self.scenario.server.answer(&self.scenario.share, &asked, calm, &mut self.random) {
            self.schedule(think, Event::Answer(id, answer));
        }
    }

    fn transmit(&mut self, id: ConnectionId, answer: &ServerMessage) {
        let frame = Bytes::from(answer.encode());
        let time = Duration::from_secs_f64(frame.len() as f64 / self.scenario.rate);
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let begin = wire.free_at.max(self.now);
        wire.free_at = begin + time;
        let after = (wire.free_at - self.now) + self.scenario.delay;
        if self.scenario.sees_bytes {
            let begin = (begin - self.now) + self.scenario.delay;
            for second in 1..=(after - begin).as_secs() {
                self.schedule(begin + Duration::from_secs(second), Event::Bytes(id));
            }
        }
        self.schedule(after, Event::Frame(id, frame));
    }

    /// Whether storage has no room. Counts the requests to it.
    fn is_full(&mut self) -> bool {
        match &mut self.full_after {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn kept(&mut self, file: FileId, data: Bytes, root: Hash) {
        self.held.remove(&file);
        if self.is_full() {
            return self.folder.handle_kept(self.now, file, KeepReply::Failed(StoreError::Full));
        }
        assert_eq!(root_of(&data), root);
        let length = data.len() as u64;
        let place = self.random.chance(0.5).then_some(Place { offset: self.pack, length });
        self.pack += length;
        self.store(file, Copy { data, form: place.map_or(Form::Own, Form::Packed), durable: false });
        self.folder.handle_kept(self.now, file, KeepReply::Done(place));
    }

    fn committed(&mut self, record: &[u8]) {
        if self.is_full() {
            return self.folder.handle_committed(self.now, Err(StoreError::Full));
        }
        self.journal.extend_from_slice(record);
        self.folder.handle_committed(self.now, Ok(()));
    }

    fn fetched(&mut self, file: FileId, path: &str) {
        let Some(stopped) = self.fetching.remove(&file) else { return };
        let path = path.strip_prefix("top/").expect("it is in the folder");
        let node = self.scenario.share.find(path).expect("only what was listed is fetched").clone();
        let reply = match node.trouble {
            _ if stopped => FetchReply::Stopped,
            Some(code) => FetchReply::FileFailed(Problem::Server { code, text: String::new() }),
            None => {
                let (size, root) = (node.data.len() as u64, root_of(&node.data));
                self.store(file, Copy { data: node.data, form: Form::Fetched, durable: true });
                FetchReply::Done { size, root }
            }
        };
        self.folder.handle_fetched(self.now, file, reply);
    }

    /// An external event.
    pub fn blow(&mut self, blow: Blow) {
        match blow {
            Blow::Crash => self.crash(),
            Blow::DamagedCrash => {
                let chance = self.random.pick(&[0.1, 0.5, 1.0]);
                let files: Vec<_> = self.disk.keys().copied().collect();
                for file in files {
                    if self.random.chance(chance) {
                        self.damaged.insert(file);
                    }
                }
                self.crash();
            }
            Blow::Pause => {
                self.paused = true;
                self.folder.handle_command(self.now, FolderCommand::Pause);
            }
            Blow::Resume => {
                self.paused = false;
                self.folder.handle_command(self.now, FolderCommand::Resume);
            }
            Blow::Budget(bytes) => {
                self.budget = bytes;
                self.folder.handle_command(self.now, FolderCommand::SetMemoryBudget(bytes));
            }
            Blow::RateLimit(rate) => self.folder.handle_command(self.now, FolderCommand::SetRateLimit(rate)),
            Blow::Outage(down) => {
                self.away = true;
                self.scenario.server.life += 1;
                self.schedule(down, Event::Back);
                for id in self.wires.keys().copied().collect::<Vec<_>>() {
                    self.schedule(Duration::ZERO, Event::Closed(id));
                }
            }
            Blow::DiskFull { after } => self.full_after = Some(after),
        }
    }

    /// The program dies and is started again. Data that was not durable is gone, and the last record may be torn.
    fn crash(&mut self) {
        let writing = self.events.values().find_map(|event| match event {
            Event::Committed(record) => Some(record.clone()),
            _ => None,
        });
        if let Some(record) = writing {
            let torn = self.random.below(record.len() as u64 + 1) as usize;
            self.journal.extend_from_slice(&record[..torn]);
        }
        self.disk.retain(|_, copy| copy.durable);
        self.damaged.retain(|file| self.disk.contains_key(file));
        self.events.retain(|_, event| matches!(event, Event::Blow(_) | Event::Back));
        (self.wires, self.held, self.fetching) = Default::default();
        self.folders = BTreeMap::from([(FolderId(0), String::new())]);
        self.paths.clear();
        let (recovered, valid) = replay(&self.journal);
        self.journal.truncate(valid as usize);
        self.check_recovered(&recovered);
        let config = FolderConfig { memory_budget: self.budget, ..config(&self.scenario, self.random.number()) };
        self.folder = FolderTransfer::resume(config, recovered, self.now);
        self.paused = false;
        self.allowed = self.budget;
    }

    /// The journal claims only data that is on disk, as it is on the server.
    fn check_recovered(&self, recovered: &Recovered) {
        for (file, stored) in recovered.stored().filter(|(file, _)| !self.damaged.contains(file)) {
            let copy = self.disk.get(&file).filter(|copy| copy.form == stored.form || !self.mended.contains(&file));
            let Some(copy) = copy else {
                assert!(self.mended.contains(&file), "the journal claims a file that is not there");
                continue;
            };
            let path = recovered.path(file).expect("a stored file has a path");
            let node = self.scenario.share.find(path.as_str()).expect("the server has it");
            assert_eq!(
                (copy.form, stored.root, stored.size),
                (stored.form, root_of(&node.data), node.data.len() as u64)
            );
            assert!(copy.data == node.data, "{path} is not the server's");
        }
    }

    /// The user makes room. False if that does not help.
    fn recover(&mut self) -> bool {
        self.failures += 1;
        let helps = self.full_after.take().is_some() || !self.is_calm();
        if helps {
            self.folder.handle_command(self.now, FolderCommand::Resume);
        }
        helps
    }

    /// The user retries files that failed only because bits flipped. False if there are none.
    fn retry(&mut self) -> bool {
        let lost = self.scenario.share.files().filter(|(_, node)| node.trouble.is_some()).count();
        let retries = self.scenario.server.corruption > 0.0 && self.folder.progress().files_failed as usize > lost;
        if retries {
            self.folder.handle_command(self.now, FolderCommand::Resume);
        }
        retries
    }

    fn check(&mut self) {
        // Every requested item may come as a whole frame.
        let asked: usize = self.wires.values().map(|wire| wire.asked.len() * MAX_SERVER_FRAME).sum();
        let in_memory = asked as u64 + self.held.values().sum::<u64>();
        self.allowed = self.allowed.max(self.budget).max(MAX_SERVER_FRAME as u64);
        assert!(in_memory <= self.allowed, "{in_memory} bytes in memory");
        self.allowed = self.allowed.min(in_memory).max(self.budget);
        assert!(self.fetching.len() <= usize::from(self.scenario.fetches.max(1)), "too many files are handed out");
        let progress = self.folder.progress();
        let is_settled = matches!(progress.phase, Phase::Paused | Phase::Failed | Phase::Complete);
        let is_idle = self.held.is_empty() && self.fetching.is_empty() && self.wires.is_empty();
        assert!(!is_settled || is_idle, "it says that it ended, and has not");
        assert!(progress.files_done + progress.files_failed <= progress.files, "{progress:?}");
        assert!(progress.bytes_done <= progress.bytes, "{progress:?}");
    }

    /// Every file is right on disk, or has failed, and the journal says the same.
    pub fn check_complete(&self) {
        let progress = self.folder.progress();
        assert_eq!(progress.phase, Phase::Complete, "{progress:?}");
        let told: BTreeMap<_, _> = self.paths.iter().map(|(file, path)| (path.as_str(), *file)).collect();
        let (recovered, valid) = replay(&self.journal);
        assert!(recovered.is_complete() && valid == self.journal.len() as u64);
        self.check_recovered(&recovered);
        let stored: BTreeMap<_, _> = recovered.stored().collect();
        let (mut good, mut bad) = (0, 0);
        for (path, node) in self.scenario.share.files() {
            let file = told.get(path.as_str()).unwrap_or_else(|| panic!("{path} was not told"));
            if node.trouble.is_some() {
                bad += 1;
            } else {
                assert!(stored.contains_key(file), "{path} is not on record");
                assert!(!self.damaged.contains(file), "{path} is wrong, and called complete");
                let form = self.disk.get(file).map(|copy| copy.form);
                assert_eq!(form, stored.get(file).map(|stored| stored.form), "{path} is not where the journal says");
                good += 1;
            }
        }
        assert_eq!((progress.files, progress.files_done, progress.files_failed), (good + bad, good, bad));
        assert!(progress.walked && progress.folders as usize == self.scenario.share.folders.len());
    }
}

fn config(scenario: &Scenario, seed: u64) -> FolderConfig {
    FolderConfig {
        looks: scenario.looks,
        path: SharePath::parse("top").expect("a plain path"),
        credential: None,
        agent: "simulation".into(),
        memory_budget: scenario.memory_budget,
        rate_limit: scenario.rate_limit,
        fetches: scenario.fetches,
        commit_bytes: 16 << 20,
        commit_files: scenario.commit_files,
        commit_interval: Duration::from_millis(500),
        seed,
    }
}
