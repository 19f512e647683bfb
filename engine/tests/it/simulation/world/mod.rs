//! A transfer, its servers, its links and its disk in virtual time.

mod blows;
mod checks;
mod links;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use wstp_engine::http_source::{HttpAnswer, HttpRequest};
use wstp_engine::{
    Command, Config, ConnectionId, Incoming, Instant, Order, Output, Phase, Problem, RangeSet, SourceConfig, SourceId,
    SourceKind, StoreReply, StoreRequest, Transfer,
};
use wstp_protocol::{BlockRun, ClientMessage, MirrorUrl, RequestId, ServerMessage, SharePath};

use crate::agenda::Agenda;
use crate::simulation::content::Edition;
use crate::simulation::disk::{Crash, Damage, Disk};
use crate::simulation::server::{Server, ServerScript};
use links::Wire;
use wstp_testkit::Random;

/// How a link behaves.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub delay: Duration,
    /// Bytes a second, from the server.
    pub rate: f64,
    /// Whether all connections to the server share that.
    pub shared: bool,
    /// Whether the program sees bytes arrive, or whole frames only, as a browser does.
    pub sees_bytes: bool,
    /// Connections break after so long on average.
    pub lifetime: Option<Duration>,
    /// The chance that a connection falls silent instead of breaking.
    pub stalls: f64,
    /// The chance that a connection can't be made.
    pub refused: f64,
}

/// An event that strikes a transfer from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    Crash(Crash),
    /// The same, and before the program is started again, this happens to what is stored.
    DamagedCrash(Crash, Damage),
    /// This happens, while the program runs, to what an earlier run stored and this one has not read back.
    Damage(Damage),
    RestartServers {
        down: Duration,
    },
    ChangeFile(Edition),
    Pause,
    Resume,
    Connections(u8),
    Budget(u64),
    Order(Order),
    AddSource(u32),
    RemoveSource(u32),
    /// A server is gone for good.
    ServerDies(usize),
    RateLimit(Option<u64>),
    DiskFull {
        after: u32,
    },
}

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub edition: Edition,
    pub servers: Vec<(ServerScript, Link)>,
    /// At most.
    pub connections: u8,
    /// Whether the transfer finds out by itself how many connections help.
    pub automatic: bool,
    pub memory_budget: u64,
    pub rate_limit: Option<u64>,
    pub commit_bytes: u64,
    pub commit_interval: Duration,
    pub journal_bytes: u64,
    pub store_time: Duration,
    pub blows: Vec<(Duration, Blow)>,
    /// Nothing goes wrong by chance after this.
    pub faults_until: Duration,
    /// Bytes of another file where this one will be.
    pub rubbish: usize,
}

enum Event {
    Connected(ConnectionId),
    Closed(ConnectionId),
    ToServer(ConnectionId, ClientMessage),
    Answer(ConnectionId, Option<RequestId>, ServerMessage),
    /// Bytes of a frame.
    Bytes(ConnectionId),
    Came(ConnectionId, Incoming),
    HttpRequest(ConnectionId, RequestId, HttpRequest),
    HttpAnswer(ConnectionId, RequestId, HttpAnswer),
    Stored,
    RootReady(usize),
    ServersUp,
    Blow(Blow),
    SilentlyDead(ConnectionId),
}

pub struct World {
    pub scenario: Scenario,
    pub now: Instant,
    pub transfer: Transfer,
    pub disk: Disk,
    pub servers: Vec<Server>,
    pub random: Random,
    /// Every run of blocks asked for, in order.
    pub asked: Vec<BlockRun>,
    /// The blocks asked of each server.
    pub asked_of: Vec<RangeSet>,
    /// Every run of blocks that came, in order.
    pub arrived: Vec<BlockRun>,
    /// Bytes of these.
    pub arrived_bytes: u64,
    /// The blocks that were called zero.
    pub told: RangeSet,
    /// Every run that was read back, in order.
    pub rehashed: Vec<BlockRun>,
    /// Hashes that came, without uncles.
    pub arrived_hashes: usize,
    /// The most bytes ever asked for and not written.
    pub peak: u64,
    /// Blocks whose hashes came since the program was started.
    proved: RangeSet,
    pub failures: Vec<Problem>,
    /// The other addresses that sources told of.
    pub offered: Vec<(SourceId, Vec<MirrorUrl>)>,
    pub starts: u32,
    /// How many connections were opened.
    pub connects: u32,
    agenda: Agenda<Event>,
    wires: BTreeMap<ConnectionId, Wire>,
    stores: VecDeque<StoreRequest>,
    /// When each server's link is free, where connections share it.
    pipes: Vec<Instant>,
    down: bool,
    dead: Vec<usize>,
    budget: u64,
    /// Bytes that may be in memory: the budget, or what was there when it was lowered, less what ended since.
    allowed: u64,
    rate_limit: Option<u64>,
    connections: u8,
    steps: u64,
    wanted_paused: bool,
}

