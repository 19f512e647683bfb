//! The queue: which transfers there are, which of them run, and what every command and report does to them.
//!
//! Sans-IO: commands and reports go in with the time; [`Effect`]s come out and are to be done in order. An effect that
//! writes a record comes before every effect that tells anybody of it. So a reply is never seen before its promise is
//! durable.
//!
//! Invariants: a transfer has at most one worker. Its folder is deleted only while it has none. A command under an id
//! that was done before does nothing.

mod adding;
mod history;
mod logins;
mod missing;
mod ordering;
mod pending_save;
mod rechecking;
mod room;
mod saving;
mod scheduling;
mod sharing;
mod sources;
mod storage;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use wstp_messages::{
    Command, CommandId, Inner, Message, Problem, Reply, RoomView, ServerView, Settings, Spot, Terms, TransferId,
    TransferKind, TransferView, WorkerReport,
};
use wstp_words::phrase;

use super::change::{Change, Record};
use super::item::{Goal, Item, Kept};
use super::logins::Logins;
use super::model::Model;
use crate::words::problem;
use pending_save::PendingSave;
use telling::News;

/// Commands whose outcome is remembered.
const MAX_DONE: usize = 1024;
/// A transfer whose worker dies so often without a byte of progress is given up.
const MAX_LOSSES: u32 = 5;

/// The effects to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Write this to the journal and make it durable before going on.
    Write(Box<Record>),
    /// Say this to the other contexts.
    Say(Message),
    /// Ask a server or look into the sandbox, then say the reply under this id.
    Browse(CommandId, Command),
    /// Read which files of a folder are complete, then [`Queue::handle_contents`].
    ReadContents(TransferId),
    /// Have the supervisor save this file of a transfer.
    Save(TransferId, u32),
    /// Remove a transfer's folder from the sandbox.
    Delete(TransferId),
    /// Have a transfer's folder say what it is.
    Describe(Box<Item>),
    /// Measure how much room there is, then [`Queue::handle_room`].
    MeasureRoom,
    /// Try to open the browser's storage, which could not be opened.
    OpenStorage,
    /// From now on prove with these who the user is.
    UseLogins(Logins),
}

/// A transfer's worker.
#[derive(Debug, Default)]
struct Worker {
    /// Its limits, as last told.
    terms: Option<Terms>,
    /// It was told to stop.
    is_stopping: bool,
    /// Its latest report.
    said: Option<Box<TransferView>>,
    /// How often in a row that was that it waits.
    waits: u32,
}

/// The queue. See the module.
#[derive(Debug)]
pub struct Queue {
    model: Model,
    workers: HashMap<TransferId, Worker>,
    pending_saves: HashMap<TransferId, PendingSave>,
    losses: HashMap<TransferId, (u32, u64)>,
    /// Gone from the list; their folders are deleted when their workers have ended.
    doomed: HashSet<TransferId>,
    /// Those that waited for a server for long and made room for others, and after how many of them.
    set_aside: HashMap<TransferId, u64>,
    rounds: u64,
    done: VecDeque<(CommandId, Reply)>,
    effects: VecDeque<Effect>,
    changed: BTreeSet<TransferId>,
    removed: Vec<TransferId>,
    news: News,
    is_urgent: bool,
    finished: Vec<TransferId>,
    /// The first of those that wait for their turn, as last told.
    line: Vec<TransferId>,
    told_active: (u32, u8),
    /// Bytes free on the disk, once measured.
    room: Option<u64>,
    /// Those added since then: they begin only when it is known how much room there is now.
    unmeasured: HashSet<TransferId>,
    /// Those that wait for room.
    lacking: HashMap<TransferId, RoomView>,
    /// Those that were reopened since the user last wanted them saved.
    rechecked: HashSet<TransferId>,
    /// Complete transfers of which a worker has verified every stored byte since this queue began.
    verified: HashSet<TransferId>,
    /// How many saved files are no longer on the disk.
    missing: HashMap<TransferId, u64>,
    /// `None` until it is known which logins were kept.
    logins: Option<Logins>,
    /// Those whose server wants to know who the user is, in words.
    awaiting_login: HashMap<TransferId, Problem>,
    /// The time, as last told, in milliseconds since 1970-01-01 UTC.
    now_ms: f64,
}

