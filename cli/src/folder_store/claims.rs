//! Which file of a download is at which place on the disk. A disk that takes two names for one must not pass one file
//! off as two.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use wstp_engine::folder::FileId;

use crate::exit::{Code, Failure};
use crate::partial::shown;

/// The files on the disk that are claimed: by device and inode.
#[derive(Debug, Default)]
pub struct Claims(Mutex<HashMap<(u64, u64), FileId>>);

impl Claims {
    /// Claims the entry in a file's place. False if another file has it.
    pub fn claim(&self, there: &Metadata, file: FileId) -> bool {
        // Several names may be links to one file. That is the user's own doing, and the disk tells them apart.
        if there.nlink() > 1 {
            return true;
        }
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *claims.entry((there.dev(), there.ino())).or_insert(file) == file
    }

    /// Whether the entry in a file's place may be used for it.
    ///
    /// # Errors
    ///
    /// When it is another file of the same download.
    pub fn check(&self, target: &Path, file: FileId) -> Result<(), Failure> {
        let Ok(there) = fs::symlink_metadata(target) else { return Ok(()) };
        let claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match claims.get(&(there.dev(), there.ino())) {
            Some(other) if *other != file && there.nlink() == 1 => Err(taken_for_another(target)),
            _ => Ok(()),
        }
    }

    /// Claims the entry in a file's place.
    ///
    /// # Errors
    ///
    /// When it is another file of the same download.
    pub fn take(&self, target: &Path, file: FileId) -> Result<(), Failure> {
        let free = fs::symlink_metadata(target).map_or(true, |there| self.claim(&there, file));
        if free { Ok(()) } else { Err(taken_for_another(target)) }
    }
}

fn taken_for_another(target: &Path) -> Failure {
    Failure::new(
        Code::Disk,
        format!("The disk takes {} for another file of this download, which is kept.", shown(target)),
        "Fetch this one by itself, and give it another name with -o.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_is_not_two() {
        let dir = tempfile::tempdir().unwrap();
        let (claims, path) = (Claims::default(), dir.path().join("a"));
        assert!(claims.check(&path, FileId(0)).is_ok());
        fs::write(&path, "a").unwrap();
        claims.take(&path, FileId(0)).unwrap();
        assert!(claims.check(&path, FileId(0)).is_ok() && claims.take(&path, FileId(0)).is_ok());
        for refused in [claims.check(&path, FileId(1)), claims.take(&path, FileId(1))] {
            assert_eq!(refused.unwrap_err().code, Code::Disk);
        }
        fs::hard_link(&path, dir.path().join("b")).unwrap();
        assert!(claims.take(&dir.path().join("b"), FileId(1)).is_ok());
    }
}
