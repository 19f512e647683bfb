//! Complete transfers whose stored files are not as they were when they were verified.

use super::*;

fn started_anew(desk: &mut Desk) -> Option<(Option<String>, bool)> {
    std::mem::take(&mut desk.said).into_iter().find_map(|inner| match inner {
        Inner::Start(task) => Some((task.root, task.rechecks)),
        _ => None,
    })
}

fn says(desk: &mut Desk, id: &TransferId, state: TransferState, problem: Option<&str>) -> (TransferState, String) {
    let mut said = desk.view(id);
    said.state = state;
    said.problem = problem.map(|what| Problem { what: what.into(), advice: "Do so.".into() });
    desk.report(id, WorkerReport::Progress(Box::new(said)));
    let view = desk.view(id);
    (
        view.state,
        view.problem.map(|problem| format!("{} {}", problem.what.say(), problem.advice.say())).unwrap_or_default(),
    )
}

#[test]
fn a_stale_file_is_verified_anew_and_then_saved_without_another_word_of_the_user() {
    for restarts in [false, true] {
        let mut desk = Desk::with_places(3);
        let id = saving(&mut desk);
        heard(&mut desk, &id, SaveOutcome::Stale);
        if restarts {
            desk.restart();
            heard(&mut desk, &id, SaveOutcome::Stale);
            desk.queue.handle_room(u64::MAX);
            desk.perform();
        }
        assert_eq!(desk.view(&id).root.as_deref(), Some("00"));
        if !restarts {
            assert_eq!(started_anew(&mut desk), Some((Some("00".to_owned()), true)));
        }
        let checking = TransferState::Checking { percent: 40 };
        let (state, words) = says(&mut desk, &id, checking, None);
        assert_eq!(state, checking);
        assert!(words.contains("may have changed") && words.contains("before it is saved"), "{words}");
        let (_, words) = says(&mut desk, &id, TransferState::Downloading, Some("What had arrived is gone."));
        assert!(words.contains("changed after it was verified") && words.contains("downloaded again"), "{words}");
        desk.complete(&id);
        assert_eq!((desk.state(&id), std::mem::take(&mut desk.saves)), (TransferState::Saving, vec![0]));
        heard(&mut desk, &id, SaveOutcome::Saved { path: "/d/a".into(), placed: Placed::AsAsked });
        assert_eq!(desk.state(&id), TransferState::Saved);
    }
}

#[test]
fn without_its_server_a_stale_file_is_not_called_saved_and_the_words_say_what_to_do() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    heard(&mut desk, &id, SaveOutcome::Stale);
    let waiting = TransferState::Waiting { retry_seconds: 3.0 };
    let (state, words) = says(&mut desk, &id, waiting, Some("No connection."));
    assert_eq!(state, waiting);
    for part in
        ["changed after it was verified", "No connection.", "not saved until it is right", "Other downloads", "Do so."]
    {
        assert!(words.contains(part), "{part:?} is not in {words:?}");
    }
    assert!(desk.send(Command::Save { transfer: id.clone() }).is_err());
    desk.fail(&id);
    let (state, words) = told(&mut desk, &id);
    assert_eq!(state, TransferState::Failed);
    assert!(words.unwrap().contains("That part can't be downloaded again now. Broken."));
    desk.done(Command::Resume { transfer: id.clone() });
    desk.complete(&id);
    assert_eq!((desk.state(&id), desk.saves), (TransferState::Saving, vec![0]));
}

#[test]
fn what_changes_again_and_again_is_told_and_not_verified_for_ever() {
    let mut desk = Desk::with_places(3);
    let id = saving(&mut desk);
    heard(&mut desk, &id, SaveOutcome::Stale);
    desk.complete(&id);
    heard(&mut desk, &id, SaveOutcome::Stale);
    let (state, words) = told(&mut desk, &id);
    assert_eq!(state, TransferState::Complete);
    assert!(words.is_some_and(|words| words.contains("changed again after it was checked")));
    desk.done(Command::Save { transfer: id.clone() });
    heard(&mut desk, &id, SaveOutcome::Stale);
    assert_eq!(desk.state(&id), TransferState::Starting, "the user wants it tried once more");
}

#[test]
fn the_files_of_a_folder_that_chrome_has_are_saved_before_the_folder_is_verified_anew() {
    let mut desk = Desk::with_places(3);
    let id = complete_folder(&mut desk, 0);
    desk.done(Command::Save { transfer: id.clone() });
    desk.queue.handle_folder_tried(&id, Ok("music".into()));
    desk.queue.handle_contents(&id, Ok(vec![0..10]));
    desk.perform();
    desk.said.clear();
    for stale in 1..10 {
        desk.queue.handle_saving(&id, stale, SaveOutcome::Stale);
    }
    desk.perform();
    assert_eq!((desk.state(&id), started_anew(&mut desk)), (TransferState::Saving, None));
    saved(&mut desk, &id, 0);
    assert_eq!(started_anew(&mut desk), Some((None, true)));
    desk.saves.clear();
    desk.report(&id, WorkerReport::Complete { size: 1000, root: None });
    desk.queue.handle_contents(&id, Ok(vec![0..10]));
    desk.perform();
    assert_eq!(desk.saves, (1..10).collect::<Vec<_>>(), "the first is on the disk");
}

