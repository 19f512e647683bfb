//! Further servers of a file.

use super::*;

#[test]
fn a_mirror_is_told_to_the_worker_survives_a_restart_and_can_be_removed() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.done(mirror(&id, "mirror"));
    let told = |desk: &Desk| match desk.said.last() {
        Some(Inner::Adjust { terms, .. }) => terms.sources.iter().map(|source| source.address.clone()).collect(),
        _ => vec![],
    };
    assert_eq!(told(&desk), [ADDRESS, "ws://mirror:3000/ws"]);
    desk.restart();
    let sources = desk.view(&id).sources;
    assert_eq!(sources.iter().map(|source| source.label.as_str()).collect::<Vec<_>>(), ["host:3000", "mirror:3000"]);
    desk.done(Command::RemoveSource { transfer: id.clone(), source: sources[1].id });
    assert_eq!(told(&desk), [ADDRESS]);
    desk.done(Command::RemoveSource { transfer: id, source: 0 });
    assert_eq!(told(&desk), [ADDRESS], "the server it was found on stays");
}

#[test]
fn a_mirror_added_again_is_a_new_source_and_no_second_one() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.done(mirror(&id, "mirror"));
    let before = desk.view(&id).sources[1].id;
    desk.done(mirror(&id, "ws://mirror:3000/ws"));
    let sources = desk.view(&id).sources;
    assert_eq!(sources.len(), 2);
    assert_ne!(sources[1].id, before);
}

fn addresses(desk: &Desk, id: &TransferId) -> Vec<String> {
    desk.queue.model().item(id).unwrap().sources().into_iter().map(|source| source.address).collect()
}

#[test]
fn a_link_to_the_file_is_a_mirror_of_plain_http() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("a");
    desk.done(mirror(&id, "https://host:8080/files/a%20b.iso?x=1"));
    assert_eq!(addresses(&desk, &id), [ADDRESS, "https://host:8080/files/a%20b.iso?x=1"]);
    assert_eq!(desk.view(&id).sources[1].label, "host:8080");
    assert!(desk.send(mirror(&id, "http://host/a b")).is_err());
}

#[test]
fn what_the_server_offers_is_used_until_the_user_takes_it_away() {
    let mut desk = Desk::with_places(3);
    let id = desk.download("sub/a b");
    let offer = ["wss://mirror/ws", "http://mirror:8080/pub/", ADDRESS, "no address"].map(str::to_owned);
    desk.report(&id, WorkerReport::Mirrors(offer.to_vec()));
    let mirrors = ["wss://mirror:443/ws", "http://mirror:8080/pub/sub/a%20b"];
    assert_eq!(addresses(&desk, &id), [ADDRESS, mirrors[0], mirrors[1]]);
    let offered = desk.view(&id).sources[1].id;
    desk.done(Command::RemoveSource { transfer: id.clone(), source: offered });
    desk.restart();
    desk.report(&id, WorkerReport::Mirrors(offer.to_vec()));
    assert_eq!(addresses(&desk, &id), [ADDRESS, mirrors[1]]);
    desk.done(Command::AddSource { transfer: id.clone(), address: "wss://mirror".into(), path: "sub/a b".into() });
    assert_eq!(addresses(&desk, &id), [ADDRESS, mirrors[1], mirrors[0]], "the user may think better of it");
    let sources = desk.queue.model().item(&id).unwrap().sources();
    let named_by: Vec<_> = sources.iter().map(|source| source.named_by).collect();
    assert_eq!(named_by, [NamedBy::User, NamedBy::Server, NamedBy::User]);
}

#[test]
fn a_stranger_can_offer_nothing_in_the_users_own_network_and_no_more_than_there_is_room_for() {
    let mut desk = Desk::with_places(3);
    let id = desk.download_from("files.example.org", "a");
    let far = |number: u32| format!("http://m{number}.example.org/");
    let offer = ["ws://192.168.1.1/ws", "http://localhost:8080/", "http://nas/"].map(str::to_owned);
    desk.report(&id, WorkerReport::Mirrors(offer.into_iter().chain((0..20).map(far)).collect()));
    let taken = addresses(&desk, &id);
    assert_eq!(taken.len(), 9);
    assert!(taken[1..].iter().all(|address| address.contains(".example.org/")), "{taken:?}");
}

#[test]
fn what_is_no_mirror_is_refused_in_words() {
    let mut desk = Desk::with_places(3);
    let (id, complete) = (desk.download("a"), desk.download("b"));
    desk.complete(&complete);
    let no_path = Command::AddSource { transfer: id.clone(), address: "mirror".into(), path: "../a".into() };
    for wrong in [mirror(&id, ADDRESS), mirror(&id, "no address"), mirror(&complete, "mirror"), no_path] {
        assert!(desk.send(wrong).is_err_and(|problem| problem.what.say().ends_with('.')));
    }
    for number in 0..8 {
        desk.done(mirror(&id, &format!("mirror{number}")));
    }
    assert!(desk.send(mirror(&id, "one-too-many")).is_err());
}
