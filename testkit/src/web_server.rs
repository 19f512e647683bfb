//! A web server as others write them: one file at every path, with the manners of its kind.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use anyhow::Result;
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Listener;

/// The peculiarities of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nothing.
    Usual,
    /// It knows no `HEAD` and no tags, and ends every connection after one answer.
    Terse,
    /// It leads to another path first.
    Redirecting,
    /// It has no time for the first requests.
    Busy,
    /// It sends whole files only.
    Whole,
    /// It gives nobody the file.
    Closed,
    /// It sends another range than was asked for, and says so.
    Beside,
    /// It sends other bytes.
    Lying,
    /// It breaks off in the middle of the bytes.
    Breaking,
    /// It compresses whatever is asked for whole, as the net has it for texts.
    Compressing,
}

/// A running web server; it ends when dropped.
#[derive(Debug)]
pub struct WebServer {
    listener: Listener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bytes: Bytes,
    manner: Manner,
    requests: AtomicU32,
    sent: AtomicU64,
}

impl WebServer {
    /// Serves these bytes.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(bytes: &[u8], manner: Manner) -> Result<Self> {
        let (requests, sent) = (AtomicU32::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared { bytes: Bytes::copy_from_slice(bytes), manner, requests, sent });
        let serving = shared.clone();
        let listener = Listener::start(move |stream| serve(stream, serving.clone())).await?;
        Ok(Self { listener, shared })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The place of the file.
    pub fn link(&self) -> String {
        format!("http://{}/a/file", self.address())
    }

    /// Bytes of the file that it sent so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut stream = BufReader::new(stream);
    while let Some(head) = head(&mut stream).await {
        let (answer, body) = shared.answer(&head);
        let whole = body.len();
        let body = if shared.manner == Manner::Breaking && whole > 1 { &body[..whole / 2] } else { &body[..] };
        if stream.write_all(answer.as_bytes()).await.is_err() || stream.write_all(body).await.is_err() {
            return;
        }
        shared.sent.fetch_add(body.len() as u64, Ordering::SeqCst);
        let ends = shared.manner == Manner::Terse || answer.contains("chunked");
        if body.len() < whole || ends {
            return;
        }
    }
}

/// The lines of the head of a request; `None` at the end of the connection.
async fn head(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => return Some(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

impl Shared {
    /// A head, and the body behind it.
    fn answer(&self, request: &[String]) -> (String, Bytes) {
        let nothing = |status: &str| (format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"), Bytes::new());
        let asked = self.requests.fetch_add(1, Ordering::SeqCst);
        match self.manner {
            Manner::Terse if !request[0].starts_with("GET ") => return nothing("405 Method Not Allowed"),
            Manner::Redirecting if request[0].contains("/a/file") => {
                return nothing("302 Found\r\nLocation: ../elsewhere?a=b");
            }
            Manner::Busy if asked < 3 => return nothing("503 Service Unavailable\r\nRetry-After: 1"),
            Manner::Closed => return nothing("403 Forbidden"),
            _ => {}
        }
        let size = self.bytes.len() as u64;
        let tag = match self.manner {
            Manner::Terse => "Connection: close\r\n",
            Manner::Compressing => "",
            _ => "ETag: \"1\"\r\n",
        };
        let range = range_of(request).filter(|_| self.manner != Manner::Whole);
        let Some(mut range) = range else {
            if self.manner == Manner::Compressing {
                // Only the end of the connection tells how long this is. It has no bytes, because nobody is to want it.
                let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
                return (head.to_owned(), Bytes::new());
            }
            return (format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{tag}\r\n"), self.bytes.clone());
        };
        if self.manner == Manner::Beside && range != (0..1) {
            range = range.start + 1..range.end + 1;
        }
        let range = range.start..range.end.min(size);
        let mut body = self.bytes.slice(range.start as usize..range.end as usize);
        if self.manner == Manner::Lying {
            let mut lie = body.to_vec();
            lie[body.len() / 2] ^= 1;
            body = lie.into();
        }
        let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: {told}\r\nContent-Length: {}\r\n{tag}\r\n",
            body.len()
        );
        (head, body)
    }
}

/// The one range that is asked for.
fn range_of(request: &[String]) -> Option<Range<u64>> {
    let range = request.iter().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        value.trim().strip_prefix("bytes=").filter(|_| field.eq_ignore_ascii_case("range"))
    });
    let (first, last) = range?.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?)
}
