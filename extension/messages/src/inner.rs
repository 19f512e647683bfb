//! Between service worker, offscreen document, catalogue and transfer workers. Views send only [`Knock`].

use serde::{Deserialize, Serialize};

use crate::{BlockOrder, Problem, TransferId, TransferView};

/// What reaches the service worker through `chrome.runtime.sendMessage`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Knock {
    /// From a view: see to it that the offscreen document runs. Answered when its catalogue is ready.
    Wake,
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
    /// From the offscreen document: find out under which name Chrome would save a folder. Answered with [`Inner::FolderTried`].
    TryFolder {
        /// The transfer.
        transfer: TransferId,
        /// A `blob:` URL of no bytes.
        url: String,
        /// The wanted path, relative to the downloads folder, already made safe.
        folder: String,
    },
    /// From the offscreen document: what became of Chrome's last downloads of this transfer?
    Ask {
        /// The transfer.
        transfer: TransferId,
    },
    /// From the offscreen document: have Chrome give up what it still copies of this transfer.
    StopSaving {
        /// The transfer.
        transfer: TransferId,
    },
    /// From the offscreen document: show this on the toolbar button.
    Badge {
        /// At most four characters.
        text: String,
    },
    /// From the offscreen document: tell the user.
    Notify {
        /// The transfer it is about.
        transfer: TransferId,
        /// One line.
        title: String,
        /// One sentence.
        text: String,
    },
    /// From the offscreen document: nothing to do and nobody watches, close me.
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

/// Between catalogue, supervisor and workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Inner {
    /// A worker lives; once a second.
    Alive(ContextName),
    /// Catalogue to supervisor: run a worker for this transfer.
    Start(WorkerTask),
    /// Catalogue to worker: pause, write down what you have, release the files and end.
    Stop(TransferId),
    /// Catalogue to worker: these may change while running.
    Adjust {
        /// The worker's transfer.
        transfer: TransferId,
        /// What it may use from now on.
        terms: Terms,
    },
    /// Catalogue to worker: if the next try is set for later, try now.
    Retry(TransferId),
    /// Service worker to catalogue: say [`Inner::Alive`] at once.
    Hail,
    /// Worker to catalogue.
    Report {
        /// The worker's transfer.
        transfer: TransferId,
        /// What it says.
        report: WorkerReport,
    },
    /// Supervisor to catalogue: a worker died or fell silent and was ended; its files are free.
    Lost(TransferId),
    /// Catalogue to supervisor: save this complete file.
    Save(SaveTask),
    /// Catalogue to supervisor: find out under which name Chrome would save this folder.
    TryFolder {
        /// The transfer.
        transfer: TransferId,
        /// The wanted path, relative to the downloads folder, already made safe.
        folder: String,
    },
    /// Service worker or supervisor to catalogue: the answer.
    FolderTried {
        /// The transfer.
        transfer: TransferId,
        /// A path that is free on the user's disk, relative to the downloads folder; or why there is none.
        folder: Result<String, Problem>,
    },
    /// Catalogue to supervisor: a save was under way when everything stopped. What became of it is said, and then [`Inner::Asked`].
    Ask(TransferId),
    /// Service worker or supervisor to catalogue: all that Chrome still knows was said.
    Asked(TransferId),
    /// Catalogue to supervisor: Chrome is to give up what it still copies of this transfer. What comes of that is said as of any save.
    StopSaving(TransferId),
    /// Service worker to catalogue: Chrome's download of this number ended and was forgotten, whoever began it.
    Forgotten(i32),
    /// Service worker or supervisor to catalogue: what came of saving one file.
    Saving {
        /// The transfer whose file it is.
        transfer: TransferId,
        /// [`SaveTask::file`].
        file: u32,
        /// What came of it.
        outcome: SaveOutcome,
    },
    /// Catalogue to supervisor: how many transfers are active, for badge and idling.
    Active {
        /// Transfers queued or under way.
        transfers: u32,
        /// Of all of them, verified share in percent.
        percent: u8,
    },
    /// Catalogue to supervisor: tell the user.
    Notify {
        /// The transfer it is about.
        transfer: TransferId,
        /// One line.
        title: String,
        /// One sentence.
        text: String,
    },
    /// Supervisor to workers: the browser has a network again.
    Online,
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
            Self::Lost(_) => "Lost",
            Self::Save(_) => "Save",
            Self::TryFolder { .. } => "TryFolder",
            Self::FolderTried { .. } => "FolderTried",
            Self::Ask(_) => "Ask",
            Self::Asked(_) => "Asked",
            Self::StopSaving(_) => "StopSaving",
            Self::Forgotten(_) => "Forgotten",
            Self::Saving { .. } => "Saving",
            Self::Active { .. } => "Active",
            Self::Notify { .. } => "Notify",
            Self::Online => "Online",
        }
    }
}

