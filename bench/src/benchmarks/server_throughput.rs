//! How fast a server sends a file to four connections at once, and its cost: ours beside dufs and nginx.
//!
//! A client in this process reads ours, and four curls with a range each read the others. All keep nothing. Bytes are
//! counted while the clock runs. After that, in every round, each server is read once more and compared.

use std::time::Instant;

use anyhow::Result;

use crate::corpus::{Corpus, Source};
use crate::cost::cpu_seconds;
use crate::figure::Series;
use crate::load::{self, Keep};
use crate::ours::Server;
use crate::peers::{Peer, curl, curl_and_check};
use crate::private::Private;
use crate::{GIB, Plan};
use wstp_testkit::Child;

/// Connections at once.
const CONNECTIONS: usize = 4;
/// How often the file is read in a row. Processor time has a resolution of hundredths of a second, and one reading
/// takes some tenths.
const READINGS: u32 = 4;

/// The time of [`READINGS`] readings of the file, in seconds.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: f64,
    /// Processor time of the server.
    processor: f64,
}

/// Speed over dufs, processor time over dufs, processor time over nginx.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", plan.bytes(GIB))?;
    let ours = Server::with_hash(&corpus, &source, &[]).await?;
    let (dufs, nginx) = (Peer::dufs(&corpus).await?, Peer::nginx(&corpus).await?);
    Servers { ours, dufs, nginx, source }.measure(plan).await
}

/// The same figures with TLS, and for one user alone. All have the same certificate.
///
/// # Errors
///
/// As [`run`].
pub async fn run_private(plan: Plan) -> Result<Vec<Series>> {
    let (corpus, private) = (Corpus::new()?, Private::new().await?);
    let source = corpus.random("file.bin", plan.bytes(GIB))?;
    let ours = Server::private(&corpus, &private, &[]).await?.hashed(&source).await?;
    let dufs = Peer::private_dufs(&corpus, &private).await?;
    let nginx = Peer::private_nginx(&corpus, &private).await?;
    Servers { ours, dufs, nginx, source }.measure(plan).await
}

struct Servers {
    ours: Server,
    dufs: Peer,
    nginx: Peer,
    source: Source,
}

impl Servers {
    async fn measure(&self, plan: Plan) -> Result<Vec<Series>> {
        let [mut throughput, mut over_dufs, mut over_nginx] = <[Series; 3]>::default();
        for round in plan.rounds() {
            let [ours, dufs, nginx] = self.round(round).await?;
            let all = f64::from(READINGS) * self.source.size as f64;
            for (name, cost) in [("ours", ours), ("dufs", dufs), ("nginx", nginx)] {
                let (speed, processor) = (all / cost.wall / 1e6, cost.processor / all * GIB as f64);
                eprintln!("bench: {name} sends {speed:.0} MB/s at {processor:.2} s of processors a GiB");
            }
            throughput.push(dufs.wall / ours.wall);
            over_dufs.push(ours.processor / dufs.processor);
            over_nginx.push(ours.processor / nginx.processor);
        }
        Ok(vec![throughput, over_dufs, over_nginx])
    }

    /// Reads from all three. Each round begins with another one.
    async fn round(&self, round: usize) -> Result<[Cost; 3]> {
        let nothing = Cost { wall: 0.0, processor: 0.0 };
        let mut costs = [nothing; 3];
        for step in 0..3 {
            let turn = (round + step) % 3;
            costs[turn] = match turn {
                0 => self.read_ours().await?,
                1 => self.read_peer(&self.dufs).await?,
                _ => self.read_peer(&self.nginx).await?,
            };
        }
        Ok(costs)
    }

    async fn read_ours(&self) -> Result<Cost> {
        let door = || self.ours.door();
        let cost = cost(self.ours.child(), async || load::read(door(), &self.source, CONNECTIONS, Keep::Nothing).await);
        let cost = cost.await?;
        load::read(door(), &self.source, CONNECTIONS, Keep::Compare).await?;
        Ok(cost)
    }

    async fn read_peer(&self, peer: &Peer) -> Result<Cost> {
        let parts = CONNECTIONS as u64;
        let cost = cost(peer.child(), async || curl(peer, &self.source, parts).await.map(drop)).await?;
        curl_and_check(peer, &self.source, parts).await?;
        Ok(cost)
    }
}

/// The server's cost when `read` is done [`READINGS`] times.
async fn cost(server: &Child, read: impl AsyncFn() -> Result<()>) -> Result<Cost> {
    let before = cpu_seconds(server.tree()?)?;
    let began = Instant::now();
    for _ in 0..READINGS {
        read().await?;
    }
    let wall = began.elapsed().as_secs_f64();
    Ok(Cost { wall, processor: cpu_seconds(server.tree()?)? - before })
}
