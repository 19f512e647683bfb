//! The queue as the other contexts see it: what goes in, and what it has them do.

use std::collections::HashSet;

use wstp_messages::{
    BlockOrder, Command, CommandId, Event, FolderView, Inner, Message, NamedBy, Notice, Placed, Problem, Reply,
    SaveOutcome, Settings, Step, Sweep, Terms, TransferId, TransferKind, TransferState, TransferView, WaitReason,
    WorkerReport,
};

use super::super::model::{Change, Model, Record};
use super::{Effect, Queue};

mod rechecking;
mod saving;

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
        let queue = Queue::new(Model::default(), vec![]);
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
        self.report(id, WorkerReport::Failed(Problem { what: "Broken.".into(), advice: String::new() }));
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
        self.said.clear();
        self.perform();
    }
}

#[test]
fn pause_all_stops_those_under_way_and_starts_none_of_the_others() {
    let mut desk = Desk::with_places(1);
    let (first, second) = (desk.download("a"), desk.download("b"));
    desk.done(Command::Sweep(Sweep::Pause));
    assert!(desk.said.contains(&Inner::Stop(first.clone())));
    desk.started();
    desk.report(&first, WorkerReport::Stopped);
    assert_eq!((desk.state(&first), desk.state(&second)), (TransferState::Paused, TransferState::Paused));
    assert!(desk.started().is_empty());
    desk.restart();
    assert_eq!(desk.state(&second), TransferState::Paused);
}

#[test]
fn resume_all_goes_on_with_the_paused_and_leaves_the_cancelled() {
    let mut desk = Desk::with_places(3);
    let (paused, cancelled) = (desk.download("a"), desk.download("b"));
    desk.done(Command::Cancel { transfer: cancelled.clone() });
    desk.done(Command::Sweep(Sweep::Pause));
    desk.report(&paused, WorkerReport::Stopped);
    desk.report(&cancelled, WorkerReport::Stopped);
    desk.started();
    desk.done(Command::Sweep(Sweep::Resume));
    assert_eq!(desk.started(), ["a"]);
    assert_eq!(desk.state(&cancelled), TransferState::Cancelled);
}

#[test]
fn retry_all_takes_up_what_failed_and_nothing_else() {
    let mut desk = Desk::with_places(3);
    let (failed, paused) = (desk.download("a"), desk.download("b"));
    desk.fail(&failed);
    desk.done(Command::Pause { transfer: paused.clone() });
    desk.report(&paused, WorkerReport::Stopped);
    desk.started();
    desk.done(Command::Sweep(Sweep::Retry));
    assert_eq!(desk.started(), ["a"]);
    assert_eq!(desk.state(&paused), TransferState::Paused);
}

#[test]
fn a_sweep_that_means_nobody_writes_nothing() {
    let mut desk = Desk::with_places(3);
    let before = desk.records.len();
    for sweep in [Sweep::Pause, Sweep::Resume, Sweep::Retry] {
        desk.done(Command::Sweep(sweep));
    }
    assert_eq!(desk.records.len(), before);
}

#[test]
fn a_sweep_sent_again_under_its_id_has_no_second_effect() {
    let mut desk = Desk::with_places(3);
    let transfer = desk.download("a");
    let id = CommandId("ff".repeat(16));
    assert_eq!(desk.send_as(&id, Command::Sweep(Sweep::Pause)), Ok(Reply::Done));
    desk.report(&transfer, WorkerReport::Stopped);
    desk.done(Command::Sweep(Sweep::Resume));
    assert_eq!(desk.send_as(&id, Command::Sweep(Sweep::Pause)), Ok(Reply::Done));
    assert_eq!(desk.state(&transfer), TransferState::Starting);
}

#[test]
fn the_one_moved_to_the_top_is_the_next_to_start() {
    let mut desk = Desk::with_places(1);
    let first = desk.download("a");
    let [_, _, last] = ["b", "c", "d"].map(|path| desk.download(path));
    desk.done(Command::Move { transfer: last, step: Step::First });
    desk.started();
    desk.complete(&first);
    assert_eq!(desk.started(), ["d"]);
}

#[test]
fn steps_change_the_order_by_one_and_it_survives_a_restart() {
    let mut desk = Desk::with_places(1);
    desk.download("a");
    let [b, _, d] = ["b", "c", "d"].map(|path| desk.download(path));
    desk.done(Command::Move { transfer: d.clone(), step: Step::Earlier });
    desk.done(Command::Move { transfer: b.clone(), step: Step::Later });
    assert_eq!((desk.view(&d).place, desk.view(&b).place), (Some(1), Some(2)));
    desk.done(Command::Set { settings: Settings { active_transfers: 4, ..Settings::default() } });
    assert_eq!(desk.started(), ["a", "d", "b", "c"]);
    desk.restart();
    assert_eq!(desk.view(&d).state, TransferState::Starting);
}

