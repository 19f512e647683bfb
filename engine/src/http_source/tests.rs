//! The answers of HTTP servers, and what becomes of them.

use super::*;
use wstp_protocol::{Cancel, Close, HashesRequest, Hello, OpenRequest, Ping, SharePath};

const SIZE: u64 = 20_000;

fn said(source: &mut HttpSource) -> ServerMessage {
    match source.poll_output() {
        Some(HttpOutput::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn failed(source: &mut HttpSource) -> (Option<RequestId>, ErrorCode, Option<u32>) {
    match said(source) {
        ServerMessage::Failure(failure) => (failure.id, failure.code, failure.retry_after_ms),
        other => panic!("{other:?}"),
    }
}

/// The first byte of a file of this size.
fn first(size: &str) -> HttpAnswer {
    HttpAnswer { etag: Some("\"a\"".to_owned()), ..part(&format!("0-0/{size}"), 1) }
}

fn whole(size: &str) -> HttpAnswer {
    HttpAnswer { status: 200, content_length: Some(size.to_owned()), ..HttpAnswer::default() }
}

fn part(range: &str, length: usize) -> HttpAnswer {
    let content_range = Some(format!("bytes {range}"));
    HttpAnswer { status: 206, content_range, body: vec![7; length].into(), ..HttpAnswer::default() }
}

fn open(source: &mut HttpSource, answer: HttpAnswer) -> ServerMessage {
    source.handle_message(&ClientMessage::Open(OpenRequest { id: 1, path: SharePath::parse("f").unwrap() }));
    assert_eq!(source.poll_output(), Some(HttpOutput::Request(1, HttpRequest(0..1))));
    source.handle_answer(1, answer);
    said(source)
}

fn ready() -> HttpSource {
    let mut source = HttpSource::default();
    let opened = open(&mut source, first("20000"));
    assert!(matches!(opened, ServerMessage::Opened(Opened { handle: 1, size: SIZE, root: None, .. })));
    source
}

/// Asks for the second and third block.
fn ask(source: &mut HttpSource) {
    let run = BlockRun { first: 1, count: 2 };
    source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle: 1, run }));
    assert_eq!(source.poll_output(), Some(HttpOutput::Request(2, HttpRequest(8192..SIZE))));
}

#[test]
fn it_welcomes_and_shows_signs_of_life() {
    let mut source = HttpSource::default();
    let agent = "a".to_owned();
    let hello = Hello { min_version: VERSIONS.0, max_version: VERSIONS.1, features: 0, agent, token: None };
    source.handle_message(&ClientMessage::Hello(hello));
    assert!(matches!(said(&mut source), ServerMessage::Welcome(Welcome { version: 1, features: 0, .. })));
    source.handle_message(&ClientMessage::Ping(Ping { nonce: 5 }));
    assert_eq!(said(&mut source), ServerMessage::Pong(Pong { nonce: 5 }));
    assert_eq!(source.poll_output(), None);
}

#[test]
fn blocks_are_a_range_cut_to_the_file() {
    let mut source = ready();
    ask(&mut source);
    assert_eq!(HttpRequest(8192..SIZE).range(), "bytes=8192-19999");
    assert_eq!(HttpRequest(8192..SIZE).most(), SIZE - 8192 + 1);
    source.handle_answer(2, part("8192-19999/20000", 11_808));
    match said(&mut source) {
        ServerMessage::Blocks(reply) => assert_eq!((reply.id, reply.run.first, reply.data.len()), (2, 1, 11_808)),
        other => panic!("{other:?}"),
    }
    // A browser may hide the range; a size need not be told.
    for content_range in [None, Some("bytes 8192-19999/*".to_owned())] {
        ask(&mut source);
        source.handle_answer(2, HttpAnswer { content_range, ..part("", 11_808) });
        assert!(matches!(said(&mut source), ServerMessage::Blocks(_)));
    }
}

#[test]
fn what_lies_past_the_end_is_not_asked_for() {
    let mut source = ready();
    for (handle, first, code) in [(1, 2, ErrorCode::OutOfRange), (9, 0, ErrorCode::BadHandle)] {
        let run = BlockRun { first, count: 2 };
        source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle, run }));
        assert_eq!(failed(&mut source), (Some(2), code, None));
    }
    source.handle_message(&ClientMessage::Close(Close { handle: 1 }));
    let run = BlockRun { first: 0, count: 1 };
    source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle: 1, run }));
    assert_eq!(failed(&mut source), (Some(2), ErrorCode::BadHandle, None));
}

#[test]
fn other_bytes_than_asked_for_are_a_lie() {
    for answer in [
        part("8192-19999/20000", 11_807),
        part("8192-19999/20000", 11_809),
        part("0-11807/20000", 11_808),
        part("rubbish", 11_808),
        part("18446744073709551615-18446744073709551615/20000", 11_808),
    ] {
        let mut source = ready();
        ask(&mut source);
        source.handle_answer(2, answer);
        assert_eq!(failed(&mut source), (Some(2), ErrorCode::Malformed, None));
    }
}

