//! A transfer worker: runs the engine for one transfer, a file's or a folder's, with sockets, files and a clock.
//!
//! It decides nothing about the transfer: a [`Job`] does, with the engine. Bytes go from a socket into wasm memory once
//! and from there to the file; they never leave this thread. The files are closed before it reports its end, so that
//! whoever hears of the end may open, save or delete them.

mod file;
mod folder;
mod job;
mod progress;
mod reading;
mod store;
mod stored_transfer;
mod waiting;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::{Rc, Weak};
use std::time::Duration;

use gloo_timers::callback::Interval;
use gloo_timers::future::sleep;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use wstp_bus::Bus;
use wstp_engine::folder::FileId;
use wstp_engine::journal::Recovered;
use wstp_engine::{Instant, StoreError};
use wstp_messages::{
    ContextName, Inner, Message, Problem, SourceTask, Stamp, TransferKind, TransferState, TransferView, WorkerReport,
    WorkerTask,
};
use wstp_protocol::Hash;
use wstp_words::phrase;

use crate::alarm::Alarm;
use crate::folder_layout::{DATA, JOURNAL, PACK};
use crate::link::Link;
use crate::opfs::{Folder, is_in_use};
use crate::seal::Seal;
use crate::socket::Happening;
use crate::words::{begun_anew_problem, problem, sourceless_problem, store_problem, unopened_problem};
use crate::{carrier, chrome, clock, network, panic};
use file::FileJob;
use folder::FolderJob;
use job::{Act, Instruction, Job, Wire};
use reading::Reads;
use store::{NoUpdate, Store};

const TOPICS: &[&str] = &["Stop", "Adjust", "Retry", "Read", "Online", "OverHttp"];
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Progress is told at most so often.
const TELL: Duration = Duration::from_millis(250);
const COMMIT_BYTES: u64 = 32 << 20;
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// A journal may grow so far before it is compacted.
const JOURNAL_BYTES: u64 = 64 << 10;
/// How long a second copy for which there was no room waits at first. Each try may fill the disk for a moment, so they
/// become rare.
const ROOM_AGAIN: Duration = Duration::from_secs(30);
const ROOM_AGAIN_AT_MOST: Duration = Duration::from_secs(3600);

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
    /// The place of the transfer's folder now.
    sources: RefCell<Vec<SourceTask>>,
    /// The files that are given up when the transfer ends.
    job: RefCell<Option<Box<dyn Job>>>,
    links: RefCell<HashMap<Wire, Link>>,
    /// Instructions not yet given to the job, since the files are still being opened.
    instructions: RefCell<Vec<Instruction>>,
    reads: Reads,
    bus: OnceCell<Bus>,
    heartbeat: OnceCell<Interval>,
    ticker: OnceCell<Interval>,
    alarm: Alarm,
    /// The problem with the files that were there before, if the user has to know it.
    remark: RefCell<Option<Problem>>,
    /// Whether it is being looked whether the files are still there.
    looks: Cell<bool>,
    /// It was told to stop.
    stops: Cell<bool>,
    /// When it told last how far the reading back of a complete file is.
    told: Cell<Instant>,
}

async fn open(task: WorkerTask) -> Result<(), JsValue> {
    let worker = Rc::new(Worker {
        sources: RefCell::new(task.terms.sources.clone()),
        task,
        job: RefCell::default(),
        links: RefCell::default(),
        instructions: RefCell::default(),
        reads: Reads::default(),
        bus: OnceCell::new(),
        heartbeat: OnceCell::new(),
        ticker: OnceCell::new(),
        alarm: Alarm::default(),
        remark: RefCell::default(),
        looks: Cell::default(),
        stops: Cell::default(),
        told: Cell::default(),
    });
    let bus = Bus::open(TOPICS, {
        let worker = worker.clone();
        move |message| worker.handle_message(message)
    })?;
    let heartbeat = every(HEARTBEAT, &worker, |worker| {
        worker.say(Inner::Alive(ContextName::Transfer(worker.task.transfer.clone())));
        worker.look_after_files();
    });
    // These hold the worker and it holds them, so that it lives until the supervisor ends it.
    let _ = worker.bus.set(bus);
    let _ = worker.heartbeat.set(heartbeat);
    carrier::on_finding({
        let worker = worker.clone();
        move |url| worker.say(Inner::OverHttp(url.to_owned()))
    });
    worker.task.over_http.iter().cloned().for_each(carrier::remember);
    let opened = match worker.open_job().await {
        // The worker that has the files ends, and then there is another try.
        Err(error) if is_in_use(&error) => return Err(error),
        Err(error) => {
            web_sys::console::error_1(&error);
            Err(WorkerReport::Failed(unopened_problem(&chrome::error_text(&error))))
        }
        Ok(opened) => opened,
    };
    match opened {
        Ok(job) => {
            worker.remark.replace(worker.remark_on(job.as_ref()));
            worker.job.replace(Some(job));
            let _ = worker.ticker.set(every(TELL, &worker, Worker::tell));
            worker.perform();
        }
        Err(end) => worker.finish(end, BTreeMap::new()).await,
    }
    Ok(())
}

