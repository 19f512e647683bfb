//! A client that requests as fast as it may and keeps nothing. It is load for a server, at the least cost of its own.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_websockets::{ClientBuilder, Config, Limits, Message, WebSocketStream};
use wstp_engine::peer::{Event, Patience, Peer, Reply, Request};
use wstp_engine::{Credential, Instant};
use wstp_protocol::limits::{MAX_RUN_BLOCKS, MAX_SERVER_FRAME};
use wstp_protocol::{BLOCK_SIZE, BlockRun, BlocksReply, ClientMessage, Opened, SharePath, block_count};

use crate::corpus::Source;

/// Requests under way on one connection while a file is read.
const DEPTH: usize = 8;
/// A benchmark waits as long as its runner lets it, so no time passes for the peer.
const NO_TIME: Instant = Instant(Duration::ZERO);
/// As good as any, since no time passes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct Door {
    address: SocketAddr,
    private: Option<Key>,
}

/// Opens a server with users and TLS.
#[derive(Clone)]
pub struct Key {
    /// Trusts the server's certificate.
    pub tls: TlsConnector,
    /// The token of a user.
    pub token: String,
}

/// The bytes of a connection.
trait Line: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Line for T {}

/// One connection, after its handshake.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<Box<dyn Line>>,
    peer: Peer<()>,
}

impl Door {
    /// That of a server with users and TLS.
    #[must_use]
    pub fn private(address: SocketAddr, key: Key) -> Self {
        Self { address, private: Some(key) }
    }

