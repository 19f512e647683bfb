//! A link whose connections are cut: `wstp get` beside one HTTP stream from nginx that resumes at once with a Range, as
//! often as necessary.
//!
//! Each connection lives for a random time, 5 s on average. Both sides get the same times from a seed that changes with
//! the round. The link is that of `wan.rtt100_link_share`.

use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::wan_share::{DELAY, RATE};
use crate::corpus::{Corpus, Source};
use crate::figure::Series;
use crate::http::get_stubbornly;
use crate::ours::{Server, get};
use crate::peers::Peer;
use crate::plan::in_turn;
use crate::{MIB, Plan};
use wstp_testkit::{Cuts, Link, Shape};

/// How long a connection lives on average.
const MEAN: Duration = Duration::from_secs(5);
/// Enough for many cuts.
const SIZE: u64 = 768 * MIB;

/// The peer's time over ours.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", plan.bytes(SIZE))?;
    let server = Server::with_hash(&corpus, &source, &[]).await?;
    let nginx = Peer::nginx(&corpus).await?;
    let mut series = Series::default();
    for round in plan.rounds() {
        let cuts = Some(Cuts { mean: MEAN, seed: round as u64 + 1 });
        let shape = Shape { delay: DELAY, rate: Some(RATE), cuts };
        let ours = async || {
            let link = Link::start(server.address(), shape).await?;
            let took = get(&[link.address()], &source).await?;
            Ok((took, link.cut()))
        };
        let peer = async || {
            let link = Link::start(nginx.address(), shape).await?;
            let took = fetch(link.address(), &source).await?;
            Ok((took, link.cut()))
        };
        let ((ours, our_cuts), (peer, peer_cuts)) = in_turn(round, ours, peer).await?;
        eprintln!("bench: with cuts: ours {ours:.1?} ({our_cuts} cuts), one stream {peer:.1?} ({peer_cuts} cuts)");
        ensure!(our_cuts + peer_cuts > 0, "no connection was cut");
        series.push(peer.as_secs_f64() / ours.as_secs_f64());
    }
    Ok(vec![series])
}

async fn fetch(address: SocketAddr, source: &Source) -> Result<Duration> {
    let folder = tempfile::tempdir()?;
    let target = folder.path().join("got");
    let began = Instant::now();
    get_stubbornly(address, &source.name, source.size, &mut File::create(&target)?).await?;
    let took = began.elapsed();
    source.check(&target)?;
    Ok(took)
}
