//! Targets of saved files, and the effects that other programs have on them.

use super::*;

fn saved_at(desk: &mut Desk, id: &TransferId, path: &str, placed: Placed) {
    let outcome = SaveOutcome::Saved { path: path.to_owned(), placed };
    if let Some(outcome) = desk.queue.judge(id, 0, outcome) {
        desk.queue.handle_saving(id, 0, outcome);
    }
    desk.perform();
}

fn waits(desk: &mut Desk, id: &TransferId, reason: WaitReason) -> Option<String> {
    desk.queue.handle_saving(id, 0, SaveOutcome::Waits { download: 7, reason });
    desk.perform();
    told(desk, id).1
}

#[test]
fn a_file_under_another_name_is_not_saved_and_its_copy_is_kept() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    saved_at(&mut desk, &id, "/d/20f6b523", Placed::Elsewhere);
    let (state, problem) = told(&mut desk, &id);
    assert_eq!((state, desk.freed.len()), (TransferState::Complete, 0));
    assert!(problem.is_some_and(|problem| problem.starts_with("Chrome saved this as /d/20f6b523,")));
}

#[test]
fn a_file_whose_name_was_taken_is_saved_with_a_number() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    saved_at(&mut desk, &id, "/d/a (1)", Placed::Numbered);
    assert_eq!((desk.state(&id), desk.freed), (TransferState::Saved, vec![id]));
}

#[test]
fn where_a_file_goes_is_the_users_choice_when_chrome_had_to_wait_for_a_name() {
    for (path, expected) in [("/mnt/stick/a", TransferState::Saved), ("/d/20f6b523", TransferState::Complete)] {
        let mut desk = Desk::with_places(3);
        let id = saving(&mut desk);
        assert!(waits(&mut desk, &id, WaitReason::Name).is_some_and(|told| told.contains("waits for a name")));
        saved_at(&mut desk, &id, path, Placed::Elsewhere);
        assert_eq!(desk.state(&id), expected, "{path}");
    }
}

#[test]
fn a_download_that_is_paused_or_vanishes_from_chromes_list_is_told_of() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    assert!(waits(&mut desk, &id, WaitReason::Paused).is_some_and(|told| told.contains("paused")));
    heard(&mut desk, &id, SaveOutcome::Begun { download: 7 });
    assert_eq!(told(&mut desk, &id), (TransferState::Saving, None));
    desk.queue.handle_forgotten(7);
    desk.perform();
    assert_eq!(told(&mut desk, &id).0, TransferState::Complete);
    assert!(desk.freed.is_empty());
}

/// Has a folder saved, and gives the name that is tried for it.
fn tried(desk: &mut Desk, id: &TransferId) -> Vec<String> {
    desk.said.clear();
    desk.done(Command::Save { transfer: id.clone() });
    names_tried(desk)
}

fn names_tried(desk: &mut Desk) -> Vec<String> {
    let said = std::mem::take(&mut desk.said).into_iter();
    said.filter_map(|inner| if let Inner::TryFolder { folder, .. } = inner { Some(folder) } else { None }).collect()
}

fn is_free(desk: &mut Desk, id: &TransferId, folder: &str) {
    desk.queue.handle_folder_tried(id, Ok(folder.to_owned()));
    desk.perform();
}

#[test]
fn a_folder_has_one_place_of_its_own_for_all_its_files_and_after_a_restart() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    assert_eq!(tried(&mut desk, &id), ["music"]);
    is_free(&mut desk, &id, "music (1)");
    is_free(&mut desk, &id, "music (2)");
    desk.restart();
    assert_eq!(desk.queue.model().saved_into(&id), Some("music (1)"), "the first answer counts");
    desk.queue.handle_asked(&id);
    desk.perform();
    assert!(names_tried(&mut desk).is_empty(), "it is known");
}

#[test]
fn two_folders_of_one_name_that_are_saved_at_once_get_two_places() {
    let mut desk = Desk::with_places(3);
    let (first, second) = (complete_folder(&mut desk, 0), folder(&mut desk, "Music"));
    desk.report(&second, WorkerReport::Complete { size: 0, root: None });
    assert_eq!(tried(&mut desk, &first), ["music"]);
    assert_eq!(tried(&mut desk, &second), ["Music"]);
    is_free(&mut desk, &first, "music");
    is_free(&mut desk, &second, "Music");
    assert_eq!(names_tried(&mut desk), ["Music (1)"]);
    is_free(&mut desk, &second, "Music (1)");
    assert_eq!(desk.queue.model().saved_into(&second), Some("Music (1)"));
}

#[test]
fn a_folder_whose_name_would_be_changed_says_why_and_keeps_its_copy() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    tried(&mut desk, &id);
    let problem = Problem { what: "Another extension.".into(), advice: Phrase::default() };
    desk.queue.handle_folder_tried(&id, Err(problem));
    desk.perform();
    assert_eq!(told(&mut desk, &id), (TransferState::Complete, Some("Another extension.".to_owned())));
    assert_eq!((desk.freed.len(), tried(&mut desk, &id)), (0, vec!["music".to_owned()]));
}

#[test]
fn a_file_with_a_number_in_a_folder_of_its_own_is_not_saved() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 9);
    desk.done(Command::Save { transfer: id.clone() });
    is_free(&mut desk, &id, "music");
    desk.queue.handle_contents(&id, Ok(vec![0..1]));
    saved_at(&mut desk, &id, "/d/music/a (1)", Placed::Numbered);
    assert_eq!(desk.state(&id), TransferState::Complete);
}

