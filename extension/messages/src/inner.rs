//! Messages between service worker, offscreen document, catalogue and transfer workers. Views send only [`Knock`].

use serde::{Deserialize, Serialize};
use wstp_words::Phrase;

use crate::{BlockOrder, Credential, Login, Problem, TransferId, TransferView};

/// A message that reaches the service worker through `chrome.runtime.sendMessage`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Knock {
    /// From a view: ensure that the offscreen document runs. Answered when its catalogue is ready.
    Wake,
    /// From a view: find out which saved files are no longer on the disk. Told with [`Inner::Missing`], once more when
    /// Chrome has looked.
    Look,
    /// From the offscreen document: hand this URL to Chrome's downloads.
    Save {
        /// The transfer whose file it is.
        transfer: TransferId,
        /// [`SaveTask::file`].
        file: u32,
        /// A `blob:` URL of the offscreen document.
        url: String,
        /// [`SaveTask::filename`].
        filename: String,
    },
    /// From the offscreen document: find out under which name Chrome would save a folder. Answered with
    /// [`Inner::FolderTried`].
    TryFolder {
        /// The transfer.
        transfer: TransferId,
        /// A `blob:` URL of no bytes.
        url: String,
        /// The wanted path, relative to the downloads folder and already safe.
        folder: String,
    },
    /// From the offscreen document: find out the result of Chrome's last downloads of this transfer.
    Ask {
        /// The transfer.
        transfer: TransferId,
    },
    /// From the offscreen document: have Chrome cancel its unfinished downloads of this transfer.
    StopSaving {
        /// The transfer.
        transfer: TransferId,
    },
    /// From the offscreen document: show this on the toolbar button.
    Badge {
        /// At most four characters.
        text: String,
    },
    /// From the offscreen document: notify the user.
    Notify {
        /// The transfer it is about.
        transfer: TransferId,
        /// One line.
        title: Phrase,
        /// One sentence.
        text: Phrase,
    },
    /// From the offscreen document: keep this copy of the list of downloads outside of the sandbox.
    KeepCopy {
        /// The catalogue's text.
        copy: String,
    },
    /// From the offscreen document: look for that copy. Answered with [`Inner::Copy`].
    AskCopy,
    /// From the offscreen document: keep these logins, in place of those before.
    KeepLogins {
        /// All of them.
        logins: Vec<Login>,
    },
    /// From the offscreen document: look for the logins. Answered with [`Inner::Logins`].
    AskLogins,
    /// From the offscreen document: no work and no view are left, close me.
    Idle,
}

/// A context with a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContextName {
    /// The catalogue worker.
    Catalogue,
    /// The worker of a transfer.
    Transfer(TransferId),
}

