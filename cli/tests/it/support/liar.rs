//! A server that says whatever a test wants.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_websockets::{Message, ServerBuilder};
use wstp_protocol::{ClientMessage, Limits, ServerMessage, Welcome};

type Answer = dyn Fn(ClientMessage) -> ServerMessage + Send + Sync;

/// A server that welcomes everybody and then answers as it was told; it ends when dropped.
pub struct Liar {
    address: SocketAddr,
    task: AbortHandle,
}

impl Liar {
    /// Answers every message after the greeting with what `answer` makes of it.
    pub async fn start(answer: impl Fn(ClientMessage) -> ServerMessage + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer: Arc<Answer> = Arc::new(answer);
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lie(stream, answer.clone()));
            }
        };
        Self { address, task: tokio::spawn(accept).abort_handle() }
    }

    /// A source on it.
    pub fn source(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lie(stream: tokio::net::TcpStream, answer: Arc<Answer>) {
    let Ok((_, mut socket)) = ServerBuilder::new().accept(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if !message.is_binary() {
            continue;
        }
        let reply = match ClientMessage::decode(&message.into_payload()).unwrap() {
            ClientMessage::Hello(_) => welcome(),
            asked => answer(asked),
        };
        if socket.send(Message::binary(reply.encode())).await.is_err() {
            return;
        }
    }
}

fn welcome() -> ServerMessage {
    let limits = Limits { requests: 8, handles: 8, run_blocks: 32, page_nodes: 2048, idle_timeout_ms: 60_000 };
    ServerMessage::Welcome(Welcome { version: 1, features: 0, agent: "liar".to_owned(), limits })
}
