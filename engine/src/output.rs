//! The caller's input, and the work that comes out for it.

use bytes::Bytes;
use wstp_protocol::{BlockRun, ClientMessage, Hash, MirrorUrl};

use crate::{Connections, Order, SourceConfig, SourceId};

/// Names a connection within one transfer; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The work of the caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open a connection to a source. Then call `handle_opened`, or `handle_closed` if that fails.
    Connect {
        /// Its name from here on.
        connection: ConnectionId,
        /// The source.
        source: SourceId,
    },
    /// Send a message.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The frame.
        message: ClientMessage,
    },
    /// Close a connection and forget it: hand in nothing more from it.
    Disconnect {
        /// The connection.
        connection: ConnectionId,
    },
    /// A source named other places of its folder. The caller decides whether to fetch from there too, with
    /// [`Command::AddSource`]. Data from there is believed no more than any other.
    Mirrors {
        /// The source that named them.
        source: SourceId,
        /// The addresses, in the order in which to use them; may be empty.
        urls: Vec<MirrorUrl>,
    },
    /// Know when the file was last changed on the origin. [`Config::asks_modified`](crate::Config::asks_modified) asks
    /// for it. It may come more than once; the last one counts. Nothing proves it.
    Modified {
        /// In milliseconds since 1970-01-01 UTC, if the origin knows it.
        modified_ms: Option<i64>,
    },
    /// Do something in storage and answer with `handle_stored`.
    Store(StoreRequest),
}

/// A request to storage. A transfer's storage has data, hashes (32 bytes a block), and the two files of a
/// [`journal`](crate::journal).
#[derive(Clone, Debug, PartialEq)]
pub enum StoreRequest {
    /// Set the length of the data file, so that nothing of a longer one is left behind.
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
    /// Make these bytes zero, whatever is there. A store that can leaves a hole.
    WriteZeros {
        /// The offset in the data file.
        offset: u64,
        /// How many bytes, at most 16 MiB.
        length: u64,
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
        /// The blocks.
        run: BlockRun,
    },
    /// Read data back and hash its blocks with [`wstp_protocol::tree::hash_block`]; answered with
    /// [`StoreReply::Hashes`].
    Rehash {
        /// The blocks, at most 1,024.
        run: BlockRun,
        /// The size of the whole file, which shapes the tree.
        size: u64,
    },
    /// Make all data and hashes written so far durable. Then append this record to the journal, and make that durable.
    Commit {
        /// A whole record, in the form in which the journal has it.
        record: Vec<u8>,
    },
    /// Make all data and hashes written so far durable. Then write this journal into the file that is not in use, and
    /// make that durable. Only then empty the other file. The next records follow. If it fails, the former file stays
    /// in use.
    Compact {
        /// A whole journal. It says all that the former one does.
        journal: Vec<u8>,
    },
}

/// The result of a storage request.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreReply {
    /// It is done.
    Done,
    /// The requested hashes, one for each block of the run.
    Hashes(Vec<Hash>),
    /// It failed. Nothing of it counts as done.
    Failed(StoreError),
}

/// Why storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// No space is left.
    Full,
    /// The bytes to read are not there.
    Missing,
    /// No file can be that long there.
    TooLarge,
    /// Any other failure.
    Io,
}

/// A command of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Request nothing more, record the progress, close the connections: then [`crate::Phase::Paused`].
    Pause,
    /// Resume after a pause or a failure, or retry at once if the next try would be later.
    Resume,
    /// Use this many connections.
    SetConnections(Connections),
    /// Hold at most this many bytes.
    SetMemoryBudget(u64),
    /// Fetch at most this many bytes a second, or without a limit.
    SetRateLimit(Option<u64>),
    /// Request other blocks first. Blocks in flight still come.
    SetOrder(Order),
    /// Fetch from this source too, after the existing ones. An existing one of the same id gets the new place of the
    /// file, and is pardoned.
    AddSource(SourceConfig),
    /// Fetch nothing more from this source. Its data stays. Without a source the transfer fails: add another, then
    /// resume.
    RemoveSource(SourceId),
}
