//! The running server: what all connections share, and its beginning and end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wstp_protocol::limits::MAX_MIRRORS;

use crate::accept::accept;
use crate::config::Config;
use crate::hashing::{Hashing, TreeCache};
use crate::places::Places;
use crate::share::{Files, Share};

/// How long clients have to close their side when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long the slice of a file that is being hashed may take to end.
const HASHING_STOPS: Duration = Duration::from_secs(5);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder can't be opened.
    #[error("cannot share {path:?}: {source}")]
    Root {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// More mirrors than can be told.
    #[error("there can't be more than {MAX_MIRRORS} mirrors, and {0} are given")]
    Mirrors(usize),
    /// The listener is of no use.
    #[error("cannot accept connections: {0}")]
    Listener(std::io::Error),
}

/// What all connections share.
pub struct Server {
    /// The configuration.
    pub config: Config,
    /// The open files.
    pub files: Arc<Files>,
    /// Cancelled once the server stops.
    pub stopping: CancellationToken,
    /// Every task that serves a protocol connection.
    pub sessions: TaskTracker,
    /// The places of clients.
    pub places: Arc<Places>,
    next_connection: AtomicU64,
}

impl Server {
    fn new(config: Config) -> Result<Self, StartError> {
        let share = Share::open(&config.root, config.hidden)
            .map_err(|source| StartError::Root { path: config.root.clone(), source })?;
        let cache = TreeCache::new(config.cache_dir.clone(), config.cache_limit);
        let hashing = Hashing::start(cache, config.timeouts.linger);
        Ok(Self {
            files: Arc::new(Files::new(share, hashing)),
            stopping: CancellationToken::new(),
            sessions: TaskTracker::new(),
            places: Arc::new(Places::new(config.max_connections, config.timeouts.grace)),
            next_connection: AtomicU64::new(1),
            config,
        })
    }

    /// A number that names a connection.
    pub fn connection_number(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }
}

/// Serves until `shutdown` completes, then tells the clients, finishes what is under way within the configured time, and
/// returns.
///
/// # Errors
/// When the configured folder can't be shared, or too many mirrors are configured. What happens on one connection never ends the server.
pub async fn run(listener: TcpListener, config: Config, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    listener.local_addr().map_err(StartError::Listener)?;
    if config.mirrors.len() > MAX_MIRRORS {
        return Err(StartError::Mirrors(config.mirrors.len()));
    }
    let server = tokio::task::spawn_blocking(|| Server::new(config)).await.expect("opening a folder does not panic")?;
    let server = Arc::new(server);
    tokio::spawn(Files::close_unused(Arc::downgrade(&server.files)));
    let accepting = accept(listener, server.clone());
    tokio::pin!(accepting);
    tokio::select! {
        () = &mut accepting => {}
        () = shutdown => {
            tracing::info!("stopping");
            server.stopping.cancel();
            accepting.await;
        }
    }
    server.sessions.close();
    let drain = server.config.timeouts.drain;
    if tokio::time::timeout(drain, server.sessions.wait()).await.is_err() {
        server.places.end_waiting(drain);
    }
    // Once more: for what is queued for a slow client.
    if tokio::time::timeout(drain + LAST_WORDS, server.sessions.wait()).await.is_err() {
        tracing::warn!(left = server.sessions.len(), "connections did not end in time");
    }
    let hashing = tokio::task::spawn_blocking({
        let files = server.files.clone();
        move || files.hashing().stop()
    });
    if tokio::time::timeout(HASHING_STOPS, hashing).await.is_err() {
        tracing::warn!("hashing did not end in time");
    }
    Ok(())
}
