//! When a folder's names last changed.

use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, MetadataExt};
use rustix::fs::fstatfs;

use super::stamp::CLOCK_GRAIN;

/// The file systems of this machine's kernel whose folders tell each change of their names: statfs(2). Others may be on
/// another machine, or leave a folder's times as they are.
const TELLING: [i64; 6] = [
    0xef53,      // ext2, ext3 and ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0x0102_1994, // tmpfs
];

/// The times of a folder. While they are the same, so are its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Changed {
    /// `None`: its names may change while its times don't.
    pub fn of(dir: &Dir) -> Option<Self> {
        if !TELLING.contains(&fstatfs(dir).ok()?.f_type) {
            return None;
        }
        let metadata = dir.dir_metadata().ok()?;
        let of_change = Duration::new(metadata.ctime().try_into().ok()?, metadata.ctime_nsec().try_into().ok()?);
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + of_change).ok()?;
        (age >= CLOCK_GRAIN).then(|| Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
