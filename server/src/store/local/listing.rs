//! Listings: a folder's names in order, kept between the requests for its pages.
//!
//! Order: folders first, then by the bytes of the spelled name. Only the data that decides the order is read for the
//! whole folder. Sizes and times are looked up for the entries of one page. A cursor is the last entry's place in the
//! order. So it holds when the folder changes, and when the server has dropped the names.
//!
//! All clients that list a folder share its names. A first page needs names that were read after it was requested, or
//! that are certainly still the folder's ([`Changed`]). Clients that ask while a folder is read wait, and share the next
//! reading. All names in memory, also those being read, have one bound.

use std::borrow::Cow;
use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, MetadataExt};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use wstp_protocol::limits::{MAX_CURSOR, MAX_NAME};
use wstp_protocol::{Entry, EntryKind, ErrorCode, SharePath, spelling};
use wstp_provider::{Page, Refusal};

use super::changed::Changed;
use super::folder::Share;
use super::names::{Budget, Group, Names};
use super::refused::refused;
use super::stamp::FileId;

/// Names in one folder that can be listed.
const MAX_NAMES: usize = 1_000_000;
/// Folders whose names are kept.
const MAX_KEPT_FOLDERS: usize = 64;
/// Bytes of the kept names. Those of the last folder are kept in any case.
const MAX_KEPT: usize = 64 << 20;
/// Names that no client requested for this long are dropped.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Longest name, so that its cursor fits.
const MAX_NAME_BYTES: usize = (MAX_CURSOR - 1) / 2;

const TOO_MANY: Refusal =
    Refusal::new(ErrorCode::Io, "This folder has more than a million entries and can't be listed.");
const FULL: Refusal = Refusal::new(ErrorCode::Busy, "The server lists too many large folders. Try again shortly.");

/// The names of recently listed folders, shared by all connections.
#[derive(Default)]
pub struct Listings {
    kept: Mutex<Vec<Kept>>,
    /// Folders that are being read. The reader holds the lock of each.
    reading: Mutex<Vec<(Listed, Arc<Mutex<()>>)>>,
    budget: Arc<Budget>,
    /// Orders requests and readings.
    next_ticket: AtomicU64,
}

/// The moment of a request or a beginning, in the order of all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

struct Kept {
    listed: Listed,
    /// When their reading began.
    read: Ticket,
    used: Instant,
    names: Arc<Names>,
    /// They are the folder's while this is so.
    changed: Option<Changed>,
}

/// The listed folder: its path, and the folder that was there then.
#[derive(Clone, PartialEq, Eq)]
struct Listed {
    path: SharePath,
    file: FileId,
}

/// An entry's place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    group: Group,
    /// The spelled name.
    name: String,
}

