//! Requests to a server, and its replies.

use wstp_protocol::limits::MAX_SERVER_FRAME;
use wstp_protocol::{
    BLOCK_SIZE, BLOCKS_HEADER_LEN, BlockRun, BlocksReply, BlocksRequest, BundleReply, BundleRequest, ClientMessage,
    Failure, Handle, HashPage, HashesRequest, ListRequest, Listing, OpenRequest, Opened, RequestId, SearchReply,
    SearchRequest, SharePath, StatReply, StatRequest, Zeros,
};

/// A question to a server; [`Peer::request`](super::Peer::request) adds the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// See [`ListRequest`].
    List {
        /// The folder.
        path: SharePath,
        /// The place at which to go on.
        cursor: Option<String>,
        /// Most entries wanted.
        limit: u32,
    },
    /// See [`SearchRequest`]. Only of a server that agreed on [`SEARCH`](wstp_protocol::features::SEARCH).
    Search {
        /// The folder.
        path: SharePath,
        /// The words.
        words: String,
        /// The place at which to go on.
        cursor: Option<String>,
        /// Most hits wanted.
        limit: u32,
    },
    /// See [`StatRequest`].
    Stat {
        /// The entry.
        path: SharePath,
    },
    /// See [`OpenRequest`].
    Open {
        /// The file.
        path: SharePath,
    },
    /// See [`BlocksRequest`].
    Blocks {
        /// The open file.
        handle: Handle,
        /// The blocks.
        run: BlockRun,
    },
    /// See [`HashesRequest`].
    Hashes {
        /// The open file.
        handle: Handle,
        /// The level of the nodes.
        level: u8,
        /// The first node.
        first: u64,
        /// How many.
        count: u32,
    },
    /// See [`BundleRequest`]. Only of a server that agreed on [`BUNDLES`](wstp_protocol::features::BUNDLES).
    Bundle {
        /// The folder.
        path: SharePath,
        /// The files' names in it.
        names: Vec<String>,
    },
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::List`].
    Listing(Listing),
    /// To [`Request::Search`].
    Search(SearchReply),
    /// To [`Request::Stat`].
    Stat(StatReply),
    /// To [`Request::Open`].
    Opened(Opened),
    /// To [`Request::Blocks`], with the run that was asked for.
    Blocks(BlocksReply),
    /// To [`Request::Blocks`], if they are zero: at least the run that was asked for. Only from a server that agreed on
    /// [`ZEROS`](wstp_protocol::features::ZEROS).
    Zeros(Zeros),
    /// To [`Request::Hashes`].
    HashPage(HashPage),
    /// To [`Request::Bundle`], with no more files than were asked for.
    Bundle(BundleReply),
    /// To any request.
    Failure(Failure),
}

/// A request that is under way, as far as its reply has to fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Search,
    Stat,
    Open,
    Blocks(BlockRun),
    Hashes,
    /// So many files.
    Bundle(usize),
}

impl Kind {
    /// Whether a reply answers the request.
    pub(super) fn fits(self, reply: &Reply) -> bool {
        match (self, reply) {
            (_, Reply::Failure(_))
            | (Self::List, Reply::Listing(_))
            | (Self::Search, Reply::Search(_))
            | (Self::Stat, Reply::Stat(_))
            | (Self::Open, Reply::Opened(_))
            | (Self::Hashes, Reply::HashPage(_)) => true,
            (Self::Blocks(run), Reply::Blocks(blocks)) => run == blocks.run,
            (Self::Blocks(run), Reply::Zeros(zeros)) => run.first == zeros.first && u64::from(run.count) <= zeros.count,
            (Self::Bundle(most), Reply::Bundle(bundle)) => bundle.files.len() <= most,
            _ => false,
        }
    }

    /// Whether a compressed reply may have this length. Nothing but blocks and bundles is compressed.
    pub(super) fn may_take(self, length: u32) -> bool {
        match self {
            Self::Blocks(run) => {
                let longest = BLOCKS_HEADER_LEN as u64 + u64::from(run.count) * BLOCK_SIZE;
                (longest - BLOCK_SIZE + 1..=longest).contains(&u64::from(length))
            }
            Self::Bundle(_) => length as usize <= MAX_SERVER_FRAME,
            Self::List | Self::Search | Self::Stat | Self::Open | Self::Hashes => false,
        }
    }
}

impl Request {
    /// The message.
    pub(super) fn into_message(self, id: RequestId) -> (Kind, ClientMessage) {
        match self {
            Self::List { path, cursor, limit } => {
                (Kind::List, ClientMessage::List(ListRequest { id, path, cursor, limit }))
            }
            Self::Search { path, words, cursor, limit } => {
                (Kind::Search, ClientMessage::Search(SearchRequest { id, path, words, cursor, limit }))
            }
            Self::Stat { path } => (Kind::Stat, ClientMessage::Stat(StatRequest { id, path })),
            Self::Open { path } => (Kind::Open, ClientMessage::Open(OpenRequest { id, path })),
            Self::Blocks { handle, run } => {
                (Kind::Blocks(run), ClientMessage::Blocks(BlocksRequest { id, handle, run }))
            }
            Self::Hashes { handle, level, first, count } => {
                (Kind::Hashes, ClientMessage::Hashes(HashesRequest { id, handle, level, first, count }))
            }
            Self::Bundle { path, names } => {
                (Kind::Bundle(names.len()), ClientMessage::Bundle(BundleRequest { id, path, names }))
            }
        }
    }
}
