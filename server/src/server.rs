//! The running server: the state that all connections share, and its beginning and end.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use wstp_protocol::limits::MAX_MIRRORS;

use crate::accept::accept;
use crate::access::Caller;
use crate::accounts::now;
use crate::admin::Admin;
use crate::compression::Compression;
use crate::config::Config;
use crate::congestion::{Choice, Refused};
use crate::control::Control;
use crate::exchange;
use crate::files::Files;
use crate::folders::Folders;
use crate::hashing::{DiskTrees, Hashing, PassingTrees, Trees};
use crate::places::{Places, Reader, Seat};
use crate::plain_http::{Answers, Archives};
use crate::store::{Shares, Store};
use crate::tls::{Tls, TlsError};

/// How long clients have to close their side when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often the rights of connected callers are looked at.
const REVIEW: Duration = Duration::from_secs(1);
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
        /// The system's error.
        source: std::io::Error,
    },
    /// More mirrors than the protocol can name.
    #[error("there can't be more than {MAX_MIRRORS} mirrors, and {0} are given")]
    Mirrors(usize),
    /// The congestion control that the user named.
    #[error(transparent)]
    Congestion(#[from] Refused),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The listener is of no use.
    #[error("cannot accept connections: {0}")]
    Listener(std::io::Error),
}

/// The state that all connections share.
pub struct Server {
    /// The configuration.
    pub control: Arc<Control>,
    /// The open files.
    pub files: Arc<Files>,
    /// Cancelled once the server stops.
    pub stopping: CancellationToken,
    /// Every task that serves a protocol connection.
    pub sessions: TaskTracker,
    /// The places of clients.
    pub places: Arc<Places>,
    /// The congestion control to ask for on each connection.
    pub congestion: Choice,
    /// Encrypts connections; `None` if nothing is encrypted.
    pub tls: Option<Tls>,
    /// Compresses answers.
    pub compression: Arc<Compression>,
    /// The sessions that go over HTTP.
    pub exchanges: exchange::OpenExchanges,
    /// The responses that wait for their WebSocket.
    pub downstreams: exchange::Downstreams,
    /// The administration.
    pub admin: Admin,
    /// When it started, in seconds since 1970.
    pub started: u64,
    /// The answers over plain HTTP.
    pub answers: Answers,
    /// The archives that are being sent.
    pub archives: Arc<Archives>,
    next_connection: AtomicU64,
}

impl Server {
    /// A server of a store. Blocking, in the context of the runtime.
    fn new(control: Arc<Control>, store: Arc<dyn Store>, congestion: Choice) -> Result<Self, TlsError> {
        let config = control.config();
        let tls = match (&config.tls, &config.acme) {
            (Some(files), Some(acme)) => Some(Tls::of_acme(files.clone(), acme.domains())?),
            (Some(files), None) => Some(Tls::open(files.clone())?),
            (None, _) => None,
        };
        let kept = config.cache_dir.clone().and_then(|dir| DiskTrees::new(dir, config.cache_limit));
        let trees = kept.map_or_else(|| Box::new(PassingTrees) as Box<dyn Trees>, |trees| Box::new(trees));
        let hashing = Hashing::start(trees, config.timeouts.linger);
        Ok(Self {
            files: Arc::new(Files::new(store, hashing)),
            stopping: CancellationToken::new(),
            sessions: TaskTracker::new(),
            places: Arc::new(Places::new(config.max_connections, config.timeouts.grace)),
            congestion,
            tls,
            compression: Arc::new(Compression::new()),
            exchanges: exchange::OpenExchanges::default(),
            downstreams: exchange::Downstreams::default(),
            admin: Admin::new(control.callers().book().accounts().has_admin(), config.admin, &config.base),
            started: now(),
            answers: Answers::default(),
            archives: Arc::default(),
            next_connection: AtomicU64::new(1),
            control,
        })
    }

    /// A seat for a caller. When all are taken, the caller with most sessions gives one up to a caller with fewer.
    pub async fn seat(&self, caller: &Caller, reader: &Arc<Reader>) -> Option<Seat> {
        match self.places.seat(reader).await {
            Some(seat) => Some(seat),
            None if self.control.sessions().make_room_for(caller.identity()) => self.places.next_seat(reader).await,
            None => None,
        }
    }

    /// A number for a connection.
    pub fn connection_number(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// The settings as they are now.
    pub fn config(&self) -> Arc<Config> {
        self.control.config()
    }
}

/// Serves the configured folders, as [`run_store`] does.
///
/// # Errors
/// When a folder can't be shared, and those of [`run_store`].
pub async fn run(listener: TcpListener, config: Config, shutdown: impl Future<Output = ()>) -> Result<(), StartError> {
    let shares = config.shares.clone();
    let opened = tokio::task::spawn_blocking(move || Folders::default().layout(&shares));
    let layout = opened.await.expect("opening a folder does not panic")?;
    run_store(listener, Arc::new(Control::new(config)), Arc::new(Shares::new(layout)), shutdown).await
}

/// Serves a store until `shutdown` completes. Then it tells the clients, finishes requests under way within the
/// configured time, and returns. The configured folders play no part.
///
/// # Errors
/// When the listener is of no use, too many mirrors are configured, or the system refuses the congestion control. No
/// event on one connection ends the server.
pub async fn run_store(
    listener: TcpListener,
    control: Arc<Control>,
    store: Arc<dyn Store>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), StartError> {
    listener.local_addr().map_err(StartError::Listener)?;
    let mirrors = control.config().mirrors.len();
    if mirrors > MAX_MIRRORS {
        return Err(StartError::Mirrors(mirrors));
    }
    let congestion = control.config().congestion.choose()?;
    tracing::info!("{congestion}");
    let server = tokio::task::spawn_blocking(|| Server::new(control, store, congestion)).await;
    let server = Arc::new(server.expect("starting does not panic")?);
    tokio::spawn(Files::rest_unused(Arc::downgrade(&server.files)));
    let reviewing = AbortOnDropHandle::new(tokio::spawn(review(server.clone())));
    let (runtime, keeper) = (tokio::runtime::Handle::current(), server.clone());
    tokio::task::spawn_blocking(move || runtime.block_on(keep_certificate(keeper)));
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
    drop(reviewing);
    server.sessions.close();
    let drain = server.config().timeouts.drain;
    if tokio::time::timeout(drain, server.sessions.wait()).await.is_err() {
        server.places.end_waiting(drain);
    }
    // Once more, for frames that are queued for a slow client.
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

/// Renews the certificate until the server stops, if it comes by ACME. Polling it may block.
async fn keep_certificate(server: Arc<Server>) {
    let config = server.config();
    if let (Some(acme), Some(tls)) = (&config.acme, &server.tls) {
        tokio::select! {
            () = acme.keep(tls, server.control.events()) => {}
            () = server.stopping.cancelled() => {}
        }
    }
}

/// Looks once a second whether each caller still may do what it does, and whether the certificate is another one.
async fn review(server: Arc<Server>) {
    let mut tick = tokio::time::interval(REVIEW);
    loop {
        tick.tick().await;
        let server = server.clone();
        let look = move || {
            server.control.review();
            server.admin.sample(server.control.sessions().sent());
            server.tls.iter().for_each(Tls::refresh);
        };
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::error!(%error, "the rights of callers could not be looked at");
        }
    }
}
