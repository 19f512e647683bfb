//! One connection in virtual time.

use std::time::Duration;

use wstp_protocol::{
    ClientMessage, Hello, ListRequest, Listing, Pong, RequestId, ServerMessage, SharePath, Stale, Welcome, features,
};

use super::{Conduct, Due, Event, Patience, Peer, Request, SessionError};
use crate::{Credential, Instant};

const fn at(seconds: u64) -> Instant {
    Instant(Duration::from_secs(seconds))
}

fn of_line() -> Patience {
    Conduct::default().patience()
}

fn fixed() -> Patience {
    Patience::fixed(Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(12))
}

fn opening(patience: Patience) -> Peer<u8> {
    Peer::new(at(0), "test", None, features::LINKS, patience)
}

fn welcome(requests: u32, idle_timeout_ms: u32) -> ServerMessage {
    let limits = wstp_protocol::Limits { requests, handles: 1, run_blocks: 32, page_nodes: 1024, idle_timeout_ms };
    ServerMessage::Welcome(Welcome { version: 1, features: 0, agent: "s".into(), limits })
}

/// A connection that is welcome at the start of time.
fn ready(patience: Patience, requests: u32, idle_timeout_ms: u32) -> Peer<u8> {
    let mut peer = opening(patience);
    assert!(peer.handle_opened(at(0), false).is_some());
    assert_eq!(peer.handle_frame(at(0), welcome(requests, idle_timeout_ms)), Ok(Event::Welcome));
    peer
}