impl Queue {
    /// Takes up where the journal ends. `done` are the commands found in it and what they were answered.
    pub fn new(model: Model, done: Vec<(CommandId, Reply)>) -> Self {
        let mut queue = Self {
            model,
            workers: HashMap::new(),
            pending_saves: HashMap::new(),
            losses: HashMap::new(),
            doomed: HashSet::new(),
            set_aside: HashMap::new(),
            rounds: 0,
            done: VecDeque::new(),
            effects: VecDeque::new(),
            changed: BTreeSet::new(),
            removed: Vec::new(),
            news: News::default(),
            is_urgent: false,
            finished: Vec::new(),
            line: Vec::new(),
            told_active: (u32::MAX, 0),
            room: None,
            unmeasured: HashSet::new(),
            lacking: HashMap::new(),
            rechecked: HashSet::new(),
            verified: HashSet::new(),
            missing: HashMap::new(),
            logins: None,
            awaiting_login: HashMap::new(),
            now_ms: 0.0,
        };
        queue.effects.push_back(Effect::MeasureRoom);
        done.into_iter().for_each(|(id, reply)| queue.remember(id, reply));
        queue.take_up_saves();
        queue.take_up_rechecks();
        queue.schedule();
        queue
    }

    /// Everything that is durable.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Does a command, once.
    pub fn handle_command(&mut self, id: CommandId, command: Command, now_ms: f64) {
        self.handle_clock(now_ms);
        if let Some((_, reply)) = self.done.iter().find(|(done, _)| *done == id) {
            let reply = reply.clone();
            return self.reply(id, Ok(reply));
        }
        match command {
            Command::Watch => {
                let snapshot = self.snapshot();
                self.reply(id, Ok(Reply::Snapshot(snapshot)));
            }
            Command::History => {
                let saves = self.model.history().to_vec();
                self.reply(id, Ok(Reply::History(saves)));
            }
            Command::Connect { .. }
            | Command::List { .. }
            | Command::Search { .. }
            | Command::LogIn { .. }
            | Command::LogOut { .. } => {
                self.effects.push_back(Effect::Browse(id, command));
            }
            Command::Tasks { .. } => self.effects.push_back(Effect::Browse(id, command)),
            Command::Files { ref transfer, .. } => match self.folder_to_list(transfer) {
                Ok(()) => self.effects.push_back(Effect::Browse(id, command)),
                Err(problem) => self.reply(id, Err(problem)),
            },
            command => {
                self.is_urgent = true;
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
    pub fn handle_connected(&mut self, id: CommandId, server: ServerView, spot: Spot) {
        self.write(Some(&id), Change::Used(server.clone()));
        self.news.servers = true;
        self.reply(id, Ok(Reply::Connected { server, spot }));
    }

    /// A worker said something.
    pub fn handle_report(&mut self, id: &TransferId, report: WorkerReport) {
        if let WorkerReport::Progress(said) = report {
            match self.workers.get_mut(id) {
                Some(worker) => {
                    self.is_urgent |= worker.hear(said);
                    self.changed.insert(id.clone());
                    self.schedule();
                }
                // It was started by a catalogue that died, and since then nobody wants it.
                None => self.say(Inner::Stop(id.clone())),
            }
            return;
        }
        if let WorkerReport::Mirrors(urls) = report {
            self.take_offered(id, &urls);
            return self.schedule();
        }
        if report == WorkerReport::Cleared {
            self.begin_anew(id);
            return self.handle_lost(id);
        }
        let Some(worker) = self.workers.remove(id) else { return };
        self.changed.insert(id.clone());
        self.is_urgent = true;
        self.measure_again();
        if self.doomed.remove(id) {
            self.effects.push_back(Effect::Delete(id.clone()));
        } else {
            self.keep(id, worker.said);
            match report {
                WorkerReport::Unauthorized(problem) => {
                    self.refused(id, &worker.terms.map(|terms| terms.sources).unwrap_or_default(), problem);
                }
                WorkerReport::Complete { size, root } => self.complete(id, size, root),
                WorkerReport::Failed(problem) => self.fail(id, Change::Failed(id.clone(), problem)),
                WorkerReport::Outdated(problem) => self.fail(id, Change::Outdated(id.clone(), problem)),
                WorkerReport::Stopped
                | WorkerReport::Cleared
                | WorkerReport::Progress(_)
                | WorkerReport::Mirrors(_) => {}
            }
        }
        self.schedule();
    }

    /// A worker died, or its files were removed under it; they are free.
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
            let problem = problem(phrase!(worker_fails), phrase!(worker_fails_advice));
            self.fail(id, Change::Failed(id.clone(), problem));
        }
        self.schedule();
    }

    /// Answers a command.
    pub fn reply(&mut self, id: CommandId, result: Result<Reply, Problem>) {
        self.effects.push_back(Effect::Say(Message::Reply { id, result }));
    }

    fn carry_out(&mut self, command_id: &CommandId, command: Command, now_ms: f64) -> Result<Reply, Problem> {
        match command {
            Command::Download { address, path, size, modified_ms } => {
                return self.download(command_id, &address, path, (size, modified_ms), now_ms);
            }
            Command::DownloadFolder { address, path } => {
                return self.download_folder(command_id, &address, path, now_ms);
            }
            Command::Forget { address } => {
                self.write(Some(command_id), Change::Forgotten(address));
                self.news.servers = true;
            }
            Command::Remember { server } => {
                self.write(Some(command_id), Change::Used(server));
                self.news.servers = true;
            }
            Command::Set { settings } => self.set(command_id, settings),
            Command::Pause { transfer } => self.want(command_id, &transfer, Goal::Pause)?,
            Command::Cancel { transfer } => self.want(command_id, &transfer, Goal::Cancel)?,
            Command::Resume { transfer } => self.want(command_id, &transfer, Goal::Run)?,
            Command::AddSource { transfer, address, path } => {
                self.add_source(command_id, &transfer, &address, path)?;
            }
            Command::RemoveSource { transfer, source } => self.remove_source(command_id, &transfer, source)?,
            Command::Limit { transfer, rate } => self.limit(command_id, &transfer, rate)?,
            Command::Order { transfer, order } => self.order(command_id, &transfer, order)?,
            Command::Sweep(sweep) => self.sweep(command_id, sweep),
            Command::Move { transfer, step } => self.step(command_id, &transfer, step)?,
            Command::Remove { transfer } => self.remove(command_id, transfer),
            Command::Clear => self.clear(command_id),
            Command::ForgetHistory => self.forget_history(command_id),
            Command::RememberHistory { saves } => self.remember_history(command_id, saves),
            Command::Save { transfer } => self.save(Some(command_id), &transfer)?,
            Command::Recheck { transfer } => self.recheck_first(&transfer),
            Command::Insist { transfer } => self.insist(command_id, transfer)?,
            Command::Dismiss => self.dismiss(command_id),
            Command::SaveInto { transfer, name } => self.save_into(command_id, &transfer, name)?,
            Command::Wrote { transfer, files, beside } => self.wrote(command_id, &transfer, &files, &beside)?,
            Command::WroteAll { transfer, result } => self.wrote_all(&transfer, result)?,
            Command::Watch
            | Command::Connect { .. }
            | Command::List { .. }
            | Command::Search { .. }
            | Command::LogIn { .. }
            | Command::LogOut { .. }
            | Command::Files { .. }
            | Command::History
            | Command::Tasks { .. } => {}
        }
        Ok(Reply::Done)
    }

    fn want(&mut self, command: &CommandId, id: &TransferId, goal: Goal) -> Result<(), Problem> {
        let item = self.model.item(id).ok_or_else(gone)?;
        if item.is_complete() && !(goal == Goal::Run && item.can_be_retried()) {
            // A file that was to be paused is complete now: that is no reason not to save it.
            if goal == Goal::Cancel || (goal == Goal::Pause && item.kind == TransferKind::Folder) {
                self.stop_saving(command, id);
            }
            return Ok(());
        }
        if item.goal != goal || (goal == Goal::Run && item.can_be_retried()) {
            self.write(Some(command), Change::Wanted(id.clone(), goal));
            self.changed.insert(id.clone());
        }
        self.awaiting_login.remove(id);
        match goal {
            Goal::Run if self.workers.get(id).is_some_and(|worker| !worker.is_stopping) => {
                self.say(Inner::Retry(id.clone()));
            }
            Goal::Run => {}
            Goal::Pause | Goal::Cancel => drop(self.stop(id)),
        }
        Ok(())
    }

    /// Tells a transfer's worker to stop; whether there is one.
    fn stop(&mut self, id: &TransferId) -> bool {
        let Some(worker) = self.workers.get_mut(id) else { return false };
        if !std::mem::replace(&mut worker.is_stopping, true) {
            self.say(Inner::Stop(id.clone()));
        }
        true
    }

    /// A transfer that is gone already is as removed as it can be.
    fn remove(&mut self, command: &CommandId, id: TransferId) {
        if self.model.item(&id).is_some() {
            self.discard(Some(command), id);
        }
    }

    /// Removes all. Folders of transfers that run go when their workers have ended.
    fn clear(&mut self, command: &CommandId) {
        let all: Vec<_> = self.model.items().map(|item| item.id.clone()).collect();
        self.write(Some(command), Change::Cleared);
        all.into_iter().for_each(|id| self.let_go(id));
    }

    fn discard(&mut self, command: Option<&CommandId>, id: TransferId) {
        self.write(command, Change::Removed(id.clone()));
        self.let_go(id);
    }

    /// Forgets what is known of a transfer that left the list, and deletes its folder.
    fn let_go(&mut self, id: TransferId) {
        self.changed.remove(&id);
        self.losses.remove(&id);
        self.pending_saves.remove(&id);
        self.set_aside.remove(&id);
        self.lacking.remove(&id);
        self.rechecked.remove(&id);
        self.verified.remove(&id);
        self.missing.remove(&id);
        self.awaiting_login.remove(&id);
        self.removed.push(id.clone());
        if self.stop(&id) {
            self.doomed.insert(id);
        } else {
            self.effects.push_back(Effect::Delete(id));
        }
    }

    fn set(&mut self, command: &CommandId, settings: Settings) {
        let settings = Settings {
            active_transfers: settings.active_transfers.clamp(1, 4),
            connections: settings.connections.min(16),
            rate_limit: settings.rate_limit.map(sharing::at_least),
            ..settings
        };
        self.write(Some(command), Change::Set(settings));
        self.news.settings = true;
    }

    fn complete(&mut self, id: &TransferId, size: u64, root: Option<String>) {
        self.write(None, Change::Completed { id: id.clone(), size, root });
        self.verified.insert(id.clone());
        self.losses.remove(id);
        self.replace_base(id);
        if self.model.item(id).is_some_and(Item::is_saving) {
            return self.begin_saving(id);
        }
        // The page for which it was verified anew goes on by itself.
        if self.rechecked.remove(id) {
            return;
        }
        if self.model.settings().save_when_complete && self.save(None, id).is_ok() {
            return;
        }
        self.finished.push(id.clone());
    }

    /// The older copy has done its duty, unless Chrome still copies it.
    fn replace_base(&mut self, id: &TransferId) {
        let base = self.model.item(id).and_then(|item| item.base.clone());
        let older = base.and_then(|base| self.model.item(&base)).filter(|older| !older.is_saving());
        if let Some(older) = older.map(|older| older.id.clone()) {
            self.discard(None, older);
        }
    }

    fn fail(&mut self, id: &TransferId, change: Change) {
        self.write(None, change);
        self.tell(phrase!(download_needs_help), id);
    }

    fn keep(&mut self, id: &TransferId, said: Option<Box<TransferView>>) {
        if let Some(said) = said {
            let said = *said;
            let kept = Kept {
                size: said.size,
                folder: said.folder,
                verified: said.verified,
                received: said.received,
                verified_blocks: said.verified_blocks,
                received_blocks: said.received_blocks,
                root: said.root,
            };
            self.write(None, Change::Kept(id.clone(), kept));
        }
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

/// The answer about a transfer that is not there.
pub fn gone() -> Problem {
    problem(phrase!(download_gone), "")
}