#[test]
fn a_step_beyond_either_end_and_one_of_a_running_transfer_do_nothing() {
    let mut desk = Desk::with_places(1);
    let [running, first, last] = ["a", "b", "c"].map(|path| desk.download(path));
    let before = desk.records.len();
    for (transfer, step) in [
        (&running, Step::First),
        (&running, Step::Later),
        (&first, Step::First),
        (&first, Step::Earlier),
        (&last, Step::Later),
    ] {
        desk.done(Command::Move { transfer: transfer.clone(), step });
    }
    assert_eq!(desk.records.len(), before);
    assert!(desk.send(Command::Move { transfer: TransferId("gone".into()), step: Step::First }).is_err());
}

#[test]
fn the_places_of_all_that_wait_are_told_when_one_starts() {
    let mut desk = Desk::with_places(1);
    let [first, second, third] = ["a", "b", "c"].map(|path| desk.download(path));
    assert_eq!((desk.view(&second).place, desk.view(&third).place), (Some(1), Some(2)));
    desk.queue.take_events();
    desk.complete(&first);
    assert_eq!((desk.view(&second).place, desk.view(&third).place), (None, Some(1)));
    assert!(format!("{:?}", desk.queue.take_events()).contains(&third.0));
}

#[test]
fn three_are_under_way_at_once_unless_set_otherwise() {
    let mut desk = Desk::with_places(Settings::default().active_transfers);
    for path in ["a", "b", "c", "d"] {
        desk.download(path);
    }
    assert_eq!(desk.started(), ["a", "b", "c"]);
}

#[test]
fn those_that_run_share_the_limit_and_get_more_when_one_ends() {
    let mut desk = Desk::with_places(3);
    desk.limit_all(Some(9_000_000));
    let [first, second] = ["a", "b"].map(|path| desk.download(path));
    assert_eq!((desk.rate_limit(&first), desk.rate_limit(&second)), (Some(4_500_000), Some(4_500_000)));
    let third = desk.download("c");
    assert_eq!((desk.rate_limit(&first), desk.rate_limit(&third)), (Some(3_000_000), Some(3_000_000)));
    desk.complete(&second);
    assert_eq!((desk.rate_limit(&first), desk.rate_limit(&third)), (Some(4_500_000), Some(4_500_000)));
    desk.limit_all(None);
    assert_eq!(desk.rate_limit(&first), None);
}

#[test]
fn a_transfers_own_limit_leaves_the_rest_to_the_others_and_survives_a_restart() {
    let mut desk = Desk::with_places(3);
    desk.limit_all(Some(9_000_000));
    let [slow, fast] = ["a", "b"].map(|path| desk.download(path));
    desk.done(Command::Limit { transfer: slow.clone(), rate: Some(1_000_000) });
    assert_eq!((desk.rate_limit(&slow), desk.rate_limit(&fast)), (Some(1_000_000), Some(8_000_000)));
    desk.restart();
    assert_eq!((desk.rate_limit(&slow), desk.rate_limit(&fast)), (Some(1_000_000), Some(8_000_000)));
    assert_eq!(desk.view(&slow).rate_limit, Some(1_000_000));
}

#[test]
fn the_order_of_blocks_is_told_to_the_worker_and_survives_a_restart() {
    let mut desk = Desk::with_places(3);
    let [ordered, other] = ["a", "b"].map(|path| desk.download(path));
    assert_eq!(desk.order(&ordered), BlockOrder::Fastest);
    desk.done(Command::Order { transfer: ordered.clone(), order: BlockOrder::InOrder });
    assert_eq!((desk.order(&ordered), desk.order(&other)), (BlockOrder::InOrder, BlockOrder::Fastest));
    desk.restart();
    assert_eq!((desk.order(&ordered), desk.order(&other)), (BlockOrder::InOrder, BlockOrder::Fastest));
    assert_eq!(desk.view(&ordered).order, BlockOrder::InOrder);
    desk.done(Command::Order { transfer: ordered.clone(), order: BlockOrder::Fastest });
    assert_eq!(desk.order(&ordered), BlockOrder::Fastest);
}

#[test]
fn a_clock_that_was_set_back_makes_no_second_update() {
    let mut desk = Desk::with_places(3);
    let (old, _) = desk.download_as(ADDRESS, "a", Some(1));
    desk.complete(&old);
    desk.set_back_ms = 1e9;
    let (update, existing) = desk.download_as(ADDRESS, "a", Some(2));
    assert!(!existing && update != old);
    assert_eq!(desk.download_as(ADDRESS, "a", Some(2)), (update, true));
}

