//! Messages: decoded frames. A request goes from client to server and carries an id. It ends with exactly one reply of
//! its own kind or one [`Failure`], in any order.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::features;
use crate::limits::{MAX_LIST_ENTRIES, MAX_MIRRORS, MAX_PAGE_NODES, MAX_UNCLES};
use crate::{
    BlockIndex, BlockRun, BundleReply, BundleRequest, Compressed, ErrorCode, FileVersion, Handle, Hash, MirrorUrl,
    RequestId, SharePath,
};

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// First on every connection.
    Hello(Hello),
    /// Asks for one page of a folder's listing.
    List(ListRequest),
    /// Asks about one entry.
    Stat(StatRequest),
    /// Opens a file.
    Open(OpenRequest),
    /// Asks for a run of blocks.
    Blocks(BlocksRequest),
    /// Asks for a page of hashes.
    Hashes(HashesRequest),
    /// Gives up on a request.
    Cancel(Cancel),
    /// Gives back a handle.
    Close(Close),
    /// Asks for a [`Pong`].
    Ping(Ping),
    /// Asks for small files of a folder. Only if both sides have [`features::BUNDLES`].
    Bundle(BundleRequest),
    /// Asks for entries by words of their names. Only if both sides have [`features::SEARCH`].
    Search(SearchRequest),
}

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// Answers [`Hello`].
    Welcome(Welcome),
    /// Answers [`ListRequest`].
    Listing(Listing),
    /// Answers [`StatRequest`].
    Stat(StatReply),
    /// Answers [`OpenRequest`].
    Opened(Opened),
    /// Answers [`BlocksRequest`].
    Blocks(BlocksReply),
    /// Answers [`HashesRequest`].
    HashPage(HashPage),
    /// Answers a request that failed, or explains why the connection ends.
    Failure(Failure),
    /// Answers [`Ping`].
    Pong(Pong),
    /// The root hash of an open file is now known.
    RootReady(RootReady),
    /// An open file changed; its handle serves nothing more.
    Stale(Stale),
    /// The server is about to close the connection.
    Goodbye(Goodbye),
    /// Other addresses of the shared folder. The server sends them only if both sides have [`features::MIRRORS`].
    Mirrors(Mirrors),
    /// Answers [`BundleRequest`].
    Bundle(BundleReply),
    /// Answers [`BlocksRequest`] in place of [`BlocksReply`]. Only if both sides have [`features::ZEROS`].
    Zeros(Zeros),
    /// Carries a [`BlocksReply`] or a [`BundleReply`]. Only if both sides have [`features::COMPRESSED`].
    Compressed(Compressed),
    /// Answers [`SearchRequest`].
    Search(SearchReply),
}

/// The client's half of the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Lowest protocol version the client speaks.
    pub min_version: u16,
    /// Highest protocol version the client speaks.
    pub max_version: u16,
    /// Optional features the client knows, a bit each: see [`features`].
    pub features: u64,
    /// Program and version, for the server's log; at most [`MAX_AGENT`](crate::limits::MAX_AGENT) bytes.
    pub agent: String,
    /// Proves who the client is, if the server requires that; at most [`MAX_TOKEN`](crate::limits::MAX_TOKEN) bytes.
    pub token: Option<String>,
}

/// The server's half of the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version both sides use from here on.
    pub version: u16,
    /// The features both sides know.
    pub features: u64,
    /// Program and version, for people; at most [`MAX_AGENT`](crate::limits::MAX_AGENT) bytes.
    pub agent: String,
    /// The limits on this connection.
    pub limits: Limits,
}

/// The limits of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Requests under way at once; the next one fails with [`ErrorCode::Busy`].
    pub requests: u32,
    /// Handles open at once.
    pub handles: u32,
    /// Blocks in one request, at most [`MAX_RUN_BLOCKS`](crate::limits::MAX_RUN_BLOCKS).
    pub run_blocks: u32,
    /// Nodes in one page of hashes, at most [`MAX_PAGE_NODES`].
    pub page_nodes: u32,
    /// Silence after which the server closes a connection, in milliseconds; never 0. It keeps a connection to which it
    /// owes a reply.
    pub idle_timeout_ms: u32,
}

