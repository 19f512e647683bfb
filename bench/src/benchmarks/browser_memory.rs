//! How much the extension's processes grow while a file arrives, and whether a larger file makes them grow more.
//!
//! The figure is the proportional set size of all renderers of the extension, with the page that shows it. It is the
//! maximum during the download, less the value before.

use anyhow::Result;

use crate::browser::{Way, download};
use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::Server;
use crate::{GIB, MIB, Plan};

/// MiB for 1 GiB, for 8 GiB, and the difference of the two.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let sources = [corpus.random("small.bin", plan.bytes(GIB))?, corpus.random("large.bin", plan.bytes(8 * GIB))?];
    let mut series = <[Series; 3]>::default();
    for _ in plan.rounds() {
        let mut growth = [0.0; 2];
        for (source, growth) in sources.iter().zip(&mut growth) {
            let server = Server::with_hash(&corpus, source, &[]).await?;
            let took = download(Way::Ours(server.address()), source, server.child().tree()?).await?;
            *growth = took.growth as f64 / MIB as f64;
        }
        let [small, large] = growth;
        let values = [small, large, large - small];
        series.iter_mut().zip(values).for_each(|(series, value)| series.push(value));
    }
    Ok(series.into())
}
