//! A client that has one file open and fetches as much of it as it is told, for servers that are to have many.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};
use wstp_protocol::{
    BlockRun, BlocksRequest, ClientMessage, Hello, OpenRequest, Opened, ServerMessage, SharePath, VERSIONS,
};

use crate::LONG;

/// Connections that are opened at once.
const AT_ONCE: usize = 32;

/// One client of the protocol. Its session lasts until it is dropped.
#[derive(Debug)]
pub struct Visitor {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    opened: Opened,
}

impl Visitor {
    /// Connects and opens a file.
    ///
    /// # Errors
    ///
    /// When the server does not open it in time.
    pub async fn open(server: SocketAddr, path: &str) -> Result<Self> {
        let opening = async {
            let uri = format!("ws://{server}/ws").parse()?;
            let (mut socket, _) = ClientBuilder::from_uri(uri).connect().await?;
            let (min_version, max_version) = VERSIONS;
            let hello = Hello { min_version, max_version, features: 0, agent: "test".to_owned(), token: None };
            let open = OpenRequest { id: 1, path: SharePath::parse(path)? };
            for message in [ClientMessage::Hello(hello), ClientMessage::Open(open)] {
                socket.send(Message::binary(message.encode())).await?;
            }
            loop {
                match next(&mut socket).await? {
                    ServerMessage::Opened(opened) => return Ok(Self { socket, opened }),
                    ServerMessage::Failure(failure) => bail!("the server does not open {path}: {failure:?}"),
                    _ => {}
                }
            }
        };
        timeout(LONG, opening).await.with_context(|| format!("the server did not open {path} in time"))?
    }

    /// As many that all have the file open.
    ///
    /// # Errors
    ///
    /// As [`Visitor::open`].
    pub async fn crowd(count: usize, server: SocketAddr, path: &str) -> Result<Vec<Self>> {
        stream::iter(0..count).map(|_| Self::open(server, path)).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// The file as the server opened it.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The next message of the server.
    ///
    /// # Errors
    ///
    /// When there is none any more.
    pub async fn next(&mut self) -> Result<ServerMessage> {
        next(&mut self.socket).await
    }

    /// Fetches a run of blocks.
    ///
    /// # Errors
    ///
    /// When they don't come in time.
    pub async fn fetch(&mut self, run: BlockRun) -> Result<()> {
        let request = BlocksRequest { id: 2, handle: self.opened.handle, run };
        self.socket.send(Message::binary(ClientMessage::Blocks(request).encode())).await?;
        let fetching = async {
            while !matches!(self.next().await?, ServerMessage::Blocks(_) | ServerMessage::Zeros(_)) {}
            Ok(())
        };
        timeout(LONG, fetching).await.context("the server did not send the blocks in time")?
    }
}

async fn next(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<ServerMessage> {
    loop {
        let message = socket.next().await.context("the server ended the connection")??;
        if message.is_binary() {
            return Ok(ServerMessage::decode(Bytes::from(message.into_payload()))?);
        }
    }
}
