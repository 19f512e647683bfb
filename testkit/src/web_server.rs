//! A web server that is not ours: one file at every path, compressed for whoever asks for the whole of it, as the net has them for texts.

use std::net::SocketAddr;
use std::ops::Range;

use anyhow::{Context, Result};
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A running web server; it ends when dropped.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl WebServer {
    /// Serves these bytes.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(bytes: Bytes) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("no port for the web server")?;
        let address = listener.local_addr()?;
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, bytes.clone()));
            }
        };
        Ok(Self { address, task: tokio::spawn(accept).abort_handle() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, bytes: Bytes) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut range, mut line) = (None, String::new());
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            range = range.or_else(|| range_in(&line));
        }
        let Some(range) = range.filter(|range| range.end <= bytes.len()) else {
            // How long this is only its end tells; there is none of it, for nobody is to want it.
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            return Ok(());
        };
        let told = format!("Content-Range: bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
        let head = format!("HTTP/1.1 206 Partial Content\r\n{told}\r\nContent-Length: {}\r\n\r\n", range.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&bytes[range]).await?;
    }
}

/// The range that a line of a request's head asks for.
fn range_in(line: &str) -> Option<Range<usize>> {
    let (field, value) = line.split_once(':')?;
    let range = value.trim().strip_prefix("bytes=").filter(|_| field.eq_ignore_ascii_case("range"))?;
    let (first, last) = range.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<usize>().ok()?.checked_add(1)?)
}
