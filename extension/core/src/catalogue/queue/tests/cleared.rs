//! A sandbox that was cleared while nobody looked, and the copy of the list that is left.

use super::*;

/// A list with one of each: saved, complete, and under way with a half of it.
fn copied() -> (Model, [TransferId; 3]) {
    let mut desk = Desk::with_places(3);
    desk.done(Command::Set { settings: Settings { active_transfers: 3, connections: 2, ..Settings::default() } });
    let ids = ["saved", "complete", "half"].map(|path| desk.download(path));
    desk.complete(&ids[0]);
    desk.complete(&ids[1]);
    desk.done(Command::Save { transfer: ids[0].clone() });
    heard(&mut desk, &ids[0], SaveOutcome::Saved { path: "/d/saved".into(), placed: Placed::AsAsked });
    let mut said = desk.view(&ids[2]);
    said.verified = 50;
    desk.report(&ids[2], WorkerReport::Progress(Box::new(said)));
    desk.report(&ids[2], WorkerReport::Stopped);
    (desk.queue.model().essence(10), ids)
}

#[test]
fn a_cleared_list_comes_back_and_says_what_is_gone() {
    let (copy, [saved, complete, half]) = copied();
    let mut desk = Desk::with_places(3);
    let new = desk.download("new");
    desk.said.clear();
    desk.queue.handle_copy(Some(&copy));
    desk.perform();
    assert_eq!(desk.state(&saved), TransferState::Saved);
    assert_eq!(desk.state(&complete), TransferState::Failed);
    assert!(desk.view(&complete).problem.unwrap().what.say().contains("was cleared"));
    let started = desk.said.iter().find_map(|inner| match inner {
        Inner::Start(task) if task.transfer == half => Some(task.had),
        _ => None,
    });
    assert_eq!(started, Some(50), "it begins again, and its worker knows what was there");
    assert_eq!(desk.state(&new), TransferState::Starting, "it was added since");
    assert_eq!(desk.queue.model().settings().connections, 2);
    let told = desk.queue.model().notice().unwrap().problem.clone();
    assert!(told.what.say().contains("was cleared") && told.advice.say().contains("3 downloads"), "{told:?}");
    desk.done(Command::Resume { transfer: complete.clone() });
    assert_eq!(desk.state(&complete), TransferState::Starting);
}

#[test]
fn a_cleared_list_whose_copy_can_not_be_read_is_told() {
    let mut desk = Desk::with_places(3);
    desk.queue.handle_copy(None);
    assert!(desk.queue.model().notice().unwrap().problem.advice.say().contains("can't be read either"));
}
