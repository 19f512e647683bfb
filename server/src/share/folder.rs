//! The shared folder: one capability directory beneath which every path is resolved.
//!
//! The kernel resolves paths (openat2 with RESOLVE_BENEATH where it has it), so neither `..` nor a symbolic link leads out. Nothing
//! but regular files is ever opened for reading; all calls block and are for blocking threads only.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use wstp_protocol::{Entry, EntryKind, ErrorCode, SharePath};

use super::refusal::Refusal;
use super::stamp::{Stamp, milliseconds};

/// The shared folder.
pub struct Share {
    dir: Dir,
    root: PathBuf,
    hidden: bool,
}

impl Share {
    /// Opens a folder to share it; with `hidden`, names that begin with a dot too.
    pub fn open(root: &Path, hidden: bool) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(root, ambient_authority())?;
        dir.entries()?;
        let root = root.canonicalize()?;
        Ok(Self { dir, root, hidden })
    }

    /// Where the folder is, to tell shares apart.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether entries of this name are shown.
    pub fn shows(&self, name: &[u8]) -> bool {
        self.hidden || !name.starts_with(b".")
    }

    /// Opens a folder for listing.
    pub fn folder(&self, path: &SharePath) -> Result<Dir, Refusal> {
        let metadata = self.metadata(path)?;
        if metadata.is_file() {
            return Err(ErrorCode::NotADirectory.into());
        }
        if !metadata.is_dir() {
            return Err(ErrorCode::NotAFile.into());
        }
        Ok(self.dir.open_dir(self.visible(path)?)?)
    }

    /// Opens a regular file.
    pub fn file(&self, path: &SharePath) -> Result<(File, Stamp), Refusal> {
        // Looked at first, because opening can have effects on a device. Should the file be swapped in between, O_NONBLOCK keeps
        // a FIFO from blocking and the second look refuses it.
        if !self.metadata(path)?.is_file() {
            return Err(ErrorCode::NotAFile.into());
        }
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.cast_signed());
        let file = self.dir.open_with(self.visible(path)?, &options)?.into_std();
        if !file.metadata()?.is_file() {
            return Err(ErrorCode::NotAFile.into());
        }
        let stamp = Stamp::of(&file)?;
        Ok((file, stamp))
    }

    /// What a path names, links followed.
    pub fn metadata(&self, path: &SharePath) -> Result<Metadata, Refusal> {
        Ok(self.dir.metadata(self.visible(path)?)?)
    }

    /// What is known about one entry.
    pub fn entry(&self, path: &SharePath) -> Result<Entry, Refusal> {
        let name = path.name().unwrap_or_default().to_owned();
        let metadata = match self.metadata(path) {
            Ok(metadata) => metadata,
            Err(refusal) => {
                let link = self.dir.symlink_metadata(self.visible(path)?)?;
                if !link.is_symlink() {
                    return Err(refusal);
                }
                return Ok(Entry { name, kind: EntryKind::Dangling, size: 0, modified_ms: None });
            }
        };
        let kind = if metadata.is_dir() {
            EntryKind::Directory
        } else if metadata.is_file() {
            EntryKind::File
        } else {
            return Err(ErrorCode::NotAFile.into());
        };
        let kind = if self.is_readable(path, kind)? { kind } else { EntryKind::Unreadable };
        let size = if kind == EntryKind::File { metadata.len() } else { 0 };
        Ok(Entry { name, kind, size, modified_ms: modified_ms(&metadata) })
    }

    /// Whether a link leads to a folder that it lies in: whoever goes down such links never comes to an end.
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

    fn is_readable(&self, path: &SharePath, kind: EntryKind) -> Result<bool, Refusal> {
        let visible = self.visible(path)?;
        match kind {
            EntryKind::Directory => Ok(self.dir.open_dir(visible).and_then(|dir| dir.entries()).is_ok()),
            _ => {
                Ok(rustix::fs::accessat(&self.dir, visible, rustix::fs::Access::READ_OK, rustix::fs::AtFlags::EACCESS)
                    .is_ok())
            }
        }
    }

    /// The path as the file system knows it; hidden names are as good as not there.
    fn visible<'a>(&self, path: &'a SharePath) -> Result<&'a Path, Refusal> {
        if !path.names().all(|name| self.shows(name.as_bytes())) {
            return Err(ErrorCode::NotFound.into());
        }
        Ok(if path.is_root() { Path::new(".") } else { Path::new(path.as_str()) })
    }
}

/// The last change, in milliseconds since 1970.
pub fn modified_ms(metadata: &Metadata) -> Option<i64> {
    milliseconds(metadata.mtime(), metadata.mtime_nsec())
}
