//! A transfer as the catalogue remembers it.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use wstp_messages::{BlockRange, FolderView, Problem, SourceTask, Sweep, TransferId, TransferKind};
use wstp_protocol::block_count;

use super::mirror::Mirror;

/// Most addresses of a transfer remembered as taken away; a server offers at most 16.
const MAX_DECLINED: usize = 32;

/// The user's wishes for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Fetch it.
    Run,
    /// Wait.
    Pause,
    /// Give up, without throwing anything away.
    Cancel,
}

/// How far the fetching came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fetch {
    /// Blocks are missing.
    Unfinished,
    /// Every block that can be had is verified.
    Complete {
        /// A file's hash.
        root: Option<String>,
    },
    /// It can't go on by itself.
    Failed(Problem),
    /// The file changed on the server; the user decides.
    Outdated(Problem),
}

/// How far it is on its way to the user's disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Save {
    /// Nobody asked, or the last try ended without result.
    No(Option<Problem>),
    /// Chrome copies it.
    Going,
    /// It is there; where, if there was anything to save.
    Saved(String),
}

/// Target of a save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// By Chrome, to a path relative to the downloads folder.
    Downloads(String),
    /// By a page of ours, under this name in a folder that the user picked.
    Picked(String),
}

/// The progress of a transfer, for showing it while no worker runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its size in bytes, as far as known.
    pub size: u64,
    /// How a folder's files stand.
    pub folder: Option<FolderView>,
    /// Bytes verified.
    pub verified: u64,
    /// Bytes received and not verified.
    pub received: u64,
    /// Blocks verified.
    pub verified_blocks: Vec<BlockRange>,
    /// Blocks received and not verified.
    pub received_blocks: Vec<BlockRange>,
    /// The file's hash, once known.
    pub root: Option<String>,
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Names it.
    pub id: TransferId,
    /// The server's address.
    pub server: String,
    /// The thing to fetch.
    pub kind: TransferKind,
    /// Its path there.
    pub path: String,
    /// Its size in bytes, of a folder as far as known.
    pub size: u64,
    /// Its last change when it was added, in milliseconds since 1970-01-01 UTC, as listed.
    pub modified_ms: Option<i64>,
    /// The transfer whose complete older copy this one updates; it goes when this one is complete.
    pub base: Option<TransferId>,
    /// When it was added, in milliseconds since 1970-01-01 UTC.
    pub added_ms: f64,
    /// The user's wish.
    pub goal: Goal,
    /// How far the fetching came.
    pub fetch: Fetch,
    /// Whether the user went on after the file had changed, and so wants it as it is now, however often it changes.
    pub accept_change: bool,
    /// Other servers that have it.
    pub mirrors: Vec<Mirror>,
    /// Addresses of servers that the user took away: they are not taken up again because the server offers them.
    pub declined: Vec<String>,
    /// The most bytes a second it may have.
    pub rate_limit: Option<u64>,
    /// How far the saving came.
    pub save: Save,
    /// The files of a folder that are on the user's disk.
    pub saved: Vec<Range<u64>>,
    /// The progress.
    pub kept: Kept,
    /// Whether the sandbox holds anything of it.
    pub in_sandbox: bool,
}

impl Item {
    /// A transfer of a file of which nothing is there yet.
    pub fn new(id: TransferId, server: String, path: String, size: u64, added_ms: f64) -> Self {
        Self {
            id,
            server,
            kind: TransferKind::File,
            path,
            size,
            modified_ms: None,
            base: None,
            added_ms,
            goal: Goal::Run,
            fetch: Fetch::Unfinished,
            accept_change: false,
            mirrors: Vec::new(),
            declined: Vec::new(),
            rate_limit: None,
            save: Save::No(None),
            saved: Vec::new(),
            kept: Kept::default(),
            in_sandbox: true,
        }
    }

    /// Whether it is known where it came from; it is not after the list was lost with it.
    pub fn has_origin(&self) -> bool {
        !self.server.is_empty()
    }

    /// A transfer of a folder of which nothing is known yet.
    pub fn folder(id: TransferId, server: String, path: String, added_ms: f64) -> Self {
        Self { kind: TransferKind::Folder, ..Self::new(id, server, path, 0, added_ms) }
    }

