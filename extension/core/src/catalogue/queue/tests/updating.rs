//! Files that changed on the server.

use super::*;

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
    desk.report(&outdated, WorkerReport::Outdated(Problem { what: "Changed.".into(), advice: Phrase::default() }));
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
