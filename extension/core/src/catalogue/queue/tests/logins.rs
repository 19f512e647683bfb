//! Servers that want to know who the user is.

use wstp_messages::{Credential, Login, LoginView};

use super::*;

const OTHER: &str = "ws://other:3000/ws";

fn login(address: &str, token: &str) -> Login {
    let view = LoginView { address: address.into(), user: Some("anna".into()), role: "normal".into(), only: None };
    Login { view, token: Credential(token.into()), is_brought: false }
}

impl Desk {
    fn log_in(&mut self, address: &str, token: &str) {
        self.commands += 1;
        self.queue.handle_logged_in(CommandId(format!("{:032x}", self.commands)), login(address, token));
        self.perform();
    }

    fn refuse(&mut self, id: &TransferId) {
        self.report(id, WorkerReport::Unauthorized(Problem { what: "Who are you?".into(), advice: Phrase::default() }));
    }

    fn token(&self, id: &TransferId) -> Option<&str> {
        self.terms(id).sources[0].credential.as_ref().map(|Credential(token)| token.as_str())
    }

    fn kept(&self) -> Option<usize> {
        self.said.iter().rev().find_map(|inner| match inner {
            Inner::KeepLogins(logins) => Some(logins.len()),
            _ => None,
        })
    }

    fn waits_for_login(&mut self, id: &TransferId) -> bool {
        let view = self.view(id);
        view.needs_login && view.state == TransferState::Queued && view.problem.is_some()
    }
}

#[test]
fn a_transfer_that_waits_for_a_login_takes_no_place_and_goes_on_by_itself() {
    let mut desk = Desk::with_places(1);
    let refused = desk.download("a");
    let next = desk.download_from(OTHER, "b");
    assert_eq!((desk.started(), desk.state(&next)), (vec!["a".to_owned()], TransferState::Queued));
    desk.refuse(&refused);
    assert!(desk.waits_for_login(&refused));
    assert_eq!(desk.started(), ["b"]);
    // It is not tried again and again, also when places come free.
    desk.complete(&next);
    desk.log_in(OTHER, "other");
    assert!(desk.started().is_empty());
    let said = desk.view(&refused);
    assert_eq!((said.needs_login, said.place), (true, None));
    desk.log_in(ADDRESS, "mine");
    assert!(!desk.waits_for_login(&refused));
    assert_eq!(desk.token(&refused), Some("mine"));
    assert_eq!(desk.started(), ["a"]);
}

#[test]
fn a_login_that_ends_stops_all_transfers_of_its_server_and_no_other() {
    let mut desk = Desk::with_places(3);
    desk.log_in(ADDRESS, "first");
    let [one, two] = ["a", "b"].map(|path| desk.download(path));
    let other = desk.download_from(OTHER, "c");
    assert_eq!((desk.token(&one), desk.token(&other)), (Some("first"), None));
    desk.refuse(&one);
    assert_eq!(desk.kept(), Some(0), "the token is forgotten");
    assert!(desk.said.contains(&Inner::Stop(two.clone())) && !desk.said.contains(&Inner::Stop(other.clone())));
    desk.report(&two, WorkerReport::Stopped);
    assert!(desk.waits_for_login(&one) && desk.waits_for_login(&two) && !desk.waits_for_login(&other));
    desk.log_in(ADDRESS, "second");
    assert_eq!((desk.token(&one), desk.token(&two)), (Some("second"), Some("second")));
}

#[test]
fn a_refusal_of_an_old_token_does_not_undo_a_new_login() {
    let mut desk = Desk::with_places(1);
    desk.log_in(ADDRESS, "old");
    let id = desk.download("a");
    desk.log_in(ADDRESS, "new");
    assert!(desk.said.contains(&Inner::Stop(id.clone())), "it begins anew with the new token");
    desk.refuse(&id);
    assert_eq!((desk.waits_for_login(&id), desk.kept()), (false, Some(1)));
    assert_eq!(desk.token(&id), Some("new"));
}

#[test]
fn nothing_begins_before_it_is_known_which_logins_were_kept() {
    let mut desk = Desk::with_places(2);
    let ids = [desk.download("a"), desk.download_from(OTHER, "b")];
    let mut model = Model::default();
    for record in &desk.records {
        if let Record::Change { change, .. } = record {
            model.apply(change.clone());
        }
    }
    let restarted = |model: &Model| {
        let queue = Queue::new(model.clone(), vec![]);
        let mut desk = Desk { queue, ..Desk::with_places(2) };
        desk.said.clear();
        desk.perform();
        assert!(desk.started().is_empty());
        desk
    };
    let mut desk = restarted(&model);
    desk.queue.handle_kept_logins(vec![login(ADDRESS, "kept")]);
    desk.perform();
    assert_eq!((desk.token(&ids[0]), desk.token(&ids[1])), (Some("kept"), None));
    assert_eq!(desk.kept(), None, "they are not written again");

    // Nobody says; then they come after all.
    let mut desk = restarted(&model);
    desk.queue.handle_no_logins_yet();
    desk.perform();
    assert_eq!(desk.token(&ids[0]), None);
    desk.queue.handle_kept_logins(vec![login(ADDRESS, "kept")]);
    desk.perform();
    assert!(desk.said.contains(&Inner::Stop(ids[0].clone())) && !desk.said.contains(&Inner::Stop(ids[1].clone())));
    desk.report(&ids[0], WorkerReport::Stopped);
    assert_eq!(desk.token(&ids[0]), Some("kept"));
}

#[test]
fn the_user_may_try_or_give_up_without_a_login() {
    let mut desk = Desk::with_places(1);
    let id = desk.download("a");
    desk.refuse(&id);
    desk.started();
    desk.done(Command::Resume { transfer: id.clone() });
    assert_eq!(desk.started(), ["a"]);
    desk.refuse(&id);
    desk.done(Command::Pause { transfer: id.clone() });
    assert_eq!((desk.state(&id), desk.view(&id).needs_login), (TransferState::Paused, false));
    desk.log_in(ADDRESS, "mine");
    assert_eq!(desk.state(&id), TransferState::Paused);
}

#[test]
fn a_repeated_login_is_done_once_and_no_view_gets_a_token() {
    let mut desk = Desk::with_places(1);
    let id = CommandId("7".into());
    desk.queue.handle_logged_in(id.clone(), login(ADDRESS, "hunter2"));
    desk.perform();
    let again = Command::LogIn { address: ADDRESS.into(), user: None, secret: Credential("x".into()) };
    assert_eq!(desk.send_as(&id, again), Ok(Reply::Done));
    let Ok(Reply::Snapshot(snapshot)) = desk.send(Command::Watch) else { panic!("no snapshot") };
    assert_eq!(snapshot.logins, [login(ADDRESS, "").view]);
    let told = wstp_messages::encode(&Message::Reply { id, result: Ok(Reply::Snapshot(snapshot)) });
    assert!(!told.windows(7).any(|window| window == b"hunter2"));
    assert!(!format!("{:?}", desk.queue).contains("hunter2"));
}
