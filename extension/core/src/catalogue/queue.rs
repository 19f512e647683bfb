//! The queue: which transfers there are, which of them run, and what every command and report does to them.
//!
//! Sans-IO: commands and reports go in with the time, [`Effect`]s come out and are to be done in order. An effect that writes a record comes before
//! every effect that tells anybody of it, so a reply is never seen before what it promises is durable.
//!
//! Invariants: a transfer has at most one worker; its folder is deleted only while it has none; what a command did it does not
//! do again under the same id.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use wstp_messages::{
    Command, CommandId, Event, Inner, Message, Problem, Reply, SaveOutcome, ServerView, Settings, Snapshot, TransferId,
    TransferState, TransferView, WorkerReport, WorkerTask,
};
use wstp_protocol::SharePath;

use super::address::Address;
use super::model::{Change, Fetch, Goal, Item, Kept, MAX_TRANSFERS, Model, Record, Save};
use super::view;
use crate::names;
use crate::words::problem;

/// Bytes in flight and not yet written, over all transfers.
const MEMORY: u32 = 64 << 20;
/// Most workers at once, those that only wait for a server included.
const MAX_WORKERS: usize = 8;
/// Commands whose outcome is remembered.
const MAX_DONE: usize = 1024;
/// A transfer whose worker dies so often without a byte of progress is given up.
const MAX_LOSSES: u32 = 5;

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write this to the journal and make it durable before going on.
    Write(Box<Record>),
    /// Say this to the other contexts.
    Say(Message),
    /// Ask a server, then say the reply under this id.
    Browse(CommandId, Command),
    /// Remove a transfer's folder from the sandbox.
    Delete(TransferId),
}

/// A transfer's worker.
#[derive(Debug, Default)]
struct Worker {
    /// It was told to stop.
    is_stopping: bool,
    /// What it said last.
    said: Option<Box<TransferView>>,
}

/// The queue. See the module.
#[derive(Debug)]
pub struct Queue {
    model: Model,
    workers: HashMap<TransferId, Worker>,
    losses: HashMap<TransferId, (u32, u64)>,
    /// Gone from the list; their folders are deleted when their workers have ended.
    doomed: HashSet<TransferId>,
    done: VecDeque<(CommandId, Reply)>,
    effects: VecDeque<Effect>,
    changed: BTreeSet<TransferId>,
    removed: Vec<TransferId>,
    news: News,
    finished: Vec<TransferId>,
    told_active: (u32, u8),
    shares: (u8, u32),
}

#[derive(Debug, Default)]
struct News {
    servers: bool,
    settings: bool,
}

impl Queue {
    /// Takes up where the journal ends. `done` are the commands found in it and what they were answered.
    pub fn new(model: Model, done: Vec<(CommandId, Reply)>) -> Self {
        let mut queue = Self {
            model,
            workers: HashMap::new(),
            losses: HashMap::new(),
            doomed: HashSet::new(),
            done: VecDeque::new(),
            effects: VecDeque::new(),
            changed: BTreeSet::new(),
            removed: Vec::new(),
            news: News::default(),
            finished: Vec::new(),
            told_active: (u32::MAX, 0),
            shares: (0, 0),
        };
        done.into_iter().for_each(|(id, reply)| queue.remember(id, reply));
        queue.take_up_saves();
        queue.schedule();
        queue
    }

    /// Everything that is durable.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is to be done next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether there is something to tell the views.
    pub fn has_events(&self) -> bool {
        !self.changed.is_empty() || !self.removed.is_empty() || self.news.servers || self.news.settings
    }

