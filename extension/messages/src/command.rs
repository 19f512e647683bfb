//! What a view can ask for.

use serde::{Deserialize, Serialize};

use crate::{BlockOrder, FileView, Listed, Problem, SaveTask, ServerView, Settings, Snapshot, Spot, TransferId};

/// Names a command: 16 random bytes in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub String);

/// What a view can ask of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Everything there is to show; answered with [`Reply::Snapshot`].
    Watch,
    /// Connects to a server and remembers it; answered with [`Reply::Connected`].
    Connect {
        /// As typed: `host`, `host:port`, `ws://…`, `wss://…`, `http://…`, and behind it a path to a folder or a file.
        address: String,
    },
    /// Forgets a server; its transfers stay.
    Forget {
        /// [`ServerView::address`].
        address: String,
    },
    /// One page of a folder; answered with [`Reply::Listing`].
    List {
        /// [`ServerView::address`].
        address: String,
        /// The folder, names joined by `/`, empty for the share itself.
        path: String,
        /// `next` of the page before, `None` for the first page.
        cursor: Option<String>,
    },
    /// Remembers a server that was forgotten.
    Remember {
        /// As it was told.
        server: ServerView,
    },
    /// Downloads a file; answered with [`Reply::Transfer`]: a new transfer, or the one that already fetches or holds this file.
    Download {
        /// [`ServerView::address`].
        address: String,
        /// The file, names joined by `/`.
        path: String,
        /// Its size in bytes, as listed.
        size: u64,
        /// Its last change in milliseconds since 1970-01-01 UTC, as listed. If a complete copy is from another time, or of another size, it is
        /// updated: what still matches of it is not fetched again, and it stays until the new one is complete.
        modified_ms: Option<i64>,
    },
    /// Downloads everything in a folder as one transfer; answered as [`Command::Download`].
    DownloadFolder {
        /// [`ServerView::address`].
        address: String,
        /// The folder, names joined by `/`, empty for the share itself.
        path: String,
    },
    /// One page of the files of a folder that is being downloaded or was; answered with [`Reply::Files`].
    Files {
        /// Which one.
        transfer: TransferId,
        /// Whether to list only those that could not be had.
        only_problems: bool,
        /// The first one wanted, counted from 0.
        from: u64,
        /// Most files wanted, at most [`crate::MAX_FILES`].
        limit: u32,
    },
    /// Stops a transfer until it is resumed, or the saving of a folder until it is saved again; what Chrome has begun of that it still ends.
    Pause {
        /// Which one.
        transfer: TransferId,
    },
    /// Goes on with a transfer that is paused, failed or cancelled; of a complete folder, tries again what could not be had.
    Resume {
        /// Which one.
        transfer: TransferId,
    },
    /// Limits how fast a transfer may be.
    Limit {
        /// Which one.
        transfer: TransferId,
        /// Bytes a second, `None` for as many as there are.
        rate: Option<u64>,
    },
    /// Has the blocks of a file come in another order.
    Order {
        /// Which one.
        transfer: TransferId,
        /// The order.
        order: BlockOrder,
    },
    /// Fetches a transfer from this server too.
    AddSource {
        /// Which one.
        transfer: TransferId,
        /// As typed.
        address: String,
        /// The file's path there.
        path: String,
    },
    /// Fetches nothing more of a transfer from this server.
    RemoveSource {
        /// Which one.
        transfer: TransferId,
        /// [`crate::SourceView::id`]; the server it was found on stays.
        source: u32,
    },
    /// Does the same to all transfers it fits.
    Sweep(Sweep),
    /// Lets a transfer that waits for its turn come earlier or later.
    Move {
        /// Which one.
        transfer: TransferId,
        /// Where to.
        step: Step,
    },
    /// Stops a transfer for good. What it has stays until it is removed, so that this can be undone with [`Command::Resume`].
    /// The saving of a folder stops as with [`Command::Pause`]; of a file Chrome gives it up.
    Cancel {
        /// Which one.
        transfer: TransferId,
    },
    /// Removes a transfer from the list and its copy from the sandbox.
    Remove {
        /// Which one.
        transfer: TransferId,
    },
    /// Saves a complete transfer to the user's disk, once more where it is there already.
    Save {
        /// Which one.
        transfer: TransferId,
    },
    /// Lists the files of a complete transfer to save into a folder that the user picked; answered with [`Reply::Tasks`].
    Tasks {
        /// Which one.
        transfer: TransferId,
        /// The first file wanted.
        from: u32,
    },
    /// A page begins to save a complete transfer into a folder that the user picked.
    SaveInto {
        /// Which one.
        transfer: TransferId,
        /// Name of the folder or file in the picked folder.
        name: String,
        /// Whether files of it are there already.
        goes_on: bool,
    },
    /// That page has written these files of a folder. An error where it is not to go on.
    Wrote {
        /// Which one.
        transfer: TransferId,
        /// Their numbers.
        files: Vec<u32>,
    },
    /// That page is done.
    WroteAll {
        /// Which one.
        transfer: TransferId,
        /// Path of the saved copy, or the problem that stopped the save.
        result: Result<String, Problem>,
    },
    /// Changes the settings.
    Set {
        /// The new settings.
        settings: Settings,
    },
    /// Begins a transfer although there is no room for all of it.
    Insist {
        /// Which one.
        transfer: TransferId,
    },
    /// The user has read the [`crate::Notice`]. Where nothing can be kept, the catalogue tries to open the browser's storage again.
    Dismiss,
}

/// What can be done to all transfers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sweep {
    /// Stops those under way and those that wait for their turn.
    Pause,
    /// Goes on with those that are paused.
    Resume,
    /// Tries those that failed again, but for those whose file changed: for each of them the user decides.
    Retry,
}

/// How a transfer that waits for its turn moves among the others that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It is the next.
    First,
    /// One place towards the next.
    Earlier,
    /// One place towards the last.
    Later,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// It is done and there is nothing more to say.
    Done,
    /// Answers [`Command::Watch`].
    Snapshot(Snapshot),
    /// Answers [`Command::Connect`].
    Connected {
        /// The server.
        server: ServerView,
        /// The place on it that the command asked for.
        spot: Spot,
    },
    /// Answers [`Command::List`].
    Listing {
        /// Directories first, then by name.
        entries: Vec<Listed>,
        /// Where the next page begins.
        next: Option<String>,
    },
    /// Answers [`Command::Files`].
    Files {
        /// In the order in which they were found.
        files: Vec<FileView>,
        /// How many there are to be listed, as far as known.
        total: u64,
    },
    /// Answers [`Command::Tasks`].
    Tasks {
        /// Files that are not in the picked folder yet; their paths are relative to the folder that is saved.
        tasks: Vec<SaveTask>,
        /// The first file of the next page, if there is one.
        next: Option<u32>,
        /// Name that the folder or file should get.
        name: String,
        /// Name under which an earlier page began to save it, if one did.
        begun_as: Option<String>,
    },
    /// Answers [`Command::Download`] and [`Command::DownloadFolder`].
    Transfer {
        /// The transfer.
        transfer: TransferId,
        /// Whether it was there before.
        existing: bool,
    },
}