#[test]
fn one_that_waits_for_its_server_takes_nothing_from_the_others() {
    let mut desk = Desk::with_places(3);
    desk.limit_all(Some(9_000_000));
    let [waiting, running] = ["a", "b"].map(|path| desk.download(path));
    let mut said = desk.view(&waiting);
    said.state = TransferState::Waiting { retry_seconds: 4.0 };
    desk.report(&waiting, WorkerReport::Progress(Box::new(said)));
    assert_eq!((desk.rate_limit(&waiting), desk.rate_limit(&running)), (Some(4_500_000), Some(9_000_000)));
}

impl Desk {
    /// Says so often of these that they wait for their server.
    fn waits(&mut self, ids: &[TransferId], times: u32) {
        for _ in 0..times {
            for id in ids {
                let mut said = self.view(id);
                said.state = TransferState::Waiting { retry_seconds: 4.0 };
                self.report(id, WorkerReport::Progress(Box::new(said)));
            }
        }
    }

    fn stopped(&mut self) -> Vec<TransferId> {
        let stopped = |inner: &Inner| match inner {
            Inner::Stop(id) => Some(id.clone()),
            _ => None,
        };
        std::mem::take(&mut self.said).iter().filter_map(stopped).collect()
    }
}

#[test]
fn those_that_wait_for_a_server_that_is_gone_do_not_hold_up_all_others() {
    let mut desk = Desk::with_places(3);
    let mut dead: Vec<_> = (0..8)
        .map(|number| {
            let id = desk.download(&format!("dead {number}"));
            desk.waits(std::slice::from_ref(&id), 1);
            id
        })
        .collect();
    desk.started();
    let alive = desk.download("alive");
    desk.waits(&dead, 30);
    assert_eq!((desk.started(), desk.state(&alive)), (vec![], TransferState::Queued));
    desk.waits(&dead, 20);
    let stopped = desk.stopped();
    let [first] = stopped.as_slice() else { panic!("one makes room: {stopped:?}") };
    dead.retain(|id| id != first);
    desk.report(first, WorkerReport::Stopped);
    assert_eq!(desk.started(), ["alive"]);
    assert_eq!(desk.state(first), TransferState::Queued);
    desk.complete(&alive);
    assert_eq!(desk.started().len(), 1, "it comes back as soon as there is a place");
}

#[test]
fn those_that_made_room_come_to_their_turn_again() {
    let mut desk = Desk::with_places(3);
    let all: Vec<_> = (0..10).map(|number| desk.download(&format!("dead {number}"))).collect();
    let (mut seen, mut made_room, mut back) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut stops = 0;
    for _ in 0..1700 {
        let (waiting, running): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|id| desk.state(id) == TransferState::Queued);
        assert!(waiting.len() >= 2);
        back.extend(running.iter().filter(|id| made_room.contains(*id)).cloned());
        desk.said.clear();
        desk.waits(&running, 1);
        for id in desk.stopped() {
            stops += 1;
            made_room.insert(id.clone());
            desk.report(&id, WorkerReport::Stopped);
        }
        seen.extend(running);
    }
    assert_eq!(seen.len(), all.len(), "each had its turn");
    assert!(!back.is_empty(), "and the first comes back");
    assert!(stops <= 2 + 8 + 2, "but nobody is driven round and round: {stops}");
}

fn mirror(transfer: &TransferId, address: &str) -> Command {
    Command::AddSource { transfer: transfer.clone(), address: address.into(), path: "a".into() }
}

#[test]
fn a_mirror_is_told_to_the_worker_survives_a_restart_and_can_be_removed() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.done(mirror(&id, "mirror"));
    let told = |desk: &Desk| match desk.said.last() {
        Some(Inner::Adjust { terms, .. }) => terms.sources.iter().map(|source| source.address.clone()).collect(),
        _ => vec![],
    };
    assert_eq!(told(&desk), [ADDRESS, "ws://mirror:3000/ws"]);
    desk.restart();
    let sources = desk.view(&id).sources;
    assert_eq!(sources.iter().map(|source| source.label.as_str()).collect::<Vec<_>>(), ["host:3000", "mirror:3000"]);
    desk.done(Command::RemoveSource { transfer: id.clone(), source: sources[1].id });
    assert_eq!(told(&desk), [ADDRESS]);
    desk.done(Command::RemoveSource { transfer: id, source: 0 });
    assert_eq!(told(&desk), [ADDRESS], "the server it was found on stays");
}

#[test]
fn a_mirror_added_again_is_a_new_source_and_no_second_one() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.done(mirror(&id, "mirror"));
    let before = desk.view(&id).sources[1].id;
    desk.done(mirror(&id, "ws://mirror:3000/ws"));
    let sources = desk.view(&id).sources;
    assert_eq!(sources.len(), 2);
    assert_ne!(sources[1].id, before);
}

