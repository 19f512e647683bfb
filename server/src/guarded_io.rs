//! A stream that ends when its peer takes nothing for too long, or when it is evicted for another client.
//!
//! A write counts as progress, so the system may buffer only a little: see `accept`.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use crate::places::Reader;

/// Wraps a stream. A write fails with [`io::ErrorKind::TimedOut`] when it makes no progress for as long as the patience
/// lasts, or when the reader is evicted.
pub struct GuardedIo<S: Reset> {
    stream: S,
    reader: Arc<Reader>,
    patience: Duration,
    alarm: Pin<Box<Sleep>>,
    waiting: bool,
}

/// A stream whose end can be turned into an error for its peer.
pub trait Reset {
    /// Has the stream end in an error once it is dropped.
    fn reset(&self);
}

impl Reset for TcpStream {
    fn reset(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "cannot reset a connection");
        }
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl<S: Reset> Drop for GuardedIo<S> {
    fn drop(&mut self) {
        if self.reader.breaks_off() {
            self.stream.reset();
        }
    }
}

impl<S: Reset> GuardedIo<S> {
    /// Guards `stream`, whose peer is `reader`.
    pub fn new(stream: S, reader: Arc<Reader>, patience: Duration) -> Self {
        Self { stream, reader, patience, alarm: Box::pin(tokio::time::sleep(patience)), waiting: false }
    }

    /// Passes progress on. Turns too long a wait into an error.
    fn guard<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if std::mem::take(&mut self.waiting) {
                self.reader.took();
            }
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            self.alarm.as_mut().reset(Instant::now() + self.patience);
        }
        if self.reader.waits(cx) || self.alarm.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Reset + Unpin> AsyncRead for GuardedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Reset + Unpin> AsyncWrite for GuardedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.guard(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.guard(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::Places;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_secs(600);

    impl Reset for tokio::io::DuplexStream {
        fn reset(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_given_up() {
        let (stream, _peer) = tokio::io::duplex(16);
        let mut guarded = GuardedIo::new(stream, Arc::default(), PATIENCE);
        let began = Instant::now();
        let error = guarded.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_is_served_to_the_end() {
        let (stream, mut peer) = tokio::io::duplex(16);
        let mut guarded = GuardedIo::new(stream, Arc::default(), PATIENCE);
        let reading = tokio::spawn(async move {
            for _ in 0..16 {
                tokio::time::sleep(PATIENCE - Duration::from_secs(1)).await;
                peer.read_exact(&mut [0; 16]).await.unwrap();
            }
        });
        guarded.write_all(&[0; 256]).await.unwrap();
        reading.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_ends_at_once_when_its_place_is_needed() {
        let grace = PATIENCE / 10;
        let places = Arc::new(Places::new(1, grace));
        let (paused, newcomer) =
            (places.slot(1, [127, 0, 0, 1].into()).await, places.slot(2, [127, 0, 0, 1].into()).await);
        let seat = places.seat(paused.reader()).await.unwrap();
        let (stream, _peer) = tokio::io::duplex(16);
        let mut guarded = GuardedIo::new(stream, paused.reader().clone(), PATIENCE);
        let began = Instant::now();
        let writing = tokio::spawn(async move {
            let error = guarded.write_all(&[0; 64]).await.unwrap_err();
            drop(seat);
            error.kind()
        });
        tokio::time::sleep(grace).await;
        assert!(places.seat(newcomer.reader()).await.is_some());
        assert_eq!(writing.await.unwrap(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), grace);
    }
}
