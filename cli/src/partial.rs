//! The partial folder: the parts of a file that are already here. For `dir/NAME` it is `dir/.NAME.wstp/` with `data`,
//! `hashes` and the two files of a [`journal`]. A long NAME is cut and its hash appended, because the folder's own name
//! has to fit the disk too.
//!
//! Invariants: a lock on the journal, which ends with the process, gives the folder to one process at a time. The
//! target appears only complete, in one step. It replaces an earlier entry only on request. No symbolic link is
//! followed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use wstp_client::store::{FileStore, Stored, Unreadable};
use wstp_engine::StoreRequest;
use wstp_engine::journal::{self, Recovered};

use crate::disk::Storage;
use crate::escape;
use crate::exit::{Code, Failure};
use crate::local_file::LocalFile;
use crate::names::PARTIAL_SUFFIX;
use crate::room::taken;
use crate::times;

/// The longest target name, in bytes, that fits into the partial folder's name. Some encrypted disks have no room for
/// more than 143.
const LONGEST_WHOLE: usize = 120;
/// The bytes of a longer name that are kept.
const BEGINNING: usize = 64;

/// A partial folder, locked.
#[derive(Debug)]
pub struct Partial {
    folder: PathBuf,
    target: PathBuf,
    /// The files; taken while a transfer works with them.
    store: FileStore<LocalFile>,
}

impl Partial {
    /// The path of `target`'s partial folder.
    #[must_use]
    pub fn folder_of(target: &Path) -> PathBuf {
        let own = target.file_name().unwrap_or_default();
        let mut name = OsString::from(".");
        name.push(own);
        name.push(PARTIAL_SUFFIX);
        let whole = target.with_file_name(name);
        // Earlier builds used the whole name. A download that one of them began is resumed.
        if own.len() <= LONGEST_WHOLE || fs::symlink_metadata(&whole).is_ok() {
            return whole;
        }
        let hash = blake3::hash(own.as_encoded_bytes()).to_hex();
        let own = own.to_string_lossy();
        let beginning = &own[..own.floor_char_boundary(BEGINNING)];
        target.with_file_name(format!(".{beginning}-{}{PARTIAL_SUFFIX}", &hash[..16]))
    }

    /// Opens the partial folder of `target`, or makes it, and reads its journal.
    ///
    /// # Errors
    ///
    /// When another process has it, or the disk fails.
    pub fn open(target: &Path) -> Result<(Self, Recovered), Failure> {
        let folder = Self::folder_of(target);
        let failed = |error| Failure::disk(format!("{} can't be used", shown(&folder)), &error);
        make_partial(&folder)?;
        let journals = open_journals(&folder, target)?;
        let (data, hashes) = (open_file(&folder, "data")?, open_file(&folder, "hashes")?);
        let opened = FileStore::open(data, hashes, journals);
        let (store, recovered) = opened.map_err(|error| unreadable(&folder, error))?;
        sync_folder(&folder).and_then(|()| sync_folder(parent(&folder))).map_err(failed)?;
        Ok((Self { folder, target: target.to_owned(), store }, recovered))
    }

    /// The path of the data.
    #[must_use]
    pub fn data_path(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Bytes on the disk that data and hashes of `target` take so far.
    #[must_use]
    pub fn taken_of(target: &Path) -> u64 {
        let folder = Self::folder_of(target);
        ["data", "hashes"].iter().map(|name| taken(&folder.join(name))).sum()
    }

    /// Moves the complete data, last changed at this time, into place and removes the rest. An existing entry is
    /// replaced only on request.
    ///
    /// # Errors
    ///
    /// When an entry is already there, or the disk fails.
    pub fn finish(self, replace: bool, modified_ms: Option<i64>) -> Result<(), Failure> {
        times::set_of(&self.store.data().0, modified_ms);
        let failed = |error| Failure::disk(format!("{} can't be put into its place", shown(&self.target)), &error);
        match place(&self.data_path(), &self.target, replace) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&self.target)),
            Err(error) => return Err(failed(error)),
        }
        sync_folder(parent(&self.target)).map_err(failed)?;
        self.discard();
        Ok(())
    }

    /// Removes it. Leftovers do no harm.
    pub fn discard(self) {
        // The journal last, since its first file holds the lock.
        for name in ["data", "hashes", journal::FILES[1], journal::FILES[0]] {
            let _stays = fs::remove_file(self.folder.join(name));
        }
        drop(self.store);
        remove_emptied(&self.folder);
    }

    /// Removes it if nothing is on record, so that a mistyped name leaves nothing behind.
    pub fn discard_if_empty(self) {
        if self.store.journals().end().length == 0 {
            self.discard();
        }
    }
}

