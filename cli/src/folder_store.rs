//! The place of a folder's small files, and the record of the folder.
//!
//! `OUTPUT/.wstp/` has the journal and, until the next commit, each file under its number. A commit makes all of them
//! durable at once and moves them into place. It makes that durable, and then writes the record. So a file appears in
//! its place only whole, and thousands of them cost a few flushes.
//!
//! Invariants: a lock on the journal gives the folder to one process at a time. An existing file is replaced only on
//! request. A link within the output is not followed. The output itself is the user's own, and may be a link.

mod claims;
mod keeping;
mod looking;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use wstp_client::store::Journals;
use wstp_engine::folder::journal::Recovered;
use wstp_engine::folder::{FileId, LookReply};
use wstp_engine::journal::FILES;
use wstp_protocol::Hash;

pub use self::claims::Claims;
pub use self::keeping::ToKeep;
use self::keeping::{Kept, MOST_THREADS};
pub use self::looking::{Found, ToCheck, ToLook};
use crate::disk::Storage;
use crate::exit::Failure;
use crate::layout::Layout;
use crate::local_file::LocalFile;
use crate::names::PARTIAL_SUFFIX;
use crate::partial::{make_folder, make_partial, open_journals, remove_emptied, shown, sync_folder, unreadable};
use crate::trial::Trial;

/// The folder, inside the store's, for trying names.
const NAMES: &str = "names";
/// The longest journal that is read. It has every name of the folder in it.
const MAX_JOURNAL: u64 = 512 << 20;

/// A request to the store.
#[derive(Debug)]
pub enum Request {
    /// Look what is there of files.
    Look(Vec<ToLook>),
    /// Read back a file that an earlier run put into its place.
    Check(ToCheck),
    /// Keep files. Those of a message are kept together, because a change of threads costs more than a small file.
    Keep(Vec<ToKeep>),
    /// Move the kept files into place, and then append the record to the journal; all durable.
    Commit {
        /// A whole record.
        record: Vec<u8>,
    },
}

/// The answer to a request.
#[derive(Debug)]
pub enum Reply {
    /// For each file, what is there.
    Looked(Vec<(FileId, Found)>),
    /// The file that was checked, and the result of the check.
    Checked(ToCheck, LookReply),
    /// For each file, that it is kept, or that it was in its place before.
    Kept(Vec<(FileId, Result<Option<Saved>, Failure>)>),
    /// These files are in their places.
    Committed(Result<Vec<Saved>, Failure>),
}

/// A file in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Its path.
    pub target: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Its BLAKE3 hash.
    pub root: Hash,
}

/// The store.
#[derive(Debug)]
pub struct FolderStore {
    output: PathBuf,
    /// Whether the output did not exist before.
    is_new: bool,
    folder: PathBuf,
    journals: Journals<LocalFile>,
    update: bool,
    /// Most threads that keep files.
    threads: usize,
    made: Made,
    claims: Arc<Claims>,
    kept: Vec<Kept>,
}

/// Folders in the output that certainly exist.
#[derive(Debug, Default)]
struct Made(Mutex<HashSet<PathBuf>>);

impl Made {
    fn contains(&self, folder: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    fn insert(&self, folder: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
    }
}

impl Storage for FolderStore {
    type Request = Request;
    type Reply = Reply;

