//! The cost of reading back what an earlier run stored, beside a download. It compares two times of `wstp get`. One is
//! for the next GiB of a file of which one GiB is here. The other is for the first GiB of a file of which nothing is.
//!
//! Both go through a proxy, which notes when each byte passed. The time is from the start of the process until the GiB
//! has passed. The rest of the reading back follows after that, when no byte is on its way. It is not the download's
//! cost, and the log says how long it took.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;
use wstp_testkit::{Child, Proxy};

use crate::corpus::{Corpus, Source};
use crate::figure::Series;
use crate::ours::{Server, client};
use crate::plan::in_turn;
use crate::{GIB, MIB, Plan};

/// Up to so many bytes of what has arrived are not on record when the first run is killed.
const UNCOMMITTED: u64 = 64 * MIB;

/// The time beside reading back over the time without.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let bytes = plan.bytes(GIB);
    let source = corpus.random("file.bin", 2 * bytes + UNCOMMITTED)?;
    let server = Server::with_hash(&corpus, &source, &[]).await?;
    let mut series = Series::default();
    for round in plan.rounds() {
        let resumed = async || fetch(&server, &source, bytes, bytes).await;
        let fresh = async || fetch(&server, &source, 0, bytes).await;
        let (resumed, fresh) = in_turn(round, resumed, fresh).await?;
        eprintln!("bench: reading back: beside {resumed:.2?}, without {fresh:.2?}");
        series.push(resumed.as_secs_f64() / fresh.as_secs_f64());
    }
    Ok(vec![series])
}

/// Fetches a file of which at most `there` bytes are here. The time until `bytes` more have passed.
async fn fetch(server: &Server, source: &Source, there: u64, bytes: u64) -> Result<Duration> {
    let (folder, proxy) = (tempfile::tempdir()?, Proxy::start(server.address()).await?);
    let target = folder.path().join("got");
    let place = proxy.source(&source.name);
    let get = || -> Result<Child> {
        let mut command = client(folder.path())?;
        Child::spawn(command.args(["get", &place, "--quiet", "-o"]).arg(&target).stdout(Stdio::null()))
    };
    if there > 0 {
        proxy.hold_after(there);
        let mut first = get()?;
        proxy.held().await?;
        first.kill().await?;
        proxy.release();
    }
    proxy.record();
    let began = Instant::now();
    get()?.succeed().await?;
    let took = began.elapsed();
    let mut passed = 0;
    let arrived = proxy.pieces().into_iter().find(|(_, piece)| {
        passed += piece;
        passed >= bytes
    });
    let (at, _) = arrived.context("fewer bytes passed")?;
    source.check(&target)?;
    let arrived = at.saturating_duration_since(began);
    eprintln!("bench: with {there} bytes here: {arrived:.2?}, and all was checked {:.2?} later", took - arrived);
    Ok(arrived)
}
