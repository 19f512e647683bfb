//! How long one block takes while many other clients read as fast as they can.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use wstp_protocol::limits::MAX_RUN_BLOCKS;
use wstp_protocol::{BlockRun, block_count};

use crate::corpus::{Corpus, Source};
use crate::figure::{Series, median, percentile};
use crate::load::{self, Client};
use crate::ours::Server;
use crate::{MIB, Plan};

/// Clients that read all the time.
const CLIENTS: usize = 500;
/// Requests each of them has under way.
const DEPTH: usize = 4;
/// Clients that request one block at a time.
const PROBING: u64 = 10;
/// Timed blocks of each of them in a round.
const PROBES: u64 = 100;
/// The same in a quick run.
const QUICK_PROBES: u64 = 20;
/// The size of the file.
const SIZE: u64 = 256 * MIB;

/// The 99th of 100 blocks in milliseconds, judged by how many times the median that is.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", SIZE)?;
    let most = (CLIENTS + 64).to_string();
    let server = Server::with_hash(&corpus, &source, &["--max-connections", &most]).await?;
    load::read(server.address(), &source, 1, load::Keep::Compare).await?;
    let mut series = Series::default();
    for _ in plan.rounds() {
        let times = round(&server, &source, if plan.is_quick() { QUICK_PROBES } else { PROBES }).await?;
        let (middle, p99) = (median(&times).context("no block")?, percentile(&times, 0.99).context("no block")?);
        eprintln!("bench: one block under load: median {middle:.2} ms, 99 of 100 within {p99:.2} ms");
        series.push_judged(p99, p99 / middle);
    }
    Ok(vec![series])
}

/// Milliseconds of each probe.
async fn round(server: &Server, source: &Source, probes: u64) -> Result<Vec<f64>> {
    let mut load = JoinSet::new();
    for index in 0..CLIENTS {
        let client = Client::connect(server.address()).await?;
        load.spawn(stream(client, source.name.clone(), index as u64));
    }
    let (address, name) = (server.address(), source.name.clone());
    // On a separate thread, so that the time does not include this process's work for the other clients.
    let probing = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let all = (0..PROBING).map(|index| probe(address, &name, index * probes..(index + 1) * probes));
        Ok(runtime.block_on(try_join_all(all))?.concat())
    });
    tokio::select! {
        times = probing => times?,
        // None of them ends unless there is a fault.
        Some(ended) = load.join_next() => Err(ended?.err().context("a client stopped reading")?),
    }
}

/// Reads the file again and again, each client from a different place.
async fn stream(mut client: Client, name: String, index: u64) -> Result<()> {
    let file = client.open(&name).await?;
    let runs = block_count(file.size) / u64::from(MAX_RUN_BLOCKS);
    let run = |number: u64| BlockRun { first: number % runs * u64::from(MAX_RUN_BLOCKS), count: MAX_RUN_BLOCKS };
    let mut next = index;
    for _ in 0..DEPTH {
        client.ask_for(&file, run(next)).await?;
        next += 1;
    }
    loop {
        client.blocks(&file).await?;
        client.ask_for(&file, run(next)).await?;
        next += 1;
    }
}

/// Milliseconds of each block of `numbers`, which are spread over the file.
async fn probe(address: SocketAddr, name: &str, numbers: Range<u64>) -> Result<Vec<f64>> {
    let mut client = Client::connect(address).await?;
    let file = client.open(name).await?;
    let blocks = block_count(file.size);
    let mut times = Vec::new();
    for index in numbers {
        let began = Instant::now();
        client.ask_for(&file, BlockRun { first: index * 7919 % blocks, count: 1 }).await?;
        client.blocks(&file).await?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(times)
}
