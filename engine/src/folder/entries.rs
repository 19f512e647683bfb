//! Every listed folder and file of a transfer, in the order of listing, and the state of each.
//!
//! Invariants:
//!
//! - an id is an index and never changes;
//! - a folder comes after the folder that contains it, and a file after its folder;
//! - the entries stay within [`MAX_ENTRIES`], [`MAX_DEPTH`] and [`MAX_TEXT`], whatever a server lists.

mod snapshot;

use wstp_protocol::SharePath;

pub(super) use self::snapshot::Snapshot;
use super::listing::{Listing, ListingFile, ListingPage, Rank};
use super::output::{FileId, FolderId, Listed};
use super::progress::FolderProblem;
use crate::LARGEST_FILE;

/// Most files and folders of a folder.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Most nested folders.
pub const MAX_DEPTH: usize = 64;
/// Most bytes of all names together.
const MAX_TEXT: usize = 128 << 20;
/// The least that a page counts for. An honest page that is not the last is full, and has more.
const LEAST_PAGE: usize = 100;

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// Its parent; the outermost folder is its own.
    pub(super) parent: FolderId,
    pub(super) name: Box<str>,
    depth: u8,
    pub(super) listing: Listing,
}

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is in one of the queues.
    Waiting,
    /// It is requested in a bundle.
    Asked,
    /// The caller keeps it.
    Keeping,
    /// The caller fetches it.
    Fetching,
    /// The caller kept or fetched it.
    Done,
    /// It failed.
    Failed,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) folder: FolderId,
    pub(super) name: Box<str>,
    pub(super) size: u64,
    pub(super) modified_ms: Option<i64>,
    pub(super) state: State,
}

impl File {
    /// The bytes that sums count. A size that no file can have is a lie, and a sum with it would be one too.
    const fn counted(&self) -> u64 {
        if self.size <= LARGEST_FILE { self.size } else { 0 }
    }
}

/// Sums over all entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) bytes: u64,
    pub(super) files_done: u32,
    pub(super) bytes_done: u64,
    pub(super) files_failed: u32,
    pub(super) bytes_failed: u64,
    pub(super) folders_failed: u32,
    pub(super) left_out: u32,
}

/// The entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entries {
    root: SharePath,
    folders: Vec<Folder>,
    files: Vec<File>,
    totals: Totals,
    text: usize,
    /// The excess of what pages counted for over their entries.
    padding: usize,
}

impl Entries {
    /// Only the requested folder.
    pub(super) fn new(root: SharePath) -> Self {
        let outermost = Folder { parent: FolderId(0), name: "".into(), depth: 0, listing: Listing::Unlisted };
        Self { root, folders: vec![outermost], files: Vec::new(), totals: Totals::default(), text: 0, padding: 0 }
    }

    /// The same entries beneath another path.
    pub(super) fn beneath(self, root: SharePath) -> Self {
        Self { root, ..self }
    }

    pub(super) fn folders(&self) -> u32 {
        self.folders.len() as u32
    }

    pub(super) fn files(&self) -> u32 {
        self.files.len() as u32
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether nothing was listed yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.folders.len() == 1 && self.folders[0].listing == Listing::Unlisted
    }

    pub(super) fn folder(&self, id: FolderId) -> Option<&Folder> {
        self.folders.get(id.0 as usize)
    }

    pub(super) fn folder_mut(&mut self, id: FolderId) -> Option<&mut Folder> {
        self.folders.get_mut(id.0 as usize)
    }