fn addresses(desk: &Desk, id: &TransferId) -> Vec<String> {
    desk.queue.model().item(id).unwrap().sources().into_iter().map(|source| source.address).collect()
}

#[test]
fn a_link_to_the_file_is_a_mirror_of_plain_http() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.done(mirror(&id, "https://host:8080/files/a%20b.iso?x=1"));
    assert_eq!(addresses(&desk, &id), [ADDRESS, "https://host:8080/files/a%20b.iso?x=1"]);
    assert_eq!(desk.view(&id).sources[1].label, "host:8080");
    assert!(desk.send(mirror(&id, "http://host/a b")).is_err());
}

#[test]
fn what_the_server_offers_is_used_until_the_user_takes_it_away() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("sub/a b");
    let offer = ["wss://mirror/ws", "http://mirror:8080/pub/", ADDRESS, "no address"].map(str::to_owned);
    desk.report(&id, WorkerReport::Mirrors(offer.to_vec()));
    let mirrors = ["wss://mirror:443/ws", "http://mirror:8080/pub/sub/a%20b"];
    assert_eq!(addresses(&desk, &id), [ADDRESS, mirrors[0], mirrors[1]]);
    let offered = desk.view(&id).sources[1].id;
    desk.done(Command::RemoveSource { transfer: id.clone(), source: offered });
    desk.restart();
    desk.report(&id, WorkerReport::Mirrors(offer.to_vec()));
    assert_eq!(addresses(&desk, &id), [ADDRESS, mirrors[1]]);
    desk.done(Command::AddSource { transfer: id.clone(), address: "wss://mirror".into(), path: "sub/a b".into() });
    assert_eq!(addresses(&desk, &id), [ADDRESS, mirrors[1], mirrors[0]], "the user may think better of it");
    let sources = desk.queue.model().item(&id).unwrap().sources();
    let named_by: Vec<_> = sources.iter().map(|source| source.named_by).collect();
    assert_eq!(named_by, [NamedBy::User, NamedBy::Server, NamedBy::User]);
}

#[test]
fn a_stranger_can_offer_nothing_in_the_users_own_network_and_no_more_than_there_is_room_for() {
    let mut desk = Desk::with_places(3);
    let id = desk.download_from("files.example.org", "a");
    let far = |number: u32| format!("http://m{number}.example.org/");
    let offer = ["ws://192.168.1.1/ws", "http://localhost:8080/", "http://nas/"].map(str::to_owned);
    desk.report(&id, WorkerReport::Mirrors(offer.into_iter().chain((0..20).map(far)).collect()));
    let taken = addresses(&desk, &id);
    assert_eq!(taken.len(), 9);
    assert!(taken[1..].iter().all(|address| address.contains(".example.org/")), "{taken:?}");
}

#[test]
fn what_is_no_mirror_is_refused_in_words() {
    let mut desk = Desk::with_places(3);
    let (id, complete) = (desk.download("a"), desk.download("b"));
    desk.complete(&complete);
    let no_path = Command::AddSource { transfer: id.clone(), address: "mirror".into(), path: "../a".into() };
    for wrong in [mirror(&id, ADDRESS), mirror(&id, "no address"), mirror(&complete, "mirror"), no_path] {
        assert!(desk.send(wrong).is_err_and(|problem| problem.what.ends_with('.')));
    }
    for number in 0..8 {
        desk.done(mirror(&id, &format!("mirror{number}")));
    }
    assert!(desk.send(mirror(&id, "one-too-many")).is_err());
}

#[test]
fn a_complete_copy_of_an_older_file_stays_until_its_update_is_complete() {
    let mut desk = Desk::with_places(3);
    let (old, _) = desk.download_as(ADDRESS, "a", Some(1));
    desk.complete(&old);
    assert_eq!(desk.download_as(ADDRESS, "a", Some(1)), (old.clone(), true));
    assert_eq!(desk.download_as(ADDRESS, "a", None), (old.clone(), true));
    let (new, existing) = desk.download_as(ADDRESS, "a", Some(2));
    assert!(!existing);
    assert_eq!(desk.download_as(ADDRESS, "a", Some(3)), (new.clone(), true), "it fetches what is there now");
    desk.restart();
    let tasks = |inner: &Inner| match inner {
        Inner::Start(task) => Some((task.transfer.clone(), task.base.clone(), task.accept_change)),
        _ => None,
    };
    assert_eq!(desk.said.iter().rev().find_map(tasks), Some((new.clone(), Some(old.clone()), true)));
    assert_eq!(desk.state(&old), TransferState::Complete);
    desk.complete(&new);
    assert!(desk.queue.model().item(&old).is_none());
    assert_eq!(desk.state(&new), TransferState::Complete);
}