#[test]
fn a_file_that_changed_is_opened_anew() {
    let status = |status| HttpAnswer { status, ..HttpAnswer::default() };
    let tagged = HttpAnswer { etag: Some("\"b\"".to_owned()), ..part("8192-19999/20000", 11_808) };
    for answer in [part("8192-19999/30000", 11_808), tagged, status(416), status(412)] {
        let mut source = ready();
        ask(&mut source);
        source.handle_answer(2, answer);
        assert_eq!(failed(&mut source), (Some(2), ErrorCode::Changed, None));
        let opened = open(&mut source, first("30000"));
        assert!(matches!(opened, ServerMessage::Opened(Opened { handle: 2, size: 30_000, .. })));
    }
}

#[test]
fn a_weak_tag_says_nothing() {
    let mut source = ready();
    ask(&mut source);
    let etag = Some("W/\"b\"".to_owned());
    source.handle_answer(2, HttpAnswer { etag, ..part("8192-19999/20000", 11_808) });
    assert!(matches!(said(&mut source), ServerMessage::Blocks(_)));
}

#[test]
fn statuses_become_the_protocols_errors() {
    for (status, retry_after, expected) in [
        (404, None, (Some(2), ErrorCode::NotFound, None)),
        (410, None, (Some(2), ErrorCode::NotFound, None)),
        (403, None, (Some(2), ErrorCode::Forbidden, None)),
        (204, None, (Some(2), ErrorCode::Forbidden, None)),
        (200, None, (Some(2), ErrorCode::Forbidden, None)),
        (429, Some("7"), (Some(2), ErrorCode::Busy, Some(7000))),
        (503, Some("99999999999"), (Some(2), ErrorCode::Busy, Some(3_600_000))),
        (503, Some("Fri, 31 Dec 1999 23:59:59 GMT"), (Some(2), ErrorCode::Busy, Some(1000))),
        (500, None, (None, ErrorCode::Io, None)),
    ] {
        let mut source = ready();
        ask(&mut source);
        let retry_after = retry_after.map(str::to_owned);
        source.handle_answer(2, HttpAnswer { status, retry_after, ..HttpAnswer::default() });
        assert_eq!(failed(&mut source), expected, "{status}");
    }
}

#[test]
fn a_server_without_ranges_serves_files_of_one_run() {
    let mut source = HttpSource::default();
    open(&mut source, whole("100"));
    let run = BlockRun { first: 0, count: 1 };
    source.handle_message(&ClientMessage::Blocks(BlocksRequest { id: 2, handle: 1, run }));
    source.poll_output();
    source.handle_answer(2, HttpAnswer { status: 200, body: vec![7; 100].into(), ..HttpAnswer::default() });
    assert!(matches!(said(&mut source), ServerMessage::Blocks(_)));
}

#[test]
fn the_size_comes_with_the_first_byte() {
    let empty = HttpAnswer { status: 416, content_range: Some("bytes */0".to_owned()), ..HttpAnswer::default() };
    for (answer, expected) in [(first("20000"), SIZE), (whole("20000"), SIZE), (whole("0"), 0), (empty, 0)] {
        match open(&mut HttpSource::default(), answer.clone()) {
            ServerMessage::Opened(Opened { size, .. }) => assert_eq!(size, expected, "{answer:?}"),
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}

#[test]
fn a_file_without_a_size_is_none() {
    let no_range = |status| HttpAnswer { status, ..HttpAnswer::default() };
    let sizes = ["", "+5", "-1", "a", "*", "99999999999999999999999"];
    let answers = sizes.iter().flat_map(|size| [first(size), whole(size)]);
    for answer in answers.chain([no_range(206), no_range(416), no_range(200)]) {
        match open(&mut HttpSource::default(), answer.clone()) {
            ServerMessage::Failure(failure) => assert_eq!(failure.code, ErrorCode::NotAFile, "{answer:?}"),
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}

#[test]
fn a_cancelled_request_is_aborted_and_its_answer_ignored() {
    let mut source = ready();
    ask(&mut source);
    source.handle_message(&ClientMessage::Cancel(Cancel { id: 2 }));
    assert_eq!(source.poll_output(), Some(HttpOutput::Abort(2)));
    assert_eq!(failed(&mut source), (Some(2), ErrorCode::Cancelled, None));
    source.handle_answer(2, part("8192-19999/20000", 11_808));
    source.handle_message(&ClientMessage::Cancel(Cancel { id: 2 }));
    assert_eq!(source.poll_output(), None);
}

#[test]
fn it_has_no_hashes() {
    let mut source = ready();
    let ask = HashesRequest { id: 3, handle: 1, level: 0, first: 0, count: 1 };
    source.handle_message(&ClientMessage::Hashes(ask));
    assert_eq!(failed(&mut source), (Some(3), ErrorCode::NotReady, None));
}

#[test]
fn the_bytes_of_blocks_are_handed_over_without_a_copy() {
    let mut source = ready();
    ask(&mut source);
    let answer = part("8192-19999/20000", 11_808);
    let came = answer.body.as_ptr();
    source.handle_answer(2, answer);
    assert!(matches!(said(&mut source), ServerMessage::Blocks(reply) if reply.data.as_ptr() == came));
}

#[test]
fn a_refusal_says_who_asks_for_a_password() {
    for (status, words) in [(401, "The server asks"), (407, "A proxy asks"), (451, "The server does not give")] {
        let mut source = HttpSource::default();
        let answer = HttpAnswer { status, ..HttpAnswer::default() };
        match open(&mut source, answer) {
            ServerMessage::Failure(failure) => assert!(failure.text.starts_with(words), "{status}: {failure:?}"),
            other => panic!("{status}: {other:?}"),
        }
    }
}
