//! The value of the windows: `wstp get` beside the algorithm of WSTP's ancestor of 2012, on the same link.
//!
//! The ancestor asks for blocks of 8 KiB over one connection. Each reply asks for two more, up to two under way, so it
//! moves two blocks a round trip on any link. That does not change with time, so only the beginning of the file is
//! measured and compared.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Result;
use wstp_protocol::BlockRun;

use super::wan_share::{DELAY, RATE};
use crate::corpus::{Corpus, Source};
use crate::figure::Series;
use crate::load::Client;
use crate::ours::{Server, get};
use crate::plan::in_turn;
use crate::{MIB, Plan};
use wstp_testkit::{Link, Shape};

/// Bytes that ours fetches.
const SIZE: u64 = 256 * MIB;
/// Blocks that the ancestor fetches of it.
const BLOCKS: u64 = 128;
/// Blocks it has under way.
const UNDER_WAY: u64 = 2;
/// Blocks each reply asks for.
const PER_REPLY: u64 = 2;

/// Our speed over the ancestor's.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let source = corpus.random("file.bin", plan.bytes(SIZE))?;
    let server = Server::with_hash(&corpus, &source, &[]).await?;
    let shape = Shape { delay: DELAY, rate: Some(RATE), cuts: None };
    let mut series = Series::default();
    for round in plan.rounds() {
        let link = Link::start(server.address(), shape).await?;
        let ours = async || Ok(source.size as f64 / get(&[link.address()], &source).await?.as_secs_f64());
        let (ours, ancestor) = in_turn(round, ours, async || ancestor(link.address(), &source).await).await?;
        series.push(ours / ancestor);
    }
    Ok(vec![series])
}

/// Bytes a second of the ancestor's algorithm, from the first connection to the last block.
async fn ancestor(address: SocketAddr, source: &Source) -> Result<f64> {
    let began = Instant::now();
    let mut client = Client::connect(address).await?;
    let file = client.open(&source.name).await?;
    let mut blocks = vec![None; BLOCKS as usize];
    let (mut asked, mut arrived) = (0, 0);
    let mut wanted = 1;
    while arrived < BLOCKS {
        while wanted > 0 && asked < BLOCKS && asked - arrived < UNDER_WAY {
            client.ask_for(&file, BlockRun { first: asked, count: 1 }).await?;
            asked += 1;
            wanted -= 1;
        }
        let reply = client.blocks(&file).await?;
        blocks[reply.run.first as usize] = Some(reply.data);
        arrived += 1;
        wanted = PER_REPLY;
    }
    let took = began.elapsed();
    let bytes: Vec<u8> = blocks.into_iter().flatten().flatten().collect();
    source.check_beginning(&bytes)?;
    Ok(bytes.len() as f64 / took.as_secs_f64())
}