/// The stamp of a closed file, by the names along the way to its folder; `None` where it can't be had.
async fn stamp_of(path: &[&str], name: &str) -> Option<Stamp> {
    let stamp = async { Folder::find(path).await?.stamp(name).await };
    stamp.await.inspect_err(web_sys::console::warn_1).ok()
}

fn every(period: Duration, worker: &Rc<Worker>, act: impl Fn(&Rc<Worker>) + 'static) -> Interval {
    let worker = worker.clone();
    Interval::new(period.as_millis() as u32, move || act(&worker))
}

impl Worker {
    /// Opens the files; `Err` is the end of the transfer before it began.
    async fn open_job(&self) -> Result<Result<Box<dyn Job>, WorkerReport>, JsValue> {
        let task = self.task.clone();
        if task.kind == TransferKind::Folder {
            return Ok(Ok(Box::new(FolderJob::open(task).await?)));
        }
        let path = ["transfers", &task.transfer.0];
        let Some(base) = &task.base else {
            let (store, recovered) = Store::open(&path).await?;
            return self.begin_file(store, recovered).await;
        };
        let mut wait = ROOM_AGAIN;
        loop {
            self.report(WorkerReport::Progress(Box::new(progress::empty(&task.transfer, TransferState::Starting))));
            match Store::open_update(&path, &base.0, || !self.is_told_to_stop()).await {
                Ok((store, recovered)) => return self.begin_file(store, recovered).await,
                Err(NoUpdate::Stopped) => return Ok(Err(WorkerReport::Stopped)),
                Err(NoUpdate::Storage(StoreError::Full)) => {
                    if !self.wait_for_room(wait).await {
                        return Ok(Err(WorkerReport::Stopped));
                    }
                    wait = (wait * 2).min(ROOM_AGAIN_AT_MOST);
                }
                Err(NoUpdate::Storage(error)) => return Ok(Err(WorkerReport::Failed(store_problem(error)))),
                Err(NoUpdate::Failed(error)) => return Err(error),
            }
        }
    }

    /// A complete file is read back first. If it is right, no server is needed, nor its journal.
    async fn begin_file(
        &self,
        store: Store,
        recovered: Recovered,
    ) -> Result<Result<Box<dyn Job>, WorkerReport>, JsValue> {
        let known = self.task.root.as_ref().filter(|_| self.task.rechecks);
        let of_journal =
            recovered.file().filter(|_| recovered.is_complete()).and_then(|file| Some((file.size, file.root?)));
        let complete = match known.and_then(|root| blake3::Hash::from_hex(root).ok()) {
            Some(root) => store.size().map(|size| (size, *root.as_bytes())),
            None => of_journal
                .filter(|(_, root)| self.task.root.as_ref().is_none_or(|known| *known == progress::hex(*root))),
        };
        if let Some((size, root)) = complete {
            if store.is_right(size, root, |read| self.has_checked(size, root, read)).await {
                return Ok(Err(WorkerReport::Complete { size, root: Some(progress::hex(root)) }));
            }
            if self.is_told_to_stop() {
                return Ok(Err(WorkerReport::Stopped));
            }
        }
        Ok(Ok(Box::new(FileJob::new(self.task.clone(), store, recovered))))
    }

    /// So much of a complete file was read back: tells it now and then. Whether to go on.
    fn has_checked(&self, size: u64, root: Hash, read: u64) -> bool {
        let now = clock::now();
        if self.told.get() + TELL <= now {
            self.told.set(now);
            let view = progress::checking(&self.task.transfer, size, root, read, now);
            self.report(WorkerReport::Progress(Box::new(view)));
        }
        !self.is_told_to_stop()
    }