#[test]
fn nothing_is_overwritten_where_a_killed_browser_left_files_and_the_copy_is_kept() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    assert_eq!(tried(&mut desk, &id), ["music"]);
    is_free(&mut desk, &id, "music");
    desk.queue.handle_contents(&id, Ok(vec![0..2]));
    saved_at(&mut desk, &id, "/d/music/a", Placed::AsAsked);
    desk.queue.write_saved();
    desk.perform();
    desk.restart();
    desk.queue.handle_asked(&id);
    desk.queue.handle_contents(&id, Ok(vec![0..2]));
    verified_anew(&mut desk, &id, 0..2);
    desk.queue.handle_saving(&id, 1, SaveOutcome::Saved { path: "/d/music/b (1)".into(), placed: Placed::Numbered });
    desk.perform();
    assert_eq!((desk.state(&id), desk.view(&id).beside, desk.freed.len()), (TransferState::Saved, 1, 0));
    desk.restart();
    assert_eq!(desk.view(&id).beside, 1, "it is remembered");
    assert_eq!(
        (tried(&mut desk, &id), desk.view(&id).beside),
        (vec!["music".to_owned()], 0),
        "all of it is saved anew"
    );
}

#[test]
fn what_chrome_tells_of_another_place_of_a_folder_does_not_count() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 9);
    tried(&mut desk, &id);
    is_free(&mut desk, &id, "music (1)");
    desk.restart();
    saved_at(&mut desk, &id, "/d/music/a", Placed::AsAsked);
    saved_at(&mut desk, &id, "/d/music/a (1)", Placed::Numbered);
    desk.queue.handle_asked(&id);
    desk.queue.handle_contents(&id, Ok(vec![0..2]));
    verified_anew(&mut desk, &id, 0..2);
    assert_eq!(desk.saves, [0, 1]);
}

#[test]
fn what_was_saved_is_on_record_before_much_more_is_saved() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    tried(&mut desk, &id);
    is_free(&mut desk, &id, "music");
    desk.queue.handle_contents(&id, Ok(vec![0..20]));
    saved_at(&mut desk, &id, "/d/music/a", Placed::AsAsked);
    desk.queue.write_saved();
    desk.perform();
    desk.restart();
    assert_eq!(files_saved(&mut desk, &id), 1);
}

fn save_into(desk: &mut Desk, id: &TransferId) -> Result<Reply, Problem> {
    desk.send(Command::SaveInto { transfer: id.clone(), name: "music".into() })
}

fn wrote(id: &TransferId, files: &[u32], beside: &[u32]) -> Command {
    Command::Wrote { transfer: id.clone(), files: files.into(), beside: beside.into() }
}

fn files_saved(desk: &mut Desk, id: &TransferId) -> u64 {
    desk.view(id).folder.map_or(0, |folder| folder.saved)
}

#[test]
fn a_page_saves_into_a_picked_folder_and_goes_on_there_after_a_restart() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    assert_eq!(save_into(&mut desk, &id), Ok(Reply::Done));
    desk.done(wrote(&id, &[0, 3], &[]));
    assert_eq!((desk.state(&id), files_saved(&mut desk, &id)), (TransferState::Saving, 2));
    assert!(save_into(&mut desk, &id).is_err(), "one page saves it");
    desk.restart();
    let (state, problem) = told(&mut desk, &id);
    assert_eq!((state, problem.as_deref()), (TransferState::Complete, Some("The page that saved this was closed.")));
    assert!(desk.send(wrote(&id, &[4], &[])).is_err());
    assert_eq!(desk.queue.model().picked(&id), Some("music"), "the next page looks there");
    assert_eq!(save_into(&mut desk, &id), Ok(Reply::Done));
    assert_eq!(files_saved(&mut desk, &id), 0, "what is there is compared again");
    desk.done(Command::WroteAll { transfer: id.clone(), result: Ok("Pictures/music".into()) });
    assert_eq!(desk.view(&id).saved_as.as_deref(), Some("Pictures/music"));
    assert_eq!((desk.state(&id), desk.freed), (TransferState::Saved, vec![id]));
}

#[test]
fn what_was_begun_in_one_place_is_begun_anew_in_another() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    desk.done(Command::SaveInto { transfer: id.clone(), name: "music".into() });
    desk.done(wrote(&id, &[0], &[]));
    desk.done(Command::Pause { transfer: id.clone() });
    assert_eq!(told(&mut desk, &id), (TransferState::Complete, None));
    assert_eq!((tried(&mut desk, &id), files_saved(&mut desk, &id)), (vec!["music".to_owned()], 0));
    is_free(&mut desk, &id, "music");
    desk.done(Command::Pause { transfer: id.clone() });
    assert_eq!(save_into(&mut desk, &id), Ok(Reply::Done));
    assert_eq!(desk.queue.model().saved_into(&id), None);
}

#[test]
fn what_a_page_writes_beside_other_files_is_told_and_the_copy_is_kept() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    assert_eq!(save_into(&mut desk, &id), Ok(Reply::Done));
    desk.done(wrote(&id, &[0, 1, 2], &[1]));
    desk.done(Command::WroteAll { transfer: id.clone(), result: Ok("Pictures/music".into()) });
    assert_eq!((desk.state(&id), desk.view(&id).beside, desk.freed.len()), (TransferState::Saved, 1, 0));
}

#[test]
fn a_page_that_can_not_write_says_why_and_the_copy_is_kept() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    assert_eq!(save_into(&mut desk, &id), Ok(Reply::Done));
    let problem = Problem { what: "The disk is full.".into(), advice: Phrase::default() };
    desk.done(Command::WroteAll { transfer: id.clone(), result: Err(problem) });
    assert_eq!(told(&mut desk, &id), (TransferState::Complete, Some("The disk is full.".to_owned())));
    assert!(desk.freed.is_empty());
}
