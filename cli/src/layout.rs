//! The places on the local disk for everything in a folder.
//!
//! The server is a stranger, and its names may be anything. Every local path is made of names that stay in their
//! folder, and no two are the same for the disk. Names are given in the order of the listing, so that every run gives
//! the same ones.

use std::collections::HashMap;
use std::path::PathBuf;

use wstp_client::names::key;
use wstp_engine::folder::{FileId, FolderId, Listed};

use crate::names::{Why, numbered, on_disk};
use crate::trial::Trial;

/// Local places, relative to the folder's own.
#[derive(Debug)]
pub struct Layout {
    trial: Trial,
    folders: HashMap<FolderId, Folder>,
    files: HashMap<FileId, (FolderId, Box<str>)>,
    renamed: Vec<(Entry, Why)>,
}

/// Something that has a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder(FolderId),
    /// A file.
    File(FileId),
}

#[derive(Debug)]
struct Folder {
    place: PathBuf,
    names: Names,
}

impl Layout {
    /// Creates the layout of a folder on the disk where `trial` tries names.
    #[must_use]
    pub fn new(trial: Trial) -> Self {
        let outermost = Folder { place: PathBuf::new(), names: Names::default() };
        let folders = HashMap::from([(FolderId(0), outermost)]);
        Self { trial, folders, files: HashMap::new(), renamed: Vec::new() }
    }

    /// Gives listed entries a place. An entry that has one keeps it. Blocks the thread when names have to be tried.
    pub fn add(&mut self, folder: FolderId, entries: &[Listed]) {
        for entry in entries {
            let (entry, name) = match entry {
                Listed::Folder { id, name } if !self.folders.contains_key(id) => (Entry::Folder(*id), name),
                Listed::File { id, name, .. } if !self.files.contains_key(id) => (Entry::File(*id), name),
                _ => continue,
            };
            let Some(around) = self.folders.get_mut(&folder) else { continue };
            let (name, why) = around.names.take(name, &mut Group { trial: &mut self.trial, folder });
            match entry {
                Entry::Folder(id) => {
                    let place = around.place.join(on_disk(&name));
                    self.folders.insert(id, Folder { place, names: Names::default() });
                }
                Entry::File(id) => drop(self.files.insert(id, (folder, name.into()))),
            }
            self.renamed.extend(why.map(|why| (entry, why)));
        }
    }

    /// Entries that have another name here than on the server, and why.
    pub fn renamed(&self) -> &[(Entry, Why)] {
        &self.renamed
    }

    /// The path of an entry, relative to the outermost folder.
    pub fn place(&self, entry: Entry) -> Option<PathBuf> {
        match entry {
            Entry::Folder(id) => self.folder(id),
            Entry::File(id) => self.file(id),
        }
    }

    /// The place of a file.
    pub fn file(&self, id: FileId) -> Option<PathBuf> {
        let (folder, name) = self.files.get(&id)?;
        Some(self.folders.get(folder)?.place.join(on_disk(name)))
    }

    /// The place of a folder; the outermost one is the empty path.
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

/// The names of one folder, tried beside each other.
struct Group<'a> {
    trial: &'a mut Trial,
    folder: FolderId,
}

impl Group<'_> {
    fn put(&mut self, name: &str) -> bool {
        self.trial.put(&self.folder.0.to_string(), name)
    }
}

/// The local names taken in one folder, by their keys.
#[derive(Debug, Default)]
struct Names {
    taken: HashMap<Box<str>, Alike>,
}

/// Names of one key: most often one.
#[derive(Debug)]
struct Alike {
    /// The first one, which is tried only once another comes.
    first: First,
    /// The last number that was given to one of them.
    number: u64,
}

#[derive(Debug)]
enum First {
    /// It is the key.
    Key,
    /// It is this.
    Name(Box<str>),
    /// It was put among those that are tried.
    Put,
}

impl Names {
    /// A name of its own for an entry, and why it is not the server's.
    fn take(&mut self, name: &str, group: &mut Group<'_>) -> (String, Option<Why>) {
        let (plain, why) = group.trial.fit(name);
        if self.is_free(&plain, group) {
            return (plain, why);
        }
        loop {
            let candidate = numbered(&plain, self.next_number(&plain));
            if self.is_free(&candidate, group) {
                return (candidate, Some(why.unwrap_or(Why::Same)));
            }
        }
    }

    /// Takes a name, if the disk tells it from those that are taken.
    fn is_free(&mut self, name: &str, group: &mut Group<'_>) -> bool {
        let key = key(name);
        match self.taken.get_mut(&*key) {
            None => {
                let first = if key == name { First::Key } else { First::Name(name.into()) };
                self.taken.insert(key.into(), Alike { first, number: 1 });
                true
            }
            Some(alike) => {
                match std::mem::replace(&mut alike.first, First::Put) {
                    First::Key => drop(group.put(&key)),
                    First::Name(first) => drop(group.put(&first)),
                    First::Put => {}
                }
                group.put(name)
            }
        }
    }

    fn next_number(&mut self, name: &str) -> u64 {
        let Some(alike) = self.taken.get_mut(&*key(name)) else { return 2 };
        alike.number += 1;
        alike.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;
    use std::path::Path;

    fn layout(dir: &Path) -> Layout {
        Layout::new(Trial::at(dir.join("names")))
    }

    fn take(names: &mut Names, layout: &mut Layout, name: &str) -> String {
        names.take(name, &mut Group { trial: &mut layout.trial, folder: FolderId(0) }).0
    }

    #[test]
    fn names_that_become_the_same_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let (mut names, mut layout) = (Names::default(), layout(dir.path()));
        let taken = [".a.wstp", "_.a (2).wstp", "_.a.wstp", "_.a.wstp"].map(|name| take(&mut names, &mut layout, name));
        assert_eq!(taken, ["_.a.wstp", "_.a (2).wstp", "_.a (3).wstp", "_.a (4).wstp"]);
    }

    #[test]
    fn what_is_told_again_keeps_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut layout = layout(dir.path());
        let file = |id, name: &str| Listed::File { id: FileId(id), name: name.into(), size: 0, modified_ms: None };
        let folder = Listed::Folder { id: FolderId(1), name: ".x.wstp".into() };
        for _ in 0..2 {
            layout.add(FolderId(0), &[folder.clone(), file(0, "_.x.wstp"), file(1, "a?")]);
            layout.add(FolderId(1), &[file(2, "b")]);
        }
        let places: Vec<_> = (0..3).filter_map(|id| layout.file(FileId(id))).collect();
        assert_eq!(places, ["_.x (2).wstp", "a?", "_.x.wstp/b"].map(PathBuf::from));
        assert_eq!(layout.folders(), [Path::new("_.x.wstp")]);
        let renamed = [(Entry::Folder(FolderId(1)), Why::Own), (Entry::File(FileId(0)), Why::Same)];
        assert_eq!(layout.renamed(), renamed);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_two_entries_get_one_name(entries in prop::collection::vec("[aA:?.()2 ]{0,6}", 0..40)) {
            let dir = tempfile::tempdir().unwrap();
            let (mut names, mut layout) = (Names::default(), layout(dir.path()));
            let taken: HashSet<String> = entries.iter().map(|name| take(&mut names, &mut layout, name)).collect();
            prop_assert_eq!(taken.len(), entries.len());
        }
    }
}
