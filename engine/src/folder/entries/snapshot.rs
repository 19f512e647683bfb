//! All entries in the form in which a compacted journal has them.

use serde::{Deserialize, Serialize};
use wstp_protocol::SharePath;

use super::{Entries, File, Folder, MAX_DEPTH, MAX_ENTRIES, MAX_TEXT, State};
use crate::folder::listing::{Listing, Position, Rank};
use crate::folder::output::FolderId;

/// Every folder and file that was listed, in the order of their ids. The record around it says which files are stored
/// or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::folder) struct Snapshot {
    /// The outermost folder comes first.
    folders: Vec<(FolderId, String, Extent)>,
    /// Folder, name, size and last change.
    files: Vec<(FolderId, String, u64, Option<i64>)>,
    left_out: u32,
    padding: u64,
}

/// How far the listing of a folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Extent {
    Unlisted,
    Going { cursor: Option<String>, last: Option<(Rank, String)> },
    Done,
}

impl Entries {
    /// All entries, without the states of the files.
    pub(in crate::folder) fn snapshot(&self) -> Snapshot {
        let folder = |folder: &Folder| (folder.parent, folder.name.to_string(), Extent::of(&folder.listing));
        let file = |file: &File| (file.folder, file.name.to_string(), file.size, file.modified_ms);
        Snapshot {
            folders: self.folders.iter().map(folder).collect(),
            files: self.files.iter().map(file).collect(),
            left_out: self.totals.left_out,
            padding: self.padding as u64,
        }
    }
}

impl Snapshot {
    /// The entries, all of whose files wait; `None` if it makes no sense or is out of bounds.
    pub(in crate::folder) fn entries(self) -> Option<Entries> {
        let mut entries = Entries::new(SharePath::root());
        entries.padding = usize::try_from(self.padding).ok().filter(|padding| *padding <= MAX_ENTRIES)?;
        entries.totals.left_out = self.left_out;
        let mut folders = self.folders.into_iter();
        let (_, _, outermost) = folders.next()?;
        entries.folders[0].listing = outermost.listing();
        for (parent, name, listing) in folders {
            let depth = entries.folder(parent)?.depth + 1;
            entries.take(&name).filter(|()| usize::from(depth) <= MAX_DEPTH)?;
            let (name, listing) = (name.into(), listing.listing());
            entries.folders.push(Folder { parent, name, depth, listing });
        }
        for (folder, name, size, modified_ms) in self.files {
            entries.folder(folder)?;
            entries.take(&name)?;
            let file = File { folder, name: name.into(), size, modified_ms, state: State::Waiting };
            entries.totals.bytes = entries.totals.bytes.saturating_add(file.counted());
            entries.files.push(file);
        }
        Some(entries)
    }
}

impl Entries {
    /// Counts a name, if it is one and there is room for another.
    fn take(&mut self, name: &str) -> Option<()> {
        self.text += name.len();
        let has_room = self.folders.len() + self.files.len() < MAX_ENTRIES && self.text <= MAX_TEXT;
        (has_room && SharePath::root().join(name).is_ok()).then_some(())
    }
}

impl Extent {
    fn of(listing: &Listing) -> Self {
        match listing {
            Listing::Unlisted => Self::Unlisted,
            Listing::Going(position) | Listing::Failed(position) => {
                Self::Going { cursor: position.cursor.clone(), last: position.last.clone() }
            }
            Listing::Done => Self::Done,
        }
    }

    fn listing(self) -> Listing {
        match self {
            Self::Unlisted => Listing::Unlisted,
            Self::Going { cursor, last } => Listing::Going(Box::new(Position { cursor, last, again: false })),
            Self::Done => Listing::Done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::listing::{ListingFile, ListingPage};

    /// The folder `d`, and the file `a` beside it.
    fn snapshot() -> Snapshot {
        let files = vec![ListingFile { name: "a".to_owned(), size: 10, modified_ms: Some(1) }];
        let (folder, folders) = (FolderId(0), vec!["d".to_owned()]);
        let mut entries = Entries::new(SharePath::root());
        entries.add(&ListingPage { folder, folders, files, left_out: 1, next: None }).unwrap().unwrap();
        let snapshot = entries.snapshot();
        assert_eq!(snapshot.clone().entries(), Some(entries));
        snapshot
    }

    #[test]
    fn a_snapshot_that_makes_no_sense_is_not_believed() {
        let spoilt: [fn(&mut Snapshot); 8] = [
            |snapshot| snapshot.files[0].1 = "../out".to_owned(),
            |snapshot| snapshot.folders[1].1 = String::new(),
            |snapshot| snapshot.files[0].0 = FolderId(2),
            |snapshot| snapshot.folders[1].0 = FolderId(1),
            |snapshot| snapshot.folders.clear(),
            |snapshot| snapshot.padding = u64::MAX,
            |snapshot| snapshot.files = vec![snapshot.files[0].clone(); MAX_ENTRIES],
            |snapshot| {
                let deeper = |parent| (FolderId(parent), "d".to_owned(), Extent::Unlisted);
                snapshot.folders.extend((1..=MAX_DEPTH as u32).map(deeper));
            },
        ];
        for (case, spoil) in spoilt.into_iter().enumerate() {
            let mut snapshot = snapshot();
            spoil(&mut snapshot);
            assert_eq!(snapshot.entries(), None, "case {case}");
        }
    }
}
