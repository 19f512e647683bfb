//! A stream that gives only a bounded number of bytes until the HTTP answer is over. The WebSocket library has no limit
//! of its own there, and any program may answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Longest answer to the upgrade request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The stream.
pub struct BoundedHead<S> {
    inner: S,
    /// Bytes that may still come; `None` once the head is over.
    left: Option<usize>,
}

impl<S> BoundedHead<S> {
    /// Bounds a fresh stream.
    pub fn new(inner: S) -> Self {
        Self { inner, left: Some(MAX_HEAD) }
    }

    /// From here on the WebSocket's own limits hold.
    pub fn head_is_over(&mut self) {
        self.left = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedHead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let got = buf.filled().len() - before;
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(got).ok_or_else(|| io::Error::other("its answer is too long"))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedHead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn an_endless_head_is_refused() {
        let mut head = BoundedHead::new(tokio::io::repeat(b'x'));
        let error = tokio::io::copy(&mut head, &mut tokio::io::sink()).await.unwrap_err();
        assert_eq!(error.to_string(), "its answer is too long");
    }

    #[tokio::test]
    async fn what_follows_the_head_is_not_bounded() {
        let mut head = BoundedHead::new(tokio::io::repeat(b'x'));
        head.read_exact(&mut [0; 100]).await.unwrap();
        head.head_is_over();
        head.read_exact(&mut vec![0; 4 * MAX_HEAD]).await.unwrap();
    }
}
