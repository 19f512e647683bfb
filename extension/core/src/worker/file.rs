//! The job of fetching one file.

use wasm_bindgen::JsValue;
use wstp_engine::folder::FileId;
use wstp_engine::journal::Recovered;
use wstp_engine::{
    Command, Config, Connections, Credential, Instant, NamedBy, Order, Phase, Problem, Progress, SourceConfig,
    SourceId, SourceKind,
};
use wstp_messages::{BlockOrder, SourceTask, Terms, TransferView, WorkerReport, WorkerTask};
use wstp_protocol::{BLOCK_SIZE, ErrorCode, SharePath};
use wstp_words::phrase;

use super::job::{Act, Instruction, Job, Piece, Wire};
use super::progress::{self, Parts};
use super::store::Store;
use super::stored_transfer::StoredTransfer;
use super::waiting::{ROOM, Remedy, Waiting};
use super::{COMMIT_BYTES, COMMIT_INTERVAL, JOURNAL_BYTES};
use crate::socket::Happening;
use crate::words::{engine_problem, login_problem, passing_problem, problem, stuck_problem};
use crate::{AGENT, clock};

/// The most connections over all servers when the user sets no number.
const MOST_CONNECTIONS: u8 = 32;

/// A file's transfer.
pub struct FileJob {
    task: WorkerTask,
    stored: StoredTransfer,
    waiting: Waiting,
    /// A player reads here: its blocks come first.
    playhead: Option<Order>,
    /// It was told to stop.
    is_stopping: bool,
}

/// How one file is fetched.
pub fn config(terms: &Terms) -> Config {
    Config {
        sources: terms.sources.iter().filter_map(source).collect(),
        agent: AGENT.to_owned(),
        connections: connections(terms),
        memory_budget: u64::from(terms.memory),
        commit_bytes: COMMIT_BYTES,
        commit_interval: COMMIT_INTERVAL,
        journal_bytes: JOURNAL_BYTES,
        rate_limit: terms.rate_limit,
        order: order(terms),
        asks_modified: false,
        seed: js_sys::Math::random().to_bits(),
    }
}

/// In which order the blocks of a file are asked for.
const fn order(terms: &Terms) -> Order {
    match terms.order {
        BlockOrder::Fastest => Order::HeadFirst,
        BlockOrder::InOrder => Order::InOrder,
    }
}

/// How many connections one file is fetched over.
pub fn connections(terms: &Terms) -> Connections {
    match terms.connections {
        0 => Connections::Auto { most: MOST_CONNECTIONS },
        number => Connections::Fixed(number),
    }
}

/// `None` if the path can't be asked for; the catalogue takes no such source.
fn source(task: &SourceTask) -> Option<SourceConfig> {
    let kind = match task.kind {
        wstp_messages::SourceKind::Wstp => SourceKind::Wstp,
        wstp_messages::SourceKind::Http => SourceKind::Http,
    };
    let named_by = match task.named_by {
        wstp_messages::NamedBy::User => NamedBy::User,
        wstp_messages::NamedBy::Server => NamedBy::Server,
    };
    let path = SharePath::parse(task.path.as_str()).ok()?;
    Some(SourceConfig { named_by, credential: credential(task), ..SourceConfig::new(SourceId(task.id), kind, path) })
}

/// The proof to a source of who the user is.
pub fn credential(task: &SourceTask) -> Option<Credential> {
    task.credential.clone().map(|wstp_messages::Credential(secret)| Credential::Token(secret))
}

impl FileJob {
    /// Goes on where the journal ends.
    pub fn new(task: WorkerTask, store: Store, recovered: Recovered) -> Self {
        let stored = StoredTransfer::new(None, config(&task.terms), store, recovered);
        Self { stored, task, waiting: Waiting::default(), playhead: None, is_stopping: false }
    }

    fn command(&mut self, command: Command) {
        self.stored.transfer.handle_command(clock::now(), command);
    }

    fn adjust(&mut self, terms: Terms) {
        let before = std::mem::replace(&mut self.task.terms, terms.clone());
        self.command(Command::SetConnections(connections(&terms)));
        self.command(Command::SetMemoryBudget(terms.memory.into()));
        self.command(Command::SetRateLimit(terms.rate_limit));
        self.command(Command::SetOrder(self.playhead.unwrap_or(order(&terms))));
        for gone in before.sources.iter().filter(|source| !terms.sources.contains(source)) {
            self.command(Command::RemoveSource(SourceId(gone.id)));
        }
        for new in terms.sources.iter().filter(|source| !before.sources.contains(source)).filter_map(source) {
            self.command(Command::AddSource(new));
            self.go_on();
        }
    }

    /// Tries again now what would be tried later.
    fn go_on(&mut self) {
        if self.waiting.until().is_some() {
            self.waiting.end();
            self.command(Command::Resume);
        }
    }

