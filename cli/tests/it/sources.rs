//! Several sources of one file: each carries its share, and neither a slow nor a dying one costs a byte.

use std::fs;
use std::time::Duration;

use crate::support::{Ended, MIB, Server, Wstp, names_in, sample, start_wstp, write};
use tempfile::{TempDir, tempdir};
use wstp_testkit::{Proxy, Rate};

/// A hash of 32 bytes for each block of 8 KiB.
const BYTES_PER_HASH_BYTE: u64 = 256;
/// Handshakes, heads of frames, the hashes around the pages.
const HANDSHAKES: u64 = 64 * 1024;
/// Bytes that may be in flight on one of these links and come twice.
const WINDOW: u64 = MIB as u64;

/// Two servers of one file, each behind its own link.
struct Two {
    _share: TempDir,
    here: TempDir,
    _servers: [Server; 2],
    first: Proxy,
    second: Proxy,
    bytes: Vec<u8>,
}

impl Two {
    async fn start(size: usize, first: Rate, second: Rate) -> Self {
        let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = sample(size, 1);
        write(share.path(), "x", &bytes);
        let servers = [Server::start(share.path()).await, Server::start(share.path()).await];
        let first = Proxy::at(servers[0].address(), first).await.unwrap();
        let second = Proxy::at(servers[1].address(), second).await.unwrap();
        first.record();
        second.record();
        Self { _share: share, here, _servers: servers, first, second, bytes }
    }

    fn get(&self, connections: &str) -> Wstp {
        let sources = [self.first.source("x"), self.second.source("x")];
        start_wstp(self.here.path(), &["get", &sources[0], &sources[1], "--connections", connections, "--json"])
    }

    /// The least that has to come.
    fn least(&self) -> u64 {
        let size = self.bytes.len() as u64;
        size + size / BYTES_PER_HASH_BYTE + HANDSHAKES
    }

    fn passed(&self) -> u64 {
        self.first.passed() + self.second.passed()
    }

    /// How long it took, from the first byte to the last.
    fn took(&self) -> Duration {
        let (first, second) = (self.first.pieces(), self.second.pieces());
        let begin = first.iter().chain(&second).map(|(at, _)| *at).min().unwrap();
        let end = first.iter().chain(&second).map(|(at, _)| *at).max().unwrap();
        end - begin
    }

    fn assert_complete(&self, ended: &Ended) {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(fs::read(self.here.path().join("x")).unwrap() == self.bytes);
        assert_eq!(names_in(self.here.path()), ["x"]);
        let verified: Vec<_> =
            ended.events("progress").iter().map(|event| event["verified"].as_u64().unwrap()).collect();
        assert!(verified.is_sorted(), "what was verified stays so: {verified:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_source_carries_as_much_as_its_speed_allows_and_no_block_comes_twice() {
    let two = Two::start(24 * MIB, Rate::Shared(6_000_000), Rate::Shared(2_000_000)).await;
    let ended = two.get("2").end().await;
    two.assert_complete(&ended);
    let (fast, slow) = (two.first.passed(), two.second.passed());
    assert!(slow > 2 * MIB as u64 && fast > 2 * slow, "{fast} fast, {slow} slow");
    // At the end the last blocks of the slow one are requested from the fast one, too.
    assert!(two.passed() < two.least() + WINDOW, "{fast} and {slow} bytes");
    let ideal = 24.0 * MIB as f64 / 8e6;
    // Half of the file each would take twice as long.
    assert!(two.took().as_secs_f64() < 1.6 * ideal, "{:?} instead of {ideal} s", two.took());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_dies_costs_no_verified_byte() {
    for dies in [0, 1] {
        let two = Two::start(24 * MIB, Rate::Shared(8_000_000), Rate::Shared(8_000_000)).await;
        let dying = [&two.first, &two.second][dies];
        let run = two.get("4");
        dying.reached(6 * MIB as u64).await.unwrap();
        dying.end();
        let died_at = dying.passed();
        let ended = run.end().await;
        two.assert_complete(&ended);
        // Only requested and unfinished data of its two connections is lost.
        assert!(two.passed() < two.least() + 2 * WINDOW, "{} bytes, {died_at} of one that died", two.passed());
        let events = ended.events("progress");
        let standings = |source: usize| events.iter().map(move |event| &event["sources"][source]["standing"]);
        assert!(standings(dies).any(|standing| standing == "waiting"), "{events:?}");
        assert!(standings(1 - dies).all(|standing| standing == "good"), "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_slow_source() {
    let two = Two::start(12 * MIB, Rate::Shared(6_000_000), Rate::Shared(8192)).await;
    let ended = two.get("2").end().await;
    two.assert_complete(&ended);
    // It was in the middle of blocks: its first request, 64 KiB, takes 8 seconds.
    let slow = two.second.passed();
    assert!(slow > 8192 && slow < 64 * 1024, "{slow} bytes of the slow one");
    assert!(two.took() < Duration::from_secs(5), "{:?}", two.took());
    assert!(two.passed() < two.least() + WINDOW, "{} bytes", two.passed());
}
