//! Listings: a folder's names in order, kept between the requests for its pages.
//!
//! Order: folders first, then by the bytes of the name as it is spelled. Only what decides the order is read for the whole folder; sizes and times are
//! looked up for the entries of one page. A cursor is the last entry's place in the order, so it holds when the folder changes and
//! when the server has forgotten the names.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::{Dir, MetadataExt};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags};
use wstp_protocol::limits::{MAX_CURSOR, MAX_NAME, MAX_SERVER_FRAME};
use wstp_protocol::{Entry, EntryKind, ErrorCode, ListRequest, Listing, SharePath, spelling};

use super::folder::Share;
use super::refusal::Refusal;
use super::stamp::FileId;

/// Names in one folder that can be listed.
const MAX_NAMES: usize = 1_000_000;
/// Names kept over all folders.
const MAX_KEPT_NAMES: usize = 2_000_000;
/// Folders kept.
const MAX_KEPT_FOLDERS: usize = 64;
/// Longest name, so that its cursor fits.
const MAX_NAME_BYTES: usize = (MAX_CURSOR - 1) / 2;
/// Most bytes an entry takes in a frame besides its name.
const ENTRY_OVERHEAD: usize = 24;
/// Bytes of a frame that entries may take.
const PAGE_BYTES: usize = MAX_SERVER_FRAME - MAX_CURSOR - 64;

/// An entry's place in the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    group: Group,
    /// As it is spelled.
    name: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Folder,
    Other,
}

/// The names of folders listed lately, shared by all connections.
#[derive(Default)]
pub struct Listings {
    kept: Mutex<VecDeque<(Listed, Arc<[Place]>)>>,
}

/// Which folder was listed: where, and which one stood there then.
#[derive(Clone, PartialEq, Eq)]
struct Listed {
    path: SharePath,
    file: FileId,
}

impl Listings {
    /// One page. Blocks.
    pub fn page(&self, share: &Share, request: &ListRequest) -> Result<Listing, Refusal> {
        let after = request.cursor.as_deref().map(Place::parse).transpose()?;
        let dir = share.folder(&request.path)?;
        let metadata = dir.dir_metadata()?;
        let listed = Listed { path: request.path.clone(), file: (metadata.dev(), metadata.ino()) };
        let places = match after.as_ref().and_then(|_| self.kept(&listed)) {
            Some(places) => places,
            None => self.keep(listed, places(share, &request.path, &dir)?),
        };
        let start = after.map_or(0, |after| places.partition_point(|place| *place <= after));
        let mut listing = Listing { id: request.id, entries: Vec::new(), next: None };
        let (mut bytes, mut last) = (0, None);
        for place in &places[start..] {
            let Some(entry) = entry(share, &request.path, &dir, place) else { continue };
            bytes += entry.name.len() + ENTRY_OVERHEAD;
            if listing.entries.len() >= request.limit as usize || bytes > PAGE_BYTES {
                listing.next = last.map(Place::cursor);
                break;
            }
            listing.entries.push(entry);
            last = Some(place);
        }
        Ok(listing)
    }

    fn kept(&self, listed: &Listed) -> Option<Arc<[Place]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(other, _)| other == listed).map(|(_, places)| places.clone())
    }

    fn keep(&self, listed: Listed, places: Vec<Place>) -> Arc<[Place]> {
        let places: Arc<[Place]> = places.into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(other, _)| other.path != listed.path);
        kept.push_back((listed, places.clone()));
        while kept.len() > MAX_KEPT_FOLDERS
            || kept.iter().map(|(_, places)| places.len()).sum::<usize>() > MAX_KEPT_NAMES
        {
            kept.pop_front();
        }
        places
    }
}

impl Place {
    /// The name as the file system has it.
    fn bytes(&self) -> Cow<'_, [u8]> {
        spelling::bytes(&self.name).expect("the name was spelled from bytes")
    }

    fn cursor(&self) -> String {
        use std::fmt::Write;
        let bytes = self.bytes();
        let mut text = String::with_capacity(1 + 2 * bytes.len());
        text.push(if self.group == Group::Folder { 'd' } else { 'f' });
        for byte in bytes.iter() {
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }

    fn parse(cursor: &str) -> Result<Self, Refusal> {
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
        Ok(Self { group, name: spelling::of(&name.ok_or(REFUSAL)?).into() })
    }
}

/// Sees to it that a cursor is one.
pub fn check_cursor(cursor: &str) -> Result<(), Refusal> {
    Place::parse(cursor).map(drop)
}

/// A folder whose names can be read: the capability itself can only be looked through.
pub fn readable(dir: &Dir) -> Result<OwnedFd, Refusal> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, c".", flags, Mode::empty()).map_err(std::io::Error::from)?)
}

/// All shown names of a folder, in order.
fn places(share: &Share, path: &SharePath, dir: &Dir) -> Result<Vec<Place>, Refusal> {
    let mut places = Vec::new();
    for entry in rustix::fs::Dir::new(readable(dir)?).map_err(std::io::Error::from)? {
        let entry = entry.map_err(std::io::Error::from)?;
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if matches!(bytes, b"." | b"..") || bytes.len() > MAX_NAME_BYTES || !share.shows(bytes) {
            continue;
        }
        let Some(group) = group(share, path, dir, name, entry.file_type()) else { continue };
        if places.len() == MAX_NAMES {
            return Err(Refusal::new(
                ErrorCode::Io,
                "This folder has more than a million entries and can't be listed.",
            ));
        }
        places.push(Place { group, name: spelling::of(bytes).into() });
    }
    places.sort_unstable();
    Ok(places)
}

/// Where an entry belongs; `None` for what is not served.
fn group(share: &Share, path: &SharePath, dir: &Dir, name: &CStr, file_type: FileType) -> Option<Group> {
    match file_type {
        FileType::Directory => Some(Group::Folder),
        FileType::RegularFile => Some(Group::Other),
        FileType::Symlink => match target(share, path, name.to_bytes()) {
            Some(target) if target.is_dir() => Some(Group::Folder),
            Some(target) if !target.is_file() => None,
            _ => Some(Group::Other),
        },
        // Some file systems don't say in the folder what an entry is.
        FileType::Unknown => {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            let file_type = FileType::from_raw_mode(stat.st_mode);
            (file_type != FileType::Unknown).then(|| group(share, path, dir, name, file_type)).flatten()
        }
        _ => None,
    }
}

/// What a link leads to within the share.
fn target(share: &Share, folder: &SharePath, name: &[u8]) -> Option<cap_std::fs::Metadata> {
    let path = folder.join(&spelling::of(name)).ok()?;
    share.metadata(&path).ok()
}

/// What the client is told about an entry; `None` if it is gone or not served.
fn entry(share: &Share, folder: &SharePath, dir: &Dir, place: &Place) -> Option<Entry> {
    let unreadable = |name: String| Entry { name, kind: EntryKind::Unreadable, size: 0, modified_ms: None };
    if place.name.len() > MAX_NAME {
        return Some(unreadable(place.name[..place.name.floor_char_boundary(MAX_NAME)].to_owned()));
    }
    let bytes = place.bytes();
    let os_name = Path::new(OsStr::from_bytes(&bytes));
    let name = String::from(&*place.name);
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

/// What is told about a link.
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
                let place = Place { group, name: spelling::of(name).into() };
                assert_eq!(Place::parse(&place.cursor()).unwrap(), place);
            }
        }
        for cursor in ["", "x61", "d6", "dzz", "d+1", "fä"] {
            assert!(Place::parse(cursor).is_err(), "{cursor:?}");
        }
    }
}
