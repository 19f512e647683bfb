//! The events on the disk: a redb database in the state folder, with a bound (`docs/decisions/0016-events-in-redb.md`).
//!
//! One process writes it. Others may read it meanwhile, as `wstp-server events` does.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    ReadableTable, ReadableTableMetadata, StorageError, TableDefinition,
};

use super::{Event, Search};

/// The file in the state folder.
const FILE: &str = "events.redb";
/// The ending of a damaged one that was set aside.
const DAMAGED: &str = "events.redb.damaged";
/// Number, time and text of each event.
const EVENTS: TableDefinition<u64, (u64, &str)> = TableDefinition::new("events");
/// Bytes that the database keeps in memory. All reads go through the whole table.
const CACHE: usize = 1 << 20;
/// The most that is kept.
const BOUND: Bound = Bound { events: 100_000, bytes: 32 << 20 };

/// The most that is kept. The oldest events go first.
#[derive(Clone, Copy, Debug)]
struct Bound {
    events: u64,
    /// Bytes of texts.
    bytes: u64,
}

/// The database, and the bytes of texts in it.
pub struct Log {
    path: PathBuf,
    base: Base,
    bytes: AtomicU64,
    bound: Bound,
}

enum Base {
    Written(Database),
    Read(ReadOnlyDatabase),
}

/// Why the events on the disk can't be used.
#[derive(Debug, thiserror::Error)]
#[error("the log of events {path:?} can't be used: {reason}")]
pub struct LogError {
    path: PathBuf,
    reason: String,
    is_damaged: bool,
}

impl Log {
    /// The events in a folder, for the one process that writes them, and whether they are new because the ones before
    /// were damaged. Those are set aside.
    ///
    /// # Errors
    /// When another process writes them, or the disk fails.
    pub fn open_or_replace(folder: &Path) -> Result<(Self, bool), LogError> {
        match Self::open(folder, BOUND) {
            Err(error) if error.is_damaged => {
                let (path, aside) = (folder.join(FILE), folder.join(DAMAGED));
                std::fs::rename(&path, &aside).map_err(|error| LogError::io(&path, &error))?;
                tracing::error!("{error}. It is kept as {aside:?}, and a new one begins. Nothing else is affected");
                Ok((Self::open(folder, BOUND)?, true))
            }
            opened => opened.map(|log| (log, false)),
        }
    }

