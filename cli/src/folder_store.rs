//! The place of a folder's small files, and the record of the folder.
//!
//! `OUTPUT/.wstp/` has the journal and, until the next commit, each file under its number. A commit makes all of them
//! durable at once and moves them into place. It makes that durable, and then writes the record. So a file appears in
//! its place only whole, and thousands of them cost a few flushes.
//!
//! Invariants: a lock on the journal gives the folder to one process at a time. An existing file is replaced only on
//! request. A link within the output is not followed. The output itself is the user's own, and may be a link.

mod claims;
mod looking;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::iter;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bytes::Bytes;
use wstp_client::store::{JournalFile, read_journal};
use wstp_engine::folder::journal::{Recovered, is_of_other_version, replay};
use wstp_engine::folder::{FileId, LookReply};
use wstp_protocol::Hash;

pub use self::claims::Claims;
pub use self::looking::{Found, ToCheck, ToLook};
use crate::disk::Storage;
use crate::exit::{Code, Failure};
use crate::layout::Layout;
use crate::local_file::LocalFile;
use crate::names::PARTIAL_SUFFIX;
use crate::partial::{
    exists, make_folder, make_partial, open_journal, place, remove_emptied, shown, sync_folder, unreadable,
};
use crate::times;
use crate::trial::Trial;

/// The folder, inside the store's, for trying names.
const NAMES: &str = "names";
/// The file in it that says what is here.
const JOURNAL: &str = "journal";
/// The longest journal that is read. It has every name of the folder in it.
const MAX_JOURNAL: u64 = 512 << 20;
/// Most threads that keep files.
const MOST_THREADS: usize = 4;
/// This many files take longer to keep than a thread takes to start.
const WORTH_A_THREAD: usize = 8;

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

/// A file to keep.
#[derive(Debug)]
pub struct ToKeep {
    /// Its id.
    pub file: FileId,
    /// Its place, relative to the output.
    pub place: PathBuf,
    /// Its BLAKE3 hash.
    pub root: Hash,
    /// Its last change on the server, in milliseconds since 1970-01-01 UTC, if known.
    pub modified_ms: Option<i64>,
    /// All of its bytes.
    pub data: Bytes,
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
    journal: JournalFile<LocalFile>,
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

/// The result of keeping a file.
enum Written {
    /// It was in its place before.
    InPlace(Saved),
    /// It waits for its commit.
    Aside(Kept),
}

/// A file that waits to be moved into place.
#[derive(Debug)]
struct Kept {
    file: FileId,
    data: PathBuf,
    saved: Saved,
    replace: bool,
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
        let journal = open_journal(&folder, output, JOURNAL)?;
        let bytes = read_journal(&journal, MAX_JOURNAL, is_of_other_version);
        let (recovered, length) = replay(&bytes.map_err(|error| unreadable(&folder, error))?);
        let journal = JournalFile::open(journal, length).map_err(failed)?;
        sync_folder(&folder).and_then(|()| sync_folder(output)).map_err(failed)?;
        let (output, kept) = (output.to_owned(), Vec::new());
        let (made, claims) = Default::default();
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let store = Self { output, is_new, folder, journal, update, threads, made, claims, kept };
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
        // The journal last, since it holds the lock.
        let _stays = fs::remove_file(self.folder.join(JOURNAL));
        drop(self.journal);
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
        for entry in entries.filter(|entry| entry.file_name() != JOURNAL) {
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

    /// Keeps files on several threads. Nearly all of the time is the file system's, which creates files on each
    /// processor that asks.
    fn keep(&mut self, files: &[ToKeep]) -> Vec<(FileId, Result<Option<Saved>, Failure>)> {
        let threads = (files.len() / WORTH_A_THREAD).clamp(1, self.threads);
        let (mine, others) = files.split_at(files.len().div_ceil(threads));
        let write = |files: &[ToKeep]| files.iter().map(|file| self.write(file)).collect::<Vec<_>>();
        let written: Vec<_> = thread::scope(|scope| {
            let begin = |files| (files, thread::Builder::new().spawn_scoped(scope, move || write(files)));
            let begun: Vec<_> = others.chunks(mine.len().max(1)).map(begin).collect();
            let mine = write(mine);
            let others = begun.into_iter().map(|(files, thread)| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // The system has no thread to give.
                Err(_) => write(files),
            });
            iter::once(mine).chain(others).flatten().collect()
        });
        let kept = written.into_iter().map(|written| {
            Ok(match written? {
                Written::InPlace(saved) => Some(saved),
                Written::Aside(kept) => {
                    self.kept.push(kept);
                    None
                }
            })
        });
        files.iter().map(|file| file.file).zip(kept).collect()
    }

