//! The sandbox's files as the disk has them, and what a failing disk does to them while no browser has them open.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The sandbox's place in a profile.
pub const FOLDER: &str = "Default/File System";

/// The only file of this length within a folder, if there is one.
pub fn file_of_length(folder: &Path, length: u64) -> Option<PathBuf> {
    let mut found = files_of_length(folder, length);
    found.pop().filter(|_| found.is_empty())
}

/// The files of this length within a folder.
pub fn files_of_length(folder: &Path, length: u64) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(there) if there.is_dir() => folders.push(entry.path()),
                Ok(there) if there.len() == length => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

/// Changes the bytes of a file from `position` on. Its length and its time of change stay.
///
/// # Errors
///
/// When the disk fails.
pub fn overwrite(path: &Path, position: u64, bytes: &[u8]) -> Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let modified = file.metadata()?.modified()?;
    file.write_all_at(bytes, position)?;
    file.set_times(FileTimes::new().set_modified(modified)).context("the time of change can't be set back")
}

/// Two files exchange their bytes, and keep their times of change.
///
/// # Errors
///
/// When the disk fails.
pub fn swap(one: &Path, other: &Path) -> Result<()> {
    let (bytes, others) = (fs::read(one)?, fs::read(other)?);
    overwrite(one, 0, &others)?;
    overwrite(other, 0, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_length_unless_two_have_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let path = dir.path().join("a/b/7");
        fs::write(&path, [0; 77]).unwrap();
        assert_eq!(file_of_length(dir.path(), 77), Some(path));
        assert_eq!(file_of_length(dir.path(), 78), None);
        fs::write(dir.path().join("other"), [0; 77]).unwrap();
        assert_eq!(file_of_length(dir.path(), 77), None);
    }

    #[test]
    fn swapped_files_have_each_others_bytes_and_their_own_times() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["one", "other"].map(|name| dir.path().join(name));
        fs::write(&paths[0], "1111").unwrap();
        fs::write(&paths[1], "2222").unwrap();
        let times = || paths.each_ref().map(|path| fs::metadata(path).unwrap().modified().unwrap());
        let before = times();
        swap(&paths[0], &paths[1]).unwrap();
        assert_eq!(paths.each_ref().map(|path| fs::read_to_string(path).unwrap()), ["2222", "1111"]);
        assert_eq!(times(), before);
    }
}
