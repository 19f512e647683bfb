//! Text and random bytes over 100 Mbit/s, beside curl from nginx.

use anyhow::Result;

use super::real::{Ends, Server};
use crate::corpus::{Corpus, Source};
use crate::figure::Series;
use crate::plan::in_turn;
use crate::wire::HUNDRED;
use crate::{MIB, Plan, text};

/// Bytes of each file.
const SIZE: u64 = 64 * MIB;

/// curl's time over that of `wstp get`, for text and for bytes that don't compress.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let size = plan.bytes(SIZE);
    let sources = [corpus.of("text", &text::mixed(size)?)?, corpus.random("random", size)?];
    let mut series = <[Series; 2]>::default();
    for round in plan.rounds() {
        for (source, series) in sources.iter().zip(&mut series) {
            series.push(times_as_fast(&corpus, source, round).await?);
        }
    }
    Ok(series.into())
}

async fn times_as_fast(corpus: &Corpus, source: &Source, round: usize) -> Result<f64> {
    let ends = Ends::new(corpus, source, HUNDRED, round as u64 + 1, Server::Shipped).await?;
    let (ours, curl) = in_turn(round, async || ends.get(source).await, async || ends.curl(source, 1).await).await?;
    eprintln!("bench: {} over {}: ours {ours:.2?}, curl {curl:.2?}", source.name, HUNDRED.name);
    Ok(curl.as_secs_f64() / ours.as_secs_f64())
}