fn list(peer: &mut Peer<u8>, now: Instant) -> RequestId {
    match peer.request(now, Request::List { path: SharePath::root(), cursor: None, limit: 1 }, 7) {
        ClientMessage::List(ListRequest { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

fn listing(id: RequestId) -> ServerMessage {
    ServerMessage::Listing(Listing { id, entries: Vec::new(), next: None })
}

#[test]
fn the_greeting_says_who_the_client_is_and_is_said_once() {
    let credential = Credential::Token("secret".to_owned());
    let mut peer = Peer::<()>::new(at(0), "wstp/1", Some(&credential), features::MIRRORS, of_line());
    assert!(!peer.is_open());
    match peer.handle_opened(at(1), false) {
        Some(ClientMessage::Hello(Hello { agent, token, features, .. })) => {
            assert_eq!((agent.as_str(), token.as_deref(), features), ("wstp/1", Some("secret"), features::MIRRORS));
        }
        other => panic!("{other:?}"),
    }
    assert!(peer.is_open() && peer.handle_opened(at(1), false).is_none());
}

#[test]
fn a_server_is_asked_for_no_more_than_it_takes() {
    let mut peer = opening(of_line());
    assert!(!peer.takes_requests(at(0), 0) && !peer.has_room());
    peer.handle_opened(at(0), false);
    peer.handle_frame(at(0), welcome(2, 60_000)).unwrap();
    assert!(peer.takes_requests(at(0), 1));
    let first = list(&mut peer, at(0));
    assert!(peer.takes_requests(at(0), 0) && !peer.takes_requests(at(0), 1));
    list(&mut peer, at(0));
    assert!(!peer.takes_requests(at(0), 0));
    // A cancelled request counts until it ends.
    assert!(peer.cancel(at(0), first).is_some());
    assert_eq!((peer.under_way(), peer.has_room()), (2, false));
    assert_eq!(peer.handle_frame(at(0), listing(first)), Ok(Event::Cancelled { context: 7 }));
    assert!(peer.takes_requests(at(0), 0));
    assert!(!ready(of_line(), 0, 60_000).takes_requests(at(0), 0));
}

#[test]
fn a_server_that_takes_early_requests_gets_two_before_its_welcome() {
    let mut peer = opening(of_line());
    assert!(!peer.takes_requests(at(0), 0));
    peer.handle_opened(at(0), true);
    let first = list(&mut peer, at(0));
    assert!(peer.takes_requests(at(0), 0));
    list(&mut peer, at(0));
    assert!(!peer.takes_requests(at(0), 0) && !peer.has_room());
    // An answer before the welcome is none.
    assert_eq!(peer.handle_frame(at(0), listing(first)), Err(SessionError::NoWelcome));
    assert_eq!(peer.handle_frame(at(0), welcome(8, 60_000)), Ok(Event::Welcome));
    assert_eq!((peer.under_way(), peer.has_room()), (2, true));
    assert!(matches!(peer.handle_frame(at(0), listing(first)), Ok(Event::Reply { context: 7, .. })));
}

#[test]
fn a_busy_server_is_left_alone_for_at_least_a_moment() {
    for (asked, waited) in
        [(Duration::ZERO, Duration::from_millis(50)), (Duration::from_secs(3), Duration::from_secs(3))]
    {
        let mut peer = ready(of_line(), 8, 60_000);
        peer.leave_alone(at(0), asked);
        assert!(!peer.takes_requests(at(0), 0) && peer.has_room());
        assert_eq!(peer.not_before(at(0)), Some(at(0) + waited));
        assert!(peer.takes_requests(at(0) + waited, 0));
        // A shorter wait does not end a longer one.
        peer.leave_alone(at(0), Duration::ZERO);
        assert_eq!(peer.not_before(at(0)), Some(at(0) + waited));
    }
}

#[test]
fn a_connection_that_is_not_made_or_not_welcome_is_stalled() {
    for (patience, seconds) in [(of_line(), 10), (fixed(), 5)] {
        let mut peer = opening(patience);
        assert_eq!(peer.poll_timeout(0), Some(at(seconds)));
        assert_eq!(peer.handle_timeout(at(seconds - 1), 0), None);
        peer.handle_opened(at(2), false);
        assert_eq!(peer.poll_timeout(0), Some(at(2 + seconds)));
        assert_eq!(peer.handle_timeout(at(2 + seconds), 0), Some(Due::Stalled));
    }
}

#[test]
fn a_request_is_waited_for_until_nothing_came_for_long() {
    for (patience, seconds) in [(of_line(), 10), (fixed(), 30)] {
        let mut peer = ready(patience, 8, 600_000);
        let is_stalled = |peer: &mut Peer<u8>, now| peer.handle_timeout(now, 0) == Some(Due::Stalled);
        list(&mut peer, at(3));
        assert!(!is_stalled(&mut peer, at(2 + seconds)));
        peer.handle_bytes(at(8));
        // A notice is no answer.
        peer.handle_frame(at(9), ServerMessage::Stale(Stale { handle: 1 })).unwrap();
        assert!(!is_stalled(&mut peer, at(7 + seconds)));
        assert!(is_stalled(&mut peer, at(8 + seconds)));
        let mut answered = ready(patience, 8, 600_000);
        let id = list(&mut answered, at(3));
        answered.handle_frame(at(9), listing(id)).unwrap();
        assert!(!is_stalled(&mut answered, at(8 + seconds)));
    }
}

#[test]
fn a_large_answer_is_waited_for_longer() {
    let mut peer = ready(of_line(), 8, 600_000);
    list(&mut peer, at(0));
    assert_eq!(peer.poll_timeout(0), Some(at(10)));
    assert!(peer.poll_timeout(64 << 10) > Some(at(20)));
    let mut peer = ready(fixed(), 8, 20_000);
    list(&mut peer, at(0));
    assert_eq!(peer.poll_timeout(64 << 10), Some(at(10)), "the ping comes first");
}

#[test]
fn an_idle_connection_is_kept_alive_and_a_ping_has_to_be_answered() {
    for (patience, idle_timeout, pinged, stalled) in
        [(of_line(), 60_000, 30, 40), (fixed(), 60_000, 12, 24), (fixed(), 10_000, 5, 17)]
    {
        let mut peer = ready(patience, 8, idle_timeout);
        assert_eq!(peer.poll_timeout(0), Some(at(pinged)));
        assert!(matches!(peer.handle_timeout(at(pinged), 0), Some(Due::Ping(ClientMessage::Ping(_)))));
        assert_eq!(peer.handle_timeout(at(pinged), 0), None);
        assert_eq!(peer.poll_timeout(0), Some(at(stalled)));
        let mut silent = ready(patience, 8, idle_timeout);
        assert!(silent.handle_timeout(at(pinged), 0).is_some());
        assert_eq!(silent.handle_timeout(at(stalled), 0), Some(Due::Stalled));
        assert_eq!(peer.handle_frame(at(pinged + 1), ServerMessage::Pong(Pong { nonce: 0 })), Ok(Event::Pong));
        assert_eq!(peer.poll_timeout(0), Some(at(2 * pinged)));
    }
}

#[test]
fn a_server_that_answers_pings_and_no_requests_is_stalled() {
    let mut peer = ready(of_line(), 8, 6_000);
    list(&mut peer, at(0));
    for seconds in [3, 6, 9] {
        assert!(matches!(peer.handle_timeout(at(seconds), 0), Some(Due::Ping(_))));
        peer.handle_frame(at(seconds), ServerMessage::Pong(Pong { nonce: 0 })).unwrap();
    }
    assert_eq!(peer.handle_timeout(at(10), 0), Some(Due::Stalled));
}

#[test]
fn requests_come_back_when_the_connection_is_gone() {
    let mut peer = ready(of_line(), 8, 60_000);
    let first = list(&mut peer, at(0));
    list(&mut peer, at(0));
    peer.cancel(at(0), first);
    assert_eq!(peer.into_requests().collect::<Vec<_>>(), [(7, true), (7, false)]);
}
