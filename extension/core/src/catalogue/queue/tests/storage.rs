//! Storage that is lost, and room for what is to come.

use super::*;

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
    assert!(desk.view(&lost).problem.unwrap().advice.say().contains("Try again"));
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
    let notice = |is_lasting| Notice { problem: Problem { what: "So.".into(), advice: Phrase::default() }, is_lasting };
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