    fn perform(&mut self, request: Request) -> Reply {
        match request {
            Request::Look(files) => {
                Reply::Looked(files.into_iter().map(|file| (file.file, self.look(&file))).collect())
            }
            Request::Check(file) => {
                let found = self.check(&file);
                Reply::Checked(file, found)
            }
            Request::Keep(files) => Reply::Kept(self.keep(&files)),
            Request::Commit { record } => Reply::Committed(self.commit(&record)),
        }
    }
}

impl FolderStore {
    /// Opens the store of an output, or makes both, and reads the journal. With `update`, files that differ are
    /// replaced.
    ///
    /// # Errors
    ///
    /// When another process has it, or the disk fails.
    pub fn open(output: &Path, update: bool) -> Result<(Self, Recovered), Failure> {
        let failed = |error| Failure::disk(format!("The folder {} can't be used", shown(output)), &error);
        let is_new = !output.exists();
        fs::create_dir_all(output).map_err(failed)?;
        let folder = output.join(PARTIAL_SUFFIX);
        make_partial(&folder)?;
        let journals = open_journals(&folder, output)?;
        sync_folder(&folder).and_then(|()| sync_folder(output)).map_err(failed)?;
        let opened = Journals::open_of_folder(journals, MAX_JOURNAL);
        let (journals, recovered) = opened.map_err(|error| unreadable(&folder, error))?;
        let (output, kept) = (output.to_owned(), Vec::new());
        let (made, claims) = Default::default();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let store = Self { output, is_new, folder, journals, update, threads, made, claims, kept };
        store.remove_leftovers();
        Ok((store, recovered))
    }

    /// Drops files from the journal's account that are not in place any more.
    pub fn look_after(&self, recovered: &mut Recovered, layout: &Layout) {
        let is_there = |file, size| {
            let place = layout.file(file).map(|place| self.output.join(place));
            let there = place.and_then(|place| fs::symlink_metadata(place).ok());
            there.is_some_and(|there| there.is_file() && there.len() == size && self.claims.claim(&there, file))
        };
        let gone: Vec<_> =
            recovered.stored().filter(|(file, stored)| !is_there(*file, stored.size)).map(|(file, _)| file).collect();
        gone.into_iter().for_each(|file| recovered.forget(file));
    }

    /// Makes all these folders. Returns those that failed, with the reason.
    pub fn make_folders(&mut self, places: &[PathBuf]) -> Vec<(PathBuf, io::Error)> {
        let made = |place: &PathBuf| Some((self.output.join(place), make_folder(&self.output.join(place)).err()?));
        places.iter().filter_map(made).collect()
    }

    /// Removes the store. Leftovers do no harm.
    pub fn discard(self) {
        self.remove_leftovers();
        // The journal last, since its first file holds the lock.
        for name in [FILES[1], FILES[0]] {
            let _stays = fs::remove_file(self.folder.join(name));
        }
        drop(self.journals);
        remove_emptied(&self.folder);
    }

    /// Removes the store, and the output too if it is new and empty.
    pub fn discard_with_output(self) {
        let (output, is_new) = (self.output.clone(), self.is_new);
        self.discard();
        if is_new {
            let _stays = fs::remove_dir(output);
        }
    }

    /// Removes the files of a process that ended before it moved them into place. They are fetched again.
    fn remove_leftovers(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| FILES.iter().all(|name| entry.file_name() != *name)) {
            let _stays = fs::remove_file(entry.path());
        }
        let _stays = fs::remove_dir_all(self.folder.join(NAMES));
    }

    /// A place to try names in, on the disk of the output.
    pub fn trial(&self) -> Trial {
        Trial::at(self.folder.join(NAMES))
    }

    /// The places of the files.
    pub fn claims(&self) -> Arc<Claims> {
        self.claims.clone()
    }

    /// Whether the output did not exist before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Makes the folders around a place.
    fn make_around(&self, place: &Path) -> Result<(), Failure> {
        let around = place.parent().unwrap_or(Path::new(""));
        if self.made.contains(around) {
            return Ok(());
        }
        make_around(&self.output, place)?;
        self.made.insert(around);
        Ok(())
    }
}

/// Makes the folders around a place in an output. A link to a folder does not count as one.
///
/// # Errors
///
/// When another kind of entry is there, or the disk fails.
pub fn make_around(output: &Path, place: &Path) -> Result<(), Failure> {
    let mut folder = output.to_owned();
    for name in place.parent().into_iter().flatten() {
        folder.push(name);
        make_folder(&folder)
            .map_err(|error| Failure::disk(format!("The folder {} can't be made", shown(&folder)), &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