#[test]
fn an_older_copy_that_is_being_saved_is_left_to_chrome() {
    let mut desk = Desk::with_places(3);
    let (old, _) = desk.download_as(ADDRESS, "a", Some(1));
    desk.complete(&old);
    let (new, _) = desk.download_as(ADDRESS, "a", Some(2));
    desk.done(Command::Save { transfer: old.clone() });
    desk.complete(&new);
    assert_eq!(desk.state(&old), TransferState::Saving);
}

#[test]
fn only_a_change_on_the_server_that_the_user_saw_is_accepted() {
    let mut desk = Desk::with_places(3);
    let (failed, outdated) = (desk.download("a"), desk.download("b"));
    desk.fail(&failed);
    desk.report(&outdated, WorkerReport::Outdated(Problem { what: "Changed.".into(), advice: String::new() }));
    desk.said.clear();
    desk.done(Command::Sweep(Sweep::Retry));
    assert_eq!((desk.state(&failed), desk.state(&outdated)), (TransferState::Starting, TransferState::Failed));
    desk.restart();
    assert!(desk.view(&outdated).is_outdated);
    desk.done(Command::Resume { transfer: outdated.clone() });
    let accepts = |inner: &Inner| match inner {
        Inner::Start(task) => Some((task.transfer.clone(), task.accept_change)),
        _ => None,
    };
    let started: Vec<_> = desk.said.iter().filter_map(accepts).collect();
    assert_eq!(started, [(failed, false), (outdated, true)]);
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

#[test]
fn a_folder_is_one_transfer_with_a_worker_of_its_own_kind() {
    let mut desk = Desk::with_places(3);
    let id = folder(&mut desk, "music");
    assert!(desk.said.iter().any(|inner| matches!(inner, Inner::Start(task) if task.kind == TransferKind::Folder)));
    let again = desk.send(Command::DownloadFolder { address: ADDRESS.into(), path: "music".into() });
    assert_eq!(again, Ok(Reply::Transfer { transfer: id.clone(), existing: true }));
    let file = desk.download("music");
    assert_ne!(file, id, "a file is no folder, whatever its name");
    assert!(desk.send(mirror(&id, "mirror")).is_err());
    let whole = desk.send(Command::DownloadFolder { address: ADDRESS.into(), path: String::new() });
    assert!(matches!(whole, Ok(Reply::Transfer { existing: false, .. })), "{whole:?}");
}

#[test]
fn what_a_folder_has_survives_a_restart() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 3);
    desk.restart();
    let view = desk.view(&id);
    assert_eq!((view.state, view.size, view.blocks), (TransferState::Complete, 1000, 10));
    let known = FolderView { files: 10, done: 7, problems: 3, is_walking: false, saved: 0 };
    assert_eq!(view.folder, Some(known));
}

#[test]
fn a_complete_folder_is_taken_up_again_only_for_what_could_not_be_had() {
    let mut desk = Desk::with_places(3);
    let (lacking, whole) = (complete_folder(&mut desk, 1), folder(&mut desk, "films"));
    desk.report(&whole, WorkerReport::Complete { size: 0, root: None });
    desk.started();
    for transfer in [&lacking, &whole] {
        desk.done(Command::Resume { transfer: transfer.clone() });
    }
    assert_eq!((desk.state(&lacking), desk.state(&whole)), (TransferState::Starting, TransferState::Complete));
}

#[test]
fn a_folder_is_saved_file_by_file_and_its_copy_is_freed_at_the_end() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    desk.done(Command::Save { transfer: id.clone() });
    desk.queue.handle_contents(&id, Ok(vec![0..10]));
    desk.perform();
    while let Some(file) = desk.saves.pop() {
        assert_eq!(desk.state(&id), TransferState::Saving);
        assert!(desk.freed.is_empty());
        saved(&mut desk, &id, file);
    }
    let view = desk.view(&id);
    assert_eq!((view.state, view.saved_as.as_deref()), (TransferState::Saved, Some("/home/music")));
    assert_eq!((view.folder.map(|folder| folder.saved), desk.freed), (Some(10), vec![id]));
}

#[test]
fn a_folder_that_lacks_files_keeps_its_copy_when_it_is_saved() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 9);
    desk.done(Command::Save { transfer: id.clone() });
    desk.queue.handle_contents(&id, Ok(vec![3..4]));
    desk.perform();
    saved(&mut desk, &id, 3);
    assert_eq!((desk.state(&id), desk.freed), (TransferState::Saved, vec![]));
}

#[test]
fn a_folder_that_is_saved_again_is_saved_whole() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 9);
    for _ in 0..2 {
        desk.done(Command::Save { transfer: id.clone() });
        desk.queue.handle_contents(&id, Ok(vec![3..4]));
        desk.perform();
        assert_eq!((desk.state(&id), desk.saves.pop()), (TransferState::Saving, Some(3)));
        saved(&mut desk, &id, 3);
        assert_eq!(desk.state(&id), TransferState::Saved);
    }
}

