//! The stamp of a file: the file system's data that changes whenever the bytes do.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use wstp_protocol::FileVersion;

/// How coarse the clock of a file system may be. A file changed that recently may change again under the same stamp.
pub const CLOCK_GRAIN: Duration = Duration::from_millis(20);

/// Tells files apart: device and inode.
pub type FileId = (u64, u64);

/// Size, times, rights and identity of a file. No program can set the change time back, so a restored modification time
/// does not hide a change. The change time moves with the file's name and rights too. So the server notices when an
/// open file is replaced or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
    device: u64,
    rights: Rights,
}

/// Attributes of a file that change its change time but have nothing to do with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rights {
    mode: u32,
    owner: (u32, u32),
    names: u64,
}

impl Stamp {
    /// The stamp of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
            rights: Rights { mode: metadata.mode(), owner: (metadata.uid(), metadata.gid()), names: metadata.nlink() },
        })
    }

    /// The identity of its file.
    pub fn file(&self) -> FileId {
        (self.device, self.inode)
    }

    /// Whether the bytes may still be those of an earlier stamp of the same file. The change time differs, so they need
    /// not be.
    pub fn may_be_touched_only(&self, before: &Self) -> bool {
        (self.file(), self.size, self.modified) == (before.file(), before.size, before.modified)
    }

    /// Whether a change of rights or of the number of names explains the difference to an earlier stamp.
    pub fn has_other_rights_only(&self, before: &Self) -> bool {
        self.may_be_touched_only(before) && self.rights != before.rights
    }

    /// The last change of the bytes, in milliseconds since 1970.
    pub fn modified_ms(&self) -> Option<i64> {
        milliseconds(self.modified.0, self.modified.1)
    }

    /// The version for clients.
    pub fn version(&self) -> FileVersion {
        let mut hasher = self.hasher();
        hasher.update(&self.device.to_le_bytes());
        let mut version = [0; 16];
        hasher.finalize_xof().fill(&mut version);
        FileVersion(version)
    }

    /// A digest of the stamp and the file's path. The device is left out, because its number may change with a restart.
    pub fn key(&self, root: &[u8], path: &[u8]) -> [u8; 32] {
        let mut hasher = self.hasher();
        hasher.update(&(root.len() as u64).to_le_bytes()).update(root).update(path);
        *hasher.finalize().as_bytes()
    }

    /// How long until a further change certainly shows in the stamp.
    pub fn settles_in(&self) -> Duration {
        let Ok(seconds) = u64::try_from(self.changed.0) else { return Duration::ZERO };
        let changed = SystemTime::UNIX_EPOCH
            + Duration::from_secs(seconds)
            + Duration::from_nanos(u64::try_from(self.changed.1).unwrap_or(0));
        match SystemTime::now().duration_since(changed) {
            Ok(age) => CLOCK_GRAIN.saturating_sub(age),
            Err(_) => Duration::ZERO,
        }
    }

    fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        let (modified, changed) = (self.modified, self.changed);
        for field in [modified.0, modified.1, changed.0, changed.1] {
            hasher.update(&field.to_le_bytes());
        }
        hasher.update(&self.size.to_le_bytes()).update(&self.inode.to_le_bytes());
        hasher
    }
}

/// A time of a file, in milliseconds since 1970.
pub fn milliseconds(seconds: i64, nanoseconds: i64) -> Option<i64> {
    seconds.checked_mul(1000)?.checked_add(nanoseconds / 1_000_000)
}
