//! The queue handles transfers whose files are gone from the sandbox, and tells the user about everything that is
//! stored.

use std::collections::HashSet;

use wstp_messages::{CommandId, TransferId};

use super::super::change::Change;
use super::super::item::{Item, Save};
use super::super::model::Model;
use super::super::rebuild::{cleared_notice, lost_copy};
use super::{Effect, Queue};

/// The new id of a transfer that goes on in another folder.
fn successor(id: &TransferId) -> TransferId {
    let hash = blake3::hash(id.0.as_bytes()).to_hex();
    TransferId(hash[..32].to_owned())
}

impl Queue {
    /// These are the folders of transfers that there are. A transfer that is under way notices by itself; one that is
    /// not complete begins anew.
    pub fn handle_folders(&mut self, folders: &HashSet<String>) {
        let is_gone = |item: &&Item| item.in_sandbox && item.is_complete() && !folders.contains(&item.id.0);
        let gone: Vec<_> = self.model.items().filter(is_gone).map(|item| item.id.clone()).collect();
        gone.iter().for_each(|id| self.handle_gone(id));
    }

    /// The sandbox was cleared while this ran, and these are the folders of transfers that there are now.
    pub fn handle_cleared(&mut self, folders: &HashSet<String>) {
        self.handle_folders(folders);
        let gone: Vec<_> = self.workers.keys().filter(|id| !folders.contains(&id.0)).cloned().collect();
        gone.iter().for_each(|id| self.begin_anew(id));
        self.schedule();
    }

    /// The files of a transfer that is under way were removed. Chromium keeps the names of files that were open when
    /// they were removed. None can be made in their place before Chromium is restarted. So the transfer goes on under
    /// another name.
    pub(super) fn begin_anew(&mut self, id: &TransferId) {
        let said = self.workers.get_mut(id).and_then(|worker| worker.said.take());
        self.keep(id, said);
        let Some(item) = self.model.item(id).filter(|item| !item.is_complete()).cloned() else { return };
        let (order, has_begun) = (self.model.order(id), self.model.has_begun(id));
        let new = successor(id);
        let item = Item { id: new.clone(), ..item };
        self.discard(None, id.clone());
        self.write(None, Change::Added(Box::new(item.clone())));
        self.write(None, Change::Ordered(new.clone(), order));
        if has_begun {
            self.write(None, Change::Begun(new.clone()));
        }
        self.effects.push_back(Effect::Describe(Box::new(item)));
        self.changed.insert(new);
        self.is_urgent = true;
    }

    /// The complete copy of a transfer is gone from the sandbox.
    pub fn handle_gone(&mut self, id: &TransferId) {
        let Some(item) = self.model.item(id) else { return };
        self.pending_saves.remove(id);
        self.rechecked.remove(id);
        self.verified.remove(id);
        self.changed.insert(id.clone());
        self.is_urgent = true;
        let change = match item.save {
            Save::Saved(_) => Change::Freed(id.clone()),
            Save::No(_) | Save::Going => Change::Lost(id.clone(), lost_copy()),
        };
        self.write(None, change);
        self.schedule();
    }

    /// There was no list in the sandbox, and this is the copy of one outside of it; `None` if the copy can't be read.
    /// The sandbox was cleared, and the transfers' files with it.
    pub fn handle_copy(&mut self, copy: Option<&Model>) {
        let added_since: HashSet<_> = self.model.items().map(|item| item.id.0.clone()).collect();
        if let Some(copy) = copy {
            let lacks = |item: &&Item| self.model.item(&item.id).is_none();
            let items: Vec<_> = copy.items().filter(lacks).cloned().collect();
            copy.servers().iter().rev().for_each(|server| self.write(None, Change::Used(server.clone())));
            self.write(None, Change::Set(copy.settings()));
            for item in items {
                let (id, order) = (item.id.clone(), copy.order(&item.id));
                self.write(None, Change::Added(Box::new(item.clone())));
                self.write(None, Change::Ordered(id.clone(), order));
                if copy.has_begun(&id) {
                    self.write(None, Change::Begun(id.clone()));
                }
                if !item.is_complete() {
                    self.effects.push_back(Effect::Describe(Box::new(item)));
                }
                self.changed.insert(id);
            }
            (self.news.servers, self.news.settings) = (true, true);
        }
        self.write(None, Change::Noticed(Some(cleared_notice(copy.map(Model::transfers)))));
        self.news.notice = true;
        self.is_urgent = true;
        self.handle_folders(&added_since);
        self.schedule();
    }

    /// The user has read the notice, or wants the storage tried again.
    pub(super) fn dismiss(&mut self, command: &CommandId) {
        match self.model.notice() {
            Some(notice) if notice.is_lasting => self.effects.push_back(Effect::OpenStorage),
            Some(_) => {
                self.write(Some(command), Change::Noticed(None));
                self.news.notice = true;
            }
            None => {}
        }
    }
}
