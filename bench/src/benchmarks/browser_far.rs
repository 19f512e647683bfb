//! The extension beside a page's one `fetch` from nginx on the wire *far*. Chromium runs at the client's end of the wire.

use anyhow::Result;
use futures_util::future::try_join_all;

use crate::Plan;
use crate::benchmarks::real::{Ends, SIZE, Server};
use crate::browser::{Took, Way, download};
use crate::corpus::{Corpus, Source};
use crate::figure::Series;
use crate::wire::FAR;

/// The time of one `fetch` over ours. A `fetch` takes minutes and hardly any processor time, so those of all rounds run
/// side by side at the end, each on the wire of its round.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", plan.bytes(SIZE))?;
    let mut rounds = Vec::new();
    for round in plan.rounds() {
        let ends = Ends::new(&corpus, &source, FAR, round as u64 + 1, Server::Shipped).await?;
        let ours = extension(&ends, source.clone()).await?;
        eprintln!("bench: far, in Chromium: ours {ours}");
        rounds.push((ends, ours));
    }
    let fetches = try_join_all(rounds.iter().map(|(ends, _)| fetch(ends, source.clone()))).await?;
    let mut series = Series::default();
    for ((_, ours), fetch) in rounds.iter().zip(fetches) {
        eprintln!("bench: far, in Chromium: ours {:.1} s, one fetch {:.1} s", ours.wall, fetch.wall);
        series.push(fetch.wall / ours.wall);
    }
    Ok(vec![series])
}

async fn extension(ends: &Ends, source: Source) -> Result<Took> {
    let (address, [server, _]) = ends.servers()?;
    ends.wire.at_client(async move || download(Way::Ours(address), &source, server).await).await
}

async fn fetch(ends: &Ends, source: Source) -> Result<Took> {
    let (_, [_, nginx]) = ends.servers()?;
    let url = ends.url(&source.name);
    ends.wire.at_client(async move || download(Way::Fetch(&url, 1), &source, nginx).await).await
}
