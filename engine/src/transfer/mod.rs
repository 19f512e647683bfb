//! The transfer of one file: the state, the way in and the way out. Each concern has a module of its own beside this
//! one.
//!
//! Invariants: a block is `verified` only after its hash equalled one that was proved against the file's root, and
//! after it was written. A block that an earlier run stored is verified only after this run read it back and hashed it.
//! Requested blocks and those that wait to be written never exceed the memory budget together. No memory is taken on
//! the word of a server.

mod asking;
mod blocks;
mod checking;
mod connecting;
mod connection;
mod durability;
mod identifying;
mod ledger;
mod nodes;
mod pages;
mod reading_back;
mod replies;
mod source;
mod standing;
mod stopping;
mod storage;
mod summits;
mod update;
mod zeros;

use std::collections::{BTreeMap, VecDeque};

use wstp_protocol::zeros::VOID_LEVEL;
use wstp_protocol::{BlockIndex, ClientMessage};

use self::blocks::Blocks;
use self::connection::Connection;
use self::ledger::Ledger;
use self::nodes::Nodes;
use self::pages::Pages;
use self::reading_back::ReadBack;
use self::source::Source;
use self::stopping::State;
use self::storage::Storage;
use self::summits::Summits;
use self::update::Update;
use crate::journal::Recovered;
use crate::limit::Limit;
use crate::peer::Jitter;
use crate::rate::Rate;
use crate::width::Width;
use crate::{Command, Config, ConnectionId, FileIdentity, Incoming, Instant, Output, Problem, SourceId, StoreReply};

/// Fetches one file. See the run loop's contract at the top of the crate.
#[derive(Debug)]
pub struct Transfer {
    config: Config,
    now: Instant,
    outputs: VecDeque<Output>,
    file: Option<FileIdentity>,
    blocks: Blocks,
    pages: Pages,
    summits: Summits,
    /// Nodes above whole stretches of zeros.
    voids: Nodes,
    storage: Storage,
    ledger: Ledger,
    /// Writes of hashes that have to be answered before the next record.
    flush_mark: u64,
    readback: ReadBack,
    /// An earlier run proved blocks of this file.
    proven_before: bool,
    sources: Vec<Source>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    width: Width,
    jitter: Jitter,
    /// Bytes asked for and not here, over all connections.
    asked_bytes: u64,
    /// When what a straggler owes is asked for once more.
    endgame_at: Option<Instant>,
    limit: Limit,
    /// When the limit lets the next run be asked for, where a connection could take one now.
    unlimited_at: Option<Instant>,
    /// Blocks that went wrong and how often.
    suspects: BTreeMap<BlockIndex, u8>,
    rate: Rate,
    problem: Option<Problem>,
    state: State,
    update: Update,
    /// The source that says which file it is in the place of one that is silent.
    stand_in: Option<SourceId>,
    /// When the origin had the file open last; while it never had, when the transfer began.
    origin_seen: Instant,
    /// How often the origin contradicted itself.
    corrections: u8,
}