impl Listings {
    /// No listings yet, whose names count for this budget.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Take it when a page is requested.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.next_ticket.fetch_add(1, Ordering::Relaxed))
    }

    /// One page of the folder `dir`, which is at `path`. Blocking.
    pub fn page(
        &self,
        asked: Ticket,
        share: &Share,
        path: &SharePath,
        dir: &Dir,
        after: Option<Place>,
        limit: u32,
    ) -> Result<Page, Refusal> {
        let metadata = dir.dir_metadata().map_err(refused)?;
        let listed = Listed { path: path.clone(), file: (metadata.dev(), metadata.ino()) };
        let kept = match &after {
            Some(_) => self.kept(&listed, |_| true),
            None => Changed::of(dir).and_then(|now| self.kept(&listed, |kept| kept.changed == Some(now))),
        };
        let names = match kept {
            Some(names) => names,
            None => self.read(asked, listed, || self.names(share, path, dir))?,
        };
        let start = after.map_or(0, |after| names.behind(after.group, &after.name));
        let (mut page, mut last) = (Page::new(limit), None);
        for index in start..names.len() {
            let (group, name) = names.get(index);
            let Some(entry) = entry(share, path, dir, name) else { continue };
            if !page.push(entry) {
                let last = last.map(|(group, name)| cursor(group, name));
                return Ok(last.map_or(Page::new(0), |last| page.continued(last)));
            }
            last = Some((group, name));
        }
        Ok(page)
    }

    /// Drops names that no client requested lately.
    pub fn tidy(&self) {
        self.lock().retain(|kept| kept.used.elapsed() < KEPT_FOR);
    }

    /// The kept names of a folder, if they will do.
    fn kept(&self, listed: &Listed, will_do: impl Fn(&Kept) -> bool) -> Option<Arc<Names>> {
        let mut kept = self.lock();
        let found = kept.iter_mut().find(|kept| kept.listed == *listed && will_do(kept))?;
        found.used = Instant::now();
        Some(found.names.clone())
    }

    /// The names of a folder, read after `asked` by this thread or another one.
    fn read(
        &self,
        asked: Ticket,
        listed: Listed,
        names: impl FnOnce() -> Result<(Names, Option<Changed>), Refusal>,
    ) -> Result<Arc<Names>, Refusal> {
        let turn = self.turn(&listed);
        let result = {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            match self.kept(&listed, |kept| kept.read > asked) {
                Some(names) => Ok(names),
                None => {
                    let began = self.ticket();
                    names().map(|(names, changed)| self.keep(listed.clone(), began, names, changed))
                }
            }
        };
        drop(turn);
        self.readings().retain(|(_, turn)| Arc::strong_count(turn) > 1);
        result
    }

    /// The lock under which a folder is read.
    fn turn(&self, listed: &Listed) -> Arc<Mutex<()>> {
        let mut reading = self.readings();
        if let Some((_, turn)) = reading.iter().find(|(other, _)| other == listed) {
            return turn.clone();
        }
        let turn = Arc::<Mutex<()>>::default();
        reading.push((listed.clone(), turn.clone()));
        turn
    }

    fn keep(&self, listed: Listed, read: Ticket, names: Names, changed: Option<Changed>) -> Arc<Names> {
        let names = Arc::new(names);
        let mut kept = self.lock();
        kept.retain(|other| other.listed.path != listed.path);
        kept.push(Kept { listed, read, used: Instant::now(), names: names.clone(), changed });
        let size = |kept: &[Kept]| kept.iter().map(|kept| kept.names.size()).sum::<usize>();
        while kept.len() > 1 && (kept.len() > MAX_KEPT_FOLDERS || size(&kept) > MAX_KEPT) {
            kept.remove(0);
        }
        names
    }

    /// All shown names of a folder, in order, and how to tell that they still are.
    fn names(&self, share: &Share, path: &SharePath, dir: &Dir) -> Result<(Names, Option<Changed>), Refusal> {
        let mut changed = Changed::of(dir);
        let mut names = Names::new(self.budget.clone());
        for entry in rustix::fs::Dir::new(readable(dir)?).map_err(|error| refused(error.into()))? {
            let entry = entry.map_err(|error| refused(error.into()))?;
            let name = entry.file_name();
            let bytes = name.to_bytes();
            if matches!(bytes, b"." | b"..") || bytes.len() > MAX_NAME_BYTES || !share.shows(bytes) {
                continue;
            }
            if entry.file_type() == FileType::Symlink {
                // Its group is that of its target, which changes elsewhere.
                changed = None;
            }
            let Some(group) = group(share, path, dir, name, entry.file_type()) else { continue };
            if names.len() == MAX_NAMES {
                return Err(TOO_MANY);
            }
            let name = spelling::of(bytes);
            // Kept names are evicted for those that are needed now.
            while !names.push(group, &name) {
                self.give_way()?;
            }
        }
        names.sort();
        Ok((names, changed))
    }

    /// Drops the oldest names.
    fn give_way(&self) -> Result<(), Refusal> {
        let mut kept = self.lock();
        if kept.is_empty() {
            return Err(FULL);
        }
        kept.remove(0);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, Vec<(Listed, Arc<Mutex<()>>)>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The place that a cursor names.
    pub fn parse(cursor: &str) -> Result<Self, Refusal> {
        const REFUSAL: Refusal = Refusal::new(
            ErrorCode::InvalidPath,
            "This is no cursor of this server. List the folder from its beginning.",
        );
        let (group, hex) = match cursor.as_bytes() {
            [b'd', hex @ ..] => (Group::Folder, hex),
            [b'f', hex @ ..] => (Group::Other, hex),
            _ => return Err(REFUSAL),
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = hex.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(REFUSAL);
        }
        let name = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<Vec<_>>>();
        Ok(Self { group, name: spelling::of(&name.ok_or(REFUSAL)?).into_owned() })
    }
}

