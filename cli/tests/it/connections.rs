//! The number of connections: as many as requested, and otherwise as many as help.

use std::fs;

use crate::support::{MIB, Server, Wstp, sample, start_wstp, write, wstp};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};
use wstp_testkit::{Proxy, Rate};

/// A file at the end of a link.
struct Served {
    _share: TempDir,
    here: TempDir,
    _server: Server,
    proxy: Proxy,
    bytes: Vec<u8>,
}

impl Served {
    async fn over(link: Rate, size: usize) -> Self {
        let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = sample(size, 1);
        write(share.path(), "x", &bytes);
        let server = Server::start(share.path()).await;
        let proxy = Proxy::at(server.address(), link).await.unwrap();
        Self { _share: share, here, _server: server, proxy, bytes }
    }

    fn get(&self) -> Wstp {
        start_wstp(self.here.path(), &["get", &self.proxy.source("x"), "--json"])
    }
}

/// Waits until it reports this many connections.
async fn uses(run: &mut Wstp, connections: u64) {
    run.event(|event| event["sources"][0]["connections"] == connections).await;
}

async fn stop(run: Wstp) {
    run.signal(Signal::INT);
    assert_eq!(run.end().await.code, Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_connections_are_made_as_were_asked_for() {
    for (connections, size) in [(1, 8 * MIB), (5, 24 * MIB)] {
        let served = Served::over(Rate::Shared(12_000_000), size).await;
        let args = ["get", &served.proxy.source("x"), "--json", "--connections", &connections.to_string()];
        let ended = wstp(served.here.path(), &args).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(fs::read(served.here.path().join("x")).unwrap() == served.bytes);
        let used =
            ended.events("progress").iter().filter_map(|event| event["sources"][0]["connections"].as_u64()).max();
        assert_eq!((used, served.proxy.accepted()), (Some(connections), connections));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twice_the_connections_are_closed_again_where_the_link_was_full_without_them() {
    let served = Served::over(Rate::Shared(2_000_000), 96 * MIB).await;
    let mut run = served.get();
    for connections in [4, 8, 4] {
        uses(&mut run, connections).await;
    }
    served.proxy.opened(4).await.unwrap();
    assert_eq!(served.proxy.accepted(), 8);
    stop(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_added_while_each_carries_its_own() {
    let served = Served::over(Rate::Each(500_000), 96 * MIB).await;
    let mut run = served.get();
    for connections in [4, 8, 16] {
        uses(&mut run, connections).await;
    }
    served.proxy.opened(16).await.unwrap();
    assert_eq!(served.proxy.accepted(), 16);
    stop(run).await;
}
