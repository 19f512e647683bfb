//! A TCP proxy that counts what the server sends and holds it back at a chosen byte. What passes is not looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::PATIENCE;

const PIECE: usize = 16 * 1024;

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
    /// Connections that were made.
    connections: AtomicU64,
    /// Data that is let through whole although it began below the limit.
    taken: AtomicU64,
}

impl Proxy {
    /// Passes everything on to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: watch::Sender::new(upstream),
            passed: watch::Sender::new(0),
            limit: watch::Sender::new(u64::MAX),
            cuts: watch::Sender::new(0),
            connections: AtomicU64::new(0),
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
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = downward(from_server, to_client, &shared) => {}
        _ = cuts.changed() => {}
    }
}

async fn downward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let got = from.read(&mut piece).await?;
        if got == 0 {
            return Ok(());
        }
        let mut sent = 0;
        while sent < got {
            let allowed = shared.reserve(got - sent).await;
            to.write_all(&piece[sent..sent + allowed]).await?;
            sent += allowed;
            shared.passed.send_modify(|passed| *passed += allowed as u64);
        }
    }
}

impl Shared {
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
