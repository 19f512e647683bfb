//! Our download into the sandbox beside a page's `fetch` from nginx: one stream, and four ranges at once.

use anyhow::{Result, bail};

use crate::browser::{Took, Way, download};
use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::Server;
use crate::peers::Peer;
use crate::{GIB, Plan};

/// Speed over one stream, speed over four, processor time over four.
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
    let ways = [
        (Way::Ours(server.address()), server.child().tree()?),
        (Way::Fetch(&url, 1), nginx.child().tree()?),
        (Way::Fetch(&url, 4), nginx.child().tree()?),
    ];
    let [mut over_one, mut over_four, mut processor] = <[Series; 3]>::default();
    for round in plan.rounds() {
        let mut took = [const { None::<Took> }; 3];
        for step in 0..ways.len() {
            let turn = (round + step) % ways.len();
            took[turn] = Some(download(ways[turn].0, &source, ways[turn].1).await?);
        }
        let [Some(ours), Some(one), Some(four)] = took else { bail!("a way was not tried") };
        eprintln!("bench: into the sandbox: ours {ours}, one stream {one}, four {four}");
        over_one.push(one.wall / ours.wall);
        over_four.push(four.wall / ours.wall);
        processor.push(ours.processors() / four.processors());
    }
    Ok(vec![over_one, over_four, processor])
}
