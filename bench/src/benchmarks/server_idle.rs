//! The server's memory for an idle connection.

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::corpus::Corpus;
use crate::cost::resident;
use crate::figure::Series;
use crate::load::Client;
use crate::ours::Server;
use crate::private::Private;
use crate::{MIB, Plan};

/// Connections at once.
const CONNECTIONS: usize = 5000;
/// Handshakes at once.
const AT_ONCE: usize = 64;
/// Connections that are not counted: the server's one-time costs fall on the first ones.
const WARM_UP: usize = 64;

/// KiB for each connection.
///
/// # Errors
///
/// As [`crate::catalogue::Benchmark::measure`].
pub async fn run(plan: Plan) -> Result<Vec<Series>> {
    measure(plan, None).await
}

/// The same with TLS, for a user who is logged in.
///
/// # Errors
///
/// As [`run`].
pub async fn run_private(plan: Plan) -> Result<Vec<Series>> {
    measure(plan, Some(&Private::new().await?)).await
}

async fn measure(plan: Plan, private: Option<&Private>) -> Result<Vec<Series>> {
    allow_files(CONNECTIONS as u64 + 1000)?;
    let corpus = Corpus::new()?;
    corpus.random("file.bin", MIB)?;
    let mut series = Series::default();
    for _ in plan.rounds() {
        series.push(round(&corpus, private).await?);
    }
    Ok(vec![series])
}

async fn round(corpus: &Corpus, private: Option<&Private>) -> Result<f64> {
    let most = (CONNECTIONS + WARM_UP).to_string();
    let options = ["--max-connections", &most];
    let server = match private {
        Some(private) => Server::private(corpus, private, &options).await?,
        None => Server::start(corpus, &options).await?,
    };
    let process = *server.child().tree()?.members().first().context("a tree has a root")?;
    let _first = connect(&server, WARM_UP).await?;
    let before = resident(process)?;
    let mut idle = connect(&server, CONNECTIONS).await?;
    let after = resident(process)?;
    // All of them still live: the last one answers, and the server has closed none.
    for client in &mut idle {
        client.open("file.bin").await?;
    }
    Ok(after.saturating_sub(before) as f64 / CONNECTIONS as f64 / 1024.0)
}

async fn connect(server: &Server, count: usize) -> Result<Vec<Client>> {
    let connecting = stream::iter(0..count).map(|_| Client::connect(server.door()));
    connecting.buffer_unordered(AT_ONCE).try_collect().await
}

/// Each connection is an open file.
fn allow_files(wanted: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit })
        .with_context(|| format!("{wanted} files can't be open at once here: raise the hard limit (`ulimit -Hn`)"))
}