/// The cursor behind an entry.
pub fn cursor_behind(is_folder: bool, name: &str) -> String {
    cursor(if is_folder { Group::Folder } else { Group::Other }, name)
}

/// The cursor of a place.
fn cursor(group: Group, name: &str) -> String {
    use std::fmt::Write;
    let bytes = bytes(name);
    let mut text = String::with_capacity(1 + 2 * bytes.len());
    text.push(if group == Group::Folder { 'd' } else { 'f' });
    for byte in bytes.iter() {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

/// The name in the file system.
fn bytes(name: &str) -> Cow<'_, [u8]> {
    spelling::bytes(name).expect("the name was spelled from bytes")
}

/// A folder whose names can be read. The capability itself only resolves paths in it.
fn readable(dir: &Dir) -> Result<OwnedFd, Refusal> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(dir, c".", flags, Mode::empty()).map_err(|error| refused(error.into()))
}

/// The place of an entry; `None` for an entry that is not served.
fn group(share: &Share, path: &SharePath, dir: &Dir, name: &CStr, file_type: FileType) -> Option<Group> {
    match file_type {
        FileType::Directory => Some(Group::Folder),
        FileType::RegularFile => Some(Group::Other),
        FileType::Symlink => match target(share, path, name.to_bytes()) {
            Some(target) if target.is_dir() => Some(Group::Folder),
            Some(target) if !target.is_file() => None,
            _ => Some(Group::Other),
        },
        // Some file systems don't store the kind of an entry in the folder.
        FileType::Unknown => {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            let file_type = FileType::from_raw_mode(stat.st_mode);
            (file_type != FileType::Unknown).then(|| group(share, path, dir, name, file_type)).flatten()
        }
        _ => None,
    }
}

/// The entry that a link leads to within the share.
fn target(share: &Share, folder: &SharePath, name: &[u8]) -> Option<cap_std::fs::Metadata> {
    let path = folder.join(&spelling::of(name)).ok()?;
    share.metadata(&path).ok()
}

/// The entry as the client sees it; `None` if it is gone or not served.
fn entry(share: &Share, folder: &SharePath, dir: &Dir, name: &str) -> Option<Entry> {
    let unreadable = |name: String| Entry { name, kind: EntryKind::Unreadable, size: 0, modified_ms: None };
    if name.len() > MAX_NAME {
        return Some(unreadable(name[..name.floor_char_boundary(MAX_NAME)].to_owned()));
    }
    let bytes = bytes(name);
    let os_name = Path::new(OsStr::from_bytes(&bytes));
    let name = name.to_owned();
    let stat = match rustix::fs::statat(dir, os_name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(rustix::io::Errno::NOENT) => return None,
        Err(_) => return Some(unreadable(name)),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => match linked(share, &folder.join(&name).ok()?) {
            Ok(entry) => Some(entry),
            Err(refusal) if refusal.code() == ErrorCode::NotAFile => None,
            Err(_) => Some(unreadable(name)),
        },
        FileType::RegularFile | FileType::Directory => {
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let access = if is_folder { Access::READ_OK | Access::EXEC_OK } else { Access::READ_OK };
            if rustix::fs::accessat(dir, os_name, access, AtFlags::EACCESS).is_err() {
                return Some(unreadable(name));
            }
            let modified_ms = stat.st_mtime.checked_mul(1000);
            let modified_ms = modified_ms.and_then(|ms| ms.checked_add((stat.st_mtime_nsec / 1_000_000).cast_signed()));
            let (kind, size) =
                if is_folder { (EntryKind::Directory, 0) } else { (EntryKind::File, stat.st_size.cast_unsigned()) };
            Some(Entry { name, kind, size, modified_ms })
        }
        _ => None,
    }
}

