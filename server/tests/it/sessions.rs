//! The hold on a running server: who is connected, what they fetch, an end to that, and other settings. The server's
//! files are in memory.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_protocol::{BLOCK_SIZE, ErrorCode, ServerMessage, SharePath, VERSIONS};
use wstp_server::access::{Allowance, Caller};
use wstp_server::store::MemoryStore;
use wstp_server::{Config, Control};

use crate::support::plain::{head, request, request_from};
use crate::support::{Client, Embedded, hello, sample};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

async fn start(size: usize) -> (Embedded, Arc<Control>, SharePath) {
    let (store, path) = (MemoryStore::default(), SharePath::parse("film").unwrap());
    store.put(&path, sample(size));
    let control = Arc::new(Control::new(Config::new("nowhere")));
    (Embedded::of_store(control.clone(), Arc::new(store)).await, control, path)
}

/// The caller that all clients of a test are.
fn caller(control: &Control, server: &Embedded) -> Caller {
    let address: SocketAddr = server.address().parse().unwrap();
    control.callers().of_address(address.ip())
}

/// Waits until this many sessions are left.
async fn are_left(control: &Control, sessions: usize) {
    let left = async {
        while control.sessions().list().len() != sessions {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.unwrap();
}

#[tokio::test]
async fn a_session_is_seen_counted_slowed_down_and_ended() {
    let (server, control, path) = start(100 * BLOCK_SIZE as usize).await;
    let mut client = Client::connect(server.address()).await;
    let opened = client.open_file("film").await.unwrap();
    let data = client.blocks(opened.handle, 0, 32).await.unwrap();
    assert_eq!(data, sample(100 * BLOCK_SIZE as usize)[..32 * BLOCK_SIZE as usize]);
    client.verified_page(&opened, 0, 0, 64).await;

    let view = control.sessions().list().remove(0);
    assert_eq!(view.transfers[0].0, path);
    assert!(view.bytes >= data.len() as u64, "{view:?}");
    let caller = caller(&control, &server);
    assert_eq!(caller.holds().seats, 1);
    assert_eq!(caller.holds().bytes, view.bytes);

    // The first frame goes out at once, and the next one has to wait for it.
    let rate = NonZeroU64::new(1 << 20);
    assert!(control.sessions().limit(view.connection, rate));
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        client.blocks(opened.handle, 0, 32).await.unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    assert_eq!(control.sessions().list()[0].limit, rate);

    assert!(control.sessions().end(view.connection));
    client.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    assert!(client.next().await.is_none());
    are_left(&control, 0).await;
    assert!(!control.sessions().end(view.connection));
    assert_eq!(caller.holds().seats, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_download_over_plain_http_is_a_session_too() {
    const SIZE: usize = 64 << 20;
    let (server, control, path) = start(SIZE).await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let request = head("GET", "/files/film", &["Authorization: Bearer whatever"]);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 1 << 20];
    socket.read_exact(&mut bytes).await.unwrap();
    let view = control.sessions().list().remove(0);
    assert_eq!(view.transfers[0].0, path);
    assert!(control.sessions().end(view.connection));
    let ended = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.unwrap();
    assert!(ended.is_err() || bytes.len() < SIZE);
    are_left(&control, 0).await;
    server.stop().await;
}

/// How a further connection of the protocol is answered: the code of the refusal, if it is refused.
async fn greeted(server: &Embedded) -> Option<ErrorCode> {
    let mut client = Client::open(server.address(), None).await.unwrap();
    client.send(&hello(VERSIONS)).await;
    match client.receive().await {
        ServerMessage::Failure(failure) => {
            assert!(failure.retry_after_ms.is_some(), "{failure:?}");
            Some(failure.code)
        }
        _ => None,
    }
}

/// Everything here comes from one address, so it is one caller.
#[tokio::test]
async fn a_callers_allowance_holds_over_all_its_connections_of_both_kinds() {
    let (server, control, _) = start(64 << 20).await;
    let get = async || request(server.address(), "GET", "/files/film", &["Range: bytes=0-3"]).await;
    let caller = caller(&control, &server).identity().clone();
    let allow = |allowance| control.callers().allow(&caller, Some(allowance));
    allow(Allowance { seats: Some(2), ..Allowance::default() });
    let mut client = Client::connect(server.address()).await;
    // A download that nobody reads takes the second seat.
    let mut download = TcpStream::connect(server.address()).await.unwrap();
    download.write_all(head("GET", "/files/film", &[]).as_bytes()).await.unwrap();
    download.read_exact(&mut [0; 1]).await.unwrap();
    assert_eq!(greeted(&server).await, Some(ErrorCode::Busy));
    let refused = get().await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.text(), "This server allows you no more connections at once. Close one, or try again shortly.");

    // Each connection that is there goes on, and the next one has to wait for it.
    client.stat("film").await.unwrap();
    drop(download);
    are_left(&control, 1).await;
    assert_eq!(get().await.status, 206);

    allow(Allowance { requests: Some(0), ..Allowance::default() });
    assert_eq!(client.stat("film").await.unwrap_err().code, ErrorCode::Busy);
    assert_eq!(get().await.status, 503);
    control.callers().allow(&caller, None);
    client.stat("film").await.unwrap();

    // One number for everyone, replaced while the server runs.
    let per_caller = Allowance { seats: Some(1), ..Allowance::default() };
    control.replace(Config { per_caller, ..Config::clone(&control.config()) });
    assert_eq!(greeted(&server).await, Some(ErrorCode::Busy));
    server.stop().await;
}

#[tokio::test]
async fn a_caller_is_slowed_down_and_ended_with_all_its_sessions() {
    let (server, control, _) = start(64 << 20).await;
    let mut clients = [Client::connect(server.address()).await, Client::connect(server.address()).await];
    let mut handles = Vec::new();
    for client in &mut clients {
        handles.push(client.open_file("film").await.unwrap().handle);
    }
    let caller = control.sessions().list()[0].caller.clone();
    control.callers().allow(&caller, Some(Allowance { rate: NonZeroU64::new(1 << 20), ..Allowance::default() }));
    let began = tokio::time::Instant::now();
    for _ in 0..2 {
        for (client, handle) in clients.iter_mut().zip(&handles) {
            client.blocks(*handle, 0, 32).await.unwrap();
        }
    }
    // The first of four frames goes out at once.
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());

    control.callers().allow(&caller, None);
    let mut download = TcpStream::connect(server.address()).await.unwrap();
    download.write_all(head("GET", "/files/film", &[]).as_bytes()).await.unwrap();
    download.read_exact(&mut [0; 1]).await.unwrap();
    assert!(control.sessions().end_caller(&caller));
    for mut client in clients {
        client.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
        // The news of the file's hash may wait before the end.
        let end = async { while client.next().await.is_some() {} };
        tokio::time::timeout(PATIENCE, end).await.unwrap();
    }
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, download.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.is_err() || rest.len() < 64 << 20);
    are_left(&control, 0).await;
    assert!(!control.sessions().end_caller(&caller));
    server.stop().await;
}

