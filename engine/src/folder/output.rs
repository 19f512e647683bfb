//! The input of a folder, the work that comes out of it for the caller, and the caller's answers.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wstp_protocol::{ClientMessage, Hash, SharePath};

use super::journal::Stored;
use super::progress::FolderProblem;
use crate::{ConnectionId, Credential, Problem, StoreError};

/// Names a folder within one transfer. The requested folder is 0. The others count up in the order of listing, outer
/// ones before those in them. The journal keeps the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FolderId(pub u32);

/// Names a file within one transfer, counted from 0 in the order of listing. The journal keeps the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// How a folder is fetched.
#[derive(Clone, Debug)]
pub struct FolderConfig {
    /// The folder on the server.
    pub path: SharePath,
    /// Proves who the client is, if the server requires that.
    pub credential: Option<Credential>,
    /// The program's name and version, told to the server.
    pub agent: String,
    /// Bytes of small files requested and not yet kept; at least one frame (256 KiB). Listings come on top: at most 4
    /// MiB.
    pub memory_budget: u64,
    /// Bytes a second of small files to request; `None` for no limit. The caller limits large ones.
    pub rate_limit: Option<u64>,
    /// Large files fetched at once, at least 1.
    pub fetches: u8,
    /// Kept bytes after which progress is committed.
    pub commit_bytes: u64,
    /// Kept files after which progress is committed.
    pub commit_files: u32,
    /// Time after which progress is committed.
    pub commit_interval: Duration,
    /// Whether the caller wants to look first which small files it already has ([`FolderOutput::Look`]).
    pub looks: bool,
    /// Seed of the jitter in retries, so that a run can be repeated.
    pub seed: u64,
}

/// The work of the caller.
#[derive(Clone, Debug, PartialEq)]
pub enum FolderOutput {
    /// Open a connection to the server. Then call `handle_opened`, or `handle_closed` if that fails.
    Connect {
        /// Its name from here on.
        connection: ConnectionId,
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
    /// Know these entries of a folder. Each entry is reported once in the life of a
    /// [`FolderTransfer`](super::FolderTransfer), also an entry that a journal brought back. The report precedes every
    /// other mention of the entry. Within a folder the order is that of the listing. No answer is expected.
    Listed {
        /// The folder, which was reported before; the first one is 0.
        folder: FolderId,
        /// Its entries, or some of them.
        entries: Vec<Listed>,
    },
    /// Look which of these small files are already there, and answer each with `handle_looked`. They are not requested
    /// before. Only if [`FolderConfig::looks`] asks for it.
    Look {
        /// The files.
        files: Vec<FileId>,
    },
    /// Read back and hash a file of an earlier run, and answer with `handle_looked`. The answer is [`LookReply::Same`]
    /// with the file's hash, or [`LookReply::Missing`] to have it fetched again. Others of these may be under way, but
    /// never many bytes.
    Check {
        /// The file.
        file: FileId,
        /// Its size, hash and form when it was stored.
        stored: Stored,
    },
    /// Keep a whole file, whose bytes are verified, and answer with `handle_kept`, in any order. It need not be durable
    /// before the next commit.
    Keep {
        /// The file.
        file: FileId,
        /// Its path on the server.
        path: SharePath,
        /// Last change there, in milliseconds since 1970-01-01 UTC, if known.
        modified_ms: Option<i64>,
        /// Its BLAKE3 hash.
        root: Hash,
        /// All of its bytes.
        data: Bytes,
    },
    /// Fetch a file with its own [`Transfer`](crate::Transfer), and answer with `handle_fetched` once it is durable or
    /// has failed. At most [`FolderConfig::fetches`] of these are under way.
    Fetch {
        /// The file.
        file: FileId,
        /// Its path on the server.
        path: SharePath,
        /// Bytes, as listed.
        size: u64,
    },
    /// Pause the transfer of a file that is being fetched, and answer with `handle_fetched` ([`FetchReply::Stopped`]).
    StopFetch {
        /// The file.
        file: FileId,
    },
    /// Know that a file failed. The others continue. No answer is expected.
    FileFailed {
        /// The file.
        file: FileId,
        /// The reason.
        problem: Problem,
    },
    /// Know that a folder can't be listed, or not to its end. The others continue. No answer is expected.
    FolderFailed {
        /// The folder.
        folder: FolderId,
        /// The reason.
        problem: FolderProblem,
    },
    /// Make every file durable that was kept so far (`handle_kept` was called). Then append this record to the journal,
    /// and make that durable. Then answer with `handle_committed`. Only one commit is under way. A failed record must
    /// leave nothing in the journal.
    Commit {
        /// A whole record, in the form in which the journal has it.
        record: Vec<u8>,
    },
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A folder.
    Folder {
        /// Its name from here on.
        id: FolderId,
        /// Its name on the server: one name, and not yet safe for any file system.
        name: String,
    },
    /// A file.
    File {
        /// Its name from here on.
        id: FileId,
        /// Its name on the server, as for a folder.
        name: String,
        /// Bytes.
        size: u64,
        /// Last change, in milliseconds since 1970-01-01 UTC, if known.
        modified_ms: Option<i64>,
    },
    /// An entry that is left out. It is reported only when it is listed, not when a journal brings a folder back.
    LeftOut {
        /// Its name on the server, as for a folder.
        name: String,
        /// The reason.
        reason: LeftOut,
    },
}

/// The reason why an entry is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// A link to nothing, or a broken link of an older server that does not say how it is broken.
    Dangling,
    /// A link out of the share.
    LeadsOut,
    /// A circular link, or a link to a folder that contains it.
    Circle,
    /// The server may not read it.
    Unreadable,
    /// Its path is longer than the protocol allows.
    PathTooLong,
    /// A folder nested in more than [`MAX_DEPTH`](super::MAX_DEPTH) others.
    TooDeep,
}