    /// Nothing is left of what was there.
    fn remark_on(&self, job: &dyn Job) -> Option<Problem> {
        let TransferView { verified, received, folder, .. } = job.view();
        // How much there is of a folder's large files is not known yet.
        let has_nothing = folder.map_or(verified + received == 0, |folder| folder.files == 0);
        (has_nothing && self.task.had > 0).then(begun_anew_problem)
    }

    /// Files that are open don't tell that they were removed: the user may clear the browser's storage at any moment.
    fn look_after_files(self: &Rc<Self>) {
        if self.job.borrow().is_none() || self.looks.replace(true) {
            return;
        }
        let worker = self.clone();
        spawn_local(async move {
            let is_cleared = worker.is_cleared().await;
            worker.looks.set(false);
            let job = if is_cleared { worker.job.borrow_mut().take() } else { None };
            if let Some(job) = job {
                worker.close();
                worker.report(WorkerReport::Cleared);
                // Chromium never returns from closing files that were removed. The supervisor ends this worker, and
                // they go with it.
                std::mem::forget(job);
            }
        });
    }

    /// Whether the files were removed. An error while asking counts as no.
    async fn is_cleared(&self) -> bool {
        matches!(Folder::has_file(&["transfers", &self.task.transfer.0], JOURNAL).await, Ok(false))
    }

    fn is_told_to_stop(&self) -> bool {
        self.stops.get()
    }

    /// Waits before a copy is tried again for which there was no room; whether it is still wanted.
    async fn wait_for_room(&self, wait: Duration) -> bool {
        self.instructions.borrow_mut().retain(|instruction| !matches!(instruction, Instruction::Retry));
        let until = clock::now() + wait;
        while clock::now() < until && !self.is_told_to_stop() {
            let now = clock::now();
            let view = progress::empty(&self.task.transfer, TransferState::Starting);
            let view = progress::waiting(view, until, now, store_problem(StoreError::Full));
            self.report(WorkerReport::Progress(Box::new(view)));
            if self.instructions.borrow().iter().any(|instruction| matches!(instruction, Instruction::Retry)) {
                break;
            }
            sleep(HEARTBEAT).await;
        }
        !self.is_told_to_stop()
    }

    fn handle_message(self: &Rc<Self>, message: Message) {
        let Message::Inner(inner) = message else { return };
        match inner {
            Inner::Stop(id) if id == self.task.transfer => self.instruct(Instruction::Stop),
            Inner::OverHttp(url) => carrier::remember(url),
            Inner::Online => self.instruct(Instruction::Online),
            Inner::Retry(id) if id == self.task.transfer => self.instruct(Instruction::Retry),
            Inner::Read { transfer, offset, channel } if transfer == self.task.transfer => {
                if self.reads.add(offset, channel) {
                    self.with(|job| job.seek(offset));
                }
                self.perform();
            }
            Inner::Adjust { transfer, terms } if transfer == self.task.transfer => {
                self.sources.replace(terms.sources.clone());
                self.instruct(Instruction::Adjust(terms));
            }
            _ => {}
        }
    }

    fn instruct(self: &Rc<Self>, instruction: Instruction) {
        self.stops.set(self.stops.get() || matches!(instruction, Instruction::Stop));
        self.instructions.borrow_mut().push(instruction);
        self.perform();
    }

    fn handle_happening(self: &Rc<Self>, wire: Wire, happening: Happening) {
        if happening == Happening::Closed {
            self.links.borrow_mut().remove(&wire);
        }
        self.with(|job| job.handle_happening(wire, happening));
        self.perform();
    }

    /// Does what the job wants until it wants nothing more.
    fn perform(self: &Rc<Self>) {
        self.with(|job| {
            self.instructions.take().into_iter().for_each(|instruction| job.handle_instruction(instruction))
        });
        while let Some(act) = self.with(|job| job.poll_act()).flatten() {
            match act {
                Act::Connect(wire, source) => self.connect(wire, source),
                Act::Send(wire, message) => {
                    if let Some(link) = self.links.borrow().get(&wire) {
                        link.send(&message);
                    }
                }
                Act::TellMirrors(urls) => self.report(WorkerReport::Mirrors(urls)),
                Act::Disconnect(wire) => drop(self.links.borrow_mut().remove(&wire)),
                Act::OpenStore(file, path) => self.open_store(file, path),
                Act::Stamp { file, path, root } => self.stamp(file, path, root),
            }
        }
        self.reads.answer(|offset| self.with(|job| job.read(offset)).flatten());
        if !self.end_if_done() {
            self.set_timer();
        }
    }

