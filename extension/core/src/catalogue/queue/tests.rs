//! The queue as the other contexts see it: what goes in, and what it has them do.

use std::collections::HashSet;

use wstp_messages::{
    BlockOrder, Command, CommandId, Event, FolderView, Inner, Message, NamedBy, Notice, Placed, Problem, Reply,
    SaveOutcome, Settings, Step, Sweep, Terms, TransferId, TransferKind, TransferState, TransferView, WaitReason,
    WorkerReport,
};

use super::super::change::{Change, Record};
use super::super::model::Model;
use super::{Effect, Queue};
use wstp_words::Phrase;

mod cleared;
mod folders;
mod history;
mod logins;
mod ordering;
mod rechecking;
mod saving;
mod settings;
mod sources;
mod stopped_saves;
mod storage;
mod updating;
mod waiting;

const ADDRESS: &str = "ws://host:3000/ws";

/// A queue, and everything it wanted done.
struct Desk {
    queue: Queue,
    commands: u32,
    /// How far the clock was set back.
    set_back_ms: f64,
    records: Vec<Record>,
    said: Vec<Inner>,
    saves: Vec<u32>,
    freed: Vec<TransferId>,
    /// Bytes free on the disk.
    free: u64,
}

impl Desk {
    /// With so many transfers at once.
    fn with_places(active_transfers: u8) -> Self {
        let mut queue = Queue::new(Model::default(), vec![]);
        queue.handle_kept_logins(vec![]);
        let mut desk = Self {
            queue,
            commands: 0,
            set_back_ms: 0.0,
            records: vec![],
            said: vec![],
            saves: vec![],
            freed: vec![],
            free: u64::MAX,
        };
        desk.done(Command::Set { settings: Settings { active_transfers, ..Settings::default() } });
        desk
    }

    fn send(&mut self, command: Command) -> Result<Reply, Problem> {
        self.commands += 1;
        self.send_as(&CommandId(format!("{:032x}", self.commands)), command)
    }

    fn send_as(&mut self, id: &CommandId, command: Command) -> Result<Reply, Problem> {
        self.queue.handle_command(id.clone(), command, f64::from(self.commands) - self.set_back_ms);
        self.perform().into_iter().find(|(answered, _)| answered == id).expect("each command is answered").1
    }

    fn done(&mut self, command: Command) {
        assert_eq!(self.send(command), Ok(Reply::Done));
    }

    /// Does what the queue wants; gives the replies.
    fn perform(&mut self) -> Vec<(CommandId, Result<Reply, Problem>)> {
        let mut replies = Vec::new();
        while let Some(effect) = self.queue.poll_effect() {
            match effect {
                Effect::Write(record) => self.records.push(*record),
                Effect::Say(Message::Reply { id, result }) => replies.push((id, result)),
                Effect::Say(Message::Inner(inner)) => self.said.push(inner),
                Effect::Save(_, file) => self.saves.push(file),
                Effect::Delete(id) => self.freed.push(id),
                Effect::MeasureRoom => self.queue.handle_room(self.free),
                _ => {}
            }
        }
        replies
    }

    fn download(&mut self, path: &str) -> TransferId {
        self.download_from(ADDRESS, path)
    }

    fn download_from(&mut self, address: &str, path: &str) -> TransferId {
        self.download_as(address, path, None).0
    }

    /// The transfer, and whether it was there before.
    fn download_as(&mut self, address: &str, path: &str, modified_ms: Option<i64>) -> (TransferId, bool) {
        let command = Command::Download { address: address.into(), path: path.into(), size: 100, modified_ms };
        match self.send(command) {
            Ok(Reply::Transfer { transfer, existing }) => (transfer, existing),
            other => panic!("{other:?}"),
        }
    }

    fn report(&mut self, id: &TransferId, report: WorkerReport) {
        self.queue.handle_report(id, report);
        self.perform();
    }

    fn complete(&mut self, id: &TransferId) {
        self.report(id, WorkerReport::Complete { size: 100, root: Some("00".into()) });
    }

    fn fail(&mut self, id: &TransferId) {
        self.report(id, WorkerReport::Failed(Problem { what: "Broken.".into(), advice: Phrase::default() }));
    }

    fn view(&mut self, id: &TransferId) -> TransferView {
        let Ok(Reply::Snapshot(snapshot)) = self.send(Command::Watch) else { panic!("no snapshot") };
        snapshot.transfers.into_iter().find(|view| view.id == *id).expect("it is in the list")
    }

    fn state(&mut self, id: &TransferId) -> TransferState {
        self.view(id).state
    }

    /// The paths of the transfers started since this was asked last, in order.
    fn started(&mut self) -> Vec<String> {
        let started = |inner: &Inner| match inner {
            Inner::Start(task) => Some(task.terms.sources[0].path.clone()),
            _ => None,
        };
        std::mem::take(&mut self.said).iter().filter_map(started).collect()
    }