    async fn line(&self) -> Result<Box<dyn Line>> {
        let tcp = TcpStream::connect(self.address).await.context("can't reach the server")?;
        tcp.set_nodelay(true)?;
        match &self.private {
            Some(key) => {
                let name = ServerName::try_from("localhost").context("a name")?;
                Ok(Box::new(key.tls.connect(name, tcp).await.context("no TLS")?))
            }
            None => Ok(Box::new(tcp)),
        }
    }
}

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Self {
        Self { address, private: None }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Client {
    /// Connects and says hello.
    ///
    /// # Errors
    ///
    /// When the server can't be reached or does not welcome.
    pub async fn connect(door: impl Into<Door>) -> Result<Self> {
        let door = door.into();
        let line = door.line().await?;
        let builder = ClientBuilder::new()
            .limits(Limits::default().max_payload_len(Some(MAX_SERVER_FRAME)))
            .config(Config::default().frame_size(MAX_SERVER_FRAME))
            .uri(&format!("ws://{}/ws", door.address))?;
        let (socket, _) = builder.connect_on(line).await.context("no WebSocket")?;
        let credential = door.private.map(|key| Credential::Token(key.token));
        let mut peer =
            Peer::new(NO_TIME, "bench", credential.as_ref(), 0, Patience::fixed(PATIENCE, PATIENCE, PATIENCE));
        let greeting = peer.handle_opened(NO_TIME, false).context("a connection is opened once")?;
        let mut client = Self { socket, peer };
        client.send(&greeting).await?;
        match client.next().await? {
            Event::Welcome => Ok(client),
            other => bail!("no welcome but {other:?}"),
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn open(&mut self, name: &str) -> Result<Opened> {
        self.ask(Request::Open { path: SharePath::parse(name)? }).await?;
        match self.reply().await? {
            Reply::Opened(opened) => Ok(opened),
            other => bail!("{name} can't be opened: {other:?}"),
        }
    }

    /// Requests a run of blocks; [`Client::blocks`] gives the answer.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn ask_for(&mut self, file: &Opened, run: BlockRun) -> Result<()> {
        self.ask(Request::Blocks { handle: file.handle, run }).await
    }

    /// The next answer to [`Client::ask_for`], checked for its length.
    ///
    /// # Errors
    ///
    /// When the connection breaks or the server answers something else.
    pub async fn blocks(&mut self, file: &Opened) -> Result<BlocksReply> {
        match self.reply().await? {
            Reply::Blocks(reply) => {
                let wanted = reply.run.byte_range(file.size).map(|(_, length)| length as usize);
                ensure!(wanted == Some(reply.data.len()), "a run of blocks has the wrong length");
                Ok(reply)
            }
            other => bail!("no blocks but {other:?}"),
        }
    }

    async fn ask(&mut self, request: Request) -> Result<()> {
        let message = self.peer.request(NO_TIME, request, ());
        self.send(&message).await
    }

    async fn reply(&mut self) -> Result<Reply> {
        loop {
            match self.next().await? {
                Event::Reply { reply, .. } => return Ok(reply),
                Event::RootReady(_) | Event::Pong => {}
                other => bail!("no answer but {other:?}"),
            }
        }
    }

    async fn send(&mut self, message: &ClientMessage) -> Result<()> {
        Ok(self.socket.send(Message::binary(Bytes::from(message.encode()))).await?)
    }

    async fn next(&mut self) -> Result<Event<()>> {
        loop {
            let message = self.socket.next().await.context("the server closed the connection")??;
            if message.is_binary() {
                return Ok(self.peer.handle_frame(NO_TIME, Bytes::from(message.into_payload()))?);
            }
        }
    }
}

/// The hash of a file in hexadecimal, once the server knows it.
///
/// # Errors
///
/// When it can't be had.
pub async fn root(door: impl Into<Door>, name: &str) -> Result<String> {
    let mut client = Client::connect(door).await?;
    let opened = client.open(name).await?;
    let mut root = opened.root;
    while root.is_none() {
        if let Event::RootReady(ready) = client.next().await? {
            root = Some(ready.root);
        }
    }
    Ok(root.context("no root")?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The treatment of received data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Only its length is checked.
    Nothing,
    /// It is compared with the source, byte by byte, which takes time.
    Compare,
}

/// Reads a whole file over several connections.
///
/// # Errors
///
/// When a connection breaks, or bytes are missing or wrong.
pub async fn read(door: impl Into<Door>, source: &Source, connections: usize, keep: Keep) -> Result<()> {
    let door = door.into();
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(read_part(door.clone(), source.clone(), next.clone(), keep));
    }
    let mut got = 0;
    while let Some(part) = tasks.join_next().await {
        got += part??;
    }
    ensure!(got == source.size, "{got} of {} bytes of {} arrived", source.size, source.name);
    Ok(())
}

/// One connection's part: takes runs from the counter until there are none.
async fn read_part(door: Door, source: Source, next: Arc<AtomicU64>, keep: Keep) -> Result<u64> {
    let original = File::open(&source.path)?;
    let mut client = Client::connect(door).await?;
    let file = client.open(&source.name).await?;
    ensure!(file.size == source.size, "{} has another size on the server", source.name);
    let (mut waiting, mut got) = (0, 0);
    loop {
        while waiting < DEPTH
            && let Some(run) = take_run(&next, file.size)
        {
            client.ask_for(&file, run).await?;
            waiting += 1;
        }
        if waiting == 0 {
            return Ok(got);
        }
        let reply = client.blocks(&file).await?;
        waiting -= 1;
        got += reply.data.len() as u64;
        if keep == Keep::Compare {
            compare(&original, &reply)?;
        }
    }
}

fn take_run(next: &AtomicU64, size: u64) -> Option<BlockRun> {
    let first = next.fetch_add(u64::from(MAX_RUN_BLOCKS), Ordering::Relaxed);
    let left = block_count(size).saturating_sub(first);
    let count = u32::try_from(left).unwrap_or(u32::MAX).min(MAX_RUN_BLOCKS);
    (count > 0).then_some(BlockRun { first, count })
}

fn compare(original: &File, reply: &BlocksReply) -> Result<()> {
    let mut wanted = vec![0; reply.data.len()];
    original.read_exact_at(&mut wanted, reply.run.first * BLOCK_SIZE)?;
    ensure!(wanted == reply.data, "blocks from {} on arrived with other bytes", reply.run.first);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_a_file_once() {
        let next = AtomicU64::new(0);
        let size = 40 * BLOCK_SIZE + 1;
        assert_eq!(take_run(&next, size), Some(BlockRun { first: 0, count: 32 }));
        assert_eq!(take_run(&next, size), Some(BlockRun { first: 32, count: 9 }));
        assert_eq!(take_run(&next, size), None);
    }
}