impl LeftOut {
    /// Whether the user misses something. A link that leads to nothing shared has no content to miss.
    #[must_use]
    pub const fn is_missed(self) -> bool {
        !matches!(self, Self::Dangling | Self::LeadsOut | Self::Circle)
    }
}

/// The place of a kept file in the caller's storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The first byte in the pack.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// The answer to [`FolderOutput::Look`], for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookReply {
    /// No file that could be it: it is fetched.
    Missing,
    /// It is there and durable.
    Same {
        /// Bytes.
        size: u64,
        /// Its BLAKE3 hash.
        root: Hash,
    },
    /// A file that may be it. It is handed out with [`FolderOutput::Fetch`], so that hashes can be compared before data
    /// is fetched.
    Unsure,
}

/// The answer to [`FolderOutput::Keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepReply {
    /// It is kept, at a place in a pack or as a separate file. From the next commit on it is durable.
    Done(Option<Place>),
    /// This file can't be kept; others may.
    FileFailed(StoreError),
    /// Storage failed, for every other file too: the folder stops.
    Failed(StoreError),
}

/// The answer to [`FolderOutput::Fetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchReply {
    /// It is complete and durable.
    Done {
        /// Bytes.
        size: u64,
        /// Its BLAKE3 hash.
        root: Hash,
    },
    /// This file failed; others may succeed.
    FileFailed(Problem),
    /// No file can be fetched any more: the folder stops.
    Failed(Problem),
    /// It was stopped, and is handed out again when the folder resumes.
    Stopped,
}

/// A command of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderCommand {
    /// Request nothing more, stop the files that are being fetched, record the progress, close the connection: then
    /// [`crate::Phase::Paused`].
    Pause,
    /// Resume after a pause or a failure, or retry at once if the next try would be later. Also retries failed files,
    /// even of a complete folder.
    Resume,
    /// Hold at most this many bytes.
    SetMemoryBudget(u64),
    /// Request at most this many bytes a second of small files, or without a limit.
    SetRateLimit(Option<u64>),
    /// Fetch this many large files at once. Those under way continue.
    SetFetches(u8),
}
