//! The versions that plain HTTP has named. A file keeps its version when only its rights or its number of names
//! changed. So a mirror that resumes a download need not begin again because a backup program made a hard link.
//!
//! The change time alone does not say what changed. The server attributes it to the rights or names if these did change
//! while size, date and identity did not. Every other change makes a new version.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use wstp_protocol::FileVersion;

use super::stamp::{FileId, Stamp};

/// Files that are remembered. The oldest are dropped first, and have a new version after their next change of any kind.
const MAX_KNOWN: usize = 4096;

/// The versions that plain HTTP named lately.
#[derive(Default)]
pub struct Versions {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_file: HashMap<FileId, (Stamp, FileVersion)>,
    order: VecDeque<FileId>,
}

impl Versions {
    /// The version of a file with this stamp.
    pub fn of(&self, stamp: Stamp) -> FileVersion {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let told = known.by_file.get(&stamp.file());
        let kept = told.filter(|(before, _)| stamp == *before || stamp.has_other_rights_only(before));
        let version = kept.map_or_else(|| stamp.version(), |(_, version)| *version);
        if known.by_file.insert(stamp.file(), (stamp, version)).is_none() {
            known.order.push_back(stamp.file());
            if known.order.len() > MAX_KNOWN
                && let Some(oldest) = known.order.pop_front()
            {
                known.by_file.remove(&oldest);
            }
        }
        version
    }
}
