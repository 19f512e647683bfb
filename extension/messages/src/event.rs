//! The data that views show.

use serde::{Deserialize, Serialize};
use wstp_words::Phrase;

use crate::{LoginView, TransferId};

/// An event that the catalogue sends to all views, at most four times a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// These transfers are new or have changed.
    Transfers(Vec<TransferView>),
    /// These transfers are gone.
    Removed(Vec<TransferId>),
    /// The remembered servers, last used first.
    Servers(Vec<ServerView>),
    /// The user logged in or out somewhere.
    Logins(Vec<LoginView>),
    /// The settings changed.
    Settings(Settings),
    /// The notice changed or disappeared.
    Notice(Option<Notice>),
    /// The history of saves changed.
    History,
}

/// The whole state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The remembered servers, last used first.
    pub servers: Vec<ServerView>,
    /// Who the user is at servers where that is known.
    pub logins: Vec<LoginView>,
    /// All transfers, oldest first.
    pub transfers: Vec<TransferView>,
    /// The settings.
    pub settings: Settings,
    /// The notice about the stored data that the user has to read, if any.
    pub notice: Option<Notice>,
}

/// Tells the user what happened to all stored data. It stays until the user dismisses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// In words.
    pub problem: Problem,
    /// Whether nothing can be kept at all, so that nothing can be downloaded.
    pub is_lasting: bool,
}

/// A remembered server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its WebSocket URL in one fixed spelling, `ws://host:port/ws`.
    pub address: String,
    /// Its label: `host:port`.
    pub label: String,
    /// Program and version as the server says, empty until connected once.
    pub agent: String,
}

/// The user's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Transfers under way at once, 1 to 4.
    pub active_transfers: u8,
    /// Connections per transfer, 1 to 8; 0 for as many as help.
    pub connections: u8,
    /// Bytes a second over all transfers, `None` for no limit.
    pub rate_limit: Option<u64>,
    /// Save each file to disk as soon as it is complete.
    pub save_when_complete: bool,
    /// Free the copy in the sandbox once Chrome reports the file saved.
    pub free_after_save: bool,
    /// The events that the user is notified of. Journals of older builds end before.
    #[serde(default)]
    pub notify: Notify,
    /// Keep no history of what was saved.
    #[serde(default)]
    pub without_history: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            active_transfers: 3,
            connections: 0,
            rate_limit: None,
            save_when_complete: false,
            free_after_save: true,
            notify: Notify::All,
            without_history: false,
        }
    }
}

/// A file or folder that was saved to the user's disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastSave {
    /// Its name on the server.
    pub name: String,
    /// The label of the server; empty if that is unknown.
    pub server: String,
    /// The path on the user's disk.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The time when it was saved, in milliseconds since 1970-01-01 UTC.
    pub saved_ms: f64,
}

/// The events that the user is notified of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notify {
    /// The end of downloads, and problems.
    #[default]
    All,
    /// Downloads that need the user.
    Problems,
    /// Nothing.
    Never,
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name: text from a stranger, never markup.
    pub name: String,
    /// Its kind.
    pub kind: ListedKind,
    /// Bytes in a file.
    pub size: u64,
    /// Last change, in milliseconds since 1970-01-01 UTC.
    pub modified_ms: Option<i64>,
}

/// The place on a server to which an address leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The names of the folders on the path, outermost first.
    pub folders: Vec<String>,
    /// The requested file in the last of them.
    pub file: Option<Listed>,
    /// The reason why the place can't be shown, if there is one.
    pub problem: Option<Problem>,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListedKind {
    /// Can be opened.
    Directory,
    /// Can be downloaded.
    File,
    /// A link to nothing.
    Dangling,
    /// The server may not read it.
    Unreadable,
    /// A link out of the shared folder.
    LeadsOut,
    /// A circular link.
    Circle,
}

/// A problem and its remedy, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The problem: one sentence.
    pub what: Phrase,
    /// The remedy: one sentence, or empty.
    pub advice: Phrase,
}

