//! A socket on loopback, and a task for each connection to it.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// It listens on a port that the system chooses. It ends, with all its connections, when dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    task: AbortHandle,
}

impl Listener {
    /// Gives each connection to `serve`, which is asked in the order in which they come.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start<F>(mut serve: impl FnMut(TcpStream) -> F + Send + 'static) -> Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("loopback has no free port")?;
        let address = listener.local_addr()?;
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
                while connections.try_join_next().is_some() {}
            }
        };
        Ok(Self { address, task: tokio::spawn(accept).abort_handle() })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection, and accepts no more.
    pub fn end(&self) {
        self.task.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn its_connections_end_with_it() {
        let listener = Listener::start(|mut stream| async move { while stream.read_u8().await.is_ok() {} }).await;
        let listener = listener.unwrap();
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        drop(listener);
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }
}
