//! The shared folder: every path is resolved beneath it.
//!
//! The kernel resolves paths (openat2 with RESOLVE_BENEATH if it has it), so neither `..` nor a symbolic link leads
//! out. Nothing but regular files is ever opened for reading. All calls are blocking and for blocking threads only.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::{Access, AtFlags, OFlags};
use wstp_protocol::{Entry, EntryKind, ErrorCode, SharePath, spelling};
use wstp_provider::Refusal;

use super::links::{self, Astray, Way};
use super::refused::refused;
use super::root::Root;
use super::stamp::{Stamp, milliseconds};

/// The shared folder, or a folder beneath it.
#[derive(Clone)]
pub struct Share {
    root: Arc<Root>,
    /// The way from the root down to the folder that nothing may lead out of: each step stays beneath the one before.
    steps: Vec<SharePath>,
    hidden: bool,
}

/// The entry that a path named when it was looked up.
pub struct Spot {
    /// The shared folder as it was then.
    dir: Dir,
    /// Its path beneath that folder.
    path: PathBuf,
    /// Its metadata, links followed.
    pub metadata: Metadata,
}

/// The reason why there is no entry.
enum Nothing {
    /// A link on the path leads to an entry that is not served.
    Astray(Astray),
    /// Any other reason.
    Refused(Refusal),
}

impl Share {
    /// Shares a folder. With `hidden`, names that begin with a dot too.
    pub fn open(root: &Path, hidden: bool) -> io::Result<Self> {
        Ok(Self { root: Arc::new(Root::new(root)?), steps: Vec::new(), hidden })
    }

    /// A folder beneath this one, which need not be there yet.
    pub fn beneath(&self, folder: &SharePath) -> Self {
        let mut steps = self.steps.clone();
        steps.push(folder.clone());
        Self { steps, ..self.clone() }
    }

    /// The path of the root, which tells shares apart.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The path of an entry from the root on.
    pub fn path_from_root(&self, path: &SharePath) -> String {
        let names = self.steps.iter().chain([path]).flat_map(SharePath::names);
        names.collect::<Vec<_>>().join("/")
    }

    /// Whether entries of this name are shown.
    pub fn shows(&self, name: &[u8]) -> bool {
        self.hidden || !name.starts_with(b".")
    }

    /// Opens a regular file.
    pub fn file(&self, path: &SharePath) -> Result<(File, Stamp), Refusal> {
        self.find(path)?.file()
    }

    /// The metadata of the entry that a path names, links followed.
    pub fn metadata(&self, path: &SharePath) -> Result<Metadata, Refusal> {
        Ok(self.find(path)?.metadata)
    }

    /// The facts about one entry.
    pub fn entry(&self, path: &SharePath) -> Result<Entry, Refusal> {
        let name = path.name().unwrap_or_default().to_owned();
        let spot = match self.look_up(path) {
            Ok(spot) => spot,
            Err(Nothing::Astray(astray)) if self.is_link(path)? => {
                return Ok(Entry { name, kind: astray.kind(), size: 0, modified_ms: None });
            }
            Err(nothing) => return Err(nothing.into()),
        };
        let kind = spot.kind()?;
        let size = if kind == EntryKind::File { spot.metadata.len() } else { 0 };
        Ok(Entry { name, kind, size, modified_ms: modified_ms(&spot.metadata) })
    }

    /// Whether a link leads to a folder that contains it. A client that follows such links never comes to an end.
    pub fn leads_around(&self, link: &SharePath) -> Result<bool, Refusal> {
        let target = self.metadata(link)?;
        let mut around = link.parent();
        while let Some(folder) = around {
            let metadata = self.metadata(&folder)?;
            if (metadata.dev(), metadata.ino()) == (target.dev(), target.ino()) {
                return Ok(true);
            }
            around = folder.parent();
        }
        Ok(false)
    }

    /// The entry that a path names, links followed.
    pub fn find(&self, path: &SharePath) -> Result<Spot, Refusal> {
        Ok(self.look_up(path)?)
    }