#[tokio::test]
async fn settings_are_replaced_while_the_server_runs() {
    let (server, control, _) = start(1).await;
    let mut before = Client::open(server.address(), None).await.unwrap();
    let limits = before.hello().await.limits;
    control.replace(Config { max_requests: limits.requests + 1, ..Config::clone(&control.config()) });
    let mut after = Client::open(server.address(), None).await.unwrap();
    assert_eq!(after.hello().await.limits.requests, limits.requests + 1);
    before.stat("film").await.unwrap();
    drop((before, after));
    server.stop().await;
}

/// Nobody is locked out by a caller that takes all seats, whichever way the newcomer comes.
#[tokio::test]
async fn a_caller_with_many_connections_gives_some_up_to_those_with_fewer() {
    let (store, path) = (MemoryStore::default(), SharePath::parse("film").unwrap());
    store.put(&path, sample(10));
    let control = Arc::new(Control::new(Config { max_connections: 4, ..Config::new("nowhere") }));
    let server = Embedded::of_store(control.clone(), Arc::new(store)).await;
    let greedy = async || Client::connect_from("127.0.0.2", server.address()).await;
    let mut greedy = [greedy().await, greedy().await, greedy().await, greedy().await];
    let mut refused = Client::open_from("127.0.0.2", server.address()).await;
    refused.send(&hello(VERSIONS)).await;
    let failure = refused.find(|message| match message {
        ServerMessage::Failure(failure) => Some(failure.code),
        _ => None,
    });
    assert_eq!(failure.await, ErrorCode::Busy);

    let mut newcomer = Client::connect_from("127.0.0.3", server.address()).await;
    let last = &mut greedy[3];
    last.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    assert!(last.next().await.is_none());
    assert_eq!(newcomer.open_file("film").await.unwrap().size, 10);
    // Plain HTTP is let in likewise, and takes no seat from those who have few.
    let reply = request_from("127.0.0.4", server.address(), "/files/film").await;
    assert_eq!((reply.status, reply.body.len()), (200, 10));
    greedy[2].find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    for client in &mut greedy[..2] {
        client.open_file("film").await.unwrap();
    }
    server.stop().await;
}