#[test]
fn a_save_that_is_paused_or_cancelled_goes_on_where_it_was() {
    goes_on_saving_after(|transfer| Command::Pause { transfer });
    goes_on_saving_after(|transfer| Command::Cancel { transfer });
}

fn goes_on_saving_after(stop: fn(TransferId) -> Command) {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    desk.done(Command::Save { transfer: id.clone() });
    desk.queue.handle_contents(&id, Ok(vec![0..20]));
    desk.perform();
    saved(&mut desk, &id, 0);
    desk.done(stop(id.clone()));
    let begun = desk.saves.clone();
    assert_eq!(desk.state(&id), TransferState::Complete);
    begun.iter().for_each(|file| saved(&mut desk, &id, *file));
    assert_eq!(desk.saves, begun, "nothing more is begun");
    desk.restart();
    assert_eq!(desk.view(&id).folder.map(|folder| folder.saved), Some(begun.len() as u64));
    desk.saves.clear();
    desk.done(Command::Save { transfer: id.clone() });
    desk.queue.handle_contents(&id, Ok(vec![0..20]));
    desk.perform();
    assert_eq!(desk.saves, (begun.len() as u32..20).collect::<Vec<_>>());
}

#[test]
fn after_a_restart_chrome_is_asked_before_anything_is_saved_again() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    desk.done(Command::Save { transfer: id.clone() });
    desk.restart();
    assert!(desk.said.contains(&Inner::Ask(id.clone())));
    saved(&mut desk, &id, 1);
    desk.queue.handle_asked(&id);
    desk.queue.handle_contents(&id, Ok(vec![0..4]));
    desk.perform();
    assert_eq!(desk.saves, [0, 2, 3]);
    assert_eq!(desk.view(&id).folder.map(|folder| folder.saved), Some(1));
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

fn held() -> SaveOutcome {
    SaveOutcome::Waits { download: 7, reason: WaitReason::Keep }
}

fn heard(desk: &mut Desk, id: &TransferId, outcome: SaveOutcome) {
    desk.queue.handle_saving(id, 0, outcome);
    desk.perform();
}

fn cancelled() -> SaveOutcome {
    SaveOutcome::Failed { problem: Problem { what: "Saving was cancelled.".into(), advice: String::new() } }
}

fn told(desk: &mut Desk, id: &TransferId) -> (TransferState, Option<String>) {
    let view = desk.view(id);
    (view.state, view.problem.map(|problem| problem.what))
}

#[test]
fn a_file_that_is_not_to_be_saved_after_all_is_complete_again_without_an_error() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    desk.done(Command::Pause { transfer: id.clone() });
    assert_eq!(desk.state(&id), TransferState::Saving, "it was fetched before that could be paused");
    desk.done(Command::Cancel { transfer: id.clone() });
    assert!(desk.said.contains(&Inner::StopSaving(id.clone())));
    assert_eq!(told(&mut desk, &id), (TransferState::Complete, None));
    desk.said.clear();
    heard(&mut desk, &id, SaveOutcome::Begun { download: 7 });
    assert_eq!(desk.said, [Inner::StopSaving(id.clone())], "Chrome began only after it was told to stop");
    heard(&mut desk, &id, cancelled());
    assert_eq!((told(&mut desk, &id), desk.freed.len()), ((TransferState::Complete, None), 0));
    desk.restart();
    assert_eq!(told(&mut desk, &id), (TransferState::Complete, None));
}

#[test]
fn a_file_that_was_saved_before_that_could_be_stopped_is_saved() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    desk.done(Command::Cancel { transfer: id.clone() });
    saved(&mut desk, &id, 0);
    assert_eq!((desk.state(&id), desk.freed.as_slice()), (TransferState::Saved, std::slice::from_ref(&id)));
}

#[test]
fn a_file_that_is_saved_again_while_chrome_still_stops_waits_for_that() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    desk.done(Command::Cancel { transfer: id.clone() });
    desk.done(Command::Save { transfer: id.clone() });
    assert_eq!((desk.state(&id), desk.saves.len()), (TransferState::Saving, 0));
    heard(&mut desk, &id, cancelled());
    assert_eq!((desk.state(&id), desk.saves.as_slice()), (TransferState::Saving, &[0][..]));
    desk.said.clear();
    heard(&mut desk, &id, SaveOutcome::Begun { download: 7 });
    assert!(!desk.said.contains(&Inner::StopSaving(id.clone())));
    saved(&mut desk, &id, 0);
    assert_eq!(desk.state(&id), TransferState::Saved);
}

