//! What views show.

use serde::{Deserialize, Serialize};

use crate::TransferId;

/// What the catalogue tells all views, at most four times a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// These transfers are new or have changed.
    Transfers(Vec<TransferView>),
    /// These transfers are gone.
    Removed(Vec<TransferId>),
    /// The servers it remembers, last used first.
    Servers(Vec<ServerView>),
    /// The settings changed.
    Settings(Settings),
    /// There is another notice, or none any more.
    Notice(Option<Notice>),
}

/// Everything there is to show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The servers it remembers, last used first.
    pub servers: Vec<ServerView>,
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

/// A server it remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its WebSocket URL in one fixed spelling, `ws://host:port/ws`.
    pub address: String,
    /// What to show: `host:port`.
    pub label: String,
    /// Program and version as the server says, empty until connected once.
    pub agent: String,
}

/// What the user can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Transfers under way at once, 1 to 4.
    pub active_transfers: u8,
    /// Connections per transfer, 1 to 8; 0 for as many as help.
    pub connections: u8,
    /// Bytes a second over all transfers, `None` for as many as there are.
    pub rate_limit: Option<u64>,
    /// Save each file to disk as soon as it is complete.
    pub save_when_complete: bool,
    /// Free the copy in the sandbox once Chrome reports the file saved.
    pub free_after_save: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { active_transfers: 3, connections: 0, rate_limit: None, save_when_complete: false, free_after_save: true }
    }
}

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name: text from a stranger, never markup.
    pub name: String,
    /// What it is.
    pub kind: ListedKind,
    /// Bytes in a file.
    pub size: u64,
    /// Last change, in milliseconds since 1970-01-01 UTC.
    pub modified_ms: Option<i64>,
}

/// The place on a server that an address leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// The names of the folders on the way, outermost first.
    pub folders: Vec<String>,
    /// The file in the last of them that was asked for.
    pub file: Option<Listed>,
    /// Why what was asked for can't be shown, where that is so.
    pub problem: Option<Problem>,
}

/// What an entry is.
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
    /// A link out of what is shared.
    LeadsOut,
    /// A link round in a circle.
    Circle,
}

/// What went wrong and what to do, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What happened: one sentence.
    pub what: String,
    /// What the user can do: one sentence, or empty.
    pub advice: String,
}

/// One transfer as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransferView {
    /// Names it.
    pub id: TransferId,
    /// The address of the server it came from.
    pub server: String,
    /// What to call that server.
    pub server_label: String,
    /// The path of the file or folder on the server.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its size in bytes, of a folder as far as known.
    pub size: u64,
    /// What only a folder has; `None` for a file.
    pub folder: Option<FolderView>,
    /// Where it stands.
    pub state: TransferState,
    /// Its place among those that wait for their turn, 1 for the next; not said beyond the first 99.
    pub place: Option<u32>,
    /// The room it waits for, where there is not enough for it to begin.
    pub lacks: Option<RoomView>,
    /// Whether it failed because the file changed on the server: to go on is to take it as it is now.
    pub is_outdated: bool,
    /// What went wrong, for every state in which something did.
    pub problem: Option<Problem>,
    /// Bytes verified and written.
    pub verified: u64,
    /// Bytes written and not yet verified.
    pub received: u64,
    /// Bytes a second, averaged over some seconds; 0 when nothing flows.
    pub rate: f64,
    /// The most bytes a second the user lets it have.
    pub rate_limit: Option<u64>,
    /// In which order its blocks come.
    pub order: BlockOrder,
    /// Seconds left, where that can be said.
    pub seconds_left: Option<f64>,
    /// How many blocks the file has: the scale of the ranges below. Of a folder they count files.
    pub blocks: u64,
    /// Blocks verified. At most 512 ranges; finer ones are joined.
    pub verified_blocks: Vec<BlockRange>,
    /// Blocks received and not yet verified.
    pub received_blocks: Vec<BlockRange>,
    /// Blocks asked for.
    pub requested_blocks: Vec<BlockRange>,
    /// Where the blocks come from.
    pub sources: Vec<SourceView>,
    /// The file's BLAKE3 hash in lower-case hexadecimal, once known.
    pub root: Option<String>,
    /// Where Chrome saved it.
    pub saved_as: Option<String>,
    /// Whether the sandbox holds the complete file.
    pub in_sandbox: bool,
    /// When it was added, in milliseconds since 1970-01-01 UTC.
    pub added_ms: f64,
}

/// The room that a transfer needs, and what there is of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomView {
    /// Bytes it still needs in the browser.
    pub needed: u64,
    /// Bytes it needs beside them, in the folder it is saved to, while it is saved.
    pub to_save: u64,
    /// Whether more may be needed: not all of its files are found.
    pub is_least: bool,
    /// Bytes free on the disk where the browser keeps its files.
    pub free: u64,
    /// Bytes of these that the transfers before it still need.
    pub promised: u64,
}

/// In which order the blocks of a file come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockOrder {
    /// As they come fastest.
    #[default]
    Fastest,
    /// From the beginning on, without gaps but for what is under way.
    InOrder,
}

/// How the files of a folder stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderView {
    /// Files found so far.
    pub files: u64,
    /// Files that are complete in the sandbox.
    pub done: u64,
    /// Files and folders that could not be had.
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
    /// Where it stands.
    pub state: FileState,
    /// Why it could not be had.
    pub problem: Option<Problem>,
}

/// Where a file of a folder stands, as far as that is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileState {
    /// It is not complete.
    Missing,
    /// It is in the sandbox.
    Complete,
    /// It is on the user's disk.
    Saved,
    /// It could not be had.
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

/// Something that serves blocks of a transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceView {
    /// Names it within its transfer; 0 is the server the file was found on.
    pub id: u32,
    /// What to call it.
    pub label: String,
    /// The file's path there.
    pub path: String,
    /// Whether it is used.
    pub standing: SourceStanding,
    /// Bytes from it that were verified since the transfer was taken up last.
    pub verified: u64,
    /// How many connections to it are open.
    pub connections: u32,
    /// Bytes a second from it.
    pub rate: f64,
    /// Bytes under way from it.
    pub in_flight: u64,
    /// Smoothed round trip in milliseconds, once measured.
    pub round_trip_ms: Option<f64>,
    /// What went wrong with it last.
    pub problem: Option<Problem>,
}

/// Whether a source is used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum SourceStanding {
    /// The transfer does not run.
    Idle,
    /// It is used.
    Used,
    /// It failed or is busy, and is tried again.
    Waiting {
        /// When, in seconds from now.
        retry_seconds: f64,
    },
    /// It sent what is wrong, and is left alone for a while.
    Benched,
    /// It is not tried again by itself.
    GivenUp,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum TransferState {
    /// Waits for a place among the active ones.
    Queued,
    /// Connects or opens the file.
    Starting,
    /// Blocks arrive.
    Downloading,
    /// Everything arrived, and what an earlier run stored is being read back.
    Checking {
        /// How much of it is checked, in percent.
        percent: u8,
    },
    /// Everything arrived; the server still computes the hashes to verify it with.
    Verifying,
    /// The connection was lost; the next try comes by itself.
    Waiting {
        /// When, in seconds from now.
        retry_seconds: f64,
    },
    /// The user stopped it for now.
    Paused,
    /// Every block is verified and in the sandbox.
    Complete,
    /// Chrome copies it to the disk.
    Saving,
    /// On the user's disk.
    Saved,
    /// The user stopped it for good; resuming takes that back.
    Cancelled,
    /// It can't go on by itself.
    Failed,
}