impl Transfer {
    /// Begins to fetch a file.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self::resume(config, Recovered::default(), now)
    }

    /// Continues from the end of a journal, which [`crate::journal::replay`] made into `journal`. Every block of a
    /// complete file too is read back before it is complete again.
    #[must_use]
    pub fn resume(config: Config, journal: Recovered, now: Instant) -> Self {
        let ledger = Ledger::new(journal.clone(), config.journal_bytes);
        let mut transfer = Self::idle(config, ledger, now);
        if let Some(file) = journal.file {
            transfer.blocks = Blocks::recovered(&file, &journal);
            transfer.proven_before = !journal.verified.is_empty();
            transfer.readback.proven = journal.verified;
            transfer.file = Some(file);
            if let Some(first) = transfer.sources.iter_mut().find(|source| source.may_be_origin()) {
                first.version = Some(file.version);
            }
            transfer.prepare_storage();
        }
        transfer.fail_without_origin(Problem::Connection);
        transfer.drive();
        transfer
    }

    fn idle(config: Config, ledger: Ledger, now: Instant) -> Self {
        let limit = Limit::new(config.rate_limit, now);
        Self {
            sources: config.sources.iter().cloned().map(|source| Source::new(source, now)).collect(),
            jitter: Jitter::new(config.seed),
            width: Width::new(config.connections),
            config,
            now,
            outputs: VecDeque::new(),
            file: None,
            blocks: Blocks::default(),
            pages: Pages::default(),
            summits: Summits::default(),
            voids: Nodes::of_level(VOID_LEVEL),
            storage: Storage::default(),
            ledger,
            flush_mark: 0,
            readback: ReadBack::default(),
            proven_before: false,
            connections: BTreeMap::new(),
            next_connection: 0,
            asked_bytes: 0,
            endgame_at: None,
            limit,
            unlimited_at: None,
            suspects: BTreeMap::new(),
            rate: Rate::default(),
            problem: None,
            state: State::Running,
            update: Update::default(),
            stand_in: None,
            origin_seen: now,
            corrections: 0,
        }
    }

    /// A connection that was asked for is open. `takes_early` says whether the server said that it takes requests before
    /// its welcome.
    pub fn handle_opened(&mut self, now: Instant, connection: ConnectionId, takes_early: bool) {
        self.advance(now);
        self.greet(connection, takes_early);
        self.drive();
    }

    /// A frame came on a connection, or a message from a source that has no frames.
    pub fn handle_frame(&mut self, now: Instant, connection: ConnectionId, frame: impl Into<Incoming>) {
        self.advance(now);
        self.read_frame(connection, frame.into());
        self.drive();
    }

    /// Bytes came on a connection that are no whole frame yet. A caller that sees whole frames only has nothing to
    /// tell.
    pub fn handle_bytes(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        if let Some(open) = self.connections.get_mut(&connection) {
            open.peer.handle_bytes(self.now);
        }
    }

    /// A connection broke, or could not be opened.
    pub fn handle_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        self.connection_closed(connection);
        self.drive();
    }

    /// Storage answered the oldest request it has not answered yet.
    pub fn handle_stored(&mut self, now: Instant, reply: StoreReply) {
        self.advance(now);
        self.stored(reply);
        self.drive();
    }

    /// The user wants something.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.advance(now);
        match command {
            Command::Pause => self.pause(),
            Command::Resume => self.go_on(),
            Command::SetConnections(connections) => self.set_connections(connections),
            Command::SetMemoryBudget(bytes) => self.config.memory_budget = bytes,
            Command::AddSource(config) => self.add_source(config),
            Command::RemoveSource(id) => self.remove_source(id),
            Command::SetOrder(order) => self.config.order = order,
            Command::SetRateLimit(rate) => self.limit.set(self.now, rate),
        }
        self.drive();
    }

    /// The time that [`Transfer::poll_timeout`] said has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.expire_connections();
        self.drive();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Transfer::handle_timeout`], if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_complete() || self.is_settled() {
            return None;
        }
        let connections = self.connections.values().flat_map(|connection| {
            [connection.peer.poll_timeout(connection.awaited()), connection.peer.not_before(self.now)]
        });
        let sources =
            self.sources.iter().map(|source| source.conduct.retry_at(self.now).filter(|_| !source.is_given_up()));
        let commit = self.ledger.due_at(self.config.commit_interval).filter(|_| self.storage.takes_records());
        let own =
            [commit, self.endgame_at, self.unlimited_at, self.rate.next_change(self.now), self.width.due_at(self.now)];
        let own = own.into_iter().chain([self.stand_in_at(), self.readback.due_at]);
        connections.chain(sources).chain(own).flatten().min()
    }

    /// The caller's clock may step back; ours does not.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.limit.refill(self.now);
    }

    /// Does everything that what happened made possible.
    fn drive(&mut self) {
        if self.is_complete() {
            return;
        }
        self.settle();
        if self.is_running() {
            self.adapt_width();
            self.connect();
            self.replace_silent_origin();
            self.choose_origin();
            self.check_received();
            self.fill_zeros();
            self.ask();
            self.read_back();
        }
        self.commit();
        self.settle();
    }

    fn send(&mut self, connection: ConnectionId, message: ClientMessage) {
        self.outputs.push_back(Output::Send { connection, message });
    }

    /// Whether a source has hashes.
    fn proves(&self, id: SourceId) -> bool {
        self.source(id).is_some_and(|source| source.config.can.proves)
    }

    fn source(&self, id: SourceId) -> Option<&Source> {
        self.sources.iter().find(|source| source.config.id == id)
    }

    fn source_mut(&mut self, id: SourceId) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.config.id == id)
    }
}
