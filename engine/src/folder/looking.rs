//! Files that the caller already has. If the caller wants to look, no small file is requested before it has looked.

use super::FolderTransfer;
use super::bundling::Held;
use super::output::{FileId, FolderOutput, LookReply};

impl FolderTransfer {
    /// A small file is wanted.
    pub(super) fn enqueue_small(&mut self, file: FileId) {
        if self.config.looks {
            self.to_look.push(file);
            self.looking.insert(file);
        } else {
            self.small.push_back(file);
        }
    }

    /// Has the caller look for files that it has not looked for yet.
    pub(super) fn look(&mut self) {
        let files = std::mem::take(&mut self.to_look);
        if !files.is_empty() {
            self.outputs.push_back(FolderOutput::Look { files });
        }
    }

    /// The caller reports what it has of a file.
    pub(super) fn looked(&mut self, file: FileId, reply: LookReply) {
        if self.checked(file, reply) || !self.looking.remove(&file) {
            return;
        }
        match reply {
            LookReply::Missing => self.small.push_back(file),
            LookReply::Unsure => self.large.push_back(file),
            LookReply::Same { size, root } => {
                self.entries.done(file, size);
                self.ledger.kept(self.now, file, Held { size, root }, None);
            }
        }
    }
}