    fn write(&self, ToKeep { file, place, root, modified_ms, data }: &ToKeep) -> Result<Written, Failure> {
        let target = self.output.join(place);
        let failed = |error| Failure::disk(format!("{} can't be written", shown(&target)), &error);
        self.make_around(place)?;
        self.claims.check(&target, *file)?;
        let saved = Saved { target: target.clone(), size: data.len() as u64, root: *root };
        let replace = match standing(&target, data).map_err(failed)? {
            Standing::Nothing => false,
            Standing::Same => {
                times::set(&target, *modified_ms);
                self.claims.take(&target, *file)?;
                return Ok(Written::InPlace(saved));
            }
            Standing::Other if self.update => true,
            Standing::Other => return Err(exists(&target)),
            Standing::NoFile => {
                let what = format!("{} is already there, and not a file.", shown(&target));
                return Err(Failure::new(Code::Differs, what, "Choose another place with -o."));
            }
        };
        let path = self.folder.join(file.0.to_string());
        let mut own = File::create(&path).map_err(failed)?;
        own.write_all(data).map_err(failed)?;
        times::set_of(&own, *modified_ms);
        self.claims.claim(&own.metadata().map_err(failed)?, *file);
        Ok(Written::Aside(Kept { file: *file, data: path, saved, replace }))
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

    fn commit(&mut self, record: &[u8]) -> Result<Vec<Saved>, Failure> {
        let failed = |error| Failure::disk("What was fetched can't be put into its place", &error);
        let mut saved = Vec::with_capacity(self.kept.len());
        if !self.kept.is_empty() {
            sync(&self.folder, self.kept.iter().map(|kept| kept.data.as_path())).map_err(failed)?;
            for kept in self.kept.drain(..) {
                let target = &kept.saved.target;
                match place(&kept.data, target, kept.replace) {
                    // It appeared while this one was kept, from this download or from another program.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.claims.check(target, kept.file)?;
                        if !self.update {
                            return Err(exists(target));
                        }
                        place(&kept.data, target, true).map_err(failed)?;
                    }
                    placed => placed.map_err(failed)?,
                }
                saved.push(kept.saved);
            }
            let folders: HashSet<_> = saved.iter().filter_map(|saved| saved.target.parent()).collect();
            sync(&self.folder, folders.into_iter()).map_err(failed)?;
        }
        self.journal.append(record).map_err(failed)?;
        Ok(saved)
    }
}

/// The entry in a file's place.
enum Standing {
    Nothing,
    Same,
    Other,
    NoFile,
}

fn standing(target: &Path, data: &[u8]) -> io::Result<Standing> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Standing::Nothing),
        Err(error) => Err(error),
        Ok(there) if !there.is_file() => Ok(Standing::NoFile),
        Ok(there) if there.len() != data.len() as u64 => Ok(Standing::Other),
        Ok(_) => Ok(if fs::read(target)? == data { Standing::Same } else { Standing::Other }),
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

