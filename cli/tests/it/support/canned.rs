//! A server that answers every request with the same bytes, or carries it on by SOCKS: what stands between people and
//! servers.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// The server; it ends when dropped.
pub struct Canned {
    address: SocketAddr,
    task: AbortHandle,
}

impl Canned {
    /// Answers every request with this status line and these fields, a line each.
    pub async fn http(head: impl Fn(SocketAddr) -> String) -> Self {
        let (listener, address) = listen().await;
        let answer = format!("HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", head(address));
        let accept = async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n")
                        && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0)
                    {}
                    let _gone = stream.write_all(answer.as_bytes()).await;
                });
            }
        };
        Self { address, task: tokio::spawn(accept).abort_handle() }
    }

    /// A SOCKS proxy of version 5, without a password, that knows IPv4 addresses (RFC 1928).
    pub async fn socks() -> Self {
        let (listener, address) = listen().await;
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream));
            }
        };
        Self { address, task: tokio::spawn(accept).abort_handle() }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn carry(mut client: TcpStream) -> Option<()> {
    let mut methods = [0; 2];
    client.read_exact(&mut methods).await.ok()?;
    client.read_exact(&mut vec![0; methods[1].into()]).await.ok()?;
    client.write_all(&[5, 0]).await.ok()?;
    let mut request = [0; 10];
    client.read_exact(&mut request).await.ok()?;
    assert_eq!(request[..4], [5, 1, 0, 1], "a connection to an IPv4 address");
    let to = Ipv4Addr::new(request[4], request[5], request[6], request[7]);
    let mut server = TcpStream::connect((to, u16::from_be_bytes([request[8], request[9]]))).await.ok()?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}