    /// Whether the entry itself is a link.
    fn is_link(&self, path: &SharePath) -> Result<bool, Refusal> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(false) };
        let Some(name) = spelling::bytes(name) else { return Ok(false) };
        let around = self.find(&parent)?;
        let metadata = around.dir.symlink_metadata(around.path.join(OsStr::from_bytes(&name)));
        Ok(metadata.map_err(refused)?.is_symlink())
    }

    fn look_up(&self, path: &SharePath) -> Result<Spot, Nothing> {
        let path = self.visible(path)?;
        let (dir, root) = self.folder()?;
        let error = match dir.metadata(&path) {
            Ok(metadata) => return Ok(Spot { dir, path: path.into_owned(), metadata }),
            Err(error) if is_about_links(&error) => error,
            Err(error) => return Err(error.into()),
        };
        match links::follow(&root, &path)? {
            Way::Inside(path) => {
                let metadata = dir.metadata(&path)?;
                Ok(Spot { dir, path, metadata })
            }
            Way::Astray(astray) => Err(Nothing::Astray(astray)),
            Way::Missing => Err(error.into()),
        }
    }

    /// The folder that nothing may lead out of, as it is now, and its path.
    fn folder(&self) -> Result<(Dir, PathBuf), Refusal> {
        let (mut dir, mut path) = (self.root.look_up()?, self.root().to_owned());
        for step in &self.steps {
            let step = self.visible(step)?;
            dir = dir.open_dir(&step).map_err(|_| Refusal::from(ErrorCode::NotFound))?;
            path.push(step);
        }
        Ok((dir, path))
    }

    /// The path as the file system knows it. Hidden names count as missing.
    fn visible<'a>(&self, path: &'a SharePath) -> Result<Cow<'a, Path>, Refusal> {
        let bytes = spelling::bytes(path.as_str()).ok_or(Refusal::from(ErrorCode::NotFound))?;
        if !bytes.split(|byte| *byte == b'/').all(|name| self.shows(name)) {
            return Err(ErrorCode::NotFound.into());
        }
        Ok(match bytes {
            Cow::Borrowed([]) => Path::new(".").into(),
            Cow::Borrowed(bytes) => Path::new(OsStr::from_bytes(bytes)).into(),
            Cow::Owned(bytes) => PathBuf::from(OsStr::from_bytes(&bytes)).into(),
        })
    }
}

impl Spot {
    /// Opens it, if it is a folder.
    pub fn open_dir(&self) -> Result<Dir, Refusal> {
        self.dir.open_dir(&self.path).map_err(refused)
    }

    /// Opens it, if it is a regular file.
    pub fn file(&self) -> Result<(File, Stamp), Refusal> {
        // It is looked at first, because opening can have effects on a device. Should the file be swapped in between,
        // O_NONBLOCK keeps a FIFO from blocking, and the second look refuses it.
        if !self.metadata.is_file() {
            return Err(ErrorCode::NotAFile.into());
        }
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.cast_signed());
        let file = self.dir.open_with(&self.path, &options).map_err(refused)?.into_std();
        if !file.metadata().map_err(refused)?.is_file() {
            return Err(ErrorCode::NotAFile.into());
        }
        let stamp = Stamp::of(&file).map_err(refused)?;
        Ok((file, stamp))
    }

    fn kind(&self) -> Result<EntryKind, Refusal> {
        let (kind, is_readable) = if self.metadata.is_dir() {
            (EntryKind::Directory, self.dir.open_dir(&self.path).and_then(|dir| dir.entries()).is_ok())
        } else if self.metadata.is_file() {
            let access = rustix::fs::accessat(&self.dir, &self.path, Access::READ_OK, AtFlags::EACCESS);
            (EntryKind::File, access.is_ok())
        } else {
            return Err(ErrorCode::NotAFile.into());
        };
        Ok(if is_readable { kind } else { EntryKind::Unreadable })
    }
}

impl From<Nothing> for Refusal {
    fn from(nothing: Nothing) -> Self {
        match nothing {
            Nothing::Astray(astray) => astray.refusal(),
            Nothing::Refused(refusal) => refusal,
        }
    }
}

impl From<Refusal> for Nothing {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Nothing {
    fn from(error: io::Error) -> Self {
        Self::Refused(refused(error))
    }
}

/// Whether a link may be to blame. It leads nowhere, in a circle, or out of the folder in the kernel's view (an error
/// without a number).
fn is_about_links(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => true,
        io::ErrorKind::PermissionDenied => error.raw_os_error().is_none(),
        _ => error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()),
    }
}

/// The last change, in milliseconds since 1970.
pub fn modified_ms(metadata: &Metadata) -> Option<i64> {
    milliseconds(metadata.mtime(), metadata.mtime_nsec())
}
