//! One file from two servers at once, each behind a link of 20 MB/s.

use anyhow::Result;

use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::{Server, get};
use crate::{GIB, MIB, Plan};
use wstp_testkit::{Link, Shape};

/// The rate of each server, in bytes a second.
const RATE: u64 = 20_000_000;

/// Bytes of the file a second, over the rate of both links. The time is that of the whole process.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", plan.bytes(GIB))?;
    let one = Server::with_hash(&corpus, &source, &[]).await?;
    let other = Server::with_hash(&corpus, &source, &[]).await?;
    let shape = Shape { rate: Some(RATE), ..Shape::default() };
    let mut series = Series::default();
    for _ in plan.rounds() {
        let links = (Link::start(one.address(), shape).await?, Link::start(other.address(), shape).await?);
        let took = get(&[links.0.address(), links.1.address()], &source).await?;
        let came = [&links.0, &links.1].map(|link| link.passed() / MIB);
        eprintln!("bench: two servers of 20 MB/s: {} MiB in {took:.2?}, {came:?} MiB from each", source.size / MIB);
        series.push(source.size as f64 / took.as_secs_f64() / (2 * RATE) as f64);
    }
    Ok(vec![series])
}