    /// The bytes a second that a running transfer was last told it may have.
    fn rate_limit(&self, id: &TransferId) -> Option<u64> {
        self.terms(id).rate_limit
    }

    fn order(&self, id: &TransferId) -> BlockOrder {
        self.terms(id).order
    }

    fn terms(&self, id: &TransferId) -> &Terms {
        let told = self.said.iter().rev().find_map(|inner| match inner {
            Inner::Start(task) if task.transfer == *id => Some(&task.terms),
            Inner::Adjust { transfer, terms } if transfer == id => Some(terms),
            _ => None,
        });
        told.expect("it was told something")
    }

    fn limit_all(&mut self, rate_limit: Option<u64>) {
        self.done(Command::Set { settings: Settings { rate_limit, ..Settings::default() } });
    }

    /// The same after the catalogue died: what the journal says, and nothing else.
    fn restart(&mut self) {
        let mut model = Model::default();
        for record in &self.records {
            if let Record::Change { change, .. } = record {
                model.apply(change.clone());
            }
        }
        self.queue = Queue::new(model, vec![]);
        self.queue.handle_kept_logins(vec![]);
        self.said.clear();
        self.perform();
    }
}

fn folder(desk: &mut Desk, path: &str) -> TransferId {
    match desk.send(Command::DownloadFolder { address: ADDRESS.into(), path: path.into() }) {
        Ok(Reply::Transfer { transfer, .. }) => transfer,
        other => panic!("{other:?}"),
    }
}

/// A folder of ten files, of which so many could not be had.
fn complete_folder(desk: &mut Desk, problems: u64) -> TransferId {
    let id = folder(desk, "music");
    let mut said = desk.view(&id);
    (said.size, said.verified) = (1000, 1000);
    said.folder = Some(FolderView { files: 10, done: 10 - problems, problems, ..FolderView::default() });
    desk.report(&id, WorkerReport::Progress(Box::new(said)));
    desk.report(&id, WorkerReport::Complete { size: 1000, root: None });
    id
}

fn saved(desk: &mut Desk, id: &TransferId, file: u32) {
    desk.queue.handle_saving(id, file, SaveOutcome::Saved { path: "/home/music".into(), placed: Placed::AsAsked });
    desk.perform();
}

/// A folder that an earlier catalogue had verified is verified anew before it is saved, and these of its files are
/// there.
fn verified_anew(desk: &mut Desk, id: &TransferId, files: std::ops::Range<u64>) {
    desk.perform();
    if !desk.queue.is_verified(id) {
        assert_eq!(desk.state(id), TransferState::Starting);
        let size = desk.view(id).size;
        desk.report(id, WorkerReport::Complete { size, root: None });
        desk.queue.handle_contents(id, Ok(vec![files]));
        desk.perform();
    }
}

/// A file that is being saved.
fn saving(desk: &mut Desk) -> TransferId {
    let id = desk.download("a");
    desk.complete(&id);
    desk.done(Command::Save { transfer: id.clone() });
    assert_eq!(std::mem::take(&mut desk.saves), [0]);
    desk.said.clear();
    id
}

fn told(desk: &mut Desk, id: &TransferId) -> (TransferState, Option<String>) {
    let view = desk.view(id);
    (view.state, view.problem.map(|problem| problem.what.say()))
}

fn heard(desk: &mut Desk, id: &TransferId, outcome: SaveOutcome) {
    desk.queue.handle_saving(id, 0, outcome);
    desk.perform();
}

fn mirror(transfer: &TransferId, address: &str) -> Command {
    Command::AddSource { transfer: transfer.clone(), address: address.into(), path: "a".into() }
}

#[test]
fn files_that_failed_and_sizes_that_no_file_can_have_need_no_room() {
    let mut desk = Desk::with_places(2);
    desk.free = 1000;
    let folder = Command::DownloadFolder { address: ADDRESS.into(), path: "folder".into() };
    let Ok(Reply::Transfer { transfer: id, .. }) = desk.send(folder) else { panic!("it is taken") };
    let mut said = desk.view(&id);
    (said.size, said.folder) = (5000, Some(FolderView { files: 2, is_walking: true, ..FolderView::default() }));
    desk.report(&id, WorkerReport::Progress(Box::new(said.clone())));
    assert!(desk.view(&id).lacks.is_some());
    // A file of 4,900 bytes failed before the worker ended.
    said.size = 100;
    desk.report(&id, WorkerReport::Progress(Box::new(said)));
    desk.report(&id, WorkerReport::Stopped);
    assert_eq!((desk.view(&id).lacks, desk.view(&id).size), (None, 100));

    let impossible =
        Command::Download { address: ADDRESS.into(), path: "lie".into(), size: u64::MAX, modified_ms: None };
    let Ok(Reply::Transfer { transfer: lie, .. }) = desk.send(impossible) else { panic!("it is taken") };
    assert_eq!(desk.view(&lie).lacks, None, "its worker finds out that it can't be");
}
