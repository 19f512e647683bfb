//! Where on the local disk everything in a folder goes.
//!
//! The server is a stranger, and its names may be anything. Every local path is made of safe names, no two the same.

use std::collections::HashMap;
use std::path::PathBuf;

use wstp_engine::tree::{FileId, FolderId, Listed};

use crate::names::{numbered, safe_name};

/// Local places, relative to the folder's own.
#[derive(Debug)]
pub struct Layout {
    folders: HashMap<FolderId, Folder>,
    files: HashMap<FileId, (FolderId, Box<str>)>,
}

#[derive(Debug)]
struct Folder {
    place: PathBuf,
    names: Names,
}

impl Default for Layout {
    fn default() -> Self {
        let outermost = Folder { place: PathBuf::new(), names: Names::default() };
        Self { folders: HashMap::from([(FolderId(0), outermost)]), files: HashMap::new() }
    }
}

impl Layout {
    /// Gives what was listed a place. What has one keeps it.
    pub fn add(&mut self, folder: FolderId, entries: &[Listed]) {
        for entry in entries {
            let known = match entry {
                Listed::Folder { id, .. } => self.folders.contains_key(id),
                Listed::File { id, .. } => self.files.contains_key(id),
                Listed::LeftOut { .. } => true,
            };
            let Some(around) = self.folders.get_mut(&folder).filter(|_| !known) else { continue };
            match entry {
                Listed::Folder { id, name } => {
                    let place = around.place.join(around.names.take(name));
                    self.folders.insert(*id, Folder { place, names: Names::default() });
                }
                Listed::File { id, name, .. } => {
                    let name = around.names.take(name).into();
                    self.files.insert(*id, (folder, name));
                }
                Listed::LeftOut { .. } => {}
            }
        }
    }

    /// Where a file goes.
    pub fn file(&self, id: FileId) -> Option<PathBuf> {
        let (folder, name) = self.files.get(&id)?;
        Some(self.folders.get(folder)?.place.join(&**name))
    }

    /// Where a folder goes; the outermost one is the empty path.
    pub fn folder(&self, id: FolderId) -> Option<PathBuf> {
        Some(self.folders.get(&id)?.place.clone())
    }

    /// All folders but the outermost, outer ones before those in them.
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut ids: Vec<_> = self.folders.iter().filter(|(id, _)| **id != FolderId(0)).collect();
        ids.sort_by_key(|(id, _)| **id);
        ids.into_iter().map(|(_, folder)| folder.place.clone()).collect()
    }
}

/// The local names taken in one folder.
#[derive(Debug, Default)]
struct Names {
    /// How often a name was wanted.
    wanted: HashMap<String, u64>,
}

impl Names {
    /// A name of its own for an entry.
    fn take(&mut self, name: &str) -> String {
        let plain = safe_name(name);
        let mut candidate = plain.clone();
        while self.wanted.contains_key(&key(&candidate)) {
            let number = self.wanted.entry(key(&plain)).or_insert(1);
            *number += 1;
            candidate = numbered(&plain, *number);
        }
        self.wanted.insert(key(&candidate), 1);
        candidate
    }
}

/// What may not be the same for two names: on some systems the case of letters makes no difference.
fn key(name: &str) -> String {
    if cfg!(any(windows, target_os = "macos")) { name.to_lowercase() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::path::Path;

    #[test]
    fn names_that_become_the_same_are_told_apart() {
        let mut names = Names::default();
        let taken = ["a:b.txt", "a?b.txt", "a_b (2).txt", "a_b.txt"].map(|name| names.take(name));
        assert_eq!(taken, ["a_b.txt", "a_b (2).txt", "a_b (2) (2).txt", "a_b (3).txt"]);
    }

    #[test]
    fn what_is_told_again_keeps_its_place() {
        let mut layout = Layout::default();
        let file = |id, name: &str| Listed::File { id: FileId(id), name: name.into(), size: 0, modified_ms: None };
        let folder = Listed::Folder { id: FolderId(1), name: "..".into() };
        for _ in 0..2 {
            layout.add(FolderId(0), &[folder.clone(), file(0, "a:"), file(1, "a?")]);
            layout.add(FolderId(1), &[file(2, "b")]);
        }
        let places: Vec<_> = (0..3).filter_map(|id| layout.file(FileId(id))).collect();
        assert_eq!(places, ["a_", "a_ (2)", "__/b"].map(PathBuf::from));
        assert_eq!(layout.folders(), [Path::new("__")]);
    }

    proptest! {
        #[test]
        fn no_two_entries_get_one_name(entries in prop::collection::vec("[a:?.()2 ]{0,6}", 0..40)) {
            let mut names = Names::default();
            let taken: HashSet<String> = entries.iter().map(|name| names.take(name)).collect();
            prop_assert_eq!(taken.len(), entries.len());
        }
    }
}
