//! The place of the shared folder. The server looks the folder up by its path at every use, and keeps no descriptor. So
//! it finds a folder that was replaced, and serves one that was mounted later. A disk can be unmounted while nobody
//! asks for anything.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
use wstp_protocol::ErrorCode;
use wstp_provider::Refusal;

use super::refused::refused;

const GONE: Refusal = Refusal::new(
    ErrorCode::ShareGone,
    "The shared folder is not there at the moment: it was removed or moved, or its disk is not mounted. Try again when it is back.",
);

/// The path of the shared folder, and the folder that was last found there.
pub struct Root {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    last: Identity,
    is_gone: bool,
}

/// Tells one folder at a path from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: (u32, u32),
    inode: u64,
    mount: u64,
    /// Whether a file system is mounted right here.
    is_mounted: bool,
}

impl Root {
    /// The folder at a path, which must be there and readable now.
    pub fn new(path: &Path) -> io::Result<Self> {
        // The path outlives the working directory, and two spellings of one path must look alike.
        let path: PathBuf = std::path::absolute(path)?.components().collect();
        let dir = open(&path)?;
        dir.entries()?;
        let seen = Mutex::new(Seen { last: Identity::of(&dir)?, is_gone: false });
        Ok(Self { path, seen })
    }

    /// Its absolute path, links in it not followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that is there now. A change is logged once.
    ///
    /// # Errors
    /// [`ErrorCode::ShareGone`], or the system's error.
    pub fn look_up(&self) -> Result<Dir, Refusal> {
        let dir = match open(&self.path) {
            Ok(dir) => dir,
            Err(error) if is_absence(&error) => return Err(self.gone("nothing is at its path")),
            Err(error) => return Err(refused(error)),
        };
        let now = Identity::of(&dir).map_err(refused)?;
        let last = self.seen().last;
        // An unmounted disk leaves its empty mount point behind.
        if last.is_mounted && !now.is_mounted && is_empty(&dir).map_err(refused)? {
            return Err(self.gone("its disk is not mounted"));
        }
        let mut seen = self.seen();
        if seen.last != now {
            tracing::warn!(root = ?self.path, "the shared folder is another one now");
        } else if seen.is_gone {
            tracing::warn!(root = ?self.path, "the shared folder is back");
        }
        *seen = Seen { last: now, is_gone: false };
        Ok(dir)
    }

    fn gone(&self, reason: &'static str) -> Refusal {
        if !std::mem::replace(&mut self.seen().is_gone, true) {
            tracing::warn!(root = ?self.path, reason, "the shared folder is gone: clients are told so until it is back");
        }
        GONE
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity {
    fn of(dir: &Dir) -> io::Result<Self> {
        let found = rustix::fs::statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)?;
        Ok(Self {
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            mount: found.stx_mnt_id,
            is_mounted: found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        })
    }
}

fn open(path: &Path) -> io::Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
}

fn is_empty(dir: &Dir) -> io::Result<bool> {
    Ok(dir.entries()?.next().is_none())
}

/// Whether there is no folder at the path, and not just one that can't be opened.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
