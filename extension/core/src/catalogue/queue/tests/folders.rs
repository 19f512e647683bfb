//! Folders.

use super::*;

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