impl World {
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let faults_until = Instant(scenario.faults_until);
        let servers: Vec<_> = scenario
            .servers
            .iter()
            .enumerate()
            .map(|(number, (script, _))| Server::new(number as u8, script.clone(), scenario.edition, faults_until))
            .collect();
        let config = Self::config(&scenario, random.number());
        let mut disk = Disk::default();
        disk.leave_rubbish(scenario.rubbish);
        let mut world = Self {
            now: Instant::default(),
            transfer: Transfer::new(config, Instant::default()),
            disk,
            servers,
            random,
            asked: Vec::new(),
            asked_of: vec![RangeSet::new(); scenario.servers.len()],
            arrived: Vec::new(),
            told: RangeSet::new(),
            rehashed: Vec::new(),
            arrived_bytes: 0,
            arrived_hashes: 0,
            peak: 0,
            proved: RangeSet::new(),
            failures: Vec::new(),
            offered: Vec::new(),
            starts: 1,
            connects: 0,
            agenda: Agenda::default(),
            wires: BTreeMap::new(),
            stores: VecDeque::new(),
            pipes: vec![Instant::default(); scenario.servers.len()],
            down: false,
            dead: Vec::new(),
            budget: scenario.memory_budget,
            allowed: scenario.memory_budget,
            rate_limit: scenario.rate_limit,
            connections: scenario.connections,
            steps: 0,
            wanted_paused: false,
            scenario,
        };
        for (at, blow) in world.scenario.blows.clone() {
            world.schedule(at, Event::Blow(blow));
        }
        for number in 0..world.servers.len() {
            let at = world.servers[number].root_at - world.now;
            world.schedule(at, Event::RootReady(number));
        }
        world
    }

    fn config(scenario: &Scenario, seed: u64) -> Config {
        Config {
            sources: (0..scenario.servers.len()).map(|number| Self::source(scenario, number as u32)).collect(),
            agent: "simulation".into(),
            connections: scenario.connections_of(scenario.connections),
            memory_budget: scenario.memory_budget,
            rate_limit: scenario.rate_limit,
            order: Order::default(),
            asks_modified: false,
            commit_bytes: scenario.commit_bytes,
            commit_interval: scenario.commit_interval,
            journal_bytes: scenario.journal_bytes,
            seed,
        }
    }

    pub fn source(scenario: &Scenario, number: u32) -> SourceConfig {
        let path = SharePath::parse("folder/file").expect("a plain path");
        let is_plain = scenario.servers[number as usize].0.plain.is_some();
        let kind = if is_plain { SourceKind::Http } else { SourceKind::Wstp };
        SourceConfig::new(SourceId(number), kind, path)
    }

    fn schedule(&mut self, after: Duration, event: Event) {
        self.agenda.plan(self.now + after, event);
    }

    /// Runs until the transfer is complete, paused for good, or failed for good.
    pub fn run(&mut self) -> Phase {
        while self.step() {}
        self.transfer.progress().phase
    }

    /// The events from outside, once more.
    pub fn schedule_blow(&mut self, after: Duration, blow: Blow) {
        self.schedule(after, Event::Blow(blow));
    }

    /// Lets everything happen that is under way outside, although the transfer wants nothing.
    pub fn wait(&mut self) {
        while self.agenda.next_at().is_some() {
            self.next();
            self.perform_outputs();
            if self.transfer.progress().phase != Phase::Failed {
                return;
            }
        }
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

    /// One step; false when nothing is left to happen that could matter.
    pub fn step(&mut self) -> bool {
        self.perform_outputs();
        self.check();
        let phase = self.transfer.progress().phase;
        if phase == Phase::Complete {
            return false;
        }
        if phase == Phase::Failed && !self.recover() {
            return false;
        }
        if phase == Phase::Paused && !self.wanted_paused {
            self.transfer.handle_command(self.now, Command::Resume);
            self.perform_outputs();
        }
        self.steps += 1;
        assert!(self.steps < 2_000_000, "it goes in circles: {:?}", self.transfer.progress());
        let timeout = self.transfer.poll_timeout();
        let event = self.agenda.next_at();
        match (timeout, event) {
            (None, None) => panic!("nothing will ever happen again: {:?}", self.transfer.progress()),
            (Some(timeout), event) if event.is_none_or(|event| timeout < event) => {
                self.now = self.now.max(timeout);
                self.transfer.handle_timeout(self.now);
            }
            _ => self.next(),
        }
        assert!(self.now.0 < Duration::from_secs(7200), "it never ends: {:?}", self.transfer.progress());
        true
    }

    fn next(&mut self) {
        let Some((at, event)) = self.agenda.pop() else { return };
        self.now = self.now.max(at);
        self.happen(event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connected(id) => self.connected(id),
            Event::Closed(id) => self.closed(id),
            Event::ToServer(id, message) => self.deliver(id, &message),
            Event::Answer(id, request, message) => self.answer(id, request, message),
            Event::Bytes(id) => {
                if self.wires.get(&id).is_some_and(|wire| !wire.silent) {
                    self.transfer.handle_bytes(self.now, id);
                }
            }
            Event::Came(id, incoming) => self.came(id, incoming),
            Event::HttpRequest(id, request, what) => self.http_request(id, request, &what),
            Event::HttpAnswer(id, request, answer) => self.http_answer(id, request, answer),
            Event::Stored => self.stored(),
            Event::RootReady(number) => self.root_ready(number),
            Event::ServersUp => self.down = false,
            Event::Blow(blow) => self.blow(blow),
            Event::SilentlyDead(id) => {
                if let Some(wire) = self.wires.get_mut(&id) {
                    wire.silent = true;
                }
            }
        }
    }

    fn perform_outputs(&mut self) {
        while let Some(output) = self.transfer.poll_output() {
            match output {
                Output::Connect { connection, source } => self.connect(connection, source.0 as usize),
                Output::Send { connection, message } => self.sent(connection, message),
                Output::Disconnect { connection } => {
                    let wire = self.wires.remove(&connection).expect("only what is open is closed");
                    self.servers[wire.server].closed(connection);
                }
                Output::Modified { .. } => panic!("nobody asked for it"),
                Output::Mirrors { source, urls } => self.offered.push((source, urls)),
                Output::Store(request) => {
                    self.stores.push_back(request);
                    if self.stores.len() == 1 {
                        self.begin_store();
                    }
                }
            }
        }
    }

    fn begin_store(&mut self) {
        let time = self.random.up_to(self.scenario.store_time);
        self.schedule(time, Event::Stored);
    }

    fn is_calm(&self) -> bool {
        self.now.0 >= self.scenario.faults_until
    }

    fn came(&mut self, id: ConnectionId, incoming: Incoming) {
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.silent) else { return };
        let message = match incoming.clone() {
            Incoming::Frame(frame) => ServerMessage::decode(frame),
            Incoming::Message(message) => Ok(message),
        };
        match message {
            Ok(ServerMessage::Blocks(blocks)) => {
                wire.asked.remove(&blocks.id);
                self.arrived.push(blocks.run);
                self.arrived_bytes += blocks.data.len() as u64;
            }
            Ok(ServerMessage::Compressed(compressed)) => {
                wire.asked.remove(&compressed.id);
                if let Ok(ServerMessage::Blocks(blocks)) = compressed.decompress() {
                    self.arrived.push(blocks.run);
                    self.arrived_bytes += blocks.data.len() as u64;
                }
            }
            Ok(ServerMessage::Zeros(zeros)) => {
                wire.asked.remove(&zeros.id);
                self.told.insert(zeros.blocks());
            }
            Ok(ServerMessage::HashPage(page)) => {
                self.arrived_hashes += page.nodes.len();
                if let Some(blocks) = wire.pages.remove(&page.id) {
                    self.proved.insert(blocks);
                }
            }
            Ok(ServerMessage::Failure(failure)) => drop(failure.id.and_then(|id| wire.asked.remove(&id))),
            _ => {}
        }
        self.transfer.handle_frame(self.now, id, incoming);
    }

    fn stored(&mut self) {
        let Some(request) = self.stores.pop_front() else { return };
        if let StoreRequest::Rehash { run, .. } = request {
            self.rehashed.push(run);
        }
        let reply = self.disk.perform(request);
        if !self.stores.is_empty() {
            self.begin_store();
        }
        self.transfer.handle_stored(self.now, reply);
    }

    fn root_ready(&mut self, number: usize) {
        if self.now < self.servers[number].root_at {
            return;
        }
        for (id, message) in self.servers[number].roots_ready() {
            self.transmit(id, &message);
        }
    }

    /// The oldest connection is open and says nothing any more.
    pub fn fall_silent(&mut self) {
        let wire = self.wires.values_mut().next().expect("there is a connection");
        wire.silent = true;
    }

    /// The next duty of storage.
    pub fn next_store(&self) -> Option<&StoreRequest> {
        self.stores.front()
    }

    /// Storage answers the oldest request in its own way, without doing it.
    pub fn storage_replies(&mut self, reply: StoreReply) {
        self.stores.pop_front().expect("storage has something to do");
        self.transfer.handle_stored(self.now, reply);
    }
}
