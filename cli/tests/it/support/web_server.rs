//! A web server as others write them: one file at every path, with the manners of its kind.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What is peculiar about a server.
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
}

/// A running web server; it ends when dropped.
pub struct WebServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    bytes: Vec<u8>,
    manner: Manner,
    requests: AtomicU32,
    sent: AtomicU64,
}

impl WebServer {
    /// Serves these bytes.
    pub async fn start(bytes: &[u8], manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, sent) = (AtomicU32::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared { bytes: bytes.to_vec(), manner, requests, sent });
        let serving = shared.clone();
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        };
        Self { address, shared, task: tokio::spawn(accept).abort_handle() }
    }

    /// Where the file is.
    pub fn link(&self) -> String {
        format!("http://{}/a/file", self.address)
    }

    /// Bytes of the file that it sent so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
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
        if body.len() < whole || shared.manner == Manner::Terse {
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
    fn answer(&self, request: &[String]) -> (String, Vec<u8>) {
        let nothing = |status: &str| (format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"), Vec::new());
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
        let tag = if self.manner == Manner::Terse { "Connection: close" } else { "ETag: \"1\"" };
        let range = range_of(request).filter(|_| self.manner != Manner::Whole);
        let Some(mut range) = range else {
            return (format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n{tag}\r\n\r\n"), self.bytes.clone());
        };
        if self.manner == Manner::Beside && range != (0..1) {
            range = range.start + 1..range.end + 1;
        }
        let range = range.start..range.end.min(size);
        let mut body = self.bytes[range.start as usize..range.end as usize].to_vec();
        if self.manner == Manner::Lying {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: {told}\r\nContent-Length: {}\r\n{tag}\r\n\r\n",
            body.len()
        );
        (head, body)
    }
}

/// The one range that is asked for.
fn range_of(request: &[String]) -> Option<Range<u64>> {
    let field = request.iter().find_map(|line| line.strip_prefix("range: bytes="))?;
    let (first, last) = field.split_once('-')?;
    Some(first.parse().ok()?..last.parse::<u64>().ok()? + 1)
}