    fn open(folder: &Path, bound: Bound) -> Result<Self, LogError> {
        let path = folder.join(FILE);
        make_private(folder, &path).map_err(|error| LogError::io(&path, &error))?;
        // Damage that it did not foresee makes the database panic.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let database = builder().set_check_integrity_on_open(true).create(&path)?;
            let writing = database.begin_write()?;
            writing.open_table(EVENTS)?;
            writing.commit()?;
            let log = Self { path: path.clone(), base: Base::Written(database), bytes: AtomicU64::new(0), bound };
            log.bytes.store(log.text_bytes()?, Ordering::Relaxed);
            Ok::<_, redb::Error>(log)
        }));
        opened.unwrap_or(Err(redb::Error::Corrupted(String::new()))).map_err(|error| LogError::new(&path, error))
    }

    /// The events in a folder, to read them alone; a server may write them meanwhile.
    ///
    /// # Errors
    /// When there are none, they are damaged, or the disk fails.
    pub fn read(folder: &Path) -> Result<Self, LogError> {
        let path = folder.join(FILE);
        let base = match builder().open_read_only(&path) {
            // A server that was killed left work for the next one that writes.
            Err(DatabaseError::RepairAborted) => builder().open(&path).map(Base::Written),
            opened => opened.map(Base::Read),
        };
        let base = base.map_err(|error| LogError::new(&path, error.into()))?;
        Ok(Self { path, base, bytes: AtomicU64::new(0), bound: BOUND })
    }

    /// Keeps events, whose numbers are higher than those before, and lets the oldest go. They are durable then.
    pub(super) fn append(&self, events: &[Event]) -> Result<(), LogError> {
        self.try_append(events).map_err(|error| LogError::new(&self.path, error))
    }

    fn try_append(&self, events: &[Event]) -> Result<(), redb::Error> {
        let Base::Written(database) = &self.base else { return Ok(()) };
        let writing = database.begin_write()?;
        let mut bytes = self.bytes.load(Ordering::Relaxed);
        {
            let mut table = writing.open_table(EVENTS)?;
            for event in events {
                table.insert(event.id, (event.at, event.text.as_str()))?;
                bytes += event.text.len() as u64;
            }
            while table.len()? > self.bound.events || bytes > self.bound.bytes {
                let Some((_, oldest)) = table.pop_first()? else { break };
                bytes = bytes.saturating_sub(oldest.value().1.len() as u64);
            }
        }
        writing.commit()?;
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The events that are looked for, at most so many, the newest first.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn newest(&self, search: &Search, most: usize) -> Result<Vec<Event>, LogError> {
        let find = || {
            let table = self.begin()?.open_table(EVENTS)?;
            let older = table.range(..search.before.unwrap_or(u64::MAX))?.rev();
            collect(older, most, |id, _, text| search.finds(id, text))
        };
        find().map_err(|error| LogError::new(&self.path, error))
    }

    /// The events after that of a number and not before a moment, at most so many, the oldest first.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn after(&self, id: u64, since: u64, most: usize) -> Result<Vec<Event>, LogError> {
        let find = || {
            let table = self.begin()?.open_table(EVENTS)?;
            collect(table.range(id.saturating_add(1)..)?, most, |_, at, _| at >= since)
        };
        find().map_err(|error| LogError::new(&self.path, error))
    }

    fn begin(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(match &self.base {
            Base::Written(database) => database.begin_read()?,
            Base::Read(database) => database.begin_read()?,
        })
    }

    fn text_bytes(&self) -> Result<u64, redb::Error> {
        let table = self.begin()?.open_table(EVENTS)?;
        let mut bytes = 0;
        for row in table.iter()? {
            bytes += row?.1.value().1.len() as u64;
        }
        Ok(bytes)
    }
}

