//! Saves that are stopped, held back or failed.

use super::*;

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
    verified_anew(&mut desk, &id, 0..20);
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
    verified_anew(&mut desk, &id, 0..4);
    assert_eq!(desk.saves, [0, 2, 3]);
    assert_eq!(desk.view(&id).folder.map(|folder| folder.saved), Some(1));
}

fn held() -> SaveOutcome {
    SaveOutcome::Waits { download: 7, reason: WaitReason::Keep }
}

fn cancelled() -> SaveOutcome {
    SaveOutcome::Failed { problem: Problem { what: "Saving was cancelled.".into(), advice: Phrase::default() } }
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
        let problem = Problem { what: "The disk is full.".into(), advice: Phrase::default() };
        desk.queue.handle_saving(id, 0, SaveOutcome::Failed { problem });
        desk.perform();
    }
    let words = |view: TransferView| (view.state, view.problem.map(|problem| problem.what.say()).unwrap_or_default());
    assert_eq!(words(desk.view(&file)), (TransferState::Complete, "The disk is full.".into()));
    let of_folder = "One file could not be saved. The disk is full.";
    assert_eq!(words(desk.view(&folder)), (TransferState::Complete, of_folder.into()));
    assert!(desk.freed.is_empty());
}
