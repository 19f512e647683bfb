//! Which entries of a folder are shown, and in which order. Pure.
//!
//! A folder arrives page by page. Each page is sorted into what is there, so that the first one is shown at once. An
//! entry keeps its number for as long as the folder is shown, wherever it stands.

use std::cmp::Ordering;

use wstp_text::order;

use crate::kind::{EntryKind, Group, extension};

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The path of its folder, seen from the shown one. Empty for the shown folder itself.
    pub folder: String,
    /// Its kind.
    pub kind: EntryKind,
    /// Bytes in a file.
    pub size: u64,
    /// Last change, in milliseconds since 1970-01-01 UTC.
    pub modified_ms: Option<f64>,
}

impl Entry {
    /// Its path, seen from the shown folder.
    pub fn path(&self) -> String {
        if self.folder.is_empty() { self.name.clone() } else { format!("{}/{}", self.folder, self.name) }
    }
}

/// The facts to sort by. Folders come first in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SortBy {
    /// The name, in natural order.
    #[default]
    Name,
    /// The size.
    Size,
    /// The last change.
    Date,
    /// The kind, then the ending of the name.
    Kind,
}

impl SortBy {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Name, Self::Kind, Self::Size, Self::Date];

    /// Its name in what is remembered, and for tests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Date => "date",
            Self::Kind => "kind",
        }
    }
}

/// An order of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// The fact.
    pub by: SortBy,
    /// Whether the largest comes first.
    pub is_descending: bool,
}

impl Sort {
    /// The order after a press on a column: by it, or the other way round.
    #[must_use]
    pub fn pressed(self, by: SortBy) -> Self {
        Self { by, is_descending: self.by == by && !self.is_descending }
    }

    /// As it is remembered: `size`, `-size`.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{}{}", if self.is_descending { "-" } else { "" }, self.by.name())
    }

    /// From what was remembered; the default if that is no order.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let (name, is_descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let by = SortBy::ALL.into_iter().find(|by| by.name() == name);
        by.map_or_else(Self::default, |by| Self { by, is_descending })
    }

    fn compare(self, a: &Kept, b: &Kept) -> Ordering {
        let by_fact = match self.by {
            SortBy::Name => Ordering::Equal,
            SortBy::Size => a.entry.size.cmp(&b.entry.size),
            SortBy::Date => a.entry.modified_ms.unwrap_or(f64::MIN).total_cmp(&b.entry.modified_ms.unwrap_or(f64::MIN)),
            SortBy::Kind => a.group.cmp(&b.group).then_with(|| extension(&a.entry.name).cmp(extension(&b.entry.name))),
        };
        let turned = |order: Ordering| if self.is_descending { order.reverse() } else { order };
        let by_name = order::compare((&a.key, &a.entry.name), (&b.key, &b.entry.name));
        let by_name = if self.by == SortBy::Name { turned(by_name) } else { by_name };
        let by_folder = || a.entry.folder.cmp(&b.entry.folder);
        (a.group != Group::Folder)
            .cmp(&(b.group != Group::Folder))
            .then(turned(by_fact))
            .then(by_name)
            .then_with(by_folder)
    }
}

/// An entry with what sorting needs of it.
#[derive(Clone, Debug)]
struct Kept {
    entry: Entry,
    key: String,
    group: Group,
}

/// The entries of a folder, sorted and filtered.
#[derive(Clone, Debug, Default)]
pub struct Arrangement {
    all: Vec<Kept>,
    /// The numbers of all entries, sorted.
    sorted: Vec<u32>,
    /// The numbers of the shown ones.
    shown: Vec<u32>,
    sort: Sort,
    words: Vec<String>,
    group: Option<Group>,
}

impl Arrangement {
    /// Forgets the entries. The order stays; the filter goes.
    pub fn clear(&mut self) {
        *self = Self { sort: self.sort, ..Self::default() };
    }

    /// Adds a page.
    pub fn extend(&mut self, page: impl IntoIterator<Item = Entry>) {
        let first = self.all.len() as u32;
        self.all.extend(page.into_iter().map(|entry| Kept {
            key: order::key(&entry.name),
            group: Group::of(entry.kind, &entry.name),
            entry,
        }));
        self.sorted.extend(first..self.all.len() as u32);
        self.arrange();
    }

    /// Puts the entries into another order.
    pub fn sort(&mut self, sort: Sort) {
        self.sort = sort;
        self.arrange();
    }

    /// Shows only entries with these words in their names, and of this kind.
    pub fn filter(&mut self, search: &str, group: Option<Group>) {
        (self.words, self.group) = (order::words(search), group);
        self.select();
    }

    /// A key that tells one way of showing the entries from another.
    pub fn manner(&self) -> (Sort, Vec<String>, Option<Group>) {
        (self.sort, self.words.clone(), self.group)
    }

    /// Whether the filter lets an entry through.
    pub fn shows(&self, number: u32) -> bool {
        self.all.get(number as usize).is_some_and(|kept| self.fits(kept))
    }

    /// The number of the entry in a row.
    pub fn number(&self, row: usize) -> Option<u32> {
        self.shown.get(row).copied()
    }

    /// The entry in a row.
    pub fn get(&self, row: usize) -> Option<&Entry> {
        self.entry(self.number(row)?)
    }