impl Storage for Partial {
    type Request = StoreRequest;
    type Reply = Stored<io::Error>;

    fn perform(&mut self, request: StoreRequest) -> Stored<io::Error> {
        self.store.perform(request)
    }
}

/// Opens the two files of the journal in a partial folder under a lock.
///
/// # Errors
///
/// When another process has them, another kind of entry is in their place, or the disk fails.
pub(crate) fn open_journals(folder: &Path, target: &Path) -> Result<[LocalFile; 2], Failure> {
    let [first, second] = journal::FILES;
    Ok([open_journal(folder, target, first)?, open_journal(folder, target, second)?])
}

fn open_journal(folder: &Path, target: &Path, name: &str) -> Result<LocalFile, Failure> {
    let path = folder.join(name);
    let failed = |error| Failure::disk(format!("{} can't be used", shown(&path)), &error);
    let journal = open_file(folder, name)?;
    match journal.0.try_lock() {
        Ok(()) => {}
        // Some file systems have no locks. The user then has to run one process at a time.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(target)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // The process that had the lock until now may have removed the folder.
    if is_same(&path, &journal.0) { Ok(journal) } else { Err(in_use(target)) }
}

/// The failure for a partial folder whose journal can't be used.
pub(crate) fn unreadable(folder: &Path, error: Unreadable<io::Error>) -> Failure {
    match error {
        Unreadable::OtherVersion => {
            let what = format!("{} was written by another version of wstp.", shown(folder));
            let advice = "Go on with that version, or delete it and run the same command again: it begins anew.";
            Failure::new(Code::Failed, what, advice)
        }
        Unreadable::Storage(error) => Failure::disk(format!("{} can't be used", shown(folder)), &error),
    }
}

/// Removes a folder whose files are all removed and closed. Some disks (FUSE, NFS) keep a file that was open when it
/// was removed, under another name.
pub(crate) fn remove_emptied(folder: &Path) {
    if fs::remove_dir(folder).is_ok() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if [".fuse_hidden", ".nfs"].iter().any(|kept| name.as_encoded_bytes().starts_with(kept.as_bytes())) {
            let _stays = fs::remove_file(entry.path());
        }
    }
    let _stays = fs::remove_dir(folder);
}

/// Makes a partial folder if there is none.
///
/// # Errors
///
/// When another kind of entry is there, or the disk fails.
pub(crate) fn make_partial(folder: &Path) -> Result<(), Failure> {
    make_folder(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotADirectory => {
            let what = format!("{} is in the way, and no folder: what is not complete is kept there.", shown(folder));
            Failure::new(Code::Disk, what, "Move or delete it, and run the same command again.")
        }
        _ => Failure::disk(format!("{} can't be used", shown(folder)), &error),
    })
}

/// Makes a folder if there is none. A link to a folder does not count as one.
///
/// # Errors
///
/// When another kind of entry is there, or the disk fails.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let there = fs::symlink_metadata(path)?;
            if there.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
        }
        made => made,
    }
}

/// The failure for an entry in the target's place that differs from the server's file.
pub(crate) fn exists(target: &Path) -> Failure {
    Failure::new(
        Code::Differs,
        format!("{} is already there, and not the same.", shown(target)),
        "Run it again with --update to replace it, or choose another place with -o.",
    )
}

