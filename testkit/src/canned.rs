//! A server that answers every request with the same bytes, or carries it on by SOCKS: the programs that stand between
//! people and servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

use crate::Listener;

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct Canned(Listener);

impl Canned {
    /// Answers every request with this status line and these fields, a line each. `head` is given the server's own
    /// address.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn http(head: impl FnOnce(SocketAddr) -> String) -> Result<Self> {
        let answer = Arc::<OnceLock<String>>::default();
        let told = answer.clone();
        let listener = Listener::start(move |stream| reply(stream, told.clone())).await?;
        let head = head(listener.address());
        answer.get_or_init(|| format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        Ok(Self(listener))
    }

    /// A SOCKS proxy of version 5, without a password, that knows IPv4 addresses (RFC 1928).
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn socks() -> Result<Self> {
        let listener = Listener::start(async |client| {
            let _over = carry(client).await;
        });
        Ok(Self(listener.await?))
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

/// Reads the head of a request, and answers it.
async fn reply(mut stream: TcpStream, answer: Arc<OnceLock<String>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
    // Nobody can ask before the address is known, and the answer is made then.
    let answer = answer.get().map(String::as_str).unwrap_or_default();
    let _gone = stream.write_all(answer.as_bytes()).await;
}

async fn carry(mut client: TcpStream) -> Result<()> {
    let mut methods = [0; 2];
    client.read_exact(&mut methods).await?;
    client.read_exact(&mut vec![0; methods[1].into()]).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 10];
    client.read_exact(&mut request).await?;
    assert_eq!(request[..4], [5, 1, 0, 1], "a connection to an IPv4 address");
    let to = Ipv4Addr::new(request[4], request[5], request[6], request[7]);
    let mut server = TcpStream::connect((to, u16::from_be_bytes([request[8], request[9]]))).await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
