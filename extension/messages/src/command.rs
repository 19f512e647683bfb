//! The commands of a view.

use serde::{Deserialize, Serialize};

use crate::{
    BlockOrder, Credential, FileView, Listed, Need, PastSave, Problem, SaveTask, ServerView, Settings, Snapshot, Spot,
    TransferId,
};

/// Names a command: 16 random bytes in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub String);

/// A view's request to the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// The whole state; answered with [`Reply::Snapshot`].
    Watch,
    /// Connects to a server and remembers it; answered with [`Reply::Connected`].
    Connect {
        /// The typed text: `host`, `host:port`, `ws://…`, `wss://…`, `http://…`, and optionally a path to a folder or a
        /// file.
        address: String,
    },
    /// Logs in to a server, or opens a share link that has a password, and keeps the token.
    LogIn {
        /// [`ServerView::address`].
        address: String,
        /// The user's name, empty at a share link; `None` if the secret is a token.
        user: Option<String>,
        /// The password, or a token. A password is forgotten as soon as the server has answered.
        secret: Credential,
    },
    /// Logs out of a server, and forgets the token.
    LogOut {
        /// [`ServerView::address`].
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
    /// Looks for entries beneath a folder by words of their names; answered with [`Reply::Found`].
    Search {
        /// [`ServerView::address`].
        address: String,
        /// The folder, names joined by `/`, empty for the share itself.
        path: String,
        /// The words.
        words: String,
        /// `next` of the reply before, `None` for the first request.
        cursor: Option<String>,
    },
    /// Remembers a server that was forgotten.
    Remember {
        /// The server's view from before.
        server: ServerView,
    },
    /// Downloads a file; answered with [`Reply::Transfer`]: a new transfer, or the one that already fetches or has this
    /// file.
    Download {
        /// [`ServerView::address`].
        address: String,
        /// The file, names joined by `/`.
        path: String,
        /// Its size in bytes, as listed.
        size: u64,
        /// Its last change in milliseconds since 1970-01-01 UTC, as listed. A complete copy of another time or size is
        /// updated. The update keeps blocks that still match, and the copy stays until the new one is complete.
        modified_ms: Option<i64>,
    },
    /// Downloads everything in a folder as one transfer; answered as [`Command::Download`].
    DownloadFolder {
        /// [`ServerView::address`].
        address: String,
        /// The folder, names joined by `/`, empty for the share itself.
        path: String,
    },
    /// One page of the files of a transfer's folder; answered with [`Reply::Files`].
    Files {
        /// The transfer.
        transfer: TransferId,
        /// Whether to list only files that failed.
        only_problems: bool,
        /// The first file wanted, counted from 0.
        from: u64,
        /// Most files wanted, at most [`crate::MAX_FILES`].
        limit: u32,
    },
    /// Stops a transfer until it is resumed, or the saving of a folder until it is saved again. Chrome finishes the
    /// files it started.
    Pause {
        /// The transfer.
        transfer: TransferId,
    },
    /// Resumes a transfer that is paused, failed or cancelled. For a complete folder, retries the files that failed.
    Resume {
        /// The transfer.
        transfer: TransferId,
    },
    /// Limits the speed of a transfer.
    Limit {
        /// The transfer.
        transfer: TransferId,
        /// Bytes a second, `None` for no limit.
        rate: Option<u64>,
    },
    /// Changes the order in which the blocks of a file arrive.
    Order {
        /// The transfer.
        transfer: TransferId,
        /// The order.
        order: BlockOrder,
    },
    /// Fetches a transfer from this server too.
    AddSource {
        /// The transfer.
        transfer: TransferId,
        /// The server's address, as typed.
        address: String,
        /// The file's path on that server.
        path: String,
    },
    /// Fetches nothing more of a transfer from this server.
    RemoveSource {
        /// The transfer.
        transfer: TransferId,
        /// [`crate::SourceView::id`]; the transfer's first server can't be removed.
        source: u32,
    },
    /// Applies a sweep to all transfers that it fits.
    Sweep(Sweep),
    /// Lets a transfer that waits for its turn come earlier or later.
    Move {
        /// The transfer.
        transfer: TransferId,
        /// The new place.
        step: Step,
    },
    /// Cancels a transfer. Its data stays until it is removed, so [`Command::Resume`] can undo this. Saving a folder
    /// stops as with [`Command::Pause`]; Chrome gives up the file of a transfer of one file.
    Cancel {
        /// The transfer.
        transfer: TransferId,
    },
    /// Removes a transfer from the list and its copy from the sandbox.
    Remove {
        /// The transfer.
        transfer: TransferId,
    },
    /// Removes all transfers from the list, and their copies from the sandbox.
    Clear,
    /// All saves that are remembered; answered with [`Reply::History`].
    History,
    /// Forgets all saves.
    ForgetHistory,
    /// Remembers saves that were forgotten.
    RememberHistory {
        /// The saves.
        saves: Vec<PastSave>,
    },
    /// Saves a complete transfer to the user's disk, once more if it is already there.
    Save {
        /// The transfer.
        transfer: TransferId,
    },
    /// Verifies a complete transfer anew: a page found that a stored file is not as it was.
    Recheck {
        /// The transfer.
        transfer: TransferId,
    },
    /// Lists the files of a complete transfer to save into a folder that the user picked; answered with
    /// [`Reply::Tasks`], [`Reply::Checking`] or [`Reply::Stale`].
    Tasks {
        /// The transfer.
        transfer: TransferId,
        /// The first file wanted.
        from: u32,
        /// Whether this page was answered [`Reply::Checking`] before. A transfer that is complete since then is
        /// verified.
        is_checked: bool,
    },
    /// A page begins to save a complete transfer into a folder that the user picked.
    SaveInto {
        /// The transfer.
        transfer: TransferId,
        /// Name of the folder or file in the picked folder.
        name: String,
    },
    /// That page has written these files of a folder. An error tells it to stop.
    Wrote {
        /// The transfer.
        transfer: TransferId,
        /// Their numbers.
        files: Vec<u32>,
        /// The files among them that got another name, because their own was taken.
        beside: Vec<u32>,
    },
    /// That page is done.
    WroteAll {
        /// The transfer.
        transfer: TransferId,
        /// Path of the saved copy, or the problem that stopped the save.
        result: Result<String, Problem>,
    },
    /// Changes the settings.
    Set {
        /// The new settings.
        settings: Settings,
    },
    /// Begins a transfer although there is not enough room for it.
    Insist {
        /// The transfer.
        transfer: TransferId,
    },
    /// The user has read the [`crate::Notice`]. If the browser's storage could not be opened, the catalogue tries
    /// again.
    Dismiss,
}

