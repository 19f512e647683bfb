//! A transfer worker: runs the engine for one transfer, with sockets, files and a clock.
//!
//! It decides nothing about the transfer. Bytes go from a socket into wasm memory once and from there to the file; they never leave this thread.
//! Its files are closed before it reports its end, so that whoever hears of the end may open, save or delete them.

mod network;
mod progress;
mod store;

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use gloo_timers::callback::{Interval, Timeout};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_engine::{
    Command, Config, ConnectionId, Connections, Order, Output, Phase, Problem, Progress, SourceConfig, SourceId,
    SourceKind, Transfer,
};
use wstp_messages::{ContextName, Inner, Message, SourceTask, Terms, WorkerReport, WorkerTask};
use wstp_protocol::{ClientMessage, SharePath};

use crate::bus::Bus;
use crate::link::Link;
use crate::socket::Happening;
use crate::words::{engine_problem, problem};
use crate::{AGENT, clock, panic};
use network::Online;
use progress::Parts;
use store::Store;

const TOPICS: &[&str] = &["Stop", "Adjust", "Retry"];
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Progress is told at most so often.
const TELL: Duration = Duration::from_millis(250);
const COMMIT_BYTES: u64 = 32 << 20;
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// The browser's timers can't be set for longer.
const MAX_TIMEOUT: Duration = Duration::from_secs(1 << 20);

/// Opens the files and runs the transfer.
pub fn run(task: WorkerTask) {
    spawn_local(async {
        if let Err(error) = open(task).await {
            panic::give_up(&error);
        }
    });
}

struct Worker {
    task: WorkerTask,
    /// Where the file is now.
    sources: RefCell<Vec<SourceTask>>,
    state: RefCell<Option<State>>,
    /// Commands not yet given to the engine, since the files are still being opened.
    commands: RefCell<Vec<Command>>,
    bus: OnceCell<Bus>,
    heartbeat: OnceCell<Interval>,
    ticker: OnceCell<Interval>,
    online: OnceCell<Online>,
    timer: RefCell<Option<Timeout>>,
}

/// What is given up when the transfer ends.
struct State {
    transfer: Transfer,
    store: Store,
    links: HashMap<ConnectionId, Link>,
}

async fn open(task: WorkerTask) -> Result<(), JsValue> {
    let worker = Rc::new(Worker {
        sources: RefCell::new(task.terms.sources.clone()),
        task,
        state: RefCell::default(),
        commands: RefCell::default(),
        bus: OnceCell::new(),
        heartbeat: OnceCell::new(),
        ticker: OnceCell::new(),
        online: OnceCell::new(),
        timer: RefCell::default(),
    });
    let bus = Bus::open(TOPICS, {
        let worker = worker.clone();
        move |message| worker.handle_message(message)
    })?;
    let heartbeat = every(HEARTBEAT, &worker, |worker| {
        worker.say(Inner::Alive(ContextName::Transfer(worker.task.transfer.clone())));
    });
    // These hold the worker and it holds them, so that it lives until the supervisor ends it.
    let _ = worker.bus.set(bus);
    let _ = worker.heartbeat.set(heartbeat);
    let online = Online::listen({
        let worker = worker.clone();
        move || worker.handle_online()
    });
    let _ = worker.online.set(online);
    let (store, recovered) = Store::open(&worker.task.transfer).await?;
    let transfer = Transfer::resume(config(&worker.task), recovered, clock::now());
    worker.state.replace(Some(State { transfer, store, links: HashMap::new() }));
    let _ = worker.ticker.set(every(TELL, &worker, Worker::tell));
    worker.perform();
    Ok(())
}

fn every(period: Duration, worker: &Rc<Worker>, act: impl Fn(&Rc<Worker>) + 'static) -> Interval {
    let worker = worker.clone();
    Interval::new(period.as_millis() as u32, move || act(&worker))
}

/// `None` if the path can't be asked for; the catalogue takes no such source.
fn source(task: &SourceTask) -> Option<SourceConfig> {
    Some(SourceConfig {
        id: SourceId(task.id),
        path: SharePath::parse(task.path.as_str()).ok()?,
        token: None,
        kind: if task.is_plain() { SourceKind::Http } else { SourceKind::Wstp },
    })
}

