//! A limit that all callers share: they get the same of it, through whichever door and on however many connections.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use wstp_server::{Config, Share};
use wstp_testkit::{LONG, until};

use crate::support::{Embedded, Folder};

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

#[tokio::test(flavor = "multi_thread")]
async fn callers_share_a_limit_evenly_however_they_ask() {
    let folder = Folder::new();
    folder.sparse("film", 1 << 30);
    let share =
        Share { name: Some("films".to_owned()), path: folder.path().to_owned(), public: true, hidden: false, on: true };
    let rate = NonZeroU64::new(RATE);
    let of_share = BTreeMap::from([("films".to_owned(), rate.unwrap())]);
    let base = Config { shares: vec![share], ..Config::default() };
    for config in [Config { rate, ..base.clone() }, Config { share_rates: of_share, ..base }] {
        let server = Embedded::start(config).await;
        let [greedy, modest] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for target in ["/files/films/film", "/files/films/?tar", "/files/?tar"].into_iter().cycle().take(9) {
            tasks.spawn(download([127, 0, 0, 1], server.address().to_owned(), target, greedy.clone()));
        }
        tasks.spawn(download([127, 0, 0, 2], server.address().to_owned(), "/files/films/film", modest.clone()));
        let sent = || [&greedy, &modest].map(|count| count.load(Ordering::Relaxed));
        let enough = async || Ok((sent().iter().sum::<u64>() >= ENOUGH).then_some(()));
        until("the bytes", LONG, enough).await.unwrap();
        let ([greedy, modest], seconds) = (sent(), began.elapsed().as_secs_f64());
        assert!(greedy * 2 < modest * 3 && modest * 2 < greedy * 3, "nine connections {greedy}, one {modest}");
        // The first parts go out at once.
        let most = RATE as f64 * (seconds + 0.5) * 1.05;
        assert!(((greedy + modest) as f64) < most, "{greedy} and {modest} in {seconds} s");
        tasks.shutdown().await;
        server.stop().await;
    }
}