/// Asks for one page of a folder's listing: directories first, then by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRequest {
    /// Names this request.
    pub id: RequestId,
    /// The folder.
    pub path: SharePath,
    /// The cursor: [`Listing::next`] of the page before, `None` for the first page.
    pub cursor: Option<String>,
    /// Most entries wanted, 1 to [`MAX_LIST_ENTRIES`].
    pub limit: u32,
}

/// One page of a folder's listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The request this answers.
    pub id: RequestId,
    /// The entries, directories first, then by the bytes of their names. A full frame may hold fewer than requested.
    #[serde(deserialize_with = "bounded::vec::<_, _, { MAX_LIST_ENTRIES as usize }>")]
    pub entries: Vec<Entry>,
    /// The cursor of the next page, an opaque text; `None` on the last page.
    pub next: Option<String>,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name. If the server can't spell the name, this is a likeness of it and the kind is
    /// [`EntryKind::Unreadable`].
    pub name: String,
    /// Its kind.
    pub kind: EntryKind,
    /// Bytes in a file, 0 for everything else.
    pub size: u64,
    /// Last change, in milliseconds since 1970-01-01 UTC; `None` if unknown.
    pub modified_ms: Option<i64>,
}

/// The kind of an entry. Append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryKind {
    /// A folder that can be listed.
    Directory,
    /// A regular file that can be opened.
    File,
    /// A link to nothing. Without [`features::LINKS`], every link to an entry that is not served.
    Dangling,
    /// The server may not read it, or can't send its name.
    Unreadable,
    /// A link out of the share. Only if both sides have [`features::LINKS`].
    LeadsOut,
    /// A circular link, or a link to a folder that contains it. Only if both sides have [`features::LINKS`].
    Circle,
}

impl EntryKind {
    /// The kind as a peer with these features knows it.
    #[must_use]
    pub const fn known_with(self, features: u64) -> Self {
        match self {
            Self::LeadsOut | Self::Circle if features & features::LINKS == 0 => Self::Dangling,
            kind => kind,
        }
    }
}

/// Asks about one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatRequest {
    /// Names this request.
    pub id: RequestId,
    /// The entry.
    pub path: SharePath,
}

/// The facts about one entry. The share itself has an empty name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatReply {
    /// The request this answers.
    pub id: RequestId,
    /// The entry.
    pub entry: Entry,
}

/// Asks for the entries beneath a folder whose names contain all words. Neither case nor accents count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// Names this request.
    pub id: RequestId,
    /// The folder.
    pub path: SharePath,
    /// The words, with space between them: 1 to [`MAX_SEARCH`](crate::limits::MAX_SEARCH) bytes.
    pub words: String,
    /// The cursor: [`SearchReply::next`] of the reply before, `None` for the first request.
    pub cursor: Option<String>,
    /// Most hits wanted, 1 to [`MAX_LIST_ENTRIES`].
    pub limit: u32,
}

/// The hits that one request found within its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchReply {
    /// The request this answers.
    pub id: RequestId,
    /// The hits, which may be none even if the search goes on.
    #[serde(deserialize_with = "bounded::vec::<_, _, { MAX_LIST_ENTRIES as usize }>")]
    pub hits: Vec<Hit>,
    /// The cursor that goes on with the search, an opaque text; `None` when it has looked at everything.
    pub next: Option<String>,
}

/// An entry that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The folder of the entry, seen from the folder of the request.
    pub folder: SharePath,
    /// The entry.
    pub entry: Entry,
}

/// Opens a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRequest {
    /// Names this request.
    pub id: RequestId,
    /// The file.
    pub path: SharePath,
}

/// An open file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The request this answers.
    pub id: RequestId,
    /// Names the open file on this connection. The server does not reuse the number while the client may still mean the
    /// earlier file.
    pub handle: Handle,
    /// Its size in bytes.
    pub size: u64,
    /// Its version: two handles of one version have the same bytes.
    pub version: FileVersion,
    /// Its BLAKE3 hash; `None` until the server has computed it, then [`RootReady`] follows.
    pub root: Option<Hash>,
}