    fn connect(self: &Rc<Self>, wire: Wire, source: u32) {
        let worker: Weak<Self> = Rc::downgrade(self);
        let task = self.sources.borrow().iter().find(|task| task.id == source).cloned();
        if task.as_ref().is_some_and(|task| task.address.is_empty()) {
            return self.give_up(sourceless_problem());
        }
        let link = task.and_then(|task| {
            Link::connect(&task, move |happening| {
                if let Some(worker) = worker.upgrade() {
                    worker.handle_happening(wire, happening);
                }
            })
            .ok()
        });
        match link {
            Some(link) => drop(self.links.borrow_mut().insert(wire, link)),
            None => drop(self.with(|job| job.handle_happening(wire, Happening::Closed))),
        }
    }

    fn open_store(self: &Rc<Self>, file: FileId, path: Vec<String>) {
        let worker = self.clone();
        spawn_local(async move {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            let opened = Store::open(&path).await;
            worker.with(|job| job.handle_store(file, opened));
            worker.perform();
        });
    }

    fn stamp(self: &Rc<Self>, file: FileId, path: Vec<String>, root: Option<Hash>) {
        let worker = self.clone();
        spawn_local(async move {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            let is_right = match root {
                Some(root) => worker.is_right(&path, root).await,
                None => true,
            };
            let stamp = if is_right { stamp_of(&path, DATA).await } else { None };
            worker.with(|job| job.handle_stamped(file, stamp));
            worker.perform();
        });
    }

    /// Reads back what is stored there of a complete file with this hash.
    async fn is_right(&self, path: &[&str], root: Hash) -> bool {
        let Ok((store, recovered)) = Store::open(path).await else { return false };
        match recovered.file().filter(|file| recovered.is_complete() && file.root == Some(root)) {
            Some(file) => store.is_right(file.size, root, |_| !self.is_told_to_stop()).await,
            None => false,
        }
    }

    /// Sleeps until the job wants to be woken.
    fn set_timer(self: &Rc<Self>) {
        let worker = self.clone();
        self.alarm.set(self.with(|job| job.poll_timeout()).flatten(), move || {
            worker.alarm.rang();
            worker.with(|job| job.handle_timeout());
            worker.perform();
        });
    }

    /// Tells the catalogue how it stands.
    fn tell(self: &Rc<Self>) {
        if let Some(mut view) = self.with(|job| job.view()) {
            if view.problem.is_none() {
                view.problem.clone_from(&self.remark.borrow());
            }
            if matches!(view.state, TransferState::Waiting { .. }) && network::is_offline() {
                view.problem = Some(problem(phrase!(offline), phrase!(offline_advice)));
            }
            self.report(WorkerReport::Progress(Box::new(view)));
        }
    }

    /// The end of the transfer, or of this run of it: the files are closed, and only then it is told.
    fn end_if_done(self: &Rc<Self>) -> bool {
        let Some(end) = self.with(|job| job.end()) else { return true };
        let Some(report) = end else { return false };
        self.tell();
        let large = self.with(|job| job.large_stamps()).unwrap_or_default();
        self.job.replace(None);
        self.close();
        let worker = self.clone();
        spawn_local(async move { worker.finish(report, large).await });
        true
    }

    /// Ends the transfer because of something that only the user can mend.
    fn give_up(&self, problem: Problem) {
        self.job.replace(None);
        self.close();
        self.report(WorkerReport::Failed(problem));
    }

    /// The files are closed: seals what is complete, and tells the end.
    async fn finish(&self, report: WorkerReport, large: BTreeMap<u32, Stamp>) {
        if !matches!(report, WorkerReport::Complete { .. }) {
            return self.report(report);
        }
        // Complete is only what is there.
        if self.is_cleared().await {
            return self.report(WorkerReport::Cleared);
        }
        let transfer = &self.task.transfer;
        let main = if self.task.kind == TransferKind::Folder { PACK } else { DATA };
        if let Some(main) = stamp_of(&["transfers", &transfer.0], main).await
            && let Err(error) = Seal::new(main, large).write(transfer).await
        {
            // Without a seal it is verified once more before it is saved.
            web_sys::console::warn_1(&error);
        }
        self.report(report);
    }

    fn close(&self) {
        self.alarm.stop();
        self.links.borrow_mut().clear();
    }

    fn with<R>(&self, act: impl FnOnce(&mut dyn Job) -> R) -> Option<R> {
        self.job.borrow_mut().as_mut().map(|job| act(job.as_mut()))
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
