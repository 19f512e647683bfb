//! What goes in from the caller and what comes out for it to do.

use bytes::Bytes;
use wstp_protocol::{BlockRun, ClientMessage, Hash, MirrorUrl};

use crate::{Connections, Order, SourceConfig, SourceId};

/// Names a connection within one transfer; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a connection to a source; then `handle_opened`, or `handle_closed` if that fails.
    Connect {
        /// Its name from here on.
        connection: ConnectionId,
        /// Where to.
        source: SourceId,
    },
    /// Send a message.
    Send {
        /// Where.
        connection: ConnectionId,
        /// What.
        message: ClientMessage,
    },
    /// Close a connection and forget it: nothing of it is to be handed in any more.
    Disconnect {
        /// Which.
        connection: ConnectionId,
    },
    /// A source told where else its folder is served. Whether to fetch from there too, with [`Command::AddSource`], is the caller's to decide: what
    /// comes from there is believed no more than anything else.
    Mirrors {
        /// Who says so.
        source: SourceId,
        /// The addresses, those to be used first in front; there may be none.
        urls: Vec<MirrorUrl>,
    },
    /// Know when the file was changed last on the origin. Told where [`Config::asks_modified`](crate::Config::asks_modified) wants it, perhaps more than
    /// once; the last one counts. Nothing proves it.
    Modified {
        /// In milliseconds since 1970-01-01 UTC, where the origin knows it.
        modified_ms: Option<i64>,
    },
    /// Do something in storage and answer with `handle_stored`.
    Store(StoreRequest),
}

/// What storage is to do. A transfer's storage has three files: data, hashes (32 bytes a block) and journal.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreRequest {
    /// Make the data file exactly so long, so that nothing of a longer one is left behind.
    SetLength {
        /// Bytes.
        size: u64,
    },
    /// Write data.
    Write {
        /// The offset in the data file.
        offset: u64,
        /// The bytes.
        data: Bytes,
    },
    /// Write block hashes: 32 bytes each from `32 * first` on in the hashes file.
    WriteHashes {
        /// The first hash's block.
        first: u64,
        /// The hashes.
        hashes: Vec<Hash>,
    },
    /// Read block hashes; answered with [`StoreReply::Hashes`].
    ReadHashes {
        /// Of these blocks.
        run: BlockRun,
    },
    /// Read data back and hash its blocks with [`wstp_protocol::tree::hash_block`]; answered with [`StoreReply::Hashes`].
    Rehash {
        /// These blocks, at most 1,024.
        run: BlockRun,
        /// The size of the whole file, which shapes the tree.
        size: u64,
    },
    /// Make all data and hashes written so far durable, then append this record to the journal, then make that durable.
    Commit {
        /// A whole record, as it stands in the journal.
        record: Vec<u8>,
    },
}

/// What came of a storage request.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreReply {
    /// It is done.
    Done,
    /// The hashes asked for, one for each block of the run.
    Hashes(Vec<Hash>),
    /// It failed. Nothing of it counts as done.
    Failed(StoreError),
}

/// Why storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No space is left.
    Full,
    /// What was to be read is not there.
    Missing,
    /// No file can be so long there.
    TooLarge,
    /// Anything else.
    Io,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask for nothing more, write down what there is, close the connections: then [`crate::Phase::Paused`].
    Pause,
    /// Go on after a pause, a failure, or at once where the next try would be later.
    Resume,
    /// Use so many connections.
    SetConnections(Connections),
    /// Hold at most so many bytes.
    SetMemoryBudget(u64),
    /// Ask for at most so many bytes a second, or for as many as there are.
    SetRateLimit(Option<u64>),
    /// Ask for other blocks first. What is asked for already still comes.
    SetOrder(Order),
    /// Fetch from this source too, after those that there are. One of the same id is told anew where the file is, and pardoned.
    AddSource(SourceConfig),
    /// Fetch nothing more from this source. What it sent stays. Without the last one the transfer fails: add another, then resume.
    RemoveSource(SourceId),
}