fn config(task: &WorkerTask) -> Config {
    Config {
        sources: task.terms.sources.iter().filter_map(source).collect(),
        agent: AGENT.to_owned(),
        connections: Connections::Fixed(task.terms.connections),
        memory_budget: u64::from(task.terms.memory),
        commit_bytes: COMMIT_BYTES,
        commit_interval: COMMIT_INTERVAL,
        rate_limit: task.terms.rate_limit,
        order: Order::HeadFirst,
        seed: js_sys::Math::random().to_bits(),
    }
}

impl Worker {
    fn handle_message(self: &Rc<Self>, message: Message) {
        let Message::Inner(inner) = message else { return };
        let commands = match inner {
            Inner::Stop(id) if id == self.task.transfer => vec![Command::Pause],
            Inner::Retry(id) if id == self.task.transfer => vec![Command::Resume],
            Inner::Adjust { transfer, terms } if transfer == self.task.transfer => self.adjust(terms),
            _ => return,
        };
        self.commands.borrow_mut().extend(commands);
        self.perform();
    }

    /// What waits for the next try need not wait any more.
    fn handle_online(self: &Rc<Self>) {
        let waits = self.with(|state| matches!(state.transfer.progress().phase, Phase::Waiting(_)));
        if waits == Some(true) {
            self.commands.borrow_mut().push(Command::Resume);
            self.perform();
        }
    }

    fn adjust(&self, terms: Terms) -> Vec<Command> {
        let before = self.sources.replace(terms.sources.clone());
        let gone = before.iter().filter(|source| !terms.sources.contains(source));
        let new = terms.sources.iter().filter(|source| !before.contains(source));
        [
            Command::SetConnections(Connections::Fixed(terms.connections)),
            Command::SetMemoryBudget(terms.memory.into()),
            Command::SetRateLimit(terms.rate_limit),
        ]
        .into_iter()
        .chain(gone.map(|gone| Command::RemoveSource(SourceId(gone.id))))
        .chain(new.filter_map(source).map(Command::AddSource))
        .collect()
    }

    fn handle_happening(self: &Rc<Self>, connection: ConnectionId, happening: Happening) {
        self.with(|state| {
            let now = clock::now();
            match happening {
                Happening::Opened => state.transfer.handle_opened(now, connection),
                Happening::Frame(frame) => state.transfer.handle_frame(now, connection, frame),
                Happening::Closed => {
                    state.links.remove(&connection);
                    state.transfer.handle_closed(now, connection);
                }
            }
        });
        self.perform();
    }

    /// Does what the engine wants until it wants nothing more.
    fn perform(self: &Rc<Self>) {
        self.with(|state| {
            for command in self.commands.take() {
                state.transfer.handle_command(clock::now(), command);
            }
        });
        while let Some(output) = self.with(|state| state.transfer.poll_output()).flatten() {
            match output {
                Output::Connect { connection, source } => self.connect(connection, source),
                Output::Send { connection, message } => self.send(connection, &message),
                Output::Disconnect { connection } => drop(self.with(|state| state.links.remove(&connection))),
                // Others are believed only where they serve what the first one does.
                Output::Mirrors { source, urls } if source.0 == 0 => {
                    self.report(WorkerReport::Mirrors(urls.iter().map(ToString::to_string).collect()));
                }
                Output::Mirrors { .. } => {}
                Output::Store(request) => {
                    self.with(|state| {
                        let reply = state.store.perform(request);
                        state.transfer.handle_stored(clock::now(), reply);
                    });
                }
            }
        }
        if !self.end_if_done() {
            self.set_timer();
        }
    }

    fn connect(self: &Rc<Self>, connection: ConnectionId, source: SourceId) {
        let worker: Weak<Self> = Rc::downgrade(self);
        let task = self.sources.borrow().iter().find(|task| task.id == source.0).cloned();
        let link = task.and_then(|task| {
            Link::connect(&task, move |happening| {
                if let Some(worker) = worker.upgrade() {
                    worker.handle_happening(connection, happening);
                }
            })
            .ok()
        });
        self.with(|state| match link {
            Some(link) => drop(state.links.insert(connection, link)),
            None => state.transfer.handle_closed(clock::now(), connection),
        });
    }

