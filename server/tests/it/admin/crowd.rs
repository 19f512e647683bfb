//! The administration of a server with a thousand clients.

use futures_util::stream::{self, StreamExt};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Site;
use crate::support::Client;
use crate::support::plain::head;

const CLIENTS: usize = 1000;
/// Most bytes a second that a page is told.
const MOST: f64 = 128.0 * 1024.0;
/// States that are read.
const STATES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clients_are_all_told_in_a_bounded_number_of_bytes_a_second() {
    let site = Site::new("max_connections = 1100").await;
    let cookie = site.begin().await;
    let connect = |_| async {
        let mut client = site.server.connect().await;
        client.open_file("films/film").await.unwrap();
        client
    };
    let crowd: Vec<Client> = stream::iter(0..CLIENTS).map(connect).buffer_unordered(32).collect().await;
    let began = Instant::now();
    let mut stream = TcpStream::connect(site.server.address()).await.unwrap();
    stream.write_all(head("GET", "/admin/api/state", &[&cookie]).as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut sizes = Vec::new();
    while sizes.len() < STATES {
        let line = lines.next_line().await.unwrap().expect("states come");
        let Some(text) = line.strip_prefix("data: ") else { continue };
        let state: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(state["clients"].as_array().unwrap().len(), CLIENTS);
        sizes.push(text.len());
    }
    // The last one came when those before it had had their time.
    let (took, bytes) = (began.elapsed().as_secs_f64(), sizes[..STATES - 1].iter().sum::<usize>() as f64);
    assert!(sizes[0] as f64 > MOST, "so many clients take more than a second: {sizes:?}");
    assert!(bytes / took <= MOST, "{bytes} bytes in {took} s");
    drop(crowd);
}
