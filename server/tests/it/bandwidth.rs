//! A limit that all callers share: they get the same of it, through whichever door and on however many connections.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use wstp_protocol::BLOCK_SIZE;
use wstp_server::{Config, Share};
use wstp_testkit::{LONG, until};

use crate::support::{Client, Embedded, Folder};

/// Bytes a second.
const RATE: u64 = 2 << 20;
/// Bytes after which the shares are compared.
const ENOUGH: u64 = 6 << 20;

/// Reads an answer until the server ends it, and counts its bytes.
async fn download(source: [u8; 4], address: String, target: &str, count: Arc<AtomicU64>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    // Data in the system's buffers was sent, and is not counted yet.
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read) = stream.read(&mut bytes).await
        && read > 0
    {
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// Reads a file over a WebSocket, again and again, with few requests at once, and counts its bytes.
async fn stream(source: &str, address: String, path: &str, count: Arc<AtomicU64>) {
    const RUN: u32 = 8;
    let mut client = Client::connect_from(source, &address).await;
    let handle = client.open_file(path).await.unwrap().handle;
    let mut asked = VecDeque::new();
    for run in 0.. {
        asked.push_back(client.ask_blocks(handle, run * u64::from(RUN), RUN).await);
        if asked.len() == 4 {
            let id = asked.pop_front().unwrap();
            client.answer(id).await.unwrap();
            count.fetch_add(u64::from(RUN) * BLOCK_SIZE, Ordering::Relaxed);
        }
    }
}

/// Compares what two callers got, once it is enough, and looks whether it came too fast.
async fn compare(tasks: &mut JoinSet<()>, counts: &[Arc<AtomicU64>; 2], began: Instant) {
    let sent = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    let enough = async || Ok((sent().iter().sum::<u64>() >= ENOUGH).then_some(()));
    until("the bytes", LONG, enough).await.unwrap();
    let ([greedy, modest], seconds) = (sent(), began.elapsed().as_secs_f64());
    assert!(greedy * 2 < modest * 3 && modest * 2 < greedy * 3, "many connections {greedy}, one {modest}");
    // The first parts go out at once.
    let most = RATE as f64 * (seconds + 0.5) * 1.05;
    assert!(((greedy + modest) as f64) < most, "{greedy} and {modest} in {seconds} s");
    tasks.shutdown().await;
}

/// A share of a sparse file, and its limit.
fn limited(folder: &Folder) -> Config {
    folder.sparse("film", 1 << 30);
    let share =
        Share { name: Some("films".to_owned()), path: folder.path().to_owned(), public: true, hidden: false, on: true };
    let share_rates = BTreeMap::from([("films".to_owned(), NonZeroU64::new(RATE).unwrap())]);
    Config { shares: vec![share], share_rates, ..Config::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_a_share_holds_over_websockets_and_is_shared_evenly() {
    let folder = Folder::new();
    let server = Embedded::start(limited(&folder)).await;
    let counts = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let (mut tasks, began) = (JoinSet::new(), Instant::now());
    for (source, sockets, count) in [("127.0.0.1", 6, &counts[0]), ("127.0.0.2", 1, &counts[1])] {
        for _ in 0..sockets {
            tasks.spawn(stream(source, server.address().to_owned(), "films/film", count.clone()));
        }
    }
    compare(&mut tasks, &counts, began).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_share_a_limit_evenly_however_they_ask() {
    let folder = Folder::new();
    let of_share = limited(&folder);
    let of_all = Config { rate: NonZeroU64::new(RATE), share_rates: BTreeMap::new(), ..of_share.clone() };
    for config in [of_all, of_share] {
        let server = Embedded::start(config).await;
        let counts = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let (mut tasks, began) = (JoinSet::new(), Instant::now());
        for target in ["/files/films/film", "/files/films/?tar", "/files/?tar"].into_iter().cycle().take(9) {
            tasks.spawn(download([127, 0, 0, 1], server.address().to_owned(), target, counts[0].clone()));
        }
        tasks.spawn(download([127, 0, 0, 2], server.address().to_owned(), "/files/films/film", counts[1].clone()));
        compare(&mut tasks, &counts, began).await;
        server.stop().await;
    }
}
