//! A TCP proxy that counts what the server sends, holds it back at a chosen byte, and carries it no faster than a link would. What passes is not looked at.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::PATIENCE;

const PIECE: usize = 16 * 1024;
/// What a link that was late may make up for.
const LATE: Duration = Duration::from_millis(100);

/// How fast a proxy carries what the server sends, in bytes a second.
#[derive(Clone, Copy, Debug)]
pub enum Link {
    /// As fast as it comes.
    Unlimited,
    /// All connections together, as a line does.
    Shared(u32),
    /// Each connection, as a server does that shares its rate out.
    Each(u32),
}

/// A proxy in front of a server; it ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    upstream: watch::Sender<SocketAddr>,
    passed: watch::Sender<u64>,
    limit: watch::Sender<u64>,
    cuts: watch::Sender<u64>,
    link: Link,
    /// The pace of all connections together.
    pace: Mutex<Pace>,
    /// What had passed when, before each piece.
    trace: Mutex<Vec<(Instant, u64)>>,
    /// Connections that were made.
    connections: AtomicU64,
    /// Connections that are open.
    open: watch::Sender<u64>,
    /// Data that is let through whole although it began below the limit.
    taken: AtomicU64,
}

impl Proxy {
    /// Passes everything on to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        Self::over(upstream, Link::Unlimited).await
    }

    /// Passes everything on to `upstream` and, over this link, back.
    pub async fn over(upstream: SocketAddr, link: Link) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: watch::Sender::new(upstream),
            passed: watch::Sender::new(0),
            limit: watch::Sender::new(u64::MAX),
            cuts: watch::Sender::new(0),
            link,
            pace: Mutex::new(Pace::of(link)),
            trace: Mutex::new(Vec::new()),
            connections: AtomicU64::new(0),
            open: watch::Sender::new(0),
            taken: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self { address, shared, task }
    }

    /// A source behind it.
    pub fn source(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    /// Bytes the server sent that were let through so far.
    pub fn passed(&self) -> u64 {
        *self.shared.passed.borrow()
    }

    /// What had passed when, before each piece that passed.
    pub fn trace(&self) -> Vec<(Instant, u64)> {
        self.shared.trace.lock().unwrap().clone()
    }

    /// Waits until so many bytes that the server sent were let through.
    pub async fn reached(&self, bytes: u64) {
        let mut passed = self.shared.passed.subscribe();
        timeout(PATIENCE, passed.wait_for(|passed| *passed >= bytes)).await.expect("so much comes").unwrap();
    }

    /// Waits until so many connections are open.
    pub async fn opened(&self, connections: u64) {
        let mut open = self.shared.open.subscribe();
        timeout(PATIENCE, open.wait_for(|open| *open == connections)).await.expect("so many are open").unwrap();
    }

    /// Breaks every connection there is, and makes no new one.
    pub fn end(&self) {
        self.task.abort();
    }

    /// Connections that were made to it so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Lets `bytes` more through and then nothing until told otherwise.
    pub fn hold_after(&self, bytes: u64) {
        self.shared.limit.send_replace(self.shared.taken.load(Ordering::SeqCst) + bytes);
    }

    /// Lets everything through again.
    pub fn release(&self) {
        self.shared.limit.send_replace(u64::MAX);
    }

    /// Waits until all that [`Proxy::hold_after`] allowed has passed.
    pub async fn held(&self) {
        let limit = *self.shared.limit.borrow();
        let mut passed = self.shared.passed.subscribe();
        timeout(PATIENCE, passed.wait_for(|passed| *passed >= limit)).await.expect("the hold is reached").unwrap();
    }

    /// Breaks every connection there is; new ones go to another server.
    pub fn move_to(&self, upstream: SocketAddr) {
        self.shared.upstream.send_replace(upstream);
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        connections.spawn(carry(client, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    let upstream = *shared.upstream.borrow();
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let _open = Open::new(&shared);
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = downward(from_server, to_client, &shared) => {}
        _ = cuts.changed() => {}
    }
}

async fn downward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) -> std::io::Result<()> {
    let mut piece = vec![0; shared.link.piece()];
    let mut own = Pace::of(shared.link);
    loop {
        let got = from.read(&mut piece).await?;
        if got == 0 {
            return Ok(());
        }
        let mut sent = 0;
        while sent < got {
            let allowed = shared.reserve(got - sent).await;
            shared.pace(&mut own, allowed).await;
            shared.trace.lock().unwrap().push((Instant::now(), *shared.passed.borrow()));
            to.write_all(&piece[sent..sent + allowed]).await?;
            sent += allowed;
            shared.passed.send_modify(|passed| *passed += allowed as u64);
        }
    }
}

impl Link {
    /// Bytes a second, for all connections or for one.
    fn rate(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::Shared(rate) | Self::Each(rate) => Some(rate),
        }
    }

    /// Most bytes that pass at once: what takes a hundredth of a second.
    fn piece(self) -> usize {
        self.rate().map_or(PIECE, |rate| (rate as usize / 100).clamp(512, PIECE))
    }
}

/// When the next bytes may pass.
struct Pace {
    /// Seconds that a byte takes.
    per_byte: f64,
    free_at: Instant,
}

impl Pace {
    fn of(link: Link) -> Self {
        Self { per_byte: link.rate().map_or(0.0, |rate| 1.0 / f64::from(rate)), free_at: Instant::now() }
    }

    /// When these bytes may pass, after all before them.
    fn next(&mut self, bytes: usize) -> Instant {
        let at = self.free_at.max(Instant::now().checked_sub(LATE).unwrap());
        self.free_at = at + Duration::from_secs_f64(bytes as f64 * self.per_byte);
        at
    }
}

/// Counts as an open connection until it is dropped.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.open.send_modify(|open| *open += 1);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.send_modify(|open| *open -= 1);
    }
}

impl Shared {
    /// Waits until the link is free for these bytes; `own` is the pace of the connection alone.
    async fn pace(&self, own: &mut Pace, bytes: usize) {
        let at = match self.link {
            Link::Unlimited => return,
            Link::Shared(_) => self.pace.lock().unwrap().next(bytes),
            Link::Each(_) => own.next(bytes),
        };
        sleep_until(at).await;
    }

    /// Waits until something may pass, and takes as much of `wanted` as may.
    async fn reserve(&self, wanted: usize) -> usize {
        let mut limit = self.limit.subscribe();
        loop {
            let most = *limit.borrow_and_update();
            let room = |taken: u64| most.saturating_sub(taken).min(wanted as u64);
            let update = |taken| (room(taken) > 0).then(|| taken + room(taken));
            if let Ok(before) = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update) {
                return room(before) as usize;
            }
            limit.changed().await.expect("the sender lives in self");
        }
    }
}
