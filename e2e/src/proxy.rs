//! A TCP proxy on loopback that counts what the server sends and holds it back at a chosen byte.
//!
//! It knows nothing of WSTP: what passes is not looked at and not changed. It never holds more than [`PIECE`] bytes per direction and connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::{LONG, until};

/// The most that is read at once.
const PIECE: usize = 16 * 1024;

/// A proxy in front of a server. It ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    /// Bytes from the server that were let through.
    passed: AtomicU64,
    /// Bytes from the extension.
    asked: AtomicU64,
    /// Connections accepted.
    accepted: AtomicU64,
    /// Connections open now.
    open: AtomicU64,
    /// How many bytes may pass in all.
    limit: watch::Sender<u64>,
    /// Counts up when all connections are to be cut.
    cuts: watch::Sender<u64>,
}

impl Proxy {
    /// Listens on a port the system chooses and passes everything on to `upstream`.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for the proxy")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            passed: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            limit: watch::Sender::new(u64::MAX),
            cuts: watch::Sender::new(0),
        });
        let task = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Bytes the server sent that were let through so far.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// Bytes the extension sent so far.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Connections made to it so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Lets `bytes` more through and then nothing until told otherwise.
    pub fn hold_after(&self, bytes: u64) {
        self.shared.limit.send_replace(self.passed() + bytes);
    }

    /// Lets everything through again.
    pub fn release(&self) {
        self.shared.limit.send_replace(u64::MAX);
    }

    /// Breaks every connection there is; new ones are accepted.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Waits until nothing has passed for so long.
    ///
    /// # Errors
    ///
    /// When that does not happen in time.
    pub async fn until_quiet(&self, quiet: Duration) -> Result<()> {
        let mut last = (self.passed(), Instant::now());
        until("nothing to pass any more", LONG, async || {
            if self.passed() != last.0 {
                last = (self.passed(), Instant::now());
            }
            Ok((last.1.elapsed() >= quiet).then_some(()))
        })
        .await
    }

    /// Waits until all that [`Proxy::hold_after`] allowed has passed.
    ///
    /// # Errors
    ///
    /// When that does not happen in time.
    pub async fn held(&self) -> Result<()> {
        let limit = *self.shared.limit.borrow();
        until("the transfer to reach the hold", LONG, async || Ok((self.passed() >= limit).then_some(()))).await
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
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        connections.spawn(carry(client, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either side ends it, it is cut, or the server can't be reached.
async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let _open = Open::new(&shared.open);
    let mut cuts = shared.cuts.subscribe();
    let Ok(server) = TcpStream::connect(shared.upstream).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        _ = upward(from_client, to_server, &shared) => {}
        _ = downward(from_server, to_client, &shared) => {}
        _ = cuts.changed() => {}
    }
}

/// Counts one while it lives.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn upward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let got = from.read(&mut piece).await?;
        if got == 0 {
            return Ok(());
        }
        shared.asked.fetch_add(got as u64, Ordering::SeqCst);
        to.write_all(&piece[..got]).await?;
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
        }
    }
}

impl Shared {
    /// Waits until something may pass, and takes as much of `wanted` as may.
    async fn reserve(&self, wanted: usize) -> usize {
        let mut limit = self.limit.subscribe();
        loop {
            let most = *limit.borrow_and_update();
            let room = |passed: u64| most.saturating_sub(passed).min(wanted as u64);
            let taken = self.passed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |passed| {
                (room(passed) > 0).then(|| passed + room(passed))
            });
            if let Ok(before) = taken {
                return room(before) as usize;
            }
            limit.changed().await.expect("the sender lives in self");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn it_holds_at_the_byte_and_goes_on_when_released() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        proxy.hold_after(10);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(&[7; 100]).await.unwrap();
        let mut got = [0; 100];
        stream.read_exact(&mut got[..10]).await.unwrap();
        proxy.held().await.unwrap();
        assert_eq!(proxy.passed(), 10);
        proxy.release();
        stream.read_exact(&mut got[10..]).await.unwrap();
        assert_eq!((got, proxy.passed(), proxy.asked(), proxy.accepted(), proxy.open()), ([7; 100], 100, 100, 1, 1));
    }

    #[tokio::test]
    async fn a_cut_ends_what_there_is_and_not_what_comes() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        proxy.cut();
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"y").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
    }
}
