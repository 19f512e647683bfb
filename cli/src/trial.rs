//! Finds out by trying how the disk treats names. A trial makes empty files in a folder for that alone.
//!
//! Disks differ in what they refuse, change, and take for one, and no table of systems says it: one system mounts them
//! in many ways. Names that every disk holds are not tried, and of others a character that was held once is not tried
//! again. The answers are those of the disk at the place of the output, so the same names come out of every run.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use wstp_client::names::{fold, is_device};

use crate::names::{ANY_DISK, Why, candidates, of_disk, on_disk};

/// Names up to this length in bytes fit every disk.
const FITS: usize = 140;

/// A place to try names in. Its folder goes away with it.
#[derive(Debug)]
pub struct Trial {
    folder: PathBuf,
    /// Characters that were held.
    held: HashSet<char>,
    /// Whether there is a folder to clear away.
    used: bool,
}

impl Trial {
    /// In a folder of this path, which is made once it is needed.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, held: HashSet::new(), used: false }
    }

    /// In a folder of its own within `around`, or within the next one that is there.
    #[must_use]
    pub fn within(around: &Path) -> Self {
        let around = around.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        Self::at(around.join(format!(".{}.wstp", std::process::id())))
    }

    /// The name nearest to the server's that the disk holds, and why it is another one.
    pub fn fit(&mut self, name: &str) -> (String, Option<Why>) {
        let mut last = String::new();
        for candidate in candidates(name) {
            if self.holds(&candidate) {
                last = candidate;
                break;
            }
            last = candidate;
        }
        let why = match () {
            () if last == name => None,
            () if last == format!("_{name}") && ANY_DISK.is_own(name) => Some(Why::Own),
            () => Some(Why::Refused),
        };
        (last, why)
    }

    /// Whether the disk holds a name as it is. Another case of letters, or another form of an accent, is how some disks
    /// show theirs.
    fn holds(&mut self, name: &str) -> bool {
        let is_known = |c: char| is_plain(c) || self.held.contains(&c);
        if name.chars().all(is_known) && !name.ends_with(['.', ' ']) && name.len() <= FITS && !is_device(name) {
            return true;
        }
        let holds = self.try_alone(name);
        if holds {
            self.held.extend(name.chars().filter(|c| !is_plain(*c)));
        }
        holds
    }

    fn try_alone(&mut self, name: &str) -> bool {
        let Ok(folder) = self.group("alone") else { return true };
        let path = folder.join(on_disk(name));
        let made = File::create_new(&path);
        let kept = names_in(&folder);
        let _stays = fs::remove_file(&path);
        match made {
            Ok(_) => kept.is_ok_and(|kept| kept.iter().any(|kept| fold(kept) == fold(name))),
            // It is about the name only if the disk takes another one.
            Err(_) => {
                let other = folder.join("other");
                let takes_other = File::create_new(&other).is_ok();
                let _stays = fs::remove_file(&other);
                !takes_other
            }
        }
    }

    /// Puts a name beside those that were put into the same group before. False where the disk takes it for one of
    /// them, or can't say.
    pub fn put(&mut self, group: &str, name: &str) -> bool {
        self.group(group).and_then(|folder| File::create_new(folder.join(on_disk(name)))).is_ok()
    }

    fn group(&mut self, group: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(group);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => fs::create_dir_all(&folder)?,
            made => made?,
        }
        self.used = true;
        Ok(folder)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.used {
            let _stays = fs::remove_dir_all(&self.folder);
        }
    }
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?.map(|entry| Ok(of_disk(&entry?.file_name()))).collect()
}

/// Whether every disk holds the character.
const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, ' ' | '.' | '-' | '_' | '(' | ')' | '[' | ']' | '~' | '!' | '#' | '+' | ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_this_disk_holds_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut trial = Trial::within(&dir.path().join("not/there/yet"));
        for name in ["a", "q?x", "dot.", " ", "NUL", "日本語", &"x".repeat(255)] {
            assert_eq!(trial.fit(name), (name.to_owned(), None));
        }
        let (long, why) = trial.fit(&format!("{}.txt", "x".repeat(300)));
        assert_eq!((long.len(), why), (255, Some(Why::Refused)));
        assert!(long.ends_with("x.txt"));
        assert_eq!(trial.fit(".a.wstp"), ("_.a.wstp".to_owned(), Some(Why::Own)));
        drop(trial);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn names_are_told_apart_within_a_group() {
        let dir = tempfile::tempdir().unwrap();
        let mut trial = Trial::at(dir.path().join("names"));
        let put = ["a", "A", "a"].map(|name| trial.put("0", name));
        assert_eq!(put, [true, true, false]);
        assert!(trial.put("1", "a"));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_not_asked_about_names() {
        let mut trial = Trial::at(PathBuf::from("/proc/wstp"));
        assert_eq!(trial.fit("q?x"), ("q?x".to_owned(), None));
        assert!(!trial.put("0", "a"));
    }
}
