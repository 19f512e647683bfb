//! A file whose hash its server knows from the first moment on.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};
use wstp_protocol::{ClientMessage, Hello, OpenRequest, Opened, RootReady, ServerMessage, SharePath};

use crate::LONG;

/// Has the file open: a server forgets the hash of a small one when nobody has.
#[derive(Debug)]
pub struct Hashed {
    _socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Hashed {
    /// Opens a file and waits until its server has hashed it.
    ///
    /// # Errors
    ///
    /// When it can't be opened, or is not hashed in time.
    pub async fn open(server: SocketAddr, path: &str) -> Result<Self> {
        let uri = format!("ws://{server}/ws").parse()?;
        let (mut socket, _) = ClientBuilder::from_uri(uri).connect().await?;
        let hello = Hello { min_version: 1, max_version: 1, features: 0, agent: "test".to_owned(), token: None };
        let open = OpenRequest { id: 1, path: SharePath::parse(path)? };
        for message in [ClientMessage::Hello(hello), ClientMessage::Open(open)] {
            socket.send(Message::binary(message.encode())).await?;
        }
        let is_hashed = async {
            loop {
                let message = socket.next().await.context("the server ended the connection")??;
                if let ServerMessage::Opened(Opened { root: Some(_), .. })
                | ServerMessage::RootReady(RootReady { .. }) =
                    ServerMessage::decode(Bytes::from(message.into_payload()))?
                {
                    return Ok(Self { _socket: socket });
                }
            }
        };
        timeout(LONG, is_hashed).await.context("the server did not hash the file in time")?
    }
}
