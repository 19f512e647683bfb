//! Limits on a client's requests and on its time.

use std::collections::HashMap;
use std::time::Duration;

use crate::support::{Client, Embedded, Folder, Options, Server, hello, sample, seat_comes_free};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use wstp_protocol::*;
use wstp_server::Config;
use wstp_testkit::{LONG, until};

/// Blocks in a request, 256 KiB.
const RUN: u32 = 32;
/// This many runs fill the system's buffers between server and a client that does not read.
const MANY: u32 = 120;

fn config(folder: &Folder) -> Config {
    folder.file("file", &sample(RUN as usize * 8192));
    Config::new(folder.path())
}

/// How each of the requests ended, and the other messages, up to the pong of the last ping.
async fn answers(client: &mut Client) -> HashMap<RequestId, Vec<Option<ErrorCode>>> {
    let mut answers: HashMap<_, Vec<_>> = HashMap::new();
    loop {
        match client.receive().await {
            ServerMessage::Blocks(reply) => answers.entry(reply.id).or_default().push(None),
            ServerMessage::Failure(Failure { id: Some(id), code, .. }) => {
                answers.entry(id).or_default().push(Some(code))
            }
            ServerMessage::RootReady(_) => {}
            ServerMessage::Pong(Pong { nonce: 42 }) => return answers,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_and_every_request_is_answered_once() {
    let folder = Folder::new();
    let server = Embedded::start(Config { max_requests: 8, send_budget: 1 << 18, ..config(&folder) }).await;
    let mut client = Client::connect(server.address()).await;
    let opened = client.open_file("file").await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..MANY {
        ids.push(client.ask_blocks(opened.handle, 0, RUN).await);
    }
    client.send(&ClientMessage::Ping(Ping { nonce: 42 })).await;
    // The requests that wait for room in the outbox may be answered after the pong.
    let mut answers = answers(&mut client).await;
    for id in ids {
        let answer = match answers.remove(&id) {
            Some(answer) => answer,
            None => vec![client.answer(id).await.err().map(|failure| failure.code)],
        };
        assert!(matches!(answer[..], [None | Some(ErrorCode::Busy)]), "{answer:?}");
    }
    assert!(answers.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_request_under_way_can_be_cancelled_and_its_id_not_be_taken() {
    let folder = Folder::new();
    let server = Embedded::start(Config { max_requests: MANY, send_budget: 1 << 18, ..config(&folder) }).await;
    let mut client = Client::connect(server.address()).await;
    let opened = client.open_file("file").await.unwrap();
    let mut last = 0;
    for _ in 0..MANY {
        last = client.ask_blocks(opened.handle, 0, RUN).await;
    }
    // Nothing was read yet, so the last request waits for room.
    let again = BlocksRequest { id: last, handle: opened.handle, run: BlockRun { first: 0, count: 1 } };
    client.send(&ClientMessage::Blocks(again)).await;
    client.send(&ClientMessage::Cancel(Cancel { id: last })).await;
    client.send(&ClientMessage::Cancel(Cancel { id: 9999 })).await;
    let mut codes = vec![client.answer(last).await.unwrap_err().code, client.answer(last).await.unwrap_err().code];
    codes.sort_by_key(|code| code.to_u16());
    assert_eq!(codes, [ErrorCode::Cancelled, ErrorCode::DuplicateId]);
    client.send(&ClientMessage::Blocks(again)).await;
    assert!(client.answer(last).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn closing_a_handle_ends_its_requests() {
    let folder = Folder::new();
    let server = Embedded::start(Config { max_requests: MANY, send_budget: 1 << 18, ..config(&folder) }).await;
    let mut client = Client::connect(server.address()).await;
    let opened = client.open_file("file").await.unwrap();
    let mut last = 0;
    for _ in 0..MANY {
        last = client.ask_blocks(opened.handle, 0, RUN).await;
    }
    client.send(&ClientMessage::Close(Close { handle: opened.handle })).await;
    assert_eq!(client.answer(last).await.unwrap_err().code, ErrorCode::Cancelled);
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap_err().code, ErrorCode::BadHandle);
    server.stop().await;
}

#[tokio::test]
async fn handles_are_limited_and_come_back() {
    let folder = Folder::new();
    let server = Embedded::start(Config { max_handles: 2, ..config(&folder) }).await;
    let mut client = Client::open(server.address(), None).await.unwrap();
    assert_eq!(client.hello().await.limits.handles, 2);
    let first = client.open_file("file").await.unwrap();
    client.open_file("file").await.unwrap();
    let refused = client.open_file("file").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Busy);
    assert!(refused.retry_after_ms.is_some());
    client.send(&ClientMessage::Close(Close { handle: first.handle })).await;
    client.open_file("file").await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn a_client_too_many_is_told_to_come_back() {
    let folder = Folder::new();
    let server = Embedded::start(Config { max_connections: 1, ..config(&folder) }).await;
    let seated = Client::connect(server.address()).await;
    let mut second = Client::open(server.address(), None).await.unwrap();
    second.send(&hello(VERSIONS)).await;
    match second.receive().await {
        ServerMessage::Failure(failure) => {
            assert_eq!((failure.id, failure.code), (None, ErrorCode::Busy));
            assert!(failure.retry_after_ms.is_some());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(second.next().await, None);
    drop(seated);
    seat_comes_free(server.address()).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection_with_a_reason() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let frames = [
        Message::Binary(vec![].into()),
        Message::Binary(vec![0x55].into()),
        Message::Binary(vec![0x05, 1, 1].into()),
        Message::Binary([ClientMessage::Ping(Ping { nonce: 1 }).encode(), vec![0]].concat().into()),
        Message::Binary(hello(VERSIONS).encode().into()),
        Message::Text("hello".into()),
    ];
    for frame in frames {
        let mut client = server.connect().await;
        client.send_raw(frame.clone()).await;
        match client.receive().await {
            ServerMessage::Failure(failure) => {
                assert_eq!((failure.id, failure.code), (None, ErrorCode::Malformed), "{frame:?}")
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(client.next().await, None);
    }
}

#[tokio::test]
async fn a_frame_too_long_ends_the_connection() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    client.send_frame(vec![0; limits::MAX_CLIENT_FRAME + 1]).await;
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn the_greeting_comes_first_and_in_a_common_version() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let too_new = hello((VERSIONS.1 + 1, u16::MAX));
    for (first, code) in
        [(ClientMessage::Ping(Ping { nonce: 1 }), ErrorCode::Malformed), (too_new, ErrorCode::UnsupportedVersion)]
    {
        let mut client = Client::open(server.address(), None).await.unwrap();
        client.send(&first).await;
        match client.receive().await {
            ServerMessage::Failure(failure) => assert_eq!((failure.id, failure.code), (None, code)),
            other => panic!("{other:?}"),
        }
        assert_eq!(client.next().await, None);
    }
    let mut newer = Client::open(server.address(), None).await.unwrap();
    newer.send(&hello((0, u16::MAX))).await;
    assert!(matches!(newer.receive().await, ServerMessage::Welcome(Welcome { version: 1, features: 0, .. })));
}

fn hurried(folder: &Folder) -> Config {
    let mut config = Config { max_connections: 1, ..config(folder) };
    config.timeouts.head = Duration::from_millis(100);
    config.timeouts.handshake = Duration::from_millis(100);
    config.timeouts.idle = Duration::from_millis(200);
    config.timeouts.write = Duration::from_millis(200);
    config
}

#[tokio::test]
async fn a_client_that_does_not_greet_is_let_go() {
    let folder = Folder::new();
    let server = Embedded::start(hurried(&folder)).await;
    let mut client = Client::open(server.address(), None).await.unwrap();
    assert!(matches!(client.receive().await, ServerMessage::Failure(Failure { id: None, .. })));
    assert_eq!(client.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn a_silent_client_is_let_go() {
    let folder = Folder::new();
    let server = Embedded::start(hurried(&folder)).await;
    let mut client = Client::connect(server.address()).await;
    assert!(matches!(client.receive().await, ServerMessage::Goodbye(_)));
    assert_eq!(client.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let folder = Folder::new();
    let server = Embedded::start(hurried(&folder)).await;
    let mut client = Client::connect(server.address()).await;
    let opened = client.open_file("file").await.unwrap();
    for _ in 0..MANY {
        client.ask_blocks(opened.handle, 0, RUN).await;
    }
    seat_comes_free(server.address()).await;
    server.stop().await;
}

#[tokio::test]
async fn half_a_request_head_is_not_waited_for() {
    let folder = Folder::new();
    let server = Embedded::start(hurried(&folder)).await;
    let reply = crate::support::http(server.address(), "GET / HTTP/1.1\r\nHost:").await;
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 408 "), "{reply}");
    server.stop().await;
}

/// A connection from one of this machine's own addresses.
async fn connect_from(source: [u8; 4], address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(address.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_flood_of_connections_that_ask_nothing_keeps_nobody_out() {
    let folder = Folder::new();
    // Nobody ever runs out of patience, so only eviction makes room.
    let mut open = Config { max_connections: 1, ..config(&folder) };
    open.timeouts.head = Duration::from_secs(1 << 20);
    let state = folder.path().join("state");
    let tls = wstp_server::tls::self_signed(&state, vec!["localhost".to_owned()]).unwrap();
    let encrypted = Config { tls: Some(tls), ..open.clone() };
    for (config, parts, status) in [
        (open, [&b""[..], b"GET /files/file HT", b"GET /files/file HTTP/1.1\r\nHost: x\r\n"], "HTTP/1.1 200"),
        // Half a handshake; and whoever speaks plain HTTP is told where to go.
        (encrypted, [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"], "HTTP/1.1 308"),
    ] {
        let server = Embedded::start(config).await;
        let mut flood = Vec::new();
        for part in parts.into_iter().cycle().take(300) {
            let mut stream = connect_from([127, 0, 0, 1], server.address()).await;
            // It may be evicted already.
            let _sent = stream.write_all(part).await;
            flood.push(stream);
        }
        let mut newcomer = connect_from([127, 0, 0, 2], server.address()).await;
        newcomer.write_all(b"GET /files/file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(LONG, newcomer.read_to_end(&mut answer)).await.expect("there is room").unwrap();
        assert!(answer.starts_with(status.as_bytes()), "{}", String::from_utf8_lossy(&answer));
        drop(flood);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_out_of_descriptors_says_so_and_recovers() {
    let folder = Folder::new();
    folder.file("file", b"content");
    let log = folder.path().join("log");
    let options = Options { wrapper: &["prlimit", "--nofile=48:48"], log: Some(&log), ..Options::default() };
    let server = Server::start_with(folder.path(), options).await;
    let mut crowd = Vec::new();
    for _ in 0..64 {
        crowd.push(TcpStream::connect(server.address()).await.unwrap());
    }
    let said = async || Ok(std::fs::read_to_string(&log)?.contains("cannot accept a connection").then_some(()));
    until("the server to say so", LONG, said).await.unwrap();
    drop(crowd);
    let answer = crate::support::plain::request(server.address(), "GET", "/files/file", &[]).await;
    assert_eq!((answer.status, answer.text()), (200, "content"));
    let lines = std::fs::read_to_string(&log).unwrap().matches("cannot accept a connection").count();
    assert!(lines < 64, "the pauses between tries grow: {lines}");
}

#[tokio::test]
async fn pings_are_answered_at_both_layers() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let mut client = server.connect().await;
    client.send_raw(Message::Ping("beat".into())).await;
    assert_eq!(client.receive_raw().await, Message::Pong("beat".into()));
    client.send(&ClientMessage::Ping(Ping { nonce: 7 })).await;
    assert_eq!(client.receive().await, ServerMessage::Pong(Pong { nonce: 7 }));
}

#[tokio::test]
async fn requests_right_behind_the_greeting_are_answered_behind_the_welcome_where_the_server_says_so() {
    let folder = Folder::new();
    for (max_requests, says_so) in [(1, false), (2, true)] {
        let server = Embedded::start(Config { max_requests, ..config(&folder) }).await;
        let url = format!("ws://{}/ws", server.address());
        let (_, answer) = tokio_tungstenite::connect_async(url).await.unwrap();
        assert_eq!(answer.headers().contains_key(wstp_protocol::probe::EARLY_FIELD), says_so);
        let mut client = Client::open(server.address(), None).await.unwrap();
        let mut greeting = hello(VERSIONS);
        if let ClientMessage::Hello(hello) = &mut greeting {
            hello.features = features::EARLY;
        }
        client.send(&greeting).await;
        client.send(&ClientMessage::Stat(StatRequest { id: 9, path: SharePath::root() })).await;
        match client.receive().await {
            ServerMessage::Welcome(welcome) => assert_eq!(welcome.features, if says_so { features::EARLY } else { 0 }),
            other => panic!("{other:?}"),
        }
        assert!(matches!(client.receive().await, ServerMessage::Stat(reply) if reply.id == 9));
    }
}