#[test]
fn a_page_that_finds_a_stale_file_has_it_verified_and_is_told() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.complete(&id);
    desk.done(Command::SaveInto { transfer: id.clone(), name: "a".into() });
    desk.done(Command::Recheck { transfer: id.clone() });
    assert_eq!(desk.state(&id), TransferState::Starting);
    assert!(
        desk.send(Command::Wrote { transfer: id.clone(), files: vec![0], beside: vec![] }).is_err(),
        "the page stops"
    );
    desk.complete(&id);
    assert_eq!((desk.state(&id), desk.saves.len()), (TransferState::Complete, 0));
}

#[test]
fn a_copy_that_an_earlier_catalogue_had_verified_is_verified_anew_before_it_is_saved() {
    let mut desk = Desk::with_places(1);
    let old = desk.download("a");
    desk.complete(&old);
    desk.restart();
    let busy = desk.download("b");
    desk.said.clear();
    desk.done(Command::Save { transfer: old.clone() });
    let started = started_anew(&mut desk);
    assert_eq!(started, Some((Some("00".to_owned()), true)), "it does not wait for its turn, which needs no server");
    assert_eq!((desk.saves.len(), desk.state(&busy)), (0, TransferState::Starting));
    desk.complete(&old);
    assert_eq!((desk.state(&old), std::mem::take(&mut desk.saves)), (TransferState::Saving, vec![0]));
    heard(&mut desk, &old, SaveOutcome::Saved { path: "/d/a".into(), placed: Placed::AsAsked });
    desk.done(Command::Set { settings: Settings { free_after_save: false, ..Settings::default() } });
    desk.complete(&busy);
    desk.done(Command::Save { transfer: busy.clone() });
    let saves = std::mem::take(&mut desk.saves);
    assert_eq!((saves, started_anew(&mut desk)), (vec![0], None), "it was verified just now");
}

#[test]
fn a_copy_that_an_earlier_catalogue_had_verified_is_verified_anew_before_a_page_saves_it() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.complete(&id);
    assert_eq!(desk.queue.verify_first(&id, false), Ok(true), "it was verified just now");
    desk.restart();
    // It would save the copy a second time, to Chrome's downloads folder.
    desk.done(Command::Set { settings: Settings { save_when_complete: true, ..Settings::default() } });
    desk.said.clear();
    assert_eq!(desk.queue.verify_first(&id, false), Ok(false));
    desk.perform();
    assert_eq!(started_anew(&mut desk), Some((Some("00".to_owned()), true)));
    assert_eq!(desk.queue.verify_first(&id, false), Ok(false), "it is asked again and again");
    desk.complete(&id);
    assert_eq!((desk.state(&id), desk.saves.len()), (TransferState::Complete, 0), "the page goes on by itself");
    assert_eq!(desk.queue.verify_first(&id, false), Ok(true));
    desk.done(Command::SaveInto { transfer: id.clone(), name: "a".into() });
    assert!(desk.queue.verify_first(&id, false).is_err(), "a page saves it already");
}

#[test]
fn what_was_verified_for_a_page_is_not_verified_again_because_the_catalogue_ended() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.complete(&id);
    desk.restart();
    assert_eq!(desk.queue.verify_first(&id, false), Ok(false));
    desk.perform();
    desk.restart();
    assert_eq!(desk.queue.verify_first(&id, true), Ok(false), "it goes on");
    desk.queue.handle_room(u64::MAX);
    desk.perform();
    desk.complete(&id);
    desk.restart();
    assert_eq!(desk.queue.verify_first(&id, true), Ok(true));
}

#[test]
fn a_row_that_comes_into_another_state_is_told_at_once() {
    let mut desk = Desk::with_places(1);
    let id = desk.download("a");
    let mut is_urgent = |state| {
        desk.queue.take_events();
        let mut said = desk.queue.snapshot().transfers.remove(0);
        said.state = state;
        desk.report(&id, WorkerReport::Progress(Box::new(said)));
        desk.queue.is_urgent()
    };
    let checking = |percent| TransferState::Checking { percent };
    let states = [checking(1), checking(2), TransferState::Downloading, TransferState::Downloading];
    assert_eq!(states.map(&mut is_urgent), [true, false, true, false]);
}
