//! Reading back what an earlier run stored of a folder, and the stamps of its large files, which go into its seal.

use std::collections::{BTreeMap, VecDeque};

use wstp_engine::folder::journal::{Form, Stored};
use wstp_engine::folder::{FileId, LookReply};
use wstp_messages::Stamp;

use super::{FolderJob, range_of};
use crate::clock;
use crate::folder_layout::large;
use crate::worker::job::Act;

/// The files to be read back or stamped. The folder wants no more read back at a time than takes a moment.
#[derive(Default)]
pub(super) struct Checks {
    /// Files to be read back when the thread has got to other things.
    due: VecDeque<(FileId, Stored)>,
    /// Large files to be stamped. One that an earlier run stored is read back first.
    to_stamp: VecDeque<(FileId, Option<Stored>)>,
    /// Those whose stamps are being taken.
    stamping: BTreeMap<FileId, Option<Stored>>,
    /// The stamps of those that this run fetched or read back.
    stamps: BTreeMap<u32, Stamp>,
}

impl Checks {
    /// The folder wants to know whether a file is still what an earlier run stored.
    pub(super) fn want(&mut self, file: FileId, stored: Stored) {
        self.due.push_back((file, stored));
    }

    /// A large file was fetched, and its storage is closed.
    pub(super) fn fetched(&mut self, file: FileId) {
        self.to_stamp.push_back((file, None));
    }

    /// Whether files wait to be read back.
    pub(super) fn are_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether some stamp is still to come.
    pub(super) fn are_stamps_due(&self) -> bool {
        !self.to_stamp.is_empty() || !self.stamping.is_empty()
    }

    /// The stamps taken so far, by the numbers of the files.
    pub(super) fn stamps(&self) -> BTreeMap<u32, Stamp> {
        self.stamps.clone()
    }
}

impl FolderJob {
    /// Reads back what is due; large files are read back apart.
    pub(super) fn check(&mut self) {
        for (file, stored) in std::mem::take(&mut self.checks.due) {
            match stored.form {
                Form::Packed(place) if self.pack.hash(place) == Some(stored.root) => self.checked(file, same(&stored)),
                Form::Packed(_) | Form::Own => self.checked(file, LookReply::Missing),
                Form::Fetched => self.checks.to_stamp.push_back((file, Some(stored))),
            }
        }
    }

    fn checked(&mut self, file: FileId, reply: LookReply) {
        if !matches!(reply, LookReply::Same { .. }) {
            self.done.remove(range_of(file));
        }
        self.folder.handle_looked(clock::now(), file, reply);
    }

    /// Has the next stamp taken.
    pub(super) fn poll_stamp(&mut self) -> Option<Act> {
        let (file, stored) = self.checks.to_stamp.pop_front()?;
        self.checks.stamping.insert(file, stored);
        let path = large(&self.task.transfer.0, file);
        Some(Act::Stamp { file, path, root: stored.map(|stored| stored.root) })
    }

    /// The stamp of a large file; `None` where the file is not what was stored, or can't be read.
    pub(super) fn stamped(&mut self, file: FileId, stamp: Option<Stamp>) {
        let Some(stored) = self.checks.stamping.remove(&file) else { return };
        let is_right = stamp.is_some();
        self.checks.stamps.extend(stamp.map(|stamp| (file.0, stamp)));
        match stored {
            Some(stored) if is_right => self.checked(file, same(&stored)),
            // A transfer of its own reads it back once more, and fetches only the blocks that are wrong.
            Some(_) => self.checked(file, LookReply::Unsure),
            None => {}
        }
    }
}

const fn same(stored: &Stored) -> LookReply {
    LookReply::Same { size: stored.size, root: stored.root }
}
