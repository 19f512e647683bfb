//! Clients that read slowly, that pause, and that do not read.

use std::time::Duration;

use crate::support::plain::{head, request};
use crate::support::{Client, Embedded, Folder, Server, seat_comes_free};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::time::{Instant, interval};
use wstp_protocol::ServerMessage;
use wstp_server::Config;

/// More than the system buffers between server and client.
const SIZE: usize = 32 << 20;
/// Bytes a slow reader takes at a time, and of a frame.
const PIECE: usize = 256 << 10;
/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a request for the file and reads the first bytes of the answer.
async fn begin(address: &str, receive_buffer: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    stream.write_all(head("GET", "/files/file", &[]).as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 16]).await.unwrap();
    stream
}

/// Bytes that arrive before the connection ends.
async fn rest(mut stream: TcpStream) -> usize {
    let (mut buffer, mut got) = (vec![0; PIECE], 0);
    // A reset is a valid end, too.
    while let Ok(bytes @ 1..) = stream.read(&mut buffer).await {
        got += bytes;
    }
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_gets_all_and_who_reads_nothing_is_let_go() {
    let folder = Folder::new();
    folder.sparse("file", SIZE as u64);
    let mut config = Config { max_requests: (SIZE / PIECE) as u32, ..Config::new(folder.path()) };
    config.timeouts.write = Duration::from_secs(2);
    let server = Embedded::start(config).await;
    // By then a server that sees no progress has ended every connection.
    let slowly = Instant::now() + Duration::from_secs(5);

    let over_http = async {
        let mut stream = begin(server.address(), Some(64 << 10)).await;
        let (mut piece, mut tick) = (vec![0; PIECE / 4], interval(Duration::from_millis(250)));
        let mut got = 16;
        while Instant::now() < slowly {
            tick.tick().await;
            stream.read_exact(&mut piece).await.unwrap();
            got += piece.len();
        }
        assert!(got + rest(stream).await > SIZE, "the slow reader was cut off");
    };
    let over_the_protocol = async {
        let mut client = Client::connect(server.address()).await;
        let handle = client.open_file("file").await.unwrap().handle;
        let (count, runs) = ((PIECE / 8192) as u32, SIZE / PIECE);
        for run in 0..runs as u64 {
            client.ask_blocks(handle, run * u64::from(count), count).await;
        }
        let mut tick = interval(Duration::from_secs(1));
        for _ in 0..runs {
            if Instant::now() < slowly {
                tick.tick().await;
            }
            client.find(|message| matches!(message, ServerMessage::Blocks(_)).then_some(())).await;
        }
    };
    let not_at_all = async {
        let stream = begin(server.address(), None).await;
        tokio::time::sleep_until(slowly).await;
        assert!(rest(stream).await < SIZE, "the one who read nothing for too long got all");
    };
    tokio::join!(over_http, over_the_protocol, not_at_all);
    server.stop().await;
}

/// All times here pass a hundred times as fast as for a user, so rates are a hundred times as high.
#[tokio::test(flavor = "multi_thread")]
async fn curl_wget_and_a_paused_player_read_slowly_to_the_end() {
    const FASTER: u32 = 100;
    const SIZE: usize = 16 << 20;
    /// Bytes a second: 20,000 and 30,000 of a user.
    const RATES: [&str; 2] = ["2000000", "3000000"];
    const PAUSE: Duration = Duration::from_secs(300);
    let folder = Folder::new();
    let bytes: Vec<u8> = (0..SIZE as u32 / 4).flat_map(u32::to_le_bytes).collect();
    folder.file("file", &bytes);
    let mut config = Config::new(folder.path());
    config.timeouts.write /= FASTER;
    let server = Embedded::start(config).await;
    let url = format!("http://{}/files/file", server.address());
    let copies = Folder::new();

    let copy = async |name: &str, program: &mut Command| {
        let ended = program.kill_on_drop(true).output().await.expect("the program is installed");
        assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
        assert!(std::fs::read(copies.path().join(name)).unwrap() == bytes, "{name} has other bytes");
    };
    let (mut curl, mut wget) = (Command::new("curl"), Command::new("wget"));
    curl.args(["-sS", "--limit-rate", RATES[0], "-o"]).arg(copies.path().join("curl")).arg(&url);
    // One try: a wget that was cut off would resume.
    wget.args(["-nv", "-t", "1", "--limit-rate", RATES[1], "-O"]).arg(copies.path().join("wget")).arg(&url);
    let player = async {
        let stream = begin(server.address(), None).await;
        tokio::time::sleep(PAUSE / FASTER).await;
        assert!(16 + rest(stream).await > SIZE, "the paused player was cut off");
    };
    tokio::join!(copy("curl", &mut curl), copy("wget", &mut wget), player);
    server.stop().await;
}

#[tokio::test]
async fn a_paused_reader_keeps_its_place_until_another_client_needs_it() {
    let folder = Folder::new();
    folder.sparse("file", SIZE as u64);
    let mut config = Config { max_connections: 1, ..Config::new(folder.path()) };
    config.timeouts.grace = Duration::from_millis(100);
    let server = Embedded::start(config).await;
    let paused = begin(server.address(), None).await;
    let served = async {
        while request(server.address(), "GET", "/files/file", &["Range: bytes=0-0"]).await.status != 206 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, served).await.expect("the paused reader gives way");
    assert!(rest(paused).await < SIZE);

    // The same among clients of the protocol.
    let paused = begin(server.address(), None).await;
    tokio::time::timeout(PATIENCE, seat_comes_free(server.address())).await.expect("the paused reader gives way");
    assert!(rest(paused).await < SIZE);
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_read_for_clients_that_take_nothing() {
    const CLIENTS: usize = 40;
    let folder = Folder::new();
    folder.sparse("large", 1 << 30);
    let server = Server::start(folder.path()).await;
    let before = server.peak_memory();
    let mut idle = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(head("GET", "/files/large", &[]).as_bytes()).await.unwrap();
        // The head is here, so the body is on its way.
        stream.read_exact(&mut [0; 16]).await.unwrap();
        idle.push(stream);
    }
    let mut busy = TcpStream::connect(server.address()).await.unwrap();
    busy.write_all(head("GET", "/files/large", &["Range: bytes=0-99999999"]).as_bytes()).await.unwrap();
    let mut all = Vec::new();
    busy.read_to_end(&mut all).await.unwrap();
    assert!(all.len() > 99_999_999);
    let growth = server.peak_memory() - before;
    assert!(growth < CLIENTS as u64 * (2 << 20), "{growth} bytes more");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let folder = Folder::new();
    folder.sparse("large", 1 << 30);
    let mut config = Config { max_connections: 1, ..Config::new(folder.path()) };
    config.timeouts.write = Duration::from_millis(100);
    let server = Embedded::start(config).await;
    let mut idle = TcpStream::connect(server.address()).await.unwrap();
    idle.write_all(head("GET", "/files/large", &[]).as_bytes()).await.unwrap();
    idle.read_exact(&mut [0; 16]).await.unwrap();
    // Its place is free again.
    while request(server.address(), "HEAD", "/files/large", &[]).await.status != 200 {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}
