//! The storage of the folder's files, and of those that other transfers fetch.

use bytes::Bytes;
use wstp_engine::folder::journal::Form;
use wstp_engine::folder::{FetchReply, FileId, KeepReply, LookReply, Place};
use wstp_engine::{Problem, StoreError};
use wstp_protocol::Hash;

use super::{Copy, World};
use crate::folder::share::root_of;

impl World {
    pub(super) fn looked(&mut self, file: FileId) {
        let path = self.paths.get(&file).expect("a file is told before it is looked for").clone();
        let reply = match (file.0 % 3, self.scenario.share.find(&path)) {
            (1, Some(node)) if node.trouble.is_none() => {
                let (data, size, root) = (node.data.clone(), node.data.len() as u64, root_of(&node.data));
                self.store(file, Copy { data, form: Form::Own, durable: true });
                LookReply::Same { size, root }
            }
            (2, _) => LookReply::Unsure,
            _ => LookReply::Missing,
        };
        self.folder.handle_looked(self.now, file, reply);
    }

    /// Reports the copy on disk of a file that was stored before.
    pub(super) fn checked(&mut self, file: FileId, form: Form) {
        let reply = match self.disk.get(&file).filter(|copy| copy.form == form) {
            Some(copy) if !self.damaged.contains(&file) => {
                LookReply::Same { size: copy.data.len() as u64, root: root_of(&copy.data) }
            }
            Some(copy) if copy.form == Form::Fetched => LookReply::Unsure,
            _ => LookReply::Missing,
        };
        self.folder.handle_looked(self.now, file, reply);
    }

    fn store(&mut self, file: FileId, copy: Copy) {
        self.disk.insert(file, copy);
        if self.damaged.remove(&file) {
            self.mended.insert(file);
        }
    }

    /// Whether storage has no room. Counts the requests to it.
    fn is_full(&mut self) -> bool {
        match &mut self.full_after {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    pub(super) fn kept(&mut self, file: FileId, data: Bytes, root: Hash) {
        self.held.remove(&file);
        if self.is_full() {
            return self.folder.handle_kept(self.now, file, KeepReply::Failed(StoreError::Full));
        }
        assert_eq!(root_of(&data), root);
        let length = data.len() as u64;
        let place = self.random.chance(0.5).then_some(Place { offset: self.pack, length });
        self.pack += length;
        self.store(file, Copy { data, form: place.map_or(Form::Own, Form::Packed), durable: false });
        self.folder.handle_kept(self.now, file, KeepReply::Done(place));
    }

    pub(super) fn committed(&mut self, record: &[u8]) {
        if self.is_full() {
            return self.folder.handle_committed(self.now, Err(StoreError::Full));
        }
        self.journal.extend_from_slice(record);
        self.folder.handle_committed(self.now, Ok(()));
    }

    pub(super) fn fetched(&mut self, file: FileId, path: &str) {
        let Some(stopped) = self.fetching.remove(&file) else { return };
        let path = path.strip_prefix("top/").expect("it is in the folder");
        let node = self.scenario.share.find(path).expect("only what was listed is fetched").clone();
        let reply = match node.trouble {
            _ if stopped => FetchReply::Stopped,
            Some(code) => FetchReply::FileFailed(Problem::Server { code, text: String::new() }),
            None => {
                let (size, root) = (node.data.len() as u64, root_of(&node.data));
                self.store(file, Copy { data: node.data, form: Form::Fetched, durable: true });
                FetchReply::Done { size, root }
            }
        };
        self.folder.handle_fetched(self.now, file, reply);
    }
}
