//! Looks which of a folder's small files are already there, without the server if possible.
//!
//! A fetched file has the time of its last change on the server. A file with the server's size and time counts as the
//! same, as in rsync. If only the size is right, the hash has to tell.

use std::fs;
use std::path::{Path, PathBuf};

use wstp_engine::folder::journal::Stored;
use wstp_engine::folder::{FileId, LookReply};

use super::{FolderStore, Saved};
use crate::{hash, times};

/// A file that may be there.
#[derive(Debug)]
pub struct ToLook {
    /// Its id.
    pub file: FileId,
    /// Its place, relative to the output.
    pub place: PathBuf,
    /// Bytes on the server.
    pub size: u64,
    /// Its last change there, in milliseconds since 1970-01-01 UTC, if known.
    pub modified_ms: Option<i64>,
}

/// A file that an earlier run put into its place.
#[derive(Debug)]
pub struct ToCheck {
    /// Its id.
    pub file: FileId,
    /// Its path, relative to the output.
    pub place: PathBuf,
    /// Its size and hash when the earlier run stored it.
    pub stored: Stored,
    /// Its last change on the server, in milliseconds since 1970-01-01 UTC, if known.
    pub modified_ms: Option<i64>,
}

/// The local state of a file.
#[derive(Debug)]
pub enum Found {
    /// No entry that could be it.
    Nothing,
    /// A file of its size with its time, like every fetched file.
    Same(Saved),
    /// A file of its size.
    Unsure,
}

impl Found {
    /// The answer for the engine.
    pub fn reply(&self) -> LookReply {
        match self {
            Self::Nothing => LookReply::Missing,
            Self::Same(Saved { size, root, .. }) => LookReply::Same { size: *size, root: *root },
            Self::Unsure => LookReply::Unsure,
        }
    }
}

impl FolderStore {
    /// The local state of a file. An unreadable entry counts as missing; writing the file will report it.
    pub(super) fn look(&self, ToLook { file, place, size, modified_ms }: &ToLook) -> Found {
        let target = self.output.join(place);
        let there = fs::symlink_metadata(&target).ok().filter(|there| there.is_file() && there.len() == *size);
        let Some(there) = there.filter(|_| self.has_around(place)) else { return Found::Nothing };
        if !times::is_of(&there, *modified_ms) {
            return Found::Unsure;
        }
        match hash::of_file(&target) {
            Ok(root) if self.claims.claim(&there, *file) => Found::Same(Saved { target, size: *size, root }),
            Ok(_) | Err(_) => Found::Nothing,
        }
    }

    /// Reads and hashes a file in its place. A file that differs now belongs to someone else, and the command replaces
    /// it only on request. Such a file loses the server's time, because a later run would take it for the same file by
    /// that time.
    pub(super) fn check(&self, ToCheck { place, stored, modified_ms, .. }: &ToCheck) -> LookReply {
        let target = self.output.join(place);
        let there = fs::symlink_metadata(&target).ok().filter(|there| there.is_file() && self.has_around(place));
        let Some(there) = there else { return LookReply::Missing };
        if hash::of_file(&target).is_ok_and(|root| root == stored.root) {
            return LookReply::Same { size: stored.size, root: stored.root };
        }
        if times::is_of(&there, *modified_ms) {
            times::take_back(&target);
        }
        LookReply::Unsure
    }

    /// Whether the folders around a place exist, and none is a link.
    fn has_around(&self, place: &Path) -> bool {
        let around = place.parent().unwrap_or(Path::new(""));
        if self.made.contains(around) {
            return true;
        }
        let mut folder = self.output.clone();
        let all = around.iter().all(|name| {
            folder.push(name);
            fs::symlink_metadata(&folder).is_ok_and(|there| there.is_dir())
        });
        if all {
            self.made.insert(around);
        }
        all
    }
}
