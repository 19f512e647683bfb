//! As many clients as a machine has descriptors for, and clients that keep the server waiting.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_server::Config;
use wstp_testkit::LONG;

use crate::support::plain::{head, request};
use crate::support::{Client, Embedded, Folder, Options, Server, sample};

/// Connections of a crowd, if the system allows so many descriptors.
const CROWD: u64 = 10_000;
/// Descriptors that the test and the server need besides.
const OTHERS: u64 = 200;
/// Connections that are opened at once.
const AT_ONCE: usize = 64;
/// Bytes that a session that waits may take in the server's memory, or a connection of plain HTTP between two requests.
const OF_EACH: u64 = 48 << 10;

/// The connections that fit. The test, and the server that it starts, take all descriptors that the system allows.
fn crowd() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _as_before = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let crowd = CROWD.min(allowed.saturating_sub(OTHERS));
    if crowd < CROWD {
        eprintln!("only {crowd} connections: the limit on descriptors is {allowed}");
    }
    usize::try_from(crowd).unwrap()
}

/// A server with seats for a crowd, its folder with one file, the bytes of that, and the number of the crowd.
async fn roomy() -> (Server, Folder, Vec<u8>, usize) {
    let folder = Folder::new();
    let bytes = sample(1 << 20);
    folder.file("file", &bytes);
    let count = crowd();
    let most = (count + 8).to_string();
    let options = Options { args: &["--max-connections", &most], ..Options::default() };
    let server = Server::start_with(folder.path(), options).await;
    (server, folder, bytes, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_clients_fit_and_one_more_is_served() {
    let (server, _folder, bytes, count) = roomy().await;
    let first = server.connect().await.fetch("file").await;
    assert!(first == bytes);
    let alone = server.peak_memory();
    let connect = |_| async {
        let mut client = server.connect().await;
        client.open_file("file").await.unwrap();
        client
    };
    let crowd: Vec<Client> = stream::iter(0..count).map(connect).buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(crowd.len(), count);
    let mut late = server.connect().await;
    assert!(late.fetch("file").await == bytes);
    assert_eq!(request(server.address(), "GET", "/files/file", &[]).await.body, bytes);
    let each = (server.peak_memory() - alone) / count as u64;
    println!("{each} bytes for each of {count} sessions");
    assert!(each < OF_EACH, "{each} bytes for each of {count} sessions");
    // Those that came first are still there.
    for mut client in crowd.into_iter().step_by(997) {
        assert!(client.fetch("file").await == bytes);
    }
}

/// Asks for the head of the file, and keeps the connection open.
async fn kept_open(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"HEAD /files/file HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await.unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..read]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_stay_open_leave_room_and_end_when_they_ask_nothing() {
    let (server, _folder, bytes, count) = roomy().await;
    assert!(request(server.address(), "GET", "/files/file", &[]).await.body == bytes);
    let alone = server.peak_memory();
    let crowd = stream::iter(0..count).map(|_| kept_open(server.address())).buffer_unordered(AT_ONCE);
    let crowd: Vec<TcpStream> = crowd.collect().await;
    // Those that came first may be over already: they asked nothing for too long.
    let figures = request(server.address(), "GET", "/metrics", &[]).await;
    let open = figures.text().lines().find_map(|line| line.strip_prefix("process_open_fds "));
    let open: u64 = open.unwrap().parse().unwrap();
    assert!(request(server.address(), "GET", "/files/file", &[]).await.body == bytes);
    assert!(server.connect().await.fetch("file").await == bytes);
    let each = (server.peak_memory() - alone) / open;
    println!("{each} bytes for each of {open} connections of {count}");
    assert!(each < OF_EACH, "{each} bytes for each of {open} connections of {count}");
    for mut stream in crowd {
        let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut Vec::new())).await;
        // A reset is an end, too.
        drop(ended.expect("the server ends a connection that asks nothing"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_drop_by_drop_is_not_waited_for() {
    let folder = Folder::new();
    folder.file("file", b"content");
    let mut config = Config { max_connections: 2, ..Config::new(folder.path()) };
    config.timeouts.body = Duration::from_millis(300);
    let server = Embedded::start(config).await;
    let drips = async |target: &str, fields: &[&str]| {
        let fields: Vec<_> = fields.iter().copied().chain(["Content-Length: 60000"]).collect();
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head("POST", target, &fields).as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let dripping = async {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            while writer.write_all(b" ").await.is_ok() {
                tick.tick().await;
            }
        };
        let mut answer = Vec::new();
        let ended = async {
            // A reset is an end, too.
            let _end = reader.read_to_end(&mut answer).await;
        };
        tokio::time::timeout(LONG, async {
            tokio::select! {
                () = ended => {}
                () = dripping => {}
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{target} waits for ever"));
        String::from_utf8(answer).unwrap().lines().next().unwrap_or_default().to_owned()
    };
    for (target, fields, statuses) in [
        ("/ws", &["Content-Type: application/x-wstp"][..], &["408"][..]),
        ("/admin/api/login", &["Content-Type: application/json", "wstp-admin: 1"], &["400"]),
        ("/s/AAAAAAAAAAAAAAAAAAAAAA", &["Content-Type: application/x-www-form-urlencoded"], &["404"]),
        // No body is of any use there, so it is not read.
        ("/login", &[], &["404"]),
        ("/files/file", &[], &["405"]),
    ] {
        let line = drips(target, fields).await;
        assert!(statuses.iter().any(|status| line.contains(status)), "{target}: {line}");
    }
    assert_eq!(request(server.address(), "GET", "/files/file", &[]).await.body, b"content");
    server.stop().await;
}