    fn send(&self, connection: ConnectionId, message: &ClientMessage) {
        self.with(|state| {
            if let Some(link) = state.links.get(&connection) {
                link.send(message);
            }
        });
    }

    /// Sleeps until the engine wants to be woken.
    fn set_timer(self: &Rc<Self>) {
        let due = self.with(|state| state.transfer.poll_timeout()).flatten();
        let timer = due.map(|due| {
            let wait = (due - clock::now()).min(MAX_TIMEOUT);
            let worker = self.clone();
            // Rounded up: waking early would be for nothing.
            Timeout::new(wait.as_millis() as u32 + u32::from(!wait.is_zero()), move || {
                // The timer is done; dropping it later would do nothing.
                worker.timer.take().map(Timeout::forget);
                worker.with(|state| state.transfer.handle_timeout(clock::now()));
                worker.perform();
            })
        });
        self.timer.replace(timer);
    }

    /// Tells the catalogue how it stands.
    fn tell(self: &Rc<Self>) {
        let told = self.with(|state| {
            let now = clock::now();
            let parts = Parts {
                verified: progress::joined(state.transfer.verified()),
                received: progress::joined(state.transfer.received()),
                requested: progress::joined(state.transfer.requested()),
            };
            let progress = state.transfer.progress();
            let mut view = progress::view(&self.task.transfer, &self.sources.borrow(), &progress, parts, now);
            if matches!(progress.phase, Phase::Waiting(_)) && network::is_offline() {
                view.problem =
                    Some(problem("You are offline.", "It goes on by itself as soon as you are online again."));
            }
            view
        });
        if let Some(view) = told {
            self.report(WorkerReport::Progress(Box::new(view)));
        }
    }

    /// The end of the transfer, or of this run of it: the files are closed, and only then it is told.
    fn end_if_done(self: &Rc<Self>) -> bool {
        let Some(progress) = self.with(|state| state.transfer.progress()) else { return true };
        let report = match progress.phase {
            Phase::Complete => match (progress.size, progress.root) {
                (Some(size), Some(root)) => {
                    WorkerReport::Complete { size, root: blake3::Hash::from(root).to_hex().to_string() }
                }
                _ => WorkerReport::Failed(problem("The download ended without a hash.", "Resume to try again.")),
            },
            Phase::Paused => WorkerReport::Stopped,
            Phase::Failed if self.goes_on_with_change(&progress) => return false,
            Phase::Failed => self.failure(progress.problem.as_ref()),
            _ => return false,
        };
        self.tell();
        self.timer.replace(None);
        self.state.replace(None);
        self.report(report);
        true
    }

    fn failure(&self, found: Option<&Problem>) -> WorkerReport {
        let label = progress::origin_label(&self.sources.borrow());
        match found {
            Some(Problem::Changed) => WorkerReport::Outdated(engine_problem(&Problem::Changed, &label)),
            Some(found) => WorkerReport::Failed(engine_problem(found, &label)),
            None => WorkerReport::Failed(problem("The download can't go on.", "Resume to try again.")),
        }
    }

    /// The user wants the file as it is now: what still matches is kept.
    fn goes_on_with_change(self: &Rc<Self>, progress: &Progress) -> bool {
        let goes_on = self.task.accept_change && progress.problem == Some(Problem::Changed);
        if goes_on {
            self.commands.borrow_mut().push(Command::Resume);
            let worker = self.clone();
            spawn_local(async move { worker.perform() });
        }
        goes_on
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> Option<R> {
        self.state.borrow_mut().as_mut().map(act)
    }

    fn report(&self, report: WorkerReport) {
        self.say(Inner::Report { transfer: self.task.transfer.clone(), report });
    }

    fn say(&self, inner: Inner) {
        if let Some(bus) = self.bus.get() {
            bus.send_inner(inner);
        }
    }
}