/// A message between catalogue, supervisor and workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Inner {
    /// A worker lives; sent once a second.
    Alive(ContextName),
    /// Catalogue to supervisor: run a worker for this transfer.
    Start(WorkerTask),
    /// Catalogue to worker: pause, record your progress, release the files and end.
    Stop(TransferId),
    /// Catalogue to worker: these terms apply from now on.
    Adjust {
        /// The worker's transfer.
        transfer: TransferId,
        /// Its new terms.
        terms: Terms,
    },
    /// Catalogue to worker: if the next try is scheduled for later, try now.
    Retry(TransferId),
    /// Service worker to catalogue: send [`Inner::Alive`] at once.
    Hail,
    /// Worker to catalogue.
    Report {
        /// The worker's transfer.
        transfer: TransferId,
        /// Its report.
        report: WorkerReport,
    },
    /// Preview to worker: send the bytes of the file from `offset` on, as soon as they are here and verified, on the
    /// `BroadcastChannel` of this name.
    Read {
        /// The worker's transfer.
        transfer: TransferId,
        /// The first byte.
        offset: u64,
        /// The name of the channel, which only this reader uses.
        channel: String,
    },
    /// Worker to all workers: only HTTP reaches the server with this WebSocket URL.
    OverHttp(String),
    /// Supervisor to catalogue: a worker died, or fell silent and was ended. Its files are free.
    Lost(TransferId),
    /// Catalogue to supervisor: save this complete file.
    Save(SaveTask),
    /// Catalogue to supervisor: find out under which name Chrome would save this folder.
    TryFolder {
        /// The transfer.
        transfer: TransferId,
        /// The wanted path, relative to the downloads folder and already safe.
        folder: String,
    },
    /// Service worker or supervisor to catalogue: the name under which Chrome would save the folder.
    FolderTried {
        /// The transfer.
        transfer: TransferId,
        /// A path that is free on the user's disk, relative to the downloads folder; or the reason why there is none.
        folder: Result<String, Problem>,
    },
    /// Catalogue to supervisor: a save was under way when everything stopped. Report its results, and then
    /// [`Inner::Asked`].
    Ask(TransferId),
    /// Service worker or supervisor to catalogue: all that Chrome still knows has been reported.
    Asked(TransferId),
    /// Catalogue to supervisor: have Chrome cancel its unfinished downloads of this transfer. Their results are
    /// reported as for any save.
    StopSaving(TransferId),
    /// Service worker to catalogue: Chrome's download of this number ended and was removed from its list, whoever began
    /// it.
    Forgotten(i32),
    /// Service worker to catalogue: these saved files are no longer on the disk, at most [`crate::MAX_MISSING`]. All
    /// others are, as far as Chrome knows.
    Missing(Vec<MissingFile>),
    /// Service worker or supervisor to catalogue: the result of saving one file.
    Saving {
        /// The transfer whose file it is.
        transfer: TransferId,
        /// [`SaveTask::file`].
        file: u32,
        /// The result.
        outcome: SaveOutcome,
    },
    /// Catalogue to supervisor: how many transfers are active, for badge and idling.
    Active {
        /// Transfers queued or under way.
        transfers: u32,
        /// The verified share of all of them, in percent.
        percent: u8,
    },
    /// Catalogue to supervisor: notify the user.
    Notify {
        /// The transfer it is about.
        transfer: TransferId,
        /// One line.
        title: Phrase,
        /// One sentence.
        text: Phrase,
    },
    /// Supervisor to workers: the browser has a network again.
    Online,
    /// Catalogue to supervisor: keep this copy of the list of downloads outside of the sandbox, in place of the last
    /// one.
    KeepCopy(String),
    /// Catalogue to supervisor: there is no list in the sandbox. Look for that copy.
    AskCopy,
    /// Service worker or supervisor to catalogue: the copy, if there is one.
    Copy(Option<String>),
    /// Catalogue to supervisor: keep these logins, in place of those before.
    KeepLogins(Vec<Login>),
    /// Catalogue to supervisor: find the logins that were kept.
    AskLogins,
    /// Service worker to catalogue: the logins that were kept.
    Logins(Vec<Login>),
}

impl Inner {
    pub(crate) const fn topic(&self) -> &'static str {
        match self {
            Self::Alive(_) => "Alive",
            Self::Start(_) => "Start",
            Self::Stop(_) => "Stop",
            Self::Adjust { .. } => "Adjust",
            Self::Retry(_) => "Retry",
            Self::Hail => "Hail",
            Self::Report { .. } => "Report",
            Self::Read { .. } => "Read",
            Self::OverHttp(_) => "OverHttp",
            Self::Lost(_) => "Lost",
            Self::Save(_) => "Save",
            Self::TryFolder { .. } => "TryFolder",
            Self::FolderTried { .. } => "FolderTried",
            Self::Ask(_) => "Ask",
            Self::Asked(_) => "Asked",
            Self::StopSaving(_) => "StopSaving",
            Self::Forgotten(_) => "Forgotten",
            Self::Missing(_) => "Missing",
            Self::Saving { .. } => "Saving",
            Self::Active { .. } => "Active",
            Self::Notify { .. } => "Notify",
            Self::Online => "Online",
            Self::KeepCopy(_) => "KeepCopy",
            Self::AskCopy => "AskCopy",
            Self::Copy(_) => "Copy",
            Self::KeepLogins(_) => "KeepLogins",
            Self::AskLogins => "AskLogins",
            Self::Logins(_) => "Logins",
        }
    }
}

/// The task of a transfer worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerTask {
    /// The transfer, and the name of its folder in the sandbox.
    pub transfer: TransferId,
    /// The thing to fetch.
    pub kind: TransferKind,
    /// The worker's terms.
    pub terms: Terms,
    /// Whether the user accepts the file's current version, should it have changed on the server.
    pub accept_change: bool,
    /// The transfer with a complete older copy. The worker takes the blocks that still match from there.
    pub base: Option<TransferId>,
    /// Bytes that were there after the last run. If none of them are left, the user is told.
    pub had: u64,
    /// The file's BLAKE3 hash in lower-case hexadecimal, where it is known.
    pub root: Option<String>,
    /// Whether it was complete and is only verified anew: what could not be had then is not tried again.
    pub rechecks: bool,
    /// The WebSocket URLs of the servers that only HTTP reached lately.
    pub over_http: Vec<String>,
}

/// The thing that a transfer fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferKind {
    /// A file.
    File,
    /// A folder with everything in it.
    Folder,
}

/// The terms of a transfer worker: what it may use. They may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// [`crate::Settings::connections`].
    pub connections: u8,
    /// Bytes in flight and unwritten, at most.
    pub memory: u32,
    /// Bytes a second, `None` for no limit.
    pub rate_limit: Option<u64>,
    /// The order in which the blocks of a file arrive.
    pub order: BlockOrder,
    /// The sources of the file, first the transfer's first server.
    pub sources: Vec<SourceTask>,
}

