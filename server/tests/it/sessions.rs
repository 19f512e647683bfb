//! The hold on a running server: who is connected, what they fetch, an end to that, and other settings. The server's
//! files are in memory.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wstp_protocol::{BLOCK_SIZE, ServerMessage, SharePath};
use wstp_server::store::MemoryStore;
use wstp_server::{Config, Control};

use crate::support::plain::head;
use crate::support::{Client, Embedded, sample};

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

async fn start(size: usize) -> (Embedded, Arc<Control>, SharePath) {
    let (store, path) = (MemoryStore::default(), SharePath::parse("film").unwrap());
    store.put(&path, sample(size));
    let control = Arc::new(Control::new(Config::new("nowhere")));
    (Embedded::of_store(control.clone(), Arc::new(store)).await, control, path)
}

/// Waits until no session is left.
async fn all_gone(control: &Control) {
    let gone = async {
        while !control.sessions().list().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
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
    assert_eq!(view.paths, [path]);
    assert!(view.bytes >= data.len() as u64, "{view:?}");
    let caller = control.callers().admit(None).unwrap();
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
    all_gone(&control).await;
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
    assert_eq!(view.paths, [path]);
    assert!(control.sessions().end(view.connection));
    let ended = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.unwrap();
    assert!(ended.is_err() || bytes.len() < SIZE);
    all_gone(&control).await;
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