    /// The entry with a number.
    pub fn entry(&self, number: u32) -> Option<&Entry> {
        Some(&self.all.get(number as usize)?.entry)
    }

    /// How many rows are shown.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether no row is shown.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// How many entries there are.
    pub fn total(&self) -> usize {
        self.all.len()
    }

    /// Whether some entries may be left out.
    pub fn is_filtered(&self) -> bool {
        !self.words.is_empty() || self.group.is_some()
    }

    /// The numbers of the shown entries, in their order.
    pub fn numbers(&self) -> &[u32] {
        &self.shown
    }

    /// How many folders are shown. They come first.
    pub fn folders(&self) -> usize {
        let is_folder = |number: &u32| self.all[*number as usize].entry.kind == EntryKind::Folder;
        // In an order of kinds too, folders stand before all else.
        self.shown.partition_point(is_folder)
    }

    /// The sort is stable and finds sorted runs, so that adding a page to a sorted list merges it.
    fn arrange(&mut self) {
        let (all, sort) = (&self.all, self.sort);
        self.sorted.sort_by(|a, b| sort.compare(&all[*a as usize], &all[*b as usize]));
        self.select();
    }

    fn select(&mut self) {
        self.shown.clear();
        if !self.is_filtered() {
            self.shown.extend_from_slice(&self.sorted);
            return;
        }
        let mut shown = std::mem::take(&mut self.shown);
        shown.extend(self.sorted.iter().filter(|number| self.shows(**number)));
        self.shown = shown;
    }

    fn fits(&self, kept: &Kept) -> bool {
        self.group.is_none_or(|group| kept.group == group) && order::contains(&kept.entry.name, &self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64, modified_ms: f64) -> Entry {
        let kind = if name.ends_with('/') { EntryKind::Folder } else { EntryKind::File };
        Entry {
            name: name.trim_end_matches('/').to_owned(),
            folder: String::new(),
            kind,
            size,
            modified_ms: Some(modified_ms),
        }
    }

    fn names(list: &Arrangement) -> Vec<&str> {
        (0..list.len()).map(|row| list.get(row).unwrap().name.as_str()).collect()
    }

    fn sample() -> Arrangement {
        let mut list = Arrangement::default();
        list.extend([entry("file 10.txt", 30, 3.0), entry("sub 10/", 0, 1.0)]);
        list.extend([entry("file 9.jpg", 20, 4.0), entry("sub 9/", 0, 2.0), entry("Ärger.txt", 10, 5.0)]);
        list
    }

    #[test]
    fn pages_are_sorted_into_each_other_with_folders_first() {
        for (sort, expected) in [
            ("name", ["sub 9", "sub 10", "Ärger.txt", "file 9.jpg", "file 10.txt"]),
            ("-name", ["sub 10", "sub 9", "file 10.txt", "file 9.jpg", "Ärger.txt"]),
            ("size", ["sub 9", "sub 10", "Ärger.txt", "file 9.jpg", "file 10.txt"]),
            ("-size", ["sub 9", "sub 10", "file 10.txt", "file 9.jpg", "Ärger.txt"]),
            ("date", ["sub 10", "sub 9", "file 10.txt", "file 9.jpg", "Ärger.txt"]),
            ("kind", ["sub 9", "sub 10", "file 9.jpg", "Ärger.txt", "file 10.txt"]),
            ("rubbish", ["sub 9", "sub 10", "Ärger.txt", "file 9.jpg", "file 10.txt"]),
        ] {
            let mut list = sample();
            list.sort(Sort::from_text(sort));
            assert_eq!(names(&list), expected, "{sort}");
            assert_eq!(list.folders(), 2);
        }
    }

    #[test]
    fn a_filter_leaves_out_and_numbers_stay() {
        let mut list = sample();
        let number = list.number(3).unwrap();
        assert_eq!(list.entry(number).unwrap().name, "file 9.jpg");
        for (search, group, expected) in [
            ("FILE", None, &["file 9.jpg", "file 10.txt"][..]),
            ("arger", None, &["Ärger.txt"]),
            ("", Some(Group::Image), &["file 9.jpg"]),
            ("txt file", Some(Group::Document), &["file 10.txt"]),
            ("nothing", None, &[]),
        ] {
            list.filter(search, group);
            assert_eq!(names(&list), expected, "{search:?}");
            assert!(list.is_filtered() && list.total() == 5);
            assert_eq!(list.entry(number).unwrap().name, "file 9.jpg");
        }
        list.filter(" ", None);
        assert!(!list.is_filtered() && list.len() == 5);
        list.filter("x", None);
        list.clear();
        assert!(!list.is_filtered() && list.total() == 0);
    }

    #[test]
    fn a_press_sorts_and_another_one_turns_the_order() {
        let by_size = Sort::default().pressed(SortBy::Size);
        assert_eq!(by_size.to_text(), "size");
        assert_eq!(by_size.pressed(SortBy::Size).to_text(), "-size");
        assert_eq!(by_size.pressed(SortBy::Size).pressed(SortBy::Name).to_text(), "name");
        for sort in SortBy::ALL.map(|by| Sort { by, is_descending: true }) {
            assert_eq!(Sort::from_text(&sort.to_text()), sort);
        }
    }
}