#[test]
fn that_chrome_asks_whether_to_keep_a_file_is_said_until_it_is_answered() {
    let asks = || (TransferState::Saving, Some("Chrome asks whether to keep this file.".to_owned()));
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    heard(&mut desk, &id, held());
    assert_eq!(told(&mut desk, &id), asks());
    heard(&mut desk, &id, SaveOutcome::Begun { download: 7 });
    assert_eq!(told(&mut desk, &id), (TransferState::Saving, None));
    desk.restart();
    heard(&mut desk, &id, held());
    desk.queue.handle_asked(&id);
    desk.perform();
    assert_eq!((told(&mut desk, &id), desk.saves.len()), (asks(), 0));
    desk.queue.handle_forgotten(8);
    assert_eq!(told(&mut desk, &id), asks());
    desk.queue.handle_forgotten(7);
    desk.perform();
    let discarded = Some("Saving was cancelled in Chrome.".to_owned());
    assert_eq!(told(&mut desk, &id), (TransferState::Complete, discarded));
}

#[test]
fn of_a_folder_it_is_said_how_many_files_chrome_asks_about_until_it_is_paused() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    desk.done(Command::Save { transfer: id.clone() });
    desk.queue.handle_contents(&id, Ok(vec![0..10]));
    for file in [2, 5] {
        desk.queue.handle_saving(&id, file, held());
    }
    desk.perform();
    let asks = "Chrome asks whether to keep 2 of the files.".to_owned();
    assert_eq!(told(&mut desk, &id), (TransferState::Saving, Some(asks)));
    desk.done(Command::Pause { transfer: id.clone() });
    assert_eq!(told(&mut desk, &id), (TransferState::Complete, None));
    assert!(!desk.said.contains(&Inner::StopSaving(id)));
}

#[test]
fn a_save_that_fails_says_why_and_keeps_the_copy() {
    let mut desk = Desk::with_places(3);
    let (file, folder) = (desk.download("a"), complete_folder(&mut desk, 0));
    desk.complete(&file);
    for id in [&file, &folder] {
        desk.done(Command::Save { transfer: id.clone() });
        desk.queue.handle_contents(id, Ok(vec![0..1]));
        let problem = Problem { what: "The disk is full.".into(), advice: String::new() };
        desk.queue.handle_saving(id, 0, SaveOutcome::Failed { problem });
        desk.perform();
    }
    let words = |view: TransferView| (view.state, view.problem.map(|problem| problem.what).unwrap_or_default());
    assert_eq!(words(desk.view(&file)), (TransferState::Complete, "The disk is full.".into()));
    let of_folder = "One file could not be saved. The disk is full.";
    assert_eq!(words(desk.view(&folder)), (TransferState::Complete, of_folder.into()));
    assert!(desk.freed.is_empty());
}

#[test]
fn a_transfer_whose_folder_is_gone_says_so_or_needs_no_folder() {
    let mut desk = Desk::with_places(3);
    let (lost, saved, begun) = (desk.download("lost"), desk.download("saved"), desk.download("begun"));
    for id in [&lost, &saved] {
        desk.report(id, WorkerReport::Complete { size: 100, root: None });
    }
    desk.done(Command::Save { transfer: saved.clone() });
    desk.done(Command::Set { settings: Settings { free_after_save: false, ..Settings::default() } });
    desk.queue.handle_saving(&saved, 0, SaveOutcome::Saved { path: "/saved".into(), placed: Placed::AsAsked });
    desk.perform();
    desk.queue.handle_folders(&HashSet::new());
    desk.perform();
    assert_eq!(desk.view(&lost).state, TransferState::Failed);
    assert!(desk.view(&lost).problem.unwrap().advice.contains("Try again"));
    assert_eq!((desk.view(&saved).state, desk.view(&saved).in_sandbox), (TransferState::Saved, false));
    assert_eq!(desk.view(&begun).state, TransferState::Starting, "its worker notices by itself");
    desk.done(Command::Resume { transfer: lost.clone() });
    assert_eq!(desk.view(&lost).verified, 0);
}

#[test]
fn a_transfer_whose_files_are_removed_begins_anew_and_its_worker_knows_what_was_there() {
    let mut desk = Desk::with_places(1);
    let id = desk.download("a");
    let mut said = desk.view(&id);
    said.verified = 50;
    desk.report(&id, WorkerReport::Progress(Box::new(said)));
    let started = |desk: &Desk| {
        let mut started = desk.said.iter().rev().filter_map(|said| match said {
            Inner::Start(task) => Some((task.transfer.clone(), task.had)),
            _ => None,
        });
        started.next().expect("it goes on")
    };
    desk.report(&id, WorkerReport::Cleared);
    let (second, had) = started(&desk);
    assert_eq!((had, desk.freed.contains(&id)), (50, true));
    assert_ne!(second, id, "its files' names are not free yet");
    desk.queue.handle_cleared(&HashSet::new());
    desk.report(&second, WorkerReport::Stopped);
    let (third, had) = started(&desk);
    assert_eq!((had, desk.view(&third).path.as_str()), (50, "a"));
    desk.queue.handle_cleared(&HashSet::from([third.0.clone()]));
    desk.perform();
    assert_eq!(started(&desk).0, third);
}

