//! What a tree is told, what comes out of it for the caller to do, and what the caller answers.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wstp_protocol::{ClientMessage, Hash, SharePath};

use super::journal::Stored;
use super::progress::TreeProblem;
use crate::{ConnectionId, Credential, Problem, StoreError};

/// Names a folder within one tree. The one that was asked for is 0; the others count up as they are listed, outer ones before those in them. The
/// journal keeps the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FolderId(pub u32);

/// Names a file within one tree: counted from 0 as they are listed. The journal keeps the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// How a tree is fetched.
#[derive(Clone, Debug)]
pub struct TreeConfig {
    /// The folder on the server.
    pub path: SharePath,
    /// Proves who the client is, if the server wants that.
    pub credential: Option<Credential>,
    /// The program's name and version, told to the server.
    pub agent: String,
    /// Bytes of small files asked for and not yet kept; at least one frame (256 KiB). Listings come on top: at most 4 MiB.
    pub memory_budget: u64,
    /// Bytes a second of small files to ask for; `None` for as many as there are. Large ones are the caller's to limit.
    pub rate_limit: Option<u64>,
    /// Large files fetched at once, at least 1.
    pub fetches: u8,
    /// Bytes kept after which what is there is committed.
    pub commit_bytes: u64,
    /// Files kept after which what is there is committed.
    pub commit_files: u32,
    /// Time after which what is there is committed.
    pub commit_interval: Duration,
    /// Whether the caller is asked what is there already of small files ([`TreeOutput::Look`]).
    pub looks: bool,
    /// Seed of the jitter in retries, so that a run can be repeated.
    pub seed: u64,
}

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum TreeOutput {
    /// Open a connection to the server; then `handle_opened`, or `handle_closed` if that fails.
    Connect {
        /// Its name from here on.
        connection: ConnectionId,
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
    /// Know these entries of a folder. Each entry is told once in the life of a [`TreeTransfer`](super::TreeTransfer), before anything else is said of it,
    /// also those that a journal brought back; within a folder in the order of the listing. Nothing is to be answered.
    Listed {
        /// The folder, which was told before; the first one is 0.
        folder: FolderId,
        /// What is in it, or some of it.
        entries: Vec<Listed>,
    },
    /// Look what is there already of these small files, and answer each with `handle_looked`; they are not asked for before. Only where
    /// [`TreeConfig::looks`] wants it.
    Look {
        /// Which.
        files: Vec<FileId>,
    },
    /// Read back and hash a file that an earlier run stored, and answer with `handle_looked`: [`LookReply::Same`] with the hash that it has, or
    /// [`LookReply::Missing`] where it is to be fetched anew. Others of these may be out, but never many bytes.
    Check {
        /// Which.
        file: FileId,
        /// Its size, hash and form when it was stored.
        stored: Stored,
    },
    /// Keep a whole file, whose bytes are verified, and answer with `handle_kept`, in any order. It need not be durable before the next commit.
    Keep {
        /// Which.
        file: FileId,
        /// Its path on the server.
        path: SharePath,
        /// Last change there, in milliseconds since 1970-01-01 UTC, where known.
        modified_ms: Option<i64>,
        /// Its BLAKE3 hash.
        root: Hash,
        /// All of its bytes.
        data: Bytes,
    },
    /// Fetch a file with a [`Transfer`](crate::Transfer) of its own, and answer with `handle_fetched` once it is durable or has failed. No more of these
    /// are out than [`TreeConfig::fetches`].
    Fetch {
        /// Which.
        file: FileId,
        /// Its path on the server.
        path: SharePath,
        /// Bytes, as it was listed.
        size: u64,
    },
    /// Pause the transfer of a file that is being fetched, and answer with `handle_fetched` ([`FetchReply::Stopped`]).
    StopFetch {
        /// Which.
        file: FileId,
    },
    /// Know that a file can't be had; the others go on. Nothing is to be answered.
    FileFailed {
        /// Which.
        file: FileId,
        /// Why.
        problem: Problem,
    },
    /// Know that a folder can't be listed, or not to its end; the others go on. Nothing is to be answered.
    FolderFailed {
        /// Which.
        folder: FolderId,
        /// Why.
        problem: TreeProblem,
    },
    /// Make every file durable that was kept so far (`handle_kept` was called), then append this record to the journal, then make that durable; then
    /// answer with `handle_committed`. There is one at a time. Of a record that failed, nothing may be left in the journal.
    Commit {
        /// A whole record, as it stands in the journal.
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
        /// As of a folder.
        name: String,
        /// Bytes.
        size: u64,
        /// Last change, in milliseconds since 1970-01-01 UTC, where known.
        modified_ms: Option<i64>,
    },
    /// Something that is left out. Only told as it is listed, not when a journal brings a tree back.
    LeftOut {
        /// As of a folder.
        name: String,
        /// Why.
        reason: LeftOut,
    },
}

/// Why an entry is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// A link to nothing, or one of which an older server does not say where it goes wrong.
    Dangling,
    /// A link out of the share.
    LeadsOut,
    /// A link round in a circle, or to a folder that it lies in.
    Circle,
    /// The server may not read it.
    Unreadable,
    /// Its path is longer than the protocol allows.
    PathTooLong,
    /// A folder in more than [`MAX_DEPTH`](super::MAX_DEPTH) others.
    TooDeep,
}

impl LeftOut {
    /// Whether something is missed. Links that lead to nothing that is shared have nothing to be had.
    #[must_use]
    pub const fn is_missed(self) -> bool {
        !matches!(self, Self::Dangling | Self::LeadsOut | Self::Circle)
    }
}

/// Where in the caller's storage a kept file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The first byte in the pack.
    pub offset: u64,
    /// Bytes there.
    pub length: u64,
}

/// What came of [`TreeOutput::Look`], for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookReply {
    /// Nothing that could be the file: it is fetched.
    Missing,
    /// It is there and durable.
    Same {
        /// Bytes.
        size: u64,
        /// Its BLAKE3 hash.
        root: Hash,
    },
    /// Something that may be the file: it is handed out with [`TreeOutput::Fetch`], where hashes can be compared before data is fetched.
    Unsure,
}

/// What came of [`TreeOutput::Keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepReply {
    /// It is kept, at a place in a pack or as a file of its own. From the next commit on it is durable.
    Done(Option<Place>),
    /// This file can't be kept; others may.
    FileFailed(StoreError),
    /// Storage failed, for every other file as well: the tree stops.
    Failed(StoreError),
}

/// What came of [`TreeOutput::Fetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchReply {
    /// It is complete and durable.
    Done {
        /// Bytes.
        size: u64,
        /// Its BLAKE3 hash.
        root: Hash,
    },
    /// This file can't be had; others may.
    FileFailed(Problem),
    /// Nothing can be had any more: the tree stops.
    Failed(Problem),
    /// It was stopped, and is handed out again when the tree goes on.
    Stopped,
}

/// What the user wants of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeCommand {
    /// Ask for nothing more, stop what is being fetched, write down what there is, close the connection: then [`crate::Phase::Paused`].
    Pause,
    /// Go on after a pause or a failure, at once where the next try would be later; and try again what failed, also of a tree that is complete.
    Resume,
    /// Hold at most so many bytes.
    SetMemoryBudget(u64),
    /// Ask for at most so many bytes a second of small files, or for as many as there are.
    SetRateLimit(Option<u64>),
    /// Fetch so many large files at once. Those under way go on.
    SetFetches(u8),
}
