//! How much of a long, wide link `wstp get` uses: 200 Mbit/s with a round trip of 100 ms. The time is that of the whole
//! process.

use std::time::Duration;

use anyhow::Result;

use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::{Server, get};
use crate::{GIB, MIB, Plan};
use wstp_testkit::{Link, Shape};

/// 200 Mbit/s in bytes.
pub const RATE: u64 = 25_000_000;
/// Half of the round trip.
pub const DELAY: Duration = Duration::from_millis(50);

/// Bytes of the file a second, over the rate of the link.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", plan.bytes(GIB))?;
    let server = Server::with_hash(&corpus, &source, &[]).await?;
    let mut series = Series::default();
    for _ in plan.rounds() {
        let link = Link::start(server.address(), Shape { delay: DELAY, rate: Some(RATE), cuts: None }).await?;
        let took = get(&[link.address()], &source).await?;
        eprintln!("bench: 200 Mbit/s at 100 ms: {} MiB in {took:.2?}", source.size / MIB);
        series.push(source.size as f64 / took.as_secs_f64() / RATE as f64);
    }
    Ok(vec![series])
}
