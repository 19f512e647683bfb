//! Our download and *Save* beside Chromium's own download of the same file from nginx.

use anyhow::Result;

use crate::browser::{Way, download};
use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::Server;
use crate::peers::Peer;
use crate::plan::in_turn;
use crate::{GIB, Plan};

/// Our speed over Chromium's.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", plan.bytes(GIB))?;
    let server = Server::with_hash(&corpus, &source, &[]).await?;
    let nginx = Peer::nginx(&corpus).await?;
    let url = nginx.url(&source.name);
    let mut series = Series::default();
    for round in plan.rounds() {
        let ours = async || download(Way::OursSaved(server.address()), &source, server.child().tree()?).await;
        let peer = async || download(Way::Native(&url), &source, nginx.child().tree()?).await;
        let (ours, peer) = in_turn(round, ours, peer).await?;
        eprintln!("bench: to the user's folder: ours {ours}, Chromium {peer}");
        series.push(peer.wall / ours.wall);
    }
    Ok(vec![series])
}
