//! `--limit`: the data comes at the limit, and piles up nowhere.

use std::fs;
use std::time::Duration;

use crate::support::{Server, sample, write, wstp};
use tempfile::tempdir;
use tokio::time::Instant;
use wstp_testkit::Proxy;

const RATE: u64 = 2_000_000;
/// Bytes that may be requested at once after a pause: a request of 50 ms, and 50 ms to catch up.
const BUCKET: u64 = RATE / 10;
/// Hashes and the heads of frames do not count; these are those of 6 seconds.
const HASHES: u64 = 6 * RATE / 256 + 64 * 1024;
const BEGIN: Duration = Duration::from_millis(500);
const LENGTH: Duration = Duration::from_secs(5);

/// Fetches a file from this many servers at the limit. Returns how much all of them had sent together, and when.
async fn trace_of(sources: usize) -> Vec<(Instant, u64)> {
    let (share, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = sample(6 * RATE as usize, 1);
    write(share.path(), "x", &bytes);
    let (mut servers, mut proxies) = (Vec::new(), Vec::new());
    for _ in 0..sources {
        let server = Server::start(share.path()).await;
        let proxy = Proxy::start(server.address()).await.unwrap();
        proxy.record();
        proxies.push(proxy);
        servers.push(server);
    }
    let sources: Vec<_> = proxies.iter().map(|proxy| proxy.source("x")).collect();
    let args: Vec<_> = ["get", "--limit", "2M"].into_iter().chain(sources.iter().map(String::as_str)).collect();
    let ended = wstp(here.path(), &args).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(fs::read(here.path().join("x")).unwrap() == bytes);
    let mut pieces: Vec<_> = proxies.iter().flat_map(Proxy::pieces).collect();
    pieces.sort();
    let sum = |sum: &mut u64, (at, bytes)| {
        *sum += bytes;
        Some((at, *sum))
    };
    pieces.into_iter().scan(0, sum).collect()
}

fn assert_limited(trace: &[(Instant, u64)]) {
    let start = trace[0].0;
    for (at, passed) in trace {
        let allowed = (RATE as f64 * (*at - start).as_secs_f64()) as u64 + BUCKET + HASHES;
        assert!(*passed <= allowed, "{passed} bytes after {:?}", *at - start);
    }
    let rate_over = |from, length: Duration| {
        let passed_after = |time| trace.iter().rfind(|(at, _)| *at - start <= time).unwrap().1;
        (passed_after(from + length) - passed_after(from)) as f64 / length.as_secs_f64() / RATE as f64
    };
    let whole = rate_over(BEGIN, LENGTH);
    // While the machine was busy for longer than the bucket lasts, some data was never requested. That must not count
    // against the limit. So the lower bound is that of a good second, one that only a quarter of all exceed.
    let mut seconds: Vec<_> =
        (0..=40).map(|tenth| rate_over(BEGIN + Duration::from_millis(100) * tenth, Duration::from_secs(1))).collect();
    seconds.sort_by(f64::total_cmp);
    let usual = seconds[seconds.len() * 3 / 4];
    assert!(
        whole <= 1.05 && whole > 0.8 && usual > 0.95,
        "{whole} of the limit, {usual} in a good second: {seconds:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_to_five_in_a_hundred_and_nothing_is_sent_ahead() {
    assert_limited(&trace_of(1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_one_for_all_sources_together() {
    assert_limited(&trace_of(2).await);
}