/// A link as the client sees it.
fn linked(share: &Share, link: &SharePath) -> Result<Entry, Refusal> {
    let entry = share.entry(link)?;
    let leads_around = entry.kind == EntryKind::Directory && share.leads_around(link)?;
    Ok(if leads_around { Entry { kind: EntryKind::Circle, modified_ms: None, ..entry } } else { entry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        for name in [b"a".as_slice(), b"\xff\x00z", "späß".as_bytes()] {
            for group in [Group::Folder, Group::Other] {
                let name = spelling::of(name).into_owned();
                assert_eq!(Place::parse(&cursor(group, &name)).unwrap(), Place { group, name });
            }
        }
        for cursor in ["", "x61", "d6", "dzz", "d+1", "fä"] {
            assert!(Place::parse(cursor).is_err(), "{cursor:?}");
        }
    }

    fn listed() -> Listed {
        Listed { path: SharePath::root(), file: (1, 1) }
    }

    fn read(listings: &Listings, asked: Ticket, readings: &mut u32) -> Arc<Names> {
        let names = || {
            *readings += 1;
            Ok((Names::new(listings.budget.clone()), None))
        };
        listings.read(asked, listed(), names).unwrap()
    }

    #[test]
    fn those_who_asked_before_a_reading_began_share_it_and_later_ones_do_not() {
        let listings = Listings::default();
        let mut readings = 0;
        let (first, second) = (listings.ticket(), listings.ticket());
        let shared = [read(&listings, first, &mut readings), read(&listings, second, &mut readings)];
        assert!(Arc::ptr_eq(&shared[0], &shared[1]));
        assert_eq!(readings, 1);
        read(&listings, listings.ticket(), &mut readings);
        assert_eq!(readings, 2);
        assert!(listings.readings().is_empty());
    }

    /// The names in the first page of a folder, and whether they were kept ones.
    fn first_page(listings: &Listings, folder: &Path) -> (Vec<String>, bool) {
        let share = Share::open(folder, false).unwrap();
        let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority()).unwrap();
        let before = listings.lock().first().map(|kept| kept.names.clone());
        let page = listings.page(listings.ticket(), &share, &SharePath::root(), &dir, None, 100).unwrap();
        let names = page.entries().iter().map(|entry| entry.name.clone()).collect();
        let after = listings.lock().first().map(|kept| kept.names.clone());
        (names, before.zip(after).is_some_and(|(before, after)| Arc::ptr_eq(&before, &after)))
    }

    /// Waits until the last change of a folder is so old that the next one shows.
    fn settle(folder: &Path) {
        let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority()).unwrap();
        let late = Instant::now() + Duration::from_secs(10);
        while Changed::of(&dir).is_none() {
            assert!(Instant::now() < late, "the file system tells no changes");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_folder_is_read_again_only_when_its_names_may_have_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (listings, file) = (Listings::default(), |name: &str| folder.path().join(name));
        std::fs::write(file("a"), "").unwrap();
        settle(folder.path());
        assert_eq!(first_page(&listings, folder.path()), (vec!["a".to_owned()], false));
        assert_eq!(first_page(&listings, folder.path()), (vec!["a".to_owned()], true));
        std::fs::rename(file("a"), file("b")).unwrap();
        assert_eq!(first_page(&listings, folder.path()), (vec!["b".to_owned()], false));
        std::fs::remove_file(file("b")).unwrap();
        assert_eq!(first_page(&listings, folder.path()), (vec![], false));
    }

    #[test]
    fn a_folder_with_a_link_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let (listings, file) = (Listings::default(), |name: &str| folder.path().join(name));
        std::fs::create_dir(file("target")).unwrap();
        std::os::unix::fs::symlink("target", file("link")).unwrap();
        settle(folder.path());
        let both = vec!["link".to_owned(), "target".to_owned()];
        assert_eq!(first_page(&listings, folder.path()), (both.clone(), false));
        assert_eq!(first_page(&listings, folder.path()), (both, false));
    }

    #[test]
    fn kept_names_give_way_to_those_that_are_needed() {
        let listings = Listings::default();
        let mut readings = 0;
        drop(read(&listings, listings.ticket(), &mut readings));
        assert!(listings.kept(&listed(), |_| true).is_some());
        listings.give_way().unwrap();
        assert!(listings.kept(&listed(), |_| true).is_none());
        assert_eq!(listings.give_way().unwrap_err().code(), ErrorCode::Busy);
    }
}
