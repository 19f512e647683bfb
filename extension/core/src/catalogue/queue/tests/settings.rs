//! Settings that act at once, and clearing everything.

use super::*;
use wstp_messages::Notify;

/// The titles of the notifications since this was asked last.
fn notified(desk: &mut Desk) -> Vec<String> {
    let title = |inner: Inner| match inner {
        Inner::Notify { title, .. } => Some(title.say()),
        _ => None,
    };
    std::mem::take(&mut desk.said).into_iter().filter_map(title).collect()
}

#[test]
fn the_user_is_notified_only_of_what_the_user_wants() {
    for (notify, ended, failed) in [(Notify::All, 1, 1), (Notify::Problems, 0, 1), (Notify::Never, 0, 0)] {
        let mut desk = Desk::with_places(1);
        desk.done(Command::Set { settings: Settings { notify, ..Settings::default() } });
        let id = desk.download("a");
        desk.complete(&id);
        assert_eq!(notified(&mut desk).len(), ended, "{notify:?}");
        let id = desk.download("b");
        desk.fail(&id);
        assert_eq!(notified(&mut desk).len(), failed, "{notify:?}");
    }
}

#[test]
fn clearing_removes_every_transfer_with_one_record_and_survives_a_restart() {
    let mut desk = Desk::with_places(1);
    let (complete, running) = (desk.download("a"), desk.download("b"));
    desk.complete(&complete);
    let records = desk.records.len();
    desk.done(Command::Clear);
    assert_eq!((desk.records.len() - records, desk.queue.model().transfers()), (1, 0));
    assert_eq!(
        desk.freed,
        std::slice::from_ref(&complete),
        "the folder of a transfer that runs is not deleted under its worker"
    );
    desk.report(&running, WorkerReport::Stopped);
    assert_eq!(desk.freed, [complete, running]);
    let removed =
        desk.queue.take_events().into_iter().any(|event| matches!(event, Event::Removed(ids) if ids.len() == 2));
    assert!(removed, "the views hear of it");
    desk.restart();
    assert_eq!(desk.queue.model().transfers(), 0);
    desk.download("a");
}