fn collect<'a>(
    rows: impl Iterator<
        Item = Result<(redb::AccessGuard<'a, u64>, redb::AccessGuard<'a, (u64, &'static str)>), StorageError>,
    >,
    most: usize,
    wanted: impl Fn(u64, u64, &str) -> bool,
) -> Result<Vec<Event>, redb::Error> {
    let mut found = Vec::new();
    for row in rows {
        let (id, value) = row?;
        let (id, (at, text)) = (id.value(), value.value());
        if found.len() == most {
            break;
        }
        if wanted(id, at, text) {
            found.push(Event { id, at, text: text.to_owned() });
        }
    }
    Ok(found)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_concurrency_mode(ConcurrencyMode::SingleWriter).set_cache_size(CACHE);
    builder
}

/// Makes the folder and the file, if they are missing, for their owner alone.
fn make_private(folder: &Path, file: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().append(true).create(true).mode(0o600).open(file).map(drop)
}

impl LogError {
    fn new(path: &Path, error: redb::Error) -> Self {
        let (reason, is_damaged) = match &error {
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
                ("another server writes it".to_owned(), false)
            }
            redb::Error::Io(error) if error.kind() == ErrorKind::NotFound => ("there is none".to_owned(), false),
            redb::Error::Io(error) if error.kind() == ErrorKind::InvalidData => ("it is damaged".to_owned(), true),
            redb::Error::Corrupted(_) | redb::Error::UpgradeRequired(_) | redb::Error::TableTypeMismatch { .. } => {
                ("it is damaged".to_owned(), true)
            }
            other => (other.to_string(), false),
        };
        Self { path: path.to_owned(), reason, is_damaged }
    }

    fn io(path: &Path, error: &io::Error) -> Self {
        Self { path: path.to_owned(), reason: error.to_string(), is_damaged: false }
    }

    /// The thread that writes is gone, or a read panicked.
    pub(super) fn gone() -> Self {
        Self { path: FILE.into(), reason: "the disk failed; the server's log says how".to_owned(), is_damaged: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64) -> Event {
        Event { id, at: 1000 + id, text: format!("Event {id:04}") }
    }

    fn ids(events: Vec<Event>) -> Vec<u64> {
        events.into_iter().map(|event| event.id).collect()
    }

    fn search(text: &str, before: Option<u64>) -> Search {
        Search { text: text.to_owned(), before }
    }

    #[test]
    fn events_are_found_by_pages_and_outlive_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path(), BOUND).unwrap();
        log.append(&(1..=50).map(event).collect::<Vec<_>>()).unwrap();
        drop(log);
        let log = Log::open(folder.path(), BOUND).unwrap();
        assert_eq!(ids(log.newest(&search("", None), 3).unwrap()), [50, 49, 48]);
        assert_eq!(ids(log.newest(&search("EVENT 000", None), 2).unwrap()), [9, 8]);
        assert_eq!(ids(log.newest(&search("event 000", Some(8)), 2).unwrap()), [7, 6]);
        assert_eq!(ids(log.after(47, 0, 9).unwrap()), [48, 49, 50]);
        assert_eq!(ids(log.after(0, 1049, 9).unwrap()), [49, 50]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_long_ones() {
        for (bound, first) in [(Bound { events: 3, bytes: 1 << 20 }, 48), (Bound { events: 100, bytes: 25 }, 49)] {
            let folder = tempfile::tempdir().unwrap();
            let log = Log::open(folder.path(), bound).unwrap();
            (1..=40).for_each(|id| log.append(&[event(id)]).unwrap());
            drop(log);
            // The bytes are counted anew.
            let log = Log::open(folder.path(), bound).unwrap();
            (41..=50).for_each(|id| log.append(&[event(id)]).unwrap());
            assert_eq!(ids(log.after(0, 0, 99).unwrap()), (first..=50).collect::<Vec<_>>(), "{bound:?}");
        }
    }

    #[test]
    fn a_damaged_database_is_set_aside_and_a_new_one_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let write = || {
            let (log, was_damaged) = Log::open_or_replace(folder.path()).unwrap();
            log.append(&(1..=2000).map(event).collect::<Vec<_>>()).unwrap();
            was_damaged
        };
        write();
        let whole = std::fs::read(&path).unwrap();
        let mut spoiled = Vec::new();
        spoiled.push(b"no database at all".repeat(500));
        spoiled.push(whole[..whole.len() / 3].to_vec());
        // Beyond the header, so that only the pages' checksums tell.
        for at in (8192..whole.len()).step_by(whole.len() / 7) {
            let mut copy = whole.clone();
            copy[at..(at + 3000).min(whole.len())].fill(0xA5);
            spoiled.push(copy);
        }
        let mut set_aside = 0;
        for bytes in spoiled {
            std::fs::write(&path, &bytes).unwrap();
            let _not_there = std::fs::remove_file(folder.path().join(DAMAGED));
            let was_damaged = write();
            set_aside += usize::from(was_damaged);
            assert_eq!(folder.path().join(DAMAGED).exists(), was_damaged);
            let (log, _) = Log::open_or_replace(folder.path()).unwrap();
            assert_eq!(ids(log.newest(&search("", None), 2).unwrap()), [2000, 1999]);
        }
        assert!(set_aside >= 3, "{set_aside}");
    }

    #[test]
    fn others_read_while_one_writes_and_nobody_else_writes() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Log::read(folder.path()).is_err_and(|error| error.to_string().contains("there is none")));
        let log = Log::open(folder.path(), BOUND).unwrap();
        log.append(&[event(1)]).unwrap();
        let second = Log::open_or_replace(folder.path()).err().unwrap();
        assert!(second.to_string().contains("another server writes it"), "{second}");
        let reader = Log::read(folder.path()).unwrap();
        assert_eq!(ids(reader.after(0, 0, 9).unwrap()), [1]);
        log.append(&[event(2)]).unwrap();
        assert_eq!(ids(reader.after(0, 0, 9).unwrap()), [1, 2]);
    }
}
