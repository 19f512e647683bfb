//! A file whose hash its server knows from the first moment on.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};
use wstp_protocol::{ClientMessage, Hello, OpenRequest, Opened, RootReady, ServerMessage, SharePath};

use super::PATIENCE;

/// Has the file open: a server forgets the hash of a small one when nobody has.
pub struct Hashed {
    _socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// Opens a file and waits until its server has hashed it.
pub async fn hashed(server: SocketAddr, path: &str) -> Hashed {
    let uri = format!("ws://{server}/ws").parse().unwrap();
    let (mut socket, _) = ClientBuilder::from_uri(uri).connect().await.unwrap();
    let hello = Hello { min_version: 1, max_version: 1, features: 0, agent: "test".to_owned(), token: None };
    let open = OpenRequest { id: 1, path: SharePath::parse(path).unwrap() };
    for message in [ClientMessage::Hello(hello), ClientMessage::Open(open)] {
        socket.send(Message::binary(message.encode())).await.unwrap();
    }
    let is_hashed = async {
        loop {
            let message = socket.next().await.expect("the server goes on").unwrap();
            let said = ServerMessage::decode(Bytes::from(message.into_payload())).unwrap();
            if matches!(
                said,
                ServerMessage::Opened(Opened { root: Some(_), .. }) | ServerMessage::RootReady(RootReady { .. })
            ) {
                return;
            }
        }
    };
    timeout(PATIENCE, is_hashed).await.expect("it is hashed in time");
    Hashed { _socket: socket }
}
