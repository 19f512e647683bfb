//! A folder of many small files: by `wstp get` on this machine ([`cli`]) and over a line ([`far`]), and by the extension
//! ([`browser`]). Each has a peer that is told the names and spared the listing.
//!
//! The fetched files are removed only after the last round. For some minutes ext4 passes over the inode of every
//! deleted file, one by one. A program that creates files meanwhile takes several times as long.

mod extension;
mod line;
mod loopback;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
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

/// The files, and where they are fetched to.
struct Files {
    corpus: Corpus,
    /// Their paths below the corpus.
    names: Vec<String>,
    /// All fetched files.
    fetched: TempDir,
}

/// The files, and their servers on this machine.
struct Share {
    files: Files,
    ours: Server,
    nginx: Peer,
}

impl Files {
    /// Writes them.
    fn new(plan: Plan) -> Result<Self> {
        let corpus = Corpus::new()?;
        let path = |index| format!("{FOLDER}/{:02}/{index:05}.bin", index % FOLDERS);
        let names: Vec<_> = (0..plan.bytes(FILES)).map(path).collect();
        for name in &names {
            Contents::new(name.as_str(), SIZE).write(&corpus.dir().join(name))?;
        }
        Ok(Self { corpus, names, fetched: tempfile::tempdir()? })
    }

    /// A new folder to fetch into. It stays until the last round is over.
    fn folder(&self) -> Result<TempDir> {
        Ok(tempfile::Builder::new().disable_cleanup(true).tempdir_in(&self.fetched)?)
    }

    /// Fails unless everything is in `target`.
    fn check(&self, target: &Path) -> Result<()> {
        for name in &self.names {
            let [wanted, got] = [self.corpus.dir(), target].map(|folder| fs::read(folder.join(name)));
            let got = got.with_context(|| format!("{name} did not arrive"))?;
            ensure!(wanted? == got, "{name} arrived with other bytes");
        }
        Ok(())
    }
}

impl Share {
    async fn new(plan: Plan) -> Result<Self> {
        let files = Files::new(plan)?;
        let (ours, nginx) = (Server::start(&files.corpus, &[]).await?, Peer::nginx(&files.corpus).await?);
        Ok(Self { files, ours, nginx })
    }
}

/// The time of six HTTP connections over that of `wstp get`.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn cli(plan: Plan) -> Result<Vec<Series>> {
    let (share, mut series) = (Share::new(plan).await?, Series::default());
    for round in plan.rounds() {
        let (ours, peer) = (async || loopback::ours(&share).await, async || loopback::peer(&share).await);
        let (ours, peer) = in_turn(round, ours, peer).await?;
        eprintln!("bench: {} files: wstp get {ours:.2} s, six connections {peer:.2} s", share.files.names.len());
        series.push(peer / ours);
    }
    Ok(vec![series])
}

/// The time of aria2 with 16 connections over that of `wstp get`, over a round trip of 30 ms. rclone is told of beside
/// them.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn far(plan: Plan) -> Result<Vec<Series>> {
    let (files, mut series) = (Files::new(plan)?, Series::default());
    for round in plan.rounds() {
        let line = line::Line::lay(&files, round as u64 + 1).await?;
        let (ours, aria) = in_turn(round, async || line.ours().await, async || line.aria2().await).await?;
        let rclone = line.rclone().await?;
        let count = files.names.len();
        eprintln!("bench: {count} files over 30 ms: wstp get {ours:.1?}, aria2 {aria:.1?}, rclone {rclone:.1?}");
        series.push(aria.as_secs_f64() / ours.as_secs_f64());
    }
    Ok(vec![series])
}

/// The time of six `fetch`es into the sandbox over that of the extension.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn browser(plan: Plan) -> Result<Vec<Series>> {
    let (share, mut series) = (Share::new(plan).await?, Series::default());
    for round in plan.rounds() {
        let (ours, peer) = (async || extension::ours(&share).await, async || extension::peer(&share).await);
        let (ours, peer) = in_turn(round, ours, peer).await?;
        let count = share.files.names.len();
        eprintln!("bench: {count} files into the sandbox: ours {ours:.2} s, six fetches {peer:.2} s");
        series.push(peer / ours);
    }
    Ok(vec![series])
}