    pub(super) fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0 as usize)
    }

    pub(super) fn folder_ids(&self) -> impl Iterator<Item = FolderId> + use<> {
        (0..self.folders()).map(FolderId)
    }

    pub(super) fn file_ids(&self) -> impl Iterator<Item = FileId> + use<> {
        (0..self.files()).map(FileId)
    }

    /// Whether a folder is so deep that its subfolders don't count.
    pub(super) fn is_deepest(&self, id: FolderId) -> bool {
        self.folder(id).is_some_and(|folder| usize::from(folder.depth) >= MAX_DEPTH)
    }

    /// A folder's path on the server. `None` for an unknown one.
    pub(super) fn folder_path(&self, id: FolderId) -> Option<SharePath> {
        let mut names = Vec::new();
        let (mut at, mut folder) = (id, self.folder(id)?);
        while at != FolderId(0) {
            names.push(&*folder.name);
            at = folder.parent;
            folder = self.folder(at)?;
        }
        names.iter().rev().try_fold(self.root.clone(), |path, name| path.join(name)).ok()
    }

    /// A file's path on the server.
    pub(super) fn file_path(&self, id: FileId) -> Option<SharePath> {
        let file = self.file(id)?;
        self.folder_path(file.folder)?.join(&file.name).ok()
    }

    /// Adds the entries of a page. Returns its entries, with their new names.
    ///
    /// # Errors
    /// When it would exceed the bounds; then nothing was added. `Ok(None)` if it does not belong here.
    pub(super) fn add(&mut self, page: &ListingPage) -> Result<Option<Vec<Listed>>, FolderProblem> {
        let Some(folder) = self.folder(page.folder) else { return Ok(None) };
        if matches!(folder.listing, Listing::Done | Listing::Failed(_)) {
            return Ok(None);
        }
        let depth = folder.depth;
        if self.is_deepest(page.folder) && !page.folders.is_empty() {
            return Ok(None);
        }
        self.count(page)?;
        let told = self.append(page, depth + 1);
        self.totals.left_out += page.left_out;
        self.turn(page);
        Ok(Some(told))
    }

    fn count(&mut self, page: &ListingPage) -> Result<(), FolderProblem> {
        let new = page.folders.len() + page.files.len();
        let names = page.folders.iter().chain(page.files.iter().map(|file| &file.name));
        let text = self.text + names.map(String::len).sum::<usize>();
        if self.folders.len() + self.files.len() + new > MAX_ENTRIES || text > MAX_TEXT {
            return Err(FolderProblem::TooManyEntries);
        }
        let padding = self.padding + if page.next.is_some() { LEAST_PAGE.saturating_sub(new) } else { 0 };
        if padding > MAX_ENTRIES {
            return Err(FolderProblem::EndlessListing);
        }
        (self.text, self.padding) = (text, padding);
        Ok(())
    }

    fn append(&mut self, page: &ListingPage, depth: u8) -> Vec<Listed> {
        let mut told = Vec::with_capacity(page.folders.len() + page.files.len());
        for name in &page.folders {
            told.push(Listed::Folder { id: FolderId(self.folders()), name: name.clone() });
            let (parent, name) = (page.folder, name.as_str().into());
            self.folders.push(Folder { parent, name, depth, listing: Listing::Unlisted });
        }
        for ListingFile { name, size, modified_ms } in &page.files {
            let (size, modified_ms) = (*size, *modified_ms);
            told.push(Listed::File { id: FileId(self.files()), name: name.clone(), size, modified_ms });
            let (folder, name) = (page.folder, name.as_str().into());
            let file = File { folder, name, size, modified_ms, state: State::Waiting };
            self.totals.bytes = self.totals.bytes.saturating_add(file.counted());
            self.files.push(file);
        }
        told
    }

    /// Moves to the page after this one.
    fn turn(&mut self, page: &ListingPage) {
        let Some(folder) = self.folder_mut(page.folder) else { return };
        let Some(next) = &page.next else {
            folder.listing = Listing::Done;
            return;
        };
        let mut position = match std::mem::replace(&mut folder.listing, Listing::Unlisted) {
            Listing::Going(position) => position,
            _ => Box::default(),
        };
        position.cursor = Some(next.clone());
        position.again &= page.folders.is_empty() && page.files.is_empty();
        let folders = page.folders.last().map(|name| (Rank::Folder, name.clone()));
        let last = page.files.last().map(|file| (Rank::File, file.name.clone())).or(folders);
        position.last = last.or(position.last.take());
        folder.listing = Listing::Going(position);
    }

    /// Listing a folder failed, or failed before its end. False if it is not being listed.
    pub(super) fn fail_folder(&mut self, id: FolderId) -> bool {
        let Some(folder) = self.folder_mut(id) else { return false };
        folder.listing = match std::mem::replace(&mut folder.listing, Listing::Unlisted) {
            Listing::Unlisted => Listing::Failed(Box::default()),
            Listing::Going(position) => Listing::Failed(position),
            ended => {
                folder.listing = ended;
                return false;
            }
        };
        self.totals.folders_failed += 1;
        true
    }

    /// Lists a failed folder again. False if it did not fail.
    pub(super) fn revive_folder(&mut self, id: FolderId) -> bool {
        let Some(folder) = self.folder_mut(id) else { return false };
        let Listing::Failed(position) = &mut folder.listing else { return false };
        let position = std::mem::take(position);
        folder.listing = Listing::Going(position);
        self.restart_folder(id);
        self.totals.folders_failed -= 1;
        true
    }

    /// Lists a folder from its beginning again; its known entries stay.
    pub(super) fn restart_folder(&mut self, id: FolderId) {
        if let Some(Folder { listing: Listing::Going(position), .. }) = self.folder_mut(id) {
            position.cursor = None;
        }
        self.pass_over_known(id);
    }

    /// The next page of a folder may begin with entries that are known.
    pub(super) fn pass_over_known(&mut self, id: FolderId) {
        if let Some(Folder { listing: Listing::Going(position), .. }) = self.folder_mut(id) {
            position.again = position.last.is_some();
        }
    }

    /// Moves a file to another state. False if there is none.
    pub(super) fn set(&mut self, id: FileId, state: State) -> bool {
        let Some(file) = self.files.get_mut(id.0 as usize) else { return false };
        let (old, size) = (std::mem::replace(&mut file.state, state), file.counted());
        match old {
            State::Done => {
                self.totals.files_done -= 1;
                self.totals.bytes_done = self.totals.bytes_done.saturating_sub(size);
            }
            State::Failed => {
                self.totals.files_failed -= 1;
                self.totals.bytes_failed = self.totals.bytes_failed.saturating_sub(size);
            }
            _ => {}
        }
        match state {
            State::Done => {
                self.totals.files_done += 1;
                self.totals.bytes_done = self.totals.bytes_done.saturating_add(size);
            }
            State::Failed => {
                self.totals.files_failed += 1;
                self.totals.bytes_failed = self.totals.bytes_failed.saturating_add(size);
            }
            _ => {}
        }
        true
    }

    /// A file is kept or fetched; this is its real size. False if there is none.
    pub(super) fn done(&mut self, id: FileId, size: u64) -> bool {
        if !self.set(id, State::Asked) {
            return false;
        }
        if let Some(file) = self.files.get_mut(id.0 as usize) {
            let listed = file.counted();
            file.size = size;
            self.totals.bytes = self.totals.bytes.saturating_sub(listed).saturating_add(file.counted());
        }
        self.set(id, State::Done)
    }
}
