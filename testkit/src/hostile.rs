//! A server that says what a test wants, true or not.
//!
//! It takes WebSocket connections, welcomes whoever says hello, and leaves every other message to the test's script.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Limits as SocketLimits, Message, ServerBuilder};
use wstp_protocol::tree::{Tree, fold, hash_block};
use wstp_protocol::{
    BLOCK_SIZE, BlocksReply, BlocksRequest, ClientMessage, Entry, EntryKind, FileVersion, Hash, HashPage,
    HashesRequest, Limits, Listing, Opened, RequestId, ServerMessage, Welcome, features,
};

use crate::{Contents, Listener};

/// A script's answer to a message: frames to send, one after the other.
type Script = dyn Fn(ClientMessage) -> Vec<Message> + Send + Sync;

/// A running hostile server; it ends when dropped.
#[derive(Debug)]
pub struct Hostile(Listener);

impl Hostile {
    /// Answers every message with what `script` makes of it. A hello is given to it as well; what it says to that
    /// follows the welcome.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn start(script: impl Fn(ClientMessage) -> Vec<Message> + Send + Sync + 'static) -> Result<Self> {
        Self::offering(features::BUNDLES, script).await
    }

    /// Answers each request with the one message that `answer` makes of it, and offers no feature.
    ///
    /// # Errors
    ///
    /// When no port can be had.
    pub async fn answering(answer: impl Fn(ClientMessage) -> ServerMessage + Send + Sync + 'static) -> Result<Self> {
        let script = move |asked| match asked {
            ClientMessage::Hello(_) => Vec::new(),
            asked => vec![binary(&answer(asked))],
        };
        Self::offering(0, script).await
    }

    async fn offering(
        features: u64,
        script: impl Fn(ClientMessage) -> Vec<Message> + Send + Sync + 'static,
    ) -> Result<Self> {
        let script: Arc<Script> = Arc::new(script);
        Ok(Self(Listener::start(move |stream| talk(stream, features, script.clone())).await?))
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// A path on it, as a client names it.
    pub fn source(&self, path: &str) -> String {
        format!("{}/{path}", self.address())
    }
}

async fn talk(stream: TcpStream, features: u64, script: Arc<Script>) {
    let Ok((_, mut socket)) = ServerBuilder::new().limits(SocketLimits::unlimited()).accept(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let Ok(asked) = ClientMessage::decode(message.as_payload()) else { continue };
        let welcome = matches!(asked, ClientMessage::Hello(_)).then(|| binary(&welcome(features)));
        for message in welcome.into_iter().chain(script(asked)) {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
}

fn welcome(features: u64) -> ServerMessage {
    let limits = Limits { requests: 64, handles: 8, run_blocks: 32, page_nodes: 1024, idle_timeout_ms: 60_000 };
    ServerMessage::Welcome(Welcome { version: 1, features, agent: "hostile/1".to_owned(), limits })
}

/// A message of the protocol as one of WebSocket's.
pub fn binary(message: &ServerMessage) -> Message {
    Message::binary(message.encode())
}

/// A file of which the server tells the truth, as far as a script lets it.
#[derive(Clone, Debug)]
pub struct Bait {
    /// Its name, in the first folder.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
    leaves: Vec<Hash>,
}

impl Bait {
    /// The handle under which it is opened.
    pub const HANDLE: u32 = 1;

    /// So many bytes of this name. They look random, so no server compresses them.
    pub fn new(name: &str, size: usize) -> Self {
        let bytes = Bytes::from(Contents::new("bait", size as u64).bytes());
        let tree = Tree::of_size(size as u64);
        let blocks = bytes.chunks(BLOCK_SIZE as usize).enumerate();
        let leaves = blocks.map(|(index, block)| hash_block(tree, index as u64, block)).collect();
        Self { name: name.to_owned(), bytes, leaves }
    }

    /// An honest answer to whatever is asked; none where none is due.
    pub fn answer(&self, asked: &ClientMessage) -> Option<ServerMessage> {
        Some(match asked {
            ClientMessage::List(list) => ServerMessage::Listing(Listing {
                id: list.id,
                entries: vec![entry(&self.name, EntryKind::File, self.bytes.len() as u64)],
                next: None,
            }),
            ClientMessage::Open(open) => ServerMessage::Opened(self.opened(open.id)),
            ClientMessage::Blocks(asked) => ServerMessage::Blocks(self.blocks(asked)?),
            ClientMessage::Hashes(asked) => ServerMessage::HashPage(self.page(asked)?),
            _ => return None,
        })
    }

    /// The honest answer to an Open.
    pub fn opened(&self, id: RequestId) -> Opened {
        let root = Some(*blake3::hash(&self.bytes).as_bytes());
        Opened { id, handle: Self::HANDLE, size: self.bytes.len() as u64, version: FileVersion([1; 16]), root }
    }

    /// The honest answer to Blocks.
    pub fn blocks(&self, asked: &BlocksRequest) -> Option<BlocksReply> {
        let (start, length) = asked.run.byte_range(self.bytes.len() as u64)?;
        let data = self.bytes.slice(start as usize..start as usize + length as usize);
        Some(BlocksReply { id: asked.id, run: asked.run, data })
    }

    /// The honest answer to Hashes.
    pub fn page(&self, asked: &HashesRequest) -> Option<HashPage> {
        let tree = Tree::of_size(self.bytes.len() as u64);
        let covered = tree.covered(0, asked.first, asked.count)?;
        let of = |range: &std::ops::Range<u64>| &self.leaves[range.start as usize..range.end as usize];
        let uncles = tree.uncles(&covered).iter().map(|range| fold(of(range), false)).collect::<Option<_>>()?;
        Some(HashPage { id: asked.id, nodes: of(&covered).to_vec(), uncles })
    }
}

/// An entry of a folder.
pub fn entry(name: &str, kind: EntryKind, size: u64) -> Entry {
    Entry { name: name.to_owned(), kind, size, modified_ms: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wstp_protocol::tree::verify_page;

    #[test]
    fn a_bait_tells_the_truth() {
        let bait = Bait::new("a", 100_000);
        let asked = HashesRequest { id: 1, handle: Bait::HANDLE, level: 0, first: 8, count: 4 };
        let (page, root) = (bait.page(&asked).unwrap(), bait.opened(1).root.unwrap());
        verify_page(Tree::of_size(100_000), &root, (0, 8, 4), &page.nodes, &page.uncles).unwrap();
    }
}
