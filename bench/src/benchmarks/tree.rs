//! A folder of many small files, by `wstp get` ([`cli`]) and by the extension ([`browser`]). Each has a peer that is
//! told the names and spared the listing.
//!
//! The fetched files are removed only after the last round. For some minutes ext4 passes over the inode of every
//! deleted file, one by one. A program that creates files meanwhile takes several times as long.

mod browser;
mod cli;

use anyhow::Result;
use tempfile::TempDir;
use wstp_testkit::Contents;

use crate::Plan;
use crate::corpus::Corpus;
use crate::figure::Series;
use crate::ours::Server;
use crate::peers::Peer;
use crate::plan::in_turn;

/// The folder of the files.
const FOLDER: &str = "all";
/// Folders in it.
const FOLDERS: u64 = 100;
/// Files in all.
const FILES: u64 = 10_000;
/// Bytes of each.
const SIZE: u64 = 4096;
/// The peer's connections: as many as a browser opens to one server.
const CONNECTIONS: u32 = 6;

/// The files, and their servers.
struct Share {
    corpus: Corpus,
    /// Their paths below the corpus.
    names: Vec<String>,
    ours: Server,
    nginx: Peer,
    /// All fetched files.
    fetched: TempDir,
}

impl Share {
    /// A new folder to fetch into. It stays until the last round is over.
    fn folder(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().disable_cleanup(true).tempdir_in(&self.fetched)?)
    }
}

/// The peers' times over ours: of the command line, and of the browser.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let names = plant(&corpus, plan.bytes(FILES))?;
    let (ours, nginx) = (Server::start(&corpus, &[]).await?, Peer::nginx(&corpus).await?);
    let share = Share { corpus, names, ours, nginx, fetched: tempfile::tempdir()? };
    let mut series = [Series::default(), Series::default()];
    for round in plan.rounds() {
        let (ours, peer) = in_turn(round, async || cli::ours(&share).await, async || cli::peer(&share).await).await?;
        eprintln!("bench: {} files: wstp get {ours:.2} s, six connections {peer:.2} s", share.names.len());
        series[0].push(peer / ours);
        let (ours, peer) =
            in_turn(round, async || browser::ours(&share).await, async || browser::peer(&share).await).await?;
        eprintln!("bench: {} files into the sandbox: ours {ours:.2} s, six fetches {peer:.2} s", share.names.len());
        series[1].push(peer / ours);
    }
    Ok(series.into())
}

/// Writes the files; gives their names.
fn plant(corpus: &Corpus, files: u64) -> Result<Vec<String>> {
    let names: Vec<_> = (0..files).map(|index| format!("{FOLDER}/{:02}/{index:05}.bin", index % FOLDERS)).collect();
    for name in &names {
        Contents::new(name.as_str(), SIZE).write(&corpus.dir().join(name))?;
    }
    Ok(names)
}