/// Asks for a run of blocks, answered with one [`BlocksReply`] or one [`Zeros`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlocksRequest {
    /// Names this request.
    pub id: RequestId,
    /// The open file.
    pub handle: Handle,
    /// The blocks, at most [`Limits::run_blocks`].
    pub run: BlockRun,
}

/// A run of blocks as raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlocksReply {
    /// The request this answers.
    pub id: RequestId,
    /// The blocks, those of the request.
    pub run: BlockRun,
    /// Their bytes: every block is 8,192 long, only the last may be shorter, never empty.
    pub data: Bytes,
}

/// The requested blocks are zero, and maybe more behind them. Their hashes prove that, as they prove any other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zeros {
    /// The request this answers.
    pub id: RequestId,
    /// The first block of the request.
    pub first: BlockIndex,
    /// How many blocks from there on are zero: at least those of the request, and never beyond the end of the file.
    pub count: u64,
}

impl Zeros {
    /// The zero blocks.
    #[must_use]
    pub const fn blocks(&self) -> Range<BlockIndex> {
        self.first..self.first.saturating_add(self.count)
    }
}

/// Asks for a page of hashes: nodes of the hash tree and the uncles that lead to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashesRequest {
    /// Names this request.
    pub id: RequestId,
    /// The open file.
    pub handle: Handle,
    /// The level of the nodes: 0 for blocks, each level above covers twice as many.
    pub level: u8,
    /// The first node, a multiple of `count`.
    pub first: u64,
    /// How many nodes, a power of two of at most [`Limits::page_nodes`]. The reply leaves out nodes past the end of the
    /// file.
    pub count: u32,
}

/// A page of hashes. [`tree::verify_page`](crate::tree::verify_page) checks it against the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashPage {
    /// The request this answers.
    pub id: RequestId,
    /// The requested nodes, in order.
    #[serde(deserialize_with = "bounded::vec::<_, _, { MAX_PAGE_NODES as usize }>")]
    pub nodes: Vec<Hash>,
    /// The siblings along the way from the page's own subtree up to the root, lowest first.
    #[serde(deserialize_with = "bounded::vec::<_, _, MAX_UNCLES>")]
    pub uncles: Vec<Hash>,
}

/// Gives up on a request. It ends with its reply if that was already on its way, otherwise with
/// [`ErrorCode::Cancelled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The request.
    pub id: RequestId,
}

/// Gives back a handle. Requests under way on it end as if cancelled. There is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// The handle.
    pub handle: Handle,
}

/// Asks for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The [`Pong`] repeats it.
    pub nonce: u64,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The nonce of the [`Ping`].
    pub nonce: u64,
}

/// A request could not be done; without an id, the connection is about to end for this reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The request, `None` if the failure concerns the connection.
    pub id: Option<RequestId>,
    /// The kind of error.
    pub code: ErrorCode,
    /// The problem and the remedy, in words for people; at most [`MAX_ERROR_TEXT`](crate::limits::MAX_ERROR_TEXT)
    /// bytes.
    pub text: String,
    /// When trying again makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
}

/// The root hash of an open file is now known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootReady {
    /// The open file.
    pub handle: Handle,
    /// Its BLAKE3 hash.
    pub root: Hash,
}

/// An open file changed on the server; its handle serves nothing more and is already closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stale {
    /// The open file.
    pub handle: Handle,
}

/// The server is about to close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodbye {
    /// When connecting again makes sense, in milliseconds from now.
    pub retry_after_ms: u32,
}

/// The other places of the shared folder. The server sends this once, right behind the welcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrors {
    /// The addresses, in the order in which to use them. At most [`MAX_MIRRORS`]; may be empty.
    #[serde(deserialize_with = "bounded::vec::<_, _, MAX_MIRRORS>")]
    pub urls: Vec<MirrorUrl>,
}