pub(crate) fn shown(path: &Path) -> String {
    escape::name(&path.to_string_lossy())
}

fn in_use(target: &Path) -> Failure {
    let what = format!("Another wstp is fetching {} at this moment.", shown(target));
    Failure::new(Code::Failed, what, "Wait until it is done, or stop it.")
}

/// Opens one of the files in a partial folder, or makes it.
fn open_file(folder: &Path, name: &str) -> Result<LocalFile, Failure> {
    let path = folder.join(name);
    if fs::symlink_metadata(&path).is_ok_and(|there| !there.is_file()) {
        let what = format!("{} is not a file, so wstp did not make it.", shown(&path));
        let advice = format!("Delete {}, and run the same command again: it begins anew.", shown(folder));
        return Err(Failure::new(Code::Disk, what, advice));
    }
    let no_link = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).custom_flags(no_link).open(&path);
    opened.map(LocalFile).map_err(|error| Failure::disk(format!("{} can't be used", shown(&path)), &error))
}

fn is_same(path: &Path, file: &File) -> bool {
    let (Ok(there), Ok(open)) = (fs::symlink_metadata(path), file.metadata()) else { return false };
    (there.dev(), there.ino()) == (open.dev(), open.ino())
}

/// Moves a file into place in one step. An existing entry is replaced only on request.
pub(crate) fn place(data: &Path, target: &Path, replace: bool) -> io::Result<()> {
    if replace {
        return fs::rename(data, target);
    }
    match renameat_with(CWD, data, CWD, target, RenameFlags::NOREPLACE) {
        // Some file systems can't do it in one step.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => match fs::symlink_metadata(target) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(data, target),
        },
        done => done.map_err(Into::into),
    }
}

/// The folder around it.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes names in a folder durable, where the file system can do that.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partial_folder_stands_beside_the_target() {
        assert_eq!(Partial::folder_of(Path::new("a/b.txt")), Path::new("a/.b.txt.wstp"));
        assert_eq!(Partial::folder_of(Path::new("b.txt")), Path::new(".b.txt.wstp"));
    }

    #[test]
    fn the_partial_folder_of_a_long_name_is_short_and_its_own() {
        let names = ["x".repeat(255), format!("{}y", "x".repeat(254)), "é".repeat(127)];
        let folders = names.each_ref().map(|name| Partial::folder_of(Path::new(name)));
        for folder in &folders {
            assert!(folder.as_os_str().len() <= 120, "{folder:?}");
        }
        assert!(folders[0] != folders[1]);
    }

    #[test]
    fn the_long_partial_folder_of_an_earlier_version_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let name = "x".repeat(245);
        let whole = dir.path().join(format!(".{name}.wstp"));
        fs::create_dir(&whole).unwrap();
        assert_eq!(Partial::folder_of(&dir.path().join(name)), whole);
    }

    #[test]
    fn only_one_can_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        let (first, _) = Partial::open(&target).unwrap();
        assert!(Partial::open(&target).unwrap_err().what.contains("Another wstp"));
        first.discard();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        Partial::open(&target).unwrap();
    }

    #[test]
    fn nothing_is_replaced_unless_that_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        fs::write(&target, "old").unwrap();
        let partial = || {
            let (partial, _) = Partial::open(&target).unwrap();
            fs::write(partial.data_path(), "new").unwrap();
            partial
        };
        assert_eq!(partial().finish(false, None).unwrap_err().code, Code::Differs);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        partial().finish(true, None).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_no_partial_folder() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join(".x.wstp")).unwrap();
        assert_eq!(Partial::open(&dir.path().join("x")).unwrap_err().code, Code::Disk);
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_torn_journal_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x");
        fs::create_dir(Partial::folder_of(&target)).unwrap();
        fs::write(Partial::folder_of(&target).join("journal"), "WSTP?").unwrap();
        let (partial, recovered) = Partial::open(&target).unwrap();
        assert_eq!(recovered, Recovered::default());
        assert_eq!(partial.store.journals().files()[0].0.metadata().unwrap().len(), 0);
    }
}