    /// What to tell the views: everything that changed since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let changed = std::mem::take(&mut self.changed);
        let views: Vec<_> = changed.iter().filter_map(|id| self.model.item(id)).map(|item| self.view(item)).collect();
        if !views.is_empty() {
            events.push(Event::Transfers(views));
        }
        if !self.removed.is_empty() {
            events.push(Event::Removed(std::mem::take(&mut self.removed)));
        }
        if std::mem::take(&mut self.news.servers) {
            events.push(Event::Servers(self.model.servers().to_vec()));
        }
        if std::mem::take(&mut self.news.settings) {
            events.push(Event::Settings(self.model.settings()));
        }
        events
    }

    /// Does a command, once.
    pub fn handle_command(&mut self, id: CommandId, command: Command, now_ms: f64) {
        if let Some((_, reply)) = self.done.iter().find(|(done, _)| *done == id) {
            let reply = reply.clone();
            return self.reply(id, Ok(reply));
        }
        match command {
            Command::Watch => {
                let snapshot = self.snapshot();
                self.reply(id, Ok(Reply::Snapshot(snapshot)));
            }
            Command::Connect { .. } | Command::List { .. } => self.effects.push_back(Effect::Browse(id, command)),
            command => {
                let result = self.carry_out(&id, command, now_ms);
                if let Ok(reply) = &result {
                    self.remember(id.clone(), reply.clone());
                }
                self.reply(id, result);
                self.schedule();
            }
        }
    }

    /// A server answered: it is remembered.
    pub fn handle_connected(&mut self, id: CommandId, server: ServerView) {
        self.write(Some(&id), Change::Used(server.clone()));
        self.news.servers = true;
        self.reply(id, Ok(Reply::Connected(server)));
    }

    /// A worker said something.
    pub fn handle_report(&mut self, id: &TransferId, report: WorkerReport) {
        if let WorkerReport::Progress(said) = report {
            match self.workers.get_mut(id) {
                Some(worker) => {
                    worker.said = Some(said);
                    self.changed.insert(id.clone());
                    self.schedule();
                }
                // It was started by a catalogue that died, and since then nobody wants it.
                None => self.say(Inner::Stop(id.clone())),
            }
            return;
        }
        let Some(worker) = self.workers.remove(id) else { return };
        self.changed.insert(id.clone());
        if self.doomed.remove(id) {
            self.effects.push_back(Effect::Delete(id.clone()));
        } else {
            self.keep(id, worker.said);
            match report {
                WorkerReport::Complete { size, root } => self.complete(id, size, root),
                WorkerReport::Failed(problem) => self.fail(id, problem),
                WorkerReport::Stopped | WorkerReport::Progress(_) => {}
            }
        }
        self.schedule();
    }

    /// A worker died; its files are free.
    pub fn handle_lost(&mut self, id: &TransferId) {
        let Some(worker) = self.workers.remove(id) else { return };
        self.changed.insert(id.clone());
        if self.doomed.remove(id) {
            self.effects.push_back(Effect::Delete(id.clone()));
            return self.schedule();
        }
        let reached = worker.said.as_ref().map_or(0, |said| said.verified + said.received);
        self.keep(id, worker.said);
        let (losses, before) = self.losses.get(id).copied().unwrap_or_default();
        let losses = if reached > before { 1 } else { losses + 1 };
        self.losses.insert(id.clone(), (losses, reached.max(before)));
        if losses >= MAX_LOSSES {
            self.losses.remove(id);
            self.fail(
                id,
                problem(
                    "The part of the browser that fetches this file keeps failing.",
                    "Resume to try again, or restart the browser.",
                ),
            );
        }
        self.schedule();
    }

    /// Something came of a save.
    pub fn handle_saving(&mut self, transfer: Option<TransferId>, download: Option<i32>, outcome: SaveOutcome) {
        let begun = |item: &&Item| download.is_some_and(|download| item.save == Save::Begun(download));
        let Some(id) = transfer.or_else(|| self.model.items().find(begun).map(|item| item.id.clone())) else { return };
        if !self.model.item(&id).is_some_and(Item::is_saving) {
            return;
        }
        match (outcome, download) {
            (SaveOutcome::Begun, Some(download)) => self.write(None, Change::Save(id.clone(), Save::Begun(download))),
            (SaveOutcome::Begun, None) => {}
            (SaveOutcome::Failed { problem }, _) => {
                self.write(None, Change::Save(id.clone(), Save::No(Some(problem))));
                self.tell("A file could not be saved", &id);
            }
            (SaveOutcome::Saved { path }, _) => {
                self.write(None, Change::Save(id.clone(), Save::Saved(path)));
                if self.model.settings().free_after_save {
                    self.write(None, Change::Freed(id.clone()));
                    self.effects.push_back(Effect::Delete(id.clone()));
                }
            }
        }
        self.changed.insert(id);
        self.schedule();
    }

    /// Answers a command.
    pub fn reply(&mut self, id: CommandId, result: Result<Reply, Problem>) {
        self.effects.push_back(Effect::Say(Message::Reply { id, result }));
    }

    fn carry_out(&mut self, command_id: &CommandId, command: Command, now_ms: f64) -> Result<Reply, Problem> {
        match command {
            Command::Download { address, path, size } => {
                return self.download(command_id, &address, path, size, now_ms);
            }
            Command::Forget { address } => {
                self.write(Some(command_id), Change::Forgotten(address));
                self.news.servers = true;
            }
            Command::Set { settings } => self.set(command_id, settings),
            Command::Pause { transfer } => self.want(command_id, &transfer, Goal::Pause)?,
            Command::Cancel { transfer } => self.want(command_id, &transfer, Goal::Cancel)?,
            Command::Resume { transfer } => self.want(command_id, &transfer, Goal::Run)?,
            Command::Remove { transfer } => self.remove(command_id, transfer),
            Command::Save { transfer } => self.save(Some(command_id), &transfer)?,
            Command::Watch | Command::Connect { .. } | Command::List { .. } => {}
        }
        Ok(Reply::Done)
    }

    fn download(
        &mut self,
        command: &CommandId,
        address: &str,
        path: String,
        size: u64,
        now_ms: f64,
    ) -> Result<Reply, Problem> {
        let server = Address::parse(address)?.to_string();
        let is_path = SharePath::parse(path.as_str()).is_ok_and(|path| !path.is_root());
        if !is_path || !is_id(&command.0) {
            return Err(problem("This can't be downloaded.", "Open the folder again and choose a file."));
        }
        let holds = |item: &&Item| {
            item.server == server && item.path == path && item.in_sandbox && (!item.is_complete() || item.size == size)
        };
        let existing = self.model.items().rfind(holds).map(|item| item.id.clone());
        if let Some(id) = existing {
            self.want(command, &id, Goal::Run)?;
            return Ok(Reply::Transfer { transfer: id, existing: true });
        }
        if self.model.transfers() >= MAX_TRANSFERS {
            return Err(problem("The list of downloads is full.", "Remove some that are done."));
        }
        let id = TransferId(command.0.clone());
        let item = Item {
            id: id.clone(),
            server,
            path,
            size,
            added_ms: now_ms,
            goal: Goal::Run,
            fetch: Fetch::Unfinished,
            accept_change: false,
            save: Save::No(None),
            kept: Kept::default(),
            in_sandbox: true,
        };
        self.write(Some(command), Change::Added(Box::new(item)));
        self.changed.insert(id.clone());
        Ok(Reply::Transfer { transfer: id, existing: false })
    }

    fn want(&mut self, command: &CommandId, id: &TransferId, goal: Goal) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.is_complete() {
            return Ok(());
        }
        let failed = matches!(item.fetch, Fetch::Failed(_));
        if item.goal != goal || (failed && goal == Goal::Run) {
            self.write(Some(command), Change::Wanted(id.clone(), goal));
            self.changed.insert(id.clone());
        }
        match self.workers.get_mut(id) {
            Some(worker) if goal != Goal::Run && !worker.is_stopping => {
                worker.is_stopping = true;
                self.say(Inner::Stop(id.clone()));
            }
            Some(worker) if goal == Goal::Run && !worker.is_stopping => self.say(Inner::Retry(id.clone())),
            _ => {}
        }
        Ok(())
    }

    /// A transfer that is gone already is as removed as it can be.
    fn remove(&mut self, command: &CommandId, id: TransferId) {
        if self.model.item(&id).is_none() {
            return;
        }
        self.write(Some(command), Change::Removed(id.clone()));
        self.changed.remove(&id);
        self.losses.remove(&id);
        self.removed.push(id.clone());
        match self.workers.get_mut(&id) {
            Some(worker) => {
                if !std::mem::replace(&mut worker.is_stopping, true) {
                    self.say(Inner::Stop(id.clone()));
                }
                self.doomed.insert(id);
            }
            None => self.effects.push_back(Effect::Delete(id)),
        }
    }

    fn save(&mut self, command: Option<&CommandId>, id: &TransferId) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.is_saving() {
            return Ok(());
        }
        if !item.is_complete() {
            return Err(problem("This file is not complete yet.", "Wait until it is, then save it."));
        }
        if !item.in_sandbox {
            return Err(problem("This file was saved and its copy was freed.", "Download it again."));
        }
        let filename = names::safe_path(&item.path);
        self.write(command, Change::Save(id.clone(), Save::Asked));
        self.changed.insert(id.clone());
        self.say(Inner::Save { transfer: id.clone(), filename });
        Ok(())
    }

    fn set(&mut self, command: &CommandId, settings: Settings) {
        let settings = Settings {
            active_transfers: settings.active_transfers.clamp(1, 4),
            connections: settings.connections.clamp(1, 8),
            ..settings
        };
        self.write(Some(command), Change::Set(settings));
        self.news.settings = true;
    }

    /// A save that was under way when everything stopped: Chrome knows what came of it, if it had begun.
    fn take_up_saves(&mut self) {
        let saving: Vec<_> = self.model.items().filter(|item| item.is_saving()).cloned().collect();
        for Item { id, save, .. } in saving {
            match save {
                Save::Begun(download) => self.say(Inner::AskSave { transfer: id, download }),
                _ => self.write(None, Change::Save(id, Save::No(None))),
            }
        }
    }

    fn complete(&mut self, id: &TransferId, size: u64, root: String) {
        self.write(None, Change::Completed { id: id.clone(), size, root });
        self.losses.remove(id);
        if self.model.settings().save_when_complete && self.save(None, id).is_ok() {
            return;
        }
        self.finished.push(id.clone());
    }

    fn fail(&mut self, id: &TransferId, problem: Problem) {
        self.write(None, Change::Failed(id.clone(), problem));
        self.tell("A download needs your help", id);
    }

    fn keep(&mut self, id: &TransferId, said: Option<Box<TransferView>>) {
        if let Some(said) = said {
            let said = *said;
            let kept = Kept {
                verified: said.verified,
                received: said.received,
                verified_blocks: said.verified_blocks,
                received_blocks: said.received_blocks,
                root: said.root,
            };
            self.write(None, Change::Kept(id.clone(), kept));
        }
    }

    /// Starts what may start, divides the memory, and says how much there is to do.
    fn schedule(&mut self) {
        let settings = self.model.settings();
        let busy = self.workers.values().filter(|worker| !worker.is_waiting()).count();
        let places = usize::from(settings.active_transfers)
            .saturating_sub(busy)
            .min(MAX_WORKERS.saturating_sub(self.workers.len()));
        let started: Vec<_> = self
            .model
            .items()
            .filter(|item| item.wants_worker() && !self.workers.contains_key(&item.id))
            .map(|item| item.id.clone())
            .take(places)
            .collect();
        for id in &started {
            self.workers.insert(id.clone(), Worker::default());
            self.changed.insert(id.clone());
        }
        self.share(settings.connections, &started);
        self.count();
        self.tell_finished();
    }

    /// Gives each worker its share of connections and memory.
    fn share(&mut self, connections: u8, started: &[TransferId]) {
        let workers = u32::try_from(self.workers.len().max(1)).unwrap_or(u32::MAX);
        let memory = (MEMORY / workers).max(1 << 20);
        for id in started {
            let Some(item) = self.model.item(id) else { continue };
            let task = WorkerTask {
                transfer: id.clone(),
                address: item.server.clone(),
                path: item.path.clone(),
                connections,
                memory,
                accept_change: item.accept_change,
            };
            self.say(Inner::Start(task));
        }
        if std::mem::replace(&mut self.shares, (connections, memory)) != (connections, memory) {
            let others: Vec<_> = self.workers.keys().filter(|id| !started.contains(id)).cloned().collect();
            for transfer in others {
                self.say(Inner::Adjust { transfer, connections, memory });
            }
        }
    }

    fn count(&mut self) {
        let (mut transfers, mut all, mut have) = (0, 0_u128, 0_u128);
        for item in self.model.items().filter(|item| item.wants_worker() || item.is_saving()) {
            let said = self.workers.get(&item.id).and_then(|worker| worker.said.as_ref());
            transfers += 1;
            all += u128::from(item.size);
            have += u128::from(if item.is_complete() {
                item.size
            } else {
                said.map_or(item.kept.verified, |said| said.verified)
            });
        }
        let percent = u8::try_from((have * 100).checked_div(all).unwrap_or(0).min(100)).unwrap_or(100);
        if std::mem::replace(&mut self.told_active, (transfers, percent)) != (transfers, percent) {
            self.say(Inner::Active { transfers, percent });
        }
    }

    /// One notice for all that became complete, when nothing is left to do.
    fn tell_finished(&mut self) {
        if self.told_active.0 > 0 || self.finished.is_empty() {
            return;
        }
        let finished = std::mem::take(&mut self.finished);
        let Some(last) = finished.last() else { return };
        match finished.len() {
            1 => self.tell("Download complete", last),
            count => self.say(Inner::Notify {
                transfer: last.clone(),
                title: "Downloads complete".into(),
                text: format!("{count} files are ready to be saved."),
            }),
        }
    }

    fn tell(&mut self, title: &str, id: &TransferId) {
        if let Some(item) = self.model.item(id) {
            let text = view::name(&item.path).to_owned();
            self.say(Inner::Notify { transfer: id.clone(), title: title.into(), text });
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            servers: self.model.servers().to_vec(),
            transfers: self.model.items().map(|item| self.view(item)).collect(),
            settings: self.model.settings(),
        }
    }

    fn view(&self, item: &Item) -> TransferView {
        let worker = self.workers.get(&item.id);
        view::transfer(
            item,
            worker.is_some_and(|worker| !worker.is_stopping),
            worker.and_then(|worker| worker.said.as_deref()),
        )
    }

    fn write(&mut self, command: Option<&CommandId>, change: Change) {
        self.model.apply(change.clone());
        self.effects.push_back(Effect::Write(Box::new(Record::Change { command: command.cloned(), change })));
    }

    fn say(&mut self, inner: Inner) {
        self.effects.push_back(Effect::Say(Message::Inner(inner)));
    }

    fn remember(&mut self, id: CommandId, reply: Reply) {
        self.done.push_back((id, reply));
        if self.done.len() > MAX_DONE {
            self.done.pop_front();
        }
    }
}

impl Worker {
    fn is_waiting(&self) -> bool {
        !self.is_stopping && self.said.as_ref().is_some_and(|said| matches!(said.state, TransferState::Waiting { .. }))
    }
}

/// Whether a text is 16 bytes in lower-case hexadecimal, fit to name a folder.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn gone() -> Problem {
    problem("This download is no longer in the list.", "")
}
