//! Messages: what the two sides say once a frame is decoded. Requests go from client to server and carry an id; each ends
//! with exactly one reply of its own kind or one [`Failure`], in any order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::features;
use crate::limits::{MAX_LIST_ENTRIES, MAX_MIRRORS, MAX_PAGE_NODES, MAX_UNCLES};
use crate::{
    BlockRun, BundleReply, BundleRequest, ErrorCode, FileVersion, Handle, Hash, MirrorUrl, RequestId, SharePath,
};

/// What a client says.
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
    /// Asks for small files of a folder. Only where both sides have [`features::BUNDLES`].
    Bundle(BundleRequest),
}

/// What a server says.
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
    /// Answers any request that could not be done, or explains why the connection ends.
    Failure(Failure),
    /// Answers [`Ping`].
    Pong(Pong),
    /// The root hash of an open file is known now.
    RootReady(RootReady),
    /// An open file changed; its handle serves nothing more.
    Stale(Stale),
    /// The server is about to close the connection.
    Goodbye(Goodbye),
    /// Other addresses of the shared folder. The server sends them only where both sides have [`features::MIRRORS`].
    Mirrors(Mirrors),
    /// Answers [`BundleRequest`].
    Bundle(BundleReply),
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
    /// Proves who the client is, where the server wants that; at most [`MAX_TOKEN`](crate::limits::MAX_TOKEN) bytes.
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
    /// What the server allows on this connection.
    pub limits: Limits,
}

/// What a server allows on one connection.
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
    /// The server closes a connection on which it heard nothing and owed nothing for so long, in milliseconds; never 0.
    pub idle_timeout_ms: u32,
}

/// Asks for one page of a folder's listing: directories first, then by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRequest {
    /// Names this request.
    pub id: RequestId,
    /// The folder.
    pub path: SharePath,
    /// Where to go on: [`Listing::next`] of the page before, `None` for the first page.
    pub cursor: Option<String>,
    /// Most entries wanted, 1 to [`MAX_LIST_ENTRIES`].
    pub limit: u32,
}

/// One page of a folder's listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The request this answers.
    pub id: RequestId,
    /// The entries, directories first, then by the bytes of their names; fewer than asked for where a frame holds no more.
    #[serde(deserialize_with = "bounded::vec::<_, _, { MAX_LIST_ENTRIES as usize }>")]
    pub entries: Vec<Entry>,
    /// Where the next page begins, an opaque text; `None` on the last page.
    pub next: Option<String>,
}

/// One thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name; where the server's name is not UTF-8, a likeness of it, and the kind is [`EntryKind::Unreadable`].
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes in a file, 0 for everything else.
    pub size: u64,
    /// Last change, in milliseconds since 1970-01-01 UTC; `None` where it is not known.
    pub modified_ms: Option<i64>,
}

/// What an entry is. Append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryKind {
    /// A folder that can be listed.
    Directory,
    /// A regular file that can be opened.
    File,
    /// A link to nothing. Without [`features::LINKS`] each link that leads to nothing that is served.
    Dangling,
    /// The server may not read it, or can't say its name.
    Unreadable,
    /// A link out of the share. Only where both sides have [`features::LINKS`].
    LeadsOut,
    /// A link round in a circle, or to a folder that it lies in. Only where both sides have [`features::LINKS`].
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

/// What is known about one entry. The share itself has an empty name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatReply {
    /// The request this answers.
    pub id: RequestId,
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
    /// Names the open file on this connection. Not given again while the client may still speak of the file it named before.
    pub handle: Handle,
    /// Its size in bytes.
    pub size: u64,
    /// Its version: two handles of one version have the same bytes.
    pub version: FileVersion,
    /// Its BLAKE3 hash; `None` until it is computed, then [`RootReady`] follows.
    pub root: Option<Hash>,
}

/// Asks for a run of blocks, answered with one [`BlocksReply`].
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
    /// How many nodes, a power of two of at most [`Limits::page_nodes`]; nodes past the end of the file are left out.
    pub count: u32,
}

/// A page of hashes. [`tree::verify_page`](crate::tree::verify_page) checks it against the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashPage {
    /// The request this answers.
    pub id: RequestId,
    /// The nodes asked for, in order.
    #[serde(deserialize_with = "bounded::vec::<_, _, { MAX_PAGE_NODES as usize }>")]
    pub nodes: Vec<Hash>,
    /// The siblings along the way from the page's own subtree up to the root, lowest first.
    #[serde(deserialize_with = "bounded::vec::<_, _, MAX_UNCLES>")]
    pub uncles: Vec<Hash>,
}

/// Gives up on a request, which ends with its reply if that was already on its way, else with [`ErrorCode::Cancelled`].
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
    /// Comes back in the [`Pong`].
    pub nonce: u64,
}

/// A sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// That of the [`Ping`].
    pub nonce: u64,
}

/// A request could not be done; without an id, the connection is about to end for this reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The request, `None` where it concerns the connection.
    pub id: Option<RequestId>,
    /// The kind of error.
    pub code: ErrorCode,
    /// What happened and what can be done, for people; at most [`MAX_ERROR_TEXT`](crate::limits::MAX_ERROR_TEXT) bytes.
    pub text: String,
    /// When trying again makes sense, in milliseconds from now.
    pub retry_after_ms: Option<u32>,
}

/// The root hash of an open file is known now.
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

/// Where else the shared folder is served: told once, right behind the welcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrors {
    /// The addresses, those that the server would rather see used first; at most [`MAX_MIRRORS`], and there may be none.
    #[serde(deserialize_with = "bounded::vec::<_, _, MAX_MIRRORS>")]
    pub urls: Vec<MirrorUrl>,
}
