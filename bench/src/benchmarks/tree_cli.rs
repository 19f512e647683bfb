//! A folder of many small files: `wstp get` of all of it beside six HTTP connections to nginx that are told the names.
//!
//! This is the command line client; the extension is measured in [`super::tree_browser`]. The peer is spared the listing.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::Plan;
use crate::corpus::Corpus;
use crate::figure::Series;
use crate::http::Connection;
use crate::ours::{Server, get_all};
use crate::peers::Peer;
use crate::plan::in_turn;

/// Folders.
const FOLDERS: u64 = 100;
/// Files in all.
pub(super) const FILES: u64 = 10_000;
/// Bytes of each.
pub(super) const SIZE: u64 = 4096;
/// As many as a browser opens to one server.
const CONNECTIONS: usize = 6;

/// The peer's time over ours.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    let corpus = Corpus::new()?;
    let names: Arc<[String]> = plant(&corpus, "", plan.bytes(FILES))?.into();
    let server = Server::start(&corpus, &[]).await?;
    let nginx = Peer::nginx(&corpus).await?;
    let mut series = Series::default();
    for round in plan.rounds() {
        let ours = async || {
            let folder = tempfile::tempdir()?;
            let target = folder.path().join("all");
            let took = get_all(server.address(), &target).await?;
            check(&corpus, &target, &names)?;
            Ok(took)
        };
        let peer = async || {
            let folder = tempfile::tempdir()?;
            let took = fetch_all(nginx.address(), &names, folder.path()).await?;
            check(&corpus, folder.path(), &names)?;
            Ok(took)
        };
        let (ours, peer) = in_turn(round, ours, peer).await?;
        eprintln!("bench: {} files: ours {ours:.2?}, six connections {peer:.2?}", names.len());
        series.push(peer.as_secs_f64() / ours.as_secs_f64());
    }
    Ok(vec![series])
}

/// Writes the files into a folder of the corpus; gives their names.
pub(super) fn plant(corpus: &Corpus, folder: &str, files: u64) -> Result<Vec<String>> {
    let name = |index| format!("{folder}/{:02}/{index:05}.bin", index % FOLDERS).trim_start_matches('/').to_owned();
    let names: Vec<String> = (0..files).map(name).collect();
    for name in &names {
        wstp_e2e::Contents::new(name.as_str(), SIZE).write(&corpus.dir().join(name))?;
    }
    Ok(names)
}

async fn fetch_all(address: SocketAddr, names: &Arc<[String]>, target: &Path) -> Result<Duration> {
    let began = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(fetch_some(address, names.clone(), next.clone(), target.to_owned()));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(began.elapsed())
}

async fn fetch_some(address: SocketAddr, names: Arc<[String]>, next: Arc<AtomicUsize>, to: PathBuf) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let mut uses = 0;
    while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
        // nginx keeps a connection for 1,000 requests.
        if uses == 999 {
            (connection, uses) = (Connection::open(address).await?, 0);
        }
        let target = to.join(name);
        fs::create_dir_all(target.parent().context("a file lies in a folder")?)?;
        connection.get(name, 0, &mut File::create(target)?).await.1?;
        uses += 1;
    }
    Ok(())
}

fn check(corpus: &Corpus, target: &Path, names: &[String]) -> Result<()> {
    for name in names {
        let [wanted, got] = [corpus.dir(), target].map(|folder| fs::read(folder.join(name)));
        ensure!(wanted? == got.with_context(|| format!("{name} did not arrive"))?, "{name} arrived with other bytes");
    }
    Ok(())
}