/// A source of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTask {
    /// Identifies it within its transfer.
    pub id: u32,
    /// Its protocol.
    pub kind: SourceKind,
    /// Who named it.
    pub named_by: NamedBy,
    /// The server's WebSocket URL, or the file's URL on a server of plain HTTP.
    pub address: String,
    /// The file's path on the server. For plain HTTP, the URL says it.
    pub path: String,
    /// Proves to the server who the user is.
    pub credential: Option<Credential>,
}

impl SourceTask {
    /// The server that a file was found on.
    #[must_use]
    pub const fn origin(address: String, path: String) -> Self {
        Self { id: 0, kind: SourceKind::Wstp, named_by: NamedBy::User, address, path, credential: None }
    }
}

/// The protocol of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// The protocol.
    Wstp,
    /// Plain HTTP.
    Http,
}

/// Who named a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamedBy {
    /// The user.
    User,
    /// A server that has the file.
    Server,
}

/// The report of a transfer worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WorkerReport {
    /// Its state. The catalogue fills in the facts that only it knows (name, server, times).
    Progress(Box<TransferView>),
    /// Every block that is available is verified, flushed and journaled. The files are released and the worker has
    /// ended.
    Complete {
        /// The size in bytes.
        size: u64,
        /// A file's BLAKE3 hash in lower-case hexadecimal.
        root: Option<String>,
    },
    /// The server offered mirrors of its folder: unchecked URLs from a stranger.
    Mirrors(Vec<String>),
    /// It stopped on request; the files are released.
    Stopped,
    /// It can't continue by itself; the files are released.
    Failed(Problem),
    /// The server does not know the user, or no longer. The files are released.
    Unauthorized(Problem),
    /// The file changed on the server, and the user was not asked yet. The files are released.
    Outdated(Problem),
    /// The files were removed from the browser's storage by someone else; they are released.
    Cleared,
}

/// One file to save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveTask {
    /// The transfer it belongs to.
    pub transfer: TransferId,
    /// Its number in a folder; 0 for a transfer of one file.
    pub file: u32,
    /// Its place in the transfer's folder of the sandbox.
    pub place: SavePlace,
    /// The stamp of the stored file at that place when everything in it was verified. With another stamp it is not
    /// saved.
    pub stamp: Stamp,
    /// Its target, relative to the downloads folder and already safe.
    pub filename: String,
}

/// A stored file's size and time of change, as the browser reports them. Writing to the file changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Its last change, in milliseconds since 1970-01-01 UTC.
    pub modified_ms: i64,
}

impl Stamp {
    /// Takes what a `File` of the browser reports.
    pub fn new(size: f64, modified_ms: f64) -> Self {
        Self { size: size as u64, modified_ms: modified_ms as i64 }
    }
}

/// A file that Chrome saved and that is no longer where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingFile {
    /// The transfer it belongs to.
    pub transfer: TransferId,
    /// Its place on the user's disk.
    pub path: String,
}

/// The place of a complete file in a transfer's folder of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SavePlace {
    /// A separate file: the names along the path to it.
    Own(Vec<String>),
    /// A part of the pack of small files.
    Packed {
        /// Its first byte.
        offset: u64,
        /// Its length in bytes.
        size: u64,
    },
}

/// The state of a save.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SaveOutcome {
    /// Chrome has begun.
    Begun {
        /// Chrome's number of the download. A download that Chrome's list has lost is reported by it alone.
        download: i32,
    },
    /// It waits until the user acts in Chrome.
    Waits {
        /// Chrome's number of the download.
        download: i32,
        /// Reason for the wait.
        reason: WaitReason,
    },
    /// Chrome reports it complete.
    Saved {
        /// The path on the user's disk.
        path: String,
        /// Whether the path is the requested one.
        placed: Placed,
    },
    /// It failed or the user stopped it.
    Failed {
        /// The problem and its remedy.
        problem: Problem,
    },
    /// Nothing was saved: the stored file is not as it was when it was verified, or nothing says how it was.
    Stale,
}

/// Reason why a save waits in Chrome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WaitReason {
    /// For the user's decision whether to keep the file.
    Keep,
    /// It is paused in Chrome.
    Paused,
    /// For a name: Chrome asks the user for one, or another extension is slow to choose one.
    Name,
}

/// Whether a path on the user's disk is the requested one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placed {
    /// The requested path.
    AsAsked,
    /// With a number in its name, because a file of that name existed.
    Numbered,
    /// Under another name or in another folder.
    Elsewhere,
}
