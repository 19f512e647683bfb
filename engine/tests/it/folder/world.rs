//! A folder, its server, its link and its storage in virtual time.

mod blows;
mod checks;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use wstp_engine::folder::journal::Form;
use wstp_engine::folder::{
    FileId, FolderCommand, FolderConfig, FolderId, FolderOutput, FolderProblem, FolderTransfer, Listed,
};
use wstp_engine::{ConnectionId, Instant, Phase};
use wstp_protocol::{BundleRequest, ClientMessage, Hash, ListRequest, RequestId, ServerMessage, SharePath};
use wstp_testkit::Random;

pub use self::blows::Blow;
use crate::agenda::Agenda;
use crate::folder::server::ServerScript;
use crate::folder::share::{Share, join};

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
    /// When the welcome leaves the server; no answer leaves before.
    welcomed_at: Instant,
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
    agenda: Agenda<Event>,
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
            agenda: Agenda::default(),
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
        self.agenda.plan(self.now + after, event);
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
        let event = self.agenda.next_at();
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
        let Some((at, event)) = self.agenda.pop() else { return };
        self.now = self.now.max(at);
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
                        Ok(ServerMessage::Compressed(reply)) => drop(wire.asked.remove(&reply.id)),
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
        self.folder.handle_opened(self.now, id, self.scenario.server.takes_early);
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
        let until_welcome = self.wires.get(&id).map_or(Duration::ZERO, |wire| wire.welcomed_at - self.now);
        let is_early = until_welcome > Duration::ZERO;
        let may_be_early = self.scenario.server.takes_early && matches!(message, ClientMessage::List(_));
        assert!(!is_early || may_be_early, "{message:?} came before the welcome");
        for (think, answer) in self.scenario.server.answer(&self.scenario.share, &asked, calm, &mut self.random) {
            let think = think.max(until_welcome);
            if let (ClientMessage::Hello(_), Some(wire)) = (message, self.wires.get_mut(&id)) {
                wire.welcomed_at = self.now + think;
            }
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
