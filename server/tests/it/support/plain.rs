//! Plain HTTP, one request a connection, byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::connect_from;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    head: String,
    /// The bytes after the head.
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads a whole answer.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let reply = Self { status, head, body: bytes[end + 4..].to_vec() };
        match reply.header("transfer-encoding") {
            Some("chunked") if !reply.body.is_empty() => Self { body: joined(&reply.body), ..reply },
            _ => reply,
        }
    }

    /// The value of a field, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// All that a client is told, but the time of day.
    pub fn told(&self) -> (u16, String, &[u8]) {
        let lines = self.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date: "));
        (self.status, lines.collect::<Vec<_>>().join("\n"), &self.body)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// The body that came in chunks (RFC 9112, section 7.1), all of it.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|window| window == b"\r\n").expect("a chunk begins with its size");
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).unwrap(), 16).unwrap();
        let (chunk, rest) = chunks[line + 2..].split_at(size);
        body.extend(chunk);
        chunks = rest.strip_prefix(b"\r\n").expect("a chunk ends in a line");
        if size == 0 {
            assert!(chunks.is_empty(), "nothing follows the last chunk");
            return body;
        }
    }
}

/// The head of a request for `target`, after which the server closes the connection; `fields` are whole lines without
/// their ends.
pub fn head(method: &str, target: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n")
}

/// Asks, and reads until the server closes the connection.
pub async fn request(address: &str, method: &str, target: &str, fields: &[&str]) -> Reply {
    send(address, &head(method, target, fields)).await
}

/// Gets `target` from one of this machine's addresses.
pub async fn request_from(own: &str, address: &str, target: &str) -> Reply {
    request_from_with(own, address, target, &[]).await
}

/// The same with further fields.
pub async fn request_from_with(own: &str, address: &str, target: &str, fields: &[&str]) -> Reply {
    send_on(connect_from(own, address).await, head("GET", target, fields)).await
}

/// Sends a request unchanged, and reads until the server closes the connection.
pub async fn send(address: &str, request: impl AsRef<[u8]>) -> Reply {
    send_on(TcpStream::connect(address).await.unwrap(), request).await
}

/// The same; `None` if the server goes away before it has answered.
pub async fn try_send(address: &str, request: impl AsRef<[u8]>) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_ref()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    bytes.windows(4).any(|window| window == b"\r\n\r\n").then(|| Reply::parse(&bytes))
}

async fn send_on(mut stream: TcpStream, request: impl AsRef<[u8]>) -> Reply {
    stream.write_all(request.as_ref()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    Reply::parse(&bytes)
}
