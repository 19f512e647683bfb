//! Everything in a folder on a server, and under which local names.
//!
//! The server is a stranger: its tree may be endless in depth, in breadth and in pages, and its names may be anything. What comes out is bounded, and
//! every local path is made of safe names, no two the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use wstp_protocol::{Entry, EntryKind, SharePath};

use crate::exit::{Code, Failure};
use crate::names::{numbered, safe_name};
use crate::pages::Pages;
use crate::remote::Remote;

/// Folders within folders.
const MAX_DEPTH: usize = 64;
/// Files and folders in all.
const MAX_ITEMS: usize = 1_000_000;
/// Bytes of paths in all.
const MAX_TEXT: usize = 256 << 20;

/// A file on the server and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it is.
    pub path: SharePath,
    /// Where it goes, relative to the folder's own place.
    pub local: PathBuf,
    /// Bytes, as it was listed.
    pub size: u64,
}

/// What is in a folder.
#[derive(Debug, Default)]
pub struct Tree {
    /// The files.
    pub files: Vec<Item>,
    /// The folders, outer ones before those in them.
    pub folders: Vec<PathBuf>,
    /// What can't be fetched, and why; whether something is missed by leaving it out.
    pub left_out: Vec<(String, &'static str, bool)>,
    items: usize,
    text: usize,
}

/// Walks through a folder.
///
/// # Errors
///
/// When the server is lost, or the tree is larger than any sensible one.
pub async fn walk(remote: &mut Remote, root: &SharePath) -> Result<Tree, Failure> {
    let mut tree = Tree::default();
    let mut to_do = vec![(root.clone(), PathBuf::new(), 0)];
    while let Some((path, local, depth)) = to_do.pop() {
        if depth > MAX_DEPTH {
            return Err(endless(&format!("is more than {MAX_DEPTH} folders deep")));
        }
        let mut pages = Pages::new(path.clone());
        let mut names = Names::default();
        while let Some(entries) = pages.next(remote).await? {
            for entry in entries {
                let Ok(inner) = path.join(&entry.name) else {
                    tree.leave_out(entry.name, "its path is too long", true)?;
                    continue;
                };
                let place = local.join(names.take(&entry.name));
                if tree.add(&entry, &inner, &place)? {
                    to_do.push((inner, place, depth + 1));
                }
            }
        }
    }
    Ok(tree)
}

impl Tree {
    /// Says whether it is a folder to be looked into.
    fn add(&mut self, entry: &Entry, path: &SharePath, local: &Path) -> Result<bool, Failure> {
        self.count(path.as_str().len() + local.as_os_str().len())?;
        match entry.kind {
            EntryKind::Directory => self.folders.push(local.to_owned()),
            EntryKind::File => {
                self.files.push(Item { path: path.clone(), local: local.to_owned(), size: entry.size });
            }
            EntryKind::Dangling => self.leave_out(path.as_str().to_owned(), "a link that leads nowhere", false)?,
            EntryKind::Unreadable => self.leave_out(path.as_str().to_owned(), "the server may not read it", true)?,
        }
        Ok(entry.kind == EntryKind::Directory)
    }

    fn leave_out(&mut self, path: String, reason: &'static str, missed: bool) -> Result<(), Failure> {
        self.count(path.len())?;
        self.left_out.push((path, reason, missed));
        Ok(())
    }

    fn count(&mut self, text: usize) -> Result<(), Failure> {
        self.items += 1;
        self.text += text;
        if self.items > MAX_ITEMS || self.text > MAX_TEXT {
            return Err(endless(&format!("has more than {} entries", self.items - 1)));
        }
        Ok(())
    }
}

fn endless(what: &str) -> Failure {
    let advice = "Links on the server may make it endless. Fetch the folders in it one by one.";
    Failure::new(Code::Failed, format!("The folder {what}."), advice)
}

/// The local names taken in one folder.
#[derive(Default)]
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

    #[test]
    fn names_that_become_the_same_are_told_apart() {
        let mut names = Names::default();
        let taken = ["a:b.txt", "a?b.txt", "a_b (2).txt", "a_b.txt"].map(|name| names.take(name));
        assert_eq!(taken, ["a_b.txt", "a_b (2).txt", "a_b (2) (2).txt", "a_b (3).txt"]);
    }

    #[test]
    fn a_tree_without_end_is_refused() {
        let mut tree = Tree { items: MAX_ITEMS, ..Tree::default() };
        let entry = Entry { name: "x".into(), kind: EntryKind::File, size: 0, modified_ms: None };
        let path = SharePath::parse("x").unwrap();
        assert!(tree.add(&entry, &path, Path::new("x")).is_err());
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