/// What a transfer worker is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerTask {
    /// The transfer, and the name of its folder in the sandbox.
    pub transfer: TransferId,
    /// What is to be fetched.
    pub kind: TransferKind,
    /// What it may use.
    pub terms: Terms,
    /// Whether the user wants the file as it is now, should it have changed on the server.
    pub accept_change: bool,
    /// The transfer with a complete older copy, of which what still matches is taken.
    pub base: Option<TransferId>,
    /// Bytes that were there when it ran last: where nothing is left of them, the user is told.
    pub had: u64,
}

/// What a transfer fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferKind {
    /// A file.
    File,
    /// Everything in a folder.
    Folder,
}

/// What a transfer worker may use; may change while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// [`crate::Settings::connections`].
    pub connections: u8,
    /// Bytes in flight and unwritten.
    pub memory: u32,
    /// Bytes a second, `None` for as many as there are.
    pub rate_limit: Option<u64>,
    /// In which order the blocks of a file come.
    pub order: BlockOrder,
    /// Where the file is, first the server it was found on.
    pub sources: Vec<SourceTask>,
}

/// Where the file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTask {
    /// Names it within its transfer.
    pub id: u32,
    /// The server's WebSocket URL, or the file's URL on a server of plain HTTP.
    pub address: String,
    /// The file's path on the server; on one of plain HTTP that is said by its URL.
    pub path: String,
}

impl SourceTask {
    /// Ids from here on are those of sources that a server offered; lower ones are of those that the user chose.
    pub const OFFERED: u32 = 1 << 31;

    /// Whether a server offered it, not the user.
    pub fn is_offered(&self) -> bool {
        self.id >= Self::OFFERED
    }

    /// Whether it is a file on a server of plain HTTP.
    pub fn is_plain(&self) -> bool {
        self.address.starts_with("http")
    }
}

/// What a transfer worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WorkerReport {
    /// How it stands; the catalogue fills in what only it knows (name, server, times).
    Progress(Box<TransferView>),
    /// Every block that could be had is verified, flushed and journaled; the files are released and the worker has ended.
    Complete {
        /// The size in bytes.
        size: u64,
        /// A file's BLAKE3 hash in lower-case hexadecimal.
        root: Option<String>,
    },
    /// The server told where else its folder is served: URLs from a stranger, as they came.
    Mirrors(Vec<String>),
    /// It stopped as told; the files are released.
    Stopped,
    /// It can't go on by itself; the files are released.
    Failed(Problem),
    /// The file changed on the server, and the user was not asked yet; the files are released.
    Outdated(Problem),
    /// Somebody else removed the files from the browser's storage; they are released.
    Cleared,
}

/// One file that is to be saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveTask {
    /// The transfer it belongs to.
    pub transfer: TransferId,
    /// Its number in a folder; 0 for a transfer of one file.
    pub file: u32,
    /// Where in the transfer's folder of the sandbox it is.
    pub place: SavePlace,
    /// Where to, relative to the downloads folder, already made safe.
    pub filename: String,
}

/// Where in a transfer's folder of the sandbox a complete file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SavePlace {
    /// A file of its own: the names along the way to it.
    Own(Vec<String>),
    /// A part of the pack of small files.
    Packed {
        /// Where it begins.
        offset: u64,
        /// Its bytes.
        size: u64,
    },
}

/// How a save stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SaveOutcome {
    /// Chrome has begun.
    Begun {
        /// Chrome's number of the download. It is all that is told of one that Chrome's list loses.
        download: i32,
    },
    /// It does not go on before somebody does something in Chrome.
    Waits {
        /// As above.
        download: i32,
        /// Reason for the wait.
        reason: WaitReason,
    },
    /// Chrome reports it complete.
    Saved {
        /// The path on the user's disk.
        path: String,
        /// How that answers to what was asked.
        placed: Placed,
    },
    /// It failed or the user stopped it.
    Failed {
        /// Why, and what to do.
        problem: Problem,
    },
}

/// Reason why Chrome waits with a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WaitReason {
    /// The user's word on whether to keep the file.
    Keep,
    /// Somebody paused it.
    Paused,
    /// A name: Chrome asks the user for one, or another extension is slow to tell one.
    Name,
}

/// How a path on the user's disk answers to the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placed {
    /// As it was asked.
    AsAsked,
    /// With a number in its name, for there was a file of that name.
    Numbered,
    /// Under another name or in another folder.
    Elsewhere,
}
