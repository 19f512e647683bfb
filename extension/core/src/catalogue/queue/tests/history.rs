//! The history of what was saved.

use super::*;
use crate::catalogue::model::MAX_HISTORY;

/// A file that was saved.
fn saved_file(desk: &mut Desk, name: &str) -> TransferId {
    let id = desk.download(name);
    desk.complete(&id);
    desk.done(Command::Save { transfer: id.clone() });
    saved(desk, &id, 0);
    id
}

fn names(desk: &mut Desk) -> Vec<String> {
    match desk.send(Command::History) {
        Ok(Reply::History(saves)) => saves.into_iter().map(|save| save.name).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_saved_is_remembered_when_its_row_is_gone_and_over_a_restart() {
    let mut desk = Desk::with_places(1);
    let id = saved_file(&mut desk, "folder/a");
    desk.queue.take_events();
    saved_file(&mut desk, "b");
    assert!(desk.queue.take_events().contains(&Event::History), "the views hear of it");
    desk.done(Command::Remove { transfer: id });
    desk.restart();
    let Ok(Reply::History(saves)) = desk.send(Command::History) else { panic!("no history") };
    let told: Vec<_> = saves.iter().map(|save| (&*save.name, &*save.server, &*save.path, save.size)).collect();
    assert_eq!(told, [("a", "host:3000", "/home/music", 100), ("b", "host:3000", "/home/music", 100)]);
    assert!(0.0 < saves[0].saved_ms && saves[0].saved_ms < saves[1].saved_ms);
}

#[test]
fn a_history_that_was_cleared_comes_back_in_its_order() {
    let mut desk = Desk::with_places(1);
    for name in ["a", "b"] {
        saved_file(&mut desk, name);
    }
    let Ok(Reply::History(saves)) = desk.send(Command::History) else { panic!("no history") };
    desk.done(Command::ForgetHistory);
    assert_eq!(names(&mut desk), [""; 0]);
    saved_file(&mut desk, "c");
    desk.done(Command::RememberHistory { saves });
    assert_eq!(names(&mut desk), ["a", "b", "c"]);
}

#[test]
fn a_user_who_wants_no_history_has_none_and_a_long_one_is_bounded() {
    let mut desk = Desk::with_places(1);
    desk.done(Command::Set { settings: Settings { without_history: true, ..Settings::default() } });
    saved_file(&mut desk, "secret");
    assert_eq!(names(&mut desk), [""; 0]);
    desk.done(Command::Set { settings: Settings::default() });
    for number in 0..MAX_HISTORY + 2 {
        let id = saved_file(&mut desk, &number.to_string());
        desk.done(Command::Remove { transfer: id });
    }
    let names = names(&mut desk);
    assert_eq!((names.len(), names[0].as_str()), (MAX_HISTORY, "2"));
}
