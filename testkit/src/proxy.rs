//! A TCP proxy on loopback. It counts the server's bytes, holds them back at a chosen one, and is as slow as it is told
//! to be.
//!
//! Usually it knows nothing of WSTP. It neither looks at the bytes nor changes them, and holds at most 16 KiB
//! per direction and connection. A [`Proxy::bad_line`] reads whole messages, at most one per direction and connection.
//! It keeps an [`account`] of the blocks in them, and lets a [`Fault`] happen to one when told to.

mod account;
mod carrying;
mod fault;
mod frame;
mod line;
mod pace;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;
use wstp_engine::RangeSet;
use wstp_protocol::ServerMessage;

use crate::{LONG, Listener, until};
pub use account::Sums;
use carrying::{Shared, carry};
pub use fault::Fault;
use line::Lines;

/// A proxy in front of a server. It ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    listener: Listener,
    shared: Arc<Shared>,
}

/// How many bytes a second pass from the server to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As many as come.
    Unlimited,
    /// So many over all connections together, as over one line.
    Shared(u64),
    /// So many over each connection, as from a server that shares its rate out.
    Each(u64),
}

impl Proxy {
    /// Listens on a port the system chooses and passes everything on to `upstream`.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        Self::start_with(upstream, None).await
    }

    /// The same, with an eye on the messages: it counts blocks, and faults can happen to them, in places that follow
    /// from `seed`.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn bad_line(upstream: SocketAddr, seed: u64) -> Result<Self> {
        Self::start_with(upstream, Some(Lines::new(seed))).await
    }

    /// Lets bytes pass at this rate.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn at(upstream: SocketAddr, rate: Rate) -> Result<Self> {
        let proxy = Self::start(upstream).await?;
        match rate {
            Rate::Unlimited => {}
            Rate::Shared(rate) => proxy.limit_rate(rate),
            Rate::Each(rate) => proxy.limit_rate_of_each(rate),
        }
        Ok(proxy)
    }

    /// Reads every message of the server, and passes on what `spoil` makes of it.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn spoiling(
        upstream: SocketAddr,
        spoil: impl Fn(ServerMessage) -> ServerMessage + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start_with(upstream, Some(Lines::spoiling(spoil))).await
    }

    /// Passes everything on but the middle byte of every run of blocks: that is another one.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn with_wrong_blocks(upstream: SocketAddr) -> Result<Self> {
        Self::spoiling(upstream, |said| {
            let ServerMessage::Blocks(mut reply) = said else { return said };
            let mut data = reply.data.to_vec();
            let middle = data.len() / 2;
            data[middle] ^= 1;
            reply.data = data.into();
            ServerMessage::Blocks(reply)
        })
        .await
    }

    async fn start_with(upstream: SocketAddr, lines: Option<Lines>) -> Result<Self> {
        let shared = Arc::new(Shared::new(upstream, lines));
        let serving = shared.clone();
        let listener = Listener::start(move |client| carry(client, serving.clone()));
        Ok(Self { listener: listener.await?, shared })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// A path on the server, as a client that goes through the proxy names it.
    pub fn source(&self, path: &str) -> String {
        format!("{}/{path}", self.address())
    }

    /// Records each piece that passes from the server to a client, for [`Proxy::pieces`].
    pub fn record(&self) {
        *self.shared.pieces() = Some(Vec::new());
    }

    /// Each piece that passed since [`Proxy::record`]: when, and its bytes.
    pub fn pieces(&self) -> Vec<(Instant, u64)> {
        self.shared.pieces().clone().unwrap_or_default()
    }

    /// Waits until so many bytes that the server sent have passed.
    ///
    /// # Errors
    ///
    /// When they do not in time.
    pub async fn reached(&self, bytes: u64) -> Result<()> {
        until("enough to pass", LONG, async || Ok((self.passed() >= bytes).then_some(()))).await
    }

    /// Waits until so many connections are open.
    ///
    /// # Errors
    ///
    /// When there are more or fewer for too long.
    pub async fn opened(&self, connections: u64) -> Result<()> {
        let what = format!("{connections} open connections");
        until(&what, LONG, async || Ok((self.open() == connections).then_some(()))).await
    }

    /// Breaks every connection there is, and accepts no new one.
    pub fn end(&self) {
        self.listener.end();
    }

    /// Breaks every connection there is. New ones go to another server.
    pub fn move_to(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
        self.cut();
    }

    /// Bytes the server sent that were let through so far.
    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// Bytes the extension sent so far.
    pub fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Connections made to it so far, by their first bytes. The protocol over HTTP is not counted: its connections belong
    /// to sessions.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections open now, of those that are counted.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections open now that carry the protocol over HTTP: those that are not counted.
    pub fn exchanging(&self) -> u64 {
        self.shared.exchanging.load(Ordering::SeqCst)
    }

    /// Lets `bytes` more through and then nothing until told otherwise.
    pub fn hold_after(&self, bytes: u64) {
        self.shared.limit.send_replace(self.passed() + bytes);
    }

    /// Lets everything through again.
    pub fn release(&self) {
        self.shared.limit.send_replace(u64::MAX);
    }

    /// Lets nothing more of what the server sends on one connection through, counted from 1 as they were accepted; 0
    /// for none. Not on a bad line.
    pub fn stall(&self, connection: u64) {
        self.shared.stalled.send_replace(connection);
    }

    /// Breaks every connection there is; new ones are accepted.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Breaks every connection there is and, until told otherwise, every new one.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
        if refuses {
            self.cut();
        }
    }

    /// Breaks every new connection that begins with the protocol over HTTP, so that all frames go over WebSockets.
    pub fn pass_websockets_alone(&self) {
        self.shared.websockets_alone.store(true, Ordering::SeqCst);
    }

    /// Lets so many bytes a second through from here on, over all connections.
    pub fn limit_rate(&self, bytes: u64) {
        self.shared.pace.set(bytes);
    }

    /// Lets so many bytes a second through each connection that is made from here on. Not on a bad line.
    pub fn limit_rate_of_each(&self, bytes: u64) {
        self.shared.rate_of_each.store(bytes, Ordering::SeqCst);
    }

    /// A fault comes to one of the next messages of a transfer. Only on a bad line.
    pub fn fault(&self, fault: Fault) {
        self.shared.lines.iter().for_each(|lines| lines.fault(fault));
    }

    /// The faults that came to a message so far, in the order in which they were asked for.
    pub fn struck(&self) -> Vec<Fault> {
        self.shared.lines.as_ref().map(Lines::struck).unwrap_or_default()
    }

    /// No fault comes any more.
    pub fn faithful(&self) {
        self.shared.lines.iter().for_each(Lines::faithful);
    }

    /// Tells the account that what holds blocks not on record is about to be killed.
    pub fn note_kill(&self) {
        self.shared.lines.iter().for_each(Lines::killed);
    }

    /// The blocks of a file that passed so far; nothing but on a bad line.
    pub fn passed_of(&self, path: &str) -> RangeSet {
        self.shared.lines.as_ref().map(|lines| lines.passed_of(path)).unwrap_or_default()
    }

    /// Tells the account that these blocks of a file were damaged in storage, so that they have to come again.
    pub fn note_harm(&self, path: &str, blocks: Range<u64>) {
        self.shared.lines.iter().for_each(|lines| lines.harmed(path, blocks.clone()));
    }

    /// The sums of all bytes that passed so far; zero but on a bad line.
    pub fn sums(&self) -> Sums {
        self.shared.lines.as_ref().map(Lines::sums).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

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

    #[tokio::test]
    async fn pieces_are_recorded_and_as_many_pass_as_the_rate_allows() {
        let proxy = Proxy::at(echo().await, Rate::Shared(100_000)).await.unwrap();
        proxy.record();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(&[7; 20_000]).await.unwrap();
        stream.read_exact(&mut [0; 20_000]).await.unwrap();
        let pieces = proxy.pieces();
        assert_eq!(pieces.iter().map(|(_, bytes)| bytes).sum::<u64>(), 20_000);
        let (first, last) = (pieces[0].0, pieces.last().unwrap().0);
        assert!(last - first >= Duration::from_millis(80), "{:?}", last - first);
    }

    #[tokio::test]
    async fn after_a_move_the_next_connection_goes_elsewhere() {
        let (one, other) = (echo().await, echo().await);
        let (proxy, nobody) = (Proxy::start(one).await.unwrap(), Proxy::start(other).await.unwrap());
        nobody.end();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        proxy.opened(1).await.unwrap();
        proxy.move_to(nobody.address());
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)), "nobody answers there");
    }

    #[tokio::test]
    async fn the_protocol_over_http_is_not_counted_and_can_be_kept_out() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut exchange = TcpStream::connect(proxy.address()).await.unwrap();
        exchange.write_all(b"POST /ws HTTP").await.unwrap();
        exchange.read_exact(&mut [0; 13]).await.unwrap();
        assert_eq!((proxy.accepted(), proxy.open(), proxy.exchanging()), (0, 0, 1));
        proxy.pass_websockets_alone();
        proxy.cut();
        for bytes in [&b"POST /ws HTTP"[..], b"GET /ws HTTP"] {
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let is_passed = stream.read_exact(&mut [0; 12]).await.is_ok();
            assert_eq!(is_passed, bytes.starts_with(b"GET"));
        }
    }
}
