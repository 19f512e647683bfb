//! The time of a file's last change, on servers and on local files.

use std::fs::{File, Metadata};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Gives a file the time of its last change on the server, in milliseconds since 1970-01-01 UTC. On failure it keeps
/// its time. A file system may not support that time, and the bytes are right all the same.
pub fn set(path: &Path, modified_ms: Option<i64>) {
    if let Ok(file) = File::open(path) {
        set_of(&file, modified_ms);
    }
}

/// The same, for an open file.
pub fn set_of(file: &File, modified_ms: Option<i64>) {
    if let Some(time) = modified_ms.and_then(time) {
        let _keeps_its_own = file.set_modified(time);
    }
}

/// Replaces the server's time on a file that turned out to differ: it changed now at the latest.
pub fn take_back(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _keeps_its_own = file.set_modified(SystemTime::now());
    }
}

/// Whether a file has exactly this time. A file written here without a given time hardly ever has whole milliseconds.
pub fn is_of(there: &Metadata, modified_ms: Option<i64>) -> bool {
    modified_ms.and_then(time).is_some_and(|time| there.modified().is_ok_and(|own| own == time))
}

fn time(ms: i64) -> Option<SystemTime> {
    let distance = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_bears_the_time_it_was_given_and_no_other() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for ms in [0, 1, -1, 1_700_000_000_123] {
            set(file.path(), Some(ms));
            let there = file.path().metadata().unwrap();
            assert!(is_of(&there, Some(ms)) && !is_of(&there, Some(ms + 1)) && !is_of(&there, None), "{ms}");
        }
    }

    #[test]
    fn a_time_no_system_holds_is_left_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for ms in [i64::MIN, i64::MAX] {
            set(file.path(), Some(ms));
        }
    }
}
