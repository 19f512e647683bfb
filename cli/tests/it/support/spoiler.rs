//! A proxy that understands what passes: it is the true server, until a test changes what that says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, Limits, Message, ServerBuilder};
use wstp_protocol::ServerMessage;

use super::PATIENCE;

type Spoil = dyn Fn(ServerMessage) -> ServerMessage + Send + Sync;

/// A server between; it ends when dropped.
pub struct Spoiler {
    address: SocketAddr,
    blocks: Arc<AtomicU64>,
    open: watch::Sender<u64>,
    task: AbortHandle,
}

impl Spoiler {
    /// Passes everything on to `upstream`, and back what `spoil` makes of it.
    pub async fn start(
        upstream: SocketAddr,
        spoil: impl Fn(ServerMessage) -> ServerMessage + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (spoil, blocks): (Arc<Spoil>, _) = (Arc::new(spoil), Arc::new(AtomicU64::new(0)));
        let (counted, open) = (blocks.clone(), watch::Sender::new(0));
        let carried = open.clone();
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (spoil, counted, open) = (spoil.clone(), counted.clone(), carried.clone());
                open.send_modify(|open| *open += 1);
                tokio::spawn(async move {
                    carry(stream, upstream, spoil, counted).await;
                    open.send_modify(|open| *open -= 1);
                });
            }
        };
        Self { address, blocks, open, task: tokio::spawn(accept).abort_handle() }
    }

    /// The same, and the middle byte of every run of blocks is another one.
    pub async fn of_blocks(upstream: SocketAddr) -> Self {
        Self::start(upstream, with_wrong_blocks).await
    }

    /// A source behind it.
    pub fn source(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until nobody is connected.
    pub async fn left(&self) {
        let mut open = self.open.subscribe();
        timeout(PATIENCE, open.wait_for(|open| *open == 0)).await.expect("everybody leaves").unwrap();
    }

    /// Bytes of blocks that it sent so far.
    pub fn sent(&self) -> u64 {
        self.blocks.load(Ordering::SeqCst)
    }
}

impl Drop for Spoiler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn with_wrong_blocks(said: ServerMessage) -> ServerMessage {
    let ServerMessage::Blocks(mut reply) = said else { return said };
    let mut data = reply.data.to_vec();
    let middle = data.len() / 2;
    data[middle] ^= 1;
    reply.data = data.into();
    ServerMessage::Blocks(reply)
}

async fn carry(client: TcpStream, upstream: SocketAddr, spoil: Arc<Spoil>, blocks: Arc<AtomicU64>) {
    let Ok((_, mut client)) = ServerBuilder::new().limits(Limits::unlimited()).accept(client).await else { return };
    let uri = format!("ws://{upstream}/ws").parse().unwrap();
    let connecting = ClientBuilder::from_uri(uri).limits(Limits::unlimited()).connect().await;
    let Ok((mut server, _)) = connecting else { return };
    loop {
        let sent = tokio::select! {
            message = client.next() => {
                let Some(Ok(message)) = message else { return };
                server.send(again(message)).await
            }
            message = server.next() => {
                let Some(Ok(message)) = message else { return };
                let message = if message.is_binary() { spoiled(message, &*spoil, &blocks) } else { again(message) };
                client.send(message).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Pings and pongs are the business of each connection.
fn again(message: Message) -> Message {
    if message.is_ping() || message.is_pong() { Message::pong("") } else { message }
}

fn spoiled(message: Message, spoil: &Spoil, blocks: &AtomicU64) -> Message {
    let said = spoil(ServerMessage::decode(Bytes::from(message.into_payload())).unwrap());
    if let ServerMessage::Blocks(reply) = &said {
        blocks.fetch_add(reply.data.len() as u64, Ordering::SeqCst);
    }
    Message::binary(said.encode())
}
