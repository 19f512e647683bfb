//! Checks whether a download fits on its disk before any of it is fetched.
//!
//! A compressing disk, or a file with holes, may need less, and a disk may report too little room. So the user can
//! begin all the same.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use indicatif::DecimalBytes;
use rustix::fs::statvfs;

use crate::exit::{Code, Failure};
use crate::partial::shown;

/// The unit of `st_blocks`.
const SECTOR: u64 = 512;
/// Bytes of a file for each byte of its hashes.
const PER_HASH_BYTE: u64 = 256;

/// The free space of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that an ordinary user may still write.
    free: u64,
    /// The least room that a file takes.
    unit: u64,
    /// The mount point of the disk.
    disk: PathBuf,
}

impl Room {
    /// Asks the disk of a folder for its free space. `None` if the disk does not say: some report nothing, or that
    /// nothing is free.
    #[must_use]
    pub fn at(folder: &Path) -> Option<Self> {
        let told = statvfs(folder).ok()?;
        let is_sensible = told.f_bavail > 0 && told.f_bavail <= told.f_blocks && told.f_frsize > 0;
        let free = is_sensible.then(|| told.f_bavail.saturating_mul(told.f_frsize))?;
        Some(Self { free, unit: told.f_frsize, disk: mount_point(folder) })
    }

    /// Bytes that a file of this size still needs, hashes included, when this many of it are here.
    #[must_use]
    pub fn for_file(&self, size: u64, here: u64) -> u64 {
        let whole = size.saturating_add(size / PER_HASH_BYTE);
        whole.saturating_sub(here).checked_next_multiple_of(self.unit).unwrap_or(u64::MAX)
    }

    /// Bytes that this many files need at most beside their content.
    #[must_use]
    pub fn for_files(&self, files: u32) -> u64 {
        self.unit.saturating_mul(u64::from(files))
    }

    /// Refuses a download that needs more bytes than are free.
    ///
    /// # Errors
    ///
    /// In words, when it does not fit.
    pub fn check(&self, needed: u64, what: &Path) -> Result<(), Failure> {
        if needed <= self.free {
            return Ok(());
        }
        let (needed, free, disk) = (DecimalBytes(needed), DecimalBytes(self.free), shown(&self.disk));
        let what =
            format!("{} does not fit: it needs {needed}, and {free} are free on the disk at {disk}.", shown(what));
        let advice = "Make room, or choose another disk with -o. With --anyway it begins all the same, and what arrived is kept when the disk is full.";
        Err(Failure { ends_all: true, ..Failure::new(Code::Disk, what, advice) })
    }
}

/// Bytes on the disk that the entry at a path takes.
#[must_use]
pub fn taken(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |there| there.blocks().saturating_mul(SECTOR))
}

/// The outermost folder on the same disk that contains the path, or the path itself.
fn mount_point(folder: &Path) -> PathBuf {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let disk_of = |folder: &Path| fs::metadata(folder).map(|there| there.dev()).ok();
    let disk = disk_of(&folder);
    let outermost = folder.ancestors().take_while(|around| disk_of(around) == disk).last();
    outermost.unwrap_or(&folder).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_more_than_is_free_is_refused_in_words() {
        let room = Room { free: 71_000_000_000, unit: 4096, disk: "/mnt/x".into() };
        assert_eq!(room.check(71_000_000_000, Path::new("a")), Ok(()));
        let refused = room.check(room.for_file(16_500_000_000_000, 0), Path::new("big.iso")).unwrap_err();
        assert_eq!(
            refused.what,
            "big.iso does not fit: it needs 16.56 TB, and 71.00 GB are free on the disk at /mnt/x."
        );
        assert_eq!(refused.code, Code::Disk);
    }

    #[test]
    fn what_is_here_needs_no_room() {
        let room = Room { free: 0, unit: 4096, disk: "/".into() };
        assert_eq!(room.for_file(1, 0), 4096);
        assert_eq!(room.for_file(1 << 20, 1 << 20), 4096);
        assert_eq!(room.for_file(1 << 20, 2 << 20), 0);
        assert_eq!(room.for_file(u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn a_disk_is_named_by_where_it_is_mounted() {
        assert_eq!(mount_point(Path::new("/")), Path::new("/"));
        assert_eq!(mount_point(Path::new("/proc/self")), Path::new("/proc"));
        assert_eq!(Room::at(Path::new("/proc")), None);
    }
}
