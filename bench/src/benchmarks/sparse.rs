//! A disk image that is mostly holes beside a file that has the same data and nothing else.

use anyhow::Result;

use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::{Server, get};
use crate::plan::in_turn;
use crate::{GIB, Plan};

/// Bytes of the image for each byte of data.
const SPREAD: u64 = 20;

/// Time of `wstp get` for the image, over that for the data alone.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let data = corpus.random("data.bin", plan.bytes(GIB))?;
    let image = corpus.with_holes("image.bin", data.size * SPREAD, &data)?;
    let of_data = Server::with_hash(&corpus, &data, &[]).await?;
    let of_image = Server::with_hash(&corpus, &image, &[]).await?;
    let mut series = Series::default();
    for round in plan.rounds() {
        let ours = async || get(&[of_image.address()], &image).await;
        let (sparse, full) = in_turn(round, ours, async || get(&[of_data.address()], &data).await).await?;
        eprintln!("bench: the image in {sparse:.2?}, its data alone in {full:.2?}");
        series.push(sparse.as_secs_f64() / full.as_secs_f64());
    }
    Ok(vec![series])
}