/// An action on all transfers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sweep {
    /// Pauses the transfers that run or wait for their turn.
    Pause,
    /// Resumes the paused transfers.
    Resume,
    /// Retries the failed transfers, except those whose file changed: the user decides about each of them.
    Retry,
}

/// How a transfer moves among those that wait for their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// To the first place.
    First,
    /// One place towards the next.
    Earlier,
    /// One place towards the last.
    Later,
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// It is done, and there is nothing more to say.
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
        /// The cursor of the next page.
        next: Option<String>,
        /// Whether the user is not logged in, and would see more.
        hides_more: bool,
    },
    /// Answers [`Command::Search`].
    Found {
        /// Each hit with the path of its folder, seen from the searched one. There may be none although the search goes
        /// on.
        hits: Vec<(String, Listed)>,
        /// The cursor that goes on with the search.
        next: Option<String>,
    },
    /// Answers [`Command::Connect`], [`Command::List`] and [`Command::Search`]: the user has to do something first.
    Barred {
        /// The server.
        server: ServerView,
        /// The thing to do.
        need: Need,
        /// The reason.
        problem: Problem,
    },
    /// Answers [`Command::Files`].
    Files {
        /// The files, in the order in which they were found.
        files: Vec<FileView>,
        /// How many files there are to list, as far as known.
        total: u64,
    },
    /// Answers [`Command::Tasks`].
    Tasks {
        /// The files; their paths are relative to the saved folder.
        tasks: Vec<SaveTask>,
        /// The first file of the next page, if there is one.
        next: Option<u32>,
        /// Name that the folder or file should get.
        name: String,
        /// Name under which an earlier page began to save it, if one did.
        begun_as: Option<String>,
    },
    /// Answers [`Command::History`].
    History(Vec<PastSave>),
    /// The transfer is verified anew before a page may save it. Ask again.
    Checking,
    /// A stored file of the transfer is not as it was when it was verified.
    Stale,
    /// Answers [`Command::Download`] and [`Command::DownloadFolder`].
    Transfer {
        /// The transfer.
        transfer: TransferId,
        /// Whether it was there before.
        existing: bool,
    },
}