    pub(super) fn without_blocks(&self) -> Self {
        let mut item = self.clone();
        item.kept.verified_blocks.clear();
        item.kept.received_blocks.clear();
        item
    }

    /// One that updates the complete copy of another.
    pub fn update(self, base: TransferId) -> Self {
        Self { base: Some(base), accept_change: true, ..self }
    }

    /// The sources, first the server it was found on.
    pub fn sources(&self) -> Vec<SourceTask> {
        let origin = SourceTask::origin(self.server.clone(), self.path.clone());
        std::iter::once(origin).chain(self.mirrors.iter().map(Mirror::task)).collect()
    }

    /// Whether a worker should fetch it.
    pub fn wants_worker(&self) -> bool {
        self.goal == Goal::Run && self.fetch == Fetch::Unfinished
    }

    /// Why it can't go on by itself, if it can't.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.fetch {
            Fetch::Failed(problem) | Fetch::Outdated(problem) => Some(problem),
            Fetch::Unfinished | Fetch::Complete { .. } => None,
        }
    }

    /// Whether it is complete but for what could not be had.
    pub fn lacks_files(&self) -> bool {
        self.is_complete() && self.kept.folder.is_some_and(|folder| folder.problems > 0)
    }

    /// Whether there is something to be tried again that does not go on by itself.
    pub fn can_be_retried(&self) -> bool {
        self.has_origin() && (self.problem().is_some() || (self.lacks_files() && self.in_sandbox && !self.is_saving()))
    }

    /// Whether every block that can be had is verified.
    pub fn is_complete(&self) -> bool {
        matches!(self.fetch, Fetch::Complete { .. })
    }

    /// Whether a sweep means it.
    pub fn is_meant_by(&self, sweep: Sweep) -> bool {
        match sweep {
            Sweep::Pause => self.wants_worker(),
            Sweep::Resume => self.goal == Goal::Pause && !self.is_complete(),
            Sweep::Retry => self.goal == Goal::Run && matches!(self.fetch, Fetch::Failed(_)),
        }
    }

    /// The user's present wish for it.
    pub(super) fn want(&mut self, goal: Goal) {
        self.goal = goal;
        if goal == Goal::Run && self.can_be_retried() {
            self.accept_change |= matches!(self.fetch, Fetch::Outdated(_));
            self.fetch = Fetch::Unfinished;
            if self.save != Save::Going {
                self.save = Save::No(None);
            }
        }
    }

    pub(super) fn add_mirror(&mut self, source: Mirror) {
        self.declined.retain(|address| *address != source.address);
        self.mirrors.push(source);
    }

    pub(super) fn remove_mirror(&mut self, id: u32) {
        let removed = self.mirrors.extract_if(.., |mirror| mirror.id == id).map(|mirror| mirror.address);
        self.declined.extend(removed);
        let excess = self.declined.len().saturating_sub(MAX_DECLINED);
        self.declined.drain(..excess);
    }

    /// Whether Chrome is or will be copying it.
    pub fn is_saving(&self) -> bool {
        self.is_complete() && self.save == Save::Going
    }

    /// Whether it was reopened while it was saved, and is saved as soon as it is complete again.
    pub fn is_to_be_saved(&self) -> bool {
        !self.is_complete() && self.save == Save::Going
    }

    /// It is complete no longer: what is stored of it may have changed.
    pub(super) fn reopen(&mut self) {
        let Fetch::Complete { root } = &mut self.fetch else { return };
        if self.kind == TransferKind::File {
            let blocks = BlockRange { first: 0, end: block_count(self.size) };
            let (size, root) = (self.size, root.take());
            self.kept = Kept { size, received: size, received_blocks: vec![blocks], root, ..Kept::default() };
        }
        (self.fetch, self.goal) = (Fetch::Unfinished, Goal::Run);
    }

    /// Its size in bytes when its worker says this. A folder's shrinks when files in it fail. A file's is unknown to a
    /// worker at first.
    pub fn size_beside(&self, said: u64) -> u64 {
        match self.kind {
            TransferKind::File => said.max(self.size),
            TransferKind::Folder => said,
        }
    }

    /// How many files of a folder are on the user's disk.
    pub fn saved_files(&self) -> u64 {
        self.saved.iter().map(|range| range.end - range.start).sum()
    }
}