    /// The time has come to try again: where there is still no room, nothing is fetched that could not be kept.
    fn try_again(&mut self) {
        let needs_room = self.remedy(&self.stored.transfer.progress()) == Some(Remedy::Room);
        if needs_room && !self.stored.has_room(ROOM) {
            self.waiting.put_off(clock::now());
        } else {
            self.go_on();
        }
    }

    /// The event that a failed transfer waits for, if that may come by itself.
    fn remedy(&self, progress: &Progress) -> Option<Remedy> {
        let problem = progress.problem.as_ref().filter(|_| progress.phase == Phase::Failed && !self.is_stopping)?;
        Remedy::of(problem, progress.size.is_some())
    }

    /// The user wants the file as it is now: what still matches is kept.
    fn accepts_change(&self, progress: &Progress) -> bool {
        self.task.accept_change && progress.phase == Phase::Failed && progress.problem == Some(Problem::Changed)
    }

    fn failure(&self, found: Option<&Problem>) -> WorkerReport {
        let label = progress::origin_label(&self.task.terms.sources);
        match found {
            Some(Problem::Changed) => WorkerReport::Outdated(engine_problem(&Problem::Changed, &label)),
            Some(Problem::Server { code: ErrorCode::Unauthorized, .. }) => {
                let had_login = self.task.terms.sources.first().is_some_and(|source| source.credential.is_some());
                WorkerReport::Unauthorized(login_problem(&label, had_login))
            }
            Some(found) => WorkerReport::Failed(engine_problem(found, &label)),
            None => WorkerReport::Failed(stuck_problem()),
        }
    }
}

impl Job for FileJob {
    fn handle_instruction(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::Stop => {
                self.is_stopping = true;
                self.waiting.end();
                self.command(Command::Pause);
            }
            Instruction::Retry => {
                self.waiting.end();
                self.command(Command::Resume);
            }
            Instruction::Online if matches!(self.stored.transfer.progress().phase, Phase::Waiting(_)) => {
                self.command(Command::Resume);
            }
            Instruction::Online => self.go_on(),
            Instruction::Adjust(terms) => self.adjust(terms),
        }
    }

    fn handle_happening(&mut self, wire: Wire, happening: Happening) {
        self.stored.handle_happening(wire, happening);
    }

    /// It has its storage from the beginning.
    fn handle_store(&mut self, _file: FileId, _opened: Result<(Store, Recovered), JsValue>) {}

    fn handle_timeout(&mut self) {
        if self.waiting.is_over(clock::now()) {
            self.try_again();
        }
        self.stored.handle_timeout();
    }

    fn seek(&mut self, offset: u64) {
        let order = Order::From(offset / BLOCK_SIZE);
        self.playhead = Some(order);
        self.command(Command::SetOrder(order));
    }

    fn read(&self, offset: u64) -> Option<Piece> {
        self.stored.read(offset)
    }

    fn poll_act(&mut self) -> Option<Act> {
        if let Some(act) = self.stored.poll_act() {
            return Some(act);
        }
        let progress = self.stored.transfer.progress();
        if self.remedy(&progress).is_some() {
            self.waiting.begin(clock::now(), progress.verified + progress.received);
        }
        if !self.accepts_change(&progress) {
            return None;
        }
        self.command(Command::Resume);
        self.stored.poll_act()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.until().into_iter().chain(self.stored.poll_timeout()).min()
    }

    fn view(&self) -> TransferView {
        let transfer = &self.stored.transfer;
        let parts = Parts {
            verified: progress::joined(transfer.verified()),
            received: progress::joined(transfer.received()),
            requested: progress::joined(transfer.requested()),
        };
        let (progress, sources, now) = (transfer.progress(), &self.task.terms.sources, clock::now());
        let view = progress::view(&self.task.transfer, sources, &progress, parts, now);
        match (self.waiting.until(), &progress.problem) {
            (Some(until), Some(found)) => {
                progress::waiting(view, until, now, passing_problem(found, &progress::origin_label(sources)))
            }
            _ => view,
        }
    }

    fn end(&self) -> Option<WorkerReport> {
        let progress = self.stored.transfer.progress();
        match progress.phase {
            Phase::Complete => Some(match (progress.size, progress.root) {
                (Some(size), Some(root)) => WorkerReport::Complete { size, root: Some(progress::hex(root)) },
                _ => WorkerReport::Failed(problem(phrase!(download_without_hash), phrase!(try_again_sentence))),
            }),
            Phase::Paused => Some(WorkerReport::Stopped),
            Phase::Failed if self.is_stopping => Some(WorkerReport::Stopped),
            Phase::Failed if self.accepts_change(&progress) || self.remedy(&progress).is_some() => None,
            Phase::Failed => Some(self.failure(progress.problem.as_ref())),
            _ => None,
        }
    }
}
