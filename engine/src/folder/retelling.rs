//! Reports the entries that a journal brought back, in the order of listing, piece by piece, so that memory does not
//! hold them twice.

use super::entries::Entries;
use super::output::{FileId, FolderId, Listed};

/// Entries in one output.
const MOST: usize = 1000;

/// The entries that are still to be reported.
#[derive(Debug)]
pub(super) struct Retelling {
    folder: u32,
    folders: u32,
    file: u32,
    files: u32,
}

impl Retelling {
    /// All entries of the folder. The outermost folder needs no report.
    pub(super) fn of(entries: &Entries) -> Self {
        Self { folder: 1, folders: entries.folders(), file: 0, files: entries.files() }
    }

    /// The next piece: neighbouring entries of one folder. All folders come before all files, as in each folder's
    /// listing.
    pub(super) fn next(&mut self, entries: &Entries) -> Option<(FolderId, Vec<Listed>)> {
        if self.folder < self.folders { self.folders(entries) } else { self.files(entries) }
    }

    fn folders(&mut self, entries: &Entries) -> Option<(FolderId, Vec<Listed>)> {
        let parent = entries.folder(FolderId(self.folder))?.parent;
        let mut told = Vec::new();
        while self.folder < self.folders && told.len() < MOST {
            let id = FolderId(self.folder);
            let Some(folder) = entries.folder(id).filter(|folder| folder.parent == parent) else { break };
            told.push(Listed::Folder { id, name: folder.name.to_string() });
            self.folder += 1;
        }
        Some((parent, told))
    }

    fn files(&mut self, entries: &Entries) -> Option<(FolderId, Vec<Listed>)> {
        let parent = entries.file(FileId(self.file)).filter(|_| self.file < self.files)?.folder;
        let mut told = Vec::new();
        while self.file < self.files && told.len() < MOST {
            let id = FileId(self.file);
            let Some(file) = entries.file(id).filter(|file| file.folder == parent) else { break };
            let (name, size, modified_ms) = (file.name.to_string(), file.size, file.modified_ms);
            told.push(Listed::File { id, name, size, modified_ms });
            self.file += 1;
        }
        Some((parent, told))
    }
}