/// Makes files or folders durable, all on the file system of `folder`. One call there does it for thousands.
#[cfg(target_os = "linux")]
fn sync<'a>(folder: &Path, _paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync<'a>(_folder: &Path, mut paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    paths.try_for_each(sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(output: &Path) -> FolderStore {
        FolderStore::open(output, false).unwrap().0
    }

    fn keep(store: &mut FolderStore, file: u32, place: &str, data: &[u8]) -> Result<Option<Saved>, Failure> {
        let (file, place, root) = (FileId(file), place.into(), *blake3::hash(data).as_bytes());
        let to_keep = ToKeep { file, place, root, modified_ms: None, data: Bytes::copy_from_slice(data) };
        store.keep(&[to_keep]).remove(0).1
    }

    #[test]
    fn files_appear_in_their_places_with_the_commit_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("new");
        let mut store = open(&output);
        keep(&mut store, 0, "a", b"A").unwrap();
        keep(&mut store, 1, "sub/deep/b", b"").unwrap();
        assert!(!output.join("a").exists());
        let saved = store.commit(b"record").unwrap();
        assert_eq!(saved.iter().map(|saved| saved.size).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(
            (fs::read(output.join("a")).unwrap(), fs::read(output.join("sub/deep/b")).unwrap()),
            (b"A".to_vec(), vec![])
        );
        store.discard_with_output();
        assert!(output.join("a").exists() && !output.join(".wstp").exists());
    }

    #[test]
    fn what_was_kept_and_never_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("new");
        let mut store = open(&output);
        keep(&mut store, 0, "a", b"A").unwrap();
        drop(store);
        open(&output).discard();
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
        open(&output.join("newer")).discard_with_output();
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
    }

    #[test]
    fn what_is_there_is_compared_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("same"), "same").unwrap();
        fs::write(dir.path().join("other"), "mine").unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        let mut store = open(dir.path());
        assert!(keep(&mut store, 0, "same", b"same").unwrap().is_some());
        assert_eq!(keep(&mut store, 1, "other", b"them").unwrap_err().code, Code::Differs);
        assert_eq!(keep(&mut store, 2, "folder", b"").unwrap_err().code, Code::Differs);
        assert_eq!(store.commit(b"").unwrap(), []);
        store.update = true;
        assert!(keep(&mut store, 1, "other", b"them").unwrap().is_none());
        store.commit(b"").unwrap();
        assert_eq!(fs::read(dir.path().join("other")).unwrap(), b"them");
    }

    #[test]
    fn of_many_at_once_each_has_its_own_answer() {
        let dir = tempfile::tempdir().unwrap();
        let place = |number: u32| PathBuf::from(format!("new/{number}"));
        let bytes = |number: u32| Bytes::from(vec![number as u8; number as usize]);
        fs::create_dir(dir.path().join("new")).unwrap();
        fs::write(dir.path().join(place(11)), bytes(11)).unwrap();
        fs::write(dir.path().join(place(22)), "mine").unwrap();
        fs::create_dir(dir.path().join(place(33))).unwrap();
        let mut store = FolderStore { threads: MOST_THREADS, ..open(dir.path()) };
        let to_keep = |number| {
            let (file, data) = (FileId(number), bytes(number));
            ToKeep { file, place: place(number), root: *blake3::hash(&data).as_bytes(), modified_ms: None, data }
        };
        let kept = store.keep(&(0..41).map(to_keep).collect::<Vec<_>>());
        assert!(kept.iter().map(|(file, _)| file.0).eq(0..41));
        for (FileId(number), kept) in kept {
            match number {
                11 => assert_eq!(kept.unwrap().unwrap().target, dir.path().join(place(11))),
                22 | 33 => assert!(kept.unwrap_err().what.contains(&format!("new/{number} is already there"))),
                _ => assert!(kept.unwrap().is_none(), "{number}"),
            }
        }
        let saved = store.commit(b"record").unwrap();
        assert_eq!(saved.len(), 38);
        for saved in saved {
            let number = saved.target.file_name().unwrap().to_str().unwrap().parse().unwrap();
            assert_eq!(fs::read(&saved.target).unwrap(), bytes(number));
        }
    }

    #[test]
    fn a_place_that_the_disk_takes_for_another_files_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        store.update = true;
        keep(&mut store, 0, "a", b"A").unwrap();
        store.commit(b"").unwrap();
        assert_eq!(keep(&mut store, 1, "a", b"B").unwrap_err().code, Code::Disk);
        keep(&mut store, 2, "b", b"B").unwrap();
        keep(&mut store, 3, "b", b"C").unwrap();
        assert_eq!(store.commit(b"").unwrap_err().code, Code::Disk);
        let read = |name| fs::read(dir.path().join(name)).unwrap();
        assert_eq!((read("a"), read("b")), (b"A".to_vec(), b"B".to_vec()));
    }

    #[test]
    fn only_one_can_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let _first = open(dir.path());
        assert!(FolderStore::open(dir.path(), false).unwrap_err().what.contains("Another wstp"));
    }
}
