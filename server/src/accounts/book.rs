//! The file of the accounts. The server and `wstp-server user` change it, each behind one lock, and a reader never sees
//! half of a change. Nobody but the owner of the server can read it.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustix::fs::FlockOperation;

use super::Accounts;
use crate::kept_file;

/// The file in the state folder.
const FILE: &str = "accounts.toml";
/// The file that is locked while the other one changes.
const LOCK: &str = "accounts.lock";

/// The accounts of one server.
pub struct Book {
    folder: Option<PathBuf>,
    accounts: RwLock<Arc<Accounts>>,
    had_users: AtomicBool,
    seen: Mutex<Stamp>,
}

/// Tells one state of the file from another; `None` if there is no file.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Why the accounts can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// There is no folder for the file.
    #[error("there is no folder for users, tokens and links: name one with --state-dir DIR")]
    NoFolder,
    /// The system's error.
    #[error("cannot use {path:?}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file has a mistake.
    #[error("{path:?} has a mistake in line {line}: {reason}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The mistake, in words.
        reason: String,
    },
}

impl Book {
    /// Accounts that are kept nowhere.
    #[must_use]
    pub fn in_memory(accounts: Accounts) -> Self {
        let had_users = AtomicBool::new(!accounts.users.is_empty());
        Self { folder: None, accounts: RwLock::new(Arc::new(accounts)), had_users, seen: Mutex::default() }
    }

    /// The accounts that are kept in a folder, which need not be there yet. Blocking.
    ///
    /// # Errors
    /// When there is a file and it can't be used.
    pub fn open(folder: &Path) -> Result<Self, BookError> {
        let book = Self { folder: Some(folder.to_owned()), ..Self::in_memory(Accounts::default()) };
        book.refresh()?;
        Ok(book)
    }

    /// The accounts as they are now.
    #[must_use]
    pub fn accounts(&self) -> Arc<Accounts> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there were users at any time since this was opened. A file that is deleted does not change that.
    #[must_use]
    pub fn had_users(&self) -> bool {
        self.had_users.load(Ordering::Acquire)
    }

    /// Reads the file again if it changed. Whether it did. Blocking.
    ///
    /// # Errors
    /// When the file can't be used. The accounts stay as they were, and the next call tries again once the file changes.
    pub fn refresh(&self) -> Result<bool, BookError> {
        let Some(folder) = &self.folder else { return Ok(false) };
        let now = stamp(&folder.join(FILE));
        if std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now) == now {
            return Ok(false);
        }
        self.replace(read(folder)?);
        Ok(true)
    }

    /// Changes the accounts, and keeps them where they are kept. Blocking.
    ///
    /// # Errors
    /// Those of the system, and those of `change`. Nothing is changed then.
    pub fn update<T, E: From<BookError>>(&self, change: impl FnOnce(&mut Accounts) -> Result<T, E>) -> Result<T, E> {
        let Some(folder) = &self.folder else {
            let mut current = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
            let mut accounts = Accounts::clone(&current);
            let result = change(&mut accounts)?;
            self.note_users(&accounts);
            *current = Arc::new(accounts);
            return Ok(result);
        };
        let _lock = lock(folder)?;
        let mut accounts = read(folder)?;
        let result = change(&mut accounts)?;
        write(folder, &accounts)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp(&folder.join(FILE));
        self.replace(accounts);
        Ok(result)
    }

    fn replace(&self, accounts: Accounts) {
        self.note_users(&accounts);
        *self.accounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
    }

    /// Called before the accounts are replaced by these.
    fn note_users(&self, accounts: &Accounts) {
        if !accounts.users.is_empty() {
            self.had_users.store(true, Ordering::Release);
        }
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> BookError {
    let path = path.to_owned();
    move |source| BookError::Io { path: path.clone(), source }
}

/// Makes the folder if need be, and locks it until the file is dropped.
fn lock(folder: &Path) -> Result<File, BookError> {
    kept_file::make_folder(folder).map_err(io_error(folder))?;
    let path = folder.join(LOCK);
    let file =
        File::options().create(true).write(true).truncate(false).mode(0o600).open(&path).map_err(io_error(&path))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|error| io_error(&path)(error.into()))?;
    Ok(file)
}

fn read(folder: &Path) -> Result<Accounts, BookError> {
    let path = folder.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Accounts::default()),
        Err(error) => return Err(io_error(&path)(error)),
    };
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        BookError::Wrong { path, line, reason: error.message().to_owned() }
    })
}

fn write(folder: &Path, accounts: &Accounts) -> Result<(), BookError> {
    let path = folder.join(FILE);
    let text = toml::to_string(accounts).map_err(|error| io_error(&path)(io::Error::other(error)))?;
    kept_file::replace(&path, text.as_bytes()).map_err(io_error(&path))
}

fn stamp(path: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{PasswordHash, Role, User};
    use super::*;

    fn add(book: &Book, name: &str) -> Result<(), BookError> {
        let user = User::new(Role::Normal, PasswordHash::none());
        book.update(|accounts| {
            accounts.users.insert(name.parse().unwrap(), user);
            Ok(())
        })
    }

    #[test]
    fn two_programs_change_it_and_neither_loses_the_others_change() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let (server, command) = (Book::open(&folder).unwrap(), Book::open(&folder).unwrap());
        add(&command, "anna").unwrap();
        add(&server, "ben").unwrap();
        assert!(command.refresh().unwrap() && !command.refresh().unwrap());
        let names = |book: &Book| book.accounts().users.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&command), ["anna", "ben"]);
        assert_eq!(names(&server), names(&command));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
    }

    #[test]
    fn users_are_not_forgotten_when_their_file_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let (server, command) = (Book::open(folder.path()).unwrap(), Book::open(folder.path()).unwrap());
        assert!(!server.had_users());
        add(&command, "anna").unwrap();
        assert!(server.refresh().unwrap() && server.had_users());
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(server.refresh().unwrap());
        assert!(server.accounts().users.is_empty() && server.had_users());
    }

    #[test]
    fn a_file_with_a_mistake_changes_nothing_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        add(&book, "anna").unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "[users.ben]\nrole = \"normal\"\npassword = \"hunter2\"\n").unwrap();
        let error = book.refresh().unwrap_err().to_string();
        assert!(error.contains("line 3") && !error.contains("hunter2"), "{error}");
        assert_eq!(book.accounts().users.len(), 1);
        assert!(add(&book, "carl").is_err());
        assert!(std::fs::read_to_string(&path).unwrap().contains("ben"));
        assert!(Book::open(folder.path()).is_err());
    }
}