#[test]
fn a_notice_stays_until_it_is_dismissed_and_without_storage_nothing_is_promised() {
    let notice = |is_lasting| Notice { problem: Problem { what: "So.".into(), advice: String::new() }, is_lasting };
    let desk_with = |notice| {
        let mut model = Model::default();
        model.apply(Change::Noticed(Some(notice)));
        Desk { queue: Queue::new(model, vec![]), ..Desk::with_places(1) }
    };
    let mut desk = desk_with(notice(false));
    desk.download("a");
    desk.done(Command::Dismiss);
    assert!(desk.queue.take_events().contains(&Event::Notice(None)));
    let mut desk = desk_with(notice(true));
    let download = Command::Download { address: ADDRESS.into(), path: "a".into(), size: 1, modified_ms: None };
    assert_eq!(desk.send(download), Err(notice(true).problem));
    desk.queue.handle_command(CommandId("0".repeat(32)), Command::Dismiss, 0.0);
    assert_eq!(desk.queue.poll_effect(), Some(Effect::OpenStorage));
}

/// As many bytes as two downloads of these tests need, one of them being saved.
const ROOM_FOR_TWO: u64 = 300;

#[test]
fn what_does_not_fit_says_what_it_needs_and_keeps_no_other_from_beginning() {
    let mut desk = Desk::with_places(4);
    desk.free = ROOM_FOR_TWO;
    let (first, second) = (desk.download("a"), desk.download("b"));
    let download = Command::Download { address: ADDRESS.into(), path: "huge".into(), size: 1 << 44, modified_ms: None };
    let Ok(Reply::Transfer { transfer: huge, .. }) = desk.send(download) else { panic!("it is taken") };
    assert_eq!(desk.started(), ["a", "b"]);
    let lacks = desk.view(&huge).lacks.unwrap();
    assert_eq!((lacks.needed, lacks.to_save, lacks.free, lacks.promised), (1 << 44, 1 << 44, ROOM_FOR_TWO, 200));
    assert_eq!((desk.view(&first).lacks, desk.view(&huge).place), (None, None));
    // They fit one by one, but not together.
    let third = desk.download("c");
    assert!(desk.view(&third).lacks.is_some());
    desk.free = ROOM_FOR_TWO - 100;
    desk.report(&second, WorkerReport::Complete { size: 100, root: None });
    assert!(desk.started().is_empty(), "what is complete takes its room");
    desk.free = ROOM_FOR_TWO;
    desk.queue.handle_room(desk.free);
    desk.perform();
    assert_eq!((desk.started(), desk.view(&third).lacks), (vec!["c".to_owned()], None));
}

#[test]
fn the_user_may_begin_what_does_not_fit_and_that_is_remembered() {
    let mut desk = Desk::with_places(1);
    desk.free = 10;
    let id = desk.download("a");
    assert!(desk.started().is_empty());
    desk.done(Command::Insist { transfer: id.clone() });
    assert_eq!(desk.started(), ["a"]);
    desk.restart();
    assert_eq!(desk.view(&id).lacks, None);
}

#[test]
fn a_folder_is_stopped_when_its_sum_turns_out_not_to_fit_and_goes_on_with_room() {
    let mut desk = Desk::with_places(1);
    desk.free = 1000;
    let Ok(Reply::Transfer { transfer: id, .. }) =
        desk.send(Command::DownloadFolder { address: ADDRESS.into(), path: "folder".into() })
    else {
        panic!("it is taken")
    };
    assert_eq!(desk.started(), ["folder"]);
    let mut said = desk.view(&id);
    (said.size, said.folder) = (5000, Some(FolderView { files: 2, is_walking: true, ..FolderView::default() }));
    desk.report(&id, WorkerReport::Progress(Box::new(said)));
    assert!(desk.said.contains(&Inner::Stop(id.clone())));
    desk.report(&id, WorkerReport::Stopped);
    desk.started();
    let lacks = desk.view(&id).lacks.unwrap();
    assert_eq!((lacks.needed, lacks.is_least), (5000, true));
    assert!(desk.queue.watches_room());
    desk.free = 10_000;
    desk.queue.handle_room(desk.free);
    desk.perform();
    assert_eq!(desk.started(), ["folder"]);
}
