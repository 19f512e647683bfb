//! The plainest HTTP client: one connection and one stream. When the connection breaks, it resumes with a Range.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Bytes read at once.
const PIECE: usize = 256 * 1024;
/// The longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// A connection that is kept for the next request.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When no server answers.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("can't reach the HTTP server")?;
        stream.set_nodelay(true)?;
        Ok(Self { address, stream: BufReader::with_capacity(PIECE, stream) })
    }

    /// Appends the server's bytes at `path`, from byte `from` on, to `file`. Says how many arrived, also when the
    /// connection broke.
    pub async fn get(&mut self, path: &str, from: u64, file: &mut File) -> (u64, Result<()>) {
        let mut got = 0;
        let result = self.fetch(path, from, file, &mut got).await;
        (got, result)
    }

    async fn fetch(&mut self, path: &str, from: u64, file: &mut File, got: &mut u64) -> Result<()> {
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {}\r\nRange: bytes={from}-\r\n\r\n", self.address);
        self.stream.write_all(request.as_bytes()).await?;
        let length = self.head().await?;
        while *got < length {
            let piece = self.stream.fill_buf().await?;
            ensure!(!piece.is_empty(), "the connection ended");
            let take = piece.len().min(usize::try_from(length - *got).unwrap_or(usize::MAX));
            file.write_all(&piece[..take])?;
            self.stream.consume(take);
            *got += take as u64;
        }
        Ok(())
    }

    /// Reads the head of an answer: how many bytes follow it.
    async fn head(&mut self) -> Result<u64> {
        let mut head = String::new();
        loop {
            let before = head.len();
            let left = (MAX_HEAD - before) as u64;
            (&mut self.stream).take(left).read_line(&mut head).await?;
            match &head[before..] {
                "\r\n" => return length_in(&head),
                line if line.ends_with('\n') => {}
                _ => bail!("the head of the answer breaks off or is too long"),
            }
        }
    }
}

/// The length in the answer to a request with a range.
fn length_in(head: &str) -> Result<u64> {
    ensure!(head.starts_with("HTTP/1.1 206 "), "no part of a file but {:?}", head.lines().next());
    let value = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    value.context("an answer without a length")?.1.trim().parse().context("the length is no number")
}

/// Fetches a file of `size` bytes over one connection at a time, and resumes as often as it breaks. Gives the number of
/// connections.
///
/// # Errors
///
/// When the file can't be written, or a connection brings nothing too often in a row.
pub async fn get_stubbornly(address: SocketAddr, path: &str, size: u64, file: &mut File) -> Result<u32> {
    let (mut got, mut connections, mut in_vain) = (0, 0, 0);
    while got < size {
        connections += 1;
        let (more, result) = match Connection::open(address).await {
            Ok(mut connection) => connection.get(path, got, file).await,
            Err(error) => (0, Err(error)),
        };
        got += more;
        in_vain = if more > 0 { 0 } else { in_vain + 1 };
        if in_vain >= 20 {
            return Err(result.err().context("an answer without bytes")?);
        }
    }
    Ok(connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_read_from_an_answer_with_a_part() {
        assert_eq!(length_in("HTTP/1.1 206 Partial Content\r\ncontent-LENGTH: 12\r\n\r\n").unwrap(), 12);
        assert!(length_in("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").is_err());
        assert!(length_in("HTTP/1.1 206 Partial Content\r\n\r\n").is_err());
    }
}