/// One transfer in its current state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferView {
    /// Identifies it.
    pub id: TransferId,
    /// The address of the server it came from.
    pub server: String,
    /// The label of that server.
    pub server_label: String,
    /// The path of the file or folder on the server.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its size in bytes; for a folder, as far as known.
    pub size: u64,
    /// The counts of a folder; `None` for a file.
    pub folder: Option<FolderView>,
    /// Its state.
    pub state: TransferState,
    /// Its place among those that wait for their turn, 1 for the next. Absent beyond the first 99.
    pub place: Option<u32>,
    /// The room that it waits for, if there is not enough to begin.
    pub lacks: Option<RoomView>,
    /// Whether it waits until the user logs in to its server.
    pub needs_login: bool,
    /// Whether it failed because the file changed on the server. To resume it is to take the new version.
    pub is_outdated: bool,
    /// Its problem, for every state that has one.
    pub problem: Option<Problem>,
    /// Bytes verified and written.
    pub verified: u64,
    /// Bytes written and not yet verified.
    pub received: u64,
    /// Bytes a second, averaged over some seconds; 0 when nothing flows.
    pub rate: f64,
    /// The most bytes a second that the user allows.
    pub rate_limit: Option<u64>,
    /// The order in which its blocks arrive.
    pub order: BlockOrder,
    /// Seconds left, if known.
    pub seconds_left: Option<f64>,
    /// How many blocks the file has: the scale of the ranges below. For a folder, the ranges count files.
    pub blocks: u64,
    /// Blocks verified. At most 512 ranges; finer ones are joined.
    pub verified_blocks: Vec<BlockRange>,
    /// Blocks received and not yet verified.
    pub received_blocks: Vec<BlockRange>,
    /// Blocks in flight.
    pub requested_blocks: Vec<BlockRange>,
    /// The sources of the blocks.
    pub sources: Vec<SourceView>,
    /// The file's BLAKE3 hash in lower-case hexadecimal, once known.
    pub root: Option<String>,
    /// The path of Chrome's saved copy.
    pub saved_as: Option<String>,
    /// How many of its files were saved there and are no longer on the disk, as far as Chrome knows.
    pub missing: u64,
    /// How many of its files were saved under a second name, because a file had theirs already.
    pub beside: u64,
    /// Whether the sandbox holds the complete file.
    pub in_sandbox: bool,
    /// The time when it was added, in milliseconds since 1970-01-01 UTC.
    pub added_ms: f64,
}

/// The room that a transfer needs, and the room that is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomView {
    /// Bytes it still needs in the browser.
    pub needed: u64,
    /// Additional bytes that it needs while it is saved, in the folder to which it is saved.
    pub to_save: u64,
    /// Whether it may need more, because not all of its files are found yet.
    pub is_least: bool,
    /// Bytes free on the disk where the browser keeps its files.
    pub free: u64,
    /// The part of them that the transfers before it still need.
    pub promised: u64,
}

/// The order in which the blocks of a file arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockOrder {
    /// The fastest order.
    #[default]
    Fastest,
    /// From the beginning, without gaps except for blocks in flight.
    InOrder,
}

/// The counts of a folder's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderView {
    /// Files found so far.
    pub files: u64,
    /// Files that are complete in the sandbox.
    pub done: u64,
    /// Files and folders that failed.
    pub problems: u64,
    /// Whether more files may be found.
    pub is_walking: bool,
    /// Files on the user's disk.
    pub saved: u64,
}

/// One file of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Its path in the folder: text from a stranger, never markup.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its state.
    pub state: FileState,
    /// Why it failed.
    pub problem: Option<Problem>,
}

/// The durable state of a file of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// It is not complete.
    Missing,
    /// It is in the sandbox.
    Complete,
    /// It is on the user's disk.
    Saved,
    /// It failed.
    Failed,
}

/// Blocks from `first` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRange {
    /// The first block.
    pub first: u64,
    /// The block after the last.
    pub end: u64,
}

/// A source that serves blocks of a transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceView {
    /// Identifies it within its transfer; 0 is the transfer's first server.
    pub id: u32,
    /// Its label.
    pub label: String,
    /// The file's path on it.
    pub path: String,
    /// Whether it is used.
    pub standing: SourceStanding,
    /// Verified bytes from it since the transfer last started.
    pub verified: u64,
    /// How many connections to it are open.
    pub connections: u32,
    /// Bytes a second from it.
    pub rate: f64,
    /// Bytes in flight from it.
    pub in_flight: u64,
    /// Smoothed round trip in milliseconds, once measured.
    pub round_trip_ms: Option<f64>,
    /// Its last problem.
    pub problem: Option<Problem>,
}

/// Whether a source is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum SourceStanding {
    /// The transfer does not run.
    Idle,
    /// It is used.
    Used,
    /// It failed or is busy. The engine retries it.
    Waiting {
        /// Seconds until the next try.
        retry_seconds: f64,
    },
    /// It sent wrong data and is benched for a while.
    Benched,
    /// It is given up.
    GivenUp,
}

/// The state of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum TransferState {
    /// Waits for a place among the active ones.
    Queued,
    /// Connects or opens the file.
    Starting,
    /// Blocks arrive.
    Downloading,
    /// All blocks arrived, and the blocks of an earlier run are being read back.
    Checking {
        /// The checked share, in percent.
        percent: u8,
    },
    /// All blocks arrived; the server still computes the hashes to verify them with.
    Verifying,
    /// The connection was lost; the next try comes by itself.
    Waiting {
        /// Seconds until the next try.
        retry_seconds: f64,
    },
    /// The user paused it.
    Paused,
    /// Every block is verified and in the sandbox.
    Complete,
    /// Chrome copies it to the disk.
    Saving,
    /// On the user's disk.
    Saved,
    /// The user cancelled it; the user may still resume it.
    Cancelled,
    /// It can't continue by itself.
    Failed,
}
